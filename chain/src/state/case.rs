//! A case as the execution of a block changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_contracts::effect::{Effects, History, HistoryRefusal};
use laufzettel_contracts::{AuthorityId, Calendars, CaseFold, Code, Definition, Entry, Position, Slot};

use super::effects::Living;
use super::effects::parts::Parts;
use super::fields::{self, FieldTree};
pub use super::row::CaseRow;
use super::row::{delete_report, put_report};
use crate::codec::Writer;
use crate::crypto::{Hash, hash_parts};
use crate::ids::{CaseId, Height, KeyId, PayloadDigest};
use crate::index::Standing;
use crate::item::{Action, Item};
use crate::query;
use crate::receipt;
use crate::registry::Registry;
use crate::storage::{Batch, Family, Read, StoreError};

mod changed;

/// A case while a block is executed.
#[derive(Debug, Clone)]
pub struct OpenCase {
    /// Its definition.
    pub definition: Arc<Definition>,
    /// Its reports and what follows from them.
    pub fold: CaseFold,
    /// What follows from its reports; none in language 1.
    living: Option<Box<Living>>,
    row: CaseRow,
    /// The effects as they are stored.
    parts: Parts,
    fresh: bool,
    /// Whether due work alone touches it in this block.
    due: bool,
    /// Whether it has come to another version of its definition since it was written.
    moved: bool,
    /// Reports that came, were corrected or went since the case was written, with their places.
    touched: BTreeMap<Slot, Position>,
    /// Where it stood when it was written last, if it was kept in memory since.
    standing: Option<Arc<Standing>>,
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
        let (fold, touched) = (CaseFold::new(), BTreeMap::new());
        Self {
            definition,
            fold,
            living: None,
            row,
            parts: Parts::default(),
            fresh: true,
            due: false,
            moved: false,
            touched,
            standing: None,
            tree: None,
        }
    }
    /// The same with what follows from its reports, if it is of language 2.
    #[must_use]
    pub fn within(self, registry: &Registry, case: CaseId) -> Self {
        let living = Living::new(registry, &self.definition, case, self.row.opened).map(Box::new);
        Self { living, ..self }
    }
    /// Counts by these calendars from the next instant on; as stored, it is counted by those of its last block.
    pub fn count_by(&mut self, calendars: Option<&Arc<Calendars>>) {
        if let (Some(living), Some(calendars)) = (&mut self.living, calendars) {
            living.count_by(calendars);
        }
    }
    /// Comes to the version of its definition and the calendars that the block of a height finds.
    pub fn come_to(&mut self, registry: &Registry, case: CaseId, height: Height) {
        while let Some(next) = registry.moved(self.definition.id(), self.definition.version(), height) {
            let Some(definition) = registry.definition(self.definition.id(), next.to).cloned() else { break };
            self.move_to(registry, case, definition, &next.statuses, height);
        }
        self.count_by(registry.calendars_at(height));
    }
    /// Whether it is there already.
    #[must_use]
    pub fn is_at(&self, registry: &Registry, height: Height) -> bool {
        let calendars = self.living().zip(registry.calendars_at(height));
        calendars.is_none_or(|(living, calendars)| living.is_counted_by(calendars))
            && registry.moved(self.definition.id(), self.definition.version(), height).is_none()
    }
    /// Reads its reports under another version. What is remembered of its effects stays: what that version's rules make
    /// again under the same name goes on, the rest is withdrawn.
    fn move_to(
        &mut self,
        registry: &Registry,
        case: CaseId,
        definition: Arc<Definition>,
        statuses: &BTreeMap<Code, Code>,
        height: Height,
    ) {
        let renamed = |entry: &Entry| {
            let mut entry = entry.clone();
            if let Some(status) = statuses.get(&entry.report.status) {
                entry.report.status = status.clone();
            }
            entry
        };
        let entries: Vec<Entry> = self.fold.entries().iter().map(renamed).collect();
        self.touched.extend(entries.iter().map(|entry| (entry.slot, entry.position)));
        self.fold = CaseFold::restore(&definition, entries, self.fold.retracted().clone());
        let (history, as_of_ms) = match self.living() {
            Some(living) => (living.history().clone(), living.effects().as_of_ms),
            None => (History::new(), 0),
        };
        let living = Living::restore((registry, height), &definition, case, &self.fold, history, as_of_ms);
        self.living = living.map(Box::new);
        self.row.version = definition.version();
        (self.definition, self.moved) = (definition, true);
    }
    /// A stored case, if there is one.
    ///
    /// # Errors
    /// The store failed or the row is damaged.
    pub fn load(read: &dyn Read, registry: &Registry, case: &CaseId) -> Result<Option<Self>, StoreError> {
        let Some((row, parts)) = CaseRow::load_parts(read, case)? else { return Ok(None) };
        let definition = row.definition(registry, case)?.clone();
        let fold = row.fold(read, &definition, case)?;
        let living = living(read, registry, (case, &row), &definition, &fold)?.map(Box::new);
        let touched = BTreeMap::new();
        Ok(Some(Self {
            definition,
            fold,
            living,
            row,
            parts,
            fresh: false,
            due: false,
            moved: false,
            touched,
            standing: None,
            tree: None,
        }))
    }
    /// What follows from its reports; none in language 1.
    #[must_use]
    pub fn living(&self) -> Option<&Living> {
        self.living.as_deref()
    }
    /// The effects as of the last instant they were brought to; none in language 1.
    #[must_use]
    pub fn effects(&self) -> Option<&Effects> {
        self.living().map(Living::effects)
    }
    /// Its row as it was written last, but for what the items since have counted.
    #[must_use]
    pub fn row(&self) -> &CaseRow {
        &self.row
    }
    /// Brings the effects up to the reports and an instant.
    pub fn bring(&mut self, as_of_ms: u64) {
        if let Some(living) = &mut self.living {
            living.bring(&self.definition, &self.fold, as_of_ms);
        }
    }
    /// Ends a block of this time for the effects: what changed goes into the history. To be called before the case is
    /// settled or closed.
    pub fn advance(&mut self, time_ms: u64) {
        if let Some(living) = &mut self.living {
            living.advance(&self.definition, &self.fold, &self.parts, time_ms);
        }
    }
    /// Whether it is known where it stood when it was written last.
    pub(crate) fn stands(&self) -> bool {
        self.standing.is_some()
    }
    /// Whether it is just as it was written last, and waits to come to no other version or calendars.
    pub(crate) fn is_as_written(&self) -> bool {
        !self.fresh && !self.moved && self.touched.is_empty() && self.living().is_none_or(Living::is_at_rest)
    }
    /// Takes over where it stood when it was written last: from then on its rows in the index are kept up to it.
    pub(crate) fn stand(&mut self, standing: Standing) {
        self.standing = Some(Arc::new(standing));
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
    /// Applies an item that was accepted, in a block of this time: to the fold, and to revision, salt and history.
    ///
    /// # Errors
    /// It corrects, retracts, completes or acknowledges what does not stand; nothing has changed then.
    pub fn apply(&mut self, item: &Item, origin: &Origin<'_>, time_ms: u64) -> Result<(), receipt::Code> {
        let refused = |refusal: laufzettel_contracts::Refusal| receipt::Code::of(&refusal);
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
                let position = self.fold.entry(slot).map_err(refused)?.position;
                self.fold.correct(&self.definition, *slot, report.clone()).map_err(refused)?;
                self.touched.insert(*slot, position);
            }
            Action::Retract { slot, .. } => {
                let position = self.fold.entry(slot).map_err(refused)?.position;
                self.fold.retract(&self.definition, *slot).map_err(refused)?;
                self.touched.insert(*slot, position);
            }
            Action::CompleteTask { .. } | Action::Acknowledge { .. } => self.handle(item, origin, time_ms)?,
            // Concerns no case, or only asks: changes none.
            Action::Evidence(_) | Action::Propose(_) | Action::Vote { .. } | Action::ClearanceCheck { .. } => {
                return Ok(());
            }
        }
        self.count(item, origin);
        Ok(())
    }
    /// Records that a task was completed or a notice acknowledged.
    fn handle(&mut self, item: &Item, origin: &Origin<'_>, time_ms: u64) -> Result<(), receipt::Code> {
        self.bring(time_ms);
        let living = self.living.as_mut().ok_or(HistoryRefusal::EffectUnknown).map_err(receipt::Code::of_history)?;
        let handled = match &item.action {
            Action::CompleteTask { effect, outcome } => {
                living.complete(&self.definition, effect, origin.authority, outcome)
            }
            Action::Acknowledge { effect } => living.acknowledge(&self.definition, effect, origin.authority),
            Action::OpenCase { .. }
            | Action::Report(_)
            | Action::Correct { .. }
            | Action::Retract { .. }
            | Action::ClearanceCheck { .. }
            | Action::Propose(_)
            | Action::Vote { .. }
            | Action::Evidence(_) => Ok(()),
        };
        handled.map_err(receipt::Code::of_history)
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
        let touched = self.touched_effects();
        let fields = self.fields(height, touched.as_deref());
        let changed = self.row.settle(fields, (self.fresh, self.moved), height);
        self.mark_people(&changed);
        self.settle_effects();
        (self.fresh, self.due, self.moved) = (false, false, false);
    }
    /// Marks it as touched in this block by due work alone.
    pub fn touch_due(&mut self) {
        self.due = true;
    }
    /// Whether due work alone may touch it after this block.
    pub(crate) fn wakes(&self) -> bool {
        self.row.wakes(self.due)
    }
    /// Whether due work alone touches it in this block.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.due
    }
    /// Brings the rows up to the fold at the end of a block, those of the index as well if it is known where it stood; the
    /// case root.
    pub fn close(&mut self, case: &CaseId, height: Height, batch: &mut Batch) -> Hash {
        for (slot, position) in std::mem::take(&mut self.touched) {
            match self.fold.entry(&slot) {
                Ok(entry) => put_report(batch, case, entry),
                Err(_) => delete_report(batch, case, &position),
            }
        }
        let touched = self.touched_effects();
        if let Some(mut standing) = self.standing.take() {
            Arc::make_mut(&mut standing).go_on(case, self, touched.as_deref(), batch);
            self.standing = Some(standing);
        }
        let fields = self.fields(height, touched.as_deref());
        self.settle_effects();
        self.due = false;
        self.row.retracted = self.fold.retracted().iter().map(|(slot, by)| (*slot, by.to_string())).collect();
        let changed = self.row.settle(fields, (self.fresh, self.moved), height);
        self.mark_people(&changed);
        let row = &mut self.row;
        row.put(case, &mut self.parts, batch);
        (self.fresh, self.moved) = (false, false);
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

/// What follows from a stored case as of its last change.
fn living(
    read: &dyn Read,
    registry: &Registry,
    (case, row): (&CaseId, &CaseRow),
    definition: &Definition,
    fold: &CaseFold,
) -> Result<Option<Living>, StoreError> {
    if definition.language() < 2 {
        return Ok(None);
    }
    let damaged = |what: String| StoreError::Damaged { family: Family::Cases.name(), what };
    let header = query::bare_header(read, row.changed)?;
    let time_ms = header.ok_or_else(|| damaged(format!("case {case}: no header of its last change")))?.time_ms;
    let kept = |field: usize| u8::try_from(field).map_or(&[][..], |field| row.kept(field));
    let history = Living::history_of(kept).map_err(|error| damaged(format!("case {case}: {error}")))?;
    Ok(Living::restore((registry, row.changed), definition, *case, fold, history, time_ms))
}
