//! The images of this process: taken in after every check, listed with who uses them, let go.
//!
//! An image serves every live switch of its machines, and those that are made while it is here.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::envelope::Digest;
use super::error::{MapError, Pinned};
use super::fit::{Here, Unfit};
use super::holder::Holder;
use super::inspect::{InspectError, Manifest, inspect};
use super::trust::{Trust, TrustError};
use crate::__private::{self, Compiled};
use crate::line::Line;
use crate::loaded::{Guest, GuestLine};
use crate::machine::Machine;
use crate::registry::{self, Live};
use crate::roster::{Sought, Tried};

/// The images that are here. One list for the process, as the loader of the system has one.
static HERE: Mutex<Vec<Arc<Image>>> = Mutex::new(Vec::new());
/// One image comes or goes at a time.
static TURN: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
/// Longer than an image takes to come or go.
const A_TURN: Duration = Duration::from_secs(1);

fn here() -> MutexGuard<'static, Vec<Arc<Image>>> {
    HERE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn turn() -> parking_lot::MutexGuard<'static, ()> {
    TURN.lock()
}

/// One image that is here.
struct Image {
    id: String,
    from: Option<PathBuf>,
    digest: Digest,
    serial: Option<u64>,
    /// Each holds what is mapped.
    guests: Vec<Arc<dyn Guest>>,
}

/// The images of a program, and whom it trusts to have made them. A clone is the same.
///
/// # Examples
///
/// ```no_run
/// use hotswap::load::{Images, PublicKey, Trust};
///
/// let images = Images::new(Trust::new("shop").key(PublicKey::read("shop.pub")?).remember("shop.images")?);
/// let arrived = images.load("incoming/till-3.image")?;
/// for (switch, versions) in &arrived.brought {
///     println!("{switch}: versions {versions:?} are available");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Images {
    trust: Arc<Trust>,
    folder: Option<PathBuf>,
    /// Who asks for what is done by this handle.
    by: Arc<str>,
}

/// An image that has come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrived {
    /// What the image is called here, and in every list; the name under which it stands in the process's mappings.
    pub id: String,
    /// The versions that became available, by the label of the switch.
    pub brought: Vec<(String, Vec<u32>)>,
    /// The images that nobody used and that have nothing which this one does not have: they were let go, with what became of
    /// each.
    pub let_go: Vec<(String, LetGo)>,
}

/// One image that is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageStatus {
    /// What it is called.
    pub id: String,
    /// The file that it came from.
    pub from: Option<PathBuf>,
    /// The serial that it was signed with.
    pub serial: Option<u64>,
    /// The SHA-256 of the image.
    pub digest: String,
    /// Its machines, each with its versions.
    pub machines: Vec<(String, Vec<u32>)>,
    /// Who uses it.
    pub holders: Vec<Holder>,
}

/// What became of an image that was let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum LetGo {
    /// It is out of the process's memory.
    Gone,
    /// Nothing uses it, and it cannot be taken out of memory.
    Pinned {
        /// Why not.
        reason: String,
    },
    /// No switch uses it, and a state still does: one that was taken out of its switch, or kept since before an upgrade, or
    /// that a migration has in hand. It goes with the last of them.
    Held,
}

