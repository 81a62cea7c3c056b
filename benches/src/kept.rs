//! One small step, with its state kept in each of the ways that the benches compare.

use std::hash::BuildHasher;
use std::iter::repeat_with;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::Mutex;

use crate::counter::{self, V2};

/// Instances of the counter, kept in some way.
pub trait Kept {
    /// What the reports call it.
    const NAME: &'static str;

    /// Makes so many of them.
    fn new(instances: u32) -> Self;

    /// The key under which the instance of this number is found.
    #[must_use]
    fn name(number: u32) -> u32 {
        number
    }

    /// Runs one step of the one of this name.
    fn add(&mut self, which: u32, by: u64) -> u64;
}

/// The keys of these instances, in this order.
#[must_use]
pub fn names<K: Kept>(numbers: &[u32]) -> Vec<u32> {
    numbers.iter().map(|number| K::name(*number)).collect()
}

/// Keys without a pattern, no two the same. A hasher that multiplies by one number, drawn when the program starts, spreads keys that
/// follow each other better than chance with some numbers, and worse with others. Appleby, the last steps of `MurmurHash3`.
fn key(number: u32) -> u32 {
    let mixed = (number ^ number >> 16).wrapping_mul(0x85eb_ca6b);
    let mixed = (mixed ^ mixed >> 13).wrapping_mul(0xc2b2_ae35);
    mixed ^ mixed >> 16
}

/// A step of each of these instances in turn.
pub fn round<K: Kept>(kept: &mut K, order: impl IntoIterator<Item = u32>) {
    for which in order {
        std::hint::black_box(kept.add(std::hint::black_box(which), 1));
    }
}

fn all<T>(instances: u32, make: impl FnMut() -> T) -> Vec<T> {
    repeat_with(make).take(at(instances)).collect()
}

fn at(which: u32) -> usize {
    which as usize
}

/// The bare state and a call of the step function: no switch, no lock.
#[derive(Debug)]
pub struct Bare(Vec<V2>);

impl Kept for Bare {
    const NAME: &'static str = "bare state";

    fn new(instances: u32) -> Self {
        Self(all(instances, V2::default))
    }

    #[inline]
    fn add(&mut self, which: u32, by: u64) -> u64 {
        counter::add_counted(&mut self.0[at(which)], counter::Add(by))
    }
}

/// What a program without hotswap would share between threads.
#[derive(Debug)]
pub struct BareMutex(Vec<Arc<Mutex<V2>>>);

impl Kept for BareMutex {
    const NAME: &'static str = "mutex around bare state";

    fn new(instances: u32) -> Self {
        Self(all(instances, Arc::default))
    }

    #[inline]
    fn add(&mut self, which: u32, by: u64) -> u64 {
        counter::add_counted(&mut self.0[at(which)].lock(), counter::Add(by))
    }
}

/// What is kept by key, in as many shards as a fleet has, with a mutex around each; hashed once for the shard and the key.
#[derive(Debug)]
struct Sharded<T> {
    hasher: DefaultHashBuilder,
    shards: Vec<Mutex<T>>,
}

impl<T: Default> Sharded<T> {
    const SHARDS: usize = 64;

    /// So many keys, put in one after the other.
    fn new(instances: u32, mut put: impl FnMut(&mut T, u32, u64, &DefaultHashBuilder)) -> Self {
        let shards = repeat_with(Mutex::default).take(Self::SHARDS).collect();
        let sharded = Self { hasher: DefaultHashBuilder::default(), shards };
        for key in (0..instances).map(key) {
            let hash = sharded.hasher.hash_one(key);
            put(&mut sharded.shard(hash).lock(), key, hash, &sharded.hasher);
        }
        sharded
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Mutex<T> {
        &self.shards[(hash >> 40) as usize % Self::SHARDS]
    }
}

/// What a program without hotswap would keep by key: tables that hold the states.
#[derive(Debug)]
pub struct BareTable(Sharded<HashTable<(u32, V2)>>);

impl Kept for BareTable {
    const NAME: &'static str = "mutexes around tables of bare state";

    fn new(instances: u32) -> Self {
        Self(Sharded::new(instances, |table: &mut HashTable<_>, key, hash, hasher| {
            table.insert_unique(hash, (key, V2::default()), |(key, _)| hasher.hash_one(key));
        }))
    }

