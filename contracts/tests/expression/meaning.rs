//! What a condition means, first of all where something is absent.

use super::{World, code, entry, read};
use laufzettel_contracts::expression::{Expression, Schema, Verdict};
use laufzettel_contracts::{ASYL_DE, AuthorityId, Definition, Value, When};

/// 2026-06-12, by GNU date.
const CUT_OFF: i32 = 20_616;

fn applied() -> laufzettel_contracts::Entry {
    entry("applied", When::Day(CUT_OFF - 2))
}

#[test]
fn every_comparison_with_something_absent_is_false() {
    let empty = World { proceeding: 1, ..World::default() };
    // There is the report, but none of its optional fields.
    let bare = World { this: Some(applied()), ..World::with(applied()) };
    let absent = ["this.born", "last(applied).effective", "last(decided).day"];
    for world in [&empty, &bare] {
        for field in absent {
            for sign in ["==", "!=", "<", "<=", ">", ">="] {
                for text in [format!("{field} {sign} date('2026-06-12')"), format!("date('2026-06-12') {sign} {field}")]
                {
                    assert!(!read(&text).eval(world), "{text}");
                    assert!(read(&format!("!({text})")).eval(world), "{text}");
                }
                assert!(!read(&format!("{field} {sign} {field}")).eval(world));
                assert!(!read(&format!("1 + days_between({field}, {field}) {sign} 1")).eval(world));
            }
            assert!(!read(&format!("{field} in [date('2026-06-12'), {field}]")).eval(world));
            assert!(!read(&format!("present({field})")).eval(world));
        }
        for text in ["this.minor", "this.minor == false", "this.minor != true", "regime == pact", "regime != pact"] {
            assert!(!read(text).eval(world), "{text}");
        }
        assert!(read("!this.minor").eval(world));
    }
    assert!(!read("present(this) || present(last(applied))").eval(&empty));
    assert!(read("present(this) && present(last(applied)) && present(this.day)").eval(&bare));
    // What is absent in a list hides nothing beside it.
    assert!(read("this.day in [last(decided).day, date('2026-06-10')]").eval(&bare));
}

#[test]
fn fields_are_what_the_report_holds() {
    let mut report = applied();
    report.report.effective = Some(CUT_OFF);
    for (name, value) in [
        ("pages", Value::Integer(3)),
        ("minor", Value::Bool(true)),
        ("born", Value::Date(CUT_OFF - 10)),
        ("office", Value::Authority(AuthorityId::new("de-bamf").expect("an id"))),
        ("form", Value::Code(code("paper"))),
        ("proof", Value::Commitment([1; 32])),
    ] {
        report.report.attributes.insert(code(name), value);
    }
    let world = World { this: Some(report.clone()), ..World::with(report) };
    for subject in ["this", "last(applied)"] {
        for holds in [
            "S.day == date('2026-06-10')",
            "S.effective == date('2026-06-12') && days_between(S.day, S.effective) == 2",
            "days_between(S.effective, S.day) == -2",
            "S.pages + 1 - 2 == 2",
            "S.minor && S.minor == true",
            "S.born < S.day",
            "S.office == S.author",
            "S.form in [online, paper] && S.form != online && paper == S.form",
            "present(S.proof)",
        ] {
            assert!(read(&holds.replace('S', subject)).eval(&world), "{subject}: {holds}");
        }
    }
}

/// A day in Berlin begins before the one in UTC, by one hour in winter and by two in summer.
#[test]
fn the_day_of_an_instant_is_that_of_berlin() {
    let day_ms = 86_400_000;
    let hour_ms = 3_600_000;
    for (day, ahead_hours) in [(CUT_OFF, 2), (20_454, 1)] {
        let midnight = u64::try_from(i64::from(day) * day_ms - ahead_hours * hour_ms).expect("after 1970");
        assert_eq!(When::Instant(midnight).day(), day);
        assert_eq!(When::Instant(midnight - 1).day(), day - 1);
    }
    assert_eq!(When::Instant(u64::MAX).day(), i32::MAX);
}

