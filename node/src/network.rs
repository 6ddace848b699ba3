//! The links to the other authorities' nodes: one libp2p swarm, a full mesh,
//! one persistent outbound stream per peer for length-prefixed frames.
//!
//! Only peers on the list get past the handshake: strangers are refused when
//! the connection is established, before they can open a stream. Nothing is
//! dropped silently from the middle of a link: a peer that cannot keep up is
//! disconnected and dialled anew, and whoever speaks over it offers again what
//! matters (design 7.3). Must never interpret a frame's bytes.

mod address;
mod doorkeeper;
mod frame;
mod inbound;
mod links;
mod outbound;
mod queue;
mod reach;
mod swarm;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::{SigningKey, VerifyingKey};
use libp2p::{Multiaddr, PeerId};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

pub use address::{Address, AddressError};
pub use links::LinkState;
use links::Links;
use queue::SendQueue;
use reach::Prober;
pub use reach::{Reach, Reached};

/// Largest frame in bytes: a block body and its envelope.
pub const FRAME_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Events waiting for the reader before links are held back.
const EVENTS_WAITING_MAX: usize = 4_096;

/// Name of an authority, cheap to clone.
pub type AuthorityId = Arc<str>;

/// A node to be linked with.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its authority.
    pub authority: AuthorityId,
    /// Its public node key.
    pub key: VerifyingKey,
    /// Where it listens; may be empty if it dials us.
    pub addresses: Vec<Address>,
}

/// Bounds of each link.
#[derive(Debug, Clone)]
pub struct LinkLimits {
    /// Bytes waiting to be sent to one peer; more disconnects it.
    pub queue_bytes_max: usize,
    /// Bytes received from one peer and not yet taken by the reader.
    pub unread_bytes_max: usize,
    /// Bytes accepted from one peer per second, on average.
    pub bytes_per_second: u64,
    /// Frames accepted from one peer per second, on average.
    pub frames_per_second: u64,
    /// First pause before dialling again; doubles up to `redial_max`.
    pub redial_first: Duration,
    /// Longest pause before dialling again.
    pub redial_max: Duration,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            queue_bytes_max: 32 * 1024 * 1024,
            unread_bytes_max: 16 * 1024 * 1024,
            bytes_per_second: 64 * 1024 * 1024,
            frames_per_second: 50_000,
            redial_first: Duration::from_millis(100),
            redial_max: Duration::from_secs(2),
        }
    }
}

/// What a network is started with.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// This node's node key; peers know its public half.
    pub key: SigningKey,
    /// Address to listen on; port 0 takes a free one.
    pub listen: Address,
    /// All peers, without this node.
    pub peers: Vec<Peer>,
    /// Bounds of each link.
    pub limits: LinkLimits,
}

/// Why the network did not start.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// The node key was refused.
    #[error("the node key cannot be used for the network: {0}")]
    Key(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {reason}; check network.listen and whether another process has the port")]
    Listen {
        /// The address.
        address: Address,
        /// What the system said.
        reason: String,
    },
    /// The transport could not be built.
    #[error("cannot build the network's transport: {0}")]
    Transport(String),
    /// Two peers share a key, or an authority is named twice.
    #[error("peer {0} is named twice, or shares its node key with another; correct the [[peer]] tables")]
    Twice(AuthorityId),
}

/// What happens on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkEvent {
    /// Frames can be sent to this authority from now on.
    Connected(AuthorityId),
    /// Frames to this authority are lost from now on.
    Disconnected(AuthorityId),
    /// A frame came from this authority.
    Frame(AuthorityId, Bytes),
}

/// The receiving end. Reading frees the sender's share of memory.
#[derive(Debug)]
pub struct NetworkEvents(mpsc::Receiver<Arrival>);

/// An event and the memory it holds until it is read.
#[derive(Debug)]
struct Arrival {
    event: NetworkEvent,
    _memory: Option<OwnedSemaphorePermit>,
}

