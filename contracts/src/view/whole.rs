//! Of what a reader misses nothing: what may be opened to it as one piece, such as a list that a proof shows whole. What
//! is not there tells as much as what is; so it follows from the definition and the reader's roles first: whatever came
//! into such a piece, the reader would see. Must never be true because what is hidden happens to be missing.

use super::{Holders, Reader, Sight, View};
use crate::definition::{Definition, Status};
use crate::effect::{EffectKind, Effects, History};
use crate::fold::CaseFold;
use std::collections::BTreeSet;

/// What a reader sees the whole of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whole {
    /// Every report that the process knows, and so its history, its deviations and who takes part.
    pub reports: bool,
    /// Numbers of the tracks of which it sees every report.
    pub tracks: BTreeSet<u8>,
    /// Locks, those included that were withdrawn, as with the next four.
    pub locks: bool,
    /// Deadlines.
    pub deadlines: bool,
    /// Tasks.
    pub tasks: bool,
    /// Notices.
    pub notices: bool,
    /// Markers.
    pub markers: bool,
}

impl Whole {
    /// Of a case as [`view`](super::view) shows it to this reader.
    pub fn of(
        def: &Definition,
        case: &CaseFold,
        (effects, history): (&Effects, &History),
        (view, holders): (&View<'_>, &Holders),
        reader: &Reader<'_>,
    ) -> Self {
        let (sight, rules) = (Sight::new(def, holders, reader), def.rules());
        let misses = |status: &&Status| status.ledger_as.is_none() && !sight.status(status);
        let missed: BTreeSet<u8> = def.statuses().iter().filter(misses).map(|status| status.track_number).collect();
        // What is kept of one that was withdrawn stands in the same piece.
        let told = |kind: EffectKind| {
            let gone = history.past().iter().filter(|(_, past)| past.kind == kind && past.withdrawn_ms.is_some());
            gone.map(|(id, _)| id).all(|id| view.withdrawn.iter().any(|(seen, _)| *seen == id))
        };
        let mut opens = rules.rules.iter().flat_map(|rule| &rule.open);
        let mut sends = rules.rules.iter().flat_map(|rule| &rule.notify);
        Self {
            reports: missed.is_empty() && view.reports.len() == case.entries().len(),
            tracks: def.tracks().iter().map(|track| track.number).filter(|number| !missed.contains(number)).collect(),
            locks: rules.locks.iter().all(|lock| sight.is_stopped(lock)) && told(EffectKind::Lock),
            deadlines: rules.deadlines.iter().all(|deadline| sight.holds_any(&deadline.watched_by))
                && told(EffectKind::Deadline),
            tasks: opens.all(|opening| sight.holds(&opening.role))
                && view.tasks.len() == effects.tasks.len()
                && told(EffectKind::Task),
            notices: sends.all(|sending| sight.holds_any(&sending.to))
                && view.notices.len() == effects.notices.len()
                && told(EffectKind::Notice),
            markers: rules.markers.iter().all(|marker| sight.holds_any(&marker.audience)) && told(EffectKind::Marker),
        }
    }

    /// Whether nothing is missing of what follows from the case.
    pub fn effects(&self) -> bool {
        self.locks && self.deadlines && self.tasks && self.notices && self.markers
    }
}
