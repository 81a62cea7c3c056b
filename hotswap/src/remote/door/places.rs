//! The places of a door: so many connections at once. When they are all taken, whoever has been idle longest leaves for the
//! next one, so that those who only hold a connection keep nobody out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The places of one door.
pub(super) struct Places {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    busy: usize,
    /// By the number of when they became idle: the first has been so longest.
    idle: BTreeMap<u64, Arc<Notify>>,
    next: u64,
}

/// A connection's place, which is free again when this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    /// While it is idle: when it became so.
    since: Mutex<Option<u64>>,
    sent_away: Arc<Notify>,
}

/// A connection at work: it is not sent away.
pub(super) struct Working(Arc<Place>);

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// A place for a connection that has asked for nothing yet; `None` while all others are at work.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Arc<Place>> {
        let sent_away = Arc::new(Notify::new());
        let mut taken = self.taken();
        if taken.busy + taken.idle.len() >= self.most {
            let (_, longest) = taken.idle.pop_first()?;
            longest.notify_one();
        }
        let since = taken.wait(Arc::clone(&sent_away));
        drop(taken);
        Some(Arc::new(Place { places: Arc::clone(self), since: Mutex::new(Some(since)), sent_away }))
    }

    /// Sends everybody away who is idle.
    pub(super) fn clear(&self) {
        for (_, idle) in std::mem::take(&mut self.taken().idle) {
            idle.notify_one();
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn wait(&mut self, sent_away: Arc<Notify>) -> u64 {
        let since = self.next;
        self.next += 1;
        self.idle.insert(since, sent_away);
        since
    }
}

impl Place {
    /// Begins work; `None` for one that was sent away before.
    pub(super) fn work(self: &Arc<Self>) -> Option<Working> {
        let since = self.since().take()?;
        let mut taken = self.places.taken();
        taken.idle.remove(&since)?;
        taken.busy += 1;
        drop(taken);
        Some(Working(Arc::clone(self)))
    }

    /// Ends when it has to leave.
    pub(super) async fn sent_away(&self) {
        self.sent_away.notified().await;
    }

    fn since(&self) -> MutexGuard<'_, Option<u64>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(since) = self.since().take() {
            self.places.taken().idle.remove(&since);
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut taken = self.0.places.taken();
        taken.busy -= 1;
        let since = taken.wait(Arc::clone(&self.0.sent_away));
        drop(taken);
        *self.0.since() = Some(since);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(place: &Arc<Place>) -> bool {
        place.work().is_none()
    }

    #[test]
    fn the_longest_idle_leaves_first_and_who_works_stays() {
        let places = Places::new(3);
        let [first, second, third] = [(); 3].map(|()| places.enter().expect("free"));
        let work = first.work().expect("it is here");
        let fourth = places.enter().expect("the second leaves");
        let fifth = places.enter().expect("the third leaves");
        assert!(left(&second) && left(&third));
        drop(work);
        // the first has just worked, so it is idle for less long than the fourth
        let sixth = places.enter().expect("the fourth leaves");
        assert!(left(&fourth));
        let works = [&first, &fifth, &sixth].map(|place| place.work().expect("it is here"));
        assert!(places.enter().is_none(), "all are at work");
        drop(works);
        assert!(places.enter().is_some());
        assert!(left(&first) && !left(&fifth) && !left(&sixth));
    }

    #[test]
    fn a_place_that_is_left_is_free_and_costs_nobody_theirs() {
        let places = Places::new(2);
        let stays = places.enter().expect("free");
        for _ in 0..10 {
            drop(places.enter().expect("free"));
        }
        assert!(!left(&stays));
        let two = [stays, places.enter().expect("free")];
        places.clear();
        assert!(two.iter().all(left));
    }
}
