//! What the ledger keeps of a case's effects: since when it knows each, who was told, who acknowledged, who completed.
//! It outlives a fold: what a fold no longer gives is withdrawn here, once, and goes on here if it returns. Must never
//! hold what a fold can give.

mod shown;
mod told;

pub use told::{Change, Changes, Completion, HistoryRefusal, Past};

use super::World;
use super::given::{Addressee, EffectId, EffectKind, Effects, TaskState};
use super::one::One;
use super::sorted::Sorted;
use crate::limits::{EFFECTS_MAX, EFFECTS_RESERVED};
use crate::name::AuthorityId;
use shown::{Present, present, present_one};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the ledger keeps of one case's effects.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// A case is copied whole before it changes; what does not change is shared.
    past: Sorted<EffectId, Arc<Past>>,
    /// How many acknowledgements of notices and completions there are: they never become fewer, and a fold that has seen
    /// as many has seen them all.
    revision: u64,
    /// How many of those kept are neither locks nor urgent notices.
    last: usize,
    /// What was put or changed since the last [`History::settle`], some more than once.
    changed: Vec<EffectId>,
}

/// What changed lately says nothing of what is kept.
impl PartialEq for History {
    fn eq(&self, other: &Self) -> bool {
        (&self.past, self.revision, self.last) == (&other.past, other.revision, other.last)
    }
}

impl Eq for History {}

impl History {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A history as it was kept.
    pub fn restore(past: BTreeMap<EffectId, Past>) -> Self {
        let last = past.values().filter(|past| !past.urgent).count();
        let acknowledged = |past: &Past| if past.kind == EffectKind::Notice { past.acknowledged.len() } else { 0 };
        let of = |past: &Past| acknowledged(past).saturating_add(usize::from(past.completion.is_some()));
        let revision = past.values().fold(0_u64, |sum, past| sum.saturating_add(of(past) as u64));
        let past = past.into_iter().map(|(id, past)| (id, Arc::new(past))).collect();
        Self { past, revision, last, changed: Vec::new() }
    }

    /// What was put or changed since the history was settled last, some more than once.
    pub fn changed(&self) -> &[EffectId] {
        &self.changed
    }

    /// From now on nothing counts as changed.
    pub fn settle(&mut self) {
        self.changed.clear();
    }

    /// The only way to change what is kept of an effect.
    fn change(&mut self, id: &EffectId) -> Option<&mut Past> {
        let past = self.past.get_mut(id)?;
        self.changed.push(*id);
        Some(Arc::make_mut(past))
    }

