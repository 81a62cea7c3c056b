//! While one instance is in its migration, waits for its turn, or is held back, every other serves, whole, at its version.

use std::thread;
use std::time::Duration;

use hotswap::{AdminError, CommitOptions, UpgradeOptions, Wait};
use hotswap_tests::tally::{self, Mood, Prepare, Version};
use hotswap_tests::{Hook, Stop, paused};
use paused::{Add, Get};
use serde_json::json;

/// A cell called `slow` whose first migration stops until it is let go, and one that does nothing of the kind.
fn slow_and_quick() -> (paused::Switch, Stop, Hook, [paused::Cell; 2]) {
    let switch = paused::Switch::builder().starting_at(1).build().expect("one to run");
    let (stop, hook) = Stop::new();
    let slow = switch.named_cell("slow", paused::V1 { sum: 3, hook }).expect("enters");
    let quick = switch.named_cell("quick", paused::V1 { sum: 5, hook: Hook::default() }).expect("enters");
    (switch, stop, hook, [slow, quick])
}

#[test]
fn scenario_15_the_instance_of_a_long_migration_waits_and_the_others_serve() {
    let (switch, stop, _, [slow, quick]) = slow_and_quick();
    let admin = switch.admin();
    let long = UpgradeOptions::default().id("long");
    thread::scope(|scope| {
        let upgrade = scope.spawn(|| admin.upgrade_with(2, "", &long).expect("not refused"));
        stop.wait();
        quick.step(Add(1)).expect("served at version 2");
        assert_eq!((quick.step(Get).expect("served"), quick.version()), (6, Some(2)));
        let waits = scope.spawn(|| slow.step(Get).expect("it waits for its turn"));

        let short = admin.upgrade_with(2, "", &long.clone().wait(Wait::For(Duration::from_millis(1))));
        let short = short.expect("a wait that runs out is no error");
        assert_eq!((short.settled, short.moved, short.held_back, short.not_reached), (false, 1, 0, 1));
        assert!(short.to_string().ends_with("1 not reached, not settled"), "{short}");
        assert!(!waits.is_finished() && !upgrade.is_finished());

        stop.let_go();
        assert_eq!(waits.join().expect("no panic"), 3);
        let settled = upgrade.join().expect("no panic");
        assert_eq!((settled.settled, settled.moved, settled.not_reached), (true, 2, 0));
    });
    assert_eq!(slow.version(), Some(2));
}

#[test]
fn scenario_31_a_state_that_is_read_while_an_upgrade_runs_is_whole_and_of_one_version() {
    let (switch, stop, hook, _cells) = slow_and_quick();
    let fleet = switch.fleet::<u8>();
    fleet.insert(1, paused::V1 { sum: 8, hook: Hook::default() }).expect("enters");
    let admin = switch.admin();
    thread::scope(|scope| {
        // whoever touches it first runs the migration, so that nobody has swept the others
        let options = UpgradeOptions::default().wait(Wait::No);
        admin.upgrade_with(2, "", &options).expect("not refused");
        let reads = scope.spawn(|| admin.get_state("slow"));
        stop.wait();
        let none = Hook::default();
        fleet.for_each(|_, state| assert_eq!(*state, paused::V1 { sum: 8, hook: none }.into())).expect("outside");
        assert_eq!(admin.get_state("1"), Ok(json!([2, {"sum": 8, "double": 16, "hook": none}])));
        assert_eq!(admin.get_state("quick"), Ok(json!([2, {"sum": 5, "double": 10, "hook": none}])));
        let inside = fleet.inspect(&1, |_| admin.get_state("slow")).expect("outside");
        assert_eq!(inside, Some(Err(AdminError::InUse { key: "slow".into() })), "inside, nothing waits");
        assert_eq!((admin.status().not_reached, admin.outcomes()[0].moved), (1, 2));
        assert!(!reads.is_finished());
        stop.let_go();
        let whole = json!([2, {"sum": 3, "double": 6, "hook": hook}]);
        assert_eq!(reads.join().expect("no panic"), Ok(whole));
    });
}

#[test]
fn scenario_31_so_is_one_that_is_read_during_flips_without_end() {
    let switch = paused::Switch::builder().starting_at(1).build().expect("one to run");
    let cell = switch.named_cell("read", paused::V1::default()).expect("enters");
    let admin = switch.admin();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            (0..3000).fold([0, 0], |[at_1, at_2], _| {
                cell.step(Add(1)).expect("taken by both versions");
                match cell.inspect(Clone::clone).expect("whole") {
                    paused::AnyState::V1(state) => assert!(state.sum > 0),
                    paused::AnyState::V2(state) => assert_eq!(state.double, 2 * state.sum),
                    other => panic!("of no version that ever ran: {other:?}"),
                }
                let state = admin.get_state("read").expect("there");
                match state[0].as_u64() {
                    Some(1) => [at_1 + 1, at_2],
                    Some(2) => {
                        assert_eq!(state[1]["double"].as_u64(), state[1]["sum"].as_u64().map(|sum| 2 * sum));
                        [at_1, at_2 + 1]
                    }
                    _ => panic!("of no version that ever ran: {state}"),
                }
            })
        });
        while !reader.is_finished() {
            admin.upgrade(2, "").expect("not refused");
            admin.rollback("").expect("the way down loses nothing");
        }
        assert_eq!(reader.join().expect("no panic").iter().sum::<u32>(), 3000);
    });
    assert_eq!(cell.step(Get).expect("taken"), 3000);
}

#[test]
fn scenario_20_three_versions_in_use_at_once_all_serve() {
    let switch = tally::Switch::builder().starting_at(Version::V2).build().expect("one to run");
    let admin = switch.admin();
    let fleet = switch.fleet::<u32>();
    let mut asleep = switch.instance(tally::V2 { sum: 1, ..tally::V2::default() }).expect("enters");
    for key in [2, 3, 5] {
        fleet.insert(key, tally::V2::default()).expect("enters");
    }
    // each key stays behind at the version of its number
    let leave_behind = |key, to| {
        fleet.step(&key, Prepare(Mood::Unwilling)).expect("taken");
        admin.upgrade(to, "").expect("not refused");
        admin.commit_with("", &CommitOptions::default().leave_held_back(true)).expect("left");
    };
    leave_behind(2, Version::V3);
    leave_behind(3, Version::V5);

    let by_version: Vec<_> = admin.status().by_version.iter().map(|at| (at.version, at.place, at.live)).collect();
    let (owned, in_fleet) = (hotswap::Place::Owned, hotswap::Place::Fleet);
    assert_eq!(by_version, [(2, in_fleet, 1), (2, owned, 1), (3, in_fleet, 1), (5, in_fleet, 1)]);
    // from version 4 on an addition counts twice; version 3 alone takes `Seen`, and refuses nothing
    for (key, sum, seen) in [(2, 10, false), (3, 10, true), (5, 20, false)] {
        fleet.step(&key, tally::Add(10)).expect("serves");
        assert_eq!(fleet.step(&key, tally::Get).expect("serves"), sum, "at version {key}");
        assert_eq!(fleet.step(&key, tally::Seen).is_ok(), seen, "at version {key}");
    }
    assert_eq!((asleep.version(), asleep.step(tally::Get).expect("serves"), asleep.version()), (2, 1, 5));
}
