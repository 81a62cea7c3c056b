//! A version's fingerprint: a structural hash over its state and every type of the module that it reaches.

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, Member, Meta, Token};

use crate::scope::{FieldDecl, Kind, Scope, TypeDecl, spell};

/// What is known of a state's shape.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) fingerprint: String,
    /// Types from outside the module, sorted.
    pub(crate) leaves: Vec<String>,
    /// Types of the module that the state reaches, without itself.
    pub(crate) reached: Vec<String>,
}

/// Begins every fingerprint, so that another algorithm can follow.
const ALGORITHM: &str = "1-";

/// The shape of a state of the module.
pub(crate) fn of(scope: &Scope, state: &Ident) -> Shape {
    let root = state.to_string();
    let mut text = String::new();
    let mut leaves = BTreeSet::new();
    let mut order = vec![root.clone()];
    let mut next = 0;
    while let Some(name) = order.get(next).cloned() {
        next += 1;
        let Some(decl) = scope.types.get(&name) else { continue };
        // the state's own name is no part of its encoding, and the version's number stands for it
        text.push_str(if name == root { "state" } else { &name });
        text.push('\n');
        let mut walk = Walk { scope, decl, text: &mut text, leaves: &mut leaves, order: &mut order };
        walk.decl();
    }
    Shape {
        fingerprint: format!("{ALGORITHM}{:016x}", fnv(text.as_bytes())),
        leaves: leaves.into_iter().collect(),
        reached: order.split_off(1),
    }
}

/// Whether this text could be a fingerprint.
pub(crate) fn is_one(text: &str) -> bool {
    text.strip_prefix(ALGORITHM).is_some_and(|hex| hex.len() == 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

struct Walk<'w> {
    scope: &'w Scope,
    decl: &'w TypeDecl,
    text: &'w mut String,
    leaves: &'w mut BTreeSet<String>,
    order: &'w mut Vec<String>,
}

impl Walk<'_> {
    fn decl(&mut self) {
        let decl = self.decl;
        self.line(0, "generics", &spell(decl.generics.to_token_stream()));
        self.serde(0, &decl.attrs);
        match &decl.kind {
            Kind::Struct(fields) => {
                self.line(0, "struct", "");
                self.fields(1, fields);
            }
            Kind::Enum(variants) => {
                self.line(0, "enum", "");
                for variant in variants {
                    self.line(1, "variant", &variant.ident.to_string());
                    self.serde(1, &variant.attrs);
                    self.fields(2, &variant.fields);
                }
            }
            Kind::Alias(ty) => self.ty(0, "alias", ty),
            Kind::Unseen(kind) => {
                let ident = &decl.ident;
                self.line(0, kind, "");
                self.ty(0, "path", &syn::parse_quote!(#ident));
            }
        }
    }

    fn fields(&mut self, depth: usize, fields: &[FieldDecl]) {
        for field in fields {
            let name = match &field.member {
                Member::Named(name) => name.to_string(),
                Member::Unnamed(index) => index.index.to_string(),
            };
            self.ty(depth, &name, &field.ty);
            self.serde(depth, &field.attrs);
        }
    }

    fn ty(&mut self, depth: usize, what: &str, ty: &syn::Type) {
        let resolved = self.scope.resolve_in(ty, &self.decl.within);
        self.line(depth, what, &resolved.key);
        self.leaves.extend(resolved.leaves);
        for name in resolved.reached {
            if !self.order.contains(&name) {
                self.order.push(name);
            }
        }
    }

    fn serde(&mut self, depth: usize, attrs: &[Attribute]) {
        for meta in serde_metas(attrs) {
            const SILENT: [&str; 8] =
                ["default", "bound", "crate", "expecting", "alias", "borrow", "deny_unknown_fields", "getter"];
            let silent = meta.path().get_ident().is_some_and(|name| SILENT.iter().any(|silent| name == silent));
            if !silent {
                self.line(depth, "serde", &spell(meta.to_token_stream()));
            }
        }
    }

    fn line(&mut self, depth: usize, what: &str, value: &str) {
        for _ in 0..=depth {
            self.text.push(' ');
        }
        self.text.push_str(what);
        self.text.push(':');
        self.text.push_str(value);
        self.text.push('\n');
    }
}

/// What stands in `#[serde(…)]`, also within a `cfg_attr`.
pub(crate) fn serde_metas(attrs: &[Attribute]) -> Vec<Meta> {
    let mut metas = Vec::new();
    for attr in attrs {
        collect(&attr.meta, &mut metas);
    }
    metas
}

fn collect(meta: &Meta, metas: &mut Vec<Meta>) {
    let Meta::List(list) = meta else { return };
    let inner = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    match inner {
        Ok(inner) if list.path.is_ident("serde") => metas.extend(inner),
        Ok(inner) if list.path.is_ident("cfg_attr") => inner.iter().skip(1).for_each(|meta| collect(meta, metas)),
        _ => {}
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
