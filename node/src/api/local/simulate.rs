//! The operator's question what a draft would change: every case of one snapshot of the store folded twice, in the
//! background. Must never write, must never hold more than one case, and never keep a core from the node for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laufzettel_chain::ids::CaseId;
use laufzettel_chain::index::{self, Find};
use laufzettel_chain::ledger::Tip;
use laufzettel_chain::query::{Draft, Folded};
use laufzettel_chain::storage::Read;
use laufzettel_contracts::effect::{Counts, EffectKind, OfAuthority, Tally};
use laufzettel_contracts::{Calendars, Definition, Finding};
use laufzettel_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::api::backend::Backend;
use crate::api::reasons::Reason;
use crate::api::status::Failure;

/// Cases folded without a pause.
const BATCH: usize = 128;
/// A pause is this much of the time that the batch before it took, so that a busy node keeps its core.
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

/// What is tried, checked.
struct Asked {
    definition: Option<Definition>,
    calendars: Option<Calendars>,
    /// Only cases of this version of the definition.
    version: Option<u32>,
    as_of_ms: u64,
}

fn refused(field: &str, findings: &[Finding]) -> Failure {
    let first = findings.first().map(ToString::to_string).unwrap_or_default();
    Failure::field(
        field,
        format!("has {} findings, first {first}; `laufzettel process check` tells all", findings.len()),
    )
}

impl Asked {
    fn of(backend: &Backend, request: &v1::SimulateProcessRequest) -> Result<Self, Failure> {
        let registry = backend.subscribe().borrow().registry.clone();
        if request.definition.is_empty() && request.calendars.is_empty() {
            return Err(Failure::field("definition", "give a definition or calendars, or both"));
        }
        let definition = match request.definition.as_str() {
            "" => None,
            text => Some(Definition::check(text).map_err(|all| refused("definition", &all))?.definition),
        };
        let calendars = match request.calendars.as_str() {
            "" => None,
            text => Some(Calendars::check(text).map_err(|all| refused("calendars", &all))?.calendars),
        };
        if let Some(draft) = &definition
            && !registry.definitions.keys().any(|(id, _)| id == draft.id())
        {
            let message =
                format!("the network has no definition {}; a draft is tried with the cases of its id", draft.id());
            return Err(Failure::with(Reason::DefinitionNotFound, message));
        }
        let counts = definition.as_ref().is_some_and(|draft| draft.language() >= 2);
        if counts && calendars.is_none() && registry.calendars.is_none() {
            return Err(Failure::field("calendars", "the network has none; the draft counts periods by some"));
        }
        let version = (request.version > 0).then_some(request.version);
        Ok(Self { definition, calendars, version, as_of_ms: request.as_of_ms })
    }
}

impl Simulations {
    /// Starts a simulation of the newest block.
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
                let mut run = Run::new(&backend, read, tip, asked);
                run.all(&sender)
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

/// One simulation.
struct Run<'r> {
    backend: &'r Backend,
    read: &'r dyn Read,
    tip: &'r Tip,
    draft: Draft,
    /// Only cases of this version of the definition.
    version: Option<u32>,
    as_of_ms: u64,
    tally: Tally,
    now: v1::SimulatedCost,
    drafted: v1::SimulatedCost,
    examples: Vec<Vec<u8>>,
    looked_at: u64,
}

impl<'r> Run<'r> {
    fn new(backend: &'r Backend, read: &'r dyn Read, tip: &'r Tip, asked: Asked) -> Self {
        let as_of_ms = if asked.as_of_ms == 0 { tip.header.time_ms } else { asked.as_of_ms };
        Self {
            backend,
            read,
            tip,
            // What was over by the newest block no new calendars change.
            draft: Draft::new(&tip.registry, asked.definition, asked.calendars, as_of_ms.min(tip.header.time_ms)),
            version: asked.version,
            as_of_ms,
            tally: Tally::default(),
            now: v1::SimulatedCost::default(),
            drafted: v1::SimulatedCost::default(),
            examples: Vec::new(),
            looked_at: 0,
        }
    }

