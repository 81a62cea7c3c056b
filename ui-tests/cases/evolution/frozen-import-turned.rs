// errors: 1
use hotswap::machine;

mod new {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Money(pub u128);
}

#[machine]
mod orders {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Place {
        pub item: String,
        pub cents: u64,
    }

    use super::new::Money;

    #[machine(version = 1, frozen = "1-8b802268478ee7a7")]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub total: Money,
    }

    #[machine(version = 1)]
    pub fn place(_: &mut V1, _: Place) -> u64 {
        0
    }
}

fn main() {}
