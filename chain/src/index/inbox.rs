//! Derived rows of what waits: by authority its open tasks, notices and deadlines in the order in which they press, each
//! with what a list shows of it (`waiting`; which rows a case has: `waits`), and by instant the cases in which something becomes due. Must never decide anything: execution asks the due rows only for
//! which cases to look at, and every ledger has the same ones.

use std::collections::BTreeSet;

use laufzettel_contracts::effect::EffectId;

use crate::ids::CaseId;
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
    /// Notices that it has to acknowledge and has not, or that demand nothing; and locks that
    /// are gone, or stand again, to be acknowledged.
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

/// The key of an effect's row.
pub(super) fn key(
    list: Inbox,
    authority: &str,
    (urgent, due_ms): (bool, Option<u64>),
    (case, effect): (&CaseId, &EffectId),
) -> Vec<u8> {
    let urgency = [u8::from(!urgent)];
    let due = due_ms.unwrap_or(NEVER).to_be_bytes();
    [prefix(list, authority).as_slice(), &urgency, &due, &case.0, &effect.0].concat()
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

pub(super) fn due_key((due_ms, case): &DueRow) -> Vec<u8> {
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
