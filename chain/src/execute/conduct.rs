//! How execution treats what follows from cases, as a value: every node has the protocol's, and the simulator others,
//! only to show that it notices them. Must never be configurable.

use crate::ids::{CaseId, Height};
use crate::item::Item;
use crate::registry::Registry;
use crate::state::case::OpenCase;
use crate::state::governance::{Proposal, Standing};
use crate::validators::ValidatorSet;

/// The rules of judging, of ending a block for a case, and of changes by vote.
#[derive(Clone, Copy)]
pub struct Conduct {
    /// Whether locks and guards do not count for an item.
    pub spares: fn(&Item) -> bool,
    /// Ends a block of this time for a case that it touched.
    pub advance: fn(&Registry, &CaseId, &mut OpenCase, u64),
    /// What the votes for a proposal make of it.
    pub decides: fn(&Proposal, &ValidatorSet) -> Standing,
    /// The height by which a block of a height decides under which version and calendars cases stand: its own.
    pub comes_at: fn(Height) -> Height,
}

impl Conduct {
    /// The protocol's rules.
    pub const PROTOCOL: Self = Self {
        spares: |_| false,
        advance: |_, _, case: &mut OpenCase, time_ms| case.advance(time_ms),
        decides: Proposal::decided,
        comes_at: |height| height,
    };
}

impl std::fmt::Debug for Conduct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conduct").finish_non_exhaustive()
    }
}
