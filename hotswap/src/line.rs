//! The versions of one switch: those that are compiled in, those that images have brought, and the ways between them.

use std::fmt;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use crate::error::VersionError;
use crate::loaded::{Guest, GuestInput, GuestVersion, Loaded};
use crate::machine::{self, Edge, How, Machine};
use crate::sync::Current;

/// A machine's versions in order, with the migrations between neighbours, and those that images have brought.
pub(crate) struct Line<M: Machine> {
    numbers: Vec<u32>,
    /// `up[i]` leads from `numbers[i]` to the next; `down[i]` leads from `numbers[i]` to the one before.
    up: Vec<Option<&'static Edge<M::AnyState>>>,
    down: Vec<Option<&'static Edge<M::AnyState>>>,
    brought: Current<Vec<Brought>>,
}

/// A version, and the image that it came with.
#[derive(Clone)]
struct Brought {
    version: u32,
    by: Arc<dyn Guest>,
}

/// What images had brought before one was taken away.
pub(crate) struct BroughtBefore(Arc<Vec<Brought>>);

/// Where a way begins: a version, and the image that owns the state, which may have been let go of since.
pub(crate) struct Start {
    pub(crate) version: u32,
    pub(crate) owner: Option<Arc<dyn Guest>>,
}

/// One hop of a way.
pub(crate) enum Hop<M: Machine> {
    /// A migration that is compiled in.
    Edge(&'static Edge<M::AnyState>),
    /// Into an image, out of one, or on inside of it: the state goes as bytes, and stays whole until the new one is in place.
    Crossing(Box<Crossing>),
}

/// The hops from one version to another. Most ways are short, and are found without asking for memory where they are compiled in.
pub(crate) type Way<M> = SmallVec<[Hop<M>; 4]>;

/// A way that an image knows, of as many migrations as it has.
pub(crate) struct Crossing {
    path: Vec<u32>,
    pub(crate) to: u32,
    loses: Vec<String>,
    /// It knows both ends.
    pub(crate) through: Arc<dyn Guest>,
    /// The image that runs `to`; the program itself if none.
    pub(crate) owner: Option<Arc<dyn Guest>>,
}

impl<M: Machine> Line<M> {
    pub(crate) fn new() -> Self {
        let numbers: Vec<u32> = M::VERSIONS.iter().map(|version| version.number).collect();
        let edge = |from: Option<&u32>, to: Option<&u32>| {
            let (from, to) = (from?, to?);
            M::EDGES.iter().find(|edge| edge.from == *from && edge.to == *to)
        };
        let up = (0..numbers.len()).map(|i| edge(numbers.get(i), numbers.get(i + 1))).collect();
        let down = (0..numbers.len())
            .map(|i| edge(numbers.get(i), i.checked_sub(1).and_then(|before| numbers.get(before))))
            .collect();
        Self { numbers, up, down, brought: Current::new(Arc::default()) }
    }

    /// Takes in versions that an image brought. Only who holds the control lock may.
    pub(crate) fn bring(&self, versions: impl IntoIterator<Item = u32>, by: &Arc<dyn Guest>) {
        let versions: Vec<u32> = versions.into_iter().collect();
        let mut brought = (*self.brought.load_full()).clone();
        // where another build of a version that nobody used takes its place, the older image goes as a whole: what else it
        // has would read that version in its own way
        let replaced: Vec<_> =
            brought.iter().filter(|one| versions.contains(&one.version)).map(|one| Arc::clone(&one.by)).collect();
        brought.retain(|one| !replaced.iter().any(|by| Arc::ptr_eq(by, &one.by)));
        brought.extend(versions.into_iter().map(|version| Brought { version, by: Arc::clone(by) }));
        brought.sort_by_key(|one| one.version);
        self.brought.store(Arc::new(brought));
    }

