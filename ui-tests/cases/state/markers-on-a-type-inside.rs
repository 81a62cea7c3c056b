// errors: 2
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Price {
        pub cents: u64,
        #[machine(added = 0)]
        pub tax: u64,
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Kind {
        #[machine(from = Sold)]
        Paid,
    }

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
        pub price: Price,
        pub kind: Kind,
    }

    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) {
        state.count += 1;
    }
}

fn main() {}
