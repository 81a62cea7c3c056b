//! A switch as the program holds it: where cells, instances, fleets and the admin handle come from.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use crate::admin::Admin;
use crate::cell::Cell;
use crate::command::{alarm, store_now};
use crate::error::{EnterError, SwitchError, VersionError};
use crate::fault;
use crate::fleet::{Fleet, Key};
use crate::instance::Instance;
use crate::line::Line;
use crate::machine::{Machine, NameOf};
use crate::registry;
use crate::roster::{Find, Shared, Sought};
use crate::slab::Slab;
use crate::snapshot::{self, SnapshotError};
use crate::store::{OpenError, Record, Store};
use crate::sweep::Sweeper;
use crate::switch::{Core, Lasting};

/// Says which version of a machine is meant to run; many instances follow it. A clone is the same switch.
///
/// # Examples
///
/// With the counter of the [front page](crate):
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use counter::{Get, Switch, Tick, V1, Version};
///
/// let switch = Switch::builder().label("visits").starting_at(Version::V1).build()?;
/// let door = switch.named_cell("door", V1 { count: 0 })?;
/// let gate = switch.named_cell("gate", V1 { count: 0 })?;
/// door.step(Tick)?;
///
/// switch.admin().upgrade(Version::V2, "count ticks too")?;
/// assert_eq!((door.version(), gate.version()), (Some(2), Some(2)));
/// assert_eq!(door.step(Get)?, 1);
/// # Ok(())
/// # }
/// ```
pub struct Switch<M: Machine>(Arc<Shared<M>>);

/// How a switch is to start.
pub struct SwitchBuilder<M: Machine> {
    label: Option<String>,
    version: Option<u32>,
    /// Where a version that is not compiled in may be found, by its shape.
    find: Option<Find>,
    machine: PhantomData<fn() -> M>,
}

impl<M: Machine> Switch<M> {
    /// A switch at the machine's newest version, labelled with the machine's name, numbered if that is taken.
    #[must_use]
    pub fn new() -> Self {
        let fresh = |label: &str| Ok::<_, Infallible>(fresh(label, newest::<M>(), known_here(), None));
        match registry::claim_numbered(M::IDENTITY.name, fresh) {
            Ok(shared) => Self(shared),
            Err(never) => match never {},
        }
    }

    /// A switch whose label and first version are chosen.
    #[must_use]
    pub fn builder() -> SwitchBuilder<M> {
        SwitchBuilder { label: None, version: None, find: None, machine: PhantomData }
    }

    /// The switch whose permanent version, epoch and outcomes are in the file at `path`, made if it is not there.
    ///
    /// A commit is in the file before it answers. A restart comes up at the permanent version: one in the middle of a
    /// probation undoes it, and [`Fleet::restore`] brings saved states down by the declared way, or from the file kept since
    /// before the upgrade. The outcome of kind [`Kind::Start`](crate::Kind::Start) says what was undone.
    ///
    /// What an outcome counts after its command has answered is in the file only from the next command on. A switch that ends
    /// writes nothing: its instances have gone before it, and the file would say so of all that were held back or not reached.
    ///
    /// Commands wait for the disk, on the calling thread. Beside the file stand `.lock`, which keeps other programs out, and
    /// for a moment `.new`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written, is open elsewhere, is damaged or another machine's, or its permanent version
    /// is not one that this program can run.
    ///
    /// # Examples
    ///
    /// With the counter of the [front page](crate):
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = std::env::temp_dir().join(format!("hotswap-doc-open-{}", std::process::id()));
    /// use counter::{Switch, Version};
    ///
    /// let switch = Switch::builder().starting_at(Version::V1).open(&path)?;
    /// switch.admin().upgrade(Version::V2, "count ticks too")?;
    /// drop(switch); // the program ends before anybody committed
    ///
    /// let switch = Switch::open(&path)?;
    /// assert_eq!(switch.version(), 1);
    /// switch.admin().upgrade(Version::V2, "count ticks too")?;
    /// switch.admin().commit()?;
    /// drop(switch);
    ///
    /// assert_eq!(Switch::open(&path)?.version(), 2);
    /// # std::fs::remove_file(&path)?;
    /// # std::fs::remove_file(path.with_extension("lock"))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open(path)
    }

    /// One instance that threads share.
    ///
    /// # Errors
    ///
    /// The state comes back if it cannot be brought to the version that runs.
    pub fn cell(&self, state: impl Into<M::AnyState>) -> Result<Cell<M>, EnterError<M::AnyState>> {
        Cell::enter(Arc::clone(&self.0), None, state.into())
    }

    /// One instance that threads share, called `name` in outcomes and for `get_state`.
    ///
    /// # Errors
    ///
    /// As [`Switch::cell`].
    pub fn named_cell(
        &self,
        name: impl Into<String>,
        state: impl Into<M::AnyState>,
    ) -> Result<Cell<M>, EnterError<M::AnyState>> {
        Cell::enter(Arc::clone(&self.0), Some(name.into()), state.into())
    }

    /// One instance that its owner steps through `&mut`, without a lock. It is counted, and moves when it is stepped;
    /// no sweep reaches it.
    ///
    /// # Errors
    ///
    /// As [`Switch::cell`].
    pub fn instance(&self, state: impl Into<M::AnyState>) -> Result<Instance<M>, EnterError<M::AnyState>> {
        Instance::enter(&self.0, state.into())
    }

    /// An empty slab: many instances that one owner has, side by side, to be stepped together. They are counted, and move
    /// when they are stepped; no sweep reaches them.
    #[must_use]
    pub fn slab(&self) -> Slab<M> {
        Slab::new(Arc::clone(&self.0))
    }

    /// An empty fleet: many instances by key.
    #[must_use]
    pub fn fleet<K: Key>(&self) -> Fleet<M, K> {
        Fleet::new(Arc::clone(&self.0))
    }

    /// The handle by which this switch is commanded.
    #[must_use]
    pub fn admin(&self) -> Admin<M> {
        Admin::new(Arc::clone(&self.0))
    }

    /// Sweeps in slices, for hosts whose serving threads do it between requests.
    #[must_use]
    pub fn sweeper(&self) -> Sweeper<M> {
        Sweeper::new(Arc::clone(&self.0))
    }

    /// The version that runs.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.0.core.release().version
    }

    /// Its label, unique in the process.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.0.core.label
    }
}

