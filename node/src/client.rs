//! A client of a node's gRPC services: the connection over mTLS, and the
//! making and signing of transactions. The command line connects by it, the
//! test network signs by it too; it knows nothing a foreign client could not.

use std::path::Path;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use laufzettel_chain::ids::{CaseId, ItemDigest, NetworkId, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use laufzettel_proto::v1::case_service_client::CaseServiceClient;
use laufzettel_proto::v1::governance_service_client::GovernanceServiceClient;
use laufzettel_proto::v1::ledger_service_client::LedgerServiceClient;
use laufzettel_proto::v1::node_service_client::NodeServiceClient;
use laufzettel_proto::v1::process_service_client::ProcessServiceClient;
use laufzettel_proto::v1::submission_service_client::SubmissionServiceClient;
use laufzettel_proto::v1::task_service_client::TaskServiceClient;
use thiserror::Error;
use tonic::transport::{Channel, Endpoint};

use crate::tls::{self, TlsError};

/// Largest answer taken, as the server sends them.
const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The handshakes take no longer, whatever a call may.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection on which nothing comes is asked whether it lives, and given up without an answer: a feed from a node that
/// hangs would wait for ever.
const ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ClientError {
    /// A file of the profile cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is no address.
    #[error("'{0}' is no address of a node; write host:port")]
    Address(String),
    /// Nobody answers there, or not as we expect.
    #[error("no node answers at {address}: {source}; check that it runs and that the certificates are of one network")]
    Connect {
        /// The address.
        address: String,
        /// What the transport said.
        source: tonic::transport::Error,
    },
    /// Somebody listens there and says nothing: the node hangs, or it is no node.
    #[error("{address} takes the connection and says nothing for {waited:?}; the node hangs, or it is no node")]
    Silent {
        /// The address.
        address: String,
        /// For how long was waited.
        waited: Duration,
    },
    /// No node answers on its socket.
    #[error("no node answers on {path}: {source}; check that it runs, and call as its user or as root")]
    Socket {
        /// The socket.
        path: std::path::PathBuf,
        /// What the transport said.
        source: tonic::transport::Error,
    },
    /// No random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
}

/// The services of one node.
#[derive(Debug, Clone)]
pub struct Client {
    /// Submits and asks for outcomes.
    pub submission: SubmissionServiceClient<Channel>,
    /// Asks for cases.
    pub cases: CaseServiceClient<Channel>,
    /// Asks for blocks and health.
    pub ledger: LedgerServiceClient<Channel>,
    /// Asks for the authority's inbox, completes and acknowledges.
    pub tasks: TaskServiceClient<Channel>,
    /// Asks for definitions and explanations.
    pub processes: ProcessServiceClient<Channel>,
    /// Asks for proposals and what they change.
    pub governance: GovernanceServiceClient<Channel>,
}

impl Client {
    /// Connects to `host:port` with the certificates of a profile folder.
    ///
    /// # Errors
    /// The profile cannot be used or nobody answers.
    pub async fn connect(address: &str, profile: &Path) -> Result<Self, ClientError> {
        Ok(Self::over(&channel(address, profile, None, None).await?))
    }
    /// The services over a connection that stands.
    #[must_use]
    pub fn over(channel: &Channel) -> Self {
        Self {
            submission: SubmissionServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX),
            cases: CaseServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX),
            ledger: LedgerServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX),
            tasks: TaskServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX),
            processes: ProcessServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX),
            governance: GovernanceServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX),
        }
    }
}

/// A connection to `host:port` with the certificates of a profile folder. The server's certificate must carry
/// `server_name`; by default the host, or `localhost` for an IP address. Calls end after `timeout`, if there is one.
///
/// # Errors
/// The profile cannot be used or nobody answers.
pub async fn channel(
    address: &str,
    profile: &Path,
    server_name: Option<&str>,
    timeout: Option<Duration>,
) -> Result<Channel, ClientError> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let default = if host.parse::<std::net::IpAddr>().is_ok() { "localhost" } else { host };
    let endpoint = Endpoint::from_shared(format!("https://{address}"));
    let endpoint = endpoint.map_err(|_| ClientError::Address(address.to_owned()))?;
    let refused = |source| ClientError::Connect { address: address.to_owned(), source };
    let mut endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(ALIVE_INTERVAL)
        .keep_alive_timeout(ALIVE_TIMEOUT);
    if let Some(timeout) = timeout {
        endpoint = endpoint.timeout(timeout);
    }
    let endpoint = endpoint.tls_config(tls::client(profile, server_name.unwrap_or(default))?).map_err(refused)?;
    // The endpoint's own limit is for the connection alone, not for the handshake on it.
    let waited = timeout.map_or(HANDSHAKE_TIMEOUT, |timeout| timeout.min(HANDSHAKE_TIMEOUT));
    match tokio::time::timeout(waited, endpoint.connect()).await {
        Ok(connected) => connected.map_err(refused),
        Err(_) => Err(ClientError::Silent { address: address.to_owned(), waited }),
    }
}

/// NodeService of the node that runs on a data folder, over its socket.
///
/// # Errors
/// No node runs there, or the socket is another user's.
pub async fn local(data: &Path, timeout: Duration) -> Result<NodeServiceClient<Channel>, ClientError> {
    let path = data.join(crate::api::local::SOCKET);
    let refused = |source| ClientError::Socket { path: path.clone(), source };
    // The name in the address is not looked up: the connector goes to the socket.
    let endpoint = Endpoint::from_static("http://node.invalid").connect_timeout(CONNECT_TIMEOUT).timeout(timeout);
    let socket = path.clone();
    let connector = tower::service_fn(move |_: http::Uri| {
        let socket = socket.clone();
        async move { tokio::net::UnixStream::connect(socket).await.map(hyper_util::rt::TokioIo::new) }
    });
    let channel = endpoint.connect_with_connector(connector).await.map_err(refused)?;
    Ok(NodeServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
}

/// An authority that signs.
#[derive(Clone)]
pub struct Author {
    /// Its id.
    pub authority: String,
    /// The key it signs with: its service key, for changes by vote its governance key.
    pub key: SigningKey,
    /// The network it signs for.
    pub network: NetworkId,
    /// Count of recoveries of that network.
    pub incarnation: u32,
    /// Name of the case system.
    pub source_system: String,
}

impl Author {
    /// Signs a transaction of these actions, each with its blinding bytes.
    #[must_use]
    pub fn sign(
        &self,
        id: TransactionId,
        valid_until_ms: u64,
        actions: &[(CaseId, Action, [u8; 16])],
    ) -> SignedTransaction {
        let items = actions.iter().map(|(case, action, blinding)| Item::encode(*blinding, *case, action)).collect();
        self.sign_items(id, valid_until_ms, items)
    }
    /// Signs a transaction of these items.
    #[must_use]
    pub fn sign_items(&self, id: TransactionId, valid_until_ms: u64, items: Vec<Vec<u8>>) -> SignedTransaction {
        let payload = Payload {
            network: self.network,
            incarnation: self.incarnation,
            id,
            authority: self.authority.clone(),
            valid_until_ms,
            source_system: self.source_system.clone(),
            item_digests: items.iter().map(|item| ItemDigest::of(item)).collect(),
        };
        payload.sign(items, &self.key)
    }
}

/// 16 random bytes: a case id, a transaction id, a blinding.
///
/// # Errors
/// The system gives none.
pub fn random16() -> Result<[u8; 16], ClientError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(ClientError::Random)?;
    Ok(bytes)
}
