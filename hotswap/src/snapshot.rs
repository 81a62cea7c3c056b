//! One state as bytes that outlive the program: encoded under its version, checked and migrated when they are read.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::finite;
use crate::frame::{self, Head, exactly};
pub use crate::frame::{Header, Holds, SnapshotError};
use crate::line::{Line, compiled_way};
use crate::loaded::Guest;
use crate::machine::{Machine, NameOf, known};
pub use crate::survey::{FleetMark, Survey, SurveyError, survey};
use crate::way::{contain, travel};

/// How a value becomes bytes. [`Postcard`] is small and fast, [`Json`] can be read by people.
///
/// A codec must give back what it was given, and takes all of the bytes or fails.
pub trait Codec {
    /// Stands in the header; 1 to 64 bytes, never changed once used.
    const NAME: &'static str;

    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// What the value's `Serialize` said.
    fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String>;

    /// Decodes a value from all of `bytes`.
    ///
    /// # Errors
    ///
    /// Why these bytes are not one.
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String>;
}

/// The default codec: [postcard](https://postcard.jamesmunns.com/wire-format).
///
/// A list whose elements take no bytes, such as a `Vec<()>`, is read as often as its length says, and nothing in the input
/// bounds that: forged bytes can keep the reader busy for ever. Have no such list in a state, or read only what only
/// those could write who may.
#[derive(Debug, Clone, Copy)]
pub struct Postcard;

impl Codec for Postcard {
    const NAME: &'static str = "postcard";

    fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
        postcard::to_allocvec(value).map_err(|error| error.to_string())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
        exactly(bytes)
    }
}

/// JSON, to look at. It has no infinities and nothing that is not a number: a state with such a float is refused, and the
/// refusal names its field. Where one `Option` stands in another, or around `()`, `Some` of nothing reads back as `None`.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl Codec for Json {
    const NAME: &'static str = "json";

    fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
        finite::check(value)?;
        serde_json::to_vec(value).map_err(|error| error.to_string())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

/// Encodes a state under its version, by [`Postcard`].
///
/// # Errors
///
/// When the state cannot be encoded, or is of a version that came as a file.
///
/// # Examples
///
/// With the counter of the [front page](crate):
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use counter::{AnyState, Machine, V1, V2, Version};
/// use hotswap::snapshot;
///
/// let bytes = snapshot::encode::<Machine>(&V1 { count: 7 }.into())?;
/// let state = V2::try_from(snapshot::decode::<Machine>(&bytes, Version::V2)?).map_err(|_| "version 2")?;
/// assert_eq!((state.count, state.ticks), (7, 0));
/// # Ok(())
/// # }
/// ```
pub fn encode<M: Machine>(state: &M::AnyState) -> Result<Vec<u8>, SnapshotError> {
    encode_by::<M, Postcard>(state)
}

/// As [`encode`], by another codec.
///
/// # Errors
///
/// When the state cannot be encoded, or is of a version that came as a file.
pub fn encode_by<M: Machine, C: Codec>(state: &M::AnyState) -> Result<Vec<u8>, SnapshotError> {
    let version = M::version_of(state);
    if known::<M>(version).is_err() {
        // what was compiled in would not know its shape
        let what = format!("version {version} came as a file; the file of a fleet can hold it, a snapshot cannot");
        return Err(SnapshotError::Unencodable(what));
    }
    let body = contain(|| C::encode(state)).and_then(|body| body).map_err(SnapshotError::Unencodable)?;
    frame::seal(header_of(&Line::<M>::new(), Holds::State, C::NAME, version)?, &body)
}

/// Decodes a state of any version that is not retired, by [`Postcard`] or [`Json`], and migrates it to version `to`.
///
/// # Errors
///
/// When the bytes are not a whole snapshot of this machine's, the version's shape has changed since, or no migration
/// leads to `to`.
pub fn decode<M: Machine>(bytes: &[u8], to: impl NameOf<M>) -> Result<M::AnyState, SnapshotError> {
    let (header, body) = frame::open(bytes)?;
    let decode = match header.codec {
        Postcard::NAME => Postcard::decode,
        Json::NAME => Json::decode,
        other => {
            let known = "`postcard` and `json`".to_owned();
            return Err(SnapshotError::Codec { found: other.to_owned(), known });
        }
    };
    read::<M>(header, body, decode, to.number())
}

