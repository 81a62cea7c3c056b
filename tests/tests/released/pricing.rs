//! `pricing`: 2 is dearer, 3 tells its version.

use hotswap::testing::{Golden, Law, Laws};
use proptest::prelude::*;
use serde_json::json;

use crate::pricing_example::pricing::{AnyInput, AnyState, Machine, Price, Service, WhichVersion};

#[test]
fn states_and_inputs_of_pricing_are_read_as_they_were() {
    Golden::<Machine>::in_folder("golden/pricing")
        .state(Service { asked: 300 })
        .state(AnyState::V2(Service { asked: 70_000 }))
        .state(AnyState::V3(Service { asked: 7 }))
        .input(1, Price("milk".into()))
        .input(3, WhichVersion)
        .check();
}

#[test]
fn pricing_keeps_the_laws_but_for_the_price_of_milk() {
    let states = (1..=3, 0..1000_u64).prop_map(|(version, asked)| match version {
        1 => AnyState::V1(Service { asked }),
        2 => AnyState::V2(Service { asked }),
        _ => AnyState::V3(Service { asked }),
    });
    let inputs = prop_oneof![
        prop_oneof![Just("milk"), Just("tea"), Just("")].prop_map(|of| AnyInput::from(Price(of.into()))),
        Just(WhichVersion).prop_map_into(),
    ];
    Laws::<Machine>::new()
        .intended(|difference| {
            (difference.law, difference.to) == (Law::SameOutput, 2)
                && matches!(difference.input, Some(AnyInput::Price(Price(of))) if of == "milk")
                && (&difference.one, &difference.other) == (&json!(["Price", 99]), &json!(["Price", 103]))
        })
        .check(states, inputs);
}
