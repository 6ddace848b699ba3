//! A stored case, as it stood at a height, folded with a draft of its definition or with other calendars, beside the case
//! as it was: what a simulation adds up. Twice: as if the draft had always been in force, and as if it were in force from
//! a point on (`force`). Must never write, and must never keep more than one case.
//!
//! As if always, the draft is given the reports that stand, and what the ledger keeps of the case's effects: what was
//! completed and acknowledged stays so where a rule of the same name makes the same thing.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_contracts::diff::MappingFault;
use laufzettel_contracts::effect::{
    Cause, Difference, Directory, Effects, History, Known, Places, Side, World, compare, effects,
};
use laufzettel_contracts::{Calendars, CaseFold, Code, Definition, Entry};

mod force;

use super::known::known_at;
use crate::ids::{CaseId, Height};
use crate::limits::EFFECTS_WORK;
use crate::registry::Registry;
use crate::state::case::{CaseRow, OpenCase};
use crate::state::effects::effect_id;
use crate::storage::{Read, StoreError};
use force::{Force, Stands};
pub use force::{Order, OrderError, Since};

/// What is to be tried.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The definition; none = only the calendars are another.
    definition: Option<Arc<Definition>>,
    /// The calendars; none = those of the network.
    calendars: Option<Arc<Calendars>>,
    /// The same, after those that count until then.
    counting: Option<Arc<Calendars>>,
    /// By version of the definition in force, where its effects stand among those of the draft.
    places: BTreeMap<u32, Places>,
    /// From when on it is in force; none = it is tried as if always alone.
    force: Option<Arc<Force>>,
}

impl Draft {
    /// A draft for a network, tried as if it had always been in force. Its calendars count from an instant on, as adopted
    /// ones do: what was over by then stays over.
    #[must_use]
    pub fn new(
        registry: &Registry,
        definition: Option<Definition>,
        calendars: Option<Calendars>,
        since_ms: u64,
    ) -> Self {
        let since_ms = i64::try_from(since_ms).unwrap_or(i64::MAX);
        let counting = calendars.as_ref().map(|draft| match &registry.calendars {
            Some(in_force) => draft.clone().after(in_force.clone(), since_ms),
            None => draft.clone(),
        });
        let places = definition.iter().flat_map(|draft| {
            let versions = registry.definitions.iter().filter(|((id, _), _)| id == draft.id());
            versions.map(|((_, version), in_force)| (*version, Places::of(in_force, draft)))
        });
        let places = places.collect();
        let (definition, calendars) = (definition.map(Arc::new), calendars.map(Arc::new));
        Self { definition, calendars, counting: counting.map(Arc::new), places, force: None }
    }
    /// The same, tried from a point on as well. With a mapping, both ways read reports by it.
    ///
    /// # Errors
    /// The ledger could not bring it into force so, whatever the mapping.
    pub fn in_force(self, registry: &Registry, order: &Order<'_>) -> Result<Self, OrderError> {
        let force = Force::new(registry, (self.definition.as_ref(), self.calendars.as_ref()), order)?;
        Ok(Self { force: Some(Arc::new(force)), ..self })
    }
    /// What is wrong with its mapping: the ledger would refuse it.
    pub fn faults(&self) -> &[MappingFault] {
        self.force.as_ref().map_or(&[], |force| &force.faults)
    }
    /// The version whose cases move to it; 0 if none do.
    #[must_use]
    pub fn base_version(&self) -> u32 {
        self.force.as_ref().map_or(0, |force| force.base)
    }
    /// Whether it is about the cases of a definition: of the same id and, if one is named, of that version.
    fn concerns(&self, id: &str, version: u32, only: Option<u32>) -> bool {
        let same = self.definition.as_ref().is_none_or(|draft| draft.id() == id);
        same && only.is_none_or(|only| only == version)
    }
    /// A stored case as the block after a height found it, ready to be folded; none if there was no such case, or the draft
    /// is not about it.
    ///
    /// # Errors
    /// The store failed.
    pub fn load(
        &self,
        read: &dyn Read,
        registry: &Registry,
        id: &CaseId,
        (height, only): (Height, Option<u32>),
    ) -> Result<Option<Tried>, StoreError> {
        let Some(row) = CaseRow::load(read, id)?.filter(|row| row.opened <= height) else { return Ok(None) };
        // Another id stays another id.
        if self.definition.as_ref().is_some_and(|draft| draft.id() != row.definition) {
            return Ok(None);
        }
        // What was not changed since stands as it stood.
        let (case, erased) = if row.changed <= height {
            (OpenCase::load(read, registry, id)?, 0)
        } else {
            known_at(read, registry, id, height)?.map_or((None, 0), |known| (Some(known.case), known.erased))
        };
        let Some(mut case) = case else { return Ok(None) };
        let next = height.saturating_add(1);
        case.come_to(registry, *id, next);
        let definition = case.definition.clone();
        if !self.concerns(definition.id(), definition.version(), only) {
            return Ok(None);
        }
        let stands = match &self.force {
            Some(force) => Some(force.of(read, &case, self.definition.is_some())?),
            None => None,
        };
        let unmapped = self.force.as_ref().map(|force| force.unmapped(&case)).unwrap_or_default();
        let calendars = registry.calendars_at(next).cloned();
        let draft = Reading {
            definition: self.definition.clone().unwrap_or_else(|| definition.clone()),
            calendars: self.counting.clone().or_else(|| calendars.clone()),
            places: self.places.get(&definition.version()).cloned(),
            statuses: self.force.as_ref().map(|force| force.statuses.clone()).unwrap_or_default(),
        };
        Ok(Some(Tried {
            id: *id,
            draft,
            now: Reading { definition, calendars, places: None, statuses: Arc::default() },
            directory: registry.directory.clone(),
            history: case.living().map_or_else(History::new, |living| living.history().clone()),
            fold: case.fold,
            force: self.force.clone().zip(stands),
            erased,
            unmapped,
        }))
    }
}

