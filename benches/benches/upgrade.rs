//! What an upgrade costs: the flip, the sweep, the migrations, and what the steps feel of it.

#[path = "upgrade/open_loop.rs"]
mod open_loop;

use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hashbrown::{DefaultHashBuilder, HashTable};
use hotswap::{Kind, Machine as _, Outcome, Swept, UpgradeOptions, Wait};
use hotswap_benches::by_hand::{Runs, lines_of_a_second_version};
use hotswap_benches::five::{self, heap, plain, way_up};
use hotswap_benches::plot::{self, Labels, Scale, Series};
use hotswap_benches::report::{Report, Row, spread};
use hotswap_benches::turns::{exact, in_nanoseconds, nanoseconds, take_turns};
use hotswap_benches::wide::line::{self, Add, V1};
use hotswap_benches::{INSTANCES, counter, report};

const MILLION: u32 = 1_000_000;

fn main() {
    let mut report = report!();
    flip(&mut report);
    sweep(&mut report);
    open_loop::latency(&mut report);
    by_hand(&mut report);
    fused(&mut report);
    costs(&report);
    report.close();
}

/// A switch at version 1 with a fleet of so many.
fn populated(instances: u32) -> (line::Switch, line::Fleet<u32>) {
    let switch = line::Switch::builder().starting_at(line::Version::V1).build().expect("version 1 can run");
    let fleet = switch.fleet();
    for key in 0..instances {
        fleet.insert(key, V1::default()).expect("it is at the version that runs");
    }
    (switch, fleet)
}

/// Flips to version 2 and moves nobody.
fn flip_only(admin: &line::Admin) -> Outcome {
    let outcome = admin.upgrade_with(2, "bench", &UpgradeOptions::default().wait(Wait::No)).expect("it can go up");
    assert!(outcome.done && outcome.kind == Kind::Upgrade);
    outcome
}

fn back(admin: &line::Admin) {
    assert!(admin.rollback("bench").expect("it can go back").settled);
}

// ---- flip

fn flip(report: &mut Report) {
    // an owned instance is moved by its owner only, so that going back costs no sweep
    let owners = |instances: u32| {
        let switch = line::Switch::builder().starting_at(line::Version::V1).build().expect("version 1 can run");
        let instances: Vec<_> =
            (0..instances).map(|_| switch.instance(V1::default()).expect("it is at the version that runs")).collect();
        (switch.admin(), instances)
    };
    let (one, many) = (owners(1), owners(MILLION));
    let flips = |admin: &line::Admin| {
        let took = nanoseconds(1, || {
            flip_only(admin);
        });
        admin.rollback("bench").expect("it can go back");
        took
    };
    let [with_one, with_many] = take_turns(1001, [&mut || flips(&one.0), &mut || flips(&many.0)]);
    drop((one, many));
    let row = Row::ratio("flip with 1,000,000 instances against one with 1", "ns", &with_many, &with_one);
    report.add(row.at_most(1.1).beside("the whole command without moving anybody: `upgrade_with`, `Wait::No`"));
    let microseconds: Vec<f64> = with_many.iter().map(|took| took / 1e3).collect();
    let row = Row::of("the command with 1,000,000 instances", "µs", &microseconds).at_most(1.0);
    let row =
        row.beside("it also counts who is live, and writes its outcome and the audit, which the steps do not wait for");
    report.add(row.limit(
        "Callgrind counts 5,000 instructions for it where one instance is live, as a profile below lists, 850 of them of the allocator: it leaves behind the release, the outcome and the audit's entry, which share their texts, and what it \
         gives back is a copy. Who waits for a step does not wait for it.",
    ));
    let seen: Vec<f64> = seen_after().iter().map(|took| took / 1e3).collect();
    let row = Row::of("from the command's beginning to the first step of the new version on another core", "µs", &seen);
    report.add(row.beside("the other core steps one instance after the other and looks at the clock each time"));
}

