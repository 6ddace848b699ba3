//! Walks all nodes' chains at once: agreement at every height, each transaction once, and every block executed again.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_chain::block::Block;
use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::encode;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{CaseId, Height, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::ledger::{PROTOCOL_VERSION_MAX, stored_tip};
use laufzettel_chain::light::LightClient;
use laufzettel_chain::query;
use laufzettel_chain::receipt::Code;
use laufzettel_chain::storage::{Read, StoreError};
use laufzettel_contracts::Position;

use super::replay::Replay;
use super::{Held, Verdict, Witness};

/// The chain all nodes agree on.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Its highest height on any node.
    pub(super) tip: Height,
    /// Where each transaction stands.
    pub(super) places: BTreeMap<(String, TransactionId), (Height, u32)>,
    /// Height of every change of a case by an item, ascending.
    pub(super) cases: BTreeMap<CaseId, Vec<Height>>,
    /// Places of the events that feeds deliver, ascending.
    pub(super) events: Vec<Position>,
}

/// Walks from the first height to the highest.
pub(super) fn walk(
    genesis: &Arc<Genesis>,
    held: &[Held<'_>],
    witness: &mut Witness,
    verdict: &mut Verdict,
) -> Result<Chain, StoreError> {
    let mut chain = Chain::default();
    for one in held {
        let (tip, _) = stored_tip(one.read, &genesis.registry)?;
        chain.tip = chain.tip.max(tip.height());
        verdict.heights.push(tip.height());
    }
    let light = LightClient::new(genesis);
    let mut replay = Replay::new(genesis);
    for height in 1..=chain.tip {
        let mut first: Option<(&str, Block, Certificate)> = None;
        for (one, tip) in held.iter().zip(verdict.heights.clone()) {
            let Some((block, certificate)) = query::block(one.read, height)? else {
                // What a node does not keep in full, others do; its header it keeps for ever.
                if let Some(header) = query::bare_header(one.read, height)? {
                    witness.decided(height, header.id());
                } else if height <= tip {
                    verdict.violated(format!("{} holds no header of height {height}", one.node));
                }
                continue;
            };
            judge(one, tip, height, &block, &certificate, &light, verdict);
            witness.certificate(one.node, &certificate);
            match &first {
                None => first = Some((one.node, block, certificate)),
                Some((other, agreed, _)) if encode(agreed) != encode(&block) => {
                    let (a, b) = (agreed.id(), block.id());
                    verdict.violated(format!("two blocks at height {height}: {a} at {other}, {b} at {}", one.node));
                }
                Some(_) => {}
            }
        }
        let Some((_, block, certificate)) = first else {
            verdict.violated(format!("no node holds height {height}, below the tip {}", chain.tip));
            return Ok(chain);
        };
        witness.decided(height, block.id());
        replay.step(&block, &certificate, verdict);
        chain.take(&block, replay.rows(), witness, verdict)?;
        for (one, tip) in held.iter().zip(verdict.heights.clone()) {
            if tip == height {
                replay.compare(one, verdict)?;
            }
        }
    }
    verdict.transactions = chain.places.len() as u64;
    Ok(chain)
}

/// One node's block by itself.
fn judge(
    one: &Held<'_>,
    tip: Height,
    height: Height,
    block: &Block,
    certificate: &Certificate,
    light: &LightClient,
    verdict: &mut Verdict,
) {
    if height > tip || block.header.height != height {
        verdict.violated(format!("{} holds height {height} above its tip {tip}, or under a wrong number", one.node));
    }
    if let Err(error) = light.verify(&block.header, certificate) {
        verdict.violated(format!("{} at height {height}: {error}", one.node));
    }
    if block.body.tx_root() != block.header.tx_root {
        verdict.violated(format!("{} at height {height}: the body is not the header's", one.node));
    }
}

impl Chain {
    /// Notes what a block holds, with the receipts of an execution of our own.
    fn take(
        &mut self,
        block: &Block,
        read: &dyn Read,
        witness: &mut Witness,
        verdict: &mut Verdict,
    ) -> Result<(), StoreError> {
        let height = block.header.height;
        for (index, signed) in (0u32..).zip(&block.body.transactions) {
            let Ok(transaction) = signed.decode() else {
                verdict.violated(format!("a transaction at height {height}, index {index} does not decode"));
                continue;
            };
            let name = (transaction.payload.authority, transaction.payload.id);
            if let Some(first) = self.places.insert(name.clone(), (height, index)) {
                verdict.violated(format!("{} {} stands at {first:?} and {:?}", name.0, name.1, (height, index)));
            }
            let receipts = query::receipts(read, height, index)?.unwrap_or_default();
            for (number, (bytes, receipt)) in (0u16..).zip(signed.items.iter().zip(&receipts)) {
                let (Some(bytes), Code::Accepted) = (bytes, receipt.code) else { continue };
                let Ok(item) = Item::decode_in(bytes, PROTOCOL_VERSION_MAX) else { continue };
                verdict.items += 1;
                if let Action::Evidence(evidence) = &item.action {
                    witness.accused(evidence);
                }
                // Evidence concerns no case, and a clearance check changes none: they have no revision.
                let Some(case) = item.case.filter(|_| receipt.revision > 0) else { continue };
                self.cases.entry(case).or_default().push(height);
                // Acknowledgements and completions are counted in a case, and are no events.
                if matches!(item.action, Action::Report(_) | Action::Correct { .. } | Action::Retract { .. }) {
                    self.events.push(Position { height, transaction: index, item: number });
                }
            }
        }
        Ok(())
    }
}
