// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Inner {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub note: Option<String>,
    }

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub inner: Inner,
    }

    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) {
        let _ = state;
    }
}

fn main() {}
