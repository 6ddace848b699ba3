//! What others are said to have signed, and what was said before.

use std::collections::VecDeque;

use laufzettel_chain::ids::Address;
use laufzettel_chain::vote::{Beat, Proposal, Signed, Vote, VoteType};
use laufzettel_node::consensus::Message;
use laufzettel_node::consensus::message::{PolkaCertificate, RoundCertificate, RoundVote};
use rand::Rng as _;

use super::{Said, Scene, Strategy};

/// Most messages kept to say again.
const KEPT: usize = 200;

fn addresses(scene: &Scene<'_>) -> Vec<Address> {
    let validators = scene.members.iter().filter(|member| member.validator);
    let mut addresses: Vec<Address> = validators.map(|member| Address::of(&member.consensus.verifying_key())).collect();
    addresses.sort_unstable();
    addresses
}

/// Votes and proposals of others, signed by itself.
pub(super) struct Votes;

impl Strategy for Votes {
    fn interrupt(&mut self, scene: &mut Scene<'_>) -> Vec<Said> {
        let (network, height, value) = (scene.network, scene.height(), scene.any_id());
        let round = scene.random.random_range(0..3);
        let vote = |address| {
            let (vote_type, value) = (VoteType::Precommit, Some(value));
            let message = Vote { network, incarnation: 0, height, round, vote_type, value, address };
            Signed::new(message, &scene.member.consensus)
        };
        let own = scene.own();
        let mut others = addresses(scene);
        others.retain(|address| *address != own);
        let votes = others.iter().map(|address| vote(*address)).collect();
        let mut told = scene.to_all(&Message::Votes(votes));
        if let Some(address) = scene.ledger.tip().proposer(round).filter(|address| *address != own) {
            let message = Proposal { network, incarnation: 0, height, round, pol_round: None, value, address };
            told.extend(scene.to_all(&Message::Proposal(Signed::new(message, &scene.member.consensus))));
        }
        told
    }
}

/// Quorums that were never there.
pub(super) struct Certificates;

impl Strategy for Certificates {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        let other = scene.any_id();
        let mut count = 0;
        for said in said {
            match said.message_mut() {
                Some(Message::PolkaCertificate(polka)) => polka.value = other,
                Some(Message::RoundCertificate(certificate)) => certificate.round += 1,
                _ => continue,
            }
            count += 1;
        }
        count
    }
    fn interrupt(&mut self, scene: &mut Scene<'_>) -> Vec<Said> {
        let (height, value, addresses) = (scene.height(), scene.any_id(), addresses(scene));
        let (round, skip) = (scene.random.random_range(0..9), scene.chance(2));
        let signatures = addresses.iter().map(|address| (*address, [7; 64])).collect();
        let vote = |address: &Address| RoundVote {
            address: *address,
            vote_type: VoteType::Precommit,
            value: None,
            signature: [7; 64],
        };
        let votes = addresses.iter().map(vote).collect();
        let mut told = scene.to_all(&Message::PolkaCertificate(PolkaCertificate { height, round, value, signatures }));
        told.extend(scene.to_all(&Message::RoundCertificate(RoundCertificate { height, round, skip, votes })));
        told
    }
}

/// Beats that another key signed, and beats of others.
pub(super) struct Beats;

impl Strategy for Beats {
    fn interrupt(&mut self, scene: &mut Scene<'_>) -> Vec<Said> {
        let at = scene.random.random_range(0..scene.members.len().max(1));
        let Some(member) = scene.members.get(at) else { return Vec::new() };
        let message = Beat {
            network: scene.network,
            incarnation: 0,
            authority: member.id.clone(),
            sequence: u64::MAX,
            time_ms: scene.now_ms,
            height: 1_000_000,
            block: scene.any_id(),
            oldest_pending_lock_ms: 0,
        };
        scene.to_all(&Message::Beat(Signed::new(message, &scene.member.service)))
    }
}

/// Keeps what was said and says it again later, to anyone.
#[derive(Default)]
pub(super) struct Replays {
    kept: VecDeque<Message>,
}

impl Strategy for Replays {
    fn speak(&mut self, said: &mut Vec<Said>, _scene: &mut Scene<'_>) -> u64 {
        for message in said.iter().filter_map(Said::message) {
            if self.kept.back() != Some(message) {
                self.kept.push_back(message.clone());
            }
        }
        while self.kept.len() > KEPT {
            self.kept.pop_front();
        }
        0
    }
    fn interrupt(&mut self, scene: &mut Scene<'_>) -> Vec<Said> {
        let mut told = Vec::new();
        for _ in 0..20 {
            let at = scene.random.random_range(0..self.kept.len().max(1));
            if let Some(message) = self.kept.get(at) {
                told.push(Said::new(scene.peer(), message.clone()));
            }
        }
        told
    }
}
