//! Who a role is in a case: the authority it was assigned to last, else the one that reported last under it, else the
//! only one of the network that holds it. Must never guess between several.

use super::World;
use super::given::Participant;
use super::shared::Shared;
use crate::definition::Status;
use crate::name::{AuthorityId, Code};
use crate::report::{Report, Value};
use std::collections::BTreeMap;

/// What the reports so far say about it.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    assigned: Shared<BTreeMap<Code, AuthorityId>>,
    reported: Shared<BTreeMap<Code, AuthorityId>>,
}

/// What a report changed.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// Roles that a report gave away: what is open goes to the new holder.
    pub(super) assigned: Vec<Code>,
    /// Roles about which something is known that was not.
    pub(super) found: Vec<Code>,
    /// Roles given to an authority that does not hold them; that does not count.
    pub(super) refused: Vec<Code>,
    /// Whether any of what is known of roles has changed.
    pub(super) changed: bool,
}

impl Known {
    /// The holder of a role in the case as far as it is known.
    pub(super) fn holder<'k>(&'k self, world: &World<'k>, role: &Code) -> Option<&'k AuthorityId> {
        let told = self.assigned.get(role).or_else(|| self.reported.get(role));
        told.or_else(|| world.directory.only_holder(role))
    }

    /// Learns from a report of a status.
    pub(super) fn learn(
        &mut self,
        world: &World<'_>,
        status: &Status,
        report: &Report,
        author: &AuthorityId,
    ) -> Learned {
        let mut learned = Learned::default();
        let mut under = status.reported_by.iter().filter(|role| world.directory.holds(role, author));
        if let (Some(role), None) = (under.next(), under.next())
            && self.reported.get(role) != Some(author)
        {
            if self.holder(world, role).is_none() {
                learned.found.push(role.clone());
            }
            self.reported.insert(role.clone(), author.clone());
            learned.changed = true;
        }
        for (role, attribute) in &status.assigns {
            let Some(Value::Authority(named)) = report.attributes.get(attribute) else {
                continue;
            };
            if !world.directory.holds(role, named) {
                learned.refused.push(role.clone());
                continue;
            }
            if self.holder(world, role).is_none() {
                learned.found.push(role.clone());
            }
            if self.assigned.get(role) != Some(named) {
                learned.assigned.push(role.clone());
                self.assigned.insert(role.clone(), named.clone());
                learned.changed = true;
            }
        }
        learned
    }

    /// All roles of the definition whose holder is known.
    pub(super) fn all(&self, world: &World<'_>) -> BTreeMap<Code, Participant> {
        let of = |role: &Code| {
            let told = self.assigned.get(role).cloned().map(Participant::Assigned);
            let told = told.or_else(|| self.reported.get(role).cloned().map(Participant::Reported));
            told.or_else(|| world.directory.only_holder(role).cloned().map(Participant::Only))
        };
        let roles = world.definition.roles().iter();
        roles.filter_map(|role| Some((role.code.clone(), of(&role.code)?))).collect()
    }
}
