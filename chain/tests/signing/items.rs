//! Items and transactions of protocol version 1, edges of their values included, and their vectors.

use laufzettel_chain::crypto;
use laufzettel_chain::ids::{ItemDigest, NetworkId, TransactionId};
use laufzettel_chain::item::Item;
use laufzettel_chain::transaction::{Payload, SIGN_DOMAIN, SignedTransaction};
use laufzettel_proto::v1 as proto;
use prost::Message as _;
use proto::attribute::Value as Of;
use proto::item::Action as Wire;
use proto::when::At;
use serde_json::{Value, json};

use super::fields;
use super::fixture::{BAMF, TODAY, hex, key};

pub(crate) fn when(at: At) -> Option<proto::When> {
    Some(proto::When { at: Some(at) })
}

fn report(status: &str, at: At) -> proto::Report {
    proto::Report { status: status.to_owned(), occurred: when(at), ..proto::Report::default() }
}

fn attribute(name: &str, value: Of) -> proto::Attribute {
    proto::Attribute { name: name.to_owned(), value: Some(value) }
}

pub(crate) fn item_of(action: Wire) -> Vec<u8> {
    let (blinding, case_id) = (vec![0xb1; 16], vec![0xca; 16]);
    proto::Item { blinding, case_id, action: Some(action) }.encode_to_vec()
}

pub(crate) fn full_report() -> proto::Report {
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
pub(crate) fn items() -> Vec<(&'static str, Vec<u8>)> {
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

pub(crate) fn item_vectors() -> Value {
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

pub(crate) fn item_named(name: &str) -> Vec<u8> {
    items().into_iter().find(|item| item.0 == name).unwrap_or_else(|| panic!("no item {name}")).1
}

pub(crate) fn payload_over(items: &[Vec<u8>]) -> Payload {
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
pub(crate) fn signed_by(payload: &Payload, items: &[Vec<u8>], purposes: &[&str]) -> SignedTransaction {
    let one = |purpose: &&str| payload.sign(items.to_vec(), &key(BAMF, purpose));
    let mut all = purposes.iter().map(one);
    let mut signed = all.next().expect("at least one");
    signed.signatures.extend(all.flat_map(|signed| signed.signatures));
    signed.signatures.sort_by_key(|signature| signature.key_id);
    signed
}

pub(crate) fn transactions() -> Vec<(&'static str, Vec<&'static str>, SignedTransaction)> {
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

pub(crate) fn transaction_vectors() -> Value {
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