    fn name(number: u32) -> u32 {
        key(number)
    }

    #[inline]
    fn add(&mut self, which: u32, by: u64) -> u64 {
        let hash = self.0.hasher.hash_one(which);
        let mut table = self.0.shard(hash).lock();
        let (_, state) = table.find_mut(hash, |(key, _)| *key == which).expect("every key is there");
        counter::add_counted(state, counter::Add(by))
    }
}

/// The same in the order in which they came, as a fleet has them: a table says where in a list each is.
#[derive(Debug)]
pub struct Listed<S>(Sharded<List<S>>);

/// What such a list has for each key.
pub trait Adds: Default {
    /// Runs one step of it.
    fn add(&mut self, input: counter::Add) -> u64;
}

impl Adds for V2 {
    #[inline]
    fn add(&mut self, input: counter::Add) -> u64 {
        counter::add_counted(self, input)
    }
}

#[derive(Debug)]
struct List<S> {
    numbers: HashTable<u32>,
    entries: Vec<(u32, S)>,
}

impl<S> Default for List<S> {
    fn default() -> Self {
        Self { numbers: HashTable::new(), entries: Vec::new() }
    }
}

impl<S: Adds> Kept for Listed<S> {
    const NAME: &'static str = "mutexes around lists";

    fn new(instances: u32) -> Self {
        Self(Sharded::new(instances, |List { numbers, entries }, key, hash, hasher| {
            let number = u32::try_from(entries.len()).expect("there are fewer");
            entries.push((key, S::default()));
            numbers.insert_unique(hash, number, |number| hasher.hash_one(entries[at(*number)].0));
        }))
    }

    fn name(number: u32) -> u32 {
        key(number)
    }

    #[inline]
    fn add(&mut self, which: u32, by: u64) -> u64 {
        self.step(which, by)
    }
}

impl<S: Adds> Listed<S> {
    /// Runs one step, beside others of other threads.
    ///
    /// # Panics
    ///
    /// If there is no such key.
    #[inline]
    #[must_use]
    pub fn step(&self, which: u32, by: u64) -> u64 {
        let hash = self.0.hasher.hash_one(which);
        let mut list = self.0.shard(hash).lock();
        let List { numbers, entries } = &mut *list;
        let number = numbers.find(hash, |number| entries[at(*number)].0 == which).expect("every key is there");
        entries[at(*number)].1.add(counter::Add(by))
    }
}

/// Instances that the program owns: a step without a lock.
#[derive(Debug)]
pub struct Owned(Vec<counter::Instance>);

impl Kept for Owned {
    const NAME: &'static str = "Instance::step";

    fn new(instances: u32) -> Self {
        let switch = counter::Switch::new();
        Self(all(instances, || switch.instance(V2::default()).expect("it is at the version that runs")))
    }

    #[inline]
    fn add(&mut self, which: u32, by: u64) -> u64 {
        self.0[at(which)].step(counter::Add(by)).expect("version 2 adds")
    }
}

/// Instances that threads may share.
#[derive(Debug)]
pub struct Cells(Vec<counter::Cell>);

impl Kept for Cells {
    const NAME: &'static str = "Cell::step";

    fn new(instances: u32) -> Self {
        let switch = counter::Switch::new();
        Self(all(instances, || switch.cell(V2::default()).expect("it is at the version that runs")))
    }

    #[inline]
    fn add(&mut self, which: u32, by: u64) -> u64 {
        self.0[at(which)].step(counter::Add(by)).expect("version 2 adds")
    }
}

/// Instances by key.
#[derive(Debug)]
pub struct ByKey(counter::Fleet<u32>);

impl Kept for ByKey {
    const NAME: &'static str = "Fleet::step";

    fn new(instances: u32) -> Self {
        let fleet = counter::Switch::new().fleet();
        for key in (0..instances).map(key) {
            fleet.insert(key, V2::default()).expect("it is at the version that runs");
        }
        Self(fleet)
    }

    fn name(number: u32) -> u32 {
        key(number)
    }

    #[inline]
    fn add(&mut self, which: u32, by: u64) -> u64 {
        self.0.step(&which, counter::Add(by)).expect("version 2 adds")
    }
}
