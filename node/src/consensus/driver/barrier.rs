//! The order of durability, once per step (design 7.2): log and bodies in one
//! synced batch, then the watermark, then the sends, then a decision's commit,
//! then the next input. Nothing signed leaves this node any other way.

use std::sync::Arc;

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::ids::Height;

use super::{Action, Driver, Flight, LogEntry, LogRecord, broadcast};
use crate::consensus::action::TimerKey;
use crate::consensus::bodies::parts;
use crate::consensus::core::{CoreTimer, TimerChange, Wishes};
use crate::consensus::input::{BlockFault, Ticket};
use crate::consensus::ledger::{FinalOutcome, Tip};
use crate::consensus::message::Message;
use crate::consensus::record::TimeoutStep;
use crate::consensus::watermark::Watermark;
use crate::consensus::{Block, Diagnostic};

/// A proposer without a connection gets one part in this many of the time.
const ABSENT_PART: u64 = 8;

impl Driver {
    /// Does what the core wishes. `fresh` says whether it signed something the log does not hold yet.
    pub(super) fn fulfil(&mut self, wishes: Wishes, fresh: bool) {
        let height = self.tip.next_height();
        self.change_timers(&wishes.timers);
        if let Some(round) = wishes.round_started {
            self.undecided.proposing = None;
            self.undecided.votes.prune(round);
            let before = round.checked_sub(1).and_then(|before| self.tip.proposer(before));
            if before.is_some() && before == self.own_address() {
                self.pace.passed_over();
            }
            self.log(Diagnostic::RoundStarted { height, round });
        }
        if self.undecided.active {
            self.keep(wishes.log);
        }
        for evidence in wishes.evidence {
            self.accuse(evidence);
        }
        let mut sends = Vec::new();
        for proposal in wishes.own_proposals {
            // From some round on the core sends proposals of others again; their bodies are fetched, not pushed.
            let (value, round, proposal_of) =
                (proposal.message.value, proposal.message.round, proposal.message.address);
            sends.push(broadcast(Message::Proposal(proposal)));
            let own = Some(proposal_of) == self.own_address();
            if let Some(block) = self.undecided.bodies.get(&value).filter(|_| own) {
                sends.extend(parts(block, value, Some(round)).into_iter().map(broadcast));
            }
        }
        for vote in wishes.own_votes {
            self.undecided.votes.insert(vote.clone());
            sends.push(broadcast(Message::Votes(vec![vote])));
        }
        sends.extend(wishes.liveness.into_iter().map(broadcast));
        if fresh {
            self.persist(sends, wishes.decision);
        } else {
            self.actions.append(&mut sends);
            if let Some(certificate) = wishes.decision {
                self.commit_decision(certificate);
            }
        }
        if let Some(round) = wishes.value_wanted {
            self.propose(round);
        }
    }

    fn change_timers(&mut self, changes: &[TimerChange]) {
        for change in changes {
            match change {
                TimerChange::Set(timer) => {
                    let (key, wait_ms) = self.timer_of(*timer);
                    let at_ms = self.now_ms.saturating_add(wait_ms);
                    self.set_timer(key, at_ms);
                }
                TimerChange::Cancel(timer) => {
                    let (key, _) = self.timer_of(*timer);
                    self.cancel_timer(key);
                }
                TimerChange::CancelAll => self.cancel_consensus_timers(),
            }
        }
    }

    fn timer_of(&self, timer: CoreTimer) -> (TimerKey, u64) {
        let timeouts = self.tip.parameters;
        let grown = |base: u64, step: u64, round: u32| {
            base.saturating_add(step.saturating_mul(u64::from(round))).min(timeouts.cap_ms)
        };
        let vote = |round| grown(timeouts.vote_ms, timeouts.vote_step_ms, round);
        match timer {
            CoreTimer::Rebroadcast => (TimerKey::Rebroadcast, timeouts.rebroadcast_ms),
            CoreTimer::Step(TimeoutStep::Propose, round) => {
                let wait_ms = grown(timeouts.propose_ms, timeouts.propose_step_ms, round);
                (TimerKey::Propose(round), self.patience(round, wait_ms))
            }
            CoreTimer::Step(TimeoutStep::Prevote, round) => (TimerKey::Prevote(round), vote(round)),
            CoreTimer::Step(TimeoutStep::Precommit, round) => (TimerKey::Precommit(round), vote(round)),
        }
    }

