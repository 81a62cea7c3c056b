//! The commands of a switch: look inside, plan, upgrade, commit, roll back.
//!
//! Every one is safe from any thread, at any time, from inside a step, a migration, a `Drop` or a tracing subscriber.
//! There it does not wait: what would be waited for moves when it is touched, or when the next waiting call or a
//! `Sweeper` sweeps.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Plan;
use crate::canary::CanaryReport;
use crate::command::{
    Command, Halt, losses, losses_of, losses_on_the_way_back, no_canary, roll_back, run, way, way_back,
};
use crate::control::{Audit, Events, HeldBack, Kind, Outcome};
#[cfg(feature = "remote")]
use crate::encoded::{Encoded, EncodedError};
use crate::error::AdminError;
use crate::finite;
use crate::ledger::{Census, Place};
use crate::line::Hop;
use crate::loaded::GuestVersion;
use crate::machine::{Machine, NameOf};
use crate::observe::Statistics;
use crate::options::{CommitOptions, PromoteOptions, RetryOptions, RollbackOptions, UpgradeOptions};
use crate::record::{Asked, Wish};
use crate::roster::{Each, Patience, Shared, Visit};
#[cfg(feature = "remote")]
use crate::roster::{Files, Reach};
use crate::slot::{Home, Slot};
use crate::switch::{Phase, Release, Terms};
use crate::sync;
use crate::way::{contain, encode};

/// The handle by which a switch is commanded. A clone commands the same switch.
///
/// # Examples
///
/// With the counter of the [front page](crate):
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use counter::{Cell, V1, Version};
/// use hotswap::AdminError;
///
/// let visits = Cell::new(V1 { count: 5 });
/// let admin = visits.admin();
///
/// let plan = admin.plan(Version::V2)?; // every migration is run, nothing is installed
/// assert_eq!((plan.examined, plan.failed), (1, 0));
///
/// let outcome = admin.upgrade(Version::V2, "reset is wanted")?;
/// assert_eq!((outcome.live, outcome.moved, outcome.held_back), (1, 1, 0));
/// assert_eq!((admin.status().version, admin.status().permanent), (2, 1));
///
/// admin.commit()?;
/// assert!(matches!(admin.rollback("too late"), Err(AdminError::NothingToRollBack { .. })));
/// # Ok(())
/// # }
/// ```
pub struct Admin<M: Machine>(Arc<Shared<M>>);

/// What a switch runs, and who lives on it, at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The switch's label.
    pub label: String,
    /// The machine's name.
    pub machine: String,
    /// Tells this run of the program from others.
    pub boot: u64,
    /// The present epoch; it rises with every flip and never repeats.
    pub epoch: u64,
    /// The version that runs.
    pub version: u32,
    /// The version that a rollback goes to.
    pub permanent: u32,
    /// Whether the version that runs may still be rolled back.
    pub phase: Phase,
    /// While a canary runs, the share of the keys for which that version does, in percent: [`Admin::canary`] tells more.
    pub canary: Option<u8>,
    /// The id of the command that made this release.
    pub id: String,
    /// Live instances.
    pub live: u64,
    /// Live instances by version and place; version 0 counts states that a panic lost.
    pub by_version: Vec<Population>,
    /// Instances that have not arrived: their migration failed, they carry what a rollback could not undo, or a step
    /// poisoned them.
    pub held_back: u64,
    /// Instances that nothing has touched since the flip.
    pub not_reached: u64,
}

/// How many instances of one version live in one kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Population {
    /// The version they run, or will leave when they are touched.
    pub version: u32,
    /// Where they live.
    pub place: Place,
    /// How many there are.
    pub live: u64,
}

impl Status {
    pub(crate) fn of<M: Machine>(shared: &Shared<M>) -> Self {
        let (release, census) = shared.core.look();
        Self::at(shared, &release, &census)
    }

