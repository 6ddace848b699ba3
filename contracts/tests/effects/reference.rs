//! A slow, obvious fold of effects to compare with. It keeps a log of what happened (reports and instants), and for
//! every next step tells everything anew from the whole log, by looking through all there is. It knows no index, no
//! queue and no shortcut. It shares with the product the expressions, the counting of days, and the types. The test
//! network holds ledgers against it, too; each who includes it brings a `world` beside it, with a `Setting`.

#[path = "reference/asked.rs"]
mod asked;
#[path = "reference/periods.rs"]
mod periods;
#[path = "reference/who.rs"]
mod who;

use super::world::Setting;
use asked::Asked;
use laufzettel_contracts::effect::{
    Cause, DeadlineEffect, DeadlineState, EffectDeviation, EffectDeviationKind, Effects, History, LockEffect,
    MarkerEffect, NoticeEffect, Origin, ProceedingRegime, TaskEffect, TaskState,
};
use laufzettel_contracts::{
    CaseFold, Code, Definition, Due, DueError, Entry, Guard, Kind, Position, Rule, Slot, Status, Trigger, UnknownSeat,
    When,
};
use periods::Period;

/// What happened.
#[derive(Clone, Copy, PartialEq)]
enum Happening {
    Report(usize),
    /// Instant, kind of timer, place in the list of effects.
    Timer(i64, u8, usize),
}

const COMPLETED: u8 = 0;
const WARNED: u8 = 1;
const ELAPSED: u8 = 2;
const GRACE: u8 = 3;
const UNACKNOWLEDGED: u8 = 4;

pub(crate) struct Reference<'r> {
    setting: &'r Setting,
    history: &'r History,
    as_of_ms: u64,
    /// In fold order, with the proceeding each counts to.
    entries: Vec<(Entry, u32)>,
    /// Reports that depart from the order.
    out_of_order: Vec<Slot>,
}

/// A deadline that is to be counted.
fn begun(origin: Origin, deadline: &Code) -> DeadlineEffect {
    DeadlineEffect {
        origin,
        deadline: deadline.clone(),
        due: Err(DueError::OutOfRange),
        warns_ms: None,
        grace: None,
        seat: None,
        state: DeadlineState::Running,
    }
}

/// What a log gives.
#[derive(Default)]
struct Told {
    effects: Effects,
    /// By deadline: what its periods are counted from.
    starts: Vec<(When, Option<i32>)>,
    /// Places of the reports that stand already.
    seen: Vec<usize>,
    /// Notices whose time to acknowledge is over.
    expired: Vec<usize>,
}

impl<'r> Reference<'r> {
    pub(crate) fn new(setting: &'r Setting, entries: &[Entry], history: &'r History, as_of_ms: u64) -> Self {
        let definition = &setting.definition;
        let mut sorted = entries.to_vec();
        sorted.sort_by_key(|entry| {
            let rank = definition.status(entry.report.status.as_str()).map_or(u16::MAX, |status| status.rank);
            (entry.report.occurred.end_ms(), rank, entry.position, entry.slot)
        });
        let mut opened = 0;
        let entries = sorted.into_iter().map(|entry| {
            let opens = definition.status(entry.report.status.as_str()).is_some_and(|status| status.opens_proceeding);
            let named = entry.report.proceeding;
            let counts_to = if opened == 0 {
                1
            } else if named >= 1 && named <= opened {
                named
            } else if opens && opened < 32 {
                opened + 1
            } else {
                opened
            };
            opened = opened.max(counts_to);
            (entry, counts_to)
        });
        let entries: Vec<(Entry, u32)> = entries.collect();
        let all = entries.iter().map(|(entry, _)| entry.clone()).collect();
        let state = CaseFold::restore(definition, all, std::collections::BTreeMap::new()).state().clone();
        let out_of_order = state.deviations.iter().map(|deviation| deviation.slot).collect();
        Self { setting, history, as_of_ms, entries, out_of_order }
    }

    /// All that follows; the next instant at which something changes is left out.
    pub(crate) fn effects(&self) -> Effects {
        let mut log = Vec::new();
        loop {
            let told = self.tell(&log);
            let as_of = i64::try_from(self.as_of_ms).expect("an instant of these tests");
            let timers = self.timers(&told);
            let first = timers.into_iter().filter(|timer| timer.0 <= as_of).min();
            let next = self.entries.get(told.seen.len());
            let (timer, report) = match (first, next) {
                (Some(timer), Some((entry, _))) if timer.0 < entry.report.occurred.end_ms() => (Some(timer), None),
                (_, Some(_)) => (None, Some(told.seen.len())),
                (timer, None) => (timer, None),
            };
            match (timer, report) {
                (Some((ms, phase, place)), _) => log.push(Happening::Timer(ms, phase, place)),
                (None, Some(report)) => log.push(Happening::Report(report)),
                (None, None) => return self.finished(told),
            }
        }
    }

