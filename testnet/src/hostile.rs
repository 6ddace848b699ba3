//! An honest client beside hostile ones: slow, silent, half open and greedy,
//! at the API and at the port for peers of one node. The honest one gets every
//! answer, the node's memory and descriptors stay bounded, its limits turn the
//! others away. How much slower the honest one gets is printed, not asserted.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod attackers;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use laufzettel_node::client::Client;
use laufzettel_node::endpoints::Endpoints;
use laufzettel_proto::v1;

use crate::cluster::Cluster;
use crate::demo;
use crate::e2e::turn;
use crate::load::Load;
use crate::submit::submit_final;
use attackers::{Attack, Target};

/// The node under attack, and the one whose key the attackers have.
const VICTIM: &str = "de-bamf";
const TRAITOR: &str = "de-bpol";
const CASES: u64 = 8;
/// Events of the honest client, one after the other, before and during the attack.
const EVENTS: u64 = 60;
/// Each so many events it connects anew.
const RECONNECT: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(60);
/// What the attackers may cost the node: the connections of one address, handshakes among peers, and some.
const DESCRIPTORS_MAX: usize = 256 + 16 + 64;
const MEMORY_MIB_MAX: u64 = 256;

/// Descriptors and resident memory, in MiB, of a process.
fn costs(pid: u32) -> (usize, u64) {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = resident.trim().trim_end_matches("kB").trim().parse().unwrap();
    (descriptors, kib / 1_024)
}

/// Microseconds of writes to final and of reads.
struct Honest {
    writes: Histogram<u64>,
    reads: Histogram<u64>,
}

impl Honest {
    fn line(&self) -> String {
        let ms = |histogram: &Histogram<u64>, quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        format!(
            "writes p50 {:.1} ms, p99 {:.1} ms; reads p50 {:.2} ms, p99 {:.2} ms",
            ms(&self.writes, 0.5),
            ms(&self.writes, 0.99),
            ms(&self.reads, 0.5),
            ms(&self.reads, 0.99)
        )
    }
}

/// Works as a case system does: an event, then what it says of the case; now and then over a new connection.
async fn work(cluster: &Cluster, load: &Load, events: u64) -> Honest {
    let mut honest = Honest { writes: Histogram::new(3).unwrap(), reads: Histogram::new(3).unwrap() };
    let author = load.stations.iter().find(|station| station.author.authority == VICTIM).unwrap().clone();
    let mut client = author.client.clone();
    for number in 0..events {
        if number % RECONNECT == 0 {
            let address = cluster.address(VICTIM).unwrap();
            client = Client::connect(&address, &cluster.net.profile(VICTIM)).await.unwrap();
        }
        let (_, signed) = load.sign(&author, 1).unwrap();
        let sent = Instant::now();
        let outcome = submit_final(&mut client, &signed).await.unwrap();
        honest.writes.record(u64::try_from(sent.elapsed().as_micros()).unwrap()).unwrap();
        assert!(outcome.receipts.iter().all(|receipt| receipt.applied), "{outcome:?}");
        let sent = Instant::now();
        let read_at = Some(v1::ReadAt { height: 0, min_height: outcome.height });
        let request = v1::GetCaseRequest {
            case_id: load.case_bytes(number),
            read_at,
            include_proof: false,
            ..v1::GetCaseRequest::default()
        };
        client.cases.get_case(request).await.unwrap().into_inner().view.unwrap();
        honest.reads.record(u64::try_from(sent.elapsed().as_micros()).unwrap()).unwrap();
    }
    honest
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not within {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_connections_do_not_hurt_the_others() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = demo::cluster(folder.path()).unwrap();
    cluster.start().await.unwrap();
    let load = Load::new(&cluster, CASES, 3).await.unwrap();
    load.open_cases().await.unwrap();
    // The attackers have the key of a validator: with and without them, it is not there itself.
    cluster.kill(TRAITOR).unwrap();
    let endpoints = Endpoints::read(&cluster.net.node_folder(VICTIM).join("data")).unwrap();
    // The first events find out that one validator is gone.
    work(&cluster, &load, 10).await;
    let before = costs(endpoints.pid);
    let alone = work(&cluster, &load, EVENTS).await;
    println!("alone:    {}", alone.line());

    let target = Target {
        from: [127, 0, 0, 1],
        api: endpoints.api.parse().unwrap(),
        peer: endpoints.peer.parse().unwrap(),
        authority: VICTIM.to_owned(),
        profile: cluster.net.profile(TRAITOR),
        node_key: cluster.net.node_folder(TRAITOR).join("keys/node.pem"),
        traitor: TRAITOR.to_owned(),
    };
    let attack = Attack::start(&target);
    // Everyone is at it before anything is measured.
    let seen = attack.seen.clone();
    until("the attackers are at work", || seen.all_at_work()).await;
    let attacked = work(&cluster, &load, EVENTS).await;
    let during = costs(endpoints.pid);
    println!("attacked: {}", attacked.line());
    let alone_seen = attack.alone.clone();
    for (what, closed) in [
        ("a connection without TLS is closed", &alone_seen.half_open_closed),
        ("a slow handshake is closed", &alone_seen.slow_closed),
        ("a TLS connection without HTTP/2 is closed", &alone_seen.silent_closed),
        ("a peer without Noise is closed", &alone_seen.peer_closed),
        ("a greedy client is turned away", &seen.greedy_refused),
    ] {
        until(what, || closed.load(Ordering::Relaxed) > 0).await;
    }
    assert_eq!(seen.stranger_connected.load(Ordering::Relaxed), 0, "a stranger got a link");
    assert!(seen.frames_sent.load(Ordering::Relaxed) > 1_000, "{seen:?}");
    let log = std::fs::read_to_string(cluster.net.node_folder(VICTIM).join("node.log")).unwrap();
    assert!(log.contains("clients are turned away"), "the log says it");
    assert!(!log.contains("panicked"), "{log}");
    attack.stop().await;

    let ratio = |quantile, of: fn(&Honest) -> &Histogram<u64>| {
        of(&attacked).value_at_quantile(quantile) as f64 / of(&alone).value_at_quantile(quantile) as f64
    };
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
        let (writes, reads) = (ratio(quantile, |of| &of.writes), ratio(quantile, |of| &of.reads));
        println!("ratio of {name}: writes {writes:.2}, reads {reads:.2}");
    }
    println!("descriptors {} -> {}, resident {} -> {} MiB", before.0, during.0, before.1, during.1);
    println!("{seen:?}");
    assert!(during.0 <= before.0 + DESCRIPTORS_MAX, "{} descriptors, {} before", during.0, before.0);
    assert!(during.1 <= before.1 + MEMORY_MIB_MAX, "{} MiB, {} before", during.1, before.1);
    // The traitor's node comes back under its key as if nothing had been.
    cluster.start().await.unwrap();
    work(&cluster, &load, 10).await;
    assert!(crate::roots::compare(&cluster).await.unwrap().equal);
    cluster.stop().unwrap();
}
