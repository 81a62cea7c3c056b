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

#[cfg(test)]
mod tests {
    use proc_macro2::Span;
    use quote::quote;
    use syn::parse_quote;

    use super::{Shape, is_one, of};
    use crate::diag::Diag;
    use crate::parse::parse;

    /// The shape of `V1` in a module of these items.
    fn shape(items: &str) -> Shape {
        let items: proc_macro2::TokenStream = items.parse().expect("tokens");
        let mut diag = Diag::new();
        let parsed = parse(quote!(), parse_quote!(mod m { #items }), &mut diag).expect("a module");
        let said = diag.finish().to_string();
        assert!(said.is_empty(), "{said}");
        of(&parsed.scope, &syn::Ident::new("V1", Span::call_site()))
    }

    fn print(items: &str) -> String {
        shape(items).fingerprint
    }

    const PLAIN: &str = "struct V1 { a: i64, b: Vec<Price> } struct Price { cents: u64 }";

    #[test]
    fn it_names_its_algorithm() {
        let fingerprint = print(PLAIN);
        assert!(is_one(&fingerprint), "{fingerprint}");
        // pinned: snapshots and `frozen` literals of released programs hold such values
        assert_eq!(print("struct V1 { count: i64 }"), "1-09c8f8eb8ceac871");
    }

    #[test]
    fn what_does_not_change_the_encoding_does_not_change_it() {
        for same in [
            "struct   V1{a:i64,b:Vec< Price >}struct Price{cents:u64,}",
            "/// Doc.\nstruct V1 { /** doc */ a: i64, b: Vec<Price> } struct Price { cents: u64 }",
            "pub struct V1 { pub a: i64, pub(crate) b: Vec<Price> } pub struct Price { cents: u64 }",
            "#[derive(Debug, Clone)] struct V1 { a: i64, b: Vec<Price> } #[derive(Default)] struct Price { cents: u64 }",
            "#[machine(version = 1, boxed)] struct V1 { a: i64, b: Vec<Price> } struct Price { cents: u64 }",
            "struct Price { cents: u64 } struct V1 { a: i64, b: Vec<Price> }",
            "struct V1 { a: i64, b: Vec<Price> } struct Price { cents: u64 } struct Other; fn f() {}",
            "struct V1 { a: i64, #[serde(default)] b: Vec<Price> } struct Price { cents: u64 }",
            "struct V1 { a: Count, b: Vec<self::Price> } type Count = i64; struct Price { cents: u64 }",
        ] {
            assert_eq!(print(PLAIN), print(same), "{same}");
        }
        assert_eq!(
            print("use std::collections::BTreeMap; struct V1(BTreeMap<u8, u8>);"),
            print("struct V1(std::collections::BTreeMap<u8, u8>);"),
        );
    }

    #[test]
    fn everything_else_changes_it() {
        let others = [
            PLAIN,
            "struct V1 { b: Vec<Price>, a: i64 } struct Price { cents: u64 }",
            "struct V1 { a: i32, b: Vec<Price> } struct Price { cents: u64 }",
            "struct V1 { a: i64, c: Vec<Price> } struct Price { cents: u64 }",
            "struct V1 { a: i64, b: Vec<Price>, c: () } struct Price { cents: u64 }",
            "struct V1 { a: i64, b: Vec<Price> } struct Price { cents: u32 }",
            "struct V1 { a: i64, b: Vec<Price> } struct Price { euros: u64 }",
            "struct V1 { a: i64, b: Vec<Price> } struct Price(u64);",
            "struct V1 { a: i64, b: Vec<Price> } enum Price { Cents(u64) }",
            "struct V1 { a: i64, b: Vec<Price> } enum Price { Cents(u64), None }",
            "struct V1 { a: i64, b: Vec<Price> } enum Price { None, Cents(u64) }",
            "struct V1 { a: i64, #[serde(rename = \"B\")] b: Vec<Price> } struct Price { cents: u64 }",
            "#[serde(rename_all = \"camelCase\")] struct V1 { a: i64, b: Vec<Price> } struct Price { cents: u64 }",
            "#[cfg_attr(x, serde(transparent))] struct V1 { a: i64, b: Vec<Price> } struct Price { cents: u64 }",
            "struct V1(i64, Vec<Price>); struct Price { cents: u64 }",
            "use other::Price; struct V1 { a: i64, b: Vec<Price> }",
            "struct V1 { a: i64, b: Vec<inner::Price> } mod inner { pub struct Price { cents: u64 } }",
            "struct V1 { a: i64, b: Vec<inner::Price> } mod inner { pub struct Price { cents: u32 } }",
            "struct V1;",
        ];
        let prints: Vec<String> = others.iter().map(|items| print(items)).collect();
        for (index, one) in prints.iter().enumerate() {
            let again = prints[..index].iter().position(|other| other == one);
            assert_eq!(again.map(|again| others[again]), None, "the same as {}", others[index]);
        }
    }

    #[test]
    fn types_from_outside_are_listed() {
        let shape = shape(
            "use elsewhere::{Price, deep::Name as Label}; use std::collections::HashMap;
             struct V1 { a: Vec<Price>, b: Inner, c: HashMap<String, u8> } struct Inner(Label, crate::Other);",
        );
        assert_eq!(shape.leaves, ["crate::Other", "elsewhere::Price", "elsewhere::deep::Name"]);
        assert_eq!(shape.reached, ["Inner"]);
    }

    #[test]
    fn types_may_reach_themselves() {
        let shape =
            shape("struct V1 { next: Option<Box<V1>>, tree: Tree } enum Tree { Leaf, Node(Box<Tree>, Box<V1>) }");
        assert_eq!(shape.reached, ["Tree"]);
    }
}
