///The machine `order`.
#[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::marker::Copy)]
pub struct Machine;
///A version of machine `order` that is compiled in.
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
    #[cfg(all())]
    ///Version 5.
    V5 = 5u32,
}
///One instance of machine `order` shared by threads.
pub type Cell = ::hotswap::Cell<Machine>;
///One live state of machine `order`.
pub type Instance = ::hotswap::Instance<Machine>;
///Many instances of machine `order` that one owner has, side by side.
pub type Slab = ::hotswap::Slab<Machine>;
///Which version of machine `order` is meant to run.
pub type Switch = ::hotswap::Switch<Machine>;
///The commands over a switch of machine `order`.
pub type Admin = ::hotswap::Admin<Machine>;
///Many instances of machine `order`, by key.
pub type Fleet<K> = ::hotswap::Fleet<Machine, K>;
#[cfg(panic = "abort")]
::core::compile_error!(
    "a machine needs `panic = \"unwind\"`: a migration that panics must leave the old state whole"
);
///A state of machine `order`, of any of its versions.
#[derive(::core::fmt::Debug)]
#[allow(private_interfaces)]
pub enum AnyState {
    ///The state of version 1.
    V1(Order1),
    ///The state of version 2.
    V2(::std::boxed::Box<Order2>),
    ///The state of version 3.
    V3(Order3),
    ///The state of version 4.
    V4(Order4),
    #[cfg(all())]
    ///The state of version 5.
    V5(Order4),
    ///The state of a version that was loaded into the running program.
    Loaded(::hotswap::Loaded),
}
///An input of machine `order`.
#[derive(::core::fmt::Debug)]
#[allow(private_interfaces, clippy::type_complexity)]
pub enum AnyInput {
    ///The input `Ask`.
    Ask(Ask),
}
///What a step of machine `order` gave back, by the input that it answers.
#[derive(::core::fmt::Debug)]
#[allow(private_interfaces, clippy::type_complexity)]
pub enum AnyOutput {
    ///The output of `Ask`.
    Ask(u64),
}
const _: () = {
    use ::hotswap::__private as __hotswap;
    __hotswap::versions! {
        Version of Machine { 1u32 => V1, 2u32 => V2, 3u32 => V3, 4u32 => V4,
        #[cfg(all())] 5u32 => V5, }
    }
    __hotswap::encoding! {
        AnyState of "order", "a state of machine `order`", "version", u32 { 1u32 => V1,
        2u32 => V2, 3u32 => V3, 4u32 => V4, #[cfg(all())] 5u32 => V5, } Loaded, retired
    }
    __hotswap::conversions! {
        AnyState { Order1 => V1, Order2 => V2, Order3 => V3, Order4 => V4 #[cfg(all())] |
        V5, }
    }
    __hotswap::states! {
        AnyState of Machine { 1u32 => V1(Order1) of Order1, 2u32 => V2(::std::boxed::Box
        < Order2 >) of Order2, 3u32 => V3(Order3) of Order3, 4u32 => V4(Order4) of
        Order4, #[cfg(all())] 5u32 => V5(Order4) of Order4, }
    }
    impl ::core::panic::RefUnwindSafe for AnyState {}
    __hotswap::encoding! {
        AnyInput of "order", "an input of machine `order`", "input", str { "Ask" => Ask,
        }
    }
    __hotswap::encoding! {
        AnyOutput of "order", "an output of machine `order`", "output for input", str {
        "Ask" => Ask, }
    }
    __hotswap::from_inputs! {
        AnyInput { Ask => Ask, }
    }
    impl ::hotswap::Accepts<Ask> for Machine {
        type Output = u64;
        const INPUT: &'static str = "Ask";
        #[inline]
        fn step_mut(state: __StateMut<'_>, input: Ask) -> __hotswap::Step<u64, Ask> {
            let output = match state {
                __StateMut::V1(state) => __hotswap::older(ask_1(state, input)),
                __StateMut::V2(state) => __hotswap::older(ask_2(state, input)),
                __StateMut::V3(state) => __hotswap::older(ask_3(state, input)),
                __StateMut::V4(state) => __hotswap::older(ask_4(state, input)),
                #[cfg(all())]
                __StateMut::V5(state) => ask_5(state, input),
                _ => return __hotswap::not_taken(input),
            };
            __hotswap::stepped!(output)
        }
        fn step_loaded(
            state: &mut ::hotswap::Loaded,
            input: Ask,
        ) -> __hotswap::Step<u64, Ask> {
            __hotswap::step_loaded!(state, input : Ask, "Ask", u64)
        }
    }
    fn __derived_1_2(
        state: &Order1,
    ) -> impl ::core::ops::FnOnce(Order1) -> Order2 + use<> {
        let __new_dollars: u64 = {
            let __turn: fn(&u64) -> u64 = dollars;
            __turn(&state.cents)
        };
        let __new_tags: Vec<String> = <Vec<
            String,
        > as ::core::default::Default>::default();
        move |state: Order1| {
            __hotswap::discard(state.cents);
            __hotswap::discard(state.legacy);
            Order2 {
                dollars: __new_dollars,
                note: state.note,
                tags: __new_tags,
            }
        }
    }
    fn __derived_3_4(
        state: &Order3,
    ) -> impl ::core::ops::FnOnce(Order3) -> Order4 + use<> {
        let __ready_1: ::core::option::Option<(String,)> = match state {
            Order3::Full { .. } => ::core::option::Option::Some((String::from("new"),)),
            _ => ::core::option::Option::None,
        };
        move |state: Order3| match state {
            Order3::Empty {} => Order4::Empty {},
            Order3::Full { dollars: __old_dollars } => {
                match __ready_1 {
                    ::core::option::Option::Some((__new_tag,)) => {
                        Order4::Full {
                            dollars: __old_dollars,
                            tag: __new_tag,
                        }
                    }
                    ::core::option::Option::None => ::core::unreachable!(),
                }
            }
        }
    }
    fn __derived_2_1(
        state: &Order2,
    ) -> impl ::core::ops::FnOnce(Order2) -> Order1 + use<> {
        let __new_cents: u64 = {
            let __turn: fn(&u64) -> u64 = cents;
            __turn(&state.dollars)
        };
        let __new_legacy: u8 = u8::MAX;
        move |state: Order2| {
            __hotswap::discard(state.dollars);
            __hotswap::discard(state.tags);
            Order1 {
                note: state.note,
                cents: __new_cents,
                legacy: __new_legacy,
            }
        }
    }
    const __SOUND: bool = {
        __hotswap::state::<Order1>();
        __hotswap::state::<Order2>();
        __hotswap::state::<Order3>();
        __hotswap::state::<Order4>();
        __hotswap::input::<Ask>();
        __hotswap::output::<u64>();
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
            name: "order",
        };
        const VERSIONS: &'static [::hotswap::VersionInfo] = &[
            __hotswap::info(1u32, "Order1", "1-83561520e44e2a96", &[], &["Ask"]),
            __hotswap::info(2u32, "Order2", "1-028a0beed20747e0", &[], &["Ask"]),
            __hotswap::info(3u32, "Order3", "1-11fb78a123a337b3", &[], &["Ask"]),
            __hotswap::info(4u32, "Order4", "1-410098015b43981c", &[], &["Ask"]),
            #[cfg(all())]
            __hotswap::info(5u32, "Order4", "1-410098015b43981c", &[], &["Ask"]),
        ];
        const RETIRED: &'static [u32] = &[];
        const INPUTS: &'static [::hotswap::InputInfo] = &[
            __hotswap::input_info("Ask", "1-2afc8e4d32f21f20"),
        ];
        const EDGES: &'static [::hotswap::Edge<AnyState>] = &[
            __hotswap::derived::<
                _,
                Order1,
            >(
                1u32,
                2u32,
                |slot| {
                    let state = __hotswap::leave::<
                        Machine,
                        _,
                        _,
                        _,
                    >(slot, __derived_1_2);
                    *slot = ::core::option::Option::Some(
                        AnyState::V2(::std::boxed::Box::new(state)),
                    );
                },
                false,
                ::core::option::Option::None,
            ),
            __hotswap::borrows(
                2u32,
                3u32,
                |state| {
                    up_3(__hotswap::borrow::<Machine, _>(state))
                        .map_err(|error| __hotswap::said(error))
                        .map(|state| AnyState::V3(state))
                },
                ::core::option::Option::None,
            ),
            __hotswap::derived::<
                _,
                Order3,
            >(
                3u32,
                4u32,
                |slot| {
                    let state = __hotswap::leave::<
                        Machine,
                        _,
                        _,
                        _,
                    >(slot, __derived_3_4);
                    *slot = ::core::option::Option::Some(AnyState::V4(state));
                },
                false,
                ::core::option::Option::None,
            ),
            #[cfg(all())]
            __hotswap::derived::<
                _,
                Order4,
            >(
                4u32,
                5u32,
                |slot| {
                    let state = __hotswap::take::<Machine, _>(slot);
                    *slot = ::core::option::Option::Some(AnyState::V5(state));
                },
                true,
                ::core::option::Option::None,
            ),
            __hotswap::derived::<
                _,
                ::std::boxed::Box<Order2>,
            >(
                2u32,
                1u32,
                |slot| {
                    let state = __hotswap::leave::<
                        Machine,
                        _,
                        _,
                        _,
                    >(slot, __derived_2_1);
                    *slot = ::core::option::Option::Some(AnyState::V1(state));
                },
                false,
                ::core::option::Option::None,
            ),
            __hotswap::moves(
                3u32,
                2u32,
                |slot| {
                    let state = down_3(__hotswap::take::<Machine, _>(slot))
                        .map_err(|(state, error)| {
                            *slot = ::core::option::Option::Some(AnyState::V3(state));
                            __hotswap::said(error)
                        })?;
                    *slot = ::core::option::Option::Some(
                        AnyState::V2(::std::boxed::Box::new(state)),
                    );
                    ::core::result::Result::Ok(())
                },
                ::core::option::Option::Some("the note"),
            ),
            #[cfg(all())]
            __hotswap::derived::<
                _,
                Order4,
            >(
                5u32,
                4u32,
                |slot| {
                    let state = __hotswap::take::<Machine, _>(slot);
                    *slot = ::core::option::Option::Some(AnyState::V4(state));
                },
                true,
                ::core::option::Option::None,
            ),
        ];
        __hotswap::of_states! {
            AnyState { #[cfg(all())] V5; V1, V2, V3, V4, }
        }
        fn version_of(state: &AnyState) -> u32 {
            match state {
                AnyState::V1(_) => 1u32,
                AnyState::V2(_) => 2u32,
                AnyState::V3(_) => 3u32,
                AnyState::V4(_) => 4u32,
                #[cfg(all())]
                AnyState::V5(_) => 5u32,
                AnyState::Loaded(state) => state.version(),
            }
        }
        fn takes(version: u32, input: &AnyInput) -> bool {
            match *input {
                AnyInput::Ask(_) => __hotswap::takes::<Machine, Ask>(version),
            }
        }
        fn step_any(
            state: &mut AnyState,
            input: AnyInput,
        ) -> __hotswap::Step<AnyOutput, AnyInput> {
            match input {
                AnyInput::Ask(input) => {
                    __hotswap::step_any(
                        Machine,
                        state,
                        input,
                        AnyInput::Ask,
                        AnyOutput::Ask,
                    )
                }
            }
        }
        const FUSED_TO: u32 = 4u32;
        fn fused(
            slot: &mut ::core::option::Option<AnyState>,
        ) -> ::core::result::Result<(), ::std::string::String> {
            let state = 'v4: {
                let state = 'v3: {
                    let state = 'v2: {
                        match __hotswap::at::<Machine>(slot) {
                            1u32 => {
                                __hotswap::leave::<Machine, _, _, _>(slot, __derived_1_2)
                            }
                            2u32 => {
                                break 'v3 up_3(__hotswap::peek::<Machine, _>(slot))
                                    .map_err(|error| __hotswap::said(error))?;
                            }
                            3u32 => {
                                break 'v4 __hotswap::leave::<
                                    Machine,
                                    _,
                                    _,
                                    _,
                                >(slot, __derived_3_4);
                            }
                            4u32 => return ::core::result::Result::Ok(()),
                            at => __hotswap::wrong_version(at),
                        }
                    };
                    up_3(&state).map_err(|error| __hotswap::said(error))?
                };
                __derived_3_4(&state)(state)
            };
            *slot = ::core::option::Option::Some(AnyState::V4(state));
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
