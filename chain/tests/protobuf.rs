//! The one canonical protobuf encoding: the schema keeps to its rules, the
//! shapes in code are those of the schema, and every other encoding of a
//! payload or item is refused by the right name.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

mod fixture;

use std::collections::BTreeMap;

use laufzettel_chain::canonical::{self, CanonicalError, Shape};
use laufzettel_chain::ids::ItemDigest;
use laufzettel_chain::item::{Action, Item, ItemError};
use laufzettel_chain::transaction::{Payload, TransactionError};
use laufzettel_contracts::{AuthorityId, Report, Sealed, Value};
use proptest::prelude::*;
use prost::Message;

// ---- the schema, as far as the rules speak of it (descriptor.proto) ----

#[derive(Clone, PartialEq, Message)]
struct FileSet {
    #[prost(message, repeated, tag = "1")]
    files: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    messages: Vec<Described>,
    #[prost(string, tag = "12")]
    syntax: String,
}

#[derive(Clone, PartialEq, Message)]
struct Described {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    fields: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    nested: Vec<Described>,
    #[prost(message, repeated, tag = "8")]
    oneofs: Vec<Oneof>,
}

#[derive(Clone, PartialEq, Message)]
struct Oneof {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Field {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "3")]
    number: u32,
    #[prost(uint32, tag = "4")]
    label: u32,
    #[prost(uint32, tag = "5")]
    kind: u32,
    #[prost(string, tag = "6")]
    type_name: String,
    #[prost(int32, optional, tag = "9")]
    oneof: Option<i32>,
    #[prost(bool, tag = "17")]
    optional: bool,
}

const UINT64: u32 = 4;
const BOOL: u32 = 8;
const STRING: u32 = 9;
const MESSAGE: u32 = 11;
const BYTES: u32 = 12;
const UINT32: u32 = 13;
const SINT32: u32 = 17;
const SINT64: u32 = 18;
const REPEATED: u32 = 3;

fn described() -> BTreeMap<String, Described> {
    let set = FileSet::decode(laufzettel_proto::DESCRIPTOR_SET).expect("a descriptor set");
    let mut messages = BTreeMap::new();
    for file in set.files.into_iter().filter(|file| file.package == "laufzettel.v1") {
        assert_eq!(file.syntax, "proto3");
        for message in file.messages {
            messages.insert(format!("laufzettel.v1.{}", message.name), message);
        }
    }
    messages
}

fn check_shape(shape: &'static Shape, messages: &BTreeMap<String, Described>) {
    let message = messages.get(shape.name).unwrap_or_else(|| panic!("{} is not in the schema", shape.name));
    assert!(message.nested.is_empty(), "{}: neither nested messages nor maps", shape.name);
    assert!(message.oneofs.len() <= 1, "{}: at most one oneof", shape.name);
    let mut numbers: Vec<u32> = message.fields.iter().map(|field| field.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, shape.fields.iter().map(|field| field.0).collect::<Vec<_>>(), "{}", shape.name);
    let of_oneof: Vec<u32> = numbers.iter().copied().filter(|number| *number > 15).collect();
    assert_eq!(of_oneof, (16..).take(of_oneof.len()).collect::<Vec<_>>(), "{}: a gap in the oneof", shape.name);
    for field in &message.fields {
        let place = format!("{}.{}", shape.name, field.name);
        assert_eq!(field.oneof.is_some(), field.number > 15, "{place}: oneofs from 16, all else below");
        assert!(!field.optional, "{place}: no explicit presence");
        let scalars = [UINT64, BOOL, STRING, BYTES, UINT32, SINT32, SINT64];
        assert!(scalars.contains(&field.kind) || field.kind == MESSAGE, "{place}: no float, fixed, enum or group");
        if field.label == REPEATED {
            assert!(
                [STRING, BYTES, MESSAGE].contains(&field.kind),
                "{place}: a list of numbers could be packed or not"
            );
        }
        let known = shape.fields.iter().find(|known| known.0 == field.number).expect("compared above");
        assert_eq!(
            known.1.map(|nested| format!(".{}", nested.name)),
            (field.kind == MESSAGE).then(|| field.type_name.clone()),
            "{place}"
        );
        if let Some(nested) = known.1 {
            check_shape(nested, messages);
        }
    }
}

#[test]
fn the_schema_keeps_to_the_canonical_rules_and_the_shapes_are_the_schema() {
    let messages = described();
    check_shape(&canonical::PAYLOAD, &messages);
    check_shape(&canonical::ITEM, &messages);
}

