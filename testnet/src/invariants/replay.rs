//! Every block once more, from genesis, by a fresh ledger in memory; then each node's rows against the fresh ones.

use std::sync::Arc;

use laufzettel_chain::block::Block;
use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::CaseId;
use laufzettel_chain::index::{self, Find};
use laufzettel_chain::ledger::{Ledger, OpenError, stored_tip};
use laufzettel_chain::light::LightClient;
use laufzettel_chain::proof::prove;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Batch, Family, Read, StoreError};

use super::{Held, Verdict};

/// Longer than any key.
const END: [u8; 64] = [0xff; 64];
/// Rows read at once.
const ROWS_AT_ONCE: usize = 4_096;
/// Cases whose proofs are verified.
const PROVED_MAX: usize = 16;
/// What the chain alone decides. The rest differs between nodes (certificates, the log), or is pruned.
const DECIDED: [Family; 4] = [Family::Items, Family::Cases, Family::Submissions, Family::Registry];

/// The execution of our own.
pub(super) struct Replay {
    store: Arc<MemStore>,
    ledger: Result<Ledger, OpenError>,
}

impl Replay {
    pub(super) fn new(genesis: &Arc<Genesis>) -> Self {
        let store = Arc::new(MemStore::default());
        Self { ledger: Ledger::open(store.clone(), genesis.clone(), true), store }
    }
    /// What it has written so far.
    pub(super) fn rows(&self) -> &dyn Read {
        self.store.as_ref()
    }
    /// Executes a decided block and compares all its roots.
    pub(super) fn step(&mut self, block: &Block, certificate: &Certificate, verdict: &mut Verdict) {
        let height = block.header.height;
        let ledger = match &mut self.ledger {
            Ok(ledger) => ledger,
            Err(error) => return verdict.violated(format!("a fresh ledger does not open: {error}")),
        };
        let done = ledger.validate(block).map_err(|error| error.to_string());
        let done = done.and_then(|executed| {
            let committed = ledger.commit(block, executed, certificate, Batch::default());
            committed.map_err(|error| error.to_string())
        });
        if let Err(error) = done {
            verdict.violated(format!("height {height}, executed again: {error}"));
        }
    }
    /// Holds a node's rows, at its tip, against those of the execution.
    pub(super) fn compare(&self, one: &Held<'_>, verdict: &mut Verdict) -> Result<(), StoreError> {
        for family in DECIDED {
            if let Some(difference) = differing(family, one.read, self.store.as_ref())? {
                verdict.violated(format!("{}: {} differ from an execution: {difference}", one.node, family.name()));
            }
        }
        Ok(())
    }
}

/// Where two stores first differ in a family.
fn differing(family: Family, found: &dyn Read, expected: &dyn Read) -> Result<Option<String>, StoreError> {
    let mut from = Vec::new();
    loop {
        let (a, b) =
            (found.scan(family, &from, &END, ROWS_AT_ONCE)?, expected.scan(family, &from, &END, ROWS_AT_ONCE)?);
        if a != b {
            let key = a.iter().zip(&b).find(|(a, b)| a != b).map(|(a, _)| data_of(&a.0));
            return Ok(Some(format!("{} rows for {}, from key {}", a.len(), b.len(), key.unwrap_or_default())));
        }
        let Some((last, _)) = a.last() else { return Ok(None) };
        from.clone_from(last);
        from.push(0);
    }
}

fn data_of(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Derived rows, made anew from blocks and cases, are the stored ones.
pub(super) fn derived(genesis: &Genesis, one: &Held<'_>, verdict: &mut Verdict) -> Result<(), StoreError> {
    let stored = one.read.scan(Family::Index, &[], &END, usize::MAX)?;
    let (tip, _) = stored_tip(one.read, &genesis.registry)?;
    if index::rebuild(one.read, &tip.registry)? != stored {
        verdict.violated(format!("{}: derived rows are not what blocks and cases give", one.node));
    }
    Ok(())
}

/// Some cases prove from the node's own tree.
pub(super) fn proofs(genesis: &Genesis, one: &Held<'_>, verdict: &mut Verdict) -> Result<(), StoreError> {
    let light = LightClient::new(genesis);
    let (tip, _) = stored_tip(one.read, &genesis.registry)?;
    let Some(certificate) = tip.certificate else { return Ok(()) };
    let all = index::cases(one.read, Find::All, None, usize::MAX)?;
    let some: Vec<CaseId> = all.iter().step_by(all.len().div_ceil(PROVED_MAX).max(1)).copied().collect();
    for case in some {
        let proof = prove(one.read, tip.header.clone(), certificate.clone(), &case, &[0, 10, 11])?;
        if let Err(error) = proof.verify(&light) {
            verdict.violated(format!("{}: a case's proof does not verify: {error}", one.node));
        }
    }
    Ok(())
}
