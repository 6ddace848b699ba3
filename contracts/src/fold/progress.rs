//! One step of the fold: the state after one more report at the end. Reports come here in fold order only; the caller
//! sees to it. Must never look ahead, so that adding at the end and folding anew are the same thing.

use super::state::{CaseState, Deviation, DeviationKind, Proceeding, TrackState};
use crate::definition::{After, Definition, Status};
use crate::limits::PROCEEDINGS_MAX;
use crate::name::Code;
use crate::report::{Entry, Report};
use std::collections::BTreeSet;

/// The state so far, and what the next step must know of each proceeding.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    state: CaseState,
    proceedings: Vec<ProceedingSoFar>,
    /// By place in fold order, the proceeding a report counts to.
    counts_to: Vec<u32>,
}

/// What was reported in one proceeding.
#[derive(Debug, Clone, Default)]
struct ProceedingSoFar {
    statuses: BTreeSet<Code>,
    closed: bool,
}

/// Where a report belongs.
struct Place {
    /// The proceeding it counts to.
    number: u32,
    /// The proceeding over which its `after` is judged.
    judged_over: u32,
    /// What is wrong with the proceeding it names, if anything.
    fault: Option<DeviationKind>,
}

impl Progress {
    pub(super) fn of<'e>(def: &Definition, in_order: impl Iterator<Item = &'e Entry>) -> Self {
        let mut progress = Self::default();
        for entry in in_order {
            progress.step(def, entry);
        }
        progress
    }

    pub(super) fn state(&self) -> &CaseState {
        &self.state
    }

    pub(super) fn proceedings(&self) -> &[u32] {
        &self.counts_to
    }

    pub(super) fn into_state(self) -> CaseState {
        self.state
    }

    /// Adds the report that is last in fold order.
    pub(super) fn step(&mut self, def: &Definition, entry: &Entry) {
        let status = def.status(entry.report.status.as_str());
        let place = self.place(status, entry);
        self.counts_to.push(place.number);
        let mut kinds = BTreeSet::from_iter(place.fault);
        match status {
            Some(status) => {
                self.judge_order(status, &place, &mut kinds);
                judge_content(status, &entry.report, &mut kinds);
            }
            None => {
                kinds.insert(DeviationKind::StatusUnknown);
            }
        }
        let Entry { slot, report, .. } = entry;
        let deviation = |kind| Deviation { slot: *slot, status: report.status.clone(), kind };
        self.state.deviations.extend(kinds.into_iter().map(deviation));
        self.record(status, &place, report);
        if let Some(status) = status
            && place.number == self.state.current_proceeding
        {
            self.move_track(status, entry);
        }
        self.state.events = self.state.events.saturating_add(1);
    }

    /// Decides the proceeding of a report, and opens one where the report does.
    ///
    /// The first report of a case belongs to 1 whatever it is. A status that opens a proceeding opens the next one,
    /// unless it names one that is there: then it belongs to that one and opens nothing. A report that names no
    /// proceeding belongs to the last one opened.
    fn place(&mut self, status: Option<&Status>, entry: &Entry) -> Place {
        let before = self.state.current_proceeding;
        let named = entry.report.proceeding;
        if before == 0 {
            self.open(entry);
            let fault = (named > 1).then_some(DeviationKind::ProceedingUnknown);
            return Place { number: 1, judged_over: 1, fault };
        }
        if (1..=before).contains(&named) {
            return Place { number: named, judged_over: named, fault: None };
        }
        let next = before.saturating_add(1);
        let opens = status.is_some_and(|status| status.opens_proceeding);
        if opens && before >= PROCEEDINGS_MAX {
            return Place { number: before, judged_over: before, fault: Some(DeviationKind::ProceedingsFull) };
        }
        let may_name = if opens { next } else { 0 };
        let fault = (named != 0 && named != may_name).then_some(DeviationKind::ProceedingUnknown);
        if opens {
            self.open(entry);
            // Nothing can come before it in the proceeding it opens: what it may follow lies in the one before.
            return Place { number: next, judged_over: before, fault };
        }
        Place { number: before, judged_over: before, fault }
    }

    fn open(&mut self, entry: &Entry) {
        let number = self.state.current_proceeding.saturating_add(1);
        self.state.proceedings.push(Proceeding { number, opened_by: entry.slot });
        self.state.current_proceeding = number;
        self.state.closed = false;
        self.state.tracks.clear();
        self.proceedings.push(ProceedingSoFar::default());
    }

    fn judge_order(&self, status: &Status, place: &Place, kinds: &mut BTreeSet<DeviationKind>) {
        let Some(proceeding) = self.so_far(place.number) else {
            return;
        };
        let first = proceeding.statuses.is_empty();
        let follows = |rule: &After| match rule {
            After::Start => first,
            After::Any => true,
            After::Status(code) => self.so_far(place.judged_over).is_some_and(|over| over.statuses.contains(code)),
        };
        if !status.after.as_ref().is_none_or(|rules| rules.iter().any(follows)) {
            kinds.insert(DeviationKind::OutOfOrder);
        }
        if !status.repeatable && proceeding.statuses.contains(&status.code) {
            kinds.insert(DeviationKind::Repeated);
        }
        if proceeding.closed {
            kinds.insert(DeviationKind::AfterClose);
        }
    }

    fn record(&mut self, status: Option<&Status>, place: &Place, report: &Report) {
        let index = place.number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let Some(proceeding) = index.and_then(|index| self.proceedings.get_mut(index)) else {
            return;
        };
        if !proceeding.statuses.contains(&report.status) {
            proceeding.statuses.insert(report.status.clone());
        }
        if status.is_some_and(|status| status.closes) {
            proceeding.closed = true;
            self.state.closed |= place.number == self.state.current_proceeding;
        }
    }

    fn move_track(&mut self, status: &Status, entry: &Entry) {
        let Entry { slot, author, report, .. } = entry;
        let before = self.state.tracks.get(&status.track_number).filter(|track| track.status == status.code);
        let track = TrackState {
            status: status.code.clone(),
            occurred: report.occurred,
            effective: report.effective,
            outcome: report.outcome.clone(),
            author: author.clone(),
            slot: *slot,
            proceeding: self.state.current_proceeding,
            since: before.map_or(report.occurred, |track| track.since),
            order: self.state.events,
        };
        self.state.tracks.insert(status.track_number, track);
    }

    fn so_far(&self, number: u32) -> Option<&ProceedingSoFar> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.proceedings.get(index)
    }
}

fn judge_content(status: &Status, report: &Report, kinds: &mut BTreeSet<DeviationKind>) {
    if status.outcome_required && report.outcome.is_none() {
        kinds.insert(DeviationKind::OutcomeMissing);
    }
    let missing = status.attributes.iter().any(|known| known.required && !report.attributes.contains_key(&known.code));
    if missing {
        kinds.insert(DeviationKind::AttributeMissing);
    }
}
