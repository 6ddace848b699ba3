//! Which events a reader sees. A report is seen by whom its status names in this case; its correction by those too who
//! saw what it replaces, without what it says if that is not for them; its retraction by all who saw it. So nobody goes
//! on believing what no longer stands, and nobody learns what was never his. Must never show part of a report.

mod counted;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use laufzettel_chain::ids::{CaseId, Height};
use laufzettel_chain::index;
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::ledger::{PROTOCOL_VERSION_MAX, Tip};
use laufzettel_chain::query::{self, Event};
use laufzettel_chain::registry::Registry;
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::storage::{Read, StoreError};
use laufzettel_contracts::{AuthorityId, Definition, Holders, Position, Report, Sight, Slot};
use laufzettel_proto::v1;

use super::convert;
use super::effects::{Reader, has_rules};
use super::status::Failure;
use super::subject;
pub(super) use counted::{bare_receipt, outcome};

/// Cases remembered while one answer is made; then all are forgotten.
const CASES_MAX: usize = 4_096;

/// Places looked at for one page, so that a page of which little is for its reader ends in time.
const LOOKED_AT_MAX: usize = 20_000;

/// A page of events.
pub(super) struct Page {
    pub(super) events: Vec<v1::Event>,
    /// The last place that the page has passed.
    pub(super) next: Position,
    /// There is more of the ledger, if not for the reader.
    pub(super) more: bool,
}

/// A page of what is after a place.
///
/// # Errors
/// The store failed.
pub(super) fn page(
    (read, tip): (&dyn Read, &Tip),
    authority: &str,
    case: Option<CaseId>,
    after: &Position,
    size: usize,
) -> Result<Page, Failure> {
    let mut sights = Sights::new(read, &tip.registry, authority, tip.header.time_ms);
    let mut page = Page { events: Vec::new(), next: *after, more: true };
    let mut looked_at = 0usize;
    while page.events.len() < size && looked_at < LOOKED_AT_MAX {
        // One more than is missing, which tells whether there is more.
        let wanted = size.saturating_sub(page.events.len());
        let found = sights.after(case, &page.next, wanted.saturating_add(1))?;
        page.more = found.len() > wanted;
        for (place, event) in found.into_iter().take(wanted) {
            (page.next, looked_at) = (place, looked_at.saturating_add(1));
            page.events.extend(event);
        }
        if !page.more {
            break;
        }
    }
    Ok(page)
}

/// What has to be known of a case to judge its events.
struct Known {
    definition: Arc<Definition>,
    version: u32,
    opened: Height,
    /// Read only where it matters.
    holders: Option<Holders>,
    /// By slot, where the reader first saw a report in it; looked for once, where it matters.
    first: Option<BTreeMap<Slot, Position>>,
    /// Whether the reader sees every report that the process knows.
    whole: Option<bool>,
}

/// A reader before the events of one answer.
pub(super) struct Sights<'s> {
    read: &'s dyn Read,
    registry: &'s Registry,
    reader: Reader<'s>,
    time_ms: u64,
    cases: BTreeMap<CaseId, Option<Known>>,
}

impl<'s> Sights<'s> {
    /// Of the state of a block, whose time it is.
    pub(super) fn new(read: &'s dyn Read, registry: &'s Registry, authority: &'s str, time_ms: u64) -> Self {
        Self { read, registry, reader: Reader::of(registry, authority), time_ms, cases: BTreeMap::new() }
    }

    /// Who reads.
    pub(super) fn authority(&self) -> &str {
        self.reader.authority
    }

