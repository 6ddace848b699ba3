//! Every event of the demo is accepted by the shipped definition, by whom it is said to come from; only the case that
//! shows a deviation ends with one.

use super::*;
use laufzettel_contracts::{
    ASYL_DE, AuthorityId, CaseFold, Code, Definition, Entry, Position, Report, Slot, When, accept, accept_correction,
};

/// 23 November 2026, a Monday, and the six days after it.
const TODAYS: std::ops::Range<i32> = 20_780..20_787;

fn definition() -> Definition {
    Definition::check(ASYL_DE).unwrap().definition
}

fn slot(index: usize) -> Slot {
    let mut slot = [0; 32];
    slot[0] = u8::try_from(index).unwrap();
    slot
}

fn report(event: &DemoEvent) -> Report {
    let mut report = Report::new(Code::new(event.status).unwrap(), When::Day(event.day));
    report.effective = event.effective;
    report.outcome = event.outcome.map(|outcome| Code::new(outcome).unwrap());
    report
}

/// Sends a case as the ledger would take it, with a block time at the begin of today.
fn play(definition: &Definition, case: &DemoCase, today: i32) -> CaseFold {
    let now_ms = u64::try_from(When::Day(today).start_ms()).unwrap();
    let mut fold = CaseFold::new();
    for (index, event) in case.events.iter().enumerate() {
        let authority = AUTHORITIES.iter().find(|authority| authority.id == event.authority).unwrap();
        let roles: Vec<Code> = authority.roles.iter().map(|role| Code::new(role).unwrap()).collect();
        let author = AuthorityId::new(event.authority).unwrap();
        let report = report(event);
        match event.action {
            DemoAction::Report => {
                assert_eq!(accept(definition, &roles, &report, now_ms, &fold), Ok(()), "{} {index}", case.title_en);
                let position = Position { height: index as u64, ..Position::default() };
                fold.report(definition, Entry { slot: slot(index), position, author, report });
            }
            DemoAction::Correct { event } => {
                let slot = slot(event);
                let accepted = accept_correction(definition, (&author, &roles), &slot, &report, now_ms, &fold);
                assert_eq!(accepted, Ok(()), "{} {index}", case.title_en);
                fold.correct(definition, slot, report).unwrap();
            }
        }
    }
    fold
}

fn deviations(fold: &CaseFold) -> Vec<String> {
    fold.state().deviations.iter().map(|deviation| format!("{} {}", deviation.status, deviation.kind)).collect()
}

#[test]
fn the_definition_takes_every_case_on_every_day() {
    let definition = definition();
    for (seed, today) in (0..40).flat_map(|seed| TODAYS.map(move |today| (seed, today))) {
        for case in demo_cases(today, seed) {
            let found = deviations(&play(&definition, &case, today));
            let expected: &[&str] =
                if case.title_en.starts_with("Deviation") { &["hearing_held OUT_OF_ORDER"] } else { &[] };
            assert_eq!(found, expected, "{} seed {seed} today {today}", case.title_en);
        }
    }
}

#[test]
fn the_wrong_day_shows_until_it_is_corrected() {
    let mut cases = demo_cases(TODAYS.start, 1);
    let case = cases.iter_mut().find(|case| case.title_en.starts_with("Wrong day")).unwrap();
    let at = case.events.iter().position(|event| event.action != DemoAction::Report).unwrap();
    case.events.truncate(at);
    assert_eq!(deviations(&play(&definition(), case, TODAYS.start)), ["application_made OUT_OF_ORDER"]);
}

#[test]
fn cases_end_where_their_titles_say() {
    let definition = definition();
    let headline = |case: &DemoCase| {
        let fold = play(&definition, case, TODAYS.start);
        let headline = fold.state().headline(&definition, &|_| true).unwrap();
        headline.outcome.as_ref().unwrap_or(&headline.status).to_string()
    };
    let found: Vec<String> = demo_cases(TODAYS.start, 1).iter().map(headline).collect();
    let expected = [
        "decision_delivered",
        "case_closed",
        "rejected_unfounded",
        "hearing_held",
        "procedure_discontinued",
        "hearing_scheduled",
        "decision_delivered",
        "health_step",
        "reception_no_show",
        "lodging_appointment_set",
        "permission_to_stay_issued",
        "decision_delivered",
        "arrival_certificate_issued",
        "hearing_held",
    ];
    assert_eq!(found, expected);
}

#[test]
fn days_are_workdays_until_today_and_appointments_come_after_they_are_set() {
    for (seed, today) in (0..40).flat_map(|seed| TODAYS.map(move |today| (seed, today))) {
        for event in demo_cases(today, seed).iter().flat_map(|case| &case.events) {
            assert!(event.day <= today);
            assert_eq!(workday(event.day), event.day);
            assert!(event.effective.is_none_or(|effective| effective > event.day), "{event:?}");
        }
    }
    // Thursday, Friday, Saturday, Sunday, Monday.
    assert_eq!([0, 1, 2, 3, 4].map(workday), [0, 1, 1, 1, 4]);
}

#[test]
fn the_seed_decides() {
    assert_eq!(demo_cases(20_000, 5), demo_cases(20_000, 5));
    assert_ne!(demo_cases(20_000, 5), demo_cases(20_000, 6));
}

#[test]
fn no_case_names_a_restricted_status() {
    let definition = definition();
    for event in demo_cases(20_000, 0).iter().flat_map(|case| &case.events) {
        assert_eq!(definition.status(event.status).unwrap().ledger_as, None);
    }
}
