//! The verbs that speak with a running program, through the API that `hotswap::remote` serves. Each has a file of its own; what
//! they share is where the program is (`at`), how it is spoken to (`client`), and how what it says is shown (`show`, `outcome`).

mod at;
mod audit;
mod client;
mod commit;
pub(crate) mod convert;
mod error;
mod events;
mod images;
mod order;
mod outcome;
mod plan;
mod promote;
mod push;
mod read;
mod retry;
mod rollback;
mod rollout;
pub(crate) mod save;
mod show;
mod state;
mod status;
mod step;
mod token;
mod top;
mod unload;
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
    /// Take everybody to the version of the canary that runs, still on probation
    Promote(promote::Args),
    /// Make the version that runs permanent
    Commit(commit::Args),
    /// Go back to the permanent version
    Rollback(rollback::Args),
    /// Upgrade many programs in waves, and stop or go back where one does not do well
    Rollout(Box<rollout::Args>),
    /// Give an instance one input, and show its output
    Step(step::Args),
    /// Show or replace the state of an instance
    #[command(subcommand)]
    State(state::Verb),
    /// Bring a running program a signed image, whose versions become available there
    Push(push::Args),
    /// List the images of a running program, and who uses them
    Images(images::Args),
    /// Let an image go
    Unload(unload::Args),
    /// Show what was done and what was refused, by whom, from where and why
    Audit(audit::Args),
    /// Print flips and outcomes as they happen
    Events(events::Args),
    /// Watch a program's switches and how far a sweep is, in the terminal
    Top(top::Args),
    /// Make the tokens that programs know their callers by
    #[command(subcommand)]
    Token(token::Verb),
}

/// What the verb is called, and how it went.
pub(crate) fn run(verb: &Verb, as_json: bool) -> (&'static str, Result<Found, Failure>) {
    match verb {
        Verb::Status(args) => ("status", status::run(args)),
        Verb::Versions(args) => ("versions", versions::run(args)),
        Verb::Plan(args) => ("plan", plan::run(args)),
        Verb::Upgrade(args) => ("upgrade", upgrade::run(args)),
        Verb::Retry(args) => ("retry", retry::run(args)),
        Verb::Promote(args) => ("promote", promote::run(args)),
        Verb::Commit(args) => ("commit", commit::run(args)),
        Verb::Rollback(args) => ("rollback", rollback::run(args)),
        Verb::Rollout(args) => ("rollout", rollout::run(args, as_json)),
        Verb::Step(args) => ("step", step::run(args)),
        Verb::State(verb) => (verb.name(), state::run(verb)),
        Verb::Push(args) => ("push", push::run(args)),
        Verb::Images(args) => ("images", images::run(args)),
        Verb::Unload(args) => ("unload", unload::run(args)),
        Verb::Audit(args) => ("audit", audit::run(args)),
        Verb::Top(args) => ("top", top::run(args)),
        Verb::Token(verb) => token::run(verb),
        Verb::Events(args) => ("events", events::run(args, as_json)),
    }
}
