//! A version that was loaded into the running program: what the runtime asks of the image that owns its states.
//!
//! Only bytes cross, in the encodings that every version has anyway: `[version, state]`, `[name, input]` and
//! `[name, output]`. Nothing here is unsafe; `load` implements these traits over an image.

use std::fmt;
use std::panic::{RefUnwindSafe, resume_unwind};
use std::sync::Arc;

use serde::ser::{Error as _, SerializeTuple as _};
use serde::{Deserialize, Serialize, Serializer};

use crate::machine::{Identity, InputInfo, VersionInfo};
use crate::room::Room;

/// How bytes that cross are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// [postcard](https://postcard.jamesmunns.com/wire-format): small and fast.
    Postcard,
    /// JSON, for those who have no type to encode.
    Json,
}

/// One machine in an image: its whole line of versions, as bytes go in and come out.
pub trait Guest: Send + Sync {
    /// What the image says of the machine.
    fn line(&self) -> &GuestLine;
    /// The image, as it is listed.
    fn image(&self) -> &str;
    /// The SHA-256 of the image, in hexadecimal: two builds of a version may do different things.
    fn build(&self) -> &str;
    /// Makes a live state of an encoded one of any version of the line, brought to version `to`.
    fn open(self: Arc<Self>, encoded: &[u8], to: u32) -> Result<Box<dyn GuestState>, String>;
    /// Brings an encoded state of any version of the line to version `to`, encoded again.
    fn carry(&self, encoded: &[u8], to: u32) -> Result<Vec<u8>, String>;
}

/// A live state that an image owns.
pub trait GuestState: Send + RefUnwindSafe {
    /// Its version.
    fn version(&self) -> u32;
    /// The state with its version in front.
    fn encode(&self, format: Format) -> Result<Vec<u8>, String>;
    /// Runs one step; what it gives is written to `output`, which is empty, and stays so where it gives nothing.
    fn step(&mut self, format: Format, input: &[u8], output: &mut Room) -> Ran;
    /// The machine that it is a state of.
    fn guest(&self) -> Arc<dyn Guest>;
}

/// How a step in an image ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ran {
    /// It ran, and whether that counts as a failure.
    Done { failed: bool },
    /// The version does not take the input; the state is untouched.
    Refused,
    /// The bytes are no input of the machine's; the state is untouched.
    Undecodable(String),
    /// It ran, and what it gave cannot be written in this format.
    Unencodable(String),
    /// It panicked with this text. The state may be half changed.
    Panicked(String),
}

/// What an image says of one machine, before anything in it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestLine {
    /// The machine's name.
    pub machine: String,
    /// The crate that declares it.
    pub krate: String,
    /// The module path of the machine's module.
    pub module: String,
    /// That crate's version, which may differ from the program's.
    pub crate_version: String,
    /// Its versions, lowest first.
    pub versions: Vec<GuestVersion>,
    /// The migrations between neighbours.
    pub edges: Vec<GuestEdge>,
    /// The numbers whose code is gone.
    pub retired: Vec<u32>,
    /// Its inputs.
    pub inputs: Vec<GuestInput>,
}

/// One version in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestVersion {
    /// Its number.
    pub number: u32,
    /// The name of its state type.
    pub state: String,
    /// The structural hash of its state.
    pub fingerprint: String,
    /// Types from outside the machine's module that the fingerprint knows by name only.
    pub leaves: Vec<String>,
    /// The names of the inputs it takes; none for a decode-only version.
    pub takes: Vec<String>,
}

impl From<&VersionInfo> for GuestVersion {
    fn from(info: &VersionInfo) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            number: info.number,
            state: info.state.to_owned(),
            fingerprint: info.fingerprint.to_owned(),
            leaves: owned(info.leaves),
            takes: owned(info.takes),
        }
    }
}

/// A migration between neighbours in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestEdge {
    /// The version it leaves.
    pub from: u32,
    /// The version it arrives at.
    pub to: u32,
    /// What is lost on it, in the author's words.
    pub loses: Option<String>,
}

/// An input in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestInput {
    /// Its name.
    pub name: String,
    /// The structural hash of the input and of the output that it gives.
    pub fingerprint: String,
}

impl From<&InputInfo> for GuestInput {
    fn from(info: &InputInfo) -> Self {
        Self { name: info.name.to_owned(), fingerprint: info.fingerprint.to_owned() }
    }
}

impl GuestLine {
    /// Whether it is the line of this machine: the same name, declared in the same place of the same crate.
    pub(crate) fn is_of(&self, machine: Identity) -> bool {
        (self.machine.as_str(), self.krate.as_str(), self.module.as_str())
            == (machine.name, machine.krate, machine.module)
    }

    /// The version of this number.
    #[must_use]
    pub fn version(&self, number: u32) -> Option<&GuestVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// Whether it has an input of this name. It may have retired every version that took one.
    pub(crate) fn knows_input(&self, name: &str) -> bool {
        self.inputs.iter().any(|input| input.name == name)
    }

