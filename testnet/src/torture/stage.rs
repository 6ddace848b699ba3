//! The network under torture and what every fault needs of it: nodes by number, a look at what a dead node left, and
//! the way back to four nodes in sync that decide together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use laufzettel_chain::storage::rocks::RocksStore;
use laufzettel_node::slots::SlotFile;
use laufzettel_node::worker::WatermarkSlots as _;

use super::clients::Clients;
use super::clock::Clocks;
use super::schedule::{Episode, Strike};
use crate::cluster::{Cluster, Fault, Started};
use crate::invariants::{Held, Witness};
use crate::proxy::{Links, Passage};

/// A node that is not in sync after this long hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(240);
/// A network that decides nothing for this long although a quorum is there hangs.
const PROGRESS: Duration = Duration::from_secs(120);

/// Verdicts on one kind of file, with how often each came.
pub(super) type Verdicts = BTreeMap<&'static str, u64>;

/// What is counted on the way.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) faults: BTreeMap<&'static str, u64>,
    pub(super) skipped: BTreeMap<String, u64>,
    pub(super) damage: BTreeMap<String, Verdicts>,
    pub(super) restarts: u64,
    pub(super) heal_max: Duration,
}

/// The network and everything around it.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    pub(super) links: Links,
    pub(super) clients: Arc<Clients>,
    pub(super) witness: Witness,
    pub(super) clocks: Option<Clocks>,
    pub(super) counts: Counts,
}

