//! The way of one state from its version to another, over declared migrations, with the old state whole until the end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::machine::{Edge, How, Machine};
use crate::sync::Inside;

/// A machine's versions in order, with the migrations between neighbours.
#[derive(Debug)]
pub(crate) struct Line<M: Machine> {
    numbers: Vec<u32>,
    /// `up[i]` leads from `numbers[i]` to the next; `down[i]` leads from `numbers[i]` to the one before.
    up: Vec<Option<&'static Edge<M::AnyState>>>,
    down: Vec<Option<&'static Edge<M::AnyState>>>,
}

/// Why a state did not arrive. It is where it was, unless `lost`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) reason: String,
    /// A panic in a moving migration took the state with it.
    pub(crate) lost: bool,
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
        Self { numbers, up, down }
    }

    /// The edges from one version to another; `Err` names the neighbours that lack one.
    pub(crate) fn edges(&self, from: u32, to: u32) -> Result<Vec<&'static Edge<M::AnyState>>, String> {
        let at = |number: u32| self.numbers.binary_search(&number).map_err(|_| format!("there is no version {number}"));
        let (from, to) = (at(from)?, at(to)?);
        let hop = |edge: Option<&'static Edge<M::AnyState>>, i: usize, j: usize| {
            edge.ok_or_else(|| format!("no migration from version {} to version {}", self.numbers[i], self.numbers[j]))
        };
        if from <= to {
            (from..to).map(|i| hop(self.up[i], i, i + 1)).collect()
        } else {
            (to + 1..=from).rev().map(|i| hop(self.down[i], i, i - 1)).collect()
        }
    }

    /// The edges from `from` down to `low`, where it is lower, and on to `to`.
    pub(crate) fn edges_by(&self, from: u32, low: u32, to: u32) -> Result<Vec<&'static Edge<M::AnyState>>, String> {
        if low < from {
            let mut edges = self.edges(from, low)?;
            edges.extend(self.edges(low, to)?);
            Ok(edges)
        } else {
            self.edges(from, to)
        }
    }

    /// What a way loses, in its authors' words.
    pub(crate) fn losses(&self, from: u32, to: u32) -> Vec<&'static str> {
        self.losses_by(from, u32::MAX, to)
    }

    /// The same for a way by `low`.
    pub(crate) fn losses_by(&self, from: u32, low: u32, to: u32) -> Vec<&'static str> {
        self.edges_by(from, low, to).unwrap_or_default().iter().filter_map(|edge| edge.loses).collect()
    }
}

impl<S> Edge<S> {
    fn takes_at_once(&self) -> bool {
        !matches!(self.how, How::Borrows(_))
    }

    fn can_fail(&self) -> bool {
        !matches!(self.how, How::Derived { pure: true, .. })
    }
}

/// Takes the state in the slot over `edges`. When it does not arrive, the slot holds the old state.
///
/// A way whose first edge consumes and a later one can fail runs on a copy, decoded from the state's encoding.
pub(crate) fn travel<M: Machine>(slot: &mut Option<M::AnyState>, edges: &[&Edge<M::AnyState>]) -> Result<(), Stuck> {
    let Some((first, rest)) = edges.split_first() else {
        return Ok(());
    };
    let in_place = first.takes_at_once() && !rest.iter().any(|edge| edge.can_fail());
    if in_place {
        return contain(|| run_in_place::<M>(slot, edges))
            .unwrap_or_else(|panic| arrived_anyway::<M>(slot.as_ref(), edges, panic));
    }
    let staged = contain(|| stage::<M>(slot.as_ref(), edges))
        .and_then(|staged| staged)
        .map_err(|reason| Stuck { reason, lost: false })?;
    let old = slot.replace(staged);
    drop_contained(old);
    Ok(())
}

/// What a state would become, without touching it: a dry run.
pub(crate) fn rehearse<M: Machine>(state: &M::AnyState, edges: &[&Edge<M::AnyState>]) -> Result<M::AnyState, String> {
    contain(|| match edges.split_first() {
        Some((Edge { how: How::Borrows(run), .. }, rest)) => run_owned::<M>(run(state)?, rest),
        _ => run_owned::<M>(copy::<M>(state)?, edges),
    })?
}

