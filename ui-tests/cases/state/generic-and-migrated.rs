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

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2<T> {
        pub total: T,
    }

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2<i64>, _: Tick) {}

    #[machine(migrate)]
    fn up(old: &V1) -> V2<i64> {
        V2 { total: old.count }
    }

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V3 {
        pub count: i64,
    }

    #[machine(version = 3)]
    pub fn tick_3(_: &mut V3, _: Tick) {}
}

fn main() {}
