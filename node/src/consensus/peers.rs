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
    /// The lowest height whose body it said it has; below it, it is asked for none.
    pub bodies_from: Height,
    /// Its last beat, as it signed it.
    pub beat: Option<Signed<Beat>>,
    /// When that came.
    pub beat_at_ms: u64,
    /// Since when it is connected, or not.
    pub since_ms: u64,
    /// By how much its clock seems to be ahead of this node's.
    pub(crate) clock: ClockOffset,
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

/// How many beats an offset is taken from: a clock that was corrected is seen after so many.
const CLOCK_SAMPLES: usize = 8;

/// A peer's clock against this node's. A beat says when it was signed; how long it was on its way is not known, only
/// that this is not less than nothing. So each beat gives a lower bound of the peer's lead, and the highest of some
/// beats, the one that was held up least, is the nearest to the truth.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClockOffset {
    samples: [Option<i64>; CLOCK_SAMPLES],
    next: usize,
}

impl ClockOffset {
    /// Notes a beat: when its sender says it was signed, and when it came.
    pub(crate) fn saw(&mut self, signed_ms: u64, came_ms: u64) {
        let ahead = i64::try_from(signed_ms.saturating_sub(came_ms)).unwrap_or(i64::MAX);
        let behind = i64::try_from(came_ms.saturating_sub(signed_ms)).unwrap_or(i64::MAX);
        if let Some(sample) = self.samples.get_mut(self.next) {
            *sample = Some(ahead.saturating_sub(behind));
        }
        self.next = self.next.saturating_add(1) % CLOCK_SAMPLES;
    }
    /// At least so many milliseconds the peer's clock is ahead; negative is behind. None before its first beat.
    pub(crate) fn ahead_ms(&self) -> Option<i64> {
        self.samples.iter().flatten().max().copied()
    }
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
            state.since_ms = state.since_ms.min(now_ms);
            // They were taken by the clock that was wrong.
            state.clock = ClockOffset::default();
            state.helped_at_ms = state.helped_at_ms.min(now_ms);
            state.answered_at_ms = state.answered_at_ms.min(now_ms);
        }
    }
    /// Notes that a connection stands, or no longer does.
    pub(crate) fn connected(&mut self, peer: &Peer, connected: bool, now_ms: u64) {
        let state = self.entry(peer);
        if state.connected != connected {
            state.since_ms = now_ms;
        }
        state.connected = connected;
        if !connected {
            // The clock may be another one when the peer comes back.
            state.clock = ClockOffset::default();
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
    /// Connected peers above `height` that have pruned the block after it.
    pub(crate) fn pruned(&self, height: Height) -> impl Iterator<Item = &Peer> {
        let fits = move |state: &PeerState| {
            state.connected && state.height > height && state.bodies_from > height.saturating_add(1)
        };
        self.0.iter().filter(move |(_, state)| fits(state)).map(|(peer, _)| peer)
    }
    /// The next connected peer after `last` that is above `height` and may have the block after it, in turn.
    pub(crate) fn above(&self, height: Height, last: Option<&Peer>) -> Option<Peer> {
        let fits = |entry: &(&Peer, &PeerState)| {
            let state = entry.1;
            state.connected && state.height > height && state.bodies_from <= height.saturating_add(1)
        };
        let after = self.0.iter().filter(fits).find(|(peer, _)| last.is_none_or(|last| *peer > last));
        after.or_else(|| self.0.iter().find(fits)).map(|(peer, _)| peer.clone())
    }
    /// Forgets a claim of height that a peer could not fill.
    pub(crate) fn disbelieve(&mut self, peer: &Peer, height: Height) {
        let state = self.entry(peer);
        state.height = state.height.min(height);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beat_that_was_held_up_least_gives_the_offset() {
        let mut clock = ClockOffset::default();
        assert_eq!(clock.ahead_ms(), None);
        // The peer is 100 ms behind; the beats took 3, 1 and 900 ms.
        for (signed, took) in [(10_000, 3), (15_000, 1), (20_000, 900)] {
            clock.saw(signed - 100, signed + took);
        }
        assert_eq!(clock.ahead_ms(), Some(-101));
    }

    #[test]
    fn a_corrected_clock_is_seen_after_some_beats() {
        let mut clock = ClockOffset::default();
        clock.saw(9_000, 1_000);
        for beat in 0..CLOCK_SAMPLES as u64 {
            clock.saw(10_000 * beat, 10_000 * beat);
        }
        assert_eq!(clock.ahead_ms(), Some(0));
    }

    #[test]
    fn a_peer_is_missing_since_its_connection_went() {
        let (mut peers, peer) = (Peers::default(), Peer("sn-lds".into()));
        peers.connected(&peer, true, 5);
        peers.connected(&peer, true, 9);
        assert_eq!(peers.get(&peer).unwrap().since_ms, 5);
        peers.connected(&peer, false, 12);
        assert_eq!(peers.get(&peer).unwrap().since_ms, 12);
    }
}
