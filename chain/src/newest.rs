//! The tip of a store, decoded once a block instead of once an answer. Local:
//! it holds nothing that the store does not say.

use std::sync::{Arc, Mutex, PoisonError};

use crate::ledger::stored::TIP;
use crate::ledger::{Tip, stored_tip};
use crate::registry::Registry;
use crate::storage::{Family, Read, StoreError};

/// Remembers the tip it decoded last.
#[derive(Debug, Default)]
pub struct NewestTip(Mutex<Option<(Vec<u8>, Arc<Tip>)>>);

impl NewestTip {
    /// The tip of a snapshot, always that of its own row.
    ///
    /// # Errors
    /// The store failed or has no tip.
    pub fn of(&self, read: &dyn Read, registry: &Arc<Registry>) -> Result<Arc<Tip>, StoreError> {
        let row = read.get(Family::Meta, TIP)?.unwrap_or_default();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tip)) = known.as_ref().filter(|(of, _)| *of == row) {
            return Ok(tip.clone());
        }
        // Texts adopted by vote are read once, not with every block.
        let last = known.as_ref().map_or(registry, |(_, tip)| &tip.registry);
        let tip = Arc::new(stored_tip(read, last)?.0);
        *known = Some((row, tip.clone()));
        Ok(tip)
    }
}