/// Nanoseconds until another thread has stepped at the new version.
fn seen_after() -> Vec<f64> {
    let switch = line::Switch::builder().starting_at(line::Version::V1).build().expect("version 1 can run");
    let mut instance = switch.instance(V1::default()).expect("it is at the version that runs");
    let (admin, over, at) = (switch.admin(), AtomicBool::new(false), AtomicU32::new(1));
    let begin = Instant::now();
    let (flipped, seen) = thread::scope(|scope| {
        let spinning = scope.spawn(|| {
            let (mut seen, mut before) = (Vec::new(), 1);
            while !over.load(Ordering::Relaxed) {
                black_box(instance.step(Add(1)).expect("both versions add"));
                let now = begin.elapsed();
                let version = instance.version();
                if version != before {
                    before = version;
                    at.store(version, Ordering::Release);
                    if version == 2 {
                        seen.push(now);
                    }
                }
            }
            seen
        });
        let mut flipped = Vec::new();
        for _ in 0..501 {
            flipped.push(begin.elapsed());
            flip_only(&admin);
            while at.load(Ordering::Acquire) != 2 {
                thread::yield_now();
            }
            admin.rollback("bench").expect("it can go back");
            while at.load(Ordering::Acquire) != 1 {
                thread::yield_now();
            }
        }
        over.store(true, Ordering::Relaxed);
        (flipped, spinning.join().expect("no step panics"))
    });
    assert_eq!(flipped.len(), seen.len());
    seen.iter().zip(&flipped).map(|(seen, flipped)| in_nanoseconds(seen.saturating_sub(*flipped))).collect()
}

// ---- sweep

/// Nanoseconds an instance for so many threads to sweep them.
fn swept_by(threads: usize, switch: &line::Switch, instances: u32) -> f64 {
    let admin = switch.admin();
    let outcome = flip_only(&admin);
    let took = nanoseconds(u64::from(instances), || {
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| sweep_to_the_end(switch));
            }
            sweep_to_the_end(switch);
        });
    });
    let outcome = admin.outcome(&outcome.id).expect("it is among the last");
    assert_eq!((outcome.settled, outcome.moved), (true, u64::from(instances)));
    back(&admin);
    took
}

fn sweep_to_the_end(switch: &line::Switch) {
    let sweeper = switch.sweeper();
    while sweeper.slice(Duration::from_micros(100)) == Swept::More {}
}

/// Reads and writes each word of each state.
fn pass(states: &mut [V1]) -> f64 {
    nanoseconds(states.len() as u64, || {
        for state in black_box(&mut *states) {
            state.count += 1;
            state.legacy += 1;
            state.words.iter_mut().for_each(|word| *word += 1);
        }
    })
}

fn sweep(report: &mut Report) {
    let (switch, fleet) = populated(MILLION);
    let mut states = vec![V1::default(); MILLION as usize];
    let mut places = vec![[0_u64; 11]; MILLION as usize];
    let mut others = places.clone();
    let [one, two, pass, wide, wide_by_two] = take_turns(
        21,
        [
            &mut || swept_by(1, &switch, MILLION),
            &mut || swept_by(2, &switch, MILLION),
            &mut || pass(&mut states),
            &mut || pass_by(1, &mut places),
            &mut || pass_by(2, &mut others),
        ],
    );
    drop((fleet, places, others));
    let what = "sweep of 1,000,000 states of 64 bytes on one thread against one pass that reads and writes them";
    let row = Row::ratio(what, "ns each", &one, &pass).at_most(1.5);
    report.add(row.beside("the pass goes over a bare Vec of the states").limit(
        "The pass goes over 64 bytes a state, the sweep over the 88 that a place of the fleet has, with its key, its stamp and which version's the state is: a bare pass over so many takes 1.3 \
         to 1.4 times as long, and the row after the next is the sweep against one. What is left is the sweep's own work: it looks who stands there and at what, runs the migration, writes stamp and version, and looks at the clock, so that no \
         step waits for more than a turn.",
    ));
    report.add(Row::ratio("the same sweep, two threads against one", "ns each", &two, &one).at_most(0.6).limit(
        "One thread alone is bound by memory, and two share it: the row after the next is what that gives two threads that do nothing but pass over as many bytes, which is not the same from one run to the next. Where they hold it and the sweep does not, \
         the rest is the sweep's own.",
    ));
    let what = "the same sweep, one thread, against one pass over as many bytes as a place of the fleet has";
    report.add(Row::ratio(what, "ns each", &one, &wide).beside("88 bytes each"));
    let what = "such a pass, two threads against one";
    report.add(Row::ratio(what, "ns each", &wide_by_two, &wide).beside("half of them each"));
    in_other_places(report, &mut states);
}

