//! A draft in force from a point of the history on: new cases are opened under it, cases from before keep their version
//! unless a mapping moves them, new calendars count what runs. Cases are moved by the code that moves them on the ledger,
//! over a registry as it would be. Must never change the registry that there is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use laufzettel_contracts::diff::{MappingFault, mapping_faults};
use laufzettel_contracts::{Calendars, Code, Definition};
use thiserror::Error;

use super::super::bare_header;
use crate::ids::{CaseId, Height};
use crate::registry::{Move, Registry};
use crate::state::case::OpenCase;
use crate::storage::{Read, StoreError};

/// From when on a draft is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Cases opened at this height or above it are under it.
    Height(Height),
    /// Cases opened by a block of this time (milliseconds UTC) or later are.
    Instant(u64),
}

/// How a draft comes into force.
#[derive(Debug, Clone, Copy)]
pub struct Order<'o> {
    /// Height of the history that it is tried on.
    pub height: Height,
    /// From when on.
    pub since: Since,
    /// From when on new calendars count, milliseconds UTC.
    pub since_ms: u64,
    /// Moves the cases of the newest version: new status by old one, where the name is another. None: they keep theirs.
    pub moves: Option<&'o BTreeMap<Code, Code>>,
}

/// Why a draft cannot come into force so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OrderError {
    /// There is nothing to move.
    #[error("only the cases of a process definition can be moved; the draft is one of calendars")]
    NoDefinition,
    /// The id was new to the network.
    #[error("the network had no definition of this id then, so there are no cases to move")]
    New,
    /// The draft is not newer than what there was.
    #[error("the draft's version has to be above {0}, the newest that there was then, for cases to move to it")]
    NotNewer(u32),
    /// The calendars are not newer than those that counted.
    #[error("the calendars' version has to be above {0}, the one by which was counted then")]
    CalendarsNotNewer(u32),
}

/// A draft in force.
#[derive(Debug, Clone)]
pub(super) struct Force {
    since: Since,
    /// Height of the history.
    height: Height,
    /// As it would be.
    registry: Registry,
    /// The version whose cases move; 0 if none do.
    pub(super) base: u32,
    /// New status by old one, where cases move.
    pub(super) statuses: Arc<BTreeMap<Code, Code>>,
    /// What is wrong with the mapping: the ledger would refuse it.
    pub(super) faults: Vec<MappingFault>,
    /// Statuses that it cannot carry over.
    unmapped: BTreeSet<Code>,
}

/// How a case stands where the draft is in force.
#[derive(Debug, Clone)]
pub(super) enum Stands {
    /// It was opened under the draft.
    Opened,
    /// As it does now.
    AsNow,
    /// Otherwise: under the draft, or counted by other calendars.
    Otherwise(Box<OpenCase>),
}

/// The newest version of a definition that had been adopted up to a height.
fn newest_at<'r>(registry: &'r Registry, id: &str, height: Height) -> Option<&'r Arc<Definition>> {
    let of_id = registry.definitions.range((id.to_owned(), 0)..=(id.to_owned(), u32::MAX));
    let later = |version: u32| {
        let mut adopted = registry.register.adopted.iter();
        adopted.any(|adopted| adopted.id == id && adopted.version == version && adopted.adopted > height)
    };
    of_id.rev().find(|((_, version), _)| !later(*version)).map(|(_, definition)| definition)
}

/// A mapping of all statuses that may stand on the ledger: what is named, and all else to itself.
fn complete(old: &Definition, named: &BTreeMap<Code, Code>) -> BTreeMap<Code, Code> {
    let on_ledger = old.statuses().iter().filter(|status| status.ledger_as.is_none());
    let mut mapping: BTreeMap<Code, Code> =
        on_ledger.map(|status| (status.code.clone(), status.code.clone())).collect();
    mapping.extend(named.iter().map(|(from, to)| (from.clone(), to.clone())));
    mapping
}

