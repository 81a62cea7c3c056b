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
        pub price: Price,
    }

    #[cfg(not(unix))]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Price(u64);

    #[cfg(unix)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Price {
        cents: u64,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}
}

fn main() {}
