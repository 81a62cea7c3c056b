// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1(u8);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Ask {
        Count,
        #[cfg(unix)]
        Name,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}
    #[machine(version = 1)]
    pub fn ask(_: &mut V1, _: Ask) {}

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2(u8);

    #[machine(extends = Ask)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Ask2 {
        Count,
        #[cfg(unix)]
        Name,
        Total,
    }

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) {}
    #[machine(version = 2)]
    pub fn ask_2(_: &mut V2, _: Ask2) {}
}

fn main() {}
