//! The rules one by one, as short stories.

mod locks;

use crate::world::{
    DAY_MS, HOUR_MS, JUNE, Setting, at, authority, code, entry, instant, moved, name, on, rejected, slot,
};
use laufzettel_contracts::effect::{
    Candidate, Cause, Change, Changes, Completion, DeadlineEffect, DeadlineState, EffectDeviationKind, EffectFold,
    EffectId, EffectKind, Effects, History, HistoryRefusal, Known, Stop, TaskState, admit,
};
use laufzettel_contracts::{CaseFold, Definition, Entry, Report, When};

/// A case that is folded after each act, as the ledger does it.
struct Told {
    setting: Setting,
    case: CaseFold,
    history: History,
    effects: Effects,
    fold: Option<EffectFold>,
}

impl Told {
    fn new() -> Self {
        let setting = Setting::new();
        Self { setting, case: CaseFold::new(), history: History::new(), effects: Effects::default(), fold: None }
    }

    fn fold(&mut self, now_ms: u64) -> Changes {
        self.effects = self.setting.effects(&self.case, &self.history, now_ms);
        let known = Known { history: &self.history, name: &name, as_of_ms: now_ms };
        let world = self.setting.world();
        let fold = self.fold.get_or_insert_with(|| EffectFold::of(&world, &self.case, &known));
        fold.update(&world, &self.case, &known);
        assert_eq!(*fold.effects(), self.effects, "kept between, it gives the same");
        self.history.advance(&self.setting.world(), &self.effects)
    }

    fn report(&mut self, number: u8, by: &str, report: Report, now_ms: u64) -> Changes {
        self.case.report(&self.setting.definition, entry(number, by, report));
        self.fold(now_ms)
    }

    fn admit(&self, report: &Report, reason: Option<&str>) -> Result<Vec<String>, Stop> {
        let (author, reason) = (authority("fa-one"), reason.map(code));
        let candidate = Candidate { report, author: &author, corrects: None, reason: reason.as_ref() };
        let known = Known { history: &self.history, name: &name, as_of_ms: self.effects.as_of_ms };
        let world = self.setting.world();
        let admitted = admit(&world, &self.case, &self.effects, &known, &candidate)?;
        Ok(admitted.iter().map(ToString::to_string).collect())
    }
}

/// Changes as `+lock removal_stop!`, `-`, `~` (returned), `>` (readdressed); `!` is urgent, `?` wants acknowledgement.
fn shown(changes: &Changes) -> Vec<String> {
    let one = |sign: &'static str| {
        move |change: &Change| {
            let kind = format!("{:?}", change.kind).to_lowercase();
            let urgent = if change.urgent { "!" } else { "" };
            let acknowledge = if change.acknowledge { "?" } else { "" };
            format!("{sign}{kind} {}{urgent}{acknowledge}", change.name)
        }
    };
    let all = changes.arose.iter().map(one("+")).chain(changes.withdrawn.iter().map(one("-")));
    all.chain(changes.returned.iter().map(one("~"))).chain(changes.readdressed.iter().map(one(">"))).collect()
}

fn addressees(told: &[laufzettel_contracts::effect::Addressee]) -> Vec<String> {
    let one = |one: &laufzettel_contracts::effect::Addressee| {
        format!("{}={}", one.role, one.authority.as_ref().map_or("?", |known| known.as_str()))
    };
    told.iter().map(one).collect()
}

fn deadline(effects: &Effects, which: usize) -> (DeadlineState, i32, Option<String>) {
    told_of(&effects.deadlines[which])
}

/// The first deadline of a name.
fn first(effects: &Effects, name: &str) -> (DeadlineState, i32, Option<String>) {
    told_of(effects.deadlines.iter().find(|deadline| deadline.deadline.as_str() == name).expect("it was started"))
}

