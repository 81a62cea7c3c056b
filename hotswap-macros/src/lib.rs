//! The `#[machine]` attribute of hotswap; see the `hotswap` crate.

mod diag;
mod expand;
mod fingerprint;
mod model;
mod parse;
mod scope;
mod validate;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Item;

/// Makes a module of versions a machine; described at the re-export in `hotswap`.
#[proc_macro_attribute]
pub fn machine(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    machine_impl(args.into(), item.into()).into()
}

/// The whole macro, on tokens that exist outside the compiler too.
fn machine_impl(args: TokenStream, item: TokenStream) -> TokenStream {
    let parsed = match syn::parse2::<Item>(item.clone()) {
        Ok(item) => item,
        Err(error) => {
            // what is no item is for the compiler to explain, once
            let mut output = item;
            output.extend(error.to_compile_error());
            return output;
        }
    };
    let mut diag = diag::Diag::new();
    let mut output = match parse::parse(args, parsed, &mut diag) {
        Ok(parsed) => match validate::validate(parsed, &mut diag) {
            Ok(machine) => expand::expand(&machine),
            Err(wrong) => {
                let (module, sketch) = *wrong;
                expand::stub(&module, &sketch)
            }
        },
        Err(item) => item.into_token_stream(),
    };
    output.extend(diag.finish());
    output
}
