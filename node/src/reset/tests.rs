//! Which answers count, and how many it takes.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use laufzettel_chain::block::{Block, Body};
use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::encode;
use laufzettel_chain::crypto;
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{BlockId, NetworkId};
use laufzettel_chain::vote::{Signable as _, Vote, VoteType};

use super::*;
use crate::genesis::{AuthorityCard, KeyEntry};
use crate::keys::KeyPurpose;

const NOW_MS: u64 = 1_781_524_800_000;
const NODES: [&str; 4] = ["de-a", "de-b", "de-c", "de-d"];

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn genesis() -> Genesis {
    let card = |(index, id): (usize, &&str)| {
        let seed = 10 * u8::try_from(index + 1).unwrap();
        let entry = |purpose, seed| KeyEntry {
            purpose,
            public: data_encoding::HEXLOWER.encode(key(seed).verifying_key().as_bytes()),
        };
        AuthorityCard {
            id: (*id).into(),
            label_de: (*id).into(),
            label_en: (*id).into(),
            roles: vec!["asylum_office".into()],
            hosted_by: (*id).into(),
            keys: vec![
                entry(KeyPurpose::Consensus, seed),
                entry(KeyPurpose::Node, seed + 1),
                entry(KeyPurpose::Service, seed + 2),
            ],
        }
    };
    let cards = NODES.iter().enumerate().map(card).collect();
    let nodes: Vec<String> = NODES.iter().map(|id| (*id).to_owned()).collect();
    let definition = laufzettel_contracts::ASYL_DE.to_owned();
    let made = crate::genesis::Genesis::new("test", NOW_MS - 1_000_000, cards, &nodes, vec![definition]).unwrap();
    Genesis::parse(made.text().unwrap().as_bytes()).unwrap()
}

/// A block of this height and time, decided by the first `signers` nodes.
fn entry(genesis: &Genesis, height: Height, time_ms: u64, signers: usize, change: impl Fn(&mut Header)) -> SyncEntry {
    let validators = &genesis.registry.validators;
    let mut header = Header {
        version: 1,
        network: genesis.network,
        incarnation: 0,
        height,
        round: 0,
        time_ms,
        previous: BlockId([1; 32]),
        proposer: validators.all()[0].address,
        tx_root: [2; 32],
        receipts_root: [3; 32],
        state_root: [4; 32],
        validators_hash: validators.hash(),
        next_validators_hash: validators.hash(),
    };
    change(&mut header);
    let id = header.id();
    let sign = |index: usize| {
        let key = key(10 * u8::try_from(index + 1).unwrap());
        let address = Address::of(&key.verifying_key());
        let (network, incarnation, vote_type) = (header.network, header.incarnation, VoteType::Precommit);
        let vote = Vote { network, incarnation, height, round: 0, vote_type, value: Some(id), address };
        (address, crypto::sign(&key, Vote::DOMAIN, &encode(&vote)))
    };
    let mut signatures: Vec<_> = (0..signers).map(sign).collect();
    signatures.sort_by_key(|(address, _)| *address);
    let certificate = Certificate { height, round: 0, block: id, signatures };
    SyncEntry { block: Arc::new(Block { header, body: Body { transactions: Vec::new() } }), certificate }
}

#[test]
fn the_greatest_height_counts_once_more_than_a_third_has_answered() {
    let genesis = genesis();
    let mut answers = Answers::new(&genesis, "de-a");
    assert_eq!(answers.take("de-b", &entry(&genesis, 7, NOW_MS, 3, |_| ()), NOW_MS), Some(7));
    assert_eq!(answers.reached(), None, "one of four may lie");
    assert_eq!(answers.take("de-b", &entry(&genesis, 9, NOW_MS, 3, |_| ()), NOW_MS), Some(9));
    assert_eq!(answers.reached(), None, "the same one again");
    assert_eq!(answers.take("de-c", &entry(&genesis, 8, NOW_MS - 70_000, 3, |_| ()), NOW_MS), Some(8));
    assert_eq!(answers.reached(), Some(9));
}

#[test]
fn what_proves_nothing_does_not_count() {
    let genesis = genesis();
    let mut answers = Answers::new(&genesis, "de-a");
    let table = [
        ("de-b", entry(&genesis, 9, NOW_MS - 70_001, 3, |_| ()), "clock of this machine"),
        ("de-b", entry(&genesis, 9, NOW_MS + 70_001, 3, |_| ()), "clock of this machine"),
        ("de-b", entry(&genesis, 9, NOW_MS, 2, |_| ()), "2 of 4 voting power"),
        ("de-b", entry(&genesis, 9, NOW_MS, 3, |header| header.network = NetworkId([0; 32])), "another network"),
        ("de-b", entry(&genesis, 9, NOW_MS, 3, |header| header.incarnation = 1), "incarnation"),
        ("de-b", entry(&genesis, 9, NOW_MS, 3, |header| header.validators_hash = [0; 32]), "given validators"),
        ("de-a", entry(&genesis, 9, NOW_MS, 3, |_| ()), "no vote"),
        ("de-x", entry(&genesis, 9, NOW_MS, 3, |_| ()), "no vote"),
    ];
    for (from, entry, problem) in table {
        assert_eq!(answers.take(from, &entry, NOW_MS), None, "{problem}");
        assert!(answers.problem.contains(problem) && answers.problem.contains(from), "{}", answers.problem);
    }
    let mut altered = entry(&genesis, 9, NOW_MS, 3, |_| ());
    altered.certificate.signatures[0].1[5] ^= 1;
    assert_eq!(answers.take("de-b", &altered, NOW_MS), None);
    assert_eq!(answers.heights.len(), 0);
}
