//! The shipped calendars against lists written by hand from published ones.
#![allow(clippy::expect_used, reason = "a test stops at the first thing that does not hold")]

use laufzettel_contracts::{AreaCode, CALENDARS_DE, Calendars, Civil, Weekday, easter};
use std::collections::BTreeSet;
use std::sync::LazyLock;

static CALENDARS: LazyLock<Calendars> =
    LazyLock::new(|| Calendars::check(CALENDARS_DE).expect("the shipped calendars are sound").calendars);

fn area(text: &str) -> AreaCode {
    AreaCode::new(text).expect("an area code")
}

fn number(year: i32, month: u8, day: u8) -> i32 {
    Civil::new(year, month, day).and_then(Civil::day_number).expect("a date")
}

/// The holidays of an area in a year as `MM-DD`, weekends included.
fn holidays(at: &str, year: i32) -> BTreeSet<String> {
    let at = area(at);
    let holding = CALENDARS.holidays().iter().filter(|holiday| {
        (holiday.from..=holiday.until).contains(&year) && holiday.areas.iter().any(|holds| holds.covers(&at))
    });
    holding
        .map(|holiday| Civil::of(holiday.day_in(year).expect("a day")))
        .map(|date| format!("{:02}-{:02}", date.month(), date.day()))
        .collect()
}

fn set(days: &str) -> BTreeSet<String> {
    days.split_whitespace().map(str::to_owned).collect()
}

/// Nine days of 2026 that hold everywhere: New Year, Good Friday, Easter Monday, 1 May, Ascension, Whit Monday, Unity,
/// Christmas.
const EVERYWHERE_2026: &str = "01-01 04-03 04-06 05-01 05-14 05-25 10-03 12-25 12-26";

/// The further days of 2026 of each Land. Source: the list "Gesetzliche Feiertage im Kalender 2026" of
/// kalender-online.com, which names for each day the Länder where it holds.
const FURTHER_2026: [(&str, &str); 16] = [
    ("DE-BW", "01-06 06-04 11-01"),
    ("DE-BY", "01-06 06-04 11-01"),
    ("DE-BE", "03-08"),
    ("DE-BB", "04-05 05-24 10-31"),
    ("DE-HB", "10-31"),
    ("DE-HH", "10-31"),
    ("DE-HE", "06-04"),
    ("DE-MV", "03-08 10-31"),
    ("DE-NI", "10-31"),
    ("DE-NW", "06-04 11-01"),
    ("DE-RP", "06-04 11-01"),
    ("DE-SL", "06-04 08-15 11-01"),
    ("DE-SN", "10-31 11-18"),
    ("DE-ST", "01-06 10-31"),
    ("DE-SH", "10-31"),
    ("DE-TH", "09-20 10-31"),
];

#[test]
fn every_land_has_its_holidays_of_2026() {
    for (at, further) in FURTHER_2026 {
        let mut expected = set(EVERYWHERE_2026);
        expected.append(&mut set(further));
        assert_eq!(holidays(at, 2026), expected, "{at}");
    }
    let lands = CALENDARS.areas().iter().filter(|area| area.code.as_str().len() == 5).count();
    assert_eq!(lands, FURTHER_2026.len());
}

/// Fifty years of 16 Länder and Augsburg as another program, by other authors, computes them.
#[test]
fn another_program_finds_the_same_holidays() {
    let golden = include_str!("golden/holidays-de.txt");
    let mut expected: BTreeSet<(String, String)> = BTreeSet::new();
    let areas = || FURTHER_2026.iter().map(|(at, _)| *at).chain(["DE-BY-augsburg"]);
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        let (day, names) = line.split_once(' ').expect("a day and areas");
        for at in areas() {
            let name = if at == "DE-BY-augsburg" { "Augsburg" } else { at.trim_start_matches("DE-") };
            if names == "all" || names.split(' ').any(|given| given == name) {
                expected.insert((at.to_owned(), day.to_owned()));
            }
        }
    }
    let mut found = BTreeSet::new();
    for at in areas() {
        for year in 1991..=2040 {
            found.extend(holidays(at, year).into_iter().map(|day| (at.to_owned(), format!("{year}-{day}"))));
        }
    }
    let only_here: Vec<_> = found.difference(&expected).collect();
    let only_there: Vec<_> = expected.difference(&found).collect();
    assert!(only_here.is_empty() && only_there.is_empty(), "only here {only_here:?}, only there {only_there:?}");
    assert!(found.len() > 17 * 50 * 9);
}

/// The list of 2019 in a test of another project (SmartDataInnovationLab/holide-library, holiday_data.py).
#[test]
fn three_laender_have_their_holidays_of_2019() {
    let southern = "01-01 01-06 04-19 04-22 05-01 05-30 06-10 06-20 10-03 11-01 12-25 12-26";
    let berlin = "01-01 03-08 04-19 04-22 05-01 05-30 06-10 10-03 12-25 12-26";
    for (at, expected) in [("DE-BW", southern), ("DE-BY", southern), ("DE-BE", berlin)] {
        assert_eq!(holidays(at, 2019), set(expected), "{at}");
    }
}

