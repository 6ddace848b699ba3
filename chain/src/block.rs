//! Blocks: a header and the transactions it orders.

use crate::codec::{Canonical, CodecError, Reader, Writer};
use crate::crypto::Hash;
use crate::header::Header;
use crate::ids::BlockId;
use crate::limits;
use crate::transaction::{SignedTransaction, tx_root};

/// The transactions of a block, in execution order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// The transactions.
    pub transactions: Vec<std::sync::Arc<SignedTransaction>>,
}

impl Body {
    /// `tx_root` of the header.
    #[must_use]
    pub fn tx_root(&self) -> Hash {
        tx_root(self.transactions.iter().map(AsRef::as_ref))
    }
    /// Bytes of its canonical encoding.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.transactions.iter().map(|transaction| transaction.encoded_len()).fold(4, usize::saturating_add)
    }
    /// Bytes of all transactions.
    #[must_use]
    pub fn size(&self) -> usize {
        self.transactions.iter().map(|transaction| transaction.size()).fold(0, usize::saturating_add)
    }
}

impl Canonical for Body {
    fn write(&self, out: &mut Writer) {
        out.length(self.transactions.len());
        for transaction in &self.transactions {
            transaction.write(out);
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let transactions: Vec<SignedTransaction> = input.list(limits::BODY_TRANSACTIONS_MAX)?;
        Ok(Self { transactions: transactions.into_iter().map(std::sync::Arc::new).collect() })
    }
}

/// A header and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The body.
    pub body: Body,
}

impl Block {
    /// The block's id.
    #[must_use]
    pub fn id(&self) -> BlockId {
        self.header.id()
    }
}

impl Canonical for Block {
    fn write(&self, out: &mut Writer) {
        self.header.write(out);
        self.body.write(out);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { header: Header::read(input)?, body: Body::read(input)? })
    }
}
