//! Invariant 7: at every census before the next flip, moved + held back + gone + not reached = live at the flip, and the
//! census by version sums to live. Over generated sequences of everything that changes who is live, or where.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use hotswap::{CommitOptions, Place, Population, RollbackOptions, UpgradeOptions, Wait};
use hotswap_tests::tally::{self, Add, Boom, Cell, Get, Instance, Mood, Prepare, Switch, V1};
use hotswap_tests::{Hook, paused};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    NewCell,
    NewInstance,
    Insert(u8),
    Remove(u8),
    DropCell(usize),
    DropInstance(usize),
    Leak,
    StepCell(usize),
    StepInstance(usize),
    StepFleet(u8),
    Boom(usize),
    BoomOwned(usize),
    Heal(usize),
    Prepare(usize, Mood),
    PrepareFleet(u8, Mood),
    Upgrade { to: u32, keep: bool, wait: bool },
    Commit,
    Rollback { wait: bool },
    Retry,
    Slice,
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![Just(Mood::Willing), Just(Mood::Unwilling), Just(Mood::Explosive)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => Just(Op::NewCell),
        2 => Just(Op::NewInstance),
        2 => any::<u8>().prop_map(|key| Op::Insert(key % 8)),
        1 => any::<u8>().prop_map(|key| Op::Remove(key % 8)),
        1 => any::<usize>().prop_map(Op::DropCell),
        1 => any::<usize>().prop_map(Op::DropInstance),
        1 => Just(Op::Leak),
        3 => any::<usize>().prop_map(Op::StepCell),
        3 => any::<usize>().prop_map(Op::StepInstance),
        3 => any::<u8>().prop_map(|key| Op::StepFleet(key % 8)),
        1 => any::<usize>().prop_map(Op::Boom),
        1 => any::<usize>().prop_map(Op::BoomOwned),
        1 => any::<usize>().prop_map(Op::Heal),
        1 => (any::<usize>(), mood()).prop_map(|(i, mood)| Op::Prepare(i, mood)),
        1 => (any::<u8>(), mood()).prop_map(|(key, mood)| Op::PrepareFleet(key % 8, mood)),
        4 => (1..=5u32, any::<bool>(), any::<bool>()).prop_map(|(to, keep, wait)| Op::Upgrade { to, keep, wait }),
        1 => Just(Op::Commit),
        2 => any::<bool>().prop_map(|wait| Op::Rollback { wait }),
        1 => Just(Op::Retry),
        1 => Just(Op::Slice),
    ]
}

struct World {
    switch: Switch,
    cells: Vec<Cell>,
    instances: Vec<Instance>,
    fleet: tally::Fleet<u8>,
    leaked: u64,
}

fn pick<T>(all: &mut [T], i: usize) -> Option<&mut T> {
    let len = all.len();
    if len == 0 { None } else { all.get_mut(i % len) }
}

impl World {
    fn new() -> Self {
        let switch = Switch::builder().starting_at(1).build().expect("version 1 is one to run");
        let fleet = switch.fleet();
        Self { switch, cells: Vec::new(), instances: Vec::new(), fleet, leaked: 0 }
    }

