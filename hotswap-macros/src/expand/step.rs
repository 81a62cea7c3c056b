//! Steps: `Accepts` for each input type, and the dispatch of inputs whose type is not known.
//!
//! An impl matches the versions that step its input themselves; for the others it adapts one hop and hands over to the
//! impl of the next input. So each input adds code for its own steps only.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::Member;
use syn::spanned::Spanned;

use super::input::tag;
use super::{Context, Names, mixed};
use crate::model::{Adapt, Adapter, Input, Shared, Way};

/// `Accepts` for every input type, and the adapters that `extends` derives.
pub(super) fn impls(cx: Context) -> TokenStream {
    let adapters = cx.machine.adapters.iter().enumerate().filter_map(|(index, adapter)| match &adapter.how {
        Adapt::Written(_) => None,
        Adapt::Extends(shared) => Some(extends(index, adapter, shared)),
    });
    let accepts = cx.machine.inputs.iter().map(|input| accepts(cx, input));
    mixed!(#(#adapters)* #(#accepts)*)
}

/// The versions that take an input in the same way.
struct Group<'a> {
    way: &'a Way,
    versions: Vec<usize>,
}

fn groups(input: &Input) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, way) in input.ways.iter().enumerate() {
        match groups.iter_mut().find(|group| same(group.way, way)) {
            Some(group) => group.versions.push(index),
            None => groups.push(Group { way, versions: vec![index] }),
        }
    }
    groups
}

fn same(one: &Way, other: &Way) -> bool {
    match (one, other) {
        (Way::Step { function: one }, Way::Step { function: other }) => one == other,
        // versions that adapt an input by the same first hop go on from there by themselves
        (Way::Adapt { adapter: one, .. }, Way::Adapt { adapter: other, .. }) => one == other,
        (Way::Refused, Way::Refused) => true,
        _ => false,
    }
}

