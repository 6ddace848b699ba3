//! `testnet bench --growth`: what a block and a query cost a node as its ledger
//! grows, by the clock.

use std::sync::Arc;
use std::time::Instant;

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use laufzettel_chain::codec::encode;
use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::Action;
use laufzettel_chain::proof;
use laufzettel_chain::query;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_contracts::{Code, Report, When};
use laufzettel_node::clock;

use super::alone::Alone;
use super::figures::Figures;
use super::process;
use crate::cluster::Fault;
use crate::submit::blinding;

const DAY_MS: u64 = 86_400_000;
/// Items of one transaction while the ledger is filled, and transactions of one block.
const FILL: (u64, u64) = (250, 8);
/// Events of a measured transaction, and transactions of a measured block.
const MEASURED: (u64, u64) = (100, 10);
/// Blocks measured, and queries.
const BLOCKS: u64 = 60;
const QUERIES: u64 = 4_000;
/// The reception, by its place: it may report all that is reported here.
const RECEPTION: usize = 1;
/// What is reported in a case before it is measured.
const STATUS: &str = "reception_registered";

/// A ledger that grows.
struct Grown {
    alone: Alone,
    cases: u64,
    transactions: u64,
    events: u64,
}

/// How long a block took in each part, microseconds.
struct Took {
    build: Histogram<u64>,
    validate: Histogram<u64>,
    commit: Histogram<u64>,
}

fn case(number: u64) -> CaseId {
    CaseId(blinding(1, &TransactionId([0xca; 16]), number))
}

impl Grown {
    fn sign(&mut self, actions: Vec<(CaseId, Action)>) -> Result<Arc<SignedTransaction>, Fault> {
        self.transactions += 1;
        self.events += actions.len() as u64;
        self.alone.sign(RECEPTION, clock::now_ms(), actions)
    }
    /// Opens cases and reports in them until there are so many.
    fn fill(&mut self, cases: u64, bar: &ProgressBar) -> Result<(), Fault> {
        let today = i32::try_from(clock::now_ms() / DAY_MS)?;
        let report = Report::new(Code::new(STATUS)?, When::Day(today - 9));
        let per_transaction = FILL.0 / 2;
        while self.cases < cases {
            let mut transactions = Vec::new();
            for _ in 0..FILL.1 {
                let mut actions = Vec::new();
                for number in self.cases..cases.min(self.cases + per_transaction) {
                    let open = Action::OpenCase { definition: "asyl-de".to_owned(), version: 1 };
                    actions.push((case(number), open));
                    actions.push((case(number), Action::Report(report.clone())));
                }
                self.cases = cases.min(self.cases + per_transaction);
                if !actions.is_empty() {
                    transactions.push(self.sign(actions)?);
                }
            }
            self.alone.grow(clock::now_ms(), &transactions)?;
            bar.set_position(self.cases);
        }
        Ok(())
    }
    /// Blocks of events on cases far apart.
    fn measure_blocks(&mut self) -> Result<Took, Fault> {
        let today = i32::try_from(clock::now_ms() / DAY_MS)?;
        let report = Report::new(Code::new("health_step")?, When::Day(today));
        let mut took = Took { build: Histogram::new(3)?, validate: Histogram::new(3)?, commit: Histogram::new(3)? };
        for _ in 0..BLOCKS {
            let mut transactions = Vec::new();
            for _ in 0..MEASURED.1 {
                let first = self.transactions.wrapping_mul(2_654_435_761);
                let at = |event: u64| case(first.wrapping_add(event.wrapping_mul(7_919)) % self.cases.max(1));
                let actions = (0..MEASURED.0).map(|event| (at(event), Action::Report(report.clone()))).collect();
                transactions.push(self.sign(actions)?);
            }
            let block = self.alone.block(clock::now_ms(), &transactions)?;
            took.build.record(u64::try_from(block.build.as_micros())?)?;
            took.validate.record(u64::try_from(block.validate.as_micros())?)?;
            took.commit.record(u64::try_from(block.commit.as_micros())?)?;
        }
        Ok(took)
    }
    /// Reads cases far apart, with and without a proof; microseconds of each.
    fn measure_queries(&self) -> Result<(Histogram<u64>, Histogram<u64>), Fault> {
        let (mut status, mut proofs) = (Histogram::new(3)?, Histogram::new(3)?);
        let ledger = &self.alone.ledger;
        let tip = ledger.tip();
        let certificate = tip.certificate.clone().ok_or("a tip without a certificate")?;
        for number in 0..QUERIES {
            let id = case(number.wrapping_mul(2_654_435_761) % self.cases.max(1));
            let start = Instant::now();
            let snapshot = ledger.store().snapshot();
            query::case(snapshot.as_ref(), ledger.registry(), &id)?.ok_or("a case is gone")?;
            status.record(u64::try_from(start.elapsed().as_micros())?)?;
            if number % 8 == 0 {
                let start = Instant::now();
                let proof = proof::prove(snapshot.as_ref(), tip.header.clone(), certificate.clone(), &id, &[16, 20])?;
                proofs.record(u64::try_from(start.elapsed().as_micros())?)?;
                if proof.root.is_none() || encode(&proof).is_empty() {
                    return Err("a proof proves nothing".into());
                }
            }
        }
        Ok((status, proofs))
    }
}

