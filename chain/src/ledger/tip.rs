//! Where the chain of one node stands, and what counts for its next height. Must never name a block that is not durable.

use std::sync::Arc;

use crate::certificate::Certificate;
use crate::header::Header;
use crate::ids::{Address, BlockId, Height};
use crate::registry::{Parameters, Registry};
use crate::validators::ValidatorSet;

/// Where the chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Header of the last block.
    pub header: Header,
    /// Its id.
    pub id: BlockId,
    /// Proof that it was decided; none for genesis.
    pub certificate: Option<Certificate>,
    /// Validators of the next height.
    pub validators: ValidatorSet,
    /// Proposer order of the next height: round r belongs to `order[r mod n]`.
    pub order: Vec<Address>,
    /// Consensus timeouts of the next height.
    pub parameters: Parameters,
    /// When something becomes due in a case: from then on a block may come without transactions. None in protocol
    /// version 1.
    pub next_due_ms: Option<u64>,
    /// Members, keys, definitions and calendars that count for the next height.
    pub registry: Arc<Registry>,
}

impl Tip {
    /// Height of the block.
    #[must_use]
    pub fn height(&self) -> Height {
        self.header.height
    }
    /// The height that is decided next.
    #[must_use]
    pub fn next_height(&self) -> Height {
        self.header.height.saturating_add(1)
    }
    /// Who proposes in a round of the next height.
    #[must_use]
    pub fn proposer(&self, round: u32) -> Option<Address> {
        let turn = usize::try_from(round).ok()?.checked_rem(self.order.len())?;
        self.order.get(turn).copied()
    }
}
