//! Many instances that one owner has, side by side: stepped together they cost what a loop over their states costs.
//!
//! They stand in chunks. Of a chunk in which all are whole and of one version only the states are there, under one stamp.
//! Where one has something of its own, held back, poisoned, a state that is kept, an image's, its chunk is one of slots, each for
//! itself, until all stand alike again.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::canary::Failure;
use crate::convoy::Convoy;
use crate::encoded::{Encoded, EncodedError};
use crate::error::{EnterError, StepError, Why};
use crate::instance::{Instance, Owned};
use crate::ledger::{Count, Place};
use crate::machine::{Accepts, Edge, Machine, States, Stepped, Visit};
use crate::roster::Shared;
use crate::slot::{Aside, Gone, Slot};

/// In the place of a chunk's epoch: not all of them have come to one, or it is not known.
const UNSETTLED: u64 = u64::MAX;

/// Many instances that one owner has, to be stepped together.
///
/// Each is an instance of its own, counted like any other: it arrives, is held back or poisoned by itself. But what they
/// have in common they have once, so that [`Slab::step_all`] is a loop over bare states, and a state takes no more memory
/// than itself: of a version that is `boxed`, its box beside. They are found by their index, from 0 to [`Slab::len`]. No
/// sweep reaches them: they arrive when they are stepped, 1,024 neighbours in one go, and the step that brings them waits
/// for so many migrations. If the states of no version own anything, be it a box, and their migrations only move fields and fill in
/// literals, 4,096 are neighbours where no version's have more than 32 bytes, and 2,048 where none have more than 64.
///
/// Neighbours of one that is held back, that is poisoned, that has its state kept for a way back
/// ([`UpgradeOptions::keep_previous`](crate::UpgradeOptions::keep_previous)) or runs a version that came as a file are
/// stepped one by one, at the price of an [`Instance`]'s step each; [`Slab::apart`] says how many there are.
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
/// let mut doors = switch.slab();
/// for count in 0..3000 {
///     doors.push(V1 { count })?;
/// }
/// doors.step_all(|_| Tick, |_, answer| answer.expect("every version ticks"));
///
/// switch.admin().upgrade(Version::V2, "count ticks too")?;
/// let mut visits = 0;
/// doors.step_all(|_| Get, |_, answer| visits += answer.expect("every version tells"));
/// assert_eq!(visits, (1..=3000).sum::<i64>());
/// assert_eq!(doors.version(0), Some(2));
/// # Ok(())
/// # }
/// ```
pub struct Slab<M: Machine> {
    shared: Arc<Shared<M>>,
    /// All but the last are full, and none is empty.
    chunks: Vec<Chunk<M>>,
}

struct Chunk<M: Machine> {
    shared: Arc<Shared<M>>,
    /// The epoch to which all have been brought, or [`UNSETTLED`]; the stamp of each of those who stand together.
    stamp: u64,
    members: Members<M>,
}

enum Members<M: Machine> {
    /// Whole, at the chunk's epoch, with nothing of their own.
    Together(M::States),
    Apart(Vec<Single<M>>),
}

/// One of those who stand apart.
struct Single<M: Machine> {
    slot: Slot<M>,
    aside: Option<Box<Aside>>,
}

impl<M: Machine> Slab<M> {
    /// How many look at the switch together, and come to another version in one go: some 15 to 50 µs, where migrations only move fields.
    ///
    /// The end of a chunk takes as long as the steps of some eighty small states: of those more stand together, so that it is nothing
    /// beside them. But not if they own something, or a migration runs what the user wrote: how long that takes, a size does not tell.
    const CHUNK: usize = match M::States::LARGEST {
        Some(..=32) if all_pure(M::EDGES) => 4096,
        Some(33..=64) if all_pure(M::EDGES) => 2048,
        _ => 1024,
    };

    pub(crate) fn new(shared: Arc<Shared<M>>) -> Self {
        Self { shared, chunks: Vec::new() }
    }

    /// How many instances there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * Self::CHUNK + last.len())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// A further instance, at the end. After a flip those beside it arrive when one of them is stepped next.
    ///
    /// # Errors
    ///
    /// The state comes back if it cannot be brought to the version that runs.
    pub fn push(&mut self, state: impl Into<M::AnyState>) -> Result<(), EnterError<M::AnyState>> {
        let slot = Slot::enter_owned(&self.shared, state.into())?;
        let single = Single { slot, aside: None };
        match self.chunks.last_mut().filter(|last| last.len() < Self::CHUNK) {
            Some(last) => last.push(single),
            None => self.chunks.push(Chunk::begin(Arc::clone(&self.shared), single)),
        }
        Ok(())
    }

