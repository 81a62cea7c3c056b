//! A saved fleet is written anew at one version, as restoring and upgrading it would have made it: whole, or not at all.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::num::ParseIntError;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use hotswap::load::Images;
use hotswap::remote::{Options, serve};
use hotswap::snapshot::{SnapshotError, survey};
use hotswap::{
    AdminError, ConvertError, ConvertOptions, Loss, PlanFailure, RestoreError, RollbackOptions, SaveError, VersionError,
};
use hotswap_image_tally::tally as loaded;
use hotswap_tests::folder::Folder;
use hotswap_tests::images::{alone, built, signed, trusted};
use hotswap_tests::tally::{Add, AnyState, Fleet, Mood, Prepare, Switch, V1, V2, V3};
use hotswap_tests::{marks, quietly};
use proptest::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

mod command;
#[path = "fuzzing/counting.rs"]
mod counting;

use command::Place;
use command::program::{Program, role, say, told};
use counting::peak_of;

fn fleet(at: u32) -> Fleet<u64> {
    Switch::builder().starting_at(at).build().expect("one to run").fleet()
}

fn states(fleet: &Fleet<u64>) -> BTreeMap<u64, AnyState> {
    let mut states = BTreeMap::new();
    fleet.for_each(|key, state| drop(states.insert(*key, state.clone()))).expect("outside");
    states
}

fn strict() -> ConvertOptions {
    ConvertOptions::default()
}

fn lossy() -> ConvertOptions {
    ConvertOptions::default().accept_loss(true)
}

/// What stands in a folder, by name.
fn files(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder.path("")).expect("it is there").map(|entry| entry.expect("a file"));
    let files = files.filter(|entry| entry.path().extension().is_none_or(|end| end != "lock"));
    files.map(|it| (it.file_name().into_string().expect("a name"), fs::read(it.path()).expect("a file"))).collect()
}

/// An instance to be saved: what it adds up, the version at which it stays, and what its next migration is to do.
type Saved = (u64, u32, Mood);

/// A file with these, written when version `last` ran: 3, 4 or 5.
fn saved(instances: &[Saved], last: u32, path: &Path) {
    let switch = Switch::builder().starting_at(2).build().expect("one to run");
    let fleet = switch.fleet::<u64>();
    let to = |key: u64, mood| fleet.step(&key, Prepare(mood)).expect("taken by all versions");
    for (key, (sum, stays, _)) in (0..).zip(instances) {
        let mood = if *stays == 2 { Mood::Unwilling } else { Mood::Willing };
        fleet.insert(key, V2 { sum: *sum, mood, additions: 0 }).expect("enters");
    }
    switch.admin().upgrade(last.min(4), "").expect("not refused");
    for (key, (sum, stays, _)) in (0..).zip(instances) {
        fleet.step(&key, Add(sum + 1)).expect("taken by all versions");
        if *stays == 4 {
            to(key, Mood::Unwilling);
        }
    }
    if last == 5 {
        switch.admin().upgrade(5, "").expect("not refused");
    }
    for (key, (_, _, mood)) in (0..).zip(instances) {
        to(key, *mood);
    }
    assert_eq!(fleet.save(path).expect("a writable folder").instances, instances.len() as u64);
}

