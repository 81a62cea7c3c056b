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

    #[machine(version = 1, frozen = "1-c2677204cde24b5d")]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub total: u64,
        pub items: Vec<String>,
        pub currency: String,
    }

    #[machine(version = 1)]
    pub fn place(_: &mut V1, _: Place) -> u64 {
        0
    }
}

fn main() {}
