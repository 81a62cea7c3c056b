//! Versions that come as files: whom kv believes, and what `HOTSWAP LOAD`, `UNLOAD` and `IMAGES` do.

use std::error::Error;
use std::fs;
use std::path::{Component, Path, PathBuf};

use hotswap::load::{Arrived, ImageStatus, Images, LetGo, LoadError, PublicKey, Trust};

/// The id that images are signed for.
const APPLICATION: &str = "kv";

/// The folder that images come in, and those that have.
#[derive(Debug)]
pub(crate) struct Incoming {
    folder: PathBuf,
    images: Images,
}

impl Incoming {
    /// Images in `folder` that were signed with a key. Which were accepted is kept with what else is kept.
    pub(crate) fn new(folder: &Path, key: &Path, dir: Option<&Path>) -> Result<Self, Box<dyn Error + Send + Sync>> {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut trust = Trust::new(APPLICATION).key(PublicKey::read(key)?);
        if let Some(dir) = dir {
            fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
            trust = trust.remember(dir.join("accepted"))?;
        }
        Ok(Self { folder: folder.to_owned(), images: Images::new(trust).folder(folder) })
    }

    /// All of them, for a switch that may need one to start with.
    pub(crate) fn images(&self) -> &Images {
        &self.images
    }

    /// Takes in a file of the folder; again, if it was let go.
    pub(crate) fn load(&self, name: &str) -> Result<Arrived, Box<dyn Error + Send + Sync>> {
        // whoever may talk to kv may not look around in its file system
        let mut parts = Path::new(name).components();
        let (Some(Component::Normal(file)), None) = (parts.next(), parts.next()) else {
            return Err(format!("`{name}` is no name of a file in the folder of images").into());
        };
        let file = self.folder.join(file);
        let trust = self.images.trust();
        // asked first, for every refusal is in the audit, and what was taken in before may come back
        let again = trust.read(&file).is_ok_and(|bytes| trust.verify_again(&bytes).is_ok());
        Ok(if again { self.images.load_again(&file) } else { self.images.load(&file) }?)
    }

    /// Lets an image go that nothing uses.
    pub(crate) fn unload(&self, id: &str) -> Result<LetGo, LoadError> {
        self.images.unload(id)
    }

    pub(crate) fn list(&self) -> Vec<ImageStatus> {
        self.images.list()
    }
}
