//! Views, pages and counts of cases as they were at a height. What changed
//! since is folded again up to that height; the indexes only say where to look.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::ids::{CaseId, Height};
use laufzettel_chain::index::{self, Find};
use laufzettel_chain::query;
use laufzettel_chain::registry::Registry;
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::storage::Read;
use laufzettel_contracts::{CaseFold, CaseState, Slot};
use laufzettel_proto::v1;

use crate::api::convert;
use crate::api::status::Failure;

/// Ids read from an index at once.
const BATCH: usize = 512;
const DUE_BATCH: usize = 16_384;
/// Cases looked at for one page, so that a page of rare matches ends in time.
const LOOKED_AT_MAX: usize = 20_000;

/// A case as it was at a height.
struct Seen {
    case: query::Case,
    state: CaseState,
    authors: Vec<String>,
    timeline: Vec<Slot>,
    earlier: bool,
}

pub(super) fn authors(fold: &CaseFold) -> Vec<String> {
    let authors: BTreeSet<_> = fold.entries().iter().map(|entry| entry.author.to_string()).collect();
    authors.into_iter().collect()
}

/// Slots of the reports that stand, in the order of the process.
pub(super) fn timeline(fold: &CaseFold) -> Vec<Slot> {
    fold.entries().iter().map(|entry| entry.slot).collect()
}

fn see(registry: &Registry, read: &dyn Read, id: &CaseId, height: Height) -> Result<Option<Seen>, Failure> {
    let Some(case) = query::case(read, registry, id)? else { return Ok(None) };
    if case.row.opened > height {
        return Ok(None);
    }
    let earlier = case.row.changed > height;
    let (state, authors, timeline) = if earlier {
        let fold = query::case_at(read, registry, &case, height)?;
        (fold.state().clone(), authors(&fold), timeline(&fold))
    } else {
        (case.fold.state().clone(), authors(&case.fold), timeline(&case.fold))
    };
    Ok(Some(Seen { case, state, authors, timeline, earlier }))
}

impl Seen {
    fn message(self, read: &dyn Read, height: Height) -> Result<v1::Case, Failure> {
        let mut message = convert::case(&self.case, &self.state, self.authors, &self.timeline);
        if self.earlier {
            // Revision, history and change are those of now; what they were then is counted.
            let items = index::of_case(read, &self.case.id, 0, usize::MAX)?;
            let last = items.iter().take_while(|(_, position)| position.height <= height).last();
            message.revision = last.map_or(0, |(revision, _)| *revision);
            message.changed_height = last.map_or(0, |(_, position)| position.height);
            message.history_count = 0;
            message.history_hash = Vec::new();
        }
        Ok(message)
    }

    fn matches(&self, filter: &v1::CaseFilter) -> bool {
        let openness = match filter.openness() {
            v1::CaseOpenness::Unspecified => true,
            v1::CaseOpenness::Open => !self.state.closed,
            v1::CaseOpenness::Closed => self.state.closed,
        };
        let status = &filter.status;
        let has_status = || self.state.tracks.values().any(|track| track.status.as_str() == status);
        openness
            && (filter.definition.is_empty() || self.case.definition.id() == filter.definition)
            && (filter.authority.is_empty() || self.authors.contains(&filter.authority))
            && (status.is_empty() || has_status())
    }
}

/// One case as it was at a height.
pub(super) fn view(
    registry: &Registry,
    read: &dyn Read,
    id: &CaseId,
    height: Height,
) -> Result<Option<v1::Case>, Failure> {
    see(registry, read, id, height)?.map(|seen| seen.message(read, height)).transpose()
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

/// A page of cases, and the case after which the next page begins.
pub(super) fn page(
    registry: &Registry,
    read: &dyn Read,
    filter: &v1::CaseFilter,
    height: Height,
    after: Option<CaseId>,
    size: usize,
) -> Result<(Vec<v1::Case>, Option<CaseId>), Failure> {
    let find = find(filter);
    let (mut cases, mut looked_at, mut last) = (Vec::new(), 0usize, after);
    loop {
        let ids = index::cases(read, find, last.as_ref(), batch(find))?;
        for id in &ids {
            if cases.len() >= size || looked_at >= LOOKED_AT_MAX {
                return Ok((cases, last));
            }
            (last, looked_at) = (Some(*id), looked_at.saturating_add(1));
            if !is_due(read, filter, id)? {
                continue;
            }
            if let Some(seen) = see(registry, read, id, height)?.filter(|seen| seen.matches(filter)) {
                cases.push(seen.message(read, height)?);
            }
        }
        if ids.len() < batch(find) {
            return Ok((cases, None));
        }
    }
}

/// How many cases match, by group.
pub(super) fn count(
    registry: &Registry,
    read: &dyn Read,
    filter: &v1::CaseFilter,
    grouping: v1::CaseGrouping,
    height: Height,
) -> Result<BTreeMap<String, u64>, Failure> {
    let find = find(filter);
    let (mut counts, mut last) = (BTreeMap::<String, u64>::new(), None);
    loop {
        let ids = index::cases(read, find, last.as_ref(), batch(find))?;
        for id in &ids {
            last = Some(*id);
            if !is_due(read, filter, id)? {
                continue;
            }
            let Some(seen) = see(registry, read, id, height)?.filter(|seen| seen.matches(filter)) else { continue };
            let keys: BTreeSet<String> = match grouping {
                v1::CaseGrouping::Unspecified => [String::new()].into(),
                v1::CaseGrouping::Status => seen.state.tracks.values().map(|track| track.status.to_string()).collect(),
                v1::CaseGrouping::Authority => seen.authors.into_iter().collect(),
            };
            for key in keys {
                let count = counts.entry(key).or_default();
                *count = count.saturating_add(1);
            }
        }
        if ids.len() < batch(find) {
            return Ok(counts);
        }
    }
}
