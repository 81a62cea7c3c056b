//! One live state that one owner has.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::encoded::{Encoded, EncodedError};
use crate::error::{EnterError, StepError};
use crate::ledger::{Place, has_come};
use crate::machine::{Accepts, Machine};
use crate::post::Post;
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
    /// As that of a [`Slot`].
    state: Option<M::AnyState>,
    post: Arc<Post<M>>,
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
    fn is_current(&self) -> bool {
        self.post.stamp == self.post.shared.core.word()
    }
    #[inline]
    fn state(&mut self) -> Option<&mut M::AnyState> {
        self.state.as_mut()
    }
    fn stamp(&self) -> u64 {
        self.post.stamp
    }
    fn shared(&self) -> &Shared<M> {
        &self.post.shared
    }
    fn with<R>(&mut self, rare: impl FnOnce(&mut Slot<M>, &Shared<M>, &mut dyn Home) -> R) -> R {
        Instance::with(self, rare)
    }
    fn arrive(&mut self) -> bool {
        Instance::arrive(self)
    }
}

/// An instance's parts as what is rare needs them. What becomes of them is the instance's again, whatever panics meanwhile.
struct Lent<'a, M: Machine> {
    slot: Slot<M>,
    aside: Option<Box<Aside>>,
    state: &'a mut Option<M::AnyState>,
    post: &'a mut Arc<Post<M>>,
}

impl<M: Machine> Drop for Lent<'_, M> {
    fn drop(&mut self) {
        let (state, stamp) = self.slot.take().into_parts();
        *self.state = state;
        Post::go_to(self.post, stamp, self.aside.take());
    }
}

impl<M: Machine> Instance<M> {
    pub(crate) fn enter(shared: &Arc<Shared<M>>, state: M::AnyState) -> Result<Self, EnterError<M::AnyState>> {
        let slot = Slot::enter_owned(shared, state)?;
        Ok(Self::of(shared, slot, None))
    }

    /// One that is live and counted already.
    pub(crate) fn of(shared: &Arc<Shared<M>>, slot: Slot<M>, aside: Option<Box<Aside>>) -> Self {
        let (state, stamp) = slot.into_parts();
        Self { state, post: Post::of(shared, stamp, aside) }
    }

    /// Another one, that is live and counted already, of the same switch.
    pub(crate) fn beside(&self, slot: Slot<M>, aside: Option<Box<Aside>>) -> Self {
        let (state, stamp) = slot.into_parts();
        Self { state, post: Post::beside(&self.post, stamp, aside) }
    }

    /// As [`Slot::arrive`]. Who is held back, or observed, is there already, and is not made a slot of for each step.
    fn arrive(&mut self) -> bool {
        has_come(self.post.stamp, self.post.shared.core.epoch()) || self.with(Slot::arrive)
    }

    fn with<R>(&mut self, rare: impl FnOnce(&mut Slot<M>, &Shared<M>, &mut dyn Home) -> R) -> R {
        let slot = Slot::standing_at(self.state.take(), self.post.stamp);
        let aside = Post::take_aside(&mut self.post);
        let mut lent = Lent { slot, aside, state: &mut self.state, post: &mut self.post };
        rare(&mut lent.slot, &lent.post.shared, &mut Owned(&mut lent.aside))
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
        self.with(|slot, shared, home| slot.step_any(shared, home, input))
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
        self.with(|slot, shared, home| slot.step_encoded(shared, home, input))
    }

    /// Why it is held back: what its migration said, or that a step panicked. `None` while it is not.
    #[must_use]
    pub fn held_back(&mut self) -> Option<String> {
        self.refresh();
        self.with(|slot, shared, home| slot.held_back(shared, home))
    }

    /// Moves it to the present release now, if it is not there, or holds it back.
    pub fn refresh(&mut self) {
        self.arrive();
    }

    /// The state as it is, of whatever version; `None` if a panic in a moving migration lost it.
    #[must_use]
    pub fn state(&self) -> Option<&M::AnyState> {
        self.state.as_ref()
    }

    /// The version that it runs now; the switch may have moved on.
    #[must_use]
    pub fn version(&self) -> u32 {
        slot::version_of::<M>(self.state())
    }

    /// Ends the instance and gives its state back.
    #[must_use]
    pub fn into_state(mut self) -> Option<M::AnyState> {
        let state = self.end();
        Post::go(&mut self.post);
        state
    }

    fn end(&mut self) -> Option<M::AnyState> {
        let mut slot = Slot::standing_at(self.state.take(), self.post.stamp);
        let mut aside = Post::take_aside(&mut self.post);
        slot.leave(&self.post.shared, &mut Owned(&mut aside))
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
            .field("switch", &self.post.shared.core.label)
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}
