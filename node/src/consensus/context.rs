//! The types Malachite's core is run on, over those of the ledger. The value
//! agreed on is a block's id; bodies travel outside of the core. Network and
//! incarnation live in the context, because the core does not pass them.

use core::fmt;
use std::sync::Arc;

use laufzettel_chain::ids::{Address, BlockId, NetworkId};
use laufzettel_chain::validators::ValidatorSet;
use malachite_types::{self as types, NilOrVal, Round, SignedExtension, VoteType, VotingPower};

use super::signing::{PublicKey, StrictEd25519};

/// The context of one network and incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) network: NetworkId,
    pub(crate) incarnation: u32,
}

/// A height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct CoreHeight(pub(crate) u64);

impl fmt::Display for CoreHeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl types::Height for CoreHeight {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);
    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }
    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }
    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// A validator's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CoreAddress(pub(crate) Address);

impl fmt::Display for CoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl types::Address for CoreAddress {}

/// The value agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CoreValue(pub(crate) BlockId);

impl types::Value for CoreValue {
    type Id = BlockId;
    fn id(&self) -> BlockId {
        self.0
    }
}

/// A vote without network and incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoreVote {
    pub(crate) height: CoreHeight,
    pub(crate) round: Round,
    pub(crate) vote_type: VoteType,
    pub(crate) value: NilOrVal<BlockId>,
    pub(crate) address: CoreAddress,
}

impl types::Vote<Ledger> for CoreVote {
    fn height(&self) -> CoreHeight {
        self.height
    }
    fn round(&self) -> Round {
        self.round
    }
    fn value(&self) -> &NilOrVal<BlockId> {
        &self.value
    }
    fn take_value(self) -> NilOrVal<BlockId> {
        self.value
    }
    fn vote_type(&self) -> VoteType {
        self.vote_type
    }
    fn validator_address(&self) -> &CoreAddress {
        &self.address
    }
    fn extension(&self) -> Option<&SignedExtension<Ledger>> {
        None
    }
    fn take_extension(&mut self) -> Option<SignedExtension<Ledger>> {
        None
    }
    fn extend(self, _extension: SignedExtension<Ledger>) -> Self {
        self
    }
}

/// A proposal without network and incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoreProposal {
    pub(crate) height: CoreHeight,
    pub(crate) round: Round,
    pub(crate) value: CoreValue,
    pub(crate) pol_round: Round,
    pub(crate) address: CoreAddress,
}

impl types::Proposal<Ledger> for CoreProposal {
    fn height(&self) -> CoreHeight {
        self.height
    }
    fn round(&self) -> Round {
        self.round
    }
    fn value(&self) -> &CoreValue {
        &self.value
    }
    fn take_value(self) -> CoreValue {
        self.value
    }
    fn pol_round(&self) -> Round {
        self.pol_round
    }
    fn validator_address(&self) -> &CoreAddress {
        &self.address
    }
}

/// The core sends no parts; bodies are the driver's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoPart {}

impl types::ProposalPart<Ledger> for NoPart {
    fn is_first(&self) -> bool {
        match *self {}
    }
    fn is_last(&self) -> bool {
        match *self {}
    }
}

/// One validator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoreValidator {
    address: CoreAddress,
    key: PublicKey,
    power: VotingPower,
}

impl types::Validator<Ledger> for CoreValidator {
    fn address(&self) -> &CoreAddress {
        &self.address
    }
    fn public_key(&self) -> &PublicKey {
        &self.key
    }
    fn voting_power(&self) -> VotingPower {
        self.power
    }
}

/// The validators by address, and beside them the order they propose in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoreValidators(Arc<(Vec<CoreValidator>, Vec<usize>)>);

impl CoreValidators {
    /// The set of a height. Addresses in `order` that are no validators are
    /// left out; an empty order means by address.
    pub(crate) fn new(validators: &ValidatorSet, order: &[Address]) -> Self {
        let members: Vec<CoreValidator> = validators
            .all()
            .iter()
            .map(|validator| CoreValidator {
                address: CoreAddress(validator.address),
                key: PublicKey(validator.key),
                power: validator.power,
            })
            .collect();
        let place = |address: &Address| members.binary_search_by_key(&CoreAddress(*address), |v| v.address).ok();
        let mut turns: Vec<usize> = order.iter().filter_map(place).collect();
        if turns.is_empty() {
            turns = (0..members.len()).collect();
        }
        Self(Arc::new((members, turns)))
    }
}

impl types::ValidatorSet<Ledger> for CoreValidators {
    fn count(&self) -> usize {
        self.0.0.len()
    }
    fn total_voting_power(&self) -> VotingPower {
        self.0.0.iter().fold(0, |sum: u64, validator| sum.saturating_add(validator.power))
    }
    fn get_by_address(&self, address: &CoreAddress) -> Option<&CoreValidator> {
        let index = self.0.0.binary_search_by_key(address, |validator| validator.address).ok()?;
        self.0.0.get(index)
    }
    fn get_by_index(&self, index: usize) -> Option<&CoreValidator> {
        self.0.0.get(index)
    }
}

impl types::Context for Ledger {
    type Address = CoreAddress;
    type Height = CoreHeight;
    type ProposalPart = NoPart;
    type Proposal = CoreProposal;
    type Validator = CoreValidator;
    type ValidatorSet = CoreValidators;
    type Timeouts = types::LinearTimeouts;
    type Value = CoreValue;
    type Vote = CoreVote;
    type Extension = ();
    type SigningScheme = StrictEd25519;

    fn select_proposer<'a>(&self, set: &'a CoreValidators, _height: CoreHeight, round: Round) -> &'a CoreValidator {
        let (members, turns) = &*set.0;
        let count = turns.len().max(1);
        let turn = usize::try_from(round.as_u32().unwrap_or(0)).unwrap_or(0) % count;
        let proposer = turns.get(turn).and_then(|index| members.get(*index));
        proposer.unwrap_or_else(|| panic!("a validator set is never empty"))
    }

    fn new_proposal(
        &self,
        height: CoreHeight,
        round: Round,
        value: CoreValue,
        pol_round: Round,
        address: CoreAddress,
    ) -> CoreProposal {
        CoreProposal { height, round, value, pol_round, address }
    }

    fn new_prevote(
        &self,
        height: CoreHeight,
        round: Round,
        value: NilOrVal<BlockId>,
        address: CoreAddress,
    ) -> CoreVote {
        CoreVote { height, round, vote_type: VoteType::Prevote, value, address }
    }

    fn new_precommit(
        &self,
        height: CoreHeight,
        round: Round,
        value: NilOrVal<BlockId>,
        address: CoreAddress,
    ) -> CoreVote {
        CoreVote { height, round, vote_type: VoteType::Precommit, value, address }
    }
}
