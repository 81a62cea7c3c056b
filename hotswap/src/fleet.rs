//! Many instances by key.

use std::borrow::Borrow;
use std::fmt::{self, Display};
use std::hash::{BuildHasher, Hash};
use std::ops::ControlFlow;
#[cfg(feature = "remote")]
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use hashbrown::{DefaultHashBuilder, HashMap};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::canary::Lot;
use crate::encoded::{Encoded, EncodedError};
use crate::error::{EnterError, NotEntered, Reentered, StepError, Why};
use crate::index::{Index, MOST};
use crate::ledger::Place;
use crate::lock::{Busy, Guard, Lock};
use crate::machine::{Accepts, Machine};
use crate::prefetch::{CAN_PREFETCH, prefetch};
use crate::roster::{self, Patience, Reach, Shared, Visit, Visitor};
use crate::slot::{Aside, Gone, Home, Slot};
use crate::switch::Release;
use crate::way::{contain, drop_contained};
#[cfg(feature = "remote")]
use crate::{ConvertError, ConvertOptions, Converted};

/// How many locks a fleet's keys are spread over.
const SHARDS: usize = 64;

/// How many keys are looked at ahead together: about as many reads as a core has on their way to memory.
const AHEAD: usize = 16;

/// So many bytes of instances stay in a processor's caches by themselves: the second ones are hardly smaller anywhere.
const CACHED: usize = 256 * 1024;

/// So many free places a shard may keep, however few live in it.
const FEW: usize = 64;

/// What a fleet's keys must be: hashed to find an instance, displayed and parsed where a person names one.
///
/// What a key is displayed as should parse to the same key, in later programs too: by one such key a saved file is known to
/// hold keys of this type. Where it does not when the file is saved, the type is not looked at when it is restored.
pub trait Key: Hash + Eq + Clone + Send + Sync + Display + FromStr + Serialize + DeserializeOwned + 'static {}

impl<K> Key for K where K: Hash + Eq + Clone + Send + Sync + Display + FromStr + Serialize + DeserializeOwned + 'static {}

/// Many instances by key, all on one switch. A clone is another handle to the same fleet.
///
/// Keys are spread over 64 shards with a lock each: steps of instances that share a shard wait for each other.
///
/// # Examples
///
/// With the counter of the [front page](crate):
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use counter::{Get, Switch, Tick, V1};
/// use hotswap::Why;
///
/// let switch = Switch::new();
/// let visits = switch.fleet::<String>();
/// visits.insert("door".to_owned(), V1 { count: 7 })?;
/// visits.step_or_insert_with("gate".to_owned(), || V1 { count: 0 }, Tick)?;
/// assert_eq!((visits.len(), visits.step("door", Get)?, visits.step("gate", Get)?), (2, 7, 1));
/// assert_eq!(visits.step("window", Get).unwrap_err().why, Why::NoKey);
/// # Ok(())
/// # }
/// ```
pub struct Fleet<M: Machine, K: Key>(Arc<Inner<M, K>>);

struct Inner<M: Machine, K: Key> {
    shared: Arc<Shared<M>>,
    hasher: DefaultHashBuilder,
    shards: Shards<M, K>,
    /// How many keys there are; beside the locks, so that a step may ask.
    len: AtomicUsize,
}

type Shards<M, K> = Box<[CachePadded<Lock<Shard<M, K>>>; SHARDS]>;

/// Slots keep their number while they live, so that a sweep or a scan can go on where it stopped.
///
/// What a step looks at comes first, on the cache line of the lock.
#[repr(C)]
struct Shard<M: Machine, K: Key> {
    entries: Vec<Option<Entry<M, K>>>,
    index: Index,
    free: Vec<u32>,
    aside: HashMap<u32, Box<Aside>>,
}

struct Entry<M: Machine, K: Key> {
    key: K,
    slot: Slot<M>,
}

struct FleetHome<'a, K> {
    key: &'a K,
    at: u32,
    aside: &'a mut HashMap<u32, Box<Aside>>,
}

