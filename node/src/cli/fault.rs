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
        let away = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
        Self { message, code: if away { 3 } else { 1 } }
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