fn told_of(deadline: &DeadlineEffect) -> (DeadlineState, i32, Option<String>) {
    let due = deadline.due.as_ref().expect("a due day");
    (deadline.state, due.day() - JUNE + 1, deadline.seat.as_ref().map(ToString::to_string))
}

#[test]
fn an_urgent_stop_locks_tells_escalates_and_is_released() {
    let mut told = Told::new();
    assert_eq!(shown(&told.report(1, "fa-one", on("scheduled", 1), at(1, 9))), [""; 0]);
    let filed = at(2, 10);
    let changes = told.report(2, "court-south", instant("relief", filed), filed + 1);
    assert_eq!(shown(&changes), ["+lock removal_stop!", "+notice stop_removal!?"]);
    // The one foreigners authority that has reported; of two police authorities none is known.
    assert_eq!(addressees(&changes.arose[1].told), ["foreigners=fa-one", "police=?"]);
    let lock = changes.arose[0].id;
    let stopped = Stop::Locked { lock, name: code("removal_stop") };
    assert_eq!(told.admit(&on("scheduled", 3), Some("by_phone")), Err(stopped));
    let until = filed + 1 + HOUR_MS / 4;
    assert_eq!(told.effects.notices[0].acknowledge_until_ms, Some(until));
    assert_eq!(told.effects.next_due_ms, Some(until));
    // One of two acknowledges.
    let notice = changes.arose[1].id;
    let world = told.setting.world();
    let mut acknowledge =
        |by: &str| told.history.acknowledge(&world, &told.effects, &notice, &authority(by), filed + 5);
    assert_eq!(acknowledge("court-south"), Err(HistoryRefusal::NotRecipient));
    assert_eq!(acknowledge("fa-one"), Ok(()));
    assert_eq!(acknowledge("fa-one"), Err(HistoryRefusal::AlreadyAcknowledged));
    assert_eq!(shown(&told.fold(until - 1)), [""; 0]);
    assert_eq!(shown(&told.fold(until)), ["+notice news", "+task phone"]);
    assert!(told.effects.notices[0].unacknowledged);
    // The fact is recorded and marked, and the court alarmed.
    let changes = told.report(3, "fa-one", instant("executed", until + 5), until + 6);
    assert_eq!(shown(&changes), ["+notice stop_removal!?"]);
    let kinds: Vec<_> = told.effects.deviations.iter().map(|found| found.kind.clone()).collect();
    assert_eq!(kinds, [EffectDeviationKind::ExecutedDespiteLock(lock)]);
    assert!(told.report(4, "court-south", on("ruled", 2), until + 7).withdrawn.is_empty());
    assert!(told.effects.locks[0].released_by.is_some());
    assert_eq!(told.effects.tasks[0].state, TaskState::Closed(Cause::Report(slot(4))));
    assert_eq!(told.admit(&on("scheduled", 3), None), Ok(vec![]));
}

/// A report of today counts at the end of the day: what becomes due before is judged without it, also by a fold that
/// had taken it already. Found by the simulator: nodes that had kept the case escalated, others did not.
#[test]
fn who_is_known_by_the_end_of_the_day_is_not_waited_for_before() {
    let mut told = Told::new();
    let filed = at(2, 10);
    let notice = told.report(1, "court-south", instant("relief", filed), filed + 1).arose[1].id;
    // Of several foreigners authorities none is known, so that any may acknowledge; this one holds both roles.
    let world = told.setting.world();
    let by = authority("fa-two");
    assert_eq!(told.history.acknowledge(&world, &told.effects, &notice, &by, filed + 5), Ok(()));
    // From the evening on it is another one.
    told.report(2, "fa-one", on("scheduled", 2), filed + 10);
    let until = filed + 1 + HOUR_MS / 4;
    assert_eq!(told.effects.next_due_ms, Some(until));
    assert_eq!(shown(&told.fold(until + 1)), [""; 0]);
    assert!(!told.effects.notices[0].unacknowledged);
}

