//! The state machine on a small network: what is built is valid and commits
//! to the same roots everywhere; repeats, corrections, retractions and
//! receipts; derived rows and history agree with the state.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

mod fixture;

use std::sync::Arc;

use fixture::steps::{blocks, play};
use fixture::{
    BAMF, GENESIS_MS, HOUR_MS, LDS, MINUTE_MS, POLICE, advance, at_ms, build, case, code, commit, genesis, item,
    ledger, on_day, open, opens, slot_of, transaction,
};
use laufzettel_chain::check::Refusal;
use laufzettel_chain::execute::{Execution, Place};
use laufzettel_chain::ids::ItemDigest;
use laufzettel_chain::index::{self, Find};
use laufzettel_chain::item::Action;
use laufzettel_chain::limits;
use laufzettel_chain::query;
use laufzettel_chain::receipt::{Code, FLAG_DEVIATION, Receipt};
use laufzettel_chain::state::fields;
use laufzettel_chain::storage::faulty::FaultyStore;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Family, Read, Store};
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_contracts::{CaseFold, Position, When};
use proptest::prelude::*;

fn report(number: u64, of: u8, status: &str, day: i32) -> Vec<u8> {
    item(number, case(of), &Action::Report(on_day(status, day)))
}

/// A case with a few events by two authorities, over three blocks.
fn story() -> Vec<Vec<Arc<SignedTransaction>>> {
    let begun = report(3, 1, "begun", -3);
    let moment = item(5, case(1), &Action::Report(at_ms("moment", 17)));
    let retract = Action::Retract { slot: slot_of(POLICE, &moment), reason: code("mistake") };
    let correct = Action::Correct { slot: slot_of(BAMF, &begun), report: on_day("begun", -2) };
    vec![
        vec![
            transaction(BAMF, 1, vec![item(1, case(1), &opens("toy")), begun]),
            transaction(LDS, 1, vec![item(2, case(2), &opens("toy")), report(4, 2, "step", 0)]),
        ],
        vec![
            transaction(LDS, 2, vec![report(6, 1, "step", -1), report(7, 9, "step", 0)]),
            transaction(POLICE, 1, vec![moment]),
        ],
        vec![
            transaction(POLICE, 2, vec![item(8, case(1), &retract)]),
            transaction(BAMF, 2, vec![item(9, case(1), &correct)]),
        ],
    ]
}

fn receipts(built: &laufzettel_chain::ledger::Built) -> Vec<&Receipt> {
    built.executed.outcomes.iter().flat_map(|outcome| &outcome.receipts).collect()
}

#[test]
fn what_one_builds_another_validates_and_both_commit_alike() {
    let (mem, faulty) = (Arc::new(MemStore::default()), Arc::new(FaultyStore::default()));
    let (mut one, mut other) = (open(mem.clone()), open(faulty.clone()));
    for candidates in story() {
        let built = build(&one, one.tip().header.time_ms + 10, &candidates);
        let executed = other.validate(&built.block).expect("valid");
        assert_eq!(executed.state_root, built.executed.state_root);
        assert_eq!(executed.outcomes, built.executed.outcomes);
        assert_eq!(executed.batch, built.executed.batch, "the same writes in the same order");
        assert_eq!(other.validate(&built.block).expect("valid").batch, executed.batch, "executed twice, done once");
        commit(&mut one, &built.block, built.executed.clone());
        commit(&mut other, &built.block, executed);
        assert_eq!(one.tip(), other.tip());
        assert_eq!(*mem.rows(), *faulty.rows());
    }
    assert_eq!(*one.tip(), *open(mem).tip(), "a restart finds the tip");
}

#[test]
fn stored_blocks_and_receipts_are_those_committed() {
    let (mut ledger, store) = ledger();
    for candidates in story() {
        let built = advance(&mut ledger, &candidates);
        let height = built.block.header.height;
        let (block, certificate) = query::block(store.as_ref(), height).expect("memory").expect("stored");
        assert_eq!(block, *built.block);
        certificate.verify(&block.header, &genesis().registry.validators).expect("decided");
        for outcome in &built.executed.outcomes {
            let stored = query::receipts(store.as_ref(), height, outcome.index).expect("memory");
            assert_eq!(stored.as_ref(), Some(&outcome.receipts));
        }
    }
    assert_eq!(query::block(store.as_ref(), 4).expect("memory"), None);
    assert_eq!(query::receipts(store.as_ref(), 1, 2).expect("memory"), None);
    assert_eq!(query::next_height(store.as_ref(), 0).expect("memory"), Some(1));
    assert_eq!(query::next_height(store.as_ref(), 3).expect("memory"), None);
}

