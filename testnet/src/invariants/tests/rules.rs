//! The checker passes a sound network under rules and catches what is wrong with what follows from its cases. Nodes that
//! execute otherwise are in the simulator (`sim/broken`); here it is what they store and what feeds deliver.

use std::collections::BTreeSet;
use std::sync::Arc;

use laufzettel_chain::ids::{CaseId, ItemDigest, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::limits::PROPOSAL_WORK;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Batch, Durability, Family, Read as _, Store as _};
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use laufzettel_contracts::effect::EffectId;

use super::super::{Held, History, Inboxed, Verdict, Witness, check};
use super::{case, certificate};
use crate::fast::{self, Stop};
use crate::sim::genesis::{Member, Runs, START_MS, genesis, members};

/// Numbers of members that hold a role alone, or first.
const OFFICE: usize = 0;
const FOREIGNERS: usize = 1;
const POLICE: usize = 3;

/// A motion at height 1, an acknowledgement at height 2, and at height 3 the task that opens since another is missing.
struct Network {
    stores: [Arc<MemStore>; 2],
    stop: Stop,
    history: History,
}

fn signed(network: laufzettel_chain::ids::NetworkId, member: &Member, items: Vec<Vec<u8>>) -> Arc<SignedTransaction> {
    let payload = Payload {
        network,
        incarnation: 0,
        id: TransactionId([1; 16]),
        authority: member.id.clone(),
        valid_until_ms: START_MS + 3_600_000,
        source_system: String::new(),
        item_digests: items.iter().map(|item| ItemDigest::of(item)).collect(),
    };
    Arc::new(payload.sign(items, &member.service))
}

impl Network {
    fn new() -> Self {
        let members = members(4, 4);
        let genesis = genesis(&members, Runs::Rules);
        let stores = [Arc::new(MemStore::default()), Arc::new(MemStore::default())];
        let mut ledgers = stores.clone().map(|store| Ledger::open(store, genesis.clone(), true).unwrap());
        let motion = Action::Report(fast::at("motion_filed", START_MS).unwrap());
        let motion = Item::encode([2; 16], case(), &motion);
        let stop = Stop::of(&case(), fast::slot(&members[OFFICE].id, &motion)).unwrap();
        // Two foreigners authorities are there, the police is one of them: it alone could answer for both.
        let acknowledge = Item::encode([3; 16], case(), &Action::Acknowledge { effect: stop.notice });
        let opened = vec![Item::encode([1; 16], case(), &fast::opens()), motion];
        let blocks = [
            (1_000, vec![signed(genesis.network, &members[OFFICE], opened)]),
            (2_000, vec![signed(genesis.network, &members[FOREIGNERS], vec![acknowledge])]),
            (6_000, Vec::new()),
        ];
        for (after_ms, transactions) in blocks {
            let proposer = ledgers[0].tip().proposer(0).unwrap();
            let built = ledgers[0].build(0, START_MS + after_ms, proposer, &transactions, PROPOSAL_WORK).unwrap();
            let certificate = certificate(&members, &built.block.header);
            for ledger in &mut ledgers {
                let executed = ledger.validate(&built.block).unwrap();
                ledger.commit(&built.block, executed, &certificate, Batch::default()).unwrap();
            }
        }
        Self { stores, stop, history: History::default() }
    }
    fn check(&self) -> Verdict {
        let held = [("a", &self.stores[0]), ("b", &self.stores[1])];
        let held = held.map(|(node, store)| Held { node, read: store.as_ref() });
        check(&genesis(&members(4, 4), Runs::Rules), &held, &self.history, Witness::default())
    }
    fn feed(&mut self, of: usize, height: u64, held: &[EffectId]) {
        let held: BTreeSet<(CaseId, EffectId)> = held.iter().map(|effect| (case(), *effect)).collect();
        self.history.inboxes = vec![Inboxed { authority: members(4, 4)[of].id.clone(), height, held }];
    }
    /// Deletes the first derived row that begins so, at the second node.
    fn spoil(&self, prefix: &[u8]) {
        let (key, _) = self.stores[1].scan(Family::Index, prefix, &[0xff; 64], 1).unwrap().remove(0);
        assert!(key.starts_with(prefix));
        let batch = Batch { writes: vec![(Family::Index, key, None)] };
        self.stores[1].write(&batch, Durability::Synced).unwrap();
    }
}

#[track_caller]
fn caught(network: &Network, words: &str) {
    let told = network.check().sound().unwrap_err();
    assert!(told.contains(words), "{words}: {told}");
}

#[test]
fn a_sound_network_passes_and_its_effects_are_counted() {
    let verdict = Network::new().check();
    assert_eq!(verdict.sound(), Ok(()));
    // Deadline, task, notice, lock; the task to call, and the news that go with it.
    assert_eq!((verdict.cases, verdict.effects, verdict.due, verdict.escalated), (1, 6, 1, 1));
}

#[test]
fn a_feed_that_has_not_delivered_or_not_taken_back_is_caught() {
    let mut network = Network::new();
    let Stop { notice, task, .. } = network.stop;
    network.feed(FOREIGNERS, 1, &[notice, task]);
    assert_eq!(network.check().sound(), Ok(()));
    network.feed(FOREIGNERS, 2, &[task]);
    assert_eq!(network.check().sound(), Ok(()), "acknowledged");
    network.feed(FOREIGNERS, 1, &[task]);
    caught(&network, "has not delivered");
    network.feed(FOREIGNERS, 2, &[task, notice]);
    caught(&network, "has not taken back");
    network.feed(OFFICE, 3, &[]);
    caught(&network, "has not delivered");
    // The police may be meant as a foreigners authority, too, until one has shown itself; the notice is its own.
    network.feed(POLICE, 3, &[notice, task]);
    assert_eq!(network.check().sound(), Ok(()));
}

#[test]
fn an_inbox_without_what_waits_is_caught() {
    let network = Network::new();
    network.spoil(&[5, 1]);
    caught(&network, "is not told to");
    let network = Network::new();
    network.spoil(&[5, 2]);
    caught(&network, "is not told to");
}
