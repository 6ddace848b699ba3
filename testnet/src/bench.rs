//! `testnet bench --quick`: first figures of a network of four processes and
//! the load on one machine. A transaction counts when it is final at the
//! client, durable and applied.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use laufzettel_proto::v1;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::cluster::Fault;
use crate::demo;
use crate::load::Load;

const CASES: u64 = 5_000;
const LONE: u64 = 200;
const RATE_TIME: Duration = Duration::from_secs(12);
const READ_TIME: Duration = Duration::from_secs(8);

/// The figures.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    lone_p50_ms: f64,
    lone_p99_ms: f64,
    single_tx_per_s: f64,
    batch_events_per_s: f64,
    status_reads_per_s: f64,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "lone event, submit to final     p50 {:.1} ms, p99 {:.1} ms", self.lone_p50_ms, self.lone_p99_ms)?;
        writeln!(f, "single-event transactions       {:.0} /s", self.single_tx_per_s)?;
        writeln!(f, "events, 100 in a transaction    {:.0} /s", self.batch_events_per_s)?;
        write!(f, "status reads                    {:.0} /s", self.status_reads_per_s)
    }
}

/// Runs the quick bench on a network of its own.
pub(crate) async fn quick() -> Result<Figures, Fault> {
    let folder = tempfile::tempdir()?;
    let mut cluster = demo::cluster(folder.path())?;
    cluster.start().await?;
    let load = Arc::new(Load::new(&cluster, CASES, 1).await?);
    eprintln!("opening {CASES} cases ...");
    load.open_cases().await?;
    eprintln!("lone events ...");
    let lone = lone(&load).await?;
    eprintln!("single-event transactions ...");
    let single_tx_per_s = rate(&load, 400, 1).await?;
    eprintln!("transactions of 100 events ...");
    let batch_events_per_s = rate(&load, 32, 100).await? * 100.0;
    eprintln!("status reads ...");
    let status_reads_per_s = reads(&load).await?;
    cluster.stop()?;
    let milliseconds = |quantile| lone.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Figures {
        lone_p50_ms: milliseconds(0.5),
        lone_p99_ms: milliseconds(0.99),
        single_tx_per_s,
        batch_events_per_s,
        status_reads_per_s,
    })
}

/// One event at a time, at each node in turn, each after a pause, so that the
/// network is idle when it comes; microseconds.
async fn lone(load: &Arc<Load>) -> Result<Histogram<u64>, Fault> {
    let mut histogram = Histogram::new(3)?;
    for number in 0..LONE {
        let station = load.station(number)?.clone();
        let (_, signed) = load.sign(&station, 1)?;
        let sent = Instant::now();
        crate::submit::submit_final(&mut station.client.clone(), &signed).await?;
        histogram.record(u64::try_from(sent.elapsed().as_micros())?)?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(histogram)
}

async fn rate(load: &Arc<Load>, at_once: u64, events: u64) -> Result<f64, Fault> {
    let started = Instant::now();
    let done = load.run(at_once, events, RATE_TIME).await?;
    Ok(done.len() as f64 / started.elapsed().as_secs_f64())
}

async fn reads(load: &Arc<Load>) -> Result<f64, Fault> {
    let (count, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let until = started + READ_TIME;
    let mut tasks = JoinSet::new();
    for worker in 0..64u64 {
        let (load, count) = (load.clone(), count.clone());
        tasks.spawn(async move {
            let mut client = load.station(worker)?.client.clone();
            let mut number = worker;
            while Instant::now() < until {
                number = number.wrapping_add(97);
                let case_id = load.case_bytes(number);
                let request = v1::GetCaseRequest { case_id, read_at: None, include_proof: false };
                let answer = client.cases.get_case(request).await?.into_inner();
                answer.view.ok_or("an answer without a case")?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), Fault>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}
