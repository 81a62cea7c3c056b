//! What the check of a step costs an instance that one owner has, over the same step on the bare state.

use std::hint::black_box;

use hotswap_benches::report::Row;
use hotswap_benches::turns::{nanoseconds, take_turns};
use hotswap_benches::work::worker;
use hotswap_benches::{Bare, INSTANCES, Kept, Owned, V2, counter, report, round};

const TURNS: usize = 301;
/// How often each instance is stepped in a turn.
const ROUNDS: u32 = 200;
/// How many a batch has: they fit in the second cache. Where several do not, each turn's first round finds them farther away.
const BATCH: usize = 16_384;
/// So many of a slab are stepped in one loop.
const NEIGHBOURS: usize = 4096;

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
            "a step each of a slab of 16,384 instances of one version, against a Vec of the state",
            "ns",
            &slab,
            &direct,
        )
        .at_most(1.02)
        .beside("`Slab::step_all`, each answer looked at; the switch is looked at once for 4,096 of them")
        .limit(
            "A slab stands in chunks, of states as small as these of 4,096, and looks at the switch once for each. Within a chunk it is the loop over a Vec: the last row of these is of a slab that is one. \
             The next row is a Vec of four Vecs, with nothing of hotswap's: what that misses by, a slab does as well.",
        ),
    );
    report.add(
        Row::ratio("the same of a Vec of four Vecs of 4096 states", "ns", &pieces, &direct)
            .beside("what it takes that they stand in pieces, with nothing of hotswap's"),
    );
    report.add(
        Row::ratio("the same of a Vec of 16,384 instances", "ns", &instances, &direct).beside(
            "a loop of `Instance::step`: each has a version of its own, and looks at its stamp and at the switch",
        ),
    );
    let [slab, _, _, direct] = batch(NEIGHBOURS);
    report.add(Row::ratio("a step each of a slab of 4096, against a Vec of as many", "ns", &slab, &direct));
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

/// Each in several places one after the other: where in memory states stand makes one loop slower than the next.
fn batch(many: usize) -> [Vec<f64>; 4] {
    /// No multiple of the contenders: so each has its turn as the first in each place.
    const PLACES: usize = 17;
    const ROUNDS: u64 = 10;
    let switch = counter::Switch::new();
    let instance = || switch.instance(V2::default()).expect("it is at the version that runs");
    let (mut slabs, mut instances, mut pieces, mut states) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PLACES {
        let mut slab = switch.slab();
        (0..many).for_each(|_| slab.push(V2::default()).expect("it is at the version that runs"));
        slabs.push(slab);
        instances.push((0..many).map(|_| instance()).collect::<Vec<_>>());
        states.push(vec![V2::default(); many]);
        pieces.push(states[0].chunks(NEIGHBOURS).map(<[V2]>::to_vec).collect::<Vec<_>>());
    }
    let times = ROUNDS * u64::try_from(many).expect("a small number");
    let slab = |slab: &mut counter::Slab| {
        for _ in 0..ROUNDS {
            black_box(&mut *slab).step_all(
                |_| counter::Add(1),
                |_, answer| {
                    black_box(answer.expect("version 2 adds"));
                },
            );
        }
    };
    let instance = |instances: &mut Vec<counter::Instance>| {
        for _ in 0..ROUNDS {
            for instance in black_box(&mut *instances) {
                black_box(instance.step(counter::Add(1)).expect("version 2 adds"));
            }
        }
    };
    let in_pieces = |pieces: &mut Vec<Vec<V2>>| {
        for _ in 0..ROUNDS {
            for piece in black_box(&mut *pieces) {
                for state in piece {
                    black_box(counter::add_counted(state, counter::Add(1)));
                }
            }
        }
    };
    let direct = |states: &mut Vec<V2>| {
        for _ in 0..ROUNDS {
            for state in black_box(&mut *states) {
                black_box(counter::add_counted(state, counter::Add(1)));
            }
        }
    };
    take_turns(
        TURNS,
        [
            &mut place_by_place(times, slabs, slab),
            &mut place_by_place(times, instances, instance),
            &mut place_by_place(times, pieces, in_pieces),
            &mut place_by_place(times, states, direct),
        ],
    )
}

/// Nanoseconds for each of so many steps, in one place after the other.
fn place_by_place<T>(times: u64, mut places: Vec<T>, run: impl Fn(&mut T)) -> impl FnMut() -> f64 {
    let mut turn = 0;
    move || {
        turn = (turn + 1) % places.len();
        nanoseconds(times, || run(&mut places[turn]))
    }
}
