//! Every kind of migration gives what its author wrote, edge by edge and fused, and one that panics costs nothing.

#![allow(missing_docs, reason = "the machines here are described by their tests")]
#![allow(clippy::trivially_copy_pass_by_ref, reason = "a conversion borrows its field, whatever its type")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use hotswap::{How, Machine, machine};
use hotswap_tests::quietly;

/// Takes a slot over one declared edge, as the runtime does.
fn over<M: Machine>(slot: &mut Option<M::AnyState>, from: u32, to: u32) -> Result<(), String> {
    let edge = M::EDGES.iter().find(|edge| (edge.from, edge.to) == (from, to));
    match &edge.expect("the edge is declared").how {
        How::Derived { run, .. } => run(slot),
        How::Borrows(run) => *slot = Some(run(slot.as_ref().expect("the slot is full"))?),
        How::Moves(run) => run(slot)?,
    }
    Ok(())
}

/// The same state taken up to the newest version edge by edge, and fused; both encoded.
fn both_ways<M: Machine>(make: impl Fn() -> M::AnyState) -> (String, String) {
    let mut stepwise = Some(make());
    for pair in M::VERSIONS.windows(2) {
        if pair[0].number == M::version_of(stepwise.as_ref().expect("full")) {
            over::<M>(&mut stepwise, pair[0].number, pair[1].number).expect("it moves");
        }
    }
    let mut fused = Some(make());
    M::fused(&mut fused).expect("it moves");
    (encoded::<M>(stepwise.as_ref()), encoded::<M>(fused.as_ref()))
}

fn encoded<M: Machine>(slot: Option<&M::AnyState>) -> String {
    serde_json::to_string(&slot).expect("a state can be encoded")
}

#[machine(derive(Debug, Clone, PartialEq))]
mod order {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Ask;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Note(pub String);

    #[machine(version = 1)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Order1 {
        pub note: Note,
        pub cents: u64,
        pub r#type: String,
        pub legacy: u8,
    }
    #[machine(version = 1)]
    fn ask_1(state: &Order1, _: Ask) -> u64 {
        state.cents
    }

    fn dollars(cents: &u64) -> String {
        format!("{}.{:02}", cents / 100, cents % 100)
    }
    #[allow(clippy::ptr_arg, reason = "`back` is given a reference to the field")]
    fn cents(dollars: &String) -> u64 {
        dollars.replace('.', "").parse().expect("dollars")
    }

    // the user's expressions see this, not a local of the generated code
    fn state() -> u32 {
        7
    }

    #[machine(version = 2, migrates_from = 1, reversible, removes(legacy = 7), boxed)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Order2 {
        #[machine(from = cents, with = dollars, back = cents)]
        pub dollars: String,
        pub note: Note,
        #[machine(from = r#type)]
        pub kind: String,
        #[machine(added = super::twice(state()))]
        pub seen: u32,
        #[machine(added)]
        pub tags: Vec<String>,
    }
    #[machine(version = 2)]
    fn ask_2(state: &Order2, _: Ask) -> u64 {
        cents(&state.dollars)
    }

    // behaviour only
    #[machine(version = 5, migrates_from = 2)]
    fn ask_5(state: &Order2, _: Ask) -> u64 {
        cents(&state.dollars) + 1
    }

    #[machine(version = 6, migrates_from = 5, boxed)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Order6(pub String, pub Vec<String>);

    #[machine(migrate)]
    fn up_6(old: &Order2) -> Result<Order6, String> {
        if old.tags.is_empty() { Ok(Order6(old.dollars.clone(), old.tags.clone())) } else { Err("tags".into()) }
    }
    #[machine(migrate, moves, loses = "the note")]
    fn down_6(old: Order6) -> Result<Order2, (Order6, &'static str)> {
        if old.0.is_empty() {
            return Err((old, "no dollars"));
        }
        Ok(Order2 { dollars: old.0, note: Note(String::new()), kind: String::new(), seen: 0, tags: old.1 })
    }
    #[machine(version = 6)]
    fn ask_6(state: &Order6, _: Ask) -> u64 {
        cents(&state.0)
    }

    #[machine(version = 7, migrates_from = 6)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Order7;
    #[machine(migrate, moves)]
    fn up_7(_: Order6) -> Order7 {
        Order7
    }
    #[machine(version = 7)]
    fn ask_7(_: &Order7, _: Ask) -> u64 {
        0
    }
}

