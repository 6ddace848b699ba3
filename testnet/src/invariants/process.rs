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
//! Read `case` (a case of the model), `memory` (what is to be remembered), `inbox` (what waits for whom), `votes` (what
//! was proposed and adopted); `reference` is the slow fold that the tests of contracts/ use. Must never execute a block.

mod case;
mod gains;
mod inbox;
mod memory;
#[path = "../../../contracts/tests/effects/reference.rs"]
#[allow(clippy::expect_used, clippy::indexing_slicing, reason = "it stops at the first thing that does not hold")]
mod reference;
mod votes;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::block::Block;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{CaseId, Height, KeyId};
use laufzettel_chain::index::{self, Find};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::ledger::stored_tip;
use laufzettel_chain::limits::{DUE_WORK_MAX, EFFECTS_WORK, RECOUNT_CASES_MAX};
use laufzettel_chain::query;
use laufzettel_chain::receipt::{ANSWER_LOCKED, ANSWER_NO_LOCK, Code, FLAG_DESPITE_LOCK, FLAG_OVERRIDDEN, Receipt};
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::state::effects::fields;
use laufzettel_chain::state::fields::DEVIATIONS;
use laufzettel_chain::storage::{Read, StoreError};
use laufzettel_chain::transaction::Transaction;
use laufzettel_contracts::effect::{EffectDeviationKind, EffectId, Effects, History};
use laufzettel_contracts::{AuthorityId, Position};

