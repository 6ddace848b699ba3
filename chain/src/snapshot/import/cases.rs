//! Each case made anew from its items, by the very code that blocks are executed with, height by height; with it come
//! its row, its items, its part of the index and its value in the state tree. Whether all this is true, the root says.

use laufzettel_contracts::Position;
use laufzettel_contracts::limits::EVENTS_MAX;
use rayon::prelude::*;

use super::super::entry::{self, CaseEntry, Signer, Step};
use super::blocks::opening_mark;
use super::{Fault, because};
use crate::codec::decode;
use crate::crypto::Hash;
use crate::ids::{CaseId, Height};
use crate::index::{self, Standing};
use crate::item::{Action, Item};
use crate::ledger::stored::item_row;
use crate::query;
use crate::registry::Registry;
use crate::state::case::{OpenCase, Origin};
use crate::storage::{Batch, Family, Read};
use crate::tree::{self, StateKey};

/// Cases that one core makes anew alone: fewer are not worth the way to another.
const ALONE: usize = 32;

/// What the import knows already: the blocks with their marks of openings, and the members.
pub(super) struct Known<'a> {
    pub(super) read: &'a dyn Read,
    pub(super) registry: &'a Registry,
}

/// An entry of a chunk: its key and its value.
type Part<'a> = (&'a [u8], &'a [u8]);

fn same_case(a: &[u8], b: &[u8]) -> bool {
    let case = |key: &[u8]| entry::case_of_key(key).map(|(case, _)| case);
    case(a).is_some() && case(a) == case(b)
}

/// The case whose parts come in.
#[derive(Debug, Clone)]
struct Current {
    id: CaseId,
    case: OpenCase,
    /// Place of its last item.
    last: Position,
}

impl Current {
    /// Moves on to the place of the next item; a block that ends settles the case.
    fn go_on(&mut self, read: &dyn Read, position: Position) -> Result<(), Fault> {
        if position <= self.last {
            return Err(because("items of a case are out of order"));
        }
        if position.height > self.last.height {
            self.case.advance(time_of(&self.case, read, self.last.height)?);
            self.case.settle(self.last.height);
        }
        self.last = position;
        Ok(())
    }
}

/// Time of a block, which came before all cases; 0 where the case does not ask for it.
fn time_of(case: &OpenCase, read: &dyn Read, height: Height) -> Result<u64, Fault> {
    if case.living().is_none() {
        return Ok(0);
    }
    let header = query::bare_header(read, height)?;
    Ok(header.ok_or_else(|| because(format!("an item of a case is of height {height}, which has no block")))?.time_ms)
}

