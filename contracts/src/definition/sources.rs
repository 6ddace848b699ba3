//! Who may raise a lock: the reports on which it depends whether a lock stands against a status, the roles that may
//! make them, and the statuses that any lock is about. Must never look at a case: an authority that has said nothing so far may be the next to raise a lock.
//!
//! Acknowledgements and tasks completed by hand are left out: no rule sets a lock because something was answered.

use super::rules::Rules;
use super::{Definition, Rule, Trigger};
use crate::name::Code;
use std::collections::BTreeSet;

/// On whose reports it depends whether a lock stands against a status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockSources {
    /// Statuses whose report, correction or retraction may set a lock, or bring one back that was released.
    pub statuses: BTreeSet<Code>,
    /// Roles that may report one of them.
    pub roles: BTreeSet<Code>,
}

impl Definition {
    /// On whose reports it depends whether a lock stops or marks this status; nobody's if no lock is about it. For a
    /// restricted status ask for its class: that is what stands on the ledger.
    pub fn lock_sources(&self, status: &Code) -> LockSources {
        let about = self.rules.locks.iter().filter(|lock| lock.concerns(status));
        let statuses = self.rules.lock_statuses(about.map(|lock| lock.code.clone()).collect());
        let entitled = statuses.iter().filter_map(|status| self.status(status.as_str()));
        let roles = entitled.flat_map(|status| status.reported_by.iter().cloned()).collect();
        LockSources { statuses, roles }
    }
    /// What may be asked before an act: the codes that some lock stops or marks, by their own name or by that of their
    /// class, in the order of the text. Whether a lock stands against anything else is no question.
    pub fn lockable(&self) -> impl Iterator<Item = &Code> {
        let about = |status: &Code| self.rules.locks.iter().any(|lock| lock.concerns(status));
        let statuses = self.statuses().iter();
        statuses
            .filter(move |status| about(status.ledger_as.as_ref().unwrap_or(&status.code)))
            .map(|status| &status.code)
    }
}

impl Rules {
    /// Follows effects to the rules that make or end them, and rules to what runs them and what they ask. Ends because
    /// each effect is followed once.
    pub(super) fn lock_statuses(&self, locks: Vec<Code>) -> BTreeSet<Code> {
        let mut found = BTreeSet::new();
        let (mut seen, mut wanted) = (BTreeSet::new(), locks);
        while let Some(effect) = wanted.pop() {
            if !seen.insert(effect.clone()) {
                continue;
            }
            if let Some(deadline) = self.deadline(effect.as_str()) {
                found.extend(deadline.met_by.iter().cloned());
            }
            if let Some(task) = self.task(effect.as_str()) {
                found.extend(task.done_by.iter().cloned());
            }
            for rule in self.rules.iter().filter(|rule| touches(rule, &effect)) {
                if let Some(when) = &rule.when {
                    found.extend(when.reads().statuses.iter().cloned());
                    wanted.extend(when.reads().openings.iter().cloned());
                    found.extend(self.decided_by.iter().filter(|_| when.reads().regime).cloned());
                }
                match &rule.on {
                    Trigger::Status(status) => {
                        found.insert(status.clone());
                    }
                    Trigger::Warned(cause)
                    | Trigger::Elapsed(cause)
                    | Trigger::Grace(cause)
                    | Trigger::Unacknowledged(cause) => wanted.push(cause.clone()),
                }
            }
        }
        found
    }
}

/// Whether a rule makes or ends an effect of this name.
fn touches(rule: &Rule, effect: &Code) -> bool {
    let Rule { close, stop, unlock, clear, start, open, notify, lock, mark, .. } = rule;
    let named = [close, stop, unlock, clear, start, lock, mark];
    named.iter().any(|codes| codes.contains(effect))
        || open.iter().any(|opening| opening.task == *effect)
        || notify.iter().any(|sending| sending.notice == *effect)
}
