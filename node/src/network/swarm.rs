//! The swarm: connections, the allow-list, dialling and dialling again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, identify, identity, noise, ping, tcp, yamux};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::doorkeeper::Doorkeeper;
use super::inbound::Sender;
use super::links::{Links, Observer};
use super::outbound::{Link, PROTOCOL};
use super::queue::SendQueue;
use super::reach::{self, Probe, Prober};
use super::{
    Address, AuthorityId, EVENTS_WAITING_MAX, LinkLimits, NetworkConfig, NetworkError, NetworkEvents, NetworkHandle,
    Peer, Shared, inbound, peer_id,
};

/// Connections to one peer at once: one each way, and their successors while
/// a dead one is not yet noticed.
const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// Connections in the handshake at once; strangers get no further.
const PENDING_INCOMING_MAX: u32 = 64;
/// Of these from one network address.
const PENDING_PER_ADDRESS_MAX: usize = 16;
/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// How often a connection is probed, and how long an answer may take.
const PING: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(5));
/// How long to wait for the listening address.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    allowed: allow_block_list::Behaviour<AllowedPeers>,
    doorkeeper: Doorkeeper,
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    stream: libp2p_stream::Behaviour,
}

/// One peer as the dialler sees it.
struct Target {
    authority: AuthorityId,
    addresses: Vec<Address>,
    connected: watch::Sender<bool>,
    pause: Duration,
    dial_at: Option<Instant>,
}

struct Dialler {
    swarm: Swarm<Behaviour>,
    targets: BTreeMap<PeerId, Target>,
    limits: LinkLimits,
    disconnect: mpsc::Receiver<PeerId>,
    observer: Observer,
    probes: mpsc::Receiver<Probe>,
    resolved: (mpsc::Sender<Resolved>, mpsc::Receiver<Resolved>),
}

/// A peer's addresses after names were looked up.
type Resolved = (PeerId, Vec<Multiaddr>);

pub(super) async fn start(config: NetworkConfig) -> Result<(NetworkHandle, NetworkEvents), NetworkError> {
    let peers = by_peer_id(&config.peers)?;
    let mut swarm = build(&config, &peers)?;
    let local = listen(&mut swarm, &config.listen).await?;
    let (events_sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
    let (disconnect_sender, disconnect) = mpsc::channel(64);
    let mut control = swarm.behaviour().stream.new_control();
    let streams = control.accept(PROTOCOL).map_err(|error| NetworkError::Transport(error.to_string()))?;
    let names = peers.iter().map(|(id, peer)| (*id, peer.authority.clone())).collect();
    let names: BTreeMap<PeerId, AuthorityId> = names;
    let links = Arc::new(Links::default());
    let observer = Observer::new(links.clone(), names.clone());
    let (probes_sender, probes) = mpsc::channel(64);
    let to_probe = peers.iter().map(|(id, peer)| (peer.authority.clone(), (*id, peer.addresses.clone()))).collect();
    let prober = Prober::new(to_probe, probes_sender, control.clone());
    let asked = control.accept(reach::PROTOCOL).map_err(|error| NetworkError::Transport(error.to_string()))?;
    let answers = reach::serve(asked, names.clone(), prober.clone());
    let senders: BTreeMap<_, _> = peers.iter().map(|(id, peer)| (*id, Sender::new(&peer.authority))).collect();
    let faults = senders.values().map(|sender| (sender.authority.clone(), sender.faults.clone())).collect();
    let accept = inbound::accept(streams, senders, config.limits.clone(), events_sender.clone());
    let mut tasks = vec![tokio::spawn(accept), tokio::spawn(answers)];
    let (mut queues, mut targets) = (BTreeMap::new(), BTreeMap::new());
    for (id, peer) in peers {
        let queue = Arc::new(SendQueue::new(config.limits.queue_bytes_max));
        let (connected_sender, connected) = watch::channel(false);
        let link = Link {
            authority: peer.authority.clone(),
            peer: id,
            queue: queue.clone(),
            control: control.clone(),
            connected,
            disconnect: disconnect_sender.clone(),
            events: events_sender.clone(),
        };
        tasks.push(tokio::spawn(link.run()));
        queues.insert(peer.authority.clone(), queue);
        targets.insert(
            id,
            Target {
                authority: peer.authority,
                addresses: peer.addresses,
                connected: connected_sender,
                pause: config.limits.redial_first,
                dial_at: Some(Instant::now()),
            },
        );
    }
    let peer_id = *swarm.local_peer_id();
    let dialler =
        Dialler { swarm, targets, limits: config.limits, disconnect, observer, probes, resolved: mpsc::channel(64) };
    tasks.push(tokio::spawn(dialler.run()));
    let shared = Shared { queues, faults, local, peer_id, links, prober, tasks };
    Ok((NetworkHandle(Arc::new(shared)), NetworkEvents(events)))
}

fn by_peer_id(peers: &[Peer]) -> Result<BTreeMap<PeerId, Peer>, NetworkError> {
    let (mut by_id, mut names) = (BTreeMap::new(), BTreeSet::new());
    for peer in peers {
        let twice = by_id.insert(peer_id(&peer.key)?, peer.clone()).is_some();
        if twice || !names.insert(peer.authority.clone()) {
            return Err(NetworkError::Twice(peer.authority.clone()));
        }
    }
    Ok(by_id)
}

fn build(config: &NetworkConfig, peers: &BTreeMap<PeerId, Peer>) -> Result<Swarm<Behaviour>, NetworkError> {
    let key = identity::Keypair::ed25519_from_bytes(config.key.to_bytes());
    let key = key.map_err(|error| NetworkError::Key(error.to_string()))?;
    let transport = |error: &dyn std::fmt::Display| NetworkError::Transport(error.to_string());
    let mut allowed = allow_block_list::Behaviour::<AllowedPeers>::default();
    for peer in peers.keys() {
        allowed.allow_peer(*peer);
    }
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING_INCOMING_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| transport(&error))?
        .with_behaviour(|key| Behaviour {
            allowed,
            doorkeeper: Doorkeeper::new(PENDING_PER_ADDRESS_MAX),
            limits: connection_limits::Behaviour::new(limits),
            identify: identify::Behaviour::new(
                identify::Config::new("/laufzettel/1".into(), key.public()).with_hide_listen_addrs(true),
            ),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING.0).with_timeout(PING.1)),
            stream: libp2p_stream::Behaviour::new(),
        })
        .map_err(|error| transport(&error))?
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(u64::MAX)))
        .with_connection_timeout(HANDSHAKE_TIME)
        .build();
    Ok(swarm)
}

