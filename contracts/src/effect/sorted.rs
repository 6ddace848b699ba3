//! A map of few entries in one piece of memory, in the order of its keys: cases are copied whole with every event, and a
//! copy of this is one allocation. Must never hold more than some thousand entries: one more moves all behind it.

use std::ops::Index;

/// A map, in the order of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sorted<K, V>(Vec<(K, V)>);

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> Sorted<K, V> {
    fn find(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }

    /// What stands under a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(self.find(key).ok()?).map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.find(key).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Whether something stands under a key.
    pub fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    /// Puts a value under a key, in the place of what stood there.
    pub fn insert(&mut self, key: K, value: V) {
        match self.find(&key) {
            Ok(place) => {
                if let Some(entry) = self.0.get_mut(place) {
                    entry.1 = value;
                }
            }
            Err(place) => self.0.insert(place, (key, value)),
        }
    }

    /// What stands under a key, to be changed; where nothing does, what is there by default.
    pub(super) fn or_default(&mut self, key: &K) -> &mut V
    where
        K: Clone,
        V: Default,
    {
        let place = match self.find(key) {
            Ok(place) => place,
            Err(place) => {
                self.0.insert(place, (key.clone(), V::default()));
                place
            }
        };
        #[expect(clippy::indexing_slicing, reason = "it was found or put there")]
        &mut self.0[place].1
    }

    /// Takes out what stands under a key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.find(key).ok()?;
        Some(self.0.remove(place).1)
    }
}

impl<K, V> Sorted<K, V> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, in the order of keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// All, in the order of keys, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// All keys in their order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// All values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Keeps what is to be kept.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        self.0.retain(|(key, value)| keep(key, value));
    }
}

impl<'s, K, V> IntoIterator for &'s Sorted<K, V> {
    type Item = (&'s K, &'s V);
    type IntoIter = std::iter::Map<std::slice::Iter<'s, (K, V)>, fn(&'s (K, V)) -> (&'s K, &'s V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Sorted<K, V> {
    /// Of one key the last.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let all: std::collections::BTreeMap<K, V> = entries.into_iter().collect();
        Self(all.into_iter().collect())
    }
}

impl<K: Ord, V> Index<&K> for Sorted<K, V> {
    type Output = V;

    #[expect(clippy::expect_used, reason = "as for every map: who is not sure asks with `get`")]
    fn index(&self, key: &K) -> &V {
        self.get(key).expect("no entry found for key")
    }
}

#[cfg(test)]
mod tests {
    use super::Sorted;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((any::<bool>(), 0..12u8, 0..200u8), 0..40)) {
            let mut found: Sorted<u8, Vec<u8>> = Sorted::default();
            let mut model: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
            for (puts, key, value) in steps {
                if puts && value.is_multiple_of(3) {
                    found.or_default(&key).push(value);
                    model.entry(key).or_default().push(value);
                } else if puts {
                    found.insert(key, vec![value]);
                    model.insert(key, vec![value]);
                } else if value.is_multiple_of(2) {
                    found.retain(|other, _| *other != key);
                    model.remove(&key);
                } else {
                    prop_assert_eq!(found.remove(&key), model.remove(&key));
                }
                prop_assert!(found.iter().eq(model.iter()) && found.keys().eq(model.keys()));
                prop_assert_eq!((found.get(&key), found.contains_key(&key)), (model.get(&key), model.contains_key(&key)));
                prop_assert_eq!(found.get_mut(&key), model.get_mut(&key));
                prop_assert_eq!(&found, &model.iter().map(|(key, value)| (*key, value.clone())).collect());
            }
        }
    }
}
