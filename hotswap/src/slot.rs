//! One live state: where the switch's version and the machine's states meet.
//!
//! The short way of a step is one load, one compare and the machine's `match`; all else is cold.

use std::marker::PhantomData;
use std::mem::{Discriminant, ManuallyDrop, discriminant};

use serde::Serialize;

use crate::canary::{Failure, Lot};
use crate::control::HeldBack;
use crate::error::{EnterError, NotEntered, StepError, Why};
use crate::ledger::{Count, ENTERED, HELD, LOST, POISONED, Place, epoch_of, has_come, is_held};
use crate::line::{Hop, Start};
use crate::machine::{Accepts, Machine, Stepped};
use crate::roster::Shared;
use crate::switch::Release;
use crate::way::{
    InPlace, Packed, Stuck, arrived_anyway, contain, drop_contained, encode, rehearse, run as run_way, travel,
};

/// The stamp of an instance that is no longer counted.
pub(crate) const GONE: u64 = u64::MAX;

/// A state and the epoch that it has come to.
#[derive(Debug)]
pub(crate) struct Slot<M: Machine> {
    /// Empty only while a migration has it, or when a panic in a moving one has lost it.
    state: Option<M::AnyState>,
    stamp: u64,
}

/// Many slots that stand alike and go one way in place. What each would find out for itself was found out of the first.
pub(crate) struct Alike<'a, M: Machine> {
    pub(crate) from: &'a Standing<M>,
    pub(crate) way: &'a [Hop<M>],
    pub(crate) in_place: &'a InPlace<M>,
    /// The epoch that they come to.
    pub(crate) to: u64,
}

/// Where a slot stands: which of `AnyState`'s its state is, and its stamp.
pub(crate) struct Standing<M: Machine> {
    state: Discriminant<M::AnyState>,
    stamp: u64,
}

/// How far a file of slots has come.
pub(crate) struct Gone {
    /// So many places are done with.
    pub(crate) places: usize,
    /// In so many of them was one who moved, and is still to be counted.
    pub(crate) moved: i64,
    /// Why the next one does not arrive, where it tried.
    pub(crate) stuck: Option<Stuck>,
}

impl<M: Machine> Alike<'_, M> {
    /// Takes along who is in these places, up to the first who stands otherwise or does not arrive. None of them may have
    /// anything aside.
    #[inline]
    pub(crate) fn go<P>(&self, places: &mut [P], slot: impl Fn(&mut P) -> Option<&mut Slot<M>>) -> Gone {
        let stuck = |reason| Stuck { reason, lost: false };
        match self.in_place {
            InPlace::Stay => self.each(places, slot, |_| Ok(())),
            InPlace::One(run) => self.each(places, slot, |state| {
                run(state);
                Ok(())
            }),
            InPlace::Tried(run) => self.each(places, slot, |state| run(state).map_err(stuck)),
            InPlace::Fused => self.each(places, slot, |state| M::fused(state).map_err(stuck)),
            InPlace::Hops => self.each(places, slot, |state| run_way::<M>(state, self.way)),
        }
    }

    /// One guard is around all of them: where it ends tells whose panic it was.
    #[inline]
    fn each<P>(
        &self,
        places: &mut [P],
        slot: impl Fn(&mut P) -> Option<&mut Slot<M>>,
        run: impl Fn(&mut Option<M::AnyState>) -> Result<(), Stuck>,
    ) -> Gone {
        let mut gone = Gone { places: 0, moved: 0, stuck: None };
        let went = contain(|| {
            for slot in places.iter_mut().map(&slot) {
                if let Some(slot) = slot {
                    if !slot.stands(self.from) {
                        break;
                    }
                    run(&mut slot.state)?;
                    slot.stamp = self.to;
                    gone.moved += 1;
                }
                gone.places += 1;
            }
            Ok(())
        });
        let went = went.unwrap_or_else(|panic| {
            let slot = places.get_mut(gone.places).and_then(&slot).expect("it panicked at one");
            arrived_anyway::<M>(slot.state.as_ref(), self.way, panic)?;
            slot.stamp = self.to;
            gone.moved += 1;
            gone.places += 1;
            Ok(())
        });
        gone.stuck = went.err();
        gone
    }
}

