//! On what terms a command is given, and what a dry run reports.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::error::{AdminError, Loss};

/// How long a command waits for the instances after the flip. Inside a step, nothing waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wait {
    /// Until everyone who can be reached has been; the calling thread sweeps.
    #[default]
    Reached,
    /// As `Reached`, but so long at most: a wait that runs out is an outcome that is not settled.
    For(Duration),
    /// Not at all: the host's own threads sweep, or instances move when they are touched.
    No,
}

/// The release that a command expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// The run of the program, from `status`; any, if none is given.
    pub boot: Option<u64>,
    /// The epoch, from `status`.
    pub epoch: u64,
}

impl Expect {
    pub(crate) fn check(self, boot: u64, epoch: u64) -> Result<(), AdminError> {
        if self.epoch == epoch && self.boot.is_none_or(|expected| expected == boot) {
            Ok(())
        } else {
            Err(AdminError::Stale { expected: self.epoch, present: epoch })
        }
    }
}

macro_rules! common_options {
    ($options:ident) => {
        common_options!(
            $options,
            "Names the command: the same command given again under this id is done once, and its outcome told twice."
        );
    };
    ($options:ident, $id:literal) => {
        impl $options {
            #[doc = $id]
            #[must_use]
            pub fn id(mut self, id: impl Into<String>) -> Self {
                self.id = Some(id.into());
                self
            }

            /// Refuses the command if the present release is another one.
            #[must_use]
            pub fn expect(mut self, boot: u64, epoch: u64) -> Self {
                self.expect = Some(Expect { boot: Some(boot), epoch });
                self
            }

            /// Who gives the command and from where, for the audit. It is no part of what the command's id stands for.
            #[must_use]
            pub fn by(mut self, by: impl Into<String>) -> Self {
                self.by = by.into();
                self
            }

            /// How long to wait for the instances after the flip.
            #[must_use]
            pub fn wait(mut self, wait: Wait) -> Self {
                self.wait = wait;
                self
            }
        }
    };
}

/// The terms of an upgrade.
///
/// ```
/// use hotswap::{UpgradeOptions, Wait};
///
/// let cautious = UpgradeOptions::default().keep_previous(true).rollback_after(10).wait(Wait::No);
/// ```
#[derive(Debug, Clone, Default)]
pub struct UpgradeOptions {
    pub(crate) id: Option<String>,
    pub(crate) expect: Option<Expect>,
    pub(crate) wait: Wait,
    pub(crate) by: String,
    pub(crate) keep_previous: bool,
    pub(crate) accept_loss: bool,
    pub(crate) rollback_after: Option<u64>,
    pub(crate) canary: Option<u8>,
}

common_options!(UpgradeOptions);

impl UpgradeOptions {
    /// Keeps each instance's encoded state from before the upgrade until the probation ends, for a rollback where no
    /// way down is declared.
    #[must_use]
    pub fn keep_previous(mut self, keep: bool) -> Self {
        self.keep_previous = keep;
        self
    }

    /// Accepts what the way loses, and what an automatic rollback would.
    #[must_use]
    pub fn accept_loss(mut self, accept: bool) -> Self {
        self.accept_loss = accept;
        self
    }

    /// Rolls back by itself at the `n`th failure in probation: a step that panics, a step that returns `Err`, or
    /// `report_failure`. 0 counts as 1. It flips where the failure is and does not sweep: a `Sweeper`, the next waiting
    /// command or a step brings the instances along.
    ///
    /// The upgrade is refused where no way back is declared and no states are kept ([`keep_previous`](Self::keep_previous)), or
    /// where the way back loses something that was not accepted.
    #[must_use]
    pub fn rollback_after(mut self, n: u64) -> Self {
        self.rollback_after = Some(n.max(1));
        self
    }

    /// Takes that share of a fleet's keys first, 1 to 99 percent; everybody else stays at the version before: the other keys,
    /// cells, and owned instances. [`Admin::promote`](crate::Admin::promote) takes the rest along, and a rollback brings back
    /// those who went. Meanwhile nothing is committed, and [`Admin::canary`](crate::Admin::canary) tells how both sides do.
    ///
    /// Which keys go is a matter of the keys alone: the XXH3 of a key's postcard encoding, by 100, is below the percentage.
    /// So it is the same in every program and every run, for keys that are made later too, and a larger share has all keys
    /// of a smaller one. A key that cannot be encoded stays.
    ///
    /// While it runs every step takes the long way, and is counted. Of those counts, [`rollback_after`](Self::rollback_after)
    /// goes by the failures at the canary's version only.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use counter::{Switch, Tick, V1, Version};
    /// use hotswap::UpgradeOptions;
    ///
    /// let switch = Switch::builder().starting_at(Version::V1).build()?;
    /// let visits = switch.fleet::<u32>();
    /// for key in 0..1000 {
    ///     visits.insert(key, V1 { count: 0 })?;
    /// }
    /// let admin = switch.admin();
    /// let first = admin.upgrade_with(Version::V2, "count ticks too", &UpgradeOptions::default().canary(10))?;
    /// assert_eq!(first.moved + first.stayed, 1000);
    ///
    /// (0..1000).try_for_each(|key| visits.step(&key, Tick))?;
    /// let report = admin.canary().ok_or("it runs")?;
    /// assert_eq!((report.before.steps, report.canary.steps), (first.stayed, first.moved));
    /// assert_eq!((report.canary.failures, report.canary.panics), (0, 0));
    ///
    /// admin.promote("no worse than before")?; // the rest goes too, still on probation
    /// admin.commit()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn canary(mut self, percent: u8) -> Self {
        self.canary = Some(percent);
        self
    }
}

