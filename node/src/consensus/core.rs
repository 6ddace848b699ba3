//! Malachite's core behind one function: an input goes in, what it wants done
//! comes out as data. The effect handler never fails and does no I/O, because
//! the core swallows errors: a refused signature, an error or a panic makes
//! the whole step void, and the caller drops this core.

mod answers;

use std::panic::{AssertUnwindSafe, catch_unwind};

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::crypto::SigningKey;
use laufzettel_chain::evidence::Evidence;
use laufzettel_chain::ids::{Address, BlockId};
use laufzettel_chain::vote::{Proposal, Signed, Vote};
use malachite_consensus::{Error, Input, LocallyProposedValue, Params, ProposedValue, State, process};
use malachite_metrics::Metrics;
use malachite_types::{
    Round, ThresholdParams, Timeout, TimeoutKind, Validity, ValueOrigin, ValuePayload, VoteExtensionPolicy,
};

use super::context::{CoreAddress, CoreHeight, CoreValidators, CoreValue, Ledger};
use super::convert;
use super::message::Message;
use super::record::{LogEntry, TimeoutStep};
use super::signing::StrictVerifier;
use super::votes::Votes;
use super::watermark::Mark;
use answers::Answers;

/// Signs what the watermark in memory allows, and moves it.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    pub(crate) key: Option<SigningKey>,
    pub(crate) mark: Mark,
}

impl Signer {
    fn permit(&mut self, next: Mark) -> Option<&SigningKey> {
        let key = self.key.as_ref()?;
        if !next.may_follow(&self.mark) {
            return None;
        }
        self.mark = next;
        Some(key)
    }
}

/// A timer of consensus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoreTimer {
    Step(TimeoutStep, u32),
    Rebroadcast,
}

/// A change of timers, in the order the core asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimerChange {
    Set(CoreTimer),
    Cancel(CoreTimer),
    CancelAll,
}

/// What the core wants done after an input.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) log: Vec<LogEntry>,
    pub(crate) own_votes: Vec<Signed<Vote>>,
    pub(crate) own_proposals: Vec<Signed<Proposal>>,
    pub(crate) liveness: Vec<Message>,
    pub(crate) timers: Vec<TimerChange>,
    pub(crate) value_wanted: Option<u32>,
    pub(crate) round_started: Option<u32>,
    pub(crate) decision: Option<Certificate>,
    pub(crate) evidence: Vec<Evidence>,
}

impl Wishes {
    /// Adds those of a later input.
    pub(crate) fn append(&mut self, mut later: Self) {
        self.log.append(&mut later.log);
        self.own_votes.append(&mut later.own_votes);
        self.own_proposals.append(&mut later.own_proposals);
        self.liveness.append(&mut later.liveness);
        self.timers.append(&mut later.timers);
        self.value_wanted = later.value_wanted.or(self.value_wanted);
        self.round_started = later.round_started.or(self.round_started);
        self.decision = later.decision.or(self.decision.take());
        self.evidence.append(&mut later.evidence);
    }
    pub(crate) fn signed(&self) -> bool {
        !self.own_votes.is_empty() || !self.own_proposals.is_empty()
    }
}

/// Why a step of the core is void.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CoreFailure {
    #[error("the watermark forbids what the core wants to sign")]
    Refused,
    #[error("the core failed: {0}")]
    Failed(String),
    #[error("the core panicked")]
    Panicked,
}

/// An input of the core in the ledger's types.
#[derive(Debug, Clone)]
pub(crate) enum CoreInput {
    Entry(LogEntry),
    RoundCertificate(super::message::RoundCertificate),
    Propose { round: u32, block: BlockId },
}

/// The core of one height.
pub(crate) struct Core {
    ledger: Ledger,
    height: u64,
    validators: CoreValidators,
    state: State<Ledger>,
    metrics: Metrics,
}

/// What a core is made for.
pub(crate) struct CoreConfig {
    pub(crate) ledger: Ledger,
    pub(crate) height: u64,
    pub(crate) validators: CoreValidators,
    pub(crate) address: Address,
    /// Whether it votes; else it only follows.
    pub(crate) active: bool,
}

impl Core {
    pub(crate) fn new(config: CoreConfig) -> Self {
        let CoreConfig { ledger, height, validators, address, active } = config;
        let params = Params {
            address: CoreAddress(address),
            threshold_params: ThresholdParams::default(),
            value_payload: ValuePayload::ProposalAndParts,
            enabled: active,
        };
        // The driver hands over messages of this height only, so the core's own queue of later ones stays empty.
        let state = State::new(ledger, CoreHeight(height), validators.clone(), params, 1, 1);
        Self { ledger, height, validators, state, metrics: Metrics::new() }
    }

