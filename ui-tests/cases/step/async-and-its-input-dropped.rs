// errors: 2
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Get;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub async fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 1)]
    pub fn get(_: &mut V1, _: Get) -> i64 {
        0
    }

    #[machine(version = 2, migrates_from = 1, drops(Tick, Tock))]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
    }

    #[machine(version = 2)]
    pub fn get_2(_: &mut V2, _: Get) -> i64 {
        0
    }
}

fn main() {}
