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

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum V2 {
        Open,
        #[machine(from = Closed)]
        Locked,
    }

    #[machine(version = 2)]
    pub fn tick_v2(_: &mut V2, _: Tick) {}

    #[machine(migrate)]
    fn up(old: &V1) -> V2 {
        match old {
            V1::Open => V2::Open,
            V1::Shut => V2::Locked,
        }
    }
}

fn main() {}
