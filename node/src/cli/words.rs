//! How values are written by and for people: case ids, days, instants, hashes.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use laufzettel_chain::ids::CaseId;
use laufzettel_proto::v1;

use super::fault::Fault;
use crate::clock;

/// A case id in its printed form, or 32 hexadecimal digits.
pub(super) fn case_id(text: &str) -> Result<CaseId, Fault> {
    let hex = || CaseId::from_slice(&data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?);
    let wrong = || {
        let form = "26 characters and a check character in groups of four, or 32 hexadecimal digits";
        Fault::usage(format!("{text:?} is no case id, or a character is mistyped; expected {form}"))
    };
    CaseId::parse(text).or_else(hex).ok_or_else(wrong)
}

/// A case id from a message.
pub(super) fn case_text(bytes: &[u8]) -> String {
    CaseId::from_slice(bytes).map_or_else(|| hex(bytes), |case| case.to_string())
}

/// Bytes as hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// 16 random bytes.
pub(super) fn random_id() -> Result<[u8; 16], Fault> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Fault::failed(format!("the system gave no random bytes: {error}")))?;
    Ok(id)
}

/// A UUID with or without hyphens.
pub(super) fn uuid(text: &str) -> Result<Vec<u8>, Fault> {
    let digits = text.replace('-', "");
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok().filter(|bytes| bytes.len() == 16);
    bytes.ok_or_else(|| Fault::usage(format!("{text:?} is no transaction id: expected a UUID (32 hexadecimal digits)")))
}

/// An effect id: 32 hexadecimal digits.
pub(super) fn effect_id(text: &str) -> Result<[u8; 16], Fault> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Fault::usage(format!("{text:?} is no effect id: expected 32 hexadecimal digits")))
}

/// Days since 1970-01-01.
pub(super) fn day(text: &str) -> Option<i32> {
    let date: Date = text.parse().ok()?;
    date.since(Date::constant(1970, 1, 1)).ok().map(|span| span.get_days())
}

/// `2026-11-23` is a day, `2026-11-23T10:00:00Z` an instant.
pub(super) fn when(text: &str) -> Result<v1::When, Fault> {
    let instant = || text.parse::<Timestamp>().ok().and_then(|instant| u64::try_from(instant.as_millisecond()).ok());
    let day = (text.len() == 10).then(|| day(text)).flatten().map(v1::when::At::Day);
    let at = day.or_else(|| instant().map(v1::when::At::InstantMs));
    let wrong =
        || Fault::usage(format!("{text:?} is neither a day (2026-11-23) nor an instant (2026-11-23T10:00:00Z)"));
    at.map(|at| v1::When { at: Some(at) }).ok_or_else(wrong)
}

/// Today in Germany, whose calendar counts, by the rule that the ledger counts by: what zone data the machine has, if any,
/// makes no difference.
pub(super) fn today() -> Result<v1::When, Fault> {
    let now = i64::try_from(clock::now_ms()).ok().and_then(laufzettel_contracts::berlin_day);
    let day = now.ok_or_else(|| Fault::failed("this machine's clock is wrong; name the day with --occurred"))?;
    Ok(v1::When { at: Some(v1::when::At::Day(day)) })
}

/// The zone of Germany: summer time by the rule of the EU, as the ledger has it.
pub(super) fn berlin() -> Result<TimeZone, Fault> {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").map_err(Fault::failed)
}

/// A day or an instant as people write it.
pub(super) fn when_text(when: Option<&v1::When>) -> String {
    match when.and_then(|when| when.at.as_ref()) {
        Some(v1::when::At::Day(day)) => {
            let date = Date::constant(1970, 1, 1).checked_add(jiff::Span::new().days(*day));
            date.map_or_else(|_| format!("day {day}"), |date| date.to_string())
        }
        Some(v1::when::At::InstantMs(ms)) => instant_text(*ms),
        None => String::new(),
    }
}

/// An instant as people write it.
pub(super) fn instant_text(ms: u64) -> String {
    let instant = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    instant.map_or_else(|| format!("{ms} ms"), |instant| instant.to_string())
}

/// Where an answer comes from.
pub(super) fn position_text(position: Option<&v1::Position>) -> String {
    let Some(position) = position else { return String::new() };
    let seconds = position.staleness_ms.div_euclid(1_000);
    format!("height {}, {} ({seconds} s old)", position.height, instant_text(position.block_time_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_instants_read_back() {
        for text in ["2026-11-23", "1969-12-31", "2026-11-23T10:00:00Z"] {
            assert_eq!(when_text(Some(&when(text).unwrap())), text);
        }
        assert_eq!(day("1970-01-02"), Some(1));
        assert!(when("23.11.2026").is_err());
    }

    /// Around the clock changes and every new day of ten years, the zone and the ledger's rule give the same day.
    #[test]
    fn the_zone_is_that_of_the_ledger() {
        let zone = berlin().unwrap();
        for hour in 0..(10 * 366 * 24) {
            for off_ms in [0, 3_599_999] {
                let ms = 1_767_225_600_000_i64 + i64::from(hour) * 3_600_000 + off_ms;
                let date = Timestamp::from_millisecond(ms).unwrap().to_zoned(zone.clone()).date();
                assert_eq!(laufzettel_contracts::berlin_day(ms), day(&date.to_string()), "{date}");
            }
        }
    }

    #[test]
    fn case_ids_read_in_both_forms() {
        let case = CaseId([0xab; 16]);
        assert_eq!(case_id(&case.to_string()).unwrap(), case);
        assert_eq!(case_id(&hex(&case.0)).unwrap(), case);
        assert!(case_id("nonsense").is_err());
    }
}
