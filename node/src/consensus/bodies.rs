//! Blocks of the undecided height: pieces being put together, what execution
//! found, and which are asked for. Bounded: one unasked assembly a round, one
//! answer per wanted block and peer, a fixed number of blocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_chain::codec::{decode, encode};
use laufzettel_chain::ids::{Address, BlockId};
use laufzettel_chain::limits::{BODY_BYTES_MAX, PART_BYTES};

use super::gate::KnownBlock;
use super::input::Ticket;
use super::ledger::Block;
use super::message::{BlockPart, Message};
use super::peers::Peer;

/// Most blocks kept for one height.
const BLOCKS_MAX: usize = 16;
/// Most blocks asked for at once.
const WANTED_MAX: usize = 4;
/// A body and its header fit.
const BLOCK_BYTES_MAX: usize = BODY_BYTES_MAX + PART_BYTES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Pending(Ticket),
    Valid,
    Invalid,
}

#[derive(Debug, Clone)]
struct Held {
    block: Arc<Block>,
    /// Who sent it; none if it was built here or was durable.
    from: Option<Peer>,
    judgement: Judgement,
    durable: bool,
}

/// Whose assembly it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Sent by the proposer of this round unasked.
    Proposer(u32),
    /// Sent by a peer that was asked for this block.
    Asked(BlockId, Peer),
}

#[derive(Debug, Clone)]
struct Assembly {
    block: BlockId,
    total: u32,
    bytes: usize,
    parts: BTreeMap<u32, Vec<u8>>,
}

/// A piece that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadPart;

/// The blocks of one height.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bodies {
    held: BTreeMap<BlockId, Held>,
    assemblies: BTreeMap<Source, Assembly>,
    wanted: BTreeMap<BlockId, (Vec<Address>, usize)>,
}

impl Bodies {
    pub(crate) fn get(&self, id: &BlockId) -> Option<&Arc<Block>> {
        self.held.get(id).map(|held| &held.block)
    }
    pub(crate) fn valid(&self, id: &BlockId) -> Option<&Arc<Block>> {
        self.held.get(id).filter(|held| held.judgement == Judgement::Valid).map(|held| &held.block)
    }
    pub(crate) fn known(&self, id: &BlockId) -> KnownBlock {
        match self.held.get(id) {
            None => KnownBlock::Missing,
            Some(held) => match held.judgement {
                Judgement::Pending(_) => KnownBlock::Missing,
                Judgement::Invalid => KnownBlock::Invalid,
                Judgement::Valid => {
                    KnownBlock::Valid { round: held.block.header.round, time_ms: held.block.header.time_ms }
                }
            },
        }
    }
    /// A block this node built or had made durable before.
    pub(crate) fn insert_valid(&mut self, id: BlockId, block: Arc<Block>, durable: bool) {
        self.held.insert(id, Held { block, from: None, judgement: Judgement::Valid, durable });
    }
    pub(crate) fn insert_pending(&mut self, id: BlockId, block: Arc<Block>, from: &Peer, ticket: Ticket) {
        let from = Some(from.clone());
        self.held.insert(id, Held { block, from, judgement: Judgement::Pending(ticket), durable: false });
    }
    /// Drops a body that is not the block's own; who sent it.
    pub(crate) fn drop_foreign(&mut self, id: &BlockId, ticket: Ticket) -> Option<Peer> {
        self.held.get(id).filter(|held| held.judgement == Judgement::Pending(ticket))?;
        self.held.remove(id)?.from
    }
    /// Notes a verdict; false if none was awaited.
    pub(crate) fn judged(&mut self, id: &BlockId, ticket: Ticket, valid: bool) -> bool {
        match self.held.get_mut(id) {
            Some(held) if held.judgement == Judgement::Pending(ticket) => {
                held.judgement = if valid { Judgement::Valid } else { Judgement::Invalid };
                true
            }
            _ => false,
        }
    }
    /// A block the log is about to refer to, unless it is durable already.
    pub(crate) fn take_undurable(&mut self, id: &BlockId) -> Option<Arc<Block>> {
        let held = self.held.get_mut(id).filter(|held| !held.durable && held.judgement == Judgement::Valid)?;
        held.durable = true;
        Some(Arc::clone(&held.block))
    }

    /// Takes a piece; the block once it is whole and is the one named.
    pub(crate) fn receive(&mut self, source: Source, part: BlockPart) -> Result<Option<Block>, BadPart> {
        if self.held.contains_key(&part.block) || self.held.len() >= BLOCKS_MAX {
            return Ok(None);
        }
        let fresh = Assembly { block: part.block, total: part.total, bytes: 0, parts: BTreeMap::new() };
        let assembly = self.assemblies.entry(source.clone()).or_insert(fresh);
        if assembly.block != part.block || assembly.total != part.total {
            return Err(BadPart);
        }
        if assembly.parts.contains_key(&part.index) {
            return Ok(None);
        }
        assembly.bytes = assembly.bytes.saturating_add(part.bytes.len());
        if assembly.bytes > BLOCK_BYTES_MAX {
            self.assemblies.remove(&source);
            return Err(BadPart);
        }
        assembly.parts.insert(part.index, part.bytes);
        if usize::try_from(assembly.total) != Ok(assembly.parts.len()) {
            return Ok(None);
        }
        let whole = self.assemblies.remove(&source).map(|assembly| {
            assembly.parts.into_values().fold(Vec::with_capacity(assembly.bytes), |mut whole, mut part| {
                whole.append(&mut part);
                whole
            })
        });
        let block: Block = whole.and_then(|bytes| decode(&bytes).ok()).ok_or(BadPart)?;
        if block.header.id() == part.block { Ok(Some(block)) } else { Err(BadPart) }
    }

