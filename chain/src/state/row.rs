//! A case as it is stored: one row of what changes with every event, and one
//! row a standing report, which an event adds and leaves alone from then on.
//! What follows from other parts of the row is not stored: the fields that
//! repeat it, and the blinders of fields never written again or written last.

use std::collections::BTreeMap;
use std::sync::Arc;

use bincode::{Decode, Encode};
use laufzettel_contracts::{AuthorityId, CaseFold, Definition, Entry, Position, Report, Slot};
use laufzettel_proto::v1 as proto;
use prost::Message as _;

use super::fields::{self, FIELDS};
use crate::crypto::Hash;
use crate::ids::{CaseId, Height};
use crate::index::{position_bytes, position_from};
use crate::item::{report_from_proto, report_to_proto};
use crate::registry::Registry;
use crate::rows;
use crate::storage::{Batch, Family, Read, StoreError, prefix_end};

/// One standing report; case and place are its key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct EntryRow {
    slot: Slot,
    author: String,
    /// Protobuf of the report that stands.
    report: Vec<u8>,
}

/// What is stored of a case besides its reports.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct StoredCase {
    definition: String,
    version: u32,
    opened: Height,
    changed: Height,
    revision: u64,
    history_count: u64,
    history: Hash,
    first_salt: Hash,
    salt: Hash,
    rewritten: u32,
    latest: u32,
    /// Fields that are not empty and repeat no other part of the row, by number.
    fields: Vec<(u8, Vec<u8>)>,
    /// Blinders of the fields rewritten, but not at the last change; ascending.
    kept: Vec<Hash>,
    retracted: Vec<(Slot, String)>,
}

/// A case without its reports.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Salt at the end of the block that opened it.
    first_salt: Hash,
    /// Bytes of the 32 fields.
    pub fields: Vec<Vec<u8>>,
    /// Their blinders.
    pub blinders: Vec<Hash>,
    /// Bit by field: written again since the case was opened.
    rewritten: u32,
    /// Bit by field: written at the last change.
    latest: u32,
    pub(super) retracted: Vec<(Slot, String)>,
}

fn damaged(case: &CaseId, what: &str) -> StoreError {
    StoreError::Damaged { family: Family::Cases.name(), what: format!("case {case}: {what}") }
}

/// Fields that other parts of the row say.
const REPEATED: [usize; 3] = [fields::IDENTITY, fields::HISTORY, fields::REVISION];

fn bit(field: usize) -> u32 {
    u32::try_from(field).ok().and_then(|field| 1u32.checked_shl(field)).unwrap_or(0)
}

fn report_prefix(case: &CaseId) -> Vec<u8> {
    case.0.to_vec()
}