/// As [`decode`], of what another codec encoded.
///
/// # Errors
///
/// As [`decode`]; and when it was not this codec that encoded it.
pub fn decode_by<M: Machine, C: Codec>(bytes: &[u8], to: impl NameOf<M>) -> Result<M::AnyState, SnapshotError> {
    let (header, body) = frame::open(bytes)?;
    if header.codec != C::NAME {
        return Err(SnapshotError::Codec { found: header.codec.to_owned(), known: format!("`{}`", C::NAME) });
    }
    read::<M>(header, body, C::decode, to.number())
}

/// What is known of a snapshot without the machine that wrote it: of a state, an input, or the beginning of a file.
///
/// # Errors
///
/// When the bytes do not begin with a whole header.
pub fn header(bytes: &[u8]) -> Result<Header, SnapshotError> {
    let mut rest = bytes;
    frame::read_head(&mut rest).map(|(header, _)| header).map_err(frame::ReadError::of_bytes)
}

/// The header for something of `version`.
pub(crate) fn header_of<M: Machine>(
    line: &Line<M>,
    holds: Holds,
    codec: &str,
    version: u32,
) -> Result<Header, SnapshotError> {
    Ok(Header {
        holds,
        codec: codec.to_owned(),
        machine: M::IDENTITY.name.to_owned(),
        version,
        fingerprint: line.fingerprint(version).map_err(SnapshotError::Version)?,
        length: 0,
    })
}

/// Whether a header is of this machine's and holds what is expected.
pub(crate) fn check<M: Machine>(header: Head<'_>, expected: Holds) -> Result<(), SnapshotError> {
    if header.machine != M::IDENTITY.name {
        let expected = M::IDENTITY.name.to_owned();
        return Err(SnapshotError::WrongMachine { found: header.machine.to_owned(), expected });
    }
    if header.holds != expected {
        return Err(SnapshotError::Holds { found: header.holds, expected });
    }
    Ok(())
}

/// Whether states of `version` with this fingerprint can be read here, and the image that reads them, if one does.
pub(crate) fn check_shape<M: Machine>(
    line: &Line<M>,
    version: u32,
    found: &str,
) -> Result<Option<Arc<dyn Guest>>, SnapshotError> {
    let (expected, image) = line.shape(version).map_err(SnapshotError::Version)?;
    if expected == found {
        return Ok(image);
    }
    Err(changed(version, found, &expected))
}

fn changed(version: u32, found: &str, expected: &str) -> SnapshotError {
    SnapshotError::ChangedShape { version, found: found.to_owned(), expected: expected.to_owned() }
}

/// A snapshot is of a version that is compiled in: no switch is asked, and nothing is looked up twice.
fn read<M: Machine>(
    header: Head<'_>,
    body: &[u8],
    decode: fn(&[u8]) -> Result<M::AnyState, String>,
    to: u32,
) -> Result<M::AnyState, SnapshotError> {
    check::<M>(header, Holds::State)?;
    let expected = known::<M>(header.version).map_err(SnapshotError::Version)?.fingerprint;
    if header.fingerprint != expected {
        return Err(changed(header.version, header.fingerprint, expected));
    }
    known::<M>(to).map_err(SnapshotError::Version)?;
    let state = contain(|| decode(body)).and_then(|state| state).map_err(SnapshotError::Undecodable)?;
    let from = M::version_of(&state);
    if from != header.version {
        let what = format!("its header says version {}, its body version {from}", header.version);
        return Err(SnapshotError::Undecodable(what));
    }
    let stuck = |reason| SnapshotError::NotMigrated { from, to, reason };
    let mut slot = Some(state);
    let way = compiled_way::<M>(from, to).map_err(stuck)?;
    travel::<M>(&mut slot, &way).map_err(|error| stuck(error.reason))?;
    slot.ok_or_else(|| stuck("a migration left no state".to_owned()))
}
