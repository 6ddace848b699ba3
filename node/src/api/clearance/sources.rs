//! Who has to be current before "no lock is known": every authority that may raise a lock by the roles it holds, and the
//! answering node. Not only those that take part in the case: the ledger takes a motion from any court, and the one that
//! has not been heard of so far is the one that is overlooked.

use std::collections::BTreeMap;

use laufzettel_chain::registry::Registry;
use laufzettel_contracts::Code;
use laufzettel_contracts::effect::Participant;
use laufzettel_proto::v1;
use std::collections::BTreeSet;

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    /// The authority.
    pub(super) authority: String,
    /// Its name.
    pub(super) labels: v1::Labels,
    /// The authority whose node hosts it.
    pub(super) node: String,
    /// The roles in which it may raise a lock.
    pub(super) roles: Vec<Code>,
    /// Whether it is known to hold one of them in the case.
    pub(super) takes_part: bool,
}

/// All of them, ascending.
pub(super) fn find(
    registry: &Registry,
    roles: &BTreeSet<Code>,
    holders: &BTreeMap<Code, Participant>,
    own_node: &str,
) -> Vec<Source> {
    let mut sources = Vec::new();
    for (id, authority) in &registry.authorities {
        let held: Vec<Code> = authority.roles.iter().filter(|role| roles.contains(*role)).cloned().collect();
        if held.is_empty() && id != own_node {
            continue;
        }
        let holds = |role: &Code| holders.get(role).is_some_and(|holder| holder_of(holder) == id);
        sources.push(Source {
            authority: id.clone(),
            labels: v1::Labels { de: authority.label_de.clone(), en: authority.label_en.clone() },
            node: authority.hosted_by.clone(),
            takes_part: held.iter().any(holds),
            roles: held,
        });
    }
    sources
}

fn holder_of(holder: &Participant) -> &str {
    match holder {
        Participant::Assigned(authority) | Participant::Reported(authority) | Participant::Only(authority) => {
            authority.as_str()
        }
    }
}
