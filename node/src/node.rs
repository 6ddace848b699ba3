//! The composition root: store, ledger, network and services are put together
//! here and stopped in reverse. The end of any part ends the node: it must
//! never limp on without one.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use laufzettel_chain::ledger::{Ledger, OpenError};
use laufzettel_chain::storage::StoreError;
use laufzettel_chain::storage::rocks::RocksStore;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::api::backend::{Backend, BackendParts, NodeState};
use crate::api::{Api, ApiError};
use crate::endpoints::{Endpoints, EndpointsError};
use crate::network::{Network, NetworkError};
use crate::setup::Setup;

/// Submissions on their way to the mempool.
const SUBMITS_WAITING_MAX: usize = 1_024;

/// Why a node ended.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The data folder cannot be made.
    #[error("cannot make the data folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("cannot open the store: {0}; is another node running on the same data folder?")]
    Store(#[from] StoreError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The network does not run.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The services do not run.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The endpoints cannot be told.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
    /// A part ended by itself.
    #[error("{0} ended unexpectedly; see the log")]
    Ended(&'static str),
}

/// The clock of this machine, milliseconds UTC.
#[must_use]
pub fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// Runs a node until `stop` is cancelled.
///
/// # Errors
/// It cannot start, or a part of it ended.
pub async fn run(setup: Setup, stop: CancellationToken) -> Result<(), NodeError> {
    let data = setup.config.node.data.clone();
    fs::create_dir_all(&data).map_err(|source| NodeError::Folder { path: data.clone(), source })?;
    // The store's lock first: the endpoints in the folder may be those of a running node.
    let store = Arc::new(RocksStore::open(&data.join("ledger"))?);
    Endpoints::remove(&data);
    let ledger = Ledger::open(store.clone(), setup.genesis.clone(), setup.config.node.archive)?;
    let (network, mut events) = Network::start(setup.network()).await?;
    // The driver takes these four: tip and state it publishes, submits and events it takes.
    let (_tip_sender, tip) = watch::channel(ledger.tip());
    let (_state_sender, state) = watch::channel(NodeState::default());
    let (submit, mut submits) = mpsc::channel(SUBMITS_WAITING_MAX);
    let service_key = setup.keys.service.clone().map(|key| (setup.config.node.authority.clone(), key));
    let backend = Arc::new(Backend::new(BackendParts {
        authority: setup.config.node.authority.clone(),
        store,
        genesis: setup.genesis.clone(),
        verified: ledger.verified().clone(),
        tip,
        state,
        submit,
        service_keys: BTreeMap::from_iter(service_key),
        now_ms,
    }));
    let api = Api::start(&setup.config.api, backend, stop.clone()).await?;
    let endpoints = Endpoints {
        api: api.address.to_string(),
        peer: network.local_addrs().iter().map(ToString::to_string).collect(),
        peer_id: network.peer_id().to_string(),
        pid: std::process::id(),
    };
    endpoints.save(&data)?;
    tracing::info!(api = endpoints.api, peer = ?endpoints.peer, height = ledger.tip().header.height, "the node runs");
    let mut services = api.task;
    let ended = loop {
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            ended = &mut services => {
                break ended.unwrap_or(Err(ApiError::Server("panicked".into()))).map_err(NodeError::from)
                    .and(Err(NodeError::Ended("the gRPC server")));
            }
            event = events.recv() => match event {
                Some(event) => tracing::trace!(?event, "an event of the network"),
                None => break Err(NodeError::Ended("the network")),
            },
            // Unanswered: the client is told that the node is stopping.
            Some(_) = submits.recv() => {}
        }
    };
    stop.cancel();
    if !services.is_finished() {
        let _ = services.await;
    }
    Endpoints::remove(&data);
    ended
}
