//! `counter`: 2 counts ticks, 3 counts double.

use hotswap::testing::{Golden, Law, Laws};
use proptest::prelude::*;

use crate::counter_example::counter::{AnyInput, AnyState, Get, Machine, Reset, Tick, V1, V2};

#[test]
fn states_and_inputs_of_counter_are_read_as_they_were() {
    Golden::<Machine>::in_folder("golden/counter")
        .state(V1 { count: -300 })
        .state(V2 { count: -300, ticks: 70_000 })
        .state(AnyState::V3(V2 { count: 300, ticks: 7 }))
        .input(1, Tick)
        .input(1, Get)
        .input(2, Reset)
        .check();
}

#[test]
fn counter_keeps_the_laws_but_that_ticks_are_counted_and_doubled() {
    let states = (1..=3, -1000..1000_i64, 0..1000_u64).prop_map(|(version, count, ticks)| match version {
        1 => V1 { count }.into(),
        2 => V2 { count, ticks }.into(),
        _ => AnyState::V3(V2 { count, ticks }),
    });
    let inputs =
        prop_oneof![Just(Tick).prop_map_into::<AnyInput>(), Just(Get).prop_map_into(), Just(Reset).prop_map_into(),];
    Laws::<Machine>::new()
        .intended(|difference| {
            let more = match difference.to {
                2 => "ticks",
                _ => "count",
            };
            let mut one = difference.one.clone();
            one[1][more] = one[1][more].as_i64().map(|n| n + 1).into();
            difference.law == Law::StepThenMigrate
                && matches!(difference.input, Some(AnyInput::Tick(_)))
                && difference.other == one
        })
        .check(states, inputs);
}
