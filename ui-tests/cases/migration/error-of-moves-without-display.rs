// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {}

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}
    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {}

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) {}

    pub struct Failed;

    #[machine(migrate, moves)]
    fn up(old: V1) -> Result<V2, (V1, Failed)> {
        Err((old, Failed))
    }
}

fn main() {}
