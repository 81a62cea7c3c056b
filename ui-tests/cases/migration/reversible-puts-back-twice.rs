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
        pub x: u32,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        #[machine(from = x, with = low, back = unlow)]
        pub lo: u16,
        #[machine(from = x, with = high, back = unhigh)]
        pub hi: u16,
    }

    #[machine(version = 2)]
    pub fn tick_v2(_: &mut V2, _: Tick) {}

    fn low(whole: &u32) -> u16 {
        *whole as u16
    }

    fn high(whole: &u32) -> u16 {
        (*whole >> 16) as u16
    }

    fn unlow(low: &u16) -> u32 {
        u32::from(*low)
    }

    fn unhigh(high: &u16) -> u32 {
        u32::from(*high) << 16
    }
}

fn main() {}
