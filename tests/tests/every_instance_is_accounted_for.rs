//! Invariant 7: at every census before the next flip, moved + held back + gone + not reached = live at the flip, and the
//! census by version sums to live. Over generated sequences of everything that changes who is live, or where.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hotswap::{CommitOptions, RollbackOptions, UpgradeOptions, Wait};
use hotswap_tests::tally::{self, Add, Boom, Cell, Get, Instance, Mood, Prepare, Switch, V1};
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
                    let _ = admin.replace_state(cell.name(), |_| Ok::<_, String>(V1::default()));
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
