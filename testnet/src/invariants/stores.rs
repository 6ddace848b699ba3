//! The checker over the folders of stopped nodes. Databases are opened for reading only.

use std::path::Path;

use laufzettel_chain::storage::rocks::RocksStore;
use laufzettel_chain::storage::{Family, Read as _, StoreError};
use laufzettel_node::slots::SlotFile;
use laufzettel_node::worker::WatermarkSlots as _;

use super::{Held, History, Verdict, Witness, check};
use crate::cluster::{Cluster, Fault};

/// What is only written to a node's log: it saw a validator sign two messages that contradict each other.
const EVIDENCE: &str = "two messages that contradict each other";
const PANIC: &str = "panicked at";
/// Longer than any key.
const END: [u8; 64] = [0xff; 64];
/// Rows read at once.
const ROWS_AT_ONCE: usize = 4_096;

/// Checks a network whose nodes have all ended.
pub(crate) fn check_stopped(cluster: &Cluster, history: &History, mut witness: Witness) -> Result<Verdict, Fault> {
    let mut stores = Vec::new();
    for node in cluster.nodes() {
        let data = cluster.net.node_folder(node).join("data");
        stores.push((node, RocksStore::open_read_only(&data.join("db"))?));
        witness.watermark(node, &SlotFile::open(&data.join("watermark"))?.read()?);
    }
    let held: Vec<Held<'_>> = stores.iter().map(|(node, store)| Held { node, read: store }).collect();
    let mut verdict = check(&cluster.genesis, &held, history, witness);
    for node in cluster.nodes() {
        let log = std::fs::read(cluster.net.node_folder(node).join("node.log")).unwrap_or_default();
        for line in String::from_utf8_lossy(&log).lines() {
            if line.contains(EVIDENCE) {
                verdict.double_signatures += 1;
                verdict.violated(format!("{node} saw it: {line}"));
            } else if line.contains(PANIC) {
                verdict.violated(format!("{node}: {line}"));
            }
        }
    }
    Ok(verdict)
}

/// Reads every row of a database, and so every block of every file, with its checksum.
///
/// # Errors
/// Something in it is damaged.
pub(crate) fn read_all(database: &Path) -> Result<(), StoreError> {
    let store = RocksStore::open_read_only(database)?;
    for family in Family::ALL {
        let mut from = Vec::new();
        loop {
            let rows = store.scan(family, &from, &END, ROWS_AT_ONCE)?;
            let Some((last, _)) = rows.last() else { break };
            from.clone_from(last);
            from.push(0);
        }
    }
    Ok(())
}