fn instance() -> impl Strategy<Value = Saved> {
    let mood = prop_oneof![30 => Just(Mood::Willing), 1 => Just(Mood::Unwilling), 1 => Just(Mood::Explosive)];
    (0..1000_u64, prop_oneof![Just(2), Just(4), Just(5)], mood)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    /// A program at that version makes the same of the converted file as of the old one; where it would hold somebody back,
    /// there is no such file.
    #[test]
    fn what_is_restored_is_the_same(
        instances in proptest::collection::vec(instance(), 0..8), last in 3..=5_u32, to in 1..=5_u32, at in 1..=5_u32,
    ) {
        let folder = Folder::in_memory();
        let (file, out) = (folder.path("file"), folder.path("out"));
        saved(&instances, last, &file);
        let before = files(&folder);
        let switch = Switch::builder().starting_at(to).build().expect("one to run");
        let directly = switch.fleet::<u64>();
        let restored = quietly(|| directly.restore(&file)).expect("its own file");
        let mut held: Vec<_> = switch.admin().held_back().into_iter().map(|held| (held.who, held.reason)).collect();
        held.sort();

        let live = fleet(at);
        live.insert(0, V1 { sum: 1, mood: Mood::Willing }).expect("enters");
        let untouched = states(&live);
        for accepts in [false, true] {
            let options = ConvertOptions::default().accept_loss(accepts);
            let converted = quietly(|| live.convert(&file, to, &out, &options));
            prop_assert_eq!(states(&live), untouched.clone());
            match converted {
                Err(ConvertError::NotMoved { to: asked, instances, failed, failures }) => {
                    prop_assert_eq!((asked, instances, failed), (to, restored.instances, restored.held_back));
                    let mut named: Vec<_> = failures.into_iter().map(|it| (it.who, it.reason)).collect();
                    named.sort();
                    prop_assert_eq!(&named, &held);
                    prop_assert!(failed > 0);
                    prop_assert_eq!(files(&folder), before.clone());
                }
                Err(ConvertError::Refused(AdminError::LossNotAccepted { to: asked, losses })) => {
                    prop_assert!(held.is_empty() && !losses.is_empty() && !accepts);
                    prop_assert_eq!((asked, &losses), (to, &restored.losses));
                    prop_assert_eq!(files(&folder), before.clone());
                }
                converted => {
                    let converted = converted.expect("nothing is in the way");
                    prop_assert!(held.is_empty() && (accepts || restored.losses.is_empty()));
                    prop_assert_eq!(
                        (converted.instances, converted.moved, converted.losses),
                        (restored.instances, restored.moved, restored.losses.clone())
                    );
                    prop_assert_eq!(converted.bytes, fs::metadata(&out).expect("it is there").len());
                    let anew = fleet(to);
                    let again = anew.restore(&out).expect("it is whole");
                    prop_assert_eq!((again.moved, again.held_back, again.losses.len()), (0, 0, 0));
                    prop_assert_eq!(states(&anew), states(&directly));
                }
            }
        }
    }
}

/// Three of version 2, two of version 4, one of version 5.
const SEVERAL: [Saved; 6] = [
    (1, 2, Mood::Willing),
    (2, 2, Mood::Willing),
    (3, 2, Mood::Willing),
    (4, 4, Mood::Willing),
    (5, 4, Mood::Willing),
    (6, 5, Mood::Willing),
];

#[test]
fn a_file_of_several_versions_comes_to_one() {
    let folder = Folder::new();
    let (file, out) = (folder.path("file"), folder.path("out"));
    saved(&SEVERAL, 5, &file);
    let converted = fleet(1).convert(&file, 5, &out, &strict()).expect("all can go up");
    assert_eq!((converted.instances, converted.moved, converted.losses.len()), (6, 5, 0));
    let survey = survey(&out).expect("a snapshot");
    assert_eq!((survey.header.version, survey.whole, survey.bytes), (5, Ok(Some(6)), converted.bytes));
    let anew = fleet(5);
    assert_eq!(anew.restore(&out).expect("it is whole").moved, 0);
    assert!(states(&anew).values().all(|state| matches!(state, AnyState::V5(_))));
    // and in its own place
    fleet(1).convert(&out, 5, &out, &strict()).expect("it is its own");
    assert_eq!(files(&folder)["out"].len() as u64, converted.bytes);
}

#[test]
fn memory_holds_a_block_however_long_the_file_is() {
    let folder = Folder::in_memory();
    let (file, out) = (folder.path("file"), folder.path("out"));
    let old = fleet(1);
    let taken = |instances: Range<u64>| {
        for key in instances {
            old.insert(key, V1 { sum: key, mood: Mood::Willing }).expect("enters");
        }
        let length = old.save(&file).expect("a writable folder").bytes;
        let (converted, peak) = peak_of(|| old.convert(&file, 3, &out, &strict()));
        assert_eq!(converted.expect("all are willing").moved, old.len() as u64);
        (length, peak as u64)
    };
    // both are of several blocks
    let (few, many) = (taken(0..50_000), taken(50_000..200_000));
    assert!(many.0 > 3 * few.0 && many.1 < few.1 + 4096, "{few:?} {many:?}");
}

