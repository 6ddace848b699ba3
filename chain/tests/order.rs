//! The proposer order: everybody's turn comes, and who fails to propose is
//! moved to the end for a while, but never more than f at once.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

mod fixture;

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::codec::{decode, encode};
use laufzettel_chain::crypto::SigningKey;
use laufzettel_chain::ids::Address;
use laufzettel_chain::limits::SKIP_MEMORY_HEIGHTS;
use laufzettel_chain::state::order::ProposerOrder;
use laufzettel_chain::validators::{Validator, ValidatorSet};
use proptest::prelude::*;

fn validators(count: u8) -> ValidatorSet {
    let validator = |seed: u8| {
        let key = SigningKey::from_bytes(&[seed + 1; 32]).verifying_key();
        Validator { address: Address::of(&key), authority: format!("de-{seed}"), key, power: 1 }
    };
    ValidatorSet::new((0..count).map(validator).collect()).expect("a set")
}

/// The order of a height by address and height alone.
fn plain(set: &ValidatorSet, height: usize) -> Vec<Address> {
    let mut order: Vec<Address> = set.all().iter().map(|validator| validator.address).collect();
    let shift = height % order.len();
    order.rotate_left(shift);
    order
}

/// Commits the next height in this round, by whose turn it is.
fn commit(order: &ProposerOrder, set: &ValidatorSet, round: u32) -> ProposerOrder {
    let turns = order.next(set);
    order.after(set, round, &turns[round as usize % turns.len()])
}

/// Heights at which the dead one does not propose: in each, the first round that is not its own.
fn without(order: &ProposerOrder, set: &ValidatorSet, dead: &[Address]) -> (ProposerOrder, u32) {
    let turns = order.next(set);
    let round = turns.iter().take_while(|address| dead.contains(address)).count();
    let round = u32::try_from(round).expect("few");
    (commit(order, set, round), round)
}

#[test]
fn without_skips_it_is_round_robin() {
    for count in [1, 2, 4, 7] {
        let set = validators(count);
        let mut order = ProposerOrder::default();
        for height in 1..40 {
            assert_eq!(order.next(&set), plain(&set, height));
            order = commit(&order, &set, 0);
        }
    }
}

#[test]
fn the_second_skip_defers_for_n_heights_the_next_for_twice_as_many() {
    let set = validators(4);
    let dead = set.all()[2].address;
    let mut order = ProposerOrder::default();
    let mut skipped = Vec::new();
    for height in 1..200u64 {
        let round;
        (order, round) = without(&order, &set, &[dead]);
        if round > 0 {
            skipped.push(height);
        }
    }
    // Its turn is at height 2 mod 4: skipped twice, then deferred for 4, 8, 16, ... heights.
    assert_eq!(skipped[..2], [2, 6]);
    for (level, pair) in skipped[1..].windows(2).enumerate() {
        let deferred_until = pair[0] + (4 << level);
        let next_turn = (deferred_until + 1..).find(|height| height % 4 == 2).expect("there is one");
        assert_eq!(pair[1], next_turn, "after {} heights", 4 << level);
    }
    assert!(skipped.len() > 5);
}

#[test]
fn a_skip_is_forgotten_after_its_time() {
    let set = validators(4);
    let dead = set.all()[1].address;
    let skip = |order: &ProposerOrder| {
        let mut order = order.clone();
        while order.next(&set)[0] != dead {
            order = commit(&order, &set, 0);
        }
        commit(&order, &set, 1)
    };
    let deferred = |order: &ProposerOrder| {
        let mut order = order.clone();
        (0..4).all(|_| {
            let last = order.next(&set).last() == Some(&dead);
            order = commit(&order, &set, 1);
            last
        })
    };
    // Nobody proposes in its place at its own turns here, so it is neither skipped nor cleared in between.
    let once = skip(&ProposerOrder::default());
    assert!(!deferred(&once));
    let mut late = once.clone();
    for _ in 0..SKIP_MEMORY_HEIGHTS + 1 {
        let other = set.all()[0].address;
        late = late.after(&set, 0, &other);
    }
    assert!(!deferred(&skip(&late)), "the first skip is too long ago");
    assert!(deferred(&skip(&once)));
}

