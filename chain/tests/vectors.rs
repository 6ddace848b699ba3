//! Golden bytes and hashes of every format of docs/FORMATS.md that exists in code.
//!
//! The expected values stand in `vectors/*.json`. They are the network's
//! contract with its own past: a change there means that old blocks, proofs
//! and signatures no longer verify, so it needs an ADR and a STATE-BREAKING
//! changelog line. With those, `LAUFZETTEL_WRITE_VECTORS=1 cargo test -p
//! laufzettel-chain --test vectors` writes the files anew.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]
#![allow(clippy::too_many_lines, reason = "a table is one test")]

mod fixture;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fixture::{BAMF, LDS, POLICE, TODAY, TOY, case, code, hex, key, key_id};
use laufzettel_chain::canonical;
use laufzettel_chain::codec::{Canonical, Writer, decode, encode};
use laufzettel_chain::crypto::{self, SigningKey};
use laufzettel_chain::evidence::Evidence;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{
    Address, BlockId, EffectId, ItemDigest, KeyId, NetworkId, PayloadDigest, TransactionId, network_id,
};
use laufzettel_chain::item::{Item, ItemError};
use laufzettel_chain::ledger::{Ledger, genesis_header};
use laufzettel_chain::merkle;
use laufzettel_chain::proof;
use laufzettel_chain::query;
use laufzettel_chain::receipt::{Code as ReceiptCode, FLAG_DEVIATION, Receipt, receipts_root};
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::state::{fields, submissions};
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Family, Read as _};
use laufzettel_chain::transaction::{Payload, SIGN_DOMAIN, SignedTransaction, tx_root};
use laufzettel_chain::tree::StateKey;
use laufzettel_chain::validators::{Validator, ValidatorSet};
use laufzettel_chain::vote::{Beat, Proposal, Signable, Signed, Vote, VoteType};
use laufzettel_contracts::When;
use laufzettel_proto::v1 as proto;
use prost::Message as _;
use serde_json::{Value, json};

/// Compares with the committed file, or writes it.
fn compare(name: &str, actual: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    if std::env::var_os("LAUFZETTEL_WRITE_VECTORS").is_some() {
        let mut text = serde_json::to_string_pretty(actual).expect("a value");
        text.push('\n');
        std::fs::write(&path, text).expect("the directory can be written");
    }
    let text = std::fs::read_to_string(&path).expect("the vectors are committed");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    differ(name, &expected, actual);
}

fn differ(at: &str, expected: &Value, actual: &Value) {
    match (expected, actual) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys());
            for name in names {
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                differ(&format!("{at}/{name}"), a, b);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differ(&format!("{at}/{index}"), a, b);
            }
        }
        _ => assert_eq!(expected, actual, "{at}: a format changed"),
    }
}

/// Bytes of a value, which also decode to it.
fn bytes<T: Canonical + PartialEq + std::fmt::Debug>(value: &T) -> String {
    let bytes = encode(value);
    assert_eq!(&decode::<T>(&bytes).expect("decodes"), value);
    hex(&bytes)
}

fn network() -> NetworkId {
    NetworkId([0x11; 32])
}

fn counting(length: u8) -> Vec<u8> {
    (0..length).collect()
}

// ---- A.1 ----

fn written(write: impl Fn(&mut Writer)) -> String {
    let mut out = Writer::default();
    write(&mut out);
    hex(&out.into_bytes())
}

/// RFC 6962 as it is written there: split at the largest power of two below the count.
fn rfc6962(domain: &str, leaves: &[Vec<u8>]) -> [u8; 32] {
    let derive = |suffix: &str, bytes: &[u8]| blake3::derive_key(&format!("laufzettel {domain}{suffix}"), bytes);
    match leaves {
        [] => derive(" empty", b""),
        [leaf] => derive(" leaf", leaf),
        _ => {
            let mut split = 1;
            while split * 2 < leaves.len() {
                split *= 2;
            }
            let (left, right) = leaves.split_at(split);
            derive(" node", &[rfc6962(domain, left), rfc6962(domain, right)].concat())
        }
    }
}

