//! What the fold of effects must know between two reports, and the order in which it takes reports and instants. Must
//! never look ahead but for the law of a proceeding: adding at the end and folding anew are the same thing, or the caller
//! folds anew.

use super::given::{Addressee, Cause, Effects, Origin, ProceedingRegime};
use super::sorted::Sorted;
use super::timers::Timer;
use super::who::Known as Roles;
use super::{Known, World};
use crate::expression::Facts;
use crate::fold::CaseFold;
use crate::fold::state::Deviation;
use crate::limits::{EFFECTS_MAX, EFFECTS_RESERVED};
use crate::name::Code;
use crate::report::{Entry, Position};
use crate::when::When;
use std::collections::{BTreeMap, BTreeSet};

/// What all steps of one fold are given.
#[derive(Clone, Copy)]
pub(super) struct Given<'g> {
    pub(super) world: &'g World<'g>,
    pub(super) known: &'g Known<'g>,
    pub(super) entries: &'g [Entry],
    /// Departures of the reports from the order.
    pub(super) deviations: &'g [Deviation],
    /// By proceeding, the place of the law that a report among those to be taken decides.
    pub(super) decided: &'g BTreeMap<u32, usize>,
}

/// What makes rules run: a report, or what became of a deadline or a notice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) proceeding: u32,
    pub(super) cause: Cause,
    /// From when periods that it starts are counted.
    pub(super) start: When,
    /// The day it takes effect, where a report says so.
    pub(super) effective: Option<i32>,
    /// The place of the report, if it is one.
    pub(super) this: Option<usize>,
}

/// What stands in one proceeding.
#[derive(Debug, Clone, Default)]
pub(super) struct SoFar {
    /// By status, how many reports and the place of the last.
    statuses: Sorted<Code, (u32, usize)>,
    /// By name, how many deadlines run, tasks are open, markers are set.
    open: Sorted<Code, u32>,
    /// The place of the regime in the definition, and whether it is provisional.
    pub(super) regime: Option<(usize, bool)>,
}

impl SoFar {
    pub(super) fn opened(&mut self, name: &Code) {
        let count = self.open.or_default(name);
        *count = count.saturating_add(1);
    }

    pub(super) fn shut(&mut self, name: &Code) {
        if let Some(count) = self.open.get_mut(name) {
            *count = count.saturating_sub(1);
        }
    }
}

/// The fold of effects between two reports.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) effects: Effects,
    /// By number of the proceeding less one.
    proceedings: Vec<SoFar>,
    /// Places in the lists of `effects` of what is not over.
    pub(super) running: Vec<usize>,
    /// By place of a deadline, when it was started and the effective day of that, for counting it anew.
    pub(super) starts: Vec<(When, Option<i32>)>,
    pub(super) open_tasks: Vec<usize>,
    pub(super) standing: Vec<usize>,
    pub(super) set: Vec<usize>,
    /// Notices with a recipient that is not known yet.
    pub(super) unaddressed: Vec<usize>,
    /// Locks that reports released, and where these are recorded.
    pub(super) released: Vec<(usize, Position)>,
    /// By name, how many locks stand.
    pub(super) locks_open: Sorted<Code, u32>,
    pub(super) roles: Roles,
    /// Whether the participants in the result are those of `roles`.
    pub(super) roles_told: bool,
    pub(super) timers: BTreeSet<Timer>,
    /// The first instant after the one asked about that lies before a report taken already: from then on that report
    /// is to be taken after it.
    skipped_ms: Option<i64>,
    /// The last instant that was taken after the last report.
    pub(super) drained_ms: Option<i64>,
    /// How many effects were made, and how many of these are neither locks nor urgent notices.
    made: usize,
    made_last: usize,
    /// Whether the report that was taken last departs from guards, locks or roles.
    pub(super) departs: bool,
}

impl Machine {
    pub(super) fn effects(&self) -> &Effects {
        &self.effects
    }

    /// Puts another instant in the place of the one asked about, where nothing becomes due in between.
    pub(super) fn wait(&mut self, as_of_ms: u64) {
        self.effects.as_of_ms = as_of_ms;
    }

    pub(super) fn into_effects(self) -> Effects {
        self.effects
    }

