//! What execution does for cases of language 2: judges announcements by the locks and guards that stood before their
//! transaction, answers clearance checks, and marks receipts. Must never refuse a fact.

use std::collections::BTreeSet;
use std::sync::Arc;

use laufzettel_contracts::effect::{Candidate, EffectDeviationKind, Stop};
use laufzettel_contracts::{AuthorityId, Report, Slot};

use super::{Execution, Refused};
use crate::ids::{CaseId, KeyId};
use crate::index::inbox::due_until;
use crate::item::{Action, Item, Override};
use crate::limits;
use crate::receipt::{
    ANSWER_LOCKED, ANSWER_NO_LOCK, Code, FLAG_DESPITE_LOCK, FLAG_DEVIATION, FLAG_OVERRIDDEN, Receipt,
};
use crate::registry::Registry;
use crate::state::case::OpenCase;
use crate::state::effects::{Living, guard_id};
use crate::storage::StoreError;
use crate::transaction::Transaction;

/// Cases in which something is due that are got at once: some of the last ones may be left to the next block.
const DUE_FETCHED: usize = 512;

/// Whether an announcement may be recorded; the guards that are overridden with it.
pub(crate) type Verdict = Result<Vec<laufzettel_contracts::Code>, Refused>;

/// Whether the second person that an item names is one.
pub(crate) fn check_second(registry: &Registry, item: &Item, signed: &[KeyId]) -> Result<(), Code> {
    match &item.over {
        Some(Override { key, .. }) if !registry.is_second(key, signed) => Err(Code::OverrideSigner),
        _ => Ok(()),
    }
}

/// Judges a report or a correction on a case as of the instant its effects were brought to.
pub(crate) fn judge(case: &OpenCase, item: &Item, author: &AuthorityId) -> Verdict {
    let Some((report, corrects)) = reported(&item.action) else { return Ok(Vec::new()) };
    let Some(living) = case.living() else { return Ok(Vec::new()) };
    let reason = item.over.as_ref().map(|over| &over.reason);
    let candidate = Candidate { report, author, corrects, reason };
    living.admit(&case.definition, &case.fold, &candidate).map_err(|stop| refused(report, &stop))
}

fn reported(action: &Action) -> Option<(&Report, Option<&Slot>)> {
    match action {
        Action::Report(report) => Some((report, None)),
        Action::Correct { slot, report } => Some((report, Some(slot))),
        Action::OpenCase { .. }
        | Action::Retract { .. }
        | Action::CompleteTask { .. }
        | Action::Acknowledge { .. }
        | Action::ClearanceCheck { .. }
        | Action::Propose(_)
        | Action::Vote { .. }
        | Action::Evidence(_) => None,
    }
}

fn refused(report: &Report, stop: &Stop) -> Refused {
    let (code, cause) = match stop {
        Stop::Locked { lock, .. } => (Code::Locked, lock.0),
        Stop::Blocked { guard } => (Code::Blocked, guard_id(&report.status, guard)),
        Stop::OverrideUnknown { guard } => (Code::OverrideUnknown, guard_id(&report.status, guard)),
    };
    Refused { code, cause: Some(cause) }
}

/// What folding a case anew costs, in units of the work budget.
pub(super) fn cost(case: &OpenCase) -> u64 {
    let reports = laufzettel_contracts::cost(case.fold.slots());
    if case.living().is_some() { reports.saturating_mul(limits::EFFECTS_WORK) } else { reports }
}

