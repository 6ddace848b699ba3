//! The watermark: the last thing this validator signed, kept outside of the
//! database in two checksummed slots written in turn. It is what keeps a node
//! whose database was set back from signing twice. Pure: bytes in, verdict
//! out; the caller writes slot `sequence % 2` and syncs it.
//!
//! Never write it before the log it refers to is durable, and never send what
//! it covers before it is durable itself.

use laufzettel_chain::codec::{Canonical, CodecError, Reader, Writer, decode, encode};
use laufzettel_chain::crypto;
use laufzettel_chain::ids::{Address, BlockId, Height, NetworkId};

/// Size of a slot on disk; a slot never crosses a 512-byte sector.
pub const SLOT_BYTES: usize = 256;

/// What kind of message was signed, in the order of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A proposal.
    Proposal,
    /// A prevote.
    Prevote,
    /// A precommit.
    Precommit,
}

/// A signed message's place and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Height.
    pub height: Height,
    /// Round.
    pub round: u32,
    /// Kind.
    pub step: Step,
    /// The block; none is a vote for none.
    pub value: Option<BlockId>,
}

impl Mark {
    /// Below everything that can be signed.
    pub const NOTHING: Self = Self { height: 0, round: 0, step: Step::Proposal, value: None };

    /// What a reset writes: nothing of this height or below may be signed any more.
    #[must_use]
    pub const fn above(height: Height) -> Self {
        Self { height, round: u32::MAX, step: Step::Precommit, value: None }
    }
    /// Whether a reset wrote it: nobody ever signs in the last round there is.
    fn is_of_reset(&self) -> bool {
        *self == Self::above(self.height)
    }
    /// Whether this may be signed after `last`: it comes later, or is the same again.
    #[must_use]
    pub fn may_follow(&self, last: &Self) -> bool {
        self.place() > last.place() || self == last
    }
    fn place(&self) -> (Height, u32, Step) {
        (self.height, self.round, self.step)
    }
    /// The later of two.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        if other.place() > self.place() { other } else { self }
    }
}

/// The content of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// Count of writes; the higher slot is newer.
    pub sequence: u64,
    /// The network.
    pub network: NetworkId,
    /// The validator.
    pub address: Address,
    /// The last message signed.
    pub mark: Mark,
    /// The log is durable at least up to here.
    pub log_position: u64,
}

impl Canonical for Watermark {
    fn write(&self, out: &mut Writer) {
        out.u64(self.sequence);
        self.network.write(out);
        self.address.write(out);
        out.u64(self.mark.height);
        out.u32(self.mark.round);
        out.u8(match self.mark.step {
            Step::Proposal => 0,
            Step::Prevote => 1,
            Step::Precommit => 2,
        });
        out.opt(self.mark.value.as_ref());
        out.u64(self.log_position);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (sequence, network, address) = (input.u64()?, NetworkId::read(input)?, Address::read(input)?);
        let (height, round) = (input.u64()?, input.u32()?);
        let step = match input.u8()? {
            0 => Step::Proposal,
            1 => Step::Prevote,
            2 => Step::Precommit,
            _ => return Err(CodecError::Invalid("step")),
        };
        let mark = Mark { height, round, step, value: input.opt()? };
        Ok(Self { sequence, network, address, mark, log_position: input.u64()? })
    }
}

impl Watermark {
    /// The slot to write: which of the two, and its bytes.
    #[must_use]
    pub fn slot(&self) -> (usize, Vec<u8>) {
        let content = encode(self);
        let checksum = crypto::hash("watermark", &content);
        let mut out = Writer::default();
        out.bytes(&content);
        out.raw(&checksum);
        let mut bytes = out.into_bytes();
        bytes.resize(SLOT_BYTES, 0);
        (usize::from(self.sequence % 2 == 1), bytes)
    }
    /// Reads a slot; none if it is torn or was never written.
    #[must_use]
    pub fn read_slot(bytes: &[u8]) -> Option<Self> {
        let mut input = Reader::new(bytes);
        let content = input.bytes(SLOT_BYTES).ok()?;
        let checksum: [u8; 32] = input.array().ok()?;
        if crypto::hash("watermark", content) != checksum {
            return None;
        }
        decode(content).ok()
    }
}

