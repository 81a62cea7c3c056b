//! What can be known of a snapshot without the machine that wrote it: whose it is, of when, how much, and whether it is whole.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::blocks::{Mark, Sample, read_block};
use crate::frame::{self, Header, Holds, ReadError, SnapshotError, exactly};
use crate::snapshot::{Codec, Postcard};

/// What a file of a snapshot is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    /// What its head says, which fits its checksum.
    pub header: Header,
    /// The length of the file in bytes.
    pub bytes: u64,
    /// Of the instances of a fleet: what its mark says.
    pub fleet: Option<FleetMark>,
    /// Whether every checksum fits and nothing is missing; for a fleet, how many instances there are.
    pub whole: Result<Option<u64>, SnapshotError>,
}

/// What the file of a fleet says of the moment in which it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FleetMark {
    /// The versions that there were, and their fingerprints.
    pub versions: Vec<(u32, String)>,
    /// The version that was permanent.
    pub permanent: u32,
    /// The epoch.
    pub epoch: u64,
    /// It was written in a probation.
    pub on_probation: bool,
    /// One of the keys, as text.
    pub a_key: Option<String>,
}

/// A file that is no snapshot, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SurveyError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has no whole head of a snapshot.
    #[error("{path}: {source}")]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        source: SnapshotError,
    },
}

/// Reads a file whole, a block at a time. States are not decoded: only the program that has their versions can do that.
///
/// # Errors
///
/// When it cannot be read, or does not begin with a whole head. What is behind the head may be damaged: see
/// [`whole`](Survey::whole).
pub fn survey(path: impl AsRef<Path>) -> Result<Survey, SurveyError> {
    let path = path.as_ref();
    read(path).map_err(|error| match error {
        ReadError::Io(source) => SurveyError::Io { path: path.to_owned(), source },
        ReadError::Snapshot(source) => SurveyError::Snapshot { path: path.to_owned(), source },
    })
}

fn read(path: &Path) -> Result<Survey, ReadError> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut from = BufReader::with_capacity(64 * 1024, file);
    let (header, mut sum) = frame::read_head(&mut from)?;
    let mut fleet = None;
    let whole = if header.holds == Holds::Fleet {
        blocks(&mut from, &header, sum, &mut fleet).map(Some)
    } else {
        body(&mut from, header.length, &mut sum).map(|()| None)
    };
    let whole = match whole {
        Ok(whole) => Ok(whole),
        Err(ReadError::Snapshot(error)) => Err(error),
        Err(error @ ReadError::Io(_)) => return Err(error),
    };
    Ok(Survey { header, bytes, fleet, whole })
}

fn body(from: &mut impl Read, length: u64, sum: &mut u64) -> Result<(), ReadError> {
    let mut body = Vec::new();
    frame::read_on(from, &mut body, length)?;
    if frame::read_sum(from)? != frame::checksum(&body, *sum) {
        return Err(SnapshotError::Damaged { part: "its body" }.into());
    }
    nothing_follows(from)
}

fn blocks(
    from: &mut impl Read,
    header: &Header,
    mut sum: u64,
    fleet: &mut Option<FleetMark>,
) -> Result<u64, ReadError> {
    if header.codec != Postcard::NAME {
        let (found, known) = (header.codec.clone(), format!("`{}`", Postcard::NAME));
        return Err(SnapshotError::Codec { found, known }.into());
    }
    let wrong = |what: &str| ReadError::from(SnapshotError::Undecodable(what.to_owned()));
    let mut block = Vec::new();
    if read_block(from, &mut sum, &mut block)? != 1 {
        return Err(wrong("its first block is not the mark"));
    }
    let (mark, sample) = exactly::<(Mark, Option<Sample>)>(&block).map_err(SnapshotError::Undecodable)?;
    *fleet = Some(FleetMark {
        versions: mark.shapes,
        permanent: mark.permanent,
        epoch: mark.epoch,
        on_probation: mark.probation.is_some(),
        a_key: sample.map(|sample| sample.text),
    });
    let mut seen = 0;
    loop {
        match read_block(from, &mut sum, &mut block)? {
            0 => break,
            records => seen += u64::from(records),
        }
    }
    let says = <[u8; 8]>::try_from(&*block).map_err(|_| wrong("its last block is not the end"))?;
    if u64::from_le_bytes(says) != seen {
        return Err(wrong("it holds another number of instances than it says"));
    }
    nothing_follows(from).map(|()| seen)
}

fn nothing_follows(from: &mut impl Read) -> Result<(), ReadError> {
    match io::copy(from, &mut io::sink())? {
        0 => Ok(()),
        extra => Err(SnapshotError::TooLong { extra }.into()),
    }
}
