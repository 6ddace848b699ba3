//! CheckClearance: whether a lock stands against an act, asked right before it. The ledger answers in a receipt of a block
//! after the request; this node says "no lock is known" only where the beats of all that may raise one let it (`weigh`).
//! Must never say so because nothing was heard.

mod sources;
mod weigh;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use laufzettel_chain::codec::encode;
use laufzettel_chain::ids::{BlockId, CaseId, Height};
use laufzettel_chain::ledger::Tip;
use laufzettel_chain::proof::process::ProcessProof;
use laufzettel_chain::query;
use laufzettel_chain::receipt::{ANSWER_LOCKED, Receipt, ReceiptProof};
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::storage::Read;
use laufzettel_contracts::{Code, Definition};
use laufzettel_proto::v1;
use tokio::time::{Instant, timeout_at};

use super::author::{self, Order};
use super::backend::{Backend, NodeState, Outcome, Progress};
use super::callers::Caller;
use super::convert;
use super::effects::{self, Reader};
use super::reasons::Reason;
use super::status::Failure;
use super::subject::Subject;
use super::submission::Submissions;
use sources::Source;
use weigh::{Lack, Told, weigh};

/// A block after the request is waited for so long; then the answer is that it is not known.
const BLOCK_PATIENCE: Duration = Duration::from_secs(6);
/// Beats that know the block are waited for so long.
const BEAT_PATIENCE: Duration = Duration::from_secs(3);

/// An answer of the ledger that is older than this is a repeat of an earlier one.
const ANSWER_AGE_MAX_MS: u64 = 15_000;

/// Who asks what.
struct Question {
    case: CaseId,
    /// Id and version of the definition that the case stands under.
    process: (String, u32),
    /// The act, as it stands on the ledger: its announcement or the fact.
    act: Code,
    sources: Vec<Source>,
}

/// Answers a clearance check.
pub(super) async fn check(
    backend: &Arc<Backend>,
    submissions: &Submissions,
    caller: &Caller,
    (request, until): (v1::CheckClearanceRequest, Instant),
) -> Result<v1::CheckClearanceResponse, Failure> {
    let question = question(backend, &request)?;
    let order = Order {
        transaction_id: &request.transaction_id,
        case_id: &request.case_id,
        source_system: "",
        valid_until_ms: 0,
    };
    let action = v1::item::Action::ClearanceCheck(v1::ClearanceCheck { status: question.act.to_string() });
    let signed = author::sign(backend, caller, submissions.source_system(), &order, vec![action])?;
    let item = signed.items.first().cloned().flatten().unwrap_or_default();
    let id = convert::transaction_id(&request.transaction_id)?;
    let patience = Instant::now().checked_add(BLOCK_PATIENCE).map_or(until, |end| end.min(until));
    submissions.submit_own(signed, v1::WaitPolicy::Accepted, patience).await?;
    let outcome = backend.wait(caller.authority(), &id, patience).await?;
    let block = match &outcome.progress {
        Progress::Final { height, index, receipts, .. } => Some(find(backend, *height, *index, receipts)?),
        Progress::Pending | Progress::Expired => None,
    };
    if let Some(found) = &block {
        refused(&found.receipt)?;
        if found.receipt.answer != ANSWER_LOCKED {
            await_beats(backend, &question, &found.id, until).await;
        }
    }
    let mut answer = answer(backend, &question, (outcome, block), item)?;
    keep_seen(backend, caller, &question.case, &mut answer.locks)?;
    Ok(answer)
}

