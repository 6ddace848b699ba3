//! What an expression gives for a case. Total: whatever the case's reports hold there is an answer, and it takes no
//! more steps than the expression's cost. Must never see a clock or the order of arrival, only [`Facts`].

use super::tree::{Comparison, Direction, Field, Node, Subject};
use crate::definition::AttributeType;
use crate::name::{AuthorityId, Code};
use crate::report;
use crate::report::Entry;

/// What an expression may ask of a case at one point of the fold order. Only standing reports count: corrections have
/// replaced, retractions have taken out. Each answer is one search in an ordered map, or less: the cost of expressions
/// counts on it.
pub trait Facts {
    /// Whether a report of the status stands in the current proceeding, before this point; what is judged or triggers is
    /// [`Facts::this`] and does not count.
    fn has(&self, status: &Code) -> bool;
    /// The same over all proceedings of the case.
    fn has_ever(&self, status: &Code) -> bool;
    /// How many reports of the status stand in the current proceeding, before this point.
    fn count(&self, status: &Code) -> u32;
    /// The last report of the status in the current proceeding, before this point.
    fn last(&self, status: &Code) -> Option<&Entry>;
    /// The report that is judged, or that triggered the rule.
    fn this(&self) -> Option<&Entry>;
    /// Whether a deadline of that name runs, a task is open, a lock stands, or a marker is set.
    fn open(&self, name: &Code) -> bool;
    /// The regime of the current proceeding, as far as it is known.
    fn regime(&self) -> Option<&Code>;
    /// The number of the current proceeding, from 1; 0 while there is none.
    fn proceeding(&self) -> u32;
}

/// A value while it is worked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'f> {
    Bool(bool),
    /// An integer, or a date as days since 1970-01-01: the types have kept them apart.
    Number(i64),
    Code(&'f Code),
    Authority(&'f AuthorityId),
    /// There is something, but nothing to compare with.
    Opaque,
}

/// Whether a condition holds. What is absent does not.
pub(super) fn holds(node: &Node, facts: &dyn Facts) -> bool {
    matches!(value(node, facts), Some(Value::Bool(true)))
}

fn value<'f>(node: &'f Node, facts: &'f dyn Facts) -> Option<Value<'f>> {
    let truth = match node {
        Node::Integer(value) => return Some(Value::Number(*value)),
        Node::Date(days) => return Some(Value::Number(i64::from(*days))),
        Node::Code(code) => return Some(Value::Code(code)),
        Node::Count(status) => return Some(Value::Number(i64::from(facts.count(status)))),
        Node::Proceeding => return Some(Value::Number(i64::from(facts.proceeding()))),
        Node::Field(subject, field) => return field_of(entry(subject, facts)?, field),
        Node::Regime(codes) => return facts.regime().filter(|code| codes.binary_search(code).is_ok()).map(Value::Code),
        Node::DaysBetween(from, to) => {
            let (from, to) = (number(from, facts)?, number(to, facts)?);
            return Some(Value::Number(to.saturating_sub(from)));
        }
        Node::Sum(first, more) => return sum(first, more, facts).map(Value::Number),
        Node::Bool(value) => *value,
        Node::Has(status) => facts.has(status),
        Node::HasEver(status) => facts.has_ever(status),
        Node::Open(name) => facts.open(name),
        Node::PresentReport(subject) => entry(subject, facts).is_some(),
        Node::PresentField(subject, field) => entry(subject, facts).and_then(|entry| field_of(entry, field)).is_some(),
        Node::Compare(comparison, left, right) => match (value(left, facts), value(right, facts)) {
            (Some(left), Some(right)) => compare(*comparison, left, right),
            (_, _) => false,
        },
        Node::In(left, list) => match value(left, facts) {
            Some(left) => list.iter().any(|item| value(item, facts) == Some(left)),
            None => false,
        },
        Node::Not(inner) => !holds(inner, facts),
        Node::And(all) => all.iter().all(|node| holds(node, facts)),
        Node::Or(all) => all.iter().any(|node| holds(node, facts)),
    };
    Some(Value::Bool(truth))
}

fn compare(comparison: Comparison, left: Value<'_>, right: Value<'_>) -> bool {
    match (comparison, left, right) {
        (Comparison::Equal, _, _) => left == right,
        (Comparison::Unequal, _, _) => left != right,
        (Comparison::Less, Value::Number(left), Value::Number(right)) => left < right,
        (Comparison::AtMost, Value::Number(left), Value::Number(right)) => left <= right,
        (Comparison::Greater, Value::Number(left), Value::Number(right)) => left > right,
        (Comparison::AtLeast, Value::Number(left), Value::Number(right)) => left >= right,
        // The types keep anything else out.
        (Comparison::Less | Comparison::AtMost | Comparison::Greater | Comparison::AtLeast, _, _) => false,
    }
}

fn number(node: &Node, facts: &dyn Facts) -> Option<i64> {
    match value(node, facts)? {
        Value::Number(number) => Some(number),
        Value::Bool(_) | Value::Code(_) | Value::Authority(_) | Value::Opaque => None,
    }
}

fn sum(first: &Node, more: &[(Direction, Node)], facts: &dyn Facts) -> Option<i64> {
    let mut sum = number(first, facts)?;
    for (direction, node) in more {
        let part = number(node, facts)?;
        sum = match direction {
            Direction::Plus => sum.saturating_add(part),
            Direction::Minus => sum.saturating_sub(part),
        };
    }
    Some(sum)
}

/// The report of a subject. One of another status than the types were told is none.
fn entry<'f>(subject: &Subject, facts: &'f dyn Facts) -> Option<&'f Entry> {
    let (status, entry) = match subject {
        Subject::Last(status) => (status, facts.last(status)),
        Subject::This(status) => (status, facts.this()),
    };
    entry.filter(|entry| entry.report.status == *status)
}

fn field_of<'f>(entry: &'f Entry, field: &Field) -> Option<Value<'f>> {
    let report = &entry.report;
    match field {
        Field::Outcome(codes) => {
            report.outcome.as_ref().filter(|code| codes.binary_search(code).is_ok()).map(Value::Code)
        }
        Field::Day => Some(Value::Number(i64::from(report.occurred.day()))),
        Field::Effective => report.effective.map(|day| Value::Number(i64::from(day))),
        Field::Author => Some(Value::Authority(&entry.author)),
        Field::CodeAttribute(name, codes) => match report.attributes.get(name)? {
            report::Value::Code(code) if codes.binary_search(code).is_ok() => Some(Value::Code(code)),
            report::Value::Code(_)
            | report::Value::Date(_)
            | report::Value::Authority(_)
            | report::Value::Integer(_)
            | report::Value::Bool(_)
            | report::Value::Commitment(_) => None,
        },
        Field::Attribute(name, holds) => attribute(report.attributes.get(name)?, holds),
    }
}

fn attribute<'f>(value: &'f report::Value, holds: &AttributeType) -> Option<Value<'f>> {
    match (value, holds) {
        (report::Value::Date(day), AttributeType::Date) => Some(Value::Number(i64::from(*day))),
        (report::Value::Authority(id), AttributeType::Authority) => Some(Value::Authority(id)),
        (report::Value::Integer(value), AttributeType::Integer { min, max }) => {
            (min..=max).contains(&value).then_some(Value::Number(*value))
        }
        (report::Value::Bool(value), AttributeType::Bool) => Some(Value::Bool(*value)),
        (report::Value::Commitment(_), AttributeType::Commitment) => Some(Value::Opaque),
        (_, _) => None,
    }
}
