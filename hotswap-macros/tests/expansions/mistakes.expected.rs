///The machine `counter`.
#[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::marker::Copy)]
pub struct Machine;
///A version of machine `counter` that is compiled in.
#[derive(
    ::core::fmt::Debug,
    ::core::clone::Clone,
    ::core::marker::Copy,
    ::core::cmp::PartialEq,
    ::core::cmp::Eq,
    ::core::cmp::PartialOrd,
    ::core::cmp::Ord,
    ::core::hash::Hash
)]
#[repr(u32)]
pub enum Version {
    ///Version 1.
    V1 = 1u32,
    ///Version 2.
    V2 = 2u32,
    ///Version 3.
    V3 = 3u32,
    ///Version 4.
    V4 = 4u32,
}
///One instance of machine `counter` shared by threads.
pub type __HotswapCell = ::hotswap::Cell<Machine>;
///One live state of machine `counter`.
pub type Instance = ::hotswap::Instance<Machine>;
///Many instances of machine `counter` that one owner has, side by side.
pub type Slab = ::hotswap::Slab<Machine>;
///Which version of machine `counter` is meant to run.
pub type Switch = ::hotswap::Switch<Machine>;
///The commands over a switch of machine `counter`.
pub type Admin = ::hotswap::Admin<Machine>;
///Many instances of machine `counter`, by key.
pub type Fleet<K> = ::hotswap::Fleet<Machine, K>;
#[cfg(panic = "abort")]
::core::compile_error!(
    "a machine needs `panic = \"unwind\"`: a migration that panics must leave the old state whole"
);
///A state of machine `counter`, of any of its versions.
#[allow(private_interfaces)]
pub enum AnyState {
    ///The state of version 1.
    V1(V1),
    ///The state of version 2.
    V2(V1),
    ///The state of version 3.
    V3(__HotswapUnknown),
    ///The state of version 4.
    V4(V4),
    ///The state of a version that was loaded into the running program.
    Loaded(::hotswap::Loaded),
}
///An input of machine `counter`.
#[allow(private_interfaces, clippy::type_complexity)]
pub enum AnyInput {
    ///The input `Push`.
    Push(Push),
    ///The input `__HotswapUnknown1`.
    __HotswapUnknown1(inner::Push),
    ///The input `Outer`.
    Outer(crate::Outer),
}
///What a step of machine `counter` gave back, by the input that it answers.
#[allow(private_interfaces, clippy::type_complexity)]
pub enum AnyOutput {
    ///The output of `Push`.
    Push(i64),
    ///The output of `__HotswapUnknown1`.
    __HotswapUnknown1(()),
    ///The output of `Outer`.
    Outer(bool),
}
///The state of a version with a mistake in it.
pub struct __HotswapUnknown;
const _: () = {
    use ::hotswap::__private as __hotswap;
    __hotswap::versions! {
        Version of Machine { 1u32 => V1, 2u32 => V2, 3u32 => V3, 4u32 => V4, }
    }
    impl __hotswap::serde::Serialize for AnyState {
        fn serialize<__S: __hotswap::serde::Serializer>(
            &self,
            _: __S,
        ) -> ::core::result::Result<__S::Ok, __S::Error> {
            ::core::unreachable!()
        }
    }
    impl<'de> __hotswap::serde::Deserialize<'de> for AnyState {
        fn deserialize<__D: __hotswap::serde::Deserializer<'de>>(
            _: __D,
        ) -> ::core::result::Result<Self, __D::Error> {
            ::core::unreachable!()
        }
    }
    impl __hotswap::serde::Serialize for AnyInput {
        fn serialize<__S: __hotswap::serde::Serializer>(
            &self,
            _: __S,
        ) -> ::core::result::Result<__S::Ok, __S::Error> {
            ::core::unreachable!()
        }
    }
    impl<'de> __hotswap::serde::Deserialize<'de> for AnyInput {
        fn deserialize<__D: __hotswap::serde::Deserializer<'de>>(
            _: __D,
        ) -> ::core::result::Result<Self, __D::Error> {
            ::core::unreachable!()
        }
    }
    impl __hotswap::serde::Serialize for AnyOutput {
        fn serialize<__S: __hotswap::serde::Serializer>(
            &self,
            _: __S,
        ) -> ::core::result::Result<__S::Ok, __S::Error> {
            ::core::unreachable!()
        }
    }
    impl<'de> __hotswap::serde::Deserialize<'de> for AnyOutput {
        fn deserialize<__D: __hotswap::serde::Deserializer<'de>>(
            _: __D,
        ) -> ::core::result::Result<Self, __D::Error> {
            ::core::unreachable!()
        }
    }
    impl ::core::panic::RefUnwindSafe for AnyState {}
    impl ::core::convert::From<V1> for AnyState {
        fn from(_: V1) -> Self {
            ::core::unreachable!()
        }
    }
    impl ::core::convert::TryFrom<AnyState> for V1 {
        type Error = AnyState;
        fn try_from(_: AnyState) -> ::core::result::Result<Self, AnyState> {
            ::core::unreachable!()
        }
    }
    impl<'a> ::core::convert::TryFrom<&'a AnyState> for &'a V1 {
        type Error = &'a AnyState;
        fn try_from(_: &'a AnyState) -> ::core::result::Result<Self, &'a AnyState> {
            ::core::unreachable!()
        }
    }
    impl ::core::convert::From<__HotswapUnknown> for AnyState {
        fn from(_: __HotswapUnknown) -> Self {
            ::core::unreachable!()
        }
    }
    impl ::core::convert::TryFrom<AnyState> for __HotswapUnknown {
        type Error = AnyState;
        fn try_from(_: AnyState) -> ::core::result::Result<Self, AnyState> {
            ::core::unreachable!()
        }
    }
    impl<'a> ::core::convert::TryFrom<&'a AnyState> for &'a __HotswapUnknown {
        type Error = &'a AnyState;
        fn try_from(_: &'a AnyState) -> ::core::result::Result<Self, &'a AnyState> {
            ::core::unreachable!()
        }
    }
    impl ::core::convert::From<V4> for AnyState {
        fn from(_: V4) -> Self {
            ::core::unreachable!()
        }
    }
    impl ::core::convert::TryFrom<AnyState> for V4 {
        type Error = AnyState;
        fn try_from(_: AnyState) -> ::core::result::Result<Self, AnyState> {
            ::core::unreachable!()
        }
    }
    impl<'a> ::core::convert::TryFrom<&'a AnyState> for &'a V4 {
        type Error = &'a AnyState;
        fn try_from(_: &'a AnyState) -> ::core::result::Result<Self, &'a AnyState> {
            ::core::unreachable!()
        }
    }
    impl ::core::convert::From<Push> for AnyInput {
        fn from(_: Push) -> Self {
            ::core::unreachable!()
        }
    }
    impl ::hotswap::Accepts<Push> for Machine {
        type Output = i64;
        const INPUT: &'static str = "";
        fn step_mut(
            _: ::core::option::Option<&mut AnyState>,
            _: Push,
        ) -> __hotswap::Step<i64, Push> {
            ::core::unreachable!()
        }
        fn step_loaded(
            _: &mut ::hotswap::Loaded,
            _: Push,
        ) -> __hotswap::Step<i64, Push> {
            ::core::unreachable!()
        }
    }
    impl ::core::convert::From<inner::Push> for AnyInput {
        fn from(_: inner::Push) -> Self {
            ::core::unreachable!()
        }
    }
    impl ::hotswap::Accepts<inner::Push> for Machine {
        type Output = ();
        const INPUT: &'static str = "";
        fn step_mut(
            _: ::core::option::Option<&mut AnyState>,
            _: inner::Push,
        ) -> __hotswap::Step<(), inner::Push> {
            ::core::unreachable!()
        }
        fn step_loaded(
            _: &mut ::hotswap::Loaded,
            _: inner::Push,
        ) -> __hotswap::Step<(), inner::Push> {
            ::core::unreachable!()
        }
    }
    impl ::core::convert::From<crate::Outer> for AnyInput {
        fn from(_: crate::Outer) -> Self {
            ::core::unreachable!()
        }
    }
    impl ::hotswap::Accepts<crate::Outer> for Machine {
        type Output = bool;
        const INPUT: &'static str = "";
        fn step_mut(
            _: ::core::option::Option<&mut AnyState>,
            _: crate::Outer,
        ) -> __hotswap::Step<bool, crate::Outer> {
            ::core::unreachable!()
        }
        fn step_loaded(
            _: &mut ::hotswap::Loaded,
            _: crate::Outer,
        ) -> __hotswap::Step<bool, crate::Outer> {
            ::core::unreachable!()
        }
    }
    impl ::hotswap::Machine for Machine {
        type AnyState = AnyState;
        type AnyInput = AnyInput;
        type AnyOutput = AnyOutput;
        type StateMut<'a> = ::core::option::Option<&'a mut AnyState>;
        type States = __hotswap::NoStates;
        const IDENTITY: ::hotswap::Identity = ::hotswap::Identity {
            krate: ::core::env!("CARGO_PKG_NAME"),
            crate_version: ::core::env!("CARGO_PKG_VERSION"),
            module: ::core::module_path!(),
            name: "counter",
        };
        const VERSIONS: &'static [::hotswap::VersionInfo] = &[];
        const RETIRED: &'static [u32] = &[];
        const INPUTS: &'static [::hotswap::InputInfo] = &[];
        const EDGES: &'static [::hotswap::Edge<AnyState>] = &[];
        const FUSED_TO: u32 = 0;
        fn version_of(_: &AnyState) -> u32 {
            ::core::unreachable!()
        }
        fn loaded(_: ::hotswap::Loaded) -> AnyState {
            ::core::unreachable!()
        }
        fn as_loaded(_: &AnyState) -> ::core::option::Option<&::hotswap::Loaded> {
            ::core::unreachable!()
        }
        fn as_loaded_mut(
            _: &mut AnyState,
        ) -> ::core::option::Option<&mut ::hotswap::Loaded> {
            ::core::unreachable!()
        }
        fn lend(
            _: ::core::option::Option<&mut AnyState>,
        ) -> ::core::option::Option<&mut AnyState> {
            ::core::unreachable!()
        }
        fn takes(_: u32, _: &AnyInput) -> bool {
            ::core::unreachable!()
        }
        fn step_any(
            _: &mut AnyState,
            _: AnyInput,
        ) -> __hotswap::Step<AnyOutput, AnyInput> {
            ::core::unreachable!()
        }
        fn fused(
            _: &mut ::core::option::Option<AnyState>,
        ) -> ::core::result::Result<(), ::std::string::String> {
            ::core::unreachable!()
        }
    }
};
