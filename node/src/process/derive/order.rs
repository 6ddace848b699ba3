//! Puts the statuses in the order of the text. The checker wants predecessors first, save for those of one cycle: so
//! cycles are kept together, and of the cycles whose predecessors are
//! all written the one that stands first by median position comes next (Kahn). Must never recurse: a log may be a
//! chain of all its statuses.

use super::observed::Observed;
use std::collections::{BTreeMap, BTreeSet};

/// The indices of the statuses in the order of the text.
pub(super) fn ranked(observed: &Observed<'_>) -> Vec<usize> {
    let predecessors: Vec<BTreeSet<usize>> =
        observed.statuses.iter().map(|status| status.predecessors.clone()).collect();
    in_order(&predecessors)
}

/// Indices stand for the order wanted where predecessors leave it open.
pub(super) fn in_order(predecessors: &[BTreeSet<usize>]) -> Vec<usize> {
    let cycle_of = cycles(predecessors);
    let mut members: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (index, cycle) in cycle_of.iter().enumerate() {
        members.entry(*cycle).or_default().insert(index);
    }
    // A cycle is named by its first member, so the smallest name that is ready is the one wanted next.
    let mut waits_for: BTreeMap<usize, BTreeSet<usize>> =
        members.keys().map(|cycle| (*cycle, BTreeSet::new())).collect();
    for (index, before) in predecessors.iter().enumerate() {
        let Some(cycle) = cycle_of.get(index) else { continue };
        let others = before.iter().filter_map(|before| cycle_of.get(*before)).filter(|before| *before != cycle);
        waits_for.entry(*cycle).or_default().extend(others);
    }
    let mut order = Vec::with_capacity(predecessors.len());
    while let Some(next) = waits_for.iter().find(|(_, waits)| waits.is_empty()).map(|(cycle, _)| *cycle) {
        waits_for.remove(&next);
        for waits in waits_for.values_mut() {
            waits.remove(&next);
        }
        order.extend(members.remove(&next).unwrap_or_default());
    }
    assert!(waits_for.is_empty(), "cycles that wait for each other are one cycle");
    order
}

/// For every index the smallest index of its cycle, itself if it is in none.
fn cycles(predecessors: &[BTreeSet<usize>]) -> Vec<usize> {
    let reached: Vec<BTreeSet<usize>> =
        (0..predecessors.len()).map(|index| reached_from(index, predecessors)).collect();
    let reaches = |from: usize, to: usize| reached.get(from).is_some_and(|reached| reached.contains(&to));
    let first =
        |index: usize| (0..index).find(|other| reaches(index, *other) && reaches(*other, index)).unwrap_or(index);
    (0..predecessors.len()).map(first).collect()
}

fn reached_from(index: usize, predecessors: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::from([index]);
    let mut open = vec![index];
    while let Some(index) = open.pop() {
        for next in predecessors.get(index).into_iter().flatten() {
            if reached.insert(*next) {
                open.push(*next);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(predecessors: &[&[usize]], expected: &[usize]) {
        let sets: Vec<BTreeSet<usize>> = predecessors.iter().map(|before| before.iter().copied().collect()).collect();
        assert_eq!(in_order(&sets), expected);
    }

    #[test]
    fn keeps_the_wanted_order_where_it_is_free() {
        check(&[&[], &[], &[]], &[0, 1, 2]);
        check(&[&[], &[0], &[0]], &[0, 1, 2]);
    }

    #[test]
    fn puts_predecessors_first() {
        check(&[&[2], &[], &[]], &[1, 2, 0]);
        check(&[&[1], &[2], &[]], &[2, 1, 0]);
    }

    #[test]
    fn keeps_cycles_together() {
        check(&[&[0, 2], &[], &[0, 3], &[]], &[1, 3, 0, 2]);
        check(&[&[1], &[0]], &[0, 1]);
    }
}
