//! What a machine is to the runtime: its versions, its steps and the migrations between neighbours.
//!
//! `#[machine]` implements these traits; nothing here knows of threads or switches.

use std::fmt;
use std::panic::RefUnwindSafe;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::__private::OutputSerializable;
use crate::error::VersionError;
use crate::loaded::Loaded;

/// A named line of versions. `#[machine]` implements it for the generated `Machine` type.
pub trait Machine: Sized + Send + Sync + 'static {
    /// The tagged enum of all versions' states (`AnyState`).
    type AnyState: Serialize + DeserializeOwned + Send + RefUnwindSafe + 'static;
    /// The tagged enum of all input types (`AnyInput`).
    type AnyInput: Serialize + DeserializeOwned + Send + 'static;
    /// The tagged enum of all output types (`AnyOutput`), a variant for each input.
    type AnyOutput: Serialize + DeserializeOwned + Send + 'static;
    /// A state of any version, lent to one step.
    #[doc(hidden)]
    type StateMut<'a>;
    /// The states of many instances of one version.
    #[doc(hidden)]
    type States: States<Self> + Send + 'static;

    /// Which machine this is.
    const IDENTITY: Identity;
    /// Every version that is compiled in, lowest first.
    const VERSIONS: &'static [VersionInfo];
    /// The numbers whose code is gone (`retired(…)`).
    const RETIRED: &'static [u32];
    /// Its inputs, in any version.
    const INPUTS: &'static [InputInfo];
    /// Every declared migration between neighbours, up and down, in no particular order.
    const EDGES: &'static [Edge<Self::AnyState>];
    /// The version that [`Machine::fused`] leads to.
    const FUSED_TO: u32;

    /// The version of a state.
    fn version_of(state: &Self::AnyState) -> u32;

    /// A state that an image owns, as one of the machine's.
    fn loaded(state: Loaded) -> Self::AnyState;

    /// The state, if an image owns it.
    fn as_loaded(state: &Self::AnyState) -> Option<&Loaded>;

    /// The same, to step it.
    fn as_loaded_mut(state: &mut Self::AnyState) -> Option<&mut Loaded>;

    /// Lends a state to a step. None, and a state that an image owns, no step of the program's can take.
    #[doc(hidden)]
    fn lend(state: Option<&mut Self::AnyState>) -> Self::StateMut<'_>;

    /// Whether `version` takes `input`: by a step of its own, or by adapters.
    ///
    /// A partial adapter is asked, so the answer may depend on the value.
    fn takes(version: u32, input: &Self::AnyInput) -> bool;

    /// Runs one step; what the state's version does not take comes back.
    ///
    /// # Errors
    ///
    /// The input itself, untouched, when the state's version refuses it.
    fn step_any(state: &mut Self::AnyState, input: Self::AnyInput) -> Result<Stepped<Self::AnyOutput>, Self::AnyInput>;

    /// Takes a state of any lower version up to [`Machine::FUSED_TO`] in one straight line.
    ///
    /// It gives the same state as the edges in turn. On an error or a panic the slot still holds
    /// the old state if the first edge of the way borrows ([`How::Borrows`]), or if none of the later
    /// edges runs what the user wrote; otherwise the caller runs it on a copy.
    ///
    /// # Errors
    ///
    /// What the failing migration said.
    fn fused(slot: &mut Option<Self::AnyState>) -> Result<(), String>;
}

/// A machine takes inputs of type `I`, in at least one of its versions.
#[diagnostic::on_unimplemented(
    message = "machine `{Self}` takes no input of type `{I}` in any version",
    label = "no step of any version takes this",
    note = "a step is `#[machine(version = …)] fn name(state: &mut State, input: {I}) -> Output`"
)]
pub trait Accepts<I>: Machine {
    /// What a step for this input gives back.
    type Output: OutputSerializable;

    /// The input's name, as [`Machine::AnyInput`] spells its variant.
    const INPUT: &'static str;

    /// Runs one step. Refusal is decided before anything is adapted.
    ///
    /// # Errors
    ///
    /// The input itself, untouched, when the state's version does not take it, or an image owns the state.
    #[inline]
    fn step(state: &mut Self::AnyState, input: I) -> Result<Stepped<Self::Output>, I> {
        Self::step_mut(Self::lend(Some(state)), input)
    }

    /// The same, of a state wherever it is.
    ///
    /// # Errors
    ///
    /// As [`Accepts::step`].
    #[doc(hidden)]
    fn step_mut(state: Self::StateMut<'_>, input: I) -> Result<Stepped<Self::Output>, I>;

    /// Runs one step of a state that an image owns.
    ///
    /// # Errors
    ///
    /// As [`Accepts::step`].
    fn step_loaded(state: &mut Loaded, input: I) -> Result<Stepped<Self::Output>, I>;
}

/// The states of many instances of one version, side by side and nothing between them. `#[machine]` implements it.
pub trait States<M: Machine>: Sized {
    /// The most bytes that one takes of any version, if none owns anything besides.
    const LARGEST: Option<usize>;

    /// The first of them, with room for so many; one that an image owns comes back.
    ///
    /// # Errors
    ///
    /// The state itself.
    fn begin(first: M::AnyState, room: usize) -> Result<Self, M::AnyState>;

    /// Their version.
    fn version(&self) -> u32;

    /// How many they are.
    fn count(&self) -> usize;

    /// One more at the end.
    ///
    /// # Errors
    ///
    /// The state itself, if it is of another version.
    fn push(&mut self, state: M::AnyState) -> Result<(), M::AnyState>;

    /// One less at the end.
    fn pop(&mut self) -> Option<M::AnyState>;

