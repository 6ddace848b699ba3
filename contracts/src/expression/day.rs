//! Days as they are written in an expression: `2026-06-12`, the proleptic Gregorian calendar, years 1 to 9999. Must
//! never ask the system for a calendar.

use crate::legal::Civil;

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
    let year = text.get(0..4)?.parse().ok().filter(|year| *year >= 1)?;
    Civil::new(year, text.get(5..7)?.parse().ok()?, text.get(8..10)?.parse().ok()?)?.day_number()
}

/// The day of a number of days since 1970-01-01.
pub(super) fn print(days: i32) -> String {
    Civil::of(days).to_string()
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
