//! What waits in one case: its rows in inboxes, by effect, and its due row. Made anew for the effects that have changed
//! since the last time, which are few. Must never give other rows than made from nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use laufzettel_contracts::effect::{
    Addressee, DeadlineEffect, DeadlineState, EffectId, Handle, NoticeEffect, One, Participant, Past, Shared, Sorted,
    TaskEffect, TaskState,
};
use laufzettel_contracts::{AuthorityId, Code, Definition, UnknownSeat};

use super::inbox::{self, Inbox};
use super::waiting::{self, Wait};
use crate::ids::CaseId;
use crate::state::case::OpenCase;
use crate::state::effects::{Living, Touched};
use crate::storage::{Batch, Family};

/// What waits in a case, as of the last instant its effects were brought to; nothing in language 1.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waits {
    seen: Option<Seen>,
    /// Those effects that have rows.
    effects: Sorted<EffectId, Arc<OfEffect>>,
    due_ms: Option<u64>,
}

/// On what all rows depend besides their effects. Who holds which role in the network is the same for a case in memory.
#[derive(Debug, Clone)]
struct Seen {
    definition: Arc<Definition>,
    calendars: u32,
    participants: Shared<BTreeMap<Code, Participant>>,
}

impl Seen {
    fn of(case: &OpenCase, living: &Living) -> Self {
        let (calendars, participants) = (living.calendars().version(), living.effects().participants.clone());
        Self { definition: case.definition.clone(), calendars, participants }
    }
    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.definition, &other.definition) && self.calendars == other.calendars
    }
    fn has_same_people(&self, other: &Self) -> bool {
        self.participants.is_same(&other.participants) || self.participants == other.participants
    }
}

/// The rows of an effect, and what they were made of.
#[derive(Debug)]
struct OfEffect {
    given: Option<Handle>,
    past: Option<Arc<Past>>,
    rows: Rows,
}

/// Their keys, and the value of them all.
#[derive(Debug)]
struct Rows {
    keys: Vec<Vec<u8>>,
    value: Vec<u8>,
}

impl OfEffect {
    /// Whether they would be the same again.
    fn is_of(&self, given: Option<One<'_>>, past: Option<&Arc<Past>>) -> bool {
        let same_given = match (&self.given, given) {
            (Some(one), Some(other)) => other.is_same(one),
            (None, None) => true,
            (_, _) => false,
        };
        same_given
            && match (&self.past, past) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (None, None) => true,
                (_, _) => false,
            }
    }
}

impl Rows {
    const NONE: Self = Self { keys: Vec::new(), value: Vec::new() };

    /// Writes what changed since others were made of the effect.
    fn put(&self, before: Option<&Self>, batch: &mut Batch) {
        for key in before.iter().flat_map(|before| &before.keys) {
            if !self.keys.contains(key) {
                batch.delete(Family::Index, key.clone());
            }
        }
        let before = before.filter(|before| before.value == self.value);
        for key in &self.keys {
            if before.is_none_or(|before| !before.keys.contains(key)) {
                batch.put(Family::Index, key.clone(), self.value.clone());
            }
        }
    }
}

/// Whether its rows depend on the effect and what is remembered of it alone: a duty that is over stands until a report
/// meets it.
fn is_lasting(one: One<'_>) -> bool {
    !matches!(one, One::Deadline(deadline) if matches!(deadline.state, DeadlineState::Elapsed { .. }))
}

