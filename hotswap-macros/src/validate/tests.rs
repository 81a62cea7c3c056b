//! What is said of every machine in `ui-tests`, in this process: the macro's own messages, each at its token.
//!
//! There the compiler prints them, once a minute; here all are there in a second, so that a rule can be changed with both
//! eyes on what it refuses.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, Meta, parse_quote};

use super::migrations::is_pure;
use super::validate;
use crate::diag::Diag;
use crate::model::{Adapt, Machine, Way};
use crate::{machine_impl, parse};

/// What the attribute is called in the files; the second is what one of them imports it as.
const MARKERS: [&str; 2] = ["machine", "upgradable"];

/// A message: line and column (from 1) of the token that it is about, and its lines.
type Said = ((usize, usize), Vec<String>);

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Everything that stands under `#[machine]` in a file, as the compiler would hand it over, and what comes back.
#[derive(Default)]
struct Machines {
    said: Vec<Said>,
}

impl Visit<'_> for Machines {
    fn visit_item(&mut self, item: &Item) {
        let mut item = item.clone();
        let marker = attributes(&mut item).and_then(|attributes| {
            let ours = |attribute: &Attribute| {
                attribute.path().segments.last().is_some_and(|name| MARKERS.iter().any(|marker| name.ident == marker))
            };
            let at = attributes.iter().position(ours)?;
            Some(attributes.remove(at))
        });
        match marker {
            Some(marker) => {
                let options = match &marker.meta {
                    Meta::List(list) => list.tokens.clone(),
                    _ => TokenStream::new(),
                };
                self.hear(machine_impl(options, item.into_token_stream()));
            }
            None => visit::visit_item(self, &item),
        }
    }
}

impl Machines {
    /// Takes every `compile_error!` out of what was generated.
    fn hear(&mut self, tokens: TokenStream) {
        let mut at = None;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if ident == "compile_error" => {
                    let start = ident.span().start();
                    at = Some((start.line, start.column + 1));
                }
                TokenTree::Group(group) => match at.take() {
                    Some(at) => {
                        let text: syn::LitStr = syn::parse2(group.stream()).expect("a message is a string");
                        // of every machine, and behind a `cfg`
                        if !text.value().starts_with("a machine needs `panic = \"unwind\"`") {
                            self.said.push((at, lines(&text.value())));
                        }
                    }
                    None => self.hear(group.stream()),
                },
                _ => {}
            }
        }
    }
}

