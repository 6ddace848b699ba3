//! How the node is: a snapshot for status displays. It says who is missing and
//! how many more failures the network survives; and what it holds in memory.

use super::accuse::ACCUSATIONS_MAX;
use super::receive::PROPOSALS_PER_ROUND;
use super::transactions::{PEER_ADMISSION_BYTES_MAX, PEER_ADMISSIONS_MAX};
use super::{Driver, FUTURE_MAX, Flight, QUEUE_MAX};
use crate::consensus::action::{Health, PeerHealth, Reply};
use crate::consensus::bodies::{BLOCK_BYTES_MAX, BLOCKS_MAX, UNASKED_MAX};
use crate::consensus::core::Core;
use crate::consensus::message::{MESSAGE_BYTES_MAX, SYNC_ENTRIES_MAX, VOTES_MAX};
use crate::consensus::peers::{Peer, PeerState};
use crate::consensus::votes::ROUNDS_AHEAD;

/// What a driver holds in memory for others, beside the pool. Each part has a bound that no peer can move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Inputs that wait for the core.
    pub queued: usize,
    /// Messages of the height after the next one.
    pub early: usize,
    /// Their bytes.
    pub early_bytes: usize,
    /// Transactions being admitted, of the peer that has most.
    pub admissions_of_peer: usize,
    /// Bytes being admitted, of the peer that has most.
    pub admission_bytes_of_peer: usize,
    /// Blocks being read for peers, one a peer.
    pub reads: usize,
    /// Votes of the undecided height.
    pub votes: usize,
    /// Proposals of the undecided height.
    pub proposals: usize,
    /// Blocks of the undecided height.
    pub blocks: usize,
    /// Bytes of blocks that are being put together.
    pub assembly_bytes: usize,
    /// Decided blocks that wait for their commit.
    pub synced_blocks: usize,
    /// Contradictions that were seen.
    pub accusations: usize,
}

impl Load {
    /// Which bound does not hold with so many peers and validators, and the rounds of a height so far; none if all do.
    #[must_use]
    pub fn excess(&self, peers: usize, validators: usize, rounds: usize) -> Option<&'static str> {
        let rounds_kept = rounds.saturating_add(usize::try_from(ROUNDS_AHEAD).unwrap_or(0)).saturating_add(1);
        let votes_max = validators.saturating_mul(2).saturating_mul(rounds_kept);
        // Own timeouts and one message that is worked off as a whole come on top of what peers may fill.
        let queue_max = QUEUE_MAX.saturating_add(VOTES_MAX).saturating_add(64);
        let bounds = [
            ("inputs that wait for the core", self.queued, queue_max),
            ("messages that came early", self.early, peers.saturating_mul(FUTURE_MAX)),
            ("bytes that came early", self.early_bytes, MESSAGE_BYTES_MAX),
            ("admissions of a peer", self.admissions_of_peer, PEER_ADMISSIONS_MAX),
            ("bytes in admission of a peer", self.admission_bytes_of_peer, PEER_ADMISSION_BYTES_MAX),
            ("reads for peers", self.reads, peers),
            ("votes", self.votes, votes_max),
            ("proposals", self.proposals, PROPOSALS_PER_ROUND.saturating_mul(rounds_kept)),
            ("blocks", self.blocks, BLOCKS_MAX),
            (
                "bytes of blocks in parts",
                self.assembly_bytes,
                UNASKED_MAX.saturating_add(peers).saturating_mul(BLOCK_BYTES_MAX),
            ),
            ("synced blocks", self.synced_blocks, SYNC_ENTRIES_MAX),
            ("accusations", self.accusations, ACCUSATIONS_MAX),
        ];
        bounds.into_iter().find(|(_, found, max)| found > max).map(|(name, _, _)| name)
    }
}

/// A beat goes out at least this often.
pub(super) const BEAT_MS: u64 = 5_000;
/// Who is connected and has sent no beat for so long is missing: two did not come, and the connection says nothing. A
/// process that hangs keeps its connections for minutes.
pub const SILENT_MS: u64 = 2 * BEAT_MS + 1_000;

impl Driver {
    pub(super) fn on_health(&mut self, request: u64) {
        let health = self.health();
        self.reply(request, Reply::Health(Box::new(health)));
    }

