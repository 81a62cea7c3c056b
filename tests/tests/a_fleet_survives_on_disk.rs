//! What a fleet saves, a later one restores: each instance whole, at the version that runs then, or held back and named.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hotswap::snapshot::SnapshotError;
use hotswap::{Progress, RestoreError, SaveError};
use hotswap_tests::Ending;
use hotswap_tests::folder::Folder;
use hotswap_tests::marks;
use hotswap_tests::tally::{self, Add, AnyState, Boom, Get, Mood, Prepare, Switch, V1, V2};

fn switch(at: u32) -> Switch {
    Switch::builder().starting_at(at).build().expect("one to run")
}

fn fleet(at: u32) -> tally::Fleet<u64> {
    switch(at).fleet()
}

fn sums(fleet: &tally::Fleet<u64>) -> BTreeMap<u64, u64> {
    let mut keys = Vec::new();
    fleet.for_each(|key, _| keys.push(*key)).expect("outside");
    keys.into_iter().map(|key| (key, fleet.step(&key, Get).expect("serves"))).collect()
}

fn states(fleet: &tally::Fleet<u64>) -> BTreeMap<u64, AnyState> {
    let mut states = BTreeMap::new();
    fleet.for_each(|key, state| drop(states.insert(*key, state.clone()))).expect("outside");
    states
}

#[test]
fn at_the_same_version_and_at_a_later_one() {
    let folder = Folder::new();
    let path = folder.path("fleet");
    let old = fleet(1);
    for key in 0..10_000 {
        old.insert(key, V1 { sum: key * 3, mood: Mood::Willing }).expect("enters");
    }
    let mut told = Vec::new();
    let saved = old.save_telling(&path, |progress| told.push(progress)).expect("a writable folder");
    assert_eq!((saved.instances, saved.left_out, saved.bytes), (10_000, 0, fs::metadata(&path).expect("there").len()));
    assert_eq!(told.last(), Some(&Progress { done: 10_000, of: 10_000 }));

    let same = fleet(1);
    let restored = same.restore(&path).expect("its own file");
    assert_eq!((restored.instances, restored.moved, restored.held_back, restored.replaced), (10_000, 0, 0, 0));
    assert_eq!(states(&same), states(&old));

    let newer = fleet(5);
    let mut told = Vec::new();
    let restored = newer.restore_telling(&path, |progress| told.push(progress.done)).expect("its own file");
    assert_eq!((restored.instances, restored.moved, restored.held_back), (10_000, 10_000, 0));
    assert_eq!((told.len(), told.last()), (10, Some(&10_000)));
    assert_eq!(sums(&newer), (0..10_000).map(|key| (key, key * 3)).collect());
}

#[test]
fn instances_of_several_versions_keep_theirs_and_a_poisoned_one_is_left_out() {
    let folder = Folder::new();
    let path = folder.path("fleet");
    let switch = switch(2);
    let fleet = switch.fleet::<u64>();
    for key in 0..5 {
        fleet.insert(key, V2 { sum: key, ..V2::default() }).expect("enters");
    }
    fleet.step(&1, Prepare(Mood::Unwilling)).expect("taken");
    switch.admin().upgrade(3, "").expect("not refused");
    hotswap_tests::quietly(|| {
        let step = std::panic::AssertUnwindSafe(|| fleet.step(&4, Boom));
        std::panic::catch_unwind(step).expect_err("it panics");
    });
    let saved = fleet.save(&path).expect("a writable folder");
    assert_eq!((saved.instances, saved.left_out), (4, 1));

    let later = self::switch(3);
    let again = later.fleet::<u64>();
    let restored = again.restore(&path).expect("its own file");
    assert_eq!((restored.instances, restored.moved, restored.held_back), (4, 0, 1));
    let held = later.admin().held_back();
    assert_eq!((held.len(), held[0].who.as_str(), held[0].version, held[0].reason.as_str()), (1, "1", 2, "unwilling"));
    assert_eq!(later.admin().status().held_back, 1);
    // it serves on, and its cause can be mended
    again.step(&1, Prepare(Mood::Willing)).expect("version 2 serves on");
    assert_eq!(later.admin().retry().expect("not refused").held_back, 0);
    assert_eq!(sums(&again), (0..4).map(|key| (key, key)).collect());
}

