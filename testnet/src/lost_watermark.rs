//! A validator that lost its watermark: it says so and signs nothing; the
//! reset refuses what is not safe, and lets it sign again only above what the
//! network had reached. So does a start with an empty folder. At no height
//! does it sign twice.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::decode;
use laufzettel_chain::ids::{Address, CaseId, TransactionId};
use laufzettel_node::keys;
use laufzettel_proto::v1;

use crate::cluster::{Cluster, program};
use crate::demo;
use crate::e2e::turn;
use crate::submit::submit_final;

/// Who is asked; who loses it; another validator, whose absence later makes the first one's vote needed.
const FIRST: &str = "de-bamf";
const LOSER: &str = "sn-dresden";
const OTHER: &str = "de-bpol";
const PATIENCE: Duration = Duration::from_secs(60);

fn watermark(cluster: &Cluster, node: &str) -> PathBuf {
    cluster.net.node_folder(node).join("data/watermark")
}

fn reset(cluster: &Cluster, node: &str, arguments: &[&str]) -> Output {
    let home = cluster.net.node_folder(node);
    let mut command = Command::new(program().unwrap());
    command.arg("--home").arg(home).args(["--output", "json", "keys", "watermark", "reset"]).args(arguments);
    command.output().unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32, says: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in says {
        assert!(text.contains(part), "does not say {part:?}: {text}");
    }
}

async fn warnings(cluster: &Cluster, node: &str) -> String {
    let mut client = cluster.connect(node, node).await.unwrap();
    client.ledger.get_health(v1::GetHealthRequest {}).await.unwrap().into_inner().warnings.join("; ")
}

/// Who signed the block of this height, as the certificate at this node says.
async fn signers(cluster: &Cluster, node: &str, height: u64) -> Vec<Address> {
    let mut client = cluster.connect(node, node).await.unwrap();
    let answer = client.ledger.get_header(v1::GetHeaderRequest { height }).await.unwrap().into_inner();
    let certificate: Certificate = decode(&answer.head.unwrap().certificate).unwrap();
    certificate.signatures.iter().map(|(address, _)| *address).collect()
}

/// Makes a few blocks through the first node, with transactions numbered from here; the height of the last one.
async fn decide(cluster: &Cluster, from: u64, count: u64) -> u64 {
    let author = cluster.author(FIRST).unwrap();
    let mut client = cluster.connect(FIRST, FIRST).await.unwrap();
    let mut highest = 0;
    for number in from..from + count {
        let id = u128::from(number).to_be_bytes();
        let signed = crate::refused::good(&author, TransactionId(id), CaseId(id));
        highest = submit_final(&mut client, &signed).await.unwrap().height;
    }
    highest
}

