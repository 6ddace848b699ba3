//! Cases as the last blocks left them, so that the next one need not read and
//! fold them again. Local and bounded: what is in it changes no result, only
//! the time it takes. Must never hold what was not committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::case::OpenCase;
use crate::ids::CaseId;

/// Reports that stand in the cases kept and what follows from them, at the most.
pub const CACHED_ENTRIES_MAX: usize = 400_000;
/// What a case weighs besides its reports, in reports: fields, blinders and their hashes.
const CASE_WEIGHT: usize = 8;

/// The cases changed last, up to a weight; the one that rested longest goes first.
#[derive(Debug)]
pub struct CaseCache {
    cases: BTreeMap<CaseId, (u64, Arc<OpenCase>)>,
    /// Cases by the count at which they were put.
    order: BTreeMap<u64, CaseId>,
    puts: u64,
    weight: usize,
    weight_max: usize,
}

impl Default for CaseCache {
    fn default() -> Self {
        Self::new(CACHED_ENTRIES_MAX)
    }
}

fn weight(case: &OpenCase) -> usize {
    let effects = case.living().map_or(0, |living| living.history().past().len());
    case.fold.slots().saturating_add(effects).saturating_add(CASE_WEIGHT)
}

impl CaseCache {
    /// An empty one for so many reports; with 0 it keeps nothing.
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        Self { cases: BTreeMap::new(), order: BTreeMap::new(), puts: 0, weight: 0, weight_max: entries_max }
    }
    /// A case as its last committed change left it, if it is kept.
    #[must_use]
    pub fn get(&self, id: &CaseId) -> Option<Arc<OpenCase>> {
        self.cases.get(id).map(|(_, case)| case.clone())
    }
    /// Takes a case out of the cache, for whoever puts it back as the next block leaves it.
    pub(crate) fn take(&mut self, id: &CaseId) -> Option<Arc<OpenCase>> {
        let (put, case) = self.cases.remove(id)?;
        self.order.remove(&put);
        self.weight = self.weight.saturating_sub(weight(&case));
        Some(case)
    }
    /// Weight of all that is kept, in reports.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }
    /// Keeps a case as a committed block closed it, in place of what was kept of it.
    pub fn put(&mut self, id: CaseId, case: Arc<OpenCase>) {
        self.take(&id);
        self.puts = self.puts.saturating_add(1);
        self.weight = self.weight.saturating_add(weight(&case));
        self.order.insert(self.puts, id);
        self.cases.insert(id, (self.puts, case));
        while self.weight > self.weight_max {
            let Some(oldest) = self.order.first_key_value().map(|(_, id)| *id) else { break };
            self.take(&oldest);
        }
    }
    /// Keeps cases as a committed block closed them.
    pub fn put_all(&mut self, cases: impl IntoIterator<Item = (CaseId, Arc<OpenCase>)>) {
        for (id, case) in cases {
            self.put(id, case);
        }
    }
    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Self::new(self.weight_max);
    }
}
