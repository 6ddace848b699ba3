//! Single cases, pages and counts of cases as they were at a height, each as its reader sees it: a filter asks what the
//! reader sees, and a case of which that is nothing is not there. What changed since the height is made anew up to it;
//! the indexes only say where to look.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::ids::{CaseId, Height};
use laufzettel_chain::index::{self, Find};
use laufzettel_chain::registry::Registry;
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::storage::Read;
use laufzettel_contracts::{View, Whole};
use laufzettel_proto::v1;

use crate::api::convert;
use crate::api::effects::{Reader, has_rules};
use crate::api::events::Sights;
use crate::api::status::Failure;
use crate::api::subject::{Moment, Subject};

/// Ids read from an index at once.
const BATCH: usize = 512;
const DUE_BATCH: usize = 16_384;
/// Cases looked at for one page, so that a page of rare matches ends in time.
const LOOKED_AT_MAX: usize = 20_000;

/// Who asks, and at which block.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) read: &'a dyn Read,
    pub(super) registry: &'a Registry,
    pub(super) reader: &'a Reader<'a>,
    pub(super) height: Height,
    /// Time of that block.
    pub(super) time_ms: u64,
}

impl Asking<'_> {
    /// A case at the height; none if it was not opened by then.
    fn subject(&self, id: &CaseId) -> Result<Option<Subject>, Failure> {
        let Some(row) = CaseRow::load(self.read, id)?.filter(|row| row.opened <= self.height) else { return Ok(None) };
        if row.changed <= self.height {
            return Ok(Subject::now(self.read, self.registry, id, self.time_ms)?);
        }
        let moment = Moment { height: self.height, at_ms: 0, as_of_ms: self.time_ms };
        Ok(Subject::known(self.read, self.registry, id, &moment)?)
    }

    /// Height at which what the reader sees of a case changed last.
    fn changed(&self, subject: &Subject, view: &View<'_>, whole: &Whole) -> Result<Height, Failure> {
        if whole.reports && whole.effects() {
            return Ok(subject.changed);
        }
        let mut sights = Sights::new(self.read, self.registry, self.reader.authority, self.time_ms);
        subject.changed_for((self.read, &mut sights), view, (self.height, self.time_ms))
    }
}

/// The message of a case by a view of it, without what follows from its reports. Its numbers count what is in the view, or
/// are left out.
pub(super) fn message(asking: &Asking<'_>, subject: &Subject, view: &View<'_>) -> Result<v1::Case, Failure> {
    let whole = subject.whole(asking.reader, view);
    let row = &subject.row;
    let mut message = v1::Case {
        case_id: subject.id.0.to_vec(),
        opened_height: row.opened,
        changed_height: asking.changed(subject, view, &whole)?,
        partial: !whole.reports,
        ..convert::case(subject.definition(), subject.fold.state(), view)
    };
    if whole.reports {
        message.revision = row.revision;
        (message.history_count, message.history_hash) = (row.history_count, row.history.to_vec());
        message.effects_dropped = subject.followed.dropped();
    }
    Ok(message)
}

/// The same with what follows.
pub(super) fn message_with_effects(
    asking: &Asking<'_>,
    subject: &Subject,
    view: &View<'_>,
) -> Result<v1::Case, Failure> {
    let mut message = message(asking, subject, view)?;
    if has_rules(subject.definition()) {
        subject.followed.fill(asking.reader, view, &mut message);
        message.next_due_ms = subject.next_due_ms(view).unwrap_or(0);
    }
    Ok(message)
}

fn authors(view: &View<'_>) -> BTreeSet<String> {
    view.reports.iter().map(|entry| entry.author.to_string()).collect()
}

fn matches(subject: &Subject, view: &View<'_>, filter: &v1::CaseFilter) -> bool {
    let openness = match filter.openness() {
        v1::CaseOpenness::Unspecified => true,
        v1::CaseOpenness::Open => !view.closed,
        v1::CaseOpenness::Closed => view.closed,
    };
    let (status, authority, due) = (&filter.status, &filter.authority, filter.due_before_ms);
    openness
        && (filter.definition.is_empty() || subject.definition().id() == filter.definition)
        && (authority.is_empty() || view.reports.iter().any(|entry| entry.author.as_str() == authority))
        && (status.is_empty() || view.tracks.iter().any(|track| track.status.as_str() == status))
        && (due == 0 || subject.next_due_ms(view).is_some_and(|due_ms| due_ms < due))
}

