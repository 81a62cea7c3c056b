//! Invariant 3, and 1 beside it: replies have the type of the caller's input, whatever version answered; an input runs
//! once, or comes back.

use hotswap::{UpgradeOptions, Why, machine};

/// Orders whose `Place` learns a currency in version 2, and a limit in version 3.
#[machine(derive(Debug, Clone, PartialEq))]
pub mod order {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Place {
        pub cents: u64,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Placed(pub u64);

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Place2 {
        pub cents: u64,
        pub currency: String,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Placed2 {
        pub number: u64,
        pub currency: String,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Total;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    pub struct V1 {
        pub orders: Vec<u64>,
    }
    #[machine(version = 1)]
    fn place_1(state: &mut V1, input: Place) -> Placed {
        state.orders.push(input.cents);
        Placed(state.orders.len() as u64)
    }
    #[machine(version = 1)]
    fn total_1(state: &V1, _: Total) -> u64 {
        state.orders.iter().sum()
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    pub struct V2 {
        pub orders: Vec<u64>,
        #[machine(added)]
        pub currencies: Vec<String>,
    }
    #[machine(version = 2)]
    fn place_2(state: &mut V2, input: Place2) -> Placed2 {
        state.orders.push(input.cents);
        state.currencies.push(input.currency.clone());
        Placed2 { number: state.orders.len() as u64, currency: input.currency }
    }
    #[machine(version = 2)]
    fn total_2(state: &V2, _: Total) -> u64 {
        state.orders.iter().sum()
    }

    /// Old callers on the new version.
    #[machine(adapt)]
    fn newer(old: Place) -> Place2 {
        Place2 { cents: old.cents, currency: "USD".into() }
    }
    #[machine(adapt)]
    fn answer_older(new: Placed2) -> Placed {
        Placed(new.number)
    }
    /// New callers on the old version: dollars only.
    #[machine(adapt)]
    fn older(new: &Place2) -> Option<Place> {
        (new.currency == "USD").then_some(Place { cents: new.cents })
    }
    #[machine(adapt)]
    fn answer_newer(old: Placed) -> Placed2 {
        Placed2 { number: old.0, currency: "USD".into() }
    }
}

use order::{Place, Place2, Placed, Placed2, Switch, Total, V1, V2};

fn place2(currency: &str) -> Place2 {
    Place2 { cents: 5, currency: currency.into() }
}

fn at_version_1() -> (order::Cell, order::Admin) {
    let cell = order::Cell::new(V1::default());
    let admin = cell.admin();
    (cell, admin)
}

#[test]
fn scenario_22_an_old_caller_after_an_upgrade_gets_a_reply_of_its_own_type() {
    let (cell, admin) = at_version_1();
    let placed: Placed = cell.step(Place { cents: 10 }).expect("taken");
    assert_eq!(placed, Placed(1));
    admin.upgrade(2, "currencies").expect("not refused");
    let placed: Placed = cell.step(Place { cents: 10 }).expect("adapted to version 2");
    assert_eq!(placed, Placed(2));
    assert_eq!(cell.step(Total).expect("taken"), 20);
    let state = V2 { orders: vec![10, 10], currencies: vec!["USD".into()] };
    assert_eq!(cell.inspect(Clone::clone), Some(state.into()), "it ran as an order of version 2");
}

#[test]
fn scenario_23_a_new_caller_before_the_upgrade_gets_its_input_back() {
    let (cell, admin) = at_version_1();
    let refused = cell.step(place2("EUR")).expect_err("version 1 knows dollars only");
    assert_eq!((refused.input, refused.why), (place2("EUR"), Why::Refused { at: 1 }));
    assert_eq!(cell.inspect(Clone::clone), Some(V1::default().into()));
    let placed: Placed2 = cell.step(place2("USD")).expect("adapted to version 1");
    assert_eq!(placed, Placed2 { number: 1, currency: "USD".into() });

    admin.upgrade(2, "currencies").expect("not refused");
    let placed: Placed2 = cell.step(place2("EUR")).expect("taken");
    assert_eq!(placed, Placed2 { number: 2, currency: "EUR".into() });
}

#[test]
fn both_callers_after_a_rollback() {
    let (cell, admin) = at_version_1();
    admin.upgrade(2, "currencies").expect("not refused");
    assert_eq!(cell.step(Place { cents: 1 }).expect("taken"), Placed(1));
    admin.rollback("").expect("reversible");
    assert_eq!(cell.step(Place { cents: 1 }).expect("taken"), Placed(2));
    assert_eq!(cell.step(place2("EUR")).expect_err("dollars only").why, Why::Refused { at: 1 });
}

#[test]
fn as_tagged_inputs_too() {
    let switch = Switch::builder().starting_at(1).build().expect("one to run");
    let cell = switch.cell(V1::default()).expect("enters");
    let step = |input: order::AnyInput| cell.step_any(input);

    let output = step(order::AnyInput::Place(Place { cents: 10 })).expect("taken");
    assert_eq!(output, order::AnyOutput::Place(Placed(1)));
    let refused = step(order::AnyInput::Place2(place2("EUR"))).expect_err("dollars only");
    assert_eq!(refused.input, order::AnyInput::Place2(place2("EUR")));
    let options = UpgradeOptions::default();
    switch.admin().upgrade_with(2, "", &options).expect("not refused");
    let output = step(order::AnyInput::Place2(place2("EUR"))).expect("taken");
    assert_eq!(output, order::AnyOutput::Place2(Placed2 { number: 2, currency: "EUR".into() }));

    let text = serde_json::to_string(&order::AnyInput::Total(Total)).expect("serializable");
    assert_eq!(text, r#"["Total",null]"#);
    let back: order::AnyInput = serde_json::from_str(&text).expect("its own encoding");
    assert_eq!(step(back).expect("taken"), order::AnyOutput::Total(15));
}
