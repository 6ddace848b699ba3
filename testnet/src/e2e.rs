//! The promises of the product, kept by real processes and asked through their
//! API. One at a time: each is a network of its own, and the machine is small.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroUsize;

use laufzettel_node::eventlog::EventLog;
use laufzettel_node::process;
use tokio::sync::{Mutex, MutexGuard};

use crate::replay::generate::generate;
use crate::replay::run::{Wish, run};
use crate::{demo, restart};

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

async fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().await
}

/// A log with quotes, ties, gaps, zones, missing values and another order of
/// columns, through four processes and back from every one of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_generated_log_is_read_back_at_every_node_as_it_was_written() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..2 {
        let (log, definition) = (folder.path().join("log.csv"), folder.path().join("definition.toml"));
        let generated = generate(seed, 60);
        std::fs::write(&log, &generated.csv).unwrap();
        let derived = process::derive(&EventLog::read(&log).unwrap(), "generated").unwrap();
        std::fs::write(&definition, derived).unwrap();
        let nodes = NonZeroUsize::new(4).unwrap();
        let wish = Wish { log: &log, definition: &definition, nodes, seed, quiet: true };
        let report = run(&wish).await.unwrap();
        assert!(report.is_sound() && report.events > 100, "seed {seed}: {report}");
    }
}

/// kill -9 of a random node and of all four at once, under load, 20 times.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_final_is_lost_by_killing_nodes() {
    let _turn = turn().await;
    let report = restart::run(20, 7, true).await.unwrap();
    assert!(report.is_sound(), "{report}");
}

/// What the README shows first.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_runs_and_its_proof_verifies() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    demo::run::run(folder.path()).await.unwrap();
}
