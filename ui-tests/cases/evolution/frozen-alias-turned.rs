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

    pub type Cents = u64;

    #[machine(version = 1, frozen = "1-7617cbb3fdc2db23")]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub total: Cents,
    }

    #[machine(version = 1)]
    pub fn place(_: &mut V1, _: Place) -> u64 {
        0
    }
}

fn main() {}
