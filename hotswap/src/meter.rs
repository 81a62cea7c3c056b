//! The numbers behind a switch's metrics that nothing else keeps: taken down as they come, in cold places only, and told when
//! somebody asks. Without the feature `metrics` there are none.
//!
//! Nobody's code is called here: the recorder hears of them in `scrape.rs`.

#[cfg(feature = "metrics")]
pub(crate) use kept::Meter;
#[cfg(not(feature = "metrics"))]
pub(crate) use none::Meter;

#[cfg(feature = "metrics")]
mod kept {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::{Duration, Instant};

    use crate::canary::Failure;
    use crate::control::Kind;

    /// So many times are kept until somebody asks; later ones are not.
    const KEPT: usize = 1024;
    /// So many steps are timed after each look.
    const BURST: u32 = 100;

    /// What was counted under the labels of switches that are gone: the next of that label goes on from there.
    static GONE: Mutex<BTreeMap<String, Totals>> = Mutex::new(BTreeMap::new());

    /// What rises only.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Totals {
        /// What came of upgrades.
        pub(crate) upgrades: BTreeMap<&'static str, u64>,
        /// By version: steps that returned an `Err`, and steps that panicked.
        pub(crate) failures: BTreeMap<u32, [u64; 2]>,
    }

    #[derive(Debug, Default)]
    struct Numbers {
        totals: Totals,
        /// The last flip, until it has settled.
        flip: Option<(Kind, Instant)>,
        /// From flips to where they had settled.
        moves: Vec<Duration>,
        /// Steps that were timed, with their versions.
        steps: Vec<(u32, Duration)>,
        /// How many more are to be.
        to_time: u32,
        /// Of the burst that they are of: when it began, and when the last step that was taken did.
        burst: Option<[Instant; 2]>,
        /// By version: how many steps of the burst were its. One that had some in an earlier burst has none.
        taken: BTreeMap<u32, u32>,
    }

    /// The numbers of one switch.
    #[derive(Debug)]
    pub(crate) struct Meter {
        label: String,
        numbers: Mutex<Numbers>,
    }

    fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl Meter {
        pub(crate) fn new(label: &str) -> Self {
            let totals = locked(&GONE).remove(label).unwrap_or_default();
            Self { label: label.to_owned(), numbers: Mutex::new(Numbers { totals, ..Numbers::default() }) }
        }

        fn numbers(&self) -> MutexGuard<'_, Numbers> {
            locked(&self.numbers)
        }

        pub(crate) fn failed(&self, version: u32, how: Failure) {
            let mut numbers = self.numbers();
            let [errors, panics] = numbers.totals.failures.entry(version).or_default();
            *if how == Failure::Panic { panics } else { errors } += 1;
        }

        pub(crate) fn refused(&self, kind: Kind) {
            if kind == Kind::Upgrade {
                *self.numbers().totals.upgrades.entry("refused").or_default() += 1;
            }
        }

        /// A flip, of which nobody may be there to move.
        pub(crate) fn flipped(&self, kind: Kind, live: u64) {
            let mut numbers = self.numbers();
            let unsettled = numbers.flip.take();
            // what is tried again goes on as what it was
            let goes_on = unsettled.filter(|_| kind == Kind::Retry);
            numbers.flip = goes_on.or_else(|| Some((kind, Instant::now())));
            let mut count = |result| *numbers.totals.upgrades.entry(result).or_default() += 1;
            if goes_on.is_none() && matches!(unsettled, Some((Kind::Upgrade, _))) {
                count("superseded");
            }
            match kind {
                Kind::Commit => count("committed"),
                Kind::Promote => count("promoted"),
                Kind::Rollback => count("rolled_back"),
                Kind::Start | Kind::Upgrade | Kind::Retry => {}
            }
            drop(numbers);
            if live == 0 {
                self.settled(0);
            }
        }

        /// Everybody who can be reached has been, since the last flip.
        pub(crate) fn settled(&self, held_back: u64) {
            let mut numbers = self.numbers();
            let Some((kind, began)) = numbers.flip.take() else { return };
            if kind == Kind::Upgrade {
                let result = if held_back > 0 { "held_back" } else { "done" };
                *numbers.totals.upgrades.entry(result).or_default() += 1;
            }
            // nobody moves for a commit
            if kind != Kind::Commit && numbers.moves.len() < KEPT {
                numbers.moves.push(began.elapsed());
            }
        }

        /// The next steps are timed, in the place of those that are left of the last burst.
        pub(crate) fn begin_burst(&self) {
            let mut numbers = self.numbers();
            numbers.to_time = BURST;
            numbers.burst = Some([Instant::now(); 2]);
            numbers.taken.values_mut().for_each(|taken| *taken = 0);
        }

        pub(crate) fn times_steps(&self) -> bool {
            self.numbers().to_time > 0
        }

        /// One step less is to be timed; whether there was one, and it was the last.
        pub(crate) fn takes_one(&self, version: u32) -> Option<bool> {
            let mut numbers = self.numbers();
            numbers.to_time = numbers.to_time.checked_sub(1)?;
            *numbers.taken.entry(version).or_default() += 1;
            if let Some([_, last]) = &mut numbers.burst {
                *last = Instant::now();
            }
            Some(numbers.to_time == 0)
        }

        /// Steps a second by version, as those of the burst came; one that is not over has come to nothing more until now.
        pub(crate) fn rates(&self) -> Vec<(u32, f64)> {
            let numbers = self.numbers();
            let Some([began, last]) = numbers.burst else { return Vec::new() };
            let end = if numbers.to_time == 0 { last } else { Instant::now() };
            let seconds = end.saturating_duration_since(began).as_secs_f64().max(1e-9);
            numbers.taken.iter().map(|(version, taken)| (*version, f64::from(*taken) / seconds)).collect()
        }

        pub(crate) fn timed(&self, version: u32, took: Duration) {
            let mut numbers = self.numbers();
            if numbers.steps.len() < KEPT {
                numbers.steps.push((version, took));
            }
        }

        pub(crate) fn totals(&self) -> Totals {
            self.numbers().totals.clone()
        }

        /// The times that nobody has been told yet: of moves, and of steps with their versions.
        pub(crate) fn take_times(&self) -> (Vec<Duration>, Vec<(u32, Duration)>) {
            let mut numbers = self.numbers();
            (std::mem::take(&mut numbers.moves), std::mem::take(&mut numbers.steps))
        }
    }

    impl Drop for Meter {
        fn drop(&mut self) {
            let totals = std::mem::take(&mut self.numbers().totals);
            if !(totals.upgrades.is_empty() && totals.failures.is_empty()) {
                locked(&GONE).insert(std::mem::take(&mut self.label), totals);
            }
        }
    }
}

#[cfg(not(feature = "metrics"))]
#[expect(clippy::unused_self, reason = "it stands in for one that has numbers")]
mod none {
    use std::time::Duration;

    use crate::canary::Failure;
    use crate::control::Kind;

    #[derive(Debug)]
    pub(crate) struct Meter;

    impl Meter {
        pub(crate) fn new(_: &str) -> Self {
            Self
        }
        pub(crate) fn failed(&self, _: u32, _: Failure) {}
        pub(crate) fn refused(&self, _: Kind) {}
        pub(crate) fn flipped(&self, _: Kind, _: u64) {}
        pub(crate) fn settled(&self, _: u64) {}
        pub(crate) fn times_steps(&self) -> bool {
            false
        }
        pub(crate) fn takes_one(&self, _: u32) -> Option<bool> {
            None
        }
        pub(crate) fn timed(&self, _: u32, _: Duration) {}
    }
}
