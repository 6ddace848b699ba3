//! Ledger types to the core's and back. Messages of another network or
//! incarnation do not convert.

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::vote::{Proposal, Signed, Vote, VoteType};
use malachite_types::{self as types, NilOrVal, Round, SignedMessage};

use super::context::{CoreAddress, CoreHeight, CoreProposal, CoreValue, CoreVote, Ledger};
use super::message::{PolkaCertificate, RoundCertificate, RoundVote};
use super::signing::Signature;

pub(crate) type CoreSignedVote = SignedMessage<Ledger, CoreVote>;
pub(crate) type CoreSignedProposal = SignedMessage<Ledger, CoreProposal>;

fn type_in(vote_type: VoteType) -> types::VoteType {
    match vote_type {
        VoteType::Prevote => types::VoteType::Prevote,
        VoteType::Precommit => types::VoteType::Precommit,
    }
}

fn type_out(vote_type: types::VoteType) -> VoteType {
    match vote_type {
        types::VoteType::Prevote => VoteType::Prevote,
        types::VoteType::Precommit => VoteType::Precommit,
    }
}

fn value_in<T>(value: Option<T>) -> NilOrVal<T> {
    value.map_or(NilOrVal::Nil, NilOrVal::Val)
}

fn value_out<T: Copy>(value: &NilOrVal<T>) -> Option<T> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(value) => Some(*value),
    }
}

pub(crate) fn vote_in(ledger: &Ledger, vote: &Signed<Vote>) -> Option<CoreSignedVote> {
    let message = &vote.message;
    if message.network != ledger.network || message.incarnation != ledger.incarnation {
        return None;
    }
    let inner = CoreVote {
        height: CoreHeight(message.height),
        round: Round::new(message.round),
        vote_type: type_in(message.vote_type),
        value: value_in(message.value),
        address: CoreAddress(message.address),
    };
    Some(SignedMessage::new(inner, Signature(vote.signature)))
}

pub(crate) fn vote_out(ledger: &Ledger, vote: &CoreVote) -> Option<Vote> {
    Some(Vote {
        network: ledger.network,
        incarnation: ledger.incarnation,
        height: vote.height.0,
        round: vote.round.as_u32()?,
        vote_type: type_out(vote.vote_type),
        value: value_out(&vote.value),
        address: vote.address.0,
    })
}

pub(crate) fn signed_vote_out(ledger: &Ledger, vote: &CoreSignedVote) -> Option<Signed<Vote>> {
    Some(Signed { message: vote_out(ledger, &vote.message)?, signature: vote.signature.0 })
}

pub(crate) fn proposal_in(ledger: &Ledger, proposal: &Signed<Proposal>) -> Option<CoreSignedProposal> {
    let message = &proposal.message;
    if message.network != ledger.network || message.incarnation != ledger.incarnation {
        return None;
    }
    let inner = CoreProposal {
        height: CoreHeight(message.height),
        round: Round::new(message.round),
        value: CoreValue(message.value),
        pol_round: Round::from(message.pol_round),
        address: CoreAddress(message.address),
    };
    Some(SignedMessage::new(inner, Signature(proposal.signature)))
}

pub(crate) fn proposal_out(ledger: &Ledger, proposal: &CoreProposal) -> Option<Proposal> {
    Some(Proposal {
        network: ledger.network,
        incarnation: ledger.incarnation,
        height: proposal.height.0,
        round: proposal.round.as_u32()?,
        pol_round: proposal.pol_round.as_u32(),
        value: proposal.value.0,
        address: proposal.address.0,
    })
}

pub(crate) fn signed_proposal_out(ledger: &Ledger, proposal: &CoreSignedProposal) -> Option<Signed<Proposal>> {
    Some(Signed { message: proposal_out(ledger, &proposal.message)?, signature: proposal.signature.0 })
}

pub(crate) fn polka_in(polka: &PolkaCertificate) -> types::PolkaCertificate<Ledger> {
    types::PolkaCertificate {
        height: CoreHeight(polka.height),
        round: Round::new(polka.round),
        value_id: polka.value,
        polka_signatures: polka
            .signatures
            .iter()
            .map(|(address, signature)| types::PolkaSignature::new(CoreAddress(*address), Signature(*signature)))
            .collect(),
    }
}

pub(crate) fn polka_out(polka: &types::PolkaCertificate<Ledger>) -> Option<PolkaCertificate> {
    let mut signatures: Vec<_> =
        polka.polka_signatures.iter().map(|entry| (entry.address.0, entry.signature.0)).collect();
    signatures.sort_unstable();
    signatures.dedup_by_key(|entry| entry.0);
    Some(PolkaCertificate { height: polka.height.0, round: polka.round.as_u32()?, value: polka.value_id, signatures })
}

pub(crate) fn round_in(certificate: &RoundCertificate) -> types::RoundCertificate<Ledger> {
    types::RoundCertificate {
        height: CoreHeight(certificate.height),
        round: Round::new(certificate.round),
        cert_type: if certificate.skip {
            types::RoundCertificateType::Skip
        } else {
            types::RoundCertificateType::Precommit
        },
        round_signatures: certificate
            .votes
            .iter()
            .map(|vote| {
                let address = CoreAddress(vote.address);
                types::RoundSignature::new(
                    type_in(vote.vote_type),
                    value_in(vote.value),
                    address,
                    Signature(vote.signature),
                )
            })
            .collect(),
    }
}

pub(crate) fn round_out(certificate: &types::RoundCertificate<Ledger>) -> Option<RoundCertificate> {
    let mut votes: Vec<RoundVote> = certificate
        .round_signatures
        .iter()
        .map(|entry| RoundVote {
            address: entry.address.0,
            vote_type: type_out(entry.vote_type),
            value: value_out(&entry.value_id),
            signature: entry.signature.0,
        })
        .collect();
    votes.sort_by_key(|vote| vote.address);
    votes.dedup_by_key(|vote| vote.address);
    Some(RoundCertificate {
        height: certificate.height.0,
        round: certificate.round.as_u32()?,
        skip: certificate.cert_type == types::RoundCertificateType::Skip,
        votes,
    })
}

pub(crate) fn certificate_out(certificate: &types::CommitCertificate<Ledger>) -> Option<Certificate> {
    let mut signatures: Vec<_> =
        certificate.commit_signatures.iter().map(|entry| (entry.address.0, entry.signature.0)).collect();
    signatures.sort_unstable();
    signatures.dedup_by_key(|entry| entry.0);
    Some(Certificate {
        height: certificate.height.0,
        round: certificate.round.as_u32()?,
        block: certificate.value_id,
        signatures,
    })
}
