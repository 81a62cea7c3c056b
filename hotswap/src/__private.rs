//! What generated code calls. Not part of the public API: it changes without notice.

use std::borrow::Cow;
use std::fmt;
use std::hint::cold_path;
use std::marker::PhantomData;
use std::mem::needs_drop;
use std::panic::RefUnwindSafe;

pub use inventory;
pub use serde;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::loaded::{self, Format, Loaded, Ran, split_name};
use crate::machine::{Accepts, Edge, How, Identity, InputInfo, Machine, VersionInfo};
pub use crate::machine::{States, Stepped, Visit};
use crate::room::Room;
pub use crate::{
    __conversions as conversions, __encoding as encoding, __from_inputs as from_inputs, __image as image,
    __of_states as of_states, __states as states, __step_loaded as step_loaded, __stepped as stepped,
    __versions as versions,
};

#[cfg(feature = "image")]
pub use crate::load::{Listed, Note, Table, Thunks, described, of_machine};

/// A machine that is compiled into the program; submitted by generated code, listed by the registry.
#[derive(Debug)]
pub struct Compiled {
    /// Which machine it is.
    pub identity: Identity,
    /// Its versions.
    pub versions: &'static [VersionInfo],
    /// Its inputs.
    pub inputs: &'static [InputInfo],
}

inventory::collect!(Compiled);

/// Serialises a tagged enum as the pair `[tag, value]`.
pub fn write_tagged<S, T, V>(serializer: S, tag: &T, value: &V) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    T: Serialize + ?Sized,
    V: Serialize + ?Sized,
{
    let mut pair = serializer.serialize_tuple(2)?;
    pair.serialize_element(tag)?;
    pair.serialize_element(value)?;
    pair.end()
}

/// A tagged enum that is read from the pair `[tag, value]`.
pub trait Tagged: Sized {
    /// What stands before the value: a version's number, or an input's name.
    type Tag: Tag + ?Sized;
    /// What is expected, for messages: "a state of machine `counter`".
    const EXPECTED: &'static str;

    /// Reads the value that belongs to the tag with [`next`], or says [`unknown`].
    fn read<'de, A: SeqAccess<'de>>(tag: &Self::Tag, seq: &mut A) -> Result<Self, A::Error>;
}

/// Reads a tagged enum.
pub fn read_tagged<'de, D: Deserializer<'de>, T: Tagged>(deserializer: D) -> Result<T, D::Error> {
    struct Pair<T>(PhantomData<T>);
    impl<'de, T: Tagged> Visitor<'de> for Pair<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTED)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
            T::Tag::before(&mut seq, T::read)
        }
    }
    deserializer.deserialize_tuple(2, Pair(PhantomData))
}

/// The next element of a pair.
pub fn next<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(seq: &mut A) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| A::Error::custom("the pair ends too early"))
}

/// One variant's value, to be written: `(&Value(&value)).__hotswap_write(..)` with both traits in scope.
///
/// A type that is not serializable has its one error where it is declared a state, input or output. The second trait
/// is there so that the encoding of the enum does not repeat it.
#[derive(Debug)]
pub struct Value<'a, T>(pub &'a T);

/// Values that can be written. Its method has a name that no trait of the user's gives to all types.
pub trait Write {
    /// Writes `[tag, value]`.
    fn __hotswap_write<S: Serializer>(&self, serializer: S, tag: &(impl Serialize + ?Sized))
    -> Result<S::Ok, S::Error>;
}

impl<T: Serialize> Write for Value<'_, T> {
    #[inline]
    fn __hotswap_write<S: Serializer>(
        &self,
        serializer: S,
        tag: &(impl Serialize + ?Sized),
    ) -> Result<S::Ok, S::Error> {
        write_tagged(serializer, tag, self.0)
    }
}

/// Values that cannot; the build has failed.
pub trait WriteNot {
    /// Never runs.
    fn __hotswap_write<S: Serializer>(&self, _: S, _: &(impl Serialize + ?Sized)) -> Result<S::Ok, S::Error> {
        unreachable!()
    }
}

impl<T> WriteNot for &Value<'_, T> {}

/// One variant, to be read: `(&Variant(Any::V1)).__hotswap_read(..)` with both traits in scope.
#[derive(Debug)]
pub struct Variant<T, E>(pub fn(T) -> E);

