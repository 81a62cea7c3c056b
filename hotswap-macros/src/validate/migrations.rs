//! The migrations: which are written, which can be derived, and where every field of a derived one comes from.

#![expect(clippy::similar_names, reason = "a line is made of links")]

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Expr, FnArg, Ident, Lit, Member, Path, ReturnType, Signature, Type, UnOp};

use super::chain::{self, Line, Link};
use super::inputs::{borrows_briefly, parameters, plain_function};
use super::{is_state, turns};
use crate::diag::Diag;
use crate::model::{Arm, Body, Edge, Field, Fields, How, Plan, Source};
use crate::parse::{Function, Marker, Parsed, Removed, quoted};
use crate::scope::{FieldDecl, Kind, Scope, TypeDecl, VariantDecl, bare, is_primitive, show};

/// A written migration, with its ends found.
struct Written<'p> {
    function: &'p Function,
    from: usize,
    to: usize,
    fallible: bool,
    moves: bool,
}

/// Every declared migration: all the ways up in ascending order, then the ways down.
pub(super) fn edges(parsed: &Parsed, line: &Line<'_>, diag: &mut Diag) -> Vec<Edge> {
    let (mut written, mut lost): (Vec<Written<'_>>, Vec<&Signature>) = (Vec::new(), parsed.lost.iter().collect());
    for function in &parsed.migrations {
        match read(parsed, line, function, diag) {
            Some(edge) => written.push(edge),
            None => lost.push(&function.item.sig),
        }
    }
    stray_markers(parsed, line, diag);
    let (mut ups, mut downs) = (Vec::new(), Vec::new());
    for (to, link) in line.links.iter().enumerate() {
        let Some(from) = link.previous.filter(|_| !link.repeats) else { continue };
        let find = |from: usize, to: usize| written.iter().filter(move |edge| edge.from == from && edge.to == to);
        if link.behaviour_only() {
            for edge in find(from, to).chain(find(to, from)) {
                keeps_the_state(edge.function, link, diag);
            }
            ups.push(Edge { from, to, how: How::Identity, loses: None });
            downs.push(Edge { from: to, to: from, how: How::Identity, loses: None });
            continue;
        }
        for (from, to) in [(from, to), (to, from)] {
            let mut those = find(from, to);
            if let Some(first) = those.next() {
                for second in those {
                    let (first, second) = (&first.function.item.sig.ident, &second.function.item.sig.ident);
                    diag.migration_twice(second, number(line, from), number(line, to), first, second);
                }
            }
        }
        let (up, down) = (find(from, to).next(), find(to, from).next());
        if let (Some(reversible), Some(down)) = (&link.options.reversible, down) {
            let name = &down.function.item.sig.ident;
            diag.reversible_and_written(reversible, number(line, to), number(line, from), name);
        }
        ups.extend(up.map(Written::edge));
        downs.extend(down.map(Written::edge));
        let Some(ends) = ends(parsed, line, from, to) else { continue };
        // a migration that could not be read may be the one to this state
        if up.is_none() && lost.iter().any(|function| may_migrate(function, &ends.old.ident, &ends.new.ident)) {
            continue;
        }
        ends.unused(up.map(|up| &up.function.item.sig.ident), diag);
        let (up, down) = ends.derive(up.is_none(), link.options.reversible.is_some() && down.is_none(), diag);
        ups.extend(up.map(|plan| Edge { from, to, how: How::Derived(plan), loses: None }));
        downs.extend(down.map(|plan| Edge { from: to, to: from, how: How::Derived(plan), loses: None }));
    }
    ups.append(&mut downs);
    ups
}

/// Whether a function that could not be read may be the migration between two states.
fn may_migrate(function: &Signature, old: &Ident, new: &Ident) -> bool {
    fn names(tokens: TokenStream, state: &Ident) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(name) => name == *state,
            TokenTree::Group(group) => names(group.stream(), state),
            _ => false,
        })
    }
    match &function.output {
        ReturnType::Type(_, returned) => names(returned.to_token_stream(), new),
        ReturnType::Default => function.inputs.len() == 1 && names(function.inputs.to_token_stream(), old),
    }
}

fn keeps_the_state(function: &Function, link: &Link<'_>, diag: &mut Diag) {
    let (name, state) = (&function.item.sig.ident, link.state.map(ToString::to_string).unwrap_or_default());
    diag.keeps_the_state(name, name, link.number.value, state);
}