/// Why an image was not taken in, or not let go. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is not trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// It is no image that this program can load.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// A machine in it does not go on where the one here stands.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// None of its machines is in this program.
    #[error("the image has no machine of this program's, only {}", list(.found))]
    NoMachine {
        /// The machines that it has.
        found: Vec<String>,
    },
    /// It has no version that is not here.
    #[error("the image has no version that is not here already")]
    NothingNew,
    /// This very image is here.
    #[error("this image is here already, as {id}")]
    AlreadyHere {
        /// What it is called.
        id: String,
    },
    /// The system would not load it, or it is not what it says.
    #[error(transparent)]
    Map(#[from] MapError),
    /// There is no such image.
    #[error("there is no image {id}")]
    NoImage {
        /// What it was called.
        id: String,
    },
    /// It cannot be let go.
    #[error("image {id} is in use: {}", list(.holders))]
    InUse {
        /// What it is called.
        id: String,
        /// Who uses it.
        holders: Vec<Holder>,
    },
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// How bytes come to be trusted.
enum Proof {
    New,
    Again,
}

impl Images {
    /// Takes in what `trust` lets through.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self { trust: Arc::new(trust), folder: None, by: Arc::from("") }
    }

    /// Looks in this folder for versions that a restart needs: the one that a switch was permanently at, and those of the
    /// states in a fleet's file. Of several builds a switch gets the very one that was committed, or else the one that was signed
    /// last, of which the audit then says that it is another; a fleet's file gets the one that was signed last. Only what was accepted before is taken from there, so the [`Trust`] must be one that
    /// remembers ([`Trust::remember`]).
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The same, and what is done by this handle is in the audit as asked for by this person.
    #[must_use]
    pub fn by(mut self, by: impl Into<String>) -> Self {
        self.by = Arc::from(by.into());
        self
    }

    /// Whom it trusts.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Takes in a signed image: its further versions become available in every live switch of its machines, and in those
    /// that are made while it is here.
    ///
    /// # Errors
    ///
    /// When the image is not trusted, does not fit, or has nothing new. Nothing has changed then, and the refusal is in the
    /// audit of every live switch. All that can be asked of the bytes is asked before anything in the image runs; what
    /// comes after is the system's loader ([`LoadError::Map`]), keeping that it was accepted ([`TrustError::Memory`],
    /// [`TrustError::Replayed`] by another that came between), and a switch that moved on meanwhile.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Arrived, LoadError> {
        let path = path.as_ref();
        let load = || self.take_in(&self.trust.read(path)?, Some(path), &Proof::New);
        self.audited(&format!("load {}", path.display()), load())
    }

    /// As [`Images::load`], of an image that was accepted before and let go, or of a run before this one.
    ///
    /// # Errors
    ///
    /// As [`Images::load`]; and when it was never accepted.
    pub fn load_again(&self, path: impl AsRef<Path>) -> Result<Arrived, LoadError> {
        let path = path.as_ref();
        let load = || self.take_in(&self.trust.read(path)?, Some(path), &Proof::Again);
        self.audited(&format!("load {} again", path.display()), load())
    }

    /// As [`Images::load`], of the bytes of a signed image.
    ///
    /// # Errors
    ///
    /// As [`Images::load`].
    pub fn load_bytes(&self, file: &[u8]) -> Result<Arrived, LoadError> {
        self.audited("load an image", self.take_in(file, None, &Proof::New))
    }

    fn take_in(&self, file: &[u8], from: Option<&Path>, proof: &Proof) -> Result<Arrived, LoadError> {
        super::supported()?;
        let verified = match proof {
            Proof::New => self.trust.verify(file),
            Proof::Again => self.trust.verify_again(file),
        };
        let verified = verified.map_err(|error| self.or_here(file, error))?;
        let head = verified.head();
        let (digest, serial) = (head.digest, Some(head.claims.serial));
        let coming = Coming { from, digest, serial, image: verified.image(), by: &self.by };
        // SAFETY: the image is whole and as signed by someone whose key the program was told to trust: that they made it,
        // of code that may run here, is what the key stands for
        #[expect(unsafe_code, reason = "the one place where an image that was verified is loaded")]
        let arrived = unsafe { coming.come_in(|| Ok(self.trust.accept(&verified)?)) }?;
        arrived.let_go.iter().for_each(|(id, let_go)| tell_pinned(id, let_go));
        Ok(arrived)
    }

    /// A file that is here already is refused for that, and not because its serial was used up. That it says so of itself
    /// is not enough: an altered copy has the same head.
    fn or_here(&self, file: &[u8], error: TrustError) -> LoadError {
        let TrustError::Replayed { .. } = error else { return error.into() };
        let digest = match self.trust.verify_again(file) {
            Ok(verified) => verified.head().digest,
            Err(error) => return error.into(),
        };
        let found = here().iter().find(|image| image.digest == digest).map(|image| image.id.clone());
        found.map_or_else(|| error.into(), |id| LoadError::AlreadyHere { id })
    }

    /// As [`Images::load_bytes`], of an image without an envelope: for tests, and for programs with a trust of their own.
    ///
    /// # Safety
    ///
    /// Its constructors run as it is loaded and its steps afterwards, with all the rights of this program. It must have
    /// been built from code that may run here: no check of hotswap's finds a dishonest one.
    ///
    /// # Errors
    ///
    /// As [`Images::load`].
    #[expect(unsafe_code, reason = "who trusts an image that nobody signed says so")]
    pub unsafe fn load_unsigned(&self, image: &[u8]) -> Result<Arrived, LoadError> {
        let digest = Digest::of(image);
        let coming = Coming { from: None, digest, serial: None, image, by: &self.by };
        // SAFETY: the caller promises what is asked for here
        let arrived = self.audited("load an unsigned image", unsafe { coming.come_in(|| Ok(())) })?;
        arrived.let_go.iter().for_each(|(id, let_go)| tell_pinned(id, let_go));
        Ok(arrived)
    }

    /// The images that are here, in the order in which they came.
    #[must_use]
    pub fn list(&self) -> Vec<ImageStatus> {
        // who looks at an image holds it, and one that is let go meanwhile would seem to be in use; a subscriber of `tracing`
        // may ask as an image that comes or goes says something, and must not wait for that for ever
        let _turn = TURN.try_lock_for(A_TURN);
        let images: Vec<_> = here().clone();
        images.iter().map(|image| image.status()).collect()
    }

    /// The images that were let go of and are still in memory, with the reason. One whose reason has gone leaves as this is
    /// asked.
    #[must_use]
    pub fn pinned(&self) -> Vec<Pinned> {
        super::reap();
        super::pinned()
    }

    /// Brings in, from the folder, an image that has this version of a machine in this shape: the very one that is sought, if
    /// it is there, or else the one that was signed last.
    pub(crate) fn find(&self, sought: &Sought<'_>) -> Result<Tried, String> {
        let folder = self.folder.as_ref().ok_or("no folder of images was named to look in")?;
        let files = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut paths: Vec<_> = files.flatten().map(|file| file.path()).filter(|path| path.is_file()).collect();
        paths.sort();
        let (mut candidates, mut tried) = (Vec::new(), Vec::new());
        for path in paths {
            match self.candidate(&path, sought) {
                Ok(rank) => candidates.extend(rank.map(|rank| (rank, path))),
                Err(error) => tried.push(format!("{}: {error}", path.display())),
            }
        }
        candidates.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        for (_, path) in candidates {
            let file = self.trust.read(&path).map_err(LoadError::from);
            match file.and_then(|file| self.take_in(&file, Some(&path), &Proof::Again)) {
                // someone else may have been looking for it too
                Ok(_) | Err(LoadError::AlreadyHere { .. }) => return Ok(tried),
                Err(error) => tried.push(format!("{}: {error}", path.display())),
            }
        }
        let Sought { version, shape, .. } = sought;
        tried.insert(0, format!("no image in {} has version {version} in the shape {shape}", folder.display()));
        Err(tried.join("; "))
    }

    /// Whether an image has it: then, whether it is the very one, and its serial.
    fn candidate(&self, path: &Path, sought: &Sought<'_>) -> Result<Option<(bool, u64)>, LoadError> {
        let file = self.trust.read(path)?;
        let verified = self.trust.verify_again(&file)?;
        let has = |line: &GuestLine| {
            line.is_of(sought.machine)
                && line.version(sought.version).is_some_and(|version| version.fingerprint == sought.shape)
        };
        let head = verified.head();
        let is_it = sought.build.is_some_and(|build| head.digest.to_string() == build);
        let rank = (is_it, head.claims.serial);
        Ok(inspect(verified.image())?.machines.iter().any(has).then_some(rank))
    }

    /// Lets an image go, if no switch uses any of its versions: they are no longer available, and it leaves the process's
    /// memory.
    ///
    /// # Errors
    ///
    /// When there is no such image, or it is in use.
    pub fn unload(&self, id: &str) -> Result<LetGo, LoadError> {
        let let_go = || {
            let _turn = turn();
            let image = here().iter().find(|image| image.id == id).cloned();
            image.ok_or_else(|| LoadError::NoImage { id: id.to_owned() })?.leave(&self.by)
        };
        // nothing is held while subscribers of `tracing` hear of it
        let let_go = self.audited(&format!("let go {id}"), let_go())?;
        tell_pinned(id, &let_go);
        Ok(let_go)
    }

    /// Says of a refusal to every live switch, for nobody knows yet whom it was meant for.
    fn audited<T>(&self, what: &str, done: Result<T, LoadError>) -> Result<T, LoadError> {
        if let Err(error) = &done {
            for switch in registry::switches() {
                switch.host().note(what.to_owned(), Some(error.to_string()), &self.by);
            }
            tracing::warn!(target: "hotswap", %error, "{what}: refused");
        }
        done
    }
}

