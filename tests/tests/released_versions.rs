//! What released versions wrote is read as they meant it, and the laws hold: for the machines of these tests and of every example.

use hotswap::testing::{Golden, Law, Laws};
use hotswap_tests::folder::Folder;
use hotswap_tests::tally::{Add, AnyInput, AnyState, Fail, Get, Machine, Mood, Prepare, Seen, V1, V2, V3, V5};
use proptest::prelude::*;
use serde_json::json;

mod released;

// the examples' machines; what is imported in them is under the name that it has there
#[path = "../../examples/counter.rs"]
#[expect(dead_code, reason = "its `main` is not called here")]
mod counter_example;
#[path = "../../examples/chat/machine.rs"]
#[expect(dead_code, reason = "the example's host uses the rest")]
mod machine;
#[path = "../../examples/pricing.rs"]
#[expect(dead_code, reason = "its `main` is not called here")]
mod pricing_example;
#[path = "../../examples/release.rs"]
#[expect(dead_code, reason = "its `main` is not called here")]
mod release_example;
#[path = "../../examples/chat/rules.rs"]
mod rules;

fn third() -> V3 {
    V3 { before: 300, since: vec![1, 70_000], additions: 4, mood: Mood::Willing, seen: 9 }
}

#[test]
fn scenario_36_golden_snapshots_still_decode_to_the_same_state() {
    Golden::<Machine>::in_folder("golden/tally")
        .state(V1 { sum: 300, mood: Mood::Willing })
        .state(V2 { sum: 300, mood: Mood::Willing, additions: 4 })
        .state(third())
        .state(AnyState::V4(third()))
        .state(V5 { sum: 300, mood: Mood::Unwilling })
        .input(1, AnyInput::Add(Add(300)))
        .input(1, AnyInput::Prepare(Prepare(Mood::Explosive)))
        .input(3, AnyInput::Seen(Seen))
        .check();
}

/// The text of the panic with which `run` ends.
fn complaint(run: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).expect_err("it complains");
    *payload.downcast::<String>().expect("text")
}

#[test]
fn what_changed_is_named_and_never_written_over() {
    let folder = Folder::new();
    let path = folder.path("golden");
    let golden = |sum, recording| {
        let state = V1 { sum, mood: Mood::Willing };
        Golden::<Machine>::in_folder(&path).state(state).recording(recording).check();
    };
    hotswap_tests::quietly(|| {
        let missing = complaint(|| golden(7, false));
        assert!(missing.contains("v1.state is not there; run once with HOTSWAP_RECORD=1"), "{missing}");
        golden(7, true);
        golden(7, false);
        let other = complaint(|| golden(8, true));
        // in the order of keys that this build of serde_json has
        let shown = |sum| json!([1, V1 { sum, mood: Mood::Willing }]);
        assert!(other.contains(&format!("v1.state is {}, not {}", shown(7), shown(8))), "{other}");
        golden(7, false);
        // files that the test no longer names are read as well
        std::fs::write(path.join("v2.state"), b"no snapshot").expect("a writable folder");
        std::fs::write(path.join("v2.state.json"), b"[2,{}]").expect("a writable folder");
        let foreign = complaint(|| golden(7, false));
        assert!(foreign.contains("v2.state: this is no snapshot of hotswap's"), "{foreign}");
    });
}

fn states() -> impl Strategy<Value = AnyState> {
    let mood = prop_oneof![3 => Just(Mood::Willing), 1 => Just(Mood::Unwilling)];
    (1..=5_u32, 0..1000_u64, prop::collection::vec(0..1000_u64, 0..4), mood).prop_map(|(version, n, since, mood)| {
        let third = V3 { before: n, since: since.clone(), additions: 3, mood, seen: since.len() as u64 };
        match version {
            1 => V1 { sum: n, mood }.into(),
            2 => V2 { sum: n, mood, additions: since.len() as u64 }.into(),
            3 => third.into(),
            4 => AnyState::V4(third),
            _ => V5 { sum: n, mood }.into(),
        }
    })
}

fn inputs() -> impl Strategy<Value = AnyInput> {
    prop_oneof![
        (0..1000_u64).prop_map(|n| AnyInput::Add(Add(n))),
        Just(()).prop_map(|()| AnyInput::Get(Get)),
        Just(()).prop_map(|()| AnyInput::Fail(Fail)),
        Just(()).prop_map(|()| AnyInput::Seen(Seen)),
        Just(()).prop_map(|()| AnyInput::Prepare(Prepare(Mood::Willing))),
    ]
}

#[test]
fn the_laws_hold_but_for_what_each_version_is_for() {
    Laws::<Machine>::new()
        // version 2 counts additions, 3 notes them one by one and counts what it sees, 4 and 5 add twice
        .intended(|difference| {
            difference.law == Law::StepThenMigrate
                && matches!(difference.input, Some(AnyInput::Add(_) | AnyInput::Prepare(_)))
        })
        // the way down from 3 loses what was seen, and 4 has 3's state
        .check(states(), inputs());
}

#[test]
fn a_broken_law_is_shown_with_what_breaks_it() {
    hotswap_tests::quietly(|| {
        let said = complaint(|| Laws::<Machine>::new().check(states(), inputs()));
        assert!(said.contains("machine `tally`") && said.contains("StepThenMigrate from version"), "{said}");
        assert!(said.contains("minimal failing input"), "{said}");
    });
}

/// A number that cannot be encoded when it is 7.
#[hotswap::machine]
mod picky {
    use serde::{Deserialize, Serialize, Serializer};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Get;

    #[machine(version = 1)]
    #[derive(Debug, Serialize, Deserialize)]
    pub struct Picky {
        #[serde(serialize_with = "unless_seven")]
        pub n: u8,
    }

    fn unless_seven<S: Serializer>(n: &u8, to: S) -> Result<S::Ok, S::Error> {
        if *n == 7 { Err(serde::ser::Error::custom("not 7")) } else { n.serialize(to) }
    }

    #[machine(version = 1)]
    fn get(state: &Picky, _: Get) -> u8 {
        state.n
    }
}

#[test]
fn a_state_that_cannot_be_encoded_breaks_a_law() {
    hotswap_tests::quietly(|| {
        let laws = Laws::<picky::Machine>::new();
        laws.check((0..7_u8).prop_map(|n| picky::Picky { n }), Just(picky::Get));
        let said = complaint(|| laws.check((0..=7_u8).prop_map(|n| picky::Picky { n }).boxed(), Just(picky::Get)));
        assert!(said.contains("Encoding from version 1") && said.contains("not 7"), "{said}");
    });
}