/// Why nothing is signed until an operator resets the watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilentReason {
    /// There is a chain or log, but no watermark.
    Missing,
    /// It belongs to another validator or network.
    Foreign,
    /// Both slots are damaged.
    Damaged,
}

impl core::fmt::Display for SilentReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing, though this node has blocks",
            Self::Foreign => "belongs to another validator or network",
            Self::Damaged => "is damaged",
        })
    }
}

/// What this node may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningState {
    /// It has no key.
    Observer,
    /// Nothing yet: it never signed, or lost all that says so, and has to learn first where the chain stands.
    New,
    /// Everything after the watermark.
    Ready,
    /// Only heights above this one: the log ends below the watermark, or the watermark was reset.
    Above(Height),
    /// Nothing.
    Silent(SilentReason),
}

impl SigningState {
    /// Whether messages of this height may be signed.
    #[must_use]
    pub fn allows(&self, height: Height) -> bool {
        match self {
            Self::Observer | Self::New | Self::Silent(_) => false,
            Self::Ready => true,
            Self::Above(above) => height > *above,
        }
    }
}

/// What lies on disk when the node starts.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The two slots; none where nothing was ever written.
    pub slots: [Option<&'a [u8]>; 2],
    /// Whether chain and log are those of a node that never ran.
    pub pristine: bool,
    /// The highest log position ever made durable.
    pub log_end: u64,
}

