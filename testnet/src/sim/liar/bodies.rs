//! Lies told in bodies: missing, in pieces, of another block.

use std::sync::Arc;

use laufzettel_chain::block::Block;
use laufzettel_chain::codec::{decode, encode};
use laufzettel_node::consensus::Message;
use rand::Rng as _;

use super::proposals::{parts, proposed};
use super::{Said, Scene, Strategy};

/// The same header above items that were changed.
pub(super) fn other_body(block: &Block) -> Block {
    let mut other = block.clone();
    for transaction in &mut other.body.transactions {
        let mut changed = transaction.as_ref().clone();
        for byte in changed.items.iter_mut().flatten().flatten() {
            *byte ^= 1;
        }
        *transaction = Arc::new(changed);
    }
    other
}

/// No bodies.
pub(super) struct Withheld;

impl Strategy for Withheld {
    fn speak(&mut self, said: &mut Vec<Said>, _scene: &mut Scene<'_>) -> u64 {
        let before = said.len();
        said.retain(|said| !matches!(said.message(), Some(Message::BlockPart(_))));
        (before - said.len()) as u64
    }
}

/// One part of several is missing.
pub(super) struct Partial;

impl Strategy for Partial {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        let (before, missing) = (said.len(), scene.random.random_range(0..64));
        said.retain(|said| match said.message() {
            Some(Message::BlockPart(part)) if part.total > 1 => part.index != missing % part.total,
            _ => true,
        });
        (before - said.len()) as u64
    }
}

/// A bit of a part is wrong.
pub(super) struct Corrupt;

impl Strategy for Corrupt {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        let mut count = 0;
        for said in said.iter_mut() {
            if !matches!(said.message(), Some(Message::BlockPart(_))) || scene.chance(2) {
                continue;
            }
            if let Some(Message::BlockPart(part)) = said.message_mut() {
                let at = scene.random.random_range(0..part.bytes.len().max(1));
                if let Some(byte) = part.bytes.get_mut(at) {
                    *byte ^= 1;
                    count += 1;
                }
            }
        }
        count
    }
}

/// Whoever gets a block gets one with another body below its header.
pub(super) struct OtherBody;

impl Strategy for OtherBody {
    fn speak(&mut self, said: &mut Vec<Said>, _scene: &mut Scene<'_>) -> u64 {
        let mut count = 0;
        for said in said.iter_mut() {
            let Some(Message::BlockPart(part)) = said.message_mut() else { continue };
            // What comes in one part can be changed as a whole.
            if part.total == 1
                && let Ok(block) = decode::<Block>(&part.bytes)
                && !block.body.transactions.is_empty()
            {
                part.bytes = encode(&other_body(&block));
                count += 1;
            }
        }
        count
    }
}

/// More blocks for one proposal than a height has places for.
pub(super) struct Many;

impl Strategy for Many {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        let Some((proposal, block)) = proposed(said, scene.own()) else { return 0 };
        let mut first = Vec::new();
        for _ in 0..20 {
            let mut other = block.clone();
            other.header.state_root = scene.any_id().0;
            scene.invalid.insert(other.header.id());
            for part in parts(&other, Some(proposal.message.round)) {
                first.extend(scene.to_all(&part));
            }
        }
        let count = first.len() as u64;
        first.append(said);
        *said = first;
        count
    }
}