/// What a key drew, whatever the user's `Serialize` does.
pub(crate) fn lot_of(key: &impl Serialize) -> Lot {
    contain(|| Lot::of_key(key)).unwrap_or(Lot::NEVER)
}

impl<K: Display + Serialize> Home for FleetHome<'_, K> {
    fn place(&self) -> Place {
        Place::Fleet
    }
    fn who(&self) -> Option<String> {
        Some(self.key.to_string())
    }
    fn lot(&self) -> Lot {
        lot_of(self.key)
    }
    fn aside(&self) -> Option<&Aside> {
        self.aside.get(&self.at).map(|aside| &**aside)
    }
    fn aside_mut(&mut self) -> &mut Aside {
        self.aside.entry(self.at).or_default()
    }
    fn clear_aside(&mut self) {
        self.aside.remove(&self.at);
    }
}

impl<M: Machine, K: Key> Shard<M, K> {
    fn new() -> Self {
        Self { index: Index::default(), entries: Vec::new(), free: Vec::new(), aside: HashMap::new() }
    }

    #[inline]
    fn find<Q: Eq + ?Sized>(&self, hash: u64, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
    {
        let entry = |at: u32| self.entries.get(at as usize)?.as_ref();
        let same = |at: u32| entry(at).is_some_and(|entry| entry.key.borrow() == key);
        self.index.find(hash, same)
    }

    /// The first instance whose hash looks the same: to compare keys would be to wait for it.
    fn likely(&self, hash: u64) -> Option<&Option<Entry<M, K>>> {
        self.entries.get(self.index.find(hash, |_| true)? as usize)
    }

    #[inline]
    fn at(&mut self, at: u32) -> Option<(&mut Slot<M>, FleetHome<'_, K>)> {
        let Entry { key, slot } = self.entries.get_mut(at as usize)?.as_mut()?;
        Some((slot, FleetHome { key, at, aside: &mut self.aside }))
    }

    /// Looks at up to `at_most` instances from slot `from` on; gives the slot to go on from.
    fn look(&mut self, from: usize, at_most: usize, look: &mut Look<'_, M, K>) -> Option<usize> {
        let end = self.entries.len().min(from.saturating_add(at_most));
        for at in from..end {
            let Some((slot, mut home)) = u32::try_from(at).ok().and_then(|at| self.at(at)) else { continue };
            let key = home.key;
            if look(key, slot, &mut home).is_break() {
                return Some(at + 1);
            }
        }
        (end < self.entries.len()).then_some(end)
    }

    /// Takes along who stands alike from slot `at` on, if the visitor knows of such.
    fn go_together(&mut self, at: &mut usize, visitor: &mut dyn Visitor<M>) -> ControlFlow<()> {
        if !self.aside.is_empty() {
            return ControlFlow::Continue(());
        }
        while let Some((alike, at_most)) = visitor.alike(Place::Fleet) {
            let end = self.entries.len().min(at.saturating_add(at_most));
            let Gone { places, moved, stuck } =
                alike.go(&mut self.entries[*at..end], |entry| entry.as_mut().map(|entry| &mut entry.slot));
            *at += places;
            let flow = visitor.went(places, moved);
            if let Some(stuck) = stuck
                && let Some((slot, mut home)) = u32::try_from(*at).ok().and_then(|at| self.at(at))
            {
                visitor.hold_back(slot, &mut home, &stuck);
                *at += 1;
                return flow;
            }
            if *at < end || end == self.entries.len() || flow.is_break() {
                return flow;
            }
        }
        ControlFlow::Continue(())
    }

    /// Makes room for one more. All keys may be hashed for it: where one panics, nothing has changed.
    fn make_room(&mut self, hasher: &DefaultHashBuilder) {
        let Self { entries, index, free, .. } = self;
        index.make_room(entries.len() + usize::from(free.is_empty()), |at| {
            let entry = entries.get(at as usize).and_then(Option::as_ref);
            entry.map_or(0, |entry| hasher.hash_one(&entry.key))
        });
    }

    /// Puts in one for whom room was made before it was counted.
    fn put(&mut self, hash: u64, hasher: &DefaultHashBuilder, key: K, slot: Slot<M>) -> u32 {
        // the last may have gone since, and the room with it: then there is no key to be hashed
        self.make_room(hasher);
        let entry = Some(Entry { key, slot });
        let at = if let Some(at) = self.free.pop() {
            self.entries[at as usize] = entry;
            at
        } else {
            self.entries.push(entry);
            u32::try_from(self.entries.len() - 1).expect(MOST)
        };
        self.index.put(hash, at);
        at
    }

    fn take(&mut self, hash: u64, at: u32, shared: &Shared<M>) -> Option<M::AnyState> {
        self.index.remove(hash, at);
        let Entry { key, mut slot } = self.entries[at as usize].take()?;
        self.free.push(at);
        let mut home = FleetHome { key: &key, at, aside: &mut self.aside };
        let state = slot.leave(shared, &mut home);
        home.clear_aside();
        drop_contained(key);
        // now and then, so that it costs each removal next to nothing; and when many have gone to the last
        let emptied = self.index.is_empty() && self.entries.len() > FEW;
        if emptied || self.free.len().is_power_of_two() {
            self.trim();
        }
        state
    }

    /// Lets go of the free places at the end, and of all memory once nobody is left.
    fn trim(&mut self) {
        let last = self.entries.iter().rposition(Option::is_some);
        self.entries.truncate(last.map_or(0, |last| last + 1));
        let left = self.entries.len();
        self.free.retain(|at| (*at as usize) < left);
        if left * 4 < self.entries.capacity() {
            self.entries.shrink_to(left * 2);
            self.free.shrink_to(left);
        }
        if self.index.is_empty() {
            self.index = Index::default();
        }
    }
}

impl<M: Machine, K: Key> Fleet<M, K> {
    pub(crate) fn new(shared: Arc<Shared<M>>) -> Self {
        let shards = Box::new(std::array::from_fn(|_| CachePadded::new(Lock::new(Shard::new()))));
        let inner = Arc::new(Inner { shared, hasher: DefaultHashBuilder::default(), shards, len: AtomicUsize::new(0) });
        let reach = Arc::downgrade(&inner);
        inner.shared.roster.add_fleet(reach);
        Self(inner)
    }

