//! Well-typed conditions and cases from a list of numbers, so that a failure shrinks. Every condition is written twice,
//! in our language and in CEL, where everything that may be absent is guarded by a question whether it is there.

use super::{OPENINGS, REGIMES, World, code, entry};
use laufzettel_contracts::{AuthorityId, Entry, Value, When};

/// Days by GNU date, so that no code of ours says what a day is.
pub(crate) const DAYS: [(&str, i32); 4] =
    [("2026-06-10", 20_614), ("2026-06-12", 20_616), ("2000-02-29", 11_016), ("1969-12-31", -1)];
const VERDICTS: [&str; 3] = ["granted", "rejected", "withdrawn"];
const STATUSES: [&str; 4] = ["applied", "decided", "appealed", "care"];

/// The numbers that decide; zero once they are used up, which always ends.
pub(crate) struct Choices<'c> {
    numbers: &'c [u8],
    /// Whether integers may be so large that a sum leaves 64 bits, which CEL calls an error.
    pub(crate) large: bool,
}

impl<'c> Choices<'c> {
    pub(crate) fn new(numbers: &'c [u8], large: bool) -> Self {
        Self { numbers, large }
    }

    fn below(&mut self, bound: usize) -> usize {
        let Some((first, rest)) = self.numbers.split_first() else { return 0 };
        self.numbers = rest;
        usize::from(*first) % bound
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        *of.get(self.below(of.len())).expect("below its length")
    }
}

/// One value in both languages.
#[derive(Clone)]
pub(crate) struct Both {
    pub(crate) ours: String,
    pub(crate) cel: String,
    /// What must be there for it to be there, in CEL.
    guards: Vec<String>,
}

impl Both {
    fn sure(ours: impl Into<String>, cel: impl Into<String>) -> Self {
        Self { ours: ours.into(), cel: cel.into(), guards: Vec::new() }
    }

    fn field(report: &str, name: &str) -> Self {
        let (ours, at) = match report {
            "this" => ("this".to_owned(), "case.this".to_owned()),
            status => (format!("last({status})"), format!("case.{status}")),
        };
        let cel = format!("{at}.{name}");
        Self { ours: format!("{ours}.{name}"), guards: vec![format!("has({at})"), format!("has({cel})")], cel }
    }

    fn guarded(&self, inner: String) -> String {
        let mut all = self.guards.clone();
        all.push(inner);
        format!("({})", all.join(" && "))
    }

    fn and(mut self, other: &Self, ours: String, cel: String) -> Self {
        self.guards.extend(other.guards.iter().cloned());
        Self { ours, cel, guards: self.guards }
    }
}

/// A condition.
pub(crate) fn condition(choices: &mut Choices<'_>, depth: usize) -> Both {
    let kinds = if depth == 0 { 10 } else { 14 };
    match choices.below(kinds) {
        0 => {
            let status = choices.one(&STATUSES);
            Both::sure(format!("has({status})"), format!("now.{status} > 0"))
        }
        1 => {
            let status = choices.one(&STATUSES);
            Both::sure(format!("has_ever({status})"), format!("ever.{status}"))
        }
        2 => {
            let name = choices.one(&OPENINGS);
            Both::sure(format!("open({name})"), format!("open.{name}"))
        }
        3 => {
            let truth = choices.one(&["true", "false"]);
            Both::sure(truth, truth)
        }
        4 => {
            let field =
                Both::field(choices.one(&["this", "applied"]), choices.one(&["minor", "born", "pages", "form"]));
            Both::sure(format!("present({})", field.ours), field.guarded("true".to_owned()))
        }
        5 => {
            let field = Both::field(choices.one(&["this", "applied"]), "minor");
            // As a condition it is false where it is absent; compared, the comparison is.
            Both { cel: field.guarded(field.cel.clone()), ..field }
        }
        6..=9 => compared(choices),
        10 => {
            let inner = condition(choices, depth - 1);
            Both::sure(format!("!({})", inner.ours), format!("!({})", inner.cel))
        }
        11 => {
            let (left, right) = (condition(choices, depth - 1), condition(choices, depth - 1));
            let sign = choices.one(&["==", "!="]);
            let guards = left.clone().and(&right, String::new(), String::new());
            let cel = guards.guarded(format!("(({}) {sign} ({}))", left.cel, right.cel));
            Both::sure(format!("({}) {sign} ({})", left.ours, right.ours), cel)
        }
        kind => {
            // Without brackets where CEL needs none, so that precedence is compared, too.
            let sign = if kind == 12 { "&&" } else { "||" };
            let (left, right) = (condition(choices, depth - 1), condition(choices, depth - 1));
            let bare = choices.below(2) == 0;
            let join = |left: &str, right: &str| {
                if bare { format!("{left} {sign} {right}") } else { format!("({left}) {sign} ({right})") }
            };
            let (ours, cel) = (join(&left.ours, &right.ours), join(&left.cel, &right.cel));
            Both::sure(ours, cel)
        }
    }
}