    fn finished(&self, mut told: Told) -> Effects {
        told.effects.as_of_ms = self.as_of_ms;
        for role in self.definition().roles() {
            if let Some(participant) = self.participant(&told.seen, &role.code) {
                told.effects.participants.insert(role.code.clone(), participant);
            }
        }
        let last = self.entries.iter().map(|(_, proceeding)| *proceeding).max().unwrap_or(0);
        let ruled = !self.definition().rules().regimes.is_empty();
        for proceeding in (1..=last).filter(|_| ruled) {
            let (place, provisional) = self.regime(proceeding).expect("it has a report");
            let regime = self.definition().rules().regimes[place].code.clone();
            told.effects.regimes.push(ProceedingRegime { proceeding, regime, provisional });
        }
        told.effects
    }

    fn definition(&self) -> &Definition {
        &self.setting.definition
    }

    /// All instants that anything waits for.
    fn timers(&self, told: &Told) -> Vec<(i64, u8, usize)> {
        let mut timers = Vec::new();
        for (place, task) in told.effects.tasks.iter().enumerate() {
            if let (TaskState::Open, Some(completion)) = (&task.state, self.history.completion(&task.origin.id)) {
                timers.push((i64::try_from(completion.at_ms).expect("small"), COMPLETED, place));
            }
        }
        for (place, deadline) in told.effects.deadlines.iter().enumerate() {
            let ends = deadline.due.as_ref().map(Due::elapses_ms);
            match (deadline.state, ends) {
                (DeadlineState::Running, Ok(ends)) => {
                    timers.extend(deadline.warns_ms.map(|ms| (ms, WARNED, place)));
                    timers.push((ends, ELAPSED, place));
                }
                (DeadlineState::Warned, Ok(ends)) => timers.push((ends, ELAPSED, place)),
                (DeadlineState::Elapsed { grace_over: false }, Ok(_)) => {
                    if let Some(Ok(grace)) = &deadline.grace {
                        timers.push((grace.elapses_ms(), GRACE, place));
                    }
                }
                (_, _) => {}
            }
        }
        for (place, notice) in told.effects.notices.iter().enumerate() {
            if let (Some(until), false) = (notice.acknowledge_until_ms, told.expired.contains(&place)) {
                timers.push((i64::try_from(until).expect("small"), UNACKNOWLEDGED, place));
            }
        }
        timers
    }

    fn tell(&self, log: &[Happening]) -> Told {
        let mut told = Told::default();
        for happening in log {
            match *happening {
                Happening::Report(place) => self.report(&mut told, place),
                Happening::Timer(ms, phase, place) => self.timer(&mut told, ms, phase, place),
            }
        }
        told
    }

    fn report(&self, told: &mut Told, place: usize) {
        let (entry, proceeding) = &self.entries[place];
        let with: Vec<usize> = told.seen.iter().copied().chain([place]).collect();
        let Some(status) = self.definition().status(entry.report.status.as_str()) else {
            self.count_all(told, &with);
            told.seen.push(place);
            return;
        };
        self.addressees(told, &with, status, entry);
        self.count_all(told, &with);
        self.deviations(told, status, place);
        let cause = Cause::Report(entry.slot);
        for deadline in &mut told.effects.deadlines {
            let met_by = &self.definition().rules().deadline(deadline.deadline.as_str()).expect("known").met_by;
            let ends = deadline.due.as_ref().map(Due::elapses_ms).unwrap_or(i64::MAX);
            let in_time = match entry.report.occurred {
                When::Day(_) => entry.report.occurred.end_ms() <= ends,
                When::Instant(ms) => i64::try_from(ms).expect("small") < ends,
            };
            let concerns = deadline.state.runs() && deadline.origin.proceeding == *proceeding;
            if concerns && met_by.contains(&status.code) && in_time {
                deadline.state = DeadlineState::Met(entry.slot);
            }
        }
        for task in &mut told.effects.tasks {
            let done_by = &self.definition().rules().task(task.task.as_str()).expect("known").done_by;
            let concerns = task.state == TaskState::Open && task.origin.proceeding == *proceeding;
            if concerns && done_by.contains(&status.code) {
                task.state = TaskState::Closed(cause);
            }
        }
        let start = (entry.report.occurred, entry.report.effective);
        let trigger = Trigger::Status(status.code.clone());
        self.run(told, &trigger, &with, Some(place), (cause, *proceeding, start));
        told.seen.push(place);
    }

