//! Nodes that are wrong on purpose. Each variant must be caught by a check:
//! a simulator that finds nothing wrong with them finds nothing.

use std::collections::BTreeSet;

use laufzettel_chain::codec::encode;
use laufzettel_chain::crypto::{Hash, hash_parts};
use laufzettel_chain::execute::Conduct;
use laufzettel_chain::ids::{Address, CaseId};
use laufzettel_chain::item::Action;
use laufzettel_chain::registry::Registry;
use laufzettel_chain::state::case::OpenCase;
use laufzettel_chain::state::governance::{Proposal, Standing};
use laufzettel_chain::state::order::{ProposerOrder, Turns};
use laufzettel_chain::validators::ValidatorSet;
use laufzettel_contracts::effect::{EffectId, EffectKind};
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
    /// Nobody knows what is due: cases are brought forward only when somebody reports something in them.
    SkipsDueWork,
    /// Locks and guards do not count for a correction.
    LockIgnored,
    /// That an effect has gone is not noted where somebody was told of it.
    WithdrawsSilently,
    /// What is remembered of a case's effects is forgotten with each item, so that all of them come anew.
    DeliversTwice,
    /// A report that deviates brings nothing.
    DeviationSilences,
    /// A change is adopted with the validators' votes alone.
    AdoptsUnasked,
    /// One of the nodes moves cases a block later than the others.
    MovesLate,
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
    /// How such nodes treat what follows from cases and votes, where it is not as the protocol says; one of them is `odd`.
    pub(super) fn conduct(self, odd: bool) -> Option<Conduct> {
        let protocol = Conduct::PROTOCOL;
        match self {
            Self::LockIgnored => {
                Some(Conduct { spares: |item| matches!(item.action, Action::Correct { .. }), ..protocol })
            }
            Self::WithdrawsSilently => Some(Conduct { advance: advance_unless_gone, ..protocol }),
            Self::DeliversTwice => Some(Conduct { advance: advance_anew, ..protocol }),
            Self::DeviationSilences => Some(Conduct { advance: advance_unless_deviating, ..protocol }),
            Self::AdoptsUnasked => Some(Conduct { decides: decides_unasked, ..protocol }),
            Self::MovesLate if odd => Some(Conduct { comes_at: |height| height.saturating_sub(1), ..protocol }),
            _ => None,
        }
    }
    /// Whether it shows only where rules are run.
    pub(super) fn is_of_rules(self) -> bool {
        self == Self::SkipsDueWork || self.conduct(true).is_some()
    }
    /// Whether it shows only where there are changes by vote.
    pub(super) fn is_of_votes(self) -> bool {
        matches!(self, Self::AdoptsUnasked | Self::MovesLate)
    }
    /// All variants.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 16] = [
        Self::AnswersBeforeSync,
        Self::WatermarkLate,
        Self::ForgetsLog,
        Self::SkipsDedupe,
        Self::StateDiffers,
        Self::GateOff,
        Self::OrderInsideHash,
        Self::DefersProposer,
        Self::RestoresSnapshot,
        Self::SkipsDueWork,
        Self::LockIgnored,
        Self::WithdrawsSilently,
        Self::DeliversTwice,
        Self::DeviationSilences,
        Self::AdoptsUnasked,
        Self::MovesLate,
    ];
    /// What a check says of a variant that shows in what follows from cases.
    #[cfg(test)]
    pub(crate) fn is_told(self) -> Option<&'static str> {
        Some(match self {
            Self::SkipsDueWork => "is not done",
            Self::LockIgnored => "is recorded although",
            Self::WithdrawsSilently => "is not told to",
            Self::DeliversTwice | Self::DeviationSilences => "are not what a slow fold gives",
            Self::AdoptsUnasked => "is adopted without enough votes",
            // What a node that is alone with it executes is not what the others signed.
            Self::MovesLate => "the header's state_root is wrong",
            _ => return None,
        })
    }
}

/// Asks nobody but the validators.
fn decides_unasked(proposal: &Proposal, validators: &ValidatorSet) -> Standing {
    let mut unasked = proposal.clone();
    unasked.must_agree.clear();
    unasked.decided(validators)
}

/// Leaves the memory of effects as it is where the fold gives one of them no longer.
fn advance_unless_gone(_: &Registry, _: &CaseId, case: &mut OpenCase, time_ms: u64) {
    case.bring(time_ms);
    let gone = case.living().is_some_and(|living| {
        let effects = living.effects();
        let locks = effects.locks.iter().map(|lock| lock.origin.id);
        let there: BTreeSet<EffectId> = locks.collect();
        let mut past = living.history().past().iter();
        past.any(|(id, past)| past.kind == EffectKind::Lock && past.withdrawn_ms.is_none() && !there.contains(id))
    });
    if !gone {
        case.advance(time_ms);
    }
}

/// Begins with an empty memory of effects.
fn advance_anew(registry: &Registry, id: &CaseId, case: &mut OpenCase, time_ms: u64) {
    if !case.is_due() {
        *case = case.clone().within(registry, *id);
    }
    case.advance(time_ms);
}

/// Leaves the memory of effects as it is where a report of the case deviates.
fn advance_unless_deviating(_: &Registry, _: &CaseId, case: &mut OpenCase, time_ms: u64) {
    case.bring(time_ms);
    if case.effects().is_none_or(|effects| effects.deviations.is_empty()) {
        case.advance(time_ms);
    }
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
