//! Proposals, votes and what was adopted by them (docs/FORMATS.md A.5): one value for each proposal in the registry part
//! of the state, and one that lists them. Read from the tree itself, so that whoever has the tree has them. Bounded.
//! Knows the form of these values and when votes suffice; must never judge a text.

use std::collections::BTreeMap;

use laufzettel_contracts::{AuthorityId, Position};

use crate::codec::{CodecError, decode};
use crate::crypto::Hash;
use crate::ids::{Height, ItemDigest};
use crate::proposal::ProposalKind;
use crate::storage::{Family, Read, StoreError};
use crate::tree::{self, StateKey};
use crate::validators::ValidatorSet;

mod bytes;

/// Kind of proposals among the values of the registry.
const REGISTRY_KIND: u8 = 6;

/// A vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// Whether it is for the proposal.
    pub yes: bool,
    /// Height of the block with it.
    pub height: Height,
}

/// How a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Votes count.
    Open,
    /// Adopted.
    Adopted,
    /// It cannot be adopted any more.
    Rejected,
    /// It was open for 30 days.
    Expired,
    /// Another change of the same text was adopted meanwhile.
    Superseded,
}

/// A proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Digest of its item.
    pub item: ItemDigest,
    /// What it changes.
    pub kind: ProposalKind,
    /// Id of the definition or the calendars.
    pub id: String,
    /// The version proposed.
    pub version: u32,
    /// The version it was compared with; 0 if there was none.
    pub base: u32,
    /// Hash of the text, as the state has it of an adopted one.
    pub text: Hash,
    /// Who proposed it.
    pub proposer: AuthorityId,
    /// Place of its item.
    pub place: Position,
    /// Until when votes count, block time in milliseconds.
    pub expires_ms: u64,
    /// The first height at which it is in force, unless it is adopted later.
    pub effective_height: Height,
    /// Who has to agree, ascending.
    pub must_agree: Vec<AuthorityId>,
    /// Whether the cases of the version it was compared with move to it.
    pub moves: bool,
    /// Votes by authority.
    pub votes: BTreeMap<AuthorityId, Vote>,
    /// How it stands.
    pub standing: Standing,
    /// Height of the block that changed it last.
    pub changed: Height,
}

impl Proposal {
    /// Whether an authority may vote: it runs a validator, or has to agree.
    #[must_use]
    pub fn may_vote(&self, authority: &AuthorityId, validators: &ValidatorSet) -> bool {
        validators.of_authority(authority.as_str()).is_some() || self.must_agree.contains(authority)
    }
    /// Power of the validators that voted so.
    #[must_use]
    pub fn power(&self, validators: &ValidatorSet, yes: bool) -> u128 {
        let votes = self.votes.iter().filter(|(_, vote)| vote.yes == yes);
        let power = votes.filter_map(|(by, _)| validators.of_authority(by.as_str()));
        power.map(|validator| u128::from(validator.power)).sum()
    }
    /// Who has to agree and has not voted.
    pub fn awaited(&self) -> impl Iterator<Item = &AuthorityId> {
        self.must_agree.iter().filter(|authority| !self.votes.contains_key(*authority))
    }
    /// What the votes so far make of it: adopted with more than two thirds of the validators' power and all who have to
    /// agree; rejected with a no of one of these, or with so much power that two thirds cannot be passed.
    #[must_use]
    pub fn decided(&self, validators: &ValidatorSet) -> Standing {
        let voted = |authority: &AuthorityId| self.votes.get(authority).map(|vote| vote.yes);
        let left = validators.power().saturating_sub(self.power(validators, false));
        if self.must_agree.iter().any(|authority| voted(authority) == Some(false)) || !validators.is_quorum(left) {
            return Standing::Rejected;
        }
        let agreed = self.must_agree.iter().all(|authority| voted(authority) == Some(true));
        if agreed && validators.is_quorum(self.power(validators, true)) { Standing::Adopted } else { Standing::Open }
    }
}

/// An entry of the list of open proposals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Digest of its item.
    pub item: ItemDigest,
    /// Who proposed it.
    pub proposer: AuthorityId,
    /// Until when votes count.
    pub expires_ms: u64,
}

/// Since when calendars count, or cases move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// The block after which they do.
    pub height: Height,
    /// Its time in milliseconds.
    pub time_ms: u64,
}

/// A text that was adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// What it is.
    pub kind: ProposalKind,
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// Hash of the text.
    pub text: Hash,
    /// Place of the item with the text.
    pub place: Position,
    /// Height of the block with the vote that decided.
    pub adopted: Height,
    /// The first height at which a definition is in force; calendars count from the block after it.
    pub effective: Height,
    /// Of a definition, the version whose cases move to it; 0 if none do.
    pub moves_from: u32,
    /// Since when calendars count, or cases of an older version move; none until then, and of what does neither.
    pub since: Option<Since>,
}

