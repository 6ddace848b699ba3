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
        self.held.insert(id, Held { block, judgement: Judgement::Valid, durable });
    }
    pub(crate) fn insert_pending(&mut self, id: BlockId, block: Arc<Block>, ticket: Ticket) {
        self.wanted.remove(&id);
        self.held.insert(id, Held { block, judgement: Judgement::Pending(ticket), durable: false });
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
        self.wanted.contains_key(id)
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
        if self.held.contains_key(&id) || self.wanted.len() >= WANTED_MAX {
            return false;
        }
        self.wanted.insert(id, (voters, 0));
        true
    }
    /// Whom to ask for which block now: each time the next voter.
    pub(crate) fn next_requests(&mut self) -> Vec<(BlockId, Address)> {
        let mut requests = Vec::new();
        for (id, (voters, turn)) in &mut self.wanted {
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
