//! A crash before or after any write leaves the old state or the new one,
//! never one in between; what was not synced is lost from the end only.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

mod fixture;

use std::sync::Arc;

use fixture::{BAMF, MINUTE_MS, at_ms, build, case, certificate, genesis, item, open, opens, transaction};
use laufzettel_chain::index;
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::{Ahead, Ledger};
use laufzettel_chain::storage::faulty::{CrashPoint, FaultyStore};
use laufzettel_chain::storage::mem::Rows;
use laufzettel_chain::storage::{Batch, Durability, Family, Read as _, Store as _, StoreError};
use laufzettel_chain::transaction::SignedTransaction;

const HEIGHTS: u64 = 6;

fn candidates(height: u64) -> Vec<Arc<SignedTransaction>> {
    let first = if height == 1 { opens("toy") } else { Action::Report(at_ms("moment", height)) };
    vec![transaction(BAMF, height, vec![item(height, case(1), &first)])]
}

/// A log entry as a node writes it, and later deletes with the commit.
fn log(height: u64, durability: Durability, store: &FaultyStore) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    batch.put(Family::Consensus, height.to_be_bytes().to_vec(), vec![1]);
    store.write(&batch, durability)
}

/// Commits the next height; the log entry of the height goes with the same batch.
fn commit_next(ledger: &mut Ledger) -> Result<(), StoreError> {
    let height = ledger.tip().header.height + 1;
    let built = build(ledger, ledger.tip().header.time_ms + MINUTE_MS, &candidates(height));
    let mut with = Batch::default();
    with.delete(Family::Consensus, height.to_be_bytes().to_vec());
    let certificate = certificate(&built.block.header);
    ledger.commit(&built.block, built.executed, &certificate, with).map(drop)
}

/// Opens the store and goes on to the last height, until it crashes.
fn run(store: &Arc<FaultyStore>) -> Result<(), StoreError> {
    let mut ledger = match Ledger::open(store.clone(), genesis(), false) {
        Ok(ledger) => ledger,
        Err(laufzettel_chain::ledger::OpenError::Store(error)) => return Err(error),
        Err(other) => panic!("{other}"),
    };
    while ledger.tip().header.height < HEIGHTS {
        log(ledger.tip().header.height + 1, Durability::Buffered, store)?;
        commit_next(&mut ledger)?;
    }
    Ok(())
}

/// What an undisturbed node has at each height; the first is the empty store.
fn undisturbed() -> Vec<Rows> {
    let store = Arc::new(FaultyStore::default());
    let mut ledger = open(store.clone());
    let mut states = vec![Rows::new(), store.after_power_loss(0)];
    while ledger.tip().header.height < HEIGHTS {
        log(ledger.tip().header.height + 1, Durability::Buffered, &store).expect("works");
        commit_next(&mut ledger).expect("works");
        states.push(store.after_power_loss(0));
    }
    states
}

fn without_log(mut rows: Rows) -> Rows {
    rows.retain(|(family, _), _| *family != Family::Consensus);
    rows
}

#[test]
fn a_crash_at_any_write_leaves_the_old_or_the_new_state() {
    let states = undisturbed();
    let writes = 1 + 2 * HEIGHTS;
    for write in 1..=writes {
        for point in [CrashPoint::Before(write), CrashPoint::After(write)] {
            let store = Arc::new(FaultyStore::default());
            store.plan(Some(point));
            run(&store).expect_err("it crashes");
            assert!(store.crashed() && store.writes() == write);
            for kept in 0..=store.unsynced() {
                let rows = store.after_power_loss(kept);
                // Write 1 makes the store; then each height has a log entry and a commit.
                let done = match point {
                    CrashPoint::Before(write) => write / 2,
                    CrashPoint::After(write) => write.div_ceil(2),
                };
                let expected = &states[usize::try_from(done).expect("small")];
                assert_eq!(&without_log(rows.clone()), expected, "{point:?}");
                let again = Arc::new(FaultyStore::with_rows(rows));
                run(&again).expect("goes on");
                assert_eq!(&without_log(again.after_power_loss(0)), states.last().expect("some"));
                let anew = index::rebuild(again.as_ref(), &genesis().registry).expect("works");
                assert_eq!(anew, again.scan(Family::Index, &[], &[0xff], usize::MAX).expect("works"));
            }
        }
    }
}

#[test]
fn a_failed_commit_moves_nothing_in_the_running_process() {
    let store = Arc::new(FaultyStore::default());
    let mut ledger = open(store.clone());
    commit_next(&mut ledger).expect("works");
    let (tip, rows) = (ledger.tip(), store.rows());
    store.plan(Some(CrashPoint::After(store.writes() + 1)));
    commit_next(&mut ledger).expect_err("it crashes");
    assert_eq!((ledger.tip(), store.rows()), (tip, rows));
    assert_eq!(open(Arc::new(FaultyStore::with_rows(store.after_power_loss(0)))).tip().header.height, 2);
    log(9, Durability::Synced, &store).expect_err("a machine that is off writes nothing");
}

#[test]
fn a_block_whose_write_fails_is_followed_by_none() {
    for point in [CrashPoint::Before, CrashPoint::After] {
        let store = Arc::new(FaultyStore::default());
        let mut ledger = open(store.clone());
        commit_next(&mut ledger).expect("works");
        let built = build(&ledger, ledger.tip().header.time_ms + MINUTE_MS, &candidates(2));
        let executed = ledger.validate_decided(&built.block).expect("valid");
        let (tip, rows) = (ledger.tip(), store.rows());
        store.plan(Some(point(store.writes() + 1)));
        let certificate = certificate(&built.block.header);
        let ahead = |mut ahead: Ahead<'_>| ahead.validate_decided(&built.block).expect_err("it stands already");
        let failed = ledger.commit_meanwhile((&built.block, executed, &certificate), Batch::default(), ahead);
        failed.expect_err("it crashes");
        assert_eq!((ledger.tip(), store.rows()), (tip, rows));
        // What was taken out of memory is read again.
        assert_eq!(ledger.validate_decided(&built.block).expect("valid").batch, built.executed.batch);
    }
}

#[test]
fn unsynced_writes_are_lost_from_the_end_and_a_sync_keeps_all_before_it() {
    let store = FaultyStore::default();
    for number in 1..=3 {
        log(number, Durability::Buffered, &store).expect("works");
    }
    assert_eq!(store.unsynced(), 3);
    for kept in 0..=3 {
        let rows = store.after_power_loss(kept);
        let numbers: Vec<u8> = rows.keys().map(|(_, key)| key[7]).collect();
        assert_eq!(numbers, (1..=u8::try_from(kept).expect("small")).collect::<Vec<_>>());
    }
    log(4, Durability::Synced, &store).expect("works");
    assert_eq!((store.unsynced(), store.after_power_loss(0).len()), (0, 4));
    assert_eq!(store.rows().len(), 4);
}
