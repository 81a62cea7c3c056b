//! What the names in the user's module mean: its types, its constants and its `use`s.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{
    Attribute, Expr, GenericArgument, Generics, Ident, ImplItem, Item, Member, Path, PathArguments, Type, TypePath,
    UseTree,
};

use crate::parse::Marker;

mod resolve;
mod text;
mod unfit;

pub(crate) use resolve::{Resolved, is_primitive};
pub(crate) use text::{show, spell};
pub(crate) use unfit::{Unfit, borrowed_or_pointer};

/// The types, constants and `use`s of a module and of the inline modules in it, by path: `Order`, `inner::Price`.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub(crate) types: BTreeMap<String, TypeDecl>,
    consts: BTreeMap<String, Constant>,
    uses: BTreeMap<String, Vec<String>>,
    /// By module: the paths before a `::*`.
    globs: BTreeMap<String, Vec<Vec<String>>>,
    modules: BTreeSet<String>,
    /// The second of two definitions of one name, of which `cfg`s choose.
    pub(crate) twice: BTreeMap<String, Ident>,
    /// What an `impl Drop` is for, and the inline modules that the impl stands in.
    dropping: Vec<(Type, Vec<String>)>,
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

/// A constant of the module or of a type of it: it may be an array's length.
#[derive(Debug)]
struct Constant {
    value: Expr,
    within: Vec<String>,
    /// The type whose constant it is, as the `impl` names it.
    of: Option<Type>,
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

impl Scope {
    /// Takes in an item that stands in the inline modules `within`; types come by [`Scope::declare`].
    pub(crate) fn item(&mut self, item: &Item, within: &[String]) {
        match item {
            Item::Use(item) => {
                let mut path = Vec::new();
                if item.leading_colon.is_some() {
                    path.push(String::new());
                }
                self.take_use(&item.tree, path, within, has_cfg(&item.attrs));
            }
            Item::Mod(item) => drop(self.modules.insert(join(within, &item.ident))),
            Item::Const(item) => {
                let name = join(within, &item.ident);
                self.constant(name, &item.ident, &item.attrs, &item.expr, None, within);
            }
            Item::Impl(item) => {
                let of = item.trait_.as_ref().and_then(|(path, _)| path.segments.last());
                if of.is_some_and(|of| of.ident == "Drop") {
                    self.dropping.push(((*item.self_ty).clone(), within.to_vec()));
                }
                if let (None, Type::Path(of)) = (&item.trait_, &*item.self_ty) {
                    for item in &item.items {
                        if let ImplItem::Const(item) = item {
                            let name = join(within, format!("{}::{}", names(&of.path).join("::"), plain(&item.ident)));
                            self.constant(name, &item.ident, &item.attrs, &item.expr, Some(of), within);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    pub(crate) fn declare(&mut self, decl: TypeDecl) {
        match self.types.entry(join(&decl.within, &decl.ident)) {
            Entry::Vacant(free) => {
                free.insert(decl);
            }
            Entry::Occupied(taken) if has_cfg(&decl.attrs) => {
                self.twice.entry(taken.key().clone()).or_insert(decl.ident);
            }
            Entry::Occupied(_) => {}
        }
    }

    fn constant(
        &mut self,
        name: String,
        ident: &Ident,
        attrs: &[Attribute],
        value: &Expr,
        of: Option<&TypePath>,
        within: &[String],
    ) {
        if self.consts.contains_key(&name) && has_cfg(attrs) {
            self.twice.entry(name).or_insert_with(|| ident.clone());
        } else {
            let of = of.cloned().map(Type::Path);
            self.consts.insert(name, Constant { value: value.clone(), within: within.to_vec(), of });
        }
    }

    fn take_use(&mut self, tree: &UseTree, mut path: Vec<String>, within: &[String], cfg: bool) {
        let (ident, name) = match tree {
            UseTree::Path(tree) => {
                path.push(plain(&tree.ident));
                return self.take_use(&tree.tree, path, within, cfg);
            }
            UseTree::Group(tree) => {
                return tree.items.iter().for_each(|tree| self.take_use(tree, path.clone(), within, cfg));
            }
            UseTree::Glob(_) => return self.globs.entry(join(within, "")).or_default().push(path),
            UseTree::Name(tree) => (&tree.ident, &tree.ident),
            UseTree::Rename(tree) => (&tree.ident, &tree.rename),
        };
        if ident != "self" {
            path.push(plain(ident));
        }
        let whole = match path.last() {
            Some(last) if name == "self" => join(within, last),
            _ => join(within, name),
        };
        if self.uses.contains_key(&whole) && cfg {
            self.twice.entry(whole).or_insert_with(|| name.clone());
        } else {
            self.uses.insert(whole, path);
        }
    }

    /// Follows a path through `use`s and inline modules as far as they are known: where it comes to, and what is left.
    /// The names that are passed on the way are added to `through`.
    fn follow(
        &self,
        mut path: Vec<String>,
        within: &[String],
        globs: bool,
        through: &mut Vec<String>,
    ) -> (Vec<String>, Vec<String>) {
        let mut within = within.to_vec();
        // as many turns as there can be `use`s and modules on the way; `use`s that go in a circle stop here
        for _ in 0..32 {
            let Some(first) = path.first() else { break };
            match first.as_str() {
                "self" => drop(path.remove(0)),
                "super" if within.pop().is_some() => drop(path.remove(0)),
                "super" | "crate" | "" => break,
                _ => {
                    let Some(home) = self.home(first, &within, globs, &mut BTreeSet::new()) else { break };
                    within = home;
                    let name = join(&within, first);
                    through.push(name.clone());
                    if self.is_type(&name) || self.consts.contains_key(&name) {
                        break;
                    } else if self.modules.contains(&name) {
                        within.push(path.remove(0));
                    } else if let Some(target) = self.uses.get(&name) {
                        // in `use serde;` and `use rand::rand;` the first name is a crate's
                        let of_a_crate = target.first() == Some(first);
                        path.splice(..1, target.iter().cloned());
                        if of_a_crate {
                            break;
                        }
                    } else {
                        break;
                    }
                }
            }
        }
        (within, path)
    }

    /// The inline module that has this name: this one, or one from which a glob takes it in.
    fn home(&self, name: &str, within: &[String], globs: bool, seen: &mut BTreeSet<String>) -> Option<Vec<String>> {
        let whole = join(within, name);
        if self.types.contains_key(&whole)
            || self.consts.contains_key(&whole)
            || self.uses.contains_key(&whole)
            || self.modules.contains(&whole)
        {
            return Some(within.to_vec());
        }
        let module = join(within, "");
        if !globs || !seen.insert(module.clone()) {
            return None;
        }
        self.globs.get(&module)?.iter().find_map(|glob| {
            let (module, rest) = self.follow(glob.clone(), within, false, &mut Vec::new());
            if rest.is_empty() { self.home(name, &module, true, seen) } else { None }
        })
    }

    /// Whether a type of the module has this name; one that a `use` takes in is what it leads to.
    fn is_type(&self, name: &str) -> bool {
        self.types.get(name).is_some_and(|decl| !matches!(decl.kind, Kind::Unseen("use")))
    }

    /// What a path means: `Ok` with the name of a type of the module, or `Err` with the path as far as it is known.
    fn look_up(&self, path: &Path, within: &[String], through: &mut Vec<String>) -> Result<String, Vec<String>> {
        let (within, rest) = self.follow(names(path), within, true, through);
        let name = join(&within, rest.join("::"));
        if self.is_type(&name) { Ok(name) } else { Err(rest) }
    }

    /// The type of the machine's own module that has this name.
    pub(crate) fn named(&self, ident: &Ident) -> Option<&TypeDecl> {
        self.types.get(&plain(ident))
    }

    /// The type of the module that this path names, if it names one.
    pub(crate) fn decl(&self, ty: &Type) -> Option<&TypeDecl> {
        self.decl_in(ty, &[])
    }

    fn decl_in(&self, ty: &Type, within: &[String]) -> Option<&TypeDecl> {
        let Type::Path(TypePath { qself: None, path, .. }) = bare(ty) else { return None };
        self.look_up(path, within, &mut Vec::new()).ok().and_then(|name| self.types.get(&name))
    }

    /// Whether an `impl Drop` for this type stands in the module.
    pub(crate) fn has_drop(&self, decl: &TypeDecl) -> bool {
        let drops = |(ty, within): &(Type, Vec<String>)| {
            self.decl_in(ty, within).is_some_and(|other| other.ident == decl.ident && other.within == decl.within)
        };
        self.dropping.iter().any(drops)
    }

    /// `Option<T>`'s or `Result<T, ..>`'s arguments, if this is one by name, by a `use` or by an alias of the module.
    pub(crate) fn arguments(&self, ty: &Type, name: &str) -> Option<Vec<Type>> {
        let mut ty = bare(ty).clone();
        // as many turns as there can be aliases on the way; one of itself stops here
        for _ in 0..8 {
            let Some(decl) = self.decl(&ty) else { break };
            let (Kind::Alias(target), Type::Path(path)) = (&decl.kind, &ty) else { return None };
            ty = resolve::substituted(target, &decl.generics, &path.path);
        }
        let Type::Path(TypePath { qself: None, path, .. }) = &ty else { return None };
        let called = self.look_up(path, &[], &mut Vec::new()).err()?;
        let last = path.segments.last().filter(|_| called.last().is_some_and(|called| called == name))?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Some(Vec::new()) };
        let types = arguments.args.iter().filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty.clone()),
            _ => None,
        });
        Some(types.collect())
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

/// The names of a path; the first is empty if it begins with `::`.
fn names(path: &Path) -> Vec<String> {
    let root = path.leading_colon.map(|_| String::new());
    root.into_iter().chain(path.segments.iter().map(|segment| plain(&segment.ident))).collect()
}

/// A name without `r#`.
fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

fn join(within: &[String], name: impl std::fmt::Display) -> String {
    let mut path = within.join("::");
    if !path.is_empty() {
        path.push_str("::");
    }
    (path + &name.to_string()).replace("r#", "")
}

fn has_cfg(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident("cfg"))
}