    /// Takes an instance out, as it is, and moves the last one to its place.
    pub fn swap_remove(&mut self, index: usize) -> Option<Instance<M>> {
        let end = self.len().checked_sub(1).filter(|end| index <= *end)?;
        let last = self.pop_single()?;
        let gone =
            if index == end { last } else { self.chunks[index / Self::CHUNK].replace(index % Self::CHUNK, last) };
        Some(gone.into_instance(&self.shared))
    }

    /// Takes the last instance out, as it is.
    pub fn pop(&mut self) -> Option<Instance<M>> {
        self.pop_single().map(|last| last.into_instance(&self.shared))
    }

    fn pop_single(&mut self) -> Option<Single<M>> {
        let last = self.chunks.last_mut()?;
        let single = last.pop();
        if last.len() == 0 {
            self.chunks.pop();
        }
        single
    }

    /// Runs one step of one instance: the version that the switch names, or, if the instance is held back, its own. If the
    /// switch has moved on, its neighbours arrive with it.
    ///
    /// # Errors
    ///
    /// The input comes back if the version does not take it, the instance is poisoned, or there is none of this index
    /// ([`Why::NoKey`]).
    ///
    /// # Panics
    ///
    /// If the step panics; the instance is poisoned then.
    pub fn step<I: Serialize>(&mut self, index: usize, input: I) -> Result<<M as Accepts<I>>::Output, StepError<I>>
    where
        M: Accepts<I>,
    {
        match self.chunk_of(index) {
            Some(chunk) => chunk.step(index % Self::CHUNK, input),
            None => Err(StepError { input, why: Why::NoKey }),
        }
    }

    /// Runs one step of an input that is known only as one of the machine's. Its neighbours are taken apart for
    /// that, and put side by side again, which takes as long as to move so many states twice.
    ///
    /// # Errors
    ///
    /// As [`Slab::step`].
    ///
    /// # Panics
    ///
    /// As [`Slab::step`].
    pub fn step_any(&mut self, index: usize, input: M::AnyInput) -> Result<M::AnyOutput, StepError<M::AnyInput>> {
        match self.chunk_of(index) {
            Some(chunk) => chunk.by_itself(index % Self::CHUNK, |single, shared| {
                single.slot.step_any(shared, &mut Owned(&mut single.aside), input)
            }),
            None => Err(StepError { input, why: Why::NoKey }),
        }
    }

    /// Runs one step of an input that comes as bytes, and gives the output in the same format: for callers that lack the
    /// types. Its neighbours are taken apart for that, as for [`Slab::step_any`].
    ///
    /// # Errors
    ///
    /// As [`Slab::step`]; and when the bytes are no input of the machine's.
    ///
    /// # Panics
    ///
    /// As [`Slab::step`].
    pub fn step_encoded(&mut self, index: usize, input: Encoded) -> Result<Encoded, EncodedError> {
        match self.chunk_of(index) {
            Some(chunk) => chunk.by_itself(index % Self::CHUNK, |single, shared| {
                single.slot.step_encoded(shared, &mut Owned(&mut single.aside), input)
            }),
            None => Err(EncodedError::NotTaken(StepError { input, why: Why::NoKey })),
        }
    }

    /// The chunk that has an instance of this index.
    fn chunk_of(&mut self, index: usize) -> Option<&mut Chunk<M>> {
        self.chunks.get_mut(index / Self::CHUNK).filter(|chunk| index % Self::CHUNK < chunk.len())
    }