/// Variants that can be read.
pub trait Read<E> {
    /// Reads the value and wraps it.
    fn __hotswap_read<'de, A: SeqAccess<'de>>(&self, seq: &mut A) -> Result<E, A::Error>;
}

impl<T: DeserializeOwned, E> Read<E> for Variant<T, E> {
    #[inline]
    fn __hotswap_read<'de, A: SeqAccess<'de>>(&self, seq: &mut A) -> Result<E, A::Error> {
        next(seq).map(self.0)
    }
}

/// Variants that cannot; the build has failed.
pub trait ReadNot<E> {
    /// Never runs.
    fn __hotswap_read<'de, A: SeqAccess<'de>>(&self, _: &mut A) -> Result<E, A::Error> {
        unreachable!()
    }
}

impl<T, E> ReadNot<E> for &Variant<T, E> {}

/// What stands before the value in a tagged pair.
pub trait Tag {
    /// Reads the tag, and then what follows it.
    fn before<'de, A: SeqAccess<'de>, R>(
        seq: &mut A,
        value: impl FnOnce(&Self, &mut A) -> Result<R, A::Error>,
    ) -> Result<R, A::Error>;
}

impl Tag for u32 {
    fn before<'de, A: SeqAccess<'de>, R>(
        seq: &mut A,
        value: impl FnOnce(&Self, &mut A) -> Result<R, A::Error>,
    ) -> Result<R, A::Error> {
        value(&next(seq)?, seq)
    }
}

impl Tag for str {
    fn before<'de, A: SeqAccess<'de>, R>(
        seq: &mut A,
        value: impl FnOnce(&Self, &mut A) -> Result<R, A::Error>,
    ) -> Result<R, A::Error> {
        let Name(name) = next(seq)?;
        value(&name, seq)
    }
}

/// A name where it stands, if it stands there as it is: a step in an image takes no longer than it takes to copy one.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an input")
            }
            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// No variant has this tag.
pub fn unknown<T, E: Error>(machine: &str, what: &str, tag: impl fmt::Display) -> Result<T, E> {
    Err(E::custom(format_args!("machine `{machine}` has no {what} `{tag}`")))
}

/// The tag is that of a version whose code is gone.
pub fn retired<T, E: Error>(machine: &str, version: &u32) -> Result<T, E> {
    Err(E::custom(format_args!("version {version} of machine `{machine}` is retired: its code is gone")))
}

/// The states of a machine with mistakes: there are none.
#[derive(Debug)]
pub enum NoStates {}

impl<M: Machine> States<M> for NoStates {
    const LARGEST: Option<usize> = None;
    fn begin(first: M::AnyState, _: usize) -> Result<Self, M::AnyState> {
        Err(first)
    }
    fn version(&self) -> u32 {
        match *self {}
    }
    fn count(&self) -> usize {
        match *self {}
    }
    fn push(&mut self, _: M::AnyState) -> Result<(), M::AnyState> {
        match *self {}
    }
    fn pop(&mut self) -> Option<M::AnyState> {
        match *self {}
    }
    fn replace(&mut self, _: usize, _: M::AnyState) -> Result<M::AnyState, M::AnyState> {
        match *self {}
    }
    fn get_mut(&mut self, _: usize) -> Option<M::StateMut<'_>> {
        match *self {}
    }
    fn visit(&mut self, _: usize, _: impl Visit<M>) {
        match *self {}
    }
    fn into_each(self, _: impl FnMut(M::AnyState)) {
        match self {}
    }
}

/// How many bytes each value of a type takes, if it owns nothing besides.
#[must_use]
pub const fn bytes_of<T>() -> Option<usize> {
    if std::mem::needs_drop::<T>() { None } else { Some(size_of::<T>()) }
}

/// The most of them; none if one is unknown.
#[must_use]
pub const fn largest(mut sizes: &[Option<usize>]) -> Option<usize> {
    let mut largest = 0;
    while let [size, rest @ ..] = sizes {
        match *size {
            Some(size) if size > largest => largest = size,
            Some(_) => {}
            None => return None,
        }
        sizes = rest;
    }
    Some(largest)
}

