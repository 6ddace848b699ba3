//! The loop: events in virtual time, faults drawn from the seed while there is
//! chaos, then healing, then everything must come to rest; and at rest a single
//! transaction must be final at once.
//!
//! Read `start` (what there is), `away` (a month without anybody), `faults` (what goes wrong), `perform` (what
//! nodes want done), `lies` (what liars make of it) and `rest` (the end).

mod away;
mod faults;
mod lies;
mod links;
mod perform;
pub(super) mod rest;
mod start;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::ItemDigest;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_node::consensus::{Action, Input, Peer, TimerKey};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Report;
use super::checks::Checks;
use super::clients::Client;
use super::genesis::Member;
use super::links::Links;
use super::mode::Mode;
use super::replica::{Replica, Running};
use super::trace::Trace;
use lies::Liars;

/// Clients that submit afterwards, one at a time, to a network at rest.
const LATE_CLIENTS: usize = 3;
/// How long the chaos lasts.
const CHAOS_MS: u64 = 25_000;
/// Everything rests this long after healing at the latest. What one node alone is awake for waits for a heartbeat, a minute.
const REST_MS: u64 = 90_000;
/// How long the network is watched doing nothing: two heartbeats.
const IDLE_MS: u64 = 130_000;
/// An unanswered client tries another node after this time.
const RETRY_MS: u64 = 3_000;
/// The number of the call that submits the hostile transaction.
const HOSTILE_REQUEST: u64 = 1_000_000;

/// Something that happens at a time.
#[derive(Debug)]
enum Event {
    Deliver { from: usize, to: usize, epoch: u64, bytes: Arc<Vec<u8>> },
    Timer { node: usize, run: u64, key: TimerKey, at_ms: u64 },
    Job { node: usize, run: u64 },
    Quick { node: usize, run: u64, action: Action },
    Reconnect,
    Restart { node: usize },
    Fault,
    Whole,
    Image,
    Submit { client: usize },
    Hostile,
    Interrupt { node: usize },
    Idle,
}

/// A network and everything that happens to it.
pub(super) struct World {
    seed: u64,
    random: ChaCha8Rng,
    now_ms: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    next_event: u64,
    genesis: Arc<Genesis>,
    members: Vec<Member>,
    replicas: Vec<Replica>,
    links: Links,
    clients: Vec<Client>,
    /// The proposal that nobody decides, where there is one.
    unwanted: Option<ItemDigest>,
    /// When all nodes come back that were away for longer than a proposal is open; none before.
    back_ms: Option<u64>,
    hostile: Arc<SignedTransaction>,
    mode: Mode,
    liars: Liars,
    late: usize,
    /// Height when the network was left alone, and whether that is over.
    idle: Option<(u64, bool)>,
    chaos: bool,
    checks: Checks,
    trace: Trace,
    messages: u64,
    crashes: u64,
    steps: u64,
    /// Blocks that honest nodes found invalid because their execution panicked.
    panics: u64,
    /// How often a client was told that its transaction is hostile.
    evicted: u64,
    violation: Option<String>,
}

/// What the end of a run has shown.
#[derive(Debug, Default)]
struct Outcome {
    evidence: usize,
    followed: rest::Followed,
    /// More validators than may be are unfit.
    stuck: bool,
}

impl World {
    /// Runs to the end.
    pub(super) fn run(mut self) -> Report {
        let begin_ms = self.now_ms;
        self.plan();
        let late_ms = self.lone_ms().saturating_mul(LATE_CLIENTS as u64);
        let end_ms = begin_ms.saturating_add(CHAOS_MS + REST_MS + IDLE_MS).saturating_add(late_ms);
        while self.violation.is_none() {
            let Some(Reverse((at_ms, number))) = self.queue.pop() else { break };
            self.now_ms = at_ms;
            if at_ms > end_ms.max(self.back_ms.map_or(0, |back_ms| back_ms + REST_MS)) {
                if self.too_many_unfit() {
                    return self.report(begin_ms, Outcome { stuck: true, ..Outcome::default() });
                }
                self.fail(format!("no rest after healing: {}", self.standing()));
                break;
            }
            if let Some(event) = self.events.remove(&number) {
                self.happen(event);
            }
            if !self.chaos && self.next_late() {
                break;
            }
        }
        let (evidence, followed) = if self.violation.is_none() { self.settle() } else { Default::default() };
        self.report(begin_ms, Outcome { evidence, followed, stuck: false })
    }

