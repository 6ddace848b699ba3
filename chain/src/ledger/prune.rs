//! What goes below a height once a snapshot of it is served: certificates and the bytes of refused items. Headers,
//! payloads, signatures and receipts stay, and with them all that a live case, an outcome or a snapshot needs (docs/
//! FORMATS.md A.6). A bounded number of rows goes with each commit, in its batch; it must never touch what is above the
//! height it was given.

use bincode::{Decode, Encode};

use super::stored::{BlockRow, TransactionRow, damaged, item_row, transaction_row};
use crate::ids::Height;
use crate::query;
use crate::receipt::Code;
use crate::rows;
use crate::storage::{Batch, Family, Read, StoreError};

const PRUNED: &[u8] = b"pruned";
/// Rows looked at with one commit, besides twice those that it writes itself: pruning always catches up.
const ROWS: usize = 256;

/// How far pruning is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Pruned {
    /// Lowest height whose body is stored in full.
    pub(crate) bodies_from: Height,
    /// The block that is looked at next; below it everything that goes is gone.
    height: Height,
    /// Its transaction that is looked at next.
    index: u32,
}

impl Default for Pruned {
    fn default() -> Self {
        Self::all_below(1)
    }
}

impl Pruned {
    /// Nothing that goes is left below a height.
    pub(crate) fn all_below(height: Height) -> Self {
        Self { bodies_from: height, height, index: 0 }
    }
    /// As stored.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn load(read: &dyn Read) -> Result<Self, StoreError> {
        Ok(rows::get(read, Family::Meta, PRUNED)?.unwrap_or_default())
    }
    /// Writes it.
    pub(crate) fn put(&self, batch: &mut Batch) {
        rows::put(batch, Family::Meta, PRUNED.to_vec(), self);
    }
    /// Prunes a bounded number of rows below a height; `written` is how many transactions the commit brings.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn step(read: &dyn Read, below: Height, written: usize, batch: &mut Batch) -> Result<(), StoreError> {
        let before = Self::load(read)?;
        let mut pruned = Self { bodies_from: before.bodies_from.max(below), ..before };
        let mut left = written.saturating_mul(2).saturating_add(ROWS);
        while pruned.height < pruned.bodies_from && left > 0 {
            pruned.block(read, &mut left, batch)?;
        }
        if pruned != before {
            pruned.put(batch);
        }
        Ok(())
    }
    /// Prunes of one block as much as may be looked at.
    fn block(&mut self, read: &dyn Read, left: &mut usize, batch: &mut Batch) -> Result<(), StoreError> {
        let key = self.height.to_be_bytes();
        let row: Option<BlockRow> = rows::get(read, Family::Blocks, &key)?;
        let row = row.ok_or_else(|| damaged(Family::Blocks, format!("height {} is gone", self.height)))?;
        if self.index == 0 {
            rows::put(batch, Family::Blocks, key.to_vec(), &BlockRow { certificate: Vec::new(), ..row.clone() });
        }
        *left = left.saturating_sub(1);
        while self.index < row.transactions && *left > 0 {
            let found: Option<TransactionRow> =
                rows::get(read, Family::Blocks, &transaction_row(self.height, self.index))?;
            let found = found
                .ok_or_else(|| damaged(Family::Blocks, format!("a transaction of height {} is gone", self.height)))?;
            let (_, receipts) = query::bare_of(&found)?;
            // Refused ones alone. An accepted one is a case's, or the network's own if its revision is 0; a snapshot
            // brings both, so both must stay.
            for (item, _) in receipts.iter().enumerate().filter(|(_, receipt)| receipt.code != Code::Accepted) {
                batch.delete(Family::Items, item_row(self.height, self.index, item));
            }
            self.index = self.index.saturating_add(1);
            *left = left.saturating_sub(1);
        }
        if self.index >= row.transactions {
            (self.height, self.index) = (self.height.saturating_add(1), 0);
        }
        Ok(())
    }
}
