//! Every refusal has a report that meets it, and order is never one.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test stops at the first thing that does not hold")]
#![allow(clippy::too_many_lines, reason = "a table is one test")]

use laufzettel_contracts::{
    ASYL_DE, AuthorityId, CaseFold, Code, Definition, Entry, Position, Refusal, Report, Sealed, Value, When, accept,
    accept_correction, accept_retraction, limits,
};

/// Statuses by day and by instant, one that opens, and one attribute of each type.
const TEXT: &str = r#"
language = 1
process = { id = "small", version = 1, label_de = "Klein", label_en = "Small" }
track.main = { number = 16, label_de = "Haupt", label_en = "Main" }
role.office = { label_de = "Amt", label_en = "Office" }
outcomes.decision.codes.yes = { de = "Ja", en = "Yes" }

[status.moment]
label_de = "m"
label_en = "m"
track = "main"
kind = "reports"
precision = "instant"
reported_by = ["office"]
repeatable = true
basis = "x"

[status.step]
label_de = "s"
label_en = "s"
track = "main"
kind = "reports"
precision = "day"
reported_by = ["office"]
after = ["moment"]
outcomes = "decision"
outcome_required = true
basis = "x"
attribute.on = { type = "date", label_de = "p", label_en = "p" }
attribute.colour = { type = "code", codes = ["red", "blue"], label_de = "p", label_en = "p" }
attribute.whose = { type = "authority", label_de = "p", label_en = "p" }
attribute.pages = { type = "integer", min = 1, max = 9, label_de = "p", label_en = "p" }
attribute.done = { type = "bool", label_de = "p", label_en = "p" }
attribute.digest = { type = "commitment", required = true, label_de = "p", label_en = "p" }

[status.again]
label_de = "a"
label_en = "a"
track = "main"
kind = "reports"
precision = "day"
reported_by = ["office"]
repeatable = true
opens_proceeding = true
basis = "x"
"#;

/// 2026-06-15T12:00Z, in summer time.
const NOW_MS: u64 = 1_781_524_800_000;
const TODAY: i32 = 20_619;

fn code(text: &str) -> Code {
    Code::new(text).expect("a code")
}

fn authority(text: &str) -> AuthorityId {
    AuthorityId::new(text).expect("an id")
}

fn step() -> Report {
    Report::new(code("step"), When::Day(TODAY))
}

fn moment(ms: u64) -> Report {
    Report::new(code("moment"), When::Instant(ms))
}

fn again() -> Report {
    Report::new(code("again"), When::Day(TODAY))
}

fn with(name: &str, value: Value) -> Report {
    let mut report = step();
    report.attributes.insert(code(name), value);
    report
}

fn case_of(def: &Definition, reports: impl Iterator<Item = Report>) -> CaseFold {
    let mut case = CaseFold::new();
    for (number, report) in (0_u64..).zip(reports) {
        let mut slot = [0; 32];
        slot[..8].copy_from_slice(&number.to_be_bytes());
        let position = Position { height: number, ..Position::default() };
        case.report(def, Entry { slot, position, author: authority("de-bamf"), report });
    }
    case
}

