//! A store joined from a snapshot is the one it came from, family by family, for all that is kept, and goes on with it;
//! pruning takes nothing that anybody still asks for, and no snapshot shows whether its maker had pruned.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

mod fixture;

use std::collections::BTreeMap;
use std::sync::Arc;

use fixture::snapshots::{Snapshot, family, joined, standing_values, story, told};
use fixture::steps::{blocks, play};
use fixture::{
    BAMF, GENESIS_MS, HOUR_MS, MINUTE_MS, advance, advance_at, at_ms, build, case, certificate_by, commit, genesis,
    item, ledger, open, opens, transaction, transaction_id, valid_until,
};
use laufzettel_chain::codec::encode;
use laufzettel_chain::index;
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::light::LightClient;
use laufzettel_chain::limits::{CHUNK_BYTES, CHUNK_BYTES_MAX, TREE_VERSIONS_KEPT};
use laufzettel_chain::proof::prove;
use laufzettel_chain::query;
use laufzettel_chain::receipt::Code;
use laufzettel_chain::snapshot::{ChunkKind, SnapshotError, create};
use laufzettel_chain::state::submissions;
use laufzettel_chain::storage::faulty::{CrashPoint, FaultyStore};
use laufzettel_chain::storage::mem::{MemStore, Rows};
use laufzettel_chain::storage::{Batch, Durability, Family, Store, StoreError};
use laufzettel_chain::tree::stale_rows;
use laufzettel_contracts::Report;
use proptest::prelude::*;

/// Asserts that what one store keeps the other one keeps, and that what differs does so for the one reason allowed.
fn assert_same(whole: &MemStore, joined: &MemStore) {
    for of in [Family::Cases, Family::Reports, Family::Submissions, Family::Index, Family::Registry] {
        assert_eq!(family(joined, of), family(whole, of), "{of:?}");
    }
    // Values of the state tree stand at the heights that wrote them; nodes are written anew, with one version.
    assert_eq!(standing_values(&joined.rows()), standing_values(&whole.rows()));
    // Of items, those that were refused are gone below the snapshot.
    let from = query::bodies_from(joined).expect("memory");
    let (mut expected, all) = (family(whole, Family::Items), family(joined, Family::Items));
    expected.retain(|key, _| {
        let height = u64::from_be_bytes(*key.first_chunk().expect("a height"));
        let index = u32::from_be_bytes(key[8..12].try_into().expect("an index"));
        let place = usize::from(u16::from_be_bytes(key[12..].try_into().expect("a place")));
        let receipts = query::receipts(whole, height, index).expect("memory").expect("stored");
        height >= from || receipts[place].code == Code::Accepted
    });
    assert_eq!(all, expected);
    // Of blocks, certificates are gone below the snapshot; what is asked for is there.
    let tip = open(Arc::new(MemStore::with_rows((*joined.rows()).clone()))).tip().header.height;
    for height in 1..=tip {
        let header = query::bare_header(joined, height).expect("memory").expect("kept");
        assert_eq!(Some(&header), query::bare_header(whole, height).expect("memory").as_ref());
        let (block, there) =
            (query::block(whole, height).expect("memory"), query::block(joined, height).expect("memory"));
        assert_eq!(there, block.filter(|_| height >= from), "height {height}");
        for index in 0..20 {
            let receipts = |store: &MemStore| query::receipts(store, height, index).expect("memory");
            assert_eq!(receipts(joined), receipts(whole), "height {height}");
        }
    }
    for number in 1..=3 {
        let events = |store: &MemStore| query::case_events(store, &case(number), 0, usize::MAX).expect("memory");
        assert_eq!(events(joined), events(whole));
    }
    let anew = index::rebuild(joined, &genesis().registry).expect("memory");
    assert_eq!(anew.into_iter().collect::<BTreeMap<_, _>>(), family(joined, Family::Index));
}

