//! Two machines in one ordinary library crate, each with inputs and states of its own by the same names.

#![forbid(unsafe_code)]

/// Money that came in.
#[hotswap::machine(derive(Debug, Clone))]
pub mod till {
    use serde::{Deserialize, Serialize};

    /// So much is added; gives the sum.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Add(pub u64);

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub cents: u64,
    }

    #[machine(version = 1)]
    pub fn add(state: &mut V1, Add(by): Add) -> u64 {
        state.cents += by;
        state.cents
    }

    #[cfg(feature = "two")]
    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub cents: u64,
        #[machine(added = 0)]
        pub sales: u32,
    }

    #[cfg(feature = "two")]
    #[machine(version = 2)]
    pub fn add_with_tax(state: &mut V2, Add(by): Add) -> u64 {
        state.cents += by + by / 10;
        state.sales += 1;
        state.cents
    }
}

/// Goods that are there.
#[hotswap::machine(derive(Debug, Clone))]
pub mod stock {
    use serde::{Deserialize, Serialize};

    /// So many of a thing come in; gives what is there then.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Add(pub String, pub u32);

    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct V1 {
        pub things: Vec<(String, u32)>,
    }

    #[machine(version = 1)]
    pub fn add(state: &mut V1, Add(thing, many): Add) -> Vec<(String, u32)> {
        state.things.push((thing, many));
        state.things.clone()
    }

    /// As version 1, and counts what is there already where it lies.
    #[cfg(feature = "two")]
    #[machine(version = 2, migrates_from = 1)]
    pub fn add_to(state: &mut V1, Add(thing, many): Add) -> Vec<(String, u32)> {
        match state.things.iter_mut().find(|(there, _)| *there == thing) {
            Some((_, there)) => *there += many,
            None => state.things.push((thing, many)),
        }
        state.things.clone()
    }
}
