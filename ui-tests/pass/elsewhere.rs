//! States taken in with `use` or named from the root of the crate, a unit and a tuple state, a type called like a local,
//! `cfg` on versions, a moving migration, `migrate(from, to)`.

use hotswap::machine;

pub mod v1 {
    #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
    pub struct Counter {
        pub count: i64,
    }
}

#[machine(crate = ::hotswap)]
pub mod counter {
    use serde::{Deserialize, Serialize};

    #[machine(version = 1)]
    pub use super::v1::Counter as V1;

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    // no pattern means this one, for it has named fields
    #[allow(non_camel_case_types)]
    pub struct state {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub fn tick(state: &mut super::v1::Counter, _: Tick) -> Result<(), String> {
        state.count += 1;
        Ok(())
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2(pub i64);

    #[machine(version = 2)]
    pub fn tick_v2(V2(count): &mut crate::counter::V2, _: Tick) -> Result<(), String> {
        *count += 1;
        Ok(())
    }

    #[machine(migrate(from = 1, to = 2), moves)]
    fn up(old: V1) -> Result<V2, (V1, String)> {
        if old.count < 0 { Err((old, "a count cannot be negative".to_owned())) } else { Ok(V2(old.count)) }
    }

    #[cfg(any())]
    #[machine(version = 3, migrates_from = 2, removes(0))]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V3;

    #[cfg(any())]
    #[machine(version = 3)]
    pub fn tick_v3(_: &mut V3, _: Tick) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
