//! What adopted changes do to cases that are there: new calendars count what runs, and open cases move by a mapping and keep
//! what was known of them.

use laufzettel_chain::item::Action;
use laufzettel_chain::proposal::{Change, ProposalKind};
use laufzettel_chain::query::{self, CaseEffects};
use laufzettel_chain::receipt::Code;
use laufzettel_chain::state::case::CaseRow;
use laufzettel_contracts::effect::DeadlineState;

use crate::fixture::{self, DAY_MS, MINUTE_MS, TODAY, case, on_day};
use crate::governance::{calendars, change, gaining, plain, renaming};
use crate::world::{COURT, FOREIGNERS, OFFICE, POLICE, Scene, with_outcome};

#[test]
fn new_calendars_count_what_runs_and_leave_what_was_over() {
    let mut scene = Scene::opened();
    // One period that will be over before the new calendars, and one that runs.
    let decided = |day: i32| Action::Report(with_outcome(on_day("decided", day), "rejected"));
    scene.act(OFFICE, &decided(-30));
    for number in 2..40u8 {
        assert_eq!(scene.opens(number, 1), Code::Accepted);
        let report = scene.item(case(number), &decided(0), None);
        assert_eq!(scene.send(OFFICE, vec![report])[0].code, Code::Accepted);
    }
    let ends = |scene: &Scene, number: u8| {
        let found = query::effects(scene.store.as_ref(), scene.ledger.registry(), &case(number), scene.now());
        let effects = found.expect("memory").expect("open").effects;
        let deadline = effects.deadlines.first().expect("there").clone();
        (deadline.due.as_ref().expect("counted").day(), deadline.state)
    };
    let (over, runs) = (ends(&scene, 1), ends(&scene, 2));
    assert!(matches!(over.1, DeadlineState::Elapsed { .. }));
    assert_eq!(runs, (TODAY + 7, DeadlineState::Running), "a week after 15 June is 22 June");
    let (item, code) = scene.propose(OFFICE, Change { kind: ProposalKind::Calendars, ..change(calendars(2), &[]) });
    assert_eq!(code, Code::Accepted);
    for by in [FOREIGNERS, COURT] {
        assert_eq!(scene.vote(by, item, true), Code::Accepted);
    }
    assert_eq!(ends(&scene, 2), runs, "adopted, and not counted by yet");
    scene.is_the_same_everywhere();
    let time_ms = scene.now() + 2 * MINUTE_MS;
    scene.block(time_ms, &[]);
    assert_eq!(ends(&scene, 2), (TODAY + 8, DeadlineState::Running), "22 June is a holiday now");
    assert_eq!(ends(&scene, 1), over);
    assert!(scene.ledger.registry().register.recount.is_some());
    scene.is_the_same_everywhere();
    // The cases are brought forward by blocks of their own, at once, until all are.
    let mut blocks = 0;
    while scene.ledger.registry().register.recount.is_some() {
        assert_eq!(scene.ledger.tip().next_due_ms, Some(0));
        let time_ms = scene.now() + 1;
        scene.block(time_ms, &[]);
        blocks += 1;
        scene.is_the_same_everywhere();
    }
    assert!((1..10).contains(&blocks), "{blocks}");
    let row = |number| CaseRow::load(scene.store.as_ref(), &case(number)).expect("memory").expect("open");
    let warns_ms = row(2).next_due_ms().expect("it warns");
    assert!((3..40).all(|number| row(number).next_due_ms() == Some(warns_ms)));
    // And they end a day later than they would have.
    for _ in 0..10 {
        let time_ms = scene.now() + DAY_MS;
        scene.block(time_ms, &[]);
    }
    assert!(matches!(ends(&scene, 2), (due, DeadlineState::Elapsed { .. }) if due == TODAY + 8));
    scene.is_the_same_everywhere();
}

