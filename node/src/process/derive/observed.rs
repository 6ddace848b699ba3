//! What a log shows of each status: where in its cases it stands, who reports it, after what, whether it repeats.
//! Integers only, so that the same log gives the same on every machine.

use crate::eventlog::{EventLog, LogCase, Names};
use std::collections::{BTreeMap, BTreeSet};

/// The last event of a case has this position, the first 0.
const POSITION_LAST: u64 = 1_000_000;

/// What was observed of a log.
pub(super) struct Observed<'l> {
    pub(super) names: Names,
    /// In order of median position, then name: the order in which events of equal time are taken.
    pub(super) statuses: Vec<ObservedStatus<'l>>,
}

/// What was observed of one status.
pub(super) struct ObservedStatus<'l> {
    pub(super) activity: &'l str,
    pub(super) code: String,
    /// Roles of the groups that reported it.
    pub(super) reported_by: BTreeSet<String>,
    /// Whether a case began with it.
    pub(super) starts: bool,
    /// Indices of the statuses directly after which it came.
    pub(super) predecessors: BTreeSet<usize>,
    /// Whether a case has it twice.
    pub(super) repeats: bool,
}

impl<'l> Observed<'l> {
    pub(super) fn of(log: &'l EventLog) -> Self {
        let names = Names::of(log);
        let mut order: Vec<(u64, &str)> =
            positions(log).into_iter().map(|(activity, mut positions)| (median(&mut positions), activity)).collect();
        order.sort_unstable();
        let places: BTreeMap<&str, usize> = order.iter().enumerate().map(|(place, (_, name))| (*name, place)).collect();
        let status = |(_, activity): &(u64, &'l str)| ObservedStatus {
            activity,
            code: names.status(activity).unwrap_or_default().to_owned(),
            reported_by: BTreeSet::new(),
            starts: false,
            predecessors: BTreeSet::new(),
            repeats: false,
        };
        let statuses = order.iter().map(status).collect();
        let mut observed = Self { names, statuses };
        for case in &log.cases {
            observed.observe(case, &places);
        }
        observed
    }

    /// Adds what one case shows.
    ///
    /// Events of equal time are taken in the order of `places`. The fold orders them by rank, and the rank keeps that
    /// order wherever it is free: so `after` holds for them, too, when the log is replayed.
    fn observe(&mut self, case: &LogCase, places: &BTreeMap<&str, usize>) {
        let place = |activity: &str| places.get(activity).copied().unwrap_or_default();
        let mut in_order: Vec<_> =
            case.events.iter().map(|event| (event.instant_ms, place(&event.activity), event)).collect();
        in_order.sort_by_key(|(instant_ms, place, _)| (*instant_ms, *place));
        let mut before: Option<usize> = None;
        let mut seen = BTreeSet::new();
        for (_, place, event) in in_order {
            let role = self.names.group(event.group.as_deref()).map(|group| group.role.clone());
            let Some(status) = self.statuses.get_mut(place) else { continue };
            status.reported_by.extend(role);
            match before {
                Some(before) => status.predecessors.insert(before),
                None => std::mem::replace(&mut status.starts, true),
            };
            status.repeats |= !seen.insert(place);
            before = Some(place);
        }
    }
}

/// For every activity the positions at which it stands in its cases.
fn positions(log: &EventLog) -> BTreeMap<&str, Vec<u64>> {
    let mut positions: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for case in &log.cases {
        let last = u64::try_from(case.events.len()).unwrap_or(u64::MAX).saturating_sub(1).max(1);
        for (index, event) in (0_u64..).zip(&case.events) {
            positions.entry(&event.activity).or_default().push(index.saturating_mul(POSITION_LAST) / last);
        }
    }
    positions
}

/// The middle one, or the lower of two.
fn median(positions: &mut [u64]) -> u64 {
    positions.sort_unstable();
    let middle = positions.len().saturating_sub(1) / 2;
    positions.get(middle).copied().unwrap_or_default()
}
