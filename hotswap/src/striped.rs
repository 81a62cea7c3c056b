//! A value in several copies, so that threads do not meet at one.

use crossbeam_utils::CachePadded;

use crate::sync::{Mutex, MutexGuard, token};

/// Each copy on cache lines of its own. The copies of several threads may be one.
#[derive(Debug)]
pub(crate) struct Striped<T>(Box<[CachePadded<Mutex<T>>]>);

impl<T> Striped<T> {
    pub(crate) fn new(make: impl Fn() -> T) -> Self {
        Self((0..count()).map(|_| CachePadded::new(Mutex::new(make()))).collect())
    }

    /// This thread's.
    pub(crate) fn mine(&self) -> MutexGuard<'_, T> {
        let mine = usize::try_from(token()).unwrap_or(0);
        self.0[mine % self.0.len()].lock()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Mutex<T>> {
        self.0.iter().map(|stripe| &**stripe)
    }
}

#[cfg(not(hotswap_loom))]
fn count() -> usize {
    std::thread::available_parallelism().map_or(8, |n| (n.get() * 4).next_power_of_two()).min(64)
}

#[cfg(hotswap_loom)]
fn count() -> usize {
    2
}
