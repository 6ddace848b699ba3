//! The driver's time: what an input says it is, and the timers that fire by it. Must never read a clock, nor lose a timer
//! because one was set back.

use super::{CoreInput, Driver};
use crate::consensus::action::{Action, TimerKey};
use crate::consensus::record::{LogEntry, TimeoutStep};

/// A clock that goes back by less only makes timers late by as much.
const CLOCK_BACK_MS: u64 = 100;

impl Driver {
    /// Takes the new time. A clock that was set back would hold every timer up: they all move with it.
    pub(super) fn clock_to(&mut self, now_ms: u64) {
        let back_ms = self.now_ms.saturating_sub(now_ms);
        self.now_ms = now_ms;
        if back_ms > CLOCK_BACK_MS {
            for (key, at_ms) in &mut self.timers {
                *at_ms = at_ms.saturating_sub(back_ms);
                self.actions.push(Action::SetTimer { key: *key, at_ms: *at_ms });
            }
            self.tip_since_ms = self.tip_since_ms.min(now_ms);
            self.offered_at_ms = self.offered_at_ms.min(now_ms);
            self.sync.clock_back(now_ms);
            self.flight_since_ms = self.flight_since_ms.min(now_ms);
            self.peers.clock_back(now_ms);
        }
    }

    pub(super) fn on_timer(&mut self, key: TimerKey) {
        match self.timers.get(&key).copied() {
            // A timer that was cancelled may still fire once, one that was replaced too early.
            None => return,
            Some(at_ms) if at_ms > self.now_ms => {
                self.actions.push(Action::SetTimer { key, at_ms });
                return;
            }
            Some(_) => {}
        }
        self.timers.remove(&key);
        let timeout = |step, round| CoreInput::Entry(LogEntry::Timeout { step, round });
        match key {
            TimerKey::Propose(round) => self.enqueue(timeout(TimeoutStep::Propose, round)),
            TimerKey::Prevote(round) => self.enqueue(timeout(TimeoutStep::Prevote, round)),
            TimerKey::Precommit(round) => self.enqueue(timeout(TimeoutStep::Precommit, round)),
            TimerKey::Rebroadcast => self.on_rebroadcast(),
            // The pump looks at the clock itself.
            TimerKey::Heartbeat | TimerKey::Gate => {}
            TimerKey::Beat => self.beat(),
            TimerKey::ProposerWait => self.propose_again(),
            TimerKey::Body => self.request_bodies(),
            TimerKey::Sync => self.on_sync_timer(),
            TimerKey::Offer => self.send_offers(),
            TimerKey::Reoffer => self.reoffer(),
        }
    }

    pub(super) fn set_timer(&mut self, key: TimerKey, at_ms: u64) {
        self.timers.insert(key, at_ms);
        self.actions.push(Action::SetTimer { key, at_ms });
    }
    pub(super) fn cancel_timer(&mut self, key: TimerKey) {
        if self.timers.remove(&key).is_some() {
            self.actions.push(Action::CancelTimer { key });
        }
    }
}
