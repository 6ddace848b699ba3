//! The tree's own update against that of `jmt`, over random histories.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::storage::mem::MemStore;
use crate::storage::{Durability, Store as _};

/// Keys of few values each, so that heights meet on them; some with long common beginnings.
fn state_key(number: u16) -> StateKey {
    StateKey::Bucket(u64::from(number))
}

type Heights = Vec<BTreeMap<u16, Option<u8>>>;

fn heights(removed: u32) -> impl Strategy<Value = Heights> {
    let value = (any::<u8>(), 0..removed.saturating_add(4)).prop_map(|(value, kind)| (kind < 4).then_some(value));
    let change = move |keys: u16| proptest::collection::btree_map(0..keys, value.clone(), 1..40);
    // Among few keys, much is replaced and taken out.
    let (few, many) = (change(12), change(300));
    prop_oneof![proptest::collection::vec(few, 1..10), proptest::collection::vec(many, 1..10)]
}

/// Plays the heights into a tree; its rows and roots.
fn play(heights: &Heights, own: bool) -> (MemStore, Vec<Hash>) {
    let (store, mut roots) = (MemStore::default(), Vec::new());
    let mut written: BTreeMap<u16, Height> = BTreeMap::new();
    for (height, values) in (0u64..).zip(heights) {
        let mut changes = Vec::new();
        for (number, value) in values {
            // `jmt` cannot take out what was never there in an empty tree; the ledger never asks for it.
            let previous = written.get(number).copied();
            if value.is_none() && previous.is_none() {
                continue;
            }
            match value {
                Some(_) => drop(written.insert(*number, height)),
                None => drop(written.remove(number)),
            }
            changes.push(Change { key: state_key(*number), value: value.map(|value| vec![value; 32]), previous });
        }
        if changes.is_empty() {
            changes.push(Change { key: StateKey::Epoch, value: Some(vec![1]), previous: None });
        }
        let (root, batch) = if own {
            put(&store, height, changes).expect("memory")
        } else {
            let mut changes: Vec<_> = changes.into_iter().map(|change| (change.key.hash(), change)).collect();
            changes.sort_unstable_by_key(|(key, _)| key.0);
            let updated = put_each(&store, height, &changes).expect("memory");
            (updated.root, finish(height, updated, changes).expect("memory"))
        };
        store.write(&batch, Durability::Synced).expect("memory");
        roots.push(root);
    }
    (store, roots)
}

/// Rows of all nodes that the tree of a height has.
fn nodes_of(store: &MemStore, height: Height) -> BTreeSet<Vec<u8>> {
    let (mut rows, mut next) = (BTreeSet::new(), vec![(height, [0u8; 32], 0usize)]);
    while let Some((version, path, depth)) = next.pop() {
        let row = row_of_node(version, &path, depth);
        let bytes = store.get(Family::Tree, &row).expect("memory").expect("a node that another one names");
        rows.insert(row);
        if bytes.len() <= 1 || update::leaf_of(&bytes).is_some() {
            continue;
        }
        for (at, child) in (0u8..).zip(update::children_of(&bytes).expect("an inner node")) {
            let mut path = path;
            path[depth / 2] |= if depth % 2 == 0 { at << 4 } else { at };
            next.extend(child.map(|child| (child.version, path, depth.saturating_add(1))));
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_row_is_the_one_that_jmt_writes(heights in heights(0)) {
        let ((own, own_roots), (jmt, jmt_roots)) = (play(&heights, true), play(&heights, false));
        prop_assert_eq!(own_roots, jmt_roots);
        prop_assert_eq!(&*own.rows(), &*jmt.rows());
    }

    #[test]
    fn a_tree_from_which_values_go_is_that_of_jmt_and_what_is_stale_is_what_it_has_not(heights in heights(3)) {
        let ((own, own_roots), (_, jmt_roots)) = (play(&heights, true), play(&heights, false));
        prop_assert_eq!(own_roots, jmt_roots);
        let last = (heights.len() as u64).saturating_sub(1);
        let mut rows: BTreeSet<Vec<u8>> =
            own.scan(Family::Tree, &[NODE], &[VALUE], usize::MAX).expect("memory").into_iter().map(|(row, _)| row).collect();
        for (_, list) in own.scan(Family::TreeStale, &[], &[0xff; 9], usize::MAX).expect("memory") {
            for row in stale_rows(&list).expect("written here") {
                prop_assert!(row.first() != Some(&NODE) || rows.remove(row), "stale once, and it was there");
            }
        }
        prop_assert_eq!(rows, nodes_of(&own, last));
    }
}

#[test]
fn keys_that_part_late_hang_deep() {
    let leaves: Vec<update::NewLeaf> = [(0, 0), (40, 1), (63, 2)]
        .map(|(depth, number): (usize, u8)| {
            let mut key = [7; 32];
            if depth > 0 {
                key[depth / 2] ^= if depth % 2 == 0 { 0x10 } else { 0x01 };
            }
            (key, Some([number; 32]))
        })
        .into_iter()
        .collect();
    let mut leaves = leaves;
    leaves.sort_unstable();
    let store = MemStore::default();
    let start = vec![Change { key: StateKey::Epoch, value: Some(vec![1]), previous: None }];
    let (_, batch) = put(&store, 0, start).expect("memory");
    store.write(&batch, Durability::Synced).expect("memory");
    let updated = update::put(&store, 1, &leaves).expect("memory").expect("a tree");
    let stored = StoredTree(&store);
    let tree = JellyfishMerkleTree::<_, TreeHasher>::new(&stored);
    // The value that hashes to a leaf's value hash is not known: only nodes and root are compared.
    let deepest = updated.nodes.writes.iter().map(|(_, row, _)| row.len()).max();
    assert_eq!(deepest, Some(row_of_node(1, &[0; 32], 64).len()));
    assert!(tree.get_root_hash(1).is_err(), "nothing is written yet");
    store.write(&updated.nodes, Durability::Synced).expect("memory");
    assert_eq!(tree.get_root_hash(1).expect("written").0, updated.root);
}