/// Reads what is asked, and who may raise a lock against it.
fn question(backend: &Backend, request: &v1::CheckClearanceRequest) -> Result<Question, Failure> {
    let case = convert::case_id(&request.case_id)?;
    let asked = Code::new(&request.status).map_err(|error| Failure::field("status", error.to_string()))?;
    let (question, _) = backend.read(|read, tip| {
        let registry = &tip.registry;
        let process = process_of(read, tip, &case)?.ok_or_else(|| Failure::new(Reason::CaseNotFound))?;
        let definition = registry.definition(&process.0, process.1);
        let definition = definition.ok_or_else(|| Failure::new(Reason::DefinitionNotFound))?;
        let status = definition.status(asked.as_str()).ok_or_else(|| Failure::new(Reason::StatusUnknown))?;
        // Only the class of a restricted status stands on the ledger.
        let act = status.ledger_as.clone().unwrap_or_else(|| status.code.clone());
        if !definition.lockable().any(|code| *code == asked) {
            return Err(no_question(&asked, definition));
        }
        let followed = effects::follow(read, registry, &case, tip.header.time_ms)?;
        let holders = followed.map(|followed| followed.case.effects.participants).unwrap_or_default();
        let lock_sources = definition.lock_sources(&act);
        let sources = sources::find(registry, &lock_sources.roles, &holders, backend.authority());
        Ok(Question { case, process, act, sources })
    })?;
    Ok(question)
}

/// No lock is about the status, so that "no lock is known" would say nothing: what may be asked instead.
fn no_question(asked: &Code, definition: &Definition) -> Failure {
    let known: Vec<&str> = definition.lockable().map(Code::as_str).collect();
    let (process, version) = (definition.id(), definition.version());
    let message = if known.is_empty() {
        format!("{process}@{version} has no locks: whether one stands against {asked} cannot be asked")
    } else {
        format!("no lock of {process}@{version} is about {asked}; ask about one of {}", known.join(", "))
    };
    Failure::with(Reason::NotLockable, message)
}

/// Id and version of the definition that the next block finds a case under.
fn process_of(read: &dyn Read, tip: &Tip, case: &CaseId) -> Result<Option<(String, u32)>, Failure> {
    let Some(row) = CaseRow::load(read, case)? else { return Ok(None) };
    let next = tip.header.height.saturating_add(1);
    let version = tip.registry.version_at(&row.definition, row.version, next);
    Ok(Some((row.definition, version)))
}

/// The block with the answer.
struct Found {
    id: (Height, BlockId),
    receipt: Receipt,
    proof: v1::ReceiptProof,
}

/// The receipt of the check with the proof of its block.
fn find(backend: &Backend, height: Height, index: u32, own: &[Receipt]) -> Result<Found, Failure> {
    let (found, _) = backend.read(|read, tip| {
        let receipt = own.first().cloned().ok_or_else(|| Failure::new(Reason::TransactionNotFound))?;
        let (head, id) = head(read, tip, height)?;
        let receipts = receipts_of(read, height)?;
        let before: usize = receipts.iter().take(usize::try_from(index).unwrap_or(usize::MAX)).map(Vec::len).sum();
        let all = receipts.concat();
        let proof = ReceiptProof::of(&all, before).ok_or_else(|| Failure::new(Reason::Pruned))?;
        let proof = v1::ReceiptProof {
            head: Some(head),
            receipt: encode(&proof.receipt),
            index: proof.index,
            count: proof.count,
            path: proof.path.iter().map(|hash| hash.to_vec()).collect(),
        };
        Ok(Found { id: (height, id), receipt, proof })
    })?;
    Ok(found)
}

fn head(read: &dyn Read, tip: &Tip, height: Height) -> Result<(v1::CertifiedHeader, BlockId), Failure> {
    let validators = &tip.registry.validators;
    if tip.header.height == height {
        return Ok((convert::head(&tip.header, tip.certificate.as_ref(), validators), tip.id));
    }
    let (header, certificate) = query::header(read, height)?.ok_or_else(|| Failure::new(Reason::Pruned))?;
    Ok((convert::head(&header, Some(&certificate), validators), header.id()))
}

/// The receipts of a block by transaction.
fn receipts_of(read: &dyn Read, height: Height) -> Result<Vec<Vec<Receipt>>, Failure> {
    let (block, _) = query::block(read, height)?.ok_or_else(|| Failure::new(Reason::Pruned))?;
    let mut receipts = Vec::with_capacity(block.body.transactions.len());
    for index in 0..block.body.transactions.len() {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        receipts.push(query::receipts(read, height, index)?.unwrap_or_default());
    }
    Ok(receipts)
}

