//! The store in memory: the model the others are compared with, and the
//! store of tests. It survives nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Batch, Durability, Family, Read, Row, Store, StoreError};

/// All rows by family and key.
pub type Rows = BTreeMap<(Family, Vec<u8>), Vec<u8>>;

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemStore {
    rows: RwLock<Arc<Rows>>,
}

impl MemStore {
    /// A store with these rows.
    #[must_use]
    pub fn with_rows(rows: Rows) -> Self {
        Self { rows: RwLock::new(Arc::new(rows)) }
    }
    /// The rows as they are now, whatever is written later.
    #[must_use]
    pub fn snapshot_owned(&self) -> MemSnapshot {
        MemSnapshot(self.rows())
    }
    /// All rows as they are now.
    #[must_use]
    pub fn rows(&self) -> Arc<Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Rows as they were at one moment.
#[derive(Debug, Clone)]
pub struct MemSnapshot(Arc<Rows>);

/// Applies a batch to rows.
pub fn apply(rows: &mut Rows, batch: &Batch) {
    for (family, key, value) in &batch.writes {
        match value {
            Some(value) => rows.insert((*family, key.clone()), value.clone()),
            None => rows.remove(&(*family, key.clone())),
        };
    }
}

impl Read for MemSnapshot {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&(family, key.to_vec())).cloned())
    }
    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let range = self.0.range((family, from.to_vec())..(family, to.to_vec()));
        Ok(range.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }
    fn last(&self, family: Family, from: &[u8], to: &[u8]) -> Result<Option<Row>, StoreError> {
        if from >= to {
            return Ok(None);
        }
        let mut range = self.0.range((family, from.to_vec())..(family, to.to_vec()));
        Ok(range.next_back().map(|((_, key), value)| (key.clone(), value.clone())))
    }
}

impl Read for MemStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        MemSnapshot(self.rows()).get(family, key)
    }
    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        MemSnapshot(self.rows()).scan(family, from, to, limit)
    }
    fn last(&self, family: Family, from: &[u8], to: &[u8]) -> Result<Option<Row>, StoreError> {
        MemSnapshot(self.rows()).last(family, from, to)
    }
}

impl Store for MemStore {
    fn write(&self, batch: &Batch, _durability: Durability) -> Result<(), StoreError> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        apply(Arc::make_mut(&mut rows), batch);
        Ok(())
    }
    fn snapshot(&self) -> Box<dyn Read + Send + '_> {
        Box::new(MemSnapshot(self.rows()))
    }
}
