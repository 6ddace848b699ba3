//! Whether "no lock is recorded" may be said as "no lock is known": a weighing of beats. Pure; reads no clock. Must never
//! take silence for consent: what is not known to be current is not.

use std::collections::BTreeMap;

use laufzettel_chain::ids::{BlockId, Height};

/// A beat older than this says nothing any more (design 6.3).
pub(super) const BEAT_AGE_MAX_MS: u64 = 15_000;
/// What may set a lock and waits for longer than this may be anywhere (design 6.3).
pub(super) const PENDING_MAX_MS: u64 = 2_000;

/// What a node's last beat says, as of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// The newest block it knows.
    pub(super) height: Height,
    /// Id of that block.
    pub(super) block: BlockId,
    /// Age of the beat.
    pub(super) age_ms: u64,
    /// For how long the oldest transaction that may lock has waited there, if it still does; none if nothing waited.
    pub(super) pending_ms: Option<u64>,
}

impl Told {
    /// By a beat of this age that was signed at an instant of its node's clock, when something may have waited since
    /// another instant of that clock (0 = nothing). What waited then counts as waiting still: nothing says otherwise.
    pub(super) fn new((height, block): (Height, BlockId), age_ms: u64, (signed_ms, since_ms): (u64, u64)) -> Self {
        let pending_ms = (since_ms > 0).then(|| signed_ms.saturating_sub(since_ms).saturating_add(age_ms));
        Self { height, block, age_ms, pending_ms }
    }
}

/// What is wrong with what a node told; from what weighs most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// It told nothing.
    Silent,
    /// It knows another block at that height.
    Contradicts,
    /// Its beat is too old.
    Old,
    /// Something that may lock has waited there too long.
    Pending,
    /// It does not know the block yet.
    Behind,
}

/// Whether a node is current for the answer of a block; what is wrong if it is not.
pub(super) fn weigh(block: &(Height, BlockId), told: Option<&Told>) -> Option<Lack> {
    let Some(told) = told else { return Some(Lack::Silent) };
    if told.height == block.0 && told.block != block.1 {
        Some(Lack::Contradicts)
    } else if told.age_ms > BEAT_AGE_MAX_MS {
        Some(Lack::Old)
    } else if told.pending_ms.is_some_and(|pending_ms| pending_ms > PENDING_MAX_MS) {
        Some(Lack::Pending)
    } else if told.height < block.0 {
        Some(Lack::Behind)
    } else {
        None
    }
}

/// Whether every node is current.
pub(super) fn all_current<'n>(
    block: &(Height, BlockId),
    nodes: impl IntoIterator<Item = &'n str>,
    told: &BTreeMap<String, Told>,
) -> bool {
    nodes.into_iter().all(|node| weigh(block, told.get(node)).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLOCK: (Height, BlockId) = (10, BlockId([1; 32]));
    const NODES: [&str; 3] = ["a", "b", "c"];

    fn told() -> impl Strategy<Value = Option<(u64, bool, u64, u64, u64)>> {
        let near = |limit: u64| prop_oneof![0..=limit, Just(limit), Just(limit + 1), Just(u64::MAX)];
        let pending = prop_oneof![Just(0u64), 97_000..=100_001u64];
        prop::option::weighted(0.9, (8u64..13, any::<bool>(), near(BEAT_AGE_MAX_MS), pending, near(PENDING_MAX_MS)))
    }

    proptest! {
        /// The design's sentence, said again by hand: from every source a beat at that height or higher, at most 15 s
        /// old, with nothing pending longer than 2 s as of now.
        #[test]
        fn no_lock_is_known_only_where_every_source_is_current(beats in prop::array::uniform3(told())) {
            let signed_ms = 100_000;
            let mut all = BTreeMap::new();
            let mut expected = true;
            for (node, beat) in NODES.iter().zip(beats) {
                let Some((height, same, age_ms, since_ms, _)) = beat else { expected = false; continue };
                let id = if same { BLOCK.1 } else { BlockId([2; 32]) };
                all.insert((*node).to_owned(), Told::new((height, id), age_ms, (signed_ms, since_ms)));
                let waited = u128::from(signed_ms.saturating_sub(since_ms)) + u128::from(age_ms);
                let waits = since_ms != 0 && waited > 2_000;
                expected &= (height > 10 || height == 10 && same) && age_ms <= 15_000 && !waits;
            }
            prop_assert_eq!(all_current(&BLOCK, NODES, &all), expected);
        }

        /// Time alone makes nobody current again, and no other node's beat stands in for one that is missing.
        #[test]
        fn waiting_longer_never_helps(beat in told(), more_ms in 0u64..20_000) {
            if let Some((height, _, age_ms, since_ms, _)) = beat {
                let now = Told::new((height, BLOCK.1), age_ms, (100_000, since_ms));
                let later = Told::new((height, BLOCK.1), age_ms.saturating_add(more_ms), (100_000, since_ms));
                if weigh(&BLOCK, Some(&now)).is_some() {
                    prop_assert!(weigh(&BLOCK, Some(&later)).is_some());
                }
                let others = BTreeMap::from([("b".to_owned(), later)]);
                prop_assert!(!all_current(&BLOCK, NODES, &others));
            }
        }
    }

    /// A beat that said "pending for 1 s" two seconds ago says "pending for 3 s" now.
    #[test]
    fn what_waited_when_the_beat_was_signed_counts_as_waiting_still() {
        let told = |age_ms| Told::new(BLOCK, age_ms, (100_000, 99_000));
        assert_eq!(weigh(&BLOCK, Some(&told(1_000))), None);
        assert_eq!(weigh(&BLOCK, Some(&told(1_001))), Some(Lack::Pending));
        assert_eq!(weigh(&BLOCK, None), Some(Lack::Silent));
        assert_eq!(weigh(&(11, BLOCK.1), Some(&told(0))), Some(Lack::Behind));
    }
}