fn number(line: &Line<'_>, index: usize) -> u32 {
    line.links[index].number.value
}

impl Written<'_> {
    fn edge(&self) -> Edge {
        Edge {
            from: self.from,
            to: self.to,
            how: How::Written {
                function: self.function.item.sig.ident.clone(),
                fallible: self.fallible,
                moves: self.moves,
                returned: match &self.function.item.sig.output {
                    ReturnType::Type(_, ty) => ty.span(),
                    ReturnType::Default => self.function.item.sig.ident.span(),
                },
            },
            loses: self.function.marker.loses.as_ref().map(syn::LitStr::value),
        }
    }
}

/// Reads a migration's signature and finds its edge.
fn read<'p>(parsed: &Parsed, line: &Line<'_>, function: &'p Function, diag: &mut Diag) -> Option<Written<'p>> {
    let signature = &function.item.sig;
    let name = &signature.ident;
    let usage = format!("a migration has the signature `fn {name}(old: &Old) -> New`, or `-> Result<New, E>`");
    if !plain_function(signature, "migration", &usage, diag) {
        return None;
    }
    let moves = function.marker.moves.is_some();
    let [FnArg::Typed(old)] = signature.inputs.iter().collect::<Vec<_>>()[..] else {
        diag.parameters(name, "migration", name, parameters(signature), 1, &usage);
        return None;
    };
    if let Type::Reference(reference) = bare(&old.ty)
        && !borrows_briefly(reference, "migration", name, diag)
    {
        return None;
    }
    let old = match (bare(&old.ty), moves) {
        (Type::Reference(reference), true) => {
            diag.moves_on_a_borrow(reference, name, show(&reference.elem));
            return None;
        }
        (Type::Reference(reference), false) if reference.mutability.is_some() => {
            diag.migration_mutates(reference, name, show(&reference.elem));
            return None;
        }
        (Type::Reference(reference), false) => &*reference.elem,
        (by_value, false) => {
            diag.migration_by_value(by_value, name, show(by_value));
            return None;
        }
        (by_value, true) => by_value,
    };
    let ReturnType::Type(_, returned) = &signature.output else {
        diag.migration_returns_nothing(name, name, &usage);
        return None;
    };
    let scope = &parsed.scope;
    let result = scope.arguments(returned, "Result");
    let (new, fallible) = match &result {
        Some(arguments) => match arguments.first() {
            Some(new) => (new, true),
            None => (&**returned, false),
        },
        None => (&**returned, false),
    };
    if let Some([inner]) = scope.arguments(returned, "Option").as_deref()
        && parsed.states.iter().any(|state| is_state(parsed, &state.ident, inner))
    {
        diag.migration_returns_option(returned, name, show(inner));
        return None;
    }
    if moves && fallible && !gives_back(scope, returned, old) {
        diag.moves_loses_the_state(returned, name, show(old), show(new));
        return None;
    }
    let (from, to) = match function.marker.migrate.as_ref().and_then(|migrate| migrate.edge.as_ref()) {
        Some((from, to)) => {
            let find = |number: &crate::parse::Number, diag: &mut Diag| {
                let found = line.position(number.value);
                if found.is_none() && !line.incomplete {
                    diag.edge_of_unknown_version(&number.lit, number.value);
                }
                found
            };
            let (from, to) = (find(from, diag)?, find(to, diag)?);
            agrees(parsed, line, old, from, diag);
            agrees(parsed, line, new, to, diag);
            (from, to)
        }
        None => (end(parsed, line, old, diag)?, end(parsed, line, new, diag)?),
    };
    let Some((from, to)) = nearest_pair(line, from, to) else {
        let kept = line.links.iter().find(|link| from == to && link.shares == Some(from));
        if let Some(link) = kept {
            keeps_the_state(function, link, diag);
        } else if line.is_whole() {
            // a hole in the line has had its message, and hides who the neighbours are
            let instead = nearer(line, from, to);
            diag.no_neighbours(name, name, number(line, from), number(line, to), instead);
        }
        return None;
    };
    chain::same(function, &line.links[from.max(to)], diag);
    Some(Written { function, from, to, fallible, moves })
}

