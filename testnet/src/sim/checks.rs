//! What must hold at every moment, and what must hold in the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_chain::crypto::Hash;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{Address, BlockId, Height};
use laufzettel_chain::vote::VoteType;
use laufzettel_node::consensus::watermark::{Mark, Step};
use laufzettel_node::consensus::{LogEntry, Message};

use super::clients::Client;
use super::mode::Mode;
use super::replica::Replica;
use crate::invariants::{self, Held, History, Told, Witness};
use crate::load::Acknowledged;

/// Everything seen that later things are held against.
#[derive(Debug, Default)]
pub(super) struct Checks {
    decided: BTreeMap<Height, (BlockId, Hash)>,
    signed: BTreeMap<(Address, Height, u32, u8), Option<BlockId>>,
    pub(super) round_max: u32,
}

/// What a message says its sender signed itself.
fn own(message: &Message, address: Address) -> Vec<(LogEntry, Mark, u8)> {
    match message {
        Message::Votes(votes) => votes
            .iter()
            .filter(|vote| vote.message.address == address)
            .map(|vote| {
                let message = &vote.message;
                let (step, kind) = match message.vote_type {
                    VoteType::Prevote => (Step::Prevote, 1),
                    VoteType::Precommit => (Step::Precommit, 2),
                };
                let mark = Mark { height: message.height, round: message.round, step, value: message.value };
                (LogEntry::Vote(vote.clone()), mark, kind)
            })
            .collect(),
        Message::Proposal(proposal) if proposal.message.address == address => {
            let message = &proposal.message;
            let (height, round, value) = (message.height, message.round, Some(message.value));
            let mark = Mark { height, round, step: Step::Proposal, value };
            vec![(LogEntry::Proposal(proposal.clone()), mark, 0)]
        }
        _ => Vec::new(),
    }
}

impl Checks {
    /// Agreement: one block and one state per height.
    pub(super) fn committed(&mut self, header: &Header, id: BlockId) -> Result<(), String> {
        self.round_max = self.round_max.max(header.round);
        let first = *self.decided.entry(header.height).or_insert((id, header.state_root));
        if first == (id, header.state_root) {
            Ok(())
        } else {
            Err(format!("two blocks at height {}: {} and {id}", header.height, first.0))
        }
    }

    /// Nothing is signed twice, and what is sent is durable first: in the log, then below the watermark.
    pub(super) fn sends(&mut self, replica: &Replica, message: &Message) -> Result<(), String> {
        let address = Address::of(&replica.member.consensus.verifying_key());
        let Some(running) = &replica.running else { return Ok(()) };
        for (entry, mark, kind) in own(message, address) {
            let place = (address, mark.height, mark.round, kind);
            let first = *self.signed.entry(place).or_insert(mark.value);
            let who = &replica.member.id;
            if first != mark.value {
                return Err(format!("{who} signed twice: {mark:?}, before {first:?}"));
            }
            // One whose database was set back relays its own earlier votes as it gets them from others.
            if !replica.was_set_back && !running.store.holds(&entry) {
                return Err(format!("{who} sends what its log does not hold: {mark:?}"));
            }
            if replica.slots.mark().is_none_or(|durable| mark.later(durable) != durable && mark != durable) {
                return Err(format!("{who} sends what its watermark does not cover: {mark:?}"));
            }
        }
        Ok(())
    }

    /// What a node told others of is there after it restarts.
    pub(super) fn restarted(&self, replica: &Replica, tip: Height) -> Result<(), String> {
        if tip >= replica.announced {
            return Ok(());
        }
        Err(format!("{} told of height {} and restarts at {tip}", replica.member.id, replica.announced))
    }

    /// In the end: all that must hold of any network, read from every node's disk.
    pub(super) fn settled(
        &self,
        genesis: &Arc<Genesis>,
        mode: Mode,
        replicas: &[Replica],
        clients: &[Client],
    ) -> Result<(), String> {
        let running = replicas.iter().filter_map(|replica| Some((replica, replica.running.as_ref()?)));
        let held: Vec<Held<'_>> =
            running.map(|(replica, running)| Held { node: &replica.member.id, read: running.store.as_ref() }).collect();
        let liars = replicas.iter().enumerate().filter(|(node, _)| mode.lies(*node));
        let liars = liars.map(|(_, replica)| Address::of(&replica.member.consensus.verifying_key()));
        let mut witness = Witness::except(liars);
        for replica in replicas {
            witness.watermark(&replica.member.id, &replica.slots.image());
        }
        let told = clients.iter().filter_map(|client| {
            let (_, told) = client.told.as_ref()?;
            let (authority, id) = (client.authority.clone(), client.id);
            let what = Acknowledged { authority, id, height: told.height, index: told.index };
            let (submitted_us, told_us) =
                (client.since_ms?.saturating_mul(1_000), client.told_ms.saturating_mul(1_000));
            Some(Told { what, submitted_us, told_us })
        });
        let history = History { told: told.collect(), ..History::default() };
        invariants::check(genesis, &held, &history, witness).sound()
    }
}
