//! What is to be tried, checked: the texts before anything is read, the height and the point from which on against the
//! snapshot. Must never start anything.

use std::collections::BTreeMap;

use laufzettel_chain::header::Header;
use laufzettel_chain::ids::Height;
use laufzettel_chain::ledger::Tip;
use laufzettel_chain::query::{self, Draft, Order, OrderError, Since};
use laufzettel_chain::storage::Read;
use laufzettel_contracts::limits::STATUSES_MAX;
use laufzettel_contracts::{Calendars, Code, Definition, Finding};
use laufzettel_proto::v1;

use crate::api::backend::Backend;
use crate::api::reasons::Reason;
use crate::api::status::Failure;

/// What is asked.
pub(super) struct Asked {
    definition: Option<Definition>,
    calendars: Option<Calendars>,
    /// Only cases of this version of the definition.
    pub(super) version: Option<u32>,
    as_of_ms: u64,
    height: Height,
    /// Where cases move, the statuses that are named.
    moves: Option<BTreeMap<Code, Code>>,
    from: Option<From>,
}

/// From when on, as it was said.
#[derive(Debug, Clone, Copy)]
enum From {
    Height(Height),
    Instant(u64),
    Now,
}

/// What is looked at, and how the draft comes into force there.
pub(super) struct Settled {
    pub(super) draft: Draft,
    /// Of the block looked at.
    pub(super) header: Header,
    pub(super) as_of_ms: u64,
    /// From when on the draft is in force; none if it is tried as if always alone.
    pub(super) force: Option<Settling>,
}

/// From when on a draft is in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settling {
    pub(super) height: Height,
    pub(super) ms: u64,
}

fn refused(field: &str, findings: &[Finding]) -> Failure {
    let first = findings.first().map(ToString::to_string).unwrap_or_default();
    Failure::field(
        field,
        format!("has {} findings, first {first}; `laufzettel process check` tells all", findings.len()),
    )
}

fn mapping(request: &v1::SimulateProcessRequest) -> Result<Option<BTreeMap<Code, Code>>, Failure> {
    if !request.move_cases {
        return match request.moves.first() {
            None => Ok(None),
            Some(_) => Err(Failure::field("moves", "are given together with move_cases")),
        };
    }
    if request.moves.len() > STATUSES_MAX {
        return Err(Failure::field("moves", format!("are at most {STATUSES_MAX}, as many as a process has statuses")));
    }
    let code = |text: &str| Code::new(text).map_err(|error| Failure::field("moves", error.to_string()));
    let pairs = request.moves.iter().map(|pair| Ok((code(&pair.from)?, code(&pair.to)?)));
    pairs.collect::<Result<_, _>>().map(Some)
}

fn from(request: &v1::SimulateProcessRequest) -> Result<Option<From>, Failure> {
    let given = [
        (request.from_height > 0).then_some(From::Height(request.from_height)),
        (request.from_ms > 0).then_some(From::Instant(request.from_ms)),
        request.from_now.then_some(From::Now),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (first, None) => Ok(first),
        _ => Err(Failure::field("from_height", "from_ms and from_now say the same: give one")),
    }
}

impl Asked {
    pub(super) fn of(backend: &Backend, request: &v1::SimulateProcessRequest) -> Result<Self, Failure> {
        let registry = backend.subscribe().borrow().registry.clone();
        if request.definition.is_empty() && request.calendars.is_empty() {
            return Err(Failure::field("definition", "give a definition or calendars, or both"));
        }
        let definition = match request.definition.as_str() {
            "" => None,
            text => Some(Definition::check(text).map_err(|all| refused("definition", &all))?.definition),
        };
        let calendars = match request.calendars.as_str() {
            "" => None,
            text => Some(Calendars::check(text).map_err(|all| refused("calendars", &all))?.calendars),
        };
        if let Some(draft) = &definition
            && !registry.definitions.keys().any(|(id, _)| id == draft.id())
        {
            let message =
                format!("the network has no definition {}; a draft is tried with the cases of its id", draft.id());
            return Err(Failure::with(Reason::DefinitionNotFound, message));
        }
        let counts = definition.as_ref().is_some_and(|draft| draft.language() >= 2);
        if counts && calendars.is_none() && registry.calendars.is_none() {
            return Err(Failure::field("calendars", "the network has none; the draft counts periods by some"));
        }
        let version = (request.version > 0).then_some(request.version);
        let (moves, from) = (mapping(request)?, from(request)?);
        let (as_of_ms, height) = (request.as_of_ms, request.height);
        Ok(Self { definition, calendars, version, as_of_ms, height, moves, from })
    }

    /// Finds the block looked at, and has the draft come into force.
    pub(super) fn settle(self, read: &dyn Read, tip: &Tip) -> Result<Settled, Failure> {
        let header = header_at(read, tip, self.height)?;
        let height = header.height;
        // Cases that move without a word of when do so now.
        let from = self.from.or_else(|| self.moves.as_ref().map(|_| From::Now));
        let as_of_ms = if self.as_of_ms == 0 { header.time_ms } else { self.as_of_ms };
        // What was over by the block no new calendars change.
        let counted_ms = as_of_ms.min(header.time_ms);
        let draft = Draft::new(&tip.registry, self.definition, self.calendars, counted_ms);
        let Some(from) = from else { return Ok(Settled { draft, header, as_of_ms, force: None }) };
        let (since, since_ms, from_height) = match from {
            From::Now => (Since::Height(height.saturating_add(1)), header.time_ms, height.saturating_add(1)),
            From::Height(from) if from > height.saturating_add(1) => {
                return Err(Failure::with(Reason::HeightAhead, "the draft cannot be in force from a later block on"));
            }
            From::Height(from) => {
                let below = from.saturating_sub(1);
                let time_ms = if below == 0 { 0 } else { header_at(read, tip, below)?.time_ms };
                (Since::Height(from), time_ms, from)
            }
            From::Instant(ms) if ms > header.time_ms => {
                let message = "lies after the block looked at; from_now says from there on";
                return Err(Failure::field("from_ms", message));
            }
            From::Instant(ms) => (Since::Instant(ms), ms, 0),
        };
        let order = Order { height, since, since_ms, moves: self.moves.as_ref() };
        let draft = draft.in_force(&tip.registry, &order).map_err(|error| not_so(&error))?;
        let force = Some(Settling { height: from_height, ms: since_ms });
        Ok(Settled { draft, header, as_of_ms, force })
    }
}

fn not_so(error: &OrderError) -> Failure {
    let field = if matches!(error, OrderError::CalendarsNotNewer(_)) { "calendars" } else { "move_cases" };
    Failure::field(field, error.to_string())
}

/// The header of a height; of the newest block for 0.
fn header_at(read: &dyn Read, tip: &Tip, height: Height) -> Result<Header, Failure> {
    let newest = tip.header.height;
    if height == 0 || height == newest {
        return Ok(tip.header.clone());
    }
    if height > newest {
        return Err(Failure::new(Reason::HeightAhead).and("height", newest));
    }
    let pruned = || {
        let message = format!("this node does not keep what height {height} was: it joined from a later one");
        Failure::with(Reason::Pruned, message)
    };
    query::bare_header(read, height)?.ok_or_else(pruned)
}