/// Listens and waits until the address is known.
async fn listen(swarm: &mut Swarm<Behaviour>, address: &Address) -> Result<Vec<Multiaddr>, NetworkError> {
    let failed = |reason: String| NetworkError::Listen { address: address.clone(), reason };
    let resolved = address.resolve().await.into_iter().next();
    let resolved = resolved.ok_or_else(|| failed("the name cannot be looked up".into()))?;
    check_free(&resolved).map_err(|error| failed(error.to_string()))?;
    swarm.listen_on(resolved).map_err(|error| failed(error.to_string()))?;
    let known = timeout(LISTEN_TIMEOUT, async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { .. } => return Ok(()),
                SwarmEvent::ListenerError { error, .. } => return Err(error.to_string()),
                SwarmEvent::ListenerClosed { reason, .. } => return Err(format!("{reason:?}")),
                _ => {}
            }
        }
    });
    known.await.map_err(|_| failed("no address within 5 s".into()))?.map_err(failed)?;
    Ok(swarm.listeners().cloned().collect())
}

/// Fails if another process has the port. The transport sets SO_REUSEPORT, so
/// that two nodes would otherwise share a port and each lose half its peers.
fn check_free(address: &Multiaddr) -> io::Result<()> {
    let ip = address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    });
    let port = address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    let (ip, port): (IpAddr, u16) = ip.zip(port).ok_or(io::ErrorKind::InvalidInput)?;
    TcpListener::bind((ip, port)).map(drop)
}

impl Dialler {
    async fn run(mut self) {
        loop {
            self.look_up();
            let next = self.targets.values().filter_map(|target| target.dial_at).min();
            let wake = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                Some(peer) = self.disconnect.recv() => {
                    let _ = self.swarm.disconnect_peer_id(peer);
                }
                Some(probe) = self.probes.recv() => self.probe(probe),
                Some((peer, addresses)) = self.resolved.1.recv() => self.dial(peer, addresses),
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Looks up the addresses of every peer whose time to be dialled has come.
    fn look_up(&mut self) {
        let now = Instant::now();
        for (peer, target) in &mut self.targets {
            if target.dial_at.is_none_or(|at| at > now) {
                continue;
            }
            target.dial_at = (!target.addresses.is_empty()).then(|| now + target.pause);
            target.pause = target.pause.saturating_mul(2).min(self.limits.redial_max);
            if target.addresses.is_empty() || self.swarm.is_connected(peer) {
                continue;
            }
            let (peer, addresses, sender) = (*peer, target.addresses.clone(), self.resolved.0.clone());
            tokio::spawn(async move {
                let mut found = Vec::new();
                for address in addresses {
                    found.extend(address.resolve().await);
                }
                let _ = sender.send((peer, found)).await;
            });
        }
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        if addresses.is_empty() || self.swarm.is_connected(&peer) {
            return;
        }
        let options = DialOpts::peer_id(peer)
            .addresses(addresses)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .allocate_new_port()
            .build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::trace!(%peer, %error, "not dialled");
        }
    }

    /// Dials although a connection may stand; the observer sees what comes of it.
    fn probe(&mut self, probe: Probe) {
        let options = DialOpts::peer_id(probe.peer)
            .addresses(probe.addresses)
            .condition(PeerCondition::Always)
            .allocate_new_port()
            .build();
        let connection = options.connection_id();
        self.observer.expect(connection, probe.answer);
        if let Err(error) = self.swarm.dial(options) {
            self.observer.not_dialled(connection, &error);
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        if let Some(spare) = self.observer.observe(&event) {
            self.swarm.close_connection(spare);
        }
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, num_established, .. } => {
                if let Some(target) = self.targets.get_mut(&peer_id) {
                    if num_established.get() == 1 {
                        tracing::info!(authority = %target.authority, "peer connected");
                    }
                    target.dial_at = None;
                    target.pause = self.limits.redial_first;
                    target.connected.send_replace(true);
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                if let Some(target) = self.targets.get_mut(&peer_id) {
                    tracing::info!(authority = %target.authority, "peer disconnected");
                    target.connected.send_replace(false);
                    target.dial_at = Some(Instant::now() + target.pause);
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(address = %send_back_addr, %error, "an incoming connection was refused");
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                let authority = self.targets.get(&peer).map(|target| &*target.authority).unwrap_or_default();
                tracing::debug!(authority, %error, "peer cannot be reached");
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { connection, result: Err(error), .. })) => {
                tracing::debug!(%error, "a connection does not answer; closing it");
                self.swarm.close_connection(connection);
            }
            SwarmEvent::ListenerClosed { reason, .. } => {
                tracing::error!(?reason, "the network no longer listens; peers cannot reach this node");
            }
            _ => {}
        }
    }
}
