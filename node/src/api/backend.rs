//! What the services ask of the node: one struct, wired in one place.
//!
//! Reads go to a snapshot of the store, so that one answer is of one height;
//! writes go through [`Submit`] to whoever keeps the mempool. Must never write
//! to the store, and never answer "final" before a block is durable: it knows
//! of a block only from the store.

mod parts;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ed25519_dalek::SigningKey;
use laufzettel_chain::check::{Judge, Refusal};
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{Height, PayloadDigest, TransactionId};
use laufzettel_chain::ledger::Tip;
use laufzettel_chain::newest::NewestTip;
use laufzettel_chain::query;
use laufzettel_chain::receipt::Code;
use laufzettel_chain::state::submissions;
use laufzettel_chain::storage::Read;
use laufzettel_chain::transaction::{Payload, SignedTransaction, Transaction};
use laufzettel_proto::v1;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::reasons::Reason;
use super::status::Failure;
pub use parts::{
    Alarm, BackendParts, HeardBeat, NodeState, Outcome, PeerState, PoolRefusal, Progress, Submit, Sync, Taken,
};

/// A dry run costs as much as the execution; a bulk transaction learns its refusals from the block.
const FORETOLD_ITEMS_MAX: usize = 8;
/// Submissions remembered to tell pending from unknown; the oldest limits go first.
const PENDING_MAX: usize = 200_000;

#[derive(Debug, Clone, Copy)]
struct Pending {
    digest: PayloadDigest,
    valid_until_ms: u64,
}

/// The node as its services see it.
pub struct Backend {
    parts: BackendParts,
    pending: Mutex<BTreeMap<(String, TransactionId), Pending>>,
    newest: NewestTip,
}

