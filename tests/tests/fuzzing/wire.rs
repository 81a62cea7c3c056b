//! The formats of what hotswap writes, a second time and from their descriptions: to make bytes that are whole outside and
//! wrong inside, and to say apart from hotswap what such bytes mean.

use std::collections::BTreeMap;

use hotswap::snapshot::Header;
use xxhash_rust::xxh3::xxh3_64_with_seed as checksum;

/// What a frame begins with, before the length of its head.
const START: &[u8] = b"hotswap\0\x01\x00";

/// A frame's head, encoded, and the rest without the head's checksum.
pub(crate) fn split(frame: &[u8]) -> (&[u8], &[u8]) {
    let length = usize::from(u16::from_le_bytes([frame[10], frame[11]]));
    (&frame[12..12 + length], &frame[12 + length + 8..])
}

/// The head around these bytes, and its checksum.
pub(crate) fn head(encoded: &[u8]) -> (Vec<u8>, u64) {
    let mut bytes = START.to_vec();
    bytes.extend(u16::try_from(encoded.len()).expect("short").to_le_bytes());
    bytes.extend(encoded);
    let sum = checksum(&bytes, 0);
    bytes.extend(sum.to_le_bytes());
    (bytes, sum)
}

/// A whole frame, every checksum right.
pub(crate) fn seal(head: &[u8], body: &[u8]) -> Vec<u8> {
    let (mut bytes, sum) = self::head(head);
    bytes.extend(body);
    bytes.extend(checksum(body, sum).to_le_bytes());
    bytes
}

/// As [`seal`], and the header says how long the body is.
pub(crate) fn seal_as(header: &Header, body: &[u8]) -> Vec<u8> {
    let header = Header { length: body.len() as u64, ..header.clone() };
    seal(&postcard::to_allocvec(&header).expect("encodes"), body)
}

/// The records of one block, and how many it says they are.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) count: u32,
    pub(crate) bytes: Vec<u8>,
}

/// The blocks of a fleet's file, if it is whole as far as lengths go.
pub(crate) fn blocks(mut rest: &[u8]) -> Option<Vec<Block>> {
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let (head, after) = rest.split_at_checked(16)?;
        let length = u32::from_le_bytes(head[4..8].try_into().ok()?);
        let (bytes, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        blocks.push(Block { count: u32::from_le_bytes(head[..4].try_into().ok()?), bytes: bytes.to_vec() });
        rest = after;
    }
    Some(blocks)
}

/// A fleet's file of these blocks, every checksum right.
pub(crate) fn file(head: &[u8], blocks: &[Block]) -> Vec<u8> {
    let (mut file, mut sum) = self::head(head);
    for Block { count, bytes } in blocks {
        sum = checksum(bytes, sum ^ u64::from(*count).rotate_left(32));
        file.extend(count.to_le_bytes());
        file.extend(u32::try_from(bytes.len()).expect("short").to_le_bytes());
        file.extend(sum.to_le_bytes());
        file.extend(bytes);
    }
    file
}

/// What stands in postcard, as far as states of `parts` have it.
enum Kind {
    Byte,
    /// Byte, but only 0 or 1.
    Bool,
    U32,
    U64,
    I64,
    F64,
    Text,
    Maybe(&'static Kind),
    List(&'static Kind),
    /// From `u32` to `u64`; a key that comes again replaces, and they are written in order.
    Map,
    All(&'static [Kind]),
    OneOf(&'static [Kind]),
}

use Kind::{All, Bool, Byte, F64, I64, List, Map, Maybe, OneOf, Text, U32, U64};

const FIRST: &[Kind] = &[Text, List(&Text), List(&List(&U64))];
const SECOND: &[Kind] =
    &[All(FIRST), Map, OneOf(&[All(&[]), Text, All(&[U32, I64])]), F64, Maybe(&Bool), List(&Byte), Byte];
const FOURTH: &[Kind] = &[Text, List(&Text), U64];

/// A state of `parts` from the front of `from`: its version, and the one encoding of the same state that hotswap
/// writes. Numbers may be longer than they need to be, and maps in another order; nothing else may differ.
pub(crate) fn state(from: &mut &[u8]) -> Option<(u32, Vec<u8>)> {
    let mut to = Vec::new();
    let version = u32::try_from(varint(from, 32)?).ok()?;
    write(&mut to, version.into());
    let shape = match version {
        1 => FIRST,
        2 | 3 => SECOND,
        4 => FOURTH,
        _ => return None,
    };
    copy(&All(shape), from, &mut to)?;
    Some((version, to))
}

/// The same behind its length, as it stands in a record.
pub(crate) fn held(from: &mut &[u8]) -> Option<(u32, Vec<u8>)> {
    let length = usize::try_from(varint(from, 64)?).ok()?;
    let (mut alone, rest) = from.split_at_checked(length)?;
    let read = state(&mut alone).filter(|_| alone.is_empty())?;
    *from = rest;
    Some(read)
}

/// Whether a record owes to pass a version: no, or which.
pub(crate) fn owed(from: &mut &[u8]) -> Option<Option<u32>> {
    match take(from)? {
        [0] => Some(None),
        [1] => u32::try_from(varint(from, 32)?).ok().map(Some),
        _ => None,
    }
}

/// A number of so many bits: seven in a byte, the lowest first, as long as the highest bit is set.
pub(crate) fn varint(from: &mut &[u8], bits: u32) -> Option<u64> {
    let mut number = 0_u128;
    for at in 0..bits.div_ceil(7) {
        let [byte] = take(from)?;
        number |= u128::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return u64::try_from(number).ok().filter(|number| u128::from(*number) < 1 << bits);
        }
    }
    None
}

fn write(to: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*taken)
}

fn copy(kind: &Kind, from: &mut &[u8], to: &mut Vec<u8>) -> Option<()> {
    match kind {
        Byte => to.extend(take::<1>(from)?),
        Bool => to.extend(take::<1>(from).filter(|[byte]| *byte < 2)?),
        U32 => write(to, varint(from, 32)?),
        U64 | I64 => write(to, varint(from, 64)?),
        F64 => to.extend(take::<8>(from)?),
        Text => {
            let length = varint(from, 64)?;
            let (text, rest) = from.split_at_checked(usize::try_from(length).ok()?)?;
            std::str::from_utf8(text).ok()?;
            write(to, length);
            to.extend(text);
            *from = rest;
        }
        Maybe(inner) => match take(from)? {
            [0] => to.push(0),
            [1] => {
                to.push(1);
                copy(inner, from, to)?;
            }
            _ => return None,
        },
        List(inner) => {
            let length = varint(from, 64)?;
            write(to, length);
            for _ in 0..length {
                copy(inner, from, to)?;
            }
        }
        Map => {
            let mut map = BTreeMap::new();
            for _ in 0..varint(from, 64)? {
                map.insert(varint(from, 32)?, varint(from, 64)?);
            }
            write(to, map.len() as u64);
            for (key, value) in map {
                write(to, key);
                write(to, value);
            }
        }
        All(parts) => parts.iter().try_for_each(|part| copy(part, from, to))?,
        OneOf(variants) => {
            let variant = varint(from, 32)?;
            write(to, variant);
            copy(variants.get(usize::try_from(variant).ok()?)?, from, to)?;
        }
    }
    Some(())
}
