//! The composition root: from a configuration to a running node, and back.
//! Any part's failure to start ends the start with a message that says which
//! part, which input, and what to do.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use laufzettel_chain::ids::Address;
use laufzettel_chain::ledger::{Ledger, OpenError};
use laufzettel_chain::registry::Purpose;
use laufzettel_chain::storage::StoreError;
use laufzettel_chain::storage::rocks::RocksStore;
use rustix::fs::FlockOperation;
use thiserror::Error;

use crate::clock;
use crate::consensus::{Driver, DriverConfig, Recovered, gate};
use crate::endpoints::Endpoints;
use crate::join::{self, swap};
use crate::mempool::PoolLimits;
use crate::metrics::Metrics;
use crate::network::{Network, NetworkError, NetworkHandle};
use crate::runtime::Runtime;
use crate::setup::Setup;
use crate::slots::SlotFile;
use crate::snapshots::{Folder, FolderError, Maker, MakerConfig};
use crate::worker::{Worker, WorkerError};

/// How long calls may go on using the store after the node stopped.
const CLOSE_TIME: Duration = Duration::from_secs(40);

/// Why a node does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A file or folder cannot be used.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has the data folder.
    #[error("another process uses the data folder {0}; stop it, or set node.data to a folder of this node's own")]
    InUse(PathBuf),
    /// The store cannot be opened.
    #[error("the database in {path} cannot be used: {source}; {remedy}", remedy = remedy(source))]
    Database {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        source: StoreError,
    },
    /// The store does not fit this network or program.
    #[error("the database in {path}: {source}")]
    Ledger {
        /// The folder.
        path: PathBuf,
        /// What does not fit, and what to do.
        source: OpenError,
    },
    /// The watermark file cannot be read.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The network cannot start.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Files of an earlier join.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Somebody still uses the store.
    #[error("the database is still in use; start the node again")]
    StillOpen,
    /// The system gives no threads.
    #[error("cannot start threads: {0}")]
    Threads(std::io::Error),
}

/// A running node without its API.
pub struct Node {
    /// Driver, ledger and reader.
    pub runtime: Runtime,
    /// Links to peers.
    pub network: NetworkHandle,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    lock: Lock,
}

/// How the port for peers is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listen {
    /// Somebody else may have it: that is said at once.
    Once,
    /// It was this process's a moment ago, and is free soon.
    Again,
}

/// The data folder is this process's alone as long as this lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// What helps against what the database says.
fn remedy(source: &StoreError) -> &'static str {
    match source {
        StoreError::Full(_) => "free space on its disk and start again; nothing is lost",
        StoreError::Failed(_) | StoreError::Damaged { .. } => {
            "if it is damaged, move the folder away and start again: the node fetches the ledger from its peers (leave \
             the file `watermark` beside it where it is)"
        }
    }
}

/// A fault of a file or folder.
pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StartError {
    let path = path.to_path_buf();
    move |source| StartError::Io { doing, path, source }
}

