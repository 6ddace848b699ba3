//! Floods: as much of everything as fits, valid or not. Nobody's memory may
//! grow beyond its bounds, and nobody honest may be kept from being served.

use std::sync::Arc;

use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::limits::PART_BYTES;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_chain::vote::{Signed, Vote, VoteType};
use laufzettel_contracts::{Code, Report, When};
use laufzettel_node::consensus::Message;
use laufzettel_node::consensus::message::BlockPart;
use rand::Rng as _;

use super::{Said, Scene, Strategy, What};
use crate::sim::clients::payload;

/// Transactions of one interruption.
const TRANSACTIONS: u64 = 60;

/// Questions, pieces of blocks and bytes without sense.
pub(super) struct Messages;

impl Strategy for Messages {
    fn interrupt(&mut self, scene: &mut Scene<'_>) -> Vec<Said> {
        let mut told = Vec::new();
        for _ in 0..60 {
            let (to, next, id) = (scene.peer(), scene.height(), scene.any_id());
            let what = match scene.random.random_range(0..8u8) {
                0 => Message::BodyRequest { height: next, block: id },
                1 => Message::SyncRequest { from: scene.random.random_range(0..next + 2) },
                2 => Message::TransactionsWanted,
                3 => Message::Votes((0..40).map(|_| vote(scene, 1)).collect()),
                4 => Message::Votes((0..40).map(|_| vote(scene, 0)).collect()),
                5 => part(scene, next + 1, None),
                6 => {
                    let round = scene.random.random_range(0..5);
                    part(scene, next, Some(round))
                }
                _ => {
                    let length = scene.random.random_range(0..2_000);
                    let bytes = (0..length).map(|_| scene.random.random_range(0..=255)).collect();
                    told.push(Said { to, what: What::Bytes(bytes) });
                    continue;
                }
            };
            told.push(Said::new(to, what));
        }
        told
    }
}

/// A vote of its own, of any round, so many heights ahead.
fn vote(scene: &mut Scene<'_>, ahead: u64) -> Signed<Vote> {
    let message = Vote {
        network: scene.network,
        incarnation: 0,
        height: scene.height() + ahead,
        round: scene.random.random_range(0..200),
        vote_type: VoteType::Prevote,
        value: Some(scene.any_id()),
        address: scene.own(),
    };
    // Only every eighth is signed: what is not signed must cost little and change nothing.
    if scene.chance(8) { Signed::new(message, &scene.member.consensus) } else { Signed { message, signature: [1; 64] } }
}

fn part(scene: &mut Scene<'_>, height: u64, round: Option<u32>) -> Message {
    let (block, index) = (scene.any_id(), scene.random.random_range(0..32));
    Message::BlockPart(BlockPart { height, round, block, index, total: 32, bytes: vec![5; PART_BYTES] })
}

/// Transactions that its authority may submit, all of them to be refused as items.
#[derive(Default)]
pub(super) struct Pools {
    number: u64,
}

impl Pools {
    fn next(&mut self, scene: &Scene<'_>) -> Option<Arc<SignedTransaction>> {
        self.number += 1;
        let mut id = [0xf1; 16];
        if let Some(tail) = id.last_chunk_mut::<8>() {
            *tail = self.number.to_be_bytes();
        }
        let report = Report::new(Code::new("step").ok()?, When::Day(20_000));
        let items = vec![Item::encode(id, CaseId([0xf1; 16]), &Action::Report(report))];
        let payload = payload(TransactionId(id), scene.network, scene.member, scene.now_ms + 20_000, &items);
        Some(Arc::new(payload.sign(items, &scene.member.service)))
    }
}

impl Strategy for Pools {
    fn interrupt(&mut self, scene: &mut Scene<'_>) -> Vec<Said> {
        let transactions = (0..TRANSACTIONS).filter_map(|_| self.next(scene)).collect();
        scene.to_all(&Message::Transactions(transactions))
    }
}
