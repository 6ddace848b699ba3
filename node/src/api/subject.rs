//! A case that somebody asks about: its reports and what follows from them at one moment, and what the reader sees of
//! it. Every answer about a case goes through here. Must never hand out a part of a case that the reader's view lacks.

mod changed;

use std::collections::BTreeSet;
use std::sync::Arc;

use laufzettel_chain::ids::{CaseId, Height};
use laufzettel_chain::query::{self, CaseEffects};
use laufzettel_chain::registry::Registry;
use laufzettel_chain::state::case::{CaseRow, OpenCase};
use laufzettel_chain::state::effects::fields as effect_fields;
use laufzettel_chain::state::fields::{self, FIELDS};
use laufzettel_chain::storage::{Read, StoreError};
use laufzettel_contracts::effect::{DeadlineState, Effects, History};
use laufzettel_contracts::{CaseFold, Definition, Holders, View, Whole, view_held};

use super::effects::{Followed, Reader};

/// First of the fields that no version has a use for yet, and the one after the last.
const SPARE: std::ops::Range<usize> = 12..fields::TRACKS;
/// Restriction and holds; nothing writes it yet.
const RESTRICTION: usize = 3;

/// A case at one moment.
pub(super) struct Subject {
    pub(super) id: CaseId,
    pub(super) row: CaseRow,
    pub(super) fold: CaseFold,
    /// Its definition and what follows from it; nothing in language 1.
    pub(super) followed: Followed,
    /// Height of its last change by then, whether or not a reader sees it.
    pub(super) changed: Height,
    /// Items by then that are erased.
    pub(super) erased: u32,
    /// Who holds its roles by now, where the moment is an earlier one.
    holders: Option<Holders>,
}

/// At which moment a case is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// By what was recorded up to this height.
    pub(super) height: Height,
    /// Only what had occurred by then; 0 = all.
    pub(super) at_ms: u64,
    /// As of when effects are shown, where `at_ms` does not say it.
    pub(super) as_of_ms: u64,
}

