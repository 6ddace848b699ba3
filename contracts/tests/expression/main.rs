//! The expression language: what it refuses and how, what it means, and that it agrees with another reading of the same
//! syntax. Begins with the small process and the slow, obvious case that all of these tests ask.
#![allow(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at the first thing that does not hold"
)]

mod findings;
mod generator;
mod meaning;
mod random;
mod versus_cel;

use laufzettel_contracts::expression::{Expression, Facts, Schema};
use laufzettel_contracts::{AuthorityId, Code, Definition, Entry, Position, Report, When};
use std::collections::BTreeSet;
use std::sync::LazyLock;

const PROCESS: &str = r#"
language = 1
process = { id = "small", version = 1, label_de = "k", label_en = "s" }
track.main = { number = 16, label_de = "h", label_en = "m" }
role.office = { label_de = "a", label_en = "o" }

[outcomes.verdicts.codes]
granted = { de = "g", en = "g" }
rejected = { de = "r", en = "r" }
withdrawn = { de = "w", en = "w" }

[outcomes.motions.codes]
urgent = { de = "e", en = "u" }

[status.applied]
label_de = "B"
label_en = "A"
track = "main"
kind = "reports"
precision = "day"
reported_by = ["office"]
repeatable = true
basis = "Law 1"
attribute.pages = { label_de = "s", label_en = "p", type = "integer", min = 0, max = 10 }
attribute.copies = { label_de = "k", label_en = "c", type = "integer", min = 1, max = 1 }
attribute.minor = { label_de = "m", label_en = "m", type = "bool" }
attribute.born = { label_de = "g", label_en = "b", type = "date" }
attribute.office = { label_de = "a", label_en = "o", type = "authority" }
attribute.form = { label_de = "f", label_en = "f", type = "code", codes = ["paper", "online"] }
attribute.proof = { label_de = "n", label_en = "p", type = "commitment" }

[status.decided]
label_de = "E"
label_en = "D"
track = "main"
kind = "reports"
precision = "day"
reported_by = ["office"]
repeatable = true
outcomes = "verdicts"
basis = "Law 2"

[status.appealed]
label_de = "K"
label_en = "A"
track = "main"
kind = "reports"
precision = "instant"
reported_by = ["office"]
repeatable = true
outcomes = "motions"
basis = "Law 3"
attribute.day = { label_de = "t", label_en = "d", type = "integer" }

[status.care]
label_de = "V"
label_en = "C"
track = "main"
kind = "reports"
precision = "day"
reported_by = ["office"]
repeatable = true
class = true
basis = "Law 4"

[status.examined]
label_de = "U"
label_en = "E"
track = "main"
kind = "reports"
precision = "day"
reported_by = ["office"]
ledger_as = "care"
basis = "Law 4"
"#;

const OPENINGS: [&str; 3] = ["appeal_period", "review", "stop"];
const REGIMES: [&str; 2] = ["old_law", "pact"];

fn code(name: &str) -> Code {
    Code::new(name).expect("a code")
}

fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
        let definition = Definition::check(PROCESS).expect("the small process").definition;
        Schema::new(definition.statuses(), definition.outcome_lists(), OPENINGS.map(code), REGIMES.map(code))
    });
    &SCHEMA
}

/// A condition about a report of `applied`.
fn read(text: &str) -> Expression {
    Expression::check(text, schema(), Some("applied")).unwrap_or_else(|findings| panic!("{text}: {findings:?}"))
}

fn entry(status: &str, occurred: When) -> Entry {
    Entry {
        slot: [0; 32],
        position: Position::default(),
        author: AuthorityId::new("de-bamf").expect("an id"),
        report: Report::new(code(status), occurred),
    }
}

/// A case as its facts: every answer is a walk over all reports.
#[derive(Debug, Clone, Default)]
struct World {
    /// Of earlier proceedings.
    earlier: Vec<Entry>,
    /// Of the current one, in fold order.
    current: Vec<Entry>,
    this: Option<Entry>,
    open: BTreeSet<Code>,
    regime: Option<Code>,
    proceeding: u32,
}

impl World {
    /// A case with one report.
    fn with(entry: Entry) -> Self {
        Self { current: vec![entry], proceeding: 1, ..Self::default() }
    }
}

impl Facts for World {
    fn has(&self, status: &Code) -> bool {
        self.count(status) > 0
    }
    fn has_ever(&self, status: &Code) -> bool {
        self.has(status) || self.earlier.iter().any(|entry| entry.report.status == *status)
    }
    fn count(&self, status: &Code) -> u32 {
        let reports = self.current.iter().filter(|entry| entry.report.status == *status);
        u32::try_from(reports.count()).expect("few")
    }
    fn last(&self, status: &Code) -> Option<&Entry> {
        self.current.iter().rfind(|entry| entry.report.status == *status)
    }
    fn this(&self) -> Option<&Entry> {
        self.this.as_ref()
    }
    fn open(&self, name: &Code) -> bool {
        self.open.contains(name)
    }
    fn regime(&self) -> Option<&Code> {
        self.regime.as_ref()
    }
    fn proceeding(&self) -> u32 {
        self.proceeding
    }
}
