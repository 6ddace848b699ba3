//! What execution does for changes by vote: judges proposals, counts votes, adopts, closes what has expired, and has
//! cases counted anew when new calendars begin to count. Must never believe a proposal's own word of who has to agree.

use std::collections::BTreeMap;

use laufzettel_contracts::{AuthorityId, Calendars, Definition, diff};

use super::Execution;
use crate::codec::encode;
use crate::crypto::Hash;
use crate::ids::{CaseId, Height, ItemDigest};
use crate::index;
use crate::item::Action;
use crate::limits;
use crate::proposal::{Change, ProposalKind};
use crate::receipt::Code;
use crate::registry::{Registry, adopted};
use crate::state::case::{CaseRow, Origin};
use crate::state::governance::{self, Adopted, Pending, Proposal, Register, Since, Standing, Vote};
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

/// What an item that concerns no case adds to the work.
pub(super) fn work(action: &Action) -> u64 {
    match action {
        Action::Propose(_) => limits::PROPOSE_WORK,
        Action::Vote { .. } => limits::VOTE_WORK,
        Action::OpenCase { .. }
        | Action::Report(_)
        | Action::Correct { .. }
        | Action::Retract { .. }
        | Action::CompleteTask { .. }
        | Action::Acknowledge { .. }
        | Action::ClearanceCheck { .. }
        | Action::Evidence(_) => limits::EVIDENCE_WORK,
    }
}

/// A proposed text that was found sound.
pub(crate) struct Sound {
    pub(crate) id: String,
    pub(crate) version: u32,
    pub(crate) base: u32,
    pub(crate) text: String,
}

/// Whether a proposal may be made at all: what can be said without reading its text.
pub(crate) fn check_room(register: &Register, change: &Change, by: &AuthorityId, height: Height) -> Result<(), Code> {
    let own = register.open.iter().filter(|pending| pending.proposer == *by).count();
    if own >= limits::PROPOSALS_OPEN_OWN_MAX
        || register.open.len() >= limits::PROPOSALS_OPEN_MAX
        || register.adopted.len() >= limits::ADOPTED_MAX
    {
        return Err(Code::TooManyProposals);
    }
    let ahead = height.saturating_add(limits::EFFECTIVE_HEIGHTS_AHEAD_MAX);
    if change.effective_height != 0 && !(height..=ahead).contains(&change.effective_height) {
        return Err(Code::EffectiveHeightWrong);
    }
    Ok(())
}

/// Judges a proposed text against the newest one there is, and the list of who has to agree.
pub(crate) fn check_text(registry: &Registry, register: &Register, change: &Change) -> Result<Sound, Code> {
    let text = core::str::from_utf8(&change.text).map_err(|_| Code::TextRefused)?;
    let sound = |id: &str, version, base| Sound { id: id.to_owned(), version, base, text: text.to_owned() };
    match change.kind {
        ProposalKind::Definition => {
            let new = Definition::check(text).map_err(|_| Code::TextRefused)?.definition;
            if new.language() > u32::from(registry.protocol) {
                return Err(Code::TextRefused);
            }
            let old = registry.newest(new.id());
            // What was adopted in this very block is not in the registry yet: its successor waits for the next.
            let base = old.map_or(0, |old| old.version());
            if new.version() <= base.max(register.newest(change.kind, new.id()).unwrap_or(0)) {
                return Err(Code::VersionNotNewer);
            }
            if register.newest(change.kind, new.id()).is_some_and(|newest| newest > base) {
                return Err(Code::VersionNotNewer);
            }
            let gains = diff::gains(old.map(AsRef::as_ref), &new);
            let must_agree = diff::must_agree(&gains, &registry.directory);
            if !must_agree.iter().eq(&change.must_agree) {
                return Err(Code::AgreementListWrong);
            }
            if !change.moves.is_empty() {
                let old = old.ok_or(Code::MappingWrong)?;
                diff::check_mapping(old, &new, &change.moves).map_err(|_| Code::MappingWrong)?;
            }
            Ok(sound(new.id(), new.version(), base))
        }
        ProposalKind::Calendars => {
            let new = Calendars::check(text).map_err(|_| Code::TextRefused)?.calendars;
            let (_, first) = registry.calendars_since.first().ok_or(Code::TextRefused)?;
            // A network counts by one text: another id would be another text.
            if new.id() != first.id() {
                return Err(Code::TextRefused);
            }
            let base = register.newest(change.kind, new.id()).unwrap_or(0).max(first.version());
            if new.version() <= base {
                return Err(Code::VersionNotNewer);
            }
            if !change.must_agree.is_empty() {
                return Err(Code::AgreementListWrong);
            }
            if !change.moves.is_empty() {
                return Err(Code::MappingWrong);
            }
            Ok(sound(new.id(), new.version(), base))
        }
    }
}

