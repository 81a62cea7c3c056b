//! A state as bytes comes back as it was, in any later version, or is refused by name; never as another.

use hotswap::snapshot::{self, Codec, Holds, Json, Postcard, SnapshotError};
use hotswap::{VersionError, machine};
use hotswap_tests::tally::{AnyState, Machine, Mood, V1, V2, V3, V5, Version};
use proptest::prelude::*;

/// The same machine as `tally` by name, with another idea of version 1, and version 2 gone.
#[machine(name = "tally", retired(2))]
pub mod other_shape {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Get;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub sum: u32,
    }
    #[machine(version = 1)]
    fn get(state: &V1, _: Get) -> u32 {
        state.sum
    }
}

#[machine]
pub mod stranger {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Get;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1(pub u64);
    #[machine(version = 1)]
    fn get(state: &V1, _: Get) -> u64 {
        state.0
    }
}

#[machine(derive(Debug, PartialEq))]
pub mod scale {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub struct Get;

    #[machine(version = 1)]
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub struct V1(pub f64, pub f32);
    #[machine(version = 1)]
    fn get(state: &V1, _: Get) -> f64 {
        state.0
    }
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![Just(Mood::Willing), Just(Mood::Unwilling), Just(Mood::Explosive)]
}

fn state() -> impl Strategy<Value = AnyState> {
    let numbers = prop::collection::vec(any::<u64>(), 0..5);
    prop_oneof![
        (any::<u64>(), mood()).prop_map(|(sum, mood)| V1 { sum, mood }.into()),
        (any::<u64>(), mood(), any::<u64>()).prop_map(|(sum, mood, additions)| V2 { sum, mood, additions }.into()),
        (any::<u64>(), numbers, mood(), any::<u64>())
            .prop_map(|(before, since, mood, seen)| { AnyState::V4(V3 { before, since, additions: 1, mood, seen }) }),
        (any::<u64>(), mood()).prop_map(|(sum, mood)| V5 { sum, mood }.into()),
    ]
}

fn version(state: &AnyState) -> u32 {
    <Machine as hotswap::Machine>::version_of(state)
}

proptest! {
    #[test]
    fn comes_back_as_it_was(state in state()) {
        let at = version(&state);
        let bytes = snapshot::encode::<Machine>(&state).expect("encodes");
        prop_assert_eq!(snapshot::decode::<Machine>(&bytes, at), Ok(state.clone()));
        prop_assert_eq!(snapshot::decode_by::<Machine, Postcard>(&bytes, at), Ok(state.clone()));
        let json = snapshot::encode_by::<Machine, Json>(&state).expect("encodes");
        prop_assert_eq!(snapshot::decode::<Machine>(&json, at), Ok(state.clone()));
        let header = snapshot::header(&bytes).expect("whole");
        prop_assert_eq!((header.holds, header.machine.as_str(), header.version), (Holds::State, "tally", at));
    }

    #[test]
    fn json_gives_every_finite_number_back(double in any::<u64>(), single in any::<f32>()) {
        let double = f64::from_bits(double);
        prop_assume!(double.is_finite());
        let bytes = snapshot::encode_by::<scale::Machine, Json>(&scale::V1(double, single).into()).expect("encodes");
        let back = snapshot::decode::<scale::Machine>(&bytes, 1);
        prop_assert_eq!(back, Ok(scale::V1(double, single).into()));
    }

    #[test]
    fn postcard_gives_every_number_back(double in any::<u64>(), single in any::<u32>()) {
        let state = scale::V1(f64::from_bits(double), f32::from_bits(single));
        let bytes = snapshot::encode::<scale::Machine>(&state.into()).expect("encodes");
        let back = scale::V1::try_from(snapshot::decode::<scale::Machine>(&bytes, 1).expect("decodes")).expect("one");
        prop_assert_eq!((back.0.to_bits(), back.1.to_bits()), (double, single));
    }

    #[test]
    fn no_damage_goes_unnoticed(state in state(), at in any::<prop::sample::Index>(), flip in 1..=u8::MAX, cut in any::<prop::sample::Index>()) {
        let bytes = snapshot::encode::<Machine>(&state).expect("encodes");
        let read = |bytes: &[u8]| snapshot::decode::<Machine>(bytes, version(&state));
        let mut damaged = bytes.clone();
        let at = at.index(bytes.len());
        damaged[at] ^= flip;
        let refused = read(&damaged).expect_err("damaged");
        let named = match at {
            0..8 => refused == SnapshotError::NotOurs,
            8..10 => matches!(refused, SnapshotError::Format { known: 1, .. }),
            // the length of the head: too long, or another head
            10..12 => matches!(refused, SnapshotError::Truncated | SnapshotError::Damaged { .. }),
            _ => matches!(refused, SnapshotError::Damaged { .. }),
        };
        prop_assert!(named, "byte {at}: {refused:?}");
        let cut = cut.index(bytes.len());
        prop_assert_eq!(read(&bytes[..cut]), Err(SnapshotError::Truncated));
        let longer = [bytes.as_slice(), b"more"].concat();
        prop_assert_eq!(read(&longer), Err(SnapshotError::TooLong { extra: 4 }));
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut ours = b"hotswap\0\x01\0".to_vec();
        ours.extend(&bytes);
        prop_assert!(snapshot::decode::<Machine>(&bytes, 1).is_err());
        prop_assert!(snapshot::decode::<Machine>(&ours, 1).is_err());
    }
}

