//! Whether a report may be recorded at all: who may say it, and whether it says something the definition knows. A
//! refusal is data and goes into a receipt, so its names are stable. Must never refuse a fact for its order: a fact out
//! of order is recorded and shown as a deviation; silence is the danger.

use crate::definition::{AttributeType, Definition, Precision, Status};
use crate::fold::CaseFold;
use crate::limits::{
    DOCUMENTS_MAX, EFFECTIVE_AHEAD_MS_MAX, EVENTS_MAX, OCCURRED_AHEAD_MS_MAX, PROCEEDINGS_MAX, RECIPIENTS_MAX,
};
use crate::name::{AuthorityId, Code};
use crate::report::{Report, Slot, Value};
use crate::when::When;
use std::fmt;

/// Why an action is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The definition has no such status.
    StatusUnknown,
    /// The status is restricted; only its class stands on the ledger.
    StatusRestricted,
    /// No role of the author may report it.
    RoleNotEntitled,
    /// An instant where the status has days, or a day where it has instants.
    PrecisionWrong,
    /// It begins more than 24 hours after block time.
    OccurredInFuture,
    /// It takes effect more than ten years after block time.
    EffectiveTooFar,
    /// The status has no such outcome, or none at all.
    OutcomeUnknown,
    /// The status has no such attribute.
    AttributeUnknown,
    /// The attribute's value is of another type, not on its list or out of its bounds.
    AttributeInvalid,
    /// More documents than a report may have.
    TooManyDocuments,
    /// More recipients than a sealed part may have.
    TooManyRecipients,
    /// It names a proceeding that is not there.
    ProceedingUnknown,
    /// It would open one proceeding too many.
    TooManyProceedings,
    /// The case has had as many reports as it may.
    TooManyEvents,
    /// The case has no such report.
    SlotUnknown,
    /// The report is another authority's.
    NotAuthor,
    /// The report is retracted.
    SlotClosed,
}

impl Refusal {
    /// Its stable name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::StatusUnknown => "STATUS_UNKNOWN",
            Self::StatusRestricted => "STATUS_RESTRICTED",
            Self::RoleNotEntitled => "ROLE_NOT_ENTITLED",
            Self::PrecisionWrong => "PRECISION_WRONG",
            Self::OccurredInFuture => "OCCURRED_IN_FUTURE",
            Self::EffectiveTooFar => "EFFECTIVE_TOO_FAR",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::AttributeUnknown => "ATTRIBUTE_UNKNOWN",
            Self::AttributeInvalid => "ATTRIBUTE_INVALID",
            Self::TooManyDocuments => "TOO_MANY_DOCUMENTS",
            Self::TooManyRecipients => "TOO_MANY_RECIPIENTS",
            Self::ProceedingUnknown => "PROCEEDING_UNKNOWN",
            Self::TooManyProceedings => "TOO_MANY_PROCEEDINGS",
            Self::TooManyEvents => "TOO_MANY_EVENTS",
            Self::SlotUnknown => "SLOT_UNKNOWN",
            Self::NotAuthor => "NOT_AUTHOR",
            Self::SlotClosed => "SLOT_CLOSED",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.reason())
    }
}

impl std::error::Error for Refusal {}

/// Whether a new report may be recorded. `roles` are those of its author, `fold` is its case before it.
///
/// # Errors
/// The first reason against it.
pub fn accept(
    def: &Definition,
    roles: &[Code],
    report: &Report,
    block_time_ms: u64,
    fold: &CaseFold,
) -> Result<(), Refusal> {
    let status = check_report(def, roles, report, block_time_ms)?;
    check_proceeding(status, report, fold, status.opens_proceeding)?;
    if fold.slots() >= EVENTS_MAX {
        return Err(Refusal::TooManyEvents);
    }
    Ok(())
}

/// Whether an author may put a report in the place of the one in a slot.
///
/// # Errors
/// The first reason against it.
pub fn accept_correction(
    def: &Definition,
    author: (&AuthorityId, &[Code]),
    slot: &Slot,
    report: &Report,
    block_time_ms: u64,
    fold: &CaseFold,
) -> Result<(), Refusal> {
    let (author, roles) = author;
    accept_retraction(author, slot, fold)?;
    let status = check_report(def, roles, report, block_time_ms)?;
    let earlier = def.status(fold.entry(slot)?.report.status.as_str());
    let opened = earlier.is_some_and(|earlier| earlier.opens_proceeding);
    check_proceeding(status, report, fold, status.opens_proceeding && !opened)
}

