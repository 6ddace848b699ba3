//! Scratch: what the ledger costs per event.
#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    missing_docs
)]
#[path = "../tests/fixture/mod.rs"]
mod fixture;
use fixture::*;
use laufzettel_chain::block::Block;
use laufzettel_chain::codec::{decode, encode};
use laufzettel_chain::ids::CaseId;
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::storage::Batch;
use laufzettel_chain::storage::{Store, mem::MemStore, rocks::RocksStore};
use laufzettel_chain::transaction::SignedTransaction;
use std::sync::Arc;

fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1000.0
}
fn all_cpu() -> f64 {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|t| {
            let text = std::fs::read_to_string(t.unwrap().path().join("schedstat")).unwrap();
            text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1000.0
        })
        .sum()
}
const STATUSES: [&str; 8] = [
    "application_made",
    "reception_registered",
    "identity_captured",
    "state_assigned",
    "application_registered",
    "arrival_certificate_issued",
    "health_step",
    "lodging_appointment_set",
];
fn cid(n: u64) -> CaseId {
    CaseId(blake3::hash(&n.to_be_bytes()).as_bytes()[..16].try_into().unwrap())
}

fn main() {
    let kind = std::env::args().nth(1).unwrap();
    let cases: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let per_tx: u64 = std::env::args().nth(3).unwrap().parse().unwrap();
    let txs: u64 = std::env::args().nth(4).unwrap().parse().unwrap();
    let blocks: u64 = std::env::args().nth(5).unwrap().parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> =
        if kind == "mem" { Arc::new(MemStore::default()) } else { Arc::new(RocksStore::open(dir.path()).unwrap()) };
    let mut ledger = Ledger::open(store.clone(), genesis(), false).unwrap();
    let mut id = 0u64;
    let mut n = 0;
    let mut time = ledger.tip().header.time_ms;
    while n < cases {
        let mut block = Vec::new();
        for _ in 0..8 {
            let mut items = Vec::new();
            while items.len() < 250 && n < cases {
                items.push(item(1_000_000_000 + n, cid(n), &opens("asyl-de")));
                n += 1;
            }
            id += 1;
            if !items.is_empty() {
                block.push(transaction(LDS, id, items));
            }
        }
        time += 100;
        let built = build(&ledger, time, &block);
        commit(&mut ledger, &built.block, built.executed);
    }
    let mut event = 0u64;
    let (mut admit, mut bd, mut va, mut co, mut dec) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let mut mk = 0.0;
    let start_all = all_cpu();
    for _ in 0..blocks {
        let a = cpu();
        let mut raw: Vec<Arc<SignedTransaction>> = Vec::new();
        for _ in 0..txs {
            let mut items = Vec::new();
            for _ in 0..per_tx {
                let (step, case) = (event / cases, (event * 7919) % cases);
                items.push(item(
                    event,
                    cid(case),
                    &Action::Report(on_day(STATUSES[step as usize % 8], -60 + step as i32)),
                ));
                event += 1;
            }
            id += 1;
            raw.push(transaction(LDS, id, items));
        }
        let b = cpu();
        mk += b - a;
        time += 100;
        for signed in &raw {
            ledger.judge(time).check(&signed.clone()).unwrap();
        }
        let c = cpu();
        admit += c - b;
        let built = build(&ledger, time, &raw);
        let d = cpu();
        bd += d - c;
        assert_eq!(built.block.body.transactions.len(), raw.len());
        let bytes = encode(built.block.as_ref());
        let block: Block = decode(&bytes).unwrap();
        let e = cpu();
        dec += e - d;
        let executed = ledger.validate(&block).unwrap();
        let f = cpu();
        va += f - e;
        let cert = certificate(&block.header);
        let f = {
            let _ = f;
            cpu()
        };
        ledger.commit(&block, executed, &cert, Batch::default()).unwrap();
        co += cpu() - f;
    }
    let all = all_cpu() - start_all;
    let per = |x: f64| x / event as f64;
    println!(
        "{kind} cases {cases} {per_tx}x{txs}x{blocks} events {event}: us/event make {:.1} admit {:.1} build {:.1} codec {:.1} validate {:.1} commit {:.1} background {:.1}",
        per(mk),
        per(admit),
        per(bd),
        per(dec),
        per(va),
        per(co),
        per(all - mk - admit - bd - dec - va - co)
    );
}
