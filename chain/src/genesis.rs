//! The genesis file: who is a member, who votes and which processes there are
//! at height 0. Its hash is the network's id, so every byte counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_contracts::effect::Directory;
use laufzettel_contracts::{AuthorityId, Calendars, Code, Definition};
use serde::Deserialize;
use thiserror::Error;

use crate::crypto::{self, Hash, VerifyingKey};
use crate::ids::{Address, KeyId, NetworkId, network_id};
use crate::ledger::PROTOCOL_VERSION_MAX;
use crate::limits;
use crate::registry::{Authority, Key, Parameters, Purpose, Registry};
use crate::validators::{Validator, ValidatorSet};

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
    /// Protocol version from height 0 on.
    #[serde(default = "first_protocol")]
    protocol: u16,
    time_ms: u64,
    state_root: String,
    #[serde(default)]
    parameters: FileParameters,
    authority: Vec<FileAuthority>,
    validator: Vec<FileValidator>,
    definition: Vec<FileDefinition>,
    #[serde(default)]
    calendar: Vec<FileCalendars>,
}

fn first_protocol() -> u16 {
    1
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCalendars {
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
    /// Members, keys, definitions and validators at height 0.
    pub registry: Arc<Registry>,
    /// Texts of the definitions by id and version.
    pub texts: BTreeMap<(String, u32), String>,
    /// Text of the calendars; none in protocol version 1.
    pub calendars_text: Option<String>,
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
        let protocol = protocol(file.protocol)?;
        let (definitions, texts) = definitions(&file.definition, protocol)?;
        let (calendars, calendars_text) = calendars(&file.calendar, protocol)?.unzip();
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
            registry: Arc::new(Registry {
                protocol,
                directory: Arc::new(directory(&authorities)),
                calendars_since: calendars.iter().map(|calendars| (0, calendars.clone())).collect(),
                calendars,
                register: Arc::default(),
                moves: BTreeMap::new(),
                authorities,
                keys,
                definitions,
                validators,
                parameters,
            }),
            texts,
            calendars_text,
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

fn protocol(found: u16) -> Result<u16, GenesisError> {
    if (1..=PROTOCOL_VERSION_MAX).contains(&found) {
        return Ok(found);
    }
    Err(value(format!("protocol {found} is not known to this program; use protocol 1 or 2, or a newer program")))
}

/// The calendars: deadlines of protocol version 2 are counted by exactly one text, and before there is nothing to count.
fn calendars(files: &[FileCalendars], protocol: u16) -> Result<Option<(Arc<Calendars>, String)>, GenesisError> {
    match (files, protocol) {
        ([], 1) => Ok(None),
        ([_, ..], 1) => Err(value("protocol 1 has no calendars; write protocol = 2, or leave [[calendar]] out")),
        ([file], _) => {
            let checked = Calendars::check(&file.text).map_err(|findings| {
                let first = findings.first().map(ToString::to_string).unwrap_or_default();
                value(format!("the calendars have {} findings, first: {first}", findings.len()))
            })?;
            Ok(Some((Arc::new(checked.calendars), file.text.clone())))
        }
        (_, _) => Err(value(format!(
            "{} calendars; protocol {protocol} needs exactly one: write one [[calendar]] with its text",
            files.len()
        ))),
    }
}

fn directory(authorities: &BTreeMap<String, Authority>) -> Directory {
    let members = authorities.iter().filter_map(|(id, member)| Some((AuthorityId::new(id).ok()?, &member.roles)));
    Directory::new(members.flat_map(|(id, roles)| roles.iter().map(move |role| (role.clone(), id.clone()))))
}

fn definitions(files: &[FileDefinition], protocol: u16) -> Result<Definitions, GenesisError> {
    let (mut definitions, mut texts) = (BTreeMap::new(), BTreeMap::new());
    for (index, file) in files.iter().enumerate() {
        let checked = Definition::check(&file.text).map_err(|findings| {
            let first = findings.first().map(ToString::to_string).unwrap_or_default();
            value(format!("definition {index} has {} findings, first: {first}", findings.len()))
        })?;
        let key = (checked.definition.id().to_owned(), checked.definition.version());
        let language = checked.definition.language();
        if language > u32::from(protocol) {
            return Err(value(format!(
                "definition {} version {} is in language {language}, which needs protocol {language}: write protocol = {language} above the first table, and a [[calendar]] with the text of the holidays",
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

/// Value of the state leaf of the calendars' text.
pub(crate) fn calendars_hash(text: &str) -> Hash {
    crypto::hash("calendars", text.as_bytes())
}
