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
        pub count: i64,
        pub legacy: u64,
    }

    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) {
        state.count += 1;
    }

    #[machine(version = 2, reversible, removes(legacy = 0), drops(Tick))]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
        #[machine(added = 0)]
        pub ticks: u64,
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tock;

    #[machine(version = 2)]
    pub fn tock(state: &mut V2, _: Tock) {
        state.count += 1;
    }
}

fn main() {}
