// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Order {
        Buy(u32),
        Sell(u32),
    }

    #[machine(extends = Order)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Order2 {
        Buy(u32),
        Hold,
    }

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub fn place(state: &mut V1, _: Order) {
        state.count += 1;
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
    }

    #[machine(version = 2)]
    pub fn place2(state: &mut V2, _: Order2) {
        state.count += 1;
    }
}

fn main() {}
