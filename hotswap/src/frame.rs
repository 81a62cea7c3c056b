//! What stands around encoded bytes that are kept: who wrote them, of which version and shape, how long, and checksums.
//!
//! ```text
//! magic       8 bytes   "hotswap" and a zero
//! format      u16       1
//! head length u16
//! head        postcard  what it holds, codec, machine, version, fingerprint, length of the body
//! checksum    u64       of all before it
//! body        bytes
//! checksum    u64       of the body, seeded with the first: a body fits its own head only
//! ```
//!
//! Integers are little-endian; the checksum is XXH3 of 64 bits (<https://xxhash.com>).

use std::fmt;
use std::io::{ErrorKind, Read};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::VersionError;

const MAGIC: [u8; 8] = *b"hotswap\0";
const FORMAT: u16 = 1;

/// What framed bytes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Holds {
    /// One state.
    State,
    /// One input.
    Input,
    /// The instances of a fleet.
    Fleet,
    /// What of a switch survives a restart.
    Switch,
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "a state",
            Self::Input => "an input",
            Self::Fleet => "the instances of a fleet",
            Self::Switch => "the record of a switch",
        })
    }
}

/// What is known of framed bytes before their body is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What the body holds.
    pub holds: Holds,
    /// The name of the codec that encoded it.
    pub codec: String,
    /// The machine's name.
    pub machine: String,
    /// The version of the state; for a fleet or a switch, the one that ran, or that the fleet's file was converted to.
    pub version: u32,
    /// That version's fingerprint.
    pub fingerprint: String,
    /// The length of the body in bytes; 0 where the body tells its own end.
    pub length: u64,
}

/// The same where it stands, in the bytes that it is read from.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Head<'a> {
    pub(crate) holds: Holds,
    pub(crate) codec: &'a str,
    pub(crate) machine: &'a str,
    pub(crate) version: u32,
    pub(crate) fingerprint: &'a str,
    length: u64,
}

impl Header {
    pub(crate) fn as_head(&self) -> Head<'_> {
        let Self { holds, codec, machine, version, fingerprint, length } = self;
        Head { holds: *holds, codec, machine, version: *version, fingerprint, length: *length }
    }
}

/// Why bytes are not a snapshot that this program can use. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The bytes do not begin as a snapshot does.
    #[error("this is no snapshot of hotswap's")]
    NotOurs,
    /// It was written by a program with another layout of snapshots.
    #[error("the snapshot has format {found}; this program knows format {known}")]
    Format {
        /// The format that it has.
        found: u16,
        /// The format that this program reads.
        known: u16,
    },
    /// It holds something else.
    #[error("this holds {found}, not {expected}")]
    Holds {
        /// What it holds.
        found: Holds,
        /// What was asked for.
        expected: Holds,
    },
    /// It was encoded by a codec that is not the one asked for.
    #[error("the snapshot is encoded by `{found}`; this program reads {known}")]
    Codec {
        /// The codec's name.
        found: String,
        /// The codecs that can be read here.
        known: String,
    },
    /// It is another machine's.
    #[error("the snapshot is of machine `{found}`, not of `{expected}`")]
    WrongMachine {
        /// The machine that wrote it.
        found: String,
        /// The machine that was to read it.
        expected: String,
    },
    /// Its keys are of another type.
    #[error("its keys are not of type `{expected}`: `{key}` is encoded otherwise")]
    OtherKeys {
        /// One of them, as text.
        key: String,
        /// The type that they were to have, as the compiler calls it.
        expected: &'static str,
    },
    /// Its version is not one of this machine's, or its code is gone.
    #[error("{0}")]
    Version(VersionError),
    /// A state of that version looked otherwise when it was written.
    #[error("version {version} had the shape {found} when this was written, and has {expected} now")]
    ChangedShape {
        /// The version.
        version: u32,
        /// The fingerprint in the snapshot.
        found: String,
        /// The fingerprint in this program.
        expected: String,
    },
    /// It ends too early.
    #[error("the snapshot ends too early")]
    Truncated,
    /// Something follows its end.
    #[error("{extra} bytes follow the end of the snapshot")]
    TooLong {
        /// How many.
        extra: u64,
    },
    /// A checksum does not fit.
    #[error("the snapshot is damaged: the checksum of {part} does not fit")]
    Damaged {
        /// Which part.
        part: &'static str,
    },
    /// It is whole, but no such value can be read from it.
    #[error("the snapshot cannot be decoded: {0}")]
    Undecodable(String),
    /// The value cannot be encoded.
    #[error("the value cannot be encoded: {0}")]
    Unencodable(String),
    /// The state was decoded, and could not be brought to the version asked for.
    #[error("the state cannot go from version {from} to version {to}: {reason}")]
    NotMigrated {
        /// The version it was saved under.
        from: u32,
        /// The version asked for.
        to: u32,
        /// The missing migration, or what the migration said.
        reason: String,
    },
}

/// The checksum of `bytes` after everything that `seed` is the checksum of.
pub(crate) fn checksum(bytes: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(bytes, seed)
}

/// A head, and the checksum that seeds the body's.
pub(crate) fn head(header: &Header) -> Result<(Vec<u8>, u64), SnapshotError> {
    let encoded = postcard::to_allocvec(header).map_err(|error| SnapshotError::Unencodable(error.to_string()))?;
    let length = u16::try_from(encoded.len())
        .map_err(|_| SnapshotError::Unencodable("the machine's name is longer than 64 KiB".to_owned()))?;
    let mut bytes = Vec::with_capacity(MAGIC.len() + 12 + encoded.len());
    bytes.extend(MAGIC);
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(encoded);
    let sum = checksum(&bytes, 0);
    bytes.extend(sum.to_le_bytes());
    Ok((bytes, sum))
}

