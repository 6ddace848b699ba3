//! Lies told in proposals: another block than the node below proposed, with a
//! signature of its own and its body in parts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use laufzettel_chain::block::Block;
use laufzettel_chain::codec::{decode, encode};
use laufzettel_chain::ids::Address;
use laufzettel_chain::limits::{PART_BYTES, PROPOSAL_WORK};
use laufzettel_chain::query;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_chain::vote::{Proposal, Signed};
use laufzettel_node::consensus::Message;
use laufzettel_node::consensus::message::BlockPart;
use rand::Rng as _;

use super::{Said, Scene, Strategy};

/// Proposes another block instead.
pub(super) struct Instead {
    /// Makes it; none if it cannot be made now.
    pub(super) make: fn(&Block, &mut Scene<'_>) -> Option<Block>,
    /// Whether some peers get the true one.
    pub(super) to_some: bool,
}

impl Strategy for Instead {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        let Some((proposal, block)) = proposed(said, scene.own()) else { return 0 };
        if scene.chance(3) {
            return 0;
        }
        let differs =
            |other: &Block| other.header.id() != block.header.id() && other.header.height == block.header.height;
        let Some(other) = (self.make)(&block, scene).filter(differs) else { return 0 };
        let to = if self.to_some { scene.half() } else { scene.peers.iter().copied().collect() };
        replace(said, (&proposal, &other), &to, scene);
        to.len() as u64
    }
}

/// What a step proposes: its own proposal, and the block put together from its parts.
pub(super) fn proposed(said: &[Said], own: Address) -> Option<(Signed<Proposal>, Block)> {
    let mut proposals = said.iter().filter_map(|said| match said.message() {
        Some(Message::Proposal(proposal)) if proposal.message.address == own => Some((said.to, proposal)),
        _ => None,
    });
    let (to, proposal) = proposals.next()?;
    let mut parts = BTreeMap::new();
    for said in said.iter().filter(|said| said.to == to) {
        if let Some(Message::BlockPart(part)) = said.message()
            && part.block == proposal.message.value
        {
            parts.insert(part.index, part.bytes.as_slice());
        }
    }
    let bytes: Vec<u8> = parts.into_values().flatten().copied().collect();
    Some((proposal.clone(), decode(&bytes).ok()?))
}

/// A block in pieces.
pub(super) fn parts(block: &Block, round: Option<u32>) -> Vec<Message> {
    let (bytes, id) = (encode(block), block.header.id());
    let total = u32::try_from(bytes.len().div_ceil(PART_BYTES)).unwrap_or(u32::MAX);
    let part = |(index, piece): (u32, &[u8])| {
        let (height, bytes) = (block.header.height, piece.to_vec());
        Message::BlockPart(BlockPart { height, round, block: id, index, total, bytes })
    };
    (0u32..).zip(bytes.chunks(PART_BYTES)).map(part).collect()
}

/// Tells these peers that the other block is the proposal, and votes for it before them.
fn replace(
    said: &mut Vec<Said>,
    (proposal, other): (&Signed<Proposal>, &Block),
    to: &BTreeSet<usize>,
    scene: &Scene<'_>,
) {
    let (own, value, id) = (scene.own(), proposal.message.value, other.header.id());
    said.retain(|said| {
        let replaced = match said.message() {
            Some(Message::Proposal(proposal)) => proposal.message.address == own,
            Some(Message::BlockPart(part)) => part.block == value,
            _ => false,
        };
        !(replaced && to.contains(&said.to))
    });
    for said in said.iter_mut().filter(|said| to.contains(&said.to)) {
        if let Some(Message::Votes(votes)) = said.message_mut() {
            for vote in votes.iter_mut().filter(|vote| vote.message.address == own) {
                if vote.message.value == Some(value) {
                    let message = laufzettel_chain::vote::Vote { value: Some(id), ..vote.message.clone() };
                    *vote = Signed::new(message, &scene.member.consensus);
                }
            }
        }
    }
    let message = Proposal { value: id, ..proposal.message.clone() };
    let mut told = vec![Message::Proposal(Signed::new(message, &scene.member.consensus))];
    told.extend(parts(other, Some(proposal.message.round)));
    for to in to {
        said.extend(told.iter().map(|message| Said::new(*to, message.clone())));
    }
}

/// A block that the ledger itself builds, of this round, proposer and time.
pub(super) fn built(
    scene: &Scene<'_>,
    (round, proposer): (u32, Address),
    time_ms: u64,
    transactions: &[Arc<SignedTransaction>],
) -> Option<Block> {
    let built = scene.ledger.build(round, time_ms, proposer, transactions, PROPOSAL_WORK).ok()?;
    Some(built.block.as_ref().clone())
}

