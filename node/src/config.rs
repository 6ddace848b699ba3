//! The node's configuration: one TOML file, every field explained here and
//! set in `docs/config.toml`. Unknown fields are refused, so that a misspelt
//! one is noticed.
//!
//! Secrets are never in it, only the paths of their files. Nothing here
//! concerns consensus: those parameters are on the ledger.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::network::Address;

/// The configuration of one node. Relative paths count from the file's folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which node this is.
    pub node: NodeSection,
    /// Its key files.
    pub keys: KeyFiles,
    /// Links to other nodes.
    pub network: NetworkSection,
    /// The gRPC services.
    pub api: ApiSection,
    /// Memory for transactions that wait.
    #[serde(default)]
    pub mempool: MempoolSection,
    /// Snapshots and pruning.
    #[serde(default)]
    pub snapshots: SnapshotsSection,
    /// What Prometheus reads.
    #[serde(default)]
    pub metrics: MetricsSection,
    /// Logs.
    #[serde(default)]
    pub log: LogSection,
    /// The other nodes.
    #[serde(default, rename = "peer")]
    pub peers: Vec<PeerSection>,
}

/// Which node this is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSection {
    /// Authority that runs it.
    pub authority: String,
    /// Folder of the ledger. Belongs to one running node at a time.
    pub data: PathBuf,
    /// The network's genesis file, the same bytes on every node.
    pub genesis: PathBuf,
    /// Keep every block, and every version of the state tree for proofs at any height.
    #[serde(default)]
    pub archive: bool,
}

/// Paths of key files, each readable by its owner only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFiles {
    /// Node key.
    pub node: PathBuf,
    /// Consensus key; without it the node observes and does not vote.
    pub consensus: Option<PathBuf>,
    /// Service key; without it `ReportStatus` is refused.
    pub service: Option<PathBuf>,
}

/// Links to other nodes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSection {
    /// Address for peers, as `host:port` or multiaddr; port 0 takes a free one.
    pub listen: Address,
    /// Bytes that may wait for one peer before it is disconnected.
    #[serde(default = "NetworkSection::queue_bytes_default")]
    pub queue_bytes_max: usize,
    /// Bytes one peer may send per second, on average.
    #[serde(default = "NetworkSection::bytes_per_second_default")]
    pub bytes_per_second: u64,
}

impl NetworkSection {
    fn queue_bytes_default() -> usize {
        32 * 1024 * 1024
    }
    fn bytes_per_second_default() -> u64 {
        64 * 1024 * 1024
    }
}

/// One other node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerSection {
    /// Its authority.
    pub authority: String,
    /// Where it listens, as `host:port` or multiaddr; may be empty if it dials this node.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// Its public node key, hexadecimal; needed only if the registry does not have it.
    pub node_key: Option<String>,
}

/// The gRPC services.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSection {
    /// Address for clients; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The server's certificate chain, PEM.
    pub certificate: PathBuf,
    /// The server's private key, PEM, readable by its owner only.
    pub private_key: PathBuf,
    /// Certificate of the authority that issues client certificates, PEM.
    pub client_ca: PathBuf,
    /// Clients connected at once; more are turned away.
    #[serde(default = "ApiSection::connections_default")]
    pub connections_max: usize,
    /// Of these from one network address.
    #[serde(default = "ApiSection::connections_per_address_default")]
    pub connections_per_address_max: usize,
    /// Of these of one authority.
    #[serde(default = "ApiSection::connections_per_authority_default")]
    pub connections_per_authority_max: usize,
    /// Calls of one connection at once.
    #[serde(default = "ApiSection::calls_default")]
    pub calls_per_connection_max: u32,
    /// Connections are closed at this age so that certificates are read anew; 0 = never.
    #[serde(default)]
    pub connection_age_s: u64,
    /// Answer reflection, so that clients like grpcurl need no schema.
    #[serde(default)]
    pub reflection: bool,
    /// Source system named in what `ReportStatus` makes if the client names none.
    #[serde(default)]
    pub source_system: String,
}

impl ApiSection {
    fn connections_default() -> usize {
        1_024
    }
    fn connections_per_address_default() -> usize {
        256
    }
    fn connections_per_authority_default() -> usize {
        512
    }
    fn calls_default() -> u32 {
        256
    }
}

/// Memory for transactions that wait.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MempoolSection {
    /// Bytes of all waiting transactions.
    pub bytes_max: usize,
    /// Count of all waiting transactions.
    pub transactions_max: usize,
}

impl Default for MempoolSection {
    fn default() -> Self {
        Self { bytes_max: 64 * 1024 * 1024, transactions_max: 50_000 }
    }
}

/// Snapshots, and with them how far back blocks are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnapshotsSection {
    /// A snapshot is made at the first block past each multiple of so many seconds of block time; 0 = only by command.
    pub interval_s: u64,
    /// So many of the newest are kept, and the blocks after the oldest of them.
    pub keep: usize,
}

impl Default for SnapshotsSection {
    fn default() -> Self {
        Self { interval_s: 86_400, keep: 2 }
    }
}

/// What Prometheus reads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSection {
    /// Address of the metrics, over plain HTTP; port 0 takes a free one. Without it there are none.
    pub listen: Option<SocketAddr>,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an entry.
    Text,
    /// One JSON object an entry.
    Json,
}

