//! Whether two nodes reach each other: this node dials the peer anew, and asks
//! the peer to dial it. A node dials only addresses of its own configuration,
//! never one it is told; so asking makes nobody dial a third party. What a
//! peer answers is its word: it is shown to an operator and decides nothing.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol};
use libp2p_stream::{Control, IncomingStreams};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Address, AuthorityId, frame};

/// The protocol of asking.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/laufzettel/reach/1");
/// How long dialling may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take: the peer's dialling, and the way.
const ASK_TIMEOUT: Duration = Duration::from_secs(8);
/// A peer is dialled on its own request at most this often; a request that comes sooner waits.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a peer is asked before it counts as one that does not answer, and the pause in between.
const TRIES: u32 = 3;
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Longest answer in bytes.
const ANSWER_BYTES_MAX: usize = 512;

/// What came of dialling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// A connection was made and answered.
    Yes,
    /// It failed; why.
    No(String),
    /// The configuration has no address to dial.
    NoAddress,
    /// It could not be found out; why.
    Unknown(String),
}

impl Reached {
    fn to_bytes(&self) -> Vec<u8> {
        let (kind, text) = match self {
            Self::Yes => (0, ""),
            Self::No(reason) => (1, reason.as_str()),
            Self::NoAddress => (2, ""),
            Self::Unknown(reason) => (3, reason.as_str()),
        };
        let mut bytes = vec![kind];
        bytes.extend(text.bytes().take(ANSWER_BYTES_MAX - 1));
        bytes
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, text) = bytes.split_first()?;
        // It is shown on a terminal and comes from somebody else.
        let text = String::from_utf8_lossy(text).chars().filter(|sign| !sign.is_control()).collect();
        Some(match kind {
            0 => Self::Yes,
            1 => Self::No(text),
            2 => Self::NoAddress,
            3 => Self::Unknown(text),
            _ => return None,
        })
    }
}

/// Both directions of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// From this node to the peer.
    pub outbound: Reached,
    /// From the peer to this node, as the peer says.
    pub inbound: Reached,
}

/// A dial whose outcome is wanted although a connection may stand.
pub(super) struct Probe {
    pub(super) peer: PeerId,
    pub(super) addresses: Vec<Multiaddr>,
    pub(super) answer: oneshot::Sender<Reached>,
}

/// Dials and asks.
#[derive(Clone)]
pub(super) struct Prober {
    peers: Arc<BTreeMap<AuthorityId, (PeerId, Vec<Address>)>>,
    probes: mpsc::Sender<Probe>,
    control: Control,
}

impl std::fmt::Debug for Prober {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prober").field("peers", &self.peers).finish_non_exhaustive()
    }
}

impl Prober {
    pub(super) fn new(
        peers: BTreeMap<AuthorityId, (PeerId, Vec<Address>)>,
        probes: mpsc::Sender<Probe>,
        control: Control,
    ) -> Self {
        Self { peers: Arc::new(peers), probes, control }
    }

    /// Both directions of a link at once; none for an unknown authority.
    pub(super) async fn reach(&self, authority: &str, connected: bool) -> Option<Reach> {
        let (peer, addresses) = self.peers.get(authority)?;
        let (outbound, inbound) = futures::join!(self.dial(*peer, addresses), self.ask(*peer, connected));
        Some(Reach { outbound, inbound })
    }

    async fn dial(&self, peer: PeerId, addresses: &[Address]) -> Reached {
        if addresses.is_empty() {
            return Reached::NoAddress;
        }
        let dialled = timeout(DIAL_TIMEOUT, async {
            let mut found = Vec::new();
            for address in addresses {
                found.extend(address.resolve().await);
            }
            if found.is_empty() {
                let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                return Reached::No(format!("{}: the name cannot be looked up", names.join(", ")));
            }
            let (answer, answered) = oneshot::channel();
            let gone = || Reached::Unknown("the network is stopping".to_owned());
            if self.probes.send(Probe { peer, addresses: found, answer }).await.is_err() {
                return gone();
            }
            answered.await.unwrap_or_else(|_| gone())
        });
        let late = || Reached::No(format!("no answer within {} s", DIAL_TIMEOUT.as_secs()));
        dialled.await.unwrap_or_else(|_| late())
    }

