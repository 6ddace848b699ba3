//! What happens to a node, as the driver is told: peers, timers, clients, and
//! the completions of what it asked for.

use std::sync::Arc;

use laufzettel_chain::ids::{BlockId, Height, PayloadDigest, TransactionId};

use super::action::{Refusal, TimerKey};
use super::ledger::{Block, FinalOutcome, SignedTransaction, SyncEntry, Tip};
use super::message::{Message, SnapshotMessage};
use super::peers::Peer;

/// Pairs a completion with the action that asked for it.
pub type Ticket = u64;

/// What admission found out about a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmittedInfo {
    /// The author.
    pub authority: String,
    /// Its id.
    pub id: TransactionId,
    /// Digest of its payload.
    pub payload_digest: PayloadDigest,
    /// Until when it may be committed, block time in milliseconds.
    pub valid_until_ms: u64,
    /// Whether the definition calls it urgent.
    pub urgent: bool,
    /// Whether it may set a lock.
    pub lock_capable: bool,
    /// Whether it holds evidence and nothing else.
    pub evidence: bool,
}

/// What is wrong with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockFault {
    /// The body is not the one its header names: whoever sent it lies, and the block may still be valid.
    OtherBody,
    /// The block itself is invalid.
    Invalid(String),
}

/// What became of a request to build a block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildOutcome {
    /// The block; none if it could not be built.
    pub block: Option<Arc<Block>>,
    /// Candidates that can never be in a block; they leave the pool.
    pub dropped: Vec<PayloadDigest>,
    /// Candidates whose execution panicked; they leave the pool and are not taken again.
    pub hostile: Vec<PayloadDigest>,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// A timer that was set.
    Timer(TimerKey),
    /// A message that decoded.
    Message {
        /// The authenticated sender.
        from: Peer,
        /// The message.
        message: Message,
    },
    /// Bytes that did not decode.
    Undecodable {
        /// The authenticated sender.
        from: Peer,
    },
    /// A connection stands.
    PeerConnected(Peer),
    /// The last connection to a peer is gone.
    PeerDisconnected(Peer),
    /// A local client's transaction.
    Submit {
        /// Names the client's call in replies.
        request: u64,
        /// The transaction.
        transaction: Arc<SignedTransaction>,
        /// Whether the final outcome is to be told too.
        wait: bool,
    },
    /// A client no longer waits.
    Forget {
        /// The call.
        request: u64,
    },
    /// A local client asks how the node is.
    HealthRequest {
        /// The call.
        request: u64,
    },
    /// Admission is done.
    Admitted {
        /// Of `Action::Admit`.
        ticket: Ticket,
        /// The verdict.
        result: Result<AdmittedInfo, Refusal>,
    },
    /// A block is built.
    Built {
        /// Of `Action::Build`.
        ticket: Ticket,
        /// The block.
        outcome: BuildOutcome,
    },
    /// A block is judged.
    Validated {
        /// Of `Action::Validate`.
        ticket: Ticket,
        /// The block.
        id: BlockId,
        /// What is wrong with it.
        result: Result<(), BlockFault>,
    },
    /// Log, bodies and watermark are durable.
    Persisted {
        /// Of `Action::Persist`.
        ticket: Ticket,
    },
    /// A block is durable and visible.
    Committed {
        /// Of `Action::Commit`.
        ticket: Ticket,
        /// The new tip.
        tip: Box<Tip>,
        /// Outcomes of its transactions.
        finals: Vec<FinalOutcome>,
        /// Whether one of them asked for clearance: who asked waits for beats.
        clearance: bool,
    },
    /// A certified block cannot be committed: what came is not its body, or it does not execute to its root.
    CommitFailed {
        /// Of `Action::Commit`.
        ticket: Ticket,
        /// Its height.
        height: Height,
        /// What is wrong.
        fault: BlockFault,
    },
    /// Decided blocks were read.
    BlocksRead {
        /// Of `Action::ReadBlocks`.
        ticket: Ticket,
        /// Ascending without gap; empty if pruned or not there.
        entries: Vec<SyncEntry>,
    },
    /// The blocks asked for are below those kept.
    BlocksPruned {
        /// Of `Action::ReadBlocks`.
        ticket: Ticket,
        /// The lowest height whose body is kept.
        bodies_from: Height,
    },
    /// A request about snapshots was looked up.
    SnapshotRead {
        /// Of `Action::ReadSnapshot`.
        ticket: Ticket,
        /// The answer for the peer.
        answer: SnapshotMessage,
    },
}
