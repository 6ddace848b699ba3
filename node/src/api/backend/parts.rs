//! What a backend is made of and what it answers: the driver's state, the way
//! to the mempool, and outcomes. Types only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use laufzettel_chain::check::Verified;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{Height, PayloadDigest, TransactionId};
use laufzettel_chain::ledger::Tip;
use laufzettel_chain::receipt::Receipt;
use laufzettel_chain::storage::Store;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_chain::vote::{Beat, Signed};
use tokio::sync::{mpsc, oneshot, watch};

use crate::consensus::Late;
use crate::consensus::watermark::SigningState;

/// How the node is, as its driver reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// In sync and able to decide.
    InSync,
    /// Behind the network.
    #[default]
    CatchingUp,
    /// In sync, but too few validators are reachable.
    NoQuorum,
    /// Stopped by a fault.
    Stopped,
}

/// What the node knows of a peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerState {
    /// Its authority.
    pub authority: String,
    /// It votes.
    pub validator: bool,
    /// It is connected.
    pub connected: bool,
    /// Height of its newest beat; 0 = none yet.
    pub height: Height,
    /// Age of that beat.
    pub beat_age_ms: Option<u64>,
    /// For how long it is connected, or not.
    pub since_ms: u64,
    /// At least so much its clock is ahead; see `Health`.
    pub clock_ahead_ms: Option<i64>,
    /// Messages of it that did not decode or broke a rule.
    pub faults: u64,
}

/// A node's last signed beat as this node has it; its signature was checked when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardBeat {
    /// The beat.
    pub beat: Signed<Beat>,
    /// How old it was when the state was taken: since it came, or since it was signed by that node's clock as far as
    /// that is known, whichever is longer.
    pub age_ms: u64,
}

/// An urgent report of an own client that should be final and is not: an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The transaction.
    pub late: Late,
    /// For how long it has waited when the state was taken.
    pub age_ms: u64,
}

/// The node's state, published by its driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeState {
    /// How it is.
    pub sync: Sync,
    /// Consensus round at the next height.
    pub round: u32,
    /// Transactions in the mempool.
    pub mempool_transactions: u64,
    /// Bytes in the mempool.
    pub mempool_bytes: u64,
    /// What the node may sign; none until the driver said so.
    pub signing: Option<SigningState>,
    /// For how long the ledger's thread has been making something durable.
    pub flight_ms: u64,
    /// How many more validators may fail before writing stops.
    pub quorum_margin: u32,
    /// All peers, ascending.
    pub peers: Vec<PeerState>,
    /// What an operator should know.
    pub warnings: Vec<String>,
    /// When the driver said all this, milliseconds by this node's clock.
    pub at_ms: u64,
    /// Beats by the authority of the node, this node's own among them.
    pub beats: BTreeMap<String, HeardBeat>,
    /// Since when the oldest transaction waits here that may set a lock; 0 = none.
    pub oldest_pending_lock_ms: u64,
    /// Urgent reports that are late or lost, the oldest first.
    pub alarms: Vec<Alarm>,
}

/// Why the mempool did not take an admitted transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolRefusal {
    /// It is full.
    Full {
        /// When to come back.
        retry_after: Duration,
    },
    /// The authority has too much in it.
    Quota {
        /// When to come back.
        retry_after: Duration,
    },
    /// Another payload of this id is pending.
    IdTaken,
    /// Admission by the driver found something newer than the store showed; its stable reason.
    Reason(String),
}

/// An admitted transaction on its way to the mempool. Its signatures are verified.
#[derive(Debug)]
pub struct Submit {
    /// The transaction.
    pub signed: Arc<SignedTransaction>,
    /// Whether it was taken. Not answering counts as stopping.
    pub answer: oneshot::Sender<Result<(), PoolRefusal>>,
}

/// A transaction that the mempool took, or that is on the ledger already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Who signed it.
    pub authority: String,
    /// Its id.
    pub id: TransactionId,
}

/// What a backend is made of.
pub struct BackendParts {
    /// Authority of this node.
    pub authority: String,
    /// The ledger's store.
    pub store: Arc<dyn Store>,
    /// The genesis file.
    pub genesis: Arc<Genesis>,
    /// Signatures verified, shared with the ledger.
    pub verified: Arc<Verified>,
    /// The newest durable block. Sent after the commit, never before.
    pub tip: watch::Receiver<Arc<Tip>>,
    /// How the node is.
    pub state: watch::Receiver<NodeState>,
    /// Takes admitted transactions.
    pub submit: mpsc::Sender<Submit>,
    /// Service keys by authority; `ReportStatus` signs with them.
    pub service_keys: BTreeMap<String, SigningKey>,
    /// The node's clock, milliseconds UTC.
    pub now_ms: fn() -> u64,
}

/// How far a transaction is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// In the mempool.
    Pending,
    /// In a durable block.
    Final {
        /// Its height.
        height: Height,
        /// Its place.
        index: u32,
        /// Its time.
        time_ms: u64,
        /// One an item.
        receipts: Vec<Receipt>,
    },
    /// Too late for any block.
    Expired,
}

impl Progress {
    /// Time of its block, if it is in one.
    #[must_use]
    pub fn block_time_ms(&self) -> Option<u64> {
        match self {
            Self::Final { time_ms, .. } => Some(*time_ms),
            Self::Pending | Self::Expired => None,
        }
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Who signed it.
    pub authority: String,
    /// Its id.
    pub id: TransactionId,
    /// Digest of its payload.
    pub digest: PayloadDigest,
    /// How far it is.
    pub progress: Progress,
}
