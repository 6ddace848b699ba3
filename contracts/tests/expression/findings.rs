//! What is refused: where, why, and what to write instead.

use super::{Expression, read, schema};
use laufzettel_contracts::expression::Verdict;
use laufzettel_contracts::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_COST_MAX, EXPRESSION_DEPTH_MAX};
use std::collections::BTreeSet;

/// Texts with the column of their one finding and words out of it.
const REFUSED: [(&str, u32, &str, &str); 62] = [
    ("", 1, "ends too early", "has(...)"),
    ("has(applied) &&", 16, "ends too early", "has(...)"),
    ("has(applied", 12, "ends too early", "`)`"),
    ("(has(applied)", 14, "ends too early", "`)`"),
    ("has(applied) & open(stop)", 14, "`&`", "`&&`"),
    ("has(applied) and open(stop)", 14, "`and`", "`&&`"),
    ("has(applied) or open(stop)", 14, "`or`", "`||`"),
    ("not has(applied)", 5, "`has`", "operator"),
    ("count(applied) = 1", 16, "`=`", "`==`"),
    ("count(applied) * 2 == 4", 16, "`*`", "`+` and `-`"),
    ("count(applied) == 1.5", 19, "fractions", "integer"),
    ("count(applied) == 0x10", 19, "digits", "decimal"),
    ("count(applied) == 9223372036854775808", 19, "64 bits", "smaller"),
    ("count(applied) == -9223372036854775809", 19, "64 bits", "smaller"),
    ("-count(applied) < 0", 2, "minus", "`0 - `"),
    ("1 < count(applied) < 3", 20, "chain", "`&&`"),
    ("this.outcome == \"x", 17, "not closed", "add a `\"`"),
    ("this.day == date('2026-02-30')", 18, "no day", "date(\"2026-06-12\")"),
    ("this.day == \"2026-06-12\"", 13, "text", "date(\"2026-06-12\")"),
    ("this.day == date(20260612)", 13, "one text", "date(\"2026-06-12\")"),
    ("has(aplied)", 5, "unknown status `aplied`", "did you mean `applied`?"),
    ("has(stop)", 5, "unknown status `stop`", "declare"),
    ("has(examined)", 5, "restricted", "`care`"),
    ("last(examined).day == this.day", 6, "restricted", "`care`"),
    ("has(1)", 5, "not the name", "status"),
    ("has()", 1, "one status", "has(STATUS)"),
    ("has(applied, decided)", 1, "one status", "has(STATUS)"),
    ("hass(applied)", 1, "unknown function `hass`", "did you mean `has`?"),
    ("open(stopp)", 6, "unknown deadline", "did you mean `stop`?"),
    ("open(decided)", 6, "is a status", "has(decided)"),
    ("stop", 1, "`stop`", "open(stop)"),
    ("applied", 1, "`applied` is a status", "has(applied)"),
    ("whatever", 1, "`whatever` means nothing", "CODE"),
    ("flase", 1, "`flase`", "did you mean `false`?"),
    ("this", 1, "a report", "this.day"),
    ("last(decided)", 1, "a report", "last(decided).day"),
    ("last(decided) == this.day", 1, "a report", "last(decided).day"),
    ("last(decided).outcom == granted", 15, "no field `outcom`", "did you mean `outcome`?"),
    ("last(applied).outcome == granted", 15, "no outcomes", "outcomes"),
    ("last(appealed).day == this.day", 16, "an attribute", "another name"),
    ("last(decided).outcome.length == 1", 22, "no fields", "take"),
    ("last(decided).outcome() == 1", 22, "no function", "brackets"),
    ("last().day == this.day", 1, "no report", "last(STATUS)"),
    ("last(decided, applied).day == this.day", 1, "no report", "last(STATUS)"),
    ("has(decided).day == this.day", 1, "no report", "last(STATUS)"),
    ("last(decided).outcome == grantd", 26, "unknown code `grantd`", "did you mean `granted`?"),
    ("last(decided).outcome in [rejected, pact]", 37, "unknown code `pact`", "declare"),
    ("last(decided).outcome in []", 26, "empty", "at least one"),
    ("last(decided).outcome in rejected", 26, "`rejected`", "[a, b]"),
    ("granted in [last(decided).outcome]", 1, "bare code", "left"),
    ("granted == rejected", 1, "two bare codes", "this.outcome"),
    ("last(decided).outcome == regime", 23, "no code in common", "one list"),
    ("last(decided).outcome < granted", 23, "order", "`in`"),
    ("this.author == this.day", 13, "an authority is compared with a date", "one type"),
    ("this.day + 1 == this.born", 1, "a date, not an integer", "days_between"),
    ("this.proof == last(applied).proof", 12, "commitment", "present"),
    ("days_between(this.day) > 1", 1, "two dates", "FROM, TO"),
    ("days_between(1, this.day) > 1", 14, "an integer, not a date", "date("),
    ("count(applied)", 1, "an integer, not a condition", "compare"),
    ("!count(applied)", 2, "an integer, not a condition", "compare"),
    ("present(1 == 1)", 11, "always present", "field"),
    ("has(applied) ? 1 : 2", 14, "`?`", "two rules"),
];

#[test]
fn says_where_what_and_what_to_write_instead() {
    for (text, column, message, fix) in REFUSED {
        let findings = Expression::check(text, schema(), Some("applied")).expect_err(text);
        let [finding] = &findings[..] else { panic!("{text}: {findings:?}") };
        assert_eq!((finding.line, finding.column), (1, column), "{text}: {finding}");
        assert!(finding.message.contains(message) && finding.fix.contains(fix), "{text}: {finding}");
    }
}

