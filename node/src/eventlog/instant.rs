//! Times of a log as instants: ISO 8601 with a `T` or a space, with or without fraction, with an offset, `Z` or no zone
//! at all, or a day alone. Must never ask the system for a zone: the same log gives the same instants everywhere.

use jiff::civil::Time;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use std::fmt;

/// A time that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant {
    /// Milliseconds since 1970-01-01T00:00Z.
    pub(super) ms: u64,
    /// Whether the text had no zone and was read as UTC.
    pub(super) zoneless: bool,
    /// Whether the text was finer than a millisecond.
    pub(super) cut: bool,
}

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstantFault {
    /// Not of a known form, or no such day or time.
    Form,
    /// It names a zone and has no offset.
    ZoneWithoutOffset,
    /// Before 1970-01-01T00:00Z, or beyond what a calendar has.
    OutOfRange,
}

impl fmt::Display for InstantFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Form => "is no time; write it like 2011-10-11T13:45:40.276+02:00, or a day like 2011-10-11",
            Self::ZoneWithoutOffset => "names a zone without an offset; write the offset, like +02:00",
            Self::OutOfRange => "is out of range; the ledger begins on 1970-01-01",
        })
    }
}

pub(super) fn read_instant(text: &str) -> Result<Instant, InstantFault> {
    let pieces = Pieces::parse(text).map_err(|_| InstantFault::Form)?;
    let offset = pieces.to_numeric_offset();
    if offset.is_none() && pieces.time_zone_annotation().is_some() {
        return Err(InstantFault::ZoneWithoutOffset);
    }
    let time = pieces.time().unwrap_or(Time::midnight());
    let local = pieces.date().to_datetime(time);
    let timestamp = offset.unwrap_or(Offset::UTC).to_timestamp(local).map_err(|_| InstantFault::OutOfRange)?;
    if timestamp.as_nanosecond() < 0 {
        return Err(InstantFault::OutOfRange);
    }
    let ms = u64::try_from(timestamp.as_millisecond()).map_err(|_| InstantFault::OutOfRange)?;
    Ok(Instant { ms, zoneless: offset.is_none(), cut: time.subsec_nanosecond() % 1_000_000 != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_known_forms() {
        // 2011-10-11T11:45:40.276Z
        let ms = 1_318_333_540_276;
        let check = |text: &str, ms: u64, zoneless: bool, cut: bool| {
            assert_eq!(read_instant(text), Ok(Instant { ms, zoneless, cut }), "{text}");
        };
        check("2011-10-11 13:45:40.276000+02:00", ms, false, false);
        check("2011-10-11T13:45:40.276+02:00", ms, false, false);
        check("2011-10-11T13:45:40.276+0200", ms, false, false);
        check("2011-10-11t11:45:40.276z", ms, false, false);
        check("2011-10-11 11:45:40,276Z", ms, false, false);
        check("2011-10-11 06:15:40.276-05:30", ms, false, false);
        check("2011-10-11T13:45:40.276+02:00[Europe/Berlin]", ms, false, false);
        check("2011-10-11 11:45:40.276999999Z", ms, false, true);
        check("2011-10-11 11:45:40.276", ms, true, false);
        check("2011-10-11 11:45:40", ms - 276, true, false);
        check("2011-10-11 11:45", ms - 40_276, true, false);
        check("2011-10-11", 1_318_291_200_000, true, false);
        check("1970-01-01T00:00Z", 0, false, false);
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in
            ["yesterday", "2011-02-29", "31.12.2011", "2011-10-11 25:00:00Z", "2011-10-11T10:00+99:00", "1318333540"]
        {
            assert_eq!(read_instant(text), Err(InstantFault::Form), "{text}");
        }
        assert_eq!(read_instant("2011-10-11T10:00[Europe/Berlin]"), Err(InstantFault::ZoneWithoutOffset));
        assert_eq!(read_instant("1970-01-01T00:00+01:00"), Err(InstantFault::OutOfRange));
        assert_eq!(read_instant("1969-12-31T23:59:59.9999Z"), Err(InstantFault::OutOfRange));
    }
}
