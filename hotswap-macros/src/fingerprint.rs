//! A version's fingerprint: a structural hash over its state and every type of the module that it reaches.

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, GenericParam, Ident, Lit, LitStr, Member, Meta, MetaNameValue, Token, Type};

use crate::scope::{FieldDecl, Kind, Scope, TypeDecl, spell};

/// What is known of a state's shape.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) fingerprint: String,
    /// What it knows by name only, because it comes from outside the module; sorted.
    pub(crate) leaves: Vec<String>,
    /// Types of the module that the state reaches, without itself.
    pub(crate) reached: Vec<String>,
}

/// Begins every fingerprint, so that another algorithm can follow.
const ALGORITHM: &str = "1-";

/// The shape of a state of the module.
pub(crate) fn of(scope: &Scope, state: &Ident) -> Shape {
    let root = state.unraw().to_string();
    let (mut text, mut order) = (String::new(), vec![root.clone()]);
    let leaves = walk(scope, Some(&root), &mut text, &mut order);
    Shape { fingerprint: hash(&text), leaves: leaves.into_iter().collect(), reached: order.split_off(1) }
}

/// The fingerprint of an input and of what it gives, together: who sends the one reads the other.
pub(crate) fn of_input(scope: &Scope, input: &Type, output: &Type) -> String {
    let (mut text, mut order) = (String::new(), Vec::new());
    for (what, ty) in [("input", input), ("output", output)] {
        let resolved = scope.resolve(ty);
        text.extend([what, ":", &resolved.key, "\n"]);
        order.extend(resolved.reached.into_iter().filter(|name| !order.contains(name)).collect::<Vec<_>>());
    }
    walk(scope, None, &mut text, &mut order);
    hash(&text)
}

/// Writes down every type of `order` and adds to it what those reach; gives what comes from outside the module.
fn walk(scope: &Scope, root: Option<&str>, text: &mut String, order: &mut Vec<String>) -> BTreeSet<String> {
    let mut leaves = BTreeSet::new();
    let mut next = 0;
    while let Some(name) = order.get(next).cloned() {
        next += 1;
        let Some(decl) = scope.types.get(&name) else { continue };
        // the state's own name is no part of its encoding, and the version's number stands for it
        text.push_str(if root == Some(&*name) { "state" } else { &name });
        text.push('\n');
        Walk { scope, decl, text, leaves: &mut leaves, order }.decl();
    }
    leaves
}