#[test]
fn an_own_block_clears() {
    let set = validators(4);
    let dead = set.all()[1].address;
    let mut order = ProposerOrder::default();
    for _ in 0..8 {
        order = without(&order, &set, &[dead]).0;
    }
    let height = decode_height(&order) + 1;
    assert_ne!(order.next(&set), plain(&set, height), "it is deferred");
    let cleared = order.after(&set, 3, &dead);
    let mut clear = ProposerOrder::default();
    for height in 1..=decode_height(&cleared) {
        clear = clear.after(&set, 0, &plain(&set, height)[0]);
    }
    // The others that were passed over in that block are remembered once, which defers nobody.
    assert_eq!(cleared.next(&set), clear.next(&set));
    assert_eq!(cleared.next(&set), plain(&set, height + 1));
}

fn decode_height(order: &ProposerOrder) -> usize {
    let bytes = encode(order);
    usize::try_from(u64::from_be_bytes(bytes[..8].try_into().expect("8 bytes"))).expect("small")
}

#[test]
fn the_longest_deferred_returns_first() {
    let set = validators(4);
    let (first, second) = (set.all()[2].address, set.all()[3].address);
    let deferred = |order: &ProposerOrder| {
        let (turns, plain) = (order.next(&set), plain(&set, decode_height(order) + 1));
        // Only one of four is ever moved; where it stood at the end anyway, nobody can tell.
        (turns != plain).then(|| turns[3])
    };
    let mut order = ProposerOrder::default();
    let mut seen = Vec::new();
    for height in 0..60 {
        let dead: &[Address] = if height < 12 { &[first] } else { &[first, second] };
        order = without(&order, &set, dead).0;
        if let Some(address) = deferred(&order)
            && seen.last() != Some(&address)
        {
            seen.push(address);
        }
    }
    assert_eq!(seen[..2], [first, second], "the one deferred later takes the one place at the end");
}

proptest! {
    #[test]
    fn whatever_happens_it_is_a_permutation_that_defers_at_most_f(
        count in 1..12u8, rounds in prop::collection::vec(prop_oneof![4 => Just(0u32), 3 => 1..4u32, 1 => 0..40u32], 1..120),
    ) {
        let set = validators(count);
        let f = usize::from(count - 1) / 3;
        let (mut order, mut again) = (ProposerOrder::default(), ProposerOrder::default());
        let mut skips: BTreeMap<Address, u32> = BTreeMap::new();
        for (height, round) in (1usize..).zip(rounds) {
            let turns = order.next(&set);
            let straight = plain(&set, height);
            prop_assert_eq!(turns.iter().collect::<BTreeSet<_>>(), straight.iter().collect::<BTreeSet<_>>());
            // Who is not deferred keeps his place among the others; who is deferred stands at the end.
            let deferred = (0..=f).find(|deferred| {
                let (others, last) = turns.split_at(turns.len() - deferred);
                let keep = |group: &[Address]| {
                    straight.iter().filter(|address| group.contains(address)).copied().collect::<Vec<_>>() == group
                };
                keep(others) && keep(last)
            });
            let deferred = deferred.expect("at most f are moved to the end");
            for address in &turns[turns.len() - deferred..] {
                prop_assert!(skips.get(address).copied().unwrap_or(0) >= 2, "deferred after one skip");
            }
            let proposer = turns[round as usize % turns.len()];
            for address in turns.iter().take(round as usize) {
                *skips.entry(*address).or_default() += 1;
            }
            skips.remove(&proposer);
            order = order.after(&set, round, &proposer);
            // The same from the stored bytes.
            again = decode::<ProposerOrder>(&encode(&again)).expect("decodes").after(&set, round, &proposer);
            prop_assert_eq!(&again, &order);
            prop_assert!(encode(&order).len() <= 12 + 44 * usize::from(count));
        }
    }
}
