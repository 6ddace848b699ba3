//! A case as it is stored: one row of what changes with every event, one
//! row a standing report, which an event adds and leaves alone from then on, and
//! one row an effect, written when it changes (`effects::parts`), and one for those who take part.
//! What follows from other parts of the row is not stored: the fields that
//! repeat it, and the blinders of fields never written again or written last.

use std::collections::BTreeMap;
use std::sync::Arc;

use bincode::{Decode, Encode};
use laufzettel_contracts::{AuthorityId, CaseFold, Definition, Entry, Position, Report, Slot};
use laufzettel_proto::v1 as proto;
use prost::Message as _;

use super::effects::fields::{KINDS, PARTICIPANTS};
use super::effects::parts::Parts;
use super::fields::{self, FIELDS};
use crate::crypto::Hash;
use crate::ids::{CaseId, Height};
use crate::index::{position_bytes, position_from};
use crate::item::{report_from_proto, report_to_proto};
use crate::limits::DUE_HEIGHTS_MAX;
use crate::registry::Registry;
use crate::rows;
use crate::storage::{Batch, Family, Read, StoreError, prefix_end};

/// Beside the fields, from 32 on, and under no root of their own: when something becomes due next (in the state it is
/// part of the revision's field), and the heights at which due work alone touched the case.
pub(super) const NEXT_DUE: u8 = 32;
/// See [`NEXT_DUE`].
pub(super) const DUE_HEIGHTS: u8 = 33;
/// In place of the fields of effects, which are rows of their own: what else these say.
const PARTS: u8 = 34;
/// Begins, after the case's id, the keys of effects: no height does.
const EFFECT: u8 = 0xff;

/// One standing report; case and place are its key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct EntryRow {
    slot: Slot,
    author: String,
    /// Protobuf of the report that stands.
    report: Vec<u8>,
}

/// A case without its reports, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CaseRow {
    /// Definition id.
    pub definition: String,
    /// Definition version.
    pub version: u32,
    /// Height at which it was opened.
    pub opened: Height,
    /// Height of its last change.
    pub changed: Height,
    /// Accepted items so far.
    pub revision: u64,
    /// Events so far.
    pub history_count: u64,
    /// Running hash of the events.
    pub history: Hash,
    /// Salt after the last item.
    pub(super) salt: Hash,
    /// Salt when fields were written last.
    written: Hash,
    /// Salt when they were written first.
    first: Hash,
    /// Bit by field: written again at the last change.
    latest: u32,
    /// Fields that are not empty and repeat no other part of the row, by number.
    fields: BTreeMap<u8, Arc<Vec<u8>>>,
    /// Blinders of the fields written again, but not at the last change. Those of all others follow from the salts.
    kept: BTreeMap<u8, Hash>,
    pub(super) retracted: Vec<(Slot, String)>,
}

fn damaged(case: &CaseId, what: &str) -> StoreError {
    StoreError::Damaged { family: Family::Cases.name(), what: format!("case {case}: {what}") }
}

fn bit(field: usize) -> u32 {
    u32::try_from(field).ok().and_then(|field| 1u32.checked_shl(field)).unwrap_or(0)
}

fn number(field: usize) -> u8 {
    // Fields are numbered 0 to 31.
    u8::try_from(field).unwrap_or(u8::MAX)
}

fn report_key(case: &CaseId, position: &Position) -> Vec<u8> {
    [case.0.as_slice(), &position_bytes(position)].concat()
}

/// The key of those who take part, beside those of the effects.
fn people_key(case: &CaseId) -> Vec<u8> {
    [case.0.as_slice(), &[EFFECT, number(PARTICIPANTS)]].concat()
}

