//! Which version is meant to run: the word that every step reads, the release behind it, and the flip that replaces both.
//!
//! This file knows versions and no states.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_utils::CachePadded;
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

use crate::canary::{Canary, Failure, Lot};
use crate::control::{Control, Kind};
use crate::ledger::{Census, Ledger, epoch_of};
use crate::meter::Meter;
use crate::record::{Asked, Command};
use crate::sync::{AtomicU64, Current, Mutex};
use crate::undone::Undone;

/// In the word: steps are traced or counted, so none of them may take the short way.
const OBSERVED: u64 = 1 << 62;

/// No store has an epoch from here on: the bits above are other things in a word and in a stamp, and a flip in every
/// nanosecond takes nine years to come here.
const LATEST: u64 = 1 << 58;

/// Whether the version that runs may still be rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// After an upgrade: `rollback` goes back to the permanent version.
    Probation,
    /// After a commit or a rollback, and at the start.
    Permanent,
}

/// What a switch holds: one decision of which version runs.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) epoch: u64,
    pub(crate) version: u32,
    /// The version that a rollback goes to.
    pub(crate) permanent: u32,
    /// The epoch at which the present probation began.
    pub(crate) probation: Option<u64>,
    /// The epoch of the last commit, 0 before the first.
    pub(crate) committed: u64,
    /// The epoch of the last rollback, 0 before the first.
    pub(crate) rolled_back: u64,
    /// The id of the command that made it.
    pub(crate) id: Arc<str>,
    pub(crate) terms: Terms,
    /// It takes a share only.
    pub(crate) canary: Option<Arc<Canary>>,
    /// Failures counted at this epoch, for `terms.rollback_after`.
    failures: AtomicU64,
    /// The lowest version of all releases since an epoch: each entry holds for stamps below its epoch and at or
    /// above the one before. Versions rise from entry to entry, so there are at most as many as versions. A canary stands
    /// there with the higher of its two versions: it obliges nobody whom it did not move.
    low: SmallVec<[(u64, u32); 2]>,
    undone: Undone,
}

/// The operator's terms for a probation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) keep_previous: bool,
    pub(crate) accept_loss: bool,
    pub(crate) rollback_after: Option<u64>,
    /// The share that goes first, in percent.
    pub(crate) canary: Option<u8>,
}

/// What of a release survives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lasting {
    pub(crate) epoch: u64,
    pub(crate) version: u32,
    pub(crate) permanent: u32,
    pub(crate) probation: Option<u64>,
    committed: u64,
    rolled_back: u64,
    undone: Vec<u64>,
}

impl Lasting {
    /// Before the first release.
    pub(crate) fn new(version: u32) -> Self {
        Self {
            epoch: 0,
            version,
            permanent: version,
            probation: None,
            committed: 0,
            rolled_back: 0,
            undone: Vec::new(),
        }
    }

    /// Whether nothing in it is later than its epoch, and no program can come to the end of those that are left.
    pub(crate) fn adds_up(&self) -> bool {
        let past = [self.committed, self.rolled_back].into_iter().chain(self.probation);
        self.epoch < LATEST && past.chain(self.undone.iter().copied()).all(|epoch| epoch <= self.epoch)
    }
}

impl Release {
    /// The first release of this run: at the permanent version, for a probation does not survive a restart.
    pub(crate) fn first(before: &Lasting, id: Arc<str>) -> Self {
        Self {
            epoch: before.epoch + 1,
            version: before.permanent,
            permanent: before.permanent,
            probation: None,
            committed: before.committed,
            rolled_back: before.rolled_back,
            id,
            terms: Terms::default(),
            canary: None,
            failures: AtomicU64::new(0),
            low: smallvec![(before.epoch + 1, before.permanent)],
            undone: Undone::new(&before.undone).and(before.probation),
        }
    }

