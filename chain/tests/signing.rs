//! `docs/vectors.json`, the vectors for who writes a client: from fields over bytes, digests and signatures to ids, and
//! what is refused for which reason. Compared, never silently written: `LAUFZETTEL_WRITE_VECTORS=1` writes the file
//! anew, which is a change of formats like any in `vectors.rs`. The client in docs/integrator reads the same file.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]
#![allow(clippy::too_many_lines, reason = "a table is one test")]

mod fixture;

use std::path::Path;
use std::sync::Arc;

use fixture::{BAMF, LDS, TODAY, TOY, case, hex, key, key_id};
use laufzettel_chain::canonical::CanonicalError;
use laufzettel_chain::check::Refusal;
use laufzettel_chain::codec::encode;
use laufzettel_chain::crypto;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{CaseId, ItemDigest, NetworkId, TransactionId};
use laufzettel_chain::item::{Action, Item, ItemError};
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::light::LightClient;
use laufzettel_chain::proof::{self, CaseProof};
use laufzettel_chain::query;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::transaction::{Payload, SIGN_DOMAIN, SignedTransaction, TransactionError};
use laufzettel_proto::v1 as proto;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage as _, Value as Field};
use proto::attribute::Value as Of;
use proto::item::Action as Wire;
use proto::when::At;
use serde_json::{Map, Value, json};

// ---- fields of a message, as a client's programmer would write them ----

fn fields(message: &str, bytes: &[u8]) -> Value {
    let pool = DescriptorPool::decode(laufzettel_proto::DESCRIPTOR_SET).expect("a descriptor set");
    let descriptor = pool.get_message_by_name(&format!("laufzettel.v1.{message}")).expect("in the schema");
    object(&DynamicMessage::decode(descriptor, bytes).expect("decodes"))
}

