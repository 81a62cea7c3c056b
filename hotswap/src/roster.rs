//! Who can be reached: the cells and fleets of one switch, by weak handles, and the order in which a sweep visits them.

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
#[cfg(feature = "remote")]
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Instant;

use serde::Serialize;
use tracing::Span;

use crate::canary::{Failure, Trial};
use crate::control::Outcome;
use crate::ledger::{Place, epoch_of};
use crate::line::Line;
use crate::machine::{Identity, Machine};
use crate::observe::{Observer, Sample, Timing, Watch};
use crate::post::Posts;
use crate::slot::{Alike, Home, Slot};
use crate::store::Store;
use crate::switch::Core;
use crate::sync::{AtomicU64, Bell, Mutex};
use crate::way::Stuck;
#[cfg(feature = "remote")]
use crate::{ConvertError, ConvertOptions, Converted};

/// How many cells share one entry of the roster.
const GROUP: usize = 64;

/// Brings in an image that has a version which is not here; or says why not.
pub(crate) type Find = Box<dyn Fn(&Sought<'_>) -> Result<Tried, String> + Send + Sync>;

/// The images that were tried before the one that came, and why each did not.
pub(crate) type Tried = Vec<String>;

/// A version that is not here.
#[cfg_attr(not(feature = "load"), allow(dead_code, reason = "only images are looked for"))]
pub(crate) struct Sought<'a> {
    pub(crate) machine: Identity,
    pub(crate) version: u32,
    pub(crate) shape: &'a str,
    /// The image that it was of, if that is known: another one may do different things.
    pub(crate) build: Option<&'a str>,
}

/// What every handle of one switch shares.
pub(crate) struct Shared<M: Machine> {
    pub(crate) core: Core,
    pub(crate) store: Option<Store>,
    pub(crate) line: Line<M>,
    pub(crate) roster: Roster<M>,
    pub(crate) observer: Observer,
    pub(crate) posts: Posts<M>,
    /// That of the last command, by its epoch, until it has settled.
    span: std::sync::Mutex<Option<(u64, Span)>>,
    /// Where to look for versions that are not here.
    pub(crate) find: Option<Find>,
    /// Rolls back when failures reach the operator's threshold; set by the layer that knows how.
    alarm: fn(&Shared<M>, epoch: u64),
}

impl<M: Machine> Shared<M> {
    pub(crate) fn new(
        core: Core,
        store: Option<Store>,
        line: Line<M>,
        find: Option<Find>,
        alarm: fn(&Self, u64),
    ) -> Self {
        Self {
            core,
            store,
            line,
            roster: Roster::default(),
            observer: Observer::default(),
            posts: Posts::default(),
            span: std::sync::Mutex::default(),
            find,
            alarm,
        }
    }

    /// Keeps the span of a command until it has settled. It may have by now: on other threads, or with nobody to move.
    pub(crate) fn begin_span(&self, epoch: u64, span: Span, settled: Option<&Outcome>) {
        let mut kept = self.kept_span();
        // what goes is dropped after the lock: whoever listens may come back here
        let gone =
            if kept.as_ref().is_some_and(|(other, _)| *other > epoch) { None } else { kept.replace((epoch, span)) };
        drop(kept);
        drop(gone);
        if let Some(outcome) = settled {
            self.end_span(outcome);
        } else if self.roster.swept.load(Ordering::Acquire) >= epoch {
            let outcome = self.core.control().outcome_at(epoch, &self.core.ledger.census());
            if let Some(outcome) = outcome {
                self.end_span(&outcome);
            }
        }
    }

    fn kept_span(&self) -> std::sync::MutexGuard<'_, Option<(u64, Span)>> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the span of the command that came to this.
    pub(crate) fn end_span(&self, outcome: &Outcome) {
        let mut kept = self.kept_span();
        let span = if kept.as_ref().is_some_and(|(epoch, _)| *epoch == outcome.epoch) { kept.take() } else { None };
        drop(kept);
        if let Some((_, span)) = span {
            span.record("live", outcome.live).record("moved", outcome.moved).record("stayed", outcome.stayed);
            span.record("held_back", outcome.held_back).record("gone", outcome.gone);
        }
    }

    /// Watches one step of an instance at this version and stamp, from its input to what comes of it.
    pub(crate) fn watch<'a>(
        &'a self,
        version: u32,
        stamp: u64,
        input: &'static str,
        value: &impl Serialize,
    ) -> Watch<'a> {
        let release = self.core.current();
        let canary = release.canary.as_ref().filter(|_| release.epoch == epoch_of(stamp));
        let watch = self.observer.see_input(&self.core.label, version, input, value);
        watch.timed(Timing {
            trial: canary.and_then(|canary| Trial::begin(canary, version)),
            sample: Sample::begin(&self.core, &self.observer, version),
        })
    }

    /// Counts a failed step of an instance at this version and stamp; the one that reaches the threshold rolls back.
    #[cold]
    pub(crate) fn failed(&self, version: u32, stamp: u64, how: Failure) {
        if self.core.tally(version, stamp, how) {
            self.reported(stamp);
        }
    }

    /// Counts a failure at this epoch, whoever saw it; the one that reaches the threshold rolls back.
    pub(crate) fn reported(&self, epoch: u64) {
        if self.core.count_failure(epoch) {
            (self.alarm)(self, epoch);
        }
    }
}