fn mark_of(item: &Item, origin: &Origin<'_>) -> Hash {
    opening_mark(&origin.position, &origin.payload, &item.digest, origin.authority.as_str(), origin.keys)
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
    /// Takes a chunk's entries. Cases are made anew on all cores; the first one may go on from the chunk before, the last
    /// one in the next.
    pub(super) fn take(&mut self, known: &Known<'_>, entries: &[Part<'_>], batch: &mut Batch) -> Result<(), Fault> {
        let cases: Vec<&[Part<'_>]> = entries.chunk_by(|(a, _), (b, _)| same_case(a, b)).collect();
        let (Some((first, rest)), true) = (cases.split_first(), cases.len() > 2) else {
            return entries.iter().try_for_each(|part| self.part(known, part, batch));
        };
        first.iter().try_for_each(|part| self.part(known, part, batch))?;
        self.finish(known, batch)?;
        let (last, whole) = rest.split_last().unwrap_or((first, &[]));
        let made = whole.par_chunks(ALONE).map(|cases| {
            let (mut made, mut batch) = (Self::default(), Batch::default());
            cases.iter().copied().flatten().try_for_each(|part| made.part(known, part, &mut batch))?;
            made.finish(known, &mut batch)?;
            Ok((made.count, batch))
        });
        // The first fault in the order of the chunk is the one that is told.
        for made in made.collect::<Vec<Result<(u64, Batch), Fault>>>() {
            let (count, rows) = made?;
            self.count = self.count.saturating_add(count);
            batch.append(rows);
        }
        last.iter().try_for_each(|part| self.part(known, part, batch))
    }
    /// Takes a case, or the next part of the last one.
    fn part(&mut self, known: &Known<'_>, (key, value): &Part<'_>, batch: &mut Batch) -> Result<(), Fault> {
        let (id, revision) = entry::case_of_key(key).ok_or_else(|| because("a key is none of a case"))?;
        let continued = self.current.as_ref().is_some_and(|current| current.id == id);
        if !continued {
            self.finish(known, batch)?;
        }
        let before = self.current.as_ref().map_or(0, |current| current.case.revision());
        if revision != before.saturating_add(1) {
            return Err(because(format!("a case goes on at revision {revision} after {before}")));
        }
        let part: CaseEntry = decode(value)?;
        for step in &part.steps {
            if step.is_due() {
                self.due(known, step.height)?;
                continue;
            }
            let signer = part.signers.get(usize::from(step.signer));
            let signer = signer.ok_or_else(|| because("a transaction names a signer that is not listed"))?;
            self.step(known, id, (step, signer), batch)?;
        }
        Ok(())
    }
    fn step(
        &mut self,
        known: &Known<'_>,
        id: CaseId,
        (step, signer): (&Step, &Signer),
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        for (place, bytes) in &step.items {
            let position = Position { height: step.height, transaction: step.transaction, item: *place };
            let item = Item::decode_in(bytes, known.registry.protocol).map_err(because)?;
            if item.case != Some(id) {
                return Err(because("an item is of another case"));
            }
            let row = item_row(position.height, position.transaction, usize::from(*place));
            let origin = Origin { position, payload: step.payload, authority: &signer.authority, keys: &signer.keys };
            match (&item.action, &mut self.current) {
                (Action::OpenCase { definition, version }, None) => {
                    if known.read.get(Family::Items, &row)?.as_deref() != Some(mark_of(&item, &origin).as_slice()) {
                        return Err(because("a case was not opened where it says"));
                    }
                    let definition = known.registry.definition(definition, *version).cloned();
                    let definition = definition.ok_or_else(|| because("a case is of an unknown definition"))?;
                    let case = OpenCase::new(definition, step.height).within(known.registry, id);
                    self.current = Some(Current { id, case, last: position });
                    self.count = self.count.saturating_add(1);
                }
                (Action::OpenCase { .. }, Some(_)) => return Err(because("a case is opened twice")),
                (Action::ClearanceCheck { .. }, _) => return Err(because("an item of a case changes nothing of it")),
                (_, None) => return Err(because("a case does not begin with its opening")),
                (_, Some(current)) if current.case.events() >= EVENTS_MAX as u64 => {
                    return Err(because("items of a case are too many"));
                }
                (_, Some(current)) => current.go_on(known.read, position)?,
            }
            let Some(current) = &mut self.current else { return Ok(()) };
            let time_ms = time_of(&current.case, known.read, step.height)?;
            current.case.come_to(known.registry, id, step.height);
            let applied = current.case.apply(&item, &origin, time_ms);
            applied.map_err(|refusal| because(format!("an item of a case: {}", refusal.reason())))?;
            index::put_item(batch, &id, &item, &position, current.case.revision());
            batch.put(Family::Items, row, bytes.clone());
        }
        Ok(())
    }
    /// Due work alone touched the case at a height. Only the root says whether it did; that it is of language 2, and not
    /// touched more often than a case may be, is asked here.
    fn due(&mut self, known: &Known<'_>, height: Height) -> Result<(), Fault> {
        let wakes = |current: &&mut Current| current.case.living().is_some() && current.case.wakes();
        let current = self.current.as_mut().filter(wakes);
        let current = current.ok_or_else(|| because("a case is touched by due work that it cannot have"))?;
        if height <= current.last.height {
            return Err(because("due work of a case is out of order"));
        }
        current.go_on(known.read, Position { height, transaction: u32::MAX, item: u16::MAX })?;
        current.case.come_to(known.registry, current.id, height);
        current.case.touch_due();
        Ok(())
    }
    /// Ends the case whose parts came in.
    pub(super) fn finish(&mut self, known: &Known<'_>, batch: &mut Batch) -> Result<(), Fault> {
        let Some(Current { id, mut case, last }) = self.current.take() else { return Ok(()) };
        let time_ms = time_of(&case, known.read, last.height)?;
        case.advance(time_ms);
        case.stand(Standing::default());
        let root = case.close(&id, last.height, batch);
        tree::put_value(batch, &StateKey::Case(id), last.height, root.to_vec())?;
        Ok(())
    }
}
