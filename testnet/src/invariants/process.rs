//! What must hold of what follows from cases, by a model of its own that reads the chain from genesis on and knows
//! nothing of how the ledger executes:
//!
//! - no announcement is recorded while a lock stands that stops it, and none past a guard that nobody overrode; no fact
//!   is refused for either; a clearance check is answered by the locks;
//! - nothing due is lost: the first block after an instant brings what it brings, unless due work fills that block;
//! - every effect is there once, under one name, known since when it first arose; what is given no longer is withdrawn,
//!   for all who were told, and a lock that vanished is told to them until they have acknowledged it;
//! - a deviation silences nothing: what a rule asks without a condition is there for every report that stands;
//! - what every node keeps of a case is, to the byte, what a slow and obvious fold of the same reports gives;
//! - a text is adopted exactly with more than two thirds and the yes of all who have to agree; from its height on nothing
//!   is opened under an older version, cases move by its mapping, and new calendars count; none of them is forgotten.
//!
//! Read `case` (a case of the model), `memory` (what is to be remembered), `inbox` (what waits for whom), `judged` (how
//! items were answered), `rows` (what nodes keep), `votes` (what was proposed and adopted); `reference` is the slow fold that the tests of contracts/ use. Must never execute a block.

mod case;
mod gains;
mod inbox;
mod judged;
mod memory;
#[path = "../../../contracts/tests/effects/reference.rs"]
#[allow(clippy::expect_used, clippy::indexing_slicing, reason = "it stops at the first thing that does not hold")]
mod reference;
mod rows;
mod votes;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::block::Block;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{CaseId, Height, KeyId};
use laufzettel_chain::index::{self, Find};
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::stored_tip;
use laufzettel_chain::limits::{DUE_WORK_MAX, EFFECTS_WORK, RECOUNT_CASES_MAX};
use laufzettel_chain::query;
use laufzettel_chain::receipt::{Code, FLAG_DESPITE_LOCK, Receipt};
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::storage::{Read, StoreError};
use laufzettel_chain::transaction::Transaction;
use laufzettel_contracts::effect::{EffectId, Effects};
use laufzettel_contracts::{AuthorityId, Position};

use self::case::Case;
use self::inbox::name;
use self::judged::{judged, marked};
use self::votes::{Governs, Votes};
use self::world::Setting;
use super::{Held, Inboxed, Verdict};

/// Holds all nodes against the model.
pub(super) fn check(
    genesis: &Genesis,
    held: &[Held<'_>],
    inboxes: &[Inboxed],
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    if genesis.registry.protocol < 2 {
        return Ok(());
    }
    let mut tips = Vec::new();
    for one in held {
        tips.push(stored_tip(one.read, &genesis.registry)?.0.height());
    }
    let highest = held.iter().zip(&tips).max_by_key(|(_, tip)| **tip);
    let Some((highest, tip)) = highest.map(|(one, tip)| (one, *tip)) else { return Ok(()) };
    let (due, all) = due_heights(highest.read)?;
    let (cases, owners, votes) = (BTreeMap::new(), BTreeMap::new(), Votes::new(genesis));
    let mut model = Model { genesis, cases, due, all, owners, votes, pages: 0 };
    for height in 1..=tip {
        let mut found = None;
        for one in held {
            if let Some((block, _)) = query::block(one.read, height)? {
                found = Some((one, block));
                break;
            }
        }
        // That nobody has it is told by the walk over the chain.
        let Some((one, block)) = found else { return Ok(()) };
        model.block(one.read, &block, verdict)?;
        for seen in inboxes.iter().filter(|seen| seen.height == height) {
            inbox::seen(seen, model.cases.iter(), verdict);
        }
        for (one, _) in held.iter().zip(&tips).filter(|(_, tip)| **tip == height) {
            model.compare(one, block.header.time_ms, verdict)?;
        }
    }
    model.count(verdict);
    Ok(())
}

/// By height, cases that due work touched alone.
type DueHeights = BTreeMap<Height, BTreeSet<CaseId>>;

/// The heights at which due work alone touched a case, as a node has them, and how many cases there are.
fn due_heights(read: &dyn Read) -> Result<(DueHeights, usize), StoreError> {
    let mut due = DueHeights::new();
    let all = index::cases(read, Find::All, None, usize::MAX)?;
    for id in all.iter().copied() {
        for height in CaseRow::load(read, &id)?.iter().flat_map(CaseRow::due_heights) {
            due.entry(height).or_default().insert(id);
        }
    }
    Ok((due, all.len()))
}

/// All cases of language 2.
struct Model<'m> {
    genesis: &'m Genesis,
    cases: BTreeMap<CaseId, Case>,
    /// By height, cases that due work touched alone, as the nodes say.
    due: DueHeights,
    /// How many cases there are in the end, also without rules.
    all: usize,
    /// Whose each effect is.
    owners: BTreeMap<EffectId, CaseId>,
    votes: Votes<'m>,
    /// Blocks since all cases began to be looked at that did not end that early: each looks at so many.
    pages: usize,
}

