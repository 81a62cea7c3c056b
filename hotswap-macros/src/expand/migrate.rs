//! Migrations: each declared edge, and all ways up fused into one straight line.
//!
//! A derived edge is a function that makes the new state from the old. Where something of the user's runs in it, the
//! function evaluates that from a borrow and returns what then moves the fields. So nothing of the user's runs while the
//! slot is empty, and nothing is cloned.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::spanned::Spanned;
use syn::{Lifetime, Member};

use super::{Context, Names, mixed};
use crate::model::{Arm, Body, Edge, Field, Fields, How, Plan, Source};

/// The parts of `impl Machine` that are migrations.
pub(super) struct Migrations {
    /// Functions that the others call.
    pub(super) helpers: TokenStream,
    /// `Machine::EDGES`.
    pub(super) edges: TokenStream,
    /// `Machine::FUSED_TO` and `Machine::fused`.
    pub(super) fused: TokenStream,
}

impl Migrations {
    pub(super) fn new(cx: Context) -> Self {
        let Names { krate, any_state, .. } = cx.names;
        let ways: Vec<_> = cx.machine.edges.iter().map(|edge| Migration { cx, edge }).collect();
        let (helpers, entries) = (ways.iter().filter_map(Migration::function), ways.iter().map(Migration::entry));
        Self {
            helpers: mixed!(#(#helpers)*),
            edges: mixed!(const EDGES: &'static [#krate::Edge<#any_state>] = &[#(#entries),*];),
            fused: fused(cx, &ways),
        }
    }
}

/// The line up to the last version without a `cfg`: nested blocks, each of which is left with the state of one version.
fn fused(cx: Context, ways: &[Migration]) -> TokenStream {
    let Names { machine, any_state, .. } = cx.names;
    let plain = cx.machine.versions.iter().take_while(|version| version.cfg.is_empty()).count();
    let to = cx.machine.versions[..plain].last().map_or(0, |version| version.number);
    let ups: Vec<_> = ways.iter().filter(|way| way.edge.from < way.edge.to && way.edge.to < plain).collect();
    let body = ups.split_first().map(|(first, later)| {
        let enter = later.iter().map(|way| {
            let ([from, _], label, new) = (way.numbers(), way.label(), way.first());
            mixed!(#from => break #label #new)
        });
        let ([from, _], label, new) = (first.numbers(), first.label(), first.first());
        let innermost = mixed! {
            #label: {
                match __hotswap::at::<#machine>(slot) {
                    #from => #new,
                    #(#enter,)*
                    #to => return ::core::result::Result::Ok(()),
                    at => __hotswap::wrong_version(at),
                }
            }
        };
        let line = later.iter().fold(innermost, |state, way| {
            let (label, new) = (way.label(), way.onward());
            mixed!(#label: { let state = #state; #new })
        });
        let (newest, state) = (cx.variant(plain - 1), cx.held(plain - 1));
        mixed! {
            let state = #line;
            *slot = ::core::option::Option::Some(#newest(#state));
        }
    });
    let slot = if body.is_some() { mixed!(slot) } else { mixed!(_) };
    mixed! {
        const FUSED_TO: u32 = #to;
        fn fused(#slot: &mut ::core::option::Option<#any_state>) -> ::core::result::Result<(), ::std::string::String> {
            #body
            ::core::result::Result::Ok(())
        }
    }
}

/// One edge, with what it is generated from.
struct Migration<'a> {
    cx: Context<'a>,
    edge: &'a Edge,
}

impl Migration<'_> {
    fn numbers(&self) -> [u32; 2] {
        [self.edge.from, self.edge.to].map(|index| self.cx.version(index).number)
    }

    fn states(&self) -> [&Ident; 2] {
        [self.edge.from, self.edge.to].map(|index| &self.cx.version(index).state)
    }

    /// What a derived migration is called; no user's item is.
    fn derived(&self) -> Ident {
        let [from, to] = self.numbers();
        format_ident!("__derived_{from}_{to}", span = Span::mixed_site())
    }

    /// The block that ends with the state this edge leads to.
    fn label(&self) -> Lifetime {
        let [_, to] = self.numbers();
        Lifetime::new(&format!("'v{to}"), Span::mixed_site())
    }

    /// The `cfg`s of the higher of the two versions, which include the lower's.
    fn cfg(&self) -> TokenStream {
        let cfg = &self.cx.version(self.edge.from.max(self.edge.to)).cfg;
        mixed!(#(#cfg)*)
    }

    /// From a full slot to the new state.
    fn leave(&self) -> TokenStream {
        let Names { machine, .. } = self.cx.names;
        let take = mixed!(__hotswap::take::<#machine, _>(slot));
        match &self.edge.how {
            How::Identity => take,
            How::Derived(Plan { pure: true, .. }) => {
                let derived = self.derived();
                mixed!(#derived(#take))
            }
            How::Derived(_) => {
                let derived = self.derived();
                mixed!(__hotswap::leave::<#machine, _, _, _>(slot, #derived))
            }
            How::Written { function, moves: true, .. } => mixed!(#function(#take)),
            How::Written { function, .. } => mixed!(#function(__hotswap::peek::<#machine, _>(slot))),
        }
    }

    /// An element of `Machine::EDGES`.
    fn entry(&self) -> TokenStream {
        let Names { machine, .. } = self.cx.names;
        let ([from, to], cfg) = (self.numbers(), self.cfg());
        let loses = self
            .edge
            .loses
            .as_ref()
            .map_or_else(|| mixed!(::core::option::Option::None), |loses| mixed!(::core::option::Option::Some(#loses)));
        let [(old, old_state), (new, new_state)] =
            [self.edge.from, self.edge.to].map(|index| (self.cx.variant(index), self.cx.held(index)));
        let wrap = mixed!(|state| #new(#new_state));
        let entry = match &self.edge.how {
            How::Identity | How::Derived(_) => {
                let (leave, pure) =
                    (self.leave(), matches!(&self.edge.how, How::Identity | How::Derived(Plan { pure: true, .. })));
                return mixed! {
                    #cfg
                    __hotswap::derived(#from, #to, |slot| {
                        let state = #leave;
                        *slot = ::core::option::Option::Some(#new(#new_state));
                    }, #pure, #loses)
                };
            }
            How::Written { function, moves: false, fallible } => {
                let state = mixed!(#function(__hotswap::borrow::<#machine, _>(state)));
                let state = if *fallible {
                    mixed!(#state.map_err(__hotswap::said))
                } else {
                    mixed!(::core::result::Result::Ok(#state))
                };
                mixed!(borrows(#from, #to, |state| #state.map(#wrap), #loses))
            }
            How::Written { function, moves: true, fallible } => {
                let state = mixed!(#function(__hotswap::own::<#machine, _>(state)));
                let state = if *fallible {
                    mixed!(#state.map_err(|(state, error)| (#old(#old_state), __hotswap::said(error))))
                } else {
                    mixed!(::core::result::Result::Ok(#state))
                };
                mixed!(moves(#from, #to, |state| #state.map(#wrap), #loses))
            }
        };
        mixed!(#cfg __hotswap::#entry)
    }

    /// As the first edge of the fused line: from `slot` to the new state.
    fn first(&self) -> TokenStream {
        let new = self.leave();
        match &self.edge.how {
            How::Written { fallible: true, moves: false, .. } => mixed!(#new.map_err(__hotswap::said)?),
            How::Written { fallible: true, moves: true, .. } => {
                let (old, state) = (self.cx.variant(self.edge.from), self.cx.held(self.edge.from));
                mixed! {
                    #new.map_err(|(state, error)| {
                        *slot = ::core::option::Option::Some(#old(#state));
                        __hotswap::said(error)
                    })?
                }
            }
            _ => new,
        }
    }

    /// As a later edge of the fused line: from the local `state` to the new one.
    fn onward(&self) -> TokenStream {
        let said = mixed!(__hotswap::said);
        match &self.edge.how {
            How::Identity => mixed!(state),
            How::Derived(plan) => {
                let derived = self.derived();
                if plan.pure { mixed!(#derived(state)) } else { mixed!(#derived(&state)(state)) }
            }
            How::Written { function, fallible: false, moves: false } => mixed!(#function(&state)),
            How::Written { function, fallible: false, moves: true } => mixed!(#function(state)),
            How::Written { function, fallible: true, moves: false } => mixed!(#function(&state).map_err(#said)?),
            How::Written { function, fallible: true, moves: true } => {
                mixed!(#function(state).map_err(|(_, error)| #said(error))?)
            }
        }
    }

    /// The function of a derived migration.
    fn function(&self) -> Option<TokenStream> {
        match &self.edge.how {
            How::Derived(plan) if plan.pure => Some(self.moving(plan)),
            How::Derived(plan) => Some(self.evaluating(plan)),
            _ => None,
        }
    }

    /// `fn(old) -> new`, where nothing can go wrong.
    fn moving(&self, plan: &Plan) -> TokenStream {
        let ([old, new], name, cfg) = (self.states(), self.derived(), self.cfg());
        let body = match &plan.body {
            Body::Struct(fields) => {
                let rest = self.discarded(fields, |member, _| mixed!(state.#member));
                let fields = fields.fields.iter().map(|field| {
                    let (member, value) = (&field.member, value(field).unwrap_or_else(|| from_struct(field)));
                    mixed!(#member: #value)
                });
                mixed!(#rest #new { #(#fields),* })
            }
            Body::Enum(arms) => {
                let arms = arms.iter().map(|Arm { from, to, fields }| {
                    let (pattern, rest) = (moved(fields), self.discarded(fields, |_, local| mixed!(#local)));
                    let fields = fields.fields.iter().enumerate().map(|(index, field)| {
                        let (member, local) = (&field.member, local(index));
                        let value = value(field).unwrap_or_else(|| mixed!(#local));
                        mixed!(#member: #value)
                    });
                    mixed!(#old::#from { #pattern } => { #rest #new::#to { #(#fields),* } })
                });
                mixed!(match state { #(#arms,)* })
            }
        };
        mixed! {
            #cfg
            #[allow(unused_variables)]
            fn #name(state: #old) -> #new { #body }
        }
    }

    /// `fn(&old) -> impl FnOnce(old) -> new`: what the user wrote is evaluated before the closure is made.
    fn evaluating(&self, plan: &Plan) -> TokenStream {
        let ([old, new], name, cfg) = (self.states(), self.derived(), self.cfg());
        let (evaluated, made) = match &plan.body {
            Body::Struct(fields) => self.evaluating_struct(fields),
            Body::Enum(arms) => self.evaluating_enum(arms),
        };
        mixed! {
            #cfg
            #[allow(unused_variables)]
            fn #name(state: &#old) -> impl ::core::ops::FnOnce(#old) -> #new + use<> {
                #evaluated
                move |state: #old| #made
            }
        }
    }

    fn evaluating_struct(&self, fields: &Fields) -> (TokenStream, TokenStream) {
        let [_, new] = self.states();
        let (mut evaluated, mut made) = (TokenStream::new(), Vec::new());
        for (index, field) in fields.fields.iter().enumerate() {
            let (member, ty, local) = (&field.member, &field.ty, local(index));
            let value = match &field.source {
                Source::Moved(_) => from_struct(field),
                Source::With { from, function, .. } => {
                    evaluated.extend(mixed!(let #local: #ty = #function(&state.#from);));
                    mixed!(#local)
                }
                Source::Value(_) | Source::Default => {
                    let value = value(field);
                    evaluated.extend(mixed!(let #local: #ty = #value;));
                    mixed!(#local)
                }
            };
            made.push(mixed!(#member: #value));
        }
        let rest = self.discarded(fields, |member, _| mixed!(state.#member));
        (evaluated, mixed!({ #rest #new { #(#made),* } }))
    }

    /// What no new field takes is dropped before the new state is made, and a panic in that goes no further.
    fn discarded(&self, fields: &Fields, place: impl Fn(&Member, &Ident) -> TokenStream) -> TokenStream {
        let krate = &self.cx.names.krate;
        let rest = fields.dropped.iter().enumerate().map(|(index, member)| {
            let place = place(member, &left(index));
            mixed!(#krate::__private::discard(#place);)
        });
        mixed!(#(#rest)*)
    }

    /// Each variant's values are evaluated together, if it is the one at hand.
    fn evaluating_enum(&self, arms: &[Arm]) -> (TokenStream, TokenStream) {
        let [old, new] = self.states();
        let (mut evaluated, mut made) = (TokenStream::new(), Vec::new());
        for (position, Arm { from, to, fields }) in arms.iter().enumerate() {
            let (mut borrowed, mut types, mut values, mut names) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for (index, field) in fields.fields.iter().enumerate() {
                let local = local(index);
                let value = match &field.source {
                    Source::Moved(_) => continue,
                    Source::With { from, function, .. } => {
                        borrowed.push(mixed!(#from: #local));
                        mixed!(#function(#local))
                    }
                    Source::Value(_) | Source::Default => value(field).into_token_stream(),
                };
                types.push(&field.ty);
                values.push(value);
                names.push(local);
            }
            let members = fields.fields.iter().enumerate().map(|(index, field)| {
                let (member, local) = (&field.member, local(index));
                mixed!(#member: #local)
            });
            let (pattern, members) = (moved(fields), mixed!(#(#members),*));
            let rest = self.discarded(fields, |_, local| mixed!(#local));
            if values.is_empty() {
                made.push(mixed!(#old::#from { #pattern } => { #rest #new::#to { #members } }));
                continue;
            }
            let ready = format_ident!("__ready_{position}", span = Span::mixed_site());
            evaluated.extend(mixed! {
                let #ready: ::core::option::Option<(#(#types,)*)> = match state {
                    #old::#from { #(#borrowed,)* .. } => ::core::option::Option::Some((#(#values,)*)),
                    _ => ::core::option::Option::None,
                };
            });
            made.push(mixed! {
                #old::#from { #pattern } => match #ready {
                    ::core::option::Option::Some((#(#names,)*)) => { #rest #new::#to { #members } }
                    ::core::option::Option::None => ::core::unreachable!(),
                }
            });
        }
        (evaluated, mixed!(match state { #(#made,)* }))
    }
}

/// `state.field`.
fn from_struct(field: &Field) -> TokenStream {
    match &field.source {
        Source::Moved(member) | Source::With { from: member, .. } => mixed!(state.#member),
        Source::Value(_) | Source::Default => TokenStream::new(),
    }
}

/// What needs nothing of the old state.
fn value(field: &Field) -> Option<TokenStream> {
    let ty = &field.ty;
    match &field.source {
        Source::Value(value) => Some(value.to_token_stream()),
        Source::Default => Some(quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default())),
        Source::Moved(_) | Source::With { .. } => None,
    }
}

/// The pattern that takes an old variant apart: what is moved, and what is left.
fn moved(fields: &Fields) -> TokenStream {
    let moved = fields.fields.iter().enumerate().filter_map(|(index, field)| match &field.source {
        Source::Moved(member) => Some(bind(member, index)),
        _ => None,
    });
    let rest = fields.dropped.iter().enumerate().map(|(index, member)| {
        let left = left(index);
        mixed!(#member: #left)
    });
    mixed!(#(#moved,)* #(#rest,)*)
}

fn left(index: usize) -> Ident {
    format_ident!("__left_{index}", span = Span::mixed_site())
}

fn bind(member: &Member, index: usize) -> TokenStream {
    let local = local(index);
    mixed!(#member: #local)
}

fn local(index: usize) -> Ident {
    format_ident!("__{index}", span = Span::mixed_site())
}
