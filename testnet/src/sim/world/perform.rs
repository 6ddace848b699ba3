//! What nodes want done, and what comes back to them.

use laufzettel_node::consensus::action::Diagnostic;
use laufzettel_node::consensus::{Action, Input, RefusalReason, Reply, TimerKey};

use super::{Event, HOSTILE_REQUEST, World};

/// Every so many steps it is looked at how much a node holds in memory.
const LOAD_EVERY: u64 = 64;

impl World {
    /// Gives a node an input and performs what it wants done.
    pub(super) fn step(&mut self, node: usize, input: Input) {
        let now_ms = self.now_ms;
        self.steps = self.steps.wrapping_add(1);
        let Some(replica) = self.replicas.get_mut(node) else { return };
        let clock_ms = replica.clock(now_ms);
        let Some(running) = replica.running.as_mut() else { return };
        let actions = running.driver.step(clock_ms, input);
        if self.steps.is_multiple_of(LOAD_EVERY) {
            self.check_load(node);
        }
        self.perform(node, actions);
    }

    /// What a node holds in memory for others is bounded.
    fn check_load(&mut self, node: usize) {
        let (peers, validators) = (self.nodes(), self.mode.validators);
        let Some(replica) = self.replicas.get(node) else { return };
        let Some(running) = &replica.running else { return };
        let health = running.driver.health();
        let rounds = usize::try_from(health.round.unwrap_or(0)).unwrap_or(0);
        let load = running.driver.load();
        let pool = replica.pool;
        if let Some(what) = load.excess(peers, validators, rounds) {
            self.fail(format!("node {node} holds too much: {what}, {load:?}"));
        } else if health.pending > pool.count_max || health.pending_bytes > pool.bytes_max {
            self.fail(format!(
                "node {node} has {} transactions pending, {} bytes",
                health.pending, health.pending_bytes
            ));
        }
    }

    pub(super) fn perform(&mut self, node: usize, actions: Vec<Action>) {
        let actions = if self.mode.lies(node) { self.speak(node, actions) } else { actions };
        for action in actions {
            if self.violation.is_some() {
                return;
            }
            self.perform_one(node, action);
        }
    }

    fn perform_one(&mut self, node: usize, action: Action) {
        let Some(run) = self.replicas.get(node).map(|replica| replica.run) else { return };
        match action {
            Action::SetTimer { key, at_ms } => self.set_timer(node, run, key, at_ms),
            Action::CancelTimer { key } => {
                if let Some(running) = self.running(node) {
                    running.timers.remove(&key);
                }
            }
            Action::Send { to, message } => {
                let to = self.nodes_of(node, &to);
                self.transmit(node, &to, &message);
            }
            Action::Broadcast { message } => {
                let to = self.others(node);
                self.transmit(node, &to, &message);
            }
            Action::Admit { .. } | Action::ReadBlocks { .. } | Action::ReadSnapshot { .. } => {
                self.at(1, Event::Quick { node, run, action })
            }
            Action::Build { .. } | Action::Validate { .. } | Action::Persist { .. } | Action::Commit { .. } => {
                if let Some(running) = self.running(node) {
                    running.jobs.push_back(action);
                }
                self.next_job(node, run);
            }
            Action::Reply { request, reply } => self.reply(node, request, &reply),
            Action::Evidence(evidence) => {
                let author = evidence.place().address;
                let mut of_author = (0..self.nodes()).filter(|of| self.is_address(*of, author));
                if of_author.all(|of| !self.mode.is_faulty(of)) {
                    self.fail(format!("evidence against an honest node: {evidence:?}"));
                }
                if !self.mode.is_faulty(node) {
                    self.checks.contradictions.told(node, run, &evidence);
                }
            }
            Action::Log(diagnostic) => self.note(node, &diagnostic),
            Action::Join { above, .. } => self.wants_to_join(node, above),
            Action::Halt { reason } => self.fail(format!("node {node} halts: {reason}")),
        }
    }

    fn is_address(&self, node: usize, address: laufzettel_chain::ids::Address) -> bool {
        self.replicas.get(node).is_some_and(|replica| replica.address() == address)
    }