/// Lends each in turn, from one on, until it is enough.
#[inline]
pub fn each_from<T>(states: &mut [T], from: usize, visit: impl FnMut(&mut T) -> bool) {
    let _ = states.iter_mut().skip(from).all(visit);
}

/// Each by itself, as a state of the machine's.
pub fn each_out<T, S>(states: Vec<T>, wrap: impl Fn(T) -> S, take: impl FnMut(S)) {
    states.into_iter().map(wrap).for_each(take);
}

/// What a step of a machine gives: its output, or the input again.
pub type Step<O, I> = Result<Stepped<O>, I>;

/// The output of a version before the newest: its place in the code is behind that one's, and takes a compare more.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is a mark for the compiler, and no code")]
pub const fn older<O>(output: O) -> O {
    cold_path();
    output
}

/// An input that the state's version does not take, or that an image has to.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
pub const fn not_taken<O, I>(input: I) -> Step<O, I> {
    cold_path();
    Err(input)
}

/// Whether a version takes all inputs of a type, by the machine's table.
#[must_use]
pub fn takes<M: Accepts<I>, I>(version: u32) -> bool {
    M::VERSIONS.iter().any(|info| info.number == version && info.takes.contains(&M::INPUT))
}

/// Runs one step and wraps what comes of it.
pub fn step_any<M: Accepts<I>, I>(
    _: M,
    state: &mut M::AnyState,
    input: I,
    as_input: fn(I) -> M::AnyInput,
    as_output: fn(M::Output) -> M::AnyOutput,
) -> Step<M::AnyOutput, M::AnyInput> {
    let stepped = match M::as_loaded_mut(state) {
        Some(state) => M::step_loaded(state, input),
        None => M::step(state, input),
    };
    stepped.map(|stepped| stepped.map(as_output)).map_err(as_input)
}

/// Where an input for an image is written.
pub type Sink<'a> = &'a mut postcard::Serializer<&'a mut Room>;

/// Where an output from an image is read: its value, behind the name.
#[expect(missing_debug_implementations, reason = "postcard's reader has none")]
pub struct Source<'de>(postcard::Deserializer<'de, postcard::de_flavors::Slice<'de>>);

impl<'de> SeqAccess<'de> for Source<'de> {
    type Error = postcard::Error;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, postcard::Error> {
        seed.deserialize(&mut self.0).map(Some)
    }
}

/// Runs one step in an image: the input goes there and the output comes back as bytes.
///
/// # Panics
///
/// With the text of the step, if that panics; and if the output cannot be read.
#[inline(never)]
pub fn pass<I, O>(
    state: &mut Loaded,
    input: I,
    write: impl FnOnce(&I, Sink<'_>) -> Result<(), postcard::Error>,
    read: impl FnOnce(&mut Source<'_>) -> Result<O, postcard::Error>,
) -> Step<O, I> {
    let (mut sent, mut output) = (Room::new(), Room::new());
    if let Err(error) = write(&input, &mut postcard::Serializer { output: &mut sent }) {
        tracing::error!(target: "hotswap", %error, "an input cannot be encoded, so an image cannot take it");
        return Err(input);
    }
    let failed = match state.step(Format::Postcard, sent.bytes(), &mut output) {
        Ran::Done { failed } => failed,
        Ran::Refused => return Err(input),
        Ran::Undecodable(reason) => {
            undecodable(state, sent.bytes(), &reason);
            return Err(input);
        }
        Ran::Unencodable(reason) => loaded::unreadable(reason),
        Ran::Panicked(text) => loaded::panicked(text),
    };
    let Some((_, value)) = split_name(output.bytes()) else { loaded::unreadable("it has no name") };
    let mut source = Source(postcard::Deserializer::from_bytes(value));
    let output = read(&mut source).unwrap_or_else(|error| loaded::unreadable(error));
    match source.0.finalize() {
        Ok([]) => {}
        _ => loaded::unreadable("bytes are left over"),
    }
    Ok(Stepped { output, failed })
}

/// An image that has retired every version that took an input does not know it, and that is a plain refusal.
#[cold]
fn undecodable(state: &Loaded, sent: &[u8], reason: &str) {
    let named = postcard::take_from_bytes::<&str>(sent);
    if named.is_ok_and(|(name, _)| state.guest().line().knows_input(name)) {
        tracing::error!(target: "hotswap", reason, "an image cannot read an input that it says it knows");
    }
}

/// What is known of a version.
#[must_use]
pub const fn info(
    number: u32,
    state: &'static str,
    fingerprint: &'static str,
    leaves: &'static [&'static str],
    takes: &'static [&'static str],
) -> VersionInfo {
    VersionInfo { number, state, fingerprint, leaves, takes }
}

