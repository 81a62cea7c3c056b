//! What a program saved can be looked at without it: whose it is, of when, how much, and whether it is whole. Whatever byte was
//! changed and wherever the file ends, that is found.

use std::fs;

use hotswap::snapshot::{self, SurveyError, survey};
use hotswap_tests::tally;
use serde_json::json;

mod command;

use command::Place;

const INSTANCES: u64 = 3000;

/// A switch with a store and a fleet, both saved: version 2 runs, and version 1 is permanent.
fn saved(place: &Place, label: &str) {
    let switch = tally::Switch::builder().label(label).starting_at(tally::Version::V1);
    let switch = switch.open(place.path("switch")).expect("a new store");
    let admin = switch.admin();
    let fleet = switch.fleet::<String>();
    for at in 0..INSTANCES {
        fleet.insert(format!("instance-{at}"), tally::V1::default()).expect("there is none");
    }
    admin.upgrade(tally::Version::V2, "count additions").expect("it goes there");
    fleet.save(place.path("fleet")).expect("it is saved");
    fs::write(place.path("state"), snapshot::encode::<tally::Machine>(&tally::V2::default().into()).expect("encoded"))
        .expect("a file");
}

#[test]
fn whose_a_file_is_of_when_and_how_much() {
    let place = Place::new();
    saved(&place, "one");
    let (fleet, code) = place.json(&["snapshot", "inspect", "fleet"]);
    assert_eq!((code, &fleet["header"]["holds"], &fleet["header"]["machine"]), (0, &"Fleet".into(), &"tally".into()));
    assert_eq!(
        (&fleet["header"]["version"], &fleet["instances"], &fleet["whole"]),
        (&2.into(), &INSTANCES.into(), &true.into())
    );
    let mark = &fleet["fleet"];
    assert_eq!((&mark["permanent"], &mark["on_probation"]), (&1.into(), &true.into()));
    let versions: Vec<_> = mark["versions"].as_array().expect("a list").iter().map(|version| &version[0]).collect();
    assert_eq!(json!(versions), json!([1, 2, 3, 4, 5]));
    assert!(mark["a_key"].as_str().is_some_and(|key| key.starts_with("instance-")), "{mark}");
    assert_eq!(fleet["bytes"], fs::metadata(place.path("fleet")).expect("a file").len());
    let text = place.done(&["snapshot", "verify", "fleet"]);
    for line in ["holds        the instances of a fleet", "machine      tally", &format!("instances    {INSTANCES}")] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
    for (name, holds) in [("switch", "Switch"), ("state", "State")] {
        let (found, code) = place.json(&["snapshot", "verify", name]);
        assert_eq!((code, &found["header"]["holds"], &found["whole"]), (0, &holds.into(), &true.into()), "{found}");
        assert_eq!((&found["fleet"], &found["instances"]), (&json!(null), &json!(null)));
    }
}

#[test]
fn what_is_not_whole_is_refused_and_shown_as_far_as_it_goes() {
    let place = Place::new();
    saved(&place, "two");
    let fleet = fs::read(place.path("fleet")).expect("it is there");
    fs::write(place.path("fleet"), &fleet[..fleet.len() - 1]).expect("a file");
    let (refused, code) = place.json(&["snapshot", "verify", "fleet"]);
    assert_eq!(
        (&refused["reason"], &refused["message"], code),
        (&"truncated".into(), &"fleet: the snapshot ends too early".into(), 3)
    );
    let (shown, code) = place.json(&["snapshot", "inspect", "fleet"]);
    assert_eq!((&shown["whole"], &shown["fleet"]["permanent"], code), (&false.into(), &1.into(), 0));
    assert_eq!(shown["not_whole"], "the snapshot ends too early");
    fs::write(place.path("text"), "what is this").expect("a file");
    for verb in ["inspect", "verify"] {
        let (refused, code) = place.json(&["snapshot", verb, "text"]);
        assert_eq!((&refused["reason"], code), (&"not-a-snapshot".into(), 3));
        let (refused, code) = place.json(&["snapshot", verb, "none"]);
        assert_eq!((&refused["reason"], code), (&"io".into(), 1));
    }
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let place = Place::new();
    saved(&place, "three");
    let is_whole = |bytes: &[u8]| {
        fs::write(place.path("changed"), bytes).expect("a file");
        match survey(place.path("changed")) {
            Ok(survey) => survey.whole.is_ok(),
            Err(SurveyError::Snapshot { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    };
    for name in ["fleet", "switch", "state"] {
        let bytes = fs::read(place.path(name)).expect("it is there");
        assert!(is_whole(&bytes), "{name}");
        // each byte of the small ones, and of the fleet's the ends and some between
        let some: Vec<_> = (0..bytes.len()).filter(|at| *at < 400 || at + 100 > bytes.len() || at % 997 == 0).collect();
        for at in some {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!is_whole(&changed), "{name}: byte {at} of {}", bytes.len());
            assert!(!is_whole(&bytes[..at]), "{name}: {at} of {} bytes", bytes.len());
        }
        assert!(!is_whole(&[&bytes[..], b"\n"].concat()), "{name}");
    }
}
