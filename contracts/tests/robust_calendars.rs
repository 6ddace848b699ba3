//! A calendars' text comes from a proposal of any member: whatever it holds, the checker answers, and what passes can
//! be counted with.
#![allow(clippy::expect_used, reason = "a test stops at the first thing that does not hold")]

mod hostile;

use hostile::{assert_findings, edited, edits, moves, nested, reordered};
use laufzettel_contracts::{CALENDARS_DE, Calendars, Choice, Language, Length, When, due};
use proptest::prelude::*;

fn answers(text: &str) {
    match Calendars::check(text) {
        Err(findings) => {
            assert!(!findings.is_empty(), "a refusal says why");
            assert_findings(text, &findings);
        }
        Ok(checked) => {
            assert!(!checked.calendars.areas().is_empty());
            for long in ["P2W", "P10WD"] {
                let long = Length::parse(long).expect("a length");
                for choice in [Choice::Latest, Choice::Earliest] {
                    let found = due(&checked.calendars, long, When::Day(20_500), &choice).expect("a due day");
                    assert!(!found.words(Language::English).is_empty());
                }
            }
        }
    }
}

/// The most a text may hold, and the longest count in working days with an unknown seat.
#[test]
fn the_largest_calendars_are_answered() {
    let mut text =
        "language = 1\ncalendars = { id = \"most\", version = 1, label_de = \"m\", label_en = \"m\" }\n[area]\n"
            .to_owned();
    for number in 0..256 {
        text.push_str(&format!("DE-BE-a{number} = {{ de = \"a\", en = \"a\" }}\n"));
    }
    for number in 0..128 {
        let days = number * 2 - 80;
        text.push_str(&format!(
            "[holiday.h{number}]\nlabel_de = \"h\"\nlabel_en = \"h\"\nrule = \"easter\"\ndays = {days}\n\
             areas = [\"DE\"]\nbasis = \"b\"\nverified = \"M\"\n"
        ));
    }
    let calendars = Calendars::check(&text).expect("within the bounds").calendars;
    let long = Length::parse("P366WD").expect("a length");
    let found = due(&calendars, long, When::Day(20_500), &Choice::Latest).expect("a due day");
    assert!(found.day() > 20_500 + 366 * 7 / 4);
    // One more of either is refused.
    answers(&text.replace("[area]\n", "[area]\nDE-BE = { de = \"b\", en = \"b\" }\n"));
}

#[test]
fn deep_nesting_is_answered() {
    nested("").iter().for_each(|text| answers(text));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        answers(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn toml_like_texts_are_answered(text in "([a-z]{1,3}|\\[|\\]|=|\"|\\.|\n|area|seat|holiday|calendars|language|DE-SN|1|\\{|\\}| |,){0,80}") {
        answers(&text);
    }

    #[test]
    fn mutated_texts_are_answered(edits in edits()) {
        answers(&edited(CALENDARS_DE, &edits));
    }

    #[test]
    fn reordered_texts_are_answered(moves in moves()) {
        answers(&reordered(CALENDARS_DE, &moves));
    }

    /// Numbers of the shipped text become any others: what is left is TOML, and often calendars.
    #[test]
    fn other_numbers_are_answered(numbers in prop::collection::vec(prop_oneof![-100..300_i64, any::<i64>()], 1..60)) {
        let mut numbers = numbers.into_iter().cycle();
        let lines = CALENDARS_DE.lines().map(|line| match line.split_once(" = ") {
            Some((key @ ("month" | "day" | "days" | "from" | "until"), _)) => {
                format!("{key} = {}", numbers.next().expect("numbers go round"))
            }
            Some(_) | None => line.to_owned(),
        });
        answers(&lines.collect::<Vec<_>>().join("\n"));
    }
}