    /// Runs one step of the instance under `key`: the version that the switch names, or, if this instance is held
    /// back, its own.
    ///
    /// # Errors
    ///
    /// The input comes back if there is no such key, the version does not take it, the instance is poisoned, or the
    /// caller is inside a step of an instance of the same shard.
    ///
    /// # Panics
    ///
    /// If the step panics; the instance is poisoned then.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the registers that a call saves would hold up the lock: it waits for every store before it"
    )]
    pub fn step<Q, I>(&self, key: &Q, input: I) -> Result<<M as Accepts<I>>::Output, StepError<I>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        I: Serialize,
        M: Accepts<I>,
    {
        self.0.turn(key, input, |slot, home, input| slot.step(&self.0.shared, home, input))
    }

    /// Begins to fetch what steps of these keys will look at. It waits for no step that runs, and for memory the less the more keys
    /// there are.
    ///
    /// For callers that know several keys ahead, as of requests that came together: where the fleet is larger than the
    /// processor's caches, what their steps would wait for one after the other is fetched at once. It changes nothing, and a few
    /// dozen keys ahead are enough. For a fleet that takes less than 256 KiB, what its states have on the heap not counted, it does
    /// nothing; nor does it on other processors than x86-64.
    ///
    /// # Examples
    ///
    /// With the counter of the [front page](crate):
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use counter::{Switch, Tick, V1};
    ///
    /// let visits = Switch::new().fleet::<String>();
    /// visits.insert("door".to_owned(), V1 { count: 7 })?;
    /// visits.insert("gate".to_owned(), V1 { count: 0 })?;
    ///
    /// let came_together = ["gate", "door", "gate"];
    /// visits.prefetch(came_together);
    /// for key in came_together {
    ///     visits.step(key, Tick)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn prefetch<'a, Q>(&self, keys: impl IntoIterator<Item = &'a Q>)
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized + 'a,
    {
        if !CAN_PREFETCH || self.len().saturating_mul(size_of::<Entry<M, K>>()) < CACHED {
            return;
        }
        let mut hashes = keys.into_iter().map(|key| self.0.hasher.hash_one(key)).fuse();
        loop {
            let mut some = [0; AHEAD];
            let few = some.iter_mut().zip(&mut hashes).map(|(place, hash)| *place = hash).count();
            if few == 0 {
                return;
            }
            // what is fetched for one hash arrives while the others are looked at
            for hash in &some[..few] {
                self.0.peek(*hash, |shard| shard.index.first(*hash)).inspect(|place| prefetch(*place));
            }
            for hash in &some[..few] {
                self.0.peek(*hash, |shard| shard.likely(*hash)).inspect(|entry| prefetch(*entry));
            }
        }
    }

    /// Runs one step of an input that is known only as one of the machine's.
    ///
    /// # Errors
    ///
    /// As [`Fleet::step`].
    ///
    /// # Panics
    ///
    /// As [`Fleet::step`].
    pub fn step_any<Q>(&self, key: &Q, input: M::AnyInput) -> Result<M::AnyOutput, StepError<M::AnyInput>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.turn(key, input, |slot, mut home, input| slot.step_any(&self.0.shared, &mut home, input))
    }

    /// Runs one step of an input that comes as bytes, and gives the output in the same format: for callers that lack the
    /// types, of a loaded version or of this one.
    ///
    /// # Errors
    ///
    /// As [`Fleet::step`]; and when the bytes are no input of the machine's.
    ///
    /// # Panics
    ///
    /// As [`Fleet::step`].
    pub fn step_encoded<Q>(&self, key: &Q, input: Encoded) -> Result<Encoded, EncodedError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let step = |slot: &mut Slot<M>, mut home: FleetHome<'_, K>, input| {
            Ok(slot.step_encoded(&self.0.shared, &mut home, input))
        };
        self.0.turn(key, input, step).map_err(EncodedError::NotTaken)?
    }

    /// As [`Fleet::step`]; where the key is absent, its instance is made first.
    ///
    /// # Errors
    ///
    /// As [`Fleet::step`]; and [`Why::NotMade`] if `make`'s state cannot be brought to the version that runs.
    /// An instance that was made stays, whether or not it then takes the input.
    ///
    /// # Panics
    ///
    /// If the step or `make` panics.
    pub fn step_or_insert_with<S, I>(
        &self,
        key: K,
        make: impl FnOnce() -> S,
        input: I,
    ) -> Result<<M as Accepts<I>>::Output, StepError<I>>
    where
        S: Into<M::AnyState>,
        I: Serialize,
        M: Accepts<I>,
    {
        self.step_while(key, make, input, |_, _| true)
    }

    /// As [`Fleet::step_or_insert_with`], and afterwards the instance stays only if `stays` says so of its state and of
    /// what the step gave, which is none if it did not run. The state of a loaded version can be seen as such only, and so
    /// what the step gives has to tell.
    ///
    /// All of it is one turn at the key: no other step sees an instance between its making and its end. An instance
    /// that a panic poisoned stays.
    ///
    /// # Errors
    ///
    /// As [`Fleet::step_or_insert_with`].
    ///
    /// # Panics
    ///
    /// If the step, `make` or `stays` panics.
    pub fn step_while<S, I>(
        &self,
        key: K,
        make: impl FnOnce() -> S,
        input: I,
        stays: impl FnOnce(&M::AnyState, Option<&<M as Accepts<I>>::Output>) -> bool,
    ) -> Result<<M as Accepts<I>>::Output, StepError<I>>
    where
        S: Into<M::AnyState>,
        I: Serialize,
        M: Accepts<I>,
    {
        let inner = &*self.0;
        let hash = inner.hasher.hash_one(&key);
        let Ok(mut shard) = inner.shard(hash) else {
            return Err(StepError { input, why: Why::Reentered });
        };
        let at = if let Some(at) = shard.find(hash, &key) {
            at
        } else {
            shard.make_room(&inner.hasher);
            match Slot::enter(&inner.shared, make().into(), Place::Fleet, || lot_of(&key)) {
                Ok(slot) => inner.put(&mut shard, hash, key, slot),
                Err(_) => return Err(StepError { input, why: Why::NotMade }),
            }
        };
        let Some((slot, home)) = shard.at(at) else {
            return Err(StepError { input, why: Why::NoKey });
        };
        let result = slot.step(&inner.shared, home, input);
        let goes = !slot.poisoned() && slot.state().is_some_and(|state| !stays(state, result.as_ref().ok()));
        let gone = if goes { inner.take(&mut shard, hash, at) } else { None };
        drop(shard);
        drop(gone);
        result
    }

    /// Puts an instance under `key`, brought to the version that runs; the state of the one it replaces comes back.
    ///
    /// # Errors
    ///
    /// The state comes back if no way leads from its version to the one that runs, or its migration failed.
    pub fn insert(
        &self,
        key: K,
        state: impl Into<M::AnyState>,
    ) -> Result<Option<M::AnyState>, EnterError<M::AnyState>> {
        let inner = &*self.0;
        let hash = inner.hasher.hash_one(&key);
        let state = state.into();
        let Ok(mut shard) = inner.shard(hash) else {
            let to = inner.shared.core.release().version_for(|| lot_of(&key));
            return Err(EnterError { state: Some(state), to, why: NotEntered::Reentered });
        };
        // the keys' own code runs before the instance is counted
        let present = shard.find(hash, &key);
        shard.make_room(&inner.hasher);
        let slot = Slot::enter(&inner.shared, state, Place::Fleet, || lot_of(&key))?;
        let old = present.and_then(|at| inner.take(&mut shard, hash, at));
        inner.put(&mut shard, hash, key, slot);
        Ok(old)
    }

    /// Ends the instance under `key` and gives its state back, of whatever version it ran.
    ///
    /// # Errors
    ///
    /// When called from inside a step of an instance of the same shard.
    pub fn remove<Q>(&self, key: &Q) -> Result<Option<M::AnyState>, Reentered>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.remove_if(key, |_| true)
    }

    /// As [`Fleet::remove`], if `goes` says so of its state. A poisoned instance, or one whose state is lost, is not asked.
    ///
    /// # Errors
    ///
    /// As [`Fleet::remove`].
    pub fn remove_if<Q>(
        &self,
        key: &Q,
        goes: impl FnOnce(&M::AnyState) -> bool,
    ) -> Result<Option<M::AnyState>, Reentered>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.0.hasher.hash_one(key);
        let mut shard = self.0.shard(hash).map_err(|Busy| Reentered)?;
        let Some(at) = shard.find(hash, key) else {
            return Ok(None);
        };
        let Some((slot, mut home)) = shard.at(at) else {
            return Ok(None);
        };
        if slot.stale(&self.0.shared) {
            slot.arrive(&self.0.shared, &mut home);
        }
        let goes = slot.poisoned() || slot.state().is_none_or(goes);
        Ok(if goes { self.0.take(&mut shard, hash, at) } else { None })
    }

    /// Looks at the state under `key`, brought to the present version first; `None` if there is none, or it is lost.
    ///
    /// # Errors
    ///
    /// When called from inside a step of an instance of the same shard.
    pub fn inspect<Q, R>(&self, key: &Q, look: impl FnOnce(&M::AnyState) -> R) -> Result<Option<R>, Reentered>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.0.hasher.hash_one(key);
        let mut shard = self.0.shard(hash).map_err(|Busy| Reentered)?;
        let Some((slot, mut home)) = shard.find(hash, key).and_then(|at| shard.at(at)) else {
            return Ok(None);
        };
        if slot.stale(&self.0.shared) {
            slot.arrive(&self.0.shared, &mut home);
        }
        Ok(slot.state().map(look))
    }

    /// Whether there is an instance under `key`.
    ///
    /// # Errors
    ///
    /// When called from inside a step of an instance of the same shard.
    pub fn contains_key<Q>(&self, key: &Q) -> Result<bool, Reentered>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.0.hasher.hash_one(key);
        let shard = self.0.shard(hash).map_err(|Busy| Reentered)?;
        Ok(shard.find(hash, key).is_some())
    }

    /// Looks at every instance, shard by shard; each key that is present throughout is seen exactly once.
    ///
    /// # Errors
    ///
    /// When called from inside a step of one of its instances.
    pub fn for_each(&self, mut look: impl FnMut(&K, &M::AnyState)) -> Result<(), Reentered> {
        let mut cursor = Some(0);
        while let Some(from) = cursor {
            cursor = self.keys_from(from, usize::MAX, &mut look)?;
        }
        Ok(())
    }

    /// Looks at up to `at_most` instances from `cursor` on, and gives the cursor to go on from; start with 0.
    ///
    /// A scan in several calls sees each key that is present throughout exactly once. States are shown as they are,
    /// of whatever version; instances whose state is lost are passed over. A call may show none and still not be the last:
    /// where many have been removed it stops after a while, so that others wait for no more than their share.
    ///
    /// # Errors
    ///
    /// When called from inside a step of one of its instances.
    pub fn keys_from(
        &self,
        cursor: u64,
        at_most: usize,
        mut look: impl FnMut(&K, &M::AnyState),
    ) -> Result<Option<u64>, Reentered> {
        let (mut part, mut from) =
            (usize::try_from(cursor >> 32).unwrap_or(usize::MAX), (cursor & 0xffff_ffff) as usize);
        let mut left = at_most;
        let mut places = at_most.saturating_mul(4).max(1024);
        while let Some(shard) = self.0.shards.get(part) {
            let shard = shard.lock().map_err(|Busy| Reentered)?;
            for (at, entry) in shard.entries.iter().enumerate().skip(from) {
                if left == 0 || places == 0 {
                    return Ok(Some((part as u64) << 32 | at as u64));
                }
                places -= 1;
                let Some(entry) = entry else { continue };
                if let Some(state) = entry.slot.state() {
                    look(&entry.key, state);
                }
                left -= 1;
            }
            (part, from) = (part + 1, 0);
        }
        Ok(None)
    }

    /// How many keys there are. During changes by other threads, a number that was true at some moment.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len.load(Ordering::Relaxed)
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends every instance that is present when its shard's turn comes.
    ///
    /// # Errors
    ///
    /// When called from inside a step of one of its instances; shards before that one are cleared.
    pub fn clear(&self) -> Result<(), Reentered> {
        for shard in self.0.shards.iter() {
            let mut gone = Vec::new();
            let mut shard = shard.lock().map_err(|Busy| Reentered)?;
            self.0.empty(&mut shard, &mut gone);
            drop(shard);
        }
        Ok(())
    }
}

