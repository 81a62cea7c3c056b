//! What a step costs of instances that threads share, one by one or by key, and what they take in memory.

use std::alloc::System;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use dashmap::DashMap;
use hashbrown::DefaultHashBuilder;
use hotswap_benches::counter::{self, Add};
use hotswap_benches::report::{Report, Row};
use hotswap_benches::turns::{exact, in_nanoseconds, nanoseconds, shuffled, take_turns};
use hotswap_benches::wide::line;
use hotswap_benches::{Adds, BareMutex, BareTable, ByKey, Cells, INSTANCES, Kept, Listed, V2, names, report, round};
use parking_lot::Mutex;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

/// Counts what is allocated; a step allocates nothing.
#[global_allocator]
static ALLOCATED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MANY: u32 = 100_000;

fn main() {
    let mut report = report!();
    cells(&mut report);
    fleets(&mut report);
    ahead(&mut report);
    memory(&mut report);
    report.close();
}

// ---- cells

fn cells(report: &mut Report) {
    const LOCK: &str = "the mutex knows of no versions; an `Arc` around each, as a handle has that threads share";
    let [cell, mutex] = compare::<Cells, BareMutex>(INSTANCES, &(0..INSTANCES).collect::<Vec<_>>(), 200);
    let row = Row::ratio("Cell::step, uncontended, against a mutex around the state, 128 cells", "ns", &cell, &mutex);
    report.add(row.at_most(1.1).beside(LOCK).limit(
        "51 instructions against 26, which two profiles below list: the lock's two atomic operations, which take most of the time, are in both, and wait for all that was written before. Besides them a step \
         asks whether its thread holds the cell already, writes that it does and that it is inside, and takes it back; compares stamp and word; and asks which version's the state is. How much of that is hidden is the machine's to say.",
    ));
    let [cell, mutex] = compare::<Cells, BareMutex>(MANY, &(0..MANY).collect::<Vec<_>>(), 1);
    let row = Row::ratio("the same, 100,000 cells in turn", "ns", &cell, &mutex);
    report.add(row.at_most(1.15).beside(LOCK).limit(CROWDED));
    let [cell, mutex] = compare::<Cells, BareMutex>(MANY, &shuffled(MANY), 1);
    let row = Row::ratio("the same, 100,000 cells at random", "ns", &cell, &mutex);
    report.add(row.beside("each is a cache miss, and the cells take four times the memory of the mutexes"));
}

const CROWDED: &str = "A cell begins on a cache line of its own, and its lock, its stamp, its switch and a small state are on that one, and `count` says how often a step of \
     either misses the first cache. The next cell is further away: beside those a cell has a name and the two counts of its `Arc`.";

fn compare<With: Kept, Without: Kept>(instances: u32, order: &[u32], rounds: u32) -> [Vec<f64>; 2] {
    fn turn<K: Kept>(kept: &mut K, order: &[u32], rounds: u32) -> f64 {
        let steps = u64::from(rounds) * u64::try_from(order.len()).expect("it fits");
        nanoseconds(steps, || (0..rounds).for_each(|_| round(kept, order.iter().copied())))
    }
    let (mut with, mut without) = (With::new(instances), Without::new(instances));
    let (one, other) = (names::<With>(order), names::<Without>(order));
    take_turns(301, [&mut || turn(&mut with, &one, rounds), &mut || turn(&mut without, &other, rounds)])
}

// ---- fleets

/// A state of either version as a program without hotswap would write it: the machine's own `AnyState` is not for two threads
/// to look at, for an image may own what is in it.
#[derive(Debug)]
enum Any {
    V1(counter::V1),
    V2(V2),
}

impl Default for Any {
    /// Of version 2, as in a program that learns it from outside.
    fn default() -> Self {
        if black_box(2) == 1 { Self::V1(counter::V1::default()) } else { Self::V2(V2::default()) }
    }
}

impl Adds for Any {
    #[inline]
    fn add(&mut self, input: Add) -> u64 {
        match self {
            Self::V1(state) => counter::add(state, input),
            Self::V2(state) => counter::add_counted(state, input),
        }
    }
}

