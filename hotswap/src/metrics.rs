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
//! | `hotswap_steps_per_second` | gauge, by `version` | how many steps there were in a second, as those came that were timed after the last look |
//! | `hotswap_step_failures_total` | counter, by `version` | steps that returned an `Err` |
//! | `hotswap_step_panics_total` | counter, by `version` | steps that panicked |
//!
//! Gauges and counters are set when a command has flipped, when its instances have moved, and by [`refresh`], which is to be
//! called before every scrape. Histograms are told by [`refresh`] alone. A recorder is never called inside a step, nor under a
//! lock of hotswap's.
//!
//! A program that is commanded from outside (feature `remote`) shows them at `GET /metrics`, where it need have no recorder.
//! What was timed is told once: to whoever looks first, that or the program's own recorder.
//!
//! # How steps are timed
//!
//! A step costs no more for it, not one instruction: there is no counter on its short way, and so no `_steps_total`.
//! Instead every [`refresh`] sets the bit that tracing sets as well and that sends steps the long way. Of each switch the
//! next 100 steps are timed, whichever thread they are on, and the one that ends the burst clears the bit again. What they
//! took is told by the next [`refresh`]. So no thread of hotswap's is needed, a switch that nobody steps waits for its next
//! steps, and one that nobody scrapes is never slowed down. How fast those steps came is the rate: of a moment, and not of all
//! the time between two looks.
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

use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

use crate::registry;
use crate::scrape::forget_others;
use crate::way::contain;

/// Tells the recorder how every live switch stands, and times the next steps of each. To be called before every scrape, by
/// whoever answers it; calls may overlap. A recorder that panics ends nothing but its own call.
pub fn refresh() {
    // a recorder that panics has said so
    let _ = contain(describe);
    forget_others(|label| registry::switch(label).is_some());
    for switch in registry::switches() {
        switch.measure();
    }
}

fn describe() {
    describe_gauge!("hotswap_current_version", "the version that runs");
    describe_gauge!("hotswap_instances", "live instances by version");
    describe_gauge!("hotswap_steps_per_second", "steps in a second by version, of a moment after the last look");
    describe_gauge!("hotswap_held_back", "instances that have not arrived");
    describe_counter!("hotswap_upgrades_total", "upgrades by what came of them");
    describe_histogram!("hotswap_migration_seconds", Unit::Seconds, "from a flip to where everybody had moved");
    describe_histogram!("hotswap_step_seconds", Unit::Seconds, "how long sampled steps took");
    describe_counter!("hotswap_step_failures_total", "steps that returned an error");
    describe_counter!("hotswap_step_panics_total", "steps that panicked");
}