#[test]
fn is_brought_to_the_version_asked_for() {
    let old = V1 { sum: 7, mood: Mood::Willing };
    let bytes = snapshot::encode::<Machine>(&old.clone().into()).expect("encodes");
    let new = snapshot::decode::<Machine>(&bytes, Version::V5).expect("a way leads up");
    assert_eq!(new, V5 { sum: 7, mood: Mood::Willing }.into());

    let bytes = snapshot::encode::<Machine>(&V2 { sum: 7, mood: Mood::Willing, additions: 3 }.into()).expect("encodes");
    assert_eq!(snapshot::decode::<Machine>(&bytes, 1), Ok(old.into()));

    let unwilling = snapshot::encode::<Machine>(&V2 { sum: 7, mood: Mood::Unwilling, additions: 3 }.into());
    let stuck = SnapshotError::NotMigrated { from: 2, to: 3, reason: "unwilling".into() };
    assert_eq!(snapshot::decode::<Machine>(&unwilling.expect("encodes"), 3), Err(stuck));

    let newest = snapshot::encode::<Machine>(&V5::default().into()).expect("encodes");
    let missing = "no migration from version 5 to version 4".to_owned();
    let stuck = SnapshotError::NotMigrated { from: 5, to: 1, reason: missing };
    assert_eq!(snapshot::decode::<Machine>(&newest, 1), Err(stuck));
}

#[test]
fn scenario_35_is_refused_by_name_when_it_is_foreign() {
    let bytes = snapshot::encode::<Machine>(&V1::default().into()).expect("encodes");
    let wrong = SnapshotError::WrongMachine { found: "tally".into(), expected: "stranger".into() };
    assert_eq!(snapshot::decode::<stranger::Machine>(&bytes, 1).err(), Some(wrong));

    let second = snapshot::encode::<Machine>(&V2::default().into()).expect("encodes");
    let retired = VersionError::Retired { machine: "tally".into(), asked: 2, known: vec![1] };
    let read = snapshot::decode::<other_shape::Machine>(&second, 1);
    assert_eq!(read.err(), Some(SnapshotError::Version(retired)));

    let fifth = snapshot::encode::<Machine>(&V5::default().into()).expect("encodes");
    let unknown = VersionError::Unknown { machine: "tally".into(), asked: 5, known: vec![1] };
    let read = snapshot::decode::<other_shape::Machine>(&fifth, 1);
    assert_eq!(read.err(), Some(SnapshotError::Version(unknown)));

    let nowhere = VersionError::Unknown { machine: "tally".into(), asked: 9, known: vec![1, 2, 3, 4, 5] };
    assert_eq!(snapshot::decode::<Machine>(&bytes, 9), Err(SnapshotError::Version(nowhere)));
}