fn report_key(case: &CaseId, position: &Position) -> Vec<u8> {
    [case.0.as_slice(), &position_bytes(position)].concat()
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
            first_salt: [0; 32],
            fields: vec![Vec::new(); FIELDS],
            blinders: vec![[0; 32]; FIELDS],
            rewritten: 0,
            latest: 0,
            retracted: Vec::new(),
        }
    }
    /// The case's row.
    ///
    /// # Errors
    /// The store failed or the row is damaged.
    pub fn load(read: &dyn Read, case: &CaseId) -> Result<Option<Self>, StoreError> {
        let stored: Option<StoredCase> = rows::get(read, Family::Cases, &case.0)?;
        stored.map(|stored| Self::of_stored(stored, case)).transpose()
    }
    /// The definition, by id and version, under which a case stands.
    ///
    /// # Errors
    /// The store failed or the row is damaged.
    pub fn load_definition(read: &dyn Read, case: &CaseId) -> Result<Option<(String, u32)>, StoreError> {
        let stored: Option<StoredCase> = rows::get(read, Family::Cases, &case.0)?;
        Ok(stored.map(|stored| (stored.definition, stored.version)))
    }
    /// The revision of a case.
    ///
    /// # Errors
    /// The store failed or the row is damaged.
    pub fn load_revision(read: &dyn Read, case: &CaseId) -> Result<Option<u64>, StoreError> {
        let stored: Option<StoredCase> = rows::get(read, Family::Cases, &case.0)?;
        Ok(stored.map(|stored| stored.revision))
    }
    fn of_stored(stored: StoredCase, case: &CaseId) -> Result<Self, StoreError> {
        let mut row = Self {
            fields: vec![Vec::new(); FIELDS],
            blinders: Vec::with_capacity(FIELDS),
            definition: stored.definition,
            version: stored.version,
            opened: stored.opened,
            changed: stored.changed,
            revision: stored.revision,
            history_count: stored.history_count,
            history: stored.history,
            salt: stored.salt,
            first_salt: stored.first_salt,
            rewritten: stored.rewritten,
            latest: stored.latest,
            retracted: stored.retracted,
        };
        let repeated = row.repeated(case);
        let others = stored.fields.into_iter().map(|(index, bytes)| (usize::from(index), bytes));
        for (index, bytes) in others.chain(repeated) {
            *row.fields.get_mut(index).ok_or_else(|| damaged(case, "field"))? = bytes;
        }
        let mut kept = stored.kept.into_iter();
        for index in 0..FIELDS {
            let blinder = match (row.latest & bit(index) != 0, row.rewritten & bit(index) != 0) {
                (true, _) => fields::blinder(&row.salt, index, row.changed),
                (false, false) => fields::blinder(&row.first_salt, index, row.opened),
                (false, true) => kept.next().ok_or_else(|| damaged(case, "blinder"))?,
            };
            row.blinders.push(blinder);
        }
        Ok(row)
    }
    /// Numbers and bytes of the fields that repeat other parts of the row.
    pub(super) fn repeated(&self, case: &CaseId) -> [(usize, Vec<u8>); 3] {
        [
            (fields::IDENTITY, fields::identity(case, &self.definition, self.version, self.opened)),
            (fields::HISTORY, fields::history(self.history_count, &self.history)),
            (fields::REVISION, fields::revision(self.revision)),
        ]
    }
    fn stored(&self) -> StoredCase {
        let fields = self.fields.iter().enumerate().filter(|(index, bytes)| {
            !bytes.is_empty() && !REPEATED.contains(index)
        });
        let fields = fields.filter_map(|(index, bytes)| Some((u8::try_from(index).ok()?, bytes.clone())));
        let keeps = |index: usize| self.rewritten & bit(index) != 0 && self.latest & bit(index) == 0;
        let kept = self.blinders.iter().enumerate().filter(|(index, _)| keeps(*index)).map(|(_, blinder)| *blinder);
        StoredCase {
            definition: self.definition.clone(),
            version: self.version,
            opened: self.opened,
            changed: self.changed,
            revision: self.revision,
            history_count: self.history_count,
            history: self.history,
            first_salt: self.first_salt,
            salt: self.salt,
            rewritten: self.rewritten,
            latest: self.latest,
            fields: fields.collect(),
            kept: kept.collect(),
            retracted: self.retracted.clone(),
        }
    }
    /// Changes the fields that differ, with new blinders; their numbers, ascending. A case that was never written gets
    /// all of them.
    pub(super) fn settle(&mut self, wanted: Vec<Vec<u8>>, fresh: bool, height: Height) -> Vec<usize> {
        let mut changed = Vec::new();
        if fresh {
            self.first_salt = self.salt;
        }
        self.latest = 0;
        for (index, bytes) in wanted.into_iter().enumerate() {
            let (Some(field), Some(blinder)) = (self.fields.get_mut(index), self.blinders.get_mut(index)) else {
                continue;
            };
            if fresh || *field != bytes {
                *blinder = fields::blinder(&self.salt, index, height);
                *field = bytes;
                changed.push(index);
                if !fresh {
                    self.rewritten |= bit(index);
                    self.latest |= bit(index);
                }
            }
        }
        self.changed = height;
        changed
    }
    /// Writes the row.
    pub(super) fn put(&self, case: &CaseId, batch: &mut Batch) {
        rows::put(batch, Family::Cases, case.0.to_vec(), &self.stored());
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
    pub(super) fn leaf(&self, field: usize) -> Option<Hash> {
        Some(fields::leaf(self.blinders.get(field)?, field, self.fields.get(field)?))
    }
    /// Leaves of the 32 fields.
    #[must_use]
    pub fn leaves(&self) -> Vec<Hash> {
        let fields = self.blinders.iter().zip(&self.fields).enumerate();
        fields.map(|(index, (blinder, bytes))| fields::leaf(blinder, index, bytes)).collect()
    }
    /// The case root.
    #[must_use]
    pub fn root(&self) -> Hash {
        fields::root(&self.leaves())
    }
}

fn author(text: &str, case: &CaseId) -> Result<AuthorityId, StoreError> {
    AuthorityId::new(text).map_err(|_| damaged(case, "author"))
}

/// The reports of a case that stand, in ledger order.
fn entries(read: &dyn Read, case: &CaseId) -> Result<Vec<Entry>, StoreError> {
    let prefix = report_prefix(case);
    let mut entries = Vec::new();
    for (key, bytes) in read.scan(Family::Reports, &prefix, &prefix_end(&prefix), usize::MAX)? {
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