/// A check that the ledger did not answer is refused to its caller in the ledger's word.
fn refused(receipt: &Receipt) -> Result<(), Failure> {
    if receipt.answer != 0 {
        return Ok(());
    }
    let reason = Reason::of_name(receipt.code.reason()).unwrap_or(Reason::Malformed);
    Err(Failure::new(reason))
}

/// What all nodes told last, as of an instant.
fn told(state: &NodeState, now_ms: u64) -> BTreeMap<String, Told> {
    let since = now_ms.saturating_sub(state.at_ms);
    let told = state.beats.iter().map(|(node, heard)| {
        let beat = &heard.beat.message;
        let age_ms = heard.age_ms.saturating_add(since);
        (node.clone(), Told::new((beat.height, beat.block), age_ms, (beat.time_ms, beat.oldest_pending_lock_ms)))
    });
    told.collect()
}

/// Waits until all are current, or for as long as it may help.
async fn await_beats(backend: &Backend, question: &Question, block: &(Height, BlockId), until: Instant) {
    let end = Instant::now().checked_add(BEAT_PATIENCE).map_or(until, |end| end.min(until));
    let mut state = backend.state();
    loop {
        let told = told(&state.borrow_and_update(), backend.now_ms());
        let nodes = question.sources.iter().map(|source| source.node.as_str());
        if weigh::all_current(block, nodes, &told) {
            return;
        }
        if !matches!(timeout_at(end, state.changed()).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// Leaves those locks that the caller sees: all, if they stop what it may report. The verdict is told to whoever may ask.
fn keep_seen(backend: &Backend, caller: &Caller, case: &CaseId, locks: &mut Vec<v1::Lock>) -> Result<(), Failure> {
    let (seen, _) = backend.read(|read, tip| {
        let reader = Reader::of(&tip.registry, caller.authority());
        let Some(subject) = Subject::now(read, &tip.registry, case, tip.header.time_ms)? else { return Ok(Vec::new()) };
        let view = subject.seen_by(&reader);
        let ids = view.into_iter().flat_map(|view| view.locks).map(|lock| lock.origin.id.0.to_vec());
        Ok(ids.collect())
    })?;
    locks.retain(|lock| seen.contains(&lock.effect_id));
    Ok(())
}

/// The answer by what is known now.
fn answer(
    backend: &Backend,
    question: &Question,
    (outcome, block): (Outcome, Option<Found>),
    item: Vec<u8>,
) -> Result<v1::CheckClearanceResponse, Failure> {
    let now_ms = backend.now_ms();
    let state = backend.state().borrow().clone();
    let told = told(&state, now_ms);
    // Without a block after the request nobody knows one, whatever beats say.
    let next = (backend.subscribe().borrow().header.height.saturating_add(1), BlockId::default());
    let at = block.as_ref().map_or(next, |found| found.id);
    let sources: Vec<v1::ClearanceSource> =
        question.sources.iter().map(|source| show(source, &at, &state, told.get(&source.node))).collect();
    let current = sources.iter().all(|source| source.state() == v1::SourceState::Current);
    let ((locks, process, same), position): ((Vec<v1::Lock>, _, _), _) = backend.read(|read, tip| {
        let followed = effects::follow(read, &tip.registry, &question.case, tip.header.time_ms)?;
        let locks = followed.map(|followed| followed.standing_locks()).unwrap_or_default();
        let act = question.act.to_string();
        let about = |lock: &v1::Lock| lock.statuses.contains(&act) || lock.alarms.contains(&act);
        let locks = locks.into_iter().filter(about).collect();
        let same = process_of(read, tip, &question.case)?.as_ref() == Some(&question.process);
        Ok((locks, process(backend, read, tip, &question.case)?, same))
    })?;
    // A lock that came after the block counts too, and a repeat of an old check must not give an old answer.
    let repeated =
        outcome.progress.block_time_ms().is_some_and(|at_ms| at_ms.saturating_add(ANSWER_AGE_MAX_MS) < now_ms);
    let verdict = match &block {
        Some(found) if found.receipt.answer == ANSWER_LOCKED => v1::ClearanceVerdict::Locked,
        _ if !locks.is_empty() => v1::ClearanceVerdict::Locked,
        // Others may raise a lock under the process that the case has come to meanwhile.
        Some(_) if current && !repeated && same => v1::ClearanceVerdict::NoLockKnown,
        _ => v1::ClearanceVerdict::NotCurrent,
    };
    Ok(v1::CheckClearanceResponse {
        verdict: verdict.into(),
        explanation: Some(explain(verdict, block.is_some(), (&sources, backend.authority()))),
        outcome: Some(convert::outcome(outcome)),
        process: block.as_ref().and(process),
        item: if block.is_some() { item } else { Vec::new() },
        proof: block.map(|found| found.proof),
        locks,
        sources,
        answered_ms: now_ms,
        position: Some(position),
    })
}

/// Proof of the process that the case stands under, at the newest block.
fn process(backend: &Backend, read: &dyn Read, tip: &Tip, case: &CaseId) -> Result<Option<v1::ProcessProof>, Failure> {
    let Some(certificate) = tip.certificate.clone() else { return Ok(None) };
    let process = ProcessProof::at_tip(read, &tip.registry, (tip.header.clone(), certificate), case)?;
    let validators = &backend.genesis().registry.validators;
    Ok(process.map(|process| convert::process_proof(&process, validators)))
}

fn show(source: &Source, block: &(Height, BlockId), state: &NodeState, told: Option<&Told>) -> v1::ClearanceSource {
    let found = match weigh(block, told) {
        None => v1::SourceState::Current,
        Some(Lack::Silent) => v1::SourceState::Silent,
        Some(Lack::Old) => v1::SourceState::Old,
        Some(Lack::Behind) => v1::SourceState::Behind,
        Some(Lack::Pending) => v1::SourceState::Pending,
        Some(Lack::Contradicts) => v1::SourceState::Contradicts,
    };
    let heard = state.beats.get(&source.node);
    v1::ClearanceSource {
        authority: source.authority.clone(),
        labels: Some(source.labels.clone()),
        node: source.node.clone(),
        roles: source.roles.iter().map(ToString::to_string).collect(),
        takes_part: source.takes_part,
        state: found.into(),
        beat: heard.map(|heard| encode(&heard.beat)).unwrap_or_default(),
        beat_age_ms: told.map_or(0, |told| told.age_ms),
        pending_ms: told.and_then(|told| told.pending_ms).unwrap_or(0),
    }
}

/// What the answer means, for the file.
fn explain(
    verdict: v1::ClearanceVerdict,
    has_block: bool,
    (sources, own_node): (&[v1::ClearanceSource], &str),
) -> v1::Labels {
    let lacking = || sources.iter().filter(|source| source.state() != v1::SourceState::Current);
    // Nobody phones himself, unless it is his own node alone that something waits at.
    let others = lacking().any(|source| source.node != own_node);
    let lacking = lacking().filter(|source| !others || source.node != own_node);
    let (mut de, mut en): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for labels in lacking.filter_map(|source| source.labels.as_ref()) {
        de.push(&labels.de);
        en.push(&labels.en);
    }
    let (de, en) = (de.join("; "), en.join("; "));
    let (de, en) = match verdict {
        v1::ClearanceVerdict::Locked => ("Gesperrt: nicht vollziehen.".to_owned(), "Locked: do not act.".to_owned()),
        v1::ClearanceVerdict::NoLockKnown => (
            "Keine Sperre bekannt: alle, die eine auslösen können, haben diesen Block bestätigt.".to_owned(),
            "No lock is known: all that may raise one have confirmed this block.".to_owned(),
        ),
        _ if !has_block => (
            format!("Nicht aktuell: das Netz hat die Anfrage nicht beantwortet. Vor jedem Vollzug anrufen: {de}."),
            format!("Not current: the network has not answered the check. Phone before any act: {en}."),
        ),
        _ => (
            format!("Nicht aktuell: vielleicht ist eine Sperre unterwegs. Vor jedem Vollzug anrufen: {de}."),
            format!("Not current: a lock may be on its way. Phone before any act: {en}."),
        ),
    };
    v1::Labels {
        de: format!("{de} Dies ist keine rechtliche Feststellung."),
        en: format!("{en} This is no legal finding."),
    }
}