fn object(message: &DynamicMessage) -> Value {
    assert_eq!(message.unknown_fields().count(), 0, "{}", message.descriptor().name());
    let fields = message.fields().map(|(field, value)| (field.name().to_owned(), plain(value)));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// Bytes as hexadecimal digits, 64-bit numbers as text, because many readers of JSON have 53 bits.
fn plain(value: &Field) -> Value {
    match value {
        Field::Bool(value) => json!(value),
        Field::I32(value) => json!(value),
        Field::U32(value) => json!(value),
        Field::I64(value) => json!(value.to_string()),
        Field::U64(value) => json!(value.to_string()),
        Field::String(value) => json!(value),
        Field::Bytes(value) => json!(hex(value)),
        Field::Message(value) => object(value),
        Field::List(values) => Value::Array(values.iter().map(plain).collect()),
        other => panic!("nothing of the kind is signed: {other:?}"),
    }
}

// ---- items ----

fn when(at: At) -> Option<proto::When> {
    Some(proto::When { at: Some(at) })
}

fn report(status: &str, at: At) -> proto::Report {
    proto::Report { status: status.to_owned(), occurred: when(at), ..proto::Report::default() }
}

fn attribute(name: &str, value: Of) -> proto::Attribute {
    proto::Attribute { name: name.to_owned(), value: Some(value) }
}

fn item_of(action: Wire) -> Vec<u8> {
    let (blinding, case_id) = (vec![0xb1; 16], vec![0xca; 16]);
    proto::Item { blinding, case_id, action: Some(action) }.encode_to_vec()
}

fn full_report() -> proto::Report {
    proto::Report {
        effective: when(At::Day(-1)),
        proceeding: 2,
        outcome: "yes".to_owned(),
        attributes: vec![
            attribute("a", Of::Date(-20_000)),
            attribute("b", Of::Code("red".to_owned())),
            attribute("c", Of::Authority("de-bamf".to_owned())),
            attribute("d", Of::Integer(-5)),
            attribute("e", Of::Bool(false)),
            attribute("f", Of::Commitment(vec![0xc0; 32])),
        ],
        documents: vec![vec![0xd0; 32], vec![0xd1; 32]],
        sealed: Some(proto::Sealed {
            digest: vec![0x5e; 32],
            recipients: vec!["de-bamf".to_owned(), "sn-lds".to_owned()],
        }),
        ..report("step", At::Day(TODAY))
    }
}

/// As long as a report can be.
fn longest_report() -> proto::Report {
    let code = |first: char, number: usize| format!("{first}{number:0>47}");
    let (attributes, documents, recipients) = (0..16usize, 0..8u8, 0..32usize);
    proto::Report {
        effective: when(At::Day(i32::MAX)),
        proceeding: u32::MAX,
        outcome: code('o', 0),
        attributes: attributes.map(|number| attribute(&code('a', number), Of::Code(code('c', number)))).collect(),
        documents: documents.map(|number| vec![0xf8 + number; 32]).collect(),
        sealed: Some(proto::Sealed {
            digest: vec![0xff; 32],
            recipients: recipients.map(|number| format!("r{number:0>31}")).collect(),
        }),
        ..report(&code('s', 0), At::Day(i32::MIN))
    }
}

/// Every action of version 1, and the edges of its values.
fn items() -> Vec<(&'static str, Vec<u8>)> {
    let least = || report("moment", At::InstantMs(1_781_524_800_123));
    let edges = proto::Report {
        attributes: vec![
            attribute("a", Of::Integer(i64::MIN)),
            attribute("b", Of::Integer(i64::MAX)),
            attribute("c", Of::Integer(0)),
            attribute("d", Of::Date(0)),
            attribute("e", Of::Bool(true)),
        ],
        ..report("s", At::InstantMs(u64::MAX))
    };
    let open = |definition: &str, definition_version| {
        item_of(Wire::OpenCase(proto::OpenCase { definition: definition.to_owned(), definition_version }))
    };
    let correct = |report| item_of(Wire::Correct(proto::Correct { slot: vec![0x51; 32], report: Some(report) }));
    let zeros = proto::Item {
        blinding: vec![0; 16],
        case_id: vec![0; 16],
        action: Some(Wire::Retract(proto::Retract { slot: vec![0; 32], reason: "r".to_owned() })),
    };
    let retract = proto::Retract { slot: vec![0x51; 32], reason: "unlawful".to_owned() };
    vec![
        ("open_case", open("asyl-de", 1)),
        ("open_case, longest", open(&"d".repeat(32), u32::MAX)),
        ("report, least", item_of(Wire::Report(least()))),
        ("report, full", item_of(Wire::Report(full_report()))),
        ("report, day 0", item_of(Wire::Report(report("s", At::Day(0))))),
        ("report, day -1", item_of(Wire::Report(report("s", At::Day(-1))))),
        ("report, instant 0", item_of(Wire::Report(report("s", At::InstantMs(0))))),
        ("report, edges of numbers", item_of(Wire::Report(edges))),
        ("report, longest", item_of(Wire::Report(longest_report()))),
        ("correct", correct(least())),
        ("correct, full", correct(full_report())),
        ("retract", item_of(Wire::Retract(retract))),
        ("retract, all bytes zero", zeros.encode_to_vec()),
    ]
}

fn item_vectors() -> Value {
    let vector = |(name, bytes): (&str, Vec<u8>)| {
        let item = Item::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Item::encode(item.blinding, item.case, &item.action), bytes, "{name}");
        json!({
            "name": name, "fields": fields("Item", &bytes), "bytes": hex(&bytes),
            "digest": ItemDigest::of(&bytes).to_string(),
        })
    };
    Value::Array(items().into_iter().map(vector).collect())
}

// ---- transactions ----

fn item_named(name: &str) -> Vec<u8> {
    items().into_iter().find(|item| item.0 == name).unwrap_or_else(|| panic!("no item {name}")).1
}

fn payload_over(items: &[Vec<u8>]) -> Payload {
    Payload {
        network: NetworkId([0x11; 32]),
        incarnation: 1,
        id: TransactionId([0x1d; 16]),
        authority: "de-bamf".to_owned(),
        valid_until_ms: 1_781_528_400_000,
        source_system: "maris-2.1".to_owned(),
        item_digests: items.iter().map(|item| ItemDigest::of(item)).collect(),
    }
}