    /// Takes the reports of a case from a place on, and before each what became due earlier.
    pub(super) fn take(&mut self, world: &World<'_>, known: &Known<'_>, case: &CaseFold, from: usize) {
        if world.definition.language() < 2 {
            return;
        }
        let decided = decided(world, case, from);
        let given = Given::of(world, known, case, &decided);
        self.take_some(&given, case.proceedings(), from, usize::MAX);
    }

    /// The same from place to place, the last not included.
    pub(super) fn take_some(&mut self, given: &Given<'_>, proceedings: &[u32], from: usize, until: usize) {
        let entries = given.entries.iter().zip(proceedings).enumerate().take(until).skip(from);
        for (place, (entry, proceeding)) in entries {
            self.arrive(given, entry);
            self.step(given, place, entry, *proceeding);
        }
    }

    /// Takes what became due before a report.
    pub(super) fn arrive(&mut self, given: &Given<'_>, entry: &Entry) {
        let end_ms = entry.report.occurred.end_ms();
        self.drain(given, Some(end_ms));
        // Also an instant at which nothing would happen now: a report taken before it may be what makes it matter, and
        // is none of those before it when folding anew.
        let skipped = self.first_after(given.as_of_ms()).filter(|next| *next < end_ms);
        if let Some(next) = skipped {
            self.skipped_ms = Some(self.skipped_ms.map_or(next, |before| before.min(next)));
        }
    }

    /// Takes what is due after the last report, and completes the result.
    pub(super) fn finish(&mut self, world: &World<'_>, known: &Known<'_>) {
        self.effects.as_of_ms = known.as_of_ms;
        if world.definition.language() < 2 {
            return;
        }
        let given = Given { world, known, entries: &[], deviations: &[], decided: &BTreeMap::new() };
        self.drain(&given, None);
        if !self.roles_told {
            self.effects.participants = self.roles.all(world).into();
            self.roles_told = true;
        }
        let next = [self.skipped_ms, self.next_timer(&given)].into_iter().flatten().min();
        self.effects.next_due_ms = next.and_then(|next| u64::try_from(next).ok());
        let regimes = (1_u32..).zip(&self.proceedings).filter_map(|(proceeding, so_far)| {
            let (place, provisional) = so_far.regime?;
            let regime = world.definition.rules().regimes.get(place)?.code.clone();
            Some(ProceedingRegime { proceeding, regime, provisional })
        });
        self.effects.regimes = regimes.collect();
    }

    /// Whether a next report, if any, can be taken from here as of an instant, with the result of folding anew.
    pub(super) fn goes_on(&self, next: Option<&Entry>, as_of_ms: u64) -> bool {
        let as_of_ms = i64::try_from(as_of_ms).unwrap_or(i64::MAX);
        let skips = self.skipped_ms.is_some_and(|skipped| skipped <= as_of_ms);
        let after = next.is_none_or(|next| self.drained_ms.is_none_or(|ms| ms < next.report.occurred.end_ms()));
        !skips && after
    }

    /// Whether rules have run under the law of the time being and reports from a place on decide for another.
    pub(super) fn misjudged(&self, world: &World<'_>, case: &CaseFold, from: usize) -> bool {
        decided(world, case, from).into_iter().any(|(proceeding, regime)| {
            let so_far = self.so_far(proceeding);
            so_far.is_some_and(|so_far| so_far.regime.is_none_or(|(place, provisional)| provisional && place != regime))
        })
    }

    pub(super) fn so_far(&self, proceeding: u32) -> Option<&SoFar> {
        self.proceedings.get(usize::try_from(proceeding.checked_sub(1)?).ok()?)
    }

    /// Makes room for a proceeding. There are at most `PROCEEDINGS_MAX`.
    pub(super) fn enter(&mut self, proceeding: u32) -> &mut SoFar {
        let count = usize::try_from(proceeding).unwrap_or(0).max(1);
        while self.proceedings.len() < count {
            self.proceedings.push(SoFar::default());
        }
        let place = count.saturating_sub(1);
        #[expect(clippy::indexing_slicing, reason = "the loop above has made the place")]
        &mut self.proceedings[place]
    }

    pub(super) fn record(&mut self, status: &Code, place: usize, proceeding: u32) {
        let (count, last) = self.enter(proceeding).statuses.or_default(status);
        *count = count.saturating_add(1);
        *last = place;
    }