#[test]
fn both_acknowledge_and_nothing_escalates() {
    let mut told = Told::new();
    let filed = at(2, 10);
    let changes = told.report(2, "court-south", instant("relief", filed), filed);
    // Nobody is known: any that holds the role may.
    assert_eq!(addressees(&changes.arose[1].told), ["foreigners=?", "police=?"]);
    let world = told.setting.world();
    let acknowledged =
        told.history.acknowledge(&world, &told.effects, &changes.arose[1].id, &authority("fa-two"), filed);
    assert_eq!(acknowledged, Ok(()), "it holds both roles");
    assert_eq!(shown(&told.fold(at(3, 0))), [""; 0]);
    assert_eq!(told.effects.next_due_ms, None);
}

#[test]
fn a_deadline_warns_elapses_and_ends_its_grace() {
    let mut told = Told::new();
    told.report(1, "de-bamf", on("lodged", 1), at(1, 9));
    let changes = told.report(2, "de-bamf", Report { effective: Some(JUNE + 1), ..rejected(1) }, at(1, 10));
    assert_eq!(shown(&changes), ["+notice news", "+task serve", "+deadline appeal"]);
    // Tuesday 2 June and two weeks, under the old law; the court is not known.
    assert_eq!(deadline(&told.effects, 0), (DeadlineState::Running, 16, None));
    assert!(matches!(told.effects.deviations[0].kind, EffectDeviationKind::Warned(_)));
    // 13 June 00:00 in Berlin is 22:00 UTC on the 12th.
    assert_eq!(told.effects.next_due_ms, Some(at(12, 22)));
    assert_eq!(shown(&told.fold(at(12, 22))), ["+notice news"]);
    assert_eq!(told.effects.next_due_ms, Some(at(16, 22)));
    assert_eq!(shown(&told.fold(at(16, 22))), ["+task check", "+deadline answer"]);
    assert!(matches!(told.effects.tasks[0].state, TaskState::Closed(_)));
    assert_eq!(deadline(&told.effects, 0).0, DeadlineState::Elapsed { grace_over: false });
    // Five working days: 17, 18, 19, 22, 23 June; the answer by the clock, 36 hours from 16 June 24:00, warns before.
    assert_eq!(told.effects.next_due_ms, Some(at(18, 8)));
    let changes = told.fold(at(18, 10));
    assert_eq!(shown(&changes), ["+notice news", "+marker late"]);
    assert_eq!(shown(&told.fold(at(23, 22))), ["+marker presumed_final"]);
    assert_eq!(told.effects.next_due_ms, None);
    // An appeal of the last day arrives: it was in time after all.
    let changes = told.report(3, "court-south", on("appealed", 16), at(24, 9));
    // The court is known now, so the news that went to all courts is its own.
    let gone =
        ["-notice news", "-task check", "-deadline answer", "-marker presumed_final", "-marker late", ">notice news"];
    let mut found = shown(&changes);
    found.sort_unstable_by_key(|line| gone.iter().position(|known| known == line));
    assert_eq!(found, gone);
    assert_eq!(deadline(&told.effects, 0).0, DeadlineState::Met(slot(3)));
}

#[test]
fn an_appeal_of_the_next_day_is_late() {
    let mut told = Told::new();
    told.report(1, "de-bamf", on("lodged", 1), at(1, 9));
    told.report(2, "de-bamf", rejected(1), at(1, 10));
    told.report(3, "court-south", on("appealed", 16), at(16, 9));
    assert_eq!(deadline(&told.effects, 0), (DeadlineState::Elapsed { grace_over: false }, 15, None));
    told.report(4, "court-south", on("appealed", 15), at(16, 10));
    assert_eq!(deadline(&told.effects, 0).0, DeadlineState::Met(slot(4)));
}

