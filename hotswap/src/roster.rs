//! Who can be reached: the cells and fleets of one switch, by weak handles, and the order in which a sweep visits them.

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::machine::Machine;
use crate::observe::Observer;
use crate::slot::{Home, Slot};
use crate::switch::Core;
use crate::sync::{AtomicU64, Bell, Mutex};
use crate::way::Line;

/// How many cells share one entry of the roster.
const GROUP: usize = 64;

/// What every handle of one switch shares.
pub(crate) struct Shared<M: Machine> {
    pub(crate) core: Core,
    pub(crate) line: Line<M>,
    pub(crate) roster: Roster<M>,
    pub(crate) observer: Observer,
    /// Rolls back when failures reach the operator's threshold; set by the layer that knows how.
    alarm: fn(&Shared<M>, epoch: u64),
}

impl<M: Machine> Shared<M> {
    pub(crate) fn new(label: String, version: u32, alarm: fn(&Self, u64)) -> Self {
        Self {
            core: Core::new(label, version),
            line: Line::new(),
            roster: Roster::default(),
            observer: Observer::default(),
            alarm,
        }
    }

    /// Counts a failed step; the one that reaches the threshold rolls back.
    #[cold]
    pub(crate) fn failed(&self, epoch: u64) {
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

/// What a visitor does with each instance; `Break` lets the steps in before the next.
pub(crate) type Visitor<'a, M> = dyn FnMut(&mut Slot<M>, &mut dyn Home) -> ControlFlow<()> + 'a;

/// A cell or a fleet, as the roster sees it.
pub(crate) trait Reach<M: Machine>: Send + Sync {
    /// Into how many parts it falls that can be visited side by side.
    fn parts(&self) -> usize;
    /// Visits the instances of one part, each under its lock, from `cursor` on.
    fn visit(&self, part: usize, cursor: usize, patience: Patience, visitor: &mut Visitor<'_, M>) -> Visit;
    /// Visits the instance of this name: `None` if there is none, `Some(false)` if it stays in use.
    fn find(&self, who: &str, patience: Patience, visitor: &mut Visitor<'_, M>) -> Option<bool>;
}

/// A handful of cells, so that a switch with very many of them has a short roster.
struct Group<M: Machine>(Mutex<Vec<Weak<dyn Reach<M>>>>);

impl<M: Machine> Group<M> {
    fn members(&self) -> Vec<Arc<dyn Reach<M>>> {
        self.0.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

impl<M: Machine> Reach<M> for Group<M> {
    fn parts(&self) -> usize {
        1
    }

    fn visit(&self, _: usize, cursor: usize, patience: Patience, visitor: &mut Visitor<'_, M>) -> Visit {
        for (i, member) in self.members().iter().enumerate().skip(cursor) {
            let mut stop = false;
            let mut once = |slot: &mut Slot<M>, home: &mut dyn Home| {
                stop = visitor(slot, home).is_break();
                ControlFlow::Continue(())
            };
            if let Visit::Busy(_) = member.visit(0, 0, patience, &mut once) {
                return Visit::Busy(i);
            }
            if stop {
                return Visit::More(i + 1);
            }
        }
        Visit::Done
    }

    fn find(&self, who: &str, patience: Patience, visitor: &mut Visitor<'_, M>) -> Option<bool> {
        self.members().iter().find_map(|member| member.find(who, patience, visitor))
    }
}

/// A part of a sweep's work.
pub(crate) struct Task<M: Machine> {
    pub(crate) reach: Weak<dyn Reach<M>>,
    pub(crate) part: usize,
    pub(crate) cursor: usize,
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
        let full = match groups.last() {
            Some(group) => {
                let mut members = group.0.lock();
                if members.len() == GROUP {
                    members.retain(|member| member.strong_count() > 0);
                }
                members.len() == GROUP
            }
            None => true,
        };
        if full {
            if groups.len().is_power_of_two() {
                groups.retain(|group| group.0.lock().iter().any(|member| member.strong_count() > 0));
            }
            groups.push(Arc::new(Group(Mutex::new(Vec::with_capacity(GROUP)))));
        }
        if let Some(group) = groups.last() {
            group.0.lock().push(cell);
        }
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

    /// The work of a sweep, from the start.
    pub(crate) fn tasks(&self) -> VecDeque<Task<M>> {
        let parts = |reach: &Arc<dyn Reach<M>>| {
            let weak = Arc::downgrade(reach);
            (0..reach.parts()).map(move |part| Task { reach: Weak::clone(&weak), part, cursor: 0 })
        };
        self.all().iter().flat_map(parts).collect()
    }
}
