//! What each fuzz target demands of a decoder: any bytes are refused or decode,
//! within the limits, without a panic; and what decodes encodes to the very
//! same bytes. The node's decoders are compiled from its own files: the node
//! itself would bring RocksDB and sockets, which say nothing here.
#![allow(dead_code, unused_imports, missing_docs, reason = "the node's files have more than is fuzzed")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a finding is a panic")]

#[path = "../../../node/src"]
mod node {
    pub mod eventlog;
    pub mod process;
    #[path = "consensus"]
    pub mod consensus {
        pub mod ledger;
        pub mod message;
        pub mod record;
        pub mod watermark;
    }
}
pub mod change;
#[path = "../../src/invariants/process/gains.rs"]
mod gains;
pub mod seeds;
mod snapshot;

// The node's files name each other from the root of the node.
use std::sync::LazyLock;

use node::{consensus, eventlog, process};

use laufzettel_chain::block::Block;
use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::{Canonical, decode, encode};
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{CaseId, ItemDigest, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::ledger::PROTOCOL_VERSION_MAX;
use laufzettel_chain::limits;
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use laufzettel_chain::tree::{self, StateKey};
use laufzettel_chain::validators::ValidatorSet;
use laufzettel_contracts::expression::{Expression, Schema};
use laufzettel_contracts::{ASYL_DE, Calendars, Choice, Code, Definition, Finding, Length, When, due};
use laufzettel_proto::v1;
use prost::Message as _;

/// A canonical value: decoded, it encodes to the same bytes.
fn canonical<T: Canonical>(bytes: &[u8]) -> Option<T> {
    let value = decode::<T>(bytes).ok()?;
    assert_eq!(encode(&value), bytes);
    Some(value)
}

/// An item.
pub fn item(bytes: &[u8]) {
    for protocol in 1..=PROTOCOL_VERSION_MAX {
        if let Ok(item) = Item::decode_in(bytes, protocol) {
            let proposes = matches!(item.action, Action::Propose(_));
            assert!(bytes.len() <= if proposes { limits::PROPOSE_ITEM_BYTES_MAX } else { limits::ITEM_BYTES_MAX });
            assert_eq!(item.digest, ItemDigest::of(bytes));
            assert_eq!(Item::encode_over(item.blinding, item.case, &item.action, item.over.as_ref()), bytes);
        }
    }
}

/// A payload.
pub fn payload(bytes: &[u8]) {
    if let Ok(payload) = Payload::decode(bytes) {
        assert_eq!(payload.encode(), bytes);
        assert!(payload.item_digests.len() <= limits::TRANSACTION_ITEMS_MAX);
    }
}

fn judged(signed: &SignedTransaction) {
    if let Ok(transaction) = signed.decode() {
        assert_eq!(transaction.payload.encode(), signed.payload);
        assert!(signed.size() <= limits::TRANSACTION_BYTES_MAX);
    }
}

/// A signed transaction: the first byte chooses how it came.
pub fn transaction(bytes: &[u8]) {
    let Some((way, bytes)) = bytes.split_first() else { return };
    if way % 2 == 0 {
        let Ok(message) = v1::SignedTransaction::decode(bytes) else { return };
        let Ok(signed) = SignedTransaction::from_proto(message) else { return };
        assert_eq!(SignedTransaction::from_proto(signed.to_proto()).unwrap(), signed);
        judged(&signed);
        // What a client may send, a peer can be sent.
        assert_eq!(canonical::<SignedTransaction>(&encode(&signed)).as_ref(), Some(&signed));
    } else if let Some(signed) = canonical::<SignedTransaction>(bytes) {
        judged(&signed);
    }
}

/// A header, a block or a certificate.
pub fn block(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => drop(canonical::<Header>(bytes)),
        1 => {
            if let Some(block) = canonical::<Block>(bytes) {
                let _ = (block.id(), block.body.tx_root());
                block.body.transactions.iter().for_each(|signed| judged(signed));
            }
        }
        2 => drop(canonical::<Certificate>(bytes)),
        _ => drop(canonical::<ValidatorSet>(bytes)),
    }
}

/// A message of a peer.
pub fn message(bytes: &[u8]) {
    if let Ok(message) = consensus::message::Message::from_bytes(bytes) {
        assert_eq!(message.to_bytes(), bytes);
        let _ = message.name();
    }
}

/// One decided block with its certificate, as a sync response carries it.
pub fn sync(bytes: &[u8]) {
    use consensus::ledger::SyncEntry;
    if let Some(entry) = canonical::<SyncEntry>(bytes) {
        let validators = ValidatorSet::default();
        assert!(entry.certificate.verify(&entry.block.header, &validators).is_err(), "nobody signed it");
        let response = consensus::message::Message::SyncResponse(vec![entry]).to_bytes();
        assert!(consensus::message::Message::from_bytes(&response).is_ok());
    }
}

