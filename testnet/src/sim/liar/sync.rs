//! Lies told to who is behind: heights that are not there, true blocks that
//! are not proven, proofs with other bodies.

use std::sync::Arc;

use laufzettel_chain::vote::Signed;
use laufzettel_node::consensus::message::SnapshotMessage;
use laufzettel_node::consensus::{Message, SyncEntry};
use laufzettel_node::worker::read_blocks;
use rand::Rng as _;

use super::bodies::other_body;
use super::{Said, Scene, Strategy};

/// Changes answers; how many it changed.
fn change(
    said: &mut [Said],
    scene: &mut Scene<'_>,
    change: impl Fn(&mut Vec<SyncEntry>, &mut Scene<'_>) -> bool,
) -> u64 {
    let mut count = 0;
    for said in said {
        if let Some(Message::SyncResponse(entries)) = said.message_mut() {
            count += u64::from(change(entries, scene));
        }
    }
    count
}

/// Higher tips than it has, up to the highest there can be.
pub(super) struct Claims;

impl Strategy for Claims {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        let mut count = 0;
        for said in said {
            let Some(Message::Beat(beat)) = said.message_mut() else { continue };
            let mut other = beat.message.clone();
            other.height = if scene.chance(4) { u64::MAX } else { other.height + scene.random.random_range(1..1_000) };
            *beat = Signed::new(other, &scene.member.node);
            count += 1;
        }
        count
    }
}

/// Fewer blocks than it has, in the end none.
pub(super) struct Prefix;

impl Strategy for Prefix {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        change(said, scene, |entries, scene| {
            let kept = scene.random.random_range(0..=entries.len() / 2);
            let fewer = kept < entries.len();
            entries.truncate(kept);
            fewer
        })
    }
}

/// Blocks asked for that it has, and says it pruned.
pub(super) struct Pruned;

impl Strategy for Pruned {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        let mut count = 0;
        for said in said {
            if let Some(message @ Message::SyncResponse(_)) = said.message_mut() {
                let bodies_from = scene.height() + scene.random.random_range(0..1_000);
                *message = Message::Snapshot(SnapshotMessage::Pruned { bodies_from });
                count += 1;
            }
        }
        count
    }
}

/// Certificates with a signature too few.
pub(super) struct Few;

impl Strategy for Few {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        change(said, scene, |entries, scene| {
            let at = scene.random.random_range(0..entries.len().max(1));
            let Some(entry) = entries.get_mut(at) else { return false };
            // Two signatures are too few of four validators and of seven.
            entry.certificate.signatures.truncate(2);
            true
        })
    }
}

/// Certificates with a signature twice, in order or not.
pub(super) struct Double;

impl Strategy for Double {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        change(said, scene, |entries, scene| {
            let at = scene.random.random_range(0..entries.len().max(1));
            let Some(entry) = entries.get_mut(at) else { return false };
            let signatures = &mut entry.certificate.signatures;
            signatures.truncate(2);
            let Some(first) = signatures.first().copied() else { return false };
            signatures.insert(if scene.chance(2) { 0 } else { signatures.len() }, first);
            true
        })
    }
}

/// Blocks with other items than their headers name.
pub(super) struct OtherBody;

impl Strategy for OtherBody {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        change(said, scene, |entries, _| {
            let full = entries.iter_mut().find(|entry| !entry.block.body.transactions.is_empty());
            let Some(entry) = full else { return false };
            entry.block = Arc::new(other_body(&entry.block));
            true
        })
    }
}

/// Blocks that nobody asked for, some of them with a body of its own making.
pub(super) struct Unasked;

impl Strategy for Unasked {
    fn interrupt(&mut self, scene: &mut Scene<'_>) -> Vec<Said> {
        let from = scene.random.random_range(0..scene.height()).max(1);
        let store = scene.ledger.store().as_ref();
        let Ok(mut entries) = read_blocks(store, from, 1 << 20, 8) else { return Vec::new() };
        if scene.chance(2)
            && let Some(entry) = entries.last_mut()
        {
            entry.block = Arc::new(other_body(&entry.block));
        }
        if entries.is_empty() { Vec::new() } else { scene.to_all(&Message::SyncResponse(entries)) }
    }
}
