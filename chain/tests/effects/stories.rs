//! Stories of one case: the urgent stop, guards and second persons, acknowledgements, tasks, corrections, inboxes.

use std::sync::Arc;

use laufzettel_chain::index;
use laufzettel_chain::item::{Action, Override};
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::query::{self, Inbox};
use laufzettel_chain::receipt::Code;
use laufzettel_chain::state::effects::guard_id;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Family, Read as _};
use laufzettel_contracts::effect::{EffectId, EffectKind, TaskState};

use crate::fixture::{HOUR_MS, MINUTE_MS, at_ms, case, code, commit, key, key_id, on_day, slot_of};
use crate::world::{COURT, FOREIGNERS, OFFICE, POLICE, Scene, open, reason, relief, with_outcome};

fn scheduled(day: i32) -> Action {
    Action::Report(on_day("scheduled", day))
}

/// A lock set by the court; the bytes of the item that set it.
fn locked() -> (Scene, Vec<u8>, EffectId) {
    let mut scene = Scene::opened();
    let item = scene.item(case(1), &Action::Report(relief(0)), None);
    assert_eq!(scene.send(COURT, vec![item.clone()])[0].code, Code::Accepted);
    let locks = scene.effects().effects.locks;
    let lock = locks.first().expect("a lock stands").origin.id;
    (scene, item, lock)
}

#[test]
fn a_lock_refuses_announcements_and_marks_facts() {
    let (mut scene, _, lock) = locked();
    let refused = scene.act(FOREIGNERS, &scheduled(1));
    assert_eq!((refused.code, refused.cause, refused.revision), (Code::Locked, Some(lock.0), 0));
    let executed = scene.report(POLICE, at_ms("executed", MINUTE_MS));
    assert_eq!((executed.code, executed.flags), (Code::Accepted, 1 | 4));
    let asked = |status: &str| Action::ClearanceCheck { status: code(status) };
    let answer = scene.act(POLICE, &asked("scheduled"));
    assert_eq!((answer.code, answer.answer, answer.revision), (Code::Accepted, 1, 0));
    // The lock marks the fact: that is as good a reason not to act. What no lock is about is no question.
    assert_eq!(scene.act(POLICE, &asked("executed")).answer, 1);
    let other = scene.act(POLICE, &asked("ruled"));
    assert_eq!((other.code, other.answer), (Code::NotLockable, 0));
    assert_eq!(scene.act(POLICE, &asked("nothing")).code, Code::StatusUnknown);
    let ruled = scene.report(COURT, on_day("ruled", 0));
    assert_eq!(ruled.code, Code::Accepted);
    assert_eq!(scene.act(POLICE, &asked("scheduled")).answer, 2);
    assert_eq!(scene.act(POLICE, &asked("executed")).answer, 2);
    assert_eq!(scene.act(FOREIGNERS, &scheduled(1)).code, Code::Accepted);
}

#[test]
fn what_a_transaction_says_itself_does_not_count_for_its_own_announcements() {
    let mut scene = Scene::opened();
    let appealed = scene.item(case(1), &Action::Report(on_day("appealed", -1)), None);
    scene.send(COURT, vec![appealed]);
    // Blocked before; the ruling that would lift the block comes in the same block, but in another transaction.
    let blocked = scene.act(FOREIGNERS, &scheduled(1));
    let guard = guard_id(&code("scheduled"), &code("appeal_open"));
    assert_eq!((blocked.code, blocked.cause), (Code::Blocked, Some(guard)));
    let (ruled, announced) = (Action::Report(on_day("ruled", 0)), scheduled(1));
    let (ruled, announced) = (scene.item(case(1), &ruled, None), scene.item(case(1), &announced, None));
    let (ruled, announced) =
        (scene.signed(COURT, &["service"], vec![ruled]), scene.signed(FOREIGNERS, &["service"], vec![announced]));
    let time_ms = scene.now() + MINUTE_MS;
    let built = scene.block(time_ms, &[ruled, announced]);
    assert_eq!(built.executed.outcomes[1].receipts[0].code, Code::Accepted);
    // Three in one transaction: the guard against a third one counts what was there before.
    let items: Vec<_> = (0..3).map(|_| scene.item(case(1), &scheduled(1), None)).collect();
    let codes: Vec<Code> = scene.send(FOREIGNERS, items).iter().map(|receipt| receipt.code).collect();
    assert_eq!(codes, [Code::Accepted; 3]);
    let again = scene.act(FOREIGNERS, &scheduled(1));
    assert_eq!((again.code, again.cause), (Code::Blocked, Some(guard_id(&code("scheduled"), &code("second_time")))));
}

