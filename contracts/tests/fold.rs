//! The fold: its rules one by one, and that neither the order of arrival nor the way of folding changes its result.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test stops at the first thing that does not hold")]
#![allow(clippy::too_many_lines, reason = "a table is one test")]

use laufzettel_contracts::{
    AuthorityId, CaseFold, CaseState, Code, Definition, Entry, Position, Refusal, Report, Value, When, cost, fold,
};
use proptest::prelude::*;

/// Two tracks, a repeatable status, one that opens, one that closes, one with everything required, one with instants.
const TEXT: &str = r#"
language = 1
process = { id = "small", version = 1, label_de = "Klein", label_en = "Small" }
track.main = { number = 16, label_de = "Haupt", label_en = "Main" }
track.side = { number = 17, label_de = "Neben", label_en = "Side" }
role.office = { label_de = "Amt", label_en = "Office" }
outcomes.decision.codes.yes = { de = "Ja", en = "Yes" }

[status.begun]
label_de = "b"
label_en = "b"
track = "main"
kind = "reports"
precision = "day"
reported_by = ["office"]
after = ["START"]
basis = "x"

[status.again]
label_de = "a"
label_en = "a"
track = "main"
kind = "reports"
precision = "day"
reported_by = ["office"]
after = ["ended"]
opens_proceeding = true
repeatable = true
basis = "x"

[status.step]
label_de = "s"
label_en = "s"
track = "side"
kind = "reports"
precision = "instant"
reported_by = ["office"]
after = ["begun", "again"]
repeatable = true
basis = "x"

[status.ended]
label_de = "e"
label_en = "e"
track = "main"
kind = "reports"
precision = "day"
reported_by = ["office"]
after = ["begun", "step"]
outcomes = "decision"
outcome_required = true
basis = "x"
attribute.pages = { type = "integer", min = 1, max = 9, required = true, label_de = "p", label_en = "p" }

[status.closed]
label_de = "c"
label_en = "c"
track = "side"
kind = "reports"
precision = "day"
reported_by = ["office"]
closes = true
basis = "x"
"#;

fn small() -> Definition {
    Definition::check(TEXT).expect("the definition is sound").definition
}

fn code(text: &str) -> Code {
    Code::new(text).expect("a code")
}

fn entry(number: u8, report: Report) -> Entry {
    let position = Position { height: u64::from(number), ..Position::default() };
    Entry { slot: [number; 32], position, author: AuthorityId::new("de-bamf").expect("an id"), report }
}

fn on(status: &str, day: i32) -> Report {
    Report::new(code(status), When::Day(day))
}

fn ended(day: i32) -> Report {
    let mut report = on("ended", day);
    report.outcome = Some(code("yes"));
    report.attributes.insert(code("pages"), Value::Integer(3));
    report
}

fn naming(proceeding: u32, report: Report) -> Report {
    Report { proceeding, ..report }
}

fn folded(reports: &[Report]) -> CaseFold {
    let def = small();
    let mut case = CaseFold::new();
    for (number, report) in (1_u8..).zip(reports) {
        case.report(&def, entry(number, report.clone()));
    }
    case
}

/// Deviations as `slot KIND`, then what the tracks show.
fn shown(state: &CaseState) -> (Vec<String>, Vec<String>) {
    let deviations = state.deviations.iter().map(|found| format!("{} {}", found.slot[0], found.kind)).collect();
    let tracks = state.tracks.iter().map(|(number, track)| format!("{number} {} {}", track.slot[0], track.status));
    (deviations, tracks.collect())
}

