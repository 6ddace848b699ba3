//! Clients' connections: TLS, and what a connection may cost. A client that is
//! slow, silent, half open or greedy must not take anything from the others:
//! the handshake and the first request are bounded in time, silence ends a
//! connection, and places are counted by network address before the handshake
//! and by authority after it. Who finds no place is turned away at once; the
//! client tries again. Must never decide who may call: that is [`super::callers`].

mod places;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::{Connected, TcpConnectInfo, TlsConnectInfo};

use crate::tls;
pub(super) use places::Limits;
use places::{Knock, Place, Places};

/// How long the TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// How long after the handshake HTTP/2 may take to begin.
const FIRST_TIME: Duration = Duration::from_secs(10);
/// HTTP/2 begins with these many bytes.
const FIRST_BYTES: usize = 24;
/// A connection that says nothing for this long is closed. Keepalive asks a living one far more often.
const SILENCE: Duration = Duration::from_secs(90);
/// Pause after the system refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection past its handshake, that frees its place when it ends.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    received: usize,
    heard: Instant,
    alarm: Pin<Box<Sleep>>,
    _place: Place,
}

/// Connections of a listener, within the limits. Dropping the stream closes the listener.
pub(super) fn incoming(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    limits: Limits,
) -> ReceiverStream<io::Result<Connection>> {
    let (connections, received) = mpsc::channel(16);
    tokio::spawn(accept(listener, tls.into(), Places::new(limits), connections));
    ReceiverStream::new(received)
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    places: Places,
    connections: mpsc::Sender<io::Result<Connection>>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.closed() => return,
        };
        match accepted {
            Ok((stream, address)) => match places.knock(address.ip()) {
                Some(knock) => {
                    tokio::spawn(let_in(stream, tls.clone(), knock, connections.clone()));
                }
                None => places.turned_away(&address.ip(), "too many connections from its address"),
            },
            // Out of descriptors, or the client left already: neither ends the service.
            Err(error) => {
                tracing::warn!(%error, "a client's connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn let_in(stream: TcpStream, tls: TlsAcceptor, knock: Knock, connections: mpsc::Sender<io::Result<Connection>>) {
    let _ = stream.set_nodelay(true);
    let stream = match timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(address = %knock.address(), %error, "a client's TLS handshake failed");
            return;
        }
        Err(_) => {
            tracing::debug!(address = %knock.address(), "a client's TLS handshake took too long");
            return;
        }
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    // Whoever names no authority is told so by a call's status; together they have the places of one.
    let authority = certificate.and_then(|certificate| tls::authority_of(certificate)).unwrap_or_default();
    let Some(place) = knock.enter(authority) else { return };
    let now = Instant::now();
    let alarm = Box::pin(sleep(FIRST_TIME));
    let connection = Connection { stream, received: 0, heard: now, alarm, _place: place };
    // The services are stopping if nobody takes it.
    let _ = connections.send(Ok(connection)).await;
}

impl Connection {
    /// Whether nothing was heard for too long.
    fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        while self.alarm.as_mut().poll(cx).is_ready() {
            // The alarm is set anew here and not at each read: reads are many.
            let until = self.heard + SILENCE;
            if self.received < FIRST_BYTES || until <= Instant::now() {
                return true;
            }
            self.alarm.as_mut().reset(until);
        }
        false
    }
}

impl Connected for Connection {
    type ConnectInfo = TlsConnectInfo<TcpConnectInfo>;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                this.received = this.received.saturating_add(buf.filled().len().saturating_sub(before));
                this.heard = Instant::now();
                Poll::Ready(result)
            }
            Poll::Pending if this.is_silent(cx) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