    fn deviations(&self, told: &mut Told, status: &Status, place: usize) {
        let (entry, proceeding) = &self.entries[place];
        let holds = |told: &Told, guard: &Guard| {
            // The regime is that of the whole proceeding; everything else is before the report.
            guard.when.eval(&Asked { reference: self, told, proceeding: *proceeding, this: Some(place) })
        };
        for guard in &status.warn_if {
            if holds(told, guard) {
                told.effects.deviations.push(deviation(entry, EffectDeviationKind::Warned(guard.name.clone())));
            }
        }
        for guard in &status.block_if {
            if holds(told, guard) {
                let kind = match status.kind {
                    Kind::Announces => EffectDeviationKind::Overridden(guard.name.clone()),
                    Kind::Reports => EffectDeviationKind::Grave(guard.name.clone()),
                };
                told.effects.deviations.push(deviation(entry, kind));
            }
        }
        for lock in told.effects.locks.iter().filter(|lock| self.stands_for(lock, Some(entry))) {
            let rule = self.definition().rules().lock(lock.lock.as_str()).expect("known");
            if rule.alarms.contains(&status.code) {
                let kind = EffectDeviationKind::ExecutedDespiteLock(lock.origin.id);
                told.effects.deviations.push(deviation(entry, kind));
            }
            if rule.stops.contains(&status.code) {
                let kind = EffectDeviationKind::AnnouncedDespiteLock(lock.origin.id);
                told.effects.deviations.push(deviation(entry, kind));
            }
        }
    }

    fn timer(&self, told: &mut Told, ms: i64, phase: u8, place: usize) {
        let instant = When::Instant(u64::try_from(ms).expect("after 1970"));
        let seen = told.seen.clone();
        if phase == COMPLETED {
            let task = told.effects.tasks.get_mut(place).expect("it is there");
            let done = self.history.completion(&task.origin.id).expect("it waited for this");
            task.state = TaskState::Done { by: done.by.clone(), outcome: done.outcome.clone(), at_ms: done.at_ms };
            return;
        }
        if phase == UNACKNOWLEDGED {
            told.expired.push(place);
            let notice = told.effects.notices.get_mut(place).expect("it is there");
            let id = notice.origin.id;
            let missing = notice.recipients.iter().any(|recipient| {
                !self.history.acknowledgements(&id).any(|(by, at_ms)| {
                    let meant = match &recipient.authority {
                        Some(known) => known == by,
                        None => self.setting.directory.holds(&recipient.role, by),
                    };
                    meant && i64::try_from(at_ms).expect("small") < ms
                })
            });
            if missing {
                notice.unacknowledged = true;
                let trigger = Trigger::Unacknowledged(notice.notice.clone());
                let proceeding = notice.origin.proceeding;
                self.run(told, &trigger, &seen, None, (Cause::Effect(id), proceeding, (instant, None)));
            }
            return;
        }
        let deadline = told.effects.deadlines.get_mut(place).expect("it is there");
        let end = |due: &Due| {
            let day = When::Day(due.day());
            if day.end_ms() == due.elapses_ms() { day } else { instant }
        };
        let (id, proceeding, code) = (deadline.origin.id, deadline.origin.proceeding, deadline.deadline.clone());
        let (trigger, start) = match phase {
            WARNED => {
                deadline.state = DeadlineState::Warned;
                (Trigger::Warned(code), instant)
            }
            ELAPSED => {
                deadline.state = DeadlineState::Elapsed { grace_over: false };
                (Trigger::Elapsed(code), end(deadline.due.as_ref().expect("it ended")))
            }
            _ => {
                deadline.state = DeadlineState::Elapsed { grace_over: true };
                let grace = deadline.grace.as_ref().expect("it ended").as_ref().expect("it ended");
                (Trigger::Grace(code), end(grace))
            }
        };
        self.run(told, &trigger, &seen, None, (Cause::Effect(id), proceeding, (start, None)));
    }

    fn run(
        &self,
        told: &mut Told,
        trigger: &Trigger,
        with: &[usize],
        this: Option<usize>,
        event: (Cause, u32, (When, Option<i32>)),
    ) {
        let rules = &self.definition().rules().rules;
        for rule in rules.iter().filter(|rule| rule.on == *trigger) {
            let asked = Asked { reference: self, told, proceeding: event.1, this };
            if rule.when.as_ref().is_none_or(|when| when.eval(&asked)) {
                self.act(told, rule, with, event);
            }
        }
    }

