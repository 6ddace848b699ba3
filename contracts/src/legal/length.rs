//! The length of a period as a definition writes it, and its parser. Must never add a length to a date; that is for
//! `due`.

use crate::limits::{
    LENGTH_DAYS_MAX, LENGTH_HOURS_MAX, LENGTH_MONTHS_MAX, LENGTH_WEEKS_MAX, LENGTH_WORKING_DAYS_MAX, LENGTH_YEARS_MAX,
};
use std::fmt;

/// In what a length is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// `P14D`: calendar days.
    Days,
    /// `P10WD`: days from Monday to Friday that are no holiday at the seat. Saturday is none of them, although other
    /// law calls it a Werktag: BGB §193 and VwVfG §31(3) move an end from a Saturday on, so nothing ends on it.
    WorkingDays,
    /// `P2W`.
    Weeks,
    /// `P1M`.
    Months,
    /// `P20Y`.
    Years,
    /// `PT24H`: by the clock, from instant to instant.
    Hours,
    /// `PT15M`: by the clock.
    Minutes,
    /// `PT5S`: by the clock.
    Seconds,
}

const UNITS: [(Unit, &str, &str); 8] = [
    // `WD` before `D`: the longer ending is tried first.
    (Unit::WorkingDays, "P", "WD"),
    (Unit::Days, "P", "D"),
    (Unit::Weeks, "P", "W"),
    (Unit::Months, "P", "M"),
    (Unit::Years, "P", "Y"),
    (Unit::Hours, "PT", "H"),
    (Unit::Minutes, "PT", "M"),
    (Unit::Seconds, "PT", "S"),
];

impl Unit {
    /// The most of it a length may have.
    pub fn count_max(self) -> u32 {
        match self {
            Self::Days => LENGTH_DAYS_MAX,
            Self::WorkingDays => LENGTH_WORKING_DAYS_MAX,
            Self::Weeks => LENGTH_WEEKS_MAX,
            Self::Months => LENGTH_MONTHS_MAX,
            Self::Years => LENGTH_YEARS_MAX,
            Self::Hours => LENGTH_HOURS_MAX,
            Self::Minutes => LENGTH_HOURS_MAX.saturating_mul(60),
            Self::Seconds => LENGTH_HOURS_MAX.saturating_mul(3_600),
        }
    }
}

/// The length of a period: a count of one unit, from 1 to the unit's bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Length {
    unit: Unit,
    count: u32,
}

/// Why a text is no length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    /// Not of the form.
    #[error("write one number and one unit, such as P14D, P10WD, P2W, P1M, P20Y, PT24H, PT15M or PT5S")]
    Form,
    /// Zero, or more than the unit's bound.
    #[error("write a number from 1 to {most}, without leading zeros")]
    Count {
        /// The bound of the unit.
        most: u32,
    },
}

impl Length {
    /// A length of so many units.
    ///
    /// # Errors
    /// If the count is 0 or above the unit's bound.
    pub fn new(unit: Unit, count: u32) -> Result<Self, LengthError> {
        let most = unit.count_max();
        if (1..=most).contains(&count) { Ok(Self { unit, count }) } else { Err(LengthError::Count { most }) }
    }

    /// Reads a length: `P14D`, `P10WD`, `P2W`, `P1M`, `P20Y`, `PT24H`, `PT15M`, `PT5S`. A text has one length and a
    /// length one text; ISO 8601's combinations are left out, since their sum depends on the order.
    ///
    /// # Errors
    /// If the text is none of these, or its number out of range.
    pub fn parse(text: &str) -> Result<Self, LengthError> {
        for (unit, head, tail) in UNITS {
            let Some(digits) = text.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)) else {
                continue;
            };
            if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                continue;
            }
            let most = unit.count_max();
            if digits.starts_with('0') {
                return Err(LengthError::Count { most });
            }
            return Self::new(unit, digits.parse().map_err(|_too_long| LengthError::Count { most })?);
        }
        Err(LengthError::Form)
    }

    /// In what it is counted.
    pub fn unit(self) -> Unit {
        self.unit
    }

    /// How many of the unit.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Milliseconds of a length by the clock; nothing for one in days or more.
    pub fn clock_ms(self) -> Option<i64> {
        let unit_ms = match self.unit {
            Unit::Hours => 3_600_000,
            Unit::Minutes => 60_000,
            Unit::Seconds => 1_000,
            Unit::Days | Unit::WorkingDays | Unit::Weeks | Unit::Months | Unit::Years => return None,
        };
        Some(i64::from(self.count).saturating_mul(unit_ms))
    }
}

impl fmt::Display for Length {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = UNITS.iter().find(|(unit, ..)| *unit == self.unit);
        let (head, tail) = found.map_or(("P", "D"), |(_, head, tail)| (head, tail));
        write!(formatter, "{head}{}{tail}", self.count)
    }
}
