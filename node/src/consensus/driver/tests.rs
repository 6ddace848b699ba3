//! What the driver does with messages that no honest node sends. The whole of
//! it runs in the simulator; here single rules are held.

mod locks;

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_chain::crypto::SigningKey;
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{Address, BlockId, NetworkId, TransactionId};
use laufzettel_chain::item::{Action as ItemAction, Item};
use laufzettel_chain::validators::{Validator, ValidatorSet};
use laufzettel_chain::vote::{Beat, Signed, Vote, VoteType};

use crate::consensus::action::TimerKey;
use crate::consensus::watermark::SigningState;
use crate::consensus::{
    Action, AdmittedInfo, BuildOutcome, Diagnostic, Driver, DriverConfig, Input, Message, Peer, Recovered,
    RefusalReason, Reply, SignedTransaction, Timeouts, Tip, gate,
};
use crate::mempool::PoolLimits;

const NETWORK: NetworkId = NetworkId([1; 32]);
const NOW_MS: u64 = 1_000_000;

fn key(number: u8, purpose: u8) -> SigningKey {
    SigningKey::from_bytes(&[number * 16 + purpose + 1; 32])
}

fn name(number: u8) -> String {
    format!("node-{number}")
}

fn tip() -> Tip {
    let validator = |number: u8| {
        let public = key(number, 0).verifying_key();
        Validator { address: Address::of(&public), authority: name(number), key: public, power: 1 }
    };
    let validators = ValidatorSet::new((0..4).map(validator).collect()).unwrap();
    let header = Header {
        version: 1,
        network: NETWORK,
        incarnation: 0,
        height: 0,
        round: 0,
        time_ms: NOW_MS,
        previous: BlockId::default(),
        proposer: Address::default(),
        tx_root: [0; 32],
        receipts_root: [0; 32],
        state_root: [0; 32],
        validators_hash: validators.hash(),
        next_validators_hash: validators.hash(),
    };
    let order = validators.all().iter().map(|validator| validator.address).collect();
    Tip {
        id: header.id(),
        header,
        certificate: None,
        validators,
        order,
        parameters: Timeouts::default(),
        next_due_ms: None,
        registry: Arc::default(),
    }
}

/// The driver of node 0.
fn driver() -> Driver {
    driver_on(tip()).0
}

/// The same on a tip, and what it does first.
fn driver_on(tip: Tip) -> (Driver, Vec<Action>) {
    let config = DriverConfig {
        network: NETWORK,
        incarnation: 0,
        authority: name(0),
        key: Some(key(0, 0)),
        node_key: Some(key(0, 1)),
        node_keys: (0..4)
            .map(|number| (name(number), vec![key(number, 1).verifying_key()]))
            .collect::<BTreeMap<_, _>>(),
        gate: gate::judge,
        pool: PoolLimits::default(),
    };
    let recovered = Recovered { tip, log: Vec::new(), blocks: Vec::new(), log_end: 0, slots: [None, None] };
    Driver::new(config, recovered, NOW_MS)
}

fn hears(driver: &mut Driver, from: u8, message: Message) -> Vec<Action> {
    driver.step(NOW_MS + 1, Input::Message { from: Peer(name(from)), message })
}

fn faults(actions: &[Action]) -> Vec<&'static str> {
    let fault = |action: &Action| match action {
        Action::Log(Diagnostic::PeerFault { fault, .. }) => Some(*fault),
        _ => None,
    };
    actions.iter().filter_map(fault).collect()
}

fn vote(of: u8, value: Option<u8>) -> Signed<Vote> {
    let message = Vote {
        network: NETWORK,
        incarnation: 0,
        height: 1,
        round: 0,
        vote_type: VoteType::Prevote,
        value: value.map(|byte| BlockId([byte; 32])),
        address: Address::of(&key(of, 0).verifying_key()),
    };
    Signed::new(message, &key(of, 0))
}

/// The driver once its first watermark is durable.
fn started() -> Driver {
    let mut driver = driver();
    driver.step(NOW_MS, Input::Persisted { ticket: 1 });
    driver
}

