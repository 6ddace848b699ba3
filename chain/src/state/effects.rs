//! What follows from a case of language 2, as execution keeps it beside the fold of its reports: the fold of effects, and
//! the history that outlives it. Both are state: the fields that `fields` writes are under the root. Must never look at
//! a clock: the instant asked about is block time.

pub mod fields;
pub(crate) mod parts;
pub(crate) mod past;

use std::sync::Arc;

use laufzettel_contracts::effect::{
    Candidate, Cause, Completion, Directory, EffectFold, EffectId, EffectKind, Effects, History, HistoryRefusal, Known,
    One, Past, Stop, World, admit,
};
use laufzettel_contracts::{AuthorityId, Calendars, CaseFold, Code, Definition};

use self::parts::Parts;
use crate::codec::{CodecError, Writer};
use crate::crypto::hash;
use crate::ids::{CaseId, Height};
use crate::registry::Registry;

/// The effects of a case while a block is executed.
#[derive(Debug, Clone)]
pub struct Living {
    case: CaseId,
    calendars: Arc<Calendars>,
    /// Calendars to count by from the next instant on, where they are others than those of the last block.
    next: Option<Arc<Calendars>>,
    directory: Arc<Directory>,
    history: History,
    fold: EffectFold,
    /// Whether the history was too full to remember all that was given the last time.
    overfull: bool,
}

/// An effect that may have changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touched {
    /// Its name.
    pub(crate) id: EffectId,
    /// Its kind, and its place among those of the kind, if the fold gives it.
    pub(crate) given: Option<(EffectKind, u32)>,
}

impl Touched {
    /// It, as far as the fold gives it, and what is remembered of it.
    pub(crate) fn find<'l>(&self, living: &'l Living) -> (Option<(u32, One<'l>)>, Option<&'l Arc<Past>>) {
        let given = self.given.and_then(|(kind, place)| Some((place, One::at(living.effects(), kind, place)?)));
        (given, living.history().past().get(&self.id))
    }
}

/// The name of an effect (docs/FORMATS.md A.2).
#[must_use]
pub fn effect_id(case: &CaseId, rule: &Code, cause: &Cause, occurrence: u32) -> EffectId {
    let mut out = Writer::default();
    out.raw(&case.0);
    out.str(rule.as_str());
    past::write_cause(&mut out, cause);
    out.u32(occurrence);
    EffectId(first_half(hash("effect", &out.into_bytes())))
}

/// What a receipt names as the cause where a guard blocks (docs/FORMATS.md A.4).
#[must_use]
pub fn guard_id(status: &Code, guard: &Code) -> [u8; 16] {
    let mut out = Writer::default();
    out.str(status.as_str());
    out.str(guard.as_str());
    first_half(hash("guard", &out.into_bytes()))
}

fn first_half(hash: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(hash) {
        *to = from;
    }
    half
}

