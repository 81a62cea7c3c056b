//! A machine whose states hold every kind of thing that an encoding has, and what of them can be generated.

use std::collections::BTreeMap;

use hotswap::machine;

use super::run::Rng;

#[machine(derive(Debug, Clone))]
pub mod parts {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Count;

    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub enum Kind {
        #[default]
        Plain,
        Named(String),
        Pair {
            left: u32,
            right: i64,
        },
    }

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub name: String,
        pub tags: Vec<String>,
        pub rows: Vec<Vec<u64>>,
    }
    #[machine(version = 1)]
    fn count_1(state: &V1, _: Count) -> u64 {
        state.tags.len() as u64
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub name: String,
        pub tags: Vec<String>,
        pub rows: Vec<Vec<u64>>,
        #[machine(added)]
        pub counts: BTreeMap<u32, u64>,
        #[machine(added)]
        pub kind: Kind,
        #[machine(added = 0.5)]
        pub ratio: f64,
        #[machine(added)]
        pub flag: Option<bool>,
        #[machine(added)]
        pub bytes: Vec<u8>,
        #[machine(added)]
        pub small: u8,
    }
    #[machine(version = 2)]
    fn count_2(state: &V2, _: Count) -> u64 {
        state.tags.len() as u64
    }

    // version 3: behaviour only
    #[machine(version = 3, migrates_from = 2)]
    fn count_3(state: &V2, _: Count) -> u64 {
        state.tags.len() as u64 + state.counts.len() as u64
    }

    /// From here there is no way down, and not everything comes up.
    #[machine(version = 4, migrates_from = 3)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V4 {
        pub name: String,
        pub tags: Vec<String>,
        pub total: u64,
    }
    #[machine(migrate)]
    fn up_4(old: &V2) -> Result<V4, &'static str> {
        let total = old.counts.values().try_fold(0_u64, |sum, n| sum.checked_add(*n)).ok_or("too many")?;
        Ok(V4 { name: old.name.clone(), tags: old.tags.clone(), total })
    }
    #[machine(version = 4)]
    fn count_4(state: &V4, _: Count) -> u64 {
        state.total
    }
}

pub(crate) use parts::{AnyState, Fleet, Kind, Machine, Switch, V1, V2, V4};

fn text(rng: &mut Rng) -> String {
    (0..rng.below(8)).map(|_| *rng.pick(&['a', 'z', '0', '"', '\\', 'é', '\u{1f980}', '\0'])).collect()
}

fn several<T>(rng: &mut Rng, mut make: impl FnMut(&mut Rng) -> T) -> Vec<T> {
    (0..rng.below(5)).map(|_| make(rng)).collect()
}

/// A state of any version. `finite` numbers only, for JSON, which has no others.
pub(crate) fn state(rng: &mut Rng, finite: bool) -> AnyState {
    let (name, tags) = (text(rng), several(rng, text));
    let version = rng.below(4);
    if version == 3 {
        return V4 { name, tags, total: rng.number() }.into();
    }
    let rows = several(rng, |rng| several(rng, Rng::number));
    if version == 0 {
        return V1 { name, tags, rows }.into();
    }
    let counts: BTreeMap<u32, u64> =
        several(rng, |rng| (u32::try_from(rng.number()).unwrap_or(u32::MAX), rng.number())).into_iter().collect();
    let kind = match rng.below(3) {
        0 => Kind::Plain,
        1 => Kind::Named(text(rng)),
        _ => Kind::Pair { left: rng.below(1000).try_into().unwrap_or(0), right: rng.number().cast_signed() },
    };
    let ratio = f64::from_bits(rng.next());
    let ratio = if finite && !ratio.is_finite() { 0.1 } else { ratio };
    let flag = *rng.pick(&[None, Some(false), Some(true)]);
    let (bytes, small) = (rng.bytes(20), rng.byte());
    let state = V2 { name, tags, rows, counts, kind, ratio, flag, bytes, small };
    if version == 1 { AnyState::V2(state) } else { AnyState::V3(state) }
}

pub(crate) fn version(state: &AnyState) -> u32 {
    <Machine as hotswap::Machine>::version_of(state)
}

/// A state as bytes, by which two are compared: unlike numbers, they are equal to themselves.
pub(crate) fn body(state: &AnyState) -> Vec<u8> {
    postcard::to_allocvec(state).expect("encodes")
}
