//! Migrations of every kind in one line of versions.

use hotswap::machine;

#[machine(derive(Debug))]
pub mod order {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    pub struct Ask;

    #[machine(version = 1)]
    #[derive(Debug, Serialize, Deserialize)]
    pub struct Order1 {
        pub note: String,
        pub cents: u64,
        pub legacy: u8,
    }
    #[machine(version = 1)]
    fn ask_1(state: &Order1, _: Ask) -> u64 {
        state.cents
    }

    fn dollars(cents: &u64) -> u64 {
        cents / 100
    }
    fn cents(dollars: &u64) -> u64 {
        dollars * 100
    }

    #[machine(version = 2, migrates_from = 1, reversible, removes(legacy = u8::MAX), boxed)]
    #[derive(Debug, Serialize, Deserialize)]
    pub struct Order2 {
        #[machine(from = cents, with = dollars, back = cents)]
        pub dollars: u64,
        pub note: String,
        #[machine(added)]
        pub tags: Vec<String>,
    }
    #[machine(version = 2)]
    fn ask_2(state: &Order2, _: Ask) -> u64 {
        state.dollars
    }

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Serialize, Deserialize)]
    pub enum Order3 {
        Empty,
        Full { dollars: u64 },
    }
    #[machine(migrate)]
    fn up_3(old: &Order2) -> Result<Order3, String> {
        if old.dollars == 0 { Err("no dollars".into()) } else { Ok(Order3::Full { dollars: old.dollars }) }
    }
    #[machine(migrate, moves, loses = "the note")]
    fn down_3(old: Order3) -> Result<Order2, (Order3, &'static str)> {
        match old {
            Order3::Empty => Err((Order3::Empty, "it is empty")),
            Order3::Full { dollars } => Ok(Order2 { dollars, note: String::new(), tags: Vec::new() }),
        }
    }
    #[machine(version = 3)]
    fn ask_3(_: &Order3, _: Ask) -> u64 {
        3
    }

    #[machine(version = 4, migrates_from = 3)]
    #[derive(Debug, Serialize, Deserialize)]
    pub enum Order4 {
        Full {
            dollars: u64,
            #[machine(added = String::from("new"))]
            tag: String,
        },
        Empty,
    }
    #[machine(version = 4)]
    fn ask_4(_: &Order4, _: Ask) -> u64 {
        4
    }

    #[cfg(all())]
    #[machine(version = 5, migrates_from = 4)]
    fn ask_5(_: &Order4, _: Ask) -> u64 {
        5
    }
}

fn main() {}
