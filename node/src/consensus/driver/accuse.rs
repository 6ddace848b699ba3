//! Who signed twice: contradicting messages are noticed as they come, told
//! once a key and height, and brought to the ledger as a transaction of this
//! node, again after each block until it is in one or another node's is.
//!
//! Never accuses with a message of this node's own: it may not be durable yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_chain::evidence::Evidence;
use laufzettel_chain::ids::{Address, Height, PayloadDigest};
use laufzettel_chain::vote::{Proposal, Signed, Vote};

use super::{Action, Driver};
use crate::consensus::Diagnostic;
use crate::consensus::action::{Refusal, RefusalReason};
use crate::consensus::evidence::Witness;
use crate::consensus::ledger::{FinalOutcome, SignedTransaction};

/// Most accusations kept at once: of this many validators, or of fewer at several heights.
pub(super) const ACCUSATIONS_MAX: usize = 128;
/// Settled ones are forgotten this many heights later.
const KEPT_HEIGHTS: u64 = 16;
/// Others are given up this many heights later.
const TRIED_HEIGHTS: u64 = 1_024;

/// How far an accusation is.
#[derive(Debug)]
enum Standing {
    /// To be admitted after the next block.
    Waiting(Arc<SignedTransaction>),
    /// Being admitted or in the pool.
    UnderWay(Arc<SignedTransaction>),
    /// On the ledger, or never to be.
    Settled,
}

/// All accusations of late, by height and validator.
#[derive(Debug, Default)]
pub(super) struct Accusations(BTreeMap<(Height, Address), Standing>);

impl Accusations {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
    fn by_digest(&mut self, wanted: &PayloadDigest) -> Option<&mut Standing> {
        self.0.values_mut().find(|standing| match standing {
            Standing::Waiting(transaction) | Standing::UnderWay(transaction) => transaction.payload_digest() == *wanted,
            Standing::Settled => false,
        })
    }
    /// Those in a block are settled, old ones are forgotten.
    pub(super) fn committed(&mut self, height: Height, finals: &[FinalOutcome]) {
        if self.0.is_empty() {
            return;
        }
        for outcome in finals {
            if let Some(standing) = self.by_digest(&outcome.payload_digest) {
                *standing = Standing::Settled;
            }
        }
        // What never got into a block, because it expired or was evicted, goes too in the end.
        self.0.retain(|(of, _), standing| {
            let kept = if matches!(standing, Standing::Settled) { KEPT_HEIGHTS } else { TRIED_HEIGHTS };
            of.saturating_add(kept) > height
        });
    }
    /// What became of one on its way into the pool: a full pool makes it wait, any other refusal settles it.
    pub(super) fn refused(&mut self, digest: &PayloadDigest, refusal: &Refusal) {
        let Some(standing) = self.by_digest(digest) else { return };
        if refusal.reason != RefusalReason::ResourceExhausted {
            *standing = Standing::Settled;
        } else if let Standing::UnderWay(transaction) = standing {
            *standing = Standing::Waiting(Arc::clone(transaction));
        }
    }
    fn take_open(&mut self) -> Vec<Arc<SignedTransaction>> {
        let mut open = Vec::new();
        for standing in self.0.values_mut() {
            if let Standing::Waiting(transaction) | Standing::UnderWay(transaction) = standing {
                let transaction = Arc::clone(transaction);
                open.push(Arc::clone(&transaction));
                *standing = Standing::UnderWay(transaction);
            }
        }
        open
    }
}

impl Driver {
    /// Looks whether a vote, whose signature holds, contradicts one that is held.
    pub(super) fn compare_vote(&mut self, vote: &Signed<Vote>) {
        if let Some(held) = self.undecided.votes.at(&vote.message).filter(|held| *held != vote) {
            let evidence = Evidence::of_votes(held.clone(), vote.clone());
            self.accuse(evidence);
        }
    }

    /// The same for a proposal.
    pub(super) fn compare_proposal(&mut self, proposal: &Signed<Proposal>) {
        let held = self.undecided.proposals.iter().map(|entry| &entry.proposal);
        let pairs: Vec<Evidence> = held.map(|held| Evidence::of_proposals(held.clone(), proposal.clone())).collect();
        for evidence in pairs {
            self.accuse(evidence);
        }
    }

    /// Tells of a contradiction and brings it to the ledger, once a key and height.
    pub(super) fn accuse(&mut self, evidence: Evidence) {
        let place = evidence.place();
        if !evidence.contradicts() {
            return;
        }
        if Some(place.address) == self.own_address() {
            if self.key_elsewhere != Some(place.height) {
                self.key_elsewhere = Some(place.height);
                self.log(Diagnostic::KeyElsewhere { height: place.height });
            }
            return;
        }
        let key = (place.height, place.address);
        if self.accusations.0.contains_key(&key) || self.accusations.len() >= ACCUSATIONS_MAX {
            return;
        }
        let transaction = self.config.node_key.as_ref().map(|node_key| {
            let witness = Witness {
                network: self.config.network,
                incarnation: self.config.incarnation,
                authority: &self.config.authority,
                key: node_key,
                now_ms: self.now_ms.max(self.tip.header.time_ms),
            };
            Arc::new(witness.transaction(&evidence))
        });
        self.actions.push(Action::Evidence(evidence));
        let standing = transaction.map_or(Standing::Settled, Standing::Waiting);
        self.accusations.0.insert(key, standing);
        self.bring_evidence();
    }

    /// Submits what is on no ledger yet, also what is in the pool: once another node's is in a block, nobody else takes
    /// it in any more, and it would keep this node awake until its own turn.
    pub(super) fn bring_evidence(&mut self) {
        for transaction in self.accusations.take_open() {
            self.admit_own(transaction);
        }
    }
}