    /// The edges between two versions, which need not be neighbours; `Err` names the neighbours that lack one.
    pub(crate) fn edges(&self, from: u32, to: u32) -> Result<Vec<&GuestEdge>, String> {
        let at = |number: u32| {
            let at = self.versions.iter().position(|version| version.number == number);
            at.ok_or_else(|| format!("there is no version {number}"))
        };
        let (from, to) = (at(from)?, at(to)?);
        let hop = |i: usize, j: usize| {
            let (from, to) = (self.versions[i].number, self.versions[j].number);
            let edge = self.edges.iter().find(|edge| edge.from == from && edge.to == to);
            edge.ok_or_else(|| format!("no migration from version {from} to version {to}"))
        };
        if from <= to {
            (from..to).map(|i| hop(i, i + 1)).collect()
        } else {
            (to + 1..=from).rev().map(|i| hop(i, i - 1)).collect()
        }
    }
}

/// The state of a version that was loaded into the running program. The image owns it.
///
/// Every `AnyState` has a variant for it. It is as large as a pointer.
pub struct Loaded(Box<Box<dyn GuestState>>);

impl Loaded {
    pub(crate) fn new(state: Box<dyn GuestState>) -> Self {
        Self(Box::new(state))
    }

    /// The version of the state.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.0.version()
    }

    /// The machine, in the image that owns the state.
    pub(crate) fn guest(&self) -> Arc<dyn Guest> {
        self.0.guest()
    }

    pub(crate) fn step(&mut self, format: Format, input: &[u8], output: &mut Room) -> Ran {
        self.0.step(format, input, output)
    }

    pub(crate) fn encode(&self, format: Format) -> Result<Vec<u8>, String> {
        self.0.encode(format)
    }
}

/// The name in front of what crosses in postcard, and what follows.
#[inline]
pub(crate) fn split_name(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match bytes {
        // nearly every name is shorter: its length is one byte
        [length @ ..128, rest @ ..] => rest.split_at_checked((*length).into()),
        _ => postcard::take_from_bytes::<&[u8]>(bytes).ok(),
    }
}

/// Unwinds with the text of a step that panicked, so that its caller sees what it would see of a compiled-in one.
pub(crate) fn panicked(text: String) -> ! {
    resume_unwind(Box::new(text))
}

/// The output of a step that has run cannot be read: the state is ahead of what its caller knows.
#[expect(clippy::panic, reason = "as a step that panicked, which poisons the instance")]
pub(crate) fn unreadable(error: impl fmt::Display) -> ! {
    panic!("the output of a loaded version cannot be read: {error}")
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("version", &self.version()).finish_non_exhaustive()
    }
}

/// A copy, by way of the encoding.
///
/// # Panics
///
/// If the state cannot be encoded and decoded again, which its machine promises.
impl Clone for Loaded {
    fn clone(&self) -> Self {
        let copy = self.encode(Format::Postcard).and_then(|bytes| self.0.guest().open(&bytes, self.version()));
        Self::new(copy.expect("a state can be encoded and decoded"))
    }
}

/// Of one version, and of one encoding.
impl PartialEq for Loaded {
    fn eq(&self, other: &Self) -> bool {
        let bytes = |loaded: &Self| loaded.encode(Format::Postcard).ok();
        self.version() == other.version() && bytes(self).is_some() && bytes(self) == bytes(other)
    }
}

impl Eq for Loaded {}

/// Writes what the state's own type would write in the image: for postcard and for JSON, the formats that cross.
impl Serialize for Loaded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let bytes = self.encode(Format::Json).map_err(S::Error::custom)?;
            let (_, state): (u32, serde_json::Value) = serde_json::from_slice(&bytes).map_err(S::Error::custom)?;
            return state.serialize(serializer);
        }
        let bytes = self.encode(Format::Postcard).map_err(S::Error::custom)?;
        let (_, state) = postcard::take_from_bytes::<u32>(&bytes).map_err(S::Error::custom)?;
        // a tuple of bytes is those bytes: nothing of its own stands before or between them
        let mut raw = serializer.serialize_tuple(state.len())?;
        for byte in state {
            raw.serialize_element(byte)?;
        }
        raw.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::split_name;

    proptest! {
        #[test]
        fn a_name_is_split_off_as_postcard_reads_it(name in prop::collection::vec(any::<u8>(), 0..300), value: u64) {
            let value = value.to_le_bytes();
            let written = [postcard::to_allocvec(&name).unwrap(), value.to_vec()].concat();
            prop_assert_eq!(split_name(&written), Some((&name[..], &value[..])));
        }

        #[test]
        fn of_any_bytes_it_says_what_postcard_says(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(split_name(&bytes), postcard::take_from_bytes::<&[u8]>(&bytes).ok());
        }
    }
}
