// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[machine(extends = Command)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Command {
        Tick,
        Reset,
    }

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub fn run(_: &mut V1, _: Command) {}
}

fn main() {}
