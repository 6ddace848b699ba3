//! One node as a process that may stop answering for a while, as a node does
//! that joins: started, awaited through its API, killed.

use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use laufzettel_node::client::Client;
use laufzettel_node::endpoints::Endpoints;
use laufzettel_proto::v1;

use crate::cluster::{Cluster, Fault, program};

const POLL: Duration = Duration::from_millis(20);

/// A node; killed when dropped.
pub(crate) struct Process {
    child: Child,
    data: PathBuf,
    log: PathBuf,
    profile: PathBuf,
}

impl Process {
    pub(crate) fn start(cluster: &Cluster, node: &str) -> Result<Self, Fault> {
        let child = cluster.net.start(node, &program()?)?;
        let folder = cluster.net.node_folder(node);
        Ok(Self { child, data: folder.join("data"), log: folder.join("node.log"), profile: cluster.net.profile(node) })
    }
    pub(crate) async fn client(&self) -> Result<Client, Fault> {
        Ok(Client::connect(&Endpoints::read(&self.data)?.api, &self.profile).await?)
    }
    async fn health(&self) -> Result<v1::GetHealthResponse, Fault> {
        Ok(self.client().await?.ledger.get_health(v1::GetHealthRequest {}).await?.into_inner())
    }
    /// Waits until the node is in sync at a height or above it.
    pub(crate) async fn reach(&mut self, height: u64, patience: Duration) -> Result<(), Fault> {
        let until = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the node ended with {status}; its log ends: {:?}", self.log_end()).into());
            }
            let last = match tokio::time::timeout(Duration::from_secs(2), self.health()).await {
                Ok(Ok(health)) => {
                    let found = health.position.unwrap_or_default().height;
                    if health.state() == v1::HealthState::InSync && found >= height {
                        return Ok(());
                    }
                    format!("{:?} at height {found}", health.state())
                }
                Ok(Err(fault)) => fault.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            if Instant::now() > until {
                let end = self.log_end();
                return Err(format!(
                    "not in sync at height {height} after {patience:?}: {last}; its log ends: {end:?}"
                )
                .into());
            }
            tokio::time::sleep(POLL).await;
        }
    }
    /// Waits until a file or folder in the data folder is there; false if that takes too long.
    pub(crate) async fn shows(&self, name: &str, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if self.data.join(name).exists() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        false
    }
    pub(crate) fn kill(mut self) -> Result<(), Fault> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
    fn log_end(&self) -> Vec<String> {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(6)).map(|line| (*line).to_owned()).collect()
    }
    /// The number a field has in the last log line with these words.
    pub(crate) fn logged<T: std::str::FromStr>(&self, words: &str, field: &str) -> Option<T> {
        let log = self.log();
        let line = log.lines().rev().find(|line| line.contains(words))?;
        let (_, rest) = line.split_once(&format!(" {field}="))?;
        rest.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
