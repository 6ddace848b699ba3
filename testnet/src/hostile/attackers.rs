//! The attackers. Those at the API come from another loopback address than the
//! honest client, as they would from another machine; each goes on until it is
//! told to stop, and counts what happened to it.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use laufzettel_node::keys;
use laufzettel_node::network::{Address, LinkLimits, Network, NetworkConfig, Peer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where the attackers come from; and one of each silent kind, alone at its address, so that no limit but time ends it.
const FROM: [u8; 4] = [127, 0, 0, 2];
const FROM_ALONE: [u8; 4] = [127, 0, 0, 3];
const HALF_OPEN: usize = 100;
const SLOW: usize = 30;
const SILENT: usize = 30;
const GREEDY: usize = 260;
const PEERS: usize = 60;
/// Streams of one connection; the node allows 256.
const STREAMS: usize = 300;
const PAUSE: Duration = Duration::from_millis(50);
/// Frames of noise, and how many at once.
const FRAMES: usize = 500;

/// Whom they attack, and with what.
#[derive(Clone)]
pub(super) struct Target {
    /// The address they come from.
    pub(super) from: [u8; 4],
    pub(super) api: SocketAddr,
    pub(super) peer: Address,
    pub(super) authority: String,
    /// Certificates of a client that the victim does not serve, but whose TLS it accepts.
    pub(super) profile: PathBuf,
    /// The key of a validator's node.
    pub(super) node_key: PathBuf,
    pub(super) traitor: String,
}

/// What happened to them.
#[derive(Debug, Default)]
pub(super) struct Seen {
    half_open: AtomicU64,
    pub(super) half_open_closed: AtomicU64,
    slow: AtomicU64,
    pub(super) slow_closed: AtomicU64,
    silent: AtomicU64,
    pub(super) silent_closed: AtomicU64,
    greedy: AtomicU64,
    pub(super) greedy_refused: AtomicU64,
    streams: AtomicU64,
    resets: AtomicU64,
    peers: AtomicU64,
    pub(super) peer_closed: AtomicU64,
    pub(super) stranger_connected: AtomicU64,
    pub(super) frames_sent: AtomicU64,
}

impl Seen {
    pub(super) fn all_at_work(&self) -> bool {
        let counts = [&self.half_open, &self.slow, &self.silent, &self.greedy, &self.streams, &self.peers];
        counts.iter().all(|count| count.load(Ordering::Relaxed) > 20)
            && self.resets.load(Ordering::Relaxed) > 100
            && self.frames_sent.load(Ordering::Relaxed) > 0
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// All of them at once.
pub(super) struct Attack {
    pub(super) seen: Arc<Seen>,
    /// What happened to those that came alone.
    pub(super) alone: Arc<Seen>,
    tasks: JoinSet<()>,
}

impl Attack {
    pub(super) fn start(target: &Target) -> Self {
        let (seen, alone) = (Arc::new(Seen::default()), Arc::new(Seen::default()));
        let mut tasks = JoinSet::new();
        let quiet = Arc::new(Target { from: FROM_ALONE, ..target.clone() });
        tasks.spawn(half_open(quiet.clone(), alone.clone()));
        tasks.spawn(slow(quiet.clone(), alone.clone()));
        tasks.spawn(silent(quiet.clone(), alone.clone()));
        tasks.spawn(peer_without_noise(quiet, alone.clone()));
        let target = Arc::new(Target { from: FROM, ..target.clone() });
        let mut many = |number: usize, attacker: fn(Arc<Target>, Arc<Seen>) -> Attacker| {
            for _ in 0..number {
                tasks.spawn(attacker(target.clone(), seen.clone()));
            }
        };
        many(HALF_OPEN, |target, seen| Box::pin(half_open(target, seen)));
        many(SLOW, |target, seen| Box::pin(slow(target, seen)));
        many(SILENT, |target, seen| Box::pin(silent(target, seen)));
        many(GREEDY, |target, seen| Box::pin(greedy(target, seen)));
        many(4, |target, seen| Box::pin(streams(target, seen)));
        many(2, |target, seen| Box::pin(resets(target, seen)));
        many(PEERS, |target, seen| Box::pin(peer_without_noise(target, seen)));
        many(1, |target, seen| Box::pin(stranger(target, seen)));
        many(1, |target, seen| Box::pin(traitor(target, seen)));
        Self { seen, alone, tasks }
    }
    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

type Attacker = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn tcp(from: [u8; 4], to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// Waits for the other side to close, for good or ill.
async fn closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut byte = [0; 64];
    while stream.read(&mut byte).await.is_ok_and(|read| read > 0) {}
}

/// Connects and says nothing.
async fn half_open(target: Arc<Target>, seen: Arc<Seen>) {
    loop {
        if let Ok(mut stream) = tcp(target.from, target.api).await {
            count(&seen.half_open);
            closed(&mut stream).await;
            count(&seen.half_open_closed);
        }
        sleep(PAUSE).await;
    }
}

/// Says one byte of a handshake a second.
async fn slow(target: Arc<Target>, seen: Arc<Seen>) {
    loop {
        if let Ok(mut stream) = tcp(target.from, target.api).await {
            count(&seen.slow);
            for byte in [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3].into_iter().chain(std::iter::repeat(7)) {
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
                sleep(Duration::from_secs(1)).await;
            }
            count(&seen.slow_closed);
        }
        sleep(PAUSE).await;
    }
}

fn connector(target: &Target) -> TlsConnector {
    let read = |name: &str| std::fs::read(target.profile.join(name)).unwrap();
    let certificates = |name: &str| CertificateDer::pem_slice_iter(&read(name)).map(Result::unwrap).collect::<Vec<_>>();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates("ca.pem"));
    let key = PrivateKeyDer::from_pem_slice(&read("client-key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_client_auth_cert(certificates("client.pem"), key);
    let mut config = config.unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config).into()
}

async fn tls(target: &Target) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    connector(target).connect(name, tcp(target.from, target.api).await?).await
}

/// Makes the handshake and says nothing then.
async fn silent(target: Arc<Target>, seen: Arc<Seen>) {
    loop {
        if let Ok(mut stream) = tls(&target).await {
            count(&seen.silent);
            closed(&mut stream).await;
            count(&seen.silent_closed);
        }
        sleep(PAUSE).await;
    }
}

type Sender = h2::client::SendRequest<Bytes>;

/// HTTP/2 with a window for the answers' bytes.
async fn http2(target: &Target, window: u32) -> Option<(Sender, JoinSet<()>)> {
    let stream = tls(target).await.ok()?;
    let (sender, connection) =
        h2::client::Builder::new().initial_window_size(window).handshake::<_, Bytes>(stream).await.ok()?;
    let mut task = JoinSet::new();
    task.spawn(async move {
        let _ = connection.await;
    });
    Some((sender, task))
}

fn call(path: &str) -> http::Request<()> {
    let request = http::Request::post(format!("https://localhost/laufzettel.v1.{path}"));
    request.header("content-type", "application/grpc").header("te", "trailers").body(()).unwrap()
}

/// Takes as many connections as it gets, and makes calls that the node refuses, again and again.
async fn greedy(target: Arc<Target>, seen: Arc<Seen>) {
    loop {
        let connection = http2(&target, 65_535).await;
        let Some((mut sender, _connection)) = connection else {
            count(&seen.greedy_refused);
            sleep(PAUSE * 20).await;
            continue;
        };
        count(&seen.greedy);
        loop {
            if poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
                break;
            }
            let Ok((response, mut body)) = sender.send_request(call("LedgerService/GetHealth"), false) else { break };
            if body.send_data(Bytes::from_static(&[0; 5]), true).is_err() || response.await.is_err() {
                break;
            }
            sleep(PAUSE * 20).await;
        }
        count(&seen.greedy_refused);
    }
}

/// Opens all streams it may, with no room for an answer, and leaves them open.
async fn streams(target: Arc<Target>, seen: Arc<Seen>) {
    loop {
        let Some((mut sender, _connection)) = http2(&target, 0).await else {
            sleep(PAUSE).await;
            continue;
        };
        let mut held = Vec::new();
        for _ in 0..STREAMS {
            // The queue for streams is the client's own; it is for the node to say how many there may be.
            tokio::task::yield_now().await;
            let ready = timeout(Duration::from_secs(2), poll_fn(|cx| sender.poll_ready(cx))).await;
            if !ready.is_ok_and(|ready| ready.is_ok()) {
                break;
            }
            let Ok(call) = sender.send_request(call("LedgerService/GetBlock"), false) else { break };
            count(&seen.streams);
            held.push(call);
        }
        sleep(Duration::from_secs(5)).await;
    }
}

/// Opens streams and takes them back at once.
async fn resets(target: Arc<Target>, seen: Arc<Seen>) {
    loop {
        let Some((mut sender, _connection)) = http2(&target, 65_535).await else {
            sleep(PAUSE).await;
            continue;
        };
        'connection: loop {
            for _ in 0..50 {
                tokio::task::yield_now().await;
                if poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
                    break 'connection;
                }
                let Ok((_, mut body)) = sender.send_request(call("LedgerService/GetBlock"), false) else {
                    break 'connection;
                };
                body.send_reset(h2::Reason::CANCEL);
                count(&seen.resets);
            }
            sleep(PAUSE / 10).await;
        }
        sleep(PAUSE).await;
    }
}

