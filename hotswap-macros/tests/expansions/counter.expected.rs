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
}
///One instance of machine `counter` shared by threads.
pub type Cell = ::hotswap::Cell<Machine>;
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
    V2(V2),
    ///The state of version 3.
    V3(V2),
    ///The state of a version that was loaded into the running program.
    Loaded(::hotswap::Loaded),
}
///An input of machine `counter`.
#[allow(private_interfaces, clippy::type_complexity)]
pub enum AnyInput {
    ///The input `Tick`.
    Tick(Tick),
    ///The input `Get`.
    Get(Get),
    ///The input `Reset`.
    Reset(Reset),
}
///What a step of machine `counter` gave back, by the input that it answers.
#[allow(private_interfaces, clippy::type_complexity)]
pub enum AnyOutput {
    ///The output of `Tick`.
    Tick(()),
    ///The output of `Get`.
    Get(i64),
    ///The output of `Reset`.
    Reset(()),
}
const _: () = {
    use ::hotswap::__private as __hotswap;
    __hotswap::versions! {
        Version of Machine { 1u32 => V1, 2u32 => V2, 3u32 => V3, }
    }
    __hotswap::encoding! {
        AnyState of "counter", "a state of machine `counter`", "version", u32 { 1u32 =>
        V1, 2u32 => V2, 3u32 => V3, } Loaded, retired
    }
    __hotswap::conversions! {
        AnyState { V1 => V1, V2 => V2 | V3, }
    }
    __hotswap::states! {
        AnyState of Machine { 1u32 => V1(V1) of V1, 2u32 => V2(V2) of V2, 3u32 => V3(V2)
        of V2, }
    }
    impl ::core::panic::RefUnwindSafe for AnyState {}
    __hotswap::encoding! {
        AnyInput of "counter", "an input of machine `counter`", "input", str { "Tick" =>
        Tick, "Get" => Get, "Reset" => Reset, }
    }
    __hotswap::encoding! {
        AnyOutput of "counter", "an output of machine `counter`", "output for input", str
        { "Tick" => Tick, "Get" => Get, "Reset" => Reset, }
    }
    __hotswap::from_inputs! {
        AnyInput { Tick => Tick, Get => Get, Reset => Reset, }
    }
    impl ::hotswap::Accepts<Tick> for Machine {
        type Output = ();
        const INPUT: &'static str = "Tick";
        #[inline]
        fn step_mut(state: __StateMut<'_>, input: Tick) -> __hotswap::Step<(), Tick> {
            let output = match state {
                __StateMut::V1(state) => __hotswap::older(tick(state, input)),
                __StateMut::V2(state) => __hotswap::older(tick_counted(state, input)),
                __StateMut::V3(state) => tick_twice(state, input),
                _ => return __hotswap::not_taken(input),
            };
            __hotswap::stepped!(output)
        }
        fn step_loaded(
            state: &mut ::hotswap::Loaded,
            input: Tick,
        ) -> __hotswap::Step<(), Tick> {
            __hotswap::step_loaded!(state, input : Tick, "Tick", ())
        }
    }
    impl ::hotswap::Accepts<Get> for Machine {
        type Output = i64;
        const INPUT: &'static str = "Get";
        #[inline]
        fn step_mut(state: __StateMut<'_>, input: Get) -> __hotswap::Step<i64, Get> {
            let output = match state {
                __StateMut::V1(state) => __hotswap::older(get(state, input)),
                __StateMut::V2(state) | __StateMut::V3(state) => get_v2(state, input),
                _ => return __hotswap::not_taken(input),
            };
            __hotswap::stepped!(output)
        }
        fn step_loaded(
            state: &mut ::hotswap::Loaded,
            input: Get,
        ) -> __hotswap::Step<i64, Get> {
            __hotswap::step_loaded!(state, input : Get, "Get", i64)
        }
    }
    impl ::hotswap::Accepts<Reset> for Machine {
        type Output = ();
        const INPUT: &'static str = "Reset";
        #[inline]
        fn step_mut(state: __StateMut<'_>, input: Reset) -> __hotswap::Step<(), Reset> {
            let output = match state {
                __StateMut::V2(state) | __StateMut::V3(state) => reset(state, input),
                _ => return __hotswap::not_taken(input),
            };
            __hotswap::stepped!(output)
        }
        fn step_loaded(
            state: &mut ::hotswap::Loaded,
            input: Reset,
        ) -> __hotswap::Step<(), Reset> {
            __hotswap::step_loaded!(state, input : Reset, "Reset", ())
        }
    }
    fn __derived_1_2(state: V1) -> V2 {
        V2 { count: state.count, ticks: 0 }
    }
    fn __derived_2_1(state: V2) -> V1 {
        __hotswap::discard(state.ticks);
        V1 { count: state.count }
    }
    const __SOUND: bool = {
        __hotswap::state::<V1>();
        __hotswap::state::<V2>();
        __hotswap::input::<Tick>();
        __hotswap::output::<()>();
        __hotswap::input::<Get>();
        __hotswap::output::<i64>();
        __hotswap::input::<Reset>();
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
            name: "counter",
        };
        const VERSIONS: &'static [::hotswap::VersionInfo] = &[
            __hotswap::info(1u32, "V1", "1-09c8f8eb8ceac871", &[], &["Tick", "Get"]),
            __hotswap::info(
                2u32,
                "V2",
                "1-3e9628eb9b673964",
                &[],
                &["Tick", "Get", "Reset"],
            ),
            __hotswap::info(
                3u32,
                "V2",
                "1-3e9628eb9b673964",
                &[],
                &["Tick", "Get", "Reset"],
            ),
        ];
        const RETIRED: &'static [u32] = &[];
        const INPUTS: &'static [::hotswap::InputInfo] = &[
            __hotswap::input_info("Tick", "1-a81d6f615fd93baa"),
            __hotswap::input_info("Get", "1-997d96381a88ac72"),
            __hotswap::input_info("Reset", "1-870af977c41ce024"),
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
                3u32,
                |slot| {
                    let state = __hotswap::take::<Machine, _>(slot);
                    *slot = ::core::option::Option::Some(AnyState::V3(state));
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
            __hotswap::derived::<
                _,
                V2,
            >(
                3u32,
                2u32,
                |slot| {
                    let state = __hotswap::take::<Machine, _>(slot);
                    *slot = ::core::option::Option::Some(AnyState::V2(state));
                },
                true,
                ::core::option::Option::None,
            ),
        ];
        __hotswap::of_states! {
            AnyState { V3; V1, V2, }
        }
        fn version_of(state: &AnyState) -> u32 {
            match state {
                AnyState::V1(_) => 1u32,
                AnyState::V2(_) => 2u32,
                AnyState::V3(_) => 3u32,
                AnyState::Loaded(state) => state.version(),
            }
        }
        fn takes(version: u32, input: &AnyInput) -> bool {
            match *input {
                AnyInput::Tick(_) => __hotswap::takes::<Machine, Tick>(version),
                AnyInput::Get(_) => __hotswap::takes::<Machine, Get>(version),
                AnyInput::Reset(_) => __hotswap::takes::<Machine, Reset>(version),
            }
        }
        fn step_any(
            state: &mut AnyState,
            input: AnyInput,
        ) -> __hotswap::Step<AnyOutput, AnyInput> {
            match input {
                AnyInput::Tick(input) => {
                    __hotswap::step_any(
                        Machine,
                        state,
                        input,
                        AnyInput::Tick,
                        AnyOutput::Tick,
                    )
                }
                AnyInput::Get(input) => {
                    __hotswap::step_any(
                        Machine,
                        state,
                        input,
                        AnyInput::Get,
                        AnyOutput::Get,
                    )
                }
                AnyInput::Reset(input) => {
                    __hotswap::step_any(
                        Machine,
                        state,
                        input,
                        AnyInput::Reset,
                        AnyOutput::Reset,
                    )
                }
            }
        }
        const FUSED_TO: u32 = 3u32;
        fn fused(
            slot: &mut ::core::option::Option<AnyState>,
        ) -> ::core::result::Result<(), ::std::string::String> {
            let state = 'v3: {
                let state = 'v2: {
                    match __hotswap::at::<Machine>(slot) {
                        1u32 => __derived_1_2(__hotswap::take::<Machine, _>(slot)),
                        2u32 => break 'v3 __hotswap::take::<Machine, _>(slot),
                        3u32 => return ::core::result::Result::Ok(()),
                        at => __hotswap::wrong_version(at),
                    }
                };
                state
            };
            *slot = ::core::option::Option::Some(AnyState::V3(state));
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