fn beat_of(of: u8, height: u64) -> Beat {
    Beat {
        network: NETWORK,
        incarnation: 0,
        authority: name(of),
        sequence: 9,
        time_ms: NOW_MS,
        height,
        block: BlockId::default(),
        oldest_pending_lock_ms: 0,
    }
}

#[test]
fn a_newcomer_signs_once_a_quorum_is_as_new_as_it_is() {
    let mut driver = started();
    assert_eq!(driver.health().signing, SigningState::New);
    for (of, signing) in [(2, SigningState::New), (3, SigningState::Ready)] {
        hears(&mut driver, of, Message::Beat(Signed::new(beat_of(of, 0), &key(of, 1))));
        assert_eq!(driver.health().signing, signing, "after node {of}");
    }
}

#[test]
fn a_newcomer_signs_nothing_before_it_has_the_blocks_of_the_others() {
    let mut driver = started();
    for of in [1, 2, 3] {
        driver.step(NOW_MS + 1, Input::PeerConnected(Peer(name(of))));
        hears(&mut driver, of, Message::Beat(Signed::new(beat_of(of, 7), &key(of, 1))));
    }
    assert_eq!(driver.health().signing, SigningState::New);
    // Whoever claims blocks and has none is believed no more.
    for of in [1, 2, 3] {
        hears(&mut driver, of, Message::SyncResponse(Vec::new()));
    }
    assert_eq!(driver.health().signing, SigningState::Ready);
}

#[test]
fn a_beat_counts_only_with_the_signature_of_its_node() {
    let beat = |height| beat_of(2, height);
    let mut driver = driver();
    let height = |driver: &Driver| driver.health().peers.iter().map(|peer| peer.height).max().unwrap_or(0);
    for forged in [Signed::new(beat(77), &key(2, 0)), Signed::new(beat(77), &key(1, 1))] {
        assert_eq!(faults(&hears(&mut driver, 2, Message::Beat(forged))), ["beat with a wrong signature"]);
    }
    let true_beat = Signed::new(beat(5), &key(2, 1));
    let altered = Signed { message: beat(78), signature: true_beat.signature };
    assert_eq!(faults(&hears(&mut driver, 2, Message::Beat(altered))), ["beat with a wrong signature"]);
    assert_eq!(height(&driver), 0);
    assert_eq!(faults(&hears(&mut driver, 3, Message::Beat(true_beat.clone()))), ["beat of someone else"]);
    assert!(faults(&hears(&mut driver, 2, Message::Beat(true_beat))).is_empty());
    assert_eq!(height(&driver), 5);
}

/// The evidence transactions that are to be admitted.
fn brought(actions: &[Action]) -> Vec<Arc<SignedTransaction>> {
    let admit = |action: &Action| match action {
        Action::Admit { transaction, .. } => Some(Arc::clone(transaction)),
        _ => None,
    };
    actions.iter().filter_map(admit).collect()
}

