//! `testnet bench`: what a network of four processes and the load on one
//! machine do, and what an event costs. Each figure is of this run and this
//! machine; docs/PERFORMANCE.md says what each means and holds those measured.

mod alone;
mod escalations;
mod faults;
mod figures;
mod growth;
pub(crate) mod inbox;
mod networks;
mod plan;
mod postgres;
mod process;
mod rates;
mod reads;
mod rules;
mod storm;
mod work;

use std::sync::Arc;
use std::time::Duration;

use laufzettel_chain::storage::rocks::RocksStore;
use laufzettel_chain::storage::{Family, Read as _};

use crate::cluster::{Cluster, Fault};
use crate::demo;
pub(crate) use figures::Figures;
use process::Meter;
use work::Work;

/// Transactions under way, and events of each.
const SINGLE: (u64, u64) = (400, 1);
const BATCH: (u64, u64) = (32, 100);
/// Of cases that lie far apart, those read: the cases of the single events.
const SEED: u64 = 1;
/// Sizes of the ledger that are compared.
const GROWTH: [u64; 2] = [10_000, 1_000_000];

/// How long each part runs.
struct Times {
    warm_up: Duration,
    rate: Duration,
    reads: Duration,
    idle: Duration,
    lone: u64,
    /// Cases of each part: enough for its events.
    single_cases: u64,
    batch_cases: u64,
    /// Faults and disk are measured, too.
    full: bool,
}

const QUICK: Times = Times {
    warm_up: Duration::from_secs(2),
    rate: Duration::from_secs(10),
    reads: Duration::from_secs(5),
    idle: Duration::from_secs(10),
    lone: 100,
    single_cases: 5_000,
    batch_cases: 10_000,
    full: false,
};

const FULL: Times = Times {
    warm_up: Duration::from_secs(5),
    rate: Duration::from_secs(30),
    reads: Duration::from_secs(30),
    idle: Duration::from_secs(60),
    lone: 400,
    single_cases: 14_000,
    batch_cases: 28_000,
    full: true,
};

/// Measures how the ledger's growth tells.
pub(crate) fn growth(small: bool) -> Result<Figures, Fault> {
    let [first, last] = GROWTH;
    growth::run(&if small { [first / 10, first] } else { [first, last] })
}

/// Measures what rules add to the cost of an event.
pub(crate) async fn rules(small: bool) -> Result<Figures, Fault> {
    let (cases, blocks) = if small { (4_000, 48) } else { (20_000, 160) };
    let mut figures = rules::run(&rules::Size { cases, blocks })?;
    if !small {
        networks::run(&mut figures).await?;
    }
    Ok(figures)
}

/// Measures a storm of deadlines.
pub(crate) async fn storm(small: bool) -> Result<Figures, Fault> {
    let mut figures = storm::run(if small { 10_000 } else { 100_000 })?;
    if !small {
        escalations::run(&mut figures, 100_000).await?;
    }
    Ok(figures)
}

/// Measures the rate of transactions with many events and the catch-up after it, and nothing else: what a profile of
/// them needs.
pub(crate) async fn batch(quick: bool) -> Result<Figures, Fault> {
    let times = if quick { QUICK } else { FULL };
    let folder = tempfile::tempdir()?;
    let mut cluster = demo::cluster(folder.path())?;
    cluster.start().await?;
    let (nodes, all) = (cluster.processes(), cluster.nodes().to_vec());
    let work = Work::new(&cluster, &all, times.batch_cases, SEED).await?;
    let work = Arc::new(work.from(0, u64::MAX / 4));
    let mut figures = Figures::new();
    eprintln!("opening {} cases ...", times.batch_cases);
    work.open_cases().await?;
    eprintln!("transactions of {} events ...", BATCH.1);
    let events = rates::sustained(&work, &nodes, BATCH, (times.warm_up, times.rate)).await?;
    events.put(&mut figures, "batch", "batch_events_per_s", "event");
    events.put_blocks(&mut figures, "batch");
    memory(&cluster, &mut figures)?;
    let others: Vec<String> = all.iter().take(all.len().saturating_sub(1)).cloned().collect();
    eprintln!("catching up ...");
    let away = Work::new(&cluster, &others, times.single_cases, SEED).await?;
    let away = Arc::new(away.from(times.batch_cases, u64::MAX / 4 * 3));
    away.open_cases().await?;
    faults::catch_up(&mut cluster, &mut figures, &away, (times.warm_up, times.rate)).await?;
    cluster.stop()?;
    Ok(figures)
}

/// Runs the bench on a network of its own.
pub(crate) async fn run(quick: bool, postgres: bool) -> Result<Figures, Fault> {
    let times = if quick { QUICK } else { FULL };
    let folder = tempfile::tempdir()?;
    let mut cluster = demo::cluster(folder.path())?;
    cluster.start().await?;
    let mut figures = Figures::new();
    idle(&cluster, &mut figures, &times).await?;
    let events = load(&cluster, &mut figures, &times).await?;
    memory(&cluster, &mut figures)?;
    if times.full {
        faults(&mut cluster, &mut figures, &times).await?;
    }
    eprintln!("restart ...");
    faults::restart(&mut cluster, &mut figures).await?;
    cluster.stop()?;
    if times.full {
        let observer = cluster.nodes().first().ok_or("a network without nodes")?;
        disk(&cluster, observer, events, &mut figures)?;
    }
    drop(cluster);
    if postgres {
        eprintln!("postgres ...");
        let cases = (times.single_cases, times.batch_cases);
        postgres::compare(&mut figures, cases, SINGLE.0, BATCH, times.rate)?;
    }
    Ok(figures)
}

