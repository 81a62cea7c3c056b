//! Who is live where: striped counts that a census reads at one instant.
//!
//! Making, moving and dropping an instance touch one stripe each; a step touches none. Counts in one stripe may be
//! negative (made on one thread, dropped on another): only their sum means something, and a census holds every stripe.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::striped::Striped;
use crate::sync::MutexGuard;

/// In a stamp: a step panicked; the rest of the stamp is what it was before.
pub(crate) const POISONED: u64 = 1 << 63;
/// In a stamp: the release of this epoch could not move the instance.
pub(crate) const HELD: u64 = 1 << 61;

/// In a stamp, with `HELD`: the instance was held back when it was made, so the account of this epoch is not its.
pub(crate) const ENTERED: u64 = 1 << 60;

/// The epoch in a stamp.
pub(crate) const fn epoch_of(stamp: u64) -> u64 {
    stamp & !(POISONED | HELD | ENTERED)
}

/// Whether an instance of this stamp is held back at `epoch`.
pub(crate) const fn is_held(stamp: u64, epoch: u64) -> bool {
    stamp & HELD != 0 && epoch_of(stamp) == epoch
}

/// Whether an instance of this stamp has come to `epoch`, arrived or held back.
pub(crate) const fn has_come(stamp: u64, epoch: u64) -> bool {
    stamp & !(HELD | ENTERED) == epoch
}

/// The version under which an instance is counted whose state a panic in a moving migration lost.
pub(crate) const LOST: u32 = 0;

/// Where an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In a `Cell`.
    Cell,
    /// In a `Fleet`.
    Fleet,
    /// In an `Instance` or a `Slab` that the program owns: counted, never reached by a sweep.
    Owned,
}

/// What one instance is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) place: Place,
    pub(crate) version: u32,
    pub(crate) stamp: u64,
}

/// How far an instance has come with the present release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    NotReached,
    Held,
    /// At the version before, where a canary leaves it.
    Stayed,
    Arrived,
}

/// What became of the instances that were live at the last flip.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flows {
    pub(crate) moved: i64,
    pub(crate) stayed: i64,
    pub(crate) held: i64,
    pub(crate) gone: i64,
}

#[derive(Debug)]
struct Stripe {
    epoch: u64,
    /// The version at which a canary leaves those whom it does not take.
    stays: Option<u32>,
    counts: Vec<(Count, i64)>,
    flows: Flows,
}

impl Stripe {
    fn add(&mut self, count: Count, by: i64) {
        match self.counts.iter_mut().find(|(at, _)| *at == count) {
            Some((_, n)) => *n += by,
            None => self.counts.push((count, by)),
        }
    }

    fn standing(&self, count: Count) -> Standing {
        let at_present = epoch_of(count.stamp) == self.epoch;
        if at_present && (count.stamp & HELD == 0 || count.stamp & ENTERED != 0) {
            // a poisoned one too, if it had arrived before
            let stays = self.stays == Some(count.version) && count.stamp & HELD == 0;
            if stays { Standing::Stayed } else { Standing::Arrived }
        } else if at_present || count.stamp & POISONED != 0 {
            Standing::Held
        } else {
            Standing::NotReached
        }
    }
}

/// The counts of one switch.
#[derive(Debug)]
pub(crate) struct Ledger {
    stripes: Striped<Stripe>,
}

/// Every count at one instant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Census {
    pub(crate) epoch: u64,
    pub(crate) counts: Vec<(Count, u64)>,
    pub(crate) flows: Flows,
}

impl Census {
    pub(crate) fn live(&self) -> u64 {
        self.counts.iter().map(|(_, n)| n).sum()
    }

    pub(crate) fn not_reached(&self) -> u64 {
        self.sum(|count| count.stamp & POISONED == 0 && epoch_of(count.stamp) != self.epoch)
    }

    pub(crate) fn poisoned(&self) -> u64 {
        self.sum(|count| count.stamp & POISONED != 0)
    }

    /// Instances that the present release could not move, and poisoned ones.
    pub(crate) fn held_back(&self) -> u64 {
        self.sum(|count| count.stamp & POISONED != 0 || is_held(count.stamp, self.epoch))
    }

    pub(crate) fn of_version(&self, version: u32) -> u64 {
        self.sum(|count| count.version == version)
    }

    pub(crate) fn sum(&self, of: impl Fn(&Count) -> bool) -> u64 {
        self.counts.iter().filter(|(count, _)| of(count)).map(|(_, n)| n).sum()
    }
}

