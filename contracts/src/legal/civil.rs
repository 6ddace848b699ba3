//! Days and dates of the Gregorian calendar in integers: day number since 1970-01-01, year, month and day, weekday,
//! months, Easter. Must never know a holiday or a law. The calendar is used for every year, also before 1582.

use crate::when::When;
use std::fmt;

/// Days of 400 Gregorian years.
const ERA_DAYS: i64 = 146_097;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A date of the Gregorian calendar that exists. Year 0 is the year before year 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Civil {
    year: i32,
    month: u8,
    day: u8,
}

/// As ISO 8601 writes it: `2026-06-12`.
impl fmt::Display for Civil {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Civil {
    /// The date of a day number (days since 1970-01-01).
    pub fn of(day: i32) -> Self {
        let day = i64::from(day);
        let year = year_of(day);
        let mut rest = day.saturating_sub(new_year(year));
        let year = i32::try_from(year).unwrap_or(i32::MAX);
        for (month, length) in (1_u8..).zip(month_lengths(year)) {
            if rest < i64::from(length) {
                let day = u8::try_from(rest.saturating_add(1)).unwrap_or(length);
                return Self { year, month, day };
            }
            rest = rest.saturating_sub(i64::from(length));
        }
        Self { year, month: 12, day: 31 }
    }

    /// A date, if there is such a one.
    pub fn new(year: i32, month: u8, day: u8) -> Option<Self> {
        (1..=days_in_month(year, month)?).contains(&day).then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01, if an `i32` holds them.
    pub fn day_number(self) -> Option<i32> {
        let months_before = usize::from(self.month.saturating_sub(1));
        let before: i64 = month_lengths(self.year).into_iter().take(months_before).map(i64::from).sum();
        let start = new_year(i64::from(self.year));
        let number = start.saturating_add(before).saturating_add(i64::from(self.day)).saturating_sub(1);
        i32::try_from(number).ok()
    }

    /// The year.
    pub fn year(self) -> i32 {
        self.year
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, 1 to 31.
    pub fn day(self) -> u8 {
        self.day
    }

    /// The day with the same number some months later (earlier if negative), and whether that number was there: if the
    /// month is too short, it is its last day. Nothing if the year is out of range.
    pub fn plus_months(self, months: i64) -> Option<(Self, bool)> {
        let index = i64::from(self.year).saturating_mul(12).saturating_add(i64::from(self.month)).saturating_sub(1);
        let index = index.checked_add(months)?;
        let year = i32::try_from(index.div_euclid(12)).ok()?;
        let month = u8::try_from(index.rem_euclid(12).saturating_add(1)).ok()?;
        let last = days_in_month(year, month)?;
        Some((Self { year, month, day: self.day.min(last) }, self.day <= last))
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// The weekday of a day number. Day 0 was a Thursday.
    pub fn of(day: i32) -> Self {
        match i64::from(day).saturating_add(3).rem_euclid(7) {
            0 => Self::Monday,
            1 => Self::Tuesday,
            2 => Self::Wednesday,
            3 => Self::Thursday,
            4 => Self::Friday,
            5 => Self::Saturday,
            _ => Self::Sunday,
        }
    }
}

/// Easter Sunday of a year as a day number, if an `i32` holds it. The Gregorian computus as published anonymously in
/// Nature in 1876 (the form by Meeus, Jones and Butcher).
pub fn easter(year: i32) -> Option<i32> {
    let year_in = i64::from(year);
    let moon = year_in.rem_euclid(19);
    let (century, in_century) = (year_in.div_euclid(100), year_in.rem_euclid(100));
    let (century_leap, century_rest) = (century.div_euclid(4), century.rem_euclid(4));
    let shift = century.saturating_add(8).div_euclid(25);
    let correction = century.saturating_sub(shift).saturating_add(1).div_euclid(3);
    let epact = moon
        .saturating_mul(19)
        .saturating_add(century)
        .saturating_sub(century_leap)
        .saturating_sub(correction)
        .saturating_add(15)
        .rem_euclid(30);
    let (leap, rest) = (in_century.div_euclid(4), in_century.rem_euclid(4));
    let to_sunday = century_rest
        .saturating_add(leap)
        .saturating_mul(2)
        .saturating_add(32)
        .saturating_sub(epact)
        .saturating_sub(rest)
        .rem_euclid(7);
    let late =
        moon.saturating_add(epact.saturating_mul(11)).saturating_add(to_sunday.saturating_mul(22)).div_euclid(451);
    // Days from 22 March, the earliest Easter there is.
    let after = epact.saturating_add(to_sunday).saturating_sub(late.saturating_mul(7));
    let earliest = Civil::new(year, 3, 22)?.day_number()?;
    earliest.checked_add(i32::try_from(after).ok()?)
}

/// The calendar day in Berlin in which an instant lies, if an `i32` holds it.
pub fn berlin_day(ms: i64) -> Option<i32> {
    // Berlin is one or two hours ahead of UTC: the later guess may be one day too far.
    let guess = i32::try_from(ms.saturating_add(2 * HOUR_MS).div_euclid(DAY_MS)).ok()?;
    if When::Day(guess).start_ms() <= ms { Some(guess) } else { guess.checked_sub(1) }
}

/// How many hours Berlin is ahead of UTC at an instant of a day of Berlin. The clock changes at 01:00 UTC.
pub(super) fn berlin_ahead_hours(day: i32, ms: i64) -> i64 {
    let utc_start = i64::from(day).saturating_mul(DAY_MS);
    if ms < utc_start.saturating_add(HOUR_MS) {
        utc_start.saturating_sub(When::Day(day).start_ms()).div_euclid(HOUR_MS)
    } else {
        utc_start.saturating_add(DAY_MS).saturating_sub(When::Day(day).end_ms()).div_euclid(HOUR_MS)
    }
}

/// Days of a month, if there is such a month.
fn days_in_month(year: i32, month: u8) -> Option<u8> {
    month_lengths(year).get(usize::from(month.checked_sub(1)?)).copied()
}

fn month_lengths(year: i32) -> [u8; 12] {
    let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// The year a day lies in.
pub(crate) fn year_of(day: i64) -> i64 {
    // The mean length of a year puts the guess at most one year off.
    let guess = day.saturating_mul(400).div_euclid(ERA_DAYS).saturating_add(1970);
    let candidates = [guess.saturating_add(1), guess];
    candidates.into_iter().find(|year| new_year(*year) <= day).unwrap_or_else(|| guess.saturating_sub(1))
}

/// The day number of 1 January of a year.
pub(crate) fn new_year(year: i64) -> i64 {
    let before = year.saturating_sub(1);
    let leap_days = before.div_euclid(4).saturating_sub(before.div_euclid(100)).saturating_add(before.div_euclid(400));
    // 719,162 = 365 * 1969 + 477 leap days: from 0001-01-01 to 1970-01-01.
    before.saturating_mul(365).saturating_add(leap_days).saturating_sub(719_162)
}
