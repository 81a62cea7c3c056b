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
    }

    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) {
        state.count += 1;
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
    }

    #[machine(migrates)]
    pub fn up(old: &V1) -> V2 {
        V2 { count: old.count }
    }

    #[machine(version = 2)]
    pub fn tick_v2(state: &mut V2, _: Tick) {
        state.count += 1;
    }
}

fn main() {}
