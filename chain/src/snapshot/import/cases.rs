//! Each case made anew from its items, by the very code that blocks are executed with, height by height; with it come
//! its row, its items, its part of the index and its value in the state tree. Whether all this is true, the root says.

use laufzettel_contracts::Position;
use laufzettel_contracts::limits::EVENTS_MAX;

use super::super::entry::{self, CaseEntry, Signer, Step};
use super::{Fault, because};
use crate::codec::decode;
use crate::ids::CaseId;
use crate::index::{self, Standing};
use crate::item::{Action, Item};
use crate::ledger::stored::item_row;
use crate::registry::Registry;
use crate::state::case::{OpenCase, Origin};
use crate::storage::{Batch, Family};
use crate::tree::{self, StateKey};

/// The case whose parts come in.
#[derive(Debug, Clone)]
struct Current {
    id: CaseId,
    case: OpenCase,
    /// Place of its last item.
    last: Position,
}

/// The cases so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Cases {
    current: Option<Current>,
    count: u64,
}

impl Cases {
    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
    /// Takes a case, or the next part of the last one.
    pub(super) fn take(
        &mut self,
        registry: &Registry,
        key: &[u8],
        value: &[u8],
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let (id, revision) = entry::case_of_key(key).ok_or_else(|| because("a key is none of a case"))?;
        let continued = self.current.as_ref().is_some_and(|current| current.id == id);
        if !continued {
            self.finish(batch)?;
        }
        let known = self.current.as_ref().map_or(0, |current| current.case.revision());
        if revision != known.saturating_add(1) {
            return Err(because(format!("a case goes on at revision {revision} after {known}")));
        }
        let part: CaseEntry = decode(value)?;
        for step in &part.steps {
            let signer = part.signers.get(usize::from(step.signer));
            let signer = signer.ok_or_else(|| because("a transaction names a signer that is not listed"))?;
            self.step(registry, id, step, signer, batch)?;
        }
        Ok(())
    }
    fn step(
        &mut self,
        registry: &Registry,
        id: CaseId,
        step: &Step,
        signer: &Signer,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        for (place, bytes) in &step.items {
            let position = Position { height: step.height, transaction: step.transaction, item: *place };
            let item = Item::decode(bytes).map_err(because)?;
            if item.case != id {
                return Err(because("an item is of another case"));
            }
            let origin = Origin { position, payload: step.payload, authority: &signer.authority, keys: &signer.keys };
            let current = match (&item.action, &mut self.current) {
                (Action::OpenCase { definition, version }, None) => {
                    let known = registry.definition(definition, *version).cloned();
                    let definition = known.ok_or_else(|| because("a case is of an unknown definition"))?;
                    let case = OpenCase::new(definition, step.height);
                    self.count = self.count.saturating_add(1);
                    self.current.insert(Current { id, case, last: position })
                }
                (Action::OpenCase { .. }, Some(_)) | (_, None) => {
                    return Err(because("a case does not begin with its opening, or is opened twice"));
                }
                (_, Some(current)) => {
                    if position <= current.last || current.case.events() >= EVENTS_MAX as u64 {
                        return Err(because("items of a case are out of order or too many"));
                    }
                    if position.height > current.last.height {
                        current.case.settle(&id, current.last.height);
                    }
                    current.last = position;
                    current
                }
            };
            current.case.apply(&item, &origin).map_err(|refusal| because(format!("an item of a case: {refusal:?}")))?;
            let revision = current.case.revision();
            index::put_item(batch, &item, &position, revision);
            batch.put(
                Family::Items,
                item_row(position.height, position.transaction, usize::from(*place)),
                bytes.clone(),
            );
        }
        Ok(())
    }
    /// Ends the case whose parts came in.
    pub(super) fn finish(&mut self, batch: &mut Batch) -> Result<(), Fault> {
        let Some(Current { id, mut case, last }) = self.current.take() else { return Ok(()) };
        index::put_standing(batch, &id, None, &Standing::of(case.fold.state(), case.fold.entries()));
        let root = case.close(&id, last.height, batch);
        tree::put_value(batch, &StateKey::Case(id), last.height, root.to_vec())?;
        Ok(())
    }
}
