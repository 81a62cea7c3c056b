//! `AnyState`: the tagged enum of all versions' states, how it is encoded, and how a state goes in and comes out.

use proc_macro2::TokenStream;
use quote::quote_spanned;

use super::{Context, Names, mixed, variant};
use crate::model::Version;

/// The enum.
pub(super) fn types(cx: Context) -> TokenStream {
    let Names { krate, any_state, options, allow_deprecated, .. } = cx.names;
    let derive = cx.names.derive();
    let doc = format!("A state of machine `{}`, of any of its versions.", options.name);
    let variants = cx.machine.versions.iter().map(|version| {
        let (cfg, name) = (&version.cfg, variant(version.number));
        let doc = format!("The state of version {}.", version.number);
        let state = held(version);
        mixed!(#(#cfg)* #[doc = #doc] #name(#state))
    });
    mixed! {
        #[doc = #doc]
        #derive
        #allow_deprecated
        #[allow(private_interfaces)]
        pub enum #any_state {
            #(#variants,)*
            #[doc = "The state of a version that was loaded into the running program."]
            Loaded(#krate::Loaded),
        }
    }
}

/// Encoding and conversions.
pub(super) fn impls(cx: Context) -> TokenStream {
    let Names { any_state, machine: machine_type, options, .. } = cx.names;
    let (machine, retired) = (&options.name, &options.retired);
    let expected = format!("a state of machine `{machine}`");
    let variants = cx.machine.versions.iter().map(|version| {
        let (cfg, number, name) = (&version.cfg, version.number, variant(version.number));
        mixed!(#(#cfg)* #number => #name)
    });
    let conversions = cx.states().map(|(declares, version)| {
        let (cfg, state, lowest) = (&version.cfg, &version.state, variant(version.number));
        let also = cx.machine.versions.iter().filter(|version| version.shares == Some(declares)).map(|version| {
            let (cfg, name) = (&version.cfg, variant(version.number));
            mixed!(#(#cfg)* | #name)
        });
        mixed!(#(#cfg)* #state => #lowest #(#also)*)
    });
    let held = cx.machine.versions.iter().map(|version| {
        let (cfg, number, name) = (&version.cfg, version.number, variant(version.number));
        let (held, state) = (held(version), &version.state);
        mixed!(#(#cfg)* #number => #name(#held) of #state)
    });
    mixed! {
        __hotswap::encoding! {
            #any_state of #machine, #expected, "version", u32 { #(#variants,)* } Loaded, retired #(#retired)*
        }
        __hotswap::conversions! { #any_state { #(#conversions,)* } }
        __hotswap::states! { #any_state of #machine_type { #(#held,)* } }
        // the checks have said it of the state that is not
        impl ::core::panic::RefUnwindSafe for #any_state {}
    }
}

/// The type of a version's variant: its state, or a box of it.
pub(super) fn held(version: &Version) -> TokenStream {
    let state = &version.state;
    if version.boxed { mixed!(::std::boxed::Box<#state>) } else { mixed!(#state) }
}

/// What only the type checker knows of a state, asked on the user's own token.
pub(super) fn checks(cx: Context) -> TokenStream {
    let checks = cx.states().map(|(_, version)| {
        let (cfg, state) = (&version.cfg, &version.state);
        quote_spanned!(state.span()=> #(#cfg)* __hotswap::state::<#state>();)
    });
    mixed!(#(#checks)*)
}

/// `Machine::version_of`, and what else it says of a state of any version.
pub(super) fn version_of(cx: Context) -> TokenStream {
    let any_state = &cx.names.any_state;
    let arms = cx.machine.versions.iter().map(|version| {
        let (cfg, number, name) = (&version.cfg, version.number, variant(version.number));
        mixed!(#(#cfg)* #any_state::#name(_) => #number)
    });
    let mut lent = cx.machine.versions.iter().map(|version| {
        let (cfg, name) = (&version.cfg, variant(version.number));
        mixed!(#(#cfg)* #name)
    });
    let newest = lent.next_back();
    mixed! {
        __hotswap::of_states! { #any_state { #newest; #(#lent,)* } }
        fn version_of(state: &#any_state) -> u32 {
            match state {
                #(#arms,)*
                #any_state::Loaded(state) => state.version(),
            }
        }
    }
}
