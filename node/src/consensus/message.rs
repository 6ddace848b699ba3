//! What nodes say to each other. One canonical encoding, decoded strictly and
//! within limits: bytes of a peer either decode to a bounded value or are
//! refused, they never panic and never allocate beyond their length.

mod snapshot;

use std::sync::Arc;

use laufzettel_chain::codec::{Canonical, CodecError, Reader, Writer, decode, encode};
use laufzettel_chain::crypto::SignatureBytes;
use laufzettel_chain::ids::{Address, BlockId, Height};
use laufzettel_chain::limits::{PART_BYTES, PARTS_MAX, TRANSACTION_BYTES_MAX, VALIDATORS_MAX};
use laufzettel_chain::vote::{Beat, Proposal, Signed, Vote, VoteType};

use super::ledger::{SignedTransaction, SyncEntry};
pub use snapshot::{MANIFEST_BYTES_MAX, SNAPSHOTS_MAX, SnapshotMessage};

/// Largest message in bytes: a sync response with one full block.
pub const MESSAGE_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Bytes of blocks one sync response aims at; one larger block is sent alone.
pub const SYNC_BYTES: usize = 4 * 1024 * 1024;
/// Most blocks of one sync response.
pub const SYNC_ENTRIES_MAX: usize = 256;
/// Most transactions of one offer.
pub const OFFER_TRANSACTIONS_MAX: usize = 1_024;
/// Bytes one offer aims at.
pub const OFFER_BYTES: usize = 1024 * 1024;
/// Most votes of one message: both kinds of every validator.
pub const VOTES_MAX: usize = 2 * VALIDATORS_MAX;

const _: () = assert!(OFFER_BYTES + TRANSACTION_BYTES_MAX < MESSAGE_BYTES_MAX);

/// More than two thirds of prevotes for one block in one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolkaCertificate {
    /// Height.
    pub height: Height,
    /// Round.
    pub round: u32,
    /// The block.
    pub value: BlockId,
    /// Prevote signatures, strictly ascending by address.
    pub signatures: Vec<(Address, SignatureBytes)>,
}

/// One vote of a round certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundVote {
    /// The voter.
    pub address: Address,
    /// Prevote or precommit.
    pub vote_type: VoteType,
    /// The block voted for.
    pub value: Option<BlockId>,
    /// The signature.
    pub signature: SignatureBytes,
}

/// Votes that justify entering a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundCertificate {
    /// Height.
    pub height: Height,
    /// Round of the votes.
    pub round: u32,
    /// Votes of more than a third that enter `round`, instead of precommits of two thirds that end it.
    pub skip: bool,
    /// The votes, strictly ascending by address.
    pub votes: Vec<RoundVote>,
}

/// A piece of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockPart {
    /// Height.
    pub height: Height,
    /// Round it is proposed in; none in answer to a request.
    pub round: Option<u32>,
    /// The block.
    pub block: BlockId,
    /// Which piece.
    pub index: u32,
    /// Of how many.
    pub total: u32,
    /// The piece.
    pub bytes: Vec<u8>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Votes: a fresh one, or all that are held of a round.
    Votes(Vec<Signed<Vote>>),
    /// A proposal.
    Proposal(Signed<Proposal>),
    /// A quorum of prevotes.
    PolkaCertificate(PolkaCertificate),
    /// Why to enter a round.
    RoundCertificate(RoundCertificate),
    /// A piece of a block.
    BlockPart(BlockPart),
    /// Asks for an undecided block.
    BodyRequest {
        /// Height.
        height: Height,
        /// The block.
        block: BlockId,
    },
    /// Asks for decided blocks.
    SyncRequest {
        /// First height wanted.
        from: Height,
    },
    /// Decided blocks, ascending without gap.
    SyncResponse(Vec<SyncEntry>),
    /// Transactions the sender took in from its own clients.
    Transactions(Vec<Arc<SignedTransaction>>),
    /// A proposer has nothing to propose and asks for pending transactions.
    TransactionsWanted,
    /// A sign of life.
    Beat(Signed<Beat>),
    /// About snapshots.
    Snapshot(SnapshotMessage),
}

impl Message {
    /// The bytes to send.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }
    /// Reads a message of a peer.
    ///
    /// # Errors
    /// The bytes are no message within the limits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(CodecError::TooLong { found: bytes.len(), bound: MESSAGE_BYTES_MAX });
        }
        decode(bytes)
    }
    /// Its name in logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Votes(_) => "votes",
            Self::Proposal(_) => "proposal",
            Self::PolkaCertificate(_) => "polka_certificate",
            Self::RoundCertificate(_) => "round_certificate",
            Self::BlockPart(_) => "block_part",
            Self::BodyRequest { .. } => "body_request",
            Self::SyncRequest { .. } => "sync_request",
            Self::SyncResponse(_) => "sync_response",
            Self::Transactions(_) => "transactions",
            Self::TransactionsWanted => "transactions_wanted",
            Self::Beat(_) => "beat",
            Self::Snapshot(message) => message.name(),
        }
    }
}

fn vote_type_code(vote_type: VoteType) -> u8 {
    match vote_type {
        VoteType::Prevote => 1,
        VoteType::Precommit => 2,
    }
}

