//! Random histories of two cases of language 2, with time passing in leaps: every ledger gets the same, whatever it keeps
//! in memory and however it came to its state.

use std::sync::Arc;

use laufzettel_chain::index;
use laufzettel_chain::item::Action;
use laufzettel_chain::query;
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Family, Read as _};
use laufzettel_contracts::effect::EffectId;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::fixture::{HOUR_MS, at_ms, case, catch_up, code, commit, on_day, opens, slot_of};
use crate::joined::{compared, join};
use crate::world::{COURT, FOREIGNERS, OFFICE, POLICE, Scene, genesis, open, with_outcome};

/// By whom, and what: statuses by day.
const DAYS: [(usize, &str); 8] = [
    (OFFICE, "registered"),
    (OFFICE, "lodged"),
    (OFFICE, "again"),
    (OFFICE, "decided"),
    (COURT, "appealed"),
    (COURT, "ruled"),
    (OFFICE, "withdrawn"),
    (FOREIGNERS, "scheduled"),
];

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Day(u8, usize, i32),
    Relief(u8, u64),
    Executed(u8, u64),
    Correct(usize, i32),
    Retract(usize),
    Acknowledge(usize, usize),
    Complete(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..3u8, 0..DAYS.len(), -20..2i32).prop_map(|(of, status, day)| Step::Day(of, status, day)),
        2 => (1..3u8, 0..900u64).prop_map(|(of, ms)| Step::Relief(of, ms)),
        1 => (1..3u8, 0..900u64).prop_map(|(of, ms)| Step::Executed(of, ms)),
        2 => (any::<usize>(), -20..2i32).prop_map(|(report, day)| Step::Correct(report, day)),
        2 => any::<usize>().prop_map(Step::Retract),
        2 => (any::<usize>(), 0..4usize).prop_map(|(effect, by)| Step::Acknowledge(effect, by)),
        2 => (any::<usize>(), 0..4usize).prop_map(|(effect, by)| Step::Complete(effect, by)),
    ]
}

/// Hours before each block, and its steps, each a transaction.
pub(crate) fn history() -> impl Strategy<Value = Vec<(u64, Vec<Step>)>> {
    let hours = prop_oneof![2 => Just(0u64), 3 => 1..30u64, 2 => 30..400u64];
    vec((hours, vec(step(), 0..4)), 1..9)
}

