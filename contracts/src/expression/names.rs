//! What words mean: keywords, functions, statuses, what may be open, fields of reports. Each that means nothing is told
//! with the nearest that does. Must never let the name of a restricted status pass: no report of one is ever seen.

use super::day;
use super::parser::{Kind, Term};
use super::schema::Fields;
use super::tree::{Field, Node, Subject};
use super::types::{KEYWORDS, Type, Typing};
use crate::definition::AttributeType;
use crate::finding::quoted;
use crate::name::Code;

const FUNCTIONS: [&str; 8] = ["has", "has_ever", "count", "last", "open", "present", "days_between", "date"];
/// Fields of every report.
const FIELDS: [&str; 4] = ["outcome", "day", "effective", "author"];

impl<'s> Typing<'s, '_> {
    pub(super) fn word(&mut self, at: usize, word: &str) -> Option<(Node, Type)> {
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

    pub(super) fn call(&mut self, at: usize, name: &str, arguments: &[Term<'_>]) -> Option<(Node, Type)> {
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

    pub(super) fn member(&mut self, of: &Term<'_>, name: &str, at: usize) -> Option<(Subject, Field, Type)> {
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