    /// The snapshot.
    #[must_use]
    pub fn health(&self) -> Health {
        let missing = self.missing();
        let peers = self.peers.all().iter().map(|(peer, state)| PeerHealth {
            peer: peer.clone(),
            connected: state.connected,
            validator: self.tip.validators.of_authority(&peer.0).is_some(),
            height: state.height,
            beat: state.beat.clone(),
            beat_age_ms: state.beat.as_ref().map(|_| self.now_ms.saturating_sub(state.beat_at_ms)),
            since_ms: self.now_ms.saturating_sub(state.since_ms),
            clock_ahead_ms: state.clock.ahead_ms(),
            garbage: state.garbage,
        });
        Health {
            height: self.tip.height(),
            block: self.tip.id,
            time_ms: self.tip.header.time_ms,
            round: self.undecided.core.as_ref().and_then(Core::round),
            signing: self.signing,
            silent: self.undecided.failures > 0,
            flight_ms: match self.flight {
                Flight::None => 0,
                _ => self.now_ms.saturating_sub(self.flight_since_ms),
            },
            quorum: self.quorum_without(&missing),
            failures_left: self.failures_left(&missing),
            missing,
            peers: peers.collect(),
            pending: self.pool.len(),
            pending_bytes: self.pool.bytes(),
            oldest_pending_lock_ms: self.oldest_pending_lock_ms(),
            own_beat: self.own_beat.clone(),
            at_ms: self.now_ms,
            unsettled: self.unsettled_locks(),
            key_elsewhere: self.key_elsewhere,
            halted: self.halted.clone(),
        }
    }

    /// What is held in memory for others.
    #[must_use]
    pub fn load(&self) -> Load {
        let undecided = &self.undecided;
        let peers = self.peers.all().values();
        Load {
            queued: undecided.queue.len(),
            early: self.future.len(),
            early_bytes: self.future_bytes,
            admissions_of_peer: peers.clone().map(|peer| peer.admissions).max().unwrap_or(0),
            admission_bytes_of_peer: peers.map(|peer| peer.admission_bytes).max().unwrap_or(0),
            reads: self.reads.len(),
            votes: undecided.votes.all().count(),
            proposals: undecided.proposals.len(),
            blocks: undecided.bodies.held(),
            assembly_bytes: undecided.bodies.assembly_bytes(),
            synced_blocks: self.synced_waiting(),
            accusations: self.accusations.len(),
        }
    }

    /// A validator that never connects is missing, not unknown.
    pub(super) fn expect_validators(&mut self) {
        let validators = self.tip.validators.all().iter().map(|validator| Peer(validator.authority.clone()));
        let others: Vec<Peer> = validators.filter(|peer| peer.0 != self.config.authority).collect();
        for peer in others {
            self.peers.entry(&peer).since_ms = self.now_ms;
        }
    }

    /// Validators of which nothing is heard: without a connection, or silent on it.
    fn missing(&self) -> Vec<Peer> {
        let heard_ms = |state: &PeerState| state.beat_at_ms.max(state.since_ms);
        self.without(|state| state.connected && self.now_ms.saturating_sub(heard_ms(state)) <= SILENT_MS)
    }

    /// Other validators that are not there.
    fn without(&self, is_there: impl Fn(&PeerState) -> bool) -> Vec<Peer> {
        let validators = self.tip.validators.all().iter();
        let others = validators.filter(|validator| validator.authority != self.config.authority);
        let peers = others.map(|validator| Peer(validator.authority.clone()));
        peers.filter(|peer| !self.peers.get(peer).is_some_and(&is_there)).collect()
    }

    /// Whether the validators with a connection, this one among them, can decide.
    pub(super) fn quorum(&self) -> bool {
        self.quorum_without(&self.without(|state| state.connected))
    }

    fn quorum_without(&self, missing: &[Peer]) -> bool {
        self.tip.validators.is_quorum(self.powers_without(missing).iter().sum())
    }

    fn powers_without(&self, missing: &[Peer]) -> Vec<u128> {
        let present = self.tip.validators.all().iter();
        let present = present.filter(|validator| !missing.iter().any(|peer| peer.0 == validator.authority));
        present.map(|validator| u128::from(validator.power)).collect()
    }

    /// How many more of the validators may fail, the strongest first, before nothing is decided any more.
    fn failures_left(&self, missing: &[Peer]) -> usize {
        let validators = &self.tip.validators;
        let mut powers = self.powers_without(missing);
        powers.sort_unstable();
        let mut present: u128 = powers.iter().sum();
        let mut left = 0;
        for power in powers.iter().rev() {
            present = present.saturating_sub(*power);
            if !validators.is_quorum(present) {
                break;
            }
            left += 1;
        }
        left
    }
}