impl Execution<'_> {
    /// Brings forward the cases in which something is due, in the order of when it is and of their ids, as far as the
    /// share of the work goes; at least one. A case that the block touches anyway is brought forward with it.
    /// The work that took.
    pub(super) fn run_due(&mut self) -> Result<u64, StoreError> {
        if self.registry.protocol < 2 {
            return Ok(0);
        }
        let (mut work, mut done) = (0u64, 0usize);
        let most = usize::try_from(limits::DUE_WORK_MAX).unwrap_or(usize::MAX).saturating_add(self.cases.len());
        let all = due_until(self.read, &self.due_from, self.place.time_ms, most)?;
        let mut fetched: BTreeSet<CaseId> = BTreeSet::new();
        for (number, (_, id)) in all.iter().enumerate() {
            if number.is_multiple_of(DUE_FETCHED) {
                let next = all.iter().skip(number).take(DUE_FETCHED).map(|(_, id)| *id);
                fetched = next.filter(|id| !self.cases.contains_key(id)).collect();
                self.fetch(fetched.iter().copied(), false)?;
            }
            let Some(case) = self.case(id)? else { continue };
            let (cost, revision) = (cost(case), case.revision());
            if self.before.get(id).is_none_or(|before| *before != revision) {
                continue;
            }
            if done > 0 && work.saturating_add(cost) > limits::DUE_WORK_MAX {
                break;
            }
            work = work.saturating_add(cost);
            done = done.saturating_add(1);
            self.due.insert(*id);
        }
        // What is left to the next block stays in memory for it.
        fetched.retain(|id| !self.due.contains(id));
        self.give_back(fetched);
        Ok(work)
    }
    /// Judges the items of a transaction by locks and guards, all on the cases as they are before it. Nothing is judged
    /// in protocol version 1.
    pub(super) fn judge_items(
        &mut self,
        transaction: &Transaction,
        author: &AuthorityId,
        keys: &[KeyId],
    ) -> Result<Vec<Verdict>, StoreError> {
        if self.registry.protocol < 2 {
            return Ok(Vec::new());
        }
        let mut verdicts = Vec::with_capacity(transaction.items.len());
        for item in &transaction.items {
            let verdict = match item.as_ref().and_then(|item| Some((item, item.case?))) {
                Some((item, _)) if (self.conduct.spares)(item) => Ok(Vec::new()),
                Some((item, _)) if check_second(self.registry, item, keys).is_err() => Err(Code::OverrideSigner.into()),
                Some((item, id)) if reported(&item.action).is_some() => {
                    self.judge_item(transaction, item, &id, author)?
                }
                _ => Ok(Vec::new()),
            };
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }
    fn judge_item(
        &mut self,
        transaction: &Transaction,
        item: &Item,
        id: &CaseId,
        author: &AuthorityId,
    ) -> Result<Verdict, StoreError> {
        let (registry, time_ms, height) = (self.registry, self.place.time_ms, self.place.height);
        if let Some(case) = self.case(id)? {
            if case.living().is_some() {
                Arc::make_mut(case).bring(time_ms);
            }
            return Ok(judge(case, item, author));
        }
        // It is opened by the transaction itself: nothing has been recorded before.
        let opened = transaction.items.iter().flatten().find_map(|item| match &item.action {
            Action::OpenCase { definition, version } if item.case == Some(*id) => {
                registry.definition(definition, *version)
            }
            _ => None,
        });
        let Some(definition) = opened else { return Ok(Ok(Vec::new())) };
        let mut case = OpenCase::new(definition.clone(), height).within(registry, *id);
        case.bring(time_ms);
        Ok(judge(&case, item, author))
    }
    /// Brings the cases of a transaction up to it, and marks the receipts of its reports.
    pub(super) fn mark(&mut self, transaction: &Transaction, verdicts: &[Verdict], receipts: &mut [Receipt]) {
        let time_ms = self.place.time_ms;
        let none = Ok(Vec::new());
        let verdicts = verdicts.iter().chain(std::iter::repeat(&none));
        for ((item, receipt), verdict) in transaction.items.iter().zip(receipts).zip(verdicts) {
            let Some((item, id)) = item.as_ref().and_then(|item| Some((item, item.case?))) else { continue };
            let slot = match &item.action {
                Action::Report(_) => item.digest.slot(&transaction.payload.authority),
                Action::Correct { slot, .. } => *slot,
                _ => continue,
            };
            let Some(case) = self.cases.get_mut(&id).filter(|_| receipt.code == Code::Accepted) else { continue };
            if case.fold.state().deviations.iter().any(|deviation| deviation.slot == slot) {
                receipt.flags |= FLAG_DEVIATION;
            }
            if case.living().is_some() {
                let case = Arc::make_mut(case);
                case.bring(time_ms);
                receipt.flags |= flags(case, &slot);
                if verdict.as_ref().is_ok_and(|overridden| !overridden.is_empty()) {
                    receipt.flags |= FLAG_OVERRIDDEN;
                }
            }
        }
    }
    /// Whether a lock stands against a status: the receipt's answer. Asks whoever has a role in the case's process.
    pub(super) fn clearance(
        &mut self,
        id: &CaseId,
        status: &laufzettel_contracts::Code,
        author: &AuthorityId,
    ) -> Result<Result<u8, Refused>, StoreError> {
        let (registry, time_ms) = (self.registry, self.place.time_ms);
        let Some(case) = self.case(id)? else { return Ok(Err(Code::CaseUnknown.into())) };
        let roles = registry.roles(author.as_str());
        if !roles.iter().any(|role| case.definition.role(role.as_str()).is_some()) {
            return Ok(Err(Code::RoleNotEntitled.into()));
        }
        if case.definition.status(status.as_str()).is_none() {
            return Ok(Err(Code::StatusUnknown.into()));
        }
        // "No lock is recorded" would be true of it whatever happens, and be read as leave to act.
        if !case.definition.rules().locks.iter().any(|lock| lock.concerns(status)) {
            return Ok(Err(Code::NotLockable.into()));
        }
        if case.living().is_some() {
            Arc::make_mut(case).bring(time_ms);
        }
        let locked = case.living().is_some_and(|living| living.is_locked(&case.definition, status));
        Ok(Ok(if locked { ANSWER_LOCKED } else { ANSWER_NO_LOCK }))
    }
}

/// Flags of a report by what follows from its case.
fn flags(case: &OpenCase, slot: &Slot) -> u16 {
    let effects = case.living().map(Living::effects);
    let own = effects.into_iter().flat_map(|effects| &effects.deviations).filter(|deviation| deviation.slot == *slot);
    own.fold(0, |flags, deviation| {
        let despite = matches!(
            deviation.kind,
            EffectDeviationKind::ExecutedDespiteLock(_) | EffectDeviationKind::AnnouncedDespiteLock(_)
        );
        flags | FLAG_DEVIATION | if despite { FLAG_DESPITE_LOCK } else { 0 }
    })
}
