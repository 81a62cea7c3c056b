//! Only what a rollback could not bring down owes to pass the permanent version before it goes up again; what failed on any
//! other way owes nothing.

use hotswap::{CommitOptions, RollbackOptions, UpgradeOptions, Wait};
use hotswap_tests::Hook;
use hotswap_tests::folder::Folder;
use hotswap_tests::tally::{Add, Fleet, Get, Mood, Prepare, Switch, V1, V3};

/// Its way up does something in the middle, and there is no way down.
#[hotswap::machine(derive(Debug))]
mod valve {
    use hotswap_tests::Hook;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    pub struct Get;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
    pub struct V1 {
        pub hook: Hook,
    }

    #[machine(version = 1)]
    fn get_1(_: &V1, _: Get) -> u32 {
        1
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
    pub struct V2 {
        pub hook: Hook,
    }

    #[machine(migrate)]
    fn up(old: &V1) -> V2 {
        old.hook.run();
        V2 { hook: old.hook }
    }

    #[machine(version = 2)]
    fn get_2(_: &V2, _: Get) -> u32 {
        2
    }
}

fn accepting() -> UpgradeOptions {
    UpgradeOptions::default().accept_loss(true)
}

#[test]
fn an_instance_that_stayed_where_a_rollback_went_owes_nothing() {
    let folder = Folder::new();
    let switch = Switch::builder().starting_at(2).build().expect("version 2 is one to run");
    let fleet = switch.fleet::<u8>();
    fleet.insert(7, V1 { sum: 1, mood: Mood::Unwilling }).expect("1 to 2 is derived");
    let admin = switch.admin();
    assert_eq!(admin.upgrade(3, "").expect("there is a way").held_back, 1);
    // it never left version 2, sleeps through the rollback, and fails again
    admin.rollback_with("", &RollbackOptions::default().wait(Wait::No)).expect("nothing is lost");
    assert_eq!(admin.upgrade(3, "").expect("there is a way").held_back, 1);
    let [held] = &admin.held_back()[..] else { panic!("one is held back") };
    assert_eq!((held.version, held.reason.as_str()), (2, "unwilling"));

    let file = folder.path("fleet");
    fleet.save(&file).expect("it is whole");
    let restored = fleet.restore(&file).expect("what was saved is read");
    assert_eq!((restored.instances, restored.held_back), (1, 1));
    fleet.step(&7, Prepare(Mood::Willing)).expect("version 2");
    assert_eq!(admin.retry().expect("one is held back").moved, 1);
}

#[test]
fn what_failed_on_a_way_down_that_was_no_rollback_goes_up_as_it_is() {
    let switch = Switch::builder().starting_at(3).build().expect("version 3 is one to run");
    let fleet = switch.fleet::<u8>();
    fleet.insert(7, V3 { mood: Mood::Unwilling, ..V3::default() }).expect("enters");
    let admin = switch.admin();
    admin.upgrade(4, "").expect("there is a way");
    admin.rollback("").expect("there is a way back");
    fleet.step(&7, Add(5)).expect("version 3, at the epoch of the rollback");

    assert_eq!(admin.upgrade_with(2, "", &accepting()).expect("the loss is accepted").held_back, 1);
    let up = admin.upgrade(4, "").expect("there is a way");
    assert_eq!((up.moved, up.held_back), (1, 0), "it would fail on the way by version 2 again");
    assert_eq!(fleet.step(&7, Get).expect("version 4"), 5);
}

#[test]
fn what_a_rollback_could_not_bring_down_passes_there_before_it_goes_up_or_a_commit_forgives_it() {
    let switch = Switch::builder().starting_at(2).build().expect("version 2 is one to run");
    let fleet = switch.fleet::<u8>();
    fleet.insert(7, V1::default()).expect("1 to 2 is derived");
    let admin = switch.admin();
    let up = || admin.upgrade(3, "").expect("there is a way");
    assert_eq!(up().moved, 1);
    fleet.step(&7, Prepare(Mood::Unwilling)).expect("version 3");
    let back = admin.rollback_with("", &RollbackOptions::default().accept_loss(true)).expect("the loss is accepted");
    assert_eq!(back.held_back, 1);
    // version 3 runs again, and it is at version 3: but by way of version 2 it cannot come
    assert_eq!(up().held_back, 1);
    let [held] = &admin.held_back()[..] else { panic!("one is held back") };
    assert_eq!((held.version, held.reason.ends_with("unwilling")), (3, true), "{}", held.reason);
    admin.commit_with("", &CommitOptions::default().leave_held_back(true)).expect("it is left");
    assert_eq!(admin.status().held_back, 0);
    assert_eq!(fleet.step(&7, Get).expect("version 3"), 0);
}

#[test]
fn what_has_passed_there_owes_it_no_more() {
    for by in [Wait::default(), Wait::No] {
        passes_once(by);
    }
}

/// With nobody waiting it goes when it is stepped, or else when it is swept.
fn passes_once(by: Wait) {
    let switch = Switch::builder().starting_at(2).build().expect("version 2 is one to run");
    let fleet = switch.fleet::<u8>();
    fleet.insert(7, V1::default()).expect("1 to 2 is derived");
    let admin = switch.admin();
    admin.upgrade(3, "").expect("there is a way");
    fleet.step(&7, Prepare(Mood::Unwilling)).expect("version 3");
    let back = admin.rollback_with("", &RollbackOptions::default().accept_loss(true)).expect("the loss is accepted");
    assert_eq!(back.held_back, 1);
    fleet.step(&7, Prepare(Mood::Willing)).expect("version 3 runs on");
    admin.upgrade_with(3, "", &UpgradeOptions::default().wait(by)).expect("there is a way");
    fleet.step(&7, Prepare(Mood::Unwilling)).expect("version 3, by way of version 2");
    assert_eq!(admin.status().held_back, 0);

    // by that way it would fail now
    let up = admin.upgrade(4, "").expect("there is a way");
    assert_eq!((up.moved, up.held_back), (1, 0));
}

#[test]
fn what_comes_back_from_an_undone_probation_owes_only_what_it_carries() {
    let folder = Folder::new();
    let (store, file) = (folder.path("store"), folder.path("fleet"));
    let open = || Switch::builder().label("owing").starting_at(2).open(&store).expect("nobody else has it");
    let switch = open();
    let fleet: Fleet<u8> = switch.fleet();
    fleet.insert(1, V1 { sum: 1, mood: Mood::Unwilling }).expect("1 to 2 is derived");
    fleet.insert(2, V1 { sum: 2, mood: Mood::Willing }).expect("1 to 2 is derived");
    let outcome = switch.admin().upgrade(3, "").expect("there is a way");
    assert_eq!((outcome.moved, outcome.held_back), (1, 1));
    fleet.step(&2, Prepare(Mood::Unwilling)).expect("version 3");
    fleet.save(&file).expect("it is whole");
    drop((fleet, switch));

    let switch = open();
    let fleet: Fleet<u8> = switch.fleet();
    switch.admin().upgrade(3, "").expect("there is a way");
    let both = |fleet: &Fleet<u8>| {
        let restored = fleet.restore(&file).expect("it can be read");
        assert_eq!((restored.instances, restored.held_back), (2, 2));
        let mut held = switch.admin().held_back();
        held.sort_by(|a, b| a.who.cmp(&b.who));
        let held: Vec<_> = held.iter().map(|held| (held.version, held.reason.as_str().to_owned())).collect();
        // the first never left version 2; the second comes from version 3, and cannot pass version 2 on its way there
        let carries = "it carries what going back to version 2 could not undo: unwilling";
        assert_eq!(held, [(2, "unwilling".to_owned()), (3, carries.to_owned())]);
    };
    both(&fleet);
    fleet.save(&file).expect("it is whole");
    both(&fleet);
}

#[test]
fn what_is_restored_while_the_switch_goes_back_is_what_was_saved() {
    let folder = Folder::new();
    let file = folder.path("fleet");
    let switch = valve::Switch::builder().starting_at(1).build().expect("version 1 is one to run");
    let fleet = switch.fleet::<u8>();
    let admin = switch.admin();
    let hook = Hook::new(move || {
        let back = move || admin.rollback_with("", &RollbackOptions::default().wait(Wait::No));
        std::thread::spawn(back).join().expect("no panic").expect("in probation");
    });
    fleet.insert(7, valve::V1 { hook }).expect("it is new");
    fleet.save(&file).expect("it is whole");
    fleet.remove(&7).expect("outside");
    switch.admin().upgrade(2, "").expect("there is a way");

    let restored = fleet.restore(&file).expect("its own file");
    assert_eq!((switch.version(), restored.instances, restored.held_back), (1, 1, 0));
    assert_eq!(fleet.step(&7, valve::Get).expect("version 1"), 1);
}