#[test]
fn items_stand_alone_and_receipts_say_what_became_of_each() {
    let (mut ledger, _) = ledger();
    let blocks: Vec<_> = story().iter().map(|candidates| advance(&mut ledger, candidates)).collect();
    let found: Vec<Vec<(Code, u64, u16)>> = blocks
        .iter()
        .map(|built| receipts(built).iter().map(|one| (one.code, one.revision, one.flags)).collect())
        .collect();
    let accepted = |revision| (Code::Accepted, revision, 0);
    // A step without a beginning deviates; a refused item does not keep its neighbours out.
    let deviates = (Code::Accepted, 2, FLAG_DEVIATION);
    assert_eq!(found[0], [accepted(1), accepted(2), accepted(1), deviates]);
    assert_eq!(found[1], [accepted(3), (Code::CaseUnknown, 0, 0), accepted(4)]);
    assert_eq!(found[2], [accepted(5), accepted(6)]);
    for built in &blocks {
        let listed = built.block.body.transactions.iter().flat_map(|signed| signed.items.iter().flatten());
        assert!(listed.map(|bytes| ItemDigest::of(bytes).0).eq(receipts(built).iter().map(|one| one.item.0)));
        assert!(receipts(built).iter().all(|one| one.cause.is_none() && one.answer == 0));
    }
}

#[test]
fn a_deviation_healed_within_its_transaction_is_none() {
    let (mut ledger, _) = ledger();
    let items = vec![item(1, case(1), &opens("toy")), report(2, 1, "step", 0), report(3, 1, "begun", -1)];
    let built = advance(&mut ledger, &[transaction(BAMF, 1, items)]);
    assert!(receipts(&built).iter().all(|one| one.flags == 0 && one.code == Code::Accepted));
}

fn statuses(store: &dyn Read, of: u8) -> Vec<(u8, String)> {
    let found = query::case(store, &genesis().registry, &case(of)).expect("memory").expect("open");
    found.fold.state().tracks.iter().map(|(number, track)| (*number, track.status.to_string())).collect()
}

#[test]
fn corrections_and_retractions_fold_the_case_anew() {
    let (mut ledger, store) = ledger();
    let begun = report(2, 1, "begun", -3);
    let step = report(3, 1, "step", -1);
    let (begun_slot, step_slot) = (slot_of(BAMF, &begun), slot_of(BAMF, &step));
    advance(&mut ledger, &[transaction(BAMF, 1, vec![item(1, case(1), &opens("toy")), begun, step])]);
    assert_eq!(statuses(store.as_ref(), 1), [(16, "step".to_owned())]);
    // The beginning turns out to lie after the step: it is last now, and the step lacks what it comes after.
    let late = Action::Correct { slot: begun_slot, report: on_day("begun", 0) };
    let built = advance(&mut ledger, &[transaction(BAMF, 2, vec![item(4, case(1), &late)])]);
    assert_eq!(receipts(&built)[0].flags, FLAG_DEVIATION, "nothing lets a case begin in its midst");
    assert_eq!(statuses(store.as_ref(), 1), [(16, "begun".to_owned())]);
    let retract = Action::Retract { slot: begun_slot, reason: code("mistake") };
    advance(&mut ledger, &[transaction(BAMF, 3, vec![item(5, case(1), &retract)])]);
    assert_eq!(statuses(store.as_ref(), 1), [(16, "step".to_owned())]);
    let retract = Action::Retract { slot: step_slot, reason: code("mistake") };
    advance(&mut ledger, &[transaction(BAMF, 4, vec![item(6, case(1), &retract)])]);
    let found = query::case(store.as_ref(), &genesis().registry, &case(1)).expect("memory").expect("open");
    assert!(found.fold.state().tracks.is_empty());
    assert!([16, fields::PROCEEDINGS].iter().all(|field| found.row.field(&case(1), *field).is_empty()));
    assert_eq!((found.row.revision, found.row.history_count, found.fold.entries().len()), (6, 5, 0));
    for find in [Find::Status("step"), Find::Status("begun"), Find::Authority("de-bamf")] {
        assert_eq!(index::cases(store.as_ref(), find, None, 9).expect("memory"), Vec::new());
    }
    assert_eq!(index::cases(store.as_ref(), Find::All, None, 9).expect("memory"), [case(1)]);
}

