//! What one report does, apart from its rules: it decides the regime, tells who takes part, departs from guards and
//! locks, meets deadlines and closes tasks. Then its rules run, and then it stands. Must never let a deviation keep
//! any of this from happening; but what a report that departs from the rules would silence goes on.

use super::given::{Cause, DeadlineState, EffectDeviation, EffectDeviationKind, TaskState};
use super::machine::{Event, Given, Machine, View};
use super::who::Learned;
use crate::definition::{Guard, Kind, Status, Trigger};
use crate::limits::EFFECT_DEVIATIONS_MAX;
use crate::report::Entry;
use crate::when::When;

impl Machine {
    /// Takes the report that is next in fold order.
    pub(super) fn step(&mut self, given: &Given<'_>, place: usize, entry: &Entry, proceeding: u32) {
        let report = &entry.report;
        self.departs = false;
        // A status the definition does not have has no rules; it may still be the first report of a proceeding.
        self.decide_regime(given, entry, proceeding);
        if let Some(status) = given.world.definition.status(report.status.as_str()) {
            self.take_part(given, status, entry);
            self.judge(given, status, entry, proceeding);
            let cause = Cause::Report(entry.slot);
            self.meet(entry, proceeding, given);
            self.close_done(entry, proceeding, given);
            let event =
                Event { proceeding, cause, start: report.occurred, effective: report.effective, this: Some(place) };
            self.fire(given, &event, &Trigger::Status(report.status.clone()));
        }
        self.record(&report.status, place, proceeding);
    }

    /// The first report of the deciding status decides the regime of its proceeding, also for what is dated before it;
    /// where there is none, the first report does for the time being.
    pub(super) fn decide_regime(&mut self, given: &Given<'_>, entry: &Entry, proceeding: u32) {
        let rules = given.world.definition.rules();
        let so_far = self.enter(proceeding);
        let decided = given.decided.get(&proceeding).map(|regime| (*regime, false));
        match so_far.regime {
            // That it is the same the caller has seen to.
            Some((_, true)) => so_far.regime = decided.or(so_far.regime),
            Some((_, false)) => {}
            None => {
                let for_now = || Some((rules.regime_on(entry.report.occurred.day())?, true));
                so_far.regime = decided.or_else(for_now);
            }
        }
    }

    fn take_part(&mut self, given: &Given<'_>, status: &Status, entry: &Entry) {
        let learned = self.roles.learn(given.world, status, &entry.report, &entry.author);
        let Learned { assigned, found, refused, changed } = learned;
        self.roles_told &= !changed;
        for role in refused {
            self.depart(entry, EffectDeviationKind::AssignedWithoutRole(role));
        }
        if assigned.is_empty() && found.is_empty() {
            return;
        }
        for place in self.open_tasks.clone() {
            let Some(task) = self.effects.tasks.get(place) else { continue };
            let role = &task.addressee.role;
            if assigned.contains(role) || (task.addressee.authority.is_none() && found.contains(role)) {
                let addressee = self.addressee(given.world, role);
                if let Some(task) = self.effects.tasks.get_mut(place) {
                    task.addressee = addressee;
                }
            }
        }
        if found.is_empty() {
            return;
        }
        for place in self.unaddressed.clone() {
            if let Some(notice) = self.effects.notices.get_mut(place) {
                for recipient in notice.recipients.iter_mut().filter(|recipient| recipient.authority.is_none()) {
                    recipient.authority = self.roles.holder(given.world, &recipient.role).cloned();
                }
            }
        }
        let notices = &self.effects.notices;
        let waits = |place: &usize| {
            notices.get(*place).is_some_and(|notice| notice.recipients.iter().any(|one| one.authority.is_none()))
        };
        self.unaddressed.retain(waits);
        self.recount(given, |definition, deadline| {
            let role = definition.rules().deadline(deadline.deadline.as_str()).and_then(|rule| rule.seat.as_ref());
            deadline.seat.is_none() && role.is_some_and(|role| found.contains(role))
        });
    }

