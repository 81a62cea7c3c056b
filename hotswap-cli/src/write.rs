//! Files that come into being whole: who watches the folder never sees a part of one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process;

use crate::report::Failure;

/// Writes these bytes there, over what was there before; the folder is made if it is missing.
pub(crate) fn whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write(path, bytes).map_err(|error| Failure::io(path, error))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // hidden, so that a program that takes each image of the folder leaves it alone
    let beside = folder.join(format!(".{}.{}", name.to_string_lossy(), process::id()));
    let written = fill(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
