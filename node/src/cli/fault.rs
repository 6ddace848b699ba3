//! Why a command failed: the text for the user, and the exit code.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::api::reasons::Reason;

/// A failed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    message: String,
    code: u8,
}

impl Fault {
    /// Exit code 1.
    pub(super) fn failed(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), code: 1 }
    }
    /// Exit code 2.
    pub(super) fn usage(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), code: 2 }
    }
    /// Exit code 3.
    pub(super) fn unreachable(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), code: 3 }
    }
    /// Exit code 4.
    pub(super) fn unverified(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), code: 4 }
    }
    /// A node's refusal: its message, the reason, and what the catalogue advises.
    pub(super) fn refused(status: &Status) -> Self {
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
        let mut message = status.message().to_owned();
        if let Some(info) = details.error_info() {
            let mut metadata: Vec<_> = info.metadata.iter().map(|(key, value)| format!("{key} {value}")).collect();
            metadata.sort();
            if !metadata.is_empty() {
                message = format!("{message} ({})", metadata.join(", "));
            }
        }
        if let Some(entry) = Reason::of_name(&reason).map(Reason::entry) {
            message = format!("{message}\n  reason: {reason}\n  what to do: {}", entry.remedy);
        }
        if !is_away(status) {
            return Self { message, code: 1 };
        }
        if reason.is_empty() {
            let cause = crate::api::causes(status);
            message = format!("no answer from the node: {cause}; check that it runs, or wait longer with --timeout");
        }
        Self { message, code: 3 }
    }
    /// What came of a call that submits. Where no answer came it may all the same have been taken.
    pub(super) fn submitted(status: &Status, id: &str) -> Self {
        let fault = Self::refused(status);
        if fault.is_unreachable() { fault.uncertain(id) } else { fault }
    }
    /// Adds that a transaction may still become final, and how that is found out.
    pub(super) fn uncertain(self, id: &str) -> Self {
        let advice = format!(
            "it may still become final. Repeat the same command with --id {id} (and what was left to the default: --case, \
             --occurred): it counts once, and says what became of it"
        );
        Self { message: format!("{}\n  transaction {id}: {advice}", self.message), ..self }
    }
    /// Adds what is known beside it.
    pub(super) fn and(self, text: &str) -> Self {
        Self { message: format!("{}\n  {text}", self.message), ..self }
    }
    /// The same with another exit code.
    pub(super) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }
    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        self.code
    }
    /// Whether the node is away, so that another try may help.
    pub(super) fn is_unreachable(&self) -> bool {
        self.code == 3
    }
    /// The text.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

/// Whether no answer of the node came: it said so itself, or the connection broke, or the time was over. What a node
/// refuses has a reason.
fn is_away(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded => true,
        Code::Cancelled | Code::Unknown => status.get_details_error_info().is_none(),
        Code::Internal => std::error::Error::source(status).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_an_answer_is_no_refusal() {
        for status in
            [Status::cancelled("Timeout expired"), Status::unknown("transport error"), Status::unavailable("")]
        {
            let fault = Fault::submitted(&status, "abc");
            assert_eq!(fault.code(), 3, "{status}");
            assert!(fault.message().contains("may still become final") && fault.message().contains("--id abc"));
        }
        let refused = Status::from(crate::api::status::Failure::new(Reason::StatusUnknown));
        let fault = Fault::submitted(&refused, "abc");
        assert_eq!(fault.code(), 1);
        assert!(!fault.message().contains("may still"), "{}", fault.message());
    }
}
