//! Files of states and inputs as released versions wrote them, and whether today's code still reads them the same.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::json::json;
use crate::frame::{self, Holds};
use crate::line::Line;
use crate::machine::{Machine, NameOf, known};
use crate::snapshot::{self, Codec, Postcard, SnapshotError};
use crate::way::contain;

/// Set, it lets files be written that are not there yet.
const RECORD: &str = "HOTSWAP_RECORD";

/// States and inputs of released versions, a file each, beside what they are as JSON.
///
/// With `HOTSWAP_RECORD=1` in the environment, [`Golden::check`] writes the files that are missing; commit them. A file that
/// is there is never written again. Versions are told apart by number: `v1.state`, `v1.Tick.input`. Where one is not enough, as
/// for a state that is an `enum`, each gets a name: `v3.list.state`.
///
/// A map whose keys JSON cannot spell is a list of pairs in the JSON. What has no order, as a `HashSet`, is not read back as the
/// same list; keep one with a single element.
///
/// # Examples
///
/// With the counter of the [front page](crate):
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/counter.rs"));
/// # fn main() {
/// # let folder = std::env::temp_dir().join(format!("hotswap-doc-golden-{}", std::process::id()));
/// use counter::{Get, Machine, V1, V2};
/// use hotswap::testing::Golden;
///
/// // in a test; `folder` is one of the repository's, such as "tests/golden"
/// Golden::<Machine>::in_folder(&folder)
///     .state(V1 { count: 7 })
///     .input(1, Get)
///     .state(V2 { count: 7, ticks: 3 })
/// #   .recording(true)
///     .check();
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # }
/// ```
#[derive(Debug)]
pub struct Golden<M: Machine> {
    folder: PathBuf,
    kept: Vec<Kept>,
    recording: bool,
    machine: PhantomData<fn() -> M>,
}

/// What a file is to hold.
#[derive(Debug)]
struct Kept {
    name: String,
    bytes: Result<Vec<u8>, String>,
    json: Result<Value, String>,
}

impl<M: Machine> Golden<M> {
    /// The files in this folder, which is made when the first is written.
    #[must_use]
    pub fn in_folder(folder: impl AsRef<Path>) -> Self {
        let recording = env::var_os(RECORD).is_some_and(|on| on != "0");
        Self { folder: folder.as_ref().to_owned(), kept: Vec::new(), recording, machine: PhantomData }
    }

    /// Whether missing files may be written; as the environment says, unless told.
    #[must_use]
    pub fn recording(mut self, on: bool) -> Self {
        self.recording = on;
        self
    }

    /// A state of a released version. One of a version that changes behaviour only is named by its variant of `AnyState`.
    #[must_use]
    pub fn state(self, state: impl Into<M::AnyState>) -> Self {
        self.keep_state("", &state.into())
    }

    /// One of several states of a version, by a name of its own, which is part of the file's.
    #[must_use]
    pub fn state_named(self, name: &str, state: impl Into<M::AnyState>) -> Self {
        self.keep_state(&format!(".{name}"), &state.into())
    }

    /// An input as callers of a released version send it. One of each type is kept.
    #[must_use]
    pub fn input(self, version: impl NameOf<M>, input: impl Into<M::AnyInput>) -> Self {
        self.keep_input("", version.number(), &input.into())
    }

    /// One of several inputs of a type, by a name of its own, which is part of the file's.
    #[must_use]
    pub fn input_named(self, name: &str, version: impl NameOf<M>, input: impl Into<M::AnyInput>) -> Self {
        self.keep_input(&format!(".{name}"), version.number(), &input.into())
    }

    fn keep_state(mut self, name: &str, state: &M::AnyState) -> Self {
        let bytes = snapshot::encode::<M>(state).map_err(|error| error.to_string());
        self.kept.push(Kept { name: format!("v{}{name}.state", M::version_of(state)), bytes, json: shown(state) });
        self
    }

    fn keep_input(mut self, name: &str, version: u32, input: &M::AnyInput) -> Self {
        let json = shown(input);
        let tag = json.as_ref().ok().and_then(|json| json[0].as_str()).unwrap_or("?").to_owned();
        let bytes = contain(|| Postcard::encode(input)).and_then(|body| body).and_then(|body| {
            let header = snapshot::header_of(&Line::<M>::new(), Holds::Input, Postcard::NAME, version);
            header.and_then(|header| frame::seal(header, &body)).map_err(|error| error.to_string())
        });
        self.kept.push(Kept { name: format!("v{version}.{tag}{name}.input"), bytes, json });
        self
    }