/// What to take or return for a migration of one step.
fn nearer(line: &Line<'_>, from: usize, to: usize) -> String {
    let before = line.links[from.max(to)].previous.map(|index| &line.links[index]);
    match before.and_then(|link| Some((link.state?, link.number.value))) {
        Some((state, number)) if from < to => format!("take `&{state}`, the state of version {number}: "),
        Some((state, number)) if from > to => format!("return `{state}`, the state of version {number}: "),
        _ => String::new(),
    }
}

/// Where the edge is named, its types are only compared as far as they are known.
fn agrees(parsed: &Parsed, line: &Line<'_>, ty: &Type, version: usize, diag: &mut Diag) {
    let Some(state) = line.links[version].state else { return };
    let resolved = parsed.scope.resolve(ty);
    if resolved.leaves.is_empty() && !is_state(parsed, state, ty) {
        diag.migration_of_another_type(ty, show(ty), number(line, version), state);
    }
}

/// Whether the error of `Result<New, (Old, E)>` carries the old state.
fn gives_back(scope: &Scope, returned: &Type, old: &Type) -> bool {
    let arguments = scope.arguments(returned, "Result").unwrap_or_default();
    match arguments.get(1) {
        Some(Type::Tuple(pair)) => pair.elems.len() == 2 && scope.key(&pair.elems[0]) == scope.key(old),
        // an alias of `Result` keeps its second argument to itself; the compiler will say
        Some(_) => false,
        None => true,
    }
}

/// The version that declares this state.
fn end(parsed: &Parsed, line: &Line<'_>, ty: &Type, diag: &mut Diag) -> Option<usize> {
    let found = line
        .links
        .iter()
        .position(|link| !link.behaviour_only() && link.state.is_some_and(|state| is_state(parsed, state, ty)));
    if found.is_none() && !line.incomplete {
        let states: Vec<String> = parsed.states.iter().map(|state| format!("`{}`", state.ident)).collect();
        diag.migration_of_no_state(ty, show(ty), states.join(", "));
    }
    found
}

/// The neighbours with these states: behaviour-only versions in between have the state of the lower one.
fn nearest_pair(line: &Line<'_>, from: usize, to: usize) -> Option<(usize, usize)> {
    let shares = |index: usize, state: usize| index == state || line.links[index].shares == Some(state);
    let (low, high) = (from.min(to), from.max(to));
    let previous = line.links[high].previous?;
    (low != high && shares(previous, low)).then_some(if from == low { (previous, high) } else { (high, previous) })
}

/// Options of fields and variants of a type that nothing migrates into.
fn stray_markers(parsed: &Parsed, line: &Line<'_>, diag: &mut Diag) {
    for decl in parsed.scope.types.values().filter(|_| !line.incomplete) {
        let is_it = |state: &Ident| parsed.scope.named(state).is_some_and(|of| std::ptr::eq(of, decl));
        let at = line.links.iter().position(|link| link.state.is_some_and(is_it));
        for option in markers(decl) {
            match at {
                None => diag.option_of_no_state(option, option, &decl.ident),
                Some(index) if line.is_first(index) => diag.field_option_on_first(option, option, &decl.ident),
                Some(_) => {}
            }
        }
    }
}

fn fields_of(decl: &TypeDecl) -> Vec<&FieldDecl> {
    match &decl.kind {
        Kind::Struct(fields) => fields.iter().collect(),
        Kind::Enum(variants) => variants.iter().flat_map(|variant| &variant.fields).collect(),
        _ => Vec::new(),
    }
}

fn markers(decl: &TypeDecl) -> Vec<&Ident> {
    let variants: &[VariantDecl] = if let Kind::Enum(variants) = &decl.kind { variants } else { &[] };
    let on_variants = variants.iter().flat_map(|variant| &variant.marker.given);
    on_variants.chain(fields_of(decl).into_iter().flat_map(|field| &field.marker.given)).collect()
}

/// The two states of an edge with states of their own.
struct Ends<'p> {
    parsed: &'p Parsed,
    scope: &'p Scope,
    old: &'p TypeDecl,
    new: &'p TypeDecl,
    old_number: u32,
    new_number: u32,
    link: &'p Link<'p>,
}