/// What is known of an input.
#[must_use]
pub const fn input_info(name: &'static str, fingerprint: &'static str) -> InputInfo {
    InputInfo { name, fingerprint }
}

/// A derived migration of what stands so in `AnyState`.
pub const fn derived<S, Old>(
    from: u32,
    to: u32,
    run: fn(&mut Option<S>),
    pure: bool,
    loses: Option<&'static str>,
) -> Edge<S> {
    Edge { from, to, how: How::Derived { run, pure, drops: needs_drop::<Old>() }, loses }
}

/// A written migration that borrows.
pub const fn borrows<S>(from: u32, to: u32, run: fn(&S) -> Result<S, String>, loses: Option<&'static str>) -> Edge<S> {
    Edge { from, to, how: How::Borrows(run), loses }
}

/// A written migration that consumes.
pub const fn moves<S>(
    from: u32,
    to: u32,
    run: fn(&mut Option<S>) -> Result<(), String>,
    loses: Option<&'static str>,
) -> Edge<S> {
    Edge { from, to, how: How::Moves(run), loses }
}

/// The version of the state in a slot; 0, which is no version's number, where there is none.
pub fn at<M: Machine>(slot: &Option<M::AnyState>) -> u32 {
    slot.as_ref().map_or(0, M::version_of)
}

/// Borrows the state of one version.
pub fn borrow<M: Machine, Old>(state: &M::AnyState) -> &Old
where
    for<'a> &'a Old: TryFrom<&'a M::AnyState>,
{
    <&Old>::try_from(state).unwrap_or_else(|_| wrong_version(M::version_of(state)))
}

/// Borrows the state of one version from a slot.
pub fn peek<M: Machine, Old>(slot: &Option<M::AnyState>) -> &Old
where
    for<'a> &'a Old: TryFrom<&'a M::AnyState>,
{
    slot.as_ref().map_or_else(|| wrong_version(0), borrow::<M, Old>)
}

/// Empties a slot that holds the state of one version; any other state stays in it.
pub fn take<M: Machine, Old: TryFrom<M::AnyState, Error = M::AnyState>>(slot: &mut Option<M::AnyState>) -> Old
where
    for<'a> &'a Old: TryFrom<&'a M::AnyState>,
{
    // looked at where it stands: one that is moved only to be looked at, and might have to go back, is copied for it
    peek::<M, Old>(slot);
    let state = slot.take().unwrap_or_else(|| wrong_version(0));
    Old::try_from(state).unwrap_or_else(|state| wrong_version(M::version_of(&state)))
}

/// Empties a slot by a derived migration in which something of the user's runs: first that, from a borrow, and when
/// it is done the fields are moved.
pub fn leave<M: Machine, Old, New, F: FnOnce(Old) -> New>(
    slot: &mut Option<M::AnyState>,
    evaluate: fn(&Old) -> F,
) -> New
where
    Old: TryFrom<M::AnyState, Error = M::AnyState>,
    for<'a> &'a Old: TryFrom<&'a M::AnyState>,
{
    let make = evaluate(peek::<M, Old>(slot));
    make(take::<M, Old>(slot))
}

/// Drops what a derived migration leaves; a panic in the user's `Drop` costs neither state.
pub fn discard<T>(left: T) {
    if needs_drop::<T>() {
        crate::way::drop_contained(left);
    }
}

/// How a state is held in `AnyState`: as it is, or boxed.
pub trait Held<T> {
    /// The state in it.
    fn get(&self) -> &T;
    /// The same, to change it.
    fn get_mut(&mut self) -> &mut T;
    /// The state, taken out.
    fn out(self) -> T;
}

impl<T> Held<T> for T {
    fn get(&self) -> &T {
        self
    }
    fn get_mut(&mut self) -> &mut T {
        self
    }
    fn out(self) -> T {
        self
    }
}

