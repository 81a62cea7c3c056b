//! From what was written to a machine for which every rule holds, or all the mistakes at once.

mod chain;
mod inputs;
mod migrations;
#[cfg(test)]
mod tests;
mod turns;
mod types;

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::{Attribute, Fields, Ident, Item, Type};

use crate::diag::Diag;
use crate::fingerprint;
use crate::model::{GENERATED, LOCALS, Machine, UNKNOWN, Version};
use crate::parse::{Parsed, quoted};
use crate::scope::{TypeDecl, bare};

/// Checks everything. As `Err` comes what is known of a machine with mistakes, of which no rule holds: enough for stubs,
/// so that uses of it elsewhere compile.
pub(crate) fn validate(parsed: Parsed, diag: &mut Diag) -> Result<Machine, Box<Machine>> {
    names(&parsed, diag);
    let line = chain::line(&parsed, diag);
    let edges = migrations::edges(&parsed, &line, diag);
    let inputs = inputs::inputs(&parsed, &line, diag);
    let mut unsound = types::check(&parsed, &line, &inputs.inputs, diag);
    unsound.extend(line.links.iter().filter(|link| link.repeats).filter_map(|link| link.state.map(Ident::to_string)));
    let versions = versions(&parsed, &line, diag);
    if diag.any() {
        let versions = known(&line, &unsound);
        return Err(Box::new(sketch(parsed, versions, inputs)));
    }
    let inputs::Inputs { mut inputs, adapters } = inputs;
    for input in &mut inputs {
        input.fingerprint = fingerprint::of_input(&parsed.scope, &input.ty, &input.output);
    }
    Ok(Machine { module: parsed.module, options: parsed.options, versions, inputs, adapters, edges })
}

/// Whether a type is this state: by what its path means, or by the way to it from the root of the crate.
///
/// A generic state, with whatever arguments, is itself: that it is generic has been said.
fn is_state(parsed: &Parsed, state: &Ident, ty: &Type) -> bool {
    let from_root = |path: &syn::Path| {
        let mut names = path.segments.iter().rev().map(|segment| &segment.ident);
        path.segments[0].ident == "crate" && names.next() == Some(state) && names.next() == Some(&parsed.module.ident)
    };
    let generic = |decl: &TypeDecl| {
        !decl.generics.params.is_empty() && parsed.scope.named(state).is_some_and(|of| std::ptr::eq(of, decl))
    };
    parsed.scope.key(ty) == parsed.scope.key(&syn::parse_quote!(#state))
        || parsed.scope.decl(ty).is_some_and(generic)
        || matches!(bare(ty), Type::Path(ty) if ty.qself.is_none() && from_root(&ty.path))
}

/// No item of the user's may have a generated name, nor two generated items the same.
fn names(parsed: &Parsed, diag: &mut Diag) {
    let generated: Vec<Ident> = GENERATED.iter().map(|name| parsed.options.generated(name)).collect();
    for (at, (name, original)) in generated.iter().zip(GENERATED).enumerate() {
        if generated[..at].contains(name) {
            let renamed = parsed.options.rename.values().find(|renamed| *renamed == name).unwrap_or(name);
            diag.renames_collide(renamed, name);
        }
        for taken in parsed.taken.iter().filter(|taken| *taken == name) {
            diag.name_taken(taken, taken, original);
        }
    }
    let items = parsed.module.content.iter().flat_map(|(_, items)| items);
    for name in items.filter_map(not_to_be_shadowed).filter(|name| LOCALS.iter().any(|local| name == local)) {
        diag.local_taken(name, name);
    }
}

/// The name of an item that no local can have.
fn not_to_be_shadowed(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) if !matches!(item.fields, Fields::Named(_)) => Some(&item.ident),
        _ => None,
    }
}

/// The versions with their fingerprints, and whether the frozen ones still are what they were.
fn versions(parsed: &Parsed, line: &chain::Line<'_>, diag: &mut Diag) -> Vec<Version> {
    let newest = line.links.last().map_or(0, |link| link.number.value);
    let mut versions: Vec<Version> = Vec::new();
    for link in &line.links {
        let Some(state) = link.state else { continue };
        let shape = match link.shares.and_then(|index| versions.get(index)) {
            Some(first) => fingerprint::Shape {
                fingerprint: first.fingerprint.clone(),
                leaves: first.leaves.clone(),
                reached: Vec::new(),
            },
            None => fingerprint::of(&parsed.scope, state),
        };
        if let (None, Some(frozen)) = (link.shares, &link.options.frozen)
            && frozen.value() != shape.fingerprint
        {
            let (state, now, number) = (state.to_string(), &shape.fingerprint, link.number.value);
            let with = match shape.reached.as_slice() {
                [] => String::new(),
                reached => {
                    format!(" or of {}, which it reaches,", reached.iter().map(quoted).collect::<Vec<_>>().join(", "))
                }
            };
            if fingerprint::is_one(&frozen.value()) {
                diag.frozen_changed(frozen, &state, number, &with, newest.saturating_add(1), now);
            } else {
                diag.frozen_not_a_fingerprint(frozen, &state, number, now);
            }
        }
        versions.push(Version {
            number: link.number.value,
            cfg: link.cfg.to_vec(),
            state: state.clone(),
            shares: link.shares,
            boxed: link.boxed,
            fingerprint: shape.fingerprint,
            leaves: shape.leaves,
        });
    }
    versions
}

/// The versions of a machine with mistakes in it.
fn known(line: &chain::Line<'_>, unsound: &BTreeSet<String>) -> Vec<Version> {
    let mut versions: Vec<Version> = Vec::new();
    // what is wrong with a state would be said again of the stub that holds it
    let sound = |state: &&Ident| !unsound.contains(&state.to_string());
    let unknown = || Ident::new(UNKNOWN, Span::mixed_site());
    let mut add = |number: u32, cfg: &[Attribute], state: Ident, boxed: bool| {
        let shares = versions.iter().position(|first| first.state == state);
        let (fingerprint, leaves) = (String::new(), Vec::new());
        versions.push(Version { number, cfg: cfg.to_vec(), state, shares, boxed, fingerprint, leaves });
    };
    for link in &line.links {
        let state = link.state.filter(sound).cloned().unwrap_or_else(unknown);
        add(link.number.value, link.cfg, state, link.boxed);
    }
    if line.links.is_empty() {
        // the generated `Version` needs a variant
        add(1, &[], unknown(), false);
    }
    versions
}

/// A machine with mistakes in it, under names that are free and with inputs of different names.
fn sketch(parsed: Parsed, versions: Vec<Version>, inputs: inputs::Inputs) -> Machine {
    let mut options = parsed.options;
    // a stub that takes a name twice would be a second message for one mistake
    for name in GENERATED {
        let taken = parsed.taken.contains(&options.generated(name))
            || GENERATED.iter().any(|other| *other != name && options.generated(other) == options.generated(name));
        if taken {
            options.rename.insert(name.to_owned(), Ident::new(&format!("__Hotswap{name}"), Span::mixed_site()));
        }
    }
    let inputs::Inputs { mut inputs, .. } = inputs;
    let mut named = BTreeSet::new();
    for (index, input) in inputs.iter_mut().enumerate() {
        let name = input.variant.to_string();
        if !name.starts_with(char::is_uppercase) || !named.insert(name) {
            input.variant = Ident::new(&format!("{UNKNOWN}{index}"), Span::mixed_site());
        }
    }
    Machine { module: parsed.module, options, versions, inputs, adapters: Vec::new(), edges: Vec::new() }
}
