//! When a period elapses, by BGB §§187-193 and VwVfG §31(3), with every step that led there. Must never render words,
//! and never look at anything but its arguments.

use super::area::AreaCode;
use super::calendars::{Area, Calendars, DayOff, Off, Place};
use super::civil::{Civil, berlin_day};
use super::length::{Length, Unit};
use crate::limits::{DAYS_OFF_MAX, LEGAL_YEARS};
use crate::when::When;
use std::sync::Arc;

/// Whose days off move an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Those of a known area.
    Area(AreaCode),
    /// The seat is unknown: the latest end of all areas. For what shall not be taken as elapsed too early (finality).
    Latest,
    /// The seat is unknown: the earliest end of all areas. For own duties.
    Earliest,
    /// No end moves: for fictions such as the deemed day of service, on which nobody has to do anything (BGB §193
    /// moves only the end of a period in which a declaration or an act is due).
    Unmoved,
}

/// By which rule the raw end was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// BGB §188(1): with the last of the days.
    Days,
    /// The day of the event and days off are not counted; ends with the last of the working days.
    WorkingDays,
    /// BGB §188(2): on the day of the same name.
    SameWeekday,
    /// BGB §188(2): on the day of the same number.
    SameNumber,
    /// BGB §188(3): that number is missing in the last month, so on its last day.
    LastOfMonth,
    /// By the clock.
    Clock,
}

/// One step of a derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The day of the event, not counted itself (BGB §187(1)).
    Start {
        /// Day number.
        day: i32,
    },
    /// The instant of the event, for a length by the clock.
    StartInstant {
        /// Milliseconds since 1970-01-01T00:00Z.
        ms: i64,
    },
    /// The seat is not known, so this area's end was taken.
    SeatUnknown {
        /// Whether the latest end was sought; else the earliest.
        latest: bool,
        /// How many areas were compared.
        areas: usize,
        /// The first area with that end.
        area: Area,
    },
    /// The seat is known.
    Seat {
        /// Its area.
        area: Area,
    },
    /// A holiday that was not counted as a working day. Weekends are not told one by one.
    Skipped {
        /// Day number.
        day: i32,
        /// Why.
        reason: DayOff,
    },
    /// The end before any moving.
    Counted {
        /// The length.
        length: Length,
        /// The rule.
        rule: Counting,
        /// Day number.
        end: i32,
    },
    /// The end fell on a day off, so it moved to the next day (BGB §193, VwVfG §31(3)).
    Moved {
        /// Day number.
        from: i32,
        /// Why it could not stay.
        reason: DayOff,
    },
    /// The end of the period: for days 24:00 in Berlin.
    Elapses {
        /// The last day.
        day: i32,
        /// Milliseconds since 1970-01-01T00:00Z.
        ms: i64,
        /// Whether it is an instant by the clock.
        clock: bool,
    },
}

/// When a period elapses, and why then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    day: i32,
    elapses_ms: i64,
    /// Shared by all copies: cases are copied whole before they change.
    steps: Arc<[Step]>,
}

/// Why there is no due day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DueError {
    /// The start or the end lies outside of the years that are counted.
    #[error("the period leaves the years {} to {}; check the day it starts on", LEGAL_YEARS.start(), LEGAL_YEARS.end())]
    OutOfRange,
    /// The calendars do not know the area.
    #[error("the calendars have no area {0}; declare it, or treat the seat as unknown")]
    UnknownArea(AreaCode),
    /// A year without a working day. The bounds on holidays leave no room for it; the loops end anyway.
    #[error("no working day within {DAYS_OFF_MAX} days in area {0}; mend the calendars")]
    NoWorkingDay(AreaCode),
    /// Working days cannot be counted without an area.
    #[error("working days need the calendar of a seat; give an area, `Latest` or `Earliest`, or count in days")]
    WorkingDaysWithoutSeat,
}

impl Due {
    /// The last day of the period, as a day number of Berlin.
    pub fn day(&self) -> i32 {
        self.day
    }

    /// The instant at which it elapses: milliseconds since 1970-01-01T00:00Z. That instant is no longer in it.
    pub fn elapses_ms(&self) -> i64 {
        self.elapses_ms
    }

