//! Every store behaves as a sorted map does: the memory store against a map
//! of its own, the fault-injecting one and RocksDB against the memory store.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

use std::collections::BTreeMap;

use laufzettel_chain::storage::faulty::FaultyStore;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Batch, Durability, Family, Read, Row, Store, prefix_end};
use proptest::collection::vec;
use proptest::prelude::*;

type Map = BTreeMap<(Family, Vec<u8>), Vec<u8>>;

/// Plain maps of the same rows: nothing is shared with the stores.
fn scan(map: &Map, family: Family, from: &[u8], to: &[u8], limit: usize) -> Vec<Row> {
    let inside = |key: &Vec<u8>| key.as_slice() >= from && key.as_slice() < to;
    let rows = map.iter().filter(|((of, key), _)| *of == family && inside(key));
    rows.map(|((_, key), value)| (key.clone(), value.clone())).take(limit).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<(Family, Vec<u8>, Option<Vec<u8>>)>, bool),
    Get(Family, Vec<u8>),
    Scan(Family, Vec<u8>, Vec<u8>, usize),
    Last(Family, Vec<u8>, Vec<u8>),
    Prefix(Family, Vec<u8>),
    /// What follows reads the past as it was at this step, too.
    Snapshot,
}

fn family() -> impl Strategy<Value = Family> {
    proptest::sample::select(vec![Family::Blocks, Family::Items, Family::Tree, Family::Meta])
}

/// Few keys that are prefixes of each other and end in 0x00 or 0xff.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(proptest::sample::select(vec![0u8, 1, 0x7f, 0xfe, 0xff]), 1..4)
}

/// A bound of a range: also empty.
fn bound() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![1 => Just(Vec::new()), 6 => key()]
}

fn step() -> impl Strategy<Value = Step> {
    let write = (family(), key(), prop::option::weighted(0.7, vec(any::<u8>(), 0..5)));
    prop_oneof![
        4 => (vec(write, 0..6), any::<bool>()).prop_map(|(writes, synced)| Step::Write(writes, synced)),
        2 => (family(), key()).prop_map(|(family, key)| Step::Get(family, key)),
        3 => (family(), bound(), bound(), 0..5usize).prop_map(|(family, from, to, limit)| Step::Scan(family, from, to, limit)),
        2 => (family(), bound(), bound()).prop_map(|(family, from, to)| Step::Last(family, from, to)),
        1 => (family(), key()).prop_map(|(family, prefix)| Step::Prefix(family, prefix)),
        1 => Just(Step::Snapshot),
    ]
}

fn check(read: &dyn Read, map: &Map, step: &Step) {
    match step {
        Step::Get(family, key) => {
            assert_eq!(read.get(*family, key).expect("works"), map.get(&(*family, key.clone())).cloned());
        }
        Step::Scan(family, from, to, limit) => {
            let found = read.scan(*family, from, to, *limit).expect("works");
            assert_eq!(found, scan(map, *family, from, to, *limit));
        }
        Step::Last(family, from, to) => {
            let found = read.last(*family, from, to).expect("works");
            assert_eq!(found, scan(map, *family, from, to, usize::MAX).pop());
        }
        Step::Prefix(family, prefix) => {
            let found = read.scan(*family, prefix, &prefix_end(prefix), usize::MAX).expect("works");
            let rows = map.iter().filter(|((of, key), _)| of == family && key.starts_with(prefix));
            let expected: Vec<Row> = rows.map(|((_, key), value)| (key.clone(), value.clone())).collect();
            // Only a prefix of 0xff alone has no key that ends it.
            if prefix.iter().any(|byte| *byte != 0xff) {
                assert_eq!(found, expected);
            }
        }
        Step::Write(..) | Step::Snapshot => {}
    }
}

fn whole(read: &dyn Read, map: &Map) {
    for family in Family::ALL {
        let end = [0xff; 8];
        assert_eq!(read.scan(family, &[], &end, usize::MAX).expect("works"), scan(map, family, &[], &end, usize::MAX));
    }
}

fn play(store: &dyn Store, steps: &[Step]) {
    let mut map = Map::new();
    let mut past: Option<(Box<dyn Read + Send + '_>, Map)> = None;
    for step in steps {
        if let Step::Write(writes, synced) = step {
            let durability = if *synced { Durability::Synced } else { Durability::Buffered };
            store.write(&Batch { writes: writes.clone() }, durability).expect("works");
            for (family, key, value) in writes.clone() {
                match value {
                    Some(value) => drop(map.insert((family, key), value)),
                    None => drop(map.remove(&(family, key))),
                }
            }
        }
        if matches!(step, Step::Snapshot) {
            past = Some((store.snapshot(), map.clone()));
        }
        check(store, &map, step);
        if let Some((snapshot, map)) = &past {
            check(snapshot.as_ref(), map, step);
        }
    }
    whole(store, &map);
    if let Some((snapshot, map)) = &past {
        whole(snapshot.as_ref(), map);
    }
}

proptest! {
    #[test]
    fn memory_is_a_sorted_map(steps in vec(step(), 1..60)) {
        play(&MemStore::default(), &steps);
    }

    #[test]
    fn without_faults_the_faulty_store_is_one_too(steps in vec(step(), 1..60)) {
        let store = FaultyStore::default();
        play(&store, &steps);
        let unsynced = store.unsynced();
        prop_assert_eq!(&store.after_power_loss(unsynced), &*store.rows());
    }
}

#[cfg(feature = "rocksdb")]
mod rocks {
    use super::*;
    use laufzettel_chain::storage::rocks::RocksStore;

    proptest! {
        // Each opens a database of its own.
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn on_disk_it_is_one_too_and_stays_so_after_a_restart(steps in vec(step(), 1..120)) {
            let directory = tempfile::tempdir().expect("a directory");
            let memory = MemStore::default();
            play(&memory, &steps);
            {
                let store = RocksStore::open(directory.path()).expect("opens");
                play(&store, &steps);
            }
            let store = RocksStore::open(directory.path()).expect("opens again");
            whole(&store, &memory.rows());
        }
    }

    #[test]
    fn a_directory_in_use_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let _store = RocksStore::open(directory.path()).expect("opens");
        assert!(RocksStore::open(directory.path()).is_err());
    }
}
