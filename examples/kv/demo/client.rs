//! One client of the demo: random commands on keys of its own, each reply checked against a model.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use hdrhistogram::Histogram;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, cmd};

use super::{Failure, Orders};

/// A key that all clients count up.
pub(super) const COUNTER: &str = "counter";
const OWN_KEYS: u64 = 500;
/// Each client's collections of each kind: made at version 3, served ever after.
const COLLECTIONS: u64 = 20;

pub(super) struct Client {
    number: usize,
    redis: MultiplexedConnection,
    orders: Arc<Orders>,
    lots: u64,
    stocked: bool,
    texts: BTreeMap<String, String>,
    lists: BTreeMap<String, VecDeque<u64>>,
    sets: BTreeMap<String, BTreeSet<u64>>,
    hashes: BTreeMap<String, BTreeMap<String, u64>>,
    done: Done,
}

/// What a client did.
#[derive(Default)]
pub(super) struct Done {
    /// By phase.
    pub(super) tallies: Vec<Tally>,
    /// How often it counted up.
    pub(super) counted: u64,
    /// Its values at the end.
    pub(super) checked: Checked,
}

/// Requests of one phase.
pub(super) struct Tally {
    /// Nanoseconds that replies took.
    pub(super) waits: Histogram<u64>,
    /// Replies that were errors.
    pub(super) errors: u64,
    /// Replies that were not what the model says.
    pub(super) wrong: u64,
}

/// Values that were compared with the model.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) values: u64,
    pub(super) lost: u64,
}

impl Checked {
    pub(super) fn add(&mut self, right: bool) {
        self.values += 1;
        self.lost += u64::from(!right);
    }
}

impl Tally {
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self { waits: Histogram::new(3)?, errors: 0, wrong: 0 })
    }
}

impl Client {
    pub(super) fn new(number: usize, redis: MultiplexedConnection, orders: Arc<Orders>) -> Self {
        Self {
            number,
            redis,
            orders,
            lots: number as u64,
            stocked: false,
            texts: BTreeMap::new(),
            lists: BTreeMap::new(),
            sets: BTreeMap::new(),
            hashes: BTreeMap::new(),
            done: Done::default(),
        }
    }

    /// Works until it is told to end, and then looks at every value that it has written.
    pub(super) async fn run(mut self) -> Result<Done, Failure> {
        while !self.orders.over.load(Ordering::SeqCst) {
            let version = self.orders.version.load(Ordering::SeqCst);
            if version >= 3 && !self.stocked {
                self.stock().await?;
            }
            match self.draw(if version >= 3 { 10 } else { 6 + u64::from(version >= 2) }) {
                0 | 1 => self.read().await?,
                2 | 3 => self.write().await?,
                4 => self.count().await?,
                5 => self.append_or_delete().await?,
                6 => self.expire().await?,
                7 => self.list().await?,
                8 => self.set().await?,
                _ => self.hash().await?,
            }
        }
        self.check().await?;
        Ok(self.done)
    }

    /// Sends a command, and notes how long the reply took and whether it is the `expected` one.
    async fn ask<T: FromRedisValue + PartialEq>(&mut self, command: &Cmd, expected: T) -> Result<(), Failure> {
        let phase = self.orders.phase.load(Ordering::SeqCst);
        while self.done.tallies.len() <= phase {
            self.done.tallies.push(Tally::new()?);
        }
        let started = Instant::now();
        let reply: Result<T, _> = command.query_async(&mut self.redis).await;
        let tally = &mut self.done.tallies[phase];
        tally.waits.record(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX))?;
        match reply {
            Ok(reply) => tally.wrong += u64::from(reply != expected),
            Err(_) => tally.errors += 1,
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let key = self.key();
        let expected = self.texts.get(&key).cloned();
        self.ask(cmd("GET").arg(key), expected).await
    }

    async fn write(&mut self) -> Result<(), Failure> {
        let (key, text) = (self.key(), self.draw(u64::MAX).to_string());
        self.texts.insert(key.clone(), text.clone());
        self.ask(cmd("SET").arg(key).arg(text), "OK".to_owned()).await
    }

    async fn append_or_delete(&mut self) -> Result<(), Failure> {
        let key = self.key();
        if self.draw(4) == 0 {
            let there = self.texts.remove(&key).is_some();
            return self.ask(cmd("DEL").arg(key), u64::from(there)).await;
        }
        let text = self.texts.entry(key.clone()).or_default();
        text.push('+');
        let len = text.len();
        self.ask(cmd("APPEND").arg(key).arg("+"), len).await
    }

    /// Others count too, so only the sum at the end is known. The reply must be a number that is at least one's own share.
    async fn count(&mut self) -> Result<(), Failure> {
        self.done.counted += 1;
        self.ask(cmd("INCR").arg(COUNTER), AtLeast(self.done.counted)).await
    }

