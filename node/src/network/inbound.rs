//! Streams the peers opened: each is read by one task that holds the peer
//! back (TCP flow control does the rest) when it sends faster than allowed or
//! faster than the reader takes. A peer's newer stream replaces its older one.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::{AsyncWriteExt as _, StreamExt as _};
use libp2p::{PeerId, Stream};
use libp2p_stream::IncomingStreams;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep_until};

use super::{Arrival, AuthorityId, LinkLimits, NetworkEvent, frame};

/// A stream is acknowledged with this byte: only then does the opener send.
pub(super) const ACKNOWLEDGED: u8 = 1;
/// How far a peer may be ahead of its average rate.
const BURST: Duration = Duration::from_millis(500);

/// What a frame that broke a rule takes of its sender's rate.
const FAULT_COST: Duration = Duration::from_millis(20);
/// Faults held against a peer at once; it is to be slowed down, not cut off.
const FAULTS_HELD_MAX: u32 = 50;
/// A frame holds at least this part of its sender's memory: small ones must not fill the queue that all share.
const FRAMES_UNREAD_MAX: usize = 1_024;

/// A peer that may send.
pub(super) struct Sender {
    pub(super) authority: AuthorityId,
    /// Frames that broke a rule and were not yet held against it.
    pub(super) faults: Arc<AtomicU32>,
}

impl Sender {
    pub(super) fn new(authority: &AuthorityId) -> Self {
        Self { authority: authority.clone(), faults: Arc::default() }
    }
}

/// Accepts streams for ever.
pub(super) async fn accept(
    mut streams: IncomingStreams,
    peers: BTreeMap<PeerId, Sender>,
    limits: LinkLimits,
    events: mpsc::Sender<Arrival>,
) {
    let mut readers = JoinSet::new();
    let mut current = BTreeMap::new();
    let memory: BTreeMap<_, _> =
        peers.keys().map(|peer| (*peer, Arc::new(Semaphore::new(limits.unread_bytes_max)))).collect();
    while let Some((peer, stream)) = streams.next().await {
        while readers.try_join_next().is_some() {}
        let (Some(sender), Some(memory)) = (peers.get(&peer), memory.get(&peer)) else { continue };
        let reader = Reader {
            authority: sender.authority.clone(),
            memory: memory.clone(),
            pace: Pace::new(&limits, sender.faults.clone()),
            memory_max: limits.unread_bytes_max,
            events: events.clone(),
        };
        let handle = readers.spawn(async move {
            let authority = reader.authority.clone();
            match reader.run(stream).await {
                Ok(()) => tracing::debug!(%authority, "peer closed its stream"),
                Err(error) => tracing::debug!(%authority, %error, "stream of peer broke"),
            }
        });
        if let Some(older) = current.insert(peer, handle) {
            older.abort();
        }
    }
}

struct Reader {
    authority: AuthorityId,
    memory: Arc<Semaphore>,
    memory_max: usize,
    pace: Pace,
    events: mpsc::Sender<Arrival>,
}

impl Reader {
    async fn run(mut self, mut stream: Stream) -> io::Result<()> {
        stream.write_all(&[ACKNOWLEDGED]).await?;
        stream.flush().await?;
        while let Some(length) = frame::read_length(&mut stream).await? {
            self.pace.wait(length).await;
            // A frame larger than the whole allowance waits for all of it.
            let least = self.memory_max.checked_div(FRAMES_UNREAD_MAX).unwrap_or(1);
            let wanted = u32::try_from(length.max(least).min(self.memory_max)).unwrap_or(u32::MAX);
            let memory = self.memory.clone().acquire_many_owned(wanted).await;
            let memory = memory.map_err(io::Error::other)?;
            let body = frame::read_body(&mut stream, length).await?;
            let event = NetworkEvent::Frame(self.authority.clone(), body);
            let arrival = Arrival { event, _memory: Some(memory) };
            if self.events.send(arrival).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Spaces frames so that averages of bytes and frames per second hold, and that faults cost.
struct Pace {
    free_at: Instant,
    nanos_per_frame: u64,
    bytes_per_second: u64,
    faults: Arc<AtomicU32>,
}

impl Pace {
    fn new(limits: &LinkLimits, faults: Arc<AtomicU32>) -> Self {
        Self {
            faults,
            free_at: Instant::now(),
            nanos_per_frame: 1_000_000_000u64.checked_div(limits.frames_per_second).unwrap_or(0),
            bytes_per_second: limits.bytes_per_second.max(1),
        }
    }
    async fn wait(&mut self, length: usize) {
        let now = Instant::now();
        let bytes = u64::try_from(length).unwrap_or(u64::MAX);
        let nanos = bytes.saturating_mul(1_000_000_000).checked_div(self.bytes_per_second).unwrap_or(0);
        let faults = self.faults.swap(0, Ordering::Relaxed);
        let cost = Duration::from_nanos(nanos.max(self.nanos_per_frame))
            .saturating_add(FAULT_COST.saturating_mul(faults.min(FAULTS_HELD_MAX)));
        self.free_at = self.free_at.max(now).checked_add(cost).unwrap_or(now);
        if self.free_at.saturating_duration_since(now) > BURST {
            sleep_until(self.free_at.checked_sub(BURST).unwrap_or(now)).await;
        }
    }
}
