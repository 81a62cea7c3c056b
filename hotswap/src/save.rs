//! All instances of a fleet to a file and back, a block at a time: memory holds one block, however many there are.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::blocks::{Mark, Reader, Record, Records, Unsavable, Writer};
use crate::error::{Loss, VersionError};
use crate::fault;
use crate::file::{self, NotLasting, beside};
use crate::fleet::{Fleet, Key, lot_of};
use crate::frame::{Holds, ReadError, SnapshotError};
use crate::line::Line;
use crate::machine::Machine;
use crate::slot::{Home, Slot};
use crate::snapshot::{self, Codec, Postcard};
use crate::store::Store;
use crate::switch::Release;
use crate::sync;
use crate::way::drop_contained;

/// So many instances are encoded under one lock.
const SLICE: usize = 64;
/// How often a save is tried, while what its mark says changes before it has ended.
const ATTEMPTS: usize = 3;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// Instances in the file.
    pub instances: u64,
    /// Instances that are not: poisoned by a panic, or their state lost to one.
    pub left_out: u64,
    /// The file's length in bytes.
    pub bytes: u64,
}

/// What became of the instances in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Instances that are in the fleet now.
    pub instances: u64,
    /// Those whose version was another, and which were migrated.
    pub moved: u64,
    /// Those that could not be: they serve on at their version, held back and named.
    pub held_back: u64,
    /// Those whose state is older: there is no way down from an upgrade that was not committed, so they come from the
    /// file kept since before it.
    pub from_before: u64,
    /// Instances of the fleet that had the same key, and are gone.
    pub replaced: u64,
    /// What was lost on the ways that were taken.
    pub losses: Vec<Loss>,
}

/// How far saving or restoring has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Instances done.
    pub done: u64,
    /// Instances in all; when saving under traffic, as many as there were at the start.
    pub of: u64,
}

/// Why nothing was saved. The file is as it was before; [`NotLasting`](SaveError::NotLasting) alone is another matter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The file could not be written.
    #[error("{path} cannot be written: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Everything was saved, and the file is the new one. But its folder could not be synced: after a power cut the file may
    /// be the old one again. Save again, and do not yet part with what would be missed then.
    #[error("{path} was saved, but may not outlast a power cut, for its folder cannot be synced: {source}")]
    NotLasting {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Someone else is saving to this file.
    #[error("{path} is being saved already")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file is not of such a fleet: it is a switch's store, or another machine's, or has keys of another type. It is not
    /// replaced unasked; save elsewhere, or remove it first.
    #[error("{path} is not replaced: {error}")]
    Occupied {
        /// The file.
        path: PathBuf,
        /// What it is.
        error: SnapshotError,
    },
    /// A state cannot be encoded, or not be read back from what it is encoded to.
    #[error("the state of `{who}` cannot be saved: {reason}")]
    State {
        /// The instance's key.
        who: String,
        /// What its `Serialize` or `Deserialize` said.
        reason: String,
    },
    /// In the middle of every attempt an image came or went or, where the switch has a store, a command changed its release.
    /// Save again when that is over.
    #[error("the versions, or the release of a switch with a store, changed while states were saved, {ATTEMPTS} times")]
    Unsteady,
    /// The call came from inside a step or migration.
    #[error("called from inside a step")]
    Reentered,
}

/// Why a file was not restored. The fleet is as it was before, unless the file could no longer be read, or read as it was a
/// moment before, when its instances were being put in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The file could not be read.
    #[error("{path} cannot be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not one that this program can use.
    #[error("{path}: {error}")]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: SnapshotError,
    },
    /// The call came from inside a step or migration.
    #[error("called from inside a step")]
    Reentered,
}

