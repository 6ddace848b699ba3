//! What readers see of an urgent stop, an appeal period and a retraction, by the process of the tests of effects.

use std::sync::Arc;

use laufzettel_chain::query::CaseEffects;
use laufzettel_contracts::effect::{Cause, Directory, EffectId, Effects, History, Known, World, effects};
use laufzettel_contracts::{
    AuthorityId, CALENDARS_DE, Calendars, CaseFold, Code, Definition, Entry, Position, Report, Slot, View, When, view,
};
use laufzettel_proto::v1;

use super::{Followed, Reader};

const DAY_MS: u64 = 86_400_000;
/// 2026-06-01, a Monday. Source: GNU date, `date -u -d 2026-06-01 +%s` divided by 86,400.
const JUNE: u64 = 20_605;

fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

fn id(text: &str) -> AuthorityId {
    AuthorityId::new(text).unwrap()
}

/// Instant of a day of June 2026, from 1, at an hour of UTC.
fn at(day: u64, hour: u64) -> u64 {
    (JUNE + day - 1) * DAY_MS + hour * 3_600_000
}

fn name(rule: &Code, cause: &Cause, occurrence: u32) -> EffectId {
    let cause = match cause {
        Cause::Report(slot) => slot.to_vec(),
        Cause::Effect(id) => id.0.to_vec(),
    };
    let parts = [rule.as_str().as_bytes(), &cause, &occurrence.to_be_bytes()];
    let hash = laufzettel_chain::crypto::hash_parts("effect", &parts);
    EffectId(hash.split_at(16).0.try_into().unwrap())
}

/// A case as a node follows it.
struct Story {
    definition: Arc<Definition>,
    calendars: Calendars,
    directory: Directory,
    case: CaseFold,
    history: History,
    effects: Effects,
}

