//! Messages of peers. A signature is checked before anything is kept, what is
//! kept is bounded, and what breaks a rule is counted against its sender.

use laufzettel_chain::codec::encode;
use laufzettel_chain::ids::{BlockId, Height};
use laufzettel_chain::vote::{Beat, Proposal, Signed, Vote, VoteType};

use super::{Action, Driver, FUTURE_MAX, LogEntry, Proposed};
use crate::consensus::Diagnostic;
use crate::consensus::bodies::{Source, parts};
use crate::consensus::core::CoreInput;
use crate::consensus::message::{
    BlockPart, MESSAGE_BYTES_MAX, Message, PolkaCertificate, RoundCertificate, SYNC_BYTES,
};
use crate::consensus::peers::Peer;
use crate::consensus::votes::ROUNDS_AHEAD;

/// A wanted block is asked for again, of the next voter, after this time.
pub(super) const BODY_RETRY_MS: u64 = 300;
/// A peer is helped with a block at most this often.
const HELP_MS: u64 = 400;
/// Votes of the last height keep coming for this long without meaning that their sender needs help.
const LATE_MS: u64 = 300;
/// Most proposals kept of one round: two are the proof that its proposer lies.
pub(super) const PROPOSALS_PER_ROUND: usize = 2;

/// Where a message's height lies.
enum Place {
    Past,
    Current,
    Next,
    Beyond,
}

impl Driver {
    pub(super) fn on_message(&mut self, from: Peer, message: Message) {
        match message {
            Message::Votes(votes) => {
                for vote in votes {
                    self.on_vote(&from, vote);
                }
            }
            Message::Proposal(proposal) => self.on_proposal(&from, proposal),
            Message::PolkaCertificate(polka) => self.on_polka(&from, polka),
            Message::RoundCertificate(certificate) => self.on_round_certificate(&from, certificate),
            Message::BlockPart(part) => self.on_part(&from, part),
            Message::BodyRequest { height, block } => self.on_body_request(&from, height, block),
            Message::SyncRequest { from: first } => self.read_blocks(&from, first, SYNC_BYTES),
            Message::SyncResponse(entries) => self.on_sync_response(&from, entries),
            Message::Transactions(transactions) => self.on_transactions(&from, transactions),
            Message::TransactionsWanted => self.on_transactions_wanted(&from),
            Message::Beat(beat) => self.on_beat(&from, beat),
            Message::Snapshot(message) => self.on_snapshot_message(&from, message),
        }
    }

    /// Sorts by height, and learns from it how high the sender is.
    fn place(&mut self, from: &Peer, height: Height) -> Place {
        let next = self.tip.next_height();
        self.peers.saw_height(from, height.saturating_sub(1));
        if height < next {
            self.help(from, height);
            Place::Past
        } else if height == next {
            Place::Current
        } else if height == next.saturating_add(1) {
            Place::Next
        } else {
            Place::Beyond
        }
    }

    /// A message that came one height early is looked at again after the commit.
    fn defer(&mut self, from: &Peer, message: Message) {
        let bytes = match &message {
            Message::BlockPart(part) => part.bytes.len(),
            _ => 256,
        };
        let of_peer = self.future.iter().filter(|(peer, _)| peer == from).count();
        if of_peer < FUTURE_MAX && self.future_bytes.saturating_add(bytes) <= MESSAGE_BYTES_MAX {
            self.future_bytes = self.future_bytes.saturating_add(bytes);
            self.future.push((from.clone(), message));
        }
    }

    /// A peer still votes on a decided height: send it the block, unless its votes are merely late.
    fn help(&mut self, peer: &Peer, height: Height) {
        let late = self.now_ms < self.tip_since_ms.saturating_add(LATE_MS) && height == self.tip.height();
        let state = self.peers.entry(peer);
        if late || !state.connected || self.now_ms < state.helped_at_ms.saturating_add(HELP_MS) {
            return;
        }
        state.helped_at_ms = self.now_ms;
        self.read_blocks(peer, height, 1);
    }

    fn is_of_this_network(&self, network: &laufzettel_chain::ids::NetworkId, incarnation: u32) -> bool {
        *network == self.config.network && incarnation == self.config.incarnation
    }
    fn is_near(&self, round: u32) -> bool {
        let now = self.undecided.core.as_ref().and_then(super::Core::round).unwrap_or(0);
        round <= now.saturating_add(ROUNDS_AHEAD)
    }

