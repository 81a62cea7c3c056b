//! `AnyState`: the tagged enum of all versions' states, how it is encoded, and how a state goes in and comes out.

use proc_macro2::TokenStream;
use quote::quote_spanned;

use super::{Context, Names, mixed, variant};

/// The enum.
pub(super) fn types(cx: Context) -> TokenStream {
    let Names { krate, any_state, options, allow_deprecated, .. } = cx.names;
    let derive = cx.names.derive();
    let doc = format!("A state of machine `{}`, of any of its versions.", options.name);
    let variants = cx.machine.versions.iter().map(|version| {
        let (cfg, state, name) = (&version.cfg, &version.state, variant(version.number));
        let doc = format!("The state of version {}.", version.number);
        let state = if version.boxed { mixed!(::std::boxed::Box<#state>) } else { mixed!(#state) };
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
    let Names { any_state, options, .. } = cx.names;
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
    mixed! {
        __hotswap::encoding! {
            #any_state of #machine, #expected, "version", u32 { #(#variants,)* } Loaded, retired #(#retired)*
        }
        __hotswap::conversions! { #any_state { #(#conversions,)* } }
        // the checks have said it of the state that is not
        impl ::core::panic::RefUnwindSafe for #any_state {}
    }
}

/// What only the type checker knows of a state, asked on the user's own token.
pub(super) fn checks(cx: Context) -> TokenStream {
    let checks = cx.states().map(|(_, version)| {
        let (cfg, state) = (&version.cfg, &version.state);
        quote_spanned!(state.span()=> #(#cfg)* __hotswap::state::<#state>();)
    });
    mixed!(#(#checks)*)
}

/// `Machine::version_of`, and the way in and out for states that an image owns.
pub(super) fn version_of(cx: Context) -> TokenStream {
    let Names { krate, any_state, .. } = cx.names;
    let arms = cx.machine.versions.iter().map(|version| {
        let (cfg, number, name) = (&version.cfg, version.number, variant(version.number));
        mixed!(#(#cfg)* #any_state::#name(_) => #number)
    });
    mixed! {
        fn version_of(state: &#any_state) -> u32 {
            match state {
                #(#arms,)*
                #any_state::Loaded(state) => state.version(),
            }
        }
        fn loaded(state: #krate::Loaded) -> #any_state {
            #any_state::Loaded(state)
        }
        fn as_loaded(state: &#any_state) -> ::core::option::Option<&#krate::Loaded> {
            if let #any_state::Loaded(state) = state { ::core::option::Option::Some(state) } else { ::core::option::Option::None }
        }
        fn as_loaded_mut(state: &mut #any_state) -> ::core::option::Option<&mut #krate::Loaded> {
            if let #any_state::Loaded(state) = state { ::core::option::Option::Some(state) } else { ::core::option::Option::None }
        }
    }
}