/// With the eight bytes of a stamp, which each step compares with what all threads look at.
#[derive(Debug, Default)]
struct Stamped {
    state: Any,
    stamp: u64,
}

static WORD: AtomicU64 = AtomicU64::new(0);

impl Adds for Stamped {
    #[inline]
    fn add(&mut self, input: Add) -> u64 {
        assert_eq!(self.stamp, WORD.load(Ordering::Acquire), "nobody writes either");
        self.state.add(input)
    }
}

fn fleets(report: &mut Report) {
    let [fleet, table] = compare::<ByKey, BareTable>(INSTANCES, &(0..INSTANCES).collect::<Vec<_>>(), 200);
    report.add(
        Row::ratio("Fleet::step against a table of the bare state behind 64 mutexes, 128 keys", "ns", &fleet, &table)
            .beside("the table is hashbrown's, hashed once for the mutex and the key; it knows of no versions"),
    );
    let order = names::<ByKey>(&shuffled(MANY));
    let fleet = counter::Switch::new().fleet::<u32>();
    let map: DashMap<u32, Any, DefaultHashBuilder> = DashMap::with_hasher(DefaultHashBuilder::default());
    let sip: DashMap<u32, Any> = DashMap::new();
    for key in names::<ByKey>(&(0..MANY).collect::<Vec<_>>()) {
        fleet.insert(key, V2::default()).expect("it is at the version that runs");
        map.insert(key, Any::default());
        sip.insert(key, Any::default());
    }
    let step_fleet = |keys: &[u32]| {
        for key in keys {
            black_box(fleet.step(key, Add(1)).expect("version 2 adds"));
        }
    };
    let step_map = |keys: &[u32]| {
        for key in keys {
            black_box(map.get_mut(key).expect("every key is there").add(Add(1)));
        }
    };
    let step_sip = |keys: &[u32]| {
        for key in keys {
            black_box(sip.get_mut(key).expect("every key is there").add(Add(1)));
        }
    };
    let steps = u64::from(MANY);
    let [one, other, third] = take_turns(
        301,
        [
            &mut || nanoseconds(steps, || step_fleet(&order)),
            &mut || nanoseconds(steps, || step_map(&order)),
            &mut || nanoseconds(steps, || step_sip(&order)),
        ],
    );
    let what = "Fleet::step, 100,000 keys at random, against dashmap holding AnyState, one thread";
    let row = Row::ratio_of_minima(what, "ns", &one, &other).at_most(1.2);
    let row = row.beside("both hash by hashbrown's default; dashmap's entry is an enum of both versions, matched by hand, that never moves up");
    report.add(row.limit(
        "A sweep and a save go through a list in its order, and so a table has to say where in it a key's state is. The rows of `a list` are such a layout with nothing of hotswap's, behind \
         parking_lot's mutexes: with the bare state, which has 8 bytes fewer than what dashmap holds; with what dashmap holds; and with a stamp beside it. What a Fleet takes besides is its own: a lock that knows its holder, \
         the mark that its thread is inside, the way to the word, a place that may be empty, an input that comes back; `count` has it in instructions and in misses of the first cache. The quickest turns of each row are not of one \
         moment, and by them the lists come to more or less than they do by the medians. States that lie in the table itself would cost the sweep: `upgrade` has a pass over such tables. Keys that are known ahead can be fetched ahead, \
         which has a row.",
    ));
    let row = Row::ratio_of_minima("Fleet::step against dashmap with its own default hasher", "ns", &one, &third);
    report.add(row.beside("SipHash, which withstands chosen keys better"));
    layouts(report, &order, &step_map);
    let [two, other_two, one, other] = take_turns(
        201,
        [
            &mut || on_two_threads(&order, &step_fleet),
            &mut || on_two_threads(&order, &step_map),
            &mut || nanoseconds(steps, || step_fleet(&order)),
            &mut || nanoseconds(steps, || step_map(&order)),
        ],
    );
    let what = "Fleet::step, 100,000 keys at random, against dashmap holding AnyState, two threads";
    report.add(Row::ratio(what, "ns", &two, &other_two).at_most(0.7).limit(
        "It is one thread's ratio, by the medians of these turns, times what the second thread brings to each, which the next two rows tell. A list with a stamp, and nothing else of hotswap's, has its row on two \
         threads as well.",
    ));
    report.add(
        Row::ratio("Fleet::step, two threads against one", "ns", &two, &one).beside("each step's share of the time"),
    );
    report.add(Row::ratio("dashmap, two threads against one", "ns", &other_two, &other).beside("as above"));
}

