//! Where the instructions of what is rare are: function by function, as callgrind counts them.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;

use hotswap::{Machine as _, UpgradeOptions, Wait, snapshot};
use hotswap_benches::callgrind::Functions;
use hotswap_benches::five::{heap, plain, way_up, written};
use hotswap_benches::turns::exact;
use hotswap_benches::wide::line;

use super::valgrind;

/// Enough that what is done once does not show.
const TIMES: u64 = 1000;
/// What is counted, by what it is called here and in the report. Each is done in a function of its own, `counted_…`, that is not
/// inlined: nothing outside it is counted.
pub(crate) const COUNTED: [(&str, &str, fn()); 7] = [
    ("flip", "the command that flips", flips),
    ("fused", "the fused migration 1 -> 5 of a state without heap", fused),
    ("each", "the four migrations 1 -> 5 of a state without heap, one by one", each),
    ("derived", "decoding a version 1 of 1 KiB up to 5, derived", derived),
    ("postcard", "the same record by postcard alone", by_postcard),
    ("written", "decoding a version 1 of 1 KiB up to 5, each migration written by hand", by_hand),
    ("newest", "decoding a version 5 of the same machine", newest),
];

fn flips() {
    #[inline(never)]
    fn counted_flip(admin: &line::Admin) {
        let options = UpgradeOptions::default().wait(Wait::No);
        black_box(admin.upgrade_with(2, "bench", &options).expect("it can go up"));
    }
    let switch = line::Switch::builder().starting_at(line::Version::V1).build().expect("version 1 can run");
    let admin = switch.admin();
    let _live = switch.instance(line::V1::default()).expect("it is at the version that runs");
    for _ in 0..TIMES {
        counted_flip(&admin);
        admin.rollback("bench").expect("it can go back");
    }
}

fn fused() {
    #[inline(never)]
    fn counted_fused(state: &mut Option<plain::AnyState>) {
        plain::Machine::fused(state).expect("it goes up");
    }
    for _ in 0..TIMES {
        let mut state = Some(plain::V1::default().into());
        counted_fused(black_box(&mut state));
        black_box(state);
    }
}

fn each() {
    #[inline(never)]
    fn counted_each(way: &[fn(&mut Option<plain::AnyState>)], state: &mut Option<plain::AnyState>) {
        for run in way {
            run(state);
        }
    }
    let way = way_up::<plain::Machine>();
    for _ in 0..TIMES {
        let mut state = Some(plain::V1::default().into());
        counted_each(black_box(&way), black_box(&mut state));
        black_box(state);
    }
}

/// Of about 1 KiB, as in the bench of snapshots.
fn record() -> (String, Vec<String>) {
    ("a record of the benches'".to_owned(), (0..16).map(|line| format!("{line:>56}")).collect())
}

fn derived() {
    #[inline(never)]
    fn counted_derived(bytes: &[u8]) -> heap::AnyState {
        snapshot::decode::<heap::Machine>(bytes, 5).expect("it goes up")
    }
    let (name, list) = record();
    let bytes = snapshot::encode::<heap::Machine>(&heap::V1 { a: 1, name, list }.into()).expect("it can be encoded");
    (0..TIMES).for_each(|_| drop(black_box(counted_derived(black_box(&bytes)))));
}

/// What any format of postcard's comes to that checks nothing and moves nowhere.
fn by_postcard() {
    #[inline(never)]
    fn counted_postcard(bytes: &[u8]) -> heap::V1 {
        postcard::from_bytes(bytes).expect("it is one")
    }
    let (name, list) = record();
    let bytes = postcard::to_allocvec(&heap::V1 { a: 1, name, list }).expect("it can be encoded");
    (0..TIMES).for_each(|_| drop(black_box(counted_postcard(black_box(&bytes)))));
}

fn by_hand() {
    #[inline(never)]
    fn counted_written(bytes: &[u8]) -> written::AnyState {
        snapshot::decode::<written::Machine>(bytes, 5).expect("it goes up")
    }
    let (name, list) = record();
    let state = written::V1 { a: 1, name, list };
    let bytes = snapshot::encode::<written::Machine>(&state.into()).expect("it can be encoded");
    (0..TIMES).for_each(|_| drop(black_box(counted_written(black_box(&bytes)))));
}

fn newest() {
    #[inline(never)]
    fn counted_newest(bytes: &[u8]) -> written::AnyState {
        snapshot::decode::<written::Machine>(bytes, 5).expect("it is there already")
    }
    let (name, list) = record();
    let state = written::V5 { a: 1, name, list, b: 2, c: 3, d: 4, e: 5 };
    let bytes = snapshot::encode::<written::Machine>(&state.into()).expect("it can be encoded");
    (0..TIMES).for_each(|_| drop(black_box(counted_newest(black_box(&bytes)))));
}

/// The functions in which `name` spends the most instructions, each time that it is done.
pub(crate) fn functions(scratch: &Path, name: &str) -> Result<String, Box<dyn Error>> {
    let out = scratch.join("count.functions");
    let toggle = format!("--toggle-collect=*counted_{name}*");
    valgrind(&["--tool=callgrind", &toggle, &format!("--callgrind-out-file={}", out.display())], &["rare", name])?;
    let counted = Functions::read(&out).map_err(|error| format!("`{name}`: {error}"))?;
    Ok(counted.listed(exact(TIMES)))
}
