//! `AnyInput` and `AnyOutput`: the tagged enums of inputs and outputs, encoded by name.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::Type;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::{Context, Names, mixed};
use crate::model::Input;

/// Both enums.
pub(super) fn types(cx: Context) -> TokenStream {
    let Names { any_input, any_output, options, .. } = cx.names;
    let input = format!("An input of machine `{}`.", options.name);
    let output = format!("What a step of machine `{}` gave back, by the input that it answers.", options.name);
    let inputs = enum_of(cx, any_input, &input, |of| (format!("The input `{of}`."), |input| &input.ty));
    let outputs = enum_of(cx, any_output, &output, |of| (format!("The output of `{of}`."), |input| &input.output));
    mixed!(#inputs #outputs)
}

fn enum_of(
    cx: Context,
    name: &Ident,
    doc: &str,
    describe: impl Fn(String) -> (String, fn(&Input) -> &Type),
) -> TokenStream {
    let (derive, allow_deprecated) = (cx.names.derive(), &cx.names.allow_deprecated);
    let variants = cx.machine.inputs.iter().map(|input| {
        let (doc, payload) = describe(tag(input));
        let (cfg, variant, payload) = (&input.cfg, &input.variant, payload(input));
        mixed!(#(#cfg)* #[doc = #doc] #variant(#payload))
    });
    mixed! {
        #[doc = #doc]
        #derive
        #allow_deprecated
        #[allow(private_interfaces, clippy::type_complexity)]
        pub enum #name { #(#variants,)* }
    }
}

/// The name of an input in encodings and tables.
pub(super) fn tag(input: &Input) -> String {
    input.variant.unraw().to_string()
}

/// Encoding.
pub(super) fn impls(cx: Context) -> TokenStream {
    let Names { any_input, any_output, .. } = cx.names;
    let inputs = encoding(cx, any_input, "an input", "input");
    let outputs = encoding(cx, any_output, "an output", "output for input");
    mixed!(#inputs #outputs)
}

/// What only the type checker knows of inputs and outputs, asked on the user's own tokens.
pub(super) fn checks(cx: Context) -> TokenStream {
    let checks = cx.machine.inputs.iter().map(|Input { cfg, ty, output, .. }| {
        let input = quote_spanned!(ty.span()=> #(#cfg)* __hotswap::input::<#ty>(););
        let output = quote_spanned!(output.span()=> #(#cfg)* __hotswap::output::<#output>(););
        mixed!(#input #output)
    });
    mixed!(#(#checks)*)
}

/// From each input type to `AnyInput`.
pub(super) fn conversions(cx: Context) -> TokenStream {
    let any_input = &cx.names.any_input;
    let variants = cx.machine.inputs.iter().map(|Input { cfg, ty, variant, .. }| mixed!(#(#cfg)* #ty => #variant));
    mixed!(__hotswap::from_inputs! { #any_input { #(#variants,)* } })
}

/// `[name, value]`, both ways.
fn encoding(cx: Context, any: &Ident, a: &str, what: &str) -> TokenStream {
    let Names { options, .. } = cx.names;
    let machine = &options.name;
    let expected = format!("{a} of machine `{machine}`");
    let variants = cx.machine.inputs.iter().map(|input| {
        let (cfg, variant, tag) = (&input.cfg, &input.variant, tag(input));
        mixed!(#(#cfg)* #tag => #variant)
    });
    mixed! {
        __hotswap::encoding! {
            #any of #machine, #expected, #what, str { #(#variants,)* }
        }
    }
}
