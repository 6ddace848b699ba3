//! When a node asks to join anew, and how much it serves.

use std::sync::Arc;

use laufzettel_chain::crypto::SigningKey;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::BlockId;
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::vote::{Beat, Signed};

use super::*;
use crate::consensus::{DriverConfig, Input, Recovered};
use crate::genesis::{AuthorityCard, KeyEntry};
use crate::keys::KeyPurpose;
use crate::mempool::PoolLimits;

const VALIDATORS: [&str; 4] = ["aa", "bb", "cc", "dd"];

fn peer(name: &str) -> Peer {
    Peer(name.to_owned())
}

/// The node key of every peer here.
fn beat_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// A driver that follows a network of four, at height 0.
fn driver() -> Driver {
    let card = |(number, id): (u8, &&str)| {
        let entry = |purpose, seed: u8| {
            let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
            KeyEntry { purpose, public: data_encoding::HEXLOWER.encode(key.as_bytes()) }
        };
        AuthorityCard {
            id: (*id).into(),
            label_de: (*id).into(),
            label_en: (*id).into(),
            roles: vec!["asylum_office".into()],
            hosted_by: (*id).into(),
            keys: vec![entry(KeyPurpose::Consensus, number), entry(KeyPurpose::Node, number + 100)],
        }
    };
    let cards = (1u8..).zip(&VALIDATORS).map(card).collect();
    let validators: Vec<String> = VALIDATORS.iter().map(|id| (*id).to_owned()).collect();
    let text = laufzettel_contracts::ASYL_DE.to_owned();
    let made = crate::genesis::Genesis::new("test", 1_000, cards, &validators, vec![text]).unwrap();
    let genesis = Arc::new(Genesis::parse(made.text().unwrap().as_bytes()).unwrap());
    let ledger = Ledger::open(Arc::new(MemStore::default()), genesis.clone(), false).unwrap();
    let config = DriverConfig {
        network: genesis.network,
        incarnation: 0,
        authority: "zz".to_owned(),
        key: None,
        node_key: None,
        node_keys: VALIDATORS.map(|id| (id.to_owned(), vec![beat_key().verifying_key()])).into(),
        gate: crate::consensus::gate::judge,
        pool: PoolLimits::default(),
    };
    let tip = ledger.tip().as_ref().clone();
    let recovered = Recovered { tip, log: Vec::new(), blocks: Vec::new(), log_end: 0, slots: [None, None] };
    Driver::new(config, recovered, 2_000).0
}

fn message(driver: &mut Driver, now_ms: u64, from: &str, message: Message) -> Vec<Action> {
    driver.step(now_ms, Input::Message { from: peer(from), message })
}

/// A peer appears and says how high it is.
fn appear(driver: &mut Driver, now_ms: u64, name: &str, height: Height) -> Vec<Action> {
    let beat = Beat {
        network: driver.config.network,
        incarnation: 0,
        authority: name.to_owned(),
        sequence: 1,
        time_ms: now_ms,
        height,
        block: BlockId([1; 32]),
        oldest_pending_lock_ms: 0,
    };
    let mut actions = driver.step(now_ms, Input::PeerConnected(peer(name)));
    actions.extend(message(driver, now_ms, name, Message::Beat(Signed::new(beat, &beat_key()))));
    actions
}

fn pruned(driver: &mut Driver, now_ms: u64, name: &str) -> Vec<Action> {
    message(driver, now_ms, name, Message::Snapshot(SnapshotMessage::Pruned { bodies_from: 40 }))
}

fn joins(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Join { above: 0, elsewhere: false }))
}

/// Whom the driver asks for blocks.
fn asked(actions: &[Action]) -> Vec<&str> {
    let asked = actions.iter().filter_map(|action| match action {
        Action::Send { to, message } if matches!(message.as_ref(), Message::SyncRequest { .. }) => Some(to.0.as_str()),
        _ => None,
    });
    asked.collect()
}

#[test]
fn the_word_of_more_than_a_third_that_blocks_are_pruned_is_enough() {
    let mut driver = driver();
    assert_eq!(asked(&appear(&mut driver, 3_000, "aa", 50)), ["aa"]);
    assert!(!joins(&pruned(&mut driver, 3_010, "aa")));
    assert_eq!(asked(&appear(&mut driver, 3_020, "bb", 50)), ["bb"]);
    assert!(joins(&pruned(&mut driver, 3_030, "bb")));
    // Once is enough.
    assert!(!joins(&driver.step(60_000, Input::Timer(TimerKey::Sync))));
}

#[test]
fn one_that_may_have_the_blocks_is_asked_meanwhile() {
    let mut driver = driver();
    appear(&mut driver, 3_000, "aa", 50);
    appear(&mut driver, 3_005, "bb", 50);
    appear(&mut driver, 3_010, "cc", 50);
    // One alone says little.
    let actions = pruned(&mut driver, 3_020, "aa");
    assert!(!actions.iter().any(|action| matches!(action, Action::Join { .. })));
    assert_eq!(asked(&actions), ["bb"]);
    // Two say that a snapshot is the way, unless this node has reasons to ask cc, who has not said so.
    let actions = pruned(&mut driver, 3_030, "bb");
    assert!(actions.iter().any(|action| matches!(action, Action::Join { above: 0, elsewhere: true })));
    assert_eq!(asked(&actions), ["cc"]);
    // Nor has cc.
    assert!(joins(&pruned(&mut driver, 3_040, "cc")));
}

/// A single liar cannot hurry anybody, and a network of which only one node is in reach is not waited for in vain.
#[test]
fn the_word_of_few_counts_after_a_while() {
    let mut driver = driver();
    appear(&mut driver, 3_000, "aa", 50);
    assert!(!joins(&pruned(&mut driver, 3_010, "aa")));
    assert!(!joins(&driver.step(3_010 + PATIENCE_MS - 1, Input::Timer(TimerKey::Sync))));
    assert!(joins(&driver.step(3_010 + PATIENCE_MS, Input::Timer(TimerKey::Sync))));
}

#[test]
fn a_peer_that_asks_for_much_at_once_is_answered_a_little() {
    let mut driver = driver();
    appear(&mut driver, 3_000, "aa", 0);
    let request = |index| Message::Snapshot(SnapshotMessage::ChunkRequest { height: 40, index });
    let mut tickets = Vec::new();
    for index in 0..20 {
        for action in message(&mut driver, 3_010, "aa", request(index)) {
            if let Action::ReadSnapshot { ticket, request } = action {
                tickets.push((ticket, request));
            }
        }
    }
    assert_eq!(tickets.len(), SNAPSHOT_READS_PER_PEER);
    let (ticket, request) = tickets.remove(0);
    let answer = request.not_here().unwrap();
    let actions = driver.step(3_020, Input::SnapshotRead { ticket, answer: answer.clone() });
    let sent = actions.iter().any(|action| {
        matches!(action, Action::Send { to, message } if *to == peer("aa") && **message == Message::Snapshot(answer.clone()))
    });
    assert!(sent);
    assert_eq!(message(&mut driver, 3_030, "aa", Message::Snapshot(SnapshotMessage::ListRequest)).len(), 1);
}
