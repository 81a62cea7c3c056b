//! When two spellings are one type: every name spelt out, aliases and constants replaced by what they stand for.

use std::collections::BTreeMap;

use proc_macro2::Span;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Expr, GenericArgument, GenericParam, Generics, Ident, Lit, LitInt, Path, PathArguments, PathSegment, Stmt, Token,
    Type, TypePath, parse_quote,
};

use super::{Kind, Scope, TypeDecl, bare, names, plain, show, spell};

/// A type with every name in it resolved.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// Equal for equal types; not meant for people.
    pub(crate) key: String,
    /// The types of the module that are named in it.
    pub(crate) reached: Vec<String>,
    /// What comes from outside, primitive and standard types aside.
    pub(crate) leaves: Vec<String>,
    /// Every name of the module that says what it is: types, `use`s, aliases and constants.
    pub(crate) through: Vec<String>,
}

impl Scope {
    /// A type of the machine's own module, resolved.
    pub(crate) fn resolve(&self, ty: &Type) -> Resolved {
        Resolver::new(self, Vec::new(), BTreeMap::new()).resolve(ty)
    }

    /// A type as it is written in the declaration of another.
    pub(crate) fn resolve_in(&self, ty: &Type, decl: &TypeDecl) -> Resolved {
        Resolver::new(self, decl.within.clone(), own_names(decl)).resolve(ty)
    }

    /// Whether it is known without the type checker which type this is, so that one with another key is another type.
    pub(crate) fn is_settled(&self, resolved: &Resolved) -> bool {
        // aliases of the standard library, values that are worked out, types that are left open, lifetimes
        const OPEN: [&str; 7] = ["std ::", ";", "{", "!", "impl ", "dyn ", "'"];
        // what is left out of a generic type has a default
        let whole = |name: &String| self.types.get(name).is_some_and(|decl| decl.generics.params.is_empty());
        resolved.leaves.is_empty()
            && resolved.reached.iter().all(whole)
            && !OPEN.iter().any(|open| resolved.key.contains(open))
    }

    /// The type's key.
    pub(crate) fn key(&self, ty: &Type) -> String {
        self.resolve(ty).key
    }

    /// The key of a type as it is written in the declaration of another.
    pub(crate) fn key_in(&self, ty: &Type, decl: &TypeDecl) -> String {
        self.resolve_in(ty, decl).key
    }
}

/// What a name stands for: a parameter's argument, or `Self`.
type Bound = BTreeMap<String, GenericArgument>;

