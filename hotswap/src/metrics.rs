//! What a program's metrics tell of its switches, through the [`metrics`](https://docs.rs/metrics) facade: whichever recorder
//! the program has installed.
//!
//! All are labelled with the switch (`switch`).
//!
//! | name | | what |
//! |---|---|---|
//! | `hotswap_current_version` | gauge | the version that runs; of a canary, the one that is tried |
//! | `hotswap_instances` | gauge, by `version` | live instances |
//! | `hotswap_held_back` | gauge | instances that have not arrived, poisoned ones included |
//! | `hotswap_upgrades_total` | counter, by `result` | upgrades: `done`, `held_back` (settled, with some held back), `superseded` (before they settled), `refused`; and what became of them: `promoted`, `committed`, `rolled_back` |
//! | `hotswap_migration_seconds` | histogram | from a flip to where everybody who can be reached had moved, or was held back |
//! | `hotswap_step_seconds` | histogram, by `version` | how long steps took, of a few after every look |
//! | `hotswap_step_failures_total` | counter, by `version` | steps that returned an `Err` |
//! | `hotswap_step_panics_total` | counter, by `version` | steps that panicked |
//!
//! Gauges and counters are set when a command has flipped, when its instances have moved, and by [`refresh`], which is to be
//! called before every scrape. Histograms are told by [`refresh`] alone. A recorder is never called inside a step, nor under a
//! lock of hotswap's.
//!
//! # How steps are timed
//!
//! A step costs no more for it, not one instruction: there is no counter on its short way, and so no `_steps_total`.
//! Instead every [`refresh`] sets the bit that tracing sets as well and that sends steps the long way. Of each switch the
//! next 100 steps are timed, whichever thread they are on, and the one that ends the burst clears the bit again. What they
//! took is told by the next [`refresh`]. So no thread of hotswap's is needed, a switch that nobody steps waits for its next
//! steps, and one that nobody scrapes is never slowed down.
//!
//! # Examples
//!
//! With the counter of the [front page](crate), and whatever recorder there is:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use counter::{Cell, Tick, V1, Version};
//!
//! fn scrape() {
//!     hotswap::metrics::refresh();
//!     // and let the recorder render what it has
//! }
//!
//! let visits = Cell::new(V1 { count: 5 });
//! scrape();
//! visits.step(Tick)?;
//! visits.admin().upgrade(Version::V2, "count ticks too")?;
//! scrape();
//! # Ok(())
//! # }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::machine::Machine;
use crate::registry;
use crate::roster::Shared;
use crate::sync;
use crate::way::contain;

/// The switches that gauges were set for, each with its versions: those of one that is gone go to 0.
static TOLD: Mutex<BTreeMap<String, BTreeSet<u32>>> = Mutex::new(BTreeMap::new());

/// Tells the recorder how every live switch stands, and times the next steps of each. To be called before every scrape, by
/// whoever answers it; calls may overlap. A recorder that panics ends nothing but its own call.
pub fn refresh() {
    let switches = registry::switches();
    let gone: Vec<_> = {
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        let live = |label: &String| switches.iter().any(|switch| switch.label() == label);
        told.extract_if(.., |label, _| !live(label)).collect()
    };
    let _ = contain(|| {
        describe();
        for (label, versions) in gone {
            set("hotswap_current_version", &label, 0);
            set("hotswap_held_back", &label, 0);
            for version in versions {
                set_of(&label, version, 0);
            }
        }
    });
    for switch in switches {
        switch.measure();
    }
}

fn describe() {
    describe_gauge!("hotswap_current_version", "the version that runs");
    describe_gauge!("hotswap_instances", "live instances by version");
    describe_gauge!("hotswap_held_back", "instances that have not arrived");
    describe_counter!("hotswap_upgrades_total", "upgrades by what came of them");
    describe_histogram!("hotswap_migration_seconds", Unit::Seconds, "from a flip to where everybody had moved");
    describe_histogram!("hotswap_step_seconds", Unit::Seconds, "how long sampled steps took");
    describe_counter!("hotswap_step_failures_total", "steps that returned an error");
    describe_counter!("hotswap_step_panics_total", "steps that panicked");
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; nobody has 2^53 instances")]
fn set(name: &'static str, label: &str, value: u64) {
    gauge!(name, "switch" => label.to_owned()).set(value as f64);
}

#[expect(clippy::cast_precision_loss, reason = "as above")]
fn set_of(label: &str, version: u32, live: u64) {
    gauge!("hotswap_instances", "switch" => label.to_owned(), "version" => version.to_string()).set(live as f64);
}

impl<M: Machine> Shared<M> {
    /// Tells how it stands, and what was timed since the last look, and times the next steps.
    pub(crate) fn measure(&self) {
        let (moves, steps) = self.core.meter.take_times();
        self.tell_metrics();
        let label = &self.core.label;
        let _ = contain(|| {
            for took in moves {
                histogram!("hotswap_migration_seconds", "switch" => label.clone()).record(took);
            }
            for (version, took) in steps {
                let version = version.to_string();
                histogram!("hotswap_step_seconds", "switch" => label.clone(), "version" => version).record(took);
            }
        });
        self.core.observe(|| {
            self.core.meter.begin_burst();
            self.observer.any()
        });
    }

    /// Tells how it stands.
    pub(crate) fn tell_metrics(&self) {
        let label = &self.core.label;
        let (release, census) = self.core.look();
        let mut versions: BTreeSet<u32> = self.line.numbers().into_iter().collect();
        versions.extend(census.counts.iter().map(|(count, _)| count.version));
        {
            // a version that an image brought may be gone, and what was told of it is not
            let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
            let told = told.entry(label.clone()).or_default();
            versions.extend(told.iter());
            told.clone_from(&versions);
        }
        let totals = self.core.meter.totals();
        let _ = contain(|| {
            set("hotswap_current_version", label, release.version.into());
            set("hotswap_held_back", label, census.held_back());
            for version in versions {
                set_of(label, version, census.of_version(version));
            }
            for (result, n) in totals.upgrades {
                counter!("hotswap_upgrades_total", "switch" => label.clone(), "result" => result).absolute(n);
            }
            for (version, failures) in totals.failures {
                for (name, n) in ["hotswap_step_failures_total", "hotswap_step_panics_total"].into_iter().zip(failures)
                {
                    counter!(name, "switch" => label.clone(), "version" => version.to_string()).absolute(n);
                }
            }
        });
    }

    /// The same after a flip, or when it has settled; not inside a step, whose locks are none of the recorder's business.
    pub(crate) fn tell_metrics_outside(&self) {
        if !sync::inside() {
            self.tell_metrics();
        }
    }
}
