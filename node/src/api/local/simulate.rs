//! The operator's question what a draft would change: every case of one snapshot of the store, as it stood at a height,
//! folded as it is and with the draft, in the background. Must never write, must never hold more than one case, and never
//! keep a core from the node for long.

mod asked;
mod shown;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laufzettel_chain::ids::CaseId;
use laufzettel_chain::index::{self, Find};
use laufzettel_chain::ledger::Tip;
use laufzettel_chain::query::{Later, Tried};
use laufzettel_chain::storage::Read;
use laufzettel_contracts::Code;
use laufzettel_contracts::effect::{Difference, Tally};
use laufzettel_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::api::backend::Backend;
use crate::api::reasons::Reason;
use crate::api::status::Failure;
use asked::{Asked, Settled};

/// Ids read at once.
const BATCH: usize = 128;
/// It works so long without a pause; one case is never interrupted.
const WORK: Duration = Duration::from_millis(50);
/// A pause is this share of the time worked before it, one half, so that a busy node keeps its core.
const PAUSE_SHARE: u32 = 2;
const PAUSE_MAX: Duration = Duration::from_millis(200);
/// Progress is told at most so often.
const PROGRESS: Duration = Duration::from_millis(200);
/// Cases named in which something changes.
const EXAMPLES_MAX: usize = 20;

type Sender = mpsc::Sender<Result<v1::SimulateProcessResponse, Status>>;
type Message = v1::simulate_process_response::Message;

/// Whether one is under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Simulations(Arc<AtomicBool>);

/// Ends with its value.
struct UnderWay(Arc<AtomicBool>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Simulations {
    /// Starts a simulation.
    pub(super) fn start(
        &self,
        backend: &Arc<Backend>,
        request: &v1::SimulateProcessRequest,
    ) -> Result<ReceiverStream<Result<v1::SimulateProcessResponse, Status>>, Failure> {
        let asked = Asked::of(backend, request)?;
        if self.0.swap(true, Ordering::AcqRel) {
            return Err(Failure::new(Reason::SimulationUnderWay));
        }
        let under_way = UnderWay(self.0.clone());
        let (sender, receiver) = mpsc::channel(4);
        let backend = backend.clone();
        tokio::task::spawn_blocking(move || {
            let _under_way = under_way;
            let done = backend.read(|read, tip| {
                let version = asked.version;
                let settled = asked.settle(read, tip)?;
                let staleness_ms = backend.position(tip).staleness_ms;
                let mut result = Run::new(read, tip, settled, version).all(&sender)?;
                if let Some(position) = result.as_mut().and_then(|result| result.position.as_mut()) {
                    position.staleness_ms = position.staleness_ms.saturating_add(staleness_ms);
                }
                Ok(result)
            });
            let message = match done {
                // The client has gone.
                Ok((None, _)) => return,
                Ok((Some(result), _)) => Ok(v1::SimulateProcessResponse { message: Some(Message::Result(result)) }),
                Err(failure) => Err(failure.into()),
            };
            let _ = sender.blocking_send(message);
        });
        Ok(ReceiverStream::new(receiver))
    }
}

/// Differences added up, with the first cases that change.
#[derive(Default)]
struct Sum {
    tally: Tally,
    examples: Vec<Vec<u8>>,
    cost: v1::SimulatedCost,
}

impl Sum {
    fn take(&mut self, id: &CaseId, difference: &Difference) {
        if !difference.is_empty() && self.examples.len() < EXAMPLES_MAX {
            self.examples.push(id.0.to_vec());
        }
        self.tally.take(difference);
    }
}

/// One simulation.
struct Run<'r> {
    read: &'r dyn Read,
    tip: &'r Tip,
    settled: Settled,
    /// Only cases of this version of the definition.
    version: Option<u32>,
    now: v1::SimulatedCost,
    /// As if always.
    always: Sum,
    /// From a point on.
    later: Sum,
    opened: u64,
    moved: u64,
    unmapped: BTreeMap<Code, (u64, u64)>,
    incomplete: u64,
    looked_at: u64,
    /// Since when it has worked without a pause.
    began: Instant,
}

impl<'r> Run<'r> {
    fn new(read: &'r dyn Read, tip: &'r Tip, settled: Settled, version: Option<u32>) -> Self {
        Self {
            read,
            tip,
            settled,
            version,
            now: v1::SimulatedCost::default(),
            always: Sum::default(),
            later: Sum::default(),
            opened: 0,
            moved: 0,
            unmapped: BTreeMap::new(),
            incomplete: 0,
            looked_at: 0,
            began: Instant::now(),
        }
    }