impl<M: Machine> fmt::Debug for Shared<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("core", &self.core).finish_non_exhaustive()
    }
}

/// How long a visitor waits for an instance that is in use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    None,
    Until(Instant),
    Forever,
}

/// How far a visit came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visit {
    Done,
    /// Go on from here.
    More(usize),
    /// Someone else uses it; try again from here.
    Busy(usize),
}

/// What a look at an instance does with it; `Break` ends the visit.
pub(crate) type Look<'a, M> = dyn FnMut(&mut Slot<M>, &mut dyn Home) -> ControlFlow<()> + 'a;

/// Who goes from instance to instance.
pub(crate) trait Visitor<M: Machine> {
    /// What it does with each, under its lock; `Break` lets the steps in before the next.
    fn visit(&mut self, slot: &mut Slot<M>, home: &mut dyn Home) -> ControlFlow<()>;
    /// How those in such a place are taken along who stand as the last one did, and at most how many now, if it need not look
    /// at each.
    fn alike(&mut self, _place: Place) -> Option<(Alike<'_, M>, usize)> {
        None
    }
    /// So many places were passed by in this way, and so many have moved; as [`visit`](Self::visit).
    fn went(&mut self, _places: usize, _moved: i64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    /// The one after them did not arrive.
    fn hold_back(&mut self, _slot: &mut Slot<M>, _home: &mut dyn Home, _stuck: &Stuck) {}
    /// The lock under which it visited the last ones is about to be let go.
    fn leave(&mut self) {}
}

/// A visitor that only looks at each.
pub(crate) struct Each<F>(pub(crate) F);

impl<M: Machine, F: FnMut(&mut Slot<M>, &mut dyn Home) -> ControlFlow<()>> Visitor<M> for Each<F> {
    fn visit(&mut self, slot: &mut Slot<M>, home: &mut dyn Home) -> ControlFlow<()> {
        self.0(slot, home)
    }
}

/// A cell or a fleet, as the roster sees it.
pub(crate) trait Reach<M: Machine>: Send + Sync {
    /// Into how many parts it falls that can be visited side by side.
    fn parts(&self) -> usize;
    /// How many of them one sweeper takes at a time.
    fn parts_a_task(&self) -> usize {
        1
    }
    /// Visits the instances of one part, each under its lock, from `cursor` on.
    fn visit(&self, part: usize, cursor: usize, patience: Patience, visitor: &mut dyn Visitor<M>) -> Visit;
    /// Looks at the instances of this name until a look breaks off: `None` if there is none, `Some(false)` if all
    /// stay in use.
    fn find(&self, who: &str, patience: Patience, look: &mut Look<'_, M>) -> Option<bool>;
    /// What reads and writes its files, if it is a fleet.
    #[cfg(feature = "remote")]
    fn files(self: Arc<Self>) -> Option<Box<dyn Files>> {
        None
    }
}

/// The files of one fleet, for whoever knows no type of keys.
#[cfg(feature = "remote")]
pub(crate) trait Files {
    /// As `Fleet::save`.
    fn save(&self, path: &Path) -> Result<crate::Saved, crate::SaveError>;
    /// As `Fleet::convert`.
    fn convert(&self, from: &Path, to: u32, out: &Path, on: &ConvertOptions) -> Result<Converted, ConvertError>;
}

/// A handful of cells, so that a switch with very many of them has a short roster. Each is a part of its own, and keeps
/// its place while it lives.
struct Group<M: Machine>(Mutex<Vec<Weak<dyn Reach<M>>>>);

impl<M: Machine> Group<M> {
    fn members(&self) -> Vec<Arc<dyn Reach<M>>> {
        self.0.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Takes a cell in, in the place of one that is gone if need be; false when it is full.
    fn take_in(&self, cell: &Weak<dyn Reach<M>>) -> bool {
        let mut members = self.0.lock();
        if members.len() < GROUP {
            members.push(Weak::clone(cell));
            return true;
        }
        let gone = members.iter_mut().find(|member| member.strong_count() == 0);
        gone.map(|place| *place = Weak::clone(cell)).is_some()
    }
}

impl<M: Machine> Reach<M> for Group<M> {
    fn parts(&self) -> usize {
        self.0.lock().len()
    }

    fn parts_a_task(&self) -> usize {
        GROUP
    }

    fn visit(&self, part: usize, cursor: usize, patience: Patience, visitor: &mut dyn Visitor<M>) -> Visit {
        let member = self.0.lock().get(part).and_then(Weak::upgrade);
        member.map_or(Visit::Done, |member| member.visit(0, cursor, patience, visitor))
    }

