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
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        #[machine(with = wide, back = narrow)]
        pub count: i128,
    }

    #[machine(version = 2)]
    pub fn tick_v2(_: &mut V2, _: Tick) {}

    fn wide(old: &i64) -> i128 {
        i128::from(*old)
    }

    fn narrow(new: &i128) -> i64 {
        *new as i64
    }
}

fn main() {}
