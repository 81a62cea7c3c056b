//! What machines of `ui-tests` become, beside the user's own items: `tests/expansions`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use expect_test::expect_file;
use syn::visit::Visit;
use syn::{File, Item};

use crate::machine_impl;
use crate::model::LOCALS;

/// The generated items of the one machine in a file, formatted.
fn expansion(of: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui-tests").join(of);
    let source = fs::read_to_string(&path).expect("the file can be read");
    let file = syn::parse_file(&source).expect("the file parses");
    let mut machines = file.items.into_iter().filter_map(|item| match item {
        Item::Mod(mut module) => {
            let marker = module.attrs.iter().position(|attr| attr.path().is_ident("machine"))?;
            Some((module.attrs.remove(marker), module))
        }
        _ => None,
    });
    let (marker, module) = machines.next().expect("it declares a machine");
    let options = marker.meta.require_list().map(|list| list.tokens.clone()).unwrap_or_default();
    let own = module.content.as_ref().map_or(0, |(_, items)| items.len());
    let expanded = machine_impl(options, quote::quote!(#module));
    let expanded: File = syn::parse2(expanded).expect("it expands to items");
    let Some(Item::Mod(module)) = expanded.items.into_iter().next() else {
        unreachable!("a machine stays a module");
    };
    let generated = module.content.map_or(Vec::new(), |(_, items)| items.into_iter().skip(own).collect());
    prettyplease::unparse(&File { shebang: None, frontmatter: None, attrs: Vec::new(), items: generated })
}

#[test]
fn counter() {
    expect_file!["../../tests/expansions/counter.expected.rs"].assert_eq(&expansion("pass/counter.rs"));
}

#[test]
fn migrations() {
    expect_file!["../../tests/expansions/migrations.expected.rs"].assert_eq(&expansion("pass/migrations.rs"));
}

#[test]
fn adapters() {
    expect_file!["../../tests/expansions/adapters.expected.rs"].assert_eq(&expansion("pass/adapters.rs"));
}

/// What stands in for a machine with mistakes: all that is right in it, under its own names, and nothing twice.
#[test]
fn mistakes() {
    let stub = expansion("cases/attribute/mistakes-beside-correct-uses.rs");
    expect_file!["../../tests/expansions/mistakes.expected.rs"].assert_eq(&stub);
}

#[test]
fn every_local_is_known_by_name() {
    struct Locals(BTreeSet<String>);
    impl Visit<'_> for Locals {
        fn visit_pat_ident(&mut self, pat: &syn::PatIdent) {
            self.0.insert(pat.ident.to_string());
        }
    }
    for of in ["pass/counter.rs", "pass/migrations.rs", "pass/adapters.rs"] {
        let file = syn::parse_file(&expansion(of)).expect("what is generated parses");
        let mut locals = Locals(BTreeSet::new());
        locals.visit_file(&file);
        locals.0.retain(|local| !local.starts_with("__"));
        assert!(locals.0.contains("state"), "{of}: {:?}", locals.0);
        locals.0.retain(|local| !LOCALS.contains(&local.as_str()));
        assert_eq!(locals.0, BTreeSet::new(), "{of}: a user's constant of that name would break them");
    }
}

#[test]
fn a_machine_of_two_versions_stays_short() {
    let lines = expansion("pass/two-versions.rs").lines().count();
    assert!(lines <= 260, "{lines} lines are generated for two versions");
}
