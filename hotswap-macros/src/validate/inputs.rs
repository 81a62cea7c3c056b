//! The inputs: which step of which version takes them, and by which adapters the other versions do.

use std::collections::BTreeMap;

use syn::ext::IdentExt;
use syn::{Attribute, FnArg, GenericParam, Ident, LitStr, Member, ReturnType, Safety, Signature, Type, TypeReference};

use super::chain::{Line, Link, has, lacking, runs_on};
use super::is_state;
use super::types::plain;
use crate::diag::Diag;
use crate::model::{Adapt, Adapter, Input, Shared, Way};
use crate::parse::{Extends, Function, Parsed, Side, quoted};
use crate::scope::{Kind, VariantDecl, bare, show};

/// What the versions take.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) inputs: Vec<Input>,
    pub(super) adapters: Vec<Adapter>,
}

/// A step with a sound signature.
struct Step<'p> {
    function: &'p Function,
    input: Type,
    key: String,
    output: Type,
}

/// An adapter, before it is known what it adapts.
struct Draft<'p> {
    adapter: Adapter,
    from: String,
    to: String,
    side: Option<Side>,
    /// What to point at: the function's name, or the type of `extends`.
    at: &'p dyn quote::ToTokens,
    name: String,
}

/// An input type while its ways are sought.
struct Known {
    key: String,
    input: Input,
    /// No step says what it gives; its first way will.
    open_output: bool,
}

/// What the functions that could not be read may take, so that it is not said to be untaken.
#[derive(Default)]
struct Lost {
    /// The version, or none for any; the type's key, or none for any.
    taken: Vec<(Option<u32>, Option<String>)>,
    /// An adapter is among them.
    adapter: bool,
}

impl Lost {
    /// May stand for any type in a signature.
    fn function(&mut self, parsed: &Parsed, number: Option<u32>, signature: &Signature) {
        let types = signature.inputs.iter().filter_map(|parameter| match parameter {
            FnArg::Typed(parameter) => Some(match bare(&parameter.ty) {
                Type::Reference(reference) => &*reference.elem,
                ty => ty,
            }),
            FnArg::Receiver(_) => None,
        });
        let keys: Vec<String> = types.map(|ty| parsed.scope.key(ty)).collect();
        if keys.is_empty() {
            self.taken.push((number, None));
        }
        self.taken.extend(keys.into_iter().map(|key| (number, Some(key))));
    }

    fn may_take(&self, number: u32, key: &str) -> bool {
        self.taken.iter().any(|(version, taken)| {
            version.is_none_or(|version| version == number) && taken.as_ref().is_none_or(|taken| taken == key)
        })
    }

    fn may_name(&self, key: &str) -> bool {
        self.taken.iter().any(|(_, taken)| taken.as_ref().is_none_or(|taken| taken == key))
    }
}

/// Finds every input and how each version takes it.
pub(super) fn inputs(parsed: &Parsed, line: &Line<'_>, diag: &mut Diag) -> Inputs {
    let mut lost = Lost::default();
    for signature in parsed.lost.iter().chain(line.strays.iter().map(|step| &step.item.sig)) {
        lost.function(parsed, None, signature);
    }
    let mut steps: Vec<Vec<Step<'_>>> = Vec::new();
    for link in &line.links {
        let mut of_version: Vec<Step<'_>> = Vec::new();
        for function in &link.steps {
            // where version and state disagree, it may be another version's step
            let runs_on = runs_on(&function.item.sig);
            let agrees = |state: &&Ident| runs_on.is_some_and(|ty| is_state(parsed, state, ty));
            let number = link.state.filter(agrees).map(|_| link.number.value);
            let read = step(parsed, link, function, diag);
            if read.is_none() && function.item.sig.inputs.len() < 2 {
                lost.taken.push((number, None));
            } else if read.is_none() || number.is_none() {
                lost.function(parsed, number, &function.item.sig);
            }
            let Some(step) = read else { continue };
            if let Some(first) = of_version.iter().find(|first| first.key == step.key) {
                let (first, second) = (&first.function.item.sig.ident, &function.item.sig.ident);
                diag.step_twice(second, link.number.value, show(&step.input), first, second);
                continue;
            }
            of_version.push(step);
        }
        steps.push(of_version);
    }
    let mut known = stepped(parsed, line, &steps, diag);
    let drafts = drafts(parsed, &known, &mut lost, diag);
    let adapters = sides(parsed, &mut known, drafts, &mut lost, diag);
    let mut search = Search {
        parsed,
        line,
        steps: &steps,
        lost: &lost,
        known,
        adapters,
        ambiguous: Vec::new(),
        dropped: Vec::new(),
    };
    let mut confused = Vec::new();
    for version in 0..line.links.len() {
        search.version(version, diag);
        let mut of_version = search.untaken(version, diag);
        confused.append(&mut of_version);
    }
    search.outputs(diag);
    variants(parsed, &lost, &steps, &confused, &mut search.known, diag);
    // by its way from the root of the crate it may be an input that is known already, and a stub cannot be made twice
    let again = |known: &Known| confused.contains(&known.key) && known.key.starts_with("crate");
    Inputs {
        inputs: search.known.into_iter().filter(|known| !again(known)).map(|known| known.input).collect(),
        adapters: search.adapters.into_iter().map(|(_, draft)| draft.adapter).collect(),
    }
}