    /// Events after a place, of one case or of the whole ledger, each with its place also where it is not for the reader.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn after(
        &mut self,
        case: Option<CaseId>,
        after: &Position,
        limit: usize,
    ) -> Result<Vec<(Position, Option<v1::Event>)>, Failure> {
        let rows = match case {
            None => index::events_after(self.read, after, limit)?,
            Some(case) => {
                let all = index::of_case(self.read, &case, 0, usize::MAX)?.into_iter();
                let new = all.filter(|(_, position)| position > after).take(limit);
                new.map(|(revision, position)| (position, case, revision)).collect()
            }
        };
        let mut events = Vec::with_capacity(rows.len());
        for (position, case, revision) in rows {
            let event = query::event(self.read, &position, revision)?;
            let shown = match self.shown(case, &event)? {
                // A count of what is left out would tell of it.
                Some(event) if !self.counts(&case)? => Some(v1::Event { case_revision: 0, ..event }),
                shown => shown,
            };
            events.push((position, shown));
        }
        Ok(events)
    }

    /// An event as the reader sees it; none if it does not, or if it is no event.
    fn shown(&mut self, case: CaseId, event: &Event) -> Result<Option<v1::Event>, StoreError> {
        let (at, author) = (event.position, event.authority.as_str());
        let Some(item) = &event.item else {
            // Erased: what it said nobody knows any more, so nobody can tell who may know of it but its author.
            return Ok(if self.reader.authority == author { convert::event(case, event) } else { None });
        };
        Ok(match &item.action {
            Action::Report(report) if self.sees(&case, at.height, author, report)? => convert::event(case, event),
            Action::Correct { report, .. } if self.sees(&case, at.height, author, report)? => {
                convert::event(case, event)
            }
            Action::Correct { slot, .. } if self.saw(&case, slot, &at)? => {
                convert::event(case, event).map(|event| v1::Event { action: None, ..event })
            }
            Action::Retract { slot, .. } if self.saw(&case, slot, &at)? => convert::event(case, event),
            _ => None,
        })
    }

    /// Whether the reader may have an item of a block as it was signed.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn item(&mut self, author: &str, at: &Position, bytes: &[u8]) -> Result<bool, StoreError> {
        if self.reader.authority == author {
            return Ok(true);
        }
        let Ok(item) = Item::decode_in(bytes, PROTOCOL_VERSION_MAX) else { return Ok(false) };
        let Some(case) = item.case else { return Ok(true) };
        match &item.action {
            Action::Report(report) | Action::Correct { report, .. } => self.sees(&case, at.height, author, report),
            Action::Retract { slot, .. } => self.saw(&case, slot, at),
            _ => Ok(false),
        }
    }

    /// Whether the reader saw the report of a slot, as it was made or corrected before a place.
    fn saw(&mut self, case: &CaseId, slot: &Slot, before: &Position) -> Result<bool, StoreError> {
        let known = self.known(case)?;
        if known.is_some_and(|known| known.first.is_none()) {
            let first = self.first(case)?;
            if let Some(known) = self.known(case)? {
                known.first = Some(first);
            }
        }
        let first = self.known(case)?.and_then(|known| known.first.as_ref()?.get(slot));
        Ok(first.is_some_and(|first| first < before))
    }

    /// By slot, where the reader first saw a report of it: one way through the case for all that is asked of it.
    fn first(&mut self, case: &CaseId) -> Result<BTreeMap<Slot, Position>, StoreError> {
        let mut first = BTreeMap::new();
        for (revision, position) in index::of_case(self.read, case, 0, usize::MAX)? {
            let event = query::event(self.read, &position, revision)?;
            let author = event.authority.as_str();
            let (slot, report) = match event.item.as_ref().map(|item| &item.action) {
                Some(Action::Report(report)) => (event.receipt.item.slot(author), report),
                Some(Action::Correct { slot, report }) => (*slot, report),
                _ => continue,
            };
            if !first.contains_key(&slot) && self.sees(case, position.height, author, report)? {
                first.insert(slot, position);
            }
        }
        Ok(first)
    }

    /// What is known of a case; none if there is no such case.
    fn known(&mut self, case: &CaseId) -> Result<Option<&mut Known>, StoreError> {
        if self.cases.len() >= CASES_MAX && !self.cases.contains_key(case) {
            self.cases.clear();
        }
        let known = match self.cases.entry(*case) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => place.insert(known(self.read, self.registry, case)?),
        };
        Ok(known.as_mut())
    }

    /// Whether a report that was recorded at a height is for the reader.
    fn sees(&mut self, case: &CaseId, recorded: Height, author: &str, report: &Report) -> Result<bool, StoreError> {
        let (read, registry, time_ms, reader) = (self.read, self.registry, self.time_ms, self.reader.clone());
        let eye = reader.eye();
        if AuthorityId::new(author).is_ok_and(|author| eye.is_of(&author, report)) {
            return Ok(true);
        }
        let Some(known) = self.known(case)? else { return Ok(false) };
        let heights = (known.opened, recorded);
        let code = registry.renamed(known.definition.id(), known.version, heights, &report.status);
        let Some(status) = known.definition.status(code.as_str()) else { return Ok(false) };
        if !eye.may_see(status) {
            return Ok(false);
        }
        if !has_rules(&known.definition) {
            return Ok(true);
        }
        if counted::is_certain(registry, &reader, status) {
            return Ok(true);
        }
        let holders = match known.holders.take() {
            Some(holders) => holders,
            None => subject::holders(read, registry, case, time_ms)?,
        };
        let sees = Sight::new(&known.definition, &holders, &eye).status(status);
        known.holders = Some(holders);
        Ok(sees)
    }
}

fn known(read: &dyn Read, registry: &Registry, case: &CaseId) -> Result<Option<Known>, StoreError> {
    let Some(row) = CaseRow::load(read, case)? else { return Ok(None) };
    let definition = row.definition(registry, case)?.clone();
    Ok(Some(Known { definition, version: row.version, opened: row.opened, holders: None, first: None, whole: None }))
}
