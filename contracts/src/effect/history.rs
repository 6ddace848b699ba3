//! What the ledger keeps of a case's effects: since when it knows each, who was told, who acknowledged, who completed.
//! It outlives a fold: what a fold no longer gives is withdrawn here, once, and goes on here if it returns. Must never
//! hold what a fold can give.

use super::World;
use super::given::{Addressee, Cause, EffectId, EffectKind, Effects, Origin, Participant, TaskState};
use crate::definition::Lock;
use crate::limits::{EFFECTS_MAX, EFFECTS_RESERVED};
use crate::name::{AuthorityId, Code};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// That a task was completed by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// By whom.
    pub by: AuthorityId,
    /// How: one of the task's outcomes.
    pub outcome: Code,
    /// When, in milliseconds of block time.
    pub at_ms: u64,
}

/// What is kept of one effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// What it is.
    pub kind: EffectKind,
    /// Its name in the definition.
    pub name: Code,
    /// The rule that made it.
    pub rule: Code,
    /// Why that rule ran.
    pub cause: Cause,
    /// Its place among what the rule makes for one cause.
    pub occurrence: u32,
    /// Block time in milliseconds at which it first arose. It does not change if the effect goes and comes back.
    pub first_seen_ms: u64,
    /// Since when it is withdrawn.
    pub withdrawn_ms: Option<u64>,
    /// Whether it was not over yet when last seen: a lock stood, a task was open, a deadline ran, a marker was set.
    pub stood: bool,
    /// Whether it is told before all else: locks and urgent notices.
    pub urgent: bool,
    /// Everybody to whom it was shown.
    pub told: BTreeSet<Addressee>,
    /// By authority, when it acknowledged: a notice, or the withdrawal of a lock that stood.
    pub acknowledged: BTreeMap<AuthorityId, u64>,
    /// Of a task, how it was completed.
    pub completion: Option<Completion>,
}

/// An effect that came, went or is shown to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub id: EffectId,
    /// What it is.
    pub kind: EffectKind,
    /// Its name in the definition.
    pub name: Code,
    /// Who is to be told of the change: for one that arose or returned, those it is for; for one withdrawn, all who had
    /// been told of it; for one readdressed, those who had not been.
    pub told: Vec<Addressee>,
    /// Whether that goes before all else.
    pub urgent: bool,
    /// Whether they have to acknowledge the change.
    pub acknowledge: bool,
}

/// What one fold changed. Each list has locks first, then notices, tasks, deadlines, markers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Never there before.
    pub arose: Vec<Change>,
    /// Given no longer. That a lock which stood is gone without having been released is urgent and to be acknowledged.
    pub withdrawn: Vec<Change>,
    /// Given again.
    pub returned: Vec<Change>,
    /// Shown to more than before, since who holds a role has become known or has changed.
    pub readdressed: Vec<Change>,
    /// How many effects are not remembered, and so not told, since the history is full.
    pub dropped: u32,
}

/// Why an acknowledgement or a completion is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HistoryRefusal {
    /// The case has no such effect.
    EffectUnknown,
    /// It is no notice that demands an acknowledgement, and no withdrawal of a lock that does.
    NothingToAcknowledge,
    /// The authority is none of those it was sent to.
    NotRecipient,
    /// It has acknowledged before.
    AlreadyAcknowledged,
    /// It is no task.
    NotATask,
    /// The task is done, closed or withdrawn.
    TaskNotOpen,
    /// The task is another authority's, or for a role that the authority does not hold.
    NotOwner,
    /// The task has no such outcome.
    OutcomeUnknown,
}

impl HistoryRefusal {
    /// Its stable name.
    pub fn reason(self) -> &'static str {
        match self {
            Self::EffectUnknown => "EFFECT_UNKNOWN",
            Self::NothingToAcknowledge => "NOTHING_TO_ACKNOWLEDGE",
            Self::NotRecipient => "NOT_RECIPIENT",
            Self::AlreadyAcknowledged => "ALREADY_ACKNOWLEDGED",
            Self::NotATask => "NOT_A_TASK",
            Self::TaskNotOpen => "TASK_NOT_OPEN",
            Self::NotOwner => "NOT_OWNER",
            Self::OutcomeUnknown => "TASK_OUTCOME_UNKNOWN",
        }
    }
}