#[test]
fn the_regime_and_the_seat_move_a_deadline_that_runs() {
    let mut told = Told::new();
    told.report(1, "de-bamf", on("registered", 10), at(10, 9));
    told.report(2, "de-bamf", rejected(12), at(12, 10));
    assert_eq!(first(&told.effects, "appeal").1, 26, "two weeks of the provisional old law");
    assert!(told.effects.regimes[0].provisional);
    told.report(3, "de-bamf", on("lodged", 15), at(15, 10));
    assert_eq!(first(&told.effects, "appeal").1, 19, "one week of the new law");
    assert!(!told.effects.regimes[0].provisional);
    told.report(4, "court-south", instant("relief", at(16, 9)), at(16, 10));
    assert_eq!(first(&told.effects, "appeal").2.as_deref(), Some("court-south"));
}

/// The end that was counted before counts for nothing once another one is known: it neither ends the period early nor is
/// waited for.
#[test]
fn an_end_that_was_counted_before_counts_for_nothing() {
    let mut told = Told::new();
    let text = include_str!("process.toml").replacen("unknown_seat = \"latest\"", "unknown_seat = \"earliest\"", 1);
    told.setting.definition = Definition::check(&text).expect("sound").definition;
    // Two weeks from 21 May 2026 end on 4 June, Corpus Christi, which is a day off where the court of the south sits.
    told.report(1, "de-bamf", rejected(-10), at(1, 8));
    assert_eq!(first(&told.effects, "appeal").1, 4);
    told.report(2, "court-south", on("ruled", 3), at(4, 8));
    assert_eq!(first(&told.effects, "appeal").1, 5);
    told.fold(at(5, 12));
    assert_eq!(first(&told.effects, "appeal").0, DeadlineState::Warned, "it ends with the 5th");
    told.fold(at(6, 12));
    assert_eq!(first(&told.effects, "appeal").0, DeadlineState::Elapsed { grace_over: false });

    let mut told = Told::new();
    told.report(1, "de-bamf", on("registered", 1), at(12, 8));
    told.report(2, "de-bamf", rejected(12), at(13, 8));
    assert_eq!(first(&told.effects, "appeal").1, 26, "two weeks by the old law");
    told.report(3, "de-bamf", on("lodged", 13), at(14, 8));
    assert_eq!(first(&told.effects, "appeal").1, 19, "one week by the new law");
    told.report(4, "court-south", on("appealed", 15), at(16, 8));
    assert!(matches!(first(&told.effects, "appeal").0, DeadlineState::Met(_)));
    assert_eq!(told.effects.next_due_ms, None, "nothing is to come any more");
}

#[test]
fn competence_moves_open_tasks_and_a_stranger_gets_nothing() {
    let mut told = Told::new();
    told.report(1, "de-bamf", rejected(1), at(1, 9));
    assert_eq!(told.effects.tasks[0].addressee.authority, None);
    let changes = told.report(2, "de-bamf", moved(2, "fa-two"), at(2, 9));
    assert!(shown(&changes).contains(&">task serve".to_owned()), "{changes:?}");
    assert_eq!(told.effects.tasks[0].addressee.authority, Some(authority("fa-two")));
    let changes = told.report(3, "de-bamf", moved(3, "fa-one"), at(3, 9));
    assert!(shown(&changes).contains(&">task serve".to_owned()), "{changes:?}");
    told.report(4, "de-bamf", moved(4, "de-bpol"), at(4, 9));
    assert_eq!(told.effects.tasks[0].addressee.authority, Some(authority("fa-one")));
    let last = told.effects.deviations.last().expect("it is told");
    assert_eq!(last.kind, EffectDeviationKind::AssignedWithoutRole(code("foreigners")));
}

