//! What a machine with mistakes is replaced by: the same names, so that only the mistakes are reported.

use proc_macro2::{Ident, Span, TokenStream};

use super::{Context, Names, admin, block, input, mixed, module, numbers, state};
use crate::model::{Input, Machine, UNKNOWN, Version};

/// The module with the real types, and impls that type-check and never run, for the build has failed already.
pub(crate) fn stub(machine: &Machine) -> TokenStream {
    let names = Names::new(machine);
    let cx = Context { machine, names: &names };
    let types = [admin::types(&names, &numbers(machine)), state::types(cx), input::types(cx), unknown(cx)];
    let impls = [admin::version_impls(&names, &numbers(machine)), impls(cx)];
    module(&machine.module, types.into_iter().chain([block(&names, &impls)]))
}

/// The state of the versions of which none is known.
fn unknown(cx: Context) -> TokenStream {
    if !cx.machine.versions.iter().any(|version| version.state == UNKNOWN) {
        return TokenStream::new();
    }
    let (name, derive) = (Ident::new(UNKNOWN, Span::mixed_site()), cx.names.derive());
    mixed! {
        #[doc = "The state of a version with a mistake in it."]
        #derive
        pub struct #name;
    }
}

fn impls(cx: Context) -> TokenStream {
    let Names { krate, machine, any_state, any_input, any_output, .. } = cx.names;
    let serde = mixed!(__hotswap::serde);
    let identity = admin::identity(cx.names);
    let encodings = [any_state, any_input, any_output].map(|name| {
        mixed! {
            impl #serde::Serialize for #name {
                fn serialize<__S: #serde::Serializer>(&self, _: __S) -> ::core::result::Result<__S::Ok, __S::Error> {
                    ::core::unreachable!()
                }
            }
            impl<'de> #serde::Deserialize<'de> for #name {
                fn deserialize<__D: #serde::Deserializer<'de>>(_: __D) -> ::core::result::Result<Self, __D::Error> {
                    ::core::unreachable!()
                }
            }
        }
    });
    // no pattern has a name here, which could be the mistake: that of a constant of the user's
    let states = cx.states().map(|(_, Version { cfg, state, .. })| {
        let from = mixed! {
            fn from(_: #state) -> Self {
                ::core::unreachable!()
            }
        };
        let [owned, borrowed] = [mixed!(#any_state), mixed!(&'a #any_state)].map(|any| {
            mixed! {
                type Error = #any;
                fn try_from(_: #any) -> ::core::result::Result<Self, #any> {
                    ::core::unreachable!()
                }
            }
        });
        mixed! {
            #(#cfg)*
            impl ::core::convert::From<#state> for #any_state { #from }
            #(#cfg)*
            impl ::core::convert::TryFrom<#any_state> for #state { #owned }
            #(#cfg)*
            impl<'a> ::core::convert::TryFrom<&'a #any_state> for &'a #state { #borrowed }
        }
    });
    let inputs = inputs(cx);
    mixed! {
        #(#encodings)*
        impl ::core::panic::RefUnwindSafe for #any_state {}
        #(#states)*
        #inputs
        impl #krate::Machine for #machine {
            type AnyState = #any_state;
            type AnyInput = #any_input;
            type AnyOutput = #any_output;
            type StateMut<'a> = ::core::option::Option<&'a mut #any_state>;
            type States = __hotswap::NoStates;
            #identity
            const VERSIONS: &'static [#krate::VersionInfo] = &[];
            const RETIRED: &'static [u32] = &[];
            const INPUTS: &'static [#krate::InputInfo] = &[];
            const EDGES: &'static [#krate::Edge<#any_state>] = &[];
            const FUSED_TO: u32 = 0;
            fn version_of(_: &#any_state) -> u32 {
                ::core::unreachable!()
            }
            fn loaded(_: #krate::Loaded) -> #any_state {
                ::core::unreachable!()
            }
            fn as_loaded(_: &#any_state) -> ::core::option::Option<&#krate::Loaded> {
                ::core::unreachable!()
            }
            fn as_loaded_mut(_: &mut #any_state) -> ::core::option::Option<&mut #krate::Loaded> {
                ::core::unreachable!()
            }
            fn lend(_: ::core::option::Option<&mut #any_state>) -> ::core::option::Option<&mut #any_state> {
                ::core::unreachable!()
            }
            fn takes(_: u32, _: &#any_input) -> bool {
                ::core::unreachable!()
            }
            fn step_any(_: &mut #any_state, _: #any_input) -> __hotswap::Step<#any_output, #any_input> {
                ::core::unreachable!()
            }
            fn fused(_: &mut ::core::option::Option<#any_state>) -> ::core::result::Result<(), ::std::string::String> {
                ::core::unreachable!()
            }
        }
    }
}

/// What the machine takes.
fn inputs(cx: Context) -> TokenStream {
    let Names { krate, machine, any_state, any_input, .. } = cx.names;
    let inputs = cx.machine.inputs.iter().map(|Input { cfg, ty, output, .. }| {
        mixed! {
            #(#cfg)*
            impl ::core::convert::From<#ty> for #any_input {
                fn from(_: #ty) -> Self {
                    ::core::unreachable!()
                }
            }
            #(#cfg)*
            impl #krate::Accepts<#ty> for #machine {
                type Output = #output;
                const INPUT: &'static str = "";
                fn step_mut(_: ::core::option::Option<&mut #any_state>, _: #ty) -> __hotswap::Step<#output, #ty> {
                    ::core::unreachable!()
                }
                fn step_loaded(_: &mut #krate::Loaded, _: #ty) -> __hotswap::Step<#output, #ty> {
                    ::core::unreachable!()
                }
            }
        }
    });
    mixed!(#(#inputs)*)
}
