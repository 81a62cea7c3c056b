//! Generated code means the same whatever the user's crate forbids, shadows or renames.
//!
//! The attributes of this file are half of the test; `tests/renamed` is the other: edition 2021, and `crate = …`.

#![no_implicit_prelude]
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use ::hotswap::machine;

/// A machine beside user types that are named like what generated code uses, and glob imports of still more.
#[machine(derive(Debug, Clone, PartialEq, Eq), name = "shadows")]
pub mod shadowed {
    use self::glob::*;
    use ::serde::{Deserialize, Serialize};

    /// Names that come in by a glob.
    pub mod glob {
        /// Not the usual one.
        #[derive(Debug)]
        pub struct Some;
        /// Not the usual one.
        #[derive(Debug)]
        pub struct None;
        /// Not the usual one.
        #[derive(Debug)]
        pub struct Ok;
        /// Not the usual one.
        #[derive(Debug)]
        pub struct Err;
        /// Not the usual ones.
        pub trait From {}
        /// Not the usual one.
        pub trait Default {}
        /// Hidden by the generated `Cell`.
        pub struct Cell;
    }

    /// What the glob brings in.
    pub type Used = (Some, None, Ok, Err);

    /// Not the usual one.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Result;
    /// Not the usual one.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Option {
        /// Raw.
        pub r#type: u8,
    }
    /// Not the usual one.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Vec;
    /// Not the usual one.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct String;
    /// A raw name.
    #[allow(non_camel_case_types)]
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct r#loop;

    /// A state called so.
    #[machine(version = 1)]
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct State {
        /// Raw.
        pub r#type: Vec,
        /// Not the usual one.
        pub string: String,
    }
    #[machine(version = 1)]
    fn r#match(_: &State, _: Option) -> Result {
        Result
    }
    #[machine(version = 1, input = "Loop")]
    fn r#while(_: &mut State, _: r#loop) {}

    /// A state called so.
    #[machine(version = 2, migrates_from = 1, reversible, boxed)]
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Box {
        /// Raw.
        pub r#type: Vec,
        /// Not the usual one.
        pub string: String,
        /// Evaluated.
        #[machine(added = slot() + state())]
        pub r#fn: u8,
    }
    #[machine(version = 2)]
    fn option(_: &Box, _: Option) -> Result {
        Result
    }
    #[machine(version = 2)]
    #[deprecated = "and used by generated code all the same"]
    fn r#for(_: &mut Box, _: r#loop) {}

    fn slot() -> u8 {
        1
    }
    fn state() -> u8 {
        2
    }
}

/// A machine in a private module within a function, whose types are private too.
#[test]
fn a_machine_in_a_private_module_can_have_private_states() {
    mod outer {
        use ::hotswap::machine;

        #[machine]
        mod inner {
            #[derive(::serde::Serialize, ::serde::Deserialize)]
            struct One;
            #[derive(::serde::Serialize, ::serde::Deserialize)]
            struct Go;
            #[machine(version = 1)]
            use self::One as V1;
            #[machine(version = 1)]
            fn go(_: &V1, _: Go) -> u8 {
                7
            }
            pub(super) fn run() -> u8 {
                let cell = Cell::new(One);
                ::core::result::Result::unwrap_or(::core::result::Result::map_err(cell.step(Go), |_| ()), 0)
            }
        }
        pub(super) fn run() -> u8 {
            inner::run()
        }
    }
    ::std::assert_eq!(outer::run(), 7);
}

macro_rules! made {
    ($name:ident, $state:ident, $input:ident, $field:ident: $ty:ty = $value:expr) => {
        /// A machine made by a macro.
        #[machine]
        pub mod $name {
            /// An input.
            #[derive(::serde::Serialize, ::serde::Deserialize)]
            pub struct $input;
            /// A state.
            #[machine(version = 1)]
            #[derive(::serde::Serialize, ::serde::Deserialize)]
            pub struct $state;
            #[machine(version = 1)]
            fn step(_: &$state, _: $input) -> $ty {
                $value
            }
            /// Another state.
            #[machine(version = 2, migrates_from = 1)]
            #[derive(::serde::Serialize, ::serde::Deserialize)]
            pub struct Later {
                /// A field.
                #[machine(added = $value)]
                pub $field: $ty,
            }
            #[machine(version = 2)]
            fn later(state: &Later, _: $input) -> $ty {
                ::core::clone::Clone::clone(&state.$field)
            }
        }
    };
}

made!(first, State, Go, count: u64 = 3);

/// Another machine of the same name.
pub mod nested {
    use ::hotswap::machine;

    made!(first, State, Go, slot: ::std::vec::Vec<u8> = ::std::vec![1, 2]);
}

/// Every generated name can be given another, so that none stands in the way.
#[machine(rename(Cell = CounterCell, Version = CounterVersion, Machine = Counter, AnyState = States))]
pub mod renamed {
    /// Not ours.
    pub struct Cell;
    /// Not ours.
    pub struct Version;
    /// Not ours.
    pub struct Machine;

    /// An input.
    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub struct Go;
    /// A state.
    #[machine(version = 1)]
    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub struct State(
        /// A field.
        pub u8,
    );
    #[machine(version = 1)]
    fn step(state: &State, _: Go) -> u8 {
        state.0
    }
}

