//! Block headers and their ids (docs/FORMATS.md A.4).

use crate::codec::{Canonical, CodecError, Reader, Writer, encode};
use crate::crypto::{self, Hash};
use crate::ids::{Address, BlockId, Height, NetworkId};

/// What validators vote on: everything of a block but its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Protocol version in the state of the height below.
    pub version: u16,
    /// The network.
    pub network: NetworkId,
    /// Count of recoveries after a lost quorum.
    pub incarnation: u32,
    /// Height of the block.
    pub height: Height,
    /// Consensus round in which it was first proposed.
    pub round: u32,
    /// Block time, milliseconds UTC.
    pub time_ms: u64,
    /// Id of the block below.
    pub previous: BlockId,
    /// Validator that proposed it first.
    pub proposer: Address,
    /// Root over payload digests and signatures.
    pub tx_root: Hash,
    /// Root over receipts.
    pub receipts_root: Hash,
    /// Root of the state after this block.
    pub state_root: Hash,
    /// Hash of the validators that decide this block.
    pub validators_hash: Hash,
    /// Hash of the validators that decide the next block.
    pub next_validators_hash: Hash,
}

impl Header {
    /// The block's id: the value consensus agrees on.
    #[must_use]
    pub fn id(&self) -> BlockId {
        BlockId(crypto::hash("block", &encode(self)))
    }
}

impl Canonical for Header {
    fn write(&self, out: &mut Writer) {
        out.u16(self.version);
        self.network.write(out);
        out.u32(self.incarnation);
        out.u64(self.height);
        out.u32(self.round);
        out.u64(self.time_ms);
        self.previous.write(out);
        self.proposer.write(out);
        out.raw(&self.tx_root);
        out.raw(&self.receipts_root);
        out.raw(&self.state_root);
        out.raw(&self.validators_hash);
        out.raw(&self.next_validators_hash);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            version: input.u16()?,
            network: NetworkId::read(input)?,
            incarnation: input.u32()?,
            height: input.u64()?,
            round: input.u32()?,
            time_ms: input.u64()?,
            previous: BlockId::read(input)?,
            proposer: Address::read(input)?,
            tx_root: input.array()?,
            receipts_root: input.array()?,
            state_root: input.array()?,
            validators_hash: input.array()?,
            next_validators_hash: input.array()?,
        })
    }
}