/// Encodes a state; fails rather than panics.
pub(crate) fn encode<M: Machine>(state: &M::AnyState) -> Result<Vec<u8>, String> {
    contain(|| postcard::to_allocvec(state).map_err(|error| error.to_string()))?
}

/// Decodes a state; fails rather than panics.
pub(crate) fn decode<M: Machine>(bytes: &[u8]) -> Result<M::AnyState, String> {
    contain(|| postcard::from_bytes(bytes).map_err(|error| error.to_string()))?
}

fn stage<M: Machine>(state: Option<&M::AnyState>, edges: &[&Edge<M::AnyState>]) -> Result<M::AnyState, String> {
    let state = state.ok_or("the state is lost")?;
    match edges.split_first() {
        Some((Edge { how: How::Borrows(run), .. }, rest)) => run_owned::<M>(run(state)?, rest),
        _ => run_owned::<M>(copy::<M>(state)?, edges),
    }
}

fn copy<M: Machine>(state: &M::AnyState) -> Result<M::AnyState, String> {
    let bytes = postcard::to_allocvec(state).map_err(|error| error.to_string())?;
    postcard::from_bytes(&bytes).map_err(|error| error.to_string())
}

fn run_owned<M: Machine>(state: M::AnyState, edges: &[&Edge<M::AnyState>]) -> Result<M::AnyState, String> {
    let mut slot = Some(state);
    run::<M>(&mut slot, edges).map_err(|stuck| stuck.reason)?;
    slot.ok_or_else(|| "a migration left no state".to_owned())
}

fn run_in_place<M: Machine>(slot: &mut Option<M::AnyState>, edges: &[&Edge<M::AnyState>]) -> Result<(), Stuck> {
    run::<M>(slot, edges)
}

/// Runs edges on a slot, fused where the way leads straight up to the newest version.
fn run<M: Machine>(slot: &mut Option<M::AnyState>, edges: &[&Edge<M::AnyState>]) -> Result<(), Stuck> {
    let stuck = |reason| Stuck { reason, lost: false };
    let straight_up = edges.len() > 1
        && edges.iter().all(|edge| edge.from < edge.to)
        && edges.last().is_some_and(|edge| edge.to == M::FUSED_TO);
    if straight_up {
        return M::fused(slot).map_err(stuck);
    }
    for edge in edges {
        match edge.how {
            How::Derived { run, .. } => run(slot),
            How::Borrows(run) => {
                let new = slot.as_ref().ok_or_else(|| "the state is lost".to_owned()).and_then(run).map_err(stuck)?;
                *slot = Some(new);
            }
            How::Moves(run) => {
                let old = slot.take().ok_or_else(|| stuck("the state is lost".to_owned()))?;
                match run(old) {
                    Ok(new) => *slot = Some(new),
                    Err((old, reason)) => {
                        *slot = Some(old);
                        return Err(stuck(reason));
                    }
                }
            }
        }
    }
    Ok(())
}

/// After a panic in place: dropping what the old state left over may panic when the new state stands already.
fn arrived_anyway<M: Machine>(
    state: Option<&M::AnyState>,
    edges: &[&Edge<M::AnyState>],
    panic: String,
) -> Result<(), Stuck> {
    match state.map(M::version_of) {
        Some(version) if edges.last().is_some_and(|edge| edge.to == version) => {
            tracing::warn!(target: "hotswap", version, panic, "dropping the remains of an old state panicked");
            Ok(())
        }
        Some(_) => Err(Stuck { reason: panic, lost: false }),
        None => Err(Stuck { reason: panic, lost: true }),
    }
}

/// Drops a value whose `Drop` may panic.
pub(crate) fn drop_contained<T>(value: T) {
    if let Err(panic) = contain(move || drop(value)) {
        tracing::warn!(target: "hotswap", panic, "dropping a state panicked");
    }
}

/// Runs what the user wrote; a panic becomes its text.
pub(crate) fn contain<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    let _inside = Inside::enter();
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a value that is no text".to_owned());
        if let Err(second) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
            std::mem::forget(second);
        }
        format!("it panicked: {text}")
    })
}
