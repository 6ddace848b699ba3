//! From messages to the ledger's types and back. Never asks the ledger.

use std::collections::BTreeSet;
use std::time::Duration;

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::{Canonical, CodecError, decode, encode};
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::index::{position_bytes, position_from};
use laufzettel_chain::item::Action;
use laufzettel_chain::proof::{CaseProof, FieldProof};
use laufzettel_chain::query;
use laufzettel_chain::receipt::{FLAG_DEVIATION, Receipt};
use laufzettel_chain::validators::ValidatorSet;
use laufzettel_contracts::{CaseState, Definition, Kind, Position, Report, Slot, TrackState, Value, View, When};
use laufzettel_proto::v1;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;

use super::CALL_TIME_MAX;
use super::backend::{Outcome, Progress};
use super::reasons::Reason;
use super::status::Failure;
pub use process::{process_proof, process_proof_from};

mod process;

/// The form of proofs.
pub const PROOF_FORMAT: &str = "laufzettel-case/1";
/// A waiting call ends this long before its deadline, so that the answer still arrives.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);
const FLAG_OVERRIDDEN: u16 = 2;
const FLAG_DESPITE_LOCK: u16 = 4;

/// A case id of a request.
///
/// # Errors
/// It has not 16 bytes.
pub fn case_id(bytes: &[u8]) -> Result<CaseId, Failure> {
    CaseId::from_slice(bytes)
        .ok_or_else(|| Failure::field("case_id", format!("has {} bytes; 16 are wanted", bytes.len())))
}

/// A transaction id of a request.
///
/// # Errors
/// It has not 16 bytes.
pub fn transaction_id(bytes: &[u8]) -> Result<TransactionId, Failure> {
    let wrong = || Failure::field("transaction_id", format!("has {} bytes; 16 are wanted", bytes.len()));
    TransactionId::from_slice(bytes).ok_or_else(wrong)
}

/// When a call has to be answered: the client's deadline, at most [`CALL_TIME_MAX`].
#[must_use]
pub fn deadline(metadata: &MetadataMap) -> Instant {
    let asked = metadata.get("grpc-timeout").and_then(|value| grpc_timeout(value.to_str().ok()?));
    let time = asked.unwrap_or(CALL_TIME_MAX).min(CALL_TIME_MAX);
    let now = Instant::now();
    now.checked_add(time.saturating_sub(ANSWER_MARGIN)).unwrap_or(now)
}

fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(amount.checked_mul(3_600)?),
        "M" => Duration::from_secs(amount.checked_mul(60)?),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// The cursor of a place on the ledger.
#[must_use]
pub fn cursor(position: &Position) -> String {
    data_encoding::HEXLOWER.encode(&position_bytes(position))
}

/// The place a cursor names.
///
/// # Errors
/// It is no cursor.
pub fn position_of(cursor: &str) -> Result<Position, Failure> {
    let wrong = || Failure::new(Reason::CursorInvalid);
    let bytes = data_encoding::HEXLOWER.decode(cursor.as_bytes()).map_err(|_| wrong())?;
    if bytes.len() != 14 {
        return Err(wrong());
    }
    position_from(&bytes).ok_or_else(wrong)
}

/// The last place of a height: all its events lie before or at it.
#[must_use]
pub fn end_of(height: u64) -> Position {
    Position { height, transaction: u32::MAX, item: u16::MAX }
}

/// A receipt.
#[must_use]
pub fn receipt(receipt: &Receipt) -> v1::Receipt {
    let applied = receipt.code == laufzettel_chain::receipt::Code::Accepted;
    v1::Receipt {
        item_digest: receipt.item.0.to_vec(),
        applied,
        reason: if applied { String::new() } else { receipt.code.reason().into() },
        code: u32::from(receipt.code as u16),
        deviation: receipt.flags & FLAG_DEVIATION != 0,
        overridden: receipt.flags & FLAG_OVERRIDDEN != 0,
        despite_lock: receipt.flags & FLAG_DESPITE_LOCK != 0,
        case_revision: receipt.revision,
        cause: receipt.cause.map(|cause| cause.to_vec()).unwrap_or_default(),
        answer: i32::from(receipt.answer),
    }
}

/// An outcome.
#[must_use]
pub fn outcome(outcome: Outcome) -> v1::Outcome {
    let mut message = v1::Outcome {
        authority: outcome.authority,
        transaction_id: outcome.id.0.to_vec(),
        payload_digest: outcome.digest.0.to_vec(),
        ..v1::Outcome::default()
    };
    match outcome.progress {
        Progress::Pending => message.set_state(v1::TransactionState::Pending),
        Progress::Expired => message.set_state(v1::TransactionState::Expired),
        Progress::Final { height, index, time_ms, receipts } => {
            message.set_state(v1::TransactionState::Final);
            (message.height, message.index, message.block_time_ms) = (height, index, time_ms);
            message.receipts = receipts.iter().map(receipt).collect();
        }
    }
    message
}

