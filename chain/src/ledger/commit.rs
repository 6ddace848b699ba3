//! The commit of a decided block: one synced batch, then the tip moves. Whoever
//! has the next decided block at hand executes it while this one is being
//! written. Must never show a tip that is not durable.

use std::sync::Arc;

use super::prune::Pruned;
use super::{CHECKED_ALONE, Ledger, Tip, ValidateError, stored};
use crate::block::Block;
use crate::certificate::Certificate;
use crate::execute::Executed;
use crate::ids::CaseId;
use crate::index::inbox::{DueRow, first_due_of};
use crate::limits;
use crate::state::case::OpenCase;
use crate::state::order::ProposerOrder;
use crate::storage::layered::Layered;
use crate::storage::{Batch, Durability, Read, StoreError};
use crate::tree;

/// What a block leaves in memory.
struct Left {
    order: ProposerOrder,
    governed: bool,
    due_from: DueRow,
    cases: Vec<(CaseId, Arc<OpenCase>)>,
}

/// The ledger as it is once the block that is being written is durable.
pub struct Ahead<'a> {
    ledger: &'a mut Ledger,
    read: &'a dyn Read,
}

impl Ahead<'_> {
    /// As [`Ledger::validate_decided`], on top of the block that is being written.
    ///
    /// # Errors
    /// The block is invalid there, or the store failed.
    pub fn validate_decided(&mut self, block: &Block) -> Result<Executed, ValidateError> {
        self.ledger.validate_on(self.read, block, false)
    }
}

impl Ledger {
    /// Makes a decided block durable, in one synced batch with the given
    /// writes, and moves the tip. Durable first, visible second.
    ///
    /// # Errors
    /// The store failed; the process must end.
    pub fn commit(
        &mut self,
        block: &Block,
        executed: Executed,
        certificate: &Certificate,
        with: Batch,
    ) -> Result<Arc<Tip>, StoreError> {
        let (batch, mut left) = self.leave(block, executed, certificate, with)?;
        let (store, cases, changed) = (self.store.clone(), &mut self.cases, std::mem::take(&mut left.cases));
        let write = || store.write(&batch, Durability::Synced);
        // Nobody sees the cases before the block is durable, so they are put in their places meanwhile.
        let written = if changed.len() > CHECKED_ALONE {
            rayon::join(write, || cases.put_all(changed)).0
        } else {
            write().inspect(|()| cases.put_all(changed))
        };
        if let Err(error) = written {
            cases.clear();
            return Err(error);
        }
        self.move_tip(store.as_ref(), block, certificate, left)?;
        Ok(self.tip.clone())
    }
    /// As [`Ledger::commit`], and does something on top of the block while it is being written: with what the block
    /// leaves, which nobody else sees before it is durable.
    ///
    /// # Errors
    /// The store failed; the process must end.
    pub fn commit_meanwhile<T: Send>(
        &mut self,
        (block, executed, certificate): (&Block, Executed, &Certificate),
        with: Batch,
        meanwhile: impl FnOnce(Ahead<'_>) -> T + Send,
    ) -> Result<(Arc<Tip>, T), StoreError> {
        let (batch, mut left) = self.leave(block, executed, certificate, with)?;
        let (store, before) = (self.store.clone(), (self.tip.clone(), self.order.clone(), self.due_from));
        let go_on = || {
            let read = Layered::new(store.as_ref(), &batch);
            self.cases.put_all(std::mem::take(&mut left.cases));
            self.move_tip(&read, block, certificate, left)?;
            Ok(meanwhile(Ahead { ledger: self, read: &read }))
        };
        let (written, done) = rayon::join(|| store.write(&batch, Durability::Synced), go_on);
        match written.and(done) {
            Ok(done) => Ok((self.tip.clone(), done)),
            Err(error) => {
                (self.tip, self.order, self.due_from) = before;
                self.cases.clear();
                Err(error)
            }
        }
    }
    /// All rows of a commit, and what it leaves besides.
    fn leave(
        &self,
        block: &Block,
        executed: Executed,
        certificate: &Certificate,
        with: Batch,
    ) -> Result<(Batch, Left), StoreError> {
        let height = block.header.height;
        let Executed { mut batch, outcomes, order, cases, governed, .. } = executed;
        stored::put_block(&mut batch, block, certificate, &outcomes)?;
        if !self.archive {
            tree::prune(self.store.as_ref(), height.saturating_sub(limits::TREE_VERSIONS_KEPT), &mut batch)?;
            Pruned::step(self.store.as_ref(), self.prune_below, block.body.transactions.len(), &mut batch)?;
        }
        stored::put_tip(&mut batch, &block.header, Some(certificate), &order);
        batch.append(with);
        let due_from = first_due_of(&batch).map_or(self.due_from, |first| first.min(self.due_from));
        Ok((batch, Left { order, governed, due_from, cases }))
    }
    /// Stands on a block whose rows are read here.
    fn move_tip(
        &mut self,
        read: &dyn Read,
        block: &Block,
        certificate: &Certificate,
        left: Left,
    ) -> Result<(), StoreError> {
        let registry = if left.governed { self.tip.registry.following(read)? } else { self.tip.registry.clone() };
        if registry.calendars_since != self.tip.registry.calendars_since {
            // What is kept was counted by the ones before.
            self.cases.clear();
        }
        let next_due = stored::next_due(read, &registry, &left.due_from)?;
        self.due_from = next_due.unwrap_or(left.due_from);
        self.tip = Arc::new(Tip {
            header: block.header.clone(),
            id: block.id(),
            certificate: Some(certificate.clone()),
            validators: registry.validators.clone(),
            order: left.order.next(&registry.validators),
            parameters: registry.parameters,
            next_due_ms: stored::due_at(&registry, next_due, block.header.height.saturating_add(1)),
            registry,
        });
        self.order = left.order;
        self.verified.forget(block.body.transactions.iter().map(|signed| signed.payload_digest()));
        Ok(())
    }
}
