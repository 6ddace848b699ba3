//! What the driver needs to know of the ledger: blocks and transactions as
//! opaque, bounded values, and the tip the next height is decided on. The
//! driver never looks into a payload.

use std::sync::Arc;

pub use laufzettel_chain::block::{Block, Body};
use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::{Canonical, CodecError, Reader, Writer};
use laufzettel_chain::ids::{Height, PayloadDigest, TransactionId};
pub use laufzettel_chain::ledger::Tip;
pub use laufzettel_chain::registry::Parameters as Timeouts;
pub use laufzettel_chain::transaction::SignedTransaction;

/// What became of a committed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalOutcome {
    /// Author.
    pub authority: String,
    /// Id chosen by the author.
    pub id: TransactionId,
    /// Digest of its payload.
    pub payload_digest: PayloadDigest,
    /// Height of the block.
    pub height: Height,
    /// Index in the block.
    pub index: u32,
}

/// A decided block with its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncEntry {
    /// The block.
    pub block: Arc<Block>,
    /// Precommits of its height.
    pub certificate: Certificate,
}

impl Canonical for SyncEntry {
    fn write(&self, out: &mut Writer) {
        self.block.write(out);
        self.certificate.write(out);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { block: Arc::new(Block::read(input)?), certificate: Certificate::read(input)? })
    }
}
