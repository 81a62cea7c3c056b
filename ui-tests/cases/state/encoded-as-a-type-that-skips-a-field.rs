// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    #[serde(from = "Wire", into = "Wire")]
    pub struct V1(u8);

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Wire {
        #[serde(skip)]
        cached: u8,
    }

    impl From<Wire> for V1 {
        fn from(wire: Wire) -> Self {
            Self(wire.cached)
        }
    }
    impl From<V1> for Wire {
        fn from(state: V1) -> Self {
            Self { cached: state.0 }
        }
    }

    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}
}

fn main() {}