    /// As it was when these were seen.
    pub(crate) fn at<M: Machine>(shared: &Shared<M>, release: &Release, census: &Census) -> Self {
        let mut by_version: Vec<Population> = Vec::new();
        for (count, n) in &census.counts {
            match by_version.iter_mut().find(|at| (at.version, at.place) == (count.version, count.place)) {
                Some(population) => population.live += n,
                None => by_version.push(Population { version: count.version, place: count.place, live: *n }),
            }
        }
        by_version.sort_by_key(|at| (at.version, at.place));
        Self {
            label: shared.core.label.clone(),
            machine: M::IDENTITY.name.to_owned(),
            boot: shared.core.boot,
            epoch: release.epoch,
            version: release.version,
            permanent: release.permanent,
            phase: release.phase(),
            canary: release.canary.as_ref().map(|canary| canary.percent),
            id: release.id.to_string(),
            live: census.live(),
            by_version,
            held_back: census.held_back(),
            not_reached: census.not_reached(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: version {}", self.label, self.version)?;
        if let Some(percent) = self.canary {
            write!(f, " for {percent} percent")?;
        }
        match self.phase {
            Phase::Permanent => f.write_str(", permanent")?,
            Phase::Probation => write!(f, " on probation, version {} permanent", self.permanent)?,
        }
        write!(f, "; {} live, {} held back, {} not reached", self.live, self.held_back, self.not_reached)
    }
}

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// A rollback, or a restart, comes up here.
    Permanent,
    /// It runs, on probation.
    Current,
    /// It has run before: since the program started, or, where there is a store, in a command that it still knows.
    Old,
    /// It has not.
    Available,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Permanent => "permanent",
            Self::Current => "current",
            Self::Old => "old",
            Self::Available => "available",
        })
    }
}

/// One version of the machine, as it stands in the running program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionStatus {
    /// Its number.
    pub number: u32,
    /// Where it stands.
    pub standing: Standing,
    /// The name of its state type.
    pub state: String,
    /// The structural hash of its state.
    pub fingerprint: String,
    /// Types from outside the machine's module that the fingerprint knows by name only.
    pub leaves: Vec<String>,
    /// The names of the inputs it takes; none for a decode-only version.
    pub takes: Vec<String>,
    /// The image that brought it; `None` if it is compiled in.
    pub image: Option<String>,
    /// How many instances run it.
    pub live: u64,
    /// Nobody needs its steps any more: it is lower than the permanent and the current version, and nothing runs it.
    pub can_retire: bool,
}

impl fmt::Display for VersionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<4} {:<10} {} live", self.number, self.standing, self.live)?;
        if self.can_retire { f.write_str(", can be retired") } else { Ok(()) }
    }
}

impl<M: Machine> Admin<M> {
    pub(crate) fn new(shared: Arc<Shared<M>>) -> Self {
        Self(shared)
    }

