//! Evidence against honest validators: none of it may ever be accepted.

use std::sync::Arc;

use laufzettel_chain::block::Block;
use laufzettel_chain::evidence::Evidence;
use laufzettel_chain::ids::{Address, NetworkId, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::query;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_chain::vote::{Signed, Vote, VoteType};
use laufzettel_node::consensus::Message;
use rand::Rng as _;

use super::proposals::{built, turn};
use super::{Said, Scene, Strategy};
use crate::sim::clients::payload;

/// A precommit that an honest validator really signed, from a certificate.
fn true_vote(scene: &mut Scene<'_>) -> Option<Signed<Vote>> {
    let height = scene.random.random_range(0..scene.height());
    let (header, certificate) = query::header(scene.ledger.store().as_ref(), height).ok()??;
    let own = scene.own();
    let (address, signature) = certificate.signatures.iter().find(|(address, _)| *address != own)?;
    let message = Vote {
        network: header.network,
        incarnation: header.incarnation,
        height,
        round: certificate.round,
        vote_type: VoteType::Precommit,
        value: Some(certificate.block),
        address: *address,
    };
    Some(Signed { message, signature: *signature })
}

/// Evidence that proves nothing, in one of the ways that it may not.
fn frame(scene: &mut Scene<'_>) -> Option<Arc<SignedTransaction>> {
    let first = true_vote(scene)?;
    let mut message = first.message.clone();
    message.value = Some(scene.any_id());
    let key = &scene.member.consensus;
    let evidence = match scene.random.random_range(0..5u8) {
        // The second is signed by the liar itself.
        0 => Evidence::of_votes(first, Signed::new(message, key)),
        // The second is the first with another content below its signature.
        1 => Evidence::of_votes(first.clone(), Signed { message, signature: first.signature }),
        // The two do not contradict each other: another round.
        2 => {
            let message = Vote { round: first.message.round + 1, ..first.message.clone() };
            Evidence::of_votes(first, Signed::new(message, key))
        }
        // Its own double signature, of another network.
        3 => {
            let other = Vote { network: NetworkId([9; 32]), address: scene.own(), ..message };
            let none = Vote { value: None, ..other.clone() };
            Evidence::of_votes(Signed::new(other, key), Signed::new(none, key))
        }
        // A key that validates nothing.
        _ => {
            let other = Vote { address: Address::of(&scene.member.service.verifying_key()), ..message };
            let none = Vote { value: None, ..other.clone() };
            Evidence::of_votes(Signed::new(other, &scene.member.service), Signed::new(none, &scene.member.service))
        }
    };
    Some(transaction(&evidence, scene))
}

fn transaction(evidence: &Evidence, scene: &mut Scene<'_>) -> Arc<SignedTransaction> {
    let items = vec![Item::encode([0x0f; 16], None, &Action::Evidence(evidence.clone()))];
    let mut id = [0; 16];
    scene.random.fill(&mut id);
    let payload = payload(TransactionId(id), scene.network, scene.member, scene.now_ms + 60_000, &items);
    Arc::new(payload.sign(items, &scene.member.node))
}

/// A block that holds such evidence: valid, and its receipt says that it proves nothing.
pub(super) fn framed(block: &Block, scene: &mut Scene<'_>) -> Option<Block> {
    let mut transactions = block.body.transactions.clone();
    transactions.push(frame(scene)?);
    built(scene, turn(block), block.header.time_ms, &transactions)
}

/// Brings such evidence to every node.
#[derive(Default)]
pub(super) struct Frames {
    last: Option<Arc<SignedTransaction>>,
}

impl Strategy for Frames {
    fn interrupt(&mut self, scene: &mut Scene<'_>) -> Vec<Said> {
        let Some(fresh) = frame(scene) else { return Vec::new() };
        // The one before comes again with it.
        let told: Vec<_> = self.last.replace(Arc::clone(&fresh)).into_iter().chain([fresh]).collect();
        scene.to_all(&Message::Transactions(told))
    }
}
