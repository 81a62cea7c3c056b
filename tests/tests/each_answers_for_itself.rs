//! Instances of a fleet that stand alike are taken along together: each still answers for itself, and nobody else's account changes.

use std::collections::BTreeMap;

use hotswap::{CommitOptions, Kind, Machine as _, Outcome, UpgradeOptions, Why, machine};
use hotswap_tests::quietly;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// What becomes of an instance where its way runs what the user wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    Goes,
    Fails,
    Panics,
}

/// It goes off when it is dropped.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bomb(pub bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "bomb");
    }
}

#[machine]
mod many {
    use serde::{Deserialize, Serialize};

    use super::{Bomb, Fate};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Get;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub sum: u64,
        pub fate: Fate,
        pub bomb: Bomb,
    }

    #[machine(version = 1)]
    pub fn get_1(state: &V1, _: Get) -> u64 {
        state.sum
    }

    /// Derived, and what is left of the old state may go off.
    #[machine(version = 2, migrates_from = 1, reversible, removes(bomb = Bomb(false)))]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub sum: u64,
        pub fate: Fate,
    }

    #[machine(version = 2)]
    pub fn get_2(state: &V2, _: Get) -> u64 {
        state.sum
    }

    /// Derived, and what the user wrote in it may panic.
    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V3 {
        pub sum: u64,
        #[machine(from = fate, with = survives)]
        pub fate: Fate,
        #[machine(added = 0)]
        pub more: u64,
    }

    fn survives(fate: &Fate) -> Fate {
        assert!(*fate == Fate::Goes, "derived");
        *fate
    }

    #[machine(version = 3)]
    pub fn get_3(state: &V3, _: Get) -> u64 {
        state.sum
    }

    /// Written, and consumes the state.
    #[machine(version = 4, migrates_from = 3)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V4 {
        pub sum: u64,
        pub fate: Fate,
    }

    #[machine(migrate, moves)]
    pub fn up(old: V3) -> Result<V4, (V3, String)> {
        match old.fate {
            Fate::Goes => Ok(V4 { sum: old.sum, fate: old.fate }),
            Fate::Fails => Err((old, "moving".to_owned())),
            Fate::Panics => panic!("moving"),
        }
    }

    #[machine(version = 4)]
    pub fn get_4(state: &V4, _: Get) -> u64 {
        state.sum
    }

    /// The same state.
    #[machine(version = 5, migrates_from = 4)]
    pub fn get_5(state: &V4, _: Get) -> u64 {
        state.sum
    }
}

/// Its migrations are written, and borrow.
#[machine]
mod lent {
    use serde::{Deserialize, Serialize};

    use super::{Bomb, Fate};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Get;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub sum: u64,
        pub fate: Fate,
    }

    #[machine(version = 1)]
    pub fn get_1(state: &V1, _: Get) -> u64 {
        state.sum
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub sum: u64,
        pub bomb: Bomb,
    }

    /// It may refuse, or panic.
    #[machine(migrate)]
    fn lent(old: &V1) -> Result<V2, String> {
        match old.fate {
            Fate::Goes => Ok(V2 { sum: old.sum, bomb: Bomb(false) }),
            Fate::Fails => Err("lent".to_owned()),
            Fate::Panics => panic!("lent"),
        }
    }

    #[machine(version = 2)]
    pub fn get_2(state: &V2, _: Get) -> u64 {
        state.sum
    }

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V3 {
        pub sum: u64,
    }

    /// What was borrowed may go off when it is dropped.
    #[machine(migrate)]
    fn given_back(old: &V2) -> V3 {
        V3 { sum: old.sum }
    }

    #[machine(version = 3)]
    pub fn get_3(state: &V3, _: Get) -> u64 {
        state.sum
    }
}

use many::{AnyState, Fleet, Get, Machine, Switch, V1, V2, V3};

/// Each key's state, and what is to become of it.
type Fates = BTreeMap<u64, Fate>;

fn fates() -> impl Strategy<Value = Fates> {
    // most are alike, or none would be taken along together
    let fate = prop_oneof![40 => Just(Fate::Goes), 1 => Just(Fate::Fails), 1 => Just(Fate::Panics)];
    prop::collection::vec(fate, 1..1500).prop_map(|fates| (0..).zip(fates).collect())
}

