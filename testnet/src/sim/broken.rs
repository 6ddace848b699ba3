//! Nodes that are wrong on purpose. Each variant must be caught by a check:
//! a simulator that finds nothing wrong with them finds nothing.

use laufzettel_chain::codec::encode;
use laufzettel_chain::crypto::{Hash, hash_parts};
use laufzettel_chain::ids::Address;
use laufzettel_chain::state::order::{ProposerOrder, Turns};
use laufzettel_chain::validators::ValidatorSet;
use laufzettel_node::consensus::gate::{KnownBlock, Verdict, View};

/// What is wrong with the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "the program only ever runs nodes that are right"))]
pub(crate) enum Broken {
    /// Writes are reported durable and are not.
    AnswersBeforeSync,
    /// The watermark is written one barrier late.
    WatermarkLate,
    /// The consensus log is not written.
    ForgetsLog,
    /// Committed ids are not found again.
    SkipsDedupe,
    /// State depends on more than the blocks: one of the nodes reads rows others do not.
    StateDiffers,
    /// Every proposal reaches the core at once, whatever its round and time.
    GateOff,
    /// The hash of the validators covers the order in which they propose.
    OrderInsideHash,
    /// A proposer is put off for the block it proposed, instead of those who were passed over.
    DefersProposer,
    /// After a crash the node starts from a copy of an earlier disk, watermark and all.
    RestoresSnapshot,
}

impl Broken {
    /// The gate of a node that has none.
    pub(super) fn no_gate(view: &View) -> Verdict {
        match view.block {
            KnownBlock::Missing => Verdict::HoldForBody,
            KnownBlock::Invalid => Verdict::ReleaseInvalid,
            KnownBlock::Valid { .. } => Verdict::Release,
        }
    }
    /// The rules of turns of such a node, where they are not the protocol's.
    pub(super) fn turns(self) -> Option<Turns> {
        match self {
            Self::OrderInsideHash => Some(Turns { hash: hash_with_order, ..Turns::PROTOCOL }),
            Self::DefersProposer => Some(Turns { after: defer_proposer, ..Turns::PROTOCOL }),
            _ => None,
        }
    }
    /// All variants.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 9] = [
        Self::AnswersBeforeSync,
        Self::WatermarkLate,
        Self::ForgetsLog,
        Self::SkipsDedupe,
        Self::StateDiffers,
        Self::GateOff,
        Self::OrderInsideHash,
        Self::DefersProposer,
        Self::RestoresSnapshot,
    ];
}

fn hash_with_order(validators: &ValidatorSet, order: &[Address]) -> Hash {
    let order: Vec<u8> = order.iter().flat_map(|address| address.0).collect();
    hash_parts("validators", &[&encode(validators), &order])
}

/// As if the proposer had been passed over, and the first one that was had proposed.
fn defer_proposer(order: &ProposerOrder, validators: &ValidatorSet, round: u32, proposer: &Address) -> ProposerOrder {
    match order.next(validators).first() {
        Some(first) if first != proposer => order.after(validators, round.saturating_add(1), first),
        _ => order.after(validators, round, proposer),
    }
}
