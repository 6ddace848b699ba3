//! One case of the model: the reports that stand, and what follows from them by the slow fold. Must never ask the ledger.

use laufzettel_chain::ids::Height;
use laufzettel_chain::item::{Action, Item};
use laufzettel_contracts::effect::{
    Cause, Completion, DeadlineEffect, EffectDeviationKind, EffectId, Effects, History, LockEffect, Shared,
};
use laufzettel_contracts::{AuthorityId, Code, Due, Entry, Kind, Position, Slot, StartDay, Trigger, When};

use super::memory::Memory;
use super::reference::Reference;
use super::votes::Votes;
use super::world::Setting;

/// A case of language 2.
pub(super) struct Case {
    pub(super) setting: Setting,
    pub(super) entries: Vec<Entry>,
    /// Slots it has had, standing and retracted.
    pub(super) slots: usize,
    pub(super) memory: Memory,
    /// What followed at the end of the last block that touched it.
    pub(super) effects: Effects,
    /// What follows as of an instant, while nothing changes.
    now: Option<Effects>,
    /// When to look at it again.
    wakes_ms: Option<u64>,
    /// The instant from which it was last asked what will be due.
    pub(super) looked_ahead_ms: Option<u64>,
    /// The version it stood under when it was written last.
    version: u32,
    /// Whether other calendars count since then, and whether something was still to come in it when they began to.
    recounts: bool,
    expects: bool,
    /// How often it came to another version.
    pub(super) moves: u64,
}

impl Case {
    pub(super) fn new(setting: Setting) -> Self {
        let version = setting.definition.version();
        Self {
            setting,
            entries: Vec::new(),
            slots: 0,
            memory: Memory::default(),
            effects: Effects::default(),
            now: None,
            wakes_ms: None,
            looked_ahead_ms: None,
            version,
            recounts: false,
            expects: false,
            moves: 0,
        }
    }

    /// Takes the version and the calendars that count for it in the block of a height, whether it is written there or not.
    pub(super) fn come_to(&mut self, votes: &Votes<'_>, height: Height) {
        let (mut version, id) = (self.setting.definition.version(), self.setting.definition.id().to_owned());
        while let Some((to, names)) = votes.moved(&id, version, height) {
            let Some(definition) = votes.definition(&id, to) else { break };
            self.setting.definition = definition.clone();
            for entry in &mut self.entries {
                if let Some(name) = names.get(&entry.report.status) {
                    entry.report.status = name.clone();
                }
            }
            (version, self.now) = (to, None);
        }
        let counts = self.setting.calendars.version();
        if let Some(calendars) = votes.calendars_at(height).filter(|one| one.version() != counts) {
            // What it was written with last says whether something is to come: what other calendars made of it since then
            // differs from that without anything running.
            if !self.recounts {
                let instants: Vec<u64> = self.instants().collect();
                self.expects |= instants.into_iter().any(|ms| self.has_changed(ms));
            }
            (self.setting.calendars, self.recounts, self.now) = (calendars.clone(), true, None);
        }
    }
    /// Whether it was not written since it came to another version or other calendars.
    pub(super) fn waits(&self) -> bool {
        self.recounts || self.version != self.setting.definition.version()
    }
    /// Whether it has to be written for that, if there is room. Where nothing is to come any more, the day on which
    /// something would have ended is told anew when it is written for another reason.
    pub(super) fn must_come(&self) -> bool {
        self.version != self.setting.definition.version() || self.recounts && self.expects
    }
    /// The definition and version it was written under last.
    pub(super) fn stands_under(&self) -> (&str, u32) {
        (self.setting.definition.id(), self.version)
    }

    /// What follows as of an instant.
    pub(super) fn at(&mut self, as_of_ms: u64) -> &Effects {
        if self.now.as_ref().is_none_or(|effects| effects.as_of_ms != as_of_ms) {
            let history = History::restore(self.memory.past.clone());
            self.now = Some(Reference::new(&self.setting, &self.entries, &history, as_of_ms).effects());
        }
        self.now.get_or_insert_default()
    }

