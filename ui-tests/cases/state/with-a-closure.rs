// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    pub struct V1 {
        pub rule: Box<dyn Fn(i64) -> i64 + Send>,
    }

    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) {
        let _ = state;
    }
}

fn main() {}