/// What makes a new state of the old one, or says why not.
pub(crate) type Make<'a, M> =
    dyn FnMut(Option<&<M as Machine>::AnyState>) -> Result<<M as Machine>::AnyState, String> + 'a;

/// What few instances have, and only for a while: kept out of the slot.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    kept: Option<Kept>,
    debt: Option<Debt>,
    /// Why it is held back.
    reason: Option<Box<str>>,
}

/// The version that an instance could not be rolled back to: owed before it may go up again.
///
/// A commit that finds the instance held back, and leaves it, forgives it.
#[derive(Debug, Clone, Copy)]
struct Debt {
    low: u32,
    /// The epoch that held it back.
    since: u64,
}

/// The encoded state that an instance had before a probation.
#[derive(Debug)]
struct Kept {
    probation: u64,
    state: Packed,
}

/// Where a slot lives: what it is called, and where the rare things are put aside.
pub(crate) trait Home {
    fn place(&self) -> Place;
    /// Its name, if it has one. May run the user's `Display`.
    fn who(&self) -> Option<String>;
    /// What it drew, for canaries. May run the user's `Serialize`.
    fn lot(&self) -> Lot {
        Lot::NEVER
    }
    /// What was put aside for it, if anything.
    fn aside(&self) -> Option<&Aside>;
    /// The same, to put something there.
    fn aside_mut(&mut self) -> &mut Aside;
    /// Nothing is aside any more.
    fn clear_aside(&mut self);
}

impl<M: Machine> Slot<M> {
    /// Makes a live instance: brings the state to the version at which it belongs and counts it.
    pub(crate) fn enter(
        shared: &Shared<M>,
        state: M::AnyState,
        place: Place,
        lot: impl Fn() -> Lot,
    ) -> Result<Self, EnterError<M::AnyState>> {
        let mut state = Some(state);
        loop {
            let release = shared.core.current();
            let from = state.as_ref().map_or(Start::from(LOST), Start::of::<M>);
            let to = release.version_for(&lot);
            let way = shared.line.way(from, to);
            // a flip may come before it is counted: then it starts again, as it was given
            let given = match (&way, &state) {
                (Ok(way), Some(state)) if !way.is_empty() => Packed::of::<M>(state).ok(),
                _ => None,
            };
            let arrived = way.and_then(|way| travel::<M>(&mut state, &way).map_err(|stuck| stuck.reason));
            if let Err(reason) = arrived {
                return Err(EnterError { state, to, why: NotEntered::Migration(reason) });
            }
            let count = Count { place, version: to, stamp: release.epoch };
            if shared.core.ledger.enter(count) {
                return Ok(Self { state, stamp: release.epoch });
            }
            if let Some(Ok(given)) = given.map(|given| given.unpack::<M>()) {
                drop_contained(state.replace(given));
            }
        }
    }

    /// As [`Slot::enter`], for one that one owner has: it has no name that could draw a lot.
    pub(crate) fn enter_owned(shared: &Shared<M>, state: M::AnyState) -> Result<Self, EnterError<M::AnyState>> {
        Self::enter(shared, state, Place::Owned, || Lot::NEVER)
    }

    /// As [`Slot::enter`], by way of version `low` if that is lower; what cannot be moved enters held back, as it is.
    pub(crate) fn enter_or_hold(
        shared: &Shared<M>,
        state: M::AnyState,
        low: &dyn Fn(&Release) -> u32,
        home: &mut dyn Home,
    ) -> Self {
        let mut slot = Self { state: Some(state), stamp: GONE };
        loop {
            let release = shared.core.release();
            let (from, low) = (slot.version(), low(&release));
            let to = release.version_for(|| home.lot());
            let way = shared.line.way_by(slot.start(), low, to);
            let given = slot.state.as_ref().filter(|_| way.as_ref().is_ok_and(|way| !way.is_empty()));
            let given = given.and_then(|state| Packed::of::<M>(state).ok());
            let travelled =
                way.map_err(|reason| Stuck { reason, lost: false }).and_then(|way| travel::<M>(&mut slot.state, &way));
            let held = match &travelled {
                Ok(()) => 0,
                Err(stuck) => HELD | ENTERED | if stuck.lost { POISONED } else { 0 },
            };
            slot.stamp = release.epoch | held;
            let count = slot.count(home.place());
            if shared.core.ledger.enter(count) {
                if let Err(Stuck { reason, lost }) = travelled {
                    let reason = if low < from { burdened(reason, low, to) } else { reason };
                    let aside = home.aside_mut();
                    aside.reason = Some(reason.as_str().into());
                    aside.debt = (low < from).then_some(Debt { low, since: release.epoch });
                    tell_held(shared, home, count, &reason, lost);
                }
                return slot;
            }
            // the switch flipped meanwhile: again, as it was given
            if let Some(Ok(given)) = given.map(|given| given.unpack::<M>()) {
                drop_contained(slot.state.replace(given));
            }
        }
    }

