//! What was commanded and what came of it: outcomes, who is held back, the audit, subscribers.
//!
//! Plain records, kept under the control lock; nothing here waits or calls what the user wrote.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError, sync_channel};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::ledger::{Census, Place};
use crate::record::{Asked, Command, Counts, Record};
use crate::switch::{Lasting, Next, Phase, Release, Terms};

const OUTCOMES_KEPT: usize = 4096;
const HELD_NAMED: usize = 1000;
const AUDIT_KEPT: usize = 1024;
const EVENTS_BUFFERED: usize = 1024;

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The program started.
    Start,
    /// To another version, on probation.
    Upgrade,
    /// The version that runs becomes permanent.
    Commit,
    /// Back to the permanent version.
    Rollback,
    /// A canary's version for everybody, still on probation.
    Promote,
    /// The held back of an earlier command are tried again; the outcome goes on as that command's.
    Retry,
}

impl Kind {
    /// In one word.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Upgrade => "upgrade",
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::Promote => "promote",
            Self::Retry => "retry",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An instance that still runs its version because its migration failed, or that a panic poisoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// Its key in a fleet, or its cell's name; owned instances are counted, never named.
    pub who: String,
    /// Where it lives.
    pub place: Place,
    /// The version it still runs; 0 if its state was lost to a panic in a moving migration.
    pub version: u32,
    /// What its migration said, or that a step panicked.
    pub reason: String,
    /// A step panicked: it takes no input until its state is replaced.
    pub poisoned: bool,
}

/// What came of a command. It accounts for every instance that was live at the flip:
/// `moved + stayed + held_back + gone + not_reached == live`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The command's id: the one that was given, or `boot-epoch`.
    pub id: String,
    /// What was commanded.
    pub kind: Kind,
    /// The version before.
    pub from: u32,
    /// The version after.
    pub to: u32,
    /// The epoch that the command made; that of the present release when nothing was done.
    pub epoch: u64,
    /// Why, in the operator's words.
    pub reason: String,
    /// Whether it changed anything: false for an upgrade to the version that runs.
    pub done: bool,
    /// Instances live at the flip.
    pub live: u64,
    /// Those that arrived.
    pub moved: u64,
    /// Those that a canary left at the version before; 0 of any other command.
    #[serde(default)]
    pub stayed: u64,
    /// Those that could not.
    pub held_back: u64,
    /// Those that were dropped before they arrived.
    pub gone: u64,
    /// Those that nothing has touched yet: owned, leaked, or not swept so far.
    pub not_reached: u64,
    /// Whether all that a sweep can reach has been reached.
    pub settled: bool,
    /// The id of the command that ended this one's epoch, if one has.
    pub superseded_by: Option<String>,
    /// The first 1,000 of the held back that have a name.
    pub held: Vec<HeldBack>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.done {
            return write!(f, "version {} runs already; nothing was done", self.to);
        }
        write!(
            f,
            "{} {} -> {}: {} live, {} moved, {} held back, {} gone, {} not reached",
            self.kind, self.from, self.to, self.live, self.moved, self.held_back, self.gone, self.not_reached
        )?;
        if self.stayed > 0 {
            write!(f, ", {} stayed", self.stayed)?;
        }
        if !self.settled {
            f.write_str(", not settled")?;
        }
        for held in self.held.iter().take(10) {
            write!(f, "\n  {} stays at version {}: {}", held.who, held.version, held.reason)?;
        }
        Ok(())
    }
}

/// A change or refusal, as the audit keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number; numbers have no gaps, so a missing one was overwritten.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The epoch at which it stands.
    pub epoch: u64,
    /// What was done or asked for.
    pub what: String,
    /// Why: the operator's reason, or that of the refusal.
    pub why: String,
    /// Who asked for it and from where, as the command's options said; empty if they did not, or nobody asked.
    pub by: String,
}

/// The last changes and refusals of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// What was done, the oldest first.
    pub changes: Vec<Entry>,
    /// How many older changes are no longer kept.
    pub changes_lost: u64,
    /// What was refused, the oldest first.
    pub refusals: Vec<Entry>,
    /// How many older refusals are no longer kept.
    pub refusals_lost: u64,
}

/// Something that happened to a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Event {
    /// Another release is in force.
    Flip {
        /// Its epoch.
        epoch: u64,
        /// What made it.
        kind: Kind,
        /// The version before.
        from: u32,
        /// The version that runs now.
        to: u32,
        /// Whether it may still be rolled back.
        phase: Phase,
        /// The command's id.
        id: String,
    },
    /// A command has settled, or was superseded.
    Outcome(Box<Outcome>),
    /// So many events were not delivered, because the receiver was too slow.
    Lost(u64),
}

