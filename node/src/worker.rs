//! Performs what the consensus driver asks of the ledger: build, validate,
//! persist, commit, read. One at a time, in order, without threads or clock;
//! the node runs it on a thread of its own, the simulator inline.

mod admission;
mod stored;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use laufzettel_chain::block::Block;
use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::encode;
use laufzettel_chain::execute::Executed;
use laufzettel_chain::ids::{BlockId, Height, ItemDigest, PayloadDigest};
use laufzettel_chain::ledger::{Ahead, Ledger, ValidateError};
use laufzettel_chain::storage::{Batch, Durability, Family, StoreError};
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use thiserror::Error;

use crate::consensus::{
    Action, BlockFault, BuildOutcome, FinalOutcome, Input, LogRecord, Recovered, Ticket, Watermark,
};

pub use admission::admit;
pub(crate) use admission::is_lock_capable;
pub use stored::{answer_sync, read_blocks};
use stored::{read_log, read_pending};

/// Where the two watermark slots lie. A write is durable when it returns.
pub trait WatermarkSlots: Send {
    /// What the slots hold; none where nothing was ever written.
    ///
    /// # Errors
    /// They cannot be read.
    fn read(&self) -> std::io::Result<[Option<Vec<u8>>; 2]>;
    /// Writes one slot and syncs it.
    ///
    /// # Errors
    /// It cannot be written; the process must end.
    fn write(&mut self, slot: usize, bytes: &[u8]) -> std::io::Result<()>;
}

/// The disk failed. The process must end: what is durable is unknown.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The watermark file failed.
    #[error("the watermark cannot be read or written: {0}")]
    Watermark(#[from] std::io::Error),
}

/// Most executed blocks of one height that are kept as overlays.
const OVERLAYS_MAX: usize = 16;

/// Highest log position ever written; survives the entries.
const LOG_END: &[u8] = b"log_end";

/// The ledger's side of the driver.
pub struct Worker {
    ledger: Ledger,
    /// Blocks that were executed, and what they do. The body that was executed is the one that is committed.
    overlays: BTreeMap<BlockId, (Arc<Block>, Executed)>,
    /// The block after the tip, if it was executed while the tip was being written. No answer to anyone who asks whether
    /// a block is valid: its signatures were not verified.
    ahead: Option<(Arc<Block>, Executed)>,
    log: BTreeMap<u64, Height>,
    log_end: u64,
    pending: BTreeMap<BlockId, Height>,
    slots: Box<dyn WatermarkSlots>,
}

fn damaged(family: Family, what: impl ToString) -> StoreError {
    StoreError::Damaged { family: family.name(), what: what.to_string() }
}

