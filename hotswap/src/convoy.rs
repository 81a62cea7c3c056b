//! Instances that stand alike go alike: their way is found once, and they are counted in one go.

use std::sync::Arc;

use crate::ledger::{Count, Place};
use crate::line::{Hop, Way};
use crate::machine::Machine;
use crate::roster::Shared;
use crate::slot::{Alike, Home, Slot, Standing};
use crate::switch::Release;
use crate::way::{InPlace, Stuck};

/// Brings one instance after the other to the present release.
pub(crate) struct Convoy<'a, M: Machine> {
    shared: &'a Shared<M>,
    road: Option<Road<M>>,
}

/// The way of all that stand where the last one stood.
struct Road<M: Machine> {
    release: Arc<Release>,
    from: Count,
    /// The same, as a slot tells it by itself.
    stood: Standing<M>,
    way: Way<M>,
    to: Count,
    /// How those go who stand side by side; none if each has to be looked at.
    in_place: Option<InPlace<M>>,
    /// So many have gone it that the ledger does not know of.
    uncounted: i64,
}

impl<'a, M: Machine> Convoy<'a, M> {
    pub(crate) fn new(shared: &'a Shared<M>) -> Self {
        Self { shared, road: None }
    }

    /// Brings an instance to the present release, or holds it back; true if those who come after may go another way than those
    /// before. The lock that it is under may be let go only after [`count`](Self::count).
    #[inline]
    pub(crate) fn bring(&mut self, slot: &mut Slot<M>, home: &mut dyn Home) -> bool {
        if !slot.stale(self.shared) {
            return false;
        }
        let Some(from) = slot.in_line(home) else {
            slot.arrive(self.shared, home);
            return false;
        };
        let here =
            self.road.as_ref().is_some_and(|road| road.from == from && road.release.epoch == self.shared.core.epoch());
        if !here {
            self.count();
            self.road = find_road(self.shared, from, slot.standing());
        }
        match &mut self.road {
            Some(road) => {
                road.uncounted += i64::from(slot.follow(self.shared, home, &road.release, from, &road.way));
            }
            None => {
                slot.arrive(self.shared, home);
            }
        }
        !here
    }

    /// How those go who stand as the last one did, in such a place.
    pub(crate) fn alike(&self, place: Place) -> Option<Alike<'_, M>> {
        let Road { release, from, stood, way, in_place, .. } = self.road.as_ref()?;
        let here = from.place == place && release.epoch == self.shared.core.epoch();
        let in_place = in_place.as_ref().filter(|_| here)?;
        Some(Alike { from: stood, way, in_place, to: release.epoch })
    }

    /// So many have gone so, under the same lock if there is one.
    pub(crate) fn went(&mut self, moved: i64) {
        if let Some(road) = &mut self.road {
            road.uncounted += moved;
        }
    }

    /// One who was to go so did not arrive.
    pub(crate) fn hold_back(&mut self, slot: &mut Slot<M>, home: &mut dyn Home, stuck: &Stuck) {
        if let Some(Road { release, from, .. }) = &self.road {
            slot.hold_back(self.shared, home, release, *from, stuck);
        }
    }

    /// Tells the ledger of those who have moved.
    pub(crate) fn count(&mut self) {
        if let Some(Road { from, to, uncounted, .. }) = &mut self.road
            && *uncounted > 0
        {
            self.shared.core.ledger.shift_all(*from, *to, std::mem::take(uncounted));
        }
    }
}

/// None: each finds its own. What was asked to keep the states from before keeps them one by one, those who stand alike go
/// different ways where a canary runs, and an image's ways are not held on to.
#[cold]
fn find_road<M: Machine>(shared: &Shared<M>, from: Count, stood: Option<Standing<M>>) -> Option<Road<M>> {
    let release = shared.core.release();
    if release.terms.keep_previous || release.canary.is_some() {
        return None;
    }
    let low = release.lowest_since(from.stamp);
    let way = shared.line.way_by(from.version, low, release.version).ok()?;
    let compiled_in = way.iter().all(|hop| matches!(hop, Hop::Edge(_)));
    let to = Count { version: release.version, stamp: release.epoch, ..from };
    let in_place = InPlace::of(&way);
    compiled_in.then_some(Road { release, from, stood: stood?, way, in_place, to, uncounted: 0 })
}
