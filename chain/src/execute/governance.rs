//! What execution does for changes by vote: takes up proposals, counts votes, adopts, and says what that costs. Must never
//! leave anything of what was refused.
//!
//! Read `judge` beside it (what may be proposed, which vote counts), then `begin` (what a block does by itself).

mod begin;
mod judge;

use std::collections::BTreeMap;

use laufzettel_contracts::AuthorityId;

pub(crate) use self::judge::{check_room, check_text, check_vote};
use super::Execution;
use crate::codec::encode;
use crate::crypto::Hash;
use crate::ids::{Height, ItemDigest};
use crate::item::Action;
use crate::limits;
use crate::proposal::{Change, ProposalKind};
use crate::receipt::Code;
use crate::registry::adopted;
use crate::state::case::Origin;
use crate::state::governance::{self, Adopted, Pending, Proposal, Register, Standing, Vote};
use crate::storage::{Family, StoreError};
use crate::tree::{self, StateKey};

/// What a block changes of proposals and of what is adopted.
#[derive(Default)]
pub(super) struct Governing {
    /// The list as it is by now; none while it is as the registry has it.
    register: Option<Register>,
    /// Proposals looked at, with the height of their last change before.
    proposals: BTreeMap<ItemDigest, (Option<Height>, Proposal)>,
    /// Texts of proposals made in this block.
    texts: BTreeMap<ItemDigest, String>,
    /// Values of decided proposals that nothing tells of any more.
    forgotten: Vec<(ItemDigest, Option<Height>)>,
    /// Names and hashes of texts adopted in this block.
    adopted: Vec<(ProposalKind, String, Hash)>,
}

