//! A database on disk that lost its last log of writes goes back to an older state, the same in every family; it never
//! holds one family of one time and another of another.
#![cfg(feature = "rocksdb")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

use std::fs;
use std::path::Path;

use laufzettel_chain::storage::rocks::RocksStore;
use laufzettel_chain::storage::{Batch, Durability, Family, Read as _, Store as _};

/// One family gets this much with each write, the other a few bytes: the first is written out, the second is not full.
const LARGE: usize = 512 * 1024;
/// More than what a family keeps in memory, several times over.
const WRITES: u64 = 150;
const COUNT: &[u8] = b"count";

fn fill(path: &Path) {
    let store = RocksStore::open(path).expect("opens");
    for number in 1..=WRITES {
        let mut batch = Batch::default();
        batch.put(Family::Cases, number.to_be_bytes().to_vec(), vec![0x5a; LARGE]);
        batch.put(Family::Meta, COUNT.to_vec(), number.to_be_bytes().to_vec());
        store.write(&batch, Durability::Synced).expect("the disk works");
    }
}

/// How far each of the two families is.
fn state(store: &RocksStore) -> (u64, u64) {
    let number = |bytes: Vec<u8>| u64::from_be_bytes(bytes.try_into().expect("8 bytes"));
    let cases = store.last(Family::Cases, &[], &[0xff; 9]).expect("reads").map_or(0, |(key, _)| number(key));
    let count = store.get(Family::Meta, COUNT).expect("reads").map_or(0, number);
    (cases, count)
}

fn logs(path: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
}

#[test]
fn families_go_back_together() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path());
    assert_eq!(state(&RocksStore::open_read_only(folder.path()).expect("opens")), (WRITES, WRITES));
    // The log that was written last. RocksDB knows which ones came before it, and refuses to open without these.
    let last = logs(folder.path()).into_iter().max().expect("something to lose");
    fs::remove_file(last).expect("a file");
    let (cases, count) = state(&RocksStore::open(folder.path()).expect("what was written out is whole"));
    assert!(cases > 0 && cases < WRITES, "{cases} of {WRITES} were written out: this proves nothing");
    assert_eq!(cases, count, "two families of two times");
}

#[test]
fn a_database_that_is_only_read_takes_no_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(RocksStore::open_read_only(folder.path()).is_err(), "there is none yet");
    drop(RocksStore::open(folder.path()).expect("opens"));
    let store = RocksStore::open_read_only(folder.path()).expect("opens");
    let mut batch = Batch::default();
    batch.put(Family::Meta, COUNT.to_vec(), vec![1]);
    assert!(store.write(&batch, Durability::Synced).is_err());
}