#[test]
fn who_cannot_come_along_is_named_and_nothing_is_written() {
    let folder = Folder::new();
    let (file, out) = (folder.path("file"), folder.path("out"));
    let old = fleet(2);
    for key in 0..2000 {
        let mood = if key == 1234 { Mood::Unwilling } else { Mood::Willing };
        old.insert(key, V2 { sum: key, mood, additions: 0 }).expect("enters");
    }
    old.save(&file).expect("a writable folder");
    fs::write(&out, "of somebody").expect("a writable folder");
    let before = files(&folder);
    let refused = old.convert(&file, 3, &out, &lossy()).expect_err("one is unwilling");
    assert_eq!(refused.to_string(), "1 of 2000 instances cannot go to version 3 (1234: unwilling)");
    let ConvertError::NotMoved { failures, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(failures, [PlanFailure { who: "1234".to_owned(), reason: "unwilling".to_owned() }]);
    assert_eq!(files(&folder), before);

    // from version 5 there is no way down; of very many the first 1,000 are named
    let newest = fleet(5);
    newest.restore(&file).expect("its own file");
    newest.step(&1234, Prepare(Mood::Willing)).expect("taken");
    assert_eq!(newest.clear(), Ok(()));
    for key in 0..2000 {
        newest.insert(key, V2 { sum: key, ..V2::default() }).expect("enters");
    }
    newest.save(&file).expect("a writable folder");
    let before = files(&folder);
    match newest.convert(&file, 4, &out, &lossy()) {
        Err(ConvertError::NotMoved { instances: 2000, failed: 2000, failures, .. }) => {
            assert_eq!((failures.len(), &*failures[0].reason), (1000, "no migration from version 5 to version 4"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(files(&folder), before);
}

#[test]
fn what_is_lost_is_named_until_it_is_accepted() {
    let folder = Folder::new();
    let (file, out) = (folder.path("file"), folder.path("out"));
    saved(&SEVERAL[..5], 4, &file);
    let before = files(&folder);
    let losses = vec![Loss { what: "what was seen".to_owned(), instances: 2 }];
    match fleet(2).convert(&file, 2, &out, &strict()) {
        Err(ConvertError::Refused(error)) => {
            assert_eq!(error, AdminError::LossNotAccepted { to: 2, losses: losses.clone() });
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(files(&folder), before);
    let converted = fleet(2).convert(&file, 2, &out, &lossy()).expect("it is accepted");
    assert_eq!((converted.moved, converted.losses), (2, losses));
}

#[test]
fn what_is_no_such_file_or_no_such_version_is_refused_by_name() {
    let folder = Folder::new();
    let (file, out) = (folder.path("file"), folder.path("out"));
    saved(&SEVERAL, 5, &file);
    let bytes = fs::read(&file).expect("there");
    let live = fleet(5);
    let refused = |fleet: &Fleet<u64>| {
        let before = files(&folder);
        let refused = fleet.convert(&file, 5, &out, &lossy()).expect_err("it is damaged");
        assert_eq!(files(&folder), before);
        let ConvertError::NotRead(RestoreError::Snapshot { path, error }) = refused else { panic!("{refused:?}") };
        assert_eq!(path, file);
        error
    };
    for at in [bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        fs::write(&file, &damaged).expect("a writable folder");
        assert_eq!(refused(&live), SnapshotError::Damaged { part: "a block" });
        fs::write(&file, &bytes[..at]).expect("a writable folder");
        assert_eq!(refused(&live), SnapshotError::Truncated);
    }
    fs::write(&file, "something else").expect("a writable folder");
    assert_eq!(refused(&live), SnapshotError::NotOurs);
    let strange = marks::Switch::builder().starting_at(1).build().expect("one to run").fleet::<u64>();
    strange.save(folder.path("strange")).expect("a writable folder");
    fs::copy(folder.path("strange"), &file).expect("a writable folder");
    assert!(matches!(refused(&live), SnapshotError::WrongMachine { .. }));

    fs::write(&file, &bytes).expect("a writable folder");
    let other = Switch::builder().starting_at(1).build().expect("one to run").fleet::<String>();
    other.insert("a".to_owned(), V1::default()).expect("enters");
    let other_keys = other.convert(&file, 5, &out, &lossy()).expect_err("its keys are numbers");
    assert!(
        matches!(
            &other_keys,
            ConvertError::NotRead(RestoreError::Snapshot { error: SnapshotError::OtherKeys { .. }, .. })
        ),
        "{other_keys:?}"
    );
    match live.convert(&file, 6, &out, &lossy()) {
        Err(ConvertError::Refused(AdminError::Version(VersionError::Unknown { asked: 6, .. }))) => {}
        other => panic!("{other:?}"),
    }
    match live.convert(folder.path("none"), 5, &out, &lossy()) {
        Err(ConvertError::NotRead(RestoreError::Io { path, .. })) => assert_eq!(path, folder.path("none")),
        other => panic!("{other:?}"),
    }
    // what stands where the new file would is replaced as a save would replace it
    other.save(folder.path("other")).expect("a writable folder");
    for (name, is_it) in [("strange", "the snapshot is of machine"), ("other", "its keys are not of type")] {
        let before = files(&folder);
        match live.convert(&file, 5, folder.path(name), &lossy()) {
            Err(ConvertError::NotWritten(SaveError::Occupied { error, .. })) => {
                assert!(error.to_string().contains(is_it), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(files(&folder), before);
    }
    fleet(1).save(&out).expect("a writable folder");
    assert_eq!(live.convert(&file, 5, &out, &strict()).expect("it is a fleet's").instances, 6);
}

#[test]
fn what_an_instance_owes_is_paid_on_the_way() {
    let folder = Folder::new();
    let (file, out) = (folder.path("file"), folder.path("out"));
    let switch = Switch::builder().starting_at(1).build().expect("one to run");
    let old = switch.fleet::<u64>();
    old.insert(1, V1 { sum: 1, mood: Mood::Willing }).expect("enters");
    switch.admin().upgrade(3, "").expect("not refused");
    old.step(&1, Add(5)).expect("taken");
    old.step(&1, Prepare(Mood::Unwilling)).expect("taken");
    switch.admin().rollback_with("", &RollbackOptions::default().accept_loss(true)).expect("in probation");
    old.save(&file).expect("a writable folder");
    assert!(matches!(old.convert(&file, 3, &out, &lossy()), Err(ConvertError::NotMoved { failed: 1, .. })));

    old.step(&1, Prepare(Mood::Willing)).expect("it serves on at version 3");
    old.save(&file).expect("a writable folder");
    let converted = old.convert(&file, 3, &out, &lossy()).expect("it comes down, and up again");
    assert_eq!((converted.instances, converted.moved, converted.losses.len()), (1, 0, 1));
    let anew = fleet(3);
    assert_eq!(anew.restore(&out).expect("it is whole").losses, []);
    let paid = V3 { before: 6, since: Vec::new(), additions: 0, mood: Mood::Willing, seen: 0 };
    assert_eq!(states(&anew), BTreeMap::from([(1, AnyState::V3(paid))]));
}

/// A switch with a store, at version 1.
fn stored(folder: &Folder, label: &str) -> Switch {
    Switch::builder().label(label).starting_at(1).open(folder.path("switch")).expect("a store of its own")
}

#[test]
fn a_file_of_a_probation_waits_for_its_end() {
    for commits in [false, true] {
        let (folder, elsewhere) = (Folder::new(), Folder::new());
        let (file, out) = (folder.path("file"), folder.path("out"));
        let switch = stored(&folder, &format!("waits-{commits}"));
        let old = switch.fleet::<u64>();
        old.insert(1, V1 { sum: 1, mood: Mood::Willing }).expect("enters");
        switch.admin().upgrade(3, "").expect("not refused");
        old.step(&1, Add(5)).expect("taken");
        old.save(&file).expect("a writable folder");
        let before = files(&folder);
        let refused = old.convert(&file, 3, &out, &lossy());
        assert!(matches!(&refused, Err(ConvertError::OnProbation { path }) if *path == file), "{refused:?}");
        for other in [fleet(3), stored(&elsewhere, &format!("other-{commits}")).fleet()] {
            let refused = other.convert(&file, 3, &out, &lossy());
            assert!(matches!(&refused, Err(ConvertError::OtherStore { path }) if *path == file), "{refused:?}");
        }
        assert_eq!(files(&folder), before);

        let accepting = RollbackOptions::default().accept_loss(true);
        let ended = if commits { switch.admin().commit() } else { switch.admin().rollback_with("", &accepting) };
        ended.expect("in probation");
        old.convert(&file, 3, &out, &lossy()).expect("it has ended");
        let anew = fleet(3);
        anew.restore(&out).expect("it is whole");
        let state = if commits {
            V3 { before: 1, since: vec![5], additions: 0, mood: Mood::Willing, seen: 1 }
        } else {
            // what was undone does not come up again
            V3 { before: 6, ..V3::default() }
        };
        assert_eq!(states(&anew), BTreeMap::from([(1, AnyState::V3(state))]));
        // the file is of no probation any more
        assert_eq!(survey(&out).expect("a snapshot").fleet.map(|mark| mark.on_probation), Some(false));
        assert!(!folder.path("out.before").exists());
    }
}

#[test]
fn what_is_converted_in_a_probation_is_undone_with_it() {
    for (ends, at, from_before) in [("commit", 2, 0), ("restart", 1, 3)] {
        let folder = Folder::new();
        let (path, file) = (folder.path("switch"), folder.path("file"));
        let builder = marks::Switch::builder().label(format!("undone-{ends}")).starting_at(1);
        let switch = builder.open(&path).expect("a store of its own");
        let old = switch.fleet::<u64>();
        for key in 0..3 {
            old.insert(key, marks::V1 { marks: vec![key] }).expect("enters");
        }
        old.save(&file).expect("a writable folder");
        switch.admin().upgrade(2, "").expect("not refused");
        let bytes = fs::read(&file).expect("there");
        let places = [folder.path("out"), file.clone()];
        for out in &places {
            let converted = old.convert(&file, 2, out, &strict()).expect("it is from before");
            assert_eq!((converted.instances, converted.moved), (3, 3));
            // from version 2 there is no way down: what it was is kept
            assert_eq!(fs::read(out.with_extension("before")).expect("it is kept"), bytes);
        }
        if ends == "commit" {
            switch.admin().commit().expect("in probation");
        }
        drop((old, switch));

        let switch = marks::Switch::open(&path).expect("its own store");
        assert_eq!(switch.version(), at);
        let anew = switch.fleet::<u64>();
        for out in &places {
            let restored = anew.restore(out).expect("it is whole");
            assert_eq!((restored.instances, restored.from_before, restored.held_back), (3, from_before, 0));
            for key in 0..3 {
                assert_eq!(anew.step(&key, marks::Marks).expect("serves"), [key]);
            }
        }
        // where there is no way down from what was undone, whoever is in the file is named
        let converted = anew.convert(&file, 3, folder.path("third"), &strict());
        match (ends, converted) {
            ("commit", Ok(converted)) => assert_eq!(converted.moved, 3),
            ("restart", Err(ConvertError::NotMoved { failed: 3, failures, .. })) => {
                assert_eq!(failures[0].reason, "no migration from version 2 to version 1");
            }
            (_, converted) => panic!("{ends}: {converted:?}"),
        }
    }
}

thread_local! {
    /// What the next key that is read does first.
    static IN_THE_MIDDLE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// A number that lets a test in where it is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
struct Opening(u64);

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Opening {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl<'de> Deserialize<'de> for Opening {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if let Some(act) = IN_THE_MIDDLE.take() {
            act();
        }
        u64::deserialize(from).map(Self)
    }
}

#[test]
fn what_has_the_name_at_last_is_what_is_converted() {
    let folder = Folder::new();
    let (file, newer) = (folder.path("file"), folder.path("newer"));
    let keys = |fleet: &Fleet<Opening>| {
        let mut keys = Vec::new();
        fleet.for_each(|key, _| keys.push(key.0)).expect("outside");
        keys.sort_unstable();
        keys
    };
    let storeless = || Switch::builder().starting_at(1).build().expect("one to run").fleet::<Opening>();
    let saved = storeless();
    saved.insert(Opening(1), V1 { sum: 1, mood: Mood::Willing }).expect("enters");
    saved.save(&file).expect("a writable folder");
    saved.insert(Opening(2), V1 { sum: 2, mood: Mood::Willing }).expect("enters");
    saved.save(&newer).expect("a writable folder");

    // as a save would between two attempts; the command makes the conversion begin again
    let switch = Arc::new(stored(&folder, "begins-again"));
    let (commanded, place) = (Arc::clone(&switch), file.clone());
    IN_THE_MIDDLE.set(Some(Box::new(move || {
        fs::rename(&newer, &place).expect("both are there");
        commanded.admin().upgrade(2, "").expect("not refused");
        commanded.admin().commit().expect("nothing is held back");
    })));
    let converted =
        switch.fleet::<Opening>().convert(&file, 2, &file, &strict()).expect("the second time nothing comes");
    assert!(IN_THE_MIDDLE.take().is_none());
    assert_eq!((converted.instances, converted.moved), (2, 2));
    let anew = storeless();
    anew.restore(&file).expect("it is whole");
    assert_eq!(keys(&anew), [1, 2]);
}

#[test]
fn to_a_version_that_came_as_a_file_and_back() {
    let _alone = alone();
    let folder = Folder::new();
    let (file, out) = (folder.path("file"), folder.path("out"));
    let switch = loaded::Switch::builder().starting_at(1).build().expect("one to run");
    let old = switch.fleet::<u64>();
    for (key, label) in [(1, "till"), (2, "refuse")] {
        old.insert(key, loaded::V1 { total: 5, label: label.to_owned() }).expect("enters");
    }
    old.save(&file).expect("a writable folder");
    assert!(matches!(old.convert(&file, 3, &out, &strict()), Err(ConvertError::Refused(AdminError::Version(_)))));
    let (key, trust) = trusted();
    let images = Images::new(trust);
    images.load_bytes(&signed(&built("three"), &key, 1)).expect("it fits");
    let refused = old.convert(&file, 3, &out, &strict()).expect_err("one refuses");
    assert_eq!(refused.to_string(), "1 of 2 instances cannot go to version 3 (2: it is labelled `refuse`)");
    old.remove(&2).expect("outside");
    old.save(&file).expect("a writable folder");
    assert_eq!(old.convert(&file, 3, &out, &strict()).expect("it can").moved, 1);

    let later = loaded::Switch::builder().starting_at(1).build().expect("one to run");
    later.admin().upgrade(3, "").expect("it is available");
    let anew = later.fleet::<u64>();
    assert_eq!(anew.restore(&out).expect("it is whole").moved, 0);
    assert_eq!(anew.step(&1, loaded::Add(1)).expect("version 3"), 105);
    let refused = old.convert(&out, 1, &out, &strict()).expect_err("the log would be lost");
    assert!(matches!(refused, ConvertError::Refused(AdminError::LossNotAccepted { to: 1, .. })), "{refused:?}");
    assert_eq!(old.convert(&out, 1, &out, &lossy()).expect("it is accepted").moved, 1);
    assert_eq!(old.restore(&out).expect("it is whole").moved, 0);
    assert_eq!(old.step(&1, loaded::Add(1)).expect("version 1"), 6);
}

#[test]
fn the_program() {
    if role().is_none() {
        return;
    }
    let switch = Switch::builder().starting_at(2).build().expect("a free label");
    // the file is of the second one's keys
    let _first = switch.fleet::<u64>();
    let fleet = switch.fleet::<String>();
    for at in 0..10 {
        let mood = if at == 7 { Mood::Unwilling } else { Mood::Willing };
        fleet.insert(format!("tally-{at}"), V2 { sum: at, mood, additions: 0 }).expect("there is none");
    }
    fs::create_dir("snapshots").expect("the place is ours");
    fleet.save("snapshots/monday").expect("a writable folder");
    let _remote = serve(Options::default().snapshots("snapshots")).expect("it can be opened");
    say("ready");
    told().last();
}

#[test]
fn a_running_program_does_it_in_its_folder_and_its_instances_go_on() {
    let place = Place::new();
    let mut program = Program::start(&place, "tallies");
    assert_eq!(program.says(), "ready");
    let status = || place.json(&["status"]).0["switches"].clone();
    let before = status();
    let convert =
        |file: &str, to: &str, out: &str| place.json(&["snapshot", "convert", file, "--to", to, "--out", out]);
    for (args, reason) in [
        (["monday", "9", "tuesday"], "no-version"),
        (["sunday", "3", "tuesday"], "no-file"),
        (["../monday", "3", "tuesday"], "unreadable"),
        (["monday", "3", "../tuesday"], "unreadable"),
        (["monday", "3", "tuesday.before"], "unreadable"),
    ] {
        let (refused, code) = convert(args[0], args[1], args[2]);
        assert_eq!((&refused["reason"], code), (&reason.into(), 3), "{args:?}: {refused}");
    }
    let (refused, code) = convert("monday", "3", "tuesday");
    assert_eq!((&refused["reason"], code), (&"not-moved".into(), 3), "{refused}");
    assert_eq!(refused["message"], "1 of 10 instances cannot go to version 3 (tally-7: unwilling)");
    let failures = json!([{"who": "tally-7", "reason": "unwilling"}]);
    assert_eq!(refused["problem"]["blocker"], json!({"kind": "not-moved", "count": 1, "failures": failures}));
    assert!(!place.path("snapshots/tuesday").exists());

    // it goes down by a migration that nobody is asked about
    let (converted, code) = convert("monday", "1", "tuesday");
    let file = converted["converted"]["file"].as_str().expect("a path");
    let bytes = fs::metadata(place.path("snapshots/tuesday")).expect("it is there").len();
    let says = json!({"file": file, "bytes": bytes, "instances": 10, "moved": 10, "losses": []});
    assert_eq!((&converted["converted"], &converted["replayed"], code), (&says, &false.into(), 0));
    let (found, code) = place.json(&["snapshot", "verify", file]);
    assert_eq!((&found["instances"], &found["header"]["version"], code), (&10.into(), &1.into(), 0));
    assert_eq!(status(), before);

    // what would be lost takes a word more
    place.done(&["step", "tally-7", "Prepare", "\"Willing\""]);
    place.done(&["upgrade", "3", "--wait"]);
    let lose = |more: &[&str]| {
        let args = ["snapshot", "convert", "wednesday-2", "--to", "2", "--out", "thursday", "--id", "down"];
        place.run(&[&args, more].concat())
    };
    place.done(&["snapshot", "save", "wednesday"]);
    let refused = place.run(&["snapshot", "convert", "wednesday-2", "--to", "2", "--out", "thursday"]);
    assert_eq!(
        (refused.code, &*refused.err),
        (
            3,
            "error: going to version 2 loses what was seen (instances: 10); accept the loss to go on\n\n\
             help: `--accept-loss` goes on all the same\n"
        )
    );
    let done = lose(&["--accept-loss"]);
    assert!(done.out.ends_with("lost         what was seen (instances: 10)\n"), "{done:?}");
    let again = lose(&["--accept-loss", "--json"]).json();
    assert_eq!((&again["replayed"], &again["converted"]["moved"]), (&true.into(), &10.into()));
    let audit = place.json(&["audit"]).0;
    let changes = audit["switches"]["tally"]["changes"].as_array().expect("a list");
    let whats = changes.iter().filter_map(|it| it["what"].as_str()).filter(|what| what.starts_with("convert "));
    let whats: Vec<_> = whats.map(|what| what.split(" to version ").nth(1).expect("it says which")).collect();
    assert!(
        matches!(whats[..], [up, down] if up.starts_with("1 in ") && down.ends_with("thursday, accepting losses")),
        "{audit}"
    );
}
