//! The machine's own type, `Version`, the names under which the runtime's types are used, and the tables of versions.

use proc_macro2::{Ident, TokenStream};
use syn::Attribute;

use super::input::tag;
use super::{Context, Names, mixed, variant};
use crate::model::{Machine, Way};

/// The machine, its versions' names and the aliases.
pub(super) fn types(names: &Names, versions: &[(u32, &[Attribute])]) -> TokenStream {
    let Names { krate, machine, version, options, .. } = names;
    let name = &options.name;
    let [machine_doc, version_doc] =
        [format!("The machine `{name}`."), format!("A version of machine `{name}` that is compiled in.")];
    // where no version is, there can be none; the first one's conditions are part of every other's
    let first = versions.first().map_or(&[][..], |(_, cfg)| cfg);
    let there: Vec<_> = first.iter().filter_map(|cfg| Some(&cfg.meta.require_list().ok()?.tokens)).collect();
    let repr = if there.is_empty() { mixed!(#[repr(u32)]) } else { mixed!(#[cfg_attr(all(#(#there),*), repr(u32))]) };
    let variants = versions.iter().map(|(number, cfg)| {
        let (name, doc) = (variant(*number), format!("Version {number}."));
        mixed!(#(#cfg)* #[doc = #doc] #name = #number)
    });
    let aliases = [
        ("Cell", format!("One instance of machine `{name}` shared by threads.")),
        ("Instance", format!("One live state of machine `{name}`.")),
        ("Slab", format!("Many instances of machine `{name}` that one owner has, side by side.")),
        ("Switch", format!("Which version of machine `{name}` is meant to run.")),
        ("Admin", format!("The commands over a switch of machine `{name}`.")),
    ];
    let aliases = aliases.into_iter().map(|(of, doc)| {
        let (alias, of) = (options.generated(of), Ident::new(of, proc_macro2::Span::mixed_site()));
        mixed!(#[doc = #doc] pub type #alias = #krate::#of<#machine>;)
    });
    let (fleet, fleet_doc) = (options.generated("Fleet"), format!("Many instances of machine `{name}`, by key."));
    mixed! {
        #[doc = #machine_doc]
        #[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::marker::Copy)]
        pub struct #machine;
        #[doc = #version_doc]
        #[derive(
            ::core::fmt::Debug, ::core::clone::Clone, ::core::marker::Copy, ::core::cmp::PartialEq, ::core::cmp::Eq,
            ::core::cmp::PartialOrd, ::core::cmp::Ord, ::core::hash::Hash
        )]
        #repr
        pub enum #version { #(#variants,)* }
        #(#aliases)*
        #[doc = #fleet_doc]
        pub type #fleet<K> = #krate::Fleet<#machine, K>;
        #[cfg(panic = "abort")]
        ::core::compile_error!("a machine needs `panic = \"unwind\"`: a migration that panics must leave the old state whole");
    }
}

/// `Version` to and from numbers.
pub(super) fn version_impls(names: &Names, versions: &[(u32, &[Attribute])]) -> TokenStream {
    let Names { machine, version, .. } = names;
    let versions = versions.iter().map(|(number, cfg)| {
        let name = variant(*number);
        mixed!(#(#cfg)* #number => #name)
    });
    mixed!(__hotswap::versions! { #version of #machine { #(#versions,)* } })
}

/// `Machine::IDENTITY`, `VERSIONS`, `RETIRED` and `INPUTS`.
pub(super) fn tables(cx: Context) -> TokenStream {
    let Names { krate, options, .. } = cx.names;
    let identity = identity(cx.names);
    let versions = (0..cx.machine.versions.len()).map(|index| info(cx.machine, index));
    let retired = &options.retired;
    let inputs = cx.machine.inputs.iter().map(|input| {
        let (cfg, tag, fingerprint) = (&input.cfg, tag(input), &input.fingerprint);
        mixed!(#(#cfg)* __hotswap::input_info(#tag, #fingerprint))
    });
    mixed! {
        #identity
        const VERSIONS: &'static [#krate::VersionInfo] = &[#(#versions),*];
        const RETIRED: &'static [u32] = &[#(#retired),*];
        const INPUTS: &'static [#krate::InputInfo] = &[#(#inputs),*];
    }
}

/// `Machine::IDENTITY`.
pub(super) fn identity(names: &Names) -> TokenStream {
    let (krate, name) = (names.krate, &names.options.name);
    mixed! {
        const IDENTITY: #krate::Identity = #krate::Identity {
            krate: ::core::env!("CARGO_PKG_NAME"),
            crate_version: ::core::env!("CARGO_PKG_VERSION"),
            module: ::core::module_path!(),
            name: #name,
        };
    }
}

fn info(machine: &Machine, index: usize) -> TokenStream {
    let version = &machine.versions[index];
    let (cfg, number, fingerprint, leaves) = (&version.cfg, version.number, &version.fingerprint, &version.leaves);
    let state = version.state.to_string();
    let taken = machine.inputs.iter().filter(|input| !matches!(input.ways[index], Way::Refused)).map(|input| {
        let (cfg, tag) = (&input.cfg, tag(input));
        mixed!(#(#cfg)* #tag)
    });
    mixed! {
        #(#cfg)*
        __hotswap::info(#number, #state, #fingerprint, &[#(#leaves),*], &[#(#taken),*])
    }
}

/// What makes the machine known to the registry, and to the program that loads it if it is built to be loaded.
pub(super) fn submission(names: &Names) -> TokenStream {
    let Names { krate, machine, .. } = names;
    mixed! {
        __hotswap::inventory::submit! {
            __hotswap::Compiled {
                identity: <#machine as #krate::Machine>::IDENTITY,
                versions: <#machine as #krate::Machine>::VERSIONS,
                inputs: <#machine as #krate::Machine>::INPUTS,
            }
        }
        __hotswap::image!(#machine);
    }
}