/// A report may hold anything: an older version's code, another type, a number out of bounds.
#[test]
fn a_value_the_definition_does_not_allow_is_absent() {
    for (name, value) in [
        ("pages", Value::Integer(11)),
        ("pages", Value::Bool(true)),
        ("form", Value::Code(code("fax"))),
        ("form", Value::Integer(1)),
        ("minor", Value::Date(1)),
    ] {
        let mut report = applied();
        report.report.attributes.insert(code(name), value.clone());
        assert!(!read(&format!("present(last(applied).{name})")).eval(&World::with(report)), "{name} {value:?}");
    }
    let mut decided = entry("decided", When::Day(0));
    decided.report.outcome = Some(code("unheard_of"));
    assert!(!read("last(decided).outcome != granted").eval(&World::with(decided)));
    let foreign =
        World { this: Some(entry("decided", When::Day(0))), regime: Some(code("future")), ..World::default() };
    assert!(!read("present(this) || regime != pact").eval(&foreign));
}

#[test]
fn counts_and_openings_are_asked_of_the_case() {
    let mut world = World::with(applied());
    world.current.push(applied());
    world.earlier.push(entry("decided", When::Day(0)));
    world.open.insert(code("stop"));
    world.proceeding = 2;
    for holds in [
        "has(applied) && !has(decided) && has_ever(decided) && has_ever(applied) && !has_ever(care)",
        "count(applied) == 2 && count(decided) == 0",
        "open(stop) && !open(review)",
        "proceeding == 2",
        "9223372036854775807 + 1 == 9223372036854775807 && -9223372036854775808 - 1 == -9223372036854775808",
    ] {
        assert!(read(holds).eval(&world), "{holds}");
    }
}

#[test]
fn sees_what_is_always_so() {
    let verdicts = [
        ("true", Verdict::AlwaysTrue),
        ("1 + 1 == 2 && !(2 < 1)", Verdict::AlwaysTrue),
        ("has(applied) && !has(applied)", Verdict::AlwaysFalse),
        ("has(applied) || !has(applied)", Verdict::AlwaysTrue),
        ("(open(stop) && has(care)) || !open(stop) || !has(care)", Verdict::AlwaysTrue),
        ("!(has(applied) || has(decided)) && has(applied)", Verdict::AlwaysFalse),
        ("!(has(applied) || has(decided)) || has(applied) || has(decided)", Verdict::AlwaysTrue),
        ("last(appealed).outcome != urgent", Verdict::AlwaysFalse),
        ("last(appealed).outcome == urgent", Verdict::Depends),
        ("(1 == 1) != (2 == 2)", Verdict::AlwaysFalse),
        ("(1 == 1) != (2 == 1)", Verdict::AlwaysTrue),
        (
            "this.form == paper && last(decided).outcome == granted && last(decided).outcome == rejected",
            Verdict::AlwaysFalse,
        ),
        ("count(applied) >= 0", Verdict::AlwaysTrue),
        ("count(applied) + 1 < 1 || proceeding < 0", Verdict::AlwaysFalse),
        ("count(applied) == count(applied)", Verdict::AlwaysTrue),
        ("this.day == this.day", Verdict::Depends),
        ("this.day < this.day", Verdict::AlwaysFalse),
        ("this.pages > 10", Verdict::AlwaysFalse),
        ("this.pages <= 10", Verdict::Depends),
        ("date('2026-06-11') < date('2026-06-12')", Verdict::AlwaysTrue),
        ("last(decided).outcome == granted && last(decided).outcome == rejected", Verdict::AlwaysFalse),
        ("last(decided).outcome == granted && last(applied).form == paper", Verdict::Depends),
        ("last(decided).outcome in [granted, rejected] && last(decided).outcome == withdrawn", Verdict::AlwaysFalse),
        ("last(decided).outcome != granted && !(last(decided).outcome in [rejected, withdrawn])", Verdict::AlwaysFalse),
        // All codes there are: that says only that there is one.
        ("last(decided).outcome in [granted, rejected, withdrawn]", Verdict::Depends),
        ("last(appealed).outcome != urgent", Verdict::AlwaysFalse),
        ("regime == pact || regime == old_law", Verdict::Depends),
        ("regime == pact && old_law == regime", Verdict::AlwaysFalse),
        ("(has(applied) || true) == (has(care) && false)", Verdict::AlwaysFalse),
        // An attribute whose bounds leave one value may still be missing.
        ("this.copies == 1", Verdict::Depends),
        ("1 in [this.copies, 2]", Verdict::Depends),
        ("this.copies != 1", Verdict::AlwaysFalse),
        ("this.copies in [2, 3]", Verdict::AlwaysFalse),
        ("1 in [2, proceeding - proceeding + 1, 1]", Verdict::AlwaysTrue),
        ("has(applied)", Verdict::Depends),
    ];
    for (text, verdict) in verdicts {
        assert_eq!(read(text).verdict(), verdict, "{text}");
    }
}