/// Reads a step's signature.
fn step<'p>(parsed: &Parsed, link: &Link<'_>, function: &'p Function, diag: &mut Diag) -> Option<Step<'p>> {
    let signature = &function.item.sig;
    let name = &signature.ident;
    let number = link.number.value;
    let state = link.state.map_or_else(|| "State".to_owned(), ToString::to_string);
    let usage = format!(
        "a step has the signature `fn {name}(state: &mut {state}, input: {}) -> Output`",
        input_hint(signature)
    );
    if !plain_function(signature, "step", &usage, diag) {
        return None;
    }
    let [FnArg::Typed(first), FnArg::Typed(second)] = signature.inputs.iter().collect::<Vec<_>>()[..] else {
        diag.parameters(name, "step", name, parameters(signature), 2, &usage);
        return None;
    };
    let Type::Reference(reference) = bare(&first.ty) else {
        let swapped = match bare(&second.ty) {
            Type::Reference(second) => parsed.states.iter().any(|state| is_state(parsed, &state.ident, &second.elem)),
            _ => false,
        };
        if swapped {
            diag.step_swapped(&first.ty, name, show(&second.ty), show(&first.ty));
        } else {
            diag.state_by_value(&first.ty, name, show(&first.ty));
        }
        return None;
    };
    if !borrows_briefly(reference, "step", name, diag) {
        return None;
    }
    if let Some(state) = link.state
        && !is_state(parsed, state, &reference.elem)
    {
        let given = show(&reference.elem);
        match parsed.states.iter().find(|other| is_state(parsed, &other.ident, &reference.elem)) {
            Some(other) => {
                diag.state_of_another_version(&reference.elem, name, number, &given, other.number.value, state);
            }
            None => diag.unknown_state(&reference.elem, name, number, &given, state),
        }
        return None;
    }
    // what owns a `str` or a slice is another type, and is named below
    if let Type::Reference(reference) = bare(&second.ty)
        && !matches!(&*reference.elem, Type::Path(path) if path.path.is_ident("str"))
        && !matches!(&*reference.elem, Type::Slice(_))
    {
        diag.input_borrowed(reference, name, show(&reference.elem));
        return None;
    }
    let output = match &signature.output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    let input = bare(&second.ty).clone();
    let sound = plain(&input, &format!("the input of `{name}`"), diag)
        & plain(&output, &format!("the output of `{name}`"), diag);
    if !sound || matches!(input, Type::Infer(_)) {
        return None;
    }
    let key = parsed.scope.key(&input);
    Some(Step { function, input, key, output })
}

/// How many parameters a function takes, in words.
pub(super) fn parameters(signature: &Signature) -> String {
    match signature.inputs.len() {
        1 => "1 parameter".to_owned(),
        many => format!("{many} parameters"),
    }
}

/// What to call the input in a usage line.
fn input_hint(signature: &Signature) -> String {
    if let Some(FnArg::Typed(second)) = signature.inputs.iter().nth(1) {
        return show(&second.ty);
    }
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
    };
    signature.ident.unraw().to_string().split('_').map(capital).collect()
}

/// Whether a marked function is an ordinary one: free, synchronous, safe and without parameters of type or lifetime.
pub(super) fn plain_function(signature: &Signature, role: &str, usage: &str, diag: &mut Diag) -> bool {
    let name = &signature.ident;
    let before = diag.count();
    if let Some(token) = &signature.asyncness {
        diag.function_async(token, role, name);
    }
    if let Safety::Unsafe(token) = &signature.safety {
        diag.function_unsafe(token, role, name);
    }
    if let Some(abi) = &signature.abi {
        diag.function_extern(abi, role, name, usage);
    }
    match signature.generics.params.first() {
        Some(GenericParam::Lifetime(parameter)) => diag.function_lifetime(parameter, role, name),
        Some(parameter) => diag.function_generic(parameter, role, name),
        None => {}
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        diag.function_receiver(receiver, role, name, usage);
    }
    diag.count() == before
}

