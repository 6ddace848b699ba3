//! The life of a height: idle until there is work, then the core runs, fed
//! through the gate; after a failure of the core it is built again from the
//! durable log and only follows.

use std::sync::Arc;

use laufzettel_chain::codec::encode;
use laufzettel_chain::ids::{Address, BlockId};
use laufzettel_chain::limits::HEARTBEAT_MS;
use laufzettel_chain::vote::{Proposal, VoteType};

use super::{Action, Driver, LogEntry, LogRecord, Undecided};
use crate::consensus::action::TimerKey;
use crate::consensus::context::CoreValidators;
use crate::consensus::core::{Core, CoreConfig, CoreFailure, CoreInput, Wishes};
use crate::consensus::input::{BlockFault, Ticket};
use crate::consensus::peers::Peer;
use crate::consensus::watermark::{Mark, Step};
use crate::consensus::{Block, Diagnostic};

/// A core that failed this often at one height is not built again; block sync has to pass the height.
const FAILURES_MAX: u32 = 2;

impl Driver {
    /// Takes over log and bodies of the height that was being decided.
    pub(super) fn recover(&mut self, log: Vec<LogRecord>, blocks: Vec<Arc<Block>>) {
        let height = self.tip.next_height();
        for block in blocks {
            if block.header.height == height {
                self.undecided.bodies.insert_valid(block.header.id(), block, true);
            }
        }
        let own = self.own_address();
        for record in log.into_iter().filter(|record| record.height == height) {
            if let Some(mark) = mark_of(&record.entry, own) {
                self.signer.mark = self.signer.mark.later(mark);
            }
            if let LogEntry::Vote(vote) = &record.entry {
                self.undecided.votes.insert(vote.clone());
            }
            self.undecided.durable.push(record.entry);
        }
    }

    /// After a commit: forget the decided height, look at what came early for the next one.
    pub(super) fn begin_height(&mut self) {
        self.undecided = Undecided::default();
        self.cancel_timer(TimerKey::Gate);
        self.cancel_timer(TimerKey::Body);
        self.begin_idle();
        self.future_bytes = 0;
        for (from, message) in core::mem::take(&mut self.future) {
            self.on_message(from, message);
        }
        if self.wake_reason().is_none() {
            self.beat();
        }
    }

    pub(super) fn begin_idle(&mut self) {
        let at_ms = self.empty_at();
        self.set_timer(TimerKey::Heartbeat, at_ms);
    }
    /// When an idle network makes a block all the same.
    fn heartbeat_at(&self) -> u64 {
        self.tip.header.time_ms.saturating_add(HEARTBEAT_MS)
    }
    /// When a block without transactions may follow the tip: at the heartbeat, or when something becomes due.
    pub(super) fn empty_at(&self) -> u64 {
        self.heartbeat_at().min(self.tip.next_due_ms.unwrap_or(u64::MAX))
    }

