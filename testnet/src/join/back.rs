//! A validator that was away for too long comes back: it joins anew from a snapshot by itself, and its vote counts again.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::process::Process;
use super::{JOIN_PATIENCE, JOINED, LOAD_CASES, Pressure, cluster, lost, pruned, same_header};
use crate::cluster::Fault;
use crate::load::{Acknowledged, Load};
use crate::roots;
use crate::submit::submit_final;

/// What came of a validator that was away for too long.
#[derive(Debug, Serialize)]
pub(crate) struct Return {
    joined: bool,
    acknowledged: u64,
    lost: u64,
    roots_equal: bool,
    /// Whether the network went on when its vote was needed.
    votes: bool,
}

impl Return {
    pub(crate) fn is_sound(&self) -> bool {
        self.joined && self.votes && self.roots_equal && self.lost == 0 && self.acknowledged > 0
    }
}

impl std::fmt::Display for Return {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |holds: bool, yes: &'static str, no: &'static str| if holds { yes } else { no };
        writeln!(f, "the validator {} from a snapshot", word(self.joined, "joined", "DID NOT JOIN"))?;
        writeln!(f, "{} acknowledged that it keeps, {} lost", self.acknowledged, self.lost)?;
        let votes = word(self.votes, "votes again", "DOES NOT VOTE");
        write!(f, "roots {}; it {votes}", word(self.roots_equal, "equal", "NOT EQUAL"))
    }
}

/// A validator is away until all others have pruned the blocks it lacks, comes back by itself, and votes again.
pub(crate) async fn come_back(seed: u64) -> Result<Return, Fault> {
    let folder = tempfile::tempdir()?;
    let mut cluster = cluster(folder.path(), 4)?;
    cluster.start().await?;
    let load = Load::new(&cluster, LOAD_CASES, seed).await?;
    load.open_cases().await?;
    // Each event in a block of its own: a validator that has voted for the first block only counts as new.
    for number in 0..6 {
        let station = load.station(number)?;
        let (_, signed) = load.sign(station, 1)?;
        submit_final(&mut station.client.clone(), &signed).await?;
    }
    let [present @ .., away] = cluster.nodes() else { return Err("no nodes".into()) };
    let (present, away) = (present.to_vec(), away.clone());
    let height_away = roots::height(&mut cluster.connect(&away, &away).await?).await?;
    cluster.kill(&away)?;
    // The stations of the nodes that run go on.
    let stations: Vec<_> = load.stations.into_iter().filter(|station| station.author.authority != away).collect();
    let load = Arc::new(Load::over(stations.clone(), LOAD_CASES, seed).numbered_from(1_000_000));
    let pressure = Pressure::start(&load);
    for node in &present {
        let mut client = cluster.connect(node, node).await?;
        if !pruned(&mut client, height_away + 1).await? {
            return Err(format!("{node} has not pruned height {}", height_away + 1).into());
        }
    }
    let mut process = Process::start(&cluster, &away)?;
    let first = present.first().ok_or("no node")?;
    let mut first = cluster.connect(first, first).await?;
    let height = roots::height(&mut first).await?;
    process.reach(height, JOIN_PATIENCE).await?;
    let acknowledged = pressure.end().await?;
    let top = acknowledged.iter().map(|one| one.height).max().unwrap_or_default();
    process.reach(top, Duration::from_secs(60)).await?;
    let mut client = process.client().await?;
    let joined: Option<u64> = process.logged(JOINED, "height");
    let bodies_from = joined.unwrap_or_default() + 1;
    let kept: Vec<Acknowledged> = acknowledged.into_iter().filter(|one| one.height >= bodies_from).collect();
    let lost = lost(&mut client, &kept).await?;
    let roots_equal = same_header(&cluster, &mut first, &mut client, top).await?;
    // With another validator gone, three of four must vote: this one among them.
    cluster.kill(present.last().ok_or("no node")?)?;
    let load = Load::over(stations, LOAD_CASES, seed).numbered_from(2_000_000);
    let station = load.station(0)?;
    let (_, signed) = load.sign(station, 1)?;
    let votes = submit_final(&mut station.client.clone(), &signed).await.is_ok();
    Ok(Return { joined: joined.is_some(), lost, acknowledged: kept.len() as u64, roots_equal, votes })
}
