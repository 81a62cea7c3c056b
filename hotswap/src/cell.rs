//! One instance that threads share.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;

use crate::canary::Lot;
use crate::encoded::{Encoded, EncodedError};
use crate::error::{EnterError, NotEntered, StepError, Why};
use crate::ledger::Place;
use crate::lock::{Busy, Lock};
use crate::machine::{Accepts, Machine};
use crate::roster::{Each, Look, Patience, Reach, Shared, Visit, Visitor};
use crate::slot::{Aside, Home, Slot};
use crate::way::drop_contained;

/// One instance shared by threads. A clone is another handle to the same instance.
///
/// Steps wait for each other, as with a mutex; a step that panics poisons the instance.
///
/// # Examples
///
/// With the counter of the [front page](crate):
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use counter::{Cell, Get, Tick, V1, Version};
///
/// let visits = Cell::new(V1 { count: 0 });
/// std::thread::scope(|scope| {
///     for _ in 0..2 {
///         scope.spawn(|| (0..100).for_each(|_| visits.step(Tick).expect("every version takes it")));
///     }
///     visits.admin().upgrade(Version::V2, "count ticks too")
/// })?;
/// assert_eq!(visits.step(Get)?, 200);
/// # Ok(())
/// # }
/// ```
pub struct Cell<M: Machine>(Arc<Inner<M>>);

/// On cache lines of its own, and what a step looks at first on them: a step waits for as few as there can be, and for no other
/// cell's.
#[repr(C, align(64))]
struct Inner<M: Machine> {
    shared: Arc<Shared<M>>,
    lock: Lock<Body<M>>,
    name: Name,
}

/// What a cell is called. One without a name of its own is written out only where it is asked for.
#[derive(Debug)]
enum Name {
    Given(Box<str>),
    Numbered(u64),
}

impl Name {
    const BEFORE_NUMBER: &str = "cell-";

    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Given(name) => Cow::Borrowed(name),
            Self::Numbered(number) => Cow::Owned(format!("{}{number}", Self::BEFORE_NUMBER)),
        }
    }

    fn is(&self, who: &str) -> bool {
        match self {
            Self::Given(name) => **name == *who,
            Self::Numbered(number) => {
                let number_of = |who: &str| who.strip_prefix(Self::BEFORE_NUMBER)?.parse().ok();
                // a number may be written in several ways, and is the name in one
                number_of(who) == Some(*number) && self.text() == who
            }
        }
    }
}

#[repr(C)]
struct Body<M: Machine> {
    /// Empty only until it has entered.
    slot: Option<Slot<M>>,
    aside: Option<Box<Aside>>,
}

struct CellHome<'a> {
    name: &'a Name,
    aside: &'a mut Option<Box<Aside>>,
}

impl Home for CellHome<'_> {
    fn place(&self) -> Place {
        Place::Cell
    }
    fn who(&self) -> Option<String> {
        Some(self.name.text().into_owned())
    }
    fn aside(&self) -> Option<&Aside> {
        self.aside.as_deref()
    }
    fn aside_mut(&mut self) -> &mut Aside {
        self.aside.get_or_insert_default()
    }
    fn clear_aside(&mut self) {
        *self.aside = None;
    }
}

impl<M: Machine> Cell<M> {
    /// Makes a cell on a switch. Without a name it is called `cell-1`, `cell-2` and so on.
    pub(crate) fn enter(
        shared: Arc<Shared<M>>,
        name: Option<String>,
        state: M::AnyState,
    ) -> Result<Self, EnterError<M::AnyState>> {
        let name = name.map_or_else(|| Name::Numbered(shared.roster.next_name()), |name| Name::Given(name.into()));
        let lock = Lock::new(Body { slot: None, aside: None });
        let inner = Arc::new(Inner { shared, lock, name });
        let Ok(mut body) = inner.lock.lock() else {
            let (to, why) = (inner.shared.core.release().version_for(|| Lot::NEVER), NotEntered::Reentered);
            return Err(EnterError { state: Some(state), to, why });
        };
        // on the roster first, so that a flip which comes after it has entered also finds it
        let reach = Arc::downgrade(&inner);
        inner.shared.roster.add_cell(reach);
        body.slot = Some(Slot::enter(&inner.shared, state, Place::Cell, || Lot::NEVER)?);
        drop(body);
        Ok(Self(inner))
    }