impl Stage {
    /// The name of a node.
    pub(super) fn name(&self, node: usize) -> Result<String, Fault> {
        Ok(self.cluster.nodes().get(node).ok_or("no such node")?.clone())
    }
    pub(super) fn data(&self, name: &str) -> PathBuf {
        self.cluster.net.node_folder(name).join("data")
    }
    /// Says that a fault was not tried, and why.
    pub(super) fn skip(&mut self, kind: &str, why: &str) {
        eprintln!("SKIPPED {kind}: {why}");
        *self.counts.skipped.entry(format!("{kind}: {why}")).or_default() += 1;
    }
    /// Kills a node and keeps what its disk says it signed.
    pub(super) fn kill(&mut self, name: &str) -> Result<(), Fault> {
        self.cluster.kill(name)?;
        self.look(name)
    }
    /// Keeps what the disk of a node that is down says it signed.
    pub(super) fn look(&mut self, name: &str) -> Result<(), Fault> {
        let data = self.data(name);
        self.witness.watermark(name, &SlotFile::open(&data.join("watermark"))?.read()?);
        let store = RocksStore::open_read_only(&data.join("db"))?;
        self.witness.log_of(&Held { node: name, read: &store })?;
        Ok(())
    }
    /// Starts a node and waits until it is in sync; what it warns of.
    pub(super) async fn start(&mut self, name: &str) -> Result<Vec<String>, Fault> {
        self.launch(name)?;
        self.settle(name).await
    }
    pub(super) fn launch(&mut self, name: &str) -> Result<(), Fault> {
        self.counts.restarts += 1;
        self.cluster.launch(name)
    }
    pub(super) async fn settle(&mut self, name: &str) -> Result<Vec<String>, Fault> {
        match self.cluster.settle(name, PATIENCE).await? {
            Started::InSync(warnings) => Ok(warnings),
            Started::Ended(status) => Err(format!("node {name} ended with {status}: {}", self.tail(name, 0)).into()),
        }
    }
    /// How long a node's log is.
    pub(super) fn log_end(&self, name: &str) -> u64 {
        let log = self.cluster.net.node_folder(name).join("node.log");
        std::fs::metadata(log).map(|found| found.len()).unwrap_or_default()
    }
    /// What a node logged after a place of its log.
    pub(super) fn log_from(&self, name: &str, place: u64) -> String {
        let log = std::fs::read(self.cluster.net.node_folder(name).join("node.log")).unwrap_or_default();
        let place = usize::try_from(place).unwrap_or_default();
        String::from_utf8_lossy(log.get(place..).unwrap_or_default()).into_owned()
    }
    /// The last lines that a node logged after a place of its log.
    pub(super) fn tail(&self, name: &str, place: u64) -> String {
        let log = self.log_from(name, place);
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(4)..).unwrap_or_default().join(" | ")
    }

    /// Has an episode happen, and waits until the network is whole again.
    pub(super) async fn perform(&mut self, episode: &Episode) -> Result<(), Fault> {
        if let Some(slow) = episode.slow {
            self.links.delay(slow, |_, _| true);
        }
        let (strike, hold) = (&episode.strike, episode.hold);
        *self.counts.faults.entry(strike.kind()).or_default() += 1;
        match strike {
            Strike::Kill { node } => self.kill_one(*node, hold).await?,
            Strike::KillAll => self.kill_all(hold).await?,
            Strike::Pause { node, pause } => self.pause(*node, *pause).await?,
            Strike::DiskFull { node } => self.fill_disk(*node, hold).await?,
            Strike::Clock { node, ahead_ms, restart } => self.turn_clock(*node, *ahead_ms, *restart, hold).await?,
            Strike::Damage { node, part, harm, at } => self.damage(*node, *part, *harm, *at, hold).await?,
            Strike::Wipe { node } => self.wipe(*node).await?,
            Strike::Isolate { .. }
            | Strike::OneWay { .. }
            | Strike::Halves { .. }
            | Strike::Delay { .. }
            | Strike::Flap { .. } => self.disturb(strike, hold).await?,
        }
        self.links.heal();
        let begun = Instant::now();
        self.whole_again().await?;
        self.counts.heal_max = self.counts.heal_max.max(begun.elapsed());
        match self.clients.faults() {
            faults if faults.is_empty() => Ok(()),
            faults => Err(faults.join("; ").into()),
        }
    }
    /// Lasts a while, and as long as it takes until the nodes that are well have decided something.
    pub(super) async fn last(&self, hold: Duration, well: usize) -> Result<(), Fault> {
        let until = Instant::now() + hold;
        self.progress(well).await?;
        tokio::time::sleep(until.saturating_duration_since(Instant::now())).await;
        Ok(())
    }
    async fn progress(&self, node: usize) -> Result<u64, Fault> {
        let name = self.name(node)?;
        let decided = tokio::time::timeout(PROGRESS, self.clients.probe(node)).await;
        decided.map_err(|_| format!("nothing becomes final at {name} for {PROGRESS:?}"))?
    }
    /// A transaction of every node becomes final, and every node knows of it; the highest height of these.
    pub(super) async fn whole_again(&self) -> Result<u64, Fault> {
        let mut highest = 0;
        for node in 0..self.cluster.nodes().len() {
            highest = highest.max(self.progress(node).await?);
        }
        for node in 0..self.cluster.nodes().len() {
            let (reached, name) = (self.clients.reach(node, highest), self.name(node)?);
            let reached = tokio::time::timeout(PROGRESS, reached).await;
            reached.map_err(|_| format!("{name} does not come to height {highest} in {PROGRESS:?}"))??;
        }
        Ok(highest)
    }

    async fn kill_one(&mut self, node: usize, hold: Duration) -> Result<(), Fault> {
        let name = self.name(node)?;
        self.kill(&name)?;
        self.last(hold, (node + 1) % self.cluster.nodes().len().max(1)).await?;
        self.start(&name).await.map(drop)
    }
    async fn kill_all(&mut self, hold: Duration) -> Result<(), Fault> {
        let nodes = self.cluster.nodes().to_vec();
        // All at once first; looking takes time.
        for name in &nodes {
            self.cluster.kill(name)?;
        }
        for name in &nodes {
            self.look(name)?;
        }
        tokio::time::sleep(hold).await;
        for name in &nodes {
            self.launch(name)?;
        }
        for name in &nodes {
            self.settle(name).await?;
        }
        Ok(())
    }
    async fn pause(&mut self, node: usize, pause: Duration) -> Result<(), Fault> {
        use rustix::process::Signal;
        let name = self.name(node)?;
        self.cluster.signal(&name, Signal::STOP)?;
        let lasted = self.last(pause, (node + 1) % self.cluster.nodes().len().max(1)).await;
        self.cluster.signal(&name, Signal::CONT)?;
        lasted
    }
    /// Cuts and slows links.
    async fn disturb(&mut self, strike: &Strike, hold: Duration) -> Result<(), Fault> {
        let names = self.cluster.nodes().to_vec();
        let name = |node: usize| names.get(node).map(String::as_str).unwrap_or_default();
        let cut = |lost: bool| if lost { Passage::Lost } else { Passage::Held };
        let mut well = None;
        match *strike {
            Strike::Isolate { node, lost } => {
                self.links.set(cut(lost), |from, to| from == name(node) || to == name(node));
                well = Some(node + 1);
            }
            Strike::OneWay { from: node, to: target, lost } => {
                self.links
                    .set(cut(lost), |from, to| from == name(node) && target.is_none_or(|target| to == name(target)));
                well = (0..names.len()).find(|other| *other != node && Some(*other) != target);
            }
            Strike::Halves { with_first, lost } => {
                let side = |node: &str| node == name(0) || node == name(with_first);
                self.links.set(cut(lost), |from, to| side(from) != side(to));
            }
            Strike::Delay { delay } => {
                self.links.delay(delay, |_, _| true);
                well = Some(0);
            }
            Strike::Flap { node, times } => {
                for _ in 0..times {
                    self.links.reset(|from, to| from == name(node) || to == name(node));
                    tokio::time::sleep(Duration::from_millis(400)).await;
                }
                well = Some(node + 1);
            }
            _ => {}
        }
        match well {
            Some(well) if strike.leaves_quorum() => self.last(hold, well % names.len().max(1)).await,
            _ => {
                tokio::time::sleep(hold).await;
                Ok(())
            }
        }
    }
}
