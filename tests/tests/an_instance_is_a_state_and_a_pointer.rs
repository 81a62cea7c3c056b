//! An instance that one owner has takes the memory of its state and of one pointer, and ends once.

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hotswap::{UpgradeOptions, Wait};
use hotswap_tests::tally::{Add, AnyState, Get, Instance, Machine, Switch, V1, V2, Version};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What is allocated is that of one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn beside_its_state<M: hotswap::Machine>() -> usize {
    size_of::<hotswap::Instance<M>>() - size_of::<M::AnyState>()
}

/// A machine whose state is this.
macro_rules! machine_of {
    ($name:ident, $state:ty) => {
        #[hotswap::machine]
        mod $name {
            #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
            pub struct Get;

            #[machine(version = 1)]
            #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
            pub struct V1 {
                pub kept: $state,
            }

            #[machine(version = 1)]
            pub fn get(state: &V1, _: Get) -> $state {
                state.kept.clone()
            }
        }
    };
}

machine_of!(odd, [u16; 3]);
machine_of!(wide, [u64; 8]);
machine_of!(heap, String);

#[test]
fn it_is_a_state_and_a_pointer() {
    let _alone = alone();
    let beside = [
        beside_its_state::<odd::Machine>(),
        beside_its_state::<wide::Machine>(),
        beside_its_state::<heap::Machine>(),
        beside_its_state::<Machine>(),
    ];
    assert_eq!(beside, [size_of::<usize>(); 4]);
}

const MANY: usize = 1000;

/// What these hold besides themselves, in bytes: what is given back when they end.
fn beside(all: Vec<Instance>) -> usize {
    assert_eq!((all.len(), all.capacity()), (MANY, MANY));
    let region = Region::new(ALLOCATED);
    drop(all);
    let change = region.change();
    (change.bytes_deallocated - change.bytes_allocated) - MANY * size_of::<Instance>()
}

/// A few posts; one for each would take a hundred times as much.
const LITTLE: usize = 1024;

#[test]
fn those_who_have_come_to_one_epoch_share_the_rest_however_they_came() {
    let _alone = alone();
    let switch = Switch::builder().starting_at(Version::V1).build().expect("version 1 can run");
    let make = || -> Vec<Instance> {
        let one = |_| switch.instance(V1::default()).expect("it is at the version that runs");
        (0..MANY).map(one).collect()
    };
    let made = beside(make());
    assert!(made <= LITTLE, "{made} bytes beside those who were made");

    let mut all = make();
    let mut slab = switch.slab();
    (0..MANY).for_each(|_| slab.push(V1::default()).expect("it is at the version that runs"));
    switch.admin().upgrade_with(Version::V2, "", &UpgradeOptions::default().wait(Wait::No)).expect("it can go up");
    all.iter_mut().for_each(|instance| instance.step(Add(1)).expect("taken"));
    let arrived = beside(all);
    assert!(arrived <= LITTLE, "{arrived} bytes beside those who arrived");

    // each comes out at the epoch before, as another one has just arrived
    let mut popped = Vec::with_capacity(MANY);
    while let Some(mut instance) = slab.pop() {
        instance.step(Add(1)).expect("taken");
        popped.push(instance);
    }
    let popped = beside(popped);
    assert!(popped <= LITTLE, "{popped} bytes beside those who came out of a slab one by one");
}

/// Those who have come to one epoch have the rest in common, so one who goes must not take it along.
#[test]
fn each_ends_once_and_the_others_go_on() {
    let _alone = alone();
    let switch = Switch::builder().starting_at(Version::V1).build().expect("version 1 can run");
    let mut all: Vec<Instance> = (0..4)
        .map(|sum| switch.instance(V1 { sum, ..V1::default() }).expect("it is at the version that runs"))
        .collect();
    let live = || switch.admin().status().live;

    let dropped = all.remove(3);
    drop(dropped);
    assert_eq!(live(), 3);
    let ended = all.remove(0).into_state();
    assert_eq!((ended, live()), (Some(V1::default().into()), 2));

    switch.admin().upgrade_with(Version::V2, "", &UpgradeOptions::default().wait(Wait::No)).expect("it can go up");
    let [mut arrived, mut late] = <[Instance; 2]>::try_from(all).expect("there are two left");
    arrived.step(Add(1)).expect("taken");
    let ended = arrived.into_state();
    assert!(matches!(ended, Some(AnyState::V2(V2 { sum: 2, .. }))), "{ended:?}");
    assert_eq!((late.version(), live()), (1, 1));
    assert_eq!(late.step(Get).expect("taken"), 2);
    drop(late);
    assert_eq!(live(), 0);
    let outcome = switch.admin().outcomes().pop().expect("one upgrade");
    assert_eq!((outcome.live, outcome.moved, outcome.gone), (2, 2, 0));
}
