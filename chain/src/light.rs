//! The light client: from the genesis file to any header that the validators
//! decided, hopping over the headers at which the set changed (design 7.5).

use thiserror::Error;

use crate::certificate::{Certificate, CertificateError};
use crate::genesis::Genesis;
use crate::header::Header;
use crate::ids::{Height, NetworkId};
use crate::validators::ValidatorSet;

/// Why a header is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LightError {
    /// It is of another network.
    #[error("the header is of network {found}, the genesis file of {expected}")]
    OtherNetwork {
        /// Network of the header.
        found: NetworkId,
        /// Network of the genesis file.
        expected: NetworkId,
    },
    /// The certificate does not prove it.
    #[error("the certificate of height {height} proves nothing: {source}")]
    Certificate {
        /// Height of the header.
        height: Height,
        /// Why.
        source: CertificateError,
    },
    /// The set given is not the one the header announces.
    #[error("the validators given are not those that the header at height {0} announces")]
    OtherValidators(Height),
}

/// What is trusted: a network and the validators that decide now.
#[derive(Debug, Clone)]
pub struct LightClient {
    network: NetworkId,
    validators: ValidatorSet,
}

impl LightClient {
    /// Trusts a genesis file and nothing else.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        Self { network: genesis.network, validators: genesis.registry.validators.clone() }
    }
    /// Checks that the trusted validators decided this header.
    ///
    /// # Errors
    /// They did not.
    pub fn verify(&self, header: &Header, certificate: &Certificate) -> Result<(), LightError> {
        if header.network != self.network {
            return Err(LightError::OtherNetwork { found: header.network, expected: self.network });
        }
        let verdict = certificate.verify(header, &self.validators);
        verdict.map_err(|source| LightError::Certificate { height: header.height, source })
    }
    /// Hops over a decided header at which the set changes.
    ///
    /// # Errors
    /// The header was not decided, or announces other validators.
    pub fn hop(&mut self, header: &Header, certificate: &Certificate, next: ValidatorSet) -> Result<(), LightError> {
        self.verify(header, certificate)?;
        if next.hash() != header.next_validators_hash {
            return Err(LightError::OtherValidators(header.height));
        }
        self.validators = next;
        Ok(())
    }
}
