//! A case as the execution of a block changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_contracts::{AuthorityId, CaseFold, Definition, Entry, Position, Refusal, Slot};

use super::fields::{self, FieldTree};
pub use super::row::CaseRow;
use super::row::{delete_report, put_report};
use crate::codec::Writer;
use crate::crypto::{Hash, hash_parts};
use crate::ids::{CaseId, Height, KeyId, PayloadDigest};
use crate::item::{Action, Item};
use crate::registry::Registry;
use crate::storage::{Batch, Read, StoreError};

/// A case while a block is executed.
#[derive(Debug, Clone)]
pub struct OpenCase {
    /// Its definition.
    pub definition: Arc<Definition>,
    /// Its reports and what follows from them.
    pub fold: CaseFold,
    row: CaseRow,
    fresh: bool,
    /// Reports that came, were corrected or went since the case was written, with their places.
    touched: BTreeMap<Slot, Position>,
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
        let row = CaseRow::new(&definition, height);
        Self { definition, fold: CaseFold::new(), row, fresh: true, touched: BTreeMap::new(), tree: None }
    }
    /// A stored case, if there is one.
    ///
    /// # Errors
    /// The store failed or the row is damaged.
    pub fn load(read: &dyn Read, registry: &Registry, case: &CaseId) -> Result<Option<Self>, StoreError> {
        let Some(row) = CaseRow::load(read, case)? else { return Ok(None) };
        let definition = row.definition(registry, case)?.clone();
        let fold = row.fold(read, &definition, case)?;
        Ok(Some(Self { definition, fold, row, fresh: false, touched: BTreeMap::new(), tree: None }))
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
                self.touched.insert(slot, entry.position);
                self.fold.report(&self.definition, entry);
            }
            Action::Correct { slot, report } => {
                let position = self.fold.entry(slot)?.position;
                self.fold.correct(&self.definition, *slot, report.clone())?;
                self.touched.insert(*slot, position);
            }
            Action::Retract { slot, .. } => {
                let position = self.fold.entry(slot)?.position;
                self.fold.retract(&self.definition, *slot)?;
                self.touched.insert(*slot, position);
            }
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
    /// does, without the rows and the root, which only the last one leaves.
    pub(crate) fn settle(&mut self, height: Height) {
        let fields = fields::of_state(self.fold.state());
        self.row.settle(fields, self.fresh, height);
        self.fresh = false;
    }
    /// Brings the rows up to the fold at the end of a block; the case root.
    pub fn close(&mut self, case: &CaseId, height: Height, batch: &mut Batch) -> Hash {
        for (slot, position) in std::mem::take(&mut self.touched) {
            match self.fold.entry(&slot) {
                Ok(entry) => put_report(batch, case, entry),
                Err(_) => delete_report(batch, case, &position),
            }
        }
        let fields = fields::of_state(self.fold.state());
        let row = &mut self.row;
        row.retracted = self.fold.retracted().iter().map(|(slot, by)| (*slot, by.to_string())).collect();
        let changed = row.settle(fields, self.fresh, height);
        row.put(case, batch);
        self.fresh = false;
        match &mut self.tree {
            Some(tree) => {
                let leaves: Vec<_> = changed.into_iter().map(|field| (field, row.leaf(case, field))).collect();
                tree.update(&leaves);
                tree.root()
            }
            none => none.insert(FieldTree::new(&row.leaves(case))).root(),
        }
    }
}
