//! The connection of client commands: mTLS with the files of a profile folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use laufzettel_proto::v1::case_service_client::CaseServiceClient;
use laufzettel_proto::v1::ledger_service_client::LedgerServiceClient;
use laufzettel_proto::v1::submission_service_client::SubmissionServiceClient;
use serde::{Deserialize, Serialize};
use tonic::transport::{Channel, Endpoint};

use super::fault::Fault;
use crate::endpoints::Endpoints;
use crate::tls;

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

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Channel, Fault> {
        let profile = self.load()?;
        let address = self.endpoint(&profile)?;
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let default = if host.parse::<std::net::IpAddr>().is_ok() { "localhost" } else { host };
        let name = profile.server_name.as_deref().unwrap_or(default);
        let tls = tls::client(&self.profile, name).map_err(Fault::failed)?;
        let endpoint = Endpoint::from_shared(format!("https://{address}"))
            .and_then(|endpoint| endpoint.tls_config(tls))
            .map_err(|error| Fault::usage(format!("{address:?} is no endpoint (host:port): {error}")))?
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(self.connection.timeout));
        endpoint.connect().await.map_err(|error| {
            let cause = crate::api::causes(&error);
            let advice = "check that the node runs, the address, and that its certificate and yours are of one CA";
            Fault::unreachable(format!("cannot connect to {address}: {cause}; {advice}"))
        })
    }

    pub(super) async fn submission(&self) -> Result<SubmissionServiceClient<Channel>, Fault> {
        Ok(SubmissionServiceClient::new(self.connect().await?))
    }
    pub(super) async fn cases(&self) -> Result<CaseServiceClient<Channel>, Fault> {
        Ok(CaseServiceClient::new(self.connect().await?))
    }
    pub(super) async fn ledger(&self) -> Result<LedgerServiceClient<Channel>, Fault> {
        let client = LedgerServiceClient::new(self.connect().await?);
        Ok(client.max_decoding_message_size(2 * crate::api::MESSAGE_BYTES_MAX))
    }
}
