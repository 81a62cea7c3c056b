//! Damage: bits, cuts, copies, lengths.

use super::run::Rng;

/// Numbers that lengths and counts go wrong at, as postcard writes them and as fixed ones.
const EDGES: [&[u8]; 12] = [
    &[0],
    &[1],
    &[0x7f],
    &[0xff, 0x01],
    &[0x80, 0x00],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x80, 0x80, 0x80, 0x80, 0x04],
    &[0, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0x7f],
];

/// Changes `bytes` in one to four places; `other` is what pieces are taken from.
pub(crate) fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=rng.below(4) {
        once(rng, bytes, other);
    }
}

fn once(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = rng.below(bytes.len() + 1);
    let span = |rng: &mut Rng, of: &[u8]| {
        let from = rng.below(of.len() + 1);
        from..(from + rng.below(40)).min(of.len())
    };
    match rng.below(9) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(span(rng, bytes))),
        2 => drop(bytes.splice(at..at, rng.bytes(12))),
        3 => {
            let piece = bytes[span(rng, bytes)].to_vec();
            drop(bytes.splice(at..at, piece));
        }
        4 => {
            let piece = other[span(rng, other)].to_vec();
            let end = (at + piece.len()).min(bytes.len());
            drop(bytes.splice(at..end, piece));
        }
        5 => {
            let edge = *rng.pick(&EDGES);
            let end = (at + edge.len() * rng.below(2)).min(bytes.len());
            drop(bytes.splice(at..end, edge.iter().copied()));
        }
        6 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = rng.byte();
            }
        }
        7 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = byte.wrapping_add(*rng.pick(&[1, u8::MAX]));
            }
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
        }
    }
}
