//! What an image says of itself before anything in it runs: ELF notes in a section of their own.
//!
//! One note says how the image was built, one for each machine holds its whole line. Notes survive the linker's garbage
//! collection and `strip`. Numbers are little-endian, lists and texts have their length in front.

#![cfg_attr(
    all(feature = "image", target_os = "linux"),
    expect(unsafe_code, reason = "a static in a section of its own")
)]

use crate::load::abi::ABI;
use crate::loaded::{GuestEdge, GuestInput, GuestLine, GuestVersion};
use crate::machine::Machine;

/// The section that the notes are in.
pub(crate) const SECTION: &str = ".note.hotswap";

/// The owner's name in every note.
pub(crate) const NAME: [u8; 8] = *b"hotswap\0";

/// The kind of the note that says how the image was built.
pub(crate) const BUILD: u32 = 1;
/// The kind of a machine's note.
pub(crate) const MACHINE: u32 = 2;

const UNWIND: u32 = 1;
const DEBUG: u32 = 2;

/// A note, as it stands in the file.
#[derive(Debug)]
#[repr(C, align(4))]
pub struct Note<const N: usize> {
    name_len: u32,
    len: u32,
    kind: u32,
    name: [u8; 8],
    /// What it says.
    pub description: [u8; N],
}

impl<const N: usize> Note<N> {
    const fn new(kind: u32, description: [u8; N]) -> Self {
        Self { name_len: length(NAME.len()), len: length(N), kind, name: NAME, description }
    }
}

/// The length of a machine's note.
#[must_use]
pub const fn described<M: Machine>() -> usize {
    let mut count = Writer { to: &mut [], at: 0 };
    count.machine::<M>();
    count.at
}

/// A machine's note; `N` is what [`described`] says.
#[must_use]
pub const fn of_machine<M: Machine, const N: usize>() -> Note<N> {
    let mut description = [0; N];
    let mut writer = Writer { to: &mut description, at: 0 };
    writer.machine::<M>();
    Note::new(MACHINE, description)
}

const fn built() -> usize {
    let mut count = Writer { to: &mut [], at: 0 };
    count.build();
    count.at
}

const fn of_build<const N: usize>() -> Note<N> {
    let mut description = [0; N];
    let mut writer = Writer { to: &mut description, at: 0 };
    writer.build();
    Note::new(BUILD, description)
}

#[cfg(feature = "image")]
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".note.hotswap"))]
static BUILT: Note<{ built() }> = of_build();

#[expect(clippy::cast_possible_truncation, reason = "it is asserted")]
const fn length(length: usize) -> u32 {
    assert!(length <= u32::MAX as usize, "longer than a note can be");
    length as u32
}

/// Writes at compile time; with nowhere to write to it counts.
struct Writer<'a> {
    to: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    const fn bytes(&mut self, bytes: &[u8]) {
        if !self.to.is_empty() {
            let (_, rest) = self.to.split_at_mut(self.at);
            let (place, _) = rest.split_at_mut(bytes.len());
            place.copy_from_slice(bytes);
        }
        self.at += bytes.len();
    }

    const fn number(&mut self, number: u32) {
        self.bytes(&number.to_le_bytes());
    }

    const fn text(&mut self, text: &str) {
        self.number(length(text.len()));
        self.bytes(text.as_bytes());
    }

    const fn texts(&mut self, texts: &[&str]) {
        self.number(length(texts.len()));
        let mut i = 0;
        while i < texts.len() {
            self.text(texts[i]);
            i += 1;
        }
    }

    const fn build(&mut self) {
        let Build { abi, unwind, debug, rustc, target, hotswap } = Build::HERE;
        self.number(abi);
        self.number(if unwind { UNWIND } else { 0 } | if debug { DEBUG } else { 0 });
        self.text(rustc);
        self.text(target);
        self.text(hotswap);
    }

    const fn machine<M: Machine>(&mut self) {
        self.text(M::IDENTITY.name);
        self.text(M::IDENTITY.krate);
        self.text(M::IDENTITY.module);
        self.text(M::IDENTITY.crate_version);
        self.number(length(M::VERSIONS.len()));
        let mut i = 0;
        while i < M::VERSIONS.len() {
            let version = &M::VERSIONS[i];
            self.number(version.number);
            self.text(version.state);
            self.text(version.fingerprint);
            self.texts(version.leaves);
            self.texts(version.takes);
            i += 1;
        }
        self.edges::<M>();
        self.number(length(M::RETIRED.len()));
        let mut i = 0;
        while i < M::RETIRED.len() {
            self.number(M::RETIRED[i]);
            i += 1;
        }
        self.number(length(M::INPUTS.len()));
        let mut i = 0;
        while i < M::INPUTS.len() {
            self.text(M::INPUTS[i].name);
            self.text(M::INPUTS[i].fingerprint);
            i += 1;
        }
    }

    const fn edges<M: Machine>(&mut self) {
        self.number(length(M::EDGES.len()));
        let mut i = 0;
        while i < M::EDGES.len() {
            let edge = &M::EDGES[i];
            self.number(edge.from);
            self.number(edge.to);
            match edge.loses {
                None => self.number(0),
                Some(loses) => self.texts(&[loses]),
            }
            i += 1;
        }
    }
}

