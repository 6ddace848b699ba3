//! The cases that a block touches: from memory where they are kept, else from
//! the store, on all cores, each as the block of this height finds it. Must
//! never change what the cache holds for others.

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;

use super::Execution;
use super::closed::Closed;
use crate::ids::{CaseId, Height};
use crate::index;
use crate::registry::Registry;
use crate::state::cache::CaseCache;
use crate::state::case::OpenCase;
use crate::storage::StoreError;
use crate::transaction::Transaction;

/// Where an execution finds cases that need not be read.
pub(super) enum Kept<'a> {
    None,
    /// What it changes it clones before: the block may not be decided.
    Shared(&'a CaseCache),
    /// It takes what it needs: the block is decided, and what it changed comes back with it.
    Own(&'a mut CaseCache),
}

impl Kept<'_> {
    fn case(&mut self, id: &CaseId) -> Option<Arc<OpenCase>> {
        match self {
            Self::None => None,
            Self::Shared(cache) => cache.get(id),
            Self::Own(cache) => cache.take(id),
        }
    }
    /// Gives back a case that was got for nothing.
    fn give_back(&mut self, id: CaseId, case: Arc<OpenCase>) {
        if let Self::Own(cache) = self {
            cache.put(id, case);
        }
    }
}

impl Execution<'_> {
    /// Gets the cases that transactions name, on all cores, before they are run one by one.
    ///
    /// # Errors
    /// The store failed.
    pub fn preload(&mut self, transactions: &[Arc<Transaction>]) -> Result<(), StoreError> {
        let items = transactions.iter().flat_map(|transaction| transaction.items.iter().flatten());
        let named: BTreeSet<CaseId> = items.filter_map(|item| item.case).collect();
        // They will most likely change, so what the cache has, too, is cloned here and not one by one.
        self.fetch(named, true)
    }
    /// Gets cases on all cores, as far as they are not there; those that change are cloned if the cache has them, too.
    pub(super) fn fetch(&mut self, ids: impl IntoIterator<Item = CaseId>, change: bool) -> Result<(), StoreError> {
        let ids: Vec<CaseId> = ids.into_iter().filter(|id| !self.cases.contains_key(id)).collect();
        let (read, registry, height) = (self.read, self.registry, self.comes_at());
        let kept: Vec<_> = ids.into_iter().map(|id| (id, self.kept.case(&id))).collect();
        let loaded = kept.into_par_iter().with_min_len(Closed::ALONE).map(|(id, kept)| {
            let case = match kept {
                Some(case) => Some(case),
                None => OpenCase::load(read, registry, &id)?.map(Arc::new),
            };
            Ok(case.map(|mut case| {
                if change {
                    Arc::make_mut(&mut case);
                }
                (id, at_height(registry, &id, case, height))
            }))
        });
        for (id, case) in loaded.collect::<Result<Vec<_>, StoreError>>()?.into_iter().flatten() {
            self.before.insert(id, case.revision());
            self.cases.insert(id, case);
        }
        Ok(())
    }
    /// Gives back cases that this block has got and looked at, and no more; what came to another version or calendars does
    /// not go back, and is read again.
    pub(super) fn give_back(&mut self, ids: impl IntoIterator<Item = CaseId>) {
        for id in ids {
            let Some(case) = self.cases.remove(&id) else { continue };
            self.before.remove(&id);
            if case.is_as_written() {
                self.kept.give_back(id, case);
            }
        }
    }
    pub(super) fn case(&mut self, id: &CaseId) -> Result<Option<&mut Arc<OpenCase>>, StoreError> {
        if !self.cases.contains_key(id) {
            let case = match self.kept.case(id) {
                Some(case) => case,
                None => match OpenCase::load(self.read, self.registry, id)? {
                    Some(case) => Arc::new(case),
                    None => return Ok(None),
                },
            };
            let case = at_height(self.registry, id, case, self.comes_at());
            self.before.insert(*id, case.revision());
            self.cases.insert(*id, case);
        }
        Ok(self.cases.get_mut(id))
    }
}

/// A case at the version and the calendars of a height, with where it stood when it was last written: what is stored of it
/// is as those of its last block gave it.
fn at_height(registry: &Registry, id: &CaseId, mut case: Arc<OpenCase>, height: Height) -> Arc<OpenCase> {
    if !case.stands() {
        let standing = index::Standing::of_case(&case);
        Arc::make_mut(&mut case).stand(standing);
    }
    if !case.is_at(registry, height) {
        Arc::make_mut(&mut case).come_to(registry, *id, height);
    }
    case
}