    fn run(&mut self, op: Op) {
        let admin = self.switch.admin();
        let wait = |wait| if wait { Wait::Reached } else { Wait::No };
        match op {
            Op::NewCell => self.cells.extend(self.switch.cell(V1::default())),
            Op::NewInstance => self.instances.extend(self.switch.instance(V1::default())),
            Op::Insert(key) => drop(self.fleet.insert(key, V1::default())),
            Op::Remove(key) => drop(self.fleet.remove(&key).expect("not inside a step")),
            Op::DropCell(i) if !self.cells.is_empty() => drop(self.cells.swap_remove(i % self.cells.len())),
            Op::DropInstance(i) if !self.instances.is_empty() => {
                drop(self.instances.swap_remove(i % self.instances.len()));
            }
            Op::DropCell(_) | Op::DropInstance(_) => {}
            Op::Leak => {
                if let Ok(instance) = self.switch.instance(V1::default()) {
                    std::mem::forget(instance);
                    self.leaked += 1;
                }
            }
            Op::StepCell(i) => drop(pick(&mut self.cells, i).map(|cell| cell.step(Add(1)))),
            Op::StepInstance(i) => drop(pick(&mut self.instances, i).map(|instance| instance.step(Get))),
            Op::StepFleet(key) => drop(self.fleet.step(&key, Add(1))),
            Op::Boom(i) => {
                if let Some(cell) = pick(&mut self.cells, i) {
                    let _ = catch_unwind(AssertUnwindSafe(|| cell.step(Boom)));
                }
            }
            Op::BoomOwned(i) => {
                if let Some(instance) = pick(&mut self.instances, i) {
                    let _ = catch_unwind(AssertUnwindSafe(|| instance.step(Boom)));
                }
            }
            Op::Heal(i) => {
                if let Some(cell) = pick(&mut self.cells, i) {
                    let _ = admin.replace_state(&cell.name(), |_| Ok::<_, String>(V1::default()));
                }
            }
            Op::Prepare(i, mood) => drop(pick(&mut self.cells, i).map(|cell| cell.step(Prepare(mood)))),
            Op::PrepareFleet(key, mood) => drop(self.fleet.step(&key, Prepare(mood))),
            Op::Upgrade { to, keep, wait: waits } => {
                let options = UpgradeOptions::default().keep_previous(keep).accept_loss(true).wait(wait(waits));
                let _ = admin.upgrade_with(to, "", &options);
            }
            Op::Commit => drop(admin.commit_with("", &CommitOptions::default().leave_held_back(true).wait(Wait::No))),
            Op::Rollback { wait: waits } => {
                let _ = admin.rollback_with("", &RollbackOptions::default().accept_loss(true).wait(wait(waits)));
            }
            Op::Retry => drop(admin.retry()),
            Op::Slice => drop(self.switch.sweeper().slice(std::time::Duration::from_micros(20))),
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let admin = self.switch.admin();
        let status = admin.status();
        let live = (self.cells.len() + self.instances.len() + self.fleet.len()) as u64 + self.leaked;
        prop_assert_eq!(status.live, live, "{:?}", status);
        let by_version: u64 = status.by_version.iter().map(|population| population.live).sum();
        prop_assert_eq!(by_version, live, "{:?}", status);
        for outcome in admin.outcomes() {
            let sum = outcome.moved + outcome.held_back + outcome.gone + outcome.not_reached;
            prop_assert_eq!(sum, outcome.live, "{:?}", outcome);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn over_any_sequence_of_changes(ops in prop::collection::vec(op(), 1..60)) {
        hotswap_tests::quietly(|| {
            let mut world = World::new();
            for op in ops {
                world.run(op);
                world.check()?;
            }
            world.switch.admin().upgrade(2, "a last one").ok();
            world.check()
        })?;
    }
}

/// Version 1 of a machine whose migrations a test can be in the middle of.
fn paused(sum: u64, hook: Hook) -> paused::V1 {
    paused::V1 { sum, hook }
}

fn at_version_1() -> paused::Switch {
    paused::Switch::builder().starting_at(1).build().expect("one to run")
}

/// Flips to version 2, and leaves it to others to move anybody.
fn flip(switch: &paused::Switch) {
    let options = UpgradeOptions::default().id("the one").wait(Wait::No);
    switch.admin().upgrade_with(2, "", &options).expect("not refused");
}

/// What that upgrade came to, as `[live, moved, gone, not reached]`, when everyone who can be reached has been.
fn settled(switch: &paused::Switch) -> [u64; 4] {
    let options = UpgradeOptions::default().id("the one");
    let outcome = switch.admin().upgrade_with(2, "", &options).expect("attached");
    assert!(outcome.settled && outcome.held_back == 0, "{outcome}");
    [outcome.live, outcome.moved, outcome.gone, outcome.not_reached]
}

#[test]
fn scenario_17_instances_dropped_in_mid_upgrade_do_not_fail_it() {
    let switch = at_version_1();
    let (doomed, owned) = (switch.cell(paused(1, Hook::default())), switch.instance(paused(2, Hook::default())));
    let fleet = switch.fleet::<u8>();
    fleet.insert(1, paused(3, Hook::default())).expect("enters");
    let other = switch.clone();
    let hook = Hook::new(move || {
        // a cell, an instance and a whole fleet go while another is in its migration
        drop((doomed, owned, fleet));
        assert_eq!((other.admin().status().live, other.admin().outcomes()[0].gone), (1, 3));
    });
    let cell = switch.cell(paused(4, hook)).expect("enters");
    flip(&switch);
    assert_eq!(cell.step(paused::Get).expect("taken"), 4);
    assert_eq!(settled(&switch), [4, 1, 3, 0]);
    assert_eq!(switch.admin().status().live, 1);
}

#[test]
fn scenario_17_an_instance_that_is_dropped_in_its_own_migration_ends_when_it_has_moved() {
    let switch = at_version_1();
    let itself = Arc::new(Mutex::new(None));
    let inner = itself.clone();
    let hook = Hook::new(move || drop::<Option<paused::Cell>>(inner.lock().expect("no panic").take()));
    *itself.lock().expect("no panic") = Some(switch.cell(paused(1, hook)).expect("enters"));
    flip(&switch);
    assert_eq!(settled(&switch), [1, 1, 0, 0]);
    assert_eq!(switch.admin().status().live, 0);
}

#[test]
fn scenario_18_instances_created_in_mid_upgrade_are_at_the_new_version() {
    let switch = at_version_1();
    let (new, made) = channel();
    let other = switch.clone();
    let hook = Hook::new(move || {
        let fleet = other.fleet::<u8>();
        fleet.insert(1, paused(1, Hook::default())).expect("enters");
        let cell = other.cell(paused(2, Hook::default())).expect("enters");
        let owned = other.instance(paused(3, Hook::default())).expect("enters");
        new.send((fleet, cell, owned)).expect("received");
    });
    let old = [switch.cell(paused(4, hook)).expect("enters"), switch.cell(paused(5, Hook::default())).expect("enters")];
    flip(&switch);
    assert_eq!(old[0].step(paused::Get).expect("taken"), 4);
    let (fleet, cell, owned) = made.recv().expect("sent");

    assert_eq!((cell.version(), owned.version()), (Some(2), 2));
    fleet.for_each(|_, state| assert!(matches!(state, paused::AnyState::V2(_)))).expect("outside");
    let status = switch.admin().status();
    assert_eq!((status.live, status.not_reached), (5, 1), "the new ones need no reaching");
    assert_eq!(settled(&switch), [2, 2, 0, 0], "the outcome is about those who were live at the flip");
}

#[test]
fn scenario_18_an_instance_whose_making_a_flip_interrupts_is_made_for_the_release_after_it() {
    let switch = at_version_1();
    let other = switch.clone();
    flip(&switch);
    let hook = Hook::new(move || drop(other.admin().rollback("").expect("in probation")));
    let cell = switch.cell(paused(7, hook)).expect("enters");
    let status = switch.admin().status();
    assert_eq!((status.version, status.live, status.not_reached), (1, 1, 0));
    assert_eq!(status.by_version, [Population { version: 1, place: Place::Cell, live: 1 }]);
    assert_eq!((cell.version(), cell.step(paused::Get).expect("taken")), (Some(1), 7));
}

#[test]
fn scenario_19_what_nobody_touches_stays_at_its_version_and_is_counted() {
    let switch = at_version_1();
    let cell = switch.cell(paused(1, Hook::default())).expect("enters");
    let mut owned = switch.instance(paused(2, Hook::default())).expect("enters");
    let fleet = switch.fleet::<u8>();
    for key in 0..3 {
        fleet.insert(key, paused(3, Hook::default())).expect("enters");
    }
    flip(&switch);
    let admin = switch.admin();
    let at_version_1 = || {
        let by_version = admin.status().by_version;
        by_version.iter().filter(|at| at.version == 1).map(|at| (at.place, at.live)).collect::<Vec<_>>()
    };
    assert_eq!(at_version_1(), [(Place::Cell, 1), (Place::Fleet, 3), (Place::Owned, 1)]);
    assert_eq!(admin.status().not_reached, 5);
    fleet
        .for_each(|_, state| assert!(matches!(state, paused::AnyState::V1(_)), "looking moves nobody"))
        .expect("outside");

    fleet.step(&0, paused::Get).expect("touched");
    assert_eq!(at_version_1(), [(Place::Cell, 1), (Place::Fleet, 2), (Place::Owned, 1)]);
    assert_eq!(settled(&switch), [5, 4, 0, 1], "swept");
    assert_eq!((at_version_1(), cell.version()), (vec![(Place::Owned, 1)], Some(2)));
    owned.refresh();
    assert_eq!(settled(&switch), [5, 5, 0, 0]);
}

#[test]
fn scenario_47_an_instance_that_is_leaked_is_live_and_not_reached() {
    let switch = at_version_1();
    let [leaked, mut touched] = [1, 2].map(|sum| switch.instance(paused(sum, Hook::default())).expect("enters"));
    let cell = switch.cell(paused(3, Hook::default())).expect("enters");
    flip(&switch);
    touched.refresh();
    assert_eq!(leaked.state(), Some(&paused(1, Hook::default()).into()));
    std::mem::forget(leaked);
    std::mem::forget(cell);
    assert_eq!(settled(&switch), [3, 2, 0, 1], "a leaked cell is still on the roster");
    switch.admin().commit().expect("nobody is held back");
    let status = switch.admin().status();
    assert_eq!((status.live, status.not_reached), (3, 2));
}
