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
/// So many of a slab are stepped in one loop.
const NEIGHBOURS: usize = 1024;

fn main() {
    let mut report = report!();
    let [instance, direct] = small::<OwnedCalled, BareCalled>();
    report.add(
        Row::ratio("step of an Instance against a direct call, 128 instances", "ns", &instance, &direct)
            .at_most(1.25)
            .beside("both call a function that is not inlined: for the direct one that of the step, for the other one around `Instance::step`")
            .limit(
                "Inlined it is ten instructions, which `count` lists. Three are loads of which each waits for the one before, and no step waits for another's: what they take is what the machine has to spare \
                 in that moment. In some runs of one program that was nothing, and in others half a nanosecond; on a step of 7 ns it cannot be seen, as the row after the next says.",
            ),
    );
    let [instance, direct] = small::<Owned, Bare>();
    report.add(
        Row::ratio("the same where both are inlined: against an addition in place", "ns", &instance, &direct)
            .beside("an addition takes so little that whatever stands beside it is seen"),
    );
    let [instance, direct] = work();
    report.add(Row::ratio("the same, on a step of about 7 ns", "ns", &instance, &direct).at_most(1.05));
    let [slab, instances, pieces, direct] = batch(BATCH);
    report.add(
        Row::ratio(
            "a step each of a slab of 4096 instances of one version, against a Vec of the state",
            "ns",
            &slab,
            &direct,
        )
        .at_most(1.02)
        .beside("`Slab::step_all`, each answer looked at; the switch is looked at once for 1,024 of them")
        .limit(
            "A slab stands in chunks of 1,024, and looks at the switch once for each. Within a chunk it is the loop over a Vec: the last row of these is of a slab that is one. The next \
             row is a Vec of four Vecs, with nothing of hotswap's: what it misses by is the pieces', each with an end of a loop that the processor does not foresee, and what a slab misses by beyond it is the look at \
             the switch, and where the pieces stand in memory, which is not the same in the next run. Larger chunks would have fewer ends; but a chunk arrives in one go, and the step that brings it waits for so many \
             migrations, each of which has a row in `upgrade`.",
        ),
    );
    report.add(
        Row::ratio("the same of a Vec of four Vecs of 1024 states", "ns", &pieces, &direct)
            .beside("what it takes that they stand in pieces, with nothing of hotswap's"),
    );
    report.add(
        Row::ratio("the same of a Vec of 4096 instances", "ns", &instances, &direct).beside(
            "a loop of `Instance::step`: each has a version of its own, and looks at its stamp and at the switch",
        ),
    );
    let [slab, _, _, direct] = batch(NEIGHBOURS);
    report.add(Row::ratio("a step each of a slab of 1024, against a Vec of as many", "ns", &slab, &direct));
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

fn batch(many: usize) -> [Vec<f64>; 4] {
    const ROUNDS: u64 = 10;
    let switch = counter::Switch::new();
    let mut states = vec![V2::default(); many];
    let mut pieces: Vec<_> = states.chunks(NEIGHBOURS).map(<[V2]>::to_vec).collect();
    let mut instances: Vec<_> =
        (0..many).map(|_| switch.instance(V2::default()).expect("it is at the version that runs")).collect();
    let mut together = switch.slab();
    (0..many).for_each(|_| together.push(V2::default()).expect("it is at the version that runs"));
    let times = ROUNDS * u64::try_from(many).expect("a small number");
    let mut slab = || {
        nanoseconds(times, || {
            for _ in 0..ROUNDS {
                black_box(&mut together).step_all(
                    |_| counter::Add(1),
                    |_, answer| {
                        black_box(answer.expect("version 2 adds"));
                    },
                );
            }
        })
    };
    let mut instance = || {
        nanoseconds(times, || {
            for _ in 0..ROUNDS {
                for instance in black_box(&mut instances) {
                    black_box(instance.step(counter::Add(1)).expect("version 2 adds"));
                }
            }
        })
    };
    let mut in_pieces = || {
        nanoseconds(times, || {
            for _ in 0..ROUNDS {
                for piece in black_box(&mut pieces) {
                    for state in piece {
                        black_box(counter::add_counted(state, counter::Add(1)));
                    }
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
    take_turns(TURNS, [&mut slab, &mut instance, &mut in_pieces, &mut direct])
}
