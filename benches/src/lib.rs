//! What the benches share: the machine that most of them measure, how they take turns, and what they report.

pub mod by_hand;
pub mod callgrind;
pub mod five;
pub mod image;
mod kept;
pub mod plot;
pub mod report;
pub mod turns;
pub mod wide;
pub mod work;

pub use counter::V2;
pub use kept::{Adds, Bare, BareMutex, BareTable, ByKey, Cells, Kept, Listed, Owned, names, round};

/// How many instances take turns: enough that no prediction or cache line serves one alone.
pub const INSTANCES: u32 = 128;

/// The machine that is measured: the second of two versions runs.
#[hotswap::machine]
pub mod counter {
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
    }

    /// Adds.
    #[machine(version = 1)]
    pub fn add(state: &mut V1, input: Add) -> u64 {
        state.count += input.0;
        state.count
    }

    /// The second version.
    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V2 {
        /// The sum so far.
        pub count: u64,
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