/// A whole frame around `body`.
pub(crate) fn seal(mut header: Header, body: &[u8]) -> Result<Vec<u8>, SnapshotError> {
    header.length = body.len() as u64;
    let (mut bytes, sum) = head(&header)?;
    bytes.reserve_exact(body.len() + 8);
    bytes.extend(body);
    bytes.extend(checksum(body, sum).to_le_bytes());
    Ok(bytes)
}

/// Reads a head and leaves the reader at the body.
pub(crate) fn read_head(reader: &mut impl Read) -> Result<(Header, u64), ReadError> {
    let mut bytes = Vec::with_capacity(128);
    read_on(reader, &mut bytes, MAGIC.len() as u64)?;
    check_magic(&bytes)?;
    read_on(reader, &mut bytes, 4)?;
    let start = bytes.len();
    let length = head_length(&bytes[MAGIC.len()..])?;
    read_on(reader, &mut bytes, u64::from(length))?;
    let sum = checksum(&bytes, 0);
    check_head(sum, read_sum(reader)?)?;
    let header = exactly::<Header>(&bytes[start..]).map_err(SnapshotError::Undecodable)?;
    Ok((header, sum))
}

/// The same of bytes that are all there; nothing is copied.
pub(crate) fn head_of<'a>(rest: &mut &'a [u8]) -> Result<(Head<'a>, u64), SnapshotError> {
    let all = *rest;
    check_magic(take(rest, MAGIC.len())?)?;
    let length = head_length(take(rest, 4)?)?;
    let encoded = take(rest, length.into())?;
    let sum = checksum(&all[..all.len() - rest.len()], 0);
    check_head(sum, read_sum(rest).map_err(ReadError::of_bytes)?)?;
    let head = exactly::<Head<'a>>(encoded).map_err(SnapshotError::Undecodable)?;
    Ok((head, sum))
}

fn check_magic(bytes: &[u8]) -> Result<(), SnapshotError> {
    if bytes == MAGIC { Ok(()) } else { Err(SnapshotError::NotOurs) }
}

/// The length of the head, of the four bytes before it.
fn head_length(bytes: &[u8]) -> Result<u16, SnapshotError> {
    let [f0, f1, l0, l1] = *bytes else { return Err(SnapshotError::Truncated) };
    match u16::from_le_bytes([f0, f1]) {
        FORMAT => Ok(u16::from_le_bytes([l0, l1])),
        found => Err(SnapshotError::Format { found, known: FORMAT }),
    }
}

fn check_head(sum: u64, found: u64) -> Result<(), SnapshotError> {
    if sum == found { Ok(()) } else { Err(SnapshotError::Damaged { part: "its head" }) }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], SnapshotError> {
    let (taken, left) = rest.split_at_checked(length).ok_or(SnapshotError::Truncated)?;
    *rest = left;
    Ok(taken)
}

/// The header and body of a frame, every check on them passed.
pub(crate) fn open(bytes: &[u8]) -> Result<(Head<'_>, &[u8]), SnapshotError> {
    let mut rest = bytes;
    let (head, sum) = head_of(&mut rest)?;
    let expected = head.length.saturating_add(8);
    let there = rest.len() as u64;
    if there < expected {
        return Err(SnapshotError::Truncated);
    } else if there > expected {
        return Err(SnapshotError::TooLong { extra: there - expected });
    }
    let (body, end) = rest.split_at(rest.len() - 8);
    if checksum(body, sum).to_le_bytes() != *end {
        return Err(SnapshotError::Damaged { part: "its body" });
    }
    Ok((head, body))
}

/// A frame that could not be read from a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl ReadError {
    /// Of bytes in memory, that fail in no way but ending.
    pub(crate) fn of_bytes(self) -> SnapshotError {
        match self {
            Self::Snapshot(error) => error,
            Self::Io(_) => SnapshotError::Truncated,
        }
    }
}

/// Appends exactly so many bytes. Memory grows as they come, not on the word of a length.
pub(crate) fn read_on(reader: &mut impl Read, to: &mut Vec<u8>, length: u64) -> Result<(), ReadError> {
    let read = reader.by_ref().take(length).read_to_end(to)?;
    if read as u64 == length { Ok(()) } else { Err(SnapshotError::Truncated.into()) }
}

pub(crate) fn read_sum(reader: &mut impl Read) -> Result<u64, ReadError> {
    let mut sum = [0; 8];
    reader.read_exact(&mut sum).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => SnapshotError::Truncated.into(),
        _ => ReadError::Io(error),
    })?;
    Ok(u64::from_le_bytes(sum))
}

/// Decodes all of `bytes` from postcard.
pub(crate) fn exactly<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    all_of(postcard::take_from_bytes(bytes))
}

/// A value of which nothing is left over.
#[inline]
pub(crate) fn all_of<T>(read: postcard::Result<(T, &[u8])>) -> Result<T, String> {
    match read {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(left_over(rest)),
        Err(error) => Err(said(&error)),
    }
}

#[cold]
fn left_over(rest: &[u8]) -> String {
    format!("{} bytes are left over", rest.len())
}

#[cold]
fn said(error: &postcard::Error) -> String {
    error.to_string()
}
