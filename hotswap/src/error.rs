//! What can be refused while the program runs, one variant for each thing that a caller would do differently.

use std::fmt;

use serde::Serialize;

/// A step that did not run. The input comes back.
pub struct StepError<I> {
    /// The input, untouched.
    pub input: I,
    /// Why it was not taken.
    pub why: Why,
}

/// Why a step did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// The version that the instance runs takes no such input.
    #[error("version {at} does not take this input")]
    Refused {
        /// The version that refused.
        at: u32,
    },
    /// An earlier step or migration of this instance panicked; `replace_state` heals it.
    #[error("an earlier step of this instance panicked")]
    Poisoned,
    /// The call came from inside a step or migration that holds the same cell or shard.
    #[error("called from inside a step that holds the same cell or shard")]
    Reentered,
    /// The fleet has no instance under this key, or the slab none of this index.
    #[error("no instance has this key")]
    NoKey,
    /// The instance that was to be made for this key could not be brought to the version that runs.
    #[error("a new instance could not be brought to the version that runs")]
    NotMade,
}

impl<I> fmt::Debug for StepError<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepError").field("input", &std::any::type_name::<I>()).field("why", &self.why).finish()
    }
}

impl<I> fmt::Display for StepError<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input `{}` was not taken: {}", short_name::<I>(), self.why)
    }
}

impl<I> std::error::Error for StepError<I> {}

/// The last segment of a type's path, generics kept.
fn short_name<I>() -> &'static str {
    let full = std::any::type_name::<I>();
    let generics = full.find('<').unwrap_or(full.len());
    full[..generics].rfind("::").map_or(full, |at| &full[at + 2..])
}

/// A state that could not enter: no way leads from its version to the one that runs, or the way failed.
pub struct EnterError<S> {
    /// The state, as it was given; `None` only when a moving migration panicked and lost it.
    pub state: Option<S>,
    /// The version that it would have had to reach.
    pub to: u32,
    /// Why it could not be made.
    pub why: NotEntered,
}

/// Why a state could not enter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotEntered {
    /// No declared way leads there, or a migration failed or panicked.
    #[error("{0}")]
    Migration(String),
    /// The call came from inside a step or migration that holds the same shard.
    #[error("called from inside a step that holds the same shard")]
    Reentered,
}

impl<S> fmt::Debug for EnterError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnterError").field("to", &self.to).field("why", &self.why).finish_non_exhaustive()
    }
}

impl<S> fmt::Display for EnterError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a state cannot enter at version {}: {}", self.to, self.why)
    }
}

impl<S> std::error::Error for EnterError<S> {}

/// The call came from inside a step or migration that holds the same cell or shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("called from inside a step that holds the same cell or shard")]
pub struct Reentered;

/// A switch that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SwitchError {
    /// Another live switch of the process has this label.
    #[error("a switch labelled `{0}` is live already")]
    LabelTaken(String),
    /// The version to start at is not one of the machine's, or has no steps.
    #[error("{0}")]
    Version(VersionError),
}

/// A number that names no version to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// The machine has no such version.
    #[error("machine `{machine}` has no version {asked}; it has {}", list(.known))]
    Unknown {
        /// The machine's name.
        machine: String,
        /// The number that was asked for.
        asked: u32,
        /// The versions it has.
        known: Vec<u32>,
    },
    /// The number was retired: its code is gone.
    #[error("version {asked} of machine `{machine}` is retired; it has {}", list(.known))]
    Retired {
        /// The machine's name.
        machine: String,
        /// The number that was asked for.
        asked: u32,
        /// The versions it has.
        known: Vec<u32>,
    },
    /// The version has no steps: it can be migrated from, not run.
    #[error("version {asked} of machine `{machine}` has no steps: it can be migrated from, not run")]
    DecodeOnly {
        /// The machine's name.
        machine: String,
        /// The number that was asked for.
        asked: u32,
    },
}