/// What a function borrows it borrows while it runs: any lifetime, so none is named.
pub(super) fn borrows_briefly(reference: &TypeReference, role: &str, name: &Ident, diag: &mut Diag) -> bool {
    let Some(lifetime) = reference.lifetime.as_ref().filter(|lifetime| lifetime.ident != "_") else { return true };
    let mut written = reference.clone();
    written.lifetime = None;
    diag.reference_lifetime(lifetime, lifetime, role, name, show(&written));
    false
}

/// Every type that some step takes, with the one output it has.
fn stepped(parsed: &Parsed, line: &Line<'_>, steps: &[Vec<Step<'_>>], diag: &mut Diag) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    let mut first: BTreeMap<String, &Ident> = BTreeMap::new();
    for (link, steps) in line.links.iter().zip(steps) {
        for step in steps {
            let name = &step.function.item.sig.ident;
            if let Some(other) = known.iter().find(|known| known.key == step.key) {
                if parsed.scope.key(&other.input.output) != parsed.scope.key(&step.output) {
                    let at: &dyn quote::ToTokens = match &step.function.item.sig.output {
                        ReturnType::Default => name,
                        ReturnType::Type(_, ty) => ty,
                    };
                    let (input, first) = (show(&step.input), first.get(&step.key).map_or(name, |first| *first));
                    diag.two_outputs(at, &input, show(&other.input.output), first, show(&step.output), name);
                }
                continue;
            }
            first.insert(step.key.clone(), name);
            known.push(Known {
                key: step.key.clone(),
                input: Input {
                    variant: name.clone(),
                    ty: step.input.clone(),
                    output: step.output.clone(),
                    fingerprint: String::new(),
                    cfg: link.cfg.to_vec(),
                    ways: Vec::new(),
                },
                open_output: false,
            });
        }
    }
    known
}

/// Reads the adapters, and what `extends` makes.
fn drafts<'p>(parsed: &'p Parsed, known: &[Known], lost: &mut Lost, diag: &mut Diag) -> Vec<Draft<'p>> {
    let mut drafts: Vec<Draft<'p>> = Vec::new();
    for function in &parsed.adapters {
        if let Some(draft) = adapter(parsed, known, function, diag) {
            drafts.push(draft);
        } else {
            lost.adapter = true;
            lost.function(parsed, None, &function.item.sig);
        }
    }
    for extends in &parsed.extends {
        if let Some(both) = extended(parsed, extends, diag) {
            drafts.extend(both);
        } else {
            lost.adapter = true;
            let (of, ident) = (&extends.of, &extends.ident);
            lost.taken.extend([of, &syn::parse_quote!(#ident)].map(|ty| (None, Some(parsed.scope.key(ty)))));
        }
    }
    let mut again = Vec::new();
    for index in 1..drafts.len() {
        let (before, draft) = (&drafts[..index], &drafts[index]);
        if let Some(first) = before.iter().find(|first| first.from == draft.from && first.to == draft.to) {
            let (from, to) = (show(&draft.adapter.from), show(&draft.adapter.to));
            diag.adapter_twice(draft.at, &from, &to, &first.name, &draft.name);
            again.push(index);
        }
    }
    let mut index = 0..drafts.len();
    drafts.retain(|_| !index.next().is_some_and(|index| again.contains(&index)));
    drafts
}

/// Reads an adapter's signature.
fn adapter<'p>(parsed: &Parsed, known: &[Known], function: &'p Function, diag: &mut Diag) -> Option<Draft<'p>> {
    let signature = &function.item.sig;
    let name = &signature.ident;
    let usage =
        format!("an adapter has the signature `fn {name}(old: Old) -> New`, or `fn {name}(new: &New) -> Option<Old>`");
    if !plain_function(signature, "adapter", &usage, diag) {
        return None;
    }
    let [FnArg::Typed(from)] = signature.inputs.iter().collect::<Vec<_>>()[..] else {
        diag.parameters(name, "adapter", name, parameters(signature), 1, &usage);
        return None;
    };
    let ReturnType::Type(_, to) = &signature.output else {
        diag.adapter_returns_nothing(name, name, &usage);
        return None;
    };
    let side = function.marker.adapt.as_ref().and_then(|(_, side)| *side);
    let taken = match bare(&from.ty) {
        Type::Reference(reference) if !borrows_briefly(reference, "adapter", name, diag) => return None,
        Type::Reference(reference) => &*reference.elem,
        taken => taken,
    };
    // an `Option` that is itself an input or output is no sign of an adapter that may not fit
    let key = |ty: &Type| parsed.scope.key(ty);
    let between = |of: fn(&Known) -> &Type, to: &Type| {
        [key(taken), key(to)].iter().all(|end| known.iter().any(|known| key(of(known)) == *end))
    };
    let of_inputs = |to: &Type| side != Some(Side::Output) && between(|known| &known.input.ty, to);
    let of_outputs = |to: &Type| side != Some(Side::Input) && between(|known| &known.input.output, to);
    let is_whole = side == Some(Side::Output) || of_inputs(to) || of_outputs(to);
    let optional = parsed.scope.arguments(to, "Option").filter(|arguments| arguments.len() == 1);
    let (from, to, partial) = match (bare(&from.ty), &optional) {
        (Type::Reference(_), Some(inner)) if !of_outputs(to) || of_inputs(&inner[0]) => (taken, &inner[0], true),
        (Type::Reference(reference), Some(_)) => {
            diag.output_adapter_borrows(reference, name, show(taken), show(to));
            return None;
        }
        (Type::Reference(reference), None) => {
            diag.adapter_borrows(reference, name, show(taken), show(to));
            return None;
        }
        (_, Some(inner)) if !is_whole => {
            diag.adapter_consumes(taken, name, show(taken), show(&inner[0]));
            return None;
        }
        _ => (taken, &**to, false),
    };
    let (from, to) = (from.clone(), to.clone());
    let (from_key, to_key) = (parsed.scope.key(&from), parsed.scope.key(&to));
    if from_key == to_key {
        diag.adapter_to_itself(name, name, show(&from));
        return None;
    }
    Some(Draft {
        adapter: Adapter { from, to, partial, how: Adapt::Written(name.clone()), cfg: function.cfg.clone() },
        from: from_key,
        to: to_key,
        side,
        at: name,
        name: name.to_string(),
    })
}