impl Waits {
    /// What waits in a case, with the rows of before where they would be the same.
    pub(crate) fn of(case: &OpenCase, before: Option<&Self>) -> Self {
        let Some(living) = case.living() else { return Self::default() };
        let (effects, seen) = (living.effects(), Seen::of(case, living));
        let is_same = |before: &Seen| before.is_same(&seen) && before.has_same_people(&seen);
        let same = |before: &&Self| before.seen.as_ref().is_some_and(is_same);
        let before = before.filter(same);
        let maker = Maker { case, living, id: living.case() };
        let mut all = Sorted::default();
        let mut put = |id: &EffectId, given: Option<One<'_>>, past: Option<&Arc<Past>>| {
            let kept = before.and_then(|before| before.effects.get(id));
            if let Some(kept) = kept.filter(|kept| kept.is_of(given, past) && given.is_none_or(is_lasting)) {
                all.insert(*id, kept.clone());
                return;
            }
            let rows = maker.rows(id, given, past);
            if !rows.keys.is_empty() {
                all.insert(*id, Arc::new(OfEffect { given: given.map(One::handle), past: past.cloned(), rows }));
            }
        };
        for (_, one) in One::all(effects).filter(|(_, one)| may_wait(*one)) {
            let id = one.origin().id;
            put(&id, Some(one), living.history().past().get(&id));
        }
        // To be acknowledged by all who were told of them.
        for (id, past) in living.history().past().iter().filter(|(_, past)| past.asks()) {
            put(id, None, Some(past));
        }
        Self { seen: Some(seen), effects: all, due_ms: due_ms(case, living) }
    }
    /// Goes on to what waits in the case now, and writes what changed: of its effects, those that were touched since, if
    /// that is known.
    pub(crate) fn go_on(&mut self, case: &OpenCase, touched: Option<&[Touched]>, batch: &mut Batch) {
        let Some(living) = case.living() else { return };
        let seen = Seen::of(case, living);
        let same = self.seen.as_ref().is_some_and(|before| before.is_same(&seen));
        let Some(touched) = touched.filter(|_| same) else {
            let after = Self::of(case, Some(&*self));
            after.put(&living.case(), self, batch);
            *self = after;
            return;
        };
        let maker = Maker { case, living, id: living.case() };
        for touched in touched {
            let (given, past) = touched.find(living);
            let given = given.map(|(_, one)| one).filter(|one| may_wait(*one));
            self.set(&maker, &touched.id, given, past, batch);
        }
        // Who takes part decides who watches a deadline, and reports whether one that is over still waits.
        let people = self.seen.as_ref().is_some_and(|before| before.has_same_people(&seen));
        for one in living.effects().deadlines.iter().map(One::Deadline) {
            let id = one.origin().id;
            let stays = people && is_lasting(one) || !may_wait(one);
            if !stays && !touched.iter().any(|touched| touched.id == id) {
                self.set(&maker, &id, Some(one), living.history().past().get(&id), batch);
            }
        }
        put_due(&living.case(), self.due_ms, due_ms(case, living), batch);
        (self.seen, self.due_ms) = (Some(seen), due_ms(case, living));
    }
    /// Makes the rows of one effect anew, and writes what changed in them.
    fn set(
        &mut self,
        maker: &Maker<'_>,
        id: &EffectId,
        given: Option<One<'_>>,
        past: Option<&Arc<Past>>,
        batch: &mut Batch,
    ) {
        let rows = match past {
            _ if given.is_some() => maker.rows(id, given, past),
            Some(one) if one.asks() => maker.rows(id, None, past),
            Some(_) | None => Rows::NONE,
        };
        let before = self.effects.get(id);
        if before.is_none() && rows.keys.is_empty() {
            return;
        }
        rows.put(before.map(|before| &before.rows), batch);
        if rows.keys.is_empty() {
            self.effects.remove(id);
        } else {
            self.effects.insert(*id, Arc::new(OfEffect { given: given.map(One::handle), past: past.cloned(), rows }));
        }
    }
    /// Writes what changed.
    fn put(&self, case: &CaseId, before: &Self, batch: &mut Batch) {
        let same = |one: Option<&Arc<OfEffect>>, other: &Arc<OfEffect>| one.is_some_and(|one| Arc::ptr_eq(one, other));
        for (id, before) in &before.effects {
            if self.effects.get(id).is_none() {
                Rows::NONE.put(Some(&before.rows), batch);
            }
        }
        for (id, after) in &self.effects {
            let before = before.effects.get(id);
            if !same(before, after) {
                after.rows.put(before.map(|before| &before.rows), batch);
            }
        }
        put_due(case, before.due_ms, self.due_ms, batch);
    }
}

/// When due work alone would touch the case next.
fn due_ms(case: &OpenCase, living: &Living) -> Option<u64> {
    living.effects().next_due_ms.filter(|_| case.wakes())
}

fn put_due(case: &CaseId, before: Option<u64>, after: Option<u64>, batch: &mut Batch) {
    if before == after {
        return;
    }
    if let Some(due_ms) = before {
        batch.delete(Family::Index, inbox::due_key(&(due_ms, *case)));
    }
    if let Some(due_ms) = after {
        batch.put(Family::Index, inbox::due_key(&(due_ms, *case)), Vec::new());
    }
}

/// Whether an effect may have rows: what is over has none.
fn may_wait(one: One<'_>) -> bool {
    match one {
        One::Task(task) => task.state == TaskState::Open,
        One::Notice(_) => true,
        One::Deadline(deadline) => !matches!(deadline.state, DeadlineState::Met(_) | DeadlineState::Stopped(_)),
        One::Lock(_) | One::Marker(_) => false,
    }
}