fn twice(number: u32) -> u32 {
    number * 2
}

fn wide_twice(number: &u32) -> u64 {
    u64::from(*number) * 2
}

fn order_1() -> order::AnyState {
    let note = order::Note("gift".into());
    order::Order1 { note, cents: 1205, r#type: "book".into(), legacy: 7 }.into()
}

fn order_2() -> order::Order2 {
    let note = order::Note("gift".into());
    order::Order2 { dollars: "12.05".into(), note, kind: "book".into(), seen: 14, tags: vec![] }
}

#[test]
fn fields_are_moved_renamed_converted_and_added() {
    let mut slot = Some(order_1());
    over::<order::Machine>(&mut slot, 1, 2).expect("it moves");
    assert_eq!(slot, Some(order_2().into()));
}

#[test]
fn the_way_down_converts_back_and_puts_back() {
    let mut slot = Some(order::AnyState::from(order_2()));
    over::<order::Machine>(&mut slot, 2, 1).expect("it moves");
    assert_eq!(slot, Some(order_1()));
}

#[test]
fn behaviour_only_versions_keep_the_state_both_ways() {
    let mut slot = Some(order::AnyState::from(order_2()));
    over::<order::Machine>(&mut slot, 2, 5).expect("it moves");
    assert_eq!(slot, Some(order::AnyState::V5(Box::new(order_2()))));
    over::<order::Machine>(&mut slot, 5, 2).expect("it moves");
    assert_eq!(slot, Some(order_2().into()));
    let pure = |edge: &hotswap::Edge<_>| matches!(edge.how, How::Derived { pure: true, .. });
    assert_eq!(order::Machine::EDGES.iter().filter(|edge| pure(edge)).count(), 2);
}

#[test]
fn a_written_migration_that_fails_leaves_the_state() {
    let tagged = order::Order2 { tags: vec!["new".into()], ..order_2() };
    let mut slot = Some(order::AnyState::V5(Box::new(tagged.clone())));
    assert_eq!(over::<order::Machine>(&mut slot, 5, 6), Err("tags".into()));
    assert_eq!(slot, Some(order::AnyState::V5(Box::new(tagged.clone()))));
    assert_eq!(order::Machine::fused(&mut slot), Err("tags".into()));
    assert_eq!(slot, Some(order::AnyState::V5(Box::new(tagged))));
}

#[test]
fn a_moving_migration_that_fails_gives_the_state_back() {
    let broken = order::Order6(String::new(), vec![]);
    let mut slot = Some(order::AnyState::from(broken.clone()));
    assert_eq!(over::<order::Machine>(&mut slot, 6, 5), Err("no dollars".into()));
    assert_eq!(slot, Some(broken.into()));
    let down = order::Machine::EDGES.iter().find(|edge| (edge.from, edge.to) == (6, 5));
    assert_eq!(down.expect("declared").loses, Some("the note"));
}

#[test]
fn fused_gives_what_the_edges_give_in_turn() {
    let from: [&dyn Fn() -> order::AnyState; 5] = [
        &order_1,
        &|| order_2().into(),
        &|| order::AnyState::V5(Box::new(order_2())),
        &|| order::Order6("1.00".into(), vec![]).into(),
        &|| order::Order7.into(),
    ];
    assert_eq!(order::Machine::FUSED_TO, 7);
    for make in from {
        let (stepwise, fused) = both_ways::<order::Machine>(make);
        assert_eq!(stepwise, fused);
        assert_eq!(fused, "[7,null]");
    }
    for one in [shape::One::Round { radius: 2, name: "a".into() }, shape::One::None] {
        let (stepwise, fused) = both_ways::<shape::Machine>(|| one.clone().into());
        assert_eq!(stepwise, fused);
    }
}

/// Seven versions, and every kind of migration between two of them; each leaves its number.
#[machine(derive(Debug, Clone, PartialEq))]
mod seven {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Ask;

    #[machine(version = 1)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V1 {
        pub n: u32,
        pub legacy: bool,
    }
    #[machine(version = 1)]
    fn ask_1(_: &V1, _: Ask) -> u32 {
        1
    }

    #[machine(version = 2, migrates_from = 1, removes(legacy))]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V2 {
        #[machine(from = n)]
        pub sum: u32,
        #[machine(added = vec![2])]
        pub seen: Vec<u32>,
    }
    #[machine(version = 2)]
    fn ask_2(_: &V2, _: Ask) -> u32 {
        2
    }

    // behaviour only
    #[machine(version = 3, migrates_from = 2)]
    fn ask_3(_: &V2, _: Ask) -> u32 {
        3
    }

    #[machine(version = 4, migrates_from = 3)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V4 {
        pub sum: u32,
        pub seen: Vec<u32>,
    }
    #[machine(migrate(from = 3, to = 4))]
    fn up_4(old: &V2) -> Result<V4, String> {
        if old.sum == 13 {
            return Err("unlucky".into());
        }
        Ok(V4 { sum: old.sum * 3, seen: [&old.seen[..], &[4]].concat() })
    }
    #[machine(version = 4)]
    fn ask_4(_: &V4, _: Ask) -> u32 {
        4
    }

    #[machine(version = 5, migrates_from = 4)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V5 {
        #[machine(from = sum, with = super::wide_twice)]
        pub sum: u64,
        pub seen: Vec<u32>,
    }
    #[machine(version = 5)]
    fn ask_5(_: &V5, _: Ask) -> u32 {
        5
    }

    #[machine(version = 6, migrates_from = 5)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V6(pub u64, pub Vec<u32>);
    #[machine(migrate, moves)]
    fn up_6(mut old: V5) -> V6 {
        old.seen.push(6);
        V6(old.sum + 1, old.seen)
    }
    #[machine(version = 6)]
    fn ask_6(_: &V6, _: Ask) -> u32 {
        6
    }

    #[machine(version = 7, migrates_from = 6)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V7 {
        pub seen: Vec<u32>,
        pub sum: u64,
    }
    #[machine(migrate)]
    fn up_7(old: &V6) -> Result<V7, String> {
        if old.0 > 1000 {
            return Err("too much".into());
        }
        Ok(V7 { seen: [&old.1[..], &[7]].concat(), sum: old.0 * 10 })
    }
    #[machine(version = 7)]
    fn ask_7(_: &V7, _: Ask) -> u32 {
        7
    }
}

