//! The verbs that speak with a running program, through the API that `hotswap::remote` serves. Each has a file of its own; what
//! they share is where the program is (`at`), how it is spoken to (`client`), and how what it says is shown (`show`, `outcome`).

mod at;
mod client;
mod commit;
mod error;
mod order;
mod outcome;
mod plan;
mod retry;
mod rollback;
mod show;
mod status;
mod upgrade;
mod versions;

use clap::Subcommand;

pub(crate) use self::error::RemoteError;
use crate::report::{Failure, Found};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show what a running program's switches run, and who lives on them
    Status(status::Args),
    /// List the versions of a switch: which is permanent, current, old or available, and the image that brought it
    Versions(versions::Args),
    /// Try every migration without installing anything, and say what an upgrade would do
    Plan(plan::Args),
    /// Switch to another version, on probation
    Upgrade(upgrade::Args),
    /// Try the held back instances of a command again
    Retry(retry::Args),
    /// Make the version that runs permanent
    Commit(commit::Args),
    /// Go back to the permanent version
    Rollback(rollback::Args),
}

/// What the verb is called, and how it went.
pub(crate) fn run(verb: &Verb) -> (&'static str, Result<Found, Failure>) {
    match verb {
        Verb::Status(args) => ("status", status::run(args)),
        Verb::Versions(args) => ("versions", versions::run(args)),
        Verb::Plan(args) => ("plan", plan::run(args)),
        Verb::Upgrade(args) => ("upgrade", upgrade::run(args)),
        Verb::Retry(args) => ("retry", retry::run(args)),
        Verb::Commit(args) => ("commit", commit::run(args)),
        Verb::Rollback(args) => ("rollback", rollback::run(args)),
    }
}
