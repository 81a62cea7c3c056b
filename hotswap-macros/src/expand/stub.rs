//! What a machine with mistakes is replaced by: the same names, so that only the mistakes are reported.

use proc_macro2::TokenStream;
use syn::{Attribute, ItemMod};

use super::{Names, admin, block, mixed, module, variant};
use crate::model::Sketch;

/// The module with items that type-check and never run, for the build has failed already.
pub(crate) fn stub(user: &ItemMod, sketch: &Sketch) -> TokenStream {
    let names = Names::new(&sketch.options);
    let numbers: Vec<(u32, &[Attribute])> = sketch.versions.iter().map(|(number, _)| (*number, &[][..])).collect();
    let types = [admin::types(&names, &numbers), enums(&names, sketch)];
    let impls = [admin::version_impls(&names, &numbers), impls(&names, sketch)];
    module(user, types.into_iter().chain([block(&names, &impls)]))
}

fn enums(names: &Names, sketch: &Sketch) -> TokenStream {
    let Names { krate, any_state, any_input, any_output, .. } = names;
    let derive = names.derive();
    let states = sketch.versions.iter().map(|(number, state)| {
        let (variant, state) = (variant(*number), state.as_ref().map_or_else(|| mixed!(()), |state| mixed!(#state)));
        mixed!(#variant(#state))
    });
    mixed! {
        #[allow(missing_docs, private_interfaces)]
        #derive
        pub enum #any_state { #(#states,)* Loaded(#krate::Loaded) }
        #[allow(missing_docs)]
        #derive
        pub enum #any_input {}
        #[allow(missing_docs)]
        #derive
        pub enum #any_output {}
    }
}

fn impls(names: &Names, sketch: &Sketch) -> TokenStream {
    let Names { krate, machine, any_state, any_input, any_output, .. } = names;
    let serde = mixed!(__hotswap::serde);
    let identity = admin::identity(names);
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
    let mut states: Vec<_> = sketch.versions.iter().filter_map(|(_, state)| state.as_ref()).collect();
    states.sort();
    states.dedup();
    let accepts = sketch.inputs.iter().map(|(input, output)| {
        mixed! {
            impl #krate::Accepts<#input> for #machine {
                type Output = #output;
                const INPUT: &'static str = "";
                fn step(_: &mut #any_state, _: #input) -> ::core::result::Result<#krate::Stepped<#output>, #input> {
                    ::core::unreachable!()
                }
            }
        }
    });
    mixed! {
        #(#encodings)*
        impl ::core::panic::RefUnwindSafe for #any_state {}
        #(
            impl ::core::convert::From<#states> for #any_state {
                fn from(_: #states) -> Self {
                    ::core::unreachable!()
                }
            }
            impl ::core::convert::TryFrom<#any_state> for #states {
                type Error = #any_state;
                fn try_from(_: #any_state) -> ::core::result::Result<Self, #any_state> {
                    ::core::unreachable!()
                }
            }
        )*
        #(#accepts)*
        impl #krate::Machine for #machine {
            type AnyState = #any_state;
            type AnyInput = #any_input;
            type AnyOutput = #any_output;
            #identity
            const VERSIONS: &'static [#krate::VersionInfo] = &[];
            const RETIRED: &'static [u32] = &[];
            const EDGES: &'static [#krate::Edge<#any_state>] = &[];
            const FUSED_TO: u32 = 0;
            fn version_of(_: &#any_state) -> u32 {
                ::core::unreachable!()
            }
            fn takes(_: u32, _: &#any_input) -> bool {
                ::core::unreachable!()
            }
            fn step_any(_: &mut #any_state, _: #any_input) -> ::core::result::Result<#krate::Stepped<#any_output>, #any_input> {
                ::core::unreachable!()
            }
            fn fused(_: &mut ::core::option::Option<#any_state>) -> ::core::result::Result<(), ::std::string::String> {
                ::core::unreachable!()
            }
        }
    }
}
