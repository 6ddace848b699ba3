//! What is kept and for how long: old tree versions go and the rest stays
//! provable, hours of submissions go after 30 days, and nothing grows for ever.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

mod fixture;

use std::sync::Arc;

use fixture::{
    BAMF, DAY_MS, GENESIS_MS, HOUR_MS, MINUTE_MS, advance, advance_at, at_ms, build, case, commit, genesis, item,
    ledger, on_day, opens, transaction, valid_until,
};
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::light::LightClient;
use laufzettel_chain::limits::{OUTCOME_KEPT_MS, TREE_VERSIONS_KEPT};
use laufzettel_chain::proof::{CaseProof, prove};
use laufzettel_chain::query;
use laufzettel_chain::state::submissions::{self, Bucket};
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Family, Read as _, StoreError};
use laufzettel_chain::tree::stale_rows;

fn proved(store: &MemStore, of: u8, height: u64) -> Result<CaseProof, StoreError> {
    let (header, certificate) = query::header(store, height)?.expect("headers are kept");
    let proof = prove(store, header, certificate, &case(of), &[])?;
    proof.verify(&LightClient::new(&genesis())).expect("what is proved is true");
    Ok(proof)
}

/// What is stale, each row behind the height since which it is.
fn stale(store: &MemStore) -> Vec<Vec<u8>> {
    let lists = store.scan(Family::TreeStale, &[], &[0xff; 9], usize::MAX).expect("memory");
    let rows = |(height, list): &(Vec<u8>, Vec<u8>)| {
        let rows = stale_rows(list).expect("written by the ledger");
        rows.into_iter().map(|row| [height.as_slice(), row].concat()).collect::<Vec<_>>()
    };
    lists.iter().flat_map(rows).collect()
}

fn count(store: &MemStore, family: Family) -> usize {
    store.rows().keys().filter(|(of, _)| *of == family).count()
}

#[test]
fn kept_versions_prove_older_ones_are_gone_and_the_tree_stays_bounded() {
    let (mut ledger, store) = ledger();
    advance(&mut ledger, &[transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))])]);
    let begun = item(2, case(1), &Action::Report(on_day("begun", -1)));
    advance(&mut ledger, &[transaction(BAMF, 2, vec![begun])]);
    let mut number = 2;
    let mut sizes = Vec::new();
    // A second case changes now and then; the first one rests, and must stay provable all the same.
    for height in 3..=2 * TREE_VERSIONS_KEPT + 500 {
        let candidates = if height % 10 == 0 {
            number += 1;
            let first = number == 3;
            let action = if first { opens("toy") } else { Action::Report(at_ms("moment", number)) };
            let until = ledger.tip().header.time_ms + HOUR_MS;
            vec![valid_until(BAMF, number, until, vec![item(number, case(2), &action)])]
        } else {
            Vec::new()
        };
        advance(&mut ledger, &candidates);
        if height % 500 == 0 {
            sizes.push((count(&store, Family::Tree), stale(&store).len()));
        }
    }
    let tip = ledger.tip().header.height;
    let oldest = tip - TREE_VERSIONS_KEPT;
    for height in [oldest, oldest + 1, tip - 500, tip - 1, tip] {
        let (one, two) = (proved(&store, 1, height).expect("kept"), proved(&store, 2, height).expect("kept"));
        assert!(one.root.is_some() && two.root.is_some() && proved(&store, 3, height).expect("kept").root.is_none());
        assert!(one.root == proved(&store, 1, tip).expect("kept").root && (height == tip || two.root.is_some()));
    }
    assert!(proved(&store, 2, oldest).expect("kept").root != proved(&store, 2, tip).expect("kept").root);
    assert!(proved(&store, 1, oldest - 1).is_err() && proved(&store, 1, 1).is_err());
    // The window holds as many stale rows at any time; the rest grows by a leaf and its way up for every new hour.
    let (grown, last) = (sizes[sizes.len() - 3], sizes[sizes.len() - 1]);
    assert!(last.1.abs_diff(grown.1) <= 200, "{sizes:?}");
    let live = |(tree, stale): (usize, usize)| tree - stale;
    assert!(live(last) - live(grown) <= 2 * 17 * 3, "{sizes:?}");
}

/// Whether of each key's values all but the last are stale, each since the height of the next one, and nothing else.
fn assert_stale_values_are_exact(store: &MemStore) {
    let values = store.scan(Family::Tree, &[1], &[2], usize::MAX).expect("memory");
    let version = |row: &[u8]| row[33..41].to_vec();
    let mut expected = Vec::new();
    for (number, (row, value)) in values.iter().enumerate() {
        if let Some((next, _)) = values.get(number + 1).filter(|(next, _)| next[..33] == row[..33]) {
            expected.push([version(next), row.clone()].concat());
        } else if value[0] == 0 {
            expected.push([version(row), row.clone()].concat());
        }
    }
    expected.sort_unstable();
    let stale: Vec<_> = stale(store).into_iter().filter(|row| row[8] == 1).collect();
    assert_eq!(stale, expected);
}

