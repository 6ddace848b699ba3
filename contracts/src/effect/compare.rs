//! What a draft of a definition, or other calendars, would change in a case: the same reports folded twice, as of the
//! same instant, and the two results compared. Must never look at anything but the two results, and never decide
//! whether a change is good.
//!
//! An effect of one result is that of the other if both have the same code, go back to the same report, and were set off
//! by the same kind of thing: by that report itself, or by the deadline or notice of the same code. Of several alike the
//! first is compared with the first. So renaming a rule, or moving an action within it, changes nothing here.

mod draft;
mod tally;

pub use draft::Places;
pub use tally::{Counts, OfAuthority, Tally};

use super::Directory;
use super::given::{
    Addressee, Cause, DeadlineState, EffectDeviationKind, EffectId, EffectKind, Effects, Origin, TaskState,
};
use crate::definition::{Definition, Status};
use crate::fold::CaseFold;
use crate::legal::{Due, DueError};
use crate::name::{AuthorityId, Code};
use crate::report::Slot;
use std::collections::{BTreeMap, BTreeSet};

/// Steps from an effect back to a report. The checker lets no rule set itself off for ever, so real chains are short.
const STEPS_MAX: usize = 64;

/// A case folded one way.
#[derive(Debug, Clone, Copy)]
pub struct Side<'s> {
    /// What it was folded with.
    pub definition: &'s Definition,
    /// Which authorities hold which roles.
    pub directory: &'s Directory,
    /// Its reports.
    pub case: &'s CaseFold,
    /// What follows from them.
    pub effects: &'s Effects,
}

/// What has become of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Became {
    /// Only the draft gives it.
    Added,
    /// The draft does not give it.
    Gone,
    /// Both give it, with another end or for others.
    Moved,
    /// Both give it alike, but it is further in one than in the other: met or elapsed, done or open, released or not.
    Turned,
}

/// A change of one effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is.
    pub kind: EffectKind,
    /// Its name in the definition.
    pub code: Code,
    /// What has become of it.
    pub became: Became,
    /// Whether it waits now, and whether it would: a deadline runs, a task is open, a lock stands, a marker is set; a notice
    /// does if it demands an acknowledgement.
    pub waits: (bool, bool),
    /// Whether a deadline has ended without being met now, and whether it would have.
    pub elapsed: (bool, bool),
    /// When it is due now and in the draft, in milliseconds; none where it is not there, has no end, or it cannot be
    /// counted.
    pub due_ms: (Option<i64>, Option<i64>),
    /// The authorities whose list it is in, now or in the draft. Empty if nobody holds the role it is for.
    pub concerns: BTreeSet<AuthorityId>,
    /// The report it goes back to; none if that cannot be found.
    pub report: Option<Slot>,
}

/// That a report departs from the rules on one side only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// In what: the stable name, and of guards, locks and roles their code.
    pub what: String,
    /// The report.
    pub slot: Slot,
    /// Its status.
    pub status: Code,
    /// Who reported.
    pub author: AuthorityId,
}

/// What a draft changes in a case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Effects.
    pub changes: Vec<Change>,
    /// Deviations that the draft adds.
    pub departures: Vec<Departure>,
    /// Deviations that the draft heals.
    pub healed: Vec<Departure>,
    /// Standing reports of a status that the draft has not, by status.
    pub unknown_statuses: BTreeMap<Code, u32>,
    /// Standing reports with an outcome that the draft does not have for their status, by both.
    pub unknown_outcomes: BTreeMap<(Code, Code), u32>,
}

impl Difference {
    /// Whether the draft changes anything in the case.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.departures.is_empty() && self.healed.is_empty()
    }
}

/// An effect as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct One {
    waits: bool,
    elapsed: bool,
    due_ms: Option<i64>,
    /// For whom; of a task both role and authority count.
    to: BTreeSet<Addressee>,
    concerns: BTreeSet<AuthorityId>,
}

/// By what two effects are the same: kind, code, code of what set it off if that was an effect, and the report.
type Key = (EffectKind, Code, Option<Code>, Option<Slot>);