#[test]
fn only_its_owner_completes_a_task_once() {
    let mut told = Told::new();
    let changes = told.report(1, "de-bamf", rejected(1), at(1, 9));
    let task = changes.arose.iter().find(|change| change.kind == EffectKind::Task).expect("a task").id;
    let notice = changes.arose.iter().find(|change| change.kind == EffectKind::Notice).expect("a notice").id;
    let world = told.setting.world();
    let nothing = EffectId([0; 16]);
    let mut complete = |id: &EffectId, by: &str, outcome: &str, at_ms| {
        let completion = Completion { by: authority(by), outcome: code(outcome), at_ms };
        told.history.complete(&world, &told.effects, id, completion)
    };
    assert_eq!(complete(&notice, "fa-one", "done", 5), Err(HistoryRefusal::NotATask));
    assert_eq!(complete(&nothing, "fa-one", "done", 5), Err(HistoryRefusal::EffectUnknown));
    assert_eq!(complete(&task, "court-south", "done", 5), Err(HistoryRefusal::NotOwner));
    assert_eq!(complete(&task, "fa-one", "lost", 5), Err(HistoryRefusal::OutcomeUnknown));
    assert_eq!(complete(&task, "fa-one", "not_needed", at(2, 9)), Ok(()));
    assert_eq!(complete(&task, "fa-one", "done", at(2, 9)), Err(HistoryRefusal::TaskNotOpen));
    told.fold(at(2, 9));
    assert!(matches!(&told.effects.tasks[0].state, TaskState::Done { outcome, .. } if *outcome == code("not_needed")));
    // A ruling dated before the completion has closed it before.
    told.report(2, "court-south", on("ruled", 1), at(2, 10));
    assert!(matches!(told.effects.tasks[0].state, TaskState::Closed(_)));
}

#[test]
fn a_lock_that_vanishes_is_told_urgently_and_goes_on_if_it_returns() {
    let mut told = Told::new();
    let filed = at(2, 10);
    let lock = told.report(1, "court-south", instant("relief", filed), filed).arose[0].id;
    told.case.retract(&told.setting.definition, slot(1)).expect("it stands");
    let changes = told.fold(filed + 10);
    assert_eq!(shown(&changes), ["-lock removal_stop!?", "-notice stop_removal!"]);
    assert_eq!(addressees(&changes.withdrawn[0].told), ["foreigners=?", "police=?"]);
    assert!(shown(&told.fold(filed + 11)).is_empty(), "once");
    let world = told.setting.world();
    let mut acknowledge = |by: &str| told.history.acknowledge(&world, &told.effects, &lock, &authority(by), filed + 12);
    assert_eq!(acknowledge("de-bamf"), Err(HistoryRefusal::NotRecipient));
    assert_eq!(acknowledge("fa-one"), Ok(()));
    // A correction takes the lock away, another brings it back.
    let mut told = Told::new();
    told.report(1, "court-south", instant("relief", filed), filed);
    let correct =
        |told: &mut Told, report| told.case.correct(&told.setting.definition, slot(1), report).expect("stands");
    correct(&mut told, on("ruled", 2));
    assert_eq!(shown(&told.fold(filed + 10)), ["-lock removal_stop!?", "-notice stop_removal!"]);
    correct(&mut told, instant("relief", filed - 5));
    assert_eq!(shown(&told.fold(filed + 20)), ["~lock removal_stop!?", "~notice stop_removal!?"]);
    assert_eq!(told.effects.notices[0].acknowledge_until_ms, Some(filed + HOUR_MS / 4), "counted from its first time");
}

#[test]
fn a_guard_blocks_announcements_and_marks_facts() {
    let mut told = Told::new();
    told.report(1, "court-south", on("appealed", 5), at(5, 9));
    let blocked = Stop::Blocked { guard: code("appeal_open") };
    assert_eq!(told.admit(&on("scheduled", 6), None), Err(blocked));
    let unknown = Stop::OverrideUnknown { guard: code("appeal_open") };
    assert_eq!(told.admit(&on("scheduled", 6), Some("by_letter")), Err(unknown));
    assert_eq!(told.admit(&on("scheduled", 6), Some("by_phone")), Ok(vec!["appeal_open".to_owned()]));
    assert_eq!(told.admit(&on("scheduled", 4), None), Ok(vec![]), "dated before the appeal");
    assert_eq!(told.admit(&instant("executed", at(5, 9)), None), Ok(vec![]), "a fact");
    told.report(2, "fa-one", instant("executed", at(5, 9)), at(5, 10));
    let grave = EffectDeviationKind::Grave(code("not_scheduled"));
    assert!(told.effects.deviations.iter().any(|found| found.kind == grave && found.kind.is_grave()));
}

