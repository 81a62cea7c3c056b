#![doc = include_str!("../../README.md")]

mod admin;
mod cell;
mod control;
mod error;
mod fleet;
mod handle;
mod ledger;
mod lock;
mod machine;
mod observe;
mod options;
mod registry;
mod roster;
mod slot;
mod sweep;
mod switch;
mod sync;
mod way;

#[doc(hidden)]
pub mod __private;

pub use admin::{Admin, Population, Standing, Status, VersionStatus};
pub use cell::Cell;
pub use control::{Audit, Entry, Event, Events, HeldBack, Kind, Outcome};
pub use error::{AdminError, EnterError, Loss, NotEntered, Reentered, StepError, SwitchError, VersionError, Why};
pub use fleet::{Fleet, Key};
pub use handle::{Instance, NotMade, Switch, SwitchBuilder};
#[doc = include_str!("../doc/machine.md")]
pub use hotswap_macros::machine;
pub use ledger::Place;
pub use machine::{Accepts, Edge, How, Identity, Loaded, Machine, NameOf, Stepped, VersionInfo};
pub use observe::Statistics;
pub use options::{CommitOptions, Expect, Plan, PlanFailure, RollbackOptions, UpgradeOptions, Wait};
pub use registry::{Live, machines, switch, switches};
pub use sweep::{Sweeper, Swept};
pub use switch::Phase;
