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

#[path = "../fixture/mod.rs"]
mod fixture;
mod items;
mod proofs;
mod refused;

use std::path::Path;

use fixture::{BAMF, hex, key, key_id};
use items::{item_named, item_vectors, transaction_vectors, transactions};
use laufzettel_chain::crypto;
use laufzettel_chain::ids::{CaseId, ItemDigest};
use laufzettel_chain::transaction::SIGN_DOMAIN;
use proofs::proofs;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage as _, Value as Field};
use refused::refused_vectors;
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
    let mut digests = signed.items.iter().flatten().map(|item| ItemDigest::of(item));
    let mut named: Vec<String> = digests.clone().map(|digest| digest.to_string()).collect();
    named.push(hex(&digests.next_back().expect("two items").slot("de-bamf")));
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
