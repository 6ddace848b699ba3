//! A stored case folded with a draft of its definition, or with other calendars, beside the case as it is: what a
//! simulation adds up. Must never write, and must never keep more than one case.
//!
//! The draft is given the reports that stand, and what the ledger keeps of the case's effects: what was completed and
//! acknowledged stays so where a rule of the same name makes the same thing.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_contracts::effect::{
    Cause, Difference, Directory, Effects, History, Known, Places, Side, World, compare, effects,
};
use laufzettel_contracts::{Calendars, CaseFold, Code, Definition};

use crate::ids::{CaseId, Height};
use crate::limits::EFFECTS_WORK;
use crate::registry::Registry;
use crate::state::case::OpenCase;
use crate::state::effects::effect_id;
use crate::storage::{Read, StoreError};

/// What is to be tried.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The definition; none = only the calendars are another.
    definition: Option<Arc<Definition>>,
    /// The calendars; none = those of the network.
    calendars: Option<Arc<Calendars>>,
    /// By version of the definition in force, where its effects stand among those of the draft.
    places: BTreeMap<u32, Places>,
}

impl Draft {
    /// A draft for a network. Its calendars would count from an instant on, as adopted ones do: what was over by then
    /// stays over.
    #[must_use]
    pub fn new(
        registry: &Registry,
        definition: Option<Definition>,
        calendars: Option<Calendars>,
        since_ms: u64,
    ) -> Self {
        let since_ms = i64::try_from(since_ms).unwrap_or(i64::MAX);
        let calendars = calendars.map(|draft| match &registry.calendars {
            Some(in_force) => draft.after(in_force.clone(), since_ms),
            None => draft,
        });
        let places = definition.iter().flat_map(|draft| {
            let versions = registry.definitions.iter().filter(|((id, _), _)| id == draft.id());
            versions.map(|((_, version), in_force)| (*version, Places::of(in_force, draft)))
        });
        let places = places.collect();
        Self { definition: definition.map(Arc::new), calendars: calendars.map(Arc::new), places }
    }
    /// Whether it is about the cases of a definition: of the same id and, if one is named, of that version.
    fn concerns(&self, id: &str, version: u32, only: Option<u32>) -> bool {
        let same = self.definition.as_ref().is_none_or(|draft| draft.id() == id);
        same && only.is_none_or(|only| only == version)
    }
    /// A stored case as the block of a height would find it, ready to be folded both ways; none if there is no such case,
    /// or the draft is not about it.
    ///
    /// # Errors
    /// The store failed.
    pub fn load(
        &self,
        read: &dyn Read,
        registry: &Registry,
        id: &CaseId,
        (next, only): (Height, Option<u32>),
    ) -> Result<Option<Tried>, StoreError> {
        let Some(mut case) = OpenCase::load(read, registry, id)? else { return Ok(None) };
        case.come_to(registry, *id, next);
        let now = case.definition.clone();
        if !self.concerns(now.id(), now.version(), only) {
            return Ok(None);
        }
        let history = case.living().map_or_else(History::new, |living| living.history().clone());
        Ok(Some(Tried {
            id: *id,
            draft: self.definition.clone().unwrap_or_else(|| now.clone()),
            draft_calendars: self.calendars.as_ref().or(registry.calendars.as_ref()).cloned(),
            places: self.places.get(&now.version()).cloned(),
            now,
            calendars: registry.calendars.clone(),
            directory: registry.directory.clone(),
            history,
            fold: case.fold,
        }))
    }
}

/// A case that is folded both ways.
#[derive(Debug, Clone)]
pub struct Tried {
    id: CaseId,
    now: Arc<Definition>,
    draft: Arc<Definition>,
    calendars: Option<Arc<Calendars>>,
    draft_calendars: Option<Arc<Calendars>>,
    places: Option<Places>,
    directory: Arc<Directory>,
    history: History,
    fold: CaseFold,
}

/// A case folded one way.
#[derive(Debug, Clone)]
pub struct Folded {
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
}

impl Tried {
    /// Folds the case from nothing as it is, as of an instant.
    #[must_use]
    pub fn now(&self, as_of_ms: u64) -> Folded {
        self.folded(&self.now, self.calendars.as_deref(), None, as_of_ms)
    }
    /// Folds it from nothing with the draft, as of an instant.
    #[must_use]
    pub fn draft(&self, as_of_ms: u64) -> Folded {
        self.folded(&self.draft, self.draft_calendars.as_deref(), self.places.as_ref(), as_of_ms)
    }
    /// In what the two differ.
    #[must_use]
    pub fn compare(&self, now: &Folded, draft: &Folded) -> Difference {
        let directory = &self.directory;
        let before = Side { definition: &self.now, directory, case: &now.fold, effects: &now.effects };
        compare(&before, &Side { definition: &self.draft, directory, case: &draft.fold, effects: &draft.effects })
    }

    fn folded(
        &self,
        definition: &Definition,
        calendars: Option<&Calendars>,
        places: Option<&Places>,
        as_of_ms: u64,
    ) -> Folded {
        let (entries, retracted) = (self.fold.entries().to_vec(), self.fold.retracted().clone());
        let fold = CaseFold::restore(definition, entries, retracted);
        let reports = laufzettel_contracts::cost(fold.slots());
        let Some(calendars) = calendars.filter(|_| definition.language() >= 2) else {
            let effects = Effects { as_of_ms, ..Effects::default() };
            return Folded { fold, effects, work: reports };
        };
        let name = |rule: &Code, cause: &Cause, occurrence: u32| {
            let place = places.map_or(occurrence, |places| places.of_effect(rule, occurrence));
            effect_id(&self.id, rule, cause, place)
        };
        let world = World { definition, calendars, directory: &self.directory };
        let effects = effects(&world, &fold, &Known { history: &self.history, name: &name, as_of_ms });
        Folded { fold, effects, work: reports.saturating_mul(EFFECTS_WORK) }
    }
}
