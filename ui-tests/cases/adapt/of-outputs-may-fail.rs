// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Place(pub u64);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Place2(pub u64);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Placed(pub u64);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Placed2(pub u64);

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    fn place(_: &mut V1, input: Place) -> Placed {
        Placed(input.0)
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
    }

    #[machine(version = 2)]
    fn place_2(_: &mut V2, input: Place2) -> Placed2 {
        Placed2(input.0)
    }

    #[machine(adapt)]
    fn newer(old: Place) -> Place2 {
        Place2(old.0)
    }

    #[machine(adapt(output))]
    fn placed(new: &Placed2) -> Option<Placed> {
        Some(Placed(new.0))
    }
}

fn main() {}