/// A day or an instant.
#[must_use]
pub fn when(when: When) -> v1::When {
    let at = match when {
        When::Day(day) => v1::when::At::Day(day),
        When::Instant(ms) => v1::when::At::InstantMs(ms),
    };
    v1::When { at: Some(at) }
}

fn report(report: &Report) -> v1::Report {
    use v1::attribute::Value as Wire;
    let attribute = |(name, value): (_, &Value)| v1::Attribute {
        name: ToString::to_string(name),
        value: Some(match value {
            Value::Date(day) => Wire::Date(*day),
            Value::Code(code) => Wire::Code(code.to_string()),
            Value::Authority(authority) => Wire::Authority(authority.to_string()),
            Value::Integer(integer) => Wire::Integer(*integer),
            Value::Bool(bool) => Wire::Bool(*bool),
            Value::Commitment(digest) => Wire::Commitment(digest.to_vec()),
        }),
    };
    v1::Report {
        status: report.status.to_string(),
        occurred: Some(when(report.occurred)),
        effective: report.effective.map(|day| when(When::Day(day))),
        proceeding: report.proceeding,
        outcome: report.outcome.as_ref().map(ToString::to_string).unwrap_or_default(),
        attributes: report.attributes.iter().map(attribute).collect(),
        documents: report.documents.iter().map(|digest| digest.to_vec()).collect(),
        sealed: report.sealed.as_ref().map(|sealed| v1::Sealed {
            digest: sealed.digest.to_vec(),
            recipients: sealed.recipients.iter().map(ToString::to_string).collect(),
        }),
        r#override: None,
    }
}

/// An event; none for actions that are no events.
#[must_use]
pub fn event(case: CaseId, event: &query::Event) -> Option<v1::Event> {
    use v1::event::Action as Wire;
    let slot = match event.item.as_ref().map(|item| &item.action) {
        Some(Action::Report(_)) => event.receipt.item.slot(&event.authority).to_vec(),
        Some(Action::Correct { slot, .. } | Action::Retract { slot, .. }) => slot.to_vec(),
        Some(
            Action::OpenCase { .. }
            | Action::CompleteTask { .. }
            | Action::Acknowledge { .. }
            | Action::ClearanceCheck { .. }
            | Action::Propose(_)
            | Action::Vote { .. }
            | Action::Evidence(_),
        )
        | None => Vec::new(),
    };
    let action = match event.item.as_ref().map(|item| &item.action) {
        Some(
            Action::OpenCase { .. }
            | Action::CompleteTask { .. }
            | Action::Acknowledge { .. }
            | Action::ClearanceCheck { .. }
            | Action::Propose(_)
            | Action::Vote { .. }
            | Action::Evidence(_),
        ) => return None,
        Some(Action::Report(found)) => Some(Wire::Report(report(found))),
        Some(Action::Correct { slot, report: found }) => {
            Some(Wire::Correct(v1::Correct { slot: slot.to_vec(), report: Some(report(found)) }))
        }
        Some(Action::Retract { slot, reason }) => {
            Some(Wire::Retract(v1::Retract { slot: slot.to_vec(), reason: reason.to_string() }))
        }
        None => None,
    };
    Some(v1::Event {
        cursor: cursor(&event.position),
        case_id: case.0.to_vec(),
        height: event.position.height,
        transaction_index: event.position.transaction,
        item_index: u32::from(event.position.item),
        block_time_ms: event.time_ms,
        authority: event.authority.clone(),
        key_ids: event.keys.iter().map(|key| key.0.to_vec()).collect(),
        payload_digest: event.payload.0.to_vec(),
        item_digest: event.receipt.item.0.to_vec(),
        deviation: event.receipt.flags & FLAG_DEVIATION != 0,
        despite_lock: event.receipt.flags & FLAG_DESPITE_LOCK != 0,
        case_revision: event.revision,
        slot,
        action,
    })
}

fn track(definition: &Definition, number: u8, track: &TrackState) -> v1::TrackStatus {
    let code = definition.tracks().iter().find(|found| found.number == number).map(|found| found.code.to_string());
    let status = definition.status(track.status.as_str());
    v1::TrackStatus {
        track: code.unwrap_or_default(),
        status: track.status.to_string(),
        occurred: Some(when(track.occurred)),
        outcome: track.outcome.as_ref().map(ToString::to_string).unwrap_or_default(),
        authority: track.author.to_string(),
        slot: track.slot.to_vec(),
        announcement: status.is_some_and(|status| status.kind == Kind::Announces),
        effective: track.effective.map(|day| when(When::Day(day))),
        since: Some(when(track.since)),
    }
}

