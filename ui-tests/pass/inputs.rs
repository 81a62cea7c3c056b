//! Inputs: named on their type, adapted in a row, to an `Option`, by equal variants, and dropped while an adapter is there.

use hotswap::machine;

#[machine]
pub mod till {
    use serde::{Deserialize, Serialize};

    #[machine(input = "Coin")]
    #[derive(Serialize, Deserialize)]
    pub struct Pay(pub u64);

    #[derive(Serialize, Deserialize)]
    pub struct Note(pub u64);
    #[derive(Serialize, Deserialize)]
    pub struct Cents(pub u64);
    #[derive(Serialize, Deserialize)]
    pub struct Discount(pub u64);
    #[derive(Serialize, Deserialize)]
    pub struct Rate(pub u64);

    #[derive(Serialize, Deserialize)]
    pub struct Ask;
    #[derive(Serialize, Deserialize)]
    pub struct Ask2;
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub enum Answer {
        Yes,
        No,
    }
    #[machine(extends = Answer)]
    #[derive(Serialize, Deserialize)]
    pub enum Answer2 {
        No,
        Yes,
    }

    #[machine(version = 1)]
    #[derive(Serialize, Deserialize)]
    pub struct V1 {
        pub paid: u64,
    }
    #[machine(version = 1)]
    fn pay(state: &mut V1, input: Pay) -> u64 {
        state.paid += input.0;
        state.paid
    }
    #[machine(version = 1)]
    fn discount(_: &mut V1, _: Discount) {}
    #[machine(version = 1)]
    fn ask(_: &mut V1, _: Ask) -> Answer {
        Answer::No
    }

    // no version takes either by a step
    #[machine(adapt(input))]
    fn cents(note: Note) -> Cents {
        Cents(note.0 * 100)
    }
    #[machine(adapt)]
    fn paid(cents: Cents) -> Pay {
        Pay(cents.0)
    }

    #[machine(version = 2, migrates_from = 1, drops(Note))]
    #[derive(Serialize, Deserialize)]
    pub struct V2 {
        pub paid: u64,
    }
    #[machine(version = 2)]
    fn pay_2(state: &mut V2, input: Pay) -> u64 {
        state.paid += input.0;
        state.paid
    }
    #[machine(version = 2)]
    fn rate(_: &mut V2, _: Option<Rate>) {}
    #[machine(version = 2)]
    fn ask_2(_: &mut V2, _: Ask2) -> Answer2 {
        Answer2::Yes
    }
    #[machine(adapt)]
    fn rated(old: Discount) -> Option<Rate> {
        Some(Rate(old.0))
    }
    #[machine(adapt)]
    fn asked(_: Ask) -> Ask2 {
        Ask2
    }
}

fn main() {
    use till::{AnyInput, Answer, Ask, Cell, Discount, Note, Pay, V1, V2, Version};

    let old = Cell::new_at(Version::V1, V1 { paid: 0 }).expect("version 1 is there");
    assert_eq!(old.step(Note(2)).ok(), Some(200));
    assert_eq!(old.step(Ask).ok(), Some(Answer::No));
    assert!(matches!(AnyInput::from(Pay(1)), AnyInput::Coin(Pay(1))));

    let new = Cell::new_at(Version::V2, V2 { paid: 0 }).expect("version 2 is there");
    assert!(new.step(Note(2)).is_err());
    assert_eq!(new.step(Ask).ok(), Some(Answer::Yes));
    assert!(new.step(Discount(1)).is_ok());
}
