//! What a replay sends: every group of the log is an authority, hosted by the nodes in turn; every case is opened
//! together with its first event, and its other events follow in an order that the seed shuffles, so that nothing
//! rests on the order of arrival. The same log, nodes and seed give the same plan, ids included.

use laufzettel_node::eventlog::{EventLog, LogCase, LogEvent, Names};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

/// Sets the ids of a replay apart from all other uses of the hash.
const CONTEXT: &str = "laufzettel testnet replay";

/// All that a replay sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// One for each group, and one for events without a group if there are any.
    pub(crate) authorities: Vec<PlannedAuthority>,
    /// In the order of the log.
    pub(crate) cases: Vec<CasePlan>,
}

/// An authority of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedAuthority {
    pub(crate) id: String,
    /// The one role in which it reports.
    pub(crate) role: String,
    /// The group's name in the log; `None` for events without a group.
    pub(crate) group: Option<String>,
    /// Index of the node that hosts it.
    pub(crate) node: usize,
}

/// What is sent of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CasePlan {
    /// Its name in the log.
    pub(crate) name: String,
    pub(crate) case_id: [u8; 16],
    /// Sent together with the opening of the case, and awaited.
    pub(crate) opening: PlannedEvent,
    /// Sent concurrently after that, in this order.
    pub(crate) rest: Vec<PlannedEvent>,
}

/// One event to send, in a transaction of its own or in the opening one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedEvent {
    pub(crate) transaction_id: [u8; 16],
    pub(crate) status: String,
    pub(crate) instant_ms: u64,
    /// The authority that signs it.
    pub(crate) author: String,
    /// Index of the node that hosts the author and is sent the event.
    pub(crate) node: usize,
    /// The line of the log that it comes from.
    pub(crate) line: u64,
}

impl Plan {
    /// Plans the replay of a log. A case without an event has nothing to send and is left out.
    pub(crate) fn new(log: &EventLog, nodes: NonZeroUsize, seed: u64) -> Self {
        let names = Names::of(log);
        let authorities: Vec<PlannedAuthority> = names
            .groups()
            .enumerate()
            .map(|(index, (name, group))| PlannedAuthority {
                id: group.authority.clone(),
                role: group.role.clone(),
                group: name.map(str::to_owned),
                node: index % nodes,
            })
            .collect();
        let hosts = authorities.iter().map(|authority| (authority.id.clone(), authority.node)).collect();
        let planner = Planner { names, hosts, seed };
        let cases = log.cases.iter().filter_map(|case| planner.plan_case(case)).collect();
        Self { authorities, cases }
    }

    /// How many events are sent.
    pub(crate) fn event_count(&self) -> usize {
        self.cases.iter().map(|case| case.rest.len().saturating_add(1)).sum()
    }
}

impl CasePlan {
    /// The opening event, then the others in the order in which they are sent.
    pub(crate) fn events(&self) -> impl Iterator<Item = &PlannedEvent> {
        std::iter::once(&self.opening).chain(&self.rest)
    }
}

struct Planner {
    names: Names,
    hosts: BTreeMap<String, usize>,
    seed: u64,
}

impl Planner {
    fn plan_case(&self, case: &LogCase) -> Option<CasePlan> {
        let mut planned = (0_u64..).zip(&case.events).map(|(number, event)| self.plan_event(case, number, event));
        let opening = planned.next()?;
        let mut rest: Vec<PlannedEvent> = planned.collect();
        rest.shuffle(&mut ChaCha8Rng::from_seed(self.digest("order", &case.name, 0)));
        Some(CasePlan { name: case.name.clone(), case_id: self.id("case", &case.name, 0), opening, rest })
    }

    fn plan_event(&self, case: &LogCase, number: u64, event: &LogEvent) -> PlannedEvent {
        let author = self.names.group(event.group.as_deref()).map(|group| group.authority.clone()).unwrap_or_default();
        PlannedEvent {
            transaction_id: self.id("transaction", &case.name, number),
            status: self.names.status(&event.activity).unwrap_or_default().to_owned(),
            instant_ms: event.instant_ms,
            node: self.hosts.get(&author).copied().unwrap_or_default(),
            author,
            line: event.line,
        }
    }

    fn id(&self, what: &str, case: &str, number: u64) -> [u8; 16] {
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.digest(what, case, number);
        id
    }

    fn digest(&self, what: &str, case: &str, number: u64) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&self.seed.to_be_bytes()).update(&number.to_be_bytes());
        // No word for `what` holds a zero byte, so the case's name cannot move into it.
        hasher.update(what.as_bytes()).update(&[0]).update(case.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests;
