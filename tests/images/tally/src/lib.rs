//! A machine that counts, as an ordinary library crate. Its third version can be asked to misbehave.

#![forbid(unsafe_code)]

/// Counts, and says what it has come to.
#[hotswap::machine(derive(Debug, Clone))]
pub mod tally {
    use serde::{Deserialize, Serialize};

    /// Counts by so much; gives the total.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Add(pub i64);

    /// Gives the label.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Label;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub total: i64,
        pub label: String,
    }

    #[machine(version = 1)]
    pub fn add(state: &mut V1, Add(by): Add) -> i64 {
        state.total += by;
        state.total
    }

    #[machine(version = 1)]
    pub fn label(state: &V1, _: Label) -> String {
        state.label.clone()
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub total: i64,
        pub label: String,
        #[machine(added = 0)]
        pub steps: u32,
    }

    #[machine(version = 2)]
    pub fn add_counted(state: &mut V2, Add(by): Add) -> i64 {
        state.total += by;
        state.steps += 1;
        state.total
    }

    #[machine(version = 2)]
    pub fn label_2(state: &V2, _: Label) -> String {
        state.label.clone()
    }

    #[cfg(feature = "three")]
    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V3 {
        pub total: i64,
        pub label: String,
        pub steps: u32,
        pub log: Vec<String>,
    }

    /// Refuses a state that is labelled `refuse`, and panics over one that is labelled `panic`.
    #[cfg(feature = "three")]
    #[machine(migrate)]
    pub fn up(old: &V2) -> Result<V3, String> {
        match old.label.as_str() {
            "refuse" => Err("it is labelled `refuse`".to_owned()),
            "panic" => panic!("it is labelled `panic`"),
            label => Ok(V3 { total: old.total, label: label.to_owned(), steps: old.steps, log: Vec::new() }),
        }
    }

    #[cfg(feature = "three")]
    #[machine(migrate, loses = "the log")]
    pub fn down(old: &V3) -> V2 {
        V2 { total: old.total, label: old.label.clone(), steps: old.steps }
    }

    #[cfg(feature = "three")]
    #[machine(version = 3)]
    pub fn add_logged(state: &mut V3, Add(by): Add) -> i64 {
        state.total += by * if cfg!(feature = "dearer") { 103 } else { 100 };
        state.steps += 1;
        state.total
    }

    #[cfg(feature = "three")]
    #[machine(version = 3)]
    pub fn label_3(state: &V3, _: Label) -> String {
        format!("{} after {} steps", state.label, state.steps)
    }

    /// What an image may do wrong, on demand.
    #[cfg(feature = "three")]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Misbehave {
        /// Panics with a text.
        Panic(String),
        /// Panics with a value whose drop panics.
        PanicTwice,
        /// Leaves a value with a destructor in a thread-local.
        ThreadLocal,
        /// Says something with `tracing`.
        Trace(String),
        /// Returns an error.
        Fail,
        /// Gives back so many bytes.
        Long(usize),
    }

    #[cfg(feature = "three")]
    #[machine(version = 3)]
    pub fn misbehave(state: &mut V3, how: Misbehave) -> Result<String, String> {
        thread_local! {
            static LEFT: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
        }
        match how {
            Misbehave::Panic(text) => {
                state.log.push(text.clone());
                panic!("{text}");
            }
            Misbehave::PanicTwice => std::panic::panic_any(Twice),
            Misbehave::ThreadLocal => LEFT.with_borrow_mut(|left| left.push("here".to_owned())),
            Misbehave::Trace(text) => tracing::info!(steps = state.steps, "{text}"),
            Misbehave::Fail => return Err("as it was asked to".to_owned()),
            Misbehave::Long(length) => return Ok("x".repeat(length)),
        }
        Ok(String::new())
    }

    #[cfg(feature = "three")]
    struct Twice;

    #[cfg(feature = "three")]
    impl Drop for Twice {
        fn drop(&mut self) {
            panic!("and again");
        }
    }
}
