//! A.3: every action as an item, a payload, and a transaction with its signatures.

use std::collections::BTreeMap;

use super::{bytes, compare, network};
use crate::fixture;
use crate::fixture::{BAMF, POLICE, TODAY, hex, key, key_id};
use laufzettel_chain::canonical;
use laufzettel_chain::crypto::{self};
use laufzettel_chain::evidence::Evidence;
use laufzettel_chain::ids::{BlockId, ItemDigest, PayloadDigest, TransactionId};
use laufzettel_chain::item::{Item, ItemError};
use laufzettel_chain::transaction::{Payload, SIGN_DOMAIN, SignedTransaction, tx_root};
use laufzettel_chain::vote::{Proposal, Signed, Vote, VoteType};
use laufzettel_proto::v1 as proto;
use prost::Message as _;
use serde_json::{Value, json};

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
