//! The composition root: from a configuration to a running node, and back.
//! Any part's failure to start ends the start with a message that says which
//! part, which input, and what to do.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use laufzettel_chain::ids::Address;
use laufzettel_chain::ledger::{Ledger, OpenError};
use laufzettel_chain::registry::Purpose;
use laufzettel_chain::storage::StoreError;
use laufzettel_chain::storage::rocks::RocksStore;
use rustix::fs::FlockOperation;
use thiserror::Error;

use crate::clock;
use crate::consensus::{Driver, DriverConfig, gate};
use crate::endpoints::Endpoints;
use crate::mempool::PoolLimits;
use crate::network::{Network, NetworkError, NetworkHandle};
use crate::runtime::Runtime;
use crate::setup::Setup;
use crate::slots::SlotFile;
use crate::worker::{Worker, WorkerError};

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
    #[error(
        "the database in {path} cannot be opened: {source}; if it is damaged, move the folder away and start again: the \
         node fetches the ledger from its peers (leave the file `watermark` beside it where it is)"
    )]
    Database {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        source: StoreError,
    },
    /// The store does not fit this network or program.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The store is damaged.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The network cannot start.
    #[error(transparent)]
    Network(#[from] NetworkError),
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
    _lock: File,
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

impl Node {
    /// Starts all parts but the API.
    ///
    /// # Errors
    /// A part cannot start.
    pub async fn start(setup: &Setup) -> Result<Self, StartError> {
        let data = &setup.config.node.data;
        fs::create_dir_all(data).map_err(io("make data folder", data))?;
        let lock = lock(data)?;
        // The lock first: the endpoints in the folder may be those of a running node.
        Endpoints::remove(data);
        let database = data.join("db");
        let store =
            RocksStore::open(&database).map_err(|source| StartError::Database { path: database.clone(), source })?;
        let ledger = Ledger::open(Arc::new(store), setup.genesis.clone(), setup.config.node.archive)?;
        let slots_path = data.join("watermark");
        let slots = SlotFile::open(&slots_path).map_err(io("open watermark file", &slots_path))?;
        let (worker, recovered) = Worker::open(ledger, Box::new(slots))?;
        tracing::info!(height = recovered.tip.height(), network = %setup.genesis.network, "ledger open");
        let (network, events) = Network::start(setup.network()).await?;
        let driver = Driver::new(driver_config(setup), recovered, clock::now_ms());
        let runtime = Runtime::start(driver, worker, network.clone(), events).map_err(StartError::Threads)?;
        Ok(Self { runtime, network, _lock: lock })
    }
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