/// The terms of a promotion. What the canary's own terms said holds on.
#[derive(Debug, Clone, Default)]
pub struct PromoteOptions {
    pub(crate) id: Option<String>,
    pub(crate) expect: Option<Expect>,
    pub(crate) wait: Wait,
    pub(crate) by: String,
    pub(crate) accept_loss: bool,
}

common_options!(PromoteOptions);

impl PromoteOptions {
    /// Accepts what the way loses, for those who go now; not needed where it was accepted at the canary.
    #[must_use]
    pub fn accept_loss(mut self, accept: bool) -> Self {
        self.accept_loss = accept;
        self
    }
}

/// The terms of a rollback.
#[derive(Debug, Clone, Default)]
pub struct RollbackOptions {
    pub(crate) id: Option<String>,
    pub(crate) expect: Option<Expect>,
    pub(crate) wait: Wait,
    pub(crate) by: String,
    pub(crate) accept_loss: bool,
}

common_options!(RollbackOptions);

impl RollbackOptions {
    /// Accepts what the way back loses.
    #[must_use]
    pub fn accept_loss(mut self, accept: bool) -> Self {
        self.accept_loss = accept;
        self
    }
}

/// The terms of a commit.
#[derive(Debug, Clone, Default)]
pub struct CommitOptions {
    pub(crate) id: Option<String>,
    pub(crate) expect: Option<Expect>,
    pub(crate) wait: Wait,
    pub(crate) by: String,
    pub(crate) leave_held_back: bool,
}

common_options!(CommitOptions);

impl CommitOptions {
    /// Commits although instances are held back; they go on at their versions.
    ///
    /// Those that run the committed version count as arrived from then on, with all that they carry: what they could not
    /// undo on an earlier way back is accepted.
    #[must_use]
    pub fn leave_held_back(mut self, leave: bool) -> Self {
        self.leave_held_back = leave;
        self
    }
}

/// The terms of a retry. Its id is that of the command whose held back it tries again.
#[derive(Debug, Clone, Default)]
pub struct RetryOptions {
    pub(crate) id: Option<String>,
    pub(crate) expect: Option<Expect>,
    pub(crate) wait: Wait,
    pub(crate) by: String,
}

common_options!(
    RetryOptions,
    "Refuses the retry unless the command of this id is the last one: the held back are then those that it held back."
);

/// What an upgrade would do: every migration was run, nothing was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The version that runs.
    pub from: u32,
    /// The version asked for.
    pub to: u32,
    /// The versions that the way goes through, both ends included.
    pub path: Vec<u32>,
    /// Live instances when the plan began.
    pub live: u64,
    /// Instances whose migrations were run.
    pub examined: u64,
    /// Those of them that would be held back.
    pub failed: u64,
    /// The first 1,000 of those.
    pub failures: Vec<PlanFailure>,
    /// Instances that were not examined: owned, poisoned, in use by the caller, or new.
    pub not_examined: u64,
    /// Encoded size of the examined states that would move, in bytes, before and after.
    pub bytes_before: u64,
    /// The same, after.
    pub bytes_after: u64,
    /// What would be lost.
    pub loses: Vec<Loss>,
    /// How long it took.
    pub took: Duration,
}

/// An instance that would be held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanFailure {
    /// Its key or name.
    pub who: String,
    /// What its migration said.
    pub reason: String,
}

impl Plan {
    pub(crate) fn fail(&mut self, who: Option<String>, reason: String) {
        self.failed += 1;
        if let Some(who) = who.filter(|_| self.failures.len() < 1000) {
            self.failures.push(PlanFailure { who, reason });
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path: Vec<_> = self.path.iter().map(u32::to_string).collect();
        write!(
            f,
            "{}: {} of {} examined, {} would fail, {} -> {} bytes",
            path.join(" -> "),
            self.examined,
            self.live,
            self.failed,
            self.bytes_before,
            self.bytes_after
        )?;
        for loss in &self.loses {
            write!(f, "\n  loses {} (instances: {})", loss.what, loss.instances)?;
        }
        for failure in self.failures.iter().take(10) {
            write!(f, "\n  {}: {}", failure.who, failure.reason)?;
        }
        Ok(())
    }
}
