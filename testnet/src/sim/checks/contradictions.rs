//! What keys signed: an honest one never contradicts itself, by the very rule
//! by which the ledger accepts evidence; and whoever was seen to is on record.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::evidence::{Evidence, Scope};
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{Address, Height};
use laufzettel_chain::state::evidence;
use laufzettel_node::consensus::LogEntry;

use crate::sim::replica::Replica;

/// Messages of honest keys, and contradictions that honest nodes told of.
#[derive(Debug, Default)]
pub(in crate::sim) struct Contradictions {
    /// All that an honest key signed, by height; each message once.
    signed: BTreeMap<(Address, Height), Vec<LogEntry>>,
    /// Who told of whom, in which of its runs.
    told: BTreeSet<(usize, u64, Height, Address)>,
}

impl Contradictions {
    pub(super) fn signs(&mut self, address: Address, height: Height, entry: &LogEntry) {
        let signed = self.signed.entry((address, height)).or_default();
        if !signed.contains(entry) {
            signed.push(entry.clone());
        }
    }
    /// An honest node tells of a contradiction.
    pub(in crate::sim) fn told(&mut self, node: usize, run: u64, evidence: &Evidence) {
        let place = evidence.place();
        self.told.insert((node, run, place.height, place.address));
    }

    /// No two messages of an honest key are evidence.
    pub(in crate::sim) fn none_against_honest(&self, genesis: &Genesis) -> Result<(), String> {
        let scope = Scope { network: genesis.network, incarnation: 0, height: Height::MAX };
        for entries in self.signed.values() {
            for (index, a) in entries.iter().enumerate() {
                for b in entries.iter().skip(index + 1) {
                    let evidence = match (a, b) {
                        (LogEntry::Vote(a), LogEntry::Vote(b)) => Evidence::of_votes(a.clone(), b.clone()),
                        (LogEntry::Proposal(a), LogEntry::Proposal(b)) => Evidence::of_proposals(a.clone(), b.clone()),
                        _ => continue,
                    };
                    if evidence.judge(&genesis.registry, &scope).is_ok() {
                        return Err(format!("an honest validator's messages are evidence: {evidence:?}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// In the end: the same records everywhere, none of an honest key, and all that was told by who has run since.
    /// How many there are.
    pub(in crate::sim) fn recorded(
        &self,
        replicas: &[Replica],
        honest: &BTreeSet<usize>,
        genesis: &Genesis,
    ) -> Result<usize, String> {
        let mut first = None;
        for replica in honest.iter().filter_map(|node| replicas.get(*node)) {
            let Some(running) = &replica.running else { continue };
            let store = &running.store.faulty;
            let found = evidence::all(store, &genesis.registry).map_err(|error| error.to_string())?;
            if *first.get_or_insert_with(|| found.clone()) != found {
                return Err(format!("{} has other records of evidence than another node", replica.member.id));
            }
        }
        let found = first.unwrap_or_default();
        let addresses: BTreeSet<Address> =
            honest.iter().filter_map(|node| replicas.get(*node)).map(Replica::address).collect();
        if let Some((authority, _, _)) = found.iter().find(|(_, address, _)| addresses.contains(address)) {
            return Err(format!("the ledger holds evidence against {authority}, which is honest"));
        }
        for (node, run, height, address) in &self.told {
            let same_run = replicas.get(*node).is_some_and(|replica| replica.run == *run && replica.running.is_some());
            let of_key = found.iter().find(|(_, of, _)| of == address).map(|(_, _, records)| records.all());
            let recorded = of_key.unwrap_or_default();
            let is_there = recorded.iter().any(|record| record.height == *height);
            if same_run && !is_there && recorded.len() < laufzettel_chain::limits::EVIDENCE_RECORDS_MAX {
                return Err(format!(
                    "node {node} saw {address} sign twice at height {height}; it is not on the ledger"
                ));
            }
        }
        Ok(found.iter().map(|(_, _, records)| records.all().len()).sum())
    }
}
