//! Derived rows, which no root covers: events in ledger order and by case,
//! cases by status and by authority, what waits for whom. All can be made again from blocks and
//! cases; a test does it and compares.

use laufzettel_contracts::{AuthorityId, CaseState, Code as StatusCode, Entry, Position};

use crate::ids::CaseId;
use crate::item::{Action, Item};
use crate::ledger::PROTOCOL_VERSION_MAX;
use crate::query;
use crate::receipt::Code;
use crate::registry::Registry;
use crate::state::case::OpenCase;
use crate::state::effects::Touched;
use crate::storage::{Batch, Family, Read, Row, StoreError, prefix_end};

pub mod inbox;
pub mod waiting;
mod waits;

use self::waits::Waits;

const EVENTS: u8 = 1;
const BY_CASE: u8 = 2;
const BY_STATUS: u8 = 3;
const BY_AUTHORITY: u8 = 4;
// 5 and 6: inbox.rs.

/// Bytes of a position: its order is the ledger's.
#[must_use]
pub fn position_bytes(position: &Position) -> [u8; 14] {
    let mut bytes = [0; 14];
    let parts = position.height.to_be_bytes().into_iter().chain(position.transaction.to_be_bytes());
    for (to, from) in bytes.iter_mut().zip(parts.chain(position.item.to_be_bytes())) {
        *to = from;
    }
    bytes
}

/// A position from its bytes.
#[must_use]
pub fn position_from(bytes: &[u8]) -> Option<Position> {
    let (height, rest) = bytes.split_first_chunk::<8>()?;
    let (transaction, rest) = rest.split_first_chunk::<4>()?;
    Some(Position {
        height: u64::from_be_bytes(*height),
        transaction: u32::from_be_bytes(*transaction),
        item: u16::from_be_bytes(rest.try_into().ok()?),
    })
}

/// By what a case can be found: its current statuses and who reported in it.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    statuses: Vec<StatusCode>,
    authorities: Vec<AuthorityId>,
    /// Its rows in inboxes, and its due row.
    waits: Waits,
}

impl Standing {
    /// Where a folded case stands.
    #[must_use]
    pub fn of(state: &CaseState, entries: &[Entry]) -> Self {
        // Names are shared, not copied: this is made for each case a block touches.
        Self {
            statuses: distinct(state.tracks.values().map(|track| track.status.clone())),
            authorities: distinct(entries.iter().map(|entry| entry.author.clone())),
            waits: Waits::default(),
        }
    }
    /// Where a case stands, with what waits in it as of the last instant its effects were brought to.
    #[must_use]
    pub(crate) fn of_case(case: &OpenCase) -> Self {
        let waits = Waits::of(case, None);
        Self { waits, ..Self::of(case.fold.state(), case.fold.entries()) }
    }
    /// Goes on to where the case stands now, and writes the rows that this changes: of its effects those that were touched
    /// since, if that is known.
    pub(crate) fn go_on(&mut self, id: &CaseId, case: &OpenCase, touched: Option<&[Touched]>, batch: &mut Batch) {
        let Self { statuses, authorities, waits: _ } = Self::of(case.fold.state(), case.fold.entries());
        put_names(batch, (BY_STATUS, id), StatusCode::as_str, &self.statuses, &statuses);
        put_names(batch, (BY_AUTHORITY, id), AuthorityId::as_str, &self.authorities, &authorities);
        (self.statuses, self.authorities) = (statuses, authorities);
        self.waits.go_on(case, touched, batch);
    }
}

/// Writes what changed in by which names of a kind a case is found.
fn put_names<N: Ord>(batch: &mut Batch, (kind, case): (u8, &CaseId), text: fn(&N) -> &str, before: &[N], after: &[N]) {
    if before == after {
        return;
    }
    let key = |name: &N| named(kind, text(name), &case.0);
    for gone in before.iter().filter(|name| !after.contains(name)) {
        batch.delete(Family::Index, key(gone));
    }
    for new in after.iter().filter(|name| !before.contains(name)) {
        batch.put(Family::Index, key(new), Vec::new());
    }
}

