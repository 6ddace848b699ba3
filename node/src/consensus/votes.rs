//! All votes of the undecided height whose signatures hold: what the gate
//! counts, what is sent again to lossy links, and what saves the core a second
//! check of the same signature. One vote per validator, round and kind; a
//! second, different one is the core's to keep as evidence.

use std::collections::BTreeMap;

use laufzettel_chain::ids::{Address, BlockId};
use laufzettel_chain::validators::ValidatorSet;
use laufzettel_chain::vote::{Signed, Vote, VoteType};

/// Rounds this far above the current one are kept.
pub(crate) const ROUNDS_AHEAD: u32 = 10;
/// Rounds this far below the current one are kept.
const ROUNDS_BEHIND: u32 = 20;

/// The votes of one height.
#[derive(Debug, Clone, Default)]
pub(crate) struct Votes {
    held: BTreeMap<(u32, VoteType, Address), Signed<Vote>>,
    changed: bool,
}

impl Votes {
    pub(crate) fn has(&self, vote: &Signed<Vote>) -> bool {
        self.at(&vote.message).is_some_and(|held| held == vote)
    }
    pub(crate) fn at(&self, vote: &Vote) -> Option<&Signed<Vote>> {
        self.held.get(&(vote.round, vote.vote_type, vote.address))
    }
    /// Keeps a verified vote; the first of its place stays.
    pub(crate) fn insert(&mut self, vote: Signed<Vote>) {
        let place = (vote.message.round, vote.message.vote_type, vote.message.address);
        self.held.entry(place).or_insert(vote);
        self.changed = true;
    }
    /// Whether votes came since the last time this was asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }
    pub(crate) fn prune(&mut self, round: u32) {
        let first = round.saturating_sub(ROUNDS_BEHIND);
        self.held = self.held.split_off(&(first, VoteType::Prevote, Address([0; 16])));
    }
    pub(crate) fn all(&self) -> impl Iterator<Item = &Signed<Vote>> {
        self.held.values()
    }
    pub(crate) fn of_round(&self, round: u32) -> Vec<Signed<Vote>> {
        self.held.iter().filter(|(place, _)| place.0 == round).map(|(_, vote)| vote.clone()).collect()
    }
    pub(crate) fn round_max(&self) -> Option<u32> {
        self.held.keys().next_back().map(|place| place.0)
    }
    /// Voting power of prevotes for a block in a round.
    pub(crate) fn prevote_power(&self, round: u32, block: BlockId, validators: &ValidatorSet) -> u128 {
        let for_it = |vote: &&Signed<Vote>| {
            let vote = &vote.message;
            vote.round == round && vote.vote_type == VoteType::Prevote && vote.value == Some(block)
        };
        self.held.values().filter(for_it).map(|vote| power(validators, &vote.message.address)).sum()
    }
    /// Voting power of all that voted at all.
    pub(crate) fn voter_power(&self, validators: &ValidatorSet) -> u128 {
        let voters: std::collections::BTreeSet<Address> = self.held.keys().map(|place| place.2).collect();
        voters.iter().map(|address| power(validators, address)).sum()
    }
    /// Blocks that more than a third voted for in one round, with their voters.
    pub(crate) fn supported(&self, validators: &ValidatorSet) -> Vec<(BlockId, Vec<Address>)> {
        let mut by_block: BTreeMap<(u32, VoteType, BlockId), Vec<Address>> = BTreeMap::new();
        for ((round, vote_type, address), vote) in &self.held {
            if let Some(block) = vote.message.value {
                by_block.entry((*round, *vote_type, block)).or_default().push(*address);
            }
        }
        let supported =
            |voters: &Vec<Address>| validators.is_third(voters.iter().map(|address| power(validators, address)).sum());
        by_block.into_iter().filter(|(_, voters)| supported(voters)).map(|(key, voters)| (key.2, voters)).collect()
    }
}

fn power(validators: &ValidatorSet, address: &Address) -> u128 {
    validators.get(address).map_or(0, |validator| u128::from(validator.power))
}
