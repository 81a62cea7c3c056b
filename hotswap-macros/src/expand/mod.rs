//! From a validated machine to code. Nothing here can fail.
//!
//! Types go into the user's module, everything else into a `const _` block beside them, so that the user's tokens mean
//! there what they meant where they were written. All other paths are absolute, and every local is hygienic.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::format_ident;
use syn::visit::Visit;
use syn::{Attribute, Item, ItemMod, Path};

use crate::model::{Machine, Options, Version};

mod admin;
mod input;
mod migrate;
mod state;
mod step;
mod stub;
#[cfg(test)]
mod tests;

pub(crate) use stub::stub;

/// `quote!` with the hygiene of `macro_rules!`: the user's expressions cannot see our locals, nor we theirs.
macro_rules! mixed {
    ($($tokens:tt)*) => { ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*) };
}
use mixed;

/// The module with everything that belongs to the machine.
pub(crate) fn expand(machine: &Machine) -> TokenStream {
    let names = Names::new(machine);
    let cx = Context { machine, names: &names };
    let types = [admin::types(&names, &numbers(machine)), state::types(cx), input::types(cx)];
    let impls = [
        admin::version_impls(&names, &numbers(machine)),
        state::impls(cx),
        input::impls(cx),
        input::conversions(cx),
        step::impls(cx),
        machine_impl(cx),
        admin::submission(&names),
    ];
    module(&machine.module, types.into_iter().chain([block(&names, &impls)]))
}

/// `impl Machine`, whose parts come from the files that know them.
fn machine_impl(cx: Context) -> TokenStream {
    let Names { krate, machine, any_state, any_input, any_output, .. } = cx.names;
    let (states, inputs) = (state::checks(cx), input::checks(cx));
    let tables = admin::tables(cx);
    let version_of = state::version_of(cx);
    let dispatch = step::dispatch(cx);
    let migrations = migrate::Migrations::new(cx);
    let (helpers, edges, fused) = (&migrations.helpers, &migrations.edges, &migrations.fused);
    mixed! {
        #helpers
        // while a check fails these types are errors to the compiler, which says nothing more of them then
        const __SOUND: bool = { #states #inputs true };
        impl #krate::Machine for #machine {
            type AnyState = <#any_state as __hotswap::Checked<__SOUND>>::Is;
            type AnyInput = <#any_input as __hotswap::Checked<__SOUND>>::Is;
            type AnyOutput = <#any_output as __hotswap::Checked<__SOUND>>::Is;
            #tables
            #edges
            #version_of
            #dispatch
            #fused
        }
    }
}

/// The user's module with more items at its end.
fn module(module: &ItemMod, generated: impl Iterator<Item = TokenStream>) -> TokenStream {
    let mut module = module.clone();
    if let Some((_, items)) = &mut module.content {
        items.extend(generated.map(Item::Verbatim));
    }
    quote::ToTokens::into_token_stream(module)
}

/// A scope of its own for items that have no name outside, in which the runtime's other half is at hand.
fn block(names: &Names, items: &[TokenStream]) -> TokenStream {
    let (krate, allow) = (names.krate, &names.allow_deprecated);
    mixed! {
        #allow
        const _: () = {
            use #krate::__private as __hotswap;
            #(#items)*
        };
    }
}

/// What the generated items are called, and where the runtime is.
struct Names<'a> {
    options: &'a Options,
    krate: &'a Path,
    machine: Ident,
    version: Ident,
    any_state: Ident,
    any_input: Ident,
    any_output: Ident,
    /// `#[allow(deprecated)]`, if there is need of it: where a lint is forbidden no `allow` may stand.
    allow_deprecated: Option<TokenStream>,
}

impl<'a> Names<'a> {
    fn new(machine: &'a Machine) -> Self {
        let options = &machine.options;
        Self {
            options,
            krate: &options.krate,
            machine: options.generated("Machine"),
            version: options.generated("Version"),
            any_state: options.generated("AnyState"),
            any_input: options.generated("AnyInput"),
            any_output: options.generated("AnyOutput"),
            allow_deprecated: has_deprecated(&machine.module).then(|| mixed!(#[allow(deprecated)])),
        }
    }

    /// The `derive` attribute of the enums of states, inputs and outputs.
    fn derive(&self) -> Option<TokenStream> {
        let derive = self.options.derive;
        let traits: Vec<_> = [
            (derive.debug, mixed!(::core::fmt::Debug)),
            (derive.clone, mixed!(::core::clone::Clone)),
            (derive.partial_eq, mixed!(::core::cmp::PartialEq)),
            (derive.eq, mixed!(::core::cmp::Eq)),
        ]
        .into_iter()
        .filter_map(|(wanted, path)| wanted.then_some(path))
        .collect();
        (!traits.is_empty()).then(|| mixed!(#[derive(#(#traits),*)]))
    }
}

/// A machine and its names.
#[derive(Clone, Copy)]
struct Context<'a> {
    machine: &'a Machine,
    names: &'a Names<'a>,
}

impl<'a> Context<'a> {
    fn version(self, index: usize) -> &'a Version {
        &self.machine.versions[index]
    }

    /// The versions that declare a state type, with their indices.
    fn states(self) -> impl Iterator<Item = (usize, &'a Version)> {
        self.machine.versions.iter().enumerate().filter(|(_, version)| version.shares.is_none())
    }

    /// `AnyState::V2`.
    fn variant(self, index: usize) -> TokenStream {
        let any_state = &self.names.any_state;
        let variant = variant(self.version(index).number);
        mixed!(#any_state::#variant)
    }

    /// The local `state` as the version's variant holds it.
    fn held(self, index: usize) -> TokenStream {
        if self.version(index).boxed { mixed!(::std::boxed::Box::new(state)) } else { mixed!(state) }
    }

    /// One pattern of `StateMut` for all of these versions that stand under the same `cfg`, with each group's `cfg`.
    fn patterns(self, versions: &[usize], binding: &TokenStream) -> Vec<(&'a [Attribute], TokenStream)> {
        // each version's `cfg`s include its predecessor's, so equal ones are neighbours
        versions
            .chunk_by(|&a, &b| self.version(a).cfg == self.version(b).cfg)
            .map(|group| {
                let variants = group.iter().map(|&index| variant(self.version(index).number));
                (self.version(group[0]).cfg.as_slice(), mixed!(#(__StateMut::#variants(#binding))|*))
            })
            .collect()
    }
}

/// Whether anything in the module is deprecated, or is from elsewhere and allowed to be: generated code uses it too.
fn has_deprecated(module: &ItemMod) -> bool {
    struct Find(bool);
    impl Visit<'_> for Find {
        fn visit_attribute(&mut self, attr: &Attribute) {
            let list = attr.meta.require_list().map(|list| list.tokens.clone()).unwrap_or_default();
            let allowed = list.into_iter().any(|token| matches!(token, TokenTree::Ident(name) if name == "deprecated"));
            self.0 |= allowed || attr.path().is_ident("deprecated");
        }
    }
    let mut find = Find(false);
    find.visit_item_mod(module);
    find.0
}

/// `V2`: what version 2 is called in every generated enum.
fn variant(number: u32) -> Ident {
    format_ident!("V{number}", span = Span::call_site())
}

/// The versions' numbers with their `cfg`s.
fn numbers(machine: &Machine) -> Vec<(u32, &[Attribute])> {
    machine.versions.iter().map(|version| (version.number, version.cfg.as_slice())).collect()
}
