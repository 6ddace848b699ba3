//! What was proposed, voted and adopted, by a model that reads the items of blocks and follows docs/GOVERNANCE.md word by
//! word: how each proposal and vote must have been answered, what is in force at which height, and which cases move. It
//! shares with the product the checker of texts, and nothing that counts or compares. Must never ask the ledger.
//!
//! Read `gains` beside it: who has to agree, and whether a mapping carries cases; `held` compares with what nodes have.

mod held;

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{Height, ItemDigest, KeyId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::proposal::{Change, ProposalKind};
use laufzettel_chain::receipt::Code as Answer;
use laufzettel_chain::registry::Purpose;
use laufzettel_chain::state::governance::Standing;
use laufzettel_contracts::{AuthorityId, Calendars, Code, Definition, Position};

use super::At;
use super::gains::{carries, must_agree};

/// How long a proposal is open: 30 days.
const OPEN_MS: u64 = 30 * 24 * 3_600_000;
/// Open proposals of one authority, and of all.
const OWN_MAX: usize = 2;
const ALL_MAX: usize = 64;
/// How far ahead of the block a proposal's height may be.
const AHEAD_MAX: u64 = 50_000_000;

/// A proposal that was taken up.
struct Proposed {
    item: ItemDigest,
    change: Change,
    id: String,
    version: u32,
    base: u32,
    by: AuthorityId,
    place: Position,
    until_ms: u64,
    votes: BTreeMap<AuthorityId, (bool, Height)>,
    standing: Standing,
}

/// A text that was adopted.
struct Taken {
    kind: ProposalKind,
    id: String,
    version: u32,
    place: Position,
    adopted: Height,
    effective: Height,
    moves_from: u32,
    moves: BTreeMap<Code, Code>,
    text: String,
    /// The block after which calendars count, or cases move, and its time.
    since: Option<(Height, u64)>,
}

/// All proposals, votes and adoptions so far.
pub(super) struct Votes<'m> {
    genesis: &'m Genesis,
    /// In the order in which they were taken up.
    proposals: Vec<Proposed>,
    /// Those that are decided, in that order.
    closed: Vec<ItemDigest>,
    taken: Vec<Taken>,
    definitions: BTreeMap<(String, u32), Arc<Definition>>,
    /// By the block after which they count.
    calendars: Vec<(Height, Arc<Calendars>)>,
    /// Votes that counted, and what did not.
    counted: u64,
    disregarded: u64,
    /// The last block after which all cases began to be looked at.
    begun: Height,
}

/// An item of no case, and what became of it.
pub(super) struct Governs<'i> {
    pub(super) item: &'i Item,
    pub(super) by: &'i AuthorityId,
    pub(super) place: Position,
    /// Keys that signed.
    pub(super) keys: &'i [KeyId],
    pub(super) answer: Answer,
}

impl<'m> Votes<'m> {
    pub(super) fn new(genesis: &'m Genesis) -> Self {
        let registry = &genesis.registry;
        let calendars = registry.calendars.iter().map(|calendars| (0, calendars.clone())).collect();
        let definitions = registry.definitions.clone();
        let (proposals, closed, taken) = (Vec::new(), Vec::new(), Vec::new());
        let (counted, disregarded, begun) = (0, 0, 0);
        Self { genesis, proposals, closed, taken, definitions, calendars, counted, disregarded, begun }
    }

