//! What it costs to read a state that an old version wrote, and what other crates for versioned data take for the same.

#[path = "snapshot/others.rs"]
mod others;

use std::hint::black_box;

use hotswap::snapshot;
use hotswap_benches::five::{heap, written};
use hotswap_benches::plot::{self, Labels, Scale, Series};
use hotswap_benches::report;
use hotswap_benches::report::{Report, Row, spread};
use hotswap_benches::turns::{exact, nanoseconds, take_turns};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use others::{by_native_model, by_obake, by_revision, by_savefile, by_tfhe_versionable};

const TURNS: usize = 301;
/// How many are read in a turn.
const READ: u64 = 64;
/// The lines of a record of about 1 KiB.
const LINES: usize = 16;

fn main() {
    let mut report = report!();
    migrated(&mut report);
    against_others(&mut report);
    by_size(&report);
    report.close();
}

fn name() -> String {
    "a record of the benches'".to_owned()
}

fn list(lines: usize) -> Vec<String> {
    (0..lines).map(|line| format!("{line:>56}")).collect()
}

/// Nanoseconds for each that `read` reads.
fn reading<T>(bytes: &[u8], read: impl Fn(&[u8]) -> T) -> f64 {
    // what is read is dropped after the clock has stopped
    let mut all = Vec::with_capacity(usize::try_from(READ).expect("a small number"));
    nanoseconds(READ, || all.extend((0..READ).map(|_| read(black_box(bytes)))))
}

fn derived(bytes: &[u8]) -> heap::AnyState {
    snapshot::decode::<heap::Machine>(bytes, 5).expect("it goes up to version 5")
}

fn by_hand(bytes: &[u8]) -> written::AnyState {
    snapshot::decode::<written::Machine>(bytes, 5).expect("it goes up to version 5")
}

// ---- the same machine's versions

fn migrated(report: &mut Report) {
    let old = heap::V1 { a: 1, name: name(), list: list(LINES) };
    let old = snapshot::encode::<heap::Machine>(&old.into()).expect("it can be encoded");
    let new = heap::V5 { a: 1, name: name(), list: list(LINES), b: 2, c: 3, d: 4, e: 5 };
    let new = snapshot::encode::<heap::Machine>(&new.into()).expect("it can be encoded");
    assert!(matches!((derived(&old), derived(&new)), (heap::AnyState::V5(old), heap::AnyState::V5(new)) if old == new));
    let [one, other] = take_turns(TURNS, [&mut || reading(&old, derived), &mut || reading(&new, derived)]);
    let what = "decoding a version 1 of 1 KiB and migrating it to 5, against decoding a version 5, derived";
    report.add(Row::ratio(what, "ns", &one, &other).at_most(1.1).limit(
        "A version 1 takes 6,700 instructions, which a profile below lists, and the four migrations are a few hundred of them: it is held by as little as what the allocator takes from one \
         turn to the next.",
    ));
    let old = written::V1 { a: 1, name: name(), list: list(LINES) };
    let old = snapshot::encode::<written::Machine>(&old.into()).expect("it can be encoded");
    let new = written::V5 { a: 1, name: name(), list: list(LINES), b: 2, c: 3, d: 4, e: 5 };
    let new = snapshot::encode::<written::Machine>(&new.into()).expect("it can be encoded");
    assert!(
        matches!((by_hand(&old), by_hand(&new)), (written::AnyState::V5(old), written::AnyState::V5(new)) if old == new)
    );
    let [one, other, cloned] = take_turns(
        TURNS,
        [&mut || reading(&old, by_hand), &mut || reading(&new, by_hand), &mut || {
            reading(&new, |bytes| cloned_four_times(by_hand(bytes)))
        }],
    );
    let what = "the same, each migration written by hand, borrowing";
    let row = Row::ratio(what, "ns", &one, &other).at_most(2.2).beside("each of the four clones 17 strings");
    report.add(row.limit(
        "The migrations are the user's, and borrow: each of the four clones what it keeps, and what it left is dropped. Two profiles below list the 22,200 instructions of a version 1 and the 6,500 of a \
         version 5: what is between them is theirs but for some 1,000 at most, which find and run them, and three quarters of it are the allocator's, for 18 blocks each time. Without those 1,000 it would still be three times as many. \
         The next row is of a version 5 that is cloned as often by hand. Migrations that are derived move what these clone, and have a row.",
    ));
    let what = "decoding a version 5, cloning it and dropping what was cloned, four times by hand, against decoding it";
    report.add(Row::ratio(what, "ns", &cloned, &other).beside("no migration runs: what the four clone and leave"));
}

fn cloned_four_times(read: written::AnyState) -> written::AnyState {
    let written::AnyState::V5(mut state) = read else { unreachable!("it is read as version 5") };
    for _ in 0..4 {
        state = black_box(&state).clone();
    }
    state.into()
}

// ---- other crates

