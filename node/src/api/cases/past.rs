//! A case as it stood at an instant, or by what was recorded until an instant or a height: made anew from its items. Must
//! never show what was recorded later than it was asked for.

use laufzettel_chain::ids::{CaseId, Height};
use laufzettel_chain::ledger::Tip;
use laufzettel_chain::query;
use laufzettel_chain::storage::Read;
use laufzettel_proto::v1;

use super::list::{Asking, message_with_effects};
use super::{height_of, position_at};
use crate::api::backend::Backend;
use crate::api::effects::Reader;
use crate::api::reasons::Reason;
use crate::api::status::Failure;
use crate::api::subject::{Moment, Subject};

/// The question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Only what had occurred by then; 0 = all.
    pub(super) at_ms: u64,
    /// Only what was recorded by then; 0 = all.
    pub(super) known_at_ms: u64,
    /// As of when effects are shown; 0 = the block's time.
    pub(super) effects_as_of_ms: u64,
    /// The height to read at, where no instant says it; 0 = the newest.
    pub(super) height: Height,
}

impl Asked {
    /// Takes the question out of a request.
    pub(super) fn of(request: &v1::GetCaseRequest) -> Result<Self, Failure> {
        let height = request.read_at.unwrap_or_default().height;
        if request.at_ms > 0 && request.effects_as_of_ms > 0 {
            return Err(Failure::field("effects_as_of_ms", "is not given together with at_ms, which is stricter"));
        }
        if request.known_at_ms > 0 && height > 0 {
            return Err(Failure::field("known_at_ms", "is not given together with a height, which says the same"));
        }
        let v1::GetCaseRequest { at_ms, known_at_ms, effects_as_of_ms, .. } = *request;
        Ok(Self { at_ms, known_at_ms, effects_as_of_ms, height })
    }

    /// Whether it is about an instant or a height at all.
    pub(super) fn is_past(&self) -> bool {
        self.at_ms > 0 || self.known_at_ms > 0 || self.height > 0
    }
    /// Whether it can be proved: proofs are of the newest block as it is.
    pub(super) fn is_provable(&self) -> bool {
        self.at_ms == 0 && self.known_at_ms == 0
    }
}

/// The case, and where the answer comes from.
pub(super) fn view(
    backend: &Backend,
    read: &dyn Read,
    tip: &Tip,
    (id, authority): (&CaseId, &str),
    asked: &Asked,
) -> Result<(v1::Case, v1::Position), Failure> {
    let height = match asked.known_at_ms {
        0 => height_of(asked.height, tip)?,
        known_at_ms => query::height_at(read, tip.header.height, known_at_ms)?
            .ok_or_else(|| Failure::new(Reason::CaseNotFound).and("known_at_ms", known_at_ms))?,
    };
    let position = position_at(backend.position(tip), height, read)?;
    let as_of_ms = if asked.effects_as_of_ms == 0 { position.block_time_ms } else { asked.effects_as_of_ms };
    let unknown = || Failure::new(Reason::CaseNotFound).and("height", height);
    let moment = Moment { height, at_ms: asked.at_ms, as_of_ms };
    let subject = Subject::known(read, &tip.registry, id, &moment)?.ok_or_else(unknown)?;
    let reader = Reader::of(&tip.registry, authority);
    let view = subject.seen_by(&reader).ok_or_else(unknown)?;
    if subject.erased > 0 {
        return Err(Failure::with(Reason::Pruned, "items of the case are erased: what was known then cannot be shown"));
    }
    let (registry, time_ms) = (tip.registry.as_ref(), position.block_time_ms);
    let asking = Asking { read, registry, reader: &reader, height, time_ms };
    Ok((message_with_effects(&asking, &subject, &view)?, position))
}