    /// All that is kept, by name.
    pub fn past(&self) -> &Sorted<EffectId, Arc<Past>> {
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

    /// The history without what was answered later than an instant: for a question about the past. When things arose
    /// and were withdrawn stays, since that is when the ledger came to know of it.
    #[must_use]
    pub fn until(&self, at_ms: u64) -> Self {
        let then = |past: &Past| {
            let mut past = past.clone();
            past.acknowledged.retain(|_, acknowledged_ms| *acknowledged_ms <= at_ms);
            past.completion.take_if(|completion| completion.at_ms > at_ms);
            past
        };
        Self::restore(self.past.iter().map(|(id, past)| (*id, then(past))).collect())
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Takes what a fold gives as of its instant, and says what has changed since the last time, each change once.
    pub fn advance(&mut self, world: &World<'_>, effects: &Effects) -> Changes {
        let mut changes = Changes::default();
        let mut there = 0_usize;
        for present in present(world, effects) {
            there = there.saturating_add(usize::from(self.see(world, effects, present, &mut changes)));
        }
        // All that is there is remembered now; mostly nothing else is.
        if self.past.values().filter(|past| past.withdrawn_ms.is_none()).count() > there {
            changes.withdrawn = self.withdraw(world, effects, effects.as_of_ms);
        }
        changes
    }

    /// The same where nothing that was given the last time is missing, and all of it was remembered: looks only at what has
    /// changed since, unless that somebody else takes part in the case may change who is shown what.
    pub fn advance_changed(&mut self, world: &World<'_>, effects: &Effects, same_people: bool) -> Changes {
        let mut changes = Changes::default();
        if same_people {
            for (_, one) in One::changed(effects) {
                self.see(world, effects, present_one(world, one), &mut changes);
            }
        } else {
            for present in present(world, effects) {
                self.see(world, effects, present, &mut changes);
            }
        }
        changes
    }

    /// Withdraws what is given no longer.
    fn withdraw(&mut self, world: &World<'_>, effects: &Effects, now_ms: u64) -> Vec<Change> {
        let there: BTreeSet<EffectId> = present(world, effects).map(|present| present.origin.id).collect();
        let leaves =
            |(id, past): (&EffectId, &Arc<Past>)| (past.withdrawn_ms.is_none() && !there.contains(id)).then_some(*id);
        let leaving: Vec<EffectId> = self.past.iter().filter_map(leaves).collect();
        let mut gone = Vec::new();
        for id in leaving {
            let Some(past) = self.change(&id) else { continue };
            past.withdrawn_ms = Some(now_ms);
            if past.again_ms.take().is_some() {
                // What was acknowledged was that it stood again.
                past.acknowledged.clear();
            }
            let acknowledge = past.kind == EffectKind::Lock && past.stood;
            let told = past.told.iter().cloned().collect();
            let urgent = past.urgent && (past.stood || past.kind == EffectKind::Notice);
            gone.push(Change { id, kind: past.kind, name: past.name.clone(), told, urgent, acknowledge });
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
        let Some(past) = self.past.get(&id) else {
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
                again_ms: None,
                stood: stands,
                urgent,
                told: told.iter().cloned().collect(),
                acknowledged: BTreeMap::new(),
                completion: None,
            };
            self.past.insert(id, Arc::new(past));
            self.changed.push(id);
            self.last = self.last.saturating_add(usize::from(!urgent));
            changes.arose.push(change(told));
            return true;
        };
        let (withdrawn, stood) = (past.withdrawn_ms.is_some(), past.stood);
        let more = if stands && !withdrawn { shown.besides(world, effects, &past.told) } else { Vec::new() };
        if !withdrawn && stood == stands && more.is_empty() {
            return true;
        }
        let Some(past) = self.change(&id) else { return true };
        past.stood = stands;
        if withdrawn {
            past.withdrawn_ms = None;
            let told = all();
            past.told.extend(told.iter().cloned());
            if kind != EffectKind::Lock || !stands {
                changes.returned.push(change(told));
            }
        } else if !more.is_empty() {
            past.told.extend(more.iter().cloned());
            changes.readdressed.push(change(more));
        }
        if kind == EffectKind::Lock && stands && (withdrawn || !stood) {
            // What was acknowledged was that it had gone. That it stands again all have to know who ever knew of it.
            past.acknowledged.clear();
            past.again_ms = Some(effects.as_of_ms);
            let told = past.told.iter().cloned().collect();
            changes.returned.push(Change { acknowledge: true, ..change(told) });
        } else if !stands && past.again_ms.take().is_some() {
            past.acknowledged.clear();
        }
        true
    }

    /// Records that an authority acknowledged a notice, the withdrawal of a lock that stood, or that a lock stands again.
    /// `effects` are those of the case as of now.
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
        let past = self.past.get(id).ok_or(HistoryRefusal::EffectUnknown)?;
        let recipients: Vec<&Addressee> = match (past.kind, past.withdrawn_ms) {
            (EffectKind::Lock, _) if past.asks() => past.told.iter().collect(),
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
        let past = self.change(id).ok_or(HistoryRefusal::EffectUnknown)?;
        past.acknowledged.insert(authority.clone(), now_ms);
        let counts = past.kind == EffectKind::Notice;
        self.revision = self.revision.saturating_add(u64::from(counts));
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
        let past = self.past.get(id).ok_or(HistoryRefusal::EffectUnknown)?;
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
        self.change(id).ok_or(HistoryRefusal::EffectUnknown)?.completion = Some(completion);
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
