//! The account of the calls that would change something: who, from where, what, and what became of it.
//!
//! Callers whom nobody knows are kept apart, or a flood of them would push out what matters.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::remote::wire::Call;

/// So many calls are kept of callers, and so many of strangers.
const KEPT: usize = 1024;
/// So long a method, a path or a text of one is kept, in bytes.
const LONGEST: usize = 4096;

/// Hears of every such call when it has been answered.
pub type Journal = Box<dyn Fn(&Call) + Send + Sync>;

/// The last calls that would have changed something, refused ones among them.
#[derive(Default)]
pub struct Calls {
    ring: Mutex<Ring>,
    journal: Option<Journal>,
}

#[derive(Default)]
struct Ring {
    known: VecDeque<Call>,
    strangers: VecDeque<Call>,
    next: u64,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

impl Calls {
    /// An account that is also told to `journal`, in the order of its numbers.
    #[must_use]
    pub fn told_to(journal: Journal) -> Self {
        Self { ring: Mutex::default(), journal: Some(journal) }
    }

    /// Adds a call; its number and time are given here.
    pub fn add(&self, mut call: Call) {
        for text in [&mut call.method, &mut call.path, &mut call.why, &mut call.who, &mut call.from] {
            text.truncate(text.floor_char_boundary(LONGEST));
        }
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        call.number = ring.next;
        call.at_ms = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
        ring.next += 1;
        // under the lock, or two would be told in another order than they have
        if let Some(journal) = &self.journal {
            journal(&call);
        }
        let kept = if call.role.is_some() { &mut ring.known } else { &mut ring.strangers };
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(call);
    }

    /// Those that are kept, the oldest first, and how many are not.
    #[must_use]
    pub fn last(&self) -> (Vec<Call>, u64) {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let mut calls: Vec<_> = ring.known.iter().chain(&ring.strangers).cloned().collect();
        calls.sort_by_key(|call| call.number);
        let lost = ring.next - calls.len() as u64;
        (calls, lost)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;
    use crate::remote::who::Role;

    fn call(path: String) -> Call {
        let (who, from, why) = ("alice".to_owned(), "unix uid 1000".to_owned(), String::new());
        let (method, number, at_ms, status) = ("POST".to_owned(), 0, 0, 200);
        Call {
            number,
            at_ms,
            who,
            from,
            role: Some(Role::Operator),
            method,
            path,
            key: None,
            status,
            problem: None,
            why,
        }
    }

    #[test]
    fn the_last_are_kept_all_are_told_and_none_takes_more_than_its_share() {
        let (to, told) = mpsc::channel();
        let calls = Calls::told_to(Box::new(move |call| to.send(call.number).expect("it is heard")));
        let calls = Arc::new(calls);
        for _ in 0..KEPT + 2 {
            let method = "M".repeat(5000);
            calls.add(Call { method, ..call(format!("/{}", "é".repeat(3000))) });
        }
        let (kept, lost) = calls.last();
        assert_eq!((kept.len(), lost, kept[0].number), (KEPT, 2, 2));
        assert_eq!(kept[0].path.len(), LONGEST - 1, "it ends where a character does");
        assert_eq!(kept[0].method.len(), LONGEST);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), (0..=KEPT as u64 + 1).collect::<Vec<_>>());
    }

    #[test]
    fn a_flood_of_strangers_pushes_out_no_call_of_a_caller() {
        let calls = Calls::default();
        calls.add(call("/first".to_owned()));
        for _ in 0..3 * KEPT {
            calls.add(Call { role: None, ..call("/flood".to_owned()) });
        }
        calls.add(call("/last".to_owned()));
        let (kept, lost) = calls.last();
        assert_eq!((kept.len(), lost), (KEPT + 2, 2 * KEPT as u64));
        assert_eq!((&*kept[0].path, &*kept[KEPT + 1].path), ("/first", "/last"));
    }
}