/// Events of a switch, from the moment of subscribing.
///
/// # Examples
///
/// With the counter of the [front page](crate):
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use counter::{Cell, V1, Version};
/// use hotswap::Event;
///
/// let visits = Cell::new(V1 { count: 5 });
/// let events = visits.admin().subscribe();
/// visits.admin().upgrade(Version::V2, "reset is wanted")?;
/// assert!(matches!(events.try_next(), Some(Event::Flip { to: 2, .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Events(Receiver<Event>);

impl Events {
    /// The next event, if one is there.
    #[must_use]
    pub fn try_next(&self) -> Option<Event> {
        self.0.try_recv().ok()
    }

    /// Waits for the next event; `None` when the switch is gone.
    #[must_use]
    pub fn next(&self) -> Option<Event> {
        self.0.recv().ok()
    }

    /// Waits for the next event for so long.
    ///
    /// # Errors
    ///
    /// Whether the time ran out or the switch is gone.
    pub fn next_within(&self, limit: Duration) -> Result<Event, RecvTimeoutError> {
        self.0.recv_timeout(limit)
    }
}

/// What became of an event that someone was to be told.
#[cfg_attr(not(feature = "remote"), allow(unreachable_pub, reason = "only `remote` says of others how they are told"))]
pub enum Told {
    /// It is on its way.
    Yes,
    /// Nobody has time for it now.
    Full,
    /// Nobody is there any more.
    Gone,
}

/// Takes in an event. It runs under the control lock: it does not wait, and calls nothing of the user's.
pub(crate) type Tell = Box<dyn Fn(Event) -> Told + Send>;

struct Subscriber {
    to: Tell,
    lost: u64,
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Subscriber {
    /// Whether the receiver is still there.
    fn tell(&mut self, event: &Event) -> bool {
        if self.lost > 0 && matches!((self.to)(Event::Lost(self.lost)), Told::Yes) {
            self.lost = 0;
        }
        match (self.to)(event.clone()) {
            Told::Yes => true,
            Told::Full => {
                self.lost += 1;
                true
            }
            Told::Gone => false,
        }
    }
}

/// What an entry of the audit tells, put into words when somebody reads it.
#[derive(Debug)]
enum What {
    Said(String),
    Flip { kind: Kind, from: u32, to: u32, percent: Option<u8> },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(what) => f.write_str(what),
            Self::Flip { kind, from, to, percent: None } => write!(f, "{kind} {from} -> {to}"),
            Self::Flip { kind, from, to, percent: Some(percent) } => {
                write!(f, "{kind} {from} -> {to} for {percent} percent")
            }
        }
    }
}

/// An entry as it is kept.
#[derive(Debug)]
struct Line {
    at_ms: u64,
    epoch: u64,
    what: What,
    why: Arc<str>,
    by: String,
}

/// The last entries of a numbered series.
#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Line>,
    next: u64,
}

impl Ring {
    fn push(&mut self, epoch: u64, what: What, why: Arc<str>, by: String) {
        let at_ms = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
        if self.lines.len() == AUDIT_KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { at_ms, epoch, what, why, by });
        self.next += 1;
    }

    fn entries(&self) -> Vec<Entry> {
        let entry = |(number, line): (u64, &Line)| Entry {
            number,
            at_ms: line.at_ms,
            epoch: line.epoch,
            what: line.what.to_string(),
            why: String::from(&*line.why),
            by: line.by.clone(),
        };
        (self.lost()..).zip(&self.lines).map(entry).collect()
    }

    fn lost(&self) -> u64 {
        self.next - self.lines.len() as u64
    }
}

/// The records of one switch.
#[derive(Debug)]
pub(crate) struct Control {
    records: VecDeque<Record>,
    held: Vec<HeldBack>,
    ran: Vec<u32>,
    pending: Option<Arc<str>>,
    changes: Ring,
    refusals: Ring,
    subscribers: Vec<Subscriber>,
    /// Whether steps are traced or counted.
    pub(crate) observed: bool,
}