    /// The calendars by which the block of a height counts.
    pub(super) fn calendars_at(&self, height: Height) -> Option<&Arc<Calendars>> {
        self.calendars.iter().rev().find(|(since, _)| *since < height).map(|(_, calendars)| calendars)
    }
    pub(super) fn definition(&self, id: &str, version: u32) -> Option<&Arc<Definition>> {
        self.definitions.get(&(id.to_owned(), version))
    }
    /// The version that cases of this one have moved to by the block of a height, and how their statuses are called there.
    pub(super) fn moved(&self, id: &str, version: u32, height: Height) -> Option<(u32, &BTreeMap<Code, Code>)> {
        let moves = |taken: &&Taken| taken.id == id && taken.moves_from == version && version > 0;
        let taken = self.taken.iter().find(moves)?;
        taken.since.filter(|(since, _)| *since < height).map(|_| (taken.version, &taken.moves))
    }
    /// The last block after which all cases began to be looked at, those that move and those that are counted anew.
    pub(super) fn begun(&self) -> Height {
        self.begun
    }
    fn definitions_of<'t>(&'t self, id: &'t str) -> impl Iterator<Item = &'t Taken> {
        self.taken.iter().filter(move |taken| taken.kind == ProposalKind::Definition && taken.id == id)
    }
    /// How opening a case under a version must be answered as far as what was adopted decides it.
    pub(super) fn opens(&self, id: &str, version: u32, height: Height, answer: Answer) -> Result<(), String> {
        let in_force = self.definitions_of(id).filter(|taken| taken.effective <= height).map(|taken| taken.version);
        let newest = in_force.max();
        let ahead = self.definitions_of(id).any(|taken| taken.version == version && taken.effective > height);
        let expected = match newest {
            _ if ahead || self.definition(id, version).is_none() => Some(Answer::DefinitionUnknown),
            Some(newest) if version < newest => Some(Answer::DefinitionSuperseded),
            _ => None,
        };
        let of_this = matches!(answer, Answer::DefinitionUnknown | Answer::DefinitionSuperseded);
        match expected {
            Some(expected) if answer != expected && answer != Answer::KeyPurpose => {
                Err(format!("{id}@{version} is opened ({answer:?}) though that is {expected:?}"))
            }
            None if of_this => Err(format!("{id}@{version} is not opened ({answer:?}) though it is in force")),
            _ => Ok(()),
        }
    }

