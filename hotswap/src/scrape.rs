//! What the recorder of metrics is told of one switch. It is the program's: it is called under no lock of hotswap's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ::metrics::{counter, gauge, histogram};

use crate::machine::Machine;
use crate::roster::Shared;
use crate::sync;
use crate::way::contain;

/// The switches that gauges were set for, each with its versions.
static TOLD: Mutex<BTreeMap<String, BTreeSet<u32>>> = Mutex::new(BTreeMap::new());

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; nobody has 2^53 instances")]
fn set(name: &'static str, label: &str, value: u64) {
    gauge!(name, "switch" => label.to_owned()).set(value as f64);
}

#[expect(clippy::cast_precision_loss, reason = "as above")]
fn set_of(label: &str, version: u32, live: u64) {
    gauge!("hotswap_instances", "switch" => label.to_owned(), "version" => version.to_string()).set(live as f64);
}

fn rate_of(label: &str, version: u32, rate: f64) {
    let version = version.to_string();
    gauge!("hotswap_steps_per_second", "switch" => label.to_owned(), "version" => version).set(rate);
}

/// Of the switches that are gone, what was told goes to 0.
pub(crate) fn forget_others(live: impl Fn(&str) -> bool) {
    let labels: Vec<_> = told().keys().cloned().collect();
    let gone: Vec<_> =
        labels.iter().filter(|label| !live(label)).filter_map(|label| told().remove_entry(label)).collect();
    let _ = contain(|| {
        for (label, versions) in gone {
            set("hotswap_current_version", &label, 0);
            set("hotswap_held_back", &label, 0);
            for version in versions {
                set_of(&label, version, 0);
                rate_of(&label, version, 0.0);
            }
        }
    });
}

fn told() -> MutexGuard<'static, BTreeMap<String, BTreeSet<u32>>> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M: Machine> Shared<M> {
    /// Tells how it stands, and what was timed since the last look, and times the next steps.
    pub(crate) fn measure(&self) {
        let (moves, steps) = self.core.meter.take_times();
        let rates = self.core.meter.rates();
        self.tell_metrics();
        let label = &self.core.label;
        let _ = contain(|| {
            for took in moves {
                histogram!("hotswap_migration_seconds", "switch" => label.clone()).record(took);
            }
            for (version, rate) in rates {
                rate_of(label, version, rate);
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
        // a version that an image brought may be gone, and what was told of it is not
        let mut all = told();
        let before = all.entry(label.clone()).or_default();
        versions.extend(before.iter());
        before.clone_from(&versions);
        drop(all);
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
