// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[cfg(not(unix))]
    use std::collections::HashMap as Map;
    #[cfg(unix)]
    use std::collections::BTreeMap as Map;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub prices: Map<u8, u64>,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}
}

fn main() {}