/// Takes the data folder for this process; dropped with the file.
pub(crate) fn lock(data: &Path) -> Result<File, StartError> {
    let path = data.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(io("open", &path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => Err(StartError::InUse(data.into())),
    }
}

/// A data folder that is held for a while, so that no node starts on it.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "the lock goes with the file")] Option<File>);

/// Holds a data folder that no node runs on; none if one does. A folder that is not there yet needs no holding.
///
/// # Errors
/// It cannot be looked at.
pub fn try_lock(data: &Path) -> Result<Option<Held>, StartError> {
    if !data.join("lock").exists() {
        return Ok(Some(Held(None)));
    }
    match lock(data) {
        Ok(file) => Ok(Some(Held(Some(file)))),
        Err(StartError::InUse(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens the database, and reads what was under way when it was left.
pub(crate) fn recover(setup: &Setup, slots: SlotFile) -> Result<(Worker, Recovered), StartError> {
    let path = setup.config.node.data.join("db");
    let damaged = |source| StartError::Database { path: path.clone(), source };
    let store = RocksStore::open(&path).map_err(damaged)?;
    let ledger = Ledger::open(Arc::new(store), setup.genesis.clone(), setup.config.node.archive);
    let ledger = ledger.map_err(|error| match error {
        OpenError::Store(source) => damaged(source),
        source => StartError::Ledger { path: path.clone(), source },
    })?;
    Worker::open(ledger, Box::new(slots)).map_err(|error| match error {
        WorkerError::Store(source) => damaged(source),
        watermark @ WorkerError::Watermark(_) => watermark.into(),
    })
}

impl Node {
    /// Starts all parts but the API.
    ///
    /// # Errors
    /// A part cannot start.
    pub async fn start(setup: &Setup) -> Result<Self, StartError> {
        let data = &setup.config.node.data;
        // What is in it is not for other users of the machine.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
        made.map_err(io("make data folder", data))?;
        let lock = Lock { _file: lock(data)? };
        Self::start_locked(setup, lock, Listen::Once).await
    }
    /// Starts all parts but the API again, in a data folder and on a port that were this process's a moment ago.
    ///
    /// # Errors
    /// A part cannot start.
    pub async fn start_again(setup: &Setup, lock: Lock) -> Result<Self, StartError> {
        Self::start_locked(setup, lock, Listen::Again).await
    }
    async fn start_locked(setup: &Setup, lock: Lock, listen: Listen) -> Result<Self, StartError> {
        let data = &setup.config.node.data;
        // The lock first: the endpoints in the folder may be those of a running node.
        Endpoints::remove(data);
        crate::api::local::remove(data);
        // Before the watermark is opened: what a join left may take it away.
        swap::recover(data)?;
        let slots_path = data.join("watermark");
        let slots = SlotFile::open(&slots_path).map_err(io("open watermark file", &slots_path))?;
        let (worker, recovered) = recover(setup, slots)?;
        let maker = maker(setup, worker.ledger())?;
        tracing::info!(height = recovered.tip.height(), network = %setup.genesis.network, "ledger open");
        let (network, events) = match listen {
            Listen::Once => Network::start(setup.network()).await?,
            Listen::Again => join::listen(setup).await?,
        };
        let driver = Driver::new(driver_config(setup), recovered, clock::now_ms());
        let metrics = Arc::new(Metrics::default());
        let runtime = Runtime::start(driver, worker, maker, network.clone(), events, metrics.clone());
        let runtime = runtime.map_err(StartError::Threads)?;
        Ok(Self { runtime, network, metrics, lock })
    }
    /// Stops all parts, waits until nobody uses the store any more, and hands the data folder back.
    ///
    /// # Errors
    /// The store is still in use.
    pub fn stop(self) -> Result<Lock, StartError> {
        let store = Arc::downgrade(self.runtime.handle().store());
        self.runtime.stop();
        drop(self.network);
        // Calls that were under way hold the store until they are answered.
        let until = Instant::now() + CLOSE_TIME;
        while store.strong_count() > 0 {
            if Instant::now() > until {
                return Err(StartError::StillOpen);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(self.lock)
    }
}

fn maker(setup: &Setup, ledger: &Ledger) -> Result<Maker, StartError> {
    let folder = Folder::of(&setup.config.node.data);
    let oldest = folder.list()?.first().copied();
    let config = MakerConfig {
        interval_ms: setup.config.snapshots.interval_s.saturating_mul(1_000),
        keep: setup.config.snapshots.keep,
        archive: setup.config.node.archive,
    };
    let started = Maker::start(ledger.store().clone(), setup.genesis.clone(), folder, oldest, config);
    started.map_err(StartError::Threads)
}

fn driver_config(setup: &Setup) -> DriverConfig {
    let validators = &setup.genesis.registry.validators;
    let votes = |key: &&ed25519_dalek::SigningKey| validators.get(&Address::of(&key.verifying_key())).is_some();
    DriverConfig {
        network: setup.genesis.network,
        incarnation: 0,
        authority: setup.config.node.authority.clone(),
        key: setup.keys.consensus.as_ref().filter(votes).cloned(),
        node_key: Some(setup.keys.node.clone()),
        node_keys: setup.genesis.registry.keys_in_use(Purpose::Node),
        gate: gate::judge,
        pool: PoolLimits {
            bytes_max: setup.config.mempool.bytes_max,
            count_max: setup.config.mempool.transactions_max,
        },
    }
}
