//! The port Prometheus reads: `GET /metrics` over plain HTTP, for the machine
//! itself or a network of operators. It asks nobody who he is, so it must never
//! answer anything that not everyone on that network may know.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::scrape::Sources;

/// Readers at once; more wait.
const CONNECTIONS_MAX: usize = 8;
/// A connection lasts no longer: whoever holds one open holds nobody else up.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);
/// How long the head of a request may take.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why metrics cannot be read.
#[derive(Debug, Error)]
#[error(
    "cannot listen for metrics on {address}: {source}; check metrics.listen and whether another process has the port"
)]
pub struct MetricsError {
    address: SocketAddr,
    source: std::io::Error,
}

/// The running port.
#[derive(Debug)]
pub struct MetricsServer {
    /// The address, with the port it got.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl MetricsServer {
    /// Answers until it is dropped.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(address: SocketAddr, sources: Sources) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "metrics are readable from other machines, without encryption or password");
        }
        let task = tokio::spawn(serve(listener, Arc::new(sources)));
        Ok(Self { address, task })
    }
}

async fn serve(listener: TcpListener, sources: Arc<Sources>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut readers = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        while readers.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let sources = sources.clone();
                readers.spawn(async move {
                    let _ = timeout(CONNECTION_TIME_MAX, converse(stream, sources)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a reader of metrics could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, sources: Arc<Sources>) {
    let service = tower::service_fn(move |request: Request<hyper::body::Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &sources);
        std::future::ready(Ok::<_, std::convert::Infallible>(answer))
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX);
    let served = builder.http1_only().serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a reader of metrics broke off");
    }
}

fn answer(method: &Method, path: &str, sources: &Sources) -> Response<String> {
    let (status, kind, body) = match (method, path) {
        (&Method::GET, "/metrics") => (StatusCode::OK, TEXT, sources.text()),
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET is answered\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "text/plain", "metrics are at /metrics\n".to_owned()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
