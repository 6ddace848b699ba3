//! From terms to a checked tree: sees that types fit, and has `names` say what words mean. A bare word is a code where
//! the other side of a comparison says which codes there are. Must never let a tree through whose evaluation could meet a type
//! it does not expect.

use super::parser::{Kind, Term};
use super::schema::Schema;
use super::tree::{Codes, Comparison, Direction, Node};
use crate::finding::{Findings, quoted};
use crate::name::Code;

/// The type of a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Integer,
    Date,
    Authority,
    Commitment,
    Code(Codes),
}

impl Type {
    fn name(&self) -> &'static str {
        match self {
            Self::Bool => "a condition",
            Self::Integer => "an integer",
            Self::Date => "a date",
            Self::Authority => "an authority",
            Self::Commitment => "a commitment",
            Self::Code(_) => "a code",
        }
    }
}

/// Words with a meaning of their own. A code of the same name cannot be written in an expression.
pub(super) const KEYWORDS: [&str; 5] = ["true", "false", "this", "regime", "proceeding"];

/// Where an expression stands.
pub(super) struct Typing<'s, 'f> {
    pub(super) schema: &'s Schema,
    /// The status of `this`, where there is one.
    pub(super) this: Option<&'s str>,
    /// Where the expression begins in the definition's text.
    pub(super) at: usize,
    pub(super) findings: &'f mut Findings,
}