/// Lets a second ledger commit what a first one builds.
fn follow(one: &mut Ledger, other: &mut Ledger, time_ms: u64, number: u64) {
    let until = time_ms + HOUR_MS;
    let action = |number: u64| if number == 1_000 { opens("toy") } else { Action::Report(at_ms("moment", number)) };
    let candidates = [valid_until(BAMF, number, until, vec![item(number, case(5), &action(number))])];
    let built = build(one, time_ms, &candidates);
    assert_eq!(built.block.body.transactions.len(), 1);
    let executed = other.validate(&built.block).expect("the same state");
    commit(one, &built.block, built.executed);
    commit(other, &built.block, executed);
    assert_eq!(one.tip(), other.tip());
}

/// Whether every value that was replaced or dropped is stale since then, and no other.
fn assert_stale_values_are_exact(store: &MemStore) {
    let values: Vec<_> = family(store, Family::Tree).into_iter().filter(|(key, _)| key[0] == 1).collect();
    let mut expected: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for (number, (row, value)) in values.iter().enumerate() {
        if let Some((next, _)) = values.get(number + 1).filter(|(next, _)| next[..33] == row[..33]) {
            expected.insert([&next[33..41], row].concat(), Vec::new());
        } else if value[0] == 0 {
            expected.insert([&row[33..41], row].concat(), Vec::new());
        }
    }
    let mut stale: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for (height, list) in family(store, Family::TreeStale) {
        for row in stale_rows(&list).expect("written by the ledger") {
            stale.insert([height.as_slice(), row].concat(), Vec::new());
        }
    }
    stale.retain(|row, _| row[8] == 1);
    assert_eq!(stale, expected);
}

#[test]
fn a_joined_store_is_the_one_it_came_from() {
    let (mut whole, store) = told();
    let (mut other, copy) = joined(store.as_ref());
    assert_eq!(whole.tip(), other.tip());
    assert_eq!(query::bodies_from(copy.as_ref()).expect("memory"), whole.tip().header.height + 1);
    assert_same(&store, &copy);
    assert_eq!(family(copy.as_ref(), Family::TreeStale), BTreeMap::new());
    // Hours, order, cases, all that is written again after: the roots stay the same.
    for number in 0..30 {
        let time_ms = whole.tip().header.time_ms + number * HOUR_MS;
        follow(&mut whole, &mut other, time_ms, 1_000 + number);
        assert_same(&store, &copy);
    }
    // A joined store can be joined from.
    let (third, again) = joined(copy.as_ref());
    assert_eq!(third.tip(), other.tip());
    assert_same(&store, &again);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_history_joins_and_goes_on(before in blocks(1..8), more in blocks(1..5)) {
        let (mut whole, store) = ledger();
        play(&before, &mut whole, |_| {});
        let (mut other, copy) = joined(store.as_ref());
        assert_same(&store, &copy);
        let mut built = Vec::new();
        // Transaction ids of the second part begin anew: in another store, of which only the blocks are taken.
        let (mut third, third_store) = ledger();
        play(&more, &mut third, |_| {});
        for height in 1..=third.tip().header.height {
            let (block, _) = query::block(third_store.as_ref(), height).expect("memory").expect("stored");
            built.push(block.body.transactions);
        }
        for candidates in built {
            let time_ms = whole.tip().header.time_ms + MINUTE_MS;
            let next = build(&whole, time_ms, &candidates);
            let executed = other.validate(&next.block).expect("the same state");
            prop_assert_eq!(&executed.outcomes, &next.executed.outcomes);
            commit(&mut whole, &next.block, next.executed);
            commit(&mut other, &next.block, executed);
        }
        assert_same(&store, &copy);
        prop_assert_eq!(whole.tip(), other.tip());
    }
}

