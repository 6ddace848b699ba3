//! When something occurred: a day or an instant, and the one instant by which reports are ordered. A day counts as its
//! end in Europe/Berlin. The rule of the European Union is computed in integers, so that every node on every system
//! gets the same order. Must never ask the system for a zone, a clock or a calendar.

use crate::legal::civil::{new_year, year_of};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// From 31 March to the next new year's day; no leap day lies between.
const MARCH_END_TO_NEW_YEAR_DAYS: i64 = 276;
/// From 31 October to the next new year's day.
const OCTOBER_END_TO_NEW_YEAR_DAYS: i64 = 62;

/// A day, or an instant where the status says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// Days since 1970-01-01, the calendar day in Berlin.
    Day(i32),
    /// Milliseconds since 1970-01-01T00:00Z.
    Instant(u64),
}

impl When {
    /// The instant that orders reports: an instant is itself, a day is its end (24:00 in Berlin).
    ///
    /// The present rule is used for every year, also for those before it was made: one rule for all nodes matters here,
    /// not the law of the summer of 1947.
    pub fn end_ms(self) -> i64 {
        match self {
            Self::Day(day) => midnight_ms(i64::from(day).saturating_add(1)),
            Self::Instant(ms) => i64::try_from(ms).unwrap_or(i64::MAX),
        }
    }

    /// The first instant of it: an instant is itself, a day is its begin (00:00 in Berlin).
    pub fn start_ms(self) -> i64 {
        match self {
            Self::Day(day) => midnight_ms(i64::from(day)),
            Self::Instant(ms) => i64::try_from(ms).unwrap_or(i64::MAX),
        }
    }

    /// The calendar day in Berlin, as days since 1970-01-01; one beyond the range is its last.
    pub fn day(self) -> i32 {
        match self {
            Self::Day(day) => day,
            Self::Instant(ms) => day_of(i64::try_from(ms).unwrap_or(i64::MAX)),
        }
    }
}

/// The calendar day in Berlin of an instant. Berlin is ahead of UTC by less than a day, so it is that of UTC or the next.
fn day_of(ms: i64) -> i32 {
    let utc = ms.div_euclid(DAY_MS);
    let next = utc.saturating_add(1);
    let day = if midnight_ms(next) <= ms { next } else { utc };
    // An instant is not before 1970: only the last day can be passed.
    i32::try_from(day).unwrap_or(i32::MAX)
}

/// 00:00 of a day in Berlin as UTC. The clock changes at 01:00 UTC of the switching Sunday, after its midnight: so that
/// Sunday in March still begins in winter time and the one in October in summer time.
fn midnight_ms(day: i64) -> i64 {
    let new_year = next_new_year(day);
    let march = sunday_until(new_year.saturating_sub(MARCH_END_TO_NEW_YEAR_DAYS));
    let october = sunday_until(new_year.saturating_sub(OCTOBER_END_TO_NEW_YEAR_DAYS));
    let offset_hours: i64 = if march < day && day <= october { 2 } else { 1 };
    day.saturating_mul(DAY_MS).saturating_sub(offset_hours.saturating_mul(HOUR_MS))
}

/// The last Sunday not after a day. Day 0 was a Thursday.
fn sunday_until(day: i64) -> i64 {
    day.saturating_sub(day.saturating_add(4).rem_euclid(7))
}

/// The day number of 1 January of the year after the one a day lies in.
fn next_new_year(day: i64) -> i64 {
    new_year(year_of(day).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_new_years_of_known_years() {
        for (year, day) in [(1970, 0), (1971, 365), (1973, 1096), (2000, 10_957), (2026, 20_454)] {
            assert_eq!(new_year(year), day);
            assert_eq!(next_new_year(day - 1), day);
            assert!(next_new_year(day) > day);
        }
    }
}
