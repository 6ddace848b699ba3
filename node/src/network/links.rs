//! What is known of each link, for operators: which connections stand and who
//! dialled them, the last round trip, why the last dial failed. Nothing is
//! decided by it but when a probe is done (see `reach`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{PeerId, ping};
use tokio::sync::oneshot;

use super::AuthorityId;
use super::reach::Reached;
use super::swarm::BehaviourEvent;

/// A link as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkState {
    /// Connections that stand and that this node dialled.
    pub dialled: u32,
    /// Connections that stand and that the peer dialled.
    pub accepted: u32,
    /// How long the last probe of a connection took to come back.
    pub round_trip: Option<Duration>,
    /// Why the last dial failed, if none succeeded since.
    pub dial_error: Option<String>,
}

/// All links, shared with whoever asks.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<BTreeMap<AuthorityId, LinkState>>);

impl Links {
    pub(super) fn all(&self) -> BTreeMap<AuthorityId, LinkState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn change(&self, authority: &AuthorityId, change: impl FnOnce(&mut LinkState)) -> LinkState {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let link = links.entry(authority.clone()).or_default();
        change(link);
        link.clone()
    }
}

/// Follows the swarm's events.
pub(super) struct Observer {
    links: Arc<Links>,
    names: BTreeMap<PeerId, AuthorityId>,
    probes: BTreeMap<ConnectionId, oneshot::Sender<Reached>>,
}

impl Observer {
    pub(super) fn new(links: Arc<Links>, names: BTreeMap<PeerId, AuthorityId>) -> Self {
        for name in names.values() {
            links.change(name, |_| {});
        }
        Self { links, names, probes: BTreeMap::new() }
    }

    /// A dial whose outcome someone waits for.
    pub(super) fn expect(&mut self, connection: ConnectionId, answer: oneshot::Sender<Reached>) {
        self.probes.retain(|_, waiting| !waiting.is_closed());
        self.probes.insert(connection, answer);
    }

    /// The swarm refused to dial; no event will tell.
    pub(super) fn not_dialled(&mut self, connection: ConnectionId, error: &DialError) {
        self.done(connection, Reached::No(explain(error)));
    }

    fn done(&mut self, connection: ConnectionId, reached: Reached) -> bool {
        // Whoever asked may have given up.
        self.probes.remove(&connection).map(|answer| answer.send(reached)).is_some()
    }

    /// Takes an event; a connection to be closed, if it was made for a probe and another one stands.
    pub(super) fn observe(&mut self, event: &SwarmEvent<BehaviourEvent>) -> Option<ConnectionId> {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                let authority = self.names.get(peer_id)?;
                self.links.change(authority, |link| {
                    let count = if endpoint.is_dialer() { &mut link.dialled } else { &mut link.accepted };
                    *count = count.saturating_add(1);
                    if endpoint.is_dialer() {
                        link.dial_error = None;
                    }
                });
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, endpoint, .. } => {
                // A connection is refused after the handshake: until then the peer does not know who dials.
                let refused = "the peer closed the connection at once; it may not list this node's key as a peer";
                self.done(*connection_id, Reached::No(refused.to_owned()));
                let authority = self.names.get(peer_id)?;
                self.links.change(authority, |link| {
                    let count = if endpoint.is_dialer() { &mut link.dialled } else { &mut link.accepted };
                    *count = count.saturating_sub(1);
                    if link.dialled == 0 && link.accepted == 0 {
                        link.round_trip = None;
                    }
                });
            }
            SwarmEvent::OutgoingConnectionError { peer_id, connection_id, error, .. } => {
                let reason = explain(error);
                self.done(*connection_id, Reached::No(reason.clone()));
                let authority = self.names.get(peer_id.as_ref()?)?;
                self.links.change(authority, |link| link.dial_error = Some(reason));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { peer, connection, result: Ok(took) })) => {
                let probed = self.done(*connection, Reached::Yes);
                let authority = self.names.get(peer)?;
                let link = self.links.change(authority, |link| link.round_trip = Some(*took));
                let spare = link.dialled.saturating_add(link.accepted) > 1;
                return (probed && spare).then_some(*connection);
            }
            _ => {}
        }
        None
    }
}

/// A failed dial in the words of an operator.
fn explain(error: &DialError) -> String {
    match error {
        DialError::WrongPeerId { obtained, .. } => {
            format!("another node answers there: its key is that of {obtained}")
        }
        DialError::Transport(failures) => {
            let each = failures.iter().map(|(address, error)| format!("{address}: {}", root_cause(error)));
            each.collect::<Vec<_>>().join("; ")
        }
        DialError::NoAddresses => "no address was found for it".to_owned(),
        other => root_cause(other),
    }
}

/// The innermost error: what the system said.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