    fn on_vote(&mut self, from: &Peer, vote: Signed<Vote>) {
        let message = &vote.message;
        if !self.is_of_this_network(&message.network, message.incarnation) {
            return self.fault(from, "vote of another network or incarnation");
        }
        match self.place(from, message.height) {
            Place::Current => self.keep_vote(from, vote),
            Place::Next => self.defer(from, Message::Votes(vec![vote])),
            Place::Past | Place::Beyond => {}
        }
    }

    fn keep_vote(&mut self, from: &Peer, vote: Signed<Vote>) {
        // Far rounds are normal for a node that fell behind; a round certificate brings it near.
        // What finds no room in the queue must not be kept either, or it would never reach the core.
        let room = self.queue_has_room() && self.is_near(vote.message.round);
        if self.undecided.votes.has(&vote) || !room {
            return;
        }
        let Some(validator) = self.tip.validators.get(&vote.message.address) else {
            return self.fault(from, "vote of no validator");
        };
        if !vote.verify(&validator.key) {
            return self.fault(from, "vote with a wrong signature");
        }
        self.compare_vote(&vote);
        self.undecided.votes.insert(vote.clone());
        self.enqueue(CoreInput::Entry(LogEntry::Vote(vote)));
    }

    fn on_proposal(&mut self, from: &Peer, proposal: Signed<Proposal>) {
        let message = &proposal.message;
        if !self.is_of_this_network(&message.network, message.incarnation) {
            return self.fault(from, "proposal of another network or incarnation");
        }
        match self.place(from, message.height) {
            Place::Current => self.keep_proposal(from, proposal),
            Place::Next => self.defer(from, Message::Proposal(proposal)),
            Place::Past | Place::Beyond => {}
        }
    }

    fn keep_proposal(&mut self, from: &Peer, proposal: Signed<Proposal>) {
        let message = &proposal.message;
        let of_round = self.undecided.proposals.iter().filter(|held| held.proposal.message.round == message.round);
        let known = self.undecided.proposals.iter().any(|held| held.proposal == proposal);
        if known || of_round.count() >= PROPOSALS_PER_ROUND || !self.is_near(message.round) {
            return;
        }
        if Some(message.address) == self.own_address() {
            return;
        }
        let proposer = self.tip.proposer(message.round).filter(|address| *address == message.address);
        let Some(validator) = proposer.and_then(|address| self.tip.validators.get(&address)) else {
            return self.fault(from, "proposal out of turn");
        };
        if !proposal.verify(&validator.key) {
            return self.fault(from, "proposal with a wrong signature");
        }
        self.compare_proposal(&proposal);
        self.undecided.proposals.push(Proposed { proposal, fed: false, verdict: "" });
    }

    fn on_polka(&mut self, from: &Peer, polka: PolkaCertificate) {
        if !matches!(self.place(from, polka.height), Place::Current) || !self.queue_has_room() {
            return;
        }
        for (address, signature) in &polka.signatures {
            let message = Vote {
                network: self.config.network,
                incarnation: self.config.incarnation,
                height: polka.height,
                round: polka.round,
                vote_type: VoteType::Prevote,
                value: Some(polka.value),
                address: *address,
            };
            self.keep_vote(from, Signed { message, signature: *signature });
        }
        self.enqueue(CoreInput::Entry(LogEntry::PolkaCertificate(polka)));
    }

    fn on_round_certificate(&mut self, from: &Peer, certificate: RoundCertificate) {
        if !matches!(self.place(from, certificate.height), Place::Current) || !self.queue_has_room() {
            return;
        }
        for vote in &certificate.votes {
            let message = Vote {
                network: self.config.network,
                incarnation: self.config.incarnation,
                height: certificate.height,
                round: certificate.round,
                vote_type: vote.vote_type,
                value: vote.value,
                address: vote.address,
            };
            self.keep_vote(from, Signed { message, signature: vote.signature });
        }
        self.enqueue(CoreInput::RoundCertificate(certificate));
    }

    fn on_part(&mut self, from: &Peer, part: BlockPart) {
        match self.place(from, part.height) {
            Place::Current => {}
            Place::Next => return self.defer(from, Message::BlockPart(part)),
            Place::Past | Place::Beyond => return,
        }
        let now = self.undecided.core.as_ref().and_then(super::Core::round).unwrap_or(0);
        let source = match part.round {
            Some(round) => {
                let proposer = self.tip.proposer(round).and_then(|address| self.peer_of(&address));
                if proposer.as_ref() != Some(from) {
                    return self.fault(from, "unasked block part of no proposer");
                }
                if round > now.saturating_add(1) {
                    return;
                }
                Source::Proposer(round)
            }
            None if self.undecided.bodies.wants(&part.block) => Source::Asked(part.block, from.clone()),
            None => return,
        };
        let height = part.height;
        match self.undecided.bodies.receive(source, part) {
            Ok(Some(block)) if block.header.height == height => self.take_block(from, block),
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => self.fault(from, "block parts that make no block"),
        }
    }

