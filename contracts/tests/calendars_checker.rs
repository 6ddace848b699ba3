//! The calendars' checker, one fault at a time: a sound text is changed in one place, and everything the checker says
//! of it is compared with `golden/calendars.txt`. On a difference the test leaves what it got beside the build.
#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first thing that does not hold")]

mod faults;

use faults::{Fault, compare, said};
use laufzettel_contracts::{AreaCode, CALENDARS_DE, Calendars};

const SOUND: &str = r#"language = 1

[calendars]
id = "small"
version = 3
label_de = "Klein"
label_en = "Small"

[area]
DE-SN = { de = "Sachsen", en = "Saxony" }
DE-BY = { de = "Bayern", en = "Bavaria" }
DE-BY-augsburg = { de = "Augsburg", en = "Augsburg" }

[holiday.unity]
label_de = "Einheit"
label_en = "Unity"
rule = "fixed"
month = 10
day = 3
areas = ["DE"]
from = 1990
basis = "Law 1"
verified = "V"

[holiday.peace]
label_de = "Frieden"
label_en = "Peace"
rule = "fixed"
month = 8
day = 8
areas = ["DE-BY-augsburg"]
until = 2030
basis = "Law 2"
verified = "V"

[holiday.ascension]
label_de = "Himmelfahrt"
label_en = "Ascension"
rule = "easter"
days = 39
areas = ["DE-BY", "DE-SN"]
basis = "Law 3"
verified = "V"

[holiday.repentance]
label_de = "Buß- und Bettag"
label_en = "Repentance"
rule = "wednesday_before"
month = 11
day = 23
areas = ["DE-SN"]
basis = "Law 4"
verified = "M"

[seat]
sn-lds = "DE-SN"
by-augsburg = "DE-BY-augsburg"
"#;

/// What is changed, and what is said instead. An empty first part appends.
const FAULTS: &[Fault] = &[
    ("nothing", "language = 1", "language = 1"),
    ("not TOML", "month = 10", "month = = 10"),
    ("no language", "language = 1\n", ""),
    ("another language", "language = 1", "language = 2"),
    ("language is a text", "language = 1", "language = \"1\""),
    ("no head", "[calendars]\nid = \"small\"\nversion = 3\nlabel_de = \"Klein\"\nlabel_en = \"Small\"\n", ""),
    ("version", "version = 3", "version = 0"),
    ("unknown key at the top", "language = 1", "language = 1\nseats = 1"),
    ("unknown key of a holiday", "until = 2030", "untill = 2030"),
    ("a country as an area", "[area]\n", "[area]\nDE = { de = \"D\", en = \"D\" }\n"),
    ("area code", "DE-SN = {", "sachsen = {"),
    ("area label missing", "{ de = \"Sachsen\", en = \"Saxony\" }", "{ de = \"Sachsen\" }"),
    ("area is no table", "{ de = \"Sachsen\", en = \"Saxony\" }", "\"Sachsen\""),
    ("unknown area of a holiday", "areas = [\"DE-BY-augsburg\"]", "areas = [\"DE-BY-augsburk\"]"),
    ("country without areas", "areas = [\"DE\"]", "areas = [\"AT\"]"),
    ("area of a holiday is no code", "areas = [\"DE\"]", "areas = [\"\\u001b[31m\"]"),
    ("holds nowhere", "areas = [\"DE\"]", "areas = []"),
    ("areas missing", "areas = [\"DE\"]\n", ""),
    ("areas twice", "[\"DE-BY\", \"DE-SN\"]", "[\"DE-SN\", \"DE-SN\"]"),
    ("rule", "rule = \"easter\"", "rule = \"eastr\""),
    ("rule missing", "rule = \"easter\"\n", ""),
    ("a date for Easter", "days = 39", "days = 39\nmonth = 5"),
    ("days for a date", "month = 10", "month = 10\ndays = 1"),
    ("days missing", "days = 39\n", ""),
    ("days out of the year", "days = 39", "days = 251"),
    ("month missing", "month = 10\n", ""),
    ("no such month", "month = 10", "month = 13"),
    ("no such day", "month = 10\nday = 3", "month = 2\nday = 30"),
    ("a leap day is a day", "month = 10\nday = 3", "month = 2\nday = 29"),
    ("day is a text", "day = 3\n", "day = \"3\"\n"),
    ("years crossed", "until = 2030", "from = 2031\nuntil = 2030"),
    ("no year", "from = 1990", "from = 0"),
    ("basis missing", "basis = \"Law 1\"\n", ""),
    ("verified", "basis = \"Law 1\"\nverified = \"V\"", "basis = \"Law 1\"\nverified = true"),
    ("holiday code", "[holiday.unity]", "[holiday.Unity]"),
    ("unknown area of a seat", "sn-lds = \"DE-SN\"", "sn-lds = \"DE-NS\""),
    ("a country as a seat", "sn-lds = \"DE-SN\"", "sn-lds = \"DE\""),
    ("seat of no id", "sn-lds =", "SN_LDS ="),
    ("seat is a list", "sn-lds = \"DE-SN\"", "sn-lds = [\"DE-SN\"]"),
    ("seat in a Land with differing parts", "by-augsburg = \"DE-BY-augsburg\"", "by-augsburg = \"DE-BY\""),
    ("several at once", "month = 10\nday = 3\nareas = [\"DE\"]", "month = 0\nareas = [\"SN\"]"),
];

