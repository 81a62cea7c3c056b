//! What the user wrote, as data: knows the syntax of `#[machine]` and takes every marker off the items.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Expr, ExprLit, Field, Fields, Ident, ImplItem, Item, ItemFn, ItemMod, Lit, LitInt, LitStr, Member, Meta,
    Path, Signature, Token, Type, UseTree, parenthesized, parse_quote,
};

use crate::diag::Diag;
use crate::model::{Derive, GENERATED, Options};
use crate::scope::{FieldDecl, Kind, Scope, TypeDecl, VariantDecl};

/// A machine's module, taken apart.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The module without markers.
    pub(crate) module: ItemMod,
    pub(crate) options: Options,
    pub(crate) scope: Scope,
    /// In source order, as are the others.
    pub(crate) states: Vec<State>,
    pub(crate) steps: Vec<Function>,
    pub(crate) migrations: Vec<Function>,
    pub(crate) adapters: Vec<Function>,
    pub(crate) extends: Vec<Extends>,
    /// `input = "name"` on a type: that type and its name.
    pub(crate) input_names: Vec<(Ident, LitStr)>,
    /// Names that are taken: every item and every `use` of the module.
    pub(crate) taken: Vec<Ident>,
    /// Marked functions of which it is not known what they are.
    pub(crate) lost: Vec<Signature>,
    /// Functions without a marker.
    pub(crate) unmarked: Vec<Signature>,
    /// A marker that may declare a version could not be read, so what seems to be missing may be there.
    pub(crate) incomplete: bool,
}

/// A marked state type.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ident: Ident,
    pub(crate) number: Number,
    pub(crate) marker: Marker,
    pub(crate) cfg: Vec<Attribute>,
}

/// A marked function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) item: ItemFn,
    pub(crate) marker: Marker,
    pub(crate) cfg: Vec<Attribute>,
}

/// An enum that says which enum it extends.
#[derive(Debug)]
pub(crate) struct Extends {
    pub(crate) ident: Ident,
    pub(crate) of: Type,
    pub(crate) cfg: Vec<Attribute>,
}

/// A version's number and the literal that says it.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    pub(crate) value: u32,
    pub(crate) lit: LitInt,
}

/// One entry of `removes(…)`: `field`, `field = EXPR` or, in an enum, `Variant.field`.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) variant: Option<Ident>,
    pub(crate) member: Member,
    pub(crate) value: Option<Expr>,
}

/// Whether an adapter is told to be one of inputs or of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Input,
    Output,
}

/// The options of all the `#[machine(…)]` on one item, field or variant. Options without a value keep their name.
#[derive(Debug, Default)]
pub(crate) struct Marker {
    pub(crate) version: Option<Number>,
    pub(crate) migrates_from: Option<Number>,
    pub(crate) reversible: Option<Ident>,
    pub(crate) boxed: Option<Ident>,
    pub(crate) frozen: Option<LitStr>,
    pub(crate) removes: Vec<Removed>,
    pub(crate) drops: Vec<Type>,
    pub(crate) input: Option<LitStr>,
    pub(crate) extends: Option<Type>,
    pub(crate) migrate: Option<Migrate>,
    pub(crate) loses: Option<LitStr>,
    pub(crate) moves: Option<Ident>,
    pub(crate) adapt: Option<(Ident, Option<Side>)>,
    pub(crate) added: Option<(Ident, Option<Expr>)>,
    pub(crate) from: Option<Member>,
    pub(crate) with: Option<Path>,
    pub(crate) back: Option<Path>,
    /// Every option given that may stand here, as written.
    pub(crate) given: Vec<Ident>,
    /// Options that may have been meant by what could not be read; none for any of them.
    unread: Vec<Option<&'static str>>,
    /// Something is wrong with it, and that has been reported.
    broken: bool,
}

impl Marker {
    /// Whether this option may be meant, by something that could not be read.
    pub(crate) fn unread(&self, option: &str) -> bool {
        self.unread.iter().any(|unread| unread.is_none_or(|unread| unread == option))
    }
}

/// `migrate` or `migrate(from = 1, to = 2)`.
#[derive(Debug)]
pub(crate) struct Migrate {
    pub(crate) edge: Option<(Number, Number)>,
}

/// What a marker stands on, which decides what it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Type,
    Function,
    Field,
    Variant,
}