    /// Ends a live instance and gives its state back; a second time it does nothing.
    pub(crate) fn leave(&mut self, shared: &Shared<M>, home: &mut dyn Home) -> Option<M::AnyState> {
        if self.stamp == GONE {
            return None;
        }
        let count = self.count(home.place());
        let held = shared.core.ledger.leave(count);
        if held && let Some(who) = named(home) {
            shared.core.control().release(count.place, &who);
        }
        self.stamp = GONE;
        self.state.take()
    }

    /// One that is live and counted already.
    pub(crate) fn standing_at(state: Option<M::AnyState>, stamp: u64) -> Self {
        Self { state, stamp }
    }

    /// All of it, which goes on being live and counted; what stays behind is not.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self { state: None, stamp: GONE })
    }

    /// Its state and its stamp, under which it is still counted.
    pub(crate) fn into_parts(self) -> (Option<M::AnyState>, u64) {
        (self.state, self.stamp)
    }

    pub(crate) fn stamp(&self) -> u64 {
        self.stamp
    }

    fn count(&self, place: Place) -> Count {
        Count { place, version: self.version(), stamp: self.stamp }
    }

    pub(crate) fn version(&self) -> u32 {
        version_of::<M>(self.state())
    }

    /// Whether the switch has moved on since this instance was last touched.
    pub(crate) fn stale(&self, shared: &Shared<M>) -> bool {
        self.stamp != shared.core.word()
    }

    pub(crate) fn poisoned(&self) -> bool {
        self.stamp & POISONED != 0
    }

    /// Whether the present release could not move it, or a step poisoned it.
    pub(crate) fn is_held_back(&self, shared: &Shared<M>) -> bool {
        self.poisoned() || is_held(self.stamp, shared.core.epoch())
    }

    /// The version that it could not be rolled back to, and owes to pass before it goes up again.
    pub(crate) fn owed(home: &dyn Home, release: &Release) -> Option<u32> {
        Self::debt(home, release).map(|debt| debt.low)
    }

    /// Why it is held back, if it is.
    pub(crate) fn held_back(&self, shared: &Shared<M>, home: &dyn Home) -> Option<String> {
        let reason = home.aside().and_then(|aside| aside.reason.as_deref());
        self.is_held_back(shared).then(|| reason.unwrap_or_default().to_owned())
    }

    pub(crate) fn state(&self) -> Option<&M::AnyState> {
        self.state.as_ref()
    }

    /// Where its ways begin.
    fn start(&self) -> Start {
        self.state.as_ref().map_or(Start::from(LOST), Start::of::<M>)
    }

    /// One step: the short way if nothing has changed since the last.
    #[inline]
    pub(crate) fn step<I: Serialize, H: Home>(
        &mut self,
        shared: &Shared<M>,
        home: H,
        input: I,
    ) -> Result<<M as Accepts<I>>::Output, StepError<I>>
    where
        M: Accepts<I>,
    {
        step(Parts { slot: self, shared, home }, input)
    }

    /// Runs one step of an input whose type is not known here.
    pub(crate) fn step_any(
        &mut self,
        shared: &Shared<M>,
        home: &mut dyn Home,
        input: M::AnyInput,
    ) -> Result<M::AnyOutput, StepError<M::AnyInput>> {
        if self.stamp != shared.core.word() && !self.arrive(shared, home) {
            return Err(StepError { input, why: Why::Poisoned });
        }
        let watch = shared.core.observed().then(|| shared.watch(self.version(), self.stamp, "AnyInput", &input));
        let stepped =
            self.guarded(shared, home, input, M::step_any).map_err(|input| StepError { input, why: Why::Poisoned })?;
        match stepped {
            Ok(stepped) => {
                self.count_if(stepped.failed, shared);
                if let Some(watch) = watch {
                    watch.output(&stepped.output);
                }
                Ok(stepped.output)
            }
            Err(input) => {
                let why = Why::Refused { at: self.version() };
                if let Some(watch) = watch {
                    watch.refused(why);
                }
                Err(StepError { input, why })
            }
        }
    }

    /// Runs a step on the state, which is poisoned if it panics. `Err`: there is no state to run it on.
    pub(crate) fn guarded<I, R>(
        &mut self,
        shared: &Shared<M>,
        home: &mut dyn Home,
        input: I,
        step: impl FnOnce(&mut M::AnyState, I) -> R,
    ) -> Result<R, I> {
        let armed = PoisonOnPanic::new(Parts { slot: self, shared, home });
        let stepped = match &mut armed.0.slot.state {
            Some(state) => Ok(step(state, input)),
            None => Err(input),
        };
        std::mem::forget(armed);
        stepped
    }

    pub(crate) fn count_if(&self, failed: bool, shared: &Shared<M>) {
        if failed {
            shared.failed(self.version(), self.stamp, Failure::Err);
        }
    }

    /// Brings the instance to the present release, or holds it back. False: it is poisoned and takes no input.
    #[cold]
    #[inline(never)]
    pub(crate) fn arrive(&mut self, shared: &Shared<M>, home: &mut dyn Home) -> bool {
        let release = shared.core.current();
        if has_come(self.stamp, release.epoch) {
            return true;
        }
        let before = self.count(home.place());
        let outcome = self.move_to(shared, home, &release);
        match outcome {
            Ok(()) => {
                self.stamp = release.epoch;
                shared.core.ledger.shift(before, self.count(home.place()));
                Self::put_aside_no_longer(&release, home);
                if before.stamp & POISONED != 0
                    && let Some(who) = named(home)
                {
                    shared.core.control().release(before.place, &who);
                }
                true
            }
            Err(_) if before.stamp & POISONED != 0 => false,
            Err(stuck) => {
                self.hold_back(shared, home, &release, before, &stuck);
                !stuck.lost
            }
        }
    }

    /// Where it stands, if many may stand there and go the same way: whole, owned by nobody's image, with nothing put aside.
    #[inline]
    pub(crate) fn in_line(&self, home: &dyn Home) -> Option<Count> {
        let whole = self.stamp & (POISONED | HELD) == 0
            && self.state.as_ref().is_some_and(|state| M::as_loaded(state).is_none());
        (whole && home.aside().is_none()).then(|| self.count(home.place()))
    }

    /// As one may stand who is in line.
    pub(crate) fn standing(&self) -> Option<Standing<M>> {
        Some(Standing { state: discriminant(self.state.as_ref()?), stamp: self.stamp })
    }

    #[inline]
    fn stands(&self, at: &Standing<M>) -> bool {
        self.stamp == at.stamp && self.state.as_ref().is_some_and(|state| discriminant(state) == at.state)
    }

    /// Takes the way that it shares with others from where it stands to a release, or is held back; true if it arrived, and is still to be counted.
    #[inline]
    pub(crate) fn follow(
        &mut self,
        shared: &Shared<M>,
        home: &mut dyn Home,
        release: &Release,
        from: Count,
        way: &[Hop<M>],
    ) -> bool {
        match travel::<M>(&mut self.state, way) {
            Ok(()) => {
                self.stamp = release.epoch;
                true
            }
            Err(stuck) => {
                self.hold_back(shared, home, release, from, &stuck);
                false
            }
        }
    }

    /// The way of one instance: by declared migrations, else from its kept state.
    fn move_to(&mut self, shared: &Shared<M>, home: &mut dyn Home, release: &Release) -> Result<(), Stuck> {
        let poisoned = self.poisoned();
        let low = self.lowest_owed(home, release);
        let to = release.version_for(|| home.lot());
        let way = shared.line.way_by(self.start(), low, to);
        match way {
            Ok(way) if !poisoned => {
                let kept = self.keep(home, release, !way.is_empty())?;
                let travelled = travel::<M>(&mut self.state, &way);
                let leaves = travelled.as_ref().map_or_else(|stuck| stuck.lost, |()| true);
                if let Some(kept) = kept.filter(|_| leaves) {
                    home.aside_mut().kept = Some(kept);
                }
                travelled
            }
            way => {
                let reason = if poisoned { "a step panicked".to_owned() } else { way.err().unwrap_or_default() };
                self.restore(shared, home, release, to, reason)
            }
        }
    }

    /// The lowest version that it must pass: of the releases that it slept through, and of those it could not follow.
    fn lowest_owed(&self, home: &dyn Home, release: &Release) -> u32 {
        let missed = release.lowest_since(epoch_of(self.stamp));
        Self::debt(home, release).map_or(missed, |debt| debt.low.min(missed))
    }

    fn debt(home: &dyn Home, release: &Release) -> Option<Debt> {
        home.aside().and_then(|aside| aside.debt).filter(|debt| debt.since + 1 != release.committed)
    }

    /// The state to keep, where the operator asked for it and the instance is about to leave it.
    fn keep(&self, home: &dyn Home, release: &Release, leaves: bool) -> Result<Option<Kept>, Stuck> {
        let Some(probation) = release.probation.filter(|_| release.terms.keep_previous && leaves) else {
            return Ok(None);
        };
        let has = home.aside().and_then(|aside| aside.kept.as_ref());
        let Some(state) = self.state.as_ref().filter(|_| has.is_none_or(|kept| kept.probation != probation)) else {
            return Ok(None);
        };
        let state = Packed::of::<M>(state)
            .map_err(|error| Stuck { reason: format!("its state could not be kept: {error}"), lost: false })?;
        Ok(Some(Kept { probation, state }))
    }

    /// Puts back the state kept since before an undone probation; `reason` is why that is the only way.
    fn restore(
        &mut self,
        shared: &Shared<M>,
        home: &dyn Home,
        release: &Release,
        to: u32,
        reason: String,
    ) -> Result<(), Stuck> {
        let stuck = |reason| Stuck { reason, lost: false };
        let low = self.lowest_owed(home, release);
        let aside = home.aside().and_then(|aside| aside.kept.as_ref());
        let Some(kept) = aside.filter(|kept| release.was_undone(kept.probation)) else {
            return Err(stuck(reason));
        };
        let way = shared.line.way_by(kept.state.start(), low, to).map_err(stuck)?;
        let mut restored = Some(kept.state.unpack::<M>().map_err(stuck)?);
        travel::<M>(&mut restored, &way)?;
        let old = std::mem::replace(&mut self.state, restored);
        drop_contained(old);
        Ok(())
    }

    fn put_aside_no_longer(release: &Release, home: &mut dyn Home) {
        let Some(aside) = home.aside() else { return };
        let stays = aside.kept.as_ref().is_some_and(|kept| Some(kept.probation) == release.probation);
        if stays {
            let aside = home.aside_mut();
            aside.debt = None;
            aside.reason = None;
        } else {
            home.clear_aside();
        }
    }

    pub(crate) fn hold_back(
        &mut self,
        shared: &Shared<M>,
        home: &mut dyn Home,
        release: &Release,
        before: Count,
        stuck: &Stuck,
    ) {
        let owed = self.lowest_owed(home, release);
        // only a rollback leaves something behind that must not come up again
        let in_debt = release.rolled_back > epoch_of(before.stamp) || Self::debt(home, release).is_some();
        let mut reason = stuck.reason.clone();
        if in_debt && owed < before.version {
            home.aside_mut().debt = Some(Debt { low: owed, since: release.epoch });
            reason = burdened(reason, owed, release.version_for(|| home.lot()));
        }
        self.stamp = release.epoch | HELD | if stuck.lost { POISONED } else { 0 };
        let count = self.count(home.place());
        shared.core.ledger.shift(before, count);
        home.aside_mut().reason = Some(reason.as_str().into());
        tell_held(shared, home, count, &reason, stuck.lost);
    }

    /// A step of it panicked.
    pub(crate) fn poison(&mut self, shared: &Shared<M>, home: &mut dyn Home) {
        let before = self.count(home.place());
        self.stamp |= POISONED;
        let count = self.count(home.place());
        shared.core.ledger.shift(before, count);
        home.aside_mut().reason = Some("a step panicked".into());
        tell_held(shared, home, count, "a step panicked", true);
        shared.failed(before.version, before.stamp, Failure::Panic);
    }

    /// What the state would become at `to`, without touching it.
    pub(crate) fn rehearse(&self, shared: &Shared<M>, to: u32) -> Result<M::AnyState, String> {
        let state = self.state.as_ref().ok_or("its state is lost")?;
        match shared.line.way(Start::of::<M>(state), to)?.as_slice() {
            [] => Packed::of::<M>(state)?.unpack::<M>(),
            way => rehearse::<M>(state, way),
        }
    }

    /// Replaces the state with what `make` makes of it, brought to the version that runs; heals what was held back.
    pub(crate) fn replace(
        &mut self,
        shared: &Shared<M>,
        home: &mut dyn Home,
        make: &mut Make<'_, M>,
    ) -> Result<(), String> {
        if self.stale(shared) {
            self.arrive(shared, home);
        }
        let mut new = Some(contain(|| make(self.state.as_ref()))??);
        let release = shared.core.release();
        let from = new.as_ref().map_or(Start::from(LOST), Start::of::<M>);
        let to = release.version_for(|| home.lot());
        travel::<M>(&mut new, &shared.line.way(from, to)?).map_err(|stuck| stuck.reason)?;
        // what cannot be encoded could not be saved or kept either
        new.as_ref().map(encode::<M>).transpose()?;
        let before = self.count(home.place());
        let old = std::mem::replace(&mut self.state, new);
        // if the switch has flipped meanwhile, this is an instance that has not been reached yet, as any other
        self.stamp = release.epoch;
        shared.core.ledger.shift(before, self.count(home.place()));
        Self::put_aside_no_longer(&release, home);
        if before.stamp & (POISONED | HELD) != 0
            && let Some(who) = named(home)
        {
            shared.core.control().release(before.place, &who);
        }
        drop_contained(old);
        Ok(())
    }
}

