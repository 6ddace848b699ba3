//! The driver: one `step` takes one input and returns what to do, in order.
//!
//! It never waits, fails or does I/O. While a barrier or commit is in flight
//! the core gets nothing; what arrives for it queues, bounded. See `barrier`
//! for the order of durability, `height` for the life of a height.

mod accuse;
mod barrier;
pub mod health;
mod height;
mod newcomer;
mod pace;
mod propose;
mod receive;
mod release;
mod repair;
mod snapshots;
mod sync;
mod timers;
mod transactions;
pub mod unsettled;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::crypto::{SigningKey, VerifyingKey};
use laufzettel_chain::ids::{Address, BlockId, Height, NetworkId, PayloadDigest};
use laufzettel_chain::vote::{Beat, Proposal, Signed};

use super::action::{Action, Diagnostic, TimerKey};
use super::bodies::Bodies;
use super::context::Ledger;
use super::core::{Core, CoreInput, Signer};
use super::gate::{Verdict, View};
use super::input::{Input, Ticket};
use super::ledger::{Block, Tip};
use super::message::Message;
use super::peers::{Peer, Peers};
use super::record::{LogEntry, LogRecord};
use super::votes::Votes;
use super::watermark::{Found, Mark, SigningState, judge};
use crate::mempool::{Mempool, PoolLimits};
use accuse::Accusations;
use pace::Pace;
use sync::Sync;
use transactions::{Admission, Waiter};
use unsettled::Unsettled;

/// Core inputs of peers that wait for a barrier; more are dropped and come again by rebroadcast.
const QUEUE_MAX: usize = 4_096;
/// Messages of one peer kept for the height after the next one.
const FUTURE_MAX: usize = 128;

/// Who this node is.
#[derive(Debug, Clone)]
pub struct DriverConfig {
    /// The network.
    pub network: NetworkId,
    /// Count of recoveries.
    pub incarnation: u32,
    /// The authority whose node it is.
    pub authority: String,
    /// Its consensus key; an observer has none.
    pub key: Option<SigningKey>,
    /// Its node key, which signs beats and evidence.
    pub node_key: Option<SigningKey>,
    /// Node keys that the registry has in use, by authority: a beat is signed by one of its sender's.
    pub node_keys: BTreeMap<String, Vec<VerifyingKey>>,
    /// What the core may see of a proposal: [`gate::judge`](super::gate::judge) in every node. An argument only so that
    /// the simulator can show that it notices a node without it.
    pub gate: fn(&View) -> Verdict,
    /// Bounds of the pool.
    pub pool: PoolLimits,
}

/// What lies on disk at the start.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// The last committed block.
    pub tip: Tip,
    /// Log entries of the height after it, by position.
    pub log: Vec<LogRecord>,
    /// Undecided bodies of that height.
    pub blocks: Vec<Arc<Block>>,
    /// The highest log position ever made durable; kept when entries go.
    pub log_end: u64,
    /// The two watermark slots; none where nothing was ever written.
    pub slots: [Option<Vec<u8>>; 2],
}

/// What has to complete before the core goes on.
#[derive(Debug)]
enum Flight {
    None,
    Persist { ticket: Ticket, entries: Vec<LogEntry>, sends: Vec<Action>, decision: Option<Certificate> },
    Commit { ticket: Ticket },
}

/// A proposal before the gate.
#[derive(Debug, Clone)]
struct Proposed {
    proposal: Signed<Proposal>,
    fed: bool,
    verdict: &'static str,
}

/// How far this node's own proposal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proposing {
    No,
    Waiting { round: u32, asked: bool },
    Building { ticket: Ticket, round: u32, since_ms: u64 },
}

/// All that belongs to the height being decided.
#[derive(Default)]
struct Undecided {
    core: Option<Core>,
    active: bool,
    failures: u32,
    votes: Votes,
    proposals: Vec<Proposed>,
    bodies: Bodies,
    durable: Vec<LogEntry>,
    unwritten: Vec<LogRecord>,
    values_fed: std::collections::BTreeSet<BlockId>,
    proposing: Option<Proposing>,
    queue: VecDeque<CoreInput>,
}

