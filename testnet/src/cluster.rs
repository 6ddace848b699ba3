//! A network of real processes on this machine: made, started, awaited,
//! killed, started again. What a test knows of a node it learns through the
//! node's API.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use laufzettel_chain::genesis::Genesis;
use laufzettel_node::client::{Author, Client};
use laufzettel_node::endpoints::Endpoints;
use laufzettel_node::localnet::{LocalNet, Member};
use laufzettel_proto::v1;
use rustix::process::{Pid, Signal, kill_process};
use std::sync::Arc;

/// How long a node may take to answer after its start.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How long a node may take to end after it was asked to.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// What went wrong with the network as a whole; the text says with which node.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A network of processes. Dropped, it kills what still runs.
pub(crate) struct Cluster {
    pub(crate) net: LocalNet,
    pub(crate) genesis: Arc<Genesis>,
    program: PathBuf,
    running: BTreeMap<String, Child>,
}

/// The node's program, built beside this one.
pub(crate) fn program() -> Result<PathBuf, Fault> {
    let own = std::env::current_exe()?;
    // A test binary lies one folder deeper than the programs.
    let folders = own.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join("laufzettel")).find(|path| path.is_file());
    found.ok_or_else(|| {
        format!("no program `laufzettel` beside {}; run `cargo build --workspace`", own.display()).into()
    })
}

impl Cluster {
    /// Makes the files of a network; starts nothing.
    pub(crate) fn make(
        folder: &Path,
        name: &str,
        members: Vec<Member>,
        definitions: Vec<String>,
    ) -> Result<Self, Fault> {
        let net = LocalNet::make(folder, name, members, definitions)?;
        let genesis = Arc::new(laufzettel_node::genesis::load(&net.folder.join("genesis.toml"))?);
        Ok(Self { net, genesis, program: program()?, running: BTreeMap::new() })
    }
    /// Starts the nodes that do not run, and waits until each is in sync with a quorum.
    pub(crate) async fn start(&mut self) -> Result<(), Fault> {
        let stopped: Vec<String> =
            self.net.nodes.iter().filter(|node| !self.running.contains_key(*node)).cloned().collect();
        self.start_these(&stopped).await
    }
    /// Starts these nodes, which do not run, and waits until each is in sync with a quorum.
    pub(crate) async fn start_these(&mut self, stopped: &[String]) -> Result<(), Fault> {
        for node in stopped {
            let child = self.net.start(node, &self.program)?;
            self.running.insert(node.clone(), child);
        }
        let until = Instant::now() + START_DEADLINE;
        for node in stopped {
            let mut client = self.connect(node, node).await?;
            loop {
                let health = client.ledger.get_health(v1::GetHealthRequest {}).await?.into_inner();
                if health.state() == v1::HealthState::InSync {
                    break;
                }
                if Instant::now() > until {
                    return Err(format!("node {node} is not in sync: {:?}", health.warnings).into());
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }
    /// Address of a node's API.
    pub(crate) fn address(&self, node: &str) -> Result<String, Fault> {
        Ok(Endpoints::read(&self.net.node_folder(node).join("data"))?.api)
    }
    /// Connects an authority to a node, waiting until the node answers.
    pub(crate) async fn connect(&self, node: &str, authority: &str) -> Result<Client, Fault> {
        let until = Instant::now() + START_DEADLINE;
        loop {
            let last = match self.try_connect(node, authority).await {
                Ok(client) => return Ok(client),
                Err(fault) => fault,
            };
            if Instant::now() > until {
                let log = self.net.node_folder(node).join("node.log");
                let tail = std::fs::read_to_string(&log).unwrap_or_default();
                let tail: Vec<&str> = tail.lines().rev().take(5).collect();
                return Err(format!("node {node} does not answer: {last}; end of {}: {tail:?}", log.display()).into());
            }
            tokio::time::sleep(POLL).await;
        }
    }
    async fn try_connect(&self, node: &str, authority: &str) -> Result<Client, Fault> {
        let mut client = Client::connect(&self.address(node)?, &self.net.profile(authority)).await?;
        client.ledger.get_health(v1::GetHealthRequest {}).await?;
        Ok(client)
    }
    /// An authority that signs, with its service key.
    pub(crate) fn author(&self, authority: &str) -> Result<Author, Fault> {
        Ok(Author {
            authority: authority.to_owned(),
            key: self.net.service_key(authority)?,
            network: self.genesis.network,
            incarnation: 0,
            source_system: "testnet".to_owned(),
        })
    }
    /// Kills a node as a power cut would, without a word.
    pub(crate) fn kill(&mut self, node: &str) -> Result<(), Fault> {
        if let Some(mut child) = self.running.remove(node) {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
    /// Asks all nodes to end and waits for them; a node that does not end is
    /// killed, and that is a fault.
    pub(crate) fn stop(&mut self) -> Result<(), Fault> {
        for child in self.running.values() {
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                kill_process(pid, Signal::TERM)?;
            }
        }
        let until = Instant::now() + STOP_DEADLINE;
        for (node, mut child) in std::mem::take(&mut self.running) {
            loop {
                match child.try_wait()? {
                    Some(status) if status.success() => break,
                    Some(status) => return Err(format!("node {node} ended with {status}").into()),
                    None if Instant::now() > until => {
                        child.kill()?;
                        return Err(format!("node {node} did not end when asked to").into());
                    }
                    None => std::thread::sleep(POLL),
                }
            }
        }
        Ok(())
    }
    /// Nodes in the order of the members.
    pub(crate) fn nodes(&self) -> &[String] {
        &self.net.nodes
    }
    /// The node that hosts an authority.
    pub(crate) fn host_of(&self, authority: &str) -> Option<&str> {
        let member = self.net.members.iter().find(|member| member.id == authority)?;
        Some(&member.hosted_by)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