    /// How long a proposer is waited for. One that has no connection to this node, while a quorum has, is most likely
    /// dead: it gets a part of the time in the first turn of all. Whoever is merely cut off from this node is heard by
    /// the others, and its block comes through their votes.
    fn patience(&self, round: u32, wait_ms: u64) -> u64 {
        let proposer = self.tip.proposer(round).filter(|address| Some(*address) != self.own_address());
        let peer = proposer.and_then(|address| self.peer_of(&address));
        let gone = peer.is_some_and(|peer| !self.peers.get(&peer).is_some_and(|state| state.connected));
        let first_turns = usize::try_from(round).is_ok_and(|round| round < self.tip.order.len());
        if gone && first_turns && self.quorum() { wait_ms / ABSENT_PART } else { wait_ms }
    }

    pub(super) fn cancel_consensus_timers(&mut self) {
        let of_consensus = |key: &TimerKey| {
            matches!(
                key,
                TimerKey::Propose(_)
                    | TimerKey::Prevote(_)
                    | TimerKey::Precommit(_)
                    | TimerKey::Rebroadcast
                    | TimerKey::ProposerWait
            )
        };
        let keys: Vec<TimerKey> = self.timers.keys().copied().filter(of_consensus).collect();
        for key in keys {
            self.cancel_timer(key);
        }
    }

    /// Gives new entries their positions; they are written with the next barrier.
    fn keep(&mut self, entries: Vec<LogEntry>) {
        let height = self.tip.next_height();
        for entry in entries {
            self.log_position = self.log_position.saturating_add(1);
            self.undecided.unwritten.push(LogRecord { position: self.log_position, height, entry });
        }
    }

    /// Starts a barrier; the sends and the commit wait for it.
    pub(super) fn persist(&mut self, sends: Vec<Action>, decision: Option<Certificate>) {
        let log = core::mem::take(&mut self.undecided.unwritten);
        let mut blocks: Vec<Arc<Block>> = Vec::new();
        for record in &log {
            if let LogEntry::ProposedValue { value, valid: true, .. } = &record.entry {
                blocks.extend(self.undecided.bodies.take_undurable(value));
            }
        }
        self.watermark_sequence = self.watermark_sequence.saturating_add(1);
        let watermark = self.own_address().map(|address| Watermark {
            sequence: self.watermark_sequence,
            network: self.config.network,
            address,
            mark: self.signer.mark,
            log_position: self.log_position,
        });
        let ticket = self.ticket();
        let entries = log.iter().map(|record| record.entry.clone()).collect();
        self.flight = Flight::Persist { ticket, entries, sends, decision };
        self.flight_since_ms = self.now_ms;
        self.actions.push(Action::Persist { ticket, log, blocks, watermark });
    }

    pub(super) fn on_persisted(&mut self, done: Ticket) {
        match core::mem::replace(&mut self.flight, Flight::None) {
            Flight::Persist { ticket, entries, mut sends, decision } if ticket == done => {
                self.undecided.durable.extend(entries);
                self.actions.append(&mut sends);
                if let Some(certificate) = decision {
                    self.commit_decision(certificate);
                }
            }
            other => self.flight = other,
        }
    }

    fn commit_decision(&mut self, certificate: Certificate) {
        let Some(block) = self.undecided.bodies.valid(&certificate.block).cloned() else {
            // The log named the block as valid, so its body was durable with it. Follow without signing and fetch it.
            self.fail_core("a decided block is not here".to_owned());
            return;
        };
        self.commit(block, certificate);
    }

    /// Starts the commit of a decided block; the core of the height ends here.
    pub(super) fn commit(&mut self, block: Arc<Block>, certificate: Certificate) {
        self.undecided.core = None;
        self.undecided.queue.clear();
        self.cancel_consensus_timers();
        let ticket = self.ticket();
        self.flight = Flight::Commit { ticket };
        self.flight_since_ms = self.now_ms;
        let next = self.sync.following(&block);
        self.actions.push(Action::Commit { ticket, block, certificate, next });
    }

    pub(super) fn on_committed(&mut self, done: Ticket, tip: Tip, finals: &[FinalOutcome]) {
        if !matches!(self.flight, Flight::Commit { ticket } if ticket == done) {
            return;
        }
        self.flight = Flight::None;
        self.tip = tip;
        self.tip_since_ms = self.now_ms;
        self.sync_committed();
        self.finish_transactions(finals);
        self.accusations.committed(self.tip.height(), finals);
        self.pool.forget_evidence_of_peers();
        self.bring_evidence();
        self.begin_height();
    }

    pub(super) fn on_commit_failed(&mut self, done: Ticket, height: Height, fault: &BlockFault) {
        if !matches!(self.flight, Flight::Commit { ticket } if ticket == done) {
            return;
        }
        match fault {
            BlockFault::Invalid(reason) => {
                self.halt(format!("the certified block {height} cannot be committed: {reason}"));
            }
            // Whoever sent it lies about the body; the height goes on as after a restart.
            BlockFault::OtherBody => {
                self.flight = Flight::None;
                self.drop_core();
                self.blame_sync();
            }
        }
    }
}
