// errors: 1
use hotswap::machine;

mod states {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub struct Count {
        pub count: i64,
    }
}

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    pub use super::states::Count as V1;

    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) {
        state.count += 1;
    }

    #[machine(version = 2, migrates_from = 1)]
    pub use super::states::Count as V2;

    #[machine(version = 2)]
    pub fn tick_v2(state: &mut V2, _: Tick) {
        state.count += 1;
    }
}

fn main() {}