#[test]
fn the_account_adds_up_with_instances_that_entered_held_back() {
    let folder = Folder::new();
    let path = folder.path("fleet");
    let old = fleet(2);
    for key in 0..10 {
        let mood = if key % 2 == 0 { Mood::Willing } else { Mood::Unwilling };
        old.insert(key, V2 { sum: key, mood, additions: 0 }).expect("enters");
    }
    old.save(&path).expect("a writable folder");
    let switch = switch(2);
    let fleet = switch.fleet::<u64>();
    switch.admin().upgrade(3, "").expect("not refused");
    let check = |held_back: u64| {
        let status = switch.admin().status();
        assert_eq!((status.live, status.held_back, status.not_reached), (fleet.len() as u64, held_back, 0));
        for outcome in switch.admin().outcomes() {
            let sum = outcome.moved + outcome.held_back + outcome.gone + outcome.not_reached;
            assert_eq!(sum, outcome.live, "{outcome:?}");
            // who came afterwards is not in the account, and cannot leave it
            assert!(outcome.gone <= outcome.live, "{outcome:?}");
        }
    };
    fleet.restore(&path).expect("its own file");
    check(5);
    fleet.remove(&1).expect("outside");
    check(4);
    assert_eq!(switch.admin().upgrade(4, "").expect("not refused").held_back, 4);
    check(4);
    fleet.step(&3, Prepare(Mood::Willing)).expect("version 2 serves on");
    switch.admin().retry().expect("not refused");
    check(3);
}

