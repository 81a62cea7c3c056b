//! The line of versions: their numbers, which comes after which, and the `cfg`s that stand on them.

#![expect(clippy::similar_names, reason = "a line is made of links")]

use quote::ToTokens;
use syn::{Attribute, FnArg, Ident, Signature, Type};

use super::is_state;
use crate::diag::Diag;
use crate::parse::{Function, Marker, Number, Parsed, quoted};
use crate::scope::{bare, show, spell};

/// The versions, ascending. With mistakes in it the line may have holes, which `previous` shows.
#[derive(Debug)]
pub(super) struct Line<'p> {
    pub(super) links: Vec<Link<'p>>,
    /// States whose number is another's.
    homeless: Vec<&'p Ident>,
    /// The steps on those.
    pub(super) strays: Vec<&'p Function>,
    /// A version may be missing here because it could not be read.
    pub(super) incomplete: bool,
}

/// One version.
#[derive(Debug)]
pub(super) struct Link<'p> {
    pub(super) number: &'p Number,
    /// Of the state, or for a behaviour-only version of its first step.
    pub(super) options: &'p Marker,
    /// None if the version has no state of its own and what it migrates from is not known.
    pub(super) state: Option<&'p Ident>,
    /// Behaviour-only: the version that declares the state.
    pub(super) shares: Option<usize>,
    pub(super) previous: Option<usize>,
    pub(super) boxed: bool,
    pub(super) cfg: &'p [Attribute],
    pub(super) steps: Vec<&'p Function>,
    /// The state is one that an earlier version has.
    pub(super) repeats: bool,
}

impl Link<'_> {
    pub(super) fn behaviour_only(&self) -> bool {
        self.shares.is_some()
    }
}

impl Line<'_> {
    /// Whether nothing comes before this version, and nothing was meant to.
    pub(super) fn is_first(&self, index: usize) -> bool {
        let options = self.links[index].options;
        index == 0 && !self.incomplete && options.migrates_from.is_none() && !options.unread("migrates_from")
    }

    /// Whether every version but the first has its place behind another.
    pub(super) fn is_whole(&self) -> bool {
        !self.incomplete && self.links.iter().skip(1).all(|link| link.previous.is_some() && !link.repeats)
    }

    pub(super) fn position(&self, number: u32) -> Option<usize> {
        self.links.iter().position(|link| link.number.value == number)
    }
}

/// Sorts versions into a line.
pub(super) fn line<'p>(parsed: &'p Parsed, diag: &mut Diag) -> Line<'p> {
    let mut line = Line { links: Vec::new(), homeless: Vec::new(), strays: Vec::new(), incomplete: parsed.incomplete };
    for state in &parsed.states {
        let number = &state.number;
        if let Some(first) = line.position(number.value) {
            let name = line.links[first].state.map(ToString::to_string).unwrap_or_default();
            diag.version_twice(&number.lit, number.value, &name);
            line.homeless.push(&state.ident);
            line.incomplete = true;
            continue;
        }
        let ident = &state.ident;
        let ty = syn::parse_quote!(#ident);
        let same = |link: &&Link<'_>| link.state.is_some_and(|other| is_state(parsed, other, &ty));
        let first = line.links.iter().find(same);
        if let Some(first) = first {
            let (name, before) = (first.state.map(ToString::to_string).unwrap_or_default(), first.number.value);
            let from = state.marker.migrates_from.as_ref().map_or(before, |from| from.value);
            diag.state_twice(&state.ident, &state.ident, number.value, name, before, from);
        }
        line.links.push(Link {
            number,
            options: &state.marker,
            state: Some(&state.ident),
            shares: None,
            previous: None,
            boxed: state.marker.boxed.is_some(),
            cfg: &state.cfg,
            steps: Vec::new(),
            repeats: first.is_some(),
        });
    }
    steps(parsed, &mut line, diag);
    line.links.sort_by_key(|link| link.number.value);
    neighbours(parsed, &mut line, diag);
    for index in 0..line.links.len() {
        inherit(index, &mut line);
    }
    for (index, link) in line.links.iter().enumerate() {
        numbers(parsed, link, diag);
        behaviour(&line, index, diag);
        conditions(&line, index, diag);
    }
    if line.links.is_empty() && !line.incomplete {
        diag.no_versions(&parsed.module.ident);
    } else if parsed.steps.is_empty() && parsed.lost.is_empty() && !line.incomplete {
        diag.no_steps(&parsed.module.ident, unmarked(parsed));
    }
    line
}

