//! Calendars: which day is off where, and where an authority sits. Made by `check/calendars.rs` alone. Must never
//! count a period.

use super::area::AreaCode;
use super::civil::{Civil, Weekday, easter};
use crate::definition::Labels;
use crate::name::{AuthorityId, Code};
use std::collections::BTreeMap;
use std::sync::Arc;

/// On which day of a year a holiday falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolidayRule {
    /// On the same date each year.
    Fixed {
        /// 1 to 12.
        month: u8,
        /// 1 to 31.
        day: u8,
    },
    /// So many days after Easter Sunday; before it if negative.
    Easter {
        /// Days.
        days: i32,
    },
    /// On the last Wednesday before a date: Buß- und Bettag lies before 23 November.
    WednesdayBefore {
        /// 1 to 12.
        month: u8,
        /// 1 to 31.
        day: u8,
    },
}

/// A public holiday.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holiday {
    /// Its name in the text.
    pub code: Code,
    /// Its names for people.
    pub labels: Labels,
    /// When it is.
    pub rule: HolidayRule,
    /// Where it holds: in these areas and their parts.
    pub areas: Vec<AreaCode>,
    /// First year.
    pub from: i32,
    /// Last year.
    pub until: i32,
    /// Legal basis.
    pub basis: String,
    /// Whether it was read in a named source; if not, it is from memory.
    pub verified: bool,
}

impl Holiday {
    /// Its day in a year, whether or not it was a holiday then.
    pub fn day_in(&self, year: i32) -> Option<i32> {
        match self.rule {
            HolidayRule::Fixed { month, day } => Civil::new(year, month, day)?.day_number(),
            HolidayRule::Easter { days } => easter(year)?.checked_add(days),
            HolidayRule::WednesdayBefore { month, day } => {
                let before = Civil::new(year, month, day)?.day_number()?.checked_sub(1)?;
                // Day 6 was a Wednesday.
                before.checked_sub(before.checked_sub(6)?.rem_euclid(7))
            }
        }
    }

    fn holds_in(&self, year: i32) -> bool {
        (self.from..=self.until).contains(&year)
    }

    fn holds_at(&self, area: &AreaCode) -> bool {
        self.areas.iter().any(|holds| holds.covers(area))
    }
}

/// An area whose holidays are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// Its code.
    pub code: AreaCode,
    /// Its names for people.
    pub labels: Labels,
}

/// Why nothing is due on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DayOff {
    /// Saturday (BGB §193, VwVfG §31(3)).
    Saturday,
    /// Sunday.
    Sunday,
    /// A public holiday in the area.
    Holiday {
        /// Which.
        holiday: Arc<Holiday>,
        /// Where.
        area: Area,
    },
}

/// Checked calendars; only [`Calendars::check`] makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendars {
    pub(crate) id: String,
    pub(crate) version: u32,
    pub(crate) labels: Labels,
    /// In the order of the text.
    pub(crate) areas: Vec<Area>,
    /// In the order of the text.
    pub(crate) holidays: Vec<Arc<Holiday>>,
    pub(crate) seats: BTreeMap<AuthorityId, AreaCode>,
}

impl Calendars {
    /// The id, such as `de`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The version, from 1.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The names for people.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// All areas, none of them a country, in the order of the text. There is at least one.
    pub fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// All holidays in the order of the text.
    pub fn holidays(&self) -> &[Arc<Holiday>] {
        &self.holidays
    }

    /// The area by its code.
    pub fn area(&self, code: &AreaCode) -> Option<&Area> {
        self.areas.iter().find(|area| area.code == *code)
    }

    /// Where an authority sits; nothing if the calendars do not say, which is an unknown seat.
    pub fn seat(&self, authority: &AuthorityId) -> Option<&AreaCode> {
        self.seats.get(authority)
    }

    /// The days of an area.
    pub(super) fn place<'c>(&'c self, area: &'c Area) -> Place<'c> {
        let holidays = self.holidays.iter().filter(|holiday| holiday.holds_at(&area.code)).collect();
        Place { area, holidays, year: None, days: BTreeMap::new() }
    }

    /// Why a day is off in an area; nothing if it is a working day or the area is not in the calendars.
    pub fn day_off(&self, code: &AreaCode, day: i32) -> Option<DayOff> {
        self.place(self.area(code)?).day_off(day)
    }
}

/// One area with the holidays that hold there. Remembers those of one year, since days are asked for in order.
pub(super) struct Place<'c> {
    pub(super) area: &'c Area,
    holidays: Vec<&'c Arc<Holiday>>,
    year: Option<i32>,
    days: BTreeMap<i32, &'c Arc<Holiday>>,
}

impl Place<'_> {
    /// Why a day is off; nothing if it is a working day.
    pub(super) fn day_off(&mut self, day: i32) -> Option<DayOff> {
        match Weekday::of(day) {
            Weekday::Saturday => return Some(DayOff::Saturday),
            Weekday::Sunday => return Some(DayOff::Sunday),
            Weekday::Monday | Weekday::Tuesday | Weekday::Wednesday | Weekday::Thursday | Weekday::Friday => {}
        }
        let year = Civil::of(day).year();
        if self.year != Some(year) {
            self.year = Some(year);
            let holding = self.holidays.iter().rev().filter(|holiday| holiday.holds_in(year));
            // Reversed, so that of two on one day the first in the text is named.
            self.days = holding.filter_map(|holiday| Some((holiday.day_in(year)?, *holiday))).collect();
        }
        let holiday = self.days.get(&day)?;
        Some(DayOff::Holiday { holiday: Arc::clone(holiday), area: self.area.clone() })
    }
}
