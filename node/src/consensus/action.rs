//! What the driver wants done. The caller performs actions in the order given;
//! those with a ticket complete as an input with the same ticket.

use std::sync::Arc;

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::evidence::Evidence;
use laufzettel_chain::ids::{BlockId, Height, PayloadDigest, TransactionId};
use laufzettel_chain::vote::{Beat, Signed};
use thiserror::Error;

use super::input::Ticket;
use super::ledger::{Block, FinalOutcome, SignedTransaction};
use super::message::{Message, SnapshotMessage};
use super::peers::Peer;
use super::record::LogRecord;
use super::watermark::{SigningState, Watermark};

/// Names a timer; setting one again replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKey {
    /// No proposal in this round.
    Propose(u32),
    /// Mixed prevotes in this round.
    Prevote(u32),
    /// Mixed precommits in this round.
    Precommit(u32),
    /// Send votes again.
    Rebroadcast,
    /// An empty block is due.
    Heartbeat,
    /// A beat is due.
    Beat,
    /// A proposer without transactions stops waiting for some.
    ProposerWait,
    /// A proposal held for its time enters the window.
    Gate,
    /// A wanted body did not come.
    Body,
    /// A sync request was not answered, or is due.
    Sync,
    /// Collected transactions are to be sent.
    Offer,
    /// Uncommitted own transactions are to be sent again.
    Reoffer,
}

/// Stable reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalReason {
    /// The pool is full.
    ResourceExhausted,
    /// The author already used the id for another payload.
    AlreadyExists,
    /// Admission refused it; the ledger's reason.
    Admission(String),
    /// It expired before it was committed.
    Expired,
    /// It was found invalid when a block was built.
    Invalid,
}

/// Why a transaction was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("refused: {reason:?}")]
pub struct Refusal {
    /// The reason.
    pub reason: RefusalReason,
    /// Try again after this many milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The outcome, where the very same transaction was committed before.
    pub earlier: Option<Box<FinalOutcome>>,
}

impl Refusal {
    /// A refusal without more to say.
    #[must_use]
    pub fn new(reason: RefusalReason) -> Self {
        Self { reason, retry_after_ms: None, earlier: None }
    }
}

/// An answer to a local client.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Taken into the pool; promises nothing.
    Accepted {
        /// Its digest.
        payload_digest: PayloadDigest,
    },
    /// Not taken, or lost from the pool.
    Refused(Refusal),
    /// Committed and durable.
    Final(FinalOutcome),
    /// How the node is.
    Health(Box<Health>),
}

/// One peer in a health answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerHealth {
    /// The peer.
    pub peer: Peer,
    /// Whether a connection stands.
    pub connected: bool,
    /// Whether it is a validator.
    pub validator: bool,
    /// Its tip as far as known.
    pub height: Height,
    /// Its last signed beat.
    pub beat: Option<Signed<Beat>>,
    /// Age of that beat.
    pub beat_age_ms: Option<u64>,
    /// For how long it is connected, or not.
    pub since_ms: u64,
    /// At least so much its clock is ahead of this node's; negative is behind. The truth is higher by the time a beat
    /// needs, which is less than a round trip.
    pub clock_ahead_ms: Option<i64>,
    /// Messages that did not decode or broke a rule.
    pub garbage: u64,
}

/// A lock-capable transaction of a client of this node that should be final and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// Who signed it.
    pub authority: String,
    /// Its id.
    pub id: TransactionId,
    /// When this node took it, milliseconds by this node's clock.
    pub since_ms: u64,
    /// Why it will not become final; none while it may.
    pub lost: Option<RefusalReason>,
}

/// A snapshot of the driver.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// Tip.
    pub height: Height,
    /// Id of the tip.
    pub block: BlockId,
    /// Block time of the tip.
    pub time_ms: u64,
    /// Round of the height being decided; none while idle.
    pub round: Option<u32>,
    /// What the node may sign.
    pub signing: SigningState,
    /// Whether this height is followed without signing after a failure.
    pub silent: bool,
    /// For how long the ledger's thread has been making something durable; 0 = it is not.
    pub flight_ms: u64,
    /// Validators without connection.
    pub missing: Vec<Peer>,
    /// Whether the validators in reach can decide.
    pub quorum: bool,
    /// How many more failures leave a quorum.
    pub failures_left: usize,
    /// All peers.
    pub peers: Vec<PeerHealth>,
    /// Transactions pending.
    pub pending: usize,
    /// Their bytes.
    pub pending_bytes: usize,
    /// Since when the oldest lock-capable one waits; 0 = none.
    pub oldest_pending_lock_ms: u64,
    /// This node's own last beat, as it sent it to all.
    pub own_beat: Option<Signed<Beat>>,
    /// When this was so, milliseconds by this node's clock.
    pub at_ms: u64,
    /// Lock-capable transactions of this node's clients that are late or were lost, the oldest first; not all if there
    /// are very many.
    pub unsettled: Vec<Late>,
    /// Height at which another node was last seen to sign with this node's consensus key.
    pub key_elsewhere: Option<Height>,
    /// Why the node stopped.
    pub halted: Option<String>,
}

