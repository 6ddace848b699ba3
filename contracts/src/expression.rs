//! Conditions of a process: `warn_if` and `block_if` of statuses, `when` of rules. A small typed language in a subset of
//! CEL's syntax (Common Expression Language), without floats, maps, regular expressions, macros and loops. The texts
//! come from a proposal of any member: reading them is bounded in length, depth and cost.
//!
//! ```text
//! has(STATUS) has_ever(STATUS) count(STATUS)   reports in the current proceeding, in the whole case; their number
//! last(STATUS).FIELD  this.FIELD               outcome, day (in Berlin), effective, author, or an attribute's name
//! open(NAME)                                   a deadline runs, a task is open, a lock stands, a marker is set
//! present(last(STATUS).FIELD)                  whether it is there
//! days_between(FROM, TO)  date("2026-06-12")   TO - FROM in days; a day
//! regime  proceeding                           a code; a number from 1
//! ! && || == != < <= > >= + - in [A, B] ( )    as in CEL
//! ```
//!
//! Codes stand bare where a field that holds codes is compared: `last(decision_issued).outcome in [withdrawn]`. A code
//! named like a keyword (`true`, `false`, `this`, `regime`, `proceeding`, `in`) cannot be written.
//!
//! **Absence.** A report may not be there, a field may be missing. A sum or `days_between` of something absent is
//! absent. A comparison or `in` with something absent is *false*, `!=` too; an absent yes-or-no field is false. So `&&`,
//! `||` and `!` know two values only, and `!(x == a)` holds where `x` is absent while `x != a` does not. Who means
//! presence asks `present`. A value that its definition does not allow (a foreign code, a number out of bounds) counts as
//! absent. CEL has errors in these places and no bare codes; where all is present both give the same.
//!
//! **Numbers** have 64 bits, and sums saturate.
//!
//! Read `lexer`, `parser`, `types` and `names` (with `schema`), `tree`, then `cost`, `verdict` and `eval`. Must never decide what
//! follows from a condition.

mod cost;
mod day;
mod eval;
mod lexer;
mod names;
mod parser;
mod schema;
mod tree;
mod types;
mod verdict;

pub use eval::Facts;
pub use schema::Schema;
pub use verdict::Verdict;

use crate::finding::{Finding, Findings};
use crate::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_COST_MAX};
use crate::name::Code;
use std::collections::BTreeSet;
use std::fmt;
use tree::{Node, Subject};
use types::Typing;

/// A checked condition. Shown as canonical text, which reads back as the same condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    root: Node,
    cost: u32,
    reads: Reads,
}

/// What a condition depends on. What is asked of `this` is not among the statuses: it is there whenever the condition
/// is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Statuses asked about.
    pub statuses: BTreeSet<Code>,
    /// Deadlines, tasks, locks and markers asked about.
    pub openings: BTreeSet<Code>,
    /// Whether the regime is asked about.
    pub regime: bool,
    /// Whether the number of the proceeding is asked about.
    pub proceeding: bool,
    /// Whether the judged or triggering report is asked about.
    pub this: bool,
}

impl Expression {
    /// Reads a condition that is a text of its own. `this` is the status of the report that is judged or that triggers,
    /// `None` where there is none.
    ///
    /// # Errors
    /// What is wrong with the text: its first error of syntax, or all errors of names and types.
    pub fn check(text: &str, schema: &Schema, this: Option<&str>) -> Result<Self, Vec<Finding>> {
        let mut findings = Findings::default();
        Self::parse(text, 0, schema, this, &mut findings).ok_or_else(|| findings.into_errors(text))
    }

    /// Reads a condition that begins at a byte offset of a definition's text (see [`content_at`]), to which the findings
    /// are added. `None` if it is none.
    pub(crate) fn parse(
        text: &str,
        at: usize,
        schema: &Schema,
        this: Option<&str>,
        findings: &mut Findings,
    ) -> Option<Self> {
        if text.len() > EXPRESSION_BYTES_MAX {
            let message = format!("the expression has {} bytes, more than {EXPRESSION_BYTES_MAX}", text.len());
            findings.error(at, message, "split it");
            return None;
        }
        let term = match parser::parse(text) {
            Ok(term) => term,
            Err(Fault { at: within, message, fix }) => {
                findings.error(at.saturating_add(within), message, fix);
                return None;
            }
        };
        let root = Typing { schema, this, at, findings }.condition(&term)?;
        let cost = cost::cost(&root);
        if cost > EXPRESSION_COST_MAX {
            let message = format!("the expression costs {cost} steps, more than {EXPRESSION_COST_MAX}");
            findings.error(at, message, "split it");
            return None;
        }
        // What is kept is shown, signed and read back as canonical text, which has more spaces.
        let canonical = root.to_string().len();
        if canonical > EXPRESSION_BYTES_MAX {
            let message =
                format!("written out, the expression has {canonical} bytes, more than {EXPRESSION_BYTES_MAX}");
            findings.error(at, message, "split it");
            return None;
        }
        let mut reads = Reads::default();
        reads.add(&root);
        Some(Self { root, cost, reads })
    }

