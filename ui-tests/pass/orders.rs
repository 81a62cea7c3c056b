//! Adapters: written, partial and of outputs, `extends`, `drops`, named inputs; retired numbers and a decode-only version.

use hotswap::machine;

#[machine(name = "order-book", retired(1, 3), rename(Cell = Book))]
pub mod orders {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Place(pub i64);
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Placed(pub i64);
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Place2 {
        pub amount: i64,
        pub limit: Option<i64>,
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Placed2 {
        pub at: i64,
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Ask {
        Count,
    }
    #[machine(extends = Ask)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Ask2 {
        Count,
        Price { of: u8 },
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Clear;

    #[machine(version = 2)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Ancient(pub i64);

    #[machine(version = 4, migrates_from = 2)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V4 {
        #[machine(from = 0)]
        pub total: i64,
    }

    #[machine(version = 4)]
    pub fn place(state: &mut V4, order: Place) -> Placed {
        state.total += order.0;
        Placed(state.total)
    }

    #[machine(version = 4)]
    pub fn ask(state: &V4, _: Ask) -> i64 {
        state.total
    }

    #[machine(version = 4)]
    pub fn clear(state: &mut V4, _: Clear) {
        state.total = 0;
    }

    #[machine(version = 4, input = "Add")]
    pub fn add(state: &mut V4, by: u32) {
        state.total += i64::from(by);
    }

    #[machine(version = 5, migrates_from = 4, boxed, drops(Clear, u32))]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V5 {
        #[machine(with = narrow)]
        pub total: i32,
        #[machine(added)]
        pub notes: Vec<String>,
    }

    fn narrow(total: &i64) -> i32 {
        i32::try_from(*total).unwrap_or(i32::MAX)
    }

    #[machine(version = 5)]
    pub fn place2(state: &mut V5, order: Place2) -> Placed2 {
        state.total += i32::try_from(order.amount).unwrap_or(0);
        Placed2 { at: state.total.into() }
    }

    #[machine(version = 5)]
    pub fn ask2(state: &V5, _: Ask2) -> i64 {
        state.total.into()
    }

    #[machine(migrate, moves)]
    fn back(new: V5) -> V4 {
        V4 { total: new.total.into() }
    }

    #[machine(adapt)]
    fn forward(old: Place) -> Place2 {
        Place2 { amount: old.0, limit: None }
    }

    #[machine(adapt)]
    fn backward(new: &Place2) -> Option<Place> {
        new.limit.is_none().then_some(Place(new.amount))
    }

    #[machine(adapt)]
    fn placed(new: Placed2) -> Placed {
        Placed(new.at)
    }

    #[machine(adapt)]
    fn placed2(old: Placed) -> Placed2 {
        Placed2 { at: old.0 }
    }
}

fn main() {}
