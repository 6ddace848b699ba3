//! What follows from a case's reports in language 2: deadlines, tasks, notices, locks, markers, and who takes part
//! (docs/PROCESS-LANGUAGE.md, "The fold over time"). A pure function of the reports in fold order, of what the ledger
//! keeps about earlier effects (`History`), and of the instant asked about.
//!
//! Read `given` (what comes out), `machine` (how), `history` (what is remembered of it) and `admit` (what is refused
//! because of it); `compare` says what a draft would change. Must never write a status: a rule proposes, a person or a
//! case system reports.

mod admit;
mod compare;
mod counting;
mod given;
mod history;
mod list;
mod machine;
mod one;
mod rules;
mod shared;
mod sorted;
mod step;
mod timers;
mod who;

pub use admit::{Candidate, Stop, admit};
pub use compare::{
    Became, Change as DraftChange, Counts, Departure, Difference, OfAuthority, Places, Side, Tally, compare,
};
pub use given::{
    Addressee, Cause, DeadlineEffect, DeadlineState, Dropped, EffectDeviation, EffectDeviationKind, EffectId,
    EffectKind, Effects, LockEffect, MarkerEffect, NoticeEffect, Origin, Participant, ProceedingRegime, TaskEffect,
    TaskState,
};
pub use history::{Change, Changes, Completion, History, HistoryRefusal, Past};
pub use list::List;
pub use one::One;
pub(crate) use rules::makes;
pub use shared::{Handle, Shared};
pub use sorted::Sorted;

use crate::definition::Definition;
use crate::fold::CaseFold;
use crate::legal::Calendars;
use crate::name::{AuthorityId, Code};
use machine::Machine;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Which authorities of the network hold which roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    holders: BTreeMap<Code, BTreeSet<AuthorityId>>,
}

impl Directory {
    /// Takes pairs of role and authority.
    pub fn new(pairs: impl IntoIterator<Item = (Code, AuthorityId)>) -> Self {
        let mut holders: BTreeMap<Code, BTreeSet<AuthorityId>> = BTreeMap::new();
        for (role, authority) in pairs {
            holders.entry(role).or_default().insert(authority);
        }
        Self { holders }
    }

    /// Whether an authority holds a role.
    pub fn holds(&self, role: &Code, authority: &AuthorityId) -> bool {
        self.holders.get(role).is_some_and(|holders| holders.contains(authority))
    }

    /// All authorities that hold a role, in the order of their ids.
    pub fn holders(&self, role: &Code) -> impl Iterator<Item = &AuthorityId> {
        self.holders.get(role).into_iter().flatten()
    }

    /// The authority that holds a role, if it is the only one.
    pub fn only_holder(&self, role: &Code) -> Option<&AuthorityId> {
        let mut holders = self.holders(role);
        let first = holders.next()?;
        holders.next().is_none().then_some(first)
    }
}

/// What a case lives in: the same for all cases of a definition.
#[derive(Debug, Clone, Copy)]
pub struct World<'w> {
    /// The definition of the case.
    pub definition: &'w Definition,
    /// Holidays and seats.
    pub calendars: &'w Calendars,
    /// Who holds which role.
    pub directory: &'w Directory,
}

/// How an effect of one case is named: by the rule that makes it, the cause, and its place among what the rule makes.
/// Must give different ids for different arguments, and the same for the same, always.
pub type Naming<'n> = dyn Fn(&Code, &Cause, u32) -> EffectId + 'n;

/// What the ledger knows of one case besides its reports, and the instant asked about.
#[derive(Clone, Copy)]
pub struct Known<'k> {
    /// What it keeps of the case's effects.
    pub history: &'k History,
    /// How it names the case's effects.
    pub name: &'k Naming<'k>,
    /// The instant asked about, in milliseconds: block time where the ledger folds.
    pub as_of_ms: u64,
}

impl fmt::Debug for Known<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Known").field("as_of_ms", &self.as_of_ms).finish_non_exhaustive()
    }
}

/// What follows from a case, folded from nothing.
pub fn effects(world: &World<'_>, case: &CaseFold, known: &Known<'_>) -> Effects {
    EffectFold::of(world, case, known).into_effects()
}

/// The effects of a case, kept so that a report at the end of the fold order costs one step. What it gives is always
/// what [`effects`] gives.
///
/// All calls take the same definition, calendars, directory and naming; if one of these changes, make it anew.
#[derive(Debug, Clone)]
pub struct EffectFold {
    machine: Machine,
    /// What was folded: reports, and how often the case had been folded anew.
    entries: usize,
    refolds: u64,
    /// How often acknowledgements and completions had been added.
    revision: u64,
    as_of_ms: u64,
    /// Whether more may have changed than was lent out.
    whole: bool,
}

impl EffectFold {
    /// Folds a case from nothing.
    pub fn of(world: &World<'_>, case: &CaseFold, known: &Known<'_>) -> Self {
        let mut machine = Machine::default();
        machine.take(world, known, case, 0);
        machine.finish(world, known);
        Self {
            machine,
            entries: case.entries().len(),
            refolds: case.refolds(),
            revision: known.history.revision(),
            as_of_ms: known.as_of_ms,
            whole: true,
        }
    }

    /// Whether anything may have changed since it was settled last; else only what [`One::changed`] gives.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Tells it that whoever keeps something of its effects has seen all of them: from now on nothing counts as changed.
    pub fn settle(&mut self) {
        self.whole = false;
        self.machine.effects.settle();
    }

    /// What follows as of the last instant asked about.
    pub fn effects(&self) -> &Effects {
        self.machine.effects()
    }

    /// The same, given away.
    pub fn into_effects(self) -> Effects {
        self.machine.into_effects()
    }

    /// Brings it up to the case and the instant: from where it stands if nothing has changed before that, else anew.
    pub fn update(&mut self, world: &World<'_>, case: &CaseFold, known: &Known<'_>) {
        let same = case.refolds() == self.refolds
            && case.entries().len() == self.entries
            && known.history.revision() == self.revision
            && known.as_of_ms >= self.as_of_ms;
        if same && self.effects().next_due_ms.is_none_or(|next| known.as_of_ms < next) {
            self.machine.wait(known.as_of_ms);
            self.as_of_ms = known.as_of_ms;
            return;
        }
        let grew = case.refolds() == self.refolds
            && case.entries().len() >= self.entries
            && known.history.revision() == self.revision
            && known.as_of_ms >= self.as_of_ms
            && self.machine.goes_on(case.entries().get(self.entries), known.as_of_ms)
            && !self.machine.misjudged(world, case, self.entries);
        if !grew {
            let before = std::mem::replace(self, Self::of(world, case, known));
            let kept = self.machine.effects.go_on_from(&before.machine.effects);
            self.whole = before.whole || !kept;
            return;
        }
        self.machine.take(world, known, case, self.entries);
        self.machine.finish(world, known);
        self.entries = case.entries().len();
        self.as_of_ms = known.as_of_ms;
    }
}
