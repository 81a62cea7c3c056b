//! Two hundred images come, run and go under load, and nothing of them stays: no memory, no mapping, no descriptor, no thread.
//!
//! One test, alone in its file: what it measures is the process's.

#[path = "two_hundred/process.rs"]
mod process;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};

use hotswap::RollbackOptions;
use hotswap::load::{Images, LetGo};
use hotswap_image_tally::tally::{Add, AnyState, Fleet, Switch, V2, Version};
use hotswap_tests::images::{changed, signed, trusted};

use process::Process;

const CYCLES: usize = 200;
/// So many at the beginning are compared with so many at the end. In the first, what is made once is made: the reaper, the
/// allocator's arenas, the longest that each list gets.
const SOME: usize = 20;
const KEYS: u64 = 8;
/// How many probations that were undone a switch keeps. All its lists are full by then: a new record takes the place of an old.
const RECORDS: u64 = 4096;
/// What may be left of an image in the program: its coming and its going in the audit, which keeps 1,024 lines and was full of
/// shorter ones, and its serial and digest with the trust, which is not to take it twice.
const A_RECORD: usize = 160;
/// What the callers have in their hands when it is looked.
const IN_HAND: usize = 4096;
/// What may be left in the memory of the process: less than a page of each image, of the hundreds that it touched.
const LEFT: usize = 512 << 10;
/// By so many the least number of mappings may differ: an arena of the allocator's grows, or is split.
const ARENAS: usize = 4;

/// Steps instances that no other thread steps, one after the other, and looks at every answer.
#[derive(Default)]
struct Caller {
    enough: AtomicBool,
    /// How often each price was charged: version 2's, and those of the two images.
    charged: [AtomicU64; 3],
}

const PRICES: [i64; 3] = [1, 100, 103];

impl Caller {
    /// The last answer of each instance, and how many it gave.
    fn call(&self, keys: u64, step: impl Fn(u64) -> i64) -> BTreeMap<u64, (i64, u32)> {
        let mut heard: BTreeMap<_, _> = (0..keys).map(|key| (key, (0, 0))).collect();
        while !self.enough.load(Ordering::Relaxed) {
            for (key, (total, answers)) in &mut heard {
                let answer = step(*key);
                let price = PRICES.iter().position(|price| *price == answer - *total);
                let price = price.unwrap_or_else(|| panic!("{answer} after {total}"));
                (*total, *answers) = (answer, *answers + 1);
                self.charged[price].fetch_add(1, Ordering::Relaxed);
            }
        }
        heard
    }

    /// Waits until each instance has been charged this price since.
    fn is_charged<T>(&self, price: usize, keys: u64, thread: &ScopedJoinHandle<'_, T>) {
        let charged = || self.charged[price].load(Ordering::Relaxed);
        let before = charged();
        while charged() < before + keys {
            assert!(!thread.is_finished(), "the caller got a wrong answer, or none");
            thread::yield_now();
        }
    }
}

#[test]
fn two_hundred_images_come_run_and_go_under_load_and_nothing_of_them_stays() {
    process::keep_little_free();
    let (key, trust) = trusted();
    let images = Images::new(trust);
    // without what is for a debugger, which is most of it
    let small = |manifest: &str| format!("{manifest}\n[profile.dev]\nstrip = true\n");
    let built = [
        changed("three-small", small, str::to_owned),
        changed("dearer-small", small, |source| source.replace("cfg!(feature = \"dearer\")", "true")),
    ];
    let switch = Switch::builder().starting_at(Version::V2).build().expect("version 2 runs");
    let admin = switch.admin();
    let state = || V2 { total: 0, label: "till".to_owned(), steps: 0 };
    let cell = switch.cell(state()).expect("it is at the version that runs");
    let accepting = RollbackOptions::default().accept_loss(true);
    let first = images.load_bytes(&signed(&built[0], &key, 1)).expect("it fits").id;
    for _ in 0..RECORDS {
        admin.upgrade(3, "").expect("it is available");
        admin.rollback_with("", &accepting).expect("the loss is accepted");
    }
    assert_eq!(images.unload(&first).expect("nobody uses it"), LetGo::Gone);
    let fleet: Fleet<u64> = switch.fleet();
    for key in 0..KEYS {
        fleet.insert(key, state()).expect("it is new");
    }

    let (by_key, alone) = (Caller::default(), Caller::default());
    let mut held: Vec<Process> = Vec::with_capacity(CYCLES);
    let (by_key, alone) = thread::scope(|scope| {
        let callers = [
            (
                &by_key,
                KEYS,
                scope.spawn(|| by_key.call(KEYS, |key| fleet.step(&key, Add(1)).expect("every version adds"))),
            ),
            (&alone, 1, scope.spawn(|| alone.call(1, |_| cell.step(Add(1)).expect("every version adds")))),
        ];
        let are_charged = |price| {
            for (caller, keys, thread) in &callers {
                caller.is_charged(price, *keys, thread);
            }
        };
        for cycle in 1..=CYCLES {
            let which = cycle % 2;
            let arrived = images.load_bytes(&signed(&built[which], &key, 1 + cycle as u64)).expect("it fits");
            let outcome = admin.upgrade(3, "").expect("it is available");
            assert_eq!((outcome.live, outcome.moved, outcome.held_back), (KEYS + 1, KEYS + 1, 0), "cycle {cycle}");
            are_charged(1 + which);
            let outcome = admin.rollback_with("", &accepting).expect("the loss is accepted");
            assert_eq!((outcome.live, outcome.moved, outcome.held_back), (KEYS + 1, KEYS + 1, 0), "cycle {cycle}");
            are_charged(0);
            assert_eq!(images.unload(&arrived.id).expect("nobody uses it"), LetGo::Gone, "cycle {cycle}");
            let now = Process::now();
            assert_eq!(now.images, 0, "cycle {cycle}");
            held.push(now);
        }
        let mut heard = callers.into_iter().map(|(caller, _, thread)| {
            caller.enough.store(true, Ordering::Relaxed);
            thread.join().expect("every answer was as it should be")
        });
        (heard.next().expect("the fleet's"), heard.next().expect("the cell's"))
    });
    let state_of = |state: &AnyState| match state {
        AnyState::V2(V2 { total, steps, .. }) => (*total, *steps),
        other => panic!("{other:?}"),
    };
    for (key, heard) in &by_key {
        assert_eq!(fleet.inspect(key, state_of).expect("outside"), Some(*heard), "instance {key}");
    }
    assert_eq!(cell.inspect(state_of), Some(alone[&0]));

    let (first, last) = (&held[..SOME], &held[CYCLES - SOME..]);
    let warm = &first[SOME - 1];
    for (cycle, now) in held.iter().enumerate().skip(SOME) {
        let same = |process: &Process| (process.files, process.descriptors, process.threads);
        assert_eq!(same(now), same(warm), "after {cycle} images");
    }
    // the least of some, for what a thread has for a moment is not what stays
    let grown = |of: fn(&Process) -> usize| {
        let least = |some: &[Process]| some.iter().map(of).min().expect("some");
        least(last).saturating_sub(least(first))
    };
    let [heap, resident, mappings] = [grown(|it| it.heap), grown(|it| it.resident), grown(|it| it.mappings)];
    eprintln!("{heap} bytes allocated more, {resident} resident, {mappings} mappings");
    assert!(heap <= CYCLES * A_RECORD + IN_HAND, "{heap} bytes more are allocated");
    assert!(resident <= LEFT, "{resident} bytes more are resident");
    assert!(mappings <= ARENAS, "{mappings} mappings more");
}
