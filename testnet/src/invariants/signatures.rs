//! Collects what validators signed, wherever it is found: certificates, consensus logs, watermarks, at the end and at
//! every moment a node was down. Two different messages of one validator at one place are a double signature.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::decode;
use laufzettel_chain::evidence::Evidence;
use laufzettel_chain::ids::{Address, BlockId, Height};
use laufzettel_chain::query;
use laufzettel_chain::storage::{Family, StoreError};
use laufzettel_chain::vote::{Vote, VoteType};
use laufzettel_node::consensus::watermark::{Step, Watermark};
use laufzettel_node::consensus::{LogEntry, LogRecord};

use super::{Held, Verdict};

/// Validator, height, round, step.
type Place = (Address, Height, u32, Step);

/// What was seen signed and decided.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    signed: BTreeMap<Place, BTreeMap<Option<BlockId>, String>>,
    decided: BTreeMap<Height, BTreeSet<BlockId>>,
    accused: BTreeMap<Address, Height>,
    liars: BTreeSet<Address>,
    count: u64,
}

impl Witness {
    /// Of these validators nothing is expected.
    pub(crate) fn except(liars: impl IntoIterator<Item = Address>) -> Self {
        Self { liars: liars.into_iter().collect(), ..Self::default() }
    }
    fn note(&mut self, place: Place, value: Option<BlockId>, source: &str) {
        self.count += 1;
        self.signed.entry(place).or_default().entry(value).or_insert_with(|| source.to_owned());
    }
    fn vote(&mut self, vote: &Vote, source: &str) {
        let step = match vote.vote_type {
            VoteType::Prevote => Step::Prevote,
            VoteType::Precommit => Step::Precommit,
        };
        self.note((vote.address, vote.height, vote.round, step), vote.value, source);
    }
    /// The precommits of a certificate.
    pub(super) fn certificate(&mut self, node: &str, certificate: &Certificate) {
        let source = format!("a certificate of {node}");
        for (address, _) in &certificate.signatures {
            let place = (*address, certificate.height, certificate.round, Step::Precommit);
            self.note(place, Some(certificate.block), &source);
        }
    }
    /// A node's log of the undecided height.
    pub(crate) fn log_of(&mut self, one: &Held<'_>) -> Result<(), StoreError> {
        let source = format!("the log of {}", one.node);
        for (_, bytes) in one.read.scan(Family::Consensus, &[], &[0xff; 9], usize::MAX)? {
            let Ok(record) = decode::<LogRecord>(&bytes) else {
                let what = "a log record does not decode".to_owned();
                return Err(StoreError::Damaged { family: Family::Consensus.name(), what });
            };
            match record.entry {
                LogEntry::Vote(vote) => self.vote(&vote.message, &source),
                LogEntry::Proposal(proposal) => {
                    let message = proposal.message;
                    let place = (message.address, message.height, message.round, Step::Proposal);
                    self.note(place, Some(message.value), &source);
                }
                LogEntry::ProposedValue { .. } | LogEntry::Timeout { .. } | LogEntry::PolkaCertificate(_) => {}
            }
        }
        Ok(())
    }
    /// A node's watermark, from the bytes of its slots.
    pub(crate) fn watermark(&mut self, node: &str, slots: &[Option<Vec<u8>>; 2]) {
        for found in slots.iter().flatten().filter_map(|slot| Watermark::read_slot(slot)) {
            // The first watermark of a node stands for nothing that was signed.
            if found.mark.height > 0 {
                let place = (found.address, found.mark.height, found.mark.round, found.mark.step);
                self.note(place, found.mark.value, &format!("the watermark of {node}"));
            }
        }
    }
    /// All of a store that a check at the end may not see any more: log, certificates and blocks.
    pub(crate) fn everything_of(&mut self, one: &Held<'_>) -> Result<(), StoreError> {
        self.log_of(one)?;
        let mut height = 0;
        while let Some(next) = query::next_height(one.read, height)? {
            height = next;
            if let Some((_, certificate)) = query::header(one.read, height)? {
                self.certificate(one.node, &certificate);
            }
            if let Some(header) = query::bare_header(one.read, height)? {
                self.decided(height, header.id());
            }
        }
        Ok(())
    }
    /// Evidence that the ledger holds.
    pub(super) fn accused(&mut self, evidence: &Evidence) {
        let place = evidence.place();
        self.accused.insert(place.address, place.height);
    }
    /// A block that some node held as decided.
    pub(super) fn decided(&mut self, height: Height, block: BlockId) {
        self.decided.entry(height).or_default().insert(block);
    }
    /// Says what contradicts.
    pub(super) fn judge(&self, verdict: &mut Verdict) {
        verdict.signatures = self.count;
        for ((address, height, round, step), values) in &self.signed {
            if values.len() > 1 && !self.liars.contains(address) {
                verdict.double_signatures += 1;
                verdict.violated(format!(
                    "{address} signed twice at height {height}, round {round}, {step:?}: {values:?}"
                ));
            }
        }
        for (address, height) in self.accused.iter().filter(|(address, _)| !self.liars.contains(address)) {
            verdict.double_signatures += 1;
            verdict.violated(format!("the ledger holds evidence that {address} signed twice at height {height}"));
        }
        for (height, blocks) in self.decided.iter().filter(|(_, blocks)| blocks.len() > 1) {
            verdict.violated(format!("height {height} was decided twice: {blocks:?}"));
        }
    }
}