    pub(crate) fn lasting(&self) -> Lasting {
        Lasting {
            epoch: self.epoch,
            version: self.version,
            permanent: self.permanent,
            probation: self.probation,
            committed: self.committed,
            rolled_back: self.rolled_back,
            undone: self.undone.epochs().collect(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        if self.probation.is_some() { Phase::Probation } else { Phase::Permanent }
    }

    /// The lowest version among the releases that an instance with this stamp has missed.
    pub(crate) fn lowest_since(&self, stamp: u64) -> u32 {
        self.low.iter().find(|(epoch, _)| *epoch > stamp).map_or(self.version, |(_, version)| *version)
    }

    /// The version at which an instance belongs: the one rule for whoever meets this release.
    pub(crate) fn version_for(&self, lot: impl FnOnce() -> Lot) -> u32 {
        match &self.canary {
            Some(canary) if !canary.takes(lot()) => canary.before,
            _ => self.version,
        }
    }

    /// The version at which a canary leaves the others.
    pub(crate) fn before(&self) -> Option<u32> {
        self.canary.as_ref().map(|canary| canary.before)
    }

    /// The version from which a command of this kind starts: of a promotion, that of those whom the canary left.
    pub(crate) fn leaves(&self, kind: Kind) -> u32 {
        self.before().filter(|_| kind == Kind::Promote).unwrap_or(self.version)
    }

    pub(crate) fn was_undone(&self, probation: u64) -> bool {
        self.undone.contains(probation)
    }
}

/// What the next release is to be; the switch adds the rest.
#[derive(Debug, Clone)]
pub(crate) struct Next<'a> {
    pub(crate) kind: Kind,
    pub(crate) version: u32,
    pub(crate) id: Arc<str>,
    pub(crate) reason: &'a str,
    pub(crate) by: &'a str,
    pub(crate) terms: Terms,
}

/// A switch without the types of its machine.
#[derive(Debug)]
pub(crate) struct Core {
    /// The epoch, alone on its cache line.
    word: CachePadded<AtomicU64>,
    release: Current<Release>,
    pub(crate) ledger: Ledger,
    control: Mutex<Control>,
    pub(crate) label: String,
    pub(crate) meter: Meter,
    /// Tells this run of the program from others.
    pub(crate) boot: u64,
    /// The same, as ids begin.
    run: String,
}

impl Core {
    pub(crate) fn new(label: String, before: &Lasting, commands: Vec<Command>) -> Self {
        let run = format!("{:016x}-", boot());
        let id = if before.epoch == 0 { Arc::from("start") } else { id(&run, before.epoch + 1) };
        let release = Release::first(before, id);
        Self {
            word: CachePadded::new(AtomicU64::new(release.epoch)),
            ledger: Ledger::new(release.epoch),
            control: Mutex::new(Control::new(before, &release, commands)),
            release: Current::new(Arc::new(release)),
            meter: Meter::new(&label),
            label,
            boot: boot(),
            run,
        }
    }

    /// The id of a command that was given none, by the epoch that it makes.
    pub(crate) fn id(&self, epoch: u64) -> Arc<str> {
        id(&self.run, epoch)
    }

    /// What every step compares its stamp with. It equals the epoch unless steps are observed.
    #[inline]
    pub(crate) fn word(&self) -> u64 {
        self.word.load(Ordering::Acquire)
    }

    pub(crate) fn observed(&self) -> bool {
        self.word() & OBSERVED != 0
    }

    pub(crate) fn release(&self) -> Arc<Release> {
        self.release.load_full()
    }

    /// The release, for a moment: cheaper than [`Core::release`], and not to be kept.
    pub(crate) fn current(&self) -> impl Deref<Target = Arc<Release>> {
        self.release.load()
    }

    /// The release and everyone who is live, at one instant.
    pub(crate) fn look(&self) -> (Arc<Release>, Census) {
        let stripes = self.ledger.hold();
        (self.release.load_full(), stripes.census())
    }

    /// The present epoch, from the word alone.
    pub(crate) fn epoch(&self) -> u64 {
        self.word() & !OBSERVED
    }

    /// The records, under the control lock. No instance lock, no waiting and nothing of the user's while it is held.
    pub(crate) fn control(&self) -> crate::sync::MutexGuard<'_, Control> {
        self.control.lock()
    }

    /// Sends every step the long way, or no longer.
    pub(crate) fn observe(&self, decide: impl FnOnce() -> bool) {
        let mut control = self.control.lock();
        control.observed = decide() || self.meter.times_steps();
        self.word.store(word(&self.current(), control.observed), Ordering::Release);
    }

