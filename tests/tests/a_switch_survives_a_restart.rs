//! What a switch with a store was committed to is what it comes up at, and what was undone is undone in its files too.

use std::fs;
use std::path::{Path, PathBuf};

use hotswap::snapshot::SnapshotError;
use hotswap::{AdminError, Kind, Loss, OpenError, Phase, RollbackOptions, SaveError, UpgradeOptions, VersionError};
use hotswap_tests::folder::Folder;
use hotswap_tests::marks;
use hotswap_tests::tally::{self, Add, Get, Mood, Prepare, Switch, V1};

fn open(path: &Path) -> Switch {
    Switch::builder().label("restarted").starting_at(1).open(path).expect("a store of its own")
}

/// A label is free once the switch before is gone; tests run side by side, so each has its own.
fn named(path: &Path, label: &str) -> Switch {
    Switch::builder().label(label).starting_at(1).open(path).expect("a store of its own")
}

fn lossy() -> UpgradeOptions {
    UpgradeOptions::default().accept_loss(true)
}

#[test]
fn scenario_06_the_first_version_after_a_fresh_start() {
    let folder = Folder::new();
    let switch = named(&folder.path("switch"), "fresh");
    let standing: Vec<_> = switch.admin().versions().iter().map(|version| version.standing.to_string()).collect();
    assert_eq!(standing, ["permanent", "available", "available", "available", "available"]);
    assert_eq!(switch.admin().outcomes(), []);
}

#[test]
fn scenario_01_an_upgrade_without_commit_falls_back() {
    let folder = Folder::new();
    let path = folder.path("switch");
    let switch = open(&path);
    let upgraded = switch.admin().upgrade(2, "try it").expect("not refused");
    let epoch = switch.admin().status().epoch;
    drop(switch);

    let switch = Switch::open(&path).expect("its own store");
    let status = switch.admin().status();
    assert_eq!((status.version, status.permanent, status.phase), (1, 1, Phase::Permanent));
    assert_eq!((status.label.as_str(), status.epoch), ("restarted", epoch + 1));
    let outcomes = switch.admin().outcomes();
    let start = outcomes.last().expect("the start is told");
    assert_eq!(
        (start.kind, start.from, start.to, start.reason.as_str()),
        (Kind::Start, 2, 1, "version 2 was not committed")
    );
    let kept = switch.admin().outcome(&upgraded.id).expect("outcomes survive");
    assert_eq!((kept.reason.as_str(), kept.superseded_by.as_ref()), ("try it", Some(&start.id)));
    let refused = switch.admin().rollback("").expect_err("undone already");
    assert_eq!(refused, AdminError::NothingToRollBack { permanent: 1 });
}

#[test]
fn scenario_02_a_committed_upgrade_stays() {
    let folder = Folder::new();
    let path = folder.path("switch");
    let switch = named(&path, "committed");
    let options = UpgradeOptions::default().id("to-2");
    switch.admin().upgrade_with(2, "try it", &options).expect("not refused");
    switch.admin().commit().expect("in probation");
    drop(switch);

    let switch = Switch::open(&path).expect("its own store");
    let status = switch.admin().status();
    assert_eq!((status.version, status.permanent, status.phase), (2, 2, Phase::Permanent));
    let kinds: Vec<_> = switch.admin().outcomes().iter().map(|outcome| outcome.kind).collect();
    assert_eq!(kinds, [Kind::Upgrade, Kind::Commit, Kind::Start]);
    // the id is still known: asked for again, nothing is done
    let again = switch.admin().upgrade_with(2, "try it", &options).expect("the same again");
    assert_eq!((again.id.as_str(), again.kind, again.epoch), ("to-2", Kind::Upgrade, 2));
    let other = switch.admin().upgrade_with(3, "", &options).expect_err("another command");
    assert!(matches!(other, AdminError::IdReused { .. }), "{other:?}");
}