async fn reach(cluster: &Cluster, node: &str, height: u64) {
    let mut client = cluster.connect(node, node).await.unwrap();
    let until = std::time::Instant::now() + PATIENCE;
    while crate::roots::height(&mut client).await.unwrap() < height {
        assert!(std::time::Instant::now() < until, "{node} does not reach {height}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn log(cluster: &Cluster, node: &str) -> String {
    std::fs::read_to_string(cluster.net.node_folder(node).join("node.log")).unwrap()
}

/// Missing, damaged, another validator's: it follows and signs nothing, and it says so.
async fn silent_whatever_lies_there(cluster: &mut Cluster, loser: &Address) {
    let foreign = std::fs::read(watermark(cluster, OTHER)).unwrap();
    let damaged = vec![0x5a; 8_192];
    for (turn, (says, bytes)) in
        [("is missing", None), ("is damaged", Some(damaged)), ("belongs to another validator", Some(foreign))]
            .into_iter()
            .enumerate()
    {
        if let Some(bytes) = bytes {
            std::fs::write(watermark(cluster, LOSER), bytes).unwrap();
        }
        cluster.start().await.unwrap();
        let warning = warnings(cluster, LOSER).await;
        assert!(warning.contains(says) && warning.contains("keys watermark reset"), "{warning}");
        let first = decide(cluster, 1_000 * (turn as u64 + 1), 1).await;
        let last = decide(cluster, 1_000 * (turn as u64 + 1) + 500, 3).await;
        reach(cluster, OTHER, last).await;
        for height in first..=last {
            assert!(!signers(cluster, OTHER, height).await.contains(loser), "signed {height} without a watermark");
        }
        reach(cluster, LOSER, last).await;
        cluster.kill(LOSER).unwrap();
    }
}

/// Resets, and the height above which it says that it signs.
fn reset_above(cluster: &Cluster) -> u64 {
    let output = reset(cluster, LOSER, &["--yes"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let above = answer["signs_above"].as_u64().unwrap();
    assert!(above > answer["reached"].as_u64().unwrap(), "{answer}");
    above
}

/// Makes blocks until one lies above this height; none up to it has the signature.
async fn pass(cluster: &Cluster, from: u64, above: u64, loser: &Address) -> u64 {
    let mut number = from;
    loop {
        let height = decide(cluster, number, 1).await;
        reach(cluster, OTHER, height).await;
        if height > above {
            reach(cluster, LOSER, height).await;
            return height;
        }
        assert!(!signers(cluster, OTHER, height).await.contains(loser), "signed {height}, not above {above}");
        number += 1;
    }
}

/// Started anew with nothing but keys and configuration: it takes itself for new, finds that the network is not, and
/// signs above all that it may have signed before.
async fn new_disk_without_a_reset(cluster: &mut Cluster, decided: u64, loser: &Address) {
    cluster.kill(LOSER).unwrap();
    std::fs::remove_dir_all(cluster.net.node_folder(LOSER).join("data")).unwrap();
    cluster.start().await.unwrap();
    pass(cluster, 60_000, decided + 2, loser).await;
    cluster.kill(LOSER).unwrap();
    cluster.start().await.unwrap();
    cluster.kill(OTHER).unwrap();
    let last = decide(cluster, 70_000, 1).await;
    assert!(signers(cluster, FIRST, last).await.contains(loser));
    cluster.start().await.unwrap();
    reach(cluster, OTHER, last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_watermark_silences_and_a_reset_lets_sign_above() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = demo::cluster(folder.path()).unwrap();
    cluster.start().await.unwrap();
    decide(&cluster, 1, 3).await;
    let key = keys::load(&cluster.net.node_folder(LOSER).join("keys/consensus.pem")).unwrap();
    let loser = Address::of(&key.verifying_key());

    refused(&reset(&cluster, LOSER, &["--yes"]), 1, &["another process uses the data folder", "data"]);
    cluster.kill(LOSER).unwrap();
    refused(&reset(&cluster, LOSER, &["--yes"]), 1, &["is in order", "watermark"]);
    std::fs::remove_file(watermark(&cluster, LOSER)).unwrap();
    refused(&reset(&cluster, LOSER, &[]), 2, &["--yes"]);
    silent_whatever_lies_there(&mut cluster, &loser).await;

    // Without the others there is no height to sign above.
    let others: Vec<String> = cluster.nodes().iter().filter(|node| *node != LOSER).cloned().collect();
    for node in &others {
        cluster.kill(node).unwrap();
    }
    refused(&reset(&cluster, LOSER, &["--yes", "--wait", "1"]), 3, &["more than a third", "[[peer]]"]);
    cluster.start_these(&others).await.unwrap();
    let silent = decide(&cluster, 10_000, 1).await;
    let above = reset_above(&cluster);
    assert!(above > silent);
    cluster.start().await.unwrap();
    pass(&cluster, 20_000, above, &loser).await;
    // With another one gone, nothing is decided without its vote.
    cluster.kill(OTHER).unwrap();
    let decided = decide(&cluster, 30_000, 2).await;
    assert!(signers(&cluster, FIRST, decided).await.contains(&loser));
    // The node looks at its driver a few times a second.
    let until = std::time::Instant::now() + PATIENCE;
    while warnings(&cluster, LOSER).await.contains("nothing is signed") {
        assert!(std::time::Instant::now() < until, "the warning does not pass");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cluster.start().await.unwrap();
    reach(&cluster, OTHER, decided).await;

    // A new disk: nothing is left but keys and configuration.
    cluster.kill(LOSER).unwrap();
    std::fs::remove_dir_all(cluster.net.node_folder(LOSER).join("data")).unwrap();
    let above = reset_above(&cluster);
    assert!(above > decided);
    cluster.start().await.unwrap();
    pass(&cluster, 40_000, above, &loser).await;
    cluster.kill(OTHER).unwrap();
    let decided = decide(&cluster, 50_000, 1).await;
    assert!(signers(&cluster, FIRST, decided).await.contains(&loser));
    cluster.start().await.unwrap();
    reach(&cluster, OTHER, decided).await;
    new_disk_without_a_reset(&mut cluster, decided, &loser).await;
    assert!(crate::roots::compare(&cluster).await.unwrap().equal);
    for node in cluster.nodes() {
        assert!(!log(&cluster, node).contains("contradict each other"), "{node} saw a double signature");
    }
    cluster.stop().unwrap();
}