impl CaseRow {
    /// A case that is being opened.
    #[must_use]
    pub(super) fn new(definition: &Definition, height: Height) -> Self {
        Self {
            definition: definition.id().to_owned(),
            version: definition.version(),
            opened: height,
            changed: height,
            revision: 0,
            history_count: 0,
            history: [0; 32],
            salt: [0; 32],
            written: [0; 32],
            first: [0; 32],
            latest: 0,
            fields: BTreeMap::new(),
            kept: BTreeMap::new(),
            retracted: Vec::new(),
        }
    }
    /// The case's row.
    ///
    /// # Errors
    /// The store failed or the row is damaged.
    pub fn load(read: &dyn Read, case: &CaseId) -> Result<Option<Self>, StoreError> {
        Ok(Self::load_parts(read, case)?.map(|(row, _)| row))
    }
    /// The same with the rows of its effects.
    pub(super) fn load_parts(read: &dyn Read, case: &CaseId) -> Result<Option<(Self, Parts)>, StoreError> {
        let Some(mut row) = rows::get::<Self>(read, Family::Cases, &case.0)? else { return Ok(None) };
        let Some(marks) = row.fields.remove(&PARTS) else { return Ok(Some((row, Parts::default()))) };
        let from = [case.0.as_slice(), &[EFFECT]].concat();
        let rows = read.scan(Family::Reports, &from, &prefix_end(&case.0), usize::MAX)?;
        let people = people_key(case);
        if let Some((_, bytes)) = rows.iter().find(|(key, _)| *key == people) {
            row.fields.insert(number(PARTICIPANTS), bytes.clone().into());
        }
        let rows = rows.iter().filter(|(key, _)| *key != people);
        let rows = rows.map(|(key, bytes)| (key.get(from.len()..).unwrap_or_default(), bytes.clone()));
        let parts = Parts::read(&marks, rows).map_err(|error| damaged(case, &error.to_string()))?;
        row.fields.extend(parts.fields().map(|(field, bytes)| (field, bytes.into())));
        Ok(Some((row, parts)))
    }
    /// Bytes of a field.
    #[must_use]
    pub fn field(&self, case: &CaseId, field: usize) -> Vec<u8> {
        match field {
            fields::IDENTITY => fields::identity(case, &self.definition, self.version, self.opened),
            fields::HISTORY => fields::history(self.history_count, &self.history),
            fields::REVISION => fields::revision(self.revision, self.next_due_ms().unwrap_or(0)),
            field => self.kept(number(field)).to_vec(),
        }
    }
    /// Bytes kept under a number: a field of the state, or what stands beside them.
    pub(super) fn kept(&self, number: u8) -> &[u8] {
        self.fields.get(&number).map_or(&[], |bytes| bytes.as_slice())
    }
    /// When something in the case becomes due, milliseconds UTC; none in language 1.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        self.kept(NEXT_DUE).try_into().ok().map(u64::from_be_bytes)
    }
    /// Whether due work alone may touch the case once more, after one height that is not in the row yet, if `touched`.
    pub(super) fn wakes(&self, touched: bool) -> bool {
        let heights = self.kept(DUE_HEIGHTS).len() >> 3;
        heights.saturating_add(usize::from(touched)) < DUE_HEIGHTS_MAX
    }
    /// Heights at which due work alone touched the case, ascending.
    #[must_use]
    pub fn due_heights(&self) -> Vec<Height> {
        self.kept(DUE_HEIGHTS)
            .chunks_exact(8)
            .filter_map(|height| height.try_into().ok().map(u64::from_be_bytes))
            .collect()
    }
    /// Blinder of a field.
    #[must_use]
    pub fn blinder(&self, field: usize) -> Hash {
        if self.latest & bit(field) != 0 {
            return fields::blinder(&self.written, field, self.changed);
        }
        let kept = self.kept.get(&number(field)).copied();
        kept.unwrap_or_else(|| fields::blinder(&self.first, field, self.opened))
    }
    /// Takes over the fields that the fold gives, without bytes where these have not changed; the numbers of those that are written with it, ascending. A case that
    /// was never written gets all of them; the identity is written again only where the case moved to another version.
    pub(super) fn settle(
        &mut self,
        state: Vec<(usize, Option<Vec<u8>>)>,
        (fresh, moved): (bool, bool),
        height: Height,
    ) -> Vec<usize> {
        // What is accepted after the opening is counted, and is an event; due work writes both fields with it.
        let mut now = bit(fields::HISTORY) | bit(fields::REVISION) | if moved { bit(fields::IDENTITY) } else { 0 };
        let mut there = Vec::with_capacity(state.len());
        // What has not changed is shared with the copy that this one was made of.
        for (field, bytes) in state {
            there.push(number(field));
            let Some(bytes) = bytes else { continue };
            if self.kept(number(field)) != bytes.as_slice() {
                now |= bit(field);
                self.fields.insert(number(field), bytes.into());
            }
        }
        if self.fields.len() > there.len() {
            now |= self
                .fields
                .keys()
                .filter(|field| !there.contains(field))
                .fold(0, |bits, field| bits | bit((*field).into()));
            self.fields.retain(|field, _| there.contains(field));
        }
        if fresh {
            now = u32::MAX;
            self.first = self.salt;
        } else {
            for field in (0..FIELDS).filter(|field| self.latest & !now & bit(*field) != 0) {
                let blinder = self.blinder(field);
                self.kept.insert(number(field), blinder);
            }
            self.kept.retain(|field, _| now & bit((*field).into()) == 0);
            self.latest = now;
        }
        let changed = (0..FIELDS).filter(|field| now & bit(*field) != 0).collect();
        (self.written, self.changed) = (self.salt, height);
        changed
    }
    /// Writes the row, and those of the effects that have changed since they were written last.
    pub(super) fn put(&mut self, case: &CaseId, parts: &mut Parts, batch: &mut Batch) {
        // Who takes part changes seldom, and takes more bytes than all else of the row.
        let apart = KINDS.iter().map(|(field, _)| *field).chain([PARTICIPANTS]);
        let apart: Vec<_> = apart.filter_map(|field| self.fields.remove_entry(&number(field))).collect();
        if !apart.is_empty() {
            self.fields.insert(PARTS, parts.marks().into());
        }
        rows::put(batch, Family::Cases, case.0.to_vec(), self);
        self.fields.remove(&PARTS);
        self.fields.extend(apart);
        if parts.take_touched_people() {
            match self.fields.get(&number(PARTICIPANTS)) {
                Some(bytes) => batch.put(Family::Reports, people_key(case), bytes.to_vec()),
                None => batch.delete(Family::Reports, people_key(case)),
            }
        }
        for (rest, bytes) in parts.take_touched() {
            let key = [case.0.as_slice(), &[EFFECT], &rest].concat();
            match bytes {
                Some(bytes) => batch.put(Family::Reports, key, bytes),
                None => batch.delete(Family::Reports, key),
            }
        }
    }
    /// The leaf of a field.
    pub(super) fn leaf(&self, case: &CaseId, field: usize) -> Hash {
        fields::leaf(&self.blinder(field), field, &self.field(case, field))
    }
    /// Leaves of the 32 fields.
    #[must_use]
    pub fn leaves(&self, case: &CaseId) -> Vec<Hash> {
        (0..FIELDS).map(|field| self.leaf(case, field)).collect()
    }
    /// Its definition.
    ///
    /// # Errors
    /// The registry does not have it, though the case was opened under it.
    pub fn definition<'r>(&self, registry: &'r Registry, case: &CaseId) -> Result<&'r Arc<Definition>, StoreError> {
        registry.definition(&self.definition, self.version).ok_or_else(|| damaged(case, "unknown definition"))
    }
    /// Its fold, made anew from the standing reports.
    ///
    /// # Errors
    /// The store failed or a row is damaged.
    pub fn fold(&self, read: &dyn Read, definition: &Definition, case: &CaseId) -> Result<CaseFold, StoreError> {
        let mut retracted = BTreeMap::new();
        for (slot, by) in &self.retracted {
            retracted.insert(*slot, author(by, case)?);
        }
        Ok(CaseFold::restore(definition, entries(read, case)?, retracted))
    }
    /// The case root.
    #[must_use]
    pub fn root(&self, case: &CaseId) -> Hash {
        fields::root(&self.leaves(case))
    }
}