// ---- other encodings of the same message ----

/// A message taken apart, so that it can be put together in another way.
#[derive(Debug, Clone)]
struct Part {
    tag: u32,
    content: Content,
    long_key: bool,
    long_length: bool,
}

#[derive(Debug, Clone)]
enum Content {
    Number(u64),
    Bytes(Vec<u8>),
    Message(&'static Shape, Vec<Part>),
}

fn take_varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (byte, rest) = bytes.split_first().expect("canonical bytes");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64, long: bool) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("7 bits") | 0x80);
        value >>= 7;
    }
    let last = u8::try_from(value).expect("7 bits");
    if long { out.extend([last | 0x80, 0]) } else { out.push(last) }
}

fn apart(shape: &'static Shape, mut bytes: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes);
        let tag = u32::try_from(key >> 3).expect("a tag");
        let content = if key & 7 == 0 {
            Content::Number(take_varint(&mut bytes))
        } else {
            let length = usize::try_from(take_varint(&mut bytes)).expect("a length");
            let (content, rest) = bytes.split_at(length);
            bytes = rest;
            match shape.fields.iter().find(|field| field.0 == tag).expect("a known tag").1 {
                Some(nested) => Content::Message(nested, apart(nested, content)),
                None => Content::Bytes(content.to_vec()),
            }
        };
        parts.push(Part { tag, content, long_key: false, long_length: false });
    }
    parts
}

fn together(parts: &[Part]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        let wire = u64::from(!matches!(part.content, Content::Number(_))) * 2;
        put_varint(&mut out, u64::from(part.tag) << 3 | wire, part.long_key);
        match &part.content {
            Content::Number(number) => put_varint(&mut out, *number, part.long_length),
            Content::Bytes(bytes) => {
                put_varint(&mut out, bytes.len() as u64, part.long_length);
                out.extend(bytes);
            }
            Content::Message(_, parts) => {
                let bytes = together(parts);
                put_varint(&mut out, bytes.len() as u64, part.long_length);
                out.extend(bytes);
            }
        }
    }
    out
}

/// Calls the change with every message inside, outermost first.
fn each(shape: &'static Shape, parts: &mut Vec<Part>, change: &mut dyn FnMut(&'static Shape, &mut Vec<Part>)) {
    change(shape, parts);
    for part in parts {
        if let Content::Message(nested, parts) = &mut part.content {
            each(nested, parts, change);
        }
    }
}