/// Each name once, ascending.
fn distinct<N: Ord>(names: impl Iterator<Item = N>) -> Vec<N> {
    let mut names: Vec<N> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn named(kind: u8, name: &str, case: &[u8]) -> Vec<u8> {
    [[kind].as_slice(), name.as_bytes(), &[0], case].concat()
}

/// Writes an accepted item's rows.
pub(crate) fn put_item(batch: &mut Batch, case: &CaseId, item: &Item, position: &Position, revision: u64) {
    let position = position_bytes(position);
    let by_case = [[BY_CASE].as_slice(), &case.0, &revision.to_be_bytes()].concat();
    batch.put(Family::Index, by_case, position.to_vec());
    if is_event(&item.action) {
        let event = [[EVENTS].as_slice(), &position].concat();
        let value = [case.0.as_slice(), &revision.to_be_bytes()].concat();
        batch.put(Family::Index, event, value);
    }
}

/// Whether an accepted item is an event: only these stand in lists and feeds of events.
fn is_event(action: &Action) -> bool {
    matches!(action, Action::Report(_) | Action::Correct { .. } | Action::Retract { .. })
}

/// All rows of the family, ascending, made anew from blocks and cases: what a
/// restore writes and a verification compares. Items that were erased or
/// pruned leave none.
///
/// # Errors
/// The store failed.
pub fn rebuild(read: &dyn Read, registry: &Registry) -> Result<Vec<Row>, StoreError> {
    let mut batch = Batch::default();
    let mut height = 0u64;
    while let Some(next) = query::next_height(read, height)? {
        height = next;
        rebuild_block(read, height, &mut batch)?;
    }
    let mut after = None;
    loop {
        let found = cases(read, Find::All, after.as_ref(), REBUILD_CASES)?;
        for id in &found {
            let Some(case) = OpenCase::load(read, registry, id)? else { continue };
            Standing::default().go_on(id, &case, None, &mut batch);
        }
        match found.last() {
            Some(last) => after = Some(*last),
            None => break,
        }
    }
    let mut rows: Vec<Row> =
        batch.writes.into_iter().filter_map(|(_, key, value)| value.map(|value| (key, value))).collect();
    rows.sort_unstable();
    Ok(rows)
}

/// Cases read at a time while the rows are made anew.
const REBUILD_CASES: usize = 1_024;

fn rebuild_block(read: &dyn Read, height: u64, batch: &mut Batch) -> Result<(), StoreError> {
    for (index, (signed, receipts)) in (0u32..).zip(&query::transactions(read, height)?) {
        for (number, (bytes, receipt)) in (0u16..).zip(signed.items.iter().zip(receipts)) {
            let (Some(bytes), Code::Accepted) = (bytes, receipt.code) else { continue };
            let item = Item::decode_in(bytes, PROTOCOL_VERSION_MAX)
                .map_err(|error| StoreError::Damaged { family: Family::Items.name(), what: error.to_string() })?;
            // What only asks has no revision.
            let Some(case) = item.case.filter(|_| receipt.revision > 0) else { continue };
            put_item(batch, &case, &item, &Position { height, transaction: index, item: number }, receipt.revision);
        }
    }
    Ok(())
}

/// Positions of a case's accepted items from a revision on.
///
/// # Errors
/// The store failed.
pub fn of_case(read: &dyn Read, case: &CaseId, from: u64, limit: usize) -> Result<Vec<(u64, Position)>, StoreError> {
    let prefix = [[BY_CASE].as_slice(), &case.0].concat();
    let start = [prefix.as_slice(), &from.to_be_bytes()].concat();
    let rows = read.scan(Family::Index, &start, &prefix_end(&prefix), limit)?;
    Ok(rows
        .iter()
        .filter_map(|(key, value)| {
            let revision = key.get(17..)?.try_into().ok().map(u64::from_be_bytes)?;
            Some((revision, position_from(value)?))
        })
        .collect())
}

/// Height of the last event; 0 if there is none.
pub(crate) fn last_height(read: &dyn Read) -> Result<u64, StoreError> {
    let last = read.last(Family::Index, &[EVENTS], &[BY_CASE])?;
    Ok(last.and_then(|(key, _)| position_from(key.get(1..)?)).map_or(0, |position| position.height))
}

/// An event's place, case and revision.
pub type EventRow = (Position, CaseId, u64);

/// Events after a position, in ledger order.
///
/// # Errors
/// The store failed.
pub fn events_after(read: &dyn Read, after: &Position, limit: usize) -> Result<Vec<EventRow>, StoreError> {
    let mut start = [[EVENTS].as_slice(), &position_bytes(after)].concat();
    // The least key greater than the given one.
    start.push(0);
    let rows = read.scan(Family::Index, &start, &[BY_CASE], limit)?;
    Ok(rows
        .iter()
        .filter_map(|(key, value)| {
            let (case, revision) = value.split_at_checked(16)?;
            let revision = revision.try_into().ok().map(u64::from_be_bytes)?;
            Some((position_from(key.get(1..)?)?, CaseId::from_slice(case)?, revision))
        })
        .collect())
}

/// A way to find cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find<'a> {
    /// All cases.
    All,
    /// Cases with a track in this status.
    Status(&'a str),
    /// Cases in which this authority reported.
    Authority(&'a str),
    /// Cases in which something falls due before this instant, milliseconds UTC. Every call looks at all of them.
    DueBefore(u64),
}

/// Cases found, ascending by id, after a given one.
///
/// # Errors
/// The store failed.
pub fn cases(read: &dyn Read, find: Find<'_>, after: Option<&CaseId>, limit: usize) -> Result<Vec<CaseId>, StoreError> {
    let (family, prefix) = match find {
        Find::All => (Family::Cases, Vec::new()),
        Find::Status(status) => (Family::Index, named(BY_STATUS, status, &[])),
        Find::Authority(authority) => (Family::Index, named(BY_AUTHORITY, authority, &[])),
        Find::DueBefore(before_ms) => return inbox::cases_due(read, before_ms, after, limit),
    };
    let start = match after {
        Some(case) => [prefix.as_slice(), &case.0, &[0]].concat(),
        None => prefix.clone(),
    };
    let end = if prefix.is_empty() { vec![0xff; 17] } else { prefix_end(&prefix) };
    let rows = read.scan(family, &start, &end, limit)?;
    Ok(rows.iter().filter_map(|(key, _)| CaseId::from_slice(key.get(prefix.len()..)?)).collect())
}

/// Cases from an id on, in the order of their ids.
///
/// # Errors
/// The store failed.
pub(crate) fn cases_from(read: &dyn Read, from: &[u8; 16], limit: usize) -> Result<Vec<CaseId>, StoreError> {
    let rows = read.scan(Family::Cases, from, &[0xff; 17], limit)?;
    Ok(rows.iter().filter_map(|(key, _)| CaseId::from_slice(key)).collect())
}