#[test]
fn refuses_what_the_definition_does_not_know() {
    let def = Definition::check(TEXT).expect("the definition is sound").definition;
    let case = case_of(&def, [moment(1)].into_iter());
    let sealed = |count| Some(Sealed { digest: [0; 32], recipients: vec![authority("de-bamf"); count] });
    let table: Vec<(Report, Result<(), &str>)> = vec![
        (step(), Ok(())),
        (Report::new(code("stop"), When::Day(TODAY)), Err("STATUS_UNKNOWN")),
        (Report { occurred: When::Instant(NOW_MS), ..step() }, Err("PRECISION_WRONG")),
        (Report { occurred: When::Day(TODAY), ..moment(0) }, Err("PRECISION_WRONG")),
        // Tomorrow begins at 22:00 UTC, within 24 hours; the day after does not.
        (Report { occurred: When::Day(TODAY + 1), ..step() }, Ok(())),
        (Report { occurred: When::Day(TODAY + 2), ..step() }, Err("OCCURRED_IN_FUTURE")),
        (Report { occurred: When::Day(i32::MAX), ..step() }, Err("OCCURRED_IN_FUTURE")),
        (Report { occurred: When::Day(i32::MIN), ..step() }, Ok(())),
        (moment(NOW_MS + 24 * 3_600_000), Ok(())),
        (moment(NOW_MS + 24 * 3_600_000 + 1), Err("OCCURRED_IN_FUTURE")),
        (moment(u64::MAX), Err("OCCURRED_IN_FUTURE")),
        (Report { effective: Some(TODAY + 3_653), ..step() }, Ok(())),
        (Report { effective: Some(TODAY + 3_654), ..step() }, Err("EFFECTIVE_TOO_FAR")),
        (Report { outcome: Some(code("yes")), ..step() }, Ok(())),
        (Report { outcome: Some(code("no")), ..step() }, Err("OUTCOME_UNKNOWN")),
        (Report { outcome: Some(code("yes")), ..again() }, Err("OUTCOME_UNKNOWN")),
        (with("size", Value::Bool(true)), Err("ATTRIBUTE_UNKNOWN")),
        (with("on", Value::Date(1)), Ok(())),
        (with("on", Value::Integer(1)), Err("ATTRIBUTE_INVALID")),
        (with("colour", Value::Code(code("red"))), Ok(())),
        (with("colour", Value::Code(code("green"))), Err("ATTRIBUTE_INVALID")),
        (with("whose", Value::Authority(authority("sn-lds"))), Ok(())),
        (with("whose", Value::Code(code("red"))), Err("ATTRIBUTE_INVALID")),
        (with("pages", Value::Integer(1)), Ok(())),
        (with("pages", Value::Integer(9)), Ok(())),
        (with("pages", Value::Integer(0)), Err("ATTRIBUTE_INVALID")),
        (with("pages", Value::Integer(10)), Err("ATTRIBUTE_INVALID")),
        (with("done", Value::Bool(false)), Ok(())),
        (with("done", Value::Commitment([0; 32])), Err("ATTRIBUTE_INVALID")),
        (with("digest", Value::Commitment([0; 32])), Ok(())),
        (Report { documents: vec![[0; 32]; 8], ..step() }, Ok(())),
        (Report { documents: vec![[0; 32]; 9], ..step() }, Err("TOO_MANY_DOCUMENTS")),
        (Report { sealed: sealed(32), ..step() }, Ok(())),
        (Report { sealed: sealed(33), ..step() }, Err("TOO_MANY_RECIPIENTS")),
        (Report { proceeding: 1, ..step() }, Ok(())),
        (Report { proceeding: 2, ..step() }, Err("PROCEEDING_UNKNOWN")),
        (Report { proceeding: 2, ..again() }, Ok(())),
        (Report { proceeding: 3, ..again() }, Err("PROCEEDING_UNKNOWN")),
    ];
    for (report, expected) in table {
        let said = accept(&def, &[code("other"), code("office")], &report, NOW_MS, &case);
        assert_eq!(said.map_err(|refusal| refusal.reason()), expected, "{report:?}");
    }
    for roles in [vec![], vec![code("other")]] {
        assert_eq!(accept(&def, &roles, &step(), NOW_MS, &case), Err(Refusal::RoleNotEntitled));
    }
    let first = Report { proceeding: 1, ..step() };
    assert_eq!(accept(&def, &[code("office")], &first, NOW_MS, &CaseFold::new()), Ok(()));
    let first = Report { proceeding: 2, ..step() };
    assert_eq!(accept(&def, &[code("office")], &first, NOW_MS, &CaseFold::new()), Err(Refusal::ProceedingUnknown));
}

