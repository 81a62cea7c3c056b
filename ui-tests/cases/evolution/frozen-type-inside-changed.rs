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

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Line {
        pub item: String,
        pub count: u64,
    }

    #[machine(version = 1, frozen = "1-47b370d0319cd1f1")]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub lines: Vec<Line>,
    }

    #[machine(version = 1)]
    pub fn place(_: &mut V1, _: Place) -> u64 {
        0
    }
}

fn main() {}