    /// Forgets an image, and gives what had been brought before, if anything of that was its. What another image has in the
    /// same shape goes on as that one's. Only who holds the control lock may.
    pub(crate) fn take_away(&self, by: &Arc<dyn Guest>) -> Option<BroughtBefore> {
        let before = self.brought.load_full();
        let (gone, mut left): (Vec<_>, Vec<_>) = before.iter().cloned().partition(|one| Arc::ptr_eq(&one.by, by));
        for version in gone.iter().map(|one| one.version) {
            let shape = |guest: &Arc<dyn Guest>| guest.line().version(version).map(|it| it.fingerprint.clone());
            let heir = before.iter().rev().find(|one| !Arc::ptr_eq(&one.by, by) && shape(&one.by) == shape(by));
            left.extend(heir.map(|heir| Brought { version, by: Arc::clone(&heir.by) }));
        }
        left.sort_by_key(|one| one.version);
        self.brought.store(Arc::new(left));
        (!gone.is_empty()).then_some(BroughtBefore(before))
    }

    /// Knows again what it knew before an image was taken away, which nothing has followed. Only who holds the control lock may.
    pub(crate) fn put_back(&self, before: BroughtBefore) {
        self.brought.store(before.0);
    }

    /// Every input that is known here, each with the image that brought it.
    pub(crate) fn inputs(&self) -> Vec<(GuestInput, Option<String>)> {
        let compiled = M::INPUTS.iter().map(|input| (GuestInput::from(input), None));
        let brought = self.brought.load();
        let of_image = |one: &Brought| {
            let image = one.by.image().to_owned();
            one.by.line().inputs.iter().map(move |input| (input.clone(), Some(image.clone()))).collect::<Vec<_>>()
        };
        compiled.chain(brought.iter().flat_map(of_image)).collect()
    }

    /// Whether an image has an input of this name, which the program itself may lack.
    pub(crate) fn knows_input(&self, name: &str) -> bool {
        self.brought.load().iter().any(|one| one.by.line().knows_input(name))
    }

    /// The image that runs a version, if it is not compiled in.
    pub(crate) fn owner(&self, version: u32) -> Option<Arc<dyn Guest>> {
        owner(&self.brought.load(), version).cloned()
    }

    /// The versions that this image brought.
    pub(crate) fn brought_by(&self, guest: &Arc<dyn Guest>) -> Vec<u32> {
        self.brought.load().iter().filter(|one| Arc::ptr_eq(&one.by, guest)).map(|one| one.version).collect()
    }

    /// Every version that was brought, lowest first, with its image.
    pub(crate) fn brought(&self) -> Vec<(u32, Arc<dyn Guest>)> {
        self.brought.load().iter().map(|one| (one.version, Arc::clone(&one.by))).collect()
    }

    /// The numbers of all versions whose code is there, lowest first.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        let mut numbers = self.numbers.clone();
        numbers.extend(self.brought.load().iter().map(|one| one.version));
        numbers.sort_unstable();
        numbers
    }

    /// What is known of all of them, lowest first, each with the image that brought it.
    pub(crate) fn versions(&self) -> Vec<(GuestVersion, Option<String>)> {
        let compiled = M::VERSIONS.iter().map(|info| (GuestVersion::from(info), None));
        let brought = self.brought();
        let brought = brought.iter().filter_map(|(number, by)| {
            by.line().version(*number).map(|version| (version.clone(), Some(by.image().to_owned())))
        });
        let mut versions: Vec<_> = compiled.chain(brought).collect();
        versions.sort_by_key(|(version, _)| version.number);
        versions
    }

    /// The fingerprint of a version whose code is there.
    pub(crate) fn fingerprint(&self, asked: u32) -> Result<String, VersionError> {
        self.shape(asked).map(|(fingerprint, _)| fingerprint)
    }

    /// The same, and the image that has it, if it is not compiled in.
    pub(crate) fn shape(&self, asked: u32) -> Result<(String, Option<Arc<dyn Guest>>), VersionError> {
        if let Some(owner) = self.owner(asked)
            && let Some(version) = owner.line().version(asked)
        {
            return Ok((version.fingerprint.clone(), Some(owner)));
        }
        let compiled = machine::known::<M>(asked).map(|info| (info.fingerprint.to_owned(), None));
        compiled.map_err(|error| self.all_known(error))
    }

    /// The number, if it names a version with steps.
    pub(crate) fn runnable(&self, asked: u32) -> Result<u32, VersionError> {
        let takes_something = |version: &GuestVersion| !version.takes.is_empty();
        match self.owner(asked) {
            Some(owner) if owner.line().version(asked).is_some_and(takes_something) => Ok(asked),
            Some(_) => Err(VersionError::DecodeOnly { machine: M::IDENTITY.name.to_owned(), asked }),
            None => machine::runnable::<M>(asked).map_err(|error| self.all_known(error)),
        }
    }