    fn on_body_request(&mut self, from: &Peer, height: Height, id: BlockId) {
        if !matches!(self.place(from, height), Place::Current) {
            return;
        }
        let now_ms = self.now_ms;
        let state = self.peers.entry(from);
        // One question must not buy megabytes over and over.
        if now_ms < state.answered_at_ms.saturating_add(BODY_RETRY_MS / 2) {
            return;
        }
        state.answered_at_ms = now_ms;
        let pieces = self.undecided.bodies.get(&id).map(|block| parts(block, id, None));
        for piece in pieces.into_iter().flatten() {
            self.send(from, piece);
        }
    }

    /// Reads decided blocks to send them to a peer.
    pub(super) fn read_blocks(&mut self, peer: &Peer, from: Height, max_bytes: usize) {
        // One read per peer at a time: a peer that asks faster than it is answered gains nothing.
        if from > self.tip.height() || from == 0 || self.reads.values().any(|reading| reading == peer) {
            return;
        }
        let ticket = self.ticket();
        self.reads.insert(ticket, peer.clone());
        let max_count = crate::consensus::message::SYNC_ENTRIES_MAX;
        self.actions.push(Action::ReadBlocks { ticket, from, max_bytes, max_count });
    }

    pub(super) fn on_blocks_read(&mut self, ticket: u64, entries: Vec<crate::consensus::SyncEntry>) {
        if let Some(peer) = self.reads.remove(&ticket) {
            self.send(&peer, Message::SyncResponse(entries));
        }
    }

    pub(super) fn on_connected(&mut self, peer: &Peer) {
        self.peers.connected(peer, true, self.now_ms);
        if let Some(beat) = self.signed_beat() {
            self.send(peer, Message::Beat(beat));
        }
    }

    fn on_beat(&mut self, from: &Peer, beat: Signed<Beat>) {
        let message = &beat.message;
        let own_network = self.is_of_this_network(&message.network, message.incarnation);
        if message.authority != from.0 || !own_network {
            return self.fault(from, "beat of someone else");
        }
        let mut keys = self.config.node_keys.get(&from.0).into_iter().flatten();
        if !keys.any(|key| beat.verify(key)) {
            return self.fault(from, "beat with a wrong signature");
        }
        let now_ms = self.now_ms;
        let state = self.peers.entry(from);
        if state.beat.as_ref().is_none_or(|last| last.message.sequence < message.sequence) {
            state.height = message.height;
            state.beat_at_ms = now_ms;
            state.clock.saw(message.time_ms, now_ms);
            state.beat = Some(beat);
        }
    }

    fn signed_beat(&mut self) -> Option<Signed<Beat>> {
        let key = self.config.node_key.as_ref()?;
        self.beat_sequence = self.beat_sequence.saturating_add(1);
        let beat = Beat {
            network: self.config.network,
            incarnation: self.config.incarnation,
            authority: self.config.authority.clone(),
            sequence: self.beat_sequence,
            time_ms: self.now_ms,
            height: self.tip.height(),
            block: self.tip.id,
            oldest_pending_lock_ms: self.oldest_pending_lock_ms(),
        };
        Some(Signed::new(beat, key))
    }

    /// Sends a beat and sets the time of the next.
    pub(super) fn beat(&mut self) {
        if let Some(beat) = self.signed_beat() {
            self.own_beat = Some(beat.clone());
            self.actions.push(super::broadcast(Message::Beat(beat)));
        }
        let at_ms = self.now_ms.saturating_add(super::health::BEAT_MS);
        self.set_timer(super::TimerKey::Beat, at_ms);
    }

    /// Notes that a peer's blocks prove nothing.
    pub(super) fn bad_sync(&mut self, from: &Peer) {
        let tip = self.tip.height();
        self.peers.disbelieve(from, tip);
        self.fault(from, "synced block without proof");
    }

    /// The bytes a block takes in a sync response.
    #[must_use]
    pub fn sync_size(entry: &crate::consensus::SyncEntry) -> usize {
        encode(entry).len()
    }

    pub(super) fn note_syncing(&mut self, from: Height, peer: Peer) {
        self.log(Diagnostic::Syncing { from, peer });
    }
}
