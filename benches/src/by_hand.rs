//! What a program would write without hotswap: an enum of both versions in a mutex, and an `ArcSwap` that says which is to run.
//!
//! Each line that the second version took ends in `// 2`. It checks nothing that hotswap checks, counts nobody, holds nobody
//! back, and goes down to version 1 without a word of what that loses.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

/// Which version is to run, for all that follow it.
#[derive(Debug, Clone)]
pub struct Runs(Arc<ArcSwap<u32>>);

/// One state that threads share.
#[derive(Debug)]
pub struct Shared {
    runs: Runs,
    state: Mutex<State>,
}

#[rustfmt::skip] // a comment stays on its line
mod versions {
    #[derive(Debug)]
    pub(super) enum State {
        V1(V1),
        V2(V2), // 2
    }

    #[derive(Debug)]
    pub(super) struct V1 {
        pub(super) count: u64,
    }

    pub(super) fn add(state: &mut V1, by: u64) -> u64 {
        state.count += by;
        state.count
    }

    #[derive(Debug)] // 2
    pub(super) struct V2 { // 2
        pub(super) count: u64, // 2
        pub(super) additions: u64, // 2
    } // 2

    pub(super) fn add_counted(state: &mut V2, by: u64) -> u64 { // 2
        state.additions += 1; // 2
        state.count += by; // 2
        state.count // 2
    } // 2

    impl State {
        pub(super) fn version(&self) -> u32 {
            match self {
                Self::V1(_) => 1,
                Self::V2(_) => 2, // 2
            }
        }

        #[cold]
        pub(super) fn move_to(&mut self, version: u32) {
            *self = match (&*self, version) {
                (Self::V1(old), 2) => Self::V2(V2 { count: old.count, additions: 0 }), // 2
                (Self::V2(old), 1) => Self::V1(V1 { count: old.count }), // 2
                _ => return,
            }
        }

        pub(super) fn add(&mut self, by: u64) -> u64 {
            match self {
                Self::V1(state) => add(state, by),
                Self::V2(state) => add_counted(state, by), // 2
            }
        }
    }
}

use versions::{State, V1};

impl Runs {
    /// Version 1 runs.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(ArcSwap::from_pointee(1)))
    }

    /// Another version is to run.
    pub fn flip(&self, version: u32) {
        self.0.store(Arc::new(version));
    }

    /// A state of version 1.
    #[must_use]
    pub fn shared(&self) -> Arc<Shared> {
        Arc::new(Shared { runs: self.clone(), state: Mutex::new(State::V1(V1 { count: 0 })) })
    }
}

impl Default for Runs {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    /// One step, at the version that is to run.
    pub fn add(&self, by: u64) -> u64 {
        let mut state = self.state.lock();
        let version = **self.runs.0.load();
        if state.version() != version {
            state.move_to(version);
        }
        state.add(by)
    }
}

/// The lines that a second version took here, and those that it took [`counter`](crate::counter).
///
/// # Panics
///
/// If the machine's source is not where it was.
#[must_use]
pub fn lines_of_a_second_version() -> [usize; 2] {
    let by_hand = include_str!("by_hand.rs").lines().filter(|line| line.ends_with("// 2")).count();
    let source = include_str!("lib.rs");
    let from = source.find("    #[machine(version = 2").expect("the second version is there");
    let second = source[from..].split_once("\n}\n").expect("the machine ends").0;
    let line = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("///");
    [by_hand, second.lines().filter(line).count()]
}