/// An instance where it lives, with all that a step may need. It gives its parts out only where they are used: the short way
/// computes no address that it does not look at.
pub(crate) trait Housed<M: Machine> {
    /// Whether nothing has changed since it was last touched.
    fn is_current(&self) -> bool;
    fn state(&mut self) -> Option<&mut M::AnyState>;
    fn stamp(&self) -> u64;
    fn shared(&self) -> &Shared<M>;
    /// Lends it as a slot to what is rare.
    fn with<R>(&mut self, rare: impl FnOnce(&mut Slot<M>, &Shared<M>, &mut dyn Home) -> R) -> R;
    /// As [`Slot::arrive`].
    fn arrive(&mut self) -> bool {
        self.with(Slot::arrive)
    }
}

/// One that is put together from what is not in one place.
struct Parts<'a, M: Machine, H> {
    slot: &'a mut Slot<M>,
    shared: &'a Shared<M>,
    home: H,
}

impl<M: Machine, H: Home> Housed<M> for Parts<'_, M, H> {
    #[inline]
    fn is_current(&self) -> bool {
        self.slot.stamp == self.shared.core.word()
    }
    #[inline]
    fn state(&mut self) -> Option<&mut M::AnyState> {
        self.slot.state.as_mut()
    }
    fn stamp(&self) -> u64 {
        self.slot.stamp
    }
    fn shared(&self) -> &Shared<M> {
        self.shared
    }
    fn with<R>(&mut self, rare: impl FnOnce(&mut Slot<M>, &Shared<M>, &mut dyn Home) -> R) -> R {
        rare(self.slot, self.shared, &mut self.home)
    }
}

