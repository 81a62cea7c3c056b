//! Migrations: each declared edge, and all ways up fused into one straight line.
//!
//! A derived edge is two functions at most. One makes the new state from the old; where something of the user's runs
//! in it, that is evaluated from a borrow and what then moves the fields is returned as a closure. The other empties
//! the slot between the two. So nothing of the user's runs while the slot is empty, and nothing is cloned.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::spanned::Spanned;
use syn::{Lifetime, Member};

use super::{Context, Names, held, mixed};
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
        let ways: Vec<_> = cx.machine.edges.iter().map(|edge| Migration { cx, edge }).collect();
        Self { helpers: helpers(cx, &ways), edges: edges(cx, &ways), fused: fused(cx, &ways) }
    }
}

fn helpers(cx: Context, ways: &[Migration]) -> TokenStream {
    if ways.is_empty() {
        return TokenStream::new();
    }
    let Names { krate, machine, any_state, .. } = cx.names;
    let functions = ways.iter().map(Migration::functions);
    mixed! {
        #[cold]
        fn __misplaced(state: ::core::option::Option<&#any_state>) -> ! {
            #krate::__private::wrong_version(state.map_or(0, <#machine as #krate::Machine>::version_of))
        }
        #(#functions)*
    }
}

fn edges(cx: Context, ways: &[Migration]) -> TokenStream {
    let Names { krate, any_state, .. } = cx.names;
    let edges = ways.iter().map(Migration::entry);
    mixed!(const EDGES: &'static [#krate::Edge<#any_state>] = &[#(#edges),*];)
}

/// The line up to the last version without a `cfg`: nested blocks, each of which is left with the state of one version.
fn fused(cx: Context, ways: &[Migration]) -> TokenStream {
    let any_state = &cx.names.any_state;
    let plain = cx.machine.versions.iter().take_while(|version| version.cfg.is_empty()).count();
    let ups: Vec<_> = ways.iter().filter(|way| way.edge.from < way.edge.to && way.edge.to < plain).collect();
    let Some(newest) = plain.checked_sub(1) else {
        return line(any_state, 0, &mixed!(_slot), &mixed!());
    };
    let number = cx.version(newest).number;
    let Some((first, later)) = ups.split_first() else {
        return line(any_state, number, &mixed!(_slot), &mixed!());
    };
    let entries = ups.iter().enumerate().map(|(position, way)| {
        let (pattern, enter) = way.first();
        let label = way.label();
        if position == 0 { mixed!(#pattern => #enter) } else { mixed!(#pattern => break #label #enter) }
    });
    let end = cx.variant(newest);
    let label = first.label();
    let mut state = mixed! {
        #label: {
            match slot {
                #(#entries,)*
                ::core::option::Option::Some(#end(_)) => return ::core::result::Result::Ok(()),
                other => __misplaced(other.as_ref()),
            }
        }
    };
    for way in later {
        let (label, go) = (way.label(), way.onward());
        state = mixed!(#label: { let state = #state; #go });
    }
    let full = held(cx.version(newest), &mixed!(state));
    line(
        any_state,
        number,
        &mixed!(slot),
        &mixed! {
            let state = #state;
            *slot = ::core::option::Option::Some(#end(#full));
        },
    )
}

fn line(any_state: &Ident, to: u32, slot: &TokenStream, body: &TokenStream) -> TokenStream {
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
    fn function(&self, what: &str) -> Ident {
        let [from, to] = self.numbers();
        format_ident!("__{what}_{from}_{to}", span = Span::mixed_site())
    }

    fn numbers(&self) -> [u32; 2] {
        [self.edge.from, self.edge.to].map(|index| self.cx.version(index).number)
    }

    fn states(&self) -> [&Ident; 2] {
        [self.edge.from, self.edge.to].map(|index| &self.cx.version(index).state)
    }

    /// The block that ends with the state this edge leads to.
    fn label(&self) -> Lifetime {
        let [_, to] = self.numbers();
        Lifetime::new(&format!("'v{to}"), Span::mixed_site())
    }

    /// `Some(AnyState::V1(state))`.
    fn full(&self) -> TokenStream {
        let from = self.cx.variant(self.edge.from);
        mixed!(::core::option::Option::Some(#from(state)))
    }

    /// The state of the new version, as `AnyState`.
    fn wrapped(&self, state: &TokenStream) -> TokenStream {
        let (to, state) = (self.cx.variant(self.edge.to), held(self.cx.version(self.edge.to), state));
        mixed!(#to(#state))
    }

    /// The state in `AnyState::V1(state)`, by value.
    fn unboxed(&self) -> TokenStream {
        if self.cx.version(self.edge.from).boxed { mixed!(*state) } else { mixed!(state) }
    }

    /// The `cfg`s of the higher of the two versions, which include the lower's.
    fn cfg(&self) -> TokenStream {
        let cfg = &self.cx.version(self.edge.from.max(self.edge.to)).cfg;
        mixed!(#(#cfg)*)
    }

    /// What is called by the entry in the table and by the fused line.
    fn functions(&self) -> TokenStream {
        let (cfg, any_state) = (self.cfg(), &self.cx.names.any_state);
        let ([old, new], full) = (self.states(), self.full());
        let take = |out: &TokenStream| {
            mixed! {
                match slot.take() {
                    #full => #out,
                    other => {
                        *slot = other;
                        __misplaced(slot.as_ref())
                    }
                }
            }
        };
        let state = self.unboxed();
        let (derived, body) = match &self.edge.how {
            How::Identity => (None, take(&state)),
            How::Derived(plan) => {
                let derived = self.function("derived");
                if evaluates(plan) {
                    let take = take(&mixed!(make(#state)));
                    let body = mixed! {
                        let make = match slot {
                            #full => #derived(state),
                            other => __misplaced(other.as_ref()),
                        };
                        #take
                    };
                    (Some(self.evaluating(plan)), body)
                } else {
                    (Some(self.moving(plan)), take(&mixed!(#derived(#state))))
                }
            }
            How::Written { moves: true, .. } => (None, take(&state)),
            How::Written { .. } => return TokenStream::new(),
        };
        // what is written with `moves` is called by those who take the old state, for they put it back
        let out = if matches!(self.edge.how, How::Written { .. }) { old } else { new };
        let leave = self.function("leave");
        mixed! {
            #derived
            #cfg
            fn #leave(slot: &mut ::core::option::Option<#any_state>) -> #out { #body }
        }
    }

    /// An element of `Machine::EDGES`.
    fn entry(&self) -> TokenStream {
        let krate = self.cx.names.krate;
        let ([from, to], cfg) = (self.numbers(), self.cfg());
        let loses = match &self.edge.loses {
            Some(loses) => mixed!(::core::option::Option::Some(#loses)),
            None => mixed!(::core::option::Option::None),
        };
        let old = self.cx.variant(self.edge.from);
        let how = match &self.edge.how {
            How::Identity | How::Derived(_) => {
                let leave = self.function("leave");
                let (new, pure) = (self.wrapped(&mixed!(#leave(slot))), self.pure());
                mixed!(Derived { run: |slot| *slot = ::core::option::Option::Some(#new), pure: #pure })
            }
            How::Written { function, fallible, moves } => {
                let new = self.wrapped(&mixed!(state));
                let old_again = held(self.cx.version(self.edge.from), &mixed!(state));
                let state = if *moves { self.unboxed() } else { mixed!(state) };
                let result = match (fallible, moves) {
                    (false, _) => {
                        let new = self.wrapped(&mixed!(#function(#state)));
                        mixed!(::core::result::Result::Ok(#new))
                    }
                    (true, false) => mixed! {
                        match #function(#state) {
                            ::core::result::Result::Ok(state) => ::core::result::Result::Ok(#new),
                            ::core::result::Result::Err(error) => ::core::result::Result::Err(#krate::__private::said(error)),
                        }
                    },
                    (true, true) => mixed! {
                        match #function(#state) {
                            ::core::result::Result::Ok(state) => ::core::result::Result::Ok(#new),
                            ::core::result::Result::Err((state, error)) => {
                                ::core::result::Result::Err((#old(#old_again), #krate::__private::said(error)))
                            }
                        }
                    },
                };
                let name = Ident::new(if *moves { "Moves" } else { "Borrows" }, Span::mixed_site());
                let misplaced = if *moves { mixed!(&other) } else { mixed!(other) };
                mixed! {
                    #name(|state| match state {
                        #old(state) => #result,
                        other => __misplaced(::core::option::Option::Some(#misplaced)),
                    })
                }
            }
        };
        mixed!(#cfg #krate::Edge { from: #from, to: #to, how: #krate::How::#how, loses: #loses })
    }

    fn pure(&self) -> bool {
        match &self.edge.how {
            How::Identity => true,
            How::Derived(plan) => plan.pure,
            How::Written { .. } => false,
        }
    }

    /// As the first edge of the fused line: a pattern of `slot`, and the new state.
    fn first(&self) -> (TokenStream, TokenStream) {
        let krate = self.cx.names.krate;
        let old = self.cx.variant(self.edge.from);
        let untouched = mixed!(::core::option::Option::Some(#old(_)));
        let leave = self.function("leave");
        match &self.edge.how {
            How::Identity | How::Derived(_) => (untouched, mixed!(#leave(slot))),
            How::Written { function, fallible: false, moves: false } => (self.full(), mixed!(#function(state))),
            How::Written { function, fallible: false, moves: true } => (untouched, mixed!(#function(#leave(slot)))),
            How::Written { function, fallible: true, moves: false } => {
                let done = self.or_return(&mixed!(#function(state)));
                (self.full(), done)
            }
            How::Written { function, fallible: true, moves: true } => {
                let state = held(self.cx.version(self.edge.from), &mixed!(state));
                let done = mixed! {
                    match #function(#leave(slot)) {
                        ::core::result::Result::Ok(state) => state,
                        ::core::result::Result::Err((state, error)) => {
                            *slot = ::core::option::Option::Some(#old(#state));
                            return ::core::result::Result::Err(#krate::__private::said(error));
                        }
                    }
                };
                (untouched, done)
            }
        }
    }

    /// As a later edge of the fused line: from the local `state` to the new one.
    fn onward(&self) -> TokenStream {
        let krate = self.cx.names.krate;
        match &self.edge.how {
            How::Identity => mixed!(state),
            How::Derived(plan) => {
                let derived = self.function("derived");
                if evaluates(plan) { mixed!(#derived(&state)(state)) } else { mixed!(#derived(state)) }
            }
            How::Written { function, fallible: false, moves: false } => mixed!(#function(&state)),
            How::Written { function, fallible: false, moves: true } => mixed!(#function(state)),
            How::Written { function, fallible: true, moves: false } => self.or_return(&mixed!(#function(&state))),
            How::Written { function, fallible: true, moves: true } => mixed! {
                match #function(state) {
                    ::core::result::Result::Ok(state) => state,
                    ::core::result::Result::Err((_, error)) => {
                        return ::core::result::Result::Err(#krate::__private::said(error));
                    }
                }
            },
        }
    }

    fn or_return(&self, result: &TokenStream) -> TokenStream {
        let krate = self.cx.names.krate;
        mixed! {
            match #result {
                ::core::result::Result::Ok(state) => state,
                ::core::result::Result::Err(error) => return ::core::result::Result::Err(#krate::__private::said(error)),
            }
        }
    }

    /// `fn(old) -> new`, where nothing can go wrong.
    fn moving(&self, plan: &Plan) -> TokenStream {
        let ([old, new], name, cfg) = (self.states(), self.function("derived"), self.cfg());
        let body = match &plan.body {
            Body::Struct(fields) => {
                let fields = fields.fields.iter().map(|field| {
                    let (member, value) = (&field.member, value(field).unwrap_or_else(|| from_struct(field)));
                    mixed!(#member: #value)
                });
                mixed!(#new { #(#fields),* })
            }
            Body::Enum(arms) => {
                let arms = arms.iter().map(|Arm { from, to, fields }| {
                    let pattern = moved(fields);
                    let fields = fields.fields.iter().enumerate().map(|(index, field)| {
                        let (member, local) = (&field.member, local(index));
                        let value = value(field).unwrap_or_else(|| mixed!(#local));
                        mixed!(#member: #value)
                    });
                    mixed!(#old::#from { #pattern } => #new::#to { #(#fields),* })
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
        let ([old, new], name, cfg) = (self.states(), self.function("derived"), self.cfg());
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
        (evaluated, mixed!(#new { #(#made),* }))
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
            if values.is_empty() {
                made.push(mixed!(#old::#from { #pattern } => #new::#to { #members }));
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
                    ::core::option::Option::Some((#(#names,)*)) => #new::#to { #members },
                    ::core::option::Option::None => ::core::unreachable!(),
                }
            });
        }
        (evaluated, mixed!(match state { #(#made,)* }))
    }
}

/// Whether something is to be evaluated from a borrow before the fields are moved.
fn evaluates(plan: &Plan) -> bool {
    !plan.pure
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

/// The pattern that takes what is moved out of an old variant, and leaves the rest.
fn moved(fields: &Fields) -> TokenStream {
    let moved = fields.fields.iter().enumerate().filter_map(|(index, field)| match &field.source {
        Source::Moved(member) => Some(bind(member, index)),
        _ => None,
    });
    mixed!(#(#moved,)* ..)
}

fn bind(member: &Member, index: usize) -> TokenStream {
    let local = local(index);
    mixed!(#member: #local)
}

fn local(index: usize) -> Ident {
    format_ident!("__{index}", span = Span::mixed_site())
}
