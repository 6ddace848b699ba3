//! Keeps one network address from taking all places in the handshake: silent
//! strangers are let go after a few seconds, but there may always be new ones.
//! Knows addresses only; who may stay is decided after the handshake.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use libp2p::{Multiaddr, PeerId};

/// Why a connection was not let into the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{held} connections of {address} are in the handshake already")]
struct Crowded {
    address: IpAddr,
    held: usize,
}

/// Who is in the handshake, by address.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    per_address_max: usize,
    inside: BTreeMap<ConnectionId, IpAddr>,
}

impl Doorkeeper {
    pub(super) fn new(per_address_max: usize) -> Self {
        Self { per_address_max, inside: BTreeMap::new() }
    }
    fn take(&mut self, connection: ConnectionId, address: IpAddr) -> Result<(), Crowded> {
        let held = self.inside.values().filter(|inside| **inside == address).count();
        if held >= self.per_address_max {
            return Err(Crowded { address, held });
        }
        self.inside.insert(connection, address);
        Ok(())
    }
}

fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    })
}

impl NetworkBehaviour for Doorkeeper {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(address) = ip_of(remote) else { return Ok(()) };
        self.take(connection, address).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inside.remove(&connection);
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _connection: ConnectionId,
        _peer: PeerId,
        _address: &Multiaddr,
        _role: Endpoint,
        _port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ListenFailure(failure) = event {
            self.inside.remove(&failure.connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _peer: PeerId, _connection: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let mut keeper = Doorkeeper::new(2);
        let local: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        let remote: Multiaddr = "/ip4/192.0.2.1/tcp/9".parse().unwrap();
        let other: Multiaddr = "/ip4/192.0.2.2/tcp/9".parse().unwrap();
        let mut enter = |number, from: &Multiaddr| {
            let id = ConnectionId::new_unchecked(number);
            keeper.handle_pending_inbound_connection(id, &local, from).is_ok()
        };
        assert!(enter(1, &remote) && enter(2, &remote) && !enter(3, &remote) && enter(4, &other));
        let peer = PeerId::random();
        let id = ConnectionId::new_unchecked(1);
        keeper.handle_established_inbound_connection(id, peer, &local, &remote).unwrap();
        let id = ConnectionId::new_unchecked(5);
        assert!(keeper.handle_pending_inbound_connection(id, &local, &remote).is_ok(), "a place is free again");
    }
}
