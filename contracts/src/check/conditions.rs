//! Reads the conditions of guards and rules, and refuses those that can come out one way only. Must never judge one on
//! a case.

use super::section::{Located, Section};
use crate::expression::{Expression, Schema, Verdict};
use crate::finding::Findings;

/// What conditions may name, and the text they stand in.
pub(super) struct Conditions<'k> {
    pub(super) schema: Schema,
    pub(super) whole: &'k str,
}

impl Conditions<'_> {
    /// The condition under `when`, if the key is there. `this` is the status of the report that is judged or triggers.
    pub(super) fn read(
        &self,
        section: &mut Section<'_>,
        this: Option<&str>,
        findings: &mut Findings,
    ) -> Option<Expression> {
        let text = section.condition("when", self.whole, findings)?;
        self.compile(&text, &section.path, this, findings)
    }

    /// The condition of a text read before.
    pub(super) fn compile(
        &self,
        text: &Located<String>,
        path: &str,
        this: Option<&str>,
        findings: &mut Findings,
    ) -> Option<Expression> {
        let expression = Expression::parse(&text.value, text.at, &self.schema, this, findings)?;
        let (outcome, fix) = match expression.verdict() {
            Verdict::Depends => return Some(expression),
            Verdict::AlwaysTrue => ("always holds, whatever is reported", "mend it, or take it out"),
            Verdict::AlwaysFalse => ("never holds, whatever is reported", "mend it, or take out all that hangs on it"),
        };
        findings.error(text.at, format!("`when` of [{path}] {outcome}"), fix);
        None
    }
}
