//! Effects as messages. Must never compute anything that the fold did not: it looks up, names and sorts.

use laufzettel_contracts::effect::{
    Addressee, Cause, DeadlineEffect, DeadlineState, EffectDeviation, EffectDeviationKind, EffectId, EffectKind,
    LockEffect, MarkerEffect, NoticeEffect, Origin, Participant, Past, TaskEffect, TaskState,
};
use laufzettel_contracts::{Code, Definition, Due, DueError, Language, Step, View, When};
use laufzettel_proto::v1;

use super::{Followed, Reader, labels, words};
use crate::api::convert::when;

impl Followed {
    /// Puts what a view of the case holds into the message of the case.
    pub(in crate::api) fn fill(&self, reader: &Reader<'_>, view: &View<'_>, case: &mut v1::Case) {
        let effects = &self.case.effects;
        case.effects_as_of_ms = effects.as_of_ms;
        let holders = view.participants.iter().filter_map(|(role, _)| effects.participants.get_key_value(*role));
        case.role_holders = holders.map(|(role, holder)| role_holder(role, holder)).collect();
        for regime in &effects.regimes {
            let mut found = case.proceedings.iter_mut();
            if let Some(found) = found.find(|proceeding| proceeding.number == regime.proceeding) {
                (found.regime, found.provisional) = (regime.regime.to_string(), regime.provisional);
            }
        }
        let standing = view.locks.iter().filter(|lock| lock.released_by.is_none());
        case.locks = standing.map(|lock| self.lock(lock)).collect();
        case.deadlines = view.deadlines.iter().map(|deadline| self.deadline(deadline)).collect();
        case.deadlines.sort_by_key(|deadline| if deadline.due_ms == 0 { u64::MAX } else { deadline.due_ms });
        // What is over needs no derivation any more; a case that has gone wild must still fit into an answer.
        let over = case.deadlines.iter_mut().filter(|deadline| !runs(deadline.state()));
        over.for_each(|deadline| deadline.derivation.clear());
        case.tasks = view.tasks.iter().map(|task| self.task(task)).collect();
        let over = case.tasks.iter_mut().filter(|task| task.state() != v1::TaskState::Open);
        over.for_each(|task| task.derivation.clear());
        case.tasks.sort_by_key(|task| task.state() != v1::TaskState::Open);
        case.notices = view.notices.iter().map(|notice| self.notice(reader, notice)).collect();
        let past = |id: &EffectId| self.case.history.past().get(id).map(|past| (*id, past.as_ref()));
        let again = view.locks.iter().filter_map(|lock| past(&lock.origin.id));
        let gone = view.withdrawn.iter().map(|(id, past)| (**id, *past));
        let ask = again.chain(gone).filter(|(_, past)| past.asks());
        case.notices.extend(ask.map(|(id, past)| self.of_lock(reader, &id, past)));
        case.notices.sort_by_key(|notice| (is_over(notice.state()), !notice.urgent));
        case.deviations.extend(view.effect_deviations.iter().map(|deviation| self.deviation(deviation)));
        let set = view.markers.iter().filter(|marker| marker.cleared_by.is_none());
        case.markers = set.filter_map(|marker| self.marker(marker)).collect();
        case.withdrawn = view.withdrawn.iter().filter_map(|(id, past)| self.withdrawn(id, past)).collect();
        case.withdrawn.sort_by_key(|effect| effect.withdrawn_ms);
    }

    /// How many effects were left out since a bound was reached.
    pub(in crate::api) fn dropped(&self) -> u32 {
        let dropped = self.case.effects.dropped;
        [dropped.deadlines, dropped.tasks, dropped.notices, dropped.locks, dropped.markers, dropped.deviations]
            .into_iter()
            .fold(0, u32::saturating_add)
    }

    /// The locks that stand.
    pub(in crate::api) fn standing_locks(&self) -> Vec<v1::Lock> {
        let standing = self.case.effects.locks.iter().filter(|lock| lock.released_by.is_none());
        standing.map(|lock| self.lock(lock)).collect()
    }

    fn since(&self, origin: &Origin) -> u64 {
        self.case.history.first_seen_ms(&origin.id).unwrap_or(0)
    }

    pub(super) fn lock(&self, lock: &LockEffect) -> v1::Lock {
        let known = self.definition.rules().lock(lock.lock.as_str());
        let (cause, cause_effect_id) = cause(lock.origin.cause);
        v1::Lock {
            effect_id: lock.origin.id.0.to_vec(),
            rule: lock.origin.rule.to_string(),
            statuses: known.map(|known| codes(&known.stops)).unwrap_or_default(),
            cause,
            cause_effect_id,
            code: lock.lock.to_string(),
            labels: known.map(|known| labels(&known.labels)),
            basis: known.map(|known| known.basis.clone()).unwrap_or_default(),
            since_ms: self.since(&lock.origin),
            alarms: known.map(|known| codes(&known.alarms)).unwrap_or_default(),
        }
    }

