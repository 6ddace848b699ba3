//! A node that does not run is examined as a start would find it: ports,
//! database, watermark; then its peers are dialled with its key, and asked to
//! dial it. The caller holds the data folder's lock meanwhile.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use laufzettel_chain::ids::Address;
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::storage::rocks::RocksStore;
use laufzettel_proto::v1;
use tokio::time::{Instant, timeout_at};

use super::{Finding, Level, clocks, links, running};
use crate::config::Config;
use crate::consensus::watermark::{Found, SigningState, judge};
use crate::consensus::{Message, Recovered};
use crate::disk::{self, Growth};
use crate::network::{Network, NetworkEvent, NetworkEvents, NetworkHandle};
use crate::setup::Setup;
use crate::slots::SlotFile;
use crate::worker::{WatermarkSlots, Worker};

/// How long links may take to come up.
const CONNECT_TIME: Duration = Duration::from_secs(4);
/// A peer sends a beat as soon as the link stands; how long to wait for it.
const BEAT_TIME: Duration = Duration::from_secs(2);

pub(super) async fn look(
    config: &Config,
    setup: Option<&Setup>,
    now_ms: fn() -> u64,
    tell: &mut dyn FnMut(&str),
    findings: &mut Vec<Finding>,
) {
    port("api.listen", config.api.listen, findings);
    if let Some(address) = config.metrics.listen {
        port("metrics.listen", address, findings);
    }
    if let Some(setup) = setup {
        if is_own(&config.node.data) {
            tell("Opening the database ...");
            database(setup, findings);
        } else {
            let text = "database and watermark were not looked at: the data folder is another user's, and a database \
                        that is opened gets files of who opens it";
            let remedy = "run doctor as the user of the node: `runuser -u laufzettel -- laufzettel ... doctor`";
            findings.push(Finding::new("database", "", Level::Warn, text, remedy));
        }
    }
    room(config, now_ms(), findings);
    if let Some(setup) = setup {
        tell("Dialling the peers with this node's key, and having them dial it; about ten seconds ...");
        peers(setup, now_ms, findings).await;
    }
}

fn port(field: &'static str, address: SocketAddr, findings: &mut Vec<Finding>) {
    findings.push(match TcpListener::bind(address) {
        Ok(_) => Finding::ok("ports", field, format!("{address} is free")),
        Err(error) => {
            let text = format!("cannot listen on {address}: {error}");
            let remedy = format!("find who has it with `ss -ltnp`, or choose another address for {field}");
            Finding::new("ports", field, Level::Fail, text, remedy)
        }
    });
}

/// Whether a folder belongs to this process's user, or is not there yet.
fn is_own(folder: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    std::fs::metadata(folder).map_or(true, |found| found.uid() == own)
}

/// A watermark file that is not there, without making it.
struct NoSlots;

