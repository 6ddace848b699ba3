//! Snapshots, as far as a running node has to do with them: it serves them,
//! and it notices that its peers have pruned what it lacks. Joining from one is
//! the composition root's; here it is only asked for.

use laufzettel_chain::ids::Height;

use super::{Action, Driver};
use crate::consensus::action::TimerKey;
use crate::consensus::input::Ticket;
use crate::consensus::message::{Message, SnapshotMessage};
use crate::consensus::peers::Peer;

/// Requests of one peer about snapshots that are read at once; more are not answered.
const SNAPSHOT_READS_PER_PEER: usize = 4;
/// How long a peer that still has the blocks may take to appear before the word of few peers that they are pruned is
/// enough.
const PATIENCE_MS: u64 = 10_000;

impl Driver {
    pub(super) fn on_snapshot_message(&mut self, from: &Peer, message: SnapshotMessage) {
        match message {
            SnapshotMessage::Pruned { bodies_from } => self.on_pruned(from, bodies_from),
            request @ (SnapshotMessage::ListRequest
            | SnapshotMessage::ManifestRequest { .. }
            | SnapshotMessage::ChunkRequest { .. }) => self.read_snapshot(from, request),
            // Only a node that joins has asked for these; they may come late, when it already runs.
            SnapshotMessage::List(_) | SnapshotMessage::Manifest { .. } | SnapshotMessage::Chunk { .. } => {}
        }
    }

    fn read_snapshot(&mut self, from: &Peer, request: SnapshotMessage) {
        let reading = self.snapshot_reads.values().filter(|reader| *reader == from).count();
        if reading >= SNAPSHOT_READS_PER_PEER {
            return;
        }
        let ticket = self.ticket();
        self.snapshot_reads.insert(ticket, from.clone());
        self.actions.push(Action::ReadSnapshot { ticket, request });
    }

    pub(super) fn on_snapshot_read(&mut self, ticket: Ticket, answer: SnapshotMessage) {
        if let Some(peer) = self.snapshot_reads.remove(&ticket) {
            self.send(&peer, Message::Snapshot(answer));
        }
    }

    /// A peer asked for blocks below those this node keeps.
    pub(super) fn on_blocks_pruned(&mut self, ticket: Ticket, bodies_from: Height) {
        if let Some(peer) = self.reads.remove(&ticket) {
            self.send(&peer, Message::Snapshot(SnapshotMessage::Pruned { bodies_from }));
        }
    }

    /// A peer says it has pruned what this node asked for. It may lie: then it is merely asked for nothing.
    fn on_pruned(&mut self, from: &Peer, bodies_from: Height) {
        self.sync_refused(from);
        self.peers.entry(from).bodies_from = bodies_from;
    }

    /// Peers have pruned the next block: asks to join anew, once. `elsewhere` is whether one in reach may have it still,
    /// as an archive does: fetching block after block from it would take much longer.
    pub(super) fn join_if_pruned(&mut self, elsewhere: bool) {
        let tip = self.tip.height();
        let validators = &self.tip.validators;
        let (mut found, mut power) = (false, 0u128);
        for peer in self.peers.pruned(tip) {
            found = true;
            power = power.saturating_add(validators.of_authority(&peer.0).map_or(0, |one| u128::from(one.power)));
        }
        // One of more than a third is honest. Of fewer, none needs to be: others get time to appear.
        let (sure, said) = (validators.is_third(power), self.sync.join_wanted);
        if !found {
            self.sync.join_wanted = None;
        }
        if !found || (elsewhere && !sure) || said == Some(false) || said == Some(elsewhere) {
            return;
        }
        let due_ms = match sure {
            true => self.now_ms,
            false => self.sync.pruned_since_ms.get_or_insert(self.now_ms).saturating_add(PATIENCE_MS),
        };
        if self.now_ms >= due_ms {
            self.sync.join_wanted = Some(elsewhere);
            self.actions.push(Action::Join { above: tip, elsewhere });
        } else if self.timers.get(&TimerKey::Sync).is_none_or(|at_ms| *at_ms > due_ms) {
            self.set_timer(TimerKey::Sync, due_ms);
        }
    }
}

#[cfg(test)]
mod tests;