#[test]
fn a_second_person_overrides_a_guard_with_a_reason_that_it_allows() {
    let mut scene = Scene::opened();
    scene.report(COURT, on_day("appealed", -1));
    let person = key_id(&key(FOREIGNERS, "person"));
    let service = key_id(&key(FOREIGNERS, "service"));
    let mut tried = |over: &Override, purposes: &[&str]| {
        let item = scene.item(case(1), &scheduled(1), Some(over));
        let signed = scene.signed(FOREIGNERS, purposes, vec![item]);
        let time_ms = scene.now() + MINUTE_MS;
        scene.block(time_ms, &[signed]).executed.outcomes[0].receipts[0].clone()
    };
    let by_phone = Override { reason: reason("by_phone"), key: person };
    assert_eq!(tried(&by_phone, &["service"]).code, Code::OverrideSigner, "did not sign");
    assert_eq!(tried(&by_phone, &["person"]).code, Code::OverrideSigner, "is the only one");
    let not_a_person = Override { key: service, ..by_phone.clone() };
    assert_eq!(tried(&not_a_person, &["person", "service"]).code, Code::OverrideSigner);
    let no_reason = Override { reason: reason("bored"), ..by_phone.clone() };
    assert_eq!(tried(&no_reason, &["person", "service"]).code, Code::OverrideUnknown);
    let accepted = tried(&by_phone, &["person", "service"]);
    assert_eq!((accepted.code, accepted.flags), (Code::Accepted, 1 | 2));
}

#[test]
fn nobody_overrides_a_lock() {
    let (mut scene, _, lock) = locked();
    let over = Override { reason: reason("by_phone"), key: key_id(&key(FOREIGNERS, "person")) };
    let item = scene.item(case(1), &scheduled(1), Some(&over));
    let signed = scene.signed(FOREIGNERS, &["person", "service"], vec![item]);
    let time_ms = scene.now() + MINUTE_MS;
    let receipt = scene.block(time_ms, &[signed]).executed.outcomes[0].receipts[0].clone();
    assert_eq!((receipt.code, receipt.cause), (Code::Locked, Some(lock.0)));
}

#[test]
fn notices_are_acknowledged_once_by_those_they_are_for() {
    let (mut scene, _, lock) = locked();
    let notice = scene.effects().effects.notices[0].origin.id;
    assert_eq!(scene.inbox(FOREIGNERS, Inbox::Notices), [notice]);
    let acknowledge = |effect| Action::Acknowledge { effect };
    assert_eq!(scene.act(COURT, &acknowledge(notice)).code, Code::NotRecipient);
    assert_eq!(scene.act(POLICE, &acknowledge(lock)).code, Code::NothingToAcknowledge);
    assert_eq!(scene.act(POLICE, &acknowledge(EffectId([9; 16]))).code, Code::EffectUnknown);
    let taken = scene.act(FOREIGNERS, &acknowledge(notice));
    assert_eq!((taken.code, taken.revision), (Code::Accepted, 3));
    assert_eq!(scene.act(FOREIGNERS, &acknowledge(notice)).code, Code::AlreadyAcknowledged);
    assert_eq!(scene.inbox(FOREIGNERS, Inbox::Notices), []);
    assert_eq!(scene.inbox(POLICE, Inbox::Notices), [notice]);
    let kept = scene.effects().history;
    let who: Vec<_> = kept.acknowledgements(&notice).map(|(authority, _)| authority.to_string()).collect();
    assert_eq!(who, ["sn-lds"]);
    // Acknowledgements are counted in the case's history, but are no events.
    let events = query::case_events(scene.store.as_ref(), &case(1), 0, 10).expect("memory");
    assert_eq!(events.len(), 3);
    let listed = index::events_after(scene.store.as_ref(), &laufzettel_contracts::Position::default(), 10);
    assert_eq!(listed.expect("memory").len(), 1);
}

