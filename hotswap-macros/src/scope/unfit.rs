//! Types that cannot be saved and read back, as far as their tokens tell.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{GenericArgument, Type};

/// The first lifetime, function pointer or inferred part of a type, if it has one.
pub(crate) fn borrowed_or_pointer(ty: &Type) -> Option<Unfit> {
    struct Find(Option<Unfit>);
    impl<'ast> Visit<'ast> for Find {
        fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
            self.0.get_or_insert(Unfit::Borrows(reference.to_token_stream()));
        }
        fn visit_generic_argument(&mut self, argument: &'ast GenericArgument) {
            // `Cow<'static, str>` may own what it holds; whether it can be read back, the compiler asks
            if !matches!(argument, GenericArgument::Lifetime(lifetime) if lifetime.ident == "static") {
                visit::visit_generic_argument(self, argument);
            }
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