    /// Another in the place of one, which comes out.
    ///
    /// # Errors
    ///
    /// The state itself, if it is of another version.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    fn replace(&mut self, at: usize, state: M::AnyState) -> Result<M::AnyState, M::AnyState>;

    /// Lends one of them to a step.
    fn get_mut(&mut self, at: usize) -> Option<M::StateMut<'_>>;

    /// Lends each in turn, from one on, until a visit says that it is enough.
    fn visit(&mut self, from: usize, visit: impl Visit<M>);

    /// Each by itself again, in order.
    fn into_each(self, take: impl FnMut(M::AnyState));
}

/// What is done with one state after the other.
pub trait Visit<M: Machine> {
    /// True: the next one too.
    fn visit(&mut self, state: M::StateMut<'_>) -> bool;
}

/// What a step gave back, and whether that counts as a failure: a `Result` that is `Err`.
#[derive(Debug)]
pub struct Stepped<O> {
    /// The output, as the caller's input type promises it.
    pub output: O,
    /// Whether the step that ran returned an `Err`.
    pub failed: bool,
}

impl<O> Stepped<O> {
    /// The same step with its output adapted.
    #[inline]
    pub fn map<P>(self, adapt: impl FnOnce(O) -> P) -> Stepped<P> {
        Stepped { output: adapt(self.output), failed: self.failed }
    }
}

/// Which machine a type is: names need not be unique, the four together are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The crate that declares it (`CARGO_PKG_NAME`).
    pub krate: &'static str,
    /// That crate's version.
    pub crate_version: &'static str,
    /// The module path of the machine's module.
    pub module: &'static str,
    /// The machine's name: the module's, or the option `name`.
    pub name: &'static str,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} of {} {})", self.name, self.module, self.krate, self.crate_version)
    }
}

/// What is known of one version at compile time.
#[derive(Debug, Clone, Copy)]
pub struct VersionInfo {
    /// The number that the user chose.
    pub number: u32,
    /// The name of its state type.
    pub state: &'static str,
    /// The structural hash of the state, `1-…`.
    pub fingerprint: &'static str,
    /// Types from outside the module that the fingerprint knows by name only.
    pub leaves: &'static [&'static str],
    /// The names of the inputs it takes, by a step or by adapters; none for a decode-only version.
    pub takes: &'static [&'static str],
}

impl VersionInfo {
    /// Whether it can only be migrated from, not run.
    #[must_use]
    pub const fn decode_only(&self) -> bool {
        self.takes.is_empty()
    }
}

/// What is known of one input at compile time.
#[derive(Debug, Clone, Copy)]
pub struct InputInfo {
    /// Its name, in encodings and tables.
    pub name: &'static str,
    /// The structural hash of its type and of its output's, `1-…`.
    pub fingerprint: &'static str,
}

/// What is known of a version whose code is there.
pub(crate) fn known<M: Machine>(asked: u32) -> Result<&'static VersionInfo, VersionError> {
    let machine = || M::IDENTITY.name.to_owned();
    let known = || M::VERSIONS.iter().map(|version| version.number).collect();
    match M::VERSIONS.iter().find(|version| version.number == asked) {
        Some(version) => Ok(version),
        None if M::RETIRED.contains(&asked) => Err(VersionError::Retired { machine: machine(), asked, known: known() }),
        None => Err(VersionError::Unknown { machine: machine(), asked, known: known() }),
    }
}

/// The number, if it names a version with steps.
pub(crate) fn runnable<M: Machine>(asked: u32) -> Result<u32, VersionError> {
    if known::<M>(asked)?.decode_only() {
        return Err(VersionError::DecodeOnly { machine: M::IDENTITY.name.to_owned(), asked });
    }
    Ok(asked)
}

/// A migration between neighbouring versions, up or down.
#[derive(Debug)]
pub struct Edge<S> {
    /// The version it leaves.
    pub from: u32,
    /// The version it arrives at.
    pub to: u32,
    /// How it runs.
    pub how: How<S>,
    /// What is lost on it, in the author's words.
    pub loses: Option<&'static str>,
}

impl<S> Edge<S> {
    /// Whether it only moves fields: nothing that the user wrote runs.
    pub(crate) const fn is_pure(&self) -> bool {
        matches!(self.how, How::Derived { pure: true, .. })
    }
}

/// How a migration treats the state that it leaves.
#[derive(Debug)]
pub enum How<S> {
    /// Derived: what the user wrote (`added`, `with`) is evaluated first, then the fields are moved.
    /// On a panic the slot still holds the old state; `pure` says that there is nothing to panic.
    Derived {
        /// Moves the state in the slot; the slot is full on entry and on return.
        run: fn(&mut Option<S>),
        /// No expression or function of the user's runs in it.
        pure: bool,
        /// What is left behind may have something to drop, and that may take any time.
        drops: bool,
    },
    /// Written, borrowing: the old state is whole until the new one is in place.
    Borrows(fn(&S) -> Result<S, String>),
    /// Written with `moves`, in the slot, which is full on entry: a failure puts the old state back, a panic loses it.
    Moves(fn(&mut Option<S>) -> Result<(), String>),
}

/// A way to name a version of machine `M`: its number, or the generated `Version`.
///
/// Only `u32` implements it among the integers, so `upgrade(3, …)` needs no suffix.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a version of `{M}`",
    note = "name it by number, or by the `Version` generated beside that machine"
)]
pub trait NameOf<M> {
    /// The version's number.
    fn number(self) -> u32;
}

impl<M: Machine> NameOf<M> for u32 {
    fn number(self) -> u32 {
        self
    }
}
