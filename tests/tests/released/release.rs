//! The greeter of `release`: 2 spells it right.

use hotswap::testing::{Golden, Law, Laws};
use proptest::prelude::*;
use serde_json::json;

use crate::release_example::greeter::{AnyState, Greet, Greeter, Machine};

#[test]
fn states_and_inputs_of_the_greeter_are_read_as_they_were() {
    Golden::<Machine>::in_folder("golden/greeter")
        .state(Greeter { greeted: 300 })
        .state(AnyState::V2(Greeter { greeted: 70_000 }))
        .input(1, Greet("world".into()))
        .check();
}

#[test]
fn the_greeter_keeps_the_laws_but_for_a_letter() {
    let states = (1..=2, 0..1000_u64).prop_map(|(version, greeted)| match version {
        1 => AnyState::V1(Greeter { greeted }),
        _ => AnyState::V2(Greeter { greeted }),
    });
    Laws::<Machine>::new()
        .intended(|difference| {
            let spelt = |text: &str| json!(["Greet", text.replacen("Helo, ", "Hello, ", 1)]);
            difference.law == Law::SameOutput
                && difference.one[1].as_str().map(spelt).as_ref() == Some(&difference.other)
        })
        .check(states, ".{0,8}".prop_map(Greet));
}
