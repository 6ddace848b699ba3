//! Signatures of consensus messages for the core: strict Ed25519 over the
//! ledger's canonical bytes, one at a time. Never batch verification.

use core::future::{Future, ready};
use core::pin::{Pin, pin};
use core::task::{Context as TaskContext, Poll, Waker};

use laufzettel_chain::codec::encode;
use laufzettel_chain::crypto::{self, SignatureBytes, SigningKey, VerifyingKey};
use laufzettel_chain::vote::Signable;
use malachite_signing::{Error, VerificationResult, Verifier};
use malachite_types::{SigningScheme, ValidatorProof, VoteExtensionScope};

use super::context::{CoreProposal, CoreVote, Ledger};
use super::convert;
use super::votes::Votes;

/// The one signature scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StrictEd25519;

/// A signature as the core keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Signature(pub(crate) SignatureBytes);

/// A public key as the core keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PublicKey(pub(crate) VerifyingKey);

impl SigningScheme for StrictEd25519 {
    type DecodingError = &'static str;
    type Signature = Signature;
    type PublicKey = PublicKey;
    type PrivateKey = SigningKey;

    fn decode_signature(bytes: &[u8]) -> Result<Signature, &'static str> {
        bytes.try_into().map(Signature).map_err(|_| "a signature has 64 bytes")
    }
    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }
    fn decode_public_key(bytes: &[u8]) -> Result<PublicKey, &'static str> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| "a public key has 32 bytes")?;
        VerifyingKey::from_bytes(&bytes).map(PublicKey).map_err(|_| "no point of the curve")
    }
    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.0.as_bytes().to_vec()
    }
}

/// Verifies for one network and incarnation. A vote among those known was
/// verified when it came and is not verified again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StrictVerifier<'a> {
    pub(crate) ledger: Ledger,
    pub(crate) known: &'a Votes,
}

impl StrictVerifier<'_> {
    pub(crate) fn vote(&self, vote: &CoreVote, signature: &Signature, key: &PublicKey) -> bool {
        let Some(message) = convert::vote_out(&self.ledger, vote) else { return false };
        let held = self.known.at(&message);
        held.is_some_and(|held| held.message == message && held.signature == signature.0)
            || check(&message, signature, key)
    }
    pub(crate) fn proposal(&self, proposal: &CoreProposal, signature: &Signature, key: &PublicKey) -> bool {
        convert::proposal_out(&self.ledger, proposal).is_some_and(|proposal| check(&proposal, signature, key))
    }
}

fn check<T: Signable>(message: &T, signature: &Signature, key: &PublicKey) -> bool {
    crypto::verify(&key.0, T::DOMAIN, &encode(message), &signature.0)
}

type Verdict<'a> = Pin<Box<dyn Future<Output = Result<VerificationResult, Error>> + Send + 'a>>;

fn verdict<'a>(valid: bool) -> Verdict<'a> {
    Box::pin(ready(Ok(VerificationResult::from_bool(valid))))
}

// The trait is declared with `async_trait`; these are the signatures it expands to.
impl Verifier<Ledger> for StrictVerifier<'_> {
    fn verify_signed_vote<'a, 'b, 'c, 'd, 'e>(
        &'a self,
        vote: &'b CoreVote,
        signature: &'c Signature,
        key: &'d PublicKey,
    ) -> Verdict<'e>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
        Self: 'e,
    {
        verdict(self.vote(vote, signature, key))
    }

    fn verify_signed_proposal<'a, 'b, 'c, 'd, 'e>(
        &'a self,
        proposal: &'b CoreProposal,
        signature: &'c Signature,
        key: &'d PublicKey,
    ) -> Verdict<'e>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
        Self: 'e,
    {
        verdict(self.proposal(proposal, signature, key))
    }

    // Vote extensions and validator proofs do not exist in this ledger: none is ever valid.
    fn verify_signed_vote_extension<'a, 'b, 'c, 'd, 'f, 'e>(
        &'a self,
        _scope: &'b VoteExtensionScope<Ledger>,
        _extension: &'c (),
        _signature: &'d Signature,
        _key: &'f PublicKey,
    ) -> Verdict<'e>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
        'f: 'e,
        Self: 'e,
    {
        verdict(false)
    }

    fn verify_validator_proof<'a, 'b, 'e>(&'a self, _proof: &'b ValidatorProof<Ledger>) -> Verdict<'e>
    where
        'a: 'e,
        'b: 'e,
        Self: 'e,
    {
        verdict(false)
    }
}

/// The result of a future that never waits.
pub(crate) fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