/// Compares a case folded as it is with the same case folded with a draft.
pub fn compare(now: &Side<'_>, draft: &Side<'_>) -> Difference {
    let mut difference = Difference::default();
    let (before, mut after) = (ones(now), ones(draft));
    for (key, before) in before {
        let after = after.remove(&key).unwrap_or_default();
        let (mut before, mut after) = (before.into_iter(), after.into_iter());
        loop {
            match (before.next(), after.next()) {
                (None, None) => break,
                (before, after) => difference.changes.extend(change(&key, before, after)),
            }
        }
    }
    for (key, after) in after {
        difference.changes.extend(after.into_iter().filter_map(|one| change(&key, None, Some(one))));
    }
    let (before, after) = (departures(now), departures(draft));
    let missing = |of: &BTreeMap<(Slot, String), Departure>, in_: &BTreeMap<(Slot, String), Departure>| {
        of.iter().filter(|(key, _)| !in_.contains_key(*key)).map(|(_, departure)| departure.clone()).collect()
    };
    difference.departures = missing(&after, &before);
    difference.healed = missing(&before, &after);
    unknown(now, draft, &mut difference);
    difference
}

fn change((kind, code, _, report): &Key, before: Option<One>, after: Option<One>) -> Option<Change> {
    let became = match (&before, &after) {
        (None, None) => return None,
        (None, Some(_)) => Became::Added,
        (Some(_), None) => Became::Gone,
        (Some(before), Some(after)) if before.due_ms != after.due_ms || before.to != after.to => Became::Moved,
        (Some(before), Some(after)) if (before.waits, before.elapsed) != (after.waits, after.elapsed) => Became::Turned,
        (Some(_), Some(_)) => return None,
    };
    let of = |get: fn(&One) -> bool| (before.as_ref().is_some_and(get), after.as_ref().is_some_and(get));
    let due_ms = |one: &Option<One>| one.as_ref().and_then(|one| one.due_ms);
    Some(Change {
        kind: *kind,
        code: code.clone(),
        became,
        waits: of(|one| one.waits),
        elapsed: of(|one| one.elapsed),
        due_ms: (due_ms(&before), due_ms(&after)),
        concerns: before.iter().chain(&after).flat_map(|one| one.concerns.iter().cloned()).collect(),
        report: *report,
    })
}

/// All effects of a side, each list in the order in which they were made.
fn ones(side: &Side<'_>) -> BTreeMap<Key, Vec<One>> {
    let (effects, rules) = (side.effects, side.definition.rules());
    let mut all: BTreeMap<Key, Vec<One>> = BTreeMap::new();
    let mut put = |kind, code: &Code, origin: &Origin, one| {
        let (set_off_by, report) = root(effects, origin);
        all.entry((kind, code.clone(), set_off_by, report)).or_default().push(one);
    };
    for deadline in &effects.deadlines {
        let watched_by = rules.deadline(deadline.deadline.as_str()).map_or(&[][..], |rule| &rule.watched_by);
        let one = side.one(deadline.state.runs(), end(Some(&deadline.due)), side.of_roles(watched_by));
        let elapsed = matches!(deadline.state, DeadlineState::Elapsed { .. });
        put(EffectKind::Deadline, &deadline.deadline, &deadline.origin, One { elapsed, ..one });
    }
    for task in &effects.tasks {
        let to = [task.addressee.clone()].into();
        let one = side.one(task.state == TaskState::Open, end(task.due.as_ref()), to);
        put(EffectKind::Task, &task.task, &task.origin, one);
    }
    for notice in &effects.notices {
        // Until when it is to be acknowledged hangs on when it was sent, which a draft does not tell.
        let one = side.one(notice.acknowledge_until_ms.is_some(), None, notice.recipients.iter().cloned().collect());
        put(EffectKind::Notice, &notice.notice, &notice.origin, one);
    }
    for lock in &effects.locks {
        let rule = rules.lock(lock.lock.as_str());
        let statuses = rule.into_iter().flat_map(|rule| rule.stops.iter().chain(&rule.alarms));
        let statuses = statuses.filter_map(|code| side.definition.status(code.as_str()));
        let to = statuses.flat_map(|status| side.of_roles(&status.reported_by)).collect();
        put(EffectKind::Lock, &lock.lock, &lock.origin, side.one(lock.released_by.is_none(), None, to));
    }
    for marker in &effects.markers {
        let audience = rules.marker(marker.marker.as_str()).map_or(&[][..], |rule| &rule.audience);
        let one = side.one(marker.cleared_by.is_none(), None, side.of_roles(audience));
        put(EffectKind::Marker, &marker.marker, &marker.origin, one);
    }
    all
}

fn end(due: Option<&Result<Due, DueError>>) -> Option<i64> {
    due.and_then(|due| due.as_ref().ok()).map(Due::elapses_ms)
}