    /// Steps every instance once, in order: `input` makes what each is given, by its index, and `answer` is told what each
    /// step gave, or has the input back.
    ///
    /// The switch is looked at once for all neighbours, and after a step that failed or was refused: a command that flips while they are
    /// stepped finds those of them still at the version before, as if they had been stepped at once, however long that
    /// takes. Those behind them are at the new one.
    ///
    /// # Panics
    ///
    /// If a step panics; that instance is poisoned, and those behind it have not been stepped. If `input` or `answer`
    /// panics, nobody is poisoned.
    pub fn step_all<I: Serialize>(
        &mut self,
        mut input: impl FnMut(usize) -> I,
        mut answer: impl FnMut(usize, Result<<M as Accepts<I>>::Output, StepError<I>>),
    ) where
        M: Accepts<I>,
    {
        for (chunk, first) in self.chunks.iter_mut().zip((0..).step_by(Self::CHUNK)) {
            chunk.step_all(|at| input(first + at), |at, stepped| answer(first + at, stepped));
        }
    }

    /// Shows each instance's state in order, as it is, with its index; none if a panic in a moving migration lost it. For that
    /// all are taken apart, and put side by side again: it takes as long as to move each state twice.
    pub fn for_each(&mut self, mut see: impl FnMut(usize, Option<&M::AnyState>)) {
        for (chunk, first) in self.chunks.iter_mut().zip((0..).step_by(Self::CHUNK)) {
            chunk.show(|at, state| see(first + at, state));
        }
    }

    /// Why an instance is held back: what its migration said, or that a step panicked. `None` while it is not, or if there
    /// is none of this index. If the switch has moved on, it and its neighbours arrive for that.
    #[must_use]
    pub fn held_back(&mut self, index: usize) -> Option<String> {
        let chunk = self.chunk_of(index)?;
        chunk.refresh();
        match &mut chunk.members {
            Members::Together(_) => None,
            Members::Apart(singles) => {
                let Single { slot, aside } = &mut singles[index % Self::CHUNK];
                slot.held_back(&chunk.shared, &Owned(aside))
            }
        }
    }

    /// The version that an instance runs now; the switch may have moved on.
    #[must_use]
    pub fn version(&self, index: usize) -> Option<u32> {
        let chunk = self.chunks.get(index / Self::CHUNK)?;
        match &chunk.members {
            Members::Together(states) => (index % Self::CHUNK < states.count()).then(|| states.version()),
            Members::Apart(singles) => singles.get(index % Self::CHUNK).map(|single| single.slot.version()),
        }
    }

    /// How many are stepped one by one for now, for their own sake or a neighbour's.
    #[must_use]
    pub fn apart(&self) -> usize {
        let apart = |chunk: &&Chunk<M>| matches!(chunk.members, Members::Apart(_));
        self.chunks.iter().filter(apart).map(Chunk::len).sum()
    }

    /// Moves all to the present release now, or holds them back.
    pub fn refresh(&mut self) {
        self.chunks.iter_mut().for_each(Chunk::refresh);
    }

    /// Ends the slab: each instance goes on by itself.
    pub fn into_instances(self) -> impl Iterator<Item = Instance<M>> {
        self.chunks.into_iter().flat_map(|mut chunk| chunk.take_instances())
    }
}

impl<M: Machine> fmt::Debug for Slab<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slab")
            .field("switch", &self.shared.core.label)
            .field("len", &self.len())
            .field("apart", &self.apart())
            .finish_non_exhaustive()
    }
}

impl<M: Machine> Chunk<M> {
    fn begin(shared: Arc<Shared<M>>, first: Single<M>) -> Self {
        let mut chunk = Self { shared, stamp: UNSETTLED, members: Members::Apart(vec![first]) };
        chunk.settle(UNSETTLED);
        chunk
    }

    fn len(&self) -> usize {
        match &self.members {
            Members::Together(states) => states.count(),
            Members::Apart(singles) => singles.len(),
        }
    }

    fn push(&mut self, single: Single<M>) {
        match self.beside(single) {
            Ok((states, state)) => states.push(state).unwrap_or_else(|_| other_version()),
            Err(single) => self.take_apart().push(single),
        }
    }

    fn replace(&mut self, at: usize, single: Single<M>) -> Single<M> {
        let stamp = self.stamp;
        match self.beside(single) {
            Ok((states, state)) => {
                Single::standing(states.replace(at, state).unwrap_or_else(|_| other_version()), stamp)
            }
            Err(single) => {
                let old = std::mem::replace(&mut self.take_apart()[at], single);
                self.without(old)
            }
        }
    }

    fn pop(&mut self) -> Option<Single<M>> {
        match &mut self.members {
            Members::Together(states) => states.pop().map(|state| Single::standing(state, self.stamp)),
            Members::Apart(singles) => {
                let last = singles.pop()?;
                Some(self.without(last))
            }
        }
    }

