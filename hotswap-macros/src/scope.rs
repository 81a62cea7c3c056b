//! What the names in the user's module mean: its types, its `use`s, and when two spellings are one type.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, GenericArgument, Generics, Ident, Item, Member, PathArguments, Type, TypePath, UseTree};

use crate::parse::Marker;

/// The types and `use`s of a module and of the inline modules in it, by path: `Order`, `inner::Price`.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub(crate) types: BTreeMap<String, TypeDecl>,
    uses: BTreeMap<String, Vec<String>>,
    modules: BTreeSet<String>,
    /// The types with an `impl Drop` beside them.
    pub(crate) dropping: BTreeSet<String>,
}

/// A type of the module.
#[derive(Debug)]
pub(crate) struct TypeDecl {
    pub(crate) ident: Ident,
    /// The inline modules it stands in, from the machine's module down.
    pub(crate) within: Vec<String>,
    pub(crate) generics: Generics,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) kind: Kind,
}

/// What a type is made of.
#[derive(Debug)]
pub(crate) enum Kind {
    Struct(Vec<FieldDecl>),
    Enum(Vec<VariantDecl>),
    /// A `type` item.
    Alias(Box<Type>),
    /// A union, or a type taken in with `use`: its fields are not to be seen.
    Unseen(&'static str),
}

#[derive(Debug)]
pub(crate) struct VariantDecl {
    pub(crate) ident: Ident,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) marker: Marker,
    pub(crate) fields: Vec<FieldDecl>,
}

#[derive(Debug)]
pub(crate) struct FieldDecl {
    pub(crate) member: Member,
    pub(crate) ty: Type,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) marker: Marker,
}

impl FieldDecl {
    /// The smallest token that is this field: its name, or in a tuple its type.
    pub(crate) fn at(&self) -> &dyn ToTokens {
        match &self.member {
            Member::Named(name) => name,
            Member::Unnamed(_) => &self.ty,
        }
    }
}

/// A type with every name in it resolved.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// Equal for equal types; not meant for people.
    pub(crate) key: String,
    /// The types of the module that are named in it.
    pub(crate) reached: Vec<String>,
    /// The types from outside, primitive and standard ones aside.
    pub(crate) leaves: Vec<String>,
}

impl Scope {
    /// Takes in an item that stands in the inline modules `within`; types come by [`Scope::declare`].
    pub(crate) fn item(&mut self, item: &Item, within: &[String]) {
        match item {
            Item::Use(item) => {
                let mut path = Vec::new();
                if item.leading_colon.is_some() {
                    path.push(String::new());
                }
                self.take_use(&item.tree, path, within);
            }
            Item::Mod(item) => drop(self.modules.insert(join(within, &item.ident))),
            Item::Impl(item) => {
                let of_drop = item.trait_.as_ref().and_then(|(path, _)| path.segments.last());
                if let (Some(last), Type::Path(ty)) = (of_drop, &*item.self_ty)
                    && last.ident == "Drop"
                    && let Some(name) = ty.path.get_ident()
                {
                    self.dropping.insert(join(within, name));
                }
            }
            _ => {}
        }
    }

    pub(crate) fn declare(&mut self, decl: TypeDecl) {
        self.types.entry(join(&decl.within, &decl.ident)).or_insert(decl);
    }

