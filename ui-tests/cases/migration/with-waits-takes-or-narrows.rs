// errors: 3
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
        pub step: u8,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        #[machine(with = waiting)]
        pub count: u32,
        #[machine(with = taking)]
        pub limit: u32,
        #[machine(with = narrowed)]
        pub step: u32,
    }

    async fn waiting(count: &u8) -> u32 {
        u32::from(*count)
    }

    fn taking(limit: &mut u8) -> u32 {
        u32::from(std::mem::take(limit))
    }

    fn narrowed<'a>(step: &'a u8) -> u8 {
        *step
    }

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) {}
}

fn main() {}
