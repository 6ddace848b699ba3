//! Which peer to ask for which piece of which snapshot: a pure state machine.
//! Messages, connections and time go in, requests and checked chunks come out.
//!
//! Peers may lie, differ, be slow or vanish. A manifest counts if the
//! validators of the genesis file certified its header; which chunks it lists is
//! only its sender's word, so the list that most peers give is tried first, and
//! one whose chunks do not give the certified root is never tried again. A chunk
//! counts if it has the digest the manifest lists. Must never do I/O.

mod chunks;
mod list;
mod manifests;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use laufzettel_chain::crypto::Hash;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::Height;
use laufzettel_chain::snapshot::{ChunkInfo, Manifest};

use crate::consensus::Peer;
use crate::consensus::message::SnapshotMessage;
use server::{FAULTS_MAX, Server};

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
}

#[cfg(test)]
mod tests;