/// How the reports of a case are read.
#[derive(Debug, Clone)]
struct Reading {
    definition: Arc<Definition>,
    calendars: Option<Arc<Calendars>>,
    places: Option<Places>,
    /// New status by old one.
    statuses: Arc<BTreeMap<Code, Code>>,
}

/// A case that is folded both ways.
#[derive(Debug, Clone)]
pub struct Tried {
    id: CaseId,
    now: Reading,
    draft: Reading,
    directory: Arc<Directory>,
    history: History,
    fold: CaseFold,
    force: Option<(Arc<Force>, Stands)>,
    /// Items up to the height that are erased by now: what they said is missing from both.
    pub erased: u32,
    /// Standing reports, by status, that the case would take along and that the mapping cannot carry over.
    pub unmapped: BTreeMap<Code, u32>,
}

/// A case folded one way.
#[derive(Debug, Clone)]
pub struct Folded {
    definition: Arc<Definition>,
    fold: CaseFold,
    effects: Effects,
    /// What folding it costs, in units of the ledger's work budget.
    pub work: u64,
}

impl Folded {
    /// What follows from the case.
    #[must_use]
    pub fn effects(&self) -> &Effects {
        &self.effects
    }
    /// The definition it was folded with.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }
}

/// What a case comes to where the draft is in force from a point on.
#[derive(Debug, Clone)]
pub enum Later {
    /// It was opened since, so it is as if the draft had always been in force.
    Opened,
    /// Nothing changes.
    AsNow,
    /// It stands otherwise: moved to the draft, or counted by the new calendars.
    Otherwise(Box<Folded>),
}

impl Tried {
    /// Folds the case from nothing as it is, as of an instant.
    #[must_use]
    pub fn now(&self, as_of_ms: u64) -> Folded {
        self.folded(&self.now, as_of_ms)
    }
    /// Folds it from nothing with the draft, as of an instant.
    #[must_use]
    pub fn draft(&self, as_of_ms: u64) -> Folded {
        self.folded(&self.draft, as_of_ms)
    }
    /// What it comes to, as of an instant, where the draft is in force from a point on; none if that is not tried.
    #[must_use]
    pub fn later(&self, as_of_ms: u64) -> Option<Later> {
        let (force, stands) = self.force.as_ref()?;
        Some(match stands {
            Stands::Opened => Later::Opened,
            Stands::AsNow => Later::AsNow,
            Stands::Otherwise(case) => {
                let mut case = OpenCase::clone(case);
                force.bring(&mut case, self.id, as_of_ms);
                let effects = case.effects().cloned();
                let counts = effects.is_some();
                let effects = effects.unwrap_or_else(|| Effects { as_of_ms, ..Effects::default() });
                let work = work(&case.fold, counts);
                Later::Otherwise(Box::new(Folded { definition: case.definition, fold: case.fold, effects, work }))
            }
        })
    }
    /// In what a fold differs from the one as it is.
    #[must_use]
    pub fn compare(&self, now: &Folded, draft: &Folded) -> Difference {
        let directory = &self.directory;
        let side = |folded| {
            let Folded { definition, fold: case, effects, .. }: &Folded = folded;
            Side { definition, directory, case, effects }
        };
        compare(&side(now), &side(draft))
    }

    fn folded(&self, reading: &Reading, as_of_ms: u64) -> Folded {
        let definition = reading.definition.clone();
        let read = |entry: &Entry| {
            let mut entry = entry.clone();
            if let Some(status) = reading.statuses.get(&entry.report.status) {
                entry.report.status = status.clone();
            }
            entry
        };
        let entries = self.fold.entries().iter().map(read).collect();
        let fold = CaseFold::restore(&definition, entries, self.fold.retracted().clone());
        let Some(calendars) = reading.calendars.as_deref().filter(|_| definition.language() >= 2) else {
            let effects = Effects { as_of_ms, ..Effects::default() };
            return Folded { work: work(&fold, false), definition, fold, effects };
        };
        let name = |rule: &Code, cause: &Cause, occurrence: u32| {
            let place = reading.places.as_ref().map_or(occurrence, |places| places.of_effect(rule, occurrence));
            effect_id(&self.id, rule, cause, place)
        };
        let world = World { definition: &definition, calendars, directory: &self.directory };
        let effects = effects(&world, &fold, &Known { history: &self.history, name: &name, as_of_ms });
        Folded { work: work(&fold, true), definition, fold, effects }
    }
}

/// What folding reports costs, alone or with what follows from them.
fn work(fold: &CaseFold, counts: bool) -> u64 {
    let reports = laufzettel_contracts::cost(fold.slots());
    if counts { reports.saturating_mul(EFFECTS_WORK) } else { reports }
}
