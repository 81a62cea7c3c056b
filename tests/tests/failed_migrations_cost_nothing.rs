//! Invariant 2: a failed borrowing migration leaves the old state's encoding identical, and the old version serving.

use hotswap::{HeldBack, Place, UpgradeOptions};
use hotswap_tests::tally::{self, Add, AnyState, Get, Mood, Prepare, Switch, V1, V2, Version};
use proptest::prelude::*;

fn encoded(fleet: &tally::Fleet<u64>, key: u64) -> String {
    fleet
        .inspect(&key, |state| serde_json::to_string(state).expect("states are serializable"))
        .expect("outside")
        .expect("present")
}

proptest! {
    #[test]
    fn whichever_way_it_fails(
        sums in prop::collection::vec((0..1000u64, prop_oneof![
            Just(Mood::Willing), Just(Mood::Unwilling), Just(Mood::Explosive)]), 1..30),
        from in 1..=2u32,
        to in 3..=5u32,
    ) {
        hotswap_tests::quietly(|| {
            let switch = Switch::builder().starting_at(from).build().expect("one to run");
            let fleet = switch.fleet::<u64>();
            for (key, (sum, mood)) in (0..).zip(&sums) {
                fleet.insert(key, V1::default()).expect("enters");
                fleet.step(&key, Add(*sum)).expect("taken");
                fleet.step(&key, Prepare(*mood)).expect("taken");
            }
            let before: Vec<_> = (0..).zip(&sums).map(|(key, _)| encoded(&fleet, key)).collect();
            let outcome = switch.admin().upgrade(to, "").expect("not refused");
            let unwilling = sums.iter().filter(|(_, mood)| *mood != Mood::Willing).count() as u64;
            prop_assert_eq!(outcome.held_back, unwilling);
            prop_assert_eq!(outcome.moved, sums.len() as u64 - unwilling);
            prop_assert!(outcome.settled);
            for ((key, (sum, mood)), before) in (0..).zip(&sums).zip(before) {
                prop_assert_eq!(fleet.step(&key, Get).expect("still serves"), *sum);
                if *mood == Mood::Willing {
                    prop_assert_eq!(fleet.inspect(&key, tally_version).expect("outside"), Some(to));
                } else {
                    prop_assert_eq!(encoded(&fleet, key), before);
                    let named = outcome.held.iter().find(|held| held.who == key.to_string()).expect("named");
                    let reason = if *mood == Mood::Unwilling { "unwilling" } else { "it panicked: explosive" };
                    prop_assert_eq!((named.reason.as_str(), named.version), (reason, from));
                }
            }
            Ok(())
        })?;
    }
}

fn tally_version(state: &AnyState) -> u32 {
    <tally::Machine as hotswap::Machine>::version_of(state)
}

#[test]
fn scenario_30_retry_moves_what_was_mended() {
    let switch = Switch::builder().starting_at(2).build().expect("one to run");
    let cell = switch.named_cell("tough", V2 { sum: 7, mood: Mood::Unwilling, additions: 1 }).expect("enters");
    let admin = switch.admin();
    let options = UpgradeOptions::default().id("up");
    let outcome = admin.upgrade_with(3, "", &options).expect("not refused");
    assert_eq!((outcome.held_back, outcome.held[0].who.as_str()), (1, "tough"));
    let again = admin.retry().expect("not refused");
    assert_eq!((again.id == outcome.id, again.held_back, cell.version()), (true, 1, Some(2)));

    cell.step(Prepare(Mood::Willing)).expect("version 2 still serves");
    let mended = admin.retry().expect("not refused");
    assert_eq!((mended.id == outcome.id, mended.held_back, mended.moved), (true, 0, 1));
    assert_eq!(cell.version(), Some(3));
    // it is still that command's, and what that asked for is the same
    assert_eq!(admin.upgrade_with(3, "", &options).expect("asked for before"), mended);
    assert_eq!(admin.outcome(&outcome.id).expect("kept"), mended);
    assert!(!admin.retry().expect("nothing to retry").done);
}

/// One instance of a thousand that does not move, and the reason it is to give.
fn one_of_a_thousand(mood: Mood, reason: &str) {
    let switch = Switch::builder().starting_at(Version::V2).build().expect("one to run");
    let fleet = switch.fleet::<u64>();
    for key in 0..1000 {
        fleet.insert(key, V2 { sum: key, ..V2::default() }).expect("enters");
    }
    fleet.step(&617, Prepare(mood)).expect("taken");
    let admin = switch.admin();
    let outcome = hotswap_tests::quietly(|| admin.upgrade(Version::V3, "").expect("not refused"));
    assert_eq!((outcome.live, outcome.moved, outcome.held_back, outcome.settled), (1000, 999, 1, true));
    let (who, reason) = ("617".to_owned(), reason.to_owned());
    let held = vec![HeldBack { who, place: Place::Fleet, version: 2, reason, poisoned: false }];
    assert_eq!((outcome.held, admin.held_back()), (held.clone(), held));

    for key in 0..1000 {
        fleet.step(&key, Add(1)).expect("serves");
        assert_eq!(fleet.step(&key, Get).expect("serves"), key + 1);
        let at = if key == 617 { 2 } else { 3 };
        assert_eq!(fleet.inspect(&key, tally_version).expect("outside"), Some(at), "{key}");
    }
    let refused = fleet.step(&617, tally::Seen).expect_err("its version does not know it");
    assert_eq!(refused.why, hotswap::Why::Refused { at: 2 });
}

#[test]
fn scenario_13_a_migration_that_fails_for_one_of_a_thousand_holds_back_that_one() {
    one_of_a_thousand(Mood::Unwilling, "unwilling");
}

#[test]
fn scenario_14_a_migration_that_panics_for_one_of_a_thousand_holds_back_that_one() {
    one_of_a_thousand(Mood::Explosive, "it panicked: explosive");
}