impl Side<'_> {
    fn one(&self, waits: bool, due_ms: Option<i64>, to: BTreeSet<Addressee>) -> One {
        let concerns = to.iter().flat_map(|addressee| self.meant(addressee)).collect();
        One { waits, elapsed: false, due_ms, to, concerns }
    }

    /// The authority meant; while nobody is known, all that hold the role.
    fn meant(&self, addressee: &Addressee) -> Vec<AuthorityId> {
        match &addressee.authority {
            Some(authority) => vec![authority.clone()],
            None => self.directory.holders(&addressee.role).cloned().collect(),
        }
    }

    fn of_roles(&self, roles: &[Code]) -> BTreeSet<Addressee> {
        let of = |role: &Code| {
            let known = self.effects.participants.get(role).map(|participant| participant.authority().clone());
            Addressee { role: role.clone(), authority: known }
        };
        roles.iter().map(of).collect()
    }
}

/// The code of the effect that set an effect off, if it was one, and the report all began with.
fn root(effects: &Effects, origin: &Origin) -> (Option<Code>, Option<Slot>) {
    let (mut first, mut cause) = (None, origin.cause);
    for _ in 0..STEPS_MAX {
        match cause {
            Cause::Report(slot) => return (first, Some(slot)),
            Cause::Effect(id) => {
                let Some((code, before)) = made(effects, &id) else { return (first, None) };
                first.get_or_insert_with(|| code.clone());
                cause = before.cause;
            }
        }
    }
    (first, None)
}

/// What sets rules off: a deadline or a notice.
fn made<'e>(effects: &'e Effects, id: &EffectId) -> Option<(&'e Code, &'e Origin)> {
    let deadlines = effects.deadlines.iter().map(|one| (&one.deadline, &one.origin));
    let mut all = deadlines.chain(effects.notices.iter().map(|one| (&one.notice, &one.origin)));
    all.find(|(_, origin)| origin.id == *id)
}

/// In what the reports of a side depart from its rules.
fn departures(side: &Side<'_>) -> BTreeMap<(Slot, String), Departure> {
    let mut found = BTreeMap::new();
    let mut put = |slot: &Slot, status: &Code, what: String| {
        let Ok(entry) = side.case.entry(slot) else { return };
        let departure =
            Departure { what: what.clone(), slot: *slot, status: status.clone(), author: entry.author.clone() };
        found.insert((*slot, what), departure);
    };
    for deviation in &side.case.state().deviations {
        put(&deviation.slot, &deviation.status, deviation.kind.reason().to_owned());
    }
    for deviation in &side.effects.deviations {
        put(&deviation.slot, &deviation.status, what(side.effects, &deviation.kind));
    }
    found
}

/// The stable name of a deviation with the code of the guard, lock or role it is about.
fn what(effects: &Effects, kind: &EffectDeviationKind) -> String {
    use EffectDeviationKind as Kind;
    let code = match kind {
        Kind::Warned(code) | Kind::Overridden(code) | Kind::Grave(code) | Kind::AssignedWithoutRole(code) => Some(code),
        Kind::ExecutedDespiteLock(id) | Kind::AnnouncedDespiteLock(id) => {
            effects.locks.iter().find(|lock| lock.origin.id == *id).map(|lock| &lock.lock)
        }
    };
    code.map_or_else(|| kind.reason().to_owned(), |code| format!("{} {code}", kind.reason()))
}

/// What stands in the case and the draft has no name for. What the definition of now has no name for either is not news.
fn unknown(now: &Side<'_>, draft: &Side<'_>, difference: &mut Difference) {
    for entry in draft.case.entries() {
        let code = &entry.report.status;
        // The draft may read it under another name.
        let read_now = now.case.entry(&entry.slot).map_or(code, |entry| &entry.report.status);
        let Some(known) = now.definition.status(read_now.as_str()) else { continue };
        let Some(status) = draft.definition.status(code.as_str()) else {
            count(difference.unknown_statuses.entry(code.clone()).or_default());
            continue;
        };
        let Some(outcome) = &entry.report.outcome else { continue };
        let has = |definition: &Definition, status: &Status| {
            definition.outcomes_of(status).is_some_and(|list| list.outcome(outcome).is_some())
        };
        if has(now.definition, known) && !has(draft.definition, status) {
            count(difference.unknown_outcomes.entry((code.clone(), outcome.clone())).or_default());
        }
    }
}

fn count(number: &mut u32) {
    *number = number.saturating_add(1);
}
