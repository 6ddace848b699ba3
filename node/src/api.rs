//! The gRPC services: who may call, what is asked, what is answered.
//!
//! A call passes in this order: the client certificate names an authority this
//! node hosts ([`callers`]), the request is read ([`convert`]), the ledger is
//! asked ([`backend`]), and what goes wrong becomes a status with a reason of
//! the catalogue ([`status`], [`reasons`]). Generated service types stop here.

pub mod backend;
pub mod callers;
pub mod convert;
pub mod local;
pub mod reasons;
pub mod status;

mod author;
mod calls;
mod cases;
mod clearance;
mod connections;
mod effects;
mod events;
mod feed;
mod governance;
mod ledger;
mod paging;
mod processes;
mod subject;
mod submission;
mod tasks;
#[cfg(test)]
pub(in crate::api) mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use laufzettel_proto::DESCRIPTOR_SET;
use laufzettel_proto::v1::case_service_server::CaseServiceServer;
use laufzettel_proto::v1::governance_service_server::GovernanceServiceServer;
use laufzettel_proto::v1::ledger_service_server::LedgerServiceServer;
use laufzettel_proto::v1::process_service_server::ProcessServiceServer;
use laufzettel_proto::v1::submission_service_server::SubmissionServiceServer;
use laufzettel_proto::v1::task_service_server::TaskServiceServer;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::InterceptorLayer;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};

use crate::config::ApiSection;
use crate::metrics::Metrics;
use crate::tls::{self, TlsError};
use backend::{Backend, Sync};

/// Largest message either way, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// No unary call takes longer, whatever deadline the client set.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(30);
/// An idle connection is probed after this time...
const KEEPALIVE: Duration = Duration::from_secs(40);
/// ...and closed if no answer comes within this.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Calls that a client took back before they were looked at; more end its connection.
const RESETS_PENDING_MAX: usize = 20;
/// Streams that a client's faults made this node reset; more end its connection.
const RESETS_CAUSED_MAX: usize = 256;

/// Why the services do not run.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen for clients on {address}: {source}; check api.listen and whether another process has the port"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server stopped by itself.
    #[error("the gRPC server failed: {0}")]
    Server(String),
}

/// The running services.
#[derive(Debug)]
pub struct Api {
    /// The address clients reach, with the port it got.
    pub address: SocketAddr,
    /// Ends when the services have stopped.
    pub task: JoinHandle<Result<(), ApiError>>,
}

impl Api {
    /// Starts the services. They stop once `stop` is cancelled: no new calls,
    /// running ones finish, feeds end with UNAVAILABLE.
    ///
    /// # Errors
    /// The address or the certificates cannot be used.
    pub async fn start(
        config: &ApiSection,
        backend: Arc<Backend>,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Result<Self, ApiError> {
        let tls = tls::server(config)?;
        let failed = |source| ApiError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (health, health_service) = tonic_health::server::health_reporter();
        let watcher = tokio::spawn(report_health(health, backend.clone()));
        let reflection = reflection(config.reflection)?;
        let mut builder = Server::builder()
            .timeout(CALL_TIME_MAX)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .max_concurrent_streams(config.calls_per_connection_max)
            .http2_max_header_list_size(16 * 1024)
            .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING_MAX))
            .http2_max_local_error_reset_streams(Some(RESETS_CAUSED_MAX));
        if config.connection_age_s > 0 {
            builder = builder.max_connection_age(Duration::from_secs(config.connection_age_s));
        }
        let callers = callers::Callers::new(backend.clone());
        let submissions = submission::Submissions::new(backend.clone(), config);
        let cases = cases::Cases::new(backend.clone(), submissions.clone(), stop.clone());
        let tasks = tasks::Tasks::new(backend.clone(), submissions.clone(), stop.clone());
        let router = builder
            .layer(calls::CountLayer(metrics))
            .layer(InterceptorLayer::new(callers))
            .add_service(health_service)
            .add_optional_service(reflection)
            .add_service(limited(SubmissionServiceServer::new(submissions)))
            .add_service(limited_cases(CaseServiceServer::new(cases)))
            .add_service(limited_tasks(TaskServiceServer::new(tasks)))
            .add_service(limited_processes(ProcessServiceServer::new(processes::Processes::new(backend.clone()))))
            .add_service(limited_governance(GovernanceServiceServer::new(governance::Governance::new(backend.clone()))))
            .add_service(limited_ledger(LedgerServiceServer::new(ledger::Blocks::new(backend, stop.clone()))));
        let limits = connections::Limits {
            all: config.connections_max,
            per_address: config.connections_per_address_max,
            per_authority: config.connections_per_authority_max,
        };
        let incoming = connections::incoming(listener, tls, limits);
        let task = tokio::spawn(async move {
            let ended = router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await;
            watcher.abort();
            ended.map_err(|error| ApiError::Server(causes(&error)))
        });
        Ok(Self { address, task })
    }
}

fn limited<T>(service: SubmissionServiceServer<T>) -> SubmissionServiceServer<T> {
    service.max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(MESSAGE_BYTES_MAX)
}

fn limited_cases<T>(service: CaseServiceServer<T>) -> CaseServiceServer<T> {
    service.max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(MESSAGE_BYTES_MAX)
}

fn limited_tasks<T>(service: TaskServiceServer<T>) -> TaskServiceServer<T> {
    service.max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(MESSAGE_BYTES_MAX)
}

fn limited_processes<T>(service: ProcessServiceServer<T>) -> ProcessServiceServer<T> {
    service.max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(MESSAGE_BYTES_MAX)
}

fn limited_governance<T>(service: GovernanceServiceServer<T>) -> GovernanceServiceServer<T> {
    service.max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// A block's body alone may have 4 MiB: its answer may have twice that.
fn limited_ledger<T>(service: LedgerServiceServer<T>) -> LedgerServiceServer<T> {
    service.max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(2 * MESSAGE_BYTES_MAX)
}

fn reflection(on: bool) -> Result<Option<ServerReflectionServer<impl ServerReflection>>, ApiError> {
    let built = on.then(|| {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
    });
    built.transpose().map_err(|error| ApiError::Server(error.to_string()))
}

/// Keeps grpc.health.v1 true: writing needs a quorum, reading does not.
async fn report_health(health: HealthReporter, backend: Arc<Backend>) {
    let mut state = backend.state();
    loop {
        let sync = state.borrow_and_update().sync;
        let status = |serves: bool| if serves { ServingStatus::Serving } else { ServingStatus::NotServing };
        let reads = status(matches!(sync, Sync::InSync | Sync::NoQuorum));
        health.set_service_status("laufzettel.v1.SubmissionService", status(sync == Sync::InSync)).await;
        health.set_service_status("laufzettel.v1.CaseService", reads).await;
        health.set_service_status("laufzettel.v1.LedgerService", reads).await;
        health.set_service_status("laufzettel.v1.TaskService", reads).await;
        health.set_service_status("laufzettel.v1.ProcessService", reads).await;
        health.set_service_status("laufzettel.v1.GovernanceService", reads).await;
        health.set_service_status("", status(sync != Sync::Stopped)).await;
        if state.changed().await.is_err() {
            return;
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
