//! What a block does to the state. Pure: the same state and body give the same
//! receipts and root on every node. Nothing is written here; the writes come
//! back as a batch that the commit makes durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use laufzettel_contracts::{AuthorityId, Position, accept, accept_correction, accept_retraction};

use crate::crypto::Hash;
use crate::ids::{Address, CaseId, Height, ItemDigest, KeyId, NetworkId, TransactionId};
use crate::index;
use crate::index::inbox::{DUE_LEAST, DueRow};
use crate::item::{Action, Item};
use crate::receipt::{Code, Receipt, receipts_root};
use crate::registry::Registry;
use crate::state::cache::CaseCache;
use crate::state::case::{OpenCase, Origin};
use crate::state::evidence::Records;
use crate::state::order::{ProposerOrder, Turns};
use crate::state::submissions::Bucket;
use crate::storage::{Batch, Read, StoreError};
use crate::transaction::{SignedTransaction, Transaction};
use crate::tree;

mod closed;
mod conduct;
pub(crate) mod effects;
mod fetch;
pub(crate) mod governance;
mod rest;

use self::closed::Closed;
pub use self::conduct::Conduct;
use self::effects::Verdict;
use self::fetch::Kept;
use self::governance::Governing;

/// Rows that a value of the tree writes with the nodes above it and with what its block stores: mostly no more.
const ROWS_OF_A_VALUE: usize = 8;

/// Why an item is refused, and by which lock or guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) cause: Option<[u8; 16]>,
}

impl From<Code> for Refused {
    fn from(code: Code) -> Self {
        Self { code, cause: None }
    }
}

/// Revision of the case after an item, and the answer to a clearance check.
type Applied = Result<(u64, u8), Refused>;

/// The block a transaction is executed in.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Height of the block.
    pub height: Height,
    /// Block time.
    pub time_ms: u64,
    /// Round in which it was first proposed.
    pub round: u32,
    /// Who proposed it first.
    pub proposer: Address,
    /// The network.
    pub network: NetworkId,
    /// Count of recoveries.
    pub incarnation: u32,
}

/// What became of one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The authority that acted.
    pub authority: String,
    /// Transaction id.
    pub id: TransactionId,
    /// Position in the block.
    pub index: u32,
    /// Receipts of its items.
    pub receipts: Vec<Receipt>,
}

/// All that a block changes.
#[derive(Debug, Clone)]
pub struct Executed {
    /// Root over the receipts.
    pub receipts_root: Hash,
    /// Root of the state after the block.
    pub state_root: Hash,
    /// Outcomes in block order.
    pub outcomes: Vec<Outcome>,
    /// Proposer order after the block.
    pub order: ProposerOrder,
    /// The writes that make it so.
    pub batch: Batch,
    /// Work of its transactions, in units of [`limits::BLOCK_WORK_MAX`].
    pub work: u64,
    /// Work of what was due, in the same units.
    pub due_work: u64,
    /// The cases it changed, as it leaves them.
    pub cases: Vec<(CaseId, Arc<OpenCase>)>,
    /// Whether it changed what is proposed or adopted.
    pub governed: bool,
}

/// Executes transactions one by one on top of a state.
pub struct Execution<'a> {
    read: &'a dyn Read,
    registry: &'a Registry,
    place: Place,
    kept: Kept<'a>,
    turns: Turns,
    /// No due row stands before this one.
    due_from: DueRow,
    conduct: Conduct,
    /// Cases looked at, as far as they have changed.
    cases: BTreeMap<CaseId, Arc<OpenCase>>,
    /// Their revisions as they were written last.
    before: BTreeMap<CaseId, u64>,
    /// Cases that due work alone touches.
    due: BTreeSet<CaseId>,
    /// Buckets that changed, with the height of their last change before.
    buckets: BTreeMap<u64, (Option<Height>, Bucket)>,
    /// What is recorded of keys that evidence was brought against, with the height of its last change before.
    evidence: BTreeMap<Address, (Option<Height>, Records)>,
    governing: Governing,
    outcomes: Vec<Outcome>,
    batch: Batch,
    work: u64,
}

