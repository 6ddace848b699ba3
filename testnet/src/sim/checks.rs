//! What must hold at every moment, and what must hold in the end.

mod contradictions;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use laufzettel_chain::crypto::Hash;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{Address, BlockId, Height};
use laufzettel_chain::light::LightClient;
use laufzettel_chain::vote::VoteType;
use laufzettel_node::consensus::watermark::{Mark, Step};
use laufzettel_node::consensus::{LogEntry, Message, Tip, gate};

use super::clients::Client;
use super::replica::Replica;
use crate::invariants::{self, Held, History, Told, Verdict, Witness};
use crate::load::Acknowledged;
use contradictions::Contradictions;
use turns::Turns;

/// Everything seen that later things are held against.
#[derive(Debug)]
pub(super) struct Checks {
    decided: BTreeMap<Height, (BlockId, Hash)>,
    signed: BTreeMap<(Address, Height, u32, u8), Option<BlockId>>,
    /// Blocks that liars made and that nobody honest may vote for.
    pub(super) invalid: BTreeSet<BlockId>,
    pub(super) contradictions: Contradictions,
    turns: Turns,
    light: LightClient,
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
    pub(super) fn new(genesis: &Genesis) -> Self {
        Self {
            decided: BTreeMap::new(),
            signed: BTreeMap::new(),
            invalid: BTreeSet::new(),
            contradictions: Contradictions::default(),
            turns: Turns::new(&genesis.registry.validators),
            light: LightClient::new(genesis),
            round_max: 0,
        }
    }
    /// An honest node begins a round.
    pub(super) fn begins(&mut self, height: Height, round: u32) {
        self.turns.begins(height, round);
    }

    /// Agreement: one block and one state per height; proven to whoever knows the genesis file alone; by whose turn it
    /// was; and of no time that every honest clock held to be in the future.
    pub(super) fn committed(&mut self, tip: &Tip, latest_clock_ms: u64) -> Result<(), String> {
        let (header, id) = (&tip.header, tip.id);
        self.round_max = self.round_max.max(header.round);
        if let Some(first) = self.decided.get(&header.height) {
            if *first == (id, header.state_root) {
                return Ok(());
            }
            return Err(format!("two blocks at height {}: {} and {id}", header.height, first.0));
        }
        self.decided.insert(header.height, (id, header.state_root));
        let certificate = tip.certificate.as_ref().ok_or_else(|| format!("height {} is not proven", header.height))?;
        self.light.verify(header, certificate).map_err(|error| format!("a light client does not follow: {error}"))?;
        if header.next_validators_hash != header.validators_hash {
            return Err(format!("height {} announces other validators, and nobody joined or left", header.height));
        }
        if header.time_ms > latest_clock_ms.saturating_add(gate::window_ms(header.round)) {
            return Err(format!(
                "height {} is of {} ms, clocks stand at {latest_clock_ms}",
                header.height, header.time_ms
            ));
        }
        self.turns.committed(tip)
    }

    /// Nothing is signed twice, nobody votes for what cannot be executed, and what is sent is durable first: in the log,
    /// then below the watermark.
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
            if mark.value.is_some_and(|value| self.invalid.contains(&value)) {
                return Err(format!("{who} signs for an invalid block: {mark:?}"));
            }
            self.contradictions.signs(address, mark.height, &entry);
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

    /// In the end: whether all holds that must of any network, read from every node's disk.
    pub(super) fn settled(
        &self,
        genesis: &Arc<Genesis>,
        liars: &BTreeSet<Address>,
        replicas: &[Replica],
        clients: &[Client],
    ) -> Verdict {
        let running = replicas.iter().filter_map(|replica| Some((replica, replica.running.as_ref()?)));
        let held: Vec<Held<'_>> =
            running.map(|(replica, running)| Held { node: &replica.member.id, read: running.store.as_ref() }).collect();
        let mut witness = Witness::except(liars.iter().copied());
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
        invariants::check(genesis, &held, &history, witness)
    }
}
