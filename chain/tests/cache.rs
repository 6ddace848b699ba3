//! Cases kept in memory: the same blocks with and without them, and never more
//! than the bound.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

mod fixture;

use std::sync::Arc;

use fixture::steps::{Blocks, blocks, play};
use fixture::{BAMF, MINUTE_MS, at_ms, build, case, catch_up, commit, genesis, item, ledger, opens, transaction};
use laufzettel_chain::block::Block;
use laufzettel_chain::item::Action;
use laufzettel_chain::query;
use laufzettel_chain::state::cache::CaseCache;
use laufzettel_chain::state::case::OpenCase;
use laufzettel_chain::storage::mem::MemStore;
use proptest::prelude::*;

/// The blocks of a random history.
fn history(steps: &Blocks) -> (Vec<Block>, Arc<MemStore>) {
    let (mut ledger, store) = ledger();
    play(steps, &mut ledger, |_| {});
    let heights = 1..=ledger.tip().header.height;
    let block = |height| query::block(store.as_ref(), height).expect("memory").expect("stored").0;
    (heights.map(block).collect(), store)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_history_is_the_same_whatever_is_kept_in_memory(steps in blocks(2..9)) {
        let (blocks, store) = history(&steps);
        // Nothing, one case or two of the three, all.
        let bounds = [0, 14, 30, 1_000];
        let mut ledgers = bounds.map(|bound| {
            let (mut ledger, store) = ledger();
            ledger.cache_cases(bound);
            (ledger, store)
        });
        for block in &blocks {
            let mut first = None;
            for (ledger, _) in &mut ledgers {
                // A block that is built, and one that is judged, but that nobody decides.
                let mut others = block.body.transactions.clone();
                others.reverse();
                drop(build(ledger, block.header.time_ms + MINUTE_MS, &others));
                drop(ledger.validate(block).expect("valid"));
                let executed = ledger.validate(block).expect("valid");
                let (root, batch) = first.get_or_insert_with(|| (executed.state_root, executed.batch.clone()));
                prop_assert_eq!((&executed.state_root, &executed.batch), (&*root, &*batch));
                commit(ledger, block, executed);
            }
        }
        for (_, other) in &ledgers {
            prop_assert_eq!(&*other.rows(), &*store.rows());
        }
        for bound in bounds {
            let (mut ledger, other) = ledger();
            ledger.cache_cases(bound);
            catch_up(&mut ledger, &blocks);
            prop_assert_eq!(&*other.rows(), &*store.rows());
        }
    }
}

#[test]
fn a_block_that_nobody_decides_leaves_no_trace() {
    let (mut ledger, _) = ledger();
    fixture::advance(&mut ledger, &[transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))])]);
    let report = |number| transaction(BAMF, number, vec![item(number, case(1), &Action::Report(at_ms("moment", 1)))]);
    let time_ms = ledger.tip().header.time_ms + MINUTE_MS;
    let (first, second) = (build(&ledger, time_ms, &[report(2)]), build(&ledger, time_ms, &[report(3)]));
    assert_eq!(first.executed.outcomes[0].receipts[0].revision, 2);
    assert_eq!(second.executed.outcomes[0].receipts[0].revision, 2);
    // Judging takes the case out of memory, whatever becomes of the block.
    assert_eq!(ledger.validate(&first.block).expect("valid").state_root, first.executed.state_root);
    assert_eq!(ledger.validate(&second.block).expect("valid").state_root, second.executed.state_root);
    commit(&mut ledger, &second.block, second.executed);
    let third = build(&ledger, time_ms + 1, &[report(4)]);
    assert_eq!(third.executed.outcomes[0].receipts[0].revision, 3);
}

#[test]
fn what_rested_longest_goes_first() {
    let definition = genesis().registry.definition("toy", 1).expect("known").clone();
    let open = |height| Arc::new(OpenCase::new(definition.clone(), height));
    // A case without reports weighs as eight of them.
    let mut cache = CaseCache::new(20);
    let kept = |cache: &CaseCache| [1, 2, 3].map(|of| cache.get(&case(of)).is_some());
    cache.put(case(1), open(1));
    cache.put(case(2), open(1));
    assert_eq!((kept(&cache), cache.weight()), ([true, true, false], 16));
    cache.put(case(1), open(2));
    assert_eq!((kept(&cache), cache.weight()), ([true, true, false], 16));
    cache.put(case(3), open(3));
    assert_eq!((kept(&cache), cache.weight()), ([true, false, true], 16));
    let mut none = CaseCache::new(0);
    none.put(case(1), open(1));
    assert_eq!((kept(&none), none.weight()), ([false; 3], 0));
}
