//! What a fold gives: the state of a case, as the ledger commits to it and the API shows it. Nothing here depends on a
//! clock; what does is a question asked of it with an `as_of`. Must never hold a thing the reports do not determine.

use crate::definition::Definition;
use crate::name::{AuthorityId, Code};
use crate::report::Slot;
use crate::when::When;
use std::collections::BTreeMap;
use std::fmt;

/// A numbered round of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proceeding {
    /// From 1.
    pub number: u32,
    /// The report that opened it.
    pub opened_by: Slot,
}

/// Where a case stands on one track, by the last report on it in the current proceeding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackState {
    /// The status.
    pub status: Code,
    /// When it occurred.
    pub occurred: When,
    /// The day it takes effect, days since 1970-01-01.
    pub effective: Option<i32>,
    /// Its outcome.
    pub outcome: Option<Code>,
    /// Who reported it.
    pub author: AuthorityId,
    /// The report.
    pub slot: Slot,
    /// The proceeding.
    pub proceeding: u32,
    /// Since when the track has this status without another between: the first of a run of repeats.
    pub since: When,
    /// Place of the report in fold order, from 0; tells which track moved last.
    pub order: u32,
}

impl TrackState {
    /// Whether the effective day has not yet begun (in Berlin) at an instant.
    pub fn effective_lies_ahead(&self, as_of_ms: u64) -> bool {
        let as_of_ms = i64::try_from(as_of_ms).unwrap_or(i64::MAX);
        self.effective.is_some_and(|day| When::Day(day).start_ms() > as_of_ms)
    }
}

/// In what a report departs from the definition. None of them keeps it from counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviationKind {
    /// The definition has no such status: an older report, or one of another version.
    StatusUnknown,
    /// It names a proceeding that no report before it has opened; it counts to the current one.
    ProceedingUnknown,
    /// It would open a proceeding more than a case may have; it counts to the current one.
    ProceedingsFull,
    /// Nothing that it may come after was reported before.
    OutOfOrder,
    /// It occurs again in a proceeding in which it can occur once.
    Repeated,
    /// It came after the proceeding was closed.
    AfterClose,
    /// It has no outcome.
    OutcomeMissing,
    /// A required attribute is missing.
    AttributeMissing,
}

impl DeviationKind {
    /// Its stable name.
    pub fn reason(self) -> &'static str {
        match self {
            Self::StatusUnknown => "STATUS_UNKNOWN",
            Self::ProceedingUnknown => "PROCEEDING_UNKNOWN",
            Self::ProceedingsFull => "PROCEEDINGS_FULL",
            Self::OutOfOrder => "OUT_OF_ORDER",
            Self::Repeated => "REPEATED",
            Self::AfterClose => "AFTER_CLOSE",
            Self::OutcomeMissing => "OUTCOME_MISSING",
            Self::AttributeMissing => "ATTRIBUTE_MISSING",
        }
    }
}

impl fmt::Display for DeviationKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.reason())
    }
}

/// One departure of one report. A report may have several kinds, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// The report.
    pub slot: Slot,
    /// Its status.
    pub status: Code,
    /// In what it departs.
    pub kind: DeviationKind,
}

/// The state of a case, derived from its reports alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaseState {
    /// All proceedings by number; empty while the case has no report.
    pub proceedings: Vec<Proceeding>,
    /// The number of the last one opened; 0 while there is none.
    pub current_proceeding: u32,
    /// By track number, the tracks that the current proceeding has moved.
    pub tracks: BTreeMap<u8, TrackState>,
    /// In fold order, and for one report in the order of the kinds.
    pub deviations: Vec<Deviation>,
    /// Whether the current proceeding is closed.
    pub closed: bool,
    /// How many reports stand.
    pub events: u32,
}

impl CaseState {
    /// The case in one line for a reader: of the tracks he may see, the one that moved last.
    ///
    /// The definition is asked for the tracks there are, so that a track it does not declare is never a headline.
    pub fn headline(&self, def: &Definition, visible: &dyn Fn(u8) -> bool) -> Option<&TrackState> {
        def.tracks()
            .iter()
            .filter(|track| visible(track.number))
            .filter_map(|track| self.tracks.get(&track.number))
            .max_by_key(|state| state.order)
    }
}
