// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum V1 {
        Counting { count: u8 },
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}
    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum V2 {
        Counting {
            #[machine(with = widened)]
            count: u32,
        },
    }

    fn widened(count: u8) -> u32 {
        count.into()
    }

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) {}
}

fn main() {}