impl Backend {
    /// A backend of these parts.
    #[must_use]
    pub fn new(parts: BackendParts) -> Self {
        Self { parts, pending: Mutex::default(), newest: NewestTip::default() }
    }
    /// Authority of this node.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.parts.authority
    }
    /// The genesis file.
    #[must_use]
    pub fn genesis(&self) -> &Arc<Genesis> {
        &self.parts.genesis
    }
    /// How the node is.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<NodeState> {
        self.parts.state.clone()
    }
    /// The newest durable block, as it changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Tip>> {
        self.parts.tip.clone()
    }
    /// The service key of an authority.
    #[must_use]
    pub fn service_key(&self, authority: &str) -> Option<&SigningKey> {
        self.parts.service_keys.get(authority)
    }
    /// The node's clock.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (self.parts.now_ms)()
    }
    /// Whether this node serves an authority: its own, or a tenant's.
    #[must_use]
    pub fn hosts(&self, authority: &str) -> bool {
        let tip = self.parts.tip.borrow();
        let entry = tip.registry.authorities.get(authority);
        entry.is_some_and(|entry| entry.hosted_by == self.parts.authority)
    }
    /// Where an answer from this tip comes from.
    #[must_use]
    pub fn position(&self, tip: &Tip) -> v1::Position {
        v1::Position {
            height: tip.header.height,
            block_time_ms: tip.header.time_ms,
            staleness_ms: self.now_ms().saturating_sub(tip.header.time_ms),
        }
    }

    /// Answers from one snapshot and says from which height it is.
    ///
    /// # Errors
    /// The answer's, or the store failed.
    pub fn read<T>(
        &self,
        answer: impl FnOnce(&dyn Read, &Tip) -> Result<T, Failure>,
    ) -> Result<(T, v1::Position), Failure> {
        let snapshot = self.parts.store.snapshot();
        let tip = self.newest.of(snapshot.as_ref(), &self.parts.genesis.registry)?;
        let answer = answer(snapshot.as_ref(), &tip)?;
        Ok((answer, self.position(&tip)))
    }

    /// As [`Backend::read`], on a thread that may wait for the disk.
    ///
    /// # Errors
    /// The answer's, or the store failed.
    pub async fn read_long<T: Send + 'static>(
        self: &Arc<Self>,
        answer: impl FnOnce(&dyn Read, &Tip) -> Result<T, Failure> + Send + 'static,
    ) -> Result<(T, v1::Position), Failure> {
        let backend = self.clone();
        let done = tokio::task::spawn_blocking(move || backend.read(answer)).await;
        done.map_err(|error| Failure::internal(&error))?
    }

    /// Waits until a height is there.
    ///
    /// # Errors
    /// It is not there in time.
    pub async fn reach(&self, height: Height, until: Instant) -> Result<(), Failure> {
        let mut tip = self.subscribe();
        let reached = timeout_at(until, tip.wait_for(|tip| tip.header.height >= height)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Failure::new(Reason::Stopping)),
            Err(_) => {
                let found = self.parts.tip.borrow().header.height;
                let message = format!("height {height} was not reached in time; this node is at {found}");
                Err(Failure::with(Reason::NotInSync, message).and("height", found))
            }
        }
    }

    fn judge<'a>(&'a self, read: &'a dyn Read, tip: &'a Tip) -> Judge<'a> {
        Judge {
            read,
            registry: &tip.registry,
            network: self.parts.genesis.network,
            incarnation: tip.header.incarnation,
            height: tip.header.height.saturating_add(1),
            time_ms: tip.header.time_ms.max(self.now_ms()),
            verified: &self.parts.verified,
        }
    }

    /// Admits a transaction and hands it to the mempool. Whether it is final already is not looked up.
    ///
    /// # Errors
    /// It is refused, or the mempool does not take it.
    pub async fn submit(&self, signed: Arc<SignedTransaction>, payload: Payload) -> Result<Taken, Failure> {
        let sync = self.parts.state.borrow().sync;
        if matches!(sync, Sync::CatchingUp | Sync::Stopped) {
            return Err(Failure::new(Reason::NotInSync));
        }
        let (authority, id) = (payload.authority.clone(), payload.id);
        let decoded =
            signed.decode_rest(payload, self.parts.tip.borrow().registry.protocol).map_err(Refusal::Malformed)?;
        let (digest, valid_until_ms) = (decoded.digest, decoded.payload.valid_until_ms);
        let checked = self.read(|read, tip| match self.judge(read, tip).check_decoded(&signed, decoded) {
            // On the same snapshot: a transaction that is committed meanwhile must not be told that its case exists.
            // A node that is cut off, or was just started, may not know yet what was adopted by vote: the block does.
            Ok(_) if sync != Sync::InSync => Ok(Ok(None)),
            Ok(transaction) => Ok(Ok(foretell(&self.judge(read, tip), &signed, &transaction)?)),
            Err(laufzettel_chain::check::CheckError::Refused(refusal)) => Ok(Err(refusal)),
            Err(error) => Err(error.into()),
        })?;
        match checked.0 {
            Ok(Some(lasting)) => {
                return Err(Failure::new(Reason::of_name(lasting.reason()).unwrap_or(Reason::Malformed)));
            }
            Ok(None) => {}
            Err(Refusal::Repeated { .. }) => return Ok(Taken { authority, id }),
            Err(Refusal::IdTaken { .. }) => return Err(self.id_taken(&authority, &id, &digest)),
            Err(refusal) => return Err(refusal.into()),
        }
        let (answer, taken) = oneshot::channel();
        let submit = Submit { signed, answer };
        let stopping = || Failure::new(Reason::Stopping);
        self.parts.submit.send(submit).await.map_err(|_| stopping())?;
        match taken.await.map_err(|_| stopping())? {
            Ok(()) => {}
            Err(PoolRefusal::Full { retry_after }) => {
                return Err(Failure::new(Reason::MempoolFull).retry_after(retry_after));
            }
            Err(PoolRefusal::Quota { retry_after }) => {
                return Err(Failure::new(Reason::QuotaExceeded).retry_after(retry_after));
            }
            Err(PoolRefusal::IdTaken) => return Err(self.id_taken(&authority, &id, &digest)),
            Err(PoolRefusal::Reason(reason)) => {
                return Err(Failure::new(Reason::of_name(&reason).unwrap_or(Reason::Malformed)));
            }
        }
        self.remember((authority.clone(), id), Pending { digest, valid_until_ms });
        Ok(Taken { authority, id })
    }

    fn id_taken(&self, authority: &str, id: &TransactionId, digest: &PayloadDigest) -> Failure {
        let failure = Failure::new(Reason::IdTaken).and("payload_digest", digest);
        match self.outcome(authority, id) {
            Ok(first) => failure.and("first_payload_digest", first.digest),
            Err(_) => failure,
        }
    }

    /// Knows again that a transaction was taken before this node was started.
    pub fn recall(&self, authority: String, id: TransactionId, (digest, valid_until_ms): (PayloadDigest, u64)) {
        self.remember((authority, id), Pending { digest, valid_until_ms });
    }

    fn remember(&self, key: (String, TransactionId), entry: Pending) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() >= PENDING_MAX {
            let now = self.now_ms();
            pending.retain(|_, entry| entry.valid_until_ms >= now);
            if pending.len() >= PENDING_MAX {
                pending.clear(); // Costs "unknown" instead of "pending" for some, never an outcome.
            }
        }
        pending.insert(key, entry);
    }

    /// What became of a transaction.
    ///
    /// # Errors
    /// This node does not know it.
    pub fn outcome(&self, authority: &str, id: &TransactionId) -> Result<Outcome, Failure> {
        let (found, position) = self.read(|read, _| committed(read, authority, id))?;
        let key = (authority.to_owned(), *id);
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = found {
            pending.remove(&key);
            return Ok(outcome);
        }
        let entry = pending.get(&key).copied();
        drop(pending);
        let entry = entry.ok_or_else(|| Failure::new(Reason::TransactionNotFound).and("transaction_id", id))?;
        let expired = entry.valid_until_ms < position.block_time_ms;
        let progress = if expired { Progress::Expired } else { Progress::Pending };
        Ok(Outcome { authority: authority.to_owned(), id: *id, digest: entry.digest, progress })
    }

    /// Waits until a transaction is final or expired; pending if it takes too long.
    ///
    /// # Errors
    /// This node does not know it even then.
    pub async fn wait(&self, authority: &str, id: &TransactionId, until: Instant) -> Result<Outcome, Failure> {
        let mut tip = self.subscribe();
        loop {
            tip.mark_unchanged();
            let found = self.outcome(authority, id);
            let waits = match &found {
                Ok(outcome) => outcome.progress == Progress::Pending,
                Err(failure) => failure.reason() == Reason::TransactionNotFound,
            };
            if !waits {
                return found;
            }
            match timeout_at(until, tip.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Failure::new(Reason::Stopping)),
                Err(_) => return found,
            }
        }
    }

    /// What a transaction would do at the newest block: its refusal by the
    /// ledger, or the reason of the first item that would be refused.
    ///
    /// # Errors
    /// The store failed, or it can never be committed.
    pub fn simulate(&self, signed: &SignedTransaction) -> Result<((Transaction, Option<Code>), v1::Position), Failure> {
        self.read(|read, tip| {
            let transaction = signed.decode_in(tip.registry.protocol).map_err(Refusal::Malformed)?;
            let foretold = self.judge(read, tip).foretell(signed, &transaction)?;
            Ok((transaction, foretold))
        })
    }
}

/// What the block would refuse whatever happens until then. Other refusals are left to the block: what this node lacks,
/// another's events on their way may bring.
fn foretell(judge: &Judge<'_>, signed: &SignedTransaction, transaction: &Transaction) -> Result<Option<Code>, Failure> {
    if transaction.items.len() > FORETOLD_ITEMS_MAX {
        return Ok(None);
    }
    Ok(judge.foretell_lasting(signed, transaction)?)
}

/// A committed transaction's outcome.
fn committed(read: &dyn Read, authority: &str, id: &TransactionId) -> Result<Option<Outcome>, Failure> {
    let Some(found) = submissions::find(read, authority, id)? else { return Ok(None) };
    let receipts = query::receipts(read, found.height, found.index)?.unwrap_or_default();
    let time_ms = query::bare_header(read, found.height)?.map_or(0, |header| header.time_ms);
    let (height, index) = (found.height, found.index);
    let progress = Progress::Final { height, index, time_ms, receipts };
    Ok(Some(Outcome { authority: authority.to_owned(), id: *id, digest: PayloadDigest(found.digest), progress }))
}
