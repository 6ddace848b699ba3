//! The instants at which something becomes due, and what happens then. Of one instant first tasks are completed, then
//! deadlines warn, end, and end their grace, then notices count as not acknowledged; each in the order in which they
//! were made. Must never take an instant after the one asked about.

use super::given::{Addressee, Cause, DeadlineState, EffectId, TaskState};
use super::machine::{Event, Given, Machine};
use super::rules::end_of;
use crate::definition::Trigger;
use crate::when::When;

/// What becomes due. The order of these is that of one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// A task was completed by hand.
    Completed,
    /// A deadline warns.
    Warned,
    /// A deadline ends.
    Elapsed,
    /// The grace of a deadline ends.
    Grace,
    /// A notice should have been acknowledged.
    Unacknowledged,
}

/// An instant that something waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    ms: i64,
    phase: Phase,
    /// The place in the list of effects of that kind.
    place: usize,
}

impl Machine {
    /// Takes what is due before an instant, as far as the instant asked about.
    pub(super) fn drain(&mut self, given: &Given<'_>, before_ms: Option<i64>) {
        let as_of_ms = given.as_of_ms();
        while let Some(timer) = self.timers.first().copied() {
            if timer.ms > as_of_ms || before_ms.is_some_and(|before| timer.ms >= before) {
                return;
            }
            self.timers.pop_first();
            if before_ms.is_none() {
                self.drained_ms = Some(self.drained_ms.map_or(timer.ms, |ms| ms.max(timer.ms)));
            }
            self.due(given, timer);
        }
    }

    /// The first instant that waits and will change something.
    pub(super) fn next_timer(&self, given: &Given<'_>) -> Option<i64> {
        let changes = |timer: &&Timer| match timer.phase {
            Phase::Completed | Phase::Warned | Phase::Elapsed | Phase::Grace => true,
            Phase::Unacknowledged => self.unacknowledged(given, timer.place, timer.ms),
        };
        let as_of_ms = given.as_of_ms();
        self.timers.iter().filter(|timer| timer.ms > as_of_ms).find(changes).map(|timer| timer.ms)
    }

    /// The first instant after one that waits, whether it will change something or not.
    pub(super) fn first_after(&self, as_of_ms: i64) -> Option<i64> {
        self.timers.iter().map(|timer| timer.ms).find(|ms| *ms > as_of_ms)
    }

    fn due(&mut self, given: &Given<'_>, timer: Timer) {
        match timer.phase {
            Phase::Completed => self.complete(given, timer.place),
            Phase::Warned | Phase::Elapsed | Phase::Grace => self.pass(given, timer),
            Phase::Unacknowledged => self.escalate(given, timer),
        }
    }

    fn complete(&mut self, given: &Given<'_>, place: usize) {
        let Some(id) = self.effects.tasks.get(place).map(|task| task.origin.id) else { return };
        let (true, Some(completion)) = (self.open_tasks.contains(&place), given.known.history.completion(&id)) else {
            return;
        };
        let state =
            TaskState::Done { by: completion.by.clone(), outcome: completion.outcome.clone(), at_ms: completion.at_ms };
        self.end_task(place, state);
    }

