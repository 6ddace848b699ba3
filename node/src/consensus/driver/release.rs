//! Proposals before the gate: which the core gets now, and which wait for a
//! body, a time or the votes of others. Every change of mind is logged.

use super::{Driver, LogEntry, Proposed};
use crate::consensus::Diagnostic;
use crate::consensus::action::TimerKey;
use crate::consensus::core::{Core, CoreInput};
use crate::consensus::gate::{Verdict, View};
use crate::consensus::votes::ROUNDS_AHEAD;

impl Driver {
    /// Gives the core the first proposal the gate lets through; false if there is none.
    pub(super) fn release_one(&mut self) -> bool {
        let Some(core) = &self.undecided.core else { return false };
        let round_max = core.round().unwrap_or(0).saturating_add(ROUNDS_AHEAD);
        let mut found = None;
        let (mut wake_ms, mut changes) = (u64::MAX, Vec::new());
        for (index, entry) in self.undecided.proposals.iter().enumerate() {
            if entry.fed || entry.proposal.message.round > round_max {
                continue;
            }
            let verdict = (self.config.gate)(&self.view(core, entry));
            if verdict.name() != entry.verdict {
                changes.push((index, verdict.name()));
            }
            match verdict {
                Verdict::Release | Verdict::ReleaseInvalid => {
                    found = Some((index, verdict == Verdict::Release));
                    break;
                }
                Verdict::HoldForTime { until_ms: Some(until_ms) } => wake_ms = wake_ms.min(until_ms),
                Verdict::HoldForTime { until_ms: None } | Verdict::HoldForBody | Verdict::HoldForRound => {}
            }
        }
        self.note_verdicts(&changes);
        if wake_ms < u64::MAX && self.timers.get(&TimerKey::Gate) != Some(&wake_ms) {
            self.set_timer(TimerKey::Gate, wake_ms);
        }
        let Some((index, valid)) = found else { return false };
        self.release(index, valid);
        true
    }

    fn note_verdicts(&mut self, changes: &[(usize, &'static str)]) {
        let height = self.tip.next_height();
        for (index, verdict) in changes {
            let Some(entry) = self.undecided.proposals.get_mut(*index) else { continue };
            entry.verdict = verdict;
            let message = &entry.proposal.message;
            let (round, block) = (message.round, message.value);
            self.log(Diagnostic::Gate { height, round, block, verdict });
        }
    }

    fn view(&self, core: &Core, entry: &Proposed) -> View {
        let message = &entry.proposal.message;
        let validators = &self.tip.validators;
        let power = self.undecided.votes.prevote_power(message.round, message.value, validators);
        View {
            now_ms: self.now_ms,
            round: message.round,
            pol_round: message.pol_round,
            block: self.undecided.bodies.known(&message.value),
            past_propose: core.past_propose(message.round),
            third: validators.is_third(power),
            quorum: validators.is_quorum(power),
        }
    }

    fn release(&mut self, index: usize, valid: bool) {
        let Some(entry) = self.undecided.proposals.get_mut(index) else { return };
        entry.fed = true;
        let proposal = entry.proposal.clone();
        let (value, round) = (proposal.message.value, proposal.message.round);
        let mut inputs = Vec::new();
        if self.undecided.values_fed.insert(value) {
            inputs.push(CoreInput::Entry(LogEntry::ProposedValue {
                round,
                pol_round: proposal.message.pol_round,
                proposer: proposal.message.address,
                value,
                valid,
            }));
        }
        inputs.push(CoreInput::Entry(LogEntry::Proposal(proposal)));
        self.feed(&inputs);
    }
}