/// What became of an instance that was put in.
pub(crate) struct Put {
    pub(crate) held_back: bool,
    pub(crate) replaced: bool,
}

/// What looks at each instance of a walk.
pub(crate) type Look<'a, M, K> = dyn FnMut(&K, &mut Slot<M>, &mut dyn Home) -> ControlFlow<()> + 'a;

/// For saving and restoring.
impl<M: Machine, K: Key> Fleet<M, K> {
    pub(crate) fn shared(&self) -> &Shared<M> {
        &self.0.shared
    }

    /// Puts in an instance, held back if it cannot be moved, in place of one that has its key.
    pub(crate) fn put_in(&self, key: K, state: M::AnyState, low: &dyn Fn(&Release) -> u32) -> Result<Put, Reentered> {
        let inner = &*self.0;
        let hash = inner.hasher.hash_one(&key);
        let mut shard = inner.shard(hash).map_err(|Busy| Reentered)?;
        let present = shard.find(hash, &key);
        shard.make_room(&inner.hasher);
        // it goes first: by its key it would take the other's name from the held back
        let old = present.and_then(|at| inner.take(&mut shard, hash, at));
        let mut home = Newcomer { key: &key, aside: None };
        let slot = Slot::enter_or_hold(&inner.shared, state, low, &mut home);
        let aside = home.aside;
        let held_back = slot.is_held_back(&inner.shared);
        let at = inner.put(&mut shard, hash, key, slot);
        if let Some(aside) = aside {
            shard.aside.insert(at, aside);
        }
        drop(shard);
        drop_contained(old);
        Ok(Put { held_back, replaced: present.is_some() })
    }

