//! What OTP's `sys` gives: steps traced and counted, while someone wants it. It costs nothing while nobody does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::__private::OutputSerializable;
use crate::canary::Trial;
use crate::error::{StepError, Why};
use crate::switch::Core;
use crate::way::contain;

/// Which of the two is on, and the counts.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    tracing: AtomicBool,
    counting: AtomicBool,
    steps: AtomicU64,
    refused: AtomicU64,
    panicked: AtomicU64,
}

/// Steps counted since statistics were turned on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Whether steps are being counted.
    pub counting: bool,
    /// Steps that gave an output.
    pub steps: u64,
    /// Inputs that came back.
    pub refused: u64,
    /// Steps that panicked.
    pub panicked: u64,
}

impl Observer {
    /// Turns tracing on or off; true while anything is on.
    pub(crate) fn trace(&self, on: bool) -> bool {
        self.tracing.store(on, Ordering::Relaxed);
        self.any()
    }

    /// Turns counting on, from 0, or off; true while anything is on.
    pub(crate) fn count(&self, on: bool) -> bool {
        if on {
            for counter in [&self.steps, &self.refused, &self.panicked] {
                counter.store(0, Ordering::Relaxed);
            }
        }
        self.counting.store(on, Ordering::Relaxed);
        self.any()
    }

    pub(crate) fn any(&self) -> bool {
        self.tracing.load(Ordering::Relaxed) || self.counting.load(Ordering::Relaxed)
    }

    pub(crate) fn statistics(&self) -> Statistics {
        Statistics {
            counting: self.counting.load(Ordering::Relaxed),
            steps: self.steps.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            panicked: self.panicked.load(Ordering::Relaxed),
        }
    }

    /// Watches one step from its input to what comes of it.
    pub(crate) fn see_input<'a>(
        &'a self,
        label: &'a str,
        version: u32,
        input: &'static str,
        value: &impl Serialize,
    ) -> Watch<'a> {
        let traced = self.tracing.load(Ordering::Relaxed);
        if traced {
            tracing::info!(target: "hotswap::trace", switch = label, version, input, value = json(value), "input");
        }
        Watch { observer: self, label, version, input, traced, timing: Timing::default(), over: false }
    }
}

/// Who wants to know how long a step took.
#[derive(Default)]
pub(crate) struct Timing<'a> {
    pub(crate) trial: Option<Trial>,
    pub(crate) sample: Option<Sample<'a>>,
}

/// One of the steps that are timed for metrics.
pub(crate) struct Sample<'a> {
    core: &'a Core,
    observer: &'a Observer,
    version: u32,
    begun: Instant,
    last: bool,
}

impl<'a> Sample<'a> {
    /// Of an instance that runs this version; none if no more are wanted.
    pub(crate) fn begin(core: &'a Core, observer: &'a Observer, version: u32) -> Option<Self> {
        let last = core.meter.takes_one(version)?;
        Some(Self { core, observer, version, begun: Instant::now(), last })
    }

    fn ran(self) {
        self.core.meter.timed(self.version, self.begun.elapsed());
    }
}

impl Drop for Sample<'_> {
    /// The last one ends the burst, whatever came of it; unless another burst has begun.
    fn drop(&mut self) {
        if self.last {
            self.core.observe(|| self.observer.any());
        }
    }
}

/// One observed step. Dropped before it is over, it counts as a panic.
pub(crate) struct Watch<'a> {
    observer: &'a Observer,
    label: &'a str,
    version: u32,
    input: &'static str,
    traced: bool,
    timing: Timing<'a>,
    over: bool,
}

impl<'a> Watch<'a> {
    /// From here on the step takes time.
    pub(crate) fn timed(mut self, timing: Timing<'a>) -> Self {
        self.timing = timing;
        self
    }

    pub(crate) fn answered<O: OutputSerializable, I>(self, result: &Result<O, StepError<I>>) {
        match result {
            Ok(output) => self.output(output.encodable()),
            Err(error) => self.refused(error.why),
        }
    }

    pub(crate) fn output(mut self, value: &impl Serialize) {
        self.ran();
        let observer = self.observer;
        self.end(&observer.steps);
        if self.traced {
            let Self { label, version, input, .. } = &self;
            tracing::info!(target: "hotswap::trace", switch = label, version, input, value = json(value), "output");
        }
    }

    pub(crate) fn refused(mut self, why: Why) {
        let observer = self.observer;
        self.end(&observer.refused);
        if self.traced {
            let Self { label, version, input, .. } = &self;
            tracing::info!(target: "hotswap::trace", switch = label, version, input, %why, "refused");
        }
    }

    /// First of all, for the time is taken here.
    fn ran(&mut self) {
        if let Some(trial) = self.timing.trial.take() {
            trial.ran();
        }
        if let Some(sample) = self.timing.sample.take() {
            sample.ran();
        }
    }

    fn end(&mut self, counter: &AtomicU64) {
        self.over = true;
        if self.observer.counting.load(Ordering::Relaxed) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.ran();
            let observer = self.observer;
            self.end(&observer.panicked);
        }
    }
}

/// A value as JSON; what cannot be written so is said instead.
pub(crate) fn json(value: &impl Serialize) -> String {
    match contain(|| serde_json::to_string(value)) {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => format!("({error})"),
        Err(panic) => format!("({panic})"),
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests {
    use super::*;
    use crate::switch::Lasting;

    #[test]
    fn a_burst_ends_with_its_last_step_whatever_came_of_it_and_a_new_one_takes_its_place() {
        let (core, observer) = (Core::new("t".into(), &Lasting::new(1), Vec::new()), Observer::default());
        let begin = || {
            core.observe(|| {
                core.meter.begin_burst();
                observer.any()
            });
        };
        let step = || Sample::begin(&core, &observer, 1);
        assert!(!core.observed() && step().is_none());
        begin();
        (0..99).for_each(|_| step().expect("one of the burst").ran());
        assert!(core.observed());
        // one that is refused, or panics
        drop(step().expect("the last"));
        assert!(!core.observed() && step().is_none());
        assert_eq!(core.meter.take_times().1.len(), 99);

        begin();
        let slow = step().expect("the first");
        begin();
        (0..100).for_each(|_| step().expect("one of the next burst").ran());
        assert!(!core.observed());
        slow.ran();
        assert_eq!(core.meter.take_times().1.len(), 101);

        // what else observes steps goes on
        core.observe(|| observer.count(true));
        begin();
        (0..100).for_each(|_| step().expect("one of the burst").ran());
        assert!(core.observed());
        core.observe(|| observer.count(false));
        assert!(!core.observed());
    }
}