    /// All cases; none if nobody listens any more.
    fn all(&mut self, sender: &Sender) -> Result<Option<v1::Simulation>, Failure> {
        let (mut after, mut told) = (None, Instant::now());
        loop {
            let ids = index::cases(self.read, Find::All, after.as_ref(), BATCH)?;
            for id in &ids {
                self.case(id)?;
                if sender.is_closed() {
                    return Ok(None);
                }
                if told.elapsed() >= PROGRESS {
                    told = Instant::now();
                    if sender.blocking_send(Ok(self.progress(id))).is_err() {
                        return Ok(None);
                    }
                }
                self.pause();
            }
            let Some(last) = ids.last().filter(|_| ids.len() == BATCH) else { break };
            after = Some(*last);
        }
        Ok(Some(self.result()))
    }

    /// Leaves the core to the node for a while, after it has had it for one.
    fn pause(&mut self) {
        let worked = self.began.elapsed();
        if worked >= WORK {
            std::thread::sleep(worked.checked_div(PAUSE_SHARE).unwrap_or_default().min(PAUSE_MAX));
            self.began = Instant::now();
        }
    }

    fn progress(&self, last: &CaseId) -> v1::SimulateProcessResponse {
        let percent = u32::from(last.0.first().copied().unwrap_or_default()).saturating_mul(100) / 256;
        let (looked_at, cases) = (self.looked_at, self.always.tally.cases);
        let progress = v1::SimulationProgress { looked_at, cases, percent };
        v1::SimulateProcessResponse { message: Some(Message::Progress(progress)) }
    }

    fn case(&mut self, id: &CaseId) -> Result<(), Failure> {
        self.looked_at = self.looked_at.saturating_add(1);
        let (height, as_of_ms) = (self.settled.header.height, self.settled.as_of_ms);
        let tried = self.settled.draft.load(self.read, &self.tip.registry, id, (height, self.version))?;
        let Some(tried) = tried else { return Ok(()) };
        self.incomplete = self.incomplete.saturating_add(u64::from(tried.erased > 0));
        let (now, now_us) = timed(|| tried.now(as_of_ms));
        add(&mut self.now, now.work, now_us);
        let (draft, draft_us) = timed(|| tried.draft(as_of_ms));
        add(&mut self.always.cost, draft.work, draft_us);
        let always = tried.compare(&now, &draft);
        let (later, later_us) = timed(|| tried.later(as_of_ms));
        if let Some(later) = later {
            match later {
                Later::AsNow => {
                    add(&mut self.later.cost, now.work, now_us);
                    self.later.take(id, &Difference::default());
                }
                Later::Opened => {
                    self.opened = self.opened.saturating_add(1);
                    add(&mut self.later.cost, draft.work, draft_us);
                    self.later.take(id, &always);
                }
                Later::Otherwise(folded) => {
                    let moved = folded.definition().version() != now.definition().version();
                    self.moved = self.moved.saturating_add(u64::from(moved));
                    add(&mut self.later.cost, folded.work, later_us);
                    self.later.take(id, &tried.compare(&now, &folded));
                    self.lose(&tried);
                }
            }
        }
        self.always.take(id, &always);
        Ok(())
    }

    /// Counts what a case that moves cannot take along.
    fn lose(&mut self, tried: &Tried) {
        for (status, count) in &tried.unmapped {
            let (reports, cases) = self.unmapped.entry(status.clone()).or_default();
            *reports = reports.saturating_add(u64::from(*count));
            *cases = cases.saturating_add(1);
        }
    }

    fn result(&mut self) -> v1::Simulation {
        let Settled { header, as_of_ms, force, draft } = &self.settled;
        let aged = self.tip.header.time_ms.saturating_sub(header.time_ms);
        let v1::SimulatedDifference {
            changed,
            newly_deviating,
            healed,
            authorities,
            effects,
            departures,
            unknown,
            examples,
        } = shown::difference(&self.always.tally, &self.always.examples);
        let force = force.map(|force| v1::SimulatedForce {
            from_height: force.height,
            from_ms: force.ms,
            opened: self.opened,
            moved: self.moved,
            difference: Some(shown::difference(&self.later.tally, &self.later.examples)),
            cost: Some(self.later.cost),
            base_version: draft.base_version(),
            unmapped: shown::unmapped(draft.faults(), &self.unmapped),
        });
        v1::Simulation {
            position: Some(v1::Position { height: header.height, block_time_ms: header.time_ms, staleness_ms: aged }),
            as_of_ms: *as_of_ms,
            cases: self.always.tally.cases,
            changed,
            newly_deviating,
            healed,
            authorities,
            effects,
            departures,
            unknown,
            cost_now: Some(self.now),
            cost_draft: Some(self.always.cost),
            examples,
            block_id: header.id().0.to_vec(),
            incomplete: self.incomplete,
            force,
        }
    }
}

fn timed<T>(fold: impl FnOnce() -> T) -> (T, u64) {
    let began = Instant::now();
    let folded = fold();
    (folded, u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX))
}

fn add(cost: &mut v1::SimulatedCost, work: u64, time_us: u64) {
    cost.work = cost.work.saturating_add(work);
    cost.time_us = cost.time_us.saturating_add(time_us);
    cost.case_time_us = cost.case_time_us.max(time_us);
}

#[cfg(test)]
mod tests;