#[test]
fn a_report_of_tomorrow_is_taken_after_what_ends_today() {
    let mut told = Told::new();
    told.report(1, "de-bamf", on("lodged", 1), at(1, 9));
    told.report(2, "de-bamf", rejected(1), at(1, 10));
    // On the due day, 15 June, the withdrawal of the next day is announced.
    told.report(3, "de-bamf", on("withdrawn", 16), at(15, 10));
    assert!(matches!(told.effects.deadlines[0].state, DeadlineState::Stopped(_)));
    assert_eq!(told.effects.next_due_ms, Some(at(15, 22)));
    told.fold(at(15, 22));
    assert!(matches!(told.effects.deadlines[0].state, DeadlineState::Elapsed { .. }));
}

#[test]
fn language_1_gives_nothing() {
    let setting = Setting::new();
    let definition = laufzettel_contracts::Definition::check(laufzettel_contracts::ASYL_DE).expect("sound").definition;
    let mut case = CaseFold::new();
    for (number, status) in (1_u8..).zip(definition.statuses()) {
        let report = Report::new(status.code.clone(), When::Day(JUNE));
        case.report(&definition, Entry { author: authority("de-bamf"), ..entry(number, "de-bamf", report) });
    }
    // Authorities that hold its roles; in language 2 each would be known as the only one.
    let holders = definition.roles().iter().map(|role| (role.code.clone(), authority("de-bamf")));
    let directory = laufzettel_contracts::effect::Directory::new(holders);
    let world =
        laufzettel_contracts::effect::World { definition: &definition, directory: &directory, ..setting.world() };
    let known = Known { history: &History::new(), name: &name, as_of_ms: 400 * 365 * DAY_MS };
    let found = laufzettel_contracts::effect::effects(&world, &case, &known);
    assert_eq!(found, Effects { as_of_ms: 400 * 365 * DAY_MS, ..Effects::default() });
}

#[test]
fn an_acknowledgement_counts_before_the_end_of_its_time() {
    for (late, escalates) in [(0, true), (1, false)] {
        let mut told = Told::new();
        let filed = at(2, 10);
        let id = told.report(1, "court-south", instant("relief", filed), filed).arose[1].id;
        let until = filed + HOUR_MS / 4;
        let world = told.setting.world();
        told.history.acknowledge(&world, &told.effects, &id, &authority("fa-two"), until - late).expect("a recipient");
        told.fold(until);
        assert_eq!(told.effects.notices[0].unacknowledged, escalates);
    }
}

#[test]
fn an_instant_is_in_time_before_the_end_and_not_at_it() {
    // 36 hours from the end of 13 June (22:00 UTC) end on 15 June at 10:00 UTC.
    for (early, met) in [(0, false), (1, true)] {
        let mut told = Told::new();
        told.report(1, "de-bamf", on("registered", 13), at(13, 9));
        told.report(2, "fa-one", instant("executed", at(15, 10) - early), at(15, 11));
        assert_eq!(told.effects.deadlines[0].state == DeadlineState::Met(slot(2)), met);
        assert_eq!(told.effects.deadlines[0].state == DeadlineState::Elapsed { grace_over: false }, !met);
    }
}

#[test]
fn a_seat_once_known_stays() {
    let mut told = Told::new();
    told.report(1, "de-bamf", on("registered", 10), at(10, 9));
    told.report(2, "de-bamf", rejected(12), at(12, 10));
    told.report(3, "court-south", instant("relief", at(13, 9)), at(13, 10));
    told.report(4, "court-north", instant("relief", at(14, 9)), at(14, 10));
    told.report(5, "de-bamf", on("lodged", 15), at(15, 10));
    assert_eq!(first(&told.effects, "appeal"), (DeadlineState::Running, 19, Some("court-south".to_owned())));
}