/// Judges the slots: what may be signed, and the newest watermark.
#[must_use]
pub fn judge(network: NetworkId, address: Address, found: &Found<'_>) -> (SigningState, Option<Watermark>) {
    let read: Vec<Watermark> = found.slots.iter().flatten().filter_map(|bytes| Watermark::read_slot(bytes)).collect();
    let Some(newest) = read.into_iter().max_by_key(|mark| mark.sequence) else {
        let torn = found.slots.iter().flatten().count();
        // A first write that was torn leaves one bad slot and nothing signed: the log would be there otherwise.
        return match (found.pristine, torn) {
            (true, 0 | 1) => (SigningState::New, None),
            (_, 0) => (SigningState::Silent(SilentReason::Missing), None),
            _ => (SigningState::Silent(SilentReason::Damaged), None),
        };
    };
    if newest.network != network || newest.address != address {
        return (SigningState::Silent(SilentReason::Foreign), None);
    }
    if found.pristine && newest.mark == Mark::NOTHING {
        return (SigningState::New, Some(newest));
    }
    let above = found.log_end < newest.log_position || newest.mark.is_of_reset();
    // Above nothing is everything: it was there at genesis, and signed nothing yet.
    let state =
        if above && newest.mark.height > 0 { SigningState::Above(newest.mark.height) } else { SigningState::Ready };
    (state, Some(newest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: NetworkId = NetworkId([7; 32]);
    const ADDRESS: Address = Address([9; 16]);

    fn mark(sequence: u64, height: Height, log_position: u64) -> Watermark {
        let mark = Mark { height, round: 1, step: Step::Prevote, value: Some(BlockId([3; 32])) };
        Watermark { sequence, network: NETWORK, address: ADDRESS, mark, log_position }
    }

    fn check(slots: [Option<&[u8]>; 2], pristine: bool, log_end: u64) -> (SigningState, Option<u64>) {
        let found = Found { slots, pristine, log_end };
        let (state, newest) = judge(NETWORK, ADDRESS, &found);
        (state, newest.map(|mark| mark.sequence))
    }

    #[test]
    fn the_newer_good_slot_counts() {
        let (index_a, a) = mark(4, 10, 50).slot();
        let (index_b, b) = mark(5, 11, 60).slot();
        assert_eq!((index_a, index_b, a.len()), (0, 1, SLOT_BYTES));
        assert_eq!(check([Some(&a), Some(&b)], false, 60), (SigningState::Ready, Some(5)));
        let mut torn = b.clone();
        torn[40] ^= 1;
        assert_eq!(check([Some(&a), Some(&torn)], false, 60), (SigningState::Ready, Some(4)));
        assert_eq!(check([Some(&a), None], false, 60), (SigningState::Ready, Some(4)));
    }

    #[test]
    fn every_cut_of_a_slot_is_torn() {
        let (_, old) = mark(4, 10, 50).slot();
        let (_, new) = mark(6, 12, 70).slot();
        for cut in 0..SLOT_BYTES {
            let mixed = [&new[..cut], &old[cut..]].concat();
            let read = Watermark::read_slot(&mixed);
            assert!(read.is_none_or(|mark| mark.sequence == 4 || mark.sequence == 6), "cut at {cut}");
        }
    }

    #[test]
    fn a_log_set_back_signs_only_above() {
        let (_, slot) = mark(5, 11, 60).slot();
        let (state, _) = check([None, Some(&slot)], false, 59);
        assert_eq!(state, SigningState::Above(11));
        assert!(!state.allows(11) && state.allows(12));
    }

    #[test]
    fn a_reset_watermark_allows_only_what_lies_above_it() {
        let mark = Mark::above(11);
        let watermark = Watermark { sequence: 1, network: NETWORK, address: ADDRESS, mark, log_position: 0 };
        let (slot, bytes) = watermark.slot();
        assert_eq!(slot, 1);
        let (state, newest) = check([None, Some(&bytes)], false, 60);
        assert_eq!((state, newest), (SigningState::Above(11), Some(1)));
        let next = |height, round, step| Mark { height, round, step, value: Some(BlockId([3; 32])) };
        assert!(!next(11, 7, Step::Precommit).may_follow(&mark) && !next(10, 0, Step::Prevote).may_follow(&mark));
        assert!(next(12, 0, Step::Proposal).may_follow(&mark));
    }

    #[test]
    fn who_was_there_at_genesis_stays_no_newcomer() {
        let slot = |mark| Watermark { sequence: 1, network: NETWORK, address: ADDRESS, mark, log_position: 0 }.slot().1;
        assert_eq!(check([None, Some(&slot(Mark::NOTHING))], true, 0).0, SigningState::New);
        assert_eq!(check([None, Some(&slot(Mark::above(0)))], true, 0).0, SigningState::Ready);
        assert!(Mark { height: 1, round: 0, step: Step::Proposal, value: None }.may_follow(&Mark::above(0)));
    }

    #[test]
    fn missing_foreign_and_damaged_are_silent() {
        let (_, good) = mark(5, 11, 60).slot();
        let bad = vec![0xff; SLOT_BYTES];
        assert_eq!(check([None, None], true, 0).0, SigningState::New);
        assert_eq!(check([Some(&bad), None], true, 0).0, SigningState::New);
        assert_eq!(check([None, None], false, 3).0, SigningState::Silent(SilentReason::Missing));
        assert_eq!(check([Some(&bad), Some(&bad)], true, 0).0, SigningState::Silent(SilentReason::Damaged));
        assert_eq!(check([Some(&bad), Some(&bad)], false, 9).0, SigningState::Silent(SilentReason::Damaged));
        let found = Found { slots: [Some(&good), None], pristine: false, log_end: 99 };
        let foreign = SigningState::Silent(SilentReason::Foreign);
        assert_eq!(judge(NETWORK, Address([1; 16]), &found).0, foreign);
        assert_eq!(judge(NetworkId([1; 32]), ADDRESS, &found).0, foreign);
    }

    #[test]
    fn only_later_or_equal_may_follow() {
        let at = |height, round, step, value: Option<u8>| Mark {
            height,
            round,
            step,
            value: value.map(|byte| BlockId([byte; 32])),
        };
        let last = at(5, 1, Step::Prevote, Some(1));
        assert!(at(5, 1, Step::Prevote, Some(1)).may_follow(&last));
        assert!(!at(5, 1, Step::Prevote, Some(2)).may_follow(&last));
        assert!(!at(5, 1, Step::Prevote, None).may_follow(&last));
        assert!(!at(5, 1, Step::Proposal, Some(1)).may_follow(&last));
        assert!(!at(5, 0, Step::Precommit, Some(1)).may_follow(&last));
        assert!(at(5, 1, Step::Precommit, None).may_follow(&last));
        assert!(at(6, 0, Step::Proposal, None).may_follow(&last));
    }
}