/// An entry of the consensus log, or a slot of the watermark.
pub fn log(bytes: &[u8]) {
    let _ = canonical::<consensus::record::LogRecord>(bytes);
    let _ = canonical::<consensus::watermark::Watermark>(bytes);
    if let Some(watermark) = consensus::watermark::Watermark::read_slot(bytes) {
        let (_, slot) = watermark.slot();
        assert_eq!(consensus::watermark::Watermark::read_slot(&slot), Some(watermark));
    }
}

/// A proof of the state tree: made of arbitrary bytes, it proves nothing.
pub fn proof(bytes: &[u8]) {
    let (root, key) = ([7; 32], StateKey::Case(CaseId([7; 16])));
    assert!(!tree::verify(&root, &key, None, bytes));
    assert!(!tree::verify(&root, &key, Some(&[1; 32]), bytes));
}

/// A snapshot's manifest or one of its chunks.
pub fn snapshot(bytes: &[u8]) {
    snapshot::run(bytes);
}

/// A genesis file.
pub fn genesis(bytes: &[u8]) {
    if let Ok(genesis) = Genesis::parse(bytes) {
        assert!(!genesis.registry.authorities.is_empty());
    }
}

fn explained(findings: &[Finding]) {
    assert!(!findings.is_empty(), "a refusal says why");
    for finding in findings {
        assert!(finding.line > 0 && finding.column > 0 && !finding.fix.is_empty(), "{finding}");
    }
}

/// A condition over the shipped definition: what reads, prints, and what was printed is the same condition.
pub fn expression(bytes: &[u8]) {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
        let checked = Definition::check(ASYL_DE).unwrap();
        let definition = &checked.definition;
        let names = ["appeal", "stop"].map(|name| Code::new(name).unwrap());
        let regimes = ["before", "after"].map(|name| Code::new(name).unwrap());
        Schema::new(definition.statuses(), definition.outcome_lists(), names, regimes)
    });
    let Some((way, bytes)) = bytes.split_first() else { return };
    let this = (way % 2 == 1).then_some("decision_issued");
    match Expression::check(&String::from_utf8_lossy(bytes), &SCHEMA, this) {
        Ok(expression) => {
            assert!(expression.cost() <= laufzettel_contracts::limits::EXPRESSION_COST_MAX);
            let _ = expression.verdict();
            let again = Expression::check(&expression.to_string(), &SCHEMA, this);
            assert_eq!(again.as_ref(), Ok(&expression), "{expression}");
        }
        Err(findings) => explained(&findings),
    }
}

/// A calendars text; what reads gives every area's end of a period, and the unknown seat's is the latest of them.
pub fn calendars(bytes: &[u8]) {
    let Some((head, bytes)) = bytes.split_first_chunk::<5>() else { return };
    match Calendars::check(&String::from_utf8_lossy(bytes)) {
        Ok(checked) => {
            let [unit, day @ ..] = *head;
            let (text, day) =
                (["P14D", "P10WD", "P1M", "P2W"][usize::from(unit % 4)], i32::from_be_bytes(day) % 200_000);
            let end = |choice: &Choice| {
                due(&checked.calendars, Length::parse(text).unwrap(), When::Day(day), choice).map(|due| due.day())
            };
            let ends = checked.calendars.areas().iter().map(|area| end(&Choice::Area(area.code.clone())));
            if let Ok(ends) = ends.collect::<Result<Vec<i32>, _>>() {
                assert_eq!(end(&Choice::Latest).ok(), ends.iter().max().copied());
                assert_eq!(end(&Choice::Earliest).ok(), ends.iter().min().copied());
            }
        }
        Err(findings) => explained(&findings),
    }
}

/// A process definition.
pub fn definition(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Definition::check(&text) {
        Ok(_) => assert!(text.len() <= laufzettel_contracts::limits::TEXT_BYTES_MAX),
        Err(findings) => explained(&findings),
    }
}

/// An event log; what can be derived from it must be a definition.
pub fn csv(bytes: &[u8]) {
    let Ok(log) = eventlog::EventLog::parse("fuzz.csv", bytes) else { return };
    let _ = (log.event_count(), log.interpreted.notes());
    if let Ok(text) = process::derive(&log, "fuzz") {
        Definition::check(&text).unwrap_or_else(|findings| panic!("{findings:?}\n{text}"));
    }
    let _ = TransactionId([0; 16]);
}
