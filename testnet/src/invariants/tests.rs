//! The checker passes a sound network and catches each thing it is there for. A check that never fails proves nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod rules;

use std::sync::Arc;

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::encode;
use laufzettel_chain::crypto;
use laufzettel_chain::evidence::Evidence;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{Address, BlockId, CaseId, ItemDigest, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::limits::PROPOSAL_WORK;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Batch, Durability, Family, Read as _, Store as _};
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use laufzettel_chain::vote::{Proposal, Signable as _, Signed, Vote, VoteType};
use laufzettel_contracts::{Code, Report, When};
use laufzettel_node::consensus::{LogEntry, LogRecord};

use super::{Feed, Held, History, Seen, Told, Verdict, Witness, check};
use crate::load::Acknowledged;
use crate::sim::genesis::{Member, Runs, START_MS, genesis, members};

const BLOCKS: u64 = 6;

/// Two nodes with one chain, and clients that saw it all.
struct Network {
    genesis: Arc<Genesis>,
    members: Vec<Member>,
    stores: [Arc<MemStore>; 2],
    history: History,
}

fn case() -> CaseId {
    CaseId([7; 16])
}

/// The transaction of a height: the first opens a case, the others report in it.
fn transaction(genesis: &Genesis, member: &Member, height: u64) -> (TransactionId, SignedTransaction) {
    let number = u8::try_from(height).unwrap();
    let action = match height {
        1 => Action::OpenCase { definition: "small".to_owned(), version: 1 },
        _ => Action::Report(Report::new(Code::new("step").unwrap(), When::Day(20_000))),
    };
    let items = vec![Item::encode([number; 16], case(), &action)];
    let payload = Payload {
        network: genesis.network,
        incarnation: 0,
        id: TransactionId([number; 16]),
        authority: member.id.clone(),
        valid_until_ms: START_MS + 3_600_000,
        source_system: String::new(),
        item_digests: items.iter().map(|item| ItemDigest::of(item)).collect(),
    };
    (payload.id, payload.sign(items, &member.service))
}

fn certificate(members: &[Member], header: &laufzettel_chain::header::Header) -> Certificate {
    let (block, height, round) = (header.id(), header.height, header.round);
    let mut signatures: Vec<_> = members
        .iter()
        .map(|member| {
            let vote = vote(header.network, member, height, Some(block));
            (vote.address, crypto::sign(&member.consensus, Vote::DOMAIN, &encode(&vote)))
        })
        .collect();
    signatures.sort_unstable();
    Certificate { height, round, block, signatures }
}

fn vote(network: laufzettel_chain::ids::NetworkId, member: &Member, height: u64, value: Option<BlockId>) -> Vote {
    let (vote_type, address) = (VoteType::Precommit, Address::of(&member.consensus.verifying_key()));
    Vote { network, incarnation: 0, height, round: 0, vote_type, value, address }
}

impl Network {
    fn new() -> Self {
        let members = members(4, 4);
        let genesis = genesis(&members, Runs::Plain);
        let stores = [Arc::new(MemStore::default()), Arc::new(MemStore::default())];
        let mut ledgers = stores.clone().map(|store| Ledger::open(store, genesis.clone(), true).unwrap());
        let (mut history, mut feed) = (History::default(), Feed { height: BLOCKS, ..Feed::default() });
        for height in 1..=BLOCKS {
            let (id, signed) = transaction(&genesis, &members[0], height);
            let proposer = ledgers[0].tip().proposer(0).unwrap();
            let time_ms = START_MS + height;
            let built = ledgers[0].build(0, time_ms, proposer, &[Arc::new(signed)], PROPOSAL_WORK).unwrap();
            let certificate = certificate(&members, &built.block.header);
            for ledger in &mut ledgers {
                let executed = ledger.validate(&built.block).unwrap();
                ledger.commit(&built.block, executed, &certificate, Batch::default()).unwrap();
            }
            let what = Acknowledged { authority: members[0].id.clone(), id, height, index: 0 };
            history.told.push(Told { what, submitted_us: height * 10, told_us: height * 10 + 5 });
            let node = "b".to_owned();
            history.reads.push(Seen { node, case: case(), min_height: height, height, changed: height });
            if height > 1 {
                feed.events.push(((height, 0, 0), [1; 8]));
            }
        }
        history.feeds =
            vec![Feed { name: "at a".to_owned(), ..feed.clone() }, Feed { name: "at b".to_owned(), ..feed }];
        Self { genesis, members, stores, history }
    }
    fn check(&self) -> Verdict {
        self.check_with(Witness::default())
    }
    fn check_with(&self, witness: Witness) -> Verdict {
        let held = [("a", &self.stores[0]), ("b", &self.stores[1])];
        let held = held.map(|(node, store)| Held { node, read: store.as_ref() });
        check(&self.genesis, &held, &self.history, witness)
    }
    /// Overwrites or deletes the first row of a family at the second node.
    fn spoil(&self, family: Family, value: Option<Vec<u8>>) {
        let (key, _) = self.stores[1].scan(family, &[], &[0xff; 64], 1).unwrap().remove(0);
        let batch = Batch { writes: vec![(family, key, value)] };
        self.stores[1].write(&batch, Durability::Synced).unwrap();
    }
}

#[track_caller]
fn caught(network: &Network, words: &str) {
    let verdict = network.check();
    assert!(!verdict.is_sound() && verdict.sound().unwrap_err().contains(words), "{words}: {verdict:?}");
}