    /// What the switch runs, and who lives on it, at one instant.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.0)
    }

    /// Every version of the machine and where it stands, the lowest first.
    #[must_use]
    pub fn versions(&self) -> Vec<VersionStatus> {
        let (release, census) = self.0.core.look();
        let control = self.0.core.control();
        let standing = |number| {
            if number == release.permanent {
                Standing::Permanent
            } else if number == release.version {
                Standing::Current
            } else if control.has_run(number) || census.of_version(number) > 0 {
                Standing::Old
            } else {
                Standing::Available
            }
        };
        let lowest = release.permanent.min(release.version).min(release.before().unwrap_or(u32::MAX));
        let versions = self.0.line.versions().into_iter();
        versions
            .map(|(version, image)| {
                let GuestVersion { number, state, fingerprint, leaves, takes } = version;
                let standing = standing(number);
                let live = census.of_version(number);
                VersionStatus {
                    number,
                    standing,
                    state,
                    fingerprint,
                    leaves,
                    takes,
                    image,
                    live,
                    can_retire: live == 0 && number < lowest,
                }
            })
            .collect()
    }

    /// Runs the migrations to version `to` on every instance that can be reached, without installing anything.
    ///
    /// # Errors
    ///
    /// When there is no such version, or no way to it is declared.
    pub fn plan(&self, to: impl NameOf<M>) -> Result<Plan, AdminError> {
        let shared = &*self.0;
        let to = shared.line.runnable(to.number()).map_err(AdminError::Version)?;
        let (release, census) = shared.core.look();
        // of a canary that runs, those who have not gone are asked about
        let from = release.before().unwrap_or(release.version);
        let way = way(shared, from, to)?;
        let started = Instant::now();
        let mut plan = Plan {
            from,
            to,
            path: std::iter::once(from).chain(way.iter().flat_map(Hop::path)).collect(),
            live: census.live(),
            examined: 0,
            failed: 0,
            failures: Vec::new(),
            not_examined: 0,
            bytes_before: 0,
            bytes_after: 0,
            loses: losses(shared, &census, to),
            took: Duration::ZERO,
        };
        self.visit_all(&mut |slot, home| {
            if slot.stale(shared) {
                slot.arrive(shared, home);
            }
            if slot.poisoned() {
                return;
            }
            plan.examined += 1;
            let sizes = slot.rehearse(shared, to).and_then(|new| {
                let before = slot.state().map_or(Ok(0), |state| encode::<M>(state).map(|bytes| bytes.len()))?;
                let after = encode::<M>(&new)?.len();
                crate::way::drop_contained(new);
                Ok((before, after))
            });
            match sizes {
                Ok((before, after)) => {
                    plan.bytes_before += before as u64;
                    plan.bytes_after += after as u64;
                }
                Err(reason) => plan.fail(crate::slot::named(home), reason),
            }
        });
        plan.not_examined = plan.live.saturating_sub(plan.examined);
        plan.took = started.elapsed();
        Ok(plan)
    }

    /// Goes to version `to`, on probation, and waits until everyone who can be reached is there or held back.
    ///
    /// After the flip it never fails: what could not move is in the outcome, and goes on at its version.
    /// An upgrade to the version that runs does nothing, and its outcome says so.
    ///
    /// # Errors
    ///
    /// When it is refused; nothing has changed then.
    pub fn upgrade(&self, to: impl NameOf<M>, reason: &str) -> Result<Outcome, AdminError> {
        self.upgrade_with(to, reason, &UpgradeOptions::default())
    }

    /// As [`Admin::upgrade`], on the given terms.
    ///
    /// # Errors
    ///
    /// When it is refused; nothing has changed then.
    pub fn upgrade_with(
        &self,
        to: impl NameOf<M>,
        reason: &str,
        options: &UpgradeOptions,
    ) -> Result<Outcome, AdminError> {
        self.upgrade_telling(to.number(), reason, options, &|_| {})
    }

    /// As [`Admin::upgrade_with`], and tells of the flip before it waits for the instances.
    pub(crate) fn upgrade_telling(
        &self,
        number: u32,
        reason: &str,
        options: &UpgradeOptions,
        begun: &dyn Fn(&Outcome),
    ) -> Result<Outcome, AdminError> {
        let shared = &*self.0;
        let terms = Terms {
            keep_previous: options.keep_previous,
            accept_loss: options.accept_loss,
            rollback_after: options.rollback_after,
            canary: options.canary,
        };
        let asked = Asked { kind: Kind::Upgrade, to: number, what: Wish::Upgrade { to: number, terms } };
        let command = Command {
            asked,
            id: options.id.as_deref(),
            expect: options.expect,
            wait: options.wait,
            reason,
            by: &options.by,
            terms,
            begun,
        };
        run(shared, &command, |last, census| {
            if let Some(percent) = terms.canary.filter(|percent| !(1..=99).contains(percent)) {
                return Err(AdminError::NotAShare { percent }.into());
            }
            let to = shared.line.runnable(number).map_err(AdminError::Version)?;
            no_canary(last)?;
            if to == last.version {
                return Err(Halt::Nothing);
            }
            way(shared, last.version, to)?;
            if terms.rollback_after.is_some() {
                way_back(shared, last, to, terms)?;
            }
            let back = |_| losses_on_the_way_back(shared, last, to, terms, census.live());
            let ways = [
                (to, losses_of(shared, census, to, |count| terms.canary.is_none() || count.place == Place::Fleet)),
                (last.permanent, terms.rollback_after.map(back).unwrap_or_default()),
            ];
            match ways.into_iter().find(|(_, losses)| !losses.is_empty()) {
                Some((to, losses)) if !terms.accept_loss => Err(AdminError::LossNotAccepted { to, losses }.into()),
                _ => Ok(to),
            }
        })
    }

    /// Takes everybody to the version of the canary that runs, still on probation, and waits until they are there or held back.
    /// Its outcome accounts for all: those who had gone are among the moved, and no migration is run a second time.
    ///
    /// # Errors
    ///
    /// When no canary runs, its upgrade still does, or something would be lost and the loss was not accepted.
    pub fn promote(&self, reason: &str) -> Result<Outcome, AdminError> {
        self.promote_with(reason, &PromoteOptions::default())
    }

    /// As [`Admin::promote`], on the given terms.
    ///
    /// # Errors
    ///
    /// As [`Admin::promote`].
    pub fn promote_with(&self, reason: &str, options: &PromoteOptions) -> Result<Outcome, AdminError> {
        self.promote_telling(reason, options, &|_| {})
    }

    /// As [`Admin::promote_with`], and tells of the flip before it waits for the instances.
    pub(crate) fn promote_telling(
        &self,
        reason: &str,
        options: &PromoteOptions,
        begun: &dyn Fn(&Outcome),
    ) -> Result<Outcome, AdminError> {
        let shared = &*self.0;
        let what = if options.accept_loss { "promote, accepting losses" } else { "promote" };
        let command = Command {
            asked: Asked { kind: Kind::Promote, to: 0, what: what.into() },
            id: options.id.as_deref(),
            expect: options.expect,
            wait: options.wait,
            reason,
            by: &options.by,
            terms: Terms { accept_loss: options.accept_loss, ..Terms::default() },
            begun,
        };
        run(shared, &command, |last, census| {
            let to = last.version;
            if last.canary.is_none() {
                return Err(AdminError::NothingToPromote { version: to }.into());
            }
            let losses = losses(shared, census, to);
            let accepted = options.accept_loss || last.terms.accept_loss;
            if losses.is_empty() || accepted { Ok(to) } else { Err(AdminError::LossNotAccepted { to, losses }.into()) }
        })
    }

    /// How both sides of a canary do; `None` while none runs.
    #[must_use]
    pub fn canary(&self) -> Option<CanaryReport> {
        let (release, census) = self.0.core.look();
        let canary = release.canary.as_ref()?;
        Some(canary.report(release.epoch, |version| census.of_version(version), census.live()))
    }

    /// Makes the version that runs permanent.
    ///
    /// # Errors
    ///
    /// When the switch is not in probation, a canary runs, or instances are held back.
    pub fn commit(&self) -> Result<Outcome, AdminError> {
        self.commit_with("", &CommitOptions::default())
    }

    /// As [`Admin::commit`], with a reason and options.
    ///
    /// # Errors
    ///
    /// As [`Admin::commit`]; held back instances may be left.
    pub fn commit_with(&self, reason: &str, options: &CommitOptions) -> Result<Outcome, AdminError> {
        self.commit_telling(reason, options, &|_| {})
    }

    /// As [`Admin::commit_with`], and tells of the flip before it waits for the instances.
    pub(crate) fn commit_telling(
        &self,
        reason: &str,
        options: &CommitOptions,
        begun: &dyn Fn(&Outcome),
    ) -> Result<Outcome, AdminError> {
        let shared = &*self.0;
        let what = if options.leave_held_back { "commit, leaving the held back" } else { "commit" };
        let command = Command {
            asked: Asked { kind: Kind::Commit, to: 0, what: what.into() },
            id: options.id.as_deref(),
            expect: options.expect,
            wait: options.wait,
            reason,
            by: &options.by,
            terms: Terms::default(),
            begun,
        };
        let named = self.held_names();
        run(shared, &command, |last, census| {
            if last.phase() == Phase::Permanent {
                return Err(AdminError::NothingToCommit { permanent: last.permanent }.into());
            }
            no_canary(last)?;
            let count = census.held_back();
            if count > 0 && !options.leave_held_back {
                return Err(AdminError::HeldBack { count, named: named.clone() }.into());
            }
            Ok(last.version)
        })
    }

    fn held_names(&self) -> Vec<String> {
        self.0.core.control().held().iter().take(10).map(|held| held.who.clone()).collect()
    }

    /// Goes back to the permanent version.
    ///
    /// Each instance takes the declared way down and keeps the work done since; where there is none, its state kept
    /// since before the upgrade is restored; without one it is held back.
    ///
    /// # Errors
    ///
    /// When the switch is not in probation, or something would be lost and the loss was not accepted.
    pub fn rollback(&self, reason: &str) -> Result<Outcome, AdminError> {
        self.rollback_with(reason, &RollbackOptions::default())
    }

    /// As [`Admin::rollback`], on the given terms.
    ///
    /// # Errors
    ///
    /// As [`Admin::rollback`].
    pub fn rollback_with(&self, reason: &str, options: &RollbackOptions) -> Result<Outcome, AdminError> {
        self.rollback_telling(reason, options, &|_| {})
    }

    /// As [`Admin::rollback_with`], and tells of the flip before it waits for the instances.
    pub(crate) fn rollback_telling(
        &self,
        reason: &str,
        options: &RollbackOptions,
        begun: &dyn Fn(&Outcome),
    ) -> Result<Outcome, AdminError> {
        let what = if options.accept_loss { "rollback, accepting losses" } else { "rollback" };
        let command = Command {
            asked: Asked { kind: Kind::Rollback, to: 0, what: what.into() },
            id: options.id.as_deref(),
            expect: options.expect,
            wait: options.wait,
            reason,
            by: &options.by,
            terms: Terms { accept_loss: options.accept_loss, ..Terms::default() },
            begun,
        };
        run(&self.0, &command, |last, census| roll_back(&self.0, last, census, options.accept_loss))
    }

    /// Tries the held back again: a new epoch of the same version, under the same id. The outcome goes on as that command's;
    /// one of kind [`Kind::Retry`] says that nobody was held back. An instance that `replace_state` healed needs no retry; one
    /// that carries what a rollback could not undo is helped by that, or by a commit that leaves it, and not by a retry.
    ///
    /// # Errors
    ///
    /// When another command runs.
    pub fn retry(&self) -> Result<Outcome, AdminError> {
        self.retry_with("", &RetryOptions::default())
    }

    /// As [`Admin::retry`], with a reason and options.
    ///
    /// # Errors
    ///
    /// As [`Admin::retry`]; and when it was to be that of a command which is not the last one.
    pub fn retry_with(&self, reason: &str, options: &RetryOptions) -> Result<Outcome, AdminError> {
        self.retry_telling(reason, options, &|_| {})
    }

    /// As [`Admin::retry_with`], and tells of the flip before it waits for the instances.
    pub(crate) fn retry_telling(
        &self,
        reason: &str,
        options: &RetryOptions,
        begun: &dyn Fn(&Outcome),
    ) -> Result<Outcome, AdminError> {
        let release = self.0.core.release();
        let command = Command {
            asked: Asked { kind: Kind::Retry, to: release.version, what: "retry".into() },
            id: None,
            expect: options.expect,
            wait: options.wait,
            reason,
            by: &options.by,
            terms: Terms::default(),
            begun,
        };
        run(&self.0, &command, |last, census| {
            if let Some(id) = options.id.as_ref().filter(|id| ***id != *last.id) {
                return Err(AdminError::NotTheLast { id: id.clone(), last: last.id.to_string() }.into());
            }
            if census.held_back() == 0 { Err(Halt::Nothing) } else { Ok(last.version) }
        })
    }

    /// What came of the command with this id; of the newest one, as it stands now.
    #[must_use]
    pub fn outcome(&self, id: &str) -> Option<Outcome> {
        let control = self.0.core.control();
        control.outcome(id, &self.0.core.ledger.census())
    }

    /// What came of the last 4,096 commands, the oldest first.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome> {
        let control = self.0.core.control();
        control.outcomes(&self.0.core.ledger.census())
    }

    /// Every reachable instance that is held back, those beyond an outcome's first 1,000 included.
    #[must_use]
    pub fn held_back(&self) -> Vec<HeldBack> {
        let shared = &*self.0;
        let mut all = Vec::new();
        self.visit_all(&mut |slot, home| {
            if let Some(reason) = slot.held_back(shared, home)
                && let Some(who) = crate::slot::named(home)
            {
                all.push(HeldBack {
                    who,
                    place: home.place(),
                    version: slot.version(),
                    reason,
                    poisoned: slot.poisoned(),
                });
            }
        });
        all
    }

    /// The last changes and refusals.
    #[must_use]
    pub fn audit(&self) -> Audit {
        self.0.core.control().audit()
    }

    /// Flips and outcomes as they happen, from now on.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        self.0.core.control().subscribe()
    }

    /// The state of the instance that is called `key`, as JSON: the pair `[version, state]`.
    ///
    /// # Errors
    ///
    /// When there is none, it is in use by the caller, its state is lost, or JSON has no form for a float in it: as `null` it
    /// would read back as nothing, or as another state.
    pub fn get_state(&self, key: &str) -> Result<serde_json::Value, AdminError> {
        let shared = &*self.0;
        let not_shown = |reason: String| AdminError::NotShown { key: key.to_owned(), reason };
        let mut shown = Err(not_shown("its state is lost".to_owned()));
        self.visit_one(key, &mut |slot, home| {
            if slot.stale(shared) {
                slot.arrive(shared, home);
            }
            if let Some(state) = slot.state() {
                let rendered = contain(|| {
                    finite::check(state)?;
                    serde_json::to_value(state).map_err(|error| error.to_string())
                });
                shown = rendered.and_then(|value| value).map_err(not_shown);
            }
        })?;
        shown
    }

    /// Replaces the state of the instance that is called `key` with what `make` makes of the old one.
    ///
    /// The new state may be of any version with a way to the one that runs. It heals an instance that was held back or
    /// poisoned; where a panic lost the state, `make` is given `None`.
    ///
    /// # Errors
    ///
    /// When there is no such instance, it is in use by the caller, or `make` fails, panics, or gives a state that cannot
    /// be used. The state is unchanged then.
    pub fn replace_state<S, E>(
        &self,
        key: &str,
        make: impl FnOnce(Option<&M::AnyState>) -> Result<S, E>,
    ) -> Result<(), AdminError>
    where
        S: Into<M::AnyState>,
        E: fmt::Display,
    {
        self.replace_state_by(key, "", make)
    }

    /// As [`Admin::replace_state`], and says in the audit who asked for it.
    pub(crate) fn replace_state_by<S, E>(
        &self,
        key: &str,
        by: &str,
        make: impl FnOnce(Option<&M::AnyState>) -> Result<S, E>,
    ) -> Result<(), AdminError>
    where
        S: Into<M::AnyState>,
        E: fmt::Display,
    {
        let shared = &*self.0;
        let mut make = Some(make);
        let mut replaced = Ok(());
        let mut apply = |state: Option<&M::AnyState>| match make.take() {
            Some(make) => make(state).map(Into::into).map_err(|error| error.to_string()),
            None => Err("two instances have this name".to_owned()),
        };
        self.visit_one(key, &mut |slot, home| replaced = slot.replace(shared, home, &mut apply))?;
        let epoch = shared.core.epoch();
        let what = format!("replace the state of `{key}`");
        match replaced {
            Ok(()) => {
                shared.core.control().changed(epoch, what, by);
                Ok(())
            }
            Err(reason) => {
                let error = AdminError::NotReplaced { key: key.to_owned(), reason };
                shared.core.control().refused(epoch, what, error.to_string(), by);
                Err(error)
            }
        }
    }

    /// Runs one step of the instance that is called `key`, of an input that comes as bytes.
    #[cfg(feature = "remote")]
    pub(crate) fn step_encoded(&self, key: &str, input: Encoded) -> Result<Result<Encoded, EncodedError>, AdminError> {
        let mut input = Some(input);
        let mut stepped = None;
        self.visit_one(key, &mut |slot, home| {
            if let Some(input) = input.take() {
                stepped = Some(slot.step_encoded(&self.0, home, input));
            }
        })?;
        stepped.ok_or_else(|| AdminError::NoInstance { key: key.to_owned() })
    }

    /// Every fleet that can be reached, the oldest first, as it reads and writes files.
    #[cfg(feature = "remote")]
    pub(crate) fn files(&self) -> Vec<Box<dyn Files>> {
        self.0.roster.all().into_iter().filter_map(Reach::files).collect()
    }

    #[cfg(feature = "remote")]
    pub(crate) fn shared(&self) -> &Shared<M> {
        &self.0
    }

    /// Traces every input and output through `tracing`, target `hotswap::trace`, as JSON; or no longer.
    ///
    /// While it is on, every step takes the long way; those of a [`Slab`](crate::Slab) from the next look at the switch on.
    pub fn trace(&self, on: bool) {
        self.0.core.observe(|| self.0.observer.trace(on));
    }

    /// Counts steps from 0; or no longer, keeping the counts.
    ///
    /// While it is on, every step takes the long way; those of a [`Slab`](crate::Slab) from the next look at the switch on.
    pub fn count_steps(&self, on: bool) {
        self.0.core.observe(|| self.0.observer.count(on));
    }

    /// The steps counted since counting was turned on.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.0.observer.statistics()
    }

    /// Counts as a failed step for `rollback_after`, for what only the host can see.
    pub fn report_failure(&self) {
        self.0.reported(self.0.core.epoch());
    }

    fn visit_all(&self, look: &mut dyn FnMut(&mut Slot<M>, &mut dyn Home)) {
        let patience = patience();
        for reach in self.0.roster.all() {
            for part in 0..reach.parts() {
                let mut cursor = 0;
                loop {
                    let mut each = Each(|slot: &mut Slot<M>, home: &mut dyn Home| {
                        look(slot, home);
                        ControlFlow::Break(())
                    });
                    let visit = reach.visit(part, cursor, patience, &mut each);
                    match visit {
                        Visit::More(next) => cursor = next,
                        Visit::Done | Visit::Busy(_) => break,
                    }
                }
            }
        }
    }

    /// Visits the one instance that is called `key`.
    fn visit_one(&self, key: &str, look: &mut dyn FnMut(&mut Slot<M>, &mut dyn Home)) -> Result<(), AdminError> {
        let patience = patience();
        let mut named = 0;
        for reach in self.0.roster.all() {
            reach.find(key, patience, &mut |_, _| {
                named += 1;
                ControlFlow::Continue(())
            });
        }
        if named > 1 {
            return Err(AdminError::Ambiguous { key: key.to_owned(), instances: named });
        }
        let mut visitor = |slot: &mut Slot<M>, home: &mut dyn Home| {
            look(slot, home);
            ControlFlow::Break(())
        };
        let mut in_use = false;
        for reach in self.0.roster.all() {
            match reach.find(key, patience, &mut visitor) {
                Some(true) => return Ok(()),
                Some(false) => in_use = true,
                None => {}
            }
        }
        let key = key.to_owned();
        Err(if in_use { AdminError::InUse { key } } else { AdminError::NoInstance { key } })
    }
}

impl<M: Machine> Clone for Admin<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Machine> fmt::Debug for Admin<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("switch", &self.0.core.label).finish()
    }
}

/// Inside a step nothing waits for an instance: its holder might be waiting for this one.
fn patience() -> Patience {
    if sync::inside() { Patience::None } else { Patience::Forever }
}
