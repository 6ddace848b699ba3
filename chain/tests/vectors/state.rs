//! A.5: the state of a chain of three blocks, its proofs, and the records of evidence.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{bytes, compare, written};
use crate::fixture;
use crate::fixture::{BAMF, LDS, POLICE, TODAY, TOY, case, code, hex, key, key_id};
use laufzettel_chain::evidence::Evidence;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{BlockId, ItemDigest, PayloadDigest, TransactionId};
use laufzettel_chain::ledger::{Ledger, genesis_header};
use laufzettel_chain::proof;
use laufzettel_chain::query;
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::state::{fields, submissions};
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Family, Read as _};
use laufzettel_chain::transaction::Payload;
use laufzettel_chain::tree::StateKey;
use laufzettel_chain::vote::{Signed, Vote, VoteType};
use laufzettel_contracts::When;
use serde_json::{Value, json};

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
