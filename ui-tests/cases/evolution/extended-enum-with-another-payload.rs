// errors: 1
use hotswap::machine;

#[machine]
mod orders {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Command {
        Place(String),
        Cancel,
    }

    #[machine(extends = Command)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Command2 {
        Place(Vec<String>),
        Cancel,
        Return,
    }

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub total: u64,
        pub items: Vec<String>,
    }

    #[machine(version = 1)]
    pub fn place(_: &mut V1, _: Command) -> u64 {
        0
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub total: u64,
        pub items: Vec<String>,
    }

    #[machine(version = 2)]
    pub fn place_2(_: &mut V2, _: Command2) -> u64 {
        0
    }
}

fn main() {}