#[test]
fn merkle_roots_have_the_shape_of_rfc_6962() {
    for count in 0..70u8 {
        let leaves: Vec<Vec<u8>> = (0..count).map(counting).collect();
        assert_eq!(merkle::root("tx", &leaves), rfc6962("tx", &leaves), "{count} leaves");
    }
}

#[test]
fn primitives() {
    let key = SigningKey::from_bytes(&[1; 32]);
    let sample = counting(5);
    let merkle_of = |count: u8| {
        let leaves: Vec<Vec<u8>> = (0..count).map(counting).collect();
        hex(&merkle::root("tx", &leaves))
    };
    let actual = json!({
        "writer": {
            "u8 7": written(|out| out.u8(7)),
            "u16 0x0102": written(|out| out.u16(0x0102)),
            "u32 0x01020304": written(|out| out.u32(0x0102_0304)),
            "u64 0x0102030405060708": written(|out| out.u64(0x0102_0304_0506_0708)),
            "raw 0001020304": written(|out| out.raw(&sample)),
            "bytes 0001020304": written(|out| out.bytes(&sample)),
            "bytes empty": written(|out| out.bytes(&[])),
            "str Amt ä": written(|out| out.str("Amt ä")),
            "list of u32 1, 2": written(|out| out.list(&[1u32, 2])),
            "list of u64 empty": written(|out| out.list::<u64>(&[])),
            "opt none": written(|out| out.opt::<u64>(None)),
            "opt u64 9": written(|out| out.opt(Some(&9u64))),
        },
        "K": Vec::from(["item", "payload", "block", "erasure"].map(|domain| json!({
            "domain": domain, "bytes": hex(&sample), "hash": hex(&crypto::hash(domain, &sample)),
        }))),
        "M tx, leaf n = bytes 0..n": (0..10u8).map(|count| json!({ "leaves": count, "root": merkle_of(count) }))
            .collect::<Vec<_>>(),
        "sign": Vec::from(["tx", "vote", "proposal", "beat"].map(|domain| {
            let signature = crypto::sign(&key, domain, &sample);
            assert!(crypto::verify(&key.verifying_key(), domain, &sample, &signature));
            json!({
                "secret": hex(&key.to_bytes()), "domain": domain, "bytes": hex(&sample),
                "sign_bytes": hex(&crypto::sign_bytes(domain, &sample)), "signature": hex(&signature),
            })
        })),
    });
    compare("primitives.json", &actual);
}

// ---- A.2 ----

#[test]
fn ids() {
    let cases = [
        "00000000000000000000000000000000",
        "ffffffffffffffffffffffffffffffff",
        "000102030405060708090a0b0c0d0e0f",
        "0000000000000000000000000000000a",
        "00000000000000000000000000000020",
        "00000000000000000000000000000024",
    ];
    let actual = json!({
        "network": { "genesis": hex(b"version = 1\n"), "id": network_id(b"version = 1\n").to_string() },
        "keys": (1..4u8).map(|seed| {
            let public = SigningKey::from_bytes(&[seed; 32]).verifying_key();
            assert_eq!(KeyId::of(&public).0, Address::of(&public).0);
            json!({ "secret": hex(&[seed; 32]), "public": hex(public.as_bytes()), "id": KeyId::of(&public).to_string() })
        }).collect::<Vec<_>>(),
        "cases": cases.map(|text| {
            let raw: [u8; 16] = data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex").try_into().expect("16");
            let id = laufzettel_chain::ids::CaseId(raw);
            assert_eq!(laufzettel_chain::ids::CaseId::parse(&id.to_string()), Some(id));
            json!({ "case": text, "printed": id.to_string(), "erasure_tag": id.erasure_tag().to_string() })
        }),
        "slot": { "authority": "de-bamf", "item digest": hex(&[0xd1; 32]),
            "slot": hex(&ItemDigest([0xd1; 32]).slot("de-bamf")) },
        "effects": [
            json!({ "case": hex(&[1; 16]), "rule": "appeal_period", "cause": hex(&[2; 32]), "occurrence": 0,
                "id": EffectId::of(&case(1), "appeal_period", &[2; 32], 0).to_string() }),
            json!({ "case": hex(&[1; 16]), "rule": "appeal_task", "cause": hex(&[3; 16]), "occurrence": 2,
                "id": EffectId::of(&case(1), "appeal_task", &[3; 16], 2).to_string() }),
        ],
        "item": { "bytes": hex(&counting(9)), "digest": ItemDigest::of(&counting(9)).to_string() },
        "payload": { "bytes": hex(&counting(9)), "digest": PayloadDigest::of(&counting(9)).to_string() },
    });
    compare("ids.json", &actual);
}

