//! The tree's own update against that of `jmt`, over random histories.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::storage::mem::MemStore;
use crate::storage::{Durability, Store as _};

/// Keys of few values each, so that heights meet on them; some with long common beginnings.
fn state_key(number: u16) -> StateKey {
    StateKey::Bucket(u64::from(number))
}

type Heights = Vec<BTreeMap<u16, Option<u8>>>;

fn heights() -> impl Strategy<Value = Heights> {
    let value = prop_oneof![9 => any::<u8>().prop_map(Some), 1 => Just(None)];
    let change = proptest::collection::btree_map(0u16..300, value, 1..40);
    proptest::collection::vec(change, 1..10)
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_row_is_the_one_that_jmt_writes(heights in heights()) {
        let ((own, own_roots), (jmt, jmt_roots)) = (play(&heights, true), play(&heights, false));
        prop_assert_eq!(own_roots, jmt_roots);
        prop_assert_eq!(&*own.rows(), &*jmt.rows());
    }
}

#[test]
fn keys_that_part_late_hang_deep() {
    let leaves: Vec<update::Leaf> = [(0, 0), (40, 1), (63, 2)]
        .map(|(depth, number): (usize, u8)| {
            let mut key = [7; 32];
            if depth > 0 {
                key[depth / 2] ^= if depth % 2 == 0 { 0x10 } else { 0x01 };
            }
            (key, [number; 32])
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
