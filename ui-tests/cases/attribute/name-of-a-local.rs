// errors: 3
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
    pub fn tick(v1: &mut V1, _: Tick) {
        v1.count += 1;
    }

    #[derive(Debug)]
    #[allow(non_camel_case_types)]
    pub struct slot;

    #[allow(non_upper_case_globals)]
    pub const state: u8 = 0;

    #[allow(non_upper_case_globals)]
    pub static input: u8 = 0;

    pub fn output() {}
}

fn main() {}
