//! What a rule does, in the one order of its actions: close, stop, unlock, clear, start, open, notify, lock, mark. Must
//! never run a rule from within a rule: what follows from a deadline or a notice waits for its instant.

use super::counting::{Counted, Seat, count};
use super::given::{
    Cause, DeadlineEffect, DeadlineState, EffectKind, LockEffect, MarkerEffect, NoticeEffect, Origin, TaskEffect,
    TaskState,
};
use super::machine::{Event, Given, Machine, View};
use super::shared::Shared;
use crate::definition::{Definition, Opening, Rule, Sending, StartDay, Trigger, UnknownSeat};
use crate::legal::{Due, DueError};
use crate::limits::{DEADLINES_RUNNING_MAX, LOCKS_STANDING_MAX, TASKS_OPEN_MAX};
use crate::name::Code;
use crate::report::{Entry, Slot};
use crate::when::When;

/// What a rule makes, in the order in which its effects are counted: their places, which are part of their names.
pub(crate) fn makes(rule: &Rule) -> Vec<(EffectKind, Code)> {
    let of = |kind: EffectKind| move |code: &Code| (kind, code.clone());
    let deadlines = rule.start.iter().map(of(EffectKind::Deadline));
    let tasks = rule.open.iter().map(|opening| (EffectKind::Task, opening.task.clone()));
    let notices = rule.notify.iter().map(|sending| (EffectKind::Notice, sending.notice.clone()));
    let locks = rule.lock.iter().map(of(EffectKind::Lock));
    let markers = rule.mark.iter().map(of(EffectKind::Marker));
    deadlines.chain(tasks).chain(notices).chain(locks).chain(markers).collect()
}

impl Machine {
    /// Runs the rules of a trigger in the order of the text.
    pub(super) fn fire(&mut self, given: &Given<'_>, event: &Event, trigger: &Trigger) {
        for rule in given.world.definition.rules().caused_by(trigger) {
            let this = event.this.and_then(|place| given.entries.get(place));
            let view = View { machine: self, given, proceeding: event.proceeding, this };
            if rule.when.as_ref().is_none_or(|when| when.eval(&view)) {
                self.act(given, event, rule);
            }
        }
    }

    fn act(&mut self, given: &Given<'_>, event: &Event, rule: &Rule) {
        self.undo(given, event, rule);
        let mut occurrence = 0_u32;
        let mut origin = || {
            let origin = given.origin(&rule.name, event, occurrence);
            occurrence = occurrence.saturating_add(1);
            origin
        };
        for name in &rule.start {
            self.start(given, event, name, origin());
        }
        for opening in &rule.open {
            self.open_task(given, event, opening, origin());
        }
        for sending in &rule.notify {
            self.send(given, sending, origin());
        }
        for name in &rule.lock {
            self.lock(name, origin());
        }
        for name in &rule.mark {
            self.mark(name, origin());
        }
    }

    fn undo(&mut self, given: &Given<'_>, event: &Event, rule: &Rule) {
        if !rule.close.is_empty() {
            let tasks = &self.effects.tasks;
            let closed = |place: &usize| {
                tasks
                    .get(*place)
                    .is_some_and(|task| task.origin.proceeding == event.proceeding && rule.close.contains(&task.task))
            };
            let closed: Vec<usize> = self.open_tasks.iter().copied().filter(closed).collect();
            for place in closed {
                self.end_task(place, TaskState::Closed(event.cause));
            }
        }
        let silences = (!rule.stop.is_empty() || !rule.unlock.is_empty()) && !self.is_deviation(given, event);
        if !rule.stop.is_empty() && silences {
            let deadlines = &self.effects.deadlines;
            let stopped = |place: &usize| {
                deadlines.get(*place).is_some_and(|deadline| {
                    deadline.origin.proceeding == event.proceeding && rule.stop.contains(&deadline.deadline)
                })
            };
            let stopped: Vec<usize> = self.running.iter().copied().filter(stopped).collect();
            for place in stopped {
                self.end_deadline(place, DeadlineState::Stopped(event.cause));
            }
        }
        if !rule.unlock.is_empty() && silences {
            self.unlock(given, event, &rule.unlock);
        }
        if !rule.clear.is_empty() {
            self.clear(event, &rule.clear);
        }
    }

    /// Whether the cause is a report that departs from the rules: then it silences nothing, no lock and no deadline.
    fn is_deviation(&self, given: &Given<'_>, event: &Event) -> bool {
        let report = event.this.and_then(|place| given.entries.get(place));
        let is_out_of_order = |report: &Entry| given.deviations.iter().any(|found| found.slot == report.slot);
        report.is_some_and(|report| self.departs || is_out_of_order(report))
    }

