//! `AnyInput` and `AnyOutput`: the tagged enums of inputs and outputs, encoded by name.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Type};

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
    let derive = cx.names.derive();
    let variants = cx.machine.inputs.iter().map(|input| {
        let (doc, payload) = describe(tag(input));
        let (cfg, variant, payload) = (&input.cfg, &input.variant, payload(input));
        mixed!(#(#cfg)* #[doc = #doc] #variant(#payload))
    });
    mixed! {
        #[doc = #doc]
        #derive
        #[allow(private_interfaces)]
        pub enum #name { #(#variants,)* }
    }
}

/// The name of an input in encodings and tables.
pub(super) fn tag(input: &Input) -> String {
    input.variant.unraw().to_string()
}

/// Encoding, and what inputs and outputs must be.
pub(super) fn impls(cx: Context) -> TokenStream {
    let Names { any_input, any_output, .. } = cx.names;
    let inputs = encoding(cx, any_input, "an input", "input");
    let outputs = encoding(cx, any_output, "an output", "output for an input");
    let checks = checks(cx);
    mixed!(#inputs #outputs #checks)
}

/// `[name, value]`, both ways.
fn encoding(cx: Context, name: &Ident, a: &str, what: &str) -> TokenStream {
    let Names { krate, options, .. } = cx.names;
    let serde = mixed!(#krate::__private::serde);
    let expected = format!("{a} of machine `{}`", options.name);
    let unknown = format!("machine `{}`", options.name);
    let what = format!("{what} {{}}");
    let inputs = &cx.machine.inputs;
    let writes = inputs.iter().map(|input| {
        let (cfg, variant, tag) = (&input.cfg, &input.variant, tag(input));
        mixed!(#(#cfg)* Self::#variant(ref value) => #krate::__private::write_tagged(serializer, #tag, value))
    });
    let reads = inputs.iter().map(|input| {
        let (cfg, variant, tag) = (&input.cfg, &input.variant, tag(input));
        mixed!(#(#cfg)* #tag => #krate::__private::next(seq).map(Self::#variant))
    });
    mixed! {
        impl #serde::Serialize for #name {
            fn serialize<__S: #serde::Serializer>(&self, serializer: __S) -> ::core::result::Result<__S::Ok, __S::Error> {
                match *self { #(#writes,)* }
            }
        }
        impl #krate::__private::Tagged for #name {
            type Tag = ::std::string::String;
            const EXPECTED: &'static str = #expected;
            fn read<'de, __A: #serde::de::SeqAccess<'de>>(
                tag: ::std::string::String,
                seq: &mut __A,
            ) -> ::core::result::Result<Self, __A::Error> {
                match &*tag {
                    #(#reads,)*
                    tag => #krate::__private::unknown(#unknown, ::core::format_args!(#what, tag)),
                }
            }
        }
        impl<'de> #serde::Deserialize<'de> for #name {
            fn deserialize<__D: #serde::Deserializer<'de>>(deserializer: __D) -> ::core::result::Result<Self, __D::Error> {
                #krate::__private::read_tagged(deserializer)
            }
        }
    }
}

/// What only the type checker knows of inputs and outputs, said on the user's own tokens.
fn checks(cx: Context) -> TokenStream {
    let krate = cx.names.krate;
    let check = |cfg: &[Attribute], function: &str, ty: &Type| {
        let function = Ident::new(function, proc_macro2::Span::mixed_site());
        quote_spanned!(ty.span()=> #(#cfg)* #function::<#ty>();)
    };
    let checks = cx
        .machine
        .inputs
        .iter()
        .flat_map(|input| [check(&input.cfg, "input", &input.ty), check(&input.cfg, "output", &input.output)]);
    mixed! {
        const fn input<__T: #krate::__private::InputSerializable + #krate::__private::InputSend>() {}
        const fn output<__T: #krate::__private::OutputSerializable + #krate::__private::OutputSend>() {}
        #(#checks)*
    }
}