impl Force {
    pub(super) fn new(
        registry: &Registry,
        (definition, calendars): (Option<&Arc<Definition>>, Option<&Arc<Calendars>>),
        order: &Order<'_>,
    ) -> Result<Self, OrderError> {
        let Order { height, since, since_ms, moves } = *order;
        let mut force = Self {
            since,
            height,
            registry: registry.clone(),
            base: 0,
            statuses: Arc::default(),
            faults: Vec::new(),
            unmapped: BTreeSet::new(),
        };
        if let Some(named) = moves {
            force.move_cases(definition.ok_or(OrderError::NoDefinition)?, named)?;
        }
        if let Some(calendars) = calendars {
            force.count_by(calendars, since_ms)?;
        }
        Ok(force)
    }

    fn move_cases(&mut self, draft: &Arc<Definition>, named: &BTreeMap<Code, Code>) -> Result<(), OrderError> {
        let id = draft.id().to_owned();
        let old = newest_at(&self.registry, &id, self.height).ok_or(OrderError::New)?.clone();
        if draft.version() <= old.version() {
            return Err(OrderError::NotNewer(old.version()));
        }
        let statuses = complete(&old, named);
        self.faults = mapping_faults(&old, draft, &statuses);
        self.unmapped = self.faults.iter().filter_map(MappingFault::status).cloned().collect();
        (self.base, self.statuses) = (old.version(), Arc::new(statuses));
        let (to, effective) = (draft.version(), self.height.saturating_add(1));
        let moved = Move { to, effective, since: self.height, statuses: self.statuses.clone() };
        self.registry.definitions.insert((id.clone(), to), draft.clone());
        self.registry.moves.insert((id, self.base), moved);
        Ok(())
    }

    fn count_by(&mut self, draft: &Arc<Calendars>, since_ms: u64) -> Result<(), OrderError> {
        // Without any there is nothing that would be counted anew.
        let Some(now) = self.registry.calendars_at(self.height.saturating_add(1)).cloned() else { return Ok(()) };
        if draft.version() <= now.version() {
            return Err(OrderError::CalendarsNotNewer(now.version()));
        }
        let since_ms = i64::try_from(since_ms).unwrap_or(i64::MAX);
        let next = Calendars::clone(draft).after(now, since_ms);
        self.registry.calendars_since.retain(|(since, _)| *since <= self.height);
        self.registry.calendars_since.push((self.height, Arc::new(next)));
        Ok(())
    }

    /// How a case stands, given as the block after the height finds it.
    pub(super) fn of(&self, read: &dyn Read, now: &OpenCase, is_drafted: bool) -> Result<Stands, StoreError> {
        let opened = now.row().opened;
        let is_new = match self.since {
            Since::Height(height) => opened >= height,
            Since::Instant(ms) => bare_header(read, opened)?.is_some_and(|header| header.time_ms >= ms),
        };
        if is_drafted && is_new {
            return Ok(Stands::Opened);
        }
        let next = self.height.saturating_add(1);
        if now.is_at(&self.registry, next) {
            return Ok(Stands::AsNow);
        }
        Ok(Stands::Otherwise(Box::new(now.clone())))
    }

    /// Brings a case that stands otherwise to where it would stand.
    pub(super) fn bring(&self, case: &mut OpenCase, id: CaseId, as_of_ms: u64) {
        case.come_to(&self.registry, id, self.height.saturating_add(1));
        case.bring(as_of_ms);
    }

    /// Standing reports, by status, that a case would take along and that cannot be mapped.
    pub(super) fn unmapped(&self, case: &OpenCase) -> BTreeMap<Code, u32> {
        let mut found: BTreeMap<Code, u32> = BTreeMap::new();
        if case.definition.version() == self.base {
            let reports = case.fold.entries().iter().map(|entry| &entry.report.status);
            for status in reports.filter(|status| self.unmapped.contains(*status)) {
                let count = found.entry(status.clone()).or_default();
                *count = count.saturating_add(1);
            }
        }
        found
    }
}
