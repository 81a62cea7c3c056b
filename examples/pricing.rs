//! A pricing service whose price changes, and which can then be asked for its version, without a restart.

use std::error::Error;
use std::fmt;

use hotswap::machine;

/// The price of milk, in cents.
#[machine(derive(Debug))]
pub mod pricing {
    use super::Cents;
    use serde::{Deserialize, Serialize};

    /// Asks for the price of something.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Price(pub String);
    /// Asks for the version of the service; known from version 3 on.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct WhichVersion;

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

    #[machine(version = 2, migrates_from = 1)]
    fn dearer(state: &mut Service, input: Price) -> Option<Cents> {
        state.asked += 1;
        (input.0 == "milk").then_some(Cents(103))
    }

    #[machine(version = 3, migrates_from = 2)]
    fn which_version(_: &Service, _: WhichVersion) -> u32 {
        3
    }
}

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cents(u32);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:02}", self.0 / 100, self.0 % 100)
    }
}

use pricing::{Price, Service, WhichVersion};

fn ask(service: &pricing::Cell) -> Result<(), Box<dyn Error>> {
    match service.step(Price("milk".into()))? {
        Some(price) => println!("The price of milk is: {price}"),
        None => println!("No milk today"),
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let service = pricing::Cell::new(Service::default());
    let admin = service.admin();
    ask(&service)?;

    println!("{}", admin.upgrade(2, "new price")?);
    ask(&service)?;
    if let Err(refused) = service.step(WhichVersion) {
        println!("{refused}");
    }

    println!("{}", admin.upgrade(3, "tell the version")?);
    ask(&service)?;
    println!("The service runs version {}", service.step(WhichVersion)?);
    println!("Asked so far: {}", admin.get_state(&service.name())?[1]["asked"]);
    Ok(())
}
