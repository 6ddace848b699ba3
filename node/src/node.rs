//! The composition root: from a configuration to a running node, and back.
//! Any part's failure to start ends the start with a message that says which
//! part, which input, and what to do.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use laufzettel_chain::genesis::{Genesis, GenesisError};
use laufzettel_chain::ids::Address;
use laufzettel_chain::ledger::{Ledger, OpenError};
use laufzettel_chain::registry::Purpose;
use laufzettel_chain::storage::StoreError;
use laufzettel_chain::storage::rocks::RocksStore;
use rustix::fs::FlockOperation;
use thiserror::Error;

use crate::clock;
use crate::config::{Config, parse_key};
use crate::consensus::{Driver, DriverConfig};
use crate::keys::{KeyError, Keys};
use crate::mempool::PoolLimits;
use crate::network::{LinkLimits, Network, NetworkConfig, NetworkError, NetworkHandle, Peer};
use crate::runtime::Runtime;
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
    #[error("another process runs on data folder {0}; stop it, or give this node a folder of its own")]
    InUse(PathBuf),
    /// The genesis file is refused.
    #[error("genesis file {path}: {source}")]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: GenesisError,
    },
    /// The store cannot be opened.
    #[error("the database in {path}: {source}")]
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
    /// A key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key is not the one the registry has.
    #[error("the {purpose} key is not the one that the genesis file registers for {authority}; put the right key file in place")]
    OtherKey {
        /// What the key is for.
        purpose: &'static str,
        /// The authority.
        authority: String,
    },
    /// The configured authority is no member.
    #[error("authority '{0}' of the configuration is not in the genesis file")]
    NoMember(String),
    /// A peer's node key is not known.
    #[error("peer '{0}' has no node key in the genesis file; add node_key to its [[peer]] table")]
    NoPeerKey(String),
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
    /// Keys of this node.
    pub keys: Arc<Keys>,
    _lock: File,
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StartError {
    let path = path.to_path_buf();
    move |source| StartError::Io { doing, path, source }
}

/// Reads and checks a genesis file.
///
/// # Errors
/// It cannot be read or is refused.
pub fn load_genesis(path: &Path) -> Result<Arc<Genesis>, StartError> {
    let bytes = fs::read(path).map_err(io("read genesis file", path))?;
    let genesis = Genesis::parse(&bytes).map_err(|source| StartError::Genesis { path: path.into(), source })?;
    Ok(Arc::new(genesis))
}

/// Takes the data folder for this process; dropped with the file.
fn lock(data: &Path) -> Result<File, StartError> {
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
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let data = &config.node.data;
        fs::create_dir_all(data).map_err(io("make data folder", data))?;
        let lock = lock(data)?;
        let keys = Arc::new(Keys::load(&config.keys)?);
        let genesis = load_genesis(&config.node.genesis)?;
        check_keys(&genesis, &config.node.authority, &keys)?;
        let database = data.join("db");
        let store = RocksStore::open(&database)
            .map_err(|source| StartError::Database { path: database.clone(), source })?;
        let ledger = Ledger::open(Arc::new(store), genesis.clone(), config.node.archive)?;
        let slots_path = data.join("watermark");
        let slots = SlotFile::open(&slots_path).map_err(io("open watermark file", &slots_path))?;
        let (worker, recovered) = Worker::open(ledger, Box::new(slots))?;
        tracing::info!(height = recovered.tip.height(), network = %genesis.network, "ledger open");
        let (network, events) = Network::start(network_config(config, &genesis, &keys)?).await?;
        let driver = Driver::new(driver_config(config, &genesis, &keys), recovered, clock::now_ms());
        let runtime = Runtime::start(driver, worker, network.clone(), events).map_err(StartError::Threads)?;
        Ok(Self { runtime, network, keys, _lock: lock })
    }
}

fn check_keys(genesis: &Genesis, authority: &str, keys: &Keys) -> Result<(), StartError> {
    let registry = &genesis.registry;
    if !registry.authorities.contains_key(authority) {
        return Err(StartError::NoMember(authority.to_owned()));
    }
    let registered = |purpose, key: &ed25519_dalek::SigningKey| {
        let id = laufzettel_chain::ids::KeyId::of(&key.verifying_key());
        registry.keys.get(&id).is_some_and(|found| found.purpose == purpose && found.authority == authority)
    };
    let present = [
        (Purpose::Node, "node", Some(&keys.node)),
        (Purpose::Consensus, "consensus", keys.consensus.as_ref()),
        (Purpose::Service, "service", keys.service.as_ref()),
    ];
    for (purpose, name, key) in present {
        if key.is_some_and(|key| !registered(purpose, key)) {
            return Err(StartError::OtherKey { purpose: name, authority: authority.to_owned() });
        }
    }
    Ok(())
}

fn driver_config(config: &Config, genesis: &Genesis, keys: &Keys) -> DriverConfig {
    let validators = &genesis.registry.validators;
    let votes = |key: &&ed25519_dalek::SigningKey| validators.get(&Address::of(&key.verifying_key())).is_some();
    DriverConfig {
        network: genesis.network,
        incarnation: 0,
        authority: config.node.authority.clone(),
        key: keys.consensus.as_ref().filter(votes).cloned(),
        node_key: Some(keys.node.clone()),
        pool: PoolLimits {
            bytes_max: config.mempool.bytes_max,
            count_max: config.mempool.transactions_max,
        },
    }
}

fn network_config(config: &Config, genesis: &Genesis, keys: &Keys) -> Result<NetworkConfig, StartError> {
    let mut peers = Vec::new();
    for peer in config.peers.iter().filter(|peer| peer.authority != config.node.authority) {
        let registered = genesis.registry.key_of(&peer.authority, Purpose::Node).map(|(_, key)| key.public);
        let pinned = peer.node_key.as_deref().and_then(parse_key);
        let key = pinned.or(registered).ok_or_else(|| StartError::NoPeerKey(peer.authority.clone()))?;
        peers.push(Peer { authority: peer.authority.as_str().into(), key, addresses: peer.addresses.clone() });
    }
    Ok(NetworkConfig {
        key: keys.node.clone(),
        listen: config.network.listen.clone(),
        peers,
        limits: LinkLimits {
            queue_bytes_max: config.network.queue_bytes_max,
            bytes_per_second: config.network.bytes_per_second,
            ..LinkLimits::default()
        },
    })
}