#[test]
fn a_version_that_has_run_is_old_after_a_restart_too() {
    let folder = Folder::new();
    let path = folder.path("switch");
    let standings = |switch: &Switch| -> Vec<_> {
        switch.admin().versions().iter().map(|version| version.standing.to_string()).collect()
    };
    let switch = named(&path, "standing");
    switch.admin().upgrade(2, "").expect("not refused");
    switch.admin().commit().expect("in probation");
    switch.admin().upgrade_with(3, "", &lossy()).expect("not refused");
    assert_eq!(standings(&switch), ["old", "permanent", "current", "available", "available"]);
    drop(switch);
    // version 3 was not committed
    let switch = Switch::open(&path).expect("its own store");
    assert_eq!(standings(&switch), ["old", "permanent", "old", "available", "available"]);
}

#[test]
fn a_rollback_survives() {
    let folder = Folder::new();
    let path = folder.path("switch");
    let switch = named(&path, "back");
    switch.admin().upgrade(3, "").expect("not refused");
    switch.admin().rollback_with("", &RollbackOptions::default().accept_loss(true)).expect("in probation");
    let epoch = switch.admin().status().epoch;
    drop(switch);
    let status = Switch::open(&path).expect("its own store").admin().status();
    assert_eq!((status.version, status.epoch), (1, epoch + 1));
}

#[test]
fn states_of_an_undone_probation_come_down_by_the_declared_way() {
    let folder = Folder::new();
    let (path, file) = (folder.path("switch"), folder.path("fleet"));
    let switch = named(&path, "down");
    let fleet = switch.fleet::<u64>();
    for key in 0..10 {
        fleet.insert(key, V1::default()).expect("enters");
    }
    switch.admin().upgrade_with(3, "", &lossy()).expect("not refused");
    for key in 0..10 {
        fleet.step(&key, Add(key)).expect("taken");
    }
    fleet.step(&4, Prepare(Mood::Unwilling)).expect("taken");
    fleet.save(&file).expect("a writable folder");
    drop((fleet, switch));

    let switch = Switch::open(&path).expect("its own store");
    let fleet = switch.fleet::<u64>();
    let restored = fleet.restore(&file).expect("its own file");
    // the work done since is kept; what the way loses is named; the one that cannot come down serves on
    assert_eq!((restored.instances, restored.moved, restored.held_back, restored.from_before), (10, 9, 1, 0));
    assert_eq!(restored.losses, [Loss { what: "what was seen".into(), instances: 9 }]);
    for key in 0..10 {
        assert_eq!(fleet.step(&key, Get).expect("serves"), key);
    }
    let held = switch.admin().held_back();
    assert_eq!((held.len(), held[0].who.as_str(), held[0].version), (1, "4", 3));
}

fn marked(switch: &marks::Switch, file: &Path) -> marks::Fleet<u64> {
    let fleet = switch.fleet::<u64>();
    for key in 0..3 {
        fleet.insert(key, marks::V1 { marks: vec![key] }).expect("enters");
    }
    fleet.save(file).expect("a writable folder");
    fleet
}

fn marks_of(fleet: &marks::Fleet<u64>, key: u64) -> Vec<u64> {
    fleet.step(&key, marks::Marks).expect("serves")
}

