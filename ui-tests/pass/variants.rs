//! Enums that lose one field in two variants, and divide a variant with a way up that is written and one down that is not.

use hotswap::machine;

#[machine(derive(Debug, PartialEq))]
pub mod parcel {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub struct Look;

    #[machine(version = 1)]
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub enum V1 {
        Here { weight: u64, note: String },
        Gone { weight: u64, note: String },
    }
    #[machine(version = 1)]
    pub fn look(_: &V1, _: Look) -> u32 {
        1
    }

    #[machine(version = 2, migrates_from = 1, removes(Here.note, Gone.note))]
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub enum V2 {
        Here { weight: u64 },
        Gone { weight: u64 },
    }
    #[machine(version = 2)]
    pub fn look_2(_: &V2, _: Look) -> u32 {
        2
    }

    #[machine(version = 3, migrates_from = 2, reversible)]
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub enum V3 {
        Here {
            weight: u64,
        },
        #[machine(from = Gone)]
        Sent {
            weight: u64,
        },
        #[machine(from = Gone)]
        Lost {
            weight: u64,
        },
    }
    #[machine(version = 3)]
    pub fn look_3(_: &V3, _: Look) -> u32 {
        3
    }
    #[machine(migrate)]
    fn up(old: &V2) -> V3 {
        match *old {
            V2::Here { weight } => V3::Here { weight },
            V2::Gone { weight: 0 } => V3::Lost { weight: 0 },
            V2::Gone { weight } => V3::Sent { weight },
        }
    }
}

fn main() {
    use parcel::{Look, Switch, V2, V3, Version};

    let switch = Switch::builder().starting_at(Version::V2).build().expect("version 2 is there");
    let cell = switch.cell(V2::Gone { weight: 3 }).expect("it is a state of version 2");
    switch.admin().upgrade(Version::V3, "parcels get lost").expect("there is a way up");
    assert_eq!(cell.step(Look).ok(), Some(3));
    assert_eq!(cell.inspect(|state| *state == V3::Sent { weight: 3 }.into()), Some(true));
    switch.admin().rollback("not here").expect("there is a way down");
    assert_eq!(cell.inspect(|state| *state == V2::Gone { weight: 3 }.into()), Some(true));
}
