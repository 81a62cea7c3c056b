// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Clone, Copy)]
    pub union V1 {
        pub count: i64,
        pub bits: u64,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}
}

fn main() {}
