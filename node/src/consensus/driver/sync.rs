//! Block sync: decided heights are fetched with their certificates, checked
//! and committed outside of the core. One request at a time, another peer
//! after a timeout; the next one is sent while what came is still being
//! committed. Heights of peers are hearsay; certificates are not.

use std::collections::VecDeque;
use std::sync::Arc;

use laufzettel_chain::block::Block;
use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::ids::Height;
use laufzettel_chain::vote::{Signed, Vote, VoteType};

use super::{Driver, Flight};
use crate::consensus::action::TimerKey;
use crate::consensus::ledger::SyncEntry;
use crate::consensus::message::{Message, SYNC_ENTRIES_MAX};
use crate::consensus::peers::Peer;

/// An unanswered request goes to the next peer after this time.
const ANSWER_MS: u64 = 1_000;
/// One height behind is normal for a moment: its own votes may still be on their way.
const PATIENCE_MS: u64 = 150;

/// More are asked for once fewer than these wait to be committed.
const WAITING_FEW: usize = 16;

/// Blocks of unasked help that are taken: the next one, and what came with it.
const HELP_ENTRIES: u64 = 2;

/// Where block sync stands.
#[derive(Debug, Default)]
pub(super) struct Sync {
    asked: Option<Peer>,
    last: Option<Peer>,
    entries: VecDeque<(Peer, SyncEntry)>,
    /// Who sent the block that is being committed.
    committing: Option<Peer>,
    /// Since when peers in reach have said that they pruned the next block.
    pub(super) pruned_since_ms: Option<u64>,
    /// What was said when joining anew was asked for: whether a peer may have the blocks nevertheless.
    pub(super) join_wanted: Option<bool>,
}

impl Sync {
    /// The block that waits to be committed after this one, if what came is in order; nothing of it is proven yet.
    pub(super) fn following(&self, block: &Block) -> Option<Arc<Block>> {
        let (_, entry) = self.entries.front()?;
        (entry.block.header.height == block.header.height.saturating_add(1)).then(|| entry.block.clone())
    }
    /// This node's clock was set back: nothing noted may lie ahead of it.
    pub(super) fn clock_back(&mut self, now_ms: u64) {
        self.pruned_since_ms = self.pruned_since_ms.map(|at_ms| at_ms.min(now_ms));
    }
}

impl Driver {
    /// Asks a peer for the blocks this node lacks, if it knows of any.
    pub(super) fn sync_if_behind(&mut self) {
        let has = self.has_height();
        let busy = matches!(self.flight, Flight::Commit { .. }) && self.sync.committing.is_none();
        let enough = self.sync.asked.is_some() || self.sync.entries.len() >= WAITING_FEW;
        if busy || enough || self.peers.best() <= has {
            return;
        }
        let due_ms = self.tip_since_ms.saturating_add(PATIENCE_MS);
        if self.peers.best() == has.saturating_add(1) && self.now_ms < due_ms {
            if self.timers.get(&TimerKey::Sync).is_none_or(|at_ms| *at_ms > due_ms) {
                self.set_timer(TimerKey::Sync, due_ms);
            }
            return;
        }
        let peer = self.peers.above(has, self.sync.last.as_ref());
        if has == self.tip.height() {
            self.join_if_pruned(peer.is_some());
        }
        let Some(peer) = peer else { return };
        self.sync.pruned_since_ms = None;
        let from = has.saturating_add(1);
        self.sync.asked = Some(peer.clone());
        self.sync.last = Some(peer.clone());
        self.send(&peer, Message::SyncRequest { from });
        self.note_syncing(from, peer);
        let at_ms = self.now_ms.saturating_add(ANSWER_MS);
        self.set_timer(TimerKey::Sync, at_ms);
    }

    /// Up to where this node has blocks: committed, being committed, or waiting for it.
    fn has_height(&self) -> Height {
        let tip = self.tip.height();
        let committing = if self.sync.committing.is_some() { tip.saturating_add(1) } else { tip };
        let waiting = self.sync.entries.iter().map(|(_, entry)| entry.block.header.height).max();
        committing.max(waiting.unwrap_or(0))
    }

    pub(super) fn on_sync_timer(&mut self) {
        // A peer that does not answer may have claimed a height it cannot fill; its next message says it again.
        if let Some(peer) = self.sync.asked.take() {
            let tip = self.tip.height();
            self.peers.disbelieve(&peer, tip);
        }
    }

    /// A peer cannot send what it was asked for.
    pub(super) fn sync_refused(&mut self, from: &Peer) {
        if self.sync.asked.as_ref() == Some(from) {
            self.sync.asked = None;
            self.sync.last = Some(from.clone());
            self.cancel_timer(TimerKey::Sync);
        }
    }

    pub(super) fn on_sync_response(&mut self, from: &Peer, entries: Vec<SyncEntry>) {
        let asked = self.sync.asked.as_ref() == Some(from);
        if asked {
            self.sync.asked = None;
            self.cancel_timer(TimerKey::Sync);
            // In turn, whatever it had: who has pruned the past is found out soon.
            self.sync.last = Some(from.clone());
        }
        if entries.is_empty() {
            let tip = self.tip.height();
            self.peers.disbelieve(from, tip);
            return;
        }
        // Unasked ones are help for a straggler: the next few, and of each peer one answer at a time.
        let unasked_max = self.tip.next_height().saturating_add(HELP_ENTRIES);
        if !asked && self.sync.entries.iter().any(|(peer, _)| peer == from) {
            return;
        }
        for entry in entries {
            let wanted = asked || entry.block.header.height < unasked_max;
            if wanted && self.sync.entries.len() < SYNC_ENTRIES_MAX {
                self.sync.entries.push_back((from.clone(), entry));
            }
        }
    }
    /// A proven certificate may hold votes that contradict those that came here.
    fn compare_certificate(&mut self, certificate: &Certificate) {
        for (address, signature) in &certificate.signatures {
            let message = Vote {
                network: self.config.network,
                incarnation: self.config.incarnation,
                height: certificate.height,
                round: certificate.round,
                vote_type: VoteType::Precommit,
                value: Some(certificate.block),
                address: *address,
            };
            self.compare_vote(&Signed { message, signature: *signature });
        }
    }
    /// No block of a peer's is being committed any more.
    pub(super) fn sync_committed(&mut self) {
        self.sync.committing = None;
    }
    pub(super) fn synced_waiting(&self) -> usize {
        self.sync.entries.len()
    }

    /// The synced block that was being committed came with a body of someone's own making.
    pub(super) fn blame_sync(&mut self) {
        self.sync.entries.clear();
        if let Some(from) = self.sync.committing.take() {
            self.bad_sync(&from);
        }
    }

    /// Commits the next synced block if it is here and proven; false if not.
    pub(super) fn commit_synced(&mut self) -> bool {
        while let Some((from, entry)) = self.sync.entries.pop_front() {
            let header = &entry.block.header;
            // What lies below was committed meanwhile; what lies above came with a gap before it.
            if header.height != self.tip.next_height() {
                continue;
            }
            let follows = header.previous == self.tip.id
                && header.network == self.config.network
                && header.incarnation == self.config.incarnation;
            if !follows || entry.certificate.verify(header, &self.tip.validators).is_err() {
                self.sync.entries.clear();
                self.bad_sync(&from);
                return false;
            }
            self.compare_certificate(&entry.certificate);
            self.sync.committing = Some(from);
            self.commit(entry.block, entry.certificate);
            return true;
        }
        false
    }
}