fn counted(fates: &Fates, fate: impl Fn(Fate) -> bool) -> u64 {
    fates.values().filter(|it| fate(**it)).count() as u64
}

/// Upgrades a fleet of these beside a few cells, and gives what came of it: everybody is accounted for, then and at the next flip.
fn upgraded(from: u32, to: u32, fates: &Fates, state: impl Fn(u64, Fate) -> AnyState) -> (Fleet<u64>, Outcome) {
    let switch = Switch::builder().starting_at(from).build().expect("one to run");
    let fleet = switch.fleet::<u64>();
    let cells: Vec<_> = (0..3).map(|sum| switch.cell(state(sum, Fate::Goes)).expect("enters")).collect();
    for (key, fate) in fates {
        fleet.insert(*key, state(*key, *fate)).expect("enters");
    }
    let admin = switch.admin();
    let outcome = admin.upgrade(to, "").expect("not refused");
    let live = (fates.len() + cells.len()) as u64;
    assert_eq!((outcome.kind, outcome.settled, outcome.live), (Kind::Upgrade, true, live));
    assert_eq!((outcome.moved + outcome.held_back, outcome.gone, outcome.not_reached), (live, 0, 0));
    for cell in &cells {
        assert_eq!(cell.version(), Some(to));
    }
    let leaves = CommitOptions::default().leave_held_back(true);
    let committed = admin.commit_with("", &leaves).expect("not refused");
    assert_eq!((committed.live, committed.moved + committed.held_back), (live, live));
    (fleet, outcome)
}

fn version(fleet: &Fleet<u64>, key: u64) -> Option<u32> {
    fleet.inspect(&key, Machine::version_of).expect("outside")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whose_remains_go_off_arrives_as_all_others_do(fates in fates()) {
        let (fleet, outcome) = quietly(|| upgraded(1, 2, &fates, |sum, fate| V1 { sum, fate, bomb: Bomb(fate != Fate::Goes) }.into()));
        prop_assert_eq!(outcome.held_back, 0);
        for key in fates.keys() {
            prop_assert_eq!((version(&fleet, *key), fleet.step(key, Get).expect("taken")), (Some(2), *key));
        }
    }

    #[test]
    fn who_panics_in_what_was_derived_stays_whole(fates in fates()) {
        let (fleet, outcome) = quietly(|| upgraded(2, 3, &fates, |sum, fate| V2 { sum, fate }.into()));
        prop_assert_eq!(outcome.held_back, counted(&fates, |fate| fate != Fate::Goes));
        prop_assert!(outcome.held.iter().all(|held| held.version == 2 && held.reason == "it panicked: derived"));
        for (key, fate) in &fates {
            let at = if *fate == Fate::Goes { 3 } else { 2 };
            prop_assert_eq!((version(&fleet, *key), fleet.step(key, Get).expect("taken")), (Some(at), *key));
        }
    }

    #[test]
    fn who_gives_the_state_back_stays_whole_and_who_panics_with_it_is_lost(fates in fates(), to in 4..=5u32) {
        let (fleet, outcome) = quietly(|| upgraded(3, to, &fates, |sum, fate| V3 { sum, fate, more: 0 }.into()));
        prop_assert_eq!(outcome.held_back, counted(&fates, |fate| fate != Fate::Goes));
        for held in &outcome.held {
            let panicked = fates[&held.who.parse::<u64>().expect("a key")] == Fate::Panics;
            let reason = if panicked { "it panicked: moving" } else { "moving" };
            let at = if panicked { 0 } else { 3 };
            prop_assert_eq!((held.version, held.poisoned, held.reason.as_str()), (at, panicked, reason));
        }
        for (key, fate) in &fates {
            let stepped = fleet.step(key, Get).map_err(|refused| refused.why);
            match fate {
                Fate::Goes => prop_assert_eq!((version(&fleet, *key), stepped), (Some(to), Ok(*key))),
                Fate::Fails => prop_assert_eq!((version(&fleet, *key), stepped), (Some(3), Ok(*key))),
                Fate::Panics => prop_assert_eq!((version(&fleet, *key), stepped), (None, Err(Why::Poisoned))),
            }
        }
    }
}