#[test]
fn open_cases_move_by_a_mapping_and_keep_what_was_known_of_them() {
    let mut scene = Scene::opened();
    scene.report(OFFICE, on_day("registered", -3));
    scene.act(OFFICE, &Action::Report(with_outcome(on_day("decided", 0), "rejected")));
    for number in 2..30u8 {
        assert_eq!(scene.opens(number, 1), Code::Accepted);
        let report = scene.item(case(number), &Action::Report(on_day("registered", 0)), None);
        assert_eq!(scene.send(OFFICE, vec![report])[0].code, Code::Accepted);
    }
    let before = scene.effects();
    let incomplete = renaming(2);
    let incomplete = Change { moves: incomplete.moves.into_iter().skip(1).collect(), ..incomplete };
    assert_eq!(scene.propose(OFFICE, incomplete).1, Code::MappingWrong);
    let nowhere = Change { moves: renaming(2).moves, ..change(plain(2), &[]) };
    assert_eq!(scene.propose(OFFICE, nowhere).1, Code::MappingWrong, "the text has no status of the new name");
    let same = renaming(2).moves.into_keys().map(|status| (status.clone(), status)).collect();
    let replaced = Change { moves: same, ..change(gaining(2), &[POLICE]) };
    assert_eq!(scene.propose(OFFICE, replaced).1, Code::MappingWrong, "a task at the place of the notice of a lock");
    let (item, code) = scene.propose(OFFICE, renaming(2));
    assert_eq!(code, Code::Accepted);
    for by in [FOREIGNERS, COURT] {
        assert_eq!(scene.vote(by, item, true), Code::Accepted);
    }
    // One block in which the version is in force, and after which cases move; then one case moves by a report of its own.
    let time_ms = scene.now() + 2 * MINUTE_MS;
    scene.block(time_ms, &[]);
    let row =
        |scene: &Scene, number| CaseRow::load(scene.store.as_ref(), &case(number)).expect("memory").expect("open");
    assert_eq!((row(&scene, 1).version, row(&scene, 2).version), (1, 1));
    scene.is_the_same_everywhere();
    assert_eq!(scene.report(OFFICE, on_day("registered", 0)).code, Code::StatusUnknown);
    assert_eq!(scene.report(OFFICE, on_day("entered", 0)).code, Code::Accepted);
    scene.is_the_same_everywhere();
    while scene.ledger.registry().register.recount.is_some() {
        let time_ms = scene.now() + 1;
        scene.block(time_ms, &[]);
        scene.is_the_same_everywhere();
    }
    for number in 1..30 {
        assert_eq!(row(&scene, number).version, 2);
        let found = query::case(scene.store.as_ref(), scene.ledger.registry(), &case(number));
        let fold = found.expect("memory").expect("open").fold;
        assert!(fold.entries().iter().all(|entry| entry.report.status.as_str() != "registered"));
        assert!(fold.entries().iter().any(|entry| entry.report.status.as_str() == "entered"));
        assert_eq!(fold.state().deviations, []);
    }
    reads_as_before(&scene, &before);
    moves_once_more(&mut scene);
}

/// Effects of case 1 go on under their identities, and earlier heights are read under the version it has now.
fn reads_as_before(scene: &Scene, before: &CaseEffects) {
    let registry = scene.ledger.registry();
    let after = query::effects(scene.store.as_ref(), registry, &case(1), scene.now()).expect("memory").expect("open");
    let last = |of: &CaseEffects| of.effects.deadlines.last().map(|one| one.origin.id);
    assert_eq!(last(before), last(&after));
    assert!(after.history.past().iter().all(|(_, past)| past.withdrawn_ms.is_none()));
    let found = query::case(scene.store.as_ref(), registry, &case(1)).expect("memory").expect("open");
    for height in 1..=scene.ledger.tip().header.height {
        let fold = query::case_at(scene.store.as_ref(), registry, &found, height).expect("memory");
        assert!(fold.entries().iter().all(|entry| entry.report.status.as_str() != "registered"), "height {height}");
    }
    let now = query::case_at(scene.store.as_ref(), registry, &found, u64::MAX).expect("memory");
    assert_eq!(now.entries(), found.fold.entries());
}

/// Corrected under the new version, moved once more, and gone on with.
fn moves_once_more(scene: &mut Scene) {
    let row =
        |scene: &Scene, number| CaseRow::load(scene.store.as_ref(), &case(number)).expect("memory").expect("open");
    let found = query::case(scene.store.as_ref(), scene.ledger.registry(), &case(1)).expect("memory").expect("open");
    let slot = found.fold.entries().first().expect("a report").slot;
    let corrected = scene.act(OFFICE, &Action::Correct { slot, report: on_day("entered", -2) });
    assert_eq!(corrected.code, Code::Accepted);
    let next = plain(3).replace("registered", "noted");
    let moves = renaming(2).moves.into_values().map(|from| {
        let to = if from.as_str() == "entered" { fixture::code("noted") } else { from.clone() };
        (from, to)
    });
    let next = Change { moves: moves.collect(), ..change(next, &[OFFICE]) };
    let (item, code) = scene.propose(OFFICE, next);
    assert_eq!(code, Code::Accepted);
    for by in [FOREIGNERS, COURT] {
        assert_eq!(scene.vote(by, item, true), Code::Accepted);
    }
    for _ in 0..3 {
        let time_ms = scene.now() + 2 * MINUTE_MS;
        scene.block(time_ms, &[]);
    }
    assert_eq!((row(scene, 1).version, row(scene, 29).version), (3, 3));
    let found = query::case(scene.store.as_ref(), scene.ledger.registry(), &case(1)).expect("memory").expect("open");
    let now = query::case_at(scene.store.as_ref(), scene.ledger.registry(), &found, u64::MAX).expect("memory");
    assert_eq!(now.entries(), found.fold.entries());
    assert_eq!(now.entries().iter().filter(|entry| entry.report.status.as_str() == "noted").count(), 2);
    scene.is_the_same_everywhere();
}