/// The two adapters of `extends`.
fn extended<'p>(parsed: &'p Parsed, extends: &'p Extends, diag: &mut Diag) -> Option<[Draft<'p>; 2]> {
    let scope = &parsed.scope;
    let new = &extends.ident;
    let variants = |kind: &'p Kind| if let Kind::Enum(variants) = kind { Some(variants) } else { None };
    let old = scope.decl(&extends.of);
    let (Some(old_variants), Some(new_variants)) =
        (old.and_then(|decl| variants(&decl.kind)), scope.named(new).and_then(|decl| variants(&decl.kind)))
    else {
        diag.extends_no_enum(&extends.of, new, show(&extends.of));
        return None;
    };
    let cfg =
        |variant: &'p VariantDecl| Some((variant, variant.attrs.iter().find(|attr| attr.path().is_ident("cfg"))?));
    if let Some((variant, cfg)) = old_variants.iter().chain(new_variants).find_map(cfg) {
        diag.extends_with_cfg(cfg, &variant.ident, new, show(&extends.of));
    }
    let mut shared = Vec::new();
    for variant in old_variants {
        let Some(same) = new_variants.iter().find(|same| same.ident == variant.ident) else {
            diag.extends_without_variant(&extends.of, new, show(&extends.of), &variant.ident);
            continue;
        };
        if !same_fields(parsed, variant, same) {
            diag.extends_other_fields(&same.ident, new, show(&extends.of), &variant.ident);
        }
        let members: Vec<Member> = same.fields.iter().map(|field| field.member.clone()).collect();
        shared.push(Shared { variant: variant.ident.clone(), members });
    }
    let new_type: Type = syn::parse_quote!(#new);
    if scope.key(&extends.of) == scope.key(&new_type) {
        diag.extends_itself(&extends.of, new);
        return None;
    }
    let draft = |from: &Type, to: &Type, partial: bool| Draft {
        adapter: Adapter {
            from: from.clone(),
            to: to.clone(),
            partial,
            how: Adapt::Extends(shared.clone()),
            cfg: extends.cfg.clone(),
        },
        from: scope.key(from),
        to: scope.key(to),
        side: None,
        at: &extends.of,
        name: format!("extends = {}", show(&extends.of)),
    };
    let partial = new_variants.len() > old_variants.len();
    Some([draft(&extends.of, &new_type, false), draft(&new_type, &extends.of, partial)])
}

fn same_fields(parsed: &Parsed, old: &VariantDecl, new: &VariantDecl) -> bool {
    old.fields.len() == new.fields.len()
        && old
            .fields
            .iter()
            .zip(&new.fields)
            .all(|(old, new)| old.member == new.member && parsed.scope.key(&old.ty) == parsed.scope.key(&new.ty))
}

/// Sorts adapters into those of inputs and those of outputs. An input that no version steps any more becomes known.
fn sides<'p>(
    parsed: &Parsed,
    known: &mut Vec<Known>,
    drafts: Vec<Draft<'p>>,
    lost: &mut Lost,
    diag: &mut Diag,
) -> Vec<(Side, Draft<'p>)> {
    let inputs: Vec<String> = known.iter().map(|known| known.key.clone()).collect();
    let outputs: Vec<String> = known.iter().map(|known| parsed.scope.key(&known.input.output)).collect();
    let mut sided = Vec::new();
    for draft in drafts {
        let of = |keys: &[String]| [&draft.from, &draft.to].into_iter().filter(|key| keys.contains(key)).count();
        let (as_input, as_output) = (of(&inputs), of(&outputs));
        let side = match draft.side {
            Some(side) => side,
            None if as_input > as_output => Side::Input,
            None if as_output > as_input => Side::Output,
            None => {
                let (from, to) = (show(&draft.adapter.from), show(&draft.adapter.to));
                if as_input == 0 {
                    // the step that would make it one may be what could not be read
                    if lost.taken.is_empty() && !parsed.incomplete {
                        diag.adapter_of_nothing(draft.at, &draft.name, &from, &to);
                    }
                } else {
                    diag.adapter_of_both(draft.at, &draft.name, &from, &to);
                }
                lost.adapter = true;
                lost.taken.push((None, Some(draft.from)));
                continue;
            }
        };
        if side == Side::Output && draft.adapter.partial {
            // the half of `extends` that does not fit every output is of no use, which is no mistake
            if let Adapt::Written(_) = draft.adapter.how {
                diag.output_adapter_partial(draft.at, &draft.name);
                lost.adapter = true;
            }
            continue;
        }
        if side == Side::Input && !known.iter().any(|known| known.key == draft.from) {
            known.push(Known {
                key: draft.from.clone(),
                input: Input {
                    variant: Ident::new("_unnamed", proc_macro2::Span::call_site()),
                    ty: draft.adapter.from.clone(),
                    output: syn::parse_quote!(()),
                    fingerprint: String::new(),
                    cfg: draft.adapter.cfg.clone(),
                    ways: Vec::new(),
                },
                open_output: true,
            });
        }
        sided.push((side, draft));
    }
    sided
}

