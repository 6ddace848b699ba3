//! What validators sign: votes, proposals and beats (docs/FORMATS.md A.4). The
//! types know their bytes; who may sign them when is the node's business.

use crate::codec::{Canonical, CodecError, Reader, Writer, encode};
use crate::crypto::{self, SignatureBytes, SigningKey, VerifyingKey};
use crate::ids::{Address, BlockId, Height, NetworkId};

/// Prevote or precommit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VoteType {
    /// First vote of a round.
    Prevote,
    /// Second vote of a round.
    Precommit,
}

impl VoteType {
    fn code(self) -> u8 {
        match self {
            Self::Prevote => 1,
            Self::Precommit => 2,
        }
    }
}

/// A vote for a block or for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// The network.
    pub network: NetworkId,
    /// Count of recoveries.
    pub incarnation: u32,
    /// Height voted on.
    pub height: Height,
    /// Round voted in.
    pub round: u32,
    /// Prevote or precommit.
    pub vote_type: VoteType,
    /// The block; none is a vote for no block in this round.
    pub value: Option<BlockId>,
    /// The voter.
    pub address: Address,
}

impl Canonical for Vote {
    fn write(&self, out: &mut Writer) {
        self.network.write(out);
        out.u32(self.incarnation);
        out.u64(self.height);
        out.u32(self.round);
        out.u8(self.vote_type.code());
        out.opt(self.value.as_ref());
        self.address.write(out);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            network: NetworkId::read(input)?,
            incarnation: input.u32()?,
            height: input.u64()?,
            round: input.u32()?,
            vote_type: match input.u8()? {
                1 => VoteType::Prevote,
                2 => VoteType::Precommit,
                _ => return Err(CodecError::Invalid("vote type")),
            },
            value: input.opt()?,
            address: Address::read(input)?,
        })
    }
}

/// A proposer's claim that this block is its proposal of the round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The network.
    pub network: NetworkId,
    /// Count of recoveries.
    pub incarnation: u32,
    /// Height proposed for.
    pub height: Height,
    /// Round proposed in.
    pub round: u32,
    /// Round in which the block already had a quorum of prevotes.
    pub pol_round: Option<u32>,
    /// The block.
    pub value: BlockId,
    /// The proposer.
    pub address: Address,
}

impl Canonical for Proposal {
    fn write(&self, out: &mut Writer) {
        self.network.write(out);
        out.u32(self.incarnation);
        out.u64(self.height);
        out.u32(self.round);
        out.opt(self.pol_round.as_ref());
        self.value.write(out);
        self.address.write(out);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            network: NetworkId::read(input)?,
            incarnation: input.u32()?,
            height: input.u64()?,
            round: input.u32()?,
            pol_round: input.opt()?,
            value: BlockId::read(input)?,
            address: Address::read(input)?,
        })
    }
}

/// A signed sign of life: how far a node is and how long a motion waits in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The network.
    pub network: NetworkId,
    /// Count of recoveries.
    pub incarnation: u32,
    /// The authority whose node it is.
    pub authority: String,
    /// Count of this node's beats; never goes back while it runs.
    pub sequence: u64,
    /// The node's clock, milliseconds UTC.
    pub time_ms: u64,
    /// Its tip.
    pub height: Height,
    /// Id of the block at its tip.
    pub block: BlockId,
    /// Since when its oldest lock-capable item waits, milliseconds UTC; 0 = none waits.
    pub oldest_pending_lock_ms: u64,
}

impl Canonical for Beat {
    fn write(&self, out: &mut Writer) {
        self.network.write(out);
        out.u32(self.incarnation);
        out.str(&self.authority);
        out.u64(self.sequence);
        out.u64(self.time_ms);
        out.u64(self.height);
        self.block.write(out);
        out.u64(self.oldest_pending_lock_ms);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            network: NetworkId::read(input)?,
            incarnation: input.u32()?,
            authority: input.str(32)?.to_owned(),
            sequence: input.u64()?,
            time_ms: input.u64()?,
            height: input.u64()?,
            block: BlockId::read(input)?,
            oldest_pending_lock_ms: input.u64()?,
        })
    }
}

/// A message kind with a signing domain of its own.
pub trait Signable: Canonical {
    /// The domain of its signatures.
    const DOMAIN: &'static str;
}

impl Signable for Vote {
    const DOMAIN: &'static str = "vote";
}
impl Signable for Proposal {
    const DOMAIN: &'static str = "proposal";
}
impl Signable for Beat {
    const DOMAIN: &'static str = "beat";
}

/// A message and its author's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    /// What is signed.
    pub message: T,
    /// The signature over it.
    pub signature: SignatureBytes,
}

impl<T: Signable> Signed<T> {
    /// Signs a message.
    #[must_use]
    pub fn new(message: T, key: &SigningKey) -> Self {
        let signature = crypto::sign(key, T::DOMAIN, &encode(&message));
        Self { message, signature }
    }
    /// Whether this key signed it.
    #[must_use]
    pub fn verify(&self, key: &VerifyingKey) -> bool {
        crypto::verify(key, T::DOMAIN, &encode(&self.message), &self.signature)
    }
}

impl<T: Canonical> Canonical for Signed<T> {
    fn write(&self, out: &mut Writer) {
        self.message.write(out);
        out.raw(&self.signature);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { message: T::read(input)?, signature: input.array()? })
    }
}
