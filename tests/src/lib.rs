//! The machines that several test files share.

pub mod folder;
pub mod images;
pub mod programs;
pub mod remote;

pub use hotswap;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use hotswap::machine;
use serde::{Deserialize, Serialize};

include!("tally.rs");

/// A list of marks with no way down at all: what an undone probation wrote can only be undone by a kept state.
#[machine]
pub mod marks {
    use serde::{Deserialize, Serialize};

    /// Leaves a mark.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Mark(pub u64);
    /// Asks for the marks.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Marks;

    /// Version 1.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V1 {
        /// The marks.
        pub marks: Vec<u64>,
    }
    #[machine(version = 1)]
    fn mark_1(state: &mut V1, input: Mark) {
        state.marks.push(input.0);
    }
    #[machine(version = 1)]
    fn marks_1(state: &V1, _: Marks) -> Vec<u64> {
        state.marks.clone()
    }

    /// Version 2.
    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V2 {
        /// The marks.
        pub marks: Vec<u64>,
    }
    #[machine(version = 2)]
    fn mark_2(state: &mut V2, input: Mark) {
        state.marks.push(input.0);
    }
    #[machine(version = 2)]
    fn marks_2(state: &V2, _: Marks) -> Vec<u64> {
        state.marks.clone()
    }

    /// Version 3.
    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V3 {
        /// The marks.
        pub marks: Vec<u64>,
    }
    #[machine(version = 3)]
    fn mark_3(state: &mut V3, input: Mark) {
        state.marks.push(input.0);
    }
    #[machine(version = 3)]
    fn marks_3(state: &V3, _: Marks) -> Vec<u64> {
        state.marks.clone()
    }
}

/// A sum that a test can stop in the middle of a migration; while it is there, something else happens.
///
/// A state of version 2 and 3 is whole if its `double` is twice its sum.
#[machine(derive(Debug, Clone, PartialEq))]
pub mod paused {
    use serde::{Deserialize, Serialize};

    use super::Hook;

    /// Adds to the sum.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Add(pub u64);
    /// Asks for the sum.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Get;

    /// Version 1.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V1 {
        /// The sum.
        pub sum: u64,
        /// What the next migration does in the middle.
        pub hook: Hook,
    }
    #[machine(version = 1)]
    fn add_1(state: &mut V1, input: Add) {
        state.sum += input.0;
    }
    #[machine(version = 1)]
    fn get_1(state: &V1, _: Get) -> u64 {
        state.sum
    }

    /// Version 2.
    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct V2 {
        /// The sum.
        pub sum: u64,
        /// Twice the sum.
        pub double: u64,
        /// What the next migration does in the middle.
        pub hook: Hook,
    }
    #[machine(migrate)]
    fn up(old: &V1) -> V2 {
        old.hook.run();
        V2 { sum: old.sum, double: old.sum * 2, hook: old.hook }
    }
    #[machine(migrate)]
    fn down(old: &V2) -> V1 {
        old.hook.run();
        V1 { sum: old.sum, hook: old.hook }
    }
    #[machine(version = 2)]
    fn add_2(state: &mut V2, input: Add) {
        state.sum += input.0;
        state.double += input.0 * 2;
    }
    #[machine(version = 2)]
    fn get_2(state: &V2, _: Get) -> u64 {
        state.sum
    }

    // version 3: behaviour only
    #[machine(version = 3, migrates_from = 2)]
    fn get_3(state: &V2, _: Get) -> u64 {
        state.sum + 1000
    }
}

/// Something that a machine's code does once; of a state that is copied or encoded, whichever comes to it first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook(u64);

type Hooked = Box<dyn FnOnce() + Send>;

static HOOKED: Mutex<BTreeMap<u64, Hooked>> = Mutex::new(BTreeMap::new());

impl Hook {
    /// A hook that does this.
    pub fn new(run: impl FnOnce() + Send + 'static) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        HOOKED.lock().expect("nothing runs under it").insert(id, Box::new(run));
        Self(id)
    }

    /// Does it, if nobody has.
    ///
    /// # Panics
    ///
    /// If what it does panics.
    pub fn run(self) {
        let run = HOOKED.lock().expect("nothing runs under it").remove(&self.0);
        if let Some(run) = run {
            run();
        }
    }
}

/// Longer than anything takes here, however slow the computer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A place in a machine's code where whoever comes there is stopped, until this is dropped.
pub struct Stop {
    come: Receiver<()>,
    _go: Sender<()>,
}

impl Stop {
    /// The stop, and the hook that makes it.
    #[must_use]
    pub fn new() -> (Self, Hook) {
        let (come, has_come) = channel();
        let (go, may_go) = channel::<()>();
        let hook = Hook::new(move || {
            let _ = come.send(());
            // until the other side is dropped, by a failing test too; one that waits for what is stopped here must not hang
            let _ = may_go.recv_timeout(PATIENCE);
        });
        (Self { come: has_come, _go: go }, hook)
    }

    /// Waits until somebody is stopped there.
    pub fn wait(&self) {
        self.come.recv_timeout(PATIENCE).expect("somebody comes there");
    }

    /// Lets whoever is stopped there go on.
    pub fn let_go(self) {}
}

/// Tells other threads that it is over when it is dropped: by a test that fails too, which would wait for them for ever.
#[derive(Debug)]
pub struct Ending<'a>(pub &'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A subscriber of `tracing` that runs this at each event.
#[derive(Debug)]
pub struct AtEachEvent<F>(pub F);

impl<F: Fn(&tracing::Event<'_>) + 'static> tracing::Subscriber for AtEachEvent<F> {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        (self.0)(event);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// The cargo that builds these tests, without what it says of their package to them: a build script that asks for that, such
/// as ring's, would otherwise run again, and what depends on it be built anew, in each direction.
#[must_use]
pub fn cargo() -> std::process::Command {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    let says = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(says) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Runs with panics that are part of the test left unprinted on this thread; others print as ever.
pub fn quietly<R>(run: impl FnOnce() -> R) -> R {
    use std::cell::Cell;
    use std::sync::Once;

    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    // a panic that leaves by here is no part of the test
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            QUIET.set(self.0);
        }
    }
    let _before = Before(QUIET.replace(true));
    run()
}