#[test]
fn proofs_hold_at_the_snapshot_and_after_and_nothing_stale_is_left() {
    let (_, store) = told();
    let copy = Arc::new(MemStore::default());
    Snapshot::of(store.as_ref()).fill(copy.clone()).expect("joins");
    let mut archive = Ledger::open(copy.clone(), genesis(), true).expect("opens");
    let base = archive.tip().header.height;
    for number in 0..40u64 {
        let time_ms = archive.tip().header.time_ms + MINUTE_MS;
        let action = if number == 0 { opens("toy") } else { Action::Report(at_ms("moment", number)) };
        let of = if number % 3 == 0 { 5 } else { 1 };
        let bytes = item(1_000 + number, case(of), &action);
        let time_ms = if number == 30 { time_ms + 35 * 24 * HOUR_MS } else { time_ms };
        advance_at(&mut archive, time_ms, &[valid_until(BAMF, 1_000 + number, time_ms + HOUR_MS, vec![bytes])]);
    }
    let light = LightClient::new(&genesis());
    for height in base..=base + 40 {
        let (header, certificate) = query::header(copy.as_ref(), height).expect("memory").expect("kept");
        for of in [1, 2, 5, 7] {
            let proof = prove(copy.as_ref(), header.clone(), certificate.clone(), &case(of), &[]).expect("kept");
            proof.verify(&light).expect("what is proved is true");
            assert_eq!(proof.root.is_some(), of < 3 || (of == 5 && height > base));
        }
    }
    assert_stale_values_are_exact(&copy);
}

#[test]
fn after_the_window_a_joined_tree_is_as_large_as_the_other() {
    let (mut whole, store) = told();
    let (mut other, copy) = joined(store.as_ref());
    for _ in 0..TREE_VERSIONS_KEPT + 3 {
        let built = build(&whole, whole.tip().header.time_ms + MINUTE_MS, &[]);
        let executed = other.validate(&built.block).expect("valid");
        commit(&mut whole, &built.block, built.executed);
        commit(&mut other, &built.block, executed);
    }
    let sizes = |store: &MemStore| [Family::Tree, Family::TreeStale].map(|of| family(store, of).len());
    assert_eq!(sizes(&copy), sizes(&store));
}

#[test]
fn nodes_make_the_same_snapshot_but_for_the_certificate() {
    let (mut one, mut other) = (ledger(), ledger());
    story(&mut one.0, |_| {});
    for height in 1..=one.0.tip().header.height {
        let (block, _) = query::block(one.1.as_ref(), height).expect("memory").expect("stored");
        let executed = other.0.validate(&block).expect("valid");
        let certificate = certificate_by(&block.header, &[1, 2, 3]);
        other.0.commit(&block, executed, &certificate, Batch::default()).expect("memory");
        other.0.prune_bodies_below(height);
    }
    let (a, b) = (Snapshot::of(one.1.as_ref()), Snapshot::of(other.1.as_ref()));
    assert_ne!(a.manifest.certificate, b.manifest.certificate);
    assert_eq!(
        (a.manifest.content(), &a.manifest.chunks, &a.chunks),
        (b.manifest.content(), &b.manifest.chunks, &b.chunks)
    );
    // Chunks of one under the manifest of the other.
    let store = Arc::new(MemStore::default());
    let mixed = Snapshot { manifest: b.manifest.clone(), chunks: a.chunks };
    assert_eq!(mixed.fill(store).expect("joins").certificate, Some(b.manifest.certificate));
}