fn accepts(cx: Context, input: &Input) -> TokenStream {
    let Names { krate, machine, .. } = cx.names;
    let (cfg, ty, output, tag) = (&input.cfg, &input.ty, &input.output, tag(input));
    let groups = groups(input);
    // what is not stepped here leaves early, if there is anything else to do
    let stepped = groups.iter().any(|group| matches!(group.way, Way::Step { .. }));
    let leave = stepped.then(|| mixed!(return));
    let newest = input.ways.len() - 1;
    let mut arms = Vec::new();
    for group in groups {
        match group.way {
            Way::Step { function, .. } => {
                let step = mixed!(#function(state, input));
                let step = if group.versions.contains(&newest) { step } else { mixed!(__hotswap::older(#step)) };
                for (cfg, pattern) in cx.patterns(&group.versions, &mixed!(state)) {
                    arms.push(mixed!(#(#cfg)* #pattern => #step));
                }
            }
            Way::Adapt { adapter, next, output } => {
                let on = &cx.machine.adapters[*adapter].cfg;
                let body = hand_over(cx, *adapter, &cx.machine.inputs[*next], *output, leave.as_ref());
                for (cfg, pattern) in cx.patterns(&group.versions, &mixed!(_)) {
                    arms.push(mixed!(#(#cfg)* #(#on)* #pattern => #body));
                }
            }
            Way::Refused => {}
        }
    }
    let matched = mixed! {
        match state {
            #(#arms,)*
            _ => #leave __hotswap::not_taken(input),
        }
    };
    let body = if stepped { mixed!(let output = #matched; __hotswap::stepped!(output)) } else { matched };
    // what the compiler says of the output type stands on it
    let of_output = quote_spanned!(output.span()=> type Output = #output;);
    mixed! {
        #(#cfg)*
        impl #krate::Accepts<#ty> for #machine {
            #of_output
            const INPUT: &'static str = #tag;
            #[inline]
            fn step_mut(state: __StateMut<'_>, input: #ty) -> __hotswap::Step<#output, #ty> {
                #body
            }
            fn step_loaded(state: &mut #krate::Loaded, input: #ty) -> __hotswap::Step<#output, #ty> {
                __hotswap::step_loaded!(state, input: #ty, #tag, #output)
            }
        }
    }
}

/// Adapts an input one hop and steps what it became. Only the adapter can refuse, and it is asked before anything is lost.
fn hand_over(
    cx: Context,
    adapter: usize,
    next: &Input,
    output: Option<usize>,
    leave: Option<&TokenStream>,
) -> TokenStream {
    let Names { krate, machine, .. } = cx.names;
    let hop = match (&cx.machine.adapters[adapter], function(cx, adapter)) {
        (Adapter { partial: false, .. }, function) => mixed!(#function(input)),
        (Adapter { how: Adapt::Written(_), .. }, function) => mixed! {
            match #function(&input) {
                ::core::option::Option::Some(next) => next,
                ::core::option::Option::None => return ::core::result::Result::Err(input),
            }
        },
        (Adapter { how: Adapt::Extends(_), .. }, function) => mixed!(#function(input)?),
    };
    let next = &next.ty;
    let stepped = output
        .map(|output| function(cx, output))
        .map_or_else(|| mixed!(stepped), |function| mixed!(stepped.map(#function)));
    mixed! {{
        let next = #hop;
        #leave match <#machine as #krate::Accepts<#next>>::step_mut(state, next) {
            ::core::result::Result::Ok(stepped) => ::core::result::Result::Ok(#stepped),
            ::core::result::Result::Err(_) => ::core::unreachable!(),
        }
    }}
}

fn function(cx: Context, adapter: usize) -> Ident {
    match &cx.machine.adapters[adapter].how {
        Adapt::Written(function) => function.clone(),
        Adapt::Extends(_) => format_ident!("__adapter_{adapter}"),
    }
}

/// An adapter by variant name. A partial one gives back, as the error, what it does not fit.
fn extends(index: usize, adapter: &Adapter, shared: &[Shared]) -> TokenStream {
    let Adapter { from, to, partial, cfg, .. } = adapter;
    let name = format_ident!("__adapter_{index}");
    let arms = shared.iter().map(|Shared { variant, members }| {
        let fields = moved(members);
        let value = mixed!(#to::#variant { #fields });
        let value = if *partial { mixed!(::core::result::Result::Ok(#value)) } else { value };
        mixed!(#from::#variant { #fields } => #value)
    });
    let (returned, rest) = if *partial {
        (mixed!(::core::result::Result<#to, #from>), Some(mixed!(other => ::core::result::Result::Err(other),)))
    } else {
        (mixed!(#to), None)
    };
    mixed! {
        #(#cfg)*
        fn #name(value: #from) -> #returned {
            match value { #(#arms,)* #rest }
        }
    }
}

/// `x: __0, y: __1`: the same in the pattern and in the value.
fn moved(members: &[Member]) -> TokenStream {
    let locals = (0..members.len()).map(|index| format_ident!("__{index}", span = proc_macro2::Span::mixed_site()));
    mixed!(#(#members: #locals),*)
}

/// `Machine::takes` and `Machine::step_any`.
pub(super) fn dispatch(cx: Context) -> TokenStream {
    let Names { machine, any_state, any_input, any_output, .. } = cx.names;
    let takes = cx.machine.inputs.iter().map(|input| takes(cx, input));
    let steps = cx.machine.inputs.iter().map(|input| {
        let (cfg, variant) = (&input.cfg, &input.variant);
        mixed! {
            #(#cfg)*
            #any_input::#variant(input) => {
                __hotswap::step_any(#machine, state, input, #any_input::#variant, #any_output::#variant)
            }
        }
    });
    mixed! {
        fn takes(version: u32, input: &#any_input) -> bool {
            match *input { #(#takes,)* }
        }
        fn step_any(state: &mut #any_state, input: #any_input) -> __hotswap::Step<#any_output, #any_input> {
            match input { #(#steps,)* }
        }
    }
}

/// The machine's table says it, but for the versions that have to ask a partial adapter.
fn takes(cx: Context, input: &Input) -> TokenStream {
    let Names { machine, any_input, .. } = cx.names;
    let asked: Vec<_> = groups(input).iter().filter_map(|group| asked(cx, group)).collect();
    let (cfg, variant, ty) = (&input.cfg, &input.variant, &input.ty);
    let listed = mixed!(__hotswap::takes::<#machine, #ty>(version));
    if asked.is_empty() {
        mixed!(#(#cfg)* #any_input::#variant(_) => #listed)
    } else {
        mixed!(#(#cfg)* #any_input::#variant(ref input) => match version { #(#asked,)* _ => #listed })
    }
}

/// `2 | 3 => …`: what a partial adapter says of `input`.
fn asked(cx: Context, group: &Group) -> Option<TokenStream> {
    let Way::Adapt { adapter: index, .. } = group.way else { return None };
    let adapter = &cx.machine.adapters[*index];
    let answer = match &adapter.how {
        _ if !adapter.partial => return None,
        Adapt::Written(function) => mixed!(#function(input).is_some()),
        Adapt::Extends(shared) => {
            let (from, variants) = (&adapter.from, shared.iter().map(|shared| &shared.variant));
            mixed!(::core::matches!(input, #(#from::#variants { .. })|*))
        }
    };
    let (cfg, numbers) = (&adapter.cfg, group.versions.iter().map(|&index| cx.version(index).number));
    Some(mixed!(#(#cfg)* #(#numbers)|* => #answer))
}
