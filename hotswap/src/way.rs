//! The way of one state from its version to another, over declared migrations, with the old state whole until the end.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::line::{Crossing, Hop, Start};
use crate::loaded::{Guest, Loaded};
use crate::machine::{Edge, How, Machine};
use crate::sync::Inside;

/// Why a state did not arrive. It is where it was, unless `lost`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) reason: String,
    /// A panic in a moving migration took the state with it.
    pub(crate) lost: bool,
}

/// Takes the state in the slot along a way. When it does not arrive, the slot holds the old state.
///
/// A way whose first edge consumes and a later one can fail runs on a copy, decoded from the state's encoding; one whose first edge
/// borrows runs from the state, and in its place if that is all.
pub(crate) fn travel<M: Machine>(slot: &mut Option<M::AnyState>, way: &[Hop<M>]) -> Result<(), Stuck> {
    let Some((first, rest)) = way.split_first() else {
        return Ok(());
    };
    if in_place(first, rest) {
        return contain(|| run::<M>(slot, way)).unwrap_or_else(|panic| arrived_anyway::<M>(slot.as_ref(), way, panic));
    }
    let state = slot.as_ref().ok_or_else(|| Stuck { reason: "the state is lost".to_owned(), lost: false })?;
    let staged = rehearse::<M>(state, way).map_err(|reason| Stuck { reason, lost: false })?;
    let old = slot.replace(staged);
    drop_contained(old);
    Ok(())
}

/// Whether the slot holds the old state or the new one wherever such a way ends, but for what a panic in its first edge loses.
fn in_place<M: Machine>(first: &Hop<M>, rest: &[Hop<M>]) -> bool {
    match first {
        // dropping what it borrowed may panic, and nothing after it would run
        Hop::Edge(Edge { how: How::Borrows(_), .. }) => rest.is_empty(),
        Hop::Edge(_) => !rest.iter().any(Hop::can_fail),
        Hop::Crossing(_) => false,
    }
}

/// How a way is run in place: found out once for all who go it.
pub(crate) enum InPlace<M: Machine> {
    /// It leads nowhere else.
    Stay,
    One(fn(&mut Option<M::AnyState>)),
    /// One that may refuse.
    Tried(fn(&mut Option<M::AnyState>) -> Result<(), String>),
    Fused,
    Hops,
}

impl<M: Machine> InPlace<M> {
    /// None if the new state is made beside the old one: from a copy, or from a borrow.
    pub(crate) fn of(way: &[Hop<M>]) -> Option<Self> {
        let Some((first, rest)) = way.split_first() else { return Some(Self::Stay) };
        in_place(first, rest).then_some(match way {
            [Hop::Edge(Edge { how: How::Derived { run, .. }, .. })] => Self::One(*run),
            [Hop::Edge(Edge { how: How::Moves(run), .. })] => Self::Tried(*run),
            _ if is_fused(way) => Self::Fused,
            _ => Self::Hops,
        })
    }
}

/// What a state would become, without touching it.
pub(crate) fn rehearse<M: Machine>(state: &M::AnyState, way: &[Hop<M>]) -> Result<M::AnyState, String> {
    contain(|| match way.split_first() {
        Some((Hop::Edge(Edge { how: How::Borrows(run), .. }), rest)) => run_owned::<M>(run(state)?, rest),
        Some((Hop::Crossing(crossing), rest)) => run_owned::<M>(cross::<M>(state, crossing)?, rest),
        _ => run_owned::<M>(copy::<M>(state)?, way),
    })?
}

/// Encodes a state; fails rather than panics.
pub(crate) fn encode<M: Machine>(state: &M::AnyState) -> Result<Vec<u8>, String> {
    contain(|| postcard::to_allocvec(state).map_err(|error| error.to_string()))?
}

/// Decodes a state from all of `bytes`; fails rather than panics.
pub(crate) fn decode<M: Machine>(bytes: &[u8]) -> Result<M::AnyState, String> {
    contain(|| match postcard::take_from_bytes(bytes) {
        Ok((state, [])) => Ok(state),
        Ok((_, rest)) => Err(format!("{} bytes are left over", rest.len())),
        Err(error) => Err(error.to_string()),
    })?
}

/// Decodes a state of this version, by the image that owns it if one does; fails rather than panics.
pub(crate) fn decode_by<M: Machine>(
    owner: Option<&Arc<dyn Guest>>,
    version: u32,
    bytes: &[u8],
) -> Result<M::AnyState, String> {
    match owner {
        Some(owner) => contain(|| open::<M>(owner, bytes, version))?,
        None => decode::<M>(bytes),
    }
}