    /// Takes an accepted item; what is wrong with its having been accepted.
    pub(super) fn take(
        &mut self,
        item: &Item,
        author: &AuthorityId,
        position: Position,
        time_ms: u64,
    ) -> Result<(), &'static str> {
        self.now = None;
        match &item.action {
            Action::Report(report) => {
                let (slot, author, report) = (item.digest.slot(author.as_str()), author.clone(), report.clone());
                self.entries.push(Entry { slot, position, author, report });
                self.slots += 1;
            }
            Action::Correct { slot, report } => self.own(slot, author)?.report = report.clone(),
            Action::Retract { slot, .. } => {
                self.own(slot, author)?;
                self.entries.retain(|entry| entry.slot != *slot);
            }
            Action::CompleteTask { effect, outcome } => {
                let task = self.memory.past.get_mut(effect).ok_or("it completes what is not known")?;
                let completion = Completion { by: author.clone(), outcome: outcome.clone(), at_ms: time_ms };
                if task.completion.replace(completion).is_some() {
                    return Err("it completes what was completed");
                }
            }
            Action::Acknowledge { effect } => {
                let notice = self.memory.past.get_mut(effect).ok_or("it acknowledges what is not known")?;
                if notice.acknowledged.insert(author.clone(), time_ms).is_some() {
                    return Err("it acknowledges a second time");
                }
            }
            // None of these changes what is reported in a case.
            Action::OpenCase { .. }
            | Action::ClearanceCheck { .. }
            | Action::Evidence(_)
            | Action::Propose(_)
            | Action::Vote { .. } => {}
        }
        Ok(())
    }

    /// A report that its own author changes.
    fn own(&mut self, slot: &Slot, author: &AuthorityId) -> Result<&mut Entry, &'static str> {
        let entry =
            self.entries.iter_mut().find(|entry| entry.slot == *slot).ok_or("it changes what does not stand")?;
        if entry.author == *author { Ok(entry) } else { Err("it changes what another authority reported") }
    }

    /// The end of a block that touched it; names that are there twice.
    pub(super) fn advance(&mut self, time_ms: u64) -> Vec<EffectId> {
        self.effects = self.at(time_ms).clone();
        self.now = None;
        self.wakes_ms = self.instants().min();
        let version = self.setting.definition.version();
        self.moves += u64::from(self.version != version);
        (self.version, self.recounts, self.expects) = (version, false, false);
        self.memory.take(&self.setting, &self.effects)
    }

    /// Instants after the last block that touched it at which something may become due.
    pub(super) fn instants(&self) -> impl Iterator<Item = u64> {
        let elapses = |due: &Due| due.elapses_ms();
        let of_deadlines = self.effects.deadlines.iter().flat_map(move |deadline| {
            let ends = deadline.due.as_ref().ok().map(elapses);
            let grace = deadline.grace.as_ref().and_then(|grace| grace.as_ref().ok()).map(elapses);
            [deadline.warns_ms, ends, grace]
        });
        let of_deadlines = of_deadlines.flatten().filter_map(|ms| u64::try_from(ms).ok());
        let of_notices = self.effects.notices.iter().filter_map(|notice| notice.acknowledge_until_ms);
        let ahead = self.entries.iter().filter_map(|entry| u64::try_from(entry.report.occurred.end_ms()).ok());
        of_deadlines.chain(of_notices).chain(ahead).filter(|ms| *ms > self.effects.as_of_ms)
    }

    /// Whether something follows at an instant that did not at the end of the last block that touched it.
    pub(super) fn has_changed(&mut self, time_ms: u64) -> bool {
        let now = self.at(time_ms).clone();
        !same(&now, &self.effects)
    }

    /// The same, asked of rising instants: looked into only if something may have become due since.
    pub(super) fn is_due(&mut self, time_ms: u64) -> bool {
        if self.wakes_ms.is_none_or(|wakes_ms| wakes_ms > time_ms) {
            return false;
        }
        let due = self.has_changed(time_ms);
        if !due {
            self.wakes_ms = self.instants().filter(|ms| *ms > time_ms).min();
        }
        due
    }

    /// Whether one of its reports is dated after the last block that touched it: then something may be due in vain.
    pub(super) fn looks_ahead(&self) -> bool {
        let as_of_ms = i64::try_from(self.effects.as_of_ms).unwrap_or(i64::MAX);
        self.entries.iter().any(|entry| entry.report.occurred.end_ms() > as_of_ms)
    }

    /// The oldest lock among these that stops a status.
    pub(super) fn stopped_by(&self, effects: &Effects, status: &Code) -> Option<EffectId> {
        let rules = self.setting.definition.rules();
        let stops = |lock: &&Shared<LockEffect>| {
            lock.released_by.is_none() && rules.lock(lock.lock.as_str()).is_some_and(|rule| rule.stops.contains(status))
        };
        effects.locks.iter().find(stops).map(|lock| lock.origin.id)
    }

    /// Whether one of these locks stands against a status, refusing or marking it.
    pub(super) fn is_locked(&self, effects: &Effects, status: &Code) -> bool {
        let rules = self.setting.definition.rules();
        let standing = effects.locks.iter().filter(|lock| lock.released_by.is_none());
        let mut locks = standing.filter_map(|lock| rules.lock(lock.lock.as_str()));
        locks.any(|lock| lock.stops.contains(status) || lock.alarms.contains(status))
    }

    /// Whether the process has a lock that is about a status.
    pub(super) fn is_lockable(&self, status: &Code) -> bool {
        let locks = &self.setting.definition.rules().locks;
        locks.iter().any(|lock| lock.stops.contains(status) || lock.alarms.contains(status))
    }

    /// Whether a status is an announcement.
    pub(super) fn announces(&self, status: &Code) -> bool {
        self.setting.definition.status(status.as_str()).is_some_and(|status| status.kind == Kind::Announces)
    }

    /// Whether a report departs in such a way from locks and guards, as of an instant.
    pub(super) fn departs(&mut self, slot: &Slot, time_ms: u64, how: fn(&EffectDeviationKind) -> bool) -> bool {
        self.at(time_ms).deviations.iter().any(|deviation| deviation.slot == *slot && how(&deviation.kind))
    }

    /// What every standing report must have brought, whatever else is the matter with it: the effects of the rules that
    /// ask for nothing else. Those that are not there.
    pub(super) fn silenced(&self) -> Vec<(Slot, Code, EffectId)> {
        let mut missing = Vec::new();
        for entry in &self.entries {
            let trigger = Trigger::Status(entry.report.status.clone());
            let rules = self.setting.definition.rules().rules.iter();
            for rule in rules.filter(|rule| rule.on == trigger && rule.when.is_none()) {
                let made = rule.start.len() + rule.open.len() + rule.notify.len() + rule.lock.len() + rule.mark.len();
                for occurrence in 0..u32::try_from(made).unwrap_or(0) {
                    let id = self.setting.name(&rule.name, &Cause::Report(entry.slot), occurrence);
                    if self.memory.past.get(&id).is_none_or(|past| past.withdrawn_ms.is_some()) {
                        missing.push((entry.slot, rule.name.clone(), id));
                    }
                }
            }
        }
        missing
    }

    /// Deadlines by the clock that do not end when their report's instant and their length say.
    pub(super) fn miscounted(&self) -> Vec<EffectId> {
        let wrong = |deadline: &&Shared<DeadlineEffect>| {
            let Cause::Report(slot) = deadline.origin.cause else { return false };
            let report = self.entries.iter().find(|entry| entry.slot == slot).map(|entry| &entry.report);
            let (Some(When::Instant(from_ms)), Some(rule)) = (
                report.map(|report| report.occurred),
                self.setting.definition.rules().deadline(deadline.deadline.as_str()),
            ) else {
                return false;
            };
            let ([length], StartDay::Occurred) = (rule.lengths.as_slice(), rule.from) else { return false };
            let Some(length_ms) = length.clock_ms().and_then(|ms| u64::try_from(ms).ok()) else { return false };
            let ends = deadline.due.as_ref().ok().and_then(|due| u64::try_from(due.elapses_ms()).ok());
            ends != from_ms.checked_add(length_ms)
        };
        self.effects.deadlines.iter().filter(wrong).map(|deadline| deadline.origin.id).collect()
    }
}

/// Whether two folds give the same, whenever they were made.
pub(super) fn same(a: &Effects, b: &Effects) -> bool {
    let at = |effects: &Effects| Effects { as_of_ms: 0, next_due_ms: None, ..effects.clone() };
    at(a) == at(b)
}
