//! How many calls are done at a time: each on a thread for blocking work, so that none holds up the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::remote::problem::{BROKEN, Refused, TOO_MANY};

/// So many calls may wait for their turn in one lane.
const WAITING: usize = 1024;

/// Calls of one sort. What waits for an instance may wait for ever: it takes the turns of its own lane only.
pub(super) struct Lane {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// The lanes.
pub(super) struct Turns {
    /// Looks, and waits for nothing that lasts.
    pub(super) looks: Lane,
    /// Flips a switch, and may wait for the disk.
    pub(super) commands: Lane,
    /// Waits for instances, or for the disk.
    pub(super) instances: Lane,
    /// Loads code, one image at a time.
    #[cfg(feature = "load")]
    pub(super) images: Lane,
}

impl Default for Turns {
    fn default() -> Self {
        let lane = |turns| Lane { turns: Arc::new(Semaphore::new(turns)), waiting: AtomicUsize::new(0) };
        Self {
            looks: lane(16),
            commands: lane(16),
            instances: lane(32),
            #[cfg(feature = "load")]
            images: lane(1),
        }
    }
}

/// Someone who waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lane {
    /// A turn, when one is free.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            return Err(Refused::new(TOO_MANY, format!("{WAITING} calls wait already; try again later")));
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        drop(waiting);
        turn.map_err(|_| broken())
    }

    /// Does something in its turn. It is done to its end, whether or not anybody waits for it.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refused> {
        let turn = self.turn().await?;
        let done = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|_| broken())
    }
}

/// The thread that did it panicked.
pub(super) fn broken() -> Refused {
    Refused::new(BROKEN, "the call ended in the middle: the program's log says why")
}
