//! A whole node as a service: the node, its API, the bridge between them, and
//! the order of stopping. Nothing is decided here.

mod alarms;
mod health;
mod kept;
mod supervisor;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use laufzettel_chain::ids::Height;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::backend::{Backend, BackendParts, NodeState, PoolRefusal, Submit};
use crate::api::local::{self, LocalError, LocalParts};
use crate::api::{Api, ApiError};
use crate::clock;
use crate::consensus::{RefusalReason, Reply};
use crate::disk::{self, Usage};
use crate::endpoints::Endpoints;
use crate::join::{self, JoinError};
use crate::metrics::scrape::Sources;
use crate::metrics::server::{MetricsError, MetricsServer};
use crate::node::{Lock, Node, StartError};
use crate::runtime::Handle;
use crate::setup::Setup;
use alarms::Alarms;
use health::{node_state, twice_signed};
use kept::Kept;
use supervisor::Supervisor;

/// Calls on their way to the driver at once.
const SUBMITS_WAITING_MAX: usize = 4_096;
/// Below the data folder, where urgent reports are kept until they are final.
const KEPT_FOLDER: &str = "urgent";
/// How often the driver is asked how it is.
const HEALTH_INTERVAL: Duration = Duration::from_millis(250);
/// When a client of a busy node should try again.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// How long running calls may take to finish once the node is asked to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Why the service ended.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The node cannot join.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The API did not start or failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The local service did not start.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// Metrics cannot be read.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The urgent reports of an earlier run.
    #[error("cannot read which urgent reports are not final in {path}: {source}; mend the folder, do not delete it")]
    Kept {
        /// The folder.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The endpoints file.
    #[error("cannot write endpoints.json into {path}: {source}")]
    Endpoints {
        /// The data folder.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs a node until `stop` is cancelled. Where its peers have pruned the blocks it lacks, it joins from a snapshot and
/// goes on.
///
/// # Errors
/// A part does not start, the API fails, or the disk does while it joins.
pub async fn run(setup: &Setup, stop: CancellationToken) -> Result<(), ServiceError> {
    let mut node = Node::start(setup).await?;
    loop {
        let (lock, above) = match serve(setup, node, &stop).await? {
            Ended::Stopped => return Ok(()),
            Ended::Behind { lock, above } => (lock, above),
        };
        supervisor::joining();
        let joined = tokio::select! {
            joined = join::run(setup, above, &stop) => joined?,
            never = supervisor::keep_alive() => match never {},
        };
        if joined.is_none() {
            tracing::info!("stopped while joining; the next start goes on from the chunks that are here");
            return Ok(());
        }
        node = Node::start_again(setup, lock).await?;
    }
}

/// How serving ended.
enum Ended {
    Stopped,
    /// The node is stopped and lacks blocks above this height that no peer has any more.
    Behind {
        lock: Lock,
        above: Height,
    },
}

/// All that serves a running node.
struct Services {
    api: Api,
    local: JoinHandle<()>,
    metrics: Option<MetricsServer>,
    tasks: [JoinHandle<()>; 4],
}

impl Services {
    /// Starts them; they stop with `stop`.
    async fn start(setup: &Setup, node: &Node, stop: &CancellationToken) -> Result<Self, ServiceError> {
        let config = &setup.config;
        let started_ms = clock::now_ms();
        let handle = node.runtime.handle().clone();
        let folder = config.node.data.join(KEPT_FOLDER);
        let kept = Kept::open(folder.clone()).map_err(|source| ServiceError::Kept { path: folder, source })?;
        let kept = Arc::new(kept);
        let (submit, submits) = mpsc::channel(SUBMITS_WAITING_MAX);
        let (state, state_seen) = watch::channel(NodeState::default());
        let service_keys: BTreeMap<_, _> =
            setup.keys.service.iter().map(|key| (config.node.authority.clone(), key.clone())).collect();
        let backend = Arc::new(Backend::new(BackendParts {
            authority: config.node.authority.clone(),
            store: handle.store().clone(),
            genesis: handle.genesis().clone(),
            verified: handle.verified().clone(),
            tip: handle.tips(),
            state: state_seen,
            submit,
            service_keys,
            now_ms: clock::now_ms,
        }));
        for ((authority, id), entry) in kept.all() {
            backend.recall(authority, id, (entry.digest, entry.valid_until_ms));
        }
        let usage = Arc::new(Usage::default());
        let snapshots = handle.snapshots().clone();
        let tasks = [
            tokio::spawn(kept.clone().tend(handle.clone())),
            tokio::spawn(pass_submits(handle.clone(), kept.clone(), submits)),
            tokio::spawn(watch_health(handle, kept, state)),
            tokio::spawn(sample_disk(usage.clone(), config.node.data.clone())),
        ];
        let network = node.network.clone();
        let sources = Sources {
            metrics: node.metrics.clone(),
            state: backend.state(),
            tip: backend.subscribe(),
            network: network.clone(),
            usage: usage.clone(),
            started_ms,
        };
        let metrics = match config.metrics.listen {
            Some(address) => Some(MetricsServer::start(address, sources).await?),
            None => None,
        };
        let parts = LocalParts { network, usage, snapshots, started_ms };
        let local = local::start(&config.node.data, backend.clone(), parts, stop.clone())?;
        let api = Api::start(&config.api, backend, node.metrics.clone(), stop.clone()).await?;
        Ok(Self { api, local, metrics, tasks })
    }

    fn write_endpoints(&self, setup: &Setup, node: &Node) -> Result<(), ServiceError> {
        let endpoints = Endpoints {
            authority: setup.config.node.authority.clone(),
            api: self.api.address.to_string(),
            peer: node.network.local_addr().map(ToString::to_string).unwrap_or_default(),
            metrics: self.metrics.as_ref().map(|server| server.address.to_string()),
            pid: std::process::id(),
        };
        let path = setup.config.node.data.clone();
        endpoints.write(&path).map_err(|source| ServiceError::Endpoints { path, source })?;
        tracing::info!(api = %endpoints.api, peer = %endpoints.peer, "serving");
        supervisor::ready(&endpoints.api);
        Ok(())
    }

    /// Ends what does not end with the API. It holds the network, whose port may be needed again.
    fn end(self, data: &Path) {
        Endpoints::remove(data);
        for task in self.tasks {
            task.abort();
        }
        local::remove(data);
        self.local.abort();
    }
}

/// Serves until told to stop, or until the node is behind all that its peers keep.
async fn serve(setup: &Setup, node: Node, stop_all: &CancellationToken) -> Result<Ended, ServiceError> {
    let stop = stop_all.child_token();
    let mut behind = node.runtime.handle().behind();
    let mut services = Services::start(setup, &node, &stop).await?;
    services.write_endpoints(setup, &node)?;
    let task = &mut services.api.task;
    let ended = tokio::select! {
        // Stopping first, because the services end on it as well.
        biased;
        () = stop.cancelled() => {
            supervisor::stopping();
            tokio::time::timeout(DRAIN, task).await.ok()
        }
        true = async { behind.wait_for(Option::is_some).await.is_ok() } => {
            stop.cancel();
            tokio::time::timeout(DRAIN, task).await.ok()
        }
        ended = &mut *task => Some(ended),
    };
    stop.cancel();
    services.end(&setup.config.node.data);
    // The driver stops between two steps; whatever it promised is durable.
    let above = behind.borrow().filter(|_| !stop_all.is_cancelled());
    let lock = match above {
        Some(_) => Some(tokio::task::spawn_blocking(|| node.stop()).await),
        None => {
            let _ = tokio::task::spawn_blocking(|| node.runtime.stop()).await;
            None
        }
    };
    tracing::info!("stopped");
    match ended {
        Some(Ok(result)) => result?,
        Some(Err(panic)) => return Err(ApiError::Server(panic.to_string()).into()),
        None => {}
    }
    match (above, lock) {
        (Some(above), Some(Ok(lock))) => Ok(Ended::Behind { lock: lock?, above }),
        (_, Some(Err(panic))) => Err(ApiError::Server(panic.to_string()).into()),
        _ => Ok(Ended::Stopped),
    }
}

/// Looks at the data folder now and then. What it cannot read it leaves unknown: the database says more of it.
async fn sample_disk(usage: Arc<Usage>, data: std::path::PathBuf) {
    loop {
        let (usage, data) = (usage.clone(), data.clone());
        let sampled = tokio::task::spawn_blocking(move || usage.sample(&data, clock::now_ms())).await;
        if let Ok(Err(error)) = sampled {
            tracing::debug!(%error, "the size of the data folder is not known");
        }
        tokio::time::sleep(disk::SAMPLE_INTERVAL).await;
    }
}

async fn pass_submits(handle: Handle, kept: Arc<Kept>, mut submits: mpsc::Receiver<Submit>) {
    while let Some(submit) = submits.recv().await {
        let (handle, kept) = (handle.clone(), kept.clone());
        tokio::spawn(async move {
            let mut answer = pass(&handle, submit.signed.clone()).await;
            if answer.is_ok() && !keep(&handle, kept, submit.signed).await {
                answer = Err(PoolRefusal::Full { retry_after: RETRY_AFTER });
            }
            // A client that went away needs no answer.
            let _ = submit.answer.send(answer);
        });
    }
}

/// Whether a transaction is kept, or need not be. One that cannot be is in the mempool all the same; its client is told to
/// try again, and gets its outcome.
async fn keep(handle: &Handle, kept: Arc<Kept>, signed: Arc<laufzettel_chain::transaction::SignedTransaction>) -> bool {
    let registry = handle.tips().borrow().registry.clone();
    if !Kept::concerns(&registry) {
        return true;
    }
    match tokio::task::spawn_blocking(move || kept.keep(&registry, &signed)).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "an urgent report cannot be kept over a restart and is not taken");
            false
        }
        Err(_) => false,
    }
}