/// One step: the short way if nothing has changed since the last.
#[inline]
pub(crate) fn step<M: Accepts<I>, L: Housed<M>, I: Serialize>(live: L, input: I) -> Result<M::Output, StepError<I>> {
    if live.is_current() { run(PoisonOnPanic::new(live), input) } else { step_the_long_way(live, input) }
}

/// Takes what it steps under guard already: where this is not inlined, to put it under guard here would move it.
#[inline]
fn run<M: Accepts<I>, L: Housed<M>, I: Serialize>(
    mut armed: PoisonOnPanic<M, L>,
    input: I,
) -> Result<M::Output, StepError<I>> {
    let stepped = M::step_mut(M::lend(armed.0.state()), input);
    match stepped {
        Ok(Stepped { output, failed: false }) => {
            std::mem::forget(armed);
            Ok(output)
        }
        stepped => armed.otherwise(stepped),
    }
}

#[cold]
#[inline(never)]
fn step_the_long_way<M: Accepts<I>, L: Housed<M>, I: Serialize>(
    mut live: L,
    input: I,
) -> Result<M::Output, StepError<I>> {
    if !live.arrive() {
        return Err(StepError { input, why: Why::Poisoned });
    }
    if !live.shared().core.observed() {
        return run(PoisonOnPanic::new(live), input);
    }
    live.with(|slot, shared, home| {
        let watch = shared.watch(slot.version(), slot.stamp, M::INPUT, &input);
        let result = run(PoisonOnPanic::new(Parts { slot, shared, home }), input);
        watch.answered(&result);
        result
    })
}