/// Connects to the port for peers and speaks no Noise.
async fn peer_without_noise(target: Arc<Target>, seen: Arc<Seen>) {
    let Address::Multi(address) = &target.peer else { panic!("a running node tells a multiaddr") };
    let port = address.to_string().rsplit('/').next().and_then(|port| port.parse::<u16>().ok()).unwrap();
    loop {
        if let Ok(mut stream) = tcp(target.from, ([127, 0, 0, 1], port).into()).await {
            count(&seen.peers);
            closed(&mut stream).await;
            count(&seen.peer_closed);
        }
        sleep(PAUSE).await;
    }
}

/// A network of its own that has the victim for a peer.
fn network(key: ed25519_dalek::SigningKey, target: &Target, victim: ed25519_dalek::VerifyingKey) -> NetworkConfig {
    let peer = Peer { authority: target.authority.as_str().into(), key: victim, addresses: vec![target.peer.clone()] };
    let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    NetworkConfig { key, listen, peers: vec![peer], limits: LinkLimits::default() }
}

fn victims_key(target: &Target) -> ed25519_dalek::VerifyingKey {
    let own = target.node_key.display().to_string().replace(&target.traitor, &target.authority);
    keys::load(own.as_ref()).unwrap().verifying_key()
}

/// Speaks the protocol with a key that nobody knows.
async fn stranger(target: Arc<Target>, seen: Arc<Seen>) {
    let config = network(keys::generate().unwrap(), &target, victims_key(&target));
    let (handle, _events) = Network::start(config).await.unwrap();
    loop {
        if handle.connected().count() > 0 {
            count(&seen.stranger_connected);
        }
        sleep(PAUSE).await;
    }
}

/// Sends noise with the key of a validator's node, as fast as it gets through.
async fn traitor(target: Arc<Target>, seen: Arc<Seen>) {
    let config = network(keys::load(&target.node_key).unwrap(), &target, victims_key(&target));
    let (handle, _events) = Network::start(config).await.unwrap();
    let mut number = 0u64;
    loop {
        for _ in 0..FRAMES {
            number = number.wrapping_add(1);
            let noise = [&[0xff; 32][..], &number.to_be_bytes()].concat();
            if handle.send(&target.authority, noise) {
                count(&seen.frames_sent);
            }
        }
        sleep(PAUSE / 5).await;
    }
}