impl Place {
    const ALL: [Self; 4] = [Self::Type, Self::Function, Self::Field, Self::Variant];

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Type => {
                &["version", "migrates_from", "reversible", "removes", "drops", "frozen", "boxed", "input", "extends"]
            }
            Self::Function => &["version", "migrates_from", "drops", "input", "migrate", "loses", "moves", "adapt"],
            Self::Field => &["added", "from", "with", "back"],
            Self::Variant => &["from"],
        }
    }

    fn accepts(self, option: &str) -> bool {
        // on a step of a behaviour-only version those of the state get a message of their own
        self.options().contains(&option) || self == Self::Function && OF_STATE.contains(&option)
    }

    /// Which option here may be meant by a word that is none; `rest` follows it. What has a value is one that takes one.
    fn meant(self, unknown: &str, rest: ParseStream<'_>) -> Option<&'static str> {
        let valued = rest.peek(Token![=]);
        let fits: Vec<_> =
            self.options().iter().copied().filter(|option| !valued || !WITHOUT_VALUE.contains(option)).collect();
        guess(unknown, &fits).or_else(|| guess(unknown, self.options()))
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Function => "function",
            Self::Field => "field",
            Self::Variant => "variant",
        }
    }
}

/// What is said of a version's state, and so never on a function.
const OF_STATE: [&str; 4] = ["reversible", "removes", "frozen", "boxed"];

/// What is written alone or with parentheses, and never with `=`.
const WITHOUT_VALUE: [&str; 7] = ["reversible", "boxed", "moves", "removes", "drops", "adapt", "migrate"];

/// What `syn` misses where an option ends.
const SEPARATED: &str = "options are separated by commas: `#[machine(version = 2, migrates_from = 1)]`";

/// The options of the module itself.
const MODULE_OPTIONS: [&str; 5] = ["name", "crate", "derive", "rename", "retired"];

/// Takes the module apart, or says why it is none.
pub(crate) fn parse(args: TokenStream, item: Item, diag: &mut Diag) -> Result<Parsed, Box<Item>> {
    let mut module = match item {
        Item::Mod(module) if module.content.is_some() => module,
        Item::Mod(module) => {
            diag.out_of_line(&module.ident);
            return Err(Box::new(Item::Mod(module)));
        }
        other => {
            outside(&args, &other, diag);
            return Err(Box::new(other));
        }
    };
    diag.machine(&module.ident.unraw().to_string());
    let options = module_options(args, &module.ident, diag);
    diag.machine(&options.name);
    let mut items = module.content.as_mut().map(|(_, items)| std::mem::take(items)).unwrap_or_default();
    rename_markers(&mut items, diag);
    let mut parsed = Parsed {
        module,
        options,
        scope: Scope::default(),
        states: Vec::new(),
        steps: Vec::new(),
        migrations: Vec::new(),
        adapters: Vec::new(),
        extends: Vec::new(),
        input_names: Vec::new(),
        taken: Vec::new(),
        lost: Vec::new(),
        unmarked: Vec::new(),
        incomplete: false,
    };
    parsed.items(&mut items, &[], diag);
    if let Some((_, content)) = &mut parsed.module.content {
        *content = items;
    }
    Ok(parsed)
}

