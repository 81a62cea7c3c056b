//! Timers, on a thread of their own: a runtime that has some asks for the time whenever it waits for its clients. With 16 commands at a
//! time from each of 50, that would be 1.7 % of what the thread takes that serves them.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::{self, Sleep, Timeout};

static TIMERS: LazyLock<Runtime> = LazyLock::new(|| {
    let mut timers = Builder::new_multi_thread();
    timers.worker_threads(1).thread_name("timers").enable_time().build().expect("a thread can be started")
});

/// Starts their thread, before anybody is served who may need them.
pub(crate) fn start() {
    LazyLock::force(&TIMERS);
}

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
