//! Starts a network of four processes; tells the story, or plays the demo's cases in, each authority its own events at
//! its own node, and shows where they stand; proves one offline.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use comfy_table::{Table, presets};
use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::light::LightClient;
use laufzettel_contracts::{Code, Definition, Language, Report, When};
use laufzettel_node::client::{Client, random16};
use laufzettel_node::{clock, localnet::FOUR_AUTHORITIES};
use laufzettel_proto::v1;

use super::cases::{DemoAction, DemoCase, DemoEvent, demo_cases};
use super::story::{Stations, Story};
use crate::cluster::{Cluster, Fault, program};
use crate::roots;
use crate::submit::submit_final;

const SEED: u64 = 1;
const DAY_MS: u64 = 86_400_000;
const VALID_MS: u64 = 3_600_000;

/// Makes the network of the four authorities with a definition, and starts it.
async fn start(folder: &Path, definition: &str) -> Result<Cluster, Fault> {
    println!("Making keys, certificates and genesis of four authorities ...");
    let mut cluster = super::cluster_of(&folder.join("network"), definition)?;
    println!("Starting four processes ...");
    cluster.start().await?;
    for node in cluster.nodes() {
        println!("  {node:<11} API https://{}", cluster.address(node)?);
    }
    Ok(cluster)
}

async fn stations(cluster: &Cluster) -> Result<Stations, Fault> {
    let mut stations = BTreeMap::new();
    for node in cluster.nodes() {
        stations.insert(node.clone(), (cluster.author(node)?, cluster.connect(node, node).await?));
    }
    Ok(stations)
}

/// Tells the story in a folder that keeps the proof.
pub(crate) async fn tell(folder: &Path) -> Result<(), Fault> {
    let mut cluster = start(folder, laufzettel_contracts::ASYL_DE_2).await?;
    println!();
    let stations = stations(&cluster).await?;
    let mut clients: Vec<Client> = stations.values().map(|(_, client)| client.clone()).collect();
    let today = i32::try_from(clock::now_ms() / DAY_MS)?;
    let mut story = Story::new(stations, today)?;
    story.deadline().await?;
    let stopped = story.stop().await?;
    let (height, events) = (story.height, story.events);
    let agreeing = same_root(&cluster, &mut clients, &stopped, height).await?;
    println!(
        "4  {events} items are final at height {height}; {agreeing} of {} nodes have the same state root.",
        clients.len()
    );
    let reader = clients.first_mut().ok_or("no node")?;
    prove(reader, &stopped, height, folder, &cluster)?.await?;
    cluster.stop()?;
    println!("\nAll four processes have ended. `make dev` keeps such a network running.");
    Ok(())
}

/// How many nodes have the state root of the first at a height.
async fn same_root(cluster: &Cluster, clients: &mut [Client], case: &CaseId, height: u64) -> Result<usize, Fault> {
    let light = LightClient::new(&cluster.genesis);
    let mut roots = Vec::new();
    for client in clients {
        wait_for(client, Some(case), height).await?;
        roots.push(roots::header(client, &light, height).await?.state_root);
    }
    Ok(roots.iter().filter(|root| Some(*root) == roots.first()).count())
}

/// Shows where cases like those of an office stand, in a folder that keeps the proof.
pub(crate) async fn run(folder: &Path) -> Result<(), Fault> {
    let mut cluster = start(folder, laufzettel_contracts::ASYL_DE).await?;
    let today = i32::try_from(clock::now_ms() / DAY_MS)?;
    let cases = demo_cases(today, SEED);
    println!("Reporting {} cases, each authority its own events at its own node ...", cases.len());
    let stations = stations(&cluster).await?;
    let (mut ids, mut highest, mut events) = (Vec::new(), 0, 0);
    for case in &cases {
        let (id, height) = report_case(&stations, case).await?;
        ids.push(id);
        highest = highest.max(height);
        events += case.events.len();
    }
    println!("{events} events are final at height {highest}.\n");
    let mut clients: Vec<Client> = stations.values().map(|(_, client)| client.clone()).collect();
    let agreeing = same_root(&cluster, &mut clients, ids.first().ok_or("no case")?, highest).await?;
    let reader = clients.first_mut().ok_or("no node")?;
    show(reader, &cases, &ids, &format!("{agreeing} of {}", clients_count(&stations))).await?;
    prove(reader, ids.first().ok_or("no case")?, highest, folder, &cluster)?.await?;
    cluster.stop()?;
    println!("\nAll four processes have ended. `make dev` keeps such a network running.");
    Ok(())
}

fn clients_count(stations: &Stations) -> usize {
    stations.len()
}

/// Reports a case event by event; its id and the last height.
async fn report_case(stations: &Stations, case: &DemoCase) -> Result<(CaseId, u64), Fault> {
    let (id, mut slots, mut height) = (CaseId(random16()?), Vec::new(), 0);
    for event in &case.events {
        let (author, client) = stations.get(event.authority).ok_or("an event of an unknown authority")?;
        let mut actions = Vec::new();
        if slots.is_empty() {
            let open = Action::OpenCase { definition: "asyl-de".to_owned(), version: 1 };
            actions.push((id, open, random16()?));
        }
        let (action, blinding) = (action(event, &slots)?, random16()?);
        slots.push(laufzettel_chain::ids::ItemDigest::of(&Item::encode(blinding, id, &action)).slot(event.authority));
        actions.push((id, action, blinding));
        let signed = author.sign(TransactionId(random16()?), clock::now_ms() + VALID_MS, &actions);
        let outcome = submit_final(&mut client.clone(), &signed).await?;
        if let Some(refused) = outcome.receipts.iter().find(|receipt| !receipt.applied) {
            return Err(format!("{} of '{}' was refused: {}", event.status, case.title_en, refused.reason).into());
        }
        height = outcome.height;
    }
    Ok((id, height))
}