pub(crate) fn version_of<M: Machine>(state: Option<&M::AnyState>) -> u32 {
    state.map_or(LOST, M::version_of)
}

/// Poisons the instance if the step does not come back.
struct PoisonOnPanic<M: Machine, L: Housed<M>>(L, PhantomData<fn() -> M>);

impl<M: Machine, L: Housed<M>> PoisonOnPanic<M, L> {
    #[inline]
    fn new(live: L) -> Self {
        Self(live, PhantomData)
    }

    /// What does not end the short way: a step of an image's, one that failed, an input that is not taken, no state. Taken by
    /// value, so that the short way keeps all it has in registers.
    #[cold]
    #[inline(never)]
    fn otherwise<I>(mut self, stepped: Result<Stepped<M::Output>, I>) -> Result<M::Output, StepError<I>>
    where
        M: Accepts<I>,
    {
        let loaded = self.0.state().and_then(M::as_loaded_mut);
        let stepped = match (stepped, loaded) {
            (Err(input), Some(state)) => M::step_loaded(state, input),
            (stepped, _) => stepped,
        };
        // it has come back: whoever panics as a failure is told of is not the step
        let mut live = ManuallyDrop::new(self);
        match stepped {
            Ok(Stepped { output, failed }) => {
                if failed {
                    let version = version_of::<M>(live.0.state().as_deref());
                    live.0.shared().failed(version, live.0.stamp(), Failure::Err);
                }
                Ok(output)
            }
            Err(input) => match version_of::<M>(live.0.state().as_deref()) {
                LOST => Err(StepError { input, why: Why::Poisoned }),
                at => Err(StepError { input, why: Why::Refused { at } }),
            },
        }
    }
}

