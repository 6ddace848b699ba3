//! What follows from a case as of an instant. Must never write, and must never show anything of an instant that the
//! store does not know the reports of.

use laufzettel_contracts::effect::{Effects, History};

use crate::ids::CaseId;
use crate::registry::Registry;
use crate::state::case::OpenCase;
use crate::storage::{Read, StoreError};

pub use crate::index::inbox::{Inbox, InboxRow, inbox};

/// What follows from a case, and what the ledger keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseEffects {
    /// What follows as of the instant asked about.
    pub effects: Effects,
    /// What was known, told, acknowledged and completed at the case's last change.
    pub history: History,
}

/// A case as it stands, with what follows as of an instant by the calendars in force; none if there is no such case.
///
/// # Errors
/// The store failed.
pub fn case_as_of(
    read: &dyn Read,
    registry: &Registry,
    id: &CaseId,
    as_of_ms: u64,
) -> Result<Option<OpenCase>, StoreError> {
    let Some(mut case) = OpenCase::load(read, registry, id)? else { return Ok(None) };
    case.count_by(registry.calendars.as_ref());
    case.bring(as_of_ms);
    Ok(Some(case))
}

/// What follows from a case as of an instant; none if there is no such case. In language 1 nothing does.
///
/// # Errors
/// The store failed.
pub fn effects(
    read: &dyn Read,
    registry: &Registry,
    id: &CaseId,
    as_of_ms: u64,
) -> Result<Option<CaseEffects>, StoreError> {
    let Some(case) = case_as_of(read, registry, id, as_of_ms)? else { return Ok(None) };
    Ok(Some(match case.living() {
        Some(living) => CaseEffects { effects: living.effects().clone(), history: living.history().clone() },
        None => CaseEffects { effects: Effects { as_of_ms, ..Effects::default() }, history: History::new() },
    }))
}
