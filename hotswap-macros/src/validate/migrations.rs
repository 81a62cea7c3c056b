//! The migrations: which are written, which can be derived, and where every field of a derived one comes from.

#![expect(clippy::similar_names, reason = "a line is made of links")]

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Expr, FnArg, Ident, Lit, Member, ReturnType, Type, UnOp};

use super::chain::{self, Line, Link};
use super::inputs::{parameters, plain_function};
use crate::diag::Diag;
use crate::model::{Arm, Body, Edge, Field, Fields, How, Plan, Source};
use crate::parse::{Function, Parsed, Removed};
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
    let written: Vec<Written<'_>> =
        parsed.migrations.iter().filter_map(|function| read(parsed, line, function, diag)).collect();
    let complete = !parsed.incomplete && written.len() == parsed.migrations.len();
    let (mut ups, mut downs) = (Vec::new(), Vec::new());
    for (to, link) in line.links.iter().enumerate() {
        let Some(from) = link.previous else {
            stray_field_markers(parsed, link, diag);
            continue;
        };
        let find = |from: usize, to: usize| written.iter().filter(move |edge| edge.from == from && edge.to == to);
        if link.behaviour_only() {
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
        let derive_down = link.options.reversible.is_some() && down.is_none();
        let states = ends(parsed, line, from, to, up.is_some());
        if let Some(ends) = &states {
            ends.unused(up.map(|up| &up.function.item.sig.ident), derive_down, diag);
        }
        match up {
            Some(up) => ups.push(up.edge()),
            None if complete || states.as_ref().is_some_and(|ends| ends.derivable().is_ok()) => {
                if let Some(body) = states.as_ref().and_then(|ends| ends.derive_up(diag)) {
                    ups.push(Edge { from, to, how: How::Derived(body), loses: None });
                }
            }
            None => {}
        }
        match down {
            Some(down) => downs.push(down.edge()),
            None if derive_down => {
                // what cannot be derived at all has been said for the way up, unless that one is written
                if let Some(body) = states.as_ref().and_then(|ends| ends.derive_down(diag)) {
                    downs.push(Edge { from: to, to: from, how: How::Derived(body), loses: None });
                }
            }
            None => {}
        }
    }
    ups.append(&mut downs);
    ups
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
    if moves && fallible && !gives_back(scope, returned, old) {
        diag.moves_loses_the_state(returned, name, show(old), show(new));
        return None;
    }
    let (from, to) = match function.marker.migrate.as_ref().and_then(|migrate| migrate.edge.as_ref()) {
        Some((from, to)) => {
            let find = |number: &crate::parse::Number, diag: &mut Diag| {
                let found = line.position(number.value);
                if found.is_none() && !parsed.incomplete {
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
    let edge = nearest_pair(line, from, to);
    let Some((from, to)) = edge else {
        // a hole in the line has had its message, and hides who the neighbours are
        if from == to || line.links.iter().skip(1).all(|link| link.previous.is_some()) {
            let (from, to) = (number(line, from), number(line, to));
            diag.no_neighbours(name, name, from, to);
        }
        return None;
    };
    chain::same(function, &line.links[from.max(to)], diag);
    Some(Written { function, from, to, fallible, moves })
}

/// Where the edge is named, its types are only compared as far as they are known.
fn agrees(parsed: &Parsed, line: &Line<'_>, ty: &Type, version: usize, diag: &mut Diag) {
    let Some(state) = line.links[version].state else { return };
    let resolved = parsed.scope.resolve(ty);
    if resolved.leaves.is_empty() && resolved.key != parsed.scope.key(&syn::parse_quote!(#state)) {
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
    let key = parsed.scope.key(ty);
    let found = line.links.iter().position(|link| {
        !link.behaviour_only() && link.state.is_some_and(|state| parsed.scope.key(&syn::parse_quote!(#state)) == key)
    });
    if found.is_none() && !parsed.incomplete {
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
    (low != high && shares(previous, low)).then_some(if from < to { (previous, high) } else { (high, previous) })
}

/// The first version's fields come from nowhere.
fn stray_field_markers(parsed: &Parsed, link: &Link<'_>, diag: &mut Diag) {
    let Some(decl) = link.state.and_then(|state| parsed.scope.named(state)) else { return };
    if link.options.migrates_from.is_none() && !parsed.incomplete {
        for option in markers(decl) {
            diag.field_option_on_first(option, option, &decl.ident);
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
    scope: &'p Scope,
    old: &'p TypeDecl,
    new: &'p TypeDecl,
    old_number: u32,
    new_number: u32,
    removes: &'p [Removed],
    link: &'p Link<'p>,
    /// The mistakes of fields have not been reported for the way up.
    up_is_written: bool,
}

fn ends<'p>(parsed: &'p Parsed, line: &'p Line<'p>, from: usize, to: usize, up_is_written: bool) -> Option<Ends<'p>> {
    let decl = |index: usize| line.links[index].state.and_then(|state| parsed.scope.named(state));
    let link = &line.links[to];
    Some(Ends {
        scope: &parsed.scope,
        old: decl(from)?,
        new: decl(to)?,
        old_number: number(line, from),
        new_number: number(line, to),
        removes: &link.options.removes,
        link,
        up_is_written,
    })
}

/// The fields of one struct or variant, before and after.
struct Pair<'p> {
    /// The variant, in the old enum.
    variant: Option<&'p Ident>,
    old: &'p [FieldDecl],
    new: &'p [FieldDecl],
}

impl<'p> Ends<'p> {
    /// Why nothing can be derived between these two, if so.
    fn derivable(&self) -> Result<(), String> {
        for end in [self.old, self.new] {
            let ident = &end.ident;
            if let Kind::Unseen(_) | Kind::Alias(_) = end.kind {
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
    fn unused(&self, written_up: Option<&Ident>, derive_down: bool, diag: &mut Diag) {
        if let Some(up) = written_up
            && !derive_down
        {
            let removes = self.link.options.given.iter().find(|name| **name == "removes");
            for option in markers(self.new).into_iter().chain(removes) {
                diag.option_beside_written(option, option, self.old_number, self.new_number, up);
            }
        } else if !derive_down {
            for field in fields_of(self.new) {
                if let Some(back) = &field.marker.back {
                    diag.back_without_reversible(back, self.new_number);
                }
            }
            for removed in self.removes {
                if let Some(value) = &removed.value {
                    diag.value_without_reversible(value, self.new_number);
                }
            }
        }
    }

    fn derive_up(&self, diag: &mut Diag) -> Option<Plan> {
        if let Err(why) = self.derivable() {
            diag.migration_missing(
                &self.new.ident,
                self.new_number,
                self.old_number,
                &why,
                &self.old.ident,
                &self.new.ident,
            );
            return None;
        }
        let before = diag.count();
        self.removed_exist(diag);
        let body = match (&self.old.kind, &self.new.kind) {
            (Kind::Enum(old), Kind::Enum(new)) => {
                self.variants_exist(old, new, diag);
                let mut arms = Vec::new();
                for variant in old {
                    let mut targets = new.iter().filter(|to| *source_of(to) == variant.ident);
                    let Some(target) = targets.next() else {
                        diag.variant_lost(
                            &variant.ident,
                            &variant.ident,
                            &self.old.ident,
                            &self.new.ident,
                            self.old_number,
                            self.new_number,
                        );
                        continue;
                    };
                    if let Some(second) = targets.next() {
                        diag.variant_twice(&second.ident, &variant.ident, &target.ident, &second.ident);
                    }
                    let pair = Pair { variant: Some(&variant.ident), old: &variant.fields, new: &target.fields };
                    let fields = self.up(&pair, diag);
                    arms.push(Arm { from: variant.ident.clone(), to: target.ident.clone(), fields });
                }
                Body::Enum(arms)
            }
            (Kind::Struct(old), Kind::Struct(new)) => Body::Struct(self.up(&Pair { variant: None, old, new }, diag)),
            _ => return None,
        };
        (diag.count() == before).then(|| self.plan(body))
    }

    fn derive_down(&self, diag: &mut Diag) -> Option<Plan> {
        if let Err(why) = self.derivable() {
            if self.up_is_written
                && let Some(reversible) = &self.link.options.reversible
            {
                diag.not_reversible(reversible, self.new_number, &why, &self.old.ident, &self.new.ident);
            }
            return None;
        }
        let before = diag.count();
        if self.up_is_written {
            self.removed_exist(diag);
        }
        let body = match (&self.old.kind, &self.new.kind) {
            (Kind::Enum(old), Kind::Enum(new)) => {
                let mut arms = Vec::new();
                for variant in new {
                    let source = source_of(variant);
                    let Some(target) = old.iter().find(|old| old.ident == *source) else {
                        // `from` with a name that is not there has had its message
                        if variant.marker.from.is_none() {
                            diag.variant_without_way_down(
                                &variant.ident,
                                &variant.ident,
                                &self.new.ident,
                                &self.old.ident,
                                self.new_number,
                            );
                        }
                        continue;
                    };
                    let pair = Pair { variant: Some(&target.ident), old: &target.fields, new: &variant.fields };
                    let fields = self.down(&pair, diag);
                    arms.push(Arm { from: variant.ident.clone(), to: target.ident.clone(), fields });
                }
                Body::Enum(arms)
            }
            (Kind::Struct(old), Kind::Struct(new)) => Body::Struct(self.down(&Pair { variant: None, old, new }, diag)),
            _ => return None,
        };
        (diag.count() == before).then(|| self.plan(body))
    }

    /// `removes(…)` names fields that the old state has, each once.
    fn removed_exist(&self, diag: &mut Diag) {
        for (index, removed) in self.removes.iter().enumerate() {
            let old: &[FieldDecl] = match (&self.old.kind, &removed.variant) {
                (Kind::Struct(fields), None) => fields,
                (Kind::Enum(variants), Some(variant)) => {
                    variants.iter().find(|old| old.ident == *variant).map_or(&[], |old| &old.fields)
                }
                _ => &[],
            };
            let name = member_name(&removed.member);
            if !old.iter().any(|field| field.member == removed.member) {
                let in_enum = matches!(self.old.kind, Kind::Enum(_));
                let help = match (in_enum, &removed.variant) {
                    (true, None) => format!("in an enum a field is named with its variant: `removes(Variant.{name})`"),
                    _ => format!("the fields of `{}` are {}", self.old.ident, names(fields_of(self.old).into_iter())),
                };
                diag.removes_unknown(&removed.member, self.new_number, &name, &self.old.ident, &help);
            }
            let same = |other: &Removed| other.member == removed.member && other.variant == removed.variant;
            if self.removes[..index].iter().any(same) {
                diag.removed_twice(&removed.member, &name);
            }
        }
    }

    /// `from = Name` on a variant names one that the old state has.
    fn variants_exist(&self, old: &[VariantDecl], new: &[VariantDecl], diag: &mut Diag) {
        for variant in new {
            if let Some(from) = &variant.marker.from
                && !old.iter().any(|old| matches!(from, Member::Named(from) if *from == old.ident))
            {
                let known: Vec<String> = old.iter().map(|old| format!("`{}`", old.ident)).collect();
                diag.variant_from_unknown(from, member_name(from), &self.old.ident, known.join(", "));
            }
        }
    }

    /// Where the new fields come from on the way up.
    fn up(&self, pair: &Pair<'_>, diag: &mut Diag) -> Fields {
        let mut fields = Vec::new();
        let mut moved: Vec<(&Member, &FieldDecl)> = Vec::new();
        let mut used: Vec<&Member> = Vec::new();
        for field in pair.new {
            let marker = &field.marker;
            if let Some((option, value)) = &marker.added {
                let clash = marker.given.iter().find(|name| **name != "added");
                if let Some(clash) = clash {
                    diag.added_and_from(clash, clash, option);
                }
                let source = value.clone().map_or(Source::Default, Source::Value);
                fields.push(Field { member: field.member.clone(), ty: field.ty.clone(), source });
                continue;
            }
            let wanted = marker.from.as_ref().unwrap_or(&field.member);
            let Some(old) = pair.old.iter().find(|old| old.member == *wanted) else {
                self.no_source(field, pair, diag);
                continue;
            };
            used.push(&old.member);
            if self.removed(pair.variant, &old.member).is_some() {
                let (name, new) = (member_name(&old.member), member_name(&field.member));
                diag.removed_but_used(field.at(), &name, &self.new.ident, &new);
            }
            let source = if let Some(function) = &marker.with {
                Source::With { from: old.member.clone(), function: function.clone() }
            } else {
                if let Some((_, first)) = moved.iter().find(|(member, _)| **member == old.member) {
                    let (name, first) = (member_name(&old.member), member_name(&first.member));
                    diag.moved_twice(field.at(), &name, &first, member_name(&field.member));
                }
                moved.push((&old.member, field));
                let (was, is) = (self.key(self.old, &old.ty), self.key(self.new, &field.ty));
                if was != is {
                    self.changed(field, old, diag);
                }
                if let Some(back) = &marker.back {
                    diag.back_without_with(back);
                }
                Source::Moved(old.member.clone())
            };
            fields.push(Field { member: field.member.clone(), ty: field.ty.clone(), source });
        }
        for old in pair.old {
            if !used.contains(&&old.member) && self.removed(pair.variant, &old.member).is_none() {
                self.dropped(old, pair.variant, diag);
            }
        }
        Fields::new(fields, pair.old)
    }

    /// Where the old fields come from on the way down.
    fn down(&self, pair: &Pair<'_>, diag: &mut Diag) -> Fields {
        let mut fields = Vec::new();
        for old in pair.old {
            let from_here = |field: &&FieldDecl| {
                field.marker.added.is_none() && *field.marker.from.as_ref().unwrap_or(&field.member) == old.member
            };
            let plain = pair.new.iter().filter(from_here).find(|field| field.marker.with.is_none());
            let turned = pair.new.iter().filter(from_here).find(|field| field.marker.with.is_some());
            let backed = pair.new.iter().filter(from_here).find(|field| field.marker.back.is_some());
            let source = if let Some(new) = plain {
                if self.key(self.old, &old.ty) != self.key(self.new, &new.ty) && self.up_is_written {
                    self.changed(new, old, diag);
                }
                Source::Moved(new.member.clone())
            } else if let Some(new) = backed.or(turned) {
                let Some(back) = &new.marker.back else {
                    let with = new.marker.with.as_ref().map(show).unwrap_or_default();
                    diag.with_without_back(
                        &new.marker.with.to_token_stream(),
                        self.new_number,
                        &with,
                        show(&new.ty),
                        show(&old.ty),
                    );
                    continue;
                };
                Source::With { from: new.member.clone(), function: back.clone() }
            } else if let Some(removed) = self.removed(pair.variant, &old.member) {
                let Some(value) = &removed.value else {
                    let name = member_name(&old.member);
                    diag.removed_without_value(&removed.member, self.new_number, &name);
                    continue;
                };
                Source::Value(value.clone())
            } else {
                // where the way up is derived this has been reported there
                if self.up_is_written {
                    self.dropped(old, pair.variant, diag);
                }
                continue;
            };
            fields.push(Field { member: old.member.clone(), ty: old.ty.clone(), source });
        }
        Fields::new(fields, pair.new)
    }

    fn removed(&self, variant: Option<&Ident>, member: &Member) -> Option<&'p Removed> {
        self.removes.iter().find(|removed| removed.variant.as_ref() == variant && removed.member == *member)
    }

    fn key(&self, of: &TypeDecl, ty: &Type) -> String {
        self.scope.key_in(ty, of)
    }

    fn no_source(&self, field: &FieldDecl, pair: &Pair<'_>, diag: &mut Diag) {
        let name = member_name(&field.member);
        match &field.marker.from {
            Some(from) => {
                let known = names(pair.old.iter());
                diag.source_unknown(from, member_name(from), &self.old.ident, &known);
            }
            None => diag.no_source(field.at(), &name, &self.new.ident, &self.old.ident),
        }
    }

    fn changed(&self, field: &FieldDecl, old: &FieldDecl, diag: &mut Diag) {
        let (was, is, name) = (show(&old.ty), show(&field.ty), member_name(&field.member));
        diag.type_changed(&field.ty, &name, &was, &is, &self.old.ident, &self.new.ident);
    }

    fn dropped(&self, old: &FieldDecl, variant: Option<&Ident>, diag: &mut Diag) {
        let name = member_name(&old.member);
        let path = variant.map_or_else(|| name.clone(), |variant| format!("{variant}.{name}"));
        let of = variant.map_or_else(|| self.old.ident.to_string(), |variant| format!("{}::{variant}", self.old.ident));
        diag.dropped_field(old.at(), &name, &of, &self.new.ident, &path, self.new_number);
    }

    fn plan(&self, body: Body) -> Plan {
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

/// The old variant that a new one comes from.
fn source_of(variant: &VariantDecl) -> &Ident {
    match &variant.marker.from {
        Some(Member::Named(from)) => from,
        _ => &variant.ident,
    }
}

/// A literal or a plain path: nothing of the user's runs when it is evaluated.
fn is_pure(value: &Expr) -> bool {
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
    fn new(fields: Vec<Field>, left: &[FieldDecl]) -> Self {
        let moves =
            |member: &Member| fields.iter().any(|field| matches!(&field.source, Source::Moved(from) if from == member));
        let dropped = left.iter().map(|field| field.member.clone()).filter(|member| !moves(member)).collect();
        Self { fields, dropped }
    }
}