/// All ways to change exactly one message in one way; the change says how many
/// it knows for a message, and makes the one asked for.
fn changed(
    shape: &'static Shape,
    bytes: &[u8],
    ways: &dyn Fn(&'static Shape, &[Part]) -> usize,
    make: &dyn Fn(&'static Shape, &mut Vec<Part>, usize),
) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut count = 0;
    each(shape, &mut apart(shape, bytes), &mut |shape, parts| count += ways(shape, parts));
    for wanted in 0..count {
        let (mut parts, mut seen) = (apart(shape, bytes), 0);
        each(shape, &mut parts, &mut |shape, parts| {
            // What a change adds must not be counted again.
            let here = ways(shape, parts);
            if (seen..seen + here).contains(&wanted) {
                make(shape, parts, wanted - seen);
                seen = usize::MAX / 2;
            } else {
                seen += here;
            }
        });
        all.push(together(&parts));
    }
    all
}

fn refusal(shape: &'static Shape, bytes: &[u8]) -> CanonicalError {
    if std::ptr::eq(shape, &raw const canonical::PAYLOAD) {
        match Payload::decode(bytes) {
            Err(TransactionError::Payload(error)) => error,
            other => panic!("{bytes:02x?}: {other:?}"),
        }
    } else {
        match Item::decode(bytes) {
            Err(ItemError::Canonical(error)) => error,
            other => panic!("{bytes:02x?}: {other:?}"),
        }
    }
}

fn assert_not_canonical(shape: &'static Shape, bytes: &[u8], original: &[u8]) {
    match refusal(shape, bytes) {
        CanonicalError::NonCanonical { offset, .. } => {
            assert!(offset <= bytes.len() && bytes.starts_with(&original[..offset.min(original.len())]));
        }
        other => panic!("{bytes:02x?}: {other}"),
    }
}

fn check_unknown(shape: &'static Shape, bytes: &[u8]) {
    let unused = |shape: &'static Shape| (1..).find(|tag| shape.fields.iter().all(|field| field.0 != *tag));
    let unknown = changed(shape, bytes, &|_, _| 3, &|shape, parts, way| {
        let tag = match way {
            0 => unused(shape).expect("there is one"),
            1 => 500,
            _ => 36,
        };
        let at = if way == 1 { 0 } else { parts.len() };
        parts.insert(at, Part { tag, content: Content::Number(1), long_key: false, long_length: false });
    });
    for bytes in unknown {
        assert!(matches!(refusal(shape, &bytes), CanonicalError::UnknownField { .. }), "{bytes:02x?}");
    }
}

fn check_others(shape: &'static Shape, original: &[u8], schema: &BTreeMap<String, Described>) {
    let swaps =
        |parts: &[Part]| -> Vec<usize> { (1..parts.len()).filter(|at| parts[at - 1].tag != parts[*at].tag).collect() };
    let reordered = changed(shape, original, &|_, parts| swaps(parts).len(), &|_, parts, way| {
        let at = swaps(parts)[way];
        parts.swap(at - 1, at);
    });
    let overlong = changed(shape, original, &|_, parts| parts.len() * 2, &|_, parts, way| {
        let part = &mut parts[way / 2];
        if way % 2 == 0 { part.long_key = true } else { part.long_length = true }
    });
    // A plain field that is absent, written with its default; and one that is present, written twice.
    let absent = |shape: &'static Shape, parts: &[Part]| -> Vec<Field> {
        let fields = schema[shape.name].fields.iter();
        let plain = fields.filter(|field| field.number < 16 && field.label != REPEATED && field.kind != MESSAGE);
        plain.filter(|field| parts.iter().all(|part| part.tag != field.number)).cloned().collect()
    };
    let default = changed(shape, original, &|shape, parts| absent(shape, parts).len(), &|shape, parts, way| {
        let field = &absent(shape, parts)[way];
        let text = field.kind == STRING || field.kind == BYTES;
        let content = if text { Content::Bytes(Vec::new()) } else { Content::Number(0) };
        let at = parts.iter().take_while(|part| part.tag < field.number).count();
        parts.insert(at, Part { tag: field.number, content, long_key: false, long_length: false });
    });
    let singular = |shape: &'static Shape, parts: &[Part]| -> Vec<usize> {
        let plain =
            |tag: u32| schema[shape.name].fields.iter().any(|field| field.number == tag && field.label != REPEATED);
        (0..parts.len()).filter(|at| plain(parts[*at].tag)).collect()
    };
    let twice = changed(shape, original, &|shape, parts| singular(shape, parts).len(), &|shape, parts, way| {
        let at = singular(shape, parts)[way];
        let part = parts[at].clone();
        parts.insert(at, part);
    });
    for bytes in reordered.iter().chain(&overlong).chain(&default) {
        assert_not_canonical(shape, bytes, original);
    }
    for bytes in &twice {
        // A message given twice is merged; where its lists grow, the merged one may break a rule of its own.
        let refused = if std::ptr::eq(shape, &raw const canonical::PAYLOAD) {
            Payload::decode(bytes).is_err()
        } else {
            Item::decode(bytes).is_err()
        };
        assert!(refused, "{bytes:02x?}");
    }
}

fn full_report(number: i32) -> Report {
    let mut report = fixture::on_day("step", number);
    report.effective = Some(number);
    report.attributes.insert(fixture::code("a"), Value::Date(number));
    report.attributes.insert(fixture::code("b"), Value::Bool(false));
    report.attributes.insert(fixture::code("c"), Value::Integer(i64::from(number)));
    report.documents = vec![[1; 32], [2; 32]];
    let recipients = ["de-bamf", "sn-lds"].map(|id| AuthorityId::new(id).expect("an id")).to_vec();
    report.sealed = Some(Sealed { digest: [3; 32], recipients });
    report
}

#[test]
fn every_other_encoding_is_refused_by_its_name() {
    let schema = described();
    let actions = [
        fixture::opens("toy"),
        Action::Report(full_report(0)),
        Action::Report(fixture::at_ms("moment", 0)),
        Action::Correct { slot: [4; 32], report: full_report(-1) },
        Action::Retract { slot: [4; 32], reason: fixture::code("mistake") },
    ];
    for action in &actions {
        let bytes = fixture::item(1, fixture::case(1), action);
        Item::decode(&bytes).expect("this one is canonical");
        check_unknown(&canonical::ITEM, &bytes);
        check_others(&canonical::ITEM, &bytes, &schema);
    }
    let mut payload = fixture::payload(0, 1, &[vec![1], vec![2]]);
    for (incarnation, source) in [(0, ""), (3, "maris")] {
        payload.incarnation = incarnation;
        source.clone_into(&mut payload.source_system);
        let bytes = payload.encode();
        check_unknown(&canonical::PAYLOAD, &bytes);
        check_others(&canonical::PAYLOAD, &bytes, &schema);
    }
}

