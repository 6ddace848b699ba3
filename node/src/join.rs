//! Joining from a snapshot: what a node does that is new, or whose peers have
//! pruned the blocks it lacks. It runs in the place of driver, store and API,
//! and ends with a store of which every case was folded anew and whose root the
//! validators certified; block sync does the rest.
//!
//! `plan` decides whom to ask for what; here is what it takes: connections,
//! files, the import, and saying how far it is. Chunks that are here survive a
//! kill, the import begins anew, and `swap` is atomic.

mod plan;
pub(crate) mod swap;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use laufzettel_chain::codec::decode;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::Height;
use laufzettel_chain::snapshot::{Blame, ChunkInfo, Import, ImportError, Manifest};
use laufzettel_chain::storage::StoreError;
use laufzettel_chain::storage::rocks::RocksStore;
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::consensus::Peer;
use crate::consensus::message::Message;
use crate::network::{Network, NetworkError, NetworkEvent, NetworkEvents, NetworkHandle};
use crate::setup::Setup;
use crate::snapshots::{Folder, FolderError, Making};
use plan::{Effect, Kept, Plan};

const TICK: Duration = Duration::from_millis(100);
/// How often the log says how far it is.
const SAY: Duration = Duration::from_secs(5);
/// How long a port that this very process had may take to be free again.
const LISTEN_AGAIN: Duration = Duration::from_secs(10);

/// Why a node cannot join. Peers are never the reason: it goes on asking.
#[derive(Debug, Error)]
pub enum JoinError {
    /// Files.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The network cannot start.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The new store cannot be written.
    #[error("the database in {path} cannot be written: {source}; free space on the disk, then start the node again")]
    Store {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        source: StoreError,
    },
    /// The import ended by itself.
    #[error("the import of the snapshot ended unexpectedly: {0}; start the node again")]
    Ended(String),
}

/// A finished join, for who measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// Height of the snapshot.
    pub height: Height,
    /// Bytes of its chunks.
    pub bytes: u64,
}

/// Joins from a snapshot above a height; none if told to stop before. The data folder is this process's and no store
/// is open.
///
/// # Errors
/// This node's own disk, port or memory fails. Peers that lie or vanish are no reason to give up.
pub async fn run(setup: &Setup, above: Height, stop: &CancellationToken) -> Result<Option<Joined>, JoinError> {
    let data = &setup.config.node.data;
    let started = Instant::now();
    let incoming = Arc::new(Folder::of(data).incoming()?);
    let kept = {
        let (incoming, genesis) = (incoming.clone(), setup.genesis.clone());
        blocking(move || kept(&incoming, &genesis)).await??
    };
    if let Some(kept) = &kept {
        let (chunks, height) = (kept.chunks.len(), kept.manifest.header.height);
        tracing::info!(chunks, height, "chunks of an earlier attempt are here; going on from them");
    }
    let mut gathering = Gathering { plan: Plan::new(setup.genesis.clone(), above, kept, clock::now_ms()), incoming };
    loop {
        // Peers are not kept waiting by a node that only imports: the links go down with the gathering.
        let (network, events) = listen(setup).await?;
        let gathered = gathering.run(&network, events, stop).await?;
        drop(network);
        let Some(manifest) = gathered else { return Ok(None) };
        let gathered_s = started.elapsed().as_secs_f64();
        let (height, bytes) = (manifest.header.height, manifest.bytes());
        tracing::info!(height, bytes, seconds = gathered_s, "all chunks are here; importing");
        let (path, genesis, incoming) = (swap::import_path(data)?, setup.genesis.clone(), gathering.incoming.clone());
        let stopping = stop.clone();
        let imported = blocking(move || import(&path, genesis, manifest, &incoming, &stopping)).await?;
        match imported {
            Ok(false) => return Ok(None),
            Ok(true) => {
                swap::install(data)?;
                let seconds = started.elapsed().as_secs_f64();
                tracing::info!(height, bytes, gathered_s, seconds, "joined from a snapshot");
                return Ok(Some(Joined { height, bytes }));
            }
            Err(ImportFault::Own(error)) => return Err(error),
            Err(ImportFault::False(why)) => {
                tracing::error!(height, %why, "the snapshot is false; trying another");
                let effects = gathering.plan.import_failed(clock::now_ms());
                gathering.say(effects);
            }
        }
    }
}

/// Runs what waits for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| JoinError::Ended(error.to_string()))
}

/// Starts the links to peers. The port may be this very process's own of a moment ago.
pub(crate) async fn listen(setup: &Setup) -> Result<(NetworkHandle, NetworkEvents), NetworkError> {
    let until = Instant::now() + LISTEN_AGAIN;
    loop {
        match Network::start(setup.network()).await {
            Err(NetworkError::Listen { .. }) if Instant::now() < until => tokio::time::sleep(TICK).await,
            started => return started,
        }
    }
}

/// What an earlier attempt left: every chunk is checked again.
fn kept(incoming: &Making, genesis: &Genesis) -> Result<Option<Kept>, FolderError> {
    let manifest = incoming.manifest()?.and_then(|bytes| decode::<Manifest>(&bytes).ok());
    let Some(manifest) = manifest.filter(|manifest| manifest.check(genesis).is_ok()) else {
        incoming.clear()?;
        return Ok(None);
    };
    let mut chunks = BTreeSet::new();
    for (index, info) in (0u32..).zip(&manifest.chunks) {
        if incoming.chunk(index)?.is_some_and(|bytes| ChunkInfo::digest_of(&bytes) == info.digest) {
            chunks.insert(index);
        }
    }
    Ok(Some(Kept { manifest, chunks }))
}

