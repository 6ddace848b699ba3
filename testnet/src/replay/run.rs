//! Carries a plan out on a network of processes: sends, awaits, reads back at
//! every node that did not take the event, compares.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::Action;
use laufzettel_contracts::{Code, Definition, Report as StatusReport, When};
use laufzettel_node::client::{Author, Client};
use laufzettel_node::clock;
use laufzettel_node::eventlog::EventLog;
use laufzettel_node::localnet::Member;
use laufzettel_proto::v1;
use tokio::task::JoinSet;

use super::compare::{CaseRead, ReadEvent, compare};
use super::fit;
use super::plan::{CasePlan, Plan, PlannedEvent};
use super::report::Report;
use crate::cluster::{Cluster, Fault};
use crate::invariants::stores::check_stopped;
use crate::invariants::{History, Told, Witness};
use crate::load::Acknowledged;
use crate::roots;
use crate::submit::{blinding, submit_final};

/// Cases under way at once.
const CASES_AT_ONCE: usize = 64;
/// Mismatches and refusals told one by one; the rest is counted.
const TOLD_MAX: usize = 20;
const VALID_MS: u64 = 3_600_000;

/// What `testnet replay` was asked.
#[derive(Debug, Clone)]
pub(crate) struct Wish<'a> {
    pub(crate) log: &'a Path,
    pub(crate) definition: &'a Path,
    pub(crate) nodes: NonZeroUsize,
    pub(crate) seed: u64,
    pub(crate) quiet: bool,
}

/// What every case needs.
struct Stage {
    /// Clients by authority, connected to the host.
    authors: BTreeMap<String, (Author, Client)>,
    /// A client at every node, in the order of the nodes.
    readers: Vec<Client>,
    definition: Definition,
    seed: u64,
    started: Instant,
}

