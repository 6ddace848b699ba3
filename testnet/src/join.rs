//! `testnet join`: nodes that join from a snapshot, by real processes under
//! load. A fifth node comes with an empty disk while its peers have pruned the
//! past; a validator comes back that is behind all that its peers keep. What
//! was said to be final must be there, the roots equal, and a proof of the
//! joined node must verify with the genesis file alone.

mod back;
pub(crate) mod fill;
mod process;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laufzettel_chain::light::LightClient;
use laufzettel_chain::transaction::Payload;
use laufzettel_node::client::Client;
use laufzettel_node::localnet::{FOUR_AUTHORITIES, LocalNet, Member, Template, Wishes};
use laufzettel_proto::v1;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::cluster::{Cluster, Fault, program};
use crate::load::{Acknowledged, Load};
use crate::roots;
use crate::submit::submit_final;
pub(crate) use back::come_back;
use process::Process;

/// Cases that the load reports on.
const LOAD_CASES: u64 = 100;
const AT_ONCE: u64 = 4;
/// How long the network runs under load before and after the join.
const LOAD_TIME: Duration = Duration::from_secs(3);
/// How long a join may take: it is for a million cases on a small machine.
const JOIN_PATIENCE: Duration = Duration::from_secs(1_800);
/// What the log of a node says that joined.
const JOINED: &str = "joined from a snapshot height=";
/// The fifth node, without a vote.
const OBSERVER: Template =
    Template { id: "sn-observer", label_de: "Beobachter", label_en: "Observer", roles: &["reception"] };

/// What to do.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) cases: u64,
    pub(crate) kills: u64,
    pub(crate) damage: bool,
    pub(crate) seed: u64,
    pub(crate) quiet: bool,
}

impl Wish {
    fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }
}

/// What came of it. The names of the fields are an interface.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    cases: u64,
    events: u64,
    fill_s: f64,
    snapshot_height: u64,
    snapshot_bytes: u64,
    snapshot_chunks: u64,
    /// The slowest of the four nodes, which made it at the same time.
    snapshot_s: f64,
    /// From the start of the program to its API answering in sync.
    join_s: f64,
    /// Of that: fetching the chunks, the last time if it was killed.
    fetch_s: f64,
    /// Of that: writing the store, folding every case, building the tree, comparing the root.
    import_s: f64,
    kills: u64,
    acknowledged: u64,
    lost: u64,
    pruned: bool,
    roots_equal: bool,
    proof_verified: bool,
    damage_noticed: Option<bool>,
}

impl Report {
    pub(crate) fn is_sound(&self) -> bool {
        self.lost == 0
            && self.acknowledged > 0
            && self.pruned
            && self.roots_equal
            && self.proof_verified
            && self.damage_noticed != Some(false)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} cases, {} events, filled in {:.1} s", self.cases, self.events, self.fill_s)?;
        let (height, bytes, chunks) = (self.snapshot_height, self.snapshot_bytes, self.snapshot_chunks);
        writeln!(f, "snapshot of height {height}: {bytes} bytes in {chunks} chunks, made in {:.1} s", self.snapshot_s)?;
        let (fetch, import) = (self.fetch_s, self.import_s);
        writeln!(
            f,
            "joined in {:.1} s: {fetch:.1} s fetching, {import:.1} s importing; {} kills",
            self.join_s, self.kills
        )?;
        writeln!(f, "{} acknowledged under load, {} lost", self.acknowledged, self.lost)?;
        if let Some(noticed) = self.damage_noticed {
            writeln!(
                f,
                "a damaged chunk was {}",
                if noticed { "noticed and fetched elsewhere" } else { "NOT NOTICED" }
            )?;
        }
        let word = |holds: bool, yes: &'static str, no: &'static str| if holds { yes } else { no };
        let pruned = word(self.pruned, "pruned", "NOT PRUNED");
        let (roots, proof) = (word(self.roots_equal, "equal", "NOT EQUAL"), word(self.proof_verified, "yes", "NO"));
        write!(f, "older blocks {pruned}; roots {roots}; a proof of the joined node verifies: {proof}")
    }
}

/// A network of four that vote and one that follows, which is not started with the others.
fn cluster(folder: &Path, snapshot_interval_s: u64) -> Result<Cluster, Fault> {
    let mut members: Vec<Member> = FOUR_AUTHORITIES.iter().map(Template::member).collect();
    members.push(OBSERVER.member());
    let wishes = Wishes { observers: vec![OBSERVER.id.to_owned()], snapshot_interval_s };
    let definitions = vec![laufzettel_contracts::ASYL_DE.to_owned()];
    Cluster::over(LocalNet::make_with(folder, "join", members, definitions, &wishes)?)
}