impl<M: Machine, K: Key> Fleet<M, K> {
    /// Writes every instance to a file, under traffic: each is whole, each key that is present throughout is in it
    /// exactly once. The states are those of one moment each, not all of the same.
    ///
    /// The file is written beside, synced and renamed, and the folder synced; at every moment the path has the old
    /// content or the new. Instances keep their versions; [`Fleet::restore`] takes them to the one that runs then.
    /// A poisoned instance is left out.
    ///
    /// Beside the file stand `.lock`, which keeps other writers out, `.new` while it is written and, during a probation of
    /// a switch with a store, `.before`: what was saved before the upgrade. Back them up together.
    ///
    /// It does file operations on the calling thread; in an async program that is a thread for blocking work.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, is the store of a switch or of another kind of fleet, or a state cannot be encoded and read
    /// back. The file is as it was then. One error is of a file that was saved: [`SaveError::NotLasting`].
    ///
    /// # Examples
    ///
    /// With the counter of the [front page](crate):
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = std::env::temp_dir().join(format!("hotswap-doc-{}", std::process::id()));
    /// use counter::{Get, Switch, V1, Version};
    ///
    /// let visits = Switch::builder().starting_at(Version::V1).build()?.fleet::<String>();
    /// visits.insert("door".to_owned(), V1 { count: 7 })?;
    /// assert_eq!(visits.save(&path)?.instances, 1);
    ///
    /// // a later program, at a later version
    /// let visits = Switch::builder().starting_at(Version::V2).build()?.fleet::<String>();
    /// let restored = visits.restore(&path)?;
    /// assert_eq!((restored.instances, restored.moved), (1, 1));
    /// assert_eq!(visits.step("door", Get)?, 7);
    /// # std::fs::remove_file(&path)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<Saved, SaveError> {
        self.save_to(path.as_ref(), false, &mut |_| {})
    }

    /// As [`Fleet::save`], and tells how far it has come, now and then.
    ///
    /// # Errors
    ///
    /// As [`Fleet::save`].
    pub fn save_telling(&self, path: impl AsRef<Path>, mut tell: impl FnMut(Progress)) -> Result<Saved, SaveError> {
        self.save_to(path.as_ref(), false, &mut tell)
    }

    /// As [`Fleet::save`], of one moment: every step of the fleet waits until the states are written.
    ///
    /// # Errors
    ///
    /// As [`Fleet::save`].
    pub fn save_paused(&self, path: impl AsRef<Path>) -> Result<Saved, SaveError> {
        self.save_to(path.as_ref(), true, &mut |_| {})
    }

    /// Puts every instance of a file into the fleet, each brought to the version that runs, or held back at its own.
    ///
    /// The whole file is checked first; then instances are put in, one after another, and replace those of the same key.
    /// Where the file was written in a probation that a restart has undone, each instance takes the declared way down;
    /// where there is none it comes from the file that was kept since before the upgrade, beside this one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is damaged, another machine's, of keys of another type, or of a version or shape that
    /// this program does not have. The fleet is as it was then.
    pub fn restore(&self, path: impl AsRef<Path>) -> Result<Restored, RestoreError> {
        self.restore_from(path.as_ref(), &mut |_| {})
    }

    /// As [`Fleet::restore`], and tells how far it has come, now and then.
    ///
    /// # Errors
    ///
    /// As [`Fleet::restore`].
    pub fn restore_telling(
        &self,
        path: impl AsRef<Path>,
        mut tell: impl FnMut(Progress),
    ) -> Result<Restored, RestoreError> {
        self.restore_from(path.as_ref(), &mut tell)
    }

    fn save_to(&self, path: &Path, paused: bool, tell: &mut dyn FnMut(Progress)) -> Result<Saved, SaveError> {
        self.rewrite(path, None, |writer, _| self.write(writer, paused, tell)).map_err(|error: Failed| error.at(path))
    }

    /// Replaces the file at `path` by what `write` writes, with the mark of this moment; again, where that changes meanwhile.
    ///
    /// `converts` says from which file what is written comes, and its version; it comes from the fleet if nothing is said.
    pub(crate) fn rewrite<T, E: From<Failed> + From<io::Error> + From<NotLasting>>(
        &self,
        path: &Path,
        converts: Option<(&Path, u32)>,
        mut write: impl FnMut(&mut Writer<'_>, &Release) -> Result<T, E>,
    ) -> Result<T, E> {
        if sync::inside() {
            return Err(Failed::Save(SaveError::Reentered).into());
        }
        let mut attempt = 1;
        loop {
            let release = self.shared().core.release();
            let mut steady = true;
            let written = self.rewrite_at(path, converts, &release, &mut steady, &mut write);
            if steady || attempt == ATTEMPTS {
                return written;
            }
            attempt += 1;
        }
    }

    fn rewrite_at<T, E: From<Failed> + From<io::Error> + From<NotLasting>>(
        &self,
        path: &Path,
        converts: Option<(&Path, u32)>,
        release: &Release,
        steady: &mut bool,
        write: &mut dyn FnMut(&mut Writer<'_>, &Release) -> Result<T, E>,
    ) -> Result<T, E> {
        let shared = self.shared();
        let shapes = || shared.line.versions().into_iter().map(|(info, _)| (info.number, info.fingerprint)).collect();
        let mark = Mark {
            shapes: shapes(),
            store: shared.store.as_ref().map(Store::id),
            epoch: release.epoch,
            probation: release.probation,
            permanent: release.permanent,
        };
        let path = &file::real(path)?;
        let (old, version) = converts.unwrap_or((path, release.version));
        let _locked = file::lock(path)?;
        let lock = |old| file::lock(old).map_err(|error| Failed::Save(Failed::Io(error).at(old)));
        // it may be kept, and is to be what was read
        let _locked_too = Some(old).filter(|old| old != path && mark.probation.is_some()).map(lock).transpose()?;
        replaceable::<M, K>(&shared.line, path)?;
        // a version that came in meanwhile is not in the mark, and a state of it could not be read back
        let is_steady = || {
            let same: Vec<_> = shapes();
            same == mark.shapes && (mark.store.is_none() || shared.core.epoch() == release.epoch)
        };
        let written = file::replace(
            path,
            "save",
            |to| -> Result<T, E> {
                let header = snapshot::header_of(&shared.line, Holds::Fleet, Postcard::NAME, version)
                    .map_err(io::Error::other)?;
                let mut writer = Writer::new(to, &header, mark.clone())?;
                let written = write(&mut writer, release)?;
                *steady = is_steady();
                if *steady { Ok(written) } else { Err(Failed::Save(SaveError::Unsteady).into()) }
            },
            || self.keep_from_before(old, path, &mark),
        )?;
        if mark.probation.is_none() && mark.store.is_some() {
            // what a restart would have needed until now; that it stays is no failure
            let _ = fs::remove_file(beside(path, BEFORE));
        }
        Ok(written)
    }

    fn write(&self, writer: &mut Writer<'_>, paused: bool, tell: &mut dyn FnMut(Progress)) -> Result<Saved, Failed> {
        let of = self.len() as u64;
        let mut saved = Saved::default();
        let mut records = Records::default();
        let mut walk = self.walk(paused);
        loop {
            let mut look = |key: &K, slot: &mut Slot<M>, home: &mut dyn Home| {
                let shared = self.shared();
                if slot.stale(shared) {
                    slot.arrive(shared, home);
                }
                match slot.state().filter(|_| !slot.poisoned()) {
                    Some(state) => records.add(key, state, Slot::<M>::owed(home, &shared.core.current())),
                    None => saved.left_out += 1,
                }
                if records.full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let more = walk.slice(SLICE, &mut look).map_err(|_| SaveError::Reentered)?;
            // outside the lock: the user's own code reads back what it wrote
            records.check::<M, K>(&self.shared().line)?;
            if records.full() || !more {
                saved.instances += u64::from(records.count);
                records.write::<K>(writer)?;
                fault::point("save", "block");
                tell(Progress { done: saved.instances, of: of.max(saved.instances) });
            }
            if !more {
                saved.bytes = writer.end(saved.instances)?;
                return Ok(saved);
            }
        }
    }

    fn restore_from(&self, path: &Path, tell: &mut dyn FnMut(Progress)) -> Result<Restored, RestoreError> {
        if sync::inside() {
            return Err(RestoreError::Reentered);
        }
        self.read(path, tell).map_err(|error| RestoreError::of(error, path))
    }

    fn read(&self, path: &Path, tell: &mut dyn FnMut(Progress)) -> Result<Restored, ReadError> {
        let shared = self.shared();
        let release = shared.core.release();
        let ours = shared.store.as_ref().map(Store::id);
        let path = &file::real(path)?;
        let find = shared.find.as_ref();
        let mut file = Reader::open::<K>(&shared.line, find, path)?;
        let low = file.mark.low(ours, &release);
        let no_way = |key: &K, version| {
            low != u32::MAX && shared.line.way_by(version, low, release.version_for(|| lot_of(key))).is_err()
        };

        // everything is read once before anything is put in: a file that is not wholly in order changes nothing
        let mut stranded: HashMap<K, Stranded> = HashMap::new();
        while let Some(Record { key, state, .. }) = file.next::<K>()? {
            match state {
                Ok(state) if no_way(&key, M::version_of(&state)) => {
                    drop_contained(state);
                    stranded.insert(key, Stranded::Held);
                }
                Ok(state) => drop_contained((key, state)),
                // of a version that came as a file, and is nowhere now
                Err(error) if low != u32::MAX => drop(stranded.insert(key, Stranded::Unreadable(error))),
                Err(error) => return Err(SnapshotError::Version(error).into()),
            }
        }
        let keeps = || Reader::open_if_there::<K>(&shared.line, find, &beside(path, BEFORE));
        let mut before = if stranded.is_empty() { None } else { keeps()? };
        if let Some(before) = &mut before {
            while let Some(Record { key, state, .. }) = before.next::<K>()? {
                drop_contained(state.map_err(SnapshotError::Version)?);
                stranded.entry(key).and_modify(|how| *how = Stranded::Held);
            }
        }
        for how in stranded.values() {
            if let Stranded::Unreadable(error) = how {
                return Err(SnapshotError::Version(error.clone()).into());
            }
        }

        fault::point("restore", "checked");
        let mut restored = Restored::default();
        let of = file.instances;
        // asked of each by the release that it meets: a rollback may come between them
        let mut put = |restored: &mut Restored, record: Record<K, M::AnyState>, low: &Low<'_>| {
            let Record { key, state, owed } = record;
            let state = state.map_err(SnapshotError::Version)?;
            let (from, to) = (M::version_of(&state), release.version_for(|| lot_of(&key)));
            let low = |release: &Release| low(release).min(owed.unwrap_or(u32::MAX));
            let put = self.put_in(key, state, &low).map_err(|_| io::Error::from(io::ErrorKind::Deadlock))?;
            fault::point("restore", "put");
            restored.instances += 1;
            restored.held_back += u64::from(put.held_back);
            restored.replaced += u64::from(put.replaced);
            if !put.held_back {
                restored.moved += u64::from(from != to);
                for what in shared.line.losses_by(from, low(&release), to) {
                    Loss::add_to(&mut restored.losses, &what, 1);
                }
            }
            if restored.instances.is_multiple_of(TOLD_EVERY) || restored.instances == of {
                tell(Progress { done: restored.instances, of });
            }
            Ok::<_, ReadError>(())
        };
        if let Some(before) = &mut before {
            before.rewind()?;
            // it may be of an earlier probation that was undone, whose states could come down
            let (earlier, this) = (before.mark.clone(), &file.mark);
            let low = |release: &Release| earlier.low(ours, release).min(this.low(ours, release));
            let forgiven = before.mark.forgiven(ours, &release);
            while let Some(mut record) = before.next::<K>()? {
                record.owed = record.owed.filter(|_| !forgiven);
                if let Some(how) = stranded.get_mut(&record.key) {
                    *how = Stranded::Came;
                    put(&mut restored, record, &low)?;
                    restored.from_before += 1;
                    Loss::add_to(&mut restored.losses, SINCE, 1);
                } else {
                    drop_contained((record.key, record.state));
                }
            }
        }
        file.rewind()?;
        let mark = file.mark.clone();
        let low_of_all = |release: &Release| mark.low(ours, release);
        let forgiven = file.mark.forgiven(ours, &release);
        while let Some(mut record) = file.next::<K>()? {
            record.owed = record.owed.filter(|_| !forgiven);
            if let Some(Stranded::Came) = stranded.get(&record.key) {
                drop_contained((record.key, record.state));
            } else {
                put(&mut restored, record, &low_of_all)?;
            }
        }
        fault::point("restore", "done");
        Ok(restored)
    }

    /// Keeps the file from before the probation that the one at `path` is written in, for a restart that finds no way down.
    ///
    /// A file of a probation that was undone is not kept if a state in it has no way down from there: what was kept
    /// before that one still holds.
    fn keep_from_before(&self, from: &Path, path: &Path, mark: &Mark) -> io::Result<()> {
        if mark.probation.is_none() || mark.store.is_none() {
            return Ok(());
        }
        let keeps = || {
            let shared = self.shared();
            let mut old = Reader::open::<K>(&shared.line, shared.find.as_ref(), from)?;
            if (old.mark.store, old.mark.probation) == (mark.store, mark.probation) {
                return Ok(false);
            }
            let low = old.mark.low(mark.store, &shared.core.release());
            if low == u32::MAX {
                return Ok(true);
            }
            let mut comes_down = true;
            while let Some(Record { state, .. }) = old.next::<K>()? {
                comes_down &=
                    state.as_ref().is_ok_and(|state| shared.line.way_by(M::version_of(state), low, low).is_ok());
                drop_contained(state);
            }
            Ok(comes_down)
        };
        match keeps() {
            Ok(true) => file::keep_as(from, &beside(path, BEFORE)),
            Ok(false) => Ok(()),
            // one from before a file that is there no more would be taken for the one from before this
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => file::remove(&beside(path, BEFORE)),
            Err(ReadError::Snapshot(_)) => file::remove(&beside(path, BEFORE)),
            Err(ReadError::Io(error)) => Err(error),
        }
    }
}

/// Refuses to replace what this machine's fleets did not write, as far as it is hotswap's: an operator's slip must not cost a
/// store. A file that is damaged tells nothing, and may be mended by a save.
fn replaceable<M: Machine, K: Key>(line: &Line<M>, path: &Path) -> Result<(), Failed> {
    use SnapshotError::{Holds, OtherKeys, WrongMachine};
    match Reader::open::<K>(line, None, path) {
        Err(ReadError::Snapshot(error @ (Holds { .. } | WrongMachine { .. } | OtherKeys { .. }))) => {
            Err(Failed::Save(SaveError::Occupied { path: path.to_owned(), error }))
        }
        Err(ReadError::Io(error)) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// An instance that a restart cannot bring down from an undone probation.
enum Stranded {
    /// It serves on as it is, unless the file from before has it.
    Held,
    /// Its version is nowhere: only the file from before may have it.
    Unreadable(VersionError),
    /// It came from that file.
    Came,
}

/// The lowest version that a record must pass, at a release.
type Low<'a> = dyn Fn(&Release) -> u32 + 'a;

impl RestoreError {
    pub(crate) fn of(error: ReadError, path: &Path) -> Self {
        let path = path.to_owned();
        match error {
            ReadError::Io(source) => Self::Io { path, source },
            ReadError::Snapshot(error) => Self::Snapshot { path, error },
        }
    }
}

/// How many instances are put in between two reports of progress.
const TOLD_EVERY: u64 = 1024;
const BEFORE: &str = ".before";
const SINCE: &str = "work done since the upgrade";

/// Why a save stopped, before it is said of which file.
pub(crate) enum Failed {
    Io(io::Error),
    NotLasting(io::Error),
    Save(SaveError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<NotLasting> for Failed {
    fn from(NotLasting(error): NotLasting) -> Self {
        Self::NotLasting(error)
    }
}

impl From<SaveError> for Failed {
    fn from(error: SaveError) -> Self {
        Self::Save(error)
    }
}

impl From<Unsavable> for Failed {
    fn from(Unsavable { who, reason }: Unsavable) -> Self {
        Self::Save(SaveError::State { who, reason })
    }
}

impl Failed {
    pub(crate) fn at(self, path: &Path) -> SaveError {
        let path = path.to_owned();
        match self {
            Self::Save(error) => error,
            Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock => SaveError::Busy { path },
            Self::Io(source) => SaveError::Io { path, source },
            Self::NotLasting(source) => SaveError::NotLasting { path, source },
        }
    }
}