#[test]
fn scenario_25_seven_versions_in_one_jump_give_what_they_give_step_by_step() {
    let switch = || seven::Switch::builder().starting_at(1).build().expect("one to run");
    let first = seven::V1 { n: 5, legacy: true };
    let step_by_step = switch();
    let cell = step_by_step.cell(first.clone()).expect("enters");
    for to in 2..=7 {
        assert_eq!(step_by_step.admin().upgrade(to, "").expect("not refused").moved, 1);
        assert_eq!(cell.step(seven::Ask).expect("taken by all"), to);
    }
    let last = cell.inspect(Clone::clone).expect("whole");
    assert_eq!(last, seven::V7 { seen: vec![2, 4, 6, 7], sum: 310 }.into());

    let jump = switch();
    let (cell, mut owned) = (jump.cell(first.clone()).expect("enters"), jump.instance(first.clone()).expect("enters"));
    assert_eq!(jump.admin().plan(7).expect("there is a way").path, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(jump.admin().upgrade(7, "").expect("not refused").moved, 1);
    owned.refresh();
    let entered = seven::Cell::new_at(7, first).expect("there is a way");
    for state in [cell.inspect(Clone::clone), owned.state().cloned(), entered.inspect(Clone::clone)] {
        assert_eq!(state.as_ref(), Some(&last));
    }
}

#[test]
fn a_jump_that_fails_anywhere_on_its_way_leaves_the_state_where_it_began() {
    // one fails on borrowing at 4, the other at 7, after a migration that consumes
    for (n, reason) in [(13, "unlucky"), (500, "too much")] {
        let cell = seven::Cell::new(seven::V1 { n, legacy: true });
        let outcome = cell.admin().upgrade(7, "").expect("not refused");
        assert_eq!((outcome.held_back, outcome.held[0].reason.as_str(), outcome.held[0].version), (1, reason, 1));
        assert_eq!(cell.inspect(Clone::clone), Some(seven::V1 { n, legacy: true }.into()));
    }
}

#[test]
fn it_is_known_of_a_derived_migration_whether_what_it_leaves_has_anything_to_drop() {
    let derived = seven::Machine::EDGES.iter().filter_map(|edge| match edge.how {
        How::Derived { drops, .. } => Some((edge.from, edge.to, drops)),
        _ => None,
    });
    assert_eq!(derived.collect::<Vec<_>>(), [(1, 2, false), (2, 3, true), (4, 5, true), (3, 2, true)]);
}

#[machine(derive(Debug, Clone, PartialEq))]
mod shape {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Ask;

    #[machine(version = 1)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub enum One {
        None,
        Round { radius: u32, name: String },
        Line(u32, u32),
    }
    #[machine(version = 1)]
    fn ask_1(_: &One, _: Ask) -> u32 {
        1
    }

    fn area(radius: &u32) -> u32 {
        assert_ne!(*radius, 13, "unlucky");
        radius * radius * 3
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub enum Two {
        Extra,
        Line(u32, u32),
        Round {
            name: String,
            #[machine(from = radius, with = area)]
            area: u32,
            #[machine(added = String::from("new"))]
            tag: String,
        },
        None,
    }
    #[machine(version = 2)]
    fn ask_2(_: &Two, _: Ask) -> u32 {
        2
    }
}

#[test]
fn enums_map_by_the_names_of_their_variants() {
    let up = |state: shape::One| {
        let mut slot = Some(state.into());
        over::<shape::Machine>(&mut slot, 1, 2).expect("it moves");
        shape::Two::try_from(slot.expect("full")).expect("version 2")
    };
    assert_eq!(up(shape::One::None), shape::Two::None);
    assert_eq!(up(shape::One::Line(1, 2)), shape::Two::Line(1, 2));
    let round = shape::Two::Round { name: "a".into(), area: 12, tag: "new".into() };
    assert_eq!(up(shape::One::Round { radius: 2, name: "a".into() }), round);
}

#[test]
fn a_derived_migration_that_panics_leaves_the_slot_whole() {
    let unlucky = shape::One::Round { radius: 13, name: "a".into() };
    for run in [|slot: &mut _| over::<shape::Machine>(slot, 1, 2), |slot: &mut _| shape::Machine::fused(slot)] {
        let mut slot = Some(unlucky.clone().into());
        let panicked = quietly(|| catch_unwind(AssertUnwindSafe(|| run(&mut slot))));
        assert!(panicked.is_err());
        assert_eq!(slot, Some(unlucky.clone().into()));
    }
}

#[test]
fn a_state_is_encoded_under_its_version() {
    let state = order::AnyState::V5(Box::new(order_2()));
    let json = serde_json::to_string(&state).expect("encoded");
    assert!(json.starts_with("[5,{"), "{json}");
    assert_eq!(serde_json::from_str::<order::AnyState>(&json).expect("decoded"), state);
    let unknown = serde_json::from_str::<order::AnyState>("[4,{}]").expect_err("4 is no version");
    assert!(unknown.to_string().starts_with("machine `order` has no version `4`"), "{unknown}");
}

#[machine(name = "left-overs", retired(1, 2))]
mod retired {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Ask;
    #[machine(version = 3)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Three;
    #[machine(version = 3)]
    fn ask(_: &Three, _: Ask) {}
}

#[test]
fn a_retired_version_says_so() {
    assert_eq!(retired::Machine::RETIRED, [1, 2]);
    let Err(error) = serde_json::from_str::<retired::AnyState>("[2,{}]") else { panic!("2 is retired") };
    let error = error.to_string();
    assert!(error.starts_with("version 2 of machine `left-overs` is retired"), "{error}");
}

#[test]
fn states_come_out_by_value_and_by_reference() {
    let state = order_1();
    assert_eq!(<&order::Order1>::try_from(&state).expect("version 1").cents, 1205);
    assert!(<&order::Order2>::try_from(&state).is_err());
    let back = order::Order2::try_from(state).expect_err("it is version 1");
    assert_eq!(back, order_1());
    assert_eq!(order::Version::try_from(5), Ok(order::Version::V5));
    assert_eq!(order::Version::try_from(4), Err(4));
    assert_eq!(u32::from(order::Version::V6), 6);
    assert_eq!(order::Version::V6.to_string(), "6");
}