use self::case::Case;
use self::inbox::name;
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
    let mut model = Model { genesis, cases, due, all, owners, votes };
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
        if work <= DUE_WORK_MAX && self.all < RECOUNT_CASES_MAX {
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

    /// Holds what a node keeps at its tip against the model.
    fn compare(&mut self, one: &Held<'_>, time_ms: u64, verdict: &mut Verdict) -> Result<(), StoreError> {
        for (id, case) in &mut self.cases {
            let Some(row) = CaseRow::load(one.read, id)? else {
                verdict.violated(format!("{}: the case {id} is not there", one.node));
                continue;
            };
            differences(one, id, case, &row, verdict);
            if (row.definition.as_str(), row.version) != case.stands_under() {
                let (found, expected) = (row.version, case.stands_under().1);
                verdict.violated(format!("{}: {id} is under version {found}, not {expected}", one.node));
            }
            if case.waits() {
                continue;
            }
            for (slot, rule, effect) in case.silenced() {
                let (what, slot) = (name(&effect.0), blake3::Hash::from_bytes(slot).to_hex());
                verdict.violated(format!("{}: {rule} of report {slot} in {id} is silent about {what}", one.node));
            }
            for effect in case.miscounted() {
                verdict.violated(format!("{}: {} of {id} ends at another instant", one.node, name(&effect.0)));
            }
            // What will be due is on the list of what will be. The state has it, so that one node may answer for all.
            if case.looked_ahead_ms.replace(time_ms) == Some(time_ms) {
                continue;
            }
            let mut instants: Vec<u64> = case.instants().filter(|ms| *ms > time_ms).collect();
            instants.sort_unstable();
            let next = instants.into_iter().find(|ms| case.has_changed(*ms));
            if next.is_some_and(|next| row.next_due_ms().is_none_or(|found| found > next)) {
                let found = row.next_due_ms();
                verdict.violated(format!("{}: {id} is due at {next:?}, the list has {found:?}", one.node));
            }
        }
        self.votes.compare(one, verdict)?;
        inbox::compare(self.genesis, one, self.cases.iter(), verdict)
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

/// Whether an item was judged by the locks that stood before its transaction.
fn judged(case: &mut Case, before: Option<&Effects>, item: &Item, receipt: &Receipt, at: At) -> Result<(), String> {
    let report = match &item.action {
        Action::Report(report) | Action::Correct { report, .. } => report,
        Action::ClearanceCheck { status } if receipt.code == Code::Accepted => {
            let now = case.at(at.time_ms).clone();
            let answer = if case.is_locked(&now, status) { ANSWER_LOCKED } else { ANSWER_NO_LOCK };
            let same = receipt.answer == answer;
            return if same { Ok(()) } else { Err(format!("a clearance check of {status} is told otherwise")) };
        }
        Action::ClearanceCheck { status } if receipt.code == Code::NotLockable && case.is_lockable(status) => {
            return Err(format!("a clearance check of {status} is refused although a lock is about it"));
        }
        _ => return Ok(()),
    };
    let (status, announces) = (&report.status, case.announces(&report.status));
    let stopped_by = before.filter(|_| announces).and_then(|before| case.stopped_by(before, status));
    match (receipt.code, stopped_by) {
        (Code::Accepted, Some(lock)) => Err(format!("{status} is recorded although {} stands", name(&lock.0))),
        (Code::Locked, Some(lock)) if receipt.cause == Some(lock.0) => Ok(()),
        (Code::Locked, _) => Err(format!("{status} is refused for a lock that does not stop it")),
        (Code::Blocked | Code::OverrideUnknown, _) if !announces => Err(format!("the fact {status} is refused")),
        (_, _) => Ok(()),
    }
}

/// Whether an accepted report is marked as what follows from its case says.
fn marked(
    case: &mut Case,
    item: &Item,
    author: &AuthorityId,
    receipt: &Receipt,
    (alone, time_ms): (bool, u64),
) -> Result<(), &'static str> {
    let slot = match &item.action {
        Action::Report(_) => item.digest.slot(author.as_str()),
        Action::Correct { slot, .. } => *slot,
        _ => return Ok(()),
    };
    let despite = |kind: &EffectDeviationKind| {
        matches!(kind, EffectDeviationKind::ExecutedDespiteLock(_) | EffectDeviationKind::AnnouncedDespiteLock(_))
    };
    let overridden = |kind: &EffectDeviationKind| matches!(kind, EffectDeviationKind::Overridden(_));
    if case.departs(&slot, time_ms, despite) != (receipt.flags & FLAG_DESPITE_LOCK != 0) {
        return Err("a report despite a lock is not marked so, or another one is");
    }
    // What a transaction says besides may make a guard hold after it was judged.
    if alone && case.departs(&slot, time_ms, overridden) && receipt.flags & FLAG_OVERRIDDEN == 0 {
        return Err("an announcement is recorded past a guard that nobody overrode");
    }
    Ok(())
}

/// What a node's row has in another way than the model.
fn differences(one: &Held<'_>, id: &CaseId, case: &Case, row: &CaseRow, verdict: &mut Verdict) {
    let history = History::restore(case.memory.past.clone());
    let expected: BTreeMap<usize, Vec<u8>> = fields::of(&case.effects, &history).into_iter().collect();
    let numbers = fields::KINDS.iter().map(|(field, _)| *field).chain([fields::PARTICIPANTS]);
    let found: BTreeMap<usize, Vec<u8>> = numbers.map(|number| (number, row.field(id, number))).collect();
    let differs = |(number, bytes): (&usize, &Vec<u8>)| {
        (bytes.as_slice() != expected.get(number).map_or(&[][..], Vec::as_slice)).then_some(*number)
    };
    let mut differing: Vec<usize> = found.iter().filter_map(differs).collect();
    if !case.effects.deviations.is_empty() && !row.field(id, DEVIATIONS).ends_with(&fields::deviations(&case.effects)) {
        differing.push(DEVIATIONS);
    }
    if differing.is_empty() {
        return;
    }
    let kept = fields::history(|number| found.get(&number).map_or(&[][..], Vec::as_slice));
    let kept = kept.map(|history| history.past().clone()).unwrap_or_default();
    let own = case.memory.past.iter().filter(|(effect, past)| kept.get(*effect).map(AsRef::as_ref) != Some(*past));
    let own = own.map(|(effect, past)| format!("{} {:?} {}", name(&effect.0), past.kind, past.name));
    let others = kept.keys().filter(|effect| !case.memory.past.contains_key(*effect)).map(|effect| name(&effect.0));
    let what: Vec<String> = own.chain(others).take(4).collect();
    let node = one.node;
    verdict.violated(format!("{node}: fields {differing:?} of {id} are not what a slow fold gives, as {what:?}"));
}