#[test]
fn where_there_is_no_way_down_they_come_from_the_file_from_before() {
    let folder = Folder::new();
    let (path, file) = (folder.path("switch"), folder.path("fleet"));
    let switch = marks::Switch::builder().label("before").starting_at(1).open(&path).expect("a store of its own");
    let fleet = marked(&switch, &file);
    switch.admin().upgrade(2, "").expect("not refused");
    for key in 0..3 {
        fleet.step(&key, marks::Mark(99)).expect("taken");
    }
    fleet.insert(7, marks::V2 { marks: vec![7] }).expect("enters");
    // twice: the second must not take the first for the file from before
    fleet.save(&file).expect("a writable folder");
    fleet.save(&file).expect("a writable folder");
    drop((fleet, switch));

    let switch = marks::Switch::open(&path).expect("its own store");
    let fleet = switch.fleet::<u64>();
    let restored = fleet.restore(&file).expect("its own file");
    assert_eq!((restored.instances, restored.from_before, restored.held_back), (4, 3, 1));
    assert_eq!(restored.losses, [Loss { what: "work done since the upgrade".into(), instances: 3 }]);
    assert_eq!((0..3).map(|key| marks_of(&fleet, key)).collect::<Vec<_>>(), [[0], [1], [2]]);
    // made in the probation: held back and named, never deleted
    let held = switch.admin().held_back();
    assert_eq!((held.len(), held[0].who.as_str(), held[0].version), (1, "7", 2));
    assert_eq!(marks_of(&fleet, 7), [7]);

    // what is saved now is of no probation, and the file from before has had its day
    let saved = fleet.save(&file).expect("a writable folder");
    assert_eq!((saved.instances, folder.path("fleet.before").exists()), (4, false));
}

#[test]
fn a_file_of_a_committed_probation_is_taken_as_it_is() {
    let folder = Folder::new();
    let (path, file) = (folder.path("switch"), folder.path("fleet"));
    let switch = marks::Switch::builder().label("taken").starting_at(1).open(&path).expect("a store of its own");
    let fleet = marked(&switch, &file);
    switch.admin().upgrade(2, "").expect("not refused");
    fleet.step(&1, marks::Mark(99)).expect("taken");
    fleet.save(&file).expect("a writable folder");
    switch.admin().commit().expect("in probation");
    drop((fleet, switch));

    let switch = marks::Switch::open(&path).expect("its own store");
    let fleet = switch.fleet::<u64>();
    let restored = fleet.restore(&file).expect("its own file");
    assert_eq!((restored.instances, restored.moved, restored.from_before), (3, 0, 0));
    assert_eq!(marks_of(&fleet, 1), [1, 99]);
}

#[test]
fn a_file_of_a_probation_that_was_rolled_back_is_undone_too() {
    let folder = Folder::new();
    let (path, file) = (folder.path("switch"), folder.path("fleet"));
    let switch = marks::Switch::builder().label("undone").starting_at(1).open(&path).expect("a store of its own");
    let fleet = marked(&switch, &file);
    switch.admin().upgrade(2, "").expect("not refused");
    fleet.step(&1, marks::Mark(99)).expect("taken");
    fleet.save(&file).expect("a writable folder");
    switch.admin().rollback("").expect("in probation");
    drop((fleet, switch));

    // also where version 2 runs again: what the undone probation wrote does not come up with it
    let switch = marks::Switch::open(&path).expect("its own store");
    switch.admin().upgrade(2, "").expect("not refused");
    let fleet = switch.fleet::<u64>();
    let restored = fleet.restore(&file).expect("its own file");
    assert_eq!((restored.instances, restored.from_before, restored.held_back), (3, 3, 0));
    assert_eq!((marks_of(&fleet, 1), switch.admin().status().held_back), (vec![1], 0));
}

#[test]
fn a_commit_of_a_later_probation_does_not_bring_back_an_undone_one() {
    let folder = Folder::new();
    let (path, file) = (folder.path("switch"), folder.path("fleet"));
    let switch = marks::Switch::builder().label("later").starting_at(1).open(&path).expect("a store of its own");
    let fleet = marked(&switch, &file);
    let keeping = UpgradeOptions::default().keep_previous(true).accept_loss(true);
    switch.admin().upgrade_with(2, "", &keeping).expect("not refused");
    fleet.step(&1, marks::Mark(99)).expect("taken");
    fleet.save(&file).expect("a writable folder");
    switch.admin().rollback_with("", &RollbackOptions::default().accept_loss(true)).expect("in probation");
    // another probation of the same version, committed, and nothing saved since
    switch.admin().upgrade(2, "").expect("not refused");
    switch.admin().commit().expect("in probation");
    drop((fleet, switch));

    let switch = marks::Switch::open(&path).expect("its own store");
    let fleet = switch.fleet::<u64>();
    let restored = fleet.restore(&file).expect("its own file");
    assert_eq!((switch.version(), restored.from_before, restored.held_back), (2, 3, 0));
    assert_eq!(marks_of(&fleet, 1), [1]);
}