#[test]
fn a_later_field_is_named_before_anything_else_is_judged() {
    // Field 10 of a payload whose network is too short as well.
    let refused = Payload::decode(&[0x0a, 1, 0, 0x50, 1]);
    let expected = CanonicalError::UnknownField { message: "laufzettel.v1.TransactionPayload", tag: 10 };
    assert_eq!(refused, Err(TransactionError::Payload(expected)));
    let refused = Item::decode(&[0xa2, 2, 0]);
    let expected = CanonicalError::UnknownField { message: "laufzettel.v1.Item", tag: 36 };
    assert_eq!(refused, Err(ItemError::Canonical(expected)));
}

#[test]
fn fields_out_of_their_range_are_refused() {
    let good = fixture::payload(0, 1, &[vec![1]]);
    let with = |change: &dyn Fn(&mut Payload)| {
        let mut payload = good.clone();
        change(&mut payload);
        Payload::decode(&payload.encode())
    };
    assert!(with(&|_| ()).is_ok());
    assert!(with(&|payload| payload.authority = "DE".to_owned()).is_err());
    assert!(with(&|payload| payload.authority = String::new()).is_err());
    assert!(with(&|payload| payload.source_system = "x".repeat(33)).is_err());
    assert!(with(&|payload| payload.source_system = "Maris".to_owned()).is_err());
    assert!(with(&|payload| payload.item_digests.clear()).is_err());
    assert!(with(&|payload| payload.item_digests = vec![ItemDigest([1; 32]); 256]).is_ok());
    assert!(with(&|payload| payload.item_digests = vec![ItemDigest([1; 32]); 257]).is_err());
    let item = |change: &dyn Fn(&mut Report)| {
        let mut report = full_report(0);
        change(&mut report);
        Item::decode(&fixture::item(1, fixture::case(1), &Action::Report(report)))
    };
    assert!(item(&|_| ()).is_ok());
    assert!(item(&|report| report.documents.reverse()).is_err());
    assert!(item(&|report| report.documents = vec![[1; 32]; 2]).is_err());
    assert!(item(&|report| report.documents = (0..9).map(|n| [n; 32]).collect()).is_err());
    assert!(item(&|report| report.sealed.as_mut().expect("sealed").recipients.clear()).is_err());
    assert!(item(&|report| report.sealed.as_mut().expect("sealed").recipients.reverse()).is_err());
    let many = |report: &mut Report| {
        report.attributes = (0..17).map(|n| (fixture::code(&format!("a{n:02}")), Value::Bool(true))).collect();
    };
    assert!(item(&many).is_err());
    let open = |version| {
        let action = Action::OpenCase { definition: "toy".to_owned(), version };
        Item::decode(&fixture::item(1, fixture::case(1), &action))
    };
    assert!(open(1).is_ok() && open(0).is_err());
}

proptest! {
    #[test]
    fn attributes_out_of_order_are_refused(days in proptest::collection::vec(any::<i32>(), 2..6), at in any::<usize>()) {
        let mut report = fixture::on_day("step", 0);
        for (index, day) in days.iter().enumerate() {
            report.attributes.insert(fixture::code(&format!("a{index}")), Value::Date(*day));
        }
        let bytes = fixture::item(1, fixture::case(1), &Action::Report(report));
        let mut parts = apart(&canonical::ITEM, &bytes);
        let action = parts.last_mut().expect("an action");
        let Content::Message(_, report) = &mut action.content else { panic!("a report") };
        let first = report.iter().position(|part| part.tag == 6).expect("attributes");
        let at = first + at % (days.len() - 1);
        report.swap(at, at + 1);
        prop_assert!(matches!(Item::decode(&together(&parts)), Err(ItemError::Field(_))));
        let mut twice = apart(&canonical::ITEM, &bytes);
        if let Content::Message(_, report) = &mut twice.last_mut().expect("an action").content {
            let again = report[at].clone();
            report.insert(at, again);
        }
        prop_assert!(Item::decode(&together(&twice)).is_err());
    }
}
