//! The checked tree of an expression: every name is resolved, every type fits. Printed as canonical text, which reads
//! back as the same tree. Must never be made by anything but `types`.

use super::day;
use crate::definition::AttributeType;
use crate::name::Code;
use std::fmt;
use std::sync::Arc;

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    pub(super) const ALL: [Self; 6] =
        [Self::Equal, Self::Unequal, Self::Less, Self::AtMost, Self::Greater, Self::AtLeast];

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    /// Whether it asks for more than being the same.
    pub(super) fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::Unequal)
    }
}

/// Whether a part of a sum is added or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Plus,
    Minus,
}

/// Codes a value may have, in the order of their bytes.
pub(super) type Codes = Arc<[Code]>;

/// A report of a known status that may or may not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// The last one of the status in the current proceeding.
    Last(Code),
    /// The one that is judged, or that triggered the rule.
    This(Code),
}

/// A field of a report. One whose value is not of this type, or not within these bounds, counts as absent: a verdict
/// about the bounds is so never wrong, whatever a report holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Outcome(Codes),
    Day,
    Effective,
    Author,
    /// An attribute that is no code.
    Attribute(Code, AttributeType),
    /// An attribute that is one of these codes.
    CodeAttribute(Code, Codes),
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Bool(bool),
    Integer(i64),
    /// Days since 1970-01-01.
    Date(i32),
    Code(Code),
    Has(Code),
    HasEver(Code),
    Count(Code),
    Open(Code),
    /// Whether there is such a report.
    PresentReport(Subject),
    /// Whether there is such a report and it has the field.
    PresentField(Subject, Field),
    Field(Subject, Field),
    Regime(Codes),
    Proceeding,
    DaysBetween(Box<Node>, Box<Node>),
    Sum(Box<Node>, Vec<(Direction, Node)>),
    Compare(Comparison, Box<Node>, Box<Node>),
    In(Box<Node>, Vec<Node>),
    Not(Box<Node>),
    /// None of them is an `And`.
    And(Vec<Node>),
    /// None of them is an `Or`.
    Or(Vec<Node>),
}

/// How strongly the outermost operator of a node binds; a weaker one inside a stronger one stands in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Or,
    And,
    Relation,
    Sum,
    Unary,
}

impl Node {
    /// The nodes directly below.
    pub(super) fn children(&self) -> Vec<&Node> {
        match self {
            Self::Bool(_)
            | Self::Integer(_)
            | Self::Date(_)
            | Self::Code(_)
            | Self::Has(_)
            | Self::HasEver(_)
            | Self::Count(_)
            | Self::Open(_)
            | Self::PresentReport(_)
            | Self::PresentField(..)
            | Self::Field(..)
            | Self::Regime(_)
            | Self::Proceeding => Vec::new(),
            Self::DaysBetween(left, right) | Self::Compare(_, left, right) => vec![left, right],
            Self::Sum(first, more) => std::iter::once(&**first).chain(more.iter().map(|(_, node)| node)).collect(),
            Self::In(value, list) => std::iter::once(&**value).chain(list).collect(),
            Self::Not(inner) => vec![inner],
            Self::And(all) | Self::Or(all) => all.iter().collect(),
        }
    }

    fn strength(&self) -> Strength {
        match self {
            Self::Or(_) => Strength::Or,
            Self::And(_) => Strength::And,
            Self::Compare(..) | Self::In(..) => Strength::Relation,
            Self::Sum(..) => Strength::Sum,
            Self::Bool(_)
            | Self::Integer(_)
            | Self::Date(_)
            | Self::Code(_)
            | Self::Has(_)
            | Self::HasEver(_)
            | Self::Count(_)
            | Self::Open(_)
            | Self::PresentReport(_)
            | Self::PresentField(..)
            | Self::Field(..)
            | Self::Regime(_)
            | Self::Proceeding
            | Self::DaysBetween(..)
            | Self::Not(_) => Strength::Unary,
        }
    }

    fn write_within(&self, least: Strength, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.strength() < least { write!(formatter, "({self})") } else { write!(formatter, "{self}") }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last(status) => write!(formatter, "last({status})"),
            Self::This(_) => formatter.write_str("this"),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome(_) => formatter.write_str("outcome"),
            Self::Day => formatter.write_str("day"),
            Self::Effective => formatter.write_str("effective"),
            Self::Author => formatter.write_str("author"),
            Self::Attribute(name, _) | Self::CodeAttribute(name, _) => name.fmt(formatter),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(formatter),
            Self::Integer(value) => value.fmt(formatter),
            Self::Date(days) => write!(formatter, "date(\"{}\")", day::print(*days)),
            Self::Code(code) => code.fmt(formatter),
            Self::Has(status) => write!(formatter, "has({status})"),
            Self::HasEver(status) => write!(formatter, "has_ever({status})"),
            Self::Count(status) => write!(formatter, "count({status})"),
            Self::Open(name) => write!(formatter, "open({name})"),
            Self::PresentReport(subject) => write!(formatter, "present({subject})"),
            Self::PresentField(subject, field) => write!(formatter, "present({subject}.{field})"),
            Self::Field(subject, field) => write!(formatter, "{subject}.{field}"),
            Self::Regime(_) => formatter.write_str("regime"),
            Self::Proceeding => formatter.write_str("proceeding"),
            Self::DaysBetween(from, to) => write!(formatter, "days_between({from}, {to})"),
            Self::Sum(first, more) => {
                first.write_within(Strength::Sum, formatter)?;
                for (direction, node) in more {
                    formatter.write_str(if *direction == Direction::Plus { " + " } else { " - " })?;
                    node.write_within(Strength::Unary, formatter)?;
                }
                Ok(())
            }
            Self::Compare(comparison, left, right) => {
                left.write_within(Strength::Sum, formatter)?;
                write!(formatter, " {} ", comparison.sign())?;
                right.write_within(Strength::Sum, formatter)
            }
            Self::In(value, list) => {
                value.write_within(Strength::Sum, formatter)?;
                formatter.write_str(" in [")?;
                write_joined(list, ", ", Strength::Or, formatter)?;
                formatter.write_str("]")
            }
            Self::Not(inner) => {
                formatter.write_str("!")?;
                inner.write_within(Strength::Unary, formatter)
            }
            Self::And(all) => write_joined(all, " && ", Strength::Relation, formatter),
            Self::Or(all) => write_joined(all, " || ", Strength::And, formatter),
        }
    }
}

fn write_joined(all: &[Node], between: &str, least: Strength, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (place, node) in all.iter().enumerate() {
        if place > 0 {
            formatter.write_str(between)?;
        }
        node.write_within(least, formatter)?;
    }
    Ok(())
}
