// errors: 2
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Add(pub u8);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct AddWide(pub u64);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Get;

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Reset;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: u64,
    }

    #[machine(version = 1)]
    pub fn add(state: &mut V1, input: Add) {
        state.count += u64::from(input.0);
    }

    #[machine(version = 1)]
    pub fn get(state: &V1, _: Get) -> u64 {
        state.count
    }

    #[machine(version = 1)]
    pub fn reset(state: &mut V1, _: Reset) {
        state.count = 0;
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: u64,
    }

    #[machine(version = 1)]
    pub fn add_wide(state: &mut V2, input: AddWide) {
        state.count += input.0;
    }

    #[machine(adapt)]
    pub fn widened(old: Add) -> AddWide {
        AddWide(old.0.into())
    }

    #[machine(version = 2)]
    pub fn get_2(state: &V2, _: Get) -> u64 {
        state.count
    }
}

fn main() {}
