//! A call that changes something is done once under one `Idempotency-Key`; whoever asks again gets the same answer.
//!
//! What was refused has changed nothing, so its key is free again. What is remembered is bounded: of very many the oldest are
//! forgotten. The switch itself remembers the keys of its commands, as their ids.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use super::ask::REPLAYED;
use crate::remote::problem::{ID_REUSED, Refused, TOO_MANY};
use crate::remote::wire::Blocker;

/// So many keys are remembered.
const KEYS: usize = 4096;
/// So many bytes of answers.
const BYTES: usize = 16 << 20;

/// The keys of the calls that were done, and of those that are being done.
#[derive(Default)]
pub(super) struct Once(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    keys: HashMap<Key, Entry>,
    /// Those that were done, the oldest first.
    done: VecDeque<Key>,
    bytes: usize,
}

/// Who asks, and the key: two people may choose the same.
pub(super) type Key = (String, String);

/// What is asked: a hash of the method, the path and the body.
pub(super) type What = u128;

enum Entry {
    Doing { what: What, ended: watch::Receiver<()> },
    Done { what: What, answer: Answer },
}

impl Entry {
    fn what(&self) -> What {
        match self {
            Self::Doing { what, .. } | Self::Done { what, .. } => *what,
        }
    }
}

/// An answer that can be given again.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, self.headers, self.body).into_response()
    }
}

/// What is to be done with a call that has a key.
pub(super) enum Turn<'a> {
    /// It is the first; and tells here what became of it.
    First(Doing<'a>),
    /// It was done.
    Again(Answer),
}

/// A call that is being done. Dropped without an answer, it leaves its key free.
pub(super) struct Doing<'a> {
    once: &'a Once,
    key: Option<Key>,
    what: What,
    /// Its end is seen by those who wait.
    _ends: watch::Sender<()>,
}

impl Once {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the same call is done, if it is being done.
    pub(super) async fn turn(&self, key: Key, what: What) -> Result<Turn<'_>, Refused> {
        loop {
            let mut ended = {
                let mut memory = self.memory();
                match memory.keys.get(&key) {
                    Some(entry) if entry.what() != what => {
                        let (id, was) = (key.1, "a call with another path or body".to_owned());
                        let detail = format!("key `{id}` was used before, for {was}");
                        return Err(Refused::new(ID_REUSED, detail).because(Blocker::IdReused { id, was }));
                    }
                    Some(Entry::Done { answer, .. }) => return Ok(Turn::Again(answer.clone())),
                    Some(Entry::Doing { ended, .. }) => ended.clone(),
                    None => {
                        if memory.keys.len() - memory.done.len() >= KEYS {
                            return Err(Refused::new(TOO_MANY, format!("{KEYS} calls with keys are being done")));
                        }
                        let (ends, ended) = watch::channel(());
                        memory.keys.insert(key.clone(), Entry::Doing { what, ended });
                        return Ok(Turn::First(Doing { once: self, key: Some(key), what, _ends: ends }));
                    }
                }
            };
            // nothing is ever sent: it ends
            let _ = ended.changed().await;
        }
    }
}

impl Doing<'_> {
    /// It was done, and this is the answer for whoever asks again.
    pub(super) fn done(mut self, mut answer: Answer) {
        answer.headers.insert(REPLAYED, HeaderValue::from_static("true"));
        let Some(key) = self.key.take() else { return };
        let mut memory = self.once.memory();
        memory.bytes += answer.body.len();
        memory.keys.insert(key.clone(), Entry::Done { what: self.what, answer });
        memory.done.push_back(key);
        while memory.done.len() > KEYS || memory.bytes > BYTES {
            let Some(oldest) = memory.done.pop_front() else { break };
            if let Some(Entry::Done { answer, .. }) = memory.keys.remove(&oldest) {
                memory.bytes -= answer.body.len();
            }
        }
    }
}

impl Drop for Doing<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.once.memory().keys.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        ("alice".to_owned(), n.to_string())
    }

    fn answer(bytes: usize) -> Answer {
        Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::from(vec![0; bytes]) }
    }

    async fn first(once: &Once, n: usize) -> Doing<'_> {
        match once.turn(key(n), 7).await {
            Ok(Turn::First(doing)) => doing,
            _ => panic!("it is the first"),
        }
    }

    async fn again(once: &Once, n: usize) -> bool {
        matches!(once.turn(key(n), 7).await, Ok(Turn::Again(_)))
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded_in_number_and_in_size() {
        let once = Once::default();
        for n in 0..=KEYS {
            first(&once, n).await.done(answer(1));
        }
        assert!(again(&once, KEYS).await && again(&once, 1).await && !again(&once, 0).await);
        assert_eq!(once.memory().keys.len(), KEYS);

        first(&once, KEYS + 1).await.done(answer(BYTES));
        assert!(again(&once, KEYS + 1).await, "the newest stays, however large");
        let memory = once.memory();
        assert_eq!((memory.keys.len(), memory.bytes), (1, BYTES));
    }

    #[tokio::test]
    async fn a_refused_call_leaves_its_key_free_and_one_that_is_being_done_is_waited_for() {
        let once = Once::default();
        drop(first(&once, 1).await);
        let doing = first(&once, 1).await;
        assert!(matches!(once.turn(key(1), 8).await, Err(refused) if refused.problem.status == 422));
        let waits = again(&once, 1);
        let (waited, ()) = tokio::join!(waits, async { doing.done(answer(1)) });
        assert!(waited);
    }
}
