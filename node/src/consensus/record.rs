//! Entries of the consensus log: what the core was given and what this node
//! signed, in order, so that a restart derives the same state and sends the
//! same bytes. One canonical encoding on disk.

use laufzettel_chain::codec::{Canonical, CodecError, Reader, Writer};
use laufzettel_chain::ids::{Address, BlockId, Height};
use laufzettel_chain::vote::{Proposal, Signed, Vote};

use super::message::PolkaCertificate;

/// Which timeout of consensus elapsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeoutStep {
    /// No proposal came.
    Propose,
    /// Prevotes stayed mixed.
    Prevote,
    /// Precommits stayed mixed.
    Precommit,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEntry {
    /// A vote, own or received.
    Vote(Signed<Vote>),
    /// A proposal, own or received.
    Proposal(Signed<Proposal>),
    /// A block's verdict.
    ProposedValue {
        /// Round it was first seen in.
        round: u32,
        /// Its round of proof of lock.
        pol_round: Option<u32>,
        /// Its proposer.
        proposer: Address,
        /// The block.
        value: BlockId,
        /// Whether execution found it valid.
        valid: bool,
    },
    /// A timeout elapsed.
    Timeout {
        /// Which.
        step: TimeoutStep,
        /// In which round.
        round: u32,
    },
    /// A quorum of prevotes.
    PolkaCertificate(PolkaCertificate),
}

/// An entry and its place. Positions never restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Sequence number over the node's whole life.
    pub position: u64,
    /// The height it belongs to; it vanishes with the batch that commits it.
    pub height: Height,
    /// The entry.
    pub entry: LogEntry,
}

impl Canonical for TimeoutStep {
    fn write(&self, out: &mut Writer) {
        out.u8(match self {
            Self::Propose => 1,
            Self::Prevote => 2,
            Self::Precommit => 3,
        });
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        match input.u8()? {
            1 => Ok(Self::Propose),
            2 => Ok(Self::Prevote),
            3 => Ok(Self::Precommit),
            _ => Err(CodecError::Invalid("timeout step")),
        }
    }
}

impl Canonical for LogEntry {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Vote(vote) => {
                out.u8(1);
                vote.write(out);
            }
            Self::Proposal(proposal) => {
                out.u8(2);
                proposal.write(out);
            }
            Self::ProposedValue { round, pol_round, proposer, value, valid } => {
                out.u8(3);
                out.u32(*round);
                out.opt(pol_round.as_ref());
                proposer.write(out);
                value.write(out);
                out.u8(u8::from(*valid));
            }
            Self::Timeout { step, round } => {
                out.u8(4);
                step.write(out);
                out.u32(*round);
            }
            Self::PolkaCertificate(polka) => {
                out.u8(5);
                polka.write(out);
            }
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match input.u8()? {
            1 => Self::Vote(Signed::read(input)?),
            2 => Self::Proposal(Signed::read(input)?),
            3 => Self::ProposedValue {
                round: input.u32()?,
                pol_round: input.opt()?,
                proposer: Address::read(input)?,
                value: BlockId::read(input)?,
                valid: match input.u8()? {
                    0 => false,
                    1 => true,
                    _ => return Err(CodecError::Invalid("verdict")),
                },
            },
            4 => Self::Timeout { step: TimeoutStep::read(input)?, round: input.u32()? },
            5 => Self::PolkaCertificate(PolkaCertificate::read(input)?),
            _ => return Err(CodecError::Invalid("log entry")),
        })
    }
}

impl Canonical for LogRecord {
    fn write(&self, out: &mut Writer) {
        out.u64(self.position);
        out.u64(self.height);
        self.entry.write(out);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { position: input.u64()?, height: input.u64()?, entry: LogEntry::read(input)? })
    }
}