impl fmt::Display for HistoryRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.reason())
    }
}

impl std::error::Error for HistoryRefusal {}

/// What the ledger keeps of one case's effects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// A case is copied whole before it changes; what does not change is shared.
    past: BTreeMap<EffectId, Arc<Past>>,
    /// How many acknowledgements of notices and completions there are: they never become fewer, and a fold that has seen
    /// as many has seen them all.
    revision: u64,
    /// How many of those kept are neither locks nor urgent notices.
    last: usize,
}

/// An effect as a fold gives it, with what a history keeps.
struct Present<'e> {
    origin: &'e Origin,
    kind: EffectKind,
    name: &'e Code,
    stands: bool,
    urgent: bool,
    acknowledge: bool,
    shown: Shown<'e>,
}

/// To whom an effect is shown.
#[derive(Clone, Copy)]
enum Shown<'e> {
    /// To those it was made for.
    To(&'e [Addressee]),
    /// To those who hold these roles in the case now.
    Roles(&'e [Code]),
    /// To those who may announce or report what this stops or alarms: they have to know.
    Lock(&'e Lock),
}

impl Shown<'_> {
    /// Visits everybody, some more than once.
    fn visit(self, world: &World<'_>, effects: &Effects, visit: &mut dyn FnMut(&Code, Option<&AuthorityId>)) {
        let mut role = |role: &Code| {
            let known = effects.participants.get(role).map(Participant::authority);
            visit(role, known);
        };
        match self {
            Self::To(all) => all.iter().for_each(|one| visit(&one.role, one.authority.as_ref())),
            Self::Roles(roles) => roles.iter().for_each(role),
            Self::Lock(lock) => {
                let statuses = lock.stops.iter().chain(&lock.alarms);
                let statuses = statuses.filter_map(|code| world.definition.status(code.as_str()));
                statuses.flat_map(|status| &status.reported_by).for_each(&mut role);
            }
        }
    }

    /// Everybody who is not among those told already.
    fn besides(self, world: &World<'_>, effects: &Effects, told: &BTreeSet<Addressee>) -> Vec<Addressee> {
        let mut more = BTreeSet::new();
        self.visit(world, effects, &mut |role, authority| {
            if !told.iter().any(|one| one.role == *role && one.authority.as_ref() == authority) {
                more.insert(Addressee { role: role.clone(), authority: authority.cloned() });
            }
        });
        more.into_iter().collect()
    }
}

impl History {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A history as it was kept.
    pub fn restore(past: BTreeMap<EffectId, Arc<Past>>) -> Self {
        let last = past.values().filter(|past| !past.urgent).count();
        let acknowledged = |past: &Arc<Past>| if past.kind == EffectKind::Notice { past.acknowledged.len() } else { 0 };
        let of = |past: &Arc<Past>| acknowledged(past).saturating_add(usize::from(past.completion.is_some()));
        let revision = past.values().fold(0_u64, |sum, past| sum.saturating_add(of(past) as u64));
        Self { past, revision, last }
    }

    /// All that is kept, by name.
    pub fn past(&self) -> &BTreeMap<EffectId, Arc<Past>> {
        &self.past
    }

    /// When an effect first arose.
    pub fn first_seen_ms(&self, id: &EffectId) -> Option<u64> {
        self.past.get(id).map(|past| past.first_seen_ms)
    }

    /// How a task was completed.
    pub fn completion(&self, id: &EffectId) -> Option<&Completion> {
        self.past.get(id)?.completion.as_ref()
    }

    /// Who acknowledged, and when.
    pub fn acknowledgements(&self, id: &EffectId) -> impl Iterator<Item = (&AuthorityId, u64)> {
        let all = self.past.get(id).map(|past| &past.acknowledged);
        all.into_iter().flatten().map(|(authority, at_ms)| (authority, *at_ms))
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Takes what a fold gives as of its instant, and says what has changed since the last time, each change once.
    pub fn advance(&mut self, world: &World<'_>, effects: &Effects) -> Changes {
        let now_ms = effects.as_of_ms;
        let mut changes = Changes::default();
        let mut there = 0_usize;
        for present in present(world, effects) {
            there = there.saturating_add(usize::from(self.see(world, effects, present, &mut changes)));
        }
        // All that is there is remembered now; mostly nothing else is.
        if self.past.values().filter(|past| past.withdrawn_ms.is_none()).count() > there {
            changes.withdrawn = self.withdraw(world, effects, now_ms);
        }
        changes
    }

    /// Withdraws what is given no longer.
    fn withdraw(&mut self, world: &World<'_>, effects: &Effects, now_ms: u64) -> Vec<Change> {
        let there: BTreeSet<EffectId> = present(world, effects).map(|present| present.origin.id).collect();
        let mut gone = Vec::new();
        for (id, past) in &mut self.past {
            if past.withdrawn_ms.is_some() || there.contains(id) {
                continue;
            }
            let past = Arc::make_mut(past);
            past.withdrawn_ms = Some(now_ms);
            let acknowledge = past.kind == EffectKind::Lock && past.stood;
            let told = past.told.iter().cloned().collect();
            let urgent = past.urgent && (past.stood || past.kind == EffectKind::Notice);
            gone.push(Change { id: *id, kind: past.kind, name: past.name.clone(), told, urgent, acknowledge });
        }
        gone.sort_by_key(|change| change.kind);
        gone
    }

    /// Takes one effect that is given; whether it is remembered.
    fn see(&mut self, world: &World<'_>, effects: &Effects, present: Present<'_>, changes: &mut Changes) -> bool {
        let Present { origin, kind, name, stands, urgent, acknowledge, shown } = present;
        let id = origin.id;
        let change = |told: Vec<Addressee>| Change { id, kind, name: name.clone(), told, urgent, acknowledge };
        let all = || shown.besides(world, effects, &BTreeSet::new());
        let count = self.past.len();
        let Some(past) = self.past.get_mut(&id) else {
            let kept = EFFECTS_MAX.saturating_sub(EFFECTS_RESERVED);
            if count >= EFFECTS_MAX || (!urgent && self.last >= kept) {
                changes.dropped = changes.dropped.saturating_add(1);
                return false;
            }
            let told = all();
            let past = Past {
                kind,
                name: name.clone(),
                rule: origin.rule.clone(),
                cause: origin.cause,
                occurrence: origin.occurrence,
                first_seen_ms: effects.as_of_ms,
                withdrawn_ms: None,
                stood: stands,
                urgent,
                told: told.iter().cloned().collect(),
                acknowledged: BTreeMap::new(),
                completion: None,
            };
            self.past.insert(id, Arc::new(past));
            self.last = self.last.saturating_add(usize::from(!urgent));
            changes.arose.push(change(told));
            return true;
        };
        if past.stood != stands {
            Arc::make_mut(past).stood = stands;
        }
        if past.withdrawn_ms.is_some() {
            let past = Arc::make_mut(past);
            past.withdrawn_ms = None;
            if kind == EffectKind::Lock {
                // What was acknowledged was that it had gone.
                past.acknowledged.clear();
            }
            let told = all();
            past.told.extend(told.iter().cloned());
            changes.returned.push(change(told));
        } else if stands {
            let more = shown.besides(world, effects, &past.told);
            if !more.is_empty() {
                Arc::make_mut(past).told.extend(more.iter().cloned());
                changes.readdressed.push(change(more));
            }
        }
        true
    }

    /// Records that an authority acknowledged a notice, or the withdrawal of a lock that stood. `effects` are those of
    /// the case as of now.
    ///
    /// # Errors
    /// The reason against it.
    pub fn acknowledge(
        &mut self,
        world: &World<'_>,
        effects: &Effects,
        id: &EffectId,
        authority: &AuthorityId,
        now_ms: u64,
    ) -> Result<(), HistoryRefusal> {
        let past = self.past.get_mut(id).ok_or(HistoryRefusal::EffectUnknown)?;
        let recipients: Vec<&Addressee> = match (past.kind, past.withdrawn_ms) {
            (EffectKind::Lock, Some(_)) if past.stood => past.told.iter().collect(),
            (EffectKind::Notice, None) => {
                let notice = effects.notices.iter().find(|notice| notice.origin.id == *id);
                let notice = notice.filter(|notice| notice.acknowledge_until_ms.is_some());
                notice.ok_or(HistoryRefusal::NothingToAcknowledge)?.recipients.iter().collect()
            }
            (_, _) => return Err(HistoryRefusal::NothingToAcknowledge),
        };
        if !recipients.into_iter().any(|recipient| meant(world, recipient, authority)) {
            return Err(HistoryRefusal::NotRecipient);
        }
        if past.acknowledged.contains_key(authority) {
            return Err(HistoryRefusal::AlreadyAcknowledged);
        }
        Arc::make_mut(past).acknowledged.insert(authority.clone(), now_ms);
        self.revision = self.revision.saturating_add(u64::from(past.kind == EffectKind::Notice));
        Ok(())
    }

    /// Records that an authority completed a task by hand. `effects` are those of the case as of now.
    ///
    /// # Errors
    /// The reason against it.
    pub fn complete(
        &mut self,
        world: &World<'_>,
        effects: &Effects,
        id: &EffectId,
        completion: Completion,
    ) -> Result<(), HistoryRefusal> {
        let past = self.past.get_mut(id).ok_or(HistoryRefusal::EffectUnknown)?;
        if past.kind != EffectKind::Task {
            return Err(HistoryRefusal::NotATask);
        }
        let task = effects.tasks.iter().find(|task| task.origin.id == *id && task.state == TaskState::Open);
        let task = task.ok_or(HistoryRefusal::TaskNotOpen)?;
        if past.completion.is_some() {
            return Err(HistoryRefusal::TaskNotOpen);
        }
        if !meant(world, &task.addressee, &completion.by) {
            return Err(HistoryRefusal::NotOwner);
        }
        let rule = world.definition.rules().task(task.task.as_str());
        if !rule.is_some_and(|rule| rule.outcomes.contains(&completion.outcome)) {
            return Err(HistoryRefusal::OutcomeUnknown);
        }
        Arc::make_mut(past).completion = Some(completion);
        self.revision = self.revision.saturating_add(1);
        Ok(())
    }
}

/// Whether an authority is the one addressed; while nobody is known, whether it holds the role.
fn meant(world: &World<'_>, addressee: &Addressee, authority: &AuthorityId) -> bool {
    match &addressee.authority {
        Some(known) => known == authority,
        None => world.directory.holds(&addressee.role, authority),
    }
}

fn present<'e>(world: &World<'e>, effects: &'e Effects) -> impl Iterator<Item = Present<'e>> {
    let rules = world.definition.rules();
    let locks = effects.locks.iter().map(move |lock| {
        let shown = rules.lock(lock.lock.as_str()).map_or(Shown::To(&[]), Shown::Lock);
        let plain = of(&lock.origin, EffectKind::Lock, &lock.lock, lock.released_by.is_none(), shown);
        Present { urgent: true, ..plain }
    });
    let notices = effects.notices.iter().map(|notice| {
        let acknowledge = notice.acknowledge_until_ms.is_some();
        let plain = of(&notice.origin, EffectKind::Notice, &notice.notice, true, Shown::To(&notice.recipients));
        Present { urgent: notice.urgent, acknowledge, ..plain }
    });
    let tasks = effects.tasks.iter().map(|task| {
        let open = task.state == TaskState::Open;
        of(&task.origin, EffectKind::Task, &task.task, open, Shown::To(std::slice::from_ref(&task.addressee)))
    });
    let deadlines = effects.deadlines.iter().map(move |deadline| {
        let roles = rules.deadline(deadline.deadline.as_str()).map_or(&[][..], |rule| &rule.watched_by);
        let runs = deadline.state.runs();
        of(&deadline.origin, EffectKind::Deadline, &deadline.deadline, runs, Shown::Roles(roles))
    });
    let markers = effects.markers.iter().map(move |marker| {
        let roles = rules.marker(marker.marker.as_str()).map_or(&[][..], |rule| &rule.audience);
        of(&marker.origin, EffectKind::Marker, &marker.marker, marker.cleared_by.is_none(), Shown::Roles(roles))
    });
    locks.chain(notices).chain(tasks).chain(deadlines).chain(markers)
}

fn of<'e>(origin: &'e Origin, kind: EffectKind, name: &'e Code, stands: bool, shown: Shown<'e>) -> Present<'e> {
    Present { origin, kind, name, stands, urgent: false, acknowledge: false, shown }
}
