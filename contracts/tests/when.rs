//! The one instant by which reports are ordered.
#![allow(clippy::expect_used, reason = "a test stops at the first thing that does not hold")]

use laufzettel_contracts::When;
use proptest::prelude::*;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Days since 1970-01-01, counted year by year: another way than the one under test.
fn day(year: i32, month: i32, day_of_month: i32) -> i32 {
    let leap = |year: i32| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let years: i32 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: i32 = lengths.iter().take(usize::try_from(month - 1).expect("a month")).sum();
    years + months + day_of_month - 1
}

#[test]
fn a_day_ends_at_midnight_in_berlin() {
    // (day, UTC hour of its end; 24 would be UTC midnight)
    let table = [
        ((1970, 1, 1), 23),
        ((2026, 1, 15), 23),
        ((2026, 3, 28), 23),
        ((2026, 3, 29), 22), // 23 hours long
        ((2026, 3, 30), 22),
        ((2026, 7, 1), 22),
        ((2026, 10, 24), 22),
        ((2026, 10, 25), 23), // 25 hours long
        ((2026, 12, 31), 23),
        ((2024, 2, 29), 23),
        ((2024, 3, 31), 22),
        ((2024, 10, 27), 23),
        ((2000, 3, 26), 22),
        ((2100, 3, 28), 22),
        ((2100, 10, 31), 23),
    ];
    for ((year, month, of_month), hour) in table {
        let number = day(year, month, of_month);
        let expected = i64::from(number) * DAY_MS + hour * HOUR_MS;
        assert_eq!(When::Day(number).end_ms(), expected, "{year}-{month}-{of_month}");
    }
    assert_eq!(When::Instant(7).end_ms(), 7);
}

#[test]
fn every_day_from_1970_to_2100_has_23_24_or_25_hours_and_two_a_year_are_odd() {
    for year in 1970..=2100 {
        let (mut short, mut long) = (Vec::new(), Vec::new());
        for number in day(year, 1, 1)..day(year + 1, 1, 1) {
            let when = When::Day(number);
            assert_eq!(when.end_ms(), When::Day(number + 1).start_ms());
            match (when.end_ms() - when.start_ms()) / HOUR_MS {
                23 => short.push(number),
                25 => long.push(number),
                hours => assert_eq!(hours, 24, "day {number}"),
            }
        }
        let last_sunday = |month| {
            let last = day(year, month, 31);
            last - (last + 4).rem_euclid(7)
        };
        assert_eq!((short, long), (vec![last_sunday(3)], vec![last_sunday(10)]), "{year}");
    }
}

/// What no day number holds is the last there is.
#[test]
fn the_end_of_time_has_a_day() {
    assert_eq!((When::Instant(u64::MAX).day(), When::Instant(0).day()), (i32::MAX, 0));
}

proptest! {
    #[test]
    fn days_and_instants_keep_their_order(left: i32, right: i32, early: u64, late: u64) {
        prop_assert_eq!(left.cmp(&right), When::Day(left).end_ms().cmp(&When::Day(right).end_ms()));
        prop_assert!(When::Day(left).start_ms() < When::Day(left).end_ms());
        let (early, late) = (early.min(late), early.max(late));
        prop_assert!(When::Instant(early).end_ms() <= When::Instant(late).end_ms());
    }
}