#[test]
fn what_is_kept_from_before_is_not_of_an_undone_probation() {
    let folder = Folder::new();
    let (path, file) = (folder.path("switch"), folder.path("fleet"));
    let switch = marks::Switch::builder().label("kept").starting_at(1).open(&path).expect("a store of its own");
    let fleet = marked(&switch, &file);
    let keeping = UpgradeOptions::default().keep_previous(true).accept_loss(true);
    for mark in [98, 99] {
        switch.admin().upgrade_with(2, "", &keeping).expect("not refused");
        fleet.step(&1, marks::Mark(mark)).expect("taken");
        fleet.save(&file).expect("a writable folder");
        switch.admin().rollback_with("", &RollbackOptions::default().accept_loss(true)).expect("in probation");
    }
    drop((fleet, switch));

    let switch = marks::Switch::open(&path).expect("its own store");
    let fleet = switch.fleet::<u64>();
    let restored = fleet.restore(&file).expect("its own file");
    assert_eq!((restored.from_before, restored.held_back), (3, 0));
    assert_eq!(marks_of(&fleet, 1), [1]);
}

#[test]
fn one_program_has_a_store_at_a_time() {
    let folder = Folder::new();
    let path = folder.path("switch");
    let switch = named(&path, "single");
    let second = Switch::builder().label("second").open(&path).expect_err("open already");
    assert!(matches!(second, OpenError::InUse { .. }), "{second:?}");
    drop(switch);
    let other = Switch::builder().label("second").open(&path).expect_err("another's store");
    let OpenError::OtherLabel { stored, asked } = other else { panic!("{other:?}") };
    assert_eq!((stored.as_str(), asked.as_str()), ("single", "second"));
    let taken = Switch::builder().label("single").build().expect("free again");
    assert!(matches!(Switch::open(&path), Err(OpenError::LabelTaken(label)) if label == "single"));
    drop(taken);
    Switch::open(&path).expect("free again");
}

#[test]
fn a_store_that_cannot_be_used_is_refused_by_name() {
    let folder = Folder::new();
    let path = folder.path("switch");
    drop(named(&path, "damaged"));
    let bytes = fs::read(&path).expect("there");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("a writable folder");
        let error = Switch::open(&path).expect_err("damaged");
        assert_eq!(fs::read(&path).expect("there"), bytes);
        let OpenError::Snapshot { error, .. } = error else { panic!("{error:?}") };
        error
    };
    let mut damaged = bytes.clone();
    *damaged.last_mut().expect("not empty") ^= 1;
    assert_eq!(refused(&damaged), SnapshotError::Damaged { part: "its body" });
    assert_eq!(refused(&bytes[..bytes.len() - 1]), SnapshotError::Truncated);
    assert_eq!(refused(b""), SnapshotError::Truncated);
    let stranger = marks::Switch::open(&path).expect_err("empty");
    assert!(matches!(stranger, OpenError::Snapshot { error: SnapshotError::Truncated, .. }));
    fs::write(&path, &bytes).expect("a writable folder");
    let stranger = marks::Switch::open(&path).expect_err("another machine's");
    assert!(matches!(stranger, OpenError::Snapshot { error: SnapshotError::WrongMachine { .. }, .. }));
    let nowhere = Switch::builder().starting_at(9).open(folder.path("other")).expect_err("no such version");
    assert!(matches!(nowhere, OpenError::Version(VersionError::Unknown { asked: 9, .. })));
}