    /// One has left those who stand apart: if it was for its sake, the others stand together when they are stepped next.
    fn without(&mut self, mut left: Single<M>) -> Single<M> {
        if left.in_line().is_none() {
            self.stamp = UNSETTLED;
        }
        left
    }

    /// The others and a newcomer's state, if it stands as they do who stand together. Else it comes back, and if it has come to another
    /// epoch than they, all are looked at when one is stepped next.
    fn beside(&mut self, mut single: Single<M>) -> Result<(&mut M::States, M::AnyState), Single<M>> {
        let stands = single.in_line();
        if stands.is_none_or(|count| count.stamp != self.stamp) {
            self.take_apart();
            self.stamp = UNSETTLED;
        }
        match &mut self.members {
            Members::Together(states) if stands.is_some_and(|count| count.version == states.version()) => {
                Ok((states, single.into_state()?))
            }
            _ => Err(single),
        }
    }

    /// Brings all to the present release, or holds them back, each for itself; those who are alike then stand together.
    #[cold]
    #[inline(never)]
    fn refresh(&mut self) {
        let epoch = self.shared.core.epoch();
        if self.stamp == epoch {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut convoy = Convoy::new(&shared);
        let stood_together = matches!(self.members, Members::Together(_));
        let (singles, mut at) = (self.take_apart(), 0);
        while let Some(Single { slot, aside }) = singles.get_mut(at) {
            convoy.bring(slot, &mut Owned(aside));
            at += 1;
            if stood_together {
                at += take_along(&mut convoy, &mut singles[at..]);
            }
        }
        convoy.count();
        self.settle(epoch);
    }

    /// Puts all side by side, if they stand alike and none has anything of its own. Else nothing is to be tried with them again
    /// at the epoch to which all have been brought.
    fn settle(&mut self, brought_to: u64) {
        let Members::Apart(singles) = &mut self.members else { return };
        let Some(first) = singles.first_mut() else { return };
        let first = first.in_line();
        if let Some(Count { stamp, .. }) = first
            && singles.iter_mut().all(|single| single.in_line() == first)
        {
            self.members = Members::Together(side_by_side(std::mem::take(singles)));
            self.stamp = stamp;
            return;
        }
        self.stamp = brought_to;
    }

    /// Each for itself, until they are settled again.
    fn take_apart(&mut self) -> &mut Vec<Single<M>> {
        if let Members::Together(states) = &self.members {
            let singles = Vec::with_capacity(states.count());
            let stamp = std::mem::replace(&mut self.stamp, UNSETTLED);
            if let Members::Together(states) = std::mem::replace(&mut self.members, Members::Apart(singles))
                && let Members::Apart(singles) = &mut self.members
            {
                states.into_each(|state| singles.push(Single::standing(state, stamp)));
            }
        }
        match &mut self.members {
            Members::Apart(singles) => singles,
            Members::Together(_) => unreachable!("they were just taken apart"),
        }
    }

    fn take_instances(&mut self) -> Vec<Instance<M>> {
        let singles = std::mem::take(self.take_apart());
        let mut instances: Vec<Instance<M>> = Vec::with_capacity(singles.len());
        for single in singles {
            let next = match instances.last() {
                Some(last) => last.beside(single.slot, single.aside),
                None => single.into_instance(&self.shared),
            };
            instances.push(next);
        }
        instances
    }

    fn show(&mut self, mut see: impl FnMut(usize, Option<&M::AnyState>)) {
        let stamp = self.stamp;
        for (at, single) in self.take_apart().iter().enumerate() {
            see(at, single.slot.state());
        }
        self.settle(stamp);
    }

    /// What only one by itself can: it is that for as long as it takes.
    fn by_itself<R>(&mut self, at: usize, run: impl FnOnce(&mut Single<M>, &Shared<M>) -> R) -> R {
        self.refresh();
        let (shared, stamp) = (Arc::clone(&self.shared), self.stamp);
        self.take_apart();
        // if it panics, this stays, and who is poisoned is tried by whoever looks next
        self.stamp = UNSETTLED;
        let result = run(&mut self.take_apart()[at], &shared);
        self.settle(stamp);
        result
    }

    fn step<I: Serialize>(&mut self, at: usize, input: I) -> Result<M::Output, StepError<I>>
    where
        M: Accepts<I>,
    {
        if self.stamp == self.shared.core.word() { self.step_one(at, input) } else { self.step_the_long_way(at, input) }
    }

    #[cold]
    #[inline(never)]
    fn step_the_long_way<I: Serialize>(&mut self, at: usize, input: I) -> Result<M::Output, StepError<I>>
    where
        M: Accepts<I>,
    {
        self.refresh();
        let shared = Arc::clone(&self.shared);
        let watch = match &self.members {
            Members::Together(states) if shared.core.observed() => {
                Some(shared.watch(states.version(), self.stamp, M::INPUT, &input))
            }
            // those who stand apart are watched one by one
            _ => None,
        };
        let result = self.step_one(at, input);
        if let Some(watch) = watch {
            watch.answered(&result);
        }
        result
    }

    fn step_one<I: Serialize>(&mut self, at: usize, input: I) -> Result<M::Output, StepError<I>>
    where
        M: Accepts<I>,
    {
        let mut armed = PoisonOnPanic { chunk: self, at, stepping: true };
        let stepped = match &mut armed.chunk.members {
            Members::Together(states) => M::step_mut(states.get_mut(at).expect("it was looked for"), input),
            Members::Apart(singles) => {
                let Single { slot, aside } = &mut singles[at];
                let result = slot.step(&armed.chunk.shared, Owned(aside), input);
                armed.stepping = false;
                return result;
            }
        };
        armed.stepping = false;
        armed.chunk.answer(stepped)
    }

    fn step_all<I: Serialize>(
        &mut self,
        mut input: impl FnMut(usize) -> I,
        mut answer: impl FnMut(usize, Result<M::Output, StepError<I>>),
    ) where
        M: Accepts<I>,
    {
        let mut next = Some(0);
        while let Some(at) = next {
            next = if self.stamp == self.shared.core.word() && matches!(self.members, Members::Together(_)) {
                self.step_from(at, &mut input, &mut answer)
            } else {
                answer(at, self.step(at, input(at)));
                self.after(at)
            };
        }
    }

    /// Who stands behind this one.
    fn after(&self, at: usize) -> Option<usize> {
        Some(at + 1).filter(|next| *next < self.len())
    }

    /// The loop: it looks at nothing but the states, as long as they take what they are given and do not fail. Gives who stands
    /// behind the one where it ended.
    ///
    /// By itself, so that it has all registers: in the middle of its caller, what stays the same is made anew in each step.
    #[inline(never)]
    fn step_from<I: Serialize>(
        &mut self,
        from: usize,
        input: &mut impl FnMut(usize) -> I,
        answer: &mut impl FnMut(usize, Result<M::Output, StepError<I>>),
    ) -> Option<usize>
    where
        M: Accepts<I>,
    {
        let mut armed = PoisonOnPanic { chunk: self, at: from, stepping: false };
        let mut otherwise = None;
        if let Members::Together(states) = &mut armed.chunk.members {
            let (at, stepping) = (&mut armed.at, &mut armed.stepping);
            states.visit(from, EachStep { at, stepping, input, answer, otherwise: &mut otherwise });
        }
        // not `armed.at`, which would be counted up in each step for this alone
        let stepped = otherwise?;
        answer(armed.at, armed.chunk.answer(stepped));
        armed.chunk.after(armed.at)
    }

    /// What comes of a step of those who stand together.
    fn answer<I>(&self, stepped: Result<Stepped<M::Output>, I>) -> Result<M::Output, StepError<I>>
    where
        M: Accepts<I>,
    {
        let Members::Together(states) = &self.members else { other_version() };
        match stepped {
            Ok(Stepped { output, failed }) => {
                if failed {
                    self.shared.failed(states.version(), self.stamp, Failure::Err);
                }
                Ok(output)
            }
            Err(input) => Err(StepError { input, why: Why::Refused { at: states.version() } }),
        }
    }

    /// A step of one panicked. Who stood with the others has nothing to be healed by; who stood apart has poisoned itself, and may
    /// have: it is tried by whoever looks next.
    #[cold]
    #[inline(never)]
    fn poison(&mut self, at: usize) {
        if matches!(self.members, Members::Apart(_)) {
            self.stamp = UNSETTLED;
            return;
        }
        let (epoch, shared) = (self.stamp, Arc::clone(&self.shared));
        let Single { slot, aside } = &mut self.take_apart()[at];
        slot.poison(&shared, &mut Owned(aside));
        self.stamp = epoch;
    }
}

/// They are counted, so none may go but as an instance.
impl<M: Machine> Drop for Chunk<M> {
    fn drop(&mut self) {
        drop(self.take_instances());
    }
}

impl<M: Machine> Single<M> {
    fn into_instance(self, shared: &Arc<Shared<M>>) -> Instance<M> {
        Instance::of(shared, self.slot, self.aside)
    }