    pub(crate) fn wants(&self, id: &BlockId) -> bool {
        self.wanted.contains_key(id) && !self.held.contains_key(id)
    }
    /// Asks for a block of one of its voters; false if it is here or asked for already.
    pub(crate) fn want(&mut self, id: BlockId, voters: Vec<Address>) -> bool {
        if let Some((known, _)) = self.wanted.get_mut(&id) {
            for voter in voters {
                if !known.contains(&voter) {
                    known.push(voter);
                }
            }
            return false;
        }
        let open = self.wanted.keys().filter(|id| self.wants(id)).count();
        if self.held.contains_key(&id) || open >= WANTED_MAX {
            return false;
        }
        self.wanted.insert(id, (voters, 0));
        true
    }
    /// Whom to ask for which block now: each time the next voter.
    pub(crate) fn next_requests(&mut self) -> Vec<(BlockId, Address)> {
        let mut requests = Vec::new();
        for (id, (voters, turn)) in &mut self.wanted {
            if self.held.contains_key(id) {
                continue;
            }
            if let Some(voter) = turn.checked_rem(voters.len()).and_then(|index| voters.get(index)) {
                requests.push((*id, *voter));
            }
            *turn = turn.wrapping_add(1);
        }
        requests
    }
}

/// A block in pieces, as messages.
pub(crate) fn parts(block: &Block, id: BlockId, round: Option<u32>) -> Vec<Message> {
    let bytes = encode(block);
    let total = u32::try_from(bytes.len().div_ceil(PART_BYTES)).unwrap_or(u32::MAX);
    let part = |(index, piece): (usize, &[u8])| {
        Message::BlockPart(BlockPart {
            height: block.header.height,
            round,
            block: id,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            total,
            bytes: piece.to_vec(),
        })
    };
    bytes.chunks(PART_BYTES).enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use laufzettel_chain::header::Header;
    use laufzettel_chain::ids::NetworkId;

    use super::*;
    use crate::consensus::ledger::{Body, SignedTransaction};

    fn block(bytes: usize) -> Block {
        let payload = vec![7; 10_000];
        let transaction = SignedTransaction { payload, ..SignedTransaction::default() };
        let transactions = (0..bytes / 10_000).map(|_| Arc::new(transaction.clone())).collect::<Vec<_>>();
        let header = Header {
            version: 1,
            network: NetworkId([1; 32]),
            incarnation: 0,
            height: 5,
            round: 0,
            time_ms: 1,
            previous: BlockId([2; 32]),
            proposer: Address([3; 16]),
            tx_root: [4; 32],
            receipts_root: [5; 32],
            state_root: [6; 32],
            validators_hash: [7; 32],
            next_validators_hash: [8; 32],
        };
        Block { header, body: Body { transactions } }
    }

    fn pieces(block: &Block) -> Vec<BlockPart> {
        let piece = |message| match message {
            Message::BlockPart(part) => Some(part),
            _ => None,
        };
        parts(block, block.header.id(), Some(0)).into_iter().filter_map(piece).collect()
    }

    #[test]
    fn a_block_is_whole_in_any_order_of_its_pieces() {
        let block = block(1_000_000);
        let mut bodies = Bodies::default();
        let mut pieces = pieces(&block);
        assert_eq!(pieces.len(), 8);
        pieces.reverse();
        let twice = pieces[0].clone();
        assert_eq!(bodies.receive(Source::Proposer(0), twice), Ok(None));
        let whole: Vec<_> =
            pieces.into_iter().filter_map(|part| bodies.receive(Source::Proposer(0), part).unwrap()).collect();
        assert_eq!(whole, [block]);
    }

    #[test]
    fn pieces_of_two_blocks_do_not_mix() {
        let mut bodies = Bodies::default();
        let mut pieces = pieces(&block(1_000_000));
        let mut other = pieces.remove(1);
        bodies.receive(Source::Proposer(0), pieces.remove(0)).unwrap();
        other.block = BlockId([9; 32]);
        assert_eq!(bodies.receive(Source::Proposer(0), other), Err(BadPart));
    }

    #[test]
    fn a_changed_piece_makes_no_block_and_can_be_sent_again() {
        let block = block(300_000);
        let mut bodies = Bodies::default();
        let mut wrong = pieces(&block);
        wrong[0].bytes[40] ^= 1;
        let last: Vec<_> = wrong.into_iter().map(|part| bodies.receive(Source::Proposer(0), part)).collect();
        assert_eq!(last.last(), Some(&Err(BadPart)));
        let again: Vec<_> = pieces(&block).into_iter().map(|part| bodies.receive(Source::Proposer(0), part)).collect();
        assert_eq!(again.last(), Some(&Ok(Some(block))));
    }

    #[test]
    fn a_wanted_block_is_asked_of_one_voter_after_the_other() {
        let mut bodies = Bodies::default();
        let voters = vec![Address([1; 16]), Address([2; 16])];
        let id = BlockId([1; 32]);
        assert!(bodies.want(id, voters.clone()) && !bodies.want(id, voters));
        let asked: Vec<_> = (0..3).flat_map(|_| bodies.next_requests()).map(|(_, voter)| voter.0[0]).collect();
        assert_eq!(asked, [1, 2, 1]);
        let block = Arc::new(block(10_000));
        bodies.insert_pending(id, block, &Peer("liar".to_owned()), 7);
        assert!(bodies.next_requests().is_empty());
        assert_eq!(bodies.drop_foreign(&id, 7), Some(Peer("liar".to_owned())));
        assert_eq!(bodies.next_requests(), [(id, Address([2; 16]))]);
    }
}
