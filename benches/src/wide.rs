//! A machine whose states are 64 bytes, a cache line, in both of its versions.

/// The machine.
#[hotswap::machine]
pub mod line {
    use serde::{Deserialize, Serialize};

    /// Adds to the count and gives it back.
    #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
    pub struct Add(pub u64);

    /// The first version.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V1 {
        /// The sum so far.
        pub count: u64,
        /// Nothing uses it any more.
        pub legacy: u64,
        /// What else there is.
        pub words: [u64; 6],
    }

    /// Adds.
    #[machine(version = 1)]
    pub fn add(state: &mut V1, input: Add) -> u64 {
        state.count += input.0;
        state.count
    }

    /// The second version.
    #[machine(version = 2, migrates_from = 1, reversible, removes(legacy = 0))]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V2 {
        /// The sum so far.
        pub count: u64,
        /// What else there is.
        pub words: [u64; 6],
        /// How many additions.
        #[machine(added = 0)]
        pub additions: u64,
    }

    /// Adds, and counts the additions.
    #[machine(version = 2)]
    pub fn add_counted(state: &mut V2, input: Add) -> u64 {
        state.additions += 1;
        state.count += input.0;
        state.count
    }
}