#[test]
fn a_sound_network_passes() {
    let verdict = Network::new().check();
    assert_eq!(verdict.sound(), Ok(()));
    assert_eq!((verdict.heights, verdict.transactions, verdict.items), (vec![BLOCKS; 2], BLOCKS, BLOCKS));
    assert!(verdict.signatures >= 2 * 4 * BLOCKS && verdict.double_signatures == 0);
}

#[test]
fn what_was_told_and_is_lost_or_elsewhere_is_caught() {
    let mut network = Network::new();
    network.history.told[2].what.id = TransactionId([99; 16]);
    caught(&network, "is lost");
    let mut network = Network::new();
    network.history.told[2].what.index = 1;
    caught(&network, "its client was told 3, 1");
    assert_eq!(network.check().moved, 1);
}

#[test]
fn an_order_that_time_forbids_is_caught() {
    let mut network = Network::new();
    // The last one was submitted and told before all others were submitted.
    let last = &mut network.history.told[5];
    (last.submitted_us, last.told_us) = (1, 2);
    caught(&network, "before");
    // Overlapping calls may come in any order.
    let mut network = Network::new();
    network.history.told[5].submitted_us = 1;
    assert_eq!(network.check().sound(), Ok(()));
}

#[test]
fn reads_that_are_too_old_or_of_another_state_are_caught() {
    let mut network = Network::new();
    network.history.reads[3].min_height = 5;
    caught(&network, "at least 5 was asked for");
    let mut network = Network::new();
    network.history.reads[3].changed = 2;
    caught(&network, "showed a change at height 2");
}

#[test]
fn feeds_with_a_gap_a_repeat_or_other_bytes_are_caught() {
    let mut network = Network::new();
    network.history.feeds[0].events.remove(1);
    caught(&network, "feed at a");
    let mut network = Network::new();
    let event = network.history.feeds[0].events[1];
    network.history.feeds[0].events.insert(1, event);
    caught(&network, "feed at a");
    let mut network = Network::new();
    network.history.feeds[1].events[1].1 = [2; 8];
    caught(&network, "other bytes");
    // A feed may have delivered more than its last checkpoint says.
    let mut network = Network::new();
    network.history.feeds[0].height = 3;
    assert_eq!(network.check().sound(), Ok(()));
}

#[test]
fn rows_that_an_execution_does_not_give_are_caught() {
    for (family, words) in [
        (Family::Index, "derived rows"),
        (Family::Submissions, "differ from an execution"),
        (Family::Registry, "registry differ"),
    ] {
        let network = Network::new();
        network.spoil(family, None);
        caught(&network, words);
    }
    let network = Network::new();
    network.spoil(Family::Items, Some(vec![1, 2, 3]));
    assert!(!network.check().is_sound());
}

#[test]
fn another_block_or_a_bad_certificate_is_caught() {
    let network = Network::new();
    network.spoil(Family::Blocks, network.stores[0].get(Family::Blocks, &2u64.to_be_bytes()).unwrap());
    caught(&network, "two blocks at height 1");
    let mut network = Network::new();
    // Certificates that the genesis file's validators did not sign.
    let others = members(5, 5);
    network.genesis = genesis(&others, Runs::Plain);
    assert!(!network.check().is_sound());
}

#[test]
fn two_votes_at_one_place_are_caught_wherever_they_lie() {
    let network = Network::new();
    let (member, other) = (&network.members[2], Some(BlockId([9; 32])));
    let vote = vote(network.genesis.network, member, 4, other);
    let signature = crypto::sign(&member.consensus, Vote::DOMAIN, &encode(&vote));
    let entry = LogEntry::Vote(Signed { message: vote.clone(), signature });
    let record = LogRecord { position: 1, height: 7, entry };
    let mut batch = Batch::default();
    batch.put(Family::Consensus, vec![0; 8], encode(&record));
    network.stores[0].write(&batch, Durability::Synced).unwrap();
    let verdict = network.check();
    assert!(verdict.double_signatures == 1 && verdict.violations == 1, "{verdict:?}");
    assert!(network.check_with(Witness::except([vote.address])).is_sound(), "of a liar nothing is expected");
    // The same with a proposal, which the log of a node that was looked at earlier held.
    let proposal = |value| {
        let address = vote.address;
        let message =
            Proposal { network: vote.network, incarnation: 0, height: 5, round: 0, pol_round: None, value, address };
        let signature = crypto::sign(&member.consensus, Proposal::DOMAIN, &encode(&message));
        encode(&LogRecord { position: 1, height: 5, entry: LogEntry::Proposal(Signed { message, signature }) })
    };
    let mut witness = Witness::except([]);
    for value in [[1; 32], [2; 32]] {
        let store = MemStore::default();
        let mut batch = Batch::default();
        batch.put(Family::Consensus, vec![0; 8], proposal(BlockId(value)));
        store.write(&batch, Durability::Synced).unwrap();
        witness.log_of(&Held { node: "c", read: &store }).unwrap();
    }
    assert_eq!(Network::new().check_with(witness).double_signatures, 1);
}

#[test]
fn evidence_on_the_ledger_against_an_honest_validator_is_caught() {
    let network = Network::new();
    let member = &network.members[2];
    let signed = |value| {
        let message = vote(network.genesis.network, member, 4, Some(BlockId(value)));
        let signature = crypto::sign(&member.consensus, Vote::DOMAIN, &encode(&message));
        Signed { message, signature }
    };
    let evidence = Evidence::of_votes(signed([1; 32]), signed([2; 32]));
    let accused = |mut witness: Witness| {
        witness.accused(&evidence);
        network.check_with(witness)
    };
    assert!(accused(Witness::default()).sound().unwrap_err().contains("the ledger holds evidence"));
    assert!(accused(Witness::except([evidence.place().address])).is_sound());
}