    fn find(&self, who: &str, patience: Patience, look: &mut Look<'_, M>) -> Option<bool> {
        let mut found = None;
        let mut enough = false;
        for member in self.members() {
            let visited = member.find(who, patience, &mut |slot, home| {
                let flow = look(slot, home);
                enough |= flow.is_break();
                flow
            });
            found = found.max(visited);
            if enough {
                break;
            }
        }
        found
    }
}

/// A part of a sweep's work.
pub(crate) struct Task<M: Machine> {
    pub(crate) reach: Weak<dyn Reach<M>>,
    /// The part it has come to, and where in it.
    pub(crate) part: usize,
    pub(crate) cursor: usize,
    /// The first part that is not its own.
    pub(crate) end: usize,
}

impl<M: Machine> Task<M> {
    /// On to the next part.
    pub(crate) fn go_on(&mut self) {
        self.part += 1;
        self.cursor = 0;
    }

    pub(crate) fn is_done(&self) -> bool {
        self.part >= self.end
    }

    /// Leaves the present part, from `cursor` on, to a task of its own.
    pub(crate) fn split_off(&mut self, cursor: usize) -> Self {
        let part = self.part;
        self.go_on();
        Self { reach: Weak::clone(&self.reach), part, cursor, end: part + 1 }
    }
}

/// What is left of the sweep of one epoch.
pub(crate) struct Work<M: Machine> {
    pub(crate) epoch: u64,
    pub(crate) tasks: VecDeque<Task<M>>,
    /// Tasks that someone has taken and not brought back.
    pub(crate) taken: usize,
}

/// The cells and fleets of one switch, and the sweep that goes through them.
pub(crate) struct Roster<M: Machine> {
    groups: Mutex<Vec<Arc<Group<M>>>>,
    fleets: Mutex<Vec<Weak<dyn Reach<M>>>>,
    pub(crate) work: Mutex<Work<M>>,
    /// Rings when a task is done, and at a flip.
    pub(crate) done: Bell,
    /// The last epoch whose sweep has gone through everything.
    pub(crate) swept: AtomicU64,
    names: AtomicU64,
}

impl<M: Machine> Default for Roster<M> {
    fn default() -> Self {
        Self {
            groups: Mutex::new(Vec::new()),
            fleets: Mutex::new(Vec::new()),
            work: Mutex::new(Work { epoch: 1, tasks: VecDeque::new(), taken: 0 }),
            done: Bell::default(),
            swept: AtomicU64::new(1),
            names: AtomicU64::new(1),
        }
    }
}

impl<M: Machine> Roster<M> {
    pub(crate) fn add_cell(&self, cell: Weak<dyn Reach<M>>) {
        let mut groups = self.groups.lock();
        if groups.last().is_some_and(|group| group.take_in(&cell)) {
            return;
        }
        if groups.len().is_power_of_two() {
            groups.retain(|group| group.0.lock().iter().any(|member| member.strong_count() > 0));
        }
        let mut members = Vec::with_capacity(GROUP);
        members.push(cell);
        groups.push(Arc::new(Group(Mutex::new(members))));
    }

    pub(crate) fn add_fleet(&self, fleet: Weak<dyn Reach<M>>) {
        let mut fleets = self.fleets.lock();
        fleets.retain(|fleet| fleet.strong_count() > 0);
        fleets.push(fleet);
    }

    /// A number for a cell that was given no name.
    pub(crate) fn next_name(&self) -> u64 {
        self.names.fetch_add(1, Ordering::Relaxed)
    }

    /// Everyone who can be reached now.
    pub(crate) fn all(&self) -> Vec<Arc<dyn Reach<M>>> {
        let groups: Vec<Arc<dyn Reach<M>>> =
            self.groups.lock().iter().map(|group| Arc::clone(group) as Arc<dyn Reach<M>>).collect();
        let fleets: Vec<_> = self.fleets.lock().iter().filter_map(Weak::upgrade).collect();
        groups.into_iter().chain(fleets).collect()
    }

    /// Wakes those who wait for the sweep to go on.
    pub(crate) fn ring(&self) {
        self.done.ring(&self.work);
    }

    /// How many tasks of the present sweep wait to be taken.
    pub(crate) fn tasks_left(&self) -> usize {
        self.work.lock().tasks.len()
    }

    /// The work of a sweep through these, from the start.
    pub(crate) fn tasks(all: &[Arc<dyn Reach<M>>]) -> VecDeque<Task<M>> {
        let tasks = |reach: &Arc<dyn Reach<M>>| {
            let (weak, parts, step) = (Arc::downgrade(reach), reach.parts(), reach.parts_a_task());
            let task = move |part| Task { reach: Weak::clone(&weak), part, cursor: 0, end: parts.min(part + step) };
            (0..parts).step_by(step).map(task)
        };
        all.iter().flat_map(tasks).collect()
    }
}