    /// Ends the locks of the proceeding that had been recorded when the report was: who reports what ends a lock speaks
    /// of no other proceeding's, and of none that nobody knew of.
    fn unlock(&mut self, given: &Given<'_>, event: &Event, names: &[Code]) {
        let position = |slot: &Slot| given.entries.iter().find(|entry| entry.slot == *slot).map(|entry| entry.position);
        let released = event.this.and_then(|place| given.entries.get(place)).map(|entry| entry.position);
        let known = |origin: &Origin| match (&origin.cause, released) {
            (Cause::Report(slot), Some(released)) => position(slot).is_none_or(|raised| raised <= released),
            (_, _) => true,
        };
        let locks = &mut self.effects.locks;
        let (open, later) = (&mut self.locks_open, &mut self.released);
        let ends = |lock: &Shared<LockEffect>| {
            names.contains(&lock.lock) && lock.origin.proceeding == event.proceeding && known(&lock.origin)
        };
        self.standing.retain(|place| {
            if !locks.get(*place).is_some_and(ends) {
                return true;
            }
            if let Some(lock) = locks.get_mut(*place) {
                lock.released_by = Some(event.cause);
                later.extend(released.map(|released| (*place, released)));
                if let Some(count) = open.get_mut(&lock.lock) {
                    *count = count.saturating_sub(1);
                }
            }
            false
        });
    }

    fn clear(&mut self, event: &Event, names: &[Code]) {
        let markers = &self.effects.markers;
        let cleared = |place: &usize| {
            markers
                .get(*place)
                .is_some_and(|marker| marker.origin.proceeding == event.proceeding && names.contains(&marker.marker))
        };
        let (cleared, set): (Vec<usize>, Vec<usize>) = self.set.iter().copied().partition(cleared);
        self.set = set;
        for place in cleared {
            if let Some(marker) = self.effects.markers.get_mut(place) {
                marker.cleared_by = Some(event.cause);
                let name = marker.marker.clone();
                self.enter(event.proceeding).shut(&name);
            }
        }
    }

    fn start(&mut self, given: &Given<'_>, event: &Event, name: &Code, origin: Origin) {
        if self.running.len() >= DEADLINES_RUNNING_MAX || !self.room(false) {
            let dropped = &mut self.effects.dropped.deadlines;
            *dropped = dropped.saturating_add(1);
            return;
        }
        let place = self.effects.deadlines.len();
        let deadline = DeadlineEffect {
            origin,
            deadline: name.clone(),
            due: Err(DueError::OutOfRange),
            warns_ms: None,
            grace: None,
            seat: None,
            state: DeadlineState::Running,
        };
        self.effects.deadlines.push(deadline.into());
        self.starts.push((event.start, event.effective));
        self.running.push(place);
        self.enter(event.proceeding).opened(name);
        self.count(given, place);
    }

    fn open_task(&mut self, given: &Given<'_>, event: &Event, opening: &Opening, origin: Origin) {
        if self.open_tasks.len() >= TASKS_OPEN_MAX || !self.room(false) {
            let dropped = &mut self.effects.dropped.tasks;
            *dropped = dropped.saturating_add(1);
            return;
        }
        let addressee = self.addressee(given.world, &opening.role);
        let within = given.world.definition.rules().task(opening.task.as_str()).and_then(|task| task.within);
        let seat = Seat { holder: addressee.authority.as_ref(), unknown: UnknownSeat::Earliest };
        let due = within.map(|within| count(given.world.calendars, within, event.start, &seat, None).due);
        let place = self.effects.tasks.len();
        let id = origin.id;
        let task = TaskEffect { origin, task: opening.task.clone(), addressee, due, state: TaskState::Open };
        self.effects.tasks.push(task.into());
        self.open_tasks.push(place);
        self.enter(event.proceeding).opened(&opening.task);
        self.await_completion(given, place, &id);
    }

    fn send(&mut self, given: &Given<'_>, sending: &Sending, origin: Origin) {
        let Some(notice) = given.world.definition.rules().notice(sending.notice.as_str()) else {
            return;
        };
        if !self.room(notice.urgent) {
            let dropped = &mut self.effects.dropped.notices;
            *dropped = dropped.saturating_add(1);
            return;
        }
        let recipients: Vec<_> = sending.to.iter().map(|role| self.addressee(given.world, role)).collect();
        let place = self.effects.notices.len();
        if recipients.iter().any(|recipient| recipient.authority.is_none()) {
            self.unaddressed.push(place);
        }
        let acknowledge_until_ms = notice.acknowledge_within_ms.map(|within| {
            // What the ledger has not seen yet it sees now.
            given.known.history.first_seen_ms(&origin.id).unwrap_or(given.known.as_of_ms).saturating_add(within)
        });
        let notice = NoticeEffect {
            origin,
            notice: notice.code.clone(),
            urgent: notice.urgent,
            recipients,
            acknowledge_until_ms,
            unacknowledged: false,
        };
        self.effects.notices.push(notice.into());
        self.await_acknowledgement(place, acknowledge_until_ms);
    }

