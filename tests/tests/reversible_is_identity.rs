//! Invariant 4: up then down is the identity for `reversible` versions, except fields named in `removes`.

use hotswap::{RollbackOptions, machine};
use proptest::prelude::*;

/// Struct, tuple, enum and unit states; renamed, converted, added and removed fields; every one reversible.
#[machine(derive(Debug, Clone, PartialEq))]
pub mod shapes {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Nothing;

    #[machine(version = 1)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V1 {
        pub kept: String,
        pub old_name: Vec<u8>,
        pub celsius: i32,
        pub legacy: u64,
    }
    #[machine(version = 1)]
    fn nothing_1(_: &V1, _: Nothing) {}

    #[machine(version = 2, migrates_from = 1, reversible, removes(legacy = 7))]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct V2 {
        pub kept: String,
        #[machine(from = old_name)]
        pub new_name: Vec<u8>,
        #[machine(from = celsius, with = tenths, back = degrees)]
        pub tenths: i64,
        #[machine(added = Vec::new())]
        pub log: Vec<String>,
    }
    fn tenths(celsius: &i32) -> i64 {
        i64::from(*celsius) * 10
    }
    fn degrees(tenths: &i64) -> i32 {
        i32::try_from(tenths / 10).unwrap_or(i32::MAX)
    }
    #[machine(version = 2)]
    fn nothing_2(_: &V2, _: Nothing) {}
}

/// An enum as a state.
#[machine(derive(Debug, Clone, PartialEq))]
pub mod door {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Nothing;

    #[machine(version = 1)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub enum Door {
        Open,
        Closed { knocks: u32 },
        Locked(String, u8),
    }
    #[machine(version = 1)]
    fn nothing_1(_: &Door, _: Nothing) {}

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub enum Door2 {
        Locked(String, u8),
        Open,
        Closed {
            knocks: u32,
            #[machine(added)]
            rings: u32,
        },
    }
    #[machine(version = 2)]
    fn nothing_2(_: &Door2, _: Nothing) {}
}

proptest! {
    #[test]
    fn for_structs(kept in ".*", old_name in prop::collection::vec(any::<u8>(), 0..20), celsius in any::<i32>(), legacy in any::<u64>()) {
        let state = shapes::V1 { kept, old_name, celsius, legacy };
        let cell = shapes::Cell::new(state.clone());
        let admin = cell.admin();
        admin.upgrade(2, "").expect("not refused");
        prop_assert_eq!(cell.version(), Some(2));
        admin.rollback("").expect("reversible loses nothing");
        let back = cell.inspect(Clone::clone).expect("whole");
        prop_assert_eq!(back, shapes::AnyState::V1(shapes::V1 { legacy: 7, ..state }));
    }

    #[test]
    fn for_enums(door in prop_oneof![
        Just(door::Door::Open),
        any::<u32>().prop_map(|knocks| door::Door::Closed { knocks }),
        (".*", any::<u8>()).prop_map(|(key, turns)| door::Door::Locked(key, turns)),
    ]) {
        let cell = door::Cell::new(door.clone());
        cell.admin().upgrade(2, "").expect("not refused");
        prop_assert_eq!(cell.version(), Some(2));
        cell.admin().rollback_with("", &RollbackOptions::default()).expect("reversible loses nothing");
        prop_assert_eq!(cell.inspect(Clone::clone), Some(door::AnyState::V1(door)));
    }
}
