//! Calendars: which day is off where, and where an authority sits. Made by `check/calendars.rs` alone. Must never
//! count a period.

use super::area::AreaCode;
use super::civil::{Civil, Weekday, easter};
use crate::definition::Labels;
use crate::name::{AuthorityId, Code};
use std::collections::{BTreeMap, BTreeSet};
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
    id: String,
    version: u32,
    labels: Labels,
    areas: Vec<Area>,
    /// The holidays of each area.
    held: Vec<Vec<Arc<Holiday>>>,
    holidays: Vec<Arc<Holiday>>,
    seats: BTreeMap<AuthorityId, AreaCode>,
    /// The calendars before these, and the instant since which these count.
    before: Option<(Arc<Calendars>, i64)>,
}

/// What calendars are made of.
pub(crate) struct Parts {
    pub(crate) id: String,
    pub(crate) version: u32,
    pub(crate) labels: Labels,
    /// At least one, in the order of the text.
    pub(crate) areas: Vec<Area>,
    /// In the order of the text.
    pub(crate) holidays: Vec<Arc<Holiday>>,
    /// In areas that are among `areas`.
    pub(crate) seats: BTreeMap<AuthorityId, AreaCode>,
}

impl Calendars {
    /// Only for the checker.
    pub(crate) fn of(Parts { id, version, labels, areas, holidays, seats }: Parts) -> Self {
        let named = |holiday: &Arc<Holiday>| holiday.areas.iter().cloned().map(AreaCode::into_text).collect();
        let holds: Vec<BTreeSet<Arc<str>>> = holidays.iter().map(named).collect();
        let held = |area: &Area| {
            let all = holidays.iter().zip(&holds);
            let held = all.filter(|(_, holds)| area.code.wholes().any(|whole| holds.contains(whole)));
            held.map(|(holiday, _)| holiday.clone()).collect()
        };
        let held = areas.iter().map(held).collect();
        Self { id, version, labels, areas, held, holidays, seats, before: None }
    }

    /// The same, counting only from an instant on (milliseconds since 1970), after the ones that counted until then.
    #[must_use]
    pub fn after(self, before: Arc<Self>, since_ms: i64) -> Self {
        Self { before: Some((before, since_ms)), ..self }
    }

    /// The calendars before these, and the instant since which these count.
    pub fn before(&self) -> Option<(&Self, i64)> {
        self.before.as_ref().map(|(before, since_ms)| (before.as_ref(), *since_ms))
    }

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

    /// The days of an area, if it is known.
    pub(super) fn place(&self, code: &AreaCode) -> Option<Place<'_>> {
        self.places().find(|place| place.area.code == *code)
    }

    /// The days of all areas.
    pub(super) fn places(&self) -> impl Iterator<Item = Place<'_>> {
        self.areas.iter().zip(&self.held).map(|(area, holidays)| Place { area, holidays, easter: None })
    }

    /// Why a day is off in an area; nothing if it is a working day or the area is not in the calendars.
    pub fn day_off(&self, code: &AreaCode, day: i32) -> Option<DayOff> {
        let mut place = self.place(code)?;
        place.off(day).map(|off| place.tell(off))
    }
}

/// Why a day is off, borrowed: most of these are not told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Off<'c> {
    Saturday,
    Sunday,
    Holiday(&'c Arc<Holiday>),
}

/// One area with the holidays that hold there. Remembers Easter of one year, since days are asked for in order.
pub(super) struct Place<'c> {
    pub(super) area: &'c Area,
    holidays: &'c [Arc<Holiday>],
    easter: Option<(i32, i32)>,
}

impl<'c> Place<'c> {
    /// Why a day is off; nothing if it is a working day.
    pub(super) fn off(&mut self, day: i32) -> Option<Off<'c>> {
        match Weekday::of(day) {
            Weekday::Saturday => return Some(Off::Saturday),
            Weekday::Sunday => return Some(Off::Sunday),
            Weekday::Monday | Weekday::Tuesday | Weekday::Wednesday | Weekday::Thursday | Weekday::Friday => {}
        }
        let date = Civil::of(day);
        let year = date.year();
        if self.easter.is_none_or(|(known, _)| known != year) {
            self.easter = easter(year).map(|easter| (year, easter));
        }
        let easter = self.easter.map(|(_, easter)| easter);
        let falls = |holiday: &Holiday| match holiday.rule {
            HolidayRule::Fixed { month, day } => (month, day) == (date.month(), date.day()),
            HolidayRule::Easter { days } => easter.and_then(|easter| easter.checked_add(days)) == Some(day),
            HolidayRule::WednesdayBefore { .. } => holiday.day_in(year) == Some(day),
        };
        self.holidays.iter().find(|holiday| holiday.holds_in(year) && falls(holiday)).map(Off::Holiday)
    }

    /// The same to keep.
    pub(super) fn tell(&self, off: Off<'_>) -> DayOff {
        match off {
            Off::Saturday => DayOff::Saturday,
            Off::Sunday => DayOff::Sunday,
            Off::Holiday(holiday) => DayOff::Holiday { holiday: Arc::clone(holiday), area: self.area.clone() },
        }
    }
}
