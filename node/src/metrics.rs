//! What Prometheus may read of a node. Names follow its conventions: a unit at
//! the end, `_total` on what only counts up. Labels name authorities, methods,
//! steps and reasons; never a case, a transaction or a client.
//!
//! Events are counted here as they happen; what is a state rather than an event
//! is read when somebody asks (`scrape`).

pub mod scrape;
pub mod server;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::consensus::{Action, Diagnostic, Input};
use scrape::Gauges;

/// Methods told apart; a caller that invents names gets no further label.
const METHODS_MAX: usize = 64;
/// The label of what is not told apart.
const OTHER: &str = "other";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabel {
    step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabel {
    method: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabel {
    method: String,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PeerLabel {
    peer: String,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// From 0.1 ms to about 13 s.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 18))
}

/// Counters and histograms of one node, and the registry of all it shows.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    gauges: Gauges,
    steps: Histograms<StepLabel>,
    blocks: Counter,
    transactions: Counter,
    items: Counter,
    rounds: Counter,
    invalid_blocks: Counter,
    core_failures: Counter,
    evidence: Counter,
    peer_faults: Family<PeerLabel, Counter>,
    calls: Family<CallLabel, Counter>,
    call_seconds: Histograms<MethodLabel>,
    refusals: Family<ReasonLabel, Counter>,
    methods: AtomicUsize,
}

/// A job of the ledger's thread that has begun.
#[derive(Debug)]
pub struct Begun {
    step: &'static str,
    at: Instant,
    transactions: u64,
    items: u64,
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let gauges = Gauges::register(&mut registry);
        let mut metrics = Self {
            registry: Registry::default(),
            gauges,
            steps: Family::new_with_constructor(histogram),
            blocks: Counter::default(),
            transactions: Counter::default(),
            items: Counter::default(),
            rounds: Counter::default(),
            invalid_blocks: Counter::default(),
            core_failures: Counter::default(),
            evidence: Counter::default(),
            peer_faults: Family::default(),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(histogram),
            refusals: Family::default(),
            methods: AtomicUsize::new(0),
        };
        metrics.register(&mut registry);
        metrics.registry = registry;
        metrics
    }
}

impl Metrics {
    fn register(&self, registry: &mut Registry) {
        let own = registry.sub_registry_with_prefix("laufzettel");
        let seconds = || Unit::Seconds;
        own.register_with_unit(
            "ledger_step",
            "Time of the ledger's steps: build a block, validate one, make votes durable (persist), commit a block",
            seconds(),
            self.steps.clone(),
        );
        own.register("ledger_blocks", "Blocks committed since the start", self.blocks.clone());
        own.register("ledger_transactions", "Transactions committed since the start", self.transactions.clone());
        own.register("ledger_items", "Items of committed transactions since the start", self.items.clone());
        own.register("consensus_rounds", "Rounds of consensus begun", self.rounds.clone());
        own.register(
            "consensus_invalid_blocks",
            "Blocks of peers that were found invalid",
            self.invalid_blocks.clone(),
        );
        own.register(
            "consensus_core_failures",
            "Heights that are followed without signing after a failure",
            self.core_failures.clone(),
        );
        own.register(
            "consensus_evidence",
            "Pairs of contradicting messages of one validator that were seen",
            self.evidence.clone(),
        );
        own.register("peer_faults", "Messages of a peer that break a rule or do not decode", self.peer_faults.clone());
        own.register("api_calls", "Calls answered, by method and gRPC code; feeds as they begin", self.calls.clone());
        own.register_with_unit(
            "api_call",
            "Time until the first byte of an answer",
            seconds(),
            self.call_seconds.clone(),
        );
        own.register("api_refusals", "Calls refused, by reason (docs/ERRORS.md)", self.refusals.clone());
    }

    /// A job of the ledger's thread begins; none if it is not one that is timed.
    #[must_use]
    pub fn begin(&self, job: &Action) -> Option<Begun> {
        let at = Instant::now();
        let begun = |step| Begun { step, at, transactions: 0, items: 0 };
        match job {
            Action::Build { .. } => Some(begun("build")),
            Action::Validate { .. } => Some(begun("validate")),
            Action::Persist { .. } => Some(begun("persist")),
            Action::Commit { block, .. } => Some(Begun {
                transactions: count(block.body.transactions.len()),
                items: count(block.body.transactions.iter().map(|signed| signed.items.len()).sum()),
                ..begun("commit")
            }),
            _ => None,
        }
    }
    /// It is done.
    pub fn done(&self, begun: Option<Begun>, outcome: Option<&Input>) {
        let Some(begun) = begun else { return };
        self.steps.get_or_create(&StepLabel { step: begun.step }).observe(begun.at.elapsed().as_secs_f64());
        if let Some(Input::Committed { .. }) = outcome {
            self.blocks.inc();
            self.transactions.inc_by(begun.transactions);
            self.items.inc_by(begun.items);
        }
    }
    /// The driver has something to say.
    pub fn diagnostic(&self, diagnostic: &Diagnostic) {
        match diagnostic {
            Diagnostic::RoundStarted { .. } => {
                self.rounds.inc();
            }
            Diagnostic::InvalidBlock { .. } => {
                self.invalid_blocks.inc();
            }
            Diagnostic::CoreFailed { .. } => {
                self.core_failures.inc();
            }
            // Peers are on a list, so their names are few.
            Diagnostic::PeerFault { peer, .. } => {
                self.peer_faults.get_or_create(&PeerLabel { peer: peer.0.clone() }).inc();
            }
            _ => {}
        }
    }
    /// A validator contradicted itself.
    pub fn evidence(&self) {
        self.evidence.inc();
    }
    /// A call was answered. `path` is the request's, `/package.Service/Method`.
    pub fn call(&self, path: &str, code: &'static str, took: Duration) {
        let method = path.trim_start_matches('/').trim_start_matches("laufzettel.v1.").to_owned();
        let label = MethodLabel { method };
        let label = if code != "UNIMPLEMENTED" && self.tells_apart(&label) {
            label
        } else {
            MethodLabel { method: OTHER.to_owned() }
        };
        self.call_seconds.get_or_create(&label).observe(took.as_secs_f64());
        self.calls.get_or_create(&CallLabel { method: label.method, code }).inc();
    }
    fn tells_apart(&self, label: &MethodLabel) -> bool {
        self.call_seconds.get(label).is_some() || self.methods.fetch_add(1, Ordering::Relaxed) < METHODS_MAX
    }
    /// A call was refused.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&ReasonLabel { reason }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metrics: &Metrics) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry).unwrap();
        text
    }

    #[test]
    fn calls_are_counted_by_method_and_code() {
        let metrics = Metrics::default();
        metrics.call("/laufzettel.v1.CaseService/GetCase", "OK", Duration::from_millis(2));
        metrics.call("/laufzettel.v1.CaseService/Nonsense", "UNIMPLEMENTED", Duration::from_millis(1));
        metrics.refused("MEMPOOL_FULL");
        let text = text(&metrics);
        for line in [
            "laufzettel_api_calls_total{method=\"CaseService/GetCase\",code=\"OK\"} 1",
            "laufzettel_api_calls_total{method=\"other\",code=\"UNIMPLEMENTED\"} 1",
            "laufzettel_api_call_seconds_count{method=\"CaseService/GetCase\"} 1",
            "laufzettel_api_refusals_total{reason=\"MEMPOOL_FULL\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }

    #[test]
    fn invented_methods_make_no_labels_without_end() {
        let metrics = Metrics::default();
        for number in 0..1_000 {
            metrics.call(&format!("/a.B/{number}"), "UNAUTHENTICATED", Duration::ZERO);
        }
        let methods = text(&metrics).lines().filter(|line| line.starts_with("laufzettel_api_calls_total")).count();
        assert_eq!(methods, METHODS_MAX + 1);
    }
}
