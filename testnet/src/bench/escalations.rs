//! `testnet bench --storm` over four processes: as many urgent notices as wanted go unacknowledged within the time that
//! it took to send them, while single events go on at a fixed pace. How long these take, and how late the last
//! escalation is. What is shown in the end is read back case by case: if one is missing, the bench fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::Action;
use laufzettel_contracts::{ASYL_DE_2, Code, Report, When};
use laufzettel_node::client::Client;
use laufzettel_node::clock;
use laufzettel_proto::v1;
use tokio::task::JoinSet;

use super::figures::Figures;
use super::rates;
use super::work::Work;
use crate::cluster::{Cluster, Fault};
use crate::demo;
use crate::submit::{blinding, submit_final};

const VALID_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;
const OFFICE: &str = "de-bamf";
/// It sends an urgent notice to be acknowledged; without that a task opens.
const STARTS: &str = "subsequent_application_filed";
const ESCALATION: &str = "phone_enforcing_authorities";
/// The definition's quarter of an hour, and what stands in its place here.
const WITHIN: (&str, &str) = ("acknowledge_within = \"PT15M\"", "acknowledge_within = \"PT2M\"");
const WITHIN_MS: u64 = 120_000;
/// Cases of one transaction, and transactions under way.
const FILL: (u64, usize) = (100, 16);
/// Live events a second, and their cases.
const PACE_PER_S: u32 = 50;
const LIVE_CASES: u64 = 2_000;
const CALM: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(600);
/// Cases read at a time.
const READ: u64 = 64;

fn case(number: u64) -> CaseId {
    CaseId(blinding(7, &TransactionId([0xca; 16]), number))
}

/// Reports the status in so many new cases, with which their notices go out.
async fn fill(cluster: &Cluster, cases: u64) -> Result<(), Fault> {
    let (author, client) = (cluster.author(OFFICE)?, cluster.connect(OFFICE, OFFICE).await?);
    let day = i32::try_from(clock::now_ms() / DAY_MS)?;
    let mut tasks: JoinSet<Result<(), Fault>> = JoinSet::new();
    for first in (0..cases).step_by(usize::try_from(FILL.0)?) {
        if tasks.len() >= FILL.1
            && let Some(done) = tasks.join_next().await
        {
            done??;
        }
        let id = TransactionId(blinding(7, &TransactionId([0x7a; 16]), first));
        let mut actions = Vec::new();
        for number in first..cases.min(first + FILL.0) {
            let open = Action::OpenCase { definition: "asyl-de".to_owned(), version: 2 };
            let report = Action::Report(Report::new(Code::new(STARTS)?, When::Day(day)));
            actions.push((case(number), open, blinding(8, &id, number)));
            actions.push((case(number), report, blinding(9, &id, number)));
        }
        let signed = author.sign(id, clock::now_ms() + VALID_MS, &actions);
        let mut client = client.clone();
        tasks.spawn(async move {
            let outcome = submit_final(&mut client, &signed).await?;
            match outcome.receipts.iter().find(|receipt| !receipt.applied) {
                None => Ok(()),
                Some(receipt) => Err(format!("a report was refused: {}", receipt.reason).into()),
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Whether the escalation of a case stands in its node's answer.
async fn escalated(client: &mut Client, number: u64) -> Result<bool, Fault> {
    let case_id = case(number).0.to_vec();
    let request = v1::GetCaseRequest { case_id, ..Default::default() };
    let view = client.cases.get_case(request).await?.into_inner().view.ok_or("an answer without a case")?;
    // What stands in the state, not what would follow from the clock: the task has been known since a block.
    Ok(view.tasks.iter().any(|task| task.code == ESCALATION && task.since_ms > 0))
}

/// The tasks that are open for the office, by its node's lists.
async fn tasks(client: &mut Client) -> Result<u64, Fault> {
    let counts = client.tasks.count_inbox(v1::CountInboxRequest { min_height: 0 }).await?.into_inner();
    Ok(counts.tasks.unwrap_or_default().all)
}

/// Lets so many notices go unacknowledged.
pub(super) async fn run(figures: &mut Figures, cases: u64) -> Result<(), Fault> {
    let folder = tempfile::tempdir()?;
    let definition = ASYL_DE_2.replace(WITHIN.0, WITHIN.1);
    let mut cluster = demo::cluster_of(folder.path(), &definition)?;
    cluster.start().await?;
    let nodes = cluster.processes();
    let others: Vec<String> = cluster.nodes().iter().filter(|node| *node != OFFICE).cloned().collect();
    // The office's reports would add to the tasks that are counted.
    let work = Arc::new(Work::new(&cluster, &others, LIVE_CASES, 1).await?.of_version(2).from(0, u64::MAX / 4));
    work.open_cases().await?;
    eprintln!("live events alone ...");
    let calm = rates::paced(&work, &nodes, PACE_PER_S, (Duration::from_secs(2), CALM)).await?;
    eprintln!("{cases} notices ...");
    let began = Instant::now();
    fill(&cluster, cases).await?;
    let filled = began.elapsed();
    if filled.as_millis() >= u128::from(WITHIN_MS) {
        return Err(format!("the notices took {filled:?}, longer than their acknowledgement may; ask for fewer").into());
    }
    let mut client = cluster.connect(OFFICE, OFFICE).await?;
    let before = tasks(&mut client).await?;
    eprintln!("waiting until they are unacknowledged ...");
    tokio::time::sleep(Duration::from_millis(WITHIN_MS).saturating_sub(filled)).await;
    let storm = rates::paced(&work, &nodes, PACE_PER_S, (Duration::ZERO, filled + CALM)).await?;
    let until = Instant::now() + PATIENCE;
    while !escalated(&mut client, cases.saturating_sub(1)).await? && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What one block could not take the next ones do.
    while tasks(&mut client).await? < before + cases {
        if Instant::now() > until {
            return Err(
                format!("{} of {cases} escalations are in the inbox", tasks(&mut client).await? - before).into()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    all_escalated(&client, cases).await?;
    figures.put("escalations", cases as f64);
    figures.put("escalations_sent_in_s", filled.as_secs_f64());
    figures.put("escalations_live_calm_p50_ms", calm.ms(0.5));
    figures.put("escalations_live_calm_p99_ms", calm.ms(0.99));
    figures.put("escalations_live_storm_p50_ms", storm.ms(0.5));
    figures.put("escalations_live_storm_p99_ms", storm.ms(0.99));
    figures.put("escalations_live_events", storm.events);
    storm.put_blocks(figures, "escalations");
    cluster.stop()
}

async fn all_escalated(client: &Client, cases: u64) -> Result<(), Fault> {
    let mut readers: JoinSet<Result<(), Fault>> = JoinSet::new();
    for reader in 0..READ {
        let mut client = client.clone();
        readers.spawn(async move {
            for number in (reader..cases).step_by(usize::try_from(READ)?) {
                if !escalated(&mut client, number).await? {
                    return Err(format!("case {} was not escalated", case(number)).into());
                }
            }
            Ok(())
        });
    }
    while let Some(done) = readers.join_next().await {
        done??;
    }
    Ok(())
}
