//! The differences of many cases added up: by authority, and by what changes. Its size is bounded by the network and the
//! two texts, never by the number of cases. Must never hold a case.

use super::{Became, Change, Difference};
use crate::effect::EffectKind;
use crate::name::{AuthorityId, Code};
use std::collections::BTreeMap;

/// How many effects of one kind changed, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Only the draft gives them.
    pub added: u64,
    /// The draft does not give them.
    pub gone: u64,
    /// They end at another instant, or are for others.
    pub moved: u64,
    /// Would wait (run, be open, stand, be set) and do not now.
    pub waits_more: u64,
    /// Wait now and would not.
    pub waits_less: u64,
    /// Deadlines that would have ended unmet and have not.
    pub elapsed_more: u64,
    /// Deadlines that have ended unmet and would not have.
    pub elapsed_less: u64,
}

impl Counts {
    fn take(&mut self, change: &Change) {
        let mut add = |counted: bool, number: fn(&mut Self) -> &mut u64| {
            if counted {
                let number = number(self);
                *number = number.saturating_add(1);
            }
        };
        add(change.became == Became::Added, |counts| &mut counts.added);
        add(change.became == Became::Gone, |counts| &mut counts.gone);
        add(change.became == Became::Moved, |counts| &mut counts.moved);
        add(change.waits == (false, true), |counts| &mut counts.waits_more);
        add(change.waits == (true, false), |counts| &mut counts.waits_less);
        add(change.elapsed == (false, true), |counts| &mut counts.elapsed_more);
        add(change.elapsed == (true, false), |counts| &mut counts.elapsed_less);
    }
}

/// What changes for one authority.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfAuthority {
    /// Effects that are in its lists, by kind.
    pub effects: BTreeMap<EffectKind, Counts>,
    /// Its reports that would deviate and do not now, and the other way round.
    pub departures: (u64, u64),
}

/// The sum over many cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases looked at.
    pub cases: u64,
    /// Those in which anything changes.
    pub changed: u64,
    /// Those with a deviation that they do not have now.
    pub newly_deviating: u64,
    /// Those that only lose deviations.
    pub healed: u64,
    /// By authority.
    pub authorities: BTreeMap<AuthorityId, OfAuthority>,
    /// Effects for a role that nobody holds in the network, by kind.
    pub nobody: BTreeMap<EffectKind, Counts>,
    /// All effects, by kind and code. An effect that concerns two authorities counts once.
    pub effects: BTreeMap<(EffectKind, Code), Counts>,
    /// Deviations, by name: those that come, and those that go.
    pub departures: BTreeMap<String, (u64, u64)>,
    /// Statuses that the draft has not: reports and cases.
    pub unknown_statuses: BTreeMap<Code, (u64, u64)>,
    /// Outcomes that the draft has not for a status: reports and cases.
    pub unknown_outcomes: BTreeMap<(Code, Code), (u64, u64)>,
}

impl Tally {
    /// Adds the difference of a case.
    pub fn take(&mut self, difference: &Difference) {
        one_more(&mut self.cases, true);
        one_more(&mut self.changed, !difference.is_empty());
        one_more(&mut self.newly_deviating, !difference.departures.is_empty());
        one_more(&mut self.healed, difference.departures.is_empty() && !difference.healed.is_empty());
        for change in &difference.changes {
            self.effects.entry((change.kind, change.code.clone())).or_default().take(change);
            for authority in &change.concerns {
                let of = self.authorities.entry(authority.clone()).or_default();
                of.effects.entry(change.kind).or_default().take(change);
            }
            if change.concerns.is_empty() {
                self.nobody.entry(change.kind).or_default().take(change);
            }
        }
        let comes = difference.departures.iter().map(|departure| (departure, true));
        for (departure, comes) in comes.chain(difference.healed.iter().map(|departure| (departure, false))) {
            for numbers in [
                &mut self.departures.entry(departure.what.clone()).or_default(),
                &mut self.authorities.entry(departure.author.clone()).or_default().departures,
            ] {
                one_more(&mut numbers.0, comes);
                one_more(&mut numbers.1, !comes);
            }
        }
        for (status, reports) in &difference.unknown_statuses {
            add(self.unknown_statuses.entry(status.clone()).or_default(), *reports);
        }
        for (outcome, reports) in &difference.unknown_outcomes {
            add(self.unknown_outcomes.entry(outcome.clone()).or_default(), *reports);
        }
    }
}

fn one_more(number: &mut u64, counted: bool) {
    *number = number.saturating_add(u64::from(counted));
}

fn add((all, cases): &mut (u64, u64), reports: u32) {
    *all = all.saturating_add(u64::from(reports));
    one_more(cases, true);
}