impl Control {
    /// The records of a run that goes on where `before` and its `commands` ended; none of either at the very first.
    pub(crate) fn new(before: &Lasting, release: &Release, commands: Vec<Command>) -> Self {
        let mut changes = Ring::default();
        let undone = before.probation.map(|_| format!("version {} was not committed", before.version));
        let why: Arc<str> = undone.unwrap_or_default().into();
        let start = What::Said(format!("start at version {}", release.version));
        changes.push(release.epoch, start, Arc::clone(&why), String::new());
        let mut records: VecDeque<Record> = commands.into_iter().map(Record::from).collect();
        let mut ran = vec![release.version];
        for version in records.iter().flat_map(|record| [record.from, record.to]) {
            if !ran.contains(&version) {
                ran.push(version);
            }
        }
        if before.epoch > 0 {
            // a start that undid nothing and after which nothing came is told no longer: starts alone do not push out commands
            let idle = |last: &Record| last.kind == Kind::Start && last.reason.is_empty();
            if records.back().is_some_and(idle) {
                records.pop_back();
            }
            while records.len() >= OUTCOMES_KEPT {
                records.pop_front();
            }
            if let Some(last) = records.back_mut() {
                last.superseded_by = Some(Arc::clone(&release.id));
            }
            let start = Next {
                kind: Kind::Start,
                version: release.version,
                id: Arc::clone(&release.id),
                reason: &why,
                by: "",
                terms: Terms::default(),
            };
            let asked = Asked { kind: Kind::Start, to: release.version, what: "start".into() };
            records.push_back(Record::begun(&start, asked, before.version, release.epoch, 0));
        }
        Self {
            records,
            held: Vec::new(),
            ran,
            pending: None,
            changes,
            refusals: Ring::default(),
            subscribers: Vec::new(),
            observed: false,
        }
    }

    /// Closes the account of the present epoch.
    pub(crate) fn seal(&mut self, census: &Census) {
        if let Some(record) = self.records.back_mut().filter(|record| record.epoch == census.epoch) {
            record.counts = Counts::of(census);
            record.held.clone_from(&self.held);
        }
    }

    /// Opens the account of the next epoch; `asked` is what its command asked for.
    pub(crate) fn open(&mut self, next: &Next<'_>, asked: Asked, last: &Release, release: &Release, census: &Census) {
        let goes_on = self.records.back().is_some_and(|record| record.id == next.id);
        if let Some(record) = self.records.back_mut().filter(|_| !goes_on) {
            record.superseded_by = Some(Arc::clone(&next.id));
            if !record.settled {
                self.tell_of_the_last();
            }
        }
        self.held.retain(|held| held.poisoned);
        let from = last.leaves(next.kind);
        let begun = Record::begun(next, asked, from, release.epoch, census.live());
        let reason = Arc::clone(&begun.reason);
        if let Some(record) = self.records.back_mut().filter(|_| goes_on) {
            record.tried_again(begun);
        } else {
            if self.records.len() == OUTCOMES_KEPT {
                self.records.pop_front();
            }
            self.records.push_back(begun);
        }
        if !self.ran.contains(&next.version) {
            self.ran.push(next.version);
        }
        let percent = release.canary.as_ref().map(|canary| canary.percent);
        let what = What::Flip { kind: next.kind, from, to: next.version, percent };
        self.changes.push(release.epoch, what, reason, next.by.to_owned());
        self.tell(|_| Event::Flip {
            epoch: release.epoch,
            kind: next.kind,
            from,
            to: next.version,
            phase: release.phase(),
            id: String::from(&*next.id),
        });
        if self.records.back().is_some_and(|record| record.settled) {
            self.tell_of_the_last();
        }
    }

    fn live_outcome(&self, census: &Census) -> Option<Outcome> {
        let record = self.records.back().filter(|record| record.epoch == census.epoch)?;
        Some(record.outcome_by(Counts::of(census), self.held.clone()))
    }

    /// The outcome of the command that made this epoch, if that is the present one.
    pub(crate) fn outcome_at(&self, epoch: u64, census: &Census) -> Option<Outcome> {
        self.live_outcome(census).filter(|outcome| outcome.epoch == epoch)
    }

    /// The outcome of a command; the present one's with the numbers of this census.
    pub(crate) fn outcome(&self, id: &str, census: &Census) -> Option<Outcome> {
        let record = self.records.iter().rev().find(|record| *record.id == *id)?;
        self.live_outcome(census).filter(|live| live.id == id).or_else(|| Some(record.outcome()))
    }

    pub(crate) fn outcomes(&self, census: &Census) -> Vec<Outcome> {
        let live = self.live_outcome(census);
        let replaced = usize::from(live.is_some());
        let sealed = self.records.iter().take(self.records.len() - replaced).map(Record::outcome);
        sealed.chain(live).collect()
    }