    /// A deadline.
    pub(in crate::api) fn deadline(&self, deadline: &DeadlineEffect) -> v1::Deadline {
        let known = self.definition.rules().deadline(deadline.deadline.as_str());
        let (cause, cause_effect_id) = cause(deadline.origin.cause);
        let due = deadline.due.as_ref();
        let ended_by = match deadline.state {
            DeadlineState::Met(slot) | DeadlineState::Stopped(Cause::Report(slot)) => slot.to_vec(),
            _ => Vec::new(),
        };
        let state = match deadline.state {
            DeadlineState::Running => v1::DeadlineState::Running,
            DeadlineState::Warned => v1::DeadlineState::Warned,
            DeadlineState::Met(_) => v1::DeadlineState::Met,
            DeadlineState::Elapsed { .. } => v1::DeadlineState::Elapsed,
            DeadlineState::Stopped(_) => v1::DeadlineState::Stopped,
        };
        v1::Deadline {
            effect_id: deadline.origin.id.0.to_vec(),
            code: deadline.deadline.to_string(),
            proceeding: deadline.origin.proceeding,
            state: state.into(),
            due_ms: due.map_or(0, |due| unsigned(due.elapses_ms())),
            basis: known.map(|known| known.basis.clone()).unwrap_or_default(),
            cause,
            cause_effect_id,
            rule: deadline.origin.rule.to_string(),
            labels: known.map(|known| labels(&known.labels)),
            due_day: due.ok().map(due_day),
            derivation: due.map(derivation).unwrap_or_default(),
            fault: due.err().map(DueError::to_string).unwrap_or_default(),
            warns_ms: deadline.warns_ms.map_or(0, unsigned),
            grace_ms: deadline
                .grace
                .as_ref()
                .and_then(|grace| grace.as_ref().ok())
                .map_or(0, |due| unsigned(due.elapses_ms())),
            grace_over: matches!(deadline.state, DeadlineState::Elapsed { grace_over: true }),
            seat: deadline.seat.as_ref().map(ToString::to_string).unwrap_or_default(),
            watched_by: known.map(|known| codes(&known.watched_by)).unwrap_or_default(),
            since_ms: self.since(&deadline.origin),
            ended_by,
        }
    }

    /// A task.
    pub(in crate::api) fn task(&self, task: &TaskEffect) -> v1::Task {
        let known = self.definition.rules().task(task.task.as_str());
        let (cause, cause_effect_id) = cause(task.origin.cause);
        let due = task.due.as_ref().and_then(|due| due.as_ref().ok());
        let mut message = v1::Task {
            effect_id: task.origin.id.0.to_vec(),
            code: task.task.to_string(),
            role: task.addressee.role.to_string(),
            authority: task.addressee.authority.as_ref().map(ToString::to_string).unwrap_or_default(),
            due_ms: due.map_or(0, |due| unsigned(due.elapses_ms())),
            rule: task.origin.rule.to_string(),
            cause,
            cause_effect_id,
            labels: known.map(|known| labels(&known.labels)),
            basis: known.map(|known| known.basis.clone()).unwrap_or_default(),
            due_day: due.map(due_day),
            derivation: due.map(derivation).unwrap_or_default(),
            outcomes: known.map(|known| codes(&known.outcomes)).unwrap_or_default(),
            proceeding: task.origin.proceeding,
            since_ms: self.since(&task.origin),
            ..v1::Task::default()
        };
        match &task.state {
            TaskState::Open => message.set_state(v1::TaskState::Open),
            TaskState::Closed(_) => message.set_state(v1::TaskState::Closed),
            TaskState::Done { by, outcome, at_ms } => {
                message.set_state(v1::TaskState::Completed);
                (message.done_by, message.outcome, message.done_ms) = (by.to_string(), outcome.to_string(), *at_ms);
            }
        }
        message
    }

