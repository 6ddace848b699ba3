//! Items: one action each, with bytes and a digest of its own, so that each
//! can be erased alone (design 5.1, docs/FORMATS.md A.3).

use std::collections::BTreeMap;

use laufzettel_contracts::effect::EffectId;
use laufzettel_contracts::limits as process_limits;
use laufzettel_contracts::{AuthorityId, Code, Report, Sealed, Slot, Value, When};
use laufzettel_proto::v1 as proto;
use prost::Message as _;
use thiserror::Error;

use crate::canonical::{self, CanonicalError};
use crate::evidence::Evidence;
use crate::ids::{CaseId, ItemDigest, KeyId};
use crate::limits;
use crate::proposal::Change;

/// What an item does. Actions of a later protocol version are known by their
/// encoding, and refused until that version is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Opens a case under a version of a definition.
    OpenCase {
        /// Definition id.
        definition: String,
        /// Definition version.
        version: u32,
    },
    /// Reports a status.
    Report(Report),
    /// Replaces an own earlier report.
    Correct {
        /// Digest of the first report.
        slot: Slot,
        /// The report as it should have been.
        report: Report,
    },
    /// Withdraws an own earlier report.
    Retract {
        /// Digest of the first report.
        slot: Slot,
        /// Reason code.
        reason: Code,
    },
    /// Completes a task by hand. Since protocol version 2, as the next two.
    CompleteTask {
        /// The task.
        effect: EffectId,
        /// How.
        outcome: Code,
    },
    /// Acknowledges a notice, or that a lock has gone.
    Acknowledge {
        /// The notice or lock.
        effect: EffectId,
    },
    /// Asks whether a lock stands against a status. Changes nothing of the case.
    ClearanceCheck {
        /// The status that is about to be reported.
        status: Code,
    },
    /// Proposes a change by vote. Concerns no case, as the next two. Since protocol version 2, as the next.
    Propose(Box<Change>),
    /// Votes on a proposal.
    Vote {
        /// Digest of its item.
        proposal: ItemDigest,
        /// Whether it is for it.
        yes: bool,
    },
    /// Proves that a validator signed twice.
    Evidence(Evidence),
}

impl Action {
    /// The action's tag in [`proto::Item`].
    #[must_use]
    pub fn tag(&self) -> u16 {
        match self {
            Self::OpenCase { .. } => 16,
            Self::Report(_) => 17,
            Self::Correct { .. } => 18,
            Self::Retract { .. } => 19,
            Self::CompleteTask { .. } => 20,
            Self::Acknowledge { .. } => 21,
            Self::ClearanceCheck { .. } => 31,
            Self::Propose(_) => 32,
            Self::Vote { .. } => 33,
            Self::Evidence(_) => 35,
        }
    }
    /// Whether it concerns no case.
    #[must_use]
    pub fn is_of_the_network(&self) -> bool {
        matches!(self, Self::Propose(_) | Self::Vote { .. } | Self::Evidence(_))
    }
}

/// That a second person overrides what blocks an announcement. Since protocol version 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Why.
    pub reason: Code,
    /// The second person's key, which signs the transaction, too.
    pub key: KeyId,
}

/// A decoded item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Hash of its bytes.
    pub digest: ItemDigest,
    /// Random bytes that blind the digest.
    pub blinding: [u8; 16],
    /// The case; none for what concerns none.
    pub case: Option<CaseId>,
    /// What it does.
    pub action: Action,
    /// Of a report or a correction, that what blocks it is overridden.
    pub over: Option<Override>,
}

/// Why bytes are no item.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ItemError {
    /// Not canonical.
    #[error("{0}")]
    Canonical(CanonicalError),
    /// Too many bytes.
    #[error("{0} bytes; at most {max} are allowed", max = limits::ITEM_BYTES_MAX)]
    TooLarge(usize),
    /// A field is missing or out of its range.
    #[error("{0}")]
    Field(&'static str),
    /// An action of a later protocol version.
    #[error("{} is not in protocol version {}", .0.what, .0.protocol)]
    NotYet(Later),
}

/// What comes with a later protocol version than the one in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Later {
    /// The action or field.
    pub what: &'static str,
    /// The version in force.
    pub protocol: u16,
}

