// errors: 1
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

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V3 {
        pub count: i64,
        pub ticks: u64,
    }

    #[machine(version = 3)]
    pub fn tick_3(_: &mut V3, _: Tick) {}

    #[machine(migrate)]
    fn up(old: &V1) -> V3 {
        V3 { count: old.count, ticks: 0 }
    }
}

fn main() {}
