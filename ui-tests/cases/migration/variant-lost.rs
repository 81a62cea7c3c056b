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
        Closed,
    }

    #[machine(version = 1)]
    pub fn tick_v1(state: &mut V1, _: Tick) {
        *state = V1::Open;
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum V2 {
        Open,
        Ajar,
    }

    #[machine(version = 2)]
    pub fn tick_v2(state: &mut V2, _: Tick) {
        *state = V2::Open;
    }
}

fn main() {}