fn action(event: &DemoEvent, slots: &[[u8; 32]]) -> Result<Action, Fault> {
    let mut report = Report::new(Code::new(event.status)?, When::Day(event.day));
    report.effective = event.effective;
    report.outcome = event.outcome.map(Code::new).transpose()?;
    Ok(match event.action {
        DemoAction::Report => Action::Report(report),
        DemoAction::Correct { event } => {
            Action::Correct { slot: *slots.get(event).ok_or("a correction of nothing")?, report }
        }
    })
}

async fn wait_for(client: &mut Client, case: Option<&CaseId>, min_height: u64) -> Result<(), Fault> {
    let case_id = case.map(|case| case.0.to_vec()).unwrap_or_default();
    let read_at = Some(v1::ReadAt { height: 0, min_height });
    client
        .cases
        .get_case(v1::GetCaseRequest { case_id, read_at, include_proof: false, ..v1::GetCaseRequest::default() })
        .await?;
    Ok(())
}

pub(super) fn day(when: Option<v1::When>) -> String {
    match when.and_then(|when| when.at) {
        Some(v1::when::At::Day(day)) => {
            let start = jiff::civil::date(1970, 1, 1);
            start.saturating_add(jiff::Span::new().days(day)).strftime("%d.%m.%Y").to_string()
        }
        Some(v1::when::At::InstantMs(instant)) => {
            let instant = i64::try_from(instant).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
            instant.map(|instant| instant.to_string()).unwrap_or_default()
        }
        None => String::new(),
    }
}

async fn show(client: &mut Client, cases: &[DemoCase], ids: &[CaseId], same_root: &str) -> Result<(), Fault> {
    let definition = Definition::check(laufzettel_contracts::ASYL_DE);
    let definition = definition.map_err(|_| "the shipped definition is refused")?.definition;
    let label = |status: &str| {
        let found = definition.status(status);
        found.map_or(status.to_owned(), |status| status.labels.get(Language::German).to_owned())
    };
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["case", "headline", "status per track", "reported by", "since", "height", "same root"]);
    for (case, id) in cases.iter().zip(ids) {
        let request = v1::GetCaseRequest {
            case_id: id.0.to_vec(),
            read_at: None,
            include_proof: false,
            ..v1::GetCaseRequest::default()
        };
        let view = client.cases.get_case(request).await?.into_inner().view.ok_or("an answer without a case")?;
        let head = view.tracks.iter().find(|track| track.track == view.headline_track);
        let headline = head.map(|track| label(&track.status)).unwrap_or_default();
        let lines = |of: &dyn Fn(&v1::TrackStatus) -> String| view.tracks.iter().map(of).collect::<Vec<_>>().join("\n");
        let id = id.to_string();
        let (left, right) = id.split_at_checked(19).unwrap_or((&id, ""));
        table.add_row([
            format!("{left}\n{right}"),
            format!("{}\n({})", wrap(&headline, 30), wrap(case.title_en, 30)),
            lines(&|track| format!("{}: {}", track.track, track.status)),
            lines(&|track| track.authority.clone()),
            lines(&|track| day(track.occurred)),
            view.changed_height.to_string(),
            same_root.to_owned(),
        ]);
    }
    println!("{table}\n");
    let names: Vec<String> = FOUR_AUTHORITIES.iter().map(|one| format!("{} {}", one.id, one.label_de)).collect();
    println!("{}\n", names.join(" | "));
    Ok(())
}

/// Breaks a text into lines of about this many characters.
fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() || line.chars().count() + word.chars().count() < width => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// Fetches a case's proof into a file and has the node's program verify it,
/// which reads nothing but the file and the genesis file.
fn prove<'a>(
    client: &'a mut Client,
    id: &'a CaseId,
    min_height: u64,
    folder: &Path,
    cluster: &Cluster,
) -> Result<impl Future<Output = Result<(), Fault>> + 'a, Fault> {
    let (proof_file, genesis) = (folder.join("case.proof"), cluster.net.folder.join("genesis.toml"));
    let program = program()?;
    Ok(async move {
        let read_at = Some(v1::ReadAt { height: 0, min_height });
        let request = v1::GetProofRequest { case_id: id.0.to_vec(), fields: vec![0, 10, 16, 20, 21, 24], read_at };
        let proof = client.cases.get_proof(request).await?.into_inner().proof.ok_or("an answer without a proof")?;
        std::fs::write(&proof_file, prost::Message::encode_to_vec(&proof))?;
        let shown = format!("laufzettel verify --genesis {} {}", genesis.display(), proof_file.display());
        println!("A proof of the case, verified offline from the genesis file alone:\n\n  $ {shown}");
        let output = Command::new(program).arg("verify").arg("--genesis").arg(&genesis).arg(&proof_file).output()?;
        for line in
            String::from_utf8_lossy(&output.stdout).lines().chain(String::from_utf8_lossy(&output.stderr).lines())
        {
            println!("  {line}");
        }
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("the proof does not verify: {}", output.status).into())
        }
    })
}
