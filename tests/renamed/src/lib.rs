//! A machine in a crate of edition 2021 that knows `hotswap` by another name.

#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use runtime::machine;

/// Counts.
#[machine(crate = ::runtime, derive(Debug, Clone))]
pub mod counter {
    use serde::{Deserialize, Serialize};

    /// Counts one.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    /// Version 1.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        /// The count.
        pub count: u64,
    }
    #[machine(version = 1)]
    fn tick_1(state: &mut V1, _: Tick) -> u64 {
        state.count += 1;
        state.count
    }

    /// Version 2.
    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        /// The count.
        pub count: u64,
        /// Evaluated before the fields are moved.
        #[machine(added = u64::from(true))]
        pub step: u64,
    }
    #[machine(version = 2)]
    fn tick_2(state: &mut V2, _: Tick) -> u64 {
        state.count += state.step;
        state.count
    }
}

#[test]
fn it_runs() {
    let cell = counter::Cell::new(counter::V1 { count: 1 });
    assert_eq!(cell.step(counter::Tick).ok(), Some(2));
    assert!(cell.admin().upgrade(counter::Version::V2, "to see it move").is_ok());
    assert_eq!(cell.step(counter::Tick).ok(), Some(3));
}