/// None where the fields are not to be seen for a reason that has been reported.
fn ends<'p>(parsed: &'p Parsed, line: &'p Line<'p>, from: usize, to: usize) -> Option<Ends<'p>> {
    let decl = |index: usize| {
        let decl = line.links[index].state.and_then(|state| parsed.scope.named(state))?;
        let reported = matches!(decl.kind, Kind::Alias(_) | Kind::Unseen("union")) || !decl.generics.params.is_empty();
        (!reported).then_some(decl)
    };
    Some(Ends {
        parsed,
        scope: &parsed.scope,
        old: decl(from)?,
        new: decl(to)?,
        old_number: number(line, from),
        new_number: number(line, to),
        link: &line.links[to],
    })
}

/// Two structs, or two variants of which one becomes the other.
struct Pair<'p> {
    /// The names of the variants, the old one first.
    variants: Option<(&'p Ident, &'p Ident)>,
    old: &'p [FieldDecl],
    new: &'p [FieldDecl],
}

impl<'p> Pair<'p> {
    /// The old field that a new one comes from.
    fn source(&self, field: &FieldDecl) -> Option<&'p FieldDecl> {
        let wanted = field.marker.from.as_ref().unwrap_or(&field.member);
        self.old.iter().find(|old| field.marker.added.is_none() && old.member == *wanted)
    }

    /// Whether nothing at all says where a new field comes from.
    fn is_new(&self, field: &FieldDecl) -> bool {
        let marker = &field.marker;
        let told = marker.added.is_some() || marker.from.is_some() || marker.unread("added") || marker.unread("from");
        !told && self.source(field).is_none()
    }

    /// The new fields that come from an old one.
    fn takers(&self, old: &FieldDecl) -> Vec<&'p FieldDecl> {
        self.new.iter().filter(|new| self.source(new).is_some_and(|from| from.member == old.member)).collect()
    }

    /// Whether it is not known where some field comes from, which may be one that seems to go nowhere.
    fn misses(&self) -> bool {
        let misses = |field: &FieldDecl| {
            field.marker.unread("from") || field.marker.from.is_some() && self.source(field).is_none()
        };
        self.new.iter().any(misses)
    }
}

impl<'p> Ends<'p> {
    /// Why nothing can be derived between these two, if so.
    fn derivable(&self) -> Result<(), String> {
        for end in [self.old, self.new] {
            let ident = &end.ident;
            if let Kind::Unseen(_) = end.kind {
                return Err(format!("the fields of `{ident}` are not in this module"));
            }
            if self.scope.has_drop(end) {
                return Err(format!("`{ident}` implements `Drop`, so its fields cannot be moved out"));
            }
        }
        match (&self.old.kind, &self.new.kind) {
            (Kind::Struct(_), Kind::Struct(_)) | (Kind::Enum(_), Kind::Enum(_)) => Ok(()),
            _ => Err("one is a struct and the other an enum".to_owned()),
        }
    }

    /// Options that only a derived migration heeds, where none is derived.
    fn unused(&self, written_up: Option<&Ident>, diag: &mut Diag) {
        let options = self.link.options;
        if options.reversible.is_some() || options.unread("reversible") {
            return;
        }
        if let Some(up) = written_up {
            let removes = options.given.iter().find(|name| **name == "removes");
            for option in markers(self.new).into_iter().chain(removes) {
                diag.option_beside_written(option, option, self.old_number, self.new_number, up);
            }
            return;
        }
        for back in fields_of(self.new).into_iter().filter_map(|field| field.marker.back.as_ref()) {
            diag.back_without_reversible(back, self.new_number);
        }
        for value in options.removes.iter().filter_map(|removed| removed.value.as_ref()) {
            diag.value_without_reversible(value, self.new_number);
        }
    }

    /// Derives the way up, the way down, or both. If the one check found a mistake, nobody asks for the plans.
    fn derive(&self, up: bool, down: bool, diag: &mut Diag) -> (Option<Plan>, Option<Plan>) {
        if !up && !down {
            return (None, None);
        }
        let (old, new) = (&self.old.ident, &self.new.ident);
        if let Err(why) = self.derivable() {
            if up {
                diag.migration_missing(new, self.new_number, self.old_number, &why, old, new);
            } else {
                diag.not_reversible(&self.link.options.reversible, self.new_number, &why, old, new);
            }
            return (None, None);
        }
        self.removed_exist(diag);
        let pairs = self.pairs(up, down, diag);
        for pair in &pairs {
            self.sources(pair, up, diag);
            self.ways(pair, up, down, diag);
            self.turns(pair, up, down, diag);
        }
        (up.then(|| self.plan(&pairs, true)), down.then(|| self.plan(&pairs, false)))
    }

