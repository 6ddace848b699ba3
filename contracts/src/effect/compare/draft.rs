//! Where what the rules of a draft make stands among what the rules of the definition in force make, so that a case
//! folded with the draft keeps what was completed and acknowledged. Must never give two effects of one rule and cause
//! the same place.

use crate::definition::Definition;
use crate::effect::EffectKind;
use crate::effect::rules::makes;
use crate::name::Code;
use std::collections::BTreeMap;

/// Places from here on are of what only the draft makes. No rule makes as many effects: a text has less bytes.
const NEW: u32 = 1 << 24;

/// By rule of the draft, the place of each thing it makes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    rules: BTreeMap<Code, Vec<Option<u32>>>,
}

impl Places {
    /// Those of a draft among those of the definition that it is to take the place of. What rules of one name make, and
    /// has one kind and code, is the same; of several alike the first is the first.
    pub fn of(in_force: &Definition, draft: &Definition) -> Self {
        let rules = draft.rules().rules.iter().map(|rule| {
            let earlier = in_force.rules().rules.iter().find(|earlier| earlier.name == rule.name);
            let mut free: BTreeMap<(EffectKind, Code), Vec<u32>> = BTreeMap::new();
            for (place, made) in (0_u32..).zip(earlier.map(makes).unwrap_or_default()) {
                free.entry(made).or_default().push(place);
            }
            free.values_mut().for_each(|places| places.reverse());
            let places = makes(rule).into_iter().map(|made| free.get_mut(&made).and_then(Vec::pop)).collect();
            (rule.name.clone(), places)
        });
        Self { rules: rules.collect() }
    }

    /// The place under which the ledger names what a rule of the draft makes at a place.
    pub fn of_effect(&self, rule: &Code, occurrence: u32) -> u32 {
        let place = usize::try_from(occurrence).ok().and_then(|place| self.rules.get(rule)?.get(place).copied());
        place.flatten().unwrap_or_else(|| occurrence.saturating_add(NEW))
    }
}
