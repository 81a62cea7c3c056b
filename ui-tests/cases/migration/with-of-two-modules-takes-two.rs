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
        pub limit: u8,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        #[machine(with = self::widened)]
        pub count: u32,
        #[machine(with = sizes::widened)]
        pub limit: u32,
    }

    mod sizes {
        pub fn widened(size: &u8) -> u32 {
            u32::from(*size)
        }
    }

    fn widened(count: &u8, more: u8) -> u32 {
        u32::from(*count) + u32::from(more)
    }

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) {}
}

fn main() {}