    /// A walk through all instances, a slice at a time. A paused one holds every lock until it ends.
    pub(crate) fn walk(&self, paused: bool) -> Walk<'_, M, K> {
        Walk { shards: &*self.0.shards, held: paused.then(|| self.0.hold()), part: 0, at: 0 }
    }
}

/// Where a walk has come to.
pub(crate) struct Walk<'a, M: Machine, K: Key> {
    shards: &'a [CachePadded<Lock<Shard<M, K>>>],
    held: Option<Vec<Guard<'a, Shard<M, K>>>>,
    part: usize,
    at: usize,
}

impl<M: Machine, K: Key> Walk<'_, M, K> {
    /// Looks at up to `at_most` instances under one lock; whether there are more.
    pub(crate) fn slice(&mut self, at_most: usize, look: &mut Look<'_, M, K>) -> Result<bool, Reentered> {
        let mut locked;
        let shard = if let Some(held) = &mut self.held {
            &mut held[self.part]
        } else {
            locked = self.shards[self.part].lock().map_err(|Busy| Reentered)?;
            &mut locked
        };
        (self.part, self.at) = shard.look(self.at, at_most, look).map_or((self.part + 1, 0), |at| (self.part, at));
        Ok(self.part < self.shards.len())
    }
}

/// An instance that is not in its shard yet.
struct Newcomer<'a, K> {
    key: &'a K,
    aside: Option<Box<Aside>>,
}