impl WatermarkSlots for NoSlots {
    fn read(&self) -> io::Result<[Option<Vec<u8>>; 2]> {
        Ok([None, None])
    }
    fn write(&mut self, _slot: usize, _bytes: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn database(setup: &Setup, findings: &mut Vec<Finding>) {
    let folder = setup.config.node.data.join("db");
    if !folder.exists() {
        let text = "there is no database yet; the first start makes it and fetches all blocks from the peers";
        findings.push(Finding::ok("database", "", text));
        return;
    }
    match open(setup) {
        Ok(recovered) => {
            let text = format!("opens, at height {}", recovered.tip.header.height);
            findings.push(Finding::ok("database", "", text));
            findings.push(watermark(setup, &recovered));
        }
        Err(error) => {
            let remedy = "a damaged database is moved away, never repaired; the node then fetches its blocks from the \
                          peers. Leave the file `watermark` where it is";
            findings.push(Finding::new("database", "", Level::Fail, crate::api::causes(error.as_ref()), remedy));
        }
    }
}

fn open(setup: &Setup) -> Result<Recovered, Box<dyn std::error::Error + Send + Sync>> {
    let data = &setup.config.node.data;
    let store = RocksStore::open(&data.join("db"))?;
    let ledger = Ledger::open(Arc::new(store), setup.genesis.clone(), setup.config.node.archive)?;
    let path = data.join("watermark");
    let slots: Box<dyn WatermarkSlots> =
        if path.exists() { Box::new(SlotFile::open(&path)?) } else { Box::new(NoSlots) };
    let (_, recovered) = Worker::open(ledger, slots)?;
    Ok(recovered)
}

fn watermark(setup: &Setup, recovered: &Recovered) -> Finding {
    let Some(key) = setup.keys.consensus.as_ref().filter(|_| super::is_validator(setup)) else {
        return Finding::ok("watermark", "", "not needed: the node observes and signs nothing");
    };
    let pristine = recovered.tip.header.height == 0 && recovered.log.is_empty();
    let [first, second] = &recovered.slots;
    let slots = [first.as_deref(), second.as_deref()];
    let found = Found { slots, pristine, log_end: recovered.log_end };
    let (state, _) = judge(setup.genesis.network, Address::of(&key.verifying_key()), &found);
    match state {
        SigningState::Ready | SigningState::Observer => Finding::ok("watermark", "", "in order; the node will sign"),
        SigningState::New => Finding::ok("watermark", "", "none yet; the node will sign once it has heard the others"),
        SigningState::Above(height) if height <= recovered.tip.header.height => {
            Finding::ok("watermark", "", "in order; the node will sign")
        }
        SigningState::Above(height) => {
            let text = format!(
                "the node will sign above height {height} only: its watermark was reset, or lies ahead of its log"
            );
            let remedy = "unless the watermark was reset, find out who set the database back";
            Finding::new("watermark", "", Level::Warn, text, remedy)
        }
        SigningState::Silent(reason) => {
            let text = format!("the node will sign nothing: the file `watermark` {reason}");
            let remedy = "run `laufzettel keys watermark reset`; never restore one from a backup";
            Finding::new("watermark", "", Level::Fail, text, remedy)
        }
    }
}

/// The pace of a node that does not run is that since its database was made.
fn room(config: &Config, now_ms: u64, findings: &mut Vec<Finding>) {
    let data = &config.node.data;
    let Ok((used, space)) = disk::used(data).and_then(|used| Ok((used, disk::space(data)?))) else { return };
    let growth = Growth::since_made(data, used, now_ms);
    findings.push(running::room(used, space, growth));
}

/// What beats say: the highest lower bound of each peer's lead, and its height.
type Beats = BTreeMap<String, (i64, u64)>;

async fn collect(events: &mut NetworkEvents, now_ms: fn() -> u64, wanted: usize, until: Instant, beats: &mut Beats) {
    while beats.len() < wanted {
        let Ok(Some(event)) = timeout_at(until, events.recv()).await else { return };
        let NetworkEvent::Frame(authority, bytes) = event else { continue };
        let Ok(Message::Beat(beat)) = Message::from_bytes(&bytes) else { continue };
        let (signed, came) = (beat.message.time_ms, now_ms());
        let lead = i64::try_from(signed).unwrap_or(i64::MAX).saturating_sub(i64::try_from(came).unwrap_or(i64::MAX));
        let entry = beats.entry(authority.to_string()).or_insert((lead, 0));
        *entry = (entry.0.max(lead), beat.message.height);
    }
}

async fn peers(setup: &Setup, now_ms: fn() -> u64, findings: &mut Vec<Finding>) {
    let (network, mut events) = match Network::start(setup.network()).await {
        Ok(started) => started,
        Err(error) => {
            let remedy = "find who has the port with `ss -ltnp`, or choose another address for network.listen";
            return findings.push(Finding::new("ports", "network.listen", Level::Fail, error.to_string(), remedy));
        }
    };
    let text = format!("{} can be listened on", setup.config.network.listen);
    findings.push(Finding::ok("ports", "network.listen", text));
    let mut beats = Beats::new();
    let all = setup.peers.len();
    collect(&mut events, now_ms, all, Instant::now() + CONNECT_TIME, &mut beats).await;
    let asked = setup.peers.iter().map(|peer| network.reach(&peer.authority));
    let reached = futures::future::join_all(asked).await;
    let connected = network.connected().count();
    collect(&mut events, now_ms, connected, Instant::now() + BEAT_TIME, &mut beats).await;
    let rows: Vec<v1::LinkDiagnostics> =
        setup.peers.iter().zip(reached).map(|(peer, reach)| row(setup, &network, peer, reach, &beats)).collect();
    clocks::judge(&links::clocks(&rows), findings);
    links::judge(&setup.config, &rows, findings);
    let height = beats.values().map(|(_, height)| *height).max().unwrap_or(0);
    if height > 0 {
        findings.push(Finding::ok("sync", "", format!("the peers are at height {height}")));
    }
}

fn row(
    setup: &Setup,
    network: &NetworkHandle,
    peer: &crate::network::Peer,
    reach: Option<crate::network::Reach>,
    beats: &Beats,
) -> v1::LinkDiagnostics {
    let name = peer.authority.to_string();
    let link = network.links().remove(&peer.authority).unwrap_or_default();
    let (lead, height) = beats.get(&name).copied().unzip();
    let connected = network.is_connected(&name);
    let health = v1::PeerHealth {
        validator: setup.genesis.registry.validators.of_authority(&name).is_some(),
        authority: name,
        connected,
        height: height.unwrap_or(0),
        beat_age_ms: 0,
        disconnected_ms: if connected { 0 } else { u64::try_from(CONNECT_TIME.as_millis()).unwrap_or(0) },
    };
    crate::api::local::row(Some(health), lead, 0, link, reach)
}
