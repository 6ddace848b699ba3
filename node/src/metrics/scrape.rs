//! What is read when somebody asks: height, peers, mempool, disk, process. The
//! sources are those that status and doctor show.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::watch;

use super::{Metrics, PeerLabel};
use crate::api::backend::{NodeState, PeerState, Sync};
use crate::consensus::Tip;
use crate::consensus::watermark::SigningState;
use crate::disk::Usage;
use crate::network::NetworkHandle;

type Real = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

const SYNC_STATES: [(&str, Sync); 4] = [
    ("in_sync", Sync::InSync),
    ("catching_up", Sync::CatchingUp),
    ("no_quorum", Sync::NoQuorum),
    ("stopped", Sync::Stopped),
];

/// States, set anew for each reader.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    height: Gauge,
    block_timestamp: Real,
    round: Gauge,
    state: Family<StateLabel, Gauge>,
    signing: Family<StateLabel, Gauge>,
    failures_left: Gauge,
    missing: Gauge,
    flight: Real,
    mempool_transactions: Gauge,
    mempool_bytes: Gauge,
    urgent_late: Gauge,
    urgent_waiting: Real,
    peers_connected: Gauge,
    peer_connected: Family<PeerLabel, Gauge>,
    peer_height: Family<PeerLabel, Gauge>,
    peer_beat_age: Family<PeerLabel, Real>,
    peer_clock_offset: Family<PeerLabel, Real>,
    peer_round_trip: Family<PeerLabel, Real>,
    data_bytes: Gauge,
    disk_free_bytes: Gauge,
    disk_growth: Real,
    process_start: Real,
    process_memory: Gauge,
    process_descriptors: Gauge,
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers; 2^53 ms are 285,000 years")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        gauges.register_process(registry);
        let own = registry.sub_registry_with_prefix("laufzettel");
        own.register("build", "The program", Info::new(Build { version: env!("CARGO_PKG_VERSION") }));
        gauges.register_ledger(own);
        gauges.register_peers(own);
        let bytes = || Unit::Bytes;
        own.register("mempool_transactions", "Transactions that wait", gauges.mempool_transactions.clone());
        own.register_with_unit("mempool", "Bytes of transactions that wait", bytes(), gauges.mempool_bytes.clone());
        let help = "Urgent reports of this node's clients that are not final after 10 s, or were lost: alarm above 0";
        own.register("urgent_late", help, gauges.urgent_late.clone());
        let help = "For how long the oldest of them has waited";
        own.register_with_unit("urgent_waiting", help, Unit::Seconds, gauges.urgent_waiting.clone());
        own.register_with_unit("data", "Bytes of the data folder", bytes(), gauges.data_bytes.clone());
        let help = "Bytes free on the file system of the data folder";
        own.register_with_unit("disk_free", help, bytes(), gauges.disk_free_bytes.clone());
        let help = "Bytes by which the data folder grows in a second, over at most a week; 0 = not known";
        own.register("disk_growth_bytes_per_second", help, gauges.disk_growth.clone());
        gauges
    }

    fn register_ledger(&self, own: &mut Registry) {
        own.register("ledger_height", "Height of the newest block", self.height.clone());
        let help = "Block time of the newest block, Unix time; an idle network makes a block a minute";
        own.register_with_unit("ledger_block_timestamp", help, Unit::Seconds, self.block_timestamp.clone());
        own.register("consensus_round", "Round at the next height", self.round.clone());
        own.register("node_state", "1 for how the node is, 0 for how it is not", self.state.clone());
        let help = "1 for what the node may sign; silent means that an operator is needed";
        own.register("signing_state", help, self.signing.clone());
        let help = "How many more validators may fail before writing stops";
        own.register("consensus_failures_left", help, self.failures_left.clone());
        own.register("consensus_validators_missing", "Validators without a connection", self.missing.clone());
        let help = "For how long the ledger's thread has been making something durable";
        own.register_with_unit("consensus_flight", help, Unit::Seconds, self.flight.clone());
    }

    fn register_peers(&self, own: &mut Registry) {
        let seconds = || Unit::Seconds;
        own.register("peers_connected", "Peers that are connected", self.peers_connected.clone());
        own.register("peer_connected", "1 if the peer is connected", self.peer_connected.clone());
        own.register("peer_height", "Height of the peer as far as known", self.peer_height.clone());
        own.register_with_unit("peer_beat_age", "Age of its last beat", seconds(), self.peer_beat_age.clone());
        let help = "By how much its clock is ahead of this node's, give or take half a round trip";
        own.register_with_unit("peer_clock_offset", help, seconds(), self.peer_clock_offset.clone());
        own.register_with_unit("peer_round_trip", "Last round trip", seconds(), self.peer_round_trip.clone());
    }

    /// The names that every Prometheus client library uses.
    fn register_process(&self, registry: &mut Registry) {
        let help = "When the process was started, Unix time";
        registry.register_with_unit("process_start_time", help, Unit::Seconds, self.process_start.clone());
        let help = "Memory in use";
        registry.register_with_unit("process_resident_memory", help, Unit::Bytes, self.process_memory.clone());
        registry.register("process_open_fds", "Open file descriptors", self.process_descriptors.clone());
    }

    fn set_node(&self, state: &NodeState, tip: &Tip) {
        self.height.set(whole(tip.header.height));
        self.block_timestamp.set(seconds(tip.header.time_ms));
        self.round.set(i64::from(state.round));
        for (name, sync) in SYNC_STATES {
            self.state.get_or_create(&StateLabel { state: name }).set(i64::from(state.sync == sync));
        }
        let signing = state.signing.map(|signing| match signing {
            SigningState::Observer => "observer",
            SigningState::New => "new",
            SigningState::Ready => "ready",
            SigningState::Above(height) if height > tip.header.height => "above",
            SigningState::Above(_) => "ready",
            SigningState::Silent(_) => "silent",
        });
        for name in ["observer", "new", "ready", "above", "silent"] {
            self.signing.get_or_create(&StateLabel { state: name }).set(i64::from(signing == Some(name)));
        }
        self.failures_left.set(i64::from(state.quorum_margin));
        self.flight.set(seconds(state.flight_ms));
        self.mempool_transactions.set(whole(state.mempool_transactions));
        self.mempool_bytes.set(whole(state.mempool_bytes));
        self.urgent_late.set(i64::try_from(state.alarms.len()).unwrap_or(i64::MAX));
        self.urgent_waiting.set(seconds(state.alarms.first().map_or(0, |alarm| alarm.age_ms)));
        let missing = state.peers.iter().filter(|peer| peer.validator && !peer.connected).count();
        self.missing.set(i64::try_from(missing).unwrap_or(i64::MAX));
        let connected = state.peers.iter().filter(|peer| peer.connected).count();
        self.peers_connected.set(i64::try_from(connected).unwrap_or(i64::MAX));
    }

    fn set_peer(&self, peer: &PeerState, round_trip: Option<std::time::Duration>) {
        let label = PeerLabel { peer: peer.authority.clone() };
        self.peer_connected.get_or_create(&label).set(i64::from(peer.connected));
        self.peer_height.get_or_create(&label).set(whole(peer.height));
        // What is not known is not there, rather than wrong.
        match peer.beat_age_ms {
            Some(age_ms) => {
                self.peer_beat_age.get_or_create(&label).set(seconds(age_ms));
            }
            None => {
                self.peer_beat_age.remove(&label);
            }
        }
        let clock = peer.clock_ahead_ms.zip(round_trip);
        let clock = clock.map(|(ahead_ms, trip)| crate::api::local::clock_offset(ahead_ms, trip).offset_ms);
        match clock {
            Some(offset_ms) => {
                let offset = seconds(offset_ms.unsigned_abs());
                let offset = if offset_ms < 0 { -offset } else { offset };
                self.peer_clock_offset.get_or_create(&label).set(offset);
            }
            None => {
                self.peer_clock_offset.remove(&label);
            }
        }
        match round_trip {
            Some(trip) => {
                self.peer_round_trip.get_or_create(&label).set(trip.as_secs_f64());
            }
            None => {
                self.peer_round_trip.remove(&label);
            }
        }
    }

    fn set_disk(&self, usage: &Usage) {
        let (used, space, growth) = usage.now();
        self.data_bytes.set(whole(used));
        self.disk_free_bytes.set(whole(space.free_bytes));
        let per_second = growth.map_or(0, |growth| growth.bytes_per_day) / 86_400;
        self.disk_growth.set(seconds(per_second.saturating_mul(1_000)));
    }

    fn set_process(&self, started_ms: u64) {
        self.process_start.set(seconds(started_ms));
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let resident = resident.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
        self.process_memory.set(whole(resident.saturating_mul(1_024)));
        let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.process_descriptors.set(i64::try_from(descriptors).unwrap_or(i64::MAX));
    }
}

/// Where a reader's answer comes from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// What was counted.
    pub metrics: Arc<Metrics>,
    /// How the node is.
    pub state: watch::Receiver<NodeState>,
    /// The newest block.
    pub tip: watch::Receiver<Arc<Tip>>,
    /// Links to peers.
    pub network: NetworkHandle,
    /// The data folder.
    pub usage: Arc<Usage>,
    /// When the process was started, milliseconds UTC.
    pub started_ms: u64,
}

impl Sources {
    /// All metrics as they are now, in the OpenMetrics text format.
    #[must_use]
    pub fn text(&self) -> String {
        let gauges = &self.metrics.gauges;
        let state = self.state.borrow().clone();
        let tip = self.tip.borrow().clone();
        gauges.set_node(&state, &tip);
        let links = self.network.links();
        for peer in &state.peers {
            gauges.set_peer(peer, links.get(peer.authority.as_str()).and_then(|link| link.round_trip));
        }
        gauges.set_disk(&self.usage);
        gauges.set_process(self.started_ms);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.metrics.registry);
        text
    }
}
