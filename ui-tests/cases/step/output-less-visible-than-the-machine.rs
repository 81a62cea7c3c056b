// errors: 1
use hotswap::machine;

#[machine]
pub mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1(u8);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Hidden;

    #[machine(version = 1)]
    fn tick(_: &V1, _: Tick) -> Hidden {
        Hidden
    }
}

fn main() {}