#[test]
fn tells_all_wrong_names_and_types_at_once() {
    let text = "has(aplied)\n  && open(stopp)\n  || !(this.day + 1 == 2)";
    let findings = Expression::check(text, schema(), Some("applied")).expect_err("three slips");
    let places: Vec<(u32, u32)> = findings.iter().map(|finding| (finding.line, finding.column)).collect();
    assert_eq!(places, [(1, 5), (2, 11), (3, 8)], "{findings:?}");
}

#[test]
fn there_is_no_this_where_nothing_is_judged() {
    let findings = Expression::check("this.day == date('2026-06-12')", schema(), None).expect_err("no this");
    assert!(findings[0].message.contains("no `this`"), "{findings:?}");
}

#[test]
fn length_depth_and_cost_are_bounded() {
    let refused = |text: &str| {
        let findings = Expression::check(text, schema(), None).expect_err("too much");
        findings.first().expect("a reason").message.clone()
    };
    let long = format!("true{}", " ".repeat(EXPRESSION_BYTES_MAX - 4));
    assert!(Expression::check(&long, schema(), None).is_ok());
    assert!(refused(&format!("{long} ")).contains("bytes"));
    for (opening, closing) in [("(", ")"), ("!", "")] {
        let deep = |levels: usize| format!("{}true{}", opening.repeat(levels), closing.repeat(levels));
        assert!(Expression::check(&deep(EXPRESSION_DEPTH_MAX), schema(), None).is_ok());
        assert!(refused(&deep(EXPRESSION_DEPTH_MAX + 1)).contains("levels deep"));
        refused(&opening.repeat(EXPRESSION_BYTES_MAX));
    }
    refused(&"1+".repeat(EXPRESSION_BYTES_MAX / 2));
    // One for the chain, and one for each literal.
    let chain = |literals: u32| vec!["1"; usize::try_from(literals).expect("few")].join("+");
    let most = EXPRESSION_COST_MAX - 3;
    assert_eq!(Expression::check(&format!("{}<1", chain(most)), schema(), None).map(|read| read.cost()), Ok(1_000));
    assert!(refused(&format!("{}<1", chain(most + 1))).contains("costs 1001 steps"));
}

/// Each level holds the one below in a comparison and a chain: looking twice at each would take days.
#[test]
fn what_is_too_long_once_written_out_is_refused() {
    // One space on each side of a sign comes in when it is written out: 9 bytes a term instead of 7.
    let terms = EXPRESSION_BYTES_MAX / 9;
    let fits = format!("1 < 2{}", "+999999".repeat(terms - 10));
    let written = Expression::check(&fits, schema(), None).expect("it fits").to_string();
    assert!(fits.len() < written.len() && Expression::check(&written, schema(), None).is_ok());
    let long = format!("1 < 2{}", "+999999".repeat(terms + 10));
    assert!(long.len() < EXPRESSION_BYTES_MAX);
    let findings = Expression::check(&long, schema(), None).expect_err("too much");
    assert!(findings.iter().any(|finding| finding.message.contains("written out")), "{findings:?}");
    // To the byte: what is written out may be as long as what is read.
    let exact = |last: &str| format!("1 < 2{}+{last}", "+999999".repeat((EXPRESSION_BYTES_MAX - 14) / 9));
    let digits = EXPRESSION_BYTES_MAX - exact("").replace('+', " + ").len();
    let most = exact(&"7".repeat(digits));
    assert_eq!(Expression::check(&most, schema(), None).expect("it fits").to_string().len(), EXPRESSION_BYTES_MAX);
    let findings = Expression::check(&exact(&"7".repeat(digits + 1)), schema(), None).expect_err("a byte too much");
    assert!(findings[0].message.contains("written out"), "{findings:?}");
}

#[test]
fn the_deepest_nesting_is_judged_at_once() {
    let mut text = "has(care) && open(stop)".to_owned();
    for _ in 2..EXPRESSION_DEPTH_MAX {
        text = format!("({text}) == true && open(stop)");
    }
    assert_eq!(read(&text).verdict(), Verdict::Depends);
    assert_eq!(read(&format!("({text}) && false")).verdict(), Verdict::AlwaysFalse);
}

/// Counted by hand: a node is one, a question to the case five more.
#[test]
fn costs_what_it_says() {
    let costs = [
        ("true", 1),
        ("has(applied)", 6),
        ("!has(applied)", 7),
        ("has(applied) && open(stop) && true", 14),
        ("last(decided).outcome in [granted, rejected]", 9),
        ("days_between(this.day, last(decided).effective) > 30 - 2", 12),
        ("present(this.born) == (proceeding == 1)", 5),
    ];
    for (text, cost) in costs {
        assert_eq!(read(text).cost(), cost, "{text}");
    }
}

#[test]
fn knows_what_it_reads() {
    let text =
        "has(care) && (count(applied) > 1 || last(decided).effective > this.day) && !open(stop) && proceeding > 1";
    let reads = read(text).reads().clone();
    let names =
        |names: &BTreeSet<laufzettel_contracts::Code>| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&reads.statuses), ["applied", "care", "decided"]);
    assert_eq!(names(&reads.openings), ["stop"]);
    assert_eq!((reads.this, reads.proceeding, reads.regime), (true, true, false));
    assert!(read("regime == pact").reads().regime);
}
