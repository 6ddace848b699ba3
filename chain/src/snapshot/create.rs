//! Making a snapshot of the tip of a view, in one pass and in order. What it reads is what every node keeps, so that
//! nodes with other histories of pruning make the same bytes. Must never hold more than a chunk, a case and a page.

use std::collections::BTreeMap;

use laufzettel_contracts::{AuthorityId, Position};
use thiserror::Error;

use super::entry::{self, CaseEntry, HeaderEntry, STEP_BYTES, Signer, Step, TransactionEntry};
use super::manifest::{ChunkInfo, ChunkKind, MANIFEST_VERSION, Manifest};
use crate::codec::{Writer, decode, encode};
use crate::genesis::Genesis;
use crate::header::Header;
use crate::ids::{CaseId, KeyId, PayloadDigest};
use crate::index::{self, Find};
use crate::ledger::stored::{BlockRow, TransactionRow, item_row};
use crate::ledger::stored_tip;
use crate::limits::{CASE_PART_BYTES, CHUNK_BYTES, CHUNKS_MAX};
use crate::query;
use crate::rows;
use crate::state::case::CaseRow;
use crate::state::{evidence, governance, submissions};
use crate::storage::{Family, Read, StoreError, next_key};
use crate::transaction::Payload;
use crate::tree::StateKey;

/// Rows read at a time.
const PAGE: usize = 1_024;
/// Transactions of several items whose signers are remembered.
const SIGNERS_MAX: usize = 65_536;

/// Why no snapshot was made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// The store failed, or lacks what every node keeps.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no block yet.
    #[error("there is no block above genesis yet, so there is nothing to make a snapshot of")]
    NoBlock,
    /// The state is too large for the format.
    #[error("a snapshot of this state needs more than {CHUNKS_MAX} chunks of 1 MiB")]
    TooLarge,
    /// Whoever takes the chunks could not.
    #[error("chunk {index} could not be kept: {why}")]
    Sink {
        /// The chunk.
        index: u32,
        /// What was said.
        why: String,
    },
}

/// Takes a chunk, with its place in the list and what the list says of it; or says why it cannot.
pub type Sink<'a> = dyn FnMut(u32, &ChunkInfo, &[u8]) -> Result<(), String> + 'a;

/// Collects entries and hands out chunks.
struct Chunks<'a> {
    sink: &'a mut Sink<'a>,
    done: Vec<ChunkInfo>,
    kind: ChunkKind,
    first: Vec<u8>,
    last: Vec<u8>,
    count: u32,
    bytes: Writer,
}

impl Chunks<'_> {
    fn put(&mut self, kind: ChunkKind, key: Vec<u8>, value: &[u8]) -> Result<(), SnapshotError> {
        if kind != self.kind {
            self.cut()?;
            self.kind = kind;
        }
        if self.count == 0 {
            self.first.clone_from(&key);
        }
        self.bytes.bytes(&key);
        self.bytes.bytes(value);
        self.count = self.count.saturating_add(1);
        self.last = key;
        if self.bytes.len() > CHUNK_BYTES { self.cut() } else { Ok(()) }
    }
    fn cut(&mut self) -> Result<(), SnapshotError> {
        if self.count == 0 {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.bytes).into_bytes();
        let info = ChunkInfo {
            kind: self.kind,
            first: std::mem::take(&mut self.first),
            last: std::mem::take(&mut self.last),
            count: std::mem::take(&mut self.count),
            length: u32::try_from(bytes.len()).map_err(|_| SnapshotError::TooLarge)?,
            digest: ChunkInfo::digest_of(&bytes),
        };
        if self.done.len() >= CHUNKS_MAX {
            return Err(SnapshotError::TooLarge);
        }
        let index = u32::try_from(self.done.len()).map_err(|_| SnapshotError::TooLarge)?;
        (self.sink)(index, &info, &bytes).map_err(|why| SnapshotError::Sink { index, why })?;
        self.done.push(info);
        Ok(())
    }
}

fn damaged(family: Family, what: impl ToString) -> StoreError {
    StoreError::Damaged { family: family.name(), what: what.to_string() }
}

