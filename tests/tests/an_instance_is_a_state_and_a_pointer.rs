//! An instance that one owner has takes the memory of its state and of one pointer, whatever its machine, and ends once.

use hotswap::{UpgradeOptions, Wait};
use hotswap_tests::tally::{Add, AnyState, Get, Instance, Machine, Switch, V1, V2, Version};

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
    let beside = [
        beside_its_state::<odd::Machine>(),
        beside_its_state::<wide::Machine>(),
        beside_its_state::<heap::Machine>(),
        beside_its_state::<Machine>(),
    ];
    assert_eq!(beside, [size_of::<usize>(); 4]);
}

/// Those who have come to one epoch have the rest in common, so one who goes must not take it along.
#[test]
fn each_ends_once_and_the_others_go_on() {
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
    let [arrived, mut late] = <[Instance; 2]>::try_from(all).expect("there are two left");
    let mut arrived = arrived;
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
