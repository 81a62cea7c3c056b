//! What an image is, from its bytes alone: nothing in it runs.

use std::collections::BTreeSet;

use object::elf::{DT_NEEDED, SHN_UNDEF};
use object::read::elf::{ElfFile, FileHeader, SectionHeader as _, Sym as _};
use object::{Architecture, Object as _, ObjectSection as _};
use serde::Serialize;

use crate::load::abi::{ABI, ROOT};
use crate::load::note::{self, NAME, SECTION};
use crate::loaded::GuestLine;

/// What an image says of itself, and what its file shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// How it was built.
    pub build: Build,
    /// Its machines, each with its whole line.
    pub machines: Vec<GuestLine>,
    /// How many functions run as soon as it is mapped: two for each machine, and the compiler's own.
    pub constructors: u64,
    /// The libraries that it asks the system for.
    pub needed: Vec<String>,
}

/// How an image was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Build {
    /// The number of the boundary.
    pub abi: u32,
    /// Whether a panic unwinds; where it aborts, it would take the whole program with it.
    pub unwind: bool,
    /// Whether it was built with debug assertions.
    pub debug: bool,
    /// The compiler, as it names itself. It may be another than the program's: only bytes cross.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// The version of hotswap in it.
    pub hotswap: String,
}

impl From<note::Build<'_>> for Build {
    fn from(note::Build { abi, unwind, debug, rustc, target, hotswap }: note::Build<'_>) -> Self {
        let owned = str::to_owned;
        Self { abi, unwind, debug, rustc: owned(rustc), target: owned(target), hotswap: owned(hotswap) }
    }
}

/// A file is no image that fits this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// Not an ELF file.
    #[error(
        "this is no ELF file\n\nhelp: an image is a `cdylib` that was built for Linux; `hotswap build` makes one of a crate"
    )]
    NotElf,
    /// Its tables lie beyond its end.
    #[error("the file ends at byte {found}, its tables at byte {expected}\n\nhelp: it was cut short; copy it again")]
    Truncated {
        /// Where it should end at the earliest.
        expected: u64,
        /// Where it ends.
        found: u64,
    },
    /// An ELF file that is damaged, or was made to mislead.
    #[error("the file is damaged: {what}\n\nhelp: build it again, or copy it again")]
    Malformed {
        /// What is wrong with it.
        what: String,
    },
    /// An ELF file without a note of hotswap's.
    #[error(
        "the file says nothing of hotswap\n\nhelp: build it with the feature `image` of crate `hotswap`, as `hotswap build` does"
    )]
    NoNote,
    /// More than one copy of hotswap is in it.
    #[error("{count} copies of hotswap are in the file\n\nhelp: `cargo tree -d -i hotswap` says who asks for which")]
    TwoFrameworks {
        /// How many there are.
        count: usize,
    },
    /// It has no machine.
    #[error("no machine is in the file\n\nhelp: the crate, or one that it depends on, needs a `#[machine]`")]
    NoMachine,
    /// It exports no root.
    #[error("the file exports no `HOTSWAP_ROOT`\n\nhelp: build it as a `cdylib`, and do not strip its dynamic symbols")]
    NoRoot,
    /// It was built for another boundary.
    #[error(
        "the image has boundary {found}, this program has {expected}\n\nhelp: build both with the same release of hotswap"
    )]
    Abi {
        /// This program's.
        expected: u32,
        /// The image's.
        found: u32,
    },
    /// It is code for another kind of machine.
    #[error(
        "the file is for {found}, this program runs on {expected}\n\nhelp: build the image with `--target` of the program"
    )]
    Architecture {
        /// This program's.
        expected: String,
        /// The file's.
        found: String,
    },
    /// It was built for another target.
    #[error(
        "the image is for target {found}, this program for {expected}\n\nhelp: build the image with `--target {expected}`"
    )]
    Target {
        /// This program's.
        expected: String,
        /// The image's.
        found: String,
    },
    /// A panic in it would end the program.
    #[error("the image aborts on a panic, which would end the program\n\nhelp: build it with `panic = \"unwind\"`")]
    PanicAbort,
}

