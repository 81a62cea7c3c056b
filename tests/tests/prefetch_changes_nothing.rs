//! `Fleet::prefetch` is a hint: whatever it is asked for, steps find what they would have found, and it waits for none that runs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use hotswap::machine;
use proptest::prelude::*;

thread_local! {
    /// What the step on this thread does meanwhile.
    static MEANWHILE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

#[machine]
pub mod busy {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Go;

    #[machine(version = 1)]
    #[derive(Debug, Default, Serialize, Deserialize)]
    pub struct Busy {
        pub steps: u64,
        /// So large that what the tests have is not all in the processor's caches: for less, nothing is fetched.
        pub rest: [[u64; 32]; 8],
    }

    #[machine(version = 1)]
    fn go(state: &mut Busy, _: Go) -> u64 {
        if let Some(run) = super::MEANWHILE.with(|run| run.borrow_mut().take()) {
            run();
        }
        state.steps += 1;
        state.steps
    }
}

/// How long a thread is waited for that should not wait itself.
const LONG: Duration = Duration::from_secs(30);

fn fleet() -> busy::Fleet<u32> {
    let fleet = busy::Switch::new().fleet();
    (0..400).for_each(|key| drop(fleet.insert(key, busy::Busy::default()).expect("enters")));
    fleet
}

#[test]
fn it_waits_for_no_step_that_runs() {
    let fleet = fleet();
    let (begun, has_begun) = channel();
    let (go_on, may_go_on) = channel();
    let (done, is_done) = channel();
    let inner = fleet.clone();
    thread::scope(|scope| {
        let stepping = scope.spawn(|| {
            MEANWHILE.with(|run| {
                *run.borrow_mut() = Some(Box::new(move || {
                    // from inside, and then from another thread: the lock of this step is asked for both times
                    inner.prefetch(&(0..800).collect::<Vec<_>>());
                    begun.send(()).expect("the test waits");
                    may_go_on.recv_timeout(LONG).expect("the test goes on");
                }));
            });
            fleet.step(&0, busy::Go).expect("taken")
        });
        has_begun.recv_timeout(LONG).expect("the step runs, and has not waited for itself");
        scope.spawn(|| {
            fleet.prefetch(&(0..800).collect::<Vec<_>>());
            done.send(()).expect("the test waits");
        });
        let waited = is_done.recv_timeout(LONG / 2);
        go_on.send(()).expect("the step waits");
        assert_eq!(stepping.join().expect("no step panics"), 1);
        waited.expect("it waited for a step that runs");
    });
}

/// What is done to a fleet.
#[derive(Debug, Clone)]
enum Do {
    Insert(u32),
    Remove(u32),
    Step(u32),
    Prefetch(Vec<u32>),
}

fn deed() -> impl Strategy<Value = Do> {
    let key = 0..400_u32;
    prop_oneof![
        4 => key.clone().prop_map(Do::Insert),
        2 => key.clone().prop_map(Do::Remove),
        4 => key.clone().prop_map(Do::Step),
        2 => prop::collection::vec(key, 0..40).prop_map(Do::Prefetch),
    ]
}

proptest! {
    #[test]
    fn steps_find_what_they_would_have_found(deeds in prop::collection::vec(deed(), 0..600)) {
        let fleet = fleet();
        let mut counts: BTreeMap<u32, u64> = (0..400).map(|key| (key, 0)).collect();
        for deed in deeds {
            match deed {
                Do::Insert(key) => {
                    let old = fleet.insert(key, busy::Busy::default()).expect("enters");
                    prop_assert_eq!(old.is_some(), counts.insert(key, 0).is_some());
                }
                Do::Remove(key) => {
                    let old = fleet.remove(&key).expect("outside");
                    prop_assert_eq!(old.is_some(), counts.remove(&key).is_some());
                }
                Do::Step(key) => {
                    let count = counts.get_mut(&key).map(|count| {
                        *count += 1;
                        *count
                    });
                    prop_assert_eq!(fleet.step(&key, busy::Go).ok(), count);
                }
                Do::Prefetch(keys) => fleet.prefetch(&keys),
            }
            prop_assert_eq!(fleet.len(), counts.len());
        }
    }
}
