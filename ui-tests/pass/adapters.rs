//! Adapters of every kind: total, partial, of outputs, and by variant.

use hotswap::machine;

#[machine]
pub mod shop {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub struct Place(pub u64);
    #[derive(Serialize, Deserialize)]
    pub struct Place2 {
        pub cents: u64,
        pub coupon: Option<String>,
    }
    #[derive(Serialize, Deserialize)]
    pub struct Placed(pub u64);

    #[derive(Serialize, Deserialize)]
    pub enum Move {
        Open,
        Close { hard: bool },
    }
    #[machine(extends = Move)]
    #[derive(Serialize, Deserialize)]
    pub enum Move2 {
        Lock(u32),
        Close { hard: bool },
        Open,
    }

    #[machine(version = 1)]
    #[derive(Serialize, Deserialize)]
    pub struct V1;
    #[machine(version = 1)]
    fn place_1(_: &mut V1, input: Place) -> u64 {
        input.0
    }
    #[machine(version = 1)]
    fn move_1(_: &mut V1, _: Move) {}

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Serialize, Deserialize)]
    pub struct V2;
    #[machine(version = 2)]
    fn place_2(_: &mut V2, input: Place2) -> Result<Placed, String> {
        Ok(Placed(input.cents))
    }
    #[machine(version = 2)]
    fn move_2(_: &mut V2, _: Move2) {}

    #[machine(adapt)]
    fn newer(old: Place) -> Place2 {
        Place2 { cents: old.0, coupon: None }
    }
    #[machine(adapt)]
    fn older(new: &Place2) -> Option<Place> {
        new.coupon.is_none().then_some(Place(new.cents))
    }
    #[machine(adapt)]
    fn reply(new: Result<Placed, String>) -> u64 {
        new.map_or(0, |placed| placed.0)
    }
    #[machine(adapt)]
    fn reply_2(old: u64) -> Result<Placed, String> {
        Ok(Placed(old))
    }
}

fn main() {}
