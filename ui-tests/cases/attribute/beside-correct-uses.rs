// errors: 1
//! One mistake, the skipped field, and a program that is right to use all else.
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1, boxed)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) -> i64 {
        state.count
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum V2 {
        Counting(i64),
    }

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) -> i64 {
        0
    }

    #[machine(migrate)]
    fn up(old: &V1) -> V2 {
        V2::Counting(old.count)
    }

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V3 {
        #[serde(skip)]
        pub cached: u8,
    }

    #[machine(version = 3)]
    pub fn tick_3(_: &mut V3, _: Tick) -> i64 {
        0
    }

    #[machine(migrate)]
    fn up_3(_: &V2) -> V3 {
        V3 { cached: 0 }
    }
}

use counter::{AnyInput, AnyOutput, AnyState, Cell, Tick, V1, V2, V3, Version};

fn main() {
    let cell = Cell::new_at(Version::V2, V2::Counting(1)).expect("version 2 is there");
    let state = match AnyState::from(V1 { count: 1 }) {
        AnyState::V1(state) => state.count,
        AnyState::V2(V2::Counting(count)) => count,
        AnyState::V3(state) => state.cached.into(),
        AnyState::Loaded(_) => 0,
    };
    let _: Result<V3, AnyState> = V3::try_from(AnyState::from(V3 { cached: 0 }));
    let loaded = AnyState::V2(V2::Counting(state));
    let _: Result<&V2, &AnyState> = (&loaded).try_into();
    let count: i64 = cell.step(Tick).unwrap_or_default();
    match cell.step_any(AnyInput::Tick(Tick)) {
        Ok(AnyOutput::Tick(other)) => assert_eq!(count, other),
        Err(_) => drop(cell.step_any(Tick.into())),
    }
}
