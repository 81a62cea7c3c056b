//! What survives the program, with `--dir`: the store of the switch, and the file of the keys.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hotswap::{RestoreError, Restored, SaveError, Saved};
use kv_store::key::{Fleet, Switch};

use crate::images::Incoming;
use crate::key::Key;
use crate::keyspace::now;

/// The folder of a server.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    keys: PathBuf,
    /// When the keys were last saved, in seconds since 1970.
    saved: AtomicU64,
}

impl Disk {
    /// The switch and the keys as they were when they were last committed and saved; nothing, in a folder that is new.
    pub(crate) fn open(
        folder: &Path,
        version: u32,
        incoming: Option<&Incoming>,
    ) -> Result<(Self, Switch, Fleet<Key>), Box<dyn Error + Send + Sync>> {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut switch = Switch::builder().starting_at(version);
        if let Some(incoming) = incoming {
            switch = switch.images(incoming.images());
        }
        let switch = switch.open(folder.join("switch"))?;
        let keys = switch.fleet();
        let disk = Self { folder: folder.to_owned(), keys: folder.join("keys"), saved: AtomicU64::new(now() / 1000) };
        match keys.restore(&disk.keys) {
            Ok(restored) => eprintln!("kv: {}", told(&switch, &restored)),
            Err(RestoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        Ok((disk, switch, keys))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes all keys; the file has the old ones or the new.
    pub(crate) fn save(&self, keys: &Fleet<Key>) -> Result<Saved, SaveError> {
        let saved = keys.save(&self.keys)?;
        self.saved.store(now() / 1000, Ordering::Relaxed);
        Ok(saved)
    }

    pub(crate) fn last_save(&self) -> u64 {
        self.saved.load(Ordering::Relaxed)
    }
}

fn told(switch: &Switch, restored: &Restored) -> String {
    let Restored { instances, moved, held_back, from_before, losses, .. } = restored;
    let mut told = format!("version {}: {instances} keys, {moved} of them from another version", switch.version());
    // a String takes all that is written to it
    if *held_back > 0 {
        let _ = write!(told, ", {held_back} held back at theirs");
    }
    if *from_before > 0 {
        let _ = write!(told, ", {from_before} as they were before the upgrade");
    }
    for loss in losses {
        let _ = write!(told, "; lost: {} of {}", loss.what, loss.instances);
    }
    told
}
