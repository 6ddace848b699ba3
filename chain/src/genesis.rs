//! The genesis file: who is a member, who votes and which processes there are
//! at height 0. Its hash is the network's id, so every byte counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_contracts::{AuthorityId, Code, Definition};
use serde::Deserialize;
use thiserror::Error;

use crate::crypto::{self, Hash, VerifyingKey};
use crate::ids::{Address, KeyId, NetworkId, network_id};
use crate::limits;
use crate::registry::{Authority, Key, Parameters, Purpose, Registry};
use crate::validators::{Validator, ValidatorSet};

/// The newest language of definitions that the ledger runs. A rule that does not run must not look as if it did.
const LANGUAGE_MAX: u32 = 1;

/// Why a genesis file is refused.
#[derive(Debug, Error)]
pub enum GenesisError {
    /// Not UTF-8 text or too large.
    #[error("the genesis file is no UTF-8 text of at most 4 MiB")]
    Text,
    /// No TOML of this form.
    #[error("the genesis file is no valid TOML of version 1: {0}")]
    Toml(#[from] Box<toml::de::Error>),
    /// A value is wrong.
    #[error("genesis: {0}")]
    Value(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    name: String,
    time_ms: u64,
    state_root: String,
    #[serde(default)]
    parameters: FileParameters,
    authority: Vec<FileAuthority>,
    validator: Vec<FileValidator>,
    definition: Vec<FileDefinition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileParameters {
    propose_ms: u64,
    propose_step_ms: u64,
    vote_ms: u64,
    vote_step_ms: u64,
    cap_ms: u64,
    rebroadcast_ms: u64,
}

impl Default for FileParameters {
    fn default() -> Self {
        let Parameters { propose_ms, propose_step_ms, vote_ms, vote_step_ms, cap_ms, rebroadcast_ms } =
            Parameters::default();
        Self { propose_ms, propose_step_ms, vote_ms, vote_step_ms, cap_ms, rebroadcast_ms }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAuthority {
    id: String,
    label_de: String,
    label_en: String,
    roles: Vec<String>,
    hosted_by: String,
    key: Vec<FileKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    purpose: String,
    public: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileValidator {
    authority: String,
    power: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDefinition {
    text: String,
}

/// A checked genesis file.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// Hash of the file.
    pub network: NetworkId,
    /// The network's name, for people.
    pub name: String,
    /// Block time of height 0, milliseconds UTC.
    pub time_ms: u64,
    /// Root of the state at height 0 that the file claims; compared when a store is made.
    pub state_root: Hash,
    /// Members, keys, definitions and validators.
    pub registry: Registry,
    /// Texts of the definitions by id and version.
    pub texts: BTreeMap<(String, u32), String>,
}

impl Genesis {
    /// Reads and checks a genesis file.
    ///
    /// # Errors
    /// The file is malformed or contradicts itself.
    pub fn parse(bytes: &[u8]) -> Result<Self, GenesisError> {
        let text = core::str::from_utf8(bytes).map_err(|_| GenesisError::Text)?;
        if bytes.len() > limits::GENESIS_BYTES_MAX {
            return Err(GenesisError::Text);
        }
        let file: File = toml::from_str(text).map_err(Box::new)?;
        if file.version != 1 {
            return Err(value(format!("version {} is not known to this program; use version 1", file.version)));
        }
        let state_root = hex32(&file.state_root).ok_or_else(|| value("state_root must have 64 hexadecimal digits"))?;
        let (definitions, texts) = definitions(&file.definition)?;
        let (authorities, keys) = members(&file.authority)?;
        let validators = validators(&file.validator, &keys)?;
        let p = file.parameters;
        let parameters = Parameters {
            propose_ms: p.propose_ms,
            propose_step_ms: p.propose_step_ms,
            vote_ms: p.vote_ms,
            vote_step_ms: p.vote_step_ms,
            cap_ms: p.cap_ms,
            rebroadcast_ms: p.rebroadcast_ms,
        };
        Ok(Self {
            network: network_id(bytes),
            name: file.name,
            time_ms: file.time_ms,
            state_root,
            registry: Registry { authorities, keys, definitions, validators, parameters },
            texts,
        })
    }
}

fn value(text: impl Into<String>) -> GenesisError {
    GenesisError::Value(text.into())
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

type Definitions = (BTreeMap<(String, u32), Arc<Definition>>, BTreeMap<(String, u32), String>);

fn definitions(files: &[FileDefinition]) -> Result<Definitions, GenesisError> {
    let (mut definitions, mut texts) = (BTreeMap::new(), BTreeMap::new());
    for (index, file) in files.iter().enumerate() {
        let checked = Definition::check(&file.text).map_err(|findings| {
            let first = findings.first().map(ToString::to_string).unwrap_or_default();
            value(format!("definition {index} has {} findings, first: {first}", findings.len()))
        })?;
        let key = (checked.definition.id().to_owned(), checked.definition.version());
        let language = checked.definition.language();
        if language > LANGUAGE_MAX {
            return Err(value(format!(
                "definition {} version {} is in language {language}, whose rules the ledger of protocol version 1 does not run; \
                 take one in language {LANGUAGE_MAX}",
                key.0, key.1
            )));
        }
        if definitions.insert(key.clone(), Arc::new(checked.definition)).is_some() {
            return Err(value(format!("definition {} version {} is given twice", key.0, key.1)));
        }
        texts.insert(key, file.text.clone());
    }
    Ok((definitions, texts))
}

type Members = (BTreeMap<String, Authority>, BTreeMap<KeyId, Key>);

fn members(files: &[FileAuthority]) -> Result<Members, GenesisError> {
    let (mut authorities, mut keys) = (BTreeMap::new(), BTreeMap::new());
    if files.len() > limits::AUTHORITIES_MAX {
        return Err(value(format!("{} authorities; at most 1,024 are allowed", files.len())));
    }
    for file in files {
        let id = &file.id;
        AuthorityId::new(id).map_err(|_| value(format!("'{id}' is no authority id: 2 to 32 of [a-z][a-z0-9-]*")))?;
        let roles = file.roles.iter().map(|role| Code::new(role)).collect::<Result<Vec<_>, _>>();
        let roles = roles.map_err(|_| value(format!("{id} has a role that is no code")))?;
        if file.key.len() > limits::AUTHORITY_KEYS_MAX {
            return Err(value(format!("{id} has {} keys; at most 64 are allowed", file.key.len())));
        }
        for key in &file.key {
            let purpose = Purpose::parse(&key.purpose)
                .ok_or_else(|| value(format!("{id} has a key of unknown purpose '{}'", key.purpose)))?;
            let public = hex32(&key.public).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
            let public =
                public.ok_or_else(|| value(format!("{id} has a {} key that is no Ed25519 key", key.purpose)))?;
            let entry = Key { authority: id.clone(), purpose, public, from: 0, until: None };
            if keys.insert(KeyId::of(&public), entry).is_some() {
                return Err(value(format!("the {} key of {id} is registered twice", key.purpose)));
            }
        }
        let authority = Authority {
            label_de: file.label_de.clone(),
            label_en: file.label_en.clone(),
            roles,
            hosted_by: file.hosted_by.clone(),
        };
        if authorities.insert(id.clone(), authority).is_some() {
            return Err(value(format!("authority {id} is given twice")));
        }
    }
    for (id, authority) in &authorities {
        if !authorities.contains_key(&authority.hosted_by) {
            return Err(value(format!("{id} is hosted by '{}', which is no authority", authority.hosted_by)));
        }
    }
    Ok((authorities, keys))
}

fn validators(files: &[FileValidator], keys: &BTreeMap<KeyId, Key>) -> Result<ValidatorSet, GenesisError> {
    let mut validators = Vec::new();
    for file in files {
        let key = keys.values().find(|key| key.authority == file.authority && key.purpose == Purpose::Consensus);
        let key = key.ok_or_else(|| value(format!("validator {} has no consensus key", file.authority)))?;
        if file.power == 0 {
            return Err(value(format!("validator {} has no voting power", file.authority)));
        }
        validators.push(Validator {
            address: Address::of(&key.public),
            authority: file.authority.clone(),
            key: key.public,
            power: file.power,
        });
    }
    ValidatorSet::new(validators).map_err(|_| value("validators must be 1 to 100 and each given once"))
}

/// Key of the state leaf of a definition's text.
pub(crate) fn text_hash(text: &str) -> Hash {
    crypto::hash("definition", text.as_bytes())
}
