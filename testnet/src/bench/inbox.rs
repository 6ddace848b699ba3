//! `testnet bench --inbox`: how fast a node tells an authority what presses most, with 100,000 tasks open. One node as a
//! process over RocksDB with the whole asylum procedure; asked through its API as a case system would.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use laufzettel_node::localnet::{FOUR_AUTHORITIES, Member};
use laufzettel_proto::v1;

use super::figures::Figures;
use crate::cluster::{Cluster, Fault};
use crate::join::fill::{Content, fill};

/// An admission opens three tasks for the reception, and starts periods that it watches.
const CASES: u64 = 33_400;
/// So many days back the first case was admitted: periods are over, warn and run.
const CONTENT: Content =
    Content { authority: "sn-lds", version: 2, statuses: ["application_made", "reception_registered"], days: 200 };
const NODE: &str = "sn-lds";
const PAGE: i32 = 100;
const ROUNDS: u64 = 60;

/// How long calls took.
struct Took(Histogram<u64>);

impl Took {
    fn new() -> Result<Self, Fault> {
        Ok(Self(Histogram::new(3)?))
    }
    fn add(&mut self, began: Instant) -> Result<(), Fault> {
        Ok(self.0.record(u64::try_from(began.elapsed().as_micros())?)?)
    }
    fn put(&self, figures: &mut Figures, name: &str) {
        for (part, quantile) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            let us = u32::try_from(self.0.value_at_quantile(quantile)).unwrap_or(u32::MAX);
            figures.put(format!("{name}_{part}_ms"), f64::from(us) / 1_000.0);
        }
    }
}

/// Measures it with so many cases, a tenth of them if `small`.
pub(crate) async fn run(small: bool) -> Result<Figures, Fault> {
    let cases = if small { CASES / 10 } else { CASES };
    let folder = tempfile::tempdir()?;
    let member =
        |template: &laufzettel_node::localnet::Template| Member { hosted_by: NODE.to_owned(), ..template.member() };
    let members = FOUR_AUTHORITIES.iter().map(member).collect();
    let definitions = vec![laufzettel_contracts::ASYL_DE_2.to_owned()];
    let mut cluster = Cluster::make(&folder.path().join("network"), "inbox", members, definitions)?;
    let began = Instant::now();
    let filled = fill(&cluster, &CONTENT, cases, 1, true)?;
    let mut figures = Figures::new();
    figures.put("cases", f64::from(u32::try_from(cases)?));
    figures.put("fill_events_per_s", f64::from(u32::try_from(filled.events)?) / began.elapsed().as_secs_f64());
    cluster.start().await?;
    let mut client = cluster.connect(NODE, NODE).await?;
    // Periods that ended before the start are worked off block by block first.
    settle(&mut client).await?;
    let counted = client.tasks.count_inbox(v1::CountInboxRequest { min_height: 0 }).await?.into_inner();
    for (name, count) in [("tasks", counted.tasks), ("notices", counted.notices), ("deadlines", counted.deadlines)] {
        let count = count.unwrap_or_default();
        figures.put(format!("{name}_open"), f64::from(u32::try_from(count.all)?));
        figures.put(format!("{name}_overdue"), f64::from(u32::try_from(count.overdue)?));
    }
    let (mut tasks, mut deadlines, mut overdue, mut counts) = (Took::new()?, Took::new()?, Took::new()?, Took::new()?);
    let mut first = 0.0;
    for round in 0..ROUNDS {
        let began = Instant::now();
        let request = v1::ListTasksRequest { page_size: PAGE, ..v1::ListTasksRequest::default() };
        full(client.tasks.list_tasks(request).await?.into_inner().tasks.len(), "tasks")?;
        if round == 0 {
            first = began.elapsed().as_secs_f64() * 1_000.0;
        }
        tasks.add(began)?;
        let began = Instant::now();
        let request = v1::ListDeadlinesRequest { page_size: PAGE, ..v1::ListDeadlinesRequest::default() };
        full(client.tasks.list_deadlines(request).await?.into_inner().deadlines.len(), "deadlines")?;
        deadlines.add(began)?;
        let began = Instant::now();
        let request =
            v1::ListDeadlinesRequest { page_size: PAGE, overdue: true, ..v1::ListDeadlinesRequest::default() };
        full(client.tasks.list_deadlines(request).await?.into_inner().deadlines.len(), "overdue deadlines")?;
        overdue.add(began)?;
        let began = Instant::now();
        client.tasks.count_inbox(v1::CountInboxRequest { min_height: 0 }).await?;
        counts.add(began)?;
    }
    figures.put("first_call_tasks_ms", first);
    tasks.put(&mut figures, "first_100_tasks");
    deadlines.put(&mut figures, "first_100_deadlines");
    overdue.put(&mut figures, "first_100_overdue");
    counts.put(&mut figures, "count_inbox");
    let began = Instant::now();
    let filter = Some(v1::CaseFilter { due_before_ms: u64::MAX, ..v1::CaseFilter::default() });
    let request = v1::ListCasesRequest { filter, page_size: PAGE, ..v1::ListCasesRequest::default() };
    full(client.cases.list_cases(request).await?.into_inner().cases.len(), "cases with something due")?;
    figures.put("first_100_cases_due_ms", began.elapsed().as_secs_f64() * 1_000.0);
    cluster.stop()?;
    Ok(figures)
}

fn full(found: usize, what: &str) -> Result<(), Fault> {
    if i32::try_from(found)? == PAGE { Ok(()) } else { Err(format!("only {found} {what} on a page").into()) }
}

/// Waits until no block comes for a while: due work is done.
async fn settle(client: &mut laufzettel_node::client::Client) -> Result<(), Fault> {
    let (mut last, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(3) {
        let health = client.ledger.get_health(v1::GetHealthRequest {}).await?.into_inner();
        let height = health.position.unwrap_or_default().height;
        if height != last {
            (last, since) = (height, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