#[test]
fn each_withdrawal_of_a_lock_that_stood_is_acknowledged_anew_and_one_released_needs_it_not() {
    let mut told = Told::new();
    let filed = at(2, 10);
    let lock = told.report(1, "court-south", instant("relief", filed), filed).arose[0].id;
    for round in 1..3 {
        told.case.correct(&told.setting.definition, slot(1), on("ruled", 2)).expect("it stands");
        assert_eq!(shown(&told.fold(filed + round * 10))[0], "-lock removal_stop!?");
        let world = told.setting.world();
        let acknowledged = told.history.acknowledge(&world, &told.effects, &lock, &authority("fa-one"), filed + 99);
        assert_eq!(acknowledged, Ok(()), "round {round}");
        told.case.correct(&told.setting.definition, slot(1), instant("relief", filed)).expect("it stands");
        told.fold(filed + round * 10 + 1);
    }
    let mut told = Told::new();
    told.case.report(&told.setting.definition, entry(1, "court-south", instant("relief", filed)));
    told.report(2, "court-south", on("ruled", 2), filed + 5);
    told.case.retract(&told.setting.definition, slot(1)).expect("it stands");
    let lock = told.effects.locks[0].origin.id;
    assert_eq!(shown(&told.fold(filed + 6)), ["-lock removal_stop", "-notice stop_removal!"]);
    let world = told.setting.world();
    let acknowledged = told.history.acknowledge(&world, &told.effects, &lock, &authority("fa-one"), filed + 99);
    assert_eq!(acknowledged, Err(HistoryRefusal::NothingToAcknowledge));
}

/// Receipts and answers carry these names for good.
#[test]
fn refusals_and_deviations_have_their_names() {
    use HistoryRefusal as Refusal;
    use laufzettel_contracts::effect::EffectDeviationKind as Kind;
    let refusals = [
        (Refusal::EffectUnknown, "EFFECT_UNKNOWN"),
        (Refusal::NothingToAcknowledge, "NOTHING_TO_ACKNOWLEDGE"),
        (Refusal::NotRecipient, "NOT_RECIPIENT"),
        (Refusal::AlreadyAcknowledged, "ALREADY_ACKNOWLEDGED"),
        (Refusal::NotATask, "NOT_A_TASK"),
        (Refusal::TaskNotOpen, "TASK_NOT_OPEN"),
        (Refusal::NotOwner, "NOT_OWNER"),
        (Refusal::OutcomeUnknown, "TASK_OUTCOME_UNKNOWN"),
    ];
    for (refusal, name) in refusals {
        assert_eq!((refusal.reason(), refusal.to_string().as_str()), (name, name));
    }
    let lock = laufzettel_contracts::effect::EffectId([1; 16]);
    let deviations = [
        (Kind::Warned(code("a")), "WARNED", false),
        (Kind::Overridden(code("a")), "OVERRIDDEN", false),
        (Kind::Grave(code("a")), "GRAVE", true),
        (Kind::ExecutedDespiteLock(lock), "EXECUTED_DESPITE_LOCK", true),
        (Kind::AnnouncedDespiteLock(lock), "ANNOUNCED_DESPITE_LOCK", false),
        (Kind::AssignedWithoutRole(code("a")), "ASSIGNED_WITHOUT_ROLE", false),
    ];
    for (kind, name, grave) in deviations {
        assert_eq!((kind.reason(), kind.is_grave()), (name, grave));
    }
}

/// What is asked about can be printed, though how effects are named cannot.
#[test]
fn what_is_known_can_be_printed() {
    let known = Known { history: &History::new(), name: &name, as_of_ms: 7 };
    assert_eq!(format!("{known:?}"), "Known { as_of_ms: 7, .. }");
}
