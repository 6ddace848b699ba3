//! The draft tried on the history as it stood at an earlier height, in force from one on, and over a mapping; at last the
//! network adopts it, and what was told is held against the inboxes after all cases have moved.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use laufzettel_chain::ids::{BlockId, CaseId};
use laufzettel_node::localnet::FOUR_AUTHORITIES;
use laufzettel_proto::v1;
use serde_json::Value;
use tokio::process::Command;

use super::plan::{self, Plan, Wave};
use super::{Held, OPERATOR, changes, check, compared, get, inboxes, number, simulate};
use crate::cluster::{Cluster, Fault, program};

/// Votes are final and all cases have moved at the latest after this.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);

/// All of it, with the height of each wave of reports; and how long the earlier height took.
pub(super) async fn all(
    cluster: &Cluster,
    plan: &Plan,
    (waves, heights): (&[Wave], &[u64]),
    draft: &Path,
) -> Result<(Vec<Held>, Duration), Fault> {
    let (mut held, took) = earlier(cluster, plan, (waves, heights), draft).await?;
    held.extend(from(cluster, plan, (waves, heights), draft).await?);
    held.extend(adopted(cluster, plan, draft).await?);
    Ok((held, took))
}

/// The history as it stood when only the reception had reported.
async fn earlier(
    cluster: &Cluster,
    plan: &Plan,
    (waves, heights): (&[Wave], &[u64]),
    draft: &Path,
) -> Result<(Vec<Held>, Duration), Fault> {
    let config = cluster.net.node_folder(OPERATOR).join("config.toml");
    let early = waves.iter().zip(heights).filter(|(wave, _)| wave.is_early());
    let height = early.map(|(_, height)| *height).max().ok_or("no report of the reception")?;
    let began = Instant::now();
    let found = simulate(config.clone(), draft.to_owned(), &["--height", &height.to_string()]).await?;
    let took = began.elapsed();
    let (plan, how) = (plan.early(), " at the earlier height");
    let mut held = changes(&plan, &found, how);
    held.push(check(format!("cases{how}"), plan.cases().into(), get(&found, &["cases"]).clone()));
    held.push(check("the earlier height", height.into(), get(&found, &["height"]).clone()));
    let mut client = cluster.connect(OPERATOR, OPERATOR).await?;
    let header = client.ledger.get_header(v1::GetHeaderRequest { height }).await?.into_inner();
    let block = BlockId::from_slice(&header.block_id).ok_or("no block id")?.to_string();
    held.push(check("the block of the earlier height", block.into(), get(&found, &["block"]).clone()));
    held.push(check(format!("units of work{how}"), plan.work().into(), get(&found, &["cost_now", "work"]).clone()));
    // A height that is not there yet is no height.
    let ahead = simulate(config, draft.to_owned(), &["--height", "1000000000"]).await;
    let told = ahead.err().map(|fault| fault.to_string()).unwrap_or_default();
    held.push(check("a height ahead is refused", Value::Bool(true), told.contains("HEIGHT_AHEAD").into()));
    Ok((held, took))
}

/// In force from the last block on with which the reception opened cases.
async fn from(
    cluster: &Cluster,
    plan: &Plan,
    (waves, heights): (&[Wave], &[u64]),
    draft: &Path,
) -> Result<Vec<Held>, Fault> {
    let config = cluster.net.node_folder(OPERATOR).join("config.toml");
    let opening = waves.iter().zip(heights).filter(|(wave, _)| wave.opens().next().is_some());
    let since = opening.map(|(_, height)| *height).max().ok_or("nothing was opened")?;
    let last = *heights.last().ok_or("nothing was reported")?;
    let opened: BTreeSet<CaseId> =
        waves.iter().zip(heights).filter(|(_, height)| **height >= since).flat_map(|(wave, _)| wave.opens()).collect();
    let [since, last] = [since, last].map(|height| height.to_string());
    let arguments = ["--height", &last, "--from", &since];
    let found = simulate(config, draft.to_owned(), &arguments).await?;
    let mut held = changes(plan, &found, ", all reports made");
    let how = " with the draft in force from a height on";
    let force = get(&found, &["from"]);
    held.extend(changes(&plan.only(|id| opened.contains(id)), force, how));
    held.push(check(format!("cases opened{how}"), opened.len().into(), get(force, &["opened"]).clone()));
    held.push(check(format!("cases moved{how}"), 0.into(), get(force, &["moved"]).clone()));
    Ok(held)
}

