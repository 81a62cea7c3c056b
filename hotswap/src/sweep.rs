//! Bringing everyone who can be reached to the present release, in slices that let the steps in between.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::roster::{Patience, Shared, Task, Visit};

/// How long a lock is held before the steps that wait for it get their turn.
const TURN: Duration = Duration::from_micros(2);
/// How many instances are moved between two looks at the clock.
const BETWEEN_LOOKS: u32 = 8;

/// Whether a sweep has something left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// Everything that can be reached is at the present release, or held back.
    Idle,
    /// There is more, or other threads are still at it.
    More,
}

/// Sweeps a switch in slices, for hosts whose serving threads do it between requests.
///
/// Several may sweep at once; they share the work. A sweep ends by itself when the next release supersedes it.
pub struct Sweeper<M: Machine>(Arc<Shared<M>>);

impl<M: Machine> Sweeper<M> {
    pub(crate) fn new(shared: Arc<Shared<M>>) -> Self {
        Self(shared)
    }

    /// Whether there may be something to sweep: two loads.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.0.roster.swept.load(Ordering::Acquire) != self.0.core.epoch()
    }

    /// Sweeps for about so long, passing over instances that are in use. Inside a step it does nothing.
    #[must_use]
    pub fn slice(&self, budget: Duration) -> Swept {
        if !self.pending() {
            return Swept::Idle;
        }
        if crate::sync::inside() {
            return Swept::More;
        }
        let end = Instant::now() + budget;
        while turn(&self.0, Patience::None, end) == Turn::Worked && Instant::now() < end {}
        if self.pending() { Swept::More } else { Swept::Idle }
    }
}

impl<M: Machine> Clone for Sweeper<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Machine> fmt::Debug for Sweeper<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper").field("switch", &self.0.core.label).field("pending", &self.pending()).finish()
    }
}

/// Sweeps until everything that can be reached at `epoch` has been, the epoch is superseded, or the end.
pub(crate) fn to_the_end<M: Machine>(shared: &Shared<M>, epoch: u64, end: Option<Instant>) {
    let patience = end.map_or(Patience::Forever, Patience::Until);
    let over = || shared.core.epoch() != epoch || shared.roster.swept.load(Ordering::Acquire) == epoch;
    while !over() && end.is_none_or(|end| Instant::now() < end) {
        if turn(shared, patience, Instant::now() + TURN) == Turn::OthersAtIt {
            let ready = |work: &mut crate::roster::Work<M>| over() || !work.tasks.is_empty();
            shared.roster.done.wait(&shared.roster.work, ready, end);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Worked,
    Passed,
    OthersAtIt,
}

/// Takes one task of the present sweep and works on it for a turn.
fn turn<M: Machine>(shared: &Shared<M>, patience: Patience, end: Instant) -> Turn {
    let Some((epoch, task)) = take(shared) else {
        return Turn::OthersAtIt;
    };
    let Some(reach) = task.reach.upgrade() else {
        bring_back(shared, epoch, None);
        return Turn::Worked;
    };
    let end = end.min(Instant::now() + TURN);
    let mut moved = 0_u32;
    let visit = reach.visit(task.part, task.cursor, patience, &mut |slot, home| {
        if !slot.stale(shared) {
            return ControlFlow::Continue(());
        }
        slot.arrive(shared, home);
        moved += 1;
        if moved.is_multiple_of(BETWEEN_LOOKS) && Instant::now() >= end {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let rest = |cursor| Some(Task { cursor, ..task });
    match visit {
        Visit::Done => bring_back(shared, epoch, None),
        Visit::More(cursor) => bring_back(shared, epoch, rest(cursor)),
        Visit::Busy(cursor) => {
            bring_back(shared, epoch, rest(cursor));
            return Turn::Passed;
        }
    }
    Turn::Worked
}

/// The next task at the present epoch; an epoch's first call lists them.
fn take<M: Machine>(shared: &Shared<M>) -> Option<(u64, Task<M>)> {
    let mut work = shared.roster.work.lock();
    let epoch = shared.core.release().epoch;
    if work.epoch < epoch {
        work.epoch = epoch;
        work.tasks = shared.roster.tasks();
        work.taken = 0;
    }
    let task = work.tasks.pop_front();
    if let Some(task) = task {
        work.taken += 1;
        Some((epoch, task))
    } else {
        let nothing_left = work.taken == 0;
        drop(work);
        if nothing_left {
            finish(shared, epoch);
        }
        None
    }
}

/// Ends a turn at a task; what is left of it goes to the back of the queue.
fn bring_back<M: Machine>(shared: &Shared<M>, epoch: u64, rest: Option<Task<M>>) {
    let mut work = shared.roster.work.lock();
    if work.epoch != epoch {
        return;
    }
    work.taken -= 1;
    work.tasks.extend(rest);
    let over = work.tasks.is_empty() && work.taken == 0;
    drop(work);
    if over {
        finish(shared, epoch);
    }
    shared.roster.ring();
}

fn finish<M: Machine>(shared: &Shared<M>, epoch: u64) {
    let mut control = shared.core.control();
    if shared.roster.swept.load(Ordering::Acquire) < epoch {
        let census = shared.core.ledger.census();
        control.settle(epoch, &census);
        // last, so that who sees it also sees the settled outcome
        shared.roster.swept.store(epoch, Ordering::Release);
    }
    drop(control);
    shared.roster.ring();
}