/// `#[machine]` on something that is not a module.
fn outside(args: &TokenStream, item: &Item, diag: &mut Diag) {
    let at: &dyn ToTokens = match item {
        Item::Struct(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        other => other,
    };
    let first = args.clone().into_iter().next().map(|token| token.to_string());
    match first {
        Some(first) if Place::ALL.iter().any(|place| place.options().contains(&first.as_str())) => {
            diag.outside_a_module(at, &first);
        }
        _ => diag.not_a_module(at),
    }
}

fn module_options(args: TokenStream, ident: &Ident, diag: &mut Diag) -> Options {
    let mut options = Options {
        name: ident.unraw().to_string(),
        krate: parse_quote!(::hotswap),
        derive: Derive::default(),
        rename: std::collections::BTreeMap::new(),
        retired: Vec::new(),
    };
    let mut seen: Vec<Ident> = Vec::new();
    let mut reading: Option<String> = None;
    let parser = syn::meta::parser(|meta| {
        let Some(name) = option_name(&meta, &mut seen, diag) else { return skip(meta.input) };
        reading = Some(name.to_string());
        match name.to_string().as_str() {
            "name" => match text(&meta, "name", diag)? {
                Some(name) if name.value().trim().is_empty() => diag.name_empty(&name),
                Some(name) => options.name = name.value(),
                None => {}
            },
            "crate" => options.krate = meta.value()?.call(Path::parse_mod_style)?,
            "derive" => {
                meta.parse_nested_meta(|derived| {
                    let Some(name) = derived.path.segments.last() else { return Ok(()) };
                    match name.ident.to_string().as_str() {
                        "Debug" => options.derive.debug = true,
                        "Clone" => options.derive.clone = true,
                        "PartialEq" => options.derive.partial_eq = true,
                        "Eq" => options.derive.eq = true,
                        other => diag.underivable(&derived.path, other),
                    }
                    Ok(())
                })?;
            }
            "rename" => {
                meta.parse_nested_meta(|renamed| {
                    let from = renamed.path.require_ident()?.clone();
                    let to: Ident = renamed.value()?.parse()?;
                    if !GENERATED.contains(&from.to_string().as_str()) {
                        diag.rename_of_unknown(&from, &from, GENERATED.map(quoted).join(", "));
                    } else if options.rename.insert(from.to_string(), to).is_some() {
                        diag.renamed_twice(&from, &from);
                    }
                    Ok(())
                })?;
            }
            "retired" => {
                for number in list::<Expr>(meta.input)? {
                    match read_number(&number, "retired", diag) {
                        Some(number) if options.retired.contains(&number.value) => {
                            diag.retired_twice(&number.lit, number.value);
                        }
                        Some(number) => options.retired.push(number.value),
                        None => {}
                    }
                }
            }
            unknown => {
                let elsewhere = Place::ALL.into_iter().find(|place| place.options().contains(&unknown));
                match elsewhere {
                    Some(place) => diag.misplaced_option(&name, &name, "module", format!("a {}", place.noun())),
                    None => {
                        diag.unknown_option(
                            &name,
                            &name,
                            "module",
                            nearest(guess(unknown, &MODULE_OPTIONS), &MODULE_OPTIONS),
                        );
                    }
                }
                skip(meta.input)?;
            }
        }
        reading = None;
        Ok(())
    });
    if let Err(error) = parser.parse2(args) {
        diag.syntax(&error, reading.as_deref(), &usage(reading.as_deref().unwrap_or_default()));
    }
    options.retired.sort_unstable();
    if options.derive.eq && !options.derive.partial_eq {
        diag.eq_alone(ident);
        options.derive.eq = false;
    }
    options
}

impl Parsed {
    /// Takes the markers off items and sorts what they mark.
    fn items(&mut self, items: &mut [Item], within: &[String], diag: &mut Diag) {
        for item in items {
            self.scope.item(item, within);
            if within.is_empty() {
                named(item, &mut self.taken);
            }
            match item {
                Item::Struct(item) => {
                    let marker = Self::marker(&mut item.attrs, Place::Type, diag);
                    let kind = Kind::Struct(Self::fields(&mut item.fields, diag));
                    self.ty(&item.ident, &item.generics, &item.attrs, kind, marker, within, diag);
                }
                Item::Enum(item) => {
                    let marker = Self::marker(&mut item.attrs, Place::Type, diag);
                    let variants = item.variants.iter_mut().map(|variant| VariantDecl {
                        ident: variant.ident.clone(),
                        marker: Self::marker(&mut variant.attrs, Place::Variant, diag).unwrap_or_default(),
                        attrs: variant.attrs.clone(),
                        fields: Self::fields(&mut variant.fields, diag),
                    });
                    let kind = Kind::Enum(variants.collect());
                    self.ty(&item.ident, &item.generics, &item.attrs, kind, marker, within, diag);
                }
                Item::Union(item) => {
                    let marker = Self::marker(&mut item.attrs, Place::Type, diag);
                    let kind = Kind::Unseen("union");
                    self.ty(&item.ident, &item.generics, &item.attrs, kind, marker, within, diag);
                }
                Item::Type(item) => {
                    let marker = Self::marker(&mut item.attrs, Place::Type, diag);
                    let kind = Kind::Alias(item.ty.clone());
                    self.ty(&item.ident, &item.generics, &item.attrs, kind, marker, within, diag);
                }
                Item::Use(item) => {
                    if let Some(marker) = Self::marker(&mut item.attrs, Place::Type, diag) {
                        if let Some(ident) = single(&item.tree) {
                            let kind = Kind::Unseen("use");
                            self.ty(ident, &syn::Generics::default(), &item.attrs, kind, Some(marker), within, diag);
                        } else {
                            self.incomplete = true;
                            diag.use_of_many(&item.tree);
                        }
                    }
                }
                Item::Fn(item) => {
                    if let Some(marker) = Self::marker(&mut item.attrs, Place::Function, diag) {
                        if within.is_empty() {
                            self.function(item, marker, diag);
                        } else {
                            self.lost.push(item.sig.clone());
                            diag.nested_marker(&item.sig.ident, &item.sig.ident);
                        }
                        // the signature is prescribed, so a lint about it is not the user's to follow
                        item.attrs.push(syn::parse_quote!(
                            #[allow(
                                clippy::needless_pass_by_value,
                                clippy::trivially_copy_pass_by_ref,
                                clippy::result_large_err
                            )]
                        ));
                    } else if within.is_empty() {
                        self.unmarked.push(item.sig.clone());
                    }
                }
                Item::Mod(item) => {
                    self.misplaced(&mut item.attrs, diag);
                    if let Some((_, inner)) = &mut item.content {
                        let mut within = within.to_vec();
                        within.push(item.ident.to_string());
                        self.items(inner, &within, diag);
                    }
                }
                Item::Impl(item) => {
                    self.misplaced(&mut item.attrs, diag);
                    for item in &mut item.items {
                        if let ImplItem::Fn(item) = item {
                            for marker in take_markers(&mut item.attrs) {
                                self.incomplete = true;
                                self.lost.push(item.sig.clone());
                                diag.method(&marker, &item.sig.ident);
                            }
                        }
                    }
                }
                Item::Const(syn::ItemConst { attrs, .. })
                | Item::Static(syn::ItemStatic { attrs, .. })
                | Item::Trait(syn::ItemTrait { attrs, .. })
                | Item::ExternCrate(syn::ItemExternCrate { attrs, .. })
                | Item::ForeignMod(syn::ItemForeignMod { attrs, .. })
                | Item::Macro(syn::ItemMacro { attrs, .. }) => self.misplaced(attrs, diag),
                _ => {}
            }
        }
    }

    /// Markers where there can be none.
    fn misplaced(&mut self, attrs: &mut Vec<Attribute>, diag: &mut Diag) {
        for marker in take_markers(attrs) {
            self.incomplete = true;
            diag.misplaced_marker(&marker);
        }
    }

    /// Takes the markers off and reads them.
    fn marker(attrs: &mut Vec<Attribute>, place: Place, diag: &mut Diag) -> Option<Marker> {
        let mut marker = Marker::default();
        let mut seen = Vec::new();
        let before = diag.count();
        for attr in attrs.extract_if(.., |attr| marker_in_cfg_attr(attr).is_some()) {
            marker.unread.push(None);
            diag.marker_in_cfg_attr(&marker_in_cfg_attr(&attr));
        }
        let taken = take_markers(attrs);
        if taken.is_empty() && marker.unread.is_empty() {
            return None;
        }
        for attr in &taken {
            marker.read(attr, place, &mut seen, diag);
        }
        marker.broken = diag.count() > before;
        Some(marker)
    }

    fn fields(fields: &mut Fields, diag: &mut Diag) -> Vec<FieldDecl> {
        let read = |(index, field): (usize, &mut Field)| FieldDecl {
            member: match &field.ident {
                Some(name) => Member::Named(name.clone()),
                None => Member::Unnamed(syn::Index {
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                    span: field.ty.span(),
                }),
            },
            marker: Self::marker(&mut field.attrs, Place::Field, diag).unwrap_or_default(),
            ty: field.ty.clone(),
            attrs: field.attrs.clone(),
        };
        fields.iter_mut().enumerate().map(read).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of an item, which has a type for each kind")]
    fn ty(
        &mut self,
        ident: &Ident,
        generics: &syn::Generics,
        attrs: &[Attribute],
        kind: Kind,
        marker: Option<Marker>,
        within: &[String],
        diag: &mut Diag,
    ) {
        let is_enum = matches!(kind, Kind::Enum(_));
        self.scope.declare(TypeDecl {
            ident: ident.clone(),
            within: within.to_vec(),
            generics: generics.clone(),
            attrs: attrs.to_vec(),
            kind,
        });
        let Some(mut marker) = marker else { return };
        if !within.is_empty() {
            self.incomplete = true;
            diag.nested_marker(ident, ident);
            return;
        }
        let cfg = cfgs(attrs);
        if let Some(name) = marker.input.take() {
            self.input_names.push((ident.clone(), name));
        }
        match marker.extends.take() {
            Some(of) if is_enum => self.extends.push(Extends { ident: ident.clone(), of, cfg: cfg.clone() }),
            Some(of) => diag.extends_on_no_enum(&of, ident),
            None => {}
        }
        if let Some(number) = marker.version.take() {
            self.states.push(State { ident: ident.clone(), number, marker, cfg });
            return;
        }
        let of_version = marker.given.iter().find(|name| **name != "input" && **name != "extends");
        let says_nothing = marker.given.is_empty();
        self.incomplete |= of_version.is_some() || says_nothing || marker.unread("version");
        match of_version {
            _ if marker.broken => {}
            Some(option) => diag.option_without_version(option, option),
            None if says_nothing => diag.empty_marker(ident, ident),
            None => {}
        }
    }

    fn function(&mut self, item: &ItemFn, marker: Marker, diag: &mut Diag) {
        let cfg = cfgs(&item.attrs);
        let name = &item.sig.ident;
        let mut sig = item.sig.clone();
        Inward(&self.module.ident).visit_signature_mut(&mut sig);
        let has = |option: &str| marker.given.iter().find(|given| *given == option);
        let roles: Vec<&Ident> = ["migrate", "adapt", "version"].into_iter().filter_map(has).collect();
        let stray = |allowed: &[&str]| {
            marker.given.iter().find(|given| !allowed.iter().any(|option| *given == option)).cloned()
        };
        let (list, allowed, role): (_, &[&str], _) = match roles.as_slice() {
            [] => {
                self.incomplete = true;
                self.lost.push(sig);
                match marker.given.iter().find(|given| *given == "loses" || *given == "moves") {
                    _ if marker.broken => {}
                    Some(option) => diag.option_of_migration(option, option),
                    None => diag.function_without_version(name, name),
                }
                return;
            }
            [first, second, ..] => {
                self.incomplete = true;
                self.lost.push(sig);
                diag.two_roles(second, second, first, name);
                return;
            }
            [role] if *role == "migrate" => (&mut self.migrations, &["migrate", "loses", "moves"], "migration"),
            [role] if *role == "adapt" => (&mut self.adapters, &["adapt"], "adapter"),
            [_] => (
                &mut self.steps,
                &["version", "migrates_from", "drops", "input", "reversible", "removes", "frozen", "boxed"],
                "step",
            ),
        };
        if let Some(option) = stray(allowed) {
            match role {
                "step" => diag.option_of_migration(&option, &option),
                _ => diag.option_on_wrong_function(&option, &option, role, name),
            }
        }
        if role == "step" && marker.version.is_none() {
            self.incomplete = true;
            self.lost.push(sig);
            return; // its number could not be read
        }
        list.push(Function { item: ItemFn { sig, block: parse_quote!({}), ..item.clone() }, marker, cfg });
    }
}