/// Version 2 and all that belongs to it are there with the feature `later`, and as if never written without.
#[machine]
pub mod absent {
    /// An input.
    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub struct Go;
    /// An input of version 2.
    #[cfg(feature = "later")]
    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub struct Later;
    /// A state.
    #[machine(version = 1)]
    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub struct V1(
        /// A field.
        pub u8,
    );
    #[machine(version = 1)]
    fn step(state: &V1, _: Go) -> u8 {
        state.0
    }
    /// A state.
    #[cfg(feature = "later")]
    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub struct V2(
        /// A field.
        pub u8,
    );
    #[cfg(feature = "later")]
    #[machine(version = 2)]
    fn step_2(state: &V2, _: Go) -> u8 {
        state.0
    }
    #[cfg(feature = "later")]
    #[machine(version = 2)]
    fn later(state: &V2, _: Later) -> u8 {
        state.0
    }
}

/// What lints have something to say of, where it is the user's and where it is generated.
#[machine(derive(Debug))]
pub mod linted {
    use ::std::prelude::rust_2024::*;

    /// An input.
    #[deprecated = "and taken all the same"]
    #[derive(Debug, ::serde::Serialize, ::serde::Deserialize)]
    pub struct Old {
        /// Large, to be handed back.
        pub bytes: [[u64; 32]; 32],
    }
    /// What a step gives.
    pub type Complex = Vec<Box<(u8, Option<Box<[Option<(u8, Vec<Box<[u8]>>)>]>>)>>;
    /// A state.
    #[deprecated = "and migrated from all the same"]
    #[machine(version = 1)]
    #[derive(Debug, ::serde::Serialize, ::serde::Deserialize)]
    pub struct V1 {
        /// Large, to be moved.
        pub bytes: [[u64; 32]; 32],
    }
    #[allow(deprecated, clippy::type_complexity)]
    #[machine(version = 1)]
    fn step(_: &V1, _: Old) -> Vec<Box<(u8, Option<Box<[Option<(u8, Vec<Box<[u8]>>)>]>>)>> {
        Vec::new()
    }
    /// A state.
    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, ::serde::Serialize, ::serde::Deserialize)]
    pub struct V2 {
        /// Large, to be moved.
        pub bytes: [[u64; 32]; 32],
    }
    #[allow(deprecated)]
    #[machine(version = 2)]
    fn step_2(_: &V2, _: Old) -> Complex {
        Vec::new()
    }
    #[allow(deprecated)]
    #[machine(migrate, moves)]
    fn up(old: V1) -> Result<V2, (V1, String)> {
        Ok(V2 { bytes: old.bytes })
    }
}

/// The only version is there with the feature `later`.
#[machine]
pub mod empty {
    /// An input.
    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub struct Go;
    /// A state.
    #[cfg(feature = "later")]
    #[machine(version = 1)]
    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub struct V1;
    #[cfg(feature = "later")]
    #[machine(version = 1)]
    fn step(_: &V1, _: Go) {}
}

#[test]
fn machines_run_among_shadowed_names() {
    use shadowed::{AnyState, Option, State, String, Vec};

    let cell = shadowed::Cell::new(State { r#type: Vec, string: String });
    let output = cell.step(Option { r#type: 1 });
    ::std::assert!(::std::matches!(output, ::core::result::Result::Ok(shadowed::Result)));
    let mut slot = ::core::option::Option::Some(<AnyState as ::core::convert::From<_>>::from(State {
        r#type: Vec,
        string: String,
    }));
    let moved = <shadowed::Machine as ::hotswap::Machine>::fused(&mut slot);
    ::std::assert!(moved.is_ok());
    let expected = shadowed::Box { r#type: Vec, string: String, r#fn: 3 };
    ::std::assert_eq!(slot, ::core::option::Option::Some(<AnyState as ::core::convert::From<_>>::from(expected)));
}

#[test]
fn two_machines_of_one_name_are_told_apart_by_their_modules() {
    let names = |module: &str| {
        ::std::iter::Iterator::count(::std::iter::Iterator::filter(
            ::std::iter::IntoIterator::into_iter(::hotswap::machines()),
            |(identity, _)| identity.name == "first" && identity.module.ends_with(module),
        ))
    };
    ::std::assert_eq!((names("hygiene::first"), names("hygiene::nested::first")), (1, 1));
    let cell = nested::first::Cell::new(nested::first::State);
    ::std::assert!(cell.step(nested::first::Go).is_ok_and(|output| output == [1, 2]));
}

#[test]
fn a_version_is_there_if_its_cfg_is() {
    let numbers: ::std::vec::Vec<u32> = ::std::iter::Iterator::collect(::std::iter::Iterator::map(
        <absent::Machine as ::hotswap::Machine>::VERSIONS.iter(),
        |version| version.number,
    ));
    let (expected, edges): (&[u32], _) = if ::std::cfg!(feature = "later") { (&[1, 2], 2) } else { (&[1], 0) };
    ::std::assert_eq!(numbers, expected);
    ::std::assert_eq!(<absent::Machine as ::hotswap::Machine>::EDGES.len(), edges);
    let here = <empty::Machine as ::hotswap::Machine>::VERSIONS.len();
    ::std::assert_eq!(here, if ::std::cfg!(feature = "later") { 1 } else { 0 });
}

#[test]
fn generated_names_can_be_changed() {
    let cell = renamed::CounterCell::new(renamed::State(4));
    ::std::assert!(cell.step(renamed::Go).is_ok_and(|output| output == 4));
    ::std::assert_eq!(renamed::CounterVersion::V1 as u32, 1);
    let renamed::States::V1(state) = <renamed::States as ::core::convert::From<_>>::from(renamed::State(1)) else {
        ::std::unreachable!()
    };
    ::std::assert_eq!(state.0, 1);
}
