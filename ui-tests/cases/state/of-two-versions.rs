// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Counter(u8);

    #[machine(version = 1)]
    pub use self::Counter as V1;

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 2, migrates_from = 1)]
    pub use self::Counter as V2;

    #[machine(migrate(from = 1, to = 2))]
    fn up(old: &Counter) -> Counter {
        old.clone()
    }

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) {}
}

fn main() {}
