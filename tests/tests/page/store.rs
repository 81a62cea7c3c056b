//! The example `kv` in a process of its own, with keys in it, and clients that count at them all the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redis::{Connection, cmd, pipe};

use super::kv::{self, Server};
use super::tokens::Tokens;

pub(crate) const KEYS: u64 = 50_000;
const WRITERS: u64 = 2;
/// So many are sent before the answers are read.
const AT_ONCE: u64 = 50;

/// The program; it ends when this is dropped, by a failing test too.
pub(crate) struct Store {
    pub(crate) url: String,
    pub(crate) tokens: Tokens,
    server: Server,
    over: Arc<AtomicBool>,
    writers: Vec<JoinHandle<BTreeMap<u64, i64>>>,
}

impl Store {
    /// Starts it at this version.
    pub(crate) fn start(version: u32) -> Self {
        let tokens = Tokens::new();
        let file = tokens.file();
        let (at, file) = (version.to_string(), file.to_str().expect("text"));
        let server = Server::start(&["--at", &at, "--admin-port", "0", "--admin-tokens", file]);
        let [address] = &server.admin[..] else { panic!("not one port: {:?}", server.admin) };
        let url = format!("{address}/");
        let mut keys = cmd("MSET");
        for n in 0..KEYS {
            keys.arg(key(n)).arg(0);
        }
        keys.exec(&mut server.client()).expect("it takes them");
        let over = Arc::new(AtomicBool::new(false));
        let writer = |number| {
            let (redis, over) = (server.client(), Arc::clone(&over));
            thread::spawn(move || count(redis, number, &over))
        };
        let writers = (0..WRITERS).map(writer).collect();
        Self { url, tokens, server, over, writers }
    }

    pub(crate) fn client(&self) -> Connection {
        self.server.client()
    }

    /// Commands it by another way than the page.
    pub(crate) fn hotswap(&self, words: &[&str]) {
        cmd("HOTSWAP").arg(words).exec(&mut self.client()).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }

    /// What its switch says of itself, to others than the page.
    pub(crate) fn status(&self, what: &str) -> i64 {
        kv::status(&mut self.client())[what]
    }

    /// Ends the counting: every answer was the next number, and every key has what it was counted up to.
    pub(crate) fn end_with_all_there(mut self) {
        self.over.store(true, Ordering::Release);
        let mut redis = self.client();
        for writer in self.writers.drain(..) {
            let counted = writer.join().expect("no count was lost");
            assert!(counted.len() > 1, "it wrote");
            let (keys, counts): (Vec<_>, Vec<_>) = counted.into_iter().unzip();
            let keys: Vec<_> = keys.into_iter().map(key).collect();
            assert_eq!(cmd("MGET").arg(keys).query::<Vec<i64>>(&mut redis).expect("they are there"), counts);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // before the program goes, or it would be cut off
        for writer in self.writers.drain(..) {
            let _ = writer.join();
        }
    }
}

pub(crate) fn key(n: u64) -> String {
    format!("key:{n}")
}

/// Counts at the keys that are this one's, with a short breath after each round so that one processor is enough, and gives what
/// each has come to.
fn count(mut redis: Connection, number: u64, over: &AtomicBool) -> BTreeMap<u64, i64> {
    let (mut counted, mut at) = (BTreeMap::<u64, i64>::new(), number);
    while !over.load(Ordering::Acquire) {
        let mut round = pipe();
        let mut expected = Vec::new();
        for _ in 0..AT_ONCE {
            // a step of a prime length, and an even number of keys: it comes to every key of its own
            at = (at + 7919 * WRITERS) % KEYS;
            round.incr(key(at), 1);
            let count = counted.entry(at).or_default();
            *count += 1;
            expected.push(*count);
        }
        assert_eq!(round.query::<Vec<i64>>(&mut redis).expect("it serves"), expected);
        thread::sleep(Duration::from_millis(2));
    }
    counted
}
