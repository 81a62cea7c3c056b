//! What the check of a step costs an instance that one owner has, over the same step on the bare state.

use std::hint::black_box;

use hotswap_benches::report::Row;
use hotswap_benches::turns::{nanoseconds, take_turns};
use hotswap_benches::work::worker;
use hotswap_benches::{Bare, INSTANCES, Kept, Owned, V2, counter, report, round};

const TURNS: usize = 301;
/// How often each instance is stepped in a turn.
const ROUNDS: u32 = 200;
/// How many a batch has: they fit in the second cache.
const BATCH: usize = 4096;

fn main() {
    let mut report = report!();
    let [instance, direct] = small::<OwnedCalled, BareCalled>();
    report.add(
        Row::ratio("step of an Instance against a direct call, 128 instances", "ns", &instance, &direct)
            .at_most(1.25)
            .beside("both call a function that is not inlined: for the direct one that of the step, for the other one around `Instance::step`")
            .limit(
                "It is eleven instructions, which `count` lists, and none of them waits for another's: what they take is what the machine has to spare in that moment, \
                 between nothing and half a nanosecond of one and a half.",
            ),
    );
    let [instance, direct] = small::<Owned, Bare>();
    report.add(
        Row::ratio("the same where both are inlined: against an addition in place", "ns", &instance, &direct)
            .beside("less than two cycles each, all in flight at once: any work in the step hides the check"),
    );
    let [instance, direct] = work();
    report.add(Row::ratio("the same, on a step of about 7 ns", "ns", &instance, &direct).at_most(1.05));
    let [instance, direct] = batch();
    report.add(
        Row::ratio(
            "a step each of a Vec of 4096 instances of one version, against a Vec of the state",
            "ns",
            &instance,
            &direct,
        )
        .at_most(1.02)
        .beside("hotswap has no call that steps a batch: this is a loop of `Instance::step`")
        .limit(
            "The compiler makes the loop over the Vec one of vector instructions on 16 bytes a state. An instance is 48 and has its own version and stamp, which each \
             step compares. A container of one version's bare states under one stamp could have the Vec's loop; hotswap has none, and a host that needs it keeps \
             many entities in one state, as the next row does.",
        ),
    );
    let [slab, direct] = slab();
    report.add(
        Row::ratio(
            "a step over the 4096 that one instance has as its state, against a Vec of the state",
            "ns",
            &slab,
            &direct,
        )
        .beside("what a host does that needs the Vec's loop: they move together, or none does"),
    );
    report.close();
}

fn small<With: Kept, Without: Kept>() -> [Vec<f64>; 2] {
    let (mut instance, mut direct) = (With::new(INSTANCES), Without::new(INSTANCES));
    take_turns(TURNS, [&mut || turn(&mut instance), &mut || turn(&mut direct)])
}

/// As [`Bare`], by a call.
struct BareCalled(Bare);

impl Kept for BareCalled {
    const NAME: &'static str = "direct call";

    fn new(instances: u32) -> Self {
        Self(Bare::new(instances))
    }

    #[inline(never)]
    fn add(&mut self, which: u32, by: u64) -> u64 {
        self.0.add(which, by)
    }
}

/// As [`Owned`], by a call.
struct OwnedCalled(Owned);

impl Kept for OwnedCalled {
    const NAME: &'static str = "call of Instance::step";

    fn new(instances: u32) -> Self {
        Self(Owned::new(instances))
    }

    #[inline(never)]
    fn add(&mut self, which: u32, by: u64) -> u64 {
        self.0.add(which, by)
    }
}

/// Nanoseconds a step.
fn turn<K: Kept>(kept: &mut K) -> f64 {
    nanoseconds(u64::from(ROUNDS) * u64::from(INSTANCES), || (0..ROUNDS).for_each(|_| round(kept, 0..INSTANCES)))
}