/// The search for the one shortest way of each input at each version.
struct Search<'a, 'p> {
    parsed: &'p Parsed,
    line: &'a Line<'p>,
    steps: &'a [Vec<Step<'p>>],
    lost: &'a Lost,
    known: Vec<Known>,
    adapters: Vec<(Side, Draft<'p>)>,
    /// Inputs with two ways, each reported once.
    ambiguous: Vec<usize>,
    /// By version: the inputs that it drops, and its successors until one steps them again.
    dropped: Vec<Vec<usize>>,
}

impl Search<'_, '_> {
    fn find(&self, key: &str) -> Option<usize> {
        self.known.iter().position(|known| known.key == key)
    }

    /// Finds the ways of every input at one version.
    fn version(&mut self, version: usize, diag: &mut Diag) {
        let link = &self.line.links[version];
        let mut ways: Vec<Option<Way>> = vec![None; self.known.len()];
        for step in &self.steps[version] {
            if let Some(input) = self.find(&step.key) {
                ways[input] = Some(Way::Step { function: step.function.item.sig.ident.clone() });
            }
        }
        let dropped = self.drops(version, &ways, diag);
        if link.behaviour_only()
            && let Some(previous) = link.previous
        {
            for (input, way) in ways.iter_mut().enumerate() {
                let inherited = &self.known[input].input.ways[previous];
                if way.is_none() && !dropped.contains(&input) && matches!(inherited, Way::Step { .. }) {
                    *way = Some(inherited.clone());
                }
            }
        }
        // ways of one hop, then of two, and so on; each leads to one that is already settled, and not partially
        let mut settled: Vec<bool> = ways.iter().map(Option::is_some).collect();
        let mut total: Vec<bool> = settled.clone();
        loop {
            let mut layer: Vec<(usize, usize, usize)> = Vec::new();
            for (index, (_, draft)) in self.adapters.iter().enumerate().filter(|(_, (side, _))| *side == Side::Input) {
                let (Some(from), Some(to)) = (self.find(&draft.from), self.find(&draft.to)) else { continue };
                if settled[from] || dropped.contains(&from) || !total[to] {
                    continue;
                }
                if let Some((_, first, _)) = layer.iter().find(|(input, ..)| *input == from) {
                    if !self.ambiguous.contains(&from) {
                        self.ambiguous.push(from);
                        let (first, second) = (&self.adapters[*first].1.name, &draft.name);
                        let input = show(&self.known[from].input.ty);
                        diag.two_ways(draft.at, link.number.value, &input, first, second);
                    }
                    continue;
                }
                layer.push((from, index, to));
            }
            if layer.is_empty() {
                break;
            }
            for (input, adapter, next) in layer {
                settled[input] = true;
                total[input] = !self.adapters[adapter].1.adapter.partial;
                ways[input] = Some(Way::Adapt { adapter, next, output: None });
            }
        }
        for (known, way) in self.known.iter_mut().zip(ways) {
            known.input.ways.push(way.unwrap_or(Way::Refused));
        }
        self.dropped.push(dropped);
    }