impl Subject {
    /// A case as it stands, with what follows as of an instant.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn now(
        read: &dyn Read,
        registry: &Registry,
        id: &CaseId,
        as_of_ms: u64,
    ) -> Result<Option<Self>, StoreError> {
        let Some(case) = query::case_as_of(read, registry, id, as_of_ms)? else { return Ok(None) };
        let changed = case.row().changed;
        Ok(Some(Self::of(*id, case, as_of_ms, changed)))
    }

    /// A case as it was known at a height; none if it was not opened by then.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn known(
        read: &dyn Read,
        registry: &Registry,
        id: &CaseId,
        moment: &Moment,
    ) -> Result<Option<Self>, StoreError> {
        let Some(known) = query::known_at(read, registry, id, moment.height)? else { return Ok(None) };
        let calendars = registry.calendars_at(moment.height.saturating_add(1));
        let mut subject = if moment.at_ms > 0 {
            let (fold, effects) = known.as_of(registry, calendars, moment.at_ms);
            let mut subject = Self::of(*id, known.case, moment.at_ms, known.changed);
            let (effects, history) = effects.unwrap_or_else(|| nothing(moment.at_ms));
            (subject.fold, subject.followed.case) = (fold, CaseEffects { effects, history });
            subject
        } else {
            let mut case = known.case;
            // As the block after it would.
            case.count_by(calendars);
            case.bring(moment.as_of_ms);
            Self::of(*id, case, moment.as_of_ms, known.changed)
        };
        subject.erased = known.erased;
        subject.holders = Some(holders(read, registry, id, moment.as_of_ms)?);
        Ok(Some(subject))
    }

    fn of(id: CaseId, case: OpenCase, as_of_ms: u64, changed: Height) -> Self {
        let (effects, history) = match case.living() {
            Some(living) => (living.effects().clone(), living.history().clone()),
            None => nothing(as_of_ms),
        };
        let (row, definition) = (case.row().clone(), case.definition.clone());
        let followed = Followed { definition, case: CaseEffects { effects, history } };
        Self { id, row, fold: case.fold, followed, changed, erased: 0, holders: None }
    }

    /// Its definition.
    pub(super) fn definition(&self) -> &Arc<Definition> {
        &self.followed.definition
    }

    fn effects(&self) -> &Effects {
        &self.followed.case.effects
    }

    /// Who holds its roles, as far as it is known, for who reads it now.
    pub(super) fn holders(&self) -> &Holders {
        self.holders.as_ref().unwrap_or(&self.effects().participants)
    }

    /// What a reader sees of it; none if that is nothing, as if there were no such case. A case in which no report stands
    /// has nothing to hide.
    pub(super) fn seen_by<'v>(&'v self, reader: &Reader<'_>) -> Option<View<'v>> {
        let followed = (self.effects(), &self.followed.case.history);
        let view = view_held(self.definition(), &self.fold, followed, self.holders(), &reader.eye());
        (self.fold.entries().is_empty() || !view.is_empty()).then_some(view)
    }

    /// Of what the reader of this view misses nothing.
    pub(super) fn whole(&self, reader: &Reader<'_>, view: &View<'_>) -> Whole {
        let followed = (self.effects(), &self.followed.case.history);
        Whole::of(self.definition(), &self.fold, followed, (view, self.holders()), &reader.eye())
    }

    /// The fields that a proof may open to the reader of this view. A field is opened whole or not at all; that it stays
    /// closed does not tell whether it is empty.
    pub(super) fn fields(&self, view: &View<'_>, whole: &Whole) -> BTreeSet<usize> {
        let mut open: BTreeSet<usize> = SPARE.chain([fields::IDENTITY]).collect();
        let known = |number: usize| self.definition().tracks().iter().any(|track| usize::from(track.number) == number);
        open.extend((fields::TRACKS..FIELDS).filter(|number| !known(*number)));
        open.extend(whole.tracks.iter().map(|number| usize::from(*number)));
        let state = &self.fold.state().tracks;
        let shown = state.iter().filter(|(_, track)| view.tracks.iter().any(|seen| seen.slot == track.slot));
        open.extend(shown.map(|(number, _)| usize::from(*number)));
        let reports =
            [fields::PROCEEDINGS, effect_fields::PARTICIPANTS, RESTRICTION, fields::DEVIATIONS, fields::HISTORY];
        open.extend(reports.into_iter().filter(|_| whole.reports));
        open.extend([fields::REVISION].into_iter().filter(|_| whole.reports && whole.effects()));
        let kinds = [
            (effect_fields::LOCKS, whole.locks),
            (effect_fields::DEADLINES, whole.deadlines),
            (effect_fields::TASKS, whole.tasks),
            (effect_fields::NOTICES, whole.notices),
            (effect_fields::MARKERS, whole.markers),
        ];
        open.extend(kinds.into_iter().filter(|(_, whole)| *whole).map(|(field, _)| field));
        open
    }

    /// When the next thing falls due that is in this view.
    pub(super) fn next_due_ms(&self, view: &View<'_>) -> Option<u64> {
        let effects = self.effects();
        let all = (effects.deadlines.len(), effects.notices.len()) == (view.deadlines.len(), view.notices.len());
        if all {
            return effects.next_due_ms;
        }
        let deadlines = view.deadlines.iter().flat_map(|one| {
            let ends = one.due.as_ref().ok().map(|due| due.elapses_ms());
            let grace = one.grace.as_ref().and_then(|grace| grace.as_ref().ok()).map(|due| due.elapses_ms());
            match one.state {
                DeadlineState::Running => [one.warns_ms, ends],
                DeadlineState::Warned => [ends, None],
                DeadlineState::Elapsed { grace_over: false } => [grace, None],
                _ => [None, None],
            }
        });
        let deadlines = deadlines.flatten().filter_map(|at_ms| u64::try_from(at_ms).ok());
        let notices = view.notices.iter().filter(|one| !one.unacknowledged).filter_map(|one| one.acknowledge_until_ms);
        deadlines.chain(notices).filter(|at_ms| *at_ms > effects.as_of_ms).min()
    }
}

fn nothing(as_of_ms: u64) -> (Effects, History) {
    (Effects { as_of_ms, ..Effects::default() }, History::new())
}

/// Who holds which role in a case by now; in language 1 nobody is known to.
///
/// # Errors
/// The store failed.
pub(super) fn holders(read: &dyn Read, registry: &Registry, id: &CaseId, as_of_ms: u64) -> Result<Holders, StoreError> {
    let case = query::effects(read, registry, id, as_of_ms)?;
    Ok(case.map(|case| Holders::clone(&case.effects.participants)).unwrap_or_default())
}