impl Execution<'_> {
    /// What an item that concerns no case adds to the work, as things stand before its transaction.
    pub(super) fn work_of(&mut self, action: &Action, by: &str) -> Result<u64, StoreError> {
        Ok(match action {
            Action::Propose(change) => {
                let text = (change.text.len() as u64).checked_div(limits::PROPOSE_BYTES_PER_WORK).unwrap_or(u64::MAX);
                limits::PROPOSE_WORK.saturating_add(text)
            }
            Action::Vote { proposal, yes } if self.would_adopt(proposal, *yes, by)? => limits::ADOPT_WORK,
            Action::Vote { .. } => limits::VOTE_WORK,
            Action::OpenCase { .. }
            | Action::Report(_)
            | Action::Correct { .. }
            | Action::Retract { .. }
            | Action::CompleteTask { .. }
            | Action::Acknowledge { .. }
            | Action::ClearanceCheck { .. }
            | Action::Evidence(_) => limits::EVIDENCE_WORK,
        })
    }
    /// Whether a vote is the one with which a proposal is adopted.
    fn would_adopt(&mut self, item: &ItemDigest, yes: bool, by: &str) -> Result<bool, StoreError> {
        let (registry, height, time_ms) = (self.registry, self.place.height, self.place.time_ms);
        let decides = self.conduct.decides;
        let Ok(by) = AuthorityId::new(by) else { return Ok(false) };
        let Some(proposal) = self.proposal(item)? else { return Ok(false) };
        if !yes || check_vote(registry, proposal, yes, &by, time_ms).is_err() {
            return Ok(false);
        }
        let mut voted = proposal.clone();
        voted.votes.insert(by, Vote { yes, height });
        Ok(decides(&voted, &registry.validators) == Standing::Adopted)
    }
    fn register(&self) -> &Register {
        self.governing.register.as_ref().unwrap_or(&self.registry.register)
    }
    fn register_mut(&mut self) -> &mut Register {
        let Self { governing, registry, .. } = self;
        governing.register.get_or_insert_with(|| Register::clone(&registry.register))
    }
    fn proposal(&mut self, item: &ItemDigest) -> Result<Option<&mut Proposal>, StoreError> {
        if !self.governing.proposals.contains_key(item) {
            let Some(found) = governance::proposal(self.read, item)? else { return Ok(None) };
            // The key in the state is half a digest.
            if found.item != *item {
                return Ok(None);
            }
            self.governing.proposals.insert(*item, (Some(found.changed), found));
        }
        Ok(self.governing.proposals.get_mut(item).map(|(_, proposal)| proposal))
    }
    /// Takes up a proposal. Who proposes and has a vote has voted for it.
    pub(super) fn propose(
        &mut self,
        change: &Change,
        item: ItemDigest,
        origin: &Origin<'_>,
    ) -> Result<Result<(), Code>, StoreError> {
        let half = |item: &ItemDigest| governance::state_key(item);
        let taken = self.governing.proposals.keys().any(|known| half(known) == half(&item));
        if taken || tree::newest(self.read, &half(&item))?.is_some() {
            return Ok(Err(Code::ItemRepeated));
        }
        let height = self.place.height;
        if let Err(code) = check_room(self.register(), change, origin.authority, height) {
            return Ok(Err(code));
        }
        let sound = match check_text(self.registry, self.register(), change) {
            Ok(sound) => sound,
            Err(code) => return Ok(Err(code)),
        };
        let mut proposal = Proposal {
            item,
            kind: change.kind,
            id: sound.id,
            version: sound.version,
            base: sound.base,
            text: adopted::hash_of(change.kind, &sound.text),
            proposer: origin.authority.clone(),
            place: origin.position,
            expires_ms: self.place.time_ms.saturating_add(limits::PROPOSAL_OPEN_MS),
            effective_height: change.effective_height,
            must_agree: change.must_agree.clone(),
            moves: !change.moves.is_empty(),
            votes: BTreeMap::new(),
            standing: Standing::Open,
            changed: height,
        };
        if proposal.may_vote(origin.authority, &self.registry.validators) {
            proposal.votes.insert(origin.authority.clone(), Vote { yes: true, height });
        }
        let pending = Pending { item, proposer: origin.authority.clone(), expires_ms: proposal.expires_ms };
        self.register_mut().open.push(pending);
        self.governing.texts.insert(item, sound.text);
        self.governing.proposals.insert(item, (None, proposal));
        self.decide(&item)?;
        Ok(Ok(()))
    }
    /// Counts a vote. It may be changed as long as the proposal is open.
    pub(super) fn vote(
        &mut self,
        item: &ItemDigest,
        yes: bool,
        by: &AuthorityId,
    ) -> Result<Result<(), Code>, StoreError> {
        let (registry, height, time_ms) = (self.registry, self.place.height, self.place.time_ms);
        let Some(proposal) = self.proposal(item)? else { return Ok(Err(Code::ProposalUnknown)) };
        if let Err(code) = check_vote(registry, proposal, yes, by, time_ms) {
            return Ok(Err(code));
        }
        proposal.votes.insert(by.clone(), Vote { yes, height });
        proposal.changed = height;
        self.decide(item)?;
        Ok(Ok(()))
    }
    /// Adopts or rejects a proposal if its votes suffice.
    fn decide(&mut self, item: &ItemDigest) -> Result<(), StoreError> {
        let (validators, decides) = (&self.registry.validators, self.conduct.decides);
        let Some(proposal) = self.proposal(item)? else { return Ok(()) };
        match decides(proposal, validators) {
            Standing::Adopted => {
                let proposal = proposal.clone();
                self.adopt(&proposal)
            }
            Standing::Rejected => self.close_proposal(item, Standing::Rejected),
            Standing::Open | Standing::Expired | Standing::Superseded => Ok(()),
        }
    }
    /// Makes a text one of the network's. Other changes of the same text were compared with what is not the newest any
    /// more: they are superseded.
    fn adopt(&mut self, proposal: &Proposal) -> Result<(), StoreError> {
        let height = self.place.height;
        let text = match self.governing.texts.get(&proposal.item) {
            Some(text) => text.clone(),
            None => adopted::text_at(self.read, &proposal.place)?,
        };
        let (kind, name) = (proposal.kind, format!("{}@{}", proposal.id, proposal.version));
        let row = [[registry_kind(kind)].as_slice(), name.as_bytes()].concat();
        self.batch.put(Family::Registry, row, text.into_bytes());
        self.governing.adopted.push((kind, name, proposal.text));
        self.register_mut().adopted.push(Adopted {
            kind,
            id: proposal.id.clone(),
            version: proposal.version,
            text: proposal.text,
            place: proposal.place,
            adopted: height,
            effective: proposal.effective_height.max(height.saturating_add(1)),
            moves_from: if proposal.moves { proposal.base } else { 0 },
            since: None,
        });
        self.close_proposal(&proposal.item, Standing::Adopted)?;
        let open: Vec<ItemDigest> = self.register().open.iter().map(|pending| pending.item).collect();
        for item in open {
            let other = self.proposal(&item)?;
            if other.is_some_and(|other| (other.kind, &other.id) == (kind, &proposal.id)) {
                self.close_proposal(&item, Standing::Superseded)?;
            }
        }
        Ok(())
    }
    /// Ends a proposal. The state tells of the last ones that ended.
    fn close_proposal(&mut self, item: &ItemDigest, standing: Standing) -> Result<(), StoreError> {
        let height = self.place.height;
        if let Some(proposal) = self.proposal(item)? {
            (proposal.standing, proposal.changed) = (standing, height);
        }
        let register = self.register_mut();
        register.open.retain(|pending| pending.item != *item);
        register.closed.push(*item);
        if register.closed.len() > limits::PROPOSALS_CLOSED_MAX {
            let oldest = register.closed.remove(0);
            self.proposal(&oldest)?;
            let previous = self.governing.proposals.remove(&oldest).and_then(|(previous, _)| previous);
            self.governing.forgotten.push((oldest, previous));
        }
        Ok(())
    }
    /// The values of the state that changed; whether any did.
    pub(super) fn change_governance(&mut self, changes: &mut Vec<tree::Change>) -> bool {
        let height = self.place.height;
        let before = self.registry.register.changed;
        let Some(register) = self.governing.register.take().map(|register| Register { changed: height, ..register })
        else {
            // A vote that decides nothing leaves the list as it is.
            return self.put_proposals(changes);
        };
        let previous = (before > 0).then_some(before);
        changes.push(tree::Change { key: StateKey::Governance, value: Some(encode(&register)), previous });
        for (item, previous) in std::mem::take(&mut self.governing.forgotten) {
            if previous.is_some() {
                changes.push(tree::Change { key: governance::state_key(&item), value: None, previous });
            }
        }
        for (kind, name, hash) in std::mem::take(&mut self.governing.adopted) {
            let key = StateKey::Registry(registry_kind(kind), name);
            changes.push(tree::Change { key, value: Some(hash.to_vec()), previous: None });
        }
        self.put_proposals(changes);
        true
    }
    fn put_proposals(&mut self, changes: &mut Vec<tree::Change>) -> bool {
        let height = self.place.height;
        let proposals = std::mem::take(&mut self.governing.proposals);
        let mut any = false;
        for (item, (previous, proposal)) in proposals.iter().filter(|(_, (_, proposal))| proposal.changed == height) {
            let (key, value) = (governance::state_key(item), Some(encode(proposal)));
            changes.push(tree::Change { key, value, previous: *previous });
            any = true;
        }
        any
    }
}

/// Kind of the values of adopted texts in the registry part of the state.
pub(crate) fn registry_kind(kind: ProposalKind) -> u8 {
    match kind {
        ProposalKind::Definition => 3,
        ProposalKind::Calendars => 5,
    }
}