    /// What this version drops: what it says, and what its predecessor dropped and it does not step.
    fn drops(&self, version: usize, ways: &[Option<Way>], diag: &mut Diag) -> Vec<usize> {
        let link = &self.line.links[version];
        let number = link.number.value;
        let mut dropped = Vec::new();
        for ty in &link.options.drops {
            let shown = show(ty);
            let key = self.parsed.scope.key(ty);
            let Some(input) = self.find(&key) else {
                if !self.line.incomplete && !self.lost.may_name(&key) {
                    diag.drops_no_input(ty, number, &shown);
                }
                continue;
            };
            if let Some(Way::Step { function }) = &ways[input] {
                diag.drops_a_step(ty, number, &shown, function);
            } else if let Some(previous) = link.previous
                && let Way::Refused = self.known[input].input.ways[previous]
                && !self.lost.may_name(&key)
            {
                diag.drops_untaken(ty, number, &shown, self.line.links[previous].number.value);
            } else if dropped.contains(&input) {
                diag.drops_twice(ty, number, &shown);
            }
            dropped.push(input);
        }
        let before = link.previous.map_or(&[][..], |previous| &self.dropped[previous]);
        dropped.extend(before.iter().filter(|input| ways[**input].is_none()));
        dropped
    }

    /// What the predecessor takes, this version takes or drops.
    ///
    /// Gives the types of which it said that others of their name are taken or not.
    fn untaken(&self, version: usize, diag: &mut Diag) -> Vec<String> {
        let link = &self.line.links[version];
        let (Some(previous), Some(state)) = (link.previous, link.state) else { return Vec::new() };
        // what is dropped by a name that is none may be what is not taken
        let unknown = |ty: &Type| self.find(&self.parsed.scope.key(ty)).is_none();
        if link.options.unread("drops") || link.options.drops.iter().any(unknown) {
            return Vec::new();
        }
        let untaken: Vec<&Known> = self
            .known
            .iter()
            .enumerate()
            .filter(|(input, known)| {
                !matches!(known.input.ways[previous], Way::Refused)
                    && matches!(known.input.ways[version], Way::Refused)
                    && !self.dropped[version].contains(input)
                    && !self.ambiguous.contains(input)
                    && !self.may_take(link.number.value, &known.key)
            })
            .map(|(_, known)| known)
            .collect();
        let at: &dyn quote::ToTokens = if link.behaviour_only() { &link.number.lit } else { state };
        let (number, before) = (link.number.value, self.line.links[previous].number.value);
        if link.steps.is_empty() && !untaken.is_empty() {
            let inputs: Vec<String> = untaken.iter().map(|known| show(&known.input.ty)).collect();
            let taken: Vec<String> = inputs.iter().map(quoted).collect();
            let unmarked = untaken.iter().map(|known| self.unmarked(known, state, number)).collect::<String>();
            diag.no_steps_any_more(at, number, before, taken.join(", "), inputs.join(", "), state, unmarked);
            return Vec::new();
        }
        let mut confused = Vec::new();
        for known in untaken {
            let input = show(&known.input.ty);
            if let Some((draft, first)) = self.late_partial(version, known) {
                diag.partial_after_first(draft.at, &draft.name, &first.name, number, &input);
            } else {
                let hint = match self.namesake(version, known) {
                    Some(other) => {
                        confused.extend([known.key.clone(), other.key.clone()]);
                        format!(
                            "it takes `{}`: if that is the same type, write it the same way; ",
                            show(&other.input.ty)
                        )
                    }
                    None => self.hint(version, known, state, number),
                };
                let returns = match &known.input.output {
                    Type::Tuple(unit) if unit.elems.is_empty() => String::new(),
                    output => format!(" -> {}", show(output)),
                };
                diag.untaken(at, number, &input, before, state, returns, hint);
            }
        }
        confused
    }

