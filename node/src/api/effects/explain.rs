//! Why each effect of a case is there: the rule that made it, what made that rule run, and so on back to a report.
//! Must never guess, and never tell of a report that the reader does not see: what is not in the case any more, or not in
//! the reader's view, is named by its slot or id alone. Which rule ran, and by what, the text of the process says to all.

use laufzettel_contracts::effect::{Cause, DeadlineState, EffectId, EffectKind, Origin, TaskState};
use laufzettel_contracts::{CaseFold, Code, Entry, Slot, Trigger, View};
use laufzettel_proto::v1;

use super::views::{derivation, kind, named};
use super::{Followed, Reader, labels, text};
use crate::api::convert::when;

/// Steps from an effect back to a report. The checker lets no rule set itself off for ever, so real chains are short.
const STEPS_MAX: usize = 64;

/// One effect of whatever kind.
struct One<'e> {
    kind: EffectKind,
    name: &'e Code,
    origin: &'e Origin,
    state: v1::Labels,
    derivation: Vec<v1::Labels>,
    ended_by: Option<Cause>,
}

/// The reports of a case, and those of them that the reader sees.
struct Reports<'r> {
    fold: &'r CaseFold,
    view: &'r View<'r>,
}

impl<'r> Reports<'r> {
    /// Puts into a reason when a report occurred and who made it, or that it stands but is not for the reader.
    fn tell(&self, slot: &Slot, reason: &mut v1::Reason) -> Option<&'r Entry> {
        let seen = self.view.reports.iter().copied().find(|entry| entry.slot == *slot);
        match seen {
            Some(entry) => {
                reason.occurred = Some(when(entry.report.occurred));
                reason.authority = entry.author.to_string();
            }
            None => reason.withheld = self.fold.entry(slot).is_ok(),
        }
        seen
    }
}

