//! What a case shows, line by line: the headline, the tracks and what follows from the reports, each with the roles that
//! see it by `laufzettel_contracts::view`. Must never leave a difference unsaid: what is not written since it is over is
//! still compared with what a story expects.

use crate::play::number;
use crate::script::written;
use laufzettel_contracts::effect::{
    Addressee, DeadlineState, EffectDeviationKind, Effects, History, NoticeEffect, TaskState,
};
use laufzettel_contracts::{CaseFold, Code, Definition, Due, DueError, Language, Reader, View, view};
use std::collections::{BTreeMap, BTreeSet};

/// What each role of the definition sees.
struct Views<'v> {
    /// The roles that somebody in the story holds.
    held: &'v BTreeSet<Code>,
    all: BTreeMap<&'v Code, View<'v>>,
}

impl<'v> Views<'v> {
    /// The roles that see a thing.
    fn of(&self, sees: impl Fn(&View<'v>) -> bool) -> Vec<&'v str> {
        self.all.iter().filter(|(_, view)| sees(view)).map(|(role, _)| role.as_str()).collect()
    }

    /// The same, of those that somebody holds, as text.
    fn held(&self, sees: impl Fn(&View<'v>) -> bool) -> String {
        let seen = self.all.iter().filter(|(role, view)| self.held.contains(**role) && sees(view));
        let roles: Vec<&str> = seen.map(|(role, _)| role.as_str()).collect();
        if roles.is_empty() { "nobody".to_owned() } else { roles.join(", ") }
    }
}

/// Whether a list of references holds this very thing.
fn holds<T>(list: &[&T], one: &T) -> bool {
    list.iter().any(|listed| std::ptr::eq(*listed, one))
}

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
    let view = |role| view(def, case, effects, history, &Reader { roles: std::slice::from_ref(role), authority: None });
    let all = def.roles().iter().map(|role| (&role.code, view(&role.code))).collect();
    let views = Views { held: roles, all };
    show_state(def, case, &views, &mut shown);
    show_deviations(case, effects, &views, &mut shown);
    for regime in &effects.regimes {
        let known = if regime.provisional { "provisional" } else { "decided" };
        shown.say(true, format!("regime {} {} {known}", regime.proceeding, regime.regime));
    }
    show_effects(def, (effects, history), &views, &mut shown);
    shown
}

fn show_state(def: &Definition, case: &CaseFold, views: &Views<'_>, shown: &mut Shown) {
    let state = case.state();
    let mut headlines: BTreeMap<Option<u32>, (String, Vec<&str>)> = BTreeMap::new();
    for (role, view) in views.all.iter().filter(|(role, _)| views.held.contains(**role)) {
        let label = view.headline.and_then(|track| def.status(track.status.as_str()));
        let label = label.map_or("nothing", |status| status.labels.get(Language::English));
        let entry = headlines.entry(view.headline.map(|track| track.order)).or_default();
        entry.0 = label.to_owned();
        entry.1.push(role.as_str());
    }
    for (label, roles) in headlines.into_values().rev() {
        shown.say(true, format!("headline {}: {label}", roles.join(", ")));
    }
    for track in def.tracks() {
        let Some(at) = state.tracks.get(&track.number) else { continue };
        let outcome = at.outcome.as_ref().map(|outcome| format!(" {outcome}")).unwrap_or_default();
        let readers = views.held(|view| holds(&view.tracks, at));
        let since = written(at.occurred.day());
        shown.say(true, format!("track {}: {}{outcome} on {since}, seen by {readers}", track.code, at.status));
    }
    if state.closed {
        shown.say(true, "closed".to_owned());
    }
}

fn show_deviations(case: &CaseFold, effects: &Effects, views: &Views<'_>, shown: &mut Shown) {
    for deviation in &case.state().deviations {
        let readers = views.held(|view| holds(&view.deviations, deviation));
        let of = number(&deviation.slot);
        shown.say(true, format!("deviation {of} {} {}, seen by {readers}", deviation.status, deviation.kind));
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
        let readers = views.held(|view| holds(&view.effect_deviations, deviation));
        let report = number(&deviation.slot);
        shown.say(true, format!("deviation {report} {} {reason}{of}, seen by {readers}", deviation.status));
    }
}

fn show_effects(def: &Definition, (effects, history): (&Effects, &History), views: &Views<'_>, shown: &mut Shown) {
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
        assert_seen(views.of(|view| holds(&view.deadlines, deadline)), &watched);
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
        assert_seen(views.of(|view| holds(&view.tasks, task)), &[task.addressee.role.as_str()]);
        let until = task.due.as_ref().map(|end| format!(", due {}", due(end))).unwrap_or_default();
        let text = format!("task {} for {} {state}{until}", task.task, addressee(&task.addressee));
        shown.say(task.state == TaskState::Open, text);
    }
    for notice in &effects.notices {
        let to: Vec<&str> = notice.recipients.iter().map(|one| one.role.as_str()).collect();
        assert_seen(views.of(|view| holds(&view.notices, notice)), &to);
        let text = say_notice(notice, history);
        shown.say(notice.acknowledge_until_ms.is_some(), text);
    }
    for lock in &effects.locks {
        let state = if lock.released_by.is_none() { "stands" } else { "released" };
        let readers = views.held(|view| holds(&view.locks, lock));
        shown.say(lock.released_by.is_none(), format!("lock {} {state}, seen by {readers}", lock.lock));
    }
    for marker in effects.markers.iter().filter(|marker| marker.cleared_by.is_none()) {
        let audience = def.rules().marker(marker.marker.as_str()).map(|found| found.audience.as_slice());
        let audience: Vec<&str> = audience.unwrap_or_default().iter().map(Code::as_str).collect();
        assert_seen(views.of(|view| holds(&view.markers, marker)), &audience);
        shown.say(true, format!("marker {} seen by {}", marker.marker, audience.join(", ")));
    }
}

/// That a thing is seen by the roles it is for, and by no other.
fn assert_seen(seen: Vec<&str>, meant: &[&str]) {
    assert_eq!(BTreeSet::from_iter(seen), BTreeSet::from_iter(meant.iter().copied()));
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
