//! A fleet whose instances went, one by one or all at once, is as quick to scan and as small as before they came.

use hotswap_tests::tally::{Fleet, Switch, V1};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// How many calls of `keys_from` a scan takes, and the keys it sees.
fn scan(fleet: &Fleet<u32>, at_most: usize) -> (usize, Vec<u32>) {
    let (mut calls, mut seen, mut cursor) = (0, Vec::new(), Some(0));
    while let Some(from) = cursor {
        cursor = fleet.keys_from(from, at_most, |key, _| seen.push(*key)).expect("outside");
        calls += 1;
    }
    (calls, seen)
}

#[test]
fn an_emptied_fleet_is_scanned_in_one_call() {
    let switch = Switch::new();
    let fleet = switch.fleet();
    for _ in 0..3 {
        for key in 0..100_000 {
            fleet.insert(key, V1::default()).expect("enters");
        }
        (0..100_000).for_each(|key| drop(fleet.remove(&key).expect("outside")));
        // a call passes over at least a thousand free places, and each of 64 shards keeps at most 64 of them
        let (calls, seen) = scan(&fleet, 10);
        assert!(calls <= 5 && seen.is_empty(), "{calls} calls, {seen:?}");
        fleet.clear().expect("outside");
        assert_eq!(scan(&fleet, 10), (1, Vec::new()));
    }
}

proptest! {
    #[test]
    fn whatever_comes_and_goes_a_scan_sees_who_is_there(ops in prop::collection::vec((any::<bool>(), 0..200_u32), 0..600)) {
        let switch = Switch::new();
        let fleet = switch.fleet();
        let mut present = BTreeSet::new();
        for (comes, key) in ops {
            if comes {
                fleet.insert(key, V1::default()).expect("enters");
                present.insert(key);
            } else {
                prop_assert_eq!(fleet.remove(&key).expect("outside").is_some(), present.remove(&key));
            }
        }
        for at_most in [1, 7, usize::MAX] {
            let (_, mut seen) = scan(&fleet, at_most);
            seen.sort_unstable();
            prop_assert_eq!(seen, present.iter().copied().collect::<Vec<_>>());
        }
        prop_assert_eq!(fleet.len(), present.len());
        prop_assert_eq!(switch.admin().status().live, present.len() as u64);
    }
}