impl<K: Display + Serialize> Home for Newcomer<'_, K> {
    fn place(&self) -> Place {
        Place::Fleet
    }
    fn who(&self) -> Option<String> {
        Some(self.key.to_string())
    }
    fn lot(&self) -> Lot {
        lot_of(self.key)
    }
    fn aside(&self) -> Option<&Aside> {
        self.aside.as_deref()
    }
    fn aside_mut(&mut self) -> &mut Aside {
        self.aside.get_or_insert_default()
    }
    fn clear_aside(&mut self) {
        self.aside = None;
    }
}

impl<M: Machine, K: Key> Inner<M, K> {
    /// Every shard, held. Backs off where a step waits for a shard that is held here already.
    fn hold(&self) -> Vec<Guard<'_, Shard<M, K>>> {
        let mut limit = Duration::from_millis(10);
        loop {
            let patience = Patience::Until(Instant::now() + limit);
            let held: Vec<_> = self.shards.iter().map_while(|shard| shard.lock_within(patience).ok()).collect();
            if held.len() == self.shards.len() {
                return held;
            }
            drop(held);
            std::thread::yield_now();
            // where nobody waits for anybody, the steps are slow
            limit = (2 * limit).min(Duration::from_mins(1));
        }
    }

    /// One turn at a key, with an input that comes back where there is none.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as `step`; to those that are rarer it does no harm")]
    fn turn<Q, I, R>(
        &self,
        key: &Q,
        input: I,
        step: impl FnOnce(&mut Slot<M>, FleetHome<'_, K>, I) -> Result<R, StepError<I>>,
    ) -> Result<R, StepError<I>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let Ok(mut shard) = self.shard(hash) else {
            return Err(StepError { input, why: Why::Reentered });
        };
        let Some((slot, home)) = shard.find(hash, key).and_then(|at| shard.at(at)) else {
            return Err(StepError { input, why: Why::NoKey });
        };
        let output = step(slot, home, input)?;
        // before the output is written anywhere: to let go of the lock waits for all that was written before
        drop(shard);
        Ok(output)
    }

    #[inline]
    fn shard(&self, hash: u64) -> Result<Guard<'_, Shard<M, K>>, Busy> {
        self.lock_of(hash).lock()
    }

    /// Where something of a shard is that is in no use: to be fetched, for it may go as soon as this returns.
    #[inline]
    fn peek<T>(&self, hash: u64, look: impl FnOnce(&Shard<M, K>) -> Option<&T>) -> Option<*const T> {
        let shard = self.lock_of(hash).lock_within(Patience::None).ok()?;
        look(&shard).map(std::ptr::from_ref)
    }

    #[inline]
    fn lock_of(&self, hash: u64) -> &Lock<Shard<M, K>> {
        // the index of a shard uses the low bits, and the top ones
        &self.shards[(hash >> 40) as usize % SHARDS]
    }

    fn put(&self, shard: &mut Shard<M, K>, hash: u64, key: K, slot: Slot<M>) -> u32 {
        self.len.fetch_add(1, Ordering::Relaxed);
        shard.put(hash, &self.hasher, key, slot)
    }

    fn take(&self, shard: &mut Shard<M, K>, hash: u64, at: u32) -> Option<M::AnyState> {
        self.len.fetch_sub(1, Ordering::Relaxed);
        shard.take(hash, at, &self.shared)
    }

    /// Ends all instances of a shard; their states are for the caller to drop, after the lock.
    fn empty(&self, shard: &mut Shard<M, K>, gone: &mut Vec<M::AnyState>) {
        shard.index = Index::default();
        shard.free = Vec::new();
        for (at, entry) in std::mem::take(&mut shard.entries).into_iter().enumerate() {
            let Some(Entry { key, mut slot }) = entry else {
                continue;
            };
            self.len.fetch_sub(1, Ordering::Relaxed);
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            gone.extend(slot.leave(&self.shared, &mut FleetHome { key: &key, at, aside: &mut shard.aside }));
            drop_contained(key);
        }
        shard.aside = HashMap::new();
    }
}

