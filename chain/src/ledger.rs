//! The state machine of one node: where the chain stands, what a next block
//! would do, and the commit that makes it so. The only writer of state.

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;
use thiserror::Error;

use crate::block::{Block, Body};
use crate::check::{CheckError, Judge, Refusal, Verified};
use crate::execute::{Conduct, Executed, Execution, Place};
use crate::genesis::Genesis;
use crate::header::Header;
use crate::ids::{Address, Height, PayloadDigest, TransactionId};
use crate::index::inbox::DueRow;
use crate::limits;
use crate::registry::Registry;
use crate::state::cache::CaseCache;
use crate::state::order::{ProposerOrder, Turns};
use crate::storage::{Read, Store, StoreError};
use crate::transaction::{SignedTransaction, Transaction};

mod commit;
mod open;
pub(crate) mod prune;
pub(crate) mod stored;
mod tip;
mod whole;

pub use commit::Ahead;
pub use open::{OpenError, genesis_header, genesis_state};
pub(crate) use open::{epoch_bytes, genesis_values, put_identity, put_unfinished};
pub use stored::stored_tip;
pub use tip::Tip;

/// Transactions that one core checks alone: fewer are not worth the way to another.
const CHECKED_ALONE: usize = 16;

/// Newest protocol version whose rules this program has. Which one a network is in, its genesis file says.
pub const PROTOCOL_VERSION_MAX: u16 = 2;

