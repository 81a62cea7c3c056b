// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: i64,
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub count: i64,
    }

    #[machine(version = 2)]
    pub fn tick_2(_: &mut V2, _: Tick) {}

    #[machine(migrate, moves)]
    fn up(old: V1) -> Result<V2, (String, V1)> {
        if old.count < 0 { Err(("it is negative".to_owned(), old)) } else { Ok(V2 { count: old.count }) }
    }
}

fn main() {}