impl Canonical for RoundVote {
    fn write(&self, out: &mut Writer) {
        self.address.write(out);
        out.u8(vote_type_code(self.vote_type));
        out.opt(self.value.as_ref());
        out.raw(&self.signature);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let address = Address::read(input)?;
        let vote_type = match input.u8()? {
            1 => VoteType::Prevote,
            2 => VoteType::Precommit,
            _ => return Err(CodecError::Invalid("vote type")),
        };
        Ok(Self { address, vote_type, value: input.opt()?, signature: input.array()? })
    }
}

impl Canonical for PolkaCertificate {
    fn write(&self, out: &mut Writer) {
        out.u64(self.height);
        out.u32(self.round);
        self.value.write(out);
        out.length(self.signatures.len());
        for (address, signature) in &self.signatures {
            address.write(out);
            out.raw(signature);
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (height, round, value) = (input.u64()?, input.u32()?, BlockId::read(input)?);
        let count = input.length(VALIDATORS_MAX)?;
        let mut signatures = Vec::with_capacity(count);
        for _ in 0..count {
            signatures.push((Address::read(input)?, input.array()?));
        }
        if !signatures.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(CodecError::Invalid("order of signatures"));
        }
        Ok(Self { height, round, value, signatures })
    }
}

impl Canonical for RoundCertificate {
    fn write(&self, out: &mut Writer) {
        out.u64(self.height);
        out.u32(self.round);
        out.u8(u8::from(self.skip));
        out.list(&self.votes);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (height, round) = (input.u64()?, input.u32()?);
        let skip = match input.u8()? {
            0 => false,
            1 => true,
            _ => return Err(CodecError::Invalid("certificate kind")),
        };
        let votes: Vec<RoundVote> = input.list(VALIDATORS_MAX)?;
        if !votes.is_sorted_by(|a, b| a.address < b.address) {
            return Err(CodecError::Invalid("order of votes"));
        }
        Ok(Self { height, round, skip, votes })
    }
}

impl Canonical for BlockPart {
    fn write(&self, out: &mut Writer) {
        out.u64(self.height);
        out.opt(self.round.as_ref());
        self.block.write(out);
        out.u32(self.index);
        out.u32(self.total);
        out.bytes(&self.bytes);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let part = Self {
            height: input.u64()?,
            round: input.opt()?,
            block: BlockId::read(input)?,
            index: input.u32()?,
            total: input.u32()?,
            bytes: input.bytes(PART_BYTES)?.to_vec(),
        };
        let parts_max = u32::try_from(PARTS_MAX).unwrap_or(u32::MAX);
        if part.total == 0 || part.total > parts_max || part.index >= part.total || part.bytes.is_empty() {
            return Err(CodecError::Invalid("block part"));
        }
        Ok(part)
    }
}

impl Canonical for Message {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Votes(votes) => {
                out.u8(1);
                out.list(votes);
            }
            Self::Proposal(proposal) => {
                out.u8(2);
                proposal.write(out);
            }
            Self::PolkaCertificate(certificate) => {
                out.u8(3);
                certificate.write(out);
            }
            Self::RoundCertificate(certificate) => {
                out.u8(4);
                certificate.write(out);
            }
            Self::BlockPart(part) => {
                out.u8(5);
                part.write(out);
            }
            Self::BodyRequest { height, block } => {
                out.u8(6);
                out.u64(*height);
                block.write(out);
            }
            Self::SyncRequest { from } => {
                out.u8(7);
                out.u64(*from);
            }
            Self::SyncResponse(entries) => {
                out.u8(8);
                out.list(entries);
            }
            Self::Transactions(transactions) => {
                out.u8(9);
                out.length(transactions.len());
                for transaction in transactions {
                    transaction.write(out);
                }
            }
            Self::TransactionsWanted => out.u8(10),
            Self::Beat(beat) => {
                out.u8(11);
                beat.write(out);
            }
            Self::Snapshot(message) => {
                out.u8(13);
                message.write(out);
            }
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match input.u8()? {
            1 => Self::Votes(input.list(VOTES_MAX)?),
            2 => Self::Proposal(Signed::read(input)?),
            3 => Self::PolkaCertificate(PolkaCertificate::read(input)?),
            4 => Self::RoundCertificate(RoundCertificate::read(input)?),
            5 => Self::BlockPart(BlockPart::read(input)?),
            6 => Self::BodyRequest { height: input.u64()?, block: BlockId::read(input)? },
            7 => Self::SyncRequest { from: input.u64()? },
            8 => Self::SyncResponse(input.list(SYNC_ENTRIES_MAX)?),
            9 => {
                let count = input.length(OFFER_TRANSACTIONS_MAX)?;
                let mut transactions = Vec::with_capacity(count);
                for _ in 0..count {
                    transactions.push(Arc::new(SignedTransaction::read(input)?));
                }
                Self::Transactions(transactions)
            }
            10 => Self::TransactionsWanted,
            11 => Self::Beat(Signed::read(input)?),
            13 => Self::Snapshot(SnapshotMessage::read(input)?),
            _ => return Err(CodecError::Invalid("message kind")),
        })
    }
}

#[cfg(test)]
mod tests;