    /// What is known here is more than what is compiled in.
    fn all_known(&self, mut error: VersionError) -> VersionError {
        if let VersionError::Unknown { known, .. } | VersionError::Retired { known, .. } = &mut error {
            *known = self.numbers();
        }
        error
    }

    /// The way from one version to another; `Err` names the neighbours that lack a migration.
    pub(crate) fn way(&self, from: impl Into<Start>, to: u32) -> Result<Way<M>, String> {
        let brought = self.brought.load();
        let Start { version: from, owner: own } = from.into();
        let (leaves, enters) = (own.as_ref().or_else(|| owner(&brought, from)), owner(&brought, to));
        let stays = leaves.zip(enters).is_none_or(|(leaves, enters)| Arc::ptr_eq(leaves, enters));
        if (from == to && stays) || (leaves.is_none() && enters.is_none()) {
            let mut hops = Way::new();
            self.edges(from, to, |edge| hops.push(Hop::Edge(edge)))?;
            return Ok(hops);
        }
        let no_way = || format!("there is no version {}", from.max(to));
        let through = if from > to { leaves } else { enters }.ok_or_else(no_way)?;
        let shape_of = |number| match &own {
            Some(own) if number == from => own.line().version(number).map(|version| version.fingerprint.clone()),
            _ => self.fingerprint(number).ok(),
        };
        // of what is not here any more, the image that it is in hand of knows
        let knows = |number| {
            let here = shape_of(number);
            let fits = |there: &GuestVersion| here.is_none_or(|here| here == there.fingerprint);
            through.line().version(number).is_some_and(fits)
        };
        for number in [from, to] {
            if knows(number) {
                continue;
            }
            // a version that is compiled in, and that the image has retired: the program's own migrations lead to one it has
            let nearest = |mid: &&u32| self.compiled(number) && **mid > number && **mid < from.max(to) && knows(**mid);
            let Some(&mid) = self.numbers.iter().find(nearest) else {
                return Err(format!("{} knows no version {number} of this shape", through.image()));
            };
            let mut hops = self.way(Start { version: from, owner: own.clone() }, mid)?;
            hops.extend(self.way(mid, to)?);
            return Ok(hops);
        }
        let edges = through.line().edges(from, to)?;
        let crossing = Crossing {
            path: edges.iter().map(|edge| edge.to).collect(),
            to,
            loses: edges.iter().filter_map(|edge| edge.loses.clone()).collect(),
            through: Arc::clone(through),
            owner: if self.compiled(to) { None } else { Some(Arc::clone(enters.unwrap_or(through))) },
        };
        Ok(smallvec![Hop::Crossing(Box::new(crossing))])
    }

    fn compiled(&self, number: u32) -> bool {
        self.numbers.binary_search(&number).is_ok()
    }

    /// Goes over the migrations that are compiled in from one version to another, up to where one is missing.
    fn edges(&self, from: u32, to: u32, mut each: impl FnMut(&'static Edge<M::AnyState>)) -> Result<(), String> {
        if from == to {
            return Ok(());
        }
        let at = |number: u32| self.numbers.binary_search(&number).map_err(|_| format!("there is no version {number}"));
        let (from, to) = (at(from)?, at(to)?);
        let mut hop = |edge: Option<&'static Edge<M::AnyState>>, i: usize, j: usize| {
            edge.map(&mut each).ok_or_else(|| missing(self.numbers[i], self.numbers[j]))
        };
        if from <= to {
            (from..to).try_for_each(|i| hop(self.up[i], i, i + 1))
        } else {
            (to + 1..=from).rev().try_for_each(|i| hop(self.down[i], i, i - 1))
        }
    }

    /// The way from `from` down to `low`, where it is lower, and on to `to`.
    pub(crate) fn way_by(&self, from: impl Into<Start>, low: u32, to: u32) -> Result<Way<M>, String> {
        let from = from.into();
        if low >= from.version {
            return self.way(from, to);
        }
        let mut hops = self.way(from, low)?;
        let owner = hops.last().and_then(Hop::owner).cloned();
        hops.extend(self.way(Start { version: low, owner }, to)?);
        Ok(hops)
    }

