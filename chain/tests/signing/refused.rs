//! What a node refuses, with the reason: other encodings, values out of their range, and what was altered after signing.

use laufzettel_chain::canonical::CanonicalError;
use laufzettel_chain::check::Refusal;
use laufzettel_chain::crypto;
use laufzettel_chain::item::{Item, ItemError};
use laufzettel_chain::transaction::{Payload, SIGN_DOMAIN, SignedTransaction, TransactionError};
use laufzettel_proto::v1 as proto;
use prost::Message as _;
use proto::item::Action as Wire;
use proto::when::At;
use serde_json::{Value, json};

use super::fixture::{BAMF, hex, key, key_id};
use super::items::{full_report, item_named, item_of, payload_over, signed_by, when};

/// The first place of these bytes, which must be there once, replaced.
fn with(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = hex(bytes);
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    data_encoding::HEXLOWER.decode(text.replacen(from, to, 1).as_bytes()).expect("hexadecimal digits")
}

/// An item whose report has this status field, as it is, and further fields.
fn raw_report(fields: &str) -> Vec<u8> {
    let fields = data_encoding::HEXLOWER.decode(fields.as_bytes()).expect("hexadecimal digits");
    let length = u8::try_from(fields.len()).expect("short");
    assert!(length < 0x80);
    let head = data_encoding::HEXLOWER.decode(format!("0a10{}1210{}8a01", "b1".repeat(16), "ca".repeat(16)).as_bytes());
    [head.expect("hexadecimal digits"), vec![length], fields].concat()
}

