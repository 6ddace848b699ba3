//! A running node with its services: connects [`api`](crate::api) to the
//! driver's door, tells where the node listens, and stops in reverse. The end
//! of the services ends the node: it must never limp on without them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use laufzettel_chain::genesis::Genesis;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::api::backend::{Backend, BackendParts, NodeState, PeerState, PoolRefusal, Submit, Sync};
use crate::api::{Api, ApiError};
use crate::clock;
use crate::config::Config;
use crate::consensus::{Health, RefusalReason, Reply};
use crate::endpoints::Endpoints;
use crate::node::{Node, StartError};
use crate::runtime::{Busy, Handle, Replies};

/// Submissions on their way to the driver.
const SUBMITS_WAITING_MAX: usize = 1_024;
/// How often the driver is asked how it is.
const STATE_EVERY: Duration = Duration::from_millis(500);
/// When to come back if the driver has no room.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// A node is behind if a peer's tip is higher by more than this.
const BEHIND_HEIGHTS: u64 = 3;

/// Why a node ended.
#[derive(Debug, Error)]
pub enum ServeError {
    /// A part did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The services did not start, or ended.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The endpoints cannot be told.
    #[error("cannot write endpoints.json to the data folder: {0}")]
    Endpoints(std::io::Error),
}

/// Runs a node with its services until `stop` is cancelled.
///
/// # Errors
/// It does not start, or a part of it ended.
pub async fn run(config: &Config, stop: CancellationToken) -> Result<(), ServeError> {
    let node = Node::start(config).await?;
    let data = &config.node.data;
    let _ = fs::remove_file(data.join(Endpoints::FILE));
    let handle = node.runtime.handle().clone();
    let (submit, submits) = mpsc::channel(SUBMITS_WAITING_MAX);
    let (state_sender, state) = watch::channel(NodeState::default());
    let service_key = node.keys.service.clone().map(|key| (config.node.authority.clone(), key));
    let backend = Arc::new(Backend::new(BackendParts {
        authority: config.node.authority.clone(),
        store: handle.store().clone(),
        genesis: handle.genesis().clone(),
        verified: handle.verified().clone(),
        tip: handle.tips(),
        state,
        submit,
        service_keys: BTreeMap::from_iter(service_key),
        now_ms: clock::now_ms,
    }));
    tokio::spawn(forward(handle.clone(), submits));
    let watcher = tokio::spawn(watch_state(handle, config.node.authority.clone(), state_sender));
    let api = Api::start(&config.api, backend, stop.clone()).await?;
    let endpoints = Endpoints {
        authority: config.node.authority.clone(),
        api: api.address.to_string(),
        peer: node.network.local_addr().map(ToString::to_string).unwrap_or_default(),
        pid: std::process::id(),
    };
    endpoints.write(data).map_err(ServeError::Endpoints)?;
    tracing::info!(api = endpoints.api, peer = endpoints.peer, "the node serves");
    let mut services = api.task;
    let early = tokio::select! {
        () = stop.cancelled() => None,
        ended = &mut services => Some(ended),
    };
    stop.cancel();
    let ended = match early {
        Some(ended) => ended,
        None => services.await,
    };
    watcher.abort();
    let _ = fs::remove_file(data.join(Endpoints::FILE));
    // Joins threads, which wait for the disk at most.
    let _ = tokio::task::spawn_blocking(move || node.runtime.stop()).await;
    ended.unwrap_or(Err(ApiError::Server("a task of the services panicked".into()))).map_err(ServeError::from)
}

/// Brings admitted transactions to the driver and its answers back.
async fn forward(handle: Handle, mut submits: mpsc::Receiver<Submit>) {
    while let Some(submit) = submits.recv().await {
        match handle.submit(submit.signed, false) {
            Ok(replies) => {
                tokio::spawn(answer(replies, submit.answer));
            }
            Err(Busy::Full) => {
                let _ = submit.answer.send(Err(PoolRefusal::Full { retry_after: RETRY_AFTER }));
            }
            // Dropping the answer tells the caller that the node is stopping.
            Err(Busy::Stopping) => {}
        }
    }
}

