//! Every input is counted once while real threads step, make and drop, and others go up, down and back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use hotswap::{RollbackOptions, UpgradeOptions, Wait};
use hotswap_tests::Ending;
use hotswap_tests::tally::{Add, Get, Seen, Switch, V1};

const KEYS: u64 = 500;

/// How many steps there are at the least, and how many flips among them. In CI about a minute of it; the whole in the long
/// run.
fn amount() -> (u64, u64) {
    let is_set = |name| std::env::var_os(name).is_some();
    if is_set("HOTSWAP_FULL") {
        (100_000_000, 10_000)
    } else if is_set("CI") {
        (60_000_000, 5_000)
    } else {
        (400_000, 10)
    }
}

#[test]
fn scenario_38_every_input_is_counted_once_under_flips_without_end() {
    let switch = Switch::builder().starting_at(1).build().expect("one to run");
    let fleet = switch.fleet::<u64>();
    for key in 0..KEYS {
        fleet.insert(key, V1::default()).expect("enters");
    }
    let cell = switch.cell(V1::default()).expect("enters");
    let over = AtomicBool::new(false);
    let ending = Ending(&over);
    let flips = AtomicU64::new(0);
    let workers = thread::available_parallelism().map_or(2, |cores| cores.get().max(2)) as u64;
    let (all_steps, all_flips) = amount();
    let steps = all_steps.div_ceil(workers);
    let stepped = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|worker| {
                let (fleet, cell, switch, flips) = (fleet.clone(), cell.clone(), switch.clone(), &flips);
                scope.spawn(move || {
                    let mut owned = switch.instance(V1::default()).expect("enters");
                    let mut random = worker + 1;
                    let mut i = 0;
                    // on a busy computer the operators may get few turns: then there is more to do, up to a limit
                    while i < steps || (flips.load(Ordering::Relaxed) < all_flips && i < 50 * steps) {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        fleet.step(&((random >> 33) % KEYS), Add(1)).expect("taken by every version");
                        if i % 16 == 0 {
                            cell.step(Add(1)).expect("taken by every version");
                            owned.step(Add(1)).expect("taken by every version");
                            // taken by some versions only: given back, and not run, by the others
                            let _ = fleet.step(&(i % KEYS), Seen);
                        }
                        if i % 1000 == 0 {
                            drop(switch.cell(V1::default()).expect("enters"));
                        }
                        i += 1;
                    }
                    (i, owned.step(Get).expect("taken"))
                })
            })
            .collect();
        let operators: Vec<_> = (0..2)
            .map(|operator| {
                let (switch, over, flips) = (switch.clone(), &over, &flips);
                scope.spawn(move || {
                    let admin = switch.admin();
                    let mut to = 1 + operator;
                    while !over.load(Ordering::Relaxed) {
                        // up to 3 only: 4 would count twice
                        to = to % 3 + 1;
                        let wait = if to == 2 { Wait::Reached } else { Wait::No };
                        let options = UpgradeOptions::default().accept_loss(true).wait(wait);
                        let done = match to {
                            1 => admin.rollback_with("", &RollbackOptions::default().accept_loss(true).wait(wait)),
                            to => admin.upgrade_with(to, "", &options),
                        };
                        if let Some(outcome) = done.ok().filter(|outcome| outcome.done) {
                            flips.fetch_add(1, Ordering::Relaxed);
                            // as it was answered, and as it stands now
                            for outcome in [Some(outcome.clone()), admin.outcome(&outcome.id)].into_iter().flatten() {
                                let sum = outcome.moved + outcome.held_back + outcome.gone + outcome.not_reached;
                                assert_eq!(sum, outcome.live, "{outcome:?}");
                            }
                        }
                        if to == 3 && operator == 0 {
                            let _ = admin.commit();
                            let _ = admin.upgrade_with(1, "", &options);
                            let _ = admin.commit();
                        }
                    }
                })
            })
            .collect();
        let stepped: Vec<(u64, u64)> = workers.into_iter().map(|worker| worker.join().expect("no panic")).collect();
        drop(ending);
        for operator in operators {
            operator.join().expect("no panic");
        }
        stepped
    });
    let steps: u64 = stepped.iter().map(|(steps, _)| steps).sum();
    let each_16th: u64 = stepped.iter().map(|(steps, _)| steps.div_ceil(16)).sum();
    let in_fleet: u64 = (0..KEYS).map(|key| fleet.step(&key, Get).expect("taken")).sum();
    assert_eq!((in_fleet, cell.step(Get).expect("taken")), (steps, each_16th));
    assert!(stepped.iter().all(|(steps, owned)| *owned == steps.div_ceil(16)), "{stepped:?}");
    assert_eq!(switch.admin().status().live, KEYS + 1);
    assert!(flips.load(Ordering::Relaxed) >= all_flips, "too few flips to show anything: {flips:?}");
    println!("{steps} steps, {flips:?} flips");
}
