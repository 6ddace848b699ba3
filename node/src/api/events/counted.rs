//! Numbers and receipts, as far as they are their reader's: what counts all items of a case is told to who sees every
//! report of its process, and of another's item that is not shown no more than that it was applied or refused. Must never
//! tell by a number that there is something which is not shown.

use laufzettel_chain::ids::{CaseId, Height};
use laufzettel_chain::index;
use laufzettel_chain::item::Item;
use laufzettel_chain::ledger::{PROTOCOL_VERSION_MAX, Tip};
use laufzettel_chain::query;
use laufzettel_chain::receipt::Receipt;
use laufzettel_chain::registry::Registry;
use laufzettel_chain::storage::{Read, StoreError};
use laufzettel_contracts::{Code, Definition, Position, Sight, Status};
use laufzettel_proto::v1;

use super::{Known, Sights, convert, has_rules, subject};
use crate::api::backend::Outcome;
use crate::api::effects::Reader;
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
        let definition = known.definition.clone();
        let whole = match extent(registry, &reader, &definition) {
            Extent::Never => false,
            Extent::Always => true,
            Extent::ByCase => {
                let holders = match known.holders.take() {
                    Some(holders) => holders,
                    None => subject::holders(read, registry, case, time_ms)?,
                };
                let eye = reader.eye();
                let sight = Sight::new(&definition, &holders, &eye);
                let whole = on_the_ledger(&definition).all(|status| sight.status(status));
                known.holders = Some(holders);
                whole
            }
        };
        known.whole = Some(whole);
        Ok(whole)
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
    // Mostly that needs no look at the cases.
    let all = tip.registry.definitions.values().map(|definition| extent(&tip.registry, &sights.reader, definition));
    let extents: Vec<Extent> = all.collect();
    let always = extents.iter().all(|extent| *extent == Extent::Always);
    let never = extents.iter().all(|extent| *extent == Extent::Never);
    let mut receipts = Vec::with_capacity(message.receipts.len());
    for (item, receipt) in (0_u16..).zip(std::mem::take(&mut message.receipts)) {
        let at = Position { height: message.height, transaction: message.index, item };
        let bytes = if always || never { None } else { query::item_bytes(read, &at)? };
        receipts.push(if always { receipt } else { sights.receipt(receipt, bytes.as_deref())? });
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

/// In which cases of a process a reader sees every report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Never,
    Always,
    /// It hangs on who holds which role in the case.
    ByCase,
}

fn extent(registry: &Registry, reader: &Reader<'_>, definition: &Definition) -> Extent {
    let eye = reader.eye();
    if !on_the_ledger(definition).all(|status| eye.may_see(status)) {
        return Extent::Never;
    }
    let certain = |status| is_certain(registry, reader, status);
    if !has_rules(definition) || on_the_ledger(definition).all(certain) { Extent::Always } else { Extent::ByCase }
}

/// Whether a status is the reader's in every case: nobody else can turn out to hold a role in a case than who alone holds
/// it in the network.
pub(super) fn is_certain(registry: &Registry, reader: &Reader<'_>, status: &Status) -> bool {
    let only = |role: &Code| registry.directory.only_holder(role).is_some_and(|only| only.as_str() == reader.authority);
    let mut roles = status.reported_by.iter().chain(&status.recipients);
    roles.any(|role| reader.roles.contains(role) && only(role))
}

/// The statuses that stand on the ledger: of a restricted one only its class does.
fn on_the_ledger(definition: &Definition) -> impl Iterator<Item = &Status> {
    definition.statuses().iter().filter(|status| status.ledger_as.is_none())
}
