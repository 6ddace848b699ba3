//! What must hold of a network, held against what its nodes store and what its clients saw. One checker for simulated
//! networks, for processes under faults and for replayed logs:
//!
//! - agreement: one block, one state and a valid certificate at every height of every node;
//! - no acknowledgement is lost or moved, every transaction stands once;
//! - order: what was acknowledged before another was submitted stands before it; a read is at least as new as asked,
//!   and shows the case as it stood at its height;
//! - feeds: strictly growing, without gap or repeat, the same bytes from every node;
//! - replay: a fresh ledger in memory executes every block from genesis to the same roots and the same rows; derived
//!   rows made anew are the stored ones; what a node proves verifies from the genesis file;
//! - what follows from cases is what a model of its own says: locks, due work, withdrawals (`process`);
//! - no validator signed two messages that contradict each other.
//!
//! It only reads, and never a clock.

mod chain;
mod history;
mod process;
mod replay;
mod signatures;
pub(crate) mod stores;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::Height;
use laufzettel_chain::storage::{Read, StoreError};
use serde::Serialize;

pub(crate) use history::{Feed, History, Inboxed, Seen, Told};
pub(crate) use signatures::Witness;

/// Violations told one by one; the rest is counted.
const TOLD_MAX: usize = 50;

/// What one node holds.
#[derive(Clone, Copy)]
pub(crate) struct Held<'a> {
    /// The node.
    pub(crate) node: &'a str,
    /// Its rows.
    pub(crate) read: &'a dyn Read,
}

/// What a check found. The names of the fields are an interface.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Verdict {
    /// Height of each node, in the order given.
    pub(crate) heights: Vec<Height>,
    /// Transactions on the chain.
    pub(crate) transactions: u64,
    /// Accepted items on the chain.
    pub(crate) items: u64,
    /// Acknowledgements that were held against the chain.
    pub(crate) acknowledged: u64,
    /// Of these, gone from the chain.
    pub(crate) lost: u64,
    /// Of these, elsewhere than was said, or twice.
    pub(crate) moved: u64,
    /// Places at which a validator signed two messages that contradict each other.
    pub(crate) double_signatures: u64,
    /// Signed messages looked at.
    pub(crate) signatures: u64,
    /// Cases from which something follows.
    pub(crate) cases: u64,
    /// Deadlines, tasks, notices, locks and markers that there ever were.
    pub(crate) effects: u64,
    /// Of these, withdrawn.
    pub(crate) withdrawn: u64,
    /// Notices that somebody did not acknowledge in time.
    pub(crate) escalated: u64,
    /// How often a block brought a case forward only because something was due.
    pub(crate) due: u64,
    /// Announcements refused for a lock or by a guard.
    pub(crate) stopped: u64,
    /// Facts recorded despite a lock.
    pub(crate) despite: u64,
    /// Proposals that were taken up.
    pub(crate) proposals: u64,
    /// Votes that counted, those with which their proposers began apart.
    pub(crate) votes: u64,
    /// Proposals that were refused and votes that did not count.
    pub(crate) disregarded: u64,
    /// Texts adopted by vote.
    pub(crate) adopted: u64,
    /// Proposals that were voted down.
    pub(crate) rejected: u64,
    /// Proposals that another one overtook.
    pub(crate) superseded: u64,
    /// Proposals on which too few had voted after 30 days.
    pub(crate) expired: u64,
    /// How often a case moved to another version of its process.
    pub(crate) migrated: u64,
    /// Tasks to be done and notices to be acknowledged, in all inboxes of the last node.
    pub(crate) waiting: u64,
    /// All that does not hold.
    pub(crate) violations: u64,
    /// The first of them, in words.
    pub(crate) told: Vec<String>,
}

impl Verdict {
    /// Notes something that does not hold.
    pub(crate) fn violated(&mut self, what: impl Into<String>) {
        self.violations += 1;
        if self.told.len() < TOLD_MAX {
            self.told.push(what.into());
        }
    }
    /// Whether everything holds.
    pub(crate) fn is_sound(&self) -> bool {
        self.violations == 0
    }
    /// Nothing, or all violations in words.
    ///
    /// # Errors
    /// Something does not hold.
    pub(crate) fn sound(&self) -> Result<(), String> {
        if self.is_sound() { Ok(()) } else { Err(self.told.join("; ")) }
    }
}

/// Holds everything against everything.
pub(crate) fn check(genesis: &Arc<Genesis>, held: &[Held<'_>], history: &History, mut witness: Witness) -> Verdict {
    let mut verdict = Verdict::default();
    if let Err(error) = try_check(genesis, held, history, &mut witness, &mut verdict) {
        verdict.violated(format!("a store cannot be read: {error}"));
    }
    witness.judge(&mut verdict);
    verdict
}

fn try_check(
    genesis: &Arc<Genesis>,
    held: &[Held<'_>],
    history: &History,
    witness: &mut Witness,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    for one in held {
        witness.log_of(one)?;
    }
    process::check(genesis, held, &history.inboxes, verdict)?;
    let chain = chain::walk(genesis, held, witness, verdict)?;
    for one in held {
        replay::derived(genesis, one, verdict)?;
        replay::proofs(genesis, one, verdict)?;
    }
    history::acknowledgements(&chain, history, verdict);
    history::order(history, verdict);
    history::reads(&chain, history, verdict);
    history::feeds(&chain, history, verdict);
    Ok(())
}