fn author(text: &str, case: &CaseId) -> Result<AuthorityId, StoreError> {
    AuthorityId::new(text).map_err(|_| damaged(case, "author"))
}

/// The reports of a case that stand, in ledger order.
fn entries(read: &dyn Read, case: &CaseId) -> Result<Vec<Entry>, StoreError> {
    let prefix = case.0.as_slice();
    let end = [prefix, &[EFFECT]].concat();
    let mut entries = Vec::new();
    for (key, bytes) in read.scan(Family::Reports, prefix, &end, usize::MAX)? {
        let row: EntryRow = rows::decode(Family::Reports, &bytes)?;
        let report = proto::Report::decode(row.report.as_slice()).ok().and_then(|wire| report_from_proto(wire).ok());
        let position = key.get(prefix.len()..).and_then(position_from);
        entries.push(Entry {
            slot: row.slot,
            position: position.ok_or_else(|| damaged(case, "place of a report"))?,
            author: author(&row.author, case)?,
            report: report.ok_or_else(|| damaged(case, "report"))?,
        });
    }
    Ok(entries)
}

/// Writes a report that stands.
pub(super) fn put_report(batch: &mut Batch, case: &CaseId, entry: &Entry) {
    let row = EntryRow { slot: entry.slot, author: entry.author.to_string(), report: encode_report(&entry.report) };
    rows::put(batch, Family::Reports, report_key(case, &entry.position), &row);
}

/// Takes out a report that no longer stands.
pub(super) fn delete_report(batch: &mut Batch, case: &CaseId, position: &Position) {
    batch.delete(Family::Reports, report_key(case, position));
}

fn encode_report(report: &Report) -> Vec<u8> {
    report_to_proto(report).encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use laufzettel_contracts::ASYL_DE_2;

    #[test]
    fn due_work_alone_touches_a_case_at_no_more_heights_than_its_row_may_hold() {
        let definition = Definition::check(ASYL_DE_2).unwrap_or_else(|_| panic!("shipped")).definition;
        let mut row = CaseRow::new(&definition, 1);
        let with = |row: &mut CaseRow, heights: usize| row.fields.insert(DUE_HEIGHTS, vec![0; heights * 8].into());
        assert!(row.wakes(false) && row.wakes(true));
        with(&mut row, DUE_HEIGHTS_MAX - 1);
        assert_eq!((row.wakes(false), row.wakes(true)), (true, false), "the last one is being written");
        with(&mut row, DUE_HEIGHTS_MAX);
        assert_eq!((row.wakes(false), row.due_heights().len()), (false, DUE_HEIGHTS_MAX));
    }
}
