//! A case as it is stored and as the execution of a block changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bincode::{Decode, Encode};
use laufzettel_contracts::{AuthorityId, CaseFold, Definition, Entry, Position, Refusal, Report, Slot};
use laufzettel_proto::v1 as proto;
use prost::Message as _;

use super::fields::{self, FieldTree};
use crate::codec::Writer;
use crate::crypto::{Hash, hash_parts};
use crate::ids::{CaseId, Height, KeyId, PayloadDigest};
use crate::item::{Action, Item, report_from_proto, report_to_proto};
use crate::registry::Registry;
use crate::rows;
use crate::storage::{Batch, Family, Read, StoreError};

/// One standing report.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct EntryRow {
    slot: Slot,
    height: Height,
    transaction: u32,
    item: u16,
    author: String,
    /// Protobuf of the report that stands.
    report: Vec<u8>,
}

/// A case as stored.
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
    pub history: [u8; 32],
    salt: [u8; 32],
    /// Bytes of the 32 fields.
    pub fields: Vec<Vec<u8>>,
    /// Their blinders.
    pub blinders: Vec<[u8; 32]>,
    entries: Vec<Arc<EntryRow>>,
    retracted: Vec<(Slot, String)>,
}

fn damaged(case: &CaseId, what: &str) -> StoreError {
    StoreError::Damaged { family: Family::Cases.name(), what: format!("case {case}: {what}") }
}