/// What it comes to where the instances stand otherwise than in a fleet.
fn in_other_places(report: &mut Report, states: &mut [V1]) {
    let switch = line::Switch::builder().starting_at(line::Version::V1).build().expect("version 1 can run");
    let (admin, mut slab, mut tables) = (switch.admin(), switch.slab(), tables(MILLION));
    for _ in 0..MILLION {
        slab.push(V1::default()).expect("it is at the version that runs");
    }
    let [pass, hashed, arrived] = take_turns(
        21,
        [&mut || pass(states), &mut || pass_over_tables(&mut tables), &mut || arrived(&admin, &mut slab)],
    );
    let what = "a pass over as many entries of hash tables against one pass that reads and writes the states";
    let beside = "what a sweep could come to if a fleet's table held its instances, as dashmap's does: 88 bytes each in 64 tables of hashbrown's";
    report.add(Row::ratio(what, "ns each", &hashed, &pass).beside(beside));
    let what = "a slab of 1,000,000 states of 64 bytes that arrives, against one pass that reads and writes them";
    let beside =
        "`Slab::refresh`; when it is stepped, 2,048 neighbours arrive in one go, and their owner waits for so many";
    report.add(Row::ratio(what, "ns each", &arrived, &pass).beside(beside));
}

/// Nanoseconds an instance for a slab to come to another version.
fn arrived(admin: &line::Admin, slab: &mut line::Slab) -> f64 {
    flip_only(admin);
    let took = nanoseconds(slab.len() as u64, || slab.refresh());
    admin.rollback("bench").expect("it can go back");
    slab.refresh();
    assert_eq!((admin.status().not_reached, slab.apart()), (0, 0));
    took
}

/// Reads and writes each word of each place, so many threads a share each.
fn pass_by(threads: usize, places: &mut [[u64; 11]]) -> f64 {
    let (many, share) = (places.len() as u64, places.len().div_ceil(threads));
    nanoseconds(many, || {
        thread::scope(|scope| {
            let mut shares = places.chunks_mut(share);
            let own = shares.next();
            for share in shares {
                scope.spawn(|| pass_over(share));
            }
            own.map(pass_over);
        });
    })
}

fn pass_over(places: &mut [[u64; 11]]) {
    for word in black_box(places).as_flattened_mut() {
        *word += 1;
    }
}

/// As many entries as a fleet has places, of as many bytes, where a table of hashes puts them.
fn tables(many: u32) -> Vec<HashTable<[u64; 11]>> {
    let hasher = DefaultHashBuilder::default();
    let hash_of = |place: &[u64; 11]| hasher.hash_one(place[0]);
    let mut tables: Vec<_> = (0..64).map(|_| HashTable::new()).collect();
    for key in 0..u64::from(many) {
        let place = [key; 11];
        let hash = hash_of(&place);
        tables[(hash >> 40) as usize % 64].insert_unique(hash, place, hash_of);
    }
    tables
}

/// Reads and writes each word of each entry but its key.
fn pass_over_tables(tables: &mut [HashTable<[u64; 11]>]) -> f64 {
    let many = tables.iter().map(HashTable::len).sum::<usize>() as u64;
    nanoseconds(many, || {
        for place in black_box(tables).iter_mut().flat_map(HashTable::iter_mut) {
            place[1..].iter_mut().for_each(|word| *word += 1);
        }
    })
}

// ---- by hand

const BY_HAND: &str = "benches/src/by_hand.rs: it checks nothing, counts nobody, and holds nobody back";

