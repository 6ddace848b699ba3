//! What a node starts with: configuration, keys and genesis, read and checked
//! against each other before anything runs. A node whose keys are not those of
//! the registry would only be refused by its peers; here it is told why.

use std::path::Path;
use std::sync::Arc;

use ed25519_dalek::{SigningKey, VerifyingKey};
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::registry::Purpose;
use thiserror::Error;

use crate::config::{Config, ConfigError, PeerSection, parse_key};
use crate::genesis::{self, GenesisError};
use crate::keys::{KeyError, Keys};
use crate::network::{LinkLimits, NetworkConfig, Peer};

/// Why a node cannot start.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The genesis file cannot be used.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// They do not fit together.
    #[error("{0}")]
    Mismatch(String),
}

/// What a node starts with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The configuration.
    pub config: Config,
    /// The node's keys.
    pub keys: Keys,
    /// The genesis file.
    pub genesis: Arc<Genesis>,
    /// All peers, without this node.
    pub peers: Vec<Peer>,
}

fn mismatch(text: impl Into<String>) -> SetupError {
    SetupError::Mismatch(text.into())
}

impl Setup {
    /// Reads everything and checks that it fits together.
    ///
    /// # Errors
    /// Names what does not.
    pub fn load(config: &Path) -> Result<Self, SetupError> {
        Self::of(Config::load(config)?)
    }

    /// Reads what a configuration names, and checks that it fits together.
    ///
    /// # Errors
    /// Names what does not.
    pub fn of(config: Config) -> Result<Self, SetupError> {
        let keys = Keys::load(&config.keys)?;
        let genesis = genesis::load(&config.node.genesis).map_err(|error| match error {
            GenesisError::Io { .. } => mismatch(format!(
                "node.genesis: {error}; put the network's genesis file there, the same bytes as on every other node"
            )),
            other => other.into(),
        });
        let genesis = Arc::new(genesis?);
        let id = &config.node.authority;
        if !genesis.registry.authorities.contains_key(id) {
            let file = config.node.genesis.display();
            return Err(mismatch(format!(
                "node.authority is {id}, which is no authority of {file}; set it to the id on this node's card, or \
                 node.genesis to the file of this node's network"
            )));
        }
        let registered = |key: &SigningKey, purpose, field| registered(&genesis, id, key, purpose, field);
        registered(&keys.node, Purpose::Node, "keys.node")?;
        if let Some(key) = &keys.consensus {
            registered(key, Purpose::Consensus, "keys.consensus")?;
        }
        if let Some(key) = &keys.service {
            registered(key, Purpose::Service, "keys.service")?;
        }
        let peers = config.peers.iter().map(|section| peer(&genesis, section)).collect::<Result<_, _>>()?;
        Ok(Self { config, keys, genesis, peers })
    }

    /// What the network is started with.
    #[must_use]
    pub fn network(&self) -> NetworkConfig {
        let limits = LinkLimits {
            queue_bytes_max: self.config.network.queue_bytes_max,
            bytes_per_second: self.config.network.bytes_per_second,
            ..LinkLimits::default()
        };
        NetworkConfig {
            key: self.keys.node.clone(),
            listen: self.config.network.listen.clone(),
            peers: self.peers.clone(),
            limits,
        }
    }
}

/// Whether the registry has this key of this node for its purpose.
fn registered(
    genesis: &Genesis,
    authority: &str,
    key: &SigningKey,
    purpose: Purpose,
    field: &str,
) -> Result<(), SetupError> {
    let public = key.verifying_key();
    let found = genesis
        .registry
        .keys
        .values()
        .any(|entry| entry.authority == authority && entry.purpose == purpose && entry.public == public);
    if found {
        return Ok(());
    }
    let public = data_encoding::HEXLOWER.encode(public.as_bytes());
    Err(mismatch(format!(
        "{field} holds the key {public}, which the genesis file does not register for {authority} and this purpose; \
         it is the file of another key, or the key was made anew after the card was handed over"
    )))
}

/// A peer with its node key, from the configuration or else from the registry.
fn peer(genesis: &Genesis, section: &PeerSection) -> Result<Peer, SetupError> {
    let authority = &section.authority;
    let registered =
        || -> Option<VerifyingKey> { genesis.registry.key_of(authority, Purpose::Node).map(|(_, key)| key.public) };
    let key = section.node_key.as_deref().and_then(parse_key).or_else(registered).ok_or_else(|| {
        mismatch(format!("[[peer]] {authority} has no node key in the registry; check the id, or set node_key"))
    })?;
    Ok(Peer { authority: authority.as_str().into(), key, addresses: section.addresses.clone() })
}
