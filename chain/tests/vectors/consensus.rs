//! A.4: header, votes, proposals, beats, certificates, validators and receipts.

use super::{bytes, compare, network};
use crate::fixture;
use crate::fixture::{LDS, POLICE, hex, key};
use laufzettel_chain::codec::encode;
use laufzettel_chain::crypto::{self, SigningKey};
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{Address, BlockId, ItemDigest};
use laufzettel_chain::receipt::{Code as ReceiptCode, FLAG_DEVIATION, Receipt, receipts_root};
use laufzettel_chain::validators::{Validator, ValidatorSet};
use laufzettel_chain::vote::{Beat, Proposal, Signable, Signed, Vote, VoteType};
use serde_json::{Value, json};

fn signed<T: Signable + Clone + PartialEq + std::fmt::Debug>(message: &T, key: &SigningKey) -> Value {
    let signed = Signed::new(message.clone(), key);
    assert!(signed.verify(&key.verifying_key()));
    let body = encode(message);
    json!({
        "bytes": bytes(message), "sign_bytes": hex(&crypto::sign_bytes(T::DOMAIN, &body)), "secret": hex(&key.to_bytes()),
        "signature": hex(&signed.signature), "signed": bytes(&signed),
    })
}

fn validators() -> ValidatorSet {
    let validator = |index: usize, power: u64| {
        let public = key(index, "consensus").verifying_key();
        Validator {
            address: Address::of(&public),
            authority: fixture::AUTHORITIES[index].0.to_owned(),
            key: public,
            power,
        }
    };
    ValidatorSet::new(vec![validator(2, 5), validator(0, 1), validator(1, 3)]).expect("a set")
}

fn header() -> Header {
    let hash = |byte: u8| [byte; 32];
    Header {
        version: 1,
        network: network(),
        incarnation: 2,
        height: 0x0102_0304_0506_0708,
        round: 3,
        time_ms: 1_781_524_800_001,
        previous: BlockId(hash(0x22)),
        proposer: fixture::address(LDS),
        tx_root: hash(0x33),
        receipts_root: hash(0x44),
        state_root: hash(0x55),
        validators_hash: validators().hash(),
        next_validators_hash: hash(0x66),
    }
}

#[test]
fn consensus() {
    let consensus_key = key(POLICE, "consensus");
    let address = fixture::address(POLICE);
    let vote =
        |vote_type, value| Vote { network: network(), incarnation: 2, height: 7, round: 1, vote_type, value, address };
    let proposal = |pol_round| Proposal {
        network: network(),
        incarnation: 2,
        height: 7,
        round: 4,
        pol_round,
        value: BlockId([0x77; 32]),
        address,
    };
    let beat = Beat {
        network: network(),
        incarnation: 2,
        authority: "sn-police".to_owned(),
        sequence: 9,
        time_ms: 1_781_524_800_005,
        height: 7,
        block: BlockId([0x77; 32]),
        oldest_pending_lock_ms: 1_781_524_799_000,
    };
    let header = header();
    let certificate = fixture::certificate_by(&header, &[1, 2]);
    certificate.verify(&header, &validators()).expect("8 of 9");
    let receipts = [
        Receipt {
            item: ItemDigest([1; 32]),
            code: ReceiptCode::Accepted,
            flags: FLAG_DEVIATION,
            revision: 5,
            cause: None,
            answer: 0,
        },
        Receipt {
            item: ItemDigest([2; 32]),
            code: ReceiptCode::CaseUnknown,
            flags: 0,
            revision: 0,
            cause: None,
            answer: 0,
        },
        Receipt {
            item: ItemDigest([3; 32]),
            code: ReceiptCode::Accepted,
            flags: 4,
            revision: 6,
            cause: Some([9; 16]),
            answer: 1,
        },
    ];
    let actual = json!({
        "header": { "bytes": bytes(&header), "id": header.id().to_string() },
        "prevote": signed(&vote(VoteType::Prevote, Some(BlockId([0x77; 32]))), &consensus_key),
        "prevote nil": signed(&vote(VoteType::Prevote, None), &consensus_key),
        "precommit": signed(&vote(VoteType::Precommit, Some(BlockId([0x77; 32]))), &consensus_key),
        "proposal": signed(&proposal(None), &consensus_key),
        "proposal again": signed(&proposal(Some(3)), &consensus_key),
        "beat": signed(&beat, &key(POLICE, "node")),
        "certificate": bytes(&certificate),
        "validators": { "bytes": bytes(&validators()), "hash": hex(&validators().hash()) },
        "receipts": receipts.iter().map(bytes).collect::<Vec<_>>(),
        "receipts_root": hex(&receipts_root(receipts.iter())),
        "receipts_root, none": hex(&receipts_root([].iter())),
        "receipt codes": ReceiptCode::ALL.iter().filter(|code| code.since() == 1).map(|code| {
            assert_eq!(ReceiptCode::from_number(*code as u16), Some(*code));
            (format!("{:02}", *code as u16), json!(code.reason()))
        }).collect::<serde_json::Map<_, _>>(),
    });
    compare("consensus.json", &actual);
}