    /// What a way loses, in its authors' words.
    pub(crate) fn losses(&self, from: u32, to: u32) -> Vec<String> {
        self.losses_by(from, u32::MAX, to)
    }

    /// The same for a way by `low`.
    pub(crate) fn losses_by(&self, from: u32, low: u32, to: u32) -> Vec<String> {
        if !self.brought.load().is_empty() {
            return self.way_by(from, low, to).unwrap_or_default().iter().flat_map(Hop::loses).collect();
        }
        let mut losses = Vec::new();
        let mut each = |edge: &Edge<M::AnyState>| losses.extend(edge.loses.map(str::to_owned));
        let low = low.min(from);
        match self.edges(from, low, &mut each).and_then(|()| self.edges(low, to, &mut each)) {
            Ok(()) => losses,
            Err(_) => Vec::new(),
        }
    }
}

/// The way from one version that is compiled in to another, for whoever has no switch.
pub(crate) fn compiled_way<M: Machine>(from: u32, to: u32) -> Result<Way<M>, String> {
    let at = |number: u32| M::VERSIONS.iter().position(|version| version.number == number);
    let none = |number| format!("there is no version {number}");
    let (first, last) = (at(from).ok_or_else(|| none(from))?, at(to).ok_or_else(|| none(to))?);
    let hop = |from: usize, to: usize| {
        let (from, to) = (M::VERSIONS[from].number, M::VERSIONS[to].number);
        let edge = M::EDGES.iter().find(|edge| (edge.from, edge.to) == (from, to));
        edge.map(Hop::Edge).ok_or_else(|| missing(from, to))
    };
    if first <= last {
        (first..last).map(|at| hop(at, at + 1)).collect()
    } else {
        (last..first).rev().map(|at| hop(at + 1, at)).collect()
    }
}

fn missing(from: u32, to: u32) -> String {
    format!("no migration from version {from} to version {to}")
}

fn owner(brought: &[Brought], version: u32) -> Option<&Arc<dyn Guest>> {
    brought.iter().find(|one| one.version == version).map(|one| &one.by)
}

impl<M: Machine> fmt::Debug for Line<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("numbers", &self.numbers).finish_non_exhaustive()
    }
}

impl Start {
    /// Where a state is.
    pub(crate) fn of<M: Machine>(state: &M::AnyState) -> Self {
        Self { version: M::version_of(state), owner: M::as_loaded(state).map(Loaded::guest) }
    }
}

impl From<u32> for Start {
    /// A version as it is here.
    fn from(version: u32) -> Self {
        Self { version, owner: None }
    }
}

impl<M: Machine> Hop<M> {
    /// The image that owns the state behind it.
    fn owner(&self) -> Option<&Arc<dyn Guest>> {
        match self {
            Self::Edge(_) => None,
            Self::Crossing(crossing) => crossing.owner.as_ref(),
        }
    }

    /// The version that it leads to.
    pub(crate) fn to(&self) -> u32 {
        match self {
            Self::Edge(edge) => edge.to,
            Self::Crossing(crossing) => crossing.to,
        }
    }

    /// Every version that it comes to.
    pub(crate) fn path(&self) -> Vec<u32> {
        match self {
            Self::Edge(edge) => vec![edge.to],
            Self::Crossing(crossing) => crossing.path.clone(),
        }
    }

    /// What is lost on it, in its authors' words.
    pub(crate) fn loses(&self) -> Vec<String> {
        match self {
            Self::Edge(edge) => edge.loses.iter().map(|what| (*what).to_owned()).collect(),
            Self::Crossing(crossing) => crossing.loses.clone(),
        }
    }

    pub(crate) fn can_fail(&self) -> bool {
        !matches!(self, Self::Edge(edge) if edge.is_pure())
    }

    /// Whether anything of the user's runs on it, be it a `Drop`.
    pub(crate) fn can_linger(&self) -> bool {
        !matches!(self, Self::Edge(Edge { how: How::Derived { pure: true, drops: false, .. }, .. }))
    }
}
