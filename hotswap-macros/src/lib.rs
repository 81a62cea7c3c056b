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

#[expect(missing_docs, reason = "`hotswap` documents it where it re-exports it, with links that only resolve there")]
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
            Err(sketch) => expand::stub(&sketch),
        },
        Err(item) => item.into_token_stream(),
    };
    output.extend(diag.finish());
    output
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;

    use super::machine_impl;

    /// What comes of a module, as text.
    fn expanded(args: &str, module: &str) -> String {
        let tokens = |text: &str| text.parse::<TokenStream>().expect("tokens");
        machine_impl(tokens(args), tokens(module)).to_string()
    }

    #[test]
    fn nothing_that_can_be_written_makes_it_panic() {
        let markers = [
            "",
            "version",
            "version = ",
            "version = 1",
            "version = 1, migrates_from = 1",
            "version = 2, migrates_from = 1, reversible, removes(a.b.c)",
            "version = 2, migrates_from = 1, removes(0 = , r#type = 1)",
            "version = 1, input = \"r#type\"",
            "version = 1, input = \"self\"",
            "version = 1, drops(,)",
            "migrate(from = 1)",
            "migrate(from = 1, to = 1), moves, loses",
            "adapt(input, output)",
            "extends = V1",
            "version 1, migrates_from(1)",
            "version = 2, migrates_from = 1, removes = b, frozen = 1",
            "from = \"b\", adapt(output)",
            "migrate(old = 1, to = -1)",
            "a::b",
            "= 1",
        ];
        let items = [
            "struct V1 { r#type: r#fn::r#move }",
            "enum V1 { A, B(V1), C { c: <V1 as Iterator>::Item } }",
            "struct V1;",
            "union V1 { a: u8 }",
            "type V1 = V1;",
            "use {self as V1};",
            "use a::{b, c::*};",
            "use V1;",
            "fn f() {}",
            "fn f(self, a: u8) -> ! {}",
            "fn f(_: &mut V1, _: r#type) -> Option<V1> {}",
            "fn f(_: &V1) -> Result<V1> {}",
            "mod inner { pub struct V1; pub use super::V1 as V2; }",
            "macro_rules! m { () => {} }",
            "impl Drop for V1 { fn drop(&mut self) {} }",
        ];
        for marker in markers {
            for first in items {
                for second in items {
                    let module = format!(
                        "mod m {{ #[machine({marker})] {first} #[machine(version = 1)] {second}
                         #[machine(version = 1)] fn g(state: &mut V1, input: V1) {{}} }}"
                    );
                    assert!(!expanded("", &module).is_empty());
                    assert!(!expanded(marker, &module).is_empty());
                }
            }
        }
    }

    #[test]
    fn the_output_is_the_same_every_time() {
        let module = "mod m { #[machine(version = 1)] struct V1 { a: A, b: B } struct A; struct B; \
                      #[machine(version = 1)] fn f(state: &mut V1, input: A) -> B {} }";
        assert_eq!(expanded("", module), expanded("", module));
    }

    #[test]
    fn no_marker_is_left_beside_a_mistake() {
        let module = "mod m { #[machine(version = 0)] struct V1 { #[machine(added)] a: u8 } \
                      #[machine(nonsense)] enum E { #[machine(from = X)] A } #[machine] const C: u8 = 0; \
                      impl V1 { #[hotswap::machine(version = 1)] fn f(&self) {} } #[machine(version = 1)] use a::B; }";
        let output = expanded("", module);
        assert!(output.contains("compile_error"), "{output}");
        assert!(!output.contains("# [machine") && !output.contains("hotswap :: machine"), "{output}");
    }
}