struct Gathering {
    plan: Plan,
    incoming: Arc<Making>,
}

impl Gathering {
    /// Gathers a snapshot; its manifest once all chunks are here, none if told to stop before.
    async fn run(
        &mut self,
        network: &NetworkHandle,
        mut events: NetworkEvents,
        stop: &CancellationToken,
    ) -> Result<Option<Manifest>, JoinError> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut say_at = Instant::now();
        loop {
            let effects = tokio::select! {
                () = stop.cancelled() => return Ok(None),
                event = events.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => return Err(JoinError::Ended("the network stopped".to_owned())),
                },
                _ = tick.tick() => self.plan.tick(clock::now_ms()),
            };
            if let Some(manifest) = self.perform(network, effects).await? {
                return Ok(Some(manifest));
            }
            if Instant::now() >= say_at {
                say_at = Instant::now() + SAY;
                self.say_progress(network);
            }
        }
    }

    fn on_event(&mut self, event: NetworkEvent) -> Vec<Effect> {
        let now_ms = clock::now_ms();
        match event {
            NetworkEvent::Connected(peer) => self.plan.connected(now_ms, &Peer(peer.to_string())),
            NetworkEvent::Disconnected(peer) => self.plan.disconnected(now_ms, &Peer(peer.to_string())),
            NetworkEvent::Frame(peer, bytes) => match Message::from_bytes(&bytes) {
                Ok(Message::Snapshot(message)) => self.plan.received(now_ms, &Peer(peer.to_string()), message),
                // The others talk consensus, which this node cannot follow yet.
                _ => Vec::new(),
            },
        }
    }

    async fn perform(&mut self, network: &NetworkHandle, effects: Vec<Effect>) -> Result<Option<Manifest>, JoinError> {
        for effect in effects {
            match effect {
                Effect::Send(peer, message) => {
                    // Lost if the peer is gone: then the plan hears of that.
                    network.send(&peer.0, Message::Snapshot(message).to_bytes());
                }
                Effect::Begin { manifest, resumed } => {
                    let incoming = self.incoming.clone();
                    let write = move || {
                        if !resumed {
                            incoming.clear()?;
                        }
                        incoming.put_manifest(&manifest)
                    };
                    blocking(write).await??;
                }
                Effect::Store { index, bytes } => {
                    let incoming = self.incoming.clone();
                    blocking(move || incoming.put_chunk(index, &bytes)).await??;
                }
                Effect::Complete => {
                    let manifest = self.incoming.manifest()?.and_then(|bytes| decode(&bytes).ok());
                    let gone = || JoinError::Ended("the manifest is gone from snapshots/incoming".to_owned());
                    return Ok(Some(manifest.ok_or_else(gone)?));
                }
                note @ Effect::Note { .. } => self.say(vec![note]),
            }
        }
        Ok(None)
    }

    fn say(&self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Note { peer: Some(peer), what } => tracing::warn!(peer = %peer.0, "joining: {what}"),
                Effect::Note { peer: None, what } => tracing::warn!("joining: {what}"),
                _ => {}
            }
        }
    }

    fn say_progress(&self, network: &NetworkHandle) {
        let progress = self.plan.progress();
        let peers = network.connected().count();
        let ((chunks, chunks_all), (bytes, bytes_all)) = (progress.chunks, progress.bytes);
        let Some(height) = progress.height else {
            tracing::info!(peers, "joining: looking for a snapshot");
            return;
        };
        tracing::info!(height, chunks, chunks_all, bytes, bytes_all, peers, "joining: gathering");
    }
}

/// Why an import did not end with a store.
enum ImportFault {
    /// The snapshot is not what its manifest says.
    False(String),
    /// This node's own disk.
    Own(JoinError),
}

impl From<FolderError> for ImportFault {
    fn from(error: FolderError) -> Self {
        Self::Own(error.into())
    }
}

/// Fills a new store, folds every case, compares the root, and closes the store; false if told to stop before.
fn import(
    path: &Path,
    genesis: Arc<Genesis>,
    manifest: Manifest,
    incoming: &Making,
    stop: &CancellationToken,
) -> Result<bool, ImportFault> {
    let own = |source| ImportFault::Own(JoinError::Store { path: path.to_path_buf(), source });
    let fault = |error: ImportError| match (error.blame(), error) {
        (Blame::Chunk | Blame::Snapshot, error) => ImportFault::False(error.to_string()),
        (Blame::Node, ImportError::Store(source)) => own(source),
        (Blame::Node, error) => ImportFault::Own(JoinError::Ended(error.to_string())),
    };
    let count = manifest.chunks.len();
    let store = RocksStore::open(path).map_err(own)?;
    let mut import = Import::begin(Arc::new(store), genesis, manifest).map_err(fault)?;
    let mut say_at = std::time::Instant::now();
    while let Some(index) = import.wanted() {
        if stop.is_cancelled() {
            return Ok(false);
        }
        let bytes = incoming.chunk(index)?;
        let bytes = bytes.ok_or_else(|| ImportFault::False(format!("chunk {index} is gone from the disk")))?;
        import.chunk(&bytes).map_err(fault)?;
        if say_at.elapsed() >= SAY {
            say_at = std::time::Instant::now();
            tracing::info!(chunks = index, chunks_all = count, "joining: importing");
        }
    }
    let mut say = |done: u64, all: u64| {
        if say_at.elapsed() >= SAY {
            say_at = std::time::Instant::now();
            tracing::info!(done, all, "joining: building the state tree");
        }
    };
    let tip = import.finish(&mut say).map_err(fault)?;
    tracing::info!(height = tip.header.height, block = %tip.id, "imported; the state root is the certified one");
    Ok(true)
}
