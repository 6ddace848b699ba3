//! The connection of client commands: mTLS with the files of a profile folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use laufzettel_proto::v1::case_service_client::CaseServiceClient;
use laufzettel_proto::v1::governance_service_client::GovernanceServiceClient;
use laufzettel_proto::v1::ledger_service_client::LedgerServiceClient;
use laufzettel_proto::v1::process_service_client::ProcessServiceClient;
use laufzettel_proto::v1::submission_service_client::SubmissionServiceClient;
use laufzettel_proto::v1::task_service_client::TaskServiceClient;
use serde::{Deserialize, Serialize};
use tonic::transport::Channel;

use super::fault::Fault;
use crate::client::{self, Client, ClientError};
use crate::endpoints::Endpoints;

/// Which node to talk to, and as whom.
#[derive(Debug, Clone, Args)]
pub(super) struct Connection {
    /// Folder with ca.pem, client.pem, client-key.pem and profile.toml [default: HOME/profile].
    #[arg(long, global = true)]
    profile: Option<PathBuf>,
    /// Address of the node, host:port; overrides the profile's.
    #[arg(long, global = true)]
    node: Option<String>,
    /// Seconds to wait for an answer.
    #[arg(long, global = true, default_value_t = 35)]
    timeout: u64,
}

/// `profile.toml`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// Address of the node, host:port.
    pub(super) endpoint: Option<String>,
    /// A running node's endpoints.json; used if there is no `endpoint`. Relative to the profile.
    pub(super) endpoints_file: Option<PathBuf>,
    /// Name in the server's certificate, if it is not the host of the address.
    pub(super) server_name: Option<String>,
}

/// A node to talk to.
#[derive(Debug)]
pub(super) struct Target {
    profile: PathBuf,
    connection: Connection,
}

impl Target {
    pub(super) fn new(home: &Path, connection: &Connection) -> Self {
        let profile = connection.profile.clone().unwrap_or_else(|| home.join("profile"));
        Self { profile, connection: connection.clone() }
    }

    /// The profile's `profile.toml`; without one, `--node` has to say where to connect.
    fn load(&self) -> Result<Profile, Fault> {
        let path = self.profile.join("profile.toml");
        if !path.exists() && self.profile.join("client.pem").exists() {
            return Ok(Profile::default());
        }
        let text = fs::read_to_string(&path).map_err(|error| {
            let advice = "name a profile with --profile, or make one with `laufzettel certificates client`";
            Fault::usage(format!("cannot read {}: {error}; {advice}", path.display()))
        })?;
        toml::from_str(&text).map_err(|error| Fault::usage(format!("{} is not understood: {error}", path.display())))
    }

    fn endpoint(&self, profile: &Profile) -> Result<String, Fault> {
        if let Some(endpoint) = self.connection.node.as_ref().or(profile.endpoint.as_ref()) {
            return Ok(endpoint.clone());
        }
        let file = profile.endpoints_file.as_ref().map(|file| self.profile.join(file));
        let file = file.ok_or_else(|| Fault::usage("the profile names no endpoint; give one with --node host:port"))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let endpoints = Endpoints::read(folder).map_err(|error| {
            let advice = "is the node running? Start it, or give --node host:port";
            Fault::unreachable(format!("cannot read {}: {error}; {advice}", file.display()))
        })?;
        Ok(endpoints.api)
    }

    async fn connect(&self) -> Result<Client, Fault> {
        let profile = self.load()?;
        let address = self.endpoint(&profile)?;
        let timeout = Duration::from_secs(self.connection.timeout);
        let connected = client::channel(&address, &self.profile, profile.server_name.as_deref(), Some(timeout)).await;
        match connected {
            Ok(channel) => Ok(Client::over(&channel)),
            Err(error @ ClientError::Address(_)) => Err(Fault::usage(error.to_string())),
            Err(ClientError::Connect { address, source }) => {
                let cause = crate::api::causes(&source);
                let advice = "check that the node runs, the address, and that its certificate and yours are of one CA";
                Err(Fault::unreachable(format!("cannot connect to {address}: {cause}; {advice}")))
            }
            Err(error @ ClientError::Silent { .. }) => Err(Fault::unreachable(error)),
            Err(error @ (ClientError::Tls(_) | ClientError::Random(_) | ClientError::Socket { .. })) => {
                Err(Fault::failed(error))
            }
        }
    }

    pub(super) async fn submission(&self) -> Result<SubmissionServiceClient<Channel>, Fault> {
        Ok(self.connect().await?.submission)
    }
    pub(super) async fn cases(&self) -> Result<CaseServiceClient<Channel>, Fault> {
        Ok(self.connect().await?.cases)
    }
    pub(super) async fn tasks(&self) -> Result<TaskServiceClient<Channel>, Fault> {
        Ok(self.connect().await?.tasks)
    }
    pub(super) async fn processes(&self) -> Result<ProcessServiceClient<Channel>, Fault> {
        Ok(self.connect().await?.processes)
    }
    pub(super) async fn governance(&self) -> Result<GovernanceServiceClient<Channel>, Fault> {
        Ok(self.connect().await?.governance)
    }
    /// A call that the node answers before this client gives up, with what is known by then.
    pub(super) fn call<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(Duration::from_secs(self.connection.timeout));
        request
    }
    /// The profile's folder.
    pub(super) fn profile(&self) -> &Path {
        &self.profile
    }
    pub(super) async fn ledger(&self) -> Result<LedgerServiceClient<Channel>, Fault> {
        Ok(self.connect().await?.ledger)
    }
}