#[test]
fn only_a_field_that_changed_gets_a_new_blinder() {
    let (mut ledger, store) = ledger();
    let row = |store: &MemStore| query::case(store, &genesis().registry, &case(1)).expect("memory").expect("open").row;
    advance(&mut ledger, &[transaction(BAMF, 1, vec![item(1, case(1), &opens("toy")), report(2, 1, "begun", -1)])]);
    let before = row(&store);
    let moment = item(3, case(1), &Action::Report(at_ms("moment", 5)));
    advance(&mut ledger, &[transaction(BAMF, 2, vec![moment, report(4, 9, "step", 0)])]);
    let after = row(&store);
    let changed: Vec<usize> = (0..fields::FIELDS).filter(|n| before.blinder(*n) != after.blinder(*n)).collect();
    assert_eq!(changed, [fields::HISTORY, fields::REVISION, 31]);
    assert!(changed.iter().all(|n| before.field(&case(1), *n) != after.field(&case(1), *n)));
    advance(&mut ledger, &[transaction(BAMF, 3, vec![report(5, 1, "nonsense", 0)])]);
    assert_eq!(row(&store), after, "a refused item leaves the case as it was");
}

#[test]
fn a_repeated_transaction_is_told_its_first_outcome() {
    let (mut ledger, _) = ledger();
    let first = transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))]);
    let other = transaction(BAMF, 1, vec![item(2, case(2), &opens("toy"))]);
    // Within one block the first of an id is taken, whatever the other says.
    let built = build(&ledger, 0, &[first.clone(), first.clone(), other.clone()]);
    assert_eq!((built.block.body.transactions.len(), built.unfit.len()), (1, 0));
    commit(&mut ledger, &built.block, built.executed);
    // The same id is free for another authority.
    advance(&mut ledger, &[transaction(LDS, 1, vec![item(3, case(3), &opens("toy"))])]);
    let built = build(&ledger, 0, &[first, other]);
    let refusals: Vec<Refusal> = built.unfit.into_iter().map(|(_, refusal)| refusal).collect();
    let id = fixture::transaction_id(1);
    assert_eq!(refusals, [Refusal::Repeated { height: 1, index: 0 }, Refusal::IdTaken { id, height: 1 }]);
}

#[test]
fn a_transaction_is_valid_up_to_its_last_instant() {
    let (ledger, _) = ledger();
    let signed = transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))]);
    let until = GENESIS_MS + HOUR_MS;
    let judged = |time_ms| ledger.judge(time_ms).check(&signed).is_ok();
    assert!(judged(until) && !judged(until + 1));
    assert!(judged(until - limits::VALID_UNTIL_AHEAD_MS_MAX) && !judged(until - limits::VALID_UNTIL_AHEAD_MS_MAX - 1));
}

#[test]
fn block_time_never_stands_still() {
    let (mut ledger, _) = ledger();
    let built = build(&ledger, 0, &[transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))])]);
    assert_eq!(built.block.header.time_ms, GENESIS_MS + 1);
    ledger.validate(&built.block).expect("valid");
    commit(&mut ledger, &built.block, built.executed);
    assert_eq!(build(&ledger, GENESIS_MS, &[]).block.header.time_ms, GENESIS_MS + 2);
}

#[test]
fn an_empty_block_waits_for_its_time_or_a_later_round() {
    let (mut ledger, _) = ledger();
    let mut valid = |round: u32, after_ms| {
        let proposer = ledger.tip().order[usize::try_from(round).expect("small") % 4];
        let built = ledger.build(round, GENESIS_MS + after_ms, proposer, &[], limits::BLOCK_WORK_MAX).expect("memory");
        ledger.validate(&built.block).is_ok()
    };
    assert!(!valid(0, 1) && !valid(0, MINUTE_MS - 1));
    assert!(valid(0, MINUTE_MS) && valid(1, 1) && valid(4, 1) && valid(7, 1));
}

