//! One live state that one owner has.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::canary::Lot;
use crate::encoded::{Encoded, EncodedError};
use crate::error::{EnterError, StepError};
use crate::ledger::Place;
use crate::machine::{Accepts, Machine};
use crate::roster::Shared;
use crate::slot::{self, Aside, Home, Housed, Slot};

/// One instance that its owner steps, without a lock.
///
/// # Examples
///
/// With the counter of the [front page](crate):
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use counter::{Get, Switch, Tick, V1, Version};
///
/// let switch = Switch::builder().starting_at(Version::V1).build()?;
/// let mut visits = switch.instance(V1 { count: 41 })?;
/// switch.admin().upgrade(Version::V2, "count ticks too")?;
///
/// // nothing reaches it but its owner: it moves when that steps it, or asks
/// assert_eq!(visits.version(), 1);
/// visits.step(Tick)?;
/// assert_eq!(visits.version(), 2);
/// assert_eq!(visits.step(Get)?, 42);
/// # Ok(())
/// # }
/// ```
pub struct Instance<M: Machine> {
    slot: Slot<M>,
    shared: Arc<Shared<M>>,
    aside: Option<Box<Aside>>,
}

/// Where it keeps what few have.
pub(crate) struct Owned<'a>(pub(crate) &'a mut Option<Box<Aside>>);

impl Home for Owned<'_> {
    fn place(&self) -> Place {
        Place::Owned
    }
    fn who(&self) -> Option<String> {
        None
    }
    fn aside(&self) -> Option<&Aside> {
        self.0.as_deref()
    }
    fn aside_mut(&mut self) -> &mut Aside {
        self.0.get_or_insert_default()
    }
    fn clear_aside(&mut self) {
        *self.0 = None;
    }
}

impl<M: Machine> Housed<M> for &mut Instance<M> {
    #[inline]
    fn parts(&mut self) -> (&mut Slot<M>, &Shared<M>, impl Home) {
        (&mut self.slot, &self.shared, Owned(&mut self.aside))
    }
}

/// For the slab, in which many stand side by side.
impl<M: Machine> Instance<M> {
    pub(crate) fn enter(shared: &Arc<Shared<M>>, state: M::AnyState) -> Result<Self, EnterError<M::AnyState>> {
        let slot = Slot::enter(shared, state, Place::Owned, || Lot::NEVER)?;
        Ok(Self { slot, shared: Arc::clone(shared), aside: None })
    }

    /// One that is live and counted already.
    pub(crate) fn of(shared: Arc<Shared<M>>, slot: Slot<M>, aside: Option<Box<Aside>>) -> Self {
        Self { slot, shared, aside }
    }

    /// What it is without its switch; it goes on being live and counted.
    pub(crate) fn into_parts(mut self) -> (Slot<M>, Option<Box<Aside>>) {
        (self.slot.take(), self.aside.take())
    }
}

impl<M: Machine> Instance<M> {
    /// Runs one step: the version that the switch names, or, if this instance is held back, its own.
    ///
    /// # Errors
    ///
    /// The input comes back if the version does not take it, or the instance is poisoned.
    ///
    /// # Panics
    ///
    /// If the step panics; the instance is poisoned then.
    #[inline]
    pub fn step<I: Serialize>(&mut self, input: I) -> Result<<M as Accepts<I>>::Output, StepError<I>>
    where
        M: Accepts<I>,
    {
        slot::step(self, input)
    }

    /// Runs one step of an input that is known only as one of the machine's.
    ///
    /// # Errors
    ///
    /// As [`Instance::step`].
    ///
    /// # Panics
    ///
    /// As [`Instance::step`].
    pub fn step_any(&mut self, input: M::AnyInput) -> Result<M::AnyOutput, StepError<M::AnyInput>> {
        self.slot.step_any(&self.shared, &mut Owned(&mut self.aside), input)
    }

    /// Runs one step of an input that comes as bytes, and gives the output in the same format: for callers that lack the
    /// types, of a loaded version or of this one.
    ///
    /// # Errors
    ///
    /// As [`Instance::step`]; and when the bytes are no input of the machine's.
    ///
    /// # Panics
    ///
    /// As [`Instance::step`].
    pub fn step_encoded(&mut self, input: Encoded) -> Result<Encoded, EncodedError> {
        self.slot.step_encoded(&self.shared, &mut Owned(&mut self.aside), input)
    }

    /// Why it is held back: what its migration said, or that a step panicked. `None` while it is not.
    #[must_use]
    pub fn held_back(&mut self) -> Option<String> {
        self.refresh();
        self.slot.held_back(&self.shared, &Owned(&mut self.aside))
    }

    /// Moves it to the present release now, if it is not there, or holds it back.
    pub fn refresh(&mut self) {
        if self.slot.stale(&self.shared) {
            self.slot.arrive(&self.shared, &mut Owned(&mut self.aside));
        }
    }

    /// The state as it is, of whatever version; `None` if a panic in a moving migration lost it.
    #[must_use]
    pub fn state(&self) -> Option<&M::AnyState> {
        self.slot.state()
    }

    /// The version that it runs now; the switch may have moved on.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.slot.version()
    }

    /// Ends the instance and gives its state back.
    #[must_use]
    pub fn into_state(mut self) -> Option<M::AnyState> {
        self.end()
    }

    fn end(&mut self) -> Option<M::AnyState> {
        self.slot.leave(&self.shared, &mut Owned(&mut self.aside))
    }
}

impl<M: Machine> Drop for Instance<M> {
    fn drop(&mut self) {
        let state = self.end();
        drop(state);
    }
}

impl<M: Machine> fmt::Debug for Instance<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("switch", &self.shared.core.label)
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}
