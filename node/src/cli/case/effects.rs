//! What follows from a case, as `case show` prints it: deadlines, tasks, locks, notices, markers, and what is withdrawn.

use laufzettel_proto::v1;
use serde_json::{Value, json};

use crate::cli::output::Output;
use crate::cli::words::{hex, instant_text, when_text};

/// The last part of an enum's value, in small letters.
pub(in crate::cli) fn state_text(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

/// An instant, or nothing for 0.
pub(in crate::cli) fn instant_or_none(ms: u64) -> String {
    if ms == 0 { String::new() } else { instant_text(ms) }
}

fn labels_json(labels: Option<&v1::Labels>) -> Value {
    labels.map_or(Value::Null, |labels| json!({ "de": labels.de, "en": labels.en }))
}

fn sentences_json(sentences: &[v1::Labels]) -> Vec<Value> {
    sentences.iter().map(|sentence| labels_json(Some(sentence))).collect()
}

/// The name for people, in English as all of the command line; the code where there is none.
pub(in crate::cli) fn label(labels: Option<&v1::Labels>, code: &str) -> String {
    labels.map_or_else(|| code.to_owned(), |labels| labels.en.clone())
}

/// When it is due: the day, the instant, or why it cannot be said.
pub(in crate::cli) fn due_text(deadline: &v1::Deadline) -> String {
    if deadline.fault.is_empty() { when_text(deadline.due_day.as_ref()) } else { deadline.fault.clone() }
}

/// A deadline as JSON.
pub(in crate::cli) fn deadline_json(deadline: &v1::Deadline) -> Value {
    json!({
        "effect": hex(&deadline.effect_id), "code": deadline.code, "labels": labels_json(deadline.labels.as_ref()),
        "state": deadline.state().as_str_name(), "due_day": when_text(deadline.due_day.as_ref()),
        "due_ms": deadline.due_ms, "warns_ms": deadline.warns_ms, "grace_ms": deadline.grace_ms,
        "grace_over": deadline.grace_over, "fault": deadline.fault, "basis": deadline.basis,
        "derivation": sentences_json(&deadline.derivation), "seat": deadline.seat, "watched_by": deadline.watched_by,
        "rule": deadline.rule, "cause": hex(&deadline.cause), "cause_effect": hex(&deadline.cause_effect_id),
        "proceeding": deadline.proceeding, "since_ms": deadline.since_ms,
    })
}

/// A task as JSON.
pub(in crate::cli) fn task_json(task: &v1::Task) -> Value {
    json!({
        "effect": hex(&task.effect_id), "code": task.code, "labels": labels_json(task.labels.as_ref()),
        "state": task.state().as_str_name(), "role": task.role, "authority": task.authority,
        "due_day": when_text(task.due_day.as_ref()), "due_ms": task.due_ms, "outcomes": task.outcomes,
        "basis": task.basis, "derivation": sentences_json(&task.derivation), "rule": task.rule,
        "cause": hex(&task.cause), "cause_effect": hex(&task.cause_effect_id), "proceeding": task.proceeding,
        "since_ms": task.since_ms, "done_by": task.done_by, "outcome": task.outcome, "done_ms": task.done_ms,
    })
}

/// A notice as JSON.
pub(in crate::cli) fn notice_json(notice: &v1::Notice) -> Value {
    let recipient = |found: &v1::NoticeRecipient| json!({ "role": found.role, "authority": found.authority, "acknowledged_ms": found.acknowledged_ms });
    json!({
        "effect": hex(&notice.effect_id), "code": notice.code, "labels": labels_json(notice.labels.as_ref()),
        "state": notice.state().as_str_name(), "urgent": notice.urgent, "to_acknowledge": notice.to_acknowledge,
        "acknowledge_by_ms": notice.acknowledge_by_ms, "withdrawn": withdrawn_text(notice), "returned": returned_text(notice),
        "recipients": notice.recipients.iter().map(recipient).collect::<Vec<_>>(), "basis": notice.basis,
        "rule": notice.rule, "cause": hex(&notice.cause), "cause_effect": hex(&notice.cause_effect_id),
        "proceeding": notice.proceeding, "since_ms": notice.since_ms,
    })
}

/// What was withdrawn, in a notice of that; else nothing.
pub(in crate::cli) fn withdrawn_text(notice: &v1::Notice) -> String {
    match notice.withdrawn() {
        v1::EffectKind::Unspecified => String::new(),
        kind => kind_text(kind),
    }
}

/// What stands again, in a notice of that; else nothing.
fn returned_text(notice: &v1::Notice) -> String {
    match notice.returned() {
        v1::EffectKind::Unspecified => String::new(),
        kind => kind_text(kind),
    }
}

/// What kind of effect, in a word.
pub(in crate::cli) fn kind_text(kind: v1::EffectKind) -> String {
    state_text(kind.as_str_name(), "EFFECT_KIND_")
}

/// What a notice says, and whether it is one of a withdrawal, or that a lock stands again.
pub(in crate::cli) fn notice_text(notice: &v1::Notice) -> String {
    let name = label(notice.labels.as_ref(), &notice.code);
    match (withdrawn_text(notice).as_str(), returned_text(notice).as_str()) {
        ("", "") => name,
        ("", kind) => format!("{kind} stands again: {name}"),
        (kind, _) => format!("{kind} withdrawn: {name}"),
    }
}

/// Everything that follows from a case, as JSON.
pub(super) fn effects_json(case: &v1::Case) -> Value {
    let lock = |lock: &v1::Lock| {
        json!({ "effect": hex(&lock.effect_id), "code": lock.code, "labels": labels_json(lock.labels.as_ref()),
                "stops": lock.statuses, "alarms": lock.alarms, "rule": lock.rule, "basis": lock.basis, "cause": hex(&lock.cause),
                "cause_effect": hex(&lock.cause_effect_id), "since_ms": lock.since_ms })
    };
    let marker = |marker: &v1::Marker| {
        json!({ "effect": hex(&marker.effect_id), "code": marker.code, "labels": labels_json(marker.labels.as_ref()),
                "rule": marker.rule, "basis": marker.basis, "since_ms": marker.since_ms })
    };
    let role = |role: &v1::RoleHolder| json!({ "role": role.role, "authority": role.authority, "ground": role.ground().as_str_name() });
    let withdrawn = |effect: &v1::WithdrawnEffect| {
        json!({ "effect": hex(&effect.effect_id), "kind": kind_text(effect.kind()), "code": effect.code,
                "labels": labels_json(effect.labels.as_ref()), "rule": effect.rule, "since_ms": effect.since_ms,
                "withdrawn_ms": effect.withdrawn_ms, "stood": effect.stood })
    };
    let regime = |proceeding: &v1::Proceeding| json!({ "proceeding": proceeding.number, "regime": proceeding.regime, "provisional": proceeding.provisional });
    json!({
        "as_of_ms": case.effects_as_of_ms, "next_due_ms": case.next_due_ms, "dropped": case.effects_dropped,
        "roles": case.role_holders.iter().map(role).collect::<Vec<_>>(),
        "regimes": case.proceedings.iter().filter(|one| !one.regime.is_empty()).map(regime).collect::<Vec<_>>(),
        "deadlines": case.deadlines.iter().map(deadline_json).collect::<Vec<_>>(),
        "tasks": case.tasks.iter().map(task_json).collect::<Vec<_>>(),
        "locks": case.locks.iter().map(lock).collect::<Vec<_>>(),
        "notices": case.notices.iter().map(notice_json).collect::<Vec<_>>(),
        "markers": case.markers.iter().map(marker).collect::<Vec<_>>(),
        "withdrawn": case.withdrawn.iter().map(withdrawn).collect::<Vec<_>>(),
    })
}

/// The rows about it in the head of a case.
pub(super) fn rows(case: &v1::Case) -> Vec<(&'static str, String)> {
    if case.effects_as_of_ms == 0 {
        return Vec::new();
    }
    let roles = case.role_holders.iter().map(|holder| format!("{} {}", holder.role, holder.authority));
    let regimes = case.proceedings.iter().filter(|proceeding| !proceeding.regime.is_empty()).map(|proceeding| {
        let provisional = if proceeding.provisional { " (provisional)" } else { "" };
        format!("proceeding {} {}{provisional}", proceeding.number, proceeding.regime)
    });
    let mut rows = vec![("roles", roles.collect::<Vec<_>>().join(", "))];
    let regimes: Vec<_> = regimes.collect();
    if !regimes.is_empty() {
        rows.push(("law", regimes.join(", ")));
    }
    rows.push(("rules as of", instant_text(case.effects_as_of_ms)));
    if case.effects_dropped > 0 {
        rows.push(("left out", format!("{} effects, since a bound was reached", case.effects_dropped)));
    }
    rows
}

/// The tables below the head of a case.
pub(super) fn tables(case: &v1::Case, output: &Output) {
    let locks = case.locks.iter().map(|lock| {
        let (name, stops) = (label(lock.labels.as_ref(), &lock.code), lock.statuses.join(", "));
        vec![name, stops, instant_or_none(lock.since_ms), lock.basis.clone()]
    });
    output.details(&["lock", "stops", "since", "basis"], locks.collect());
    let deadlines = case.deadlines.iter().map(|deadline| {
        let state = state_text(deadline.state().as_str_name(), "DEADLINE_STATE_");
        vec![label(deadline.labels.as_ref(), &deadline.code), state, due_text(deadline), deadline.basis.clone()]
    });
    output.details(&["deadline", "state", "due", "basis"], deadlines.collect());
    let tasks = case.tasks.iter().map(|task| {
        let state = state_text(task.state().as_str_name(), "TASK_STATE_");
        let due = when_text(task.due_day.as_ref());
        vec![task.code.clone(), label(task.labels.as_ref(), &task.code), state, due, whom(&task.role, &task.authority)]
    });
    output.details(&["task", "", "state", "due", "for"], tasks.collect());
    let notices = case.notices.iter().map(|notice| {
        let state = state_text(notice.state().as_str_name(), "NOTICE_STATE_");
        let urgent = if notice.urgent { "urgent" } else { "" };
        let by = instant_or_none(notice.acknowledge_by_ms);
        let whom = notice.recipients.iter().map(recipient).collect::<Vec<_>>();
        vec![notice.code.clone(), notice_text(notice), urgent.into(), state, by, whom.join(", ")]
    });
    output.details(&["notice", "", "", "state", "acknowledge by", "for"], notices.collect());
    let markers = case.markers.iter().map(|marker| {
        vec![label(marker.labels.as_ref(), &marker.code), instant_or_none(marker.since_ms), marker.basis.clone()]
    });
    output.details(&["marker", "since", "basis"], markers.collect());
    let withdrawn = case.withdrawn.iter().map(|effect| {
        let name = label(effect.labels.as_ref(), &effect.code);
        vec![format!("{} {name}", kind_text(effect.kind())), instant_or_none(effect.withdrawn_ms)]
    });
    output.details(&["withdrawn", "at"], withdrawn.collect());
}

/// Whom a notice is for, and when they acknowledged it.
fn recipient(found: &v1::NoticeRecipient) -> String {
    let whom = whom(&found.role, &found.authority);
    match found.acknowledged_ms {
        0 => whom,
        ms => format!("{whom} (acknowledged {})", instant_text(ms)),
    }
}

/// The authority, or the role while nobody holds it in the case.
fn whom(role: &str, authority: &str) -> String {
    if authority.is_empty() { format!("all {role}") } else { authority.to_owned() }
}
