//! What is known of the other nodes: connected or not, how high, how long
//! silent. Heights here are hearsay: they steer requests and displays, never
//! a decision.

use std::collections::BTreeMap;

use laufzettel_chain::ids::Height;
use laufzettel_chain::vote::{Beat, Signed};

/// A node, named by its authority; the network layer authenticates it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(pub String);

/// One node as seen from here.
#[derive(Debug, Clone, Default)]
pub struct PeerState {
    /// Whether a connection stands.
    pub connected: bool,
    /// The highest tip it is known to have.
    pub height: Height,
    /// Its last beat, as it signed it.
    pub beat: Option<Signed<Beat>>,
    /// When that came.
    pub beat_at_ms: u64,
    /// Messages that did not decode or broke a rule.
    pub garbage: u64,
    /// When it was last helped with a block it lacks.
    pub(crate) helped_at_ms: u64,
    /// When it last got an undecided block it asked for.
    pub(crate) answered_at_ms: u64,
    /// Transactions of its that are being admitted.
    pub(crate) admissions: usize,
    /// Their bytes.
    pub(crate) admission_bytes: usize,
}

/// All nodes ever heard of; bounded, since connections are on an allow-list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peers(BTreeMap<Peer, PeerState>);

impl Peers {
    pub(crate) fn entry(&mut self, peer: &Peer) -> &mut PeerState {
        self.0.entry(peer.clone()).or_default()
    }
    pub(crate) fn get(&self, peer: &Peer) -> Option<&PeerState> {
        self.0.get(peer)
    }
    pub(crate) fn all(&self) -> &BTreeMap<Peer, PeerState> {
        &self.0
    }
    /// This node's clock was set back: nothing noted may lie ahead of it.
    pub(crate) fn clock_back(&mut self, now_ms: u64) {
        for state in self.0.values_mut() {
            state.beat_at_ms = state.beat_at_ms.min(now_ms);
            state.helped_at_ms = state.helped_at_ms.min(now_ms);
            state.answered_at_ms = state.answered_at_ms.min(now_ms);
        }
    }
    /// Notes a height, whether or not it is the peer's own beat that tells.
    pub(crate) fn saw_height(&mut self, peer: &Peer, height: Height) {
        let state = self.entry(peer);
        state.height = state.height.max(height);
    }
    /// The highest tip among connected peers.
    pub(crate) fn best(&self) -> Height {
        self.0.values().filter(|state| state.connected).map(|state| state.height).max().unwrap_or(0)
    }
    /// The next connected peer after `last` that is above `height`, in turn.
    pub(crate) fn above(&self, height: Height, last: Option<&Peer>) -> Option<Peer> {
        let fits = |entry: &(&Peer, &PeerState)| entry.1.connected && entry.1.height > height;
        let after = self.0.iter().filter(fits).find(|(peer, _)| last.is_none_or(|last| *peer > last));
        after.or_else(|| self.0.iter().find(fits)).map(|(peer, _)| peer.clone())
    }
    /// Forgets a claim of height that a peer could not fill.
    pub(crate) fn disbelieve(&mut self, peer: &Peer, height: Height) {
        let state = self.entry(peer);
        state.height = state.height.min(height);
    }
}