impl Worker {
    /// A worker over an open ledger, and what the driver starts from.
    ///
    /// # Errors
    /// The disk failed or holds damaged rows.
    pub fn open(ledger: Ledger, slots: Box<dyn WatermarkSlots>) -> Result<(Self, Recovered), WorkerError> {
        let store = ledger.store().clone();
        let mut log_end = 0;
        if let Some(bytes) = store.get(Family::Meta, LOG_END)? {
            let bytes = bytes.as_slice().try_into().map_err(|_| damaged(Family::Meta, "log_end"))?;
            log_end = u64::from_be_bytes(bytes);
        }
        let (log, records) = read_log(store.as_ref())?;
        let (pending, blocks) = read_pending(store.as_ref())?;
        let log_end = records.last().map_or(log_end, |record| record.position.max(log_end));
        let slots_found = slots.read()?;
        let next = ledger.tip().header.height.saturating_add(1);
        let recovered = Recovered {
            tip: ledger.tip().as_ref().clone(),
            log: records.into_iter().filter(|record| record.height == next).collect(),
            blocks: blocks.into_iter().filter(|block| block.header.height == next).collect(),
            log_end,
            slots: slots_found,
        };
        Ok((Self { ledger, overlays: BTreeMap::new(), ahead: None, log, log_end, pending, slots }, recovered))
    }
    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
    /// From the next commit on, bodies below this height are pruned, a bounded number each.
    pub fn prune_bodies_below(&mut self, height: Height) {
        self.ledger.prune_bodies_below(height);
    }
    /// Performs an action that is the ledger's; the completion, or nothing for
    /// an action that is not.
    ///
    /// # Errors
    /// The disk failed; the process must end.
    pub fn perform(&mut self, action: Action, now_ms: u64) -> Result<Option<Input>, WorkerError> {
        Ok(Some(match action {
            Action::Admit { ticket, transaction } => {
                let result = admit(&self.ledger.judge(now_ms), &transaction)?;
                Input::Admitted { ticket, result }
            }
            Action::Build { ticket, height, round, time_ms, candidates, work_max } => {
                Input::Built { ticket, outcome: self.build((height, round, time_ms), &candidates, work_max)? }
            }
            Action::Validate { ticket, block } => {
                let id = block.id();
                Input::Validated { ticket, id, result: self.validate(&block)? }
            }
            Action::Persist { ticket, log, blocks, watermark } => {
                self.persist(&log, &blocks, watermark.as_ref())?;
                Input::Persisted { ticket }
            }
            Action::Commit { ticket, block, certificate, next } => self.commit(ticket, &block, &certificate, next)?,
            Action::ReadBlocks { ticket, from, max_bytes, max_count } => {
                answer_sync(self.ledger.store().as_ref(), ticket, from, max_bytes, max_count)?
            }
            Action::ReadSnapshot { ticket, request } => {
                // Whoever keeps snapshots answers before it comes here.
                let Some(answer) = request.not_here() else { return Ok(None) };
                Input::SnapshotRead { ticket, answer }
            }
            _ => return Ok(None),
        }))
    }
    fn build(
        &mut self,
        (height, round, time_ms): (Height, u32, u64),
        candidates: &[Arc<SignedTransaction>],
        work_max: u64,
    ) -> Result<BuildOutcome, StoreError> {
        let tip = self.ledger.tip();
        let turn = usize::try_from(round).unwrap_or(usize::MAX) % tip.order.len().max(1);
        let proposer = tip.order.get(turn).copied();
        let (Some(proposer), true) = (proposer, height == tip.header.height.saturating_add(1)) else {
            return Ok(BuildOutcome::default());
        };
        let build = |candidates: &[Arc<SignedTransaction>]| {
            catch_unwind(AssertUnwindSafe(|| self.ledger.build(round, time_ms, proposer, candidates, work_max)))
        };
        let mut hostile = Vec::new();
        let built = match build(candidates) {
            Ok(built) => built?,
            // A panic must not stop the network: whoever causes one alone is evicted, and the others go on.
            Err(_) => {
                let (guilty, others): (Vec<_>, Vec<_>) =
                    candidates.iter().cloned().partition(|one| build(std::slice::from_ref(one)).is_err());
                hostile.extend(guilty.iter().map(|one| one.payload_digest()));
                let Ok(built) = build(&others) else { return Ok(BuildOutcome { hostile, ..BuildOutcome::default() }) };
                built?
            }
        };
        let dropped = built.unfit.iter().map(|(digest, _)| *digest).collect();
        self.keep_overlay(built.block.clone(), built.executed);
        Ok(BuildOutcome { block: Some(built.block), dropped, hostile })
    }
    fn keep_overlay(&mut self, block: Arc<Block>, executed: Executed) {
        // A block whose overlay is gone is executed again at its commit.
        let earliest = self.overlays.iter().min_by_key(|(_, (block, _))| block.header.round).map(|(id, _)| *id);
        if let Some(earliest) = earliest.filter(|_| self.overlays.len() >= OVERLAYS_MAX) {
            self.overlays.remove(&earliest);
        }
        self.overlays.insert(block.id(), (block, executed));
    }
    fn validate(&mut self, block: &Arc<Block>) -> Result<Result<(), BlockFault>, StoreError> {
        self.judge(block, |ledger, block| ledger.validate(block))
    }
    fn judge(
        &mut self,
        block: &Arc<Block>,
        how: fn(&mut Ledger, &Block) -> Result<Executed, ValidateError>,
    ) -> Result<Result<(), BlockFault>, StoreError> {
        if self.overlays.contains_key(&block.id()) {
            return Ok(Ok(()));
        }
        match catch_unwind(AssertUnwindSafe(|| how(&mut self.ledger, block))) {
            Ok(Ok(executed)) => {
                self.keep_overlay(block.clone(), executed);
                Ok(Ok(()))
            }
            Ok(Err(ValidateError::Invalid(invalid))) if has_own_body(block) => {
                Ok(Err(BlockFault::Invalid(invalid.to_string())))
            }
            Ok(Err(ValidateError::Invalid(_))) => Ok(Err(BlockFault::OtherBody)),
            Ok(Err(ValidateError::Store(error))) => Err(error),
            Err(_) if has_own_body(block) => Ok(Err(BlockFault::Invalid("a panic in execution".to_owned()))),
            Err(_) => Ok(Err(BlockFault::OtherBody)),
        }
    }
    fn persist(
        &mut self,
        log: &[LogRecord],
        blocks: &[Arc<Block>],
        watermark: Option<&Watermark>,
    ) -> Result<(), WorkerError> {
        let mut batch = Batch::default();
        for record in log {
            batch.put(Family::Consensus, record.position.to_be_bytes().to_vec(), encode(record));
            self.log.insert(record.position, record.height);
            self.log_end = self.log_end.max(record.position);
        }
        for block in blocks {
            batch.put(Family::Pending, block.id().0.to_vec(), encode(block.as_ref()));
            self.pending.insert(block.id(), block.header.height);
        }
        if !batch.writes.is_empty() {
            self.ledger.store().write(&batch, Durability::Synced)?;
        }
        if let Some(watermark) = watermark {
            let (slot, bytes) = watermark.slot();
            self.slots.write(slot, &bytes)?;
        }
        Ok(())
    }
    fn commit(
        &mut self,
        ticket: Ticket,
        block: &Arc<Block>,
        certificate: &Certificate,
        next: Option<Arc<Block>>,
    ) -> Result<Input, WorkerError> {
        let (id, height) = (block.id(), block.header.height);
        if let Some((block, executed)) = self.ahead.take().filter(|(block, _)| block.id() == id) {
            self.keep_overlay(block, executed);
        }
        // A block that was synced is executed only here; its certificate was verified before.
        if let Err(fault) = self.judge(block, Ledger::validate_decided)? {
            return Ok(Input::CommitFailed { ticket, height, fault });
        }
        let Some((block, executed)) = self.overlays.remove(&id) else {
            let fault = BlockFault::Invalid("the block was not executed".to_owned());
            return Ok(Input::CommitFailed { ticket, height, fault });
        };
        let (finals, clearance) = (finals(&block, &executed), has_answer(&executed));
        let mut with = Batch::default();
        for (position, _) in self.log.iter().filter(|(_, of)| **of <= height) {
            with.delete(Family::Consensus, position.to_be_bytes().to_vec());
        }
        for (pending, _) in self.pending.iter().filter(|(_, of)| **of <= height) {
            with.delete(Family::Pending, pending.0.to_vec());
        }
        with.put(Family::Meta, LOG_END.to_vec(), self.log_end.to_be_bytes().to_vec());
        let tip = match next.filter(|next| next.header.previous == id) {
            Some(next) => {
                let execute = |ahead: Ahead<'_>| execute_ahead(ahead, next);
                let (tip, ahead) = self.ledger.commit_meanwhile((&block, executed, certificate), with, execute)?;
                self.ahead = ahead;
                tip
            }
            None => self.ledger.commit(&block, executed, certificate, with)?,
        };
        self.overlays.clear();
        self.log.retain(|_, of| *of > height);
        self.pending.retain(|_, of| *of > height);
        Ok(Input::Committed { ticket, tip: Box::new(tip.as_ref().clone()), finals, clearance })
    }
}