    fn report(self, begin_ms: u64, outcome: Outcome) -> Report {
        let tips = self.replicas.iter().filter_map(|replica| replica.running.as_ref());
        let heights = tips.map(|running| running.driver.tip().height()).max().unwrap_or(0);
        let Outcome { evidence, followed, stuck } = outcome;
        Report {
            stuck,
            seed: self.seed,
            mode: self.mode.name(),
            heights,
            round_max: self.checks.round_max,
            transactions: self.told().count(),
            messages: self.messages,
            crashes: self.crashes,
            lies: self.liars.counts(),
            evidence,
            followed,
            panics: self.panics,
            evicted: self.evicted,
            virtual_ms: self.now_ms.saturating_sub(begin_ms),
            trace: self.trace.digest(),
            violation: self.violation,
        }
    }

    fn fail(&mut self, violation: String) {
        self.violation.get_or_insert(violation);
    }
    fn hold(&mut self, result: Result<(), String>) {
        if let Err(violation) = result {
            self.fail(violation);
        }
    }
    fn at(&mut self, wait_ms: u64, event: Event) {
        self.next_event = self.next_event.saturating_add(1);
        self.queue.push(Reverse((self.now_ms.saturating_add(wait_ms), self.next_event)));
        self.events.insert(self.next_event, event);
    }
    fn nodes(&self) -> usize {
        self.replicas.len()
    }
    fn peer(&self, node: usize) -> Option<Peer> {
        self.replicas.get(node).map(|replica| Peer(replica.member.id.clone()))
    }
    fn runs(&self, node: usize) -> bool {
        self.replicas.get(node).is_some_and(|replica| replica.running.is_some())
    }
    fn running(&mut self, node: usize) -> Option<&mut Running> {
        self.replicas.get_mut(node)?.running.as_mut()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, epoch, bytes } => self.deliver(from, to, epoch, &bytes),
            Event::Timer { node, run, key, at_ms } => self.fire(node, run, key, at_ms),
            Event::Job { node, run } => self.job(node, run),
            Event::Quick { node, run, action } => self.quick(node, run, action),
            Event::Reconnect => self.reconnect(),
            Event::Restart { node } => self.restart(node),
            Event::Fault => self.fault(),
            Event::Whole => self.make_whole(),
            Event::Image => {
                for replica in &mut self.replicas {
                    replica.keep_image();
                }
            }
            Event::Submit { client } => self.submit(client),
            Event::Hostile => self.submit_hostile(),
            Event::Interrupt { node } => self.interrupt(node),
            Event::Idle => self.idle = self.idle.map(|(height, _)| (height, true)),
        }
    }

    /// One of the honest nodes that run, validators only if asked for.
    fn any_honest(&mut self, only_validators: bool) -> Option<usize> {
        let fits = |node: &usize| {
            let votes = self.replicas.get(*node).is_some_and(|replica| replica.member.validator);
            self.runs(*node) && !self.mode.is_faulty(*node) && (votes || !only_validators)
        };
        let fitting: Vec<usize> = (0..self.nodes()).filter(fits).collect();
        if fitting.is_empty() {
            return None;
        }
        let pick = self.random.random_range(0..fitting.len());
        fitting.get(pick).copied()
    }

    fn submit(&mut self, index: usize) {
        let now_ms = self.now_ms;
        let Some(client) = self.clients.get_mut(index).filter(|client| client.told.is_none()) else { return };
        client.since_ms.get_or_insert(now_ms);
        let transaction = client.transaction.clone();
        self.at(RETRY_MS, Event::Submit { client: index });
        if let Some(node) = self.any_honest(false) {
            let request = u64::try_from(index).unwrap_or(0);
            self.step(node, Input::Submit { request, transaction, wait: true });
        }
    }

    /// Somebody submits what nobody can execute. A follower would offer it until it expires, because it never builds.
    fn submit_hostile(&mut self) {
        if let Some(node) = self.any_honest(true) {
            let transaction = self.hostile.clone();
            self.step(node, Input::Submit { request: HOSTILE_REQUEST, transaction, wait: true });
        }
    }
}
