//! What milk costs: an ordinary library crate, with nothing in it or in its manifest that is there for the sake of loading.
//!
//! The program `reload` is built with it as it is now. Then it gets a further version, `hotswap build` makes a file of it,
//! and the program that has been running all along takes that in.

use std::fmt;

use hotswap::machine;
use serde::{Deserialize, Serialize};

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cents(u32);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// Knows what is sold, and for how much.
#[machine(derive(Debug))]
pub mod service {
    use super::Cents;
    use serde::{Deserialize, Serialize};

    /// Asks for the price of something.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Price(pub String);

    /// How often it was asked.
    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct Service {
        /// Questions so far.
        pub asked: u64,
    }

    #[machine(version = 1)]
    fn price(state: &mut Service, input: Price) -> Option<Cents> {
        state.asked += 1;
        (input.0 == "milk").then_some(Cents(99))
    }
}
