// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Place(pub i64);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Place2(pub i64, pub i64);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Placed(pub i64);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Placed2(pub i64, pub i64);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Told(pub i64);

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub fn place(_: &mut V1, place: Place) -> Placed {
        Placed(place.0)
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
    }

    #[machine(version = 2)]
    pub fn place_2(_: &mut V2, place: Place2) -> Placed2 {
        Placed2(place.0, place.1)
    }

    #[machine(adapt)]
    fn newer(old: Place) -> Place2 {
        Place2(old.0, 1)
    }

    #[machine(adapt)]
    fn told(old: Placed) -> Told {
        Told(old.0)
    }

    #[machine(adapt)]
    fn untold(told: Told) -> Placed {
        Placed(told.0)
    }
}

fn main() {}