    /// All cases; none if nobody listens any more.
    fn all(&mut self, sender: &Sender) -> Result<Option<v1::Simulation>, Failure> {
        let position = self.backend.position(self.tip);
        let (mut after, mut told) = (None, Instant::now());
        loop {
            let began = Instant::now();
            let ids = index::cases(self.read, Find::All, after.as_ref(), BATCH)?;
            for id in &ids {
                self.case(id)?;
            }
            let Some(last) = ids.last().filter(|_| ids.len() == BATCH) else { break };
            after = Some(*last);
            if sender.is_closed() {
                return Ok(None);
            }
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                let percent = u32::from(last.0.first().copied().unwrap_or_default()).saturating_mul(100) / 256;
                let progress = v1::SimulationProgress { looked_at: self.looked_at, cases: self.tally.cases, percent };
                let message = v1::SimulateProcessResponse { message: Some(Message::Progress(progress)) };
                if sender.blocking_send(Ok(message)).is_err() {
                    return Ok(None);
                }
            }
            std::thread::sleep(began.elapsed().checked_div(PAUSE_SHARE).unwrap_or_default().min(PAUSE_MAX));
        }
        Ok(Some(self.result(position)))
    }

    fn case(&mut self, id: &CaseId) -> Result<(), Failure> {
        self.looked_at = self.looked_at.saturating_add(1);
        let next = self.tip.header.height.saturating_add(1);
        let tried = self.draft.load(self.read, &self.tip.registry, id, (next, self.version))?;
        let (Some(tried), as_of_ms) = (tried, self.as_of_ms) else { return Ok(()) };
        let now = timed(&mut self.now, || tried.now(as_of_ms));
        let draft = timed(&mut self.drafted, || tried.draft(as_of_ms));
        let difference = tried.compare(&now, &draft);
        if !difference.is_empty() && self.examples.len() < EXAMPLES_MAX {
            self.examples.push(id.0.to_vec());
        }
        self.tally.take(&difference);
        Ok(())
    }

    fn result(&mut self, position: v1::Position) -> v1::Simulation {
        let tally = &self.tally;
        let nobody = (!tally.nobody.is_empty())
            .then(|| v1::SimulatedAuthority { effects: of_kinds(&tally.nobody), ..v1::SimulatedAuthority::default() });
        let authorities = tally.authorities.iter().map(|(authority, of)| authority_of(authority.as_str(), of));
        let statuses = tally.unknown_statuses.iter().map(|(status, numbers)| unknown(status.as_str(), "", *numbers));
        let outcomes = tally.unknown_outcomes.iter();
        let outcomes =
            outcomes.map(|((status, outcome), numbers)| unknown(status.as_str(), outcome.as_str(), *numbers));
        let departure = |(name, (more, less)): (&String, &(u64, u64))| v1::SimulatedDeparture {
            name: name.clone(),
            more: *more,
            less: *less,
        };
        let effects = tally.effects.iter().map(|((kind, code), counts)| effects_of(*kind, code.as_str(), counts));
        v1::Simulation {
            position: Some(position),
            as_of_ms: self.as_of_ms,
            cases: tally.cases,
            changed: tally.changed,
            newly_deviating: tally.newly_deviating,
            healed: tally.healed,
            authorities: nobody.into_iter().chain(authorities).collect(),
            effects: effects.collect(),
            departures: tally.departures.iter().map(departure).collect(),
            unknown: statuses.chain(outcomes).collect(),
            cost_now: Some(self.now),
            cost_draft: Some(self.drafted),
            examples: std::mem::take(&mut self.examples),
        }
    }
}

fn timed(cost: &mut v1::SimulatedCost, fold: impl FnOnce() -> Folded) -> Folded {
    let began = Instant::now();
    let folded = fold();
    let time_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    cost.work = cost.work.saturating_add(folded.work);
    cost.time_us = cost.time_us.saturating_add(time_us);
    cost.case_time_us = cost.case_time_us.max(time_us);
    folded
}

fn counts(counts: &Counts) -> v1::SimulatedCounts {
    v1::SimulatedCounts {
        added: counts.added,
        gone: counts.gone,
        moved: counts.moved,
        waits_more: counts.waits_more,
        waits_less: counts.waits_less,
        elapsed_more: counts.elapsed_more,
        elapsed_less: counts.elapsed_less,
    }
}

fn effects_of(kind: EffectKind, code: &str, of: &Counts) -> v1::SimulatedEffects {
    let kind = crate::api::effects::views::kind(kind);
    v1::SimulatedEffects { kind: kind.into(), code: code.to_owned(), counts: Some(counts(of)) }
}

fn of_kinds(kinds: &std::collections::BTreeMap<EffectKind, Counts>) -> Vec<v1::SimulatedEffects> {
    kinds.iter().map(|(kind, of)| effects_of(*kind, "", of)).collect()
}

fn authority_of(authority: &str, of: &OfAuthority) -> v1::SimulatedAuthority {
    let (departures_more, departures_less) = of.departures;
    let effects = of_kinds(&of.effects);
    v1::SimulatedAuthority { authority: authority.to_owned(), effects, departures_more, departures_less }
}

fn unknown(status: &str, outcome: &str, (reports, cases): (u64, u64)) -> v1::SimulatedUnknown {
    v1::SimulatedUnknown { status: status.to_owned(), outcome: outcome.to_owned(), reports, cases }
}
