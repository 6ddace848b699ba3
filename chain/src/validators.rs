//! Who votes, and in which order they propose (design 7.4, docs/FORMATS.md A.4).

use crate::codec::{Canonical, CodecError, Reader, Writer};
use crate::crypto::{self, Hash, VerifyingKey};
use crate::ids::Address;
use crate::limits::VALIDATORS_MAX;

/// One validator: an authority's consensus key and voting power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validator {
    /// Id of the consensus key.
    pub address: Address,
    /// The authority that runs it.
    pub authority: String,
    /// Its consensus key.
    pub key: VerifyingKey,
    /// Voting power, at least 1.
    pub power: u64,
}

impl Canonical for Validator {
    fn write(&self, out: &mut Writer) {
        self.address.write(out);
        out.str(&self.authority);
        out.raw(self.key.as_bytes());
        out.u64(self.power);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let address = Address::read(input)?;
        let authority = input.str(32)?.to_owned();
        let key = VerifyingKey::from_bytes(&input.array()?).map_err(|_| CodecError::Invalid("validator key"))?;
        let power = input.u64()?;
        if address != Address::of(&key) || power == 0 {
            return Err(CodecError::Invalid("validator"));
        }
        Ok(Self { address, authority, key, power })
    }
}

/// The validators of a height, sorted by address. The proposer order is kept
/// beside it and is no part of its hash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ValidatorSet(Vec<Validator>);

impl ValidatorSet {
    /// A set of these validators.
    ///
    /// # Errors
    /// It is empty, too large, or names one address twice.
    pub fn new(mut validators: Vec<Validator>) -> Result<Self, CodecError> {
        validators.sort_by_key(|validator| validator.address);
        let twice = validators.windows(2).any(|pair| matches!(pair, [a, b] if a.address == b.address));
        if validators.is_empty() || validators.len() > VALIDATORS_MAX || twice {
            return Err(CodecError::Invalid("validator set"));
        }
        Ok(Self(validators))
    }
    /// All validators, by address.
    #[must_use]
    pub fn all(&self) -> &[Validator] {
        &self.0
    }
    /// The validator with this address.
    #[must_use]
    pub fn get(&self, address: &Address) -> Option<&Validator> {
        let index = self.0.binary_search_by_key(address, |validator| validator.address).ok()?;
        self.0.get(index)
    }
    /// The validator an authority runs.
    #[must_use]
    pub fn of_authority(&self, authority: &str) -> Option<&Validator> {
        self.0.iter().find(|validator| validator.authority == authority)
    }
    /// Sum of all voting power.
    #[must_use]
    pub fn power(&self) -> u128 {
        self.0.iter().map(|validator| u128::from(validator.power)).sum()
    }
    /// Whether this power is more than two thirds of all.
    #[must_use]
    pub fn is_quorum(&self, power: u128) -> bool {
        power.saturating_mul(3) > self.power().saturating_mul(2)
    }
    /// Whether this power is more than one third of all: an honest one is among them.
    #[must_use]
    pub fn is_third(&self, power: u128) -> bool {
        power.saturating_mul(3) > self.power()
    }
    /// `validators_hash` of the header.
    #[must_use]
    pub fn hash(&self) -> Hash {
        crypto::hash("validators", &crate::codec::encode(self))
    }
}

impl Canonical for ValidatorSet {
    fn write(&self, out: &mut Writer) {
        out.list(&self.0);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Self::new(input.list(VALIDATORS_MAX)?)
    }
}
