//! What a worker reads from the store: what an earlier run left of the undecided height, and decided blocks for peers. Must
//! never write.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_chain::block::Block;
use laufzettel_chain::codec::{decode, encode};
use laufzettel_chain::ids::{BlockId, Height};
use laufzettel_chain::query;
use laufzettel_chain::storage::{Family, Read, Store, StoreError};

use super::damaged;
use crate::consensus::{Input, LogRecord, SyncEntry, Ticket};

pub(super) fn read_log(store: &dyn Store) -> Result<(BTreeMap<u64, Height>, Vec<LogRecord>), StoreError> {
    let mut records = Vec::new();
    for (_, bytes) in store.scan(Family::Consensus, &[], &[0xff; 9], usize::MAX)? {
        let record: LogRecord = decode(&bytes).map_err(|error| damaged(Family::Consensus, error))?;
        records.push(record);
    }
    Ok((records.iter().map(|record| (record.position, record.height)).collect(), records))
}

type Pending = (BTreeMap<BlockId, Height>, Vec<Arc<Block>>);

pub(super) fn read_pending(store: &dyn Store) -> Result<Pending, StoreError> {
    let mut blocks = Vec::new();
    for (_, bytes) in store.scan(Family::Pending, &[], &[0xff; 33], usize::MAX)? {
        let block: Block = decode(&bytes).map_err(|error| damaged(Family::Pending, error))?;
        blocks.push(Arc::new(block));
    }
    Ok((blocks.iter().map(|block| (block.id(), block.header.height)).collect(), blocks))
}

/// What a peer that asked for blocks is to be told.
///
/// # Errors
/// The store failed.
pub fn answer_sync(
    store: &dyn Store,
    ticket: Ticket,
    from: Height,
    max_bytes: usize,
    max_count: usize,
) -> Result<Input, StoreError> {
    // One view: a commit that prunes meanwhile must not leave a gap in the answer.
    let view = store.snapshot();
    let bodies_from = query::bodies_from(view.as_ref())?;
    if from < bodies_from {
        return Ok(Input::BlocksPruned { ticket, bodies_from });
    }
    let entries = read_blocks(view.as_ref(), from, max_bytes, max_count)?;
    Ok(Input::BlocksRead { ticket, entries })
}

/// Decided blocks from a height on, as many as the bounds allow, at least one.
///
/// # Errors
/// The store failed.
pub fn read_blocks(
    read: &dyn Read,
    from: Height,
    max_bytes: usize,
    max_count: usize,
) -> Result<Vec<SyncEntry>, StoreError> {
    let (mut entries, mut bytes) = (Vec::new(), 0usize);
    let mut height = from;
    while entries.len() < max_count {
        let Some((block, certificate)) = query::block(read, height)? else { break };
        let entry = SyncEntry { block: Arc::new(block), certificate };
        bytes = bytes.saturating_add(encode(&entry).len());
        if bytes > max_bytes && !entries.is_empty() {
            break;
        }
        entries.push(entry);
        height = height.saturating_add(1);
    }
    Ok(entries)
}