#[test]
fn a_commit_that_cannot_be_stored_is_refused_and_a_rollback_is_not() {
    let folder = Folder::new();
    let path = folder.path("switch");
    let switch = named(&path, "full");
    switch.admin().upgrade(2, "").expect("not refused");
    // a folder stands where the new file is to be written
    let in_the_way: PathBuf = folder.path("switch.new");
    fs::create_dir(&in_the_way).expect("a writable folder");
    let refused = switch.admin().commit().expect_err("it would not last");
    assert!(matches!(refused, AdminError::NotStored { .. }), "{refused:?}");
    assert_eq!(switch.admin().status().phase, Phase::Probation);
    let refused = switch.admin().upgrade_with(3, "", &lossy()).expect_err("its files could not be told apart");
    assert!(matches!(refused, AdminError::NotStored { .. }), "{refused:?}");
    switch.admin().rollback("").expect("nothing may stand in the way of a rollback");
    assert_eq!(switch.version(), 1);
    let told = switch.admin().audit().refusals;
    assert_eq!(told.last().map(|entry| entry.what.as_str()), Some("write the store"));
    fs::remove_dir(&in_the_way).expect("a writable folder");
    switch.admin().upgrade(2, "").expect("room again");
    switch.admin().commit().expect("room again");
    drop(switch);
    assert_eq!(Switch::open(&path).expect("its own store").version(), 2);
}

#[test]
fn the_machines_type_is_that_of_the_store() {
    // a `tally` fleet and a `tally` store agree on which probation a file is of; another store's mark means nothing
    let folder = Folder::new();
    let file = folder.path("fleet");
    let one = named(&folder.path("one"), "one");
    let fleet: tally::Fleet<u64> = one.fleet();
    fleet.insert(1, V1 { sum: 5, mood: Mood::Willing }).expect("enters");
    one.admin().upgrade(2, "").expect("not refused");
    fleet.save(&file).expect("a writable folder");

    let two = named(&folder.path("two"), "two");
    let again = two.fleet::<u64>();
    let restored = again.restore(&file).expect("a tally's file");
    assert_eq!((restored.instances, restored.moved, restored.losses), (1, 1, Vec::new()));
    assert_eq!(again.step(&1, Get).expect("serves"), 5);
}

#[test]
fn what_could_not_go_back_still_owes_it_after_a_restart() {
    let folder = Folder::new();
    let file = folder.path("fleet");
    let switch = marks::Switch::builder().starting_at(1).build().expect("one to run");
    let fleet = switch.fleet::<u64>();
    fleet.insert(1, marks::V1 { marks: vec![1] }).expect("enters");
    switch.admin().upgrade(2, "").expect("not refused");
    fleet.step(&1, marks::Mark(99)).expect("taken");
    assert_eq!(switch.admin().rollback("").expect("in probation").held_back, 1);
    fleet.save(&file).expect("a writable folder");

    let switch = marks::Switch::builder().starting_at(1).build().expect("one to run");
    let fleet = switch.fleet::<u64>();
    assert_eq!(fleet.restore(&file).expect("its own file").held_back, 1);
    // it runs version 2, with what an undone probation wrote, and has not arrived when 2 runs again
    let upgraded = switch.admin().upgrade(2, "").expect("not refused");
    assert_eq!((upgraded.held_back, upgraded.moved), (1, 0));
    assert_eq!(marks_of(&fleet, 1), [1, 99]);
}

#[test]
fn and_a_commit_that_leaves_it_forgives_it_in_its_file_too() {
    let folder = Folder::new();
    let (path, file) = (folder.path("switch"), folder.path("fleet"));
    let switch = marks::Switch::builder().label("forgiven").starting_at(1).open(&path).expect("a store of its own");
    let fleet = switch.fleet::<u64>();
    fleet.insert(1, marks::V1 { marks: vec![1] }).expect("enters");
    switch.admin().upgrade(2, "").expect("not refused");
    fleet.step(&1, marks::Mark(99)).expect("taken");
    switch.admin().rollback("").expect("in probation");
    switch.admin().upgrade(2, "").expect("not refused");
    fleet.save(&file).expect("a writable folder");
    let left = hotswap::CommitOptions::default().leave_held_back(true);
    switch.admin().commit_with("it may stay", &left).expect("in probation");
    drop((fleet, switch));

    let switch = marks::Switch::open(&path).expect("its own store");
    let fleet = switch.fleet::<u64>();
    let restored = fleet.restore(&file).expect("its own file");
    assert_eq!((restored.instances, restored.held_back, marks_of(&fleet, 1)), (1, 0, vec![1, 99]));
}

