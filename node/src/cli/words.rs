//! How values are written by and for people: case ids, days, instants, hashes.

use jiff::Timestamp;
use jiff::civil::Date;
use laufzettel_chain::ids::CaseId;
use laufzettel_proto::v1;

use super::fault::Fault;

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

/// Today in Germany, whose calendar counts; without zone data, today in UTC.
pub(super) fn today() -> Result<v1::When, Fault> {
    let now = Timestamp::now();
    let zoned = now.in_tz("Europe/Berlin").unwrap_or_else(|_| now.to_zoned(jiff::tz::TimeZone::UTC));
    when(&zoned.date().to_string())
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

    #[test]
    fn case_ids_read_in_both_forms() {
        let case = CaseId([0xab; 16]);
        assert_eq!(case_id(&case.to_string()).unwrap(), case);
        assert_eq!(case_id(&hex(&case.0)).unwrap(), case);
        assert!(case_id("nonsense").is_err());
    }
}