#[test]
fn under_traffic_each_key_is_there_once_and_each_state_whole() {
    let folder = Folder::new();
    let path = folder.path("fleet");
    let switch = switch(1);
    let fleet = switch.fleet::<u64>();
    for key in 0..2000 {
        fleet.insert(key, V1::default()).expect("enters");
    }
    let over = AtomicBool::new(false);
    let ending = Ending(&over);
    thread::scope(|scope| {
        let (traffic, over, admin) = (fleet.clone(), &over, switch.admin());
        scope.spawn(move || {
            for key in (0..2000).cycle() {
                traffic.step(&key, Add(1)).expect("taken by every version");
                traffic.insert(100_000 + key, V1::default()).expect("enters");
                traffic.remove(&(100_000 + key)).expect("outside");
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for round in 0..10_u32 {
            admin.upgrade(round % 2 + 1, "").expect("not refused");
            if round % 3 == 0 { fleet.save_paused(&path) } else { fleet.save(&path) }.expect("a writable folder");
            let again = self::fleet(3);
            let restored = again.restore(&path).expect("its own file");
            assert_eq!((restored.held_back, restored.replaced), (0, 0));
            let mut keys: Vec<u64> = states(&again).into_keys().collect();
            keys.retain(|key| *key < 100_000);
            assert_eq!(keys, (0..2000).collect::<Vec<_>>());
        }
        drop(ending);
    });
}

#[test]
fn a_paused_save_is_of_one_moment() {
    let folder = Folder::new();
    let path = folder.path("fleet");
    let fleet = fleet(1);
    for key in 0..1000 {
        fleet.insert(key, V1::default()).expect("enters");
    }
    let over = AtomicBool::new(false);
    let ending = Ending(&over);
    thread::scope(|scope| {
        let (traffic, over) = (fleet.clone(), &over);
        scope.spawn(move || {
            // one input to each key in turn: at any moment the sums are n + 1 up to some key, and n from there on
            for key in (0..1000).cycle() {
                traffic.step(&key, Add(1)).expect("taken");
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..10 {
            fleet.save_paused(&path).expect("a writable folder");
            let again = self::fleet(1);
            again.restore(&path).expect("its own file");
            let sums: Vec<u64> = sums(&again).into_values().collect();
            assert!(sums.is_sorted_by(|a, b| a >= b) && sums[0] - sums[999] <= 1, "{sums:?}");
        }
        drop(ending);
    });
}

fn named(error: &RestoreError) -> &SnapshotError {
    let RestoreError::Snapshot { error, .. } = error else { panic!("{error:?}") };
    error
}

#[test]
fn scenario_35_a_damaged_file_changes_nothing() {
    let folder = Folder::new();
    let path = folder.path("fleet");
    let old = fleet(1);
    for key in 0..50_000 {
        old.insert(key, V1 { sum: key, mood: Mood::Willing }).expect("enters");
    }
    old.save(&path).expect("a writable folder");
    let bytes = fs::read(&path).expect("there");
    let present = fleet(2);
    present.insert(7, V1 { sum: 1, mood: Mood::Willing }).expect("enters");
    let refused = |bytes: &[u8]| {
        let damaged: PathBuf = folder.path("damaged");
        fs::write(&damaged, bytes).expect("a writable folder");
        let error = present.restore(&damaged).expect_err("damaged");
        assert_eq!((present.len(), present.step(&7, Get).expect("serves")), (1, 1));
        named(&error).clone()
    };
    for at in [200, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(refused(&damaged), SnapshotError::Damaged { part: "a block" });
        assert_eq!(refused(&bytes[..at]), SnapshotError::Truncated);
    }
    assert_eq!(refused(&[bytes.as_slice(), b"x"].concat()), SnapshotError::TooLong { extra: 1 });
    assert_eq!(refused(b"something else"), SnapshotError::NotOurs);
    let missing = present.restore(folder.path("missing")).expect_err("there is none");
    assert!(matches!(missing, RestoreError::Io { .. }));
}

#[test]
fn a_file_of_another_machine_is_not_replaced_and_a_damaged_one_is() {
    let folder = Folder::new();
    let path = folder.path("fleet");
    let strange = marks::Switch::builder().starting_at(1).build().expect("one to run").fleet::<u64>();
    strange.save(&path).expect("a writable folder");
    let before = fs::read(&path).expect("there");
    let fleet = fleet(1);
    let refused = fleet.save(&path).expect_err("another machine's");
    assert!(matches!(refused, SaveError::Occupied { error: SnapshotError::WrongMachine { .. }, .. }), "{refused:?}");
    assert_eq!(fs::read(&path).expect("there"), before);
    for damaged in [&before[..20], b"", b"something else"] {
        fs::write(&path, damaged).expect("a writable folder");
        fleet.save(&path).expect("it holds nothing of hotswap's to be lost");
    }
}

/// Saves instances under these keys, and says why a fleet of keys `L` cannot have them.
fn refused<K: hotswap::Key, L: hotswap::Key>(keys: impl IntoIterator<Item = K>) -> Option<SnapshotError> {
    let folder = Folder::new();
    let path = folder.path("fleet");
    let fleet = switch(1).fleet::<K>();
    for key in keys {
        fleet.insert(key, V1::default()).expect("enters");
    }
    fleet.save(&path).expect("a writable folder");
    let before = fs::read(&path).expect("there");
    let other = switch(1).fleet::<L>();
    let refused = other.restore(&path).err().map(|error| named(&error).clone());
    assert_eq!(other.len(), if refused.is_some() { 0 } else { fleet.len() });
    match other.save(&path) {
        Err(SaveError::Occupied { error, .. }) => assert_eq!(Some(error), refused),
        saved => assert_eq!((saved.expect("of such keys").instances, refused.is_none()), (fleet.len() as u64, true)),
    }
    assert!(refused.is_none() || fs::read(&path).expect("there") == before);
    refused
}

#[test]
fn keys_of_another_type_are_refused() {
    let other = |key: &str, expected| Some(SnapshotError::OtherKeys { key: key.to_owned(), expected });
    assert_eq!(refused::<u64, i64>([0, 5]), other("5", "i64"));
    assert_eq!(refused::<i64, u64>([0, -1]), other("-1", "u64"));
    assert_eq!(refused::<u64, String>([7]), other("7", "alloc::string::String"));
    assert_eq!(refused::<String, u64>(["".into(), "17".into()]), other("17", "u64"));
    assert_eq!(refused::<u8, u16>([200]), other("200", "u16"));
    assert_eq!(refused::<u64, u32>([1 << 40]), other("1099511627776", "u32"));
    // what is encoded in the same way is the same key
    assert_eq!(refused::<u32, u64>([0, 1 << 20]), None);
    assert_eq!(refused::<String, Name>(["a".into()]), None);
    assert_eq!(refused::<u64, String>([]), None);
}

/// A name that is a type of its own, and whose text is not to be read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
struct Name(String);

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "secret" { Err("not for people") } else { Ok(Self(text.to_owned())) }
    }
}

#[test]
fn keys_that_do_not_read_their_own_text_are_not_held_to_it() {
    assert_eq!(refused::<Name, Name>([Name("secret".into())]), None);
}

#[test]
fn what_cannot_be_written_leaves_the_old_file() {
    let folder = Folder::new();
    let path = folder.path("fleet");
    let fleet = fleet(1);
    fleet.insert(1, V1 { sum: 1, mood: Mood::Willing }).expect("enters");
    fleet.save(&path).expect("a writable folder");
    let before = fs::read(&path).expect("there");
    // a folder stands where the new file is to be written
    fs::create_dir(folder.path("fleet.new")).expect("a writable folder");
    fleet.step(&1, Add(1)).expect("taken");
    assert!(matches!(fleet.save(&path), Err(SaveError::Io { .. })));
    assert_eq!(fs::read(&path).expect("there"), before);
}

#[test]
fn a_flip_in_the_middle_counts_where_a_store_has_to_know_of_it() {
    let folder = Folder::new();
    let path = folder.path("fleet");
    let told = |switch: &Switch| {
        let fleet = switch.fleet::<u64>();
        fleet.insert(1, V1 { sum: 3, mood: Mood::Willing }).expect("enters");
        let mut attempts = 0;
        let saved = fleet.save_telling(&path, |_| {
            attempts += 1;
            let to = if switch.version() == 1 { 2 } else { 1 };
            switch.admin().upgrade(to, "").expect("not refused");
            switch.admin().commit().expect("nothing is held back");
        });
        (saved, attempts)
    };
    let (saved, attempts) = told(&switch(1));
    assert_eq!((saved.expect("its file says nothing of the switch").instances, attempts), (1, 1));

    let builder = Switch::builder().label("flipping store").starting_at(1);
    let stored = builder.open(folder.path("switch")).expect("it is new");
    let before = fs::read(&path).expect("it is there");
    let (unsteady, attempts) = told(&stored);
    assert!(matches!(unsteady, Err(SaveError::Unsteady)), "{unsteady:?}");
    assert_eq!((attempts, fs::read(&path).expect("it is there")), (3, before));
}