#[test]
fn a_task_is_completed_by_its_owner_with_one_of_its_outcomes() {
    let mut scene = Scene::opened();
    scene.report(OFFICE, with_outcome(on_day("decided", 0), "rejected"));
    let task = scene.effects().effects.tasks[0].origin.id;
    assert_eq!(scene.inbox(FOREIGNERS, Inbox::Tasks), [task]);
    let complete = |outcome: &str| Action::CompleteTask { effect: task, outcome: code(outcome) };
    assert_eq!(scene.act(OFFICE, &complete("done")).code, Code::NotOwner);
    assert_eq!(scene.act(FOREIGNERS, &complete("other")).code, Code::TaskOutcomeUnknown);
    let notice = scene.effects().effects.notices[0].origin.id;
    let wrong = Action::CompleteTask { effect: notice, outcome: code("done") };
    assert_eq!(scene.act(FOREIGNERS, &wrong).code, Code::NotATask);
    assert_eq!(scene.act(FOREIGNERS, &complete("done")).code, Code::Accepted);
    assert_eq!(scene.act(FOREIGNERS, &complete("done")).code, Code::TaskNotOpen);
    assert!(matches!(scene.effects().effects.tasks[0].state, TaskState::Done { .. }));
    assert_eq!(scene.inbox(FOREIGNERS, Inbox::Tasks), []);
}

#[test]
fn a_correction_withdraws_and_the_next_one_brings_back_the_same_effect() {
    let mut scene = Scene::opened();
    let decided = Action::Report(with_outcome(on_day("decided", 0), "rejected"));
    let item = scene.item(case(1), &decided, None);
    scene.send(OFFICE, vec![item.clone()]);
    let slot = slot_of(OFFICE, &item);
    let before = scene.effects();
    let task = before.effects.tasks[0].origin.id;
    let first_seen = before.history.first_seen_ms(&task);
    let correct = |outcome: &str| Action::Correct { slot, report: with_outcome(on_day("decided", 0), outcome) };
    assert_eq!(scene.act(OFFICE, &correct("granted")).code, Code::Accepted);
    let gone = scene.effects();
    assert!(gone.effects.tasks.is_empty());
    assert_eq!(gone.history.past()[&task].withdrawn_ms, Some(scene.now()));
    assert_eq!(scene.inbox(FOREIGNERS, Inbox::Tasks), []);
    assert_eq!(scene.inbox(FOREIGNERS, Inbox::Deadlines), []);
    scene.act(OFFICE, &correct("rejected"));
    let back = scene.effects();
    assert_eq!(back.effects.tasks[0].origin.id, task);
    assert_eq!((back.history.past()[&task].withdrawn_ms, back.history.first_seen_ms(&task)), (None, first_seen));
    assert_eq!(scene.inbox(FOREIGNERS, Inbox::Tasks), [task]);
}

#[test]
fn a_retraction_releases_a_lock_and_that_is_to_be_acknowledged() {
    let (mut scene, item, lock) = locked();
    let notice = scene.effects().effects.notices[0].origin.id;
    let retract = Action::Retract { slot: slot_of(COURT, &item), reason: code("mistake") };
    assert_eq!(scene.act(COURT, &retract).code, Code::Accepted);
    let gone = scene.effects();
    assert_eq!((gone.effects.locks.len(), gone.history.past()[&lock].kind), (0, EffectKind::Lock));
    // The notice of it is withdrawn with it, the vanished lock itself is to be acknowledged.
    assert!(gone.history.past()[&notice].withdrawn_ms.is_some());
    assert_eq!(scene.inbox(FOREIGNERS, Inbox::Notices), [lock]);
    assert_eq!(scene.act(FOREIGNERS, &scheduled(1)).code, Code::Accepted);
    assert_eq!(scene.act(FOREIGNERS, &Action::Acknowledge { effect: lock }).code, Code::Accepted);
    assert_eq!(scene.inbox(FOREIGNERS, Inbox::Notices), []);
    assert_eq!(scene.inbox(POLICE, Inbox::Notices), [lock]);
}

