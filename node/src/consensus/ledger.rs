//! What the driver needs to know of the ledger: blocks and transactions as
//! opaque, bounded values, and the tip the next height is decided on. The
//! driver never looks into a payload.

use std::sync::Arc;

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::{Canonical, CodecError, Reader, Writer};
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{Address, BlockId, Height, KeyId, PayloadDigest, TransactionId};
use laufzettel_chain::limits::{
    BODY_TRANSACTIONS_MAX, PAYLOAD_BYTES_MAX, PROPOSE_ITEM_BYTES_MAX, TRANSACTION_ITEMS_MAX, TRANSACTION_SIGNATURES_MAX,
};
use laufzettel_chain::validators::ValidatorSet;

/// One signature of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionSignature {
    /// The signing key.
    pub key_id: KeyId,
    /// Its algorithm.
    pub algorithm: u8,
    /// The signature.
    pub value: Vec<u8>,
}

impl Canonical for TransactionSignature {
    fn write(&self, out: &mut Writer) {
        self.key_id.write(out);
        out.u8(self.algorithm);
        out.bytes(&self.value);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { key_id: KeyId::read(input)?, algorithm: input.u8()?, value: input.bytes(64)?.to_vec() })
    }
}

/// A transaction as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTransaction {
    /// The signed bytes.
    pub payload: Vec<u8>,
    /// The signatures.
    pub signatures: Vec<TransactionSignature>,
    /// The items; absent ones were erased.
    pub items: Vec<Option<Vec<u8>>>,
}

impl Canonical for SignedTransaction {
    fn write(&self, out: &mut Writer) {
        out.bytes(&self.payload);
        out.list(&self.signatures);
        out.length(self.items.len());
        for item in &self.items {
            match item {
                None => out.u8(0),
                Some(bytes) => {
                    out.u8(1);
                    out.bytes(bytes);
                }
            }
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let payload = input.bytes(PAYLOAD_BYTES_MAX)?.to_vec();
        let signatures = input.list(TRANSACTION_SIGNATURES_MAX)?;
        let count = input.length(TRANSACTION_ITEMS_MAX)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(match input.u8()? {
                0 => None,
                1 => Some(input.bytes(PROPOSE_ITEM_BYTES_MAX)?.to_vec()),
                _ => return Err(CodecError::Invalid("presence byte")),
            });
        }
        Ok(Self { payload, signatures, items })
    }
}

impl SignedTransaction {
    /// Digest of the payload.
    #[must_use]
    pub fn payload_digest(&self) -> PayloadDigest {
        PayloadDigest::of(&self.payload)
    }
    /// Bytes it takes in a body.
    #[must_use]
    pub fn size(&self) -> usize {
        let signatures: usize = self.signatures.iter().map(|signature| signature.value.len() + 21).sum();
        let items: usize = self.items.iter().map(|item| item.as_ref().map_or(1, |bytes| bytes.len() + 5)).sum();
        self.payload.len() + signatures + items + 12
    }
}

/// Everything of a block but its header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// In order of execution.
    pub transactions: Vec<Arc<SignedTransaction>>,
}

/// A block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What is voted on.
    pub header: Header,
    /// What is executed.
    pub body: Body,
}

impl Canonical for Block {
    fn write(&self, out: &mut Writer) {
        self.header.write(out);
        out.length(self.body.transactions.len());
        for transaction in &self.body.transactions {
            transaction.write(out);
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let header = Header::read(input)?;
        let count = input.length(BODY_TRANSACTIONS_MAX)?;
        let mut transactions = Vec::with_capacity(count.min(1_024));
        for _ in 0..count {
            transactions.push(Arc::new(SignedTransaction::read(input)?));
        }
        Ok(Self { header, body: Body { transactions } })
    }
}

/// Timeouts of consensus, parameters in state, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Wait for a proposal in round 0.
    pub propose_ms: u64,
    /// More for each round.
    pub propose_step_ms: u64,
    /// Wait after a mixed quorum of votes in round 0.
    pub vote_ms: u64,
    /// More for each round.
    pub vote_step_ms: u64,
    /// No wait is longer.
    pub cap_ms: u64,
    /// Votes are sent again after this time.
    pub rebroadcast_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            propose_ms: 400,
            propose_step_ms: 200,
            vote_ms: 150,
            vote_step_ms: 100,
            cap_ms: 10_000,
            rebroadcast_ms: 1_000,
        }
    }
}

/// The last committed block and who decides the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Its header.
    pub header: Header,
    /// Its id.
    pub id: BlockId,
    /// Validators of the next height.
    pub validators: ValidatorSet,
    /// Proposer of round r of the next height is `order[r % n]`.
    pub order: Vec<Address>,
    /// Timeouts of the next height.
    pub timeouts: Timeouts,
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
        let count = u32::try_from(self.order.len()).ok().filter(|count| *count > 0)?;
        self.order.get(usize::try_from(round % count).ok()?).copied()
    }
}

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