// ---- A.3 ----

fn full_report() -> proto::Report {
    use proto::attribute::Value as Wire;
    let attribute = |name: &str, value| proto::Attribute { name: name.to_owned(), value: Some(value) };
    proto::Report {
        status: "step".to_owned(),
        occurred: Some(proto::When { at: Some(proto::when::At::Day(TODAY)) }),
        effective: Some(proto::When { at: Some(proto::when::At::Day(-1)) }),
        proceeding: 2,
        outcome: "yes".to_owned(),
        attributes: vec![
            attribute("a", Wire::Date(-20_000)),
            attribute("b", Wire::Code("red".to_owned())),
            attribute("c", Wire::Authority("de-bamf".to_owned())),
            attribute("d", Wire::Integer(-5)),
            attribute("e", Wire::Bool(false)),
            attribute("f", Wire::Commitment(vec![0xc0; 32])),
        ],
        documents: vec![vec![0xd0; 32], vec![0xd1; 32]],
        sealed: Some(proto::Sealed {
            digest: vec![0x5e; 32],
            recipients: vec!["de-bamf".to_owned(), "sn-lds".to_owned()],
        }),
        r#override: None,
    }
}

fn least_report() -> proto::Report {
    proto::Report {
        status: "moment".to_owned(),
        occurred: Some(proto::When { at: Some(proto::when::At::InstantMs(1_781_524_800_123)) }),
        ..proto::Report::default()
    }
}

