//! Images for `inspect`: those without code, written by hand, so that no damage hits in vain; and where in one that the compiler
//! built the bytes are that it reads.

use std::ops::Range;

use super::run::Rng;

fn text(text: &str) -> Vec<u8> {
    let len = u32::try_from(text.len()).expect("short");
    [&len.to_le_bytes()[..], text.as_bytes()].concat()
}

fn list(items: Vec<Vec<u8>>) -> Vec<u8> {
    let len = u32::try_from(items.len()).expect("short");
    [len.to_le_bytes().to_vec(), items.concat()].concat()
}

fn number(number: u32) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

fn note(kind: u32, description: &[u8]) -> Vec<u8> {
    let len = u32::try_from(description.len()).expect("short");
    let mut note =
        [&8_u32.to_le_bytes()[..], &len.to_le_bytes(), &kind.to_le_bytes(), b"hotswap\0", description].concat();
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// The note of a machine with so many versions.
fn machine(name: &str, versions: u32) -> Vec<u8> {
    let version = |n: u32| {
        let takes = list(vec![text("Add"), text("Get")]);
        [number(n), text(&format!("V{n}")), text("1-0123456789abcdef"), list(vec![text("other::Leaf")]), takes].concat()
    };
    let edge = |n: u32| {
        [number(n), number(n + 1), list(if n.is_multiple_of(2) { vec![text("the log")] } else { vec![] })].concat()
    };
    let inputs = ["Add", "Get"].map(|name| [text(name), text("1-0123456789abcdef")].concat());
    let names = [text(name), text("fuzzed"), text("fuzzed::machine"), text("0.1.0")].concat();
    let versions_ = list((1..=versions).map(version).collect());
    let edges = list((1..versions).map(edge).collect());
    note(2, &[names, versions_, edges, list(vec![number(99)]), list(inputs.to_vec())].concat())
}

fn build() -> Vec<u8> {
    let texts = [text("rustc 1.95.0"), text("x86_64-unknown-linux-gnu"), text("0.1.0")].concat();
    note(1, &[number(1), number(1), texts].concat())
}

/// A whole image.
pub(crate) fn image(rng: &mut Rng) -> Vec<u8> {
    let machines = (0..=rng.below(3)).map(|i| machine(&format!("machine{i}"), 1 + (rng.next() % 4) as u32));
    let mut notes: Vec<_> = machines.collect();
    notes.insert(rng.below(notes.len() + 1), build());
    let strings = b"\0HOTSWAP_ROOT\0libc.so.6\0malloc\0".to_vec();
    let symbol =
        |name: u32, section: u16| [&name.to_le_bytes()[..], &[0x11, 0], &section.to_le_bytes(), &[0; 16]].concat();
    let symbols = [vec![0; 24], symbol(24, 0), symbol(1, 1)].concat();
    let dynamic = [1_u64, 14, 0, 0].map(u64::to_le_bytes).concat();
    let names = b"\0.note.hotswap\0.dynsym\0.dynstr\0.dynamic\0.init_array\0.shstrtab\0".to_vec();
    // name, kind, content, the section that it refers to, the size of an entry
    let sections: [(u32, u32, Vec<u8>, u32, u64); 6] = [
        (1, 7, notes.concat(), 0, 0),
        (15, 11, symbols, 3, 24),
        (23, 3, strings, 0, 0),
        (31, 6, dynamic, 3, 16),
        (40, 14, vec![0; 16], 0, 8),
        (52, 3, names, 0, 0),
    ];
    file(&sections)
}

fn file(sections: &[(u32, u32, Vec<u8>, u32, u64)]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut headers = vec![0; 64];
    for (name, kind, content, link, entry) in sections {
        let (at, len) = (64 + body.len() as u64, content.len() as u64);
        headers.extend([name.to_le_bytes(), kind.to_le_bytes()].concat());
        headers.extend([2, 0, at, len].map(u64::to_le_bytes).concat());
        headers.extend([link.to_le_bytes(), 0_u32.to_le_bytes()].concat());
        headers.extend([8, *entry].map(u64::to_le_bytes).concat());
        body.extend(content);
        body.resize(body.len().next_multiple_of(8), 0);
    }
    let begins = 64 + body.len() as u64;
    let count = u16::try_from(sections.len() + 1).expect("few");
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // a shared library, for x86-64
    file.extend([3, 0, 62, 0, 1, 0, 0, 0]);
    file.extend([0, 0, begins].map(u64::to_le_bytes).concat());
    file.extend(0_u32.to_le_bytes());
    file.extend([64, 56, 0, 64, count, count - 1].map(u16::to_le_bytes).concat());
    [file, body, headers].concat()
}

/// Where the bytes of a whole image are that tell what it is: its head, its table of sections, and the sections that are looked into.
pub(crate) fn telling(image: &[u8]) -> Vec<Range<usize>> {
    let number = |at: usize, bytes: usize| {
        let mut wide = [0; 8];
        wide[..bytes].copy_from_slice(&image[at..at + bytes]);
        usize::try_from(u64::from_le_bytes(wide)).expect("within the file")
    };
    let (table, count, names) = (number(40, 8), number(60, 2), number(62, 2));
    let section = |index: usize| {
        let at = table + index * 64;
        (number(at, 4), number(at + 24, 8)..number(at + 24, 8) + number(at + 32, 8))
    };
    let names = section(names).1;
    let mut telling = vec![0..64, table..table + count * 64, names.clone()];
    for (name, range) in (0..count).map(section) {
        let name = image[names.start + name..].split(|byte| *byte == 0).next().expect("the name ends");
        if [&b".note.hotswap"[..], b".dynsym", b".dynstr", b".dynamic"].contains(&name) {
            telling.push(range);
        }
    }
    telling
}