    /// The most steps an evaluation takes, at most [`EXPRESSION_COST_MAX`].
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// What it depends on.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Whether it can come out both ways.
    pub fn verdict(&self) -> Verdict {
        verdict::verdict(&self.root)
    }

    /// Whether it holds for a case.
    pub fn eval(&self, facts: &dyn Facts) -> bool {
        eval::holds(&self.root, facts)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(formatter)
    }
}

impl Reads {
    fn add(&mut self, node: &Node) {
        match node {
            Node::Has(status) | Node::HasEver(status) | Node::Count(status) => {
                self.statuses.insert(status.clone());
            }
            Node::PresentReport(subject) | Node::PresentField(subject, _) | Node::Field(subject, _) => match subject {
                Subject::Last(status) => {
                    self.statuses.insert(status.clone());
                }
                Subject::This(_) => self.this = true,
            },
            Node::Open(name) => {
                self.openings.insert(name.clone());
            }
            Node::Regime(_) => self.regime = true,
            Node::Proceeding => self.proceeding = true,
            Node::Bool(_)
            | Node::Integer(_)
            | Node::Date(_)
            | Node::Code(_)
            | Node::DaysBetween(..)
            | Node::Sum(..)
            | Node::Compare(..)
            | Node::In(..)
            | Node::Not(_)
            | Node::And(_)
            | Node::Or(_) => {}
        }
        for child in node.children() {
            self.add(child);
        }
    }
}

/// Where the content of a TOML string begins, so that a finding can point into it: the offset of its quotes and what
/// the string holds are known, the text decides. `None` if the string holds escapes or a folded line, whose places
/// would be wrong; such an expression is to be refused ("write it in single quotes").
pub(crate) fn content_at(text: &str, quotes_at: usize, content: &str) -> Option<usize> {
    let rest = text.get(quotes_at..)?;
    let opening = ["'''\r\n", "'''\n", "\"\"\"\r\n", "\"\"\"\n", "'''", "\"\"\"", "'", "\""]
        .into_iter()
        .find(|opening| rest.starts_with(opening))?;
    let inner = rest.strip_prefix(opening)?;
    let closing = opening.trim_end();
    // `\\\\` begins with the `\\` it stands for; what does not follow then is the closing quote.
    let after = inner.strip_prefix(content)?;
    after.starts_with(closing).then(|| quotes_at.saturating_add(opening.len()))
}

/// The first place where a text stops being an expression, from the begin of the expression.
#[derive(Debug)]
struct Fault {
    at: usize,
    message: String,
    fix: String,
}

impl Fault {
    fn new(at: usize, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { at, message: message.into(), fix: fix.into() }
    }
}

#[cfg(test)]
#[allow(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first thing that does not hold"
)]
mod tests {
    use super::{Expression, Schema, content_at};
    use crate::finding::Findings;
    use toml::de::DeTable;

    /// The parser of TOML says what the string holds and where it stands; the place must be where that text is.
    #[test]
    fn finds_the_content_of_a_string_or_refuses() {
        for (written, found) in [
            ("'has(x)'", true),
            ("\"has(x)\"", true),
            ("\"\"", true),
            ("''", true),
            ("\"\"\"has(x)\n && y\"\"\"", true),
            ("'''\nhas(x)\n'''", true),
            ("'''\r\nhas(x)'''", true),
            ("'''date('x''''", true),
            ("\"\"\"date(\\\"x\\\")\"\"\"", false),
            ("\"date(\\\"x\\\")\"", false),
            ("\"\\u0078\"", false),
            ("\"\\\\\"", false),
            ("\"\"\"has(x) \\\n  && y\"\"\"", false),
        ] {
            let text = format!("a = 1\nwhen = {written} # end\n");
            let (table, errors) = DeTable::parse_recoverable(&text);
            assert!(errors.is_empty(), "{written}: {errors:?}");
            let value = table.get_ref().get("when").expect("the key");
            let content = value.get_ref().as_str().expect("a string");
            let at = content_at(&text, value.span().start, content);
            assert_eq!(at.is_some(), found, "{written}");
            if let Some(at) = at {
                assert_eq!(text.get(at..at + content.len()), Some(content), "{written}");
            }
        }
    }

    #[test]
    fn a_finding_points_into_the_definition() {
        let text = "# Grüße\n[[rule]]\nwhen = '''\n  true &&\n  has(nothing)'''\n";
        let quotes_at = text.find("'''").expect("the string");
        let content = "  true &&\n  has(nothing)";
        let at = content_at(text, quotes_at, content).expect("no escapes");
        let mut findings = Findings::default();
        assert_eq!(Expression::parse(content, at, &Schema::default(), None, &mut findings), None);
        let places: Vec<(u32, u32)> =
            findings.into_errors(text).iter().map(|finding| (finding.line, finding.column)).collect();
        assert_eq!(places, [(5, 7)]);
    }
}