impl<'s> Typing<'s, '_> {
    /// A term that must be a condition.
    pub(super) fn condition(&mut self, term: &Term<'_>) -> Option<Node> {
        let (node, found) = self.term(term)?;
        if found == Type::Bool {
            return Some(node);
        }
        self.error(term.at, format!("this is {}, not a condition", found.name()), "compare it with something")
    }

    pub(super) fn term(&mut self, term: &Term<'_>) -> Option<(Node, Type)> {
        match &term.kind {
            Kind::Integer(value) => Some((Node::Integer(*value), Type::Integer)),
            Kind::Text(text) => self.error(
                term.at,
                format!("the text `{}` cannot stand here", quoted(text)),
                "write a code without quotes, and a day as `date(\"2026-06-12\")`",
            ),
            Kind::Word(word) => self.word(term.at, word),
            Kind::Call { name, arguments } => self.call(term.at, name, arguments),
            Kind::Member { of, name, name_at } => {
                let (subject, field, holds) = self.member(of, name, *name_at)?;
                Some((Node::Field(subject, field), holds))
            }
            Kind::Not(inner) => Some((Node::Not(Box::new(self.condition(inner)?)), Type::Bool)),
            Kind::And(all) => {
                let parts = self.conditions(all)?;
                let flat =
                    parts.into_iter().flat_map(|node| if let Node::And(inner) = node { inner } else { vec![node] });
                Some((Node::And(flat.collect()), Type::Bool))
            }
            Kind::Or(all) => {
                let parts = self.conditions(all)?;
                let flat =
                    parts.into_iter().flat_map(|node| if let Node::Or(inner) = node { inner } else { vec![node] });
                Some((Node::Or(flat.collect()), Type::Bool))
            }
            Kind::Compare(comparison, left, right) => self.compare(term.at, *comparison, left, right),
            Kind::In(left, list) => self.within(left, list),
            Kind::Sum(first, more) => self.sum(first, more),
        }
    }

    /// All are checked even if one is wrong, so that all findings are told at once.
    fn conditions(&mut self, all: &[Term<'_>]) -> Option<Vec<Node>> {
        let nodes: Vec<Option<Node>> = all.iter().map(|term| self.condition(term)).collect();
        nodes.into_iter().collect()
    }

    fn compare(
        &mut self,
        at: usize,
        comparison: Comparison,
        left: &Term<'_>,
        right: &Term<'_>,
    ) -> Option<(Node, Type)> {
        let ((left, holds), (right, other)) = match (bare(left), bare(right)) {
            (Some(_), Some(_)) => {
                return self.error(left.at, "two bare codes are compared", "compare a field, such as `this.outcome`");
            }
            (Some(code), None) => {
                let right = self.term(right)?;
                (self.against(left, code, &right.1)?, right)
            }
            (None, Some(code)) => {
                let left = self.term(left)?;
                let right = self.against(right, code, &left.1)?;
                (left, right)
            }
            (None, None) => {
                let (left, right) = (self.term(left), self.term(right));
                (left?, right?)
            }
        };
        self.alike(at, &holds, &other)?;
        if comparison.orders() && !matches!(holds, Type::Integer | Type::Date) {
            let message = format!("`{}` asks for an order, and {} has none", comparison.sign(), holds.name());
            return self.error(at, message, "compare by `==`, `!=` or `in`");
        }
        Some((Node::Compare(comparison, Box::new(left), Box::new(right)), Type::Bool))
    }

    fn within(&mut self, left: &Term<'_>, list: &[Term<'_>]) -> Option<(Node, Type)> {
        if bare(left).is_some() {
            return self.error(left.at, "a bare code is looked for", "write the field left of `in`");
        }
        let (value, holds) = self.term(left)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            let found = match bare(item) {
                Some(code) => self.against(item, code, &holds),
                None => self.term(item),
            };
            let found = found.and_then(|(node, other)| self.alike(item.at, &holds, &other).map(|()| node));
            items.push(found);
        }
        let items: Option<Vec<Node>> = items.into_iter().collect();
        Some((Node::In(Box::new(value), items?), Type::Bool))
    }

    /// A bare word, understood by what it is compared with.
    fn against(&mut self, term: &Term<'_>, word: &str, other: &Type) -> Option<(Node, Type)> {
        let Type::Code(codes) = other else {
            return self.term(term);
        };
        if let Some(code) = codes.iter().find(|code| code.as_str() == word) {
            return Some((Node::Code(code.clone()), other.clone()));
        }
        self.findings.unknown(self.at.saturating_add(term.at), "code", word, codes.iter().map(Code::as_str));
        None
    }

    /// Whether values of two types can be compared.
    fn alike(&mut self, at: usize, left: &Type, right: &Type) -> Option<()> {
        match (left, right) {
            (Type::Commitment, _) | (_, Type::Commitment) => {
                self.error(at, "a commitment cannot be compared", "ask only whether it is there: `present(...)`")
            }
            (Type::Code(left), Type::Code(right)) => {
                if left.iter().any(|code| right.binary_search(code).is_ok()) {
                    return Some(());
                }
                self.error(at, "the two sides have no code in common", "compare fields with codes of one list")
            }
            (left, right) if left == right => Some(()),
            (left, right) => {
                let message = format!("{} is compared with {}", left.name(), right.name());
                self.error(at, message, "compare what is of one type")
            }
        }
    }

    fn sum(&mut self, first: &Term<'_>, more: &[(Direction, Term<'_>)]) -> Option<(Node, Type)> {
        let first = self.typed(first, &Type::Integer);
        let rest: Vec<Option<(Direction, Node)>> = more
            .iter()
            .map(|(direction, term)| self.typed(term, &Type::Integer).map(|node| (*direction, node)))
            .collect();
        let rest: Option<Vec<(Direction, Node)>> = rest.into_iter().collect();
        let (first, rest) = (first?, rest?);
        // The chain is worked from the left anyway.
        let (first, all) = if let Node::Sum(inner, mut all) = first {
            all.extend(rest);
            (inner, all)
        } else {
            (Box::new(first), rest)
        };
        Some((Node::Sum(first, all), Type::Integer))
    }

    /// A term that must be an integer or a date.
    pub(super) fn typed(&mut self, term: &Term<'_>, wanted: &Type) -> Option<Node> {
        let (node, found) = self.term(term)?;
        if found == *wanted {
            return Some(node);
        }
        let fix = match (&found, wanted) {
            (Type::Date, Type::Integer) => "count days by `days_between(FROM, TO)`",
            (_, Type::Date) => "write the field of a report, or `date(\"2026-06-12\")`",
            (_, _) => "write an integer",
        };
        self.error(term.at, format!("this is {}, not {}", found.name(), wanted.name()), fix)
    }

    pub(super) fn error<T>(&mut self, at: usize, message: impl Into<String>, fix: impl Into<String>) -> Option<T> {
        self.findings.error(self.at.saturating_add(at), message, fix);
        None
    }
}

/// A word that may be a code.
fn bare<'t>(term: &Term<'t>) -> Option<&'t str> {
    match term.kind {
        Kind::Word(word) if !KEYWORDS.contains(&word) => Some(word),
        Kind::Word(_)
        | Kind::Integer(_)
        | Kind::Text(_)
        | Kind::Call { .. }
        | Kind::Member { .. }
        | Kind::Not(_)
        | Kind::And(_)
        | Kind::Or(_)
        | Kind::Compare(..)
        | Kind::In(..)
        | Kind::Sum(..) => None,
    }
}