/// Signed by keys of de-bamf for these purposes.
fn signed_by(payload: &Payload, items: &[Vec<u8>], purposes: &[&str]) -> SignedTransaction {
    let one = |purpose: &&str| payload.sign(items.to_vec(), &key(BAMF, purpose));
    let mut all = purposes.iter().map(one);
    let mut signed = all.next().expect("at least one");
    signed.signatures.extend(all.flat_map(|signed| signed.signatures));
    signed.signatures.sort_by_key(|signature| signature.key_id);
    signed
}

fn transactions() -> Vec<(&'static str, Vec<&'static str>, SignedTransaction)> {
    let two = vec![item_named("open_case"), item_named("report, full")];
    let four: Vec<Vec<u8>> = ["report, least", "correct", "retract", "report, longest"].map(item_named).into();
    let one = vec![item_named("report, least")];
    let least = Payload { incarnation: 0, source_system: String::new(), valid_until_ms: 0, ..payload_over(&one) };
    let longest = Payload {
        incarnation: u32::MAX,
        authority: "a".repeat(32),
        valid_until_ms: u64::MAX,
        source_system: "z".repeat(32),
        ..payload_over(&one)
    };
    let (service, both) = (vec!["service"], vec!["service", "person"]);
    vec![
        ("two items", service.clone(), signed_by(&payload_over(&two), &two, &service)),
        ("two items, two signatures", both.clone(), signed_by(&payload_over(&two), &two, &both)),
        ("four items", service.clone(), signed_by(&payload_over(&four), &four, &service)),
        ("least", service.clone(), signed_by(&least, &one, &service)),
        ("longest fields", service.clone(), signed_by(&longest, &one, &service)),
    ]
}

fn transaction_vectors() -> Value {
    let vector = |(name, purposes, signed): (&str, Vec<&str>, SignedTransaction)| {
        let decoded = signed.decode().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(decoded.payload.encode(), signed.payload, "{name}");
        json!({
            "name": name,
            "payload": {
                "fields": fields("TransactionPayload", &signed.payload), "bytes": hex(&signed.payload),
                "digest": signed.payload_digest().to_string(),
                "sign_bytes": hex(&crypto::sign_bytes(SIGN_DOMAIN, &signed.payload)),
            },
            "items": signed.items.iter().flatten().map(|item| hex(item)).collect::<Vec<_>>(),
            "signed_by": purposes,
            "signatures": signed.signatures.iter().map(|signature| json!({
                "key_id": signature.key_id.to_string(), "value": hex(&signature.value),
            })).collect::<Vec<_>>(),
            "signed_transaction": hex(&signed.to_proto().encode_to_vec()),
        })
    };
    Value::Array(transactions().into_iter().map(vector).collect())
}

// ---- what is refused ----

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

