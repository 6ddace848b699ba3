//! At which height what a reader sees of a case changed last. Computed from what is in the reader's view alone, so that
//! nobody can tell from it that, or when, something happened that is not for him. Must never look at what the view lacks.

use std::ops::Deref;

use laufzettel_chain::ids::Height;
use laufzettel_chain::query;
use laufzettel_chain::storage::Read;
use laufzettel_chain::{index, storage::StoreError};
use laufzettel_contracts::View;
use laufzettel_contracts::effect::{Cause, DeadlineEffect, DeadlineState, EffectId, TaskState};

use super::Subject;
use crate::api::events::Sights;
use crate::api::status::Failure;

/// When something happened: at an instant, or with what was recorded at a height.
enum At {
    Ms(u64),
    Height(Height),
}

impl Subject {
    /// Height of the newest thing in a view of the case, which is asked about at a block of this height and time: an event
    /// that the reader sees, or that something which follows arose, warned, ended, was done, acknowledged, released or
    /// withdrawn. That a role has another holder, a proceeding another law, or a date is counted anew, is none of these.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::api) fn changed_for(
        &self,
        (read, sights): (&dyn Read, &mut Sights<'_>),
        view: &View<'_>,
        (height, time_ms): (Height, u64),
    ) -> Result<Height, Failure> {
        let newest = sights.newest(self, height)?;
        let (mut changed, told_ms) = newest.unwrap_or((self.row.opened, 0));
        let mut instant_ms = 0;
        for at in self.happened(view) {
            match at {
                At::Height(at) => changed = changed.max(at.min(height)),
                At::Ms(at_ms) if at_ms <= time_ms => instant_ms = instant_ms.max(at_ms),
                // Asked as of an instant to come.
                At::Ms(_) => {}
            }
        }
        if instant_ms > told_ms {
            changed = changed.max(self.block_of(read, instant_ms, height)?);
        }
        Ok(changed)
    }

    /// The first block, of those that changed the case, that is not before an instant; the one asked about if what became
    /// due since waits for its block.
    fn block_of(&self, read: &dyn Read, instant_ms: u64, asked: Height) -> Result<Height, StoreError> {
        let items = index::of_case(read, &self.id, 0, usize::MAX)?.into_iter().map(|(_, position)| position.height);
        let mut heights: Vec<Height> = items.chain(self.row.due_heights()).filter(|height| *height <= asked).collect();
        heights.sort_unstable();
        heights.dedup();
        // An effect mostly comes with the last of them.
        while let Some(last) = heights.pop() {
            let before = heights.last().map(|before| query::bare_header(read, *before)).transpose()?.flatten();
            if before.is_none_or(|before| before.time_ms < instant_ms) {
                let own = query::bare_header(read, last)?;
                return Ok(if own.is_some_and(|own| own.time_ms >= instant_ms) { last } else { asked });
            }
        }
        Ok(asked)
    }

    /// Everything that has a time in a view, but the reports.
    fn happened(&self, view: &View<'_>) -> Vec<At> {
        let history = &self.followed.case.history;
        let mut all = Vec::new();
        let locks = view.locks.iter().map(|one| &one.origin.id).chain(view.markers.iter().map(|one| &one.origin.id));
        let tasks = view.tasks.iter().map(|one| &one.origin.id).chain(view.notices.iter().map(|one| &one.origin.id));
        let arose = locks.chain(tasks).chain(view.deadlines.iter().map(|one| &one.origin.id));
        all.extend(arose.filter_map(|id| history.first_seen_ms(id)).map(At::Ms));
        all.extend(view.deadlines.iter().flat_map(|one| self.of_deadline(one)));
        all.extend(view.tasks.iter().filter_map(|one| match &one.state {
            TaskState::Open => None,
            TaskState::Done { at_ms, .. } => Some(At::Ms(*at_ms)),
            TaskState::Closed(cause) => self.of_cause(cause),
        }));
        for one in &view.notices {
            all.extend(history.acknowledgements(&one.origin.id).map(|(_, at_ms)| At::Ms(at_ms)));
            all.extend(one.acknowledge_until_ms.filter(|_| one.unacknowledged).map(At::Ms));
        }
        let released = view.locks.iter().filter_map(|one| one.released_by.as_ref());
        let cleared = view.markers.iter().filter_map(|one| one.cleared_by.as_ref());
        all.extend(released.chain(cleared).filter_map(|cause| self.of_cause(cause)));
        for (_, past) in &view.withdrawn {
            all.extend(past.withdrawn_ms.into_iter().chain(past.acknowledged.values().copied()).map(At::Ms));
        }
        all
    }

    fn of_deadline(&self, one: &DeadlineEffect) -> Vec<At> {
        let ended = || one.due.as_ref().ok().map(|due| due.elapses_ms());
        let over = || one.grace.as_ref().and_then(|grace| grace.as_ref().ok()).map(|due| due.elapses_ms());
        let instants = match &one.state {
            DeadlineState::Running => [None, None],
            DeadlineState::Warned => [one.warns_ms, None],
            DeadlineState::Elapsed { grace_over } => [ended(), over().filter(|_| *grace_over)],
            DeadlineState::Met(slot) => return self.of_cause(&Cause::Report(*slot)).into_iter().collect(),
            DeadlineState::Stopped(cause) => return self.of_cause(cause).into_iter().collect(),
        };
        instants.into_iter().flatten().filter_map(|at_ms| u64::try_from(at_ms).ok()).map(At::Ms).collect()
    }

    /// When that happened by which something in the view ended; that it ended is shown, whatever ended it.
    fn of_cause(&self, cause: &Cause) -> Option<At> {
        match cause {
            Cause::Report(slot) => {
                let entry = self.fold.entries().iter().find(|entry| entry.slot == *slot);
                entry.map(|entry| At::Height(entry.position.height))
            }
            Cause::Effect(id) => self.of_effect(id),
        }
    }

    /// The last that happened to an effect by itself.
    fn of_effect(&self, id: &EffectId) -> Option<At> {
        let effects = &self.followed.case.effects;
        let deadline = effects.deadlines.iter().map(Deref::deref).find(|one| one.origin.id == *id);
        let ended = deadline.into_iter().flat_map(|one| match one.state {
            DeadlineState::Warned | DeadlineState::Elapsed { .. } => self.of_deadline(one),
            _ => Vec::new(),
        });
        let escalated = effects.notices.iter().find(|one| one.origin.id == *id && one.unacknowledged);
        let escalated = escalated.and_then(|one| one.acknowledge_until_ms).map(At::Ms);
        let arose = self.followed.case.history.first_seen_ms(id).map(At::Ms);
        let instant_ms = |at| match at {
            At::Ms(at_ms) => Some(at_ms),
            At::Height(_) => None,
        };
        ended.chain(escalated).chain(arose).filter_map(instant_ms).max().map(At::Ms)
    }
}
