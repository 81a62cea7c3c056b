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

/// Replaces the file at `path` by what `write` writes; on an error it stays as it was. `before` runs when the new
/// content is safe and the old still has the name.
///
/// A second replacement of the same file at the same time is refused with `WouldBlock`.
pub(crate) fn replace<T, E: From<io::Error>>(
    path: &Path,
    what: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T, E>,
    before: impl FnOnce() -> io::Result<()>,
) -> Result<T, E> {
    let new = beside(path, ".new");
    let file = lock(&new)?;
    let written = fill(&file, what, write);
    let done = written.and_then(|value| {
        before()?;
        fault::point(what, "synced");
        fs::rename(&new, path)?;
        fault::point(what, "renamed");
        sync_folder(path)?;
        fault::point(what, "done");
        Ok(value)
    });
    if done.is_err() {
        // what stays there is overwritten by the next attempt
        let _ = fs::remove_file(&new);
    }
    done
}

fn fill<T, E: From<io::Error>>(
    file: &File,
    what: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T, E>,
) -> Result<T, E> {
    file.set_len(0)?;
    let mut writer = BufWriter::with_capacity(64 * 1024, file.try_clone()?);
    fault::point(what, "opened");
    let value = write(&mut writer)?;
    writer.flush()?;
    fault::point(what, "written");
    file.sync_all()?;
    Ok(value)
}

/// Opens the file and takes it for this writer alone, until it is closed.
fn lock(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // whoever had it may have renamed it between the opening and the lock
        if is_at(&file, path)? {
            return Ok(file);
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((open.dev(), open.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

/// Makes a rename in the folder of `path` last.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Lets `to` name the present content of the file at `path` as well, whatever becomes of `path`.
pub(crate) fn keep_as(path: &Path, to: &Path) -> io::Result<()> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fault::point("keep", "removed");
    // a folder that has no hard links gets a copy
    fs::hard_link(path, to).or_else(|_| fs::copy(path, to).and_then(|_| File::open(to)?.sync_all()))?;
    fault::point("keep", "linked");
    sync_folder(to)
}
