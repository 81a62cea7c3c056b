//! What can be seen of types before the type checker: states and inputs must be plain data that postcard reads back.

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::{GenericParam, Type};

use super::chain::Line;
use crate::diag::Diag;
use crate::fingerprint;
use crate::model::Input;
use crate::parse::Parsed;
use crate::scope::{FieldDecl, Kind, TypeDecl, Unfit, borrowed_or_pointer};

/// Checks every type of the module that a state, input or output reaches, each once; gives the states that are unsound.
pub(super) fn check(parsed: &Parsed, line: &Line<'_>, inputs: &[Input], diag: &mut Diag) -> BTreeSet<String> {
    let mut unsound = BTreeSet::new();
    let scope = &parsed.scope;
    let mut seen = BTreeSet::new();
    for link in line.links.iter().filter(|link| !link.behaviour_only()) {
        let Some(decl) = link.state.and_then(|state| scope.types.get(&state.to_string())) else { continue };
        let before = diag.count();
        state(decl, diag);
        reached(parsed, &decl.ident.to_string(), true, &mut seen, diag);
        if diag.count() > before {
            unsound.insert(decl.ident.to_string());
        }
    }
    for ty in inputs.iter().flat_map(|input| [&input.ty, &input.output]) {
        for name in scope.resolve(ty).reached {
            reached(parsed, &name, false, &mut seen, diag);
        }
    }
    unsound
}

/// A state is one concrete type.
fn state(decl: &TypeDecl, diag: &mut Diag) {
    match decl.generics.params.first() {
        Some(GenericParam::Lifetime(lifetime)) => diag.state_lifetime(lifetime, &decl.ident),
        Some(parameter) => diag.state_generic(parameter, &decl.ident),
        None => {}
    }
    match &decl.kind {
        Kind::Unseen("union") => diag.state_union(&decl.ident, &decl.ident),
        Kind::Alias(_) => diag.state_alias(&decl.ident, &decl.ident),
        _ => {}
    }
}

fn reached(parsed: &Parsed, name: &str, of_state: bool, seen: &mut BTreeSet<String>, diag: &mut Diag) {
    if !seen.insert(name.to_owned()) {
        return;
    }
    let Some(decl) = parsed.scope.types.get(name) else { return };
    encoding(&decl.attrs, &decl.ident.to_string(), diag);
    // the lifetime of a generic state is reported once, where it is declared
    let lifetimes = decl.generics.lifetimes().next().is_some();
    let mut each = |field: &FieldDecl, diag: &mut Diag| {
        encoding(&field.attrs, &decl.ident.to_string(), diag);
        if of_state && let Some(cfg) = field.attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
            diag.cfg_in_state(cfg, "field", &decl.ident);
        }
        if !lifetimes {
            plain(&field.ty, &format!("`{}`", decl.ident), diag);
        }
        for name in parsed.scope.resolve_in(&field.ty, &decl.within).reached {
            reached(parsed, &name, of_state, seen, diag);
        }
    };
    match &decl.kind {
        Kind::Struct(fields) => fields.iter().for_each(|field| each(field, diag)),
        Kind::Enum(variants) => {
            for variant in variants {
                encoding(&variant.attrs, &decl.ident.to_string(), diag);
                if of_state && let Some(cfg) = variant.attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
                    diag.cfg_in_state(cfg, "variant", &decl.ident);
                }
                variant.fields.iter().for_each(|field| each(field, diag));
            }
        }
        Kind::Alias(_) | Kind::Unseen(_) => {}
    }
}

/// No references, function pointers or trait objects.
pub(super) fn plain(ty: &Type, of: &str, diag: &mut Diag) -> bool {
    match borrowed_or_pointer(ty) {
        Some(Unfit::Borrows(at)) => diag.type_borrows(&at, of),
        Some(Unfit::Function(at)) => diag.type_function(&at, of),
        Some(Unfit::Open(at)) => diag.type_open(&at, of),
        None => return true,
    }
    false
}

/// Attributes of serde after which postcard cannot read what it wrote.
fn encoding(attrs: &[syn::Attribute], of: &str, diag: &mut Diag) {
    const REFUSED: [&str; 7] =
        ["flatten", "tag", "untagged", "skip", "skip_serializing", "skip_deserializing", "skip_serializing_if"];
    for meta in fingerprint::serde_metas(attrs) {
        if let Some(name) = meta.path().get_ident()
            && REFUSED.iter().any(|refused| name == refused)
        {
            match name.to_string().as_str() {
                skip if skip.starts_with("skip") => diag.serde_skip(&meta.path().to_token_stream(), skip, of),
                other => diag.serde_refused(&meta.path().to_token_stream(), other, of),
            }
        }
    }
}