/// The state that a step says it runs on, as it is written.
pub(super) fn runs_on(step: &Signature) -> Option<&Type> {
    let Some(FnArg::Typed(first)) = step.inputs.first() else { return None };
    match bare(&first.ty) {
        Type::Reference(reference) => Some(&reference.elem),
        by_value => Some(by_value),
    }
}

/// How to write a step, or which function without a marker may be one.
fn unmarked(parsed: &Parsed) -> String {
    let found = parsed.unmarked.iter().find_map(|function| {
        let ty = runs_on(function)?;
        let state = parsed.states.iter().find(|state| is_state(parsed, &state.ident, ty))?;
        (function.inputs.len() == 2).then_some((&function.ident, state.number.value))
    });
    match found {
        Some((name, number)) => format!("`{name}` has no marker: write `#[machine(version = {number})]` on it"),
        None => "mark a function: \
                 `#[machine(version = 1)] pub fn name(state: &mut V1, input: Input) -> Output`"
            .to_owned(),
    }
}

/// Gives each step to its version; a version that only steps name is behaviour-only.
fn steps<'p>(parsed: &'p Parsed, line: &mut Line<'p>, diag: &mut Diag) {
    for step in &parsed.steps {
        let Some(number) = &step.marker.version else { continue };
        let runs_on = runs_on(&step.item.sig);
        if line.homeless.iter().any(|state| runs_on.is_some_and(|ty| is_state(parsed, state, ty))) {
            line.strays.push(step);
            continue;
        }
        let Some(index) = line.position(number.value) else {
            line.links.push(Link {
                number,
                options: &step.marker,
                state: None,
                shares: None,
                previous: None,
                boxed: false,
                cfg: &step.cfg,
                steps: vec![step],
                repeats: false,
            });
            continue;
        };
        let link = &mut line.links[index];
        let of_version = ["migrates_from", "reversible", "removes", "drops", "frozen", "boxed"];
        if let Some(option) = step.marker.given.iter().find(|name| of_version.iter().any(|option| **name == *option)) {
            if let Some(state) = link.state {
                diag.option_belongs_on_state(option, option, number.value, state);
            } else {
                let first = link.steps.first().map(|first| first.item.sig.ident.to_string()).unwrap_or_default();
                diag.option_belongs_on_first_step(option, option, number.value, first);
            }
        }
        link.steps.push(step);
    }
}

/// Finds each version's predecessor.
fn neighbours(parsed: &Parsed, line: &mut Line<'_>, diag: &mut Diag) {
    let numbers: Vec<u32> = line.links.iter().map(|link| link.number.value).collect();
    let mut firsts: Vec<usize> = Vec::new();
    let mut followed: Vec<Option<usize>> = vec![None; numbers.len()];
    for index in 0..line.links.len() {
        let link = &line.links[index];
        let Some(from) = &link.options.migrates_from else {
            if link.options.unread("migrates_from") {
                // it may be what comes before
            } else if link.state.is_some() {
                firsts.push(index);
            } else if !line.incomplete {
                no_state(parsed, link, &numbers, diag);
            }
            continue;
        };
        let (number, from_number) = (link.number.value, from.value);
        if from_number >= number {
            diag.migrates_upwards(&from.lit, number, from_number);
        } else if let Some(previous) = line.position(from_number) {
            if let Some(other) = followed[previous] {
                diag.fork(&from.lit, numbers[other], number, from_number);
            } else {
                followed[previous] = Some(index);
                line.links[index].previous = Some(previous);
            }
        } else if parsed.options.retired.contains(&from_number) {
            diag.migrates_from_retired(&from.lit, number, from_number);
        } else if !line.incomplete {
            let known: Vec<String> = numbers.iter().filter(|known| **known < number).map(ToString::to_string).collect();
            let instead = match known.as_slice() {
                [] => format!(
                    "or remove `migrates_from` if version {number} is the first; if version {from_number} was released \
                     and its code is gone, reserve its number with `#[machine(retired({from_number}))]` on the module"
                ),
                known => format!("or migrate from one of: {}", known.join(", ")),
            };
            diag.gap(&from.lit, number, from_number, &instead);
        }
    }
    // a marker that could not be read may have said what comes before
    for pair in firsts.windows(2).filter(|_| !line.incomplete) {
        let lit = &line.links[pair[1]].number.lit;
        diag.two_firsts(lit, numbers[firsts[0]], numbers[pair[1]], numbers[pair[1] - 1]);
    }
}