struct Maker<'c> {
    case: &'c OpenCase,
    living: &'c Living,
    id: CaseId,
}

impl Maker<'_> {
    fn rows(&self, id: &EffectId, given: Option<One<'_>>, past: Option<&Arc<Past>>) -> Rows {
        match (given, past) {
            (Some(One::Task(task)), _) => self.task(task),
            (Some(One::Notice(notice)), _) => self.notice(notice),
            (Some(One::Deadline(deadline)), _) => self.deadline(deadline),
            (None, Some(past)) => self.lock_notice(id, past),
            (Some(One::Lock(_) | One::Marker(_)) | None, _) => Rows::NONE,
        }
    }
    /// A row in a list of each of these authorities.
    fn to<'t>(
        &self,
        (list, all): (Inbox, impl Iterator<Item = &'t AuthorityId>),
        place: (bool, Option<u64>),
        effect: &EffectId,
        wait: &Wait<'_>,
    ) -> Rows {
        let key = |to: &AuthorityId| inbox::key(list, to.as_str(), place, (&self.id, effect));
        let keys: Vec<Vec<u8>> = all.map(key).collect();
        if keys.is_empty() {
            return Rows::NONE;
        }
        Rows { keys, value: waiting::write(&self.case.definition, self.living, wait) }
    }
    /// The authority meant; while nobody is known, all that hold the role.
    fn meant(&self, addressee: &Addressee) -> Vec<AuthorityId> {
        match &addressee.authority {
            Some(authority) => vec![authority.clone()],
            None => self.living.directory().holders(&addressee.role).cloned().collect(),
        }
    }
    fn of_role(&self, role: &Code) -> Vec<AuthorityId> {
        let participant = self.living.effects().participants.get(role);
        let authority = participant.map(|participant| participant.authority().clone());
        self.meant(&Addressee { role: role.clone(), authority })
    }
    fn acknowledged(&self, id: &EffectId, by: &AuthorityId) -> bool {
        self.living.history().acknowledgements(id).any(|(authority, _)| authority == by)
    }
    fn task(&self, task: &TaskEffect) -> Rows {
        let due_ms = task.due.as_ref().and_then(|due| due.as_ref().ok()).map(|due| instant(due.elapses_ms()));
        let meant = self.meant(&task.addressee);
        self.to((Inbox::Tasks, meant.iter()), (false, due_ms), &task.origin.id, &Wait::Task(task))
    }
    fn notice(&self, notice: &NoticeEffect) -> Rows {
        let id = &notice.origin.id;
        let meant: BTreeSet<_> = notice.recipients.iter().flat_map(|recipient| self.meant(recipient)).collect();
        let meant = meant.iter().filter(|authority| !self.acknowledged(id, authority));
        let place = (notice.urgent, notice.acknowledge_until_ms);
        self.to((Inbox::Notices, meant), place, id, &Wait::Notice(notice))
    }
    fn lock_notice(&self, id: &EffectId, past: &Past) -> Rows {
        let meant: BTreeSet<_> = past.told.iter().flat_map(|told| self.meant(told)).collect();
        let meant = meant.iter().filter(|authority| !self.acknowledged(id, authority));
        self.to((Inbox::Notices, meant), (true, None), id, &Wait::Lock(id))
    }
    fn deadline(&self, deadline: &DeadlineEffect) -> Rows {
        let case = self.case;
        let Some(rule) = case.definition.rules().deadline(deadline.deadline.as_str()) else { return Rows::NONE };
        let due_ms = deadline.due.as_ref().ok().map(|due| due.elapses_ms());
        let stands = match deadline.state {
            DeadlineState::Running | DeadlineState::Warned => true,
            // What nobody has to do is over with its end. A duty stands until it is done, though late.
            DeadlineState::Elapsed { .. } => {
                rule.unknown_seat == UnknownSeat::Earliest
                    && !case.fold.state().closed
                    && !case.fold.entries().iter().any(|entry| {
                        rule.met_by.contains(&entry.report.status)
                            && due_ms.is_none_or(|due_ms| entry.report.occurred.end_ms() >= due_ms)
                    })
            }
            DeadlineState::Met(_) | DeadlineState::Stopped(_) => false,
        };
        if !stands {
            return Rows::NONE;
        }
        let watched: BTreeSet<_> = rule.watched_by.iter().flat_map(|role| self.of_role(role)).collect();
        let place = (false, due_ms.map(instant));
        self.to((Inbox::Deadlines, watched.iter()), place, &deadline.origin.id, &Wait::Deadline(deadline))
    }
}

fn instant(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}