    /// The commands that are kept, the oldest first, with the present one's numbers of this census.
    pub(crate) fn commands(&self, census: &Census) -> Vec<Command> {
        let mut commands: Vec<_> = self.records.iter().map(Record::command).collect();
        if let (Some(last), Some(live)) = (commands.last_mut(), self.live_outcome(census)) {
            last.outcome = live;
        }
        commands
    }

    pub(crate) fn was_asked(&self, id: &str) -> Option<&Asked> {
        self.records.iter().rev().find(|record| *record.id == *id).map(|record| &record.asked)
    }

    /// Everything that can be reached at this epoch has been; the outcome, the first time that this is said.
    pub(crate) fn settle(&mut self, epoch: u64, census: &Census) -> Option<Outcome> {
        let present = self.records.back_mut().filter(|record| record.epoch == epoch && !record.settled)?;
        if census.epoch != epoch {
            return None;
        }
        present.settled = true;
        let outcome = self.live_outcome(census)?;
        self.tell(|_| Event::Outcome(Box::new(outcome.clone())));
        Some(outcome)
    }

    pub(crate) fn hold(&mut self, held: HeldBack) {
        self.held.retain(|other| other.who != held.who || other.place != held.place);
        if self.held.len() < HELD_NAMED {
            self.held.push(held);
        }
    }

    pub(crate) fn release(&mut self, place: Place, who: &str) {
        self.held.retain(|held| held.place != place || held.who != who);
    }

    pub(crate) fn held(&self) -> &[HeldBack] {
        &self.held
    }

    pub(crate) fn has_run(&self, version: u32) -> bool {
        self.ran.contains(&version)
    }

    pub(crate) fn pending(&self) -> Option<&Arc<str>> {
        self.pending.as_ref()
    }

    pub(crate) fn begin(&mut self, id: Arc<str>) {
        self.pending = Some(id);
    }

    /// Ends a command, unless another has taken its place.
    pub(crate) fn end(&mut self, id: &str) {
        if self.pending.as_deref() == Some(id) {
            self.pending = None;
        }
    }

    pub(crate) fn changed(&mut self, epoch: u64, what: String, by: &str) {
        self.changes.push(epoch, What::Said(what), Arc::default(), by.to_owned());
    }

    pub(crate) fn refused(&mut self, epoch: u64, what: String, why: String, by: &str) {
        self.refusals.push(epoch, What::Said(what), why.into(), by.to_owned());
    }

    pub(crate) fn audit(&self) -> Audit {
        Audit {
            changes: self.changes.entries(),
            changes_lost: self.changes.lost(),
            refusals: self.refusals.entries(),
            refusals_lost: self.refusals.lost(),
        }
    }

    pub(crate) fn subscribe(&mut self) -> Events {
        let (to, events) = sync_channel(EVENTS_BUFFERED);
        self.tell_to(Box::new(move |event| match to.try_send(event) {
            Ok(()) => Told::Yes,
            Err(TrySendError::Full(_)) => Told::Full,
            Err(TrySendError::Disconnected(_)) => Told::Gone,
        }));
        Events(events)
    }

    /// Tells of flips and outcomes from now on.
    pub(crate) fn tell_to(&mut self, to: Tell) {
        self.subscribers.push(Subscriber { to, lost: 0 });
    }

    /// When an epoch began, in milliseconds since 1970, if the audit still knows.
    #[cfg(feature = "remote")]
    pub(crate) fn began(&self, epoch: u64) -> Option<u64> {
        let lines = &self.changes.lines;
        let at = lines.partition_point(|line| line.epoch < epoch);
        let first = lines.get(at).filter(|line| line.epoch == epoch)?;
        // the first that is kept of an epoch need not be the flip
        (at > 0 || self.changes.lost() == 0).then_some(first.at_ms)
    }

    fn tell_of_the_last(&mut self) {
        self.tell(|records| {
            let last = records.back().expect("there is one");
            Event::Outcome(Box::new(last.outcome()))
        });
    }

    /// Tells all subscribers; of what, is made only if there are any.
    fn tell(&mut self, event: impl FnOnce(&VecDeque<Record>) -> Event) {
        if self.subscribers.is_empty() {
            return;
        }
        let event = event(&self.records);
        self.subscribers.retain_mut(|subscriber| subscriber.tell(&event));
    }
}
