//! Compares what a node says of a case with what the log says: count, status, time, author, order, and where the case
//! stands on every track. Events of equal time may come in either order: the log does not say which was first. Must
//! never pass over an event on either side.

use super::plan::{CasePlan, PlannedEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A case as a node tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CaseRead {
    /// How many events the node counts.
    pub(crate) count: u64,
    /// The events in the node's order.
    pub(crate) events: Vec<ReadEvent>,
    /// By track number, the event that the node shows as current.
    pub(crate) tracks: BTreeMap<u8, ReadEvent>,
}

/// What is compared of an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadEvent {
    pub(crate) instant_ms: u64,
    pub(crate) status: String,
    pub(crate) author: String,
}

impl From<&PlannedEvent> for ReadEvent {
    fn from(event: &PlannedEvent) -> Self {
        let PlannedEvent { instant_ms, status, author, .. } = event;
        Self { instant_ms: *instant_ms, status: status.clone(), author: author.clone() }
    }
}

impl fmt::Display for ReadEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {} ms by {}", self.status, self.instant_ms, self.author)
    }
}

/// One thing in which a node and the log differ.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    /// The node counts other than the log.
    #[error("{read} events, {planned} in the log")]
    Count { planned: u64, read: u64 },
    /// Time and author are right, the status is not.
    #[error("status: {read}; in the log {planned}")]
    Status { planned: ReadEvent, read: ReadEvent },
    /// Status and author are right, the time is not.
    #[error("time: {read}; in the log {planned}")]
    Time { planned: ReadEvent, read: ReadEvent },
    /// Status and time are right, the author is not.
    #[error("author: {read}; in the log {planned}")]
    Author { planned: ReadEvent, read: ReadEvent },
    /// In the log and not at the node.
    #[error("missing: {planned}")]
    Missing { planned: ReadEvent },
    /// At the node and not in the log.
    #[error("not in the log: {read}")]
    Unexpected { read: ReadEvent },
    /// At the node an earlier event comes after a later one.
    #[error("order: {later} comes before {earlier}")]
    Order { earlier: ReadEvent, later: ReadEvent },
    /// A track does not stand at the last event of the log on it.
    #[error("track {number}: {}; in the log {}", shown(read.as_ref()), shown(planned.first()))]
    Track {
        number: u8,
        /// The events of the last time on it; any of them would do.
        planned: BTreeSet<ReadEvent>,
        read: Option<ReadEvent>,
    },
}

fn shown(event: Option<&ReadEvent>) -> String {
    event.map_or_else(|| "nothing".to_owned(), ReadEvent::to_string)
}

/// All in which a node differs from the plan of a case. `track_of` tells the track of a status; statuses that open a
/// proceeding are not for a replay, since the log does not know them.
pub(crate) fn compare(case: &CasePlan, read: &CaseRead, track_of: &dyn Fn(&str) -> Option<u8>) -> Vec<Mismatch> {
    let mut planned: Vec<ReadEvent> = case.events().map(ReadEvent::from).collect();
    planned.sort();
    let mut mismatches = Vec::new();
    let count = |events: &[ReadEvent]| u64::try_from(events.len()).unwrap_or(u64::MAX);
    for counted in BTreeSet::from([read.count, count(&read.events)]) {
        if counted != count(&planned) {
            mismatches.push(Mismatch::Count { planned: count(&planned), read: counted });
        }
    }
    mismatches.extend(compare_events(&planned, &read.events));
    for (earlier, later) in read.events.iter().skip(1).zip(&read.events) {
        if earlier.instant_ms < later.instant_ms {
            mismatches.push(Mismatch::Order { earlier: earlier.clone(), later: later.clone() });
        }
    }
    mismatches.extend(compare_tracks(&planned, &read.tracks, track_of));
    mismatches
}

/// Takes out what is equal on both sides, then pairs what differs in one respect.
fn compare_events(planned: &[ReadEvent], read: &[ReadEvent]) -> Vec<Mismatch> {
    let mut left: Vec<ReadEvent> = read.to_vec();
    let mut open: Vec<&ReadEvent> = Vec::new();
    for event in planned {
        match left.iter().position(|read| read == event) {
            Some(at) => drop(left.remove(at)),
            None => open.push(event),
        }
    }
    let mut mismatches = Vec::new();
    for event in open {
        let near = left.iter().position(|read| in_one_respect(event, read).is_some());
        let mismatch = near.and_then(|at| in_one_respect(event, &left.remove(at)));
        mismatches.push(mismatch.unwrap_or_else(|| Mismatch::Missing { planned: event.clone() }));
    }
    mismatches.extend(left.into_iter().map(|read| Mismatch::Unexpected { read }));
    mismatches
}

/// The one respect in which two events differ, if it is one.
fn in_one_respect(planned: &ReadEvent, read: &ReadEvent) -> Option<Mismatch> {
    let equal = (planned.status == read.status, planned.instant_ms == read.instant_ms, planned.author == read.author);
    let (planned, read) = (planned.clone(), read.clone());
    match equal {
        (false, true, true) => Some(Mismatch::Status { planned, read }),
        (true, false, true) => Some(Mismatch::Time { planned, read }),
        (true, true, false) => Some(Mismatch::Author { planned, read }),
        _ => None,
    }
}

fn compare_tracks(
    planned: &[ReadEvent],
    read: &BTreeMap<u8, ReadEvent>,
    track_of: &dyn Fn(&str) -> Option<u8>,
) -> Vec<Mismatch> {
    let mut last: BTreeMap<u8, BTreeSet<ReadEvent>> = BTreeMap::new();
    for event in planned {
        let Some(number) = track_of(&event.status) else { continue };
        let events = last.entry(number).or_default();
        events.retain(|earlier| earlier.instant_ms == event.instant_ms);
        events.insert(event.clone());
    }
    let numbers: BTreeSet<u8> = last.keys().chain(read.keys()).copied().collect();
    let mut mismatches = Vec::new();
    for number in numbers {
        let planned = last.remove(&number).unwrap_or_default();
        let read = read.get(&number).cloned();
        if !read.as_ref().is_some_and(|read| planned.contains(read)) {
            mismatches.push(Mismatch::Track { number, planned, read });
        }
    }
    mismatches
}

#[cfg(test)]
mod tests;
