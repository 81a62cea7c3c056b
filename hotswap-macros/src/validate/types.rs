//! What can be seen of types before the type checker: states and inputs must be plain data that postcard reads back.

use std::collections::BTreeSet;
use std::fmt::Display;

use quote::ToTokens;
use syn::{Attribute, GenericParam, Type, parse_quote};

use super::chain::Line;
use crate::diag::Diag;
use crate::fingerprint;
use crate::model::Input;
use crate::parse::Parsed;
use crate::scope::{FieldDecl, Kind, Resolved, TypeDecl, Unfit, borrowed_or_pointer, show};

/// Checks every type of the module that a state, input or output reaches, each once; gives the states that cannot be one.
pub(super) fn check(parsed: &Parsed, line: &Line<'_>, inputs: &[Input], diag: &mut Diag) -> BTreeSet<String> {
    let mut unsound = BTreeSet::new();
    let scope = &parsed.scope;
    let mut check = Check { parsed, of_state: true, seen: BTreeSet::new(), diag };
    for link in line.links.iter().filter(|link| !link.behaviour_only()) {
        let Some((ident, decl)) = link.state.and_then(|state| Some((state, scope.named(state)?))) else { continue };
        if !state(decl, check.diag) {
            unsound.insert(decl.ident.to_string());
        }
        let resolved = scope.resolve(&parse_quote!(#ident));
        check.types(resolved, &decl.ident);
    }
    check.of_state = false;
    for ty in inputs.iter().flat_map(|input| [&input.ty, &input.output]) {
        check.types(scope.resolve(ty), &show(ty));
    }
    unsound
}

/// A state is one concrete type.
fn state(decl: &TypeDecl, diag: &mut Diag) -> bool {
    let before = diag.count();
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
    diag.count() == before
}

struct Check<'c> {
    parsed: &'c Parsed,
    of_state: bool,
    seen: BTreeSet<String>,
    diag: &'c mut Diag,
}

impl Check<'_> {
    /// All types of the module in one that `of` holds.
    fn types(&mut self, resolved: Resolved, of: &dyn Display) {
        for name in resolved.through {
            if let (true, Some(second)) = (self.of_state, self.parsed.scope.twice.get(&name))
                // a state that is declared twice has had its message
                && !self.parsed.states.iter().any(|state| state.ident == name)
                && self.seen.insert(format!("{name} twice"))
            {
                self.diag.cfg_of_two(second, name, of);
            }
        }
        for name in resolved.reached {
            if self.seen.insert(name.clone())
                && let Some(decl) = self.parsed.scope.types.get(&name)
            {
                self.decl(decl);
            }
        }
    }

    fn decl(&mut self, decl: &TypeDecl) {
        self.attrs(&decl.attrs, decl);
        match &decl.kind {
            Kind::Struct(fields) => fields.iter().for_each(|field| self.field(field, decl)),
            Kind::Enum(variants) => {
                for variant in variants {
                    self.attrs(&variant.attrs, decl);
                    self.cfg(&variant.attrs, "variant", decl);
                    variant.fields.iter().for_each(|field| self.field(field, decl));
                }
            }
            Kind::Alias(_) | Kind::Unseen(_) => {}
        }
    }

    fn field(&mut self, field: &FieldDecl, decl: &TypeDecl) {
        self.attrs(&field.attrs, decl);
        self.cfg(&field.attrs, "field", decl);
        // the lifetime of a generic state is reported once, where it is declared
        if decl.generics.lifetimes().next().is_none() {
            plain(&field.ty, &format!("`{}`", decl.ident), self.diag);
        }
        self.types(self.parsed.scope.resolve_in(&field.ty, decl), &decl.ident);
    }

    fn attrs(&mut self, attrs: &[Attribute], decl: &TypeDecl) {
        encoding(attrs, &decl.ident.to_string(), self.diag);
        for ty in fingerprint::stand_ins(attrs) {
            self.types(self.parsed.scope.resolve_in(&ty, decl), &decl.ident);
        }
    }

    fn cfg(&mut self, attrs: &[Attribute], place: &str, decl: &TypeDecl) {
        if self.of_state
            && let Some(cfg) = attrs.iter().find(|attr| attr.path().is_ident("cfg"))
        {
            self.diag.cfg_in_state(cfg, place, &decl.ident);
        }
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
fn encoding(attrs: &[Attribute], of: &str, diag: &mut Diag) {
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