    /// Places of the locks that a report meets: those that stand, and those whose release was recorded after it. A release
    /// makes nothing undone that was recorded before.
    pub(super) fn met_by(&self, entry: &Entry) -> BTreeSet<usize> {
        let later = self.released.iter().filter(|(_, released)| *released > entry.position).map(|(place, _)| *place);
        self.standing.iter().copied().chain(later).collect()
    }

    pub(super) fn open(&self, name: &Code, proceeding: u32) -> bool {
        let some = |count: Option<&u32>| count.is_some_and(|count| *count > 0);
        some(self.locks_open.get(name)) || some(self.so_far(proceeding).and_then(|so_far| so_far.open.get(name)))
    }

    /// Whether one effect more may be made, and counts it. Locks and urgent notices may use what is kept for them.
    pub(super) fn room(&mut self, first: bool) -> bool {
        let room = self.made < EFFECTS_MAX && (first || self.made_last < EFFECTS_MAX.saturating_sub(EFFECTS_RESERVED));
        self.made = self.made.saturating_add(usize::from(room));
        self.made_last = self.made_last.saturating_add(usize::from(room && !first));
        room
    }

    pub(super) fn addressee(&self, world: &World<'_>, role: &Code) -> Addressee {
        Addressee { role: role.clone(), authority: self.roles.holder(world, role).cloned() }
    }
}

/// By proceeding, the law that the first report of the deciding status from a place on decides.
pub(super) fn decided(world: &World<'_>, case: &CaseFold, from: usize) -> BTreeMap<u32, usize> {
    let rules = world.definition.rules();
    let mut decided = BTreeMap::new();
    let Some(status) = rules.decided_by.as_ref() else { return decided };
    for (entry, proceeding) in case.entries().iter().zip(case.proceedings()).skip(from) {
        if entry.report.status != *status {
            continue;
        }
        if let Some(regime) = rules.regime_on(entry.report.occurred.day()) {
            decided.entry(*proceeding).or_insert(regime);
        }
    }
    decided
}

impl<'g> Given<'g> {
    pub(super) fn of(
        world: &'g World<'g>,
        known: &'g Known<'g>,
        case: &'g CaseFold,
        decided: &'g BTreeMap<u32, usize>,
    ) -> Self {
        Self { world, known, entries: case.entries(), deviations: &case.state().deviations, decided }
    }
}

impl Given<'_> {
    pub(super) fn origin(&self, rule: &Code, event: &Event, occurrence: u32) -> Origin {
        let id = (self.known.name)(rule, &event.cause, occurrence);
        Origin { id, rule: rule.clone(), cause: event.cause, occurrence, proceeding: event.proceeding }
    }

    pub(super) fn as_of_ms(&self) -> i64 {
        i64::try_from(self.known.as_of_ms).unwrap_or(i64::MAX)
    }
}

/// What an expression may ask at one point of the order.
pub(super) struct View<'v> {
    pub(super) machine: &'v Machine,
    pub(super) given: &'v Given<'v>,
    pub(super) proceeding: u32,
    pub(super) this: Option<&'v Entry>,
}

impl View<'_> {
    fn status(&self, status: &Code) -> Option<(u32, usize)> {
        self.machine.so_far(self.proceeding)?.statuses.get(status).copied()
    }
}

impl Facts for View<'_> {
    fn has(&self, status: &Code) -> bool {
        self.status(status).is_some()
    }

    fn has_ever(&self, status: &Code) -> bool {
        self.machine.proceedings.iter().any(|so_far| so_far.statuses.contains_key(status))
    }

    fn count(&self, status: &Code) -> u32 {
        self.status(status).map_or(0, |(count, _)| count)
    }

    fn last(&self, status: &Code) -> Option<&Entry> {
        self.given.entries.get(self.status(status)?.1)
    }

    fn this(&self) -> Option<&Entry> {
        self.this
    }

    fn open(&self, name: &Code) -> bool {
        let is = |place: &usize| self.machine.effects.locks.get(*place).is_some_and(|lock| lock.lock == *name);
        self.machine.open(name, self.proceeding)
            || (!self.machine.released.is_empty()
                && self.this.is_some_and(|this| self.machine.met_by(this).iter().any(is)))
    }

    fn regime(&self) -> Option<&Code> {
        let (place, _) = self.machine.so_far(self.proceeding)?.regime?;
        Some(&self.given.world.definition.rules().regimes.get(place)?.code)
    }

    fn proceeding(&self) -> u32 {
        self.proceeding
    }
}