    /// Whether a step that could not be read may take an input, or what adapters make of it.
    fn may_take(&self, number: u32, key: &str) -> bool {
        let mut reached = vec![key];
        let mut at = 0;
        while let Some(&from) = reached.get(at) {
            if self.lost.may_take(number, from) {
                return true;
            }
            let next = self.adapters.iter().filter(|(side, draft)| *side == Side::Input && draft.from == from);
            for (_, draft) in next {
                if !reached.contains(&&*draft.to) {
                    reached.push(&draft.to);
                }
            }
            at += 1;
        }
        false
    }

    fn takes(&self, version: usize, key: &str) -> bool {
        self.find(key).is_some_and(|input| !matches!(self.known[input].input.ways[version], Way::Refused))
    }

    /// An input of the same name that this version takes.
    fn namesake(&self, version: usize, known: &Known) -> Option<&Known> {
        let name = own_name(&known.input.ty)?;
        let same = |other: &&Known| own_name(&other.input.ty).is_some_and(|other| other == name);
        self.known.iter().filter(same).find(|other| other.key != known.key && self.takes(version, &other.key))
    }

    /// What may have been meant to take an input.
    fn hint(&self, version: usize, known: &Known, state: &Ident, number: u32) -> String {
        let back = |draft: &&Draft<'_>| draft.to == known.key && self.takes(version, &draft.from);
        if let Some(draft) = self.adapters.iter().map(|(_, draft)| draft).find(back) {
            return format!("`{}` adapts the other way; ", draft.name);
        }
        self.unmarked(known, state, number)
    }

    /// A function that could be the missing step, if only it had a marker.
    fn unmarked(&self, known: &Known, state: &Ident, number: u32) -> String {
        let takes = |function: &&Signature| {
            let second = match function.inputs.iter().nth(1) {
                Some(FnArg::Typed(second)) if function.inputs.len() == 2 => &second.ty,
                _ => return false,
            };
            runs_on(function).is_some_and(|ty| is_state(self.parsed, state, ty))
                && self.parsed.scope.key(second) == known.key
        };
        let found = self.parsed.unmarked.iter().find(takes);
        found.map_or_else(String::new, |function| {
            format!("mark `{}` with `#[machine(version = {number})]`; or ", function.ident)
        })
    }

    /// An adapter of this input that leads to one which the version takes only partially, and that one's adapter.
    fn late_partial(&self, version: usize, known: &Known) -> Option<(&Draft<'_>, &Draft<'_>)> {
        self.adapters.iter().filter(|(side, draft)| *side == Side::Input && draft.from == known.key).find_map(
            |(_, first)| {
                let next = self.find(&first.to)?;
                // were that adapter total, this input would be taken by both
                let Way::Adapt { adapter, .. } = self.known[next].input.ways[version] else { return None };
                Some((&self.adapters[adapter].1, first))
            },
        )
    }

    /// Brings the outputs of adapted inputs back to the type that the caller expects.
    fn outputs(&mut self, diag: &mut Diag) {
        let mut missing: Vec<(String, String)> = Vec::new();
        // an input that no version steps has the output of what it becomes; a chain of those settles in as many turns
        for _ in 0..self.known.len() {
            for input in 0..self.known.len() {
                let way = self.known[input].input.ways.iter().find_map(|way| match way {
                    Way::Adapt { next, .. } if !self.known[*next].open_output => Some(*next),
                    _ => None,
                });
                if let (true, Some(next)) = (self.known[input].open_output, way) {
                    self.known[input].input.output = self.known[next].input.output.clone();
                    self.known[input].open_output = false;
                }
            }
        }
        for input in 0..self.known.len() {
            if self.known[input].open_output && !self.line.incomplete {
                let key = &self.known[input].key;
                let leads = |draft: &Draft<'_>| draft.from == *key && !self.lost.may_name(&draft.to);
                if let Some((_, draft)) =
                    self.adapters.iter().find(|(side, draft)| *side == Side::Input && leads(draft))
                {
                    let (from, to) = (show(&draft.adapter.from), show(&draft.adapter.to));
                    diag.adapter_to_nowhere(draft.at, &draft.name, &from, &to);
                }
            }
            for version in 0..self.known[input].input.ways.len() {
                let Way::Adapt { adapter, next, .. } = self.known[input].input.ways[version] else { continue };
                let (have, want) = (&self.known[next].input.output, &self.known[input].input.output);
                let (have_key, want_key) = (self.parsed.scope.key(have), self.parsed.scope.key(want));
                let mut back = None;
                if have_key != want_key {
                    back = self.adapters.iter().position(|(side, draft)| {
                        *side == Side::Output && draft.from == have_key && draft.to == want_key
                    });
                    if back.is_none()
                        && !self.lost.adapter
                        && !self.line.incomplete
                        && !missing.contains(&(have_key.clone(), want_key.clone()))
                    {
                        let draft = &self.adapters[adapter].1;
                        let input = show(&self.known[input].input.ty);
                        let other_way = self
                            .adapters
                            .iter()
                            .find(|(_, draft)| draft.from == want_key && draft.to == have_key)
                            .map_or_else(String::new, |(_, draft)| format!("`{}` adapts the other way; ", draft.name));
                        diag.output_adapter_missing(draft.at, &draft.name, &input, show(want), show(have), other_way);
                        missing.push((have_key, want_key));
                    }
                }
                self.conditions(version, input, adapter, diag);
                if let Some(back) = back {
                    self.conditions(version, input, back, diag);
                }
                if let Way::Adapt { output, .. } = &mut self.known[input].input.ways[version] {
                    *output = back;
                }
            }
        }
    }

