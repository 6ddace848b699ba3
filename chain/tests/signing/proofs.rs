//! Proofs of a small network, from its genesis file.

use std::sync::Arc;

use laufzettel_chain::codec::encode;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::light::LightClient;
use laufzettel_chain::proof::{self, CaseProof};
use laufzettel_chain::query;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::transaction::Payload;
use laufzettel_proto::v1 as proto;
use prost::Message as _;
use serde_json::{Map, Value, json};

use super::fixture::{self, LDS, TOY, case, hex, key};

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

pub(crate) fn proofs() -> Value {
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
