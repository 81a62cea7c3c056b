// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Debug, Clone)]
    pub struct V1<'a> {
        pub name: &'a str,
    }

    #[machine(version = 1)]
    pub fn tick(state: &mut V1<'_>, _: Tick) {
        let _ = state;
    }
}

fn main() {}
