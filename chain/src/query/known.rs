//! A case as it was known at a height: made anew from its items up to there, by the code that blocks are executed with.
//! So what was acknowledged, completed and withdrawn by then is what the ledger kept then. Must never show anything of
//! a later height.

use laufzettel_contracts::effect::{EffectFold, Effects, History, Known, World};
use laufzettel_contracts::{AuthorityId, CaseFold, Code, Definition, Position, When};

use super::{bare_header, damaged, event};
use crate::ids::{CaseId, Height};
use crate::index;
use crate::item::Action;
use crate::registry::Registry;
use crate::state::case::{CaseRow, OpenCase, Origin};
use crate::state::effects::effect_id;
use crate::storage::{Family, Read, StoreError};

/// A case as it was known.
#[derive(Debug, Clone)]
pub struct KnownCase {
    /// The case after the last block that changed it by then.
    pub case: OpenCase,
    /// Height of that block.
    pub changed: Height,
    /// Items by then that are erased: what they said is missing.
    pub erased: u32,
}

/// The newest height whose block time is not after an instant; none if genesis is.
///
/// # Errors
/// The store failed.
pub fn height_at(read: &dyn Read, newest: Height, at_ms: u64) -> Result<Option<Height>, StoreError> {
    let time_ms = |height| -> Result<u64, StoreError> {
        let header = bare_header(read, height)?;
        Ok(header.ok_or_else(|| damaged(Family::Blocks, format!("no header of height {height}")))?.time_ms)
    };
    // Genesis has no row: what is before the first block is known at height 0.
    let (mut low, mut high) = (0, newest);
    while low < high {
        let middle = low.saturating_add(high.saturating_sub(low).div_ceil(2));
        if time_ms(middle)? <= at_ms {
            low = middle;
        } else {
            high = middle.saturating_sub(1);
        }
    }
    Ok((low > 0).then_some(low))
}

/// A case as it was known at a height; none if it was not opened by then.
///
/// # Errors
/// The store failed or an item does not fit its case.
pub fn known_at(
    read: &dyn Read,
    registry: &Registry,
    id: &CaseId,
    height: Height,
) -> Result<Option<KnownCase>, StoreError> {
    let Some(row) = CaseRow::load(read, id)?.filter(|row| row.opened <= height) else { return Ok(None) };
    let case = OpenCase::new(row.definition(registry, id)?.clone(), row.opened).within(registry, *id);
    let mut known = KnownCase { case, changed: row.opened, erased: 0 };
    let mut due = row.due_heights().into_iter().filter(|due| *due <= height).peekable();
    for (revision, position) in index::of_case(read, id, 0, usize::MAX)? {
        if position.height > height {
            break;
        }
        while let Some(touched) = due.next_if(|due| *due < position.height) {
            known.go_on(read, touched)?;
        }
        known.go_on(read, position.height)?;
        known.apply(read, &position, revision)?;
    }
    for touched in due {
        known.go_on(read, touched)?;
    }
    known.end_block(read)?;
    Ok(Some(known))
}

impl KnownCase {
    /// Moves on to a block; the one before ends.
    fn go_on(&mut self, read: &dyn Read, height: Height) -> Result<(), StoreError> {
        if height > self.changed {
            self.end_block(read)?;
            self.changed = height;
        }
        Ok(())
    }

    fn end_block(&mut self, read: &dyn Read) -> Result<(), StoreError> {
        let time_ms = self.time_ms(read)?;
        self.case.advance(time_ms);
        Ok(())
    }

    /// Time of the block that it stands at.
    fn time_ms(&self, read: &dyn Read) -> Result<u64, StoreError> {
        let header = bare_header(read, self.changed)?;
        Ok(header.ok_or_else(|| damaged(Family::Blocks, "no header of a change of a case"))?.time_ms)
    }

    fn apply(&mut self, read: &dyn Read, position: &Position, revision: u64) -> Result<(), StoreError> {
        let event = event(read, position, revision)?;
        let Some(item) = event.item else {
            self.erased = self.erased.saturating_add(1);
            return Ok(());
        };
        if matches!(item.action, Action::ClearanceCheck { .. } | Action::Evidence(_)) {
            return Ok(());
        }
        let authority = AuthorityId::new(&event.authority).map_err(|error| damaged(Family::Blocks, error))?;
        let (payload, keys) = (event.payload, event.keys);
        let origin = Origin { position: *position, payload, authority: &authority, keys: &keys };
        match self.case.apply(&item, &origin, event.time_ms) {
            Ok(()) => Ok(()),
            // What it corrects or answers is erased.
            Err(_) if self.erased > 0 => Ok(()),
            Err(code) => Err(damaged(Family::Items, format!("an applied item: {}", code.reason()))),
        }
    }

    /// Where the case stood at an instant, by what is known here: only what had occurred by then counts, a day as its
    /// end, and only what had been acknowledged and completed by then.
    #[must_use]
    pub fn as_of(&self, registry: &Registry, id: &CaseId, as_of_ms: u64) -> (CaseFold, Option<(Effects, History)>) {
        let definition = &self.case.definition;
        let fold = until(definition, &self.case.fold, as_of_ms);
        let effects = self.case.living().zip(registry.calendars.as_ref()).map(|(living, calendars)| {
            let history = living.history().until(as_of_ms);
            let world = World { definition, calendars, directory: &registry.directory };
            let name = |rule: &Code, cause: &laufzettel_contracts::effect::Cause, occurrence: u32| {
                effect_id(id, rule, cause, occurrence)
            };
            let known = Known { history: &history, name: &name, as_of_ms };
            let effects = EffectFold::of(&world, &fold, &known).into_effects();
            (effects, history)
        });
        (fold, effects)
    }
}

/// The reports that had occurred by an instant.
fn until(definition: &Definition, fold: &CaseFold, as_of_ms: u64) -> CaseFold {
    let as_of_ms = i64::try_from(as_of_ms).unwrap_or(i64::MAX);
    let occurred = |when: &When| when.end_ms() <= as_of_ms;
    let entries = fold.entries().iter().filter(|entry| occurred(&entry.report.occurred)).cloned().collect();
    CaseFold::restore(definition, entries, fold.retracted().clone())
}
