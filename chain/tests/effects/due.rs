//! Due work: a block for it is not empty, none comes before it is due, its share bounds it, and nothing is lost.

use laufzettel_chain::ids::CaseId;
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::{InvalidBlock, ValidateError};
use laufzettel_chain::query::Inbox;
use laufzettel_chain::receipt::Code;
use laufzettel_contracts::effect::DeadlineState;

use crate::fixture::{self, HOUR_MS, MINUTE_MS, on_day};
use crate::world::{COURT, FOREIGNERS, OFFICE, Scene, relief, with_outcome};

#[test]
fn a_block_without_transactions_is_valid_from_the_due_instant_on() {
    let mut scene = Scene::opened();
    scene.report(COURT, relief(0));
    let due_ms = scene.ledger.tip().next_due_ms.expect("the notice is to be acknowledged");
    assert_eq!(due_ms, scene.now() + 15 * MINUTE_MS);
    // Blocks of heartbeats until the next one would come after it.
    let step_ms = MINUTE_MS + 1_000;
    while scene.now() + step_ms < due_ms {
        let time_ms = scene.now() + step_ms;
        scene.block(time_ms, &[]);
    }
    assert!(due_ms < scene.now() + MINUTE_MS);
    assert_eq!(scene.ledger.tip().next_due_ms, Some(due_ms));
    let proposer = scene.ledger.tip().order[0];
    let early = scene.ledger.build(0, due_ms - 1, proposer, &[], u64::MAX).expect("memory");
    let refused = scene.ledger.validate(&early.block);
    assert_eq!(refused.expect_err("too early"), ValidateError::Invalid(InvalidBlock::EmptyTooEarly));
    assert_eq!(scene.inbox(COURT, Inbox::Tasks).len(), 0);
    let before = scene.effects().history.past().len();
    let built = scene.block(due_ms, &[]);
    assert!(built.block.body.transactions.is_empty());
    // The escalation: a task for the court.
    assert_eq!(scene.inbox(COURT, Inbox::Tasks).len(), 1);
    assert!(scene.effects().history.past().len() > before);
    assert_ne!(scene.ledger.tip().next_due_ms, Some(due_ms));
}

#[test]
fn nothing_is_due_in_protocol_1() {
    let (mut ledger, _) = fixture::ledger();
    let items = vec![fixture::item(1, fixture::case(1), &fixture::opens("toy"))];
    fixture::advance(&mut ledger, &[fixture::transaction(OFFICE, 1, items)]);
    assert_eq!(ledger.tip().next_due_ms, None);
}

#[test]
fn an_announcement_meets_the_effects_of_its_own_block_time() {
    // The lock is set by a rule on a report; the notice escalates at block time, in the block of another transaction.
    let mut scene = Scene::opened();
    scene.report(COURT, relief(0));
    let due_ms = scene.ledger.tip().next_due_ms.expect("due");
    let item = scene.item(fixture::case(1), &Action::Report(on_day("scheduled", 1)), None);
    let signed = scene.signed(FOREIGNERS, &["service"], vec![item]);
    let built = scene.block(due_ms + 1, &[signed]);
    assert_eq!(built.executed.outcomes[0].receipts[0].code, Code::Locked);
    // The refused item did not touch the case; the due work did, in the same block.
    assert_eq!(scene.inbox(COURT, Inbox::Tasks).len(), 1);
}

/// A case of a number of two bytes.
fn numbered(number: u16) -> CaseId {
    let mut id = [3; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    CaseId(id)
}

#[test]
fn a_thousand_deadlines_at_once_take_several_blocks_and_none_is_lost() {
    const CASES: u16 = 1_000;
    let mut scene = Scene::new();
    for first in (0..CASES).step_by(100) {
        let mut items = Vec::new();
        for number in first..first + 100 {
            items.push(scene.item(numbered(number), &fixture::opens("stop"), None));
            let decided = Action::Report(with_outcome(on_day("decided", 0), "rejected"));
            items.push(scene.item(numbered(number), &decided, None));
        }
        let receipts = scene.send(OFFICE, items);
        assert!(receipts.iter().all(|receipt| receipt.code == Code::Accepted));
    }
    // All warn at the same instant, end at the same instant, and end their grace at the same instant.
    let mut blocks_of_due_work = Vec::new();
    for _ in 0..20 {
        let Some(due_ms) = scene.ledger.tip().next_due_ms else { break };
        let mut blocks = 0;
        let mut time_ms = due_ms.max(scene.now() + 1);
        while scene.ledger.tip().next_due_ms == Some(due_ms) {
            scene.block(time_ms, &[]);
            time_ms += 1;
            blocks += 1;
        }
        blocks_of_due_work.push(blocks);
    }
    assert_eq!(scene.ledger.tip().next_due_ms, None, "everything that was due is done");
    assert!(blocks_of_due_work.iter().all(|blocks| *blocks > 1), "{blocks_of_due_work:?}");
    for number in 0..CASES {
        let effects = scene.effects_of(numbered(number)).effects;
        assert_eq!(effects.deadlines[0].state, DeadlineState::Elapsed { grace_over: true }, "{number}");
    }
}

#[test]
fn due_work_is_the_same_however_blocks_cut_it() {
    // One ledger gets a block at each due instant, one gets a single late block: the same effects, told at other times.
    let (mut often, mut once) = (Scene::opened(), Scene::opened());
    for scene in [&mut often, &mut once] {
        scene.report(OFFICE, with_outcome(on_day("decided", 0), "rejected"));
    }
    while let Some(due_ms) = often.ledger.tip().next_due_ms {
        let time_ms = due_ms.max(often.now() + 1);
        often.block(time_ms, &[]);
    }
    let late = often.now() + HOUR_MS;
    for scene in [&mut often, &mut once] {
        scene.block(late, &[]);
    }
    assert_eq!(often.effects().effects, once.effects().effects);
    assert_eq!(once.ledger.tip().next_due_ms, None);
    let names = |scene: &Scene| scene.effects().history.past().keys().copied().collect::<Vec<_>>();
    assert_eq!(names(&often), names(&once));
}