    fn act(&self, told: &mut Told, rule: &Rule, with: &[usize], event: (Cause, u32, (When, Option<i32>))) {
        let (cause, proceeding, (start, effective)) = event;
        let rules = self.definition().rules();
        for task in &mut told.effects.tasks {
            let concerns = task.state == TaskState::Open && task.origin.proceeding == proceeding;
            if concerns && rule.close.contains(&task.task) {
                task.state = TaskState::Closed(cause);
            }
        }
        self.silence(told, rule, cause, proceeding);
        for marker in told.effects.markers.iter_mut().filter(|marker| marker.cleared_by.is_none()) {
            if marker.origin.proceeding == proceeding && rule.clear.contains(&marker.marker) {
                marker.cleared_by = Some(cause);
            }
        }
        let mut occurrence = 0;
        let mut origin = || {
            let id = self.setting.name(&rule.name, &cause, occurrence);
            occurrence += 1;
            Origin { id, rule: rule.name.clone(), cause, occurrence: occurrence - 1, proceeding }
        };
        for deadline in &rule.start {
            told.effects.deadlines.push(begun(origin(), deadline).into());
            told.starts.push((start, effective));
        }
        self.count_all(told, with);
        for opening in &rule.open {
            let addressee = self.addressee(with, &opening.role);
            let within = rules.task(opening.task.as_str()).expect("known").within;
            let (seat, unknown) = (addressee.authority.as_ref(), UnknownSeat::Earliest);
            let period = within.map(|length| Period { length, start, seat, unknown, warn: None });
            let due = period.map(|period| period.by(&self.setting.calendars).due);
            let (origin, task, state) = (origin(), opening.task.clone(), TaskState::Open);
            told.effects.tasks.push(TaskEffect { origin, task, addressee, due, state }.into());
        }
        for sending in &rule.notify {
            let notice = rules.notice(sending.notice.as_str()).expect("known");
            let origin = origin();
            let seen = self.history.first_seen_ms(&origin.id).unwrap_or(self.as_of_ms);
            told.effects.notices.push(
                NoticeEffect {
                    notice: notice.code.clone(),
                    urgent: notice.urgent,
                    recipients: sending.to.iter().map(|role| self.addressee(with, role)).collect(),
                    acknowledge_until_ms: notice.acknowledge_within_ms.map(|within| seen + within),
                    unacknowledged: false,
                    origin,
                }
                .into(),
            );
        }
        let locks = rule.lock.iter().map(|lock| LockEffect { origin: origin(), lock: lock.clone(), released_by: None });
        told.effects.locks.extend(locks.map(Into::into));
        for marker in &rule.mark {
            told.effects
                .markers
                .push(MarkerEffect { origin: origin(), marker: marker.clone(), cleared_by: None }.into());
        }
    }

    /// Stops deadlines and releases locks. What a report that departs from the rules would silence goes on.
    fn silence(&self, told: &mut Told, rule: &Rule, cause: Cause, proceeding: u32) {
        let departs = |slot: &Slot| {
            self.out_of_order.contains(slot) || told.effects.deviations.iter().any(|one| one.slot == *slot)
        };
        let silences = !matches!(&cause, Cause::Report(slot) if departs(slot));
        for deadline in told.effects.deadlines.iter_mut().filter(|_| silences) {
            let concerns = deadline.state.runs() && deadline.origin.proceeding == proceeding;
            if concerns && rule.stop.contains(&deadline.deadline) {
                deadline.state = DeadlineState::Stopped(cause);
            }
        }
        for lock in told.effects.locks.iter_mut().filter(|lock| silences && lock.released_by.is_none()) {
            // Of another proceeding, or recorded after this report: it was not meant.
            let unknown = match (&cause, &lock.origin.cause) {
                (Cause::Report(ends), Cause::Report(raised)) => self.recorded(raised) > self.recorded(ends),
                (_, _) => false,
            };
            if rule.unlock.contains(&lock.lock) && lock.origin.proceeding == proceeding && !unknown {
                lock.released_by = Some(cause);
            }
        }
    }

    /// A release that was recorded after a report does not count for it.
    fn stands_for(&self, lock: &LockEffect, report: Option<&Entry>) -> bool {
        match (&lock.released_by, report) {
            (None, _) => true,
            (Some(Cause::Report(ends)), Some(report)) => self.recorded(ends) > report.position,
            (Some(_), _) => false,
        }
    }

    fn recorded(&self, slot: &Slot) -> Position {
        self.entries.iter().find(|(entry, _)| entry.slot == *slot).expect("it stands").0.position
    }

    /// By all reports of the proceeding, also those that come later in the order.
    fn regime(&self, proceeding: u32) -> Option<(usize, bool)> {
        let rules = self.definition().rules();
        let mine = || self.entries.iter().filter(|(_, number)| *number == proceeding);
        let decides = mine().find(|(entry, _)| rules.decided_by.as_ref() == Some(&entry.report.status));
        let by = decides.or_else(|| mine().next())?;
        Some((rules.regime_on(by.0.report.occurred.day())?, decides.is_none()))
    }
}

fn deviation(entry: &Entry, kind: EffectDeviationKind) -> EffectDeviation {
    EffectDeviation { slot: entry.slot, status: entry.report.status.clone(), kind }
}
