//! When periods elapse: published examples and court decisions, the nights the clock changes, and a slow day-by-day
//! counter beside the one under test.
#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first thing that does not hold")]

use laufzettel_contracts::{
    AreaCode, AuthorityId, CALENDARS_DE, Calendars, Choice, Civil, DayOff, DueError, Language, Length, Step, Unit,
    Weekday, When, due,
};
use proptest::prelude::*;
use std::sync::LazyLock;

static CALENDARS: LazyLock<Calendars> =
    LazyLock::new(|| Calendars::check(CALENDARS_DE).expect("the shipped calendars are sound").calendars);

/// The day number of `2026-01-31`.
fn day(text: &str) -> i32 {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<i32>().expect("a number"));
    let mut part = || parts.next().expect("three parts");
    let (year, month, day) = (part(), part(), part());
    let small = |number| u8::try_from(number).expect("a small number");
    Civil::new(year, small(month), small(day)).and_then(Civil::day_number).expect("a date")
}

fn text(day: i32) -> String {
    let date = Civil::of(day);
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

fn length(text: &str) -> Length {
    Length::parse(text).expect("a length")
}

fn area(text: &str) -> Choice {
    Choice::Area(AreaCode::new(text).expect("an area code"))
}

/// The due day of a period.
fn due_day(start: &str, long: &str, choice: &Choice) -> String {
    text(due(&CALENDARS, length(long), When::Day(day(start)), choice).expect("a due day").day())
}

/// Start, length, area, due day, source. What no source outside of the code says stands in the tests further below.
const PUBLISHED: [(&str, &str, &str, &str, &str); 17] = [
    // Served by fiction on a Sunday; the week ends on the next Sunday and moves to Monday.
    ("2016-11-27", "P1W", "DE-BY-muenchen", "2016-12-05", "VG München, M 17 K 16.34940 (asylum appeal, one week)"),
    ("2017-01-23", "P1W", "DE-BY-muenchen", "2017-01-30", "VG München, M 17 K 17.31927 (asylum appeal, one week)"),
    ("2021-02-11", "P1M", "DE-BE", "2021-03-11", "BG BAU, Unfallversicherung A-Z, Frist"),
    // "served on 1 March, ends on 1 April"; in 2025 that is a Tuesday.
    ("2025-03-01", "P1M", "DE-BE", "2025-04-01", "Jansen, SGG § 64 Rz. 6"),
    // "served on 31 January ends on 28 February, in leap years on 29 February"; these are working days.
    ("2025-01-31", "P1M", "DE-BE", "2025-02-28", "Jansen, SGG § 64 Rz. 6; BGB § 188(3)"),
    ("2028-01-31", "P1M", "DE-BE", "2028-02-29", "Jansen, SGG § 64 Rz. 6; BGB § 188(3)"),
    // "served on a Wednesday, ends on the next Wednesday".
    ("2026-03-04", "P1W", "DE-BE", "2026-03-11", "Jansen, SGG § 64 Rz. 6; BGB § 188(2)"),
    // "served on 30 November: if 30 December is a Sunday, on Monday 31 December; the reasons by 30 January".
    ("2012-11-30", "P1M", "DE-TH", "2012-12-31", "Prütting/Wegen/Weinreich, BGB § 193 Rn. 4 (BAG 8 AZR 287/08)"),
    ("2012-11-30", "P2M", "DE-TH", "2013-01-30", "Prütting/Wegen/Weinreich, BGB § 193 Rn. 4 (BAG 8 AZR 287/08)"),
    // An objection known on 1 December 2005: the last day is a holiday (and a Sunday). Served on 12 January: the action of
    // 14 February is late, since 12 February was a Sunday.
    ("2005-12-01", "P1M", "DE-BE", "2006-01-02", "gesamthand.de, Fristen (VwGO), example"),
    ("2006-01-12", "P1M", "DE-BE", "2006-02-13", "gesamthand.de, Fristen (VwGO), example"),
    // The law's words on days of the list of public holidays for 2026 (kalender-online.com).
    ("2026-03-20", "P14D", "DE-BE", "2026-04-07", "BGB §§ 188(1), 193: Good Friday to Easter Monday"),
    ("2026-06-03", "P1D", "DE-BY", "2026-06-05", "BGB § 193: Corpus Christi in Bavaria"),
    ("2026-06-03", "P1D", "DE-BE", "2026-06-04", "BGB § 193: no Corpus Christi in Berlin"),
    ("2026-11-04", "P2W", "DE-SN", "2026-11-19", "BGB § 193: Day of Repentance, Saxony only"),
    ("2026-11-04", "P2W", "DE-BB", "2026-11-18", "BGB § 193: Day of Repentance, Saxony only"),
    ("2025-12-18", "P1W", "DE-NW", "2025-12-29", "BGB § 193: Christmas, then a weekend"),
];

#[test]
fn ends_as_published() {
    for (start, long, at, expected, source) in PUBLISHED {
        assert_eq!(due_day(start, long, &area(at)), expected, "{start} + {long} at {at}: {source}");
    }
}

/// By the law's words; the weekdays follow from 1970-01-01 being a Thursday.
#[test]
fn ends_at_the_edges_of_months_and_years() {
    let table = [
        ("2024-02-29", "P1Y", "2025-02-28"),   // a Friday; the day is missing
        ("2024-02-29", "P4Y", "2028-02-29"),   // there again
        ("2023-02-28", "P1Y", "2024-02-28"),   // the same number, not the last of the month
        ("2025-08-31", "P6M", "2026-03-02"),   // 28 February 2026 is a Saturday
        ("2026-10-31", "P1M", "2026-11-30"),   // November has 30 days
        ("2022-12-17", "P14D", "2023-01-02"),  // New Year's Eve is a Saturday, New Year's Day a Sunday
        ("2026-12-24", "P1W", "2026-12-31"),   // a Thursday
        ("2026-12-25", "P1W", "2027-01-04"),   // New Year's Day is a Friday
        ("2026-01-30", "P1D", "2026-02-02"),   // Saturday moves
        ("2000-02-29", "P100Y", "2100-03-01"), // 2100 has no leap day; 28 February is a Sunday
        ("2006-06-12", "P20Y", "2026-06-12"),
    ];
    for (start, long, expected) in table {
        assert_eq!(due_day(start, long, &area("DE-BE")), expected, "{start} + {long}");
    }
}

#[test]
fn counts_working_days() {
    let table = [
        ("2026-03-30", "P1WD", "DE-BE", "2026-03-31"),
        ("2026-03-30", "P3WD", "DE-BE", "2026-04-02"),
        ("2026-03-30", "P4WD", "DE-BE", "2026-04-07"),
        ("2026-03-28", "P1WD", "DE-BE", "2026-03-30"), // an event on a Saturday
        ("2026-08-07", "P1WD", "DE-BY-augsburg", "2026-08-10"),
        ("2025-08-07", "P1WD", "DE-BY-augsburg", "2025-08-11"), // 8 August 2025 is a Friday
        ("2025-08-07", "P1WD", "DE-BY", "2025-08-08"),
        ("2026-12-23", "P10WD", "DE-SN", "2027-01-08"),
        ("2026-12-23", "P10WD", "DE-ST", "2027-01-11"), // Epiphany is a Wednesday
    ];
    for (start, long, at, expected) in table {
        assert_eq!(due_day(start, long, &area(at)), expected, "{start} + {long} at {at}");
    }
}

#[test]
fn an_unknown_seat_takes_the_latest_or_the_earliest() {
    // Thursday 15 May 2025 was ordinary everywhere; Thursday 19 June 2025 was Corpus Christi in some areas.
    for (start, latest, earliest) in
        [("2025-05-08", "2025-05-15", "2025-05-15"), ("2025-06-12", "2025-06-20", "2025-06-19")]
    {
        assert_eq!(due_day(start, "P1W", &Choice::Latest), latest);
        assert_eq!(due_day(start, "P1W", &Choice::Earliest), earliest);
    }
    // A deemed day of service does not move (FU Berlin, netjura, on BGB § 193: the fiction of three days). A letter of
    // 28 November 2005 is known on 1 December (gesamthand.de); one posted on 24 November 2016 was served on the 27th, a
    // Sunday (VG München, M 17 K 16.34940).
    assert_eq!(due_day("2005-11-28", "P3D", &Choice::Unmoved), "2005-12-01");
    assert_eq!(due_day("2016-11-24", "P3D", &Choice::Unmoved), "2016-11-27");
    assert_eq!(due_day("2026-03-11", "P4D", &Choice::Unmoved), "2026-03-15");
}

#[test]
fn elapses_at_midnight_in_berlin_also_in_the_nights_the_clock_changes() {
    let ms = |day: i32, hour: i64| i64::from(day) * 86_400_000 + hour * 3_600_000;
    // (start, length, due day, UTC hour of 24:00 in Berlin)
    let table = [
        ("2026-01-12", "P3D", "2026-01-15", 23),
        ("2026-07-08", "P1W", "2026-07-15", 22),
        ("2026-03-27", "P2D", "2026-03-29", 22), // the day the clock goes forward; unmoved, as it is a Sunday
        ("2026-10-23", "P2D", "2026-10-25", 23), // the day the clock goes back
    ];
    for (start, long, expected, hour) in table {
        let found = due(&CALENDARS, length(long), When::Day(day(start)), &Choice::Unmoved).expect("a due day");
        assert_eq!((text(found.day()), found.elapses_ms()), (expected.to_owned(), ms(day(expected), hour)));
    }
    // By the clock, 24 hours are 24 hours, and nothing moves: from Saturday 12:00 to Sunday 13:00 in summer time.
    let noon = ms(day("2026-03-28"), 11);
    let start = When::Instant(u64::try_from(noon).expect("after 1970"));
    let found = due(&CALENDARS, length("PT24H"), start, &Choice::Latest).expect("a due instant");
    assert_eq!((text(found.day()), found.elapses_ms()), ("2026-03-29".to_owned(), noon + 86_400_000));
    // A day begins a length by the clock at its end.
    let found = due(&CALENDARS, length("PT15M"), When::Day(day("2026-07-15")), &Choice::Latest).expect("an instant");
    assert_eq!((text(found.day()), found.elapses_ms()), ("2026-07-16".to_owned(), ms(day("2026-07-15"), 22) + 900_000));
    // At the very switch (01:00 UTC) the new time holds: 03:00 in March, the second 02:00 in October.
    for (start, expected) in [("2026-03-29", "03:00:00 CEST"), ("2026-10-25", "02:00:00 CET")] {
        let before = When::Instant(u64::try_from(ms(day(start), 0)).expect("after 1970"));
        let found = due(&CALENDARS, length("PT1H"), before, &Choice::Latest).expect("an instant");
        let words = found.words(Language::English);
        assert!(words.last().is_some_and(|last| last.contains(expected)), "{words:?}");
    }
    // 23:30 UTC is the next day in Berlin, which is the day of the event.
    let late = When::Instant(u64::try_from(ms(day("2026-03-02"), 23) + 1_800_000).expect("after 1970"));
    assert_eq!(text(due(&CALENDARS, length("P1W"), late, &area("DE-BE")).expect("a due day").day()), "2026-03-10");
}

#[test]
fn warns_before_the_end_without_moving() {
    let found = due(&CALENDARS, length("P2W"), When::Day(day("2026-03-02")), &area("DE-BE")).expect("a due day");
    assert_eq!(text(found.day()), "2026-03-16");
    let warns = |before| found.warns_ms(length(before));
    // A Saturday.
    assert_eq!(warns("P2D"), Ok(When::Day(day("2026-03-14")).start_ms()));
    assert_eq!(warns("P1W"), Ok(When::Day(day("2026-03-09")).start_ms()));
    assert_eq!(warns("P1M"), Ok(When::Day(day("2026-02-16")).start_ms()));
    assert_eq!(warns("P1Y"), Ok(When::Day(day("2025-03-16")).start_ms()));
    assert_eq!(warns("PT2H"), Ok(found.elapses_ms() - 7_200_000));
    assert_eq!(warns("P1WD"), Err(DueError::WorkingDaysWithoutSeat));
}

#[test]
fn says_why_there_is_no_due_day() {
    let start = When::Day(day("2026-03-02"));
    let nowhere = AreaCode::new("DE-XX").expect("an area code");
    let unknown = due(&CALENDARS, length("P1D"), start, &Choice::Area(nowhere.clone()));
    assert_eq!(unknown, Err(DueError::UnknownArea(nowhere)));
    let unmoved = due(&CALENDARS, length("P1WD"), start, &Choice::Unmoved);
    assert_eq!(unmoved, Err(DueError::WorkingDaysWithoutSeat));
    for start in [When::Day(i32::MAX), When::Day(i32::MIN), When::Instant(u64::MAX), When::Day(day("1899-12-30"))] {
        for long in ["P1D", "P10WD", "P1M", "PT1H"] {
            assert_eq!(due(&CALENDARS, length(long), start, &Choice::Latest), Err(DueError::OutOfRange), "{start:?}");
        }
    }
}

#[test]
fn an_absurd_calendar_is_still_counted() {
    let mut calendar = "language = 1\ncalendars = { id = \"none\", version = 1, label_de = \"n\", label_en = \"n\" }\n\
        area.DE-BE = { de = \"B\", en = \"B\" }\n"
        .to_owned();
    for number in -30..=97 {
        let name = format!("h{}", number + 100);
        calendar.push_str(&format!(
            "[holiday.{name}]\nlabel_de = \"h\"\nlabel_en = \"h\"\nrule = \"easter\"\ndays = {number}\n\
             areas = [\"DE\"]\nbasis = \"b\"\nverified = \"M\"\n"
        ));
    }
    let calendars = Calendars::check(&calendar).expect("sound, if absurd").calendars;
    // Nothing works from March to July; that is still found.
    let found = due(&calendars, length("P1D"), When::Day(day("2026-03-05")), &area("DE-BE")).expect("a day");
    assert_eq!(text(found.day()), "2026-07-13");
    assert!(due(&calendars, length("P366WD"), When::Day(day("2026-03-02")), &Choice::Latest).is_ok());
}

/// 31 January has no like in February; the 15th has.
#[test]
fn says_by_which_number_a_month_ends() {
    let said = |start: &str| {
        let found = due(&CALENDARS, length("P1M"), When::Day(day(start)), &area("DE-BY")).expect("a due day");
        found.words(Language::English).join("; ")
    };
    assert!(said("2027-01-15").contains("on the day of the same number"), "{}", said("2027-01-15"));
    assert!(!said("2027-01-31").contains("on the day of the same number"), "{}", said("2027-01-31"));
}

#[test]
fn tells_its_derivation() {
    let tell = |start: &str, long: &str, choice: &Choice| {
        let found = due(&CALENDARS, length(long), When::Day(day(start)), choice).expect("a due day");
        let mut told = format!("{start} {long}\n");
        for language in [Language::German, Language::English] {
            for line in found.words(language) {
                told.push_str(&format!("  {line}\n"));
            }
        }
        told
    };
    let mut told = tell("2026-03-20", "P2W", &area("DE-SN-dresden"));
    told.push_str(&tell("2026-11-04", "P2W", &Choice::Latest));
    told.push_str(&tell("2026-11-04", "P2W", &Choice::Earliest));
    told.push_str(&tell("2026-03-30", "P5WD", &area("DE-BE")));
    told.push_str(&tell("2027-01-31", "P1M", &area("DE-BY")));
    told.push_str(&tell("2026-03-11", "P4D", &Choice::Unmoved));
    // 01:30 UTC is the second 02:30 of the night the clock goes back.
    let night = i64::from(day("2026-10-25")) * 86_400_000 + 5_400_000;
    let start = When::Instant(u64::try_from(night - 3_600_000).expect("after 1970"));
    let found = due(&CALENDARS, length("PT1H"), start, &Choice::Latest).expect("a due instant");
    told.push_str("PT1H in the night of 25 October 2026\n");
    for line in found.words(Language::German).iter().chain(&found.words(Language::English)) {
        told.push_str(&format!("  {line}\n"));
    }
    if told != include_str!("golden/derivations.txt") {
        let path = format!("{}/derivations.txt", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&path, &told).expect("the build directory can be written");
        panic!("compare golden/derivations.txt with {path}");
    }
}

#[test]
fn knows_where_the_demonstrations_authorities_sit() {
    let seat = |id: &str| CALENDARS.seat(&AuthorityId::new(id).expect("an id")).map(|area| area.as_str().to_owned());
    assert_eq!(seat("de-bamf").as_deref(), Some("DE-BY-nuernberg"));
    assert_eq!(seat("sn-vg-dresden").as_deref(), Some("DE-SN-dresden"));
    assert_eq!(seat("de-bpol").as_deref(), Some("DE-BB"));
    assert_eq!(seat("xx-unknown"), None);
}

/// The slow and obvious way: steps from day to day, keeping its own date, and knows of the calendars only whether a
/// single day is off.
fn slow(long: Length, start: i32, at: &AreaCode) -> i32 {
    let off = |day: i32| CALENDARS.day_off(at, day).is_some();
    let count = i32::try_from(long.count()).expect("a small count");
    let mut day = start;
    match long.unit() {
        Unit::Days => (0..count).for_each(|_| day += 1),
        Unit::Weeks => (0..count).for_each(|_| day += 7),
        Unit::WorkingDays => {
            let mut left = count;
            while left > 0 {
                day += 1;
                left -= i32::from(!off(day));
            }
        }
        Unit::Months | Unit::Years => {
            let months = if long.unit() == Unit::Years { 12 * count } else { count };
            let wanted = Civil::of(start).day();
            // Walk to the first of the month so many months on, then to the wanted day, but not out of the month.
            for _ in 0..months {
                day += 1;
                while Civil::of(day).day() != 1 {
                    day += 1;
                }
            }
            while Civil::of(day).day() < wanted && Civil::of(day + 1).day() != 1 {
                day += 1;
            }
        }
        Unit::Hours | Unit::Minutes | Unit::Seconds => unreachable!("not drawn"),
    }
    while off(day) {
        day += 1;
    }
    day
}

fn any_area() -> impl Strategy<Value = AreaCode> {
    (0..CALENDARS.areas().len()).prop_map(|index| CALENDARS.areas().get(index).expect("an area").code.clone())
}

fn day_length() -> impl Strategy<Value = Length> {
    let units = [Unit::Days, Unit::WorkingDays, Unit::Weeks, Unit::Months, Unit::Years];
    (prop::sample::select(units.to_vec()), 1..40_u32).prop_map(|(unit, count)| Length::new(unit, count).expect("small"))
}

fn any_length() -> impl Strategy<Value = Length> {
    let units = [
        Unit::Days,
        Unit::WorkingDays,
        Unit::Weeks,
        Unit::Months,
        Unit::Years,
        Unit::Hours,
        Unit::Minutes,
        Unit::Seconds,
    ];
    (prop::sample::select(units.to_vec()), any::<u32>())
        .prop_map(|(unit, count)| Length::new(unit, 1 + count % unit.count_max()).expect("within the bound"))
}

proptest! {
    #[test]
    fn counts_as_the_slow_way_does(start in 0..40_000_i32, long in day_length(), at in any_area()) {
        let found = due(&CALENDARS, long, When::Day(start), &Choice::Area(at.clone())).expect("a due day");
        prop_assert_eq!(text(found.day()), text(slow(long, start, &at)), "{} + {} at {}", text(start), long, at);
        prop_assert_eq!(found.elapses_ms(), When::Day(found.day()).end_ms());
    }

    #[test]
    fn no_area_is_later_than_the_latest_or_earlier_than_the_earliest(start in 0..40_000_i32, long in day_length(), at in any_area()) {
        let day = |choice: &Choice| due(&CALENDARS, long, When::Day(start), choice).expect("a due day").day();
        let here = day(&Choice::Area(at));
        prop_assert!(day(&Choice::Earliest) <= here && here <= day(&Choice::Latest));
    }

    /// A later start never ends earlier, and an end never lies on a weekend.
    #[test]
    fn keeps_the_order_of_starts(start in 0..40_000_i32, later in 0..40_i32, long in day_length(), at in any_area()) {
        let day = |start| due(&CALENDARS, long, When::Day(start), &Choice::Area(at.clone())).expect("a due day").day();
        prop_assert!(day(start) <= day(start + later));
        prop_assert!(start < day(start));
        prop_assert!(!matches!(Weekday::of(day(start)), Weekday::Saturday | Weekday::Sunday));
    }

    #[test]
    fn the_steps_lead_to_the_end(start in 0..40_000_i32, long in day_length(), at in any_area()) {
        let found = due(&CALENDARS, long, When::Day(start), &Choice::Area(at)).expect("a due day");
        let raw = found.steps().iter().find_map(|step| if let Step::Counted { end, .. } = step { Some(*end) } else { None });
        let moved = found.steps().iter().filter(|step| matches!(step, Step::Moved { .. })).count();
        prop_assert_eq!(raw.expect("it was counted") + i32::try_from(moved).expect("few"), found.day());
        for step in found.steps() {
            if let Step::Moved { from, reason: DayOff::Saturday } = step {
                prop_assert_eq!(Weekday::of(*from), Weekday::Saturday);
            }
            for language in [Language::German, Language::English] {
                prop_assert!(step.words(language).ends_with('.'));
            }
        }
    }

    /// Whatever the day and the length: an answer, and its words.
    #[test]
    fn answers_for_any_day(start: i32, instant: u64, long in any_length(), before in any_length(), at in any_area()) {
        for start in [When::Day(start), When::Day(start % 400_000), When::Instant(instant), When::Instant(instant % (1 << 45))] {
            for choice in [Choice::Unmoved, Choice::Area(at.clone()), Choice::Latest, Choice::Earliest] {
                if let Ok(found) = due(&CALENDARS, long, start, &choice) {
                    prop_assert!(found.elapses_ms() > start.start_ms());
                    prop_assert!(!found.words(Language::German).is_empty());
                    let _answer = found.warns_ms(before);
                }
            }
        }
    }

    #[test]
    fn lengths_are_printed_as_they_are_read(long in any_length()) {
        prop_assert_eq!(Length::parse(&long.to_string()), Ok(long));
    }

    #[test]
    fn any_text_is_a_length_or_not(text in "(P|PT|p|)[0-9]{0,12}(D|WD|W|M|Y|H|S|d| |)") {
        if let Ok(long) = Length::parse(&text) {
            prop_assert_eq!(long.to_string(), text);
        }
    }
}

#[test]
fn reads_lengths() {
    let table = [
        ("P14D", Unit::Days, 14),
        ("P10WD", Unit::WorkingDays, 10),
        ("P2W", Unit::Weeks, 2),
        ("P1M", Unit::Months, 1),
        ("P20Y", Unit::Years, 20),
        ("PT24H", Unit::Hours, 24),
        ("PT15M", Unit::Minutes, 15),
        ("PT5S", Unit::Seconds, 5),
    ];
    for (text, unit, count) in table {
        let long = length(text);
        assert_eq!((long.unit(), long.count(), long.to_string()), (unit, count, text.to_owned()));
    }
    for text in [
        "",
        "P",
        "PT",
        "14D",
        "P14",
        "P-1D",
        "P+1D",
        "P1D ",
        "P0D",
        "P01D",
        "P1M1D",
        "PT1D",
        "P1H",
        "P367WD",
        "P4294967296D",
        "P１D",
    ] {
        let error = Length::parse(text).expect_err("no length");
        assert!(error.to_string().starts_with("write "), "{text}: {error}");
    }
}

proptest! {
    /// A list counts a period again from what it was counted from.
    #[test]
    fn a_period_tells_from_what_it_was_counted(
        start in 12_000..25_000_i32,
        ms in 0..2_000_000_000_000_u64,
        (unit, count) in (0..5_usize, 1..40_u32),
        choice in 0..4_usize,
        clock in any::<bool>(),
    ) {
        let unit = ["D", "WD", "W", "M", "Y"][unit];
        let long = if clock { format!("PT{count}H") } else { format!("P{}{unit}", if unit == "Y" { 1 + count % 9 } else { count }) };
        let choice = [Choice::Unmoved, Choice::Latest, Choice::Earliest, area("DE-BY-augsburg")][choice].clone();
        let start = if ms % 2 == 0 { When::Day(start) } else { When::Instant(ms) };
        if let Ok(found) = due(&CALENDARS, length(&long), start, &choice) {
            let (length, start, choice) = found.counted_from().expect("counted");
            prop_assert_eq!(due(&CALENDARS, length, start, &choice), Ok(found));
        }
    }
}
