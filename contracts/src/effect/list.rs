//! Effects of one kind in the order in which they were made. It remembers which of them it lent out to be changed, so
//! that whoever keeps something of each need not look at all of them after every report. Must never lend one without
//! remembering it.

use super::given::EffectId;
use super::shared::Shared;
use std::fmt;
use std::ops::Deref;

/// A list of effects.
#[derive(Clone)]
pub struct List<T> {
    all: Vec<Shared<T>>,
    /// Places of what was added or lent out since the last [`List::settle`], ascending.
    lent: Vec<usize>,
}

impl<T> List<T> {
    /// Adds one at the end.
    pub fn push(&mut self, one: Shared<T>) {
        self.lent.push(self.all.len());
        self.all.push(one);
    }

    /// Lends out the one at a place.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut Shared<T>> {
        let one = self.all.get_mut(place)?;
        if let Err(at) = self.lent.binary_search(&place) {
            self.lent.insert(at, place);
        }
        Some(one)
    }

    /// Lends out the first one.
    pub fn first_mut(&mut self) -> Option<&mut Shared<T>> {
        self.get_mut(0)
    }

    /// Lends out all.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Shared<T>> {
        self.lent = (0..self.all.len()).collect();
        self.all.iter_mut()
    }

    /// Those that may have changed since the list was settled last, with their places, ascending.
    pub fn lent(&self) -> impl Iterator<Item = (usize, &Shared<T>)> {
        self.lent.iter().filter_map(|place| Some((*place, self.all.get(*place)?)))
    }

    /// From now on all count as unchanged.
    pub(super) fn settle(&mut self) {
        self.lent.clear();
    }
}

impl<T: PartialEq> List<T> {
    /// A list made anew goes on from an earlier one: what is equal is shared with it and has not changed, unless it had
    /// changed there already or stands in another place now. Whether all of the earlier one is here.
    pub(super) fn go_on_from(&mut self, before: &Self, id: fn(&T) -> EffectId) -> bool {
        let mut found = 0_usize;
        self.lent.clear();
        for (place, one) in self.all.iter_mut().enumerate() {
            let name = id(one);
            let here = before.all.get(place).filter(|other| id(other) == name).map(|_| place);
            let Some(earlier) = here.or_else(|| before.all.iter().position(|other| id(other) == name)) else {
                self.lent.push(place);
                continue;
            };
            found = found.saturating_add(1);
            match before.all.get(earlier).filter(|other| *other == one) {
                Some(same) => {
                    *one = same.clone();
                    if earlier != place || before.lent.contains(&earlier) {
                        self.lent.push(place);
                    }
                }
                None => self.lent.push(place),
            }
        }
        found == before.all.len()
    }
}

impl<T> Deref for List<T> {
    type Target = [Shared<T>];

    fn deref(&self) -> &[Shared<T>] {
        &self.all
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { all: Vec::new(), lent: Vec::new() }
    }
}

impl<T> From<Vec<Shared<T>>> for List<T> {
    fn from(all: Vec<Shared<T>>) -> Self {
        let lent = (0..all.len()).collect();
        Self { all, lent }
    }
}

impl<T> Extend<Shared<T>> for List<T> {
    fn extend<I: IntoIterator<Item = Shared<T>>>(&mut self, more: I) {
        more.into_iter().for_each(|one| self.push(one));
    }
}

impl<'l, T> IntoIterator for &'l List<T> {
    type Item = &'l Shared<T>;
    type IntoIter = std::slice::Iter<'l, Shared<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl<'l, T> IntoIterator for &'l mut List<T> {
    type Item = &'l mut Shared<T>;
    type IntoIter = std::slice::IterMut<'l, Shared<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T> IntoIterator for List<T> {
    type Item = Shared<T>;
    type IntoIter = std::vec::IntoIter<Shared<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

/// What was lent out says nothing of what is there.
impl<T: PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl<T: Eq> Eq for List<T> {}

impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(value: &(u8, u8)) -> EffectId {
        EffectId([value.0; 16])
    }

    fn list(values: &[(u8, u8)]) -> List<(u8, u8)> {
        values.iter().map(|value| Shared::new(*value)).collect::<Vec<_>>().into()
    }

    fn lent(list: &List<(u8, u8)>) -> Vec<usize> {
        list.lent().map(|(place, _)| place).collect()
    }

    proptest! {
        #[test]
        fn what_is_not_lent_is_what_it_was(
            first in proptest::collection::btree_map(0..8u8, 0..3u8, 0..6),
            second in proptest::collection::btree_map(0..8u8, 0..3u8, 0..6),
            changes in proptest::collection::vec((0..6usize, 0..3u8), 0..3),
            turned in any::<bool>(),
        ) {
            let settled: Vec<(u8, u8)> = first.into_iter().collect();
            let mut before = list(&settled);
            before.settle();
            prop_assert!(lent(&before).is_empty());
            for (place, value) in changes {
                if let Some(one) = before.get_mut(place) {
                    one.1 = value;
                }
            }
            let mut second: Vec<(u8, u8)> = second.into_iter().collect();
            if turned {
                second.reverse();
            }
            let mut after = list(&second);
            let all = after.go_on_from(&before, name);
            prop_assert_eq!(all, settled.iter().all(|one| second.iter().any(|other| other.0 == one.0)));
            prop_assert_eq!(&after, &list(&second), "what it holds is what was made");
            for (place, one) in after.iter().enumerate().filter(|(place, _)| !lent(&after).contains(place)) {
                prop_assert_eq!(settled.get(place), Some(&**one), "as settled, and in its place");
                prop_assert!(before.get(place).is_some_and(|other| other.is_same(one)));
            }
        }
    }

    #[test]
    fn what_is_added_or_lent_is_remembered_once() {
        let mut some = list(&[(1, 0), (2, 0)]);
        assert_eq!(lent(&some), [0, 1]);
        some.settle();
        assert!(some.get_mut(1).is_some() && some.get_mut(1).is_some() && some.get_mut(7).is_none());
        some.push(Shared::new((3, 0)));
        assert_eq!(lent(&some), [1, 2]);
        some.iter_mut().for_each(drop);
        assert_eq!(lent(&some), [0, 1, 2]);
    }
}
