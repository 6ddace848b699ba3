//! Errors as clients see them: `google.rpc.Status` with an ErrorInfo whose
//! reason is of the catalogue. What went wrong inside the node stays in its
//! log; a client gets the reason only.

use std::collections::HashMap;
use std::time::Duration;

use laufzettel_chain::check::{CheckError, Refusal};
use laufzettel_chain::storage::StoreError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::reasons::Reason;

/// The domain of every ErrorInfo.
pub const DOMAIN: &str = "laufzettel";
/// When to come back if the node cannot say it better.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A call that is not answered, with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    reason: Reason,
    message: String,
    metadata: Vec<(&'static str, String)>,
    field: Option<String>,
    retry_after: Option<Duration>,
}

impl Failure {
    /// A failure that says what the catalogue says.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self::with(reason, reason.entry().meaning)
    }
    /// A failure with a message of its own: what happened, with which input.
    #[must_use]
    pub fn with(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), metadata: Vec::new(), field: None, retry_after: None }
    }
    /// A field of the request is wrong.
    #[must_use]
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { field: Some(field.into()), ..Self::with(Reason::FieldInvalid, format!("{field}: {message}")) }
    }
    /// Adds a machine-readable detail. Never a secret, never what the caller may not see.
    #[must_use]
    pub fn and(mut self, key: &'static str, value: impl ToString) -> Self {
        self.metadata.push((key, value.to_string()));
        self
    }
    /// Says when to come back.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }
    /// Its reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }
    /// The node's own fault: logged here, once; the client gets the reason only.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = super::causes(error), "a call failed by a fault of this node");
        Self::new(Reason::InternalFault)
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let metadata: HashMap<String, String> =
            failure.metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut details = ErrorDetails::with_error_info(failure.reason.name(), DOMAIN, metadata);
        if let Some(field) = failure.field {
            details.add_bad_request_violation(field, &failure.message);
        }
        let code = failure.reason.code();
        let repeatable = matches!(code, Code::Unavailable | Code::ResourceExhausted);
        if let Some(delay) = failure.retry_after.or(repeatable.then_some(RETRY_AFTER)) {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(code, failure.message, details)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<CheckError> for Failure {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Refused(refusal) => refusal.into(),
            CheckError::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let reason = match &refusal {
            // Callers look outcomes up before; here it is a race, and repeating helps.
            Refusal::Repeated { .. } => Reason::IdTaken,
            other => Reason::of_name(other.reason()).unwrap_or(Reason::Malformed),
        };
        let failure = Self::with(reason, refusal.to_string());
        match refusal {
            Refusal::OtherNetwork { expected, .. } => failure.and("expected", expected),
            Refusal::OtherIncarnation { expected, .. } => failure.and("expected", expected),
            Refusal::KeyUnknown(key) | Refusal::Signature(key) => failure.and("key_id", key),
            Refusal::Expired { time_ms, .. } | Refusal::ValidTooLong { time_ms, .. } => {
                failure.and("block_time_ms", time_ms)
            }
            Refusal::IdTaken { height, .. } => failure.and("height", height),
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_carries_reason_field_and_delay() {
        let status = Status::from(Failure::field("case_id", "must have 16 bytes"));
        let details = status.get_error_details();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(details.error_info().unwrap().reason, "FIELD_INVALID");
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "case_id");
        let status = Status::from(Failure::new(Reason::MempoolFull).and("bytes", 7));
        let details = status.get_error_details();
        assert!(details.retry_info().is_some());
        assert_eq!(details.error_info().unwrap().metadata["bytes"], "7");
    }

    #[test]
    fn refusals_keep_their_reasons() {
        let refusal = Refusal::ValidTooLong { valid_until_ms: 2, time_ms: 1 };
        assert_eq!(Failure::from(refusal).reason(), Reason::ValidTooLong);
        assert_eq!(Failure::from(Refusal::ItemMissing(0)).reason(), Reason::ItemMissing);
    }
}
