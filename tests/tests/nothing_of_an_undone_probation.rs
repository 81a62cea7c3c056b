//! Invariant 8: an instance's epochs never decrease; once touched after a rollback it carries nothing that was written in
//! the undone probation, or it is held back and named.

use std::collections::HashSet;

use hotswap::{CommitOptions, Machine as _, PromoteOptions, RollbackOptions, UpgradeOptions, Wait};
use hotswap_tests::marks::{AnyState, Machine, Mark, Marks, Switch, V1};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Insert(u8),
    Mark(u8),
    Touch(u8),
    Upgrade { to: u32, keep: bool, share: Option<u8> },
    Promote,
    Rollback,
    Commit,
    Retry,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0..4u8).prop_map(Op::Insert),
        4 => (0..4u8).prop_map(Op::Mark),
        2 => (0..4u8).prop_map(Op::Touch),
        3 => (1..=3u32, any::<bool>(), prop::option::of(1..=99u8))
            .prop_map(|(to, keep, share)| Op::Upgrade { to, keep, share }),
        2 => Just(Op::Promote),
        2 => Just(Op::Rollback),
        1 => Just(Op::Commit),
        1 => Just(Op::Retry),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn is_carried_by_an_instance_that_arrived(ops in prop::collection::vec(op(), 1..40)) {
        let switch = Switch::builder().starting_at(1).build().expect("version 1 is one to run");
        let fleet = switch.fleet::<u8>();
        let admin = switch.admin();
        // every mark is a number of its own; which of them were made in the probation that is on, or in an undone one
        let (mut next, mut in_probation, mut undone) = (0, Vec::new(), HashSet::new());
        let mut epoch = admin.status().epoch;
        for op in ops {
            match op {
                // only new keys: replacing one would hide what it carries
                Op::Insert(key) => if fleet.inspect(&key, |_| ()).expect("outside").is_none() {
                    let _ = fleet.insert(key, V1::default());
                },
                Op::Mark(key) => {
                    // what is written into an instance that is held back is its own: it is named as such; and whom a
                    // canary leaves at the permanent version, that one is in no probation
                    let before = held(&admin);
                    let written = fleet.step(&key, Mark(next)).is_ok();
                    let permanent = fleet.inspect(&key, version).expect("outside") == Some(admin.status().permanent);
                    if written && !permanent && !before.contains(&key) && !held(&admin).contains(&key) {
                        in_probation.push(next);
                    }
                    next += 1;
                }
                Op::Touch(key) => drop(fleet.step(&key, Marks)),
                Op::Upgrade { to, keep, share } => {
                    let options = UpgradeOptions::default().keep_previous(keep).accept_loss(true).wait(Wait::No);
                    let options = share.into_iter().fold(options, UpgradeOptions::canary);
                    let was_permanent = admin.status().phase == hotswap::Phase::Permanent;
                    if admin.upgrade_with(to, "", &options).is_ok_and(|outcome| outcome.done) && was_permanent {
                        in_probation.clear();
                    }
                }
                Op::Rollback => {
                    let options = RollbackOptions::default().accept_loss(true).wait(Wait::No);
                    if admin.rollback_with("", &options).is_ok() {
                        undone.extend(in_probation.drain(..));
                    }
                }
                Op::Commit => {
                    let options = CommitOptions::default().leave_held_back(true).wait(Wait::No);
                    if admin.commit_with("", &options).is_ok() {
                        in_probation.clear();
                        // leaving the held back is the operator's consent to what they carry
                        undone.clear();
                    }
                }
                Op::Retry => drop(admin.retry()),
                Op::Promote => drop(admin.promote_with("", &PromoteOptions::default().wait(Wait::No))),
            }
            let now = admin.status().epoch;
            prop_assert!(now >= epoch);
            epoch = now;
        }
        for key in 0..4u8 {
            let Ok(marks) = fleet.step(&key, Marks) else { continue };
            if !held(&admin).contains(&key) {
                let carried: Vec<_> = marks.iter().filter(|mark| undone.contains(mark)).collect();
                prop_assert!(carried.is_empty(), "key {} carries {:?}", key, carried);
            }
        }
    }
}

fn version(state: &AnyState) -> u32 {
    Machine::version_of(state)
}

fn held(admin: &hotswap_tests::marks::Admin) -> HashSet<u8> {
    admin.held_back().iter().map(|held| held.who.parse().expect("keys are numbers")).collect()
}

#[test]
fn scenario_42_nor_by_one_that_slept_through_the_rollback_and_the_next_upgrade() {
    let switch = Switch::builder().starting_at(1).build().expect("version 1 is one to run");
    let admin = switch.admin();
    let mut sleeper = switch.instance(V1 { marks: vec![1] }).expect("enters");
    let keep = UpgradeOptions::default().keep_previous(true);
    admin.upgrade_with(2, "first try", &keep).expect("upgrades");
    sleeper.step(Mark(2)).expect("takes it");
    admin.rollback_with("wrong", &RollbackOptions::default().accept_loss(true)).expect("rolls back");
    admin.upgrade_with(2, "second try", &keep).expect("upgrades");
    assert_eq!(sleeper.step(Marks).expect("takes it"), [1]);
    assert_eq!(sleeper.version(), 2);
}

#[test]
fn scenario_42_without_a_kept_state_it_is_held_back_and_named_instead() {
    let switch = Switch::builder().starting_at(1).build().expect("version 1 is one to run");
    let fleet = switch.fleet::<u8>();
    fleet.insert(7, V1 { marks: vec![1] }).expect("enters");
    let admin = switch.admin();
    admin.upgrade(2, "first try").expect("upgrades");
    fleet.step(&7, Mark(2)).expect("takes it");
    admin.rollback_with("wrong", &RollbackOptions::default().wait(Wait::No)).expect("nothing is lost");
    let again = admin.upgrade(2, "second try").expect("upgrades");
    assert_eq!((again.moved, again.held_back, again.held[0].who.as_str()), (0, 1, "7"));
    assert_eq!(fleet.step(&7, Marks).expect("serves on"), [1, 2]);
}
