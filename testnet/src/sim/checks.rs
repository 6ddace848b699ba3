//! What must hold at every moment, and what must hold in the end.

mod contradictions;
mod turns;

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::crypto::Hash;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{Address, BlockId, Height, TransactionId};
use laufzettel_chain::light::LightClient;
use laufzettel_chain::query;
use laufzettel_chain::storage::Read;
use laufzettel_chain::vote::VoteType;
use laufzettel_node::consensus::watermark::{Mark, Step};
use laufzettel_node::consensus::{LogEntry, Message, Tip, gate};

use super::clients::Client;
use super::replica::Replica;
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

    /// In the end: same chain everywhere, each id once, every told outcome where it was told to be.
    pub(super) fn settled(&self, replicas: &[Replica], clients: &[Client]) -> Result<(), String> {
        for replica in replicas {
            let Some(running) = &replica.running else { continue };
            let chain = read_chain(&running.store.faulty).map_err(|error| error.to_string())?;
            let mut places: BTreeMap<(String, TransactionId), (Height, u32)> = BTreeMap::new();
            for (place, id) in chain {
                if let Some(first) = places.insert(id.clone(), place) {
                    return Err(format!("{} holds {} {} at {first:?} and {place:?}", replica.member.id, id.0, id.1));
                }
            }
            for client in clients {
                let Some((_, told)) = &client.told else { continue };
                let found = places.get(&(client.authority.clone(), client.id));
                if found != Some(&(told.height, told.index)) {
                    let (who, at) = (&replica.member.id, (told.height, told.index));
                    return Err(format!("{who} has {} at {found:?}, its client was told {at:?}", client.id));
                }
            }
        }
        Ok(())
    }
}

type Placed = ((Height, u32), (String, TransactionId));

fn read_chain(read: &dyn Read) -> Result<Vec<Placed>, laufzettel_chain::storage::StoreError> {
    let mut placed = Vec::new();
    let mut height = 1;
    while let Some((block, _)) = query::block(read, height)? {
        for (index, signed) in (0u32..).zip(&block.body.transactions) {
            if let Ok(transaction) = signed.decode() {
                placed.push(((height, index), (transaction.payload.authority, transaction.payload.id)));
            }
        }
        height = height.saturating_add(1);
    }
    Ok(placed)
}