async fn answer(mut replies: Replies, answer: tokio::sync::oneshot::Sender<Result<(), PoolRefusal>>) {
    let result = match replies.next().await {
        Some(Reply::Accepted { .. } | Reply::Final(_)) => Ok(()),
        // Committed in the meantime, by the very same bytes: the caller finds the outcome.
        Some(Reply::Refused(refusal)) if refusal.earlier.is_some() => Ok(()),
        Some(Reply::Refused(refusal)) => Err(match refusal.reason {
            RefusalReason::AlreadyExists => PoolRefusal::IdTaken,
            RefusalReason::ResourceExhausted => {
                let retry_after = refusal.retry_after_ms.map_or(RETRY_AFTER, Duration::from_millis);
                PoolRefusal::Full { retry_after }
            }
            RefusalReason::Admission(reason) => PoolRefusal::Reason(reason),
            RefusalReason::Expired => PoolRefusal::Reason("EXPIRED".into()),
            RefusalReason::Invalid => PoolRefusal::Reason("MALFORMED".into()),
        }),
        Some(Reply::Health(_)) | None => return,
    };
    let _ = answer.send(result);
}

/// Publishes how the driver is, for health answers and checks.
async fn watch_state(handle: Handle, authority: String, state: watch::Sender<NodeState>) {
    loop {
        let Some(health) = handle.health().await else {
            tokio::time::sleep(STATE_EVERY).await;
            continue;
        };
        let new = node_state(handle.genesis(), &authority, health);
        state.send_if_modified(|old| {
            let changed = *old != new;
            *old = new;
            changed
        });
        tokio::time::sleep(STATE_EVERY).await;
    }
}

fn node_state(genesis: &Genesis, authority: &str, health: Health) -> NodeState {
    let validators = &genesis.registry.validators;
    let power = |name: &str| validators.of_authority(name).map_or(0, |validator| u128::from(validator.power));
    let reachable = health.peers.iter().filter(|peer| peer.connected).map(|peer| power(&peer.peer.0));
    let quorum = validators.is_quorum(reachable.sum::<u128>().saturating_add(power(authority)));
    let newest = health.peers.iter().map(|peer| peer.height).max().unwrap_or(0);
    let sync = if health.halted.is_some() {
        Sync::Stopped
    } else if newest > health.height.saturating_add(BEHIND_HEIGHTS) {
        Sync::CatchingUp
    } else if quorum {
        Sync::InSync
    } else {
        Sync::NoQuorum
    };
    let peers = health.peers.iter().map(|peer| PeerState {
        authority: peer.peer.0.clone(),
        validator: peer.validator,
        connected: peer.connected,
        height: peer.height,
        beat_age_ms: peer.beat_age_ms.unwrap_or(0),
    });
    NodeState {
        sync,
        round: health.round.unwrap_or(0),
        mempool_transactions: u64::try_from(health.pending).unwrap_or(u64::MAX),
        mempool_bytes: u64::try_from(health.pending_bytes).unwrap_or(u64::MAX),
        quorum_margin: u32::try_from(health.failures_left).unwrap_or(u32::MAX),
        peers: peers.collect(),
        warnings: warnings(&health, quorum),
    }
}

fn warnings(health: &Health, quorum: bool) -> Vec<String> {
    use crate::consensus::SigningState;
    let mut warnings = Vec::new();
    if let Some(reason) = &health.halted {
        warnings.push(format!("the node stopped deciding: {reason}; look at its log before it is started again"));
    }
    let missing: Vec<&str> = health.missing.iter().map(|peer| peer.0.as_str()).collect();
    if !missing.is_empty() {
        warnings.push(format!("not connected: {}; check their nodes and the links to them", missing.join(", ")));
    }
    if !quorum {
        warnings.push("too few validators are reachable: nothing becomes final until more are back".into());
    } else if health.failures_left == 0 {
        warnings.push("one more failure stops writing".into());
    }
    match &health.signing {
        SigningState::Above(height) => {
            warnings.push(format!("the consensus log ends early: this validator votes only above height {height}"));
        }
        SigningState::Silent(reason) => {
            warnings.push(format!("this validator does not vote ({reason:?}): its watermark must be reset by an operator"));
        }
        SigningState::Observer | SigningState::Ready => {}
    }
    warnings
}