#[test]
fn pruning_takes_what_nobody_asks_for_in_steps_and_nothing_else() {
    let (mut pruned, store) = ledger();
    let (mut whole, archive) = ledger();
    let mut heights = Vec::new();
    story(&mut pruned, |ledger| {
        let height = ledger.tip().header.height;
        let before = query::bodies_from(store.as_ref()).expect("memory");
        // Above the tip there is nothing to prune, and an earlier wish does not take a later one back.
        ledger.prune_bodies_below(if height == 2 { 99 } else { height - 1 });
        assert_eq!(query::bodies_from(store.as_ref()).expect("memory"), before, "pruned with the next commit");
        heights.push(before);
    });
    assert_eq!(heights, [1, 1, 2, 2, 3, 4]);
    story(&mut whole, |_| {});
    assert_eq!(pruned.tip(), whole.tip());
    assert_eq!(query::bodies_from(store.as_ref()).expect("memory"), 4);
    assert_same(&archive, &store);
    assert!(query::header(store.as_ref(), 3).expect("memory").is_none());
    assert!(query::header(store.as_ref(), 4).expect("memory").is_some());
    let gone = family(archive.as_ref(), Family::Items).len() - family(store.as_ref(), Family::Items).len();
    assert_eq!(gone, 2, "refused below height 4");
    // What became of each transaction is known for 30 days past its hour, also of those refused whole.
    let time_ms = pruned.tip().header.time_ms;
    for (authority, number) in [("de-bamf", 2), ("de-bamf", 3), ("sn-lds", 3)] {
        let found = submissions::find(store.as_ref(), authority, &transaction_id(number)).expect("memory");
        let found = found.expect("within its time");
        assert!(query::receipts(store.as_ref(), found.height, found.index).expect("memory").is_some());
    }
    assert!(time_ms > GENESIS_MS);
    // A reopened ledger goes on where it was.
    let rows = (*store.rows()).clone();
    let mut reopened = open(Arc::new(MemStore::with_rows(rows)));
    advance(&mut reopened, &[]);
    assert_eq!(query::bodies_from(reopened.store().as_ref()).expect("memory"), 4);
    reopened.prune_bodies_below(6);
    advance(&mut reopened, &[]);
    assert_eq!(query::bodies_from(reopened.store().as_ref()).expect("memory"), 6);
}

#[test]
fn pruning_is_bounded_by_commit_and_catches_up() {
    let (mut ledger, store) = ledger();
    let opened: Vec<_> =
        (0..200).map(|number| transaction(BAMF, number, vec![item(number, case(1), &opens("toy"))])).collect();
    for part in opened.chunks(100) {
        advance(&mut ledger, part);
    }
    for _ in 0..600 {
        advance(&mut ledger, &[]);
    }
    let tip = ledger.tip().header.height;
    ledger.prune_bodies_below(tip);
    let certified = |store: &MemStore| {
        let there = |height: &u64| query::header(store, *height).expect("memory").is_some();
        (1..=tip).filter(there).count()
    };
    let mut left = vec![certified(&store)];
    while left.len() < 6 {
        advance(&mut ledger, &[]);
        left.push(certified(&store));
        assert_eq!(query::bodies_from(store.as_ref()).expect("memory"), tip);
    }
    // 202 rows of the first two heights, then a header each.
    assert_eq!(left, [602, 546, 290, 34, 1, 1]);
    assert_eq!(family(store.as_ref(), Family::Items).len(), 1);
}

#[test]
fn a_crash_while_pruning_leaves_the_old_or_the_new_rows() {
    // Prunes with each commit; the store after each height, as an undisturbed node has it.
    let run = |store: &Arc<FaultyStore>, from: u64| -> Result<Vec<Rows>, StoreError> {
        let mut ledger = open(store.clone());
        let mut states = vec![store.after_power_loss(0)];
        for height in from..=12 {
            ledger.prune_bodies_below(height.saturating_sub(2));
            let action = if height == 1 { opens("toy") } else { Action::Report(at_ms("moment", height)) };
            let other = Action::Report(at_ms("moment", height));
            let items = vec![item(height, case(1), &action), item(height + 100, case(7), &other)];
            let until = ledger.tip().header.time_ms + HOUR_MS;
            let built = build(&ledger, until - 1, &[valid_until(BAMF, height, until, items)]);
            let certificate = certificate_by(&built.block.header, &[0, 1, 2]);
            ledger.commit(&built.block, built.executed, &certificate, Batch::default())?;
            states.push(store.after_power_loss(0));
        }
        Ok(states)
    };
    let states = run(&Arc::new(FaultyStore::default()), 1).expect("works");
    for write in 2..=13u64 {
        for (point, done) in [(CrashPoint::Before(write), write - 2), (CrashPoint::After(write), write - 1)] {
            let store = Arc::new(FaultyStore::default());
            store.plan(Some(point));
            run(&store, 1).expect_err("it crashes");
            let rows = store.after_power_loss(0);
            assert_eq!(rows, states[usize::try_from(done).expect("small")], "{point:?}");
            let again = Arc::new(FaultyStore::with_rows(rows));
            run(&again, done + 1).expect("goes on");
            assert_eq!(&again.after_power_loss(0), states.last().expect("some"));
        }
    }
}

