// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[derive(Debug, Clone)]
    pub struct Rule {
        pub first: Option<fn(i64) -> i64>,
    }

    #[machine(version = 1)]
    pub struct V1 {
        pub rules: Vec<Rule>,
    }

    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) {
        let _ = state;
    }
}

fn main() {}
