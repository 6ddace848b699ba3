//! What follows from a case as of an instant, and what waits for an authority. Must never write, and must never show
//! anything of an instant that the store does not know the reports of.

use laufzettel_contracts::effect::{EffectId, Effects, History};

use crate::ids::CaseId;
use crate::registry::Registry;
use crate::storage::{Read, StoreError};

/// What follows from a case, and what the ledger keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseEffects {
    /// What follows as of the instant asked about.
    pub effects: Effects,
    /// What was known, told, acknowledged and completed at the case's last change.
    pub history: History,
}

/// A list of an authority's inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inbox {
    /// Open tasks.
    Tasks,
    /// Notices, and vanished locks that are to be acknowledged.
    Notices,
    /// Deadlines that it watches.
    Deadlines,
}

/// A row of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// Where the next page begins.
    pub cursor: Vec<u8>,
    /// The case.
    pub case: CaseId,
    /// The effect.
    pub effect: EffectId,
    /// When it is due, milliseconds UTC.
    pub due_ms: Option<u64>,
}

/// What follows from a case as of an instant; none if there is no such case.
///
/// # Errors
/// The store failed.
pub fn effects(
    _read: &dyn Read,
    _registry: &Registry,
    _id: &CaseId,
    _as_of_ms: u64,
) -> Result<Option<CaseEffects>, StoreError> {
    Ok(None)
}

/// Rows of an authority's inbox after a cursor: urgent ones first, then by due instant, what has none last.
///
/// # Errors
/// The store failed.
pub fn inbox(
    _read: &dyn Read,
    _authority: &str,
    _kind: Inbox,
    _after: Option<&[u8]>,
    _limit: usize,
) -> Result<Vec<InboxRow>, StoreError> {
    Ok(Vec::new())
}
