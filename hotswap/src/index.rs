//! Where the instances of a shard are, by the hashes of their keys.
//!
//! Open addressing with linear probing: Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm L. Four bytes hold
//! where an instance is and as much of its hash as there is room for. So one cache line, most often, tells where it is, and the hash
//! alone tells which line: it can be fetched ahead. The tables of libraries take a line for the hashes and then one for what they
//! hold, and do not say where.

/// A place that never held anything since the table was laid out: here a search ends.
const EMPTY: u32 = u32::MAX;
/// A place whose instance has gone: a search goes on.
const GONE: u32 = u32::MAX - 1;
/// The fewest places that a table has. Numbers stay so far below its length that none reads as [`EMPTY`] or [`GONE`].
const FEWEST: usize = 8;

/// What is said where there would be more.
pub(crate) const MOST: &str = "a shard holds at most 2^31 instances";

/// Numbers by hash. A key is found by asking its owner whether a number is that key's.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// A power of two of places, or none. The low bits of each, as many as count the places, are a number, the others those of its
    /// hash.
    places: Box<[u32]>,
    live: u32,
    /// How many places are not empty.
    used: u32,
}

impl Index {
    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The first number under this hash, or one that looks the same, of which `is` says so.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a table of more than 2^32 places is not laid out")]
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        // where there are no places, `get` says so
        let last = self.places.len().wrapping_sub(1);
        let mask = last as u32;
        let (tag, mut at) = (tag(hash, mask), home(hash, mask) as usize);
        loop {
            let place = *self.places.get(at)?;
            if place & !mask == tag && place < GONE && is(place & mask) {
                return Some(place & mask);
            }
            if place == EMPTY {
                return None;
            }
            at = (at + 1) & last;
        }
    }

    /// What [`Index::find`] looks at first.
    #[inline]
    pub(crate) fn first(&self, hash: u64) -> Option<&u32> {
        Some(&self.places[home(hash, self.mask()?) as usize])
    }

    /// Makes room for one more number. It is below `below`, and so are all that are here. `hash_of` gives the hash of each; where it
    /// panics, nothing has changed. A number that was never here comes only when all that were are taken: so it fits where they do.
    pub(crate) fn make_room(&mut self, below: usize, hash_of: impl Fn(u32) -> u64) {
        // beyond three quarters, searches grow long
        if (self.used as usize + 1) * 4 > self.places.len() * 3 {
            self.lay_out(below, hash_of);
        }
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, hash: u64, number: u32) {
        let Some(mask) = self.mask() else { return };
        let (place, mut at) = (tag(hash, mask) | number, home(hash, mask));
        while self.places[at as usize] != place {
            if self.places[at as usize] == EMPTY {
                return;
            }
            at = at.wrapping_add(1) & mask;
        }
        self.live -= 1;
        self.places[at as usize] = GONE;
        // where a search ends behind it, it may end here
        while self.places[(at.wrapping_add(1) & mask) as usize] == EMPTY && self.places[at as usize] == GONE {
            self.places[at as usize] = EMPTY;
            self.used -= 1;
            at = at.wrapping_sub(1) & mask;
        }
    }

    /// A table of half as many instances as places. There are more than numbers where a key is hashed otherwise each time, for those
    /// are not found again and stay: then too a place is left at which a search ends.
    fn lay_out(&mut self, below: usize, hash_of: impl Fn(u32) -> u64) {
        let length = (below.max(self.live as usize + 1) * 2).max(FEWEST).next_power_of_two();
        assert!(u32::try_from(length - 1).is_ok(), "{MOST}");
        let mut laid_out = Self { places: vec![EMPTY; length].into(), live: 0, used: 0 };
        let mask = self.mask().unwrap_or(0);
        let numbers = self.places.iter().filter(|place| **place < GONE).map(|place| place & mask);
        for number in numbers.filter(|number| (*number as usize) < below) {
            laid_out.put(hash_of(number), number);
        }
        *self = laid_out;
    }

    /// Puts a number that is not here into the first place that is free; room was made for it.
    pub(crate) fn put(&mut self, hash: u64, number: u32) {
        let Some(mask) = self.mask() else { return };
        debug_assert!(number < GONE & mask, "a number reads as a mark");
        let mut at = home(hash, mask);
        while self.places[at as usize] < GONE {
            at = at.wrapping_add(1) & mask;
        }
        self.used += u32::from(self.places[at as usize] == EMPTY);
        self.places[at as usize] = tag(hash, mask) | number;
        self.live += 1;
    }

    /// The bits of a number; `None` where there is no place.
    #[inline]
    fn mask(&self) -> Option<u32> {
        u32::try_from(self.places.len().checked_sub(1)?).ok()
    }
}