impl Item {
    /// Decodes and checks the bytes of an item of protocol version 1.
    ///
    /// # Errors
    /// As of [`Item::decode_in`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ItemError> {
        Self::decode_in(bytes, 1)
    }
    /// Decodes and checks an item's bytes as they may stand in a block of this protocol version.
    ///
    /// # Errors
    /// The bytes are not canonical, over a limit, out of range, or of a later version.
    pub fn decode_in(bytes: &[u8], protocol: u16) -> Result<Self, ItemError> {
        use proto::item::Action as Wire;
        if bytes.len() > limits::PROPOSE_ITEM_BYTES_MAX {
            return Err(ItemError::TooLarge(bytes.len()));
        }
        let message: proto::Item = canonical::decode(&canonical::ITEM, bytes).map_err(ItemError::Canonical)?;
        let proposes = matches!(message.action, Some(Wire::Propose(_)));
        if bytes.len() > limits::ITEM_BYTES_MAX && !proposes {
            return Err(ItemError::TooLarge(bytes.len()));
        }
        let blinding = message.blinding.as_slice().try_into();
        let blinding = blinding.map_err(|_| ItemError::Field("blinding must have 16 bytes"))?;
        let mut over = None;
        let action = match message.action.ok_or(ItemError::Field("an item has exactly one action"))? {
            Wire::OpenCase(open) => open_case(open)?,
            Wire::Report(mut wire) => {
                over = overrides(&mut wire, protocol)?;
                Action::Report(report_from_proto(wire)?)
            }
            Wire::Correct(wire) => {
                let slot = slot(&wire.slot)?;
                let mut report = wire.report.ok_or(ItemError::Field("correct needs a report"))?;
                over = overrides(&mut report, protocol)?;
                Action::Correct { slot, report: report_from_proto(report)? }
            }
            Wire::CompleteTask(wire) if protocol >= 2 => {
                Action::CompleteTask { effect: effect(&wire.effect_id)?, outcome: code(&wire.outcome)? }
            }
            Wire::Acknowledge(wire) if protocol >= 2 => {
                if !wire.outcome.is_empty() {
                    return Err(ItemError::Field("an acknowledgement has no outcome"));
                }
                Action::Acknowledge { effect: effect(&wire.effect_id)? }
            }
            Wire::ClearanceCheck(wire) if protocol >= 2 => Action::ClearanceCheck { status: code(&wire.status)? },
            Wire::Propose(wire) if protocol >= 2 => Action::Propose(Box::new(Change::from_proto(wire)?)),
            Wire::Vote(wire) if protocol >= 2 => {
                let proposal = ItemDigest::from_slice(&wire.proposal);
                let proposal = proposal.ok_or(ItemError::Field("proposal must have 32 bytes"))?;
                Action::Vote { proposal, yes: wire.yes }
            }
            Wire::Retract(wire) => Action::Retract { slot: slot(&wire.slot)?, reason: code(&wire.reason)? },
            Wire::Evidence(wire) => Action::Evidence(evidence(&wire)?),
            later => return Err(ItemError::NotYet(Later { what: name(&later), protocol })),
        };
        let case = match (action.is_of_the_network(), message.case_id.is_empty()) {
            (true, true) => None,
            (true, false) => {
                return Err(ItemError::Field("case_id must be empty: evidence, proposals and votes concern no case"));
            }
            (false, _) => {
                let case = CaseId::from_slice(&message.case_id);
                Some(case.ok_or(ItemError::Field("case_id must have 16 bytes"))?)
            }
        };
        Ok(Self { digest: ItemDigest::of(bytes), blinding, case, action, over })
    }
    /// The canonical bytes of an item with this content.
    #[must_use]
    pub fn encode(blinding: [u8; 16], case: impl Into<Option<CaseId>>, action: &Action) -> Vec<u8> {
        Self::encode_over(blinding, case, action, None)
    }
    /// The same, where a second person overrides what blocks a report.
    #[must_use]
    pub fn encode_over(
        blinding: [u8; 16],
        case: impl Into<Option<CaseId>>,
        action: &Action,
        over: Option<&Override>,
    ) -> Vec<u8> {
        use proto::item::Action as Wire;
        let over = over.map(|over| proto::Override { reason: over.reason.to_string(), key_id: over.key.0.to_vec() });
        let overridden = |report: &Report| proto::Report { r#override: over.clone(), ..report_to_proto(report) };
        let case_id = case.into().map(|case| case.0.to_vec()).unwrap_or_default();
        let action = match action {
            Action::OpenCase { definition, version } => {
                Wire::OpenCase(proto::OpenCase { definition: definition.clone(), definition_version: *version })
            }
            Action::Report(report) => Wire::Report(overridden(report)),
            Action::Correct { slot, report } => {
                Wire::Correct(proto::Correct { slot: slot.to_vec(), report: Some(overridden(report)) })
            }
            Action::Retract { slot, reason } => {
                Wire::Retract(proto::Retract { slot: slot.to_vec(), reason: reason.to_string() })
            }
            Action::CompleteTask { effect, outcome } => {
                Wire::CompleteTask(proto::CompleteTask { effect_id: effect.0.to_vec(), outcome: outcome.to_string() })
            }
            Action::Acknowledge { effect } => {
                Wire::Acknowledge(proto::Acknowledge { effect_id: effect.0.to_vec(), outcome: String::new() })
            }
            Action::ClearanceCheck { status } => {
                Wire::ClearanceCheck(proto::ClearanceCheck { status: status.to_string() })
            }
            Action::Propose(change) => Wire::Propose(change.to_proto()),
            Action::Vote { proposal, yes } => Wire::Vote(proto::Vote { proposal: proposal.0.to_vec(), yes: *yes }),
            Action::Evidence(evidence) => {
                let (first, second) = evidence.bytes();
                Wire::Evidence(proto::Evidence { first, second })
            }
        };
        proto::Item { blinding: blinding.to_vec(), case_id, action: Some(action) }.encode_to_vec()
    }
}

