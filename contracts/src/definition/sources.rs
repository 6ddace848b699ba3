//! Who may raise a lock: the reports on which it depends whether an announcement is stopped, and the roles that may
//! make them. Must never look at a case: an authority that has said nothing so far may be the next to raise a lock.
//!
//! Acknowledgements and tasks completed by hand are left out: no rule sets a lock because something was answered.

use super::rules::Rules;
use super::{Definition, Rule, Trigger};
use crate::name::Code;
use std::collections::BTreeSet;

/// On whose reports it depends whether an announcement is stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockSources {
    /// Statuses whose report, correction or retraction may set a lock, or bring one back that was released.
    pub statuses: BTreeSet<Code>,
    /// Roles that may report one of them.
    pub roles: BTreeSet<Code>,
}

impl Definition {
    /// On whose reports it depends whether this announcement is stopped; nobody's if no lock stops it. For a restricted
    /// status ask for its class: that is what stands on the ledger.
    pub fn lock_sources(&self, announcement: &Code) -> LockSources {
        let stops = self.rules.locks.iter().filter(|lock| lock.stops.contains(announcement));
        let statuses = self.rules.lock_statuses(stops.map(|lock| lock.code.clone()).collect());
        let entitled = statuses.iter().filter_map(|status| self.status(status.as_str()));
        let roles = entitled.flat_map(|status| status.reported_by.iter().cloned()).collect();
        LockSources { statuses, roles }
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