impl CaseRow {
    /// The case's row.
    ///
    /// # Errors
    /// The store failed or the row is damaged.
    pub fn load(read: &dyn Read, case: &CaseId) -> Result<Option<Self>, StoreError> {
        rows::get(read, Family::Cases, &case.0)
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
    /// The row is damaged.
    pub fn fold(&self, definition: &Definition, case: &CaseId) -> Result<CaseFold, StoreError> {
        let author = |text: &str| AuthorityId::new(text).map_err(|_| damaged(case, "author"));
        let mut entries = Vec::with_capacity(self.entries.len());
        for row in &self.entries {
            let report =
                proto::Report::decode(row.report.as_slice()).ok().and_then(|wire| report_from_proto(wire).ok());
            entries.push(Entry {
                slot: row.slot,
                position: Position { height: row.height, transaction: row.transaction, item: row.item },
                author: author(&row.author)?,
                report: report.ok_or_else(|| damaged(case, "report"))?,
            });
        }
        let mut retracted = BTreeMap::new();
        for (slot, by) in &self.retracted {
            retracted.insert(*slot, author(by)?);
        }
        Ok(CaseFold::restore(definition, entries, retracted))
    }
    fn leaf(&self, field: usize) -> Option<Hash> {
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
    /// Reports that stand.
    #[must_use]
    pub fn standing(&self) -> usize {
        self.entries.len()
    }
}

/// A case while a block is executed.
#[derive(Debug, Clone)]
pub struct OpenCase {
    /// Its definition.
    pub definition: Arc<Definition>,
    /// Its reports and what follows from them.
    pub fold: CaseFold,
    row: CaseRow,
    fresh: bool,
    /// Slots corrected since the row was written; the rows of all others still hold.
    corrected: BTreeSet<Slot>,
    /// Hashes of the row's fields; none before they are first asked for.
    tree: Option<FieldTree>,
}

/// Where an item stands and who signed it: what the history binds.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Place on the ledger.
    pub position: Position,
    /// Digest of the payload that lists the item.
    pub payload: PayloadDigest,
    /// The authority that acted.
    pub authority: &'a AuthorityId,
    /// Keys that signed.
    pub keys: &'a [KeyId],
}

impl OpenCase {
    /// A case that is being opened at this height.
    #[must_use]
    pub fn new(definition: Arc<Definition>, height: Height) -> Self {
        let row = CaseRow {
            definition: definition.id().to_owned(),
            version: definition.version(),
            opened: height,
            changed: height,
            revision: 0,
            history_count: 0,
            history: [0; 32],
            salt: [0; 32],
            fields: vec![Vec::new(); fields::FIELDS],
            blinders: vec![[0; 32]; fields::FIELDS],
            entries: Vec::new(),
            retracted: Vec::new(),
        };
        Self { definition, fold: CaseFold::new(), row, fresh: true, corrected: BTreeSet::new(), tree: None }
    }
    /// A stored case, if there is one.
    ///
    /// # Errors
    /// The store failed or the row is damaged.
    pub fn load(read: &dyn Read, registry: &Registry, case: &CaseId) -> Result<Option<Self>, StoreError> {
        let Some(row) = CaseRow::load(read, case)? else { return Ok(None) };
        let definition = row.definition(registry, case)?.clone();
        let fold = row.fold(&definition, case)?;
        Ok(Some(Self { definition, fold, row, fresh: false, corrected: BTreeSet::new(), tree: None }))
    }
    /// Height that wrote its value in the state tree, if it has one.
    #[must_use]
    pub fn written(&self) -> Option<Height> {
        (!self.fresh).then_some(self.row.changed)
    }
    /// Accepted items so far.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.row.revision
    }
    /// Events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.row.history_count
    }
    /// Applies an item that was accepted: to the fold, and to revision, salt and history.
    ///
    /// # Errors
    /// It corrects or retracts what does not stand; nothing has changed then.
    pub fn apply(&mut self, item: &Item, origin: &Origin<'_>) -> Result<(), Refusal> {
        match &item.action {
            Action::OpenCase { .. } => {}
            Action::Report(report) => {
                let author = origin.authority.clone();
                let slot = item.digest.slot(author.as_str());
                let entry = Entry { slot, position: origin.position, author, report: report.clone() };
                self.fold.report(&self.definition, entry);
            }
            Action::Correct { slot, report } => {
                self.fold.correct(&self.definition, *slot, report.clone())?;
                self.corrected.insert(*slot);
            }
            Action::Retract { slot, .. } => self.fold.retract(&self.definition, *slot)?,
            // Concerns no case, so it changes none.
            Action::Evidence(_) => return Ok(()),
        }
        self.count(item, origin);
        Ok(())
    }
    /// Counts an item: revision, salt and, for an event, history.
    fn count(&mut self, item: &Item, origin: &Origin<'_>) {
        let row = &mut self.row;
        row.revision = row.revision.saturating_add(1);
        row.salt = fields::next_salt(&row.salt, &item.blinding, &item.digest);
        if matches!(item.action, Action::OpenCase { .. }) {
            return;
        }
        let mut out = Writer::default();
        out.u64(origin.position.height);
        out.u32(origin.position.transaction);
        out.u16(origin.position.item);
        out.raw(&origin.payload.0);
        out.raw(&item.digest.0);
        out.str(origin.authority.as_str());
        out.list(origin.keys);
        out.u16(item.action.tag());
        row.history = hash_parts("history", &[&row.history, &out.into_bytes()]);
        row.history_count = row.history_count.saturating_add(1);
    }
    /// Brings fields and blinders up to the fold at the end of a block that is not the case's last: what [`Self::close`]
    /// does, without the row and the root, which only the last one leaves.
    pub(crate) fn settle(&mut self, case: &CaseId, height: Height) {
        self.close_fields(case, height);
        self.row.changed = height;
        self.fresh = false;
    }
    /// Brings fields, blinders and entries up to the fold at the end of a
    /// block, and writes the row; the case root.
    pub fn close(&mut self, case: &CaseId, height: Height, batch: &mut Batch) -> Hash {
        let changed = self.close_fields(case, height);
        self.close_entries();
        let row = &mut self.row;
        row.changed = height;
        row.retracted = self.fold.retracted().iter().map(|(slot, by)| (*slot, by.to_string())).collect();
        self.fresh = false;
        rows::put(batch, Family::Cases, case.0.to_vec(), row);
        match &mut self.tree {
            Some(tree) => {
                let leaves: Vec<_> = changed.into_iter().filter_map(|index| Some((index, row.leaf(index)?))).collect();
                tree.update(&leaves);
                tree.root()
            }
            none => none.insert(FieldTree::new(&row.leaves())).root(),
        }
    }
    /// The fields that changed, ascending; each has a new blinder.
    fn close_fields(&mut self, case: &CaseId, height: Height) -> Vec<usize> {
        let mut wanted = vec![Vec::new(); fields::FIELDS];
        let identity = fields::identity(case, &self.row.definition, self.row.version, self.row.opened);
        let own = [
            (fields::IDENTITY, identity),
            (fields::HISTORY, fields::history(self.row.history_count, &self.row.history)),
            (fields::REVISION, fields::revision(self.row.revision)),
        ];
        for (index, bytes) in own.into_iter().chain(fields::of_state(self.fold.state())) {
            if let Some(field) = wanted.get_mut(index) {
                *field = bytes;
            }
        }
        let row = &mut self.row;
        let mut changed = Vec::new();
        for (index, bytes) in wanted.into_iter().enumerate() {
            let (Some(field), Some(blinder)) = (row.fields.get_mut(index), row.blinders.get_mut(index)) else {
                continue;
            };
            if self.fresh || *field != bytes {
                *blinder = fields::blinder(&row.salt, index, height);
                *field = bytes;
                changed.push(index);
            }
        }
        changed
    }
    /// Encodes the reports that are new or corrected; the rows of the others stay.
    fn close_entries(&mut self) {
        let corrected = std::mem::take(&mut self.corrected);
        let mut known: BTreeMap<Slot, Arc<EntryRow>> = BTreeMap::new();
        for row in std::mem::take(&mut self.row.entries) {
            if !corrected.contains(&row.slot) {
                known.insert(row.slot, row);
            }
        }
        let rows = self.fold.entries().iter();
        self.row.entries =
            rows.map(|entry| known.remove(&entry.slot).unwrap_or_else(|| Arc::new(entry_row(entry)))).collect();
    }
}

fn entry_row(entry: &Entry) -> EntryRow {
    EntryRow {
        slot: entry.slot,
        height: entry.position.height,
        transaction: entry.position.transaction,
        item: entry.position.item,
        author: entry.author.to_string(),
        report: encode_report(&entry.report),
    }
}

fn encode_report(report: &Report) -> Vec<u8> {
    report_to_proto(report).encode_to_vec()
}