fn tell_pinned(id: &str, let_go: &LetGo) {
    if let LetGo::Pinned { reason } = let_go {
        tracing::warn!(target: "hotswap", image = id, reason, "an image is pinned");
    }
}

/// An image on its way in.
struct Coming<'a> {
    from: Option<&'a Path>,
    digest: Digest,
    serial: Option<u64>,
    image: &'a [u8],
    by: &'a str,
}

impl Coming<'_> {
    /// Every check, then the image itself, then its versions to the switches.
    ///
    /// # Safety
    ///
    /// As [`super::load`].
    #[expect(unsafe_code, reason = "it loads")]
    unsafe fn come_in(self, accept: impl FnOnce() -> Result<(), LoadError>) -> Result<Arrived, LoadError> {
        super::supported()?;
        let _turn = turn();
        if let Some(image) = here().iter().find(|image| image.digest == self.digest) {
            return Err(LoadError::AlreadyHere { id: image.id.clone() });
        }
        let manifest = inspect(self.image)?;
        manifest.check()?;
        fits(&manifest)?;
        // SAFETY: promised by the caller
        let arrived = unsafe { super::load(self.image, &self.digest) }?;
        accept()?;
        let image = Arc::new(Image {
            id: arrived.image.name().to_owned(),
            guests: arrived.guests,
            from: self.from.map(Path::to_owned),
            digest: self.digest,
            serial: self.serial,
        });
        // first for the switches that are made from here on, then for those that are there
        here().push(Arc::clone(&image));
        let mut arrived = image.bring(self.by).inspect_err(|_| drop(Arc::clone(&image).leave(self.by)))?;
        let older: Vec<_> = here().iter().filter(|other| image.stands_in_for(other)).cloned().collect();
        for other in older {
            let (id, switches) = (other.id.clone(), other.switches());
            // one that is in use stays
            if let Ok(fate) = other.leave(self.by) {
                for switch in switches {
                    switch.host().note(format!("let go {id}: {} has all that it had", image.id), None, self.by);
                }
                arrived.let_go.push((id, fate));
            }
        }
        Ok(arrived)
    }
}