/// Something worth a line in the log; never a case id, never a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Diagnostic {
    /// A round began.
    RoundStarted {
        /// Height.
        height: Height,
        /// Round.
        round: u32,
    },
    /// The gate holds a proposal or lets it go.
    Gate {
        /// Height.
        height: Height,
        /// Round.
        round: u32,
        /// The block.
        block: BlockId,
        /// What was decided.
        verdict: &'static str,
    },
    /// A block of a peer is invalid.
    InvalidBlock {
        /// Height.
        height: Height,
        /// The block.
        block: BlockId,
        /// Why.
        reason: String,
    },
    /// The core failed; this height is followed without signing.
    CoreFailed {
        /// Height.
        height: Height,
        /// Why.
        reason: String,
    },
    /// A peer broke a rule.
    PeerFault {
        /// The peer.
        peer: Peer,
        /// Which rule.
        fault: &'static str,
    },
    /// Another node signs with this node's consensus key.
    KeyElsewhere {
        /// Height of its contradicting message.
        height: Height,
    },
    /// Blocks are fetched from a peer.
    Syncing {
        /// First height.
        from: Height,
        /// The peer.
        peer: Peer,
    },
}

/// Something to do.
#[derive(Debug, Clone)]
pub enum Action {
    /// Wake the driver at this time.
    SetTimer {
        /// Which.
        key: TimerKey,
        /// When, milliseconds UTC.
        at_ms: u64,
    },
    /// No longer needed.
    CancelTimer {
        /// Which.
        key: TimerKey,
    },
    /// Send to one peer; lost if it is not connected.
    Send {
        /// The peer.
        to: Peer,
        /// The message.
        message: Arc<Message>,
    },
    /// Send to all connected peers.
    Broadcast {
        /// The message.
        message: Arc<Message>,
    },
    /// Check signature, entitlement and repetition.
    Admit {
        /// Completes as `Input::Admitted`.
        ticket: Ticket,
        /// The transaction.
        transaction: Arc<SignedTransaction>,
    },
    /// Pack and execute a block on an overlay that is kept by its id.
    Build {
        /// Completes as `Input::Built`.
        ticket: Ticket,
        /// Its height.
        height: Height,
        /// Its round.
        round: u32,
        /// Its time.
        time_ms: u64,
        /// In the order they should go in.
        candidates: Vec<Arc<SignedTransaction>>,
        /// Work it may hold, unless a single transaction takes more.
        work_max: u64,
    },
    /// Execute a peer's block on an overlay that is kept by its id.
    Validate {
        /// Completes as `Input::Validated`.
        ticket: Ticket,
        /// The block.
        block: Arc<Block>,
    },
    /// One synced batch of log and bodies, then the watermark, synced.
    Persist {
        /// Completes as `Input::Persisted`.
        ticket: Ticket,
        /// New log entries.
        log: Vec<LogRecord>,
        /// Undecided bodies the log refers to.
        blocks: Vec<Arc<Block>>,
        /// After the batch is durable.
        watermark: Option<Watermark>,
    },
    /// One synced batch: overlay, block, certificate, indexes; log entries and undecided bodies of the height go.
    Commit {
        /// Completes as `Input::Committed` or `Input::CommitFailed`.
        ticket: Ticket,
        /// The block.
        block: Arc<Block>,
        /// Its proof.
        certificate: Certificate,
        /// The block that most likely follows: the ledger may execute it while this one is being written.
        next: Option<Arc<Block>>,
    },
    /// Read decided blocks for a peer.
    ReadBlocks {
        /// Completes as `Input::BlocksRead`.
        ticket: Ticket,
        /// First height.
        from: Height,
        /// Stop before exceeding this, but read at least one.
        max_bytes: usize,
        /// Read at most this many.
        max_count: usize,
    },
    /// Read of the snapshots for a peer.
    ReadSnapshot {
        /// Completes as `Input::SnapshotRead`.
        ticket: Ticket,
        /// What the peer asks for.
        request: SnapshotMessage,
    },
    /// Peers have pruned the next block: join anew from a snapshot above this height. Until then the driver goes on, and
    /// syncs from whoever has the block.
    Join {
        /// The tip.
        above: Height,
        /// Whether a peer in reach may have the block nevertheless.
        elsewhere: bool,
    },
    /// Answer a local client.
    Reply {
        /// The call.
        request: u64,
        /// The answer.
        reply: Reply,
    },
    /// Contradicting messages of one validator were seen; the driver brings them to the ledger itself.
    Evidence(Evidence),
    /// Write a log line.
    Log(Diagnostic),
    /// Stop serving and stay stopped.
    Halt {
        /// Why.
        reason: String,
    },
}
