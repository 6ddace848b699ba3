//! What a condition may ask of what has been told so far. Looks through all of it for every question.

use super::{Reference, Told};
use laufzettel_contracts::effect::{Effects, TaskState};
use laufzettel_contracts::expression::Facts;
use laufzettel_contracts::{Code, Entry};

pub(super) struct Asked<'a> {
    pub(super) reference: &'a Reference<'a>,
    pub(super) told: &'a Told,
    pub(super) proceeding: u32,
    pub(super) this: Option<usize>,
}

impl Asked<'_> {
    fn reports(&self) -> impl DoubleEndedIterator<Item = &(Entry, u32)> {
        self.told.seen.iter().map(|place| &self.reference.entries[*place])
    }

    fn of(&self, status: &Code) -> Vec<&Entry> {
        let mine =
            self.reports().filter(|(entry, number)| *number == self.proceeding && entry.report.status == *status);
        mine.map(|(entry, _)| entry).collect()
    }
}

impl Facts for Asked<'_> {
    fn has(&self, status: &Code) -> bool {
        !self.of(status).is_empty()
    }

    fn has_ever(&self, status: &Code) -> bool {
        self.reports().any(|(entry, _)| entry.report.status == *status)
    }

    fn count(&self, status: &Code) -> u32 {
        u32::try_from(self.of(status).len()).expect("few")
    }

    fn last(&self, status: &Code) -> Option<&Entry> {
        self.of(status).last().copied()
    }

    fn this(&self) -> Option<&Entry> {
        self.this.map(|place| &self.reference.entries[place].0)
    }

    fn open(&self, name: &Code) -> bool {
        let Effects { deadlines, tasks, locks, markers, .. } = &self.told.effects;
        let here = |number: u32| number == self.proceeding;
        deadlines.iter().any(|one| one.deadline == *name && one.state.runs() && here(one.origin.proceeding))
            || tasks.iter().any(|one| one.task == *name && one.state == TaskState::Open && here(one.origin.proceeding))
            || markers.iter().any(|one| one.marker == *name && one.cleared_by.is_none() && here(one.origin.proceeding))
            || locks.iter().any(|one| one.lock == *name && self.reference.stands_for(one, self.this()))
    }

    fn regime(&self) -> Option<&Code> {
        let (place, _) = self.reference.regime(self.proceeding)?;
        Some(&self.reference.definition().rules().regimes[place].code)
    }

    fn proceeding(&self) -> u32 {
        self.proceeding
    }
}