fn against_others(report: &mut Report) {
    let state = heap::V1 { a: 1, name: name(), list: list(LINES) };
    let ours = snapshot::encode::<heap::Machine>(&state.into()).expect("it can be encoded");
    let [revision, native_model, savefile, obake, tfhe] =
        [by_revision::old, by_native_model::old, by_savefile::old, by_obake::old, by_tfhe_versionable::old]
            .map(|old| old(1, name(), list(LINES)));
    macro_rules! assert_up {
        ($($read:expr),*) => {
            $({
                let read = $read;
                assert_eq!((read.a, read.name, read.list), (1, name(), list(LINES)));
                assert_eq!([read.b, read.c, read.d, read.e], [2, 3, 4, 5]);
            })*
        };
    }
    assert_up!(
        by_revision::read(&revision),
        by_native_model::read(native_model.clone()),
        by_savefile::read(&savefile),
        by_obake::read(&obake),
        by_tfhe_versionable::read(&tfhe)
    );
    let mut read_native_model = || {
        // it takes the bytes for itself, so each gets its own before the clock runs
        let all: Vec<_> = (0..READ).map(|_| native_model.clone()).collect();
        let mut read = Vec::with_capacity(all.len());
        nanoseconds(READ, || read.extend(all.into_iter().map(|bytes| by_native_model::read(black_box(bytes)))))
    };
    let [ours, checked, revision, native_model, savefile, obake, tfhe] = take_turns(
        TURNS,
        [
            &mut || reading(&ours, derived),
            &mut || reading(&ours, checked_alone),
            &mut || reading(&revision, by_revision::read),
            &mut read_native_model,
            &mut || reading(&savefile, by_savefile::read),
            &mut || reading(&obake, by_obake::read),
            &mut || reading(&tfhe, by_tfhe_versionable::read),
        ],
    );
    let others = [
        ("revision", revision, "its own format; no checksum, no name of the type"),
        ("native_model", native_model, "postcard; an id and a version, no checksum; takes the bytes for itself"),
        ("savefile", savefile, "its own format without the schema; no checksum"),
        ("obake", obake, "postcard of the enum of all versions; no checksum"),
        ("tfhe-versionable", tfhe, "postcard of the enum of all versions; no checksum"),
    ];
    let median = |turns: &[f64]| spread(turns)[1];
    let fastest =
        others.iter().min_by(|one, other| median(&one.1).total_cmp(&median(&other.1))).expect("there are five");
    let what = format!("decoding a version 1 of 1 KiB up to 5, against the fastest of five: {}", fastest.0);
    let row = Row::ratio(&what, "ns", &ours, &fastest.1).at_most(1.05);
    let row = row.beside("hotswap checks machine, fingerprint and two checksums, and contains a panic in a migration");
    report.add(row.limit(
        "Of 6,700 instructions, which a profile below lists, postcard takes 4,560 for the record alone, as another profile says: half as many more, and so it is in time. 5 % more are 230. The two checksums are 840, 18 % by \
         themselves. The rest, 1,290, are the head's, with machine, version and fingerprint, and the way's up, with its guards and the checks of versions. What was damaged, is another machine's or has changed its shape is told \
         from what was not. The next row is of no more than the two checksums and postcard.",
    ));
    let what = format!("the two checksums of a snapshot, and its record by postcard alone, against {}", fastest.0);
    let row = Row::ratio(&what, "ns", &checked, &fastest.1);
    report.add(row.beside("of the head only its length and its checksum are looked at, and nothing goes up"));
    for (crate_name, turns, beside) in &others {
        let row = Row::ratio(&format!("decoding a version 1 up to 5, against {crate_name}"), "ns", &ours, turns);
        report.add(row.beside(beside));
    }
}

/// A snapshot's record as it was written, once both checksums fit.
fn checked_alone(bytes: &[u8]) -> heap::AnyState {
    let head = 12 + usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
    let (head, rest) = bytes.split_at(head);
    let (sum, rest) = rest.split_at(8);
    let (body, sum_of_body) = rest.split_at(rest.len() - 8);
    let seed = xxh3_64_with_seed(head, 0);
    assert_eq!(
        (seed.to_le_bytes().as_slice(), xxh3_64_with_seed(body, seed).to_le_bytes().as_slice()),
        (sum, sum_of_body)
    );
    postcard::from_bytes(body).expect("it is one")
}

// ---- how it grows

/// A plot of what reading takes by bytes of state.
fn by_size(report: &Report) {
    let (mut old_points, mut new_points) = (Vec::new(), Vec::new());
    for lines in [0, 1, 4, 16, 64, 256, 1024] {
        let old = heap::V1 { a: 1, name: name(), list: list(lines) };
        let old = snapshot::encode::<heap::Machine>(&old.into()).expect("it can be encoded");
        let new = heap::V5 { a: 1, name: name(), list: list(lines), b: 2, c: 3, d: 4, e: 5 };
        let new = snapshot::encode::<heap::Machine>(&new.into()).expect("it can be encoded");
        let turns = take_turns(15, [&mut || reading(&old, derived), &mut || reading(&new, derived)]);
        let [one, other] = turns.map(|turns| spread(&turns)[1] / 1e3);
        old_points.push((exact(old.len() as u64), one));
        new_points.push((exact(new.len() as u64), other));
    }
    let labels = Labels { title: "Reading a state by its size", x: "bytes of snapshot", y: "µs" };
    let series = [("version 1, migrated to 5", old_points), ("version 5", new_points)];
    let series = series.map(|(name, points)| Series { name: name.to_owned(), points });
    plot::draw(&report.plot("bytes"), labels, Scale::Logarithmic, &series);
}
