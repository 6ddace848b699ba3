//! What is in the chosen snapshot: the second phase, in which peers send its manifest. Must never take a manifest whose header
//! the validators of the genesis file did not certify.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_chain::codec::decode;
use laufzettel_chain::crypto::Hash;
use laufzettel_chain::ids::Height;
use laufzettel_chain::snapshot::Manifest;

use super::server::Server;
use super::{Phase, Plan};
use crate::consensus::Peer;
use crate::consensus::message::SnapshotMessage;

/// Once a manifest is here, other peers have this long to send theirs.
pub(super) const MANIFEST_MS: u64 = 2_000;
/// A manifest that no peer has sent after this time is given up.
pub(super) const MANIFEST_LATE_MS: u64 = 15_000;
/// Peers asked for their manifest at once.
const MANIFEST_PEERS: usize = 5;

impl Plan {
    pub(super) fn ask_manifests(&mut self, height: Height) {
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
    pub(super) fn on_manifest(&mut self, peer: &Peer, height: Height, bytes: &[u8]) {
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
    pub(super) fn advance_manifest(&mut self, since_ms: u64, first_ms: Option<u64>) {
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
}