/// How something was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Build<'a> {
    pub(crate) abi: u32,
    /// Panics unwind rather than abort.
    pub(crate) unwind: bool,
    pub(crate) debug: bool,
    pub(crate) rustc: &'a str,
    pub(crate) target: &'a str,
    /// The version of this crate.
    pub(crate) hotswap: &'a str,
}

impl Build<'static> {
    /// What this very crate was built as.
    pub(crate) const HERE: Self = Self {
        abi: ABI,
        unwind: cfg!(panic = "unwind"),
        debug: cfg!(debug_assertions),
        rustc: env!("HOTSWAP_RUSTC"),
        target: env!("HOTSWAP_TARGET"),
        hotswap: env!("CARGO_PKG_VERSION"),
    };
}

/// Reads what a [`Writer`] wrote. `Err` says what is wrong with it; it takes no more memory than a multiple of the bytes.
struct Reader<'a>(&'a [u8]);

type Read<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Read<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Read<u32> {
        let bytes = self.bytes(4)?;
        bytes.try_into().map(u32::from_le_bytes).map_err(|_| "it ends too early")
    }

    fn text(&mut self) -> Read<&'a str> {
        let len = self.number()? as usize;
        std::str::from_utf8(self.bytes(len)?).map_err(|_| "a text in it is not UTF-8")
    }

    fn owned(&mut self) -> Read<String> {
        self.text().map(str::to_owned)
    }

    /// The count is not believed: the list grows as long as there are bytes.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.number()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(item(self)?);
        }
        Ok(list)
    }

    fn version(&mut self) -> Read<GuestVersion> {
        Ok(GuestVersion {
            number: self.number()?,
            state: self.owned()?,
            fingerprint: self.owned()?,
            leaves: self.list(Self::owned)?,
            takes: self.list(Self::owned)?,
        })
    }

    fn edge(&mut self) -> Read<GuestEdge> {
        Ok(GuestEdge { from: self.number()?, to: self.number()?, loses: self.list(Self::owned)?.pop() })
    }

    fn input(&mut self) -> Read<GuestInput> {
        Ok(GuestInput { name: self.owned()?, fingerprint: self.owned()? })
    }

    fn end(&self) -> Read<()> {
        if self.0.is_empty() { Ok(()) } else { Err("more follows its end") }
    }
}

/// Reads the note that says how an image was built.
pub(crate) fn read_build(description: &[u8]) -> Read<Build<'_>> {
    let mut reader = Reader(description);
    let (abi, flags) = (reader.number()?, reader.number()?);
    if abi != ABI {
        // what follows may be laid out in another way
        return Ok(Build { abi, unwind: true, debug: false, rustc: "", target: "", hotswap: "" });
    }
    let (rustc, target, hotswap) = (reader.text()?, reader.text()?, reader.text()?);
    reader.end()?;
    Ok(Build { abi, unwind: flags & UNWIND != 0, debug: flags & DEBUG != 0, rustc, target, hotswap })
}

