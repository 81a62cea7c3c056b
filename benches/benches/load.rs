//! What a version costs that came as a file, against what it may cost.
//!
//! The machine of the other benches is built as an image, with a third version that does what the second does: so the one step
//! is compiled in and the other loaded.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hotswap::load::{Claims, Images, SecretKey, Trust, inspect, sign};
use hotswap_benches::counter::{Add, Cell, Switch};
use hotswap_benches::image::{How, Place};
use hotswap_benches::report::{Row, spread};
use hotswap_benches::turns::{nanoseconds, take_turns};
use hotswap_benches::{INSTANCES, V2, report};

const TURNS: usize = 101;
const ROUNDS: u32 = 100;
/// A build takes seconds.
const BUILDS: usize = 5;

fn main() {
    let mut report = report!();
    let place = Place::new(Path::new(env!("CARGO_TARGET_TMPDIR")), How::Fast);
    let builds = place.builds(BUILDS);
    let [plain, image] = [false, true].map(|lto| fs::read(place.image(lto)).expect("an image"));
    println!("{} bytes of image, {} without `--lto`", image.len(), plain.len());
    let (compiled, loaded) = steps(&image);
    let what = "a step that is loaded over one that is compiled in, both optimised at link time";
    report.add(over(what, "ns", &loaded, &compiled).at_most(60.0));
    let (compiled, loaded) = steps(&plain);
    report.add(over("the same, of an image without `--lto`", "ns", &loaded, &compiled));
    let (loads, inspects) = loads(&image);
    let row = Row::of("load, its signature included", "ms", &loads).by_the_least();
    report.add(row.at_most(5.0).beside("a switch of the machine is live"));
    report.add(Row::of("inspect", "ms", &inspects).by_the_least().at_most(1.0));
    let (plain, hotswap): (Vec<_>, Vec<_>) = builds.iter().map(|[plain, hotswap]| (*plain, *hotswap)).unzip();
    report.add(over("hotswap build over cargo build, again after a change", "s", &hotswap, &plain).at_most(3.0));
    report.close();
}

/// By how much the one is more, turn by turn. The least of each is judged: whatever else runs on the machine only adds.
fn over(what: &str, unit: &str, one: &[f64], other: &[f64]) -> Row {
    let turns: Vec<f64> = one.iter().zip(other).map(|(one, other)| one - other).collect();
    let ([one, ..], [other, ..]) = (spread(one), spread(other));
    Row::of(what, unit, &turns)
        .judged(one - other, "minima")
        .beside(&format!("the least of each: {one:.3} against {other:.3} {unit}"))
}

/// The key that images are signed with, and those who take them.
fn images() -> (SecretKey, Images) {
    let key = SecretKey::generate().expect("there is randomness");
    let images = Images::new(Trust::new("bench").key(key.public()));
    (key, images)
}

fn signed(image: &[u8], key: &SecretKey, serial: u64) -> Vec<u8> {
    sign(image, key, &Claims::new("bench", serial)).expect("it can be signed")
}

// ---- steps

/// Nanoseconds for a step that is compiled in, and for one that is loaded.
fn steps(image: &[u8]) -> (Vec<f64>, Vec<f64>) {
    let (key, images) = images();
    let cells = |switch: &Switch| -> Vec<Cell> {
        (0..INSTANCES).map(|_| switch.cell(V2::default()).expect("it can come up")).collect()
    };
    let switch = Switch::new();
    let compiled = cells(&switch);
    let id = images.load_bytes(&signed(image, &key, 1)).expect("it fits").id;
    let switch = Switch::builder().starting_at(3).build().expect("the image has it");
    let loaded = cells(&switch);
    assert!(
        compiled.iter().all(|cell| cell.version() == Some(2)) && loaded.iter().all(|cell| cell.version() == Some(3))
    );
    let [compiled_in, arrived] = take_turns(TURNS, [&mut || turn(&compiled), &mut || turn(&loaded)]);
    drop((loaded, switch));
    images.unload(&id).expect("nobody uses it");
    (compiled_in, arrived)
}

/// Nanoseconds a step.
fn turn(cells: &[Cell]) -> f64 {
    nanoseconds(u64::from(ROUNDS) * u64::from(INSTANCES), || {
        for cell in (0..ROUNDS).flat_map(|_| cells) {
            std::hint::black_box(cell.step(std::hint::black_box(Add(1))).expect("both versions add"));
        }
    })
}

// ---- images

/// Milliseconds to take an image in, its signature included, while a switch of its machine is live; and to look at it.
fn loads(image: &[u8]) -> (Vec<f64>, Vec<f64>) {
    let (key, images) = images();
    let switch = Switch::new();
    let milliseconds = |took: Duration| took.as_secs_f64() * 1e3;
    let (mut loads, mut inspects) = (Vec::new(), Vec::new());
    for serial in 1..=TURNS as u64 {
        let file = signed(image, &key, serial);
        let start = Instant::now();
        let arrived = images.load_bytes(&file).expect("it fits");
        loads.push(milliseconds(start.elapsed()));
        assert_eq!(arrived.brought, [(switch.admin().status().label, vec![3])]);
        images.unload(&arrived.id).expect("nobody uses it");
        let start = Instant::now();
        std::hint::black_box(inspect(std::hint::black_box(image)).expect("an image"));
        inspects.push(milliseconds(start.elapsed()));
    }
    (loads, inspects)
}
