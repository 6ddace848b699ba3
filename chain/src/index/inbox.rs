//! Derived rows of what waits: by authority its open tasks, notices and deadlines in the order in which they press, each
//! with what a list shows of it (`waiting`), and by instant the cases in which something becomes due. Must never decide anything: execution asks the due rows only for
//! which cases to look at, and every ledger has the same ones.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_contracts::effect::{
    Addressee, DeadlineEffect, DeadlineState, EffectId, EffectKind, NoticeEffect, TaskEffect, TaskState,
};
use laufzettel_contracts::{AuthorityId, Code, UnknownSeat};

use super::waiting::{self, Wait};
use crate::ids::CaseId;
use crate::state::case::OpenCase;
use crate::state::effects::Living;
use crate::storage::{Batch, Family, Read, StoreError, prefix_end};

/// `05` list u8 ‖ authority ‖ `00` ‖ urgent u8 (0 first) ‖ due u64 ‖ case ‖ effect -> the effect as it waits.
const INBOX: u8 = 5;
/// `06` due u64 ‖ case.
const DUE: u8 = 6;
/// Urgency, due instant, case and effect.
const ROW_BYTES: usize = 1 + 8 + 16 + 16;
/// In place of a due instant where there is none.
const NEVER: u64 = u64::MAX;

/// A list of an authority's inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inbox {
    /// Open tasks.
    Tasks,
    /// Notices that it has to acknowledge and has not, or that demand nothing; and vanished locks to be acknowledged.
    Notices,
    /// Deadlines that it watches: those that run, and own duties that ended without being met, until they are.
    Deadlines,
}

impl Inbox {
    fn number(self) -> u8 {
        match self {
            Self::Tasks => 1,
            Self::Notices => 2,
            Self::Deadlines => 3,
        }
    }
}

/// A row of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// Where the next page begins.
    pub cursor: Vec<u8>,
    /// The case.
    pub case: CaseId,
    /// The effect.
    pub effect: EffectId,
    /// When it is due, milliseconds UTC.
    pub due_ms: Option<u64>,
    /// Whether it goes before all else.
    pub urgent: bool,
    /// What `waiting::Waiting` reads; empty in a store that an earlier version wrote, until the case changes.
    pub bytes: Vec<u8>,
}

fn prefix(list: Inbox, authority: &str) -> Vec<u8> {
    [[INBOX, list.number()].as_slice(), authority.as_bytes(), &[0]].concat()
}

/// Rows of an authority's inbox after a cursor: urgent ones first, then by due instant, what has none last.
///
/// # Errors
/// The store failed.
pub fn inbox(
    read: &dyn Read,
    authority: &str,
    kind: Inbox,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<InboxRow>, StoreError> {
    let prefix = prefix(kind, authority);
    let start = match after {
        // The least key greater than the given one.
        Some(cursor) => [prefix.as_slice(), cursor, &[0]].concat(),
        None => prefix.clone(),
    };
    let rows = read.scan(Family::Index, &start, &prefix_end(&prefix), limit)?;
    Ok(rows.into_iter().filter_map(|(key, bytes)| row_of(key.get(prefix.len()..)?, bytes)).collect())
}

fn row_of(cursor: &[u8], bytes: Vec<u8>) -> Option<InboxRow> {
    if cursor.len() != ROW_BYTES {
        return None;
    }
    let (urgent, rest) = cursor.split_first()?;
    let (due, rest) = rest.split_first_chunk::<8>()?;
    let (case, effect) = rest.split_first_chunk::<16>()?;
    let (due_ms, effect) = (u64::from_be_bytes(*due), EffectId(effect.try_into().ok()?));
    let due_ms = (due_ms != NEVER).then_some(due_ms);
    let urgent = *urgent == 0;
    Some(InboxRow { cursor: cursor.to_vec(), case: CaseId(*case), effect, due_ms, urgent, bytes })
}

/// A row of what is due: when, and in which case. They stand in this order.
pub(crate) type DueRow = (u64, CaseId);

/// The least there could be.
pub(crate) const DUE_LEAST: DueRow = (0, CaseId([0; 16]));

fn due_key((due_ms, case): &DueRow) -> Vec<u8> {
    [[DUE].as_slice(), &due_ms.to_be_bytes(), &case.0].concat()
}

fn due_row(key: &[u8]) -> Option<DueRow> {
    let (due, case) = key.strip_prefix(&[DUE])?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*due), CaseId::from_slice(case)?))
}

