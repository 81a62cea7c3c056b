// errors: 1
use hotswap::machine;

mod elsewhere {
    pub struct V1;
}

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
    pub fn tick(_: &mut crate::elsewhere::V1, _: Tick) {}
}

fn main() {}
