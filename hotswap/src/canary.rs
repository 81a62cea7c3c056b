//! A canary: which keys of a fleet go to another version first, and how both sides do while it runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

/// One step in so many is timed, of each side.
const TIMED: u64 = 8;

/// What an instance drew: a canary of n percent takes the lots below n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lot(u8);

impl Lot {
    /// Of what no canary takes.
    pub(crate) const NEVER: Self = Self(100);

    /// That of a key: the XXH3 of its postcard encoding, by 100. So it is the same in every run of every program, and a
    /// larger share has all keys of a smaller one. Panics if the key's `Serialize` does.
    pub(crate) fn of_key(key: &impl Serialize) -> Self {
        let lot = |bytes: Vec<u8>| u8::try_from(xxh3_64(&bytes) % 100).map_or(Self::NEVER, Self);
        postcard::to_allocvec(key).map_or(Self::NEVER, lot)
    }
}

/// A release that takes a share only.
#[derive(Debug)]
pub(crate) struct Canary {
    pub(crate) percent: u8,
    /// The version before, at which the others stay.
    pub(crate) before: u32,
    /// The version that the share goes to.
    pub(crate) to: u32,
    /// Steps at the one and at the other.
    sides: [Tally; 2],
}

/// How a step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It returned an `Err`.
    Err,
    Panic,
}

impl Canary {
    pub(crate) fn new(percent: u8, before: u32, to: u32) -> Self {
        Self { percent, before, to, sides: [Tally::default(), Tally::default()] }
    }

    pub(crate) fn takes(&self, lot: Lot) -> bool {
        lot.0 < self.percent
    }

    /// The side that runs this version; none for instances that an earlier release could not move.
    fn side(&self, version: u32) -> Option<&Tally> {
        match version {
            version if version == self.before => self.sides.first(),
            version if version == self.to => self.sides.last(),
            _ => None,
        }
    }

    pub(crate) fn failed(&self, version: u32, how: Failure) {
        if let Some(side) = self.side(version) {
            let counter = if how == Failure::Panic { &side.panics } else { &side.failures };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn report(&self, epoch: u64, live_at: impl Fn(u32) -> u64, live: u64) -> CanaryReport {
        let side = |version| {
            let tally = self.side(version).map(Tally::read).unwrap_or_default();
            CanarySide { version, live: live_at(version), ..tally }
        };
        let (before, canary) = (side(self.before), side(self.to));
        let elsewhere = live.saturating_sub(before.live + canary.live);
        CanaryReport { percent: self.percent, epoch, before, canary, elsewhere }
    }
}

/// What the steps of one side came to.
#[derive(Debug, Default)]
struct Tally {
    begun: AtomicU64,
    steps: AtomicU64,
    failures: AtomicU64,
    panics: AtomicU64,
    latency: Histogram,
}

impl Tally {
    fn read(&self) -> CanarySide {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CanarySide {
            version: 0,
            live: 0,
            steps: read(&self.steps),
            failures: read(&self.failures),
            panics: read(&self.panics),
            latency: self.latency.read(),
        }
    }
}

/// One step while a canary runs.
pub(crate) struct Trial {
    canary: Arc<Canary>,
    version: u32,
    begun: Option<Instant>,
}

impl Trial {
    /// Of an instance that runs this version.
    pub(crate) fn begin(canary: &Arc<Canary>, version: u32) -> Option<Self> {
        let turn = canary.side(version)?.begun.fetch_add(1, Ordering::Relaxed);
        let begun = turn.is_multiple_of(TIMED).then(Instant::now);
        Some(Self { canary: Arc::clone(canary), version, begun })
    }

    /// It ran, and gave an output or panicked.
    pub(crate) fn ran(self) {
        let took = self.begun.map(|begun| begun.elapsed());
        if let Some(side) = self.canary.side(self.version) {
            side.steps.fetch_add(1, Ordering::Relaxed);
            if let Some(took) = took {
                side.latency.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            }
        }
    }
}

/// So many buckets has every power of two.
const FINE: u32 = 16;
const FINE_BITS: u32 = FINE.trailing_zeros();

/// How long steps took, by buckets whose width is a sixteenth of what they hold at most: the HDR scheme, with counters that
/// threads share.
#[derive(Debug)]
struct Histogram {
    buckets: Box<[AtomicU64]>,
    longest: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: (0..=bucket_of(u64::MAX)).map(|_| AtomicU64::new(0)).collect(), longest: AtomicU64::new(0) }
    }
}

/// Below `FINE` each number has a bucket of its own.
fn bucket_of(ns: u64) -> usize {
    let coarse = ns.checked_ilog2().unwrap_or(0).saturating_sub(FINE_BITS);
    let fine = ns >> coarse;
    usize::try_from(u64::from(coarse * FINE) + fine).unwrap_or(usize::MAX)
}

/// The most that a bucket holds.
fn most_of(bucket: usize) -> u64 {
    let (fine, bucket) = (u64::from(FINE), bucket as u64);
    if bucket < 2 * fine {
        return bucket;
    }
    let (coarse, fine) = (bucket / fine - 1, bucket % fine + fine);
    (fine << coarse) + ((1 << coarse) - 1)
}

impl Histogram {
    fn record(&self, ns: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(ns)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.longest.fetch_max(ns, Ordering::Relaxed);
    }