#[test]
fn scenario_37_one_version_number_for_two_shapes_is_refused() {
    let bytes = snapshot::encode::<Machine>(&V1::default().into()).expect("encodes");
    let shape = |versions: &[hotswap::VersionInfo]| versions[0].fingerprint.to_owned();
    let changed = SnapshotError::ChangedShape {
        version: 1,
        found: shape(<Machine as hotswap::Machine>::VERSIONS),
        expected: shape(<other_shape::Machine as hotswap::Machine>::VERSIONS),
    };
    assert_eq!(snapshot::decode::<other_shape::Machine>(&bytes, 1).err(), Some(changed));
}

/// Postcard backwards.
struct Mirror;

impl Codec for Mirror {
    const NAME: &'static str = "mirror";

    fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, String> {
        Postcard::encode(value).map(|bytes| bytes.into_iter().rev().collect())
    }
    fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
        Postcard::decode(&bytes.iter().rev().copied().collect::<Vec<_>>())
    }
}

#[test]
fn a_codec_of_ones_own_is_known_by_its_name() {
    let state: AnyState = V1 { sum: 300, mood: Mood::Willing }.into();
    let bytes = snapshot::encode_by::<Machine, Mirror>(&state).expect("encodes");
    assert_eq!(snapshot::decode_by::<Machine, Mirror>(&bytes, 1), Ok(state));
    let unknown = |known: &str| Err(SnapshotError::Codec { found: "mirror".into(), known: known.into() });
    assert_eq!(snapshot::decode::<Machine>(&bytes, 1), unknown("`postcard` and `json`"));
    assert_eq!(snapshot::decode_by::<Machine, Json>(&bytes, 1), unknown("`json`"));
}

#[derive(serde::Serialize)]
enum Reading {
    Tuple(u8, f64),
    Struct { tenths: f32 },
    Newtype(Option<f64>),
}

#[derive(serde::Serialize)]
struct Log {
    title: &'static str,
    readings: Vec<Reading>,
    by_hour: std::collections::BTreeMap<u8, (f64, ())>,
}

#[test]
fn json_refuses_a_float_that_it_has_no_form_for_wherever_it_is() {
    let state = scale::V1(f64::NAN, 0.0).into();
    let refused = snapshot::encode_by::<scale::Machine, Json>(&state).expect_err("it would be `null`");
    assert_eq!(refused, SnapshotError::Unencodable("a float is NaN, for which JSON has no form".to_owned()));
    assert!(snapshot::encode_by::<scale::Machine, Json>(&scale::V1(0.0, f32::NEG_INFINITY).into()).is_err());

    let log = |reading, hour| Log { title: "", readings: vec![reading], by_hour: [(1, (hour, ()))].into() };
    Json::encode(&log(Reading::Newtype(None), 1.5)).expect("no float, or a finite one");
    let why = |log: &Log| Json::encode(log).expect_err("no form");
    let inf = "a float is inf, for which JSON has no form";
    assert_eq!(why(&log(Reading::Tuple(0, f64::INFINITY), 0.0)), format!("in `readings`: {inf}"));
    let nested = format!("in `readings`: in `tenths`: {inf}");
    assert_eq!(why(&log(Reading::Struct { tenths: f32::INFINITY }, 0.0)), nested);
    let nested = format!("in `readings`: in `Newtype`: {inf}");
    assert_eq!(why(&log(Reading::Newtype(Some(f64::INFINITY)), 0.0)), nested);
    assert_eq!(why(&log(Reading::Newtype(None), f64::INFINITY)), format!("in `by_hour`: {inf}"));
}