/// All stripes, held: nothing enters, moves or leaves until it is dropped. With more than four processors there are more of them,
/// and their list is on the heap.
pub(crate) struct Held<'a>(SmallVec<[MutexGuard<'a, Stripe>; 16]>);

impl Ledger {
    pub(crate) fn new(epoch: u64) -> Self {
        let stripe = || Stripe { epoch, stays: None, counts: Vec::new(), flows: Flows::default() };
        Self { stripes: Striped::new(stripe) }
    }

    /// Counts a new instance, unless the epoch it was made for has passed.
    pub(crate) fn enter(&self, count: Count) -> bool {
        let mut stripe = self.stripes.mine();
        let stands = stripe.epoch == epoch_of(count.stamp);
        if stands {
            stripe.add(count, 1);
        }
        stands
    }

    /// Uncounts an instance that is dropped; whether it was held back, or poisoned.
    pub(crate) fn leave(&self, count: Count) -> bool {
        let mut stripe = self.stripes.mine();
        stripe.add(count, -1);
        let standing = stripe.standing(count);
        match standing {
            Standing::NotReached => stripe.flows.gone += 1,
            Standing::Held => {
                stripe.flows.held -= 1;
                stripe.flows.gone += 1;
            }
            Standing::Arrived | Standing::Stayed => {}
        }
        count.stamp & POISONED != 0 || is_held(count.stamp, stripe.epoch)
    }

    /// Counts an instance under its new version and stamp.
    pub(crate) fn shift(&self, from: Count, to: Count) {
        self.shift_all(from, to, 1);
    }

    /// Counts `n` instances that stood alike under their new version and stamp. Nobody else may have touched them since
    /// they moved.
    pub(crate) fn shift_all(&self, from: Count, to: Count, n: i64) {
        let mut stripe = self.stripes.mine();
        stripe.add(from, -n);
        stripe.add(to, n);
        match (stripe.standing(from), stripe.standing(to)) {
            (Standing::NotReached, Standing::Held) => stripe.flows.held += n,
            (Standing::NotReached, Standing::Arrived) => stripe.flows.moved += n,
            (Standing::NotReached, Standing::Stayed) => stripe.flows.stayed += n,
            (Standing::Held, Standing::Arrived) => {
                stripe.flows.held -= n;
                stripe.flows.moved += n;
            }
            (Standing::Held, Standing::Stayed) => {
                stripe.flows.held -= n;
                stripe.flows.stayed += n;
            }
            (Standing::Held, Standing::NotReached) => stripe.flows.held -= n,
            (Standing::Arrived, Standing::Held) => {
                stripe.flows.moved -= n;
                stripe.flows.held += n;
            }
            (Standing::Stayed, Standing::Held) => {
                stripe.flows.stayed -= n;
                stripe.flows.held += n;
            }
            _ => {}
        }
    }

    pub(crate) fn hold(&self) -> Held<'_> {
        Held(self.stripes.all().map(|stripe| stripe.lock()).collect())
    }

    pub(crate) fn census(&self) -> Census {
        self.hold().census()
    }
}

impl Held<'_> {
    pub(crate) fn census(&self) -> Census {
        let mut sums: Vec<(Count, i64)> = Vec::new();
        let mut flows = Flows::default();
        for stripe in &self.0 {
            for (count, n) in &stripe.counts {
                match sums.iter_mut().find(|(at, _)| at == count) {
                    Some((_, sum)) => *sum += n,
                    None => sums.push((*count, *n)),
                }
            }
            flows.moved += stripe.flows.moved;
            flows.stayed += stripe.flows.stayed;
            flows.held += stripe.flows.held;
            flows.gone += stripe.flows.gone;
        }
        let counts = sums
            .into_iter()
            .filter_map(|(count, n)| u64::try_from(n).ok().filter(|n| *n > 0).map(|n| (count, n)))
            .collect();
        Census { epoch: self.0[0].epoch, counts, flows }
    }

    /// Opens the account of a new epoch: everyone live now is not reached, the poisoned are held back. `stays` is the
    /// version at which a canary leaves those whom it does not take. Gives the census as it is then.
    pub(crate) fn open(&mut self, census: Census, epoch: u64, stays: Option<u32>) -> Census {
        for stripe in &mut self.0 {
            stripe.epoch = epoch;
            stripe.stays = stays;
            stripe.counts.clear();
            stripe.flows = Flows::default();
        }
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let first = &mut self.0[0];
        first.counts.extend(census.counts.iter().map(|(count, n)| (*count, signed(*n))));
        first.flows.held = signed(census.poisoned());
        Census { epoch, flows: first.flows, counts: census.counts }
    }
}
