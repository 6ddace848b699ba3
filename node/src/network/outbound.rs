//! The one stream this node keeps to a peer: opened when the peer is
//! connected, acknowledged by it, written from the peer's queue, opened anew
//! when it breaks. Reports `Connected` and `Disconnected`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::{PeerId, Stream, StreamProtocol};
use libp2p_stream::Control;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::inbound::ACKNOWLEDGED;
use super::queue::{Next, SendQueue};
use super::{Arrival, AuthorityId, NetworkEvent, frame};

/// The protocol of frames.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/laufzettel/1");
/// How long opening a stream may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the peer may take no bytes at all.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause after a stream broke while the connection stands.
const REOPEN_PAUSE: Duration = Duration::from_millis(100);
/// Frames taken from the queue at once, in bytes.
const BATCH_BYTES: usize = 256 * 1024;

/// The link to one peer.
pub(super) struct Link {
    pub(super) authority: AuthorityId,
    pub(super) peer: PeerId,
    pub(super) queue: Arc<SendQueue>,
    pub(super) control: Control,
    /// Whether a connection to the peer stands.
    pub(super) connected: watch::Receiver<bool>,
    /// Asks the swarm to drop all connections to the peer.
    pub(super) disconnect: mpsc::Sender<PeerId>,
    pub(super) events: mpsc::Sender<Arrival>,
}

impl Link {
    /// Keeps the link up for ever.
    pub(super) async fn run(mut self) {
        while self.connected.wait_for(|connected| *connected).await.is_ok() {
            match timeout(OPEN_TIMEOUT, self.open()).await {
                Ok(Ok(stream)) => {
                    self.queue.open();
                    self.report(NetworkEvent::Connected(self.authority.clone())).await;
                    let ended = self.write(stream).await;
                    self.queue.close();
                    self.report(NetworkEvent::Disconnected(self.authority.clone())).await;
                    self.explain(ended).await;
                }
                Ok(Err(error)) => tracing::debug!(authority = %self.authority, %error, "cannot open a stream"),
                Err(_) => {
                    tracing::debug!(authority = %self.authority, "opening a stream took too long");
                    let _ = self.disconnect.send(self.peer).await;
                }
            }
            sleep(REOPEN_PAUSE).await;
        }
    }

    async fn open(&mut self) -> io::Result<Stream> {
        let stream = self.control.open_stream(self.peer, PROTOCOL).await;
        let mut stream = stream.map_err(io::Error::other)?;
        let mut answer = [0];
        stream.read_exact(&mut answer).await?;
        if answer == [ACKNOWLEDGED] { Ok(stream) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Writes until the stream ends; false if the peer did not keep up.
    async fn write(&mut self, stream: Stream) -> io::Result<bool> {
        let (mut input, mut output) = stream.split();
        let mut closed = [0];
        let mut end = std::pin::pin!(input.read(&mut closed));
        loop {
            tokio::select! {
                // The peer sends nothing on this stream: whatever comes is its end.
                _ = &mut end => return Ok(true),
                () = Self::lost(&mut self.connected) => return Ok(true),
                next = self.queue.next(BATCH_BYTES) => match next {
                    Next::Overflowed => return Ok(false),
                    Next::Write(frames) => match timeout(WRITE_TIMEOUT, frame::write(&mut output, &frames)).await {
                        Ok(written) => written?,
                        Err(_) => {
                            let _ = output.close().await;
                            return Ok(false);
                        }
                    },
                },
            }
        }
    }

    /// Waits until no connection to the peer stands.
    async fn lost(connected: &mut watch::Receiver<bool>) {
        let _ = connected.wait_for(|connected| !connected).await;
    }

    async fn explain(&self, ended: io::Result<bool>) {
        let authority = &self.authority;
        match ended {
            Ok(true) => tracing::debug!(%authority, "stream to peer ended"),
            Err(error) => tracing::debug!(%authority, %error, "stream to peer broke"),
            Ok(false) => {
                tracing::warn!(%authority, "peer does not keep up; disconnecting and dialling it anew");
                let _ = self.disconnect.send(self.peer).await;
            }
        }
    }

    async fn report(&self, event: NetworkEvent) {
        let _ = self.events.send(Arrival { event, _memory: None }).await;
    }
}
