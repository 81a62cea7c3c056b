//! What may be written in more than one way: paths, imports, numbers from macros, conditions that look like markers.

#![allow(unexpected_cfgs)]

use hotswap::machine;

mod states {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub struct Count {
        pub count: i64,
    }
}

macro_rules! counter {
    ($first:literal, $second:expr) => {
        #[machine]
        mod counter {
            use serde::{Deserialize, Serialize};

            #[cfg_attr(machine, derive(Debug))]
            #[derive(Serialize, Deserialize)]
            pub struct Tick;

            #[machine(version = $first)]
            pub use super::states::{Count as V1};

            #[machine(version = $first)]
            pub fn tick(state: &mut crate::counter::V1, _: super::counter::Tick) -> Option<i64> {
                state.count += 1;
                Some(state.count)
            }

            #[machine(version = $second, migrates_from = $first)]
            #[derive(Serialize, Deserialize)]
            pub struct V2 {
                pub count: i64,
            }

            #[machine(version = $second)]
            pub fn tick_v2(state: &mut super::counter::V2, _: Tick) -> Option<i64> {
                state.count += 1;
                Some(state.count)
            }

            #[machine(migrate(from = $first, to = $second))]
            fn up(old: &super::counter::V1) -> Result<crate::counter::V2, String> {
                Ok(V2 { count: old.count })
            }
        }
    };
}

counter!(1, 2);

fn main() {
    let cell = counter::Cell::new(counter::V1 { count: 0 });
    assert_eq!(cell.step(counter::Tick).ok(), Some(Some(1)));
}
