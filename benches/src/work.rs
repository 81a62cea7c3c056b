//! A machine whose step works for about 7 ns: what most programs' steps take at least.

/// The machine; the second of two versions runs.
#[hotswap::machine]
pub mod worker {
    use serde::{Deserialize, Serialize};

    /// Is mixed in.
    #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
    pub struct Mix(pub u64);

    /// The first version.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V1 {
        /// All that was mixed in.
        pub hash: u64,
    }

    /// Mixes.
    #[machine(version = 1)]
    pub fn mix(state: &mut V1, input: Mix) -> u64 {
        state.hash = super::mixed(state.hash, input.0);
        state.hash
    }

    /// The second version.
    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V2 {
        /// All that was mixed in.
        pub hash: u64,
        /// How often.
        #[machine(added = 0)]
        pub times: u64,
    }

    /// Mixes, and counts it.
    #[machine(version = 2)]
    pub fn mix_counted(state: &mut V2, input: Mix) -> u64 {
        state.times += 1;
        state.hash = super::mixed(state.hash, input.0);
        state.hash
    }
}

/// Each round waits for the one before, as in a hash.
fn mixed(hash: u64, word: u64) -> u64 {
    const ROUNDS: u32 = 4;
    (0..ROUNDS).fold(hash ^ word, |hash, _| {
        let hash = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash ^ (hash >> 32)
    })
}