    /// The steps that led there, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What it was counted from: length, start and choice. With the same calendars [`due`] gives the same of them again.
    /// None for what [`due`] does not give.
    pub fn counted_from(&self) -> Option<(Length, When, Choice)> {
        let (mut length, mut start, mut choice) = (None, None, Choice::Unmoved);
        for step in self.steps.iter() {
            match step {
                Step::Start { day } => start = Some(When::Day(*day)),
                Step::StartInstant { ms } => start = Some(When::Instant(u64::try_from(*ms).ok()?)),
                Step::Seat { area } => choice = Choice::Area(area.code.clone()),
                Step::SeatUnknown { latest: true, .. } => choice = Choice::Latest,
                Step::SeatUnknown { latest: false, .. } => choice = Choice::Earliest,
                Step::Counted { length: counted, .. } => length = Some(*counted),
                Step::Skipped { .. } | Step::Moved { .. } | Step::Elapses { .. } => {}
            }
        }
        Some((length?, start?, choice))
    }

    /// The instant to warn at, so long before the end. It moves off no weekend or holiday. For days, weeks and more it
    /// is the begin (00:00 in Berlin) of the day that lies so far before the last day; by the clock it is counted back
    /// from the end.
    ///
    /// # Errors
    /// If it leaves the years that are counted, or the length is in working days: counting these back is not defined.
    pub fn warns_ms(&self, before: Length) -> Result<i64, DueError> {
        if let Some(ms) = before.clock_ms() {
            return Ok(self.elapses_ms.saturating_sub(ms));
        }
        let count = i64::from(before.count());
        let day = match before.unit() {
            Unit::Days => plus_days(self.day, count.saturating_neg())?,
            Unit::Weeks => plus_days(self.day, count.saturating_mul(-7))?,
            Unit::Months => plus_months(self.day, count.saturating_neg())?.0,
            Unit::Years => plus_months(self.day, count.saturating_mul(-12))?.0,
            Unit::WorkingDays | Unit::Hours | Unit::Minutes | Unit::Seconds => {
                return Err(DueError::WorkingDaysWithoutSeat);
            }
        };
        Ok(When::Day(day).start_ms())
    }
}

/// When a period elapses that starts with an event.
///
/// A length in days, weeks, months, years or working days starts on the event's day (of an instant: its day in
/// Berlin), and elapses at 24:00 in Berlin of its last day. A length by the clock starts at the instant (of a day: at
/// its end, as reports are ordered) and never moves; the choice does not matter to it.
///
/// Cost: up to about a year of days per area that is looked at.
///
/// # Errors
/// See [`DueError`].
pub fn due(calendars: &Calendars, length: Length, start: When, choice: &Choice) -> Result<Due, DueError> {
    if let Some(length_ms) = length.clock_ms() {
        return due_by_clock(length, start.end_ms(), length_ms);
    }
    let day = match start {
        When::Day(day) => day,
        When::Instant(_) => berlin_day(start.start_ms()).ok_or(DueError::OutOfRange)?,
    };
    in_years(day)?;
    let latest = match choice {
        Choice::Unmoved => return due_unmoved(length, day),
        Choice::Area(code) => {
            let place = calendars.place(code).ok_or_else(|| DueError::UnknownArea(code.clone()))?;
            let seat = Step::Seat { area: place.area.clone() };
            return due_at(place, length, day, seat);
        }
        Choice::Latest => true,
        Choice::Earliest => false,
    };
    let mut best: Option<(i32, &Area)> = None;
    for mut place in calendars.places() {
        let end = end_at(&mut place, length, day, &mut Trail(None))?;
        if best.is_none_or(|(best, _)| if latest { end > best } else { end < best }) {
            best = Some((end, place.area));
        }
    }
    // Checked calendars have an area.
    let (_, area) = best.ok_or(DueError::WorkingDaysWithoutSeat)?;
    let place = calendars.place(&area.code).ok_or_else(|| DueError::UnknownArea(area.code.clone()))?;
    due_at(place, length, day, Step::SeatUnknown { latest, areas: calendars.areas().len(), area: area.clone() })
}

/// The steps, if they are wanted.
struct Trail(Option<Vec<Step>>);

impl Trail {
    fn add(&mut self, step: impl FnOnce() -> Step) {
        if let Some(steps) = &mut self.0 {
            steps.push(step());
        }
    }
}

fn due_by_clock(length: Length, start_ms: i64, length_ms: i64) -> Result<Due, DueError> {
    let elapses_ms = start_ms.checked_add(length_ms).ok_or(DueError::OutOfRange)?;
    let start_day = berlin_day(start_ms).ok_or(DueError::OutOfRange)?;
    in_years(start_day)?;
    let day = berlin_day(elapses_ms).ok_or(DueError::OutOfRange)?;
    let steps = vec![
        Step::StartInstant { ms: start_ms },
        Step::Counted { length, rule: Counting::Clock, end: day },
        Step::Elapses { day, ms: elapses_ms, clock: true },
    ];
    Ok(Due { day, elapses_ms, steps: steps.into() })
}