impl Marker {
    fn read(&mut self, attr: &Attribute, place: Place, seen: &mut Vec<Ident>, diag: &mut Diag) {
        let mut reading: Option<String> = None;
        let result = match &attr.meta {
            Meta::Path(_) => Ok(()),
            Meta::List(_) => attr.parse_nested_meta(|meta| {
                let Some(name) = option_name(&meta, seen, diag) else {
                    self.unread.push(None);
                    return skip(meta.input);
                };
                reading = Some(name.to_string());
                self.option(&name, &meta, place, diag)?;
                // before a word it is only the comma that is missing
                if meta.input.is_empty() || meta.input.peek(Token![,]) || meta.input.peek(Ident::peek_any) {
                    reading = None;
                }
                Ok(())
            }),
            Meta::NameValue(_) => {
                self.unread.push(None);
                diag.marker_with_value(attr);
                Ok(())
            }
        };
        if let Err(error) = result {
            self.unread.push(None);
            diag.syntax(&error, reading.as_deref(), &usage(reading.as_deref().unwrap_or_default()));
        }
    }

    fn option(&mut self, name: &Ident, meta: &ParseNestedMeta<'_>, place: Place, diag: &mut Diag) -> syn::Result<()> {
        let option = name.to_string();
        if !place.accepts(&option) {
            let meant = place.meant(&option, meta.input);
            let elsewhere = Place::ALL.into_iter().find(|place| place.options().contains(&option.as_str()));
            // `migrate = 1` on a state is short for what belongs there
            match elsewhere.filter(|_| meant.is_none_or(|meant| !meant.starts_with(&option))) {
                Some(right) => diag.misplaced_option(name, name, place.noun(), format!("a {}", right.noun())),
                None if MODULE_OPTIONS.contains(&option.as_str()) && meant.is_none() => {
                    diag.misplaced_option(name, name, place.noun(), "the module");
                }
                None => {
                    self.unread.push(meant);
                    diag.unknown_option(name, name, place.noun(), nearest(meant, place.options()));
                }
            }
            return skip(meta.input);
        }
        self.given.push(name.clone());
        let before = diag.count();
        self.value(name, meta, diag)?;
        if diag.count() > before {
            self.unread.extend(place.options().iter().find(|known| **known == option).map(|known| Some(*known)));
        }
        Ok(())
    }