/// What a fleet's layout costs by itself: in turns of its own, for those above are to find in the caches what they leave there.
fn layouts(report: &mut Report, order: &[u32], step_map: &(impl Fn(&[u32]) + Sync)) {
    let (bare, any, stamped) = (Listed::<V2>::new(MANY), Listed::<Any>::new(MANY), Listed::<Stamped>::new(MANY));
    let (step_bare, step_any, step_stamped) = (step_list(&bare), step_list(&any), step_list(&stamped));
    let steps = u64::from(MANY);
    let [bare, any, stamped, map] = take_turns(
        301,
        [
            &mut || nanoseconds(steps, || step_bare(order)),
            &mut || nanoseconds(steps, || step_any(order)),
            &mut || nanoseconds(steps, || step_stamped(order)),
            &mut || nanoseconds(steps, || step_map(order)),
        ],
    );
    let what = "a list of the bare state behind 64 mutexes, and a table of numbers, against dashmap holding AnyState";
    report.add(Row::ratio_of_minima(what, "ns", &bare, &map).beside("a fleet's layout, with nothing of hotswap's"));
    let what = "a list of what that dashmap holds against dashmap";
    report.add(Row::ratio_of_minima(what, "ns", &any, &map).beside("an enum of both versions, matched by hand"));
    let what = "a list of that and a stamp beside each, which a step compares, against dashmap";
    report.add(Row::ratio_of_minima(what, "ns", &stamped, &map).beside("40 bytes for each key, as in a `Fleet`"));
    let [stamped, map] =
        take_turns(201, [&mut || on_two_threads(order, &step_stamped), &mut || on_two_threads(order, step_map)]);
    report.add(Row::ratio("the same on two threads", "ns", &stamped, &map).beside("as above"));
}

fn step_list<S: Adds>(list: &Listed<S>) -> impl Fn(&[u32]) {
    |keys| {
        for key in keys {
            black_box(list.step(*key, 1));
        }
    }
}

/// Keys that are known ahead, in a fleet that no cache holds.
fn ahead(report: &mut Report) {
    const MILLION: u32 = 1_000_000;
    let fleet = counter::Switch::new().fleet::<u32>();
    for key in 0..MILLION {
        fleet.insert(key, V2::default()).expect("it is at the version that runs");
    }
    let order = shuffled(MILLION);
    let step = |keys: &[u32]| {
        for key in keys {
            black_box(fleet.step(key, Add(1)).expect("version 2 adds"));
        }
    };
    let mut prefetched = || {
        nanoseconds(MILLION.into(), || {
            for keys in order.chunks(16) {
                fleet.prefetch(keys);
                step(keys);
            }
        })
    };
    let [ahead, plain] = take_turns(31, [&mut prefetched, &mut || nanoseconds(MILLION.into(), || step(&order))]);
    let what = "Fleet::step, 1,000,000 keys at random, 16 by 16 after `Fleet::prefetch`, against one by one";
    report.add(Row::ratio(what, "ns", &ahead, &plain).beside("its own time is in it"));
}