fn attributes(item: &mut Item) -> Option<&mut Vec<Attribute>> {
    Some(match item {
        Item::Mod(item) => &mut item.attrs,
        Item::Struct(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        Item::Fn(item) => &mut item.attrs,
        Item::Use(item) => &mut item.attrs,
        _ => return None,
    })
}

/// What the macro says of a file.
fn said(path: &Path) -> Vec<Said> {
    let source = fs::read_to_string(path).expect("a case can be read");
    let mut machines = Machines::default();
    machines.visit_file(&syn::parse_file(&source).expect("a case parses"));
    machines.said.sort();
    machines.said
}

/// The macro's share of what the compiler printed of a file: where what to do stands before the place.
fn printed(path: &Path) -> Vec<Said> {
    let text = fs::read_to_string(path.with_extension("stderr")).expect("a case has its messages");
    let blocks = text.split("\nerror").map(|block| block.strip_prefix("error").unwrap_or(block));
    let ours = blocks.filter_map(|block| block.strip_prefix(": ")).filter_map(|block| block.split_once("-->"));
    let ours = ours.filter(|(text, _)| text.contains("help: "));
    let mut said: Vec<Said> = ours
        .map(|(text, rest)| {
            let place = rest.lines().next().unwrap_or_default();
            let mut numbers = place.rsplit(':').map(|number| number.parse().expect("a place ends in line and column"));
            let column = numbers.next().expect("a column");
            ((numbers.next().expect("a line"), column), lines(text))
        })
        .collect();
    said.sort();
    said
}

/// The files in a folder that are programs.
fn sources(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui-tests").join(folder));
    let paths = entries.expect("the folder can be read").map(|entry| entry.expect("an entry can be read").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The topics are the folders.
fn cases() -> Vec<PathBuf> {
    let topics = ["adapt", "attribute", "chain", "evolution", "frozen", "migration", "state", "step"];
    topics.iter().flat_map(|topic| sources(&format!("cases/{topic}"))).collect()
}

#[test]
fn every_message_is_the_one_that_is_printed() {
    let cases = cases();
    assert!(cases.len() >= 250, "only {} cases were found", cases.len());
    for case in cases {
        assert_eq!(said(&case), printed(&case), "{}", case.display());
    }
}

#[test]
fn machines_without_mistakes_draw_no_message() {
    for case in sources("pass") {
        assert_eq!(said(&case), [], "{}", case.display());
    }
}

/// How each version takes each input of a machine in `pass`.
fn ways(of: &str, machine: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui-tests/pass").join(of);
    let source = fs::read_to_string(path).expect("the file can be read");
    let items = syn::parse_file(&source).expect("it parses").items;
    let is_it = |item: &Item| matches!(item, Item::Mod(module) if module.ident == machine);
    let mut item = items.into_iter().find(is_it).expect("the machine is there");
    attributes(&mut item).expect("a module has attributes").clear();
    let mut diag = Diag::new();
    let parsed = parse::parse(TokenStream::new(), item, &mut diag).expect("it is a machine");
    let Machine { inputs, adapters, .. } = validate(parsed, &mut diag).expect("it has no mistake");
    assert!(diag.finish().is_empty());
    let name = |adapter: usize| match &adapters[adapter].how {
        Adapt::Written(name) => name.to_string(),
        Adapt::Extends(_) => "extends".to_owned(),
    };
    let way = |way: &Way| match way {
        Way::Step { function } => function.to_string(),
        Way::Adapt { adapter, next, output } => {
            let back = output.map_or(String::new(), |output| format!(" and {}", name(output)));
            format!("{} to {}{back}", name(*adapter), inputs[*next].variant)
        }
        Way::Refused => "refused".to_owned(),
    };
    let shown = |ways: &[Way]| ways.iter().map(way).collect::<Vec<_>>().join("; ");
    inputs.iter().map(|input| format!("{}: {}", input.variant, shown(&input.ways))).collect()
}

#[test]
fn every_version_takes_what_it_should() {
    let expected = [
        "Coin: pay; pay_2",
        "Discount: discount; rated to Option",
        "Ask: ask; asked to Ask2 and extends",
        "Option: refused; rate",
        "Ask2: refused; ask_2",
        "Note: cents to Cents; refused",
        "Cents: paid to Coin; paid to Coin",
    ];
    assert_eq!(ways("inputs.rs", "till"), expected);
}

#[test]
fn nothing_of_the_users_runs_in_a_literal_or_a_path() {
    let group = |inner: Expr| {
        Expr::Group(syn::ExprGroup {
            attrs: Vec::new(),
            group_token: syn::token::Group::default(),
            expr: Box::new(inner),
        })
    };
    let pure: [Expr; 9] = [
        parse_quote!(1),
        parse_quote!(-1),
        parse_quote!(-1.5),
        parse_quote!("text"),
        parse_quote!(LIMIT),
        parse_quote!(<u8 as limits::Limit>::MAX),
        parse_quote!((1)),
        parse_quote!((-1)),
        group(parse_quote!(LIMIT)),
    ];
    for value in pure {
        assert!(is_pure(&value), "{}", value.to_token_stream());
    }
    let run: [Expr; 11] = [
        parse_quote!(-LIMIT),
        parse_quote!(!LIMIT),
        parse_quote!(!1),
        parse_quote!(*LIMIT),
        parse_quote!(-f()),
        parse_quote!(1 / 0),
        parse_quote!(String::new()),
        parse_quote!(vec![]),
        parse_quote!({ 1 }),
        parse_quote!((f())),
        group(parse_quote!(f())),
    ];
    for value in run {
        assert!(!is_pure(&value), "{}", value.to_token_stream());
    }
}
