//! Dates, weekdays and Easter against other ways to get them.
#![allow(clippy::expect_used, reason = "a test stops at the first thing that does not hold")]

use laufzettel_contracts::{Civil, Weekday, When, berlin_day, easter};
use proptest::prelude::*;

fn number(year: i32, month: u8, day: u8) -> i32 {
    Civil::new(year, month, day).and_then(Civil::day_number).expect("a date")
}

/// Easter by Lichtenberg's form of Gauss's rule (H. Lichtenberg, Historia Mathematica 24, 1997; from memory, M), as the day of March.
/// Written from the formula, with its names; it shares no term with the one under test.
fn easter_in_march_by_gauss(x: i32) -> i32 {
    let k = x / 100;
    let m = 15 + (3 * k + 3) / 4 - (8 * k + 13) / 25;
    let s = 2 - (3 * k + 3) / 4;
    let a = x % 19;
    let d = (19 * a + m) % 30;
    let r = (d + a / 11) / 29;
    let og = 21 + d - r;
    let sz = 7 - (x + x / 4 + s) % 7;
    let oe = 7 - (og - sz) % 7;
    og + oe
}

#[test]
fn easter_agrees_with_gauss() {
    for year in 1583..=2999 {
        let march = number(year, 3, 1) - 1 + easter_in_march_by_gauss(year);
        assert_eq!(easter(year), Some(march), "{year}");
        assert_eq!(Weekday::of(march), Weekday::Sunday);
        assert!((number(year, 3, 22)..=number(year, 4, 25)).contains(&march), "{year}");
    }
}

/// 2019, 2020: Rosetta Code, Holidays related to Easter. 2026: kalender-online.com. The others, and the two extremes,
/// from memory (M).
#[test]
fn easter_is_when_it_was_printed() {
    let table = [
        (1818, 3, 22),
        (1943, 4, 25),
        (2000, 4, 23),
        (2008, 3, 23),
        (2019, 4, 21),
        (2020, 4, 12),
        (2024, 3, 31),
        (2025, 4, 20),
        (2026, 4, 5),
        (2027, 3, 28),
        (2028, 4, 16),
        (2029, 4, 1),
        (2030, 4, 21),
        (2031, 4, 13),
        (2032, 3, 28),
        (2033, 4, 17),
        (2034, 4, 9),
        (2035, 3, 25),
        (2038, 4, 25),
    ];
    for (year, month, day) in table {
        assert_eq!(easter(year).map(Civil::of), Civil::new(year, month, day), "{year}");
    }
}

/// Day by day from 1970 to 2400, with a date and a weekday of its own.
#[test]
fn dates_and_weekdays_follow_one_another() {
    let (mut year, mut month, mut day) = (1970, 1_u8, 1_u8);
    let week = [
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
        Weekday::Sunday,
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
    ];
    for (index, weekday) in (0..number(2400, 12, 31)).zip(week.into_iter().cycle()) {
        assert_eq!(Civil::new(year, month, day), Some(Civil::of(index)));
        assert_eq!(Weekday::of(index), weekday);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if day < last {
            day += 1;
        } else {
            (month, day) = (month % 12 + 1, 1);
            year += i32::from(month == 1);
        }
    }
}

#[test]
fn refuses_dates_that_are_none() {
    for (year, month, day) in
        [(2026, 2, 29), (2100, 2, 29), (2026, 4, 31), (2026, 0, 1), (2026, 13, 1), (2026, 1, 0), (2026, 255, 255)]
    {
        assert_eq!(Civil::new(year, month, day), None, "{year}-{month}-{day}");
    }
    assert!(Civil::new(2000, 2, 29).is_some());
    assert_eq!(Civil::new(i32::MAX, 1, 1).and_then(Civil::day_number), None);
}

#[test]
fn adds_months() {
    let date = |year, month, day| Civil::new(year, month, day).expect("a date");
    assert_eq!(date(2026, 1, 31).plus_months(1), Some((date(2026, 2, 28), false)));
    assert_eq!(date(2028, 1, 31).plus_months(1), Some((date(2028, 2, 29), false)));
    assert_eq!(date(2026, 2, 28).plus_months(12), Some((date(2027, 2, 28), true)));
    assert_eq!(date(2026, 1, 15).plus_months(-1), Some((date(2025, 12, 15), true)));
    assert_eq!(date(2026, 3, 31).plus_months(-25), Some((date(2024, 2, 29), false)));
    assert_eq!(date(2026, 3, 31).plus_months(i64::MAX), None);
}

proptest! {
    #[test]
    fn every_day_has_one_date(day: i32) {
        let date = Civil::of(day);
        prop_assert_eq!(date.day_number(), Some(day));
        prop_assert_eq!(Civil::new(date.year(), date.month(), date.day()), Some(date));
    }

    #[test]
    fn dates_keep_the_order_of_days(left: i32, right: i32) {
        prop_assert_eq!(Civil::of(left).cmp(&Civil::of(right)), left.cmp(&right));
    }

    #[test]
    fn an_instant_lies_in_its_day(ms in any::<i64>().prop_map(|ms| ms % (1 << 50))) {
        let day = When::Day(berlin_day(ms).expect("a day"));
        prop_assert!(day.start_ms() <= ms && ms < day.end_ms());
    }

    #[test]
    fn easter_answers_for_any_year(year: i32) {
        if let Some(day) = easter(year) {
            prop_assert_eq!(Civil::of(day).year(), year);
        }
    }
}
