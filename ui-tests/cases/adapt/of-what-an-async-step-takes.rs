// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Place(pub i64);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Place2(pub i64, pub i64);

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 1)]
    pub async fn place(_: &mut V1, _: Place2) {}

    #[machine(adapt)]
    fn newer(old: Place) -> Place2 {
        Place2(old.0, 1)
    }
}

fn main() {}