fn list(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// A command that was refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The number names no version to run.
    #[error("{0}")]
    Version(VersionError),
    /// No declared migrations lead from the version that runs to the one asked for.
    #[error("no way from version {from} to version {to} is declared: {missing}")]
    NoWay {
        /// The version that runs.
        from: u32,
        /// The version asked for.
        to: u32,
        /// The neighbours between which a migration is missing.
        missing: String,
    },
    /// It was to roll back by itself, and could not: no declared migrations lead back, and no states are kept that could be
    /// put back instead.
    #[error(
        "no way back from version {from} to version {to}: {missing}; declare it, or begin the probation with `keep_previous`"
    )]
    NoWayBack {
        /// The version from which it would have to go back.
        from: u32,
        /// The permanent version.
        to: u32,
        /// The neighbours between which a migration is missing.
        missing: String,
    },
    /// The command expected another epoch, or another run of the program.
    #[error("{}", stale(*expected, *present))]
    Stale {
        /// The epoch that was expected.
        expected: u64,
        /// The present epoch; commands of an earlier run of the program are stale at every epoch.
        present: u64,
    },
    /// Another command still runs.
    #[error("command `{id}` is still running")]
    Pending {
        /// That command's id.
        id: String,
    },
    /// It was to go on with a command that is not the last one any more.
    #[error("command `{id}` is not the last one: `{last}` is")]
    NotTheLast {
        /// The command's id.
        id: String,
        /// The id of the last one.
        last: String,
    },
    /// The id was used for a command with other parameters.
    #[error("id `{id}` was used before, for another command: {was}")]
    IdReused {
        /// The id.
        id: String,
        /// What it was used for.
        was: String,
    },
    /// The store cannot be written, so what was asked for would not survive a restart.
    #[error("the store cannot be written, and nothing was done: {reason}")]
    NotStored {
        /// What the file system said.
        reason: String,
    },
    /// The switch is not in probation: there is nothing to commit.
    #[error("nothing to commit: version {permanent} is permanent")]
    NothingToCommit {
        /// The permanent version.
        permanent: u32,
    },
    /// The switch is not in probation: there is nothing to roll back.
    #[error("nothing to roll back: version {permanent} is permanent")]
    NothingToRollBack {
        /// The permanent version.
        permanent: u32,
    },
    /// A canary runs. It is ended by a promotion, after which a commit or another upgrade may follow, or by a rollback.
    #[error(
        "a canary runs: version {to} for {percent} percent of the keys, version {before} for the others; promote it, or roll \
         it back, first"
    )]
    CanaryRuns {
        /// Its share in percent.
        percent: u8,
        /// The version at which the others stay.
        before: u32,
        /// The version that is tried.
        to: u32,
    },
    /// No canary runs: there is nothing to promote.
    #[error("nothing to promote: version {version} runs for everybody")]
    NothingToPromote {
        /// The version that runs.
        version: u32,
    },
    /// What a canary was to take is no share.
    #[error("a canary takes 1 to 99 percent of the keys, not {percent}")]
    NotAShare {
        /// What was asked for.
        percent: u8,
    },
    /// Going there loses something, and the loss was not accepted.
    #[error("going to version {to} loses {}; accept the loss to go on", list_losses(.losses))]
    LossNotAccepted {
        /// The version asked for.
        to: u32,
        /// What would be lost.
        losses: Vec<Loss>,
    },
    /// Instances are held back: their migration failed, they carry what a rollback could not undo, or a step panicked.
    ///
    /// A retry helps where the cause was mended, and only there. `replace_state` helps each of them.
    #[error(
        "held back instances: {count}{}; retry those whose cause is mended, replace the state of those that panicked or \
         carry what could not be undone, roll back, or commit and leave them",
        list_names(.named)
    )]
    HeldBack {
        /// How many.
        count: u64,
        /// The first of those that have a name.
        named: Vec<String>,
    },
    /// No reachable instance has this key.
    #[error("no reachable instance is called `{key}`")]
    NoInstance {
        /// The key asked for.
        key: String,
    },
    /// The instance is in use, and the caller is inside a step, where nothing waits.
    #[error("instance `{key}` is in use, and the caller is inside a step, where nothing waits")]
    InUse {
        /// The key asked for.
        key: String,
    },
    /// The function that was to replace the state failed, or gave a state that cannot be used.
    #[error("the state of `{key}` was not replaced: {reason}")]
    NotReplaced {
        /// The key asked for.
        key: String,
        /// Why not.
        reason: String,
    },
    /// Several reachable instances have this key: cells of one name, or keys of several fleets that read the same.
    #[error("{instances} instances are called `{key}`")]
    Ambiguous {
        /// The key asked for.
        key: String,
        /// How many have it.
        instances: u64,
    },
    /// The state could not be rendered, or is lost.
    #[error("the state of `{key}` cannot be shown: {reason}")]
    NotShown {
        /// The key asked for.
        key: String,
        /// Why not.
        reason: String,
    },
}

/// Something that going to another version would lose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// What is lost, in the author's words, or that work since the upgrade is.
    pub what: String,
    /// How many instances take the way that loses it, whether or not each has any of it.
    pub instances: u64,
}

impl Loss {
    /// Counts what so many instances more would lose.
    pub(crate) fn add_to(losses: &mut Vec<Self>, what: &str, instances: u64) {
        match losses.iter_mut().find(|loss| loss.what == what) {
            Some(loss) => loss.instances += instances,
            None => losses.push(Self { what: what.to_owned(), instances }),
        }
    }
}

fn list_losses(losses: &[Loss]) -> String {
    losses.iter().map(|loss| format!("{} (instances: {})", loss.what, loss.instances)).collect::<Vec<_>>().join(", ")
}

fn list_names(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

/// At the epoch that was expected it is another run of the program.
fn stale(expected: u64, present: u64) -> String {
    if expected == present {
        return format!("epoch {expected} was expected of another run of the program: it has been started anew since");
    }
    format!("expected epoch {expected} but the present one is {present}")
}
