//! `AnyState`: the tagged enum of all versions' states, how it is encoded, and how a state goes in and comes out.

use proc_macro2::TokenStream;
use quote::quote_spanned;

use super::{Context, Names, held, mixed, variant};

/// The enum.
pub(super) fn types(cx: Context) -> TokenStream {
    let Names { krate, any_state, options, .. } = cx.names;
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
        #[allow(private_interfaces)]
        pub enum #any_state {
            #(#variants,)*
            #[doc = "The state of a version that was loaded into the running program."]
            Loaded(#krate::Loaded),
        }
    }
}

/// Encoding, conversions, and what a state must be.
pub(super) fn impls(cx: Context) -> TokenStream {
    let encoding = encoding(cx);
    let conversions = cx.machine.versions.iter().enumerate().filter(|(_, version)| version.shares.is_none());
    let conversions = conversions.map(|(index, _)| conversion(cx, index));
    let checks = checks(cx);
    mixed!(#encoding #(#conversions)* #checks)
}

/// `[version, state]`, both ways.
fn encoding(cx: Context) -> TokenStream {
    let Names { krate, any_state, options, .. } = cx.names;
    let serde = mixed!(#krate::__private::serde);
    let expected = format!("a state of machine `{}`", options.name);
    let unknown = format!("machine `{}`", options.name);
    let versions = &cx.machine.versions;
    let writes = versions.iter().map(|version| {
        let (cfg, number, name) = (&version.cfg, version.number, variant(version.number));
        mixed!(#(#cfg)* Self::#name(state) => #krate::__private::write_tagged(serializer, &#number, state))
    });
    let reads = versions.iter().map(|version| {
        let (cfg, number, name) = (&version.cfg, version.number, variant(version.number));
        mixed!(#(#cfg)* #number => #krate::__private::next(seq).map(Self::#name))
    });
    let retired = (!options.retired.is_empty()).then(|| {
        let (numbers, message) =
            (&options.retired, format!("version {{tag}} of machine `{}` is retired", options.name));
        mixed!(#(#numbers)|* => ::core::result::Result::Err(
            <__A::Error as #serde::de::Error>::custom(::core::format_args!(#message, tag = tag))
        ),)
    });
    mixed! {
        impl #serde::Serialize for #any_state {
            fn serialize<__S: #serde::Serializer>(&self, serializer: __S) -> ::core::result::Result<__S::Ok, __S::Error> {
                match self {
                    #(#writes,)*
                    Self::Loaded(state) => #krate::__private::write_tagged(serializer, &state.version(), state),
                }
            }
        }
        impl #krate::__private::Tagged for #any_state {
            type Tag = u32;
            const EXPECTED: &'static str = #expected;
            fn read<'de, __A: #serde::de::SeqAccess<'de>>(tag: u32, seq: &mut __A) -> ::core::result::Result<Self, __A::Error> {
                match tag {
                    #(#reads,)*
                    #retired
                    _ => #krate::__private::unknown(#unknown, ::core::format_args!("version {}", tag)),
                }
            }
        }
        impl<'de> #serde::Deserialize<'de> for #any_state {
            fn deserialize<__D: #serde::Deserializer<'de>>(deserializer: __D) -> ::core::result::Result<Self, __D::Error> {
                #krate::__private::read_tagged(deserializer)
            }
        }
    }
}

/// A state type to and from `AnyState`.
fn conversion(cx: Context, declares: usize) -> TokenStream {
    let any_state = &cx.names.any_state;
    let version = cx.version(declares);
    let (cfg, state, lowest) = (&version.cfg, &version.state, cx.variant(declares));
    let into = held(version, &mixed!(state));
    let out = if version.boxed { mixed!(*state) } else { mixed!(state) };
    let holders: Vec<_> = (0..cx.machine.versions.len())
        .filter(|&index| index == declares || cx.version(index).shares == Some(declares))
        .collect();
    let arms = cx
        .patterns(&holders, &mixed!(state))
        .into_iter()
        .map(|(cfg, pattern)| mixed!(#(#cfg)* #pattern => ::core::result::Result::Ok(#out)));
    mixed! {
        #(#cfg)*
        impl ::core::convert::From<#state> for #any_state {
            fn from(state: #state) -> Self {
                #lowest(#into)
            }
        }
        #(#cfg)*
        impl ::core::convert::TryFrom<#any_state> for #state {
            type Error = #any_state;
            fn try_from(state: #any_state) -> ::core::result::Result<Self, #any_state> {
                match state {
                    #(#arms,)*
                    other => ::core::result::Result::Err(other),
                }
            }
        }
    }
}

/// What only the type checker knows of a state, said on the user's own token.
fn checks(cx: Context) -> TokenStream {
    let krate = cx.names.krate;
    let checks = cx.machine.versions.iter().filter(|version| version.shares.is_none()).map(|version| {
        let (cfg, state) = (&version.cfg, &version.state);
        quote_spanned!(state.span()=> #(#cfg)* state::<#state>();)
    });
    mixed! {
        const fn state<
            __T: #krate::__private::StateSerializable + #krate::__private::StateSend + #krate::__private::StateUnwindSafe,
        >() {}
        #(#checks)*
    }
}

/// `Machine::version_of`.
pub(super) fn version_of(cx: Context) -> TokenStream {
    let Names { any_state, .. } = cx.names;
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
    }
}