#[test]
fn a_store_behind_a_link_is_the_store() {
    let folder = Folder::new();
    let (real, link) = (folder.path("switch"), folder.path("link"));
    let switch = named(&real, "linked");
    std::os::unix::fs::symlink(&real, &link).expect("a writable folder");
    let second = Switch::builder().label("second").open(&link).expect_err("open already");
    assert!(matches!(second, OpenError::InUse { .. }), "{second:?}");
    drop(switch);
    let switch = Switch::open(&link).expect("its own store");
    switch.admin().upgrade(2, "").expect("not refused");
    switch.admin().commit().expect("in probation");
    drop(switch);
    assert_eq!(Switch::open(&real).expect("its own store").version(), 2);
}

#[test]
fn a_label_that_is_taken_leaves_no_store() {
    let folder = Folder::new();
    let path = folder.path("switch");
    let live = Switch::builder().label("early").build().expect("free");
    let taken = Switch::builder().label("early").open(&path).expect_err("taken");
    assert!(matches!(taken, OpenError::LabelTaken(_)) && !path.exists(), "{taken:?}");
    drop(live);
    named(&path, "another");
}

#[test]
fn starts_do_not_push_out_commands_and_a_retry_goes_on_with_the_last() {
    let folder = Folder::new();
    let (path, file) = (folder.path("switch"), folder.path("fleet"));
    let switch = named(&path, "often");
    switch.admin().upgrade_with(2, "", &UpgradeOptions::default().id("to-2")).expect("not refused");
    switch.admin().commit().expect("in probation");
    let fleet = switch.fleet::<u64>();
    fleet.insert(1, tally::V3 { mood: Mood::Unwilling, ..tally::V3::default() }).expect_err("unwilling");
    drop((fleet, switch));
    for _ in 0..300 {
        drop(Switch::open(&path).expect("its own store"));
    }
    let switch = Switch::open(&path).expect("its own store");
    let kinds = || switch.admin().outcomes().iter().map(|outcome| outcome.kind).collect::<Vec<_>>();
    assert_eq!(kinds(), [Kind::Upgrade, Kind::Commit, Kind::Start]);
    let again = switch.admin().upgrade_with(2, "", &UpgradeOptions::default().id("to-2")).expect("the same again");
    assert_eq!(again.kind, Kind::Upgrade);

    let old = Switch::builder().starting_at(3).build().expect("one to run").fleet::<u64>();
    old.insert(1, tally::V3 { mood: Mood::Unwilling, ..tally::V3::default() }).expect("enters");
    old.save(&file).expect("a writable folder");
    let fleet = switch.fleet::<u64>();
    assert_eq!(fleet.restore(&file).expect("a tally's file").held_back, 1);
    let retried = switch.admin().retry().expect("not refused");
    assert_eq!((retried.kind, kinds().len()), (Kind::Start, 3));
    // a second time it is the same instance, and still named
    assert_eq!(fleet.restore(&file).expect("a tally's file").replaced, 1);
    assert_eq!((switch.admin().held_back().len(), switch.admin().status().held_back), (1, 1));
    let named = switch.admin().outcome(&retried.id).expect("kept").held;
    assert_eq!(named.iter().map(|held| held.who.as_str()).collect::<Vec<_>>(), ["1"]);
}

