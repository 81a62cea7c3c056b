// errors: 2
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

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Between(pub i64);

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 1)]
    pub fn place(_: &mut V1, _: Place) {}

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
    }

    #[machine(version = 2)]
    pub fn place_2(_: &mut V2, _: Place2) {}

    #[machine(adapt(input))]
    fn first(old: Place) -> Between {
        Between(old.0)
    }

    #[machine(adapt)]
    fn second(between: &Between) -> Option<Place2> {
        (between.0 > 0).then(|| Place2(between.0, 1))
    }
}

fn main() {}