/// Reads a machine's note.
pub(crate) fn read_machine(description: &[u8]) -> Read<GuestLine> {
    let mut reader = Reader(description);
    let line = GuestLine {
        machine: reader.owned()?,
        krate: reader.owned()?,
        module: reader.owned()?,
        crate_version: reader.owned()?,
        versions: reader.list(Reader::version)?,
        edges: reader.list(Reader::edge)?,
        retired: reader.list(Reader::number)?,
        inputs: reader.list(Reader::input)?,
    };
    reader.end()?;
    if !line.versions.is_sorted_by(|one, next| one.number < next.number) {
        return Err("its versions are in no order");
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::{described, of_machine, read_machine};

    #[crate::machine(crate = crate, name = "noted", retired(1))]
    #[allow(
        unreachable_pub,
        unused_imports,
        clippy::unnecessary_wraps,
        reason = "a machine as it is written elsewhere"
    )]
    mod counted {
        use serde::{Deserialize, Serialize};

        #[derive(Serialize, Deserialize)]
        pub struct Tick;
        #[derive(Serialize, Deserialize)]
        pub struct Reset;

        #[machine(version = 2)]
        #[derive(Clone, Serialize, Deserialize)]
        pub struct V2 {
            pub count: u8,
        }
        #[machine(version = 2)]
        pub fn tick(state: &mut V2, _: Tick) {
            state.count += 1;
        }
        #[machine(version = 4, migrates_from = 2)]
        #[derive(Clone, Serialize, Deserialize)]
        pub struct V4 {
            pub count: u8,
            #[machine(added = std::num::Wrapping(0))]
            pub more: std::num::Wrapping<u8>,
        }
        #[machine(migrate, loses = "more — of it")]
        pub fn down(state: &V4) -> V2 {
            V2 { count: state.count }
        }
        #[machine(version = 4)]
        pub fn tick_4(state: &mut V4, _: Tick) {
            state.count += 1;
        }
        #[machine(version = 4)]
        pub fn reset(state: &mut V4, _: Reset) -> Result<u8, String> {
            Ok(std::mem::take(&mut state.count))
        }
    }
    use counted::Machine;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        use crate::machine::Machine as _;
        let note = of_machine::<Machine, { described::<Machine>() }>();
        let line = read_machine(&note.description).expect("reads");
        assert_eq!((line.machine.as_str(), line.krate.as_str()), ("noted", "hotswap"));
        assert_eq!((line.module.as_str(), line.crate_version.as_str()), (Machine::IDENTITY.module, "0.1.0"));
        assert_eq!(line.retired, [1]);
        let versions: Vec<_> = line.versions.iter().map(|it| (it.number, it.state.as_str(), it.takes.len())).collect();
        assert_eq!(versions, [(2, "V2", 1), (4, "V4", 2)]);
        for (read, info) in line.versions.iter().zip(Machine::VERSIONS) {
            assert_eq!(*read, crate::loaded::GuestVersion::from(info));
        }
        let edges: Vec<_> = line.edges.iter().map(|edge| (edge.from, edge.to, edge.loses.as_deref())).collect();
        assert_eq!(edges, [(2, 4, None), (4, 2, Some("more — of it"))]);
        let inputs = line.inputs.iter().map(|input| (&*input.name, &*input.fingerprint));
        assert!(inputs.eq(Machine::INPUTS.iter().map(|input| (input.name, input.fingerprint))));
    }

    #[test]
    fn every_prefix_is_refused() {
        let note = of_machine::<Machine, { described::<Machine>() }>();
        for end in 0..note.description.len() {
            assert!(read_machine(&note.description[..end]).is_err(), "{end}");
        }
        assert!(read_machine(&[&note.description[..], &[0]].concat()).is_err());
    }
}
