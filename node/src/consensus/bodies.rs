//! Blocks of the undecided height: pieces being put together, what execution
//! found, and which are asked for. Bounded: one unasked assembly a round, one
//! answer per wanted block and peer, a fixed number of blocks.

use std::collections::{BTreeMap, BTreeSet};
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
pub(crate) const BLOCKS_MAX: usize = 16;
/// Most blocks asked for at once.
const WANTED_MAX: usize = 4;
/// Most blocks put together at once that came unasked; of those asked for it is one a peer.
pub(crate) const UNASKED_MAX: usize = 4;
/// A body and its header fit.
pub(crate) const BLOCK_BYTES_MAX: usize = BODY_BYTES_MAX + PART_BYTES;

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
    /// More than a third of validators voted for it: it is never given up.
    backed: bool,
}

#[derive(Debug, Clone, Default)]
struct Wanted {
    /// Who has it.
    voters: Vec<Address>,
    turn: usize,
    backed: bool,
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
    wanted: BTreeMap<BlockId, Wanted>,
    /// Rounds whose proposer sent its block: a second one of the same round is taken only where it is wanted.
    proposed: BTreeSet<u32>,
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
        self.make_room();
        self.held.insert(id, Held { block, from: None, judgement: Judgement::Valid, durable, backed: false });
    }
    pub(crate) fn insert_pending(&mut self, id: BlockId, block: Arc<Block>, from: &Peer, ticket: Ticket) {
        let (from, backed) = (Some(from.clone()), self.wanted.get(&id).is_some_and(|wanted| wanted.backed));
        self.make_room();
        self.held.insert(id, Held { block, from, judgement: Judgement::Pending(ticket), durable: false, backed });
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

    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }
    pub(crate) fn assembly_bytes(&self) -> usize {
        self.assemblies.values().map(|assembly| assembly.bytes).sum()
    }
    /// The block that is given up first: an invalid one, else the one of the earliest round that nobody needs.
    fn spare(&self) -> Option<BlockId> {
        let spare = |held: &Held| !held.backed && !matches!(held.judgement, Judgement::Pending(_));
        let order = |held: &Held| (held.judgement == Judgement::Valid, held.block.header.round);
        let spares = self.held.iter().filter(|(_, held)| spare(held));
        spares.min_by_key(|(_, held)| order(held)).map(|(id, _)| *id)
    }
    /// Rounds go on as long as they have to, and with each comes a block: without this the height would end with the
    /// room for them.
    fn make_room(&mut self) {
        if self.held.len() >= BLOCKS_MAX
            && let Some(spare) = self.spare()
        {
            self.held.remove(&spare);
        }
    }
    fn has_room(&self) -> bool {
        self.held.len() < BLOCKS_MAX || self.spare().is_some()
    }
    /// What was left unfinished makes room: of a peer its other answer, of proposers that of the earliest round.
    fn make_room_for(&mut self, source: &Source) {
        if self.assemblies.contains_key(source) {
            return;
        }
        match source {
            Source::Asked(_, peer) => {
                self.assemblies.retain(|open, _| !matches!(open, Source::Asked(_, of) if of == peer));
            }
            Source::Proposer(_) => {
                let unasked = self.assemblies.keys().filter(|open| matches!(open, Source::Proposer(_)));
                let (count, earliest) = (unasked.clone().count(), unasked.min().cloned());
                if let Some(earliest) = earliest.filter(|_| count >= UNASKED_MAX) {
                    self.assemblies.remove(&earliest);
                }
            }
        }
    }

    /// Takes a piece; the block once it is whole and is the one named.
    pub(crate) fn receive(&mut self, source: Source, part: BlockPart) -> Result<Option<Block>, BadPart> {
        let again = matches!(source, Source::Proposer(round) if self.proposed.contains(&round));
        if self.held.contains_key(&part.block) || again || !self.has_room() {
            return Ok(None);
        }
        self.make_room_for(&source);
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
        if block.header.id() != part.block {
            return Err(BadPart);
        }
        if let Source::Proposer(round) = source {
            self.proposed.insert(round);
        }
        Ok(Some(block))
    }

    pub(crate) fn wants(&self, id: &BlockId) -> bool {
        self.wanted.contains_key(id) && !self.held.contains_key(id)
    }
    /// Asks for a block of one of its voters; false if it is here or asked for already. A backed one, which more than
    /// a third voted for, takes the place of one that is not: a liar may name as many as it likes.
    pub(crate) fn want(&mut self, id: BlockId, voters: Vec<Address>, backed: bool) -> bool {
        if let Some(held) = self.held.get_mut(&id) {
            held.backed |= backed;
            return false;
        }
        if let Some(known) = self.wanted.get_mut(&id) {
            known.backed |= backed;
            for voter in voters {
                if !known.voters.contains(&voter) {
                    known.voters.push(voter);
                }
            }
            return false;
        }
        if voters.is_empty() {
            return false;
        }
        // One that is being judged may prove to be of someone else's making, and is asked for again then.
        let judged =
            |id: &BlockId| self.held.get(id).is_some_and(|held| !matches!(held.judgement, Judgement::Pending(_)));
        self.wanted.retain(|id, _| !judged(id));
        let open = self.wanted.iter().filter(|(id, _)| !self.held.contains_key(id));
        if open.clone().count() >= WANTED_MAX {
            let other = open.filter(|(_, wanted)| !wanted.backed).map(|(id, _)| *id).next();
            let Some(other) = other.filter(|_| backed) else { return false };
            self.wanted.remove(&other);
        }
        self.wanted.insert(id, Wanted { voters, turn: 0, backed });
        true
    }
    /// Whom to ask for which block now: each time the next voter.
    pub(crate) fn next_requests(&mut self) -> Vec<(BlockId, Address)> {
        let mut requests = Vec::new();
        for (id, Wanted { voters, turn, .. }) in &mut self.wanted {
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
mod tests;
