//! The promises of the product, kept by real processes and asked through their
//! API. One at a time: each is a network of its own, and the machine is small.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod asked;
mod foreign;
mod fresh;
mod hanging;
mod inbox;
mod kept;
mod operation;
mod voting;

use std::num::NonZeroUsize;
use std::process::Command;

use laufzettel_chain::ids::CaseId;
use laufzettel_node::eventlog::EventLog;
use laufzettel_node::process;
use tokio::sync::{Mutex, MutexGuard};

use crate::cluster::program;
use crate::replay::generate::generate;
use crate::replay::run::{Wish, run};
use crate::{demo, join, restart, story, torture};

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Waits for its turn.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
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

/// From an empty disk, under load, with kills while it joins and a chunk damaged at one server.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_from_a_snapshot_after_its_peers_pruned_the_past() {
    let _turn = turn().await;
    let wish = join::Wish { cases: 3_000, kills: 4, damage: true, seed: 3, quiet: true };
    let report = join::run(&wish).await.unwrap();
    assert!(report.is_sound(), "{report}");
}

/// Far behind, it joins anew by itself; and its watermark lets it vote again, but not twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_validator_behind_all_that_its_peers_keep_comes_back_and_votes() {
    let _turn = turn().await;
    let back = join::come_back(5).await.unwrap();
    assert!(back.is_sound(), "{back}");
}

/// Every kind of fault under load, for five minutes.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_final_is_lost_by_any_fault() {
    let _turn = turn().await;
    let report =
        torture::run(&torture::Wish { minutes: 5, seed: 1, only: None, law: false, quiet: true }).await.unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.faults().len(), 13, "{report}");
}

/// A motion stops a removal everywhere, with all well and with each of three things wrong.
#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_stop_reaches_all_or_nobody_is_told_that_there_is_none() {
    let _turn = turn().await;
    let motion = Some("interim_relief_filed".to_owned());
    let report = story::urgent_stop(&story::Wish { motion, circumstance: None, quiet: true }).await.unwrap();
    assert!(report.is_sound(), "{}", serde_json::to_string_pretty(&report).unwrap());
    let runs = report.runs();
    let circumstances: Vec<_> = runs.iter().map(|(_, circumstance, _)| *circumstance).collect();
    assert_eq!(circumstances, ["healthy", "node-dead", "enforcer-cut-off", "reporter-cut-off"]);
    assert!(runs.iter().all(|(_, _, steps)| *steps > 25), "{runs:?}");
    // The other motion is told to others: by the process the court is no recipient of it.
    let (motion, circumstance) = (Some("subsequent_application_filed".to_owned()), Some("healthy".to_owned()));
    let report = story::urgent_stop(&story::Wish { motion, circumstance, quiet: true }).await.unwrap();
    assert!(report.is_sound(), "{}", serde_json::to_string_pretty(&report).unwrap());
}

/// What followed from a report is withdrawn, and comes back, with it; deviations silence nothing; due work wakes all.
#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_corrections_holds() {
    let _turn = turn().await;
    let report = story::corrections::run(true).await.unwrap();
    assert!(report.is_sound() && report.steps() == 27, "{report}: {:#?}", report.failed());
}

/// What a draft would change is what the reports say and what a network under the draft shows; the node goes on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_tried_on_the_cases_of_a_running_network() {
    let _turn = turn().await;
    let wish = story::simulate::Wish { cases: 200, seed: 7, quiet: true };
    let report = story::simulate::run(&wish).await.unwrap();
    assert!(report.is_sound(), "{report}");
}

/// What the README shows first.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_runs_and_its_proof_verifies() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    demo::run::run(folder.path()).await.unwrap();
}

/// Runs the node's program as a person would; exit code and standard output.
fn command(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program().unwrap()).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The way of a clerk at a terminal, and every documented exit code.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_works_and_its_exit_codes_are_true() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = demo::cluster(&folder.path().join("network")).unwrap();
    cluster.start().await.unwrap();
    let profile = cluster.net.profile("sn-lds").display().to_string();
    let with = |arguments: &[&str]| command(&[arguments, &["--profile", &profile, "--output", "json"]].concat());
    let (code, out) = with(&["submit", "--status", "application_made", "--open", "asyl-de@1"]);
    assert_eq!(code, Some(0), "{out}");
    let (code, out) = with(&["case", "list"]);
    let case = CaseId::parse(out.split('"').find(|part| CaseId::parse(part).is_some()).unwrap_or_default());
    let case = case.unwrap_or_else(|| panic!("exit {code:?}, no case in {out}")).to_string();
    let proof = folder.path().join("case.proof").display().to_string();
    assert_eq!(with(&["case", "show", &case, "--proof", &proof]).0, Some(0));
    assert_eq!(with(&["case", "events", &case]).0, Some(0));
    assert_eq!(with(&["status"]).0, Some(0));
    // 1: another authority's status; 2: no such flag; 4: a proof that was tampered with.
    assert_eq!(with(&["submit", "--status", "hearing_held", "--case", &case]).0, Some(1));
    assert_eq!(with(&["case", "show", &case, "--no-such-flag"]).0, Some(2));
    let genesis = cluster.net.folder.join("genesis.toml").display().to_string();
    let verify = ["verify", "--genesis", &genesis, &proof];
    assert_eq!(command(&verify).0, Some(0));
    let mut bytes = std::fs::read(&proof).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&proof, bytes).unwrap();
    assert_eq!(command(&verify).0, Some(4));
    cluster.stop().unwrap();
    // 3: nobody answers any more.
    assert_eq!(with(&["status"]).0, Some(3));
}