    /// Runs one step: the version that the switch names, or, if this instance is held back, its own.
    ///
    /// # Errors
    ///
    /// The input comes back if the version does not take it, if the instance is poisoned, or if the caller is inside a
    /// step of this very cell.
    ///
    /// # Panics
    ///
    /// If the step panics; the instance is poisoned then.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the registers that a call saves would hold up the lock: it waits for every store before it"
    )]
    pub fn step<I: Serialize>(&self, input: I) -> Result<<M as Accepts<I>>::Output, StepError<I>>
    where
        M: Accepts<I>,
    {
        match self.0.lock.lock() {
            Ok(mut body) => {
                let Body { slot: Some(slot), aside } = &mut *body else {
                    return Err(StepError { input, why: Why::Poisoned });
                };
                let output = slot.step(&self.0.shared, CellHome { name: &self.0.name, aside }, input)?;
                // before the output is written anywhere: to let go of the lock waits for all that was written before
                drop(body);
                Ok(output)
            }
            Err(Busy) => Err(StepError { input, why: Why::Reentered }),
        }
    }

    /// Runs one step of an input that is known only as one of the machine's.
    ///
    /// # Errors
    ///
    /// As [`Cell::step`].
    ///
    /// # Panics
    ///
    /// As [`Cell::step`].
    pub fn step_any(&self, input: M::AnyInput) -> Result<M::AnyOutput, StepError<M::AnyInput>> {
        match self.0.lock.lock() {
            Ok(mut body) => {
                let Body { slot: Some(slot), aside } = &mut *body else {
                    return Err(StepError { input, why: Why::Poisoned });
                };
                slot.step_any(&self.0.shared, &mut CellHome { name: &self.0.name, aside }, input)
            }
            Err(Busy) => Err(StepError { input, why: Why::Reentered }),
        }
    }

    /// Runs one step of an input that comes as bytes, and gives the output in the same format: for callers that lack the
    /// types, of a loaded version or of this one.
    ///
    /// # Errors
    ///
    /// As [`Cell::step`]; and when the bytes are no input of the machine's.
    ///
    /// # Panics
    ///
    /// As [`Cell::step`].
    pub fn step_encoded(&self, input: Encoded) -> Result<Encoded, EncodedError> {
        let not_taken = |input, why| EncodedError::NotTaken(StepError { input, why });
        match self.0.lock.lock() {
            Ok(mut body) => {
                let Body { slot: Some(slot), aside } = &mut *body else {
                    return Err(not_taken(input, Why::Poisoned));
                };
                slot.step_encoded(&self.0.shared, &mut CellHome { name: &self.0.name, aside }, input)
            }
            Err(Busy) => Err(not_taken(input, Why::Reentered)),
        }
    }

    /// Looks at the state as it is: of whatever version the instance runs, migrated to the present one first.
    ///
    /// `None` when called from inside a step of this cell, or when a panic lost the state.
    pub fn inspect<R>(&self, look: impl FnOnce(&M::AnyState) -> R) -> Option<R> {
        let mut body = self.0.lock.lock().ok()?;
        let Body { slot: Some(slot), aside } = &mut *body else {
            return None;
        };
        slot.arrive(&self.0.shared, &mut CellHome { name: &self.0.name, aside });
        slot.state().map(look)
    }

    /// The version that this instance runs.
    #[must_use]
    pub fn version(&self) -> Option<u32> {
        self.inspect(M::version_of)
    }

    /// What it is called where instances are named: in outcomes, and for `get_state`.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        self.0.name.text()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<M>> {
        &self.0.shared
    }
}

impl<M: Machine> Clone for Cell<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Machine> fmt::Debug for Cell<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell").field("name", &self.0.name.text()).field("switch", &self.0.shared.core.label).finish()
    }
}

impl<M: Machine> Drop for Inner<M> {
    fn drop(&mut self) {
        // nobody else has it any more, so the lock is free
        let Ok(mut body) = self.lock.lock() else {
            return;
        };
        let Body { slot: Some(slot), aside } = &mut *body else {
            return;
        };
        let state = slot.leave(&self.shared, &mut CellHome { name: &self.name, aside });
        drop(body);
        drop_contained(state);
    }
}

impl<M: Machine> Reach<M> for Inner<M> {
    fn parts(&self) -> usize {
        1
    }

    fn visit(&self, _: usize, cursor: usize, patience: Patience, visitor: &mut dyn Visitor<M>) -> Visit {
        match self.lock.lock_within(patience) {
            Ok(mut body) => {
                if let Body { slot: Some(slot), aside } = &mut *body {
                    let _: ControlFlow<()> = visitor.visit(slot, &mut CellHome { name: &self.name, aside });
                    visitor.leave();
                }
                Visit::Done
            }
            Err(Busy) => Visit::Busy(cursor),
        }
    }

    fn find(&self, who: &str, patience: Patience, look: &mut Look<'_, M>) -> Option<bool> {
        if !self.name.is(who) {
            return None;
        }
        let mut found = false;
        let mut each = Each(|slot: &mut Slot<M>, home: &mut dyn Home| {
            found = true;
            look(slot, home)
        });
        let visit = self.visit(0, 0, patience, &mut each);
        match visit {
            Visit::Busy(_) => Some(false),
            // one that has not entered is not there
            Visit::Done | Visit::More(_) => found.then_some(true),
        }
    }
}
