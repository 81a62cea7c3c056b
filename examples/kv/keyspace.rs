//! The keyspace: a fleet by key, and what is asked of all keys at once.

use std::cell::Cell;
use std::error::Error;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hotswap::{SaveError, Swept, Why, remote};
use kv_store::key::{Admin, AnyState, Fleet, Switch};
use kv_store::{Answer, Bytes, Command, Reply};
use tokio::sync::Notify;

use crate::disk::Disk;
use crate::images::Incoming;
use crate::key::Key;
use crate::timers::sleep;

/// How long the sweep works before it lets the clients have their turn: at least, and at most where they are many.
const SLICE: RangeInclusive<Duration> = Duration::from_micros(15)..=Duration::from_micros(120);
/// How many times as long as the sweep the clients have. A key that is swept is moved in a tenth of the time that it takes a step
/// which comes before: the sooner all are, the more steps there are.
const SHARE: u32 = 4;
/// How long it is from one look for keys that have expired to the next.
const EXPIRY: Duration = Duration::from_millis(100);
/// How many of them are looked at before the clients have their turn.
const LOOKS: usize = 200;

/// All keys. A clone is another handle to them.
#[derive(Debug, Clone)]
pub(crate) struct Keyspace {
    switch: Switch,
    keys: Fleet<Key>,
    disk: Option<Arc<Disk>>,
    incoming: Option<Arc<Incoming>>,
    bells: Arc<Bells>,
}

/// How a client wants the keys saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It waits until they are.
    Before,
    /// It goes on meanwhile.
    Meanwhile,
}

#[derive(Debug, Default)]
struct Bells {
    /// Rung after a command that may have flipped.
    flipped: Notify,
    /// Rung when a sweep is over, or overtaken by the next flip.
    swept: Notify,
}

impl Keyspace {
    /// The keys in this folder; in memory only without one.
    pub(crate) fn open(
        version: u32,
        folder: Option<&Path>,
        incoming: Option<Incoming>,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (disk, switch, keys) = if let Some(folder) = folder {
            let (disk, switch, keys) = Disk::open(folder, version, incoming.as_ref())?;
            (Some(Arc::new(disk)), switch, keys)
        } else {
            let switch = Switch::builder().starting_at(version).build()?;
            (None, switch.clone(), switch.fleet())
        };
        Ok(Self { switch, keys, disk, incoming: incoming.map(Arc::new), bells: Arc::default() })
    }

    /// What commands from outside may use besides the switch.
    pub(crate) fn offer(&self, mut options: remote::Options) -> remote::Options {
        if let Some(incoming) = &self.incoming {
            options = options.images(incoming.images().clone());
        }
        if let Some(disk) = &self.disk {
            options = options.snapshots(disk.folder());
        }
        options
    }

    /// Where versions come from, if they may.
    pub(crate) fn incoming(&self) -> Option<&Arc<Incoming>> {
        self.incoming.as_ref()
    }

    /// Whether a command of the switch may wait for the disk.
    pub(crate) fn on_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Writes all keys to the folder while they are served.
    pub(crate) async fn save(&self, how: How) -> Reply {
        let (keys, Some(disk)) = (self.keys.clone(), self.disk.clone()) else {
            return Reply::error("ERR the keys are in memory only: start kv with --dir");
        };
        let saving =
            tokio::task::spawn_blocking(move || disk.save(&keys).inspect_err(|error| eprintln!("kv: {error}")));
        if how == How::Meanwhile {
            return Reply::Status("Background saving started".into());
        }
        match saving.await {
            Ok(Ok(_)) => Reply::OK,
            Ok(Err(SaveError::Busy { .. })) => Reply::error("ERR Background save already in progress"),
            Ok(Err(error)) => Reply::error(format_args!("ERR {error}")),
            Err(failed) => Reply::error(format_args!("ERR {failed}")),
        }
    }

    /// Writes all keys, if they have a folder.
    pub(crate) fn save_at_the_end(&self) -> Result<(), SaveError> {
        if let Some(disk) = &self.disk {
            let saved = disk.save(&self.keys)?;
            eprintln!("kv: saved {} keys", saved.instances);
        }
        Ok(())
    }

    /// When the keys were last saved, in seconds since 1970.
    pub(crate) fn last_save(&self) -> Reply {
        let saved = self.disk.as_ref().map_or(0, |disk| disk.last_save());
        Reply::Integer(i64::try_from(saved).unwrap_or(i64::MAX))
    }

    pub(crate) fn admin(&self) -> Admin {
        self.switch.admin()
    }

