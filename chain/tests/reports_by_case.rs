//! Reports are found by case through filters of the database: no report may be missed, in memory or in files, whatever
//! case stands beside it, and scans over several cases must not be narrowed to one.

#![cfg(feature = "rocksdb")]
#![allow(clippy::expect_used, reason = "a test stops at the first thing that does not hold")]

use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::rocks::RocksStore;
use laufzettel_chain::storage::{Batch, Durability, Family, Read as _, Store, prefix_end};
use proptest::prelude::*;

/// Few cases, so that they meet; one of them ends with the last byte there is, one is before and one behind it.
fn case() -> impl Strategy<Value = Vec<u8>> {
    let of = |head: u8, last: u8| {
        let mut case = vec![head; 15];
        case.push(last);
        case
    };
    prop_oneof![
        Just(of(7, 0xff)),
        Just(of(7, 0xfe)),
        Just(of(8, 0)),
        Just(of(0xff, 0xff)),
        Just(of(0, 0)),
        any::<(u8, u8)>().prop_map(move |(head, last)| of(head, last)),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<u8>, u8),
    Delete(Vec<u8>, u8),
    ToFiles,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (case(), any::<u8>()).prop_map(|(case, place)| Step::Put(case, place)),
        2 => (case(), any::<u8>()).prop_map(|(case, place)| Step::Delete(case, place)),
        1 => Just(Step::ToFiles),
    ]
}

fn key(case: &[u8], place: u8) -> Vec<u8> {
    [case, &[0, place]].concat()
}

proptest! {
    // Each opens a database of its own.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn filters_miss_none(steps in prop::collection::vec(step(), 1..60), asked in prop::collection::vec(case(), 8)) {
        let directory = tempfile::tempdir().expect("a directory");
        let (disk, memory) = (RocksStore::open(directory.path()).expect("opens"), MemStore::default());
        for step in &steps {
            let mut batch = Batch::default();
            match step {
                Step::Put(case, place) => batch.put(Family::Reports, key(case, *place), vec![*place]),
                Step::Delete(case, place) => batch.delete(Family::Reports, key(case, *place)),
                Step::ToFiles => disk.compact().expect("compacts"),
            }
            memory.write(&batch, Durability::Synced).expect("writes");
            disk.write(&batch, Durability::Synced).expect("writes");
        }
        for case in &asked {
            let next = prefix_end(case);
            let ranges = [
                (case.clone(), next.clone()),
                (key(case, 40), next),
                (case.clone(), key(case, 200)),
                (case.get(..15).expect("15 bytes").to_vec(), vec![0xff; 17]),
                (case.clone(), vec![0xff; 17]),
                (vec![0], case.clone()),
            ];
            for (from, to) in &ranges {
                for limit in [1, usize::MAX] {
                    let expected = memory.scan(Family::Reports, from, to, limit).expect("scans");
                    prop_assert_eq!(&disk.scan(Family::Reports, from, to, limit).expect("scans"), &expected);
                    let snapshot = disk.snapshot();
                    prop_assert_eq!(&snapshot.scan(Family::Reports, from, to, limit).expect("scans"), &expected);
                }
                let expected = memory.last(Family::Reports, from, to).expect("finds");
                prop_assert_eq!(disk.last(Family::Reports, from, to).expect("finds"), expected);
            }
        }
    }
}
