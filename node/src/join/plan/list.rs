//! Which snapshot to fetch: the first phase, in which peers say which ones they have. Must never choose one before the peers
//! had time to answer.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::ids::Height;

use super::{Effect, Phase, Plan};
use crate::consensus::Peer;
use crate::consensus::message::SnapshotMessage;

/// Once a peer has named a snapshot, the others have this long to name theirs.
pub(super) const LIST_MS: u64 = 1_000;
/// Connections take a moment to stand: nothing is chosen before.
pub(super) const LIST_SOON_MS: u64 = 300;
/// While no peer names a usable snapshot, all are asked again after this time.
pub(super) const LIST_AGAIN_MS: u64 = 2_000;
/// With no usable snapshot in reach for this long, all is forgiven and tried again: a server may have been repaired.
pub(super) const HOPELESS_MS: u64 = 30_000;

impl Plan {
    pub(super) fn list_again(&mut self) {
        for server in self.servers.values_mut() {
            server.forget_choice();
        }
        self.phase = Phase::List { since_ms: self.now_ms, first_ms: None };
        self.ask_lists();
    }
    fn ask_lists(&mut self) {
        let peers = self.servers.iter().filter(|(_, server)| server.is_connected);
        let peers: Vec<Peer> = peers.map(|(peer, _)| peer.clone()).collect();
        for peer in peers {
            self.send(&peer, SnapshotMessage::ListRequest);
        }
    }
    pub(super) fn on_list(&mut self, peer: &Peer, heights: Vec<Height>) {
        let (above, now_ms) = (self.above, self.now_ms);
        let heights: BTreeSet<Height> = heights.into_iter().filter(|height| *height > above).collect();
        if let Phase::List { first_ms, .. } = &mut self.phase
            && !heights.is_empty()
        {
            first_ms.get_or_insert(now_ms);
        }
        self.servers.entry(peer.clone()).or_default().heights = Some(heights);
        if let Phase::Chunks(chunks) = &self.phase {
            // It may have come since: one more to ask for chunks.
            let height = chunks.manifest.header.height;
            let server = self.servers.entry(peer.clone()).or_default();
            if server.has(height) && server.content.is_none() && !server.manifest_asked {
                server.manifest_asked = true;
                self.send(peer, SnapshotMessage::ManifestRequest { height });
            }
        }
    }
    pub(super) fn advance_list(&mut self, since_ms: u64, first_ms: Option<u64>) {
        let connected = self.servers.values().filter(|server| server.is_connected);
        let all_answered = connected.clone().all(|server| server.heights.is_some());
        let over = first_ms.is_some_and(|first| self.now_ms >= first.saturating_add(LIST_MS));
        let soon = self.now_ms < since_ms.saturating_add(LIST_SOON_MS);
        let chosen = if first_ms.is_some() && !soon && (all_answered || over) { self.choose() } else { None };
        if let Some(height) = chosen {
            self.hopeless_ms = None;
            return self.ask_manifests(height);
        }
        if self.now_ms >= since_ms.saturating_add(LIST_AGAIN_MS) {
            let hopeless_ms = *self.hopeless_ms.get_or_insert(since_ms);
            if self.now_ms >= hopeless_ms.saturating_add(HOPELESS_MS) {
                self.forgive();
            }
            self.list_again();
        }
    }
    /// The snapshot to fetch: what was begun, else the newest that two peers have, else the newest.
    fn choose(&self) -> Option<Height> {
        let mut offers: BTreeMap<Height, usize> = BTreeMap::new();
        for server in self.servers.values().filter(|server| server.is_usable(self.now_ms)) {
            for height in server.heights.iter().flatten().filter(|height| !server.useless.contains(height)) {
                let count = offers.entry(*height).or_default();
                *count = count.saturating_add(1);
            }
        }
        let begun = self.kept.as_ref().map(|kept| kept.manifest.header.height);
        if let Some(begun) = begun.filter(|height| offers.contains_key(height)) {
            return Some(begun);
        }
        let of_two = offers.iter().rev().find(|(_, count)| **count >= 2);
        of_two.or_else(|| offers.iter().next_back()).map(|(height, _)| *height)
    }
    /// Nothing in reach is usable: says so, and gives everyone another chance.
    fn forgive(&mut self) {
        let connected = self.servers.values().filter(|server| server.is_connected).count();
        let what = format!(
            "no snapshot above height {} can be had from the {connected} peers in reach; all are asked again",
            self.above
        );
        self.effects.push(Effect::Note { peer: None, what });
        self.rejected.clear();
        self.hopeless_ms = None;
        for server in self.servers.values_mut() {
            server.forgive();
        }
    }
}