/// Makes the snapshot of the tip of a view that later writes do not change, and hands its chunks out one by one.
/// `sink` takes each chunk: its place in the list, how the manifest lists it, its bytes.
///
/// # Errors
/// The store failed, there is no block yet, or a chunk could not be taken.
pub fn create(read: &dyn Read, genesis: &Genesis, sink: &mut Sink<'_>) -> Result<Manifest, SnapshotError> {
    let (tip, order) = stored_tip(read, &genesis.registry)?;
    let Some(certificate) = tip.certificate else { return Err(SnapshotError::NoBlock) };
    let mut chunks = Chunks {
        sink,
        done: Vec::new(),
        kind: ChunkKind::Values,
        first: Vec::new(),
        last: Vec::new(),
        count: 0,
        bytes: Writer::default(),
    };
    for (hour, bucket) in submissions::buckets(read)? {
        chunks.put(ChunkKind::Values, StateKey::Bucket(hour).bytes(), &bucket.value())?;
    }
    for (_, address, records) in evidence::all(read, &genesis.registry)? {
        chunks.put(ChunkKind::Values, evidence::state_key(&address).bytes(), &encode(&records))?;
    }
    // Keys of a chunk ascend.
    let mut proposals = BTreeMap::new();
    for proposal in governance::proposals(read)? {
        proposals.insert(governance::state_key(&proposal.item).bytes(), encode(&proposal));
    }
    for (key, value) in proposals {
        chunks.put(ChunkKind::Values, key, &value)?;
    }
    chunks.put(ChunkKind::Values, StateKey::ProposerOrder.bytes(), &encode(&order))?;
    if let Some(register) = governance::register(read)? {
        chunks.put(ChunkKind::Values, StateKey::Governance.bytes(), &encode(&register))?;
    }
    put_blocks(read, tip.header.height, &mut chunks)?;
    put_cases(read, &mut chunks)?;
    chunks.cut()?;
    Ok(Manifest {
        version: MANIFEST_VERSION,
        header: tip.header,
        certificate,
        validators: tip.validators,
        chunks: chunks.done,
    })
}

/// All headers from 1 to the tip's, each with its transactions.
fn put_blocks(read: &dyn Read, tip: u64, chunks: &mut Chunks<'_>) -> Result<(), SnapshotError> {
    let (mut from, mut height, mut left, mut index) = (1u64.to_be_bytes().to_vec(), 0u64, 0u32, 0u32);
    loop {
        let page = read.scan(Family::Blocks, &from, &[0xff; 13], PAGE)?;
        let Some((last, _)) = page.last() else { break };
        from = next_key(last);
        for (key, value) in page {
            if key == height.saturating_add(1).to_be_bytes() && left == 0 {
                let row: BlockRow = rows::decode(Family::Blocks, &value)?;
                let header: Header = decode(&row.header).map_err(|error| damaged(Family::Blocks, error))?;
                (height, left, index) = (header.height, row.transactions, 0);
                chunks.put(ChunkKind::Blocks, entry::header_key(height), &encode(&HeaderEntry::of(&header)))?;
            } else if left > 0 && key == entry::transaction_key(height, index) {
                let row: TransactionRow = rows::decode(Family::Blocks, &value)?;
                let entry = transaction_entry(read, height, index, &row)?;
                chunks.put(ChunkKind::Blocks, key, &entry)?;
                (left, index) = (left.saturating_sub(1), index.saturating_add(1));
            } else {
                return Err(damaged(Family::Blocks, format!("a row is missing or foreign at height {height}")).into());
            }
        }
    }
    if (height, left) == (tip, 0) {
        Ok(())
    } else {
        Err(damaged(Family::Blocks, format!("rows end at height {height}, the tip is {tip}")).into())
    }
}

/// A transaction, with those of its items that no case's record brings.
fn transaction_entry(read: &dyn Read, height: u64, index: u32, row: &TransactionRow) -> Result<Vec<u8>, StoreError> {
    let (mut signed, receipts) = query::bare_of(row)?;
    for (place, (item, receipt)) in signed.items.iter_mut().zip(&receipts).enumerate() {
        if entry::of_the_network(receipt) {
            *item = Some(item_at(read, height, index, place)?);
        }
    }
    Ok(TransactionEntry::encode(&signed, &receipts))
}

fn item_at(read: &dyn Read, height: u64, index: u32, place: usize) -> Result<Vec<u8>, StoreError> {
    let item = read.get(Family::Items, &item_row(height, index, place))?;
    item.ok_or_else(|| damaged(Family::Items, format!("an accepted item of height {height} is gone")))
}

/// Who signed a transaction and what: cases that share a transaction need not each read and check all of it again.
#[derive(Default)]
struct Signers(BTreeMap<(u64, u32), (Signer, PayloadDigest)>);

