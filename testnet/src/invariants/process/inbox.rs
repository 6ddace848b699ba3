//! What waits for whom, by the model, held against a node's rows: an effect stands in the inbox of everyone it is for, as
//! long as it is to be done or acknowledged, and in nobody else's. Must never ask the ledger's own fold.

use std::collections::BTreeSet;

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::CaseId;
use laufzettel_chain::query::{Inbox, inbox};
use laufzettel_chain::storage::StoreError;
use laufzettel_contracts::AuthorityId;
use laufzettel_contracts::effect::{Addressee, EffectId, EffectKind, TaskState};

use super::case::Case;
use crate::invariants::{Held, Inboxed, Verdict};

/// By list, authority, case and effect.
type Waits = BTreeSet<(Inbox, String, CaseId, EffectId)>;

/// Holds a node's inboxes against the cases of the model.
pub(super) fn compare<'c>(
    genesis: &Genesis,
    one: &Held<'_>,
    cases: impl Iterator<Item = (&'c CaseId, &'c Case)>,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let expected = expected(cases);
    let mut found = Waits::new();
    for authority in genesis.registry.authorities.keys() {
        for list in [Inbox::Tasks, Inbox::Notices] {
            let rows = inbox(one.read, authority, list, None, usize::MAX)?;
            found.extend(rows.into_iter().map(|row| (list, authority.clone(), row.case, row.effect)));
        }
    }
    verdict.waiting = found.len() as u64;
    for (list, authority, case, effect) in expected.difference(&found) {
        let what = name(&effect.0);
        verdict.violated(format!("{}: {what} of {case} is not told to {authority} ({list:?})", one.node));
    }
    for (list, authority, case, effect) in found.difference(&expected) {
        let what = name(&effect.0);
        verdict.violated(format!("{}: {what} of {case} is told to {authority} ({list:?}) for nothing", one.node));
    }
    Ok(())
}

/// Holds what a feed of an inbox had delivered, and not taken back, by a height.
pub(super) fn seen<'c>(seen: &Inboxed, cases: impl Iterator<Item = (&'c CaseId, &'c Case)>, verdict: &mut Verdict) {
    let Inboxed { authority, height, held } = seen;
    let waits = expected(cases);
    let waits = waits.iter().filter(|(_, of, ..)| of == authority).map(|(_, _, case, effect)| (*case, *effect));
    let waits: BTreeSet<(CaseId, EffectId)> = waits.collect();
    for (case, effect) in waits.difference(held) {
        let what = name(&effect.0);
        verdict
            .violated(format!("the inbox feed of {authority} has not delivered {what} of {case} by height {height}"));
    }
    for (case, effect) in held.difference(&waits) {
        let what = name(&effect.0);
        verdict
            .violated(format!("the inbox feed of {authority} has not taken back {what} of {case} by height {height}"));
    }
}

/// All that waits for anybody.
fn expected<'c>(cases: impl Iterator<Item = (&'c CaseId, &'c Case)>) -> Waits {
    let mut expected = Waits::new();
    for (id, case) in cases {
        tasks(id, case, &mut expected);
        notices(id, case, &mut expected);
    }
    expected
}

/// An effect's name, for people.
pub(super) fn name(id: &[u8; 16]) -> String {
    format!("effect {}", id.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The authority meant; while nobody is known, all that hold the role.
fn meant(case: &Case, addressee: &Addressee) -> Vec<AuthorityId> {
    match &addressee.authority {
        Some(authority) => vec![authority.clone()],
        None => case.setting.directory.holders(&addressee.role).cloned().collect(),
    }
}

fn tasks(id: &CaseId, case: &Case, expected: &mut Waits) {
    for task in case.effects.tasks.iter().filter(|task| task.state == TaskState::Open) {
        for authority in meant(case, &task.addressee) {
            expected.insert((Inbox::Tasks, authority.to_string(), *id, task.origin.id));
        }
    }
}

/// Notices that are not acknowledged; that a lock which stood has gone without having been released; that one stands again.
fn notices(id: &CaseId, case: &Case, expected: &mut Waits) {
    let given = case.effects.notices.iter().map(|notice| (notice.origin.id, notice.recipients.clone()));
    let gone = case.memory.past.iter().filter(|(_, past)| past.kind == EffectKind::Lock && past.stood);
    let gone = gone.filter(|(_, past)| past.withdrawn_ms.is_some() || past.again_ms.is_some());
    let gone = gone.map(|(id, past)| (*id, past.told.iter().cloned().collect()));
    for (effect, told) in given.chain(gone) {
        let acknowledged = case.memory.past.get(&effect).map(|past| &past.acknowledged);
        for authority in told.iter().flat_map(|one| meant(case, one)) {
            if acknowledged.is_none_or(|all| !all.contains_key(&authority)) {
                expected.insert((Inbox::Notices, authority.to_string(), *id, effect));
            }
        }
    }
}
