//! NodeService on a socket in the data folder: for the operator on the node's
//! own machine, never over the network. Who may open the socket may ask: its
//! mode is 0600, and a caller of another user is refused, root excepted.

mod simulate;
mod snapshots;

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use laufzettel_proto::v1;
use laufzettel_proto::v1::node_service_server::{NodeService, NodeServiceServer};
use thiserror::Error;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::service::InterceptorLayer;
use tonic::transport::Server;
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Response, Status};

use super::backend::Backend;
use super::reasons::Reason;
use super::status::Failure;
use crate::disk::Usage;
use crate::network::{LinkState, NetworkHandle, Reach, Reached};
use crate::snapshots::Snapshots;
use simulate::Simulations;

/// Name of the socket in the data folder.
pub const SOCKET: &str = "node.sock";
/// Calls at once; an operator needs few.
const CALLS_MAX: usize = 16;
/// The system's bound on a socket's path, the end mark included.
const PATH_BYTES_MAX: usize = 108;

/// Why the local service does not run.
#[derive(Debug, Error)]
pub enum LocalError {
    /// The path is too long.
    #[error(
        "the path {0} is too long for a socket: the system allows 107 bytes; give node.data a folder with a shorter path"
    )]
    PathTooLong(PathBuf),
    /// The socket cannot be made.
    #[error("cannot make the socket {path}: {source}; check who owns the data folder")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What the local service answers from, beside the backend.
#[derive(Debug, Clone)]
pub struct LocalParts {
    /// Links to peers.
    pub network: NetworkHandle,
    /// The data folder, watched.
    pub usage: Arc<Usage>,
    /// Snapshots kept, and the order to make one.
    pub snapshots: Snapshots,
    /// When this process was started, milliseconds UTC.
    pub started_ms: u64,
}

struct Local {
    backend: Arc<Backend>,
    parts: LocalParts,
    simulations: Simulations,
}

/// Serves on `data/node.sock` until `stop` is cancelled. The caller holds the data folder's lock: a socket that is
/// there already is of a process that ended.
///
/// # Errors
/// The socket cannot be made.
pub fn start(
    data: &Path,
    backend: Arc<Backend>,
    parts: LocalParts,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, LocalError> {
    let path = data.join(SOCKET);
    if path.as_os_str().len() >= PATH_BYTES_MAX {
        return Err(LocalError::PathTooLong(path));
    }
    let failed = |source| LocalError::Socket { path: path.clone(), source };
    remove(data);
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let service = NodeServiceServer::new(Local { backend, parts, simulations: Simulations::default() });
    let router = Server::builder()
        .concurrency_limit_per_connection(CALLS_MAX)
        .layer(InterceptorLayer::new(own_user))
        .add_service(service);
    let data = data.to_path_buf();
    Ok(tokio::spawn(async move {
        let incoming = UnixListenerStream::new(listener);
        if let Err(error) = router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await {
            tracing::error!(error = super::causes(&error), "the local service ended");
        }
        remove(&data);
    }))
}

/// Removes the socket; a node that was killed leaves it behind.
pub fn remove(data: &Path) {
    let _ = std::fs::remove_file(data.join(SOCKET));
}

/// Between the making of the socket and the setting of its mode another user might have connected.
fn own_user(request: Request<()>) -> Result<Request<()>, Status> {
    let caller = request.extensions().get::<UdsConnectInfo>().and_then(|info| info.peer_cred);
    let own = rustix::process::geteuid().as_raw();
    match caller.map(|credentials| credentials.uid()) {
        Some(uid) if uid == own || uid == 0 => Ok(request),
        _ => Err(Failure::new(Reason::NotOperator).into()),
    }
}

fn reach(reached: Reached) -> v1::Reach {
    let (state, detail) = match reached {
        Reached::Yes => (v1::ReachState::Reached, String::new()),
        Reached::No(reason) => (v1::ReachState::Failed, reason),
        Reached::NoAddress => (v1::ReachState::NoAddress, String::new()),
        Reached::Unknown(reason) => (v1::ReachState::Unknown, reason),
    };
    v1::Reach { state: state.into(), detail }
}

/// A peer's clock: its beats give a lower bound, a round trip says how far above that the truth may lie.
#[must_use]
pub fn clock_offset(ahead_ms: i64, round_trip: std::time::Duration) -> v1::ClockOffset {
    let half = u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX).div_ceil(2).max(1);
    let offset_ms = ahead_ms.saturating_add(i64::try_from(half).unwrap_or(i64::MAX));
    v1::ClockOffset { offset_ms, error_ms: half }
}