/// Whether an image has something for this program, and fits everything that is here.
fn fits(manifest: &Manifest) -> Result<(), LoadError> {
    let (mut known, mut news) = (false, false);
    for line in &manifest.machines {
        for here in compiled(line) {
            known = true;
            news |= !here.fit(line)?.is_empty();
        }
        for switch in switches(line) {
            news |= !switch.host().fit(line)?.is_empty();
        }
    }
    if !known {
        let found = manifest.machines.iter().map(|line| line.machine.clone()).collect();
        return Err(LoadError::NoMachine { found });
    }
    if news { Ok(()) } else { Err(LoadError::NothingNew) }
}

/// The compiled-in machines that a line of an image may be of: the one, or else those that only have its name.
fn compiled(line: &GuestLine) -> Vec<Here> {
    let namesakes = || __private::inventory::iter::<Compiled>.into_iter().filter(|it| it.identity.name == line.machine);
    let is_it = namesakes().any(|it| line.is_of(it.identity));
    let candidates = namesakes().filter(|it| !is_it || line.is_of(it.identity));
    candidates.map(|it| Here::compiled(it.identity, it.versions, it.inputs)).collect()
}

/// The live switches of a machine in an image.
fn switches(line: &GuestLine) -> Vec<Arc<dyn Live>> {
    registry::switches().into_iter().filter(|switch| line.is_of(switch.machine())).collect()
}