/// Why validators vote against a block.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidBlock {
    /// A field of the header is not what this height demands.
    #[error("the header's {0} is wrong")]
    Header(&'static str),
    /// The body is over a limit.
    #[error("the body exceeds {0}")]
    Limit(&'static str),
    /// A transaction is invalid.
    #[error("transaction {index}: {refusal}")]
    Transaction {
        /// Position in the block.
        index: usize,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// Empty before its time.
    #[error("the block is empty, comes less than 60 seconds after the last one, and nothing is due")]
    EmptyTooEarly,
}

/// An invalid block, or the store's failure.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValidateError {
    /// Vote against it.
    #[error("{0}")]
    Invalid(#[from] InvalidBlock),
    /// This node cannot judge.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A block that was built here.
#[derive(Debug, Clone)]
pub struct Built {
    /// The block.
    pub block: Arc<Block>,
    /// What it does.
    pub executed: Executed,
    /// Candidates that can never be committed, with the reason.
    pub unfit: Vec<(PayloadDigest, Refusal)>,
}

/// The state machine over a store.
pub struct Ledger {
    store: Arc<dyn Store>,
    genesis: Arc<Genesis>,
    tip: Arc<Tip>,
    order: ProposerOrder,
    verified: Arc<Verified>,
    archive: bool,
    /// Bodies below this height go, a bounded number of rows with each commit.
    prune_below: Height,
    cases: CaseCache,
    /// No due row stands before this one.
    due_from: DueRow,
    turns: Turns,
    conduct: Conduct,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("height", &self.tip.header.height).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Keeps cases of so many reports in memory from now on, 0 for none; what it kept so far is dropped.
    pub fn cache_cases(&mut self, entries_max: usize) {
        self.cases = CaseCache::new(entries_max);
    }
    /// Takes other rules of turns than the protocol's, which no node does.
    #[must_use]
    pub fn with_turns(self, turns: Turns) -> Self {
        Self { turns, ..self }
    }
    /// Treats what follows from cases in another way than the protocol's, which no node does.
    #[must_use]
    pub fn with_conduct(self, conduct: Conduct) -> Self {
        Self { conduct, ..self }
    }
    /// From now on commits prune, a bounded number of rows each, the bodies below this height: all that neither a live
    /// case nor an outcome needs. At most up to the tip's; the height only ever rises, also over a restart; an archive
    /// prunes nothing.
    pub fn prune_bodies_below(&mut self, height: Height) {
        self.prune_below = self.prune_below.max(height.min(self.tip.header.height));
    }
    fn execution(&self, place: Place) -> Execution<'_> {
        let execution = Execution::new(self.store.as_ref(), &self.tip.registry, place).with_cache(&self.cases);
        execution.with_turns(self.turns).with_conduct(self.conduct).with_due_from(self.due_from)
    }
    /// Where the chain stands.
    #[must_use]
    pub fn tip(&self) -> Arc<Tip> {
        self.tip.clone()
    }
    /// Members, keys and definitions that count for the next height.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.tip.registry
    }
    /// The genesis file.
    #[must_use]
    pub fn genesis(&self) -> &Arc<Genesis> {
        &self.genesis
    }
    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
    /// Signatures verified so far, to share with those who admit.
    #[must_use]
    pub fn verified(&self) -> &Arc<Verified> {
        &self.verified
    }
    /// Judges transactions for the next height at this time.
    #[must_use]
    pub fn judge(&self, time_ms: u64) -> Judge<'_> {
        self.judge_on(self.store.as_ref(), time_ms)
    }
    fn judge_on<'a>(&'a self, read: &'a dyn Read, time_ms: u64) -> Judge<'a> {
        Judge {
            read,
            registry: &self.tip.registry,
            network: self.genesis.network,
            incarnation: self.tip.header.incarnation,
            height: self.tip.header.height.saturating_add(1),
            time_ms,
            verified: &self.verified,
        }
    }
    /// Builds the next block from candidates, in their order, as far as limits
    /// and `work_max` allow; the first one goes in even if it takes more work.
    ///
    /// # Errors
    /// The store failed.
    pub fn build(
        &self,
        round: u32,
        time_ms: u64,
        proposer: Address,
        candidates: &[Arc<SignedTransaction>],
        work_max: u64,
    ) -> Result<Built, StoreError> {
        let time_ms = time_ms.max(self.tip.header.time_ms.saturating_add(1));
        let judge = self.judge(time_ms);
        let place = self.place(judge.height, time_ms, round, proposer);
        let mut execution = self.execution(place);
        let (mut body, mut bytes, mut unfit) = (Body::default(), 0usize, Vec::new());
        let mut seen = BTreeSet::new();
        for signed in candidates {
            let size = signed.encoded_len();
            let full = body.transactions.len() >= limits::BODY_TRANSACTIONS_MAX
                || bytes.saturating_add(size) > limits::BODY_BYTES_MAX.saturating_sub(1024);
            if full {
                break;
            }
            match judge.check(signed) {
                Ok(transaction) => {
                    if !seen.insert((transaction.payload.authority.clone(), transaction.payload.id)) {
                        continue;
                    }
                    let cost = execution.cost(&transaction)?;
                    let work = execution.work().saturating_add(cost);
                    let alone = body.transactions.is_empty() && work <= limits::BLOCK_WORK_MAX;
                    if work > work_max.min(limits::BLOCK_WORK_MAX) && !alone {
                        break;
                    }
                    execution.run(signed, &transaction)?;
                    bytes = bytes.saturating_add(size);
                    body.transactions.push(signed.clone());
                }
                Err(CheckError::Refused(refusal)) => unfit.push((PayloadDigest::of(&signed.payload), refusal)),
                Err(CheckError::Store(error)) => return Err(error),
            }
        }
        let executed = execution.finish(&self.order)?;
        let header = self.header(place, &body, &executed);
        Ok(Built { block: Arc::new(Block { header, body }), executed, unfit })
    }
    fn place(&self, height: Height, time_ms: u64, round: u32, proposer: Address) -> Place {
        let (network, incarnation) = (self.genesis.network, self.tip.header.incarnation);
        Place { height, time_ms, round, proposer, network, incarnation }
    }
    fn header(&self, place: Place, body: &Body, executed: &Executed) -> Header {
        let hash = |order: &ProposerOrder| (self.turns.hash)(&self.tip.validators, &order.next(&self.tip.validators));
        Header {
            version: self.tip.registry.protocol,
            network: self.genesis.network,
            incarnation: self.tip.header.incarnation,
            height: place.height,
            round: place.round,
            time_ms: place.time_ms,
            previous: self.tip.id,
            proposer: place.proposer,
            tx_root: body.tx_root(),
            receipts_root: executed.receipts_root,
            state_root: executed.state_root,
            validators_hash: hash(&self.order),
            next_validators_hash: hash(&executed.order),
        }
    }
    /// Judges a proposed block: a pure function of the state below it and its
    /// bytes, never of clock or consensus round. The cases in it leave memory until it is committed: mostly it is. If
    /// another one is decided, they are read again.
    ///
    /// # Errors
    /// The block is invalid, or the store failed.
    pub fn validate(&mut self, block: &Block) -> Result<Executed, ValidateError> {
        let store = self.store.clone();
        self.validate_on(store.as_ref(), block, true)
    }
    /// As [`Ledger::validate`] for a block that a certificate decided: its transactions' signatures are not verified
    /// once more, all else is.
    ///
    /// # Errors
    /// The block is invalid, or the store failed.
    pub fn validate_decided(&mut self, block: &Block) -> Result<Executed, ValidateError> {
        let store = self.store.clone();
        self.validate_on(store.as_ref(), block, false)
    }
    fn validate_on(&mut self, read: &dyn Read, block: &Block, verify: bool) -> Result<Executed, ValidateError> {
        let place = self.judge_header(block)?;
        let transactions = self.check_body(read, place, &block.body, verify)?;
        let execution = Execution::new(read, &self.tip.registry, place).with_own_cache(&mut self.cases);
        let execution = execution.with_turns(self.turns).with_conduct(self.conduct).with_due_from(self.due_from);
        let executed = execute(execution, &block.body, &transactions, &self.order)?;
        self.compared(block, place, executed)
    }
    /// All that needs no look into the body.
    fn judge_header(&self, block: &Block) -> Result<Place, InvalidBlock> {
        let header = &block.header;
        let round = usize::try_from(header.round).unwrap_or(usize::MAX);
        let turn = round.checked_rem(self.tip.order.len()).and_then(|turn| self.tip.order.get(turn));
        if turn != Some(&header.proposer) {
            return Err(InvalidBlock::Header("proposer"));
        }
        if header.time_ms <= self.tip.header.time_ms {
            return Err(InvalidBlock::Header("time"));
        }
        if header.height != self.tip.next_height() {
            return Err(InvalidBlock::Header("height"));
        }
        if block.body.transactions.len() > limits::BODY_TRANSACTIONS_MAX {
            return Err(InvalidBlock::Limit("20,000 transactions"));
        }
        if block.body.encoded_len() > limits::BODY_BYTES_MAX {
            return Err(InvalidBlock::Limit("4 MiB"));
        }
        let due = self.tip.next_due_ms.is_some_and(|due_ms| due_ms <= header.time_ms);
        let early = !due && header.time_ms < self.tip.header.time_ms.saturating_add(limits::HEARTBEAT_MS);
        if block.body.transactions.is_empty() && header.round == 0 && early {
            return Err(InvalidBlock::EmptyTooEarly);
        }
        Ok(self.place(header.height, header.time_ms, header.round, header.proposer))
    }
    fn check_body(
        &self,
        read: &dyn Read,
        place: Place,
        body: &Body,
        verify: bool,
    ) -> Result<Vec<Arc<Transaction>>, ValidateError> {
        let judge = self.judge_on(read, place.time_ms);
        let checked = body.transactions.par_iter().enumerate().with_min_len(CHECKED_ALONE);
        let checked: Vec<_> = checked.map(|(index, signed)| check_at(&judge, index, signed, verify)).collect();
        checked.into_iter().collect()
    }
    /// What a block does, if its header says the same.
    fn compared(&self, block: &Block, place: Place, executed: Executed) -> Result<Executed, ValidateError> {
        let expected = self.header(place, &block.body, &executed);
        match differing_field(&block.header, &expected) {
            Some(field) => Err(InvalidBlock::Header(field).into()),
            None => Ok(executed),
        }
    }
}