/// Nanoseconds a step when two threads go over the keys, each in an order of its own: from when the first begins to when the last ends.
fn on_two_threads(order: &[u32], step: &(impl Fn(&[u32]) + Sync)) -> f64 {
    let barrier = Barrier::new(2);
    let (first, second) = order.split_at(order.len() / 2);
    let times = thread::scope(|scope| {
        let threads = [[first, second], [second, first]].map(|parts| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                let begun = Instant::now();
                parts.into_iter().for_each(step);
                (begun, Instant::now())
            })
        });
        threads.map(|thread| thread.join().expect("no step panics"))
    });
    let begun = times.iter().map(|(begun, _)| *begun).min().expect("there are two");
    let ended = times.iter().map(|(_, ended)| *ended).max().expect("there are two");
    in_nanoseconds(ended - begun) / exact(2 * order.len() as u64)
}

// ---- memory

/// Bytes for each of `many` that what `make` makes holds.
fn bytes<T>(many: u64, make: impl FnOnce() -> T) -> f64 {
    let region = Region::new(ALLOCATED);
    let holds = black_box(make());
    let change = region.change();
    drop(holds);
    exact((change.bytes_allocated - change.bytes_deallocated) as u64) / exact(many)
}

fn memory(report: &mut Report) {
    const MILLION: u64 = 1_000_000;
    // as full as the standard library's map gets before it doubles
    const FULL: u64 = 917_504;
    let switch = line::Switch::new();
    let fleet = |many: u64| {
        bytes(many, || {
            let fleet = switch.fleet::<u64>();
            for key in 0..many {
                fleet.insert(key, line::V2::default()).expect("it is at the version that runs");
            }
            fleet
        })
    };
    let map = |many: u64| {
        bytes(many, || {
            let mut map: HashMap<u64, line::AnyState> = HashMap::new();
            map.extend((0..many).map(|key| (key, line::V2::default().into())));
            map
        })
    };
    let what = "memory of a Fleet<u64> of 1,000,000 states of 64 bytes against a HashMap<u64, AnyState>";
    report.add(Row::ratio(what, "bytes each", &[fleet(MILLION)], &[map(MILLION)]).at_most(1.25).beside(GROWN));
    let what = "the same with 917,504, where the HashMap is as full as it gets";
    report.add(Row::ratio(what, "bytes each", &[fleet(FULL)], &[map(FULL)]).at_most(1.25).beside(GROWN));
    let instances = bytes(MILLION, || -> Vec<line::Instance> {
        (0..MILLION).map(|_| switch.instance(line::V2::default()).expect("it is at the version that runs")).collect()
    });
    let states =
        bytes(MILLION, || -> Vec<line::AnyState> { (0..MILLION).map(|_| line::V2::default().into()).collect() });
    let cells = bytes(MILLION, || -> Vec<line::Cell> {
        (0..MILLION).map(|_| switch.cell(line::V2::default()).expect("it is at the version that runs")).collect()
    });
    let mutexes = bytes(MILLION, || -> Vec<Arc<Mutex<line::AnyState>>> {
        (0..MILLION).map(|_| Arc::new(Mutex::new(line::V2::default().into()))).collect()
    });
    let slab = bytes(MILLION, || {
        let mut slab = switch.slab();
        (0..MILLION).for_each(|_| slab.push(line::V2::default()).expect("it is at the version that runs"));
        slab
    });
    let what = "memory of 1,000,000 cells of 64 bytes against an `Arc` of a mutex of AnyState each";
    let row = Row::ratio(what, "bytes each", &[cells], &[mutexes]);
    report.add(row.beside("a cell begins on a cache line of its own, and stands on the switch's list"));
    let what = "memory of a Vec of 1,000,000 instances of 64 bytes against a Vec of AnyState";
    let row = Row::ratio(what, "bytes each", &[instances], &[states]).at_most(1.15);
    report.add(row.beside(
        "beside its state an instance has a pointer to what it shares with others who have come to the same epoch",
    ));
    let what = "memory of a Slab of as many against that Vec of AnyState";
    report.add(Row::ratio(what, "bytes each", &[slab], &[states]).beside("a state takes what its own type does"));
}

const GROWN: &str = "both grew one by one; bytes asked of the allocator and not given back. A table that doubles is half empty at worst";
