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

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub total: u64,
        pub items: Vec<String>,
    }

    #[machine(version = 1)]
    pub fn place(_: &mut V1, _: Place) -> u64 {
        0
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub cents: u64,
        pub items: Vec<String>,
    }

    #[machine(version = 2)]
    pub fn place_2(_: &mut V2, _: Place) -> u64 {
        0
    }
}

fn main() {}