/// Runs the program for a person of an authority; the JSON values it prints.
async fn person(cluster: &Cluster, authority: &str, arguments: &[&str]) -> Result<Vec<Value>, Fault> {
    let profile = cluster.net.profile(authority);
    let command = [arguments, &["--output", "json", "--profile"]].concat();
    let output = Command::new(program()?).args(command).arg(profile).output().await?;
    if !output.status.success() {
        return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// Tried once more as it is proposed, with a mapping; adopted; and all cases move.
async fn adopted(cluster: &Cluster, plan: &Plan, draft: &Path) -> Result<Vec<Held>, Fault> {
    let mapping = draft.with_file_name("mapping");
    std::fs::write(&mapping, plan::mapping())?;
    let config = cluster.net.node_folder(OPERATOR).join("config.toml");
    let [draft_name, mapping, config] = [draft, &mapping, &config].map(|path| path.display().to_string());
    // Without the mapping something cannot be carried over; the ledger would refuse it.
    let found = simulate(config.clone().into(), draft.to_owned(), &["--move-cases"]).await?;
    let unmapped = plan.unmapped();
    let mut held = vec![check("what cannot be mapped", unmapped, get(&found, &["from", "unmapped"]).clone())];
    let before = inboxes(cluster).await?;
    let propose = ["gov", "propose", &draft_name, "--mapping", &mapping, "--try", "--config", &config];
    let said = person(cluster, OPERATOR, &propose).await?;
    let [tried, proposal] = said.as_slice() else { return Err(format!("gov propose said {said:?}").into()) };
    let (plan, force) = (plan.mapped(), get(tried, &["from"]));
    for (found, how) in [(tried, " over the mapping"), (force, " over the mapping, from now on")] {
        held.extend(changes(&plan, found, how));
    }
    held.push(check("nothing is left unmapped", serde_json::json!([]), get(force, &["unmapped"]).clone()));
    held.push(check("all cases move", get(tried, &["cases"]).clone(), get(force, &["moved"]).clone()));
    vote(cluster, proposal).await?;
    let moved = all_moved(cluster, number(get(tried, &["cases"]))).await?;
    held.push(check("cases under the new version", get(tried, &["cases"]).clone(), moved.into()));
    held.extend(compared(force, &before, &inboxes(cluster).await?, ", and all cases have moved to it"));
    Ok(held)
}

async fn vote(cluster: &Cluster, proposal: &Value) -> Result<(), Fault> {
    let id = get(proposal, &["proposal"]).as_str().ok_or("a proposal without an id")?;
    let until = Instant::now() + PATIENCE;
    for authority in FOUR_AUTHORITIES.iter().map(|one| one.id).filter(|id| *id != OPERATOR) {
        loop {
            let shown = person(cluster, authority, &["gov", "show", id]).await;
            if let Ok(shown) = shown {
                if shown.first().is_some_and(|shown| shown["state"] == "open") {
                    person(cluster, authority, &["gov", "vote", id, "yes"]).await?;
                }
                break;
            }
            if Instant::now() > until {
                return Err(format!("{authority} does not see the proposal").into());
            }
            tokio::time::sleep(POLL).await;
        }
    }
    let shown = person(cluster, OPERATOR, &["gov", "show", id]).await?;
    match shown.first() {
        Some(shown) if shown["state"] == "adopted" => Ok(()),
        shown => Err(format!("it was not adopted: {shown:?}").into()),
    }
}

/// Waits until as many cases stand under the third version; how many do.
async fn all_moved(cluster: &Cluster, wanted: u64) -> Result<u64, Fault> {
    let until = Instant::now() + PATIENCE;
    let mut client = cluster.connect(OPERATOR, OPERATOR).await?;
    loop {
        let (mut moved, mut page_token) = (0, String::new());
        loop {
            let request = v1::ListCasesRequest { page_size: 1_000, page_token, ..v1::ListCasesRequest::default() };
            let page = client.cases.list_cases(request).await?.into_inner();
            moved += page.cases.iter().filter(|case| case.definition_version == 3).count() as u64;
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        if moved == wanted || Instant::now() > until {
            return Ok(moved);
        }
        tokio::time::sleep(POLL).await;
    }
}
