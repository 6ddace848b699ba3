//! Answers the core's effects by collecting them. A handler must never fail:
//! the core swallows errors. A signature the watermark forbids is answered with
//! what no signing effect accepts, so that the core ends the step itself.

use laufzettel_chain::evidence::Evidence;
use laufzettel_chain::vote::{Signed, VoteType};
use malachite_consensus::{
    ConsensusMsg, Effect, Input, LivenessMsg, MisbehaviorEvidence, Resumable as _, Resume, SignedConsensusMsg,
};
use malachite_signing::VerifierExt as _;
use malachite_types::{CertificateError, SignedMessage, Timeout, TimeoutKind};

use super::super::context::{CoreProposal, CoreVote, Ledger};
use super::super::convert::{self, CoreSignedProposal, CoreSignedVote};
use super::super::message::Message;
use super::super::record::{LogEntry, TimeoutStep};
use super::super::signing::{Signature, StrictVerifier, at_once};
use super::super::watermark::{Mark, Step};
use super::{CoreTimer, Signer, TimerChange, Wishes};

/// Answers effects by collecting them.
pub(super) struct Answers<'a> {
    pub(super) verifier: StrictVerifier<'a>,
    pub(super) wishes: Wishes,
    pub(super) refused: bool,
    /// Own signatures of this step: the core asks to verify what it just had signed.
    pub(super) fresh: Vec<Signature>,
    pub(super) signer: &'a mut Signer,
}

type Answer = Result<Resume<Ledger>, core::convert::Infallible>;

impl Answers<'_> {
    pub(super) fn answer(&mut self, effect: Effect<Ledger>) -> Answer {
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
            Input::StartHeight(..) | Input::RoundCertificate(_) | Input::Propose(_) | Input::SyncValueResponse(_) => {
                None
            }
        }
    }

    fn collect_evidence(&mut self, evidence: &MisbehaviorEvidence<Ledger>) {
        let ledger = self.verifier.ledger;
        for (_, pairs) in evidence.votes.iter() {
            for (first, second) in pairs {
                let pair = convert::signed_vote_out(&ledger, first).zip(convert::signed_vote_out(&ledger, second));
                self.wishes.evidence.extend(pair.map(|(a, b)| Evidence::of_votes(a, b)));
            }
        }
        for (_, pairs) in evidence.proposals.iter() {
            for (first, second) in pairs {
                let pair =
                    convert::signed_proposal_out(&ledger, first).zip(convert::signed_proposal_out(&ledger, second));
                self.wishes.evidence.extend(pair.map(|(a, b)| Evidence::of_proposals(a, b)));
            }
        }
    }
}

/// A verdict that did not come at once is none in favour.
fn settle(verdict: Option<Result<(), CertificateError<Ledger>>>) -> Result<(), CertificateError<Ledger>> {
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
