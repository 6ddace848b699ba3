//! Days as they are written in an expression: `2026-06-12`, the proleptic Gregorian calendar, years 1 to 9999. Must
//! never ask the system for a calendar.

/// Days from 0000-03-01, where a year that begins in March ends with its leap day, to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
/// Days of 400 years.
const ERA_DAYS: i64 = 146_097;

/// The day of a text, as days since 1970-01-01; `None` if it is no day of the calendar.
pub(super) fn parse(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    let well_formed = bytes.len() == 10
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !well_formed {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<i64>().ok());
    let day = to_days(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
    // 31 April would come back as 1 May.
    (print(day) == text).then_some(day)
}

/// The day of a number of days since 1970-01-01.
pub(super) fn print(days: i32) -> String {
    let (year, month, day) = from_days(i64::from(days));
    format!("{year:04}-{month:02}-{day:02}")
}

/// After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn to_days(year: i64, month: i64, day: i64) -> Option<i32> {
    if year < 1 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = month.checked_add(9)?.rem_euclid(12);
    let day_of_year =
        month_from_march.checked_mul(153)?.checked_add(2)?.div_euclid(5).checked_add(day)?.checked_sub(1)?;
    let leaps = year_of_era.div_euclid(4).checked_sub(year_of_era.div_euclid(100))?;
    let day_of_era = year_of_era.checked_mul(365)?.checked_add(leaps)?.checked_add(day_of_year)?;
    let days = era.checked_mul(ERA_DAYS)?.checked_add(day_of_era)?.checked_sub(EPOCH_DAYS)?;
    i32::try_from(days).ok()
}

/// The same source, `civil_from_days`. No step can overflow from 32 bits of days.
fn from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(EPOCH_DAYS);
    let era = shifted.div_euclid(ERA_DAYS);
    let day_of_era = shifted.rem_euclid(ERA_DAYS);
    let corrected = day_of_era
        .saturating_sub(day_of_era.div_euclid(1_460))
        .saturating_add(day_of_era.div_euclid(36_524))
        .saturating_sub(day_of_era.div_euclid(146_096));
    let year_of_era = corrected.div_euclid(365);
    let before = year_of_era
        .saturating_mul(365)
        .saturating_add(year_of_era.div_euclid(4))
        .saturating_sub(year_of_era.div_euclid(100));
    let day_of_year = day_of_era.saturating_sub(before);
    let month_from_march = day_of_year.saturating_mul(5).saturating_add(2).div_euclid(153);
    let month_begins = month_from_march.saturating_mul(153).saturating_add(2).div_euclid(5);
    let day = day_of_year.saturating_sub(month_begins).saturating_add(1);
    let month =
        if month_from_march < 10 { month_from_march.saturating_add(3) } else { month_from_march.saturating_sub(9) };
    let year = era.saturating_mul(400).saturating_add(year_of_era).saturating_add(i64::from(month <= 2));
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::{parse, print};

    /// Source: GNU date, `date -u -d 2026-06-12 +%s` divided by 86,400.
    #[test]
    fn knows_days_of_known_numbers() {
        let known = [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2026-06-12", 20_616),
            ("9999-12-31", 2_932_896),
            ("0001-01-01", -719_162),
        ];
        for (text, days) in known {
            assert_eq!((parse(text), print(days).as_str()), (Some(days), text));
        }
    }

    #[test]
    fn every_day_of_1583_to_2400_comes_back_and_none_is_left_out() {
        let (first, last) = (parse("1583-01-01"), parse("2400-12-31"));
        let mut before = String::new();
        let mut count = 0;
        for day in first.unwrap_or(0)..=last.unwrap_or(0) {
            let text = print(day);
            assert!(before < text, "{before} {text}");
            assert_eq!(parse(&text), Some(day));
            before = text;
            count += 1;
        }
        // 818 years; leap days: every fourth from 1584 to 2400 (205), without 1700, 1800, 1900, 2100, 2200, 2300.
        assert_eq!(count, 818 * 365 + 205 - 6);
    }

    #[test]
    fn refuses_what_is_no_day() {
        for text in [
            "",
            "2026-6-12",
            "2026-13-01",
            "2026-02-29",
            "2026-04-31",
            "0000-01-01",
            "2026-00-10",
            "2026-01-00",
            "+026-01-01",
            "2026/01/01",
            "2026-01-01T",
            "२०२६-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
