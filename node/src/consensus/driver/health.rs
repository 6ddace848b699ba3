//! How the node is: a snapshot for status displays. It says who is missing and
//! how many more failures the network survives.

use super::{Driver, Flight};
use crate::consensus::action::{Health, PeerHealth, Reply};
use crate::consensus::core::Core;
use crate::consensus::peers::Peer;

/// A beat goes out at least this often.
pub(super) const BEAT_MS: u64 = 5_000;

impl Driver {
    pub(super) fn on_health(&mut self, request: u64) {
        let health = self.health();
        self.reply(request, Reply::Health(Box::new(health)));
    }

    /// The snapshot.
    #[must_use]
    pub fn health(&self) -> Health {
        let missing = self.missing();
        let peers = self.peers.all().iter().map(|(peer, state)| PeerHealth {
            peer: peer.clone(),
            connected: state.connected,
            validator: self.tip.validators.of_authority(&peer.0).is_some(),
            height: state.height,
            beat: state.beat.clone(),
            beat_age_ms: state.beat.as_ref().map(|_| self.now_ms.saturating_sub(state.beat_at_ms)),
            since_ms: self.now_ms.saturating_sub(state.since_ms),
            clock_ahead_ms: state.clock.ahead_ms(),
            garbage: state.garbage,
        });
        Health {
            height: self.tip.height(),
            block: self.tip.id,
            time_ms: self.tip.header.time_ms,
            round: self.undecided.core.as_ref().and_then(Core::round),
            signing: self.signing,
            silent: self.undecided.failures > 0,
            flight_ms: match self.flight {
                Flight::None => 0,
                _ => self.now_ms.saturating_sub(self.flight_since_ms),
            },
            quorum: self.quorum(),
            failures_left: self.failures_left(missing.len()),
            missing,
            peers: peers.collect(),
            pending: self.pool.len(),
            pending_bytes: self.pool.bytes(),
            oldest_pending_lock_ms: self.pool.oldest_lock_ms(),
            halted: self.halted.clone(),
        }
    }

    /// A validator that never connects is missing, not unknown.
    pub(super) fn expect_validators(&mut self) {
        let validators = self.tip.validators.all().iter().map(|validator| Peer(validator.authority.clone()));
        let others: Vec<Peer> = validators.filter(|peer| peer.0 != self.config.authority).collect();
        for peer in others {
            self.peers.entry(&peer).since_ms = self.now_ms;
        }
    }

    fn missing(&self) -> Vec<Peer> {
        let validators = self.tip.validators.all().iter();
        let others = validators.filter(|validator| validator.authority != self.config.authority);
        let peers = others.map(|validator| Peer(validator.authority.clone()));
        peers.filter(|peer| !self.peers.get(peer).is_some_and(|state| state.connected)).collect()
    }

    /// Whether the validators in reach, this one among them, can decide.
    fn quorum(&self) -> bool {
        let missing = self.missing();
        let present = self.tip.validators.all().iter();
        let present = present.filter(|validator| !missing.contains(&Peer(validator.authority.clone())));
        self.tip.validators.is_quorum(present.map(|validator| u128::from(validator.power)).sum())
    }

    /// How many more of the validators may fail, the strongest first, before nothing is decided any more.
    fn failures_left(&self, missing: usize) -> usize {
        let validators = &self.tip.validators;
        let mut powers: Vec<u128> = validators.all().iter().map(|validator| u128::from(validator.power)).collect();
        powers.sort_unstable();
        let gone = self.missing();
        let mut present: u128 = validators
            .all()
            .iter()
            .filter(|validator| !gone.contains(&Peer(validator.authority.clone())))
            .map(|validator| u128::from(validator.power))
            .sum();
        let mut left = 0;
        for power in powers.iter().rev().take(powers.len().saturating_sub(missing)) {
            present = present.saturating_sub(*power);
            if !validators.is_quorum(present) {
                break;
            }
            left += 1;
        }
        left
    }
}
