///The machine `shop`.
#[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::marker::Copy)]
pub struct Machine;
///A version of machine `shop` that is compiled in.
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
}
///One instance of machine `shop` shared by threads.
pub type Cell = ::hotswap::Cell<Machine>;
///One live state of machine `shop`.
pub type Instance = ::hotswap::Instance<Machine>;
///Many instances of machine `shop` that one owner has, side by side.
pub type Slab = ::hotswap::Slab<Machine>;
///Which version of machine `shop` is meant to run.
pub type Switch = ::hotswap::Switch<Machine>;
///The commands over a switch of machine `shop`.
pub type Admin = ::hotswap::Admin<Machine>;
///Many instances of machine `shop`, by key.
pub type Fleet<K> = ::hotswap::Fleet<Machine, K>;
#[cfg(panic = "abort")]
::core::compile_error!(
    "a machine needs `panic = \"unwind\"`: a migration that panics must leave the old state whole"
);
///A state of machine `shop`, of any of its versions.
#[allow(private_interfaces)]
pub enum AnyState {
    ///The state of version 1.
    V1(V1),
    ///The state of version 2.
    V2(V2),
    ///The state of a version that was loaded into the running program.
    Loaded(::hotswap::Loaded),
}
///An input of machine `shop`.
#[allow(private_interfaces, clippy::type_complexity)]
pub enum AnyInput {
    ///The input `Place`.
    Place(Place),
    ///The input `Move`.
    Move(Move),
    ///The input `Place2`.
    Place2(Place2),
    ///The input `Move2`.
    Move2(Move2),
}
///What a step of machine `shop` gave back, by the input that it answers.
#[allow(private_interfaces, clippy::type_complexity)]
pub enum AnyOutput {
    ///The output of `Place`.
    Place(u64),
    ///The output of `Move`.
    Move(()),
    ///The output of `Place2`.
    Place2(Result<Placed, String>),
    ///The output of `Move2`.
    Move2(()),
}
const _: () = {
    use ::hotswap::__private as __hotswap;
    __hotswap::versions! {
        Version of Machine { 1u32 => V1, 2u32 => V2, }
    }
    __hotswap::encoding! {
        AnyState of "shop", "a state of machine `shop`", "version", u32 { 1u32 => V1,
        2u32 => V2, } Loaded, retired
    }
    __hotswap::conversions! {
        AnyState { V1 => V1, V2 => V2, }
    }
    __hotswap::states! {
        AnyState of Machine { 1u32 => V1(V1) of V1, 2u32 => V2(V2) of V2, }
    }
    impl ::core::panic::RefUnwindSafe for AnyState {}
    __hotswap::encoding! {
        AnyInput of "shop", "an input of machine `shop`", "input", str { "Place" =>
        Place, "Move" => Move, "Place2" => Place2, "Move2" => Move2, }
    }
    __hotswap::encoding! {
        AnyOutput of "shop", "an output of machine `shop`", "output for input", str {
        "Place" => Place, "Move" => Move, "Place2" => Place2, "Move2" => Move2, }
    }
    __hotswap::from_inputs! {
        AnyInput { Place => Place, Move => Move, Place2 => Place2, Move2 => Move2, }
    }
    fn __adapter_4(value: Move) -> Move2 {
        match value {
            Move::Open {} => Move2::Open {},
            Move::Close { hard: __0 } => Move2::Close { hard: __0 },
        }
    }
    fn __adapter_5(value: Move2) -> ::core::result::Result<Move, Move2> {
        match value {
            Move2::Open {} => ::core::result::Result::Ok(Move::Open {}),
            Move2::Close { hard: __0 } => {
                ::core::result::Result::Ok(Move::Close { hard: __0 })
            }
            other => ::core::result::Result::Err(other),
        }
    }
    impl ::hotswap::Accepts<Place> for Machine {
        type Output = u64;
        const INPUT: &'static str = "Place";
        #[inline]
        fn step_mut(state: __StateMut<'_>, input: Place) -> __hotswap::Step<u64, Place> {
            let output = match state {
                __StateMut::V1(state) => __hotswap::older(place_1(state, input)),
                __StateMut::V2(_) => {
                    let next = newer(input);
                    return match <Machine as ::hotswap::Accepts<
                        Place2,
                    >>::step_mut(state, next) {
                        ::core::result::Result::Ok(stepped) => {
                            ::core::result::Result::Ok(stepped.map(reply))
                        }
                        ::core::result::Result::Err(_) => ::core::unreachable!(),
                    };
                }
                _ => return __hotswap::not_taken(input),
            };
            __hotswap::stepped!(output)
        }
        fn step_loaded(
            state: &mut ::hotswap::Loaded,
            input: Place,
        ) -> __hotswap::Step<u64, Place> {
            __hotswap::step_loaded!(state, input : Place, "Place", u64)
        }
    }
    impl ::hotswap::Accepts<Move> for Machine {
        type Output = ();
        const INPUT: &'static str = "Move";
        #[inline]
        fn step_mut(state: __StateMut<'_>, input: Move) -> __hotswap::Step<(), Move> {
            let output = match state {
                __StateMut::V1(state) => __hotswap::older(move_1(state, input)),
                __StateMut::V2(_) => {
                    let next = __adapter_4(input);
                    return match <Machine as ::hotswap::Accepts<
                        Move2,
                    >>::step_mut(state, next) {
                        ::core::result::Result::Ok(stepped) => {
                            ::core::result::Result::Ok(stepped)
                        }
                        ::core::result::Result::Err(_) => ::core::unreachable!(),
                    };
                }
                _ => return __hotswap::not_taken(input),
            };
            __hotswap::stepped!(output)
        }
        fn step_loaded(
            state: &mut ::hotswap::Loaded,
            input: Move,
        ) -> __hotswap::Step<(), Move> {
            __hotswap::step_loaded!(state, input : Move, "Move", ())
        }
    }
    impl ::hotswap::Accepts<Place2> for Machine {
        type Output = Result<Placed, String>;
        const INPUT: &'static str = "Place2";
        #[inline]
        fn step_mut(
            state: __StateMut<'_>,
            input: Place2,
        ) -> __hotswap::Step<Result<Placed, String>, Place2> {
            let output = match state {
                __StateMut::V1(_) => {
                    let next = match older(&input) {
                        ::core::option::Option::Some(next) => next,
                        ::core::option::Option::None => {
                            return ::core::result::Result::Err(input);
                        }
                    };
                    return match <Machine as ::hotswap::Accepts<
                        Place,
                    >>::step_mut(state, next) {
                        ::core::result::Result::Ok(stepped) => {
                            ::core::result::Result::Ok(stepped.map(reply_2))
                        }
                        ::core::result::Result::Err(_) => ::core::unreachable!(),
                    };
                }
                __StateMut::V2(state) => place_2(state, input),
                _ => return __hotswap::not_taken(input),
            };
            __hotswap::stepped!(output)
        }
        fn step_loaded(
            state: &mut ::hotswap::Loaded,
            input: Place2,
        ) -> __hotswap::Step<Result<Placed, String>, Place2> {
            __hotswap::step_loaded!(
                state, input : Place2, "Place2", Result < Placed, String >
            )
        }
    }
    impl ::hotswap::Accepts<Move2> for Machine {
        type Output = ();
        const INPUT: &'static str = "Move2";
        #[inline]
        fn step_mut(state: __StateMut<'_>, input: Move2) -> __hotswap::Step<(), Move2> {
            let output = match state {
                __StateMut::V1(_) => {
                    let next = __adapter_5(input)?;
                    return match <Machine as ::hotswap::Accepts<
                        Move,
                    >>::step_mut(state, next) {
                        ::core::result::Result::Ok(stepped) => {
                            ::core::result::Result::Ok(stepped)
                        }
                        ::core::result::Result::Err(_) => ::core::unreachable!(),
                    };
                }
                __StateMut::V2(state) => move_2(state, input),
                _ => return __hotswap::not_taken(input),
            };
            __hotswap::stepped!(output)
        }
        fn step_loaded(
            state: &mut ::hotswap::Loaded,
            input: Move2,
        ) -> __hotswap::Step<(), Move2> {
            __hotswap::step_loaded!(state, input : Move2, "Move2", ())
        }
    }
    fn __derived_1_2(state: V1) -> V2 {
        V2 {}
    }
    fn __derived_2_1(state: V2) -> V1 {
        V1 {}
    }
    const __SOUND: bool = {
        __hotswap::state::<V1>();
        __hotswap::state::<V2>();
        __hotswap::input::<Place>();
        __hotswap::output::<u64>();
        __hotswap::input::<Move>();
        __hotswap::output::<()>();
        __hotswap::input::<Place2>();
        __hotswap::output::<Result<Placed, String>>();
        __hotswap::input::<Move2>();
        __hotswap::output::<()>();
        true
    };
    impl ::hotswap::Machine for Machine {
        type AnyState = <AnyState as __hotswap::Checked<__SOUND>>::Is;
        type AnyInput = <AnyInput as __hotswap::Checked<__SOUND>>::Is;
        type AnyOutput = <AnyOutput as __hotswap::Checked<__SOUND>>::Is;
        const IDENTITY: ::hotswap::Identity = ::hotswap::Identity {
            krate: ::core::env!("CARGO_PKG_NAME"),
            crate_version: ::core::env!("CARGO_PKG_VERSION"),
            module: ::core::module_path!(),
            name: "shop",
        };
        const VERSIONS: &'static [::hotswap::VersionInfo] = &[
            __hotswap::info(
                1u32,
                "V1",
                "1-3883e2b97707579b",
                &[],
                &["Place", "Move", "Place2", "Move2"],
            ),
            __hotswap::info(
                2u32,
                "V2",
                "1-3883e2b97707579b",
                &[],
                &["Place", "Move", "Place2", "Move2"],
            ),
        ];
        const RETIRED: &'static [u32] = &[];
        const INPUTS: &'static [::hotswap::InputInfo] = &[
            __hotswap::input_info("Place", "1-6eb6f2a4a3e2af03"),
            __hotswap::input_info("Move", "1-734f92b94db39195"),
            __hotswap::input_info("Place2", "1-0dfaacfe6034ad5f"),
            __hotswap::input_info("Move2", "1-14ee6979680a4047"),
        ];
        const EDGES: &'static [::hotswap::Edge<AnyState>] = &[
            __hotswap::derived::<
                _,
                V1,
            >(
                1u32,
                2u32,
                |slot| {
                    let state = __derived_1_2(__hotswap::take::<Machine, _>(slot));
                    *slot = ::core::option::Option::Some(AnyState::V2(state));
                },
                true,
                ::core::option::Option::None,
            ),
            __hotswap::derived::<
                _,
                V2,
            >(
                2u32,
                1u32,
                |slot| {
                    let state = __derived_2_1(__hotswap::take::<Machine, _>(slot));
                    *slot = ::core::option::Option::Some(AnyState::V1(state));
                },
                true,
                ::core::option::Option::None,
            ),
        ];
        __hotswap::of_states! {
            AnyState { V2; V1, }
        }
        fn version_of(state: &AnyState) -> u32 {
            match state {
                AnyState::V1(_) => 1u32,
                AnyState::V2(_) => 2u32,
                AnyState::Loaded(state) => state.version(),
            }
        }
        fn takes(version: u32, input: &AnyInput) -> bool {
            match *input {
                AnyInput::Place(_) => __hotswap::takes::<Machine, Place>(version),
                AnyInput::Move(_) => __hotswap::takes::<Machine, Move>(version),
                AnyInput::Place2(ref input) => {
                    match version {
                        1u32 => older(input).is_some(),
                        _ => __hotswap::takes::<Machine, Place2>(version),
                    }
                }
                AnyInput::Move2(ref input) => {
                    match version {
                        1u32 => {
                            ::core::matches!(
                                input, Move2::Open { .. } | Move2::Close { .. }
                            )
                        }
                        _ => __hotswap::takes::<Machine, Move2>(version),
                    }
                }
            }
        }
        fn step_any(
            state: &mut AnyState,
            input: AnyInput,
        ) -> __hotswap::Step<AnyOutput, AnyInput> {
            match input {
                AnyInput::Place(input) => {
                    __hotswap::step_any(
                        Machine,
                        state,
                        input,
                        AnyInput::Place,
                        AnyOutput::Place,
                    )
                }
                AnyInput::Move(input) => {
                    __hotswap::step_any(
                        Machine,
                        state,
                        input,
                        AnyInput::Move,
                        AnyOutput::Move,
                    )
                }
                AnyInput::Place2(input) => {
                    __hotswap::step_any(
                        Machine,
                        state,
                        input,
                        AnyInput::Place2,
                        AnyOutput::Place2,
                    )
                }
                AnyInput::Move2(input) => {
                    __hotswap::step_any(
                        Machine,
                        state,
                        input,
                        AnyInput::Move2,
                        AnyOutput::Move2,
                    )
                }
            }
        }
        const FUSED_TO: u32 = 2u32;
        fn fused(
            slot: &mut ::core::option::Option<AnyState>,
        ) -> ::core::result::Result<(), ::std::string::String> {
            let state = 'v2: {
                match __hotswap::at::<Machine>(slot) {
                    1u32 => __derived_1_2(__hotswap::take::<Machine, _>(slot)),
                    2u32 => return ::core::result::Result::Ok(()),
                    at => __hotswap::wrong_version(at),
                }
            };
            *slot = ::core::option::Option::Some(AnyState::V2(state));
            ::core::result::Result::Ok(())
        }
    }
    __hotswap::inventory::submit! {
        __hotswap::Compiled { identity : < Machine as ::hotswap::Machine > ::IDENTITY,
        versions : < Machine as ::hotswap::Machine > ::VERSIONS, inputs : < Machine as
        ::hotswap::Machine > ::INPUTS, }
    }
    __hotswap::image!(Machine);
};