/// A state as bytes, and the image that reads them, if one does.
pub(crate) struct Packed {
    version: u32,
    owner: Option<Arc<dyn Guest>>,
    bytes: Box<[u8]>,
}

impl Packed {
    pub(crate) fn of<M: Machine>(state: &M::AnyState) -> Result<Self, String> {
        let owner = M::as_loaded(state).map(Loaded::guest);
        Ok(Self { version: M::version_of(state), owner, bytes: encode::<M>(state)?.into() })
    }

    /// The state again; fails rather than panics.
    pub(crate) fn unpack<M: Machine>(&self) -> Result<M::AnyState, String> {
        decode_by::<M>(self.owner.as_ref(), self.version, &self.bytes)
    }

    /// Where its ways begin.
    pub(crate) fn start(&self) -> Start {
        Start { version: self.version, owner: self.owner.clone() }
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Takes a state through the image that knows both ends; it is only looked at.
fn cross<M: Machine>(state: &M::AnyState, crossing: &Crossing) -> Result<M::AnyState, String> {
    let bytes = encode::<M>(state)?;
    let Crossing { to, through, owner, .. } = crossing;
    match owner {
        Some(owner) if Arc::ptr_eq(owner, through) => open::<M>(owner, &bytes, *to),
        Some(owner) => open::<M>(owner, &through.carry(&bytes, *to)?, *to),
        None => decode::<M>(&through.carry(&bytes, *to)?),
    }
}

fn open<M: Machine>(owner: &Arc<dyn Guest>, bytes: &[u8], to: u32) -> Result<M::AnyState, String> {
    let state = Arc::clone(owner).open(bytes, to)?;
    Ok(M::loaded(Loaded::new(state)))
}

fn copy<M: Machine>(state: &M::AnyState) -> Result<M::AnyState, String> {
    let bytes = postcard::to_allocvec(state).map_err(|error| error.to_string())?;
    postcard::from_bytes(&bytes).map_err(|error| error.to_string())
}

fn run_owned<M: Machine>(state: M::AnyState, way: &[Hop<M>]) -> Result<M::AnyState, String> {
    let mut slot = Some(state);
    run::<M>(&mut slot, way).map_err(|stuck| stuck.reason)?;
    slot.ok_or_else(|| "a migration left no state".to_owned())
}

/// Runs a way on a slot, fused where it leads straight up to the newest version.
pub(crate) fn run<M: Machine>(slot: &mut Option<M::AnyState>, way: &[Hop<M>]) -> Result<(), Stuck> {
    let stuck = |reason| Stuck { reason, lost: false };
    if is_fused(way) {
        return M::fused(slot).map_err(stuck);
    }
    for hop in way {
        let edge = match hop {
            Hop::Edge(edge) => edge,
            Hop::Crossing(crossing) => {
                let state = slot.as_ref().ok_or_else(|| stuck("the state is lost".to_owned()))?;
                *slot = Some(cross::<M>(state, crossing).map_err(stuck)?);
                continue;
            }
        };
        match edge.how {
            How::Derived { run, .. } => run(slot),
            How::Borrows(run) => {
                let new = slot.as_ref().ok_or_else(|| "the state is lost".to_owned()).and_then(run).map_err(stuck)?;
                // the new one stands before the old one's `Drop` can panic
                drop(slot.replace(new));
            }
            How::Moves(run) => run(slot).map_err(stuck)?,
        }
    }
    Ok(())
}

/// Whether a way is the straight line up to the newest version, or an end of it.
fn is_fused<M: Machine>(way: &[Hop<M>]) -> bool {
    way.len() > 1
        && way.iter().all(|hop| matches!(hop, Hop::Edge(edge) if edge.from < edge.to))
        && way.last().is_some_and(|hop| hop.to() == M::FUSED_TO)
}

/// After a panic in place: dropping what the old state left over may panic when the new state stands already.
pub(crate) fn arrived_anyway<M: Machine>(
    state: Option<&M::AnyState>,
    way: &[Hop<M>],
    panic: String,
) -> Result<(), Stuck> {
    match state.map(M::version_of) {
        Some(version) if way.last().is_some_and(|hop| hop.to() == version) => {
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
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| format!("it panicked: {}", text_of(payload)))
}

/// The text of a panic; dropping what it was thrown with may panic in its turn.
pub(crate) fn text_of(payload: Box<dyn Any + Send>) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is no text".to_owned());
    if let Err(second) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        std::mem::forget(second);
    }
    text
}
