//! How fast and at what cost transactions become final: one at a time, at a
//! fixed pace, and as many as go. One counts when it is final at the client,
//! durable and applied.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::figures::Figures;
use super::process::{Meter, Spent};
use super::work::{Signed, Work};
use crate::cluster::Fault;
use crate::roots;
use crate::submit::submit_final;

/// What was measured.
pub(crate) struct Rate {
    pub(crate) per_s: f64,
    pub(crate) events: f64,
    /// Blocks decided meanwhile.
    blocks: f64,
    latency_us: Histogram<u64>,
    spent: Spent,
}

impl Rate {
    /// Milliseconds within which this part of the calls was answered.
    pub(crate) fn ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1_000.0
    }
    /// Processor time of all nodes, microseconds.
    pub(crate) fn nodes_us(&self) -> f64 {
        self.spent.nodes_us
    }
    /// Puts the rate, its latencies, and what one event cost in processor time.
    pub(crate) fn put(&self, figures: &mut Figures, name: &str, rate: &str, of: &str) {
        figures.put(rate, self.per_s);
        figures.put(format!("{name}_p50_ms"), self.ms(0.5));
        figures.put(format!("{name}_p99_ms"), self.ms(0.99));
        self.put_cost(figures, name, of);
    }
    /// Puts how many events one block held.
    pub(crate) fn put_blocks(&self, figures: &mut Figures, name: &str) {
        figures.put(format!("{name}_events_per_block"), self.events / self.blocks.max(1.0));
        figures.put(format!("{name}_blocks_per_s"), self.blocks / self.spent.time.as_secs_f64());
    }
    /// Puts what one event cost in processor time.
    pub(crate) fn put_cost(&self, figures: &mut Figures, name: &str, of: &str) {
        let each = |us: f64| us / self.events.max(1.0);
        figures.put(format!("{name}_cpu_us_per_{of}"), each(self.spent.nodes_us + self.spent.load_us));
        figures.put(format!("{name}_cpu_us_per_{of}_load"), each(self.spent.load_us));
        for (thread, us) in self.spent.threads.iter().filter(|(_, us)| each(**us) >= 1.0) {
            figures.put(format!("{name}_cpu_us_per_{of}_{}", thread.replace([':', '-'], "_")), each(*us));
        }
    }
}

/// What the workers of a rate share.
pub(crate) struct Tally {
    /// 0 warming up, 1 measuring, 2 done.
    phase: AtomicU8,
    events: AtomicU64,
    latency_us: Mutex<Histogram<u64>>,
}

impl Tally {
    pub(crate) fn new() -> Result<Arc<Self>, Fault> {
        let latency_us = Mutex::new(Histogram::new(3)?);
        Ok(Arc::new(Self { phase: AtomicU8::new(0), events: AtomicU64::new(0), latency_us }))
    }
    pub(crate) fn goes_on(&self) -> bool {
        self.phase.load(Ordering::Relaxed) < 2
    }
    fn measures(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == 1
    }
    /// Counts an answer, if it came while measured.
    pub(crate) fn count(&self, events: u64, sent: Instant) -> Result<(), Fault> {
        if self.measures() { self.record(events, sent) } else { Ok(()) }
    }
    fn record(&self, events: u64, sent: Instant) -> Result<(), Fault> {
        self.events.fetch_add(events, Ordering::Relaxed);
        let us = u64::try_from(sent.elapsed().as_micros())?;
        Ok(self.latency_us.lock().unwrap_or_else(PoisonError::into_inner).record(us)?)
    }
    /// Lets the workers warm up, measures for a time, and waits for them to end.
    pub(crate) async fn measure(
        &self,
        mut tasks: JoinSet<Result<(), Fault>>,
        (work, nodes): (&Work, &[u32]),
        (warm_up, time): (Duration, Duration),
    ) -> Result<Rate, Fault> {
        let mut observer = work.station(0)?.client.clone();
        tokio::time::sleep(warm_up).await;
        let (meter, before) = (Meter::start(nodes)?, roots::height(&mut observer).await?);
        self.phase.store(1, Ordering::Relaxed);
        tokio::time::sleep(time).await;
        self.phase.store(2, Ordering::Relaxed);
        let (spent, after) = (meter.stop()?, roots::height(&mut observer).await?);
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        let latency_us = self.latency_us.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let events = self.events.load(Ordering::Relaxed) as f64;
        let blocks = after.saturating_sub(before) as f64;
        Ok(Rate { per_s: events / spent.time.as_secs_f64(), events, blocks, latency_us, spent })
    }
}

/// Submits one and waits until it is final; a refusal is a fault of the load.
async fn submit(signed: Signed) -> Result<(), Fault> {
    let outcome = submit_final(&mut signed.station.client.clone(), &signed.transaction).await?;
    match outcome.receipts.iter().find(|receipt| !receipt.applied) {
        None => Ok(()),
        Some(receipt) => Err(format!("the load was refused at height {}: {}", outcome.height, receipt.reason).into()),
    }
}

/// One event at a time, each after a pause, so that the network is idle when it comes.
pub(crate) async fn lone(work: &Arc<Work>, nodes: &[u32], count: u64) -> Result<Rate, Fault> {
    const PAUSE: Duration = Duration::from_millis(20);
    let (mut latency_us, meter) = (Histogram::new(3)?, Meter::start(nodes)?);
    for _ in 0..count {
        let signed = work.sign(1)?;
        let sent = Instant::now();
        submit(signed).await?;
        latency_us.record(u64::try_from(sent.elapsed().as_micros())?)?;
        tokio::time::sleep(PAUSE).await;
    }
    let spent = meter.stop()?;
    let events = count as f64;
    Ok(Rate { per_s: events / spent.time.as_secs_f64(), events, blocks: events, latency_us, spent })
}

/// As many as go: `at_once` transactions of `events` events are always under way.
pub(crate) async fn sustained(
    work: &Arc<Work>,
    nodes: &[u32],
    (at_once, events): (u64, u64),
    times: (Duration, Duration),
) -> Result<Rate, Fault> {
    let (tally, mut tasks) = (Tally::new()?, JoinSet::new());
    for _ in 0..at_once {
        let (work, tally) = (work.clone(), tally.clone());
        tasks.spawn(async move {
            while tally.goes_on() {
                let signed = work.sign(events)?;
                let (events, sent) = (signed.events, Instant::now());
                submit(signed).await?;
                tally.count(events, sent)?;
            }
            Ok(())
        });
    }
    tally.measure(tasks, (work, nodes), times).await
}

/// Single events at a fixed pace, whether or not the earlier ones are final.
pub(crate) async fn paced(
    work: &Arc<Work>,
    nodes: &[u32],
    per_s: u32,
    times: (Duration, Duration),
) -> Result<Rate, Fault> {
    let (tally, mut tasks) = (Tally::new()?, JoinSet::new());
    let (load, counted) = (work.clone(), tally.clone());
    tasks.spawn(async move {
        let mut sends = JoinSet::new();
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_s.max(1));
        while counted.goes_on() {
            ticks.tick().await;
            let (signed, counted, sent) = (load.sign(1)?, counted.clone(), Instant::now());
            // What is sent while measured counts whenever it is answered, so that the slowest are not left out.
            let counts = counted.measures();
            sends.spawn(async move {
                submit(signed).await?;
                if counts { counted.record(1, sent) } else { Ok(()) }
            });
            while let Some(done) = sends.try_join_next() {
                done??;
            }
        }
        while let Some(done) = sends.join_next().await {
            done??;
        }
        Ok::<(), Fault>(())
    });
    tally.measure(tasks, (work, nodes), times).await
}