fn refused_items() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let (blinding, case_id) = (format!("0a10{}", "b1".repeat(16)), format!("1210{}", "ca".repeat(16)));
    let open = item_named("open_case");
    let least = item_named("report, day 0");
    let open_text = hex(&open);
    let from_hex = |text: String| data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hexadecimal digits");
    // status "s", occurred day 0; attributes a, b = true; recipients.
    let start = "0a01731203800100";
    let wire_report = |change: &dyn Fn(&mut proto::Report)| {
        let mut report = full_report();
        change(&mut report);
        item_of(Wire::Report(report))
    };
    let over = proto::Override { reason: "urgent".to_owned(), key_id: vec![0x4e; 16] };
    let task = proto::CompleteTask { effect_id: vec![0xef; 16], outcome: String::new() };
    vec![
        ("fields in another order", from_hex(format!("{case_id}{blinding}{}", &open_text[72..])), "NON_CANONICAL"),
        ("a field twice", from_hex(format!("{blinding}{open_text}")), "NON_CANONICAL"),
        ("two actions of the oneof", from_hex(format!("{open_text}{}", &hex(&least)[72..])), "NON_CANONICAL"),
        ("a length in two bytes instead of one", with(&open, "82010b0a", "82018b000a"), "NON_CANONICAL"),
        ("a key in three bytes instead of two", with(&open, "82010b0a", "8281000b0a"), "NON_CANONICAL"),
        (
            "a number in two bytes instead of one",
            with(&open, "010b0a076173796c2d64651001", "010c0a076173796c2d6465108100"),
            "NON_CANONICAL",
        ),
        ("a default written: proceeding 0", raw_report(&format!("{start}2000")), "NON_CANONICAL"),
        ("a default written: outcome empty", raw_report(&format!("{start}2a00")), "NON_CANONICAL"),
        ("true written as 2", raw_report(&format!("{start}32060a0161a00102")), "NON_CANONICAL"),
        ("a day of more than 32 bits", raw_report("0a017312088001808080808001"), "NON_CANONICAL"),
        ("an unknown field of the item", from_hex(format!("{open_text}c20200")), "UNKNOWN_FIELD"),
        ("an unknown field of the report", raw_report(&format!("{start}5200")), "UNKNOWN_FIELD"),
        ("cut off", open[..open.len() - 1].to_vec(), "MALFORMED"),
        ("no bytes at all", Vec::new(), "MALFORMED"),
        ("no action", from_hex(format!("{blinding}{case_id}")), "MALFORMED"),
        ("a blinding of 15 bytes", with(&open, &blinding, &format!("0a0f{}", "b1".repeat(15))), "MALFORMED"),
        ("no case", with(&open, &case_id, ""), "MALFORMED"),
        ("no occurred", raw_report("0a0173"), "MALFORMED"),
        ("occurred without day or instant", raw_report("0a01731200"), "MALFORMED"),
        ("text that is no UTF-8", raw_report("0a01ff1203800100"), "MALFORMED"),
        ("a status with a capital", raw_report("0a01531203800100"), "MALFORMED"),
        ("effective is an instant", wire_report(&|report| report.effective = when(At::InstantMs(5))), "MALFORMED"),
        ("attributes not ascending", wire_report(&|report| report.attributes.swap(0, 1)), "MALFORMED"),
        ("an attribute twice", wire_report(&|report| report.attributes[1].name = "a".to_owned()), "MALFORMED"),
        ("an attribute without a value", wire_report(&|report| report.attributes[0].value = None), "MALFORMED"),
        ("a document twice", wire_report(&|report| report.documents[1] = vec![0xd0; 32]), "MALFORMED"),
        ("a document of 31 bytes", wire_report(&|report| report.documents[1] = vec![0xd1; 31]), "MALFORMED"),
        (
            "recipients not ascending",
            wire_report(&|report| report.sealed.iter_mut().for_each(|s| s.recipients.reverse())),
            "MALFORMED",
        ),
        (
            "sealed for nobody",
            wire_report(&|report| report.sealed.iter_mut().for_each(|s| s.recipients.clear())),
            "MALFORMED",
        ),
        (
            "a slot of 31 bytes",
            item_of(Wire::Retract(proto::Retract { slot: vec![0x51; 31], reason: "r".to_owned() })),
            "MALFORMED",
        ),
        (
            "a correction of nothing to nothing",
            item_of(Wire::Correct(proto::Correct { slot: vec![0x51; 32], report: None })),
            "MALFORMED",
        ),
        (
            "definition version 0",
            item_of(Wire::OpenCase(proto::OpenCase { definition: "asyl-de".to_owned(), definition_version: 0 })),
            "MALFORMED",
        ),
        ("an override", wire_report(&|report| report.r#override = Some(over.clone())), "NOT_IN_PROTOCOL_VERSION"),
        ("an action of a later version", item_of(Wire::CompleteTask(task)), "NOT_IN_PROTOCOL_VERSION"),
    ]
}

fn refused_payloads() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let items = vec![item_named("report, least")];
    let payload = payload_over(&items).encode();
    let message = || proto::TransactionPayload::decode(payload.as_slice()).expect("decodes");
    let changed = |change: &dyn Fn(&mut proto::TransactionPayload)| {
        let mut message = message();
        change(&mut message);
        message.encode_to_vec()
    };
    let source = "3a096d617269732d322e31";
    vec![
        ("a default written: flags 0", with(&payload, source, &format!("{source}4000")), "NON_CANONICAL"),
        ("fields in another order", with(&payload, "10011801", "18011001"), "NON_CANONICAL"),
        ("an unknown field", [payload.as_slice(), &[0x50, 0x01]].concat(), "UNKNOWN_FIELD"),
        ("a bit of flags", changed(&|payload| payload.flags = 1), "MALFORMED"),
        ("version 2", changed(&|payload| payload.version = 2), "MALFORMED"),
        ("a network of 31 bytes", changed(&|payload| payload.network.truncate(31)), "MALFORMED"),
        ("an id of 15 bytes", changed(&|payload| payload.id.truncate(15)), "MALFORMED"),
        ("an authority of one character", changed(&|payload| payload.authority.truncate(1)), "MALFORMED"),
        ("a source system of 33 characters", changed(&|payload| payload.source_system = "z".repeat(33)), "MALFORMED"),
        ("no items", changed(&|payload| payload.item_digests.clear()), "MALFORMED"),
        ("a digest of 31 bytes", changed(&|payload| payload.item_digests[0].truncate(31)), "MALFORMED"),
    ]
}