fn hash(text: &str) -> String {
    format!("{ALGORITHM}{:016x}", fnv(text.as_bytes()))
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
        self.line(0, "generics", &parameters(decl));
        self.serde(0, &decl.attrs);
        match &decl.kind {
            Kind::Struct(fields) => {
                self.line(0, "struct", "");
                self.fields(1, fields);
            }
            Kind::Enum(variants) => {
                self.line(0, "enum", "");
                for variant in variants {
                    self.line(1, "variant", &variant.ident.unraw().to_string());
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
                Member::Named(name) => name.unraw().to_string(),
                Member::Unnamed(index) => index.index.to_string(),
            };
            self.ty(depth, &name, &field.ty);
            self.serde(depth, &field.attrs);
        }
    }

    fn ty(&mut self, depth: usize, what: &str, ty: &Type) {
        let resolved = self.scope.resolve_in(ty, self.decl);
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
            if silent {
                continue;
            }
            self.line(depth, "serde", &spell(meta.to_token_stream()));
            if let Some(ty) = stand_in(&meta) {
                self.ty(depth, "encoded as", &ty);
            }
            self.leaves.extend(encoder(&meta));
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

/// The names of a type's parameters, without bounds and defaults.
fn parameters(decl: &TypeDecl) -> String {
    let names = decl.generics.params.iter().map(|param| match param {
        GenericParam::Lifetime(param) => param.lifetime.to_string(),
        GenericParam::Type(param) => param.ident.unraw().to_string(),
        GenericParam::Const(param) => format!("const {}", param.ident.unraw()),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// The type that is encoded in place of what has this attribute.
fn stand_in(meta: &Meta) -> Option<Type> {
    text_of(meta, &["from", "try_from", "into", "remote"])?.parse().ok()
}

/// The module or function that encodes what has this attribute; its code is not looked into.
fn encoder(meta: &Meta) -> Option<String> {
    text_of(meta, &["with", "serialize_with", "deserialize_with"]).map(LitStr::value)
}

fn text_of<'m>(meta: &'m Meta, names: &[&str]) -> Option<&'m LitStr> {
    let Meta::NameValue(MetaNameValue { path, value: Expr::Lit(ExprLit { lit: Lit::Str(text), .. }), .. }) = meta
    else {
        return None;
    };
    names.iter().any(|name| path.is_ident(name)).then_some(text)
}

/// The types that are encoded in place of what has these attributes.
pub(crate) fn stand_ins(attrs: &[Attribute]) -> Vec<Type> {
    serde_metas(attrs).iter().filter_map(stand_in).collect()
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
    }

    /// What is asserted of two shapes, with the two texts in the message.
    fn all(pairs: &[(&str, &str)], equal: bool) {
        for (one, other) in pairs {
            assert_eq!(print(one) == print(other), equal, "\n{one}\n{other}");
        }
    }

    #[test]
    fn one_type_has_one_fingerprint_however_it_is_written() {
        all(
            &[
                (
                    "use std::collections::BTreeMap; struct V1(BTreeMap<u8, u8>);",
                    "struct V1(std::collections::BTreeMap<u8, u8>);",
                ),
                (
                    "struct V1(std::collections::BTreeMap<u8, u8>);",
                    "struct V1(::alloc::collections::btree_map::BTreeMap<u8, u8>);",
                ),
                ("struct V1(Result<(u8, u8), String>);", "struct V1(Result<(u8, u8,), String,>);"),
                ("struct V1(Vec<u8>);", "struct V1(Vec::<u8>);"),
                ("struct V1 { t: T } struct T;", "struct V1 { r#t: r#T } struct r#T<>;"),
                ("struct V1(A<u8>); struct A<T>(T);", "struct V1(A<u8>); struct A<T: Clone + Sized>(T) where T: Send;"),
                (
                    "struct V1(String, Vec<u8>);",
                    "use alloc::string as s; struct V1(s::String, ::std::vec::Vec<core::primitive::u8>);",
                ),
                ("struct V1(Option<u8>, Box<u8>);", "struct V1(core::option::Option<u8>, std::boxed::Box<u8>);"),
                (
                    "struct V1([u8; 16]);",
                    "const N: usize = M * 2; const M: usize = 8; struct V1([u8; L]); const L: usize = 0x10;",
                ),
                ("struct V1([u8; 4]);", "struct V1([u8; { (4usize) }]);"),
                ("struct V1(Option<Box<V1>>);", "struct V1(Option<Box<Self>>);"),
                ("struct V1(Option<u8>);", "type Maybe<T, const N: usize = 1> = Option<T>; struct V1(Maybe<u8>);"),
                ("struct V1(inner::A); mod inner { struct A; }", "use inner::*; struct V1(A); mod inner { struct A; }"),
                (
                    "struct V1(inner::A); mod inner { struct A; }",
                    "use inner::T; struct V1(T); mod inner { type T = A; struct A; }",
                ),
                (
                    "struct V1(A<4>); struct A<const N: usize>([u8; N]);",
                    "const M: usize = 4; struct V1(A<M>); struct A<const N: usize>([u8; N]);",
                ),
            ],
            true,
        );
    }

    #[test]
    fn an_array_length_from_a_macro_is_that_length() {
        let group = |tokens| proc_macro2::Group::new(proc_macro2::Delimiter::None, tokens);
        let (ty, length) = (group(quote!(u8)), group(quote!(4)));
        let scope = crate::scope::Scope::default();
        assert_eq!(scope.key(&parse_quote!([#ty; #length])), scope.key(&parse_quote!([u8; 4])));
    }

    #[test]
    fn what_the_encoding_goes_through_is_part_of_it() {
        all(
            &[
                ("const N: usize = 4; struct V1([u8; N]);", "const N: usize = 8; struct V1([u8; N]);"),
                (
                    "const N: usize = 4; struct V1(A<N>); struct A<const M: usize>;",
                    "const N: usize = 8; struct V1(A<N>); struct A<const M: usize>;",
                ),
                (
                    "mod inner { pub const N: usize = 4; } struct V1([u8; inner::N]);",
                    "mod inner { pub const N: usize = 8; } struct V1([u8; inner::N]);",
                ),
                (
                    "#[serde(from = \"Wire\", into = \"Wire\")] struct V1(u8); struct Wire(u8);",
                    "#[serde(from = \"Wire\", into = \"Wire\")] struct V1(u8); struct Wire(u16);",
                ),
                (
                    "struct V1(A); #[serde(try_from = \"w::Wire\")] struct A(u8); mod w { struct Wire(u8); }",
                    "struct V1(A); #[serde(try_from = \"w::Wire\")] struct A(u8); mod w { struct Wire(u16); }",
                ),
                (
                    "struct V1(inner::A); mod inner { use super::*; pub struct A(Price); } struct Price(u8);",
                    "struct V1(inner::A); mod inner { use super::*; pub struct A(Price); } struct Price(u16);",
                ),
                (
                    "use inner::*; struct V1(A); mod inner { pub struct A(u8); }",
                    "use inner::*; struct V1(A); mod inner { pub struct A(u16); }",
                ),
                (
                    "use self::a::*; struct V1(T); mod a { pub use super::b::*; } mod b { pub struct T(u8); }",
                    "use self::a::*; struct V1(T); mod a { pub use super::b::*; } mod b { pub struct T(u16); }",
                ),
                (
                    "struct V1([u8; V1::N]); impl V1 { const N: usize = 4; }",
                    "struct V1([u8; V1::N]); impl V1 { const N: usize = 8; }",
                ),
                (
                    "struct V1([u8; Self::N]); impl V1 { const N: usize = Self::M * 2; const M: usize = 4; }",
                    "struct V1([u8; Self::N]); impl V1 { const N: usize = Self::M * 2; const M: usize = 8; }",
                ),
                (
                    "struct V1(a::A); mod a { struct A([u8; Self::N]); impl A { const N: usize = Self::M; const M: usize = 4; } }",
                    "struct V1(a::A); mod a { struct A([u8; Self::N]); impl A { const N: usize = Self::M; const M: usize = 8; } }",
                ),
                (
                    "struct V1(Maybe); type Maybe<T = A> = Option<T>; struct A(u8);",
                    "struct V1(Maybe); type Maybe<T = A> = Option<T>; struct A(u16);",
                ),
                (
                    "const N: usize = size_of::<A>(); struct A(u8); struct V1([u8; N]);",
                    "const N: usize = size_of::<A>(); struct A(u16); struct V1([u8; N]);",
                ),
                (
                    "mod a { struct T(u8); fn a() {} } use a::a; struct V1(a::T);",
                    "mod a { struct T(u16); fn a() {} } use a::a; struct V1(a::T);",
                ),
                (
                    "struct V1(inner::T); struct A(u8); mod inner { pub type T = A; struct A(u16); }",
                    "struct V1(inner::T); struct A(u8); mod inner { pub type T = super::A; struct A(u16); }",
                ),
            ],
            false,
        );
    }

    #[test]
    fn globs_and_aliases_may_go_in_a_circle() {
        for items in [
            "use a::*; struct V1(T); mod a { pub use super::*; pub use super::b::*; } mod b { pub use super::a::*; }",
            "struct V1(A); type A = (A, A);",
            "struct V1(A); type A = (B, B); type B = (A, A);",
            "struct V1([u8; A]); const A: usize = B; const B: usize = A;",
            "use a::b as c; use c::d as a; struct V1(c::T);",
        ] {
            assert!(is_one(&print(items)), "{items}");
        }
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
        let shape = super::tests::shape(
            "struct V1 { a: <X as Tr>::O, b: A<u8>, #[serde(with = \"w::hex\")] c: [u8; limits::N], d: [u8; u8::MAX] }
             struct X; struct A<T>(T, Option<Box<Self>>);",
        );
        assert_eq!(shape.leaves, ["<X as Tr>::O", "limits::N", "w::hex"]);
        assert_eq!(shape.reached, ["X", "A"]);
    }

    #[test]
    fn an_input_and_its_output_have_one_together() {
        let print = |items: &str, input: &str, output: &str| {
            let items: proc_macro2::TokenStream = items.parse().expect("tokens");
            let mut diag = Diag::new();
            let parsed = parse(quote!(), parse_quote!(mod m { #items }), &mut diag).expect("a module");
            assert!(diag.finish().to_string().is_empty());
            let [input, output] = [input, output].map(|ty| syn::parse_str(ty).expect("a type"));
            super::of_input(&parsed.scope, &input, &output)
        };
        let all = [
            print("struct Get(u8);", "Get", "u64"),
            print("struct Get(u8);", "Get", "u32"),
            print("struct Get(u16);", "Get", "u64"),
            print("struct Get(u8); struct Got(u8);", "Get", "Got"),
            print("struct Get(u8); struct Got(u16);", "Get", "Got"),
            print("struct Get(Inner); struct Inner(u8);", "Get", "u64"),
            print("struct Get(Inner); struct Inner(u16);", "Get", "u64"),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(is_one(one));
            assert!(!all[..index].contains(one), "{index}");
        }
        assert_eq!(all[0], print("type Long = u64; pub struct Get (u8,);", "self::Get", "Long"));
    }

    #[test]
    fn types_may_reach_themselves() {
        let shape =
            shape("struct V1 { next: Option<Box<V1>>, tree: Tree } enum Tree { Leaf, Node(Box<Tree>, Box<V1>) }");
        assert_eq!(shape.reached, ["Tree"]);
    }
}