#[test]
fn tells_deviations_and_tracks() {
    // (what, reports numbered from 1, deviations, tracks, proceedings, closed)
    type Row<'r> = (&'r str, Vec<Report>, &'r [&'r str], &'r [&'r str], u32, bool);
    let table: &[Row<'_>] = &[
        ("nothing", vec![], &[], &[], 0, false),
        ("in order", vec![on("begun", 1), ended(2)], &[], &["16 2 ended"], 1, false),
        ("late but dated", vec![ended(2), on("begun", 1)], &[], &["16 1 ended"], 1, false),
        ("out of order", vec![ended(2)], &["1 OUT_OF_ORDER"], &["16 1 ended"], 1, false),
        ("one day, by rank", vec![ended(1), on("begun", 1)], &[], &["16 1 ended"], 1, false),
        (
            "START is first only",
            vec![ended(1), on("begun", 2)],
            &["1 OUT_OF_ORDER", "2 OUT_OF_ORDER"],
            &["16 2 begun"],
            1,
            false,
        ),
        ("repeated", vec![on("begun", 1), ended(2), ended(3)], &["3 REPEATED"], &["16 3 ended"], 1, false),
        (
            "lacking",
            vec![on("begun", 1), on("ended", 2)],
            &["2 OUTCOME_MISSING", "2 ATTRIBUTE_MISSING"],
            &["16 2 ended"],
            1,
            false,
        ),
        (
            "after close",
            vec![on("begun", 1), on("closed", 2), ended(3)],
            &["3 AFTER_CLOSE"],
            &["16 3 ended", "17 2 closed"],
            1,
            true,
        ),
        (
            "the next proceeding has its own tracks and order",
            vec![on("begun", 1), ended(2), on("closed", 2), on("again", 3), ended(4)],
            &["5 OUT_OF_ORDER"],
            &["16 5 ended"],
            2,
            false,
        ),
        ("opens out of order", vec![on("begun", 1), on("again", 3)], &["2 OUT_OF_ORDER"], &["16 2 again"], 2, false),
        ("the first opens nothing", vec![on("again", 1)], &["1 OUT_OF_ORDER"], &["16 1 again"], 1, false),
        (
            "names an earlier proceeding",
            vec![on("begun", 1), ended(2), on("again", 3), naming(1, on("closed", 4))],
            &[],
            &["16 3 again"],
            2,
            false,
        ),
        (
            "names none that is there",
            vec![on("begun", 1), naming(7, ended(2))],
            &["2 PROCEEDING_UNKNOWN"],
            &["16 2 ended"],
            1,
            false,
        ),
        ("first names another", vec![naming(2, on("begun", 1))], &["1 PROCEEDING_UNKNOWN"], &["16 1 begun"], 1, false),
        (
            "opens the one it names",
            vec![on("begun", 1), ended(2), naming(2, on("again", 3))],
            &[],
            &["16 3 again"],
            2,
            false,
        ),
        (
            "names one that is there and opens none",
            vec![on("begun", 1), ended(2), naming(1, on("again", 3))],
            &[],
            &["16 3 again"],
            1,
            false,
        ),
        ("unknown status", vec![on("begun", 1), on("other", 2)], &["2 STATUS_UNKNOWN"], &["16 1 begun"], 1, false),
    ];
    for (what, reports, deviations, tracks, proceedings, closed) in table {
        let case = folded(reports);
        let (found, moved) = shown(case.state());
        assert_eq!(&found, deviations, "{what}");
        assert_eq!(&moved, tracks, "{what}");
        assert_eq!(case.state().current_proceeding, *proceedings, "{what}");
        assert_eq!(case.state().closed, *closed, "{what}");
    }
}

#[test]
fn a_deviation_heals_when_the_missing_piece_arrives_and_returns_when_it_goes() {
    let def = small();
    let mut case = folded(&[ended(2)]);
    assert_eq!(shown(case.state()).0, ["1 OUT_OF_ORDER"]);
    case.report(&def, entry(9, on("begun", 1)));
    assert!(case.state().deviations.is_empty());
    case.correct(&def, [9; 32], on("begun", 3)).expect("the slot stands");
    assert_eq!(shown(case.state()).0, ["1 OUT_OF_ORDER", "9 OUT_OF_ORDER"]);
    case.retract(&def, [9; 32]).expect("the slot stands");
    assert_eq!(shown(case.state()).0, ["1 OUT_OF_ORDER"]);
}

#[test]
fn a_correction_keeps_its_place_among_reports_of_one_instant() {
    let def = small();
    let mut case = folded(&[on("begun", 1), on("closed", 2), on("closed", 2)]);
    case.correct(&def, [2; 32], on("closed", 2)).expect("the slot stands");
    let slots: Vec<u8> = case.entries().iter().map(|entry| entry.slot[0]).collect();
    assert_eq!(slots, [1, 2, 3]);
    assert_eq!(shown(case.state()).0, ["3 REPEATED", "3 AFTER_CLOSE"]);
}

#[test]
fn a_slot_is_taken_once_and_closed_for_good() {
    let def = small();
    let mut case = folded(&[on("begun", 1)]);
    case.report(&def, entry(1, ended(2)));
    assert_eq!(case.entries().len(), 1);
    assert_eq!(case.correct(&def, [7; 32], ended(2)), Err(Refusal::SlotUnknown));
    assert_eq!(case.retract(&def, [7; 32]), Err(Refusal::SlotUnknown));
    case.retract(&def, [1; 32]).expect("the slot stands");
    assert_eq!(*case.state(), CaseState::default());
    assert_eq!(case.retract(&def, [1; 32]), Err(Refusal::SlotClosed));
    assert_eq!(case.retracted().keys().collect::<Vec<_>>(), [&[1; 32]]);
    let kept = CaseFold::restore(&def, case.entries().to_vec(), case.retracted().clone());
    assert!(kept.knows(&[1; 32]) && kept.retracted_by(&[1; 32]) == case.retracted_by(&[1; 32]));
    assert_eq!(case.correct(&def, [1; 32], ended(2)), Err(Refusal::SlotClosed));
    case.report(&def, entry(1, on("begun", 1)));
    assert!(case.entries().is_empty());
    assert_eq!((case.slots(), cost(case.entries().len())), (1, 1));
}

