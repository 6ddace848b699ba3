//! The chain of headers from genesis to the certified one, and the transactions of each block. Nothing here is trusted
//! before the last header has the certified id: then every header is the network's own, and with it every root in it.

use std::collections::BTreeMap;

use laufzettel_contracts::Position;

use super::super::entry::{HeaderEntry, TransactionEntry};
use super::super::manifest::Manifest;
use super::{Fault, because};
use crate::codec::{Canonical as _, Writer, decode, encode};
use crate::crypto::{Hash, hash};
use crate::genesis::Genesis;
use crate::header::Header;
use crate::ids::{BlockId, Height, ItemDigest, KeyId, PayloadDigest};
use crate::ledger::genesis_header;
use crate::ledger::stored::{BlockRow, TransactionRow, item_row, transaction_row};
use crate::limits::{BODY_BYTES_MAX, BODY_TRANSACTIONS_MAX};
use crate::merkle;
use crate::receipt::{Code, Receipt, receipts_bytes};
use crate::rows;
use crate::state::submissions::{self, Bucket, Submission};
use crate::storage::{Batch, Family};

/// Revision of a case after the item that opened it, and after no other.
const OPENED: u64 = 1;

/// What stands in the place of an opening item until its case comes in.
pub(super) fn opening_mark(
    position: &Position,
    payload: &PayloadDigest,
    item: &ItemDigest,
    authority: &str,
    keys: &[KeyId],
) -> Hash {
    let mut out = Writer::default();
    out.u64(position.height);
    out.u32(position.transaction);
    out.u16(position.item);
    payload.write(&mut out);
    item.write(&mut out);
    out.str(authority);
    out.list(keys);
    hash("opening", &out.into_bytes())
}

/// The block whose transactions come in, and what the blocks so far add up to.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// Id and certificate of the last header.
    target: BlockId,
    certificate: Vec<u8>,
    last: Height,
    header: Header,
    id: BlockId,
    transactions: u32,
    /// Leaves of its roots so far.
    leaves: Vec<Vec<u8>>,
    receipts: Vec<Vec<u8>>,
    bytes: usize,
    first_hour: u64,
    buckets: BTreeMap<u64, Bucket>,
}

