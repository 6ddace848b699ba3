//! The story at the command line, as a clerk has it: `laufzettel case clearance`, its exit codes and what it prints.

use std::time::Instant;

use laufzettel_chain::ids::CaseId;

use super::steps::{At, Book};
use super::world::{FOREIGNERS, World};
use crate::cluster::Fault;

/// What a clerk gets at the command line: exit code and verdict.
pub(super) async fn at_the_command_line(
    world: &World,
    (name, case, act): (&'static str, &[u8], &str),
    (code, verdict): (i32, &str),
    book: &mut Book,
) -> Result<(), Fault> {
    let begun = Instant::now();
    let (ended, shown) = asked(world, case, act).await?;
    let text = |field: &str| shown.get(field).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let height = shown.get("height").and_then(serde_json::Value::as_u64).unwrap_or(0);
    let held = ended == Some(code) && text("verdict") == verdict && text("proof").starts_with("holds");
    let told = format!("{act}: exit code {ended:?}, {}, proof {}", text("verdict"), text("proof"));
    book.note(name, At::new(FOREIGNERS, height, begun.elapsed()), held, told);
    Ok(())
}

/// Asks the program whether an act may go on: exit code, and what it printed as JSON.
pub(super) async fn asked(world: &World, case: &[u8], act: &str) -> Result<(Option<i32>, serde_json::Value), Fault> {
    let case = CaseId::from_slice(case).ok_or("no case id")?.to_string();
    let mut command = tokio::process::Command::new(world.cluster.program());
    command.args(["case", "clearance", &case, act, "--output", "json", "--genesis"]);
    command.arg(world.cluster.net.folder.join("genesis.toml"));
    let output = command.arg("--profile").arg(world.cluster.net.profile(FOREIGNERS)).output().await?;
    Ok((output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default()))
}