#[test]
fn contradicting_votes_are_brought_to_the_ledger_once() {
    let mut driver = driver();
    let first = hears(&mut driver, 2, Message::Votes(vec![vote(2, Some(1))]));
    assert!(brought(&first).is_empty());
    // A repetition is none, and neither is a vote that another key signed.
    let forged = Signed { message: vote(2, None).message, signature: vote(3, None).signature };
    assert!(brought(&hears(&mut driver, 3, Message::Votes(vec![vote(2, Some(1)), forged]))).is_empty());
    let actions = hears(&mut driver, 3, Message::Votes(vec![vote(2, Some(2)), vote(2, None)]));
    let told = actions.iter().filter(|action| matches!(action, Action::Evidence(_))).count();
    let transactions = brought(&actions);
    assert_eq!((told, transactions.len()), (1, 1));
    let transaction = transactions[0].decode().unwrap();
    assert_eq!(transaction.payload.authority, name(0));
    assert!(transactions[0].verify(&transactions[0].signatures[0], &key(0, 1).verifying_key()), "signed by the node");
    match transaction.items.as_slice() {
        [Some(Item { action: ItemAction::Evidence(evidence), case: None, .. })] => {
            assert!(evidence.contradicts());
            assert_eq!(evidence.place().address, Address::of(&key(2, 0).verifying_key()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_node_does_not_accuse_itself_but_says_that_its_key_is_used_elsewhere() {
    let mut driver = driver();
    hears(&mut driver, 2, Message::Votes(vec![vote(0, Some(1))]));
    let actions = hears(&mut driver, 3, Message::Votes(vec![vote(0, None)]));
    assert!(brought(&actions).is_empty());
    let told = |action: &Action| matches!(action, Action::Log(Diagnostic::KeyElsewhere { height: 1 }));
    assert_eq!(actions.iter().filter(|action| told(action)).count(), 1);
    assert_eq!(driver.health().key_elsewhere, Some(1));
}

#[test]
fn what_made_execution_panic_is_not_taken_again() {
    let mut driver = driver();
    let hostile = Arc::new(SignedTransaction { payload: vec![7; 40], ..SignedTransaction::default() });
    let submit = |request| Input::Submit { request, transaction: Arc::clone(&hostile), wait: true };
    let actions = driver.step(NOW_MS + 1, submit(1));
    let ticket = actions.iter().find_map(|action| match action {
        Action::Admit { ticket, .. } => Some(*ticket),
        _ => None,
    });
    let info = AdmittedInfo {
        authority: name(1),
        id: TransactionId([1; 16]),
        payload_digest: hostile.payload_digest(),
        valid_until_ms: u64::MAX,
        urgent: false,
        lock_capable: false,
        evidence: false,
    };
    driver.step(NOW_MS + 2, Input::Admitted { ticket: ticket.unwrap(), result: Ok(info) });
    assert_eq!(driver.health().pending, 1);
    let outcome = BuildOutcome { hostile: vec![hostile.payload_digest()], ..BuildOutcome::default() };
    let refused = |actions: &[Action], of: u64| {
        actions.iter().any(|action| match action {
            Action::Reply { request, reply: Reply::Refused(refusal) } => {
                *request == of && refusal.reason == RefusalReason::Invalid
            }
            _ => false,
        })
    };
    let actions = driver.step(NOW_MS + 3, Input::Built { ticket: 99, outcome });
    assert!(refused(&actions, 1), "its client is told");
    assert_eq!(driver.health().pending, 0);
    assert!(refused(&driver.step(NOW_MS + 4, submit(2)), 2));
    let offered = hears(&mut driver, 2, Message::Transactions(vec![Arc::clone(&hostile)]));
    assert!(brought(&offered).is_empty());
}

/// An idle node sleeps until the heartbeat, or until something becomes due if that is earlier.
#[test]
fn an_idle_node_wakes_when_something_is_due_and_not_before() {
    let alarm = |next_due_ms| {
        let (_, actions) = driver_on(Tip { next_due_ms, ..tip() });
        let mut alarms = actions.iter().filter_map(|action| match action {
            Action::SetTimer { key: TimerKey::Heartbeat, at_ms } => Some(*at_ms),
            _ => None,
        });
        alarms.next()
    };
    assert_eq!(alarm(None), Some(NOW_MS + 60_000));
    assert_eq!(alarm(Some(NOW_MS + 5_000)), Some(NOW_MS + 5_000));
    assert_eq!(alarm(Some(NOW_MS + 90_000)), Some(NOW_MS + 60_000));
    // Before the instant nothing wakes it; at it, the height begins, and a round has timers of its own.
    let due = Tip { next_due_ms: Some(NOW_MS + 5_000), ..tip() };
    let begins = |at_ms: u64| {
        let (mut driver, _) = driver_on(due.clone());
        driver.step(NOW_MS, Input::Persisted { ticket: 1 });
        let actions = driver.step(at_ms, Input::Timer(TimerKey::Heartbeat));
        let of_a_round = |action: &Action| match action {
            Action::SetTimer { key, .. } => *key != TimerKey::Heartbeat,
            Action::Build { .. } => true,
            _ => false,
        };
        actions.iter().any(of_a_round)
    };
    assert!(!begins(NOW_MS + 4_999));
    assert!(begins(NOW_MS + 5_000));
}