/// Logs, written to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// What is logged: a level, or `target=level` parts separated by commas.
    pub filter: String,
    /// In which form.
    pub format: LogFormat,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { filter: "info,arc_malachitebft_core_consensus=warn".into(), format: LogFormat::Text }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration {path}: {source}; `laufzettel init` makes one")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no configuration; the message shows line and column.
    #[error("the configuration {path} is not understood: {message}\nThe manual's config.toml explains every field")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Place and reason.
        message: String,
    },
    /// A value cannot be used.
    #[error("{field} in the configuration: {message}")]
    Invalid {
        /// The field, as `section.field`.
        field: String,
        /// What is wrong, and what to do.
        message: String,
    },
}

impl Config {
    /// Reads a configuration and makes its paths absolute to its folder.
    ///
    /// # Errors
    /// The file cannot be read, is not understood, or has a value that cannot be used.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let bytes = fs::read(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let message = format!("byte {} is no UTF-8 text", error.utf8_error().valid_up_to());
            ConfigError::Parse { path: path.into(), message }
        })?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::Parse { path: path.into(), message: error.to_string() })?;
        config.resolve(path.parent().unwrap_or(Path::new("")));
        config.validate()?;
        Ok(config)
    }

    /// Puts a folder before every relative path.
    fn resolve(&mut self, folder: &Path) {
        let paths = [
            &mut self.node.data,
            &mut self.node.genesis,
            &mut self.keys.node,
            &mut self.api.certificate,
            &mut self.api.private_key,
            &mut self.api.client_ca,
        ];
        for path in paths.into_iter().chain(&mut self.keys.consensus).chain(&mut self.keys.service) {
            *path = folder.join(&*path);
        }
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// A value cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check(is_authority(&self.node.authority), "node.authority", "must be 2 to 32 of [a-z0-9-], a letter first")?;
        check(self.api.connections_max > 0, "api.connections_max", "must be at least 1")?;
        let per_address = self.api.connections_per_address_max;
        check(per_address > 0, "api.connections_per_address_max", "must be at least 1")?;
        let per_authority = self.api.connections_per_authority_max;
        check(per_authority > 0, "api.connections_per_authority_max", "must be at least 1")?;
        check(self.api.calls_per_connection_max > 0, "api.calls_per_connection_max", "must be at least 1")?;
        let queue_min = crate::network::FRAME_BYTES_MAX;
        check(self.network.queue_bytes_max >= queue_min, "network.queue_bytes_max", "must hold a frame of 6 MiB")?;
        check(self.network.bytes_per_second >= 1_048_576, "network.bytes_per_second", "must be at least 1 MiB")?;
        check(self.mempool.bytes_max >= 1_048_576, "mempool.bytes_max", "must hold a transaction of 1 MiB")?;
        check(self.mempool.transactions_max > 0, "mempool.transactions_max", "must be at least 1")?;
        let keep_max = crate::consensus::message::SNAPSHOTS_MAX;
        check((1..=keep_max).contains(&self.snapshots.keep), "snapshots.keep", "must be 1 to 64")?;
        let source = &self.api.source_system;
        let source_ok = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        check(source.len() <= 32 && source.bytes().all(source_ok), "api.source_system", "at most 32 of [a-z0-9._-]")?;
        let mut seen = BTreeSet::from([&self.node.authority]);
        for peer in &self.peers {
            let field = format!("peer {}", peer.authority);
            check(is_authority(&peer.authority), &field, "2 to 32 of [a-z0-9-], a letter first")?;
            check(seen.insert(&peer.authority), &field, "named twice, or this node itself; remove one")?;
            let key = peer.node_key.as_deref().map(parse_key);
            check(
                key.is_none_or(|key| key.is_some()),
                &field,
                "node_key must be 64 hexadecimal digits of an Ed25519 key",
            )?;
        }
        Ok(())
    }
}

fn check(holds: bool, field: &str, message: &str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::Invalid { field: field.into(), message: message.into() }) }
}

/// Whether this is an authority id (docs/FORMATS.md A.2).
#[must_use]
pub fn is_authority(text: &str) -> bool {
    (2..=32).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A public Ed25519 key from 64 hexadecimal digits.
#[must_use]
pub fn parse_key(text: &str) -> Option<ed25519_dalek::VerifyingKey> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
    ed25519_dalek::VerifyingKey::from_bytes(&bytes.try_into().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../docs/config.toml");

    fn load(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    #[test]
    fn the_shipped_sample_is_valid_and_names_every_field() {
        let config = load(SAMPLE).unwrap();
        assert_eq!(config.mempool, MempoolSection::default());
        assert_eq!(config.log, LogSection::default());
        assert_eq!(config.snapshots, SnapshotsSection::default());
        assert!(config.keys.node.is_absolute() && config.keys.service.is_some());
        assert_eq!(config.peers.len(), 3);
    }

    #[test]
    fn a_misspelt_field_is_named_with_its_line() {
        let error = load(&SAMPLE.replace("archive =", "archiv =")).unwrap_err().to_string();
        assert!(error.contains("archiv") && error.contains("line"), "{error}");
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (from, to, field) in [
            ("authority = \"de-bamf\"", "authority = \"BAMF\"", "node.authority"),
            ("connections_max = 1024", "connections_max = 0", "api.connections_max"),
            ("authority = \"sn-zab\"", "authority = \"de-bamf\"", "peer de-bamf"),
        ] {
            let error = load(&SAMPLE.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }
}