fn by_hand(report: &mut Report) {
    let switch = counter::Switch::builder().starting_at(counter::Version::V1).build().expect("version 1 can run");
    let admin = switch.admin();
    let runs = Runs::new();
    let cells: Vec<_> =
        (0..INSTANCES).map(|_| switch.cell(counter::V1::default()).expect("it is at the version that runs")).collect();
    let shared: Vec<_> = (0..INSTANCES).map(|_| runs.shared()).collect();
    let steps = u64::from(INSTANCES) * 100;
    let [cell, hand] = take_turns(
        301,
        [
            &mut || {
                nanoseconds(steps, || {
                    for cell in (0..100).flat_map(|_| black_box(&cells)) {
                        black_box(cell.step(black_box(counter::Add(1))).expect("both versions add"));
                    }
                })
            },
            &mut || {
                nanoseconds(steps, || {
                    for shared in (0..100).flat_map(|_| black_box(&shared)) {
                        black_box(shared.add(black_box(1)));
                    }
                })
            },
        ],
    );
    let what = "Cell::step against an enum by hand in a mutex behind ArcSwap, 128 of each";
    report.add(Row::ratio(what, "ns", &cell, &hand).at_most(1.0).beside(BY_HAND));
    let options = UpgradeOptions::default().wait(Wait::No);
    let [flip, hand] = take_turns(
        1001,
        [
            &mut || {
                let took = nanoseconds(1, || {
                    black_box(admin.upgrade_with(2, "bench", &options).expect("it can go up"));
                });
                admin.rollback("bench").expect("it can go back");
                took
            },
            &mut || {
                let took = nanoseconds(1, || runs.flip(2));
                runs.flip(1);
                took
            },
        ],
    );
    let what = "the command that flips, against the store by hand";
    let row = Row::ratio(what, "ns", &flip, &hand).at_most(1.0);
    let row = row.beside("the store by hand tells nobody what runs, who moved, or who ordered it");
    report.add(row.limit(
        "The store by hand is one allocation and a swap. The command also counts who is live in one instant, under eight locks, closes the last outcome and opens its own, and \
         writes the audit: 5,000 instructions, which a profile below lists. Among them is such a store, as `arc_swap` there says: with anything besides, it cannot take less. No step waits for it.",
    ));
    let [by_hand, hotswap] = lines_of_a_second_version().map(|lines| exact(lines as u64));
    let row = Row::ratio("lines a user writes for a second version", "lines", &[hotswap], &[by_hand]);
    report.add(row.at_most(0.99).beside("comments and empty lines not counted; the way down included in both"));
}

// ---- migrations

fn fused(report: &mut Report) {
    let (states, way) = (plain::V1 { a: 1, rest: [2, 3, 4] }, way_up::<plain::Machine>());
    let [fused, hand, edges] = migrations(
        || plain::AnyState::V1(states.clone()),
        || five::Plain::V1(states.clone()),
        |slot| plain::Machine::fused(slot).expect("nothing in it fails"),
        five::Plain::up,
        |slot| way.iter().for_each(|run| run(slot)),
    );
    fused_rows(report, "a state without heap", 20.0, &fused, &hand, &edges);
    calls_alone(report);
    let way = way_up::<heap::Machine>();
    let states = heap::V1 { a: 1, name: "a name that is on the heap".to_owned(), list: vec!["a line".to_owned()] };
    let [fused, hand, edges] = migrations(
        || heap::AnyState::V1(states.clone()),
        || five::Heap::V1(states.clone()),
        |slot| heap::Machine::fused(slot).expect("nothing in it fails"),
        five::Heap::up,
        |slot| way.iter().for_each(|run| run(slot)),
    );
    fused_rows(report, "a state with heap", 3.0, &fused, &hand, &edges);
}

fn fused_rows(report: &mut Report, state: &str, target: f64, fused: &[f64], hand: &[f64], edges: &[f64]) {
    let what = format!("migration 1 -> 5 one by one against the fused one, {state}");
    report.add(Row::ratio(&what, "ns each", edges, fused).at_least(target).beside(
        "one by one: the machine's own migrations, found beforehand, each by its pointer; 512 states, in cache",
    ).limit(
        "Each of the four runs where the state stands: of a state without heap they come to the 71 instructions of a profile below, the call of each among them. The fused way is the 43 of another then. For twenty times it would have to \
         be done in a cycle or two of the clock, or one by one would have to be made slower. Other rows are of a loop by hand, which the compiler makes one piece of, and of calls that only look at a version, and write it and a number: a state without heap comes to hardly more.",
    ));
    let what = format!("an enum by hand that goes up in a loop against the fused one, {state}");
    report.add(
        Row::ratio(&what, "ns each", hand, fused).beside("benches/src/five.rs; the compiler makes one piece of it"),
    );
}