    fn wake_reason(&self) -> Option<&'static str> {
        let undecided = &self.undecided;
        let first = self.tip.proposer(0);
        let proposed = |message: &Proposal| message.round == 0 && Some(message.address) == first;
        if !undecided.durable.is_empty() {
            Some("restart")
        } else if !self.pool.is_empty() {
            Some("transaction")
        } else if undecided.proposals.iter().any(|entry| proposed(&entry.proposal.message)) {
            Some("proposal")
        } else if self.tip.validators.is_third(undecided.votes.voter_power(&self.tip.validators)) {
            Some("votes")
        } else if self.tip.next_due_ms.is_some_and(|due_ms| self.now_ms >= due_ms) {
            Some("due work")
        } else if self.now_ms >= self.heartbeat_at() {
            Some("heartbeat")
        } else {
            None
        }
    }

    /// Starts the next height if there is work (design 5.3).
    pub(super) fn wake_if_due(&mut self) -> bool {
        if self.undecided.failures >= FAILURES_MAX || self.wake_reason().is_none() {
            return false;
        }
        self.cancel_timer(TimerKey::Heartbeat);
        self.start_core();
        true
    }

    fn start_core(&mut self) {
        let height = self.tip.next_height();
        let address = self.own_address().unwrap_or_default();
        let active =
            self.tip.validators.get(&address).is_some() && self.signing.allows(height) && self.undecided.failures == 0;
        let validators = CoreValidators::new(&self.tip.validators, &self.tip.order);
        let mut core = Core::new(CoreConfig { ledger: self.ledger, height, validators, address, active });
        self.undecided.active = active;
        match self.replay(&mut core) {
            Ok((wishes, fresh)) => {
                let votes: Vec<CoreInput> =
                    self.undecided.votes.all().cloned().map(|vote| CoreInput::Entry(LogEntry::Vote(vote))).collect();
                self.undecided.core = Some(core);
                self.undecided.queue.extend(votes);
                self.fulfil(wishes, fresh);
            }
            Err(failure) => self.fail_core(failure.to_string()),
        }
    }

    /// Starts the height and gives the core the durable log; whether it then signed anything the log does not hold.
    fn replay(&mut self, core: &mut Core) -> Result<(Wishes, bool), CoreFailure> {
        let entries = core::mem::take(&mut self.undecided.durable);
        core.begin_replay(&entries);
        let mut result = core.start(&mut self.signer, &self.undecided.votes);
        for entry in &entries {
            let Ok(wishes) = &mut result else { break };
            match core.step(&CoreInput::Entry(entry.clone()), &mut self.signer, &self.undecided.votes) {
                Ok(later) => wishes.append(later),
                Err(failure) => result = Err(failure),
            }
        }
        core.end_replay();
        for entry in &entries {
            if let LogEntry::ProposedValue { value, .. } = entry {
                self.undecided.values_fed.insert(*value);
            }
        }
        let known: std::collections::BTreeSet<Vec<u8>> = entries.iter().map(encode).collect();
        self.undecided.durable = entries;
        let mut wishes = result?;
        wishes.log.retain(|entry| !known.contains(&encode(entry)));
        wishes.value_wanted = wishes.value_wanted.filter(|round| core.awaits_proposal(*round));
        let own = self.own_address();
        let fresh = wishes.log.iter().any(|entry| mark_of(entry, own).is_some());
        Ok((wishes, fresh))
    }

    /// Gives the core some inputs as one step.
    pub(super) fn feed(&mut self, inputs: &[CoreInput]) {
        let Some(core) = self.undecided.core.as_mut() else { return };
        let mut wishes = Wishes::default();
        for input in inputs {
            match core.step(input, &mut self.signer, &self.undecided.votes) {
                Ok(later) => wishes.append(later),
                Err(failure) => {
                    self.fail_core(failure.to_string());
                    return;
                }
            }
        }
        let fresh = wishes.signed();
        self.fulfil(wishes, fresh);
    }

    /// Drops all that was collected and the core; the height is only followed from here on.
    pub(super) fn fail_core(&mut self, reason: String) {
        let height = self.tip.next_height();
        self.log(Diagnostic::CoreFailed { height, reason });
        self.undecided.failures = self.undecided.failures.saturating_add(1);
        self.drop_core();
        if self.undecided.failures < FAILURES_MAX {
            self.start_core();
        }
    }

    /// Forgets the core and all it was given that is not durable, as a crash would.
    pub(super) fn drop_core(&mut self) {
        self.cancel_consensus_timers();
        let undecided = &mut self.undecided;
        undecided.core = None;
        undecided.active = false;
        undecided.unwritten.clear();
        undecided.queue.clear();
        undecided.values_fed.clear();
        undecided.proposing = None;
        for entry in &mut undecided.proposals {
            entry.fed = false;
        }
    }

    /// A block of a peer is judged.
    pub(super) fn on_validated(&mut self, ticket: Ticket, id: BlockId, result: Result<(), BlockFault>) {
        if result == Err(BlockFault::OtherBody) {
            // The next voter is asked at once; the proposal goes on waiting for its body.
            if let Some(from) = self.undecided.bodies.drop_foreign(&id, ticket) {
                self.fault(&from, "body of another block");
                self.request_bodies();
            }
            return;
        }
        if !self.undecided.bodies.judged(&id, ticket, result.is_ok()) {
            return;
        }
        if let Err(BlockFault::Invalid(reason)) = result {
            let height = self.tip.next_height();
            self.log(Diagnostic::InvalidBlock { height, block: id, reason });
        }
    }

    pub(super) fn take_block(&mut self, from: &Peer, block: Block) {
        let id = block.header.id();
        let block = Arc::new(block);
        let ticket = self.ticket();
        self.undecided.bodies.insert_pending(id, Arc::clone(&block), from, ticket);
        self.actions.push(Action::Validate { ticket, block });
    }
}

/// What a log entry says this validator signed.
fn mark_of(entry: &LogEntry, own: Option<Address>) -> Option<Mark> {
    match entry {
        LogEntry::Vote(vote) if Some(vote.message.address) == own => {
            let message = &vote.message;
            let step = match message.vote_type {
                VoteType::Prevote => Step::Prevote,
                VoteType::Precommit => Step::Precommit,
            };
            Some(Mark { height: message.height, round: message.round, step, value: message.value })
        }
        LogEntry::Proposal(proposal) if Some(proposal.message.address) == own => {
            let message = &proposal.message;
            let value = Some(message.value);
            Some(Mark { height: message.height, round: message.round, step: Step::Proposal, value })
        }
        _ => None,
    }
}
