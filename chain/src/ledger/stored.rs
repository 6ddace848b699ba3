//! What a committed block and the tip look like as rows, and their keys. Read by the program that wrote them, never
//! hashed, signed or sent.

use std::sync::Arc;

use bincode::{Decode, Encode};

use super::Tip;
use crate::block::Block;
use crate::certificate::Certificate;
use crate::codec::{decode, encode};
use crate::execute::Outcome;
use crate::header::Header;
use crate::ids::Height;
use crate::index::inbox::{self, DUE_LEAST, DueRow};
use crate::receipt::receipts_bytes;
use crate::registry::Registry;
use crate::rows;
use crate::state::order::ProposerOrder;
use crate::storage::{Batch, Family, Read, StoreError};
use crate::transaction::SignedTransaction;

#[derive(Debug, Clone, Encode, Decode)]
struct TipRow {
    header: Vec<u8>,
    certificate: Option<Vec<u8>>,
    order: Vec<u8>,
}

/// Header, certificate and number of transactions of a stored block; the certificate is empty once pruned.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct BlockRow {
    pub(crate) header: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
    pub(crate) transactions: u32,
}

/// A transaction as stored: all but its items, and its receipts.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct TransactionRow {
    /// Canonical bytes of the transaction without its items.
    pub(crate) signed: Vec<u8>,
    /// Canonical bytes of the list of receipts.
    pub(crate) receipts: Vec<u8>,
}

/// The row of the tip.
pub(crate) const TIP: &[u8] = b"tip";

pub(super) fn damaged(family: Family, what: impl ToString) -> StoreError {
    StoreError::Damaged { family: family.name(), what: what.to_string() }
}

/// The tip of a store or of a snapshot of it, with the registry that follows on one of any earlier state: genesis's, or
/// better the last one known.
///
/// # Errors
/// The store failed or has no tip.
pub fn stored_tip(read: &dyn Read, registry: &Arc<Registry>) -> Result<(Tip, ProposerOrder), StoreError> {
    let registry = registry.following(read)?;
    let row: TipRow = rows::get(read, Family::Meta, TIP)?.ok_or_else(|| damaged(Family::Meta, "no tip"))?;
    let header: Header = decode(&row.header).map_err(|error| damaged(Family::Meta, error))?;
    let certificate = row.certificate.as_deref().map(decode).transpose();
    let next_height = header.height.saturating_add(1);
    let order: ProposerOrder = decode(&row.order).map_err(|error| damaged(Family::Meta, error))?;
    let tip = Tip {
        id: header.id(),
        header,
        certificate: certificate.map_err(|error| damaged(Family::Meta, error))?,
        validators: registry.validators.clone(),
        order: order.next(&registry.validators),
        parameters: registry.parameters,
        next_due_ms: due_at(&registry, next_due(read, &registry, &DUE_LEAST)?, next_height),
        registry,
    };
    Ok((tip, order))
}

/// What becomes due first, where no due row stands before `from`.
pub(super) fn next_due(read: &dyn Read, registry: &Registry, from: &DueRow) -> Result<Option<DueRow>, StoreError> {
    if registry.protocol < 2 { Ok(None) } else { inbox::next_due(read, from) }
}

/// When something becomes due first, for the block of a height; cases that wait to be counted anew are due at once, and
/// so is what was adopted and begins with that block.
pub(super) fn due_at(registry: &Registry, next_due: Option<DueRow>, height: Height) -> Option<u64> {
    let register = &registry.register;
    if registry.protocol >= 2 && (register.recount.is_some() || register.begins_at(height)) {
        return Some(0);
    }
    next_due.map(|(due_ms, _)| due_ms)
}

pub(crate) fn put_tip(batch: &mut Batch, header: &Header, certificate: Option<&Certificate>, order: &ProposerOrder) {
    let row = TipRow { header: encode(header), certificate: certificate.map(encode), order: encode(order) };
    rows::put(batch, Family::Meta, TIP.to_vec(), &row);
}

/// Writes a decided block: header and certificate, transactions with receipts, and each item by itself.
pub(super) fn put_block(
    batch: &mut Batch,
    block: &Block,
    certificate: &Certificate,
    outcomes: &[Outcome],
) -> Result<(), StoreError> {
    let height = block.header.height;
    let count = block.body.transactions.len();
    let row = BlockRow {
        header: encode(&block.header),
        certificate: encode(certificate),
        transactions: u32::try_from(count).map_err(|error| damaged(Family::Blocks, error))?,
    };
    rows::put(batch, Family::Blocks, height.to_be_bytes().to_vec(), &row);
    for (index, (signed, outcome)) in block.body.transactions.iter().zip(outcomes).enumerate() {
        let index = u32::try_from(index).map_err(|error| damaged(Family::Blocks, error))?;
        for (item_index, item) in signed.items.iter().enumerate() {
            if let Some(bytes) = item {
                batch.put(Family::Items, item_row(height, index, item_index), bytes.clone());
            }
        }
        let bare = SignedTransaction {
            payload: signed.payload.clone(),
            signatures: signed.signatures.clone(),
            items: vec![None; signed.items.len()],
        };
        let row = TransactionRow { signed: encode(&bare), receipts: receipts_bytes(&outcome.receipts) };
        rows::put(batch, Family::Blocks, transaction_row(height, index), &row);
    }
    Ok(())
}

pub(crate) fn transaction_row(height: Height, index: u32) -> Vec<u8> {
    [height.to_be_bytes().as_slice(), &index.to_be_bytes()].concat()
}

pub(crate) fn item_row(height: Height, index: u32, item: usize) -> Vec<u8> {
    let item = u16::try_from(item).unwrap_or(u16::MAX);
    [transaction_row(height, index).as_slice(), &item.to_be_bytes()].concat()
}