/// Executes the next block while the one below it is being written. Its certificate is verified before its own commit,
/// and what is wrong with it is found there; until then nobody is told anything of it.
fn execute_ahead(mut ahead: Ahead<'_>, block: Arc<Block>) -> Option<(Arc<Block>, Executed)> {
    let executed = catch_unwind(AssertUnwindSafe(|| ahead.validate_decided(&block)));
    Some((block, executed.ok()?.ok()?))
}

/// Whether the body is the one the header names: the root covers payloads and signatures, a payload covers its items.
/// A body of anyone else's making says nothing about the block, and must not be held against it.
fn has_own_body(block: &Block) -> bool {
    let bound = |signed: &Arc<SignedTransaction>| {
        // A payload that does not decode is covered by the root, and so is the block's own fault.
        let Ok(payload) = Payload::decode(&signed.payload) else { return true };
        let digests = payload.item_digests.iter();
        payload.item_digests.len() == signed.items.len()
            && digests
                .zip(&signed.items)
                .all(|(digest, item)| item.as_ref().is_some_and(|bytes| ItemDigest::of(bytes) == *digest))
    };
    block.body.tx_root() == block.header.tx_root && block.body.transactions.iter().all(bound)
}

/// Whether a clearance check was answered in a block.
fn has_answer(executed: &Executed) -> bool {
    executed.outcomes.iter().flat_map(|outcome| &outcome.receipts).any(|receipt| receipt.answer != 0)
}

fn finals(block: &Block, executed: &Executed) -> Vec<FinalOutcome> {
    let outcomes = block.body.transactions.iter().zip(&executed.outcomes);
    outcomes
        .map(|(signed, outcome)| FinalOutcome {
            authority: outcome.authority.clone(),
            id: outcome.id,
            payload_digest: PayloadDigest::of(&signed.payload),
            height: block.header.height,
            index: outcome.index,
        })
        .collect()
}