    /// Takes a proposal or a vote; what is wrong with how it was answered.
    pub(super) fn take(&mut self, at: At, governs: &Governs<'_>) -> Result<(), String> {
        let purpose = |key: &KeyId| self.genesis.registry.keys.get(key).map(|key| key.purpose);
        let person = governs.keys.iter().any(|key| purpose(key) == Some(Purpose::Governance));
        let expected = match &governs.item.action {
            Action::Propose(_) | Action::Vote { .. } if !person => Err(Answer::KeyPurpose),
            Action::Propose(change) => self.propose(at, change, governs),
            Action::Vote { proposal, yes } => self.vote(at, proposal, *yes, governs.by),
            _ => return Ok(()),
        };
        self.disregarded += u64::from(expected.is_err());
        let expected = expected.err().unwrap_or(Answer::Accepted);
        let what = if matches!(governs.item.action, Action::Propose(_)) { "proposal" } else { "vote" };
        if expected == governs.answer {
            return Ok(());
        }
        Err(format!("a {what} of {} is answered {:?} for {expected:?}", governs.by, governs.answer))
    }
    fn propose(&mut self, at: At, change: &Change, governs: &Governs<'_>) -> Result<(), Answer> {
        if self.proposals.iter().any(|known| known.item == governs.item.digest) {
            return Err(Answer::ItemRepeated);
        }
        let open = || self.proposals.iter().filter(|known| known.standing == Standing::Open);
        if open().count() >= ALL_MAX || open().filter(|known| known.by == *governs.by).count() >= OWN_MAX {
            return Err(Answer::TooManyProposals);
        }
        let named = change.effective_height;
        if named != 0 && (named < at.height || named - at.height > AHEAD_MAX) {
            return Err(Answer::EffectiveHeightWrong);
        }
        let text = String::from_utf8(change.text.clone()).map_err(|_| Answer::TextRefused)?;
        let (id, version, base) = match change.kind {
            ProposalKind::Definition => self.of_definition(at, change, &text)?,
            ProposalKind::Calendars => self.of_calendars(change, &text)?,
        };
        let mut votes = BTreeMap::new();
        if self.power(governs.by) > 0 || change.must_agree.contains(governs.by) {
            votes.insert(governs.by.clone(), (true, at.height));
        }
        self.proposals.push(Proposed {
            item: governs.item.digest,
            change: change.clone(),
            id,
            version,
            base,
            by: governs.by.clone(),
            place: governs.place,
            until_ms: at.time_ms + OPEN_MS,
            votes,
            standing: Standing::Open,
        });
        self.decide(at, self.proposals.len() - 1);
        Ok(())
    }
    fn of_definition(&self, at: At, change: &Change, text: &str) -> Result<(String, u32, u32), Answer> {
        let new = Definition::check(text).map_err(|_| Answer::TextRefused)?.definition;
        let (id, version) = (new.id().to_owned(), new.version());
        // What this very block has adopted is compared with nothing yet.
        let fresh = self.definitions_of(&id).any(|taken| taken.adopted == at.height);
        let of_id = self.definitions.range((id.clone(), 0)..=(id.clone(), u32::MAX));
        let old = of_id.last().map(|(_, definition)| definition.as_ref());
        let base = old.map_or(0, Definition::version);
        if fresh || version <= base {
            return Err(Answer::VersionNotNewer);
        }
        if must_agree(old, &new, &self.genesis.registry.directory) != change.must_agree {
            return Err(Answer::AgreementListWrong);
        }
        let carried = change.moves.is_empty() || old.is_some_and(|old| carries(old, &new, &change.moves));
        if carried { Ok((id, version, base)) } else { Err(Answer::MappingWrong) }
    }
    fn of_calendars(&self, change: &Change, text: &str) -> Result<(String, u32, u32), Answer> {
        let new = Calendars::check(text).map_err(|_| Answer::TextRefused)?.calendars;
        let (_, first) = self.calendars.first().ok_or(Answer::TextRefused)?;
        if new.id() != first.id() {
            return Err(Answer::TextRefused);
        }
        let adopted = self.taken.iter().filter(|taken| taken.kind == ProposalKind::Calendars);
        let base = adopted.map(|taken| taken.version).chain([first.version()]).max().unwrap_or(0);
        match () {
            () if new.version() <= base => Err(Answer::VersionNotNewer),
            () if !change.must_agree.is_empty() => Err(Answer::AgreementListWrong),
            () if !change.moves.is_empty() => Err(Answer::MappingWrong),
            () => Ok((new.id().to_owned(), new.version(), base)),
        }
    }
    fn vote(&mut self, at: At, item: &ItemDigest, yes: bool, by: &AuthorityId) -> Result<(), Answer> {
        let power = self.power(by);
        let place = self.proposals.iter().position(|known| known.item == *item).ok_or(Answer::ProposalUnknown)?;
        let proposal = self.proposals.get_mut(place).ok_or(Answer::ProposalUnknown)?;
        if proposal.standing != Standing::Open || at.time_ms > proposal.until_ms {
            return Err(Answer::ProposalClosed);
        }
        if power == 0 && !proposal.change.must_agree.contains(by) {
            return Err(Answer::NoVote);
        }
        if proposal.votes.get(by).is_some_and(|(before, _)| *before == yes) {
            return Err(Answer::VoteRepeated);
        }
        proposal.votes.insert(by.clone(), (yes, at.height));
        self.counted += 1;
        self.decide(at, place);
        Ok(())
    }
    fn power(&self, of: &AuthorityId) -> u64 {
        self.genesis.registry.validators.of_authority(of.as_str()).map_or(0, |validator| validator.power)
    }
    /// More than two thirds of the power, and a yes of all who have to agree; or no way to get there any more.
    fn decide(&mut self, at: At, place: usize) {
        let all: u64 = self
            .genesis
            .registry
            .authorities
            .keys()
            .filter_map(|id| AuthorityId::new(id).ok())
            .map(|id| self.power(&id))
            .sum();
        let Some(proposal) = self.proposals.get(place) else { return };
        let of = |what: bool| -> u64 {
            let voted = proposal.votes.iter().filter(|(_, (yes, _))| *yes == what);
            voted.map(|(by, _)| self.power(by)).sum()
        };
        let (yes, no) = (of(true), of(false));
        let said = |what: bool| {
            let said = |by: &&AuthorityId| proposal.votes.get(*by).is_some_and(|(yes, _)| *yes == what);
            proposal.change.must_agree.iter().filter(said).count()
        };
        if said(false) > 0 || 3 * (all - no) <= 2 * all {
            self.close(place, Standing::Rejected);
        } else if 3 * yes > 2 * all && said(true) == proposal.change.must_agree.len() {
            self.adopt(at, place);
        }
    }
    fn close(&mut self, place: usize, standing: Standing) {
        let Some(proposal) = self.proposals.get_mut(place) else { return };
        proposal.standing = standing;
        self.closed.push(proposal.item);
    }
    fn adopt(&mut self, at: At, place: usize) {
        self.close(place, Standing::Adopted);
        let Some(proposal) = self.proposals.get(place) else { return };
        let change = &proposal.change;
        let taken = Taken {
            kind: change.kind,
            id: proposal.id.clone(),
            version: proposal.version,
            place: proposal.place,
            adopted: at.height,
            effective: change.effective_height.max(at.height + 1),
            moves_from: if change.moves.is_empty() { 0 } else { proposal.base },
            moves: change.moves.clone(),
            text: String::from_utf8_lossy(&change.text).into_owned(),
            since: None,
        };
        let same = |other: &Proposed| {
            other.standing == Standing::Open && (other.change.kind, &other.id) == (taken.kind, &taken.id)
        };
        let others: Vec<usize> = (0..).zip(&self.proposals).filter(|(_, one)| same(one)).map(|(at, _)| at).collect();
        for other in others {
            self.close(other, Standing::Superseded);
        }
        self.taken.push(taken);
    }

