//! Admission: whether a transaction is valid at this time, and what the mempool needs to know of it. Must never promise that
//! a block will take it.

use std::sync::Arc;

use laufzettel_chain::check::{CheckError, Judge, Refusal as Unfit};
use laufzettel_chain::item::{Action as ItemAction, Item};
use laufzettel_chain::receipt::Code;
use laufzettel_chain::registry::Registry;
use laufzettel_chain::storage::StoreError;
use laufzettel_chain::transaction::{SignedTransaction, Transaction};
use laufzettel_contracts::Definition;

use crate::consensus::{AdmittedInfo, FinalOutcome, Refusal, RefusalReason};

/// Admission: all that makes a transaction valid at this time, and what the
/// mempool needs to know of it.
///
/// # Errors
/// The store failed.
pub fn admit(judge: &Judge<'_>, signed: &Arc<SignedTransaction>) -> Result<Result<AdmittedInfo, Refusal>, StoreError> {
    match judge.check(signed) {
        Ok(transaction) => Ok(match refused_evidence(judge, signed, &transaction)? {
            Some(code) => Err(Refusal::new(RefusalReason::Admission(code.reason().to_owned()))),
            None => Ok(admitted(judge, &transaction)),
        }),
        Err(CheckError::Refused(refusal)) => Ok(Err(refused(signed, &refusal))),
        Err(CheckError::Store(error)) => Err(error),
    }
}

fn admitted(judge: &Judge<'_>, transaction: &Transaction) -> AdmittedInfo {
    AdmittedInfo {
        authority: transaction.payload.authority.clone(),
        id: transaction.payload.id,
        payload_digest: transaction.digest,
        valid_until_ms: transaction.payload.valid_until_ms,
        urgent: is_urgent(judge, transaction),
        lock_capable: is_lock_capable(judge.registry, transaction),
        evidence: is_evidence(transaction),
    }
}

fn is_evidence(transaction: &Transaction) -> bool {
    let evidence = |item: &Option<Item>| matches!(item, Some(Item { action: ItemAction::Evidence(_), .. }));
    transaction.items.iter().all(evidence)
}

/// Every node that sees a contradiction reports it: what is recorded by now, or proves nothing, needs no block.
fn refused_evidence(
    judge: &Judge<'_>,
    signed: &SignedTransaction,
    transaction: &Transaction,
) -> Result<Option<Code>, StoreError> {
    if is_evidence(transaction) { judge.foretell(signed, transaction) } else { Ok(None) }
}

/// Whether a status that a transaction reports is, in one of the definitions, as asked.
fn reports_one(
    registry: &Registry,
    transaction: &Transaction,
    asked: impl Fn(&Definition, &laufzettel_contracts::Code) -> bool,
) -> bool {
    transaction.items.iter().flatten().any(|item| match &item.action {
        ItemAction::Report(report) | ItemAction::Correct { report, .. } => {
            registry.definitions.values().any(|definition| asked(definition, &report.status))
        }
        ItemAction::OpenCase { .. }
        | ItemAction::Retract { .. }
        | ItemAction::CompleteTask { .. }
        | ItemAction::Acknowledge { .. }
        | ItemAction::ClearanceCheck { .. }
        | ItemAction::Propose(_)
        | ItemAction::Vote { .. }
        | ItemAction::Evidence(_) => false,
    })
}

fn is_urgent(judge: &Judge<'_>, transaction: &Transaction) -> bool {
    reports_one(judge.registry, transaction, |definition, status| {
        definition.status(status.as_str()).is_some_and(|status| status.urgent)
    })
}

/// Whether it may set a lock or bring one back: what is pending of such, beats tell. Of what a correction or retraction
/// takes away only the slot is named, so each may.
pub(crate) fn is_lock_capable(registry: &Registry, transaction: &Transaction) -> bool {
    let takes_away = |item: &Item| matches!(item.action, ItemAction::Correct { .. } | ItemAction::Retract { .. });
    let has_locks = |definition: &Arc<Definition>| !definition.rules().locks.is_empty();
    reports_one(registry, transaction, |definition, status| definition.rules().may_lock(status))
        || transaction.items.iter().flatten().any(takes_away) && registry.definitions.values().any(has_locks)
}

fn refused(signed: &SignedTransaction, unfit: &Unfit) -> Refusal {
    match unfit {
        Unfit::Repeated { height, index } => {
            let mut refusal = Refusal::new(RefusalReason::AlreadyExists);
            let earlier = signed.decode().ok().map(|transaction| FinalOutcome {
                authority: transaction.payload.authority,
                id: transaction.payload.id,
                payload_digest: transaction.digest,
                height: *height,
                index: *index,
            });
            refusal.earlier = earlier.map(Box::new);
            refusal
        }
        Unfit::IdTaken { .. } => Refusal::new(RefusalReason::AlreadyExists),
        other => Refusal::new(RefusalReason::Admission(other.reason().to_owned())),
    }
}
