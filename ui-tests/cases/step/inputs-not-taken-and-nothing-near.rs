// errors: 2
//! Two of one name, neither taken any more; and adapters and functions that have nothing to do with them.
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    pub mod first {
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        pub struct Tick;
    }

    pub mod second {
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        pub struct Tick;
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Push;

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Pull;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1, input = "First")]
    pub fn tick(_: &mut V1, _: first::Tick) -> (u8, u8) {
        (0, 0)
    }

    #[machine(version = 1, input = "Second")]
    pub fn tick_too(_: &mut V1, _: second::Tick) -> bool {
        true
    }

    #[machine(version = 1)]
    pub fn pull(_: &mut V1, _: Pull) {}

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
    }

    #[machine(version = 2)]
    pub fn push_2(_: &mut V2, _: Push) {}

    #[machine(adapt)]
    fn pushed(_: Pull) -> Push {
        Push
    }

    // not what is missing: it has one parameter too many
    pub fn tick_2(_: &mut V2, _: first::Tick, _: u8) -> (u8, u8) {
        (0, 0)
    }

    // nor is this: it takes what is taken already
    pub fn push_again(_: &mut V2, _: Push) {}
}

fn main() {}
