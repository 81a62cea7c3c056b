//! What may be written in other ways than usual: `Self`, aliases, constants, globs, owned types with a lifetime.

#![deny(warnings)]
#![forbid(deprecated, unused_variables, unreachable_code)]

use hotswap::machine;

/// Methods on all types, with names that generated code might want.
pub trait Extension {
    fn failed(&self) {}
    fn read(&self) {}
    fn write(&self) {}
    fn get_mut(&self) {}
    fn get(&self) {}
    fn push(&self) {}
    fn pop(&self) {}
}
impl<T> Extension for T {}

#[machine(name = "spellings", derive(Debug, Clone))]
pub mod spellings {
    use std::borrow::Cow;

    use serde::{Deserialize, Serialize};

    pub use super::Extension as _;
    use super::Extension;
    use parts::*;

    pub type Result<T> = std::result::Result<T, String>;
    pub type Maybe<T> = Option<T>;
    const LENGTH: usize = 4;

    pub mod parts {
        use super::*;

        #[derive(Debug, Clone, Default, Serialize, Deserialize)]
        pub struct SelfTest {
            pub passed: bool,
            pub others: Vec<Part<Self>>,
        }
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub struct Part<T>(pub T, pub Option<Box<Self>>);
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick2 {
        pub by: u8,
    }

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub test: SelfTest,
        pub name: Cow<'static, str>,
        pub bytes: [u8; LENGTH],
    }
    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) -> self::Result<u8> {
        state.read();
        Ok(state.bytes[0])
    }

    #[machine(version = 2, migrates_from = 1, reversible, removes(bytes = Self::BYTES))]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub test: SelfTest,
        #[machine(with = Self::longer, back = Self::shorter)]
        pub name: Cow<'static, str>,
        #[machine(added = Self::START)]
        pub r#type: u8,
        #[machine(added = [Self::START; Self::COUNT].to_vec())]
        pub counts: Vec<u8>,
        #[machine(added)]
        pub next: Option<Box<Self>>,
    }
    impl V2 {
        const START: u8 = 3;
        const COUNT: usize = 2;
        const BYTES: [u8; 4] = [1; 4];
        fn longer(name: &Cow<'static, str>) -> Cow<'static, str> {
            format!("{name}.").into()
        }
        fn shorter(name: &Cow<'static, str>) -> Cow<'static, str> {
            name.trim_end_matches('.').to_owned().into()
        }
    }
    #[machine(version = 2)]
    pub fn tick_2(state: &mut V2, _: Tick2) -> std::result::Result<u8, std::string::String> {
        Ok(state.r#type)
    }
    #[machine(adapt)]
    fn newer(_: Tick) -> Tick2 {
        Tick2 { by: 1 }
    }
    #[machine(adapt)]
    fn older(new: &Tick2) -> Maybe<Tick> {
        (new.by == 1).then_some(Tick)
    }

    #[machine(version = 3, migrates_from = 2)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V3(pub u8, pub Vec<u8>);
    #[machine(version = 3)]
    pub fn tick_3(state: &mut V3, _: Tick2) -> Result<u8> {
        Ok(state.0)
    }
    #[machine(migrate)]
    fn up(old: &V2) -> Result<V3> {
        Ok(V3(old.r#type, old.counts.clone()))
    }
}

/// Two fields of one, in a variant; and an input that every version adapts or refuses.
#[machine]
pub mod twins {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub struct Get;
    #[derive(Serialize, Deserialize)]
    pub struct Tick;

    #[machine(version = 1)]
    #[derive(Serialize, Deserialize)]
    pub enum V1 {
        Both(u8),
        None,
    }
    #[machine(version = 1)]
    pub fn tick(_: &mut V1, _: Tick) {}
    #[machine(adapt(input))]
    fn older(_: Get) -> Tick {
        Tick
    }

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Serialize, Deserialize)]
    pub enum V2 {
        Both {
            #[machine(from = 0, with = u8::clone)]
            low: u8,
            #[machine(from = 0, with = u8::clone)]
            high: u8,
            #[machine(from = 0)]
            all: u8,
        },
        None,
    }
    #[machine(version = 2)]
    pub fn tick_2(state: &mut V2, _: Tick) {
        if let V2::Both { low, high, all } = state {
            *low += *high + *all;
        }
    }
}

fn main() {
    use spellings::{AnyInput, Cell, Tick, Tick2, V2, Version};

    let state = V2 { test: Default::default(), name: "n".into(), r#type: 1, counts: Vec::new(), next: None };
    let cell = Cell::new_at(Version::V2, state).expect("version 2 is there");
    assert_eq!(cell.step(Tick2 { by: 2 }).ok(), Some(Ok(1)));
    let _: AnyInput = Tick.into();
    assert!(cell.step_any(Tick.into()).is_ok());
    twins::Cell::new(twins::V1::Both(1)).step(twins::Get).ok().expect("it is adapted");
}