    /// A notice.
    pub(in crate::api) fn notice(&self, reader: &Reader<'_>, notice: &NoticeEffect) -> v1::Notice {
        let known = self.definition.rules().notice(notice.notice.as_str());
        let (cause, cause_effect_id) = cause(notice.origin.cause);
        let recipients = self.recipients(&notice.origin.id, notice.recipients.iter());
        let demanded = notice.acknowledge_until_ms.is_some();
        let all = recipients.iter().all(|recipient| recipient.acknowledged_ms > 0);
        let state = match (demanded && !all, notice.unacknowledged) {
            (false, _) => v1::NoticeState::Acknowledged,
            (true, false) => v1::NoticeState::Open,
            (true, true) => v1::NoticeState::Escalated,
        };
        let (authority, waits) = self.own(reader, &notice.origin.id, notice.recipients.iter());
        v1::Notice {
            effect_id: notice.origin.id.0.to_vec(),
            code: notice.notice.to_string(),
            authority,
            state: state.into(),
            acknowledge_by_ms: notice.acknowledge_until_ms.unwrap_or(0),
            urgent: notice.urgent,
            rule: notice.origin.rule.to_string(),
            cause,
            cause_effect_id,
            labels: known.map(|known| labels(&known.labels)),
            basis: known.map(|known| known.basis.clone()).unwrap_or_default(),
            recipients,
            to_acknowledge: demanded && waits,
            withdrawn: v1::EffectKind::Unspecified.into(),
            returned: v1::EffectKind::Unspecified.into(),
            proceeding: notice.origin.proceeding,
            since_ms: self.since(&notice.origin),
        }
    }

    /// That a lock is gone or stands again, as those see it who had been told of it.
    pub(in crate::api) fn of_lock(&self, reader: &Reader<'_>, id: &EffectId, past: &Past) -> v1::Notice {
        let (cause, cause_effect_id) = cause(past.cause);
        let recipients = self.recipients(id, past.told.iter());
        let demanded = past.asks();
        let all = recipients.iter().all(|recipient| recipient.acknowledged_ms > 0);
        let state = if demanded && !all { v1::NoticeState::Open } else { v1::NoticeState::Acknowledged };
        let (authority, waits) = self.own(reader, id, past.told.iter());
        let (named, basis) = named(&self.definition, past.kind, past.name.as_str());
        v1::Notice {
            effect_id: id.0.to_vec(),
            code: past.name.to_string(),
            authority,
            state: state.into(),
            acknowledge_by_ms: 0,
            urgent: past.urgent && past.stood,
            rule: past.rule.to_string(),
            cause,
            cause_effect_id,
            labels: named,
            basis,
            recipients,
            to_acknowledge: demanded && waits,
            withdrawn: past.withdrawn_ms.map_or(v1::EffectKind::Unspecified, |_| kind(past.kind)).into(),
            returned: past.again_ms.map_or(v1::EffectKind::Unspecified, |_| kind(past.kind)).into(),
            proceeding: 0,
            since_ms: past.withdrawn_ms.or(past.again_ms).unwrap_or(0),
        }
    }

    /// Those something was told to, and when they acknowledged. Who acknowledged for a role that nobody holds yet stands
    /// beside it by name.
    fn recipients<'a>(&self, id: &EffectId, told: impl Iterator<Item = &'a Addressee>) -> Vec<v1::NoticeRecipient> {
        let acknowledged: Vec<_> = self.case.history.acknowledgements(id).collect();
        let mut recipients: Vec<v1::NoticeRecipient> = told
            .map(|recipient| {
                let at = acknowledged.iter().find(|(by, _)| recipient.authority.as_ref() == Some(*by));
                v1::NoticeRecipient {
                    role: recipient.role.to_string(),
                    authority: recipient.authority.as_ref().map(ToString::to_string).unwrap_or_default(),
                    acknowledged_ms: at.map_or(0, |(_, at)| *at),
                }
            })
            .collect();
        for (by, at) in acknowledged {
            if !recipients.iter().any(|recipient| recipient.authority == by.as_str()) {
                let authority = by.to_string();
                recipients.push(v1::NoticeRecipient { role: String::new(), authority, acknowledged_ms: at });
            }
        }
        recipients
    }

    /// The reader's authority if it is among them, and whether it has not acknowledged yet.
    fn own<'a>(
        &self,
        reader: &Reader<'_>,
        id: &EffectId,
        mut told: impl Iterator<Item = &'a Addressee>,
    ) -> (String, bool) {
        let concerned = told.any(|recipient| match &recipient.authority {
            Some(authority) => authority.as_str() == reader.authority,
            None => reader.roles.contains(&recipient.role),
        });
        let has = self.case.history.acknowledgements(id).any(|(by, _)| by.as_str() == reader.authority);
        if concerned { (reader.authority.to_owned(), !has) } else { (String::new(), false) }
    }

    fn deviation(&self, found: &EffectDeviation) -> v1::Deviation {
        use EffectDeviationKind as Kind;
        let (name, lock) = match &found.kind {
            Kind::Warned(name) | Kind::Overridden(name) | Kind::Grave(name) | Kind::AssignedWithoutRole(name) => {
                (name.to_string(), Vec::new())
            }
            Kind::ExecutedDespiteLock(lock) | Kind::AnnouncedDespiteLock(lock) => (String::new(), lock.0.to_vec()),
        };
        let status = self.definition.status(found.status.as_str());
        let guards = status.into_iter().flat_map(|status| status.warn_if.iter().chain(&status.block_if));
        let guard = guards.into_iter().find(|guard| lock.is_empty() && guard.name.as_str() == name);
        v1::Deviation {
            slot: found.slot.to_vec(),
            code: found.kind.reason().into(),
            grave: found.kind.is_grave(),
            labels: guard.map(|guard| labels(&guard.labels)),
            name,
            lock,
        }
    }

    fn marker(&self, marker: &MarkerEffect) -> Option<v1::Marker> {
        let known = self.definition.rules().marker(marker.marker.as_str())?;
        let (cause, cause_effect_id) = cause(marker.origin.cause);
        Some(v1::Marker {
            effect_id: marker.origin.id.0.to_vec(),
            code: marker.marker.to_string(),
            rule: marker.origin.rule.to_string(),
            cause,
            cause_effect_id,
            labels: Some(labels(&known.labels)),
            basis: known.basis.clone(),
            audience: codes(&known.audience),
            proceeding: marker.origin.proceeding,
            since_ms: self.since(&marker.origin),
        })
    }

    fn withdrawn(&self, id: &EffectId, past: &Past) -> Option<v1::WithdrawnEffect> {
        Some(v1::WithdrawnEffect {
            effect_id: id.0.to_vec(),
            kind: kind(past.kind).into(),
            code: past.name.to_string(),
            labels: named(&self.definition, past.kind, past.name.as_str()).0,
            rule: past.rule.to_string(),
            since_ms: past.first_seen_ms,
            withdrawn_ms: past.withdrawn_ms?,
            stood: past.stood,
        })
    }
}