    /// Far enough away that nothing ends during the demo.
    async fn expire(&mut self) -> Result<(), Failure> {
        let key = self.key();
        let there = self.texts.contains_key(&key);
        self.ask(cmd("EXPIRE").arg(&key).arg(1000), u64::from(there)).await?;
        if there { self.ask(cmd("TTL").arg(key), AtLeast(900)).await } else { Ok(()) }
    }

    async fn list(&mut self) -> Result<(), Failure> {
        let (key, item) = (self.collection("list"), self.draw(1000));
        let list = self.lists.entry(key.clone()).or_default();
        if list.len() > 10 {
            let first = list.pop_front();
            return self.ask(cmd("LPOP").arg(key), first).await;
        }
        list.push_back(item);
        let len = list.len();
        self.ask(cmd("RPUSH").arg(key).arg(item), len).await
    }

    async fn set(&mut self) -> Result<(), Failure> {
        let (key, member) = (self.collection("set"), self.draw(50));
        let set = self.sets.entry(key.clone()).or_default();
        if set.len() > 30 && set.remove(&member) {
            return self.ask(cmd("SREM").arg(key).arg(member), 1_u64).await;
        }
        let new = set.insert(member);
        self.ask(cmd("SADD").arg(key).arg(member), u64::from(new)).await
    }

    async fn hash(&mut self) -> Result<(), Failure> {
        let (key, field, value) = (self.collection("hash"), format!("f{}", self.draw(30)), self.draw(1000));
        let new = self.hashes.entry(key.clone()).or_default().insert(field.clone(), value).is_none();
        self.ask(cmd("HSET").arg(key).arg(field).arg(value), u64::from(new)).await
    }

    /// Puts something into each of its collections: a list that is begun at version 3 goes on after a rollback.
    async fn stock(&mut self) -> Result<(), Failure> {
        for n in 0..COLLECTIONS {
            let [list, set, hash] = ["list", "set", "hash"].map(|kind| self.name(kind, n));
            self.lists.insert(list.clone(), [n].into());
            self.ask(cmd("RPUSH").arg(list).arg(n), 1_u64).await?;
            self.sets.insert(set.clone(), [n].into());
            self.ask(cmd("SADD").arg(set).arg(n), 1_u64).await?;
            self.hashes.insert(hash.clone(), [("f".to_owned(), n)].into());
            self.ask(cmd("HSET").arg(hash).arg("f").arg(n), 1_u64).await?;
        }
        self.stocked = true;
        self.orders.stocked.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn check(&mut self) -> Result<(), Failure> {
        let redis = &mut self.redis;
        let checked = &mut self.done.checked;
        for n in 0..OWN_KEYS {
            let key = own(self.number, "text", n);
            let found: Option<String> = cmd("GET").arg(&key).query_async(redis).await?;
            checked.add(found.as_ref() == self.texts.get(&key));
        }
        for (key, list) in &self.lists {
            let found: VecDeque<u64> = cmd("LRANGE").arg(key).arg(0).arg(-1).query_async::<Vec<_>>(redis).await?.into();
            checked.add(found == *list);
        }
        for (key, set) in &self.sets {
            let found: BTreeSet<u64> = cmd("SMEMBERS").arg(key).query_async(redis).await?;
            checked.add(found == *set);
        }
        for (key, hash) in &self.hashes {
            let found: BTreeMap<String, u64> = cmd("HGETALL").arg(key).query_async(redis).await?;
            checked.add(found == *hash);
        }
        Ok(())
    }

    fn key(&mut self) -> String {
        let n = self.draw(OWN_KEYS);
        self.name("text", n)
    }

    fn collection(&mut self, kind: &str) -> String {
        let n = self.draw(COLLECTIONS);
        self.name(kind, n)
    }

    fn name(&self, kind: &str, n: u64) -> String {
        own(self.number, kind, n)
    }

    /// A number below `below`, the same ones in every run.
    fn draw(&mut self, below: u64) -> u64 {
        // the multiplier of Knuth's MMIX generator; its upper bits are the good ones
        self.lots = self.lots.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.lots >> 33) % below
    }
}

fn own(client: usize, kind: &str, n: u64) -> String {
    format!("{client}:{kind}:{n}")
}

/// Equal to every number that is not lower.
struct AtLeast(u64);

impl FromRedisValue for AtLeast {
    fn from_redis_value(value: redis::Value) -> Result<Self, redis::ParsingError> {
        u64::from_redis_value(value).map(Self)
    }
}

impl PartialEq for AtLeast {
    /// The reply stands on the left.
    fn eq(&self, least: &Self) -> bool {
        self.0 >= least.0
    }
}