impl<M: Machine, K: Key> Drop for Inner<M, K> {
    fn drop(&mut self) {
        let mut gone = Vec::new();
        for shard in self.shards.iter() {
            // nobody else has it any more, so the lock is free
            if let Ok(mut shard) = shard.lock() {
                self.empty(&mut shard, &mut gone);
            }
            drop_contained(std::mem::take(&mut gone));
        }
    }
}

impl<M: Machine, K: Key> Clone for Fleet<M, K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Machine, K: Key> fmt::Debug for Fleet<M, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("switch", &self.0.shared.core.label).field("len", &self.len()).finish()
    }
}

impl<M: Machine, K: Key> Reach<M> for Inner<M, K> {
    fn parts(&self) -> usize {
        SHARDS
    }

    fn visit(&self, part: usize, cursor: usize, patience: Patience, visitor: &mut dyn Visitor<M>) -> Visit {
        let Ok(mut shard) = self.shards[part].lock_within(patience) else {
            return Visit::Busy(cursor);
        };
        let mut at = cursor;
        while at < shard.entries.len() {
            let mut flow = shard.go_together(&mut at, visitor);
            if flow.is_continue() {
                if let Some((slot, mut home)) = u32::try_from(at).ok().and_then(|at| shard.at(at)) {
                    flow = visitor.visit(slot, &mut home);
                }
                at += 1;
            }
            if flow.is_break() {
                visitor.leave();
                shard.unlock_fair();
                return Visit::More(at);
            }
        }
        visitor.leave();
        Visit::Done
    }

    fn find(&self, who: &str, patience: Patience, look: &mut roster::Look<'_, M>) -> Option<bool> {
        let key = contain(|| K::from_str(who)).ok()?.ok()?;
        let hash = self.hasher.hash_one(&key);
        let Ok(mut shard) = self.lock_of(hash).lock_within(patience) else {
            return Some(false);
        };
        let at = shard.find(hash, &key)?;
        let (slot, mut home) = shard.at(at)?;
        let _: ControlFlow<()> = look(slot, &mut home);
        Some(true)
    }

    #[cfg(feature = "remote")]
    fn files(self: Arc<Self>) -> Option<Box<dyn roster::Files>> {
        Some(Box::new(Fleet(self)))
    }
}

#[cfg(feature = "remote")]
impl<M: Machine, K: Key> roster::Files for Fleet<M, K> {
    fn save(&self, path: &Path) -> Result<crate::Saved, crate::SaveError> {
        self.save(path)
    }

    fn convert(&self, from: &Path, to: u32, out: &Path, on: &ConvertOptions) -> Result<Converted, ConvertError> {
        self.convert(from, to, out, on)
    }
}
