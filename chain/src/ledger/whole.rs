//! Whether a store's families tell of one height. Every commit is one batch over all of them; a database that lost a
//! file may have put some back and others not, and whatever is executed on that is wrong. What a start can see of it at
//! little cost is looked at here; it must never change anything.

use super::Tip;
use crate::index;
use crate::query;
use crate::storage::{Family, Read, StoreError};
use crate::tree::{self, StateKey};

/// Longer than any key.
const END: [u8; 64] = [0xff; 64];

fn apart(family: Family, height: u64) -> StoreError {
    let what = format!("it is of another height than the tip, {height}");
    StoreError::Damaged { family: family.name(), what }
}

/// Checks that blocks, items, events and the state tree end where the tip is.
///
/// # Errors
/// One of them does not, or the store failed.
pub(super) fn check(read: &dyn Read, tip: &Tip) -> Result<(), StoreError> {
    let (header, height) = (&tip.header, tip.header.height);
    let above = height.saturating_add(1).to_be_bytes();
    for family in [Family::Blocks, Family::Items, Family::TreeStale] {
        if !read.scan(family, &above, &END, 1)?.is_empty() {
            return Err(apart(family, height));
        }
    }
    if height > 0 && query::header(read, height)?.is_none_or(|(stored, _)| &stored != header) {
        return Err(apart(Family::Blocks, height));
    }
    if index::last_height(read)? > height {
        return Err(apart(Family::Index, height));
    }
    let key = StateKey::ProposerOrder;
    let proven = tree::prove(read, height, &key);
    if !proven.is_ok_and(|(value, proof)| tree::verify(&header.state_root, &key, value.as_deref(), &proof)) {
        return Err(apart(Family::Tree, height));
    }
    // Every height has a root of its own.
    if tree::prove(read, height.saturating_add(1), &key).is_ok() {
        return Err(apart(Family::Tree, height));
    }
    Ok(())
}

/// Checks that a store that says nothing of itself holds nothing.
///
/// # Errors
/// It holds something, or the store failed.
pub(super) fn check_empty(read: &dyn Read) -> Result<(), StoreError> {
    for family in Family::ALL {
        if !read.scan(family, &[], &END, 1)?.is_empty() {
            return Err(apart(family, 0));
        }
    }
    Ok(())
}