/// What nodes use with nothing to do.
async fn idle(cluster: &Cluster, figures: &mut Figures, times: &Times) -> Result<(), Fault> {
    eprintln!("idle ...");
    tokio::time::sleep(times.warm_up).await;
    let meter = Meter::start(&cluster.processes())?;
    tokio::time::sleep(times.idle).await;
    let spent = meter.stop()?;
    // The busiest node counts.
    figures.put("idle_cpu_pct", spent.busiest_us / spent.time.as_secs_f64() / 10_000.0);
    Ok(())
}

/// The rates of a network without faults; how many items were committed.
async fn load(cluster: &Cluster, figures: &mut Figures, times: &Times) -> Result<f64, Fault> {
    let (nodes, all) = (cluster.processes(), cluster.nodes().to_vec());
    let single = Arc::new(Work::new(cluster, &all, times.single_cases, SEED).await?);
    let batch = Work::new(cluster, &all, times.batch_cases, SEED).await?;
    let batch = Arc::new(batch.from(times.single_cases, u64::MAX / 4));
    eprintln!("opening {} cases ...", times.single_cases + times.batch_cases);
    single.open_cases().await?;
    batch.open_cases().await?;
    eprintln!("lone events ...");
    let lone = rates::lone(&single, &nodes, times.lone).await?;
    figures.put("lone_p50_ms", lone.ms(0.5));
    figures.put("lone_p99_ms", lone.ms(0.99));
    lone.put_cost(figures, "lone", "event");
    eprintln!("single-event transactions ...");
    let rate = rates::sustained(&single, &nodes, SINGLE, (times.warm_up, times.rate)).await?;
    rate.put(figures, "single", "single_tx_per_s", "event");
    rate.put_blocks(figures, "single");
    eprintln!("transactions of {} events ...", BATCH.1);
    let events = rates::sustained(&batch, &nodes, BATCH, (times.warm_up, times.rate)).await?;
    events.put(figures, "batch", "batch_events_per_s", "event");
    events.put_blocks(figures, "batch");
    eprintln!("status reads ...");
    let reads = reads::cases(&single, &nodes, false, (times.warm_up, times.reads)).await?;
    reads.put(figures, "status", "status_reads_per_s", "read");
    eprintln!("reads with proof ...");
    let proofs = reads::cases(&single, &nodes, true, (times.warm_up, times.reads)).await?;
    proofs.put(figures, "proof", "proof_reads_per_s", "read");
    Ok((times.single_cases + times.batch_cases + single.signed_events() + batch.signed_events()) as f64)
}

fn memory(cluster: &Cluster, figures: &mut Figures) -> Result<(), Fault> {
    let mut most = 0.0_f64;
    for node in cluster.processes() {
        most = most.max(process::resident_mb(node)?);
    }
    figures.put("rss_mb", most);
    Ok(())
}

async fn faults(cluster: &mut Cluster, figures: &mut Figures, times: &Times) -> Result<(), Fault> {
    let (_, others) = cluster.nodes().split_last().ok_or("a network without nodes")?;
    let others = others.to_vec();
    let cases = times.single_cases;
    let paced = Work::new(cluster, &others, cases, SEED).await?;
    let paced = Arc::new(paced.from(times.single_cases + times.batch_cases, u64::MAX / 4 * 2));
    paced.open_cases().await?;
    eprintln!("one validator dead ...");
    faults::one_dead(cluster, figures, &paced, (times.warm_up, times.rate)).await?;
    eprintln!("catching up ...");
    let away = Work::new(cluster, &others, cases, SEED).await?;
    let away = Arc::new(away.from(times.single_cases + times.batch_cases + cases, u64::MAX / 4 * 3));
    away.open_cases().await?;
    faults::catch_up(cluster, figures, &away, (times.warm_up, times.rate)).await
}

/// Bytes a node keeps of an event, after its store was compacted. The events of the faults are not counted, so the
/// figure is measured on what the ledger says it holds.
fn disk(cluster: &Cluster, node: &str, least: f64, figures: &mut Figures) -> Result<(), Fault> {
    let data = cluster.net.node_folder(node).join("data");
    let before = process::folder_bytes(&data)?;
    let store = RocksStore::open(&data.join("db"))?;
    store.compact()?;
    let events = items(&store)? as f64;
    drop(store);
    if events < least {
        return Err(format!("{events} items are on the ledger, {least} were final").into());
    }
    figures.put("items_on_ledger", events);
    figures.put("bytes_per_event_before_compaction", before as f64 / events);
    figures.put("bytes_per_event", process::folder_bytes(&data)? as f64 / events);
    Ok(())
}

/// Items a store holds.
fn items(store: &RocksStore) -> Result<usize, Fault> {
    const AT_ONCE: usize = 10_000;
    let (mut count, mut from) = (0, Vec::new());
    loop {
        let rows = store.scan(Family::Items, &from, &[0xff; 17], AT_ONCE)?;
        count += rows.len();
        match rows.into_iter().last() {
            Some((key, _)) => from = [key.as_slice(), &[0]].concat(),
            None => return Ok(count),
        }
    }
}
