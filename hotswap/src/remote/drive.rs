//! Any live switch, driven by people who lack its types: versions by number, states and inputs as JSON.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::wire::{Place, Since, State, SwitchView};
use crate::admin::{Admin, Status, VersionStatus};
use crate::control::{Audit, Outcome, Tell};
use crate::convert::{ConvertError, ConvertOptions, Converted};
use crate::encoded::{Encoded, EncodedError};
use crate::error::AdminError;
use crate::ledger::{Count, POISONED, epoch_of, is_held};
use crate::machine::Machine;
use crate::options::{CommitOptions, Expect, Plan, PromoteOptions, RetryOptions, RollbackOptions, UpgradeOptions};
use crate::save::{RestoreError, SaveError, Saved};
use crate::snapshot::SnapshotError::OtherKeys;
use crate::way::{contain, text_of};

/// Hears of a command as soon as it cannot be refused any more.
pub(super) type Begun<'a> = &'a dyn Fn(&Outcome);

/// Who drives, and the release that they expect to find.
#[derive(Debug, Clone, Default)]
pub struct Asking {
    /// Who asks and from where, for the audit.
    pub by: String,
    /// Any release, if none is given.
    pub expect: Option<Expect>,
}

/// A live switch, as it is driven from outside.
pub trait Drive: Send + Sync {
    /// The run of the program and the present epoch.
    fn release(&self) -> (u64, u64);
    /// What it runs, who lives on it, and who is named. It waits for no instance.
    fn view(&self) -> SwitchView;
    /// Every version and where it stands.
    fn versions(&self) -> Vec<VersionStatus>;
    /// What an upgrade would do.
    fn plan(&self, to: u32) -> Result<Plan, AdminError>;
    /// To another version.
    fn upgrade(&self, to: u32, why: &str, on: &UpgradeOptions, begun: Begun<'_>) -> Result<Outcome, AdminError>;
    /// Everybody to the version of the canary.
    fn promote(&self, why: &str, on: &PromoteOptions, begun: Begun<'_>) -> Result<Outcome, AdminError>;
    /// The version that runs becomes permanent.
    fn commit(&self, why: &str, on: &CommitOptions, begun: Begun<'_>) -> Result<Outcome, AdminError>;
    /// Back to the permanent version.
    fn rollback(&self, why: &str, on: &RollbackOptions, begun: Begun<'_>) -> Result<Outcome, AdminError>;
    /// The held back are tried again.
    fn retry(&self, why: &str, on: &RetryOptions, begun: Begun<'_>) -> Result<Outcome, AdminError>;
    /// What came of a command.
    fn outcome(&self, id: &str) -> Option<Outcome>;
    /// What came of the last commands.
    fn outcomes(&self) -> Vec<Outcome>;
    /// The last changes and refusals.
    fn audit(&self) -> Audit;
    /// The state of an instance.
    fn state(&self, key: &str) -> Result<State, AdminError>;
    /// Gives an instance another state.
    fn put_state(&self, key: &str, state: State, asking: &Asking) -> Result<State, AdminError>;
    /// Runs one step of an instance.
    fn step(&self, key: &str, input: Encoded, asking: &Asking) -> Result<Encoded, NotStepped>;
    /// Saves every fleet, the first to this file, the others to files beside it.
    fn save(&self, to: &Path, asking: &Asking) -> Result<Vec<(PathBuf, Saved)>, NotSaved>;
    /// Writes a file of a fleet anew, at another version.
    fn convert(
        &self,
        from: &Path,
        to: u32,
        out: &Path,
        on: &ConvertOptions,
        asking: &Asking,
    ) -> Result<Converted, NotSaved>;
    /// Tells of flips and outcomes from now on.
    fn tell_to(&self, tell: Tell);
}

/// Why a step did not run, or gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotStepped {
    /// The instance was not reached, or the release is another one.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// It was not taken, or its output is lost.
    #[error(transparent)]
    Encoded(#[from] EncodedError),
    /// It panicked, and the instance is poisoned.
    #[error("the step panicked, and the instance takes no input until its state is replaced: {0}")]
    Panicked(String),
}

/// Why nothing was saved, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum NotSaved {
    /// The release is another one.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The switch has no fleet.
    #[error("the switch has no fleet, and only fleets can be saved")]
    NoFleet,
    /// A fleet was not saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// A file was not converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

impl<M: Machine> Drive for Admin<M> {
    fn release(&self) -> (u64, u64) {
        let core = &self.shared().core;
        (core.boot, core.epoch())
    }

    fn view(&self) -> SwitchView {
        let shared = self.shared();
        // no flip comes between what is counted and who is named
        let control = shared.core.control();
        let (release, census) = shared.core.look();
        let status = Status::at(shared, &release, &census);
        let mut since: Vec<Since> = Vec::new();
        for (count, live) in &census.counts {
            let &Count { place, version, stamp } = count;
            let (place, epoch) = (Place::from(place), epoch_of(stamp));
            let at = since.iter().position(|at| (at.version, at.place, at.epoch) == (version, place, epoch));
            let at = at.unwrap_or_else(|| {
                let since_ms = control.began(epoch);
                since.push(Since { version, place, epoch, since_ms, live: 0, held_back: 0, poisoned: 0 });
                since.len() - 1
            });
            let poisoned = stamp & POISONED != 0;
            since[at].live += live;
            since[at].poisoned += if poisoned { *live } else { 0 };
            since[at].held_back += if poisoned || is_held(stamp, census.epoch) { *live } else { 0 };
        }
        let held = control.held().to_vec();
        let pending = control.pending().map(ToString::to_string);
        drop(control);
        since.sort_by_key(|at| (std::cmp::Reverse(at.epoch), at.version));
        let held = held.into_iter().map(Into::into).collect();
        let canary = release
            .canary
            .as_ref()
            .map(|it| it.report(release.epoch, |version| census.of_version(version), census.live()).into());
        SwitchView { status: status.into(), held, pending, since, canary }
    }

    fn versions(&self) -> Vec<VersionStatus> {
        self.versions()
    }

    fn plan(&self, to: u32) -> Result<Plan, AdminError> {
        self.plan(to)
    }

    fn upgrade(&self, to: u32, why: &str, on: &UpgradeOptions, begun: Begun<'_>) -> Result<Outcome, AdminError> {
        self.upgrade_telling(to, why, on, begun)
    }

    fn promote(&self, why: &str, on: &PromoteOptions, begun: Begun<'_>) -> Result<Outcome, AdminError> {
        self.promote_telling(why, on, begun)
    }

    fn commit(&self, why: &str, on: &CommitOptions, begun: Begun<'_>) -> Result<Outcome, AdminError> {
        self.commit_telling(why, on, begun)
    }

    fn rollback(&self, why: &str, on: &RollbackOptions, begun: Begun<'_>) -> Result<Outcome, AdminError> {
        self.rollback_telling(why, on, begun)
    }

    fn retry(&self, why: &str, on: &RetryOptions, begun: Begun<'_>) -> Result<Outcome, AdminError> {
        self.retry_telling(why, on, begun)
    }

    fn outcome(&self, id: &str) -> Option<Outcome> {
        self.outcome(id)
    }

    fn outcomes(&self) -> Vec<Outcome> {
        self.outcomes()
    }

    fn audit(&self) -> Audit {
        self.audit()
    }

    fn state(&self, key: &str) -> Result<State, AdminError> {
        let pair = self.get_state(key)?;
        serde_json::from_value::<(u32, Value)>(pair)
            .map(|(version, state)| State { version, state })
            .map_err(|error| AdminError::NotShown { key: key.to_owned(), reason: error.to_string() })
    }

    fn put_state(&self, key: &str, state: State, asking: &Asking) -> Result<State, AdminError> {
        let shared = self.shared();
        let State { version, state } = state;
        let decode = || {
            if shared.line.owner(version).is_some() {
                return Err(format!("version {version} came as a file, and a state of it cannot be made of JSON"));
            }
            let pair = Value::from(vec![Value::from(version), state]);
            contain(|| serde_json::from_value::<M::AnyState>(pair).map_err(|error| error.to_string()))?
        };
        // what the user wrote runs before the instance is held, and where it fails, that is a refusal like any other
        let what = || format!("replace the state of `{key}`");
        asking.check(self, &what)?;
        let new = decode();
        self.replace_state_by(key, &asking.by, |_| new)?;
        Drive::state(self, key)
    }

    fn step(&self, key: &str, input: Encoded, asking: &Asking) -> Result<Encoded, NotStepped> {
        let name = input.name().unwrap_or_default();
        let what = || format!("step `{name}` of `{key}`");
        asking.check(self, &what)?;
        let stepped = match caught(|| self.step_encoded(key, input)) {
            Ok(Ok(Ok(output))) => Ok(output),
            Ok(Ok(Err(error))) => Err(NotStepped::Encoded(error)),
            Ok(Err(error)) => Err(NotStepped::Admin(error)),
            Err(panic) => Err(NotStepped::Panicked(panic)),
        };
        asking.tell(self, &what, stepped)
    }

    fn save(&self, to: &Path, asking: &Asking) -> Result<Vec<(PathBuf, Saved)>, NotSaved> {
        let what = || format!("save to {}", to.display());
        asking.check(self, &what)?;
        let save = || {
            let fleets = self.files();
            if fleets.is_empty() {
                return Err(NotSaved::NoFleet);
            }
            let mut files = Vec::new();
            for (at, fleet) in fleets.iter().enumerate() {
                let mut path = to.as_os_str().to_owned();
                if at > 0 {
                    path.push(format!("-{}", at + 1));
                }
                let path = PathBuf::from(path);
                let saved = caught(|| fleet.save(&path)).unwrap_or_else(|panic| {
                    Err(SaveError::Io { path: path.clone(), source: io::Error::other(panic) })
                })?;
                files.push((path, saved));
            }
            Ok(files)
        };
        asking.tell(self, &what, save())
    }

    fn convert(
        &self,
        from: &Path,
        to: u32,
        out: &Path,
        on: &ConvertOptions,
        asking: &Asking,
    ) -> Result<Converted, NotSaved> {
        let said = if on.accept_loss { ", accepting losses" } else { "" };
        let what = || format!("convert {} to version {to} in {}{said}", from.display(), out.display());
        asking.check(self, &what)?;
        let convert = || {
            let mut refused = NotSaved::NoFleet;
            for fleet in self.files() {
                let panicked = |panic| SaveError::Io { path: out.to_owned(), source: io::Error::other(panic) };
                match caught(|| fleet.convert(from, to, out, on)).map_err(panicked)? {
                    // it may be of another fleet's keys
                    Err(error @ ConvertError::NotRead(RestoreError::Snapshot { error: OtherKeys { .. }, .. })) => {
                        refused = error.into();
                    }
                    done => return Ok(done?),
                }
            }
            Err(refused)
        };
        asking.tell(self, &what, convert())
    }

    fn tell_to(&self, tell: Tell) {
        self.shared().core.control().tell_to(tell);
    }
}

/// Runs a whole call in which what the user wrote may panic. Unlike for [`contain`], this thread is not inside of anything: the
/// call may wait for an instance.
fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(text_of)
}

impl Asking {
    /// Refuses what expects another release.
    fn check<M: Machine>(&self, admin: &Admin<M>, what: &dyn Fn() -> String) -> Result<(), AdminError> {
        let Some(expect) = self.expect else { return Ok(()) };
        let core = &admin.shared().core;
        expect.check(core.boot, core.epoch()).inspect_err(|error| {
            core.control().refused(core.epoch(), what(), error.to_string(), &self.by);
        })
    }

    /// Tells the audit what became of it.
    fn tell<M: Machine, T, E: std::fmt::Display>(
        &self,
        admin: &Admin<M>,
        what: &dyn Fn() -> String,
        done: Result<T, E>,
    ) -> Result<T, E> {
        let core = &admin.shared().core;
        // rendered before the control lock is taken: it may be the user's text
        let (what, why) = (what(), done.as_ref().err().map(ToString::to_string));
        let mut control = core.control();
        match why {
            None => control.changed(core.epoch(), what, &self.by),
            Some(why) => control.refused(core.epoch(), what, why, &self.by),
        }
        drop(control);
        done
    }
}
