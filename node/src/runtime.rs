//! Runs the pure driver: its thread, the ledger's thread, the reader's thread,
//! and the door through which the API reaches them. No decision is made here.

mod perform;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use laufzettel_chain::check::{Judge, Verified};
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::Height;
use laufzettel_chain::storage::Store;
use laufzettel_chain::transaction::SignedTransaction;
use tokio::sync::{mpsc, watch};

use crate::clock;
use crate::consensus::{Action, Driver, Health, Input, Message, Peer, Reply, Tip};
use crate::metrics::Metrics;
use crate::network::{NetworkEvent, NetworkEvents, NetworkHandle};
use crate::snapshots::{self, Maker, Snapshots};
use crate::worker::Worker;
use perform::Ports;

/// Inputs waiting for the driver; more hold back who brings them.
const INPUTS_WAITING_MAX: usize = 8_192;

#[expect(clippy::large_enum_variant, reason = "nearly every event is an input")]
pub(crate) enum Event {
    Input(Input),
    Stop,
}

/// The door to a running node.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

pub(crate) struct Shared {
    inputs: SyncSender<Event>,
    next_request: AtomicU64,
    waiting: Mutex<BTreeMap<u64, mpsc::UnboundedSender<Reply>>>,
    tips: watch::Sender<Arc<Tip>>,
    behind: watch::Sender<Option<Height>>,
    snapshots: Snapshots,
    halted: watch::Sender<Option<String>>,
    store: Arc<dyn Store>,
    genesis: Arc<Genesis>,
    verified: Arc<Verified>,
    metrics: Arc<Metrics>,
}

/// Replies to one call; when dropped, the driver forgets the call.
pub struct Replies {
    request: u64,
    replies: mpsc::UnboundedReceiver<Reply>,
    shared: Arc<Shared>,
}

impl Replies {
    /// The next reply; none once the node stops.
    pub async fn next(&mut self) -> Option<Reply> {
        self.replies.recv().await
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.request);
        let _ = self.shared.inputs.try_send(Event::Input(Input::Forget { request: self.request }));
    }
}

/// The node takes no more calls now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// Too many wait; try again.
    Full,
    /// It is stopping.
    Stopping,
}

impl Handle {
    fn call(&self, input: impl FnOnce(u64) -> Input) -> Result<Replies, Busy> {
        let request = self.0.next_request.fetch_add(1, Ordering::Relaxed);
        let (sender, replies) = mpsc::unbounded_channel();
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(request, sender);
        let replies = Replies { request, replies, shared: self.0.clone() };
        match self.0.inputs.try_send(Event::Input(input(request))) {
            Ok(()) => Ok(replies),
            Err(TrySendError::Full(_)) => Err(Busy::Full),
            Err(TrySendError::Disconnected(_)) => Err(Busy::Stopping),
        }
    }
    /// Hands a transaction to the driver. The first reply says whether it was
    /// taken; with `wait`, a second one says what became of it.
    ///
    /// # Errors
    /// The node takes no more calls now.
    pub fn submit(&self, transaction: Arc<SignedTransaction>, wait: bool) -> Result<Replies, Busy> {
        self.call(|request| Input::Submit { request, transaction, wait })
    }
    /// How the node is.
    pub async fn health(&self) -> Option<Health> {
        let mut replies = self.call(|request| Input::HealthRequest { request }).ok()?;
        match replies.next().await? {
            Reply::Health(health) => Some(*health),
            _ => None,
        }
    }
    /// The tip, now and whenever it moves.
    #[must_use]
    pub fn tips(&self) -> watch::Receiver<Arc<Tip>> {
        self.0.tips.subscribe()
    }
    /// Why the node stopped deciding, once it has.
    #[must_use]
    pub fn halted(&self) -> watch::Receiver<Option<String>> {
        self.0.halted.subscribe()
    }
    /// The tip's height, once no peer in reach has the next block any more: the node has to join from a snapshot.
    #[must_use]
    pub fn behind(&self) -> watch::Receiver<Option<Height>> {
        self.0.behind.subscribe()
    }
    /// The snapshots this node keeps.
    #[must_use]
    pub fn snapshots(&self) -> &Snapshots {
        &self.0.snapshots
    }
    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }
    /// The genesis file.
    #[must_use]
    pub fn genesis(&self) -> &Arc<Genesis> {
        &self.0.genesis
    }
    /// Signatures verified so far.
    #[must_use]
    pub fn verified(&self) -> &Arc<Verified> {
        &self.0.verified
    }
}

