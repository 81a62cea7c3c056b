//! Whether the functions of `with` and `back` can be what they are named for, as far as their signatures are in the module.
//!
//! Only what is certainly wrong is refused here, with the signature to write; the rest the type checker compares.

use syn::{FnArg, GenericParam, Ident, Path, ReturnType, Safety, Signature, Type};

use crate::parse::Parsed;
use crate::scope::{Resolved, Scope, bare, is_primitive};

/// The function of the module that a path names, if there is no doubt which that is.
pub(super) fn function<'p>(parsed: &'p Parsed, path: &Path) -> Option<&'p Signature> {
    let name = match path.segments.iter().map(|segment| &segment.ident).collect::<Vec<_>>()[..] {
        [name] => name,
        [module, name] if module == "self" => name,
        _ => return None,
    };
    let is_it = |other: &&Ident| *other == name;
    let once = parsed.taken.iter().filter(is_it).count() == 1;
    parsed.unmarked.iter().find(|signature| once && signature.ident == *name)
}

/// Whether a function cannot be called as `fn(&Old) -> New`.
pub(super) fn is_unfit(scope: &Scope, function: &Signature, old: &Resolved, new: &Resolved) -> bool {
    // what a generic one becomes only the type checker knows
    if function.generics.params.iter().any(|param| !matches!(param, GenericParam::Lifetime(_))) {
        return false;
    }
    let [FnArg::Typed(taken)] = function.inputs.iter().collect::<Vec<_>>()[..] else { return true };
    function.asyncness.is_some()
        || matches!(function.safety, Safety::Unsafe(_))
        || takes_another(scope, &taken.ty, old)
        || gives_another(scope, &function.output, new)
}

fn takes_another(scope: &Scope, taken: &Type, old: &Resolved) -> bool {
    match bare(taken) {
        Type::Reference(reference) if reference.mutability.is_some() => true,
        Type::Reference(reference) => {
            let taken = scope.resolve(&reference.elem);
            differ(scope, &taken, old) && !may_deref(&old.key, &taken.key)
        }
        by_value => {
            let taken = scope.resolve(by_value);
            scope.is_settled(&taken) && !taken.key.starts_with('&')
        }
    }
}

fn gives_another(scope: &Scope, output: &ReturnType, new: &Resolved) -> bool {
    match output {
        ReturnType::Default => differ(scope, &scope.resolve(&syn::parse_quote!(())), new),
        ReturnType::Type(_, ty) => differ(scope, &scope.resolve(ty), new),
    }
}

fn differ(scope: &Scope, one: &Resolved, other: &Resolved) -> bool {
    one.key != other.key && scope.is_settled(one) && scope.is_settled(other)
}

/// Whether a reference to `old` may be given where one to `taken` is wanted: a `&str` is taken from a `String`.
fn may_deref(old: &str, taken: &str) -> bool {
    match old {
        "String" => taken == "str",
        _ if old.starts_with("Vec <") => taken.starts_with('['),
        _ => !is_taken_as_it_is(old),
    }
}

/// Whether a reference to this type is one to nothing else.
pub(super) fn is_taken_as_it_is(key: &str) -> bool {
    is_primitive(key) || ["(", "Option <", "Result <"].iter().any(|begin| key.starts_with(begin))
}
