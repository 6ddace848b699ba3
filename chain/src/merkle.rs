//! Merkle roots over lists, shaped as in RFC 6962 and with domains of their
//! own: M(x, leaves) of docs/FORMATS.md A.1.

use crate::crypto::{Hash, hash, hash_parts};

/// M(domain, leaves).
#[must_use]
pub fn root(domain: &str, leaves: &[Vec<u8>]) -> Hash {
    let leaf_domain = [domain, " leaf"].concat();
    let node_domain = [domain, " node"].concat();
    if leaves.is_empty() {
        return hash(&[domain, " empty"].concat(), b"");
    }
    // RFC 6962 splits at the largest power of two below the count; pairing
    // level by level and carrying an odd last node up gives the same tree.
    let mut level: Vec<Hash> = leaves.iter().map(|leaf| hash(&leaf_domain, leaf)).collect();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| node(&node_domain, pair)).collect();
    }
    level.first().copied().unwrap_or_default()
}

/// The siblings of a leaf, from the leaf up; none where a node is carried up alone. Nothing if there is no such leaf.
#[must_use]
pub fn path(domain: &str, leaves: &[Vec<u8>], index: usize) -> Option<Vec<Hash>> {
    let leaf_domain = [domain, " leaf"].concat();
    let node_domain = [domain, " node"].concat();
    let mut level: Vec<Hash> = leaves.iter().map(|leaf| hash(&leaf_domain, leaf)).collect();
    level.get(index)?;
    let (mut siblings, mut place) = (Vec::new(), index);
    while level.len() > 1 {
        siblings.extend(level.get(place ^ 1));
        level = level.chunks(2).map(|pair| node(&node_domain, pair)).collect();
        place >>= 1;
    }
    Some(siblings)
}

/// The root that a leaf at a place among so many leads to with these siblings. Nothing if they are too few or too many.
#[must_use]
pub fn root_of_path(domain: &str, leaf: &[u8], (index, count): (usize, usize), siblings: &[Hash]) -> Option<Hash> {
    if index >= count {
        return None;
    }
    let node_domain = [domain, " node"].concat();
    let mut found = hash(&[domain, " leaf"].concat(), leaf);
    let (mut place, mut width, mut siblings) = (index, count, siblings.iter());
    while width > 1 {
        if (place ^ 1) < width {
            let sibling = siblings.next()?;
            let pair = if place & 1 == 0 { [found, *sibling] } else { [*sibling, found] };
            found = node(&node_domain, &pair);
        }
        (place, width) = (place >> 1, width.div_ceil(2));
    }
    siblings.next().is_none().then_some(found)
}

fn node(domain: &str, pair: &[Hash]) -> Hash {
    match pair {
        [left, right] => hash_parts(domain, &[left, right]),
        [single] => *single,
        _ => [0; 32],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every leaf's path leads to the root; none of it to another place, count, leaf or with a changed sibling.
        #[test]
        fn a_path_proves_its_leaf_and_nothing_else(count in 1usize..70, pick in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
            let leaves: Vec<Vec<u8>> = (0..count).map(|leaf| leaf.to_be_bytes().to_vec()).collect();
            let (index, other) = (pick.index(count), other.index(count));
            let siblings = path("test", &leaves, index).unwrap();
            let proven = root("test", &leaves);
            let lead = |leaf: &[u8], place, siblings: &[Hash]| root_of_path("test", leaf, place, siblings);
            prop_assert_eq!(lead(&leaves[index], (index, count), &siblings), Some(proven));
            prop_assert_eq!(lead(&leaves[other], (other, count), &siblings) == Some(proven), other == index);
            prop_assert_ne!(lead(b"else", (index, count), &siblings), Some(proven));
            prop_assert_eq!(lead(&leaves[index], (count, count), &siblings), None);
            let longer = [siblings.as_slice(), &[[0; 32]]].concat();
            prop_assert_eq!(lead(&leaves[index], (index, count), &longer), None);
            if let Some(last) = siblings.len().checked_sub(1) {
                prop_assert_eq!(lead(&leaves[index], (index, count), &siblings[..last]), None);
                let mut changed = siblings.clone();
                changed[last][0] ^= 1;
                prop_assert_ne!(lead(&leaves[index], (index, count), &changed), Some(proven));
            }
        }
    }
}
