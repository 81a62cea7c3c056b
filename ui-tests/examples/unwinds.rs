//! A program with a machine, which compiles as long as a panic unwinds.

use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) {
        state.count += 1;
    }
}

fn main() {
    let counter = counter::Cell::new(counter::V1 { count: 0 });
    assert!(counter.step(counter::Tick).is_ok(), "version 1 takes it");
}