/// Whether an author may take out the report in a slot.
///
/// # Errors
/// The first reason against it.
pub fn accept_retraction(author: &AuthorityId, slot: &Slot, fold: &CaseFold) -> Result<(), Refusal> {
    // Who is not the author learns no more than that, also of a slot that is closed.
    let made_by = match fold.retracted_by(slot) {
        Some(author) => author,
        None => &fold.entry(slot)?.author,
    };
    if made_by != author {
        return Err(Refusal::NotAuthor);
    }
    fold.entry(slot).map(|_| ())
}

/// All that can be judged without the case.
fn check_report<'d>(
    def: &'d Definition,
    roles: &[Code],
    report: &Report,
    block_time_ms: u64,
) -> Result<&'d Status, Refusal> {
    let status = def.status(report.status.as_str()).ok_or(Refusal::StatusUnknown)?;
    if status.ledger_as.is_some() {
        return Err(Refusal::StatusRestricted);
    }
    if !roles.iter().any(|role| status.reported_by.contains(role)) {
        return Err(Refusal::RoleNotEntitled);
    }
    check_times(status, report, block_time_ms)?;
    if let Some(outcome) = &report.outcome {
        let known = def.outcomes_of(status).and_then(|list| list.outcome(outcome));
        known.ok_or(Refusal::OutcomeUnknown)?;
    }
    for (name, value) in &report.attributes {
        let attribute = status.attribute(name).ok_or(Refusal::AttributeUnknown)?;
        if !fits(&attribute.holds, value) {
            return Err(Refusal::AttributeInvalid);
        }
    }
    if report.documents.len() > DOCUMENTS_MAX {
        return Err(Refusal::TooManyDocuments);
    }
    if report.sealed.as_ref().is_some_and(|sealed| sealed.recipients.len() > RECIPIENTS_MAX) {
        return Err(Refusal::TooManyRecipients);
    }
    Ok(status)
}

fn check_times(status: &Status, report: &Report, block_time_ms: u64) -> Result<(), Refusal> {
    match (status.precision, report.occurred) {
        (Precision::Day, When::Day(_)) | (Precision::Instant, When::Instant(_)) => {}
        (Precision::Day, When::Instant(_)) | (Precision::Instant, When::Day(_)) => {
            return Err(Refusal::PrecisionWrong);
        }
    }
    let block_time_ms = i64::try_from(block_time_ms).unwrap_or(i64::MAX);
    // A day counts by its begin here: what is reported today has mostly occurred, though the day has not ended.
    if report.occurred.start_ms() > block_time_ms.saturating_add(OCCURRED_AHEAD_MS_MAX) {
        return Err(Refusal::OccurredInFuture);
    }
    let effective_max_ms = block_time_ms.saturating_add(EFFECTIVE_AHEAD_MS_MAX);
    if report.effective.is_some_and(|day| When::Day(day).start_ms() > effective_max_ms) {
        return Err(Refusal::EffectiveTooFar);
    }
    Ok(())
}

fn fits(holds: &AttributeType, value: &Value) -> bool {
    match (holds, value) {
        (AttributeType::Date, Value::Date(_))
        | (AttributeType::Authority, Value::Authority(_))
        | (AttributeType::Bool, Value::Bool(_))
        | (AttributeType::Commitment, Value::Commitment(_)) => true,
        (AttributeType::Code(codes), Value::Code(code)) => codes.contains(code),
        (AttributeType::Integer { min, max }, Value::Integer(integer)) => (min..=max).contains(&integer),
        (
            AttributeType::Date
            | AttributeType::Code(_)
            | AttributeType::Authority
            | AttributeType::Integer { .. }
            | AttributeType::Bool
            | AttributeType::Commitment,
            _,
        ) => false,
    }
}

/// Judged by what is recorded now. What later reports make of the count, the fold shows as a deviation.
fn check_proceeding(status: &Status, report: &Report, fold: &CaseFold, adds_one: bool) -> Result<(), Refusal> {
    let opened = fold.state().current_proceeding;
    let next = if status.opens_proceeding || opened == 0 { 1 } else { 0 };
    if report.proceeding > opened.saturating_add(next) {
        return Err(Refusal::ProceedingUnknown);
    }
    let names_one = report.proceeding != 0 && report.proceeding <= opened;
    if adds_one && !names_one && opened >= PROCEEDINGS_MAX {
        return Err(Refusal::TooManyProceedings);
    }
    Ok(())
}
