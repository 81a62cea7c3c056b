// errors: 1
use hotswap::machine;

#[machine]
mod orders {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Place {
        pub item: String,
        pub cents: u64,
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub total: u64,
        pub items: Vec<String>,
    }

    #[machine(version = 2)]
    pub fn place_2(_: &mut V2, _: Place) -> u64 {
        0
    }

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V3 {
        pub total: u64,
        pub items: Vec<String>,
    }

    #[machine(version = 3)]
    pub fn place_3(_: &mut V3, _: Place) -> u64 {
        0
    }
}

fn main() {}