/// What a view of a case tells of its tracks and reports.
#[must_use]
pub fn case(definition: &Definition, state: &CaseState, view: &View<'_>) -> v1::Case {
    let headline = view.headline.and_then(|found| definition.track_of(found.status.as_str()));
    let shown = state.tracks.iter().filter(|(_, found)| view.tracks.iter().any(|seen| seen.slot == found.slot));
    let authors: BTreeSet<String> = view.reports.iter().map(|entry| entry.author.to_string()).collect();
    v1::Case {
        definition: definition.id().into(),
        definition_version: definition.version(),
        open: !view.closed,
        headline_track: headline.map(|track| track.code.to_string()).unwrap_or_default(),
        tracks: shown.map(|(number, found)| track(definition, *number, found)).collect(),
        proceedings: proceedings(state, view),
        participants: authors.into_iter().collect(),
        timeline: view.reports.iter().map(|entry| entry.slot.to_vec()).collect(),
        deviations: view
            .deviations
            .iter()
            .map(|found| v1::Deviation {
                slot: found.slot.to_vec(),
                code: found.kind.reason().into(),
                ..v1::Deviation::default()
            })
            .collect(),
        ..v1::Case::default()
    }
}

/// The proceedings of which the view shows something: what opened them, where they stand, or what follows.
fn proceedings(state: &CaseState, view: &View<'_>) -> Vec<v1::Proceeding> {
    let shown: BTreeSet<u32> = view
        .tracks
        .iter()
        .map(|track| track.proceeding)
        .chain(view.deadlines.iter().map(|one| one.origin.proceeding))
        .chain(view.tasks.iter().map(|one| one.origin.proceeding))
        .chain(view.notices.iter().map(|one| one.origin.proceeding))
        .chain(view.locks.iter().map(|one| one.origin.proceeding))
        .chain(view.markers.iter().map(|one| one.origin.proceeding))
        .collect();
    let opened_by = |slot: &Slot| view.reports.iter().any(|entry| entry.slot == *slot);
    let seen = state.proceedings.iter().filter(|found| shown.contains(&found.number) || opened_by(&found.opened_by));
    seen.map(|found| v1::Proceeding { number: found.number, ..v1::Proceeding::default() }).collect()
}

/// A header with what proves it.
#[must_use]
pub fn head(header: &Header, certificate: Option<&Certificate>, validators: &ValidatorSet) -> v1::CertifiedHeader {
    v1::CertifiedHeader {
        header: encode(header),
        certificate: certificate.map(encode).unwrap_or_default(),
        validators: encode(validators),
    }
}

/// A proof as a message.
#[must_use]
pub fn proof(proof: &CaseProof, validators: &ValidatorSet) -> v1::Proof {
    let field = |field: &FieldProof| v1::FieldProof {
        index: u32::from(field.index),
        blinder: field.blinder.to_vec(),
        value: field.bytes.clone(),
        siblings: field.siblings.iter().map(|hash| hash.to_vec()).collect(),
    };
    v1::Proof {
        format: PROOF_FORMAT.into(),
        head: Some(head(&proof.header, Some(&proof.certificate), validators)),
        case_id: proof.case.0.to_vec(),
        tree_proof: proof.tree.clone(),
        case_root: proof.root.map(|root| root.to_vec()).unwrap_or_default(),
        fields: proof.fields.iter().map(field).collect(),
    }
}

/// A proof from a message. Nothing is verified yet.
///
/// # Errors
/// It is malformed.
pub fn proof_from(message: &v1::Proof) -> Result<CaseProof, CodecError> {
    fn part<T: Canonical>(bytes: &[u8]) -> Result<T, CodecError> {
        decode(bytes)
    }
    let hash = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| CodecError::Invalid("length of a hash"));
    if message.format != PROOF_FORMAT {
        return Err(CodecError::Invalid("format of the proof"));
    }
    let head = message.head.as_ref().ok_or(CodecError::Invalid("head of the proof"))?;
    let mut fields = Vec::with_capacity(message.fields.len().min(32));
    for field in &message.fields {
        fields.push(FieldProof {
            index: u8::try_from(field.index).map_err(|_| CodecError::Invalid("index of a field"))?,
            blinder: hash(&field.blinder)?,
            bytes: field.value.clone(),
            siblings: field.siblings.iter().map(|sibling| hash(sibling)).collect::<Result<_, _>>()?,
        });
    }
    Ok(CaseProof {
        header: part(&head.header)?,
        certificate: part(&head.certificate)?,
        case: CaseId::from_slice(&message.case_id).ok_or(CodecError::Invalid("length of the case id"))?,
        root: (!message.case_root.is_empty()).then(|| hash(&message.case_root)).transpose()?,
        tree: message.tree_proof.clone(),
        fields,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_others_are_refused() {
        let place = Position { height: 7, transaction: 3, item: 2 };
        assert_eq!(position_of(&cursor(&place)).unwrap(), place);
        for wrong in ["", "zz", "00", &cursor(&place).to_uppercase(), &format!("{}00", cursor(&place))] {
            let refused = position_of(wrong).is_err();
            assert!(refused || *wrong == cursor(&place), "{wrong}");
        }
    }

    #[test]
    fn deadlines_are_read_and_capped() {
        assert_eq!(grpc_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(grpc_timeout("5S"), Some(Duration::from_secs(5)));
        for wrong in ["", "S", "5", "5X", "123456789S"] {
            assert_eq!(grpc_timeout(wrong), None, "{wrong}");
        }
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", "9H".parse().unwrap());
        assert!(deadline(&metadata) <= Instant::now() + CALL_TIME_MAX);
    }
}