    /// The end of a block: what was open too long expires, new definitions are there, calendars and moves whose height has
    /// come begin.
    pub(super) fn end(&mut self, at: At) {
        let late = |one: &Proposed| one.standing == Standing::Open && one.until_ms < at.time_ms;
        let late: Vec<usize> = (0..).zip(&self.proposals).filter(|(_, one)| late(one)).map(|(at, _)| at).collect();
        for place in late {
            self.close(place, Standing::Expired);
        }
        for taken in self.taken.iter().filter(|taken| taken.kind == ProposalKind::Definition) {
            let key = (taken.id.clone(), taken.version);
            if let (false, Ok(checked)) = (self.definitions.contains_key(&key), Definition::check(&taken.text)) {
                self.definitions.insert(key, Arc::new(checked.definition));
            }
        }
        let since = Some((at.height, at.time_ms));
        let come = |taken: &Taken| taken.since.is_none() && taken.effective <= at.height;
        for taken in self.taken.iter_mut().filter(|taken| taken.moves_from > 0 && come(taken)) {
            (taken.since, self.begun) = (since, at.height);
        }
        let newest = self.calendars.last().map_or(0, |(_, calendars)| calendars.version());
        let calendars = |taken: &&mut Taken| taken.kind == ProposalKind::Calendars && come(taken);
        let all = self.taken.iter_mut().filter(calendars);
        let Some(begins) = all.max_by_key(|taken| taken.version).filter(|taken| taken.version > newest) else { return };
        (begins.since, self.begun) = (since, at.height);
        if let (Some((_, last)), Ok(checked)) = (self.calendars.last(), Calendars::check(&begins.text)) {
            let since_ms = i64::try_from(at.time_ms).unwrap_or(i64::MAX);
            let next = checked.calendars.after(last.clone(), since_ms);
            self.calendars.push((at.height, Arc::new(next)));
        }
    }
}