#[test]
fn the_work_budget_fills_a_block_and_no_more() {
    let (mut ledger, _) = ledger();
    let mut number = 1;
    let moment = |number: u64| item(number, case(1), &Action::Report(at_ms("moment", number)));
    advance(&mut ledger, &[transaction(BAMF, number, vec![item(number, case(1), &opens("toy"))])]);
    while number < 3_000 {
        let items: Vec<Vec<u8>> = (1..=250).map(|one| moment(number + one)).collect();
        number += 250;
        advance(&mut ledger, &[transaction(BAMF, number, items)]);
    }
    let candidates: Vec<_> = (1..=700).map(|one| transaction(BAMF, number + one, vec![moment(number + one)])).collect();
    let built = build(&ledger, 0, &candidates);
    let fitted = built.block.body.transactions.len();
    // Each item works its case once more through: 3,002 units, then 3,003, ...
    let work: u64 = (0..fitted as u64).map(|done| number + done + 1).sum();
    let next = number + fitted as u64 + 1;
    assert!(work <= limits::BLOCK_WORK_MAX && work + next > limits::BLOCK_WORK_MAX, "{fitted} fitted");
    ledger.validate(&built.block).expect("valid");
    let mut over = (*built.block).clone();
    over.body.transactions.push(candidates[fitted].clone());
    let refused = ledger.validate(&over).expect_err("over the budget");
    assert_eq!(refused.to_string(), "the body exceeds the work budget");
    commit(&mut ledger, &built.block, built.executed);
}

#[test]
fn every_refold_that_a_transaction_can_cause_is_paid_for() {
    let (mut ledger, _) = ledger();
    let moment = |number: u64| item(number, case(1), &Action::Report(at_ms("moment", number)));
    advance(&mut ledger, &[transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))])]);
    advance(&mut ledger, &[transaction(BAMF, 2, (100..300).map(moment).collect())]);
    let work = |items: Vec<Vec<u8>>| {
        let tip = ledger.tip();
        let (height, time_ms) = (tip.header.height + 1, tip.header.time_ms + 1);
        let place =
            Place { height, time_ms, round: 0, proposer: tip.order[0], network: genesis().network, incarnation: 0 };
        let mut execution = Execution::new(ledger.store().as_ref(), ledger.registry(), place);
        let signed = transaction(BAMF, 3, items);
        let decoded = signed.decode().expect("decodes");
        let foretold = execution.cost(&decoded).expect("memory");
        execution.run(&signed, &decoded).expect("memory");
        assert_eq!(execution.work(), foretold);
        foretold
    };
    assert_eq!(work(vec![moment(300)]), 1 + 201);
    // Each of these puts the whole case in another order.
    let slot = slot_of(BAMF, &moment(100));
    let correct = |number: u64| {
        let report = at_ms("moment", if number.is_multiple_of(2) { 1 } else { 999 });
        item(number, case(1), &Action::Correct { slot, report })
    };
    assert_eq!(work((300..400).map(correct).collect()), 100 + 100 * 201 + 99 * 100 / 2);
    // A case not there yet has nothing to fold but what comes with it.
    assert_eq!(work(vec![item(300, case(2), &opens("toy")), moment(301)]), 2 + 1 + 201);
}

fn stored_index(store: &dyn Read) -> Vec<(Vec<u8>, Vec<u8>)> {
    store.scan(Family::Index, &[], &[0xff], usize::MAX).expect("memory")
}

#[test]
fn derived_rows_are_those_made_anew() {
    let (mut ledger, store) = ledger();
    assert_eq!(index::rebuild(store.as_ref(), &genesis().registry).expect("memory"), Vec::new());
    for candidates in story() {
        advance(&mut ledger, &candidates);
        let anew = index::rebuild(store.as_ref(), &genesis().registry).expect("memory");
        assert_eq!(anew, stored_index(store.as_ref()));
    }
}