    fn value(&mut self, name: &Ident, meta: &ParseNestedMeta<'_>, diag: &mut Diag) -> syn::Result<()> {
        match name.to_string().as_str() {
            "version" => self.version = read_number(&meta.value()?.parse()?, "version", diag),
            "migrates_from" => self.migrates_from = read_number(&meta.value()?.parse()?, "migrates_from", diag),
            "reversible" => self.reversible = Some(name.clone()),
            "boxed" => self.boxed = Some(name.clone()),
            "moves" => self.moves = Some(name.clone()),
            "frozen" => self.frozen = text(meta, "frozen", diag)?,
            "input" => self.input = text(meta, "input", diag)?,
            "loses" => self.loses = text(meta, "loses", diag)?,
            "extends" => self.extends = Some(meta.value()?.parse()?),
            "removes" => self.removes = list(meta.input)?,
            "drops" => self.drops = list(meta.input)?,
            "with" => self.with = Some(meta.value()?.call(Path::parse_mod_style)?),
            "back" => self.back = Some(meta.value()?.call(Path::parse_mod_style)?),
            "from" => self.from = Some(meta.value()?.parse()?),
            "added" => {
                let value = if meta.input.peek(Token![=]) { Some(meta.value()?.parse()?) } else { None };
                self.added = Some((name.clone(), value));
            }
            "adapt" => {
                let mut side = None;
                if meta.input.peek(syn::token::Paren) {
                    let content;
                    parenthesized!(content in meta.input);
                    let word: Ident = content.parse()?;
                    match word.to_string().as_str() {
                        "input" => side = Some(Side::Input),
                        "output" => side = Some(Side::Output),
                        _ => diag.unknown_side(&word, &word),
                    }
                }
                self.adapt = Some((name.clone(), side));
            }
            "migrate" => {
                let (mut from, mut to) = (None, None);
                if meta.input.peek(syn::token::Paren) {
                    let before = diag.count();
                    meta.parse_nested_meta(|end| {
                        let value: Expr = end.value()?.parse()?;
                        if end.path.is_ident("from") {
                            from = read_number(&value, "from", diag);
                        } else if end.path.is_ident("to") {
                            to = read_number(&value, "to", diag);
                        } else if diag.count() == before {
                            diag.unknown_end(&end.path);
                        }
                        Ok(())
                    })?;
                    if from.is_none() != to.is_none() && diag.count() == before {
                        diag.half_an_edge(name);
                    }
                }
                self.migrate = Some(Migrate { edge: from.zip(to) });
            }
            _ => {}
        }
        Ok(())
    }
}

