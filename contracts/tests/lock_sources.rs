//! Who may raise a lock against an announcement: of the shipped process as its table says, and through conditions,
//! deadlines and silence in a small one.
#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first thing that does not hold")]

use laufzettel_contracts::{ASYL_DE, ASYL_DE_2, Code, Definition};
use std::collections::BTreeSet;

fn code(text: &str) -> Code {
    Code::new(text).expect("a code")
}

fn names<'c>(codes: impl IntoIterator<Item = &'c Code>) -> Vec<&'c str> {
    codes.into_iter().map(Code::as_str).collect()
}

/// Domain table, R10, R18, R19, R21 and R24: motions, their ends, and what their ends ask for.
#[test]
fn of_the_asylum_procedure_court_and_asylum_office_may_stop_a_removal() {
    let checked = Definition::check(ASYL_DE_2).expect("the definition is sound");
    let sources = checked.definition.lock_sources(&code("enforcement_announcement"));
    assert_eq!(names(&sources.roles), ["asylum_office", "court"]);
    for status in ["interim_relief_filed", "subsequent_application_filed", "interim_relief_denied", "decision_final"] {
        assert!(sources.statuses.contains(&code(status)), "{status} is missing");
    }
    assert!(!sources.statuses.contains(&code("removal_executed")), "a fact of enforcement stops nothing");
    // What a node must count as able to lock while it is pending are these, since both locks stop the same.
    let all = checked.definition.statuses().iter().map(|status| &status.code);
    let raising: Vec<_> = all.filter(|status| checked.definition.rules().may_lock(status)).collect();
    assert_eq!(raising.iter().copied().cloned().collect::<BTreeSet<_>>(), sources.statuses);
    assert_eq!(checked.definition.lock_sources(&code("hearing_held")).roles.len(), 0);
    // Both locks mark the facts of enforcement (R18, R21): whether one stands depends on the same reports.
    for act in ["removal_executed", "dublin_transferred"] {
        assert_eq!(checked.definition.lock_sources(&code(act)), sources, "{act}");
    }
    let asked: BTreeSet<&str> = checked.definition.lockable().map(Code::as_str).collect();
    let acts = ["removal_executed", "dublin_transferred"];
    let announced = ["removal_scheduled", "dublin_transfer_scheduled", "enforcement_announcement"];
    for status in acts.iter().chain(&announced) {
        assert!(asked.contains(status), "{status} may be asked about");
    }
    for status in ["hearing_held", "decision_final", "interim_relief_filed"] {
        assert!(!asked.contains(status), "no lock is about {status}");
    }
    let version_1 = Definition::check(ASYL_DE).expect("the definition is sound").definition;
    assert!(!version_1.rules().may_lock(&code("interim_relief_filed")), "version 1 has no locks");
    assert_eq!(version_1.lockable().count(), 0);
}

const CHAIN: &str = r#"
language = 2
process = { id = "chain", version = 1, label_de = "Kette", label_en = "Chain" }
track.all = { number = 16, label_de = "Alles", label_en = "All" }
role.one = { label_de = "Eins", label_en = "One" }
role.two = { label_de = "Zwei", label_en = "Two" }
role.three = { label_de = "Drei", label_en = "Three" }
role.four = { label_de = "Vier", label_en = "Four" }
status.begun = { label_de = "B", label_en = "B", track = "all", kind = "reports", precision = "day", reported_by = ["one"], basis = "(D)" }
status.asked = { label_de = "A", label_en = "A", track = "all", kind = "reports", precision = "day", reported_by = ["two"], basis = "(D)" }
status.met = { label_de = "M", label_en = "M", track = "all", kind = "reports", precision = "day", reported_by = ["three"], basis = "(D)" }
status.aside = { label_de = "N", label_en = "N", track = "all", kind = "reports", precision = "day", reported_by = ["four"], basis = "(D)" }
status.acted = { label_de = "V", label_en = "V", track = "all", kind = "announces", precision = "day", reported_by = ["four"], basis = "(D)" }
deadline.time = { label_de = "F", label_en = "T", length = "P3D", from = "occurred", met_by = ["met"], watched_by = ["one"], basis = "(D)" }
notice.told = { label_de = "H", label_en = "N", urgent = true, acknowledge_within = "PT5S", basis = "(D)" }
lock.shut = { label_de = "S", label_en = "L", stops = ["acted"], basis = "(D)" }
[[rule]]
name = "begin"
label_de = "B"
label_en = "B"
on = { status = "begun" }
start = ["time"]
basis = "(D)"
[[rule]]
name = "tell"
label_de = "H"
label_en = "N"
on = { elapsed = "time" }
when = "has(asked)"
notify = [{ notice = "told", to = ["four"] }]
basis = "(D)"
[[rule]]
name = "shut_in_silence"
label_de = "S"
label_en = "S"
on = { unacknowledged = "told" }
lock = ["shut"]
basis = "(D)"
"#;

/// The lock is set because nobody acknowledged what was told because a deadline ended, if something else was reported.
#[test]
fn sources_are_followed_through_silence_deadlines_and_conditions() {
    let checked = Definition::check(CHAIN).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let sources = checked.definition.lock_sources(&code("acted"));
    assert_eq!(names(&sources.statuses), ["asked", "begun", "met"]);
    assert_eq!(names(&sources.roles), ["one", "three", "two"]);
}