impl<M: Machine> Default for Switch<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Machine> Clone for Switch<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Machine> fmt::Debug for Switch<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switch").field("label", &self.label()).field("version", &self.version()).finish()
    }
}

/// A switch that runs for the first time, and nowhere but in memory.
fn fresh<M: Machine>(label: &str, version: u32, line: Line<M>, find: Option<Find>) -> Shared<M> {
    let core = Core::new(label.to_owned(), &Lasting::new(version), Vec::new());
    Shared::new(core, None, line, find, alarm)
}

/// The newest version that has steps.
fn newest<M: Machine>() -> u32 {
    M::VERSIONS.iter().rev().find(|version| !version.decode_only()).map_or(0, |version| version.number)
}

impl<M: Machine> SwitchBuilder<M> {
    /// A label of its own; refused when another live switch has it.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The version to start at; the newest if none is named.
    #[must_use]
    pub fn starting_at(mut self, version: impl NameOf<M>) -> Self {
        self.version = Some(version.number());
        self
    }

    /// Makes the switch.
    ///
    /// # Errors
    ///
    /// When the label is taken, or the version is not one to run.
    pub fn build(self) -> Result<Switch<M>, SwitchError> {
        let fresh = |label: &str| {
            let line = known_here::<M>();
            let version = line.runnable(self.version.unwrap_or_else(newest::<M>)).map_err(SwitchError::Version)?;
            Ok(fresh(label, version, line, self.find))
        };
        match self.label {
            None => registry::claim_numbered(M::IDENTITY.name, fresh),
            Some(label) => registry::claim(&label, fresh).unwrap_or(Err(SwitchError::LabelTaken(label))),
        }
        .map(Switch)
    }

    /// Where a version is looked for that is not compiled in and not here: in the folder of these images. It is a store's
    /// permanent version, for [`SwitchBuilder::open`]; or one that states of a file are of, for [`Fleet::restore`]. Where the
    /// permanent version is not found, the switch comes up at the newest that it has, and its audit says why; the store
    /// keeps what was committed until the next command.
    #[cfg(feature = "load")]
    #[must_use]
    pub fn images(mut self, images: &crate::load::Images) -> Self {
        let images = images.clone();
        self.find = Some(Box::new(move |sought| images.find(sought)));
        self
    }