fn runs(state: v1::DeadlineState) -> bool {
    matches!(state, v1::DeadlineState::Running | v1::DeadlineState::Warned)
}

fn is_over(state: v1::NoticeState) -> bool {
    !matches!(state, v1::NoticeState::Open | v1::NoticeState::Escalated)
}

fn role_holder(role: &Code, holder: &Participant) -> v1::RoleHolder {
    let ground = match holder {
        Participant::Assigned(_) => v1::RoleGround::Assigned,
        Participant::Reported(_) => v1::RoleGround::Reported,
        Participant::Only(_) => v1::RoleGround::Only,
    };
    v1::RoleHolder { role: role.to_string(), authority: holder.authority().to_string(), ground: ground.into() }
}

/// The name for people and the legal basis of what the definition calls so.
pub(super) fn named(definition: &Definition, kind: EffectKind, name: &str) -> (Option<v1::Labels>, String) {
    let rules = definition.rules();
    let found = match kind {
        EffectKind::Lock => rules.lock(name).map(|found| (&found.labels, &found.basis)),
        EffectKind::Notice => rules.notice(name).map(|found| (&found.labels, &found.basis)),
        EffectKind::Task => rules.task(name).map(|found| (&found.labels, &found.basis)),
        EffectKind::Deadline => rules.deadline(name).map(|found| (&found.labels, &found.basis)),
        EffectKind::Marker => rules.marker(name).map(|found| (&found.labels, &found.basis)),
    };
    found.map_or_else(Default::default, |(found, basis)| (Some(labels(found)), basis.clone()))
}

pub(in crate::api) fn kind(kind: EffectKind) -> v1::EffectKind {
    match kind {
        EffectKind::Lock => v1::EffectKind::Lock,
        EffectKind::Notice => v1::EffectKind::Notice,
        EffectKind::Task => v1::EffectKind::Task,
        EffectKind::Deadline => v1::EffectKind::Deadline,
        EffectKind::Marker => v1::EffectKind::Marker,
    }
}

/// Slot of the report, or id of the effect.
fn cause(cause: Cause) -> (Vec<u8>, Vec<u8>) {
    match cause {
        Cause::Report(slot) => (slot.to_vec(), Vec::new()),
        Cause::Effect(id) => (Vec::new(), id.0.to_vec()),
    }
}

fn codes(codes: &[Code]) -> Vec<String> {
    codes.iter().map(ToString::to_string).collect()
}

/// An instant of the ledger's time; before 1970 there is none.
fn unsigned(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

/// The last day, or by the clock the instant itself.
fn due_day(due: &Due) -> v1::When {
    let by_clock = matches!(due.steps().last(), Some(Step::Elapses { clock: true, .. }));
    when(if by_clock { When::Instant(unsigned(due.elapses_ms())) } else { When::Day(due.day()) })
}

/// Both languages of each step.
pub(super) fn derivation(due: &Due) -> Vec<v1::Labels> {
    due.steps().iter().map(|step| words(|language: Language| step.words(language))).collect()
}