    fn lock(&mut self, name: &Code, origin: Origin) {
        if self.standing.len() >= LOCKS_STANDING_MAX || !self.room(true) {
            let dropped = &mut self.effects.dropped.locks;
            *dropped = dropped.saturating_add(1);
            return;
        }
        self.standing.push(self.effects.locks.len());
        let count = self.locks_open.or_default(name);
        *count = count.saturating_add(1);
        self.effects.locks.push(LockEffect { origin, lock: name.clone(), released_by: None }.into());
    }

    fn mark(&mut self, name: &Code, origin: Origin) {
        if !self.room(false) {
            let dropped = &mut self.effects.dropped.markers;
            *dropped = dropped.saturating_add(1);
            return;
        }
        self.set.push(self.effects.markers.len());
        self.enter(origin.proceeding).opened(name);
        self.effects.markers.push(MarkerEffect { origin, marker: name.clone(), cleared_by: None }.into());
    }

    /// Ends a deadline that runs.
    pub(super) fn end_deadline(&mut self, place: usize, state: DeadlineState) {
        self.unschedule(place);
        self.running.retain(|running| *running != place);
        if let Some(deadline) = self.effects.deadlines.get_mut(place) {
            deadline.state = state;
            let (name, proceeding) = (deadline.deadline.clone(), deadline.origin.proceeding);
            self.enter(proceeding).shut(&name);
        }
    }

    /// Ends a task that is open.
    pub(super) fn end_task(&mut self, place: usize, state: TaskState) {
        self.open_tasks.retain(|open| *open != place);
        if let Some(task) = self.effects.tasks.get_mut(place) {
            task.state = state;
            let (name, proceeding) = (task.task.clone(), task.origin.proceeding);
            self.enter(proceeding).shut(&name);
        }
    }

    /// Counts deadlines that run anew, since what decides their end has become known.
    pub(super) fn recount(&mut self, given: &Given<'_>, concerns: impl Fn(&Definition, &DeadlineEffect) -> bool) {
        for place in self.running.clone() {
            let concerned = |deadline: &Shared<DeadlineEffect>| concerns(given.world.definition, deadline);
            if self.effects.deadlines.get(place).is_some_and(concerned) {
                self.unschedule(place);
                self.count(given, place);
            }
        }
    }

    /// Counts the end of a deadline that runs, and sets its timers.
    fn count(&mut self, given: &Given<'_>, place: usize) {
        let Some((start, effective)) = self.starts.get(place).copied() else { return };
        let Some(deadline) = self.effects.deadlines.get(place) else { return };
        let Some(rule) = given.world.definition.rules().deadline(deadline.deadline.as_str()) else { return };
        let regime = self.so_far(deadline.origin.proceeding).and_then(|so_far| so_far.regime);
        let by_regime = regime.and_then(|(regime, _)| rule.lengths.get(regime));
        let Some(length) = by_regime.or(rule.lengths.first()).copied() else { return };
        // Once known, the seat stays, whoever holds the role later.
        let holder = || rule.seat.as_ref().and_then(|role| self.roles.holder(given.world, role));
        let seat = deadline.seat.as_ref().or_else(holder).cloned();
        // Without a role the end moves only off what is a day off everywhere, which is the earliest end of all areas.
        let unknown = if rule.seat.is_some() { rule.unknown_seat } else { UnknownSeat::Earliest };
        let start = start_day(rule.from, start, effective);
        let at = Seat { holder: seat.as_ref(), unknown };
        let Counted { calendars, due, warns_ms } = count(given.world.calendars, length, start, &at, rule.warn);
        let grace = match (&due, rule.grace) {
            (Ok(ended), Some(grace)) => Some(at.due(calendars, grace, end_of(ended))),
            (Ok(_) | Err(_), _) => None,
        };
        if let Some(deadline) = self.effects.deadlines.get_mut(place) {
            (deadline.due, deadline.warns_ms, deadline.grace, deadline.seat) = (due, warns_ms, grace, seat);
        }
        self.schedule(place);
    }
}

fn start_day(from: StartDay, start: When, effective: Option<i32>) -> When {
    match (from, effective) {
        (StartDay::Effective, Some(day)) => When::Day(day),
        (StartDay::Effective, None) | (StartDay::Occurred, _) => start,
    }
}

/// The end of a period as the start of another: its last day, or the instant of one by the clock.
pub(super) fn end_of(due: &Due) -> When {
    let day = When::Day(due.day());
    if day.end_ms() == due.elapses_ms() { day } else { When::Instant(u64::try_from(due.elapses_ms()).unwrap_or(0)) }
}