pub(crate) type Reports = Vec<(u8, usize, &'static str, [u8; 32])>;

/// An effect that was ever seen in one of the cases.
fn effect_of(scene: &Scene, number: usize) -> Option<(u8, EffectId)> {
    let of = |number: u8| scene.effects_of(case(number)).history;
    let all: Vec<(u8, EffectId)> = [1, 2]
        .into_iter()
        .flat_map(|number| of(number).past().keys().map(|id| (number, *id)).collect::<Vec<_>>())
        .collect();
    all.get(number.checked_rem(all.len())?).copied()
}

fn action(scene: &Scene, step: &Step, reports: &Reports) -> Option<(u8, usize, Action, Option<&'static str>)> {
    let earlier = |number: usize| reports.get(number.checked_rem(reports.len())?).copied();
    Some(match step {
        Step::Day(of, status, day) => {
            let (by, status) = DAYS[*status];
            let report = on_day(status, *day);
            let report = if status == "decided" { with_outcome(report, "rejected") } else { report };
            (*of, by, Action::Report(report), Some(status))
        }
        Step::Relief(of, ms) => (*of, COURT, Action::Report(at_ms("relief", *ms)), None),
        Step::Executed(of, ms) => (*of, POLICE, Action::Report(at_ms("executed", *ms)), None),
        Step::Correct(report, day) => {
            let (of, by, status, slot) = earlier(*report)?;
            let status = if *day % 3 == 0 { "withdrawn" } else { status };
            (of, by, Action::Correct { slot, report: on_day(status, *day) }, None)
        }
        Step::Retract(report) => {
            let (of, by, _, slot) = earlier(*report)?;
            (of, by, Action::Retract { slot, reason: code("mistake") }, None)
        }
        Step::Acknowledge(effect, by) => {
            let (of, effect) = effect_of(scene, *effect)?;
            (of, *by, Action::Acknowledge { effect }, None)
        }
        Step::Complete(effect, by) => {
            let (of, effect) = effect_of(scene, *effect)?;
            (of, *by, Action::CompleteTask { effect, outcome: code("done") }, None)
        }
    })
}

pub(crate) fn played(history: &[(u64, Vec<Step>)]) -> Scene {
    let mut scene = begun();
    played_on(&mut scene, history, Vec::new());
    scene
}

/// With both cases open.
pub(crate) fn begun() -> Scene {
    let mut scene = Scene::opened();
    let second = scene.item(case(2), &opens("stop"), None);
    scene.send(OFFICE, vec![second]);
    scene
}

/// Plays a history after these reports; all reports by then.
pub(crate) fn played_on(scene: &mut Scene, history: &[(u64, Vec<Step>)], mut reports: Reports) -> Reports {
    for (hours, steps) in history {
        let mut candidates = Vec::new();
        scene.ahead_ms = hours * HOUR_MS;
        for step in steps {
            let Some((of, by, action, reported)) = action(scene, step, &reports) else { continue };
            let item = scene.item(case(of), &action, None);
            if let Some(status) = reported {
                reports.push((of, by, status, slot_of(by, &item)));
            }
            candidates.push(scene.signed(by, &["service"], vec![item]));
        }
        // At the earliest when an empty block may come.
        let time_ms = scene.now() + 60_000 + hours * HOUR_MS;
        scene.block(time_ms, &candidates);
    }
    reports
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_way_leads_to_the_same_state(history in history()) {
        let scene = played(&history);
        for bound in [0, 20, 100_000] {
            let store = Arc::new(MemStore::default());
            let mut ledger = open(store.clone());
            ledger.cache_cases(bound);
            for block in &scene.blocks {
                let executed = ledger.validate(block).expect("valid");
                commit(&mut ledger, block, executed);
            }
            prop_assert_eq!(&*store.rows(), &*scene.store.rows());
            let store = Arc::new(MemStore::default());
            let mut ledger = open(store.clone());
            ledger.cache_cases(bound);
            catch_up(&mut ledger, &scene.blocks);
            prop_assert_eq!(&*store.rows(), &*scene.store.rows());
            prop_assert_eq!(ledger.tip().next_due_ms, scene.ledger.tip().next_due_ms);
        }
        let kept = scene.store.scan(Family::Index, &[], &[0xff; 64], usize::MAX).expect("memory");
        prop_assert_eq!(index::rebuild(scene.store.as_ref(), scene.ledger.registry()).expect("memory"), kept);
        prop_assert_eq!(compared(&join(&scene).rows()), compared(&scene.store.rows()));
    }

    #[test]
    fn what_is_stored_is_what_folding_anew_gives(history in history()) {
        let scene = played(&history);
        let mut next = None;
        for number in [1, 2] {
            let row = CaseRow::load(scene.store.as_ref(), &case(number)).expect("memory").expect("open");
            let header = query::bare_header(scene.store.as_ref(), row.changed).expect("memory").expect("stored");
            let found = query::effects(scene.store.as_ref(), &genesis().registry, &case(number), header.time_ms);
            let found = found.expect("memory").expect("open");
            prop_assert_eq!(row.next_due_ms(), found.effects.next_due_ms);
            prop_assert!(row.next_due_ms().is_none_or(|due_ms| due_ms > header.time_ms));
            // Nothing that was due is left undone.
            prop_assert!(row.next_due_ms().is_none_or(|due_ms| due_ms > scene.now()));
            let stored = laufzettel_chain::state::effects::fields::of(&found.effects, &found.history);
            for (field, bytes) in stored {
                prop_assert_eq!(row.field(&case(number), field), bytes);
            }
            next = [next, row.next_due_ms()].into_iter().flatten().min();
        }
        prop_assert_eq!(scene.ledger.tip().next_due_ms, next);
    }
}