#[test]
fn events_are_found_by_place_case_status_and_authority() {
    let (mut ledger, store) = ledger();
    for candidates in story() {
        advance(&mut ledger, &candidates);
    }
    let store = store.as_ref();
    let all = index::events_after(store, &Position::default(), 99).expect("memory");
    let places: Vec<_> =
        all.iter().map(|(p, of, revision)| (p.height, p.transaction, p.item, of.0[0], *revision)).collect();
    let expected =
        [(1, 0, 1, 1, 2), (1, 1, 1, 2, 2), (2, 0, 0, 1, 3), (2, 1, 0, 1, 4), (3, 0, 0, 1, 5), (3, 1, 0, 1, 6)];
    assert_eq!(places, expected);
    for (done, (position, _, _)) in all.iter().enumerate() {
        assert_eq!(index::events_after(store, position, 99).expect("memory"), all[done + 1..]);
    }
    let events = query::case_events(store, &case(1), 0, 99).expect("memory");
    assert!(events.iter().map(|event| event.revision).eq(1..=6));
    assert_eq!(query::case_events(store, &case(1), 5, 1).expect("memory"), events[4..5]);
    assert!(events.iter().map(|event| event.authority.as_str()).eq([
        "de-bamf",
        "de-bamf",
        "sn-lds",
        "sn-police",
        "sn-police",
        "de-bamf"
    ]));
    assert!(events.iter().all(|event| event.item.is_some() && event.receipt.revision == event.revision));
    let found = |find| index::cases(store, find, None, 9).expect("memory");
    assert_eq!(found(Find::Status("step")), [case(1), case(2)]);
    assert_eq!(found(Find::Status("ste")), []);
    assert_eq!(found(Find::Authority("sn-lds")), [case(1), case(2)]);
    assert_eq!(found(Find::Authority("sn-police")), [], "its only report was retracted");
    assert_eq!(index::cases(store, Find::Status("step"), Some(&case(1)), 9).expect("memory"), [case(2)]);
}

fn assert_same_fold(found: &CaseFold, expected: &CaseFold) {
    assert_eq!(found.state(), expected.state());
    assert_eq!(found.entries(), expected.entries());
    assert_eq!(found.retracted(), expected.retracted());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn derived_rows_and_past_states_agree_with_the_state(
        blocks in blocks(1..6),
    ) {
        let (mut ledger, store) = ledger();
        let registry = &genesis().registry;
        let mut past = Vec::new();
        play(&blocks, &mut ledger, |ledger| {
            assert_eq!(index::rebuild(store.as_ref(), registry).expect("memory"), stored_index(store.as_ref()));
            for of in 1..4 {
                let found = query::case(store.as_ref(), registry, &case(of)).expect("memory");
                past.push((ledger.tip().header.height, of, found.map(|found| found.fold)));
            }
        });
        for (height, of, expected) in past {
            let Some(found) = query::case(store.as_ref(), registry, &case(of)).expect("memory") else { continue };
            let at = query::case_at(store.as_ref(), ledger.registry(), &found, height).expect("memory");
            assert_same_fold(&at, &expected.unwrap_or_default());
        }
    }

    #[test]
    fn a_reopened_ledger_goes_on_as_if_nothing_had_happened(
        blocks in blocks(2..5),
    ) {
        let (mut ledger, store) = ledger();
        let mut roots = Vec::new();
        play(&blocks, &mut ledger, |ledger| roots.push(ledger.tip().header.state_root));
        let faulty = Arc::new(FaultyStore::default());
        for (height, root) in (1..).zip(roots) {
            // Every block on a ledger that was opened for it.
            let mut reopened = open(faulty.clone());
            let (block, _) = query::block(store.as_ref(), height).expect("memory").expect("stored");
            let executed = reopened.validate(&block).expect("valid");
            prop_assert_eq!(executed.state_root, root);
            commit(&mut reopened, &block, executed);
        }
        prop_assert_eq!(&*faulty.rows(), &*store.rows());
        let snapshot = faulty.snapshot();
        prop_assert!(snapshot.get(Family::Meta, b"tip").expect("memory").is_some());
    }
}

#[test]
fn the_shipped_process_runs() {
    let (mut ledger, store) = ledger();
    let report = |number, status: &str, day| item(number, case(1), &Action::Report(on_day(status, day)));
    let police = vec![item(1, case(1), &opens("asyl-de")), report(2, "application_made", -5)];
    let reception = vec![report(3, "reception_registered", -4), report(4, "state_assigned", -4)];
    let office = vec![report(5, "application_lodged", -1), report(6, "reception_no_show", -1)];
    let built = advance(
        &mut ledger,
        &[transaction(POLICE, 1, police), transaction(LDS, 1, reception), transaction(BAMF, 1, office)],
    );
    let found: Vec<(Code, u16)> = receipts(&built).iter().map(|one| (one.code, one.flags)).collect();
    let mut expected = vec![(Code::Accepted, 0); 5];
    expected.push((Code::RoleNotEntitled, 0));
    assert_eq!(found, expected);
    let found = query::case(store.as_ref(), &genesis().registry, &case(1)).expect("memory").expect("open");
    let headline = found.fold.state().headline(&found.definition, &|_| true).expect("a headline");
    assert_eq!((headline.status.as_str(), headline.occurred), ("application_lodged", When::Day(fixture::TODAY - 1)));
}
