#![doc = include_str!("../../README.md")]
//!
//! # The guide
//!
//! [`docs`] has it, by chapters: [restart or upgrade](docs::restart_or_upgrade), [moving an existing program onto
//! hotswap](docs::migrating), [patterns](docs::patterns), [retiring versions](docs::retiring), [limits](docs::limits),
//! [internals](docs::internals).

mod admin;
mod blocks;
mod canary;
mod cell;
mod command;
mod control;
mod convert;
mod convoy;
mod encoded;
mod error;
mod fault;
mod file;
mod finite;
mod fleet;
mod frame;
mod handle;
mod index;
mod instance;
mod ledger;
#[cfg_attr(not(feature = "load"), allow(dead_code, reason = "images bring versions, and only `load` brings images"))]
mod line;
#[cfg_attr(not(feature = "load"), allow(dead_code, unreachable_pub, reason = "as above"))]
mod loaded;
mod lock;
mod machine;
mod meter;
mod observe;
mod options;
mod post;
mod prefetch;
mod record;
mod registry;
mod room;
mod roster;
mod save;
#[cfg(feature = "metrics")]
mod scrape;
mod slab;
mod slot;
mod store;
mod striped;
mod survey;
mod sweep;
mod switch;
mod sync;
mod undone;
mod way;

#[doc(hidden)]
pub mod __private;
pub mod docs;
#[cfg(any(feature = "load", feature = "image"))]
pub mod load;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(all(feature = "remote", not(target_os = "linux")))]
compile_error!("feature `remote` of hotswap is for Linux only as yet: leave it out for other systems");
#[cfg(feature = "remote")]
pub mod remote;
pub mod snapshot;
#[cfg(feature = "testing")]
pub mod testing;

pub use admin::{Admin, Population, Standing, Status, VersionStatus};
pub use canary::{CanaryReport, CanarySide, Latency};
pub use cell::Cell;
pub use control::{Audit, Entry, Event, Events, HeldBack, Kind, Outcome};
pub use convert::{ConvertError, ConvertOptions, Converted};
pub use encoded::{Encoded, EncodedError, NotEncoded};
pub use error::{AdminError, EnterError, Loss, NotEntered, Reentered, StepError, SwitchError, VersionError, Why};
pub use fleet::{Fleet, Key};
pub use handle::{NotMade, Switch, SwitchBuilder};
#[doc = include_str!("../doc/machine.md")]
pub use hotswap_macros::machine;
pub use instance::Instance;
pub use ledger::Place;
pub use loaded::{Format, Loaded};
pub use machine::{Accepts, Edge, How, Identity, InputInfo, Machine, NameOf, Stepped, VersionInfo};
pub use observe::Statistics;
pub use options::{
    CommitOptions, Expect, Plan, PlanFailure, PromoteOptions, RetryOptions, RollbackOptions, UpgradeOptions, Wait,
};
pub use registry::{Live, machines, switch, switches};
pub use save::{Progress, RestoreError, Restored, SaveError, Saved};
pub use slab::Slab;
pub use store::OpenError;
pub use sweep::{Sweeper, Swept};
pub use switch::Phase;