#[test]
fn the_headline_is_the_visible_track_that_moved_last() {
    let def = small();
    let case = folded(&[on("begun", 1), ended(2), on("closed", 3)]);
    let headline = |visible: &dyn Fn(u8) -> bool| {
        let found = case.state().headline(&def, visible);
        found.map(|track| track.status.to_string())
    };
    assert_eq!(headline(&|_| true).as_deref(), Some("closed"));
    assert_eq!(headline(&|track| track == 16).as_deref(), Some("ended"));
    assert_eq!(headline(&|_| false), None);
}

/// A day begins with the instant at which it begins: before that it lies ahead, at it no more.
#[test]
fn an_effective_day_lies_ahead_until_it_begins() {
    let case = folded(&[Report { effective: Some(20_610), ..on("begun", 1) }]);
    let track = case.state().tracks.values().next().expect("a track");
    let begins = u64::try_from(When::Day(20_610).start_ms()).expect("after 1970");
    assert!(track.effective_lies_ahead(begins - 1));
    assert!(!track.effective_lies_ahead(begins) && !track.effective_lies_ahead(u64::MAX));
}

#[test]
fn a_track_knows_since_when_it_stands() {
    let def = small();
    let instant = |ms| Report::new(code("step"), When::Instant(ms));
    let day_ms = 86_400_000;
    let mut case = folded(&[on("begun", 1), instant(3 * day_ms), instant(5 * day_ms)]);
    assert_eq!(case.state().tracks[&17].since, When::Instant(3 * day_ms));
    assert_eq!(case.state().tracks[&17].occurred, When::Instant(5 * day_ms));
    case.report(&def, entry(9, on("closed", 3)));
    assert_eq!(case.state().tracks[&17].since, When::Instant(5 * day_ms));
    case.report(&def, entry(10, Report { effective: Some(30), ..on("closed", 8) }));
    let track = &case.state().tracks[&17];
    assert!(track.effective_lies_ahead(28 * day_ms));
    assert!(!track.effective_lies_ahead(30 * day_ms));
}

/// A case may be kept in any order: it is put in the one order when it is read.
#[test]
fn a_case_kept_in_any_order_is_the_same() {
    let def = small();
    let case = folded(&[on("begun", 1), ended(2), on("closed", 3), on("again", 4)]);
    let mut entries = case.entries().to_vec();
    for _ in 0..entries.len() {
        entries.rotate_left(1);
        let kept = CaseFold::restore(&def, entries.clone(), std::collections::BTreeMap::new());
        assert_eq!((kept.entries(), kept.state()), (case.entries(), case.state()));
    }
    entries.reverse();
    assert_eq!(CaseFold::restore(&def, entries, std::collections::BTreeMap::new()).state(), case.state());
}

/// A new proceeding is open, whatever became of the one before.
#[test]
fn a_new_proceeding_is_not_closed() {
    assert!(folded(&[on("begun", 1), on("closed", 2)]).state().closed);
    assert!(!folded(&[on("begun", 1), on("closed", 2), on("again", 3)]).state().closed);
    // What is reported of the closed one later closes nothing.
    let late = folded(&[on("begun", 1), on("again", 3), naming(1, on("closed", 4))]);
    assert!(!late.state().closed);
}

/// The list says which report opened each proceeding, the first one too.
#[test]
fn each_proceeding_names_the_report_that_opened_it() {
    let case = folded(&[on("begun", 1), ended(2), on("again", 3), on("again", 4)]);
    let opened: Vec<_> = case.state().proceedings.iter().map(|one| (one.number, one.opened_by[0])).collect();
    assert_eq!(opened, [(1, 1), (2, 3), (3, 4)]);
}

/// Only what opens a proceeding may name the next one.
#[test]
fn a_report_that_opens_nothing_cannot_name_the_next_proceeding() {
    let (deviations, _) = shown(folded(&[on("begun", 1), naming(2, ended(2))]).state());
    assert_eq!(deviations, ["2 PROCEEDING_UNKNOWN"]);
    let (deviations, _) = shown(folded(&[on("begun", 1), ended(2), naming(2, on("again", 3))]).state());
    assert_eq!(deviations, [""; 0]);
}

