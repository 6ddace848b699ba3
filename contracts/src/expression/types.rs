//! From terms to a checked tree: resolves every name and sees that types fit. A bare word is a code where the other
//! side of a comparison says which codes there are. Must never let a tree through whose evaluation could meet a type
//! it does not expect.

use super::day;
use super::parser::{Kind, Term};
use super::schema::{Fields, Schema};
use super::tree::{Codes, Comparison, Direction, Field, Node, Subject};
use crate::definition::AttributeType;
use crate::finding::{Findings, quoted};
use crate::name::Code;

/// The type of a term.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Type {
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
const KEYWORDS: [&str; 5] = ["true", "false", "this", "regime", "proceeding"];
const FUNCTIONS: [&str; 8] = ["has", "has_ever", "count", "last", "open", "present", "days_between", "date"];
/// Fields of every report.
const FIELDS: [&str; 4] = ["outcome", "day", "effective", "author"];

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

    fn term(&mut self, term: &Term<'_>) -> Option<(Node, Type)> {
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

    fn word(&mut self, at: usize, word: &str) -> Option<(Node, Type)> {
        match word {
            "true" => Some((Node::Bool(true), Type::Bool)),
            "false" => Some((Node::Bool(false), Type::Bool)),
            "proceeding" => Some((Node::Proceeding, Type::Integer)),
            "regime" => {
                let regimes = self.schema.regimes().clone();
                if regimes.is_empty() {
                    return self.error(at, "the definition has no regimes", "declare them as [regime.NAME]");
                }
                Some((Node::Regime(regimes.clone()), Type::Code(regimes)))
            }
            "this" => self.error(at, "`this` is a report, not a value", "name one of its fields, such as `this.day`"),
            _ if self.schema.status(word).is_some() || self.schema.class_of(word).is_some() => {
                let fix = format!("write `has({word})`, or a field such as `last({word}).day`");
                self.error(at, format!("`{word}` is a status, not a value"), fix)
            }
            _ if self.schema.opening(word).is_some() => {
                self.error(at, format!("`{word}` is not a value"), format!("write `open({word})`"))
            }
            _ => {
                let message = format!("`{}` means nothing here", quoted(word));
                let fix = "a code stands alone only where it is compared with a field, as in `this.outcome == CODE`";
                self.findings.misnamed(self.at.saturating_add(at), message, word, KEYWORDS.into_iter(), fix);
                None
            }
        }
    }

    fn call(&mut self, at: usize, name: &str, arguments: &[Term<'_>]) -> Option<(Node, Type)> {
        match (name, arguments) {
            ("has", [status]) => Some((Node::Has(self.status(status)?), Type::Bool)),
            ("has_ever", [status]) => Some((Node::HasEver(self.status(status)?), Type::Bool)),
            ("count", [status]) => Some((Node::Count(self.status(status)?), Type::Integer)),
            ("last", [status]) => {
                let status = self.status(status)?;
                let fix = format!("name one of its fields, such as `last({status}).day`, or ask `has({status})`");
                self.error(at, "this is a report, not a value", fix)
            }
            ("open", [name]) => Some((Node::Open(self.opening(name)?), Type::Bool)),
            ("present", [term]) => Some((self.present(term)?, Type::Bool)),
            ("days_between", [from, to]) => {
                let (from, to) = (self.typed(from, &Type::Date), self.typed(to, &Type::Date));
                Some((Node::DaysBetween(Box::new(from?), Box::new(to?)), Type::Integer))
            }
            ("date", [Term { kind: Kind::Text(text), at }]) => match day::parse(text) {
                Some(days) => Some((Node::Date(days), Type::Date)),
                None => self.error(
                    *at,
                    format!("`{}` is no day of the calendar", quoted(text)),
                    "write it as `date(\"2026-06-12\")`",
                ),
            },
            ("date", _) => self.error(at, "`date` takes one text", "write it as `date(\"2026-06-12\")`"),
            ("days_between", _) => self.error(at, "`days_between` takes two dates", "write `days_between(FROM, TO)`"),
            ("has" | "has_ever" | "count" | "last", _) => {
                self.error(at, format!("`{name}` takes one status"), format!("write `{name}(STATUS)`"))
            }
            ("open", _) => {
                self.error(at, "`open` takes one name", "write `open(NAME)` of a deadline, task, lock or marker")
            }
            ("present", _) => self.error(at, "`present` takes one field", "write `present(last(STATUS).FIELD)`"),
            (_, _) => {
                let message = format!("unknown function `{}`", quoted(name));
                let fix = format!("there are {}", FUNCTIONS.join(", "));
                self.findings.misnamed(self.at.saturating_add(at), message, name, FUNCTIONS.into_iter(), &fix);
                None
            }
        }
    }

    /// The status a function is asked about.
    fn status(&mut self, term: &Term<'_>) -> Option<Code> {
        let Kind::Word(name) = &term.kind else {
            return self.error(term.at, "this is not the name of a status", "write a status");
        };
        if let Some((code, _)) = self.schema.status(name) {
            return Some(code.clone());
        }
        if let Some(class) = self.schema.class_of(name) {
            let message = format!("`{}` is restricted: no report of it stands on the ledger", quoted(name));
            return self.error(term.at, message, format!("ask about its class `{class}`"));
        }
        self.findings.unknown(self.at.saturating_add(term.at), "status", name, self.schema.statuses());
        None
    }

    fn opening(&mut self, term: &Term<'_>) -> Option<Code> {
        let Kind::Word(name) = &term.kind else {
            return self.error(term.at, "this is not a name", "write a deadline, task, lock or marker");
        };
        if let Some(code) = self.schema.opening(name) {
            return Some(code.clone());
        }
        if self.schema.status(name).is_some() {
            return self.error(term.at, format!("`{name}` is a status"), format!("write `has({name})`"));
        }
        let known = self.schema.openings();
        self.findings.unknown(self.at.saturating_add(term.at), "deadline, task, lock or marker", name, known);
        None
    }

    fn present(&mut self, term: &Term<'_>) -> Option<Node> {
        match &term.kind {
            Kind::Member { of, name, name_at } => {
                let (subject, field, _) = self.member(of, name, *name_at)?;
                Some(Node::PresentField(subject, field))
            }
            Kind::Word(_) | Kind::Call { .. } => Some(Node::PresentReport(self.subject(term)?.0)),
            Kind::Integer(_)
            | Kind::Text(_)
            | Kind::Not(_)
            | Kind::And(_)
            | Kind::Or(_)
            | Kind::Compare(..)
            | Kind::In(..)
            | Kind::Sum(..) => self.error(term.at, "this is always present", "ask for a report or a field"),
        }
    }

    /// A report.
    fn subject(&mut self, term: &Term<'_>) -> Option<(Subject, &'s Fields)> {
        match &term.kind {
            Kind::Word("this") => match self.this.and_then(|status| self.schema.status(status)) {
                Some((status, fields)) => Some((Subject::This(status.clone()), fields)),
                None => self.error(term.at, "there is no `this` here", "name a report by `last(STATUS)`"),
            },
            Kind::Call { name: "last", arguments } if arguments.len() == 1 => {
                let status = self.status(arguments.first()?)?;
                let (_, fields) = self.schema.status(status.as_str())?;
                Some((Subject::Last(status), fields))
            }
            Kind::Word(_)
            | Kind::Call { .. }
            | Kind::Integer(_)
            | Kind::Text(_)
            | Kind::Member { .. }
            | Kind::Not(_)
            | Kind::And(_)
            | Kind::Or(_)
            | Kind::Compare(..)
            | Kind::In(..)
            | Kind::Sum(..) => self.error(term.at, "this is no report", "write `last(STATUS)` or `this`"),
        }
    }

    fn member(&mut self, of: &Term<'_>, name: &str, at: usize) -> Option<(Subject, Field, Type)> {
        let (subject, fields) = self.subject(of)?;
        let attribute = fields.attributes.get(name);
        if attribute.is_some() && FIELDS.contains(&name) {
            let message = format!("`{name}` is a field of every report and an attribute of this one");
            return self.error(at, message, "give the attribute another name");
        }
        let status = match &subject {
            Subject::Last(status) | Subject::This(status) => status.clone(),
        };
        match (name, attribute) {
            ("outcome", _) => match &fields.outcomes {
                Some(codes) => Some((subject, Field::Outcome(codes.clone()), Type::Code(codes.clone()))),
                None => self.error(at, format!("`{status}` has no outcomes"), "give it a list by `outcomes`"),
            },
            ("day", _) => Some((subject, Field::Day, Type::Date)),
            ("effective", _) => Some((subject, Field::Effective, Type::Date)),
            ("author", _) => Some((subject, Field::Author, Type::Authority)),
            (_, Some(field)) => Some((subject, field.clone(), type_of(field))),
            (_, None) => {
                let message = format!("`{status}` has no field `{}`", quoted(name));
                let known = FIELDS.into_iter().chain(fields.attributes.keys().map(Code::as_str));
                let fix = format!("there are {}, and its attributes", FIELDS.join(", "));
                self.findings.misnamed(self.at.saturating_add(at), message, name, known, &fix);
                None
            }
        }
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
    fn typed(&mut self, term: &Term<'_>, wanted: &Type) -> Option<Node> {
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

    fn error<T>(&mut self, at: usize, message: impl Into<String>, fix: impl Into<String>) -> Option<T> {
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

fn type_of(field: &Field) -> Type {
    match field {
        Field::Outcome(codes) | Field::CodeAttribute(_, codes) => Type::Code(codes.clone()),
        Field::Day | Field::Effective => Type::Date,
        Field::Author => Type::Authority,
        Field::Attribute(_, AttributeType::Date) => Type::Date,
        Field::Attribute(_, AttributeType::Authority) => Type::Authority,
        Field::Attribute(_, AttributeType::Integer { .. }) => Type::Integer,
        Field::Attribute(_, AttributeType::Bool) => Type::Bool,
        Field::Attribute(_, AttributeType::Commitment) => Type::Commitment,
        // The schema makes a `CodeAttribute` of these.
        Field::Attribute(_, AttributeType::Code(_)) => Type::Commitment,
    }
}