impl Stage {
    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Replays a log and reports.
pub(crate) async fn run(wish: &Wish<'_>) -> Result<Report, Fault> {
    let log = EventLog::read(wish.log)?;
    for note in log.interpreted.notes() {
        eprintln!("{}: {note}", wish.log.display());
    }
    let text = std::fs::read_to_string(wish.definition)
        .map_err(|error| format!("cannot read definition {}: {error}", wish.definition.display()))?;
    let checked = Definition::check(&text).map_err(|findings| {
        let shown: Vec<String> =
            findings.iter().map(|finding| format!("{}:{finding}", wish.definition.display())).collect();
        shown.join("\n")
    })?;
    let plan = Plan::new(&log, wish.nodes, wish.seed);
    let misfits = fit::misfits(&plan, &checked.definition);
    if !misfits.is_empty() {
        let shown: Vec<String> = misfits.iter().take(TOLD_MAX).map(ToString::to_string).collect();
        return Err(format!("the definition does not fit the log: {}", shown.join("; ")).into());
    }
    let folder = tempfile::tempdir()?;
    let mut cluster = Cluster::make(folder.path(), "replay", members(&plan, wish.nodes), vec![text])?;
    cluster.start().await?;
    let stage = Arc::new(stage(&cluster, &plan, checked.definition, wish.seed).await?);
    let started = Instant::now();
    let events = plan.event_count() as u64;
    let bar = progress(events, wish.quiet);
    let plan = Arc::new(plan);
    let mut report = Report {
        events,
        cases: plan.cases.len() as u64,
        committed: 0,
        refused: 0,
        mismatches: 0,
        heights: Vec::new(),
        roots_equal: false,
        seconds: 0.0,
        violations: 0,
    };
    let (highest, told) = send_all(&stage, &plan, &bar, &mut report).await?;
    read_all(&stage, &plan, highest, &bar, &mut report).await?;
    report.seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let agreement = roots::compare(&cluster).await?;
    report.heights = agreement.heights;
    report.roots_equal = agreement.equal;
    cluster.stop()?;
    let verdict = check_stopped(&cluster, &History { told, ..History::default() }, Witness::default())?;
    verdict.told.iter().for_each(|violation| eprintln!("{violation}"));
    report.violations = verdict.violations;
    Ok(report)
}

fn progress(events: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:8} {bar:40} {pos}/{len} {per_sec} {eta}");
    ProgressBar::new(events).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Every node needs an authority of its own. It reports nothing and reads everything back, so it holds every role: a log
/// does not tell who was told of what.
fn members(plan: &Plan, nodes: NonZeroUsize) -> Vec<Member> {
    let hosts: Vec<String> = (0..nodes.get()).map(|index| format!("node-{index}")).collect();
    let member = |id: &str, label: &str, roles: Vec<String>, host: &str| Member {
        id: id.to_owned(),
        label_de: label.to_owned(),
        label_en: label.to_owned(),
        roles,
        hosted_by: host.to_owned(),
    };
    let all: Vec<String> = plan.authorities.iter().map(|authority| authority.role.clone()).collect();
    let mut members: Vec<Member> = hosts.iter().map(|host| member(host, host, all.clone(), host)).collect();
    for authority in &plan.authorities {
        let label = authority.group.as_deref().unwrap_or("(no group)");
        let host = hosts.get(authority.node).map_or("node-0", String::as_str);
        members.push(member(&authority.id, label, vec![authority.role.clone()], host));
    }
    members
}

async fn stage(cluster: &Cluster, plan: &Plan, definition: Definition, seed: u64) -> Result<Stage, Fault> {
    let mut authors = BTreeMap::new();
    for authority in &plan.authorities {
        let host = cluster.host_of(&authority.id).ok_or("an authority without a host")?;
        let client = cluster.connect(host, &authority.id).await?;
        authors.insert(authority.id.clone(), (cluster.author(&authority.id)?, client));
    }
    let mut readers = Vec::new();
    for node in cluster.nodes() {
        readers.push(cluster.connect(node, node).await?);
    }
    Ok(Stage { authors, readers, definition, seed, started: Instant::now() })
}

/// Sends every case, some at once; the highest height an event became final at, and what was told of each.
async fn send_all(
    stage: &Arc<Stage>,
    plan: &Arc<Plan>,
    bar: &ProgressBar,
    report: &mut Report,
) -> Result<(u64, Vec<Told>), Fault> {
    bar.set_message("sending");
    let (mut tasks, mut highest, mut told, mut outcomes) = (JoinSet::new(), 0, 0, Vec::new());
    let mut next = 0..plan.cases.len();
    loop {
        while tasks.len() < CASES_AT_ONCE {
            let Some(index) = next.next() else { break };
            let (stage, plan, bar) = (stage.clone(), plan.clone(), bar.clone());
            tasks.spawn(async move { send_case(&stage, plan.cases.get(index), &bar).await });
        }
        let Some(sent) = tasks.join_next().await else { return Ok((highest, outcomes)) };
        let mut sent = sent??;
        outcomes.append(&mut sent.told);
        report.committed += sent.committed;
        report.refused += sent.refused.len() as u64;
        highest = highest.max(sent.height);
        for refusal in sent.refused.iter().take(TOLD_MAX.saturating_sub(told)) {
            told += 1;
            bar.suspend(|| eprintln!("{refusal}"));
        }
    }
}

#[derive(Debug, Default)]
struct Sent {
    committed: u64,
    refused: Vec<String>,
    height: u64,
    told: Vec<Told>,
}

async fn send_case(stage: &Arc<Stage>, case: Option<&CasePlan>, bar: &ProgressBar) -> Result<Sent, Fault> {
    let mut sent = Sent::default();
    let Some(case) = case else { return Ok(sent) };
    send_one(stage, case, &case.opening, true, bar, &mut sent).await?;
    let mut tasks = JoinSet::new();
    for event in &case.rest {
        let (stage, case, event, bar) = (stage.clone(), case.clone(), event.clone(), bar.clone());
        tasks.spawn(async move {
            let mut sent = Sent::default();
            send_one(&stage, &case, &event, false, &bar, &mut sent).await.map(|()| sent)
        });
    }
    while let Some(one) = tasks.join_next().await {
        let one = one??;
        sent.committed += one.committed;
        sent.refused.extend(one.refused);
        sent.told.extend(one.told);
        sent.height = sent.height.max(one.height);
    }
    Ok(sent)
}

async fn send_one(
    stage: &Stage,
    case: &CasePlan,
    event: &PlannedEvent,
    opens: bool,
    bar: &ProgressBar,
    sent: &mut Sent,
) -> Result<(), Fault> {
    let (author, client) = stage.authors.get(&event.author).ok_or("an event of an unknown author")?;
    let case_id = CaseId(case.case_id);
    let id = TransactionId(event.transaction_id);
    let mut actions = Vec::new();
    if opens {
        let definition = stage.definition.id().to_owned();
        let open = Action::OpenCase { definition, version: stage.definition.version() };
        actions.push((case_id, open, blinding(stage.seed, &id, 0)));
    }
    let report = StatusReport::new(Code::new(&event.status)?, When::Instant(event.instant_ms));
    actions.push((case_id, Action::Report(report), blinding(stage.seed, &id, 1)));
    let signed = author.sign(id, clock::now_ms() + VALID_MS, &actions);
    let submitted_us = stage.now_us();
    let outcome = submit_final(&mut client.clone(), &signed).await?;
    let (authority, told_us) = (event.author.clone(), stage.now_us());
    let what = Acknowledged { authority, id, height: outcome.height, index: outcome.index };
    sent.told.push(Told { what, submitted_us, told_us });
    let refused: Vec<&v1::Receipt> = outcome.receipts.iter().filter(|receipt| !receipt.applied).collect();
    match refused.first() {
        None => sent.committed += 1,
        Some(receipt) => {
            sent.refused.push(format!("case {}, line {}: refused, {}", case.name, event.line, receipt.reason));
        }
    }
    sent.height = sent.height.max(outcome.height);
    bar.inc(1);
    Ok(())
}

async fn read_all(
    stage: &Arc<Stage>,
    plan: &Arc<Plan>,
    min_height: u64,
    bar: &ProgressBar,
    report: &mut Report,
) -> Result<(), Fault> {
    bar.reset();
    bar.set_length(plan.cases.len() as u64);
    bar.set_message("reading");
    let (mut tasks, mut told) = (JoinSet::new(), 0);
    let mut next = 0..plan.cases.len();
    loop {
        while tasks.len() < CASES_AT_ONCE {
            let Some(index) = next.next() else { break };
            let (stage, plan) = (stage.clone(), plan.clone());
            tasks.spawn(async move { check_case(&stage, plan.cases.get(index), min_height).await });
        }
        let Some(checked) = tasks.join_next().await else { return Ok(()) };
        let mismatches = checked??;
        report.mismatches += mismatches.len() as u64;
        for mismatch in mismatches.iter().take(TOLD_MAX.saturating_sub(told)) {
            told += 1;
            bar.suspend(|| eprintln!("{mismatch}"));
        }
        bar.inc(1);
    }
}

/// Reads a case at every node: every event of it was given to another node
/// than at least one of these, so each is read back where it was not given.
async fn check_case(stage: &Stage, case: Option<&CasePlan>, min_height: u64) -> Result<Vec<String>, Fault> {
    let Some(case) = case else { return Ok(Vec::new()) };
    let track_of = |status: &str| stage.definition.track_of(status).map(|track| track.number);
    let mut mismatches = Vec::new();
    for (index, client) in stage.readers.iter().enumerate() {
        let read = read_case(&mut client.clone(), stage, case, min_height).await?;
        let found = compare(case, &read, &track_of);
        mismatches.extend(found.into_iter().map(|mismatch| format!("case {} at node {index}: {mismatch}", case.name)));
    }
    Ok(mismatches)
}

async fn read_case(client: &mut Client, stage: &Stage, case: &CasePlan, min_height: u64) -> Result<CaseRead, Fault> {
    let read_at = Some(v1::ReadAt { height: 0, min_height });
    let case_id = case.case_id.to_vec();
    let request =
        v1::GetCaseRequest { case_id: case_id.clone(), read_at, include_proof: false, ..v1::GetCaseRequest::default() };
    let view = client.cases.get_case(request).await?.into_inner().view.ok_or("an answer without a case")?;
    let request = v1::ListEventsRequest { case_id, after_cursor: String::new(), page_size: 1_000, read_at };
    let events = client.cases.list_events(request).await?.into_inner().events;
    let mut by_slot: BTreeMap<Vec<u8>, ReadEvent> = BTreeMap::new();
    for event in events {
        if let Some(v1::event::Action::Report(report)) = event.action {
            let read = read_event(&report.status, report.occurred, &event.authority)?;
            by_slot.insert(event.slot, read);
        }
    }
    // The node's own order of the reports that stand.
    let events: Vec<ReadEvent> = view.timeline.iter().filter_map(|slot| by_slot.get(slot).cloned()).collect();
    let mut tracks = BTreeMap::new();
    for track in &view.tracks {
        let number = stage.definition.track_of(&track.status).map(|track| track.number).unwrap_or_default();
        tracks.insert(number, read_event(&track.status, track.occurred, &track.authority)?);
    }
    Ok(CaseRead { count: view.history_count, events, tracks })
}

fn read_event(status: &str, occurred: Option<v1::When>, author: &str) -> Result<ReadEvent, Fault> {
    match occurred.and_then(|when| when.at) {
        Some(v1::when::At::InstantMs(instant_ms)) => {
            Ok(ReadEvent { instant_ms, status: status.to_owned(), author: author.to_owned() })
        }
        other => Err(format!("status {status} has no instant but {other:?}").into()),
    }
}