/// A version of which there are only steps, and nothing says whose state they run on.
fn no_state(parsed: &Parsed, link: &Link<'_>, numbers: &[u32], diag: &mut Diag) {
    let number = link.number.value;
    let runs_on = link.steps.first().and_then(|step| runs_on(&step.item.sig));
    let state = |ty: &Type| parsed.states.iter().find(|state| is_state(parsed, &state.ident, ty));
    let mark = match runs_on.map(|ty| (ty, state(ty))) {
        Some((ty, Some(state))) => {
            format!("`{}` is the state of version {}: correct the number", show(ty), state.number.value)
        }
        Some((ty, None)) => format!("mark `{}` with `#[machine(version = {number})]`", show(ty)),
        None => format!("mark its state type with `#[machine(version = {number})]`"),
    };
    let before = numbers.iter().filter(|other| **other < number).max();
    let keep = before.map_or_else(String::new, |before| {
        format!(", or to keep the state of version {before} add `migrates_from = {before}` here")
    });
    diag.no_state(&link.number.lit, number, mark + &keep);
}

/// A behaviour-only version has its predecessor's state.
fn inherit(index: usize, line: &mut Line<'_>) {
    if line.links[index].state.is_none()
        && let Some(previous) = line.links[index].previous
    {
        let Link { state, shares, boxed, .. } = line.links[previous];
        let link = &mut line.links[index];
        link.state = state;
        link.shares = state.map(|_| shares.unwrap_or(previous));
        link.boxed = boxed;
    }
}

fn numbers(parsed: &Parsed, link: &Link<'_>, diag: &mut Diag) {
    if parsed.options.retired.contains(&link.number.value) {
        let retired: Vec<String> = parsed.options.retired.iter().map(quoted).collect();
        diag.number_retired(&link.number.lit, link.number.value, retired.join(", "));
    }
}

/// Options that say something of a state, on a version that has none of its own or none before it.
fn behaviour(line: &Line<'_>, index: usize, diag: &mut Diag) {
    let link = &line.links[index];
    let options = link.options;
    let number = link.number.value;
    let of = |meant: &'static [&'static str]| {
        options.given.iter().filter(move |name| meant.iter().any(|option| **name == *option))
    };
    if link.behaviour_only() {
        for option in of(&["reversible", "removes", "frozen", "boxed"]) {
            let state = link.state.map(ToString::to_string).unwrap_or_default();
            diag.option_of_a_state(option, option, number, &state);
        }
    } else if line.is_first(index) {
        for option in of(&["reversible", "removes", "drops"]) {
            diag.option_of_a_later_version(option, option, number);
        }
    }
}

/// A version is there whenever the one after it is, and its steps whenever it is.
fn conditions(line: &Line<'_>, index: usize, diag: &mut Diag) {
    let link = &line.links[index];
    if let Some(previous) = link.previous {
        let previous = &line.links[previous];
        if let Some(missing) = lacking(previous.cfg, link.cfg) {
            diag.cfg_gap(&link.number.lit, link.number.value, previous.number.value, &missing);
        }
    }
    for step in &link.steps {
        same(step, link, diag);
    }
}

/// A step or migration of a version has exactly the version's conditions.
pub(super) fn same(function: &Function, link: &Link<'_>, diag: &mut Diag) {
    let (name, number) = (&function.item.sig.ident, link.number.value);
    if let Some(missing) = lacking(link.cfg, &function.cfg) {
        diag.cfg_missing(name, name, number, &missing);
    } else if let Some(extra) = function.cfg.iter().find(|attr| !has(link.cfg, attr)) {
        diag.cfg_extra(extra, name, number);
    }
}

/// The first of the wanted conditions that is not given.
pub(super) fn lacking(wanted: &[Attribute], given: &[Attribute]) -> Option<String> {
    let missing = wanted.iter().find(|attr| !has(given, attr))?;
    Some(crate::scope::show(missing))
}

pub(super) fn has(attrs: &[Attribute], attr: &Attribute) -> bool {
    let key = spell(attr.meta.to_token_stream());
    attrs.iter().any(|other| spell(other.meta.to_token_stream()) == key)
}
