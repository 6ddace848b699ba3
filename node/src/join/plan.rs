//! Which peer to ask for which piece of which snapshot: a pure state machine.
//! Messages, connections and time go in, requests and checked chunks come out.
//!
//! Peers may lie, differ, be slow or vanish. A manifest counts if the
//! validators of the genesis file certified its header; which chunks it lists is
//! only its sender's word, so the list that most peers give is tried first, and
//! one whose chunks do not give the certified root is never tried again. A chunk
//! counts if it has the digest the manifest lists. Must never do I/O.

mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use laufzettel_chain::codec::{decode, encode};
use laufzettel_chain::crypto::Hash;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::Height;
use laufzettel_chain::snapshot::{ChunkInfo, Manifest};

use crate::consensus::Peer;
use crate::consensus::message::SnapshotMessage;
use server::{FAULTS_MAX, Server};

/// Once a peer has named a snapshot, the others have this long to name theirs.
const LIST_MS: u64 = 1_000;
/// Connections take a moment to stand: nothing is chosen before.
const LIST_SOON_MS: u64 = 300;
/// While no peer names a usable snapshot, all are asked again after this time.
const LIST_AGAIN_MS: u64 = 2_000;
/// Once a manifest is here, other peers have this long to send theirs.
const MANIFEST_MS: u64 = 2_000;
/// A manifest that no peer has sent after this time is given up.
const MANIFEST_LATE_MS: u64 = 15_000;
/// Peers asked for their manifest at once.
const MANIFEST_PEERS: usize = 5;
/// A chunk that did not come after this time is asked for elsewhere.
const CHUNK_MS: u64 = 15_000;
/// A peer that let a chunk wait that long is left alone for this time.
const SLOW_MS: u64 = 30_000;
/// With no usable snapshot in reach for this long, all is forgiven and tried again: a server may have been repaired.
const HOPELESS_MS: u64 = 30_000;
/// Chunks asked of one peer at once.
const FLIGHTS_MAX: usize = 2;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Send to a peer.
    Send(Peer, SnapshotMessage),
    /// A snapshot was chosen. Unless it is the one that was being gathered, all that was gathered goes.
    Begin {
        /// Its manifest's bytes.
        manifest: Vec<u8>,
        /// Whether the chunks that are here belong to it.
        resumed: bool,
    },
    /// Keep a chunk; its digest is right.
    Store {
        /// Its index.
        index: u32,
        /// The chunk.
        bytes: Vec<u8>,
    },
    /// All chunks are here.
    Complete,
    /// Something an operator should know: whom it concerns, and what.
    Note {
        /// The peer, if it is about one.
        peer: Option<Peer>,
        /// What happened.
        what: String,
    },
}

/// A snapshot that was partly gathered before.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// Its manifest.
    pub(super) manifest: Manifest,
    /// Indices of the chunks that are here with the right digest.
    pub(super) chunks: BTreeSet<u32>,
}

/// How far the gathering is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// Height of the chosen snapshot; none while none is chosen.
    pub(super) height: Option<Height>,
    /// Chunks that are here, and all.
    pub(super) chunks: (usize, usize),
    /// Bytes that are here, and all.
    pub(super) bytes: (u64, u64),
}

enum Phase {
    /// Which snapshots are there?
    List { since_ms: u64, first_ms: Option<u64> },
    /// What is in this one?
    Manifest { height: Height, since_ms: u64, first_ms: Option<u64>, found: BTreeMap<Hash, Arc<Manifest>> },
    /// Gathering its chunks.
    Chunks(Chunks),
}

struct Chunks {
    manifest: Arc<Manifest>,
    content: Hash,
    missing: BTreeSet<u32>,
    /// Since when no peer was asked for anything.
    stuck_ms: Option<u64>,
}

/// The gathering of a snapshot.
pub(super) struct Plan {
    genesis: Arc<Genesis>,
    above: Height,
    now_ms: u64,
    servers: BTreeMap<Peer, Server>,
    kept: Option<Kept>,
    /// Manifests that did not lead to a store with the certified root.
    rejected: BTreeSet<Hash>,
    phase: Phase,
    hopeless_ms: Option<u64>,
    effects: Vec<Effect>,
}

fn chunk(manifest: &Manifest, index: u32) -> Option<&ChunkInfo> {
    manifest.chunks.get(usize::try_from(index).ok()?)
}

