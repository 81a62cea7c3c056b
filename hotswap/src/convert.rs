//! The file of a fleet written anew, all its states at one version: for the day on which the code of another is to go.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::blocks::{Mark, Reader, Record, Records, Writer, display};
use crate::error::{AdminError, Loss};
use crate::fleet::{Fleet, Key};
use crate::frame::{ReadError, SnapshotError};
use crate::line::{Hop, Start};
use crate::machine::{Machine, NameOf};
use crate::options::PlanFailure;
use crate::save::{Failed, RestoreError, SaveError};
use crate::store::Store;
use crate::switch::Release;
use crate::way::{drop_contained, travel};

/// So many of those that cannot come along are named.
const NAMED: usize = 1000;

/// On what terms a file is converted.
#[derive(Debug, Clone, Default)]
pub struct ConvertOptions {
    pub(crate) accept_loss: bool,
}

impl ConvertOptions {
    /// Accepts what the ways lose.
    #[must_use]
    pub fn accept_loss(mut self, accept: bool) -> Self {
        self.accept_loss = accept;
        self
    }
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Converted {
    /// Instances in the file.
    pub instances: u64,
    /// Those whose version was another, and which were migrated.
    pub moved: u64,
    /// The new file's length in bytes.
    pub bytes: u64,
    /// What was lost on the ways that were taken.
    pub losses: Vec<Loss>,
}

/// Why a file was not converted. All files are as they were; [`SaveError::NotLasting`] alone is another matter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// As an upgrade would be: there is no such version to run, or something would be lost, and the loss was not accepted.
    #[error(transparent)]
    Refused(#[from] AdminError),
    /// The file cannot be read, or is not one that this fleet could restore.
    #[error(transparent)]
    NotRead(#[from] RestoreError),
    /// The new file cannot be written.
    #[error(transparent)]
    NotWritten(#[from] SaveError),
    /// The file was saved in the probation that still lasts. A commit or a rollback decides what its states are worth.
    #[error("{path} was saved in the probation that still lasts; commit or roll back first")]
    OnProbation {
        /// The file.
        path: PathBuf,
    },
    /// The file was saved in a probation under another store, and only that knows whether it was undone.
    #[error("{path} was saved in a probation under another store; convert it in a program that has that store")]
    OtherStore {
        /// The file.
        path: PathBuf,
    },
    /// Instances cannot come along: no declared way leads there, or a migration failed.
    #[error("{failed} of {instances} instances cannot go to version {to}{}", list(.failures))]
    NotMoved {
        /// The version asked for.
        to: u32,
        /// Instances in the file.
        instances: u64,
        /// How many of them cannot.
        failed: u64,
        /// The first 1,000 of those.
        failures: Vec<PlanFailure>,
    },
}

fn list(failures: &[PlanFailure]) -> String {
    let some: Vec<_> = failures.iter().take(10).map(|failure| format!("{}: {}", failure.who, failure.reason)).collect();
    format!(" ({}{})", some.join("; "), if failures.len() > some.len() { "; …" } else { "" })
}

impl<M: Machine, K: Key> Fleet<M, K> {
    /// Writes the file of such a fleet anew, at `out`, with every state at version `to`, up or down from its own. The fleet's
    /// own instances are not touched. `out` may be the same file.
    ///
    /// Before a program that knows version 1 goes away, this makes files that later ones read. A state takes the way that it
    /// would take if it were restored here and then upgraded, and the new file says what one would that was saved then. So in
    /// a probation of a switch with a store, the old file is kept beside the new one, under `.before`. Memory holds one block.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is damaged, or was saved in a probation of which it is not known that it was committed or
    /// undone; when something would be lost that was not accepted, or instances cannot come along, which are named then; and as
    /// [`Fleet::save`]. All files are as they were then, but for [`SaveError::NotLasting`].
    ///
    /// # Examples
    ///
    /// With the counter of the [front page](crate):
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = std::env::temp_dir().join(format!("hotswap-doc-convert-{}", std::process::id()));
    /// use counter::{Switch, V1, Version};
    /// use hotswap::ConvertOptions;
    ///
    /// let visits = Switch::builder().starting_at(Version::V1).build()?.fleet::<String>();
    /// visits.insert("door".to_owned(), V1 { count: 7 })?;
    /// visits.save(&path)?;
    ///
    /// let converted = visits.convert(&path, Version::V2, &path, &ConvertOptions::default())?;
    /// assert_eq!((converted.instances, converted.moved), (1, 1));
    /// assert_eq!(visits.restore(&path)?.moved, 1); // down again, to the version that runs here
    /// # std::fs::remove_file(&path)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn convert(
        &self,
        from: impl AsRef<Path>,
        to: impl NameOf<M>,
        out: impl AsRef<Path>,
        options: &ConvertOptions,
    ) -> Result<Converted, ConvertError> {
        let (shared, from, out) = (self.shared(), from.as_ref(), out.as_ref());
        let to = shared.line.runnable(to.number()).map_err(AdminError::Version)?;
        let not_read = |error: ReadError| RestoreError::of(error, from);
        let path = fs::canonicalize(from).map_err(|error| not_read(error.into()))?;
        let open = || Reader::open::<K>(&shared.line, shared.find.as_ref(), &path);
        // a file that cannot be read is refused before anything is made beside `out`
        drop(open().map_err(not_read)?);
        let write = |writer: &mut Writer<'_>, release: &Release| {
            // under the lock: what was opened before it may have been replaced by a save since
            let mut file = open()?;
            self.may_convert(&file.mark, release, from)?;
            self.write_at(to, &mut file, writer, release, options)
        };
        self.rewrite(out, Some((&path, to)), write).map_err(|stopped| match stopped {
            Stopped::Failed(failed) => failed.at(out).into(),
            Stopped::Read(error) => not_read(error).into(),
            Stopped::Convert(error) => error,
        })
    }

    /// Refuses a file of a probation that may yet be undone, or may have been: its states would be taken for others.
    fn may_convert(&self, mark: &Mark, release: &Release, from: &Path) -> Result<(), ConvertError> {
        let path = || from.to_owned();
        let (Some(store), Some(probation)) = (mark.store, mark.probation) else { return Ok(()) };
        if self.shared().store.as_ref().is_none_or(|ours| ours.id() != store) {
            return Err(ConvertError::OtherStore { path: path() });
        }
        if release.probation == Some(probation) { Err(ConvertError::OnProbation { path: path() }) } else { Ok(()) }
    }

    fn write_at(
        &self,
        to: u32,
        file: &mut Reader<'_, M>,
        writer: &mut Writer<'_>,
        release: &Release,
        options: &ConvertOptions,
    ) -> Result<Converted, Stopped> {
        let shared = self.shared();
        let ours = shared.store.as_ref().map(Store::id);
        let (undone, forgiven) = (file.mark.low(ours, release), file.mark.forgiven(ours, release));
        let (mut converted, mut records) = (Converted::default(), Records::default());
        let (mut failed, mut failures) = (0, Vec::new());
        while let Some(Record { key, state, owed }) = file.next::<K>()? {
            let state = state.map_err(|error| ReadError::from(SnapshotError::Version(error)))?;
            let start = Start::of::<M>(&state);
            converted.instances += 1;
            converted.moved += u64::from(start.version != to);
            let low = owed.filter(|_| !forgiven).unwrap_or(u32::MAX).min(undone);
            let mut state = Some(state);
            let gone = shared.line.way_by(start, low, to).and_then(|way| {
                travel::<M>(&mut state, &way).map_err(|stuck| stuck.reason)?;
                Ok(way.iter().flat_map(Hop::loses).collect::<Vec<_>>())
            });
            match gone {
                Ok(losses) => losses.iter().for_each(|what| Loss::add_to(&mut converted.losses, what, 1)),
                Err(reason) => {
                    failed += 1;
                    if failures.len() < NAMED {
                        failures.push(PlanFailure { who: display(&key), reason });
                    }
                }
            }
            // nothing more is written of what will not be a file, but all who are in the way are named
            let goes = failed == 0 && (options.accept_loss || converted.losses.is_empty());
            if let Some(state) = state.as_ref().filter(|_| goes) {
                records.add(&key, state, None);
            }
            drop_contained((key, state));
            if records.full() {
                records.check::<M, K>(&shared.line)?;
                records.write::<K>(writer)?;
            }
        }
        if failed > 0 {
            return Err(ConvertError::NotMoved { to, instances: converted.instances, failed, failures }.into());
        }
        if !options.accept_loss && !converted.losses.is_empty() {
            return Err(ConvertError::from(AdminError::LossNotAccepted { to, losses: converted.losses }).into());
        }
        records.check::<M, K>(&shared.line)?;
        records.write::<K>(writer)?;
        converted.bytes = writer.end(converted.instances)?;
        Ok(converted)
    }
}

/// Why a conversion stopped, before it is said of which file.
enum Stopped {
    Failed(Failed),
    Read(ReadError),
    Convert(ConvertError),
}

impl<T: Into<Failed>> From<T> for Stopped {
    fn from(failed: T) -> Self {
        Self::Failed(failed.into())
    }
}

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<ConvertError> for Stopped {
    fn from(error: ConvertError) -> Self {
        Self::Convert(error)
    }
}
