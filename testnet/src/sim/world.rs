//! The loop: events in virtual time, faults drawn from the seed while there is
//! chaos, then healing, then everything must come to rest; and at rest a single
//! transaction must be final at once.

mod faults;
mod perform;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use laufzettel_chain::genesis::Genesis;
use laufzettel_node::consensus::{Action, Input, Peer, TimerKey};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Report;
use super::broken::Broken;
use super::checks::Checks;
use super::clients::{Client, client};
use super::disk::SimSlots;
use super::genesis::{START_MS, genesis, members};
use super::links::Links;
use super::mode::{Mode, ODD};
use super::replica::Replica;
use super::trace::Trace;

/// Nodes of the network.
const NODES: usize = 5;
/// The first ones validate, the others follow.
const VALIDATORS: usize = 4;
/// Clients that submit while there is chaos.
const CLIENTS: usize = 40;
/// Clients that submit afterwards, one at a time, to a network at rest.
const LATE_CLIENTS: usize = 3;
/// How long the chaos lasts.
const CHAOS_MS: u64 = 25_000;
/// Everything rests this long after healing at the latest.
const REST_MS: u64 = 60_000;
/// A single transaction at rest is final within this time.
const LONE_MS: u64 = 1_000;
/// The same with one validator that is not well: its turn passes first.
const LONE_ODD_MS: u64 = 6_000;
/// How long the network is watched doing nothing: two heartbeats.
const IDLE_MS: u64 = 130_000;
/// An unanswered client tries another node after this time.
const RETRY_MS: u64 = 3_000;

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
    replicas: Vec<Replica>,
    links: Links,
    clients: Vec<Client>,
    mode: Mode,
    late: usize,
    /// Height when the network was left alone, and whether that is over.
    idle: Option<(u64, bool)>,
    chaos: bool,
    checks: Checks,
    trace: Trace,
    messages: u64,
    crashes: u64,
    violation: Option<String>,
}

impl World {
    /// The network of a seed.
    pub(super) fn new(seed: u64, broken: Option<Broken>) -> Self {
        // Broken variants run among nodes that are otherwise well, so that what is caught is theirs.
        let mode = if broken.is_some() { Mode::Well } else { Mode::of(seed) };
        let members = members(NODES, VALIDATORS);
        let genesis = genesis(&members);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let clients =
            (0..CLIENTS + LATE_CLIENTS).filter_map(|number| client(number, genesis.network, &members)).collect();
        let replica = |(number, member)| Replica {
            member,
            running: None,
            run: 0,
            rows: BTreeMap::new(),
            slots: SimSlots::new(broken),
            image: None,
            skew_ms: match (mode, number) {
                (Mode::ClockOff, ODD) => 8_000 * if random.random_range(0..2) == 0 { -1 } else { 1 },
                _ => random.random_range(-300..300),
            },
            announced: 0,
            broken,
            odd: number == 1,
            set_back: mode == Mode::SetBack && number == ODD,
            was_set_back: false,
        };
        let replicas = members.into_iter().enumerate().map(replica).collect();
        Self {
            seed,
            random,
            now_ms: START_MS.saturating_add(1_000),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            genesis,
            replicas,
            links: Links::default(),
            clients,
            mode,
            late: 0,
            idle: None,
            chaos: true,
            checks: Checks::default(),
            trace: Trace::default(),
            messages: 0,
            crashes: 0,
            violation: None,
        }
    }