/// Cases in which something is due until an instant, in the order of it and of their ids. No row may stand before
/// `from`: what was deleted there lately would be passed over row by row each time.
pub(crate) fn due_until(
    read: &dyn Read,
    from: &DueRow,
    until_ms: u64,
    limit: usize,
) -> Result<Vec<DueRow>, StoreError> {
    let end = match until_ms.checked_add(1) {
        Some(end) => [[DUE].as_slice(), &end.to_be_bytes()].concat(),
        None => vec![DUE + 1],
    };
    let rows = read.scan(Family::Index, &due_key(from), &end, limit)?;
    Ok(rows.iter().filter_map(|(key, _)| due_row(key)).collect())
}

/// Due rows read at once where all are looked at.
const DUE_BATCH: usize = 8_192;

/// Cases in which something is due before an instant, ascending by id, after a given one. Keeps `limit` ids at most.
pub(super) fn cases_due(
    read: &dyn Read,
    before_ms: u64,
    after: Option<&CaseId>,
    limit: usize,
) -> Result<Vec<CaseId>, StoreError> {
    let (mut start, end) = (vec![DUE], [[DUE].as_slice(), &before_ms.to_be_bytes()].concat());
    let mut least = BTreeSet::new();
    loop {
        let rows = read.scan(Family::Index, &start, &end, DUE_BATCH)?;
        let ids = rows.iter().filter_map(|(key, _)| CaseId::from_slice(key.get(9..)?));
        for id in ids.filter(|id| after.is_none_or(|after| id > after)) {
            least.insert(id);
            if least.len() > limit {
                least.pop_last();
            }
        }
        match rows.into_iter().next_back() {
            // The least key greater than the last one.
            Some((mut last, _)) => {
                last.push(0);
                start = last;
            }
            None => return Ok(least.into_iter().collect()),
        }
    }
}

/// What becomes due first, in any case, where no row stands before `from`.
pub(crate) fn next_due(read: &dyn Read, from: &DueRow) -> Result<Option<DueRow>, StoreError> {
    Ok(due_until(read, from, u64::MAX, 1)?.first().copied())
}

/// The first of the due rows that a batch writes.
pub(crate) fn first_due_of(batch: &Batch) -> Option<DueRow> {
    let index = batch.writes.iter().filter(|(family, _, value)| *family == Family::Index && value.is_some());
    index.filter_map(|(_, key, _)| due_row(key)).min()
}

/// All rows of a case, as of the last instant its effects were brought to; none in language 1.
pub(crate) fn rows(case: &OpenCase) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let Some(living) = case.living() else { return BTreeMap::new() };
    let id = living.case();
    let mut rows = Rows { case, living, id, all: BTreeMap::new() };
    let effects = living.effects();
    for task in &effects.tasks {
        rows.task(task);
    }
    for notice in &effects.notices {
        rows.notice(notice);
    }
    rows.vanished_locks();
    for deadline in &effects.deadlines {
        rows.deadline(deadline);
    }
    if let Some(due_ms) = effects.next_due_ms.filter(|_| case.wakes()) {
        rows.all.insert(due_key(&(due_ms, id)), Vec::new());
    }
    rows.all
}

