//! Which images were accepted, in a file that survives a restart: so that an old one is not taken for a new one.
//!
//! Text, for an operator to read:
//!
//! ```text
//! hotswap-accepted:1:<application>
//! <serial> <SHA-256 of the image>      one line for each, serials rising
//! <XXH3 of all lines before, 16 digits>
//! ```

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::envelope::Digest;
use crate::file::{self, Taken};

const BEGINS: &str = "hotswap-accepted:1:";
/// So many are known again; an image that came before all of these is refused as any old one is.
const KEPT: usize = 1024;

/// Why it cannot be told, or kept, which images were accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The file could not be read or written.
    #[error("the memory of accepted images {path} cannot be used: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another `Trust`, of this program or another, has it open.
    #[error("the memory of accepted images {path} is open elsewhere: give each program a file of its own")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is that of another application.
    #[error("the memory of accepted images {path} is that of `{found}`, not of `{expected}`: give each its own")]
    OtherApplication {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it would have to be.
        expected: String,
    },
    /// It is damaged, or no such file.
    #[error(
        "the memory of accepted images {path} is damaged: {what}; bring it back from a backup, or remove it, after which \
         images that were accepted before are taken for new ones"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In what way.
        what: &'static str,
    },
}

/// The images that were accepted, by serial, and the file where that is kept.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Serials rise.
    accepted: Vec<(u64, Digest)>,
    file: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    application: String,
    /// Locked while the program runs.
    _taken: Taken,
}

impl Memory {
    /// What the file says, which is made by the first writing.
    pub(super) fn open(path: &Path, application: &str) -> Result<Self, MemoryError> {
        let failed = |source| MemoryError::Io { path: path.to_owned(), source };
        let real = file::real(path).map_err(failed)?;
        let taken = file::lock(&real).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => MemoryError::InUse { path: path.to_owned() },
            _ => failed(error),
        })?;
        let accepted = match fs::read(&real) {
            Ok(bytes) => read(path, &bytes, application)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let file = Kept { path: real, application: application.to_owned(), _taken: taken };
        Ok(Self { accepted, file: Some(file) })
    }

    /// The highest serial.
    pub(super) fn last(&self) -> Option<u64> {
        self.accepted.last().map(|&(serial, _)| serial)
    }

    /// Whether the very image was accepted with that serial.
    pub(super) fn knows(&self, serial: u64, digest: &Digest) -> bool {
        self.accepted.binary_search(&(serial, *digest)).is_ok()
    }

    /// Adds one with a higher serial than all; once this returns it is in the file. On an error nothing changed.
    pub(super) fn add(&mut self, serial: u64, digest: Digest) -> Result<(), MemoryError> {
        let older = (self.accepted.len() + 1).saturating_sub(KEPT);
        let accepted: Vec<_> = self.accepted[older..].iter().copied().chain([(serial, digest)]).collect();
        if let Some(kept) = &self.file {
            let text = text(&kept.application, &accepted);
            let written = file::replace(&kept.path, "trust", |to| to.write_all(text.as_bytes()), || Ok(()));
            written.map_err(|source| MemoryError::Io { path: kept.path.clone(), source })?;
        }
        self.accepted = accepted;
        Ok(())
    }
}

fn text(application: &str, accepted: &[(u64, Digest)]) -> String {
    let mut text = format!("{BEGINS}{}\n", application.escape_debug());
    for (serial, digest) in accepted {
        let _ = writeln!(text, "{serial} {digest}");
    }
    let checksum = xxh3_64(text.as_bytes());
    let _ = writeln!(text, "{checksum:016x}");
    text
}

fn read(path: &Path, bytes: &[u8], application: &str) -> Result<Vec<(u64, Digest)>, MemoryError> {
    let damaged = |what| MemoryError::Damaged { path: path.to_owned(), what };
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
    let lines = whole(text).ok_or_else(|| damaged("its checksum does not fit"))?;
    let mut lines = lines.lines();
    let found = lines.next().and_then(|first| first.strip_prefix(BEGINS));
    let found = found.ok_or_else(|| damaged("its first line is not one that this program knows"))?;
    let expected = application.escape_debug().to_string();
    if found != expected {
        return Err(MemoryError::OtherApplication { path: path.to_owned(), found: found.to_owned(), expected });
    }
    let accepted: Option<Vec<_>> = lines.map(entry).collect();
    let accepted = accepted.ok_or_else(|| damaged("a line is not a serial and a digest"))?;
    let rising = accepted.is_sorted_by(|one, next| one.0 < next.0);
    if rising { Ok(accepted) } else { Err(damaged("its serials do not rise")) }
}

/// The lines before the checksum, if they fit it.
fn whole(text: &str) -> Option<&str> {
    let end = text.strip_suffix('\n')?.rfind('\n')? + 1;
    let (lines, checksum) = text.split_at(end);
    (checksum.trim_end() == format!("{:016x}", xxh3_64(lines.as_bytes()))).then_some(lines)
}

fn entry(line: &str) -> Option<(u64, Digest)> {
    let (serial, digest) = line.split_once(' ')?;
    Some((serial.parse().ok()?, Digest::parse(digest)?))
}