impl<T> Held<T> for Box<T> {
    fn get(&self) -> &T {
        self
    }
    fn get_mut(&mut self) -> &mut T {
        self
    }
    fn out(self) -> T {
        *self
    }
}

/// Whether an output is a `Result` that is `Err`, decided by type: `Probe(&out).__hotswap_failed()` with both traits in
/// scope.
///
/// Method look-up tries `Failed for Probe<Result<..>>` by value before the blanket impl by reference.
#[derive(Debug)]
pub struct Probe<'a, T>(pub &'a T);

/// Outputs that are a `Result`.
pub trait ProbeResult {
    /// Whether it is `Err`.
    fn __hotswap_failed(&self) -> bool;
}

impl<T, E> ProbeResult for Probe<'_, Result<T, E>> {
    #[inline]
    fn __hotswap_failed(&self) -> bool {
        self.0.is_err()
    }
}

/// All other outputs.
pub trait ProbeOther {
    /// Never.
    fn __hotswap_failed(&self) -> bool;
}

impl<T> ProbeOther for &Probe<'_, T> {
    #[inline]
    fn __hotswap_failed(&self) -> bool {
        false
    }
}

/// A migration or step met a state of another version than the one it is for. The runtime never lets it.
#[cold]
#[track_caller]
pub fn wrong_version(at: u32) -> ! {
    unreachable!("a state of version {at} was given to code of another version")
}

/// What a written migration says when it fails.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a migration: it does not implement `Display`",
    label = "a migration of this machine returns it",
    note = "implement `std::fmt::Display` for `{Self}`, or return a `String`"
)]
pub trait Said {
    /// In the words of the user.
    fn said(self) -> String;
}

#[diagnostic::do_not_recommend]
impl<T: fmt::Display> Said for T {
    fn said(self) -> String {
        self.to_string()
    }
}

/// Puts the failure of a written migration in words.
pub fn said(error: impl Said) -> String {
    error.said()
}