    /// Finds what becomes what.
    fn pairs(&self, up: bool, down: bool, diag: &mut Diag) -> Vec<Pair<'p>> {
        let (old, new) = match (&self.old.kind, &self.new.kind) {
            (Kind::Struct(old), Kind::Struct(new)) => return vec![Pair { variants: None, old, new }],
            (Kind::Enum(old), Kind::Enum(new)) => (old, new),
            _ => return Vec::new(),
        };
        // a `from` that says nothing known may be where an old variant goes
        let mut unread = false;
        for variant in new {
            if old.iter().any(|old| is_from(variant, old)) {
                continue;
            }
            if let Some(from) = &variant.marker.from {
                let known: Vec<String> = old.iter().map(|old| format!("`{}`", old.ident)).collect();
                diag.variant_from_unknown(from, member_name(from), &self.old.ident, known.join(", "));
                unread = true;
            } else if variant.marker.unread("from") {
                unread = true;
            } else if down {
                let (name, new, old) = (&variant.ident, &self.new.ident, &self.old.ident);
                diag.variant_without_way_down(name, name, new, old, self.new_number);
            } else {
                for option in variant.fields.iter().flat_map(|field| &field.marker.given) {
                    diag.option_of_new_variant(option, option, &variant.ident, &self.old.ident);
                }
            }
        }
        let mut pairs = Vec::new();
        for from in old {
            let targets: Vec<&VariantDecl> = new.iter().filter(|to| is_from(to, from)).collect();
            let name = &from.ident;
            match targets.as_slice() {
                [] if up && !unread && !self.removes().iter().any(|removed| is_named(removed, name)) => {
                    let (old, new) = (&self.old.ident, &self.new.ident);
                    diag.variant_lost(name, name, old, new, self.old_number, self.new_number);
                }
                [first, second, ..] if up => diag.variant_twice(&second.ident, name, &first.ident, &second.ident),
                _ => {}
            }
            pairs.extend(targets.into_iter().map(|to| Pair {
                variants: Some((&from.ident, &to.ident)),
                old: &from.fields,
                new: &to.fields,
            }));
        }
        pairs
    }

    fn removes(&self) -> &'p [Removed] {
        &self.link.options.removes
    }

    /// The old field that an entry of `removes(…)` names.
    fn removable(&self, removed: &Removed) -> Option<&'p FieldDecl> {
        let fields = match (&self.old.kind, &removed.variant) {
            (Kind::Struct(fields), None) => fields,
            (Kind::Enum(variants), Some(name)) => &variants.iter().find(|variant| variant.ident == *name)?.fields,
            _ => return None,
        };
        fields.iter().find(|field| field.member == removed.member)
    }

    /// `removes(…)` names fields that the old state has, each once.
    fn removed_exist(&self, diag: &mut Diag) {
        for (index, removed) in self.removes().iter().enumerate() {
            if let Kind::Enum(variants) = &self.old.kind
                && let Some(variant) = variants.iter().find(|variant| is_named(removed, &variant.ident))
            {
                let (old, new) = (&self.old.ident, &self.new.ident);
                diag.removes_a_variant(&removed.member, &variant.ident, old, self.old_number, self.new_number, new);
                continue;
            }
            let name = member_name(&removed.member);
            if self.removable(removed).is_none() {
                let help = match (&self.old.kind, &removed.variant) {
                    (Kind::Enum(variants), None) => {
                        let has =
                            |variant: &&VariantDecl| variant.fields.iter().any(|field| field.member == removed.member);
                        let variant =
                            variants.iter().find(has).map_or("Variant".to_owned(), |has| has.ident.to_string());
                        format!("in an enum a field is named with its variant: `removes({variant}.{name})`")
                    }
                    (Kind::Enum(variants), Some(name)) => {
                        let old = &self.old.ident;
                        if let Some(variant) = variants.iter().find(|variant| variant.ident == *name) {
                            let of = within(old, Some(name));
                            format!("the fields of `{of}` are {}", names(variant.fields.iter()))
                        } else {
                            let known: Vec<String> = variants.iter().map(|variant| quoted(&variant.ident)).collect();
                            format!("the variants of `{old}` are {}", known.join(", "))
                        }
                    }
                    _ => format!("the fields of `{}` are {}", self.old.ident, names(fields_of(self.old).into_iter())),
                };
                diag.removes_unknown(&removed.member, self.new_number, &name, &self.old.ident, &help);
            }
            let same = |other: &Removed| other.member == removed.member && other.variant == removed.variant;
            if self.removes()[..index].iter().any(same) {
                diag.removed_twice(&removed.member, &name);
            }
        }
    }

    /// Whether every new field has one source, of its type.
    fn sources(&self, pair: &Pair<'_>, up: bool, diag: &mut Diag) {
        for field in pair.new {
            let marker = &field.marker;
            if let Some((option, _)) = &marker.added {
                if let Some(clash) = marker.given.iter().find(|name| **name != "added") {
                    diag.added_and_from(clash, clash, option);
                }
                continue;
            }
            let Some(old) = pair.source(field) else {
                match &marker.from {
                    Some(from) => {
                        let known = names(pair.old.iter());
                        diag.source_unknown(from, member_name(from), &self.old.ident, &known);
                    }
                    // where the way up is written, that is where it comes from
                    None if up && pair.is_new(field) => self.no_source(field, pair, diag),
                    None => {}
                }
                continue;
            };
            if self.removed(pair, old).is_some() {
                let (name, new) = (member_name(&old.member), member_name(&field.member));
                diag.removed_but_used(field.at(), &name, &self.new.ident, &new);
            }
            if marker.with.is_none() && !marker.unread("with") {
                if let Some(back) = &marker.back {
                    diag.back_without_with(back);
                } else if !marker.unread("from") && self.key(self.old, &old.ty) != self.key(self.new, &field.ty) {
                    self.changed(field, old, diag);
                }
            }
        }
    }

    /// Whether every old field goes somewhere, and on a way down comes back from one place.
    fn ways(&self, pair: &Pair<'_>, up: bool, down: bool, diag: &mut Diag) {
        let unread = self.link.options.unread("removes")
            || self.removes().iter().any(|removed| self.removable(removed).is_none())
            || pair.misses();
        for old in pair.old {
            let name = member_name(&old.member);
            let takers = pair.takers(old);
            let moved: Vec<_> = takers.iter().filter(|field| field.marker.with.is_none()).collect();
            let back: Vec<_> = takers.iter().filter(|field| puts_back(field)).collect();
            match (takers.as_slice(), self.removed(pair, old)) {
                ([], None) if unread || up && self.is_renamed(old, pair) => {}
                ([], None) => self.dropped(old, pair, diag),
                ([], Some(Removed { member, value: None, .. })) if down => {
                    diag.removed_without_value(member, self.new_number, &name);
                }
                _ if up && moved.len() > 1 => {
                    let [first, second] = [moved[0], moved[1]].map(|field| member_name(&field.member));
                    diag.moved_twice(moved[1].at(), &name, first, second);
                }
                _ if down && back.len() > 1 => {
                    let [first, second] = [back[0], back[1]].map(|field| member_name(&field.member));
                    let (old, new) = (&self.old.ident, &self.new.ident);
                    diag.put_back_twice(back[1].at(), &name, first, second, old, new);
                }
                ([field, ..], _) if down && back.is_empty() && !field.marker.unread("back") => {
                    let with = field.marker.with.to_token_stream();
                    diag.with_without_back(&with, self.new_number, show(&with), show(&field.ty), show(&old.ty));
                }
                _ => {}
            }
        }
    }

    /// Whether the functions of `with` and `back` take and give what they should.
    fn turns(&self, pair: &Pair<'_>, up: bool, down: bool, diag: &mut Diag) {
        for field in pair.new {
            let Some(old) = pair.source(field) else { continue };
            if let Some(with) = field.marker.with.as_ref().filter(|_| up) {
                self.turn("with", with, (self.old, old), (self.new, field), diag);
            }
            if let Some(back) = field.marker.back.as_ref().filter(|_| down) {
                self.turn("back", back, (self.new, field), (self.old, old), diag);
            }
        }
    }

    fn turn(
        &self,
        option: &str,
        path: &Path,
        (of, was): (&TypeDecl, &FieldDecl),
        (to, is): (&TypeDecl, &FieldDecl),
        diag: &mut Diag,
    ) {
        let Some(function) = turns::function(self.parsed, path) else { return };
        let (old, new) = (self.scope.resolve_in(&was.ty, of), self.scope.resolve_in(&is.ty, to));
        if turns::is_unfit(self.scope, function, &old, &new) {
            let [from, name] = [was, is].map(|field| member_name(&field.member));
            let [was, is] = [was, is].map(|field| show(&field.ty));
            let called = &function.ident;
            diag.turn_unfit(path, option, show(path), was, is, name, &to.ident, from, &of.ident, called);
        }
    }

    fn removed(&self, pair: &Pair<'_>, old: &FieldDecl) -> Option<&'p Removed> {
        let variant = pair.variants.map(|(old, _)| old);
        self.removes().iter().find(|removed| removed.variant.as_ref() == variant && removed.member == old.member)
    }

    fn key(&self, of: &TypeDecl, ty: &Type) -> String {
        self.scope.key_in(ty, of)
    }

    fn changed(&self, field: &FieldDecl, old: &FieldDecl, diag: &mut Diag) {
        let (was, is, name) = (show(&old.ty), show(&field.ty), member_name(&field.member));
        let ways = match self.link.options.reversible {
            None => format!("`#[machine(with = path)]`, a `fn(&{was}) -> {is}`"),
            Some(_) => {
                format!("`#[machine(with = path, back = path)]`, a `fn(&{was}) -> {is}` and a `fn(&{is}) -> {was}`")
            }
        };
        diag.type_changed(&field.ty, &name, &was, &is, &self.old.ident, &self.new.ident, ways);
    }

    fn no_source(&self, field: &FieldDecl, pair: &Pair<'_>, diag: &mut Diag) {
        let name = member_name(&field.member);
        let (old, new) = (&self.old.ident, &self.new.ident);
        let in_old = within(old, pair.variants.map(|(old, _)| old));
        let in_new = within(new, pair.variants.map(|(_, new)| new));
        match pair.old.iter().find(|old| self.is_renamed(old, pair)) {
            Some(from) => {
                let from = member_name(&from.member);
                diag.renamed(field.at(), name, in_new, in_old, &from, self.removal(pair, &from));
            }
            None => diag.no_source(field.at(), name, in_new, in_old, new, old),
        }
    }

    /// Whether an old field looks like the one new one without a source: the only one that goes nowhere, of its type.
    fn is_renamed(&self, old: &FieldDecl, pair: &Pair<'_>) -> bool {
        let lost = |old: &&FieldDecl| pair.takers(old).is_empty() && self.removed(pair, old).is_none();
        let mut lost = pair.old.iter().filter(lost);
        let mut new = pair.new.iter().filter(|field| pair.is_new(field));
        let (Some(from), None, Some(to), None) = (lost.next(), lost.next(), new.next(), new.next()) else {
            return false;
        };
        from.member == old.member && self.key(self.old, &from.ty) == self.key(self.new, &to.ty)
    }

    fn dropped(&self, old: &FieldDecl, pair: &Pair<'_>, diag: &mut Diag) {
        let name = member_name(&old.member);
        let of = within(&self.old.ident, pair.variants.map(|(old, _)| old));
        diag.dropped_field(old.at(), &name, &of, &self.new.ident, self.removal(pair, &name));
    }

    /// How to say that an old field is to go: a derived way down needs something to put back.
    fn removal(&self, pair: &Pair<'_>, field: &str) -> String {
        let path = pair.variants.map_or_else(|| field.to_owned(), |(variant, _)| format!("{variant}.{field}"));
        let number = self.new_number;
        match self.link.options.reversible {
            None => format!("`removes({path})` on version {number}"),
            Some(_) => format!("`removes({path} = …)` on version {number}, with what to put back on the way down"),
        }
    }

    /// Where the new fields come from on the way up.
    fn up(&self, pair: &Pair<'_>) -> Fields {
        let source = |field: &FieldDecl| match (&field.marker.added, &field.marker.with, pair.source(field)) {
            (Some((_, Some(value))), ..) => Source::Value(value.clone()),
            (_, Some(function), Some(old)) => self.with(function, self.old, old),
            (_, None, Some(old)) => Source::Moved(old.member.clone()),
            _ => Source::Default,
        };
        Fields::new(pair.new.iter().map(|field| (field, source(field))), pair.old)
    }

    /// A value that a function makes of a field of `state`.
    fn with(&self, function: &Path, state: &TypeDecl, from: &FieldDecl) -> Source {
        let old = Some(&from.ty).filter(|ty| turns::is_taken_as_it_is(&self.key(state, ty)));
        Source::With { from: from.member.clone(), function: function.clone(), old: old.cloned() }
    }

    /// Where the old fields come from on the way down.
    fn down(&self, pair: &Pair<'_>) -> Fields {
        let source = |old: &FieldDecl| {
            let taker = pair.takers(old).into_iter().find(|field| puts_back(field));
            match (taker, self.removed(pair, old)) {
                (Some(field @ FieldDecl { marker: Marker { back: Some(back), .. }, .. }), _) => {
                    self.with(back, self.new, field)
                }
                (Some(field), _) => Source::Moved(field.member.clone()),
                (None, Some(Removed { value: Some(value), .. })) => Source::Value(value.clone()),
                (None, _) => Source::Default,
            }
        };
        Fields::new(pair.old.iter().map(|old| (old, source(old))), pair.new)
    }

    fn plan(&self, pairs: &[Pair<'_>], up: bool) -> Plan {
        let fields = |pair: &Pair<'_>| if up { self.up(pair) } else { self.down(pair) };
        let arm = |pair: &Pair<'_>| {
            let (old, new) = pair.variants?;
            let (from, to) = if up { (old, new) } else { (new, old) };
            Some(Arm { from: from.clone(), to: to.clone(), fields: fields(pair) })
        };
        let body = match pairs {
            [pair @ Pair { variants: None, .. }] => Body::Struct(fields(pair)),
            pairs => Body::Enum(pairs.iter().filter_map(arm).collect()),
        };
        let all: Vec<&Field> = match &body {
            Body::Struct(fields) => fields.fields.iter().collect(),
            Body::Enum(arms) => arms.iter().flat_map(|arm| &arm.fields.fields).collect(),
        };
        let pure = all.into_iter().all(|field| match &field.source {
            Source::Moved(_) => true,
            Source::With { .. } => false,
            Source::Value(value) => is_pure(value),
            Source::Default => is_primitive(&self.scope.key(&field.ty)),
        });
        Plan { body, pure }
    }
}