/// `Self` and the parameters, as the declaration itself means them.
fn own_names(decl: &TypeDecl) -> Bound {
    let mut path = local(decl.within.iter().map(String::as_str).chain([&*plain(&decl.ident)]));
    let (_, parameters, _) = decl.generics.split_for_impl();
    if let (false, Some(last)) = (decl.generics.params.is_empty(), path.segments.last_mut()) {
        last.arguments = PathArguments::AngleBracketed(parse_quote!(#parameters));
    }
    let mut bound = Bound::from([("Self".to_owned(), GenericArgument::Type(parse_quote!(#path)))]);
    for param in &decl.generics.params {
        match param {
            GenericParam::Type(syn::TypeParam { ident, .. }) => {
                bound.insert(plain(ident), GenericArgument::Type(parse_quote!(#ident)));
            }
            GenericParam::Const(syn::ConstParam { ident, .. }) => {
                bound.insert(plain(ident), GenericArgument::Const(parse_quote!(#ident)));
            }
            GenericParam::Lifetime(_) => {}
        }
    }
    bound
}

/// What an alias's parameters stand for in `Alias<…>`: the arguments in order, then the defaults, made ready by `default`.
fn arguments_of(generics: &Generics, path: &Path, mut default: impl FnMut(&mut GenericArgument)) -> Bound {
    let arguments = path.segments.last().map(|last| &last.arguments);
    let mut given: Vec<GenericArgument> = match arguments {
        Some(PathArguments::AngleBracketed(arguments)) => arguments.args.iter().cloned().collect(),
        _ => Vec::new(),
    };
    given.retain(|argument| !matches!(argument, GenericArgument::Lifetime(_)));
    let mut given = given.into_iter();
    let mut bound = Bound::new();
    for param in &generics.params {
        let (ident, otherwise) = match param {
            GenericParam::Lifetime(_) => continue,
            GenericParam::Type(param) => (&param.ident, param.default.clone().map(|(_, ty)| GenericArgument::Type(ty))),
            GenericParam::Const(param) => {
                (&param.ident, param.default.clone().map(|(_, value)| GenericArgument::Const(value)))
            }
        };
        let argument = given.next().or_else(|| {
            let mut argument = otherwise?;
            default(&mut argument);
            Some(argument)
        });
        if let Some(argument) = argument {
            bound.insert(plain(ident), argument);
        }
    }
    bound
}

/// The target of an alias with the arguments in the place of its parameters, as a person would write it.
pub(super) fn substituted(target: &Type, generics: &Generics, path: &Path) -> Type {
    struct Substitute(Bound);
    impl VisitMut for Substitute {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if let Type::Path(TypePath { qself: None, path, .. }) = ty
                && let Some(GenericArgument::Type(bound)) = path.get_ident().and_then(|name| self.0.get(&plain(name)))
            {
                *ty = bound.clone();
            } else {
                visit_mut::visit_type_mut(self, ty);
            }
        }
    }
    let mut target = bare(target).clone();
    Substitute(arguments_of(generics, path, |_| {})).visit_type_mut(&mut target);
    target
}

struct Resolver<'s> {
    scope: &'s Scope,
    within: Vec<String>,
    /// Resolved already.
    bound: Bound,
    /// The aliases and constants that are being replaced: one that leads to itself stays as it is.
    inside: Vec<String>,
    found: Resolved,
}

impl<'s> Resolver<'s> {
    fn new(scope: &'s Scope, within: Vec<String>, bound: Bound) -> Self {
        Self { scope, within, bound, inside: Vec::new(), found: Resolved::default() }
    }

    fn resolve(mut self, ty: &Type) -> Resolved {
        let mut ty = ty.clone();
        self.visit_type_mut(&mut ty);
        Resolved { key: spell(ty.to_token_stream()), ..self.found }
    }

    fn bound(&self, path: &Path) -> Option<&GenericArgument> {
        path.get_ident().and_then(|name| self.bound.get(&plain(name)))
    }

    /// Goes on inside the definition of `name`, where other names are known.
    fn enter<T>(&mut self, name: String, within: Vec<String>, bound: Bound, visit: impl FnOnce(&mut Self) -> T) -> T {
        let outer = (std::mem::replace(&mut self.within, within), std::mem::replace(&mut self.bound, bound));
        self.inside.push(name);
        let visited = visit(self);
        self.inside.pop();
        (self.within, self.bound) = outer;
        visited
    }

    /// Spells out a path whose arguments are resolved, or gives the type that it is an alias of.
    fn path(&mut self, path: &mut Path) -> Option<Type> {
        let scope = self.scope;
        let arguments = path.segments.last().map(|last| last.arguments.clone()).unwrap_or_default();
        let mut spelt = match scope.look_up(path, &self.within, &mut self.found.through) {
            Ok(name) => {
                if let Some(TypeDecl { kind: Kind::Alias(target), generics, within, .. }) = scope.types.get(&name)
                    && !self.inside.contains(&name)
                {
                    return Some(self.enter(name, within.clone(), Bound::new(), |inner| {
                        let mut target = (**target).clone();
                        inner.bound = arguments_of(generics, path, |default| inner.visit_generic_argument_mut(default));
                        inner.visit_type_mut(&mut target);
                        target
                    }));
                }
                let spelt = local(name.split("::"));
                self.found.reached.push(name);
                spelt
            }
            Err(names) => {
                let names = standard(names);
                self.leaf(&names);
                spell_out(names.iter().map(String::as_str))
            }
        };
        if let Some(last) = spelt.segments.last_mut() {
            last.arguments = arguments;
        }
        *path = spelt;
        None
    }

    fn leaf(&mut self, names: &[String]) {
        let known = names.first().is_some_and(|first| self.bound.contains_key(first) || first == "Self");
        if !known && !is_standard(names) {
            self.found.leaves.push(names.join("::"));
        }
    }

    /// The value of a constant of the module.
    fn constant(&mut self, path: &Path) -> Option<Expr> {
        let scope = self.scope;
        let mut through = Vec::new();
        let (mut path, mut within) = (names(path), self.within.as_slice());
        if path.len() > 1
            && let Some(GenericArgument::Type(Type::Path(of))) = self.bound.get(&path[0])
        {
            // what is bound is spelt from the machine's module
            path.splice(..1, names(&of.path));
            within = &[];
        }
        let (within, rest) = scope.follow(path, within, true, &mut through);
        let name = super::join(&within, rest.join("::"));
        let constant = scope.consts.get(&name).filter(|_| !self.inside.contains(&name))?;
        self.found.through.append(&mut through);
        self.found.through.push(name.clone());
        let mut value = constant.value.clone();
        let of = constant.of.as_ref().and_then(|of| scope.decl_in(of, &constant.within));
        let bound = of.map(own_names).unwrap_or_default();
        self.enter(name, constant.within.clone(), bound, |inner| inner.visit_expr_mut(&mut value));
        Some(if is_atom(&value) { value } else { parse_quote!((#value)) })
    }
}

impl VisitMut for Resolver<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        while let Type::Group(_) | Type::Paren(_) = ty {
            *ty = bare(ty).clone();
        }
        if let Type::Path(TypePath { qself: None, path, .. }) = ty {
            if let Some(bound) = self.bound(path) {
                if let GenericArgument::Type(bound) = bound {
                    *ty = bound.clone();
                }
                return;
            }
            self.visit_path_mut(path);
            // `T::Item` is the type checker's
            let of_bound = path.segments.first().is_some_and(|first| self.bound.contains_key(&plain(&first.ident)));
            if !of_bound && let Some(target) = self.path(path) {
                *ty = target;
            }
            return;
        }
        if let Type::Path(TypePath { qself: Some(_), .. }) = ty {
            // which type that is only the type checker knows
            self.found.leaves.push(show(ty));
        }
        visit_mut::visit_type_mut(self, ty);
    }

    fn visit_type_tuple_mut(&mut self, tuple: &mut syn::TypeTuple) {
        visit_mut::visit_type_tuple_mut(self, tuple);
        tuple.elems.pop_punct();
        if tuple.elems.len() == 1 {
            tuple.elems.push_punct(<Token![,]>::default());
        }
    }

    // what a path is is decided with its type; only its arguments are left
    fn visit_path_mut(&mut self, path: &mut Path) {
        for segment in &mut path.segments {
            self.visit_path_arguments_mut(&mut segment.arguments);
            if matches!(&segment.arguments, PathArguments::AngleBracketed(arguments) if arguments.args.is_empty()) {
                segment.arguments = PathArguments::None;
            }
        }
    }

    fn visit_angle_bracketed_generic_arguments_mut(&mut self, arguments: &mut syn::AngleBracketedGenericArguments) {
        visit_mut::visit_angle_bracketed_generic_arguments_mut(self, arguments);
        arguments.colon2_token = None;
        arguments.args.pop_punct();
    }

    fn visit_generic_argument_mut(&mut self, argument: &mut GenericArgument) {
        // the name of a constant looks like that of a type
        if let GenericArgument::Type(Type::Path(TypePath { qself: None, path, .. })) = argument {
            if let Some(bound) = self.bound(path) {
                *argument = bound.clone();
                return;
            }
            if let Some(value) = self.constant(path) {
                *argument = GenericArgument::Const(value);
                return;
            }
        }
        visit_mut::visit_generic_argument_mut(self, argument);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        while let Some(inner) = inside_of(expr) {
            *expr = inner;
        }
        let Expr::Path(syn::ExprPath { qself: None, path, .. }) = expr else {
            return visit_mut::visit_expr_mut(self, expr);
        };
        if let Some(bound) = self.bound(path) {
            if let GenericArgument::Const(value) = bound {
                *expr = value.clone();
            }
        } else if let Some(value) = self.constant(path) {
            *expr = value;
        } else {
            self.visit_path_mut(path);
            let (_, names) = self.scope.follow(names(path), &self.within, true, &mut self.found.through);
            self.leaf(&standard(names));
        }
    }

    fn visit_lit_mut(&mut self, lit: &mut Lit) {
        if let Lit::Int(int) = lit {
            *int = LitInt::new(int.base10_digits(), Span::call_site());
        }
    }
}

/// What stands in a group, or in braces or parentheses that make no difference.
fn inside_of(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Group(group) if is_atom(&group.expr) => Some((*group.expr).clone()),
        Expr::Group(group) => {
            let inner = &group.expr;
            Some(parse_quote!((#inner)))
        }
        Expr::Paren(paren) if is_atom(&paren.expr) => Some((*paren.expr).clone()),
        Expr::Block(block) => match block.block.stmts.as_slice() {
            [Stmt::Expr(expr, None)] if is_atom(expr) => Some(expr.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn is_atom(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(_) | Expr::Path(_) | Expr::Paren(_) => true,
        Expr::Group(group) => is_atom(&group.expr),
        _ => false,
    }
}

/// `self::inner::Price`, from the machine's module.
fn local<'n>(names: impl Iterator<Item = &'n str>) -> Path {
    spell_out(["self"].into_iter().chain(names))
}

fn spell_out<'n>(names: impl Iterator<Item = &'n str>) -> Path {
    let mut path = Path { leading_colon: None, segments: Punctuated::new() };
    for name in names {
        if name.is_empty() {
            path.leading_colon = Some(<Token![::]>::default());
        } else {
            path.segments
                .push(PathSegment { ident: Ident::new(name, Span::call_site()), arguments: PathArguments::None });
        }
    }
    path
}

/// One name for each standard type, by whichever of its paths it is called.
fn standard(mut names: Vec<String>) -> Vec<String> {
    let rooted = usize::from(names.first().is_some_and(String::is_empty));
    if !names.get(rooted).is_some_and(|root| ROOTS.contains(&root.as_str())) {
        return names;
    }
    names.drain(..=rooted);
    let path: Vec<&str> = names.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["string", name @ "String"]
        | ["vec", name @ "Vec"]
        | ["option", name @ "Option"]
        | ["result", name @ "Result"]
        | ["boxed", name @ "Box"]
        | ["primitive", name] => vec![(*name).to_owned()],
        // `std::collections::btree_map::BTreeMap`
        ["collections", _, name] => ["std", "collections", name].map(str::to_owned).to_vec(),
        _ => ["std"].into_iter().chain(path).map(str::to_owned).collect(),
    }
}

const ROOTS: [&str; 3] = ["std", "core", "alloc"];

const PRIMITIVE: [&str; 16] = [
    "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32",
    "f64",
];

/// Whether the encoding is settled by the name: primitives and what the standard library has.
fn is_standard(path: &[String]) -> bool {
    const PRELUDE: [&str; 6] = ["str", "String", "Vec", "Option", "Result", "Box"];
    match path {
        // also `u8::MAX`
        [first, ..] if is_primitive(first) => true,
        [one] => PRELUDE.contains(&one.as_str()),
        [root, ..] => ROOTS.contains(&root.as_str()),
        [] => true,
    }
}

/// Whether a type is a primitive, whose `Default` is not the user's code.
pub(crate) fn is_primitive(key: &str) -> bool {
    PRIMITIVE.contains(&key)
}
