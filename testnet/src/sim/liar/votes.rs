//! Lies told in votes.

use laufzettel_chain::vote::{Signed, Vote, VoteType};
use laufzettel_node::consensus::Message;
use rand::Rng as _;

use super::{Said, Scene, Strategy};

/// Changes own votes of a message; how many.
fn change(said: &mut Said, scene: &mut Scene<'_>, change: &mut dyn FnMut(&mut Vote, &mut Scene<'_>)) -> u64 {
    let own = scene.own();
    let Some(Message::Votes(votes)) = said.message() else { return 0 };
    if !votes.iter().any(|vote| vote.message.address == own) {
        return 0;
    }
    let mut count = 0;
    if let Some(Message::Votes(votes)) = said.message_mut() {
        for vote in votes.iter_mut().filter(|vote| vote.message.address == own) {
            let mut other = vote.message.clone();
            change(&mut other, scene);
            *vote = Signed::new(other, &scene.member.consensus);
            count += 1;
        }
    }
    count
}

/// Tells some peers the opposite.
pub(super) struct Twice;

impl Strategy for Twice {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        let (some, other) = (scene.half(), scene.any_id());
        let told = said.iter_mut().filter(|said| some.contains(&said.to));
        told.map(|said| {
            change(said, scene, &mut |vote, _| vote.value = if vote.value.is_some() { None } else { Some(other) })
        })
        .sum()
    }
}

/// Votes for what nobody proposed.
pub(super) struct Unknown;

impl Strategy for Unknown {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        if !scene.chance(2) {
            return 0;
        }
        let other = scene.any_id();
        said.iter_mut().map(|said| change(said, scene, &mut |vote, _| vote.value = Some(other))).sum()
    }
}

/// Keeps its votes from some peers.
pub(super) struct Withheld;

impl Strategy for Withheld {
    fn speak(&mut self, said: &mut Vec<Said>, scene: &mut Scene<'_>) -> u64 {
        let (some, before) = (scene.half(), said.len());
        said.retain(|said| !some.contains(&said.to) || !matches!(said.message(), Some(Message::Votes(_))));
        (before - said.len()) as u64
    }
}

/// Signs for rounds and heights that nobody has reached.
pub(super) struct Ahead;

impl Strategy for Ahead {
    fn interrupt(&mut self, scene: &mut Scene<'_>) -> Vec<Said> {
        let mut votes = Vec::new();
        for _ in 0..8 {
            let ahead = scene.random.random_range(0..3u64);
            let message = Vote {
                network: scene.network,
                incarnation: 0,
                height: scene.height() + ahead,
                round: scene.random.random_range(1..40),
                vote_type: if scene.chance(2) { VoteType::Prevote } else { VoteType::Precommit },
                value: if scene.chance(2) { None } else { Some(scene.any_id()) },
                address: scene.own(),
            };
            votes.push(Signed::new(message, &scene.member.consensus));
        }
        scene.to_all(&Message::Votes(votes))
    }
}