    /// As [`Switch::open`]. The label and the version to start at are for a file that is not there yet; after that its own
    /// count, and another label is refused.
    ///
    /// # Errors
    ///
    /// As [`Switch::open`]; and when the label is taken, or not the file's.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Switch<M>, OpenError> {
        let version = match self.version {
            Some(asked) => known_here::<M>().runnable(asked).map_err(OpenError::Version)?,
            None => newest::<M>(),
        };
        let label = self.label.clone().unwrap_or_else(|| M::IDENTITY.name.to_owned());
        let mut lost = None;
        let come_up = |permanent, shape: &str, image: Option<&str>| {
            let sought = Sought { machine: M::IDENTITY, version: permanent, shape, build: image };
            self.come_up(&sought, &mut lost)
        };
        let (store, record) = Store::open::<M>(path.as_ref(), come_up, || Record::new(label, version))?;
        if let Some(asked) = self.label.as_ref().filter(|asked| **asked != record.label) {
            return Err(OpenError::OtherLabel { stored: record.label, asked: asked.clone() });
        }
        let Record { label, release, image, commands, .. } = record;
        let claimed = registry::claim(&label, |label| {
            let line = known_here::<M>();
            let not_there = |error| OpenError::Permanent { path: path.as_ref().to_owned(), error };
            line.runnable(release.permanent).map_err(not_there)?;
            let core = Core::new(label.to_owned(), &release, commands);
            Ok(Shared::new(core, Some(store), line, self.find, alarm))
        });
        let switch = Switch(claimed.unwrap_or_else(|| Err(OpenError::LabelTaken(label.clone())))?);
        let lost = lost.or_else(|| another_build(&switch.0.line, release.permanent, image.as_deref()));
        if let Some((what, why)) = lost {
            // the store goes on saying what was committed, until a command says otherwise: at the next start it may be found
            tracing::error!(target: "hotswap", switch = label, why, "{what}");
            switch.0.core.control().refused(switch.0.core.epoch(), what, why, "");
        } else {
            store_now(&switch.0).map_err(|source| OpenError::Io { path: path.as_ref().to_owned(), source })?;
        }
        fault::point("open", "done");
        Ok(switch)
    }

    /// The version to come up at, where the one that is sought was committed; `lost` says why it is another.
    fn come_up(&self, sought: &Sought<'_>, lost: &mut Option<(String, String)>) -> Result<u32, SnapshotError> {
        let runs = || {
            let line = known_here::<M>();
            snapshot::check_shape(&line, sought.version, sought.shape)?;
            line.runnable(sought.version).map_err(SnapshotError::Version)
        };
        let another = || another_build(&known_here::<M>(), sought.version, sought.build);
        let find = match (runs(), &self.find) {
            (Ok(_), Some(find)) if another().is_some() => find,
            (Err(SnapshotError::Version(VersionError::Unknown { .. })), Some(find)) => find,
            (runs, _) => return runs,
        };
        let found = find(sought);
        match runs() {
            Ok(version) => {
                let tried = found.unwrap_or_else(|error| vec![error]);
                *lost = another().map(|(what, why)| (what, [vec![why], tried].concat().join("; ")));
                Ok(version)
            }
            Err(unknown) => {
                let newest = newest::<M>();
                let gave_way =
                    || format!("{unknown}: an image that is here has it, and another one has taken its place");
                *lost = Some((format!("start at version {newest}: {unknown}"), found.err().unwrap_or_else(gave_way)));
                Ok(newest)
            }
        }
    }
}

/// Whether the version comes from another image than the one that was committed: what it was to do, and why it does not.
fn another_build<M: Machine>(line: &Line<M>, version: u32, committed: Option<&str>) -> Option<(String, String)> {
    let (owner, committed) = (line.owner(version)?, committed?);
    let what = format!("start at version {version} as it was committed");
    let why = format!("that was of image {committed}; here it is of {}, which is {}", owner.image(), owner.build());
    (owner.build() != committed).then_some((what, why))
}

/// What is compiled in, and what images have brought.
fn known_here<M: Machine>() -> Line<M> {
    let line = Line::new();
    #[cfg(feature = "load")]
    crate::load::bring_to(&line);
    line
}

impl<M: Machine> fmt::Debug for SwitchBuilder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwitchBuilder")
            .field("label", &self.label)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl<M: Machine> Cell<M> {
    /// A cell on a switch of its own, at the state's version: the lowest one with that type of state.
    ///
    /// # Panics
    ///
    /// If that version is decode-only; [`Cell::new_at`] names another.
    #[must_use]
    #[track_caller]
    pub fn new(state: impl Into<M::AnyState>) -> Self {
        let state = state.into();
        match Self::new_at(M::version_of(&state), state) {
            Ok(cell) => cell,
            #[expect(clippy::panic, reason = "documented: `new_at` is the way that does not")]
            Err(error) => panic!("{error}"),
        }
    }

    /// A cell on a switch of its own, at the given version.
    ///
    /// # Errors
    ///
    /// When the version is not one to run, or the state cannot be brought there.
    pub fn new_at(version: impl NameOf<M>, state: impl Into<M::AnyState>) -> Result<Self, NotMade<M::AnyState>> {
        let state = state.into();
        match Switch::builder().starting_at(version.number()).build() {
            Ok(switch) => switch.cell(state).map_err(NotMade::State),
            Err(error) => Err(NotMade::Switch { state, error }),
        }
    }

    /// The handle by which this cell's switch is commanded.
    #[must_use]
    pub fn admin(&self) -> Admin<M> {
        Admin::new(Arc::clone(self.shared()))
    }

    /// The switch that this cell follows.
    #[must_use]
    pub fn switch(&self) -> Switch<M> {
        Switch(Arc::clone(self.shared()))
    }
}

/// A cell with a switch of its own that could not be made. The state comes back.
#[derive(thiserror::Error)]
pub enum NotMade<S> {
    /// The switch could not be made.
    #[error("{error}")]
    Switch {
        /// The state, untouched.
        state: S,
        /// Why.
        error: SwitchError,
    },
    /// The state could not be brought to the version.
    #[error("{0}")]
    State(EnterError<S>),
}

impl<S> fmt::Debug for NotMade<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch { error, .. } => f.debug_tuple("Switch").field(error).finish(),
            Self::State(error) => f.debug_tuple("State").field(error).finish(),
        }
    }
}