    fn take_use(&mut self, tree: &UseTree, mut path: Vec<String>, within: &[String]) {
        match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.take_use(&tree.tree, path, within);
            }
            UseTree::Name(tree) if tree.ident == "self" => {
                if let Some(name) = path.last() {
                    self.uses.insert(join(within, name), path);
                }
            }
            UseTree::Name(tree) => {
                path.push(tree.ident.to_string());
                self.uses.insert(join(within, &tree.ident), path);
            }
            UseTree::Rename(tree) => {
                if tree.ident != "self" {
                    path.push(tree.ident.to_string());
                }
                self.uses.insert(join(within, &tree.rename), path);
            }
            UseTree::Group(tree) => tree.items.iter().for_each(|tree| self.take_use(tree, path.clone(), within)),
            UseTree::Glob(_) => {}
        }
    }

    /// What a path means: `Ok` with the name of a type of the module, or `Err` with the path as far as it is known.
    fn look_up(&self, mut path: Vec<String>, within: &[String]) -> Result<String, Vec<String>> {
        let mut within = within.to_vec();
        // as many turns as there can be `use`s and modules on the way; a `use` that names itself stops here
        for _ in 0..32 {
            let Some(first) = path.first() else { break };
            match first.as_str() {
                "self" => drop(path.remove(0)),
                "super" if within.pop().is_some() => drop(path.remove(0)),
                "super" | "crate" | "" => break,
                _ => {
                    let name = join(&within, first);
                    let whole = join(&within, path.join("::"));
                    if self.types.get(&whole).is_some_and(|decl| !matches!(decl.kind, Kind::Unseen("use"))) {
                        return Ok(whole);
                    } else if let Some(target) = self.uses.get(&name) {
                        if target.len() == 1 && target[0] == *first {
                            break;
                        }
                        path.splice(..1, target.iter().cloned());
                    } else if self.modules.contains(&name) && path.len() > 1 {
                        within.push(path.remove(0));
                    } else {
                        break;
                    }
                }
            }
        }
        Err(path)
    }

    /// A type of the machine's own module, resolved.
    pub(crate) fn resolve(&self, ty: &Type) -> Resolved {
        self.resolve_in(ty, &[])
    }

    /// A type as it is written in the inline modules `within`.
    pub(crate) fn resolve_in(&self, ty: &Type, within: &[String]) -> Resolved {
        let mut ty = ty.clone();
        let mut resolver = Resolver { scope: self, within, reached: Vec::new(), leaves: Vec::new(), depth: 0 };
        resolver.visit_type_mut(&mut ty);
        Resolved { key: spell(ty.to_token_stream()), reached: resolver.reached, leaves: resolver.leaves }
    }

    /// The type's key.
    pub(crate) fn key(&self, ty: &Type) -> String {
        self.resolve(ty).key
    }

    /// The type of the module that this path names, if it names one.
    pub(crate) fn decl(&self, ty: &Type) -> Option<&TypeDecl> {
        let Type::Path(TypePath { qself: None, path, .. }) = bare(ty) else { return None };
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.look_up(names, &[]).ok().and_then(|name| self.types.get(&name))
    }

    /// `Option<T>`'s or `Result<T, ..>`'s arguments, if this is one by name and not a type of the module.
    pub(crate) fn arguments<'t>(&self, ty: &'t Type, name: &str) -> Option<Vec<&'t Type>> {
        let Type::Path(TypePath { qself: None, path, .. }) = bare(ty) else { return None };
        let last = path.segments.last().filter(|last| last.ident == name)?;
        if self.decl(ty).is_some() {
            return None;
        }
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Some(Vec::new()) };
        let types = arguments.args.iter().filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        });
        Some(types.collect())
    }
}

struct Resolver<'s> {
    scope: &'s Scope,
    within: &'s [String],
    reached: Vec<String>,
    leaves: Vec<String>,
    depth: usize,
}

impl VisitMut for Resolver<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        while let Type::Group(_) | Type::Paren(_) = ty {
            *ty = bare(ty).clone();
        }
        if let Type::Path(path) = ty
            && path.qself.is_none()
            && self.depth < 32
            && let Some(alias) = self.path(path)
        {
            // an alias stands for its type, which is written where the alias is
            *ty = alias.clone();
            self.depth += 1;
            self.visit_type_mut(ty);
            self.depth -= 1;
            return;
        }
        visit_mut::visit_type_mut(self, ty);
    }

    // what a path is has been decided with its type; only its arguments are left
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        for segment in &mut path.segments {
            self.visit_path_arguments_mut(&mut segment.arguments);
        }
    }
}

