//! A million keys: the flip does not depend on them, the sweep moves every one under load, and the counts are exact. They
//! are saved and restored a block at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hotswap::{Swept, UpgradeOptions, Wait};
use hotswap_tests::Ending;
use hotswap_tests::folder::Folder;
use hotswap_tests::tally::{Add, AnyState, Get, Switch, V1, Version};

const KEYS: u64 = 1_000_000;

/// The memory of this process is that of one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The resident memory of this process, in bytes.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

/// The most that was ever resident, in bytes, since it was last forgotten.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Runs `work` and gives by how much more than before was resident at its worst moment.
fn extra<R>(work: impl FnOnce() -> R) -> (R, Option<u64>) {
    // makes the system forget the peak so far; where it may not, nothing is measured
    let forgotten = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = resident();
    let result = work();
    let extra = before.zip(peak()).map(|(before, peak)| peak.saturating_sub(before));
    (result, extra.filter(|_| forgotten))
}

/// What a block of records, its check and the files' buffers may take.
const BUFFERS: u64 = 8 << 20;

#[test]
fn are_saved_and_restored_without_twice_the_memory() {
    let _alone = ALONE.lock();
    let folder = Folder::new();
    let path = folder.path("fleet");
    let switch = Switch::builder().starting_at(Version::V1).build().expect("one to run");
    let fleet = switch.fleet::<u64>();
    for key in 0..KEYS {
        fleet.insert(key, V1 { sum: key, ..V1::default() }).expect("enters");
    }
    let full = resident();
    let (saved, extra_to_save) = extra(|| fleet.save(&path).expect("a writable folder"));
    assert_eq!((saved.instances, saved.left_out), (KEYS, 0));
    drop((fleet, switch));

    let switch = Switch::builder().starting_at(Version::V2).build().expect("one to run");
    let fleet = switch.fleet::<u64>();
    let (restored, extra_to_restore) = extra(|| fleet.restore(&path).expect("its own file"));
    assert_eq!((restored.instances, restored.moved, restored.held_back), (KEYS, KEYS, 0));
    assert_eq!(fleet.step(&77, Get).expect("serves"), 77);
    if let (Some(full), Some(save), Some(restore)) = (full, extra_to_save, extra_to_restore) {
        println!(
            "{KEYS} instances, {} MiB: {} KiB more to save, {} MiB to restore",
            full >> 20,
            save >> 10,
            restore >> 20
        );
        assert!(save < BUFFERS, "saving took {save} bytes");
        // a table that grows has the old one beside it for a moment
        assert!(restore < full + full / 4, "restoring {full} bytes took {restore}");
    }
}

#[test]
fn are_flipped_at_once_and_swept_under_load() {
    let _alone = ALONE.lock();
    let switch = Switch::builder().starting_at(Version::V1).build().expect("one to run");
    let fleet = switch.fleet::<u64>();
    for key in 0..KEYS {
        fleet.insert(key, V1 { sum: key, ..V1::default() }).expect("enters");
    }
    let before = resident();
    let admin = switch.admin();
    let over = AtomicBool::new(false);
    let ending = Ending(&over);
    let added = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let (mut random, mut added) = (7_u64, 0);
            while !over.load(Ordering::Relaxed) {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                fleet.step(&((random >> 30) % KEYS), Add(1)).expect("taken by both versions");
                added += 1;
            }
            added
        });
        let options = UpgradeOptions::default().wait(Wait::No);
        let flipped = admin.upgrade_with(Version::V2, "", &options).expect("not refused");
        assert!(flipped.not_reached > KEYS / 2, "the flip itself moves nobody: {flipped}");
        let sweeper = switch.sweeper();
        while sweeper.slice(Duration::from_micros(200)) == Swept::More {
            thread::yield_now();
        }
        drop(ending);
        load.join().expect("no panic")
    });
    let outcome = admin.outcomes().pop().expect("one");
    assert_eq!((outcome.live, outcome.moved, outcome.not_reached, outcome.settled), (KEYS, KEYS, 0, true));
    let after = resident();

    let (mut sum, mut at_2) = (0, 0);
    fleet
        .for_each(|_, state| {
            if let AnyState::V2(state) = state {
                at_2 += 1;
                sum += state.sum;
            }
        })
        .expect("outside");
    assert_eq!((at_2, sum), (KEYS, KEYS * (KEYS - 1) / 2 + added));
    if let (Some(before), Some(after)) = (before, after) {
        println!("{KEYS} instances: {} MiB before the upgrade, {} MiB after", before >> 20, after >> 20);
        assert!(after < before + before / 4, "the upgrade took memory and kept it: {before} -> {after} bytes");
    }
}
