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

#[path = "../fixture/mod.rs"]
mod fixture;

mod consensus;
mod items;
mod state;

use std::path::Path;

use fixture::{case, hex};
use laufzettel_chain::codec::{Canonical, Writer, decode, encode};
use laufzettel_chain::crypto::{self, SigningKey};
use laufzettel_chain::ids::{Address, EffectId, ItemDigest, KeyId, NetworkId, PayloadDigest, network_id};
use laufzettel_chain::merkle;
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