impl NetworkEvents {
    /// The next event; none once the network has stopped.
    pub async fn recv(&mut self) -> Option<NetworkEvent> {
        self.0.recv().await.map(|arrival| arrival.event)
    }
    /// The next event if one is there.
    pub fn try_recv(&mut self) -> Option<NetworkEvent> {
        self.0.try_recv().ok().map(|arrival| arrival.event)
    }
}

/// The sending end; cheap to clone.
#[derive(Debug, Clone)]
pub struct NetworkHandle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queues: BTreeMap<AuthorityId, Arc<SendQueue>>,
    faults: BTreeMap<AuthorityId, Arc<AtomicU32>>,
    local: Vec<Multiaddr>,
    peer_id: PeerId,
    links: Arc<Links>,
    prober: Prober,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl NetworkHandle {
    /// Queues a frame for one authority. False if it is not connected, not
    /// known, or the frame is too large: then the frame is lost.
    pub fn send(&self, authority: &str, frame: impl Into<Bytes>) -> bool {
        self.0.queues.get(authority).is_some_and(|queue| queue.push(frame.into()))
    }
    /// Queues a frame for every connected authority; how many those were.
    pub fn broadcast(&self, frame: impl Into<Bytes>) -> usize {
        let frame = frame.into();
        self.0.queues.values().filter(|queue| queue.push(frame.clone())).count()
    }
    /// A frame of this authority broke a rule: the next ones are taken more slowly. Whoever sends nothing but such
    /// gets some fifty a second through, an honest one with a rare fault notices nothing.
    pub fn slow(&self, authority: &str) {
        if let Some(faults) = self.0.faults.get(authority) {
            faults.fetch_add(1, Ordering::Relaxed);
        }
    }
    /// The address this node listens on, with the port it got.
    #[must_use]
    pub fn local_addr(&self) -> Option<&Multiaddr> {
        self.0.local.first()
    }
    /// All addresses this node listens on.
    #[must_use]
    pub fn local_addrs(&self) -> &[Multiaddr] {
        &self.0.local
    }
    /// This node's id in the network.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.0.peer_id
    }
    /// Whether frames can be sent to this authority.
    #[must_use]
    pub fn is_connected(&self, authority: &str) -> bool {
        self.0.queues.get(authority).is_some_and(|queue| queue.is_open())
    }
    /// All links as they are now, by authority.
    #[must_use]
    pub fn links(&self) -> BTreeMap<AuthorityId, LinkState> {
        self.0.links.all()
    }
    /// Dials a peer anew and has it dial this node; takes up to about eight seconds. None for an unknown authority.
    pub async fn reach(&self, authority: &str) -> Option<Reach> {
        let connected = self.0.links.all().get(authority).is_some_and(|link| link.dialled > 0 || link.accepted > 0);
        self.0.prober.reach(authority, connected).await
    }
    /// Authorities that frames can be sent to.
    pub fn connected(&self) -> impl Iterator<Item = &AuthorityId> {
        self.0.queues.iter().filter(|(_, queue)| queue.is_open()).map(|(authority, _)| authority)
    }
}

/// The network of this node.
#[derive(Debug)]
pub struct Network;

impl Network {
    /// Starts listening and dialling. The network stops when the last handle
    /// is dropped.
    ///
    /// # Errors
    /// The key, a peer or the listening address cannot be used.
    pub async fn start(config: NetworkConfig) -> Result<(NetworkHandle, NetworkEvents), NetworkError> {
        swarm::start(config).await
    }
}

/// The network's id of a node key.
///
/// # Errors
/// The key is no valid Ed25519 key.
pub fn peer_id(key: &VerifyingKey) -> Result<PeerId, NetworkError> {
    let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(key.as_bytes());
    let key = key.map_err(|error| NetworkError::Key(error.to_string()))?;
    Ok(PeerId::from_public_key(&libp2p::identity::PublicKey::from(key)))
}

#[cfg(test)]
mod tests;
