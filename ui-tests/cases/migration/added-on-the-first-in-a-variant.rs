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
        Counting {
            #[machine(added)]
            count: i64,
        },
        Done,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}
}

fn main() {}