#[test]
fn every_value_that_was_replaced_or_dropped_is_stale() {
    let store = Arc::new(MemStore::default());
    let mut ledger = Ledger::open(store.clone(), genesis(), true).expect("opens");
    for number in 0..60u64 {
        let of = u8::try_from(number % 7).expect("small");
        let action = if number < 7 { opens("toy") } else { Action::Report(at_ms("moment", number)) };
        let until = ledger.tip().header.time_ms + HOUR_MS;
        // Some blocks are empty, and some heights have two transactions of one hour.
        let acts = |number: u64| valid_until(BAMF, number, until, vec![item(number, case(of), &action)]);
        let candidates = if number % 5 == 4 { vec![acts(number), acts(number + 1_000)] } else { vec![acts(number)] };
        advance(&mut ledger, &candidates);
        if number % 3 == 2 {
            advance(&mut ledger, &[]);
        }
    }
    let tip = ledger.tip().header.time_ms;
    for days in 30..33 {
        advance_at(&mut ledger, tip + days * DAY_MS, &[]);
    }
    let buckets = store.scan(Family::Submissions, &[3], &[4], usize::MAX).expect("memory");
    assert_eq!(buckets, Vec::new());
    assert_stale_values_are_exact(&store);
}

#[test]
fn an_archive_keeps_every_version() {
    let store = Arc::new(MemStore::default());
    let mut ledger = Ledger::open(store.clone(), genesis(), true).expect("opens");
    advance(&mut ledger, &[transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))])]);
    for _ in 0..TREE_VERSIONS_KEPT + 5 {
        advance(&mut ledger, &[]);
    }
    assert!(proved(&store, 1, 1).expect("kept").root.is_some());
}

#[test]
fn an_archive_and_a_pruned_node_agree() {
    let (mut pruned, _) = ledger();
    let mut archive = Ledger::open(Arc::new(MemStore::default()), genesis(), true).expect("opens");
    for _ in 0..TREE_VERSIONS_KEPT + 20 {
        let built = build(&pruned, pruned.tip().header.time_ms + MINUTE_MS, &[]);
        let executed = archive.validate(&built.block).expect("valid");
        commit(&mut archive, &built.block, executed);
        commit(&mut pruned, &built.block, built.executed);
    }
    assert_eq!(archive.tip(), pruned.tip());
}

#[test]
fn hours_of_submissions_go_after_thirty_days_and_leave_nothing() {
    let (mut ledger, store) = ledger();
    let open_case = |number: u8| vec![item(u64::from(number), case(number), &opens("toy"))];
    let hour = submissions::hour_of(GENESIS_MS);
    let first = valid_until(BAMF, 1, GENESIS_MS + HOUR_MS / 2, open_case(1));
    let second = valid_until(BAMF, 2, GENESIS_MS + HOUR_MS, open_case(2));
    advance(&mut ledger, &[first.clone(), second]);
    let submissions_before = count(&store, Family::Submissions);
    let find = |number| submissions::find(store.as_ref(), "de-bamf", &fixture::transaction_id(number)).expect("memory");
    let bucket = |hour| submissions::bucket(store.as_ref(), hour).expect("memory");
    assert_eq!((bucket(hour).count, bucket(hour + 1).count), (1, 1));
    // The hour ends at genesis + 1 h; to the last instant of the 30 days after it, it is there.
    advance_at(&mut ledger, GENESIS_MS + HOUR_MS + OUTCOME_KEPT_MS - 1, &[]);
    assert!(find(1).is_some() && bucket(hour).count == 1);
    advance_at(&mut ledger, GENESIS_MS + HOUR_MS + OUTCOME_KEPT_MS, &[]);
    assert!(find(1).is_none() && find(2).is_some());
    assert_eq!((bucket(hour), bucket(hour + 1).count), (Bucket::default(), 1));
    // Another day, and the second hour is gone as well, with every row.
    advance_at(&mut ledger, GENESIS_MS + OUTCOME_KEPT_MS + DAY_MS, &[]);
    assert_eq!((submissions_before, count(&store, Family::Submissions)), (6, 0));
    // The id is free again; the old transaction has long expired.
    let now = ledger.tip().header.time_ms;
    let built = build(&ledger, now + 1, &[first]);
    assert_eq!(built.unfit[0].1.reason(), "EXPIRED");
    let again = valid_until(BAMF, 1, now + HOUR_MS, open_case(3));
    advance(&mut ledger, &[again]);
    assert_eq!(find(1).expect("committed").height, ledger.tip().header.height);
}

#[test]
fn a_long_silence_drops_its_hours_bit_by_bit_and_the_tree_forgets_them() {
    let (mut ledger, store) = ledger();
    for number in 0..100u64 {
        let until = GENESIS_MS + 1 + number * HOUR_MS;
        let bytes = item(number, case(u8::try_from(number).expect("small") + 1), &opens("toy"));
        advance_at(&mut ledger, GENESIS_MS + 1 + number, &[valid_until(BAMF, number, until, vec![bytes])]);
    }
    let buckets = |store: &MemStore| {
        let rows = store.scan(Family::Submissions, &[3], &[4], usize::MAX).expect("memory");
        rows.len()
    };
    assert_eq!(buckets(&store), 100);
    let later = GENESIS_MS + 60 * DAY_MS;
    let mut left = Vec::new();
    for block in 0..4 {
        advance_at(&mut ledger, later + block * MINUTE_MS, &[]);
        left.push(buckets(&store));
    }
    assert_eq!(left, [52, 4, 0, 0]);
    for _ in 0..TREE_VERSIONS_KEPT + 1 {
        advance(&mut ledger, &[]);
    }
    // 1 + 20 + 4 values of the registry, order, epoch, parameters and version, and 100 cases: the hours left no value.
    let values = store.scan(Family::Tree, &[1], &[2], usize::MAX).expect("memory").len();
    let stale_values = stale(&store).iter().filter(|row| row[8] == 1).count();
    let registry = genesis().registry.authorities.len() + genesis().registry.keys.len() + genesis().texts.len();
    assert_eq!(values - stale_values, registry + 4 + 100);
}
