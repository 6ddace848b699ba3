//! A whole node as a service: the node, its API, the bridge between them, and
//! the order of stopping. Nothing is decided here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use laufzettel_chain::state::evidence::{self, Record};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::api::backend::{Backend, BackendParts, NodeState, PeerState, PoolRefusal, Submit, Sync};
use crate::api::{Api, ApiError};
use crate::clock;
use crate::consensus::watermark::SigningState;
use crate::consensus::{Health, RefusalReason, Reply};
use crate::endpoints::Endpoints;
use crate::node::{Node, StartError};
use crate::runtime::Handle;
use crate::setup::Setup;

/// Calls on their way to the driver at once.
const SUBMITS_WAITING_MAX: usize = 4_096;
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
    /// The API did not start or failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The endpoints file.
    #[error("cannot write endpoints.json into {path}: {source}")]
    Endpoints {
        /// The data folder.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs a node until `stop` is cancelled.
///
/// # Errors
/// A part does not start, or the API fails.
pub async fn run(setup: &Setup, stop: CancellationToken) -> Result<(), ServiceError> {
    let config = &setup.config;
    let node = Node::start(setup).await?;
    let handle = node.runtime.handle().clone();
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
    let bridge = tokio::spawn(pass_submits(handle.clone(), submits));
    let watcher = tokio::spawn(watch_health(handle, state));
    let api = Api::start(&config.api, backend, stop.clone()).await?;
    let endpoints = Endpoints {
        authority: config.node.authority.clone(),
        api: api.address.to_string(),
        peer: node.network.local_addr().map(ToString::to_string).unwrap_or_default(),
        pid: std::process::id(),
    };
    let path = config.node.data.clone();
    endpoints.write(&path).map_err(|source| ServiceError::Endpoints { path, source })?;
    tracing::info!(api = %endpoints.api, peer = %endpoints.peer, "serving");
    let mut task = api.task;
    let ended = tokio::select! {
        ended = &mut task => Some(ended),
        () = stop.cancelled() => tokio::time::timeout(DRAIN, &mut task).await.ok(),
    };
    stop.cancel();
    Endpoints::remove(&config.node.data);
    bridge.abort();
    watcher.abort();
    // The driver stops between two steps; whatever it promised is durable.
    let _ = tokio::task::spawn_blocking(|| node.runtime.stop()).await;
    tracing::info!("stopped");
    match ended {
        Some(Ok(result)) => Ok(result?),
        Some(Err(panic)) => Err(ApiError::Server(panic.to_string()).into()),
        None => Ok(()),
    }
}

async fn pass_submits(handle: Handle, mut submits: mpsc::Receiver<Submit>) {
    while let Some(submit) = submits.recv().await {
        let handle = handle.clone();
        tokio::spawn(async move {
            let answer = pass(&handle, submit.signed).await;
            // A client that went away needs no answer.
            let _ = submit.answer.send(answer);
        });
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

async fn watch_health(handle: Handle, state: watch::Sender<NodeState>) {
    let halted = handle.halted();
    let mut signed_twice = (None, Vec::new());
    loop {
        if let Some(health) = handle.health().await {
            let reason = halted.borrow().clone().or_else(|| health.halted.clone());
            if signed_twice.0 != Some(health.height) {
                signed_twice = (Some(health.height), twice_signed(&handle));
            }
            let mut next = node_state(&health, reason);
            next.warnings.extend(signed_twice.1.iter().cloned());
            state.send_if_modified(|current| {
                let changed = *current != next;
                *current = next;
                changed
            });
        }
        tokio::time::sleep(HEALTH_INTERVAL).await;
    }
}

/// A line for each authority that was proven to have signed twice. It is not suspended: that is for people to decide.
fn twice_signed(handle: &Handle) -> Vec<String> {
    match evidence::all(handle.store().as_ref(), &handle.genesis().registry) {
        Ok(found) => {
            found.iter().filter_map(|(authority, _, records)| signed_twice(authority, records.all())).collect()
        }
        Err(error) => vec![format!("cannot read which authorities signed twice: {error}")],
    }
}

fn signed_twice(authority: &str, records: &[Record]) -> Option<String> {
    let last = records.last()?;
    let others = match records.len() {
        1 => String::new(),
        count => format!(", the last of {count} heights"),
    };
    Some(format!(
        "authority {authority} signed twice at height {}{others}: its validator lies or runs twice with one key; the \
         proof is on the ledger, and nobody is suspended by it",
        last.height
    ))
}

/// Why this validator does not sign, and what to do about it.
fn signing_warning(health: &Health) -> Option<String> {
    match health.signing {
        SigningState::Silent(reason) => Some(format!(
            "nothing is signed: the file `watermark` in the data folder {reason}; stop the node and run `laufzettel keys \
             watermark reset`, and never restore one from a backup"
        )),
        SigningState::Above(height) if health.height < height => Some(format!(
            "nothing is signed up to block {height}: the watermark was reset, or lies ahead of the log; this passes"
        )),
        SigningState::Above(_) | SigningState::Ready | SigningState::Observer => None,
    }
}

fn node_state(health: &Health, halted: Option<String>) -> NodeState {
    let peers = health.peers.iter().map(|peer| PeerState {
        authority: peer.peer.0.clone(),
        validator: peer.validator,
        connected: peer.connected,
        height: peer.height,
        beat_age_ms: peer.beat_age_ms.unwrap_or(u64::MAX),
    });
    let mut warnings = Vec::new();
    if let Some(reason) = &halted {
        warnings.push(format!("the node stopped deciding: {reason}"));
    }
    warnings.extend(signing_warning(health));
    if let Some(height) = health.key_elsewhere {
        warnings.push(format!(
            "another node signed with this node's consensus key at height {height}; stop one of the two, and never start it \
             again"
        ));
    }
    for missing in &health.missing {
        warnings.push(format!("no connection to validator {}", missing.0));
    }
    if health.failures_left == 0 {
        warnings.push("one more failure stops writing".to_owned());
    }
    let highest = health.peers.iter().filter(|peer| peer.connected).map(|peer| peer.height).max().unwrap_or(0);
    let sync = if halted.is_some() {
        Sync::Stopped
    } else if highest > health.height.saturating_add(2) {
        Sync::CatchingUp
    } else if !health.quorum {
        Sync::NoQuorum
    } else {
        Sync::InSync
    };
    NodeState {
        sync,
        round: health.round.unwrap_or(0),
        mempool_transactions: health.pending as u64,
        mempool_bytes: health.pending_bytes as u64,
        quorum_margin: u32::try_from(health.failures_left).unwrap_or(u32::MAX),
        peers: peers.collect(),
        warnings,
    }
}

#[cfg(test)]
mod tests {
    use laufzettel_chain::evidence::Kind;
    use laufzettel_chain::ids::ItemDigest;

    use super::*;

    #[test]
    fn whoever_signed_twice_is_named_with_the_last_height() {
        let record =
            |height| Record { height, round: 0, kind: Kind::Prevote, item: ItemDigest([1; 32]), recorded: height };
        assert_eq!(signed_twice("sn-lds", &[]), None);
        let one = signed_twice("sn-lds", &[record(7)]).unwrap();
        assert!(one.starts_with("authority sn-lds signed twice at height 7: "), "{one}");
        let two = signed_twice("sn-lds", &[record(7), record(9)]).unwrap();
        assert!(two.starts_with("authority sn-lds signed twice at height 9, the last of 2 heights: "), "{two}");
    }
}