impl Signers {
    fn of(&mut self, read: &dyn Read, height: u64, transaction: u32) -> Result<(Signer, PayloadDigest), StoreError> {
        if let Some(known) = self.0.get(&(height, transaction)) {
            return Ok(known.clone());
        }
        let (signed, _) = query::bare(read, height, transaction)?
            .ok_or_else(|| damaged(Family::Blocks, format!("transaction {transaction} of height {height} is gone")))?;
        let payload = Payload::decode(&signed.payload).map_err(|error| damaged(Family::Blocks, error))?;
        let authority = AuthorityId::new(&payload.authority).map_err(|error| damaged(Family::Blocks, error))?;
        let keys: Vec<KeyId> = signed.signatures.iter().map(|signature| signature.key_id).collect();
        let found = (Signer { authority, keys }, PayloadDigest::of(&signed.payload));
        if payload.item_digests.len() > 1 {
            if self.0.len() >= SIGNERS_MAX {
                self.0.clear();
            }
            self.0.insert((height, transaction), found.clone());
        }
        Ok(found)
    }
}

fn put_cases(read: &dyn Read, chunks: &mut Chunks<'_>) -> Result<(), SnapshotError> {
    let (mut after, mut signers) = (None, Signers::default());
    loop {
        let page = index::cases(read, Find::All, after.as_ref(), PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(*last);
        for case in page {
            put_case(read, &case, &mut signers, chunks)?;
        }
    }
}

/// One case, in parts if it is long.
fn put_case(
    read: &dyn Read,
    case: &CaseId,
    signers: &mut Signers,
    chunks: &mut Chunks<'_>,
) -> Result<(), SnapshotError> {
    let positions = index::of_case(read, case, 0, usize::MAX)?;
    let (mut part, mut bytes, mut begins) = (CaseEntry::default(), 0usize, 1u64);
    let of_one_transaction =
        |a: &(u64, Position), b: &(u64, Position)| (a.1.height, a.1.transaction) == (b.1.height, b.1.transaction);
    let due = CaseRow::load(read, case)?.map_or_else(Vec::new, |row| row.due_heights());
    let (mut due, mut next) = (due.into_iter().peekable(), 1u64);
    let mut groups = positions.chunk_by(of_one_transaction).peekable();
    loop {
        if part.steps.is_empty() {
            begins = next;
        }
        let height = groups.peek().and_then(|group| group.first()).map(|(_, place)| place.height);
        if let Some(height) = due.next_if(|due| height.is_none_or(|height| *due < height)) {
            part.steps.push(Step::due(height));
            bytes = bytes.saturating_add(STEP_BYTES);
        } else if let Some(group) = groups.next() {
            next = group.last().map_or(next, |(revision, _)| revision.saturating_add(1));
            bytes = bytes.saturating_add(put_step(read, group, signers, &mut part)?);
        } else {
            break;
        }
        if bytes > CASE_PART_BYTES {
            chunks.put(ChunkKind::Cases, entry::case_key(case, begins), &encode(&std::mem::take(&mut part)))?;
            bytes = 0;
        }
    }
    if !part.steps.is_empty() {
        chunks.put(ChunkKind::Cases, entry::case_key(case, begins), &encode(&part))?;
    }
    Ok(())
}

/// Adds what one transaction did to the case; its bytes, about.
fn put_step(
    read: &dyn Read,
    group: &[(u64, Position)],
    signers: &mut Signers,
    part: &mut CaseEntry,
) -> Result<usize, SnapshotError> {
    let Some((_, place)) = group.first() else { return Ok(0) };
    let (height, transaction) = (place.height, place.transaction);
    let (signer, payload) = signers.of(read, height, transaction)?;
    let known = part.signers.iter().position(|known| *known == signer);
    let mut bytes = STEP_BYTES;
    let signer = known.unwrap_or_else(|| {
        bytes = bytes.saturating_add(128);
        part.signers.push(signer);
        part.signers.len().saturating_sub(1)
    });
    let mut items = Vec::with_capacity(group.len());
    for (_, position) in group {
        let item = item_at(read, height, transaction, usize::from(position.item))?;
        bytes = bytes.saturating_add(item.len()).saturating_add(7);
        items.push((position.item, item));
    }
    let signer = u16::try_from(signer).map_err(|error| damaged(Family::Cases, error))?;
    part.steps.push(Step { height, transaction, payload, signer, items });
    Ok(bytes)
}