    /// Says that commands will come for these keys.
    pub(crate) fn prefetch<'a>(&self, keys: impl Iterator<Item = &'a Bytes>) {
        self.keys.prefetch(keys);
    }

    /// Runs a command for one key. One without a key is the version's to refuse, on an empty one.
    pub(crate) fn run(&self, command: Command) -> Reply {
        // a version that panics on one key costs that command, and not the connection with all that came before in it
        let reply = catch_unwind(AssertUnwindSafe(|| self.step(command)));
        reply.unwrap_or_else(|_| Reply::error("ERR the command panicked"))
    }

    fn step(&self, command: Command) -> Reply {
        let key = Key::from(command.key().cloned().unwrap_or_default());
        let made = Cell::new(false);
        let empty = || {
            made.set(true);
            AnyState::empty(self.switch.version())
        };
        let stays = |_: &AnyState, answer: Option<&Answer>| answer.map_or(!made.get(), |answer| answer.holds);
        match self.keys.step_while(key, empty, command, stays) {
            Ok(answer) => answer.reply,
            Err(refused) if matches!(refused.why, Why::Refused { .. }) => refused.input.unknown(),
            Err(refused) => Reply::error(format_args!("ERR {}", refused.why)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn clear(&self) -> Reply {
        match self.keys.clear() {
            Ok(()) => Reply::OK,
            Err(error) => Reply::error(format_args!("ERR {error}")),
        }
    }

    /// Up to `at_most` keys from `cursor` on that `wanted` takes, and the cursor to go on from.
    pub(crate) fn scan(
        &self,
        cursor: u64,
        at_most: usize,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<(Option<u64>, Vec<Reply>), Reply> {
        let (now, mut found) = (now(), Vec::new());
        let look = |key: &Key, state: &AnyState| {
            let gone = state.gone(now);
            if gone != Some(true) && wanted(key.as_bytes()) {
                found.push((Bytes::from(key.as_bytes()), gone.is_none()));
            }
        };
        let next = self.keys.keys_from(cursor, at_most, look);
        let next = next.map_err(|error| Reply::error(format_args!("ERR {error}")))?;
        let found = found.into_iter().filter(|(key, ask)| !ask || !self.end_if_gone(key));
        Ok((next, found.map(|(key, _)| Reply::Bulk(key)).collect()))
    }

    /// Asks a key whose version alone can tell; whether it is not there any more.
    fn end_if_gone(&self, key: &Bytes) -> bool {
        let words = vec![Bytes::borrowed(b"EXISTS"), key.clone()];
        self.run(Command { now: now(), words }) == Reply::Integer(0)
    }

    /// Says that there may be something to sweep, and that earlier flips may be overtaken.
    pub(crate) fn flipped(&self) {
        self.bells.flipped.notify_one();
        self.bells.swept.notify_waiters();
    }

    /// Waits until `settled` says so; it is asked after each sweep and flip.
    pub(crate) async fn settled<T>(&self, settled: impl Fn() -> Option<T>) -> T {
        loop {
            let swept = self.bells.swept.notified();
            tokio::pin!(swept);
            // listening before looking, so that no sweep ends unheard in between
            swept.as_mut().enable();
            if let Some(outcome) = settled() {
                return outcome;
            }
            swept.await;
        }
    }

    /// Sweeps after each flip, on the threads that serve: a slice, and then the clients' turn.
    pub(crate) async fn sweep(self) {
        let (sweeper, mut slice) = (self.switch.sweeper(), *SLICE.start());
        loop {
            while sweeper.slice(slice) == Swept::More {
                let clients = Instant::now();
                tokio::task::yield_now().await;
                slice = (clients.elapsed() / SHARE).clamp(*SLICE.start(), *SLICE.end());
            }
            self.bells.swept.notify_waiters();
            self.bells.flipped.notified().await;
        }
    }

    /// Ends keys that have expired and that nobody asks for.
    pub(crate) async fn expire(self) {
        let mut cursor = 0;
        loop {
            sleep(EXPIRY).await;
            cursor = self.end_some(cursor).unwrap_or(0);
        }
    }

    /// Ends all keys that have expired.
    pub(crate) async fn end_expired(&self) {
        let mut cursor = Some(0);
        while let Some(from) = cursor {
            cursor = self.end_some(from);
            tokio::task::yield_now().await;
        }
    }

    /// Ends what has expired of the next few keys, and gives the cursor to go on from.
    fn end_some(&self, cursor: u64) -> Option<u64> {
        let (now, mut gone) = (now(), Vec::new());
        let look = |key: &Key, state: &AnyState| {
            let known = state.gone(now);
            if known != Some(false) {
                gone.push((key.clone(), known.is_none()));
            }
        };
        let next = self.keys.keys_from(cursor, LOOKS, look).ok().flatten();
        for (key, ask) in gone {
            // asked again: the key may have been written since
            if ask {
                self.end_if_gone(&Bytes::from(key.as_bytes()));
            } else {
                let _ = self.keys.remove_if(&key, |state| state.gone(now) == Some(true));
            }
        }
        next
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
