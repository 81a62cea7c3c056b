//! Enums: variants by name and renamed, fields added and removed in them, both ways; a written way down that can fail.

use hotswap::machine;

#[machine(derive(Debug, Clone, PartialEq))]
pub mod door {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Push;

    #[machine(version = 1)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub enum V1 {
        Open { since: u64 },
        Shut(u8),
    }

    #[machine(version = 1)]
    pub fn push(state: &mut V1, _: Push) -> bool {
        *state = V1::Open { since: 0 };
        true
    }

    #[machine(version = 2, migrates_from = 1, reversible, removes(Open.since = 7))]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub enum V2 {
        Open {
            #[machine(added = 1)]
            by: u32,
        },
        #[machine(from = Shut)]
        Closed(u8),
    }

    #[machine(version = 2)]
    pub fn push_v2(state: &mut V2, _: Push) -> bool {
        *state = V2::Open { by: 2 };
        true
    }

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub enum V3 {
        Open { by: u32 },
        Closed(u8),
        Ajar,
    }

    #[machine(version = 3)]
    pub fn push_v3(state: &mut V3, _: Push) -> bool {
        *state = V3::Ajar;
        true
    }

    #[machine(migrate, loses = "how far it stands open")]
    fn down(new: &V3) -> Result<V2, String> {
        match new {
            V3::Open { by } => Ok(V2::Open { by: *by }),
            V3::Closed(times) => Ok(V2::Closed(*times)),
            V3::Ajar => Err("version 2 knows no door that is ajar".to_owned()),
        }
    }
}

fn main() {}
