// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

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
    pub fn place(state: &mut V1, place: Place) {
        state.count += place.0;
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
    }

    #[machine(version = 2)]
    pub fn place2(state: &mut V2, place: Place2) {
        state.count += place.0 * place.1;
    }

    #[machine(adapt)]
    fn up(old: Place) -> Option<Place2> {
        (old.0 > 0).then(|| Place2(old.0, 1))
    }
}

fn main() {}