#[test]
fn a_case_has_no_more_proceedings_than_it_may() {
    let reports: Vec<Report> = (0..40).map(|day| on("again", day)).collect();
    let case = folded(&reports);
    assert_eq!(case.state().current_proceeding, 32);
    assert_eq!(shown(case.state()).0.iter().filter(|found| found.ends_with("PROCEEDINGS_FULL")).count(), 8);
}

/// What happens to a case, in the order of arrival. Numbers of slots are taken modulo those there are.
#[derive(Debug, Clone)]
enum Act {
    Report(Report),
    Correct(usize, Report),
    Retract(usize),
}

fn any_report() -> impl Strategy<Value = Report> {
    let status = prop::sample::select(vec!["begun", "again", "step", "ended", "closed", "unheard_of"]);
    // Few days; instants within them, some of them just the end of a day in Berlin (23:00 UTC in January).
    let when = prop_oneof![
        (0..4_i32).prop_map(When::Day),
        (0..4_u64, prop::sample::select(vec![0_u64, 1, 23, 23, 24]))
            .prop_map(|(day, hour)| When::Instant((day * 24 + hour) * 3_600_000)),
    ];
    let proceeding = prop::sample::select(vec![0_u32, 0, 0, 1, 2, 3]);
    (status, when, proceeding, any::<bool>(), any::<bool>()).prop_map(|(status, when, proceeding, outcome, pages)| {
        let mut report = Report::new(code(status), when);
        report.proceeding = proceeding;
        report.outcome = outcome.then(|| code("yes"));
        if pages {
            report.attributes.insert(code("pages"), Value::Integer(1));
        }
        report
    })
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => any_report().prop_map(Act::Report),
        2 => (any::<usize>(), any_report()).prop_map(|(slot, report)| Act::Correct(slot, report)),
        1 => any::<usize>().prop_map(Act::Retract),
    ]
}

/// Applies acts one by one and compares with a refold after each. Gives the case and each slot's place of arrival.
fn lived(def: &Definition, acts: &[Act]) -> CaseFold {
    let mut case = CaseFold::new();
    let mut slots = 0_u8;
    for act in acts {
        let chosen = |number: usize| [u8::try_from(number % usize::from(slots.max(1))).expect("few slots") + 1; 32];
        match act {
            Act::Report(report) => {
                slots += 1;
                case.report(def, entry(slots, report.clone()));
            }
            Act::Correct(number, report) => {
                let known = case.entry(&chosen(*number)).is_ok();
                assert_eq!(case.correct(def, chosen(*number), report.clone()).is_ok(), known);
            }
            Act::Retract(number) => {
                let known = case.entry(&chosen(*number)).is_ok();
                assert_eq!(case.retract(def, chosen(*number)).is_ok(), known);
            }
        }
        let mut shuffled = case.entries().to_vec();
        shuffled.reverse();
        assert_eq!(*case.state(), fold(def, &shuffled, 0), "step by step and anew differ after {act:?}");
    }
    case
}

fn instant_and_rank(def: &Definition, report: &Report) -> (i64, u16) {
    let rank = def.status(report.status.as_str()).map_or(u16::MAX, |status| status.rank);
    (report.occurred.end_ms(), rank)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn step_by_step_equals_anew(acts in prop::collection::vec(any_act(), 0..24)) {
        lived(&small(), &acts);
    }

    /// Standing reports arrive again in another order. Equal (instant, rank) keep theirs: who recorded first is then
    /// all there is to go by.
    #[test]
    fn arrival_does_not_matter(
        acts in prop::collection::vec(any_act(), 0..24),
        keys in prop::collection::vec(any::<u32>(), 24),
    ) {
        let def = small();
        let case = lived(&def, &acts);
        let mut arrivals: Vec<(u32, Entry)> = keys.into_iter().zip(case.entries().iter().cloned()).collect();
        arrivals.sort_by_key(|(key, _)| *key);
        let mut order: Vec<Entry> = arrivals.into_iter().map(|(_, entry)| entry).collect();
        // Within each group of equals put the group's members back in their places, in fold order.
        let mut groups: std::collections::BTreeMap<(i64, u16), Vec<Entry>> = std::collections::BTreeMap::new();
        for entry in case.entries().iter().rev() {
            groups.entry(instant_and_rank(&def, &entry.report)).or_default().push(entry.clone());
        }
        for place in &mut order {
            let group = groups.get_mut(&instant_and_rank(&def, &place.report)).expect("every entry has a group");
            *place = group.pop().expect("a group has as many members as places");
        }
        let mut again = CaseFold::new();
        for (height, entry) in (1_u64..).zip(order) {
            let position = Position { height, ..Position::default() };
            again.report(&def, Entry { position, ..entry });
        }
        prop_assert_eq!(again.state(), case.state());
    }
}
