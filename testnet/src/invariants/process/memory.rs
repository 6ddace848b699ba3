//! What a ledger has to remember of one case's effects: since when each is known, who was told, who answered, since
//! when it is withdrawn. Written down from docs/PROCESS-LANGUAGE.md, not from the ledger, whose memory is held against
//! it. Must never forget anything.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_contracts::Code;
use laufzettel_contracts::effect::{Addressee, EffectId, EffectKind, Effects, Origin, Participant, Past, TaskState};

use super::world::Setting;

/// What is remembered, by name of the effect.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    pub(super) past: BTreeMap<EffectId, Past>,
}

/// An effect that is there.
struct Present<'e> {
    origin: &'e Origin,
    kind: EffectKind,
    name: &'e Code,
    stands: bool,
    urgent: bool,
    shown: BTreeSet<Addressee>,
}

impl Memory {
    /// Takes what is there at the end of a block that touched the case; the names that are there twice.
    pub(super) fn take(&mut self, setting: &Setting, effects: &Effects) -> Vec<EffectId> {
        let now_ms = effects.as_of_ms;
        let (mut there, mut twice) = (BTreeSet::new(), Vec::new());
        for present in all(setting, effects) {
            let id = present.origin.id;
            if !there.insert(id) {
                twice.push(id);
            }
            match self.past.get_mut(&id) {
                None => drop(self.past.insert(id, arises(present, now_ms))),
                Some(past) => stays(past, present, now_ms),
            }
        }
        for (id, past) in &mut self.past {
            if !there.contains(id) && past.withdrawn_ms.is_none() {
                past.withdrawn_ms = Some(now_ms);
                if past.again_ms.take().is_some() {
                    past.acknowledged.clear();
                }
            }
        }
        twice
    }
}

fn arises(present: Present<'_>, now_ms: u64) -> Past {
    let Present { origin, kind, name, stands, urgent, shown } = present;
    Past {
        kind,
        name: name.clone(),
        rule: origin.rule.clone(),
        cause: origin.cause,
        occurrence: origin.occurrence,
        first_seen_ms: now_ms,
        withdrawn_ms: None,
        again_ms: None,
        stood: stands,
        urgent,
        told: shown,
        acknowledged: BTreeMap::new(),
        completion: None,
    }
}

/// It is still there, or there again. What is over is shown to nobody else. That a lock stands again, after it was gone or
/// released, is to be acknowledged by all who ever knew of it; once it does not, that is over.
fn stays(past: &mut Past, present: Present<'_>, now_ms: u64) {
    let returns = past.withdrawn_ms.take().is_some();
    let stood = std::mem::replace(&mut past.stood, present.stands) && !returns;
    if returns || present.stands {
        past.told.extend(present.shown);
    }
    if present.kind != EffectKind::Lock || stood == present.stands {
        return;
    }
    let before = past.again_ms.take();
    past.again_ms = present.stands.then_some(now_ms);
    if before.is_some() || present.stands {
        past.acknowledged.clear();
    }
}

fn all<'e>(setting: &Setting, effects: &'e Effects) -> Vec<Present<'e>> {
    let rules = setting.definition.rules();
    let roles = |roles: &mut dyn Iterator<Item = &Code>| -> BTreeSet<Addressee> {
        let authority = |role: &Code| effects.participants.get(role).map(Participant::authority).cloned();
        roles.map(|role| Addressee { role: role.clone(), authority: authority(role) }).collect()
    };
    let mut all = Vec::new();
    for lock in &effects.locks {
        let rule = rules.lock(lock.lock.as_str());
        let statuses = rule.into_iter().flat_map(|rule| rule.stops.iter().chain(&rule.alarms));
        let statuses = statuses.filter_map(|code| setting.definition.status(code.as_str()));
        let shown = roles(&mut statuses.flat_map(|status| &status.reported_by));
        let (kind, stands) = (EffectKind::Lock, lock.released_by.is_none());
        all.push(Present { origin: &lock.origin, kind, name: &lock.lock, stands, urgent: true, shown });
    }
    for notice in &effects.notices {
        let (urgent, shown) = (notice.urgent, notice.recipients.iter().cloned().collect());
        let kind = EffectKind::Notice;
        all.push(Present { origin: &notice.origin, kind, name: &notice.notice, stands: true, urgent, shown });
    }
    for task in &effects.tasks {
        let (kind, stands) = (EffectKind::Task, task.state == TaskState::Open);
        let shown = BTreeSet::from([task.addressee.clone()]);
        all.push(Present { origin: &task.origin, kind, name: &task.task, stands, urgent: false, shown });
    }
    for deadline in &effects.deadlines {
        let rule = rules.deadline(deadline.deadline.as_str());
        let shown = roles(&mut rule.into_iter().flat_map(|rule| &rule.watched_by));
        let (kind, stands) = (EffectKind::Deadline, deadline.state.runs());
        all.push(Present { origin: &deadline.origin, kind, name: &deadline.deadline, stands, urgent: false, shown });
    }
    for marker in &effects.markers {
        let rule = rules.marker(marker.marker.as_str());
        let shown = roles(&mut rule.into_iter().flat_map(|rule| &rule.audience));
        let (kind, stands) = (EffectKind::Marker, marker.cleared_by.is_none());
        all.push(Present { origin: &marker.origin, kind, name: &marker.marker, stands, urgent: false, shown });
    }
    all
}
