//! Malachite's core behind one function: an input goes in, what it wants done
//! comes out as data. The effect handler never fails and does no I/O, because
//! the core swallows errors: a refused signature, an error or a panic makes
//! the whole step void, and the caller drops this core.

use std::panic::{AssertUnwindSafe, catch_unwind};

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::crypto::SigningKey;
use laufzettel_chain::ids::{Address, BlockId};
use laufzettel_chain::vote::{Proposal, Signed, Vote, VoteType};
use malachite_consensus::{
    ConsensusMsg, Effect, Error, Input, LivenessMsg, LocallyProposedValue, MisbehaviorEvidence, Params, ProposedValue,
    Resumable as _, Resume, SignedConsensusMsg, State, process,
};
use malachite_metrics::Metrics;
use malachite_signing::VerifierExt as _;
use malachite_types::{
    CertificateError, Round, SignedMessage, ThresholdParams, Timeout, TimeoutKind, Validity, ValueOrigin, ValuePayload,
    VoteExtensionPolicy,
};

use super::action::Evidence;
use super::context::{
    CoreAddress, CoreHeight, CoreProposal, CoreValidators, CoreValue, CoreVote, Ledger,
};
use super::convert::{self, CoreSignedProposal, CoreSignedVote};
use super::message::Message;
use super::record::{LogEntry, TimeoutStep};
use super::signing::{Signature, StrictVerifier, at_once};
use super::votes::Votes;
use super::watermark::{Mark, Step};

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

    fn process(
        &mut self,
        input: Input<Ledger>,
        signer: &mut Signer,
        votes: &Votes,
    ) -> Result<Wishes, CoreFailure> {
        let mut answers = Answers {
            verifier: StrictVerifier { ledger: self.ledger, known: votes },
            wishes: Wishes::default(),
            refused: false,
            fresh: Vec::new(),
            signer,
        };
        let (state, metrics) = (&mut self.state, &self.metrics);
        let result = catch_unwind(AssertUnwindSafe(|| -> Result<(), Error<Ledger>> {
            process!(input: input, state: state, metrics: metrics, with: effect => answers.answer(effect))
        }));
        match result {
            Err(_) => Err(CoreFailure::Panicked),
            Ok(_) if answers.refused => Err(CoreFailure::Refused),
            Ok(Err(error)) => Err(CoreFailure::Failed(error.to_string())),
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

/// Answers effects by collecting them.
struct Answers<'a> {
    verifier: StrictVerifier<'a>,
    wishes: Wishes,
    refused: bool,
    /// Own signatures of this step: the core asks to verify what it just had signed.
    fresh: Vec<Signature>,
    signer: &'a mut Signer,
}

type Answer = Result<Resume<Ledger>, core::convert::Infallible>;

impl Answers<'_> {
    fn answer(&mut self, effect: Effect<Ledger>) -> Answer {
        Ok(match effect {
            Effect::CancelAllTimeouts(r) => {
                self.wishes.timers.push(TimerChange::CancelAll);
                r.resume_with(())
            }
            Effect::CancelTimeout(timeout, r) => {
                self.wishes.timers.extend(timer(timeout).map(TimerChange::Cancel));
                r.resume_with(())
            }
            Effect::ScheduleTimeout(timeout, r) => {
                self.wishes.timers.extend(timer(timeout).map(TimerChange::Set));
                r.resume_with(())
            }
            Effect::StartRound(_, round, _, _, r) => {
                self.wishes.round_started = round.as_u32();
                r.resume_with(())
            }
            Effect::PublishConsensusMsg(message, r) => {
                self.publish(message);
                r.resume_with(())
            }
            Effect::PublishLivenessMsg(message, r) => {
                self.wishes.liveness.extend(self.liveness(&message));
                r.resume_with(())
            }
            // The driver sends all it holds of the round again on its own timer, not only this node's last votes.
            Effect::RepublishVote(_, r) => r.resume_with(()),
            Effect::RepublishRoundCertificate(_, r) => r.resume_with(()),
            Effect::GetValue(_, round, _, r) => {
                self.wishes.value_wanted = round.as_u32();
                r.resume_with(())
            }
            // Bodies are sent with every own proposal and fetched by id otherwise.
            Effect::RestreamProposal(_, _, _, _, _, r) => r.resume_with(()),
            Effect::WalAppend(_, input, r) => {
                self.wishes.log.extend(self.entry_out(input));
                r.resume_with(())
            }
            Effect::Decide(certificate, _, r) => {
                self.wishes.decision = convert::certificate_out(&certificate);
                r.resume_with(())
            }
            Effect::Finalize(_, _, evidence, r) => {
                self.collect_evidence(&evidence);
                r.resume_with(())
            }
            other => return self.judge(other),
        })
    }

    /// Effects that are answered with a signature or a verdict.
    fn judge(&mut self, effect: Effect<Ledger>) -> Answer {
        let (verifier, ledger) = (self.verifier, self.verifier.ledger);
        Ok(match effect {
            Effect::SignVote(vote, r) => match self.sign_vote(&vote) {
                Some(signed) => r.resume_with(signed),
                None => self.refuse(),
            },
            Effect::SignProposal(proposal, r) => match self.sign_proposal(&proposal) {
                Some(signed) => r.resume_with(signed),
                None => self.refuse(),
            },
            Effect::VerifySignature(message, _, r) if self.fresh.contains(&message.signature) => r.resume_with(true),
            Effect::VerifySignature(message, key, r) => {
                let valid = match &message.message {
                    ConsensusMsg::Vote(vote) => verifier.vote(vote, &message.signature, &key),
                    ConsensusMsg::Proposal(proposal) => verifier.proposal(proposal, &message.signature, &key),
                };
                r.resume_with(valid)
            }
            Effect::VerifyCommitCertificate(certificate, set, thresholds, r) => r.resume_with(settle(at_once(
                verifier.verify_commit_certificate(&ledger, &certificate, &set, thresholds),
            ))),
            Effect::VerifyExtendedCommitCertificate(certificate, set, thresholds, policy, r) => {
                let verdict =
                    verifier.verify_extended_commit_certificate(&ledger, &certificate, &set, thresholds, policy);
                r.resume_with(settle(at_once(verdict)))
            }
            Effect::VerifyPolkaCertificate(certificate, set, thresholds, r) => r.resume_with(settle(at_once(
                verifier.verify_polka_certificate(&ledger, &certificate, &set, thresholds),
            ))),
            Effect::VerifyRoundCertificate(certificate, set, thresholds, r) => r.resume_with(settle(at_once(
                verifier.verify_round_certificate(&ledger, &certificate, &set, thresholds),
            ))),
            // There are no vote extensions, and synced blocks do not pass through the core.
            Effect::ExtendVote(_, _, _, _, r) => r.resume_with(None),
            Effect::VerifyVoteExtension(_, _, _, _, _, _, r) => {
                r.resume_with(Err(malachite_consensus::VoteExtensionError::InvalidVoteExtension))
            }
            Effect::CertVerifiedSyncValue(_, _, r) => r.resume_with(()),
            Effect::CertRejectedSyncValue(_, _, _, r) => r.resume_with(()),
            _ => self.refuse(),
        })
    }

    /// Resumes with what no signing effect accepts, so that the core ends the step with an error.
    fn refuse(&mut self) -> Resume<Ledger> {
        self.refused = true;
        Resume::Continue
    }

    fn sign_vote(&mut self, vote: &CoreVote) -> Option<CoreSignedVote> {
        let message = convert::vote_out(&self.verifier.ledger, vote)?;
        let step = match message.vote_type {
            VoteType::Prevote => Step::Prevote,
            VoteType::Precommit => Step::Precommit,
        };
        let mark = Mark { height: message.height, round: message.round, step, value: message.value };
        let signature = Signature(Signed::new(message, self.signer.permit(mark)?).signature);
        self.fresh.push(signature);
        Some(SignedMessage::new(vote.clone(), signature))
    }

    fn sign_proposal(&mut self, proposal: &CoreProposal) -> Option<CoreSignedProposal> {
        let message = convert::proposal_out(&self.verifier.ledger, proposal)?;
        let (height, round) = (message.height, message.round);
        let mark = Mark { height, round, step: Step::Proposal, value: Some(message.value) };
        let signature = Signature(Signed::new(message, self.signer.permit(mark)?).signature);
        self.fresh.push(signature);
        Some(SignedMessage::new(proposal.clone(), signature))
    }

    fn publish(&mut self, message: SignedConsensusMsg<Ledger>) {
        let ledger = self.verifier.ledger;
        match message {
            SignedConsensusMsg::Vote(vote) => {
                self.wishes.own_votes.extend(convert::signed_vote_out(&ledger, &vote));
            }
            SignedConsensusMsg::Proposal(proposal) => {
                self.wishes.own_proposals.extend(convert::signed_proposal_out(&ledger, &proposal));
            }
        }
    }

    fn liveness(&self, message: &LivenessMsg<Ledger>) -> Option<Message> {
        Some(match message {
            LivenessMsg::Vote(vote) => Message::Votes(vec![convert::signed_vote_out(&self.verifier.ledger, vote)?]),
            LivenessMsg::PolkaCertificate(polka) => Message::PolkaCertificate(convert::polka_out(polka)?),
            LivenessMsg::SkipRoundCertificate(certificate) => {
                Message::RoundCertificate(convert::round_out(certificate)?)
            }
        })
    }

    fn entry_out(&self, input: Input<Ledger>) -> Option<LogEntry> {
        let ledger = &self.verifier.ledger;
        match input {
            Input::Vote(vote) => convert::signed_vote_out(ledger, &vote).map(LogEntry::Vote),
            Input::Proposal(proposal) => convert::signed_proposal_out(ledger, &proposal).map(LogEntry::Proposal),
            Input::ProposedValue(value, _) => Some(LogEntry::ProposedValue {
                round: value.round.as_u32()?,
                pol_round: value.valid_round.as_u32(),
                proposer: value.proposer.0,
                value: value.value.0,
                valid: value.validity.is_valid(),
            }),
            Input::TimeoutElapsed(timeout) => match timer(timeout)? {
                CoreTimer::Step(step, round) => Some(LogEntry::Timeout { step, round }),
                CoreTimer::Rebroadcast => None,
            },
            Input::PolkaCertificate(polka) => convert::polka_out(&polka).map(LogEntry::PolkaCertificate),
            Input::StartHeight(..)
            | Input::RoundCertificate(_)
            | Input::Propose(_)
            | Input::SyncValueResponse(_) => None,
        }
    }

    fn collect_evidence(&mut self, evidence: &MisbehaviorEvidence<Ledger>) {
        let ledger = self.verifier.ledger;
        for (_, pairs) in evidence.votes.iter() {
            for (first, second) in pairs {
                let pair = convert::signed_vote_out(&ledger, first).zip(convert::signed_vote_out(&ledger, second));
                self.wishes.evidence.extend(pair.map(|pair| Evidence::Votes(Box::new(pair))));
            }
        }
        for (_, pairs) in evidence.proposals.iter() {
            for (first, second) in pairs {
                let pair =
                    convert::signed_proposal_out(&ledger, first).zip(convert::signed_proposal_out(&ledger, second));
                self.wishes.evidence.extend(pair.map(|pair| Evidence::Proposals(Box::new(pair))));
            }
        }
    }
}

/// A verdict that did not come at once is none in favour.
fn settle(
    verdict: Option<Result<(), CertificateError<Ledger>>>,
) -> Result<(), CertificateError<Ledger>> {
    verdict.unwrap_or(Err(CertificateError::VerificationError(None)))
}

fn timer(timeout: Timeout) -> Option<CoreTimer> {
    let round = timeout.round.as_u32()?;
    match timeout.kind {
        TimeoutKind::Propose => Some(CoreTimer::Step(TimeoutStep::Propose, round)),
        TimeoutKind::Prevote => Some(CoreTimer::Step(TimeoutStep::Prevote, round)),
        TimeoutKind::Precommit => Some(CoreTimer::Step(TimeoutStep::Precommit, round)),
        TimeoutKind::Rebroadcast => Some(CoreTimer::Rebroadcast),
        // There is no target time, hence no finalization period.
        TimeoutKind::FinalizeHeight(_) => None,
    }
}