    fn note(&mut self, node: usize, diagnostic: &Diagnostic) {
        self.trace.note(self.now_ms, node, "log", format!("{diagnostic:?}").as_bytes());
        match diagnostic {
            _ if self.mode.is_faulty(node) => {}
            Diagnostic::PeerFault { peer, .. } if self.node_of(peer).is_some_and(|node| self.mode.is_faulty(node)) => {}
            Diagnostic::InvalidBlock { block, reason, .. }
                if self.checks.invalid.contains(block) || self.is_hostile_block(reason) =>
            {
                self.panics += u64::from(reason.contains("panic"));
            }
            // The others are honest and the ledger is deterministic: none of these may ever be.
            Diagnostic::CoreFailed { .. }
            | Diagnostic::InvalidBlock { .. }
            | Diagnostic::PeerFault { .. }
            | Diagnostic::KeyElsewhere { .. } => self.fail(format!("node {node}: {diagnostic:?}")),
            Diagnostic::RoundStarted { height, round } => self.checks.begins(*height, *round),
            Diagnostic::Gate { .. } | Diagnostic::Syncing { .. } => {}
        }
    }

    /// No node here prunes: only a liar says so, and it must be believed by nobody who has an honest peer to ask.
    fn wants_to_join(&mut self, node: usize, above: u64) {
        let Some(running) = self.replicas.get(node).and_then(|replica| replica.running.as_ref()) else { return };
        let peers = running.driver.health().peers;
        let mut helpful = peers.iter().filter(|peer| peer.connected && peer.height > above);
        let honest = helpful.any(|peer| self.node_of(&peer.peer).is_some_and(|peer| !self.mode.is_faulty(peer)));
        if honest || (0..self.nodes()).all(|other| !self.mode.lies(other)) {
            self.fail(format!("node {node} at height {above} asks to join from a snapshot"));
        }
    }

    /// A liar that can execute the hostile transaction proposes it in good faith where a client submits it.
    fn is_hostile_block(&self, reason: &str) -> bool {
        reason.contains("panic") && (0..self.nodes()).any(|node| self.mode.executes_hostile(node))
    }

    fn set_timer(&mut self, node: usize, run: u64, key: TimerKey, at_ms: u64) {
        let now_ms = self.now_ms;
        let Some(replica) = self.replicas.get_mut(node) else { return };
        let wait_ms = at_ms.saturating_sub(replica.clock(now_ms));
        if let Some(running) = replica.running.as_mut() {
            running.timers.insert(key, at_ms);
        }
        self.at(wait_ms, Event::Timer { node, run, key, at_ms });
    }

    pub(super) fn fire(&mut self, node: usize, run: u64, key: TimerKey, at_ms: u64) {
        if self.replicas.get(node).is_none_or(|replica| replica.run != run) {
            return;
        }
        let Some(running) = self.running(node) else { return };
        if running.timers.get(&key) == Some(&at_ms) {
            running.timers.remove(&key);
            self.step(node, Input::Timer(key));
        }
    }

    fn reply(&mut self, node: usize, request: u64, reply: &Reply) {
        if request == HOSTILE_REQUEST {
            match reply {
                Reply::Final(_) => self.fail("the hostile transaction is final".to_owned()),
                Reply::Refused(refusal) => self.evicted += u64::from(refusal.reason == RefusalReason::Invalid),
                Reply::Accepted { .. } | Reply::Health(_) => {}
            }
            return;
        }
        let Ok(index) = usize::try_from(request) else { return };
        let Reply::Final(outcome) = reply else { return };
        self.trace.note(self.now_ms, node, "final", &outcome.id.0);
        if let Some(replica) = self.replicas.get_mut(node) {
            replica.announced = replica.announced.max(outcome.height);
        }
        let now_ms = self.now_ms;
        let Some(client) = self.clients.get_mut(index) else { return };
        if client.digest != outcome.payload_digest {
            return self.fail(format!("client {index} is told the outcome of another transaction"));
        }
        let took_ms = now_ms.saturating_sub(client.since_ms.unwrap_or(now_ms));
        match &client.told {
            None => {
                client.told = Some((node, outcome.clone()));
                client.told_ms = now_ms;
            }
            Some((_, first)) if first == outcome => {}
            Some((_, first)) => {
                let violation = format!("client {index} is told {outcome:?}, before {first:?}");
                return self.fail(violation);
            }
        }
        if index >= self.mode.clients() && took_ms > self.lone_ms() {
            self.fail(format!("a transaction of an idle network took {took_ms} ms"));
        }
    }
}