/// Whether a vote counts: the proposal is open at this time, the authority has a vote, and it is not the one that stands.
pub(crate) fn check_vote(
    registry: &Registry,
    proposal: &Proposal,
    yes: bool,
    by: &AuthorityId,
    time_ms: u64,
) -> Result<(), Code> {
    if proposal.standing != Standing::Open || time_ms > proposal.expires_ms {
        return Err(Code::ProposalClosed);
    }
    if !proposal.may_vote(by, &registry.validators) {
        return Err(Code::NoVote);
    }
    if proposal.votes.get(by).is_some_and(|vote| vote.yes == yes) {
        return Err(Code::VoteRepeated);
    }
    Ok(())
}

impl Execution<'_> {
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
    /// The block's own part, after its transactions: proposals expire, calendars begin to count, and cases are counted by
    /// the newest ones and move to other versions, a bounded number in a block.
    pub(super) fn govern(&mut self) -> Result<(), StoreError> {
        if self.registry.protocol < 2 {
            return Ok(());
        }
        let time_ms = self.place.time_ms;
        let late = self.register().open.iter().filter(|pending| pending.expires_ms < time_ms);
        let late: Vec<ItemDigest> = late.map(|pending| pending.item).collect();
        for item in late {
            self.close_proposal(&item, Standing::Expired)?;
        }
        self.recount()?;
        self.begin_calendars();
        self.begin_moves();
        Ok(())
    }
    /// Calendars whose height has come count from the next block on; older ones that come later never do.
    fn begin_calendars(&mut self) {
        let since = Since { height: self.place.height, time_ms: self.place.time_ms };
        let calendars = |adopted: &&Adopted| adopted.kind == ProposalKind::Calendars;
        let all = || self.register().adopted.iter().filter(calendars);
        let counting = self.register().counting();
        let come = all().filter(|adopted| {
            adopted.since.is_none()
                && adopted.effective <= since.height
                && counting.is_none_or(|by| by < adopted.version)
        });
        let Some(version) = come.map(|adopted| adopted.version).max() else { return };
        let register = self.register_mut();
        let found = register
            .adopted
            .iter_mut()
            .find(|adopted| adopted.kind == ProposalKind::Calendars && adopted.version == version);
        if let Some(begins) = found {
            begins.since = Some(since);
            register.recount = Some([0; 16]);
        }
    }
    /// Cases move from the block after the one whose height has come.
    fn begin_moves(&mut self) {
        let since = Since { height: self.place.height, time_ms: self.place.time_ms };
        let begins =
            |adopted: &Adopted| adopted.moves_from > 0 && adopted.since.is_none() && adopted.effective <= since.height;
        if !self.register().adopted.iter().any(begins) {
            return;
        }
        let register = self.register_mut();
        for adopted in register.adopted.iter_mut().filter(|adopted| begins(adopted)) {
            adopted.since = Some(since);
        }
        register.recount = Some([0; 16]);
    }
    /// Brings forward cases in the order of their ids: those last written under older calendars in which something is
    /// still to come, and those that move to another version.
    fn recount(&mut self) -> Result<(), StoreError> {
        let Some(from) = self.register().recount else { return Ok(()) };
        let since = self.registry.calendars_since.last().map_or(0, |(since, _)| *since);
        let page = index::cases_from(self.read, &from, limits::RECOUNT_CASES_MAX)?;
        let comes_at = (self.conduct.comes_at)(self.place.height);
        let (mut work, mut next) = (0u64, None);
        for id in page.iter().copied() {
            if work > limits::DUE_WORK_MAX {
                next = Some(id.0);
                break;
            }
            let Some(row) = CaseRow::load(self.read, &id)? else { continue };
            let waits = row.changed <= since && row.next_due_ms().is_some()
                || self.registry.moved(&row.definition, row.version, comes_at).is_some();
            let changed = self.before.get(&id).zip(self.cases.get(&id));
            let changed = changed.is_some_and(|(before, case)| *before != case.revision()) || self.due.contains(&id);
            if !waits || changed {
                continue;
            }
            let Some(case) = self.case(&id)? else { continue };
            work = work.saturating_add(super::effects::cost(case));
            std::sync::Arc::make_mut(case).touch_due();
            self.due.insert(id);
        }
        if next.is_none() && page.len() >= limits::RECOUNT_CASES_MAX {
            next = page.last().and_then(after);
        }
        self.register_mut().recount = next;
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

/// The first case id after this one; none after the last.
fn after(id: &CaseId) -> Option<[u8; 16]> {
    u128::from_be_bytes(id.0).checked_add(1).map(u128::to_be_bytes)
}