impl Story {
    fn new() -> Self {
        let text = include_str!("../../../../contracts/tests/effects/process.toml");
        let roles = [
            ("office", "de-bamf"),
            ("foreigners", "fa-one"),
            ("foreigners", "fa-two"),
            ("court", "court-north"),
            ("police", "de-bpol"),
            ("police", "fa-two"),
        ];
        Self {
            definition: Arc::new(Definition::check(text).unwrap().definition),
            calendars: Calendars::check(CALENDARS_DE).unwrap().calendars,
            directory: Directory::new(roles.map(|(role, authority)| (code(role), id(authority)))),
            case: CaseFold::new(),
            history: History::new(),
            effects: Effects::default(),
        }
    }
    fn fold(&mut self, as_of_ms: u64) {
        let world = World { definition: &self.definition, calendars: &self.calendars, directory: &self.directory };
        self.effects = effects(&world, &self.case, &Known { history: &self.history, name: &name, as_of_ms });
        self.history.advance(&world, &self.effects);
    }
    fn report(&mut self, slot: u8, by: &str, status: &str, occurred: When, now_ms: u64) {
        let mut report = Report::new(code(status), occurred);
        if status == "decided" {
            report.outcome = Some(code("rejected"));
        }
        let position = Position { height: u64::from(slot), ..Position::default() };
        self.case.report(&self.definition, Entry { slot: [slot; 32], position, author: id(by), report });
        self.fold(now_ms);
    }
    fn acknowledge(&mut self, effect: &[u8], by: &str, now_ms: u64) {
        let world = World { definition: &self.definition, calendars: &self.calendars, directory: &self.directory };
        let effect = EffectId(effect.try_into().unwrap());
        self.history.acknowledge(&world, &self.effects, &effect, &id(by), now_ms).unwrap();
        self.fold(now_ms);
    }
    fn followed(&self) -> Followed {
        let case = CaseEffects { effects: self.effects.clone(), history: self.history.clone() };
        Followed { definition: self.definition.clone(), case }
    }
    fn view(&self, reader: &Reader<'_>) -> View<'_> {
        view(&self.definition, &self.case, &self.effects, &self.history, &reader.eye())
    }
    /// The effects of the case explained to a reader.
    fn explained(&self, reader: &Reader<'_>, only: Option<&EffectId>) -> Vec<v1::Explanation> {
        self.followed().explain(reader, (&self.case, &self.view(reader)), only)
    }
    /// The case as an authority of these roles sees it.
    fn seen_by(&self, authority: &str, roles: &[&str]) -> v1::Case {
        let roles: Vec<Code> = roles.iter().map(|role| code(role)).collect();
        let mut case = v1::Case {
            proceedings: vec![v1::Proceeding { number: 1, ..v1::Proceeding::default() }],
            ..v1::Case::default()
        };
        let reader = Reader::with(authority, &roles);
        self.followed().fill(&reader, &self.view(&reader), &mut case);
        case
    }
}

fn slot(number: u8) -> Slot {
    [number; 32]
}

/// A removal is scheduled, then the court grants relief.
fn stopped() -> Story {
    let mut story = Story::new();
    story.report(1, "fa-one", "scheduled", When::Day(20_605), at(1, 9));
    story.report(2, "court-north", "relief", When::Instant(at(2, 10)), at(2, 10) + 1);
    story
}

#[test]
fn an_urgent_stop_shows_lock_and_notice_to_those_it_is_for() {
    let mut story = stopped();
    let seen = story.seen_by("fa-one", &["foreigners"]);
    let [lock] = seen.locks.as_slice() else { panic!("{:?}", seen.locks) };
    assert_eq!((lock.code.as_str(), lock.statuses.as_slice()), ("removal_stop", &["scheduled".to_owned()][..]));
    assert_eq!((lock.rule.as_str(), lock.cause.as_slice(), lock.since_ms), ("stop", &slot(2)[..], at(2, 10) + 1));
    assert_eq!(lock.labels.as_ref().unwrap().de, "Abschiebungsstopp");
    let [notice] = seen.notices.as_slice() else { panic!("{:?}", seen.notices) };
    assert!(notice.urgent && notice.to_acknowledge && notice.authority == "fa-one");
    assert_eq!(notice.acknowledge_by_ms, at(2, 10) + 1 + 15 * 60_000);
    assert_eq!(notice.state(), v1::NoticeState::Open);
    // The police that is meant is not known: whoever holds the role has it in its inbox, others do not.
    assert!(story.seen_by("de-bpol", &["police"]).notices[0].to_acknowledge);
    let court = story.seen_by("court-north", &["court"]);
    assert!(court.notices.is_empty() && court.locks.len() == 1, "it set the lock; the notice is for others");

    story.acknowledge(&notice.effect_id, "fa-one", at(2, 10) + 60_000);
    let notice = &story.seen_by("fa-one", &["foreigners"]).notices[0];
    assert!(!notice.to_acknowledge, "it has answered");
    assert_eq!(notice.state(), v1::NoticeState::Open, "the police has not");
    let acknowledged: Vec<_> = notice.recipients.iter().map(|one| (one.role.as_str(), one.acknowledged_ms)).collect();
    assert_eq!(acknowledged, [("foreigners", at(2, 10) + 60_000), ("police", 0)]);

    // Nobody of the police answers: the court gets a task, the notice says so.
    story.fold(at(2, 11));
    assert_eq!(story.seen_by("fa-one", &["foreigners"]).notices[0].state(), v1::NoticeState::Escalated);
    let seen = story.seen_by("court-north", &["court"]);
    let task = &seen.tasks[0];
    assert_eq!(
        (task.code.as_str(), task.authority.as_str(), task.state()),
        ("phone", "court-north", v1::TaskState::Open)
    );
    assert_eq!((task.cause.len(), task.cause_effect_id.len()), (0, 16), "its cause is the notice");
    assert_eq!(task.outcomes, ["done"]);
}

#[test]
fn a_lock_that_vanishes_is_told_to_those_who_knew_of_it() {
    let mut story = stopped();
    let lock = story.seen_by("fa-one", &["foreigners"]).locks[0].clone();
    story.case.retract(&story.definition, slot(2)).unwrap();
    story.fold(at(3, 8));
    let seen = story.seen_by("fa-one", &["foreigners"]);
    assert!(seen.locks.is_empty());
    let notice = seen.notices.iter().find(|notice| notice.effect_id == lock.effect_id).unwrap();
    assert_eq!((notice.withdrawn(), notice.code.as_str()), (v1::EffectKind::Lock, "removal_stop"));
    assert!(notice.urgent && notice.to_acknowledge && notice.since_ms == at(3, 8), "{notice:?}");
    let withdrawn: Vec<_> = seen.withdrawn.iter().map(|effect| (effect.code.as_str(), effect.withdrawn_ms)).collect();
    assert!(withdrawn.contains(&("removal_stop", at(3, 8))) && withdrawn.contains(&("stop_removal", at(3, 8))));
    story.acknowledge(&lock.effect_id, "fa-one", at(3, 9));
    let seen = story.seen_by("fa-one", &["foreigners"]);
    assert!(!seen.notices.iter().find(|notice| notice.effect_id == lock.effect_id).unwrap().to_acknowledge);
}

/// Decided on Monday 1 June 2026, old law: two weeks are over with Monday 15 June.
#[test]
fn a_deadline_comes_with_its_day_and_how_it_was_found() {
    let mut story = Story::new();
    story.report(1, "de-bamf", "lodged", When::Day(20_600), at(1, 8));
    story.report(2, "de-bamf", "decided", When::Day(20_605), at(1, 9));
    let seen = story.seen_by("de-bamf", &["office"]);
    let [deadline] = seen.deadlines.as_slice() else { panic!("{:?}", seen.deadlines) };
    assert_eq!((deadline.code.as_str(), deadline.state()), ("appeal", v1::DeadlineState::Running));
    assert_eq!(deadline.due_day.as_ref().unwrap().at, Some(v1::when::At::Day(20_619)));
    // 24:00 in Berlin in summer is 22:00 UTC of that day.
    assert_eq!(deadline.due_ms, at(15, 22));
    assert!(deadline.derivation.iter().all(|step| !step.de.is_empty() && !step.en.is_empty()));
    assert!(deadline.derivation[0].de.contains("187"), "{:?}", deadline.derivation);
    assert_eq!(seen.proceedings[0].regime, "before_pact");
    let warned: Vec<_> = seen.deviations.iter().map(|found| (found.code.as_str(), found.name.as_str())).collect();
    assert_eq!(warned, [("WARNED", "no_hearing")]);

    // Long after: the marker is for the office alone.
    story.fold(at(30, 8));
    let seen = story.seen_by("de-bamf", &["office"]);
    assert!(seen.deadlines.iter().any(|found| found.code == "appeal" && found.grace_over));
    assert!(seen.markers.iter().any(|marker| marker.code == "presumed_final"), "{:?}", seen.markers);
    let other = story.seen_by("fa-one", &["foreigners"]);
    assert!(other.markers.is_empty(), "{:?}", other.markers);
}

#[test]
fn an_explanation_leads_back_to_the_report() {
    let mut story = stopped();
    story.fold(at(2, 11));
    let roles = [code("court")];
    let reader = Reader::with("court-north", &roles);
    let all = story.explained(&reader, None);
    let task = all.iter().find(|found| found.code == "phone").unwrap();
    let steps: Vec<_> = task.reasons.iter().map(|reason| (reason.rule.as_str(), reason.trigger.as_str())).collect();
    assert_eq!(steps, [("escalate", "stop_removal"), ("stop", "relief")]);
    let last = task.reasons.last().unwrap();
    assert_eq!((last.slot.as_slice(), last.authority.as_str()), (&slot(2)[..], "court-north"));
    assert_eq!(task.reasons[0].trigger_labels.as_ref().unwrap().de, "nicht rechtzeitig bestätigt: Abschiebung stoppen");
    let only = EffectId(task.effect_id.as_slice().try_into().unwrap());
    assert_eq!(story.explained(&reader, Some(&only)), std::slice::from_ref(task));

    // Who is not told of the motion learns by which rule the lock is there, and which report holds it, not more.
    let roles = [code("foreigners")];
    let enforcer = Reader::with("fa-one", &roles);
    let all = story.explained(&enforcer, None);
    let step = &all.iter().find(|found| found.code == "removal_stop").unwrap().reasons[0];
    assert_eq!((step.rule.as_str(), step.slot.as_slice(), step.withheld), ("stop", &slot(2)[..], true));
    assert!(step.authority.is_empty() && step.occurred.is_none(), "{step:?}");

    // What nobody reports any more is explained by what is left of it, to those who had been told.
    story.case.retract(&story.definition, slot(2)).unwrap();
    story.fold(at(3, 8));
    let all = story.explained(&enforcer, None);
    let lock = all.iter().find(|found| found.code == "removal_stop").unwrap();
    assert!(lock.withdrawn_ms == at(3, 8) && lock.reasons[0].slot == slot(2) && lock.reasons[0].authority.is_empty());
    assert!(!lock.reasons[0].withheld, "it does not stand");
}

#[test]
fn markers_of_others_are_not_explained_either() {
    let mut story = Story::new();
    story.report(1, "de-bamf", "decided", When::Day(20_605), at(1, 9));
    story.fold(at(30, 8));
    let explained = |authority: &str, role: &str| {
        let roles = [code(role)];
        let reader = Reader::with(authority, &roles);
        let all = story.explained(&reader, None);
        all.into_iter().any(|found| found.kind() == v1::EffectKind::Marker && found.code == "presumed_final")
    };
    assert!(explained("de-bamf", "office") && !explained("de-bpol", "police"));
    assert!(!explained("another", "office"), "it is known who the office is in this case");
}