fn said_of(text: &str) -> String {
    said(Calendars::check(text).map(|checked| checked.notes))
}

#[test]
fn says_where_what_and_how_to_mend_it() {
    let more = [("the shipped text", CALENDARS_DE)];
    compare((SOUND, FAULTS), &more, said_of, ("calendars.txt", include_str!("golden/calendars.txt")));
}

#[test]
fn gives_what_the_head_says() {
    let calendars = Calendars::check(SOUND).expect("the text is sound").calendars;
    assert_eq!((calendars.id(), calendars.version()), ("small", 3));
}

/// No area is a fault of its own only where nothing of the section is at fault.
#[test]
fn calendars_have_an_area() {
    let head = "language = 1\ncalendars = { id = \"none\", version = 1, label_de = \"n\", label_en = \"n\" }\n";
    assert_eq!(said_of(head), "fails\n  1:1: there is no area; declare one under [area]\n");
    assert_eq!(said_of(&format!("{head}[area]\n")).matches("there is no area").count(), 1);
    let odd = said_of(&format!("{head}area = 1\n"));
    assert!(odd.starts_with("fails") && !odd.contains("there is no area"), "{odd}");
}

#[test]
fn bounds_what_a_text_may_hold() {
    let areas = |count: usize| -> String {
        (0..count).map(|number| format!("DE-BE-a{number} = {{ de = \"a\", en = \"a\" }}\n")).collect()
    };
    let seats = |count: usize| -> String { (0..count).map(|number| format!("a{number}0 = \"DE-SN\"\n")).collect() };
    let holidays = |count: usize| -> String {
        let rest = "label_de = \"h\", label_en = \"h\", rule = \"fixed\", month = 1, day = 1, areas = [\"DE\"], \
            basis = \"b\", verified = \"V\"";
        (0..count).map(|number| format!("holiday.h{number} = {{ {rest} }}\n")).collect()
    };
    let with = |before: &str, more: &str| SOUND.replacen(before, &format!("{more}{before}"), 1);
    for (text, fits) in [
        (with("\n[holiday.unity]", &areas(253)), true),
        (with("\n[holiday.unity]", &areas(254)), false),
        (format!("{SOUND}{}", seats(1_022)), true),
        (format!("{SOUND}{}", seats(1_023)), false),
        (with("\n[calendars]", &holidays(124)), true),
        (with("\n[calendars]", &holidays(125)), false),
        (format!("{SOUND}#{}", " ".repeat(512 * 1024)), false),
    ] {
        let found = Calendars::check(&text).err().unwrap_or_default();
        assert_eq!(found.is_empty(), fits, "{:?}", found.first());
        assert!(fits || found.len() == 1 && found.iter().all(|finding| finding.message.contains("more than")));
    }
}

#[test]
fn holds_area_codes_to_their_charset() {
    for good in ["DE", "DE-SN", "DE-BY-augsburg", "DE-BY-09761000", "DE-SN-panschwitz-kuckau"] {
        assert!(AreaCode::new(good).is_ok(), "{good}");
    }
    let long = format!("DE-BY-{}", "x".repeat(43));
    for bad in
        ["", "D", "de", "DE-", "DE-S", "DE-SNX", "DE-sn", "DE-SN-", "DE-SN--a", "DE-SN-a-", "DE-SN-Ä", "DE-SN-A", &long]
    {
        assert!(AreaCode::new(bad).is_err(), "{bad}");
    }
    let covers =
        |left: &str, right: &str| AreaCode::new(left).expect("a code").covers(&AreaCode::new(right).expect("a code"));
    assert!(covers("DE", "DE-SN") && covers("DE-SN", "DE-SN") && covers("DE-BY", "DE-BY-augsburg"));
    assert!(!covers("DE-BY-augsburg", "DE-BY") && !covers("DE-BY-a", "DE-BY-augsburg") && !covers("DE-SN", "DE-ST"));
}
