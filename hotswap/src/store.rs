//! What of a switch survives a restart, in a file: the permanent version, the epoch, the last outcomes.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::error::VersionError;
use crate::fault;
use crate::file::{self, Taken};
use crate::frame::{self, Holds};
use crate::line::Line;
use crate::machine::Machine;
use crate::record::Command;
use crate::snapshot::{self, Codec, Json, SnapshotError};
use crate::switch::Lasting;

/// So many of the held back are kept of an outcome that is not the last.
const HELD_KEPT: usize = 10;

/// The file of one switch, taken by this program alone.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    id: u64,
    /// One command at a time: it may wait for the disk, which nothing under the control lock does.
    turn: Mutex<()>,
    /// Locked while the program runs.
    _taken: Taken,
}

/// A switch that could not be opened from its store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store could not be read or written.
    #[error("the store {path} cannot be used: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another switch, of this program or another, has the store open.
    #[error("the store {path} is open elsewhere")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged, not a store, another machine's, or the permanent version has another shape now.
    #[error("the store {path}: {error}")]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: SnapshotError,
    },
    /// The permanent version of the store is not one of the machine's, or has no steps.
    #[error("the store {path}: {error}")]
    Permanent {
        /// The file.
        path: PathBuf,
        /// Why it cannot run.
        error: VersionError,
    },
    /// The version to start at is not one of the machine's, or has no steps.
    #[error("{0}")]
    Version(VersionError),
    /// Another live switch of the process has this label.
    #[error("a switch labelled `{0}` is live already")]
    LabelTaken(String),
    /// The store is that of a switch with another label.
    #[error("the store is of the switch labelled `{stored}`, not of `{asked}`")]
    OtherLabel {
        /// The label in the store.
        stored: String,
        /// The label asked for.
        asked: String,
    },
}

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Tells this store from others, in the files saved under it.
    store: u64,
    pub(crate) label: String,
    pub(crate) release: Lasting,
    /// The SHA-256 of the image that the permanent version is of; `None` where that is compiled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<String>,
    pub(crate) commands: Vec<Command>,
}

impl Store {
    /// Takes the file and gives what it says, or what a new one is to say: it is made by the first writing.
    ///
    /// `come_up` is asked which version to come up at where this one, of this shape and image, is permanent.
    pub(crate) fn open<M: Machine>(
        path: &Path,
        come_up: impl FnOnce(u32, &str, Option<&str>) -> Result<u32, SnapshotError>,
        fresh: impl FnOnce() -> Record,
    ) -> Result<(Self, Record), OpenError> {
        let failed = |source| OpenError::Io { path: path.to_owned(), source };
        let path = &file::real(path).map_err(failed)?;
        let taken = file::lock(path).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse { path: path.to_owned() },
            _ => failed(error),
        })?;
        fault::point("open", "taken");
        let record = match fs::read(path) {
            Ok(bytes) => read::<M>(path, &bytes, come_up)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => fresh(),
            Err(error) => return Err(failed(error)),
        };
        fault::point("open", "read");
        Ok((Self { path: path.to_owned(), id: record.store, turn: Mutex::new(()), _taken: taken }, record))
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(
        &self,
        label: &str,
        release: Lasting,
        image: Option<String>,
        mut commands: Vec<Command>,
    ) -> Record {
        let older = commands.len().saturating_sub(1);
        for command in &mut commands[..older] {
            // who they were is for the audit of the day; how many they were stays
            command.outcome.held.truncate(HELD_KEPT);
        }
        Record { store: self.id, label: label.to_owned(), release, image, commands }
    }

    /// Replaces what the file says; on an error it says what it said before, or what it was to say may not last.
    pub(crate) fn write<M: Machine>(&self, line: &Line<M>, record: &Record) -> io::Result<()> {
        let body = Json::encode(record).map_err(io::Error::other)?;
        let header =
            snapshot::header_of(line, Holds::Switch, Json::NAME, record.release.permanent).map_err(io::Error::other)?;
        let bytes = frame::seal(header, &body).map_err(io::Error::other)?;
        file::replace(&self.path, "store", |to| to.write_all(&bytes), || Ok(()))
    }
}

impl Record {
    /// Of a switch that runs for the first time.
    pub(crate) fn new(label: String, version: u32) -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
        let store = RandomState::new().hash_one((now, std::process::id()));
        Self { store, label, release: Lasting::new(version), image: None, commands: Vec::new() }
    }

    /// Whether a switch can have come to these epochs: with others it would count wrong, or find no next one.
    fn adds_up(&self) -> bool {
        self.release.adds_up() && self.commands.iter().all(|command| command.outcome.epoch <= self.release.epoch)
    }
}

fn read<M: Machine>(
    path: &Path,
    bytes: &[u8],
    come_up: impl FnOnce(u32, &str, Option<&str>) -> Result<u32, SnapshotError>,
) -> Result<Record, OpenError> {
    let read = || -> Result<Record, SnapshotError> {
        // what it is comes before whether it is whole
        snapshot::check::<M>(snapshot::header(bytes)?.as_head(), Holds::Switch)?;
        let (header, body) = frame::open(bytes)?;
        if header.codec != Json::NAME {
            let known = format!("`{}`", Json::NAME);
            return Err(SnapshotError::Codec { found: header.codec.to_owned(), known });
        }
        let mut record: Record = Json::decode(body).map_err(SnapshotError::Undecodable)?;
        if record.release.permanent != header.version {
            let (head, body) = (header.version, record.release.permanent);
            let what = format!("its header says version {head}, its body version {body}");
            return Err(SnapshotError::Undecodable(what));
        }
        if !record.adds_up() {
            return Err(SnapshotError::Undecodable("its epochs are in no order that a switch makes".to_owned()));
        }
        record.release.permanent = come_up(header.version, header.fingerprint, record.image.as_deref())?;
        Ok(record)
    };
    read().map_err(|error| match error {
        SnapshotError::Version(error) => OpenError::Permanent { path: path.to_owned(), error },
        error => OpenError::Snapshot { path: path.to_owned(), error },
    })
}