    /// A deadline warns, ends, or ends its grace.
    fn pass(&mut self, given: &Given<'_>, timer: Timer) {
        let Some(deadline) = self.effects.deadlines.get_mut(timer.place) else { return };
        let name = deadline.deadline.clone();
        let (proceeding, id) = (deadline.origin.proceeding, deadline.origin.id);
        let instant = When::Instant(u64::try_from(timer.ms).unwrap_or(0));
        let (trigger, start) = match (timer.phase, deadline.state) {
            (Phase::Warned, DeadlineState::Running) => {
                deadline.state = DeadlineState::Warned;
                (Trigger::Warned(name), instant)
            }
            (Phase::Elapsed, DeadlineState::Running | DeadlineState::Warned) => {
                let start = deadline.due.as_ref().map_or(instant, end_of);
                let grace_ms =
                    deadline.grace.as_ref().and_then(|grace| grace.as_ref().ok()).map(|due| due.elapses_ms());
                self.end_deadline(timer.place, DeadlineState::Elapsed { grace_over: false });
                if let Some(ms) = grace_ms {
                    self.timers.insert(Timer { ms, phase: Phase::Grace, place: timer.place });
                }
                (Trigger::Elapsed(name), start)
            }
            (Phase::Grace, DeadlineState::Elapsed { .. }) => {
                deadline.state = DeadlineState::Elapsed { grace_over: true };
                let start = deadline.grace.as_ref().and_then(|grace| grace.as_ref().ok()).map_or(instant, end_of);
                (Trigger::Grace(name), start)
            }
            (_, _) => return,
        };
        let event = Event { proceeding, cause: Cause::Effect(id), start, effective: None, this: None };
        self.fire(given, &event, &trigger);
    }

    fn escalate(&mut self, given: &Given<'_>, timer: Timer) {
        if !self.unacknowledged(given, timer.place, timer.ms) {
            return;
        }
        let Some(notice) = self.effects.notices.get_mut(timer.place) else { return };
        notice.unacknowledged = true;
        let trigger = Trigger::Unacknowledged(notice.notice.clone());
        let event = Event {
            proceeding: notice.origin.proceeding,
            cause: Cause::Effect(notice.origin.id),
            start: When::Instant(u64::try_from(timer.ms).unwrap_or(0)),
            effective: None,
            this: None,
        };
        self.fire(given, &event, &trigger);
    }

    /// Whether a recipient has not acknowledged a notice before an instant.
    fn unacknowledged(&self, given: &Given<'_>, place: usize, before_ms: i64) -> bool {
        let Some(notice) = self.effects.notices.get(place) else { return false };
        let acknowledged = |recipient: &Addressee| {
            let mut all = given.known.history.acknowledgements(&notice.origin.id);
            all.any(|(authority, at_ms)| {
                i64::try_from(at_ms).is_ok_and(|at_ms| at_ms < before_ms)
                    && match &recipient.authority {
                        Some(known) => known == authority,
                        None => given.world.directory.holds(&recipient.role, authority),
                    }
            })
        };
        !notice.recipients.iter().all(acknowledged)
    }

    pub(super) fn await_completion(&mut self, given: &Given<'_>, place: usize, id: &EffectId) {
        if let Some(completion) = given.known.history.completion(id) {
            let ms = i64::try_from(completion.at_ms).unwrap_or(i64::MAX);
            self.timers.insert(Timer { ms, phase: Phase::Completed, place });
        }
    }

    pub(super) fn await_acknowledgement(&mut self, place: usize, until_ms: Option<u64>) {
        if let Some(until_ms) = until_ms {
            let ms = i64::try_from(until_ms).unwrap_or(i64::MAX);
            self.timers.insert(Timer { ms, phase: Phase::Unacknowledged, place });
        }
    }

    /// Sets the timers of a deadline that runs.
    pub(super) fn schedule(&mut self, place: usize) {
        self.timers.extend(self.timers_of(place));
    }

    /// Takes them away.
    pub(super) fn unschedule(&mut self, place: usize) {
        for timer in self.timers_of(place) {
            self.timers.remove(&timer);
        }
    }

    fn timers_of(&self, place: usize) -> Vec<Timer> {
        let Some(deadline) = self.effects.deadlines.get(place) else { return Vec::new() };
        let warns = (deadline.state == DeadlineState::Running).then_some(deadline.warns_ms).flatten();
        let ends = deadline.due.as_ref().ok().map(|due| due.elapses_ms());
        let timer = |phase| move |ms| Timer { ms, phase, place };
        let warns = warns.map(timer(Phase::Warned));
        warns.into_iter().chain(ends.map(timer(Phase::Elapsed))).collect()
    }
}