macro_rules! property {
    ($(#[$doc:meta])* $name:ident: $($bound:path),+; $message:literal, $note:literal) => {
        $(#[$doc])*
        #[diagnostic::on_unimplemented(message = $message, label = "in a machine", note = $note)]
        pub trait $name {}
        #[diagnostic::do_not_recommend]
        impl<T: $($bound +)+ ?Sized> $name for T {}
    };
}

property!(
    /// A state can be encoded and decoded.
    StateSerializable: Serialize, DeserializeOwned;
    "`{Self}` cannot be a machine state: it is not serializable",
    "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`"
);
property!(
    /// A state can go to another thread.
    StateSend: Send;
    "`{Self}` cannot be a machine state: it cannot be sent to another thread",
    "a field of it holds something tied to one thread, such as `Rc` or a raw pointer; use `Arc`, or keep it in the host"
);
property!(
    /// A state has no interior mutability.
    StateUnwindSafe: RefUnwindSafe;
    "`{Self}` cannot be a machine state: it has interior mutability",
    "a state changes only through `&mut` in a step; replace `Cell`, `RefCell`, `Mutex` or atomics by the plain value"
);
property!(
    /// An input can be encoded and decoded.
    InputSerializable: Serialize, DeserializeOwned;
    "`{Self}` cannot be an input: it is not serializable",
    "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`"
);
property!(
    /// An input can go to another thread.
    InputSend: Send;
    "`{Self}` cannot be an input: it cannot be sent to another thread",
    "an input may be handed over between threads; use `Arc` in place of `Rc`"
);
/// An output can be encoded and decoded.
///
/// `Serialize` is no supertrait of it, or the compiler would report both.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an output: it is not serializable",
    label = "in a machine",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`, or to what it holds"
)]
pub trait OutputSerializable {
    /// The output, to be encoded.
    fn encodable(&self) -> &impl Serialize;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> OutputSerializable for T {
    fn encodable(&self) -> &impl Serialize {
        self
    }
}

property!(
    /// An output can go to another thread.
    OutputSend: Send;
    "`{Self}` cannot be an output: it cannot be sent to another thread",
    "an output may be handed over between threads; use `Arc` in place of `Rc`"
);

/// A type once its parts are known to be sound; while they are not, it is an error that has been reported.
pub trait Checked<const SOUND: bool> {
    /// The type.
    type Is;
}

impl<T> Checked<true> for T {
    type Is = T;
}

/// Stands on a type that is to be a state.
pub const fn state<T: StateSerializable + StateSend + StateUnwindSafe>() {}

/// Stands on a type that is to be an input.
pub const fn input<T: InputSerializable + InputSend>() {}

/// Stands on a type that is to be an output; that it is serializable, `Accepts` asks.
pub const fn output<T: OutputSend>() {}

/// How a tagged enum is encoded: the tag of each variant.
#[doc(hidden)]
#[macro_export]
macro_rules! __encoding {
    ($any:ident of $machine:literal, $expected:literal, $what:literal, $tag:ty {
        $($(#[$cfg:meta])* $name:literal => $variant:ident,)*
    } $($loaded:ident, retired $($retired:literal)*)?) => {
        impl $crate::__private::serde::Serialize for $any {
            fn serialize<S: $crate::__private::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                use $crate::__private::{Write as _, WriteNot as _};
                match *self {
                    $($(#[$cfg])* $any::$variant(ref value) => {
                        (&$crate::__private::Value(value)).__hotswap_write(serializer, &$name)
                    })*
                    $($any::$loaded(ref state) => {
                        $crate::__private::write_tagged(serializer, &state.version(), state)
                    })?
                }
            }
        }
        impl $crate::__private::Tagged for $any {
            type Tag = $tag;
            const EXPECTED: &'static str = $expected;
            fn read<'de, A: $crate::__private::serde::de::SeqAccess<'de>>(
                tag: &$tag,
                seq: &mut A,
            ) -> ::core::result::Result<Self, A::Error> {
                use $crate::__private::{Read as _, ReadNot as _};
                match tag {
                    $($(#[$cfg])* $name => (&$crate::__private::Variant($any::$variant)).__hotswap_read(seq),)*
                    $($(tag @ $retired => $crate::__private::retired($machine, tag),)*)?
                    tag => $crate::__private::unknown($machine, $what, tag),
                }
            }
        }
        impl<'de> $crate::__private::serde::Deserialize<'de> for $any {
            fn deserialize<D: $crate::__private::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                $crate::__private::read_tagged(deserializer)
            }
        }
    };
}

/// A state type to and from the enum of all states: by value and, the way out, by reference.
#[doc(hidden)]
#[macro_export]
macro_rules! __conversions {
    ($any:ident { $($(#[$cfg:meta])* $state:ident => $lowest:ident $($(#[$also:meta])* | $variant:ident)*,)* }) => { $(
        $(#[$cfg])*
        impl ::core::convert::From<$state> for $any {
            fn from(state: $state) -> Self {
                $any::$lowest(::core::convert::From::from(state))
            }
        }
        $(#[$cfg])*
        impl ::core::convert::TryFrom<$any> for $state {
            type Error = $any;
            fn try_from(state: $any) -> ::core::result::Result<Self, $any> {
                match state {
                    $any::$lowest(state) => ::core::result::Result::Ok($crate::__private::Held::out(state)),
                    $($(#[$also])* $any::$variant(state) => {
                        ::core::result::Result::Ok($crate::__private::Held::out(state))
                    })*
                    other => ::core::result::Result::Err(other),
                }
            }
        }
        $(#[$cfg])*
        impl<'a> ::core::convert::TryFrom<&'a $any> for &'a $state {
            type Error = &'a $any;
            fn try_from(state: &'a $any) -> ::core::result::Result<Self, &'a $any> {
                match state {
                    $any::$lowest(state) => ::core::result::Result::Ok($crate::__private::Held::get(state)),
                    $($(#[$also])* $any::$variant(state) => {
                        ::core::result::Result::Ok($crate::__private::Held::get(state))
                    })*
                    other => ::core::result::Result::Err(other),
                }
            }
        }
    )* };
}

/// The states of one version side by side, and one of any version as it is lent to a step.
#[doc(hidden)]
#[macro_export]
macro_rules! __states {
    ($any:ident of $machine:ident { $($(#[$cfg:meta])* $number:literal => $variant:ident($held:ty) of $state:ty,)* }) => {
        #[doc(hidden)]
        #[allow(private_interfaces)]
        pub enum __StateMut<'a> {
            $($(#[$cfg])* $variant(&'a mut $state),)*
            Absent(::core::marker::PhantomData<&'a mut ()>),
        }
        #[doc(hidden)]
        #[allow(private_interfaces)]
        pub enum __States {
            $($(#[$cfg])* $variant(::std::vec::Vec<$held>),)*
        }
        impl $crate::__private::States<$machine> for __States {
            const LARGEST: ::core::option::Option<usize> =
                $crate::__private::largest(&[$($(#[$cfg])* $crate::__private::bytes_of::<$held>()),*]);
            fn begin(state: $any, number: usize) -> ::core::result::Result<Self, $any> {
                match state {
                    $($(#[$cfg])* $any::$variant(state) => {
                        let mut states = ::std::vec::Vec::with_capacity(number);
                        ::std::vec::Vec::push(&mut states, state);
                        ::core::result::Result::Ok(Self::$variant(states))
                    })*
                    other => ::core::result::Result::Err(other),
                }
            }
            fn version(&self) -> u32 {
                match *self { $($(#[$cfg])* Self::$variant(_) => $number,)* }
            }
            #[inline]
            fn count(&self) -> usize {
                match *self { $($(#[$cfg])* Self::$variant(ref states) => ::std::vec::Vec::len(states),)* }
            }
            fn push(&mut self, state: $any) -> ::core::result::Result<(), $any> {
                match (self, state) {
                    $($(#[$cfg])* (Self::$variant(states), $any::$variant(state)) => {
                        ::core::result::Result::Ok(::std::vec::Vec::push(states, state))
                    })*
                    (_, other) => ::core::result::Result::Err(other),
                }
            }
            fn pop(&mut self) -> ::core::option::Option<$any> {
                match *self { $($(#[$cfg])* Self::$variant(ref mut states) => ::std::vec::Vec::pop(states).map($any::$variant),)* }
            }
            fn replace(&mut self, at: usize, state: $any) -> ::core::result::Result<$any, $any> {
                match (self, state) {
                    $($(#[$cfg])* (Self::$variant(states), $any::$variant(state)) => {
                        ::core::result::Result::Ok($any::$variant(::core::mem::replace(&mut states[at], state)))
                    })*
                    (_, other) => ::core::result::Result::Err(other),
                }
            }
            #[inline]
            fn get_mut(&mut self, at: usize) -> ::core::option::Option<__StateMut<'_>> {
                match *self {
                    $($(#[$cfg])* Self::$variant(ref mut states) => {
                        <[_]>::get_mut(states, at).map(|state| __StateMut::$variant($crate::__private::Held::get_mut(state)))
                    })*
                }
            }
            #[inline]
            fn visit(&mut self, at: usize, mut visit: impl $crate::__private::Visit<$machine>) {
                match *self {
                    $($(#[$cfg])* Self::$variant(ref mut states) => {
                        $crate::__private::each_from(states, at, |state| {
                            $crate::__private::Visit::visit(
                                &mut visit,
                                __StateMut::$variant($crate::__private::Held::get_mut(state)),
                            )
                        })
                    })*
                }
            }
            fn into_each(self, visit: impl ::core::ops::FnMut($any)) {
                match self {
                    $($(#[$cfg])* Self::$variant(states) => {
                        $crate::__private::each_out(states, $any::$variant, visit)
                    })*
                }
            }
        }
    };
}

/// What `Machine` says of a state of any version: how it is lent to a step, and whether an image owns it. The newest version's
/// place in the code is before the others'.
#[doc(hidden)]
#[macro_export]
macro_rules! __of_states {
    ($any:ident { $(#[$newest_cfg:meta])* $newest:ident; $($(#[$cfg:meta])* $older:ident,)* }) => {
        type StateMut<'a> = __StateMut<'a>;
        type States = <__States as $crate::__private::Checked<__SOUND>>::Is;
        #[inline]
        fn lend(state: ::core::option::Option<&mut $any>) -> __StateMut<'_> {
            match state {
                $(#[$newest_cfg])* ::core::option::Option::Some($any::$newest(state)) => {
                    __StateMut::$newest($crate::__private::Held::get_mut(state))
                }
                $($(#[$cfg])* ::core::option::Option::Some($any::$older(state)) => {
                    $crate::__private::older(__StateMut::$older($crate::__private::Held::get_mut(state)))
                })*
                _ => $crate::__private::older(__StateMut::Absent(::core::marker::PhantomData)),
            }
        }
        fn loaded(state: $crate::Loaded) -> $any {
            $any::Loaded(state)
        }
        fn as_loaded(state: &$any) -> ::core::option::Option<&$crate::Loaded> {
            if let $any::Loaded(state) = state { ::core::option::Option::Some(state) } else { ::core::option::Option::None }
        }
        fn as_loaded_mut(state: &mut $any) -> ::core::option::Option<&mut $crate::Loaded> {
            if let $any::Loaded(state) = state { ::core::option::Option::Some(state) } else { ::core::option::Option::None }
        }
    };
}

/// What a machine adds to an image: its note, its table, and its place in the list. Nothing but a feature of this crate
/// decides whether there is an image to add it to.
#[cfg(feature = "image")]
#[doc(hidden)]
#[macro_export]
macro_rules! __image {
    ($machine:ident) => {
        const _: () = {
            #[used]
            #[cfg_attr(target_os = "linux", unsafe(link_section = ".note.hotswap"))]
            static NOTE: $crate::__private::Note<{ $crate::__private::described::<$machine>() }> =
                $crate::__private::of_machine::<$machine, _>();
            static TABLE: $crate::__private::Table = $crate::__private::Thunks::<$machine>::table(&NOTE.description);
            $crate::__private::inventory::submit! { $crate::__private::Listed(&TABLE) }
        };
    };
}
/// Nothing: this is no image.
#[cfg(not(feature = "image"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __image {
    ($machine:ident) => {};
}

/// Each input type to the enum of all inputs.
#[doc(hidden)]
#[macro_export]
macro_rules! __from_inputs {
    ($any:ident { $($(#[$cfg:meta])* $input:ty => $variant:ident,)* }) => { $(
        $(#[$cfg])*
        impl ::core::convert::From<$input> for $any {
            fn from(input: $input) -> Self {
                $any::$variant(input)
            }
        }
    )* };
}

/// The names of versions to and from their numbers.
#[doc(hidden)]
#[macro_export]
macro_rules! __versions {
    ($version:ident of $machine:ident { $($(#[$cfg:meta])* $number:literal => $name:ident,)* }) => {
        impl ::core::convert::From<$version> for u32 {
            fn from(version: $version) -> u32 {
                version as u32
            }
        }
        impl ::core::convert::TryFrom<u32> for $version {
            type Error = u32;
            fn try_from(number: u32) -> ::core::result::Result<Self, u32> {
                match number {
                    $($(#[$cfg])* $number => ::core::result::Result::Ok($version::$name),)*
                    other => ::core::result::Result::Err(other),
                }
            }
        }
        impl ::core::fmt::Display for $version {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(&(*self as u32), f)
            }
        }
        impl $crate::NameOf<$machine> for $version {
            fn number(self) -> u32 {
                self as u32
            }
        }
    };
}

/// Runs one step of a version that an image owns.
///
/// A type that is not serializable has its one error where it is declared, so the traits are looked up by method.
#[doc(hidden)]
#[macro_export]
macro_rules! __step_loaded {
    ($state:ident, $input:ident: $type:ty, $name:literal, $output:ty) => {{
        use $crate::__private::{Read as _, ReadNot as _, Write as _, WriteNot as _};
        $crate::__private::pass::<$type, $output>(
            $state,
            $input,
            |input, to| (&$crate::__private::Value(input)).__hotswap_write(to, $name),
            |from| (&$crate::__private::Variant::<$output, $output>(|output| output)).__hotswap_read(from),
        )
    }};
}

/// What a step gave, and whether that is a `Result` that is `Err`.
#[doc(hidden)]
#[macro_export]
macro_rules! __stepped {
    ($output:expr) => {{
        use $crate::__private::{ProbeOther as _, ProbeResult as _};
        let output = $output;
        let failed = (&$crate::__private::Probe(&output)).__hotswap_failed();
        ::core::result::Result::Ok($crate::Stepped { output, failed })
    }};
}