    pub(crate) fn round(&self) -> Option<u32> {
        self.state.round().as_u32()
    }
    /// Whether the given round's proposal can no longer change this node's prevote.
    pub(crate) fn past_propose(&self, round: u32) -> bool {
        self.round().is_some_and(|now| now > round || (now == round && !self.state.driver.step_is_propose()))
    }
    pub(crate) fn awaits_proposal(&self, round: u32) -> bool {
        self.round() == Some(round) && self.state.driver.step_is_propose()
    }
    /// Quorums of prevotes held, for sending again.
    pub(crate) fn polka_certificates(&self) -> Vec<Message> {
        let all = self.state.driver.polka_certificates().iter();
        all.rev().take(2).filter_map(|polka| convert::polka_out(polka).map(Message::PolkaCertificate)).collect()
    }
    /// Why this round was entered, for sending again.
    pub(crate) fn round_certificate(&self) -> Option<Message> {
        let entered = self.state.round_certificate()?;
        (entered.enter_round == self.state.round()).then_some(())?;
        convert::round_out(&entered.certificate).map(Message::RoundCertificate)
    }

    /// Starts the height.
    pub(crate) fn start(&mut self, signer: &mut Signer, votes: &Votes) -> Result<Wishes, CoreFailure> {
        let policy = VoteExtensionPolicy::Disabled;
        let start = Input::StartHeight(CoreHeight(self.height), self.validators.clone(), false, None, policy);
        self.process(start, signer, votes)
    }
    /// Tells the core which of its own messages the log holds, before they are replayed.
    pub(crate) fn begin_replay(&mut self, entries: &[LogEntry]) {
        let inputs: Vec<Input<Ledger>> = entries.iter().filter_map(|entry| self.entry_in(entry)).collect();
        self.state.index_wal_entries(inputs.iter());
    }
    pub(crate) fn end_replay(&mut self) {
        self.state.reset_entries_index();
    }

    /// Gives the core one input.
    pub(crate) fn step(
        &mut self,
        input: &CoreInput,
        signer: &mut Signer,
        votes: &Votes,
    ) -> Result<Wishes, CoreFailure> {
        let input = match input {
            CoreInput::Entry(entry) => self.entry_in(entry),
            CoreInput::RoundCertificate(certificate) => Some(Input::RoundCertificate(convert::round_in(certificate))),
            CoreInput::Propose { round, block } => Some(Input::Propose(LocallyProposedValue::new(
                CoreHeight(self.height),
                Round::new(*round),
                CoreValue(*block),
            ))),
        };
        input.map_or(Ok(Wishes::default()), |input| self.process(input, signer, votes))
    }

    fn process(&mut self, input: Input<Ledger>, signer: &mut Signer, votes: &Votes) -> Result<Wishes, CoreFailure> {
        let mut answers = Answers {
            verifier: StrictVerifier { ledger: self.ledger, known: votes },
            wishes: Wishes::default(),
            refused: false,
            fresh: Vec::new(),
            signer,
        };
        let (state, metrics) = (&mut self.state, &self.metrics);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let result: Result<(), Error<Ledger>> =
                process!(input: input, state: state, metrics: metrics, with: effect => answers.answer(effect));
            result.map_err(|error| error.to_string())
        }));
        match result {
            Err(_) => Err(CoreFailure::Panicked),
            Ok(_) if answers.refused => Err(CoreFailure::Refused),
            Ok(Err(error)) => Err(CoreFailure::Failed(error)),
            Ok(Ok(())) => Ok(answers.wishes),
        }
    }

    fn entry_in(&self, entry: &LogEntry) -> Option<Input<Ledger>> {
        Some(match entry {
            LogEntry::Vote(vote) => Input::Vote(convert::vote_in(&self.ledger, vote)?),
            LogEntry::Proposal(proposal) => Input::Proposal(convert::proposal_in(&self.ledger, proposal)?),
            LogEntry::ProposedValue { round, pol_round, proposer, value, valid } => {
                let value = ProposedValue {
                    height: CoreHeight(self.height),
                    round: Round::new(*round),
                    valid_round: Round::from(*pol_round),
                    proposer: CoreAddress(*proposer),
                    value: CoreValue(*value),
                    validity: Validity::from_bool(*valid),
                };
                Input::ProposedValue(value, ValueOrigin::Consensus)
            }
            LogEntry::Timeout { step, round } => {
                let kind = match step {
                    TimeoutStep::Propose => TimeoutKind::Propose,
                    TimeoutStep::Prevote => TimeoutKind::Prevote,
                    TimeoutStep::Precommit => TimeoutKind::Precommit,
                };
                Input::TimeoutElapsed(Timeout::new(Round::new(*round), kind))
            }
            LogEntry::PolkaCertificate(polka) => Input::PolkaCertificate(convert::polka_in(polka)),
        })
    }
}