impl Parse for Removed {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let first: Member = input.parse()?;
        let (variant, member) = match first {
            Member::Named(name) if input.peek(Token![.]) => {
                input.parse::<Token![.]>()?;
                (Some(name), input.parse()?)
            }
            member => (None, member),
        };
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Some(input.parse()?)
        } else {
            None
        };
        Ok(Self { variant, member, value })
    }
}

/// The option's name, if it is one word and was not given before.
fn option_name(meta: &ParseNestedMeta<'_>, seen: &mut Vec<Ident>, diag: &mut Diag) -> Option<Ident> {
    let Some(name) = meta.path.get_ident() else {
        diag.option_is_a_path(&meta.path);
        return None;
    };
    if seen.contains(name) {
        diag.option_twice(name, name);
        return None;
    }
    seen.push(name.clone());
    Some(name.clone())
}

/// Goes to the next comma, so that one bad option does not hide the ones after it.
fn skip(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

fn list<T: Parse>(input: ParseStream<'_>) -> syn::Result<Vec<T>> {
    let content;
    parenthesized!(content in input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated(&content)?.into_iter().collect())
}

/// A string.
fn text(meta: &ParseNestedMeta<'_>, option: &str, diag: &mut Diag) -> syn::Result<Option<LitStr>> {
    let value: Expr = meta.value()?.parse()?;
    if let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = ungrouped(&value) {
        return Ok(Some(text.clone()));
    }
    diag.not_a_text(&value, option, usage(option));
    Ok(None)
}

/// What a `macro_rules!` fragment holds.
fn ungrouped(value: &Expr) -> &Expr {
    if let Expr::Group(group) = value { ungrouped(&group.expr) } else { value }
}

/// How an option is written.
fn usage(option: &str) -> String {
    let written = match option {
        "version" | "migrates_from" => return format!("write `{option} = 1`"),
        "frozen" => "`frozen = \"1-…\"`, with the version's fingerprint",
        "input" => "`input = \"Name\"`",
        "loses" => "`loses = \"what is lost\"`",
        "extends" => "`extends = OlderEnum`",
        "removes" => "`removes(field)`, or `removes(field = value)` with what to put back",
        "drops" => "`drops(Input)`",
        "with" | "back" => return format!("write `{option} = path`, with the path of a function"),
        "from" => "`from = old_name`",
        "added" => "`added`, or `added = value`",
        "adapt" => "`adapt`, `adapt(input)` or `adapt(output)`",
        "migrate" => "`migrate`, or `migrate(from = 1, to = 2)`",
        "name" => "`name = \"counter\"`",
        "crate" => "`crate = path::to::hotswap`",
        "derive" => "`derive(Debug, Clone)`",
        "rename" => "`rename(Cell = MyCell)`",
        "retired" => "`retired(1, 2)`",
        "reversible" | "boxed" | "moves" => return format!("write `{option}` alone; {SEPARATED}"),
        _ => return SEPARATED.to_owned(),
    };
    format!("write {written}")
}

/// A version's number: an integer from 1 to `u32::MAX` without a suffix.
fn read_number(value: &Expr, option: &str, diag: &mut Diag) -> Option<Number> {
    let Expr::Lit(ExprLit { lit: Lit::Int(lit), .. }) = ungrouped(value) else {
        diag.not_a_number(value, option);
        return None;
    };
    match lit.base10_parse::<u32>() {
        Ok(0) => diag.number_zero(lit, option),
        Ok(value) => return Some(Number { value, lit: lit.clone() }),
        Err(_) => diag.not_a_number(lit, option),
    }
    None
}

/// The known option that is spelt most like this one, if one is like it.
fn guess(unknown: &str, known: &[&'static str]) -> Option<&'static str> {
    /// What serde or habit calls them.
    const ALSO: [(&str, &str); 4] = [("rename", "from"), ("alias", "from"), ("default", "added"), ("map", "with")];
    let also = ALSO.iter().find(|(also, _)| *also == unknown).map(|(_, name)| *name);
    let called = |name: &&&str| also == Some(**name) || unknown.len() > 3 && begins_like(unknown, name);
    if let Some(name) = known.iter().filter(called).min_by_key(|name| distance(unknown, name)) {
        return Some(name);
    }
    let (distance, name) = known.iter().map(|name| (distance(unknown, name), *name)).min()?;
    (distance <= 1 + unknown.len() / 3).then_some(name)
}

/// Whether one of two words is the beginning of the other.
fn begins_like(unknown: &str, name: &str) -> bool {
    name.starts_with(unknown) || unknown.starts_with(name)
}

/// Which option may be meant, or what the options are.
fn nearest(meant: Option<&str>, known: &[&'static str]) -> String {
    match meant {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the options here are {}", known.iter().map(quoted).collect::<Vec<_>>().join(", ")),
    }
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(left != *right)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

pub(crate) fn quoted(name: impl std::fmt::Display) -> String {
    format!("`{name}`")
}

/// Takes every `#[machine]` out.
fn take_markers(attrs: &mut Vec<Attribute>) -> Vec<Attribute> {
    attrs.extract_if(.., |attr| is_marker(attr.path())).collect()
}

/// `machine`, or a path to it such as `hotswap::machine`.
fn is_marker(path: &Path) -> bool {
    path.segments.last().is_some_and(|last| last.ident == "machine")
}

/// The word `machine` where a `cfg_attr` holds a marker: after the condition, which may be called so too.
fn marker_in_cfg_attr(attr: &Attribute) -> Option<TokenTree> {
    let list = attr.meta.require_list().ok().filter(|list| list.path.is_ident("cfg_attr"))?;
    let condition = |token: &TokenTree| !matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    let mut attributes = list.tokens.clone().into_iter().skip_while(condition);
    attributes.find(|token| matches!(token, TokenTree::Ident(word) if word == "machine"))
}

/// Spells `super::counter::Tick` in the module `counter` as `Tick`, which it is.
struct Inward<'m>(&'m Ident);

impl VisitMut for Inward<'_> {
    fn visit_path_mut(&mut self, path: &mut Path) {
        let inward = |path: &Path| {
            path.segments.len() > 2 && path.segments[0].ident == "super" && path.segments[1].ident == *self.0
        };
        if path.leading_colon.is_none() && inward(path) {
            path.segments = std::mem::take(&mut path.segments).into_iter().skip(2).collect();
        }
        visit_mut::visit_path_mut(self, path);
    }
}

/// Gives markers their name back where `machine` was imported as something else, and says so.
fn rename_markers(items: &mut [Item], diag: &mut Diag) {
    /// The first attribute that can only be a marker by another name; none if there are markers.
    #[derive(Default)]
    struct Find {
        marked: bool,
        other: Option<Ident>,
    }
    impl<'ast> Visit<'ast> for Find {
        fn visit_attribute(&mut self, attr: &'ast Attribute) {
            self.marked |= is_marker(attr.path());
            let Meta::List(list) = &attr.meta else { return };
            let mut tokens = list.tokens.clone().into_iter();
            let (first, equals, number) = (tokens.next(), tokens.next(), tokens.next());
            if matches!(first, Some(TokenTree::Ident(first)) if first == "version")
                && matches!(equals, Some(TokenTree::Punct(equals)) if equals.as_char() == '=')
                && number.is_some_and(|number| syn::parse2::<LitInt>(number.into()).is_ok())
                && let Some(name) = attr.path().get_ident()
            {
                self.other.get_or_insert(name.clone());
            }
        }
    }
    struct Rename(Ident);
    impl VisitMut for Rename {
        fn visit_attribute_mut(&mut self, attr: &mut Attribute) {
            if attr.path().is_ident(&self.0)
                && let Meta::List(syn::MetaList { path, .. }) | Meta::Path(path) = &mut attr.meta
            {
                *path = parse_quote!(machine);
            }
        }
    }
    let mut find = Find::default();
    for item in &*items {
        find.visit_item(item);
    }
    if let (false, Some(name)) = (find.marked, find.other) {
        diag.marker_renamed(&name, &name);
        let mut rename = Rename(name);
        for item in items {
            rename.visit_item_mut(item);
        }
    }
}

/// The `#[cfg]`s among attributes.
fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}

/// The name that a `use` of one thing brings in.
fn single(tree: &UseTree) -> Option<&Ident> {
    match tree {
        UseTree::Path(tree) => single(&tree.tree),
        UseTree::Name(tree) => Some(&tree.ident),
        UseTree::Rename(tree) => Some(&tree.rename),
        UseTree::Group(tree) if tree.items.len() == 1 => tree.items.first().and_then(single),
        UseTree::Glob(_) | UseTree::Group(_) => None,
    }
}

/// The names that an item takes up.
fn named(item: &Item, taken: &mut Vec<Ident>) {
    fn imported(tree: &UseTree, taken: &mut Vec<Ident>) {
        match tree {
            UseTree::Path(tree) => imported(&tree.tree, taken),
            UseTree::Name(tree) => taken.push(tree.ident.clone()),
            UseTree::Rename(tree) => taken.push(tree.rename.clone()),
            UseTree::Group(tree) => tree.items.iter().for_each(|tree| imported(tree, taken)),
            UseTree::Glob(_) => {}
        }
    }
    match item {
        Item::Use(item) => imported(&item.tree, taken),
        Item::Struct(syn::ItemStruct { ident, .. })
        | Item::Enum(syn::ItemEnum { ident, .. })
        | Item::Union(syn::ItemUnion { ident, .. })
        | Item::Type(syn::ItemType { ident, .. })
        | Item::Trait(syn::ItemTrait { ident, .. })
        | Item::TraitAlias(syn::ItemTraitAlias { ident, .. })
        | Item::Mod(ItemMod { ident, .. })
        | Item::Const(syn::ItemConst { ident, .. })
        | Item::Static(syn::ItemStatic { ident, .. })
        | Item::ExternCrate(syn::ItemExternCrate { ident, .. }) => taken.push(ident.clone()),
        Item::Fn(item) => taken.push(item.sig.ident.clone()),
        _ => {}
    }
}
