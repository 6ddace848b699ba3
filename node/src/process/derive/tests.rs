//! Derived definitions: one word by word, any log against the checker and the fold, and the limits.

use super::*;
use crate::eventlog::{LogCase, LogEvent, Names};
use laufzettel_contracts::{AuthorityId, CaseFold, Code, Definition, Entry, Position, Report, When, accept};
use proptest::prelude::*;

/// Activity, time, group.
type Told<'t> = (&'t str, u64, Option<&'t str>);

fn log(cases: &[&[Told<'_>]]) -> EventLog {
    let case = |(number, events): (usize, &&[Told<'_>])| LogCase {
        name: number.to_string(),
        events: events.iter().map(|(activity, ms, group)| event(activity, *ms, *group)).collect(),
    };
    EventLog { cases: cases.iter().enumerate().map(case).collect(), ..EventLog::default() }
}

fn event(activity: &str, instant_ms: u64, group: Option<&str>) -> LogEvent {
    LogEvent { activity: activity.to_owned(), instant_ms, group: group.map(str::to_owned), line: 2 }
}

#[test]
fn writes_what_was_observed() {
    let log = log(&[
        &[("Made", 1, Some("A")), ("Lodged \"now\"", 2, Some("B")), ("Made", 3, None)],
        &[("Made", 1, Some("A")), ("Closed", 2, Some("A"))],
    ]);
    let expected = r##"# Made from a log by `laufzettel process derive`: 5 events of 2 cases.
# What was observed, not what is right: read it before you propose it.

language = 1

[process]
id = "my-log"
version = 1
label_de = "My log"
label_en = "My log"

[track.main]
number = 16
label_de = "Ablauf"
label_en = "Course"

[role.no_group]
label_de = "Ohne Gruppe"
label_en = "No group"

[role.a]
label_de = "A"
label_en = "A"

[role.b]
label_de = "B"
label_en = "B"

[status.made]
label_de = "Made"
label_en = "Made"
track = "main"
kind = "reports"
precision = "instant"
reported_by = ["a", "no_group"]
after = ["START", "lodged_now"]
repeatable = true
basis = "observed in a log"

[status.lodged_now]
label_de = "Lodged \"now\""
label_en = "Lodged \"now\""
track = "main"
kind = "reports"
precision = "instant"
reported_by = ["b"]
after = ["made"]
basis = "observed in a log"

[status.closed]
label_de = "Closed"
label_en = "Closed"
track = "main"
kind = "reports"
precision = "instant"
reported_by = ["a"]
after = ["made"]
basis = "observed in a log"
"##;
    assert_eq!(derive(&log, "My log").unwrap(), expected);
}

#[test]
fn refuses_what_no_definition_holds() {
    assert_eq!(derive(&EventLog::default(), "x"), Err(DeriveError::Empty));
    let many: Vec<String> = (0..300).map(|number| format!("step {number}")).collect();
    let activities: Vec<_> = many.iter().take(257).map(|name| (name.as_str(), 1, None)).collect();
    assert_eq!(derive(&log(&[&activities]), "x"), Err(DeriveError::Statuses { found: 257 }));
    let groups: Vec<_> = many.iter().take(65).map(|name| ("a", 1, Some(name.as_str()))).collect();
    assert_eq!(derive(&log(&[&groups]), "x"), Err(DeriveError::Roles { found: 65 }));
    // Each after each: the lists of predecessors alone are too long.
    let long: Vec<String> = (0..256).map(|number| format!("{number} {}", "x".repeat(60))).collect();
    let every: Vec<Vec<_>> = (0..256)
        .map(|step| (0..256).map(|place| (long[place * (step * 2 + 1) % 256].as_str(), place as u64, None)).collect())
        .collect();
    let every: Vec<&[_]> = every.iter().map(Vec::as_slice).collect();
    assert!(matches!(derive(&log(&every), "x"), Err(DeriveError::TextLength { .. })));
}

#[test]
fn takes_a_chain_of_all_its_statuses() {
    let names: Vec<String> = (0..256).map(|number| format!("step {number}")).collect();
    // Cut into pairs told from the end, so that the median position says nothing and `after` everything.
    let pairs: Vec<[_; 2]> =
        names.windows(2).rev().map(|pair| [(pair[0].as_str(), 1, None), (pair[1].as_str(), 2, None)]).collect();
    let cases: Vec<&[_]> = pairs.iter().map(<[_; 2]>::as_slice).collect();
    replays(&log(&cases));
}

/// Any log within the limits, with ties, repeats, missing groups and words of any kind.
fn any_log() -> impl Strategy<Value = EventLog> {
    let word = "[a-cA-C \"\\\\ä\u{7f}\n']{1,3}|\\PC{1,4}x";
    let words = prop::collection::vec(word.prop_filter("trimmed by the reader", |word| !word.trim().is_empty()), 1..12);
    let groups = prop::collection::vec(prop::option::of("[a-z]{1,2}"), 1..5);
    let cases = prop::collection::vec(prop::collection::vec((any::<usize>(), 0..8_u64, any::<usize>()), 1..12), 1..12);
    (words, groups, cases).prop_map(|(words, groups, cases)| {
        let event = |(word, ms, group): (usize, u64, usize)| {
            event(words[word % words.len()].trim(), ms, groups[group % groups.len()].as_deref())
        };
        let case = |(number, events): (usize, Vec<(usize, u64, usize)>)| {
            let mut events: Vec<LogEvent> = events.into_iter().map(event).collect();
            events.sort_by_key(|event| event.instant_ms);
            LogCase { name: number.to_string(), events }
        };
        EventLog { cases: cases.into_iter().enumerate().map(case).collect(), ..EventLog::default() }
    })
}

/// Checks that the checker takes the derived text and that every event of the log is accepted without a deviation.
fn replays(log: &EventLog) {
    let text = derive(log, "any log").unwrap();
    let definition = Definition::check(&text).unwrap_or_else(|findings| panic!("{findings:?}\n{text}")).definition;
    let names = Names::of(log);
    for case in &log.cases {
        let mut fold = CaseFold::new();
        for (number, event) in (0_u32..).zip(&case.events) {
            let group = names.group(event.group.as_deref()).unwrap();
            let status = Code::new(names.status(&event.activity).unwrap()).unwrap();
            let report = Report::new(status, When::Instant(event.instant_ms));
            let role = Code::new(&group.role).unwrap();
            assert_eq!(accept(&definition, &[role], &report, u64::MAX >> 1, &fold), Ok(()));
            let mut slot = [0; 32];
            slot[..4].copy_from_slice(&number.to_be_bytes());
            let position = Position { height: u64::from(number), ..Position::default() };
            fold.report(
                &definition,
                Entry { slot, position, author: AuthorityId::new(&group.authority).unwrap(), report },
            );
        }
        assert_eq!(fold.state().deviations, [], "{text}");
        assert_eq!(fold.state().events as usize, case.events.len());
    }
}

proptest! {
    #[test]
    fn any_log_replays_against_what_is_derived_from_it(log in any_log()) {
        replays(&log);
    }

    #[test]
    fn the_order_of_cases_does_not_matter(log in any_log()) {
        let mut turned = log.clone();
        turned.cases.reverse();
        prop_assert_eq!(derive(&turned, "x").unwrap(), derive(&log, "x").unwrap());
    }
}
