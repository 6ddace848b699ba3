//! This node's own proposals: from the core's wish for a value to a built
//! block. A proposer without transactions asks peers for some, then lets the
//! round pass: before the heartbeat or something else is due, an empty block of round 0 is invalid.

use std::sync::Arc;

use laufzettel_chain::limits::{BODY_BYTES_MAX, BODY_TRANSACTIONS_MAX};

use super::{Action, Driver, Proposing, broadcast};
use crate::consensus::action::TimerKey;
use crate::consensus::core::CoreInput;
use crate::consensus::input::{BuildOutcome, Ticket};
use crate::consensus::message::Message;

/// How long a proposer without transactions waits for those of its peers.
const WAIT_MS: u64 = 50;

impl Driver {
    fn block_time(&self) -> u64 {
        self.now_ms.max(self.tip.header.time_ms.saturating_add(1))
    }
    /// Whether an empty block of this round would be valid now.
    fn may_be_empty(&self, round: u32) -> bool {
        round > 0 || self.block_time() >= self.empty_at()
    }

    /// The core wants a value for this round.
    pub(super) fn propose(&mut self, round: u32) {
        let asked = self.undecided.proposing == Some(Proposing::Waiting { round, asked: true });
        if self.pool.is_empty() && !self.may_be_empty(round) {
            self.wait_for_transactions(round, asked);
            return;
        }
        let candidates = self.pool.candidates(BODY_BYTES_MAX, BODY_TRANSACTIONS_MAX, self.tip.next_height());
        let (ticket, height, time_ms) = (self.ticket(), self.tip.next_height(), self.block_time());
        self.undecided.proposing = Some(Proposing::Building { ticket, round, since_ms: self.now_ms });
        let work_max = self.pace.work_max();
        self.actions.push(Action::Build { ticket, height, round, time_ms, candidates, work_max });
    }

    fn wait_for_transactions(&mut self, round: u32, asked: bool) {
        self.undecided.proposing = Some(Proposing::Waiting { round, asked: true });
        if !asked {
            self.actions.push(broadcast(Message::TransactionsWanted));
            let at_ms = self.now_ms.saturating_add(WAIT_MS);
            self.set_timer(TimerKey::ProposerWait, at_ms);
            return;
        }
        // The heartbeat or due work may come within this round, where others' clocks are ahead of this one's.
        let due_ms = self.empty_at();
        if due_ms <= self.now_ms.saturating_add(self.tip.parameters.propose_ms) {
            self.set_timer(TimerKey::ProposerWait, due_ms);
        }
    }

    /// A transaction came, or the wait is over.
    pub(super) fn propose_again(&mut self) {
        if let Some(Proposing::Waiting { round, .. }) = self.undecided.proposing {
            self.propose(round);
        }
    }

    pub(super) fn on_built(&mut self, done: Ticket, outcome: BuildOutcome) {
        for digest in outcome.dropped.iter().chain(&outcome.hostile) {
            self.evict_invalid(digest);
        }
        self.shun(&outcome.hostile);
        let Some(Proposing::Building { ticket, round, since_ms }) = self.undecided.proposing else { return };
        if ticket != done {
            return;
        }
        self.pace.built(self.now_ms.saturating_sub(since_ms), self.tip.parameters.propose_ms);
        self.undecided.proposing = Some(Proposing::No);
        let Some(block) = outcome.block else { return };
        if block.body.transactions.is_empty() && round == 0 && block.header.time_ms < self.empty_at() {
            self.wait_for_transactions(round, false);
            return;
        }
        let id = block.header.id();
        self.undecided.bodies.insert_valid(id, Arc::clone(&block), false);
        self.undecided.values_fed.insert(id);
        self.enqueue(CoreInput::Propose { round, block: id });
    }
}
