//! A store and one batch that is on its way into it, read as if the batch
//! were there already. For whoever goes on while the batch is being written;
//! it must never outlive a write that fails.

use super::{Batch, Family, Read, Row, StoreError};

/// A write of the batch: family, key, and the value put or none where the row goes.
type Write = (Family, Vec<u8>, Option<Vec<u8>>);

/// Rows below, and the last writes to each key of a batch above them.
pub(crate) struct Layered<'a> {
    below: &'a dyn Read,
    /// By family and key, each once.
    writes: Vec<&'a Write>,
}

impl<'a> Layered<'a> {
    /// Reads through the batch; it does not matter how much of it the store has by then.
    pub(crate) fn new(below: &'a dyn Read, batch: &'a Batch) -> Self {
        let mut writes: Vec<&Write> = batch.writes.iter().collect();
        // Stable, and of equal keys the last one counts: reversed, it comes first.
        writes.reverse();
        writes.sort_by(|(family, key, _), (other_family, other_key, _)| (family, key).cmp(&(other_family, other_key)));
        writes.dedup_by(|later, kept| (later.0, &later.1) == (kept.0, &kept.1));
        Self { below, writes }
    }
    fn position(&self, family: Family, key: &[u8]) -> usize {
        self.writes.partition_point(|(of, written, _)| (*of, written.as_slice()) < (family, key))
    }
    fn range(&self, family: Family, from: &[u8], to: &[u8]) -> &[&'a Write] {
        self.writes.get(self.position(family, from)..self.position(family, to)).unwrap_or_default()
    }
}

impl Read for Layered<'_> {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.writes.get(self.position(family, key)) {
            Some((of, written, value)) if *of == family && written == key => Ok(value.clone()),
            _ => self.below.get(family, key),
        }
    }
    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let above = self.range(family, from, to);
        // As many more as the batch may take away.
        let below = self.below.scan(family, from, to, limit.saturating_add(above.len()))?;
        Ok(merged(below, above, limit))
    }
    fn last(&self, family: Family, from: &[u8], to: &[u8]) -> Result<Option<Row>, StoreError> {
        if from >= to {
            return Ok(None);
        }
        let mut to = to.to_vec();
        loop {
            let above = self.range(family, from, &to).last();
            let below = self.below.last(family, from, &to)?;
            match (above, below) {
                (Some((_, key, value)), below) if below.as_ref().is_none_or(|(lower, _)| lower <= key) => match value {
                    Some(value) => return Ok(Some((key.clone(), value.clone()))),
                    // The greatest one goes: the next lower is asked for.
                    None => to.clone_from(key),
                },
                (_, below) => return Ok(below),
            }
            if from >= to.as_slice() {
                return Ok(None);
            }
        }
    }
}

/// Rows from below and writes above, both ascending; the writes hide rows with the same key.
fn merged(below: Vec<Row>, above: &[&Write], limit: usize) -> Vec<Row> {
    if above.is_empty() {
        return below;
    }
    let mut rows = Vec::new();
    let (mut below, mut above) = (below.into_iter().peekable(), above.iter().peekable());
    while rows.len() < limit {
        match (below.peek(), above.peek()) {
            (Some((lower, _)), Some((_, key, _))) if lower < key => rows.extend(below.next()),
            (_, Some((_, key, value))) => {
                below.next_if(|(lower, _)| lower == key);
                rows.extend(value.clone().map(|value| (key.clone(), value)));
                above.next();
            }
            (_, None) => match below.next() {
                Some(row) => rows.push(row),
                None => break,
            },
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::storage::mem::MemStore;
    use crate::storage::{Durability, Store};

    fn writes() -> impl Strategy<Value = Vec<Write>> {
        let family = prop_oneof![Just(Family::Index), Just(Family::Tree)];
        let key = prop::collection::vec(0u8..4, 0..3);
        prop::collection::vec((family, key, prop::option::of(prop::collection::vec(0u8..9, 1))), 0..24)
    }

    proptest! {
        /// What is read through the batch is what a store has that took it, before and after this one takes it.
        #[test]
        fn it_reads_as_the_store_after_the_write(
            stored in writes(),
            above in writes(),
            from in prop::collection::vec(0u8..4, 0..3),
            to in prop::collection::vec(0u8..5, 0..3),
            limit in 0usize..9,
            taken in any::<bool>(),
        ) {
            let (store, after) = (MemStore::default(), MemStore::default());
            let (stored, above) = (Batch { writes: stored }, Batch { writes: above });
            for batch in [&stored, &above] {
                after.write(batch, Durability::Synced).expect("memory");
            }
            store.write(&stored, Durability::Synced).expect("memory");
            if taken {
                store.write(&above, Durability::Synced).expect("memory");
            }
            let layered = Layered::new(&store, &above);
            for family in [Family::Index, Family::Tree, Family::Meta] {
                prop_assert_eq!(layered.get(family, &from), after.get(family, &from));
                prop_assert_eq!(layered.scan(family, &from, &to, limit), after.scan(family, &from, &to, limit));
                prop_assert_eq!(layered.last(family, &from, &to), after.last(family, &from, &to));
            }
        }
    }
}