/// Upgrades a fleet of states that are lent to their migrations, and gives which version each then runs, and what came of it.
fn lent_up(
    from: u32,
    to: u32,
    fates: &Fates,
    state: impl Fn(u64, Fate) -> lent::AnyState,
) -> (BTreeMap<u64, u32>, Outcome) {
    let switch = lent::Switch::builder().starting_at(from).build().expect("one to run");
    let fleet = switch.fleet::<u64>();
    for (key, fate) in fates {
        fleet.insert(*key, state(*key, *fate)).expect("enters");
    }
    let outcome = switch.admin().upgrade(to, "").expect("not refused");
    let live = fates.len() as u64;
    assert_eq!((outcome.settled, outcome.live, outcome.moved + outcome.held_back), (true, live, live));
    for key in fates.keys() {
        assert_eq!(fleet.step(key, lent::Get).expect("taken"), *key);
    }
    let version = |key| fleet.inspect(key, lent::Machine::version_of).expect("outside").expect("present");
    (fates.keys().map(|key| (*key, version(key))).collect(), outcome)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whose_migration_borrows_stays_whole_where_it_fails_or_panics(fates in fates()) {
        let (versions, outcome) = quietly(|| lent_up(1, 2, &fates, |sum, fate| lent::V1 { sum, fate }.into()));
        prop_assert_eq!(outcome.held_back, counted(&fates, |fate| fate != Fate::Goes));
        for held in &outcome.held {
            let panicked = fates[&held.who.parse::<u64>().expect("a key")] == Fate::Panics;
            let reason = if panicked { "it panicked: lent" } else { "lent" };
            prop_assert_eq!((held.version, held.poisoned, held.reason.as_str()), (1, false, reason));
        }
        for (key, fate) in &fates {
            prop_assert_eq!(versions[key], if *fate == Fate::Goes { 2 } else { 1 });
        }
    }

    #[test]
    fn what_was_borrowed_may_go_off_and_all_arrive(fates in fates()) {
        let state = |sum, fate| lent::V2 { sum, bomb: Bomb(fate != Fate::Goes) }.into();
        let (versions, outcome) = quietly(|| lent_up(2, 3, &fates, state));
        prop_assert_eq!(outcome.held_back, 0);
        prop_assert!(versions.values().all(|version| *version == 3));
    }
}

#[test]
fn who_stands_elsewhere_among_them_takes_its_own_way() {
    let switch = Switch::builder().starting_at(2).build().expect("one to run");
    let (fleet, admin) = (switch.fleet::<u64>(), switch.admin());
    let fate = Fate::Goes;
    for key in (0..1000).filter(|key| key % 7 != 0) {
        fleet.insert(key, V2 { sum: key, fate }).expect("enters");
    }
    let waits = UpgradeOptions::default().wait(hotswap::Wait::No);
    admin.upgrade_with(3, "", &waits).expect("not refused");
    // these are made at version 3, and some others have come there by a step
    for key in (0..1000).filter(|key| key % 7 == 0) {
        fleet.insert(key, V2 { sum: key, fate }).expect("enters");
    }
    for key in (0..1000).filter(|key| key % 11 == 0) {
        assert_eq!(fleet.step(&key, Get).expect("taken"), key);
    }
    // some go before the rest is moved, and leave their places empty
    for key in (0..1000).filter(|key| key % 13 == 0) {
        fleet.remove(&key).expect("outside").expect("present");
    }
    let outcome = admin.upgrade(4, "").expect("not refused");
    let left = (0..1000).filter(|key| key % 13 != 0).count() as u64;
    assert_eq!((outcome.live, outcome.moved, outcome.held_back, outcome.settled), (left, left, 0, true));
    for key in (0..1000).filter(|key| key % 13 != 0) {
        assert_eq!((version(&fleet, key), fleet.step(&key, Get).expect("taken")), (Some(4), key));
    }
    assert_eq!(admin.commit().expect("not refused").live, left);
}
