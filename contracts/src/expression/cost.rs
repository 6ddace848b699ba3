//! What an expression costs: one for each node of its tree, and more where the case is asked something. Known without
//! a case, so that a definition's work is known when it is adopted. Must never depend on what a report holds.

use super::tree::{Node, Subject};
use crate::limits::EXPRESSION_FACT_COST;

/// The cost of a tree in steps.
///
/// Evaluation visits a node at most once and does no more per node than a comparison of names, a search among at most
/// `CODES_MAX` codes, or one question to the case: so this bounds its time.
pub(super) fn cost(node: &Node) -> u32 {
    let own = match node {
        Node::Has(_)
        | Node::HasEver(_)
        | Node::Count(_)
        | Node::Open(_)
        | Node::PresentReport(Subject::Last(_))
        | Node::PresentField(Subject::Last(_), _)
        | Node::Field(Subject::Last(_), _) => EXPRESSION_FACT_COST,
        Node::Bool(_)
        | Node::Integer(_)
        | Node::Date(_)
        | Node::Code(_)
        | Node::PresentReport(Subject::This(_))
        | Node::PresentField(Subject::This(_), _)
        | Node::Field(Subject::This(_), _)
        | Node::Regime(_)
        | Node::Proceeding
        | Node::DaysBetween(..)
        | Node::Sum(..)
        | Node::Compare(..)
        | Node::In(..)
        | Node::Not(_)
        | Node::And(_)
        | Node::Or(_) => 0,
    };
    // Parts of a sum and of a chain pay for their operator with their own step.
    node.children().into_iter().fold(own.saturating_add(1), |sum, child| sum.saturating_add(cost(child)))
}