impl<'a> Execution<'a> {
    /// Starts a block.
    #[must_use]
    pub fn new(read: &'a dyn Read, registry: &'a Registry, place: Place) -> Self {
        Self {
            read,
            registry,
            place,
            kept: Kept::None,
            turns: Turns::PROTOCOL,
            due_from: DUE_LEAST,
            conduct: Conduct::PROTOCOL,
            cases: BTreeMap::new(),
            before: BTreeMap::new(),
            due: BTreeSet::new(),
            buckets: BTreeMap::new(),
            evidence: BTreeMap::new(),
            governing: Governing::default(),
            outcomes: Vec::new(),
            batch: Batch::default(),
            work: 0,
        }
    }
    /// Takes cases from a cache of the same state, where it has them.
    #[must_use]
    pub fn with_cache(self, cache: &'a CaseCache) -> Self {
        Self { kept: Kept::Shared(cache), ..self }
    }
    /// Takes cases out of a cache of the same state: cheaper, and lost to it if the block is not committed.
    #[must_use]
    pub(crate) fn with_own_cache(self, cache: &'a mut CaseCache) -> Self {
        Self { kept: Kept::Own(cache), ..self }
    }
    /// Takes other rules of turns than the protocol's.
    #[must_use]
    pub fn with_turns(self, turns: Turns) -> Self {
        Self { turns, ..self }
    }
    /// Looks for what is due from this row on; none stands before it.
    #[must_use]
    pub(crate) fn with_due_from(self, due_from: DueRow) -> Self {
        Self { due_from, ..self }
    }
    /// Treats what follows from cases in another way than the protocol's.
    #[must_use]
    pub fn with_conduct(self, conduct: Conduct) -> Self {
        Self { conduct, ..self }
    }
    /// Height of the block.
    #[must_use]
    pub fn height(&self) -> Height {
        self.place.height
    }
    /// Work done so far, in units of [`limits::BLOCK_WORK_MAX`].
    #[must_use]
    pub fn work(&self) -> u64 {
        self.work
    }
    /// The height by which it is decided under which version and calendars a case stands.
    fn comes_at(&self) -> Height {
        (self.conduct.comes_at)(self.place.height)
    }
    /// What a transaction would add to the work: its items, and for each of
    /// them a refold of its case, which those before it have made longer, the
    /// signatures that evidence holds, or the check of a proposed text.
    ///
    /// # Errors
    /// The store failed.
    pub fn cost(&mut self, transaction: &Transaction) -> Result<u64, StoreError> {
        let mut touched: BTreeMap<CaseId, u64> = BTreeMap::new();
        let mut cost = transaction.items.len() as u64;
        for item in transaction.items.iter().flatten() {
            match item.case {
                Some(case) => {
                    let items = touched.entry(case).or_default();
                    *items = items.saturating_add(1);
                }
                None => {
                    let work = self.work_of(&item.action, &transaction.payload.authority)?;
                    cost = cost.saturating_add(work);
                }
            }
        }
        for (case, items) in touched {
            let refold = self.case(&case)?.map_or(laufzettel_contracts::cost(0), |case| effects::cost(case));
            let refolds = items.saturating_mul(refold);
            let growth = items.saturating_mul(items.saturating_sub(1)) >> 1;
            cost = cost.saturating_add(refolds).saturating_add(growth);
        }
        Ok(cost)
    }
    /// Executes a transaction that was checked to be valid in this block.
    ///
    /// # Errors
    /// The store failed.
    pub fn run(&mut self, signed: &SignedTransaction, transaction: &Transaction) -> Result<(), StoreError> {
        let index = u32::try_from(self.outcomes.len()).unwrap_or(u32::MAX);
        self.work = self.work.saturating_add(self.cost(transaction)?);
        let payload = &transaction.payload;
        let keys: Vec<KeyId> = signed.signatures.iter().map(|signature| signature.key_id).collect();
        let submits = |item: &Item| self.registry.may_submit(keys.iter().copied(), &item.action);
        let author = AuthorityId::new(&payload.authority);
        let verdicts = match &author {
            Ok(author) => self.judge_items(transaction, author, &keys)?,
            Err(_) => Vec::new(),
        };
        let mut receipts = Vec::with_capacity(transaction.items.len());
        for (item_index, (item, digest)) in transaction.items.iter().zip(&payload.item_digests).enumerate() {
            let position = Position {
                height: self.place.height,
                transaction: index,
                item: u16::try_from(item_index).unwrap_or(u16::MAX),
            };
            let result = match (item, &author) {
                (Some(item), Ok(authority)) if submits(item) => {
                    let origin = Origin { position, payload: transaction.digest, authority, keys: &keys };
                    self.run_item(item, &origin, verdicts.get(item_index))?
                }
                _ => Err(Code::KeyPurpose.into()),
            };
            receipts.push(receipt(*digest, result));
        }
        self.mark(transaction, &verdicts, &mut receipts);
        self.record(transaction, index)?;
        self.outcomes.push(Outcome { authority: payload.authority.clone(), id: payload.id, index, receipts });
        Ok(())
    }
    fn run_item(&mut self, item: &Item, origin: &Origin<'_>, verdict: Option<&Verdict>) -> Result<Applied, StoreError> {
        let result = match (&item.action, item.case) {
            (Action::Evidence(evidence), _) => {
                let recorded = self.record_evidence(evidence, item.digest)?;
                return Ok(recorded.map(|revision| (revision, 0)).map_err(Refused::from));
            }
            (Action::Propose(change), _) => {
                return Ok(self.propose(change, item.digest, origin)?.map(|()| (0, 0)).map_err(Refused::from));
            }
            (Action::Vote { proposal, yes }, _) => {
                return Ok(self.vote(proposal, *yes, origin.authority)?.map(|()| (0, 0)).map_err(Refused::from));
            }
            (Action::ClearanceCheck { status }, Some(case)) => {
                return Ok(self.clearance(&case, status, origin.authority)?.map(|answer| (0, answer)));
            }
            (Action::OpenCase { definition, version }, Some(case)) => {
                self.open((case, item), definition, *version, origin)?.map_err(Refused::from)
            }
            (
                Action::Report(_)
                | Action::Correct { .. }
                | Action::Retract { .. }
                | Action::CompleteTask { .. }
                | Action::Acknowledge { .. },
                Some(case),
            ) => self.event((case, item), origin, verdict)?,
            // Decoding gives these a case.
            (_, None) => Err(Code::CaseUnknown.into()),
        };
        if let (Ok(revision), Some(case)) = (result, item.case) {
            index::put_item(&mut self.batch, &case, item, &origin.position, revision);
        }
        Ok(result.map(|revision| (revision, 0)))
    }
    fn open(
        &mut self,
        (id, item): (CaseId, &Item),
        definition: &str,
        version: u32,
        origin: &Origin<'_>,
    ) -> Result<Result<u64, Code>, StoreError> {
        let definition = match self.registry.may_open(origin.authority.as_str(), definition, version, self.place.height)
        {
            Ok(definition) => definition.clone(),
            Err(code) => return Ok(Err(code)),
        };
        if self.case(&id)?.is_some() {
            return Ok(Err(Code::CaseExists));
        }
        let mut case = OpenCase::new(definition, self.place.height).within(self.registry, id);
        if let Err(code) = case.apply(item, origin, self.place.time_ms) {
            return Ok(Err(code));
        }
        let revision = case.revision();
        case.stand(index::Standing::default());
        self.before.insert(id, 0);
        self.cases.insert(id, Arc::new(case));
        Ok(Ok(revision))
    }
    fn event(
        &mut self,
        (id, item): (CaseId, &Item),
        origin: &Origin<'_>,
        verdict: Option<&Verdict>,
    ) -> Result<Result<u64, Refused>, StoreError> {
        let registry = self.registry;
        let (roles, time_ms) = (registry.roles(origin.authority.as_str()), self.place.time_ms);
        let Some(case) = self.case(&id)? else { return Ok(Err(Code::CaseUnknown.into())) };
        if case.events() >= laufzettel_contracts::limits::EVENTS_MAX as u64 {
            return Ok(Err(Code::TooManyEvents.into()));
        }
        let definition = &case.definition;
        let judged = match &item.action {
            Action::Report(_) if case.fold.knows(&item.digest.slot(origin.authority.as_str())) => {
                return Ok(Err(Code::ItemRepeated.into()));
            }
            Action::Report(report) => accept(definition, roles, report, time_ms, &case.fold),
            Action::Correct { slot, report } => {
                accept_correction(definition, (origin.authority, roles), slot, report, time_ms, &case.fold)
            }
            Action::Retract { slot, .. } => accept_retraction(origin.authority, slot, &case.fold),
            Action::CompleteTask { .. } | Action::Acknowledge { .. } => Ok(()),
            Action::OpenCase { .. }
            | Action::ClearanceCheck { .. }
            | Action::Propose(_)
            | Action::Vote { .. }
            | Action::Evidence(_) => {
                return Ok(Err(Code::CaseExists.into()));
            }
        };
        if let Err(refusal) = judged {
            return Ok(Err(Code::of(&refusal).into()));
        }
        if let Some(Err(stopped)) = verdict {
            return Ok(Err(*stopped));
        }
        let applied = Arc::make_mut(case).apply(item, origin, time_ms);
        Ok(applied.map(|()| case.revision()).map_err(Refused::from))
    }
    /// Ends the block: roots, tree nodes and index rows.
    ///
    /// # Errors
    /// The store failed.
    pub fn finish(mut self, order: &ProposerOrder) -> Result<Executed, StoreError> {
        let height = self.place.height;
        let (work, due_work) = (self.work, self.run_due()?);
        self.govern()?;
        let (before, due) = (&self.before, std::mem::take(&mut self.due));
        // A case that was only looked at, for its cost or for a refused item, stays as it is.
        let touched = |(id, case): &(CaseId, Arc<OpenCase>)| {
            due.contains(id) || before.get(id).is_none_or(|revision| *revision != case.revision())
        };
        let cases = std::mem::take(&mut self.cases).into_iter().filter(touched).collect();
        let (registry, place, advance) = (self.registry, self.place, self.conduct.advance);
        let ends = |id: &CaseId, case: &mut OpenCase| {
            if due.contains(id) {
                case.touch_due();
            }
            advance(registry, id, case, place.time_ms);
        };
        let Closed { batch, mut changes, cases } = Closed::of(cases, place.height, &ends);
        // At once for all that follows: a large batch that grows bit by bit is copied each time.
        let rows = batch.writes.len().saturating_add(changes.len().saturating_mul(ROWS_OF_A_VALUE));
        self.batch.writes.reserve(rows);
        self.batch.append(batch);
        let order = (self.turns.after)(order, &self.registry.validators, self.place.round, &self.place.proposer);
        self.change_rest(&order, &mut changes)?;
        let governed = self.change_governance(&mut changes);
        let (state_root, nodes) = tree::put(self.read, height, changes)?;
        self.batch.append(nodes);
        let receipts = self.outcomes.iter().flat_map(|outcome| &outcome.receipts);
        let receipts_root = receipts_root(receipts);
        let (outcomes, batch) = (self.outcomes, self.batch);
        Ok(Executed { receipts_root, state_root, outcomes, order, batch, work, due_work, cases, governed })
    }
}

fn receipt(item: ItemDigest, result: Applied) -> Receipt {
    match result {
        Ok((revision, answer)) => Receipt { item, code: Code::Accepted, flags: 0, revision, cause: None, answer },
        Err(Refused { code, cause }) => Receipt { item, code, flags: 0, revision: 0, cause, answer: 0 },
    }
}