impl Image {
    fn bring(&self, by: &str) -> Result<Arrived, LoadError> {
        let mut brought = Vec::new();
        for guest in &self.guests {
            for switch in switches(guest.line()) {
                let versions = switch.host().bring(guest, by)?;
                if !versions.is_empty() {
                    brought.push((switch.label().to_owned(), versions));
                }
            }
        }
        Ok(Arrived { id: self.id.clone(), brought, let_go: Vec::new() })
    }

    /// The live switches of its machines.
    fn switches(&self) -> Vec<Arc<dyn Live>> {
        self.guests.iter().flat_map(|guest| switches(guest.line())).collect()
    }

    fn leave(self: Arc<Self>, by: &str) -> Result<LetGo, LoadError> {
        let holders = self.status().holders;
        if !holders.is_empty() {
            return Err(LoadError::InUse { id: self.id.clone(), holders });
        }
        // no switch that is made from here on gets it
        let place = here().iter().position(|image| Arc::ptr_eq(image, &self));
        here().retain(|image| !Arc::ptr_eq(image, &self));
        if let Err(holders) = self.take_away(by) {
            here().insert(place.unwrap_or(0), Arc::clone(&self));
            return Err(LoadError::InUse { id: self.id.clone(), holders });
        }
        let id = self.id.clone();
        drop(self);
        Ok(super::fate(&id))
    }

    /// Takes its versions from every switch; or from none, if a command came between and uses one.
    fn take_away(&self, by: &str) -> Result<(), Vec<Holder>> {
        let users = self.guests.iter().flat_map(|guest| switches(guest.line()).into_iter().map(move |it| (it, guest)));
        let users: Vec<_> = users.collect();
        let mut without = Vec::new();
        for (switch, guest) in &users {
            match switch.host().take_away(guest, by) {
                Ok(put_back) => without.extend(put_back),
                Err(holders) => {
                    for put_back in without {
                        put_back();
                    }
                    return Err(holders);
                }
            }
        }
        Ok(())
    }

    /// Whether another image has nothing that this one does not have.
    fn stands_in_for(&self, other: &Self) -> bool {
        let stands_in = |theirs: &Arc<dyn Guest>| {
            let mut ours = self.guests.iter().map(|guest| guest.line());
            let line = theirs.line();
            let same =
                |it: &&GuestLine| (&it.machine, &it.krate, &it.module) == (&line.machine, &line.krate, &line.module);
            ours.find(same).is_some_and(|it| line.versions.iter().all(|version| it.version(version.number).is_some()))
        };
        self.id != other.id && other.guests.iter().all(stands_in)
    }

    fn status(&self) -> ImageStatus {
        let machine = |guest: &Arc<dyn Guest>| {
            let line = guest.line();
            (line.machine.clone(), line.versions.iter().map(|version| version.number).collect())
        };
        let holders = |guest: &Arc<dyn Guest>| {
            switches(guest.line()).into_iter().flat_map(|switch| switch.host().holders(&self.id)).collect::<Vec<_>>()
        };
        ImageStatus {
            id: self.id.clone(),
            from: self.from.clone(),
            serial: self.serial,
            digest: self.digest.to_string(),
            machines: self.guests.iter().map(machine).collect(),
            holders: self.guests.iter().flat_map(holders).collect(),
        }
    }
}

/// What the images that are here bring to the line of a new switch; that they fit what is compiled in was asked as they
/// came.
pub(crate) fn bring_to<M: Machine>(line: &Line<M>) {
    let newest = M::VERSIONS.last().map_or(0, |version| version.number);
    for image in &*here() {
        for guest in image.guests.iter().filter(|guest| guest.line().is_of(M::IDENTITY)) {
            let numbers = guest.line().versions.iter().map(|version| version.number);
            line.bring(numbers.filter(|number| *number > newest), guest);
        }
    }
}
