//! `testnet story simulate`: a draft of the asylum procedure is tried on the cases of a running network, while blocks go
//! on. What it must find is counted twice without it: from the list of what was reported, and by the inboxes of a second
//! network that runs the draft and got the same reports. Then it is tried on an earlier height, in force from one on, and
//! over a mapping, and the network adopts it: what was told is held against what has become of the cases (`further`).

mod further;
mod plan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use laufzettel_chain::ids::TransactionId;
use laufzettel_node::client::{Client, random16};
use laufzettel_node::clock;
use laufzettel_node::localnet::FOUR_AUTHORITIES;
use laufzettel_proto::v1;
use serde::Serialize;
use serde_json::Value;
use tokio::process::Command;

use crate::cluster::{Cluster, Fault, program};
use crate::submit::{blinding, submit_final};
use plan::{Plan, Wave};

/// The node whose operator asks, and the authority that goes on reporting meanwhile.
const OPERATOR: &str = "de-bamf";
const REPORTER: &str = "sn-lds";
const VALID_MS: u64 = 3_600_000;
/// A report during the simulation is final at the latest after this.
const FINAL_MAX: Duration = Duration::from_secs(10);
/// Authorities whose inboxes are compared.
const INBOXES: [&str; 3] = ["de-bamf", "sn-lds", "sn-dresden"];

/// What the story was asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// Cases in the network.
    pub(crate) cases: u64,
    pub(crate) seed: u64,
    /// Nothing is told on the way.
    pub(crate) quiet: bool,
}

/// One thing that had to be so.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Held {
    what: String,
    held: bool,
    expected: Value,
    found: Value,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    cases: u64,
    height: u64,
    /// Heights that were decided while the draft was tried.
    blocks_meanwhile: u64,
    /// The longest way of a report to final while the draft was tried.
    final_ms_max: u64,
    simulation_ms: u64,
    /// The same of an earlier height, for which most cases are made anew.
    earlier_ms: u64,
    held: Vec<Held>,
    simulation: Value,
}

impl Report {
    pub(crate) fn is_sound(&self) -> bool {
        !self.held.is_empty() && self.held.iter().all(|held| held.held)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for Held { what, held, expected, found } in &self.held {
            match held {
                true => writeln!(f, "ok     {what}: {found}")?,
                false => writeln!(f, "FAILED {what}: expected {expected}, found {found}")?,
            }
        }
        let Self { cases, height, blocks_meanwhile, final_ms_max, simulation_ms, earlier_ms, .. } = self;
        write!(
            f,
            "{cases} cases at height {height} in {simulation_ms} ms, at an earlier one in {earlier_ms} ms; meanwhile {blocks_meanwhile} blocks, a report final \
             after {final_ms_max} ms at most"
        )
    }
}

fn network(folder: &Path, name: &str, definition: String) -> Result<Cluster, Fault> {
    let members = FOUR_AUTHORITIES.iter().map(laufzettel_node::localnet::Template::member).collect();
    Cluster::make(&folder.join(name), name, members, vec![definition])
}

/// Reports all of a plan, each authority at its own node; the height of each wave.
async fn report_all(cluster: &Cluster, waves: &[Wave], seed: u64) -> Result<Vec<u64>, Fault> {
    let mut heights = Vec::new();
    for (number, Wave { authority, actions }) in (0..).zip(waves) {
        let (author, mut client) = (cluster.author(authority)?, cluster.connect(authority, authority).await?);
        let id = TransactionId(blinding(seed, &TransactionId([0xd1; 16]), number));
        let with_blinding = (0..).zip(actions);
        let actions: Vec<_> =
            with_blinding.map(|(index, (case, action))| (*case, action.clone(), blinding(seed, &id, index))).collect();
        let outcome = submit_final(&mut client, &author.sign(id, clock::now_ms() + VALID_MS, &actions)).await?;
        if let Some(refused) = outcome.receipts.iter().find(|receipt| !receipt.applied) {
            return Err(format!("a report of {authority} was refused: {}", refused.reason).into());
        }
        heights.push(outcome.height);
    }
    Ok(heights)
}

/// Tasks and deadlines in an authority's inbox.
async fn inbox(cluster: &Cluster, authority: &str, min_height: u64) -> Result<[i64; 2], Fault> {
    let mut client = cluster.connect(authority, authority).await?;
    let counted = client.tasks.count_inbox(v1::CountInboxRequest { min_height }).await?.into_inner();
    let all = |count: Option<v1::InboxCount>| i64::try_from(count.unwrap_or_default().all);
    Ok([all(counted.tasks)?, all(counted.deadlines)?])
}