impl Followed {
    /// Explains the effects of a view: all, or one.
    pub(in crate::api) fn explain(
        &self,
        reader: &Reader<'_>,
        (fold, view): (&CaseFold, &View<'_>),
        only: Option<&EffectId>,
    ) -> Vec<v1::Explanation> {
        let reports = Reports { fold, view };
        let wanted = |id: &EffectId| only.is_none_or(|only| only == id);
        let mut explanations = Vec::new();
        for one in self.all(reader, view).into_iter().filter(|one| wanted(&one.origin.id)) {
            let (name, basis) = named(&self.definition, one.kind, one.name.as_str());
            explanations.push(v1::Explanation {
                effect_id: one.origin.id.0.to_vec(),
                kind: kind(one.kind).into(),
                code: one.name.to_string(),
                labels: name,
                basis,
                state: Some(one.state),
                reasons: self.reasons(&reports, &one.origin.rule, one.origin.cause),
                derivation: one.derivation,
                since_ms: self.case.history.first_seen_ms(&one.origin.id).unwrap_or(0),
                withdrawn_ms: 0,
                ended_by: one.ended_by.map(|cause| self.ended(&reports, cause)),
            });
        }
        for (id, past) in view.withdrawn.iter().filter(|(id, _)| wanted(id)) {
            let Some(withdrawn_ms) = past.withdrawn_ms else { continue };
            let (name, basis) = named(&self.definition, past.kind, past.name.as_str());
            explanations.push(v1::Explanation {
                effect_id: id.0.to_vec(),
                kind: kind(past.kind).into(),
                code: past.name.to_string(),
                labels: name,
                basis,
                state: Some(text("zurückgezogen: ihr Grund ist entfallen", "withdrawn: its ground is gone")),
                reasons: self.reasons(&reports, &past.rule, past.cause),
                derivation: Vec::new(),
                since_ms: past.first_seen_ms,
                withdrawn_ms,
                ended_by: None,
            });
        }
        explanations
    }

    fn all<'v>(&self, reader: &Reader<'_>, view: &View<'v>) -> Vec<One<'v>> {
        let mut all = Vec::new();
        let mut one = |kind, name, origin, (state, ended_by), derivation| {
            all.push(One { kind, name, origin, state, derivation, ended_by });
        };
        for lock in &view.locks {
            let state = match lock.released_by {
                None => text("gilt", "stands"),
                Some(_) => text("aufgehoben", "released"),
            };
            one(EffectKind::Lock, &lock.lock, &lock.origin, (state, lock.released_by), Vec::new());
        }
        for notice in &view.notices {
            let message = self.notice(reader, notice);
            let state = match message.state() {
                v1::NoticeState::Open => text("wartet auf Bestätigung", "waits for an acknowledgement"),
                v1::NoticeState::Escalated => text("nicht rechtzeitig bestätigt", "not acknowledged in time"),
                _ if notice.acknowledge_until_ms.is_some() => text("bestätigt", "acknowledged"),
                _ => text("zur Kenntnis", "for information"),
            };
            one(EffectKind::Notice, &notice.notice, &notice.origin, (state, None), Vec::new());
        }
        for task in &view.tasks {
            let state = match &task.state {
                TaskState::Open => text("offen", "open"),
                TaskState::Closed(_) => text("durch Meldung oder Regel erledigt", "closed by a report or rule"),
                TaskState::Done { by, outcome, .. } => {
                    text(format!("erledigt von {by}: {outcome}"), format!("completed by {by}: {outcome}"))
                }
            };
            let due = task.due.as_ref().and_then(|due| due.as_ref().ok()).map(derivation).unwrap_or_default();
            let ended_by = match &task.state {
                TaskState::Closed(cause) => Some(*cause),
                TaskState::Open | TaskState::Done { .. } => None,
            };
            one(EffectKind::Task, &task.task, &task.origin, (state, ended_by), due);
        }
        for deadline in &view.deadlines {
            let due = deadline.due.as_ref().map(derivation).unwrap_or_default();
            let ended_by = match deadline.state {
                DeadlineState::Met(slot) => Some(Cause::Report(slot)),
                DeadlineState::Stopped(cause) => Some(cause),
                DeadlineState::Running | DeadlineState::Warned | DeadlineState::Elapsed { .. } => None,
            };
            let state = (deadline_state(deadline.state), ended_by);
            one(EffectKind::Deadline, &deadline.deadline, &deadline.origin, state, due);
        }
        for marker in &view.markers {
            let state = match marker.cleared_by {
                None => text("gesetzt", "set"),
                Some(_) => text("gelöscht", "cleared"),
            };
            one(EffectKind::Marker, &marker.marker, &marker.origin, (state, marker.cleared_by), Vec::new());
        }
        all.sort_by_key(|one| one.kind);
        all
    }

    /// From a rule back to the report it all began with.
    fn reasons(&self, reports: &Reports<'_>, rule: &Code, cause: Cause) -> Vec<v1::Reason> {
        let (mut reasons, mut rule, mut cause) = (Vec::new(), rule.clone(), cause);
        while reasons.len() < STEPS_MAX {
            let known = self.definition.rules().rules.iter().find(|known| known.name == rule);
            let mut reason = v1::Reason {
                rule: rule.to_string(),
                labels: known.map(|known| labels(&known.labels)),
                basis: known.map(|known| known.basis.clone()).unwrap_or_default(),
                trigger: known.map(|known| trigger_code(&known.on).to_string()).unwrap_or_default(),
                trigger_labels: known.map(|known| self.trigger(&known.on)),
                ..v1::Reason::default()
            };
            match cause {
                Cause::Report(slot) => {
                    reason.slot = slot.to_vec();
                    reports.tell(&slot, &mut reason);
                    reasons.push(reason);
                    break;
                }
                Cause::Effect(id) => {
                    reason.effect_id = id.0.to_vec();
                    reasons.push(reason);
                    let Some((before, earlier)) = self.made_by(&id) else { break };
                    (rule, cause) = (before, earlier);
                }
            }
        }
        reasons
    }

    /// What ended an effect, in words.
    fn ended(&self, reports: &Reports<'_>, cause: Cause) -> v1::Reason {
        let mut reason = v1::Reason::default();
        match cause {
            Cause::Report(slot) => {
                reason.slot = slot.to_vec();
                if let Some(entry) = reports.tell(&slot, &mut reason) {
                    reason.trigger = entry.report.status.to_string();
                    reason.trigger_labels = Some(self.trigger(&Trigger::Status(entry.report.status.clone())));
                }
            }
            Cause::Effect(id) => {
                reason.effect_id = id.0.to_vec();
                let effects = &self.case.effects;
                let deadline = effects.deadlines.iter().find(|deadline| deadline.origin.id == id);
                let notice = effects.notices.iter().find(|notice| notice.origin.id == id);
                let trigger = match (deadline, notice) {
                    (Some(deadline), _) if matches!(deadline.state, DeadlineState::Elapsed { .. }) => {
                        Some(Trigger::Elapsed(deadline.deadline.clone()))
                    }
                    (Some(deadline), _) => Some(Trigger::Warned(deadline.deadline.clone())),
                    (None, Some(notice)) => Some(Trigger::Unacknowledged(notice.notice.clone())),
                    (None, None) => None,
                };
                reason.trigger = trigger.as_ref().map(|trigger| trigger_code(trigger).to_string()).unwrap_or_default();
                reason.trigger_labels = trigger.map(|trigger| self.trigger(&trigger));
            }
        }
        reason
    }

    /// The rule that made a deadline or notice, and why it ran.
    fn made_by(&self, id: &EffectId) -> Option<(Code, Cause)> {
        let effects = &self.case.effects;
        let deadlines = effects.deadlines.iter().map(|deadline| &deadline.origin);
        let mut origins = deadlines.chain(effects.notices.iter().map(|notice| &notice.origin));
        if let Some(origin) = origins.find(|origin| origin.id == *id) {
            return Some((origin.rule.clone(), origin.cause));
        }
        let past = self.case.history.past().get(id)?;
        Some((past.rule.clone(), past.cause))
    }

    fn trigger(&self, trigger: &Trigger) -> v1::Labels {
        let of = |kind: EffectKind, code: &Code| named(&self.definition, kind, code.as_str()).0.unwrap_or_default();
        match trigger {
            Trigger::Status(code) => {
                let status = self.definition.status(code.as_str());
                let name = status.map(|status| labels(&status.labels)).unwrap_or_default();
                text(format!("gemeldet: {}", name.de), format!("reported: {}", name.en))
            }
            Trigger::Warned(code) => {
                let name = of(EffectKind::Deadline, code);
                text(format!("Frist läuft bald ab: {}", name.de), format!("deadline ends soon: {}", name.en))
            }
            Trigger::Elapsed(code) => {
                let name = of(EffectKind::Deadline, code);
                text(format!("Frist abgelaufen: {}", name.de), format!("deadline elapsed: {}", name.en))
            }
            Trigger::Grace(code) => {
                let name = of(EffectKind::Deadline, code);
                text(format!("Nachfrist abgelaufen: {}", name.de), format!("grace over: {}", name.en))
            }
            Trigger::Unacknowledged(code) => {
                let name = of(EffectKind::Notice, code);
                text(format!("nicht rechtzeitig bestätigt: {}", name.de), format!("not acknowledged: {}", name.en))
            }
        }
    }
}

fn trigger_code(trigger: &Trigger) -> &Code {
    match trigger {
        Trigger::Status(code)
        | Trigger::Warned(code)
        | Trigger::Elapsed(code)
        | Trigger::Grace(code)
        | Trigger::Unacknowledged(code) => code,
    }
}

fn deadline_state(state: DeadlineState) -> v1::Labels {
    match state {
        DeadlineState::Running => text("läuft", "running"),
        DeadlineState::Warned => text("läuft bald ab", "ends soon"),
        DeadlineState::Met(_) => text("eingehalten", "met"),
        DeadlineState::Elapsed { grace_over: false } => text("abgelaufen", "elapsed"),
        DeadlineState::Elapsed { grace_over: true } => text("abgelaufen, auch die Nachfrist", "elapsed, grace too"),
        DeadlineState::Stopped(_) => text("durch eine Regel beendet", "stopped by a rule"),
    }
}