/// Fills a ledger with so many cases, then with more, and compares what a block and a query take.
pub(super) fn run(sizes: &[u64]) -> Result<Figures, Fault> {
    let mut figures = Figures::new();
    let folder = tempfile::tempdir()?;
    let alone = Alone::open(folder.path(), vec![laufzettel_contracts::ASYL_DE.to_owned()])?;
    let mut grown = Grown { alone, cases: 0, transactions: 0, events: 0 };
    let mut all = Vec::new();
    for size in sizes {
        let bar =
            ProgressBar::new(*size).with_style(ProgressStyle::with_template("{pos}/{len} cases {wide_bar} {eta}")?);
        let (began, events) = (Instant::now(), grown.events);
        let cpu = process::used(std::process::id())?;
        grown.fill(*size, &bar)?;
        bar.finish_and_clear();
        let rate = (grown.events - events) as f64 / began.elapsed().as_secs_f64();
        figures.put(format!("growth_{size}_fill_events_per_s"), rate);
        let us = process::used(std::process::id())?.since(&cpu);
        figures.put(format!("growth_{size}_fill_cpu_us_per_event"), us / (grown.events - events).max(1) as f64);
        let (cpu, events) = (process::used(std::process::id())?, grown.events);
        let took = grown.measure_blocks()?;
        let us = process::used(std::process::id())?.since(&cpu);
        figures.put(format!("growth_{size}_block_cpu_us_per_event"), us / (grown.events - events).max(1) as f64);
        let (status, proofs) = grown.measure_queries()?;
        let parts = [
            ("build", took.build),
            ("validate", took.validate),
            ("commit", took.commit),
            ("query", status),
            ("proof", proofs),
        ];
        for (name, histogram) in &parts {
            for (quantile, at) in [("p50", 0.5), ("p99", 0.99)] {
                let us = histogram.value_at_quantile(at) as f64;
                figures.put(format!("growth_{size}_{name}_{quantile}_us"), us);
            }
        }
        let bytes = process::folder_bytes(&folder.path().join("db"))? as f64;
        figures.put(format!("growth_{size}_bytes_per_event"), bytes / grown.events.max(1) as f64);
        all.push(*size);
    }
    if let (Some(first), Some(last)) = (all.first(), all.last()) {
        for name in ["build_p50", "validate_p50", "commit_p50", "commit_p99", "query_p50", "query_p99", "proof_p50"] {
            let of = |size: &u64| figures.get(&format!("growth_{size}_{name}_us")).unwrap_or_default();
            figures.put(format!("growth_{name}_ratio"), of(last) / of(first).max(1.0));
        }
    }
    Ok(figures)
}