/// Where a municipality differs from its Land. Sources: python-holidays (Augsburg's 8 August); epd of August 2022 by the
/// Bavarian statistical office (five of eight cities have 15 August, not Nuremberg); an article on the FronleichnamsVO
/// (de-academic.com); lexolino.at (Thuringia). Dresden is in none of them.
#[test]
fn municipalities_differ_from_their_land() {
    let more = |at: &str, land: &str| {
        let (here, land) = (holidays(at, 2026), holidays(land, 2026));
        assert!(land.is_subset(&here), "{at}");
        here.difference(&land).cloned().collect::<BTreeSet<_>>()
    };
    assert_eq!(more("DE-BY-augsburg", "DE-BY"), set("08-08 08-15"));
    for at in ["DE-BY-ingolstadt", "DE-BY-muenchen", "DE-BY-regensburg", "DE-BY-wuerzburg"] {
        assert_eq!(more(at, "DE-BY"), set("08-15"), "{at}");
    }
    assert_eq!(more("DE-BY-nuernberg", "DE-BY"), set(""));
    assert_eq!(more("DE-SN-dresden", "DE-SN"), set(""));
    for at in ["DE-SN-crostwitz", "DE-SN-puschwitz", "DE-SN-radibor", "DE-SN-wittichenau"] {
        assert_eq!(more(at, "DE-SN"), set("06-04"), "{at}");
    }
    for at in ["DE-TH-eichsfeld", "DE-TH-geisa"] {
        assert_eq!(more(at, "DE-TH"), set("06-04"), "{at}");
    }
}

/// Years in which a day began or ended to be a holiday. Source: python-holidays, holidays/countries/germany.py.
#[test]
fn areas_are_found_by_their_code() {
    for known in CALENDARS.areas() {
        assert_eq!(CALENDARS.area(&known.code), Some(known));
    }
    assert_eq!(CALENDARS.area(&area("DE-SN")).map(|found| found.labels.de.as_str()), Some("Sachsen"));
    assert_eq!(CALENDARS.area(&area("DE-SN-nowhere")), None);
}

#[test]
fn holidays_have_their_years() {
    type Row = (&'static str, (u8, u8), &'static [i32], &'static [i32]);
    // (area, day, years with it, years without it)
    let table: [Row; 11] = [
        ("DE-HB", (10, 31), &[2017, 2018, 2026], &[2016]),
        ("DE-NI", (10, 31), &[2017, 2018, 2026], &[2016]),
        ("DE-BY", (10, 31), &[2017], &[2016, 2018]),
        ("DE-SN", (10, 31), &[2016, 2017, 2018], &[]),
        ("DE-BE", (3, 8), &[2019, 2026], &[2018]),
        ("DE-MV", (3, 8), &[2023, 2026], &[2019, 2022]),
        ("DE-TH", (9, 20), &[2019, 2026], &[2018]),
        ("DE-BE", (5, 8), &[2020, 2025], &[2019, 2021, 2024, 2026]),
        ("DE-BB", (5, 8), &[], &[2020, 2025]),
        ("DE-BE", (6, 17), &[2028], &[2027, 2029, 2053]),
        ("DE-SN", (11, 22), &[1995, 2000, 2017, 2023], &[2024]),
    ];
    for (at, (month, day), with, without) in table {
        let name = format!("{month:02}-{day:02}");
        for year in with {
            assert!(holidays(at, *year).contains(&name), "{at} {year}-{name}");
        }
        for year in without {
            assert!(!holidays(at, *year).contains(&name), "{at} {year}-{name}");
        }
    }
    // The Day of Repentance ended everywhere but in Saxony after 1994 (16 November 1994, 22 November 1995).
    assert!(holidays("DE-BY", 1994).contains("11-16") && !holidays("DE-BY", 1995).contains("11-22"));
}

/// To 2035: the moving feasts by their weekday and place in the year, and the Day of Repentance eleven days before the
/// first Sunday of Advent, which is the fourth before Christmas.
#[test]
fn feasts_move_with_easter_and_advent() {
    for year in 1995..=2035 {
        let all = holidays("DE-SN-crostwitz", year);
        let easter = easter(year).expect("a day");
        let name = |day: i32| format!("{:02}-{:02}", Civil::of(day).month(), Civil::of(day).day());
        for (days, weekday) in [
            (-2, Weekday::Friday),
            (1, Weekday::Monday),
            (39, Weekday::Thursday),
            (50, Weekday::Monday),
            (60, Weekday::Thursday),
        ] {
            assert!(all.contains(&name(easter + days)), "{year}: {days}");
            assert_eq!(Weekday::of(easter + days), weekday);
        }
        let eve = number(year, 12, 24);
        let fourth_advent = eve - (eve + 4).rem_euclid(7);
        assert_eq!(Weekday::of(fourth_advent), Weekday::Sunday);
        let repentance = fourth_advent - 21 - 11;
        assert!(all.contains(&name(repentance)), "{year}");
        assert_eq!(Weekday::of(repentance), Weekday::Wednesday);
    }
}

/// A holiday that is added from memory is named here until somebody has read of it.
#[test]
fn every_holiday_was_read_in_a_source() {
    let unverified = CALENDARS.holidays().iter().filter(|holiday| !holiday.verified);
    assert_eq!(unverified.map(|holiday| holiday.code.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
    assert_eq!((CALENDARS.id(), CALENDARS.version()), ("de", 1));
}