fn refused_vectors() -> Value {
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

// ---- ids ----

fn case_ids() -> Value {
    let ids = [
        "00000000000000000000000000000000",
        "ffffffffffffffffffffffffffffffff",
        "000102030405060708090a0b0c0d0e0f",
        "00000000000000000000000000000020",
        "00000000000000000000000000000021",
        "00000000000000000000000000000022",
        "00000000000000000000000000000023",
        "00000000000000000000000000000024",
    ];
    let vectors = ids.map(|text| {
        let raw = data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hexadecimal digits");
        let id = CaseId::from_slice(&raw).expect("16 bytes");
        let printed = id.to_string();
        let mistaken = printed.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        for form in [&printed, &mistaken] {
            assert_eq!(CaseId::parse(form), Some(id), "{form}");
        }
        json!({ "case_id": text, "printed": printed, "read_too": mistaken })
    });
    let refused = [
        ("a wrong check character", "0004-1061-050R-3GG2-8A1C-60T3-GF7"),
        ("two characters exchanged", "0004-1061-050R-3GG2-8A1C-6T03-GF6"),
        ("one character missing", "0004-1061-050R-3GG2-8A1C-60T3-GF"),
        ("more than 128 bits", "8000-0000-0000-0000-0000-0000-001"),
        ("no character of the alphabet", "0004-1061-050U-3GG2-8A1C-60T3-GF6"),
    ];
    let refused = refused.map(|(why, printed)| {
        assert_eq!(CaseId::parse(printed), None, "{why}");
        json!({ "why": why, "printed": printed })
    });
    json!({ "printed": vectors, "refused": refused })
}

fn keys() -> Value {
    let vector = |purpose: &str| {
        let key = key(BAMF, purpose);
        let public = key.verifying_key();
        json!({
            "purpose": purpose, "secret": hex(&key.to_bytes()), "public": hex(public.as_bytes()),
            "key_id": key_id(&key).to_string(),
        })
    };
    Value::Array(["service", "person"].map(vector).into())
}

fn commitments() -> Value {
    let vector = |nonce: u8, content: &[u8]| {
        let bytes = [[nonce; 32].as_slice(), content].concat();
        let commitment = crypto::hash("commitment", &bytes);
        json!({ "nonce": hex(&[nonce; 32]), "content": hex(content), "commitment": hex(&commitment) })
    };
    Value::Array(vec![vector(0x4e, b""), vector(0x4e, "Bescheid vom 1. Juni".as_bytes()), vector(0, &[0; 3])])
}

fn slots() -> Value {
    let vector = |authority: &str, item: &str| {
        let digest = ItemDigest::of(&item_named(item));
        json!({ "authority": authority, "item_digest": digest.to_string(), "slot": hex(&digest.slot(authority)) })
    };
    let longest = "a".repeat(32);
    Value::Array(vec![
        vector("de-bamf", "report, full"),
        vector("sn-lds", "report, full"),
        vector(&longest, "report, least"),
    ])
}

// ---- proofs ----

fn proof_message(proof: &CaseProof, genesis: &Genesis) -> proto::Proof {
    proto::Proof {
        format: "laufzettel-case/1".to_owned(),
        head: Some(proto::CertifiedHeader {
            header: encode(&proof.header),
            certificate: encode(&proof.certificate),
            validators: encode(&genesis.registry.validators),
        }),
        case_id: proof.case.0.to_vec(),
        tree_proof: proof.tree.clone(),
        case_root: proof.root.map(|root| root.to_vec()).unwrap_or_default(),
        fields: proof
            .fields
            .iter()
            .map(|field| proto::FieldProof {
                index: u32::from(field.index),
                blinder: field.blinder.to_vec(),
                value: field.bytes.clone(),
                siblings: field.siblings.iter().map(|sibling| sibling.to_vec()).collect(),
            })
            .collect(),
    }
}

fn proofs() -> Value {
    let text = fixture::rooted_text(&[TOY]);
    let genesis = Arc::new(Genesis::parse(text.as_bytes()).expect("the genesis file is sound"));
    let store = Arc::new(MemStore::default());
    let mut ledger = Ledger::open(store.clone(), genesis.clone(), false).expect("opens");
    let light = LightClient::new(&genesis);
    // Many cases, so that the paths in the tree have several siblings.
    let transaction = |number: u8| {
        let items = vec![
            fixture::item(u64::from(number), case(number), &fixture::opens("toy")),
            fixture::item(u64::from(number) + 100, case(number), &Action::Report(fixture::on_day("begun", -3))),
        ];
        let payload = Payload { network: genesis.network, ..fixture::payload(LDS, u64::from(number), &items) };
        Arc::new(payload.sign(items, &key(LDS, "service")))
    };
    fixture::advance(&mut ledger, &(1..=40).map(transaction).collect::<Vec<_>>());
    let (header, certificate) = query::header(store.as_ref(), 1).expect("memory").expect("stored");
    let vector = |name: &str, number: u8, wanted: &[usize]| {
        let proof = proof::prove(store.as_ref(), header.clone(), certificate.clone(), &case(number), wanted);
        let proof = proof.expect("memory");
        proof.verify(&light).expect("holds");
        let message = proof_message(&proof, &genesis);
        let opened = proof.fields.iter().map(|field| (format!("{:02}", field.index), json!(hex(&field.bytes))));
        json!({
            "name": name, "proof": hex(&message.encode_to_vec()), "case_id": hex(&case(number).0),
            "height": proof.header.height, "time_ms": proof.header.time_ms, "block": header.id().to_string(),
            "exists": proof.root.is_some(), "fields": opened.collect::<Map<_, _>>(),
        })
    };
    json!({
        "genesis": text, "network": genesis.network.to_string(),
        "proofs": [
            vector("some fields", 1, &[0, 1, 10, 11, 16, 31]),
            vector("all fields", 2, &(0..32).collect::<Vec<_>>()),
            vector("no fields", 3, &[]),
            vector("no such case", 99, &[]),
        ],
    })
}

#[test]
fn the_vectors_for_clients_hold() {
    let actual = json!({
        "about": "For who writes a client; see SIGNING.md. Bytes are hexadecimal digits, 64-bit numbers are text. \
            Fields that are not named have their default. Changing a value here means that old signatures or proofs no \
            longer verify.",
        "keys": keys(),
        "case_ids": case_ids(),
        "commitments": commitments(),
        "slots": slots(),
        "items": item_vectors(),
        "transactions": transaction_vectors(),
        "refused": refused_vectors(),
        "proofs": proofs(),
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors.json");
    if std::env::var_os("LAUFZETTEL_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&actual).expect("a value");
        std::fs::write(&path, text + "\n").expect("docs can be written");
    }
    let text = std::fs::read_to_string(&path).expect("the vectors are committed");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    differ("vectors.json", &expected, &actual);
}

fn differ(at: &str, expected: &Value, actual: &Value) {
    match (expected, actual) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().for_each(|(name, value)| differ(&format!("{at}/{name}"), value, &b[name]));
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(index, (a, b))| differ(&format!("{at}/{index}"), a, b));
        }
        _ => assert_eq!(expected, actual, "{at}: a format changed"),
    }
}

