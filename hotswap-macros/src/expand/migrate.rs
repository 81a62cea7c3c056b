//! Migrations: each declared edge, and all ways up fused into one straight line.
//!
//! A derived edge is a function that makes the new state from the old. Where something of the user's runs in it, the
//! function evaluates that from a borrow and returns what then moves the fields. So nothing of the user's runs while the
//! slot is empty, and nothing is cloned.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Lifetime, Member};

use super::state::held;
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

    /// Puts the local `error` in words; one that has none is reported where the function says that it returns it.
    fn said(&self) -> TokenStream {
        let How::Written { returned, .. } = &self.edge.how else { return TokenStream::new() };
        located(*returned, mixed!(__hotswap::said(error)))
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
        let (new, new_state) = (self.cx.variant(self.edge.to), self.cx.held(self.edge.to));
        let entry = match &self.edge.how {
            How::Identity | How::Derived(_) => {
                let (leave, pure) =
                    (self.leave(), matches!(&self.edge.how, How::Identity | How::Derived(Plan { pure: true, .. })));
                let old = held(self.cx.version(self.edge.from));
                return mixed! {
                    #cfg
                    __hotswap::derived::<_, #old>(#from, #to, |slot| {
                        let state = #leave;
                        *slot = ::core::option::Option::Some(#new(#new_state));
                    }, #pure, #loses)
                };
            }
            How::Written { function, moves: false, fallible, .. } => {
                let state = mixed!(#function(__hotswap::borrow::<#machine, _>(state)));
                let state = if *fallible {
                    let said = self.said();
                    mixed!(#state.map_err(|error| #said))
                } else {
                    mixed!(::core::result::Result::Ok(#state))
                };
                mixed!(borrows(#from, #to, |state| #state.map(|state| #new(#new_state)), #loses))
            }
            How::Written { moves: true, .. } => {
                let state = self.first();
                mixed! {
                    moves(#from, #to, |slot| {
                        let state = #state;
                        *slot = ::core::option::Option::Some(#new(#new_state));
                        ::core::result::Result::Ok(())
                    }, #loses)
                }
            }
        };
        mixed!(#cfg __hotswap::#entry)
    }

    /// As the first edge of a line: from `slot` to the new state.
    fn first(&self) -> TokenStream {
        let new = self.leave();
        match &self.edge.how {
            How::Written { fallible: true, moves: false, .. } => {
                let said = self.said();
                mixed!(#new.map_err(|error| #said)?)
            }
            How::Written { fallible: true, moves: true, .. } => {
                let (old, state) = (self.cx.variant(self.edge.from), self.cx.held(self.edge.from));
                let said = self.said();
                mixed! {
                    #new.map_err(|(state, error)| {
                        *slot = ::core::option::Option::Some(#old(#state));
                        #said
                    })?
                }
            }
            _ => new,
        }
    }

    /// As a later edge of the fused line: from the local `state` to the new one.
    fn onward(&self) -> TokenStream {
        let said = self.said();
        match &self.edge.how {
            How::Identity => mixed!(state),
            How::Derived(plan) => {
                let derived = self.derived();
                if plan.pure { mixed!(#derived(state)) } else { mixed!(#derived(&state)(state)) }
            }
            How::Written { function, fallible: false, moves: false, .. } => mixed!(#function(&state)),
            How::Written { function, fallible: false, moves: true, .. } => mixed!(#function(state)),
            How::Written { function, fallible: true, moves: false, .. } => {
                mixed!(#function(&state).map_err(|error| #said)?)
            }
            How::Written { function, fallible: true, moves: true, .. } => {
                mixed!(#function(state).map_err(|(_, error)| #said)?)
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
                let place = |member: &Member| mixed!(state.#member);
                let made = fields.fields.iter().map(|field| member(field, &self.value(field, place)));
                let rest = discarded(fields, place);
                mixed!(#rest #new { #(#made),* })
            }
            Body::Enum(arms) => {
                let arms = arms.iter().map(|Arm { from, to, fields }| {
                    let place = |member: &Member| before(member).into_token_stream();
                    let made = fields.fields.iter().map(|field| member(field, &self.value(field, place)));
                    let (pattern, rest) = (taken_apart(fields), discarded(fields, place));
                    mixed!(#old::#from { #pattern } => { #rest #new::#to { #(#made),* } })
                });
                mixed!(match state { #(#arms,)* })
            }
        };
        mixed! {
            #cfg
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
            fn #name(state: &#old) -> impl ::core::ops::FnOnce(#old) -> #new + use<> {
                #evaluated
                move |state: #old| #made
            }
        }
    }

    fn evaluating_struct(&self, fields: &Fields) -> (TokenStream, TokenStream) {
        let [_, new] = self.states();
        let place = |member: &Member| mixed!(state.#member);
        let (mut evaluated, mut made) = (TokenStream::new(), Vec::new());
        for field in &fields.fields {
            let value = self.value(field, place);
            if let Source::Moved(_) = field.source {
                made.push(member(field, &value));
                continue;
            }
            let (ty, ready) = (of_state(new, &field.ty), after(&field.member));
            evaluated.extend(mixed!(let #ready: #ty = #value;));
            made.push(member(field, &ready));
        }
        let rest = discarded(fields, place);
        (evaluated, mixed!({ #rest #new { #(#made),* } }))
    }

    /// Each variant's values are evaluated together, if it is the one at hand.
    fn evaluating_enum(&self, arms: &[Arm]) -> (TokenStream, TokenStream) {
        let [old, new] = self.states();
        let (mut evaluated, mut made) = (TokenStream::new(), Vec::new());
        for (position, Arm { from, to, fields }) in arms.iter().enumerate() {
            let (mut borrowed, mut types, mut values, mut names, mut members) =
                (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for field in &fields.fields {
                match &field.source {
                    Source::Moved(old) => {
                        members.push(member(field, &before(old)));
                        continue;
                    }
                    Source::With { from, .. } if !borrowed.contains(&from) => borrowed.push(from),
                    _ => {}
                }
                let local = after(&field.member);
                types.push(of_state(new, &field.ty));
                values.push(self.value(field, |member| {
                    let borrowed = before(member);
                    mixed!(*#borrowed)
                }));
                members.push(member(field, &local));
                names.push(local);
            }
            let (pattern, rest) = (taken_apart(fields), discarded(fields, |member| before(member).into_token_stream()));
            if values.is_empty() {
                made.push(mixed!(#old::#from { #pattern } => { #rest #new::#to { #(#members),* } }));
                continue;
            }
            let borrowed = borrowed.into_iter().map(bound);
            let ready = format_ident!("__ready_{position}", span = Span::mixed_site());
            evaluated.extend(mixed! {
                let #ready: ::core::option::Option<(#(#types,)*)> = match state {
                    #old::#from { #(#borrowed,)* .. } => ::core::option::Option::Some((#(#values,)*)),
                    _ => ::core::option::Option::None,
                };
            });
            made.push(mixed! {
                #old::#from { #pattern } => match #ready {
                    ::core::option::Option::Some((#(#names,)*)) => { #rest #new::#to { #(#members),* } }
                    ::core::option::Option::None => ::core::unreachable!(),
                }
            });
        }
        (evaluated, mixed!(match state { #(#made,)* }))
    }

    /// Where a field's value comes from; `place` is an old field, as this migration has it.
    fn value(&self, field: &Field, place: impl Fn(&Member) -> TokenStream) -> TokenStream {
        // all that is written for an edge stands on the higher version's state
        let written_on = &self.cx.version(self.edge.from.max(self.edge.to)).state;
        match &field.source {
            Source::Moved(member) => located(field.member.span(), place(member)),
            Source::With { from, function, old } => {
                let ([of, to], place) = (self.states(), place(from));
                let old = old.as_ref().map_or_else(|| mixed!(_), |old| of_state(of, old));
                let new = of_state(to, &field.ty);
                // a wrong function is compared with what it should be, and reported where it is named
                let [wanted, turned] =
                    [mixed!(fn(&#old) -> #new), mixed!(__turn(&#place))].map(|of| located(function.span(), of));
                let function = of_state(written_on, function);
                mixed!({ let __turn: #wanted = #function; #turned })
            }
            Source::Value(value) => of_state(written_on, value),
            Source::Default => {
                let ty = of_state(self.states()[1], &field.ty);
                quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default())
            }
        }
    }
}

/// `field: value`.
fn member(field: &Field, value: &impl ToTokens) -> TokenStream {
    let member = &field.member;
    mixed!(#member: #value)
}

/// Tokens from the declaration of a state, where `Self` is that state.
fn of_state(state: &Ident, tokens: &impl ToTokens) -> TokenStream {
    replaced(tokens.to_token_stream(), &|token| match token {
        TokenTree::Ident(word) if word == "Self" => {
            let mut state = state.clone();
            state.set_span(state.span().located_at(word.span()));
            state.into()
        }
        other => other,
    })
}

/// The same tokens, with what the compiler says of them said at `span`.
fn located(span: Span, tokens: TokenStream) -> TokenStream {
    replaced(tokens, &|mut token| {
        token.set_span(token.span().located_at(span));
        token
    })
}

/// Each token replaced, within groups too.
fn replaced(tokens: TokenStream, with: &impl Fn(TokenTree) -> TokenTree) -> TokenStream {
    let each = |token| match token {
        TokenTree::Group(group) => {
            let mut inner = Group::new(group.delimiter(), replaced(group.stream(), with));
            inner.set_span(group.span());
            with(inner.into())
        }
        other => with(other),
    };
    tokens.into_iter().map(each).collect()
}

/// What no new field takes is dropped before the new state is made, and a panic in that goes no further.
fn discarded(fields: &Fields, place: impl Fn(&Member) -> TokenStream) -> TokenStream {
    let rest = fields.dropped.iter().map(place);
    mixed!(#(__hotswap::discard(#rest);)*)
}

/// The pattern that takes an old variant apart: each field is either moved or dropped.
fn taken_apart(fields: &Fields) -> TokenStream {
    let moved = fields.fields.iter().filter_map(|field| match &field.source {
        Source::Moved(member) => Some(member),
        _ => None,
    });
    let bound = moved.chain(&fields.dropped).map(bound);
    mixed!(#(#bound,)*)
}

/// `field: local`, in a pattern.
fn bound(member: &Member) -> TokenStream {
    let local = before(member);
    mixed!(#member: #local)
}

/// The local that holds an old field.
fn before(member: &Member) -> Ident {
    local("old", member)
}

/// The local that holds the value of a new field.
fn after(member: &Member) -> Ident {
    local("new", member)
}

fn local(of: &str, member: &Member) -> Ident {
    match member {
        Member::Named(name) => format_ident!("__{of}_{}", name.unraw(), span = Span::mixed_site()),
        Member::Unnamed(index) => format_ident!("__{of}_{}", index.index, span = Span::mixed_site()),
    }
}