    /// An adapter is there wherever it is used.
    fn conditions(&self, version: usize, input: usize, adapter: usize, diag: &mut Diag) {
        let link = &self.line.links[version];
        let mut there: Vec<Attribute> = link.cfg.to_vec();
        there.extend(self.known[input].input.cfg.iter().cloned());
        let draft = &self.adapters[adapter].1;
        if lacking(&draft.adapter.cfg, &there).is_some()
            && let Some(extra) = draft.adapter.cfg.iter().find(|attr| !has(&there, attr))
        {
            diag.adapter_cfg(extra, &draft.name, link.number.value);
        }
    }
}

/// Names the variants of `AnyInput`: after the type, or as `input = "name"` says.
fn variants(
    parsed: &Parsed,
    lost: &Lost,
    steps: &[Vec<Step<'_>>],
    confused: &[String],
    known: &mut [Known],
    diag: &mut Diag,
) {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for (ident, name) in &parsed.input_names {
        let key = parsed.scope.key(&syn::parse_quote!(#ident));
        if !known.iter().any(|known| known.key == key) && !lost.may_name(&key) && !parsed.incomplete {
            diag.input_name_of_no_input(name, ident);
        }
    }
    for known in known {
        let on_type =
            parsed.input_names.iter().find(|(ident, _)| parsed.scope.key(&syn::parse_quote!(#ident)) == known.key);
        let on_steps = steps.iter().flatten().filter(|step| step.key == known.key);
        let mut given = on_type.map(|(_, name)| name).into_iter();
        let mut given = given.by_ref().chain(on_steps.filter_map(|step| step.function.marker.input.as_ref()));
        let name: Option<&LitStr> = given.next();
        for other in given {
            if name.is_some_and(|name| name.value() != other.value()) {
                diag.input_named_twice(other, show(&known.input.ty), name.map(LitStr::value).unwrap_or_default());
            }
        }
        let variant = if let Some(lit) = name {
            if let Ok(mut ident) = syn::parse_str::<Ident>(&lit.value()) {
                ident.set_span(lit.span());
                Some(ident)
            } else {
                diag.input_name_no_word(lit);
                None
            }
        } else {
            let named = own_name(&known.input.ty);
            if named.is_none() {
                let shown = show(&known.input.ty);
                diag.input_without_name(&known.input.ty, &shown);
            }
            named
        };
        let Some(variant) = variant else { continue };
        let shown = show(&known.input.ty);
        if let Some(other) = taken.insert(variant.to_string(), shown.clone())
            && (name.is_some() || !confused.contains(&known.key))
        {
            let at: &dyn quote::ToTokens = name.map_or(&known.input.ty as &dyn quote::ToTokens, |name| name);
            diag.input_name_taken(at, &other, &shown, &variant);
        }
        known.input.variant = variant;
    }
}

/// The name of a type that has one fit for a variant: `Tick`, `super::Tick`, `Vec<u8>`.
fn own_name(ty: &Type) -> Option<Ident> {
    let Type::Path(path) = bare(ty) else { return None };
    let ident = &path.path.segments.last()?.ident;
    let text = ident.to_string();
    text.trim_start_matches("r#").starts_with(char::is_uppercase).then(|| ident.clone())
}
