//! A mutex that knows when its own holder asks again, and marks its holder as inside.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;

use crate::roster::Patience;
use crate::sync::{AtomicU64, Inside, Mutex, MutexGuard, token};

/// The lock of a cell or of a fleet's shard.
///
/// Who holds it stands on the cache line of the lock, wherever the value ends: a step writes both.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Lock<T> {
    /// The token of the thread that holds it, 0 when nobody does. Only a thread's own token means anything to it, and its own
    /// writes it sees in order: no other ordering is needed.
    holder: AtomicU64,
    value: Mutex<T>,
}

/// The lock was not had: the caller holds it itself, or its patience ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// Holds the lock until it is dropped.
pub(crate) struct Guard<'a, T> {
    // in the order in which they end: to let go of the lock waits for all that was written before, and to take one for what was
    // written after
    inside: Inside,
    mark: Mark<'a>,
    value: MutexGuard<'a, T>,
}

struct Mark<'a>(&'a AtomicU64);

impl Drop for Mark<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl<T> Guard<'_, T> {
    /// Lets go of the lock to whoever waits longest.
    pub(crate) fn unlock_fair(self) {
        let Self { inside, mark, value } = self;
        drop((inside, mark));
        crate::sync::unlock_fair(value);
    }
}

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { holder: AtomicU64::new(0), value: Mutex::new(value) }
    }

    /// Waits for the lock; refuses the thread that holds it already.
    ///
    /// It asks who holds it first, and does not try the lock for that: a try loads the lock's byte, and its exchange waits for
    /// the load.
    #[inline]
    pub(crate) fn lock(&self) -> Result<Guard<'_, T>, Busy> {
        let me = token();
        if self.is_held_by(me) { Err(Busy) } else { Ok(self.guard(self.value.lock(), me)) }
    }

    /// Waits for the lock as long as the patience lasts; refuses the thread that holds it already.
    pub(crate) fn lock_within(&self, patience: Patience) -> Result<Guard<'_, T>, Busy> {
        let me = token();
        match self.value.try_lock() {
            Some(value) => Ok(self.guard(value, me)),
            None => self.wait(patience, me),
        }
    }

    fn is_held_by(&self, who: u64) -> bool {
        self.holder.load(Ordering::Relaxed) == who
    }

    #[cold]
    fn wait(&self, patience: Patience, me: u64) -> Result<Guard<'_, T>, Busy> {
        if self.is_held_by(me) {
            return Err(Busy);
        }
        match patience {
            Patience::None => Err(Busy),
            Patience::Until(end) => self.value.try_lock_until(end).map(|value| self.guard(value, me)).ok_or(Busy),
            Patience::Forever => Ok(self.guard(self.value.lock(), me)),
        }
    }

    #[inline]
    fn guard<'a>(&'a self, value: MutexGuard<'a, T>, me: u64) -> Guard<'a, T> {
        self.holder.store(me, Ordering::Relaxed);
        Guard { mark: Mark(&self.holder), value, inside: Inside::enter() }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