fn compared(choices: &mut Choices<'_>) -> Both {
    let orders = ["==", "!=", "<", "<=", ">", ">="];
    let same = ["==", "!="];
    let (left, right, sign) = match choices.below(5) {
        0 => (integer(choices, 2), integer(choices, 2), choices.one(&orders)),
        1 => (date(choices), date(choices), choices.one(&orders)),
        2 => {
            let (field, literal) = coded(choices);
            let pair = if choices.below(2) == 0 { (field, literal) } else { (literal, field) };
            (pair.0, pair.1, choices.one(&same))
        }
        3 => {
            let author = |choices: &mut Choices<'_>| match choices.below(3) {
                0 => Both::field("this", "author"),
                1 => Both::field("applied", "office"),
                _ => Both::field("decided", "author"),
            };
            (author(choices), author(choices), choices.one(&same))
        }
        _ => return within(choices),
    };
    let cel = left.clone().and(&right, String::new(), String::new());
    let cel = cel.guarded(format!("({} {sign} {})", left.cel, right.cel));
    Both::sure(format!("{} {sign} {}", left.ours, right.ours), cel)
}

fn within(choices: &mut Choices<'_>) -> Both {
    if choices.below(2) == 0 {
        let (value, item) = coded(choices);
        let cel = value.guarded(format!("({} in [{}, \"rejected\"])", value.cel, item.cel));
        // A code that is in no list of ours would be refused.
        let more = if value.ours.contains("decided") { ", rejected" } else { "" };
        return Both::sure(format!("{} in [{}{more}]", value.ours, item.ours), cel);
    }
    let (value, first, second) = (integer(choices, 1), integer(choices, 1), integer(choices, 0));
    let each = [&first, &second].map(|item| item.guarded(format!("{} == {}", value.cel, item.cel)));
    let cel = value.guarded(format!("({} || {})", each[0], each[1]));
    Both::sure(format!("{} in [{}, {}]", value.ours, first.ours, second.ours), cel)
}

/// A field that holds a code, and one of its codes.
fn coded(choices: &mut Choices<'_>) -> (Both, Both) {
    let (field, word) = match choices.below(4) {
        0 => (Both::field("decided", "outcome"), choices.one(&VERDICTS)),
        1 => (Both::field("appealed", "outcome"), "urgent"),
        2 => (Both::field(choices.one(&["this", "applied"]), "form"), choices.one(&["paper", "online"])),
        _ => {
            let field =
                Both { ours: "regime".into(), cel: "case.regime".into(), guards: vec!["has(case.regime)".into()] };
            (field, choices.one(&REGIMES))
        }
    };
    (field, Both::sure(word, format!("\"{word}\"")))
}

