//! Commit certificates: more than two thirds of the validators' precommits
//! for one block (docs/FORMATS.md A.4). Certificates differ between nodes, so none
//! is ever hashed.

use thiserror::Error;

use crate::codec::{Canonical, CodecError, Reader, Writer, encode};
use crate::crypto::{self, SignatureBytes};
use crate::header::Header;
use crate::ids::{Address, BlockId, Height};
use crate::limits::VALIDATORS_MAX;
use crate::validators::ValidatorSet;
use crate::vote::{Signable as _, Vote, VoteType};

/// Proof that a block was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Height decided.
    pub height: Height,
    /// Round of the precommits.
    pub round: u32,
    /// The block.
    pub block: BlockId,
    /// Precommit signatures, strictly ascending by address.
    pub signatures: Vec<(Address, SignatureBytes)>,
}

impl Canonical for Certificate {
    fn write(&self, out: &mut Writer) {
        out.u64(self.height);
        out.u32(self.round);
        self.block.write(out);
        out.length(self.signatures.len());
        for (address, signature) in &self.signatures {
            address.write(out);
            out.raw(signature);
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (height, round, block) = (input.u64()?, input.u32()?, BlockId::read(input)?);
        let count = input.length(VALIDATORS_MAX)?;
        let mut signatures: Vec<(Address, SignatureBytes)> = Vec::with_capacity(count);
        for _ in 0..count {
            let entry = (Address::read(input)?, input.array()?);
            if signatures.last().is_some_and(|last| last.0 >= entry.0) {
                return Err(CodecError::Invalid("order of certificate signatures"));
            }
            signatures.push(entry);
        }
        Ok(Self { height, round, block, signatures })
    }
}

/// Why a certificate proves nothing about a header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// It is about another block.
    #[error("the certificate is for another block or height than the header")]
    OtherBlock,
    /// The header names other validators.
    #[error("the header at height {0} is not of the given validators")]
    OtherValidators(Height),
    /// A signer is no validator.
    #[error("{0} is no validator")]
    UnknownSigner(Address),
    /// A signer is named twice, or the order is wrong.
    #[error("{0} is named twice or out of order")]
    Order(Address),
    /// A signature is wrong.
    #[error("the signature of {0} is wrong")]
    Signature(Address),
    /// Too little voting power signed.
    #[error("validators with {signed} of {total} voting power signed; more than two thirds are needed")]
    TooFew {
        /// Voting power that signed.
        signed: u128,
        /// All voting power.
        total: u128,
    },
}

impl Certificate {
    /// Checks that these validators decided this header.
    ///
    /// # Errors
    /// The certificate does not prove it.
    pub fn verify(&self, header: &Header, validators: &ValidatorSet) -> Result<(), CertificateError> {
        if self.block != header.id() || self.height != header.height {
            return Err(CertificateError::OtherBlock);
        }
        if header.validators_hash != validators.hash() {
            return Err(CertificateError::OtherValidators(header.height));
        }
        let mut signed = 0u128;
        let mut last: Option<Address> = None;
        for (address, signature) in &self.signatures {
            if last.is_some_and(|last| last >= *address) {
                return Err(CertificateError::Order(*address));
            }
            last = Some(*address);
            let validator = validators.get(address).ok_or(CertificateError::UnknownSigner(*address))?;
            let vote = Vote {
                network: header.network,
                incarnation: header.incarnation,
                height: self.height,
                round: self.round,
                vote_type: VoteType::Precommit,
                value: Some(self.block),
                address: *address,
            };
            if !crypto::verify(&validator.key, Vote::DOMAIN, &encode(&vote), signature) {
                return Err(CertificateError::Signature(*address));
            }
            signed = signed.saturating_add(u128::from(validator.power));
        }
        if validators.is_quorum(signed) {
            Ok(())
        } else {
            Err(CertificateError::TooFew { signed, total: validators.power() })
        }
    }
}
