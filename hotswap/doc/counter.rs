// The machine of the documentation's examples: a count, and from version 2 on a count of ticks that Reset leaves alone.

#[hotswap::machine]
pub mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Get;
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Reset;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }
    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) {
        state.count += 1;
    }
    #[machine(version = 1)]
    pub fn get(state: &V1, _: Get) -> i64 {
        state.count
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
        #[machine(added = 0)]
        pub ticks: u64,
    }
    #[machine(version = 2)]
    pub fn tick_counted(state: &mut V2, _: Tick) {
        state.count += 1;
        state.ticks += 1;
    }
    #[machine(version = 2)]
    pub fn get_v2(state: &V2, _: Get) -> i64 {
        state.count
    }
    #[machine(version = 2)]
    pub fn reset(state: &mut V2, _: Reset) {
        state.count = 0;
    }
}
