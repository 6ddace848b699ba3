//! Numbers and receipts, as far as they are their reader's: what counts all items of a case is told to who sees every
//! report of its process, and of another's item that is not shown no more than that it was applied or refused. Must never
//! tell by a number that there is something which is not shown.

use std::sync::Arc;

use laufzettel_chain::ids::{CaseId, Height};
use laufzettel_chain::index;
use laufzettel_chain::item::Item;
use laufzettel_chain::ledger::{PROTOCOL_VERSION_MAX, Tip};
use laufzettel_chain::query;
use laufzettel_chain::receipt::Receipt;
use laufzettel_chain::storage::{Read, StoreError};
use laufzettel_contracts::{Definition, Position, Sight};
use laufzettel_proto::v1;

use super::{Known, Sights, convert, has_rules, subject};
use crate::api::backend::Outcome;
use crate::api::subject::Subject;

impl Sights<'_> {
    /// The newest event of a case up to a height that the reader sees, its height and block time; none if it sees none.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::api) fn newest(
        &mut self,
        subject: &Subject,
        height: Height,
    ) -> Result<Option<(Height, u64)>, StoreError> {
        let (row, definition) = (&subject.row, subject.definition().clone());
        let holders = Some(subject.holders().clone());
        let known = Known { definition, version: row.version, opened: row.opened, holders, first: None, whole: None };
        self.cases.insert(subject.id, Some(known));
        let all = index::of_case(self.read, &subject.id, 0, usize::MAX)?;
        for (revision, position) in all.into_iter().rev().filter(|(_, position)| position.height <= height) {
            let event = query::event(self.read, &position, revision)?;
            if self.shown(subject.id, &event)?.is_some() {
                return Ok(Some((position.height, event.time_ms)));
            }
        }
        Ok(None)
    }

    /// Whether the reader may know how many items a case has: who sees every report that its process knows.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::api) fn counts(&mut self, case: &CaseId) -> Result<bool, StoreError> {
        let (read, registry, time_ms, reader) = (self.read, self.registry, self.time_ms, self.reader.clone());
        let Some(known) = self.known(case)? else { return Ok(false) };
        if let Some(whole) = known.whole {
            return Ok(whole);
        }
        let (definition, eye) = (known.definition.clone(), reader.eye());
        let whole = if !has_rules(&definition) || !may_see_all(&definition, &eye) {
            may_see_all(&definition, &eye)
        } else {
            let holders = match known.holders.take() {
                Some(holders) => holders,
                None => subject::holders(read, registry, case, time_ms)?,
            };
            let sight = Sight::new(&definition, &holders, &eye);
            let mut all = definition.statuses().iter().filter(|status| status.ledger_as.is_none());
            let whole = all.all(|status| sight.status(status));
            known.holders = Some(holders);
            whole
        };
        known.whole = Some(whole);
        Ok(whole)
    }

    /// Whether there is any process of which the reader sees every report. If not, nothing is counted for it.
    pub(in crate::api) fn may_count(&self) -> bool {
        let eye = self.reader.eye();
        self.registry.definitions.values().any(|definition: &Arc<Definition>| may_see_all(definition, &eye))
    }

    /// The receipt of an item that is shown to the reader.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::api) fn receipt(
        &mut self,
        receipt: v1::Receipt,
        item: Option<&[u8]>,
    ) -> Result<v1::Receipt, StoreError> {
        let case = || Item::decode_in(item?, PROTOCOL_VERSION_MAX).ok()?.case;
        let told = receipt.case_revision == 0 || case().map(|case| self.counts(&case)).transpose()?.unwrap_or(false);
        Ok(if told { receipt } else { v1::Receipt { case_revision: 0, ..receipt } })
    }
}

/// What became of a transaction, as its author is told.
///
/// # Errors
/// The store failed.
pub(in crate::api) fn outcome(read: &dyn Read, tip: &Tip, outcome: Outcome) -> Result<v1::Outcome, StoreError> {
    let mut message = convert::outcome(outcome);
    let mut sights = Sights::new(read, &tip.registry, &message.authority, tip.header.time_ms);
    let (counts, mut receipts) = (sights.may_count(), Vec::with_capacity(message.receipts.len()));
    for (item, receipt) in (0_u16..).zip(std::mem::take(&mut message.receipts)) {
        let at = Position { height: message.height, transaction: message.index, item };
        let bytes = if counts { query::item_bytes(read, &at)? } else { None };
        receipts.push(sights.receipt(receipt, bytes.as_deref())?);
    }
    drop(sights);
    message.receipts = receipts;
    Ok(message)
}

/// What everyone is told of an item that is not for him.
pub(in crate::api) fn bare_receipt(receipt: &Receipt) -> v1::Receipt {
    let v1::Receipt { item_digest, applied, .. } = convert::receipt(receipt);
    v1::Receipt { item_digest, applied, ..v1::Receipt::default() }
}

/// Whether a reader has a role that each status of a process names, so far as it stands on the ledger.
fn may_see_all(definition: &Definition, eye: &laufzettel_contracts::Reader<'_>) -> bool {
    let mut all = definition.statuses().iter().filter(|status| status.ledger_as.is_none());
    all.all(|status| eye.may_see(status))
}
