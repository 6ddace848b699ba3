//! Carries out the driver's actions, in order: timers here, the rest handed to
//! the network, the ledger's thread, the reader's thread and waiting calls.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use laufzettel_chain::ids::Height;

use super::{Jobs, Shared};
use crate::consensus::action::Diagnostic;
use crate::consensus::{Action, Reply, TimerKey, Tip};
use crate::network::NetworkHandle;

/// Where actions go.
pub(crate) struct Ports {
    shared: Arc<Shared>,
    network: NetworkHandle,
    ledger: Jobs,
    reader: Jobs,
    timers: BTreeMap<TimerKey, u64>,
}

impl Ports {
    pub(crate) fn new(shared: Arc<Shared>, network: NetworkHandle, ledger: Jobs, reader: Jobs) -> Self {
        Self { shared, network, ledger, reader, timers: BTreeMap::new() }
    }
    /// Takes the earliest timer that is due.
    pub(crate) fn due(&mut self, now_ms: u64) -> Option<TimerKey> {
        let (key, _) = self.timers.iter().filter(|(_, at)| **at <= now_ms).min_by_key(|(_, at)| **at)?;
        let key = *key;
        self.timers.remove(&key);
        Some(key)
    }
    pub(crate) fn next_timer(&self) -> Option<u64> {
        self.timers.values().min().copied()
    }
    /// Makes a new tip visible. It is durable.
    pub(crate) fn publish(&self, tip: &Tip) {
        let header = &tip.header;
        tracing::info!(height = header.height, round = header.round, block = %tip.id, "block committed");
        self.shared.tips.send_replace(Arc::new(tip.clone()));
    }
    pub(crate) fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.perform_one(action);
        }
    }
    fn perform_one(&mut self, action: Action) {
        match action {
            Action::SetTimer { key, at_ms } => {
                self.timers.insert(key, at_ms);
            }
            Action::CancelTimer { key } => {
                self.timers.remove(&key);
            }
            Action::Send { to, message } => {
                self.network.send(&to.0, message.to_bytes());
            }
            Action::Broadcast { message } => {
                self.network.broadcast(message.to_bytes());
            }
            // Both threads live as long as this one; a job they no longer take is a stop in progress.
            job @ (Action::Admit { .. } | Action::ReadBlocks { .. } | Action::ReadSnapshot { .. }) => {
                let _ = self.reader.send(job);
            }
            job @ (Action::Build { .. } | Action::Validate { .. } | Action::Persist { .. } | Action::Commit { .. }) => {
                let _ = self.ledger.send(job);
            }
            Action::Reply { request, reply } => self.reply(request, reply),
            Action::Evidence(evidence) => {
                self.shared.metrics.evidence();
                let place = evidence.place();
                tracing::error!(
                    validator = %place.address, height = place.height, round = place.round, kind = ?place.kind,
                    "a validator signed two messages that contradict each other; the proof goes on the ledger"
                );
            }
            Action::Join { above, elsewhere } => self.join(above, elsewhere),
            Action::Log(diagnostic) => {
                self.shared.metrics.diagnostic(&diagnostic);
                if let Diagnostic::PeerFault { peer, .. } = &diagnostic {
                    self.network.slow(&peer.0);
                }
                log(&diagnostic);
            }
            Action::Halt { reason } => {
                tracing::error!(%reason, "the node stops deciding and serving; an operator is needed");
                self.shared.halted.send_replace(Some(reason));
            }
        }
    }
    fn join(&self, above: Height, elsewhere: bool) {
        if elsewhere && self.shared.snapshots.is_of_archive() {
            tracing::info!(
                height = above,
                "peers have pruned the next block; an archive takes it from one that has not"
            );
            return;
        }
        tracing::warn!(height = above, "peers have pruned the next block; joining from a snapshot");
        self.shared.behind.send_replace(Some(above));
    }
    fn reply(&self, request: u64, reply: Reply) {
        let waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(caller) = waiting.get(&request) {
            let _ = caller.send(reply);
        }
    }
}

fn log(diagnostic: &Diagnostic) {
    match diagnostic {
        Diagnostic::KeyElsewhere { height } => tracing::error!(
            height,
            "another node signs with this node's consensus key; stop one of the two, and never start it again"
        ),
        Diagnostic::InvalidBlock { .. } | Diagnostic::CoreFailed { .. } => tracing::warn!(?diagnostic, "consensus"),
        Diagnostic::RoundStarted { .. }
        | Diagnostic::Gate { .. }
        | Diagnostic::PeerFault { .. }
        | Diagnostic::Syncing { .. } => tracing::debug!(?diagnostic, "consensus"),
    }
}