    async fn ask(&self, peer: PeerId, connected: bool) -> Reached {
        if !connected {
            return Reached::Unknown("there is no link over which to ask the peer".to_owned());
        }
        let asked = timeout(ASK_TIMEOUT, async {
            let mut tries = 1;
            loop {
                match self.answer_of(peer).await {
                    // Its stream may have been opened on a connection that is just being closed, such as a probe's.
                    Err(_) if tries < TRIES => {
                        tries += 1;
                        sleep(RETRY_PAUSE).await;
                    }
                    done => return done,
                }
            }
        });
        match asked.await {
            Ok(Ok(reached)) => reached,
            Ok(Err(error)) => Reached::Unknown(format!("the peer did not answer: {error}")),
            Err(_) => Reached::Unknown(format!("the peer did not answer within {} s", ASK_TIMEOUT.as_secs())),
        }
    }

    async fn answer_of(&self, peer: PeerId) -> io::Result<Reached> {
        let mut stream = self.control.clone().open_stream(peer, PROTOCOL).await.map_err(io::Error::other)?;
        read_answer(&mut stream).await
    }

    async fn answer(&self, authority: AuthorityId, mut stream: Stream) -> io::Result<()> {
        let Some((peer, addresses)) = self.peers.get(&authority) else { return Ok(()) };
        let reached = self.dial(*peer, addresses).await;
        let bytes = bytes::Bytes::from(reached.to_bytes());
        frame::write(&mut stream, &[bytes]).await?;
        stream.close().await
    }
}

async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Reached> {
    let length = frame::read_length(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if length > ANSWER_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Reached::from_bytes(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Answers peers that ask to be dialled, for ever: one at a time of each, with a pause in between.
pub(super) async fn serve(mut streams: IncomingStreams, names: BTreeMap<PeerId, AuthorityId>, prober: Prober) {
    let turns: BTreeMap<PeerId, Arc<Mutex<Option<Instant>>>> =
        names.keys().map(|peer| (*peer, Arc::default())).collect();
    while let Some((peer, stream)) = streams.next().await {
        let (Some(authority), Some(turn)) = (names.get(&peer), turns.get(&peer)) else { continue };
        // Its stream is dropped, which it sees as no answer.
        let Ok(mut last) = turn.clone().try_lock_owned() else { continue };
        let (authority, prober) = (authority.clone(), prober.clone());
        tokio::spawn(async move {
            if let Some(at) = *last {
                sleep_until(at + PAUSE).await;
            }
            if let Ok(Err(error)) = timeout(ASK_TIMEOUT, prober.answer(authority.clone(), stream)).await {
                tracing::debug!(%authority, %error, "a peer that asked to be dialled got no answer");
            }
            *last = Some(Instant::now());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_reads_back_and_is_bounded() {
        let long = Reached::No("é".repeat(2 * ANSWER_BYTES_MAX));
        for reached in [Reached::Yes, Reached::No("refused".into()), Reached::NoAddress, long.clone()] {
            let mut wire = Vec::new();
            frame::write(&mut wire, &[reached.to_bytes().into()]).await.unwrap();
            assert!(wire.len() <= ANSWER_BYTES_MAX + 4);
            let read = read_answer(&mut futures::io::Cursor::new(wire)).await.unwrap();
            assert!(read == reached || (reached == long && matches!(read, Reached::No(_))), "{read:?}");
        }
        let huge = u32::MAX.to_be_bytes();
        assert!(read_answer(&mut futures::io::Cursor::new(huge)).await.is_err());
        assert_eq!(Reached::from_bytes(b"\x01\x1b[2Jgone"), Some(Reached::No("[2Jgone".into())));
        assert_eq!(Reached::from_bytes(&[9]), None);
    }
}
