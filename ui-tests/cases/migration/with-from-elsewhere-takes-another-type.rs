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
        pub count: u8,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}
    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        #[machine(with = super::widened)]
        pub count: u32,
    }

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) {}
}

fn widened(count: &u16) -> u32 {
    u32::from(*count)
}

fn main() {}
