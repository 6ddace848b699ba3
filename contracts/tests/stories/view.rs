//! What a case shows, line by line: the headline and the tracks as each role sees them, and what follows from the
//! reports. A role sees a status that it may report or is told of. Must never leave a difference unsaid: what is not
//! written since it is over is still compared with what a story expects.

use crate::play::number;
use crate::script::written;
use laufzettel_contracts::effect::{
    Addressee, DeadlineState, EffectDeviationKind, Effects, History, NoticeEffect, TaskState,
};
use laufzettel_contracts::{CaseFold, Code, Definition, Due, DueError, Language};
use std::collections::{BTreeMap, BTreeSet};

/// One line, and whether it is still of interest if it has not changed.
pub(crate) struct Line {
    pub text: String,
    pub stands: bool,
}

/// All lines.
pub(crate) struct Shown {
    pub lines: Vec<Line>,
}

impl Shown {
    /// The lines to write: what stands, and what is new since then.
    pub(crate) fn written(&self, before: &BTreeSet<String>) -> Vec<String> {
        let told = self.lines.iter().filter(|line| line.stands || !before.contains(&line.text));
        told.map(|line| line.text.clone()).collect()
    }

    pub(crate) fn texts(&self) -> BTreeSet<String> {
        self.lines.iter().map(|line| line.text.clone()).collect()
    }

    fn say(&mut self, stands: bool, text: String) {
        self.lines.push(Line { text, stands });
    }
}

pub(crate) fn show(
    def: &Definition,
    case: &CaseFold,
    effects: &Effects,
    history: &History,
    roles: &BTreeSet<Code>,
    refused: Option<String>,
) -> Shown {
    let mut shown = Shown { lines: Vec::new() };
    if let Some(refused) = refused {
        shown.say(true, format!("refused {refused}"));
    }
    show_state(def, case, roles, &mut shown);
    show_deviations(case, effects, &mut shown);
    for regime in &effects.regimes {
        let known = if regime.provisional { "provisional" } else { "decided" };
        shown.say(true, format!("regime {} {} {known}", regime.proceeding, regime.regime));
    }
    show_effects(def, effects, history, &mut shown);
    shown
}

fn sees(def: &Definition, role: &Code, status: &Code) -> bool {
    def.status(status.as_str())
        .is_some_and(|status| status.recipients.contains(role) || status.reported_by.contains(role))
}

fn show_state(def: &Definition, case: &CaseFold, roles: &BTreeSet<Code>, shown: &mut Shown) {
    let state = case.state();
    let mut headlines: BTreeMap<Option<u32>, (String, Vec<&str>)> = BTreeMap::new();
    for role in roles {
        let visible = |number| state.tracks.get(&number).is_some_and(|track| sees(def, role, &track.status));
        let headline = state.headline(def, &visible);
        let label = headline.and_then(|track| def.status(track.status.as_str()));
        let label = label.map_or("nothing", |status| status.labels.get(Language::English));
        let entry = headlines.entry(headline.map(|track| track.order)).or_default();
        entry.0 = label.to_owned();
        entry.1.push(role.as_str());
    }
    for (label, roles) in headlines.into_values().rev() {
        shown.say(true, format!("headline {}: {label}", roles.join(", ")));
    }
    for track in def.tracks() {
        let Some(at) = state.tracks.get(&track.number) else { continue };
        let outcome = at.outcome.as_ref().map(|outcome| format!(" {outcome}")).unwrap_or_default();
        let readers: Vec<&str> = roles.iter().filter(|role| sees(def, role, &at.status)).map(Code::as_str).collect();
        let since = written(at.occurred.day());
        shown.say(
            true,
            format!("track {}: {}{outcome} on {since}, seen by {}", track.code, at.status, readers.join(", ")),
        );
    }
    if state.closed {
        shown.say(true, "closed".to_owned());
    }
}