/// Reads what an image says of itself. Nothing in it runs.
///
/// That it says so is no proof that it is so: whether to trust a file is told by its signature.
///
/// # Errors
///
/// [`InspectError`] when the bytes are no image, or one that this release of hotswap cannot read.
pub fn inspect(image: &[u8]) -> Result<Manifest, InspectError> {
    let [b'\x7f', b'E', b'L', b'F', class, ..] = image else { return Err(InspectError::NotElf) };
    match class {
        1 => inspect_elf::<object::elf::FileHeader32<object::Endianness>>(image),
        2 => inspect_elf::<object::elf::FileHeader64<object::Endianness>>(image),
        _ => Err(malformed("it is of no known class")),
    }
}

impl Manifest {
    /// Whether the image fits this program: its boundary, its target, and what a panic does. The compiler may differ.
    ///
    /// # Errors
    ///
    /// The first of [`InspectError::Abi`], [`InspectError::Target`] and [`InspectError::PanicAbort`] that applies.
    pub fn check(&self) -> Result<(), InspectError> {
        let Build { abi, unwind, target, .. } = &self.build;
        let here = note::Build::HERE;
        if *abi != here.abi {
            return Err(InspectError::Abi { expected: here.abi, found: *abi });
        }
        if target != here.target {
            return Err(InspectError::Target { expected: here.target.to_owned(), found: target.clone() });
        }
        if !unwind {
            return Err(InspectError::PanicAbort);
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where a function of an error is asked for")]
fn malformed(what: impl ToString) -> InspectError {
    InspectError::Malformed { what: what.to_string() }
}

fn inspect_elf<Elf: FileHeader<Endian = object::Endianness>>(image: &[u8]) -> Result<Manifest, InspectError> {
    whole::<Elf>(image)?;
    let elf = ElfFile::<Elf>::parse(image).map_err(malformed)?;
    let section = elf.section_by_name(SECTION).ok_or_else(|| foreign(&elf))?;
    let notes = section.data().map_err(malformed)?;
    let (build, machines) = read_notes(elf.endian(), notes)?;
    if !exports_root(&elf)? {
        return Err(InspectError::NoRoot);
    }
    let word = u64::from(elf.is_64()) * 4 + 4;
    let constructors = elf.section_by_name(".init_array").map_or(0, |section| section.size() / word);
    Ok(Manifest { build, machines, constructors, needed: needed(&elf)? })
}

/// The table of sections stands at the end of a file, so that this is what tells one that was cut short.
fn whole<Elf: FileHeader<Endian = object::Endianness>>(image: &[u8]) -> Result<(), InspectError> {
    let header = Elf::parse(image).map_err(malformed)?;
    let endian = header.endian().map_err(malformed)?;
    let begins: u64 = header.e_shoff(endian).into();
    let each = u64::from(header.e_shentsize(endian));
    let expected = begins.saturating_add(each * u64::from(header.e_shnum(endian)));
    let found = image.len() as u64;
    if begins == 0 {
        return Err(InspectError::NoNote);
    }
    if expected > found { Err(InspectError::Truncated { expected, found }) } else { Ok(()) }
}

/// Without a note it is nothing of ours; for another kind of machine, that is the better answer.
fn foreign<Elf: FileHeader<Endian = object::Endianness>>(elf: &ElfFile<'_, Elf>) -> InspectError {
    match architecture(elf) {
        Err(error) => error,
        Ok(()) => InspectError::NoNote,
    }
}

fn architecture<Elf: FileHeader<Endian = object::Endianness>>(elf: &ElfFile<'_, Elf>) -> Result<(), InspectError> {
    let found = format!("{:?}", elf.architecture()).to_lowercase();
    let expected = std::env::consts::ARCH;
    let same = found == expected || elf.architecture() == Architecture::Unknown;
    if same { Ok(()) } else { Err(InspectError::Architecture { expected: expected.to_owned(), found }) }
}

/// The notes, one behind the other, each on a boundary of four bytes.
fn read_notes(endian: object::Endianness, notes: &[u8]) -> Result<(Build, Vec<GuestLine>), InspectError> {
    let mut builds = Vec::new();
    let mut machines = Vec::new();
    let mut unknown = None;
    let mut rest = notes;
    while !rest.is_empty() {
        let (kind, description, behind) = one_note(endian, rest)?;
        match kind {
            note::BUILD => builds.push(note::read_build(description).map_err(wrong)?),
            note::MACHINE => machines.push(description),
            // of another boundary's, which is told below
            other => unknown = Some(other),
        }
        rest = behind;
    }
    let build = match builds.as_slice() {
        [build] => *build,
        [] => return Err(InspectError::NoNote),
        builds => return Err(InspectError::TwoFrameworks { count: builds.len() }),
    };
    if build.abi != ABI {
        return Err(InspectError::Abi { expected: ABI, found: build.abi });
    }
    if let Some(kind) = unknown {
        return Err(malformed(format!("it has a note of the unknown kind {kind}")));
    }
    let machines: Vec<_> =
        machines.into_iter().map(|note| note::read_machine(note).map_err(wrong)).collect::<Result<_, _>>()?;
    distinct(&machines)?;
    Ok((build.into(), machines))
}

fn wrong(what: &'static str) -> InspectError {
    malformed(format!("a note of it cannot be read: {what}"))
}

fn distinct(machines: &[GuestLine]) -> Result<(), InspectError> {
    if machines.is_empty() {
        return Err(InspectError::NoMachine);
    }
    let mut seen = BTreeSet::new();
    for line in machines {
        if !seen.insert((&line.krate, &line.module, &line.machine)) {
            return Err(malformed(format!("machine `{}` of `{}` is in it twice", line.machine, line.module)));
        }
    }
    Ok(())
}

/// The first note: its kind, what it says, and what is behind it.
fn one_note(endian: object::Endianness, notes: &[u8]) -> Result<(u32, &[u8], &[u8]), InspectError> {
    use object::Endian as _;
    let short = || malformed("a note of it ends too early");
    let number = |at: usize| {
        let bytes = notes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or_else(short)?;
        Ok::<u32, InspectError>(if endian.is_little_endian() {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    };
    let (name_len, len, kind) = (number(0)?, number(4)? as usize, number(8)?);
    let rest = &notes[12..];
    if name_len as usize != NAME.len() || !rest.starts_with(&NAME) {
        return Err(malformed("a note of it is not hotswap's"));
    }
    let rest = &rest[NAME.len()..];
    let description = rest.get(..len).ok_or_else(short)?;
    Ok((kind, description, rest.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

/// Looks at one place for each symbol, and not for the end of its name: so bytes that mislead cost no more.
fn exports_root<Elf: FileHeader<Endian = object::Endianness>>(elf: &ElfFile<'_, Elf>) -> Result<bool, InspectError> {
    let endian = elf.endian();
    let table = elf.elf_dynamic_symbol_table();
    if table.is_empty() {
        return Ok(false);
    }
    let names = elf.elf_section_table().section(table.string_section()).map_err(malformed)?;
    let names = names.data(endian, elf.data()).map_err(malformed)?;
    Ok(table.iter().any(|symbol| {
        let name = names.get(symbol.st_name(endian) as usize..).unwrap_or_default();
        name.starts_with(ROOT) && symbol.st_shndx(endian) != SHN_UNDEF
    }))
}

fn needed<Elf: FileHeader<Endian = object::Endianness>>(elf: &ElfFile<'_, Elf>) -> Result<Vec<String>, InspectError> {
    const MOST: usize = 256;
    const LONGEST: usize = 4096;
    let table = elf.elf_dynamic_table().map_err(malformed)?;
    let mut needed = Vec::new();
    for entry in table.iter().filter(|entry| entry.tag == DT_NEEDED) {
        let name = table.string(entry).map_err(malformed)?;
        if needed.len() == MOST || name.len() > LONGEST {
            return Err(malformed("it needs more libraries than any file does"));
        }
        needed.push(String::from_utf8_lossy(name).into_owned());
    }
    Ok(needed)
}