    /// Counts a failed step, for metrics and on its side of a canary, if one runs; whether it is one for `terms.rollback_after`.
    pub(crate) fn tally(&self, version: u32, stamp: u64, how: Failure) -> bool {
        self.meter.failed(version, how);
        let release = self.current();
        let Some(canary) = release.canary.as_ref().filter(|_| release.epoch == epoch_of(stamp)) else { return true };
        canary.failed(version, how);
        // what the others do says nothing of the version that is tried
        version == canary.to
    }

    /// Counts a failed step at its epoch; true for the one that reaches the threshold.
    pub(crate) fn count_failure(&self, epoch: u64) -> bool {
        let release = self.release();
        match release.terms.rollback_after {
            Some(threshold) if release.epoch == epoch => {
                release.failures.fetch_add(1, Ordering::Relaxed) + 1 == threshold
            }
            _ => false,
        }
    }

    /// Replaces the release, and gives the new one with those who are live at its beginning. It costs the same with one
    /// instance or a million.
    ///
    /// `asked` is what its command asked for; `decide` sees everyone who is live, at the instant of the flip, and may still refuse.
    pub(crate) fn flip<'a, E>(
        &self,
        control: &mut Control,
        asked: &Asked,
        decide: impl FnOnce(&Release, &Census) -> Result<Next<'a>, E>,
    ) -> Result<(Arc<Release>, Census), E> {
        let mut stripes = self.ledger.hold();
        let census = stripes.census();
        let last = self.release.load_full();
        let next = decide(&last, &census)?;
        let release = Arc::new(last.followed_by(&next));
        control.seal(&census);
        control.open(&next, asked.clone(), &last, &release, &census);
        self.meter.flipped(next.kind, census.live());
        let census = stripes.open(census, release.epoch, release.before());
        self.release.store(Arc::clone(&release));
        self.word.store(word(&release, control.observed), Ordering::Release);
        Ok((release, census))
    }
}

impl Release {
    pub(crate) fn followed_by(&self, next: &Next<'_>) -> Self {
        let epoch = self.epoch + 1;
        let canary = match next.kind {
            Kind::Upgrade => {
                next.terms.canary.map(|percent| Arc::new(Canary::new(percent, self.version, next.version)))
            }
            Kind::Retry => self.canary.clone(),
            Kind::Start | Kind::Promote | Kind::Commit | Kind::Rollback => None,
        };
        let passes = canary.as_ref().map_or(next.version, |canary| canary.before.max(next.version));
        let lower = self.low.iter().copied().filter(|(_, version)| *version < passes);
        let low = lower.chain([(epoch, passes)]).collect();
        let undone = self.undone.and(self.probation.filter(|_| next.kind == Kind::Rollback));
        let (permanent, probation) = match next.kind {
            Kind::Start | Kind::Upgrade => (self.permanent, self.probation.or(Some(epoch))),
            Kind::Retry | Kind::Promote => (self.permanent, self.probation),
            Kind::Commit => (next.version, None),
            Kind::Rollback => (self.permanent, None),
        };
        let mut terms = next.terms;
        // what was kept in this probation stays kept until it ends
        terms.keep_previous |= probation.is_some() && probation == self.probation && self.terms.keep_previous;
        Self {
            epoch,
            version: next.version,
            permanent,
            probation,
            committed: if next.kind == Kind::Commit { epoch } else { self.committed },
            rolled_back: if next.kind == Kind::Rollback { epoch } else { self.rolled_back },
            id: Arc::clone(&next.id),
            terms,
            canary,
            failures: AtomicU64::new(0),
            low,
            undone,
        }
    }
}

/// The word of a release: steps are observed if someone wants it, or both sides of a canary are to be told.
fn word(release: &Release, observed: bool) -> u64 {
    if observed || release.canary.is_some() { release.epoch | OBSERVED } else { release.epoch }
}

fn id(run: &str, epoch: u64) -> Arc<str> {
    Arc::from([run, itoa::Buffer::new().format(epoch)].concat())
}