/// Whether the way down makes an old field of this one: by moving it back, or by a function.
fn puts_back(field: &FieldDecl) -> bool {
    field.marker.with.is_none() || field.marker.back.is_some()
}

/// Whether a new variant comes from an old one.
fn is_from(new: &VariantDecl, old: &VariantDecl) -> bool {
    match &new.marker.from {
        Some(from) => matches!(from, Member::Named(from) if *from == old.ident),
        None => new.ident == old.ident,
    }
}

/// Whether `removes` names this alone.
fn is_named(removed: &Removed, name: &Ident) -> bool {
    removed.variant.is_none() && matches!(&removed.member, Member::Named(member) if member == name)
}

/// A literal or a plain path: nothing of the user's runs when it is evaluated.
pub(super) fn is_pure(value: &Expr) -> bool {
    match value {
        Expr::Lit(_) | Expr::Path(_) => true,
        Expr::Unary(unary) => {
            matches!(unary.op, UnOp::Neg(_))
                && matches!(&*unary.expr, Expr::Lit(lit) if !matches!(lit.lit, Lit::Verbatim(_)))
        }
        Expr::Group(group) => is_pure(&group.expr),
        Expr::Paren(paren) => is_pure(&paren.expr),
        _ => false,
    }
}

/// A state, or a variant of it.
fn within(state: &Ident, variant: Option<&Ident>) -> String {
    variant.map_or_else(|| state.to_string(), |variant| format!("{state}::{variant}"))
}

fn member_name(member: &Member) -> String {
    match member {
        Member::Named(name) => name.to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

fn names<'f>(fields: impl Iterator<Item = &'f FieldDecl>) -> String {
    let names: Vec<String> = fields.map(|field| format!("`{}`", member_name(&field.member))).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl Fields {
    fn new<'p>(fields: impl Iterator<Item = (&'p FieldDecl, Source)>, left: &[FieldDecl]) -> Self {
        let fields: Vec<Field> =
            fields.map(|(to, source)| Field { member: to.member.clone(), ty: to.ty.clone(), source }).collect();
        let moves =
            |member: &Member| fields.iter().any(|field| matches!(&field.source, Source::Moved(from) if from == member));
        let dropped = left.iter().map(|field| field.member.clone()).filter(|member| !moves(member)).collect();
        Self { fields, dropped }
    }
}
