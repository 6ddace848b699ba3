//! The process that hurries (`fast.toml`), and what its rules make: the same in simulations, under torture and in
//! stories. Must never be taken for law.

use laufzettel_chain::ids::{CaseId, ItemDigest};
use laufzettel_chain::item::Action;
use laufzettel_chain::state::effects::effect_id;
use laufzettel_contracts::effect::{Cause, EffectId};
use laufzettel_contracts::{AuthorityId, Code, NameError, Report, Slot, Value, When};

/// The definition's text.
pub(crate) const TEXT: &str = include_str!("fast.toml");
/// Its name.
pub(crate) const ID: &str = "fast";

/// Opens a case under it.
pub(crate) fn opens() -> Action {
    opens_under(1)
}

/// Opens a case under a version of it.
pub(crate) fn opens_under(version: u32) -> Action {
    Action::OpenCase { definition: ID.to_owned(), version }
}

/// A report of an instant.
pub(crate) fn at(status: &str, ms: u64) -> Result<Report, NameError> {
    Ok(Report::new(Code::new(status)?, When::Instant(ms)))
}

/// A report of a day.
pub(crate) fn on(status: &str, day: i32) -> Result<Report, NameError> {
    Ok(Report::new(Code::new(status)?, When::Day(day)))
}

/// That an authority is competent from a day on.
pub(crate) fn competent(authority: &str, day: i32) -> Result<Report, NameError> {
    let mut report = on("competence_changed", day)?;
    report.attributes.insert(Code::new("new_authority")?, Value::Authority(AuthorityId::new(authority)?));
    Ok(report)
}

/// A decision.
pub(crate) fn decision(outcome: &str, ms: u64) -> Result<Report, NameError> {
    Ok(Report { outcome: Some(Code::new(outcome)?), ..at("decision_issued", ms)? })
}

/// What names the report that an item of an authority makes.
pub(crate) fn slot(authority: &str, item: &[u8]) -> Slot {
    ItemDigest::of(item).slot(authority)
}

fn made(case: &CaseId, rule: &str, cause: Cause, occurrence: u32) -> Result<EffectId, NameError> {
    Ok(effect_id(case, &Code::new(rule)?, &cause, occurrence))
}

/// What a motion brings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    pub(crate) examination: EffectId,
    pub(crate) task: EffectId,
    pub(crate) notice: EffectId,
    pub(crate) lock: EffectId,
    /// Opened if nobody acknowledges the notice.
    pub(crate) phone: EffectId,
    /// Opened if nobody decides in time.
    pub(crate) check: EffectId,
}

impl Stop {
    /// Of the motion that this report makes.
    pub(crate) fn of(case: &CaseId, motion: Slot) -> Result<Self, NameError> {
        let made_by_motion = |occurrence| made(case, "stop", Cause::Report(motion), occurrence);
        let (examination, notice) = (made_by_motion(0)?, made_by_motion(2)?);
        Ok(Self {
            examination,
            task: made_by_motion(1)?,
            notice,
            lock: made_by_motion(3)?,
            phone: made(case, "escalate", Cause::Effect(notice), 0)?,
            check: made(case, "overdue", Cause::Effect(examination), 0)?,
        })
    }
}

/// The alarm that a removal despite a lock raises.
pub(crate) fn alarm(case: &CaseId, removal: Slot) -> Result<EffectId, NameError> {
    made(case, "despite", Cause::Report(removal), 0)
}
