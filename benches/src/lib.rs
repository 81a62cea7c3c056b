//! One small step, with its state kept in each of the ways that the benches compare.

use std::hash::BuildHasher;
use std::iter::repeat_with;

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::Mutex;

pub use counter::V2;

/// How many instances take turns: enough that no prediction or cache line serves one alone.
pub const INSTANCES: u32 = 128;

/// The machine that is measured: the second of two versions runs.
#[hotswap::machine]
pub mod counter {
    use serde::{Deserialize, Serialize};

    /// Adds to the count and gives it back.
    #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
    pub struct Add(pub u64);

    /// The first version.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V1 {
        /// The sum so far.
        pub count: u64,
    }

    /// Adds.
    #[machine(version = 1)]
    pub fn add(state: &mut V1, input: Add) -> u64 {
        state.count += input.0;
        state.count
    }

    /// The second version.
    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V2 {
        /// The sum so far.
        pub count: u64,
        /// How many additions.
        #[machine(added = 0)]
        pub additions: u64,
    }

    /// Adds, and counts the additions.
    #[machine(version = 2)]
    pub fn add_counted(state: &mut V2, input: Add) -> u64 {
        state.additions += 1;
        state.count += input.0;
        state.count
    }
}

/// Instances of the counter, kept in some way.
pub trait Kept {
    /// What the reports call it.
    const NAME: &'static str;

    /// Makes [`INSTANCES`] of them.
    fn new() -> Self;

    /// Runs one step of one of them.
    fn add(&mut self, which: u32, by: u64) -> u64;
}

/// A step of each instance in turn.
pub fn round<K: Kept>(kept: &mut K) {
    for which in 0..INSTANCES {
        std::hint::black_box(kept.add(std::hint::black_box(which), 1));
    }
}

fn all<T>(make: impl FnMut() -> T) -> Vec<T> {
    repeat_with(make).take(at(INSTANCES)).collect()
}

fn at(which: u32) -> usize {
    which as usize
}

/// The bare state and a call of the step function: no switch, no lock.
#[derive(Debug)]
pub struct Bare(Vec<V2>);

impl Kept for Bare {
    const NAME: &'static str = "bare state";

    fn new() -> Self {
        Self(all(V2::default))
    }

    fn add(&mut self, which: u32, by: u64) -> u64 {
        counter::add_counted(&mut self.0[at(which)], counter::Add(by))
    }
}

/// What a program without hotswap would share between threads.
#[derive(Debug)]
pub struct BareMutex(Vec<Mutex<V2>>);

impl Kept for BareMutex {
    const NAME: &'static str = "mutex around bare state";

    fn new() -> Self {
        Self(all(Mutex::default))
    }

    fn add(&mut self, which: u32, by: u64) -> u64 {
        counter::add_counted(&mut self.0[at(which)].lock(), counter::Add(by))
    }
}

/// What a program without hotswap would keep by key: a table in shards, hashed once for both.
#[derive(Debug)]
pub struct BareTable {
    hasher: DefaultHashBuilder,
    shards: Vec<Mutex<HashTable<(u32, V2)>>>,
}

impl BareTable {
    /// As many as a fleet has.
    const SHARDS: usize = 64;

    fn shard(&self, hash: u64) -> &Mutex<HashTable<(u32, V2)>> {
        &self.shards[(hash >> 40) as usize % Self::SHARDS]
    }
}

impl Kept for BareTable {
    const NAME: &'static str = "mutexes around tables of bare state";

    fn new() -> Self {
        let shards = (0..Self::SHARDS).map(|_| Mutex::default()).collect();
        let table = Self { hasher: DefaultHashBuilder::default(), shards };
        for key in 0..INSTANCES {
            let hash = table.hasher.hash_one(key);
            let rehash = |(key, _): &(u32, V2)| table.hasher.hash_one(key);
            table.shard(hash).lock().insert_unique(hash, (key, V2::default()), rehash);
        }
        table
    }

    fn add(&mut self, which: u32, by: u64) -> u64 {
        let hash = self.hasher.hash_one(which);
        let mut shard = self.shard(hash).lock();
        let (_, state) = shard.find_mut(hash, |(key, _)| *key == which).expect("every key is there");
        counter::add_counted(state, counter::Add(by))
    }
}

/// Instances that the program owns: a step without a lock.
#[derive(Debug)]
pub struct Owned(Vec<counter::Instance>);

impl Kept for Owned {
    const NAME: &'static str = "Instance::step";

    fn new() -> Self {
        let switch = counter::Switch::new();
        Self(all(|| switch.instance(V2::default()).expect("it is at the version that runs")))
    }

    fn add(&mut self, which: u32, by: u64) -> u64 {
        self.0[at(which)].step(counter::Add(by)).expect("version 2 adds")
    }
}

/// Instances that threads may share.
#[derive(Debug)]
pub struct Cells(Vec<counter::Cell>);

impl Kept for Cells {
    const NAME: &'static str = "Cell::step";

    fn new() -> Self {
        let switch = counter::Switch::new();
        Self(all(|| switch.cell(V2::default()).expect("it is at the version that runs")))
    }

    fn add(&mut self, which: u32, by: u64) -> u64 {
        self.0[at(which)].step(counter::Add(by)).expect("version 2 adds")
    }
}

/// Instances by key.
#[derive(Debug)]
pub struct ByKey(counter::Fleet<u32>);

impl Kept for ByKey {
    const NAME: &'static str = "Fleet::step";

    fn new() -> Self {
        let fleet = counter::Switch::new().fleet();
        for key in 0..INSTANCES {
            fleet.insert(key, V2::default()).expect("it is at the version that runs");
        }
        Self(fleet)
    }

    fn add(&mut self, which: u32, by: u64) -> u64 {
        self.0.step(&which, counter::Add(by)).expect("version 2 adds")
    }
}