/// Ten years ahead to the millisecond, and a day that begins one later.
#[test]
fn takes_effect_within_ten_years() {
    let def = Definition::check(TEXT).expect("the definition is sound").definition;
    let day = 24_000;
    let begins = When::Day(day).start_ms();
    let latest = u64::try_from(begins - limits::EFFECTIVE_AHEAD_MS_MAX).expect("after 1970");
    let report = Report { effective: Some(day), ..Report::new(code("step"), When::Day(1)) };
    let said = |now_ms| accept(&def, &[code("office")], &report, now_ms, &CaseFold::new());
    assert_eq!((said(latest - 1), said(latest)), (Err(Refusal::EffectiveTooFar), Ok(())));
}

#[test]
fn holds_a_case_to_its_bounds() {
    let def = Definition::check(TEXT).expect("the definition is sound").definition;
    let roles = [code("office")];
    let case = case_of(&def, (0..32).map(|_| again()));
    assert_eq!(case.state().current_proceeding, limits::PROCEEDINGS_MAX);
    assert_eq!(accept(&def, &roles, &again(), NOW_MS, &case), Err(Refusal::TooManyProceedings));
    assert_eq!(accept(&def, &roles, &Report { proceeding: 32, ..again() }, NOW_MS, &case), Ok(()));
    assert_eq!(accept(&def, &roles, &step(), NOW_MS, &case), Ok(()));
    let office = authority("de-bamf");
    let correct = |report| accept_correction(&def, (&office, &roles), &[0; 32], &report, NOW_MS, &case);
    assert_eq!(correct(again()), Ok(()), "what opens one already adds none");

    let instants = (0..4_096).map(moment);
    let mut full = case_of(&def, instants);
    assert_eq!(accept(&def, &roles, &step(), NOW_MS, &full), Err(Refusal::TooManyEvents));
    full.retract(&def, [0; 32]).expect("the slot stands");
    assert_eq!(accept(&def, &roles, &step(), NOW_MS, &full), Err(Refusal::TooManyEvents), "a slot stays taken");
    assert_eq!(case_of(&def, (0..4_095).map(moment)).slots(), 4_095);
}

#[test]
fn only_the_author_corrects_and_retracts_what_stands() {
    let def = Definition::check(TEXT).expect("the definition is sound").definition;
    let mut case = case_of(&def, [moment(1), moment(2)].into_iter());
    let (own, other) = (authority("de-bamf"), authority("sn-lds"));
    let mut second = [0; 32];
    second[7] = 1;
    case.retract(&def, second).expect("the slot stands");
    let roles = [code("office")];
    let slots = [
        (&own, [0; 32], Ok(())),
        (&other, [0; 32], Err(Refusal::NotAuthor)),
        (&own, second, Err(Refusal::SlotClosed)),
        (&other, second, Err(Refusal::NotAuthor)),
        (&own, [9; 32], Err(Refusal::SlotUnknown)),
    ];
    for (author, slot, expected) in slots {
        assert_eq!(accept_retraction(author, &slot, &case), expected);
        assert_eq!(accept_correction(&def, (author, &roles), &slot, &moment(3), NOW_MS, &case), expected);
    }
    let said = accept_correction(&def, (&own, &roles), &[0; 32], &moment(u64::MAX), NOW_MS, &case);
    assert_eq!(said, Err(Refusal::OccurredInFuture));
}

#[test]
fn a_restricted_status_is_reported_as_its_class_only() {
    let def = Definition::check(ASYL_DE).expect("the definition is sound").definition;
    let roles = [code("health_office")];
    let report = |status| Report::new(code(status), When::Day(TODAY));
    let case = CaseFold::new();
    assert_eq!(accept(&def, &roles, &report("medical_exam_done"), NOW_MS, &case), Err(Refusal::StatusRestricted));
    // Out of order, and yet a fact: it is recorded.
    assert_eq!(accept(&def, &roles, &report("health_step"), NOW_MS, &case), Ok(()));
}
