//! What a lying validator makes of a message: other votes for other peers,
//! blocks that are none, heights it does not have. Its signatures are good.

use std::sync::Arc;

use laufzettel_chain::block::Block;
use laufzettel_chain::ids::{Address, BlockId};
use laufzettel_chain::vote::Signed;
use laufzettel_node::consensus::Message;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::genesis::Member;

/// How many in ten messages it changes.
const CHANGED: u32 = 4;

/// A block with the same header and other items.
fn other_body(block: &Block) -> Block {
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

/// The message as one peer gets it.
pub(super) fn twist(message: &Message, member: &Member, random: &mut ChaCha8Rng) -> Message {
    let mut twisted = message.clone();
    if random.random_range(0..10) >= CHANGED {
        return twisted;
    }
    let own = Address::of(&member.consensus.verifying_key());
    let any_block = BlockId(*blake3::hash(&random.random_range(0..3u8).to_be_bytes()).as_bytes());
    match &mut twisted {
        Message::Votes(votes) => {
            for vote in votes.iter_mut().filter(|vote| vote.message.address == own) {
                let mut other = vote.message.clone();
                other.value = if other.value.is_some() { None } else { Some(any_block) };
                *vote = Signed::new(other, &member.consensus);
            }
        }
        Message::Proposal(proposal) if proposal.message.address == own => {
            let mut other = proposal.message.clone();
            other.value = any_block;
            *proposal = Signed::new(other, &member.consensus);
        }
        Message::BlockPart(part) => {
            let at = random.random_range(0..part.bytes.len().max(1));
            if let Some(byte) = part.bytes.get_mut(at) {
                *byte ^= 1;
            }
        }
        Message::Beat(beat) => {
            let mut other = beat.message.clone();
            other.height = other.height.saturating_add(random.random_range(0..1_000));
            *beat = Signed::new(other, &member.node);
        }
        Message::SyncResponse(entries) => {
            for entry in entries {
                match random.random_range(0..2) {
                    0 => drop(entry.certificate.signatures.pop()),
                    _ => entry.block = Arc::new(other_body(&entry.block)),
                }
            }
        }
        Message::PolkaCertificate(polka) => polka.value = any_block,
        Message::RoundCertificate(certificate) => certificate.round = certificate.round.saturating_add(1),
        Message::Proposal(_)
        | Message::BodyRequest { .. }
        | Message::SyncRequest { .. }
        | Message::Transactions(_)
        | Message::TransactionsWanted
        | Message::Snapshot(_) => {}
    }
    twisted
}