impl<M: Machine, L: Housed<M>> Drop for PoisonOnPanic<M, L> {
    #[cold]
    fn drop(&mut self) {
        self.0.with(Slot::poison);
    }
}

impl<H: Home + ?Sized> Home for &mut H {
    fn place(&self) -> Place {
        (**self).place()
    }
    fn who(&self) -> Option<String> {
        (**self).who()
    }
    fn lot(&self) -> Lot {
        (**self).lot()
    }
    fn aside(&self) -> Option<&Aside> {
        (**self).aside()
    }
    fn aside_mut(&mut self) -> &mut Aside {
        (**self).aside_mut()
    }
    fn clear_aside(&mut self) {
        (**self).clear_aside();
    }
}

/// Why an instance that must pass version `low` stays: when it is to go up again, that a migration down is missing or
/// failed is only half of it.
fn burdened(reason: String, low: u32, to: u32) -> String {
    if to <= low {
        return reason;
    }
    format!("it carries what going back to version {low} could not undo: {reason}")
}

/// The instance's name, whatever the user's `Display` does.
pub(crate) fn named(home: &dyn Home) -> Option<String> {
    contain(|| home.who()).unwrap_or_else(|_| Some("(its key cannot be displayed)".to_owned()))
}

fn tell_held<M: Machine>(shared: &Shared<M>, home: &dyn Home, count: Count, reason: &str, poisoned: bool) {
    let Some(who) = named(home) else { return };
    let held = HeldBack { who, place: count.place, version: count.version, reason: reason.to_owned(), poisoned };
    let mut control = shared.core.control();
    // a flip that came between has closed the account that this would stand in
    if poisoned || epoch_of(count.stamp) == shared.core.epoch() {
        control.hold(held);
    }
}
