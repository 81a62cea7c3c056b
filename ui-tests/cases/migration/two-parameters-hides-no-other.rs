// errors: 2
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
        pub ticks: u64,
    }

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) {}

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V3 {
        pub count: i64,
        pub ticks: u64,
        pub total: i64,
    }

    #[machine(version = 3)]
    pub fn tick_3(_: &mut V3, _: Tick) {}

    #[machine(migrate)]
    fn up(old: &V2, by: i64) -> V3 {
        V3 { count: old.count, ticks: old.ticks, total: by }
    }
}

fn main() {}
