//! Which probations were rolled back: a list that grows by one in each release that rolls back, and that releases share.

use std::sync::Arc;

const BLOCK: usize = 64;
const BLOCKS_KEPT: usize = 64;

/// Probations by the epochs they began at, the latest last; some 4,096 of them are remembered, for instances that slept
/// through all of them, and for files.
///
/// One more copies a block at most, and one time in so many as a block has, the list of them: it does not cost the more the
/// more there are.
#[derive(Debug, Clone)]
pub(crate) struct Undone {
    full: Arc<[Arc<[u64]>]>,
    last: Arc<[u64]>,
}

impl Undone {
    pub(crate) fn new(epochs: &[u64]) -> Self {
        let kept = &epochs[epochs.len().saturating_sub(BLOCK * BLOCKS_KEPT)..];
        let blocks = kept.chunks_exact(BLOCK);
        let last = blocks.remainder().into();
        Self { full: blocks.map(Arc::from).collect(), last }
    }

    /// With one more, if there is one.
    pub(crate) fn and(&self, probation: Option<u64>) -> Self {
        let Some(began) = probation else { return self.clone() };
        let last: Arc<[u64]> = self.last.iter().copied().chain([began]).collect();
        if last.len() < BLOCK {
            return Self { full: Arc::clone(&self.full), last };
        }
        let forgotten = (self.full.len() + 1).saturating_sub(BLOCKS_KEPT);
        Self { full: self.full[forgotten..].iter().cloned().chain([last]).collect(), last: Arc::default() }
    }

    /// The last one is asked about most often.
    pub(crate) fn contains(&self, began: u64) -> bool {
        self.epochs().rev().any(|epoch| epoch == began)
    }

    pub(crate) fn epochs(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.full.iter().flat_map(|block| block.iter()).chain(&*self.last).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_list_of_what_was_added(before in 0_u64..200, after in 0_u64..200) {
            let begun: Vec<u64> = (0..before).collect();
            let all = (before..before + after).fold(Undone::new(&begun), |undone, began| undone.and(None).and(Some(began)));
            prop_assert!(all.epochs().eq(0..before + after));
            prop_assert!((0..before + after).all(|began| all.contains(began)) && !all.contains(before + after));
        }
    }

    #[test]
    fn the_oldest_are_forgotten_a_block_at_a_time() {
        let kept = (BLOCK * BLOCKS_KEPT) as u64;
        let undone = (0..kept + 63).fold(Undone::new(&[]), |undone, began| undone.and(Some(began)));
        assert!(undone.epochs().eq(0..kept + 63));
        assert!(undone.and(Some(kept + 63)).epochs().eq(64..kept + 64));
    }

    #[test]
    fn of_a_longer_list_the_latest_are_kept() {
        let kept = (BLOCK * BLOCKS_KEPT) as u64;
        let stored: Vec<u64> = (0..10_000).collect();
        let undone = Undone::new(&stored);
        assert!(undone.epochs().eq(10_000 - kept..10_000));
        assert!(undone.and(Some(10_000)).epochs().eq(10_000 - kept..10_001));
    }
}