impl Local {
    fn position(&self) -> Option<v1::Position> {
        let tip = self.backend.subscribe().borrow().clone();
        Some(self.backend.position(&tip))
    }

    async fn probe(&self, authorities: &[String]) -> Vec<Option<Reach>> {
        futures::future::join_all(authorities.iter().map(|authority| self.parts.network.reach(authority))).await
    }

    async fn diagnose(&self, probe_links: bool) -> v1::GetDiagnosticsResponse {
        let mut links = self.parts.network.links();
        let known = self.backend.state().borrow().peers.iter().map(|peer| peer.authority.clone()).collect::<Vec<_>>();
        let reached = if probe_links { self.probe(&known).await } else { Vec::new() };
        let state = self.backend.state().borrow().clone();
        let tip = self.backend.subscribe().borrow().clone();
        let health = super::ledger::health(&self.backend, &state, &tip, None);
        let mut rows = Vec::new();
        for (index, peer) in state.peers.iter().enumerate() {
            let link = links.remove(peer.authority.as_str()).unwrap_or_default();
            let reached = reached.get(index).cloned().flatten();
            let shown = health.peers.iter().find(|shown| shown.authority == peer.authority).cloned();
            rows.push(row(shown, peer.clock_ahead_ms, peer.faults, link, reached));
        }
        let (used_bytes, space, growth) = self.parts.usage.now();
        let disk = v1::DiskDiagnostics {
            used_bytes,
            free_bytes: space.free_bytes,
            total_bytes: space.total_bytes,
            growth_bytes_per_day: growth.map_or(0, |growth| growth.bytes_per_day),
            growth_window_ms: growth.map_or(0, |growth| growth.window_ms),
        };
        v1::GetDiagnosticsResponse {
            health: Some(health),
            links: rows,
            disk: Some(disk),
            pid: std::process::id(),
            started_ms: self.parts.started_ms,
            flight_ms: state.flight_ms,
            position: Some(self.backend.position(&tip)),
        }
    }
}

/// All that is known of a peer and the link to it.
#[must_use]
pub fn row(
    peer: Option<v1::PeerHealth>,
    clock_ahead_ms: Option<i64>,
    faults: u64,
    link: LinkState,
    reached: Option<Reach>,
) -> v1::LinkDiagnostics {
    let (outbound, inbound) = reached.map(|reached| (reach(reached.outbound), reach(reached.inbound))).unzip();
    let clock = clock_ahead_ms.zip(link.round_trip).map(|(ahead_ms, trip)| clock_offset(ahead_ms, trip));
    let round_trip = link.round_trip.map_or(0, |trip| trip.as_micros());
    v1::LinkDiagnostics {
        peer,
        clock,
        round_trip_us: u64::try_from(round_trip).unwrap_or(u64::MAX),
        dialled_connections: link.dialled,
        accepted_connections: link.accepted,
        dial_error: link.dial_error.unwrap_or_default(),
        outbound,
        inbound,
        faults,
    }
}

#[tonic::async_trait]
impl NodeService for Local {
    async fn get_diagnostics(
        &self,
        request: Request<v1::GetDiagnosticsRequest>,
    ) -> Result<Response<v1::GetDiagnosticsResponse>, Status> {
        Ok(Response::new(self.diagnose(request.into_inner().probe_links).await))
    }

    async fn create_snapshot(
        &self,
        _request: Request<v1::CreateSnapshotRequest>,
    ) -> Result<Response<v1::CreateSnapshotResponse>, Status> {
        let snapshot = Some(snapshots::create(&self.parts.snapshots).await?);
        Ok(Response::new(v1::CreateSnapshotResponse { snapshot, position: self.position() }))
    }

    async fn list_snapshots(
        &self,
        _request: Request<v1::ListSnapshotsRequest>,
    ) -> Result<Response<v1::ListSnapshotsResponse>, Status> {
        let snapshots = snapshots::list(&self.parts.snapshots).await?;
        Ok(Response::new(v1::ListSnapshotsResponse { snapshots, position: self.position() }))
    }

    type SimulateProcessStream = ReceiverStream<Result<v1::SimulateProcessResponse, Status>>;

    async fn simulate_process(
        &self,
        request: Request<v1::SimulateProcessRequest>,
    ) -> Result<Response<Self::SimulateProcessStream>, Status> {
        let (backend, simulations) = (self.backend.clone(), self.simulations.clone());
        // A text of half a megabyte takes a while to check.
        let started = tokio::task::spawn_blocking(move || simulations.start(&backend, request.get_ref())).await;
        Ok(Response::new(started.map_err(|error| Failure::internal(&error))??))
    }
}