/// The narrowest index for a filter.
fn find(filter: &v1::CaseFilter) -> Find<'_> {
    match (filter.status.as_str(), filter.authority.as_str()) {
        ("", "") if filter.due_before_ms > 0 => Find::DueBefore(filter.due_before_ms),
        ("", "") => Find::All,
        ("", authority) => Find::Authority(authority),
        (status, _) => Find::Status(status),
    }
}

/// Whether something falls due in a case before the instant of a filter: its row says so, and it need not be folded.
fn is_due(read: &dyn Read, filter: &v1::CaseFilter, id: &CaseId) -> Result<bool, Failure> {
    if filter.due_before_ms == 0 {
        return Ok(true);
    }
    let due_ms = CaseRow::load(read, id)?.and_then(|row| row.next_due_ms());
    Ok(due_ms.is_some_and(|due_ms| due_ms < filter.due_before_ms))
}

/// Ids to read at once. Those by due instant come sorted out of all that is due, so fewer looks are better.
fn batch(find: Find<'_>) -> usize {
    if matches!(find, Find::DueBefore(_)) { DUE_BATCH } else { BATCH }
}

/// Goes through the cases that match, after a case, until `take` has enough or no more are to be looked at; the case
/// after which to go on.
fn each(
    asking: &Asking<'_>,
    filter: &v1::CaseFilter,
    (after, looked_at_max): (Option<CaseId>, usize),
    take: &mut dyn FnMut(&Subject, &View<'_>) -> Result<bool, Failure>,
) -> Result<Option<CaseId>, Failure> {
    let find = find(filter);
    let (mut looked_at, mut last, mut goes_on) = (0usize, after, true);
    loop {
        let ids = index::cases(asking.read, find, last.as_ref(), batch(find))?;
        for id in &ids {
            if !goes_on || looked_at >= looked_at_max {
                return Ok(last);
            }
            (last, looked_at) = (Some(*id), looked_at.saturating_add(1));
            if !is_due(asking.read, filter, id)? {
                continue;
            }
            let Some(subject) = asking.subject(id)? else { continue };
            if let Some(view) = subject.seen_by(asking.reader).filter(|view| matches(&subject, view, filter)) {
                goes_on = take(&subject, &view)?;
            }
        }
        if ids.len() < batch(find) {
            return Ok(None);
        }
    }
}

/// A page of cases, and the case after which the next page begins.
pub(super) fn page(
    asking: &Asking<'_>,
    filter: &v1::CaseFilter,
    after: Option<CaseId>,
    size: usize,
) -> Result<(Vec<v1::Case>, Option<CaseId>), Failure> {
    let mut cases = Vec::new();
    let next = each(asking, filter, (after, LOOKED_AT_MAX), &mut |subject, view| {
        cases.push(message(asking, subject, view)?);
        Ok(cases.len() < size)
    })?;
    Ok((cases, next))
}

/// How many cases match, by group.
pub(super) fn count(
    asking: &Asking<'_>,
    filter: &v1::CaseFilter,
    grouping: v1::CaseGrouping,
) -> Result<BTreeMap<String, u64>, Failure> {
    let mut counts = BTreeMap::<String, u64>::new();
    each(asking, filter, (None, usize::MAX), &mut |_, view| {
        let keys: BTreeSet<String> = match grouping {
            v1::CaseGrouping::Unspecified => [String::new()].into(),
            v1::CaseGrouping::Status => view.tracks.iter().map(|track| track.status.to_string()).collect(),
            v1::CaseGrouping::Authority => authors(view),
        };
        for key in keys {
            let count = counts.entry(key).or_default();
            *count = count.saturating_add(1);
        }
        Ok(true)
    })?;
    Ok(counts)
}