    /// Runs to the end.
    pub(super) fn run(mut self) -> Report {
        let begin_ms = self.now_ms;
        for node in 0..NODES {
            self.at(0, Event::Restart { node });
        }
        for client in 0..CLIENTS {
            let wait_ms = self.random.random_range(0..CHAOS_MS);
            self.at(wait_ms, Event::Submit { client });
        }
        self.at(500, Event::Fault);
        let image_ms = self.random.random_range(1_000..6_000);
        self.at(image_ms, Event::Image);
        self.at(CHAOS_MS, Event::Whole);
        let end_ms = begin_ms.saturating_add(CHAOS_MS + REST_MS + IDLE_MS);
        while self.violation.is_none() {
            let Some(Reverse((at_ms, number))) = self.queue.pop() else { break };
            self.now_ms = at_ms;
            if at_ms > end_ms {
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
        if self.violation.is_none()
            && let Err(violation) = self.checks.settled(&self.genesis, self.mode, &self.replicas, &self.clients)
        {
            self.fail(violation);
        }
        let tips = self.replicas.iter().filter_map(|replica| replica.running.as_ref());
        Report {
            seed: self.seed,
            heights: tips.map(|running| running.driver.tip().height()).max().unwrap_or(0),
            round_max: self.checks.round_max,
            transactions: self.clients.iter().filter(|client| client.told.is_some()).count(),
            messages: self.messages,
            crashes: self.crashes,
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
    fn peer(&self, node: usize) -> Option<Peer> {
        self.replicas.get(node).map(|replica| Peer(replica.member.id.clone()))
    }
    fn node_of(&self, peer: &Peer) -> Option<usize> {
        self.replicas.iter().position(|replica| replica.member.id == peer.0)
    }
    fn runs(&self, node: usize) -> bool {
        self.replicas.get(node).is_some_and(|replica| replica.running.is_some())
    }
    /// Where everyone stands, for the report of a failure.
    fn standing(&self) -> String {
        let mut text = String::new();
        for replica in &self.replicas {
            let Some(running) = &replica.running else {
                text += &format!("{} down; ", replica.member.id);
                continue;
            };
            let health = running.driver.health();
            text += &format!(
                "{} at {} round {:?} pending {} {:?}{}; ",
                replica.member.id,
                health.height,
                health.round,
                health.pending,
                health.signing,
                if health.silent { " silent" } else { "" }
            );
        }
        let clients = self.clients.iter().enumerate().take(CLIENTS + self.late);
        let open: Vec<usize> = clients.filter(|(_, client)| client.told.is_none()).map(|(index, _)| index).collect();
        text + &format!("clients without outcome {open:?}")
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
            Event::Idle => self.idle = self.idle.map(|(height, _)| (height, true)),
        }
    }

    fn submit(&mut self, index: usize) {
        let honest = |node: &usize| self.runs(*node) && !self.mode.lies(*node);
        let running: Vec<usize> = (0..NODES).filter(honest).collect();
        let now_ms = self.now_ms;
        let Some(client) = self.clients.get_mut(index).filter(|client| client.told.is_none()) else { return };
        client.since_ms.get_or_insert(now_ms);
        let transaction = client.transaction.clone();
        self.at(RETRY_MS, Event::Submit { client: index });
        if !running.is_empty() {
            let pick = self.random.random_range(0..running.len());
            let request = u64::try_from(index).unwrap_or(0);
            if let Some(node) = running.get(pick) {
                self.step(*node, Input::Submit { request, transaction, wait: true });
            }
        }
    }

    /// Whether everything rests; then the next late client is let in, and in the end true.
    fn next_late(&mut self) -> bool {
        let let_in = CLIENTS + self.late;
        if self.clients.iter().take(let_in).any(|client| client.told.is_none()) || !self.rests() {
            return false;
        }
        if let_in == self.clients.len() {
            return self.watch_idle();
        }
        self.late += 1;
        let wait_ms = self.random.random_range(1..2_000);
        self.at(wait_ms, Event::Submit { client: let_in });
        false
    }

    /// A network that is left alone makes a heartbeat block a minute and nothing else; true once that is seen.
    fn watch_idle(&mut self) -> bool {
        let height = self.replicas.first().and_then(|replica| replica.running.as_ref());
        let height = height.map_or(0, |running| running.driver.tip().height());
        match self.idle {
            None => {
                self.idle = Some((height, false));
                self.at(IDLE_MS, Event::Idle);
                false
            }
            Some((_, false)) => false,
            Some((before, true)) => {
                let made = height.saturating_sub(before);
                if !(2..=3).contains(&made) {
                    self.fail(format!("an idle network made {made} blocks in {IDLE_MS} ms"));
                }
                true
            }
        }
    }

    fn rests(&self) -> bool {
        let mut heights = BTreeSet::new();
        for (node, replica) in self.replicas.iter().enumerate() {
            if self.mode.lies(node) {
                continue;
            }
            let Some(running) = &replica.running else { return false };
            let health = running.driver.health();
            if health.round.is_some() || health.pending > 0 || !running.jobs.is_empty() {
                return false;
            }
            heights.insert(health.height);
        }
        heights.len() == 1
    }
}