    /// Guards see what stood before the report; so do locks, and also those released by what was recorded later.
    fn judge(&mut self, given: &Given<'_>, status: &Status, entry: &Entry, proceeding: u32) {
        if !status.warn_if.is_empty() || !status.block_if.is_empty() {
            let announces = status.kind == Kind::Announces;
            let warned = self.holding(given, &status.warn_if, entry, proceeding);
            let blocked = self.holding(given, &status.block_if, entry, proceeding);
            for guard in warned {
                self.depart(entry, EffectDeviationKind::Warned(guard.name.clone()));
            }
            for guard in blocked {
                let name = guard.name.clone();
                let kind =
                    if announces { EffectDeviationKind::Overridden(name) } else { EffectDeviationKind::Grave(name) };
                self.depart(entry, kind);
            }
        }
        for place in self.met_by(entry) {
            let Some(effect) = self.effects.locks.get(place) else { continue };
            let id = effect.origin.id;
            let Some(lock) = given.world.definition.rules().lock(effect.lock.as_str()) else { continue };
            if lock.alarms.contains(&status.code) {
                self.depart(entry, EffectDeviationKind::ExecutedDespiteLock(id));
            }
            if lock.stops.contains(&status.code) {
                self.depart(entry, EffectDeviationKind::AnnouncedDespiteLock(id));
            }
        }
    }

    /// Those guards that hold for a report that is next in the order.
    pub(super) fn holding<'d>(
        &self,
        given: &Given<'_>,
        guards: &'d [Guard],
        entry: &Entry,
        proceeding: u32,
    ) -> Vec<&'d Guard> {
        let view = View { machine: self, given, proceeding, this: Some(entry) };
        guards.iter().filter(|guard| guard.when.eval(&view)).collect()
    }

    fn depart(&mut self, entry: &Entry, kind: EffectDeviationKind) {
        self.departs = true;
        if self.effects.deviations.len() >= EFFECT_DEVIATIONS_MAX {
            let dropped = &mut self.effects.dropped.deviations;
            *dropped = dropped.saturating_add(1);
            return;
        }
        self.effects.deviations.push(EffectDeviation { slot: entry.slot, status: entry.report.status.clone(), kind });
    }

    fn meet(&mut self, entry: &Entry, proceeding: u32, given: &Given<'_>) {
        let rules = given.world.definition.rules();
        let meets = |machine: &Self, place: &usize| {
            machine.effects.deadlines.get(*place).is_some_and(|deadline| {
                let met_by = rules.deadline(deadline.deadline.as_str()).map(|rule| &rule.met_by);
                deadline.origin.proceeding == proceeding
                    && met_by.is_some_and(|met_by| met_by.contains(&entry.report.status))
                    && deadline.due.as_ref().map_or(true, |due| in_time(entry.report.occurred, due.elapses_ms()))
            })
        };
        let met: Vec<usize> = self.running.iter().copied().filter(|place| meets(self, place)).collect();
        for place in met {
            self.end_deadline(place, DeadlineState::Met(entry.slot));
        }
    }

    fn close_done(&mut self, entry: &Entry, proceeding: u32, given: &Given<'_>) {
        let rules = given.world.definition.rules();
        let closes = |machine: &Self, place: &usize| {
            machine.effects.tasks.get(*place).is_some_and(|task| {
                let done_by = rules.task(task.task.as_str()).map(|rule| &rule.done_by);
                task.origin.proceeding == proceeding
                    && done_by.is_some_and(|done_by| done_by.contains(&entry.report.status))
            })
        };
        let done: Vec<usize> = self.open_tasks.iter().copied().filter(|place| closes(self, place)).collect();
        for place in done {
            self.end_task(place, TaskState::Closed(Cause::Report(entry.slot)));
        }
    }
}

/// Whether something is in time for a period that elapses at an instant: a day that ends with it is, an instant that
/// is the same is not.
fn in_time(when: When, elapses_ms: i64) -> bool {
    match when {
        When::Day(_) => when.end_ms() <= elapses_ms,
        When::Instant(_) => when.end_ms() < elapses_ms,
    }
}