impl Plan {
    /// Looks for a snapshot above a height, and goes on with what is kept of one if a peer still has it.
    #[must_use]
    pub(super) fn new(genesis: Arc<Genesis>, above: Height, kept: Option<Kept>, now_ms: u64) -> Self {
        Self {
            genesis,
            above,
            now_ms,
            servers: BTreeMap::new(),
            kept,
            rejected: BTreeSet::new(),
            phase: Phase::List { since_ms: now_ms, first_ms: None },
            hopeless_ms: None,
            effects: Vec::new(),
        }
    }
    /// A connection to a peer stands.
    pub(super) fn connected(&mut self, now_ms: u64, peer: &Peer) -> Vec<Effect> {
        self.now_ms = now_ms;
        self.servers.entry(peer.clone()).or_default().connected();
        self.send(peer, SnapshotMessage::ListRequest);
        self.advance()
    }
    /// The connection to a peer is gone; what it was asked for is asked elsewhere.
    pub(super) fn disconnected(&mut self, now_ms: u64, peer: &Peer) -> Vec<Effect> {
        self.now_ms = now_ms;
        self.servers.entry(peer.clone()).or_default().disconnected();
        self.advance()
    }
    /// A peer's message.
    pub(super) fn received(&mut self, now_ms: u64, peer: &Peer, message: SnapshotMessage) -> Vec<Effect> {
        self.now_ms = now_ms;
        match message {
            SnapshotMessage::List(heights) => self.on_list(peer, heights),
            SnapshotMessage::Manifest { height, bytes } => self.on_manifest(peer, height, &bytes),
            SnapshotMessage::Chunk { height, index, bytes } => self.on_chunk(peer, height, index, bytes),
            // This node serves nothing while it joins.
            _ => {}
        }
        self.advance()
    }
    /// Time has passed.
    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Effect> {
        self.now_ms = now_ms;
        self.advance()
    }
    /// The chosen snapshot did not become a store with its certified root: its manifest, or a chunk under it, is false.
    /// No connection is thought to stand afterwards.
    pub(super) fn import_failed(&mut self, now_ms: u64) -> Vec<Effect> {
        self.now_ms = now_ms;
        if let Phase::Chunks(chunks) = &self.phase {
            let content = chunks.content;
            self.rejected.insert(content);
            for (peer, _) in self.servers.iter().filter(|(_, server)| server.content == Some(content)) {
                let what = "its snapshot does not give the certified state root".to_owned();
                self.effects.push(Effect::Note { peer: Some(peer.clone()), what });
            }
        }
        self.kept = None;
        for server in self.servers.values_mut() {
            server.disconnected();
        }
        self.list_again();
        core::mem::take(&mut self.effects)
    }
    /// How far it is.
    #[must_use]
    pub(super) fn progress(&self) -> Progress {
        let Phase::Chunks(chunks) = &self.phase else {
            return Progress { height: None, chunks: (0, 0), bytes: (0, 0) };
        };
        let all = &chunks.manifest.chunks;
        let bytes = chunks.manifest.bytes();
        let missing = chunks.missing.iter().filter_map(|index| chunk(&chunks.manifest, *index));
        let missing: u64 = missing.map(|info| u64::from(info.length)).sum();
        Progress {
            height: Some(chunks.manifest.header.height),
            chunks: (all.len().saturating_sub(chunks.missing.len()), all.len()),
            bytes: (bytes.saturating_sub(missing), bytes),
        }
    }

    fn send(&mut self, peer: &Peer, message: SnapshotMessage) {
        self.effects.push(Effect::Send(peer.clone(), message));
    }
    fn note(&mut self, peer: &Peer, what: impl Into<String>) {
        self.effects.push(Effect::Note { peer: Some(peer.clone()), what: what.into() });
    }
    /// A peer broke a rule; after a few times it is asked for nothing more.
    fn fault(&mut self, peer: &Peer, what: impl Into<String>) {
        self.note(peer, what);
        let server = self.servers.entry(peer.clone()).or_default();
        server.faults = server.faults.saturating_add(1);
        if server.faults == FAULTS_MAX {
            server.flights.clear();
            self.note(peer, "it is asked for nothing more");
        }
    }

    /// Does whatever can be done now.
    fn advance(&mut self) -> Vec<Effect> {
        match self.phase {
            Phase::List { since_ms, first_ms } => self.advance_list(since_ms, first_ms),
            Phase::Manifest { since_ms, first_ms, .. } => self.advance_manifest(since_ms, first_ms),
            Phase::Chunks(_) => self.advance_chunks(),
        }
        core::mem::take(&mut self.effects)
    }