impl Chain {
    pub(super) fn new(genesis: &Genesis, manifest: &Manifest) -> Self {
        let header = genesis_header(genesis, genesis.state_root);
        Self {
            target: manifest.header.id(),
            certificate: encode(&manifest.certificate),
            last: manifest.header.height,
            id: header.id(),
            header,
            transactions: 0,
            leaves: Vec::new(),
            receipts: Vec::new(),
            bytes: 0,
            first_hour: u64::MAX,
            buckets: BTreeMap::new(),
        }
    }
    /// Submissions of earlier hours were dropped.
    pub(super) fn keep_submissions_from(&mut self, first_hour: u64) {
        self.first_hour = first_hour;
    }
    /// Hours of submissions with their buckets.
    pub(super) fn buckets(&self) -> &BTreeMap<u64, Bucket> {
        &self.buckets
    }
    /// Takes a header or a transaction of the last one.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let (height, rest) = key.split_first_chunk::<8>().ok_or_else(|| because("a key names no height"))?;
        let height = Height::from_be_bytes(*height);
        if rest.is_empty() {
            self.end_block(batch)?;
            if height != self.header.height.saturating_add(1) || height > self.last {
                return Err(because(format!("height {height} does not follow {}", self.header.height)));
            }
            let entry: HeaderEntry = decode(value)?;
            self.header = entry.above(&self.header, self.id);
            self.id = self.header.id();
            return Ok(());
        }
        let index = rest.try_into().map(u32::from_be_bytes).map_err(|_| because("a key is none of a transaction"))?;
        if (height, index) != (self.header.height, self.transactions) || height == 0 {
            return Err(because(format!("transaction {index} of height {height} is out of order")));
        }
        self.transaction(TransactionEntry::decode(value)?, value.len(), batch)
    }
    fn transaction(&mut self, mut entry: TransactionEntry, bytes: usize, batch: &mut Batch) -> Result<(), Fault> {
        let (height, index) = (self.header.height, self.transactions);
        self.transactions = index.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        // Receipts stand beside the body: an item has at least twice their bytes.
        if usize::try_from(index).unwrap_or(usize::MAX) >= BODY_TRANSACTIONS_MAX || self.bytes > BODY_BYTES_MAX {
            return Err(because(format!("height {height} has more transactions than a block may have")));
        }
        for (place, item) in entry.signed.items.iter_mut().enumerate() {
            if let Some(bytes) = item.take() {
                batch.put(Family::Items, item_row(height, index, place), bytes);
            }
        }
        self.leaves.push(entry.signed.root_leaf());
        self.receipts.extend(entry.receipts.iter().map(encode));
        let row = TransactionRow { signed: encode(&entry.signed), receipts: receipts_bytes(&entry.receipts) };
        rows::put(batch, Family::Blocks, transaction_row(height, index), &row);
        self.mark_openings(&entry, batch);
        let payload = &entry.payload;
        let hour = submissions::hour_of(payload.valid_until_ms);
        if hour >= self.first_hour {
            let digest = entry.signed.payload_digest();
            let submission = Submission { digest: digest.0, height, index, hour };
            submissions::put(batch, &payload.authority, &payload.id, &submission);
            let bucket = self.buckets.entry(hour).or_default();
            *bucket = bucket.with(&payload.authority, &payload.id, &digest, height, index);
        }
        Ok(())
    }
    /// Puts a mark in the place of each item that opened a case. No history of a case covers its opening; so the case
    /// that claims the place must bring what the mark is made of.
    fn mark_openings(&self, entry: &TransactionEntry, batch: &mut Batch) {
        let opens = |receipt: &Receipt| receipt.code == Code::Accepted && receipt.revision == OPENED;
        if !entry.receipts.iter().any(opens) {
            return;
        }
        let (height, transaction) = (self.header.height, self.transactions.saturating_sub(1));
        let keys: Vec<KeyId> = entry.signed.signatures.iter().map(|signature| signature.key_id).collect();
        let payload = entry.signed.payload_digest();
        for (item, receipt) in (0u16..).zip(&entry.receipts).filter(|(_, receipt)| opens(receipt)) {
            let position = Position { height, transaction, item };
            let mark = opening_mark(&position, &payload, &receipt.item, &entry.payload.authority, &keys);
            batch.put(Family::Items, item_row(height, transaction, usize::from(item)), mark.to_vec());
        }
    }
    /// Compares the roots of the block that came in, and writes its header.
    fn end_block(&mut self, batch: &mut Batch) -> Result<(), Fault> {
        let height = self.header.height;
        if height == 0 {
            return Ok(());
        }
        let (leaves, receipts) = (std::mem::take(&mut self.leaves), std::mem::take(&mut self.receipts));
        if merkle::root("tx", &leaves) != self.header.tx_root {
            return Err(because(format!("the transactions of height {height} are not those of its header")));
        }
        if merkle::root("receipt", &receipts) != self.header.receipts_root {
            return Err(because(format!("the receipts of height {height} are not those of its header")));
        }
        let certificate = if height == self.last { self.certificate.clone() } else { Vec::new() };
        let row = BlockRow { header: encode(&self.header), certificate, transactions: self.transactions };
        rows::put(batch, Family::Blocks, height.to_be_bytes().to_vec(), &row);
        (self.transactions, self.bytes) = (0, 0);
        Ok(())
    }
    /// Ends the last block: the chain must have led to the certified header.
    pub(super) fn finish(&mut self, batch: &mut Batch) -> Result<(), Fault> {
        self.end_block(batch)?;
        if self.id == self.target {
            Ok(())
        } else {
            Err(because(format!(
                "its headers end at height {} and do not lead to the certified one",
                self.header.height
            )))
        }
    }
}