#[test]
fn an_archive_prunes_nothing() {
    let store = Arc::new(MemStore::default());
    let mut ledger = Ledger::open(store.clone(), genesis(), true).expect("opens");
    story(&mut ledger, |ledger| ledger.prune_bodies_below(ledger.tip().header.height));
    assert_eq!(query::bodies_from(store.as_ref()).expect("memory"), 1);
    assert!((1..=6).all(|height| query::block(store.as_ref(), height).expect("memory").is_some()));
}

#[test]
fn a_long_case_is_cut_into_parts_and_chunks_stay_within_their_bounds() {
    let (mut ledger, store) = ledger();
    let mut number = 0u64;
    let mut next = |action: Action| {
        number += 1;
        item(number, case(1), &action)
    };
    advance(&mut ledger, &[transaction(BAMF, 0, vec![next(opens("toy"))])]);
    for block in 0..16 {
        let documents: Vec<[u8; 32]> = (0..8).map(|number| [number; 32]).collect();
        let report = |at| Report { documents: documents.clone(), ..at_ms("moment", block * 256 + at) };
        let items = (0..256).map(|at| next(Action::Report(report(at)))).collect();
        advance(&mut ledger, &[transaction(BAMF, 1 + block, items)]);
    }
    // A second case, so that the first one is followed by another.
    advance(&mut ledger, &[transaction(BAMF, 99, vec![item(9_999, case(2), &opens("toy"))])]);
    let snapshot = Snapshot::of(store.as_ref());
    let cases: Vec<_> = snapshot.manifest.chunks.iter().filter(|chunk| chunk.kind == ChunkKind::Cases).collect();
    assert!(cases.iter().map(|chunk| chunk.count).sum::<u32>() > 2, "{cases:?}");
    for (chunk, bytes) in snapshot.manifest.chunks.iter().zip(&snapshot.chunks) {
        assert!(bytes.len() <= CHUNK_BYTES_MAX && chunk.length as usize == bytes.len());
    }
    let ended: Vec<_> = cases.iter().rev().skip(1).map(|chunk| chunk.length as usize).collect();
    assert!(ended.iter().all(|length| *length > CHUNK_BYTES), "only the last of a kind is below the cut");
    let (other, copy) = joined(store.as_ref());
    assert_eq!(other.tip(), ledger.tip());
    assert_same(&store, &copy);
}

#[test]
fn there_is_no_snapshot_of_genesis_and_none_that_nobody_takes() {
    let (mut ledger, store) = ledger();
    let mut sink = |_: u32, _: &_, _: &[u8]| Ok(());
    assert_eq!(create(store.as_ref(), &genesis(), &mut sink), Err(SnapshotError::NoBlock));
    advance(&mut ledger, &[]);
    let mut full = |index: u32, _: &_, _: &[u8]| if index == 1 { Err("no space".to_owned()) } else { Ok(()) };
    let refused = create(store.as_ref(), &genesis(), &mut full).expect_err("refused");
    assert_eq!(refused, SnapshotError::Sink { index: 1, why: "no space".to_owned() });
    // A store that lost a row makes none either.
    let mut batch = Batch::default();
    batch.delete(Family::Blocks, 1u64.to_be_bytes().to_vec());
    store.write(&batch, Durability::Synced).expect("memory");
    assert!(matches!(create(store.as_ref(), &genesis(), &mut sink), Err(SnapshotError::Store(_))));
}

#[test]
fn an_empty_chain_and_a_chain_without_cases_join() {
    let (mut ledger, store) = ledger();
    advance(&mut ledger, &[]);
    let (other, copy) = joined(store.as_ref());
    assert_eq!((other.tip(), Snapshot::of(copy.as_ref()).chunks.len()), (ledger.tip(), 2));
    assert_eq!(encode(&Snapshot::of(copy.as_ref()).manifest), encode(&Snapshot::of(store.as_ref()).manifest));
}