/// The consensus driver of one node.
pub struct Driver {
    config: DriverConfig,
    ledger: Ledger,
    now_ms: u64,
    actions: Vec<Action>,
    next_ticket: Ticket,
    timers: BTreeMap<TimerKey, u64>,
    tip: Tip,
    tip_since_ms: u64,
    signer: Signer,
    signing: SigningState,
    watermark_sequence: u64,
    log_position: u64,
    undecided: Undecided,
    flight: Flight,
    flight_since_ms: u64,
    future: Vec<(Peer, Message)>,
    future_bytes: usize,
    peers: Peers,
    sync: Sync,
    pool: Mempool,
    /// Transactions whose execution panicked here, the latest.
    shunned: VecDeque<PayloadDigest>,
    admissions: BTreeMap<Ticket, Admission>,
    accusations: Accusations,
    /// Height at which another node was last seen to sign with this node's key.
    key_elsewhere: Option<Height>,
    waiters: BTreeMap<PayloadDigest, Vec<Waiter>>,
    offered_at_ms: u64,
    pace: Pace,
    beat_sequence: u64,
    /// The last beat of this node, as all others have it.
    own_beat: Option<Signed<Beat>>,
    unsettled: Unsettled,
    reads: BTreeMap<Ticket, Peer>,
    snapshot_reads: BTreeMap<Ticket, Peer>,
    halted: Option<String>,
}

impl Driver {
    /// A driver over what was recovered, and what it wants done first.
    #[must_use]
    pub fn new(config: DriverConfig, recovered: Recovered, now_ms: u64) -> (Self, Vec<Action>) {
        let Recovered { tip, log, blocks, log_end, slots } = recovered;
        let ledger = Ledger { network: config.network, incarnation: config.incarnation };
        let log_end = log.iter().map(|record| record.position).fold(log_end, u64::max);
        let pristine = tip.header.height == 0 && log.is_empty();
        let slots = [slots[0].as_deref(), slots[1].as_deref()];
        let found = Found { slots, pristine, log_end };
        let (signing, watermark) = match &config.key {
            None => (SigningState::Observer, None),
            Some(key) => judge(config.network, Address::of(&key.verifying_key()), &found),
        };
        let mark = watermark.as_ref().map_or(Mark::NOTHING, |watermark| watermark.mark);
        let mut driver = Self {
            ledger,
            now_ms,
            actions: Vec::new(),
            next_ticket: 1,
            timers: BTreeMap::new(),
            tip_since_ms: now_ms,
            signer: Signer { key: config.key.clone(), mark },
            signing,
            watermark_sequence: watermark.as_ref().map_or(0, |watermark| watermark.sequence),
            log_position: watermark.as_ref().map_or(log_end, |watermark| watermark.log_position.max(log_end)),
            undecided: Undecided::default(),
            flight: Flight::None,
            flight_since_ms: now_ms,
            future: Vec::new(),
            future_bytes: 0,
            peers: Peers::default(),
            sync: Sync::default(),
            pool: Mempool::new(config.pool),
            shunned: VecDeque::new(),
            admissions: BTreeMap::new(),
            accusations: Accusations::default(),
            key_elsewhere: None,
            waiters: BTreeMap::new(),
            offered_at_ms: 0,
            pace: Pace::default(),
            beat_sequence: now_ms,
            own_beat: None,
            unsettled: Unsettled::default(),
            reads: BTreeMap::new(),
            snapshot_reads: BTreeMap::new(),
            halted: None,
            config,
            tip,
        };
        driver.expect_validators();
        driver.recover(log, blocks);
        // The first watermark exists before anything is signed, so that a later loss of it is noticed. And what a
        // crash left in the log above the watermark is covered before it is sent again.
        let uncovered = driver.watermark_sequence == 0 || driver.signer.mark != mark;
        if uncovered && matches!(driver.signing, SigningState::New | SigningState::Ready | SigningState::Above(_)) {
            driver.persist(Vec::new(), None);
        }
        driver.begin_idle();
        driver.beat();
        driver.pump();
        let actions = core::mem::take(&mut driver.actions);
        (driver, actions)
    }

