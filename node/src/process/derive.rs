//! Makes a process definition from a log: `laufzettel process derive`. What was observed becomes the definition:
//! statuses in order of their median position, who reports them, what they come directly after. The checker accepts
//! the text without an error for any log within the limits, and the log itself replays against it without a
//! deviation. Must never use anything but the log: the same log gives the same text.

mod observed;
mod order;
mod text;

use crate::eventlog::EventLog;
use laufzettel_contracts::limits::{ROLES_MAX, STATUSES_MAX, TEXT_BYTES_MAX};
use observed::Observed;

/// Why no definition can be made of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    /// Nothing to observe.
    #[error("the log has no event; a definition needs at least one")]
    Empty,
    /// More activities than a definition may have statuses.
    #[error("the log has {found} activities, a definition at most {STATUSES_MAX} statuses; merge activities before")]
    Statuses {
        /// How many activities.
        found: usize,
    },
    /// More groups than a definition may have roles.
    #[error(
        "the log has {found} groups, a definition at most {ROLES_MAX} roles; merge groups, or leave the column out"
    )]
    Roles {
        /// How many groups, events without one being one of them.
        found: usize,
    },
    /// Too many observed orders.
    #[error("the definition has {found} bytes, more than {TEXT_BYTES_MAX}; merge activities or shorten their names")]
    TextLength {
        /// How many bytes.
        found: usize,
    },
}

/// The text of a definition that a log fits. The process id is made of `id` where that is none.
///
/// # Errors
/// If the log has no event or passes a limit of definitions.
pub fn derive(log: &EventLog, id: &str) -> Result<String, DeriveError> {
    let observed = Observed::of(log);
    let (statuses, roles) = (observed.statuses.len(), observed.names.groups().count());
    if statuses == 0 {
        return Err(DeriveError::Empty);
    }
    if statuses > STATUSES_MAX {
        return Err(DeriveError::Statuses { found: statuses });
    }
    if roles > ROLES_MAX {
        return Err(DeriveError::Roles { found: roles });
    }
    let ranked = order::ranked(&observed);
    let text = text::write(log, &observed, &ranked, id);
    if text.len() > TEXT_BYTES_MAX {
        return Err(DeriveError::TextLength { found: text.len() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