fn work() -> [Vec<f64>; 2] {
    let switch = worker::Switch::new();
    let mut states = vec![worker::V2::default(); INSTANCES as usize];
    let mut instances: Vec<_> = (0..INSTANCES)
        .map(|_| switch.instance(worker::V2::default()).expect("it is at the version that runs"))
        .collect();
    // a step waits for its own state and not for the others': what is in flight at once would hide what each takes
    let mut instance = || {
        let mut last = 0;
        nanoseconds(u64::from(ROUNDS) * u64::from(INSTANCES), || {
            for _ in 0..ROUNDS {
                for instance in black_box(&mut instances) {
                    last = instance.step(worker::Mix(last)).expect("version 2 mixes");
                }
            }
            black_box(last);
        })
    };
    let mut direct = || {
        let mut last = 0;
        nanoseconds(u64::from(ROUNDS) * u64::from(INSTANCES), || {
            for _ in 0..ROUNDS {
                for state in black_box(&mut states) {
                    last = worker::mix_counted(state, worker::Mix(last));
                }
            }
            black_box(last);
        })
    };
    take_turns(TURNS, [&mut instance, &mut direct])
}

/// Many in one state: a slab that moves as one.
#[hotswap::machine]
mod many {
    use hotswap_benches::counter::{self, Add, V1 as One, V2 as Counted};
    use serde::{Deserialize, Serialize};

    #[machine(version = 1)]
    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) struct V1 {
        pub(crate) all: Vec<One>,
    }

    #[machine(version = 1)]
    fn add(state: &mut V1, input: Add) -> u64 {
        state.all.iter_mut().fold(0, |_, one| counter::add(one, input))
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) struct V2 {
        #[machine(from = all, with = counted)]
        pub(crate) all: Vec<Counted>,
    }

    fn counted(all: &[One]) -> Vec<Counted> {
        all.iter().map(|one| Counted { count: one.count, additions: 0 }).collect()
    }

    #[machine(version = 2)]
    fn add_counted(state: &mut V2, input: Add) -> u64 {
        state.all.iter_mut().fold(0, |_, one| counter::add_counted(one, input))
    }
}

fn slab() -> [Vec<f64>; 2] {
    const ROUNDS: u64 = 10;
    let mut instance = many::Switch::new()
        .instance(many::V2 { all: vec![V2::default(); BATCH] })
        .expect("it is at the version that runs");
    let mut states = vec![V2::default(); BATCH];
    let times = ROUNDS * u64::try_from(BATCH).expect("a small number");
    let mut slab = || {
        nanoseconds(times, || {
            for _ in 0..ROUNDS {
                black_box(black_box(&mut instance).step(counter::Add(1)).expect("version 2 adds"));
            }
        })
    };
    let mut direct = || {
        nanoseconds(times, || {
            for _ in 0..ROUNDS {
                let all = black_box(&mut states).iter_mut();
                black_box(all.fold(0, |_, state| counter::add_counted(state, counter::Add(1))));
            }
        })
    };
    take_turns(TURNS, [&mut slab, &mut direct])
}

fn batch() -> [Vec<f64>; 2] {
    const ROUNDS: u64 = 10;
    let switch = counter::Switch::new();
    let mut states = vec![V2::default(); BATCH];
    let mut instances: Vec<_> =
        (0..BATCH).map(|_| switch.instance(V2::default()).expect("it is at the version that runs")).collect();
    let times = ROUNDS * u64::try_from(BATCH).expect("a small number");
    let mut instance = || {
        nanoseconds(times, || {
            for _ in 0..ROUNDS {
                for instance in black_box(&mut instances) {
                    black_box(instance.step(counter::Add(1)).expect("version 2 adds"));
                }
            }
        })
    };
    let mut direct = || {
        nanoseconds(times, || {
            for _ in 0..ROUNDS {
                for state in black_box(&mut states) {
                    black_box(counter::add_counted(state, counter::Add(1)));
                }
            }
        })
    };
    take_turns(TURNS, [&mut instance, &mut direct])
}