/// The list of all: what is open, what was decided last, what was adopted ever.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Register {
    /// Open proposals in the order in which they were made.
    pub open: Vec<Pending>,
    /// Proposals decided last, in that order.
    pub closed: Vec<ItemDigest>,
    /// Adopted texts in the order of their adoption.
    pub adopted: Vec<Adopted>,
    /// Cases below this one have been counted by the newest calendars, and moved; none when all have.
    pub recount: Option<[u8; 16]>,
    /// Height of the block that changed it last.
    pub changed: Height,
}

impl Register {
    /// Version of the newest adopted text of an id.
    #[must_use]
    pub fn newest(&self, kind: ProposalKind, id: &str) -> Option<u32> {
        let of_id = self.adopted.iter().filter(|adopted| (adopted.kind, adopted.id.as_str()) == (kind, id));
        of_id.map(|adopted| adopted.version).max()
    }
    /// Newest version of the calendars that count already, if any were adopted and do.
    pub(crate) fn counting(&self) -> Option<u32> {
        let calendars = self.adopted.iter().filter(|adopted| adopted.kind == ProposalKind::Calendars);
        calendars.filter(|adopted| adopted.since.is_some()).map(|adopted| adopted.version).max()
    }
    /// Whether calendars or moves of cases begin with the block of a height: an idle network wakes for it.
    pub(crate) fn begins_at(&self, height: Height) -> bool {
        let counting = self.counting();
        self.adopted.iter().filter(|adopted| adopted.since.is_none() && adopted.effective <= height).any(|adopted| {
            let newer = counting.is_none_or(|by| by < adopted.version);
            adopted.moves_from > 0 || (adopted.kind == ProposalKind::Calendars && newer)
        })
    }
    /// The version of a definition under which new cases are opened at a height: the newest adopted one that is in force.
    /// None while none of the adopted ones is.
    #[must_use]
    pub fn in_force(&self, id: &str, height: Height) -> Option<u32> {
        let of_id = self.adopted.iter().filter(|adopted| {
            (adopted.kind, adopted.id.as_str()) == (ProposalKind::Definition, id) && adopted.effective <= height
        });
        of_id.map(|adopted| adopted.version).max()
    }
    /// Whether an adopted version of a definition is not in force yet at a height.
    #[must_use]
    pub fn is_ahead(&self, id: &str, version: u32, height: Height) -> bool {
        self.adopted.iter().any(|adopted| {
            (adopted.kind, adopted.id.as_str(), adopted.version) == (ProposalKind::Definition, id, version)
                && adopted.effective > height
        })
    }
}

/// The state's key for a proposal: the first half of its item's digest tells it from all others.
#[must_use]
pub fn state_key(item: &ItemDigest) -> StateKey {
    let half: String = item.to_string().chars().take(32).collect();
    StateKey::Registry(REGISTRY_KIND, half)
}

/// Whether a key of the state is that of a proposal.
pub(crate) fn is_proposal_key(key: &[u8]) -> bool {
    key.starts_with(&[3, REGISTRY_KIND])
}

fn damaged(error: CodecError) -> StoreError {
    StoreError::Damaged { family: Family::Tree.name(), what: error.to_string() }
}

/// A proposal in the newest state.
///
/// # Errors
/// The store failed.
pub fn proposal(read: &dyn Read, item: &ItemDigest) -> Result<Option<Proposal>, StoreError> {
    let Some((_, value)) = tree::newest(read, &state_key(item))? else { return Ok(None) };
    decode(&value).map(Some).map_err(damaged)
}

/// The list in the newest state; none before there was a first proposal.
///
/// # Errors
/// The store failed.
pub fn register(read: &dyn Read) -> Result<Option<Register>, StoreError> {
    let Some((_, value)) = tree::newest(read, &StateKey::Governance)? else { return Ok(None) };
    decode(&value).map(Some).map_err(damaged)
}

/// All proposals that the newest state tells of: open ones, then those decided last, latest first.
///
/// # Errors
/// The store failed.
pub fn proposals(read: &dyn Read) -> Result<Vec<Proposal>, StoreError> {
    let Some(register) = register(read)? else { return Ok(Vec::new()) };
    let open = register.open.iter().map(|pending| &pending.item);
    let items: Vec<&ItemDigest> = open.chain(register.closed.iter().rev()).collect();
    let found = items.into_iter().map(|item| proposal(read, item)).collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().flatten().collect())
}