impl Living {
    /// The effects of a case without a report that is opened at a height; none in language 1, or where the network has no
    /// calendars.
    #[must_use]
    pub fn new(registry: &Registry, definition: &Definition, case: CaseId, height: Height) -> Option<Self> {
        Self::restore((registry, height), definition, case, &CaseFold::new(), History::new(), 0)
    }
    /// The effects of a case with the history that was kept of it, as of the block of a height that wrote it last, and of
    /// an instant; none as for [`Living::new`].
    #[must_use]
    pub fn restore(
        (registry, height): (&Registry, Height),
        definition: &Definition,
        case: CaseId,
        reports: &CaseFold,
        history: History,
        as_of_ms: u64,
    ) -> Option<Self> {
        if definition.language() < 2 {
            return None;
        }
        let (calendars, directory) = (registry.calendars_at(height)?.clone(), registry.directory.clone());
        let world = World { definition, calendars: &calendars, directory: &directory };
        let name = |rule: &Code, cause: &Cause, occurrence: u32| effect_id(&case, rule, cause, occurrence);
        let fold = EffectFold::of(&world, reports, &Known { history: &history, name: &name, as_of_ms });
        Some(Self { case, calendars, next: None, directory, history, fold, overfull: false })
    }
    /// The history that the fields of a case hold.
    ///
    /// # Errors
    /// The bytes are none that `fields` writes.
    pub fn history_of<'f>(field: impl Fn(usize) -> &'f [u8]) -> Result<History, CodecError> {
        fields::history(field)
    }
    /// The case.
    #[must_use]
    pub fn case(&self) -> CaseId {
        self.case
    }
    /// What follows as of the last instant it was brought to.
    #[must_use]
    pub fn effects(&self) -> &Effects {
        self.fold.effects()
    }
    /// What is kept of the effects.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }
    /// The calendars that its periods were counted by last.
    #[must_use]
    pub fn calendars(&self) -> &Calendars {
        &self.calendars
    }
    /// Which authorities hold which roles.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }
    /// Counts by these calendars from the next instant on that it is brought to.
    pub fn count_by(&mut self, calendars: &Arc<Calendars>) {
        self.next = (self.calendars.version() != calendars.version()).then(|| calendars.clone());
    }
    /// Whether it counts by these calendars.
    #[must_use]
    pub fn is_counted_by(&self, calendars: &Calendars) -> bool {
        self.next.as_ref().unwrap_or(&self.calendars).version() == calendars.version()
    }
    /// Whether it goes on counting by the calendars of its last block.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.next.is_none()
    }
    /// Brings the effects up to the reports and an instant.
    pub fn bring(&mut self, definition: &Definition, reports: &CaseFold, as_of_ms: u64) {
        let Self { case, calendars, directory, history, fold, next, overfull: _ } = self;
        if let Some(next) = next.take() {
            *calendars = next;
            let world = World { definition, calendars, directory };
            let name = |rule: &Code, cause: &Cause, occurrence: u32| effect_id(case, rule, cause, occurrence);
            *fold = EffectFold::of(&world, reports, &Known { history, name: &name, as_of_ms });
        }
        let world = World { definition, calendars, directory };
        let name = |rule: &Code, cause: &Cause, occurrence: u32| effect_id(case, rule, cause, occurrence);
        fold.update(&world, reports, &Known { history, name: &name, as_of_ms });
    }
    /// The same, and takes what changed into the history: once a block, at its end.
    pub(crate) fn advance(&mut self, definition: &Definition, reports: &CaseFold, parts: &Parts, as_of_ms: u64) {
        self.bring(definition, reports, as_of_ms);
        let Self { case, calendars, directory, history, fold, overfull, .. } = self;
        let world = World { definition, calendars, directory };
        let effects = fold.effects();
        let changes = if fold.is_whole() || *overfull {
            history.advance(&world, effects)
        } else {
            history.advance_changed(&world, effects, parts.is_with(&effects.participants))
        };
        *overfull = changes.dropped > 0;
        if *overfull {
            // Since when a notice is known that is not remembered, only this fold knows. A node that reads the case from
            // its store folds it as of now; so must one that kept it in memory.
            let name = |rule: &Code, cause: &Cause, occurrence: u32| effect_id(case, rule, cause, occurrence);
            *fold = EffectFold::of(&world, reports, &Known { history, name: &name, as_of_ms });
        }
    }
    /// What may have changed since the last [`Living::settle`], given or remembered; none if that may be anything.
    pub(crate) fn touched(&self, parts: &Parts) -> Option<Vec<Touched>> {
        if self.fold.is_whole() {
            return None;
        }
        let (effects, mut all) = (self.effects(), Vec::new());
        for (place, one) in One::changed(effects) {
            let (id, given) = (one.origin().id, (one.kind(), place));
            let past = self.history.past().get(&id);
            // Another version of the process may give under its name what is of another kind.
            if past.is_some_and(|past| past.kind != one.kind()) {
                return None;
            }
            all.push(Touched { id, given: Some(given) });
        }
        for id in self.history.changed() {
            if all.iter().any(|touched| touched.id == *id) {
                continue;
            }
            let past = self.history.past().get(id)?;
            let place = parts.place(past.kind, id);
            let stands = |place: &u32| One::at(effects, past.kind, *place).is_some_and(|one| one.origin().id == *id);
            let given = place.filter(stands).map(|place| (past.kind, place));
            // What is given no longer is withdrawn.
            if given.is_none() && past.withdrawn_ms.is_none() {
                return None;
            }
            all.push(Touched { id: *id, given });
        }
        Some(all)
    }
    /// From now on nothing counts as changed: all was seen that follows from the case.
    pub(crate) fn settle(&mut self) {
        self.fold.settle();
        self.history.settle();
    }
    /// Whether a report may be recorded as of the last instant; the guards that are overridden with it.
    ///
    /// # Errors
    /// The lock or the guard that stops it.
    pub fn admit(
        &self,
        definition: &Definition,
        reports: &CaseFold,
        candidate: &Candidate<'_>,
    ) -> Result<Vec<Code>, Stop> {
        let Self { case, calendars, directory, history, fold, .. } = self;
        let world = World { definition, calendars, directory };
        let name = |rule: &Code, cause: &Cause, occurrence: u32| effect_id(case, rule, cause, occurrence);
        let as_of_ms = fold.effects().as_of_ms;
        admit(&world, reports, fold.effects(), &Known { history, name: &name, as_of_ms }, candidate)
    }
    /// Records that an authority acknowledged a notice, at the last instant it was brought to.
    ///
    /// # Errors
    /// The reason against it; nothing has changed then.
    pub fn acknowledge(
        &mut self,
        definition: &Definition,
        id: &EffectId,
        authority: &AuthorityId,
    ) -> Result<(), HistoryRefusal> {
        let Self { calendars, directory, history, fold, .. } = self;
        let world = World { definition, calendars, directory };
        history.acknowledge(&world, fold.effects(), id, authority, fold.effects().as_of_ms)
    }
    /// Records that an authority completed a task, at the last instant it was brought to.
    ///
    /// # Errors
    /// The reason against it; nothing has changed then.
    pub fn complete(
        &mut self,
        definition: &Definition,
        id: &EffectId,
        authority: &AuthorityId,
        outcome: &Code,
    ) -> Result<(), HistoryRefusal> {
        let Self { calendars, directory, history, fold, .. } = self;
        let world = World { definition, calendars, directory };
        let at_ms = fold.effects().as_of_ms;
        let completion = Completion { by: authority.clone(), outcome: outcome.clone(), at_ms };
        history.complete(&world, fold.effects(), id, completion)
    }
    /// Whether a lock stands that stops or marks a status.
    #[must_use]
    pub fn is_locked(&self, definition: &Definition, status: &Code) -> bool {
        let stands = self.effects().locks.iter().filter(|lock| lock.released_by.is_none());
        let mut rules = stands.filter_map(|lock| definition.rules().lock(lock.lock.as_str()));
        rules.any(|lock| lock.concerns(status))
    }
}
