//! A file that is replaced whole: written beside, synced, renamed, and the folder synced. At every moment the name has
//! the old content or the new.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::fault;

/// The path with something appended to its last part.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Where a path leads: past links, and not dependent on the working directory. The file itself need not be there yet.
pub(crate) fn real(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or(error)?;
            Ok(fs::canonicalize(folder_of(path))?.join(name))
        }
        real => real,
    }
}

/// Takes `path` for this caller alone, until what it gives is dropped; refused with `WouldBlock` when another has it.
///
/// What is locked is a file beside it that stays, for `path` itself is replaced.
pub(crate) fn lock(path: &Path) -> io::Result<Taken> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(beside(path, ".lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Taken(file)),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A file that this caller alone has.
#[derive(Debug)]
pub(crate) struct Taken(File);

/// It is not enough to close it: a process that another thread is just starting has it open too, for a moment.
impl Drop for Taken {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The new content has the name; that it has may not outlast a power cut.
#[derive(Debug)]
pub(crate) struct NotLasting(pub(crate) io::Error);

impl From<NotLasting> for io::Error {
    fn from(NotLasting(error): NotLasting) -> Self {
        error
    }
}

/// Replaces the file at `path`, which the caller has locked, by what `write` writes; on an error it stays as it was, but on
/// `NotLasting`. `before` runs when the new content is safe and the old still has the name.
pub(crate) fn replace<T, E: From<io::Error> + From<NotLasting>>(
    path: &Path,
    what: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T, E>,
    before: impl FnOnce() -> io::Result<()>,
) -> Result<T, E> {
    let new = Unfinished(beside(path, ".new"));
    // asked for first: once the name is another's, a refusal would come too late
    let folder = File::open(folder_of(path))?;
    let value = fill(path, &new.0, what, write)?;
    before()?;
    fault::point(what, "synced");
    fs::rename(&new.0, path)?;
    fault::point(what, "renamed");
    fault::failure(what, "syncing the folder").and_then(|()| folder.sync_all()).map_err(NotLasting)?;
    fault::point(what, "done");
    Ok(value)
}

/// A file that goes, unless it has got another name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn fill<T, E: From<io::Error>>(
    old: &Path,
    new: &Path,
    what: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T, E>,
) -> Result<T, E> {
    let file = File::create(new)?;
    if let Ok(old) = fs::metadata(old) {
        // who may read it is not for a new content to change
        file.set_permissions(old.permissions())?;
    }
    let mut writer = BufWriter::with_capacity(64 * 1024, file);
    fault::point(what, "opened");
    let value = write(&mut writer)?;
    writer.flush()?;
    fault::point(what, "written");
    writer.get_ref().sync_all()?;
    Ok(value)
}

/// Makes a rename in the folder of `path` last.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Lets `to` name the present content of the file at `path` as well, whatever becomes of `path`.
pub(crate) fn keep_as(path: &Path, to: &Path) -> io::Result<()> {
    remove(to)?;
    fault::point("keep", "removed");
    // a folder that has no hard links gets a copy
    fs::hard_link(path, to).or_else(|_| fs::copy(path, to).and_then(|_| File::open(to)?.sync_all()))?;
    fault::point("keep", "linked");
    sync_folder(to)
}

/// Removes the file at `path`, if there is one.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_let_go_can_be_taken_although_a_process_that_begins_has_it_open() {
        let path = std::env::temp_dir().join(format!("hotswap-taken-{}", std::process::id()));
        let taken = lock(&path).expect("nobody has it");
        assert_eq!(lock(&path).map(drop).map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
        // as a process gets it that is made of this one
        let inherited = taken.0.try_clone().expect("it can be");
        drop(taken);
        drop(lock(&path).expect("nobody has it"));
        drop(inherited);
        fs::remove_file(beside(&path, ".lock")).expect("it is there");
    }
}
