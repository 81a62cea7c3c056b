//! The few synchronisation types that the switch protocol stands on, so that loom can put its own in their place.

#[cfg(not(hotswap_loom))]
mod imp {
    pub(crate) fn new_token() -> u64 {
        use std::sync::atomic::Ordering;
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    use std::sync::Arc;
    pub(crate) use std::sync::atomic::AtomicU64;

    use arc_swap::ArcSwap;
    use std::time::Instant;

    pub(crate) use parking_lot::{Mutex, MutexGuard};

    /// Lets go of a lock to whoever waits longest.
    pub(crate) fn unlock_fair<T>(guard: MutexGuard<'_, T>) {
        parking_lot::lock_api::MutexGuard::unlock_fair(guard);
    }

    /// Tells waiting threads to look again.
    #[derive(Debug, Default)]
    pub(crate) struct Bell(parking_lot::Condvar);

    impl Bell {
        /// Wakes everyone who waits with this mutex. Its lock is taken in between, so that nobody who has just looked
        /// and found nothing goes to sleep on it.
        pub(crate) fn ring<T>(&self, mutex: &Mutex<T>) {
            drop(mutex.lock());
            self.ring_after();
        }

        /// The same after a change that was made under this mutex.
        pub(crate) fn ring_after(&self) {
            self.0.notify_all();
        }

        /// Waits until `ready` says so, or the end; whether it did.
        pub(crate) fn wait<T>(
            &self,
            mutex: &Mutex<T>,
            mut ready: impl FnMut(&mut T) -> bool,
            end: Option<Instant>,
        ) -> bool {
            let mut value = mutex.lock();
            while !ready(&mut value) {
                match end {
                    None => self.0.wait(&mut value),
                    Some(end) if self.0.wait_until(&mut value, end).timed_out() => {
                        return ready(&mut value);
                    }
                    Some(_) => {}
                }
            }
            true
        }
    }

    /// A value that is replaced whole and read without waiting.
    #[derive(Debug)]
    pub(crate) struct Current<T>(ArcSwap<T>);

    impl<T> Current<T> {
        pub(crate) fn new(value: Arc<T>) -> Self {
            Self(ArcSwap::new(value))
        }
        pub(crate) fn load(&self) -> arc_swap::Guard<Arc<T>> {
            self.0.load()
        }
        pub(crate) fn load_full(&self) -> Arc<T> {
            self.0.load_full()
        }
        pub(crate) fn store(&self, value: Arc<T>) {
            self.0.store(value);
        }
    }
}

#[cfg(hotswap_loom)]
mod imp {
    /// loom repeats a run with the same thread numbers, and only with those.
    pub(crate) fn new_token() -> u64 {
        let id = format!("{:?}", loom::thread::current().id());
        let number: u64 = id.chars().filter_map(|c| c.to_digit(10)).fold(0, |n, digit| n * 10 + u64::from(digit));
        number + 1
    }

    use std::sync::Arc;
    use std::time::Instant;

    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::AtomicU64;

    /// loom's mutex under parking_lot's names; a panic leaves it usable, as there.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            match self.0.try_lock() {
                Ok(guard) => Some(guard),
                Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(std::sync::TryLockError::WouldBlock) => None,
            }
        }
        pub(crate) fn try_lock_until(&self, _: Instant) -> Option<MutexGuard<'_, T>> {
            Some(self.lock())
        }
    }

    pub(crate) fn unlock_fair<T>(guard: MutexGuard<'_, T>) {
        drop(guard);
    }

    /// It never times out.
    #[derive(Debug, Default)]
    pub(crate) struct Bell(loom::sync::Condvar);

    impl Bell {
        pub(crate) fn ring<T>(&self, mutex: &Mutex<T>) {
            drop(mutex.lock());
            self.ring_after();
        }

        pub(crate) fn ring_after(&self) {
            self.0.notify_all();
        }

        pub(crate) fn wait<T>(
            &self,
            mutex: &Mutex<T>,
            mut ready: impl FnMut(&mut T) -> bool,
            _: Option<Instant>,
        ) -> bool {
            let mut value = mutex.lock();
            while !ready(&mut value) {
                value = self.0.wait(value).unwrap_or_else(std::sync::PoisonError::into_inner);
            }
            true
        }
    }

    /// Modelled as a lock: arc-swap's own orderings are its own tests' duty.
    #[derive(Debug)]
    pub(crate) struct Current<T>(Mutex<Arc<T>>);

    impl<T> Current<T> {
        pub(crate) fn new(value: Arc<T>) -> Self {
            Self(Mutex::new(value))
        }
        pub(crate) fn load(&self) -> Box<Arc<T>> {
            Box::new(self.load_full())
        }
        pub(crate) fn load_full(&self) -> Arc<T> {
            Arc::clone(&self.0.lock())
        }
        pub(crate) fn store(&self, value: Arc<T>) {
            *self.0.lock() = value;
        }
    }
}

use imp::new_token;
pub(crate) use imp::{AtomicU64, Bell, Current, Mutex, MutexGuard, unlock_fair};

use std::cell::Cell;

#[cfg(not(hotswap_loom))]
thread_local! {
    static INSIDE: Cell<u32> = const { Cell::new(0) };
    static TOKEN: Cell<u64> = const { Cell::new(0) };
}

#[cfg(hotswap_loom)]
loom::thread_local! {
    static INSIDE: Cell<u32> = Cell::new(0);
    static TOKEN: Cell<u64> = Cell::new(0);
}

/// This thread's token: never 0, never another thread's.
#[inline]
pub(crate) fn token() -> u64 {
    TOKEN.with(|token| {
        if token.get() == 0 {
            token.set(new_token());
        }
        token.get()
    })
}

/// Whether this thread is inside a step of a cell or fleet, or inside a migration.
///
/// Waiting there for other instances could wait for itself.
pub(crate) fn inside() -> bool {
    INSIDE.with(|depth| depth.get() > 0)
}

/// Says that this thread is inside, until it is dropped.
#[derive(Debug)]
pub(crate) struct Inside(());

impl Inside {
    #[inline]
    pub(crate) fn enter() -> Self {
        INSIDE.with(|depth| depth.set(depth.get() + 1));
        Self(())
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        INSIDE.with(|depth| depth.set(depth.get() - 1));
    }
}