/// Every action, by name; those of no case have an empty case id.
fn actions() -> Vec<(&'static str, bool, proto::item::Action)> {
    use proto::item::Action as A;
    let (slot, effect, tag) = (vec![0x51; 32], vec![0xef; 16], vec![0x7a; 32]);
    let reason = || "unlawful".to_owned();
    let overridden = proto::Override { reason: reason(), key_id: vec![0x4e; 16] };
    let (kind, text) = ("definition".to_owned(), b"text".to_vec());
    let propose = proto::Propose { kind, text, effective_height: 900, ..proto::Propose::default() };
    vec![
        (
            "16 open_case",
            true,
            A::OpenCase(proto::OpenCase { definition: "asyl-de".to_owned(), definition_version: 1 }),
        ),
        ("17 report, full", true, A::Report(full_report())),
        ("17 report, least", true, A::Report(least_report())),
        ("17 report, override", true, A::Report(proto::Report { r#override: Some(overridden), ..least_report() })),
        ("18 correct", true, A::Correct(proto::Correct { slot: slot.clone(), report: Some(least_report()) })),
        ("19 retract", true, A::Retract(proto::Retract { slot, reason: reason() })),
        (
            "20 complete_task",
            true,
            A::CompleteTask(proto::CompleteTask { effect_id: effect.clone(), outcome: "yes".to_owned() }),
        ),
        ("21 acknowledge", true, A::Acknowledge(proto::Acknowledge { effect_id: effect, outcome: String::new() })),
        ("22 share", true, A::Share(proto::Share { authority: "sn-lds".to_owned() })),
        ("23 withdraw_share", true, A::WithdrawShare(proto::WithdrawShare { authority: "sn-lds".to_owned() })),
        ("24 merge", true, A::Merge(proto::Merge { other_case_id: vec![0xce; 16] })),
        ("25 restrict", true, A::Restrict(proto::Restrict { reason: reason() })),
        ("26 lift_restriction", true, A::LiftRestriction(proto::LiftRestriction { reason: reason() })),
        (
            "27 order_erasure, case",
            false,
            A::OrderErasure(proto::OrderErasure {
                tag: tag.clone(),
                item_digest: Vec::new(),
                reason: reason(),
                now: false,
            }),
        ),
        (
            "27 order_erasure, item now",
            false,
            A::OrderErasure(proto::OrderErasure {
                tag: tag.clone(),
                item_digest: vec![0x1d; 32],
                reason: reason(),
                now: true,
            }),
        ),
        ("28 object_erasure", false, A::ObjectErasure(proto::ObjectErasure { tag: tag.clone() })),
        ("29 confirm_erasure", false, A::ConfirmErasure(proto::ConfirmErasure { tag, epoch: 20_619 })),
        ("30 legal_hold on", true, A::LegalHold(proto::LegalHold { reason: reason(), on: true })),
        ("30 legal_hold off", true, A::LegalHold(proto::LegalHold { reason: reason(), on: false })),
        (
            "31 clearance_check",
            true,
            A::ClearanceCheck(proto::ClearanceCheck { status: "removal_scheduled".to_owned() }),
        ),
        ("32 propose", false, A::Propose(propose)),
        ("33 vote yes", false, A::Vote(proto::Vote { proposal: vec![0x9a; 32], yes: true })),
        ("33 vote no", false, A::Vote(proto::Vote { proposal: vec![0x9a; 32], yes: false })),
        ("34 anchor", false, A::Anchor(proto::Anchor { digest: vec![0xac; 32] })),
        ("35 evidence, votes", false, A::Evidence(evidence_message(&vote_evidence()))),
        ("35 evidence, proposals", false, A::Evidence(evidence_message(&proposal_evidence()))),
    ]
}

fn vote_evidence() -> Evidence {
    let vote = |value| {
        let (vote_type, address) = (VoteType::Prevote, fixture::address(POLICE));
        let message = Vote { network: network(), incarnation: 0, height: 7, round: 1, vote_type, value, address };
        Signed::new(message, &key(POLICE, "consensus"))
    };
    Evidence::of_votes(vote(Some(BlockId([0x77; 32]))), vote(None))
}

fn proposal_evidence() -> Evidence {
    let proposal = |byte: u8, pol_round| {
        let (value, address) = (BlockId([byte; 32]), fixture::address(POLICE));
        let message = Proposal { network: network(), incarnation: 0, height: 7, round: 4, pol_round, value, address };
        Signed::new(message, &key(POLICE, "consensus"))
    };
    Evidence::of_proposals(proposal(0x77, Some(3)), proposal(0x66, None))
}

fn evidence_message(evidence: &Evidence) -> proto::Evidence {
    let (first, second) = evidence.bytes();
    assert!(first < second && Evidence::decode(&first, &second).as_ref() == Some(evidence));
    proto::Evidence { first, second }
}

fn items() -> BTreeMap<&'static str, Vec<u8>> {
    let message = |of_case: bool, action| proto::Item {
        blinding: vec![0xb1; 16],
        case_id: if of_case { vec![0xca; 16] } else { Vec::new() },
        action: Some(action),
    };
    actions().into_iter().map(|(name, of_case, action)| (name, message(of_case, action).encode_to_vec())).collect()
}

fn signed_payload() -> (Payload, Vec<Vec<u8>>, SignedTransaction) {
    let items: Vec<Vec<u8>> = ["16 open_case", "17 report, full"].iter().map(|name| items()[name].clone()).collect();
    let payload = Payload {
        network: network(),
        incarnation: 1,
        id: TransactionId([0x1d; 16]),
        authority: "de-bamf".to_owned(),
        valid_until_ms: 1_781_528_400_000,
        source_system: "maris-2.1".to_owned(),
        item_digests: items.iter().map(|item| ItemDigest::of(item)).collect(),
    };
    let signed = payload.sign(items.clone(), &key(BAMF, "service"));
    (payload, items, signed)
}

#[test]
fn transactions() {
    let item_vectors: BTreeMap<&str, Value> = items()
        .into_iter()
        .map(|(name, bytes)| {
            canonical::decode::<proto::Item>(&canonical::ITEM, &bytes).expect("canonical");
            let verdict = match Item::decode(&bytes) {
                Ok(item) => {
                    assert_eq!(Item::encode(item.blinding, item.case, &item.action), bytes);
                    assert!(name.starts_with(&item.action.tag().to_string()));
                    "accepted".to_owned()
                }
                Err(error @ ItemError::NotYet(_)) => error.to_string(),
                Err(other) => panic!("{name}: {other}"),
            };
            let digest = ItemDigest::of(&bytes).to_string();
            (name, json!({ "bytes": hex(&bytes), "digest": digest, "protocol_version_1": verdict }))
        })
        .collect();
    let (payload, items, signed) = signed_payload();
    let least = Payload {
        incarnation: 0,
        source_system: String::new(),
        item_digests: vec![ItemDigest([0xd1; 32])],
        ..payload.clone()
    };
    let mut twice = signed.clone();
    let second = payload.sign(items, &key(BAMF, "person"));
    twice.signatures.extend(second.signatures);
    twice.signatures.sort_by_key(|signature| signature.key_id);
    let mut erased = signed.clone();
    erased.items[1] = None;
    for transaction in [&signed, &twice, &erased] {
        transaction.decode().expect("decodes");
        for signature in &transaction.signatures {
            let key =
                [key(BAMF, "service"), key(BAMF, "person")].into_iter().find(|key| key_id(key) == signature.key_id);
            assert!(transaction.verify(signature, &key.expect("one of the two").verifying_key()));
        }
    }
    let sent = signed.to_proto().encode_to_vec();
    let payload_vector = |payload: &Payload| {
        let bytes = payload.encode();
        assert_eq!(&Payload::decode(&bytes).expect("decodes"), payload);
        let digest = PayloadDigest::of(&bytes).to_string();
        json!({ "bytes": hex(&bytes), "digest": digest, "sign_bytes": hex(&crypto::sign_bytes(SIGN_DOMAIN, &bytes)) })
    };
    let actual = json!({
        "items": item_vectors,
        "payload": payload_vector(&payload),
        "payload, least": payload_vector(&least),
        "signatures": twice.signatures.iter().map(|signature| json!({
            "key_id": signature.key_id.to_string(), "value": hex(&signature.value),
        })).collect::<Vec<_>>(),
        "secrets": { "service": hex(&key(BAMF, "service").to_bytes()), "person": hex(&key(BAMF, "person").to_bytes()) },
        "protobuf of the signed transaction": hex(&sent),
        "canonical bytes": bytes(&signed),
        "canonical bytes, second item erased": bytes(&erased),
        "tx_root leaf, one signature": hex(&signed.root_leaf()),
        "tx_root leaf, two signatures": hex(&twice.root_leaf()),
        "tx_root, none": hex(&tx_root([].iter())),
        "tx_root, both": hex(&tx_root([&signed, &twice].into_iter())),
    });
    compare("transactions.json", &actual);
}

// ---- A.4 ----

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

// ---- A.5 ----

/// The value of a state key as the tree of this height holds it.
fn state_value(store: &MemStore, height: u64, key: &StateKey) -> String {
    let row = |height: u64| [[1].as_slice(), &key.hash().0, &height.to_be_bytes()].concat();
    let value = store.last(Family::Tree, &row(0), &row(height + 1)).expect("memory").expect("the key has a value");
    // borsh: a presence byte and a little-endian length before the bytes.
    hex(&value.1[5..])
}

/// Three blocks over two cases: opened, reported by two authorities, corrected and retracted.
fn chain() -> (Ledger, Arc<MemStore>, Vec<Value>) {
    let text = fixture::rooted_text(&[TOY]);
    let genesis = Arc::new(Genesis::parse(text.as_bytes()).expect("the genesis file is sound"));
    let store = Arc::new(MemStore::default());
    let mut ledger = Ledger::open(store.clone(), genesis.clone(), false).expect("opens");
    let item = |number, of, action| fixture::item(number, case(of), &action);
    let report = laufzettel_chain::item::Action::Report;
    let transaction = |authority, number, items: Vec<Vec<u8>>| {
        let payload = Payload { network: genesis.network, ..fixture::payload(authority, number, &items) };
        Arc::new(payload.sign(items, &key(authority, "service")))
    };
    let begun = item(3, 1, report(fixture::on_day("begun", -3)));
    let begun_slot = fixture::slot_of(BAMF, &begun);
    let mut step = fixture::on_day("step", -1);
    step.effective = Some(TODAY + 30);
    step.outcome = Some(code("no"));
    step.attributes.insert(code("pages"), laufzettel_contracts::Value::Integer(7));
    let moment = item(5, 1, report(fixture::at_ms("moment", 17)));
    let retract =
        laufzettel_chain::item::Action::Retract { slot: fixture::slot_of(POLICE, &moment), reason: code("mistake") };
    let correct = laufzettel_chain::item::Action::Correct { slot: begun_slot, report: fixture::on_day("begun", -2) };
    let blocks = [
        vec![
            transaction(BAMF, 1, vec![item(1, 1, fixture::opens("toy")), begun]),
            transaction(
                LDS,
                1,
                vec![item(2, 2, fixture::opens("toy")), item(4, 2, report(fixture::on_day("step", 0)))],
            ),
        ],
        vec![
            transaction(LDS, 2, vec![item(6, 1, report(step)), item(7, 9, report(fixture::on_day("step", 0)))]),
            transaction(POLICE, 1, vec![moment]),
        ],
        vec![transaction(POLICE, 2, vec![item(8, 1, retract)]), transaction(BAMF, 2, vec![item(9, 1, correct)])],
    ];
    let mut heights = Vec::new();
    for block in blocks {
        let built = fixture::advance(&mut ledger, &block);
        let header = &built.block.header;
        heights.push(json!({
            "block": built.block.id().to_string(), "block bytes": bytes(built.block.as_ref()),
            "tx_root": hex(&header.tx_root), "receipts_root": hex(&header.receipts_root),
            "state_root": hex(&header.state_root), "proposer": header.proposer.to_string(),
        }));
    }
    (ledger, store, heights)
}

/// One block with evidence that a node brings, and the records it leaves in the state.
#[test]
fn evidence() {
    let (mut ledger, store) = fixture::ledger();
    let vote = |value| {
        let (network, vote_type, address) = (fixture::genesis().network, VoteType::Prevote, fixture::address(POLICE));
        let message = Vote { network, incarnation: 0, height: 1, round: 2, vote_type, value, address };
        Signed::new(message, &key(POLICE, "consensus"))
    };
    let evidence = Evidence::of_votes(vote(None), vote(Some(BlockId([0x77; 32]))));
    let items = vec![fixture::item(1, None, &laufzettel_chain::item::Action::Evidence(evidence))];
    let signed = fixture::payload(BAMF, 1, &items).sign(items, &key(BAMF, "node"));
    let built = fixture::advance(&mut ledger, &[Arc::new(signed)]);
    let state_key = laufzettel_chain::state::evidence::state_key(&fixture::address(POLICE));
    let header = &built.block.header;
    let actual = json!({
        "block": built.block.id().to_string(), "block bytes": bytes(built.block.as_ref()),
        "receipts_root": hex(&header.receipts_root), "state_root": hex(&header.state_root),
        "state key": hex(&state_key.bytes()), "value at height 1": state_value(&store, 1, &state_key),
    });
    compare("evidence.json", &actual);
}

fn case_vector(store: &MemStore, number: u8) -> Value {
    let row = CaseRow::load(store, &case(number)).expect("memory").expect("the case is open");
    let fields: BTreeMap<String, Value> = (0..fields::FIELDS)
        .map(|index| {
            let (blinder, bytes) = (row.blinder(index), row.field(&case(number), index));
            let leaf = hex(&fields::leaf(&blinder, index, &bytes));
            (format!("{index:02}"), json!({ "blinder": hex(&blinder), "bytes": hex(&bytes), "leaf": leaf }))
        })
        .collect();
    json!({
        "case": hex(&case(number).0), "fields": fields, "root": hex(&row.root(&case(number))), "revision": row.revision,
        "history_count": row.history_count, "history": hex(&row.history),
    })
}

#[test]
fn state() {
    let (ledger, store, heights) = chain();
    let genesis = ledger.genesis();
    let keys = [
        ("case", StateKey::Case(case(1))),
        ("bucket", StateKey::Bucket(494_868)),
        ("authority", StateKey::Registry(1, "de-bamf".to_owned())),
        ("key", StateKey::Registry(2, key_id(&key(BAMF, "service")).to_string())),
        ("definition", StateKey::Registry(3, "toy@1".to_owned())),
        ("proposer order", StateKey::ProposerOrder),
        ("epoch", StateKey::Epoch),
        ("parameters", StateKey::Parameters),
        ("protocol version", StateKey::ProtocolVersion),
    ];
    let keys: BTreeMap<&str, Value> = keys
        .into_iter()
        .map(|(name, key)| {
            let value = (name != "bucket").then(|| state_value(&store, 3, &key));
            (name, json!({ "bytes": hex(&key.bytes()), "hash": hex(&key.hash().0), "value at height 3": value }))
        })
        .collect();
    let genesis_block = genesis_header(genesis, genesis.state_root);
    let salt = fields::next_salt(&[0; 32], &[0xb1; 16], &ItemDigest([0xd1; 32]));
    let (header, certificate) = query::header(store.as_ref(), 3).expect("memory").expect("stored");
    let proof =
        proof::prove(store.as_ref(), header.clone(), certificate.clone(), &case(1), &[0, 16, 31]).expect("memory");
    let absent = proof::prove(store.as_ref(), header, certificate, &case(7), &[]).expect("memory");
    let bucket = submissions::Bucket::default();
    let first = bucket.with("de-bamf", &TransactionId([1; 16]), &PayloadDigest([2; 32]), 3, 4);
    let second = first.with("sn-lds", &TransactionId([5; 16]), &PayloadDigest([6; 32]), 7, 8);
    let when = |when| written(|out| fields::write_when(out, when));
    let actual = json!({
        "genesis": {
            "network": genesis.network.to_string(), "state_root": hex(&genesis.state_root),
            "header": bytes(&genesis_block), "id": genesis_block.id().to_string(),
        },
        "heights": heights,
        "keys": keys,
        "hours": { "of 1781524800000": submissions::hour_of(1_781_524_800_000),
            "first live at 1781524800000": submissions::first_live_hour(1_781_524_800_000) },
        "bucket": Vec::from([bucket, first, second].map(|bucket| hex(&bucket.value()))),
        "salt": hex(&salt),
        "blinder of field 16 at height 9": hex(&fields::blinder(&salt, 16, 9)),
        "leaf of field 16": hex(&fields::leaf(&[0xbb; 32], 16, b"bytes")),
        "leaf of field 16, empty": hex(&fields::leaf(&[0xbb; 32], 16, b"")),
        "root of 32 leaves [n; 32]": hex(&fields::root(&(0..32u8).map(|n| [n; 32]).collect::<Vec<_>>())),
        "when": { "day -1": when(When::Day(-1)), "instant 5": when(When::Instant(5)) },
        "cases": [case_vector(&store, 1), case_vector(&store, 2)],
        "proof of fields 0, 16, 31": bytes(&proof),
        "proof of absence": bytes(&absent),
    });
    compare("state.json", &actual);
}