struct Rows<'c> {
    case: &'c OpenCase,
    living: &'c Living,
    id: CaseId,
    all: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Rows<'_> {
    fn put(
        &mut self,
        list: Inbox,
        to: &AuthorityId,
        urgent: bool,
        due_ms: Option<u64>,
        (effect, bytes): (&EffectId, &[u8]),
    ) {
        let urgency = [u8::from(!urgent)];
        let due = due_ms.unwrap_or(NEVER).to_be_bytes();
        let key = [prefix(list, to.as_str()).as_slice(), &urgency, &due, &self.id.0, &effect.0].concat();
        self.all.insert(key, bytes.to_vec());
    }
    /// The authority meant; while nobody is known, all that hold the role.
    fn meant(&self, addressee: &Addressee) -> Vec<AuthorityId> {
        match &addressee.authority {
            Some(authority) => vec![authority.clone()],
            None => self.living.directory().holders(&addressee.role).cloned().collect(),
        }
    }
    fn of_role(&self, role: &Code) -> Vec<AuthorityId> {
        let participant = self.living.effects().participants.get(role);
        let authority = participant.map(|participant| participant.authority().clone());
        self.meant(&Addressee { role: role.clone(), authority })
    }
    fn acknowledged(&self, id: &EffectId, by: &AuthorityId) -> bool {
        self.living.history().acknowledgements(id).any(|(authority, _)| authority == by)
    }
    fn bytes(&self, wait: &Wait<'_>) -> Vec<u8> {
        waiting::write(&self.case.definition, self.living.history(), wait)
    }
    fn task(&mut self, task: &TaskEffect) {
        if task.state != TaskState::Open {
            return;
        }
        let due_ms = task.due.as_ref().and_then(|due| due.as_ref().ok()).map(|due| instant(due.elapses_ms()));
        let bytes = self.bytes(&Wait::Task(task));
        for authority in self.meant(&task.addressee) {
            self.put(Inbox::Tasks, &authority, false, due_ms, (&task.origin.id, &bytes));
        }
    }
    fn notice(&mut self, notice: &NoticeEffect) {
        let id = notice.origin.id;
        let bytes = self.bytes(&Wait::Notice(notice));
        for authority in notice.recipients.iter().flat_map(|recipient| self.meant(recipient)).collect::<BTreeSet<_>>() {
            if !self.acknowledged(&id, &authority) {
                self.put(Inbox::Notices, &authority, notice.urgent, notice.acknowledge_until_ms, (&id, &bytes));
            }
        }
    }
    /// Locks that stood and are gone without having been released: to be acknowledged by all who were told of them.
    fn vanished_locks(&mut self) {
        for (id, past) in self.living.history().past() {
            if past.kind != EffectKind::Lock || past.withdrawn_ms.is_none() || !past.stood {
                continue;
            }
            let bytes = self.bytes(&Wait::Vanished(id));
            for authority in past.told.iter().flat_map(|told| self.meant(told)).collect::<BTreeSet<_>>() {
                if !self.acknowledged(id, &authority) {
                    self.put(Inbox::Notices, &authority, true, None, (id, &bytes));
                }
            }
        }
    }
    fn deadline(&mut self, deadline: &DeadlineEffect) {
        let case = self.case;
        let Some(rule) = case.definition.rules().deadline(deadline.deadline.as_str()) else { return };
        let due_ms = deadline.due.as_ref().ok().map(|due| due.elapses_ms());
        let stands = match deadline.state {
            DeadlineState::Running | DeadlineState::Warned => true,
            // What nobody has to do is over with its end. A duty stands until it is done, though late.
            DeadlineState::Elapsed { .. } => {
                rule.unknown_seat == UnknownSeat::Earliest
                    && !case.fold.state().closed
                    && !case.fold.entries().iter().any(|entry| {
                        rule.met_by.contains(&entry.report.status)
                            && due_ms.is_none_or(|due_ms| entry.report.occurred.end_ms() >= due_ms)
                    })
            }
            DeadlineState::Met(_) | DeadlineState::Stopped(_) => false,
        };
        if !stands {
            return;
        }
        let bytes = self.bytes(&Wait::Deadline(deadline));
        for authority in rule.watched_by.iter().flat_map(|role| self.of_role(role)).collect::<BTreeSet<_>>() {
            self.put(Inbox::Deadlines, &authority, false, due_ms.map(instant), (&deadline.origin.id, &bytes));
        }
    }
}

fn instant(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}