async fn pass(
    handle: &Handle,
    signed: Arc<laufzettel_chain::transaction::SignedTransaction>,
) -> Result<(), PoolRefusal> {
    let full = || PoolRefusal::Full { retry_after: RETRY_AFTER };
    let mut replies = handle.submit(signed, false).map_err(|_| full())?;
    match replies.next().await {
        Some(Reply::Refused(refusal)) => match refusal.reason {
            RefusalReason::ResourceExhausted => {
                let retry_after = refusal.retry_after_ms.map_or(RETRY_AFTER, Duration::from_millis);
                Err(PoolRefusal::Full { retry_after })
            }
            // Committed before: the outcome is in the store, where the caller looks next.
            RefusalReason::AlreadyExists if refusal.earlier.is_some() => Ok(()),
            RefusalReason::AlreadyExists => Err(PoolRefusal::IdTaken),
            RefusalReason::Admission(reason) => Err(PoolRefusal::Reason(reason)),
            // It was taken and lost again: the next try finds out why.
            RefusalReason::Expired | RefusalReason::Invalid => Err(full()),
        },
        Some(_) => Ok(()),
        None => Err(full()),
    }
}

async fn watch_health(handle: Handle, kept: Arc<Kept>, state: watch::Sender<NodeState>) {
    let halted = handle.halted();
    let mut signed_twice = (None, Vec::new());
    let (mut supervisor, mut alarms) = (Supervisor::new(), Alarms::default());
    loop {
        if let Some(health) = handle.health().await {
            supervisor.saw(&health);
            let reason = halted.borrow().clone().or_else(|| health.halted.clone());
            if signed_twice.0 != Some(health.height) {
                signed_twice = (Some(health.height), twice_signed(&handle));
            }
            let mut next = node_state(&health, reason);
            next.warnings.extend(signed_twice.1.iter().cloned());
            alarms.watch(&health, &handle, kept.late(clock::now_ms()), &mut next);
            state.send_if_modified(|current| {
                let changed = *current != next;
                *current = next;
                changed
            });
        }
        tokio::time::sleep(HEALTH_INTERVAL).await;
    }
}