fn name(action: &proto::item::Action) -> &'static str {
    use proto::item::Action as Wire;
    match action {
        Wire::OpenCase(_) => "open_case",
        Wire::Report(_) => "report",
        Wire::Correct(_) => "correct",
        Wire::Retract(_) => "retract",
        Wire::CompleteTask(_) => "complete_task",
        Wire::Acknowledge(_) => "acknowledge",
        Wire::Share(_) => "share",
        Wire::WithdrawShare(_) => "withdraw_share",
        Wire::Merge(_) => "merge",
        Wire::Restrict(_) => "restrict",
        Wire::LiftRestriction(_) => "lift_restriction",
        Wire::OrderErasure(_) => "order_erasure",
        Wire::ObjectErasure(_) => "object_erasure",
        Wire::ConfirmErasure(_) => "confirm_erasure",
        Wire::LegalHold(_) => "legal_hold",
        Wire::ClearanceCheck(_) => "clearance_check",
        Wire::Propose(_) => "propose",
        Wire::Vote(_) => "vote",
        Wire::Anchor(_) => "anchor",
        Wire::Evidence(_) => "evidence",
    }
}

fn code(text: &str) -> Result<Code, ItemError> {
    Code::new(text).map_err(|_| ItemError::Field("a code is 1 to 48 of [a-z][a-z0-9_]*"))
}

fn authority(text: &str) -> Result<AuthorityId, ItemError> {
    AuthorityId::new(text).map_err(|_| ItemError::Field("an authority id is 2 to 32 of [a-z][a-z0-9-]*"))
}

fn slot(bytes: &[u8]) -> Result<Slot, ItemError> {
    bytes.try_into().map_err(|_| ItemError::Field("slot must have 32 bytes"))
}

fn effect(bytes: &[u8]) -> Result<EffectId, ItemError> {
    bytes.try_into().map(EffectId).map_err(|_| ItemError::Field("effect_id must have 16 bytes"))
}

/// Takes the override out of a report, where the protocol version has one.
fn overrides(report: &mut proto::Report, protocol: u16) -> Result<Option<Override>, ItemError> {
    let Some(wire) = report.r#override.take_if(|_| protocol >= 2) else { return Ok(None) };
    let key = KeyId::from_slice(&wire.key_id).ok_or(ItemError::Field("key_id of an override must have 16 bytes"))?;
    Ok(Some(Override { reason: code(&wire.reason)?, key }))
}

fn evidence(wire: &proto::Evidence) -> Result<Evidence, ItemError> {
    Evidence::decode(&wire.first, &wire.second).ok_or(ItemError::Field(
        "evidence is two signed votes or two signed proposals, strictly ascending by their bytes",
    ))
}

fn open_case(wire: proto::OpenCase) -> Result<Action, ItemError> {
    authority(&wire.definition).map_err(|_| ItemError::Field("definition is 2 to 32 of [a-z][a-z0-9-]*"))?;
    if wire.definition_version == 0 {
        return Err(ItemError::Field("definition_version starts at 1"));
    }
    Ok(Action::OpenCase { definition: wire.definition, version: wire.definition_version })
}

fn when(wire: Option<proto::When>) -> Result<Option<When>, ItemError> {
    use proto::when::At;
    let Some(wire) = wire else { return Ok(None) };
    match wire.at.ok_or(ItemError::Field("when needs a day or an instant"))? {
        At::Day(day) => Ok(Some(When::Day(day))),
        At::InstantMs(instant) => Ok(Some(When::Instant(instant))),
    }
}

