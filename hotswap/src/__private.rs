//! What generated code calls. Not part of the public API: it changes without notice.

use std::fmt;
use std::marker::PhantomData;
use std::panic::RefUnwindSafe;

pub use inventory;
pub use serde;
use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use crate::machine::Stepped;
use crate::machine::{Identity, VersionInfo};

/// A machine that is compiled into the program; submitted by generated code, listed by the registry.
#[derive(Debug)]
pub struct Compiled {
    /// Which machine it is.
    pub identity: Identity,
    /// Its versions.
    pub versions: &'static [VersionInfo],
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
    type Tag: DeserializeOwned;
    /// What is expected, for messages: "a state of machine `counter`".
    const EXPECTED: &'static str;

    /// Reads the value that belongs to the tag with [`next`], or says [`unknown`].
    fn read<'de, A: SeqAccess<'de>>(tag: Self::Tag, seq: &mut A) -> Result<Self, A::Error>;
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
            let tag = next(&mut seq)?;
            T::read(tag, &mut seq)
        }
    }
    deserializer.deserialize_tuple(2, Pair(PhantomData))
}

/// The next element of a pair.
pub fn next<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(seq: &mut A) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| A::Error::custom("the pair ends too early"))
}

/// No variant has this tag.
pub fn unknown<T, E: serde::de::Error>(what: &str, tag: impl fmt::Display) -> Result<T, E> {
    Err(E::custom(format_args!("{what} has no `{tag}`")))
}

/// Whether an output is a `Result` that is `Err`, decided by type: `Probe(&out).failed()` with both traits in scope.
///
/// Method look-up tries `Failed for Probe<Result<..>>` by value before the blanket impl by reference.
#[derive(Debug)]
pub struct Probe<'a, T>(pub &'a T);

/// Outputs that are a `Result`.
pub trait ProbeResult {
    /// Whether it is `Err`.
    fn failed(&self) -> bool;
}

impl<T, E> ProbeResult for Probe<'_, Result<T, E>> {
    #[inline]
    fn failed(&self) -> bool {
        self.0.is_err()
    }
}

/// All other outputs.
pub trait ProbeOther {
    /// Never.
    fn failed(&self) -> bool;
}

impl<T> ProbeOther for &Probe<'_, T> {
    #[inline]
    fn failed(&self) -> bool {
        false
    }
}

/// A migration or step met a state of another version than the one it is for. The runtime never lets it.
#[cold]
#[track_caller]
pub fn wrong_version(at: u32) -> ! {
    unreachable!("a state of version {at} was given to code of another version")
}

/// Names the user's type in a failure of a written migration.
pub fn said(error: impl fmt::Display) -> String {
    error.to_string()
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
property!(
    /// An output can be encoded and decoded.
    OutputSerializable: Serialize, DeserializeOwned;
    "`{Self}` cannot be an output: it is not serializable",
    "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`"
);
property!(
    /// An output can go to another thread.
    OutputSend: Send;
    "`{Self}` cannot be an output: it cannot be sent to another thread",
    "an output may be handed over between threads; use `Arc` in place of `Rc`"
);
