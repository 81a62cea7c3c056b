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
        pub name: String,
    }

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) {}
}

fn main() {}