/// A number that no other run of the program is likely to have had.
fn boot() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::OnceLock;
    static BOOT: OnceLock<u64> = OnceLock::new();
    *BOOT.get_or_init(|| RandomState::new().hash_one(std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flip_to(core: &Core, kind: Kind, version: u32) -> Arc<Release> {
        flip_on(core, kind, version, Terms::default())
    }

    fn flip_on(core: &Core, kind: Kind, version: u32, terms: Terms) -> Arc<Release> {
        let next = Next { kind, version, id: Arc::from("t"), reason: "", by: "", terms };
        let mut control = core.control();
        let asked = Asked { kind, to: version, what: "a test".into() };
        core.flip(&mut control, &asked, |_, _| Ok::<_, ()>(next)).expect("nothing refuses").0
    }

    #[test]
    fn the_lowest_version_since_a_stamp_is_exact_for_every_stamp() {
        let core = Core::new("t".into(), &Lasting::new(3), Vec::new());
        let versions = [3, 5, 1, 4, 2, 6, 2, 7];
        let mut all = vec![(1, 3)];
        for version in versions {
            let release = flip_to(&core, Kind::Upgrade, version);
            all.push((release.epoch, version));
            for stamp in 0..release.epoch {
                let lowest = all.iter().filter(|(epoch, _)| *epoch > stamp).map(|(_, version)| *version).min();
                assert_eq!(Some(release.lowest_since(stamp)), lowest, "stamp {stamp} at epoch {}", release.epoch);
            }
            // however often it flips
            let rises = release.low.windows(2).all(|two| two[0].1 < two[1].1);
            assert!(rises, "{:?}", release.low);
        }
    }

    #[test]
    fn a_probation_lasts_from_leaving_the_permanent_version_to_its_end() {
        let core = Core::new("t".into(), &Lasting::new(1), Vec::new());
        assert_eq!(core.release().phase(), Phase::Permanent);
        let begun = flip_to(&core, Kind::Upgrade, 2).probation;
        assert_eq!(begun, Some(2));
        assert_eq!(flip_to(&core, Kind::Upgrade, 3).probation, begun);
        let back = flip_to(&core, Kind::Rollback, 1);
        assert_eq!((back.phase(), back.permanent, back.was_undone(2)), (Phase::Permanent, 1, true));
        flip_to(&core, Kind::Upgrade, 2);
        let committed = flip_to(&core, Kind::Commit, 2);
        assert_eq!((committed.phase(), committed.permanent, committed.was_undone(5)), (Phase::Permanent, 2, false));
    }

    #[test]
    fn a_release_knows_the_last_commit_and_the_last_rollback() {
        let core = Core::new("t".into(), &Lasting::new(1), Vec::new());
        let epochs = |kind, version| {
            let release = flip_to(&core, kind, version);
            (release.epoch, release.committed, release.rolled_back)
        };
        let (none, never) = (core.release().committed, core.release().rolled_back);
        assert_eq!(epochs(Kind::Upgrade, 2), (2, none, never));
        assert_eq!(epochs(Kind::Rollback, 1), (3, none, 3));
        assert_eq!(epochs(Kind::Upgrade, 2), (4, none, 3));
        assert_eq!(epochs(Kind::Commit, 2), (5, 5, 3));
        assert_eq!(epochs(Kind::Upgrade, 3), (6, 5, 3));
    }

    #[test]
    fn a_canary_lasts_through_retries_to_the_next_release_of_another_kind() {
        let core = Core::new("t".into(), &Lasting::new(1), Vec::new());
        let share = Terms { canary: Some(30), ..Terms::default() };
        let canary_of =
            |release: &Release| release.canary.as_ref().map(|canary| (canary.percent, canary.before, canary.to));
        for (kind, end) in [(Kind::Promote, 2), (Kind::Rollback, 1)] {
            let begun = flip_on(&core, Kind::Upgrade, 2, share);
            let retried = flip_on(&core, Kind::Retry, 2, share);
            for release in [&begun, &retried] {
                assert_eq!((canary_of(release), release.version_for(|| Lot::NEVER)), (Some((30, 1, 2)), 1));
                assert_eq!((release.leaves(Kind::Promote), release.leaves(Kind::Rollback)), (1, 2));
            }
            assert_eq!(core.word(), retried.epoch | OBSERVED, "both sides are told");
            let ended = flip_to(&core, kind, end);
            assert_eq!((canary_of(&ended), ended.version_for(|| Lot::NEVER), core.word()), (None, end, ended.epoch));
            flip_to(&core, Kind::Rollback, 1);
        }
    }

    #[test]
    fn a_canary_to_a_lower_version_obliges_nobody_whom_it_did_not_take() {
        let core = Core::new("t".into(), &Lasting::new(3), Vec::new());
        let canary = flip_on(&core, Kind::Upgrade, 2, Terms { canary: Some(30), ..Terms::default() });
        let retried = flip_on(&core, Kind::Retry, 2, Terms::default());
        let back = flip_to(&core, Kind::Rollback, 3);
        assert_eq!(canary.lowest_since(1), 3);
        for release in [&retried, &back] {
            assert_eq!((release.lowest_since(1), release.lowest_since(2)), (3, 3));
        }
        flip_on(&core, Kind::Upgrade, 2, Terms { canary: Some(30), ..Terms::default() });
        assert_eq!(flip_to(&core, Kind::Promote, 2).lowest_since(back.epoch), 2);
    }

    #[test]
    fn a_restart_is_at_the_permanent_version_and_remembers_what_it_undid() {
        let core = Core::new("t".into(), &Lasting::new(1), Vec::new());
        flip_to(&core, Kind::Upgrade, 2);
        flip_to(&core, Kind::Commit, 2);
        let before = flip_to(&core, Kind::Upgrade, 3).lasting();
        let release = Release::first(&before, Arc::from("t"));
        assert_eq!((release.version, release.epoch, release.phase()), (2, 5, Phase::Permanent));
        assert!(release.was_undone(4) && !release.was_undone(2));
    }

    #[test]
    fn what_lasts_adds_up_if_nothing_in_it_is_to_come() {
        let now = Lasting { epoch: 5, ..Lasting::new(1) };
        assert!(now.adds_up() && Lasting { probation: Some(5), undone: vec![5], ..now.clone() }.adds_up());
        assert!(Lasting { epoch: LATEST - 1, ..now.clone() }.adds_up());
        for wrong in [
            Lasting { epoch: LATEST, ..now.clone() },
            Lasting { committed: 6, ..now.clone() },
            Lasting { rolled_back: 6, ..now.clone() },
            Lasting { probation: Some(6), ..now.clone() },
            Lasting { undone: vec![2, 6], ..now.clone() },
        ] {
            assert!(!wrong.adds_up(), "{wrong:?}");
        }
    }

    #[test]
    fn failures_count_for_the_release_that_they_are_of() {
        let core = Core::new("t".into(), &Lasting::new(1), Vec::new());
        let terms = Terms { rollback_after: Some(2), ..Terms::default() };
        let before = core.epoch();
        let now = flip_on(&core, Kind::Upgrade, 2, terms).epoch;
        let reached = [before, now, before, now, now].map(|epoch| core.count_failure(epoch));
        assert_eq!(reached, [false, false, false, true, false]);
    }

    #[test]
    fn what_was_kept_stays_kept_until_the_probation_ends() {
        let core = Core::new("t".into(), &Lasting::new(1), Vec::new());
        let keeping = Terms { keep_previous: true, ..Terms::default() };
        assert!(flip_on(&core, Kind::Upgrade, 2, keeping).terms.keep_previous);
        assert!(flip_to(&core, Kind::Upgrade, 3).terms.keep_previous);
        assert!(!flip_to(&core, Kind::Rollback, 1).terms.keep_previous);
        assert!(!flip_to(&core, Kind::Upgrade, 2).terms.keep_previous);
    }

    #[test]
    fn a_run_has_one_number_and_it_is_no_small_one() {
        assert_eq!(boot(), boot());
        // one in 2^48 runs has
        assert!(boot() > 1 << 16);
    }

    #[test]
    fn observing_changes_the_word_and_not_the_epoch() {
        let core = Core::new("t".into(), &Lasting::new(1), Vec::new());
        core.observe(|| true);
        assert_ne!(core.word(), core.release().epoch);
        flip_to(&core, Kind::Upgrade, 2);
        assert_eq!((core.observed(), core.epoch()), (true, 2));
        core.observe(|| false);
        assert_eq!(core.word(), 2);
    }
}