    fn standing(state: M::AnyState, stamp: u64) -> Self {
        debug_assert_ne!(stamp, UNSETTLED, "they stood apart");
        Self { slot: Slot::standing_at(Some(state), stamp), aside: None }
    }

    /// Its state alone; itself, if there is none.
    fn into_state(self) -> Result<M::AnyState, Self> {
        if self.slot.state().is_none() {
            return Err(self);
        }
        Ok(self.slot.into_parts().0.unwrap_or_else(|| other_version()))
    }

    /// What it is counted under, if it may stand beside others of that kind with nothing of its own.
    fn in_line(&mut self) -> Option<Count> {
        self.slot.in_line(&Owned(&mut self.aside))
    }
}

/// Whether nothing of the user's runs on any of a machine's migrations.
const fn all_pure<S>(mut edges: &[Edge<S>]) -> bool {
    while let [edge, rest @ ..] = edges {
        if !edge.is_pure() {
            return false;
        }
        edges = rest;
    }
    true
}

/// Takes along who stand as the last one did, none of whom has anything of its own. So many are done with.
fn take_along<M: Machine>(convoy: &mut Convoy<'_, M>, singles: &mut [Single<M>]) -> usize {
    let Some(alike) = convoy.alike(Place::Owned) else { return 0 };
    let Gone { places, moved, stuck } = alike.go(singles, |single| Some(&mut single.slot));
    convoy.went(moved);
    let (Some(stuck), Some(Single { slot, aside })) = (stuck, singles.get_mut(places)) else { return places };
    convoy.hold_back(slot, &mut Owned(aside), &stuck);
    places + 1
}

fn side_by_side<M: Machine>(singles: Vec<Single<M>>) -> M::States {
    let room = singles.len().next_power_of_two();
    let mut states = singles.into_iter().map(|single| single.into_state().unwrap_or_else(|_| other_version()));
    let first = states.next().and_then(|first| M::States::begin(first, room).ok());
    let mut all = first.unwrap_or_else(|| other_version());
    states.for_each(|state| all.push(state).unwrap_or_else(|_| other_version()));
    all
}

/// Who was found to stand as the others do does not.
#[cold]
fn other_version() -> ! {
    unreachable!("those who stand together are whole and of one version")
}

/// Poisons whose step does not come back. It hands over values, not itself: so a loop keeps them in registers.
struct PoisonOnPanic<'a, M: Machine> {
    chunk: &'a mut Chunk<M>,
    at: usize,
    stepping: bool,
}

impl<M: Machine> Drop for PoisonOnPanic<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if self.stepping {
            self.chunk.poison(self.at);
        }
    }
}

/// One step of one state after the other, up to the first that is not plain.
struct EachStep<'a, M: Accepts<I>, I, F, G> {
    at: &'a mut usize,
    stepping: &'a mut bool,
    input: &'a mut F,
    answer: &'a mut G,
    /// What came of a step that failed, or was refused.
    otherwise: &'a mut Option<Result<Stepped<M::Output>, I>>,
}

impl<M, I, F, G> Visit<M> for EachStep<'_, M, I, F, G>
where
    M: Accepts<I>,
    F: FnMut(usize) -> I,
    G: FnMut(usize, Result<M::Output, StepError<I>>),
{
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the loop around it is to know which version's step this is")]
    fn visit(&mut self, state: M::StateMut<'_>) -> bool {
        let input = (self.input)(*self.at);
        *self.stepping = true;
        let stepped = M::step_mut(state, input);
        *self.stepping = false;
        match stepped {
            Ok(Stepped { output, failed: false }) => (self.answer)(*self.at, Ok(output)),
            stepped => {
                *self.otherwise = Some(stepped);
                return false;
            }
        }
        *self.at += 1;
        true
    }
}
