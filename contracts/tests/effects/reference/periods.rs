//! When deadlines end: each counted from its start, every time, by all calendars one after the other.

use super::{Reference, Told};
use laufzettel_contracts::{AuthorityId, Calendars, Choice, Due, DueError, Length, StartDay, UnknownSeat, When, due};

/// A period to be counted.
pub(super) struct Period<'p> {
    pub(super) length: Length,
    pub(super) start: When,
    pub(super) seat: Option<&'p AuthorityId>,
    pub(super) unknown: UnknownSeat,
    pub(super) warn: Option<Length>,
}

/// What calendars say of a period.
pub(super) struct Said<'c> {
    pub(super) calendars: &'c Calendars,
    pub(super) due: Result<Due, DueError>,
    pub(super) warns_ms: Option<i64>,
}

impl Period<'_> {
    pub(super) fn choice(&self, calendars: &Calendars) -> Choice {
        match self.seat.and_then(|seat| calendars.seat(seat)) {
            Some(area) => Choice::Area(area.clone()),
            None if self.unknown == UnknownSeat::Latest => Choice::Latest,
            None => Choice::Earliest,
        }
    }

    /// What these calendars say, who know those before them: the first ones say it alone; later ones leave what was over
    /// when they came, do not end anything before they came, and leave a warning that was given.
    pub(super) fn by<'c>(&self, calendars: &'c Calendars) -> Said<'c> {
        let due = due(calendars, self.length, self.start, &self.choice(calendars));
        let warns_ms = due.as_ref().ok().and_then(|due| due.warns_ms(self.warn?).ok());
        let Some((before, came_ms)) = calendars.before() else { return Said { calendars, due, warns_ms } };
        let said = self.by(before);
        let was_over = |due: &Result<Due, DueError>| due.as_ref().is_ok_and(|due| due.elapses_ms() <= came_ms);
        if was_over(&said.due) || was_over(&due) {
            return said;
        }
        let warns_ms = match said.warns_ms {
            Some(given) if given <= came_ms => Some(given),
            _ => warns_ms.map(|warns_ms| warns_ms.max(came_ms)),
        };
        Said { calendars, due, warns_ms }
    }
}

impl Reference<'_> {
    /// Counts every deadline that runs from its start, by what is known now.
    pub(super) fn count_all(&self, told: &mut Told, with: &[usize]) {
        for (deadline, (start, effective)) in told.effects.deadlines.iter_mut().zip(&told.starts) {
            if !deadline.state.runs() {
                continue;
            }
            let rule = self.definition().rules().deadline(deadline.deadline.as_str()).expect("known");
            let regime = self.regime(deadline.origin.proceeding).map_or(0, |(place, _)| place);
            let length = *rule.lengths.get(regime).unwrap_or(&rule.lengths[0]);
            if deadline.seat.is_none() {
                deadline.seat = rule.seat.as_ref().and_then(|role| self.holder(with, role));
            }
            let unknown = if rule.seat.is_some() { rule.unknown_seat } else { UnknownSeat::Earliest };
            let start = match (rule.from, effective) {
                (StartDay::Effective, Some(day)) => When::Day(*day),
                (_, _) => *start,
            };
            let seat = deadline.seat.clone();
            let period = Period { length, start, seat: seat.as_ref(), unknown, warn: rule.warn };
            let counted = period.by(&self.setting.calendars);
            deadline.grace = counted.due.as_ref().ok().and_then(|ends| {
                let day = When::Day(ends.day());
                let by_clock = When::Instant(u64::try_from(ends.elapses_ms()).expect("after 1970"));
                let from = if day.end_ms() == ends.elapses_ms() { day } else { by_clock };
                Some(due(counted.calendars, rule.grace?, from, &period.choice(counted.calendars)))
            });
            (deadline.due, deadline.warns_ms) = (counted.due, counted.warns_ms);
        }
    }
}
