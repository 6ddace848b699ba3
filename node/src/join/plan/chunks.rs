//! Gathering the chunks of the chosen snapshot: the third phase. Must never keep a chunk that has another digest than the
//! manifest lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use laufzettel_chain::codec::encode;
use laufzettel_chain::crypto::Hash;
use laufzettel_chain::ids::Height;
use laufzettel_chain::snapshot::{ChunkInfo, Manifest};

use super::{Chunks, Effect, Kept, Phase, Plan, chunk};
use crate::consensus::Peer;
use crate::consensus::message::SnapshotMessage;

/// A chunk that did not come after this time is asked for elsewhere.
pub(super) const CHUNK_MS: u64 = 15_000;
/// A peer that let a chunk wait that long is left alone for this time.
pub(super) const SLOW_MS: u64 = 30_000;
/// Chunks asked of one peer at once.
pub(super) const FLIGHTS_MAX: usize = 2;

impl Plan {
    pub(super) fn begin(&mut self, content: Hash, manifest: Arc<Manifest>) {
        let kept = self.kept.take().filter(|kept| kept.manifest.content() == content);
        let count = u32::try_from(manifest.chunks.len()).unwrap_or(u32::MAX);
        let here = kept.as_ref().map(|kept| kept.chunks.clone()).unwrap_or_default();
        let missing = (0..count).filter(|index| !here.contains(index)).collect();
        self.effects.push(Effect::Begin { manifest: encode(manifest.as_ref()), resumed: kept.is_some() });
        self.phase = Phase::Chunks(Chunks { manifest, content, missing, stuck_ms: None });
        self.advance_chunks();
    }

    pub(super) fn advance_chunks(&mut self) {
        self.drop_late();
        let Phase::Chunks(chunks) = &self.phase else { return };
        if chunks.missing.is_empty() {
            self.effects.push(Effect::Complete);
            return;
        }
        let (content, height) = (chunks.content, chunks.manifest.header.height);
        let mut flying: BTreeSet<u32> =
            self.servers.values().flat_map(|server| server.flights.keys().copied()).collect();
        let mut asked = Vec::new();
        let now_ms = self.now_ms;
        for (peer, server) in self.servers.iter_mut().filter(|(_, server)| server.is_usable(now_ms)) {
            while server.content == Some(content) && server.flights.len() < FLIGHTS_MAX {
                let lacks = |index: &&u32| !flying.contains(index) && !server.lacks.contains(index);
                let Some(index) = chunks.missing.iter().find(lacks).copied() else { break };
                flying.insert(index);
                server.flights.insert(index, now_ms);
                asked.push((peer.clone(), index));
            }
        }
        for (peer, index) in asked {
            self.send(&peer, SnapshotMessage::ChunkRequest { height, index });
        }
        self.leave_if_stuck(flying.is_empty());
    }
    /// With nothing under way for a while, this snapshot cannot be had here; others may be.
    fn leave_if_stuck(&mut self, idle: bool) {
        let now_ms = self.now_ms;
        let Phase::Chunks(chunks) = &mut self.phase else { return };
        if !idle {
            chunks.stuck_ms = None;
            return;
        }
        if now_ms < chunks.stuck_ms.get_or_insert(now_ms).saturating_add(SLOW_MS) {
            return;
        }
        let height = chunks.manifest.header.height;
        let what = format!(
            "{} of {} chunks of the snapshot of height {height} cannot be had from any peer in reach",
            chunks.missing.len(),
            chunks.manifest.chunks.len()
        );
        let all = 0..u32::try_from(chunks.manifest.chunks.len()).unwrap_or(u32::MAX);
        let here = all.filter(|index| !chunks.missing.contains(index)).collect();
        self.kept = Some(Kept { manifest: chunks.manifest.as_ref().clone(), chunks: here });
        self.effects.push(Effect::Note { peer: None, what });
        for server in self.servers.values_mut() {
            server.useless.insert(height);
        }
        self.list_again();
    }
    fn drop_late(&mut self) {
        let now_ms = self.now_ms;
        let mut slow = Vec::new();
        for (peer, server) in &mut self.servers {
            if server.flights.values().any(|since_ms| now_ms >= since_ms.saturating_add(CHUNK_MS)) {
                server.flights.clear();
                server.slow_until_ms = now_ms.saturating_add(SLOW_MS);
                slow.push(peer.clone());
            }
        }
        for peer in slow {
            self.note(&peer, "it let a chunk wait too long; others are asked");
        }
    }
    pub(super) fn on_chunk(&mut self, peer: &Peer, height: Height, index: u32, bytes: Vec<u8>) {
        let Phase::Chunks(chunks) = &mut self.phase else { return };
        let Some(server) = self.servers.get_mut(peer) else { return };
        let Some(info) = chunk(&chunks.manifest, index) else { return };
        if height != chunks.manifest.header.height || server.flights.remove(&index).is_none() {
            return;
        }
        if bytes.is_empty() {
            server.lacks.insert(index);
            return self.note(peer, format!("chunk {index} of height {height} is not there"));
        }
        if ChunkInfo::digest_of(&bytes) != info.digest {
            server.lacks.insert(index);
            return self.fault(peer, format!("chunk {index} of height {height} is not the one the manifest lists"));
        }
        chunks.missing.remove(&index);
        self.effects.push(Effect::Store { index, bytes });
    }
}