impl<'s> Resolver<'s> {
    /// Spells the path out, or gives the type that it is an alias of.
    fn path(&mut self, ty: &mut TypePath) -> Option<&'s Type> {
        let segments = &ty.path.segments;
        let mut names: Vec<String> = segments.iter().map(|segment| segment.ident.to_string()).collect();
        if ty.path.leading_colon.is_some() {
            names.insert(0, String::new());
        }
        let arguments = segments.last().map(|last| last.arguments.clone()).unwrap_or_default();
        let names = match self.scope.look_up(names, self.within) {
            Ok(name) => {
                let scope: &'s Scope = self.scope;
                if let Some(TypeDecl { kind: Kind::Alias(target), generics, .. }) = scope.types.get(&name)
                    && generics.params.is_empty()
                {
                    return Some(target);
                }
                let mut names = vec!["self".to_owned()];
                names.extend(name.split("::").map(str::to_owned));
                self.reached.push(name);
                names
            }
            Err(names) => {
                if !is_standard(&names) {
                    self.leaves.push(names.join("::"));
                }
                names
            }
        };
        let mut path = syn::Path { leading_colon: None, segments: syn::punctuated::Punctuated::new() };
        for name in names {
            if name.is_empty() {
                path.leading_colon = Some(<syn::Token![::]>::default());
            } else {
                let ident = match name.strip_prefix("r#") {
                    Some(raw) => Ident::new_raw(raw, Span::call_site()),
                    None => Ident::new(&name, Span::call_site()),
                };
                path.segments.push(syn::PathSegment { ident, arguments: PathArguments::None });
            }
        }
        if let Some(last) = path.segments.last_mut() {
            last.arguments = arguments;
        }
        ty.path = path;
        None
    }
}

/// A type without the groups and parentheses around it.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        _ => ty,
    }
}

/// Whether the encoding of a type is settled by its name: primitives and what the standard library has.
fn is_standard(path: &[String]) -> bool {
    const PRELUDE: [&str; 22] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
        "f32", "f64", "String", "Vec", "Option", "Result", "Box",
    ];
    match path {
        [one] => PRELUDE.contains(&one.as_str()),
        [root, next, ..] if root.is_empty() => ["std", "core", "alloc"].contains(&next.as_str()),
        [root, ..] => ["std", "core", "alloc"].contains(&root.as_str()),
        [] => true,
    }
}

/// Whether a type is a primitive, whose `Default` is not the user's code.
pub(crate) fn is_primitive(key: &str) -> bool {
    const PRIMITIVE: [&str; 16] = [
        "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32",
        "f64",
    ];
    PRIMITIVE.contains(&key)
}

/// Tokens one by one with a space between: the same text however the source was spaced.
pub(crate) fn spell(tokens: TokenStream) -> String {
    let mut text = String::new();
    spell_into(tokens, &mut text);
    text
}

fn spell_into(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        if !text.is_empty() {
            text.push(' ');
        }
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                spell_into(group.stream(), text);
                text.push_str(close);
            }
            other => text.push_str(&other.to_string()),
        }
    }
}

/// A type or path as a person would write it, for messages.
pub(crate) fn show(tokens: &impl ToTokens) -> String {
    let mut text = spell(tokens.to_token_stream());
    for (spaced, tight) in [
        ("# [", "#["),
        ("[ ", "["),
        (" : : ", "::"),
        (": : ", "::"),
        ("- >", "->"),
        (" < ", "<"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        (" ;", ";"),
        (" :", ":"),
        (" (", "("),
        ("( ", "("),
        ("' ", "'"),
    ] {
        text = text.replace(spaced, tight);
    }
    text.replace("->", "-> ").replace("->  ", "-> ")
}

fn join(within: &[String], name: impl std::fmt::Display) -> String {
    let mut path = within.join("::");
    if !path.is_empty() {
        path.push_str("::");
    }
    path + &name.to_string()
}

/// The first lifetime, function pointer or inferred part of a type, if it has one.
pub(crate) fn borrowed_or_pointer(ty: &Type) -> Option<Unfit> {
    struct Find(Option<Unfit>);
    impl<'ast> Visit<'ast> for Find {
        fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
            self.0.get_or_insert(Unfit::Borrows(reference.to_token_stream()));
        }
        fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
            self.0.get_or_insert(Unfit::Borrows(lifetime.to_token_stream()));
        }
        fn visit_type_fn_ptr(&mut self, pointer: &'ast syn::TypeFnPtr) {
            self.0.get_or_insert(Unfit::Function(pointer.to_token_stream()));
        }
        fn visit_type(&mut self, ty: &'ast Type) {
            match ty {
                Type::ImplTrait(_) | Type::TraitObject(_) => {
                    self.0.get_or_insert(Unfit::Open(ty.to_token_stream()));
                }
                _ => visit::visit_type(self, ty),
            }
        }
    }
    let mut find = Find(None);
    find.visit_type(ty);
    find.0
}

/// Why a type cannot be saved and read back, as far as its tokens tell.
#[derive(Debug)]
pub(crate) enum Unfit {
    Borrows(TokenStream),
    Function(TokenStream),
    /// `impl Trait` or `dyn Trait`.
    Open(TokenStream),
}