/// Load until it is told to stop; what was acknowledged.
struct Pressure {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Result<Vec<Acknowledged>, Fault>>>,
}

impl Pressure {
    fn start(load: &Arc<Load>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let work = |worker| tokio::spawn(press(load.clone(), worker, stop.clone()));
        Self { workers: (0..AT_ONCE).map(work).collect(), stop: stop.clone() }
    }
    async fn end(self) -> Result<Vec<Acknowledged>, Fault> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for worker in self.workers {
            all.extend(worker.await??);
        }
        Ok(all)
    }
}

async fn press(load: Arc<Load>, worker: u64, stop: Arc<AtomicBool>) -> Result<Vec<Acknowledged>, Fault> {
    let station = load.station(worker)?.clone();
    let mut done = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let (id, signed) = load.sign(&station, 1)?;
        let outcome = submit_final(&mut station.client.clone(), &signed).await?;
        let authority = station.author.authority.clone();
        done.push(Acknowledged { authority, id, height: outcome.height, index: outcome.index });
    }
    Ok(done)
}

/// A snapshot as `laufzettel snapshot` prints it.
#[derive(Debug, serde::Deserialize)]
struct Snapshot {
    height: u64,
    bytes: u64,
    chunks: u64,
}

/// Runs `laufzettel snapshot` as a person would.
fn snapshot<T: serde::de::DeserializeOwned>(cluster: &Cluster, node: &str, what: &str) -> Result<T, Fault> {
    let home = cluster.net.node_folder(node);
    let output =
        Command::new(program()?).arg("--home").arg(home).args(["--output", "json", "snapshot", what]).output()?;
    if !output.status.success() {
        return Err(format!("snapshot {what} of {node}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A snapshot on every node at once, of one height if nothing is reported meanwhile.
fn snapshots(cluster: &Cluster) -> Result<Vec<Snapshot>, Fault> {
    std::thread::scope(|scope| {
        let create = |node: &String| {
            let node = node.clone();
            scope.spawn(move || snapshot::<Snapshot>(cluster, &node, "create"))
        };
        let running: Vec<_> = cluster.nodes().iter().map(create).collect();
        running.into_iter().map(|one| one.join().map_err(|_| "a thread panicked")?).collect()
    })
}

/// Waits until a node no longer has the block of a height, and says from which on it has them.
async fn pruned(client: &mut Client, height: u64) -> Result<bool, Fault> {
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        match client.ledger.get_block(v1::GetBlockRequest { height }).await {
            Err(status) if status.code() == tonic::Code::OutOfRange => return Ok(true),
            Err(status) if status.code() != tonic::Code::NotFound => return Err(status.into()),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    Ok(false)
}

/// How many acknowledged transactions a node does not have at their place.
async fn lost(client: &mut Client, acknowledged: &[Acknowledged]) -> Result<u64, Fault> {
    let mut lost = 0;
    let mut sorted: Vec<&Acknowledged> = acknowledged.iter().collect();
    sorted.sort_by_key(|one| one.height);
    for of_height in sorted.chunk_by(|a, b| a.height == b.height) {
        let height = of_height.first().map_or(0, |one| one.height);
        let block = client.ledger.get_block(v1::GetBlockRequest { height }).await?.into_inner();
        for one in of_height {
            let found = block.transactions.get(usize::try_from(one.index)?);
            let payload = found.and_then(|found| Payload::decode(&found.transaction.as_ref()?.payload).ok());
            let there = payload.is_some_and(|payload| payload.id == one.id && payload.authority == one.authority);
            lost += u64::from(!there);
        }
    }
    Ok(lost)
}

/// Whether two nodes have the same certified header of a height, and so the same state.
async fn same_header(cluster: &Cluster, a: &mut Client, b: &mut Client, height: u64) -> Result<bool, Fault> {
    let light = LightClient::new(&cluster.genesis);
    Ok(roots::header(a, &light, height).await? == roots::header(b, &light, height).await?)
}

/// Fetches a case's proof and has the program verify it, which reads the file and the genesis file and nothing else.
async fn verifies(cluster: &Cluster, client: &mut Client, case: Vec<u8>) -> Result<bool, Fault> {
    let request = v1::GetProofRequest { case_id: case, fields: Vec::new(), read_at: None };
    let proof = client.cases.get_proof(request).await?.into_inner().proof.ok_or("an answer without a proof")?;
    let file = cluster.net.folder.join("case.proof");
    std::fs::write(&file, prost::Message::encode_to_vec(&proof))?;
    let genesis = cluster.net.folder.join("genesis.toml");
    let output = Command::new(program()?).arg("verify").arg("--genesis").arg(genesis).arg(file).output()?;
    Ok(output.status.success())
}

/// Flips a bit in the middle of a chunk of a node's snapshot.
fn damage(cluster: &Cluster, node: &str, height: u64) -> Result<(), Fault> {
    let path = cluster.net.node_folder(node).join(format!("data/snapshots/{height}/000000.chunk"));
    let mut bytes = std::fs::read(&path)?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).ok_or("an empty chunk")? ^= 1;
    Ok(std::fs::write(&path, bytes)?)
}

/// Starts the observer and kills it at some moment of its join, so many times; the next start must put it right.
async fn kill_while_joining(cluster: &Cluster, wish: &Wish) -> Result<(), Fault> {
    let mut random = ChaCha8Rng::seed_from_u64(wish.seed);
    for kill in 0..wish.kills {
        let process = Process::start(cluster, OBSERVER.id)?;
        let sign = if kill % 2 == 0 { "snapshots/incoming" } else { "db.import" };
        let seen = process.shows(sign, Duration::from_secs(60)).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..200))).await;
        process.kill()?;
        wish.say(&format!("killed {}", if seen { format!("after {sign} was there") } else { "late".to_owned() }));
    }
    Ok(())
}

/// A network whose nodes hold the cases and a snapshot of them, all of one height.
struct Prepared {
    cluster: Cluster,
    filled: fill::Filled,
    fill_s: f64,
    snapshot: Snapshot,
    snapshot_s: f64,
}

async fn prepare(folder: &Path, wish: &Wish) -> Result<Prepared, Fault> {
    let mut cluster = cluster(folder, 0)?;
    wish.say(&format!("writing {} cases into the stores ...", wish.cases));
    let filling = Instant::now();
    let filled = fill::fill(&cluster, &fill::PLAIN, wish.cases, wish.seed, wish.quiet)?;
    let fill_s = filling.elapsed().as_secs_f64();
    cluster.start().await?;
    wish.say(&format!("snapshots at height {} ...", filled.height));
    let making = Instant::now();
    let made = tokio::task::block_in_place(|| snapshots(&cluster))?;
    let snapshot_s = making.elapsed().as_secs_f64();
    let snapshot = made.into_iter().max_by_key(|one| one.height).ok_or("no snapshot")?;
    if wish.damage {
        damage(&cluster, cluster.nodes().first().ok_or("no node")?, snapshot.height)?;
    }
    Ok(Prepared { cluster, filled, fill_s, snapshot, snapshot_s })
}

/// A fifth node joins from an empty disk while the others take reports.
pub(crate) async fn run(wish: &Wish) -> Result<Report, Fault> {
    let folder = tempfile::tempdir()?;
    let Prepared { mut cluster, filled, fill_s, snapshot, snapshot_s } = prepare(folder.path(), wish).await?;
    wish.say("load ...");
    let load = Arc::new(Load::new(&cluster, LOAD_CASES, wish.seed).await?);
    load.open_cases().await?;
    let pressure = Pressure::start(&load);
    tokio::time::sleep(LOAD_TIME).await;
    let first = cluster.nodes().first().ok_or("no node")?.clone();
    let mut first = cluster.connect(&first, &first).await?;
    let pruned = pruned(&mut first, snapshot.height).await?;
    wish.say("a fifth node joins ...");
    kill_while_joining(&cluster, wish).await?;
    let started = Instant::now();
    let mut observer = Process::start(&cluster, OBSERVER.id)?;
    let height = roots::height(&mut first).await?;
    observer.reach(height, JOIN_PATIENCE).await?;
    let join_s = started.elapsed().as_secs_f64();
    tokio::time::sleep(LOAD_TIME).await;
    let acknowledged = pressure.end().await?;
    let top = acknowledged.iter().map(|one| one.height).max().unwrap_or_default();
    observer.reach(top, Duration::from_secs(60)).await?;
    let mut client = observer.client().await?;
    let case = fill::case(wish.seed, wish.cases.saturating_sub(1)).0.to_vec();
    let fetch_s: f64 = observer.logged(JOINED, "gathered_s").ok_or("the log tells of no join")?;
    let report = Report {
        cases: wish.cases,
        events: filled.events,
        fill_s,
        snapshot_height: snapshot.height,
        snapshot_bytes: snapshot.bytes,
        snapshot_chunks: snapshot.chunks,
        snapshot_s,
        join_s,
        fetch_s,
        import_s: observer.logged::<f64>(JOINED, "seconds").unwrap_or_default() - fetch_s,
        kills: wish.kills,
        acknowledged: acknowledged.len() as u64,
        lost: lost(&mut client, &acknowledged).await?,
        pruned,
        roots_equal: same_header(&cluster, &mut first, &mut client, top).await?,
        proof_verified: verifies(&cluster, &mut client, case).await?,
        damage_noticed: wish.damage.then(|| observer.log().contains("is not the one the manifest lists")),
    };
    cluster.stop()?;
    Ok(report)
}