impl Shared {
    /// Asks something of a judge by the state and clock of now.
    fn with_judge<T>(&self, ask: impl FnOnce(&Judge<'_>) -> T) -> T {
        let tip = self.tips.borrow().clone();
        ask(&Judge {
            read: self.store.as_ref(),
            registry: &tip.registry,
            network: self.genesis.network,
            incarnation: tip.header.incarnation,
            height: tip.header.height.saturating_add(1),
            time_ms: clock::now_ms().max(tip.header.time_ms.saturating_add(1)),
            verified: &self.verified,
        })
    }
}

/// A running node's threads.
pub struct Runtime {
    handle: Handle,
    inputs: SyncSender<Event>,
    threads: Vec<JoinHandle<()>>,
    maker: Maker,
}

impl Runtime {
    /// Starts the threads over a driver and its worker.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        (driver, first): (Driver, Vec<Action>),
        worker: Worker,
        maker: Maker,
        network: NetworkHandle,
        events: NetworkEvents,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let (inputs, received) = sync_channel(INPUTS_WAITING_MAX);
        let ledger = worker.ledger();
        let shared = Arc::new(Shared {
            inputs: inputs.clone(),
            next_request: AtomicU64::new(1),
            waiting: Mutex::new(BTreeMap::new()),
            tips: watch::Sender::new(ledger.tip()),
            behind: watch::Sender::new(None),
            snapshots: maker.door().clone(),
            halted: watch::Sender::new(None),
            store: ledger.store().clone(),
            genesis: ledger.genesis().clone(),
            verified: ledger.verified().clone(),
            metrics: metrics.clone(),
        });
        let (jobs, jobs_received) = channel();
        let (reads, reads_received) = channel();
        let ports = Ports::new(shared.clone(), network, jobs, reads);
        let runtime = tokio::runtime::Handle::current();
        let spawn =
            |name: &str, run: Box<dyn FnOnce() + Send>| std::thread::Builder::new().name(name.to_owned()).spawn(run);
        let (to_driver, to_driver_too, to_driver_from_network) = (inputs.clone(), inputs.clone(), inputs.clone());
        let reader_shared = shared.clone();
        let snapshots = maker.door().clone();
        let threads = vec![
            spawn("ledger", Box::new(move || run_worker(worker, &jobs_received, &to_driver, &snapshots, &metrics)))?,
            spawn("reader", Box::new(move || run_reader(&reader_shared, &reads_received, &to_driver_too)))?,
            spawn("driver", Box::new(move || run_driver(driver, first, &received, ports)))?,
        ];
        // The network's forwarder ends with the network; nobody waits for it.
        spawn("network", Box::new(move || run_network(&runtime, events, &to_driver_from_network)))?;
        Ok(Self { handle: Handle(shared), inputs, threads, maker })
    }
    /// The door to this node.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
    /// Stops between two steps; what is durable stays so.
    pub fn stop(self) {
        let _ = self.inputs.send(Event::Stop);
        for thread in self.threads {
            let _ = thread.join();
        }
        self.maker.stop();
    }
}

fn run_driver(mut driver: Driver, first: Vec<Action>, events: &Receiver<Event>, mut ports: Ports) {
    const LONG: u64 = 60_000;
    ports.perform(first);
    loop {
        let now_ms = clock::now_ms();
        if let Some(key) = ports.due(now_ms) {
            ports.perform(driver.step(now_ms, Input::Timer(key)));
            continue;
        }
        let wait = ports.next_timer().map_or(LONG, |at| at.saturating_sub(now_ms).clamp(1, LONG));
        match events.recv_timeout(Duration::from_millis(wait)) {
            Ok(Event::Input(input)) => {
                if let Input::Committed { tip, .. } = &input {
                    ports.publish(tip);
                }
                ports.perform(driver.step(clock::now_ms(), input));
            }
            Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn run_worker(
    mut worker: Worker,
    jobs: &Receiver<Action>,
    driver: &SyncSender<Event>,
    snapshots: &Snapshots,
    metrics: &Metrics,
) {
    while let Ok(job) = jobs.recv() {
        worker.prune_bodies_below(snapshots.prune_below());
        let before_ms = worker.ledger().tip().header.time_ms;
        let begun = metrics.begin(&job);
        let performed = worker.perform(job, clock::now_ms());
        metrics.done(begun, performed.as_ref().ok().and_then(Option::as_ref));
        match performed {
            Ok(Some(input)) => {
                if let Input::Committed { tip, .. } = &input {
                    // Here, where no later block can be committed yet: all nodes take the same view.
                    snapshots.committed(before_ms, tip.header.time_ms);
                }
                if driver.send(Event::Input(input)).is_err() {
                    return;
                }
            }
            Ok(None) => {}
            Err(error) => die(&error),
        }
    }
}

fn run_reader(shared: &Shared, jobs: &Receiver<Action>, driver: &SyncSender<Event>) {
    while let Ok(job) = jobs.recv() {
        let result = match job {
            Action::Admit { ticket, transaction } => shared
                .with_judge(|judge| crate::worker::admit(judge, &transaction))
                .map(|result| Input::Admitted { ticket, result }),
            Action::ReadBlocks { ticket, from, max_bytes, max_count } => {
                crate::worker::answer_sync(shared.store.as_ref(), ticket, from, max_bytes, max_count)
            }
            Action::ReadSnapshot { ticket, request } => {
                let answer = snapshots::answer(shared.snapshots.folder(), &request);
                let Some(answer) = answer else { continue };
                Ok(Input::SnapshotRead { ticket, answer })
            }
            _ => continue,
        };
        match result {
            Ok(input) => {
                if driver.send(Event::Input(input)).is_err() {
                    return;
                }
            }
            Err(error) => die(&error),
        }
    }
}

fn run_network(runtime: &tokio::runtime::Handle, mut events: NetworkEvents, driver: &SyncSender<Event>) {
    while let Some(event) = runtime.block_on(events.recv()) {
        let input = match event {
            NetworkEvent::Connected(peer) => Input::PeerConnected(Peer(peer.to_string())),
            NetworkEvent::Disconnected(peer) => Input::PeerDisconnected(Peer(peer.to_string())),
            NetworkEvent::Frame(peer, bytes) => {
                let from = Peer(peer.to_string());
                match Message::from_bytes(&bytes) {
                    Ok(message) => Input::Message { from, message },
                    Err(_) => Input::Undecodable { from },
                }
            }
        };
        if driver.send(Event::Input(input)).is_err() {
            return;
        }
    }
}

/// The disk failed: what is durable is unknown, so nothing may be said any
/// more. The next start finds out.
fn die(error: &dyn std::error::Error) -> ! {
    tracing::error!(%error, "storage failed; the process ends");
    std::process::exit(1)
}

pub(crate) type Jobs = Sender<Action>;