/// A block's height and time.
#[derive(Clone, Copy)]
struct At {
    height: Height,
    time_ms: u64,
}

impl Model<'_> {
    fn block(&mut self, read: &dyn Read, block: &Block, verdict: &mut Verdict) -> Result<(), StoreError> {
        let at = At { height: block.header.height, time_ms: block.header.time_ms };
        let mut touched = BTreeSet::new();
        for case in self.cases.values_mut() {
            case.come_to(&self.votes, at.height);
        }
        for (index, signed) in (0u32..).zip(&block.body.transactions) {
            // What does not decode is told by the walk over the chain.
            let Ok(transaction) = signed.decode() else { continue };
            let receipts = query::receipts(read, at.height, index)?.unwrap_or_default();
            let Ok(author) = AuthorityId::new(&transaction.payload.authority) else { continue };
            let keys: Vec<KeyId> = signed.signatures.iter().map(|signature| signature.key_id).collect();
            self.govern(at, (index, &transaction, &author), &keys, &receipts, verdict);
            self.transaction(at, (index, &transaction, &author), &receipts, &mut touched, verdict);
        }
        self.due_work(at, &touched, verdict);
        for id in touched {
            self.advance(at, &id, verdict);
        }
        self.votes.end(at);
        if self.votes.begun() == at.height {
            self.pages = 0;
        }
        Ok(())
    }

    /// What is proposed and voted in a transaction, and whether its cases are opened under versions in force.
    fn govern(
        &mut self,
        at: At,
        (index, transaction, by): (u32, &Transaction, &AuthorityId),
        keys: &[KeyId],
        receipts: &[Receipt],
        verdict: &mut Verdict,
    ) {
        for ((item, receipt), number) in transaction.items.iter().zip(receipts).zip(0u16..) {
            let Some(item) = item else { continue };
            let answer = receipt.code;
            let said = match &item.action {
                Action::OpenCase { definition, version } => self.votes.opens(definition, *version, at.height, answer),
                _ => {
                    let place = Position { height: at.height, transaction: index, item: number };
                    self.votes.take(at, &Governs { item, by, place, keys, answer })
                }
            };
            if let Err(said) = said {
                verdict.violated(format!("height {}: {said}", at.height));
            }
        }
    }

    fn transaction(
        &mut self,
        at: At,
        (index, transaction, author): (u32, &Transaction, &AuthorityId),
        receipts: &[Receipt],
        touched: &mut BTreeSet<CaseId>,
        verdict: &mut Verdict,
    ) {
        // Locks are those that stood before the transaction.
        let mut before: BTreeMap<CaseId, Effects> = BTreeMap::new();
        let items = || transaction.items.iter().zip(receipts).zip(0u16..);
        for ((item, _), _) in items() {
            let Some((item, id)) = item.as_ref().and_then(|item| Some((item, item.case?))) else { continue };
            let (Action::Report(report) | Action::Correct { report, .. }) = &item.action else { continue };
            if let Some(case) = self.cases.get_mut(&id).filter(|case| case.announces(&report.status)) {
                before.entry(id).or_insert_with(|| case.at(at.time_ms).clone());
            }
        }
        for ((item, receipt), number) in items() {
            let Some((item, id)) = item.as_ref().and_then(|item| Some((item, item.case?))) else { continue };
            if let (Action::OpenCase { definition, version }, Code::Accepted) = (&item.action, receipt.code)
                && let Some(setting) = Setting::new(self.genesis, &self.votes, id, (definition, *version), at.height)
            {
                self.cases.insert(id, Case::new(setting));
            }
            let Some(case) = self.cases.get_mut(&id) else { continue };
            verdict.stopped += u64::from(matches!(receipt.code, Code::Locked | Code::Blocked));
            verdict.despite += u64::from(receipt.flags & FLAG_DESPITE_LOCK != 0);
            let said = judged(case, before.get(&id), item, receipt, at);
            verdict_of(at, &id, said, verdict);
            if receipt.code == Code::Accepted && receipt.revision > 0 {
                let position = Position { height: at.height, transaction: index, item: number };
                verdict_of(at, &id, case.take(item, author, position, at.time_ms), verdict);
                touched.insert(id);
            }
        }
        for ((item, receipt), _) in items().filter(|((_, receipt), _)| receipt.code == Code::Accepted) {
            let Some((item, id)) = item.as_ref().and_then(|item| Some((item, item.case?))) else { continue };
            let alone = items().filter(|((other, _), _)| other.as_ref().and_then(|item| item.case) == Some(id)).count();
            if let Some(case) = self.cases.get_mut(&id) {
                verdict_of(at, &id, marked(case, item, author, receipt, (alone == 1, at.time_ms)), verdict);
            }
        }
    }

    /// What has become due is done in the first block after it, as far as due work goes.
    fn due_work(&mut self, at: At, touched: &BTreeSet<CaseId>, verdict: &mut Verdict) {
        let done = self.due.remove(&at.height).unwrap_or_default();
        let (mut work, mut most_left, mut left, mut stay) = (0u64, 0u64, Vec::new(), Vec::new());
        for (id, case) in self.cases.iter_mut().filter(|(id, _)| !touched.contains(id)) {
            let cost = laufzettel_contracts::cost(case.slots).saturating_mul(EFFECTS_WORK);
            match (case.is_due(at.time_ms), done.contains(id)) {
                (true, false) if !case.waits() => {
                    most_left = most_left.max(cost);
                    left.push(*id);
                }
                (false, true) if !case.looks_ahead() && !case.waits() => {
                    verdict.violated(format!("height {}: nothing of {id} was due, and it was looked at", at.height));
                }
                (_, true) => work = work.saturating_add(cost),
                (_, false) => {}
            }
            if case.must_come() && !done.contains(id) {
                stay.push(*id);
            }
        }
        // They come in the order of their ids, until the same share of work is done, or so many were looked at.
        self.pages = self.pages.saturating_add(usize::from(work <= DUE_WORK_MAX));
        if work <= DUE_WORK_MAX && self.pages.saturating_mul(RECOUNT_CASES_MAX) > self.all {
            for id in stay {
                verdict.violated(format!("height {}: {id} does not come to its new version or calendars", at.height));
            }
        }
        if !left.is_empty() && work.saturating_add(most_left) <= DUE_WORK_MAX {
            for id in left {
                verdict.violated(format!("height {}: what is due of {id} is not done", at.height));
            }
        }
        verdict.due += done.len() as u64;
        for id in done {
            self.advance(at, &id, verdict);
        }
    }

    fn advance(&mut self, at: At, id: &CaseId, verdict: &mut Verdict) {
        let Some(case) = self.cases.get_mut(id) else { return };
        for effect in case.advance(at.time_ms) {
            let what = name(&effect.0);
            verdict.violated(format!("height {}: {what} of {id} is there twice", at.height));
        }
        for effect in case.memory.past.keys() {
            if *self.owners.entry(*effect).or_insert(*id) != *id {
                verdict.violated(format!("height {}: {} of {id} is another case's, too", at.height, name(&effect.0)));
            }
        }
    }

    fn count(&self, verdict: &mut Verdict) {
        verdict.cases = self.cases.len() as u64;
        verdict.migrated = self.cases.values().map(|case| case.moves).sum();
        self.votes.count(verdict);
        let past = || self.cases.values().flat_map(|case| case.memory.past.values());
        verdict.effects = past().count() as u64;
        verdict.withdrawn = past().filter(|past| past.withdrawn_ms.is_some()).count() as u64;
        verdict.escalated =
            self.cases.values().flat_map(|case| &case.effects.notices).filter(|notice| notice.unacknowledged).count()
                as u64;
    }
}

fn verdict_of(at: At, id: &CaseId, said: Result<(), impl Into<String>>, verdict: &mut Verdict) {
    if let Err(said) = said {
        verdict.violated(format!("height {}, {id}: {}", at.height, said.into()));
    }
}
