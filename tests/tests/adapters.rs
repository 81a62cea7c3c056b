//! An input of any age is taken by every version that an adapter leads to, and its reply has the type it always had.

#![allow(missing_docs, reason = "the machines here are described by their tests")]
#![allow(clippy::needless_pass_by_value, reason = "a step and an adapter own their input")]

use hotswap::{Accepts, Machine, machine};

#[machine(derive(Debug, Clone, PartialEq))]
mod shop {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Place(pub u64);
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Placed(pub u64);

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Place2 {
        pub cents: u64,
        pub coupon: Option<String>,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Placed2 {
        pub total: u64,
        pub saved: u64,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Place3 {
        pub cents: Vec<u64>,
        pub coupon: Option<String>,
    }

    #[machine(version = 1)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V1 {
        pub total: u64,
    }
    #[machine(version = 1)]
    fn place_1(state: &mut V1, input: Place) -> Placed {
        state.total += input.0;
        Placed(state.total)
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V2 {
        pub total: u64,
    }
    #[machine(version = 2)]
    fn place_2(state: &mut V2, input: Place2) -> Placed2 {
        let saved = u64::from(input.coupon.is_some());
        state.total += input.cents - saved;
        Placed2 { total: state.total, saved }
    }
    #[machine(adapt)]
    fn newer(old: Place) -> Place2 {
        Place2 { cents: old.0, coupon: None }
    }
    #[machine(adapt)]
    fn older(new: &Place2) -> Option<Place> {
        new.coupon.is_none().then_some(Place(new.cents))
    }
    #[machine(adapt)]
    fn reply(new: Placed2) -> Placed {
        Placed(new.total)
    }
    #[machine(adapt)]
    fn reply_2(old: Placed) -> Placed2 {
        Placed2 { total: old.0, saved: 0 }
    }

    #[machine(version = 3, migrates_from = 2, reversible)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V3 {
        pub total: u64,
    }
    #[machine(version = 3)]
    fn place_3(state: &mut V3, input: Place3) -> Result<Placed2, String> {
        let Some(first) = input.cents.first() else { return Err("nothing to place".into()) };
        state.total += first;
        Ok(Placed2 { total: state.total, saved: 0 })
    }
    #[machine(adapt)]
    fn newest(old: Place2) -> Place3 {
        Place3 { cents: if old.cents == 0 { vec![] } else { vec![old.cents] }, coupon: old.coupon }
    }
    #[machine(adapt)]
    fn placed(new: Result<Placed2, String>) -> Placed2 {
        new.unwrap_or(Placed2 { total: 0, saved: 0 })
    }
}

use shop::{AnyInput, AnyOutput, AnyState, Place, Place2, Place3, Placed, Placed2};

fn at(version: u32) -> AnyState {
    match version {
        1 => shop::V1 { total: 10 }.into(),
        2 => shop::V2 { total: 10 }.into(),
        _ => shop::V3 { total: 10 }.into(),
    }
}

#[test]
fn an_old_input_is_stepped_by_newer_versions_and_answered_as_ever() {
    for version in [1, 2, 3] {
        let mut state = at(version);
        let stepped = <shop::Machine as Accepts<Place>>::step(&mut state, Place(5)).expect("taken");
        assert_eq!(stepped.output, Placed(15), "at version {version}");
        assert!(!stepped.failed);
        assert!(shop::Machine::takes(version, &AnyInput::Place(Place(5))));
    }
}

#[test]
fn a_partial_adapter_takes_what_fits_and_gives_back_the_rest() {
    let plain = Place2 { cents: 5, coupon: None };
    let stepped = shop::Machine::step(&mut at(1), plain.clone()).expect("it fits");
    assert_eq!(stepped.output, Placed2 { total: 15, saved: 0 });
    assert!(shop::Machine::takes(1, &AnyInput::Place2(plain)));

    let coupon = Place2 { cents: 5, coupon: Some("spring".into()) };
    let mut state = at(1);
    let Err(refused) = shop::Machine::step(&mut state, coupon.clone()) else { panic!("it does not fit") };
    assert_eq!((refused, state), (coupon.clone(), at(1)));
    assert!(!shop::Machine::takes(1, &AnyInput::Place2(coupon.clone())));
    assert!(shop::Machine::takes(2, &AnyInput::Place2(coupon)));
}

#[test]
fn what_no_adapter_leads_from_is_refused_untouched() {
    let input = Place3 { cents: vec![1], coupon: None };
    for version in [1, 2] {
        let Err(refused) = shop::Machine::step(&mut at(version), input.clone()) else { panic!("too new") };
        assert_eq!(refused, input);
        assert!(!shop::Machine::takes(version, &AnyInput::Place3(input.clone())));
    }
    assert!(!shop::Machine::takes(9, &AnyInput::Place3(input)));
}

#[test]
fn a_result_that_is_err_counts_as_failed_by_its_type() {
    let nothing = Place3 { cents: vec![], coupon: None };
    let stepped = shop::Machine::step(&mut at(3), nothing).expect("taken");
    assert!(stepped.failed && stepped.output.is_err());
    // seen through two adapters the reply is not a `Result`, but the step that ran failed
    let stepped = shop::Machine::step(&mut at(3), Place(0)).expect("taken");
    assert!(stepped.failed);
    assert_eq!(stepped.output, Placed(0));
}

#[test]
fn any_input_is_dispatched_as_its_type_is() {
    let stepped = shop::Machine::step_any(&mut at(3), AnyInput::Place(Place(5))).expect("taken");
    assert_eq!(stepped.output, AnyOutput::Place(Placed(15)));
    let coupon = AnyInput::Place2(Place2 { cents: 5, coupon: Some("spring".into()) });
    let Err(refused) = shop::Machine::step_any(&mut at(1), coupon.clone()) else { panic!("it does not fit") };
    assert_eq!(refused, coupon);
}

#[test]
fn inputs_and_outputs_are_encoded_by_name() {
    let input = AnyInput::Place(Place(5));
    let json = serde_json::to_string(&input).expect("encoded");
    assert_eq!(json, r#"["Place",5]"#);
    assert_eq!(serde_json::from_str::<AnyInput>(&json).expect("decoded"), input);
    let output = AnyOutput::Place2(Placed2 { total: 1, saved: 0 });
    let json = serde_json::to_string(&output).expect("encoded");
    assert_eq!(serde_json::from_str::<AnyOutput>(&json).expect("decoded"), output);
    let unknown = serde_json::from_str::<AnyInput>(r#"["Nothing",5]"#).expect_err("no such input");
    assert!(unknown.to_string().starts_with("machine `shop` has no input `Nothing`"), "{unknown}");
}

#[machine(derive(Debug, Clone, PartialEq))]
mod door {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub enum Move {
        Open,
        Close { hard: bool },
    }
    #[machine(extends = Move)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub enum Move2 {
        Lock(u32),
        Close { hard: bool },
        Open,
    }

    #[machine(version = 1)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Door1(pub String);
    #[machine(version = 1)]
    fn move_1(state: &mut Door1, input: Move) -> usize {
        state.0 = format!("{}{input:?};", state.0);
        state.0.len()
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Door2(pub String);
    #[machine(version = 2)]
    fn move_2(state: &mut Door2, input: Move2) -> usize {
        state.0 = format!("{}{input:?};", state.0);
        state.0.len()
    }
}

#[test]
fn an_enum_that_extends_another_is_adapted_both_ways_by_variant() {
    use door::{Door1, Door2, Move, Move2};

    let mut new = door::AnyState::from(Door2(String::new()));
    door::Machine::step(&mut new, Move::Close { hard: true }).expect("every old one fits");
    assert_eq!(new, Door2("Close { hard: true };".into()).into());

    let mut old = door::AnyState::from(Door1(String::new()));
    door::Machine::step(&mut old, Move2::Open).expect("it is one of the old");
    assert_eq!(old, Door1("Open;".into()).into());
    let Err(refused) = door::Machine::step(&mut old, Move2::Lock(3)) else { panic!("version 1 cannot lock") };
    assert_eq!(refused, Move2::Lock(3));
    assert!(door::Machine::takes(1, &door::AnyInput::Move2(Move2::Open)));
    assert!(!door::Machine::takes(1, &door::AnyInput::Move2(Move2::Lock(3))));
}

/// Replies that may be nothing: an `Option` is an output like any other, and is adapted whole.
#[machine]
mod election {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    pub struct Leader;
    #[derive(Debug, Serialize, Deserialize)]
    pub struct Leading;
    #[derive(Debug, Serialize, Deserialize)]
    pub struct Term;
    #[derive(Debug, Serialize, Deserialize)]
    pub struct TermOf;
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Offer {
        pub name: String,
        pub term: u64,
    }

    #[machine(version = 1)]
    #[derive(Debug, Serialize, Deserialize)]
    pub struct V1 {
        pub leader: Option<Offer>,
    }
    #[machine(version = 1)]
    fn leader(state: &V1, _: Leader) -> Option<String> {
        state.leader.as_ref().map(|offer| offer.name.clone())
    }
    #[machine(version = 1)]
    fn term(state: &V1, _: Term) -> Option<u64> {
        state.leader.as_ref().map(|offer| offer.term)
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Serialize, Deserialize)]
    pub struct V2 {
        pub leader: Option<Offer>,
    }
    #[machine(version = 2)]
    fn leading(state: &V2, _: Leading) -> Option<Offer> {
        state.leader.clone()
    }
    #[machine(version = 2)]
    fn term_of(state: &V2, _: TermOf) -> (String, u64) {
        state.leader.clone().map_or_else(Default::default, |offer| (offer.name, offer.term))
    }
    #[machine(adapt)]
    fn to_leading(_: Leader) -> Leading {
        Leading
    }
    #[machine(adapt)]
    fn leader_name(new: Option<Offer>) -> Option<String> {
        new.map(|offer| offer.name)
    }
    #[machine(adapt)]
    fn to_term_of(_: Term) -> TermOf {
        TermOf
    }
    #[machine(adapt(output))]
    fn term_alone(new: (String, u64)) -> Option<u64> {
        (!new.0.is_empty()).then_some(new.1)
    }
}

#[test]
fn a_reply_that_may_be_nothing_is_adapted_whole() -> Result<(), Box<dyn std::error::Error>> {
    use election::{Leader, Offer, Term, V1, Version};

    for leader in [None, Some(Offer { name: "ada".to_owned(), term: 7 })] {
        let name = leader.as_ref().map(|offer| offer.name.clone());
        let term = leader.as_ref().map(|offer| offer.term);
        let cell = election::Cell::new(V1 { leader });
        cell.admin().upgrade(Version::V2, "offers")?;
        assert_eq!(cell.step(Leader)?, name);
        assert_eq!(cell.step(Term)?, term);
    }
    Ok(())
}