    fn list_again(&mut self) {
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
    fn on_list(&mut self, peer: &Peer, heights: Vec<Height>) {
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
    fn advance_list(&mut self, since_ms: u64, first_ms: Option<u64>) {
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

    fn ask_manifests(&mut self, height: Height) {
        let usable =
            |server: &Server| server.is_usable(self.now_ms) && server.has(height) && !server.useless.contains(&height);
        let peers = self.servers.iter().filter(|(_, server)| usable(server)).map(|(peer, _)| peer.clone());
        let peers: Vec<Peer> = peers.take(MANIFEST_PEERS).collect();
        for peer in &peers {
            self.servers.entry(peer.clone()).or_default().manifest_asked = true;
            self.send(peer, SnapshotMessage::ManifestRequest { height });
        }
        self.phase = Phase::Manifest { height, since_ms: self.now_ms, first_ms: None, found: BTreeMap::new() };
    }
    fn on_manifest(&mut self, peer: &Peer, height: Height, bytes: &[u8]) {
        let wanted = match &self.phase {
            Phase::List { .. } => return,
            Phase::Manifest { height, .. } => *height,
            Phase::Chunks(chunks) => chunks.manifest.header.height,
        };
        let server = self.servers.entry(peer.clone()).or_default();
        if height != wanted || !server.manifest_asked {
            return;
        }
        server.manifest_asked = false;
        if bytes.is_empty() {
            server.useless.insert(height);
            return;
        }
        let manifest = match self.read_manifest(height, bytes) {
            Ok(manifest) => manifest,
            Err(why) => {
                self.servers.entry(peer.clone()).or_default().useless.insert(height);
                return self.fault(peer, format!("its manifest of height {height} proves nothing: {why}"));
            }
        };
        let content = manifest.content();
        let rejected = self.rejected.contains(&content);
        let now_ms = self.now_ms;
        let server = self.servers.entry(peer.clone()).or_default();
        if rejected {
            server.useless.insert(height);
            return;
        }
        server.content = Some(content);
        if let Phase::Manifest { first_ms, found, .. } = &mut self.phase {
            first_ms.get_or_insert(now_ms);
            found.entry(content).or_insert_with(|| Arc::new(manifest));
        }
    }
    fn read_manifest(&self, height: Height, bytes: &[u8]) -> Result<Manifest, String> {
        let manifest: Manifest = decode(bytes).map_err(|error| error.to_string())?;
        if manifest.header.height != height {
            return Err(format!("it is of height {}", manifest.header.height));
        }
        manifest.check(&self.genesis).map_err(|error| error.to_string())?;
        Ok(manifest)
    }
    fn advance_manifest(&mut self, since_ms: u64, first_ms: Option<u64>) {
        let waits = self.servers.values().any(|server| server.is_connected && server.manifest_asked);
        let late = self.now_ms >= since_ms.saturating_add(MANIFEST_LATE_MS);
        let over = first_ms.is_some_and(|first| self.now_ms >= first.saturating_add(MANIFEST_MS));
        if waits && !over && !late {
            return;
        }
        let Phase::Manifest { height, found, .. } = &self.phase else { return };
        let votes = |content: &Hash| {
            let agree = self.servers.values().filter(|server| server.content.as_ref() == Some(content)).count();
            // What is here already is worth more than a vote.
            let begun = self.kept.as_ref().is_some_and(|kept| kept.manifest.content() == *content);
            (begun, agree)
        };
        match found.iter().max_by_key(|(content, _)| votes(content)).map(|(content, found)| (*content, found.clone())) {
            Some((content, manifest)) => self.begin(content, manifest),
            None => {
                let height = *height;
                for server in self.servers.values_mut().filter(|server| server.manifest_asked || late) {
                    server.useless.insert(height);
                }
                self.list_again();
            }
        }
    }
    fn begin(&mut self, content: Hash, manifest: Arc<Manifest>) {
        let kept = self.kept.take().filter(|kept| kept.manifest.content() == content);
        let count = u32::try_from(manifest.chunks.len()).unwrap_or(u32::MAX);
        let here = kept.as_ref().map(|kept| kept.chunks.clone()).unwrap_or_default();
        let missing = (0..count).filter(|index| !here.contains(index)).collect();
        self.effects.push(Effect::Begin { manifest: encode(manifest.as_ref()), resumed: kept.is_some() });
        self.phase = Phase::Chunks(Chunks { manifest, content, missing, stuck_ms: None });
        self.advance_chunks();
    }

    fn advance_chunks(&mut self) {
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
    fn on_chunk(&mut self, peer: &Peer, height: Height, index: u32, bytes: Vec<u8>) {
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

#[cfg(test)]
mod tests;
