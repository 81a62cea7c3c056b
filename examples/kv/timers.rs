//! Waits by the clock, which a thread of its own looks at: a runtime that has timers asks for the time twice each time that it waits for
//! its clients, and the threads that serve would be busier by a fiftieth.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::{self, Sleep, Timeout};

static TIMERS: LazyLock<Runtime> = LazyLock::new(|| {
    let mut timers = Builder::new_multi_thread();
    timers.worker_threads(1).thread_name("timers").enable_time().build().expect("a thread can be started")
});

/// Is done after so long.
pub(crate) fn sleep(long: Duration) -> Sleep {
    let _timers = TIMERS.enter();
    time::sleep(long)
}

/// What `wanted` gives, if it does within so long.
pub(crate) fn timeout<F: Future>(long: Duration, wanted: F) -> Timeout<F> {
    let _timers = TIMERS.enter();
    time::timeout(long, wanted)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[test]
    fn a_runtime_without_timers_waits_by_them() {
        let serving = Builder::new_current_thread().enable_io().build().unwrap();
        serving.block_on(async {
            sleep(Duration::from_millis(1)).await;
            timeout(Duration::from_millis(1), pending::<()>()).await.unwrap_err();
            assert_eq!(timeout(Duration::MAX, async { 7 }).await.unwrap(), 7);
        });
    }
}
