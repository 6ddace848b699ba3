//! What nodes want done, and what comes back to them.

use std::sync::Arc;

use laufzettel_chain::ids::Address;
use laufzettel_node::consensus::action::Diagnostic;
use laufzettel_node::consensus::{Action, Evidence, Input, Message, Peer, Reply, TimerKey};
use rand::Rng;

use super::super::liar::twist;
use super::super::mode::Mode;
use super::{CLIENTS, Event, LONE_MS, LONE_ODD_MS, NODES, World};

/// How many messages in a thousand arrive twice.
const TWICE: u32 = 10;
/// How many in ten thousand are lost, and break their link.
const LOST: u32 = 15;

impl World {
    /// Gives a node an input and performs what it wants done.
    pub(super) fn step(&mut self, node: usize, input: Input) {
        let now_ms = self.now_ms;
        let Some(replica) = self.replicas.get_mut(node) else { return };
        let clock_ms = replica.clock(now_ms);
        let Some(running) = replica.running.as_mut() else { return };
        let actions = running.driver.step(clock_ms, input);
        self.perform(node, actions);
    }

    pub(super) fn perform(&mut self, node: usize, actions: Vec<Action>) {
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
                if let Some(to) = self.node_of(&to) {
                    self.transmit(node, &[to], &message);
                }
            }
            Action::Broadcast { message } => {
                let all: Vec<usize> = (0..NODES).filter(|to| *to != node).collect();
                self.transmit(node, &all, &message);
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
            Action::Evidence(evidence) => self.evidence(&evidence),
            Action::Log(diagnostic) => self.note(node, &diagnostic),
            // No node here prunes.
            Action::Join { above } => self.fail(format!("node {node} at height {above} asks to join from a snapshot")),
            Action::Halt { reason } => self.fail(format!("node {node} halts: {reason}")),
        }
    }

    fn running(&mut self, node: usize) -> Option<&mut super::super::replica::Running> {
        self.replicas.get_mut(node)?.running.as_mut()
    }

    fn evidence(&mut self, evidence: &Evidence) {
        let author = match evidence {
            Evidence::Votes(pair) => pair.0.message.address,
            Evidence::Proposals(pair) => pair.0.message.address,
        };
        let own = |replica: &super::super::replica::Replica| Address::of(&replica.member.consensus.verifying_key());
        let author = self.replicas.iter().position(|replica| own(replica) == author);
        if author.is_none_or(|node| !self.mode.lies(node)) {
            self.fail(format!("evidence against an honest node: {evidence:?}"));
        }
    }

    fn note(&mut self, node: usize, diagnostic: &Diagnostic) {
        self.trace.note(self.now_ms, node, "log", format!("{diagnostic:?}").as_bytes());
        match diagnostic {
            _ if self.mode.lies(node) => {}
            Diagnostic::PeerFault { peer, .. } if self.node_of(peer).is_some_and(|node| self.mode.lies(node)) => {}
            // The others are honest and the ledger is deterministic: none of these may ever be.
            Diagnostic::CoreFailed { .. } | Diagnostic::InvalidBlock { .. } | Diagnostic::PeerFault { .. } => {
                self.fail(format!("node {node}: {diagnostic:?}"));
            }
            Diagnostic::RoundStarted { .. } | Diagnostic::Gate { .. } | Diagnostic::Syncing { .. } => {}
        }
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

    fn transmit(&mut self, from: usize, to: &[usize], message: &Message) {
        let mut bytes = Arc::new(message.to_bytes());
        self.trace.note(self.now_ms, from, message.name(), &bytes);
        if let Some(replica) = self.replicas.get_mut(from).filter(|_| !self.mode.lies(from)) {
            if let Message::Beat(beat) = message {
                replica.announced = replica.announced.max(beat.message.height);
            }
            let result = self.checks.sends(replica, message);
            self.hold(result);
        }
        for to in to {
            let Some(epoch) = self.links.epoch(from, *to) else { continue };
            self.messages = self.messages.saturating_add(1);
            if let Some(replica) = self.replicas.get(from).filter(|_| self.mode.lies(from)) {
                bytes = Arc::new(twist(message, &replica.member, &mut self.random).to_bytes());
            }
            if self.chaos && self.random.random_range(0..10_000) < LOST {
                self.cut(from, *to);
                let wait_ms = self.random.random_range(20..500);
                self.at(wait_ms, Event::Reconnect);
                continue;
            }
            let copies = if self.chaos && self.random.random_range(0..1_000) < TWICE { 2 } else { 1 };
            for _ in 0..copies {
                let wait_ms = self.delay();
                self.at(wait_ms, Event::Deliver { from, to: *to, epoch, bytes: Arc::clone(&bytes) });
            }
        }
    }

    fn delay(&mut self) -> u64 {
        match (self.chaos, self.random.random_range(0..100)) {
            (true, 0..3) => self.random.random_range(50..600),
            (true, _) => self.random.random_range(1..25),
            (false, _) => self.random.random_range(1..6),
        }
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, epoch: u64, bytes: &[u8]) {
        if self.links.epoch(from, to) != Some(epoch) {
            return;
        }
        let Some(from) = self.peer(from) else { return };
        match Message::from_bytes(bytes) {
            Ok(message) => self.step(to, Input::Message { from, message }),
            Err(error) => self.fail(format!("an honest node's message does not decode: {error}")),
        }
    }

    fn reply(&mut self, node: usize, request: u64, reply: &Reply) {
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
        let limit_ms = match self.mode {
            Mode::Well | Mode::SetBack => LONE_MS,
            Mode::ClockOff | Mode::Liar => LONE_ODD_MS,
        };
        if index >= CLIENTS && took_ms > limit_ms {
            self.fail(format!("a transaction of an idle network took {took_ms} ms"));
        }
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        if self.links.cut(a, b) {
            let (first, second) = (self.peer(a), self.peer(b));
            for (node, peer) in [(a, second), (b, first)] {
                if let Some(peer) = peer {
                    self.step(node, Input::PeerDisconnected(peer));
                }
            }
        }
    }

    /// Links stand again wherever both ends run and no partition lies between.
    pub(super) fn reconnect(&mut self) {
        for a in 0..NODES {
            for b in a.saturating_add(1)..NODES {
                let possible = self.runs(a) && self.runs(b) && !self.links.parted(a, b);
                if possible && self.links.epoch(a, b).is_none() {
                    self.links.connect(a, b);
                    let pair: [(usize, Option<Peer>); 2] = [(a, self.peer(b)), (b, self.peer(a))];
                    for (node, peer) in pair {
                        if let Some(peer) = peer {
                            self.step(node, Input::PeerConnected(peer));
                        }
                    }
                }
            }
        }
    }
}
