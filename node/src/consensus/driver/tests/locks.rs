//! What beats and alarms tell of transactions that may set a lock.

use super::*;
use crate::consensus::driver::unsettled::LATE_MS;

const TAKEN_MS: u64 = NOW_MS + 1_000;

fn beats(actions: &[Action]) -> Vec<Beat> {
    let beat = |action: &Action| match action {
        Action::Broadcast { message } => match message.as_ref() {
            Message::Beat(beat) => Some(beat.message.clone()),
            _ => None,
        },
        _ => None,
    };
    actions.iter().filter_map(beat).collect()
}

/// The beat that a node sends at a time; its timer is not waited for.
fn beat_at(driver: &mut Driver, at_ms: u64) -> Beat {
    driver.step(at_ms, Input::HealthRequest { request: 9 });
    driver.beat();
    driver.own_beat.clone().unwrap().message
}

/// A client submits; the ticket of its admission.
fn submit(driver: &mut Driver, transaction: &Arc<SignedTransaction>) -> u64 {
    let input = Input::Submit { request: 1, transaction: Arc::clone(transaction), wait: false };
    let actions = driver.step(TAKEN_MS, input);
    let ticket = actions.iter().find_map(|action| match action {
        Action::Admit { ticket, .. } => Some(*ticket),
        _ => None,
    });
    ticket.unwrap()
}

fn info(transaction: &SignedTransaction, lock_capable: bool) -> AdmittedInfo {
    AdmittedInfo {
        authority: name(0),
        id: TransactionId([1; 16]),
        payload_digest: transaction.payload_digest(),
        valid_until_ms: u64::MAX,
        urgent: true,
        lock_capable,
        evidence: false,
    }
}

fn motion() -> Arc<SignedTransaction> {
    Arc::new(SignedTransaction { payload: vec![9; 40], ..SignedTransaction::default() })
}

#[test]
fn a_beat_tells_what_may_lock_from_the_moment_a_client_hands_it_in() {
    let (mut driver, transaction) = (started(), motion());
    assert_eq!(beat_at(&mut driver, NOW_MS + 10).oldest_pending_lock_ms, 0);
    // What it says is not known before it is admitted: it counts as what may lock.
    let ticket = submit(&mut driver, &transaction);
    assert_eq!(beat_at(&mut driver, TAKEN_MS + 10).oldest_pending_lock_ms, TAKEN_MS);
    let ordinary = Input::Admitted { ticket, result: Ok(info(&transaction, false)) };
    driver.step(TAKEN_MS + 20, ordinary);
    assert_eq!(beat_at(&mut driver, TAKEN_MS + 30).oldest_pending_lock_ms, 0, "it may not");

    let (mut driver, transaction) = (started(), motion());
    let ticket = submit(&mut driver, &transaction);
    driver.step(TAKEN_MS + 20, Input::Admitted { ticket, result: Ok(info(&transaction, true)) });
    let beat = beat_at(&mut driver, TAKEN_MS + 3_000);
    assert_eq!((beat.oldest_pending_lock_ms, beat.time_ms), (TAKEN_MS + 20, TAKEN_MS + 3_000));
    assert_eq!(driver.health().own_beat.unwrap().message, beat, "clearance takes the beat that all have");
}

#[test]
fn an_urgent_report_that_is_not_final_in_ten_seconds_raises_an_alarm_and_a_lost_one_keeps_it() {
    let (mut driver, transaction) = (started(), motion());
    let ticket = submit(&mut driver, &transaction);
    driver.step(TAKEN_MS, Input::Admitted { ticket, result: Ok(info(&transaction, true)) });
    beat_at(&mut driver, TAKEN_MS + LATE_MS - 1);
    assert!(driver.health().unsettled.is_empty(), "too early");
    beat_at(&mut driver, TAKEN_MS + LATE_MS);
    let told = driver.health().unsettled;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].since_ms, &told[0].lost), (TAKEN_MS, &None));

    let outcome = BuildOutcome { hostile: vec![transaction.payload_digest()], ..BuildOutcome::default() };
    driver.step(TAKEN_MS + LATE_MS + 1, Input::Built { ticket: 99, outcome });
    let told = driver.health().unsettled;
    assert_eq!(told.len(), 1, "no longer pending, and not final either: {told:?}");
    assert_eq!(told[0].lost, Some(RefusalReason::Invalid));
    beat_at(&mut driver, TAKEN_MS + LATE_MS + 25 * 3_600_000);
    assert!(driver.health().unsettled.is_empty(), "a day later");
}

#[test]
fn what_a_peer_offers_raises_no_alarm_here() {
    let (mut driver, transaction) = (started(), motion());
    let offered = hears(&mut driver, 2, Message::Transactions(vec![Arc::clone(&transaction)]));
    let ticket = offered.iter().find_map(|action| match action {
        Action::Admit { ticket, .. } => Some(*ticket),
        _ => None,
    });
    driver.step(TAKEN_MS, Input::Admitted { ticket: ticket.unwrap(), result: Ok(info(&transaction, true)) });
    let beat = beat_at(&mut driver, TAKEN_MS + LATE_MS);
    assert_eq!(beat.oldest_pending_lock_ms, TAKEN_MS, "but its beats tell of it");
    assert!(driver.health().unsettled.is_empty());
}

#[test]
fn a_block_that_answers_a_clearance_check_is_followed_by_a_beat() {
    for clearance in [false, true] {
        let mut driver = started();
        let committed = Input::Committed { ticket: 99, tip: Box::new(tip()), finals: Vec::new(), clearance };
        assert_eq!(beats(&driver.step(TAKEN_MS, committed)).len(), usize::from(clearance));
    }
}