/// A report from its message.
///
/// # Errors
/// A field is missing or out of its range.
pub fn report_from_proto(wire: proto::Report) -> Result<Report, ItemError> {
    if wire.r#override.is_some() {
        return Err(ItemError::NotYet(Later { what: "override", protocol: 1 }));
    }
    let occurred = when(wire.occurred)?.ok_or(ItemError::Field("a report needs occurred"))?;
    let mut report = Report::new(code(&wire.status)?, occurred);
    report.effective = match when(wire.effective)? {
        None => None,
        Some(When::Day(day)) => Some(day),
        Some(When::Instant(_)) => return Err(ItemError::Field("effective is a day")),
    };
    report.proceeding = wire.proceeding;
    report.outcome = if wire.outcome.is_empty() { None } else { Some(code(&wire.outcome)?) };
    report.attributes = attributes(wire.attributes)?;
    if wire.documents.len() > process_limits::DOCUMENTS_MAX {
        return Err(ItemError::Field("at most 8 documents are allowed"));
    }
    for document in &wire.documents {
        report
            .documents
            .push(document.as_slice().try_into().map_err(|_| ItemError::Field("a commitment has 32 bytes"))?);
    }
    if report.documents.windows(2).any(|pair| matches!(pair, [a, b] if a >= b)) {
        return Err(ItemError::Field("documents must be strictly ascending"));
    }
    report.sealed = wire.sealed.map(sealed).transpose()?;
    Ok(report)
}

fn attributes(wire: Vec<proto::Attribute>) -> Result<BTreeMap<Code, Value>, ItemError> {
    use proto::attribute::Value as Wire;
    if wire.len() > process_limits::ATTRIBUTES_MAX {
        return Err(ItemError::Field("at most 16 attributes are allowed"));
    }
    let mut attributes = BTreeMap::new();
    for attribute in wire {
        let name = code(&attribute.name)?;
        if attributes.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(ItemError::Field("attributes must be strictly ascending by name"));
        }
        let value = match attribute.value.ok_or(ItemError::Field("an attribute needs a value"))? {
            Wire::Date(date) => Value::Date(date),
            Wire::Code(text) => Value::Code(code(&text)?),
            Wire::Authority(text) => Value::Authority(authority(&text)?),
            Wire::Integer(integer) => Value::Integer(integer),
            Wire::Bool(bool) => Value::Bool(bool),
            Wire::Commitment(bytes) => Value::Commitment(
                bytes.as_slice().try_into().map_err(|_| ItemError::Field("a commitment has 32 bytes"))?,
            ),
        };
        attributes.insert(name, value);
    }
    Ok(attributes)
}

fn sealed(wire: proto::Sealed) -> Result<Sealed, ItemError> {
    let digest = wire.digest.as_slice().try_into().map_err(|_| ItemError::Field("a commitment has 32 bytes"))?;
    if wire.recipients.is_empty() || wire.recipients.len() > process_limits::RECIPIENTS_MAX {
        return Err(ItemError::Field("1 to 32 recipients of a sealed part are allowed"));
    }
    let recipients = wire.recipients.iter().map(|text| authority(text)).collect::<Result<Vec<_>, _>>()?;
    if recipients.windows(2).any(|pair| matches!(pair, [a, b] if a >= b)) {
        return Err(ItemError::Field("recipients must be strictly ascending"));
    }
    Ok(Sealed { digest, recipients })
}

/// The message of a report.
#[must_use]
pub fn report_to_proto(report: &Report) -> proto::Report {
    use proto::attribute::Value as Wire;
    let attribute = |(name, value): (&Code, &Value)| proto::Attribute {
        name: name.to_string(),
        value: Some(match value {
            Value::Date(date) => Wire::Date(*date),
            Value::Code(code) => Wire::Code(code.to_string()),
            Value::Authority(authority) => Wire::Authority(authority.to_string()),
            Value::Integer(integer) => Wire::Integer(*integer),
            Value::Bool(bool) => Wire::Bool(*bool),
            Value::Commitment(digest) => Wire::Commitment(digest.to_vec()),
        }),
    };
    proto::Report {
        status: report.status.to_string(),
        occurred: Some(when_to_proto(report.occurred)),
        effective: report.effective.map(|day| when_to_proto(When::Day(day))),
        proceeding: report.proceeding,
        outcome: report.outcome.as_ref().map(ToString::to_string).unwrap_or_default(),
        attributes: report.attributes.iter().map(attribute).collect(),
        documents: report.documents.iter().map(|document| document.to_vec()).collect(),
        sealed: report.sealed.as_ref().map(|sealed| proto::Sealed {
            digest: sealed.digest.to_vec(),
            recipients: sealed.recipients.iter().map(ToString::to_string).collect(),
        }),
        r#override: None,
    }
}

/// The message of a day or instant.
#[must_use]
pub fn when_to_proto(when: When) -> proto::When {
    use proto::when::At;
    proto::When {
        at: Some(match when {
            When::Day(day) => At::Day(day),
            When::Instant(instant) => At::InstantMs(instant),
        }),
    }
}