fn due_unmoved(length: Length, start: i32) -> Result<Due, DueError> {
    let (end, rule) = count(length, start)?.ok_or(DueError::WorkingDaysWithoutSeat)?;
    Ok(finish(vec![Step::Start { day: start }, Step::Counted { length, rule, end }], end))
}

fn due_at(mut place: Place<'_>, length: Length, start: i32, seat: Step) -> Result<Due, DueError> {
    let mut trail = Trail(Some(vec![Step::Start { day: start }, seat]));
    let end = end_at(&mut place, length, start, &mut trail)?;
    Ok(finish(trail.0.unwrap_or_default(), end))
}

/// The last day of a period at a place.
fn end_at(place: &mut Place<'_>, length: Length, start: i32, trail: &mut Trail) -> Result<i32, DueError> {
    let (raw, rule) = match count(length, start)? {
        Some(counted) => counted,
        None => (count_working_days(place, length, start, trail)?, Counting::WorkingDays),
    };
    trail.add(|| Step::Counted { length, rule, end: raw });
    let mut end = raw;
    while let Some(off) = place.off(end) {
        if end.saturating_sub(raw) >= DAYS_OFF_MAX {
            return Err(DueError::NoWorkingDay(place.area.code.clone()));
        }
        trail.add(|| Step::Moved { from: end, reason: place.tell(off) });
        end = plus_days(end, 1)?;
    }
    Ok(end)
}

/// The last of so many working days after the start.
fn count_working_days(place: &mut Place<'_>, length: Length, start: i32, trail: &mut Trail) -> Result<i32, DueError> {
    let mut day = start;
    let mut off_in_a_row: i32 = 0;
    let mut left = length.count();
    while left > 0 {
        day = plus_days(day, 1)?;
        match place.off(day) {
            None => {
                left = left.saturating_sub(1);
                off_in_a_row = 0;
                continue;
            }
            Some(Off::Saturday | Off::Sunday) => {}
            Some(off @ Off::Holiday(_)) => trail.add(|| Step::Skipped { day, reason: place.tell(off) }),
        }
        off_in_a_row = off_in_a_row.saturating_add(1);
        if off_in_a_row > DAYS_OFF_MAX {
            return Err(DueError::NoWorkingDay(place.area.code.clone()));
        }
    }
    Ok(day)
}

/// The raw end of a period in calendar units; nothing for one in working days or by the clock.
fn count(length: Length, start: i32) -> Result<Option<(i32, Counting)>, DueError> {
    let count = i64::from(length.count());
    let months = |months| {
        let (end, same) = plus_months(start, months)?;
        Ok(Some((end, if same { Counting::SameNumber } else { Counting::LastOfMonth })))
    };
    match length.unit() {
        Unit::Days => Ok(Some((plus_days(start, count)?, Counting::Days))),
        Unit::Weeks => Ok(Some((plus_days(start, count.saturating_mul(7))?, Counting::SameWeekday))),
        Unit::Months => months(count),
        Unit::Years => months(count.saturating_mul(12)),
        Unit::WorkingDays | Unit::Hours | Unit::Minutes | Unit::Seconds => Ok(None),
    }
}

fn finish(mut steps: Vec<Step>, day: i32) -> Due {
    let elapses_ms = When::Day(day).end_ms();
    steps.push(Step::Elapses { day, ms: elapses_ms, clock: false });
    Due { day, elapses_ms, steps: steps.into() }
}

fn in_years(day: i32) -> Result<(), DueError> {
    if LEGAL_YEARS.contains(&Civil::of(day).year()) { Ok(()) } else { Err(DueError::OutOfRange) }
}

fn plus_days(day: i32, days: i64) -> Result<i32, DueError> {
    i32::try_from(i64::from(day).saturating_add(days)).map_err(|_beyond| DueError::OutOfRange)
}

/// The day so many months away, and whether its number was there.
fn plus_months(day: i32, months: i64) -> Result<(i32, bool), DueError> {
    let (date, same) = Civil::of(day).plus_months(months).ok_or(DueError::OutOfRange)?;
    Ok((date.day_number().ok_or(DueError::OutOfRange)?, same))
}