/// Runs checked transactions one by one and ends the block.
fn execute(
    mut execution: Execution<'_>,
    body: &Body,
    transactions: &[Arc<Transaction>],
    order: &ProposerOrder,
) -> Result<Executed, ValidateError> {
    execution.preload(transactions)?;
    let mut seen: BTreeSet<(&str, TransactionId)> = BTreeSet::new();
    for (index, (signed, transaction)) in body.transactions.iter().zip(transactions).enumerate() {
        let payload = &transaction.payload;
        if !seen.insert((&payload.authority, payload.id)) {
            let refusal = Refusal::IdTaken { id: payload.id, height: execution.height() };
            return Err(InvalidBlock::Transaction { index, refusal }.into());
        }
        execution.run(signed, transaction)?;
        if execution.work() > limits::BLOCK_WORK_MAX {
            return Err(InvalidBlock::Limit("the work budget").into());
        }
    }
    Ok(execution.finish(order)?)
}

fn check_at(
    judge: &Judge<'_>,
    index: usize,
    signed: &Arc<SignedTransaction>,
    verify: bool,
) -> Result<Arc<Transaction>, ValidateError> {
    match if verify { judge.check(signed) } else { judge.check_decided(signed) } {
        Ok(transaction) => Ok(transaction),
        Err(CheckError::Refused(refusal)) => Err(InvalidBlock::Transaction { index, refusal }.into()),
        Err(CheckError::Store(error)) => Err(error.into()),
    }
}

fn differing_field(found: &Header, expected: &Header) -> Option<&'static str> {
    let fields = [
        (found.version == expected.version, "version"),
        (found.network == expected.network, "network"),
        (found.incarnation == expected.incarnation, "incarnation"),
        (found.previous == expected.previous, "previous"),
        (found.tx_root == expected.tx_root, "tx_root"),
        (found.receipts_root == expected.receipts_root, "receipts_root"),
        (found.state_root == expected.state_root, "state_root"),
        (found.validators_hash == expected.validators_hash, "validators_hash"),
        (found.next_validators_hash == expected.next_validators_hash, "next_validators_hash"),
    ];
    fields.into_iter().find(|(equal, _)| !equal).map(|(_, name)| name)
}