/// A version and its numbers, with nothing around them.
type Place = (u64, [u64; 8]);

/// What there is of both ways by itself: a version that is looked at and written, and the numbers that it adds.
fn calls_alone(report: &mut Report) {
    fn add<const TO: usize>(place: &mut Place) {
        if place.0 + 1 == TO as u64 {
            place.0 = TO as u64;
            place.1[TO + 2] = TO as u64;
        }
    }
    fn add_all(place: &mut Place) {
        if place.0 == 1 {
            place.0 = 5;
            place.1[4..].copy_from_slice(&[2, 3, 4, 5]);
        }
    }
    let one_by_one: Vec<fn(&mut Place)> = black_box(vec![add::<2>, add::<3>, add::<4>, add::<5>]);
    let [one_by_one, at_once] = take_turns(
        501,
        [&mut || went_up(|place| one_by_one.iter().for_each(|add| add(place))), &mut || went_up(add_all)],
    );
    let what = "four calls by pointer that write a version and a number each, against writing all of it at once";
    let beside = "a place of nine numbers, where it stands; nobody's migration runs";
    report.add(Row::ratio(what, "ns each", &one_by_one, &at_once).beside(beside));
}

/// Nanoseconds for a place to get what version 5 has more than version 1.
fn went_up(up: impl Fn(&mut Place)) -> f64 {
    const PLACES: usize = 512;
    let mut places = vec![(1, [1, 2, 3, 4, 0, 0, 0, 0]); PLACES];
    let took = nanoseconds(PLACES as u64, || black_box(&mut places).iter_mut().for_each(up));
    assert!(places.iter().all(|place| *place == (5, [1, 2, 3, 4, 2, 3, 4, 5])));
    took
}

/// Nanoseconds for a state to go from version 1 to 5: fused, by hand, and by the migrations in turn.
fn migrations<S, H>(
    state: impl Fn() -> S,
    by_hand: impl Fn() -> H,
    fused: impl Fn(&mut Option<S>),
    up: impl Fn(H) -> H,
    edges: impl Fn(&mut Option<S>),
) -> [Vec<f64>; 3] {
    const STATES: u64 = 512;
    let slots = || -> Vec<Option<S>> { (0..STATES).map(|_| Some(state())).collect() };
    take_turns(
        501,
        [
            &mut || {
                let mut slots = slots();
                nanoseconds(STATES, || black_box(&mut slots).iter_mut().for_each(&fused))
            },
            &mut || {
                let mut states: Vec<Option<H>> = (0..STATES).map(|_| Some(by_hand())).collect();
                nanoseconds(STATES, || {
                    for slot in black_box(&mut states) {
                        *slot = slot.take().map(&up);
                    }
                })
            },
            &mut || {
                let mut slots = slots();
                nanoseconds(STATES, || black_box(&mut slots).iter_mut().for_each(&edges))
            },
        ],
    )
}

// ---- how costs grow

/// Plots of what a flip and a sweep cost by number of instances.
fn costs(report: &Report) {
    let (mut flips, mut sweeps) = (Vec::new(), Vec::new());
    for instances in [1, 10, 100, 1000, 10_000, 100_000, MILLION] {
        let (switch, fleet) = populated(instances);
        let admin = switch.admin();
        let [flip, sweep] = take_turns(
            11,
            [
                &mut || {
                    let took = nanoseconds(1, || {
                        flip_only(&admin);
                    });
                    back(&admin);
                    took
                },
                &mut || swept_by(1, &switch, instances) * f64::from(instances),
            ],
        );
        drop(fleet);
        flips.push((f64::from(instances), spread(&flip)[1] / 1e3));
        sweeps.push((f64::from(instances), spread(&sweep)[1] / 1e3));
    }
    let labels = Labels { title: "An upgrade by number of instances of 64 bytes", x: "instances", y: "µs" };
    let series = [("flip", flips), ("sweep on one thread", sweeps)];
    let series = series.map(|(name, points)| Series { name: name.to_owned(), points });
    plot::draw(&report.plot("instances"), labels, Scale::Logarithmic, &series);
}