#[test]
fn protocol_1_knows_nothing_of_this() {
    for action in [
        Action::CompleteTask { effect: EffectId([1; 16]), outcome: code("done") },
        Action::Acknowledge { effect: EffectId([1; 16]) },
        Action::ClearanceCheck { status: code("scheduled") },
    ] {
        let items = vec![crate::fixture::item(1, case(1), &action)];
        let (ledger, _) = crate::fixture::ledger();
        let signed = crate::fixture::transaction(OFFICE, 1, items);
        let checked = ledger.judge(crate::fixture::GENESIS_MS).check(&signed);
        let Err(laufzettel_chain::check::CheckError::Refused(refusal)) = checked else { panic!("{action:?}") };
        assert_eq!(refusal.reason(), "NOT_IN_PROTOCOL_VERSION");
    }
}

/// Everything at once, with time passing.
pub(crate) fn long_story() -> Scene {
    let (mut scene, item, _) = locked();
    let notice = scene.effects().effects.notices[0].origin.id;
    scene.act(FOREIGNERS, &Action::Acknowledge { effect: notice });
    let opens = crate::fixture::opens("stop");
    let (second, toy) = (scene.item(case(2), &opens, None), scene.item(case(3), &crate::fixture::opens("toy"), None));
    scene.send(OFFICE, vec![second, toy]);
    let begun = scene.item(case(3), &Action::Report(on_day("begun", 0)), None);
    let decided = scene.item(case(2), &Action::Report(with_outcome(on_day("decided", -1), "rejected")), None);
    scene.send(OFFICE, vec![begun, decided]);
    // The notice escalates, later the appeal period warns and ends, each in a block of its own.
    for hours in [1, 5 * 24, 9 * 24, 30 * 24] {
        let time_ms = scene.now() + hours * HOUR_MS;
        scene.block(time_ms, &[]);
    }
    scene.report(POLICE, at_ms("executed", 3 * MINUTE_MS));
    let slot = slot_of(COURT, &item);
    scene.act(COURT, &Action::Correct { slot, report: relief(MINUTE_MS) });
    scene.act(COURT, &Action::ClearanceCheck { status: code("scheduled") });
    scene.act(COURT, &Action::Retract { slot, reason: code("mistake") });
    // Something runs at the end.
    scene.report(OFFICE, with_outcome(on_day("decided", 44), "rejected"));
    scene
}

#[test]
fn two_ledgers_get_the_same_cached_or_not() {
    let scene = long_story();
    for bound in [0, 20, 100_000] {
        let store = Arc::new(MemStore::default());
        let mut ledger: Ledger = open(store.clone());
        ledger.cache_cases(bound);
        for block in &scene.blocks {
            let executed = ledger.validate(block).expect("valid");
            commit(&mut ledger, block, executed);
        }
        assert_eq!(*store.rows(), *scene.store.rows(), "{bound}");
        assert_eq!(*ledger.tip(), *scene.ledger.tip());
        assert_eq!(*open(store).tip(), *scene.ledger.tip(), "after a restart");
    }
}

#[test]
fn derived_rows_are_made_again_as_they_are() {
    let scene = long_story();
    let store = scene.store.as_ref();
    let kept = store.scan(Family::Index, &[], &[0xff; 64], usize::MAX).expect("memory");
    let made = index::rebuild(store, scene.ledger.registry()).expect("memory");
    assert_eq!(made, kept);
    assert!(kept.iter().any(|(key, _)| key[0] == 5) && kept.iter().any(|(key, _)| key[0] == 6));
}

#[test]
fn inboxes_page_by_cursor() {
    let scene = long_story();
    for (authority, _) in crate::fixture::AUTHORITIES {
        for list in [Inbox::Tasks, Inbox::Notices, Inbox::Deadlines] {
            let all = query::inbox(scene.store.as_ref(), authority, list, None, 100).expect("memory");
            let (mut paged, mut after) = (Vec::new(), None);
            while let Some(row) =
                query::inbox(scene.store.as_ref(), authority, list, after.as_deref(), 1).expect("memory").pop()
            {
                after = Some(row.cursor.clone());
                paged.push(row);
            }
            assert_eq!(paged, all);
        }
    }
}