fn date(choices: &mut Choices<'_>) -> Both {
    match choices.below(4) {
        0 => {
            let (text, days) = choices.one(&DAYS);
            Both::sure(format!("date(\"{text}\")"), format!("({days})"))
        }
        1 => Both::field(choices.one(&["this", "applied"]), "born"),
        2 => Both::field(choices.one(&["this", "applied", "decided"]), "effective"),
        _ => Both::field(choices.one(&["this", "applied", "decided"]), "day"),
    }
}

fn integer(choices: &mut Choices<'_>, depth: usize) -> Both {
    match choices.below(if depth == 0 { 4 } else { 6 }) {
        0 => {
            let mut value = i64::try_from(choices.below(16)).expect("small") - 4;
            if choices.large && choices.below(4) == 0 {
                value = choices.one(&[i64::MIN, i64::MAX]);
            }
            Both::sure(value.to_string(), format!("({value})"))
        }
        1 => {
            let status = choices.one(&STATUSES);
            Both::sure(format!("count({status})"), format!("now.{status}"))
        }
        2 => Both::sure("proceeding", "proceeding"),
        3 => Both::field(choices.one(&["this", "applied"]), "pages"),
        4 => {
            let (from, to) = (date(choices), date(choices));
            let ours = format!("days_between({}, {})", from.ours, to.ours);
            let cel = format!("({} - {})", to.cel, from.cel);
            from.and(&to, ours, cel)
        }
        _ => {
            let (left, right) = (integer(choices, depth - 1), integer(choices, depth - 1));
            let sign = choices.one(&["+", "-"]);
            let bare = choices.below(2) == 0;
            let join = |left: &str, right: &str| {
                if bare { format!("{left} {sign} {right}") } else { format!("{left} {sign} ({right})") }
            };
            let (ours, cel) = (join(&left.ours, &right.ours), join(&left.cel, &right.cel));
            left.and(&right, ours, cel)
        }
    }
}

/// A case: some reports in two proceedings, with any of their fields.
pub(crate) fn world(choices: &mut Choices<'_>) -> World {
    let reports = |choices: &mut Choices<'_>, most: usize| {
        let count = choices.below(most + 1);
        (0..count).map(|_| report(choices.one(&STATUSES), choices)).collect::<Vec<Entry>>()
    };
    let mut world = World { current: reports(choices, 5), earlier: reports(choices, 2), ..World::default() };
    world.proceeding = u32::try_from(choices.below(3)).expect("small");
    world.this = (choices.below(4) > 0).then(|| report("applied", choices));
    world.regime = (choices.below(3) > 0).then(|| code(choices.one(&REGIMES)));
    world.open = OPENINGS.iter().filter(|_| choices.below(2) == 1).map(|name| code(name)).collect();
    world
}

fn report(status: &str, choices: &mut Choices<'_>) -> Entry {
    let day = |choices: &mut Choices<'_>| choices.one(&DAYS).1;
    let mut made = entry(status, When::Day(day(choices)));
    let there = |choices: &mut Choices<'_>| choices.below(3) > 0;
    let authority = |choices: &mut Choices<'_>| AuthorityId::new(choices.one(&["de-bamf", "sn-lds"])).expect("an id");
    made.author = authority(choices);
    let report = &mut made.report;
    report.effective = there(choices).then(|| day(choices));
    let outcomes: &[&str] = match status {
        "decided" => &VERDICTS,
        "appealed" => &["urgent"],
        _ => &[],
    };
    if !outcomes.is_empty() && there(choices) {
        report.outcome = Some(code(choices.one(outcomes)));
    }
    if status == "applied" {
        let values = [
            ("pages", Value::Integer(i64::try_from(choices.below(11)).expect("small"))),
            ("minor", Value::Bool(choices.below(2) == 1)),
            ("born", Value::Date(day(choices))),
            ("office", Value::Authority(authority(choices))),
            ("form", Value::Code(code(choices.one(&["paper", "online"])))),
        ];
        for (name, value) in values {
            if there(choices) {
                report.attributes.insert(code(name), value);
            }
        }
    }
    made
}