    /// Checks every file of the folder, those that were not named here too: each is still decoded to what its JSON says,
    /// and each state still goes up to the newest version.
    ///
    /// # Panics
    ///
    /// If one is not, one that is named here is missing and may not be written, or is of another state.
    #[track_caller]
    pub fn check(self) {
        let mut wrong: Vec<String> = self.kept.iter().filter_map(|kept| self.keep(kept).err()).collect();
        match files(&self.folder) {
            Ok(names) if names.is_empty() => wrong.push(format!("{} holds none", self.folder.display())),
            Ok(names) => wrong.extend(names.iter().filter_map(|name| self.read(name).err())),
            Err(error) => wrong.push(format!("{}: {error}", self.folder.display())),
        }
        let mut said = String::new();
        for wrong in &wrong {
            let _ = write!(said, "\n  {wrong}");
        }
        assert!(wrong.is_empty(), "released versions of machine `{}`:{said}", M::IDENTITY.name);
    }

    /// Writes a file that is not there, if that is wanted; or compares it.
    fn keep(&self, kept: &Kept) -> Result<(), String> {
        let Kept { name, bytes, json } = kept;
        let path = self.folder.join(name);
        let said = |error: &dyn std::fmt::Display| format!("{name}: {error}");
        let json = json.as_ref().map_err(|error| said(error))?;
        if path.exists() {
            let there = read_json(&path).map_err(|error| said(&error))?;
            return if there == *json { Ok(()) } else { Err(format!("{name} is {there}, not {json}")) };
        }
        if !self.recording {
            return Err(format!("{name} is not there; run once with {RECORD}=1, and commit it"));
        }
        let bytes = bytes.as_ref().map_err(|error| said(error))?;
        let pretty = serde_json::to_string_pretty(json).map_err(|error| said(&error))?;
        fs::create_dir_all(&self.folder)
            .and_then(|()| fs::write(json_of(&path), pretty + "\n"))
            .and_then(|()| fs::write(&path, bytes))
            .map_err(|error| said(&error))
    }

    fn read(&self, name: &str) -> Result<(), String> {
        let path = self.folder.join(name);
        let said = |error: &dyn std::fmt::Display| format!("{name}: {error}");
        let bytes = fs::read(&path).map_err(|error| said(&error))?;
        let expected = read_json(&path).map_err(|error| said(&error))?;
        let header = snapshot::header(&bytes).map_err(|error| said(&error))?;
        let found = match header.holds {
            Holds::Input => input::<M>(&bytes).map_err(|error| said(&error))?,
            _ => state::<M>(&bytes, header.version).map_err(|error| said(&error))?,
        };
        if found == expected { Ok(()) } else { Err(format!("{name} was {expected}, and is read as {found} now")) }
    }
}

/// A state of its own version, as JSON; it must go up as well.
fn state<M: Machine>(bytes: &[u8], version: u32) -> Result<Value, String> {
    let state = snapshot::decode::<M>(bytes, version).map_err(|error| error.to_string())?;
    let newest = M::VERSIONS.last().map_or(version, |info| info.number);
    snapshot::decode::<M>(bytes, newest).map_err(|error| error.to_string())?;
    shown(&state)
}

fn input<M: Machine>(bytes: &[u8]) -> Result<Value, String> {
    let read = || -> Result<M::AnyInput, SnapshotError> {
        let (header, body) = frame::open(bytes)?;
        snapshot::check::<M>(header, Holds::Input)?;
        known::<M>(header.version).map_err(SnapshotError::Version)?;
        decode(body).map_err(SnapshotError::Undecodable)
    };
    shown(&read().map_err(|error| error.to_string())?)
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    contain(|| Postcard::decode(body))?
}

fn shown(value: &impl Serialize) -> Result<Value, String> {
    contain(|| json(value).map_err(|error| error.to_string()))?
}

fn read_json(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(json_of(path)).map_err(|error| format!("its JSON cannot be read: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("its JSON cannot be read: {error}"))
}

fn json_of(path: &Path) -> PathBuf {
    crate::file::beside(path, ".json")
}

/// The names of all states and inputs in a folder, sorted.
fn files(folder: &Path) -> std::io::Result<BTreeSet<String>> {
    let names = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    let names: BTreeSet<String> = names.collect::<Result<_, _>>()?;
    // by the JSON too: where that is and the bytes are not, they are missed
    let mut names: BTreeSet<_> =
        names.iter().map(|name| name.strip_suffix(".json").unwrap_or(name).to_owned()).collect();
    names.retain(|name| {
        Path::new(name).extension().is_some_and(|extension| extension == "state" || extension == "input")
    });
    Ok(names)
}