#[test]
fn a_rollback_in_the_middle_of_a_restore_is_owed_by_all() {
    let folder = Folder::new();
    let (path, file) = (folder.path("switch"), folder.path("fleet"));
    let switch = marks::Switch::builder().label("midst").starting_at(1).open(&path).expect("a store of its own");
    switch.admin().upgrade(2, "").expect("not refused");
    let fleet = switch.fleet::<u64>();
    for key in 0..3000 {
        fleet.insert(key, marks::V2 { marks: vec![99] }).expect("enters");
    }
    fleet.save(&file).expect("a writable folder");
    drop(fleet);
    let fleet = switch.fleet::<u64>();
    let mut told = 0;
    let restored = fleet.restore_telling(&file, |_| {
        told += 1;
        if told == 1 {
            switch.admin().rollback("").expect("in probation");
        }
    });
    assert_eq!(restored.expect("its own file").instances, 3000);
    let upgraded = switch.admin().upgrade(2, "").expect("not refused");
    assert_eq!((upgraded.live, upgraded.moved, upgraded.held_back), (3000, 0, 3000));
}

#[test]
fn no_fleet_is_saved_over_a_store_that_is_open() {
    let folder = Folder::new();
    let path = folder.path("switch");
    let switch = named(&path, "guarded");
    let fleet: tally::Fleet<u64> = switch.fleet();
    let refused = fleet.save(&path).expect_err("it is the store's");
    assert!(matches!(refused, SaveError::Busy { .. }), "{refused:?}");
    drop((fleet, switch));
    Switch::open(&path).expect("whole as before");
}

#[test]
fn no_fleet_is_saved_over_a_store_that_is_closed() {
    let folder = Folder::new();
    let path = folder.path("switch");
    drop(named(&path, "closed"));
    let before = fs::read(&path).expect("there");
    let fleet = Switch::builder().starting_at(1).build().expect("one to run").fleet::<u64>();
    let stranger = marks::Switch::builder().starting_at(1).build().expect("one to run").fleet::<u64>();
    for refused in [fleet.save(&path), fleet.save_paused(&path), stranger.save(&path)] {
        let refused = refused.expect_err("a store");
        assert!(matches!(refused, SaveError::Occupied { .. }), "{refused:?}");
        assert_eq!(fs::read(&path).expect("there"), before);
    }
    let said = fleet.save(&path).expect_err("a store").to_string();
    assert!(said.ends_with("this holds the record of a switch, not the instances of a fleet"), "{said}");
    drop(Switch::open(&path).expect("its own store"));
}

#[test]
fn no_store_is_opened_where_a_fleet_was_saved() {
    let folder = Folder::new();
    let path = folder.path("fleet");
    let fleet = Switch::builder().starting_at(1).build().expect("one to run").fleet::<u64>();
    fleet.save(&path).expect("a writable folder");
    let before = fs::read(&path).expect("there");
    let refused = Switch::open(&path).expect_err("a fleet's");
    assert!(matches!(refused, OpenError::Snapshot { error: SnapshotError::Holds { .. }, .. }), "{refused:?}");
    let said = refused.to_string();
    assert!(said.ends_with("this holds the instances of a fleet, not the record of a switch"), "{said}");
    assert_eq!(fs::read(&path).expect("there"), before);
}

#[test]
fn a_switch_that_ends_leaves_its_outcomes_as_they_were() {
    let folder = Folder::new();
    let path = folder.path("switch");
    let switch = named(&path, "ended");
    let admin = switch.admin();
    admin.upgrade(2, "").expect("not refused");
    admin.commit().expect("in probation");
    let cell = switch.cell(tally::V2 { mood: Mood::Unwilling, ..tally::V2::default() }).expect("enters");
    let owned = switch.instance(tally::V2::default()).expect("enters");
    let upgraded = admin.upgrade(3, "").expect("not refused");
    assert_eq!((upgraded.live, upgraded.held_back, upgraded.not_reached), (2, 1, 1));
    drop((cell, owned));
    assert_eq!(admin.outcome(&upgraded.id).expect("the newest").gone, 2);
    drop((admin, switch));
    let told = Switch::open(&path).expect("its own store").admin().outcome(&upgraded.id).expect("kept");
    assert_eq!((told.live, told.held_back, told.not_reached, told.gone), (2, 1, 1, 0));
}
