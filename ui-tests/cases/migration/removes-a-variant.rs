// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum V1 {
        Open,
        Shut,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 2, migrates_from = 1, removes(Shut))]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum V2 {
        Open,
    }

    #[machine(version = 2)]
    pub fn tick_v2(_: &mut V2, _: Tick) {}
}

fn main() {}
