//! A whole network in one thread: the nodes' real driver and ledger over disks
//! that tear, links that break and clocks that differ, in virtual time. One
//! seed decides everything; the same seed gives the same trace.
//!
//! Read `world` (the loop), then `replica` (a node and its disk), `links` (the
//! network), `clients`, `script` and `votes` (who submits what), `mode` (what is special about a seed),
//! `liar` (how validators lie) and `checks` (what must hold). It must never draw a number from anywhere but the seed, nor read a clock but to say how long all seeds took.

mod broken;
mod checks;
mod clients;
mod disk;
pub(crate) mod genesis;
mod liar;
mod links;
mod mode;
mod replica;
mod script;
mod trace;
mod votes;
mod world;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

pub(crate) use broken::Broken;
use world::World;
use world::rest::Followed;

/// What one seed came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    /// What was special about it.
    pub(crate) mode: String,
    /// What did not hold; none if all did.
    pub(crate) violation: Option<String>,
    /// Whether more validators were unfit in the end than a network bears: it may stand still then.
    pub(crate) stuck: bool,
    /// Highest committed height.
    pub(crate) heights: u64,
    /// Highest round of a committed block.
    pub(crate) round_max: u32,
    pub(crate) transactions: usize,
    pub(crate) messages: u64,
    pub(crate) crashes: u64,
    /// How often liars told each of their lies.
    pub(crate) lies: BTreeMap<&'static str, u64>,
    /// Heights at which the ledger holds evidence of a double signature.
    pub(crate) evidence: usize,
    /// What followed from cases.
    pub(crate) followed: Followed,
    /// Blocks of liars that honest nodes refused because their execution panics.
    pub(crate) panics: u64,
    /// Clients that were told that nobody can execute their transaction.
    pub(crate) evicted: u64,
    pub(crate) virtual_ms: u64,
    /// Hash over everything that happened, in order.
    pub(crate) trace: String,
}

/// Runs one seed.
pub(crate) fn run(seed: u64, broken: Option<Broken>) -> Report {
    World::new(seed, broken).run()
}

/// How often each lie was told in all runs.
fn lies(reports: &[Report]) -> BTreeMap<&'static str, u64> {
    let mut all = BTreeMap::new();
    for (lie, count) in reports.iter().flat_map(|report| &report.lies) {
        let sum: &mut u64 = all.entry(*lie).or_default();
        *sum = sum.saturating_add(*count);
    }
    all
}

/// Runs all seeds on two threads, each simulation within one; failing ones say how to run them again.
#[allow(clippy::print_stdout, reason = "the report is the program's output")]
pub(crate) fn run_all(seeds: Range<u64>, json: bool) -> bool {
    let next = AtomicU64::new(seeds.start);
    let reports = Mutex::new(Vec::new());
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = run(seed, None);
                    reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.sort_by_key(|report| report.seed);
    let failed: Vec<&Report> = reports.iter().filter(|report| report.violation.is_some()).collect();
    if json {
        for report in &reports {
            println!("{}", serde_json::to_string(report).unwrap_or_default());
        }
    }
    let heights: u64 = reports.iter().map(|report| report.heights).sum();
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{} seeds, {} failed, {heights} heights in {seconds:.1} s", reports.len(), failed.len());
    let stuck: Vec<u64> = reports.iter().filter(|report| report.stuck).map(|report| report.seed).collect();
    if !stuck.is_empty() {
        eprintln!("more validators unfit than a network bears, which stood still: seeds {stuck:?}");
    }
    let lies = lies(&reports);
    if !json && !lies.is_empty() {
        eprintln!("{}", lies.iter().map(|(lie, count)| format!("{lie} {count}")).collect::<Vec<_>>().join(", "));
        eprintln!("evidence on the ledger: {}", reports.iter().map(|report| report.evidence).sum::<usize>());
        let followed = reports.iter().fold(Followed::default(), |sum, report| sum.and(report.followed));
        eprintln!("followed from cases: {followed:?}");
    }
    for report in &failed {
        let violation = report.violation.as_deref().unwrap_or_default();
        eprintln!("seed {} ({}): {violation}", report.seed, report.mode);
        eprintln!("again: testnet sim --seeds {}..{}", report.seed, report.seed.saturating_add(1));
    }
    failed.is_empty()
}
