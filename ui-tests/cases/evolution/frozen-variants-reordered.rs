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

    #[machine(version = 1, frozen = "1-113c4cb03361d312")]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum V1 {
        Open,
        Sent,
        Paid { cents: u64 },
    }

    #[machine(version = 1)]
    pub fn place(_: &mut V1, _: Place) -> u64 {
        0
    }
}

fn main() {}