    fn read(&self) -> Option<Latency> {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let timed: u64 = counts.iter().sum();
        let max_ns = self.longest.load(Ordering::Relaxed);
        let at = |percent: u64| {
            let nth = (timed * percent).div_ceil(100);
            let mut seen = 0;
            let bucket = counts.iter().position(|n| {
                seen += n;
                seen >= nth
            });
            bucket.map_or(max_ns, most_of).min(max_ns)
        };
        (timed > 0).then(|| Latency { timed, p50_ns: at(50), p99_ns: at(99), max_ns })
    }
}

/// How both sides of a canary do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CanaryReport {
    /// The share of the keys that goes to the version of the canary, in percent.
    pub percent: u8,
    /// The present epoch; a retry makes another one, and the counts go on.
    pub epoch: u64,
    /// Those at the version before: the other keys, cells, and owned instances; and those that could not leave it.
    pub before: CanarySide,
    /// Those at the version of the canary.
    pub canary: CanarySide,
    /// Live instances at other versions: an earlier release could not move them, or nothing has touched them since.
    pub elsewhere: u64,
}

/// One side of a canary. What happened since it began is counted; the times are of one step in eight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CanarySide {
    /// The version that it runs.
    pub version: u32,
    /// Live instances.
    pub live: u64,
    /// Steps that ran, those included that failed or panicked. An input that was refused ran no step.
    pub steps: u64,
    /// Steps that returned an `Err`.
    pub failures: u64,
    /// Steps that panicked.
    pub panics: u64,
    /// How long steps took, once one was timed.
    pub latency: Option<Latency>,
}

/// How long steps took, in nanoseconds. The quantiles are at most a sixteenth too high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// So many steps were timed.
    pub timed: u64,
    /// Half of them took no longer.
    pub p50_ns: u64,
    /// 99 in 100 took no longer.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl fmt::Display for CanaryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} for {} percent of the keys", self.canary.version, self.percent)?;
        for side in [&self.before, &self.canary] {
            let CanarySide { version, live, steps, failures, panics, latency } = side;
            write!(f, "\n  version {version}: {live} live, {steps} steps, {failures} failed, {panics} panicked")?;
            if let Some(Latency { p50_ns, p99_ns, max_ns, .. }) = latency {
                write!(f, ", {p50_ns} ns at p50, {p99_ns} ns at p99, {max_ns} ns at most")?;
            }
        }
        if self.elsewhere > 0 { write!(f, "\n  elsewhere: {} live", self.elsewhere) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_a_bucket_that_is_a_sixteenth_wide_at_most() {
        let edges = (0..64).map(|bit| 1_u64 << bit);
        let numbers = (0..5000).chain(edges.flat_map(|at| [at - 1, at, at | 1, at + at / 3])).chain([u64::MAX]);
        for ns in numbers {
            let bucket = bucket_of(ns);
            let (most, below) = (most_of(bucket), bucket.checked_sub(1).map_or(0, |below| most_of(below) + 1));
            assert!((below..=most).contains(&ns), "{ns} in bucket {bucket}: {below} to {most}");
            assert!(most - ns <= ns / 16, "{ns} is told as {most}");
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read(), None);
        histogram.record(7);
        assert_eq!(histogram.read(), Some(Latency { timed: 1, p50_ns: 7, p99_ns: 7, max_ns: 7 }));
        (0..98).for_each(|_| histogram.record(10));
        histogram.record(1_000_000);
        assert_eq!(histogram.read(), Some(Latency { timed: 100, p50_ns: 10, p99_ns: 10, max_ns: 1_000_000 }));
        histogram.record(1_000_000);
        assert_eq!(histogram.read(), Some(Latency { timed: 101, p50_ns: 10, p99_ns: 1_000_000, max_ns: 1_000_000 }));
    }

    #[test]
    fn a_key_draws_the_same_lot_for_ever() {
        // what released programs drew: another number here would move keys from one side to the other
        let lots = [0, 1, 2, 3, 1_000_000].map(|key: u64| Lot::of_key(&key).0);
        assert_eq!(lots, [83, 15, 27, 1, 12]);
        let lots = ["", "door", "gate", "window"].map(|key| Lot::of_key(&key).0);
        assert_eq!(lots, [83, 80, 92, 65]);
    }

    #[test]
    fn a_larger_share_has_all_keys_of_a_smaller_one_and_no_canary_has_what_is_no_key() {
        let canary = |percent| Canary::new(percent, 1, 2);
        for key in 0..1000_u32 {
            let lot = Lot::of_key(&key);
            let first = (1..=99).find(|percent| canary(*percent).takes(lot)).unwrap_or(100);
            assert!((first..=99).all(|percent| canary(percent).takes(lot)), "key {key}");
        }
        assert!(!canary(99).takes(Lot::NEVER));
    }

    #[test]
    fn a_side_is_told_by_the_version_that_ran() {
        let canary = Arc::new(Canary::new(5, 1, 2));
        for version in [1, 1, 2, 7] {
            if let Some(trial) = Trial::begin(&canary, version) {
                trial.ran();
            }
        }
        canary.failed(2, Failure::Panic);
        canary.failed(1, Failure::Err);
        canary.failed(7, Failure::Err);
        let report = canary.report(9, |version| u64::from(version) * 10, 33);
        let counts = |side: &CanarySide| (side.version, side.live, side.steps, side.failures, side.panics);
        assert_eq!((counts(&report.before), counts(&report.canary)), ((1, 10, 2, 1, 0), (2, 20, 1, 0, 1)));
        assert_eq!((report.percent, report.epoch, report.elsewhere), (5, 9, 3));
        assert_eq!(report.before.latency.map(|latency| latency.timed), Some(1), "the first of every eight");
    }
}
