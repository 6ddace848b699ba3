//! Whose turn it is: nobody is put off who was not passed over, and nobody is
//! passed over in a round that never was.

use std::collections::BTreeMap;

use laufzettel_chain::ids::{Address, Height};
use laufzettel_chain::state::order::ProposerOrder;
use laufzettel_chain::validators::ValidatorSet;
use laufzettel_node::consensus::Tip;

/// What is known of turns from the blocks so far.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Highest round that an honest node began, by height.
    begun: BTreeMap<Height, u32>,
    /// How often each was passed over since its own last block.
    passed_over: BTreeMap<Address, u32>,
    /// The order of the height that is being decided.
    order: Vec<Address>,
    height: Height,
}

impl Turns {
    pub(super) fn new(validators: &ValidatorSet) -> Self {
        Self { order: ProposerOrder::default().next(validators), ..Self::default() }
    }
    /// An honest node begins a round.
    pub(super) fn begins(&mut self, height: Height, round: u32) {
        let begun = self.begun.entry(height).or_default();
        *begun = (*begun).max(round);
    }
    /// The first time a height is committed.
    pub(super) fn committed(&mut self, tip: &Tip) -> Result<(), String> {
        let header = &tip.header;
        if header.height != self.height + 1 {
            return Err(format!("height {} is committed before {}", header.height, self.height + 1));
        }
        self.height = header.height;
        let begun = self.begun.get(&header.height).copied().unwrap_or(0);
        if header.round > begun {
            return Err(format!(
                "block {} says it is of round {}, but honest nodes began {begun} at most",
                header.height, header.round
            ));
        }
        self.begun = self.begun.split_off(&header.height);
        let turns = usize::try_from(header.round).unwrap_or(usize::MAX);
        let place = turns.checked_rem(self.order.len()).and_then(|turn| self.order.get(turn));
        if place != Some(&header.proposer) {
            return Err(format!("block {} is of {}, whose turn it was not", header.height, header.proposer));
        }
        for address in self.order.iter().take(turns).filter(|address| **address != header.proposer) {
            *self.passed_over.entry(*address).or_default() += 1;
        }
        self.passed_over.remove(&header.proposer);
        self.order.clone_from(&tip.order);
        self.check_order(tip)
    }
    /// The next order is that of the addresses, turned by the height, with few put off, each of them rightly.
    fn check_order(&self, tip: &Tip) -> Result<(), String> {
        let mut base: Vec<Address> = tip.validators.all().iter().map(|validator| validator.address).collect();
        let shift = usize::try_from(tip.next_height()).unwrap_or(0).checked_rem(base.len()).unwrap_or(0);
        base.rotate_left(shift);
        let faulty_max = (base.len() - 1) / 3;
        let put_off = (0..=faulty_max).find_map(|count| {
            let last = tip.order.get(base.len() - count..)?;
            let (off, on): (Vec<_>, Vec<_>) = base.iter().partition(|address| last.contains(address));
            let expected: Vec<Address> = on.into_iter().chain(off.iter().copied()).copied().collect();
            (expected == tip.order).then(|| off.into_iter().copied().collect::<Vec<_>>())
        });
        let Some(put_off) = put_off else {
            return Err(format!(
                "the order after height {} is no turn of the addresses: {:?}",
                tip.height(),
                tip.order
            ));
        };
        let wrongly = put_off.iter().find(|address| self.passed_over.get(address).copied().unwrap_or(0) < 2);
        match wrongly {
            Some(address) => Err(format!("{address} is put off after height {} without having failed", tip.height())),
            None => Ok(()),
        }
    }
}