/// Round and proposer of a block: of one that is proposed again, those who proposed it first.
pub(super) fn turn(block: &Block) -> (u32, Address) {
    (block.header.round, block.header.proposer)
}

fn mark(block: Block, scene: &mut Scene<'_>) -> Option<Block> {
    scene.invalid.insert(block.header.id());
    Some(block)
}

/// The same a millisecond later: as valid as the first.
pub(super) fn sibling(block: &Block, scene: &mut Scene<'_>) -> Option<Block> {
    built(scene, turn(block), block.header.time_ms + 1, &block.body.transactions)
}

/// With another state root.
pub(super) fn wrong_root(block: &Block, scene: &mut Scene<'_>) -> Option<Block> {
    let mut other = block.clone();
    other.header.state_root = scene.any_id().0;
    mark(other, scene)
}

/// With the transaction whose execution panics.
pub(super) fn panicking(block: &Block, scene: &mut Scene<'_>) -> Option<Block> {
    let mut transactions = vec![Arc::clone(scene.hostile)];
    transactions.extend(block.body.transactions.iter().cloned());
    let other = built(scene, turn(block), block.header.time_ms, &transactions)?;
    mark(other, scene)
}

/// With a transaction of an earlier block, or with one twice.
pub(super) fn stuffed(block: &Block, scene: &mut Scene<'_>) -> Option<Block> {
    let height = scene.random.random_range(0..scene.height());
    let earlier = query::block(scene.ledger.store().as_ref(), height).ok().flatten();
    let earlier = earlier.and_then(|(earlier, _)| earlier.body.transactions.first().cloned());
    let mut other = block.clone();
    let again = earlier.or_else(|| other.body.transactions.first().cloned())?;
    other.body.transactions.push(again);
    other.header.tx_root = other.body.tx_root();
    mark(other, scene)
}

/// Of a time that lies before the window, or before the last block where that is still in it.
pub(super) fn stale(block: &Block, scene: &mut Scene<'_>) -> Option<Block> {
    let tip_ms = scene.ledger.tip().header.time_ms;
    if tip_ms + 7_000 < scene.now_ms {
        let other = built(scene, turn(block), tip_ms + 1, &block.body.transactions)?;
        // A heartbeat set back is one before its time.
        let early = other.body.transactions.is_empty() && other.header.round == 0;
        return if early { mark(other, scene) } else { Some(other) };
    }
    let mut other = block.clone();
    other.header.time_ms = tip_ms;
    mark(other, scene)
}

/// Of a time that lies after the window.
pub(super) fn ahead(block: &Block, scene: &mut Scene<'_>) -> Option<Block> {
    let time_ms = scene.now_ms + scene.random.random_range(12_000..3_600_000);
    built(scene, turn(block), time_ms, &block.body.transactions)
}

/// Made for the next round in which it is this liar's turn.
pub(super) fn later_round(block: &Block, scene: &mut Scene<'_>) -> Option<Block> {
    let turns = u32::try_from(scene.ledger.tip().order.len()).ok()?;
    built(scene, (block.header.round + turns, block.header.proposer), block.header.time_ms, &block.body.transactions)
}

/// Empty in round 0, less than a minute after the last block, when nothing is due.
pub(super) fn empty(block: &Block, scene: &mut Scene<'_>) -> Option<Block> {
    let (tip, time_ms) = (scene.ledger.tip(), block.header.time_ms);
    let early = time_ms < tip.header.time_ms + 60_000 && tip.next_due_ms.is_none_or(|due_ms| time_ms < due_ms);
    if block.header.round > 0 || block.body.transactions.is_empty() || !early {
        return None;
    }
    let other = built(scene, turn(block), block.header.time_ms, &[])?;
    mark(other, scene)
}

/// Proposes when it is another's turn.
pub(super) struct OutOfTurn;

impl Strategy for OutOfTurn {
    fn interrupt(&mut self, scene: &mut Scene<'_>) -> Vec<Said> {
        let tip = scene.ledger.tip();
        let round = scene.random.random_range(0..4u32);
        if tip.proposer(round) == Some(scene.own()) {
            return Vec::new();
        }
        let Some(block) = built(scene, (round, scene.own()), scene.now_ms, &[]) else { return Vec::new() };
        let message = Proposal {
            network: scene.network,
            incarnation: 0,
            height: block.header.height,
            round,
            pol_round: if scene.chance(2) { None } else { round.checked_sub(1) },
            value: block.header.id(),
            address: scene.own(),
        };
        scene.invalid.insert(block.header.id());
        let mut told = scene.to_all(&Message::Proposal(Signed::new(message, &scene.member.consensus)));
        for part in parts(&block, Some(round)) {
            told.extend(scene.to_all(&part));
        }
        told
    }
}
