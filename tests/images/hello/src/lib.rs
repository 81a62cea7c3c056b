//! A greeting with a typo, as it was released, and the version that mends it.

#![forbid(unsafe_code)]

/// Greets, and counts whom.
#[hotswap::machine(name = "helloworld", derive(Debug, Clone))]
pub mod hello {
    use serde::{Deserialize, Serialize};

    /// Asks for the greeting.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct HelloWorld;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub greeted: u64,
    }

    #[machine(version = 1)]
    pub fn hello(state: &mut V1, _: HelloWorld) -> String {
        state.greeted += 1;
        "Helo, world!".to_owned()
    }

    #[cfg(feature = "two")]
    #[machine(version = 2, migrates_from = 1)]
    pub fn hello_mended(state: &mut V1, _: HelloWorld) -> String {
        state.greeted += 1;
        "Hello, world!".to_owned()
    }
}