/// Written by hand from the precedence in the language's description.
#[test]
fn is_shown_with_no_more_brackets_than_it_needs() {
    let shown = [
        ("((has(applied))&&(open(stop)))||true", "has(applied) && open(stop) || true"),
        ("has(applied)&&(open(stop)||true)", "has(applied) && (open(stop) || true)"),
        ("(true || (has(care) || false)) || true", "true || has(care) || false || true"),
        ("!(!(has(applied)))", "!!has(applied)"),
        ("!(1==2)", "!(1 == 2)"),
        ("(1 - 2) - 3 <  1 - (2 - -3)", "1 - 2 - 3 < 1 - (2 - -3)"),
        ("(1 < 2) == !true", "(1 < 2) == !true"),
        ("007 == 7", "7 == 7"),
        ("this.day\n>= date('2026-06-12')", "this.day >= date(\"2026-06-12\")"),
        ("last( decided ).outcome in [ rejected,granted ]", "last(decided).outcome in [rejected, granted]"),
        ("present( this ) && present(this.form)", "present(this) && present(this.form)"),
    ];
    for (text, canonical) in shown {
        assert_eq!(read(text).to_string(), canonical);
    }
}

/// What the shipped definition keeps in words only: who has a decision on the merits without a hearing is warned.
#[test]
fn the_guards_of_the_asylum_procedure_can_be_said() {
    let definition = Definition::check(ASYL_DE).expect("the shipped process").definition;
    let schema = Schema::new(definition.statuses(), definition.outcome_lists(), [], []);
    let warn_if = "!(this.outcome in [inadmissible_dublin, inadmissible_third_country, withdrawn, discontinued])
        && present(this.outcome)
        && !(has(hearing_held) || has(hearing_waived) || has(hearing_missed))";
    let guard = Expression::check(warn_if, &schema, Some("decision_issued")).expect("a guard");
    assert_eq!(guard.verdict(), Verdict::Depends);
    for (outcome, before, warned) in [
        ("refugee_status", None, true),
        ("refugee_status", Some("hearing_held"), false),
        ("refugee_status", Some("hearing_scheduled"), true),
        ("inadmissible_dublin", None, false),
    ] {
        let mut decision = entry("decision_issued", When::Day(CUT_OFF));
        decision.report.outcome = Some(code(outcome));
        let mut world = World { this: Some(decision.clone()), proceeding: 1, ..World::default() };
        world.current.extend(before.map(|status| entry(status, When::Day(CUT_OFF - 30))));
        world.current.push(decision);
        assert_eq!(guard.eval(&world), warned, "{outcome} after {before:?}");
    }
}