/// What stands left of `|` in the walk through `docs/SIGNING.md` is the transaction that it says it is, byte for byte.
#[test]
fn the_walk_in_signing_md_is_the_vector() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/SIGNING.md")).expect("docs");
    let (_, page) = page.split_once("## One transaction by hand").expect("the walk");
    let (walk, _) = page.split_once("\n## ").expect("a section after it");
    let blocks = walk.split("```").skip(1).step_by(2).map(|block| {
        let lines = block.lines().filter_map(|line| line.split_once('|'));
        lines.flat_map(|(bytes, _)| bytes.split_whitespace()).collect::<String>()
    });
    let (_, _, signed) = transactions().into_iter().find(|one| one.0 == "two items").expect("the vector");
    let mut sign_domain = crypto::sign_bytes(SIGN_DOMAIN, &[]);
    sign_domain.truncate(17);
    let [signature] = signed.signatures.as_slice() else { panic!("one signature") };
    let items = signed.items.iter().flatten().map(|item| hex(item));
    let rest = [hex(&signed.payload), hex(&sign_domain), hex(&signature.value)];
    assert_eq!(blocks.collect::<Vec<_>>(), items.chain(rest).collect::<Vec<_>>());
    let digests = signed.items.iter().flatten().map(|item| ItemDigest::of(item));
    let mut named: Vec<String> = digests.clone().map(|digest| digest.to_string()).collect();
    named.push(hex(&digests.last().expect("two items").slot("de-bamf")));
    named.push(signed.payload_digest().to_string());
    named.push(signature.key_id.to_string());
    named.push(hex(key(BAMF, "service").verifying_key().as_bytes()));
    for value in named {
        assert!(walk.contains(&format!("`{value}`")), "{value} is not in the walk");
    }
    let frame = |bytes: &[u8], tag: u8| {
        let mut frame = vec![tag << 3 | 2];
        prost::encoding::encode_varint(u64::try_from(bytes.len()).expect("short"), &mut frame);
        hex(&frame)
    };
    let whole = hex(&signed.to_proto().encode_to_vec());
    let items: Vec<&Vec<u8>> = signed.items.iter().flatten().collect();
    for (bytes, tag) in [(&signed.payload, 1), (items[0], 3), (items[1], 3)] {
        let frame = frame(bytes, tag);
        let (key, length) = frame.split_at(2);
        assert!(whole.contains(&format!("{frame}{}", hex(bytes))) && walk.contains(&format!("`{key} {length}`")));
    }
}