async fn height(client: &mut Client) -> Result<u64, Fault> {
    let health = client.ledger.get_health(v1::GetHealthRequest {}).await?.into_inner();
    Ok(health.position.unwrap_or_default().height)
}

async fn inboxes(cluster: &Cluster) -> Result<BTreeMap<&'static str, [i64; 2]>, Fault> {
    let mut client = cluster.connect(REPORTER, REPORTER).await?;
    let newest = height(&mut client).await?;
    let mut all = BTreeMap::new();
    for authority in INBOXES {
        all.insert(authority, inbox(cluster, authority, newest).await?);
    }
    Ok(all)
}

/// The command of the operator.
async fn simulate(config: PathBuf, draft: PathBuf, more: &[&str]) -> Result<Value, Fault> {
    let output = Command::new(program()?)
        .args(["process", "simulate"])
        .arg(&draft)
        .arg("--config")
        .arg(&config)
        .args(["--output", "json"])
        .args(more)
        .output()
        .await?;
    if !output.status.success() {
        return Err(format!("process simulate: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Calendars with a holiday on the day on which the time for appeal ends: it moves in all cases in which it ends then.
async fn calendars(cluster: &Cluster, plan: &Plan, folder: &Path) -> Result<Option<Held>, Fault> {
    let Some((case, like_it)) = plan.appealable() else { return Ok(None) };
    let mut client = cluster.connect(OPERATOR, OPERATOR).await?;
    let request = v1::GetCaseRequest { case_id: case.0.to_vec(), ..v1::GetCaseRequest::default() };
    let view = client.cases.get_case(request).await?.into_inner().view.ok_or("an answer without a case")?;
    let appeal = view.deadlines.iter().find(|deadline| deadline.code == "appeal_2w").ok_or("no time for appeal")?;
    let Some(v1::when::At::Day(day)) = appeal.due_day.and_then(|when| when.at) else { return Err("no due day".into()) };
    let file = folder.join("calendars.toml");
    std::fs::write(&file, plan::calendars(day)?)?;
    let found = simulate(cluster.net.node_folder(OPERATOR).join("config.toml"), file, &[]).await?;
    let effects = get(&found, &["effects"]).as_array().cloned().unwrap_or_default();
    let moved = effects.iter().find(|one| get(one, &["code"]) == "appeal_2w");
    let moved = moved.map_or(Value::Null, |one| get(one, &["counts", "moved"]).clone());
    Ok(Some(check("times for appeal that a holiday on their last day moves", like_it.into(), moved)))
}

/// Opens cases one by one until told to stop; how many, and the longest way to final.
async fn go_on(cluster: &Cluster, done: &tokio::sync::watch::Receiver<bool>) -> Result<(u64, Duration), Fault> {
    let (author, mut client) = (cluster.author(REPORTER)?, cluster.connect(REPORTER, REPORTER).await?);
    let (mut cases, mut longest) = (0, Duration::ZERO);
    // One at least, though the simulation be done before.
    while cases == 0 || !*done.borrow() {
        let case = laufzettel_chain::ids::CaseId(random16()?);
        let id = TransactionId(random16()?);
        let actions = plan::extra(case, plan::today())?;
        let actions: Vec<_> =
            (0..).zip(actions).map(|(index, (case, action))| (case, action, blinding(0, &id, index))).collect();
        let began = Instant::now();
        submit_final(&mut client, &author.sign(id, clock::now_ms() + VALID_MS, &actions)).await?;
        longest = longest.max(began.elapsed());
        cases += 1;
    }
    Ok((cases, longest))
}

/// Runs the story.
pub(crate) async fn run(wish: &Wish) -> Result<Report, Fault> {
    let folder = tempfile::tempdir()?;
    let tell = |text: &str| {
        if !wish.quiet {
            eprintln!("{text}");
        }
    };
    let plan = Plan::new(wish.cases, wish.seed, plan::today());
    let draft = plan::draft()?;
    let file = folder.path().join("draft.toml");
    std::fs::write(&file, &draft)?;
    tell("a network with the definition in force ...");
    let mut cluster = network(folder.path(), "in-force", laufzettel_contracts::ASYL_DE_2.to_owned())?;
    cluster.start().await?;
    let waves = plan.waves(2)?;
    let heights = report_all(&cluster, &waves, wish.seed).await?;
    let now = inboxes(&cluster).await?;
    tell("the draft is tried, while reports go on ...");
    let mut at = cluster.connect(OPERATOR, OPERATOR).await?;
    let before = height(&mut at).await?;
    let (stop, done) = tokio::sync::watch::channel(false);
    let config = cluster.net.node_folder(OPERATOR).join("config.toml");
    let began = Instant::now();
    let tried = async {
        let tried = simulate(config, file.clone(), &[]).await;
        let took = began.elapsed();
        let _ = stop.send(true);
        tried.map(|found| (found, took))
    };
    let (tried, meanwhile) = tokio::join!(tried, go_on(&cluster, &done));
    let ((simulation, took), (extra, longest)) = (tried?, meanwhile?);
    let after = height(&mut at).await?;
    tell("other calendars are tried ...");
    let other_calendars = calendars(&cluster, &plan, folder.path()).await?;
    tell("the draft is tried on earlier heights, and over a mapping; then it is adopted ...");
    let (further, earlier) = further::all(&cluster, &plan, (&waves, &heights), &file).await?;
    cluster.stop()?;
    tell("a network with the draft in force, and the same reports ...");
    let mut other = network(folder.path(), "drafted", draft)?;
    other.start().await?;
    report_all(&other, &plan.waves(3)?, wish.seed).await?;
    let drafted = inboxes(&other).await?;
    other.stop()?;
    let mut held = expected(&plan, &simulation, extra);
    held.extend(compared(&simulation, &now, &drafted, ""));
    held.extend(other_calendars);
    held.extend(further);
    held.push(check("a report meanwhile is final in time", Value::Bool(true), (longest <= FINAL_MAX).into()));
    let position = number(get(&simulation, &["height"]));
    held.push(check("it is of a height from when it was asked", Value::Bool(true), (position >= before).into()));
    Ok(Report {
        cases: number(get(&simulation, &["cases"])),
        height: position,
        blocks_meanwhile: after.saturating_sub(before),
        final_ms_max: u64::try_from(longest.as_millis())?,
        simulation_ms: u64::try_from(took.as_millis())?,
        earlier_ms: u64::try_from(earlier.as_millis())?,
        held,
        simulation,
    })
}

fn check(what: impl Into<String>, expected: Value, found: Value) -> Held {
    Held { what: what.into(), held: expected == found, expected, found }
}

/// What stands at a path; null if nothing does.
fn get<'v>(value: &'v Value, path: &[&str]) -> &'v Value {
    path.iter().fold(value, |value, name| value.get(name).unwrap_or(&Value::Null))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// The entry of an authority.
fn of<'s>(simulation: &'s Value, authority: &str) -> &'s Value {
    let all = get(simulation, &["authorities"]).as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().find(|one| get(one, &["authority"]) == authority).unwrap_or(&Value::Null)
}

/// What changes, against the count of what was reported.
fn changes(plan: &Plan, found: &Value, how: &str) -> Vec<Held> {
    let mut held = Vec::new();
    for (authority, entry) in plan.authorities() {
        let name = if authority.is_empty() { "nobody" } else { authority };
        held.push(check(format!("what changes for {name}{how}"), entry, of(found, authority).clone()));
    }
    let others = get(found, &["authorities"]).as_array().map_or(0, Vec::len);
    let what = format!("authorities for which something changes{how}");
    held.push(check(what, plan.authorities().len().into(), others.into()));
    for (field, value) in plan.whole() {
        held.push(check(format!("{field}{how}"), value, get(found, &[field]).clone()));
    }
    held
}

/// The report against the count of what was reported.
fn expected(plan: &Plan, simulation: &Value, extra: u64) -> Vec<Held> {
    let mut held = changes(plan, simulation, "");
    // Reports that came before the snapshot are in it: cases in which the draft changes nothing.
    let more = number(&simulation["cases"]).saturating_sub(plan.cases());
    held.push(check(
        "cases",
        Value::Bool(true),
        (number(&simulation["cases"]) >= plan.cases() && more <= extra).into(),
    ));
    for cost in ["cost_now", "cost_draft"] {
        let work = plan.work() + more * plan::EXTRA_WORK;
        held.push(check(format!("{cost} in units of work"), work.into(), get(simulation, &[cost, "work"]).clone()));
    }
    held
}

/// The report against the inboxes of the two networks.
fn compared(
    simulation: &Value,
    now: &BTreeMap<&'static str, [i64; 2]>,
    drafted: &BTreeMap<&'static str, [i64; 2]>,
    how: &str,
) -> Vec<Held> {
    let mut held = Vec::new();
    for (authority, before) in now {
        let net = |kind: &str| {
            let of = |name| get(of(simulation, authority), &["effects", kind, name]).as_i64().unwrap_or_default();
            of("waits_more") - of("waits_less")
        };
        let told = [before[0] + net("task"), before[1] + net("deadline")];
        let found = drafted.get(authority).copied().unwrap_or_default();
        let what = format!("tasks and deadlines in the inbox of {authority} where the draft is in force{how}");
        held.push(check(what, serde_json::json!(told), serde_json::json!(found)));
    }
    held
}