fn show_deviations(case: &CaseFold, effects: &Effects, shown: &mut Shown) {
    for deviation in &case.state().deviations {
        shown.say(true, format!("deviation {} {} {}", number(&deviation.slot), deviation.status, deviation.kind));
    }
    for deviation in &effects.deviations {
        let of = match &deviation.kind {
            EffectDeviationKind::Warned(name)
            | EffectDeviationKind::Overridden(name)
            | EffectDeviationKind::Grave(name)
            | EffectDeviationKind::AssignedWithoutRole(name) => format!(" {name}"),
            EffectDeviationKind::ExecutedDespiteLock(lock) | EffectDeviationKind::AnnouncedDespiteLock(lock) => {
                let found = effects.locks.iter().find(|found| found.origin.id == *lock);
                found.map(|lock| format!(" {}", lock.lock)).unwrap_or_default()
            }
        };
        let reason = deviation.kind.reason();
        shown.say(true, format!("deviation {} {} {reason}{of}", number(&deviation.slot), deviation.status));
    }
}

fn show_effects(def: &Definition, effects: &Effects, history: &History, shown: &mut Shown) {
    for deadline in &effects.deadlines {
        let state = match deadline.state {
            DeadlineState::Running => "running",
            DeadlineState::Warned => "warned",
            DeadlineState::Met(_) => "met",
            DeadlineState::Elapsed { grace_over: false } => "elapsed",
            DeadlineState::Elapsed { grace_over: true } => "elapsed, grace over",
            DeadlineState::Stopped(_) => "stopped",
        };
        let watched = def.rules().deadline(deadline.deadline.as_str()).map(|found| found.watched_by.as_slice());
        let watched: Vec<&str> = watched.unwrap_or_default().iter().map(Code::as_str).collect();
        let text =
            format!("deadline {} due {} {state}, for {}", deadline.deadline, due(&deadline.due), watched.join(", "));
        shown.say(deadline.state.runs(), text);
    }
    for task in &effects.tasks {
        let state = match &task.state {
            TaskState::Open => "open".to_owned(),
            TaskState::Done { by, outcome, .. } => format!("done by {by}: {outcome}"),
            TaskState::Closed(_) => "closed".to_owned(),
        };
        let until = task.due.as_ref().map(|end| format!(", due {}", due(end))).unwrap_or_default();
        let text = format!("task {} for {} {state}{until}", task.task, addressee(&task.addressee));
        shown.say(task.state == TaskState::Open, text);
    }
    for notice in &effects.notices {
        let text = say_notice(notice, history);
        shown.say(notice.acknowledge_until_ms.is_some(), text);
    }
    for lock in &effects.locks {
        let state = if lock.released_by.is_none() { "stands" } else { "released" };
        shown.say(lock.released_by.is_none(), format!("lock {} {state}", lock.lock));
    }
    for marker in effects.markers.iter().filter(|marker| marker.cleared_by.is_none()) {
        let audience = def.rules().marker(marker.marker.as_str()).map(|found| found.audience.as_slice());
        let audience: Vec<&str> = audience.unwrap_or_default().iter().map(Code::as_str).collect();
        shown.say(true, format!("marker {} seen by {}", marker.marker, audience.join(", ")));
    }
}

fn say_notice(notice: &NoticeEffect, history: &History) -> String {
    let urgent = if notice.urgent { " urgent" } else { "" };
    let to: Vec<String> = notice.recipients.iter().map(addressee).collect();
    let mut text = format!("notice {}{urgent} to {}", notice.notice, to.join(", "));
    if notice.acknowledge_until_ms.is_some() {
        let by: Vec<&str> = history.acknowledgements(&notice.origin.id).map(|(id, _)| id.as_str()).collect();
        let by = if by.is_empty() { "nobody".to_owned() } else { by.join(", ") };
        let late = if notice.unacknowledged { ", not all in time" } else { "" };
        text.push_str(&format!("; acknowledged by {by}{late}"));
    }
    text
}

fn due(end: &Result<Due, DueError>) -> String {
    match end {
        Ok(due) => written(due.day()),
        Err(error) => format!("never ({error})"),
    }
}

fn addressee(addressee: &Addressee) -> String {
    let who = addressee.authority.as_ref().map_or("nobody yet", |authority| authority.as_str());
    format!("{} {who}", addressee.role)
}