    /// Takes one input at this time and returns what to do, in order.
    pub fn step(&mut self, now_ms: u64, input: Input) -> Vec<Action> {
        self.clock_to(now_ms);
        if self.halted.is_none() || matches!(input, Input::HealthRequest { .. }) {
            self.take(input);
            self.pump();
        }
        core::mem::take(&mut self.actions)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Timer(key) => self.on_timer(key),
            Input::Message { from, message } => self.on_message(from, message),
            Input::Undecodable { from } => self.fault(&from, "undecodable message"),
            Input::PeerConnected(peer) => self.on_connected(&peer),
            Input::PeerDisconnected(peer) => self.peers.connected(&peer, false, self.now_ms),
            Input::Submit { request, transaction, wait } => self.on_submit(request, transaction, wait),
            Input::Forget { request } => self.on_forget(request),
            Input::HealthRequest { request } => self.on_health(request),
            Input::Admitted { ticket, result } => self.on_admitted(ticket, result),
            Input::Built { ticket, outcome } => self.on_built(ticket, outcome),
            Input::Validated { ticket, id, result } => self.on_validated(ticket, id, result),
            Input::Persisted { ticket } => self.on_persisted(ticket),
            Input::Committed { ticket, tip, finals, clearance } => {
                self.on_committed(ticket, *tip, &finals);
                // Who asked whether a lock stands waits for beats that know this block.
                if clearance {
                    self.beat();
                }
            }
            Input::CommitFailed { ticket, height, fault } => self.on_commit_failed(ticket, height, &fault),
            Input::BlocksRead { ticket, entries } => self.on_blocks_read(ticket, entries),
            Input::BlocksPruned { ticket, bodies_from } => self.on_blocks_pruned(ticket, bodies_from),
            Input::SnapshotRead { ticket, answer } => self.on_snapshot_read(ticket, answer),
        }
    }

    /// Gives the core all it may get now.
    fn pump(&mut self) {
        if self.halted.is_none() {
            self.settle_newcomer();
        }
        while self.halted.is_none() && matches!(self.flight, Flight::None) && self.turn() {}
        if self.halted.is_none() {
            self.want_supported_bodies();
            self.sync_if_behind();
        }
    }

    /// One piece of work; false if there is none.
    fn turn(&mut self) -> bool {
        if self.commit_synced() {
            return true;
        }
        if self.undecided.core.is_none() {
            return self.wake_if_due();
        }
        if self.release_one() {
            return true;
        }
        match self.undecided.queue.pop_front() {
            Some(input) => {
                self.feed(&[input]);
                true
            }
            None => false,
        }
    }

    fn enqueue(&mut self, input: CoreInput) {
        if self.undecided.core.is_some() {
            self.undecided.queue.push_back(input);
        }
    }
    /// Whether the queue takes more from peers; what it does not take comes again by rebroadcast.
    fn queue_has_room(&self) -> bool {
        self.undecided.queue.len() < QUEUE_MAX
    }
    fn ticket(&mut self) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket = ticket.wrapping_add(1);
        ticket
    }
    fn send(&mut self, to: &Peer, message: Message) {
        self.actions.push(Action::Send { to: to.clone(), message: Arc::new(message) });
    }
    fn log(&mut self, diagnostic: Diagnostic) {
        self.actions.push(Action::Log(diagnostic));
    }
    fn fault(&mut self, peer: &Peer, fault: &'static str) {
        let state = self.peers.entry(peer);
        state.garbage = state.garbage.saturating_add(1);
        self.log(Diagnostic::PeerFault { peer: peer.clone(), fault });
    }
    fn halt(&mut self, reason: String) {
        self.halted = Some(reason.clone());
        self.actions.push(Action::Halt { reason });
    }
    fn own_address(&self) -> Option<Address> {
        self.config.key.as_ref().map(|key| Address::of(&key.verifying_key()))
    }
    /// The node of a validator.
    fn peer_of(&self, address: &Address) -> Option<Peer> {
        self.tip.validators.get(address).map(|validator| Peer(validator.authority.clone()))
    }

    /// The tip.
    #[must_use]
    pub fn tip(&self) -> &Tip {
        &self.tip
    }
    /// What this node may sign.
    #[must_use]
    pub fn signing(&self) -> SigningState {
        self.signing
    }
}

fn broadcast(message: Message) -> Action {
    Action::Broadcast { message: Arc::new(message) }
}
