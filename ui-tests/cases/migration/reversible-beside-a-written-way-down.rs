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
        pub legacy: u64,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 2, migrates_from = 1, reversible, removes(legacy = 0))]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        #[machine(with = wide, back = narrow)]
        pub count: i128,
    }

    #[machine(version = 2)]
    pub fn tick_v2(_: &mut V2, _: Tick) {}

    fn wide(old: &i64) -> i128 {
        i128::from(*old)
    }

    fn narrow(new: &i128) -> i64 {
        *new as i64
    }

    #[machine(migrate)]
    fn down(new: &V2) -> V1 {
        V1 { count: new.count as i64, legacy: 0 }
    }
}

fn main() {}