fn refused_transactions() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let items = vec![item_named("open_case"), item_named("report, full")];
    let signed = signed_by(&payload_over(&items), &items, &["service", "person"]).to_proto();
    let changed = |change: &dyn Fn(&mut proto::SignedTransaction)| {
        let mut signed = signed.clone();
        change(&mut signed);
        signed.encode_to_vec()
    };
    let of_digest = {
        let digest = payload_over(&items).sign(items.clone(), &key(BAMF, "service")).payload_digest();
        crypto::sign(&key(BAMF, "service"), SIGN_DOMAIN, &digest.0).to_vec()
    };
    let of_service = key_id(&key(BAMF, "service")).0.to_vec();
    vec![
        ("signatures not ascending", changed(&|signed| signed.signatures.reverse()), "MALFORMED"),
        ("a signature twice", changed(&|signed| signed.signatures[1] = signed.signatures[0].clone()), "MALFORMED"),
        ("no signature", changed(&|signed| signed.signatures.clear()), "MALFORMED"),
        ("algorithm 0", changed(&|signed| signed.signatures[0].algorithm = 0), "MALFORMED"),
        ("a signature of 63 bytes", changed(&|signed| signed.signatures[0].value.truncate(63)), "MALFORMED"),
        ("items in another order", changed(&|signed| signed.items.reverse()), "ITEM_DIGEST_MISMATCH"),
        ("an item changed after signing", changed(&|signed| signed.items[0][3] ^= 1), "ITEM_DIGEST_MISMATCH"),
        ("an item left out", changed(&|signed| signed.items.truncate(1)), "MALFORMED"),
        (
            "the digest signed instead of the payload",
            changed(&|signed| {
                signed.signatures.retain(|signature| signature.key_id == of_service);
                signed.signatures[0].value.clone_from(&of_digest);
            }),
            "SIGNATURE_INVALID",
        ),
        (
            "the payload changed after signing",
            changed(&|signed| {
                signed.signatures.retain(|signature| signature.key_id == of_service);
                let last = signed.payload.iter().position(|byte| *byte == 0x80).expect("valid_until");
                signed.payload[last + 1] ^= 1;
            }),
            "SIGNATURE_INVALID",
        ),
    ]
}

fn refusal_of_item(bytes: &[u8]) -> Option<Refusal> {
    let source = Item::decode(bytes).err()?;
    Some(Refusal::Malformed(TransactionError::Item { index: 0, source }))
}

fn refusal_of_transaction(bytes: &[u8]) -> Option<Refusal> {
    let message = proto::SignedTransaction::decode(bytes).expect("protobuf");
    let signed = match SignedTransaction::from_proto(message).and_then(|signed| signed.decode().map(|_| signed)) {
        Ok(signed) => signed,
        Err(error) => return Some(Refusal::Malformed(error)),
    };
    let keys = ["service", "person"].map(|purpose| key(BAMF, purpose));
    let wrong = signed.signatures.iter().find(|signature| {
        let key = keys.iter().find(|key| key_id(key) == signature.key_id).expect("one of the two");
        !signed.verify(signature, &key.verifying_key())
    });
    wrong.map(|signature| Refusal::Signature(signature.key_id))
}

/// The first byte that differs from the one allowed encoding.
fn offset(refusal: &Refusal) -> Option<usize> {
    match refusal {
        Refusal::Malformed(
            TransactionError::Payload(CanonicalError::NonCanonical { offset, .. })
            | TransactionError::Item {
                source: ItemError::Canonical(CanonicalError::NonCanonical { offset, .. }), ..
            },
        ) => Some(*offset),
        _ => None,
    }
}

pub(crate) fn refused_vectors() -> Value {
    let vector = |of: &str, (why, bytes, reason): (&str, Vec<u8>, &str)| {
        let refusal = match of {
            "item" => refusal_of_item(&bytes),
            "payload" => Payload::decode(&bytes).err().map(Refusal::Malformed),
            _ => refusal_of_transaction(&bytes),
        };
        let refusal = refusal.unwrap_or_else(|| panic!("{of}, {why}: accepted"));
        assert_eq!(refusal.reason(), reason, "{of}, {why}: {refusal}");
        let mut vector = json!({ "of": of, "why": why, "bytes": hex(&bytes), "reason": reason });
        if let Some(offset) = offset(&refusal) {
            vector["offset"] = json!(offset);
        }
        vector
    };
    let items = refused_items().into_iter().map(|one| vector("item", one));
    let payloads = refused_payloads().into_iter().map(|one| vector("payload", one));
    let transactions = refused_transactions().into_iter().map(|one| vector("transaction", one));
    Value::Array(items.chain(payloads).chain(transactions).collect())
}
