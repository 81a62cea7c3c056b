// errors: 2
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum V1 {
        Counting { count: i64 },
        Done { count: i64, at: u64 },
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 2, migrates_from = 1, removes(Done.when, Gone.at))]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum V2 {
        Counting { count: i64 },
        Done { count: i64 },
    }

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) {}
}

fn main() {}
