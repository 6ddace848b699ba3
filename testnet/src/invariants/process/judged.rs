//! How single items were answered: by the locks that stood before their transaction, and with the marks that what follows
//! from their case asks for. Must never look at more than one item.

use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::receipt::{ANSWER_LOCKED, ANSWER_NO_LOCK, Code, FLAG_DESPITE_LOCK, FLAG_OVERRIDDEN, Receipt};
use laufzettel_contracts::AuthorityId;
use laufzettel_contracts::effect::{EffectDeviationKind, Effects};

use super::At;
use super::case::Case;
use super::inbox::name;

/// Whether an item was judged by the locks that stood before its transaction.
pub(super) fn judged(
    case: &mut Case,
    before: Option<&Effects>,
    item: &Item,
    receipt: &Receipt,
    at: At,
) -> Result<(), String> {
    let report = match &item.action {
        Action::Report(report) | Action::Correct { report, .. } => report,
        Action::ClearanceCheck { status } if receipt.code == Code::Accepted => {
            let now = case.at(at.time_ms).clone();
            let answer = if case.is_locked(&now, status) { ANSWER_LOCKED } else { ANSWER_NO_LOCK };
            let same = receipt.answer == answer;
            return if same { Ok(()) } else { Err(format!("a clearance check of {status} is told otherwise")) };
        }
        Action::ClearanceCheck { status } if receipt.code == Code::NotLockable && case.is_lockable(status) => {
            return Err(format!("a clearance check of {status} is refused although a lock is about it"));
        }
        _ => return Ok(()),
    };
    let (status, announces) = (&report.status, case.announces(&report.status));
    let stopped_by = before.filter(|_| announces).and_then(|before| case.stopped_by(before, status));
    match (receipt.code, stopped_by) {
        (Code::Accepted, Some(lock)) => Err(format!("{status} is recorded although {} stands", name(&lock.0))),
        (Code::Locked, Some(lock)) if receipt.cause == Some(lock.0) => Ok(()),
        (Code::Locked, _) => Err(format!("{status} is refused for a lock that does not stop it")),
        (Code::Blocked | Code::OverrideUnknown, _) if !announces => Err(format!("the fact {status} is refused")),
        (_, _) => Ok(()),
    }
}

/// Whether an accepted report is marked as what follows from its case says.
pub(super) fn marked(
    case: &mut Case,
    item: &Item,
    author: &AuthorityId,
    receipt: &Receipt,
    (alone, time_ms): (bool, u64),
) -> Result<(), &'static str> {
    let slot = match &item.action {
        Action::Report(_) => item.digest.slot(author.as_str()),
        Action::Correct { slot, .. } => *slot,
        _ => return Ok(()),
    };
    let despite = |kind: &EffectDeviationKind| {
        matches!(kind, EffectDeviationKind::ExecutedDespiteLock(_) | EffectDeviationKind::AnnouncedDespiteLock(_))
    };
    let overridden = |kind: &EffectDeviationKind| matches!(kind, EffectDeviationKind::Overridden(_));
    if case.departs(&slot, time_ms, despite) != (receipt.flags & FLAG_DESPITE_LOCK != 0) {
        return Err("a report despite a lock is not marked so, or another one is");
    }
    // What a transaction says besides may make a guard hold after it was judged.
    if alone && case.departs(&slot, time_ms, overridden) && receipt.flags & FLAG_OVERRIDDEN == 0 {
        return Err("an announcement is recorded past a guard that nobody overrode");
    }
    Ok(())
}