/// Where a search begins.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is asked for")]
fn home(hash: u64, mask: u32) -> u32 {
    hash as u32 & mask
}

/// What a place holds of a hash: other bits than those that say where it begins.
#[inline]
fn tag(hash: u64, mask: u32) -> u32 {
    (hash >> 32) as u32 & !mask
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// What is done to a table, with a hash of few bits, so that many meet.
    #[derive(Debug, Clone, Copy)]
    enum Do {
        Insert(u64),
        Remove(prop::sample::Index),
    }

    fn hash() -> impl Strategy<Value = u64> {
        // tags that read as `EMPTY` and `GONE` among them, and homes at the end of the table
        (
            prop::sample::select(vec![0_u64, 1, 7, u64::from(u32::MAX)]),
            prop::sample::select(vec![0_u64, 1, u64::from(u32::MAX)]),
        )
            .prop_map(|(low, high)| high << 32 | low)
    }

    fn deeds() -> impl Strategy<Value = Vec<Do>> {
        let deed =
            prop_oneof![3 => hash().prop_map(Do::Insert), 2 => any::<prop::sample::Index>().prop_map(Do::Remove)];
        prop::collection::vec(deed, 0..200)
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(deeds in deeds()) {
            let (mut index, mut held, mut free, mut below) = (Index::default(), HashMap::new(), Vec::new(), 0_u32);
            for deed in deeds {
                match deed {
                    Do::Insert(hash) => {
                        let number = free.pop().unwrap_or_else(|| {
                            below += 1;
                            below - 1
                        });
                        index.make_room(below as usize, |number| held[&number]);
                        index.put(hash, number);
                        held.insert(number, hash);
                    }
                    Do::Remove(which) => {
                        let mut numbers: Vec<u32> = held.keys().copied().collect();
                        numbers.sort_unstable();
                        if !numbers.is_empty() {
                            let number = *which.get(&numbers);
                            index.remove(held[&number], number);
                            // again, it does nothing
                            index.remove(held[&number], number);
                            held.remove(&number);
                            free.push(number);
                        }
                    }
                }
                prop_assert_eq!(index.live as usize, held.len());
                let full = index.places.iter().filter(|place| **place != EMPTY).count();
                prop_assert_eq!(index.used as usize, full);
                prop_assert!(full * 4 <= index.places.len() * 3);
                prop_assert!(index.live > 0 || index.used == 0, "who has gone left places full");
                for number in 0..below {
                    let hash = held.get(&number).copied();
                    let found = hash.and_then(|hash| index.find(hash, |other| other == number));
                    prop_assert_eq!(found, hash.map(|_| number));
                }
                for hash in [0, 5, u64::MAX] {
                    index.find(hash, |number| {
                        assert!(held.contains_key(&number));
                        false
                    });
                }
            }
        }
    }

    #[test]
    fn a_key_that_is_hashed_otherwise_each_time_hangs_nobody() {
        let mut index = Index::default();
        for round in 0..1000 {
            // as many as there were and one more, and then one alone, as when the others have gone
            for (number, below) in [(round % 100, 100), (0, 1)] {
                let hash = u64::from(round) << 32;
                index.make_room(below, |_| hash);
                index.put(hash, number);
                // under another hash it is not found, and stays
                index.remove(!hash, number);
                assert!(index.places.contains(&EMPTY), "a search ends");
            }
        }
    }

    #[test]
    fn what_has_gone_leaves_its_places() {
        let mut index = Index::default();
        for round in 0..1000 {
            let hash_of = |number: u32| round * 3 + u64::from(number);
            for number in 0..4 {
                index.make_room(4, hash_of);
                index.put(hash_of(number), number);
            }
            assert_eq!((index.live, index.used), (4, 4));
            (0..4).for_each(|number| index.remove(hash_of(number), number));
            assert_eq!((index.live, index.used), (0, 0));
        }
    }
}
