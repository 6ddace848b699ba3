//! A network of real processes on this machine: made, started, awaited,
//! killed, stopped for a while, started again. What a test knows of a running
//! node it learns through the node's API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use laufzettel_chain::genesis::Genesis;
use laufzettel_node::client::{Author, Client};
use laufzettel_node::endpoints::Endpoints;
use laufzettel_node::localnet::{LocalNet, Member};
use laufzettel_proto::v1;
use rustix::process::{Pid, Signal, kill_process};

use crate::proxy::Links;

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
    /// Programs that start a node in a surrounding of its own.
    wrapped: BTreeMap<String, PathBuf>,
    running: BTreeMap<String, Child>,
}

/// How a start went.
#[derive(Debug)]
pub(crate) enum Started {
    /// The node is in sync with a quorum; what it warns of.
    InSync(Vec<String>),
    /// It ended.
    Ended(ExitStatus),
}

/// The way to a node's API, wherever it listens at the moment.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) node: String,
    data: PathBuf,
    profile: PathBuf,
}

impl Door {
    /// Connects, once.
    pub(crate) async fn open(&self) -> Result<Client, Fault> {
        Ok(Client::connect(&Endpoints::read(&self.data)?.api, &self.profile).await?)
    }
}

/// Where a running node listens for peers.
fn peer_address(data: &Path) -> Option<SocketAddr> {
    let peer = Endpoints::read(data).ok()?.peer;
    let (_, rest) = peer.split_once("/ip4/")?;
    let mut parts = rest.split('/');
    let (ip, port) = (parts.next()?, parts.nth(1)?);
    Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?))
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
        Ok(Self { net, genesis, program: program()?, wrapped: BTreeMap::new(), running: BTreeMap::new() })
    }
    /// Puts a proxy into every link between nodes, and lets the system choose the nodes' own ports at each start.
    /// Before the first start.
    pub(crate) async fn behind_proxies(&mut self) -> Result<Links, Fault> {
        let folders = self.net.nodes.iter().map(|node| (node.clone(), self.net.node_folder(node).join("data")));
        let folders: Arc<BTreeMap<String, PathBuf>> = Arc::new(folders.collect());
        let links = Links::start(&self.net.nodes, move |node| peer_address(folders.get(node)?)).await?;
        for node in &self.net.nodes {
            self.configure(node, |config| {
                let network = config.get_mut("network").and_then(toml::Value::as_table_mut);
                network.ok_or("no [network]")?.insert("listen".to_owned(), "127.0.0.1:0".into());
                let peers = config.get_mut("peer").and_then(toml::Value::as_array_mut).ok_or("no [[peer]]")?;
                for peer in peers.iter_mut().filter_map(toml::Value::as_table_mut) {
                    let to = peer.get("authority").and_then(toml::Value::as_str).unwrap_or_default();
                    let address = links.address(node, to).ok_or("a peer that is no node")?.to_string();
                    peer.insert("addresses".to_owned(), vec![address].into());
                }
                Ok(())
            })?;
        }
        Ok(links)
    }
    /// Changes a node's configuration. Before its start.
    pub(crate) fn configure(
        &self,
        node: &str,
        change: impl FnOnce(&mut toml::Table) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let path = self.net.node_folder(node).join("config.toml");
        let mut config: toml::Table = toml::from_str(&std::fs::read_to_string(&path)?)?;
        change(&mut config)?;
        std::fs::write(&path, toml::to_string(&config)?)?;
        Ok(())
    }
    /// Has all nodes keep every block, for a check that executes them once more. Before their start.
    pub(crate) fn keep_all(&self) -> Result<(), Fault> {
        for node in self.nodes() {
            self.configure(node, |config| {
                let section = config.get_mut("node").and_then(toml::Value::as_table_mut);
                section.ok_or("no [node]")?.insert("archive".to_owned(), true.into());
                Ok(())
            })?;
        }
        Ok(())
    }
    /// Has a node started by another program from now on; it must replace itself by the node's.
    pub(crate) fn wrap(&mut self, node: &str, program: PathBuf) {
        self.wrapped.insert(node.to_owned(), program);
    }
    /// The node's own program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }
    /// Starts a node and does not wait.
    pub(crate) fn launch(&mut self, node: &str) -> Result<(), Fault> {
        let program = self.wrapped.get(node).unwrap_or(&self.program);
        let child = self.net.start(node, program)?;
        self.running.insert(node.to_owned(), child);
        Ok(())
    }
    /// Waits until a launched node is in sync or has ended; longer than `patience` is a fault.
    pub(crate) async fn settle(&mut self, node: &str, patience: Duration) -> Result<Started, Fault> {
        let (until, door) = (Instant::now() + patience, self.door(node));
        loop {
            if let Some(status) = self.ended(node)? {
                return Ok(Started::Ended(status));
            }
            let last = match tokio::time::timeout(POLL * 100, health(&door)).await {
                Ok(Ok(health)) if health.state() == v1::HealthState::InSync => {
                    return Ok(Started::InSync(health.warnings));
                }
                Ok(Ok(health)) if health.state() == v1::HealthState::Stopped => {
                    return Err(format!("node {node} has stopped: {:?}", health.warnings).into());
                }
                Ok(Ok(health)) => format!("{:?}, {:?}", health.state(), health.warnings),
                Ok(Err(fault)) => fault.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            if Instant::now() > until {
                return Err(format!("node {node} is not in sync after {patience:?}: {last}").into());
            }
            tokio::time::sleep(POLL).await;
        }
    }
    /// How a node ended by itself; none while it runs, or if it does not run.
    pub(crate) fn ended(&mut self, node: &str) -> Result<Option<ExitStatus>, Fault> {
        let Some(child) = self.running.get_mut(node) else { return Ok(None) };
        let status = child.try_wait()?;
        if status.is_some() {
            self.running.remove(node);
        }
        Ok(status)
    }
    /// Sends a running node a signal.
    pub(crate) fn signal(&self, node: &str, signal: Signal) -> Result<(), Fault> {
        let pid = self.running.get(node).and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?));
        kill_process(pid.ok_or_else(|| format!("node {node} does not run"))?, signal)?;
        Ok(())
    }
    /// The way for an authority to the node that it runs, or that hosts it.
    pub(crate) fn door(&self, authority: &str) -> Door {
        let node = self.host_of(authority).unwrap_or(authority);
        let (data, profile) = (self.net.node_folder(node).join("data"), self.net.profile(authority));
        Door { node: node.to_owned(), data, profile }
    }
    /// The nodes that vote of a network whose files are made.
    pub(crate) fn over(net: LocalNet) -> Result<Self, Fault> {
        let genesis = Arc::new(laufzettel_node::genesis::load(&net.folder.join("genesis.toml"))?);
        Ok(Self { net, genesis, program: program()?, wrapped: BTreeMap::new(), running: BTreeMap::new() })
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
            self.launch(node)?;
        }
        for node in stopped {
            self.await_in_sync(node).await?;
        }
        Ok(())
    }
    /// Waits until a node is in sync with a quorum.
    pub(crate) async fn await_in_sync(&self, node: &str) -> Result<(), Fault> {
        let until = Instant::now() + START_DEADLINE;
        let mut client = self.connect(node, node).await?;
        loop {
            let health = client.ledger.get_health(v1::GetHealthRequest {}).await?.into_inner();
            if health.state() == v1::HealthState::InSync {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("node {node} is not in sync: {:?}", health.warnings).into());
            }
            tokio::time::sleep(POLL).await;
        }
    }
    /// Process ids of the running nodes.
    pub(crate) fn processes(&self) -> Vec<u32> {
        self.running.values().map(Child::id).collect()
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

async fn health(door: &Door) -> Result<v1::GetHealthResponse, Fault> {
    Ok(door.open().await?.ledger.get_health(v1::GetHealthRequest {}).await?.into_inner())
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
